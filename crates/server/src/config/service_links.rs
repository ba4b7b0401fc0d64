//! Environment variables that Kubernetes sets for Services.
//!
//! Kubernetes sets variables for each Service of the namespace in every pod. For a Service whose name is `waypost` or begins
//! with `waypost-`, the variables begin with `WAYPOST_` (Kubernetes: Service, Environment variables,
//! <https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>).
//!
//! **Invariant:** the variable of a setting is never recognized as a variable of a Service.

use std::net::IpAddr;

/// Protocols of the ports of a Service.
const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// Returns `true` if Kubernetes sets this variable for a Service.
pub(super) fn is_service_link(variable: &str, value: &str) -> bool {
    let Some(rest) = variable.strip_prefix("WAYPOST") else { return false };
    let is_port = value.parse::<u16>().is_ok();
    if rest.ends_with("_SERVICE_HOST") {
        return value.parse::<IpAddr>().is_ok();
    }
    if let Some((_, port_name)) = rest.split_once("_SERVICE_PORT") {
        return is_port && (port_name.is_empty() || port_name.starts_with('_'));
    }
    if rest.ends_with("_PORT") && is_url(value) {
        return true;
    }
    rest.match_indices("_PORT_").any(|(at, separator)| {
        let parts: Vec<_> = rest.split_at(at + separator.len()).1.split('_').collect();
        let (&[number, protocol] | &[number, protocol, _]) = parts.as_slice() else { return false };
        let is_valid_value = match parts.get(2) {
            None => is_url(value),
            Some(&"PROTO") => PROTOCOLS.contains(&value),
            Some(&"PORT") => is_port,
            Some(&"ADDR") => value.parse::<IpAddr>().is_ok(),
            Some(_) => false,
        };
        is_valid_value
            && number.parse::<u16>().is_ok()
            && PROTOCOLS.contains(&protocol.to_ascii_lowercase().as_str())
    })
}

/// Returns `true` if the value is the URL of a port, such as `tcp://10.0.0.7:8080`.
fn is_url(value: &str) -> bool {
    value.split_once("://").is_some_and(|(scheme, _)| PROTOCOLS.contains(&scheme))
}

#[cfg(test)]
mod tests {
    use super::super::settings::SETTINGS;
    use super::*;

    #[test]
    fn the_variables_of_a_service_are_recognized() {
        for (variable, value) in [
            ("WAYPOST_SERVICE_HOST", "10.0.0.7"),
            ("WAYPOST_SERVICE_HOST", "fd00::7"),
            ("WAYPOST_SERVICE_PORT", "8080"),
            ("WAYPOST_SERVICE_PORT_HTTP", "8080"),
            ("WAYPOST_PORT", "tcp://10.0.0.7:8080"),
            ("WAYPOST_PORT_8080_TCP", "tcp://10.0.0.7:8080"),
            ("WAYPOST_PORT_8080_TCP_PROTO", "tcp"),
            ("WAYPOST_PORT_8080_TCP_PORT", "8080"),
            ("WAYPOST_PORT_8080_TCP_ADDR", "10.0.0.7"),
            ("WAYPOST_PORT_53_UDP", "udp://10.0.0.7:53"),
            ("WAYPOST_WEBHOOKS_SERVICE_HOST", "10.0.0.7"),
            ("WAYPOST_WEBHOOKS_SERVICE_PORT", "8080"),
            ("WAYPOST_WEBHOOKS_PORT", "tcp://10.0.0.7:8080"),
            ("WAYPOST_WEBHOOKS_PORT_8080_TCP_ADDR", "10.0.0.7"),
        ] {
            assert!(is_service_link(variable, value), "{variable}={value}");
        }
    }

    #[test]
    fn other_variables_are_not_recognized() {
        for (variable, value) in [
            ("WAYPOST_PORT", "8080"),
            ("WAYPOST_PORT", "http://10.0.0.7:8080"),
            ("WAYPOST_PORTS", "tcp://10.0.0.7:8080"),
            ("WAYPOST_PORT_HTTP", "8080"),
            ("WAYPOST_PORT_8080_TCP", "8080"),
            ("WAYPOST_PORT_8080_TCP_NAME", "http"),
            ("WAYPOST_PORT_8080_HTTP", "tcp://10.0.0.7:8080"),
            ("WAYPOST_SERVICE_HOST", "example.com"),
            ("WAYPOST_SERVICE_PORTS", "8080"),
            ("WAYPOST_SERVICE_PORT", "http"),
            ("OTHER_SERVICE_HOST", "10.0.0.7"),
        ] {
            assert!(!is_service_link(variable, value), "{variable}={value}");
        }
    }

    #[test]
    fn the_variable_of_a_setting_is_not_recognized() {
        for setting in SETTINGS {
            for value in ["8080", "10.0.0.7", "tcp", "tcp://10.0.0.7:8080"] {
                assert!(!is_service_link(&setting.variable(), value), "{}", setting.name);
            }
        }
    }
}
