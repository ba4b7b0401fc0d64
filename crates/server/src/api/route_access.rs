//! Access that a route requires of its caller.

use domain::access::permission::Permission;

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
    /// Name of the handler function, which is the `operationId` in the OpenAPI document.
    pub fn name(&self) -> &'static str {
        self.handler.rsplit(':').next().unwrap_or_default().trim()
    }
}
