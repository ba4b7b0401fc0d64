//! The simulator as a whole: options, the lock, and what tests and the control API call.
//!
//! **Invariant:** the state is touched only through [`Sim::change`], which sets the time before and writes down after.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::Router;
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};
use tokio::sync::Notify;

use crate::clock::{Clock, ClockChange};
use crate::disk::Disk;
use crate::error::SimError;
use crate::journal::{Message, Status};
use crate::settings::Settings;
use crate::state::{Env, State};
use crate::throttle::Throttle;
use crate::{
    Escape, Fault, InboundMessage, NewAccount, Redelivery, Review, SimAccount, StatusReport, Step,
    TokenChange, Transport, Webhook, clock, control, deliver, graph, seed,
};

/// Driver of the simulation's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// A test, step by step; the clock stands still at 2026-01-01T00:00:00.000Z until it is advanced.
    #[default]
    Explicit,
    /// Timers in [`Sim::serve`], in real time.
    Auto,
}

/// Options of a simulator.
#[derive(Clone)]
pub struct Options {
    /// Seed of ids and of random orders.
    pub seed: u64,
    /// The folder of the kept state; in memory only when absent.
    pub data_dir: Option<PathBuf>,
    /// Callback URL of the seeded apps.
    pub callback_url: Option<String>,
    /// The verify token of the seeded apps.
    pub verify_token: String,
    /// The simulator's own address, as media and paging links name it.
    pub public_base_url: String,
    /// Driver of the simulation's time.
    pub mode: Mode,
    /// Called with every change of the clock.
    pub on_clock_change: Option<Arc<dyn Fn(ClockChange) + Send + Sync>>,
    /// Transport of requests to callbacks; real connections when absent.
    pub transport: Option<Transport>,
    /// Milliseconds from one status of a message to the next; none in explicit mode and 300 in auto mode when absent.
    pub status_delay_ms: Option<u32>,
    /// Escaping of webhook bodies.
    pub escape: Escape,
    /// Messages per second and number.
    pub throughput: u32,
    /// The major Graph version of webhooks.
    pub webhook_version: u32,
    /// `true` if webhooks contain business-scoped user ids.
    pub user_ids: bool,
}

impl Default for Options {
    fn default() -> Self {
        let settings = Settings::default();
        Self {
            seed: 0,
            data_dir: None,
            callback_url: None,
            verify_token: seed::VERIFY_TOKEN.to_owned(),
            public_base_url: "http://127.0.0.1:8090".to_owned(),
            mode: Mode::Explicit,
            on_clock_change: None,
            transport: None,
            status_delay_ms: None,
            escape: settings.escape,
            throughput: settings.throughput,
            webhook_version: settings.webhook_version,
            user_ids: settings.user_ids,
        }
    }
}

impl Options {
    /// The settings that a simulator starts with. By hand nothing happens by itself: no delays, no reviews.
    fn settings(&self) -> Settings {
        let settings = Settings::default();
        let is_auto = self.mode == Mode::Auto;
        let delay = self.status_delay_ms.unwrap_or(if is_auto { settings.status_delay_ms } else { 0 });
        Settings {
            status_delay_ms: delay,
            escape: self.escape,
            throughput: self.throughput,
            webhook_version: self.webhook_version,
            user_ids: self.user_ids,
            review_seconds: settings.review_seconds.filter(|_| is_auto),
            ..settings
        }
    }
}

/// A message that was accepted, as [`Sim::messages`] and `GET /_sim/messages` show it.
#[derive(Clone, Debug, Serialize)]
pub struct AcceptedMessage {
    /// The `wamid`.
    pub message_id: String,
    /// The number it was sent from.
    pub phone_number_id: String,
    /// `to` as it was sent.
    pub to: Option<String>,
    /// `recipient` as it was sent, when there was no `to`.
    pub recipient: Option<String>,
    /// The recipient's digits as WhatsApp spells them.
    pub wa_id: Option<String>,
    /// The message's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The request's body, as JSON.
    pub body: Box<RawValue>,
    /// RFC 3339.
    pub accepted_at: String,
    /// The highest status reported so far.
    pub status: Status,
    /// The caller's reference.
    pub biz_opaque_callback_data: Option<String>,
    /// The errors of a failure.
    pub errors: Option<Value>,
}

