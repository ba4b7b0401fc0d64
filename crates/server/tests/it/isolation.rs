//! Isolation of roles, workspaces and secrets. Each test calls every route.

use std::io;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::Request;
use domain::access::api_key::KeyScope;
use domain::access::permission::{MissingScope, Permission, Role};
use engine::{AuditContext, workspace};
use serde_json::{Value, json};
use server::http_options::HttpOptions;
use server::observability::traces;
use server::run::routes;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::browser_session::PASSWORD;
use crate::support::{CUSTOMER, TestApp};
use crate::traces::Collector;

/// Returns the permission that a route needs; `None` if no permission is needed, or the caller is the user itself.
fn required_permission(access: impl std::fmt::Debug) -> Option<Permission> {
    let text = format!("{access:?}");
    let name = text
        .strip_prefix("Permission(")
        .or_else(|| text.strip_prefix("SelfOr("))?
        .trim_end_matches(')')
        .to_owned();
    Permission::ALL.iter().copied().find(|permission| format!("{permission:?}") == name)
}

/// Ids of one object of each kind in a workspace.
struct ObjectIds {
    message: String,
    account: String,
    template: String,
    contact: String,
    key: String,
    user: String,
}

impl ObjectIds {
    async fn of(app: &TestApp) -> Self {
        let first = async |path: &str, name: &str| {
            let response = app.get(path).await.expect(200);
            response.data()[name][0]["id"].as_str().unwrap().to_owned()
        };
        app.post("/api/templates/sync", &json!({})).await.expect(200);
        app.add_user("somebody@example.com", Role::Viewer).await;
        Self {
            message: first("/api/messages", "messages").await,
            account: first("/api/accounts", "accounts").await,
            template: first("/api/templates", "templates").await,
            contact: first("/api/contacts", "contacts").await,
            key: first("/api/api-keys", "api_keys").await,
            user: first("/api/users", "users").await,
        }
    }

    /// Returns the path with the ids of the objects.
    fn fill(&self, path: &str) -> String {
        let id = match path.split('/').nth(1).unwrap() {
            "messages" => &self.message,
            "accounts" => &self.account,
            "templates" => &self.template,
            "contacts" => &self.contact,
            "api-keys" => &self.key,
            "users" => &self.user,
            _ => return format!("/api{path}"),
        };
        format!("/api{}", path.replace("{id}", id))
    }
}

#[tokio::test]
async fn each_role_can_call_exactly_the_routes_of_its_permissions() {
    let app = TestApp::new().await;
    // The event stream ends immediately after the cancellation.
    app.deps.stopping.cancel();
    let things = ObjectIds::of(&app).await;
    for role in Role::ALL {
        app.add_user(&format!("{}@example.com", role.as_str()), role).await;
        let mut browser = app.log_in(&format!("{}@example.com", role.as_str())).await;
        for route in routes() {
            // An invalid body has no effect on routes that take a body.
            let body = if route.method == "GET" || route.method == "DELETE" { "" } else { "[]" };
            let path = things.fill(route.path).replace(&things.user, "00000000-0000-7000-8000-000000000000");
            let path = path.replace(&things.key, "00000000-0000-7000-8000-000000000000");
            let response = app.browse(&browser, route.method, &path, body).await;
            let is_refused = response.status.as_u16() == 403 && response.code() == "forbidden";
            let may =
                required_permission(route.access).is_none_or(|permission| role.has_permission(permission));
            // An invalid body is reported before the access to another user.
            let is_open = route.path == "/users/{id}" && route.method == "PUT";
            assert_eq!(is_refused, !may && !is_open, "{role:?} {} {path}: {}", route.method, response.body);
            assert!(response.status.as_u16() < 500, "{role:?} {} {path}", route.method);
            if route.path == "/auth/logout" {
                browser = app.log_in(&format!("{}@example.com", role.as_str())).await;
            }
        }
    }
}

#[tokio::test]
async fn each_scope_can_call_exactly_the_routes_of_its_permissions() {
    let app = TestApp::new().await;
    // The event stream ends immediately after the cancellation.
    app.deps.stopping.cancel();
    let things = ObjectIds::of(&app).await;
    let nothing = "00000000-0000-7000-8000-000000000000";
    for scope in KeyScope::ALL {
        let key = app.key(|new| new.scopes = vec![scope]).await;
        for route in routes() {
            let body = if route.method == "GET" || route.method == "DELETE" { "" } else { "[]" };
            let path = things.fill(route.path).replace(&things.user, nothing).replace(&things.key, nothing);
            let response = app.request_as(&key, route.method, &path, body).await;
            let permission = required_permission(route.access);
            let may =
                permission.is_none_or(|permission| permission.missing_scope(&[scope]) == MissingScope::None);
            let is_refused = response.status.as_u16() == 403 && response.body["details"]["scope"].is_string();
            let is_open = route.path == "/users/{id}" && route.method == "PUT";
            assert_eq!(is_refused, !may && !is_open, "{scope:?} {} {path}: {}", route.method, response.body);
        }
    }
}

