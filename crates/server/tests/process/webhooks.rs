//! Webhook deliveries of a gateway that is killed while events are waiting and in flight.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{sleep, wait_for};
use crate::support::environment;

/// Timeout: a crash is detected after ten seconds, and the deliveries are fast.
const SOON: Duration = Duration::from_secs(40);
/// Response time of the endpoint: long enough for a kill during a delivery.
const A_MOMENT: Duration = Duration::from_millis(4);

/// An endpoint of the application: a server that records the received events.
struct Endpoint {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Value>>>,
}

impl Endpoint {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Self { address: listener.local_addr().unwrap(), received: Arc::default() };
        let received = endpoint.received.clone();
        // The thread ends with the process of the test.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let received = received.clone();
                thread::spawn(move || take(&stream.unwrap(), &received));
            }
        });
        endpoint
    }

    fn received(&self) -> Vec<Value> {
        self.received.lock().unwrap().clone()
    }
}

/// Receives events from one connection until it is closed.
fn take(stream: &TcpStream, received: &Mutex<Vec<Value>>) -> Option<()> {
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
        // The event is recorded before the response, so that every confirmed event is recorded.
        received.lock().unwrap().push(serde_json::from_slice(&body).ok()?);
        let mut stream = stream;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()?;
    }
}

/// Returns the texts of each sender, in the order in which the endpoint first received them.
fn texts(received: &[Value]) -> BTreeMap<String, Vec<String>> {
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in received {
        let text = |name: &str| event.pointer(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let of_person = texts.entry(text("/data/from")).or_default();
        let word = text("/data/text");
        if !of_person.contains(&word) {
            of_person.push(word);
        }
    }
    texts
}

#[test]
fn no_event_is_lost_or_reordered_when_the_process_is_killed_repeatedly() {
    let endpoint = Endpoint::open();
    let environment = environment(&[
        ("WAYPOST_WEBHOOKS__ALLOW_HTTP", "true"),
        ("WAYPOST_WEBHOOKS__ALLOW_PRIVATE_NETWORKS", "true"),
        ("WAYPOST_WEBHOOKS__CONCURRENCY", "2"),
    ]);
    let mut gateway = environment.serve().unwrap();
    let url = format!("http://{}/hook", endpoint.address);
    let webhook = json!({ "name": "shop", "url": url, "events": ["message.incoming"] });
    environment.gateway.call_with_retries("POST", "/api/webhooks", Some(&webhook)).unwrap();
    let recipients = ["+15550103001", "+15550103002", "+15550103003"];
    let n_texts = 60;
    for n in 0..n_texts {
        for recipient in recipients {
            let message = json!({ "from": recipient, "message": { "type": "text", "text": { "body": n.to_string() } } });
            environment.simulator.call_with_retries("POST", "/_sim/inbound", Some(&message)).unwrap();
        }
    }
    for share in [20, 90] {
        wait_for("some events", SOON, || Ok((endpoint.received().len() >= share).then_some(()))).unwrap();
        gateway.kill().unwrap();
        gateway = environment.serve().unwrap();
    }
    let is_all = |received: &[Value]| {
        let texts = texts(received);
        texts.len() == recipients.len() && texts.values().all(|texts| texts.len() == n_texts)
    };
    wait_for("every event", SOON, || Ok(is_all(&endpoint.received()).then_some(()))).unwrap();
    // The log has the order of receipt: webhooks that the simulator could not deliver during a restart arrived later.
    let mut log = Vec::new();
    let mut path = "/api/events?events=message.incoming&per_page=200".to_owned();
    loop {
        let page = environment.gateway.call_with_retries("GET", &path, None).unwrap();
        let events = page.pointer("/data/events").and_then(Value::as_array).unwrap();
        let Some(last) = events.last().and_then(|event| event.get("id")?.as_str()) else { break };
        path = format!("/api/events?events=message.incoming&per_page=200&after={last}");
        log.extend(events.iter().cloned());
    }
    let received = endpoint.received();
    assert_eq!(texts(&received), texts(&log));
    // Only deliveries that were in flight during a crash were repeated.
    let n_surplus = received.len() - recipients.len() * n_texts;
    assert!(n_surplus <= 2 * 2, "{n_surplus} events came again");
    drop(gateway);
}
