//! `waypost doctor`, `backup`, `restore` and `secrets rotate`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::support::{SECRET_KEY, Shell, empty_shell, shell};

/// A second secret key: 32 bytes in base64.
const NEW_KEY: &str = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU=";

fn with_account(shell: Shell) -> Shell {
    shell
        .waypost(
            "accounts add --name main --phone-number-id 100000000000001 --waba-id 100000000000002 \
             --access-token demo-access-token --app-secret demo-app-secret --verify-token demo-verify --default",
        )
        .ok();
    shell
}

/// Returns the verdict of one check of `doctor --offline`.
fn verdict(shell: &Shell, area: &str, name: &str) -> String {
    let result: Value = serde_json::from_str(&shell.waypost("doctor --offline --json").out).unwrap();
    let checks = result.get("checks").and_then(Value::as_array).unwrap();
    let text = |check: &Value, name: &str| check.get(name).and_then(Value::as_str).map(str::to_owned);
    let is_it = |check: &&Value| {
        text(check, "area").as_deref() == Some(area) && text(check, "name").as_deref() == Some(name)
    };
    let found = checks.iter().find(is_it);
    assert!(found.is_some(), "{area} {name}: {result}");
    let verdict = text(found.unwrap(), "verdict").unwrap();
    assert!(verdict == "ok" || text(found.unwrap(), "fix").is_some(), "{result}");
    verdict
}

#[test]
fn a_healthy_installation_passes_and_exits_with_0() {
    let shell = with_account(shell().with("WAYPOST_PUBLIC_URL", "https://wa.example.com"));
    let ran = shell.waypost("doctor --offline --json");
    assert_eq!(ran.code, 0, "{}", ran.out);
    let result: Value = serde_json::from_str(&ran.out).unwrap();
    let bad: Vec<_> =
        result["checks"].as_array().unwrap().iter().filter(|check| check["verdict"] == "fail").collect();
    assert!(bad.is_empty(), "{bad:?}");
    for (area, name) in [
        ("configuration", "secret_key"),
        ("database", "migrations"),
        ("database", "integrity"),
        ("database", "journal_mode"),
        ("database", "writable"),
        ("database", "secrets"),
        ("database", "file"),
        ("accounts", "list"),
        ("callback", "public_url"),
    ] {
        assert_eq!(verdict(&shell, area, name), "ok", "{area} {name}");
    }
    let text = shell.waypost("doctor --offline").ok();
    assert!(text.contains("database") && text.contains("ok    integrity"), "{text}");
}

