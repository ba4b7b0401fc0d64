//! Validation of a send's parameters against the template.
//!
//! **Invariant:** a send is valid only if every placeholder, media header and button with a parameter, of the
//! template and of each of its cards, has exactly one value of the right kind.

use std::collections::{BTreeMap, BTreeSet};

use crate::content::{Content, MediaKind, interactive_products, location, source};
use crate::error::{Checked, GraphError};
use crate::template::{HeaderNeed, Needs, Template, fill};
use crate::validate::{Pointed, PointedObject, length};

/// The parts of a send that are not about one template.
pub(crate) struct TemplateUse<'a> {
    pub(crate) name: &'a str,
    pub(crate) language: &'a str,
    pub(crate) components: Vec<Pointed<'a>>,
}

/// Reads the template object of a message.
pub(crate) fn read<'a>(at: &Pointed<'a>) -> Checked<TemplateUse<'a>> {
    let template = at.object(&["name", "language", "components", "namespace"])?;
    let name = template.need("name")?.text_of("Template name", 1, 512)?;
    let Some(language) = template.get("language") else {
        return Err(GraphError::schema("The parameter template['language'] is required."));
    };
    let language = language.object(&["code", "policy"])?;
    language.get("policy").map(|at| at.one_of(&["deterministic"])).transpose()?;
    let code = match language.text("code")? {
        Some(code) if !code.is_empty() => code,
        _ => return Err(GraphError::schema("The parameter template['language']['code'] is required.")),
    };
    let components = template.get("components").map(|at| at.list()).transpose()?.unwrap_or_default();
    Ok(TemplateUse { name, language: code, components })
}

/// The components of a send, sorted by kind.
#[derive(Default)]
struct Given<'a> {
    header: Option<Vec<Pointed<'a>>>,
    body: Vec<Pointed<'a>>,
    buttons: BTreeMap<i64, (String, Vec<Pointed<'a>>)>,
    cards: Option<Vec<Pointed<'a>>>,
    offer: Option<Vec<Pointed<'a>>>,
}

/// Checks a send against its template. `version` decides between the codes of old and new Graph versions.
pub(crate) fn bind(
    template: &Template,
    given: &TemplateUse<'_>,
    version: u32,
    content: &mut Content,
) -> Checked<()> {
    let needs = Needs::of(&template.components);
    let binder =
        Binder { is_named: template.is_named, is_code: template.category == "AUTHENTICATION", version };
    let sorted = sort(&given.components)?;
    binder.parts(&needs, &sorted, "", content)?;
    binder.cards(&needs, sorted.cards.as_deref(), content)?;
    offer(&needs, sorted.offer.as_deref())
}

fn sort<'a>(components: &[Pointed<'a>]) -> Checked<Given<'a>> {
    let mut given = Given::default();
    let mut seen = BTreeSet::new();
    for component in components {
        let object = component.object(&["type", "sub_type", "index", "parameters", "cards"])?;
        let kind = object.need("type")?.text()?.to_lowercase();
        if kind != "button" && !seen.insert(kind.clone()) {
            return Err(GraphError::invalid(format!("Component {kind} appears twice")));
        }
        let parameters = || object.get("parameters").map(|at| at.list()).transpose();
        match kind.as_str() {
            "header" => given.header = Some(parameters()?.unwrap_or_default()),
            "body" => given.body = parameters()?.unwrap_or_default(),
            "button" => {
                let sub_type = object.need("sub_type")?.text()?.to_uppercase();
                let index = object.need("index")?.integer()?;
                let parameters = parameters()?.unwrap_or_default();
                if given.buttons.insert(index, (sub_type, parameters)).is_some() {
                    return Err(GraphError::invalid(format!("Button index {index} appears twice")));
                }
            }
            "carousel" => given.cards = Some(object.need("cards")?.list()?),
            "limited_time_offer" => given.offer = Some(parameters()?.unwrap_or_default()),
            "tap_target_configuration" | "order_status" | "order_details" | "footer" => {}
            other => {
                return Err(GraphError::schema(format!(
                    "Param {}['type'] must be one of {{HEADER, BODY, BUTTON, CAROUSEL, LIMITED_TIME_OFFER, \
                     TAP_TARGET_CONFIGURATION, ORDER_STATUS}} - got \"{other}\".",
                    component.path
                )));
            }
        }
    }
    Ok(given)
}

