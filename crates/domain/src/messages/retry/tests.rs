use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::messages::outcome::AcceptedMessage;
use crate::meta_error::{MetaError, TABLE};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_767_225_600_000 + ms).expect("a time")
}

const DAY_MS: i64 = 24 * 3_600_000;

fn sync() -> SendAttempt {
    let mode = SendMode::Sync { deadline: later(at(0), SYNC_TIMEOUT) };
    SendAttempt { n_calls: 1, mode, now: at(0), slot_at: at(0), random: 0 }
}

fn queued(expires_at: Option<Timestamp>) -> SendAttempt {
    SendAttempt { mode: SendMode::Queue { since: at(0), expires_at }, ..sync() }
}

fn refused(code: i64) -> SendOutcome {
    SendOutcome::Refused(MetaError { code, http_status: Some(400), ..MetaError::default() })
}

fn asking(code: i64, seconds: u32) -> SendOutcome {
    SendOutcome::Refused(MetaError { code, retry_after: Some(seconds), ..MetaError::default() })
}

fn not_sent() -> SendOutcome {
    SendOutcome::NotSent { reason: "refused".to_owned() }
}

fn stopped(http_status: u16) -> SendOutcome {
    SendOutcome::Stopped { http_status, retry_after: None }
}

fn failed(code: &'static str) -> RetryDecision {
    RetryDecision::Fail { code, retry_at: None }
}

#[test]
fn each_code_of_meta_has_its_decision() {
    let soon = RetryDecision::Retry { at: at(100) };
    for entry in TABLE {
        let outcome = refused(entry.code);
        let (in_sync, in_queue) = match entry.class {
            MetaErrorClass::Retry | MetaErrorClass::ThrottleNumber | MetaErrorClass::ThrottleSpam => {
                (soon, soon)
            }
            MetaErrorClass::RetryLater => {
                let retry_at = at(i64::from(entry.wait.unwrap().min(3_600)) * 1_000);
                let too_late = RetryDecision::Fail { code: "meta_rate_limited", retry_at: Some(retry_at) };
                (too_late, RetryDecision::Retry { at: retry_at })
            }
            MetaErrorClass::ThrottlePair => {
                (RetryDecision::Retry { at: at(1_000) }, RetryDecision::Retry { at: at(1_000) })
            }
            MetaErrorClass::SuspendAccount => (failed("account_disconnected"), RetryDecision::Suspend),
            MetaErrorClass::PauseTemplate
            | MetaErrorClass::OptOut
            | MetaErrorClass::LimitMarketing
            | MetaErrorClass::WindowClosed
            | MetaErrorClass::Permanent => (failed("meta_error"), failed("meta_error")),
        };
        assert_eq!(decide(&outcome, &sync()), in_sync, "{}", entry.code);
        assert_eq!(decide(&outcome, &queued(None)), in_queue, "{}", entry.code);
    }
}

#[test]
fn the_codes_that_are_tried_again_are_these() {
    let classes = |wanted: fn(RetryDecision) -> bool| -> Vec<i64> {
        let of = |code: &i64| wanted(decide(&refused(*code), &queued(None)));
        let mut codes: Vec<_> = TABLE.iter().map(|entry| entry.code).filter(of).collect();
        codes.sort();
        codes
    };
    let again = classes(|decision| matches!(decision, RetryDecision::Retry { .. }));
    let slow = [4, 17, 341, 613, 80_007, 80_008, 130_429, 131_048, 131_056, 131_057, 131_064];
    let trouble = [1, 2, 131_000, 131_016, 131_059, 133_004, 139_102, 139_103, 2_494_100];
    let later = [132_069, 133_008, 133_009, 133_015, 133_016, 134_101, 136_024];
    let mut expected = [slow.as_slice(), &trouble, &later].concat();
    expected.sort();
    assert_eq!(again, expected);
    let held = classes(|decision| decision == RetryDecision::Suspend);
    let token = [0, 102, 104, 190];
    let permission = [3, 10, 33, 200, 803, 131_005];
    let account = [368, 131_031, 131_037, 131_042, 131_045, 133_010];
    let mut expected = [token.as_slice(), &permission, &account].concat();
    expected.sort();
    assert_eq!(held, expected);
}

#[test]
fn the_codes_that_slow_something_are_these() {
    for entry in TABLE {
        let expected = match entry.code {
            4 | 17 | 341 | 613 | 80_007 | 80_008 | 130_429 | 131_057 => Some(ThrottleScope::Number),
            131_056 => Some(ThrottleScope::Pair),
            131_048 | 131_064 => Some(ThrottleScope::Spam),
            _ => None,
        };
        assert_eq!(ThrottleScope::after(&refused(entry.code)), expected, "{}", entry.code);
    }
    assert_eq!(ThrottleScope::after(&stopped(429)), Some(ThrottleScope::Number));
    for outcome in [stopped(403), not_sent(), SendOutcome::Accepted(AcceptedMessage::default())] {
        assert_eq!(ThrottleScope::after(&outcome), None);
    }
}

