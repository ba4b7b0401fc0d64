//! Interactive messages: rules besides the limits.

use crate::support::{fails, metas_form, passes, read, violations};

fn interactive(kind: &str, rest: &str) -> String {
    format!(r#"{{"type":"{kind}",{rest}}}"#)
}

/// Minimal message of each type.
const LEAST: [(&str, &str); 15] = [
    (
        "button",
        r#""body":{"text":"b"},"action":{"buttons":[{"type":"reply","reply":{"id":"a","title":"t"}}]}"#,
    ),
    ("list", r#""body":{"text":"b"},"action":{"button":"b","sections":[{"rows":[{"id":"a","title":"t"}]}]}"#),
    (
        "cta_url",
        r#""body":{"text":"b"},"action":{"name":"cta_url","parameters":{"display_text":"d","url":"https://a"}}"#,
    ),
    ("location_request_message", r#""body":{"text":"b"},"action":{"name":"send_location"}"#),
    (
        "flow",
        r#""body":{"text":"b"},"action":{"name":"flow","parameters":{"flow_message_version":"3","flow_name":"n","flow_cta":"Go"}}"#,
    ),
    ("product", r#""action":{"catalog_id":"1","product_retailer_id":"2"}"#),
    (
        "product_list",
        r#""header":{"type":"text","text":"h"},"body":{"text":"b"},"action":{"catalog_id":"1","sections":[{"product_items":[{"product_retailer_id":"1"}]}]}"#,
    ),
    ("catalog_message", r#""body":{"text":"b"},"action":{"name":"catalog_message"}"#),
    (
        "address_message",
        r#""body":{"text":"b"},"action":{"name":"address_message","parameters":{"country":"IN"}}"#,
    ),
    (
        "order_status",
        r#""body":{"text":"b"},"action":{"name":"review_order","parameters":{"reference_id":"r","order":{"status":"shipped"}}}"#,
    ),
    (
        "order_details",
        r#""body":{"text":"b"},"action":{"name":"review_and_pay","parameters":"{\"reference_id\":\"r\"}"}"#,
    ),
    (
        "carousel",
        r#""body":{"text":"b"},"action":{"cards":[{"card_index":0,"type":"product","action":{"catalog_id":"1","product_retailer_id":"2"}},{"card_index":1,"type":"product","action":{"catalog_id":"1","product_retailer_id":"3"}}]}"#,
    ),
    ("call_permission_request", r#""action":{"name":"call_permission_request"}"#),
    ("voice_call", r#""body":{"text":"b"},"action":{"name":"voice_call"}"#),
    ("request_contact_info", r#""body":{"text":"b"},"action":{"name":"request_contact_info"}"#),
];

#[test]
fn the_minimal_message_of_each_type_is_accepted_unchanged() {
    for (kind, rest) in LEAST {
        let object = interactive(kind, rest);
        assert_eq!(metas_form("interactive", &object), object);
        assert_eq!(read("interactive", &object).unwrap().interactive_type(), Some(kind));
    }
}

#[test]
fn the_most_similar_type_is_suggested_for_a_misspelled_type() {
    let violations = violations("interactive", r#"{"type":"buttons","body":{"text":"b"},"action":{}}"#);
    assert!(violations[0].starts_with("/interactive/type must be `button`, `list`"), "{violations:?}");
    assert!(
        violations[0].ends_with("is `buttons`; did you mean `button`?") && violations.len() == 1,
        "{violations:?}"
    );
}

#[test]
fn each_type_accepts_only_its_headers() {
    let header = |kind: &str| match kind {
        "text" => r#"{"type":"text","text":"h"}"#.to_owned(),
        _ => format!(r#"{{"type":"{kind}","{kind}":{{"id":"1"}}}}"#),
    };
    let allowed = |kind: &str| match kind {
        "button" | "cta_url" | "flow" | "address_message" | "voice_call" | "request_contact_info" => {
            ["text", "image", "video", "document"].as_slice()
        }
        "list" | "product_list" => &["text"],
        "order_details" | "order_status" => &["image"],
        _ => &[],
    };
    for (kind, rest) in LEAST {
        let rest = rest.replace(r#""header":{"type":"text","text":"h"},"#, "");
        for name in ["text", "image", "video", "document"] {
            let object = interactive(kind, &format!("\"header\":{},{rest}", header(name)));
            if allowed(kind).contains(&name) {
                passes("interactive", &object);
            } else {
                let violations = violations("interactive", &object);
                assert!(
                    violations.len() == 1 && violations[0].starts_with("/interactive/header"),
                    "{object}: {violations:?}"
                );
            }
        }
    }
    fails(
        "interactive",
        r#"{"type":"product_list","body":{"text":"b"},"action":{"catalog_id":"1","sections":[{"product_items":[{"product_retailer_id":"1"}]}]}}"#,
        "/interactive/header is required",
    );
    fails(
        "interactive",
        r#"{"type":"catalog_message","header":{"type":"text","text":"h"},"body":{"text":"b"},"action":{"name":"catalog_message"}}"#,
        "/interactive/header is not allowed in a `catalog_message` message",
    );
}

#[test]
fn each_type_accepts_body_and_footer_as_in_the_table() {
    for (kind, rest) in LEAST {
        let without = interactive(kind, &rest.replace(r#""body":{"text":"b"},"#, ""));
        if ["product", "call_permission_request"].contains(&kind) {
            passes("interactive", &without);
        } else {
            fails("interactive", &without, "/interactive/body is required");
        }
        let footed = interactive(kind, &format!(r#""footer":{{"text":"f"}},{rest}"#));
        if ["location_request_message", "carousel", "call_permission_request"].contains(&kind) {
            fails(
                "interactive",
                &footed,
                &format!("/interactive/footer is not allowed in a `{kind}` message"),
            );
        } else {
            passes("interactive", &footed);
        }
        if kind != "request_contact_info" {
            let odd = interactive(kind, &rest.replacen("\"action\":{", "\"action\":{\"x_y_z\":1,", 1));
            let violations = violations("interactive", &odd);
            assert!(violations.len() == 1, "{violations:?}");
            assert!(violations[0].starts_with("/interactive/action/x_y_z unknown field"), "{violations:?}");
        }
    }
}

#[test]
fn a_header_needs_the_object_of_its_type() {
    let with = |header: &str| interactive("button", &format!("\"header\":{header},{}", LEAST[0].1));
    assert_eq!(
        metas_form(
            "interactive",
            &with(r#"{"type":"document","document":{"url":"https://a/b","filename":"f.pdf"}}"#)
        ),
        with(r#"{"type":"document","document":{"link":"https://a/b","filename":"f.pdf"}}"#)
    );
    fails("interactive", &with(r#"{"type":"image"}"#), "/interactive/header/image is required");
    fails(
        "interactive",
        &with(r#"{"type":"image","image":{"id":"1"},"text":"h"}"#),
        "/interactive/header/text unknown field `text`; known are `type` or `image`",
    );
    fails(
        "interactive",
        &with(r#"{"type":"video","video":{"id":"1","caption":"c"}}"#),
        "/interactive/header/video/caption unknown field `caption`; known are `id`, `link` or `url`",
    );
}

#[test]
fn buttons_differ_in_id_and_title() {
    let buttons = |a: &str, b: &str| {
        let button = |reply: &str| format!(r#"{{"type":"reply","reply":{reply}}}"#);
        interactive(
            "button",
            &format!(r#""body":{{"text":"b"}},"action":{{"buttons":[{},{}]}}"#, button(a), button(b)),
        )
    };
    let first = r#"{"id":"a","title":"A"}"#;
    let at = "/interactive/action/buttons/1/reply";
    fails(
        "interactive",
        &buttons(first, r#"{"id":"a","title":"B"}"#),
        &format!("{at}/id another button has the same id"),
    );
    fails(
        "interactive",
        &buttons(first, r#"{"id":"b","title":"A"}"#),
        &format!("{at}/title another button has the same title"),
    );
    for id in [" b", "b ", "\u{a0}b"] {
        fails(
            "interactive",
            &buttons(first, &format!(r#"{{"id":"{id}","title":"B"}}"#)),
            &format!("{at}/id must not begin or end with a blank"),
        );
    }
    fails("interactive", &buttons(first, r#"{"id":"b"}"#), &format!("{at}/title is required"));
}

#[test]
fn a_list_has_at_most_ten_rows_with_unique_ids() {
    let section = |title: &str, ids: std::ops::Range<usize>| {
        let rows: Vec<String> = ids.map(|id| format!(r#"{{"id":"r{id}","title":"t"}}"#)).collect();
        format!(r#"{{{title}"rows":[{}]}}"#, rows.join(","))
    };
    let list = |sections: &[String]| {
        interactive(
            "list",
            &format!(
                r#""body":{{"text":"b"}},"action":{{"button":"b","sections":[{}]}}"#,
                sections.join(",")
            ),
        )
    };
    passes("interactive", &list(&[section(r#""title":"A","#, 0..6), section(r#""title":"B","#, 6..10)]));
    fails(
        "interactive",
        &list(&[section(r#""title":"A","#, 0..6), section(r#""title":"B","#, 6..11)]),
        "/interactive/action/sections must have at most 10 rows in all sections together, has 11",
    );
    fails(
        "interactive",
        &list(&[section(r#""title":"A","#, 0..2), section("", 2..3)]),
        "/interactive/action/sections/1/title is required",
    );
    fails(
        "interactive",
        &list(&[section(r#""title":"A","#, 0..2), section(r#""title":"B","#, 1..3)]),
        "/interactive/action/sections/1/rows/0/id another row has the same id",
    );
}

#[test]
fn a_message_has_at_most_thirty_products() {
    let section = |count: usize| {
        let items: Vec<String> =
            (0..count).map(|id| format!(r#"{{"product_retailer_id":"{id}"}}"#)).collect();
        format!(r#"{{"title":"s","product_items":[{}]}}"#, items.join(","))
    };
    let products = |a: usize, b: usize| {
        let action = format!(r#""action":{{"catalog_id":"1","sections":[{},{}]}}"#, section(a), section(b));
        interactive(
            "product_list",
            &format!(r#""header":{{"type":"text","text":"h"}},"body":{{"text":"b"}},{action}"#),
        )
    };
    passes("interactive", &products(15, 15));
    fails(
        "interactive",
        &products(15, 16),
        "/interactive/action/sections must have at most 30 products in all sections together, has 31",
    );
}

#[test]
fn a_flow_has_one_identifier_and_a_payload_only_with_navigate() {
    let flow = |rest: &str| {
        interactive(
            "flow",
            &format!(
                r#""body":{{"text":"b"}},"action":{{"name":"flow","parameters":{{"flow_message_version":"3","flow_cta":"Go",{rest}}}}}"#
            ),
        )
    };
    let at = "/interactive/action/parameters";
    passes(
        "interactive",
        &flow(
            r#""flow_id":"1","mode":"draft","flow_token":"t","flow_action":"navigate","flow_action_payload":{"screen":"S","data":{"a":1}}"#,
        ),
    );
    passes("interactive", &flow(r#""flow_id":"1","flow_action_payload":{"screen":"S"}"#));
    passes("interactive", &flow(r#""flow_id":"1","flow_action":"data_exchange""#));
    fails(
        "interactive",
        &flow(r#""flow_token":"t""#),
        &format!("{at} needs exactly one of `flow_id` or `flow_name`"),
    );
    fails(
        "interactive",
        &flow(r#""flow_id":"1","flow_name":"n""#),
        &format!(
            "{at}/flow_name cannot be given together with `flow_id`: exactly one of `flow_id` or `flow_name` is allowed"
        ),
    );
    fails(
        "interactive",
        &flow(r#""flow_id":"1","flow_action":"data_exchange","flow_action_payload":{"screen":"S"}"#),
        &format!("{at}/flow_action_payload is allowed only with `flow_action` `navigate`"),
    );
    fails(
        "interactive",
        &flow(r#""flow_id":"1","flow_action_payload":{"data":{}}"#),
        &format!("{at}/flow_action_payload/data must not be an empty object"),
    );
    fails(
        "interactive",
        &flow(r#""flow_id":"1","mode":"drafts""#),
        &format!("{at}/mode must be `published` or `draft`, is `drafts`; did you mean `draft`?"),
    );
}

#[test]
fn an_address_message_is_for_numbers_of_india() {
    let address = |rest: &str| {
        interactive(
            "address_message",
            &format!(
                r#""body":{{"text":"b"}},"action":{{"name":"address_message","parameters":{{{rest}}}}}"#
            ),
        )
    };
    let at = "/interactive/action/parameters";
    passes(
        "interactive",
        &address(
            r#""country":"IN","values":{"name":"A","in_pin_code":"560001"},"saved_addresses":[{"id":"1","value":{"city":"B"}}],"validation_errors":{"in_pin_code":"unknown"}"#,
        ),
    );
    fails("interactive", &address(r#""country":"GB""#), &format!("{at}/country must be `IN`, is `GB`"));
    fails(
        "interactive",
        &address(r#""country":"IN","saved_addresses":[{"value":{}}]"#),
        &format!("{at}/saved_addresses/0/id is required"),
    );
    let violations = violations("interactive", &address(r#""country":"IN","values":{"pin_code":"1"}"#));
    assert!(
        violations[0].starts_with(&format!(
            "{at}/values/pin_code unknown field `pin_code`; did you mean `in_pin_code`?"
        )),
        "{violations:?}"
    );
}

fn media_card(index: usize, header: &str, body: &str) -> String {
    format!(
        r#"{{"card_index":{index},"type":"cta_url","header":{{"type":"{header}","{header}":{{"id":"1"}}}},{body}"action":{{"name":"cta_url","parameters":{{"display_text":"d","url":"https://a"}}}}}}"#
    )
}

fn product_card(index: usize, catalog: &str) -> String {
    format!(
        r#"{{"card_index":{index},"type":"product","action":{{"catalog_id":"{catalog}","product_retailer_id":"p"}}}}"#
    )
}

fn carousel(a: &str, b: &str) -> String {
    interactive("carousel", &format!(r#""body":{{"text":"b"}},"action":{{"cards":[{a},{b}]}}"#))
}

#[test]
fn the_cards_of_a_carousel_have_equal_components() {
    let at = "/interactive/action/cards/1";
    passes("interactive", &carousel(&media_card(0, "image", ""), &media_card(1, "image", "")));
    fails(
        "interactive",
        &carousel(&media_card(0, "image", ""), &media_card(1, "video", "")),
        &format!("{at}/header/type must be `image`, as on the first card"),
    );
    fails(
        "interactive",
        &carousel(&media_card(0, "image", ""), &media_card(0, "image", "")),
        &format!("{at}/card_index another card has the same index"),
    );
    fails(
        "interactive",
        &carousel(&media_card(0, "image", ""), &product_card(1, "1")),
        &format!("{at}/type must be like the first card: all are media cards"),
    );
    fails(
        "interactive",
        &carousel(&product_card(0, "1"), &product_card(1, "2")),
        &format!("{at}/action/catalog_id must be the same catalog on all cards"),
    );
    let document = carousel(&media_card(0, "image", ""), &media_card(1, "document", ""));
    fails("interactive", &document, &format!("{at}/header/type must be `image` or `video`, is `document`"));
}

#[test]
fn the_text_of_a_card_has_at_most_two_line_breaks() {
    let body = |text: &str| format!(r#""body":{{"text":"{text}"}},"#);
    passes(
        "interactive",
        &carousel(&media_card(0, "image", &body("a\\nb\\nc")), &media_card(1, "image", "")),
    );
    fails(
        "interactive",
        &carousel(&media_card(0, "image", &body("a\\nb\\nc\\nd")), &media_card(1, "image", "")),
        "/interactive/action/cards/0/body/text must have at most 2 line breaks, has 3",
    );
}

#[test]
fn quick_replies_on_cards_are_accepted() {
    let card = |index: usize| {
        format!(
            r#"{{"card_index":{index},"type":"cta_url","header":{{"type":"image","image":{{"link":"https://a"}}}},"action":{{"buttons":[{{"type":"quick_reply","quick_reply":{{"id":"a","title":"A"}}}}]}}}}"#
        )
    };
    passes("interactive", &carousel(&card(0), &card(1)));
}