#[test]
fn a_failed_check_has_advice_and_determines_the_exit_code() {
    let shell = with_account(shell());
    assert_eq!(verdict(&shell, "callback", "public_url"), "fail", "a live account without https");
    assert_eq!(shell.waypost("doctor --offline").code, 5);
    fs::set_permissions(shell.path("waypost.db"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(verdict(&shell, "database", "file"), "fail");
    assert_eq!(shell.waypost("doctor --offline").code, 3, "the database before the callback");

    let other = shell.with("WAYPOST_SECRET_KEY", NEW_KEY);
    assert_eq!(verdict(&other, "database", "secrets"), "fail");
    assert_eq!(verdict(&other, "accounts", "list"), "warn");

    let empty = empty_shell();
    assert_eq!(verdict(&empty, "configuration", "secret_key"), "fail");
    assert_eq!(empty.waypost("doctor --offline").code, 2);
    assert_eq!(verdict(&empty, "database", "file"), "warn");
    assert!(!empty.path("waypost.db").exists(), "the doctor makes nothing");

    let broken = empty_shell();
    broken
        .write("waypost.db", &"no database, but longer than the header of one would have to be. ".repeat(99));
    fs::set_permissions(broken.path("waypost.db"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(verdict(&broken, "database", "opens"), "fail");
}

#[test]
fn an_invalid_configuration_exits_with_2() {
    let shell = empty_shell();
    shell.write("waypost.toml", "listn = \"127.0.0.1:1\"\n");
    let ran = shell.waypost("doctor --offline --json");
    assert_eq!(ran.code, 2, "{}", ran.err);
    let result: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(result["verdict"], "fail");
    assert!(result["checks"][0]["finding"].as_str().unwrap().contains("listen"), "{result}");
    assert_eq!(shell.waypost("doctor --online --offline").code, 2);
}

#[test]
fn an_unreachable_meta_is_reported_without_tokens() {
    // No process listens on port 9.
    let shell = with_account(shell().with("WAYPOST_GRAPH__BASE_URL", "http://127.0.0.1:9"));
    let ran = shell.waypost("doctor --json");
    assert_eq!(ran.code, 5, "a live account without https");
    let secure = shell.with("WAYPOST_PUBLIC_URL", "https://127.0.0.1:9");
    assert_eq!(secure.waypost("doctor").code, 6, "and nothing asks for a callback while no gateway works");
    let result: Value = serde_json::from_str(&ran.out).unwrap();
    let failed = |area: &str, name: &str| {
        let checks = result["checks"].as_array().unwrap();
        checks
            .iter()
            .any(|check| check["area"] == area && check["name"] == name && check["verdict"] == "fail")
    };
    assert!(failed("meta", "reachable"), "{result}");
    for name in ["token", "number", "webhook"] {
        assert!(failed("account main", name), "{name}: {result}");
    }
    for secret in ["demo-access-token", "demo-app-secret", "demo-verify", SECRET_KEY] {
        assert!(!ran.out.contains(secret) && !ran.err.contains(secret), "{secret}");
    }
}

#[test]
fn a_backup_is_complete_private_and_replaces_files_only_with_force() {
    let shell = with_account(shell());
    let result = shell.waypost("backup copy.db --json").json();
    assert_eq!(result["size"].as_u64(), Some(fs::metadata(shell.path("copy.db")).unwrap().len()));
    assert_eq!(fs::metadata(shell.path("copy.db")).unwrap().permissions().mode() & 0o777, 0o600);
    let failure = shell.waypost("backup copy.db").failure();
    assert!(failure.contains("--force"), "{failure}");
    shell.waypost("backup copy.db --force").ok();

    let failure = shell.waypost("restore copy.db").failure();
    assert!(failure.contains("--force"), "{failure}");
    let result = shell.waypost("restore copy.db --force --json").json();
    let before = result["before"].as_str().unwrap().to_owned();
    assert!(shell.path(&before).exists(), "{result}");
    assert_eq!(verdict(&shell, "database", "copy"), "warn");
    let accounts = shell.waypost("accounts list --json").json();
    assert_eq!(accounts["accounts"][0]["name"], "main");
    shell.waypost("restore copy.db --force --nothing-sent-since --database-url sqlite:second.db").ok();
    let result = shell.waypost("doctor --offline --json --database-url sqlite:second.db");
    assert!(!result.out.contains("restored from a backup"), "{}", result.out);
}

#[test]
fn a_secret_key_is_rotated() {
    let shell = with_account(shell());
    let both = shell.with("WAYPOST_SECRET_KEY", NEW_KEY).with("WAYPOST_OLD_SECRET_KEY", SECRET_KEY);
    assert_eq!(verdict(&both, "database", "secrets"), "warn");
    assert_eq!(verdict(&both, "configuration", "old_secret_key"), "warn");
    let result = both.waypost("secrets rotate --json").json();
    assert_eq!(
        (&result["reencrypted"], &result["old"], &result["done"]),
        (&2.into(), &0.into(), &true.into())
    );
    let again = both.waypost("secrets rotate").ok();
    assert!(
        again.contains("0 secrets were encrypted again") && again.contains("no longer needed"),
        "{again}"
    );
    // The old key is not configured any more.
    let new = both.with("WAYPOST_OLD_SECRET_KEY", "");
    assert_eq!(verdict(&new, "database", "secrets"), "ok");
    new.waypost("accounts list").ok();
    let wrong = new.with("WAYPOST_SECRET_KEY", SECRET_KEY);
    let ran = wrong.waypost("secrets rotate");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("cannot be decrypted with either key"), "{}", ran.err);
}
