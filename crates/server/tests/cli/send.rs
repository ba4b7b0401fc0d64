//! `waypost send`, against a gateway with a fixed response.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::support::{Shell, empty_shell, shell};

/// A gateway that accepts one call. Its thread returns the head of the request in lower case, and the body.
struct Gateway {
    url: String,
    call: JoinHandle<(String, Value)>,
}

fn gateway(status: u16, response: Value) -> Gateway {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let call = std::thread::spawn(move || serve_call(&listener, status, &response));
    Gateway { url, call }
}

/// Answers one call.
fn serve_call(listener: &TcpListener, status: u16, response: &Value) -> (String, Value) {
    let (stream, _) = listener.accept().unwrap();
    let (head, body) = read_call(&stream);
    let response = response.to_string();
    let length = response.len();
    write!(
        &stream,
        "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nretry-after: 9\r\nconnection: close\r\n\r\n{response}"
    )
    .unwrap();
    (head, body)
}

fn read_call(stream: &TcpStream) -> (String, Value) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0);
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    (head, serde_json::from_slice(&body).unwrap())
}

fn sender(gateway: &Gateway) -> Shell {
    empty_shell().with("WAYPOST_API_KEY", "wp_live_demo").with("WAYPOST_PUBLIC_URL", &gateway.url)
}

#[test]
fn a_text_is_sent_and_its_id_printed() {
    let gateway =
        gateway(200, json!({"status": "success", "data": {"message_id": "wamid.X", "status": "sent"}}));
    let arguments = ["send", "--to", "+15550100001", "--text", "- Hello you", "--idempotency-key", "job-7"];
    assert_eq!(sender(&gateway).run(arguments).ok(), "wamid.X\n");
    let (head, body) = gateway.call.join().unwrap();
    assert!(head.starts_with("post /api/messages/send http/1.1\r\n"), "{head}");
    for header in
        ["x-api-key: wp_live_demo\r\n", "idempotency-key: job-7\r\n", "content-type: application/json\r\n"]
    {
        assert!(head.contains(header), "{head}");
    }
    assert_eq!(body, json!({"to": "+15550100001", "type": "text", "text": "- Hello you"}));
}

#[test]
fn the_url_and_the_key_can_be_in_the_environment() {
    let response = json!({"status": "success", "data": {"message_id": "wamid.X", "status": "sent"}});
    let gateway = gateway(200, response);
    let shell = empty_shell().with("WAYPOST_URL", &gateway.url).with("WAYPOST_KEY", "wp_live_short");
    assert_eq!(shell.waypost("send --to +15550100001 --text Hello").ok(), "wamid.X\n");
    let (head, _) = gateway.call.join().unwrap();
    assert!(head.contains("x-api-key: wp_live_short\r\n"), "{head}");

    let error = empty_shell().with("WAYPOST_URL", "ftp://x").waypost("send --to +1555 --text Hi").failure();
    assert_eq!(error, "error: WAYPOST_URL must begin with https:// or http://\n");
}

#[test]
fn exported_variables_of_the_client_do_not_stop_other_commands() {
    let shell = shell().with("WAYPOST_URL", "http://127.0.0.1:8080").with("WAYPOST_KEY", "wp_live_short");
    shell.waypost("config check").ok();
    shell.waypost("migrate").ok();
}

#[test]
fn a_template_is_sent_with_its_parameters() {
    let response = json!({"status": "success", "data": {"message_id": "wamid.X", "status": "sent"}});
    let gateway = gateway(200, response.clone());
    let shown = sender(&gateway)
        .waypost(
            "send --to +1555 --template order --language en --param John --param ORD-7 --account main --json",
        )
        .json();
    assert_eq!(shown, response);
    let components = json!([{"type": "body", "parameters": [
        {"type": "text", "text": "John"}, {"type": "text", "text": "ORD-7"}]}]);
    let template = json!({"name": "order", "language": "en", "components": components});
    assert_eq!(
        gateway.call.join().unwrap().1,
        json!({"to": "+1555", "type": "template", "template": template, "whatsapp_account": "main"})
    );
}

#[test]
fn an_unknown_outcome_is_reported_with_exit_code_3() {
    let gateway =
        gateway(202, json!({"status": "success", "data": {"message_id": "018f", "status": "unknown"}}));
    let ran = sender(&gateway).waypost("send --to +1555 --text Hi");
    assert!(ran.err.contains("not known whether the message was sent"), "{}", ran.err);
    assert_eq!((ran.code, ran.out.as_str()), (3, "018f\n"));
}

#[test]
fn an_error_shows_the_message_of_the_gateway() {
    let message = "Outside 24-hour window. Use a template message.";
    let gateway = gateway(400, json!({"status": "error", "message": message, "code": "outside_window"}));
    let error = sender(&gateway).waypost("send --to +1555 --text Hi").failure();
    assert_eq!(error, format!("error: {message} (outside_window)\n"));
}

