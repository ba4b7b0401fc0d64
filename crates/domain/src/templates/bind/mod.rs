//! Check of a message against its template (Meta: Template messages,
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-message-templates>).

mod binding;
mod button;
mod slots;

use self::binding::{Binding, ComponentName, ComponentPart, Target, text};
use super::message::TemplateMessage;
use super::mismatch::{TemplateMismatch, TemplateMismatchKind};
use super::render::number;
use super::template::{
    Template, TemplateButton, TemplateCard, TemplateCategory, TemplateComponents, TemplateHeader,
};
use super::text::TemplateText;
use crate::check::{JsonPointer, Violations};
use crate::json::Value;

impl Template {
    /// Checks that a message fits the template. `base` is the JSON pointer of the template object in the send request
    /// (`/template`, `/fallback_template`). The caller checks name, language and status.
    ///
    /// # Errors
    /// All mismatches (up to [`Violations::MAX`](crate::check::Violations::MAX)), in the order of the message's
    /// components, then the missing parts.
    pub fn bind(&self, message: &TemplateMessage<'_>, base: &str) -> Result<(), Vec<TemplateMismatch>> {
        self::bind(self, message, base)
    }
}

fn bind(template: &Template, message: &TemplateMessage<'_>, base: &str) -> Result<(), Vec<TemplateMismatch>> {
    let pointer = JsonPointer::from_pointer(base);
    let pointer = pointer.key("components");
    let parts = &template.components;
    let mut binding = Binding {
        format: template.parameter_format,
        is_code: template.category == TemplateCategory::Authentication,
        has_offer: parts.limited_time_offer.is_some(),
        mismatches: Vec::new(),
    };
    let whole = Parts {
        card: None,
        header: parts.header.as_ref(),
        body: parts.body.as_ref(),
        buttons: &parts.buttons,
        is_body_alone: parts.header.is_none()
            && parts.footer.is_none()
            && parts.buttons.is_empty()
            && parts.cards.is_empty()
            && parts.limited_time_offer.is_none()
            && parts.others.is_empty(),
    };
    let rest = binding.parts(&whole, message.components, &pointer);
    binding.rest(parts, message.components, &pointer, rest);
    if binding.mismatches.is_empty() { Ok(()) } else { Err(binding.mismatches) }
}

/// Parts that a template and a card have in common.
struct Parts<'t> {
    card: Option<i64>,
    header: Option<&'t TemplateHeader>,
    body: Option<&'t TemplateText>,
    buttons: &'t [TemplateButton],
    is_body_alone: bool,
}

/// Parts that a message has.
#[derive(Clone, Copy)]
struct GivenParts {
    has_header: bool,
    has_body: bool,
    /// One bit for each button.
    buttons: u64,
}

/// Components besides header, body and buttons, by their position in the message.
#[derive(Clone, Copy, Default)]
struct Rest {
    carousel: Option<usize>,
    offer: Option<usize>,
}

