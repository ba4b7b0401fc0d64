//! `waypost redrive`.

use crate::support::shell;

#[test]
fn a_redrive_of_an_empty_database_processes_nothing() {
    let shell = shell();
    for since in ["2d", "2026-05-29T10:00:00.000Z", "90m", "0"] {
        let done = shell.waypost(&format!("redrive --since {since} --json")).json();
        for count in ["payloads", "applied", "duplicates", "pending_statuses", "unrouted", "undecodable"] {
            assert_eq!(done[count], 0, "{since} {count}");
        }
    }
    for only in ["undecodable", "unrouted", "all"] {
        let output = shell.waypost(&format!("redrive --since 2d --only {only}")).ok();
        assert!(output.starts_with("0 webhooks since 20"), "{output}");
    }
}

#[test]
fn an_invalid_start_time_is_rejected() {
    let shell = shell();
    for wrong in [
        "redrive",
        "redrive --since yesterday",
        "redrive --since 2026-05-29",
        "redrive --since 2d --only some",
    ] {
        assert_eq!(shell.waypost(wrong).code, 2, "{wrong}");
    }
}
