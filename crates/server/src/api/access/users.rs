//! Users: list, get, create, update and delete.

use crate::api::access::serialize::USER_EXAMPLE;
use crate::api::openapi::example::USER;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use domain::check::RequestSchema;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::access::password::{MAX_PASSWORD, MIN_PASSWORD, password_error};
use domain::access::permission::{Permission, Role};
use domain::access::user::{Email, MAX_EMAIL};
use domain::check::{Fields, Item, Patch};
use domain::id::UserId;
use engine::Deps;
use engine::access::caller::Caller;
use engine::access::user;
use engine::access::user::{NewUser, Requester, UpdateUserRequest, UserError};
use engine::ports::UserFilter;
use secrecy::SecretString;

use crate::api::access::api_keys::name;
use crate::api::access::serialize::serialize_user;
use crate::api::access::session::too_many_logins;
use crate::api::error::{ApiError, Code};
use crate::api::pagination::PageQuery;
use crate::api::request_context::{Audited, Authorized, IdOrName, missing_permission};
use crate::api::{request_body, response};

/// Maximum length of an e-mail address in a filter and of a current password.
pub(crate) const MAX_LENGTH: usize = 1000;

fn roles() -> [(&'static str, Role); 4] {
    Role::ALL.map(|role| (role.as_str(), role))
}

/// Lists users, oldest first.
pub(crate) async fn list_users(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let (filter, page) = request_body::read(&query, read_list)?;
    let page = page.open(&deps, &caller)?;
    let found = page.read(deps.users.list_users(caller.workspace(), &filter, page.request())).await?;
    page.respond(found, |user| serialize_user(&user))
}

/// Reads the query of a list of users.
pub(crate) fn read_list(fields: &Fields<'_, '_>) -> (UserFilter, PageQuery) {
    let email = fields.optional("email").about("Whole e-mail address, in any case.");
    let search = fields.optional("search").about("Part of the name or of the e-mail address.");
    let filter = UserFilter {
        id: None,
        email: email.string(1..=MAX_LENGTH).map(str::to_lowercase),
        role: fields.optional("role").about("Role of the user.").choice(&roles()),
        search: search.string(1..=200).map(str::to_owned),
    };
    (filter, PageQuery::read("users", fields))
}

/// Returns one user. Every user may read their own record.
pub(crate) async fn get_user(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    request_body::reject_query(query.as_deref())?;
    let is_own = matches!(&caller, Caller::User(session) if session.user.id.to_string() == id);
    if !is_own && !caller.has_permission(Permission::ManageUsers) {
        return Err(missing_permission(&caller, Permission::ManageUsers));
    }
    let found = user::get_user(&deps, caller.workspace(), user_id(&id)?).await?.ok_or_else(not_found)?;
    Ok(response::success(StatusCode::OK, &serialize_user(&found)))
}

fn user_id(id: &str) -> Result<UserId, ApiError> {
    id.parse().map_err(|_| not_found())
}

pub(crate) fn not_found() -> ApiError {
    ApiError::new(Code::UserNotFound, "There is no user with this id.")
}

/// Creates a user.
pub(crate) async fn create_user(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&headers, body).await?;
    let (email, name, role, password) = request_body::read(&object, read_new)?;
    let (Some(email), Some(role), Some(password)) = (email, role, password) else {
        return Err(ApiError::invalid_at("", "the request is not complete"));
    };
    let requester = Requester { caller: Some(&caller), audit: &audit };
    let new = NewUser { email, name, role, password };
    let user = user::create_user(&deps, requester, caller.workspace(), new)
        .await
        .map_err(|error| user_error(&deps, &caller, error))?;
    Ok(response::success(StatusCode::CREATED, &serialize_user(&user)))
}

/// Fields of a new user: e-mail address, name, role and password.
type NewFields = (Option<Email>, Option<String>, Option<Role>, Option<SecretString>);

/// Reads the body of a new user.
pub(crate) fn read_new(fields: &Fields<'_, '_>) -> NewFields {
    (
        email(&fields.required("email").about("E-mail address to log in with.")),
        name(&fields.optional("name").about("Name of the user.")),
        fields.required("role").about("Role of the user.").choice(&roles()),
        password(&fields.required("password")),
    )
}

fn email(item: &Item<'_, '_>) -> Option<Email> {
    let item = item.format("email").keyword("maxLength", i64::try_from(MAX_EMAIL).unwrap_or(i64::MAX));
    match item.string(..)?.parse() {
        Ok(email) => Some(email),
        Err(error) => {
            item.refuse(error.to_string());
            None
        }
    }
}

fn password(item: &Item<'_, '_>) -> Option<SecretString> {
    let item = item
        .about("Password. Common passwords and passwords that follow from the email address are refused.")
        .format("password");
    let item = item.keyword("minLength", i64::try_from(MIN_PASSWORD).unwrap_or(0));
    let item = item.keyword("maxLength", i64::try_from(MAX_PASSWORD).unwrap_or(i64::MAX));
    let text = item.string(..)?;
    if let Some(reason) = password_error(text, None) {
        item.refuse(reason);
        return None;
    }
    Some(SecretString::from(text))
}

