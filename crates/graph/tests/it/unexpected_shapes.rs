//! Bodies with an unexpected shape, and elements that cannot be decoded.

use bytes::Bytes;
use domain::webhooks_in::update::WebhookUpdate;
use expect_test::expect;
use graph::decode_webhook;

use crate::samples::{bytes_of, decode, envelope, format_change, reads};

const GOOD: &str = r#"{"from":"447700900123","id":"wamid.good","timestamp":"1767261605","type":"text","text":{"body":"hi"}}"#;

#[test]
fn only_a_body_that_is_not_json_is_an_error() {
    for body in ["", "   ", "{", "nonsense", "{\"a\":}", "{} {}", "{'a':1}", "\u{0}"] {
        assert!(decode_webhook(&Bytes::copy_from_slice(body.as_bytes())).is_err(), "{body:?}");
    }
    assert!(decode_webhook(&Bytes::from_static(b"{\"a\":\"\xff\"}")).is_err());
}

#[test]
fn a_body_with_another_shape_is_one_change() {
    for body in [
        "[1,2]",
        "\"text\"",
        "17",
        "null",
        "{}",
        r#"{"object":"page"}"#,
        r#"{"entry":{}}"#,
        r#"{"entry":"x"}"#,
        r#"{"entry":[1]}"#,
        r#" {"entry":[{"id":"2"}]} "#,
        r#"{"entry":[{"id":"2","changes":7}]}"#,
        r#"{"entry":[{"id":"2","changes":["x"]}]}"#,
    ] {
        let decode = decode(body);
        assert_eq!(decode.len(), 1, "{body}");
        assert_eq!(bytes_of(body, &decode[0]), body.trim());
        assert_eq!(decode[0].update, WebhookUpdate::Other);
        assert!(decode[0].undecodable.is_some());
    }
}

