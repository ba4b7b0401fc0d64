//! Contacts: opt-outs, merges, number changes and message echoes.

use serde_json::{Value, json};

use crate::meta_payloads::{START, opt_out_signal, text};
use crate::support::TestApp;

const MAYA: &str = "447700900123";
const NEW: &str = "447700900999";

fn at(seconds: i64) -> String {
    (START + seconds).to_string()
}

/// Returns all permutations.
pub(crate) fn orders<T: Clone>(all: &[T]) -> Vec<Vec<T>> {
    if all.is_empty() {
        return vec![Vec::new()];
    }
    let mut orders_of_all = Vec::new();
    for i in 0..all.len() {
        let mut rest = all.to_vec();
        let first = rest.remove(i);
        orders_of_all.extend(orders(&rest).into_iter().map(|mut order| {
            order.insert(0, first.clone());
            order
        }));
    }
    orders_of_all
}

#[tokio::test]
async fn a_contact_that_opted_out_gets_no_marketing_until_it_opts_in() {
    let app = TestApp::new().await;
    let template = json!({"name": "spring_sale", "language": "en", "category": "MARKETING",
        "components": [{"type": "BODY", "text": "Spring is here."}]});
    app.sim.add_template(None, template.as_object().unwrap(), "APPROVED").unwrap();
    let send = || {
        json!({"to": format!("+{MAYA}"), "type": "template",
            "template": {"name": "spring_sale", "language": "en"}})
    };
    app.receive_messages(&[text("wamid.1", MAYA, 0)]).await;
    app.deliver_number_webhook(
        "user_preferences",
        json!({"user_preferences": [opt_out_signal(MAYA, "stop", 10)]}),
    )
    .await;
    assert_eq!(app.contact("+447700900123").await["opted_out"], true);
    assert_eq!(app.send(send()).await.expect(400).code(), "recipient_opted_out");
    app.deliver_number_webhook(
        "user_preferences",
        json!({"user_preferences": [opt_out_signal(MAYA, "resume", 20)]}),
    )
    .await;
    app.send(send()).await.expect(200);
    let events = app.events_of_kind("contact.updated").await;
    let events: Vec<_> = events.iter().map(|data| (&data["opted_out"], &data["changes"])).collect();
    let changes = json!(["opted_out"]);
    assert_eq!(events, [(&json!(true), &changes), (&json!(false), &changes)]);
}

#[tokio::test]
async fn the_latest_opt_out_signal_wins_in_any_order_and_when_repeated() {
    let wishes = [
        opt_out_signal(MAYA, "stop", 10),
        opt_out_signal(MAYA, "resume", 20),
        opt_out_signal(MAYA, "stop", 30),
    ];
    for order in orders(&wishes) {
        let app = TestApp::new().await;
        for opt_out_signal in order.iter().chain(&order) {
            app.deliver_number_webhook("user_preferences", json!({"user_preferences": [opt_out_signal]}))
                .await;
        }
        assert_eq!(app.contact("+447700900123").await["opted_out"], true, "{order:?}");
        // The opt-out of an unknown contact creates the contact, so that the opt-out is not lost.
        assert_eq!(app.contacts().await.len(), 2);
    }
    for order in orders(&[opt_out_signal(MAYA, "stop", 10), opt_out_signal(MAYA, "signup", 20)]) {
        let app = TestApp::new().await;
        app.deliver_number_webhook("user_preferences", json!({"user_preferences": order})).await;
        assert_eq!(app.contact("+447700900123").await["opted_out"], false, "{order:?}");
    }
    // Of two signals in the same second, the opt-out wins.
    for order in orders(&[opt_out_signal(MAYA, "stop", 10), opt_out_signal(MAYA, "resume", 10)]) {
        let app = TestApp::new().await;
        app.deliver_number_webhook("user_preferences", json!({"user_preferences": order})).await;
        assert_eq!(app.contact("+447700900123").await["opted_out"], true, "{order:?}");
    }
}

