//! Roles, scopes and permissions.
//!
//! **Invariant:** a role has all permissions of the roles below it, and no scope has a permission that an admin does
//! not have: creating an API key or a user gives no additional permissions.
//!
//! The table of permissions lists the scopes that give each permission. The scopes `send`, `read` and `manage` cover
//! several subjects; every other scope gives the permission to manage one subject.

use crate::access::api_key::{ApiKey, KeyScope};
use crate::text_enum;

text_enum! {
    /// Role of a user in a workspace, in descending order of permissions.
    pub enum Role {
        /// Has every permission. The last owner of a workspace cannot be deleted.
        Owner = "owner",
        /// Manages the workspace.
        Admin = "admin",
        /// Communicates with customers.
        Agent = "agent",
        /// Reads only.
        Viewer = "viewer",
    }
}

impl Role {
    /// Returns `true` if the role has the permission.
    pub fn has_permission(self, permission: Permission) -> bool {
        self <= permission.minimum_role()
    }

    /// Returns the permissions of the role.
    pub fn permissions(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.has_permission(*permission))
    }
}

impl ApiKey {
    /// Returns `true` if the scopes of the key give the permission.
    pub fn has_permission(&self, permission: Permission) -> bool {
        permission.missing_scope(&self.scopes) == MissingScope::None
    }
}

/// Scope that a key lacks for a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingScope {
    /// The key has the permission.
    None,
    /// The key needs one of these scopes.
    OneOf(&'static [KeyScope]),
    /// The key needs this scope, besides those that it has.
    Also(KeyScope),
    /// No key can have the permission.
    UsersOnly,
}

impl Permission {
    /// Returns the scope that a key with these scopes lacks for the permission.
    pub fn missing_scope(self, scopes: &[KeyScope]) -> MissingScope {
        let alternatives = self.scopes();
        if alternatives.is_empty() {
            return MissingScope::UsersOnly;
        }
        if !alternatives.iter().any(|scope| scopes.contains(scope)) {
            return MissingScope::OneOf(alternatives);
        }
        match self.additional_scope() {
            Some(scope) if !scopes.contains(&scope) => MissingScope::Also(scope),
            Some(_) | None => MissingScope::None,
        }
    }

    /// Returns `true` if the permission only reads.
    pub fn is_read(self) -> bool {
        self.as_str().ends_with(".read")
    }

    /// Returns the scope that a key needs for the permission besides one of [`Permission::scopes`].
    ///
    /// A webhook receives the texts of customers, so that a key without `read` could read them through a webhook of its own.
    pub fn additional_scope(self) -> Option<KeyScope> {
        (self == Self::ManageWebhooks).then_some(KeyScope::Read)
    }
}

impl KeyScope {
    /// Returns `true` if this scope gives every permission that `other` gives.
    pub fn includes(self, other: Self) -> bool {
        let mut given = Permission::ALL.iter().filter(|permission| permission.scopes().contains(&other));
        self == other || given.all(|permission| permission.scopes().contains(&self))
    }
}

macro_rules! permissions {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal, $role:ident, [$($scope:ident),*];)*) => {
        text_enum! {
            /// A permission.
            pub enum Permission {
                $($(#[doc = $doc])+ $variant = $text,)*
            }
        }

        impl Permission {
            /// Returns the description of the permission in `docs/permissions.md`.
            pub fn description(self) -> String {
                match self {
                    $(Self::$variant => [$($doc),+].map(str::trim).join(" "),)*
                }
            }

            /// Returns the lowest role that has the permission.
            fn minimum_role(self) -> Role {
                match self {
                    $(Self::$variant => Role::$role,)*
                }
            }

            /// Returns the scopes of which an API key needs one for the permission, the narrowest first. Empty if no key
            /// can have the permission.
            pub fn scopes(self) -> &'static [KeyScope] {
                match self {
                    $(Self::$variant => &[$(KeyScope::$scope),*],)*
                }
            }
        }
    };
}

