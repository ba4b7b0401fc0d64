//! Over a bound port: what only a connection can show. Few, because they take real time.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use sim::{Fault, FaultAction, InboundMessage, Mode, Options, Sim, Status};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::harness::MAYA;

struct Served {
    sim: Sim,
    address: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Served {
    async fn new(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sim = Sim::new(options).unwrap();
        let (served, stop) = (sim.clone(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        let token = stop.clone();
        tasks.spawn(async move { served.serve(listener, token).await.unwrap() });
        Self { sim, address, stop, tasks }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    fn message(&self, to: &str) -> String {
        let body = json!({"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": "x"}})
            .to_string();
        let account = &self.sim.accounts()[0];
        format!(
            "POST /v24.0/{}/messages HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            account.phone_number_id,
            self.address,
            account.access_token,
            body.len()
        )
    }

    /// Sends a request on a new connection and reads until the answer's head has come or the connection ends.
    async fn exchange(&self, request: &str) -> Vec<u8> {
        let mut stream = self.connect().await;
        exchange_on(&mut stream, request).await
    }

    async fn end(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

async fn exchange_on(stream: &mut TcpStream, request: &str) -> Vec<u8> {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = vec![0; 4096];
    let n = stream.read(&mut bytes).await.unwrap_or(0);
    bytes.truncate(n);
    bytes
}

#[tokio::test]
async fn a_message_is_answered_over_a_connection() {
    let served = Served::new(Options::default()).await;
    let answer = served.exchange(&served.message(MAYA)).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer));
    served.end().await;
}

#[tokio::test]
async fn a_cut_connection_carries_no_byte_of_an_answer() {
    let served = Served::new(Options::default()).await;
    for (to, n_accepted) in [("+1 555 010 0504", 1), ("+1 555 010 0505", 1)] {
        assert_eq!(served.exchange(&served.message(to)).await, b"", "{to}");
        assert_eq!(served.sim.messages().len(), n_accepted);
    }
    for (action, n_accepted) in [(FaultAction::CutBefore, 1), (FaultAction::CutAfter, 2)] {
        served.sim.fail(Fault::on("/messages", action));
        assert_eq!(served.exchange(&served.message(MAYA)).await, b"");
        assert_eq!(served.sim.messages().len(), n_accepted);
    }
    assert!(served.exchange(&served.message(MAYA)).await.starts_with(b"HTTP/1.1 200"));
    served.end().await;
}

#[tokio::test]
async fn a_delay_holds_the_answer_back() {
    let served = Served::new(Options::default()).await;
    served.sim.fail(Fault::on("/messages", FaultAction::Delay(Duration::from_millis(200))));
    let start = tokio::time::Instant::now();
    assert!(served.exchange(&served.message(MAYA)).await.starts_with(b"HTTP/1.1 200"));
    assert!(start.elapsed() >= Duration::from_millis(200));
    served.end().await;
}

#[tokio::test]
async fn a_refusal_closes_the_port_and_idle_connections_for_a_while() {
    let served = Served::new(Options::default()).await;
    let mut idle = served.connect().await;
    assert!(exchange_on(&mut idle, &served.message(MAYA)).await.starts_with(b"HTTP/1.1 200"));
    let body = r#"{"action":"refuse","ms":300}"#;
    let request = format!(
        "POST /_sim/faults HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n{body}",
        served.address,
        body.len()
    );
    let answer = served.exchange(&request).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "the order itself is answered");
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    let start = tokio::time::Instant::now();
    let refused = TcpStream::connect(served.address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    // The port opens again; there is no event to wait for but a connection that succeeds.
    while TcpStream::connect(served.address).await.is_err() {
        assert!(start.elapsed() < Duration::from_secs(5));
        tokio::task::yield_now().await;
    }
    assert!(served.exchange(&served.message(MAYA)).await.starts_with(b"HTTP/1.1 200"));
    served.end().await;
}

#[tokio::test]
async fn in_auto_mode_signed_webhooks_follow_within_two_seconds() {
    let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let callback_url = Some(format!("http://{}/webhooks/meta", receiver.local_addr().unwrap()));
    let options = Options { mode: Mode::Auto, callback_url, ..Options::default() };
    let served = Served::new(options).await;
    served.sim.inbound(&InboundMessage::text(MAYA, "hi")).unwrap();
    assert!(served.exchange(&served.message(MAYA)).await.starts_with(b"HTTP/1.1 200"));
    let accepted = tokio::time::Instant::now();
    let mut words = Vec::new();
    while words.len() < 4 {
        let (head, body) = receive(&receiver).await;
        assert!(head.contains("x-hub-signature-256: sha256="), "{head}");
        let value = &body["entry"][0]["changes"][0]["value"];
        let word = value["statuses"][0]["status"].as_str().unwrap_or("inbound");
        words.push(word.to_owned());
    }
    assert_eq!(words, ["inbound", "sent", "delivered", "read"]);
    assert!(accepted.elapsed() < Duration::from_secs(2), "{:?}", accepted.elapsed());
    assert_eq!(served.sim.messages()[0].status, Status::Read);
    served.end().await;
}

#[tokio::test]
async fn by_hand_a_control_call_sends_what_it_made() {
    let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let callback_url = Some(format!("http://{}/webhooks/meta", receiver.local_addr().unwrap()));
    let served = Served::new(Options { callback_url, ..Options::default() }).await;
    let body = json!({"from": MAYA, "message": {"type": "text", "text": {"body": "hi"}}}).to_string();
    let request = format!(
        "POST /_sim/inbound HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n{body}",
        served.address,
        body.len()
    );
    let (answer, (_, webhook)) = tokio::join!(served.exchange(&request), receive(&receiver));
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    assert_eq!(webhook["entry"][0]["changes"][0]["value"]["messages"][0]["text"]["body"], "hi");
    served.end().await;
}

/// One request on a new connection each, answered 200.
async fn receive(listener: &TcpListener) -> (String, Value) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        let n = stream.read(&mut part).await.unwrap();
        bytes.extend_from_slice(&part[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length: usize = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned))
            .map_or(0, |length| length.parse().unwrap());
        if body.len() >= length {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .await
                .unwrap();
            return (head.to_lowercase(), serde_json::from_str(body).unwrap());
        }
    }
}
