//! Small responses: a phone number, a token, subscribed apps, success.

use std::borrow::Cow;

use domain::json::{Object, Value};
use engine::ports::{PhoneNumberInfo, TokenInfo};
use jiff::Timestamp;

use crate::json_reader::Json;
use crate::value;

/// Requested fields of a phone number. Meta refuses a request with an unknown field, so only fields that v24.0
/// documents are requested; `messaging_limit_tier` is deprecated and only read.
pub(crate) const NUMBER_FIELDS: &str = "display_phone_number,verified_name,quality_rating,status,throughput,whatsapp_business_manager_messaging_limit";

/// Reads a phone number.
pub(crate) fn number(response: Json<'_>) -> Option<PhoneNumberInfo> {
    let field = |name| response.get(name).and_then(Json::scalar).map(Cow::into_owned);
    response.is_object().then(|| PhoneNumberInfo {
        display_phone_number: field("display_phone_number"),
        verified_name: field("verified_name"),
        quality_rating: field("quality_rating"),
        status: field("status"),
        messaging_limit_tier: field("whatsapp_business_manager_messaging_limit")
            .or_else(|| field("messaging_limit_tier")),
        throughput_level: response
            .get("throughput")
            .and_then(|throughput| throughput.get("level")?.scalar())
            .map(Cow::into_owned),
    })
}

/// Page of the phone numbers of a WhatsApp Business Account.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NumberIdPage {
    /// Meta's ids of the phone numbers.
    pub(crate) ids: Vec<String>,
    /// Cursor of the next page; `None` on the last page.
    pub(crate) after: Option<String>,
}

/// Reads a page of the phone numbers of a WhatsApp Business Account.
pub(crate) fn number_ids(response: Json<'_>) -> Option<NumberIdPage> {
    let data = response.get("data").filter(|data| data.is_array())?;
    let id = |node: Json<'_>| node.get("id").and_then(Json::scalar).map(Cow::into_owned);
    Some(NumberIdPage { ids: data.elements().filter_map(id).collect(), after: next_page(response)? })
}

/// Reads the cursor of the next page of a list; the inner `None` on the last page. The last page still has cursors, but no
/// `next`. A `next` without a cursor is no page that can be followed.
pub(super) fn next_page(response: Json<'_>) -> Option<Option<String>> {
    match response.get("paging").filter(|paging| paging.get("next").and_then(Json::scalar).is_some()) {
        Some(paging) => Some(Some(paging.get("cursors")?.get("after")?.scalar()?.into_owned())),
        None => Some(None),
    }
}

/// Reads the debug data of a token.
pub(crate) fn token(response: Json<'_>) -> Option<TokenInfo> {
    let data = response.get("data").filter(|data| data.is_object())?;
    let expires_at = data.get("expires_at").and_then(Json::integer).filter(|seconds| *seconds != 0);
    Some(TokenInfo {
        is_valid: data.get("is_valid").and_then(Json::boolean)?,
        expires_at: expires_at.and_then(|seconds| Timestamp::from_second(seconds).ok()),
        scopes: data
            .get("scopes")
            .map(|scopes| scopes.elements().filter_map(|scope| scope.scalar().map(Cow::into_owned)).collect())
            .unwrap_or_default(),
    })
}

/// Reads the names of the apps that receive an account's webhooks; of an app without a name its id.
pub(crate) fn apps(response: Json<'_>) -> Option<Vec<String>> {
    let data = response.get("data").filter(|data| data.is_array())?;
    let name = |app: Json<'_>| {
        let app = app.get("whatsapp_business_api_data").unwrap_or(app);
        let field = |name| app.get(name).and_then(Json::scalar);
        field("name").or_else(|| field("id")).map(Cow::into_owned)
    };
    Some(data.elements().filter_map(name).collect())
}

/// Reads a business profile: flat, or within `business_profile`. A member that Meta leaves out is `null`.
pub(crate) fn profile(response: Json<'_>) -> Option<Object> {
    let data = response.get("data").filter(|data| data.is_array())?;
    let first = data.elements().next();
    let source = first.map(|first| first.get("business_profile").unwrap_or(first));
    let mut profile = Object::new();
    for name in domain::accounts::profile::FIELDS {
        let value = source.and_then(|source| source.get(name)).and_then(value::read);
        profile.insert(name, value.unwrap_or(Value::Null));
    }
    Some(profile)
}

/// `true` if the response reports success.
pub(crate) fn success(response: Json<'_>) -> Option<()> {
    response.get("success").and_then(Json::boolean).filter(|is_done| *is_done).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json<'_> {
        Json::parse(text.as_bytes()).expect("JSON")
    }

    #[test]
    fn a_number_is_read_with_either_name_of_its_limit() {
        let read = number(json(
            r#"{"display_phone_number":"+44 20 7946 0018","verified_name":"Harbour","quality_rating":"GREEN","status":"CONNECTED",
                "throughput":{"level":"STANDARD"},"whatsapp_business_manager_messaging_limit":"TIER_2K","id":"330011220099887"}"#,
        ));
        assert_eq!(
            read,
            Some(PhoneNumberInfo {
                display_phone_number: Some("+44 20 7946 0018".into()),
                verified_name: Some("Harbour".into()),
                quality_rating: Some("GREEN".into()),
                status: Some("CONNECTED".into()),
                messaging_limit_tier: Some("TIER_2K".into()),
                throughput_level: Some("STANDARD".into()),
            })
        );
        let old = number(json(r#"{"messaging_limit_tier":"TIER_1K"}"#));
        assert_eq!(old.and_then(|number| number.messaging_limit_tier).as_deref(), Some("TIER_1K"));
        assert_eq!(number(json("[]")), None);
    }

    #[test]
    fn a_token_with_expiry_0_never_expires() {
        let read = token(json(
            r#"{"data":{"app_id":"555","expires_at":0,"is_valid":true,"scopes":["whatsapp_business_management","whatsapp_business_messaging"]}}"#,
        ));
        let scopes =
            vec!["whatsapp_business_management".to_owned(), "whatsapp_business_messaging".to_owned()];
        assert_eq!(read, Some(TokenInfo { is_valid: true, expires_at: None, scopes }));
        let read = token(json(r#"{"data":{"expires_at":1767261605,"is_valid":false,"error":{"code":190}}}"#));
        assert_eq!(
            read,
            Some(TokenInfo {
                is_valid: false,
                expires_at: Timestamp::from_second(1_767_261_605).ok(),
                scopes: Vec::new()
            })
        );
        assert_eq!(token(json("{}")), None);
    }

    #[test]
    fn apps_are_listed_by_name() {
        let read = apps(json(
            r#"{"data":[{"whatsapp_business_api_data":{"id":"1","link":"l","name":"Harbour Desk"}},{"id":"2"}]}"#,
        ));
        assert_eq!(read, Some(vec!["Harbour Desk".to_owned(), "2".to_owned()]));
    }

    #[test]
    fn only_true_is_success() {
        assert_eq!(success(json(r#"{"success":true}"#)), Some(()));
        assert_eq!(success(json(r#"{"success":false}"#)), None);
        assert_eq!(success(json("{}")), None);
    }
}
