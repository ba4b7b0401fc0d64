//! Log in, log out, get the caller.

use crate::api::access::serialize::USER_EXAMPLE;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::required;
use domain::access::api_key::KeyScope;
use domain::access::permission::Permission;
use domain::access::permission::Role;
use domain::check::RequestSchema;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use domain::access::user::Email;
use domain::check::Fields;
use domain::json::Value;
use engine::access::caller::Caller;
use engine::access::session;
use engine::access::session::{LoginError, LoginRequest};
use engine::{Deps, directory};
use secrecy::{ExposeSecret as _, SecretString};

use crate::api::access::serialize::{serialize_api_key, serialize_user};
use crate::api::cookies::Cookie;
use crate::api::error::{ApiError, Code};
use crate::api::request_context::{Authorized, RequestContext};
use crate::api::serialize::time;
use crate::api::{request_body, response};

/// Maximum length of an e-mail address, a password or a name of a workspace in a login.
pub(crate) const MAX_LENGTH: usize = 1000;

/// Starts a session.
pub(crate) async fn log_in(
    State(deps): State<Arc<Deps>>,
    context: RequestContext,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    context.refuse_cross_site()?;
    let object = request_body::json(&headers, body).await?;
    let (email, password, workspace) = request_body::read(&object, read_login)?;
    let (Some(email), Some(password)) = (email, password) else {
        return Err(ApiError::invalid_at("", "the request is not complete"));
    };
    // A text that is not an e-mail address belongs to no user. The login fails like any other.
    let email = email.parse::<Email>().map_or_else(|_| email.to_lowercase(), |email| email.key());
    let request = LoginRequest {
        email,
        password,
        workspace,
        client: context.client(),
        request_id: context.shared_request_id(),
    };
    // Another process may have just added the workspace.
    directory::refresh_now(&deps).await;
    let (session, secret) =
        session::log_in(&deps, request).await.map_err(|error| login_error(&deps, error))?;
    let data = response::object([
        ("user", serialize_user(&session.user)),
        ("csrf_token", session.csrf_token.as_str().into()),
        ("expires_at", time(session.ends_at)),
    ]);
    let max_age = deps.settings.sessions.absolute;
    with_cookie(
        response::success(StatusCode::OK, &data),
        &Cookie::Session.set(secret.expose_secret(), max_age, context.web()),
    )
}

/// Fields of a login: e-mail address, password and workspace.
type LoginFields = (Option<String>, Option<SecretString>, Option<String>);

/// Reads the body of a login.
pub(crate) fn read_login(fields: &Fields<'_, '_>) -> LoginFields {
    let workspace = fields.optional("workspace");
    (
        fields
            .required("email")
            .about("E-mail address of the user.")
            .string(1..=MAX_LENGTH)
            .map(str::to_owned),
        fields.required("password").format("password").string(1..=MAX_LENGTH).map(SecretString::from),
        workspace
            .about("Name of the workspace. Required for a user of several workspaces.")
            .string(1..=MAX_LENGTH)
            .map(str::to_owned),
    )
}

fn login_error(deps: &Deps, error: LoginError) -> ApiError {
    match error {
        LoginError::InvalidCredentials => {
            ApiError::new(Code::InvalidCredentials, "The email address or the password is wrong.")
        }
        LoginError::TooManyFailures(until) => {
            too_many_logins(crate::api::response::seconds_until(until, deps.now()))
        }
        LoginError::Password(error) => error.into(),
        LoginError::Store(error) => error.into(),
    }
}

/// The error of a login that is delayed after too many failed logins.
pub(crate) fn too_many_logins(wait: u32) -> ApiError {
    let message = format!("Too many failed logins. Try again in {wait} s.");
    ApiError::new(Code::RateLimited, message).retry_after(wait)
}

fn with_cookie(mut response: Response, cookie: &str) -> Result<Response, ApiError> {
    let value = HeaderValue::try_from(cookie).map_err(|_| ApiError::internal())?;
    response.headers_mut().insert(header::SET_COOKIE, value);
    Ok(response::secret(response))
}

/// Ends the session of the caller.
pub(crate) async fn log_out(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    context: RequestContext,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    request_body::empty(&headers, body).await?;
    let Caller::User(session) = caller else {
        return Err(ApiError::new(Code::Forbidden, "An API key has no session. Revoke the key instead."));
    };
    session::log_out(&deps, &session).await?;
    with_cookie(response::no_content(), &Cookie::Session.clear(context.web()))
}