impl Binding {
    /// Checks header, body and buttons: the given parts, then the missing parts.
    fn parts(&mut self, parts: &Parts<'_>, given: &[Value], pointer: &JsonPointer<'_>) -> Rest {
        let named = |part| ComponentName { card: parts.card, part };
        let mut rest = Rest::default();
        let mut has_header = false;
        let mut has_body = false;
        // One bit per button; templates have at most ten buttons.
        let mut buttons_given = 0_u64;
        let code_of_body = if self.is_code { code_of_body(given) } else { None };
        for (index, component) in given.iter().enumerate() {
            let element = pointer.index(index);
            let kind = text(component, "type");
            let parameters = component.get("parameters").and_then(Value::as_array).unwrap_or_default();
            let parameters_pointer = element.key("parameters");
            match kind {
                "header" => {
                    let name = named(ComponentPart::Header);
                    if std::mem::replace(&mut has_header, true) {
                        self.add(&element, name, TemplateMismatchKind::Extra, "is given twice");
                        continue;
                    }
                    self.header(parts.header, parameters, &parameters_pointer, name);
                }
                "body" => {
                    let name = named(ComponentPart::Body);
                    if std::mem::replace(&mut has_body, true) {
                        self.add(&element, name, TemplateMismatchKind::Extra, "is given twice");
                        continue;
                    }
                    self.body(parts, parameters, &parameters_pointer);
                }
                "button" => {
                    let Some(number) = number(component, "index") else { continue };
                    let name = named(ComponentPart::Button(number));
                    let bit = bit(number);
                    if buttons_given & bit != 0 {
                        self.add(&element, name, TemplateMismatchKind::Extra, "is given twice");
                        continue;
                    }
                    buttons_given |= bit;
                    let button = usize::try_from(number).ok().and_then(|number| parts.buttons.get(number));
                    match button {
                        Some(button) => {
                            self.button(button, component, &element, name);
                            self.same_code(
                                code_of_body,
                                parameters,
                                Target { pointer: &parameters_pointer, name },
                            );
                        }
                        None => self.add(
                            &element,
                            name,
                            TemplateMismatchKind::Extra,
                            no_such_button(parts.buttons.len()),
                        ),
                    }
                }
                "carousel" if parts.card.is_none() && rest.carousel.is_none() => rest.carousel = Some(index),
                "limited_time_offer" if parts.card.is_none() && rest.offer.is_none() => {
                    rest.offer = Some(index)
                }
                "carousel" | "limited_time_offer" => {
                    self.add(
                        &element,
                        named(ComponentPart::Other(kind)),
                        TemplateMismatchKind::Extra,
                        "is given twice",
                    );
                }
                "footer" if !parameters.is_empty() => {
                    let name = named(ComponentPart::Other(kind));
                    self.add(&parameters_pointer, name, TemplateMismatchKind::Extra, "takes no parameters");
                }
                // Configurations and payments are not documented enough to be checked.
                _ => {}
            }
        }
        let given = GivenParts { has_header, has_body, buttons: buttons_given };
        self.missing_parts(parts, given, pointer);
        rest
    }

    /// Reports the parts that the template needs and the message does not have.
    fn missing_parts(&mut self, parts: &Parts<'_>, given: GivenParts, pointer: &JsonPointer<'_>) {
        let named = |part| ComponentName { card: parts.card, part };
        if !given.has_header {
            self.missing_header(parts.header, pointer, named(ComponentPart::Header));
        }
        if !given.has_body
            && let Some(body) = parts.body
            && !body.slots.is_empty()
        {
            self.add(
                pointer,
                named(ComponentPart::Body),
                TemplateMismatchKind::Missing,
                format!("needs a `body` component with {}", slots::describe_slots(body, self.format)),
            );
        }
        for (number, button) in (0_i64..).zip(parts.buttons) {
            if given.buttons & bit(number) == 0 {
                self.missing_button(button, pointer, named(ComponentPart::Button(number)));
            }
        }
    }

    fn header(
        &mut self,
        header: Option<&TemplateHeader>,
        given: &[Value],
        pointer: &JsonPointer<'_>,
        name: ComponentName<'_>,
    ) {
        let expected = match header {
            None => {
                if !given.is_empty() {
                    self.add(
                        pointer,
                        name,
                        TemplateMismatchKind::Extra,
                        "takes no parameters: the template has no header",
                    );
                }
                return;
            }
            Some(TemplateHeader::Text(text)) => return self.text(text, given, pointer, name),
            Some(TemplateHeader::Other(_)) => return,
            Some(header) => header.parameter(),
        };
        self.only_parameter(given, expected, true, Target { pointer, name });
    }

