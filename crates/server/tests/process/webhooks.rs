//! A gateway that is killed while events wait for the application, and while they are under way.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{sleep, wait_for};
use crate::support::environment;

/// A dead process is noticed after ten seconds, and the rest is quick.
const SOON: Duration = Duration::from_secs(40);
/// What the endpoint takes for one event: long enough to be killed in the middle.
const A_MOMENT: Duration = Duration::from_millis(4);

/// An endpoint of the application: a server of its own that writes down what it got.
struct Endpoint {
    address: SocketAddr,
    got: Arc<Mutex<Vec<Value>>>,
}

impl Endpoint {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Self { address: listener.local_addr().unwrap(), got: Arc::default() };
        let got = endpoint.got.clone();
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let got = got.clone();
                thread::spawn(move || take(&stream.unwrap(), &got));
            }
        });
        endpoint
    }

    fn got(&self) -> Vec<Value> {
        self.got.lock().unwrap().clone()
    }
}

/// Takes events from one connection until it is closed.
fn take(stream: &TcpStream, got: &Mutex<Vec<Value>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        sleep(A_MOMENT);
        // Written down before it is answered: what was answered was accepted_messages.
        got.lock().unwrap().push(serde_json::from_slice(&body).ok()?);
        let mut stream = stream;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()?;
    }
}

/// The words that each person wrote, in the order in which the endpoint first got them.
fn words(got: &[Value]) -> BTreeMap<String, Vec<String>> {
    let mut words: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in got {
        let text = |name: &str| event.pointer(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let of_person = words.entry(text("/data/from")).or_default();
        let word = text("/data/text");
        if !of_person.contains(&word) {
            of_person.push(word);
        }
    }
    words
}

#[test]
fn no_event_is_lost_and_the_order_is_kept_when_the_process_is_killed_again_and_again() {
    let endpoint = Endpoint::open();
    let environment = environment(&[
        ("WAYPOST_WEBHOOKS__ALLOW_HTTP", "true"),
        ("WAYPOST_WEBHOOKS__ALLOW_PRIVATE_NETWORKS", "true"),
        ("WAYPOST_WEBHOOKS__CONCURRENCY", "2"),
    ]);
    let mut gateway = environment.serve().unwrap();
    let url = format!("http://{}/hook", endpoint.address);
    let webhook = json!({ "name": "shop", "url": url, "events": ["message.incoming"] });
    environment.gateway.call_until_answered("POST", "/api/webhooks", Some(&webhook)).unwrap();
    let people = ["+15550103001", "+15550103002", "+15550103003"];
    let n_words = 60;
    for n in 0..n_words {
        for person in people {
            let message =
                json!({ "from": person, "message": { "type": "text", "text": { "body": n.to_string() } } });
            environment.simulator.call_until_answered("POST", "/_sim/inbound", Some(&message)).unwrap();
        }
    }
    for share in [20, 90] {
        wait_for("some events", SOON, || Ok((endpoint.got().len() >= share).then_some(()))).unwrap();
        gateway.kill().unwrap();
        gateway = environment.serve().unwrap();
    }
    let is_all = |got: &[Value]| {
        let words = words(got);
        words.len() == people.len() && words.values().all(|words| words.len() == n_words)
    };
    wait_for("every event", SOON, || Ok(is_all(&endpoint.got()).then_some(()))).unwrap();
    // In the order in which they were heard: what the simulator could not post while nobody listened came later.
    let mut log = Vec::new();
    let mut path = "/api/events?events=message.incoming&per_page=200".to_owned();
    loop {
        let page = environment.gateway.call_until_answered("GET", &path, None).unwrap();
        let events = page.pointer("/data/events").and_then(Value::as_array).unwrap();
        let Some(last) = events.last().and_then(|event| event.get("id")?.as_str()) else { break };
        path = format!("/api/events?events=message.incoming&per_page=200&after={last}");
        log.extend(events.iter().cloned());
    }
    let got = endpoint.got();
    assert_eq!(words(&got), words(&log));
    // Only what was under way when the process died came twice.
    let n_surplus = got.len() - people.len() * n_words;
    assert!(n_surplus <= 2 * 2, "{n_surplus} events came again");
    drop(gateway);
}
