//! Commands that call the API of a running gateway.

use std::process::Command;

use serde_json::Value;

use crate::harness::client::{CallOutcome, Client};
use crate::harness::directory::TestDirectory;
use crate::harness::process::Process;
use crate::harness::wait_for;
use crate::support::{SOON, parent, program};

/// A running sandbox.
pub(crate) struct Sandbox {
    pub(crate) process: Process,
    pub(crate) directory: TestDirectory,
}

/// Result of a command.
pub(crate) struct CommandOutput {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl CommandOutput {
    /// Returns standard output. Panics if the exit code is not 0.
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "out: {}\nerr: {}", self.out, self.err);
        self.out
    }

    /// Returns the JSON on standard output. Panics if the exit code is not 0.
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.ok()).unwrap()
    }
}

impl Sandbox {
    /// Starts `waypost dev`, and returns when it is ready.
    pub(crate) fn start() -> Self {
        let directory = TestDirectory::make(&program(), &parent(), &[]).unwrap();
        let process = Self::dev(&directory);
        Self { process, directory }
    }

    /// Starts `waypost dev` in a directory, and returns when it is ready.
    pub(crate) fn dev(directory: &TestDirectory) -> Process {
        let log = directory.path("dev.log");
        std::fs::write(&log, "").unwrap();
        let mut process = Process::start("dev", &mut directory.command(["dev", "--json"]), &log).unwrap();
        wait_for("the sandbox", SOON, || {
            let text = std::fs::read_to_string(&log)?;
            assert_eq!(process.end().unwrap(), None, "{text}");
            Ok(text.contains("\"api\"").then_some(()))
        })
        .unwrap();
        process
    }

    /// Runs a command with arguments.
    pub(crate) fn run(&self, arguments: &[&str]) -> CommandOutput {
        output(&mut self.directory.command(arguments.iter().copied()))
    }

    /// Runs a command with the arguments of a line, separated by spaces.
    pub(crate) fn waypost(&self, line: &str) -> CommandOutput {
        self.run(&line.split_whitespace().collect::<Vec<_>>())
    }
}

pub(crate) fn output(command: &mut Command) -> CommandOutput {
    let output = command.output().unwrap();
    CommandOutput {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer}: {value}")).to_owned()
}

#[test]
fn messages_are_sent_listed_shown_and_canceled() {
    let sandbox = Sandbox::start();
    let wamid = sandbox.run(&["send", "--to", "+15550100001", "--text", "Hello"]).ok();
    assert!(wamid.starts_with("wamid."), "{wamid}");

    let later = r#"{"to":"+15550100001","type":"text","text":"Later","send_at":"2099-01-01T00:00:00Z"}"#;
    std::fs::write(sandbox.directory.path("later.json"), later).unwrap();
    let refused = sandbox.waypost("send --json later.json");
    assert_eq!(refused.code, 1, "{}", refused.out);
    assert!(refused.err.contains("/send_at"), "{}", refused.err);

    let queued =
        r#"{"type":"text","text":"Later","mode":"queue","send_at":"SOON","client_reference":"order 7"}"#;
    let now = sandbox.waypost("messages list --json").json();
    let created_at = text(&now, "/messages/0/created_at");
    let next_day = created_at.parse::<jiff::Timestamp>().unwrap() + jiff::SignedDuration::from_hours(23);
    let queued = queued.replace("SOON", &next_day.to_string());
    std::fs::write(sandbox.directory.path("queued.json"), queued).unwrap();
    let answer = sandbox.waypost("send --to +15550100001 --json queued.json").json();
    let id = text(&answer, "/data/id");

    let list = sandbox.waypost("messages list --direction outbound --limit 1 --json").json();
    assert_eq!(list["messages"].as_array().unwrap().len(), 1);
    assert_eq!(text(&list, "/messages/0/id"), id);
    let list = sandbox.waypost("messages list --direction outbound").ok();
    assert!(list.starts_with("CREATED") && list.contains(&id) && list.contains("order 7"), "{list}");
    let one = sandbox.waypost("messages list --limit 1");
    assert!(one.err.contains("use --limit"), "{}", one.err);
    let all = sandbox.waypost("messages list --since 1h --client-reference none");
    assert!(all.err.contains("there are no messages"), "{}", all.err);

    let shown = sandbox.run(&["messages", "show", wamid.trim()]).ok();
    assert!(shown.contains("timeline\n  {") && shown.contains(wamid.trim()), "{shown}");
    assert_eq!(text(&sandbox.run(&["messages", "cancel", &id, "--json"]).json(), "/status"), "canceled");
    let again = sandbox.run(&["messages", "cancel", &id, "--json"]);
    assert_eq!((again.code, again.out.contains("not_cancelable")), (1, true), "{}", again.out);
    assert!(again.err.starts_with("error: ") && again.err.contains("(not_cancelable)"), "{}", again.err);
}

