//! What Meta posts: routed to the account that it concerns, and written down in one transaction.
//!
//! **Invariant:** a part is applied only to an account whose own secret signed the body; all else is kept, and said.

use std::sync::Arc;

use bytes::Bytes;
use domain::contacts::opt_out::OptOutSignal;
use domain::id::{AccountId, ContactId, MediaId, MessageId, WorkspaceId};
use domain::webhooks_in::update::WebhookUpdate;
use jiff::Timestamp;

pub use crate::webhooks_in::redrive::{again, kept};

use crate::ports::{AccountRecord, FreshIds, Ingested, Post, Proof, Route, RoutedPart, StoreError};
use crate::{By, Deps, chain, directory, templates};

/// One part of a POST, before it is known whom it concerns.
#[derive(Clone, Debug)]
pub struct HeardPart {
    /// The WhatsApp Business Account that it names.
    pub waba_id: Option<String>,
    /// The number that it names.
    pub phone_number_id: Option<String>,
    /// Meta's name of the webhook field.
    pub field: String,
    /// When Meta says that it happened, where the envelope tells.
    pub time: Option<Timestamp>,
    /// What it says.
    pub update: WebhookUpdate,
    /// First byte and number of bytes within the body.
    pub span: (u32, u32),
    /// Why it could not be decoded.
    pub undecodable: Option<String>,
}

/// A POST whose signature was looked at.
#[derive(Clone, Debug)]
pub struct Heard<'a> {
    /// The bytes that came.
    pub body: Bytes,
    /// The signature header, as it came.
    pub signature: Option<Bytes>,
    /// The accounts whose secret verified it.
    pub signers: &'a [Arc<AccountRecord>],
}

/// Takes one POST.
///
/// # Errors
/// When the store cannot be written: Meta will post it again.
pub async fn ingest(
    deps: &Arc<Deps>,
    heard: Heard<'_>,
    parts: Vec<HeardPart>,
) -> Result<Ingested, StoreError> {
    let proof = Proof {
        signature: heard.signature,
        signers: heard.signers.iter().map(|record| record.account.id).collect(),
    };
    let parts = routed(deps, parts, heard.signers);
    let renamed = with_new_words(&parts);
    let newest = parts.iter().filter_map(|part| told_at(&part.update)).max();
    let post = Post { body: heard.body, parts, proof, again: None, now: deps.now() };
    let ingested = deps.messages.ingest(post).await?;
    deps.metrics.ingested(&ingested, newest);
    if ingested.has_media {
        deps.media.hint.notify_one();
    }
    if ingested.unrouted > 0 {
        tracing::warn!(
            n_parts = ingested.unrouted,
            "a webhook concerns an account that is not here; it is kept"
        );
    }
    if ingested.undecodable > 0 {
        tracing::warn!(
            n_parts = ingested.undecodable,
            "a part of a webhook cannot be understood; it is kept"
        );
    }
    follow_up(deps, ingested, renamed).await;
    Ok(ingested)
}

/// Meta's time of what a part tells.
fn told_at(update: &WebhookUpdate) -> Option<Timestamp> {
    match update {
        WebhookUpdate::Message(message) => Some(message.at),
        WebhookUpdate::Status(report) => Some(report.at),
        WebhookUpdate::Call(call) => Some(call.at),
        WebhookUpdate::Echo(_)
        | WebhookUpdate::Preference(_)
        | WebhookUpdate::Moved(_)
        | WebhookUpdate::Account(_)
        | WebhookUpdate::Template(_)
        | WebhookUpdate::Other => None,
    }
}

/// What a customer's message says about marketing.
fn wish(deps: &Deps, update: &WebhookUpdate) -> Option<OptOutSignal> {
    match update {
        WebhookUpdate::Message(message) => deps.settings.opt_out.wish(message),
        WebhookUpdate::Call(_)
        | WebhookUpdate::Status(_)
        | WebhookUpdate::Echo(_)
        | WebhookUpdate::Preference(_)
        | WebhookUpdate::Moved(_)
        | WebhookUpdate::Account(_)
        | WebhookUpdate::Template(_)
        | WebhookUpdate::Other => None,
    }
}

