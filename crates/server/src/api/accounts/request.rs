//! Request bodies of accounts.

use domain::check::{Fields, Item, Patch};
use engine::access::api_key::Caller;
use engine::accounts;
use engine::accounts::{AddAccount, ChangeAccount};
use engine::ports::AccountRecord;
use secrecy::SecretString;

/// The longest name, in characters.
pub(crate) const MAX_NAME: usize = 100;

/// The longest of Meta's ids.
pub(crate) const MAX_ID: usize = 32;

/// The longest secret; Meta's tokens are some hundred characters.
pub(crate) const MAX_SECRET: usize = 2_000;

pub(crate) fn read_new(fields: &Fields<'_, '_>, caller: &Caller) -> Option<AddAccount> {
    let name = read_name(&fields.required("name"));
    let phone_number_id = read_id(&fields.required("phone_number_id"));
    let waba_id = read_id(&fields.required("waba_id"));
    let access_token = read_secret(&fields.required("access_token"));
    let app_secret = read_secret(&fields.optional("app_secret"));
    let verify_token = read_secret(&fields.optional("verify_token"));
    let is_default = fields.optional("default").boolean().unwrap_or(false);
    // What a test key makes is a sandbox account, unless it says otherwise, which is refused.
    let is_sandbox = fields.optional("sandbox").boolean().unwrap_or(caller.is_test());
    let fetches_links = fields.optional("fetch_media").boolean();
    Some(AddAccount {
        workspace: caller.workspace(),
        name: name?,
        phone_number_id: phone_number_id?,
        waba_id: waba_id?,
        access_token: access_token?,
        app_secret,
        verify_token,
        is_default,
        is_sandbox,
        fetches_links,
    })
}

pub(crate) fn read_changes(fields: &Fields<'_, '_>, record: &AccountRecord) -> ChangeAccount {
    let account = &record.account;
    for (name, known) in [("phone_number_id", &account.phone_number_id), ("waba_id", &account.waba_id)] {
        let item = fields.optional(name);
        if item.string(..).is_some_and(|given| given != known) {
            item.refuse(
                "cannot be changed: messages and windows belong to this value; create another account",
            );
        }
    }
    let sandbox = fields.optional("sandbox");
    if sandbox.boolean().is_some_and(|given| given != account.is_sandbox) {
        sandbox.refuse("cannot be changed; create another account");
    }
    let needed = |name| match fields.change(name) {
        Patch::Unchanged => None,
        Patch::Clear => {
            fields.optional(name).refuse("cannot be null");
            None
        }
        Patch::Set(item) => Some(item),
    };
    ChangeAccount {
        name: needed("name").and_then(|item| read_name(&item)),
        access_token: needed("access_token").and_then(|item| read_secret(&item)),
        app_secret: fields.change("app_secret").and_then(|item| read_secret(&item)),
        keep_old_for: accounts::KEEP_OLD_FOR,
        verify_token: fields.change("verify_token").and_then(|item| read_secret(&item)),
        is_default: needed("default").and_then(|item| item.boolean()),
        fetches_links: fields.change("fetch_media").and_then(|item| item.boolean()),
    }
}

fn read_name(item: &Item<'_, '_>) -> Option<String> {
    let text = item.string(1..=MAX_NAME)?;
    if text.trim() != text || text.is_empty() {
        item.refuse("must not begin or end with a space");
        return None;
    }
    if text.chars().any(char::is_control) {
        item.refuse("must not hold control characters");
        return None;
    }
    Some(text.to_owned())
}

fn read_id(item: &Item<'_, '_>) -> Option<String> {
    let text = item.string(1..=MAX_ID)?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        item.refuse("must consist of digits: the id from Meta, not the phone number");
        return None;
    }
    Some(text.to_owned())
}

fn read_secret(item: &Item<'_, '_>) -> Option<SecretString> {
    let text = item.string(1..=MAX_SECRET)?;
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        item.refuse("must be visible ASCII characters without spaces");
        return None;
    }
    Some(text.into())
}
