//! `waypost users`: users of the console.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use domain::access::password::password_error;
use domain::access::permission::Role;
use domain::access::user::{Email, User};
use domain::time::rfc3339;
use engine::AuditContext;
use engine::access::user;
use engine::access::user::{NewUser, Requester, UpdateUserRequest, UserError};
use engine::ports::{PageRequest, PageStart, UserFilter};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::context::CommandContext;
use super::name_arg::name;
use super::terminal::{print_json, print_line, print_note, print_table, read_secret};
use crate::cli::workspace_arg::{Opened, WorkspaceArg};
use crate::config::secret_file;

/// Rows per page.
const PAGE: u32 = 200;

#[derive(Debug, Subcommand)]
pub(super) enum UsersCommand {
    /// Add a user
    Add(Box<AddUserArgs>),
    /// List the users
    List(ListUsersArgs),
    /// Change the password of a user; this ends all sessions of the user
    Password(ChangePasswordArgs),
    /// Remove a user; this ends all sessions of the user
    Remove(RemoveUserArgs),
}

#[derive(Debug, Args)]
pub(super) struct AddUserArgs {
    /// Email address for the login
    #[arg(long, value_parser = email)]
    email: Email,
    /// Role: owner, admin, agent or viewer (docs/permissions.md)
    #[arg(long, value_parser = role)]
    role: Role,
    /// Display name
    #[arg(long, value_parser = name)]
    name: Option<String>,
    /// File that contains the password [default: read from the terminal]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    workspace: WorkspaceArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ListUsersArgs {
    #[command(flatten)]
    workspace: WorkspaceArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ChangePasswordArgs {
    /// Email address or ID of the user
    #[arg(value_name = "EMAIL|ID")]
    user: String,
    /// File that contains the password [default: read from the terminal]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    workspace: WorkspaceArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RemoveUserArgs {
    /// Email address or ID of the user
    #[arg(value_name = "EMAIL|ID")]
    user: String,
    #[command(flatten)]
    workspace: WorkspaceArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn email(text: &str) -> Result<Email, String> {
    text.parse().map_err(|error: domain::access::user::ParseEmailError| error.to_string())
}

fn role(text: &str) -> Result<Role, String> {
    text.parse().map_err(|_| "must be owner, admin, agent or viewer".to_owned())
}

impl UsersCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// If the database cannot be opened, or the change is not allowed.
    pub(super) async fn run(self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        match self {
            Self::Add(add) => add.run(ctx).await,
            Self::List(list) => list.run(ctx).await,
            Self::Password(password) => password.run(ctx).await,
            Self::Remove(remove) => remove.run(ctx).await,
        }
    }
}

/// Returns the password from the file, or from the terminal, where it must be typed twice.
fn password(file: Option<&Path>, email: &Email) -> anyhow::Result<SecretString> {
    let secret = match file {
        Some(path) => {
            secret_file(path).with_context(|| format!("--password-file: reading {}", path.display()))?
        }
        None => {
            let reading = || "reading the password".to_owned();
            let typed = read_secret("Password: ").with_context(reading)?;
            let typed = typed.context("standard input is not a terminal: use --password-file")?;
            let again = read_secret("Repeat the password: ").with_context(reading)?;
            if again.is_none_or(|again| again.expose_secret() != typed.expose_secret()) {
                bail!("the passwords differ");
            }
            typed
        }
    };
    match password_error(secret.expose_secret(), Some(email)) {
        Some(fault) => bail!("the password {fault}"),
        None => Ok(secret),
    }
}

fn describe_error(error: UserError, action: &'static str) -> anyhow::Error {
    match error {
        UserError::EmailTaken => anyhow!("another user of this workspace has this email address"),
        UserError::LastOwner => {
            anyhow!("the user is the last owner of the workspace: add another owner first")
        }
        UserError::NotFound => anyhow!("the user was removed at the same time"),
        error @ (UserError::MissingPermission(_)
        | UserError::RoleExceedsRequester(_)
        | UserError::RestrictedKey
        | UserError::CurrentPasswordRequired
        | UserError::WrongPassword
        | UserError::TooManyFailures(_)
        | UserError::PasswordNotAllowed(_)
        | UserError::Password(_)
        | UserError::Store(_)) => anyhow::Error::new(error).context(action),
    }
}

/// Returns the user with this email address or ID.
async fn find(opened: &Opened, email_or_id: &str) -> anyhow::Result<User> {
    let filter = match email_or_id.parse() {
        Ok(id) => UserFilter { id: Some(id), ..UserFilter::default() },
        Err(_) => UserFilter { email: Some(email_or_id.to_lowercase()), ..UserFilter::default() },
    };
    let one = PageRequest { per_page: 1, start: PageStart::Page(1) };
    let found = opened.deps.users.list_users(opened.workspace, &filter, one).await;
    let user = found.context("looking for the user")?.rows.pop();
    user.with_context(|| format!("there is no user `{email_or_id}`: see `waypost users list`"))
}

impl AddUserArgs {
    async fn run(self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let opened = self.workspace.open(ctx).await?;
        let password = password(self.password_file.as_deref(), &self.email)?;
        let audit = AuditContext::command_line();
        let requester = Requester { caller: None, audit: &audit };
        let new = NewUser { email: self.email, name: self.name, role: self.role, password };
        let user = user::create_user(&opened.deps, requester, opened.workspace, new)
            .await
            .map_err(|error| describe_error(error, "adding the user"))?;
        if self.json {
            print_json(&user_json(&user))?;
        } else {
            print_line(&format!("added {} `{}`, id {}", user.role.as_str(), user.email, user.id))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl ListUsersArgs {
    async fn run(&self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let opened = self.workspace.open(ctx).await?;
        let mut users = Vec::new();
        let mut start = PageStart::Page(1);
        loop {
            let page = PageRequest { per_page: PAGE, start };
            let found = opened.deps.users.list_users(opened.workspace, &UserFilter::default(), page).await;
            let found = found.context("listing the users")?;
            users.extend(found.rows);
            match found.next {
                Some(position) => start = PageStart::After(position),
                None => break,
            }
        }
        if self.json {
            let users: Vec<_> = users.iter().map(user_json).collect();
            print_json(&json!({ "users": users }))?;
        } else if users.is_empty() {
            print_note("there are no users; add a user with `waypost users add`");
        } else {
            let rows: Vec<_> = users.iter().map(row).collect();
            print_table(["EMAIL", "NAME", "ROLE", "", "ADDED", "LAST LOGIN", "ID"], &rows)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn row(user: &User) -> [String; 7] {
    let none = || "-".to_owned();
    [
        user.email.to_string(),
        user.name.clone().unwrap_or_else(none),
        user.role.as_str().to_owned(),
        if user.is_disabled { "disabled".to_owned() } else { String::new() },
        rfc3339(user.created_at),
        user.last_login_at.map_or_else(none, rfc3339),
        user.id.to_string(),
    ]
}

fn user_json(user: &User) -> Value {
    json!({
        "id": user.id.to_string(),
        "email": user.email.as_str(),
        "name": user.name,
        "role": user.role.as_str(),
        "disabled": user.is_disabled,
        "created_at": rfc3339(user.created_at),
        "last_login_at": user.last_login_at.map(rfc3339),
    })
}

/// Prints the result of a command.
fn print_result(user: &User, status: &str, text: &str, is_json: bool) -> anyhow::Result<ExitCode> {
    if is_json {
        print_json(&json!({ "id": user.id.to_string(), "email": user.email.as_str(), "status": status }))?;
    } else {
        print_line(text)?;
    }
    Ok(ExitCode::SUCCESS)
}

impl ChangePasswordArgs {
    async fn run(&self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let opened = self.workspace.open(ctx).await?;
        let user = find(&opened, &self.user).await?;
        let password = password(self.password_file.as_deref(), &user.email)?;
        let audit = AuditContext::command_line();
        let requester = Requester { caller: None, audit: &audit };
        let edit = UpdateUserRequest { password: Some(password), ..UpdateUserRequest::default() };
        let user = user::update_user(&opened.deps, requester, opened.workspace, user.id, edit)
            .await
            .map_err(|error| describe_error(error, "changing the password"))?;
        let text = format!("the password of `{}` was changed; all sessions of the user ended", user.email);
        print_result(&user, "changed", &text, self.json)
    }
}

impl RemoveUserArgs {
    async fn run(&self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let opened = self.workspace.open(ctx).await?;
        let user = find(&opened, &self.user).await?;
        let audit = AuditContext::command_line();
        let requester = Requester { caller: None, audit: &audit };
        let user = user::delete_user(&opened.deps, requester, opened.workspace, user.id)
            .await
            .map_err(|error| describe_error(error, "removing the user"))?;
        print_result(&user, "removed", &format!("user `{}` was removed", user.email), self.json)
    }
}