#[test]
fn what_is_over_is_over() {
    let unknown = SendOutcome::Unknown { reason: "cut".to_owned() };
    for attempt in [sync(), queued(None)] {
        assert_eq!(decide(&SendOutcome::Accepted(AcceptedMessage::default()), &attempt), RetryDecision::Sent);
        assert_eq!(decide(&unknown, &attempt), RetryDecision::Unknown);
        for code in [1, 2] {
            let error = MetaError { code, http_status: Some(500), ..MetaError::default() };
            assert_eq!(decide(&SendOutcome::Refused(error), &attempt), RetryDecision::Unknown);
        }
    }
}

#[test]
fn what_never_left_is_tried_again() {
    for attempt in [sync(), queued(None)] {
        assert_eq!(decide(&not_sent(), &attempt), RetryDecision::Retry { at: at(100) });
        assert_eq!(decide(&stopped(429), &attempt), RetryDecision::Retry { at: at(100) });
    }
}

#[test]
fn what_was_stopped_on_the_way_is_tried_again_only_by_the_queue() {
    for status in [302, 400, 403, 413] {
        assert_eq!(decide(&stopped(status), &sync()), failed("meta_unavailable"));
        assert_eq!(decide(&stopped(status), &queued(None)), RetryDecision::Retry { at: at(100) });
    }
}

#[test]
fn waits_are_drawn_below_a_ceiling_that_doubles() {
    let longest = |attempt: SendAttempt| {
        let RetryDecision::Retry { at } = decide(&not_sent(), &SendAttempt { random: u64::MAX, ..attempt })
        else {
            panic!("no retry");
        };
        // The fraction never reaches one: a microsecond is missing.
        at.duration_since(attempt.now).as_micros() + 1
    };
    for (n_calls, in_sync, in_queue) in
        [(1, 500_000, 1_000_000), (2, 1_000_000, 2_000_000), (3, 2_000_000, 4_000_000)]
    {
        assert_eq!(longest(SendAttempt { n_calls, ..sync() }), in_sync);
        assert_eq!(longest(SendAttempt { n_calls, ..queued(None) }), in_queue);
    }
    for n_calls in [7, 8, 100, u32::MAX] {
        assert_eq!(longest(SendAttempt { n_calls, ..queued(None) }), 60_000_000);
    }
    let half = SendAttempt { random: 1 << 63, ..queued(None) };
    assert_eq!(decide(&not_sent(), &half), RetryDecision::Retry { at: at(550) });
}

#[test]
fn nothing_leaves_before_meta_or_the_pace_allow_it() {
    for attempt in [sync(), queued(None)] {
        assert_eq!(decide(&asking(80_007, 4), &attempt), RetryDecision::Retry { at: at(4_000) });
        assert_eq!(decide(&asking(131_016, 4), &attempt), RetryDecision::Retry { at: at(4_000) });
        let attempt = SendAttempt { slot_at: at(4_500), ..attempt };
        assert_eq!(decide(&asking(130_429, 4), &attempt), RetryDecision::Retry { at: at(4_500) });
        assert_eq!(decide(&refused(131_056), &attempt), RetryDecision::Retry { at: at(4_500) });
    }
    // What nobody can mean is asked again after an hour.
    assert_eq!(decide(&asking(4, u32::MAX), &queued(None)), RetryDecision::Retry { at: at(3_600_000) });
}

#[test]
fn a_sync_send_fails_when_the_next_call_would_start_too_late() {
    let late = |ms| SendAttempt { slot_at: at(ms), ..sync() };
    for (outcome, code) in [
        (refused(130_429), "meta_rate_limited"),
        (refused(131_056), "meta_rate_limited"),
        (stopped(429), "meta_rate_limited"),
        (refused(131_000), "meta_unavailable"),
        (not_sent(), "meta_unavailable"),
    ] {
        assert_eq!(decide(&outcome, &late(5_000)), RetryDecision::Retry { at: at(5_000) });
        let retry_at = Some(at(5_001));
        assert_eq!(decide(&outcome, &late(5_001)), RetryDecision::Fail { code, retry_at });
    }
}

#[test]
fn a_queued_message_is_tried_for_a_day() {
    let after = |ms| SendAttempt { now: at(ms), slot_at: at(ms), n_calls: 1_500, ..queued(None) };
    assert_eq!(
        decide(&refused(130_429), &after(DAY_MS - 100)),
        RetryDecision::Retry { at: at(DAY_MS) },
        "the last moment"
    );
    for (outcome, code) in [
        (refused(130_429), "meta_rate_limited"),
        (refused(131_016), "meta_unavailable"),
        (not_sent(), "meta_unavailable"),
        (stopped(403), "meta_unavailable"),
    ] {
        let retry_at = Some(at(DAY_MS + 100));
        assert_eq!(decide(&outcome, &after(DAY_MS)), RetryDecision::Fail { code, retry_at });
    }
}