#[test]
fn a_list_follows_pages_until_its_limit() {
    let sandbox = Sandbox::start();
    let mut csv = "phone_number,name\n".to_owned();
    for n in 0..230 {
        csv.push_str(&format!("+1555010{:04},Person {n}\n", 4000 + n));
    }
    std::fs::write(sandbox.directory.path("people.csv"), csv).unwrap();
    let checked = sandbox.waypost("contacts import people.csv --dry-run --json").json();
    assert_eq!((&checked["dry_run"], &checked["created"]), (&true.into(), &230.into()), "{checked}");
    sandbox.waypost("contacts import people.csv").ok();
    let list = sandbox.waypost("contacts list --limit 1000 --json").json();
    let mut ids: Vec<_> = list["contacts"].as_array().unwrap().iter().map(|row| text(row, "/id")).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 231, "each contact once");
    let list = sandbox.waypost("contacts list --limit 205 --json").json();
    assert_eq!(list["contacts"].as_array().unwrap().len(), 205);
    assert!(sandbox.waypost("contacts export").ok().lines().count() > 230);
    let events = sandbox.waypost("events list --types contact.created --limit 220 --json").json();
    assert_eq!(events["events"].as_array().unwrap().len(), 220);
}

#[test]
fn contacts_and_templates_are_found_by_number_and_name() {
    let sandbox = Sandbox::start();
    let added = sandbox
        .run(&[
            "contacts",
            "add",
            "--phone-number",
            "+44 7700 900123",
            "--name",
            "Maya Osei",
            "--tags",
            "vip,new",
            "--field",
            "city=Leeds",
            "--json",
        ])
        .json();
    assert_eq!(added["custom_fields"]["city"], "Leeds");
    let shown = sandbox.waypost("contacts show +447700900123 --json").json();
    assert_eq!(shown["id"], added["id"]);
    let changed =
        sandbox.run(&["contacts", "update", "+447700900123", "--stage", "customer", "--name", "", "--json"]);
    let changed = changed.json();
    assert_eq!((&changed["stage"], &changed["name"]), (&"customer".into(), &Value::Null), "{changed}");
    let nothing = sandbox.waypost("contacts update +447700900123");
    assert!(nothing.err.contains("nothing to change"), "{}", nothing.err);
    sandbox.waypost("contacts window +15550100001").ok();
    assert_eq!(
        sandbox.waypost("contacts remove +447700900123").ok(),
        "the contact and its messages are erased\n"
    );
    let missing = sandbox.waypost("contacts show +447700900123");
    assert_eq!(missing.code, 1);
    assert!(missing.err.contains("there is no contact with the number"), "{}", missing.err);

    let synced = sandbox.waypost("templates sync --json").json();
    assert!(synced["total"].as_i64().unwrap() > 1, "{synced}");
    let shown = sandbox.waypost("templates show hello_world").ok();
    assert!(shown.contains("en_US"), "{shown}");
    assert!(sandbox.waypost("templates list --status approved").ok().contains("order_confirmation"));
    sandbox.run(&["send", "--to", "+15550102000", "--template", "hello_world", "--language", "en_US"]).ok();
}

