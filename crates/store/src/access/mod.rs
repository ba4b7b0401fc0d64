//! Users, sessions, keys and the audit log.

pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod idempotent_requests;
pub(crate) mod sessions;
pub(crate) mod users;
pub(crate) mod workspaces;

use crate::sqlite::port_macro::sqlite_port;
use domain::access::api_key::ApiKey;
use domain::access::audit::AuditEntry;
use domain::access::permission::Role;
use domain::access::user::User;
use domain::id::{KeyId, RequestId, UserId, WorkspaceId};
use engine::ports::{
    ApiKeyFilter, ApiKeyRotation, AuditFilter, CredentialsQuery, EarlierRequest, NewIdempotentRequest,
    NewSession, Page, PageRequest, RequestDigest, RequestEnd, SessionDigest, StoreError, StoredSession,
    UpdateUserResult, UserCredentials, UserFilter, UserUpdate,
};
use jiff::Timestamp;

engine::api_keys_port! {
    sqlite_port for ApiKeys {
        insert_api_key(key, audit_entry) {
            write "adding a key", move |tx| api_keys::insert_key(tx, &key, &audit_entry)
        }
        list_api_keys(workspace, filter, page) cloning(filter) {
            list "listing keys", move |tx| api_keys::list_keys(tx, workspace, &filter, page)
        }
        rotate_api_key(rotation, audit_entry) {
            write "rotating a key", move |tx| api_keys::rotate_key(tx, &rotation, &audit_entry)
        }
        revoke_api_key(workspace, id, audit_entry) {
            write "revoking a key", move |tx| api_keys::revoke_key(tx, workspace, id, &audit_entry)
        }
        update_api_keys_last_used(uses) cloning(uses) {
            write "updating the keys' last use", move |tx| api_keys::update_last_used(tx, &uses)
        }
    }
}

engine::idempotent_requests_port! {
    sqlite_port for IdempotentRequests {
        insert_idempotent_request(new) with sealer {
            write "adding an idempotent request", move |tx| idempotent_requests::insert_request(tx, &sealer, &new)
        }
        get_idempotent_request(request) cloning(request) with sealer {
            read "reading an idempotent request", move |tx| idempotent_requests::get_request(tx, &sealer, &request)
        }
        finish_idempotent_request(id, digest, end) with sealer {
            write "finishing an idempotent request",
            move |tx| idempotent_requests::finish_request(tx, &sealer, id, digest.as_ref(), &end)
        }
    }
}

engine::users_port! {
    sqlite_port for Users {
        insert_user(user, password_hash, audit_entry) cloning(password_hash) {
            write "adding a user", move |tx| users::insert_user(tx, &user, &password_hash, &audit_entry)
        }
        list_users(workspace, filter, page) cloning(filter) {
            list "listing users", move |tx| users::list_users(tx, workspace, &filter, page)
        }
        update_user(change, audit_entry) {
            write "changing a user", move |tx| users::update_user(tx, &change, &audit_entry)
        }
        delete_user(workspace, id, expected_role, audit_entry) {
            write "removing a user", move |tx| users::delete_user(tx, workspace, id, expected_role, &audit_entry)
        }
        get_user_credentials(query) cloning(query) {
            read "reading user credentials", move |tx| users::get_credentials(tx, &query)
        }
        insert_session(new, audit_entry) {
            write "adding a session", move |tx| sessions::insert_session(tx, &new, &audit_entry)
        }
        get_session(digest) cloning(digest) {
            read "reading a session", move |tx| sessions::get_session(tx, &digest)
        }
        delete_session(workspace, digest) cloning(digest) {
            write "deleting a session", move |tx| sessions::delete_session(tx, workspace, &digest)
        }
        update_sessions_last_used(uses) cloning(uses) {
            write "updating the sessions' last use", move |tx| sessions::update_last_used(tx, &uses)
        }
        expire_sessions(created_before, used_before, limit) {
            write "expiring sessions", move |tx| sessions::expire_sessions(tx, created_before, used_before, limit)
        }
    }
}

engine::audit_log_port! {
    sqlite_port for AuditLog {
        insert_audit_entry(audit_entry) {
            write "writing an audit entry", move |tx| audit::insert_entry(tx, &audit_entry)
        }
        list_audit_entries(workspace, filter, page) cloning(filter) {
            list "reading the audit log", move |tx| audit::list_entries(tx, workspace, &filter, page)
        }
    }
}
