//! Flows and address messages.

use crate::check::Item;
use crate::messages::content::basic;

pub(crate) fn check(item: Item<'_, '_>) {
    let Some(flow) = item.object() else { return };
    flow.required("flow_message_version").one_of(&["3"]);
    if let Some((_, name)) = flow.exactly_one(&["flow_id", "flow_name"]) {
        name.string(1..);
    }
    // Meta recommends 20 characters and documents no limit; one client library rejects more than 30.
    flow.required("flow_cta").string(1..=30);
    flow.optional("mode").one_of(&["published", "draft"]);
    flow.optional("flow_token").string(1..);
    let action = flow.optional("flow_action").one_of(&["navigate", "data_exchange"]);
    let payload = flow.optional("flow_action_payload");
    if action == Some("data_exchange") && payload.is_present() {
        payload.refuse("is allowed only with `flow_action` `navigate`");
    } else if let Some(payload) = payload.object() {
        payload.optional("screen").string(1..);
        let data = payload.optional("data");
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
    if let Some(errors) = parameters.optional("validation_errors").object() {
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