    fn missing_header(
        &mut self,
        header: Option<&TemplateHeader>,
        pointer: &JsonPointer<'_>,
        name: ComponentName<'_>,
    ) {
        let expected = match header {
            None | Some(TemplateHeader::Other(_)) => return,
            Some(TemplateHeader::Text(text)) if text.slots.is_empty() => return,
            Some(TemplateHeader::Text(text)) => slots::describe_slots(text, self.format),
            Some(header) => format!("one `{}` parameter", header.parameter()),
        };
        self.add(
            pointer,
            name,
            TemplateMismatchKind::Missing,
            format!("needs a `header` component with {expected}"),
        );
    }

    fn body(&mut self, parts: &Parts<'_>, given: &[Value], pointer: &JsonPointer<'_>) {
        let name = ComponentName { card: parts.card, part: ComponentPart::Body };
        let Some(body) = parts.body else {
            if !given.is_empty() {
                self.add(pointer, name, TemplateMismatchKind::Extra, "takes no parameters: there is no body");
            }
            return;
        };
        let n_before = self.mismatches.len();
        self.text(body, given, pointer, name);
        if self.mismatches.len() == n_before {
            self.body_length(body, given, parts.is_body_alone, Target { pointer, name });
        }
    }

    /// Checks one parameter of one type; returns `true` if it is present and fits.
    fn only_parameter(
        &mut self,
        given: &[Value],
        expected: &str,
        is_required: bool,
        Target { pointer, name }: Target<'_>,
    ) -> bool {
        let [only, extra @ ..] = given else {
            if is_required {
                self.add(
                    pointer,
                    name,
                    TemplateMismatchKind::Missing,
                    format!("needs one `{expected}` parameter"),
                );
            }
            return false;
        };
        let fits = self.kind_is(only, expected, &pointer.index(0), name);
        for index in 1..=extra.len().min(Violations::MAX) {
            let reason = format!("takes one `{expected}` parameter, this is another");
            self.add(&pointer.index(index), name, TemplateMismatchKind::Extra, reason);
        }
        fits
    }

    /// Checks the type of a parameter. The media of a `gif` header may be sent as a video.
    fn kind_is(
        &mut self,
        parameter: &Value,
        expected: &str,
        pointer: &JsonPointer<'_>,
        name: ComponentName<'_>,
    ) -> bool {
        let kind = text(parameter, "type");
        let fits = kind == expected || (expected == "gif" && kind == "video");
        if !fits {
            let reason = format!("needs a parameter of type `{expected}`, this is `{kind}`");
            self.add(pointer, name, TemplateMismatchKind::WrongKind, reason);
        }
        fits
    }

    /// Checks carousel and offer, and reports components that the template does not have.
    fn rest(&mut self, parts: &TemplateComponents, given: &[Value], pointer: &JsonPointer<'_>, rest: Rest) {
        let named = |kind| ComponentName { card: None, part: ComponentPart::Other(kind) };
        let carousel = rest.carousel.and_then(|index| Some((index, given.get(index)?)));
        match (carousel, parts.cards.as_slice()) {
            (None, []) => {}
            (None, cards) => self.add(
                pointer,
                named("carousel"),
                TemplateMismatchKind::Missing,
                format!("needs a `carousel` component with {} cards", cards.len()),
            ),
            (Some((index, _)), []) => {
                if !parts.others.iter().any(|other| other == "CAROUSEL") {
                    let reason = "is not part of this template";
                    self.add(&pointer.index(index), named("carousel"), TemplateMismatchKind::Extra, reason);
                }
            }
            (Some((index, carousel)), cards) => {
                let element = pointer.index(index);
                self.cards(cards, carousel, &element.key("cards"));
            }
        }
        match (rest.offer, &parts.limited_time_offer) {
            (Some(index), None) => {
                let reason = "is not part of this template";
                self.add(
                    &pointer.index(index),
                    named("limited_time_offer"),
                    TemplateMismatchKind::Extra,
                    reason,
                );
            }
            (None, Some(offer)) if offer.has_expiration => self.add(
                pointer,
                named("limited_time_offer"),
                TemplateMismatchKind::Missing,
                "needs a `limited_time_offer` component with one `limited_time_offer` parameter",
            ),
            (Some(index), Some(offer)) => {
                let parameters = given.get(index).and_then(|offer| offer.get("parameters"));
                let parameters = parameters.and_then(Value::as_array).unwrap_or_default();
                let element = pointer.index(index);
                let element = element.key("parameters");
                let target = Target { pointer: &element, name: named("limited_time_offer") };
                self.only_parameter(parameters, "limited_time_offer", offer.has_expiration, target);
            }
            (None, Some(_) | None) => {}
        }
    }

