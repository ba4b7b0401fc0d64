//! Parameters of buttons.

use super::binding::{Binding, Name, text};
use crate::check::JsonPointer;
use crate::json::Value;
use crate::templates::mismatch::TemplateMismatchKind;
use crate::templates::template::{TemplateButton, TemplateButtonKind};

/// Requirements of a template's button in a message.
struct Slot {
    /// `sub_type` of the component.
    sub_type: &'static str,
    /// Type of the parameter.
    parameter: &'static str,
    is_required: bool,
}

impl TemplateButton {
    /// Returns the requirements; `Ok(None)` for a button without parameters, `Err` for a button that is not documented
    /// enough to be checked.
    fn slot(&self) -> Result<Option<Slot>, ()> {
        let slot = |sub_type, parameter, is_required| Ok(Some(Slot { sub_type, parameter, is_required }));
        match &self.kind {
            TemplateButtonKind::QuickReply => slot("quick_reply", "payload", false),
            TemplateButtonKind::Url(url) if url.slots.is_empty() => Ok(None),
            TemplateButtonKind::Url(_) | TemplateButtonKind::OneTimeCode => slot("url", "text", true),
            TemplateButtonKind::CopyCode => slot("copy_code", "coupon_code", true),
            TemplateButtonKind::Flow => slot("flow", "action", false),
            TemplateButtonKind::Catalog => slot("catalog", "action", false),
            TemplateButtonKind::MultiProduct => slot("mpm", "action", true),
            TemplateButtonKind::OrderDetails => slot("order_details", "action", true),
            TemplateButtonKind::PhoneNumber | TemplateButtonKind::SingleProduct => Ok(None),
            TemplateButtonKind::VoiceCall | TemplateButtonKind::Other(_) => Err(()),
        }
    }
}

impl Binding {
    pub(crate) fn button(
        &mut self,
        button: &TemplateButton,
        component: &Value,
        here: &JsonPointer<'_>,
        name: Name<'_>,
    ) {
        let Ok(slot) = button.slot() else { return };
        let given = component.get("parameters").and_then(Value::as_array).unwrap_or_default();
        let place = here.key("parameters");
        let Some(slot) = slot else {
            if !given.is_empty() {
                let is_url = matches!(button.kind, TemplateButtonKind::Url(_));
                let reason =
                    if is_url { "takes no parameter: its URL is fixed" } else { "takes no parameter" };
                self.note(&place, name, TemplateMismatchKind::Extra, reason);
            }
            return;
        };
        let sub_type = text(component, "sub_type");
        if !sub_type.eq_ignore_ascii_case(slot.sub_type) {
            let reason = format!("is a `{}` button, not `{}`", slot.sub_type, sub_type.to_ascii_lowercase());
            self.note(&here.key("sub_type"), name, TemplateMismatchKind::WrongKind, reason);
            return;
        }
        if self.only_parameter(given, slot.parameter, slot.is_required, (&place, name))
            && let [parameter, ..] = given
        {
            self.button_value(button, parameter, &place.index(0), name);
        }
    }

    fn button_value(
        &mut self,
        button: &TemplateButton,
        parameter: &Value,
        place: &JsonPointer<'_>,
        name: Name<'_>,
    ) {
        /// A coupon code of a limited-time offer is shorter than other coupon codes, whose limit of 20 is checked for
        /// every message.
        const MAX_OFFER_CODE: usize = 15;
        match &button.kind {
            TemplateButtonKind::Url(_) | TemplateButtonKind::OneTimeCode => {
                self.plain_text(text(parameter, "text"), &place.key("text"), name);
            }
            TemplateButtonKind::CopyCode => {
                let n_characters = text(parameter, "coupon_code").chars().count();
                if self.has_offer && n_characters > MAX_OFFER_CODE {
                    let reason = format!(
                        "takes a code of at most {MAX_OFFER_CODE} characters in a limited-time offer, this has {n_characters}"
                    );
                    self.note(&place.key("coupon_code"), name, TemplateMismatchKind::TooLong, reason);
                }
            }
            TemplateButtonKind::MultiProduct => {
                for field in ["thumbnail_product_retailer_id", "sections"] {
                    self.action_field(parameter, field, place, name);
                }
            }
            TemplateButtonKind::OrderDetails => self.action_field(parameter, "order_details", place, name),
            TemplateButtonKind::QuickReply
            | TemplateButtonKind::PhoneNumber
            | TemplateButtonKind::Flow
            | TemplateButtonKind::Catalog
            | TemplateButtonKind::SingleProduct
            | TemplateButtonKind::VoiceCall
            | TemplateButtonKind::Other(_) => {}
        }
    }

    fn action_field(&mut self, parameter: &Value, field: &str, place: &JsonPointer<'_>, name: Name<'_>) {
        if parameter.get("action").is_none_or(|action| action.get(field).is_none_or(Value::is_null)) {
            let action = place.key("action");
            self.note(&action.key(field), name, TemplateMismatchKind::Missing, format!("needs `{field}`"));
        }
    }

    pub(crate) fn missing_button(
        &mut self,
        button: &TemplateButton,
        place: &JsonPointer<'_>,
        name: Name<'_>,
    ) {
        if let Ok(Some(slot)) = button.slot()
            && slot.is_required
        {
            let reason = format!(
                "needs a `button` component with `sub_type` `{}` and one `{}` parameter",
                slot.sub_type, slot.parameter
            );
            self.note(place, name, TemplateMismatchKind::Missing, reason);
        }
    }

    /// Checks that an authentication template (only it has a `code_of_body`) has the same code in its body and its
    /// button; with two codes a user could not log in.
    pub(crate) fn twin_code(
        &mut self,
        code_of_body: Option<&str>,
        given: &[Value],
        (place, name): (&JsonPointer<'_>, Name<'_>),
    ) {
        let [parameter] = given else { return };
        if let Some(code) = code_of_body
            && text(parameter, "type") == "text"
            && text(parameter, "text") != code
        {
            let first = place.index(0);
            self.note(
                &first.key("text"),
                name,
                TemplateMismatchKind::Invalid,
                "needs the same code as the body",
            );
        }
    }
}
