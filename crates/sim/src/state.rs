//! Everything the simulated WhatsApp knows: apps, accounts, templates, media, and the journal of messages.
//!
//! **Invariant:** the state is only changed under its one lock, and a change is written down before the lock is given
//! back (see [`disk`](crate::disk)).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::control::faults::FaultEntry;
use crate::ids;
use crate::journal::Journal;
use crate::settings::Settings;
use crate::template::Template;
use crate::throttle::Throttle;

/// The whole state; the parts that are skipped are kept elsewhere or not at all.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// Counts everything that needs an id.
    pub(crate) next: u64,
    pub(crate) apps: BTreeMap<String, App>,
    pub(crate) tokens: BTreeMap<String, Token>,
    pub(crate) wabas: BTreeMap<String, Waba>,
    pub(crate) numbers: BTreeMap<String, Number>,
    /// Phone number ids in the order in which they were made.
    pub(crate) order: Vec<String>,
    pub(crate) media: BTreeMap<String, Media>,
    pub(crate) uploads: BTreeMap<String, Upload>,
    /// The default callback of the last run.
    #[serde(default)]
    pub(crate) last_callback: Option<String>,
    #[serde(skip)]
    pub(crate) journal: Journal,
    #[serde(skip)]
    pub(crate) settings: Settings,
    #[serde(skip)]
    pub(crate) throttle: Throttle,
    #[serde(skip)]
    pub(crate) faults: Vec<FaultEntry>,
    /// Refusals given so far by the recipients that refuse twice.
    #[serde(skip)]
    pub(crate) refusals: BTreeMap<String, u8>,
    #[serde(skip)]
    pub(crate) env: Env,
    /// `true` if anything outside the journal has changed since the state was last saved.
    #[serde(skip)]
    pub(crate) is_dirty: bool,
}

/// Values of the options and of the clock; set whenever the lock is taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Env {
    pub(crate) seed: u64,
    pub(crate) base_url: String,
    pub(crate) callback_url: Option<String>,
    /// `true` if changes are saved.
    pub(crate) is_kept: bool,
    /// Folder of media contents; in memory when `None`.
    pub(crate) media_dir: Option<std::path::PathBuf>,
    pub(crate) now: i64,
    pub(crate) now_us: i64,
}

/// A Meta app: it signs webhooks and owns tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) secret: String,
    pub(crate) verify_token: String,
    /// The app's own callback; else the one of the options.
    pub(crate) callback_url: Option<String>,
    /// The fields it gets; `None` means all.
    pub(crate) fields: Option<BTreeSet<String>>,
    /// The Graph version of its webhooks; else that of the settings.
    pub(crate) version: Option<u32>,
    /// `true` if each call must carry an `appsecret_proof`.
    pub(crate) requires_proof: bool,
}

/// An access token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) app_id: String,
    pub(crate) wabas: BTreeSet<String>,
    pub(crate) is_valid: bool,
    pub(crate) issued_at: i64,
    /// Expiry; `None` means never.
    #[serde(default)]
    pub(crate) expires_at: Option<i64>,
}

/// A callback other than the app's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Override {
    pub(crate) app_id: String,
    pub(crate) url: String,
}

/// A WhatsApp Business Account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Waba {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) business_id: String,
    pub(crate) namespace: String,
    pub(crate) created_at: i64,
    pub(crate) templates: BTreeMap<String, Template>,
    /// Names that a deleted template still holds: name, language, until when.
    pub(crate) held_names: Vec<(String, String, i64)>,
    /// Times at which templates were created within the last hour.
    pub(crate) creations: Vec<i64>,
    /// The subscribed apps, each with its override.
    pub(crate) subscriptions: BTreeMap<String, Option<String>>,
    /// Switches set by `POST /{waba}`.
    pub(crate) switches: Map<String, Value>,
}

/// A business phone number.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Number {
    pub(crate) id: String,
    pub(crate) waba_id: String,
    pub(crate) display: String,
    pub(crate) digits: String,
    pub(crate) name: String,
    pub(crate) created_at: i64,
    pub(crate) is_registered: bool,
    pub(crate) is_verified: bool,
    pub(crate) has_requested_code: bool,
    pub(crate) pin: Option<String>,
    pub(crate) n_wrong_pins: u32,
    /// Times of registrations and deregistrations within the last 72 hours.
    pub(crate) registrations: Vec<i64>,
    pub(crate) callback: Option<Override>,
    pub(crate) profile: Map<String, Value>,
    pub(crate) is_cart_enabled: bool,
    pub(crate) is_catalog_visible: bool,
    /// Blocked people, by key, in the order in which they were blocked.
    pub(crate) blocked: Vec<String>,
    pub(crate) settings: Map<String, Value>,
    pub(crate) automation: Map<String, Value>,
    pub(crate) public_key: Option<String>,
    pub(crate) quality: String,
}

/// An uploaded or received medium.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Media {
    pub(crate) id: String,
    pub(crate) number_id: String,
    pub(crate) mime: String,
    pub(crate) filename: Option<String>,
    pub(crate) size: usize,
    /// Lower-case hex.
    pub(crate) sha256: String,
    pub(crate) expires_at: i64,
    /// The content, when it is not kept in a file.
    #[serde(skip)]
    pub(crate) content: Option<bytes::Bytes>,
}

/// A resumable upload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) app_id: String,
    pub(crate) name: String,
    pub(crate) mime: String,
    pub(crate) length: usize,
    pub(crate) received: usize,
    pub(crate) handle: Option<String>,
}

impl State {
    /// New id bytes; `label` keeps kinds of ids apart.
    pub(crate) fn mint(&mut self, label: &str) -> [u8; 32] {
        self.next += 1;
        ids::digest(self.env.seed, label, self.next, self.env.now_us)
    }

    /// A Graph id that nothing has yet.
    pub(crate) fn mint_id(&mut self, label: &str) -> String {
        loop {
            let id = ids::graph_id(&self.mint(label));
            if !self.is_taken(&id) {
                return id;
            }
        }
    }

    pub(crate) fn is_taken(&self, id: &str) -> bool {
        self.apps.contains_key(id)
            || self.wabas.contains_key(id)
            || self.numbers.contains_key(id)
            || self.media.contains_key(id)
            || self.wabas.values().any(|waba| waba.templates.contains_key(id))
    }

    /// The business that a number belongs to, for user ids.
    pub(crate) fn business_of(&self, number_id: &str) -> &str {
        self.numbers
            .get(number_id)
            .and_then(|number| self.wabas.get(&number.waba_id))
            .map_or("", |waba| &waba.business_id)
    }

    /// The Graph version of an app's webhooks.
    pub(crate) fn webhook_version(&self, app_id: &str) -> u32 {
        self.apps.get(app_id).and_then(|app| app.version).unwrap_or(self.settings.webhook_version)
    }

    /// A number as a person's key: WhatsApp's spelling of its digits.
    pub(crate) fn wa_id(&self, digits: &str) -> String {
        if self.settings.rewrite_numbers { crate::phone::wa_id(digits) } else { digits.to_owned() }
    }
}
