//! `waypost listen` and `waypost events tail`, against a sandbox that is restarted.

use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;

use crate::command_line::Sandbox;
use crate::harness::directory::free_address;
use crate::harness::process::Process;
use crate::harness::wait_for;
use crate::support::SOON;

/// A request: headers in lower case, and body.
#[derive(Clone)]
struct Received {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Received {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Starts a program that receives events at an address.
fn receive(address: SocketAddr) -> Arc<Mutex<Vec<Received>>> {
    let listener = TcpListener::bind(address).unwrap();
    let all = Arc::new(Mutex::new(Vec::new()));
    let received = all.clone();
    // The thread ends with the process of the test.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let received = received.clone();
            thread::spawn(move || {
                let stream = stream.unwrap();
                let mut reader = BufReader::new(&stream);
                while let Some(request) = read_request(&mut reader) {
                    received.lock().unwrap().push(request);
                    (&stream).write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
                }
            });
        }
    });
    all
}

fn read_request(reader: &mut impl std::io::BufRead) -> Option<Received> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ") {
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }
    let received = Received { headers, body: Vec::new() };
    let mut body = vec![0; received.header("content-length").parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Received { body, ..received })
}

/// Starts a command, and waits until its log contains a text.
fn start(sandbox: &Sandbox, arguments: &[&str], ready: &str) -> (Process, std::path::PathBuf) {
    let name = arguments.first().unwrap();
    let log = sandbox.directory.path(&format!("{name}.log"));
    let mut command = sandbox.directory.command(arguments.iter().copied());
    let mut process = Process::start(name, &mut command, &log).unwrap();
    wait_for(ready, SOON, || {
        let text = std::fs::read_to_string(&log)?;
        assert_eq!(process.end().unwrap(), None, "{text}");
        Ok(text.contains(ready).then_some(()))
    })
    .unwrap();
    (process, log)
}

fn trigger(sandbox: &Sandbox, text: &str) {
    sandbox.run(&["trigger", "message.incoming", "--text", text]).ok();
}

fn texts(received: &Mutex<Vec<Received>>) -> Vec<String> {
    let received = received.lock().unwrap();
    let text =
        |event: &Received| event.json().pointer("/data/text").and_then(Value::as_str).map(str::to_owned);
    received.iter().filter_map(text).collect()
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

#[test]
fn an_event_is_posted_to_the_local_program_as_a_webhook() {
    let sandbox = Sandbox::start();
    let webhook_address = free_address(0).unwrap();
    let by_webhook = receive(webhook_address);
    let url = format!("http://{webhook_address}/hook");
    sandbox.run(&["webhooks", "add", "--name", "w", "--endpoint", &url, "--events", "message.incoming"]).ok();
    let local_address = free_address(0).unwrap();
    let local = format!("http://{local_address}/hook");
    let secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    std::fs::write(sandbox.directory.path("secret"), secret).unwrap();
    let arguments =
        ["listen", "--forward-to", &local, "--events", "message.incoming", "--secret-file", "secret"];
    let (_process, log) = start(&sandbox, &arguments, "forwarding the events");
    // The program starts later than the event: the connection is tried again.
    trigger(&sandbox, "Hello \"you\" \u{2014} <b>");
    wait_for("a retry", SOON, || Ok(std::fs::read_to_string(&log)?.contains("trying again").then_some(())))
        .unwrap();
    let by_listen = receive(local_address);
    wait_for("the event", SOON, || Ok((!texts(&by_listen).is_empty()).then_some(()))).unwrap();
    wait_for("the webhook", SOON, || Ok((!texts(&by_webhook).is_empty()).then_some(()))).unwrap();
    let first = |received: &Mutex<Vec<Received>>| received.lock().unwrap().first().cloned().unwrap();
    let (posted, webhook) = (first(&by_listen), first(&by_webhook));
    assert_eq!(
        String::from_utf8(posted.body.clone()).unwrap(),
        String::from_utf8(webhook.body.clone()).unwrap(),
        "byte for byte"
    );
    assert_eq!(posted.header("webhook-id"), webhook.header("webhook-id"));
    let names = |received: &Received| {
        let mut names: Vec<_> = received.headers.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&posted), names(&webhook));
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(&posted.body);
    let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(posted.header("x-webhook-signature"), digest);
    let log = wait_for("the line of the event", SOON, || {
        Ok(Some(std::fs::read_to_string(&log)?).filter(|log| log.contains("  204  ")))
    });
    assert!(log.unwrap().contains("message.incoming"));
}

#[test]
fn a_restart_of_the_gateway_neither_loses_nor_repeats_an_event() {
    let mut sandbox = Sandbox::start();
    let address = free_address(0).unwrap();
    let received = receive(address);
    let local = format!("http://{address}/");
    let arguments = ["listen", "--forward-to", &local, "--events", "message.incoming"];
    let (_listen, listen_log) = start(&sandbox, &arguments, "signing secret: whsec_");
    let arguments = ["events", "tail", "--types", "message.incoming", "--json"];
    let (_tail, tail_log) = start(&sandbox, &arguments, "following the events");
    trigger(&sandbox, "before");
    wait_for("the first event", SOON, || Ok((texts(&received).len() == 1).then_some(()))).unwrap();
    sandbox.process.kill().unwrap();
    wait_for("the loss of the connection", SOON, || {
        Ok(std::fs::read_to_string(&listen_log)?.contains("connecting again").then_some(()))
    })
    .unwrap();
    sandbox.process = Sandbox::dev(&sandbox.directory);
    trigger(&sandbox, "after");
    // The sandbox's customer writes at each start.
    let is_last = |texts: &[String]| texts.iter().any(|text| text == "after");
    wait_for("the last event", SOON, || Ok(is_last(&texts(&received)).then_some(()))).unwrap();
    let tailed = || {
        let log = std::fs::read_to_string(&tail_log)?;
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let texts: Vec<_> = lines
            .filter_map(|event| event.pointer("/data/text").and_then(Value::as_str).map(str::to_owned))
            .collect();
        Ok(Some(texts).filter(|texts| is_last(texts)))
    };
    let tailed = wait_for("the last line", SOON, tailed).unwrap();
    let logged = sandbox.waypost("events list --types message.incoming --json").json();
    let logged: Vec<_> = logged["events"].as_array().unwrap().iter().skip(1).collect();
    let logged: Vec<_> =
        logged.iter().map(|event| event["data"]["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts(&received), logged);
    assert_eq!(sorted(tailed), sorted(logged));
}
