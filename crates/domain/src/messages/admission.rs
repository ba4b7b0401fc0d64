//! Admission of messages: the rules that say if a message may be sent, and in which form.
//!
//! [`decide`] is called when a send is accepted (to be sent at once or into the queue), when a queued message is due, and
//! for a dry run. The account and the definition of the template are checked before, when the request is read: these
//! checks do not depend on the recipient.
//!
//! **Invariant:** a free-form message is admitted only into an open customer service window.
//!
//! **Invariant:** a marketing message to a recipient who has opted out is never admitted.

use jiff::Timestamp;

use crate::messages::retry::SYNC_TIMEOUT;
use crate::messages::window::Window;
use crate::text_enum;
use crate::time::later;

text_enum! {
    /// Form in which a message is sent.
    pub enum SentAs {
        /// The message itself.
        Message = "message",
        /// The fallback template, because the customer service window is closed.
        Template = "template",
    }
}

/// Facts that admission depends on. A fact that the caller does not know keeps its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdmissionFacts {
    /// Customer service window of the recipient at the account.
    pub window: Window,
    /// `true` if the recipient has opted out of marketing.
    pub has_opted_out: bool,
    /// Time until which Meta limits marketing messages to the recipient (error 131049).
    pub marketing_limited_until: Option<Timestamp>,
    /// Next send slot that pacing has for the message.
    pub next_slot_at: Option<Timestamp>,
    /// Number of messages in the queue of the account.
    pub n_queued: u32,
}

/// A message whose admission is to be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionRequest {
    /// Point in the processing of the message.
    pub stage: AdmissionStage,
    /// Time at which the message is to be sent.
    pub leaves_at: Timestamp,
    /// `true` if the message is sent in an open window only: every message except a template.
    pub needs_window: bool,
    /// `true` if the message is a marketing template.
    pub is_marketing: bool,
    /// Template to send if the window is closed.
    pub fallback: Option<AdmissionFallback>,
}

/// The fallback template of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionFallback {
    /// `true` if the template is a marketing template.
    pub is_marketing: bool,
}

/// Point in the processing of a message at which its admission is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdmissionStage {
    /// The message is accepted and its caller waits for Meta's answer.
    Sync,
    /// The message is accepted into the queue.
    Enqueue {
        /// Maximum number of messages in the queue of the account.
        max_queued: u32,
    },
    /// The message was accepted into the queue and is due.
    Due,
}

/// Decision about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The message may be sent.
    Admit {
        /// Form in which the message is sent.
        sent_as: SentAs,
        /// `true` if the recipient counts towards the messaging limit: a template is sent outside of an open window.
        uses_messaging_limit: bool,
    },
    /// The message stays in the queue: pacing has no send slot for this recipient yet.
    Wait {
        /// Time of the next send slot.
        until: Timestamp,
    },
    /// The message must not be sent.
    Reject(Rejection),
}

/// Reason for which a message must not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The next send slot is too late for a synchronous send.
    Pacing {
        /// Time of the next send slot.
        slot_at: Timestamp,
    },
    /// The customer service window is closed and the message has no fallback template.
    OutsideWindow(Window),
    /// The recipient has opted out of marketing.
    OptedOut,
    /// Meta limits marketing messages to the recipient (error 131049).
    MarketingLimited {
        /// End of the limitation.
        until: Timestamp,
    },
    /// The queue of the account is full.
    QueueFull,
}

impl Rejection {
    /// Returns the code of the rejection: the error code of a send, and the failure code of a queued message.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Pacing { .. } => "pacing",
            Self::OutsideWindow(_) => "outside_window",
            Self::OptedOut => "recipient_opted_out",
            Self::MarketingLimited { .. } => "recipient_marketing_limited",
            Self::QueueFull => "queue_full",
        }
    }
}

text_enum! {
    /// Check of a message.
    pub enum AdmissionCheck {
        /// The next send slot is early enough for a synchronous send.
        Pacing = "pacing",
        /// The customer service window is open, or the message has a fallback template.
        Window = "window",
        /// The recipient may get marketing messages.
        OptOut = "opt_out",
        /// The queue of the account has capacity.
        Queue = "queue",
    }
}

/// Result of one check of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionCheckResult {
    /// Check that was made.
    pub check: AdmissionCheck,
    /// Reason against sending the message, if there is one.
    pub result: Result<(), Rejection>,
}

