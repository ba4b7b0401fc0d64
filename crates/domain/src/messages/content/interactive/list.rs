//! Lists of options and of products.

use super::parts::Unique;
use crate::check::{Fields, Items};

/// Maximum number of rows in all sections.
const MAX_ROWS: usize = 10;
/// Maximum number of products in all sections.
const MAX_PRODUCTS: usize = 30;

pub(crate) fn check(action: &Fields<'_, '_>) {
    action.required("button").string(1..=20);
    let Some(sections) = action.required("sections").array(1..=10) else { return };
    let mut ids = Unique::new("another row has the same id");
    let mut n_rows = 0;
    for section in sections.iter() {
        let Some(section) = section.object() else { continue };
        check_title(&section, sections.len());
        if let Some(rows) = section.required("rows").array(1..=MAX_ROWS) {
            n_rows += rows.len();
            for row in rows.iter() {
                let Some(row) = row.object() else { continue };
                let id = row.required("id");
                if let Some(text) = id.string(1..=200) {
                    ids.check(text, &id);
                }
                row.required("title").string(1..=24);
                row.optional("description").string(..=72);
                row.finish();
            }
        }
        section.finish();
    }
    if n_rows > MAX_ROWS {
        sections.refuse(format!("must have at most {MAX_ROWS} rows in all sections together, has {n_rows}"));
    }
}

pub(crate) fn check_products(action: &Fields<'_, '_>) {
    action.required("catalog_id").string(1..);
    if let Some(sections) = action.required("sections").array(1..=10) {
        check_product_sections(&sections);
    }
}

/// Checks sections of products, also of a template's multi-product button.
pub(crate) fn check_product_sections(sections: &Items<'_, '_>) {
    let mut n_products = 0;
    for section in sections.iter() {
        let Some(section) = section.object() else { continue };
        check_title(&section, sections.len());
        if let Some(products) = section.required("product_items").array(1..=MAX_PRODUCTS) {
            n_products += products.len();
            for product in products.iter() {
                let Some(product) = product.object() else { continue };
                product.required("product_retailer_id").string(1..);
                product.finish();
            }
        }
        section.finish();
    }
    if n_products > MAX_PRODUCTS {
        sections.refuse(format!(
            "must have at most {MAX_PRODUCTS} products in all sections together, has {n_products}"
        ));
    }
}

/// Checks the title of a section, which is required if there are several sections.
fn check_title(section: &Fields<'_, '_>, n_sections: usize) {
    if n_sections > 1 {
        section.required("title").string(1..=24);
    } else {
        section.optional("title").string(..=24);
    }
}
