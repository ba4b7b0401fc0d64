//! Checks of an account: access token, phone number, webhook subscription, callback URL.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::accounts::account::Account;
use domain::time::rfc3339;
use jiff::Timestamp;

use super::phone_number::{update_phone_number, update_token_expiry};
use super::upstream_error::upstream_error_message;
use super::verify_token::check_token;
use crate::ports::{
    AccountRecord, CallbackVerification, PhoneNumberInfo, StoreError, TokenInfo, UpstreamError,
};
use crate::{Deps, directory};

/// Names of the checks, in the order of their results.
pub const ACCOUNT_CHECKS: [&str; 8] =
    ["token", "expiry", "scopes", "number", "quality", "webhook", "callback", "status"];

/// Result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountCheck {
    /// Name of the check, one of [`ACCOUNT_CHECKS`].
    pub name: &'static str,
    /// `true` if the check passed.
    pub is_ok: bool,
    /// Finding, with advice if the check failed.
    pub finding: String,
}

/// Runs all checks of an account, and writes the state of its phone number and its access token to the store.
///
/// # Errors
/// The store cannot be written.
pub async fn test_account(deps: &Deps, record: &AccountRecord) -> Result<Vec<AccountCheck>, StoreError> {
    let credentials = record.credentials();
    let mut checks = Vec::new();
    match deps.upstream.get_token_info(&credentials).await {
        Ok(token) => {
            checks.extend(check_access_token(&token, deps.now()));
            checks.push(check_scopes(&token));
            update_token_expiry(deps, &record.account, &token).await?;
        }
        Err(error) => checks.push(failed("token", &error)),
    }
    match deps.upstream.get_phone_number(&credentials).await {
        Ok(number) => {
            checks.push(check_number(&number));
            checks.push(check_quality(&number));
            update_phone_number(deps, &record.account, &number).await?;
            directory::refresh(deps).await?;
        }
        Err(error) => checks.push(failed("number", &error)),
    }
    checks.push(match deps.upstream.list_subscribed_apps(&credentials).await {
        Ok(apps) if apps.is_empty() => AccountCheck {
            name: "webhook",
            is_ok: false,
            finding:
                "no app is subscribed to this WhatsApp Business Account, therefore Meta sends no webhooks: \
                      subscribe your app"
                    .to_owned(),
        },
        Ok(apps) => {
            AccountCheck { name: "webhook", is_ok: true, finding: format!("subscribed: {}", apps.join(", ")) }
        }
        Err(error) => failed("webhook", &error),
    });
    checks.push(check_callback(deps, record).await);
    checks.extend(check_suspension(&record.account));
    Ok(checks)
}

/// Returns a failed check with the reason if the account is suspended.
fn check_suspension(account: &Account) -> Option<AccountCheck> {
    let reason = account.status_reason.as_deref()?;
    let (status, name) = (account.status.as_str(), &account.name);
    let finding =
        format!("{status}: {} Fix the cause, then run `waypost accounts resume {name}`", reason.trim_end());
    Some(AccountCheck { name: "status", is_ok: false, finding })
}

/// Calls the callback URL as Meta does. The call comes from this machine, therefore it does not find every firewall that
/// blocks Meta.
async fn check_callback(deps: &Deps, record: &AccountRecord) -> AccountCheck {
    let url = &deps.settings.callback_url;
    let (is_ok, finding) = match &record.verify_token_digest {
        None => {
            let finding = format!(
                "this account has no verify token, therefore Meta cannot verify {url}: set a verify token"
            );
            (false, finding)
        }
        Some(_) if !record.account.is_sandbox && !url.starts_with("https://") => {
            (false, format!("Meta calls only https URLs, and the callback URL is {url}: set public_url"))
        }
        Some(digest) => {
            let mut random = [0; 12];
            deps.random.fill(&mut random);
            let callback = CallbackVerification {
                url: url.clone(),
                verify_token: check_token(digest),
                challenge: URL_SAFE_NO_PAD.encode(random),
            };
            match deps.upstream_admin.verify_callback(&callback).await {
                Ok(()) => (true, format!("{url} responds")),
                Err(reason) => (false, format!("{url} does not respond as Meta requires: {reason}")),
            }
        }
    };
    AccountCheck { name: "callback", is_ok, finding }
}

fn failed(name: &'static str, error: &UpstreamError) -> AccountCheck {
    AccountCheck { name, is_ok: false, finding: upstream_error_message(error) }
}