#[tokio::test]
async fn an_unauthenticated_caller_cannot_call_protected_routes() {
    let app = TestApp::new().await;
    // The event stream ends immediately after the cancellation.
    app.deps.stopping.cancel();
    let things = ObjectIds::of(&app).await;
    for route in routes() {
        let request = Request::builder().method(route.method).uri(things.fill(route.path));
        let response = app.call(request.body(Body::from("[]")).unwrap()).await;
        if format!("{:?}", route.access) == "Public" {
            // A GET request without a body cannot be invalid.
            response.expect(if route.method == "GET" { 200 } else { 400 });
        } else {
            assert_eq!(response.expect(401).code(), "invalid_api_key");
        }
    }
}

#[tokio::test]
async fn a_workspace_sees_no_data_of_another_workspace() {
    let app = TestApp::new().await;
    // The event stream ends immediately after the cancellation.
    app.deps.stopping.cancel();
    let things = ObjectIds::of(&app).await;
    let by = AuditContext::command_line();
    let clinic = workspace::create_workspace(&app.deps, &by, "clinic").await.unwrap();
    let secret = app
        .key(|key| {
            key.workspace = clinic;
            key.name = "theirs".to_owned();
        })
        .await;
    let stranger = secret.as_str();
    let ids =
        [&things.message, &things.account, &things.template, &things.contact, &things.key, &things.user];
    let bodies = |path: &str| match path {
        "/messages/{id}" => json!({"send_at": "2026-01-01T05:00:00Z"}),
        "/messages/{id}/resolve" => json!({"action": "resend"}),
        "/users/{id}" => json!({"name": "Theirs"}),
        "/api-keys" => json!({"name": "k", "scopes": ["read"], "accounts": [things.account]}),
        "/users" => json!({"email": "somebody@example.com", "role": "viewer", "password": PASSWORD}),
        "/messages/send" => {
            json!({"to": CUSTOMER, "type": "text", "text": "Hi", "whatsapp_account": things.account})
        }
        "/messages/batch" => json!({"messages": [{"contact": things.contact, "type": "text", "text": "Hi"}]}),
        _ => json!({}),
    };
    let before = app.n_accepted();
    for route in routes() {
        let path = things.fill(route.path);
        let body = match route.method {
            "GET" | "DELETE" => String::new(),
            _ => bodies(route.path).to_string(),
        };
        let response = app.request_as(stranger, route.method, &path, body).await;
        if route.path.contains("{id}") {
            assert_eq!(response.status.as_u16(), 404, "{} {path}: {}", route.method, response.body);
        }
        let text = response.body.to_string();
        for id in ids {
            let is_asked =
                path.contains(id.as_str()) || route.path == "/messages/send" || route.path == "/api-keys";
            assert!(is_asked || !text.contains(id.as_str()), "{} {path}: {text}", route.method);
        }
        assert!(response.status.as_u16() < 500, "{} {path}: {text}", route.method);
    }
    assert_eq!(app.n_accepted(), before);
    for (path, total) in [
        ("/api/messages", 0),
        ("/api/accounts", 0),
        ("/api/templates", 0),
        ("/api/contacts", 0),
        // Each workspace has its own user with this email address.
        ("/api/users", 1),
        // Objects that the workspace created itself.
        ("/api/api-keys", 1),
    ] {
        assert_eq!(
            app.request_as(stranger, "GET", path, "").await.expect(200).data()["total"],
            total,
            "{path}"
        );
    }
    let entries = app.request_as(stranger, "GET", "/api/audit", "").await.expect(200);
    let subjects: Vec<_> = entries.data()["audit"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["subject"]["name"].clone())
        .collect();
    assert_eq!(subjects, ["somebody@example.com", "theirs", "clinic"]);
    assert_eq!(
        app.get(&format!("/api/messages/{}", things.message)).await.expect(200).data()["id"],
        things.message.as_str()
    );
}

