//! List of all routes of the API, with the access that each route requires. `docs/permissions.md` is printed from this list.
//!
//! A row has the HTTP method, the path below `/api`, the handler below `crate::api`, and the access.

use axum::http::Method;
use domain::access::permission::Permission as P;

use crate::api::route_access::Route;
use crate::api::route_access::RouteAccess::{Authenticated, Permission, Public, SelfOr};

/// Calls a macro with all rows, in the order of the documentation. The caller imports the names that the rows use.
macro_rules! with_routes {
    ($macro:ident) => {
        $macro! {
            POST "/auth/login" access::session::log_in, Public;
            POST "/auth/logout" access::session::log_out, Authenticated;
            GET "/me" access::session::get_me, Authenticated;
            POST "/messages/send" messages::send::send_message, Permission(P::SendMessages);
            POST "/messages/batch" messages::batch::send_batch, Permission(P::SendMessages);
            GET "/messages" messages::list::list_messages, Permission(P::ReadMessages);
            GET "/messages/{id}" messages::list::get_message, Permission(P::ReadMessages);
            PUT "/messages/{id}" messages::reschedule::update_message, Permission(P::SendMessages);
            POST "/messages/{id}/read" messages::mark_read::mark_message_read, Permission(P::SendMessages);
            POST "/messages/{id}/cancel" messages::cancel::cancel_message, Permission(P::SendMessages);
            POST "/messages/{id}/resolve" messages::resolve::resolve_message, Permission(P::SendMessages);
            GET "/accounts" accounts::list::list_accounts, Permission(P::ReadAccounts);
            POST "/accounts" accounts::change::create_account, Permission(P::ManageAccounts);
            GET "/accounts/{id}" accounts::list::get_account, Permission(P::ReadAccounts);
            PUT "/accounts/{id}" accounts::change::update_account, Permission(P::ManageAccounts);
            DELETE "/accounts/{id}" accounts::change::delete_account, Permission(P::ManageAccounts);
            POST "/accounts/{id}/test" accounts::test::test_account, Permission(P::ManageAccounts);
            POST "/accounts/{id}/subscribe" accounts::registration::subscribe_account, Permission(P::ManageAccounts);
            POST "/accounts/{id}/register" accounts::registration::register_account, Permission(P::ManageAccounts);
            GET "/accounts/{id}/profile" accounts::profile::get_account_profile, Permission(P::ReadAccounts);
            PUT "/accounts/{id}/profile" accounts::profile::update_account_profile, Permission(P::ManageAccounts);
            POST "/accounts/{id}/resume" accounts::resume::resume_account, Permission(P::ManageAccounts);
            GET "/templates" templates::list::list_templates, Permission(P::ReadTemplates);
            POST "/templates" templates::change::create_template, Permission(P::ManageTemplates);
            POST "/templates/sync" templates::sync::sync_templates, Permission(P::ManageTemplates);
            GET "/templates/{id}" templates::list::get_template, Permission(P::ReadTemplates);
            PUT "/templates/{id}" templates::change::update_template, Permission(P::ManageTemplates);
            DELETE "/templates/{id}" templates::change::delete_template, Permission(P::ManageTemplates);
            POST "/templates/{id}/preview" templates::preview::preview_template, Permission(P::ReadTemplates);
            GET "/contacts" contacts::list::list_contacts, Permission(P::ReadContacts);
            POST "/contacts" contacts::change::create_contact, Permission(P::ManageContacts);
            POST "/contacts/bulk" contacts::bulk::bulk_upsert_contacts, Permission(P::ManageContacts);
            POST "/contacts/import" contacts::import::import_contacts, Permission(P::ManageContacts);
            GET "/contacts/export" contacts::export::export_contacts, Permission(P::ReadContacts);
            GET "/contacts/{id}" contacts::list::get_contact, Permission(P::ReadContacts);
            PUT "/contacts/{id}" contacts::change::update_contact, Permission(P::ManageContacts);
            DELETE "/contacts/{id}" contacts::change::delete_contact, Permission(P::ManageContacts);
            GET "/contacts/{id}/messages" contacts::messages::list_contact_messages, Permission(P::ReadMessages);
            GET "/contacts/{id}/window" contacts::window::get_contact_window, Permission(P::ReadContacts);
            GET "/media" media::list::list_media, Permission(P::ReadMessages);
            POST "/media" media::upload::upload_media, Permission(P::ManageMedia);
            GET "/media/{id}" media::download::get_media, Permission(P::ReadMessages);
            DELETE "/media/{id}" media::delete::delete_media, Permission(P::ManageMedia);
            GET "/api-keys" access::api_keys::list_api_keys, Permission(P::ManageKeys);
            POST "/api-keys" access::api_keys::create_api_key, Permission(P::ManageKeys);
            GET "/api-keys/{id}" access::api_keys::get_api_key, Permission(P::ManageKeys);
            DELETE "/api-keys/{id}" access::api_keys::revoke_api_key, Permission(P::ManageKeys);
            POST "/api-keys/{id}/rotate" access::api_keys::rotate_api_key, Permission(P::ManageKeys);
            GET "/users" access::users::list_users, Permission(P::ManageUsers);
            POST "/users" access::users::create_user, Permission(P::ManageUsers);
            GET "/users/{id}" access::users::get_user, SelfOr(P::ManageUsers);
            PUT "/users/{id}" access::users::update_user, SelfOr(P::ManageUsers);
            DELETE "/users/{id}" access::users::delete_user, Permission(P::ManageUsers);
            GET "/webhooks" webhooks_out::endpoints::list_webhooks, Permission(P::ReadEvents);
            POST "/webhooks" webhooks_out::endpoints::create_webhook, Permission(P::ManageWebhooks);
            GET "/webhooks/{id}" webhooks_out::endpoints::get_webhook, Permission(P::ReadEvents);
            PUT "/webhooks/{id}" webhooks_out::endpoints::update_webhook, Permission(P::ManageWebhooks);
            DELETE "/webhooks/{id}" webhooks_out::endpoints::delete_webhook, Permission(P::ManageWebhooks);
            POST "/webhooks/{id}/test" webhooks_out::endpoints::test_webhook, Permission(P::ManageWebhooks);
            POST "/webhooks/{id}/rotate-secret" webhooks_out::endpoints::rotate_webhook_secret, Permission(P::ManageWebhooks);
            GET "/webhooks/{id}/deliveries" webhooks_out::deliveries::list_deliveries, Permission(P::ReadEvents);
            POST "/webhooks/{id}/replay" webhooks_out::deliveries::replay_webhook, Permission(P::ManageWebhooks);
            POST "/deliveries/{id}/skip" webhooks_out::deliveries::skip_delivery, Permission(P::ManageWebhooks);
            POST "/deliveries/{id}/redeliver" webhooks_out::deliveries::redeliver_delivery, Permission(P::ManageWebhooks);
            GET "/events" events::list::list_events, Permission(P::ReadEvents);
            GET "/events/stream" events::stream::stream_events, Permission(P::ReadEvents);
            GET "/audit" access::audit::list_audit_entries, Permission(P::ReadAudit);
            GET "/openapi.json" document::get_openapi, Public;
        }
    };
}
pub(crate) use with_routes;

macro_rules! list {
    ($($method:ident $path:literal $handler:path, $access:expr;)*) => {
        /// All routes, in the order of the documentation.
        pub(crate) const ROUTES: &[Route] =
            &[$(Route {
                method: stringify!($method),
                path: $path,
                access: $access,
                handler: stringify!($handler),
            }),*];
    };
}

with_routes!(list);

/// Returns the route with a method and a path below `/api`.
pub(crate) fn find(method: &Method, path: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.path == path && route.method == method.as_str())
}

#[cfg(test)]
mod permissions_page;
