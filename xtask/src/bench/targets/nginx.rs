//! nginx as a reverse proxy.

use super::{Target, graph_path};
use crate::process::{Running, free_address};
use anyhow::{Context, Result};
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

/// Returns `true` if nginx is installed.
pub(super) fn is_installed() -> bool {
    Command::new("nginx").arg("-v").output().is_ok_and(|output| output.status.success())
}

/// Starts nginx with the settings of Debian (one worker per core), except that it keeps connections open for as long as they
/// are used, on both sides, and writes no access log.
pub(super) fn start(upstream: SocketAddr) -> Result<Target> {
    let folder = tempfile::tempdir().context("making a folder for nginx")?;
    let address = free_address()?;
    let parent = folder.path().display();
    let configuration = format!(
        "daemon off;\n\
         worker_processes auto;\n\
         pid {parent}/nginx.pid;\n\
         error_log {parent}/error.log;\n\
         events {{ worker_connections 768; }}\n\
         http {{\n\
           access_log off;\n\
           sendfile on;\n\
           tcp_nopush on;\n\
           keepalive_requests 1000000000;\n\
           client_body_temp_path {parent}/body;\n\
           proxy_temp_path {parent}/proxy;\n\
           fastcgi_temp_path {parent}/fastcgi;\n\
           uwsgi_temp_path {parent}/uwsgi;\n\
           scgi_temp_path {parent}/scgi;\n\
           upstream graph {{ server {upstream}; keepalive 128; keepalive_requests 1000000000; }}\n\
           server {{\n\
             listen {address};\n\
             location / {{ proxy_pass http://graph; proxy_http_version 1.1; proxy_set_header Connection \"\"; }}\n\
           }}\n\
         }}\n"
    );
    let file = folder.path().join("nginx.conf");
    fs::write(&file, configuration).context("writing nginx's configuration")?;
    let mut command = Command::new("nginx");
    command.arg("-e").arg(folder.path().join("error.log")).arg("-c").arg(&file);
    let mut running = Running::start(&command)?;
    running.wait_until("nginx", || TcpStream::connect(address).is_ok())?;
    let pid = running.pid();
    Ok(Target {
        address,
        path: graph_path(),
        headers: Vec::new(),
        pid,
        _running: Some(running),
        _folder: Some(folder),
    })
}