impl AcceptedMessage {
    fn of(message: &Message) -> Self {
        let (to, recipient) = match message.wa_id {
            Some(_) => (Some(message.input.clone()), None),
            None => (None, Some(message.input.clone())),
        };
        Self {
            message_id: message.id.clone(),
            phone_number_id: message.number_id.clone(),
            to,
            recipient,
            wa_id: message.wa_id.clone(),
            kind: message.kind.clone(),
            body: message.body.clone(),
            accepted_at: clock::text(message.accepted_at),
            status: message.status,
            biz_opaque_callback_data: message.reference.clone(),
            errors: message.errors.clone(),
        }
    }

    /// The request's body, parsed.
    pub fn json(&self) -> Value {
        serde_json::from_str(self.body.get()).unwrap_or_default()
    }
}

/// A simulator. Clones are the same one.
#[derive(Clone)]
pub struct Sim {
    inner: Arc<Inner>,
}

struct Inner {
    options: Options,
    clock: Clock,
    world: Mutex<World>,
    transport: Transport,
    /// Something may have become due earlier than the timers know.
    wake: Notify,
    /// A `refuse` fault waits for the listener.
    refuse: Notify,
    /// Number of servers that serve this simulator.
    n_served: AtomicUsize,
}

struct World {
    state: State,
    disk: Option<Disk>,
    /// The time of the next decision about a template; looked for again after changes.
    decision_at: Option<i64>,
}

impl Sim {
    /// A simulator with the state of its folder, or with the seeded accounts.
    ///
    /// # Errors
    /// [`SimError::Data`] when the folder cannot be used, [`SimError::Corrupt`] when it holds something else.
    pub fn new(options: Options) -> Result<Self, SimError> {
        let clock = if options.mode == Mode::Explicit { Clock::fixed() } else { Clock::real() };
        let (disk, kept) = match &options.data_dir {
            Some(dir) => {
                let (disk, kept) = Disk::open(dir)?;
                (Some(disk), kept)
            }
            None => (None, None),
        };
        let is_new = kept.is_none();
        let mut state = kept.unwrap_or_default();
        // Ids in the journal count too: the snapshot may be older than the last of them.
        let last_message = state.journal.messages.keys().next_back().copied().unwrap_or(0);
        let last_hook = state.journal.hooks.keys().next_back().copied().unwrap_or(0);
        state.next = state.next.max(last_message).max(last_hook);
        let transport = match &options.transport {
            Some(transport) => transport.clone(),
            None => deliver::http_transport()?,
        };
        prepare(&mut state, &options, &clock);
        if is_new {
            seed::plant(&mut state, &options.verify_token);
        }
        state.redirect_hooks(options.callback_url.as_ref());
        let world = Mutex::new(World { state, disk, decision_at: None });
        let sim = Self {
            inner: Arc::new(Inner {
                options,
                clock,
                world,
                transport,
                wake: Notify::new(),
                refuse: Notify::new(),
                n_served: AtomicUsize::new(0),
            }),
        };
        sim.change(|state| state.is_dirty = true);
        Ok(sim)
    }

    /// The Graph API and the control API.
    pub fn router(&self) -> Router {
        control::routes().fallback(graph::handle).with_state(self.clone())
    }

    /// The accounts, the default one first.
    pub fn accounts(&self) -> Vec<SimAccount> {
        self.change(|state| state.accounts())
    }

    /// Makes one more account.
    ///
    /// # Errors
    /// What is wrong with the request, as a sentence.
    pub fn add_account(&self, account: NewAccount) -> Result<SimAccount, String> {
        self.change(|state| state.add_account(account))
    }

    /// Everything that is due happens: statuses, reviews, ends of pauses. Gives back how many. The webhooks wait for
    /// [`Sim::take_webhooks`] or [`Sim::deliver`].
    // Asynchronous so that a caller need not change should a step ever have to wait.
    #[expect(clippy::unused_async, reason = "part of the agreed interface")]
    pub async fn step(&self) -> usize {
        self.change(|state| state.step_statuses(Step::Due) + state.step_templates())
    }

