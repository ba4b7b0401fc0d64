//! The processes of the benchmark: their counts must be correct.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn every_request_of_the_load_is_answered_and_counted() {
    let program = env!("CARGO_BIN_EXE_xtask");
    let child = Command::new(program).arg("mock-upstream").stdout(Stdio::piped()).spawn().unwrap();
    let mut mock = Ended(child);
    let mut address = String::new();
    BufReader::new(mock.0.stdout.take().unwrap()).read_line(&mut address).unwrap();

    let load = |path: &str| {
        let plan = json!({
            "address": address.trim(),
            "path": path,
            "headers": [],
            "connections": 4,
            "seconds": 30,
            "requests": 300,
            "per_second": null,
            "content": { "Messages": "Text" },
        });
        let mut command = Command::new(program);
        let mut generator = command.arg("load").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        generator.stdin.take().unwrap().write_all(plan.to_string().as_bytes()).unwrap();
        serde_json::from_slice::<Value>(&generator.wait_with_output().unwrap().stdout).unwrap()
    };

    let taken = load("/v24.0/1/messages");
    assert_eq!(taken["responded"], 300);
    assert_eq!(taken["errors"], json!({}));

    let refused = load("/v24.0/1/nothing");
    assert_eq!(refused["responded"], 0);
    assert!(refused["errors"].to_string().contains("404"), "{refused}");
}
