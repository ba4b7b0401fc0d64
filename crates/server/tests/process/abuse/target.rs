//! The gateway that is attacked, and what must hold after each attack.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::json;

use crate::harness::client::{CallOutcome, Client};
use crate::harness::environment::Environment;
use crate::harness::process::Process;
use crate::support::{QUICK, SOON, accepted, environment, references, sent, template};

const EMAIL: &str = "owner@example.com";
const PASSWORD: &str = "sorrel-kettle-93-harbour";
/// Memory that an attack may leave behind, in kilobytes.
const LEFT_BEHIND: u64 = 64 * 1024;

/// Running gateway, and the messages that it has sent.
pub(super) struct Target {
    pub(super) process: Process,
    pub(super) environment: Environment,
    n_sent: usize,
}

impl Target {
    /// Starts a gateway with these settings, and sends the first messages.
    pub(super) fn start(settings: &[(&str, &str)]) -> Self {
        let environment = environment(settings);
        std::fs::write(environment.directory.path("password"), PASSWORD).unwrap();
        let user = ["users", "add", "--email", EMAIL, "--role", "owner", "--password-file", "password"];
        environment.directory.run(user).unwrap();
        let process = environment.serve().unwrap();
        let mut target = Self { process, environment, n_sent: 0 };
        // Memory that is used once and then again belongs to the gateway, not to the attack.
        for _ in 0..4 {
            target.assert_serves();
        }
        target
    }

    /// Returns the address of the gateway.
    pub(super) fn address(&self) -> SocketAddr {
        self.environment.gateway.address
    }

    /// Returns the API key.
    pub(super) fn key(&self) -> &str {
        self.environment.gateway.key.as_deref().unwrap()
    }

    /// Asserts that a message is sent and that the owner can log in.
    pub(super) fn assert_serves(&mut self) {
        self.assert_sends();
        let login = json!({ "email": EMAIL, "password": PASSWORD });
        let outcome = Client::of(self.address()).call("POST", "/api/auth/login", &[], Some(&login));
        let CallOutcome::Answered(response) = &outcome else { panic!("{outcome:?}") };
        assert_eq!(response.status, 200, "{outcome:?}");
    }

    fn assert_sends(&mut self) {
        let outcome =
            self.environment.gateway.call("POST", "/api/messages/send", &[], Some(&template(QUICK)));
        assert_eq!(sent(&outcome).0, 200, "{outcome:?}");
        self.n_sent += 1;
    }

    /// Runs an attack. Asserts that the gateway sends during it and serves after it, that its memory has grown by at most
    /// `peak` kilobytes meanwhile and is given back, and that each message was sent once. The attack returns the
    /// connections that stay open meanwhile.
    pub(super) fn withstand<T>(&mut self, peak: u64, attack: impl FnOnce(&Self) -> T) {
        // Linux: "5" resets the peak (`man 5 proc`, /proc/pid/clear_refs).
        std::fs::write(format!("/proc/{}/clear_refs", self.process.id()), "5").unwrap();
        let before = self.memory("VmRSS:");
        let attackers = attack(self);
        self.assert_sends();
        let grown = self.memory("VmHWM:").saturating_sub(before);
        assert!(grown <= peak, "the memory grew by {grown} kB");
        drop(attackers);
        self.assert_serves();
        let left = self.memory("VmRSS:").saturating_sub(before);
        assert!(left <= LEFT_BEHIND, "{left} kB are left");
        let accepted = accepted(&self.environment, self.n_sent);
        assert_eq!(accepted.len(), self.n_sent);
        assert!(references(&accepted).values().all(|n| *n == 1));
        assert_eq!(self.environment.stored().unwrap().len(), self.n_sent);
    }

    /// Returns a value of `/proc/PID/status` in kilobytes.
    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_ascii_whitespace().next().unwrap().parse().unwrap()
    }

    /// Returns the CPU time of the process in hundredths of a second.
    pub(super) fn cpu(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().collect();
        [11, 12].iter().map(|nth: &usize| fields.get(*nth).unwrap().parse::<u64>().unwrap()).sum()
    }

    /// Returns the sum of a metric over the series whose line begins with `series`.
    pub(super) fn metric(&self, series: &str) -> u64 {
        let page = exchange(self.address(), b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let values = page.lines().filter(|line| line.starts_with(series));
        values.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
    }
}

/// Opens a connection and sends bytes. An error is of a server that has closed the connection already.
pub(super) fn open(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.set_write_timeout(Some(SOON)).unwrap();
    let _is_open = stream.write_all(bytes);
    stream
}

/// Sends bytes on a connection of their own. Returns everything that the server answers until it closes the connection.
pub(super) fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut answer = Vec::new();
    // The end of a connection that the server resets is the end of the answer as well.
    let _end = open(address, bytes).read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads the first line of an answer.
pub(super) fn status_line(stream: &mut TcpStream) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap().trim_end().to_owned()
}