fn check_access_token(token: &TokenInfo, now: Timestamp) -> [AccountCheck; 2] {
    let validity = if token.is_valid {
        "Meta accepts the access token"
    } else {
        "Meta no longer accepts the access token: give the account a new access token"
    };
    let (is_ok, expiry) = match token.expires_at {
        None => (true, "never".to_owned()),
        Some(at) if at <= now => (
            false,
            format!("the access token expired at {}: give the account a new access token", rfc3339(at)),
        ),
        Some(at) => {
            let days = at.duration_since(now).as_hours() / 24;
            (true, format!("at {}, in {days} days", rfc3339(at)))
        }
    };
    [
        AccountCheck { name: "token", is_ok: token.is_valid, finding: validity.to_owned() },
        AccountCheck { name: "expiry", is_ok, finding: expiry },
    ]
}

/// Checks the quality rating. Meta limits the messages of numbers with the rating RED.
fn check_quality(number: &PhoneNumberInfo) -> AccountCheck {
    let rating = number.quality_rating.as_deref().unwrap_or("UNKNOWN");
    if rating == "RED" {
        let finding =
            "RED: recipients block or report this number; send fewer messages, and only to recipients \
                       who have opted in"
                .to_owned();
        return AccountCheck { name: "quality", is_ok: false, finding };
    }
    AccountCheck { name: "quality", is_ok: true, finding: rating.to_owned() }
}

fn check_scopes(token: &TokenInfo) -> AccountCheck {
    let missing: Vec<_> = ["whatsapp_business_messaging", "whatsapp_business_management"]
        .into_iter()
        .filter(|scope| !token.scopes.iter().any(|granted| granted == scope))
        .collect();
    if missing.is_empty() {
        AccountCheck { name: "scopes", is_ok: true, finding: token.scopes.join(", ") }
    } else {
        let finding = format!("the access token lacks {}", missing.join(" and "));
        AccountCheck { name: "scopes", is_ok: false, finding }
    }
}

fn check_number(number: &PhoneNumberInfo) -> AccountCheck {
    let shown = number.display_phone_number.as_deref().unwrap_or("the number");
    match number.status.as_deref() {
        None | Some("CONNECTED") => {
            AccountCheck { name: "number", is_ok: true, finding: format!("{shown} is connected") }
        }
        Some(status) => AccountCheck {
            name: "number",
            is_ok: false,
            finding: format!(
                "{shown} has the status {status} at Meta, and only CONNECTED numbers can send: register the number"
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use domain::accounts::account::AccountStatus;
    use domain::id::{AccountId, WorkspaceId};
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn only_the_rating_red_fails_the_quality_check() {
        for (rating, is_ok) in
            [(None, true), (Some("GREEN"), true), (Some("YELLOW"), true), (Some("RED"), false)]
        {
            let number =
                PhoneNumberInfo { quality_rating: rating.map(str::to_owned), ..PhoneNumberInfo::default() };
            assert_eq!(check_quality(&number).is_ok, is_ok, "{rating:?}");
        }
    }

    #[test]
    fn an_expired_token_fails_both_checks_and_a_token_without_expiry_passes() {
        let now = Timestamp::UNIX_EPOCH;
        let results = |is_valid, expires_at| {
            check_access_token(&TokenInfo { is_valid, expires_at, ..TokenInfo::default() }, now)
                .map(|check| check.is_ok)
        };
        assert_eq!(results(true, None), [true, true]);
        assert_eq!(results(true, Some(now + SignedDuration::from_hours(1))), [true, true]);
        assert_eq!(results(false, Some(now)), [false, false]);
    }

    #[test]
    fn a_suspended_account_fails_a_check_with_its_reason_and_what_to_do() {
        let mut account = Account {
            id: AccountId::from_bytes([1; 16]),
            workspace: WorkspaceId::from_bytes([1; 16]),
            name: "main".to_owned(),
            phone_number_id: "440022110033998".to_owned(),
            waba_id: "320987650009876".to_owned(),
            display_phone_number: None,
            quality_rating: None,
            messaging_limit_tier: None,
            status: AccountStatus::Connected,
            status_reason: None,
            is_default: true,
            is_sandbox: false,
            fetches_links: None,
        };
        assert_eq!(check_suspension(&account), None);
        account.status = AccountStatus::Suspended;
        account.status_reason = Some("Meta refused with code 131042.".to_owned());
        let check = check_suspension(&account).expect("a failed check");
        assert!(!check.is_ok);
        assert_eq!(
            check.finding,
            "held: Meta refused with code 131042. Fix the cause, then run `waypost accounts resume main`"
        );
    }
}
