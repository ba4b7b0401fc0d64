//! Every limit of a message: a value at the limit is accepted, a value beyond the limit is rejected.

use crate::support::{passes, violations};

/// Lengths of strings: `§` is replaced by the string.
const LENGTHS: &[(&str, &str, &str, usize, usize)] = &[
    ("text", r#"{"body":§}"#, "/text/body", 1, 4096),
    ("text", "§", "/text", 1, 4096),
    ("image", r#"{"id":"1","caption":§}"#, "/image/caption", 0, 1024),
    ("video", r#"{"link":"https://a/b","caption":§}"#, "/video/caption", 0, 1024),
    ("document", r#"{"url":"https://a/b","caption":§}"#, "/document/caption", 0, 1024),
    (
        "template",
        r#"{"name":"a","language":"en","components":[{"type":"body","parameters":[{"type":"text","text":§}]}]}"#,
        "/template/components/0/parameters/0/text",
        0,
        32768,
    ),
    (
        "template",
        r#"{"name":"a","language":"en","components":[{"type":"button","sub_type":"mpm","index":0,"parameters":[{"type":"action","action":{"thumbnail_product_retailer_id":"1","sections":[{"title":§,"product_items":[{"product_retailer_id":"1"}]}]}}]}]}"#,
        "/template/components/0/parameters/0/action/sections/0/title",
        0,
        24,
    ),
    (
        "interactive",
        r#"{"type":"button","body":{"text":§},"action":{"buttons":[{"type":"reply","reply":{"id":"a","title":"b"}}]}}"#,
        "/interactive/body/text",
        1,
        1024,
    ),
    (
        "interactive",
        r#"{"type":"button","header":{"type":"text","text":§},"body":{"text":"b"},"action":{"buttons":[{"type":"reply","reply":{"id":"a","title":"b"}}]}}"#,
        "/interactive/header/text",
        1,
        60,
    ),
    (
        "interactive",
        r#"{"type":"button","footer":{"text":§},"body":{"text":"b"},"action":{"buttons":[{"type":"reply","reply":{"id":"a","title":"b"}}]}}"#,
        "/interactive/footer/text",
        1,
        60,
    ),
    (
        "interactive",
        r#"{"type":"button","body":{"text":"b"},"action":{"buttons":[{"type":"reply","reply":{"id":§,"title":"b"}}]}}"#,
        "/interactive/action/buttons/0/reply/id",
        1,
        256,
    ),
    (
        "interactive",
        r#"{"type":"button","body":{"text":"b"},"action":{"buttons":[{"type":"reply","reply":{"id":"a","title":§}}]}}"#,
        "/interactive/action/buttons/0/reply/title",
        1,
        20,
    ),
    (
        "interactive",
        r#"{"type":"list","body":{"text":§},"action":{"button":"b","sections":[{"rows":[{"id":"a","title":"t"}]}]}}"#,
        "/interactive/body/text",
        1,
        4096,
    ),
    (
        "interactive",
        r#"{"type":"list","body":{"text":"b"},"action":{"button":§,"sections":[{"rows":[{"id":"a","title":"t"}]}]}}"#,
        "/interactive/action/button",
        1,
        20,
    ),
    (
        "interactive",
        r#"{"type":"list","body":{"text":"b"},"action":{"button":"b","sections":[{"title":§,"rows":[{"id":"a","title":"t"}]}]}}"#,
        "/interactive/action/sections/0/title",
        0,
        24,
    ),
    (
        "interactive",
        r#"{"type":"list","body":{"text":"b"},"action":{"button":"b","sections":[{"title":"x","rows":[{"id":"a","title":"t"}]},{"title":§,"rows":[{"id":"b","title":"t"}]}]}}"#,
        "/interactive/action/sections/1/title",
        1,
        24,
    ),
    (
        "interactive",
        r#"{"type":"list","body":{"text":"b"},"action":{"button":"b","sections":[{"rows":[{"id":§,"title":"t"}]}]}}"#,
        "/interactive/action/sections/0/rows/0/id",
        1,
        200,
    ),
    (
        "interactive",
        r#"{"type":"list","body":{"text":"b"},"action":{"button":"b","sections":[{"rows":[{"id":"a","title":§}]}]}}"#,
        "/interactive/action/sections/0/rows/0/title",
        1,
        24,
    ),
    (
        "interactive",
        r#"{"type":"list","body":{"text":"b"},"action":{"button":"b","sections":[{"rows":[{"id":"a","title":"t","description":§}]}]}}"#,
        "/interactive/action/sections/0/rows/0/description",
        0,
        72,
    ),
    (
        "interactive",
        r#"{"type":"cta_url","body":{"text":§},"action":{"name":"cta_url","parameters":{"display_text":"d","url":"https://a"}}}"#,
        "/interactive/body/text",
        1,
        1024,
    ),
    (
        "interactive",
        r#"{"type":"cta_url","body":{"text":"b"},"action":{"name":"cta_url","parameters":{"display_text":§,"url":"https://a"}}}"#,
        "/interactive/action/parameters/display_text",
        1,
        20,
    ),
    (
        "interactive",
        r#"{"type":"location_request_message","body":{"text":§},"action":{"name":"send_location"}}"#,
        "/interactive/body/text",
        1,
        1024,
    ),
    (
        "interactive",
        r#"{"type":"flow","body":{"text":"b"},"action":{"name":"flow","parameters":{"flow_message_version":"3","flow_id":"1","flow_cta":§}}}"#,
        "/interactive/action/parameters/flow_cta",
        1,
        30,
    ),
    (
        "interactive",
        r#"{"type":"product","body":{"text":§},"action":{"catalog_id":"1","product_retailer_id":"2"}}"#,
        "/interactive/body/text",
        1,
        1024,
    ),
    (
        "interactive",
        r#"{"type":"product_list","header":{"type":"text","text":"h"},"body":{"text":"b"},"action":{"catalog_id":"1","sections":[{"title":§,"product_items":[{"product_retailer_id":"1"}]}]}}"#,
        "/interactive/action/sections/0/title",
        0,
        24,
    ),
    (
        "interactive",
        r#"{"type":"catalog_message","body":{"text":§},"action":{"name":"catalog_message"}}"#,
        "/interactive/body/text",
        1,
        1024,
    ),
    (
        "interactive",
        r#"{"type":"catalog_message","body":{"text":"b"},"footer":{"text":§},"action":{"name":"catalog_message","parameters":{"thumbnail_product_retailer_id":"1"}}}"#,
        "/interactive/footer/text",
        1,
        60,
    ),
    (
        "interactive",
        r#"{"type":"address_message","body":{"text":"b"},"action":{"name":"address_message","parameters":{"country":"IN","values":{"in_pin_code":§}}}}"#,
        "/interactive/action/parameters/values/in_pin_code",
        0,
        6,
    ),
    (
        "interactive",
        r#"{"type":"voice_call","body":{"text":"b"},"action":{"name":"voice_call","parameters":{"display_text":§}}}"#,
        "/interactive/action/parameters/display_text",
        1,
        20,
    ),
    (
        "interactive",
        r#"{"type":"carousel","body":{"text":"b"},"action":{"cards":[{"card_index":0,"type":"cta_url","header":{"type":"image","image":{"id":"1"}},"body":{"text":§},"action":{"name":"cta_url","parameters":{"display_text":"d","url":"https://a"}}},{"card_index":1,"type":"cta_url","header":{"type":"image","image":{"id":"1"}},"action":{"name":"cta_url","parameters":{"display_text":"d","url":"https://a"}}}]}}"#,
        "/interactive/action/cards/0/body/text",
        1,
        160,
    ),
    (
        "interactive",
        r#"{"type":"order_status","body":{"text":"b"},"action":{"name":"review_order","parameters":{"reference_id":"r","order":{"status":"shipped","description":§}}}}"#,
        "/interactive/action/parameters/order/description",
        0,
        120,
    ),
];

/// Lengths of arrays: `§` is replaced by the elements, and `#` in an element by its number.
const COUNTS: &[(&str, &str, &str, &str, usize, usize)] = &[
    ("contacts", "§", r##"{"name":{"formatted_name":"A #","first_name":"A"}}"##, "/contacts", 1, 257),
    (
        "interactive",
        r#"{"type":"button","body":{"text":"b"},"action":{"buttons":§}}"#,
        r##"{"type":"reply","reply":{"id":"i#","title":"t#"}}"##,
        "/interactive/action/buttons",
        1,
        3,
    ),
    (
        "interactive",
        r#"{"type":"list","body":{"text":"b"},"action":{"button":"b","sections":§}}"#,
        r##"{"title":"s","rows":[{"id":"r#","title":"t"}]}"##,
        "/interactive/action/sections",
        1,
        10,
    ),
    (
        "interactive",
        r#"{"type":"list","body":{"text":"b"},"action":{"button":"b","sections":[{"rows":§}]}}"#,
        r##"{"id":"r#","title":"t"}"##,
        "/interactive/action/sections/0/rows",
        1,
        10,
    ),
    (
        "interactive",
        r#"{"type":"product_list","header":{"type":"text","text":"h"},"body":{"text":"b"},"action":{"catalog_id":"1","sections":§}}"#,
        r##"{"title":"s","product_items":[{"product_retailer_id":"#"}]}"##,
        "/interactive/action/sections",
        1,
        10,
    ),
    (
        "interactive",
        r#"{"type":"product_list","header":{"type":"text","text":"h"},"body":{"text":"b"},"action":{"catalog_id":"1","sections":[{"product_items":§}]}}"#,
        r##"{"product_retailer_id":"#"}"##,
        "/interactive/action/sections/0/product_items",
        1,
        30,
    ),
    (
        "interactive",
        r#"{"type":"carousel","body":{"text":"b"},"action":{"cards":§}}"#,
        r##"{"card_index":#,"type":"product","action":{"catalog_id":"1","product_retailer_id":"#"}}"##,
        "/interactive/action/cards",
        2,
        10,
    ),
    (
        "template",
        r#"{"name":"a","language":"en","components":[{"type":"carousel","cards":§}]}"#,
        r##"{"card_index":#,"components":[]}"##,
        "/template/components/0/cards",
        1,
        10,
    ),
    (
        "template",
        r#"{"name":"a","language":"en","components":[{"type":"button","sub_type":"mpm","index":0,"parameters":[{"type":"action","action":{"sections":§}}]}]}"#,
        r##"{"title":"s","product_items":[{"product_retailer_id":"#"}]}"##,
        "/template/components/0/parameters/0/action/sections",
        1,
        10,
    ),
];

type Words = &'static [&'static str];

/// Bounds of numbers: `§` is replaced by the number.
const BOUNDS: &[(&str, &str, &str, Words, Words)] = &[
    (
        "location",
        r#"{"latitude":§,"longitude":0}"#,
        "/location/latitude",
        &["90", "-90", "\"90\"", "\"-89.99\""],
        &["90.01", "-90.01", "\"90.01\"", "\"north\"", "true"],
    ),
    (
        "location",
        r#"{"latitude":0,"longitude":§}"#,
        "/location/longitude",
        &["180", "-180", "\"-180.0\""],
        &["180.01", "-180.01", "\"\""],
    ),
    (
        "template",
        r#"{"name":"a","language":"en","components":[{"type":"button","sub_type":"url","index":§,"parameters":[{"type":"text","text":"x"}]}]}"#,
        "/template/components/0/index",
        &["0", "9", "\"9\""],
        &["10", "-1", "\"10\"", "\"x\"", "1.5"],
    ),
    (
        "template",
        r#"{"name":"a","language":"en","components":[{"type":"carousel","cards":[{"card_index":§,"components":[]}]}]}"#,
        "/template/components/0/cards/0/card_index",
        &["0", "9"],
        &["10", "-1"],
    ),
    (
        "interactive",
        r#"{"type":"carousel","body":{"text":"b"},"action":{"cards":[{"card_index":§,"type":"product","action":{"catalog_id":"1","product_retailer_id":"2"}},{"card_index":5,"type":"product","action":{"catalog_id":"1","product_retailer_id":"2"}}]}}"#,
        "/interactive/action/cards/0/card_index",
        &["0", "9"],
        &["10", "-1", "\"0\""],
    ),
];

fn words(least: usize, most: usize, unit: &str) -> String {
    let s = if most == 1 { "" } else { "s" };
    if least == 0 { format!("at most {most} {unit}{s}") } else { format!("{least} to {most} {unit}{s}") }
}

#[test]
fn each_string_is_accepted_at_its_limits_and_rejected_beyond() {
    for (kind, object, pointer, least, most) in LENGTHS {
        // Two bytes each: lengths are characters.
        let with = |length: usize| object.replace('§', &format!("\"{}\"", "ß".repeat(length)));
        passes(kind, &with(*least));
        passes(kind, &with(*most));
        let limit = words(*least, *most, "character");
        assert_eq!(
            violations(kind, &with(most + 1)),
            [format!("{pointer} must be {limit}, is {}", most + 1)]
        );
        if let Some(below) = least.checked_sub(1) {
            assert_eq!(violations(kind, &with(below)), [format!("{pointer} must be {limit}, is {below}")]);
        }
    }
}

#[test]
fn each_array_is_accepted_at_its_limits_and_rejected_beyond() {
    for (kind, object, element, pointer, least, most) in COUNTS {
        let with = |count: usize| {
            let elements: Vec<String> =
                (0..count).map(|number| element.replace('#', &number.to_string())).collect();
            object.replace('§', &format!("[{}]", elements.join(",")))
        };
        passes(kind, &with(*least));
        passes(kind, &with(*most));
        let limit = words(*least, *most, "element");
        assert_eq!(
            violations(kind, &with(most + 1)),
            [format!("{pointer} must have {limit}, has {}", most + 1)]
        );
        let below = least - 1;
        assert_eq!(violations(kind, &with(below)), [format!("{pointer} must have {limit}, has {below}")]);
    }
}

#[test]
fn each_number_is_accepted_within_its_bounds_and_rejected_outside() {
    for (kind, object, pointer, good, bad) in BOUNDS {
        for number in *good {
            passes(kind, &object.replace('§', number));
        }
        for number in *bad {
            let violations = violations(kind, &object.replace('§', number));
            assert!(violations.len() == 1 && violations[0].starts_with(pointer), "{number}: {violations:?}");
        }
    }
}
