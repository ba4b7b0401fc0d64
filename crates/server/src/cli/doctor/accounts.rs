//! The accounts as Meta sees them, the callback as Meta reaches it, and Meta's clock.

use std::sync::Arc;

use engine::accounts;
use engine::accounts::Check;
use engine::ports::{AccountCredentials, AccountRecord, Clock as _};
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use store::Inspection;

use super::Findings;
use crate::cli::gateway_client;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::run::{self, OpenOptions};

/// How far this machine's clock may be from Meta's, which says whole seconds.
const SKEW: SignedDuration = SignedDuration::from_secs(30);
/// A clock that is this far off closes windows early or keeps them open too long.
const FAR_OFF: SignedDuration = SignedDuration::from_mins(5);
/// A token that ends sooner is to be replaced.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

pub(super) async fn look(
    findings: &mut Findings,
    config: &Config,
    inspection: Option<&Inspection>,
    is_online: bool,
) -> anyhow::Result<()> {
    let accounts = read(findings, config, inspection).await?;
    let has_live = accounts
        .as_ref()
        .is_some_and(|(_, accounts)| accounts.iter().any(|record| !record.account.is_sandbox));
    findings.area("callback");
    address(findings, config, has_live);
    if !is_online {
        findings.ok("reachable", "not asked: --offline");
        return Ok(());
    }
    reachable(findings, config, inspection.is_some_and(|inspection| inspection.n_living > 0)).await;
    let is_only_sandbox = accounts.as_ref().is_some_and(|(_, accounts)| !accounts.is_empty()) && !has_live;
    findings.area("meta");
    clock(findings, &if is_only_sandbox { config.simulator_url() } else { config.graph.base_url.clone() })
        .await;
    let Some((deps, accounts)) = accounts else { return Ok(()) };
    for record in &accounts {
        findings.area(format!("account {}", record.account.name));
        let line =
            AccountCredentials { account: record.account.clone(), access_token: record.access_token.clone() };
        let ends_at = deps.upstream.get_token_info(&line).await.ok().and_then(|token| token.expires_at);
        let ends_soon = ends_at.is_some_and(|at| at.duration_since(deps.now()) < SOON);
        for check in accounts::test(&deps, record).await? {
            checked(findings, &check, ends_soon);
        }
        held(findings, record);
        if record.app_secret.is_none() {
            findings.fail(
                "app_secret",
                "there is none: Meta's webhooks are refused",
                "give the account its app secret",
            );
        }
        if record.verify_token_digest.is_none() {
            findings.warn(
                "verify_token",
                "there is none: Meta cannot check the callback",
                "give the account one",
            );
        }
    }
    Ok(())
}

type Read = (Arc<engine::Deps>, Vec<Arc<AccountRecord>>);

/// The accounts of all workspaces, if the database is such that it can be worked with.
async fn read(
    findings: &mut Findings,
    config: &Config,
    inspection: Option<&Inspection>,
) -> anyhow::Result<Option<Read>> {
    findings.area("accounts");
    // To open the store would migrate it, and a seal that does not open would end this here.
    let is_fit = inspection.is_some_and(|inspection| {
        inspection.version == inspection.known
            && inspection.write_refusal.is_none()
            && inspection.seals.is_some_and(|count| count.other == 0)
    });
    if !is_fit {
        findings.warn(
            "list",
            "the accounts cannot be read as the database is",
            "mend configuration and database first, then ask again",
        );
        return Ok(None);
    }
    let options = OpenOptions { is_dev: false, clock: Arc::new(SystemClock::new()) };
    let deps = match run::open(config, options).await {
        Ok(deps) => deps,
        Err(error) => {
            findings.fail("list", format!("{error:#}"), "mend what is named");
            return Ok(None);
        }
    };
    let accounts = deps.directory.current().accounts.clone();
    if accounts.is_empty() {
        findings.warn("list", "there are no accounts", "`waypost accounts add` adds one");
    } else {
        findings.ok("list", format!("{} of them", accounts.len()));
    }
    Ok(Some((deps, accounts)))
}

