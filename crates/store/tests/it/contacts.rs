//! Contacts: identified by number, by business-scoped user ID, or by both.

use domain::contacts::bsuid::Bsuid;
use domain::contacts::phone::PhoneNumber;
use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::messages::outcome::AcceptedMessage;
use engine::ports::{AttemptResult, ContactFilter, ContactRef, Contacts, MessageFilter, Messages, Recipient};

use crate::support::{CUSTOMER, TestStore, page};

async fn contacts(app: &TestStore) -> Vec<engine::ports::Contact> {
    app.store.list_contacts(app.workspace, &ContactFilter::default(), page(50)).await.unwrap().rows
}

fn by(
    app: &TestStore,
    wamid: &str,
    wa_id: Option<&str>,
    user_id: Option<&str>,
) -> domain::messages::inbound::InboundMessage {
    let from = WhatsAppUser {
        wa_id: wa_id.map(str::to_owned),
        user_id: user_id.map(str::to_owned),
        name: Some("Maya Osei".to_owned()),
        ..WhatsAppUser::default()
    };
    domain::messages::inbound::InboundMessage { from, ..app.text_from(CUSTOMER, wamid) }
}

#[tokio::test]
async fn an_inbound_message_creates_a_contact_with_an_open_window() {
    let app = TestStore::new().await;
    app.inbound(by(&app, "wamid.1", Some(CUSTOMER), None)).await;
    let known = contacts(&app).await;
    assert_eq!(known.len(), 1);
    assert_eq!(known[0].wa_id.as_deref(), Some(CUSTOMER));
    assert_eq!(known[0].name.as_deref(), Some("Maya Osei"));
    assert_eq!(known[0].last_inbound_at, Some(app.now()));
}

#[tokio::test]
async fn the_same_message_twice_is_one_message() {
    let app = TestStore::new().await;
    app.inbound(app.text_from(CUSTOMER, "wamid.1")).await;
    let again = app.inbound(app.text_from(CUSTOMER, "wamid.1")).await;
    assert_eq!((again.applied, again.duplicates), (0, 1));
    let found = app.store.list_messages(app.workspace, &MessageFilter::default(), page(10)).await.unwrap();
    assert_eq!(found.total, 1);
}

#[tokio::test]
async fn a_contact_may_have_no_number() {
    let app = TestStore::new().await;
    app.inbound(by(&app, "wamid.1", None, Some("GB.77120394857261034"))).await;
    let known = contacts(&app).await;
    assert_eq!(
        (known[0].wa_id.as_deref(), known[0].user_id.as_deref()),
        (None, Some("GB.77120394857261034"))
    );
    let user = Bsuid::parse("GB.77120394857261034").unwrap();
    let new = engine::ports::NewMessage {
        recipient: Recipient::Bsuid(user),
        admission: app.free_form(),
        ..app.new_message()
    };
    app.accept(new).await;
}

#[tokio::test]
async fn contacts_with_the_number_and_the_user_id_of_one_user_are_merged() {
    let app = TestStore::new().await;
    app.inbound(by(&app, "wamid.1", None, Some("GB.77120394857261034"))).await;
    app.inbound(by(&app, "wamid.2", Some(CUSTOMER), None)).await;
    assert_eq!(contacts(&app).await.len(), 2);
    app.inbound(by(&app, "wamid.3", Some(CUSTOMER), Some("GB.77120394857261034"))).await;
    let known = contacts(&app).await;
    assert_eq!(known.len(), 1);
    assert_eq!(known[0].user_id.as_deref(), Some("GB.77120394857261034"));
    let filter = MessageFilter { contact: Some(ContactRef::Id(known[0].id)), ..MessageFilter::default() };
    assert_eq!(app.store.list_messages(app.workspace, &filter, page(10)).await.unwrap().total, 3);
}

#[tokio::test]
async fn the_number_in_metas_response_is_added_to_the_contact() {
    let app = TestStore::new().await;
    let number = PhoneNumber::parse("+55 11 98765 4321").unwrap();
    let new =
        || engine::ports::NewMessage { recipient: Recipient::Phone(number.clone()), ..app.new_message() };
    let lease = app.accept(new()).await;
    // Meta returns the number without the nine.
    let accepted = AcceptedMessage {
        wamid: "wamid.A".to_owned(),
        wa_id: Some("551187654321".to_owned()),
        ..AcceptedMessage::default()
    };
    app.store.finish_attempt(&lease, &AttemptResult::Sent(accepted), None, app.now()).await.unwrap();
    app.inbound(by(&app, "wamid.1", Some("551187654321"), None)).await;
    assert_eq!(contacts(&app).await.len(), 1);
    app.accept(engine::ports::NewMessage { admission: app.free_form(), ..new() }).await;
}

#[tokio::test]
async fn all_spellings_of_a_number_are_one_contact() {
    let app = TestStore::new().await;
    app.inbound(by(&app, "wamid.1", Some("5215512345678"), None)).await;
    let number = PhoneNumber::parse("+52 55 1234 5678").unwrap();
    let new = engine::ports::NewMessage {
        recipient: Recipient::Phone(number),
        admission: app.free_form(),
        ..app.new_message()
    };
    app.accept(new).await;
    assert_eq!(contacts(&app).await.len(), 1);
}

#[tokio::test]
async fn contacts_are_found_by_their_user_name() {
    let app = TestStore::new().await;
    for (n, username) in ["Maya.Osei", "maya_osei", "bo"].into_iter().enumerate() {
        let mut message = by(&app, &format!("wamid.{n}"), None, Some(&format!("GB.{n}")));
        message.from.username = Some(username.to_owned());
        app.inbound(message).await;
    }
    let found = async |filter: ContactFilter| {
        let page = app.store.list_contacts(app.workspace, &filter, page(50)).await.unwrap();
        page.rows.into_iter().rev().filter_map(|contact| contact.username).collect::<Vec<_>>()
    };
    let named = |name: &str| ContactFilter { username: Some(name.to_owned()), ..ContactFilter::default() };
    assert_eq!(found(named("maya.osei")).await, ["Maya.Osei"]);
    assert_eq!(found(named("maya")).await, [""; 0]);
    let search = |part: &str| ContactFilter { search: Some(part.to_owned()), ..ContactFilter::default() };
    assert_eq!(found(search("@MAYA")).await, ["Maya.Osei", "maya_osei"]);
    // The pattern's own characters are letters of a user name.
    assert_eq!(found(search("maya_")).await, ["maya_osei"]);
}

#[tokio::test]
async fn reactions_and_system_messages_do_not_open_the_window() {
    let app = TestStore::new().await;
    for kind in ["system", "edit", "revoke"] {
        let message = domain::messages::inbound::InboundMessage {
            kind: kind.to_owned(),
            ..app.text_from(CUSTOMER, &format!("wamid.{kind}"))
        };
        app.inbound(message).await;
    }
    let known = app
        .store
        .get_admission_facts(
            app.workspace,
            app.account,
            &Recipient::Phone(PhoneNumber::parse(CUSTOMER).unwrap()),
        )
        .await
        .unwrap();
    assert!(!known.window.is_open(app.now()));
}
