//! Precedence of sources, and error messages.

use std::path::PathBuf;

use secrecy::ExposeSecret as _;

use super::*;

const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

struct Case {
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, String)>,
    flags: Vec<(&'static str, String)>,
    has_file: bool,
}

fn case() -> Case {
    Case {
        folder: tempfile::tempdir().expect("a folder"),
        environment: Vec::new(),
        flags: Vec::new(),
        has_file: false,
    }
}

impl Case {
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    }

    fn file(mut self, text: &str) -> Self {
        self.write("waypost.toml", text);
        self.has_file = true;
        self
    }

    fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    fn flag(mut self, name: &'static str, value: &str) -> Self {
        self.flags.push((name, value.to_owned()));
        self
    }

    fn load(&self) -> Result<Loaded, String> {
        let pairs = self.environment.iter().map(|(name, value)| (name.into(), value.into()));
        let environment = Environment::from_pairs(pairs).map_err(|error| error.to_string())?;
        let overrides: Vec<_> = self
            .flags
            .iter()
            .map(|(name, value)| Override {
                name: (*name).to_owned(),
                value: value.clone(),
                flag: format!("--{name}"),
            })
            .collect();
        let file: Option<PathBuf> = self.has_file.then(|| self.folder.path().join("waypost.toml"));
        let sources = Sources { file: file.as_deref(), environment: &environment, overrides: &overrides };
        load(&sources).map_err(|error| {
            let cause =
                std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("{error}{cause}").replace(&format!("{}/", self.folder.path().display()), "")
        })
    }

    fn error(&self) -> String {
        self.load().expect_err("an error")
    }
}

#[test]
fn the_file_the_environment_and_the_flags_override_in_this_order() {
    let file = "listen = '127.0.0.1:1'\npublic_url = 'http://file'\n[graph]\nversion = 'v1.0'\n";
    let case = case()
        .file(file)
        .variable("WAYPOST_LISTEN", "127.0.0.1:2")
        .variable("WAYPOST_GRAPH__VERSION", "v2.0")
        .flag("listen", "127.0.0.1:3");
    let loaded = case.load().expect("loaded");
    assert_eq!(loaded.config.listen.port(), 3);
    assert_eq!(loaded.config.graph.version, "v2.0");
    assert_eq!(loaded.config.public_url(), "http://file");
    assert_eq!(loaded.config.limits.burst, 10);
    let origins = ["listen", "graph.version", "public_url", "limits.burst"];
    let origins = origins.map(|name| loaded.origin(name).as_str());
    assert_eq!(origins, ["flag", "environment", "file", "default"]);
}

#[test]
fn derived_defaults_follow_the_other_settings() {
    let case = case().flag("listen", "0.0.0.0:81").flag("simulator.listen", "[::1]:82");
    let config = case.load().expect("loaded").config;
    assert_eq!(config.public_url(), "http://127.0.0.1:81");
    assert_eq!(config.callback_url(), "http://127.0.0.1:81/webhooks/meta");
    assert_eq!(config.simulator_url(), "http://[::1]:82");
}

#[test]
fn the_error_for_an_unknown_name_in_the_file_has_the_line_and_the_nearest_name() {
    let error = case().file("listen = '127.0.0.1:1'\n\n[graph]\nbase_ulr = 'http://x'\n").error();
    assert_eq!(error, "waypost.toml:4: there is no setting `graph.base_ulr`; did you mean `graph.base_url`?");
    let error = case().file("[grahp]\nversion = 'v1.0'\n").error();
    assert_eq!(error, "waypost.toml:2: there is no setting `grahp.version`; did you mean `graph.version`?");
    let error = case().file("entirely_else = 1\n").error();
    assert_eq!(
        error,
        "waypost.toml:1: there is no setting `entirely_else`; `waypost config reference` lists all settings"
    );
}

#[test]
fn the_error_for_an_unknown_variable_has_the_nearest_name() {
    let error = case().variable("WAYPOST_LISTEM", "127.0.0.1:1").error();
    assert_eq!(
        error,
        "there is no setting for the environment variable WAYPOST_LISTEM; did you mean WAYPOST_LISTEN?"
    );
    let error = case().variable("WAYPOST_GRAPH_BASE_URL", "http://x").error();
    assert!(error.ends_with("did you mean WAYPOST_GRAPH__BASE_URL?"), "{error}");
    let case = case().variable("WAYPOST_API_KEY", "wp_live_x").variable("WAYPOST_LISTEN", "");
    assert_eq!(case.load().expect("loaded").config.listen.port(), 8080);
}

#[test]
fn the_variables_of_client_commands_are_known() {
    let case = case()
        .variable("WAYPOST_URL", "http://127.0.0.1:8080")
        .variable("WAYPOST_KEY", "wp_live_x")
        .variable("WAYPOST_API_KEY", "wp_live_y");
    case.load().expect("loaded");
}

#[test]
fn the_variables_of_a_kubernetes_service_are_ignored() {
    let case = case()
        .variable("WAYPOST_SERVICE_HOST", "10.0.0.7")
        .variable("WAYPOST_SERVICE_PORT", "8080")
        .variable("WAYPOST_SERVICE_PORT_HTTP", "8080")
        .variable("WAYPOST_PORT", "tcp://10.0.0.7:8080")
        .variable("WAYPOST_PORT_8080_TCP", "tcp://10.0.0.7:8080")
        .variable("WAYPOST_PORT_8080_TCP_PROTO", "tcp")
        .variable("WAYPOST_PORT_8080_TCP_PORT", "8080")
        .variable("WAYPOST_PORT_8080_TCP_ADDR", "10.0.0.7");
    case.load().expect("loaded");
    let error = super::super::load::tests::case().variable("WAYPOST_PORT", "8080").error();
    assert!(error.starts_with("there is no setting for the environment variable WAYPOST_PORT"), "{error}");
}