/// Results of all checks of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// Form in which the message would be sent; `None` if the window is closed and there is no fallback template.
    pub sent_as: Option<SentAs>,
    /// Results of the checks that apply to the message, in the order of the checks.
    pub checks: Vec<AdmissionCheckResult>,
}

impl Assessment {
    /// Returns the first reason against sending the message.
    pub fn rejection(&self) -> Option<Rejection> {
        self.checks.iter().find_map(|check| check.result.err())
    }
}

/// Decides if a message may be sent. Of several reasons against it the first of [`assess`] counts.
#[must_use]
pub fn decide(facts: &AdmissionFacts, request: &AdmissionRequest, now: Timestamp) -> Admission {
    if request.stage == AdmissionStage::Due
        && let Some(until) = facts.next_slot_at.filter(|slot_at| *slot_at > now)
    {
        return Admission::Wait { until };
    }
    let assessment = assess(facts, request, now);
    match (assessment.rejection(), assessment.sent_as) {
        (None, Some(sent_as)) => {
            let is_template = sent_as == SentAs::Template || !request.needs_window;
            let uses_messaging_limit = is_template && !facts.window.is_open(request.leaves_at);
            Admission::Admit { sent_as, uses_messaging_limit }
        }
        (Some(rejection), _) => Admission::Reject(rejection),
        (None, None) => Admission::Reject(Rejection::OutsideWindow(facts.window)),
    }
}

/// Makes all checks of a message.
#[must_use]
pub fn assess(facts: &AdmissionFacts, request: &AdmissionRequest, now: Timestamp) -> Assessment {
    let mut checks = Vec::new();
    let mut add = |check, result| checks.push(AdmissionCheckResult { check, result });
    if request.stage == AdmissionStage::Sync
        && let Some(slot_at) = facts.next_slot_at
    {
        add(AdmissionCheck::Pacing, check_sync_slot(slot_at, now));
    }
    let sent_as = if !request.needs_window || facts.window.is_open(request.leaves_at) {
        Some(SentAs::Message)
    } else {
        request.fallback.map(|_| SentAs::Template)
    };
    if request.needs_window {
        let result = if sent_as.is_some() { Ok(()) } else { Err(Rejection::OutsideWindow(facts.window)) };
        add(AdmissionCheck::Window, result);
    }
    let is_marketing = match sent_as {
        Some(SentAs::Message) => request.is_marketing,
        Some(SentAs::Template) => request.fallback.is_some_and(|fallback| fallback.is_marketing),
        None => false,
    };
    if is_marketing {
        add(AdmissionCheck::OptOut, check_marketing(facts, request));
    }
    if let AdmissionStage::Enqueue { max_queued } = request.stage {
        let result = if facts.n_queued < max_queued { Ok(()) } else { Err(Rejection::QueueFull) };
        add(AdmissionCheck::Queue, result);
    }
    Assessment { sent_as, checks }
}

/// Checks that a synchronous send that begins at `now` can wait for a send slot at `slot_at`.
///
/// # Errors
/// [`Rejection::Pacing`].
pub fn check_sync_slot(slot_at: Timestamp, now: Timestamp) -> Result<(), Rejection> {
    if slot_at > later(now, SYNC_TIMEOUT) { Err(Rejection::Pacing { slot_at }) } else { Ok(()) }
}

