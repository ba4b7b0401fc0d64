//! `waypost accounts`.

use crate::support::{empty_shell, shell};

const ADD: &str = "accounts add --phone-number-id 106540352242922 --waba-id 102290129340398";

#[test]
fn an_account_is_added_listed_and_removed() {
    let shell = shell().with("WAYPOST_PUBLIC_URL", "https://wa.example.com");
    let rest = "--name main --access-token demo-token-1 --app-secret demo-secret-1 --verify-token demo-word-1 --default";
    let output = shell.waypost(&format!("{ADD} {rest}")).ok();
    for part in
        ["added account `main`", "https://wa.example.com/webhooks/meta", "messages", "accounts test main"]
    {
        assert!(output.contains(part), "{output}");
    }
    let listed = shell.waypost("accounts list --json").json();
    let account = &listed["accounts"][0];
    assert_eq!(account["name"], "main");
    assert_eq!((&account["default"], &account["sandbox"]), (&true.into(), &false.into()));
    assert_eq!(account["status"], "connected");
    let table = shell.waypost("accounts list").ok();
    assert!(table.contains("106540352242922") && table.contains("default"), "{table}");

    let mut seen = format!("{output}{listed}{table}").into_bytes();
    for file in ["waypost.db", "waypost.db-wal"] {
        seen.extend(std::fs::read(shell.path(file)).unwrap_or_default());
    }
    for secret in ["demo-token-1", "demo-secret-1", "demo-word-1"] {
        assert!(!seen.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{secret}");
    }

    assert_eq!(shell.waypost("accounts remove --json main").json()["status"], "removed");
    assert!(shell.waypost("accounts list").ok().is_empty());
    assert!(shell.waypost("accounts remove main").failure().contains("there is no account `main`"));
}

#[test]
fn secrets_can_be_read_from_files() {
    let shell = shell();
    shell.write("token", "demo-token\n");
    let added = shell.waypost(&format!("{ADD} --name a --access-token-file token --json")).json();
    assert_eq!(added["callback_url"], "http://127.0.0.1:8080/webhooks/meta");
    assert_eq!(added["id"].as_str().unwrap().len(), 36);
    let error = shell.waypost(&format!("{ADD} --name b --access-token-file missing")).failure();
    assert!(error.contains("--access-token-file: reading missing"), "{error}");
    assert_eq!(shell.waypost(&format!("{ADD} --name b --access-token x --access-token-file token")).code, 2);
}

#[test]
fn missing_secrets_are_listed_with_the_setup_steps() {
    let output = shell().waypost(&format!("{ADD} --name a --access-token t")).ok();
    for part in ["no app secret", "Meta calls https URLs only", "this account has no verify token"] {
        assert!(output.contains(part), "{part}: {output}");
    }
}

#[test]
fn an_invalid_account_is_rejected() {
    let shell = shell();
    shell.waypost(&format!("{ADD} --name main --access-token t")).ok();
    let long = "x".repeat(101);
    for (arguments, code, expected) in [
        (format!("{ADD} --name main --access-token t"), 1, "an account `main` already exists"),
        (format!("{ADD} --name other --access-token t"), 1, "account `main` already has the phone number ID"),
        (format!("{ADD} --name {long} --access-token t"), 2, "must be 1 to 100 characters"),
        (format!("{ADD} --name b"), 2, "--access-token"),
        (
            "accounts add --name b --phone-number-id +1555 --waba-id 2 --access-token t".to_owned(),
            2,
            "the ID at Meta, not the phone number",
        ),
    ] {
        let ran = shell.waypost(&arguments);
        assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{arguments}: {}", ran.err);
        assert!(ran.err.contains(expected), "{arguments}: {}", ran.err);
    }
    for token in ["", "two words", "line\nend"] {
        let mut arguments: Vec<_> = ADD.split_whitespace().collect();
        arguments.extend(["--name", "b", "--access-token", token]);
        assert!(shell.run(arguments).failure().contains("--access-token"));
    }
    assert_eq!(shell.waypost("accounts list --json").json()["accounts"].as_array().unwrap().len(), 1);
}

#[test]
fn an_account_test_prints_one_line_per_check() {
    // The port was just released, so no process listens on it.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let unreachable = format!("http://127.0.0.1:{port}");
    let shell =
        shell().with("WAYPOST_GRAPH__BASE_URL", &unreachable).with("WAYPOST_PUBLIC_URL", &unreachable);
    shell.waypost(&format!("{ADD} --name main --access-token t")).ok();
    let tested = shell.waypost("accounts test main");
    assert_eq!(tested.code, 1);
    let lines: Vec<_> =
        tested.out.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>()).collect();
    assert_eq!(
        lines,
        [["FAIL", "token"], ["FAIL", "number"], ["FAIL", "webhook"], ["FAIL", "callback"]],
        "{}",
        tested.out
    );
    assert!(tested.out.contains("Meta cannot be reached"), "{}", tested.out);
    assert!(shell.waypost("accounts test other").failure().contains("existing accounts: `main`"));
    assert_eq!(shell.waypost("accounts resume main --json").json()["status"], "connected");
}

