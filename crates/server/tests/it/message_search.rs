//! Search of messages, with and without the index.

use axum::body::Body;
use domain::access::api_key::KeyScope;
use engine::contacts;
use engine::messages::search_index;
use serde_json::{Value, json};
use sim::InboundMessage;

use crate::support::{CUSTOMER, TestApp};

const MAYA: &str = "+447700900111";

impl TestApp {
    /// Adds everything to the search index. Returns the number of added messages and contacts.
    pub(crate) async fn index(&self) -> u32 {
        let mut n_added = 0;
        loop {
            match search_index::tick(&self.deps).await.unwrap() {
                0 => return n_added,
                n => n_added += n,
            }
        }
    }

    /// Returns the texts, or the types, of the messages that a query finds.
    async fn find(&self, query: &str) -> Vec<String> {
        let response = self.get(&format!("/api/messages?{query}")).await.expect(200);
        let text = |message: &Value| {
            let body = message["text"]["body"].as_str().or(message["type"].as_str());
            body.unwrap().to_owned()
        };
        let found: Vec<_> = response.data()["messages"].as_array().unwrap().iter().map(text).collect();
        assert_eq!(response.data()["total"], found.len());
        found
    }

    /// Searches for a text.
    async fn search(&self, text: &str) -> Vec<String> {
        let text: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        self.find(&format!("search={text}")).await
    }
}

async fn app_with_messages() -> TestApp {
    let app = TestApp::new().await;
    let maya = InboundMessage {
        name: Some("Maya Osei".to_owned()),
        username: Some("maya.bakes".to_owned()),
        ..InboundMessage::text(MAYA, "Do you have blue shoes?")
    };
    app.inbound(&maya).await;
    app.send(json!({"to": MAYA, "type": "text", "text": "Crème brûlée", "client_reference": "order-778 B"}))
        .await
        .expect(200);
    app.send(json!({"to": CUSTOMER, "type": "image",
        "image": {"link": "https://shop.example/a.jpg", "caption": "Bluebells"}}))
        .await
        .expect(200);
    app
}

/// Checks the searches of the messages of [`app_with_messages`].
async fn check_searches(app: &TestApp) {
    let (shoes, dessert) = ("Do you have blue shoes?", "Crème brûlée");
    for (text, found) in [
        ("shoes", vec![shoes]),
        ("SHO", vec![shoes]),
        ("shoes blue", vec![shoes]),
        ("hoes", vec![]),
        // The last word is the beginning of a word, the others are whole.
        ("blue", vec!["image", shoes]),
        ("blu shoes", vec![]),
        ("creme brulee", vec![dessert]),
        ("order-778", vec![dessert]),
        ("778 b", vec![dessert]),
        ("maya", vec![dessert, shoes]),
        ("osei maya", vec![dessert, shoes]),
        ("@maya.bakes", vec![dessert, shoes]),
        ("+44 7700 900111", vec![dessert, shoes]),
        ("7700900", vec![dessert, shoes]),
        ("0111", vec![dessert, shoes]),
        ("112233", vec![]),
        ("Hello", vec!["Hello"]),
        ("wamid", vec![]),
    ] {
        assert_eq!(app.search(text).await, found, "{text}");
    }
}

#[tokio::test]
async fn a_message_is_found_at_once_and_by_the_index() {
    let app = app_with_messages().await;
    check_searches(&app).await;
    assert!(app.index().await >= 6);
    check_searches(&app).await;
    assert_eq!(app.index().await, 0);
    app.send(json!({"to": CUSTOMER, "type": "text", "text": "More blue"})).await.expect(200);
    assert_eq!(app.search("blue").await, ["More blue", "image", "Do you have blue shoes?"]);
}

#[tokio::test]
async fn operators_of_the_index_have_no_meaning_in_a_search() {
    let app = app_with_messages().await;
    app.index().await;
    for text in [
        "\"",
        "*",
        "AND",
        "OR shoes",
        "shoes AND blue",
        "NOT",
        "NEAR(shoes blue)",
        "(",
        "body:shoes",
        "^shoes",
        "-shoes",
        "{names}: maya",
        "shoes*",
        "'",
        "%",
        "_",
        "\\",
        "shoes\" OR \"a",
        "²",
        "👍",
        "\u{301}",
        "+",
    ] {
        app.search(text).await;
    }
    assert_eq!(app.search("shoes AND blue").await, Vec::<String>::new());
    assert_eq!(app.search("%").await, Vec::<String>::new());
    assert_eq!(app.search("\"shoes\"").await, ["Do you have blue shoes?"]);
    assert_eq!(app.search("shoes 👍").await, ["Do you have blue shoes?"]);
    app.get("/api/messages?search=").await.expect(400);
}