fn check_marketing(facts: &AdmissionFacts, request: &AdmissionRequest) -> Result<(), Rejection> {
    if facts.has_opted_out {
        return Err(Rejection::OptedOut);
    }
    // Meta's limit is an estimate: a message that is in the queue already is sent, and Meta decides.
    let is_accepted = request.stage == AdmissionStage::Due;
    match facts.marketing_limited_until.filter(|until| request.leaves_at < *until && !is_accepted) {
        Some(until) => Err(Rejection::MarketingLimited { until }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + seconds).expect("a time")
    }

    fn open() -> AdmissionFacts {
        let window = Window { last_inbound_at: Some(at(-HOUR)), refused_at: None };
        AdmissionFacts { window, ..AdmissionFacts::default() }
    }

    fn closed() -> AdmissionFacts {
        AdmissionFacts::default()
    }

    fn text() -> AdmissionRequest {
        AdmissionRequest {
            stage: AdmissionStage::Sync,
            leaves_at: at(0),
            needs_window: true,
            is_marketing: false,
            fallback: None,
        }
    }

    fn template(is_marketing: bool) -> AdmissionRequest {
        AdmissionRequest { needs_window: false, is_marketing, ..text() }
    }

    fn with_fallback(is_marketing: bool) -> AdmissionRequest {
        AdmissionRequest { fallback: Some(AdmissionFallback { is_marketing }), ..text() }
    }

    fn admitted(sent_as: SentAs, uses_messaging_limit: bool) -> Admission {
        Admission::Admit { sent_as, uses_messaging_limit }
    }

    #[test]
    fn a_free_form_message_needs_an_open_window() {
        assert_eq!(decide(&open(), &text(), at(0)), admitted(SentAs::Message, false));
        let rejection = Rejection::OutsideWindow(Window::default());
        assert_eq!(decide(&closed(), &text(), at(0)), Admission::Reject(rejection));
    }

    #[test]
    fn the_window_is_checked_at_the_time_at_which_the_message_leaves() {
        let later = AdmissionRequest { leaves_at: at(24 * HOUR), ..text() };
        let rejection = Rejection::OutsideWindow(open().window);
        assert_eq!(decide(&open(), &later, at(0)), Admission::Reject(rejection));
    }

    #[test]
    fn a_fallback_is_sent_instead_if_the_window_is_closed() {
        assert_eq!(decide(&open(), &with_fallback(true), at(0)), admitted(SentAs::Message, false));
        assert_eq!(decide(&closed(), &with_fallback(true), at(0)), admitted(SentAs::Template, true));
    }

    #[test]
    fn a_template_uses_the_messaging_limit_only_outside_of_the_window() {
        assert_eq!(decide(&open(), &template(false), at(0)), admitted(SentAs::Message, false));
        assert_eq!(decide(&closed(), &template(false), at(0)), admitted(SentAs::Message, true));
    }

    #[test]
    fn an_opt_out_stops_marketing_and_nothing_else() {
        let opted_out = |facts| AdmissionFacts { has_opted_out: true, ..facts };
        let rejected = Admission::Reject(Rejection::OptedOut);
        for stage in [AdmissionStage::Sync, AdmissionStage::Enqueue { max_queued: 1 }, AdmissionStage::Due] {
            let of = |request| AdmissionRequest { stage, ..request };
            assert_eq!(decide(&opted_out(open()), &of(template(true)), at(0)), rejected);
            assert_eq!(decide(&opted_out(closed()), &of(template(true)), at(0)), rejected);
            assert_eq!(decide(&opted_out(closed()), &of(with_fallback(true)), at(0)), rejected);
            let message = admitted(SentAs::Message, false);
            assert_eq!(decide(&opted_out(open()), &of(with_fallback(true)), at(0)), message);
            assert_eq!(decide(&opted_out(open()), &of(text()), at(0)), message);
            let fallback = admitted(SentAs::Template, true);
            assert_eq!(decide(&opted_out(closed()), &of(with_fallback(false)), at(0)), fallback);
        }
    }

    #[test]
    fn metas_marketing_limit_rejects_new_messages_until_its_end() {
        let limited = AdmissionFacts { marketing_limited_until: Some(at(10)), ..closed() };
        let rejected = Admission::Reject(Rejection::MarketingLimited { until: at(10) });
        assert_eq!(decide(&limited, &template(true), at(0)), rejected);
        let queued = AdmissionRequest { stage: AdmissionStage::Enqueue { max_queued: 1 }, ..template(true) };
        assert_eq!(decide(&limited, &queued, at(0)), rejected);
        let after = AdmissionRequest { leaves_at: at(10), ..queued };
        assert_eq!(decide(&limited, &after, at(0)), admitted(SentAs::Message, true));
        let due = AdmissionRequest { stage: AdmissionStage::Due, ..template(true) };
        assert_eq!(decide(&limited, &due, at(0)), admitted(SentAs::Message, true));
        assert_eq!(decide(&limited, &template(false), at(0)), admitted(SentAs::Message, true));
    }

    #[test]
    fn a_synchronous_send_waits_five_seconds_at_most_and_a_queued_message_as_long_as_needed() {
        let paced = |seconds| AdmissionFacts { next_slot_at: Some(at(seconds)), ..open() };
        assert_eq!(decide(&paced(5), &text(), at(0)), admitted(SentAs::Message, false));
        let rejected = Admission::Reject(Rejection::Pacing { slot_at: at(6) });
        assert_eq!(decide(&paced(6), &text(), at(0)), rejected);
        let due = AdmissionRequest { stage: AdmissionStage::Due, ..text() };
        assert_eq!(decide(&paced(6), &due, at(0)), Admission::Wait { until: at(6) });
        assert_eq!(decide(&paced(0), &due, at(0)), admitted(SentAs::Message, false));
    }

    #[test]
    fn a_full_queue_takes_no_message() {
        let enqueue = AdmissionRequest { stage: AdmissionStage::Enqueue { max_queued: 3 }, ..text() };
        let queued = |n_queued| AdmissionFacts { n_queued, ..open() };
        assert_eq!(decide(&queued(2), &enqueue, at(0)), admitted(SentAs::Message, false));
        assert_eq!(decide(&queued(3), &enqueue, at(0)), Admission::Reject(Rejection::QueueFull));
        assert_eq!(decide(&queued(3), &text(), at(0)), admitted(SentAs::Message, false));
    }

    fn facts() -> impl Strategy<Value = AdmissionFacts> {
        let time = || prop::option::of((-30 * HOUR..30 * HOUR).prop_map(at));
        (time(), time(), any::<bool>(), time(), time(), 0_u32..4).prop_map(
            |(
                last_inbound_at,
                refused_at,
                has_opted_out,
                marketing_limited_until,
                next_slot_at,
                n_queued,
            )| {
                AdmissionFacts {
                    window: Window { last_inbound_at, refused_at },
                    has_opted_out,
                    marketing_limited_until,
                    next_slot_at,
                    n_queued,
                }
            },
        )
    }

    fn requests() -> impl Strategy<Value = AdmissionRequest> {
        let stages = prop_oneof![
            Just(AdmissionStage::Sync),
            (0_u32..4).prop_map(|max_queued| AdmissionStage::Enqueue { max_queued }),
            Just(AdmissionStage::Due),
        ];
        let fallback = prop::option::of(any::<bool>());
        (stages, 0..40 * HOUR, any::<bool>(), any::<bool>(), fallback).prop_map(
            |(stage, wait, needs_window, is_marketing, fallback)| AdmissionRequest {
                stage,
                leaves_at: at(if stage == AdmissionStage::Due { 0 } else { wait }),
                needs_window,
                is_marketing: is_marketing && !needs_window,
                fallback: fallback
                    .filter(|_| needs_window)
                    .map(|is_marketing| AdmissionFallback { is_marketing }),
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_admitted_breaks_no_rule(facts in facts(), request in requests()) {
            let decision = decide(&facts, &request, at(0));
            if let Admission::Admit { sent_as, uses_messaging_limit } = decision {
                let is_open = facts.window.is_open(request.leaves_at);
                let (is_free_form, is_marketing) = match sent_as {
                    SentAs::Message => (request.needs_window, request.is_marketing),
                    SentAs::Template => (false, request.fallback.expect("a fallback").is_marketing),
                };
                prop_assert!(is_open || !is_free_form);
                prop_assert!(!is_marketing || !facts.has_opted_out);
                prop_assert_eq!(uses_messaging_limit, !is_open && !is_free_form);
            }
        }

        #[test]
        fn a_decision_agrees_with_the_single_checks(facts in facts(), request in requests()) {
            let assessment = assess(&facts, &request, at(0));
            match decide(&facts, &request, at(0)) {
                Admission::Admit { sent_as, .. } => {
                    prop_assert_eq!(assessment.sent_as, Some(sent_as));
                    prop_assert_eq!(assessment.rejection(), None);
                }
                Admission::Reject(rejection) => prop_assert_eq!(assessment.rejection(), Some(rejection)),
                Admission::Wait { until } => {
                    prop_assert!(request.stage == AdmissionStage::Due && until > at(0));
                }
            }
        }

        #[test]
        fn what_was_admitted_stays_admitted_while_no_fact_changes(facts in facts(), request in requests()) {
            let facts = AdmissionFacts { next_slot_at: None, ..facts };
            let due = AdmissionRequest { stage: AdmissionStage::Due, ..request };
            let decision = decide(&facts, &request, at(0));
            if let Admission::Admit { .. } = decision {
                let then = at(0) + request.leaves_at.duration_since(at(0)).max(SignedDuration::ZERO);
                prop_assert_eq!(decide(&facts, &due, then), decision);
            }
        }
    }
}
