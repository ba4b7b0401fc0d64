//! The list of settings.

pub(crate) use super::kind::Kind;
use super::{Config, LogFormat, database_url, parse};

/// What a value has to be. The text is not repeated: the error around it names the setting and the value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong(pub(super) String);

/// One setting.
pub(crate) struct Key {
    /// Its name in the file; a dot stands between a table and its key.
    pub(crate) name: &'static str,
    /// What its value is.
    pub(crate) kind: Kind,
    /// What it does: sentences.
    pub(crate) about: &'static str,
    /// Where its value comes from when nobody has set it, if it is no fixed one.
    pub(super) derived: Option<&'static str>,
    /// Reads a text into its place.
    pub(super) set: fn(&mut Config, &str) -> Result<(), Wrong>,
    /// Writes it as a text; `None` when it has no value. Never a secret.
    pub(super) get: fn(&Config) -> Option<String>,
}

impl Key {
    /// Whether its value is never shown.
    pub(crate) fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::Password | Kind::Token)
    }

    /// Its environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("WAYPOST_{}", self.name.replace('.', "__").to_uppercase())
    }

    /// Its flag, without the dashes.
    pub(crate) fn flag(&self) -> String {
        self.name.replace(['.', '_'], "-")
    }

    /// The setting with this name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }
}

/// Most calls in a window that a limit may allow: as good as none, for who wants none.
const MOST_CALLS: u32 = 1_000_000_000;
/// Most messages in a queue.
const MOST_QUEUED: u32 = 10_000_000;
/// Most messages in a second: as good as no pace, for a test server.
const MOST_THROUGHPUT: u32 = 1_000_000;
/// Most events under way to one endpoint.
const MOST_POSTS: u32 = 1_000;
/// The words of a choice between two.
pub(super) const TRUTH: &[&str] = &["true", "false"];
/// Most hours of a session: a year.
const MOST_HOURS: u32 = 8784;
/// Most days for which a file is kept.
const MOST_DAYS: u32 = 36_500;
/// Most bytes of a file: Meta takes no larger one.
const MOST_BYTES: u32 = 100 << 20;
/// Most seconds of a deadline.
const MOST_SECONDS: u32 = 600;