#[test]
fn an_unreachable_gateway_is_reported() {
    let url = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let error =
        empty_shell().waypost(&format!("send --to +1555 --text Hi --api-key k --url {url}")).failure();
    assert!(error.starts_with(&format!("error: no connection to {url}: check that")), "{error}");
}

#[test]
fn a_request_without_a_response_is_repeated_with_the_same_key() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let lost = std::thread::spawn(move || {
        // The first request is read, and its connection closed without a response.
        let (stream, _) = listener.accept().unwrap();
        let (head, _) = read_call(&stream);
        drop(stream);
        let response = json!({"status": "success", "data": {"message_id": "wamid.X", "status": "sent"}});
        (head, serve_call(&listener, 200, &response).0)
    });
    let shell = empty_shell().with("WAYPOST_KEY", "wp_live_demo").with("WAYPOST_URL", &url);
    let ran = shell.waypost("send --to +1555 --text Hi");
    assert!(ran.err.starts_with("waiting 2 s: "), "{}", ran.err);
    assert_eq!(ran.ok(), "wamid.X\n");
    let (first, second) = lost.join().unwrap();
    let key =
        |head: &str| head.lines().find_map(|line| line.strip_prefix("idempotency-key: ")).map(str::to_owned);
    assert!(key(&first).is_some_and(|key| key.starts_with("send-")), "{first}");
    assert_eq!(key(&first), key(&second));
}

#[test]
fn a_wait_above_the_timeout_ends_the_command() {
    let message = "Rate limit exceeded.";
    let gateway = gateway(429, json!({"status": "error", "message": message, "code": "rate_limited"}));
    let error = sender(&gateway).waypost("send --to +1555 --text Hi --timeout 0").failure();
    assert_eq!(error, format!("error: {message} (rate_limited)\n"));
}

#[test]
fn a_message_of_a_file_is_sent() {
    let gateway = gateway(200, json!({"status": "success", "data": {"message_id": "m", "status": "queued"}}));
    let shell = sender(&gateway);
    shell.write("m.json", "\u{feff}{\"type\":\"location\",\"location\":{\"latitude\":1.5}}");
    let shown = shell.waypost("send --json m.json --to +1555").json();
    assert_eq!(shown["data"]["status"], "queued");
    let sent = json!({"to": "+1555", "type": "location", "location": {"latitude": 1.5}});
    assert_eq!(gateway.call.join().unwrap().1, sent);
}

#[test]
fn the_sandbox_key_is_sent_to_this_machine_only() {
    let shell = empty_shell();
    let error = shell.waypost("send --to +1555 --text Hi").failure();
    assert!(error.starts_with("error: no API key"), "{error}");

    shell.write(".waypost/waypost.db", "");
    let error = shell.waypost("send --to +1555 --text Hi --url https://wa.example.com").failure();
    assert!(error.starts_with("error: no API key"), "{error}");

    let gateway =
        gateway(200, json!({"status": "success", "data": {"message_id": "wamid.X", "status": "sent"}}));
    shell.waypost(&format!("send --to +1555 --text Hi --url {}", gateway.url)).ok();
    let (head, _) = gateway.call.join().unwrap();
    assert!(head.contains("x-api-key: wp_test_sandbox_key_for_local_development_only\r\n"), "{head}");
}

#[test]
fn an_invalid_message_is_a_usage_error() {
    for line in [
        "send --text Hi",
        "send --to +1555",
        "send --to +1555 --text Hi --template t --language en",
        "send --to +1555 --template t",
        "send --to +1555 --text Hi --param x",
        "send --to +1555 --json",
        "send --to +1555 --text Hi --json m.json",
        "send --to +1555 --text Hi --caption x",
    ] {
        assert_eq!(empty_shell().waypost(line).code, 2, "{line}");
    }
}

/// Answers one call with these bytes.
fn gateway_of(response: &'static str) -> Gateway {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let call = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let call = read_call(&stream);
        stream.write_all(response.as_bytes()).unwrap();
        call
    });
    Gateway { url, call }
}

#[test]
fn a_response_that_does_not_say_if_the_message_was_sent_is_reported_with_exit_code_3() {
    let in_progress = r#"{"status":"error","code":"idempotency_in_progress","message":"m"}"#;
    let responses = [
        // The connection breaks off.
        "".to_owned(),
        // The response of a proxy.
        "HTTP/1.1 504 X\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>".to_owned(),
        // The first request with the key is still running.
        format!(
            "HTTP/1.1 409 X\r\ncontent-length: {}\r\nretry-after: 9\r\nconnection: close\r\n\r\n{in_progress}",
            in_progress.len()
        ),
    ];
    for response in responses {
        let gateway = gateway_of(response.leak());
        let ran = sender(&gateway).waypost("send --to +15550100001 --text Hello --timeout 0s");
        let (head, _) = gateway.call.join().unwrap();
        let key = head.lines().find_map(|line| line.strip_prefix("idempotency-key: ")).unwrap();
        assert_eq!(ran.code, 3, "{}", ran.err);
        assert!(ran.err.contains(&format!("--idempotency-key {key}")), "{}", ran.err);
    }
}