#[tokio::test]
async fn a_search_is_paged_in_both_orders_and_combined_with_filters() {
    let app = TestApp::new().await;
    for i in 0..7 {
        let to = if i % 2 == 0 { CUSTOMER } else { MAYA };
        app.customer_writes(to, &format!("needle {i}")).await;
        app.customer_writes(to, "hay").await;
        app.advance(1);
        if i == 3 {
            app.index().await;
        }
    }
    for (order, expected) in [("desc", [6, 5, 4, 3, 2, 1, 0]), ("asc", [0, 1, 2, 3, 4, 5, 6])] {
        let expected: Vec<_> = expected.iter().map(|i| format!("needle {i}")).collect();
        let mut path = format!("/api/messages?search=needle&per_page=3&order={order}");
        let (mut seen, start) = (Vec::new(), path.clone());
        loop {
            let page = app.get(&path).await.expect(200);
            assert_eq!(page.data()["total"], 7);
            let messages = page.data()["messages"].as_array().unwrap();
            seen.extend(messages.iter().map(|message| message["text"]["body"].as_str().unwrap().to_owned()));
            let Some(cursor) = page.data()["next_cursor"].as_str() else { break };
            path = format!("{start}&cursor={cursor}");
        }
        assert_eq!(seen, expected);
        let second = app.get(&format!("{start}&page=2")).await.expect(200);
        assert_eq!(second.data()["messages"][0]["text"]["body"], expected[3].as_str());
    }
    assert_eq!(app.find("search=needle&contact=447700900111").await, ["needle 5", "needle 3", "needle 1"]);
    assert_eq!(app.find("search=needle&status=sent,read").await, Vec::<String>::new());
    assert_eq!(
        app.find("search=needle&unread=true&since=2026-01-01T00:00:05Z").await,
        ["needle 6", "needle 5"]
    );
    assert_eq!(app.find("search=needle&direction=outbound").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_contact_is_found_under_its_new_name_only() {
    let app = app_with_messages().await;
    app.index().await;
    let found = app.get("/api/contacts?phone_number=447700900111").await.expect(200);
    let path = format!("/api/contacts/{}", found.data()["contacts"][0]["id"].as_str().unwrap());
    app.request("PUT", &path, json!({"name": "Zoë"}).to_string()).await.expect(200);
    for _ in 0..2 {
        assert_eq!(app.search("zoe").await.len(), 2);
        // The name of the profile stays.
        assert_eq!(app.search("osei").await.len(), 2);
        app.index().await;
    }
    app.request("PUT", &path, json!({"name": "Ada"}).to_string()).await.expect(200);
    for _ in 0..2 {
        assert_eq!((app.search("zoe").await.len(), app.search("ada").await.len()), (0, 2));
        app.index().await;
    }
}

#[tokio::test]
async fn an_erased_contact_leaves_nothing_in_the_index() {
    let app = app_with_messages().await;
    app.index().await;
    let found = app.get("/api/contacts?phone_number=447700900111").await.expect(200);
    let path = format!("/api/contacts/{}", found.data()["contacts"][0]["id"].as_str().unwrap());
    app.request("DELETE", &path, Body::empty()).await.expect(204);
    for _ in 0..20 {
        contacts::run_erasures(&app.deps).await.unwrap();
    }
    for text in ["shoes", "creme", "osei", "order-778", "447700900111"] {
        assert_eq!(app.search(text).await, Vec::<String>::new(), "{text}");
    }
    assert_eq!(app.index().await, 0);
    // Words are stored in lower case and without their first letters, which they share with the word before.
    let bytes = app.stored_bytes();
    for word in ["shoes", "brulee", "osei", "maya.bakes", "447700900111", "7700900111", "900111"] {
        assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{word}");
    }
}

#[tokio::test]
async fn a_message_that_is_sent_as_its_fallback_is_found_by_the_fallback() {
    let app = TestApp::new().await;
    let body = json!({"to": CUSTOMER, "type": "text", "text": "Original", "send_at": "2026-01-01T23:00:00Z",
        "fallback_template": {"name": "hello_world", "language": "en_US"}});
    app.send(body).await.expect(202);
    app.index().await;
    assert_eq!(app.search("original").await.len(), 1);
    app.advance(26 * 3600);
    app.tick_queue().await;
    for _ in 0..2 {
        assert_eq!(app.search("original").await, Vec::<String>::new());
        assert_eq!(app.search("hello_world").await, ["template"]);
        app.index().await;
    }
}

#[tokio::test]
async fn a_search_finds_only_messages_of_accounts_that_the_key_may_use() {
    let app = app_with_messages().await;
    let clinic = app.add_second_account().await;
    app.index().await;
    let key = app
        .key(|new| {
            new.scopes = vec![KeyScope::Read];
            new.accounts = vec![clinic];
        })
        .await;
    for text in ["shoes", "maya", "order-778", "0111"] {
        let path = format!("/api/messages?search={text}");
        assert_eq!(app.request_as(&key, "GET", &path, "").await.expect(200).data()["total"], 0);
    }
}
