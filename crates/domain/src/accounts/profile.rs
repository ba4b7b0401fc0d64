//! Business profile of a phone number (Meta: Business Profiles,
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/reference/business-profiles>).

use crate::check::{Fields, Patch};
use crate::json::{Object, Value};

/// Names of the fields of a profile, as in Meta's API.
pub const FIELDS: [&str; 7] =
    ["about", "address", "description", "email", "websites", "vertical", "profile_picture_url"];

/// Industries of a business that Meta accepts.
pub const VERTICALS: [&str; 22] = [
    "OTHER",
    "AUTO",
    "BEAUTY",
    "APPAREL",
    "EDU",
    "ENTERTAIN",
    "EVENT_PLAN",
    "FINANCE",
    "GROCERY",
    "GOVT",
    "HOTEL",
    "HEALTH",
    "NONPROFIT",
    "PROF_SERVICES",
    "RETAIL",
    "TRAVEL",
    "RESTAURANT",
    "ALCOHOL",
    "ONLINE_GAMBLING",
    "PHYSICAL_GAMBLING",
    "OTC_DRUGS",
    "UNDEFINED",
];

/// Maximum length of `about` in characters.
pub const MAX_ABOUT: usize = 139;
/// Maximum number of websites.
pub const MAX_WEBSITES: usize = 2;
/// Maximum length of a website in characters.
pub const MAX_WEBSITE: usize = 256;

/// Texts that may be empty, with their maximum length.
pub const TEXTS: [(&str, usize); 3] = [("address", 256), ("description", 512), ("email", 128)];

/// Reads changes of a profile in Meta's form; `null` clears a field.
pub fn read_change(fields: &Fields<'_, '_>) -> Object {
    let mut change = Object::new();
    let about =
        fields.given("about", &format!("cannot be cleared: Meta requires 1 to {MAX_ABOUT} characters"));
    if let Some(text) = about.about("Text of the `About` section.").string(1..=MAX_ABOUT) {
        change.insert("about", text);
    }
    for (name, most) in TEXTS {
        match fields.change(name).and_then(|item| item.string(..=most)) {
            Patch::Unchanged => {}
            Patch::Clear => {
                change.insert(name, "");
            }
            Patch::Set(text) if name == "email" && !text.is_empty() && !is_email(text) => {
                fields.optional(name).refuse("must be an e-mail address");
            }
            Patch::Set(text) => {
                change.insert(name, text);
            }
        }
    }
    match fields.change("websites") {
        Patch::Unchanged => {}
        Patch::Clear => {
            change.insert("websites", Value::Array(Vec::new()));
        }
        Patch::Set(item) => {
            let sites = item.about("URLs of websites.").array(..=MAX_WEBSITES).map(|items| {
                let site = |item: crate::check::Item<'_, '_>| {
                    let text = item.format("uri").string(..=MAX_WEBSITE)?;
                    item.http_url().map(|_| Value::from(text))
                };
                items.iter().filter_map(site).collect()
            });
            if let Some(sites) = sites {
                change.insert("websites", Value::Array(sites));
            }
        }
    }
    if let Some(word) = fields.optional("vertical").about("Line of business.").one_of_any_case(&VERTICALS) {
        change.insert("vertical", word);
    }
    let handle =
        fields.optional("profile_picture_handle").about("Handle of a picture that was uploaded to Meta.");
    if let Some(handle) = handle.string(1..) {
        change.insert("profile_picture_handle", handle);
    }
    change
}

fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !host.starts_with('.') && !host.ends_with('.')
    }) && !text.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{JsonPointer, Violations};

    fn read(json: &str) -> Result<String, Vec<String>> {
        let object: Object = serde_json::from_str(json).expect("JSON");
        let found = Violations::new();
        let fields = Fields::read(&object, JsonPointer::root(), &found);
        let change = read_change(&fields);
        fields.finish();
        let written = serde_json::to_string(&Value::Object(change)).expect("JSON");
        found.result(written).map_err(|found| found.into_iter().map(|violation| violation.pointer).collect())
    }

    #[test]
    fn a_change_is_converted_to_metas_form() {
        assert_eq!(
            read(
                r#"{"about":"Ferries","email":"desk@harbour.example","address":null,"vertical":"travel",
                    "websites":["https://harbour.example"]}"#
            ),
            Ok(concat!(
                r#"{"about":"Ferries","address":"","email":"desk@harbour.example","#,
                r#""websites":["https://harbour.example"],"vertical":"TRAVEL"}"#
            )
            .to_owned())
        );
        assert_eq!(
            read(r#"{"websites":null,"description":""}"#).as_deref(),
            Ok(r#"{"description":"","websites":[]}"#)
        );
        assert_eq!(read("{}").as_deref(), Ok("{}"));
    }

    #[test]
    fn every_violated_limit_is_reported_with_its_pointer() {
        let long = |n: usize| "x".repeat(n);
        for (json, pointer) in [
            (format!(r#"{{"about":"{}"}}"#, long(140)), "/about"),
            (r#"{"about":""}"#.to_owned(), "/about"),
            (r#"{"about":null}"#.to_owned(), "/about"),
            (format!(r#"{{"address":"{}"}}"#, long(257)), "/address"),
            (format!(r#"{{"description":"{}"}}"#, long(513)), "/description"),
            (r#"{"email":"nobody"}"#.to_owned(), "/email"),
            (r#"{"email":"a b@c.example"}"#.to_owned(), "/email"),
            (
                r#"{"websites":["https://a.example","https://b.example","https://c.example"]}"#.to_owned(),
                "/websites",
            ),
            (r#"{"websites":["ftp://a.example"]}"#.to_owned(), "/websites/0"),
            (r#"{"vertical":"SHIPS"}"#.to_owned(), "/vertical"),
            (r#"{"profile_picture_url":"https://a.example"}"#.to_owned(), "/profile_picture_url"),
        ] {
            assert_eq!(read(&json), Err(vec![pointer.to_owned()]), "{json}");
        }
    }
}