fn changed_number(wamid: &str, at_second: i64) -> Value {
    json!({"from": MAYA, "id": wamid, "timestamp": at(at_second), "type": "system", "system": {
        "body": "User Maya Osei changed from 447700900123 to 447700900999", "wa_id": NEW,
        "type": "user_changed_number"}})
}

#[tokio::test]
async fn a_number_change_moves_the_history_of_the_contact() {
    let app = TestApp::new().await;
    app.receive_messages(&[text("wamid.1", MAYA, 0)]).await;
    app.deliver_number_webhook(
        "user_preferences",
        json!({"user_preferences": [opt_out_signal(MAYA, "stop", 5)]}),
    )
    .await;
    let before = app.contact("+447700900123").await;
    let queued = json!({"to": format!("+{MAYA}"), "type": "text", "text": "Hi", "mode": "queue"});
    let queued = app.send(queued).await.expect(202).data()["id"].clone();
    app.advance(10);
    app.receive_messages(&[changed_number("wamid.2", 10)]).await;

    let after = app.contact("+447700900999").await;
    assert_eq!((&after["id"], &after["opted_out"]), (&before["id"], &json!(true)));
    let event = app.events_of_kind("contact.updated").await.pop().unwrap();
    assert_eq!(event["changes"], json!(["phone_number"]));
    assert_eq!(event["phone_number"], "+447700900999");
    // The window moves with the contact, and queued messages go to the new number.
    app.send(json!({"to": "+447700900999", "type": "text", "text": "Hi"})).await.expect(200);
    app.advance(10);
    app.tick_queue().await;
    assert_eq!(app.message(queued.as_str().unwrap()).await["to"], "+447700900999");
    assert!((0..app.n_accepted()).all(|n| app.accepted_message(n)["to"] == "+447700900999"));

    // The next owner of the old number is another contact with its own window.
    app.advance(60);
    app.receive_messages(&[text("wamid.3", MAYA, 80)]).await;
    let stranger = app.contact("+447700900123").await;
    assert_ne!(stranger["id"], before["id"]);
    assert_eq!(stranger["opted_out"], false);
    // A late message from the time before the change belongs to the first contact.
    app.receive_messages(&[text("wamid.late", MAYA, 5)]).await;
    assert_eq!(app.message("wamid.late").await["contact_id"], before["id"]);
    assert_eq!(app.contacts().await.len(), 3);
}

#[tokio::test]
async fn a_late_status_does_not_merge_two_contacts_of_one_number() {
    let app = TestApp::new().await;
    app.receive_messages(&[text("wamid.1", MAYA, 0)]).await;
    let sent = app.send(json!({"to": format!("+{MAYA}"), "type": "text", "text": "Hi"})).await.expect(200);
    let sent = sent.data()["message_id"].as_str().unwrap().to_owned();
    app.advance(10);
    app.receive_messages(&[changed_number("wamid.2", 10)]).await;
    let report =
        |status: &str| json!({"id": sent, "status": status, "timestamp": at(12), "recipient_id": MAYA});
    app.deliver_number_webhook("messages", json!({"statuses": [report("delivered")]})).await;
    app.advance(60);
    app.receive_messages(&[text("wamid.3", MAYA, 70)]).await;
    app.deliver_number_webhook("messages", json!({"statuses": [report("read")]})).await;
    assert_eq!(app.message(&sent).await["status"], "read");
    let contacts = app.contacts().await;
    let numbers: Vec<_> = contacts.iter().map(|contact| &contact["phone_number"]).collect();
    assert_eq!(numbers, ["+15550100001", "+447700900999", "+447700900123"]);
    assert_eq!(app.message("wamid.3").await["contact_id"], contacts[2]["id"]);
}

