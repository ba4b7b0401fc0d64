//! `waypost users` and `waypost workspaces`.

use crate::support::{Shell, empty_shell, shell};

fn with_password() -> Shell {
    let shell = shell();
    shell.write("password", "correct horse battery\n");
    shell
}

const ADD: &str = "users add --password-file password";

#[test]
fn a_user_is_added_listed_changed_and_removed() {
    let shell = with_password();
    let added =
        shell.waypost(&format!("{ADD} --email Ada@Example.com --role owner --name Ada --json")).json();
    assert_eq!((added["email"].as_str(), added["role"].as_str()), (Some("Ada@Example.com"), Some("owner")));
    assert_eq!(added["id"].as_str().unwrap().len(), 36);
    let output = shell.waypost(&format!("{ADD} --email bob@example.com --role agent")).ok();
    assert!(output.starts_with("added agent `bob@example.com`, id "), "{output}");

    let listed = shell.waypost("users list --json").json();
    let emails: Vec<_> =
        listed["users"].as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap()).collect();
    assert_eq!(emails, ["Ada@Example.com", "bob@example.com"]);
    let table = shell.waypost("users list").ok();
    assert!(
        table.contains("EMAIL") && table.contains("Ada@Example.com") && table.contains("owner"),
        "{table}"
    );

    shell.write("other", "another password");
    let changed = shell.waypost("users password ADA@example.com --password-file other --json").json();
    assert_eq!((&changed["id"], changed["status"].as_str()), (&added["id"], Some("changed")));
    shell.waypost("users remove bob@example.com").ok();
    let output = shell.waypost(&format!("users remove {}", added["id"].as_str().unwrap())).failure();
    assert!(output.contains("last owner"), "{output}");
    assert!(shell.waypost("users remove nobody@example.com").failure().contains("there is no user"));

    let mut seen = format!("{output}{listed}{table}{changed}").into_bytes();
    for file in ["waypost.db", "waypost.db-wal"] {
        seen.extend(std::fs::read(shell.path(file)).unwrap_or_default());
    }
    for secret in ["correct horse battery", "another password"] {
        assert!(!seen.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{secret}");
    }
}

#[test]
fn an_invalid_user_is_rejected() {
    let shell = with_password();
    shell.write("short", "short77");
    shell.waypost(&format!("{ADD} --email ada@example.com --role owner")).ok();
    for (line, code, expected) in [
        (format!("{ADD} --email ada --role owner"), 2, "must be an e-mail address"),
        (format!("{ADD} --email b@example.com --role root"), 2, "must be owner, admin, agent or viewer"),
        (format!("{ADD} --email ADA@example.com --role agent"), 1, "another user of this workspace"),
        (
            "users add --email b@example.com --role agent --password-file short".to_owned(),
            1,
            "12 to 256 characters",
        ),
        (
            "users add --email b@example.com --role agent --password-file missing".to_owned(),
            1,
            "reading missing",
        ),
        ("users add --email b@example.com --role agent".to_owned(), 1, "use --password-file"),
        (
            format!("{ADD} --email b@example.com --role agent --workspace elsewhere"),
            1,
            "no workspace `elsewhere`",
        ),
    ] {
        let ran = shell.waypost(&line);
        assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{line}: {}", ran.err);
        assert!(ran.err.contains(expected), "{line}: {}", ran.err);
        assert!(!ran.err.contains("short77"), "{}", ran.err);
    }
    assert_eq!(shell.waypost("users list --json").json()["users"].as_array().unwrap().len(), 1);
    assert!(empty_shell().waypost("users list").failure().contains("secret_key is not set"));
}

#[test]
fn a_workspace_has_accounts_keys_and_users_of_its_own() {
    let shell = with_password();
    let added = shell.waypost("workspaces add --name clinic --json").json();
    assert_eq!(added["name"], "clinic");
    assert!(
        shell
            .waypost("workspaces add --name clinic")
            .failure()
            .contains("there is already a workspace `clinic`")
    );
    assert_eq!(shell.run(["workspaces", "add", "--name", " "]).code, 2);
    let listed = shell.waypost("workspaces list --json").json();
    let names: Vec<_> =
        listed["workspaces"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["default", "clinic"]);

    let inside = "--workspace clinic";
    shell.waypost(&format!("{ADD} --email ada@example.com --role owner {inside}")).ok();
    shell.waypost(&format!("{ADD} --email ada@example.com --role viewer")).ok();
    shell
        .waypost(&format!(
            "accounts add --name main --phone-number-id 1 --waba-id 2 --access-token t {inside}"
        ))
        .ok();
    shell.waypost(&format!("keys create --name ci --scopes read --accounts main {inside}")).ok();
    let error = shell.waypost("keys create --name ci --scopes read --accounts main").failure();
    assert!(error.contains("there is no account `main`"), "{error}");
    for (command, list) in [("accounts", "accounts"), ("keys", "keys")] {
        let own = shell.waypost(&format!("{command} list --json {inside}")).json();
        assert_eq!(own[list].as_array().unwrap().len(), 1, "{command}");
        let others = shell.waypost(&format!("{command} list --json")).json();
        assert_eq!(others[list].as_array().unwrap().len(), 0, "{command}");
    }
    assert_eq!(shell.waypost(&format!("users list --json {inside}")).json()["users"][0]["role"], "owner");
    assert_eq!(shell.waypost("users list --json").json()["users"][0]["role"], "viewer");
    let table = shell.waypost("workspaces list").ok();
    let row = table.lines().find(|line| line.starts_with("clinic")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>()[..3], ["clinic", "1", "1"]);
}
