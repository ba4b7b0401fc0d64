//! Roles, scopes and permissions.
//!
//! **Invariant:** a role has all permissions of the roles below it, and no scope has a permission that an admin does
//! not have: creating an API key or a user gives no additional permissions.

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
    /// Returns `true` if the scopes of the key include the permission.
    pub fn has_permission(&self, permission: Permission) -> bool {
        permission.scope().is_some_and(|scope| self.scopes.contains(&scope))
    }
}

macro_rules! permissions {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal, $role:ident, $scope:expr;)*) => {
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

            /// Returns the scope that gives the permission to an API key; `None` if no key can have it.
            pub fn scope(self) -> Option<KeyScope> {
                match self {
                    $(Self::$variant => $scope,)*
                }
            }
        }
    };
}

permissions! {
    /// Send, cancel, reschedule and resolve messages, mark messages of customers as read.
    SendMessages = "messages.send", Agent, Some(KeyScope::Send);
    /// Read messages.
    ReadMessages = "messages.read", Viewer, Some(KeyScope::Read);
    /// Read contacts.
    ReadContacts = "contacts.read", Viewer, Some(KeyScope::Read);
    /// Create, update, import and delete contacts.
    ManageContacts = "contacts.manage", Agent, Some(KeyScope::Manage);
    /// Read templates.
    ReadTemplates = "templates.read", Viewer, Some(KeyScope::Read);
    /// Create, update, delete and synchronize templates.
    ManageTemplates = "templates.manage", Admin, Some(KeyScope::Manage);
    /// Read accounts. Secrets are never returned.
    ReadAccounts = "accounts.read", Viewer, Some(KeyScope::Read);
    /// Create, update, test, register and delete accounts, update their business profiles, resume held accounts.
    ManageAccounts = "accounts.manage", Admin, Some(KeyScope::Manage);
    /// Read events, webhooks and deliveries. Secrets are never returned.
    ReadEvents = "events.read", Viewer, Some(KeyScope::Read);
    /// Create, update, test and delete webhooks, request redeliveries and replays.
    ManageWebhooks = "webhooks.manage", Admin, Some(KeyScope::Manage);
    /// List, create, rotate and revoke API keys.
    ManageKeys = "keys.manage", Admin, Some(KeyScope::Manage);
    /// List, create, update and delete users.
    ManageUsers = "users.manage", Admin, Some(KeyScope::Manage);
    /// Create, update and delete owners.
    ManageOwners = "owners.manage", Owner, None;
    /// Set the password of another user.
    ResetPasswords = "passwords.reset", Owner, None;
    /// Read the audit log.
    ReadAudit = "audit.read", Admin, Some(KeyScope::Manage);
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
            prop_assert!(permission.scope().is_none() || Role::Admin.has_permission(permission));
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
        assert!(Role::Viewer.permissions().all(|permission| permission.scope() == Some(KeyScope::Read)));
        let own: Vec<_> =
            Role::Owner.permissions().filter(|permission| !Role::Admin.has_permission(*permission)).collect();
        assert_eq!(own, [Permission::ManageOwners, Permission::ResetPasswords]);
    }
}