/// A WhatsApp Business Account of a workspace.
type Place = (WorkspaceId, String);

/// Finds whom each part concerns.
pub(crate) fn routed(deps: &Deps, parts: Vec<HeardPart>, signers: &[Arc<AccountRecord>]) -> Vec<RoutedPart> {
    let mut all = Vec::with_capacity(parts.len());
    for part in parts {
        let mut routes = routes(&part, signers);
        let first = routes.pop();
        let ids = || FreshIds {
            message: deps.new_id(MessageId::from_parts),
            contact: deps.new_id(ContactId::from_parts),
            media: deps.new_id(MediaId::from_parts),
        };
        let part = RoutedPart {
            route: first,
            wish: wish(deps, &part.update),
            update: part.update,
            span: part.span,
            field: part.field,
            waba_id: part.waba_id,
            phone_number_id: part.phone_number_id,
            time: part.time,
            undecodable: part.undecodable,
            ids: ids(),
        };
        for route in routes {
            all.push(RoutedPart { route: Some(route), ids: ids(), ..part.clone() });
        }
        all.push(part);
    }
    all
}

/// Whom a part concerns: the account of its number; without one, each workspace with an account of that WhatsApp
/// Business Account.
fn routes(part: &HeardPart, signers: &[Arc<AccountRecord>]) -> Vec<Route> {
    let to = |record: &Arc<AccountRecord>, account: Option<AccountId>| Route {
        workspace: record.account.workspace,
        waba_id: record.account.waba_id.clone(),
        account,
    };
    let mut routes: Vec<Route> = Vec::new();
    if let Some(number) = &part.phone_number_id {
        let record = signers.iter().find(|record| record.account.phone_number_id == *number);
        routes.extend(record.map(|record| to(record, Some(record.account.id))));
    } else if let Some(waba_id) = &part.waba_id {
        for record in signers.iter().filter(|record| record.account.waba_id == *waba_id) {
            if routes.iter().all(|route| route.workspace != record.account.workspace) {
                routes.push(to(record, None));
            }
        }
    }
    routes
}

/// The WhatsApp Business Accounts of which a template says something else by now.
pub(crate) fn with_new_words(parts: &[RoutedPart]) -> Vec<Place> {
    let has_words =
        |part: &&RoutedPart| matches!(&part.update, WebhookUpdate::Template(update) if update.text.is_some());
    let mut places: Vec<Place> = parts
        .iter()
        .filter(has_words)
        .filter_map(|part| part.route.as_ref())
        .map(|route| (route.workspace, route.waba_id.clone()))
        .collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// Does what follows from a POST outside its transaction.
pub(crate) async fn follow_up(deps: &Arc<Deps>, ingested: Ingested, renamed: Vec<Place>) {
    if (ingested.has_template_changes || ingested.has_account_changes)
        && let Err(error) = directory::refresh(deps).await
    {
        // Committed all the same; the next round of the refresh sees it.
        tracing::warn!(error = %chain(&error), "accounts and templates could not be read again");
    }
    if !ingested.has_new_words {
        return;
    }
    // Meta told the words only; its list tells the rest. Meta's POST does not wait for that.
    let syncing = deps.clone();
    deps.tasks.spawn(async move {
        for (workspace, waba_id) in renamed {
            let directory = syncing.directory.current();
            let record = directory.accounts_of(workspace).find(|record| record.account.waba_id == waba_id);
            let Some(record) = record else { continue };
            if let Err(error) = templates::sync(&syncing, &By::gateway(), record).await {
                tracing::warn!(error = %chain(&error), waba.id = waba_id,
                    "a template has changed, and meta's list could not be read");
            }
        }
    });
}
