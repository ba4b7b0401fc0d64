//! `waypost dev` as a new user runs it.

use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use crate::harness::client::{CallOutcome, Client};
use crate::harness::directory::TestDirectory;
use crate::harness::process::Process;
use crate::harness::wait_for;
use crate::support::{QUICK, SLOW, SOON, parent, program, sent, template};

/// Starts a sandbox, and returns its output when it is ready.
fn dev() -> (Process, TestDirectory, String) {
    let directory = TestDirectory::make(&program(), &parent(), &[]).unwrap();
    let log = directory.path("dev.log");
    let mut process = Process::start("dev", &mut directory.command(["dev"]), &log).unwrap();
    let banner = wait_for("the banner", SOON, || {
        assert_eq!(process.end().unwrap(), None, "{}", std::fs::read_to_string(&log).unwrap());
        let outcome = std::fs::read_to_string(&log)?;
        Ok(Some(outcome).filter(|outcome| outcome.contains("Press Ctrl-C to stop")))
    });
    (process, directory, banner.unwrap())
}

/// Returns the arguments that a shell passes to `curl` for a line.
fn arguments(line: &str) -> Vec<String> {
    let script = format!("curl() {{ printf '%s\\0' \"$@\"; }}\n{line}");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{line}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// Makes the call that `curl` makes with these arguments.
fn curl(arguments: &[String]) -> CallOutcome {
    let mut headers = Vec::new();
    let mut body: Option<Value> = None;
    let mut url = None;
    let mut method = None;
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-H" => headers.push(arguments.next().unwrap().split_once(": ").unwrap()),
            "-X" => method = arguments.next(),
            "-d" => body = Some(serde_json::from_str(arguments.next().unwrap()).unwrap()),
            _ => url = argument.strip_prefix("http://"),
        }
    }
    let (address, path) = url.unwrap().split_once('/').unwrap();
    assert!(body.is_none() || headers.contains(&("Content-Type", "application/json")), "{headers:?}");
    headers.retain(|(name, _)| *name != "Content-Type");
    let default = if body.is_some() { "POST" } else { "GET" };
    let method = method.map_or(default, String::as_str);
    Client::of(address.parse().unwrap()).call(method, &format!("/{path}"), &headers, body.as_ref())
}

#[test]
fn every_command_of_the_dev_banner_works_as_printed() {
    let (process, _place, banner) = dev();
    let lines: Vec<&str> = banner.lines().map(str::trim).filter(|line| line.starts_with("curl ")).collect();
    assert_eq!(lines.len(), 4, "{banner}");
    for (position, line) in lines.into_iter().enumerate() {
        let outcome = curl(&arguments(line));
        assert!(
            matches!(&outcome, CallOutcome::Answered(response) if response.status == 200),
            "{line}: {outcome:?}"
        );
        if position == 0 {
            let (_, _, message_id) = sent(&outcome);
            assert!(message_id.starts_with("wamid."), "{outcome:?}");
        }
    }
    drop(process);
}

/// Returns the status and the message of an answer.
fn answer(outcome: &CallOutcome) -> (u16, &str) {
    let CallOutcome::Answered(response) = outcome else { panic!("no answer: {outcome:?}") };
    (response.status, response.body.get("message").and_then(Value::as_str).unwrap_or_default())
}

#[test]
fn the_demonstration_of_an_expired_token_shows_how_to_resume() {
    let (_process, directory, banner) = dev();
    let key = banner.lines().find_map(|line| line.trim().strip_prefix("API key")).unwrap().trim().to_owned();
    let client = Client { address: directory.gateway, key: Some(key) };
    let send = |to: &str| client.call("POST", "/api/messages/send", &[], Some(&template(to)));
    let refused = send("+15550100190");
    let (status, message) = answer(&refused);
    assert_eq!(status, 503, "{message}");
    let command = message.split_once(" with: ").unwrap().1;
    assert_eq!(answer(&send(QUICK)).0, 503);
    assert_eq!(answer(&curl(&arguments(command))).0, 200, "{command}");
    assert_eq!(answer(&send(QUICK)).0, 200);
}

#[test]
fn the_clock_of_the_sandbox_moves_and_is_set_back() {
    let (_process, directory, banner) = dev();
    let key = banner.lines().find_map(|line| line.trim().strip_prefix("API key")).unwrap().trim().to_owned();
    let client = Client { address: directory.gateway, key: Some(key) };
    let text = json!({"to": "+15550100001", "type": "text", "text": "Hi"});
    let send = || client.call("POST", "/api/messages/send", &[], Some(&text));
    let simulator = Client::of(directory.simulator);
    assert_eq!(answer(&send()).0, 200);
    simulator.call_with_retries("POST", "/_sim/clock", Some(&json!({"advance_seconds": 90_000}))).unwrap();
    assert_eq!(answer(&send()).1, "Outside 24-hour window. Use a template message.");
    assert_eq!(
        answer(&client.call("POST", "/api/messages/send", &[], Some(&template("+15550100001")))).0,
        200
    );
    simulator.call_with_retries("POST", "/_sim/clock", Some(&json!({"reset": true}))).unwrap();
    assert_eq!(answer(&send()).0, 200);
}

#[test]
fn ctrl_c_completes_a_send_in_flight() {
    let (mut process, directory, banner) = dev();
    let key = banner.lines().find_map(|line| line.trim().strip_prefix("API key")).unwrap().trim().to_owned();
    let client = Client { address: directory.gateway, key: Some(key) };
    let sending =
        thread::spawn(move || client.call("POST", "/api/messages/send", &[], Some(&template(SLOW))));
    let simulator = Client::of(directory.simulator);
    wait_for("the message at the simulator", SOON, || {
        let accepted = simulator.call_with_retries("GET", "/_sim/messages", None)?;
        Ok(accepted.as_array().is_some_and(|accepted| !accepted.is_empty()).then_some(()))
    })
    .unwrap();
    process.signal("INT").unwrap();
    let outcome = sending.join().unwrap();
    let (status, _, message_id) = sent(&outcome);
    assert_eq!(status, 200, "{outcome:?}");
    assert!(message_id.starts_with("wamid."), "{outcome:?}");
    assert_eq!(process.wait(SOON).unwrap().code(), Some(0));
}
