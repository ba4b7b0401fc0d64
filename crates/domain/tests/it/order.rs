//! Payments: sums, references and other rules of orders.

use domain::json::Value;

use crate::support::{NOW, fails, json, passes, violations};

/// Order of two mugs (50.00, on sale for 40.00) and a plate: 80 + 25 = 105; + 10 tax + 5 shipping − 20 discount = 100.
const ORDER: &str = r#"{
    "reference_id":"INV-204_a.b","type":"physical-goods","currency":"INR","total_amount":{"value":10000,"offset":100},
    "beneficiaries":[{"name":"A","address_line1":"l","city":"c","state":"s","country":"India","postal_code":"560001"}],
    "payment_settings":[{"type":"payment_gateway","payment_gateway":{"type":"razorpay","configuration_name":"main",
        "razorpay":{"receipt":"r","notes":{"k":"v"}},"preferred_payment_methods":[{"method":"gpay"}],"enabled_payment_options":["upi"]}}],
    "order":{"status":"pending","type":"quick_pay","catalog_id":"c","items":[
        {"retailer_id":"m","name":"Mug","amount":{"value":5000,"offset":100},"sale_amount":{"value":4000,"offset":100},"quantity":2},
        {"retailer_id":"p","name":"Plate","amount":{"value":2500,"offset":100},"quantity":1,"country_of_origin":"IN","importer_name":"I","importer_address":{"address_line1":"x"}}],
      "subtotal":{"value":10500,"offset":100},
      "tax":{"value":1000,"offset":100,"description":"GST"},
      "shipping":{"value":500,"offset":100,"description":"Post"},
      "discount":{"value":2000,"offset":100,"discount_program_name":"Spring"},
      "expiration":{"timestamp":"1767225900","description":"soon"}}}"#;

const AT: &str = "/interactive/action/parameters";

fn message(parameters: &Value) -> String {
    format!(
        r#"{{"type":"order_details","body":{{"text":"b"}},"action":{{"name":"review_and_pay","parameters":{parameters}}}}}"#
    )
}