fn checked(findings: &mut Findings, check: &Check, ends_soon: bool) {
    let mend = match check.name {
        "token" => "make a new token at Meta and give it to the account",
        "expiry" => "make a new token at Meta and give it to the account; one of a system user never expires",
        "quality" => "send less, and to who asked for it: a number that stays RED is limited",
        "scopes" => "make a token with whatsapp_business_messaging and whatsapp_business_management",
        "number" => "look at the number in Meta's WhatsApp Manager",
        "webhook" => "subscribe the app to the WhatsApp Business Account: `waypost accounts subscribe NAME`",
        "callback" => "look at DNS, the proxy and public_url, and at the account's verify token",
        _ => "see what Meta says",
    };
    match (check.name, check.is_ok) {
        // It works, and will not for long.
        ("expiry", true) if ends_soon => findings.warn(check.name, check.finding.as_str(), mend),
        ("quality", false) => findings.warn(check.name, check.finding.as_str(), mend),
        (_, true) => findings.ok(check.name, check.finding.as_str()),
        (_, false) => findings.fail(check.name, check.finding.as_str(), mend),
    }
}

fn held(findings: &mut Findings, record: &AccountRecord) {
    let account = &record.account;
    match &account.status_reason {
        Some(reason) => findings.fail(
            "status",
            format!("{}: {reason}", account.status.as_str()),
            format!("mend that, then `waypost accounts resume {}`", account.name),
        ),
        None => findings.ok("status", account.status.as_str()),
    }
}

fn address(findings: &mut Findings, config: &Config, has_live: bool) {
    let url = config.callback_url();
    if url.starts_with("https://") {
        findings.ok("public_url", url);
    } else if has_live {
        let mend = "put a TLS proxy in front (deploy/) and set public_url to its https address";
        findings.fail("public_url", format!("{url} is not https: Meta does not call it"), mend);
    } else if config.has_public_url() {
        findings.warn("public_url", format!("{url} is not https"), "Meta calls https only");
    } else {
        findings.ok("public_url", format!("{url}: good for the simulator, not for Meta"));
    }
}

/// Asks the callback with a word that is nobody's: only a gateway refuses it in its own words.
async fn reachable(findings: &mut Findings, config: &Config, is_running: bool) {
    let url = config.callback_url();
    if !is_running {
        let text = "not asked: no waypost works with this database";
        findings.warn("reachable", text, "ask again while `waypost serve` runs");
        return;
    }
    let question = format!("{url}?hub.mode=subscribe&hub.challenge=doctor&hub.verify_token=doctor");
    let mend = "look at the proxy, at DNS and at the firewall: Meta has to reach it from outside";
    match gateway_client::get(&question).await {
        Ok(answer) if answer.status == 403 && answer.body.contains("verify token") => {
            findings.ok("reachable", format!("{url} answers, from this machine"));
        }
        Ok(answer) => {
            let text = format!("{url} answers {}, and not as a waypost would", answer.status.as_u16());
            findings.fail("reachable", text, mend);
        }
        Err(error) => findings.fail("reachable", format!("{url}: {error:#}"), mend),
    }
}

async fn clock(findings: &mut Findings, url: &str) {
    let clock = SystemClock::new();
    let answer = match gateway_client::get(url).await {
        Ok(answer) => answer,
        Err(error) => {
            findings.fail(
                "reachable",
                format!("{url}: {error:#}"),
                "look at DNS, the firewall and graph.base_url",
            );
            return;
        }
    };
    findings.ok("reachable", format!("{url} answers"));
    let theirs = answer.date.as_deref().and_then(|date| rfc2822::parse(date).ok());
    let Some(theirs) = theirs.map(|date| date.timestamp()) else {
        findings.warn("clock", format!("{url} says no time"), "look at this machine's NTP instead");
        return;
    };
    skew(findings, clock.now(), theirs);
}

fn skew(findings: &mut Findings, ours: Timestamp, theirs: Timestamp) {
    let off = ours.duration_since(theirs);
    let text = format!("this machine's clock is {} s off", off.abs().as_secs());
    let mend = "set the clock (NTP): windows, schedules and signatures go by it";
    if off.abs() <= SKEW {
        findings.ok("clock", text);
    } else if off.abs() <= FAR_OFF {
        findings.warn("clock", text, mend);
    } else {
        findings.fail("clock", text, mend);
    }
}
