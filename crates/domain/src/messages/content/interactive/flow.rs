//! Flows and address messages.

use crate::check::Item;
use crate::messages::content::basic;

pub(crate) fn check(item: Item<'_, '_>) {
    let Some(flow) = item.object() else { return };
    flow.required("flow_message_version").one_of(&["3"]);
    flow.exactly_one(&["flow_id", "flow_name"], |_, item| item.string(1..));
    // Meta recommends 20 characters and documents no limit; one client library rejects more than 30.
    flow.required("flow_cta").about("Label of the button that opens the flow.").string(1..=30);
    flow.optional("mode").one_of(&["published", "draft"]);
    flow.optional("flow_token").string(1..);
    let action = flow.optional("flow_action").one_of(&["navigate", "data_exchange"]);
    let payload = flow.optional("flow_action_payload").about("Only with the `flow_action` `navigate`.");
    if action == Some("data_exchange") && payload.is_present() {
        payload.refuse("is allowed only with `flow_action` `navigate`");
    } else if let Some(payload) = payload.object() {
        payload.optional("screen").string(1..);
        let data = payload.optional("data").keyword("minProperties", 1);
        if data.open_object().is_some_and(|data| data.is_empty()) {
            data.refuse("must not be an empty object");
        }
        payload.finish();
    }
    flow.finish();
}

const ADDRESS: [&str; 11] = [
    "name",
    "phone_number",
    "in_pin_code",
    "house_number",
    "floor_number",
    "tower_number",
    "building_name",
    "address",
    "landmark_area",
    "city",
    "state",
];

pub(crate) fn check_address(item: Item<'_, '_>) {
    let Some(parameters) = item.object() else { return };
    parameters.required("country").one_of(&["IN"]);
    check_values(parameters.optional("values"));
    if let Some(addresses) = parameters.optional("saved_addresses").array(..) {
        for address in addresses.iter() {
            let Some(address) = address.object() else { continue };
            address.required("id").string(1..);
            check_values(address.required("value"));
            address.finish();
        }
    }
    let errors =
        parameters.optional("validation_errors").about("Error messages, by the field that they are about.");
    if let Some(errors) = errors.object() {
        basic::strings(errors, &ADDRESS);
    }
    parameters.finish();
}

fn check_values(item: Item<'_, '_>) {
    let Some(values) = item.object() else { return };
    for name in ADDRESS {
        let most = if name == "in_pin_code" { 6 } else { usize::MAX };
        values.optional(name).string(..=most);
    }
    values.finish();
}