#[test]
fn the_error_for_an_unknown_flag_has_the_nearest_name() {
    let error = case().flag("limits.per_minut", "5").error();
    assert_eq!(
        error,
        "--limits.per_minut: there is no setting `limits.per_minut`; did you mean `limits.per_minute`?"
    );
}

#[test]
fn the_error_for_an_invalid_value_has_its_source_and_the_valid_values() {
    let error = case().variable("WAYPOST_LIMITS__BURST", "0").error();
    assert_eq!(error, "WAYPOST_LIMITS__BURST: limits.burst = `0` must be an integer from 1 to 1000000000");
    let error = case().file("[limits]\nper_minute = '5'\n").error();
    assert_eq!(error, "waypost.toml:2: limits.per_minute must be an integer, not a string");
    let error = case().file("listen = 8080\n").error();
    assert_eq!(error, "waypost.toml:1: listen must be a string, not an integer");
    let error = case().file("graph = 'https://x'\n").error();
    assert!(
        error.starts_with("waypost.toml:1: graph must be a table with the keys graph.base_url, "),
        "{error}"
    );
    let error = case().file("listen = \n").error();
    assert!(error.starts_with("waypost.toml:1: not TOML: "), "{error}");
    let error = case().flag("database_url", "postgres://me:hunter2@db/x").error();
    assert!(error.contains("SQLite only") && !error.contains("hunter2"), "{error}");
}

#[test]
fn an_integer_in_the_file_may_use_any_toml_notation() {
    let config =
        case().file("limits.per_minute = 1_000\nlimits.burst = 0x10\n").load().expect("loaded").config;
    assert_eq!((config.limits.per_minute, config.limits.burst), (1000, 16));
}

#[test]
fn a_secret_can_be_in_a_file_of_its_own() {
    let case = case();
    let path = case.write("secret", &format!("{KEY}\r\n"));
    let case = case.variable("WAYPOST_SECRET_KEY_FILE", &path);
    let loaded = case.load().expect("loaded");
    let key = loaded.config.secret_key().expect("a key");
    assert_eq!(key.expose_secret(), b"01234567890123456789012345678901");
    assert_eq!(loaded.origin("secret_key"), &Origin::Environment("WAYPOST_SECRET_KEY_FILE".to_owned()));

    let case = case.variable("WAYPOST_SECRET_KEY", KEY);
    assert_eq!(
        case.error(),
        "WAYPOST_SECRET_KEY_FILE: both secret_key and secret_key_file are set: remove one of them"
    );
    let error = super::super::load::tests::case().flag("secret_key_file", "/does/not/exist").error();
    assert_eq!(
        error,
        "--secret_key_file: secret_key_file: reading the file /does/not/exist: No such file or directory (os error 2)"
    );
}

#[test]
fn the_secret_of_a_later_source_replaces_the_file_of_an_earlier_one() {
    let case = case().file("secret_key_file = '/does/not/exist'\n").variable("WAYPOST_SECRET_KEY", KEY);
    assert!(case.load().expect("loaded").config.has_secret_key());
}

#[test]
fn an_error_does_not_contain_the_secret() {
    let error = case().variable("WAYPOST_SECRET_KEY", "hunter2hunter2").error();
    assert!(error.starts_with("WAYPOST_SECRET_KEY: secret_key must be 32 bytes in base64"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn the_printed_configuration_has_no_secret_and_can_be_loaded_again() {
    let case = case().variable("WAYPOST_SECRET_KEY", KEY).flag("limits.burst", "7");
    let loaded = case.load().expect("loaded");
    let text = crate::config::effective(&loaded);
    assert!(!text.contains(KEY) && !format!("{loaded:?}").contains(KEY));
    assert!(text.contains("\nsecret_key = \"***\""), "{text}");
    let again = text.replace("\"***\"", &format!("'{KEY}'"));
    let again = super::super::load::tests::case().file(&again).load().expect("loaded");
    assert_eq!(again.config.limits.burst, 7);
}

#[test]
fn a_boolean_may_be_quoted() {
    for text in ["true", "'true'"] {
        let file = format!("[media]\nfetch = {text}\n");
        assert!(case().file(&file).load().expect("loaded").config.media.fetches_links, "{text}");
    }
    let error = case().file("[graph]\nversion = true\n").error();
    assert!(error.contains("must be a string, not a boolean"), "{error}");
}

#[test]
fn a_bucket_needs_its_credentials_and_its_secret_is_never_shown() {
    let file = "[media]\nstore = 's3'\n[media.s3]\nbucket = 'files'\naccess_key_id = 'AKID'\n";
    let config = case().file(file).load().expect("loaded").config;
    let missing = config.media.bucket().expect_err("no secret");
    assert_eq!(missing.to_string(), "`media.store` is `s3`, but `media.s3.secret_access_key` is not set");
    let case = case().file(file);
    let path = case.write("secret", "hunter2\n");
    let loaded = case.variable("WAYPOST_MEDIA__S3__SECRET_ACCESS_KEY_FILE", &path).load().expect("loaded");
    let bucket = loaded.config.media.bucket().expect("a bucket");
    assert_eq!(bucket.secret_access_key.expose_secret(), "hunter2");
    let shown = format!("{bucket:?} {} {:?}", crate::config::effective(&loaded), loaded.config);
    assert!(!shown.contains("hunter2") && shown.contains("***"), "{shown}");
    // The printed configuration can be loaded again.
    let again = toml::from_str::<toml::Table>(&crate::config::effective(&loaded)).expect("TOML");
    assert_eq!(again["media"]["s3"]["bucket"].as_str(), Some("files"));
}
