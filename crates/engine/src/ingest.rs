//! What Meta posts: routed to the account that it concerns, and written down in one transaction.
//!
//! **Invariant:** a part is applied only to an account whose own secret signed the body; all else is kept, and said.

use std::sync::Arc;

use bytes::Bytes;
use domain::id::{AccountId, ContactId, MessageId};
use domain::inbound::Update;
use domain::opt_out::Wish;

use crate::ports::{AccountRecord, FreshIds, Ingested, Post, Route, RoutedPart, StoreError};
use crate::{Deps, chain, directory};

/// One part of a POST, before it is known whom it concerns.
#[derive(Clone, Debug)]
pub struct HeardPart {
    /// The WhatsApp Business Account that it names.
    pub waba_id: Option<String>,
    /// The number that it names.
    pub phone_number_id: Option<String>,
    /// Meta's name of the webhook field.
    pub field: String,
    /// What it says.
    pub update: Update,
    /// First byte and number of bytes within the body.
    pub span: (u32, u32),
    /// Why it could not be decoded.
    pub undecodable: Option<String>,
}

/// Takes one POST. `signers` are the accounts whose secret verified its signature.
///
/// # Errors
/// When the store cannot be written: Meta will post it again.
pub async fn ingest(
    deps: &Deps,
    body: Bytes,
    parts: Vec<HeardPart>,
    signers: &[Arc<AccountRecord>],
) -> Result<Ingested, StoreError> {
    let parts: Vec<_> = parts
        .into_iter()
        .map(|part| RoutedPart {
            route: route(&part, signers),
            wish: wish(deps, &part.update),
            update: part.update,
            span: part.span,
            field: part.field,
            undecodable: part.undecodable,
            ids: FreshIds {
                message: deps.new_id(MessageId::from_parts),
                contact: deps.new_id(ContactId::from_parts),
            },
        })
        .collect();
    let ingested = deps.messages.ingest(Post { body, parts, now: deps.now() }).await?;
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
    if ingested.has_template_changes
        && let Err(error) = directory::refresh(deps).await
    {
        // Committed all the same; the next round of the refresh sees it.
        tracing::warn!(error = %chain(&error), "templates could not be read again");
    }
    Ok(ingested)
}

/// What a customer's message says about marketing.
fn wish(deps: &Deps, update: &Update) -> Option<Wish> {
    match update {
        Update::Message(message) => deps.settings.opt_out.wish(message),
        Update::Call(_) | Update::Status(_) | Update::Template(_) | Update::Other => None,
    }
}

fn route(part: &HeardPart, signers: &[Arc<AccountRecord>]) -> Option<Route> {
    let to = |record: &Arc<AccountRecord>, account: Option<AccountId>| Route {
        workspace: record.account.workspace,
        waba_id: record.account.waba_id.clone(),
        account,
    };
    if let Some(number) = &part.phone_number_id {
        let record = signers.iter().find(|record| record.account.phone_number_id == *number)?;
        return Some(to(record, Some(record.account.id)));
    }
    let waba_id = part.waba_id.as_ref()?;
    let record = signers.iter().find(|record| record.account.waba_id == *waba_id)?;
    Some(to(record, None))
}
