//! All routes of the API, and the access that each requires. `docs/permissions.md` is printed from this list.

use std::sync::Arc;

use axum::Router;
use axum::extract::Extension;
use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use domain::access::permission::Permission;
use engine::Deps;

use crate::api::route_access::{Route, RouteAccess};
use crate::api::{access, accounts, contacts, events, media, messages, openapi, templates, webhooks_out};

macro_rules! routes {
    ($($method:ident $path:literal $handler:path, $access:expr;)*) => {
        /// All routes, in the order of the documentation.
        pub(crate) const ROUTES: &[Route] =
            &[$(Route {
                method: stringify!($method),
                path: $path,
                access: $access,
                handler: stringify!($handler),
            }),*];

        /// The router. Each route passes its required access to the handler as an extension.
        pub(crate) fn router() -> Router<Arc<Deps>> {
            let access: fn(RouteAccess) -> Extension<RouteAccess> = Extension;
            Router::new()
                $(.route($path, on(MethodFilter::$method, $handler.layer(access($access)))))*
        }
    };
}

use Permission as P;
use RouteAccess::{Authenticated, Permission as May, Public, SelfOr};

routes! {
    POST "/auth/login" access::session::log_in, Public;
    POST "/auth/logout" access::session::log_out, Authenticated;
    GET "/me" access::session::get_me, Authenticated;
    POST "/messages/send" messages::send::send_message, May(P::SendMessages);
    POST "/messages/batch" messages::batch::send_batch, May(P::SendMessages);
    GET "/messages" messages::list::list_messages, May(P::ReadMessages);
    GET "/messages/{id}" messages::list::get_message, May(P::ReadMessages);
    POST "/messages/{id}/read" messages::mark_read::mark_message_read, May(P::SendMessages);
    POST "/messages/{id}/cancel" messages::cancel::cancel_message, May(P::SendMessages);
    POST "/messages/{id}/resolve" messages::resolve::resolve_message, May(P::SendMessages);
    GET "/accounts" accounts::list::list_accounts, May(P::ReadAccounts);
    POST "/accounts" accounts::change::create_account, May(P::ManageAccounts);
    GET "/accounts/{id}" accounts::list::get_account, May(P::ReadAccounts);
    PUT "/accounts/{id}" accounts::change::update_account, May(P::ManageAccounts);
    DELETE "/accounts/{id}" accounts::change::delete_account, May(P::ManageAccounts);
    POST "/accounts/{id}/test" accounts::test::test_account, May(P::ManageAccounts);
    POST "/accounts/{id}/subscribe" accounts::registration::subscribe_account, May(P::ManageAccounts);
    POST "/accounts/{id}/register" accounts::registration::register_account, May(P::ManageAccounts);
    GET "/accounts/{id}/profile" accounts::profile::get_account_profile, May(P::ReadAccounts);
    PUT "/accounts/{id}/profile" accounts::profile::update_account_profile, May(P::ManageAccounts);
    POST "/accounts/{id}/resume" accounts::resume::resume_account, May(P::ManageAccounts);
    GET "/templates" templates::list::list_templates, May(P::ReadTemplates);
    POST "/templates" templates::change::create_template, May(P::ManageTemplates);
    POST "/templates/sync" templates::sync::sync_templates, May(P::ManageTemplates);
    GET "/templates/{id}" templates::list::get_template, May(P::ReadTemplates);
    PUT "/templates/{id}" templates::change::update_template, May(P::ManageTemplates);
    DELETE "/templates/{id}" templates::change::delete_template, May(P::ManageTemplates);
    POST "/templates/{id}/preview" templates::preview::preview_template, May(P::ReadTemplates);
    GET "/contacts" contacts::list::list_contacts, May(P::ReadContacts);
    POST "/contacts" contacts::change::create_contact, May(P::ManageContacts);
    POST "/contacts/bulk" contacts::bulk::bulk_upsert_contacts, May(P::ManageContacts);
    POST "/contacts/import" contacts::import::import_contacts, May(P::ManageContacts);
    GET "/contacts/export" contacts::export::export_contacts, May(P::ReadContacts);
    GET "/contacts/{id}" contacts::list::get_contact, May(P::ReadContacts);
    PUT "/contacts/{id}" contacts::change::update_contact, May(P::ManageContacts);
    DELETE "/contacts/{id}" contacts::change::delete_contact, May(P::ManageContacts);
    GET "/contacts/{id}/messages" contacts::messages::list_contact_messages, May(P::ReadMessages);
    GET "/contacts/{id}/window" contacts::window::get_contact_window, May(P::ReadContacts);
    POST "/media" media::upload::upload_media, May(P::SendMessages);
    GET "/media/{id}" media::download::get_media, May(P::ReadMessages);
    GET "/api-keys" access::api_keys::list_api_keys, May(P::ManageKeys);
    POST "/api-keys" access::api_keys::create_api_key, May(P::ManageKeys);
    GET "/api-keys/{id}" access::api_keys::get_api_key, May(P::ManageKeys);
    DELETE "/api-keys/{id}" access::api_keys::revoke_api_key, May(P::ManageKeys);
    POST "/api-keys/{id}/rotate" access::api_keys::rotate_api_key, May(P::ManageKeys);
    GET "/users" access::users::list_users, May(P::ManageUsers);
    POST "/users" access::users::create_user, May(P::ManageUsers);
    GET "/users/{id}" access::users::get_user, SelfOr(P::ManageUsers);
    PUT "/users/{id}" access::users::update_user, SelfOr(P::ManageUsers);
    DELETE "/users/{id}" access::users::delete_user, May(P::ManageUsers);
    GET "/webhooks" webhooks_out::endpoints::list_webhooks, May(P::ReadEvents);
    POST "/webhooks" webhooks_out::endpoints::create_webhook, May(P::ManageWebhooks);
    GET "/webhooks/{id}" webhooks_out::endpoints::get_webhook, May(P::ReadEvents);
    PUT "/webhooks/{id}" webhooks_out::endpoints::update_webhook, May(P::ManageWebhooks);
    DELETE "/webhooks/{id}" webhooks_out::endpoints::delete_webhook, May(P::ManageWebhooks);
    POST "/webhooks/{id}/test" webhooks_out::endpoints::test_webhook, May(P::ManageWebhooks);
    POST "/webhooks/{id}/rotate-secret" webhooks_out::endpoints::rotate_webhook_secret, May(P::ManageWebhooks);
    GET "/webhooks/{id}/deliveries" webhooks_out::deliveries::list_deliveries, May(P::ReadEvents);
    POST "/webhooks/{id}/replay" webhooks_out::deliveries::replay_webhook, May(P::ManageWebhooks);
    POST "/deliveries/{id}/redeliver" webhooks_out::deliveries::redeliver_delivery, May(P::ManageWebhooks);
    GET "/events" events::list::list_events, May(P::ReadEvents);
    GET "/events/stream" events::stream::stream_events, May(P::ReadEvents);
    GET "/audit" access::audit::list_audit_entries, May(P::ReadAudit);
    GET "/openapi.json" openapi::get_openapi, Public;
}

#[cfg(test)]
mod permissions_page;