permissions! {
    /// Send, cancel, reschedule and resolve messages, mark messages of customers as read.
    SendMessages = "messages.send", Agent, [Send];
    /// Read messages.
    ReadMessages = "messages.read", Viewer, [Read];
    /// Upload and delete files.
    ManageMedia = "media.manage", Agent, [Media, Send];
    /// Read contacts.
    ReadContacts = "contacts.read", Viewer, [Read];
    /// Create, update, import and delete contacts.
    ManageContacts = "contacts.manage", Agent, [Contacts, Manage];
    /// Read templates.
    ReadTemplates = "templates.read", Viewer, [Read];
    /// Create, update, delete and synchronize templates.
    ManageTemplates = "templates.manage", Admin, [Templates, Manage];
    /// Read accounts. Secrets are never returned.
    ReadAccounts = "accounts.read", Viewer, [Read];
    /// Create, update, test, register and delete accounts, update their business profiles, resume held accounts.
    ManageAccounts = "accounts.manage", Admin, [Accounts, Manage];
    /// Read events, webhooks and deliveries. Secrets are never returned.
    ReadEvents = "events.read", Viewer, [Read];
    /// Create, update, test and delete webhooks, request redeliveries and replays, skip deliveries.
    ManageWebhooks = "webhooks.manage", Admin, [Webhooks, Manage];
    /// List, create, rotate and revoke API keys.
    ManageKeys = "keys.manage", Admin, [Keys, Manage];
    /// List, create, update and delete users.
    ManageUsers = "users.manage", Admin, [Users, Manage];
    /// Create, update and delete owners.
    ManageOwners = "owners.manage", Owner, [];
    /// Set the password of another user.
    ResetPasswords = "passwords.reset", Owner, [];
    /// Read the audit log.
    ReadAudit = "audit.read", Admin, [Audit, Manage];
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_role_has_the_permissions_of_the_roles_below_it(
            permission in proptest::sample::select(Permission::ALL.to_vec()),
            role in proptest::sample::select(Role::ALL.to_vec()),
            below in proptest::sample::select(Role::ALL.to_vec()),
        ) {
            prop_assert!(Role::Owner.has_permission(permission));
            if role <= below {
                prop_assert!(role.has_permission(permission) || !below.has_permission(permission));
            }
            // An admin has every permission that a key can have: creating a key gives no additional permissions.
            prop_assert!(permission.scopes().is_empty() || Role::Admin.has_permission(permission));
            prop_assert_eq!(permission.as_str().parse(), Ok(permission));
            prop_assert_eq!(role.as_str().parse(), Ok(role));
            prop_assert!(permission.description().ends_with('.'));
        }
    }

    #[test]
    fn each_permission_has_a_different_text() {
        let texts: BTreeSet<_> = Permission::ALL.iter().map(|permission| permission.as_str()).collect();
        assert_eq!(texts.len(), Permission::ALL.len());
    }

    #[test]
    fn a_viewer_may_only_read_and_an_owner_has_two_permissions_that_an_admin_does_not_have() {
        assert!(Role::Viewer.permissions().all(|permission| permission.scopes() == [KeyScope::Read]));
        let own: Vec<_> =
            Role::Owner.permissions().filter(|permission| !Role::Admin.has_permission(*permission)).collect();
        assert_eq!(own, [Permission::ManageOwners, Permission::ResetPasswords]);
    }

    #[test]
    fn each_fine_scope_gives_one_permission_of_manage_or_send() {
        for scope in KeyScope::ALL {
            let given: Vec<_> = Permission::ALL.iter().filter(|one| one.scopes().contains(&scope)).collect();
            match scope {
                KeyScope::Send | KeyScope::Read | KeyScope::Manage => assert!(given.len() > 1, "{scope:?}"),
                KeyScope::Contacts
                | KeyScope::Templates
                | KeyScope::Media
                | KeyScope::Accounts
                | KeyScope::Webhooks
                | KeyScope::Keys
                | KeyScope::Users
                | KeyScope::Audit => assert_eq!(given.len(), 1, "{scope:?}"),
            }
        }
        assert!(
            KeyScope::Manage.includes(KeyScope::Webhooks) && !KeyScope::Webhooks.includes(KeyScope::Manage)
        );
        assert!(KeyScope::Send.includes(KeyScope::Media) && !KeyScope::Manage.includes(KeyScope::Media));
        assert!(!KeyScope::Manage.includes(KeyScope::Read) && !KeyScope::Manage.includes(KeyScope::Send));
    }

    #[test]
    fn webhooks_need_the_scope_read_as_well() {
        use KeyScope::{Manage, Read, Webhooks};
        let missing = |scopes: &[KeyScope]| Permission::ManageWebhooks.missing_scope(scopes);
        assert_eq!(missing(&[Read]), MissingScope::OneOf(&[Webhooks, Manage]));
        assert_eq!(missing(&[Webhooks]), MissingScope::Also(Read));
        assert_eq!(missing(&[Manage]), MissingScope::Also(Read));
        assert_eq!(missing(&[Webhooks, Read]), MissingScope::None);
        assert_eq!(missing(&[Manage, Read]), MissingScope::None);
        assert_eq!(Permission::ManageOwners.missing_scope(&KeyScope::ALL), MissingScope::UsersOnly);
    }
}
