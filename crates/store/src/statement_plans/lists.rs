//! Plans of the list of messages: each filter is read through its index, and a send writes nothing to the search index.

use domain::id::WorkspaceId;
use domain::messages::search::SearchQuery;
use domain::messages::status::MessageStatus;
use engine::ports::{ContactRef, MessageFilter, PageRequest, PageStart};

use super::{WORKSPACE, builds_table, database, now, plan, run_messages};
use crate::messages::{message_filter, queries, search_index};

/// Returns the plans of the statements that list messages with a filter.
fn list_plans(filter: &MessageFilter) -> String {
    let (connection, executed) = database();
    run_messages(&connection);
    search_index::update_index(&connection, 100).unwrap();
    executed.lock().unwrap().clear();
    let page = PageRequest { per_page: 10, start: PageStart::Page(1) };
    queries::list_messages(&connection, WorkspaceId::from_bytes(WORKSPACE), filter, page).unwrap();
    let executed = std::mem::take(&mut *executed.lock().unwrap());
    let lists: Vec<_> = executed.iter().filter(|sql| sql.contains("limit 11")).collect();
    assert_eq!(lists.len(), 1, "{executed:?}");
    lists.iter().flat_map(|sql| plan(&connection, sql)).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_filter_of_messages_is_read_through_an_index_in_the_order_of_the_list() {
    let all = MessageFilter::default;
    let contact = Some(ContactRef::Numbers(vec!["15550100001".to_owned()]));
    for (filter, index) in [
        (all(), "messages_by_workspace"),
        (MessageFilter { statuses: vec![MessageStatus::Failed], ..all() }, "messages_by_status"),
        (
            MessageFilter { statuses: vec![MessageStatus::Failed, MessageStatus::Queued], ..all() },
            "messages_by_status",
        ),
        (MessageFilter { contact: contact.clone(), ..all() }, "messages_by_contact"),
        (MessageFilter { is_scheduled: Some(true), ..all() }, "messages_scheduled"),
        (MessageFilter { is_unread: Some(true), ..all() }, "messages_unread "),
        (MessageFilter { is_unread: Some(true), contact, ..all() }, "messages_unread_by_contact"),
        (MessageFilter { is_unread: Some(false), ..all() }, "messages_marked_read"),
        (MessageFilter { updated_since: Some(now()), ..all() }, "messages_updated_late"),
        (MessageFilter { search: Some(SearchQuery::parse("hello")), ..all() }, "VIRTUAL TABLE INDEX"),
    ] {
        let steps = list_plans(&filter);
        assert!(steps.contains(index), "{filter:?}\n{steps}");
        assert!(!steps.contains("SCAN messages\n") && !steps.ends_with("SCAN messages"), "{steps}");
        // Messages that changed late are few and are sorted.
        if filter.updated_since.is_none() {
            assert!(!steps.contains("USE TEMP B-TREE"), "{filter:?}\n{steps}");
        }
    }
}

#[test]
fn a_message_writes_nothing_to_the_search_index() {
    let (connection, executed) = database();
    run_messages(&connection);
    let executed = std::mem::take(&mut *executed.lock().unwrap());
    let writes = |sql: &&String| sql.contains("message_search (") || sql.contains("contact_search (");
    assert_eq!(executed.iter().filter(writes).count(), 0);
    let n_entries = |table: &str| -> i64 {
        connection.query_row(&format!("select count(*) from {table}"), (), |row| row.get(0)).unwrap()
    };
    assert_eq!((n_entries("message_search_content"), n_entries("contact_search_content")), (0, 0));
    assert!(search_index::update_index(&connection, 100).unwrap() > 0);
    assert!(n_entries("message_search_content") > 0 && n_entries("contact_search_content") > 0);
}

#[test]
fn the_filter_of_statuses_builds_no_list() {
    let (connection, _) = database();
    let filter = MessageFilter {
        statuses: vec![MessageStatus::Failed, MessageStatus::Queued, MessageStatus::Unknown],
        ..MessageFilter::default()
    };
    let workspace = WorkspaceId::from_bytes(WORKSPACE);
    let list = message_filter::list_query(&connection, workspace, &filter, "id").unwrap().unwrap();
    assert_eq!(list.sources.len(), 3);
    for source in &list.sources {
        let sql = format!(
            "select seq from messages where workspace_id = ?1 and {} order by seq desc",
            source.condition
        );
        assert!(!builds_table(&connection, &sql), "{sql}");
    }
}