#[tokio::test]
async fn number_changes_arrive_in_any_order_and_from_several_accounts() {
    let after_move = json!({"from": NEW, "from_user_id": "GB.2", "id": "wamid.after",
        "timestamp": at(40), "type": "text", "text": {"body": "me again"}});
    let moves_on = json!({"from": NEW, "id": "wamid.on", "timestamp": at(60), "type": "system",
        "system": {"body": "-", "wa_id": "447700900777", "type": "user_changed_number"}});
    let news = [text("wamid.before", MAYA, 1), changed_number("wamid.move", 30), after_move, moves_on];
    for order in orders(&news) {
        let app = TestApp::new().await;
        app.advance(90);
        for message in order.iter().chain(&order) {
            app.receive_messages(std::slice::from_ref(message)).await;
        }
        // Another account reports the first change with a time that is one second later.
        app.receive_messages(&[changed_number("wamid.other", 31)]).await;
        let contacts = app.contacts().await;
        assert_eq!(contacts.len(), 2, "{order:#?}\n{contacts:#?}");
        assert_eq!(contacts[1]["phone_number"], "+447700900777", "{order:#?}");
        assert_eq!(contacts[1]["user_id"], "GB.2", "{order:#?}");
        for wamid in ["wamid.before", "wamid.move", "wamid.after", "wamid.on", "wamid.other"] {
            assert_eq!(app.message(wamid).await["contact_id"], contacts[1]["id"], "{wamid} {order:#?}");
        }
    }
}

#[tokio::test]
async fn a_contact_that_returns_to_its_old_number_stays_the_same_contact() {
    let app = TestApp::new().await;
    app.receive_messages(&[text("wamid.1", MAYA, 0)]).await;
    let back = json!({"from": NEW, "id": "wamid.3", "timestamp": at(60), "type": "system",
        "system": {"body": "-", "wa_id": MAYA, "type": "user_changed_number"}});
    app.advance(120);
    app.receive_messages(&[changed_number("wamid.2", 30), back]).await;
    app.receive_messages(&[text("wamid.4", MAYA, 90), text("wamid.5", NEW, 45), text("wamid.6", MAYA, 10)])
        .await;
    let contacts = app.contacts().await;
    assert_eq!((contacts.len(), &contacts[1]["phone_number"]), (2, &json!("+447700900123")));
    for n in 1..=6 {
        assert_eq!(app.message(&format!("wamid.{n}")).await["contact_id"], contacts[1]["id"], "{n}");
    }
}

#[tokio::test]
async fn a_contact_whose_bsuid_changes_stays_the_same_contact() {
    let app = TestApp::new().await;
    let by = |wamid: &str, user_id: &str| json!({"from_user_id": user_id, "id": wamid, "timestamp": at(0), "type": "text", "text": {"body": "Hi"}});
    app.receive_messages(&[by("wamid.1", "CO.1")]).await;
    let changed = json!({"id": "wamid.2", "timestamp": at(10), "type": "system", "system": {
        "body": "User changed from CO.1 to MX.2", "user_id": "MX.2", "previous_user_id": "CO.1",
        "type": "user_changed_user_id"}});
    app.receive_messages(&[changed]).await;
    app.receive_messages(&[by("wamid.3", "MX.2")]).await;
    let update =
        json!({"detail": "-", "user_id": {"previous": "MX.2", "current": "AR.3"}, "timestamp": at(20)});
    app.deliver_number_webhook("user_id_update", json!({"user_id_update": [update]})).await;
    app.receive_messages(&[by("wamid.4", "AR.3")]).await;
    let contacts = app.contacts().await;
    assert_eq!(contacts.len(), 2, "{contacts:#?}");
    assert_eq!(contacts[1]["user_id"], "AR.3");
    for wamid in ["wamid.1", "wamid.2", "wamid.3", "wamid.4"] {
        assert_eq!(app.message(wamid).await["contact_id"], contacts[1]["id"]);
    }
}

