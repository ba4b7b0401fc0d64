//! Test that `docs/permissions.md` matches the permissions and the list of routes.

use std::fmt::Write;

use domain::access::permission::{Permission, Role};
use expect_test::expect_file;

use crate::api::route_access::RouteAccess;
use crate::api::routes::ROUTES;

fn page() -> String {
    let mut page = String::from(
        "# Permissions\n\n\
         Printed from the code: `UPDATE_EXPECT=1 cargo test -p waypost --lib routes`.\n\n\
         A user has one role in a workspace. An API key has scopes. Roles and scopes grant permissions, and each route needs one permission.\n\
         If the caller lacks the permission, the response is 403 `forbidden`, with the permission in `details.permission` and the missing scope in `details.scope`.\n\n\
         The scopes `send`, `read` and `manage` cover several subjects. Every other scope covers one subject: \
         give a key only the scopes that it needs.\n\
         A webhook receives the messages of customers, so calls that change webhooks also need the scope `read`.\n\n\
         ## Permissions of roles and scopes\n\n",
    );
    let mut add =
        |line: std::fmt::Arguments<'_>| writeln!(page, "{line}").expect("writing to a string cannot fail");
    let roles: Vec<_> = Role::ALL.iter().map(|role| role.as_str()).collect();
    add(format_args!("| permission | {} | scope | description |", roles.join(" | ")));
    add(format_args!("|---|{}---|---|", "---|".repeat(roles.len())));
    for permission in Permission::ALL {
        let cells: Vec<_> =
            Role::ALL.iter().map(|role| if role.has_permission(permission) { "yes" } else { "–" }).collect();
        let names: Vec<_> = permission.scopes().iter().map(|scope| format!("`{}`", scope.as_str())).collect();
        let scope = match permission.additional_scope() {
            _ if names.is_empty() => "–".to_owned(),
            Some(also) => format!("`{}`, and {}", also.as_str(), names.join(" or ")),
            None => names.join(" or "),
        };
        let (name, description) = (permission.as_str(), permission.description());
        add(format_args!("| `{name}` | {} | {scope} | {description} |", cells.join(" | ")));
    }
    add(format_args!(
        "\n## Limits of delegation\n\n\
         - An API key can create and rotate only keys with scopes, accounts, kind (test or live) and expiry that the key has itself. \
         `manage` includes `contacts`, `templates`, `accounts`, `webhooks`, `keys`, `users` and `audit`; `send` includes `media`. \
         A setting that the request omits is taken from the calling key. Rate limits are not restricted.\n\
         - A caller can assign, change or remove a role only if the caller has all permissions of the role. So only owners can change owners. \
         In a workspace without an owner, a caller with all permissions except those of owners can add the first owner.\n\
         - An API key that has no access to some accounts cannot create, change or delete users, because users have access to all accounts.\n\
         - Contacts and the audit log belong to the whole workspace. An API key that has no access to some accounts cannot change contacts \
         or read the audit log. The same applies to a test key if the workspace has live accounts.\n\
         - The last owner of a workspace cannot be deleted, disabled or given another role.\n\
         - Every user can change their own name, and their own password with the current password.\n\
         - The command line works directly on the database. Only the rule of the last owner applies to the command line.\n\n\
         ## Permission of each route\n\n\
         | route | permission |\n|---|---|"
    ));
    for route in ROUTES {
        let permission = match route.access {
            RouteAccess::Public => "none".to_owned(),
            RouteAccess::Authenticated => "any key or session".to_owned(),
            RouteAccess::SelfOr(permission) => format!("`{}`, or the user itself", permission.as_str()),
            RouteAccess::Permission(permission) => format!("`{}`", permission.as_str()),
        };
        add(format_args!("| `{} /api{}` | {permission} |", route.method, route.path));
    }
    page
}

#[test]
fn the_permissions_page_matches_the_code() {
    expect_file!["../../../../../docs/permissions.md"].assert_eq(&page());
}
