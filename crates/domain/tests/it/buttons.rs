//! Mismatches of buttons, cards and offers of a message with its template.

use domain::templates::{ParameterFormat, Template, TemplateCategory, TemplateComponents};

use crate::support::{
    IMAGE, body, card, carousel, differs, fits, json, template_of, text_parameters, utility,
};

/// Binds a message with one button component to a template with one button.
fn button(definition: &str) -> Template {
    utility(&format!(r#"[{{"type":"BODY","text":"b"}},{{"type":"BUTTONS","buttons":[{definition}]}}]"#))
}

fn pressed(sub_type: &str, parameters: &str) -> String {
    format!(r#"[{{"type":"button","sub_type":"{sub_type}","index":"0","parameters":[{parameters}]}}]"#)
}

#[test]
fn a_url_button_takes_the_end_of_its_url_and_not_a_whole_url() {
    let at = "/template/components/0/parameters/0/text";
    let definition = |url: &str| button(&format!(r#"{{"type":"URL","text":"Track","url":"{url}"}}"#));
    let message = |text: &str| pressed("url", &format!(r#"{{"type":"text","text":"{text}"}}"#));
    let whole = |url: &str| {
        format!("invalid {at} button 0: takes only the end of the URL `{url}`, this is a whole URL")
    };
    let path = "https://x.example/t/{{1}}";
    for text in ["https://x.example/t/9", "HTTPS://other.example", "http://x.example/9"] {
        differs(&definition(path), &message(text), &[&whole(path)]);
    }
    for end in ["9", "a/b?c=d", "https", "x.example/t/9"] {
        fits(&definition(path), &message(end));
    }
    let query = "https://x.example/?to={{1}}";
    fits(&definition(query), &message("https://other.example/a"));
    differs(&definition(query), &message("https://x.example/?to=1"), &[&whole(query)]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn each_button_needs_the_parameters_of_its_type() {
    let text = r#"{"type":"text","text":"x"}"#;
    let at = "/template/components/0";
    let url = button(r#"{"type":"URL","text":"Open","url":"https://a/{{1}}"}"#);
    fits(&url, &pressed("URL", text));
    differs(
        &url,
        "[]",
        &[
            "missing /template/components button 0: needs a `button` component with `sub_type` `url` and one `text` parameter",
        ],
    );
    differs(
        &url,
        &pressed("url", ""),
        &[&format!("missing {at}/parameters button 0: needs one `text` parameter")],
    );
    differs(
        &url,
        &pressed("url", r#"{"type":"payload","payload":"x"}"#),
        &[&format!(
            "wrong_kind {at}/parameters/0 button 0: needs a parameter of type `text`, this is `payload`"
        )],
    );
    differs(
        &url,
        &pressed("url", r#"{"type":"text","text":""}"#),
        &[&format!("invalid {at}/parameters/0/text button 0: needs a text that is not empty")],
    );
    differs(
        &url,
        &pressed("url", &format!("{text},{text}")),
        &[&format!("extra {at}/parameters/1 button 0: takes one `text` parameter, this is another")],
    );
    differs(
        &url,
        &pressed("quick_reply", text),
        &[&format!("wrong_kind {at}/sub_type button 0: is a `url` button, not `quick_reply`")],
    );

    let fixed = button(r#"{"type":"URL","text":"Open","url":"https://a/"}"#);
    fits(&fixed, "[]");
    fits(&fixed, &pressed("url", ""));
    differs(
        &fixed,
        &pressed("url", text),
        &[&format!("extra {at}/parameters button 0: takes no parameter: its URL is fixed")],
    );
    let call = button(r#"{"type":"PHONE_NUMBER","text":"Call","phone_number":"+44"}"#);
    differs(&call, &pressed("url", text), &[&format!("extra {at}/parameters button 0: takes no parameter")]);

    let reply = button(r#"{"type":"QUICK_REPLY","text":"Stop"}"#);
    fits(&reply, "[]");
    fits(&reply, &pressed("quick_reply", r#"{"type":"payload","payload":"p"}"#));

    let copy = button(r#"{"type":"COPY_CODE","text":"Copy"}"#);
    fits(&copy, &pressed("copy_code", r#"{"type":"coupon_code","coupon_code":"SAVE25OFF0123456789X"}"#));
    differs(
        &copy,
        "[]",
        &[
            "missing /template/components button 0: needs a `button` component with `sub_type` `copy_code` and one `coupon_code` parameter",
        ],
    );

    for (kind, sub_type) in [("FLOW", "flow"), ("CATALOG", "catalog")] {
        let button = button(&format!(r#"{{"type":"{kind}","text":"b"}}"#));
        fits(&button, "[]");
        fits(&button, &pressed(sub_type, r#"{"type":"action","action":{}}"#));
        differs(
            &button,
            &pressed(sub_type, text),
            &[&format!(
                "wrong_kind {at}/parameters/0 button 0: needs a parameter of type `action`, this is `text`"
            )],
        );
    }
    let products = button(r#"{"type":"MPM","text":"View items"}"#);
    fits(
        &products,
        &pressed(
            "mpm",
            r#"{"type":"action","action":{"thumbnail_product_retailer_id":"1","sections":[{"product_items":[{"product_retailer_id":"1"}]}]}}"#,
        ),
    );
    differs(
        &products,
        &pressed("mpm", r#"{"type":"action","action":{}}"#),
        &[
            &format!(
                "missing {at}/parameters/0/action/thumbnail_product_retailer_id button 0: needs `thumbnail_product_retailer_id`"
            ),
            &format!("missing {at}/parameters/0/action/sections button 0: needs `sections`"),
        ],
    );
    differs(
        &products,
        "[]",
        &[
            "missing /template/components button 0: needs a `button` component with `sub_type` `mpm` and one `action` parameter",
        ],
    );
    let pay = button(r#"{"type":"ORDER_DETAILS","text":"Pay"}"#);
    fits(&pay, &pressed("order_details", r#"{"type":"action","action":{"order_details":{}}}"#));
    let call = button(r#"{"type":"VOICE_CALL","text":"Call"}"#);
    fits(
        &call,
        &pressed("voice_call", r#"{"type":"ttl_minutes","ttl_minutes":5},{"type":"payload","payload":"p"}"#),
    );
}

#[test]
fn a_button_that_the_template_does_not_have_is_extra() {
    let two = utility(
        r#"[{"type":"BODY","text":"b"},{"type":"BUTTONS","buttons":[{"type":"QUICK_REPLY","text":"A"},{"type":"QUICK_REPLY","text":"B"}]}]"#,
    );
    let press = |index: usize| {
        format!(r#"{{"type":"button","sub_type":"quick_reply","index":{index},"parameters":[]}}"#)
    };
    differs(
        &two,
        &format!("[{}]", press(2)),
        &["extra /template/components/0 button 2: the template has 2 buttons, numbered from 0"],
    );
    differs(
        &two,
        &format!("[{},{}]", press(1), press(1)),
        &["extra /template/components/1 button 1: is given twice"],
    );
    differs(
        &utility(r#"[{"type":"BODY","text":"b"}]"#),
        &format!("[{}]", press(0)),
        &["extra /template/components/0 button 0: the template has no buttons"],
    );
}

#[test]
fn a_one_time_code_is_in_body_and_button_and_short() {
    let stored = r#"[{"type":"BODY","text":"*{{1}}* is your verification code."},{"type":"BUTTONS","buttons":[{"type":"URL","text":"Copy code","url":"https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code=otp{{1}}"}]}]"#;
    let created = r#"[{"type":"BODY","add_security_recommendation":true},{"type":"FOOTER","code_expiration_minutes":5},{"type":"BUTTONS","buttons":[{"type":"OTP","otp_type":"COPY_CODE"}]}]"#;
    for components in [stored, created] {
        let template = template_of("POSITIONAL", "AUTHENTICATION", components);
        let message = |code: &str, twin: &str| {
            format!(
                r#"[{{"type":"button","sub_type":"url","index":0,"parameters":{}}},{}"#,
                text_parameters(&[twin]),
                &body(&[code])[1..]
            )
        };
        fits(&template, &message("123456789012345", "123456789012345"));
        differs(
            &template,
            &message("1234", "1235"),
            &["invalid /template/components/0/parameters/0/text button 0: needs the same code as the body"],
        );
        differs(
            &template,
            &message("1234567890123456", "1234567890123456"),
            &[
                "too_long /template/components/0/parameters/0/text button 0: takes a code of at most 15 characters, this has 16",
                "too_long /template/components/1/parameters/0/text body: takes a code of at most 15 characters, this has 16",
            ],
        );
        differs(
            &template,
            &body(&["1234"]),
            &[
                "missing /template/components button 0: needs a `button` component with `sub_type` `url` and one `text` parameter",
            ],
        );
    }
}

#[test]
fn every_card_of_a_media_carousel_is_sent() {
    let definition = r#"{"components":[{"type":"HEADER","format":"IMAGE"},{"type":"BODY","text":"For {{1}}"},{"type":"BUTTONS","buttons":[{"type":"QUICK_REPLY","text":"More"}]}]}"#;
    let template = utility(&format!(
        r#"[{{"type":"BODY","text":"b"}},{{"type":"CAROUSEL","cards":[{definition},{definition}]}}]"#
    ));
    fits(&template, &carousel(&[card(1, IMAGE, "x"), card(0, IMAGE, "y")]));
    differs(
        &template,
        "[]",
        &["missing /template/components carousel: needs a `carousel` component with 2 cards"],
    );
    differs(
        &template,
        &carousel(&[card(0, IMAGE, "x")]),
        &[
            "missing /template/components/0/cards card 1: is missing: all 2 cards of the template must be sent",
        ],
    );
    differs(
        &template,
        &carousel(&[card(0, IMAGE, "x"), card(1, IMAGE, "x"), card(2, IMAGE, "x")]),
        &["extra /template/components/0/cards/2 card 2: the template has 2 cards, numbered from 0"],
    );
    differs(
        &template,
        &carousel(&[
            card(0, IMAGE, "x"),
            card(0, IMAGE, "x"),
            card(1, r#"{"type":"video","video":{"id":"1"}}"#, ""),
        ]),
        &[
            "extra /template/components/0/cards/1 card 0: is given twice",
            "wrong_kind /template/components/0/cards/2/components/0/parameters/0 card 1 header: needs a parameter of type `image`, this is `video`",
            "invalid /template/components/0/cards/2/components/1/parameters/0/text card 1 body: needs a text that is not empty",
        ],
    );
    differs(
        &utility(r#"[{"type":"BODY","text":"b"}]"#),
        &carousel(&[card(0, IMAGE, "x")]),
        &["extra /template/components/0 carousel: is not part of this template"],
    );
}

#[test]
fn a_carousel_of_products_has_two_to_ten_cards() {
    let definition = r#"{"components":[{"type":"HEADER","format":"PRODUCT"},{"type":"BUTTONS","buttons":[{"type":"SPM","text":"View"}]}]}"#;
    let template = utility(&format!(
        r#"[{{"type":"BODY","text":"b"}},{{"type":"CAROUSEL","cards":[{definition},{definition}]}}]"#
    ));
    let card = |index: usize| {
        format!(
            r#"{{"card_index":{index},"components":[{{"type":"header","parameters":[{{"type":"product","product":{{"product_retailer_id":"1","catalog_id":"2"}}}}]}}]}}"#
        )
    };
    let cards = |count: usize| carousel(&(0..count).map(card).collect::<Vec<_>>());
    fits(&template, &cards(2));
    fits(&template, &cards(10));
    differs(&template, &cards(1), &["missing /template/components/0/cards carousel: needs 2 to 10 cards"]);
}

#[test]
fn a_limited_time_offer_needs_its_expiry() {
    let offer = |has_expiration: bool| {
        utility(&format!(
            r#"[{{"type":"BODY","text":"b"}},{{"type":"LIMITED_TIME_OFFER","limited_time_offer":{{"text":"Now!","has_expiration":{has_expiration}}}}},{{"type":"BUTTONS","buttons":[{{"type":"COPY_CODE"}}]}}]"#
        ))
    };
    let message = |code: &str, more: &str| {
        format!(
            r#"[{{"type":"button","sub_type":"copy_code","index":0,"parameters":[{{"type":"coupon_code","coupon_code":"{code}"}}]}}{more}]"#
        )
    };
    let ends = r#",{"type":"limited_time_offer","parameters":[{"type":"limited_time_offer","limited_time_offer":{"expiration_time_ms":1767225600000}}]}"#;
    fits(&offer(true), &message("SAVE25OFF012345", ends));
    fits(&offer(false), &message("A", ""));
    differs(
        &offer(true),
        &message("A", ""),
        &[
            "missing /template/components limited_time_offer: needs a `limited_time_offer` component with one `limited_time_offer` parameter",
        ],
    );
    differs(
        &offer(true),
        &message("A", r#",{"type":"limited_time_offer"}"#),
        &[
            "missing /template/components/1/parameters limited_time_offer: needs one `limited_time_offer` parameter",
        ],
    );
    differs(
        &offer(false),
        &message("SAVE25OFF0123456", ""),
        &[
            "too_long /template/components/0/parameters/0/coupon_code button 0: takes a code of at most 15 characters in a limited-time offer, this has 16",
        ],
    );
    differs(
        &utility(r#"[{"type":"BODY","text":"b"}]"#),
        &format!("[{}]", &ends[1..]),
        &["extra /template/components/0 limited_time_offer: is not part of this template"],
    );
}

#[test]
fn undocumented_components_are_not_checked() {
    let odd = utility(
        r#"[{"type":"HEADER","format":"HOLOGRAM"},{"type":"BODY","text":"b"},{"type":"CALL_PERMISSION_REQUEST"},{"type":"BUTTONS","buttons":[{"type":"TELEPORT","text":"Go"}]},5]"#,
    );
    assert_eq!(odd.components.others, ["CALL_PERMISSION_REQUEST", ""]);
    fits(&odd, "[]");
    fits(&odd, &pressed("url", r#"{"type":"text","text":"x"}"#));
    fits(
        &odd,
        r#"[{"type":"header","parameters":[{"type":"text","text":"x"}]},{"type":"tap_target_configuration","parameters":[]},{"type":"order_status","parameters":[]}]"#,
    );
    differs(
        &odd,
        r#"[{"type":"footer","parameters":[{"type":"text","text":"x"}]}]"#,
        &["extra /template/components/0/parameters footer: takes no parameters"],
    );
    let empty = Template::components_from(&json("null"), ParameterFormat::Named, &TemplateCategory::Utility);
    assert_eq!(empty, TemplateComponents::default());
}