#[tokio::test]
async fn a_number_and_a_bsuid_of_one_person_are_merged_and_the_user_name_is_stored() {
    let app = TestApp::new().await;
    app.receive_messages(&[text("wamid.1", MAYA, 0)]).await;
    let contacts = json!([{"profile": {"name": "Maya Osei", "username": "maya.o"}, "user_id": "GB.7"}]);
    let by_user = json!({"from_user_id": "GB.7", "id": "wamid.2", "timestamp": at(1), "type": "text",
        "text": {"body": "Hi"}});
    app.deliver_number_webhook("messages", json!({"contacts": contacts, "messages": [by_user]})).await;
    assert_eq!(app.contacts().await.len(), 3);
    let both = json!({"from": MAYA, "from_user_id": "GB.7", "id": "wamid.3", "timestamp": at(2), "type": "text",
        "text": {"body": "Hi"}});
    app.receive_messages(&[both]).await;
    let contacts = app.contacts().await;
    assert_eq!(contacts.len(), 2);
    assert_eq!(
        (&contacts[1]["user_id"], &contacts[1]["username"], &contacts[1]["name"]),
        (&json!("GB.7"), &json!("maya.o"), &json!("Maya Osei"))
    );
    let event = app.events_of_kind("contact.updated").await.pop().unwrap();
    assert_eq!(event["changes"], json!(["user_id", "merged_contact_id"]));
    assert!(event["merged_contact_id"].is_string());
}

#[tokio::test]
async fn number_formats_of_brazil_mexico_and_argentina_are_one_contact() {
    for (one, other) in [
        ("551187654321", "5511987654321"),
        ("5215512345678", "525512345678"),
        ("5491112345678", "541112345678"),
    ] {
        for (first, second) in [(one, other), (other, one)] {
            let app = TestApp::new().await;
            app.receive_messages(&[text("wamid.1", first, 0)]).await;
            app.receive_messages(&[text("wamid.2", second, 1)]).await;
            let contacts = app.contacts().await;
            assert_eq!(contacts.len(), 2, "{first} {second}");
            // Signals and number changes in either format belong to the contact.
            app.deliver_number_webhook(
                "user_preferences",
                json!({"user_preferences": [opt_out_signal(second, "stop", 5)]}),
            )
            .await;
            assert_eq!(app.contacts().await[1]["opted_out"], true);
            let moves = json!({"from": second, "id": "wamid.3", "timestamp": at(9), "type": "system",
                "system": {"wa_id": NEW, "type": "user_changed_number"}});
            app.receive_messages(&[moves]).await;
            app.receive_messages(&[text("wamid.4", first, 20), text("wamid.5", NEW, 21)]).await;
            let after = app.contacts().await;
            assert_eq!(after.len(), 3, "{first} {second}: {after:#?}");
            assert_eq!(after[1]["id"], contacts[1]["id"]);
            assert_eq!(app.message("wamid.5").await["contact_id"], contacts[1]["id"]);
            assert_eq!(app.message("wamid.4").await["contact_id"], after[2]["id"]);
        }
    }
}

#[tokio::test]
async fn a_message_echo_is_an_outbound_message_with_its_own_statuses() {
    let app = TestApp::new().await;
    let report = |status: &str, at_second: i64| json!({"id": "wamid.echo", "status": status, "timestamp": at(at_second), "recipient_id": MAYA});
    // A status can arrive before the echo.
    app.deliver_number_webhook("messages", json!({"statuses": [report("delivered", 3)]})).await;
    let echo = json!({"from": "15550109999", "to": MAYA, "id": "wamid.echo", "timestamp": at(0), "type": "text",
        "text": {"body": "On my way"}});
    app.deliver_number_webhook("smb_message_echoes", json!({"message_echoes": [echo]})).await;
    app.deliver_number_webhook("smb_message_echoes", json!({"message_echoes": [echo, echo]})).await;
    app.deliver_number_webhook("messages", json!({"statuses": [report("read", 5), report("sent", 1)]})).await;
    let message = app.message("wamid.echo").await;
    assert_eq!((&message["direction"], &message["mode"]), (&json!("outbound"), &json!("echo")));
    assert_eq!((&message["status"], &message["to"]), (&json!("read"), &json!("+447700900123")));
    assert_eq!(message["text"], json!({"body": "On my way"}));
    assert_eq!(message["raw"]["id"], "wamid.echo");
    assert_eq!(message["timeline"][0]["status"], "sent");
    let events: Vec<_> =
        app.all_events().await.into_iter().filter(|(_, data)| data["message_id"] == "wamid.echo").collect();
    let kinds: Vec<_> = events.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["message.sent", "message.delivered", "message.read"]);
    // The first event has the content; the others only have the status.
    assert_eq!((&events[0].1["mode"], &events[0].1["text"]), (&json!("echo"), &json!("On my way")));
    assert!(events[1..].iter().all(|(_, data)| data.get("mode").is_none() && data.get("text").is_none()));
    // An echo does not open the customer service window.
    let response =
        app.send(json!({"to": format!("+{MAYA}"), "type": "text", "text": "Hi"})).await.expect(400);
    assert_eq!(response.code(), "outside_window");
}

