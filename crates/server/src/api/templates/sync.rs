//! Synchronize templates with Meta's lists.

use crate::api::error::Code;
use crate::api::error::META_ERRORS;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::required;
use domain::check::Fields;
use domain::check::RequestSchema;
use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use engine::messages::admission::choose_account;
use engine::ports::AccountRecord;
use engine::{Deps, templates};

use crate::api::error::ApiError;
use crate::api::request_context::Audited;
use crate::api::{request_body, response};

/// Synchronizes the templates of one account, or of all accounts that the caller can use.
pub(crate) async fn sync_templates(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::object(&request_body::bytes(&headers, body).await?, true)?;
    let account = request_body::read(&object, read_sync)?;
    let records: Vec<Arc<AccountRecord>> = match account {
        Some(account) => vec![choose_account(&deps, &caller, Some(&account))?],
        None => {
            let directory = deps.directory.current();
            let mut wabas = BTreeSet::new();
            directory
                .accounts_of(caller.workspace())
                .filter(|record| caller.can_use_account(&record.account))
                .filter(|record| wabas.insert(record.account.waba_id.clone()))
                .cloned()
                .collect()
        }
    };
    let mut sum = engine::ports::TemplateSyncCounts::default();
    for record in &records {
        let counts = templates::sync_templates(&deps, &audit, record).await?;
        sum.added += counts.added;
        sum.updated += counts.updated;
        sum.removed += counts.removed;
        sum.total += counts.total;
    }
    let data = response::object([
        ("added", i64::from(sum.added).into()),
        ("updated", i64::from(sum.updated).into()),
        ("removed", i64::from(sum.removed).into()),
        ("total", i64::from(sum.total).into()),
    ]);
    Ok(response::success(StatusCode::OK, &data))
}

/// Reads the body of a synchronization.
pub(crate) fn read_sync(fields: &Fields<'_, '_>) -> Option<String> {
    let account = fields
        .optional("whatsapp_account")
        .about("ID or name of an account. Default: all accounts of the caller.");
    account.string(1..=200).map(str::to_owned)
}

/// Describes the operation of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "sync_templates",
            "Synchronize templates with Meta",
            "Reads the templates of an account, or of all accounts, from Meta. The response \
             comes when the synchronization is complete. Meta also reports changes by webhook.",
        )
        .optional_body(RequestSchema::of(read_sync), r#"{"whatsapp_account":"sandbox"}"#)
        .responds(
            200,
            "Number of templates.",
            Schema::object([
                required("added", Schema::integer(0..)),
                required("updated", Schema::integer(0..)),
                required("removed", Schema::integer(0..)),
                required("total", Schema::integer(0..)),
            ]),
            r#"{"added":2,"updated":0,"removed":1,"total":11}"#,
        )
        .errors([Code::AccountNotFound])
        .errors(META_ERRORS),
    ]
}