/// Returns the order with another value of one member; `null` removes the member.
fn with(pointer: &str, value: &str) -> String {
    let mut order = json(ORDER);
    let (holder, key) = pointer.rsplit_once('/').unwrap();
    let holder = order.at_mut(holder).unwrap();
    match holder {
        Value::Array(elements) => elements[key.parse::<usize>().unwrap()] = json(value),
        Value::Object(object) => {
            object.insert(key, json(value));
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => {
            panic!("{pointer}")
        }
    }
    message(&order)
}

fn fault(pointer: &str, value: &str, fault: &str) {
    fails("interactive", &with(pointer, value), &format!("{AT}{fault}"));
}

#[test]
fn an_order_with_correct_sums_is_accepted() {
    passes("interactive", &message(&json(ORDER)));
    passes("interactive", &message(&Value::String(ORDER.to_owned())));
    fails("interactive", &message(&Value::from("[]")), &format!("{AT} must be an object, is a string"));
}

#[test]
fn the_sums_of_an_order_are_checked() {
    fault(
        "/total_amount/value",
        "10001",
        "/total_amount must be subtotal + tax + shipping − discount = 10000, is 10001",
    );
    assert_eq!(
        violations("interactive", &with("/order/subtotal/value", "10501")),
        [
            format!(
                "{AT}/order/subtotal must be the sum of (sale_amount or amount) × quantity of all items = 10500, is 10501"
            ),
            format!("{AT}/total_amount must be subtotal + tax + shipping − discount = 10001, is 10000"),
        ]
    );
    fault(
        "/order/items/0/sale_amount/value",
        "5000",
        "/order/items/0/sale_amount must be less than `amount`, 5000, is 5000",
    );
    let huge = "9223372036854775807";
    assert!(!violations("interactive", &with("/order/items/0/quantity", huge)).is_empty());
}

#[test]
fn each_field_of_an_order_has_its_rule() {
    let name = |length: usize| format!("\"{}\"", "n".repeat(length));
    for (pointer, most) in [
        ("/order/items/0/name", 60),
        ("/beneficiaries/0/name", 200),
        ("/beneficiaries/0/address_line1", 100),
        ("/payment_settings/0/payment_gateway/configuration_name", 60),
    ] {
        passes("interactive", &with(pointer, &name(most)));
        fault(
            pointer,
            &name(most + 1),
            &format!("{pointer} must be 1 to {most} characters, is {}", most + 1),
        );
    }
    for (pointer, most) in [
        ("/order/tax/description", 60),
        ("/order/shipping/description", 60),
        ("/order/discount/description", 60),
        ("/order/discount/discount_program_name", 60),
        ("/order/expiration/description", 120),
        ("/payment_settings/0/payment_gateway/razorpay/receipt", 40),
    ] {
        passes("interactive", &with(pointer, &name(most)));
        fault(
            pointer,
            &name(most + 1),
            &format!("{pointer} must be at most {most} characters, is {}", most + 1),
        );
    }
    passes("interactive", &with("/reference_id", &name(35)));
    for reference in ["\"\"", "\"a b\"", "\"a/b\"", "\"é\"", &name(36)] {
        fault(
            "/reference_id",
            reference,
            "/reference_id must be 1 to 35 letters, digits, underscores, dots and dashes",
        );
    }
    fault("/type", "\"digital\"", "/type must be `digital-goods` or `physical-goods`, is `digital`");
    fault("/total_amount/offset", "1", "/total_amount/offset must be 100, is 1");
    fault("/order/status", "\"shipped\"", "/order/status must be `pending`, is `shipped`");
    fault("/order/items", "[]", "/order/items must have at least 1 element, has 0");
    fault("/order/tax", "null", "/order/tax is required");
    fault("/payment_settings", "null", "/payment_settings is required");
    fault("/beneficiaries/0/postal_code", "\"5600\"", "/beneficiaries/0/postal_code must be 6 digits");
    fault(
        "/payment_settings/0/payment_gateway/type",
        "\"stripe\"",
        "/payment_settings/0/payment_gateway/type must be `billdesk`, `razorpay`, `payu` or `zaakpay`, is `stripe`",
    );
    fault("/order/itens", "[]", "/order/itens unknown field `itens`; did you mean `items`?");
    let notes = |count: usize| {
        let notes: Vec<String> = (0..count).map(|n| format!("\"k{n}\":\"v\"")).collect();
        format!("{{{}}}", notes.join(","))
    };
    passes("interactive", &with("/payment_settings/0/payment_gateway/razorpay/notes", &notes(15)));
    fault(
        "/payment_settings/0/payment_gateway/razorpay/notes",
        &notes(16),
        "/payment_settings/0/payment_gateway/razorpay/notes must have at most 15 notes, has 16",
    );
}

#[test]
fn each_gateway_has_its_own_fields() {
    for (gateway, field, most) in
        [("billdesk", "additional_info7", 120), ("payu", "udf4", 255), ("zaakpay", "extra2", 180)]
    {
        let settings = |length: usize| {
            let text = "x".repeat(length);
            format!(r#"{{"type":"{gateway}","configuration_name":"c","{gateway}":{{"{field}":"{text}"}}}}"#)
        };
        let pointer = "/payment_settings/0/payment_gateway";
        passes("interactive", &with(pointer, &settings(most)));
        fault(
            pointer,
            &settings(most + 1),
            &format!("{pointer}/{gateway}/{field} must be at most {most} characters, is {}", most + 1),
        );
    }
}

#[test]
fn an_order_expires_after_at_least_five_minutes() {
    passes("interactive", &with("/order/expiration/timestamp", &format!("\"{}\"", NOW + 300)));
    fault(
        "/order/expiration/timestamp",
        &format!("\"{}\"", NOW + 299),
        "/order/expiration/timestamp must be Unix seconds at least 300 from now: 1767225900 or later",
    );
}

#[test]
fn items_with_images_are_ten_and_have_no_retailer_id() {
    let items = |count: usize, more: &str| {
        let item = format!(
            r#"{{"name":"n","amount":{{"value":1,"offset":100}},"quantity":1,"image":{{"link":"https://a/i.jpg"}}{more}}}"#
        );
        let mut order = json(ORDER);
        let set = |order: &mut Value, pointer: &str, value: Value| *order.at_mut(pointer).unwrap() = value;
        set(&mut order, "/order/items", json(&format!("[{}]", vec![item; count].join(","))));
        set(&mut order, "/order/subtotal/value", Value::Int(i64::try_from(count).unwrap()));
        set(&mut order, "/order/discount/value", Value::Int(0));
        set(&mut order, "/total_amount/value", Value::Int(i64::try_from(count).unwrap() + 1500));
        order.at_mut("/order").unwrap().as_object_mut().unwrap().remove("catalog_id");
        message(&order)
    };
    passes("interactive", &items(10, ""));
    fails(
        "interactive",
        &items(11, ""),
        &format!("{AT}/order/items must have at most 10 items when items have images, has 11"),
    );
    fails(
        "interactive",
        &items(1, r#","retailer_id":"r""#),
        &format!("{AT}/order/items/0/retailer_id is not allowed together with `image`"),
    );
    let catalog = items(1, "").replace(r#""status":"pending","#, r#""status":"pending","catalog_id":"c","#);
    fails(
        "interactive",
        &catalog,
        &format!("{AT}/order/catalog_id is not allowed together with items that have an `image`"),
    );
}

#[test]
fn payments_outside_of_india_are_checked_by_their_sums_only() {
    let brazil = ORDER
        .replace("INR", "BRL")
        .replace(r#""type":"physical-goods","#, r#""type":"physical-goods","payment_type":"br","#)
        .replace("payment_gateway", "pix_dynamic_code");
    passes("interactive", &message(&json(&brazil)));
    let wrong = brazil.replace(r#""total_amount":{"value":10000"#, r#""total_amount":{"value":9"#);
    fails(
        "interactive",
        &message(&json(&wrong)),
        &format!("{AT}/total_amount must be subtotal + tax + shipping − discount = 10000, is 9"),
    );
}

#[test]
fn an_order_status_is_one_of_five() {
    let status = |status: &str| {
        format!(
            r#"{{"type":"order_status","body":{{"text":"b"}},"action":{{"name":"review_order","parameters":{{"reference_id":"r","order":{{"status":"{status}"}}}}}}}}"#
        )
    };
    for word in ["processing", "partially_shipped", "shipped", "completed", "canceled"] {
        passes("interactive", &status(word));
    }
    fails(
        "interactive",
        &status("partially-shipped"),
        &format!(
            "{AT}/order/status must be `processing`, `partially_shipped`, `shipped`, `completed` or `canceled`, is `partially-shipped`; did you mean `partially_shipped`?"
        ),
    );
}