#[tokio::test]
async fn an_echo_with_a_file_has_its_object_its_reply_and_a_media_id() {
    let app = TestApp::new().await;
    let document = json!({"id": "2762702990552401", "filename": "invoice.pdf", "caption": "Your invoice",
        "mime_type": "application/pdf", "sha256": "X3R4x7iQ"});
    let echo = json!({"from": "15550109999", "to": MAYA, "id": "wamid.file", "timestamp": at(0), "type": "document",
        "document": document, "context": {"id": "wamid.question"}});
    let location = json!({"latitude": 56.4152, "longitude": -5.471});
    let other = json!({"from": "15550109999", "to": MAYA, "id": "wamid.place", "timestamp": at(1), "type": "location",
        "location": location});
    app.deliver_number_webhook("smb_message_echoes", json!({"message_echoes": [echo, other]})).await;
    let sent = app.events_of_kind("message.sent").await;
    let [file, place] = &sent[..] else { panic!("{sent:#?}") };
    assert_eq!(
        (&file["type"], &file["text"], &file["document"]),
        (&json!("document"), &json!("Your invoice"), &document)
    );
    assert_eq!(file["context"], json!({"message_id": "wamid.question"}));
    assert_eq!((&place["text"], &place["location"], place.get("media_id")), (&Value::Null, &location, None));
    let message = app.message("wamid.file").await;
    assert_eq!((&message["document"], &message["media_id"]), (&document, &file["media_id"]));
    assert_eq!((&message["media"]["id"], &message["media"]["state"]), (&file["media_id"], &json!("pending")));
    let listed = app.get("/api/messages?type=document").await.expect(200);
    assert_eq!(listed.data()["messages"][0]["media_id"], file["media_id"]);
    let path = format!("/api/media/{}", file["media_id"].as_str().unwrap());
    assert_eq!(app.get(&path).await.expect(409).code(), "media_pending");
}