#[test]
fn another_secret_key_cannot_open_the_database() {
    let first = shell();
    first.waypost(&format!("{ADD} --name main --access-token t")).ok();
    let second = empty_shell().with("WAYPOST_SECRET_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    std::fs::copy(first.path("waypost.db"), second.path("waypost.db")).unwrap();
    let error = second.waypost("accounts list").failure();
    assert!(error.contains("encrypted with another secret_key"), "{error}");
}

#[test]
fn secrets_name_and_default_of_an_account_can_be_updated() {
    // No process listens on this port, so that the token is stored without a check.
    let shell = shell().with("WAYPOST_GRAPH__BASE_URL", "http://127.0.0.1:9");
    shell.write("token", "demo-token-2\n");
    shell.write("secret", "demo-secret-2\n");
    shell.waypost(&format!("{ADD} --name main --access-token demo-token-1 --app-secret demo-secret-1")).ok();
    let output = shell
        .waypost("accounts update main --app-secret-file secret --access-token-file token --keep-old-for 2d")
        .ok();
    assert!(
        output.contains("account `main` was updated") && output.contains("are accepted until"),
        "{output}"
    );
    let changed = shell.waypost("accounts update main --name shop --default --verify-token w --json").json();
    assert_eq!((&changed["name"], &changed["default"]), (&"shop".into(), &true.into()));
    assert!(changed["old_app_secret_until"].is_null());
    let changed = shell.waypost("accounts update shop --app-secret s3 --keep-old-for 0 --json").json();
    assert!(changed["old_app_secret_until"].is_null());
    assert_eq!(shell.waypost("accounts update shop --no-default --json").json()["default"], false);
    for (choice, shown) in [("on", true.into()), ("off", false.into()), ("default", serde_json::Value::Null)]
    {
        let changed = shell.waypost(&format!("accounts update shop --fetch-media {choice} --json")).json();
        assert_eq!(changed["fetch_media"], shown);
    }
    assert_eq!(shell.waypost("accounts update shop --fetch-media maybe").code, 2);

    assert!(shell.waypost("accounts update shop").failure().contains("nothing to change"));
    assert!(shell.waypost("accounts update main --default").failure().contains("there is no account `main`"));
    assert_eq!(shell.waypost("accounts update shop --app-secret s --keep-old-for soon").code, 2);
    assert_eq!(shell.waypost("accounts update shop --default --no-default").code, 2);
    let other = ADD.replace("106540352242922", "106540352242923");
    let added =
        shell.waypost(&format!("{other} --name other --access-token t --fetch-media on --json")).json();
    assert_eq!(added["fetch_media"], true);
    let output = shell.waypost("accounts update other --name shop").failure();
    assert!(output.contains("another account has this name"), "{output}");

    for file in ["waypost.db", "waypost.db-wal"] {
        let bytes = std::fs::read(shell.path(file)).unwrap_or_default();
        for secret in ["demo-token-2", "demo-secret-1", "demo-secret-2"] {
            assert!(!bytes.windows(secret.len()).any(|found| found == secret.as_bytes()), "{secret}");
        }
    }
}

#[test]
fn an_update_changes_only_the_given_fields_and_shows_no_secret() {
    // No process listens on this port, so that the token is stored without a check.
    let shell = shell().with("WAYPOST_GRAPH__BASE_URL", "http://127.0.0.1:9");
    shell.waypost(&format!("{ADD} --name main --access-token demo-token-1 --default")).ok();
    let second =
        "accounts add --phone-number-id 106540352242923 --waba-id 102290129340398 --access-token t --name b";
    shell.waypost(second).ok();
    shell.write("token", "demo-token-2\n");
    shell.write("secret", "demo-secret-2\n");
    shell.write("word", "demo-word-2\n");
    let output = shell
        .waypost("accounts update main --name desk --access-token-file token --app-secret-file secret --verify-token-file word")
        .ok();
    assert!(output.contains("account `desk` was updated"), "{output}");
    let changed = shell.waypost("accounts update b --default --json").json();
    assert_eq!((&changed["name"], &changed["default"]), (&"b".into(), &true.into()));
    let listed = shell.waypost("accounts list --json").json();
    assert_eq!(
        (&listed["accounts"][0]["name"], &listed["accounts"][0]["default"]),
        (&"desk".into(), &false.into())
    );
    let mut seen = format!("{output}{changed}{listed}").into_bytes();
    for file in ["waypost.db", "waypost.db-wal"] {
        seen.extend(std::fs::read(shell.path(file)).unwrap_or_default());
    }
    for secret in ["demo-token-2", "demo-secret-2", "demo-word-2"] {
        assert!(!seen.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{secret}");
    }
    for (arguments, output) in [
        ("accounts update b", "nothing to change"),
        ("accounts update b --name desk", "another account has this name"),
        ("accounts update nobody --default", "existing accounts: `desk`, `b`"),
        ("accounts register b --pin 12345", "six digits"),
        ("accounts register b --pin 123456", "registering the number"),
        ("accounts subscribe b", "subscribing the app"),
    ] {
        let failure = shell.waypost(arguments).failure();
        assert!(failure.contains(output), "{arguments}: {failure}");
    }
    assert_eq!(shell.waypost("accounts update b --default --name").code, 2);
    assert_eq!(shell.waypost("accounts remove desk --force --json").json()["status"], "removed");
}
