//! Who may do what: the one table of roles, scopes and permissions.
//!
//! **Invariant:** a role has everything that the roles below it have, and no scope has what an admin has not: so nobody
//! gets more by making a key or a user.

use crate::access::api_key::KeyScope;
use crate::text_enum;

text_enum! {
    /// What a user is in a workspace, from the most to the least.
    pub enum Role {
        /// Answers for the workspace: there is always one, once there was one.
        Owner = "owner",
        /// Runs it.
        Admin = "admin",
        /// Talks with customers.
        Agent = "agent",
        /// Looks on.
        Viewer = "viewer",
    }
}

impl Role {
    /// Whether it may do this.
    pub fn may(self, permission: Permission) -> bool {
        self <= permission.minimum_role()
    }

    /// What it may do.
    pub fn permissions(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.may(*permission))
    }
}

macro_rules! permissions {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal, $role:ident, $scope:expr;)*) => {
        text_enum! {
            /// Something that one caller may do and another may not.
            pub enum Permission {
                $($(#[doc = $doc])+ $variant = $word,)*
            }
        }

        impl Permission {
            /// What it allows: the words of the page.
            pub fn description(self) -> String {
                match self {
                    $(Self::$variant => [$($doc),+].map(str::trim).join(" "),)*
                }
            }

            /// The least role that has it.
            fn minimum_role(self) -> Role {
                match self {
                    $(Self::$variant => Role::$role,)*
                }
            }

            /// The scope with which a key has it; `None`: no key has it.
            pub fn scope(self) -> Option<KeyScope> {
                match self {
                    $(Self::$variant => $scope,)*
                }
            }
        }
    };
}

permissions! {
    /// Send, cancel and resolve messages, mark a customer's as read.
    SendMessages = "messages.send", Agent, Some(KeyScope::Send);
    /// Read messages.
    ReadMessages = "messages.read", Viewer, Some(KeyScope::Read);
    /// Read contacts.
    ReadContacts = "contacts.read", Viewer, Some(KeyScope::Read);
    /// Add, change, import and erase contacts.
    ManageContacts = "contacts.manage", Agent, Some(KeyScope::Manage);
    /// Read templates.
    ReadTemplates = "templates.read", Viewer, Some(KeyScope::Read);
    /// Create, change, delete and sync templates.
    ManageTemplates = "templates.manage", Admin, Some(KeyScope::Manage);
    /// Read accounts; their secrets are shown to nobody.
    ReadAccounts = "accounts.read", Viewer, Some(KeyScope::Read);
    /// Make, change, test and remove accounts, set what Meta keeps of them, let a held one send again.
    ManageAccounts = "accounts.manage", Admin, Some(KeyScope::Manage);
    /// Read events, and webhooks with their deliveries; secrets are shown to nobody.
    ReadEvents = "events.read", Viewer, Some(KeyScope::Read);
    /// Make, change, test and remove webhooks, have events delivered again.
    ManageWebhooks = "webhooks.manage", Admin, Some(KeyScope::Manage);
    /// See, make, rotate and revoke API keys.
    ManageKeys = "keys.manage", Admin, Some(KeyScope::Manage);
    /// See, add, change and remove users.
    ManageUsers = "users.manage", Admin, Some(KeyScope::Manage);
    /// Add, change and remove owners.
    ManageOwners = "owners.manage", Owner, None;
    /// Give another user a new password.
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
        fn the_table_is_total_and_each_role_has_what_those_below_it_have(
            permission in proptest::sample::select(Permission::ALL.to_vec()),
            role in proptest::sample::select(Role::ALL.to_vec()),
            below in proptest::sample::select(Role::ALL.to_vec()),
        ) {
            prop_assert!(Role::Owner.may(permission));
            if role <= below {
                prop_assert!(role.may(permission) || !below.may(permission));
            }
            // What a key can have, an admin has: making a key is no way up.
            prop_assert!(permission.scope().is_none() || Role::Admin.may(permission));
            prop_assert_eq!(permission.as_str().parse(), Ok(permission));
            prop_assert_eq!(role.as_str().parse(), Ok(role));
            prop_assert!(permission.description().ends_with('.'));
        }
    }

    #[test]
    fn each_permission_has_a_word_of_its_own() {
        let words: BTreeSet<_> = Permission::ALL.iter().map(|permission| permission.as_str()).collect();
        assert_eq!(words.len(), Permission::ALL.len());
    }

    #[test]
    fn the_least_is_reading_and_the_most_is_the_owners_own() {
        assert!(Role::Viewer.permissions().all(|permission| permission.scope() == Some(KeyScope::Read)));
        let own: Vec<_> = Role::Owner.permissions().filter(|one| !Role::Admin.may(*one)).collect();
        assert_eq!(own, [Permission::ManageOwners, Permission::ResetPasswords]);
    }
}
