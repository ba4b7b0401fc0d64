//! Errors with which `serve`, `dev` and `simulator` do not start.

use std::net::TcpListener;

use crate::support::{empty_shell, shell};

#[test]
fn serve_does_not_start_without_a_secret_key() {
    let shell = empty_shell();
    let error = shell.waypost("serve --listen 127.0.0.1:0").failure();
    assert!(
        error.starts_with("error: secret_key is not set") && error.contains("openssl rand -base64 32"),
        "{error}"
    );
    assert!(!shell.path("waypost.db").exists());
}

#[test]
fn a_port_in_use_is_reported_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for (command, setting) in [
        (format!("serve --listen {address}"), "listen"),
        (format!("dev --listen {address} --simulator-listen 127.0.0.1:0"), "listen"),
        (format!("dev --listen 127.0.0.1:0 --simulator-listen {address}"), "simulator.listen"),
        (format!("simulator --simulator-listen {address}"), "simulator.listen"),
    ] {
        let error = shell().waypost(&command).failure();
        let start = format!("error: listening on {address} ({setting}): the port is in use");
        assert!(error.starts_with(&start), "{command}: {error}");
    }
}

#[test]
fn dev_listens_on_loopback_only() {
    for flags in
        ["--listen 0.0.0.0:0", "--listen [::]:0", "--listen 127.0.0.1:0 --simulator-listen 0.0.0.0:0"]
    {
        let error = empty_shell().waypost(&format!("dev {flags}")).failure();
        assert!(error.contains("only listens on loopback"), "{flags}: {error}");
    }
}

#[test]
fn the_version_and_the_help_are_printed_on_standard_output() {
    assert_eq!(empty_shell().waypost("--version").ok(), format!("waypost {}\n", env!("CARGO_PKG_VERSION")));
    let help = empty_shell().waypost("--help").ok();
    for command in ["dev", "serve", "simulator", "migrate", "accounts", "keys", "send", "config"] {
        assert!(help.contains(&format!("\n  {command} ")), "{command}: {help}");
    }
    assert_eq!(empty_shell().waypost("").code, 2);
}
