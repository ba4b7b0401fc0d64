//! Every route of the API, and what a caller needs for it. `docs/permissions.md` is printed from this list.

use axum::Router;
use axum::extract::Extension;
use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use std::sync::Arc;

use domain::access::permission::Permission;
use engine::Deps;

use super::{
    accounts, audit, auth, batch, contacts, events, keys, media, messages, openapi, send, templates, users,
    webhooks,
};

/// What a caller needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: anybody may call.
    Nothing,
    /// A valid key or a session, whatever it may do.
    Known,
    /// A permission; one's own user needs none.
    OwnOr(Permission),
    /// A permission.
    May(Permission),
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// `GET`, `POST`, …
    pub method: &'static str,
    /// The path below `/api`.
    pub path: &'static str,
    /// What a caller needs.
    pub needs: Needs,
    /// The handler, with its module.
    pub handler: &'static str,
}

impl Route {
    /// The handler's name: what the route is called in the API's description.
    pub fn name(&self) -> &'static str {
        self.handler.rsplit(':').next().unwrap_or_default().trim()
    }
}

macro_rules! routes {
    ($($method:ident $path:literal $handler:path, $needs:expr;)*) => {
        /// Every route, in the order of the page.
        pub(crate) const ROUTES: &[Route] =
            &[$(Route {
                method: stringify!($method),
                path: $path,
                needs: $needs,
                handler: stringify!($handler),
            }),*];

        /// The routes. Each tells its handler what its caller needs.
        pub(super) fn router() -> Router<Arc<Deps>> {
            let needs: fn(Needs) -> Extension<Needs> = Extension;
            Router::new()
                $(.route($path, on(MethodFilter::$method, $handler.layer(needs($needs)))))*
        }
    };
}

use Needs::{Known, May, Nothing, OwnOr};
use Permission as P;

routes! {
    POST "/auth/login" auth::log_in, Nothing;
    POST "/auth/logout" auth::log_out, Known;
    GET "/me" auth::get_me, Known;
    POST "/messages/send" send::send_message, May(P::SendMessages);
    POST "/messages/batch" batch::send_batch, May(P::SendMessages);
    GET "/messages" messages::list_messages, May(P::ReadMessages);
    GET "/messages/{id}" messages::get_message, May(P::ReadMessages);
    POST "/messages/{id}/read" messages::read_message, May(P::SendMessages);
    POST "/messages/{id}/cancel" messages::cancel_message, May(P::SendMessages);
    POST "/messages/{id}/resolve" messages::resolve_message, May(P::SendMessages);
    GET "/accounts" accounts::list_accounts, May(P::ReadAccounts);
    POST "/accounts" accounts::create_account, May(P::ManageAccounts);
    GET "/accounts/{id}" accounts::get_account, May(P::ReadAccounts);
    PUT "/accounts/{id}" accounts::update_account, May(P::ManageAccounts);
    DELETE "/accounts/{id}" accounts::delete_account, May(P::ManageAccounts);
    POST "/accounts/{id}/test" accounts::test_account, May(P::ManageAccounts);
    POST "/accounts/{id}/subscribe" accounts::subscribe_account, May(P::ManageAccounts);
    POST "/accounts/{id}/register" accounts::register_account, May(P::ManageAccounts);
    GET "/accounts/{id}/profile" accounts::get_profile, May(P::ReadAccounts);
    PUT "/accounts/{id}/profile" accounts::update_profile, May(P::ManageAccounts);
    POST "/accounts/{id}/resume" accounts::resume_account, May(P::ManageAccounts);
    GET "/templates" templates::list_templates, May(P::ReadTemplates);
    POST "/templates" templates::create_template, May(P::ManageTemplates);
    POST "/templates/sync" templates::sync_templates, May(P::ManageTemplates);
    GET "/templates/{id}" templates::get_template, May(P::ReadTemplates);
    PUT "/templates/{id}" templates::update_template, May(P::ManageTemplates);
    DELETE "/templates/{id}" templates::delete_template, May(P::ManageTemplates);
    POST "/templates/{id}/preview" templates::preview_template, May(P::ReadTemplates);
    GET "/contacts" contacts::list_contacts, May(P::ReadContacts);
    POST "/contacts" contacts::create_contact, May(P::ManageContacts);
    POST "/contacts/bulk" contacts::bulk::put_contacts, May(P::ManageContacts);
    POST "/contacts/import" contacts::import::import_contacts, May(P::ManageContacts);
    GET "/contacts/export" contacts::export::export_contacts, May(P::ReadContacts);
    GET "/contacts/{id}" contacts::get_contact, May(P::ReadContacts);
    PUT "/contacts/{id}" contacts::update_contact, May(P::ManageContacts);
    DELETE "/contacts/{id}" contacts::delete_contact, May(P::ManageContacts);
    GET "/contacts/{id}/messages" contacts::list_contact_messages, May(P::ReadMessages);
    GET "/contacts/{id}/window" contacts::get_contact_window, May(P::ReadContacts);
    POST "/media" media::upload_media, May(P::SendMessages);
    GET "/media/{id}" media::get_media, May(P::ReadMessages);
    GET "/api-keys" keys::list_keys, May(P::ManageKeys);
    POST "/api-keys" keys::create_key, May(P::ManageKeys);
    GET "/api-keys/{id}" keys::get_key, May(P::ManageKeys);
    DELETE "/api-keys/{id}" keys::revoke_key, May(P::ManageKeys);
    POST "/api-keys/{id}/rotate" keys::rotate_key, May(P::ManageKeys);
    GET "/users" users::list_users, May(P::ManageUsers);
    POST "/users" users::create_user, May(P::ManageUsers);
    GET "/users/{id}" users::get_user, OwnOr(P::ManageUsers);
    PUT "/users/{id}" users::update_user, OwnOr(P::ManageUsers);
    DELETE "/users/{id}" users::remove_user, May(P::ManageUsers);
    GET "/webhooks" webhooks::list_webhooks, May(P::ReadEvents);
    POST "/webhooks" webhooks::create_webhook, May(P::ManageWebhooks);
    GET "/webhooks/{id}" webhooks::get_webhook, May(P::ReadEvents);
    PUT "/webhooks/{id}" webhooks::update_webhook, May(P::ManageWebhooks);
    DELETE "/webhooks/{id}" webhooks::delete_webhook, May(P::ManageWebhooks);
    POST "/webhooks/{id}/test" webhooks::test_webhook, May(P::ManageWebhooks);
    POST "/webhooks/{id}/rotate-secret" webhooks::rotate_webhook_secret, May(P::ManageWebhooks);
    GET "/webhooks/{id}/deliveries" webhooks::list_deliveries, May(P::ReadEvents);
    POST "/webhooks/{id}/replay" webhooks::replay_webhook, May(P::ManageWebhooks);
    POST "/deliveries/{id}/redeliver" webhooks::redeliver_delivery, May(P::ManageWebhooks);
    GET "/events" events::list_events, May(P::ReadEvents);
    GET "/events/stream" events::stream_events, May(P::ReadEvents);
    GET "/audit" audit::list_acts, May(P::ReadAudit);
    GET "/openapi.json" openapi::get_openapi, Nothing;
}

#[cfg(test)]
mod page;