struct Binder {
    is_named: bool,
    is_code: bool,
    version: u32,
}

impl Binder {
    /// Header, body and buttons; `place` opens the sentences of a card.
    fn parts(&self, needs: &Needs, given: &Given<'_>, place: &str, content: &mut Content) -> Checked<()> {
        self.header(needs, given.header.as_deref(), place, content)?;
        let most = if needs.has_only_body { 32_768 } else { 1024 };
        let values = self.texts(&needs.body, &given.body, &format!("{place}body"), most)?;
        if fill(&needs.body_text, &values).chars().count() > most {
            return Err(GraphError::of(132005)
                .details(format!("{place}body: the text is longer than {most} with its parameters")));
        }
        self.buttons(needs, given, place)
    }

    fn header(
        &self,
        needs: &Needs,
        given: Option<&[Pointed<'_>]>,
        place: &str,
        content: &mut Content,
    ) -> Checked<()> {
        let given = given.unwrap_or_default();
        let place = format!("{place}header");
        let expected = match &needs.header {
            HeaderNeed::Nothing => {
                return match given.first() {
                    None => Ok(()),
                    Some(_) => Err(count(&place, given.len(), 0)),
                };
            }
            HeaderNeed::Text(names) => return self.texts(names, given, &place, 1024).map(|_| ()),
            HeaderNeed::Media(kind) => *kind,
            HeaderNeed::Location => "LOCATION",
            HeaderNeed::Product => "PRODUCT",
        };
        let [at] = given else {
            if given.is_empty() {
                return Err(mismatch(&place, expected, "UNKNOWN"));
            }
            return Err(count(&place, given.len(), 1));
        };
        let parameter = at.any_object()?;
        let kind = parameter.need("type")?.text()?.to_lowercase();
        if kind.to_uppercase() != expected {
            return Err(mismatch(&place, expected, &kind.to_uppercase()));
        }
        at.object(&["type", &kind])?;
        let value = parameter.need(&kind)?;
        match kind.as_str() {
            "location" => location(&value),
            "product" => {
                let product = value.object(&["product_retailer_id", "catalog_id"])?;
                product.need("product_retailer_id")?.text()?;
                product.need("catalog_id")?.text().map(|_| ())
            }
            "image" => source(&value.object(&["id", "link", "provider"])?, MediaKind::Image, content),
            "document" => {
                let media = value.object(&["id", "link", "filename", "provider"])?;
                media.text("filename")?;
                source(&media, MediaKind::Document, content)
            }
            _ => source(&value.object(&["id", "link", "provider"])?, MediaKind::Video, content),
        }
    }

    /// Text parameters against placeholders; gives back the values by placeholder.
    fn texts(
        &self,
        names: &[String],
        given: &[Pointed<'_>],
        place: &str,
        most: usize,
    ) -> Checked<Vec<(String, String)>> {
        let mut values: Vec<(String, String)> = Vec::new();
        for (position, parameter) in given.iter().enumerate() {
            let object = parameter.object(&["type", "parameter_name", "text", "currency", "date_time"]);
            let any = parameter.any_object()?;
            let kind = any.need("type")?.text()?.to_lowercase();
            if !matches!(kind.as_str(), "text" | "currency" | "date_time") {
                return Err(mismatch(place, "TEXT", &kind.to_uppercase()));
            }
            let object = object?;
            let value = self.value(&object, &kind, place, most)?;
            let name = if self.is_named {
                object
                    .text("parameter_name")?
                    .filter(|name| !name.is_empty())
                    .ok_or_else(|| {
                        GraphError::of(100).details(format!("{place}: parameter_name is missing or empty"))
                    })?
                    .to_owned()
            } else {
                names.get(position).cloned().unwrap_or_default()
            };
            values.push((name, value));
        }
        if values.len() != names.len() {
            return Err(count(place, values.len(), names.len()));
        }
        for name in names {
            if !values.iter().any(|(given, _)| given == name) {
                return Err(GraphError::of(132012)
                    .details(format!("{place}: there is no parameter with the name {name}")));
            }
        }
        Ok(values)
    }

    fn value(&self, object: &PointedObject<'_>, kind: &str, place: &str, most: usize) -> Checked<String> {
        if kind != "text" {
            let value = object.need(kind)?;
            let keys: &[&str] = if kind == "currency" {
                &["fallback_value", "code", "amount_1000"]
            } else {
                &[
                    "fallback_value",
                    "day_of_week",
                    "day_of_month",
                    "year",
                    "month",
                    "hour",
                    "minute",
                    "calendar",
                    "timestamp",
                ]
            };
            let value = value.object(keys)?;
            if kind == "currency" {
                value.need("code")?.text_of("Currency code", 3, 3)?;
                value.need("amount_1000")?.integer()?;
            }
            return Ok(value.need("fallback_value")?.text()?.to_owned());
        }
        let text = object.text("text")?.unwrap_or_default();
        if text.is_empty() {
            return Err(GraphError::of(131008)
                .details(format!("{place}: Parameter of type text is missing text value")));
        }
        if text.contains(['\n', '\r', '\t']) || text.contains("     ") {
            let details = format!(
                "{place}: a parameter must not hold new-lines, tabs or more than four spaces in a row"
            );
            return Err(GraphError::of(if self.version >= 23 { 132018 } else { 100 }).details(details));
        }
        let most = if self.is_code { 15 } else { most };
        if text.chars().count() > most {
            return if self.is_code {
                length("One-time password", text.chars().count(), 1, most).map(|()| String::new())
            } else {
                Err(GraphError::of(132005).details(format!("{place}: the parameter is longer than {most}")))
            };
        }
        Ok(text.to_owned())
    }

    fn buttons(&self, needs: &Needs, given: &Given<'_>, place: &str) -> Checked<()> {
        for (index, (sub_type, parameters)) in &given.buttons {
            let Some(need) = usize::try_from(*index).ok().and_then(|index| needs.buttons.get(index)) else {
                return Err(GraphError::of(132000)
                    .details(format!("{place}buttons: the template has no button at index {index}")));
            };
            if need.sub_type != sub_type {
                return Err(mismatch(&format!("{place}buttons[{index}]"), need.sub_type, sub_type));
            }
            if !need.takes && !parameters.is_empty() {
                return Err(GraphError::of(132000).details(format!(
                    "{place}buttons: Button at index {index} of type {} takes no parameter",
                    need.label
                )));
            }
        }
        for (index, need) in needs.buttons.iter().enumerate() {
            let parameters = i64::try_from(index)
                .ok()
                .and_then(|index| given.buttons.get(&index))
                .map_or(&[][..], |(_, parameters)| parameters);
            let parameter = match parameters {
                [] if need.is_needed => {
                    return Err(GraphError::of(131008).details(format!(
                        "{place}buttons: Button at index {index} of type {} requires a parameter",
                        need.label
                    )));
                }
                [] => continue,
                [parameter] => parameter,
                [..] if need.sub_type == "VOICE_CALL" => continue,
                more => return Err(count(&format!("{place}buttons[{index}]"), more.len(), 1)),
            };
            self.button(need.sub_type, parameter, needs, &format!("{place}buttons[{index}]"))?;
        }
        Ok(())
    }

    fn button(&self, sub_type: &str, parameter: &Pointed<'_>, needs: &Needs, place: &str) -> Checked<()> {
        let object = parameter.any_object()?;
        let kind = object.need("type")?.text()?.to_lowercase();
        let expected = match sub_type {
            "URL" => "text",
            "QUICK_REPLY" => "payload",
            "COPY_CODE" => "coupon_code",
            "VOICE_CALL" => &kind,
            _ => "action",
        };
        if kind != expected {
            return Err(mismatch(place, &expected.to_uppercase(), &kind.to_uppercase()));
        }
        match sub_type {
            "URL" => {
                let value =
                    self.value(&parameter.object(&["type", "text", "parameter_name"])?, "text", place, 2000)?;
                if value.contains(' ') {
                    return Err(GraphError::invalid("Url button parameter must not hold blanks"));
                }
                Ok(())
            }
            "QUICK_REPLY" => {
                let object = parameter.object(&["type", "payload"])?;
                object.need("payload")?.text_of("Payload", 1, 256).map(|_| ())
            }
            "COPY_CODE" => {
                let object = parameter.object(&["type", "coupon_code"])?;
                let most = if needs.offer.is_some() { 15 } else { 20 };
                let code = object.need("coupon_code")?.text_of("Coupon code", 1, most)?;
                if !code.chars().all(char::is_alphanumeric) {
                    return Err(GraphError::invalid("Coupon code may hold letters and digits only"));
                }
                Ok(())
            }
            "MPM" => {
                let object = parameter.object(&["type", "action"])?;
                let action = object.need("action")?.object(&["thumbnail_product_retailer_id", "sections"])?;
                interactive_products(&action)
            }
            "FLOW" => {
                let object = parameter.object(&["type", "action"])?;
                let action = object.need("action")?.object(&["flow_token", "flow_action_data"])?;
                action.text("flow_token").map(|_| ())
            }
            _ => Ok(()),
        }
    }

    fn cards(&self, needs: &Needs, given: Option<&[Pointed<'_>]>, content: &mut Content) -> Checked<()> {
        if needs.cards.is_empty() {
            return match given {
                None => Ok(()),
                Some(cards) => Err(GraphError::of(132000).details(format!(
                    "carousel: number of cards ({}) does not match the expected number of cards (0)",
                    cards.len()
                ))),
            };
        }
        let Some(given) = given else {
            return Err(
                GraphError::of(131008).details("carousel: the template requires a carousel component")
            );
        };
        // Product carousels are created with two cards and may be sent with up to ten.
        let is_product = needs.cards.first().is_some_and(|card| card.header == HeaderNeed::Product);
        let fits =
            if is_product { (2..=10).contains(&given.len()) } else { given.len() == needs.cards.len() };
        if !fits {
            return Err(GraphError::of(132000).details(format!(
                "carousel: number of cards ({}) does not match the expected number of cards ({})",
                given.len(),
                needs.cards.len()
            )));
        }
        let mut seen = BTreeSet::new();
        for card in given {
            let card = card.object(&["card_index", "components"])?;
            let index = card.need("card_index")?.integer()?;
            let position = usize::try_from(index).ok().filter(|index| *index < given.len());
            let Some(position) = position.filter(|position| seen.insert(*position)) else {
                return Err(GraphError::invalid("Card indexes must be unique and count from 0"));
            };
            let need = needs.cards.get(position).or_else(|| needs.cards.first());
            let Some(need) = need else { continue };
            let components = card.get("components").map(|at| at.list()).transpose()?.unwrap_or_default();
            self.parts(need, &sort(&components)?, &format!("carousel card {index}: "), content)?;
        }
        Ok(())
    }
}

fn offer(needs: &Needs, given: Option<&[Pointed<'_>]>) -> Checked<()> {
    let given = given.unwrap_or_default();
    match (needs.offer, given) {
        (Some(true), []) => {
            Err(GraphError::of(131008)
                .details("limited_time_offer: the template requires an expiration time"))
        }
        (None, [_, ..]) => Err(count("limited_time_offer", given.len(), 0)),
        (_, []) => Ok(()),
        (_, [parameter, ..]) => {
            let parameter = parameter.object(&["type", "limited_time_offer"])?;
            let offer = parameter.need("limited_time_offer")?.object(&["expiration_time_ms"])?;
            offer.need("expiration_time_ms")?.integer().map(|_| ())
        }
    }
}

fn count(place: &str, given: usize, expected: usize) -> GraphError {
    GraphError::of(132000).details(format!(
        "{place}: number of localizable_params ({given}) does not match the expected number of params ({expected})"
    ))
}

fn mismatch(place: &str, expected: &str, received: &str) -> GraphError {
    GraphError::of(132012)
        .details(format!("{place}: Format mismatch, expected {expected}, received {received}"))
}
