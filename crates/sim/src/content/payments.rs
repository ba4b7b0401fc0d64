//! Orders and payments in India, as far as Meta validates them before it accepts a message.

use crate::content::interactive::named;
use crate::error::{Checked, GraphError};
use crate::validate::{Pointed, PointedObject};

pub(crate) fn order_details(action: &Pointed<'_>) -> Checked<()> {
    let action = named(action, "review_and_pay", &["parameters"])?;
    let parameters = action.need("parameters")?.any_object()?;
    reference(&parameters)?;
    parameters.need("type")?.one_of(&["digital-goods", "physical-goods"])?;
    parameters.need("currency")?.one_of(&["INR"])?;
    let total = amount(&parameters.need("total_amount")?)?;
    let settings = parameters.need("payment_settings")?.list_of("Payment settings", 1, 5)?;
    for setting in settings {
        setting.any_object()?.need("type")?.text()?;
    }
    let order = parameters.need("order")?.any_object()?;
    order.need("status")?.one_of(&["pending"])?;
    let mut sum = 0;
    for item in order.need("items")?.list_of("Order items", 1, 999)? {
        let item = item.any_object()?;
        item.need("name")?.text_of("Item name", 1, 60)?;
        let full = amount(&item.need("amount")?)?;
        let quantity = item.need("quantity")?.integer()?;
        let price = match item.get("sale_amount") {
            Some(sale) => {
                let sale = amount(&sale)?;
                if sale >= full {
                    return Err(GraphError::invalid("Item sale_amount must be below its amount"));
                }
                sale
            }
            None => full,
        };
        sum += price.saturating_mul(quantity.max(0));
    }
    let subtotal = amount(&order.need("subtotal")?)?;
    if subtotal != sum {
        return Err(GraphError::invalid(
            "Order subtotal must be the sum of the items' amounts times quantities",
        ));
    }
    let tax = amount(&order.need("tax")?)?;
    let shipping = order.get("shipping").map(|at| amount(&at)).transpose()?.unwrap_or(0);
    let discount = order.get("discount").map(|at| amount(&at)).transpose()?.unwrap_or(0);
    if total != subtotal + tax + shipping - discount {
        return Err(GraphError::invalid(
            "Order total_amount must be subtotal plus tax plus shipping minus discount",
        ));
    }
    Ok(())
}

pub(crate) fn order_status(action: &Pointed<'_>) -> Checked<()> {
    let action = named(action, "review_order", &["parameters"])?;
    let parameters = action.need("parameters")?.object(&["reference_id", "order"])?;
    reference(&parameters)?;
    let order = parameters.need("order")?.object(&["status", "description"])?;
    order.need("status")?.one_of(&[
        "pending",
        "processing",
        "partially_shipped",
        "shipped",
        "completed",
        "canceled",
    ])?;
    order.get("description").map(|at| at.text_of("Order description", 0, 120)).transpose()?;
    Ok(())
}

fn reference(parameters: &PointedObject<'_>) -> Checked<()> {
    let reference = parameters.need("reference_id")?.text_of("Reference id", 1, 35)?;
    if !reference.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) {
        return Err(GraphError::invalid("Reference id may hold letters, digits, _, . and - only"));
    }
    Ok(())
}

fn amount(at: &Pointed<'_>) -> Checked<i64> {
    let amount = at.any_object()?;
    if amount.need("offset")?.integer()? != 100 {
        return Err(GraphError::invalid("Amount offset must be 100"));
    }
    amount.need("value")?.integer()
}
