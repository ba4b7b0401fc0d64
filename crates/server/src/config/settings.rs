//! The table of settings.

use domain::access::user::SessionLifetime;
use domain::contacts::opt_out::{START_KEYWORDS, STOP_KEYWORDS};
use domain::messages::pacing::DEFAULT_THROUGHPUT;

use super::setting::DefaultValue::{Defined, Derived, Text};
use super::setting::ValueType::{
    Address, Boolean, DatabaseUrl, Delays, Folder, GraphVersion, Hours, Integer, Keywords, LogFilter,
    LogFormat, MediaStore, Name, Networks, ObjectPrefix, Secret, SecretKey, Token, Url,
};
use super::setting::{DefaultValue, Setting, SettingField};

/// Largest rate limit. It has the effect of no limit.
const MAX_RATE: u32 = 1_000_000_000;
/// Largest limit of the queue of an account.
const MAX_QUEUED: u32 = 10_000_000;
/// Largest throughput. It has the effect of no pacing, for tests against a simulator.
const MAX_THROUGHPUT: u32 = 1_000_000;
/// Largest number of concurrent deliveries to one endpoint.
const MAX_CONCURRENCY: u32 = 1_000;
/// Largest number of connections.
const MAX_CONNECTIONS: u32 = 1_000_000;
/// Largest memory of the bodies of requests: 64 GB.
const MAX_BODY_MEMORY_MB: u32 = 65_536;
/// Largest lifetime of a session: one year.
const MAX_SESSION_HOURS: u32 = 8784;
/// Largest interval of the synchronization of templates: one week.
const MAX_SYNC_HOURS: u32 = 168;
/// Largest retention period.
const MAX_DAYS: u32 = 36_500;
/// Largest file size: Meta accepts no larger file.
const MAX_BYTES: u32 = 100 << 20;
/// Largest timeout.
const MAX_TIMEOUT_SECONDS: u32 = 600;
/// Largest delay between two delivery attempts: 30 days.
const MAX_RETRY_DELAY: u32 = 2_592_000;

/// Returns the setting with this name.
pub(super) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// Field that always has a value.
macro_rules! field {
    ($($path:ident).+) => {
        SettingField { set: |config, value| config.$($path).+ = value, get: |config| Some(Clone::clone(&config.$($path).+)) }
    };
}

/// Field that may have no value.
macro_rules! optional {
    ($($path:ident).+) => {
        SettingField { set: |config, value| config.$($path).+ = Some(value), get: |config| Clone::clone(&config.$($path).+) }
    };
}

