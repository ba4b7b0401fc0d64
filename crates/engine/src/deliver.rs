//! Handing a message to Meta, once, and writing down how it ended.
//!
//! **Invariant:** the caller hears of an end only after it is on disk; an end that cannot be written is told as
//! unknown, never as an error that invites to send again.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use domain::meta_error::{Class, MetaError};
use domain::outcome::{Accepted, Outcome};
use jiff::SignedDuration;
use tokio::sync::oneshot;

use crate::ports::{Admission, Claim, Failure, Line, NewMessage, Settlement};
use crate::send::SendError;
use crate::{Deps, account, chain};

/// Seconds to wait after a refusal for speed that names none.
const DEFAULT_WAIT: u32 = 1;
/// Seconds to wait after a refusal for the pair of number and recipient: the pace that Meta allows (reference D.2).
const PAIR_WAIT: u32 = 6;
/// How long the first wait is when an end cannot be written down; it doubles up to [`MAX_REWRITE_WAIT`].
const REWRITE_WAIT: SignedDuration = SignedDuration::from_secs(1);
const MAX_REWRITE_WAIT: SignedDuration = SignedDuration::from_secs(30);

/// A message to accept and to hand over.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) new: NewMessage,
    pub(crate) line: Line,
    pub(crate) body: Bytes,
}

/// How it ended, as the caller may know it.
#[derive(Debug)]
pub(crate) enum Ended {
    Sent(Accepted),
    Unknown,
    /// Nothing was written and nothing was sent.
    NotAccepted(SendError),
    Refused(MetaError),
    RateLimited {
        retry_after: u32,
        error: Option<MetaError>,
    },
    Unavailable(Option<MetaError>),
    Held(MetaError),
}

/// Accepts the message and hands it over, in a task of its own, and waits for its end.
///
/// Dropping the returned future changes nothing: the task goes on.
pub(crate) async fn start(deps: &Arc<Deps>, delivery: Delivery) -> Ended {
    let (tell, told) = oneshot::channel();
    deps.tasks.spawn(accept_and_send(deps.clone(), delivery, tell));
    // The task is gone without a word: a panic. What it held is settled by the next round of the recovery.
    told.await.unwrap_or(Ended::Unknown)
}

async fn accept_and_send(deps: Arc<Deps>, delivery: Delivery, tell: oneshot::Sender<Ended>) {
    let Delivery { new, line, body } = delivery;
    let claim = Claim {
        workspace: new.workspace,
        message: new.id,
        account: new.account,
        attempt: 1,
        token: new.token,
    };
    // From here on a panic leaves a claim that the recovery settles.
    let mut held = Held { claim: Some(claim), dropped: deps.dropped.clone() };
    let refused = match deps.messages.accept(new).await {
        Ok(Admission::Accepted { .. }) => None,
        Ok(Admission::OutsideWindow(window)) => Some(SendError::OutsideWindow(window)),
        Ok(Admission::OptedOut) => Some(SendError::OptedOut),
        Ok(Admission::Resting(until)) => Some(SendError::Resting(until)),
        Err(error) => Some(SendError::Store(error)),
    };
    match refused {
        // Whoever asked may have gone away; nothing was written.
        Some(refused) => drop(tell.send(Ended::NotAccepted(refused))),
        None => one(&deps, &claim, &line, body, tell).await,
    }
    held.claim = None;
}

/// Hands over a message whose claim is on disk, and writes down how it ended.
async fn one(deps: &Deps, claim: &Claim, line: &Line, body: Bytes, tell: oneshot::Sender<Ended>) {
    let outcome = deps.upstream.send(line, body).await;
    let (settlement, ended) = decide(outcome);
    if let Ended::Held(error) = &ended
        && let Err(error) = account::hold(deps, &line.account, error).await
    {
        tracing::error!(error = %chain(&error), account.id = %line.account.id,
            "an account that Meta refuses could not be held");
    }
    let mut tell = Some(tell);
    let mut wait = REWRITE_WAIT;
    loop {
        match deps.messages.settle(claim, &settlement, deps.now()).await {
            Ok(_) => break,
            Err(error) => {
                tracing::error!(error = %chain(&error), message.id = %claim.message,
                    "the end of a send could not be written down; trying again");
            }
        }
        // The end is known here, but not on disk: the caller is told what a restart would know.
        if let Some(tell) = tell.take() {
            drop(tell.send(Ended::Unknown));
        }
        let next = deps.now().saturating_add(wait).unwrap_or(jiff::Timestamp::MAX);
        deps.clock.sleep_until(next).await;
        wait = wait.saturating_mul(2).min(MAX_REWRITE_WAIT);
    }
    if let Some(tell) = tell {
        // The caller may have gone away: the message went all the same.
        drop(tell.send(ended));
    }
}

/// Hands a claim back when its task ends without settling it: a panic.
struct Held {
    claim: Option<Claim>,
    dropped: Arc<Mutex<Vec<Claim>>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(claim) = self.claim.take() {
            self.dropped.lock().unwrap_or_else(PoisonError::into_inner).push(claim);
        }
    }
}

/// Seconds to wait after a refusal for speed.
pub(crate) fn wait_after(error: &MetaError) -> u32 {
    let default = if error.class() == Class::SlowPair { PAIR_WAIT } else { DEFAULT_WAIT };
    error.retry_after.unwrap_or(default).max(1)
}

/// What an outcome means for the message and for its caller.
fn decide(outcome: Outcome) -> (Settlement, Ended) {
    let failed = |code, meta: Option<MetaError>| Settlement::Failed(Failure { code, meta });
    match outcome {
        Outcome::Accepted(accepted) => (Settlement::Sent(accepted.clone()), Ended::Sent(accepted)),
        Outcome::Unknown { reason } => (Settlement::Unknown { reason }, Ended::Unknown),
        Outcome::NotSent { reason } => {
            tracing::warn!(reason, "meta cannot be reached");
            (failed("meta_unavailable", None), Ended::Unavailable(None))
        }
        Outcome::Stopped { http_status: 429, retry_after } => (
            failed("meta_rate_limited", None),
            Ended::RateLimited { retry_after: retry_after.unwrap_or(DEFAULT_WAIT).max(1), error: None },
        ),
        Outcome::Stopped { http_status, .. } => {
            tracing::warn!(http_status, "something before meta refused a message");
            (failed("meta_unavailable", None), Ended::Unavailable(None))
        }
        Outcome::Refused(error) => match error.class() {
            Class::SlowNumber | Class::SlowPair => (
                failed("meta_rate_limited", Some(error.clone())),
                Ended::RateLimited { retry_after: wait_after(&error), error: Some(error) },
            ),
            Class::Retry => {
                (failed("meta_unavailable", Some(error.clone())), Ended::Unavailable(Some(error)))
            }
            Class::HoldAccount => (failed("account_disconnected", Some(error.clone())), Ended::Held(error)),
            Class::PauseTemplate | Class::Suppress | Class::Rest | Class::WindowClosed | Class::Permanent => {
                (failed("meta_error", Some(error.clone())), Ended::Refused(error))
            }
        },
    }
}