#[tokio::test]
async fn a_user_name_is_in_events_lists_and_exports() {
    let app = TestApp::new().await;
    let write = async |wamid: &str, username: &str| {
        let contacts = json!([{"profile": {"name": "Bee", "username": username}, "user_id": "GB.123456789"}]);
        let message = json!({"from_user_id": "GB.123456789", "id": wamid, "timestamp": at(1), "type": "text",
            "text": {"body": "Hi"}});
        app.deliver_number_webhook("messages", json!({"contacts": contacts, "messages": [message]})).await;
    };
    write("wamid.1", "bee.shop").await;
    let created = app.events_of_kind("contact.created").await.pop().unwrap();
    assert_eq!((&created["username"], &created["phone_number"]), (&json!("bee.shop"), &Value::Null));
    let incoming = app.events_of_kind("message.incoming").await.pop().unwrap();
    assert_eq!((&incoming["username"], &incoming["from"]), (&json!("bee.shop"), &Value::Null));
    write("wamid.2", "bee.and.co").await;
    let updated = app.events_of_kind("contact.updated").await.pop().unwrap();
    assert_eq!((&updated["username"], &updated["changes"]), (&json!("bee.and.co"), &json!(["username"])));
    let incoming = app.events_of_kind("message.incoming").await.pop().unwrap();
    assert_eq!(incoming["username"], "bee.and.co");
    let total = async |query: &str| {
        app.get(&format!("/api/contacts?{query}")).await.expect(200).data()["total"].clone()
    };
    for query in [
        "username=bee.and.co",
        "username=BEE.and.co",
        "username=%40bee.and.co",
        "search=e.and",
        "search=%40Bee.and",
    ] {
        assert_eq!(total(query).await, 1, "{query}");
    }
    for query in ["username=bee", "username=bee.shop", "search=bee.shop"] {
        assert_eq!(total(query).await, 0, "{query}");
    }
    let refused = app.get("/api/contacts?user_name=x").await.expect(400);
    assert!(refused.reasons().contains("did you mean `username`?"), "{}", refused.reasons());
    let table = app.get("/api/contacts/export?username=bee.and.co").await.expect(200);
    assert_eq!(
        table.body,
        "phone_number,user_id,name,username,email,tags,stage,opted_out\n\"\",GB.123456789,Bee,bee.and.co,\"\",\"\",\"\",false\n"
    );
}

#[tokio::test]
async fn metadata_of_an_inbound_message_is_part_of_its_event() {
    let app = TestApp::new().await;
    let with = |wamid: &str, members: Value| {
        let mut message = text(wamid, MAYA, 0);
        for (name, member) in members.as_object().unwrap() {
            message[name] = member.clone();
        }
        message
    };
    let referral = json!({"source_url": "https://fb.me/abc", "source_type": "ad", "ctwa_clid": "ARAk"});
    let product = json!({"catalog_id": "8", "product_retailer_id": "MUG-RED"});
    let errors = json!([{"code": 131_051, "title": "Message type unknown"}]);
    app.receive_messages(&[
        with("wamid.1", json!({"referral": referral})),
        with("wamid.2", json!({"context": {"frequently_forwarded": true}})),
        with("wamid.3", json!({"context": {"id": "wamid.ours", "from": "1", "referred_product": product}})),
        with("wamid.4", json!({"type": "unsupported", "errors": errors, "unsupported": {"type": "poll"}})),
        with("wamid.5", json!({"group_id": "Y2FwaV9ncm91cDox"})),
    ])
    .await;
    let events = app.events_of_kind("message.incoming").await;
    let events = &events[events.len() - 5..];
    assert_eq!(events[0]["referral"], referral);
    assert_eq!(events[0]["context"], Value::Null);
    assert_eq!(events[1]["context"], json!({"message_id": null, "frequently_forwarded": true}));
    assert_eq!(events[2]["context"], json!({"message_id": "wamid.ours", "referred_product": product}));
    assert_eq!((&events[3]["errors"], &events[3]["unsupported"]), (&errors, &json!({"type": "poll"})));
    assert_eq!(events[4]["group_id"], "Y2FwaV9ncm91cDox");
    assert!(events[4].get("referral").is_none());
}

#[tokio::test]
async fn a_message_to_a_group_opens_no_window_and_opts_nobody_out() {
    let app = TestApp::new().await;
    let mut message = text("wamid.group", MAYA, 0);
    message["group_id"] = json!("Y2FwaV9ncm91cDox");
    message["text"] = json!({"body": "Stop"});
    app.receive_messages(&[message.clone()]).await;
    let found = app.get(&format!("/api/contacts?phone_number={MAYA}")).await.expect(200);
    let contact = &found.data()["contacts"][0];
    assert_eq!((&contact["opted_out"], &contact["last_inbound_at"]), (&json!(false), &Value::Null));
    let response =
        app.send(json!({"to": format!("+{MAYA}"), "type": "text", "text": "Hi"})).await.expect(400);
    assert_eq!(response.code(), "outside_window");
    // The same message to the business.
    message.as_object_mut().unwrap().remove("group_id");
    message["id"] = json!("wamid.direct");
    app.receive_messages(&[message]).await;
    let found = app.get(&format!("/api/contacts?phone_number={MAYA}")).await.expect(200);
    assert_eq!(found.data()["contacts"][0]["opted_out"], true);
    app.send(json!({"to": format!("+{MAYA}"), "type": "text", "text": "Hi"})).await.expect(200);
}

