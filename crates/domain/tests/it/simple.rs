//! Text, media, location, contacts, reaction, and the form of a template message.

use domain::messages::content::{MediaKind, MediaSource, MessageKind};
use domain::text_enum::UnknownVariant;

use crate::support::{fails, kind, metas_form, passes, read, violations};

#[test]
fn the_request_bodies_of_the_documentation_are_accepted() {
    assert_eq!(
        metas_form("text", r#""Hello! Your order has been shipped.""#),
        r#"{"body":"Hello! Your order has been shipped."}"#
    );
    let template = r#"{"name":"order_confirmation","language":"en","components":[{"type":"body","parameters":[{"type":"text","text":"John"},{"type":"text","text":"ORD-789"}]}]}"#;
    assert_eq!(metas_form("template", template), template.replace(r#""en""#, r#"{"code":"en"}"#));
    assert_eq!(
        metas_form(
            "image",
            r#"{"url":"https://example.com/product.jpg","caption":"Check out our new product!"}"#
        ),
        r#"{"link":"https://example.com/product.jpg","caption":"Check out our new product!"}"#
    );
    let buttons = r#"{"type":"button","body":{"text":"How can we help?"},"action":{"buttons":[{"type":"reply","reply":{"id":"sales","title":"Sales"}},{"type":"reply","reply":{"id":"support","title":"Support"}}]}}"#;
    assert_eq!(metas_form("interactive", buttons), buttons);
}

#[test]
fn every_kind_has_one_name() {
    for kind in MessageKind::ALL {
        let name = kind.as_str();
        assert_eq!(name.parse(), Ok(kind));
        assert_eq!(kind.needs_window(), name != "template");
        assert_eq!(kind.allows_context(), name != "reaction");
    }
    assert_eq!("Text".parse::<MessageKind>(), Err(UnknownVariant));
}

#[test]
fn a_text_is_a_string_or_metas_object() {
    assert_eq!(
        metas_form("text", r#"{"preview_url":true,"body":"Hi"}"#),
        r#"{"preview_url":true,"body":"Hi"}"#
    );
    fails("text", r#"{"bdy":"Hi","body":"x"}"#, "/text/bdy unknown field `bdy`; did you mean `body`?");
    fails("text", "5", "/text must be an object, is a number");
    fails("text", r#"{"body":"x","preview_url":"yes"}"#, "/text/preview_url must be a boolean, is a string");
    fails("text", "{}", "/text/body is required");
}

#[test]
fn a_medium_has_exactly_one_source() {
    for kind in ["image", "video", "document", "audio", "sticker"] {
        assert_eq!(metas_form(kind, r#"{"url":"https://a/b"}"#), r#"{"link":"https://a/b"}"#);
        passes(kind, r#"{"link":"HTTP://a.example/x?y=z"}"#);
        passes(kind, r#"{"id":"0198c1d2-7b4e-7aaa-8bbb-0123456789ab"}"#);
        fails(kind, "{}", &format!("/{kind} needs exactly one of `id`, `link` or `url`"));
        fails(
            kind,
            r#"{"id":"1","link":"https://a"}"#,
            &format!(
                "/{kind}/link cannot be given together with `id`: exactly one of `id`, `link` or `url` is allowed"
            ),
        );
        fails(kind, r#"{"id":""}"#, &format!("/{kind}/id must be a media id, without blanks"));
        fails(kind, r#"{"id":5}"#, &format!("/{kind}/id must be a string, is a number"));
        for link in ["ftp://a/b", "//a/b", "a.jpg", "https://", "https://a b"] {
            fails(
                kind,
                &format!("{{\"link\":{link:?}}}"),
                &format!("/{kind}/link must be an absolute URL that starts with https:// or http://"),
            );
        }
    }
}

#[test]
fn a_medium_has_only_the_fields_of_its_kind() {
    passes("audio", r#"{"id":"1","voice":true}"#);
    fails("audio", r#"{"id":"1","voice":"true"}"#, "/audio/voice must be a boolean, is a string");
    passes("document", r#"{"id":"1","caption":"c","filename":"a.pdf"}"#);
    fails("document", r#"{"id":"1","filename":""}"#, "/document/filename must be at least 1 character, is 0");
    for (kind, field) in
        [("audio", "caption"), ("sticker", "caption"), ("image", "filename"), ("video", "voice")]
    {
        let violations = violations(kind, &format!("{{\"id\":\"1\",\"{field}\":\"x\"}}"));
        assert!(
            violations[0].starts_with(&format!("/{kind}/{field} unknown field `{field}`; ")),
            "{violations:?}"
        );
    }
}

#[test]
fn a_null_member_is_absent_and_not_sent() {
    assert_eq!(
        metas_form("image", r#"{"id":null,"link":null,"url":"https://a/b","caption":null}"#),
        r#"{"link":"https://a/b"}"#
    );
    let flow = r#"{"type":"flow","body":{"text":"b"},"footer":null,"action":{"name":"flow","parameters":{"flow_message_version":"3","flow_id":"1","flow_cta":"Go","flow_action_payload":{"data":{"a":null}}}}}"#;
    assert_eq!(metas_form("interactive", flow), flow.replace(r#""footer":null,"#, ""));
    fails("text", r#"{"body":null}"#, "/text/body is required");
}

#[test]
fn the_coordinates_of_a_location_may_be_texts() {
    let location = r#"{"latitude":"56.4152","longitude":-5.471,"name":"Ferry terminal","address":"Oban"}"#;
    assert_eq!(metas_form("location", location), location);
    assert_eq!(
        violations("location", r#"{"latitude":91,"name":5}"#),
        [
            "/location/latitude must be from -90 to 90, is 91",
            "/location/longitude is required",
            "/location/name must be a string, is a number"
        ]
    );
}

#[test]
fn a_contact_needs_a_formatted_name_and_another_part() {
    passes(
        "contacts",
        r#"[{"name":{"formatted_name":"Tom Reid","last_name":"Reid"},"phones":[{"phone":"+44 7700 900456","wa_id":"447700900456","type":"CELL"}],"emails":[{"email":"a@b","type":"WORK"}],"addresses":[{"street":"s","city":"c","state":"s","zip":"z","country":"c","country_code":"gb","type":"HOME"}],"urls":[{"url":"https://a","type":"WORK"}],"org":{"company":"c","department":"d","title":"t"},"birthday":"2000-02-29"}]"#,
    );
    let needs = "needs one of `first_name`, `last_name`, `middle_name`, `prefix` or `suffix` besides `formatted_name`";
    fails("contacts", r#"[{"name":{"formatted_name":"A"}}]"#, &format!("/contacts/0/name {needs}"));
    fails(
        "contacts",
        r#"[{"name":{"formatted_name":"A","first_name":""}}]"#,
        &format!("/contacts/0/name {needs}"),
    );
    fails("contacts", r#"[{"name":{"first_name":"A"}}]"#, "/contacts/0/name/formatted_name is required");
    fails("contacts", "[{}]", "/contacts/0/name is required");
    fails("contacts", r#"{"name":{}}"#, "/contacts must be an array, is an object");
    let with = |field: &str| format!(r#"[{{"name":{{"formatted_name":"A","prefix":"Dr"}},{field}}}]"#);
    fails(
        "contacts",
        &with(r#""phones":[{"phone":1}]"#),
        "/contacts/0/phones/0/phone must be a string, is a number",
    );
    fails(
        "contacts",
        &with(r#""phone":[]"#),
        "/contacts/0/phone unknown field `phone`; did you mean `phones`?",
    );
    for birthday in
        ["2001-02-29", "2000-13-01", "01-02-2000", "2000-1-1", "2000-01-01T00:00:00Z", "２000-01-01", ""]
    {
        fails(
            "contacts",
            &with(&format!("\"birthday\":{birthday:?}")),
            "/contacts/0/birthday must be a date written YYYY-MM-DD",
        );
    }
}

#[test]
fn a_reaction_is_one_emoji_or_none() {
    let emojis = [
        "",
        "👍",
        "❤️",
        "❤",
        "👍🏽",
        "👩‍❤️‍💋‍👨",
        "👨‍👩‍👧‍👦",
        "🇬🇧",
        "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
        "1️⃣",
        "#️⃣",
        "🏳️‍🌈",
        "🅰️",
        "ℹ️",
        "©️",
        "㊗️",
        "™️",
        "🧑🏻‍🤝‍🧑🏿",
        "\u{1fae8}",
    ];
    for emoji in emojis {
        passes("reaction", &format!(r#"{{"message_id":"wamid.x","emoji":"{emoji}"}}"#));
    }
    for text in [
        "a",
        "ok",
        "1",
        "12",
        ":)",
        " ",
        "👍👍",
        "👍 ",
        "👍a",
        "ж",
        "é",
        "中",
        "🇬🇧🇫🇷",
        "\u{fe0f}",
        &"👍\u{200d}".repeat(20),
    ] {
        fails(
            "reaction",
            &format!(r#"{{"message_id":"wamid.x","emoji":"{text}"}}"#),
            "/reaction/emoji must be one emoji, or an empty string, which takes the reaction back",
        );
    }
    fails("reaction", r#"{"emoji":"👍"}"#, "/reaction/message_id is required");
    fails("reaction", r#"{"message_id":"wamid.x"}"#, "/reaction/emoji is required");
    assert!(!read("reaction", r#"{"message_id":"w","emoji":""}"#).unwrap().allows_context());
}

#[test]
fn a_template_message_has_a_name_and_a_language() {
    let longest = "a".repeat(512);
    passes("template", &format!(r#"{{"name":"{longest}","language":"en"}}"#));
    let named = "must be a template name: 1 to 512 of a-z, 0-9 and _";
    for name in ["", "Order", "a-b", "ä", &"a".repeat(513)] {
        fails(
            "template",
            &format!(r#"{{"name":"{name}","language":"en"}}"#),
            &format!("/template/name {named}"),
        );
    }
    let coded = "must be a language code such as en or pt_BR";
    for language in ["e", "en-US", "", "en_US_en_US_en_U"] {
        fails(
            "template",
            &format!(r#"{{"name":"a","language":"{language}"}}"#),
            &format!("/template/language {coded}"),
        );
        fails(
            "template",
            &format!(r#"{{"name":"a","language":{{"code":"{language}"}}}}"#),
            &format!("/template/language/code {coded}"),
        );
    }
    passes(
        "template",
        r#"{"name":"a","language":{"code":"pt_BR","policy":"deterministic"},"namespace":"n"}"#,
    );
    fails("template", r#"{"name":"a"}"#, "/template/language is required");
    fails(
        "template",
        r#"{"name":"a","language":{"code":"en","polic":"x"}}"#,
        "/template/language/polic unknown field `polic`; did you mean `policy`?",
    );
}

fn with_parameter(parameter: &str) -> String {
    format!(r#"{{"name":"a","language":"en","components":[{{"type":"header","parameters":[{parameter}]}}]}}"#)
}

#[test]
fn each_kind_of_template_parameter_has_its_own_value() {
    for good in [
        r#"{"type":"text","text":"x","parameter_name":"port"}"#,
        r#"{"type":"currency","currency":{"fallback_value":"€5","code":"EUR","amount_1000":5000},"parameter_name":"p"}"#,
        r#"{"type":"date_time","date_time":{"fallback_value":"May 1","year":2026}}"#,
        r#"{"type":"image","image":{"id":"1"}}"#,
        r#"{"type":"video","video":{"link":"https://a"}}"#,
        r#"{"type":"gif","gif":{"url":"https://a"}}"#,
        r#"{"type":"document","document":{"id":"1","filename":"v.pdf"}}"#,
        r#"{"type":"location","location":{"latitude":"1","longitude":"2","name":"n","address":"a"}}"#,
        r#"{"type":"product","product":{"product_retailer_id":"1","catalog_id":"2"}}"#,
        r#"{"type":"payload","payload":"p"}"#,
        r#"{"type":"coupon_code","coupon_code":"SAVE25OFF0123456789X"}"#,
        r#"{"type":"action","action":{"flow_token":"t","flow_action_data":{"a":1}}}"#,
        r#"{"type":"ttl_minutes","ttl_minutes":5}"#,
        r#"{"type":"limited_time_offer","limited_time_offer":{"expiration_time_ms":1767225600000}}"#,
        r#"{"type":"tap_target_configuration","tap_target_configuration":[{"url":"https://a","title":"t"}]}"#,
        r#"{"type":"order_status","order_status":{"reference_id":"r","order":{"status":"shipped"}}}"#,
    ] {
        passes("template", &with_parameter(good));
    }
    let at = "/template/components/0/parameters/0";
    for (bad, fault) in [
        (r#"{"type":"text"}"#, "/text is required"),
        (r#"{"text":"x"}"#, "/type is required"),
        (r#"{"type":"text","text":5}"#, "/text must be a string, is a number"),
        (
            r#"{"type":"text","text":"x","name":"p"}"#,
            "/name unknown field `name`; known are `type`, `text` or `parameter_name`",
        ),
        (
            r#"{"type":"currency","currency":{"fallback_value":"5","code":"EURO","amount_1000":5000}}"#,
            "/currency/code must be a currency code of three letters, such as EUR",
        ),
        (
            r#"{"type":"currency","currency":{"fallback_value":"5","code":"EUR","amount_1000":1.5}}"#,
            "/currency/amount_1000 must be a whole number, is 1.5",
        ),
        (r#"{"type":"date_time","date_time":{}}"#, "/date_time/fallback_value is required"),
        (
            r#"{"type":"image","image":{"id":"1","caption":"c"}}"#,
            "/image/caption unknown field `caption`; known are `id`, `link` or `url`",
        ),
        (r#"{"type":"image","image":{}}"#, "/image needs exactly one of `id`, `link` or `url`"),
        (r#"{"type":"product","product":{"catalog_id":"2"}}"#, "/product/product_retailer_id is required"),
        (
            r#"{"type":"coupon_code","coupon_code":"SAVE25OFF0123456789XX"}"#,
            "/coupon_code must be 1 to 20 letters and digits",
        ),
        (r#"{"type":"coupon_code","coupon_code":"A-B"}"#, "/coupon_code must be 1 to 20 letters and digits"),
        (r#"{"type":"ttl_minutes","ttl_minutes":0}"#, "/ttl_minutes must be at least 1, is 0"),
        (
            r#"{"type":"limited_time_offer","limited_time_offer":{}}"#,
            "/limited_time_offer/expiration_time_ms is required",
        ),
    ] {
        fails("template", &with_parameter(bad), &format!("{at}{fault}"));
    }
    let violations = violations("template", &with_parameter(r#"{"type":"txt","txt":"x"}"#));
    assert!(
        violations[0].ends_with("is `txt`; did you mean `text`?") && violations.len() == 1,
        "{violations:?}"
    );
}

#[test]
fn the_components_of_a_template_message_are_known() {
    let with = |component: &str| format!(r#"{{"name":"a","language":"en","components":[{component}]}}"#);
    assert_eq!(
        metas_form(
            "template",
            &with(
                r#"{"type":"BODY","parameters":[]},{"type":"Button","sub_type":"COPY_CODE","index":"1","parameters":[{"type":"coupon_code","coupon_code":"X"}]}"#
            )
        ),
        r#"{"name":"a","language":{"code":"en"},"components":[{"type":"body","parameters":[]},{"type":"button","sub_type":"COPY_CODE","index":"1","parameters":[{"type":"coupon_code","coupon_code":"X"}]}]}"#
    );
    fails("template", &with(r#"{"type":"button","index":0}"#), "/template/components/0/sub_type is required");
    fails(
        "template",
        &with(r#"{"type":"button","sub_type":"url"}"#),
        "/template/components/0/index is required",
    );
    fails(
        "template",
        &with(r#"{"type":"body","index":0}"#),
        "/template/components/0/index unknown field `index`; known are `type` or `parameters`",
    );
    fails("template", &with(r#"{"type":"carousel"}"#), "/template/components/0/cards is required");
    let violations = violations(
        "template",
        &with(
            r#"{"type":"carousel","cards":[{"card_index":0,"components":[{"type":"carousel","cards":[]}]}]}"#,
        ),
    );
    assert_eq!(
        violations,
        [
            "/template/components/0/cards/0/components/0/type must be `header`, `body` or `button`, is `carousel`"
        ]
    );
}

#[test]
fn every_medium_of_a_message_can_be_found_and_replaced() {
    let mut image = read("image", r#"{"url":"https://a/b.jpg","caption":"c"}"#).unwrap();
    assert_eq!(image.media_refs()[0].source, MediaSource::Link("https://a/b.jpg"));
    assert!(image.set_media_link("", "https://a/c.jpg"));
    assert_eq!(image.media_refs()[0].source, MediaSource::Link("https://a/c.jpg"));
    assert!(image.set_media_id("", "777"));
    assert_eq!(image.object().to_string(), r#"{"id":"777","caption":"c"}"#);

    let mut template = read("template", r#"{"name":"a","language":"en","components":[
        {"type":"body","parameters":[{"type":"text","text":"x"}]},
        {"type":"HEADER","parameters":[{"type":"document","document":{"url":"https://a/v.pdf","filename":"v.pdf"}}]},
        {"type":"carousel","cards":[{"card_index":0,"components":[{"type":"body"},{"type":"header","parameters":[{"type":"video","video":{"id":"9"}}]}]}]}]}"#).unwrap();
    let places: Vec<_> = template.media_refs().into_iter().map(|found| (found.pointer, found.kind)).collect();
    assert_eq!(
        places,
        [
            ("/components/1/parameters/0/document".to_owned(), MediaKind::Document),
            ("/components/2/cards/0/components/1/parameters/0/video".to_owned(), MediaKind::Video),
        ]
    );
    assert!(template.set_media_id(&places[0].0, "55"));
    assert_eq!(template.object().at(&places[0].0).unwrap().to_string(), r#"{"id":"55","filename":"v.pdf"}"#);
    assert_eq!(template.media_refs()[0].file_name, Some("v.pdf"));
    assert!(template.set_document_name(&places[0].0, "w.pdf"));
    assert_eq!(template.media_refs()[0].file_name, Some("w.pdf"));
    assert!(!template.set_document_name("/components/0/parameters/0", "w.pdf"));
    assert!(!template.set_media_id("/components/0/parameters/0", "55"));

    let card = |index: usize| {
        format!(
            r#"{{"card_index":{index},"type":"cta_url","header":{{"type":"image","image":{{"url":"https://a/{index}"}}}},"action":{{"name":"cta_url","parameters":{{"display_text":"d","url":"https://a"}}}}}}"#
        )
    };
    let carousel = format!(
        r#"{{"type":"carousel","body":{{"text":"b"}},"action":{{"cards":[{},{}]}}}}"#,
        card(0),
        card(1)
    );
    let carousel = read("interactive", &carousel).unwrap();
    let sources: Vec<_> =
        carousel.media_refs().into_iter().map(|found| (found.pointer, found.source)).collect();
    assert_eq!(
        sources,
        [
            ("/action/cards/0/header/image".to_owned(), MediaSource::Link("https://a/0")),
            ("/action/cards/1/header/image".to_owned(), MediaSource::Link("https://a/1")),
        ]
    );
    assert_eq!(read("text", "\"x\"").unwrap().media_refs(), []);
}

#[test]
fn each_message_has_a_summary_line() {
    for (name, object, line) in [
        ("text", r#""Hi""#, Some("Hi")),
        ("image", r#"{"id":"1"}"#, None),
        ("document", r#"{"id":"1","caption":"","filename":"a.pdf"}"#, Some("a.pdf")),
        ("location", r#"{"latitude":1,"longitude":2,"name":"Oban"}"#, Some("Oban")),
        ("contacts", r#"[{"name":{"formatted_name":"Tom Reid","first_name":"Tom"}}]"#, Some("Tom Reid")),
        ("reaction", r#"{"message_id":"w","emoji":"👍"}"#, Some("👍")),
        (
            "interactive",
            r#"{"type":"location_request_message","body":{"text":"Where?"},"action":{"name":"send_location"}}"#,
            Some("Where?"),
        ),
        ("sticker", r#"{"id":"1"}"#, None),
    ] {
        let content = read(name, object).unwrap();
        assert_eq!(content.preview_text(), line);
        assert_eq!(content.kind(), kind(name));
        assert_eq!(content.template(), None);
    }
    let template = read("template", r#"{"name":"a","language":"pt_BR"}"#).unwrap();
    let message = template.template().unwrap();
    assert_eq!((message.name, message.language, message.components), ("a", "pt_BR", &[][..]));
}