#[test]
fn a_queued_message_with_an_end_of_its_own_is_put_off_to_it_and_expires_there() {
    let until = |ms| queued(Some(at(ms)));
    assert_eq!(decide(&not_sent(), &until(60_000)), RetryDecision::Retry { at: at(100) });
    assert_eq!(decide(&not_sent(), &until(50)), RetryDecision::Retry { at: at(50) });
    // The call came back after the end.
    assert_eq!(decide(&not_sent(), &until(-50)), RetryDecision::Retry { at: at(0) });
    let two_days = SendAttempt { now: at(DAY_MS + 1), ..until(2 * DAY_MS) };
    assert_eq!(decide(&not_sent(), &two_days), RetryDecision::Retry { at: at(DAY_MS + 101) });
}

fn outcomes() -> impl Strategy<Value = SendOutcome> {
    let codes: Vec<i64> = TABLE.iter().map(|entry| entry.code).chain([250, 999_999]).collect();
    let asked = || prop::option::of(prop_oneof![0_u32..10, any::<u32>()]);
    prop_oneof![
        6 => (select(codes), prop::option::of(select(vec![400_u16, 429, 500, 503])), asked()).prop_map(
            |(code, http_status, retry_after)| {
                SendOutcome::Refused(MetaError { code, http_status, retry_after, ..MetaError::default() })
            },
        ),
        2 => (300_u16..500, asked())
            .prop_map(|(http_status, retry_after)| SendOutcome::Stopped { http_status, retry_after }),
        1 => Just(not_sent()),
        1 => Just(SendOutcome::Unknown { reason: String::new() }),
        1 => Just(SendOutcome::Accepted(AcceptedMessage::default())),
    ]
}

fn is_ambiguous(outcome: &SendOutcome) -> bool {
    match outcome {
        SendOutcome::Unknown { .. } => true,
        SendOutcome::Refused(error) => error.is_ambiguous(),
        SendOutcome::Accepted(_) | SendOutcome::Stopped { .. } | SendOutcome::NotSent { .. } => false,
    }
}

proptest! {
    #[test]
    fn a_call_is_repeated_only_when_nothing_was_sent_and_never_in_the_past(
        outcome in outcomes(), n_calls in any::<u32>(), random in any::<u64>(),
        turn in -10_000_i64..10_000, end in prop::option::of(-10_000_i64..100_000_000), is_sync in any::<bool>(),
    ) {
        let mode = if is_sync { sync().mode } else { queued(end.map(at)).mode };
        let attempt = SendAttempt { n_calls, mode, now: at(0), slot_at: at(turn), random };
        let decision = decide(&outcome, &attempt);
        prop_assert_eq!(decision == RetryDecision::Unknown, is_ambiguous(&outcome));
        prop_assert_eq!(decision == RetryDecision::Sent, matches!(outcome, SendOutcome::Accepted(_)));
        match decision {
            RetryDecision::Retry { at: next } => {
                prop_assert!(next >= at(0));
                match mode {
                    SendMode::Sync { deadline } => prop_assert!(next <= deadline && next >= at(turn)),
                    SendMode::Queue { expires_at: Some(end), .. } => prop_assert!(next <= end.max(at(0))),
                    SendMode::Queue { since, .. } => prop_assert!(next <= later(since, QUEUE_RETRY_PERIOD) && next >= at(turn)),
                }
            }
            RetryDecision::Fail { retry_at, .. } => prop_assert!(retry_at.is_none_or(|again| again > at(0))),
            RetryDecision::Suspend => prop_assert!(!is_sync),
            RetryDecision::Sent | RetryDecision::Unknown => {}
        }
    }

    #[test]
    fn no_call_of_a_sync_send_starts_after_its_five_seconds(
        calls in prop::collection::vec((outcomes(), any::<u64>(), 0_i64..300, 0_i64..500), 60),
    ) {
        let mut attempt = sync();
        let mut n_started = 1;
        for (outcome, random, took, paced) in calls {
            attempt.now = later(attempt.now, SignedDuration::from_millis(took));
            attempt.slot_at = later(attempt.now, SignedDuration::from_millis(paced));
            attempt.random = random;
            let RetryDecision::Retry { at: next } = decide(&outcome, &attempt) else { break };
            prop_assert!(next <= at(5_000));
            n_started += 1;
            (attempt.now, attempt.n_calls) = (next, n_started);
        }
        prop_assert!(n_started <= 51);
    }
}
