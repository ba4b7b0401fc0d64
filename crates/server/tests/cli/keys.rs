//! `waypost keys`.

use crate::support::{SECRET_KEY, empty_shell, shell};

#[test]
fn a_key_is_shown_once_and_never_again() {
    let shell = shell();
    let created = shell.waypost("keys create --json --name ci --scopes send,read,manage").json();
    let key = created["key"].as_str().unwrap();
    assert!(key.starts_with("wp_live_") && key.len() >= 8 + 52, "{key}");
    assert_eq!(created["scopes"], serde_json::json!(["send", "read", "manage"]));
    let listed = shell.waypost("keys list --json");
    assert!(!listed.out.contains(key));
    let listed = listed.json();
    let listed = &listed["keys"][0];
    assert_eq!(listed["id"], created["id"]);
    assert_eq!((listed["name"].as_str(), listed["prefix"].as_str()), (Some("ci"), key.get(..12)));
    let table = shell.waypost("keys list").ok();
    assert!(table.contains(&key[..12]) && !table.contains(key), "{table}");
    let database = std::fs::read(shell.path("waypost.db")).unwrap();
    assert!(!database.windows(key.len()).any(|bytes| bytes == key.as_bytes()));
}

#[test]
fn standard_output_is_the_key_alone() {
    let created = shell().waypost("keys create --name t --scopes send --test");
    assert!(created.err.contains("printed only once"), "{}", created.err);
    let out = created.ok();
    assert!(
        out.starts_with("wp_test_") && out.trim_end().chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    );
}

#[test]
fn a_key_can_have_limits_accounts_and_an_expiry_time() {
    let shell = shell();
    shell.waypost("accounts add --name main --phone-number-id 1 --waba-id 2 --access-token t").ok();
    let created = shell
        .waypost(
            "keys create --json --name k --scopes read,send --rate-per-minute 5 --rate-burst 2 --accounts main,main \
             --expires-at 2100-01-01T00:00:00+01:00",
        )
        .json();
    assert_eq!(created["scopes"], serde_json::json!(["send", "read"]));
    assert_eq!((&created["rate_per_minute"], &created["rate_burst"]), (&5.into(), &2.into()));
    assert_eq!(created["expires_at"], "2099-12-31T23:00:00.000Z");
    assert_eq!(created["accounts"].as_array().unwrap().len(), 1);
}

#[test]
fn an_invalid_key_is_rejected() {
    let shell = shell();
    shell.waypost("accounts add --name toy --phone-number-id 1 --waba-id 2 --access-token t --sandbox").ok();
    let create = "keys create --name k --scopes";
    for (more, code, expected) in [
        ("send --expires-at 2020-01-01T00:00:00.000Z", 1, "must be in the future"),
        ("send --expires-at tomorrow", 2, "must be a time with its time zone"),
        ("send,fly", 2, "must be one of send, read, manage, contacts"),
        ("webhook", 2, "did you mean `webhooks`?"),
        ("send --rate-burst 0", 2, "0 is not in 1..=1000000000"),
        ("send --accounts other", 1, "there is no account `other`"),
        ("send --accounts toy", 1, "only test keys can use: add --test"),
        ("send --workspace elsewhere", 1, "there is no workspace `elsewhere`"),
    ] {
        let ran = shell.waypost(&format!("{create} {more}"));
        assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{more}: {}", ran.err);
        assert!(ran.err.contains(expected), "{more}: {}", ran.err);
    }
    assert_eq!(shell.run(["keys", "create", "--name", " ", "--scopes", "send"]).code, 2);
    assert_eq!(shell.waypost("keys list --json").json()["keys"], serde_json::json!([]));
}

#[test]
fn a_key_is_revoked_by_id_prefix_or_unique_name() {
    let shell = shell();
    let make = |name: &str| shell.waypost(&format!("keys create --json --name {name} --scopes read")).json();
    let (one, other) = (make("twin"), make("other"));
    let id = one["id"].as_str().unwrap();
    let error = shell.waypost("keys create --name twin --scopes send").failure();
    assert!(error.contains("another active key of this workspace has this name"), "{error}");
    shell.waypost(&format!("keys revoke {id}")).ok();
    let two = make("twin");
    let revoked = shell.waypost("keys revoke --json twin").json();
    assert_eq!((&revoked["id"], revoked["status"].as_str()), (&two["id"], Some("revoked")));
    shell.waypost(&format!("keys revoke {}", other["prefix"].as_str().unwrap())).ok();
    assert!(shell.waypost("keys revoke other").failure().contains("was already revoked"));
    assert!(shell.waypost("keys revoke nobody").failure().contains("there is no key"));
    let listed = shell.waypost("keys list --json").json();
    assert!(listed["keys"].as_array().unwrap().iter().all(|key| key["revoked_at"].is_string()));
}

#[test]
fn without_a_secret_key_no_database_is_created() {
    let shell = empty_shell();
    let error = shell.waypost("keys create --name ci --scopes send").failure();
    assert!(
        error.starts_with("error: secret_key is not set") && error.contains("openssl rand -base64 32"),
        "{error}"
    );
    assert!(!shell.path("waypost.db").exists());
    assert!(shell.waypost("keys list --dev").failure().contains("there is no sandbox in .waypost"));
}

#[test]
fn the_flag_dev_selects_the_sandbox_of_this_folder() {
    let shell = empty_shell();
    shell.write(".waypost/secret_key", &format!("{SECRET_KEY}\n"));
    shell.waypost("migrate --database-url sqlite:.waypost/waypost.db").ok();
    let error = shell.waypost("keys list").failure();
    assert!(error.ends_with("to use the sandbox of `waypost dev`, add --dev\n"), "{error}");
    shell.waypost("keys create --dev --name mine --scopes read").ok();
    assert_eq!(shell.waypost("keys list --dev --json").json()["keys"][0]["name"], "mine");
    assert!(shell.waypost("migrate --check --dev").ok().contains(".waypost/waypost.db"));
    assert!(!shell.path("waypost.db").exists());
}
