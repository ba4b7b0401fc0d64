//! Checks of the accounts at Meta, of the callback URL and of the clock.

use std::sync::Arc;

use engine::accounts;
use engine::accounts::AccountCheck;
use engine::ports::{AccountCredentials, AccountRecord, Clock as _};
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use store::IntegrityReport;

use super::findings::Findings;
use crate::cli::gateway_client;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::run::{self, OpenOptions};

/// Largest difference between this machine's clock and Meta's clock that is accepted; Meta reports whole seconds.
const MAX_SKEW: SignedDuration = SignedDuration::from_secs(30);
/// Difference above which the check fails, because customer service windows would be wrong.
const FAILING_SKEW: SignedDuration = SignedDuration::from_mins(5);
/// Remaining lifetime of a token below which the check warns.
const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

pub(super) async fn check(
    findings: &mut Findings,
    config: &Config,
    inspection: Option<&IntegrityReport>,
    is_online: bool,
) -> anyhow::Result<()> {
    let accounts = read(findings, config, inspection).await?;
    let has_live = accounts
        .as_ref()
        .is_some_and(|(_, accounts)| accounts.iter().any(|record| !record.account.is_sandbox));
    findings.area("callback");
    check_public_url(findings, config, has_live);
    if !is_online {
        findings.ok("reachable", "not checked: --offline");
        return Ok(());
    }
    check_callback(findings, config, inspection.is_some_and(|inspection| inspection.n_processes > 0)).await;
    let is_only_sandbox = accounts.as_ref().is_some_and(|(_, accounts)| !accounts.is_empty()) && !has_live;
    findings.area("meta");
    check_clock(
        findings,
        &if is_only_sandbox { config.simulator_url() } else { config.graph.base_url.clone() },
    )
    .await;
    let Some((deps, accounts)) = accounts else { return Ok(()) };
    for record in &accounts {
        findings.area(format!("account {}", record.account.name));
        let credentials =
            AccountCredentials { account: record.account.clone(), access_token: record.access_token.clone() };
        let ends_at =
            deps.upstream.get_token_info(&credentials).await.ok().and_then(|token| token.expires_at);
        let ends_soon = ends_at.is_some_and(|at| at.duration_since(deps.now()) < EXPIRES_SOON);
        for check in accounts::test_account(&deps, record).await? {
            report(findings, &check, ends_soon);
        }
        if record.account.status_reason.is_none() {
            findings.ok("status", record.account.status.as_str());
        }
        if record.app_secret.is_none() {
            findings.fail(
                "app_secret",
                "not set: webhooks from Meta are rejected",
                "set it with `waypost accounts update NAME --app-secret-file FILE`",
            );
        }
        if record.verify_token_digest.is_none() {
            findings.warn(
                "verify_token",
                "not set: Meta cannot verify the callback URL",
                "set it with `waypost accounts update NAME --verify-token-file FILE`",
            );
        }
    }
    Ok(())
}

type Read = (Arc<engine::Deps>, Vec<Arc<AccountRecord>>);

/// Returns the accounts of all workspaces, if the database can be opened.
async fn read(
    findings: &mut Findings,
    config: &Config,
    inspection: Option<&IntegrityReport>,
) -> anyhow::Result<Option<Read>> {
    findings.area("accounts");
    // Opening the store would migrate the database, and it fails if a secret cannot be decrypted.
    let can_open = inspection.is_some_and(|inspection| {
        inspection.version == inspection.known
            && inspection.write_refusal.is_none()
            && inspection.seals.is_some_and(|count| count.other == 0)
    });
    if !can_open {
        findings.warn(
            "list",
            "the accounts cannot be read because of the state of the database",
            "fix the findings about configuration and database, then run this command again",
        );
        return Ok(None);
    }
    let options = OpenOptions { is_dev: false, clock: Arc::new(SystemClock::new()) };
    let deps = match run::open(config, options).await {
        Ok(deps) => deps,
        Err(error) => {
            findings.fail("list", format!("{error:#}"), "fix the cause");
            return Ok(None);
        }
    };
    let accounts = deps.directory.current().accounts.clone();
    if accounts.is_empty() {
        findings.warn("list", "there are no accounts", "add an account with `waypost accounts add`");
    } else {
        findings.ok("list", format!("{} accounts", accounts.len()));
    }
    Ok(Some((deps, accounts)))
}

