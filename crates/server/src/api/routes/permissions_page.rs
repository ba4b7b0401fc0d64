//! `docs/permissions.md`: printed from the table of permissions and the list of routes, and compared.

use std::fmt::Write;

use domain::access::permission::{Permission, Role};
use expect_test::expect_file;

use crate::api::route_access::RouteAccess;
use crate::api::routes::ROUTES;

fn page() -> String {
    let mut page = String::from(
        "# Permissions\n\n\
         Printed from the code: `UPDATE_EXPECT=1 cargo test -p waypost --lib routes`.\n\n\
         A user has one role in a workspace; an API key has scopes. Both stand for permissions, and each route needs one.\n\
         A call without it is answered 403 `forbidden`, with the permission in `details.permission`.\n\n\
         ## Who has which permission\n\n",
    );
    let mut add =
        |line: std::fmt::Arguments<'_>| writeln!(page, "{line}").expect("a string takes everything");
    let roles: Vec<_> = Role::ALL.iter().map(|role| role.as_str()).collect();
    add(format_args!("| permission | {} | scope of a key | what it allows |", roles.join(" | ")));
    add(format_args!("|---|{}---|---|", "---|".repeat(roles.len())));
    for permission in Permission::ALL {
        let marks: Vec<_> =
            Role::ALL.iter().map(|role| if role.has_permission(permission) { "yes" } else { "–" }).collect();
        let scope = permission.scope().map_or("–".to_owned(), |scope| format!("`{}`", scope.as_str()));
        let (word, about) = (permission.as_str(), permission.description());
        add(format_args!("| `{word}` | {} | {scope} | {about} |", marks.join(" | ")));
    }
    add(format_args!(
        "\n## Nobody hands out more than they have\n\n\
         - A key that makes or rotates a key can give it no scope, account, kind (test or live) or longer life than its own; \
         what it leaves out is its own. How often a key may call is no such limit.\n\
         - A role can be given, changed or removed only by somebody who has all its permissions: only owners touch owners. \
         The first owner of a workspace that has none may be added by anybody who has all permissions but those of owners.\n\
         - A key that may not use every account of the workspace adds, changes and removes no users: a user may use every \
         account.\n\
         - Contacts and the audit log are the whole workspace's: a key for some of its accounts changes no contacts and does \
         not read the log, nor does a test key where there are live accounts.\n\
         - A workspace that has an owner keeps one: the last can be neither removed, demoted nor disabled.\n\
         - Name and password are one's own matter; one's own password is changed with the current one.\n\
         - The command line works on the database itself and is bound by none of this but the last owner.\n\n\
         ## What each route needs\n\n\
         | route | needs |\n|---|---|"
    ));
    for route in ROUTES {
        let needs = match route.access {
            RouteAccess::Public => "nothing".to_owned(),
            RouteAccess::Authenticated => "any key or session".to_owned(),
            RouteAccess::SelfOr(permission) => format!("`{}`, or to be the user", permission.as_str()),
            RouteAccess::Permission(permission) => format!("`{}`", permission.as_str()),
        };
        add(format_args!("| `{} /api{}` | {needs} |", route.method, route.path));
    }
    page
}

#[test]
fn the_page_of_permissions_is_what_the_code_says() {
    expect_file!["../../../../../docs/permissions.md"].assert_eq(&page());
}
