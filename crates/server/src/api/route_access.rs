//! Access that a route requires of its caller.

use domain::access::permission::Permission;

use crate::request_bodies::bounds;
use crate::request_bodies::bounds::BodyBounds;

/// Access that a route requires of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteAccess {
    /// No authentication.
    Public,
    /// A valid API key or session.
    Authenticated,
    /// A permission; a user needs none for its own record.
    SelfOr(Permission),
    /// A permission.
    Permission(Permission),
}

/// Handling of the header `Idempotency-Key` on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idempotency {
    /// The header has no effect: the operation reads only, or logs in or out.
    None,
    /// The record is written together with the message.
    Send,
    /// The middleware reads the JSON body and stores the response.
    Json,
    /// The handler reads a large body as a stream; the middleware stores the response.
    Stream,
}

/// One route of the API.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// HTTP method.
    pub method: &'static str,
    /// Path below `/api`.
    pub path: &'static str,
    /// Access that the route requires.
    pub access: RouteAccess,
    /// Path of the handler function.
    pub handler: &'static str,
}

impl Route {
    /// Handling of the header `Idempotency-Key`: every POST that changes something accepts the header.
    pub(crate) fn idempotency(&self) -> Idempotency {
        match self.access {
            RouteAccess::Permission(permission) if self.method == "POST" && !permission.is_read() => {
                match self.path {
                    "/messages/send" | "/messages/batch" => Idempotency::Send,
                    "/contacts/import" | "/media" => Idempotency::Stream,
                    _ => Idempotency::Json,
                }
            }
            RouteAccess::Public
            | RouteAccess::Authenticated
            | RouteAccess::SelfOr(_)
            | RouteAccess::Permission(_) => Idempotency::None,
        }
    }

    /// Bounds of the body.
    pub(crate) fn body_bounds(&self) -> BodyBounds {
        match self.path {
            path if path.starts_with("/auth/") => bounds::LOGIN,
            "/media" => bounds::UPLOAD,
            "/contacts/import" => bounds::IMPORT,
            _ => bounds::API,
        }
    }

    /// Name of the handler function, which is the `operationId` in the OpenAPI document.
    pub fn name(&self) -> &'static str {
        self.handler.rsplit(':').next().unwrap_or_default().trim()
    }
}