#[tokio::test]
async fn the_event_of_each_message_type_has_its_text_and_its_object() {
    let media = json!({"id": "77001", "mime_type": "image/jpeg", "sha256": "n4bQ"});
    let with = |mut object: Value, name: &str, member: Value| {
        object[name] = member;
        object
    };
    let product =
        json!([{"product_retailer_id": "MUG-RED", "quantity": 2, "item_price": 12.5, "currency": "GBP"}]);
    let edit =
        json!({"original_message_id": "wamid.x", "message": {"type": "text", "text": {"body": "10:30"}}});
    let cases = [
        ("image", with(media.clone(), "caption", json!("Hull")), Some("Hull")),
        ("video", media.clone(), None),
        ("audio", with(media.clone(), "voice", json!(true)), None),
        (
            "document",
            with(with(media.clone(), "filename", json!("a.pdf")), "caption", json!("signed")),
            Some("signed"),
        ),
        ("sticker", with(media, "animated", json!(false)), None),
        ("location", json!({"latitude": 56.4152, "longitude": -5.471, "name": "Terminal"}), None),
        (
            "contacts",
            json!([{"name": {"formatted_name": "Tom"}, "phones": [{"wa_id": "447700900456"}]}]),
            None,
        ),
        (
            "interactive",
            json!({"type": "button_reply", "button_reply": {"id": "y", "title": "Confirm"}}),
            Some("Confirm"),
        ),
        (
            "interactive",
            json!({"type": "list_reply", "list_reply": {"id": "s", "title": "14:00"}}),
            Some("14:00"),
        ),
        (
            "interactive",
            json!({"type": "nfm_reply", "nfm_reply": {"name": "flow", "body": "Sent", "response_json": "{\"day\":\"thu\"}"}}),
            Some("Sent"),
        ),
        (
            "interactive",
            json!({"type": "call_permission_reply", "call_permission_reply": {"response": "accept"}}),
            None,
        ),
        ("button", json!({"payload": "stop", "text": "Stop alerts"}), Some("Stop alerts")),
        ("reaction", json!({"message_id": "wamid.x", "emoji": "👍"}), None),
        ("reaction", json!({"message_id": "wamid.x"}), None),
        (
            "order",
            json!({"catalog_id": "8", "text": "at reception", "product_items": product}),
            Some("at reception"),
        ),
        (
            "system",
            json!({"body": "User identity changed", "type": "customer_identity_changed"}),
            Some("User identity changed"),
        ),
        ("edit", edit, Some("10:30")),
        ("revoke", json!({"original_message_id": "wamid.x"}), None),
        ("request_welcome", Value::Null, None),
    ];
    let app = TestApp::new().await;
    for (n, (kind, object, expected_text)) in cases.iter().enumerate() {
        let mut message = text(&format!("wamid.{n}"), MAYA, 0);
        message["type"] = json!(kind);
        message.as_object_mut().unwrap().remove("text");
        if !object.is_null() {
            message[*kind] = object.clone();
        }
        app.receive_messages(&[message]).await;
        let event = app.events_of_kind("message.incoming").await.pop().unwrap();
        assert_eq!((&event["type"], &event["text"]), (&json!(kind), &json!(expected_text)), "{event:#}");
        assert_eq!(event.get(*kind).cloned().unwrap_or_default(), *object, "{event:#}");
        assert_eq!(
            (&event["from"], &event["message_id"]),
            (&json!("+447700900123"), &json!(format!("wamid.{n}")))
        );
    }
}
