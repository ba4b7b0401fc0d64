//! Authentication: access tokens, app tokens, `appsecret_proof`.
//!
//! **Invariant:** a call is answered for the app of its token, and a token gives access to no node of another
//! account.

use std::collections::BTreeSet;

use http::header;

use crate::{
    clock::seconds,
    error::{Checked, GraphError},
    graph::Call,
    ids,
    state::{State, Token},
};

/// Maximum age of an `appsecret_time`, in seconds.
const PROOF_AGE: i64 = 300;

/// A caller who has been recognised.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) app_id: String,
    wabas: BTreeSet<String>,
    /// `true` for an app token.
    pub(crate) is_app: bool,
}

impl Caller {
    pub(crate) fn may_use(&self, waba_id: &str) -> bool {
        self.wabas.contains(waba_id)
    }
}

/// The token of a call, from its header or its parameters.
pub(crate) fn token_of(call: &Call) -> Option<String> {
    let header = call.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let from_header = header.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth"))
            .then(|| token.trim().to_owned())
    });
    from_header.or_else(|| call.text("access_token").map(str::to_owned)).filter(|token| !token.is_empty())
}

/// Recognises the caller or refuses the call.
pub(crate) fn authenticate(state: &State, call: &Call) -> Checked<Caller> {
    let Some(token) = token_of(call) else {
        return Err(GraphError::of(104).message("An access token is required to request this resource."));
    };
    let Some(caller) = caller_of(state, &token) else {
        let message = if state.tokens.contains_key(&token) {
            "Error validating access token: Session has expired"
        } else {
            "Invalid OAuth access token - Cannot parse access token"
        };
        return Err(GraphError::of(190).message(message));
    };
    prove(state, call, &caller, &token)?;
    Ok(caller)
}

impl Token {
    /// `true` if the token is valid at this time.
    pub(crate) fn works_at(&self, now: i64) -> bool {
        self.is_valid && self.expires_at.is_none_or(|end| now < end)
    }
}

/// The caller behind a token.
pub(crate) fn caller_of(state: &State, token: &str) -> Option<Caller> {
    if let Some((app_id, secret)) = token.split_once('|') {
        let app = state.apps.get(app_id).filter(|app| ids::same_secret(&app.secret, secret))?;
        return Some(Caller { app_id: app.id.clone(), wabas: BTreeSet::new(), is_app: true });
    }
    let known = state.tokens.get(token).filter(|token| token.works_at(state.env.now))?;
    Some(Caller { app_id: known.app_id.clone(), wabas: known.wabas.clone(), is_app: false })
}

fn prove(state: &State, call: &Call, caller: &Caller, token: &str) -> Checked<()> {
    let Some(app) = state.apps.get(&caller.app_id) else { return Ok(()) };
    let refuse = |message: &str| {
        let mut error = GraphError::of(100).kind("GraphMethodException").message(message);
        error.details = None;
        Err(error)
    };
    let Some(proof) = call.text("appsecret_proof") else {
        if app.requires_proof {
            return refuse("API calls from the server require an appsecret_proof argument");
        }
        return Ok(());
    };
    let message = match call.text("appsecret_time") {
        Some(time) => {
            let age = time.parse::<i64>().map_or(i64::MAX, |time| seconds(state.env.now) - time);
            if !(-PROOF_AGE..=PROOF_AGE).contains(&age) {
                return refuse("Invalid appsecret_proof provided in the API argument");
            }
            format!("{token}|{time}")
        }
        None => token.to_owned(),
    };
    if ids::same_secret(&ids::hmac_hex(&app.secret, message.as_bytes()), proof) {
        Ok(())
    } else {
        refuse("Invalid appsecret_proof provided in the API argument")
    }
}
