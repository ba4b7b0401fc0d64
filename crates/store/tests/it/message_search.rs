//! The search index: upgrade, retention, integrity check.

use domain::messages::search::SearchQuery;
use engine::ports::{
    Maintenance, MessageFilter, Messages, NewMessage, RetentionCursor, RetentionTarget, SearchIndex,
};
use jiff::SignedDuration;
use rusqlite::Connection;

use crate::support::{TestStore, page};

async fn n_found(app: &TestStore, text: &str) -> u32 {
    let filter = MessageFilter { search: Some(SearchQuery::parse(text)), ..MessageFilter::default() };
    app.store.list_messages(app.workspace, &filter, page(10)).await.unwrap().total
}

async fn add(app: &TestStore, n_messages: usize) {
    for i in 0..n_messages {
        let content = format!(r#"{{"body":"apple {i}"}}"#).into();
        let lease = app.accept(NewMessage { content, ..app.new_message() }).await;
        app.finish_sent(&lease, &format!("wamid.{i}")).await;
    }
}

async fn index(app: &TestStore) -> u32 {
    let mut n_added = 0;
    while app.store.get_search_backlog().await.unwrap() {
        let n = app.store.update_search_index(3).await.unwrap();
        assert!((1..=3).contains(&n));
        n_added += n;
    }
    n_added
}

fn n_entries(app: &TestStore) -> i64 {
    let connection = Connection::open(app.path()).unwrap();
    connection.query_row("select count(*) from message_search_content", (), |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn messages_of_an_older_version_are_added_in_the_background() {
    let app = TestStore::new().await;
    add(&app, 7).await;
    let connection = Connection::open(app.path()).unwrap();
    // The state after the migration of a database with messages.
    connection
        .execute_batch(
            "update search_progress set indexed_to = 7, backfill_to = 7; delete from contact_search_changes",
        )
        .unwrap();
    assert_eq!(n_found(&app, "apple").await, 0);
    add(&app, 0).await;
    let lease = app.accept(app.new_message()).await;
    app.finish_sent(&lease, "wamid.NEW").await;
    assert_eq!(n_found(&app, "hi").await, 1);
    assert_eq!(app.store.update_search_index(3).await.unwrap(), 3);
    // The newest messages come first.
    assert_eq!((n_found(&app, "apple 6").await, n_found(&app, "apple 0").await), (1, 0));
    index(&app).await;
    assert_eq!((n_found(&app, "apple").await, n_found(&app, "hi").await), (7, 1));
    assert_eq!(n_entries(&app), 8);
}

#[tokio::test]
async fn a_message_that_is_deleted_leaves_no_entry() {
    let app = TestStore::new().await;
    add(&app, 5).await;
    index(&app).await;
    assert_eq!(n_entries(&app), 5);
    app.advance(86_400);
    let before = app.now() - SignedDuration::from_secs(60);
    let target = RetentionTarget::Messages(app.workspace);
    let expired = app.store.list_expired_rows(target, before, RetentionCursor::default(), 10).await.unwrap();
    app.store.delete_expired_rows(target, before, expired.rows).await.unwrap();
    // The last message stays.
    assert_eq!((n_entries(&app), n_found(&app, "apple").await), (1, 1));
    assert_eq!(index(&app).await, 0);
}

#[tokio::test]
async fn the_integrity_check_includes_the_index() {
    let app = TestStore::new().await;
    add(&app, 5).await;
    index(&app).await;
    let path = app.path();
    let check = || store::check_integrity(&path, None, app.now()).unwrap().quick_check;
    assert_eq!(check(), "ok");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("delete from message_search_data where id > 10").unwrap();
    assert_ne!(check(), "ok");
}
