//! Values of arguments in requests.

use anyhow::{Context as _, bail};
use domain::time::rfc3339;
use engine::ports::Clock as _;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::ApiInvocation;
use super::definition::{ApiParameter, IdLookup, ParameterKind, ParameterLocation};
use crate::cli::api_error::error_message;
use crate::cli::duration::parse_duration;
use crate::cli::file_arg;
use crate::cli::gateway_client::{ApiRequest, CallBody, GatewayClient};
use crate::clock::SystemClock;

impl ApiInvocation {
    /// Returns the query as pairs of name and value.
    ///
    /// # Errors
    /// If a value is not valid.
    pub(super) fn query(&self, parameters: &[&ApiParameter]) -> anyhow::Result<Vec<(String, String)>> {
        let mut query = Vec::new();
        for parameter in parameters {
            let Some(values) = self.values.get(parameter.name) else { continue };
            let text = match values.as_slice() {
                [value] => text_value(parameter, value)?,
                several => several.join(","),
            };
            query.push((parameter.field.to_owned(), text));
        }
        Ok(query)
    }

    /// Returns the body.
    ///
    /// # Errors
    /// If a value is not valid, or a file cannot be read.
    pub(super) fn body(&self, method: &Method) -> anyhow::Result<CallBody> {
        for parameter in self.command.parameters {
            if let (ParameterLocation::File, Some([path])) =
                (&parameter.location, self.values.get(parameter.name).map(Vec::as_slice))
            {
                return Ok(CallBody::of_type("text/csv", file_arg::read(path)?));
            }
        }
        let mut body = Map::new();
        for parameter in self.command.parameters_in_body() {
            let Some(values) = self.values.get(parameter.name) else { continue };
            let is_cleared = *method == Method::PUT && values.iter().all(String::is_empty);
            let value = if is_cleared { Value::Null } else { json_value(parameter, values)? };
            body.insert(parameter.field.to_owned(), value);
        }
        if self.command.parameters_in_body().is_empty() {
            return Ok(CallBody::empty());
        }
        if body.is_empty() && *method == Method::PUT {
            bail!("nothing to change: use at least one option, see --help");
        }
        Ok(if body.is_empty() { CallBody::empty() } else { CallBody::json(&Value::Object(body)) })
    }

    /// Returns the path of the call.
    ///
    /// # Errors
    /// If the object is not found.
    pub(super) async fn path(&self, client: &GatewayClient, path: &str) -> anyhow::Result<String> {
        for parameter in self.command.parameters {
            let ParameterLocation::Path(lookup) = &parameter.location else { continue };
            let Some([value]) = self.values.get(parameter.name).map(Vec::as_slice) else { continue };
            let id = match lookup {
                Some(lookup) if value.parse::<uuid::Uuid>().is_err() => {
                    find_id(client, lookup, value).await?
                }
                Some(_) | None => value.clone(),
            };
            let encoded: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
            return Ok(path.replace("{id}", &encoded.replace('+', "%20")));
        }
        Ok(path.to_owned())
    }
}

/// Returns path and query.
pub(super) fn with_query(path: &str, query: &[(String, String)]) -> String {
    if query.is_empty() {
        return path.to_owned();
    }
    let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    format!("{path}?{encoded}")
}

async fn find_id(client: &GatewayClient, lookup: &IdLookup, value: &str) -> anyhow::Result<String> {
    let query = [(lookup.filter.to_owned(), value.to_owned()), ("per_page".to_owned(), "200".to_owned())];
    let path = with_query(lookup.path, &query);
    let response = client.call(&ApiRequest::new(Method::GET, &path, CallBody::empty())).await?;
    let json = response.json()?;
    if !response.status.is_success() {
        bail!(error_message(response.status, &json));
    }
    let rows = json.pointer(&format!("/data/{}", lookup.member)).and_then(Value::as_array);
    let text = |row: &Value, member: &str| row.get(member).and_then(Value::as_str).map(str::to_owned);
    let is_same = |row: &&Value| {
        lookup.equals.is_none_or(|member| text(row, member).is_some_and(|found| found == value))
    };
    let found: Vec<_> =
        rows.into_iter().flatten().filter(is_same).filter_map(|row| text(row, "id")).collect();
    match found.as_slice() {
        [] => bail!("there is no {} `{value}`", lookup.what),
        [id] => Ok(id.clone()),
        several => bail!("there are several objects: use one of the IDs {}", several.join(", ")),
    }
}

fn text_value(parameter: &ApiParameter, value: &str) -> anyhow::Result<String> {
    Ok(match parameter.kind {
        ParameterKind::PastTime => time(parameter, value, -1)?,
        ParameterKind::FutureTime => time(parameter, value, 1)?,
        ParameterKind::Text
        | ParameterKind::Flag
        | ParameterKind::Boolean
        | ParameterKind::List
        | ParameterKind::Pairs => value.to_owned(),
    })
}

fn json_value(parameter: &ApiParameter, values: &[String]) -> anyhow::Result<Value> {
    Ok(match parameter.kind {
        ParameterKind::List => json!(values),
        ParameterKind::Pairs => {
            let mut pairs = Map::new();
            for pair in values {
                let (name, value) = pair
                    .split_once('=')
                    .with_context(|| format!("--{} {pair}: must be NAME=VALUE", parameter.name))?;
                pairs.insert(name.to_owned(), json!(value));
            }
            Value::Object(pairs)
        }
        ParameterKind::Flag | ParameterKind::Boolean => json!(values.iter().all(|value| value == "true")),
        ParameterKind::Text | ParameterKind::PastTime | ParameterKind::FutureTime => {
            json!(text_value(parameter, values.first().map_or("", String::as_str))?)
        }
    })
}

/// Returns a time as the API takes it. A duration is counted from now in a direction.
fn time(parameter: &ApiParameter, value: &str, direction: i32) -> anyhow::Result<String> {
    if let Ok(duration) = parse_duration(value) {
        let now = SystemClock::new().now();
        let at = now.checked_add(duration.checked_mul(direction).unwrap_or(SignedDuration::ZERO));
        let at = at.with_context(|| format!("--{} {value}: out of range", parameter.name))?;
        return Ok(rfc3339(at));
    }
    value.parse::<Timestamp>().map(|_| value.to_owned()).map_err(|_| {
        anyhow::anyhow!(
            "--{} {value}: must be a time with its time zone, such as 2026-05-29T10:00:00.000Z, or a duration such as 2d \
             or 12h",
            parameter.name
        )
    })
}
