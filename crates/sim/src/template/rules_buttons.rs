//! The rules of template buttons.

use serde_json::{Map, Value, json};

use crate::error::Checked;
use crate::template::rules::{Rules, cannot, limit};
use crate::validate::{Pointed, PointedObject};

/// The most buttons of a type in one template.
fn most_of(kind: &str) -> usize {
    match kind {
        "QUICK_REPLY" => 10,
        "URL" => 2,
        _ => 1,
    }
}

/// Checks the BUTTONS component and gives back what is stored.
pub(crate) fn check(rules: &Rules<'_>, at: &Pointed<'_>) -> Checked<Value> {
    let component = at.object(&["type", "buttons"])?;
    let buttons = component.need("buttons")?.list()?;
    let most = if rules.is_card { 2 } else { 10 };
    if buttons.is_empty() || buttons.len() > most {
        return Err(cannot(format!("There must be 1 to {most} buttons.")));
    }
    let mut kinds: Vec<String> = Vec::new();
    let mut stored = Vec::new();
    for button in &buttons {
        let kind = button.any_object()?.need("type")?.text()?.to_uppercase();
        if (rules.category == "AUTHENTICATION") != (kind == "OTP") {
            return Err(cannot("OTP buttons belong to authentication templates, and no other buttons do."));
        }
        stored.push(one(rules, button, &kind)?);
        kinds.push(kind);
        let n = kinds.iter().filter(|other| Some(*other) == kinds.last()).count();
        let most = kinds.last().map_or(0, |kind| most_of(kind));
        if n > most {
            return Err(cannot(format!("There are more than {most} buttons of one type.")));
        }
    }
    // Quick replies stand together: the answer changes between them and other buttons at most once.
    let changes = kinds
        .iter()
        .zip(kinds.iter().skip(1))
        .filter(|(left, right)| (*left == "QUICK_REPLY") != (*right == "QUICK_REPLY"))
        .count();
    if changes > 1 {
        return Err(cannot("Quick replies must stand together, and so must the other buttons."));
    }
    Ok(json!({"type": "BUTTONS", "buttons": stored}))
}

fn one(rules: &Rules<'_>, at: &Pointed<'_>, kind: &str) -> Checked<Value> {
    let keys: &[&str] = match kind {
        "QUICK_REPLY" | "CATALOG" | "MPM" | "SPM" | "ORDER_DETAILS" => &["type", "text"],
        "URL" => &["type", "text", "url", "example", "app_deep_link"],
        "PHONE_NUMBER" => &["type", "text", "phone_number"],
        "COPY_CODE" => &["type", "text", "example"],
        "VOICE_CALL" => &["type", "text", "ttl_minutes"],
        "FLOW" => {
            &["type", "text", "flow_id", "flow_name", "flow_json", "flow_action", "navigate_screen", "icon"]
        }
        "OTP" => &["type", "text", "otp_type", "autofill_text", "supported_apps", "zero_tap_terms_accepted"],
        other => return Err(cannot(format!("Buttons of type {other} cannot be created."))),
    };
    let stored = at.object(keys)?;
    match kind {
        "QUICK_REPLY" | "VOICE_CALL" | "ORDER_DETAILS" => {
            label(&stored)?;
        }
        "URL" => url(rules, &stored)?,
        "PHONE_NUMBER" => {
            label(&stored)?;
            let number = stored.need("phone_number")?.text()?;
            limit("Button phone number", number, 20)?;
            if crate::phone::digits(number).is_none() {
                return Err(cannot("The phone number of the button is none."));
            }
        }
        "COPY_CODE" => {
            let example = stored.need("example")?;
            let text = match example.value.as_array() {
                Some(items) => items.first().and_then(Value::as_str).unwrap_or_default(),
                None => example.text()?,
            };
            limit("Coupon code example", text, if rules.has_offer { 15 } else { 20 })?;
            return Ok(json!({"type": kind, "text": "Copy offer code", "example": [text]}));
        }
        "FLOW" => {
            label(&stored)?;
            let n = ["flow_id", "flow_name", "flow_json"].iter().filter(|key| stored.has(key)).count();
            if n != 1 {
                return Err(cannot("A flow button names exactly one of flow_id, flow_name and flow_json."));
            }
            stored.get("flow_action").map(|at| at.one_of(&["navigate", "data_exchange"])).transpose()?;
        }
        "OTP" => return otp(&stored),
        "CATALOG" => return Ok(json!({"type": kind, "text": "View catalog"})),
        "MPM" => return Ok(json!({"type": kind, "text": "View items"})),
        _ => return Ok(json!({"type": kind, "text": "View"})),
    }
    let mut object: Map<String, Value> = at.value.as_object().cloned().unwrap_or_default();
    object.insert("type".to_owned(), json!(kind));
    Ok(Value::Object(object))
}