#[test]
fn webhooks_are_added_changed_tested_and_removed() {
    let sandbox = Sandbox::start();
    // Nothing listens there.
    let added = sandbox
        .run(&[
            "webhooks",
            "add",
            "--name",
            "shop",
            "--endpoint",
            "http://127.0.0.1:9/hook",
            "--events",
            "message.incoming,message.failed",
            "--header",
            "X-Shop=blue",
            "--json",
        ])
        .json();
    let secret = text(&added, "/secret");
    assert!(secret.starts_with("whsec_"));
    let id = text(&added, "/id");
    assert!(sandbox.waypost("webhooks list").ok().contains(&id));
    let tested = sandbox.waypost("webhooks test shop --json");
    assert_eq!(tested.code, 1, "a delivery that failed is no success: {}", tested.out);
    assert!(tested.out.contains("webhook.test"), "{}", tested.out);
    let deliveries = sandbox.waypost("webhooks deliveries shop --json").json();
    let delivery = text(&deliveries, "/deliveries/0/id");
    sandbox.run(&["webhooks", "redeliver", &delivery]).ok();
    let rotated = sandbox.waypost("webhooks rotate-secret shop --json").json();
    assert_ne!(text(&rotated, "/secret"), secret);
    let paused = sandbox.waypost("webhooks update shop --enabled false --events * --json").json();
    assert_eq!((&paused["enabled"], &paused["events"][0]), (&false.into(), &"*".into()), "{paused}");
    sandbox.waypost("webhooks update shop --enabled true").ok();
    let replayed = sandbox.waypost("webhooks replay shop --since 1h --json").json();
    assert_eq!(text(&replayed, "/webhook_id"), id);
    let refused =
        sandbox.run(&["webhooks", "add", "--name", "", "--endpoint", "ftp://x", "--events", "nothing"]);
    assert_eq!(refused.code, 1);
    for part in ["(invalid_request)", "/name", "/url", "/events/0"] {
        assert!(refused.err.contains(part), "{}", refused.err);
    }
    sandbox.waypost("webhooks remove shop").ok();
    assert!(sandbox.waypost("webhooks list").err.contains("there are no webhooks"));
}

#[test]
fn an_api_key_is_replaced() {
    let sandbox = Sandbox::start();
    let old = sandbox.waypost("keys create --dev --test --name ci --scopes read").ok();
    let rotated = sandbox.waypost("keys rotate ci --overlap 0 --dev --json").json();
    let new = text(&rotated, "/key");
    assert_eq!((rotated["name"].as_str(), rotated["scopes"][0].as_str()), (Some("ci"), Some("read")));
    let client = |key: &str| Client { address: sandbox.directory.gateway, key: Some(key.to_owned()) };
    let status = |key: &str| match client(key).call("GET", "/api/messages", &[], None) {
        CallOutcome::Answered(response) => Some(response.status),
        CallOutcome::NotConnected | CallOutcome::Interrupted(_) => None,
    };
    wait_for("the new key", SOON, || Ok((status(&new) == Some(200)).then_some(()))).unwrap();
    wait_for("the end of the old key", SOON, || Ok((status(old.trim()) == Some(401)).then_some(()))).unwrap();
    // By name, the key that is valid is replaced.
    let newest = sandbox.waypost("keys rotate ci --overlap 2h --dev").ok();
    assert!(newest.starts_with("wp_test_"), "{newest}");
    let replaced = sandbox.run(&["keys", "rotate", &text(&rotated, "/id"), "--dev"]);
    assert_eq!(replaced.code, 1);
    assert!(replaced.err.contains("was replaced or revoked before"), "{}", replaced.err);
    assert_eq!(sandbox.waypost("keys rotate ci --overlap 31d --dev").code, 2);
}

