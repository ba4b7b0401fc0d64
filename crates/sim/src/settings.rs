//! Settings that can be changed while the simulator runs (`POST /_sim/settings`).
//!
//! **Invariant:** settings affect later actions only. A reset or a restart restores those of
//! [`Options`](crate::Options).

use serde::{Deserialize, Serialize};

/// Escaping of a webhook's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Escape {
    /// As Meta does: non-ASCII as lower-case `\uXXXX`, `/` as `\/`, `@` as `\u0040`. A receiver that signs a
    /// re-serialisation instead of the bytes that came fails.
    #[default]
    Meta,
    /// Plain compact JSON.
    Plain,
}

/// The switches of a running simulator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `true` if timers report statuses; `false` if only `/_sim/step` and `/_sim/statuses` do.
    pub auto_statuses: bool,
    /// Milliseconds from one status of a message to the next.
    pub status_delay_ms: u32,
    /// Escaping of webhook bodies.
    pub escape: Escape,
    /// Messages per second and number.
    pub throughput: u32,
    /// Messages to one recipient that may be borrowed at once; 0 turns the pair rule off.
    pub pair_burst: u32,
    /// Seconds that one message to a recipient costs.
    pub pair_seconds: u32,
    /// `true` if webhooks contain business-scoped user ids.
    pub user_ids: bool,
    /// `true` if Brazilian, Mexican and Argentinian numbers are rewritten.
    pub rewrite_numbers: bool,
    /// `true` if marketing messages to +1 numbers fail with 131049 (never to `+1 555 010`).
    pub us_marketing_rule: bool,
    /// The major Graph version of webhooks, for apps that have not subscribed with another.
    pub webhook_version: u32,
    /// The most updates in one webhook that the simulator makes by itself.
    pub batch: u32,
    /// `true` if webhooks are delivered; `false` if they wait.
    pub deliver: bool,
    /// Milliseconds of the second retry of a webhook; each further one takes twice as long, up to an hour.
    pub retry_ms: u32,
    /// Seconds until a new or changed template is approved by itself; null: only by `/_sim/templates/{id}/review`.
    pub review_seconds: Option<u32>,
    /// `true` if an unknown name in `fields` is an error, as at Meta; `false` if it is left out.
    pub strict_fields: bool,
    /// `true` if an unknown member beside the message object is refused.
    pub strict_top_level: bool,
    /// The messaging limit that numbers and WABAs report; the simulator does not keep it.
    pub messaging_limit: String,
    /// Templates that may be created per hour and WABA.
    pub templates_per_hour: u32,
    /// Management calls per hour and WABA.
    pub calls_per_hour: u32,
    /// The only recipients that a test number may write to; null: anybody.
    pub allowed_recipients: Option<Vec<String>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            auto_statuses: true,
            status_delay_ms: 300,
            escape: Escape::Meta,
            throughput: 80,
            pair_burst: 45,
            pair_seconds: 6,
            user_ids: true,
            rewrite_numbers: true,
            us_marketing_rule: true,
            webhook_version: 24,
            batch: 1,
            deliver: true,
            retry_ms: 1_000,
            review_seconds: Some(5),
            strict_fields: false,
            strict_top_level: false,
            messaging_limit: "TIER_100K".to_owned(),
            templates_per_hour: 100,
            calls_per_hour: 5_000,
            allowed_recipients: None,
        }
    }
}