fn label<'a>(button: &PointedObject<'a>) -> Checked<&'a str> {
    let text = button.text("text")?.unwrap_or_default();
    if text.is_empty() {
        return Err(cannot("A button needs a text."));
    }
    limit("Button text", text, 25)?;
    Ok(text)
}

fn url(rules: &Rules<'_>, button: &PointedObject<'_>) -> Checked<()> {
    label(button)?;
    let url = button.need("url")?;
    let text = url.text()?;
    limit("Button url", text, 2000)?;
    // The address must be one also without its parameter.
    let fixed = text.split("{{").next().unwrap_or_default().to_owned();
    let fixed = Value::String(fixed);
    let is_web = Pointed::root("url", &fixed).link("Button url").is_ok();
    if !is_web {
        return Err(cannot("The url of a button must be an http or https address."));
    }
    let names = crate::template::placeholders(text);
    if names.is_empty() {
        return Ok(());
    }
    let is_suffix = names.len() == 1 && text.ends_with("}}") && (rules.is_named || text.ends_with("{{1}}"));
    if !is_suffix {
        return Err(cannot("The url of a button has at most one parameter, at its end."));
    }
    let has_example = button.get("example").is_some_and(|example| match example.value.as_array() {
        Some(items) => items.first().and_then(Value::as_str).is_some_and(|text| !text.is_empty()),
        None => example.value.as_str().is_some_and(|text| !text.is_empty()),
    });
    if has_example { Ok(()) } else { Err(cannot("The parameter of a button's url needs an example.")) }
}

/// An OTP button is stored as the URL button that it is shown as.
fn otp(button: &PointedObject<'_>) -> Checked<Value> {
    let kind = button.need("otp_type")?.text()?.to_uppercase();
    if !matches!(kind.as_str(), "COPY_CODE" | "ONE_TAP" | "ZERO_TAP") {
        return Err(cannot("otp_type must be one of COPY_CODE, ONE_TAP and ZERO_TAP."));
    }
    let text = button.text("text")?.filter(|text| !text.is_empty()).unwrap_or("Copy code");
    limit("Button text", text, 25)?;
    limit("Button autofill text", button.text("autofill_text")?.unwrap_or_default(), 25)?;
    let apps = button.get("supported_apps").map(|at| at.list()).transpose()?.unwrap_or_default();
    if (kind == "COPY_CODE") != apps.is_empty() {
        return Err(cannot("supported_apps goes with ONE_TAP and ZERO_TAP, and they need it."));
    }
    if apps.len() > 5 {
        return Err(cannot("There are at most 5 supported apps."));
    }
    for app in apps {
        let app = app.object(&["package_name", "signature_hash"])?;
        let package = app.need("package_name")?.text()?;
        if package.split('.').count() < 2 || package.split('.').any(str::is_empty) {
            return Err(cannot("A package name has at least two parts with a dot between."));
        }
        let hash = app.need("signature_hash")?.text()?;
        if hash.len() != 11 || !hash.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)) {
            return Err(cannot("A signature hash has exactly 11 characters of base64."));
        }
    }
    let accepted = button.get("zero_tap_terms_accepted").map(|at| at.flag()).transpose()?;
    if kind == "ZERO_TAP" && accepted != Some(true) {
        return Err(cannot("ZERO_TAP needs zero_tap_terms_accepted."));
    }
    let url = format!("https://www.whatsapp.com/otp/code/?otp_type={kind}&code=otp");
    Ok(
        json!({"type": "URL", "text": text, "url": format!("{url}{{{{1}}}}"), "example": [format!("{url}123456")]}),
    )
}
