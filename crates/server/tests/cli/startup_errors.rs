//! How `serve`, `dev` and `simulator` refuse to start.

use std::net::TcpListener;

use crate::support::{bare, shell};

#[test]
fn serve_does_not_start_without_a_secret_key() {
    let shell = bare();
    let told = shell.waypost("serve --listen 127.0.0.1:0").refused();
    assert!(
        told.starts_with("error: secret_key is not set") && told.contains("openssl rand -base64 32"),
        "{told}"
    );
    assert!(!shell.path("waypost.db").exists());
}

#[test]
fn a_port_that_is_taken_is_told_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for (command, setting) in [
        (format!("serve --listen {address}"), "listen"),
        (format!("dev --listen {address} --simulator-listen 127.0.0.1:0"), "listen"),
        (format!("dev --listen 127.0.0.1:0 --simulator-listen {address}"), "simulator.listen"),
        (format!("simulator --simulator-listen {address}"), "simulator.listen"),
    ] {
        let told = shell().waypost(&command).refused();
        let start = format!("error: listening on {address} ({setting}): the port is taken");
        assert!(told.starts_with(&start), "{command}: {told}");
    }
}

#[test]
fn dev_listens_on_loopback_only() {
    for flags in
        ["--listen 0.0.0.0:0", "--listen [::]:0", "--listen 127.0.0.1:0 --simulator-listen 0.0.0.0:0"]
    {
        let told = bare().waypost(&format!("dev {flags}")).refused();
        assert!(told.contains("only listens on loopback"), "{flags}: {told}");
    }
}

#[test]
fn the_version_and_the_help_are_results() {
    assert_eq!(bare().waypost("--version").ok(), format!("waypost {}\n", env!("CARGO_PKG_VERSION")));
    let help = bare().waypost("--help").ok();
    for command in ["dev", "serve", "simulator", "migrate", "accounts", "keys", "send", "config"] {
        assert!(help.contains(&format!("\n  {command} ")), "{command}: {help}");
    }
    assert_eq!(bare().waypost("").code, 2);
}
