//! `waypost config`: effective values, their sources, and errors.

use expect_test::expect;

use crate::support::{SECRET_KEY, empty_shell, shell};

fn setting(shown: &serde_json::Value, key: &str) -> (String, String) {
    let settings = shown["settings"].as_array().unwrap();
    let setting = settings.iter().find(|setting| setting["key"] == key).unwrap();
    (setting["value"].to_string(), setting["source"].as_str().unwrap().to_owned())
}

#[test]
fn the_effective_configuration_is_printed_with_its_sources_and_without_secrets() {
    let shell = shell().with("WAYPOST_LIMITS__BURST", "20");
    shell.write("waypost.toml", "public_url = 'https://wa.example.com/'\n\n[limits]\nburst = 15\n");
    let shown = shell.waypost("config check --listen 127.0.0.1:9000 --set limits.per_minute=50").ok();
    expect![[r#"
        listen = "127.0.0.1:9000"                                         # flag: --listen
        database_url = "sqlite:waypost.db"                                # default
        secret_key = "***"                                                # environment: WAYPOST_SECRET_KEY
        # old_secret_key is not set                                       # default
        public_url = "https://wa.example.com"                             # file: waypost.toml:1
        trusted_proxies = ""                                              # default
        max_connections = 10000                                           # default
        max_connections_per_address = 256                                 # default
        max_body_memory_mb = 128                                          # default
        data_dir = ".waypost"                                             # default

        [graph]
        base_url = "https://graph.facebook.com"                           # default
        version = "v24.0"                                                 # default
        connect_timeout_seconds = 5                                       # default
        timeout_seconds = 30                                              # default

        [simulator]
        listen = "127.0.0.1:8090"                                         # default
        base_url = "http://127.0.0.1:8090"                                # default: http://<simulator.listen>
        callback_url = "https://wa.example.com/webhooks/meta"             # default: <public_url>/webhooks/meta

        [limits]
        per_minute = 50                                                   # flag: --set limits.per_minute
        burst = 20                                                        # environment: WAYPOST_LIMITS__BURST
        queue_per_account = 100000                                        # default

        [pacing]
        throughput = 80                                                   # default
        pair_rule = "true"                                                # default

        [templates]
        sync_hours = 6                                                    # default

        [webhooks]
        allow_http = "false"                                              # default
        allow_private_networks = "false"                                  # default
        timeout_seconds = 15                                              # default
        retry_schedule_seconds = "10,60,300,1800,7200,18000,36000,86400"  # default
        concurrency = 16                                                  # default
        rate_per_second = 0                                               # default

        [sessions]
        idle_hours = 336                                                  # default
        max_hours = 720                                                   # default

        [media]
        store = "file"                                                    # default
        fetch = "false"                                                   # default
        keep_days = 90                                                    # default
        keep_upload_days = 30                                             # default
        max_bytes = 104857600                                             # default

        [media.s3]
        # bucket is not set                                               # default
        # endpoint is not set                                             # default: Amazon S3 of the region
        region = "us-east-1"                                              # default
        # access_key_id is not set                                        # default
        # secret_access_key is not set                                    # default
        prefix = "media"                                                  # default

        [metrics]
        enabled = "true"                                                  # default
        # token is not set                                                # default

        [retention]
        messages_days = 365                                               # default
        payloads_days = 90                                                # default
        events_days = 30                                                  # default
        deliveries_days = 14                                              # default
        audit_days = 0                                                    # default

        [opt_out]
        stop_words = "STOP,STOP ALL,UNSUBSCRIBE,OPT OUT,BAJA,DARME DE BAJA,SAIR,PARAR,DESCADASTRAR,ARRET,ARRÊT,DESABONNER,DÉSABONNER,STOPP,ABMELDEN,ABBESTELLEN,DISISCRIVIMI,AFMELDEN,BERHENTI,СТОП,ОТПИСАТЬСЯ,إلغاء الاشتراك,הסר,बंद करें,退订,停止,수신거부"  # default
        start_words = "START,UNSTOP,SUBSCRIBE,OPT IN,ALTA,INSCREVER,ABONNER,ABONNIEREN,ISCRIVIMI,AANMELDEN,MULAI,СТАРТ,ПОДПИСАТЬСЯ,اشتراك,शुरू करें,订阅"  # default

        [log]
        format = "text"                                                   # default
        filter = "info"                                                   # default
        access = "false"                                                  # default
        # otlp_endpoint is not set                                        # default
    "#]]
    .assert_eq(&shown);
}

#[test]
fn the_environment_overrides_the_file_and_flags_override_the_environment() {
    let shell = empty_shell().with("WAYPOST_CONFIG", "mine.toml").with("WAYPOST_GRAPH__VERSION", "v2.0");
    shell.write("mine.toml", "listen = '127.0.0.1:1'\ndata_dir = 'x'\ngraph.version = 'v1.0'\n");
    shell.write("other.toml", "data_dir = 'y'\n");
    let shown = shell.waypost("config check --json --listen 127.0.0.1:3").json();
    assert_eq!(shown["file"], "mine.toml");
    assert_eq!(setting(&shown, "listen"), ("\"127.0.0.1:3\"".to_owned(), "flag".to_owned()));
    assert_eq!(setting(&shown, "graph.version"), ("\"v2.0\"".to_owned(), "environment".to_owned()));
    assert_eq!(setting(&shown, "data_dir"), ("\"x\"".to_owned(), "file".to_owned()));
    assert_eq!(setting(&shown, "limits.burst"), ("10".to_owned(), "default".to_owned()));
    let shown = shell.waypost("config check --json --config other.toml").json();
    assert_eq!(setting(&shown, "data_dir"), ("\"y\"".to_owned(), "file".to_owned()));
}

#[test]
fn a_flag_is_accepted_before_and_after_the_command() {
    for line in ["--listen 127.0.0.1:3 config check --json", "config --listen 127.0.0.1:3 check --json"] {
        assert_eq!(setting(&empty_shell().waypost(line).json(), "listen").1, "flag", "{line}");
    }
}

#[test]
fn an_unknown_name_is_an_error_with_the_nearest_name() {
    let shell = empty_shell();
    shell.write("waypost.toml", "listen = '127.0.0.1:1'\nlimit.burst = 3\n");
    assert_eq!(
        shell.waypost("config check").failure(),
        "error: waypost.toml:2: there is no setting `limit.burst`; did you mean `limits.burst`?\n"
    );
    for command in ["config check", "keys list", "migrate --check", "serve", "dev"] {
        assert_eq!(
            empty_shell().with("WAYPOST_DATABSE_URL", "sqlite:x.db").waypost(command).failure(),
            "error: there is no setting for the environment variable WAYPOST_DATABSE_URL; did you mean \
             WAYPOST_DATABASE_URL?\n",
            "{command}"
        );
    }
    assert_eq!(
        empty_shell().waypost("config check --set listn=x").failure(),
        "error: --set listn: there is no setting `listn`; did you mean `listen`?\n"
    );
    let run = empty_shell().waypost("config check --lisen x");
    assert_eq!(run.code, 2);
    assert!(run.err.contains("--listen"), "{}", run.err);
}

#[test]
fn an_invalid_value_is_an_error_with_name_source_and_valid_values() {
    let error = empty_shell().with("WAYPOST_LISTEN", "8080").waypost("config check").failure();
    assert_eq!(
        error,
        "error: WAYPOST_LISTEN: listen = `8080` must be an IP address and a port, such as `127.0.0.1:8080`\n"
    );
    let error = empty_shell().waypost("config check --set limits.per_minute=0").failure();
    assert_eq!(
        error,
        "error: --set limits.per_minute: limits.per_minute = `0` must be an integer from 1 to 1000000000\n"
    );
    let error =
        empty_shell().waypost("config check --database-url postgres://me:hunter2@db/waypost").failure();
    assert!(error.contains("supports SQLite only") && !error.contains("hunter2"), "{error}");
    let error = empty_shell().waypost("config check --config missing.toml").failure();
    assert!(error.starts_with("error: reading the configuration file missing.toml: "), "{error}");
}

#[test]
fn a_secret_is_read_from_its_file_and_never_printed() {
    let shell = empty_shell().with("WAYPOST_SECRET_KEY_FILE", "key");
    shell.write("key", &format!("{SECRET_KEY}\n"));
    let shown = shell.waypost("config check");
    assert!(shown.out.contains("secret_key = \"***\""), "{}", shown.out);
    assert!(!format!("{}{}", shown.out, shown.err).contains(SECRET_KEY));
    let both = shell.with("WAYPOST_SECRET_KEY", SECRET_KEY);
    assert_eq!(
        both.waypost("config check").failure(),
        "error: WAYPOST_SECRET_KEY_FILE: both secret_key and secret_key_file are set: remove one of them\n"
    );
    let error = empty_shell().with("WAYPOST_SECRET_KEY", "hunter2").waypost("config check").failure();
    assert!(error.contains("must be 32 bytes in base64") && !error.contains("hunter2"), "{error}");
}

#[test]
fn the_reference_needs_no_valid_configuration() {
    let shell = empty_shell().with("WAYPOST_NONSENSE", "1");
    let reference = shell.waypost("config reference").ok();
    assert!(reference.contains("## `limits.per_minute`"));
}

#[test]
fn trusted_proxies_are_a_list_of_addresses_and_networks() {
    let shell = shell();
    shell.write("waypost.toml", "trusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n[sessions]\nidle_hours = 2\n");
    let shown = shell.waypost("config check").ok();
    assert!(shown.contains("trusted_proxies = \"10.0.0.0/8, ::1/128\""), "{shown}");
    let shown = shell.waypost("config check --trusted-proxies 192.0.2.1").ok();
    assert!(shown.contains("\"192.0.2.1/32\"") && shown.contains("idle_hours = 2"), "{shown}");
    for wrong in ["10.0.0.0/33", "proxy.example.com", "10.0.0.1 10.0.0.2"] {
        let ran = shell.run(["config", "check", "--trusted-proxies", wrong]);
        assert!(ran.failure().contains("IP addresses or networks"), "{wrong}");
    }
    shell.write("waypost.toml", "trusted_proxies = [\"10.0.0.0/8\", 7]\n");
    assert!(shell.waypost("config check").failure().contains("an array of strings"));
}