/// Captured log lines.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one scenario with every secret")]
async fn no_secret_is_in_the_database_the_log_spans_or_responses() {
    let (log, collector) = (Log::default(), Collector::new().await);
    let writer = log.clone();
    let (spans, mut exporter) = traces::layer(&collector.endpoint).unwrap();
    let lines = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines).with(spans));
    let mut app = TestApp::new().await;
    app.router = server::run::router(&app.deps, HttpOptions { is_traced: true, ..HttpOptions::default() });
    // The event stream ends immediately after the cancellation.
    app.deps.stopping.cancel();
    let mut responses = Vec::new();
    let mut secrets = vec!["marked-password-one".to_owned(), "marked-password-two".to_owned()];
    let owner = app.browser(Role::Owner).await;
    secrets.push(owner.cookie.trim_start_matches("waypost_session=").to_owned());
    secrets.push(PASSWORD.to_owned());
    let body = json!({"email": "ada@example.com", "role": "owner", "password": "marked-password-one"});
    let added = app.browse(&owner, "POST", "/api/users", body.to_string()).await.expect(201);
    let ada = app.log_in_with("ada@example.com", "marked-password-one").await;
    secrets.push(ada.cookie.trim_start_matches("waypost_session=").to_owned());
    let change = json!({"password": "marked-password-two", "current_password": "marked-password-one"});
    responses.push(
        app.browse(&ada, "PUT", &format!("/api/users/{}", ada.user), change.to_string()).await.expect(200),
    );
    responses.push(added);
    let created = app.post("/api/api-keys", &json!({"name": "k", "scopes": ["read"]})).await.expect(201);
    secrets.push(created.data()["key"].as_str().unwrap().to_owned());
    let path = format!("/api/api-keys/{}/rotate", created.data()["id"].as_str().unwrap());
    let rotated = app.post(&path, &json!({})).await.expect(201);
    secrets.push(rotated.data()["key"].as_str().unwrap().to_owned());
    let things = ObjectIds::of(&app).await;
    let account = json!({"name": "desk", "phone_number_id": "330011220099001", "waba_id": "210987650001001",
        "access_token": "marked-token", "app_secret": "marked-app-secret", "verify_token": "marked-word"});
    responses.push(app.post("/api/accounts", &account).await.expect(201));
    let webhook = json!({"name": "shop", "url": "https://shop.example.com/hook", "events": ["*"],
        "headers": {"Authorization": "Bearer marked-header"}});
    let hooked = app.post("/api/webhooks", &webhook).await.expect(201);
    secrets.push(hooked.data()["secret"].as_str().unwrap().to_owned());
    app.post(&format!("/api/webhooks/{}/test", hooked.data()["id"].as_str().unwrap()), &json!({})).await;
    secrets.extend(["marked-token", "marked-app-secret", "marked-word", "marked-header"].map(str::to_owned));
    // Every route receives the marked values in valid and invalid places.
    for route in routes() {
        let marked = json!({
            "email": "marked-password-one", "password": "marked-password-two", "marked-password-one": 1,
            "key": secrets[5], "overlap_seconds": "marked-password-two", "access_token": "marked-token",
            "app_secret": "marked-app-secret", "verify_token": "marked-word", "pin": "marked-word",
            "headers": {"Authorization": "marked-header"},
        });
        let body = if route.method == "GET" { String::new() } else { marked.to_string() };
        let nothing = "00000000-0000-7000-8000-000000000000";
        let path = things.fill(route.path).replace(&things.key, nothing).replace(&things.user, nothing);
        let mut response = app.browse(&owner, route.method, &path, body).await;
        if route.path == "/auth/logout" {
            response.expect(400);
            continue;
        }
        // The response contains the name of an unknown field, but not its value.
        let text = response
            .body
            .to_string()
            .replace("/marked-password-one", "")
            .replace("`marked-password-one`", "");
        response.body = Value::from_str(&text).unwrap_or(Value::String(text));
        responses.push(response);
    }
    for path in [
        "/api/audit",
        "/api/users",
        "/api/api-keys",
        "/api/me",
        "/api/accounts",
        "/api/webhooks",
        "/api/events",
    ] {
        responses.push(app.get(path).await.expect(200));
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(app.folder.path()).unwrap() {
        files.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    exporter.flush(&app.deps).await;
    let (logged, exported) = (log.0.lock().unwrap().clone(), collector.bytes());
    assert!(!logged.is_empty() && exported.len() > 1_000);
    for secret in &secrets {
        let is_in = |bytes: &[u8]| memchr::memmem::find(bytes, secret.as_bytes()).is_some();
        assert!(!is_in(&files), "{secret} is in the database");
        assert!(!is_in(&logged), "{secret} is in the log");
        assert!(!is_in(&exported), "{secret} is in a span");
        for response in &responses {
            assert!(!is_in(response.body.to_string().as_bytes()), "{secret} is in {}", response.body);
        }
    }
}