    fn cards(&mut self, cards: &[TemplateCard], carousel: &Value, pointer: &JsonPointer<'_>) {
        let given = carousel.get("cards").and_then(Value::as_array).unwrap_or_default();
        let is_of_products =
            cards.first().is_some_and(|card| matches!(card.header, Some(TemplateHeader::Product)));
        let mut cards_given = 0_u64;
        for (index, value) in given.iter().enumerate() {
            let element = pointer.index(index);
            let Some(number) = number(value, "card_index") else { continue };
            let name = ComponentName { card: Some(number), part: ComponentPart::WholeCard };
            let bit = bit(number);
            if cards_given & bit != 0 {
                self.add(&element, name, TemplateMismatchKind::Extra, "is given twice");
                continue;
            }
            cards_given |= bit;
            let number_in_template = usize::try_from(number).unwrap_or(usize::MAX);
            // Product cards are alike: a template is created with two and sent with two to ten.
            let card = cards.get(number_in_template).or(cards.first().filter(|_| is_of_products));
            let Some(card) = card else {
                let reason = format!("the template has {} cards, numbered from 0", cards.len());
                self.add(&element, name, TemplateMismatchKind::Extra, reason);
                continue;
            };
            let parts = Parts {
                card: Some(number),
                header: card.header.as_ref(),
                body: card.body.as_ref(),
                buttons: &card.buttons,
                is_body_alone: false,
            };
            let components = value.get("components").and_then(Value::as_array).unwrap_or_default();
            self.parts(&parts, components, &element.key("components"));
        }
        if is_of_products {
            if given.len() < 2 {
                let name = ComponentName { card: None, part: ComponentPart::Other("carousel") };
                self.add(pointer, name, TemplateMismatchKind::Missing, "needs 2 to 10 cards");
            }
            return;
        }
        for (number, _) in (0_i64..).zip(cards) {
            if cards_given & bit(number) == 0 {
                let name = ComponentName { card: Some(number), part: ComponentPart::WholeCard };
                let reason = format!("is missing: all {} cards of the template must be sent", cards.len());
                self.add(pointer, name, TemplateMismatchKind::Missing, reason);
            }
        }
    }
}

impl TemplateHeader {
    /// Returns the parameter type that a header without text needs.
    const fn parameter(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Other(_) => "text",
            Self::Image => "image",
            Self::Video => "video",
            Self::Gif => "gif",
            Self::Document => "document",
            Self::Location => "location",
            Self::Product => "product",
        }
    }
}

/// Returns the bit of a number in a set of small numbers; zero for a number beyond the set.
fn bit(number: i64) -> u64 {
    u32::try_from(number).ok().and_then(|number| 1_u64.checked_shl(number)).unwrap_or_default()
}

fn code_of_body(given: &[Value]) -> Option<&str> {
    let body = given.iter().find(|component| text(component, "type") == "body")?;
    body.get("parameters")?.as_array()?.first()?.get("text")?.as_str()
}

fn no_such_button(n_buttons: usize) -> String {
    match n_buttons {
        0 => "the template has no buttons".to_owned(),
        1 => "the template has one button, with index 0".to_owned(),
        _ => format!("the template has {n_buttons} buttons, numbered from 0"),
    }
}
