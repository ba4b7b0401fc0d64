//! Users.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::access::permission::{Permission, Role};
use domain::access::user::{Email, password_fault};
use domain::check::{Fields, Item, Patch};
use domain::id::UserId;
use engine::Deps;
use engine::access::api_key::Caller;
use engine::access::user;
use engine::access::user::{Asking, NewUser, UserEdit, UserError};
use engine::ports::UserFilter;
use secrecy::SecretString;

use super::auth::too_many;
use super::keys::name;
use super::visit::{Acting, Allowed, Named, lacks, whole_seconds_until};
use super::{ApiError, Code, answer, body, list, show};

/// The longest text that is taken for a password before it is judged.
pub(super) const LONGEST: usize = 1000;

fn roles() -> [(&'static str, Role); 4] {
    Role::ALL.map(|role| (role.as_str(), role))
}

/// Lists users, oldest first.
pub(crate) async fn list_users(
    State(deps): State<Arc<Deps>>,
    Allowed(caller): Allowed,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = body::query(query.as_deref())?;
    let (filter, page) = body::read(&query, |fields| {
        let filter = UserFilter {
            id: None,
            email: fields.optional("email").string(1..=LONGEST).map(str::to_lowercase),
            role: fields.optional("role").choice(&roles()),
            search: fields.optional("search").string(1..=200).map(str::to_owned),
        };
        (filter, list::page_request("users", fields))
    })?;
    let found = deps.access.list_users(caller.workspace(), &filter, page).await?;
    Ok(list::page("users", page, found, |user| show::user(&user)))
}

/// One user; everybody may see themselves.
pub(crate) async fn get_user(
    State(deps): State<Arc<Deps>>,
    Allowed(caller): Allowed,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    body::no_query(query.as_deref())?;
    let is_own = matches!(&caller, Caller::User(session) if session.user.id.to_string() == id);
    if !is_own && !caller.may(Permission::ManageUsers) {
        return Err(lacks(&caller, Permission::ManageUsers));
    }
    let found = user::find(&deps, caller.workspace(), user_id(&id)?).await?.ok_or_else(not_found)?;
    Ok(answer::success(StatusCode::OK, &show::user(&found)))
}

fn user_id(id: &str) -> Result<UserId, ApiError> {
    id.parse().map_err(|_| not_found())
}

pub(super) fn not_found() -> ApiError {
    ApiError::new(Code::UserNotFound, "There is no user with this id.")
}

/// Adds a user.
pub(crate) async fn create_user(
    State(deps): State<Arc<Deps>>,
    Acting(caller, by): Acting,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = body::json(&deps, &headers, body).await?;
    let (email, name, role, password) = body::read(&object, |fields| {
        (
            email(&fields.required("email")),
            name(&fields.optional("name")),
            fields.required("role").choice(&roles()),
            password(&fields.required("password")),
        )
    })?;
    let (Some(email), Some(role), Some(password)) = (email, role, password) else {
        return Err(ApiError::invalid_at("", "the request is not complete"));
    };
    let asking = Asking { caller: Some(&caller), by: &by };
    let new = NewUser { email, name, role, password };
    let user = user::add(&deps, asking, caller.workspace(), new)
        .await
        .map_err(|error| refuse(&deps, &caller, error))?;
    Ok(answer::success(StatusCode::CREATED, &show::user(&user)))
}

fn email(item: &Item<'_, '_>) -> Option<Email> {
    match item.string(..)?.parse() {
        Ok(email) => Some(email),
        Err(error) => {
            item.refuse(error.to_string());
            None
        }
    }
}

fn password(item: &Item<'_, '_>) -> Option<SecretString> {
    let text = item.string(..)?;
    if let Some(fault) = password_fault(text) {
        item.refuse(fault);
        return None;
    }
    Some(SecretString::from(text))
}

/// What a field becomes that cannot be empty.
fn given<T>(
    fields: &Fields<'_, '_>,
    field: &'static str,
    read: impl FnOnce(&Item<'_, '_>) -> Option<T>,
) -> Option<T> {
    match fields.change(field) {
        Patch::Keep => None,
        Patch::Clear => {
            fields.optional(field).refuse("cannot be cleared");
            None
        }
        Patch::Set(item) => read(&item),
    }
}

/// Changes a user: name and own password everybody, the rest whoever manages users.
pub(crate) async fn update_user(
    State(deps): State<Arc<Deps>>,
    Acting(caller, by): Acting,
    Named(id): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = body::json(&deps, &headers, body).await?;
    let edit = body::read(&object, |fields| UserEdit {
        email: given(fields, "email", email),
        name: match fields.change("name") {
            Patch::Keep => None,
            Patch::Clear => Some(None),
            Patch::Set(item) => name(&item).map(Some),
        },
        role: given(fields, "role", |item| item.choice(&roles())),
        is_disabled: given(fields, "disabled", |item| item.boolean()),
        password: given(fields, "password", password),
        current_password: fields.optional("current_password").string(1..=LONGEST).map(SecretString::from),
    })?;
    let asking = Asking { caller: Some(&caller), by: &by };
    let whose = (caller.workspace(), user_id(&id)?);
    let user =
        user::change(&deps, asking, whose, edit).await.map_err(|error| refuse(&deps, &caller, error))?;
    Ok(answer::success(StatusCode::OK, &show::user(&user)))
}

/// Removes a user with all sessions.
pub(crate) async fn remove_user(
    State(deps): State<Arc<Deps>>,
    Acting(caller, by): Acting,
    Named(id): Named,
) -> Result<Response, ApiError> {
    let asking = Asking { caller: Some(&caller), by: &by };
    let id = user_id(&id)?;
    user::remove(&deps, asking, caller.workspace(), id)
        .await
        .map_err(|error| refuse(&deps, &caller, error))?;
    Ok(answer::no_content())
}

fn refuse(deps: &Deps, caller: &Caller, error: UserError) -> ApiError {
    match error {
        UserError::NotFound => not_found(),
        UserError::EmailTaken => {
            ApiError::new(Code::EmailTaken, "Another user of this workspace has this address.")
        }
        UserError::LastOwner => ApiError::new(
            Code::LastOwner,
            "This is the workspace's last owner: make somebody else an owner first.",
        ),
        UserError::Lacks(permission) => lacks(caller, permission),
        UserError::Exceeds(role) => {
            let role = role.as_str();
            let message =
                format!("The role `{role}` may do more than you: you can neither give nor change it.");
            ApiError::new(Code::Forbidden, message).with("role", role)
        }
        UserError::KeyOfSomeAccounts => ApiError::new(
            Code::Forbidden,
            "This API key may not use every account of the workspace, but a user may: it can neither add nor change one.",
        ),
        UserError::NeedsPassword => {
            ApiError::invalid_at("/current_password", "is required to change your own password")
        }
        UserError::WrongPassword => ApiError::invalid_at("/current_password", "is not your password"),
        UserError::TooMany(until) => too_many(whole_seconds_until(until, deps.now())),
        UserError::Password(error) => error.into(),
        UserError::Store(error) => error.into(),
    }
}