    /// Reports planned statuses; gives back how many.
    pub fn step_statuses(&self, step: Step) -> usize {
        self.change(|state| state.step_statuses(step))
    }

    /// Every webhook that waits, in order, for a test to hand on; the simulator is then done with them.
    pub fn take_webhooks(&self) -> Vec<Webhook> {
        self.change(State::take_hooks)
    }

    /// Moves the clock.
    pub fn advance(&self, by: Duration) {
        self.inner.clock.advance(by);
        self.clock_changed(ClockChange::Advanced(by));
    }

    /// Takes back every advance of the clock. Counted messages and calls are forgotten: their times may be in the future.
    pub fn reset_clock(&self) {
        self.inner.clock.reset();
        self.change(|state| state.throttle = Throttle::default());
        self.clock_changed(ClockChange::Reset);
    }

    fn clock_changed(&self, change: ClockChange) {
        if let Some(tell) = &self.inner.options.on_clock_change {
            tell(change);
        }
        self.inner.wake.notify_one();
    }

    /// The simulator's time, in milliseconds since 1970.
    pub fn now_millis(&self) -> i64 {
        self.inner.clock.now()
    }

    /// A customer writes; gives back the message's id.
    ///
    /// # Errors
    /// What is wrong with the request, as a sentence.
    pub fn inbound(&self, message: &InboundMessage) -> Result<String, String> {
        self.change(|state| state.inbound(message))
    }

    /// Reports a status at once; `false` when the message is unknown.
    pub fn set_status(&self, report: &StatusReport) -> bool {
        self.change(|state| state.report(report).is_some())
    }

    /// Revokes a token, lets it end, or makes another one.
    ///
    /// # Errors
    /// What is wrong with the wish.
    pub fn change_token(&self, change: &TokenChange) -> Result<(), String> {
        self.change(|state| state.change_token(change))
    }

    /// Every accepted message, in order.
    pub fn messages(&self) -> Vec<AcceptedMessage> {
        self.change(|state| state.journal.messages.values().map(AcceptedMessage::of).collect())
    }

    /// Lets something go wrong; gives back the fault's id.
    pub fn fail(&self, fault: Fault) -> u64 {
        let id = self.change(|state| state.add_fault(fault));
        self.inner.refuse.notify_one();
        id
    }

    /// Decides about a template. `None` when it is unknown; an error says what is wrong with the decision.
    pub fn review(&self, template_id: &str, review: &Review) -> Option<Result<(), String>> {
        self.change(|state| state.review(template_id, review))
    }

    /// Adds a template with a status, past limits and review; gives back its id.
    ///
    /// # Errors
    /// Which of Meta's rules it breaks.
    pub fn add_template(
        &self,
        waba_id: Option<&str>,
        template: &Map<String, Value>,
        status: &str,
    ) -> Result<String, String> {
        self.change(|state| {
            let first = state.order.first().and_then(|id| state.numbers.get(id));
            let waba_id = match waba_id {
                Some(id) => id.to_owned(),
                None => first.map(|number| number.waba_id.clone()).unwrap_or_default(),
            };
            if !state.wabas.contains_key(&waba_id) {
                return Err(format!("waba_id: there is no account {waba_id}"));
            }
            state
                .add_template(&waba_id, template, status)
                .map_err(|error| error.user.map(|user| user.1).or(error.details).unwrap_or(error.message))
        })
    }

    /// Queues past webhooks again; gives back how many webhooks and updates.
    ///
    /// # Errors
    /// What is wrong with the request, as a sentence.
    pub fn redeliver(&self, wish: &Redelivery) -> Result<(usize, usize), String> {
        self.change(|state| state.redeliver(wish))
    }

    /// The settings.
    pub fn settings(&self) -> Settings {
        self.change(|state| state.settings.clone())
    }

    /// Changes the settings.
    pub fn set_settings(&self, settings: Settings) {
        self.change(|state| state.settings = settings);
    }