/// Reads a change of a user.
pub(crate) fn read_change(fields: &Fields<'_, '_>) -> UpdateUserRequest {
    let given = |name| fields.given(name, "cannot be cleared");
    let current_password = fields.optional("current_password");
    UpdateUserRequest {
        email: email(&given("email").about("E-mail address to log in with.")),
        name: match fields.change("name") {
            Patch::Unchanged => None,
            Patch::Clear => Some(None),
            Patch::Set(item) => name(&item.about("Name of the user.")).map(Some),
        },
        role: given("role").about("Role of the user.").choice(&roles()),
        is_disabled: given("disabled").about("`true`: the user cannot log in.").boolean(),
        password: password(&given("password")),
        current_password: current_password
            .about("Current password. Required to change your own password.")
            .string(1..=MAX_LENGTH)
            .map(SecretString::from),
    }
}

/// Changes a user. Every user may change their own name and password; other changes need a permission.
pub(crate) async fn update_user(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&headers, body).await?;
    let edit = request_body::read(&object, read_change)?;
    let requester = Requester { caller: Some(&caller), audit: &audit };
    let user = user::update_user(&deps, requester, caller.workspace(), user_id(&id)?, edit)
        .await
        .map_err(|error| user_error(&deps, &caller, error))?;
    Ok(response::success(StatusCode::OK, &serialize_user(&user)))
}

/// Deletes a user and ends the sessions of the user.
pub(crate) async fn delete_user(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
) -> Result<Response, ApiError> {
    let requester = Requester { caller: Some(&caller), audit: &audit };
    let id = user_id(&id)?;
    user::delete_user(&deps, requester, caller.workspace(), id)
        .await
        .map_err(|error| user_error(&deps, &caller, error))?;
    Ok(response::no_content())
}

fn user_error(deps: &Deps, caller: &Caller, error: UserError) -> ApiError {
    match error {
        UserError::NotFound => not_found(),
        UserError::EmailTaken => {
            ApiError::new(Code::EmailTaken, "Another user of the workspace has this email address.")
        }
        UserError::LastOwner => ApiError::new(
            Code::LastOwner,
            "This user is the last owner of the workspace. Make another user an owner first.",
        ),
        UserError::MissingPermission(permission) => missing_permission(caller, permission),
        UserError::RoleExceedsRequester(role) => {
            let role = role.as_str();
            let message = format!(
                "The role `{role}` has more permissions than the caller. The caller cannot assign this role, and cannot change users with this role."
            );
            ApiError::new(Code::Forbidden, message).with("role", role)
        }
        UserError::RestrictedKey => ApiError::new(
            Code::Forbidden,
            "This API key has no access to some accounts of the workspace. Users have access to all accounts, so this key cannot manage users.",
        ),
        UserError::CurrentPasswordRequired => {
            ApiError::invalid_at("/current_password", "is required to change your own password")
        }
        UserError::WrongPassword => ApiError::invalid_at("/current_password", "is wrong"),
        UserError::TooManyFailures(until) => {
            too_many_logins(crate::api::response::seconds_until(until, deps.now()))
        }
        UserError::PasswordNotAllowed(reason) => ApiError::invalid_at("/password", reason),
        UserError::Password(error) => error.into(),
        UserError::Store(error) => error.into(),
    }
}

/// Describes the operations of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("list_users", "List users", "Oldest first.")
            .query(RequestSchema::of_query(read_list))
            .responds_page("users", "User", USER_EXAMPLE),
        Operation::new("create_user", "Create a user", "")
            .body(RequestSchema::of(read_new), [("agent", CREATE_USER_REQUEST)])
            .responds(201, "The user.", Schema::reference("User"), USER_EXAMPLE)
            .errors([Code::EmailTaken]),
        Operation::new("get_user", "Get a user", "Every user may read their own record.")
            .id("ID of the user.", USER)
            .responds(200, "The user.", Schema::reference("User"), USER_EXAMPLE)
            .errors([Code::UserNotFound]),
        Operation::new(
            "update_user",
            "Update a user",
            "Changes the given fields. `null` clears `name`; no other field can be cleared. \
             Every user may change their own name and password.",
        )
        .id("ID of the user.", USER)
        .body(RequestSchema::of(read_change), [("name", r#"{"name":"Ada King"}"#)])
        .responds(200, "The user.", Schema::reference("User"), USER_EXAMPLE)
        .errors([Code::UserNotFound, Code::EmailTaken, Code::LastOwner]),
        Operation::new("delete_user", "Delete a user", "Deletes the user and ends their sessions.")
            .id("ID of the user.", USER)
            .responds_empty(204, "The user is deleted.")
            .errors([Code::UserNotFound, Code::LastOwner]),
    ]
}

const CREATE_USER_REQUEST: &str =
    r#"{"email":"ada@example.com","name":"Ada Byron","role":"agent","password":"a long sentence"}"#;
