//! Steps to set up an account at Meta. `docs/going-live.md` shows the same text.

use domain::accounts::account::Account;

/// Secrets that the account does not have.
pub(super) struct Missing {
    pub(super) app_secret: bool,
    pub(super) verify_token: bool,
}

/// Returns the steps to set up an account at Meta.
pub(super) fn setup_steps(callback_url: &str, account: &Account, missing: &Missing) -> String {
    if account.is_sandbox {
        return format!("the simulator calls {callback_url}; no setup at Meta is needed");
    }
    let name = quoted(&account.name);
    let verify_token = if missing.verify_token {
        format!(
            "this account has no verify token, and Meta needs one to check the callback URL:\n                     \
             waypost accounts update {name} --verify-token-file FILE"
        )
    } else {
        "the value of --verify-token".to_owned()
    };
    let mut text = format!(
        "
Set up at Meta (developers.facebook.com, your app):
  1. WhatsApp > Configuration > Webhook > Edit
     Callback URL    {callback_url}
     Verify token    {verify_token}
     Meta calls the URL at once: `waypost serve` must be running at this address.
  2. WhatsApp > Configuration > Webhook fields: subscribe
     messages, message_template_status_update, message_template_quality_update,
     message_template_components_update, template_category_update, user_preferences,
     account_update, account_alerts, account_review_update, business_capability_update,
     phone_number_name_update, phone_number_quality_update, security
Then run:
  3. waypost accounts subscribe {name}
     subscribes the app to the WhatsApp Business Account {waba}
  4. waypost accounts register {name} --pin-file FILE
     registers the number with a PIN of six digits, if it is not registered yet
  5. waypost accounts test {name}
     checks the account",
        waba = account.waba_id,
    );
    if !callback_url.starts_with("https://") {
        text.push_str(
            "\nMeta calls https URLs only, at a public address: set public_url to your address, such as \
             https://wa.example.com",
        );
    }
    if missing.app_secret {
        text.push_str(&format!(
            "\nThis account has no app secret, and webhooks from Meta are rejected without one:\n  \
             waypost accounts update {name} --app-secret-file FILE"
        ));
    }
    text
}

/// Returns the text as an argument for a shell.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
    if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use domain::accounts::account::AccountStatus;
    use domain::id::{AccountId, WorkspaceId};

    use super::*;

    fn account(name: &str) -> Account {
        Account {
            id: AccountId::from_parts(1, &[1; 10]),
            workspace: WorkspaceId::from_parts(1, &[2; 10]),
            name: name.to_owned(),
            phone_number_id: "106540352242922".to_owned(),
            waba_id: "102290129340398".to_owned(),
            display_phone_number: None,
            quality_rating: None,
            messaging_limit_tier: None,
            status: AccountStatus::Connected,
            status_reason: None,
            is_default: true,
            is_sandbox: false,
            fetches_links: None,
        }
    }

    #[test]
    fn the_page_about_going_live_shows_the_printed_steps() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/going-live.md");
        let page = std::fs::read_to_string(path).expect("the page");
        let missing = Missing { app_secret: false, verify_token: false };
        let printed = setup_steps("https://wa.example.com/webhooks/meta", &account("main"), &missing);
        assert!(page.contains(printed.trim()), "docs/going-live.md does not show this:\n{printed}");
    }

    #[test]
    fn missing_secrets_are_listed_with_the_command_that_sets_them() {
        let missing = Missing { app_secret: true, verify_token: true };
        let printed = setup_steps("http://127.0.0.1:8080/webhooks/meta", &account("it's"), &missing);
        for part in [
            r"waypost accounts update 'it'\''s' --verify-token-file FILE",
            r"waypost accounts update 'it'\''s' --app-secret-file FILE",
            "Meta calls https URLs only",
        ] {
            assert!(printed.contains(part), "{part}: {printed}");
        }
    }
}
