//! List files.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use domain::check::{Fields, RequestSchema};
use engine::Deps;
use engine::messages::admission::choose_account;
use engine::ports::{MediaFilter, MediaOrigin, MediaState};

use crate::api::error::{ApiError, Code};
use crate::api::field::time;
use crate::api::media::serialize::{MEDIA_EXAMPLE, serialize_media};
use crate::api::openapi::operation::Operation;
use crate::api::pagination::PageQuery;
use crate::api::request_body;
use crate::api::request_context::Authorized;

/// Lists files, newest first.
pub(crate) async fn list_media(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let (mut filter, account, page) = request_body::read(&query, read_list)?;
    let page = page.open(&deps, &caller)?;
    filter.accounts = caller.visible_accounts(&deps);
    if let Some(account) = account {
        filter.account = Some(match choose_account(&deps, &caller, Some(&account)) {
            Ok(record) => record.account.id,
            // A deleted account can still have files.
            Err(error) => account.parse().map_err(|_| error)?,
        });
    }
    let found = page.read(deps.media.records.list_media(caller.workspace(), &filter, page.request())).await?;
    page.respond(found, |media| serialize_media(&media))
}

/// Filter of a list of files, account and page.
type ListQuery = (MediaFilter, Option<String>, PageQuery);

/// States that a listed file can have.
const STATES: [MediaState; 3] = [MediaState::Pending, MediaState::Ready, MediaState::Failed];

/// Reads the query of a list of files.
pub(crate) fn read_list(fields: &Fields<'_, '_>) -> ListQuery {
    let origins = MediaOrigin::ALL.map(|origin| (origin.as_str(), origin));
    let filter = MediaFilter {
        accounts: None,
        account: None,
        origin: fields
            .optional("origin")
            .about(
                "`inbound`: files of messages. `upload`: uploads to Waypost. `link`: downloads of links in messages.",
            )
            .choice(&origins),
        state: fields
            .optional("state")
            .about("State of the files.")
            .choice(&STATES.map(|state| (state.as_str(), state))),
        since: time(fields.optional("since").about("Earliest time of creation, inclusive.")),
        until: time(fields.optional("until").about("Latest time of creation, exclusive.")),
    };
    let account = fields.optional("account").about("ID or name of an account.");
    (filter, account.string(1..=512).map(str::to_owned), PageQuery::read("media", fields))
}

/// Describes the operation of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "list_media",
            "List files",
            "Newest first. Lists the files of the accounts that the caller may see, and the files of the workspace.",
        )
        .query(RequestSchema::of_query(read_list))
        .responds_page("media", "Media", MEDIA_EXAMPLE)
        .errors([Code::AccountNotFound]),
    ]
}
