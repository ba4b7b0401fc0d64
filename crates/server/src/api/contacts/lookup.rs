//! Lookup of contacts that a caller has access to.

use engine::access::caller::Caller;
use engine::contacts::ContactLookup;
use engine::ports::Contact;
use engine::{Deps, contacts};

use crate::api::error::{ApiError, Code};

/// Description of the id of a contact in a path.
pub(crate) const CONTACT_ID: &str = "ID of the contact.";

/// The error of an unknown contact.
pub(crate) fn not_found(id: &str) -> ApiError {
    ApiError::new(Code::ContactNotFound, format!("There is no contact `{id}`."))
}

/// Returns a contact that the caller has access to.
pub(crate) async fn find(deps: &Deps, caller: &Caller, id: &str) -> Result<Contact, ApiError> {
    let parsed = id.parse().map_err(|_| not_found(id))?;
    match contacts::get_contact(deps, caller, parsed).await?.ok_or_else(|| not_found(id))? {
        ContactLookup::Visible(contact) => Ok(*contact),
        ContactLookup::Hidden => Err(ApiError::forbidden_account()),
    }
}

/// Checks that the caller has access to all accounts of the workspace, which changes of contacts require.
pub(crate) fn require_all_accounts(deps: &Deps, caller: &Caller) -> Result<(), ApiError> {
    if caller.has_workspace_access(deps) {
        return Ok(());
    }
    Err(ApiError::new(
        Code::Forbidden,
        "Contacts belong to the whole workspace. This API key has no access to some of its accounts, so it cannot change contacts.",
    ))
}