    /// Forgets everything but the seeded accounts; the clock stays where it is.
    pub fn reset(&self) {
        let mut world = self.inner.world.lock().unwrap_or_else(PoisonError::into_inner);
        // Ids go on counting, so that nothing gets the id of something forgotten.
        let mut state = State { next: world.state.next, ..State::default() };
        prepare(&mut state, &self.inner.options, &self.inner.clock);
        seed::plant(&mut state, &self.inner.options.verify_token);
        state.last_callback.clone_from(&self.inner.options.callback_url);
        world.state = state;
        world.decision_at = None;
        let World { state, disk, .. } = &mut *world;
        if let Some(Err(error)) = disk.as_mut().map(|disk| disk.rewrite(state)) {
            tracing::error!(%error, "writing the simulator's state");
        }
    }

    /// Changes or reads the state, at the present time.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut world = self.inner.world.lock().unwrap_or_else(PoisonError::into_inner);
        let before = next_due(&world);
        world.state.env.now_us = self.inner.clock.now_us();
        world.state.env.now = world.state.env.now_us.div_euclid(1_000);
        let result = change(&mut world.state);
        if world.state.is_dirty {
            world.decision_at = world.state.next_decision();
        }
        let after = next_due(&world);
        let World { state, disk, .. } = &mut *world;
        match disk {
            Some(disk) => {
                if let Err(error) = disk.flush(state) {
                    tracing::error!(%error, "writing the simulator's state");
                }
            }
            None => state.is_dirty = false,
        }
        if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            self.inner.wake.notify_one();
        }
        result
    }

    /// Runs due timers; returns the webhooks to send, the time of the next timer, and the present time.
    pub(crate) fn tick(&self, n_free: usize) -> (Vec<Webhook>, Option<i64>, i64) {
        let (webhooks, now) = self.change(|state| {
            if state.settings.auto_statuses {
                state.step_statuses(Step::Due);
            }
            state.step_templates();
            let webhooks = if state.settings.deliver { state.claim_hooks(n_free) } else { Vec::new() };
            (webhooks, state.env.now)
        });
        let world = self.inner.world.lock().unwrap_or_else(PoisonError::into_inner);
        (webhooks, next_due(&world), now)
    }

    /// Sends what a control call has just made. In this process a test hands it on, in auto mode the timers do.
    pub(crate) async fn deliver_by_hand(&self) {
        if self.mode() == Mode::Explicit && self.inner.n_served.load(Ordering::SeqCst) > 0 {
            self.deliver().await;
        }
    }

    /// Notes that a listener is being served, or is not any more.
    pub(crate) fn note_served(&self, is_served: bool) {
        if is_served {
            self.inner.n_served.fetch_add(1, Ordering::SeqCst);
        } else {
            self.inner.n_served.fetch_sub(1, Ordering::SeqCst);
        }
    }

    pub(crate) fn mode(&self) -> Mode {
        self.inner.options.mode
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.inner.transport
    }

    pub(crate) async fn woken(&self) {
        self.inner.wake.notified().await;
    }

    pub(crate) async fn refusal(&self) {
        self.inner.refuse.notified().await;
    }
}

/// Returns the time of the next timer. Timers that are switched off do not count.
fn next_due(world: &World) -> Option<i64> {
    let state = &world.state;
    let status = state.journal.due.first().map(|(at, _)| *at).filter(|_| state.settings.auto_statuses);
    let hook = state.journal.waiting.first().map(|(at, _)| *at).filter(|_| state.settings.deliver);
    [status, hook, world.decision_at].into_iter().flatten().min()
}

fn prepare(state: &mut State, options: &Options, clock: &Clock) {
    let now_us = clock.now_us();
    state.settings = options.settings();
    state.env = Env {
        seed: options.seed,
        base_url: options.public_base_url.trim_end_matches('/').to_owned(),
        callback_url: options.callback_url.clone(),
        is_kept: options.data_dir.is_some(),
        media_dir: options.data_dir.as_ref().map(|dir| dir.join("media")),
        now: now_us.div_euclid(1_000),
        now_us,
    };
}