fn report(findings: &mut Findings, check: &AccountCheck, ends_soon: bool) {
    let fix = match check.name {
        "token" => "create a new token at Meta and set it with `waypost accounts update`",
        "expiry" => {
            "create a new token at Meta and set it with `waypost accounts update`; a token of a system user never expires"
        }
        "quality" => {
            "send fewer messages, and only to people who opted in: Meta limits a number that stays RED"
        }
        "scopes" => "create a token with whatsapp_business_messaging and whatsapp_business_management",
        "number" => "check the number in Meta's WhatsApp Manager",
        "webhook" => "subscribe the app to the WhatsApp Business Account: `waypost accounts subscribe NAME`",
        "callback" => "check DNS, the proxy, public_url and the account's verify token",
        "status" => "fix the cause, then run `waypost accounts resume NAME`",
        _ => "see Meta's message",
    };
    match (check.name, check.is_ok) {
        // The token is still valid.
        ("expiry", true) if ends_soon => findings.warn(check.name, check.finding.as_str(), fix),
        ("quality", false) => findings.warn(check.name, check.finding.as_str(), fix),
        (_, true) => findings.ok(check.name, check.finding.as_str()),
        (_, false) => findings.fail(check.name, check.finding.as_str(), fix),
    }
}

fn check_public_url(findings: &mut Findings, config: &Config, has_live: bool) {
    let url = config.callback_url();
    if url.starts_with("https://") {
        findings.ok("public_url", url);
    } else if has_live {
        let fix = "put a TLS proxy in front of the gateway (deploy/) and set public_url to its https URL";
        findings.fail("public_url", format!("{url} is not https: Meta calls https URLs only"), fix);
    } else if config.has_public_url() {
        findings.warn("public_url", format!("{url} is not https"), "Meta calls https URLs only");
    } else {
        findings.ok("public_url", format!("{url} works for the simulator, not for Meta"));
    }
}

/// Calls the callback URL with an invalid verify token. The text of the response shows whether a gateway answered.
async fn check_callback(findings: &mut Findings, config: &Config, is_running: bool) {
    let url = config.callback_url();
    if !is_running {
        let text = "not checked: no gateway uses this database";
        findings.warn("reachable", text, "run this command again while `waypost serve` is running");
        return;
    }
    let url_with_query = format!("{url}?hub.mode=subscribe&hub.challenge=doctor&hub.verify_token=doctor");
    let fix = "check the proxy, DNS and the firewall: Meta must be able to connect from the internet";
    match gateway_client::get(&url_with_query).await {
        Ok(response) if response.status == 403 && response.body.contains("verify token") => {
            findings.ok("reachable", format!("{url} responds to calls from this machine"));
        }
        Ok(response) => {
            let text = format!("{url} responds with {}, but not like waypost", response.status.as_u16());
            findings.fail("reachable", text, fix);
        }
        Err(error) => findings.fail("reachable", format!("{url}: {error:#}"), fix),
    }
}

async fn check_clock(findings: &mut Findings, url: &str) {
    let clock = SystemClock::new();
    let response = match gateway_client::get(url).await {
        Ok(response) => response,
        Err(error) => {
            findings.fail(
                "reachable",
                format!("{url}: {error:#}"),
                "check DNS, the firewall and graph.base_url",
            );
            return;
        }
    };
    findings.ok("reachable", format!("{url} responds"));
    let meta_time = response.date.as_deref().and_then(|date| rfc2822::parse(date).ok());
    let Some(meta_time) = meta_time.map(|date| date.timestamp()) else {
        findings.warn("clock", format!("{url} sends no Date header"), "check NTP on this machine instead");
        return;
    };
    report_skew(findings, clock.now(), meta_time);
}

fn report_skew(findings: &mut Findings, local_time: Timestamp, meta_time: Timestamp) {
    let difference = local_time.duration_since(meta_time);
    let text = format!("this machine's clock differs by {} s", difference.abs().as_secs());
    let fix = "set the clock (NTP): windows, schedules and signatures depend on it";
    if difference.abs() <= MAX_SKEW {
        findings.ok("clock", text);
    } else if difference.abs() <= FAILING_SKEW {
        findings.warn("clock", text, fix);
    } else {
        findings.fail("clock", text, fix);
    }
}