/// Every setting there is.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "listen",
        kind: Kind::Address,
        about: "Where `waypost serve` and `waypost dev` listen. `dev` takes loopback addresses only. Port 0 takes any \
                free port.",
        derived: None,
        set: |config, text| parse::into(&mut config.listen, parse::address(text)),
        get: |config| Some(config.listen.to_string()),
    },
    Key {
        name: "database_url",
        kind: Kind::Database,
        about: "Where messages, accounts and keys are kept: an SQLite file, which is made if it is missing. A relative \
                path starts in the working directory. `dev` has its own database in `data_dir`.",
        derived: None,
        set: |config, text| parse::into(&mut config.database, parse::database(text)),
        get: |config| Some(database_url(&config.database)),
    },
    Key {
        name: "secret_key",
        kind: Kind::Secret,
        about: "Encrypts access tokens and other secrets in the database; whoever has both can read them, and without it \
                they are lost. Make one with `openssl rand -base64 32`. `serve` does not start without it; `dev` makes one \
                in its folder.",
        derived: None,
        set: |config, text| {
            config.secret_key = Some(parse::secret_key(text)?);
            Ok(())
        },
        get: |config| config.secret_key.as_ref().map(|_| "***".to_owned()),
    },
    Key {
        name: "old_secret_key",
        kind: Kind::Secret,
        about: "The key that was `secret_key` before, while it is replaced: it opens what it has sealed, and seals nothing. \
                `waypost secrets rotate` says when it can go.",
        derived: None,
        set: |config, text| {
            config.old_secret_key = Some(parse::secret_key(text)?);
            Ok(())
        },
        get: |config| config.old_secret_key.as_ref().map(|_| "***".to_owned()),
    },
    Key {
        name: "public_url",
        kind: Kind::Url,
        about: "The gateway's address as Meta and browsers call it.",
        derived: Some("`http://<listen>`"),
        set: |config, text| {
            config.public_url = Some(parse::url(text)?);
            Ok(())
        },
        get: |config| Some(config.public_url()),
    },
    Key {
        name: "trusted_proxies",
        kind: Kind::Networks,
        about: "The proxies in front of the gateway. When one of them calls, the client's address is the rightmost one in \
                `X-Forwarded-For` (or `Forwarded`, if there is no other) that is none of them; a trusted proxy must set \
                that header or add to it. The address of a client counts for the throttling of logins and stands in the \
                audit log.",
        derived: None,
        set: |config, text| parse::into(&mut config.trusted_proxies, parse::networks(text)),
        get: |config| {
            let networks: Vec<_> = config.trusted_proxies.iter().map(ToString::to_string).collect();
            Some(networks.join(", "))
        },
    },
    Key {
        name: "data_dir",
        kind: Kind::Folder,
        about: "Where files are kept (`media.store`), and what `dev` and `simulator` keep: the sandbox's database, its \
                secret key and the simulator's state.",
        derived: None,
        set: |config, text| parse::into(&mut config.data_dir, parse::folder(text)),
        get: |config| Some(config.data_dir.display().to_string()),
    },
    Key {
        name: "graph.base_url",
        kind: Kind::Url,
        about: "Where accounts reach Meta's Graph API. A proxy or a test server may stand in for it; its path is kept.",
        derived: None,
        set: |config, text| parse::into(&mut config.graph.base_url, parse::url(text)),
        get: |config| Some(config.graph.base_url.clone()),
    },
    Key {
        name: "graph.version",
        kind: Kind::Version,
        about: "The version of the Graph API that is called.",
        derived: None,
        set: |config, text| parse::into(&mut config.graph.version, parse::version(text)),
        get: |config| Some(config.graph.version.clone()),
    },
    Key {
        name: "graph.connect_timeout_seconds",
        kind: Kind::Number(1, MOST_SECONDS),
        about: "How long a connection to Meta may take to come about: name look-up, TCP and TLS together.",
        derived: None,
        set: |config, text| {
            parse::into(&mut config.graph.connect_timeout_seconds, parse::number(text, 1, MOST_SECONDS))
        },
        get: |config| Some(config.graph.connect_timeout_seconds.to_string()),
    },
    Key {
        name: "graph.timeout_seconds",
        kind: Kind::Number(1, MOST_SECONDS),
        about: "How long a call to Meta may take in all. A send that takes longer ends as `unknown`.",
        derived: None,
        set: |config, text| {
            parse::into(&mut config.graph.timeout_seconds, parse::number(text, 1, MOST_SECONDS))
        },
        get: |config| Some(config.graph.timeout_seconds.to_string()),
    },
    Key {
        name: "simulator.listen",
        kind: Kind::Address,
        about: "Where `dev` and `simulator` serve the simulated Graph API. `dev` takes loopback addresses only. Port 0 takes any free \
                port.",
        derived: None,
        set: |config, text| parse::into(&mut config.simulator.listen, parse::address(text)),
        get: |config| Some(config.simulator.listen.to_string()),
    },
    Key {
        name: "simulator.base_url",
        kind: Kind::Url,
        about: "Where sandbox accounts reach the simulator.",
        derived: Some("`http://<simulator.listen>`"),
        set: |config, text| {
            config.simulator.base_url = Some(parse::url(text)?);
            Ok(())
        },
        get: |config| Some(config.simulator_url()),
    },
    Key {
        name: "simulator.callback_url",
        kind: Kind::Url,
        about: "Where the simulator sends its webhooks. In `dev` that is the gateway's own address.",
        derived: Some("`<public_url>/webhooks/meta`"),
        set: |config, text| {
            config.simulator.callback_url = Some(parse::url(text)?);
            Ok(())
        },
        get: |config| Some(config.simulator_callback_url()),
    },
    Key {
        name: "limits.per_minute",
        kind: Kind::Number(1, MOST_CALLS),
        about: "Sends in any 60 seconds that a key may make if it names no limit of its own. Of other calls it may make \
                twelve times as many, and at least 1200.",
        derived: None,
        set: |config, text| parse::into(&mut config.limits.per_minute, parse::number(text, 1, MOST_CALLS)),
        get: |config| Some(config.limits.per_minute.to_string()),
    },
    Key {
        name: "limits.burst",
        kind: Kind::Number(1, MOST_CALLS),
        about: "Sends in any one second that a key may make if it names no limit of its own.",
        derived: None,
        set: |config, text| parse::into(&mut config.limits.burst, parse::number(text, 1, MOST_CALLS)),
        get: |config| Some(config.limits.burst.to_string()),
    },
    Key {
        name: "limits.queue_per_account",
        kind: Kind::Number(1, MOST_QUEUED),
        about: "Messages that may wait in the queue of one account. What comes above it is refused with `queue_full`.",
        derived: None,
        set: |config, text| parse::into(&mut config.queue_per_account, parse::number(text, 1, MOST_QUEUED)),
        get: |config| Some(config.queue_per_account.to_string()),
    },
    Key {
        name: "pacing.throughput",
        kind: Kind::Number(1, MOST_THROUGHPUT),
        about: "Messages that each account hands to Meta in any one second. Meta takes 80 of a number, and 1000 after its \
                upgrade.",
        derived: None,
        set: |config, text| {
            parse::into(&mut config.pacing.throughput, parse::number(text, 1, MOST_THROUGHPUT))
        },
        get: |config| Some(config.pacing.throughput.to_string()),
    },
    Key {
        name: "pacing.pair_rule",
        kind: Kind::Choice(TRUTH),
        about: "Whether Meta's rule for one recipient is kept here: 45 messages at once, then one in 6 seconds. Meta keeps \
                it in any case; without it here, Meta refuses what comes too fast.",
        derived: None,
        set: |config, text| parse::into(&mut config.pacing.has_pair_rule, parse::truth(text)),
        get: |config| Some(config.pacing.has_pair_rule.to_string()),
    },
    Key {
        name: "webhooks.allow_http",
        kind: Kind::Choice(TRUTH),
        about: "Whether endpoints of the application may have `http://` addresses. What goes there can be read on its way.",
        derived: None,
        set: |config, text| parse::into(&mut config.webhooks.allow_http, parse::truth(text)),
        get: |config| Some(config.webhooks.allow_http.to_string()),
    },
    Key {
        name: "webhooks.allow_private_networks",
        kind: Kind::Choice(TRUTH),
        about: "Whether endpoints may be in private networks or on this machine. Whoever may make endpoints can then reach \
                what is in there.",
        derived: None,
        set: |config, text| parse::into(&mut config.webhooks.allow_private_networks, parse::truth(text)),
        get: |config| Some(config.webhooks.allow_private_networks.to_string()),
    },
    Key {
        name: "webhooks.timeout_seconds",
        kind: Kind::Number(1, MOST_SECONDS),
        about: "How long an endpoint may take for one event, from the name look-up to the end of its answer.",
        derived: None,
        set: |config, text| {
            parse::into(&mut config.webhooks.timeout_seconds, parse::number(text, 1, MOST_SECONDS))
        },
        get: |config| Some(config.webhooks.timeout_seconds.to_string()),
    },
    Key {
        name: "webhooks.retry_schedule_seconds",
        kind: Kind::Waits,
        about: "The waits after the first failed attempt of an event, after the second, and so on; each is a fifth longer or \
                shorter by random. After the last one, and 42 hours after its creation, an event is a dead letter.",
        derived: None,
        set: |config, text| parse::into(&mut config.webhooks.schedule, parse::waits(text)),
        get: |config| Some(config.webhooks.schedule.iter().map(u32::to_string).collect::<Vec<_>>().join(",")),
    },
    Key {
        name: "webhooks.concurrency",
        kind: Kind::Number(1, MOST_POSTS),
        about: "Events under way to one endpoint at a time. Those of one person go out one after the other in any case.",
        derived: None,
        set: |config, text| parse::into(&mut config.webhooks.concurrency, parse::number(text, 1, MOST_POSTS)),
        get: |config| Some(config.webhooks.concurrency.to_string()),
    },
    Key {
        name: "webhooks.rate_per_second",
        kind: Kind::Number(0, MOST_CALLS),
        about: "Events that begin their way to one endpoint in any second; 0 is no limit.",
        derived: None,
        set: |config, text| {
            parse::into(&mut config.webhooks.rate_per_second, parse::number(text, 0, MOST_CALLS))
        },
        get: |config| Some(config.webhooks.rate_per_second.to_string()),
    },
    Key {
        name: "sessions.idle_hours",
        kind: Kind::Number(1, MOST_HOURS),
        about: "How long a login lasts after the last call with it.",
        derived: None,
        set: |config, text| parse::into(&mut config.sessions.idle, parse::hours(text, MOST_HOURS)),
        get: |config| Some(config.sessions.idle.as_hours().to_string()),
    },
    Key {
        name: "sessions.max_hours",
        kind: Kind::Number(1, MOST_HOURS),
        about: "How long a login lasts at most.",
        derived: None,
        set: |config, text| parse::into(&mut config.sessions.absolute, parse::hours(text, MOST_HOURS)),
        get: |config| Some(config.sessions.absolute.as_hours().to_string()),
    },
    Key {
        name: "media.store",
        kind: Kind::Choice(&["file", "s3"]),
        about: "Where the content of files is kept: in the folder `media` of `data_dir`, or in a bucket that speaks S3's \
                language.",
        derived: None,
        set: |config, text| parse::into(&mut config.media.store, parse::media_store(text)),
        get: |config| Some(config.media.store.as_str().to_owned()),
    },
    Key {
        name: "media.fetch",
        kind: Kind::Choice(TRUTH),
        about: "Whether a file that a message names by `url` or `link` is fetched here when the message leaves, and uploaded \
                to Meta. Otherwise Meta fetches it. An account may say otherwise (`fetch_media`).",
        derived: None,
        set: |config, text| parse::into(&mut config.media.fetches_links, parse::truth(text)),
        get: |config| Some(config.media.fetches_links.to_string()),
    },
    Key {
        name: "media.keep_days",
        kind: Kind::Number(0, MOST_DAYS),
        about: "Days for which customers' files are kept. 0 keeps them for ever.",
        derived: None,
        set: |config, text| parse::into(&mut config.media.keep_days, parse::number(text, 0, MOST_DAYS)),
        get: |config| Some(config.media.keep_days.to_string()),
    },
    Key {
        name: "media.keep_upload_days",
        kind: Kind::Number(1, MOST_DAYS),
        about: "Days for which files for customers are kept: what `POST /api/media` takes, and what links brought. What a \
                waiting message needs is kept until it has left.",
        derived: None,
        set: |config, text| {
            parse::into(&mut config.media.keep_upload_days, parse::number(text, 1, MOST_DAYS))
        },
        get: |config| Some(config.media.keep_upload_days.to_string()),
    },
    Key {
        name: "media.max_bytes",
        kind: Kind::Number(1024, MOST_BYTES),
        about: "Most bytes of a file, in either direction. Meta's limits for its type hold besides.",
        derived: None,
        set: |config, text| parse::into(&mut config.media.max_bytes, parse::number(text, 1024, MOST_BYTES)),
        get: |config| Some(config.media.max_bytes.to_string()),
    },
    Key {
        name: "media.s3.bucket",
        kind: Kind::Name,
        about: "The bucket, where `media.store` is `s3`. Let it forget unfinished multipart uploads after a day.",
        derived: None,
        set: |config, text| {
            config.media.s3.bucket = Some(parse::name(text)?);
            Ok(())
        },
        get: |config| config.media.s3.bucket.clone(),
    },
    Key {
        name: "media.s3.endpoint",
        kind: Kind::Url,
        about: "Where the bucket's store is, if it is not Amazon's.",
        derived: Some("Amazon's, of the region"),
        set: |config, text| {
            config.media.s3.endpoint = Some(parse::url(text)?);
            Ok(())
        },
        get: |config| config.media.s3.endpoint.clone(),
    },
    Key {
        name: "media.s3.region",
        kind: Kind::Name,
        about: "The bucket's region. Stores without regions take any name.",
        derived: None,
        set: |config, text| parse::into(&mut config.media.s3.region, parse::name(text)),
        get: |config| Some(config.media.s3.region.clone()),
    },
    Key {
        name: "media.s3.access_key_id",
        kind: Kind::Name,
        about: "Who asks for the bucket's objects.",
        derived: None,
        set: |config, text| {
            config.media.s3.access_key_id = Some(parse::name(text)?);
            Ok(())
        },
        get: |config| config.media.s3.access_key_id.clone(),
    },
    Key {
        name: "media.s3.secret_access_key",
        kind: Kind::Password,
        about: "Proves who asks for the bucket's objects.",
        derived: None,
        set: |config, text| {
            config.media.s3.secret_access_key = Some(parse::password(text)?);
            Ok(())
        },
        get: |config| config.media.s3.secret_access_key.as_ref().map(|_| "***".to_owned()),
    },
    Key {
        name: "media.s3.prefix",
        kind: Kind::Prefix,
        about: "What stands before the name of every object.",
        derived: None,
        set: |config, text| parse::into(&mut config.media.s3.prefix, parse::prefix(text)),
        get: |config| Some(config.media.s3.prefix.clone()),
    },
    Key {
        name: "metrics.enabled",
        kind: Kind::Choice(TRUTH),
        about: "Whether `GET /metrics` tells Prometheus how the gateway fares. The page names accounts and counts \
                messages; it names no person.",
        derived: None,
        set: |config, text| parse::into(&mut config.metrics.is_enabled, parse::truth(text)),
        get: |config| Some(config.metrics.is_enabled.to_string()),
    },
    Key {
        name: "metrics.token",
        kind: Kind::Token,
        about: "What the readers of `/metrics` have to show as `Authorization: Bearer <token>`. Without it, whoever \
                reaches the address may read the page. Make one with `openssl rand -hex 32`.",
        derived: None,
        set: |config, text| {
            config.metrics.token = Some(parse::token(text)?);
            Ok(())
        },
        get: |config| config.metrics.token.as_ref().map(|_| "***".to_owned()),
    },
    Key {
        name: "retention.messages_days",
        kind: Kind::Number(0, MOST_DAYS),
        about: "Days for which a message is kept after the last that was heard of it; 0 is for ever. What waits, is being sent or\
                is `unknown` stays, and nothing goes before 8 days: Meta repeats its webhooks for 7.",
        derived: None,
        set: |config, text| {
            parse::into(&mut config.retention.messages_days, parse::number(text, 0, MOST_DAYS))
        },
        get: |config| Some(config.retention.messages_days.to_string()),
    },
    Key {
        name: "retention.payloads_days",
        kind: Kind::Number(0, MOST_DAYS),
        about: "Days for which what Meta posted is kept where no message shows it; 0 is for ever, and nothing goes before 8 days. \
                What a message shows as its raw payload stays as long as the message.",
        derived: None,
        set: |config, text| {
            parse::into(&mut config.retention.payloads_days, parse::number(text, 0, MOST_DAYS))
        },
        get: |config| Some(config.retention.payloads_days.to_string()),
    },
    Key {
        name: "retention.events_days",
        kind: Kind::Number(0, MOST_DAYS),
        about: "Days for which events can be read and replayed; 0 is for ever. What is still to be handed to an endpoint stays, \
                and nothing goes before 3 days.",
        derived: None,
        set: |config, text| parse::into(&mut config.retention.events_days, parse::number(text, 0, MOST_DAYS)),
        get: |config| Some(config.retention.events_days.to_string()),
    },
    Key {
        name: "retention.deliveries_days",
        kind: Kind::Number(0, MOST_DAYS),
        about: "Days for which deliveries of events stay in the list of their endpoint; 0 is for ever. What is under way stays.",
        derived: None,
        set: |config, text| {
            parse::into(&mut config.retention.deliveries_days, parse::number(text, 0, MOST_DAYS))
        },
        get: |config| Some(config.retention.deliveries_days.to_string()),
    },
    Key {
        name: "retention.audit_days",
        kind: Kind::Number(0, MOST_DAYS),
        about: "Days for which the audit log is kept; 0 is for ever.",
        derived: None,
        set: |config, text| parse::into(&mut config.retention.audit_days, parse::number(text, 0, MOST_DAYS)),
        get: |config| Some(config.retention.audit_days.to_string()),
    },
    Key {
        name: "opt_out.stop_words",
        kind: Kind::Words,
        about: "What a customer writes to get no more marketing. A message or quick reply counts when it is one of these \
                and nothing else; case, punctuation and spaces do not matter. A word in both lists stops.",
        derived: None,
        set: |config, text| parse::into(&mut config.opt_out.stop_words, parse::words(text)),
        get: |config| Some(config.opt_out.stop_words.join(",")),
    },
    Key {
        name: "opt_out.start_words",
        kind: Kind::Words,
        about: "What a customer writes to get marketing again.",
        derived: None,
        set: |config, text| parse::into(&mut config.opt_out.start_words, parse::words(text)),
        get: |config| Some(config.opt_out.start_words.join(",")),
    },
    Key {
        name: "log.format",
        kind: Kind::Choice(&["text", "json"]),
        about: "How log lines are written: for people, or one JSON object a line. They go to standard error.",
        derived: None,
        set: |config, text| parse::into(&mut config.log.format, parse::log_format(text)),
        get: |config| {
            Some(match config.log.format {
                LogFormat::Text => "text".to_owned(),
                LogFormat::Json => "json".to_owned(),
            })
        },
    },
    Key {
        name: "log.filter",
        kind: Kind::Filter,
        about: "Which lines are logged: a level, or directives as in `RUST_LOG`. Commands that run and end, and `dev`, log \
                from `warn` upwards unless it is set.",
        derived: None,
        set: |config, text| parse::into(&mut config.log.filter, parse::filter(text)),
        get: |config| Some(config.log.filter.clone()),
    },
    Key {
        name: "log.otlp_endpoint",
        kind: Kind::Url,
        about: "An OpenTelemetry collector that gets spans of requests, of calls to Meta and of deliveries, as OTLP over \
                HTTP (protobuf), such as `http://127.0.0.1:4318`. Without a path `/v1/traces` is meant. Nothing is \
                exported unless it is set.",
        derived: None,
        set: |config, text| {
            config.log.otlp_endpoint = Some(parse::url(text)?);
            Ok(())
        },
        get: |config| config.log.otlp_endpoint.clone(),
    },
];
