//! Request bodies of accounts.

use domain::check::{Fields, Item};
use domain::id::WorkspaceId;
use engine::accounts;
use engine::accounts::{NewAccountRequest, UpdateAccountRequest, Verification};
use engine::ports::AccountRecord;
use secrecy::SecretString;

/// Maximum length of a name, in characters.
pub(crate) const MAX_NAME: usize = 100;

/// Maximum length of an id from Meta, in characters.
pub(crate) const MAX_ID: usize = 32;

/// Maximum length of a secret, in characters. Tokens from Meta have some hundred characters.
pub(crate) const MAX_SECRET: usize = 2_000;

/// Reads the query of a deletion: `true` if queued messages are to be canceled.
pub(crate) fn read_deletion(fields: &Fields<'_, '_>) -> bool {
    let force =
        fields.optional("force").about("`true`: cancels the messages that wait in the account's queue.");
    force.boolean_or_text().unwrap_or(false)
}

/// Documentation of `access_token`.
const ACCESS_TOKEN: &str = "Access token for the calls to Meta. Unless the account is a sandbox account, the token must be \
                            able to read the phone number and its WhatsApp Business Account.";
/// Documentation of `app_secret`.
const APP_SECRET: &str = "App secret, with which Meta signs webhooks.";
/// Documentation of `verify_token`.
const VERIFY_TOKEN: &str = "Text of your choice, with which Meta verifies the callback URL.";
/// Documentation of `default`.
const DEFAULT: &str = "`true`: sends without `whatsapp_account` use this account.";
/// Documentation of `fetch_media`.
pub(crate) const FETCH_MEDIA: &str = "`true`: Waypost downloads the links in messages and uploads the files to Meta. \
                                      `false`: Meta gets the links. `null`: the configuration decides.";

/// Reads the body of a new account.
pub(crate) fn read_new(
    fields: &Fields<'_, '_>,
    workspace: WorkspaceId,
    is_test_key: bool,
) -> Option<NewAccountRequest> {
    let name = read_name(&fields.required("name").about("Name of the account. Unique."));
    let phone_number_id = read_id(
        &fields.required("phone_number_id").about("Meta's ID of the phone number, not the number itself."),
    );
    let waba_id = read_id(&fields.required("waba_id").about("Meta's ID of the WhatsApp Business Account."));
    let access_token = read_secret(&fields.required("access_token").about(ACCESS_TOKEN));
    let app_secret = read_secret(&fields.optional("app_secret").about(APP_SECRET));
    let verify_token = read_secret(&fields.optional("verify_token").about(VERIFY_TOKEN));
    let is_default = fields.optional("default").about(DEFAULT).boolean().unwrap_or(false);
    // A test key creates sandbox accounts. The handler rejects `false`.
    let is_sandbox = fields.optional("sandbox").about(SANDBOX).boolean().unwrap_or(is_test_key);
    let fetches_links = fields.optional("fetch_media").about(FETCH_MEDIA).boolean();
    Some(NewAccountRequest {
        workspace,
        name: name?,
        phone_number_id: phone_number_id?,
        waba_id: waba_id?,
        access_token: access_token?,
        app_secret,
        verify_token,
        is_default,
        is_sandbox,
        fetches_links,
        verification: Verification::Required,
    })
}

/// Documentation of `sandbox`.
const SANDBOX: &str = "`true`: the account uses the simulator instead of Meta. Default: `true` with a test key, \
                       `false` with a live key.";
/// Documentation of a field that cannot be changed.
const FIXED: &str = "Cannot be changed. Accepted only with its present value.";

/// Reads a change of an account. Without an account the reader can only be described.
pub(crate) fn read_changes(fields: &Fields<'_, '_>, record: Option<&AccountRecord>) -> UpdateAccountRequest {
    let account = record.map(|record| &record.account);
    let phone_number_id = account.map(|account| account.phone_number_id.as_str());
    let waba_id = account.map(|account| account.waba_id.as_str());
    for (name, known) in [("phone_number_id", phone_number_id), ("waba_id", waba_id)] {
        let item = fields.optional(name).about(FIXED);
        if item.string(..).is_some_and(|given| Some(given) != known) {
            item.refuse(
                "cannot be changed: messages and windows belong to this value; create another account",
            );
        }
    }
    let sandbox = fields.optional("sandbox").about(FIXED);
    if sandbox.boolean().is_some_and(|given| Some(given) != account.map(|account| account.is_sandbox)) {
        sandbox.refuse("cannot be changed; create another account");
    }
    let not_null = |name| fields.given(name, "cannot be null");
    UpdateAccountRequest {
        name: read_name(&not_null("name").about("Name of the account. Unique.")),
        access_token: read_secret(&not_null("access_token").about(ACCESS_TOKEN)),
        app_secret: fields.change("app_secret").and_then(|item| read_secret(&item.about(APP_SECRET))),
        requires_verification: true,
        old_app_secret_lifetime: accounts::OLD_APP_SECRET_LIFETIME,
        verify_token: fields.change("verify_token").and_then(|item| read_secret(&item.about(VERIFY_TOKEN))),
        is_default: not_null("default").about(DEFAULT).boolean(),
        fetches_links: fields.change("fetch_media").and_then(|item| item.about(FETCH_MEDIA).boolean()),
    }
}

/// Pattern of a name without control characters and without spaces at its ends.
const NAME: &str =
    r"^[^\s\u0000-\u001f\u007f-\u009f]([^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f])?$";

fn read_name(item: &Item<'_, '_>) -> Option<String> {
    let text = item.pattern(NAME).string(1..=MAX_NAME)?;
    if text.trim() != text || text.is_empty() {
        item.refuse("must not begin or end with a space");
        return None;
    }
    if text.chars().any(char::is_control) {
        item.refuse("must not contain control characters");
        return None;
    }
    Some(text.to_owned())
}

fn read_id(item: &Item<'_, '_>) -> Option<String> {
    let text = item.pattern("^[0-9]+$").string(1..=MAX_ID)?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        item.refuse("must consist of digits: use the id from Meta, not the phone number");
        return None;
    }
    Some(text.to_owned())
}

fn read_secret(item: &Item<'_, '_>) -> Option<SecretString> {
    let text = item.pattern("^[!-~]+$").string(1..=MAX_SECRET)?;
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        item.refuse("must be visible ASCII characters without spaces");
        return None;
    }
    Some(text.into())
}