#[test]
fn an_empty_list_has_no_changes() {
    for body in [
        r#"{"object":"whatsapp_business_account","entry":[]}"#,
        r#"{"entry":[{"id":"2","changes":[]}]}"#,
        &envelope(r#""messages":[]"#),
    ] {
        assert_eq!(decode(body), []);
    }
}

#[test]
fn an_unexpected_element_does_not_affect_other_elements() {
    let change = format!(r#"{{"field":"messages","value":{{"messages":[{GOOD}]}}}}"#);
    let body = format!(
        r#"{{"entry":[7,{{"id":"1"}},{{"id":"2","changes":[{change},null,{{"field":"messages"}},{{"value":{{}}}},{{"field":"messages","value":{{"metadata":{{}}}}}}]}}]}}"#
    );
    reads(
        &body,
        expect![[r#"
        other  ! an element of `entry` is a number, not an object
        other  ! an element of `entry` has no `changes`
        text mid.good | 447700900123 - - | 2026-01-01T10:00:05Z | "hi" | {"body":"hi"}
        other  ! an element of `changes` is null, not an object
        other messages ! a change has no `value` that is an object
        other  ! a change has no `field`
        other messages ! a change has none of its field's lists
    "#]],
    );
}

#[test]
fn an_undecodable_element_is_a_change_with_its_reason() {
    let elements = [
        r#"{"from":"447700900123","timestamp":"1767261605","type":"text","text":{"body":"no id"}}"#,
        r#"{"from":"447700900123","id":"","timestamp":"1767261605","type":"text"}"#,
        r#"{"from":"447700900123","id":{},"timestamp":"1767261605","type":"text"}"#,
        r#"{"from":"447700900123","id":"w","type":"text"}"#,
        r#"{"from":"447700900123","id":"w","timestamp":"soon","type":"text"}"#,
        r#"{"from":"447700900123","id":"w","timestamp":"1767261605000","type":"text"}"#,
        r#"{"from":"447700900123","id":"w","timestamp":"-5","type":"text"}"#,
        r#"{"from":"447700900123","id":"w","timestamp":"99999999999999999999","type":"text"}"#,
        r#"{"from":"447700900123","id":"w","timestamp":"1767261605","type":[]}"#,
        r#"{"id":"w","timestamp":"1767261605","type":"text","text":{"body":"whose?"}}"#,
        "null",
        "[]",
        GOOD,
    ];
    let body = envelope(&format!(r#""messages":[{}]"#, elements.join(",")));
    for (change, element) in decode(&body).iter().zip(elements) {
        assert_eq!(bytes_of(&body, change), element);
    }
    reads(
        &body,
        expect![[r#"
        other messages ! it has no `id`
        other messages ! its `id` is empty
        other messages ! its `id` is an object
        other messages ! it has no `timestamp`
        other messages ! its `timestamp` is not a time in Unix seconds
        other messages ! its `timestamp` is not a time in Unix seconds
        other messages ! its `timestamp` is not a time in Unix seconds
        other messages ! its `timestamp` is not a time in Unix seconds
        other messages ! its `type` is an array
        other messages ! it has neither `from` nor `from_user_id`
        other messages ! an element is null, not an object
        other messages ! an element is an array, not an object
        text mid.good | 447700900123 - - | 2026-01-01T10:00:05Z | "hi" | {"body":"hi"}
    "#]],
    );
}

#[test]
fn an_unexpected_object_does_not_make_a_message_undecodable() {
    let elements = [
        r#"{"from":"447700900123","id":"w1","timestamp":"1767261605","text":{"body":"no type"}}"#,
        r#"{"from":"447700900123","id":"w2","timestamp":"1767261605","type":"text"}"#,
        r#"{"from":"447700900123","id":"w3","timestamp":"1767261605","type":"text","text":"bare"}"#,
        r#"{"from":447700900123,"id":3,"timestamp":1767261605,"type":"text","text":{"body":7},"context":"x"}"#,
        r#"{"from":"447700900123","id":"w5","timestamp":"1767261605","type":"text","text":{"body":"a","body":"b"},"type":"text"}"#,
        r#"{"from":"","from_user_id":"GB.7","id":"w6","timestamp":"1767261605","type":"image","image":null,"context":{"id":""}}"#,
        r#"{"from":"447700900123","id":"w7","timestamp":"1767261605","type":"edit","edit":{"original_message_id":"o","message":{"type":"edit","edit":{}}}}"#,
    ];
    reads(
        &envelope(&format!(r#""messages":[{}]"#, elements.join(","))),
        expect![[r#"
        unsupported w1 | 447700900123 - - | 2026-01-01T10:00:05Z
        text w2 | 447700900123 - - | 2026-01-01T10:00:05Z
        text w3 | 447700900123 - - | 2026-01-01T10:00:05Z | "bare"
        text 3 | 447700900123 - - | 2026-01-01T10:00:05Z | {"body":7}
        text w5 | 447700900123 - - | 2026-01-01T10:00:05Z | "b" | {"body":"b"}
        image w6 | - GB.7 - | 2026-01-01T10:00:05Z
        edit w7 | 447700900123 - - | 2026-01-01T10:00:05Z | {"original_message_id":"o","message":{"type":"edit","edit":{}}}
    "#]],
    );
}

#[test]
fn nul_and_lone_surrogates_become_the_replacement_character() {
    let element = r#"{"from":"447700900123","id":"wamid.good","timestamp":"1767261605","type":"text","text":{"body":"a\u0000b\ud83dc\ude00 \ud83d\ude00"},"odd\ud800key":1}"#;
    let body = envelope(&format!(r#""messages":[{element}]"#));
    assert_eq!(bytes_of(&body, &decode(&body)[0]), element);
    reads(
        &body,
        expect![[r#"
        text mid.good | 447700900123 - - | 2026-01-01T10:00:05Z | "a�b�c� 😀" | {"body":"a�b�c� 😀"}
    "#]],
    );
}

#[test]
fn duplicate_lists_are_all_read() {
    let status = r#"{"id":"wamid.s","status":"read","timestamp":"1767261605","recipient_id":"1"}"#;
    let change = format!(
        r#"{{"field":"messages","value":{{"messages":[{GOOD}],"statuses":[{status}],"messages":[{GOOD}]}}}}"#
    );
    let body = format!(
        r#"{{"entry":[{{"changes":[{change}],"changes":[{change}]}}],"entry":[{{"changes":[{change}]}}]}}"#
    );
    assert_eq!(decode(&body).len(), 9);
}

#[test]
fn a_list_with_another_type_is_one_change() {
    let body = envelope(&format!(
        r#""messages":{{"x":1}},"statuses":null,"polls":[{{"id":"p"}}],"errors":[],"x":{GOOD}"#
    ));
    reads(
        &body,
        expect![[r#"
        other messages ! `messages` is an object, not an array
        other messages
    "#]],
    );
}

#[test]
fn deep_nesting_in_one_element_does_not_affect_other_elements() {
    for depth in [100, 127, 128, 129, 100_000] {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        let deep = format!(
            r#"{{"from":"447700900123","id":"wamid.deep","timestamp":"1767261605","type":"text","text":{{"body":"x","y":{open}{close}}}}}"#
        );
        let body = envelope(&format!(r#""messages":[{GOOD},{deep},{GOOD}],"deep":{open}{close}"#));
        let decode = decode(&body);
        for position in [0, 1, 2] {
            let WebhookUpdate::Message(message) = &decode[position].update else {
                panic!("{}", format_change(&decode[position]))
            };
            assert_eq!(message.object.is_some(), position != 1 || depth < 110);
        }
        assert_eq!(bytes_of(&body, &decode[1]), deep);
    }
}

#[test]
fn a_misplaced_field_is_found() {
    let value = r#"{"event":"APPROVED","message_template_name":"a","message_template_language":"en"}"#;
    let body = format!(
        r#"{{"entry":[{{"id":"1","field":"message_template_status_update","changes":[{{"value":{value}}}]}},
            {{"id":"1","changes":[{{"value":{{"field":"account_update","event":"ACCOUNT_DELETED"}}}}]}},
            {{"id":"1","changes":[{{"value":{{"messages":[{GOOD}]}}}}]}},
            {{"id":"1","changes":[{{"field":"message_template_status_update","value":{{"event":"APPROVED"}}}}]}}]}}"#
    );
    reads(
        &body,
        expect![[r#"
            template a en | status APPROVED
            account Status | Suspend(Disabled, "The WhatsApp Business Account was deleted at Meta.")
            text mid.good | 447700900123 - - | 2026-01-01T10:00:05Z | "hi" | {"body":"hi"}
            other message_template_status_update ! it has no `message_template_name`
        "#]],
    );
}

#[test]
fn a_user_is_matched_by_id_and_never_by_position() {
    let message = |ids: &str| {
        format!(r#"{{{ids}"id":"w","timestamp":"1767261605","type":"text","text":{{"body":"x"}}}}"#)
    };
    let two = [message(r#""from":"2","#), message(r#""from_user_id":"GB.1","#), message(r#""from":"3","#)]
        .join(",");
    let contacts = r#""contacts":[{"profile":{"name":"One"},"wa_id":"1","user_id":"GB.1"},{"profile":{"name":"Two"},"wa_id":"2"}]"#;
    reads(
        &envelope(&format!(r#""messages":[{two}],{contacts}"#)),
        expect![[r#"
        text w | 2 - Two | 2026-01-01T10:00:05Z | "x" | {"body":"x"}
        text w | 1 GB.1 One | 2026-01-01T10:00:05Z | "x" | {"body":"x"}
        text w | 3 - - | 2026-01-01T10:00:05Z | "x" | {"body":"x"}
    "#]],
    );
    // A single contact: without ids; with the ids of another user; and for a message without ids.
    let message = message(r#""from":"2","#);
    reads(
        &envelope(&format!(
            r#""contacts":[{{"profile":{{"name":"Only"}},"wa_id":""}}],"messages":[{message}]"#
        )),
        expect![[r#"
        text w | 2 - Only | 2026-01-01T10:00:05Z | "x" | {"body":"x"}
    "#]],
    );
    reads(
        &envelope(&format!(
            r#""contacts":[{{"profile":{{"name":"Other"}},"wa_id":"9"}}],"messages":[{message}]"#
        )),
        expect![[r#"
        text w | 2 - - | 2026-01-01T10:00:05Z | "x" | {"body":"x"}
    "#]],
    );
    let bare = r#"{"id":"w","timestamp":"1767261605","type":"text"}"#;
    reads(
        &envelope(&format!(
            r#""contacts":[{{"profile":{{"name":"Only"}},"wa_id":"9"}}],"messages":[{bare}]"#
        )),
        expect![[r#"
        text w | 9 - Only | 2026-01-01T10:00:05Z
    "#]],
    );
}
