//! `waypost dev`, as somebody uses it who has just built it.

use std::process::Command;
use std::thread;

use serde_json::Value;

use crate::harness::client::{CallOutcome, Client};
use crate::harness::directory::TestDirectory;
use crate::harness::process::Process;
use crate::harness::wait_for;
use crate::support::{SLOW, SOON, parent, program, sent, template};

/// A sandbox that is ready, and what it has printed.
fn dev() -> (Process, TestDirectory, String) {
    let directory = TestDirectory::make(&program(), &parent(), &[]).unwrap();
    let log = directory.path("dev.log");
    let mut process = Process::start("dev", &mut directory.command(["dev"]), &log).unwrap();
    let banner = wait_for("the banner", SOON, || {
        assert_eq!(process.end().unwrap(), None, "{}", std::fs::read_to_string(&log).unwrap());
        let told = std::fs::read_to_string(&log)?;
        Ok(Some(told).filter(|told| told.contains("Press Ctrl-C to stop")))
    });
    (process, directory, banner.unwrap())
}

/// What `curl` is given by a line, read by a real shell.
fn arguments(line: &str) -> Vec<String> {
    let script = format!("curl() {{ printf '%s\\0' \"$@\"; }}\n{line}");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{line}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// Does what `curl` would do with the arguments of the banner's lines.
fn curl(arguments: &[String]) -> CallOutcome {
    let mut headers = Vec::new();
    let mut body: Option<Value> = None;
    let mut url = None;
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-H" => headers.push(arguments.next().unwrap().split_once(": ").unwrap()),
            "-d" => body = Some(serde_json::from_str(arguments.next().unwrap()).unwrap()),
            _ => url = argument.strip_prefix("http://"),
        }
    }
    let (address, path) = url.unwrap().split_once('/').unwrap();
    assert!(body.is_none() || headers.contains(&("Content-Type", "application/json")), "{headers:?}");
    headers.retain(|(name, _)| *name != "Content-Type");
    let method = if body.is_some() { "POST" } else { "GET" };
    Client::of(address.parse().unwrap()).call(method, &format!("/{path}"), &headers, body.as_ref())
}

#[test]
fn every_line_of_the_banner_of_dev_works_as_printed() {
    let (process, _place, banner) = dev();
    let lines: Vec<&str> = banner.lines().map(str::trim).filter(|line| line.starts_with("curl ")).collect();
    assert_eq!(lines.len(), 4, "{banner}");
    for (position, line) in lines.into_iter().enumerate() {
        let heard = curl(&arguments(line));
        assert!(matches!(&heard, CallOutcome::Answered(answer) if answer.status == 200), "{line}: {heard:?}");
        if position == 0 {
            let (_, _, message_id) = sent(&heard);
            assert!(message_id.starts_with("wamid."), "{heard:?}");
        }
    }
    drop(process);
}

#[test]
fn ctrl_c_lets_dev_finish_a_send_that_is_under_way() {
    let (mut process, directory, banner) = dev();
    let key = banner.lines().find_map(|line| line.trim().strip_prefix("API key")).unwrap().trim().to_owned();
    let client = Client { address: directory.gateway, key: Some(key) };
    let sending =
        thread::spawn(move || client.call("POST", "/api/messages/send", &[], Some(&template(SLOW))));
    let simulator = Client::of(directory.simulator);
    wait_for("the message at the simulator", SOON, || {
        let accepted = simulator.call_until_answered("GET", "/_sim/messages", None)?;
        Ok(accepted.as_array().is_some_and(|accepted| !accepted.is_empty()).then_some(()))
    })
    .unwrap();
    process.signal("INT").unwrap();
    let heard = sending.join().unwrap();
    let (status, _, message_id) = sent(&heard);
    assert_eq!(status, 200, "{heard:?}");
    assert!(message_id.starts_with("wamid."), "{heard:?}");
    assert_eq!(process.wait(SOON).unwrap().code(), Some(0));
}
