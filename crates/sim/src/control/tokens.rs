//! Access tokens that end, are revoked or are made anew.

use serde::Deserialize;

use crate::{
    clock::SECOND,
    state::{State, Token},
};

/// Change of a token.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenChange {
    /// The token.
    pub access_token: String,
    /// Another token whose app and accounts a new one gets.
    pub like: Option<String>,
    /// `false` revokes it.
    pub is_valid: Option<bool>,
    /// Seconds until the token expires; 0 means never.
    pub expires_in_seconds: Option<i64>,
}

impl State {
    /// Changes a token, or makes one; gives back what is wrong with the request otherwise.
    pub(crate) fn change_token(&mut self, change: &TokenChange) -> Result<(), String> {
        let now = self.env.now;
        if change.access_token.is_empty() {
            return Err("access_token: is needed".to_owned());
        }
        let known =
            self.tokens.get(&change.access_token).or_else(|| self.tokens.get(change.like.as_deref()?));
        let Some(known) = known.cloned() else {
            return Err("access_token: there is no such token, and no other in `like` to copy".to_owned());
        };
        let expires_at = match change.expires_in_seconds {
            None => known.expires_at,
            Some(0) => None,
            Some(seconds) => Some(now.saturating_add(seconds.saturating_mul(SECOND))),
        };
        let is_valid = change.is_valid.unwrap_or(known.is_valid);
        self.tokens.insert(change.access_token.clone(), Token { is_valid, expires_at, ..known });
        self.is_dirty = true;
        Ok(())
    }
}
