//! Parameters of buttons.

use super::binding::{Binding, ComponentName, Target, text};
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
    /// Returns the requirements; `Ok(None)` for a button without parameters, `Err` for a button whose parameters are not
    /// documented.
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
        element: &JsonPointer<'_>,
        name: ComponentName<'_>,
    ) {
        let Ok(slot) = button.slot() else { return };
        let given = component.get("parameters").and_then(Value::as_array).unwrap_or_default();
        let pointer = element.key("parameters");
        let Some(slot) = slot else {
            if !given.is_empty() {
                let is_url = matches!(button.kind, TemplateButtonKind::Url(_));
                let reason =
                    if is_url { "takes no parameter: its URL is fixed" } else { "takes no parameter" };
                self.add(&pointer, name, TemplateMismatchKind::Extra, reason);
            }
            return;
        };
        let sub_type = text(component, "sub_type");
        if !sub_type.eq_ignore_ascii_case(slot.sub_type) {
            let reason = format!("is a `{}` button, not `{}`", slot.sub_type, sub_type.to_ascii_lowercase());
            self.add(&element.key("sub_type"), name, TemplateMismatchKind::WrongKind, reason);
            return;
        }
        if self.only_parameter(given, slot.parameter, slot.is_required, Target { pointer: &pointer, name })
            && let [parameter, ..] = given
        {
            self.button_value(button, parameter, &pointer.index(0), name);
        }
    }

    fn button_value(
        &mut self,
        button: &TemplateButton,
        parameter: &Value,
        pointer: &JsonPointer<'_>,
        name: ComponentName<'_>,
    ) {
        /// A coupon code of a limited-time offer is shorter than other coupon codes, whose limit of 20 is checked for
        /// every message.
        const MAX_OFFER_CODE: usize = 15;
        match &button.kind {
            TemplateButtonKind::Url(_) | TemplateButtonKind::OneTimeCode => {
                self.plain_text(text(parameter, "text"), &pointer.key("text"), name);
            }
            TemplateButtonKind::CopyCode => {
                let n_characters = text(parameter, "coupon_code").chars().count();
                if self.has_offer && n_characters > MAX_OFFER_CODE {
                    let reason = format!(
                        "takes a code of at most {MAX_OFFER_CODE} characters in a limited-time offer, this has {n_characters}"
                    );
                    self.add(&pointer.key("coupon_code"), name, TemplateMismatchKind::TooLong, reason);
                }
            }
            TemplateButtonKind::MultiProduct => {
                for field in ["thumbnail_product_retailer_id", "sections"] {
                    self.action_field(parameter, field, pointer, name);
                }
            }
            TemplateButtonKind::OrderDetails => self.action_field(parameter, "order_details", pointer, name),
            TemplateButtonKind::QuickReply
            | TemplateButtonKind::PhoneNumber
            | TemplateButtonKind::Flow
            | TemplateButtonKind::Catalog
            | TemplateButtonKind::SingleProduct
            | TemplateButtonKind::VoiceCall
            | TemplateButtonKind::Other(_) => {}
        }
    }

    fn action_field(
        &mut self,
        parameter: &Value,
        field: &str,
        pointer: &JsonPointer<'_>,
        name: ComponentName<'_>,
    ) {
        if parameter.get("action").is_none_or(|action| action.get(field).is_none_or(Value::is_null)) {
            let action = pointer.key("action");
            self.add(&action.key(field), name, TemplateMismatchKind::Missing, format!("needs `{field}`"));
        }
    }

    pub(crate) fn missing_button(
        &mut self,
        button: &TemplateButton,
        pointer: &JsonPointer<'_>,
        name: ComponentName<'_>,
    ) {
        if let Ok(Some(slot)) = button.slot()
            && slot.is_required
        {
            let reason = format!(
                "needs a `button` component with `sub_type` `{}` and one `{}` parameter",
                slot.sub_type, slot.parameter
            );
            self.add(pointer, name, TemplateMismatchKind::Missing, reason);
        }
    }

    /// Checks that the message of an authentication template has the same code in its body and its button. Only these
    /// templates have a `code_of_body`.
    pub(crate) fn same_code(
        &mut self,
        code_of_body: Option<&str>,
        given: &[Value],
        Target { pointer, name }: Target<'_>,
    ) {
        let [parameter] = given else { return };
        if let Some(code) = code_of_body
            && text(parameter, "type") == "text"
            && text(parameter, "text") != code
        {
            let first = pointer.index(0);
            self.add(
                &first.key("text"),
                name,
                TemplateMismatchKind::Invalid,
                "needs the same code as the body",
            );
        }
    }
}
