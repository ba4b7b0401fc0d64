//! `waypost migrate`.

use crate::support::empty_shell;

#[test]
fn check_reports_pending_migrations_and_changes_nothing() {
    let shell = empty_shell();
    let error = shell.waypost("migrate --check").failure();
    assert!(error.contains("pending") && error.contains("run `waypost migrate`"), "{error}");
    assert!(!shell.path("waypost.db").exists());
    let counted = shell.waypost("migrate --check --json");
    assert_eq!(counted.code, 1);
    let counted: serde_json::Value = serde_json::from_str(&counted.out).unwrap();
    assert!(counted["pending"].as_i64() > Some(0), "{counted}");

    let done = shell.waypost("migrate --json").json();
    assert_eq!((&done["applied"], &done["version"]), (&counted["pending"], &counted["known"]));
    assert!(shell.waypost("migrate --check").ok().contains("is up to date"));
    assert_eq!(shell.waypost("migrate --check --json").json()["pending"], 0);
    assert!(shell.waypost("migrate").ok().contains("is up to date"));
}

#[test]
fn missing_folders_of_the_database_are_created() {
    let shell = empty_shell();
    shell.waypost("migrate --database-url sqlite:data/deep/waypost.db").ok();
    assert!(shell.path("data/deep/waypost.db").exists());
    shell.write(
        "data/no.db",
        "this is no database, but it is longer than the header of one would be; so it is refused",
    );
    let error = shell.waypost("migrate --database-url sqlite:data/no.db").failure();
    assert!(error.contains("data/no.db"), "{error}");
}