#[test]
fn the_simulator_does_what_trigger_says() {
    let sandbox = Sandbox::start();
    sandbox
        .run(&[
            "trigger",
            "message.incoming",
            "--from",
            "+447700900456",
            "--name",
            "Tom",
            "--text",
            "Is it ready?",
        ])
        .ok();
    let incoming = || {
        let events = sandbox.waypost("events list --types message.incoming --json").json();
        let events = events["events"].as_array().unwrap().clone();
        Ok(events.into_iter().find(|event| event["data"]["from"] == "+447700900456"))
    };
    let event = wait_for("the customer's message", SOON, incoming).unwrap();
    assert_eq!(
        (&event["data"]["text"], &event["data"]["contact_name"]),
        (&"Is it ready?".into(), &"Tom".into())
    );

    // The simulator reports `sent` only for this number.
    let sent =
        sandbox.waypost("send --to +15550100003 --template hello_world --language en_US --json").json();
    let id = text(&sent, "/data/id");
    sandbox.run(&["trigger", "message.read", "--message", &id]).ok();
    let status = |status: &'static str| {
        let is_there = || {
            Ok((text(&sandbox.run(&["messages", "show", &id, "--json"]).json(), "/status") == status)
                .then_some(()))
        };
        wait_for(status, SOON, is_there).unwrap();
    };
    status("read");
    let failing =
        sandbox.waypost("send --to +15550100003 --template hello_world --language en_US --json").json();
    let failing = text(&failing, "/data/id");
    sandbox.waypost("trigger message.failed --code 131053").ok();
    let is_failed = || {
        let shown = sandbox.run(&["messages", "show", &failing, "--json"]).json();
        Ok((shown["error"]["code"] == 131_053).then_some(()))
    };
    wait_for("the failure", SOON, is_failed).unwrap();

    let paused = sandbox.waypost("trigger template.status --template order_confirmation --status PAUSED");
    assert_eq!(paused.err, "", "the gateway has accepted the webhook");
    paused.ok();
    let is_paused = || {
        let shown = sandbox.waypost("templates show order_confirmation --json").json();
        Ok((shown["status"] == "PAUSED").then_some(()))
    };
    wait_for("the pause", SOON, is_paused).unwrap();

    let unknown = sandbox.waypost("trigger message.received --from +15550100001");
    assert_eq!(unknown.code, 2);
    assert!(
        unknown.err.contains("`message.received`") && unknown.err.contains("message.incoming"),
        "{}",
        unknown.err
    );
    let missing = sandbox.waypost("trigger message.read --message wamid.nothing");
    assert_eq!(missing.code, 1);
    assert!(missing.err.contains("no such message"), "{}", missing.err);
}

#[test]
fn a_file_is_uploaded_and_sent() {
    let sandbox = Sandbox::start();
    std::fs::write(sandbox.directory.path("invoice.pdf"), "%PDF-1.4\n1 0 obj\n<<>>\nendobj\n%%EOF\n")
        .unwrap();
    let sent = sandbox
        .run(&[
            "send",
            "--to",
            "+15550100001",
            "--document",
            "invoice.pdf",
            "--caption",
            "Your invoice",
            "--json",
        ])
        .json();
    let id = text(&sent, "/data/message_id");
    let accepted =
        Client::of(sandbox.directory.simulator).call_with_retries("GET", "/_sim/messages", None).unwrap();
    let accepted =
        accepted.as_array().unwrap().iter().find(|message| message["message_id"] == id.as_str()).unwrap();
    let document = accepted.pointer("/body/document").unwrap_or_else(|| panic!("{accepted}"));
    assert_eq!(
        (&document["filename"], &document["caption"]),
        (&"invoice.pdf".into(), &"Your invoice".into())
    );
    let missing = sandbox.run(&["send", "--to", "+15550100001", "--image", "missing.png"]);
    assert_eq!(missing.code, 1);
    assert!(missing.err.contains("reading missing.png"), "{}", missing.err);
}

#[test]
fn a_send_above_the_rate_limit_waits() {
    let sandbox = Sandbox::start();
    let key = sandbox.waypost("keys create --dev --test --name slow --scopes send --rate-burst 1").ok();
    let send = || {
        let line = ["send", "--to", "+15550102001", "--template", "hello_world", "--language", "en_US"];
        let mut command = sandbox.directory.command(line);
        output(command.env("WAYPOST_KEY", key.trim()))
    };
    let is_known = || Ok((send().code == 0).then_some(()));
    wait_for("the key", SOON, is_known).unwrap();
    let outputs: Vec<_> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..4).map(|_| scope.spawn(send)).collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });
    let n_waits =
        outputs.iter().filter(|output| output.err.contains("waiting 1 s: Rate limit exceeded")).count();
    let ids: std::collections::BTreeSet<_> = outputs.into_iter().map(CommandOutput::ok).collect();
    assert_eq!(ids.len(), 4, "each message was sent once");
    assert!(n_waits >= 2, "{n_waits} of 4 sends waited");
}
