//! Durability: the order of the system calls of a real gateway. A response is sent after the data is on the disk.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::harness::client::CallOutcome;
use crate::harness::environment::Environment;
use crate::harness::process::Process;
use crate::harness::wait_for;
use crate::support::{QUICK, SOON, environment, sent, template};

/// System calls that the test checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The client's request was read.
    Asked,
    /// The write-ahead log was synced to the disk.
    Synced,
    /// A message was sent to Meta.
    HandedOver,
    /// The response was sent to the client.
    Answered,
}

/// Parses the output of `strace -f -y`. Consecutive equal steps are one step.
fn steps(trace: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut syncing: Vec<&str> = Vec::new();
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        let is_sync = call.starts_with("fdatasync(") || call.starts_with("fsync(");
        let is_write = ["write(", "writev(", "sendto(", "sendmsg("].iter().any(|name| call.starts_with(name));
        let step = if is_sync && call.contains("waypost.db-wal>") {
            if !call.ends_with("= 0") {
                // Another thread interrupts the line: the end of the call is on a line of its own.
                syncing.push(thread);
                continue;
            }
            Step::Synced
        } else if call.contains("sync resumed>") && call.ends_with("= 0") && syncing.contains(&thread) {
            syncing.retain(|other| *other != thread);
            Step::Synced
        } else if !is_write && call.contains("\"POST /api/messages/send ") {
            Step::Asked
        } else if is_write && call.contains("\"POST /v") {
            Step::HandedOver
        } else if is_write && call.contains("\"HTTP/1.1 20") {
            Step::Answered
        } else {
            continue;
        };
        if steps.last() != Some(&step) {
            steps.push(step);
        }
    }
    steps
}

/// Starts a gateway under `strace`, which writes to a file.
fn traced(environment: &Environment, trace: &Path) -> Process {
    let serve = environment.directory.command(["serve"]);
    let mut command = Command::new("strace");
    // `-D`: the gateway is the child of this process, not of strace, and can be stopped as usual.
    command.args(["-D", "-f", "-y", "-s", "100", "-o"]).arg(trace);
    command.args(["-e", "trace=fsync,fdatasync,read,recvfrom,write,writev,sendto,sendmsg"]);
    command.arg(serve.get_program()).args(serve.get_args());
    command.env_clear().envs(environment.directory.variables()).current_dir(environment.directory.path(""));
    let log = environment.directory.path("serve.log");
    let mut process = Process::start("strace", &mut command, &log).expect("strace must be installed");
    wait_for("the gateway under strace", SOON, || {
        assert_eq!(process.end().unwrap(), None, "{}", std::fs::read_to_string(&log).unwrap());
        let outcome = environment.gateway.call("GET", "/readyz", &[], None);
        Ok(matches!(outcome, CallOutcome::Answered(response) if response.status == 200).then_some(()))
    })
    .unwrap();
    process
}

#[test]
fn a_message_is_synced_to_disk_before_the_send_and_before_the_response() {
    let environment = environment(&[]);
    // No webhooks, whose steps would be in between.
    environment
        .simulator
        .call_with_retries("POST", "/_sim/settings", Some(&json!({ "auto_statuses": false })))
        .unwrap();
    let trace = environment.directory.path("trace");
    let mut gateway = traced(&environment, &trace);
    let scheduled = {
        let at = environment
            .simulator
            .call_with_retries("POST", "/_sim/clock", Some(&json!({ "advance_seconds": 3_600 })))
            .unwrap();
        let mut message = template(QUICK);
        message.as_object_mut().unwrap().insert("send_at".to_owned(), at.get("now").unwrap().clone());
        message
    };
    for (body, status) in [(template(QUICK), 200), (scheduled, 202)].iter().cycle().take(8) {
        let outcome = environment.gateway.call("POST", "/api/messages/send", &[], Some(body));
        assert_eq!(sent(&outcome).0, *status, "{outcome:?}");
    }
    gateway.signal("TERM").unwrap();
    assert_eq!(gateway.wait(SOON).unwrap().code(), Some(0));
    let text = wait_for("the end of the trace", SOON, || {
        let text = std::fs::read_to_string(&trace)?;
        Ok(text.trim_end().ends_with("+++ exited with 0 +++").then_some(text))
    });

    let steps = steps(&text.unwrap());
    let mut requests: Vec<Vec<Step>> = Vec::new();
    for step in steps.into_iter().skip_while(|step| *step != Step::Asked) {
        match requests.last_mut() {
            Some(request) if step != Step::Asked => {
                if request.last() != Some(&Step::Answered) {
                    request.push(step);
                }
            }
            _ => requests.push(vec![step]),
        }
    }
    let sync = [Step::Asked, Step::Synced, Step::HandedOver, Step::Synced, Step::Answered].as_slice();
    let queued = [Step::Asked, Step::Synced, Step::Answered].as_slice();
    assert_eq!(requests, [sync, queued].iter().cycle().take(8).copied().collect::<Vec<_>>());
}
