//! Orders and order statuses of payment messages (Meta: Payments API,
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/payments-api>).
//!
//! The rules are those for India. For other currencies (Brazil, Singapore) only the reference id and the sums are
//! checked.

use jiff::Timestamp;

use crate::check::{Fields, Item};

/// Name of the schema of an amount with a description.
const DESCRIBED: &str = "DescribedAmount";
/// Minimum number of seconds until an order expires.
const SHORTEST: i64 = 300;

pub(crate) fn check_details(item: Item<'_, '_>, now: Timestamp) {
    item.string_or(check_json_text, |item| {
        item.shared("OrderDetails", |item| check_details_object(item, now));
    });
}

fn check_details_object(item: Item<'_, '_>, now: Timestamp) {
    let Some(details) = item.object() else { return };
    details.about(
        "Order to be paid. With the currency `INR` every field is checked and unknown fields are refused; with another \
         currency only the reference and the sums are checked.",
    );
    check_reference(&details);
    let currency = details.required("currency").about("Currency code (ISO 4217).");
    let is_india = currency.string(1..) == Some("INR");
    if is_india || details.is_described() {
        let required = |name| if is_india { details.required(name) } else { details.optional(name) };
        required("type").about("Required with `INR`.").one_of(&["digital-goods", "physical-goods"]);
        if let Some(beneficiaries) = details.optional("beneficiaries").array(..) {
            for beneficiary in beneficiaries.iter() {
                beneficiary.shared("Beneficiary", check_beneficiary);
            }
        }
        if let Some(settings) = required("payment_settings").about("Required with `INR`.").array(1..) {
            for setting in settings.iter() {
                setting.shared("PaymentSettings", check_settings);
            }
        }
    }
    let total = details.required("total_amount").about("subtotal + tax + shipping − discount.");
    let total = check_amount(total, "Amount", |_| {});
    if let Some(order) = details.required("order").object() {
        let sum = check_order(&order, now);
        if let (Some(total), Some(sum)) = (total, sum)
            && i128::from(total) != sum
        {
            details
                .optional("total_amount")
                .refuse(format!("must be subtotal + tax + shipping − discount = {sum}, is {total}"));
        }
        finish(order, is_india);
    }
    finish(details, is_india);
}

fn finish(fields: Fields<'_, '_>, is_closed: bool) {
    if is_closed { fields.finish() } else { fields.finish_open() }
}

/// Meta also accepts nested objects as JSON strings; their content is not checked.
fn check_json_text(item: Item<'_, '_>) {
    item.about("The same object as JSON text, whose content only Meta checks.").json_text();
}

fn check_reference(fields: &Fields<'_, '_>) {
    let is_reference = |text: &str| {
        (1..=35).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
    };
    fields
        .required("reference_id")
        .about("Your reference of the order.")
        .pattern("^[A-Za-z0-9_.-]{1,35}$")
        .string_that(is_reference, "must be 1 to 35 letters, digits, underscores, dots and dashes");
}

fn check_beneficiary(item: Item<'_, '_>) {
    let Some(beneficiary) = item.object() else { return };
    beneficiary.required("name").string(1..=200);
    beneficiary.required("address_line1").string(1..=100);
    beneficiary.optional("address_line2").string(..);
    beneficiary.required("city").string(1..);
    beneficiary.required("state").string(1..);
    beneficiary.required("country").one_of(&["India"]);
    beneficiary.required("postal_code").pattern("^[0-9]{6}$").string_that(
        |code| code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()),
        "must be 6 digits",
    );
    beneficiary.finish();
}

/// Payment gateways, each with the members of its object and their maximum length.
const GATEWAYS: [(&str, &[&str], usize); 4] = [
    (
        "billdesk",
        &[
            "additional_info1",
            "additional_info2",
            "additional_info3",
            "additional_info4",
            "additional_info5",
            "additional_info6",
            "additional_info7",
        ],
        120,
    ),
    ("razorpay", &["receipt"], 40),
    ("payu", &["udf1", "udf2", "udf3", "udf4"], 255),
    ("zaakpay", &["extra1", "extra2"], 180),
];

