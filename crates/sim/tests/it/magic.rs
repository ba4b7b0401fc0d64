//! The magic recipients, one by one.

use std::time::Duration;

use serde_json::json;
use sim::{Cut, Delay};

use crate::harness::{World, ok};

fn number(last: &str) -> String {
    format!("+1 555 010 {last}")
}

#[tokio::test]
async fn the_last_four_digits_choose_the_statuses() {
    for (last, expected) in [
        ("0001", &["sent", "delivered", "read"][..]),
        ("0002", &["sent", "delivered"]),
        ("0003", &["sent"]),
        ("1026", &["failed 131026"]),
        ("1047", &["failed 131047"]),
        ("1049", &["failed 131049"]),
        ("1053", &["failed 131053"]),
        ("0504", &["sent", "delivered", "read"]),
        ("0505", &[]),
        ("0008", &["sent", "delivered", "read"]),
        ("0777", &["sent", "delivered", "read"]),
    ] {
        let world = World::new();
        world.writes(&number(last));
        let answer = world.text(&number(last)).await;
        match last {
            "0504" | "0505" => assert_eq!(answer.cut, Some(Cut::After), "{last}"),
            _ => assert_eq!((answer.status, answer.cut), (200, None), "{last}"),
        }
        assert_eq!(world.words().await, expected, "{last}");
        assert_eq!(world.sim.messages().len(), usize::from(last != "0505"), "{last}");
    }
}

#[tokio::test]
async fn free_form_and_templates_behave_alike() {
    let world = World::new();
    let template = json!({"name": "hello_world", "language": {"code": "en_US"}});
    ok(world.send(json!({"to": number("1026"), "type": "template", "template": template})).await);
    assert_eq!(world.words().await, ["failed 131026"]);
}

#[tokio::test]
async fn number_1056_is_always_refused() {
    let world = World::new();
    for _ in 0..3 {
        let answer = world.text(&number("1056")).await;
        assert_eq!((answer.status, answer.code()), (400, 131_056));
        assert_eq!(answer.message(), "(#131056) (Business Account, Consumer Account) pair rate limit hit");
    }
    assert!(world.sim.messages().is_empty());
}

#[tokio::test]
async fn two_refusals_and_then_a_message_again_and_again() {
    for (last, status, code, title) in [
        ("0429", 400, 130_429, "(#130429) Rate limit hit"),
        ("0500", 500, 131_000, "(#131000) Something went wrong"),
    ] {
        let world = World::new();
        for round in 1..3 {
            for _ in 0..2 {
                let answer = world.text(&number(last)).await;
                assert_eq!((answer.status, answer.code(), answer.message()), (status, code, title), "{last}");
            }
            assert_eq!(world.text(&number(last)).await.status, 200, "{last}");
            assert_eq!(world.sim.messages().len(), round);
        }
    }
}

#[tokio::test]
async fn number_0190_says_that_the_token_has_expired() {
    let world = World::new();
    let answer = world.text(&number("0190")).await;
    assert_eq!((answer.status, answer.code()), (401, 190));
    assert_eq!(answer.body["error"]["error_subcode"], 463);
    assert_eq!(world.text(&number("0001")).await.status, 200, "the token itself still works");
}

#[tokio::test]
async fn number_0504_is_accepted_and_its_reference_comes_back() {
    let world = World::new();
    world.writes(&number("0504"));
    let answer = world
        .send(json!({"to": number("0504"), "type": "text", "text": {"body": "x"}, "biz_opaque_callback_data": "ref-1"}))
        .await;
    assert_eq!(answer.cut, Some(Cut::After));
    let statuses = world.statuses().await;
    assert_eq!(statuses.len(), 3);
    assert!(statuses.iter().all(|status| status["biz_opaque_callback_data"] == "ref-1"));
}

#[tokio::test]
async fn number_0008_answers_after_eight_seconds() {
    let world = World::new();
    let answer = world.text(&number("0008")).await;
    assert_eq!(answer.delay, Some(Delay(Duration::from_secs(8))));
    answer.wamid();
}

#[tokio::test]
async fn digits_outside_the_range_are_not_magic() {
    let world = World::new();
    for to in ["+44 7700 901056", "+1 555 011 1056", "+1 555 010 01056"] {
        assert_eq!(world.text(to).await.status, 200, "{to}");
    }
}

#[tokio::test]
async fn a_wrong_message_is_refused_before_the_magic() {
    let world = World::new();
    let answer = world.send(json!({"to": number("0505"), "type": "text", "text": {"body": ""}})).await;
    assert_eq!(answer.code(), 131_009);
}

#[tokio::test]
async fn no_account_has_a_magic_number() {
    let world = World::new();
    for account in world.sim.accounts() {
        let last = &account.display_phone_number[account.display_phone_number.len() - 4..];
        assert!(last.starts_with("99"), "{last}");
    }
}
