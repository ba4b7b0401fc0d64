//! Calls of commands.

use std::process::ExitCode;

use http::Method;
use serde_json::{Value, json};

use super::ApiInvocation;
use super::arguments::with_query;
use super::definition::{ApiCall, ResultFormat, TableColumn};
use super::output::{print_members, print_rows};
use crate::cli::api_error::error_message;
use crate::cli::gateway_client::{ApiRequest, ApiResponse, CallBody, GatewayClient};
use crate::cli::terminal::{print_json, print_line, print_note};

/// Maximum number of rows that the API returns at once.
const MAX_PER_PAGE: u32 = 200;

/// Rows of a list.
#[derive(Clone, Copy)]
struct RowFormat {
    member: &'static str,
    columns: &'static [TableColumn],
    continues: &'static str,
}

impl ApiInvocation {
    /// Calls the API and prints the result.
    ///
    /// # Errors
    /// If there is no response, or an argument cannot be used.
    pub(super) async fn run_call(&self, client: &GatewayClient, call: &ApiCall) -> anyhow::Result<ExitCode> {
        let query = self.query(&self.command.parameters_in_query())?;
        let body = self.body(&call.method)?;
        let path = self.path(client, call.path).await?;
        if let ResultFormat::Rows { member, columns, continues } = call.format {
            let format = RowFormat { member, columns, continues };
            return self.run_list(client, &path, query, format).await;
        }
        let path = with_query(&path, &query);
        let response = client.call(&ApiRequest::new(call.method.clone(), &path, body)).await?;
        if !response.status.is_success() {
            return self.report_failure(&response);
        }
        if matches!(call.format, ResultFormat::Text) {
            print_line(String::from_utf8_lossy(&response.bytes).trim_end())?;
            return Ok(ExitCode::SUCCESS);
        }
        let json = response.json()?;
        let data = json.get("data").cloned().unwrap_or(Value::Null);
        let is_success = match call.format {
            ResultFormat::MembersIf(status) => data.get("status").and_then(Value::as_str) == Some(status),
            ResultFormat::Rows { .. }
            | ResultFormat::Members
            | ResultFormat::Sentence(_)
            | ResultFormat::Text => true,
        };
        match call.format {
            ResultFormat::Sentence(sentence) if !self.is_json => print_line(sentence)?,
            ResultFormat::Sentence(_) if data.is_null() => print_json(&json!({ "status": "success" }))?,
            _ if self.is_json => print_json(&data)?,
            ResultFormat::Rows { .. }
            | ResultFormat::Members
            | ResultFormat::MembersIf(_)
            | ResultFormat::Sentence(_)
            | ResultFormat::Text => print_members(&data)?,
        }
        Ok(if is_success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Reads pages until there are enough rows, and prints the rows.
    async fn run_list(
        &self,
        client: &GatewayClient,
        path: &str,
        mut query: Vec<(String, String)>,
        format: RowFormat,
    ) -> anyhow::Result<ExitCode> {
        let mut rows: Vec<Value> = Vec::new();
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let (mut data, has_more) = loop {
            let n_left = u32::try_from(limit.saturating_sub(rows.len())).unwrap_or(MAX_PER_PAGE);
            set(&mut query, "per_page", n_left.min(MAX_PER_PAGE).to_string());
            let page_path = with_query(path, &query);
            let request = ApiRequest::new(Method::GET, &page_path, CallBody::empty());
            let response = client.call(&request).await?;
            if !response.status.is_success() {
                return self.report_failure(&response);
            }
            let json = response.json()?;
            let data = json.get("data").and_then(Value::as_object).cloned().unwrap_or_default();
            let page = data.get(format.member).and_then(Value::as_array);
            let n_before = rows.len();
            rows.extend(page.into_iter().flatten().cloned());
            let next = data.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            // A log that is followed always has a next position.
            let is_end =
                data.get("has_more").and_then(Value::as_bool) == Some(false) || rows.len() == n_before;
            match next {
                Some(next) if !is_end => {
                    if rows.len() >= limit {
                        break (data, true);
                    }
                    set(&mut query, format.continues, next);
                }
                Some(_) | None => break (data, false),
            }
        };
        if self.is_json {
            data.insert(format.member.to_owned(), Value::Array(rows));
            for name in ["page", "per_page"] {
                data.remove(name);
            }
            print_json(&Value::Object(data))?;
            return Ok(ExitCode::SUCCESS);
        }
        if rows.is_empty() {
            print_note(&format!("there are no {}", format.member));
            return Ok(ExitCode::SUCCESS);
        }
        print_rows(format.columns, &rows)?;
        if has_more {
            print_note(&format!("note: there are more {}; use --limit", format.member));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn report_failure(&self, response: &ApiResponse) -> anyhow::Result<ExitCode> {
        let json = response.json()?;
        if self.is_json {
            print_json(&json)?;
        }
        print_note(&format!("error: {}", error_message(response.status, &json)));
        Ok(ExitCode::FAILURE)
    }
}

fn set(query: &mut Vec<(String, String)>, name: &str, value: String) {
    query.retain(|(known, _)| known != name);
    query.push((name.to_owned(), value));
}