fn check_settings(item: Item<'_, '_>) {
    let Some(settings) = item.object() else { return };
    settings.required("type").one_of(&["payment_gateway"]);
    if let Some(gateway) = settings.required("payment_gateway").object() {
        let kind = gateway.required("type").one_of(&["billdesk", "razorpay", "payu", "zaakpay"]);
        gateway.required("configuration_name").string(1..=60);
        for (name, fields, most) in GATEWAYS {
            if (kind == Some(name) || gateway.is_described())
                && let Some(provider) = gateway.optional(name).object()
            {
                for field in fields {
                    provider.optional(field).string(..=most);
                }
                if name == "razorpay" {
                    check_notes(provider.optional("notes"));
                }
                provider.finish();
            }
        }
        if let Some(methods) = gateway.optional("preferred_payment_methods").array(..=1) {
            for method in methods.iter() {
                let Some(method) = method.object() else { continue };
                method.required("method").one_of(&[
                    "gpay",
                    "phonepe",
                    "paytm",
                    "bhim",
                    "amazonpay",
                    "cred",
                    "mobikwik",
                ]);
                method.finish();
            }
        }
        if let Some(options) = gateway.optional("enabled_payment_options").array(..) {
            options.iter().for_each(|option| {
                option.one_of(&["upi", "web"]);
            });
        }
        if kind.is_some() {
            gateway.finish();
        } else {
            gateway.finish_open();
        }
    }
    settings.finish();
}

/// Checks notes with names of the caller's choice: at most 15, each at most 256 characters.
fn check_notes(item: Item<'_, '_>) {
    let item = item.about("At most 15 notes of at most 256 characters.").keyword("maxProperties", 15);
    let Some(notes) = item.open_object() else { return };
    if notes.len() > 15 {
        item.refuse(format!("must have at most 15 notes, has {}", notes.len()));
    }
    if notes.iter().any(|(_, note)| note.as_str().is_none_or(|note| note.chars().count() > 256)) {
        item.refuse("must hold strings of at most 256 characters");
    }
}

/// Checks an amount of money in hundredths: `{"value": 12500, "offset": 100}`, in some objects with further members.
/// `name` is the name of its schema.
fn check_amount(item: Item<'_, '_>, name: &str, further: impl FnOnce(&Fields<'_, '_>)) -> Option<i64> {
    let value = item.shared(name, |item| {
        let amount = item.object()?;
        let value =
            amount.required("value").about("Amount in hundredths of the currency's unit.").integer(0..);
        amount.required("offset").integer(100..=100);
        further(&amount);
        amount.finish();
        value
    });
    value.flatten()
}

