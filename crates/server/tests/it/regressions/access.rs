//! Access of API keys that are limited to some accounts.

use serde_json::{Value, json};

use crate::support::{CUSTOMER, NEW_RECIPIENT, TestApp};

fn hello() -> Value {
    json!({"name": "hello_world", "language": "en_US"})
}

#[tokio::test]
async fn a_limited_key_accessed_contacts_and_messages_of_other_accounts_by_id() {
    let app = TestApp::new().await;
    let clinic = app.add_second_account().await;
    let sent = app.send_text(CUSTOMER).await.expect(200);
    let id = sent.data()["id"].as_str().unwrap();
    let contact = app.message(id).await["contact_id"].as_str().unwrap().to_owned();
    let bound = app.key(move |new| new.accounts = vec![clinic]).await;
    let dry_run = async |body: Value| {
        let mut body = body;
        body["dry_run"] = json!(true);
        body["whatsapp_account"] = json!("clinic");
        app.request_as(&bound, "POST", "/api/messages/send", body.to_string()).await
    };
    // The contact belongs to another account: the response would reveal its number.
    let to_contact = json!({"contact": contact, "type": "template", "template": hello()});
    let response = dry_run(to_contact.clone()).await;
    assert!(!response.body.to_string().contains("0100001"), "{:#}", response.body);
    let refused = app.request_as(&bound, "POST", "/api/messages/send", {
        let mut body = to_contact;
        body["whatsapp_account"] = json!("clinic");
        body.to_string()
    });
    assert_eq!(refused.await.expect(404).code(), "contact_not_found");
    // The message belongs to another account: Meta's id of the message contains the number.
    let answering =
        json!({"to": NEW_RECIPIENT, "type": "template", "template": hello(), "context": {"message_id": id}});
    let response = dry_run(answering).await;
    assert!(!response.body.to_string().contains("wamid."), "{:#}", response.body);
    assert_eq!(app.n_accepted(), 1);
    // The key has access to the contacts and messages of its own account.
    let send =
        async |body: Value| app.request_as(&bound, "POST", "/api/messages/send", body.to_string()).await;
    let mut own =
        json!({"to": NEW_RECIPIENT, "type": "template", "template": hello(), "whatsapp_account": "clinic"});
    let sent = send(own.clone()).await.expect(200);
    let listed = app.request_as(&bound, "GET", "/api/contacts", "").await.expect(200);
    own.as_object_mut().unwrap().remove("to");
    own["contact"] = listed.data()["contacts"][0]["id"].clone();
    own["context"] = json!({"message_id": sent.data()["id"]});
    app.advance(6);
    send(own).await.expect(200);
}

#[tokio::test]
async fn a_limited_key_read_audit_entries_of_other_accounts() {
    let app = TestApp::new().await;
    let clinic = app.add_second_account().await;
    let bound = app.key(move |new| new.accounts = vec![clinic]).await;
    let refused = app.request_as(&bound, "GET", "/api/audit", "").await.expect(403);
    assert_eq!(refused.code(), "forbidden");
    app.get("/api/audit").await.expect(200);
}
