//! Output of accounts and of their checks.

use std::process::ExitCode;

use domain::accounts::account::Account;
use engine::accounts::AccountCheck;
use serde_json::{Value, json};

use crate::cli::context::CommandContext;
use crate::cli::terminal::{Palette, print_line};

/// Returns an account in JSON.
pub(super) fn account_json(account: &Account) -> Value {
    json!({
        "id": account.id.to_string(),
        "name": account.name,
        "phone_number_id": account.phone_number_id,
        "waba_id": account.waba_id,
        "display_phone_number": account.display_phone_number,
        "quality_rating": account.quality_rating,
        "status": account.status.as_str(),
        "status_reason": account.status_reason,
        "default": account.is_default,
        "sandbox": account.is_sandbox,
        "fetch_media": account.fetches_links,
    })
}

/// Prints checks, one per line.
///
/// # Errors
/// If standard output cannot be written.
pub(super) fn print_checks(ctx: &CommandContext, checks: &[AccountCheck]) -> anyhow::Result<()> {
    let palette = Palette::of_stdout(ctx.environment.is_plain);
    for check in checks {
        let mark = if check.is_ok { palette.green("ok  ") } else { palette.red("FAIL") };
        print_line(&format!("{mark}  {:8}  {}", check.name, check.finding))?;
    }
    Ok(())
}

/// Returns checks in JSON.
pub(super) fn checks_json(checks: &[AccountCheck]) -> Value {
    checks
        .iter()
        .map(|check| json!({ "name": check.name, "ok": check.is_ok, "finding": check.finding }))
        .collect()
}

/// Returns the exit code: success if all checks passed.
pub(super) fn exit_code(checks: &[AccountCheck]) -> ExitCode {
    if checks.iter().all(|check| check.is_ok) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
