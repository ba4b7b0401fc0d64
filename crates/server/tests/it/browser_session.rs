//! Users in a browser.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use domain::access::permission::Role;
use engine::AuditContext;
use engine::access::user;
use engine::access::user::{NewUser, Requester};
use serde_json::{Value, json};

use crate::support::{TestApp, TestResponse};

/// Password of users that are added without another password.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A browser with a session.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    pub(crate) cookie: String,
    pub(crate) csrf_token: String,
    pub(crate) user: String,
}

impl TestApp {
    /// Adds a user as the command line does.
    pub(crate) async fn add_user(&self, email: &str, role: Role) -> String {
        let by = AuditContext::command_line();
        let new = NewUser { email: email.parse().unwrap(), name: None, role, password: PASSWORD.into() };
        let requester = Requester { caller: None, audit: &by };
        user::create_user(&self.deps, requester, self.workspace, new).await.unwrap().id.to_string()
    }

    /// Sends a login request.
    pub(crate) async fn try_login(&self, body: Value, from: &str) -> TestResponse {
        let peer: SocketAddr = format!("{from}:4711").parse().unwrap();
        let request = Request::post("/api/auth/login")
            .extension(ConnectInfo(peer))
            .body(Body::from(body.to_string()))
            .unwrap();
        self.call(request).await
    }

    /// Logs in with this password.
    pub(crate) async fn log_in_with(&self, email: &str, password: &str) -> Browser {
        let body = json!({"email": email, "password": password});
        let response = self.try_login(body, "203.0.113.7").await.expect(200);
        let cookie = response.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        Browser {
            cookie,
            csrf_token: response.data()["csrf_token"].as_str().unwrap().to_owned(),
            user: response.data()["user"]["id"].as_str().unwrap().to_owned(),
        }
    }

    /// Logs in with the default password.
    pub(crate) async fn log_in(&self, email: &str) -> Browser {
        self.log_in_with(email, PASSWORD).await
    }

    /// Adds a user and logs in.
    pub(crate) async fn browser(&self, role: Role) -> Browser {
        let email = format!("{}@example.com", role.as_str());
        self.add_user(&email, role).await;
        self.log_in(&email).await
    }

    /// Sends a request as a page in this browser does.
    pub(crate) async fn browse(
        &self,
        browser: &Browser,
        method: &str,
        path: &str,
        body: impl Into<Body>,
    ) -> TestResponse {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Cookie", &browser.cookie)
            .header("X-CSRF-Token", &browser.csrf_token)
            .body(body.into())
            .unwrap();
        self.call(request).await
    }
}