/// Returns the caller and its permissions.
pub(crate) async fn get_me(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    request_body::reject_query(query.as_deref())?;
    let workspace = caller.workspace();
    let name = session::workspace_name(&deps, workspace);
    let permissions = caller.permissions().map(|permission| permission.as_str().into()).collect();
    let mut json = domain::json::Object::new();
    match &caller {
        Caller::Key(key) => {
            json.insert("kind", "api_key");
            json.insert("key", serialize_api_key(key));
            json.insert(
                "scopes",
                Value::Array(key.scopes.iter().map(|scope| scope.as_str().into()).collect()),
            );
        }
        Caller::User(session) => {
            json.insert("kind", "user");
            json.insert("user", serialize_user(&session.user));
            json.insert("role", session.user.role.as_str());
            json.insert("csrf_token", session.csrf_token.as_str());
            json.insert("expires_at", time(session.ends_at));
        }
    }
    json.insert("workspace", response::object([("id", workspace.to_string().into()), ("name", name.into())]));
    json.insert("permissions", Value::Array(permissions));
    Ok(response::secret(response::success(StatusCode::OK, &json)))
}

/// Describes the operations of this file.
pub(crate) fn operations() -> Vec<Operation> {
    let session = Schema::object([
        required("user", Schema::reference("User")),
        required("csrf_token", Schema::string(1..).about("Value of the header `X-CSRF-Token`.")),
        required("expires_at", Schema::time().about("Time at which the session ends.")),
    ]);
    let logged_in = format!(
        r#"{{"user":{},"csrf_token":"Zm9yIHRoZSBoZWFkZXI","expires_at":"2026-05-30T10:30:00.000Z"}}"#,
        USER_EXAMPLE
    );
    vec![
        Operation::new(
            "log_in",
            "Log in",
            "Starts a session and sets its cookie. Requests that change something also need the header \
             `X-CSRF-Token`. After several wrong passwords, further attempts are delayed.",
        )
        .body(
            RequestSchema::of(read_login),
            [("ada", r#"{"email":"ada@example.com","password":"a long sentence"}"#)],
        )
        .responds(200, "The session.", session, &logged_in)
        .response_header("Set-Cookie", "The session cookie.", Schema::string(1..))
        .errors([Code::InvalidCredentials, Code::RateLimited]),
        Operation::new(
            "log_out",
            "Log out",
            "Ends the session of the caller. An API key has no session: the \
             response is 403.",
        )
        .empty_body()
        .responds_empty(204, "The session has ended.")
        .response_header("Set-Cookie", "Removes the session cookie.", Schema::string(1..)),
        Operation::new(
            "get_me",
            "Get the caller",
            "Returns the API key or the user that makes the request, with \
             its permissions.",
        )
        .responds(200, "The API key or the user.", Schema::reference("Me"), CALLER_EXAMPLE),
    ]
}

/// Returns the named schemas of the caller.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let workspace = || {
        required(
            "workspace",
            Schema::object([required("id", Schema::uuid()), required("name", Schema::string(..))]),
        )
    };
    let permissions = || {
        let names = Permission::ALL.iter().map(|permission| permission.as_str());
        required("permissions", Schema::array(Schema::enumeration(names), ..))
    };
    let key = Schema::object([
        required("kind", Schema::constant("api_key")),
        required("key", Schema::reference("ApiKey")),
        required("scopes", Schema::array(Schema::enumeration(KeyScope::ALL.map(KeyScope::as_str)), ..)),
        workspace(),
        permissions(),
    ]);
    let user = Schema::object([
        required("kind", Schema::constant("user")),
        required("user", Schema::reference("User")),
        required("role", Schema::enumeration(Role::ALL.map(Role::as_str))),
        required("csrf_token", Schema::string(1..)),
        required("expires_at", Schema::format("date-time")),
        workspace(),
        permissions(),
    ]);
    let json = Schema::discriminated(
        "kind",
        [("api_key", "CallingApiKey".to_owned()), ("user", "CallingUser".to_owned())],
    );
    vec![("CallingApiKey", key), ("CallingUser", user), ("Me", json)]
}

const CALLER_EXAMPLE: &str = r#"{"kind":"api_key","key":{"id":"01a2b3c4-0000-7000-8000-000000000005","name":"shop",
    "prefix":"wp_test_4kQz","scopes":["read"],"accounts":[],"test":true,"rate_per_minute":null,"rate_burst":null,
    "expires_at":null,"replaced_by":null,"created_at":"2026-05-29T10:30:00.000Z","last_used_at":"2026-05-29T10:31:00.000Z"},
    "scopes":["read"],"workspace":{"id":"01a2b3c4-0000-7000-8000-00000000000b","name":"default"},
    "permissions":["messages.read","contacts.read","templates.read","accounts.read","events.read"]}"#;