/// All settings.
pub(crate) const SETTINGS: &[Setting] = &[
    Setting {
        name: "listen",
        value: Address(field!(listen)),
        default: Text("127.0.0.1:8080"),
        help: "Address on which `waypost serve` and `waypost dev` listen. `dev` accepts loopback addresses \
               only. Port 0 selects a free port.",
    },
    Setting {
        name: "database_url",
        value: DatabaseUrl(field!(database)),
        default: Text("sqlite:waypost.db"),
        help: "SQLite database of messages, accounts and API keys. The file is created if it does not exist. A \
               relative path is relative to the working directory. `dev` uses its own database in `data_dir`.",
    },
    Setting {
        name: "secret_key",
        value: SecretKey(optional!(secret_key)),
        default: DefaultValue::None,
        help: "Key that encrypts access tokens and other secrets in the database. Without the key, these \
               secrets are lost; anyone who has the key and the database can read them. Create a key with \
               `openssl rand -base64 32`. `serve` does not start without a key; `dev` creates one in its \
               folder.",
    },
    Setting {
        name: "old_secret_key",
        value: SecretKey(optional!(old_secret_key)),
        default: DefaultValue::None,
        help: "Previous value of `secret_key` during a key rotation. Waypost decrypts with this key and never \
               encrypts with it. `waypost secrets rotate` reports when the key is no longer needed.",
    },
    Setting {
        name: "public_url",
        value: Url(optional!(public_url)),
        default: Derived { description: "`http://<listen>`", value: |config| Some(config.public_url()) },
        help: "URL of the gateway that Meta and browsers call. `dev` answers only requests whose `Host` is its host or \
               a name of this machine.",
    },
    Setting {
        name: "trusted_proxies",
        value: Networks(field!(trusted_proxies)),
        default: Text(""),
        help: "Reverse proxies in front of the gateway. If a request comes from one of them, the client's \
               address is the rightmost address in `X-Forwarded-For` that is not a trusted proxy. `Forwarded` \
               is used if there is no `X-Forwarded-For`. A trusted proxy must set one of these headers or \
               append to it. The client's address is used to throttle logins and is recorded in the audit log.",
    },
    Setting {
        name: "max_connections",
        value: Integer { min: 16, max: MAX_CONNECTIONS, field: field!(max_connections) },
        default: Text("10000"),
        help: "Largest number of connections of clients. With one more, the connection is closed that has waited \
               longest for its client. At the start, the limit of open files of the process is raised if it is too \
               low; if the system does not allow that, there are fewer connections, and the log says so.",
    },
    Setting {
        name: "max_connections_per_address",
        value: Integer { min: 8, max: MAX_CONNECTIONS, field: field!(max_connections_per_address) },
        default: Text("256"),
        help: "Largest number of connections of a client address; a network `/64` of IPv6 is one address. With one \
               more, the new connection is closed. Connections from this machine and from `trusted_proxies` have \
               no limit of their own.",
    },
    Setting {
        name: "max_body_memory_mb",
        value: Integer { min: 128, max: MAX_BODY_MEMORY_MB, field: field!(max_body_memory_mb) },
        default: Text("128"),
        help: "Memory that the bodies of all requests use together, in megabytes of 1,048,576 bytes. One workspace \
               has at most half of it; requests without authentication have a quarter, and those of one address a \
               quarter of that. If it is spent, requests are refused with `overloaded`.",
    },
    Setting {
        name: "data_dir",
        value: Folder(field!(data_dir)),
        default: Text(".waypost"),
        help: "Folder of media files (see `media.store`) and of the state of `dev` and `simulator`: the sandbox \
               database, its secret key and the simulator's state.",
    },
    Setting {
        name: "graph.base_url",
        value: Url(field!(graph.base_url)),
        default: Text("https://graph.facebook.com"),
        help: "Base URL of Meta's Graph API. A proxy or a test server can replace it; the path of the URL is \
               kept.",
    },
    Setting {
        name: "graph.version",
        value: GraphVersion(field!(graph.version)),
        default: Text("v24.0"),
        help: "Version of the Graph API.",
    },
    Setting {
        name: "graph.connect_timeout_seconds",
        value: Integer { min: 1, max: MAX_TIMEOUT_SECONDS, field: field!(graph.connect_timeout_seconds) },
        default: Text("5"),
        help: "Maximum time to connect to Meta: DNS lookup, TCP and TLS together.",
    },
    Setting {
        name: "graph.timeout_seconds",
        value: Integer { min: 1, max: MAX_TIMEOUT_SECONDS, field: field!(graph.timeout_seconds) },
        default: Text("30"),
        help: "Maximum time of a call to Meta. A send that takes longer has the status `unknown`.",
    },
    Setting {
        name: "simulator.listen",
        value: Address(field!(simulator.listen)),
        default: Text("127.0.0.1:8090"),
        help: "Address on which `dev` and `simulator` serve the simulated Graph API. `dev` accepts loopback \
               addresses only. Port 0 selects a free port.",
    },
    Setting {
        name: "simulator.base_url",
        value: Url(optional!(simulator.base_url)),
        default: Derived {
            description: "`http://<simulator.listen>`",
            value: |config| Some(config.simulator_url()),
        },
        help: "Base URL of the simulator for sandbox accounts.",
    },
    Setting {
        name: "simulator.callback_url",
        value: Url(optional!(simulator.callback_url)),
        default: Derived {
            description: "`<public_url>/webhooks/meta`",
            value: |config| Some(config.simulator_callback_url()),
        },
        help: "URL to which the simulator sends webhooks. In `dev`, the default is the gateway's own address.",
    },
    Setting {
        name: "limits.per_minute",
        value: Integer { min: 1, max: MAX_RATE, field: field!(limits.per_minute) },
        default: Text("100"),
        help: "Maximum number of sends per API key in any 60 seconds, for keys without a limit of their own. \
               The limit for other calls is twelve times as high, and at least 1200.",
    },
    Setting {
        name: "limits.burst",
        value: Integer { min: 1, max: MAX_RATE, field: field!(limits.burst) },
        default: Text("10"),
        help: "Maximum number of sends per API key in any second, for keys without a limit of their own.",
    },
    Setting {
        name: "limits.queue_per_account",
        value: Integer { min: 1, max: MAX_QUEUED, field: field!(queue_per_account) },
        default: Text("100000"),
        help: "Maximum number of messages in the queue of an account. Further messages are rejected with \
               `queue_full`.",
    },
    Setting {
        name: "pacing.throughput",
        value: Integer { min: 1, max: MAX_THROUGHPUT, field: field!(pacing.throughput) },
        default: Defined(|| DEFAULT_THROUGHPUT.to_string()),
        help: "Maximum number of messages per account in any second. Meta accepts 80 messages per second for a \
               number, and 1000 after an upgrade.",
    },
    Setting {
        name: "pacing.pair_rule",
        value: Boolean(field!(pacing.has_pair_rule)),
        default: Text("true"),
        help: "Apply Meta's pair rate limit before a message is sent: 45 messages to one recipient at once, \
               then one message every 6 seconds. Meta enforces the limit in any case; with `false`, Meta \
               rejects messages that exceed it.",
    },
    Setting {
        name: "templates.sync_hours",
        value: Integer { min: 0, max: MAX_SYNC_HOURS, field: field!(templates.sync_hours) },
        default: Text("6"),
        help: "Interval at which the templates of each WhatsApp Business Account are read from Meta, in hours; 0 \
               means never. Each account has its own time within the interval. Templates also follow Meta's \
               webhooks.",
    },
    Setting {
        name: "webhooks.allow_http",
        value: Boolean(field!(webhooks.allow_http)),
        default: Text("false"),
        help: "Allow webhook endpoints with `http://` URLs. Their deliveries are not encrypted.",
    },
    Setting {
        name: "webhooks.allow_private_networks",
        value: Boolean(field!(webhooks.allow_private_networks)),
        default: Text("false"),
        help: "Allow webhook endpoints in private networks and on this machine. Everyone who may create \
               endpoints can then call addresses in these networks.",
    },
    Setting {
        name: "webhooks.timeout_seconds",
        value: Integer { min: 1, max: MAX_TIMEOUT_SECONDS, field: field!(webhooks.timeout_seconds) },
        default: Text("15"),
        help: "Maximum time of a delivery attempt, from the DNS lookup to the end of the response.",
    },
    Setting {
        name: "webhooks.retry_schedule_seconds",
        value: Delays { min: 1, max: MAX_RETRY_DELAY, field: field!(webhooks.schedule) },
        default: Text("10,60,300,1800,7200,18000,36000,86400"),
        help: "Delays after the first failed delivery attempt, after the second, and so on. Each delay varies \
               at random by up to 20 percent. An event becomes a dead letter after the last attempt, or 42 \
               hours after its creation.",
    },
    Setting {
        name: "webhooks.concurrency",
        value: Integer { min: 1, max: MAX_CONCURRENCY, field: field!(webhooks.concurrency) },
        default: Text("16"),
        help: "Maximum number of concurrent deliveries to one endpoint. Events of the same contact are always \
               delivered one after the other.",
    },
    Setting {
        name: "webhooks.rate_per_second",
        value: Integer { min: 0, max: MAX_RATE, field: field!(webhooks.rate_per_second) },
        default: Text("0"),
        help: "Maximum number of deliveries that start in any second for one endpoint; 0 means no limit.",
    },
    Setting {
        name: "sessions.idle_hours",
        value: Hours { min: 1, max: MAX_SESSION_HOURS, field: field!(sessions.idle) },
        default: Defined(|| SessionLifetime::default().idle.as_hours().to_string()),
        help: "Time after which a session without calls ends.",
    },
    Setting {
        name: "sessions.max_hours",
        value: Hours { min: 1, max: MAX_SESSION_HOURS, field: field!(sessions.absolute) },
        default: Defined(|| SessionLifetime::default().absolute.as_hours().to_string()),
        help: "Maximum lifetime of a session.",
    },
    Setting {
        name: "media.store",
        value: MediaStore(field!(media.store)),
        default: Text("file"),
        help: "Storage of media content: the folder `media` in `data_dir`, or a bucket of an S3-compatible \
               object store.",
    },
    Setting {
        name: "media.fetch",
        value: Boolean(field!(media.fetches_links)),
        default: Text("false"),
        help: "Download the file of a `url` or `link` when the message is sent, and upload it to Meta. With \
               `false`, Meta downloads the file. `fetch_media` of an account overrides this setting.",
    },
    Setting {
        name: "media.keep_days",
        value: Integer { min: 0, max: MAX_DAYS, field: field!(media.keep_days) },
        default: Text("90"),
        help: "Retention of files from customers, in days; 0 means no limit.",
    },
    Setting {
        name: "media.keep_upload_days",
        value: Integer { min: 1, max: MAX_DAYS, field: field!(media.keep_upload_days) },
        default: Text("30"),
        help: "Retention of files that were uploaded with `POST /api/media` or downloaded from links, in days. \
               A file that a waiting message needs is kept until the message is sent.",
    },
    Setting {
        name: "media.max_bytes",
        value: Integer { min: 1024, max: MAX_BYTES, field: field!(media.max_bytes) },
        default: Defined(|| MAX_BYTES.to_string()),
        help: "Maximum size of a file in bytes, inbound and outbound. Meta's limit for the media type applies \
               as well.",
    },
    Setting {
        name: "media.s3.bucket",
        value: Name(optional!(media.s3.bucket)),
        default: DefaultValue::None,
        help: "Bucket, if `media.store` is `s3`. Configure the bucket to delete incomplete multipart uploads \
               after one day.",
    },
    Setting {
        name: "media.s3.endpoint",
        value: Url(optional!(media.s3.endpoint)),
        default: Derived { description: "Amazon S3 of the region", value: |_| None },
        help: "Endpoint URL of an S3-compatible object store.",
    },
    Setting {
        name: "media.s3.region",
        value: Name(field!(media.s3.region)),
        default: Text("us-east-1"),
        help: "Region of the bucket. Object stores without regions accept any name.",
    },
    Setting {
        name: "media.s3.access_key_id",
        value: Name(optional!(media.s3.access_key_id)),
        default: DefaultValue::None,
        help: "Access key id for the bucket.",
    },
    Setting {
        name: "media.s3.secret_access_key",
        value: Secret(optional!(media.s3.secret_access_key)),
        default: DefaultValue::None,
        help: "Secret access key for the bucket.",
    },
    Setting {
        name: "media.s3.prefix",
        value: ObjectPrefix(field!(media.s3.prefix)),
        default: Text("media"),
        help: "Prefix of all object names in the bucket.",
    },
    Setting {
        name: "metrics.enabled",
        value: Boolean(field!(metrics.is_enabled)),
        default: Text("true"),
        help: "Serve metrics for Prometheus at `GET /metrics`. The page contains names of accounts and counts \
               of messages; it contains no personal data.",
    },
    Setting {
        name: "metrics.token",
        value: Token(optional!(metrics.token)),
        default: DefaultValue::None,
        help: "Token that clients of `/metrics` must send as `Authorization: Bearer <token>`. Without a token, \
               everyone who can connect to the address can read the page. Create a token with `openssl rand \
               -hex 32`.",
    },
    Setting {
        name: "retention.messages_days",
        value: Integer { min: 0, max: MAX_DAYS, field: field!(retention.messages_days) },
        default: Text("365"),
        help: "Retention of a message after its last change, in days; 0 means no limit. Messages that are \
               queued, being sent or `unknown` are never deleted. The minimum is 8 days, because Meta repeats \
               webhooks for 7 days.",
    },
    Setting {
        name: "retention.payloads_days",
        value: Integer { min: 0, max: MAX_DAYS, field: field!(retention.payloads_days) },
        default: Text("90"),
        help: "Retention of webhook payloads from Meta, in days; 0 means no limit. The minimum is 8 days. The \
               raw payload of a message is kept as long as the message.",
    },
    Setting {
        name: "retention.events_days",
        value: Integer { min: 0, max: MAX_DAYS, field: field!(retention.events_days) },
        default: Text("30"),
        help: "Time for which events can be listed and replayed, in days; 0 means no limit. The minimum is 3 \
               days. Events with pending deliveries are kept.",
    },
    Setting {
        name: "retention.deliveries_days",
        value: Integer { min: 0, max: MAX_DAYS, field: field!(retention.deliveries_days) },
        default: Text("14"),
        help: "Time for which deliveries are listed for their endpoint, in days; 0 means no limit. Pending \
               deliveries are kept.",
    },
    Setting {
        name: "retention.audit_days",
        value: Integer { min: 0, max: MAX_DAYS, field: field!(retention.audit_days) },
        default: Text("0"),
        help: "Retention of the audit log, in days; 0 means no limit.",
    },
    Setting {
        name: "opt_out.stop_words",
        value: Keywords(field!(opt_out.stop_words)),
        default: Defined(|| STOP_KEYWORDS.join(",")),
        help: "Keywords with which a customer opts out of marketing messages. A message or quick reply opts out \
               if it consists of one keyword only; case, punctuation and spaces are ignored. A keyword in both \
               lists opts out.",
    },
    Setting {
        name: "opt_out.start_words",
        value: Keywords(field!(opt_out.start_words)),
        default: Defined(|| START_KEYWORDS.join(",")),
        help: "Keywords with which a customer opts in to marketing messages again.",
    },
    Setting {
        name: "log.format",
        value: LogFormat(field!(log.format)),
        default: Text("text"),
        help: "Format of log lines: text, or one JSON object per line. The log is written to standard error.",
    },
    Setting {
        name: "log.filter",
        value: LogFilter(field!(log.filter)),
        default: Text("info"),
        help: "Filter of log lines: a level, or directives as in `RUST_LOG`. For `dev` and for commands that do \
               not serve, the default is `warn`.",
    },
    Setting {
        name: "log.access",
        value: Boolean(field!(log.has_access_log)),
        default: Text("false"),
        help: "Writes an `info` line for each HTTP request: method, route, status, duration, size of the response, \
               request id, and the prefix of the API key or the id of the user. Bodies, queries and paths are never \
               written.",
    },
    Setting {
        name: "log.otlp_endpoint",
        value: Url(optional!(log.otlp_endpoint)),
        default: DefaultValue::None,
        help: "OpenTelemetry collector that receives spans of requests, of calls to Meta and of webhook \
               deliveries, as OTLP over HTTP (protobuf), such as `http://127.0.0.1:4318`. If the URL has no \
               path, `/v1/traces` is added. Without this setting, no spans are exported.",
    },
];