/// Checks an order and returns its required total, if all amounts are present.
fn check_order(order: &Fields<'_, '_>, now: Timestamp) -> Option<i128> {
    order.required("status").one_of(&["pending"]);
    order.optional("type").one_of(&["quick_pay"]);
    let catalog = order.optional("catalog_id");
    catalog.string(1..);
    let items_sum = order.required("items").array(1..).and_then(|items| {
        let mut sum = if items.is_empty() { None } else { Some(0_i128) };
        let mut has_images = false;
        for item in items.iter() {
            let fields = item.object();
            has_images |= fields.as_ref().is_some_and(|item| item.object().get("image").is_some());
            let price = fields.and_then(check_item);
            sum = sum.zip(price).map(|(sum, price)| sum.saturating_add(price));
        }
        if has_images && items.len() > 10 {
            items.refuse(format!("must have at most 10 items when items have images, has {}", items.len()));
        }
        if has_images && catalog.is_present() {
            catalog.refuse("is not allowed together with items that have an `image`");
        }
        sum
    });
    let description = |amount: &Fields<'_, '_>| {
        amount.optional("description").string(..=60);
    };
    let subtotal_item = order.required("subtotal").about("Sum of (`sale_amount` or `amount`) × `quantity`.");
    let subtotal = check_amount(subtotal_item, "Amount", |_| {});
    let tax = check_amount(order.required("tax"), DESCRIBED, description);
    let shipping = order.optional("shipping");
    let is_described = order.is_described();
    let shipping = if shipping.is_present() || is_described {
        check_amount(shipping, DESCRIBED, description)
    } else {
        Some(0)
    };
    let discount = order.optional("discount");
    let discount = if discount.is_present() || is_described {
        check_amount(discount, "Discount", |amount| {
            description(amount);
            amount.optional("discount_program_name").string(..=60);
        })
    } else {
        Some(0)
    };
    if let Some(expiration) = order.optional("expiration").object() {
        let time = expiration
            .required("timestamp")
            .about("End of the order's validity in Unix seconds, at least 300 seconds from now.");
        if let Some(at) = time.integer_or_text(0..) {
            let earliest = now.as_second().saturating_add(SHORTEST);
            if at < earliest {
                time.refuse(format!(
                    "must be Unix seconds at least {SHORTEST} from now: {earliest} or later"
                ));
            }
        }
        expiration.optional("description").string(..=120);
        expiration.finish();
    }
    let subtotal = i128::from(subtotal?);
    if let Some(items_sum) = items_sum
        && items_sum != subtotal
    {
        subtotal_item.refuse(format!(
            "must be the sum of (sale_amount or amount) × quantity of all items = {items_sum}, is {subtotal}"
        ));
    }
    Some(subtotal + i128::from(tax?) + i128::from(shipping?) - i128::from(discount?))
}

/// Checks an item and returns its price times its quantity.
fn check_item(item: Fields<'_, '_>) -> Option<i128> {
    item.required("name").string(1..=60);
    let amount = check_amount(item.required("amount"), "Amount", |_| {});
    let quantity = item.required("quantity").integer(1..);
    let sale = item.optional("sale_amount").about("Reduced price, less than `amount`.");
    let sale_amount = check_amount(sale, "Amount", |_| {});
    let mut is_sound = true;
    if let (Some(amount), Some(sale_amount)) = (amount, sale_amount)
        && sale_amount >= amount
    {
        is_sound = false;
        sale.refuse(format!("must be less than `amount`, {amount}, is {sale_amount}"));
    }
    let image =
        item.optional("image").about("Image, in an order without a catalog and with at most 10 items.");
    let is_described = item.is_described();
    let fields = image.object();
    if fields.is_none() || is_described {
        item.optional("retailer_id").about("ID of the product. Not together with `image`.").string(1..);
    }
    if let Some(fields) = fields {
        fields.required("link").http_url();
        fields.finish();
        item.forbidden("retailer_id", "is not allowed together with `image`");
    }
    item.optional("country_of_origin").string(1..);
    item.optional("importer_name").string(1..);
    // Meta documents only two of its members.
    item.optional("importer_address").open_object();
    let is_on_sale = sale.is_present();
    item.finish();
    let price = if is_on_sale { sale_amount? } else { amount? };
    // Without valid prices there is no sum to compare.
    let sum = i128::from(price) * i128::from(quantity?);
    is_sound.then_some(sum)
}

pub(crate) fn check_status(item: Item<'_, '_>) {
    item.string_or(check_json_text, |item| {
        item.shared("OrderStatus", check_status_object);
    });
}

fn check_status_object(item: Item<'_, '_>) {
    let Some(parameters) = item.object() else { return };
    check_reference(&parameters);
    if let Some(order) = parameters.required("order").object() {
        order.required("status").one_of(&[
            "processing",
            "partially_shipped",
            "shipped",
            "completed",
            "canceled",
        ]);
        order.optional("description").string(..=120);
        order.finish();
    }
    parameters.finish();
}
