use super::*;
use crate::json::Value;

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The violations that `check` finds in an object, each as `pointer reason`.
fn found(text: &str, check: impl FnOnce(&Fields<'_, '_>)) -> Vec<String> {
    let value = read(text);
    let found = Violations::new();
    let fields = Fields::read(value.as_object().unwrap(), JsonPointer::root(), &found);
    check(&fields);
    fields.finish();
    found
        .into_vec()
        .into_iter()
        .map(|violation| format!("{} {}", violation.pointer, violation.reason))
        .collect()
}

/// The reason for which `check` refuses the value.
fn reason(value: &str, check: impl FnOnce(Item<'_, '_>)) -> String {
    let value = read(value);
    let found = Violations::new();
    check(Item::new(&value, JsonPointer::root(), &found));
    found.into_vec().into_iter().map(|violation| violation.reason).collect::<Vec<_>>().join(" | ")
}

#[test]
fn all_violations_are_found_at_once() {
    let faults = found(r#"{"title":"","n":"x","list":[1],"colour":1,"o":{"a/b":{}}}"#, |o| {
        o.required("title").string(1..=20);
        o.required("n").integer(..);
        if let Some(list) = o.required("list").array(2..=3) {
            list.iter().for_each(|item| {
                item.boolean();
            });
        }
        o.required("color").string(..);
        if let Some(inner) = o.optional("o").object() {
            inner.optional("a/b").string(..);
            inner.required("c").string(..);
            inner.finish();
        }
    });
    assert_eq!(
        faults,
        [
            "/title must be 1 to 20 characters, is 0",
            "/n must be a whole number, is a string",
            "/list must have 2 to 3 elements, has 1",
            "/list/0 must be a boolean, is a number",
            "/color is required",
            "/o/a~1b must be a string, is an object",
            "/o/c is required",
            "/colour unknown field `colour`; did you mean `color`?",
        ]
    );
}

#[test]
fn the_most_similar_field_is_suggested_for_an_unknown_field() {
    let read = |o: &Fields<'_, '_>| {
        o.optional("body").string(..);
        o.optional("preview_url").boolean();
    };
    assert_eq!(found(r#"{"bdy":1}"#, read), ["/bdy unknown field `bdy`; did you mean `body`?"]);
    assert_eq!(found(r#"{"obdy":1}"#, read), ["/obdy unknown field `obdy`; did you mean `body`?"]);
    assert_eq!(
        found(r#"{"PreviewUrl":1}"#, read),
        ["/PreviewUrl unknown field `PreviewUrl`; did you mean `preview_url`?"]
    );
    assert_eq!(found(r#"{"zzz":1}"#, read), ["/zzz unknown field `zzz`; known are `body` or `preview_url`"]);
    assert_eq!(found(r#"{"a":1}"#, |_| {}), ["/a unknown field `a`; this object has no fields"]);
    let long = "x".repeat(500);
    let faults = found(&format!("{{\"{long}\":1}}"), read);
    assert!(
        faults[0]
            .ends_with(&format!(" unknown field `{}…`; known are `body` or `preview_url`", "x".repeat(40)))
    );
}

#[test]
fn the_known_fields_are_listed_once_for_all_unknown_fields_of_an_object() {
    let faults = found(r#"{"zzz":1,"bdy":1,"yyy":2,"o":{"xxx":1,"www":1}}"#, |o| {
        o.optional("body").string(..);
        if let Some(inner) = o.optional("o").object() {
            inner.optional("a").string(..);
            inner.optional("b").string(..);
            inner.finish();
        }
    });
    assert_eq!(
        faults,
        [
            "/o/xxx unknown field `xxx`; known are `a` or `b`",
            "/o/www unknown field `www`",
            "/zzz unknown field `zzz`; known are `body` or `o`",
            "/bdy unknown field `bdy`; did you mean `body`?",
            "/yyy unknown field `yyy`",
        ]
    );
}

#[test]
fn the_equal_parts_of_names_with_dots_do_not_make_names_similar() {
    let names = ["message.incoming", "message.read", "message.canceled", "contact.created"];
    for (word, name) in [
        ("message.received", None),
        ("message.opened", None),
        ("message.reed", Some("message.read")),
        ("message.cancelled", Some("message.canceled")),
        ("mesage.read", Some("message.read")),
        ("message_incoming", Some("message.incoming")),
        ("contact.create", Some("contact.created")),
    ] {
        assert_eq!(nearest(word, &names), name, "{word}");
    }
}

#[test]
fn a_word_of_another_api_is_suggested_by_its_meaning() {
    let synonyms = [("async", "queue"), ("now", "gone")];
    assert_eq!(
        reason("\"Async\"", |item| {
            item.one_of_with(&["sync", "queue"], &synonyms);
        }),
        "must be `sync` or `queue`, is `Async`; did you mean `queue`?"
    );
    assert_eq!(
        reason("\"now\"", |item| {
            item.choice_with(&[("sync", 1), ("queue", 2)], &synonyms);
        }),
        "must be `sync` or `queue`, is `now`"
    );
    assert_eq!(
        reason("\"qeue\"", |item| {
            item.choice_with(&[("sync", 1), ("queue", 2)], &synonyms);
        }),
        "must be `sync` or `queue`, is `qeue`; did you mean `queue`?"
    );
}

#[test]
fn an_unknown_field_is_found_also_if_another_field_is_requested_twice() {
    let faults = found(r#"{"type":"a","typo":1}"#, |o| {
        o.required("type").string(..);
        o.required("type").string(..);
    });
    assert_eq!(faults, ["/typo unknown field `typo`; did you mean `type`?"]);
}

#[test]
fn an_object_may_have_more_fields_than_the_stack_holds() {
    const NAMES: [&str; 20] = [
        "f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "g0", "g1", "g2", "g3", "g4", "g5", "g6",
        "g7", "g8", "g9",
    ];
    let members: Vec<String> = NAMES.iter().map(|name| format!("\"{name}\":1")).collect();
    let read = |o: &Fields<'_, '_>| {
        NAMES.iter().for_each(|name| {
            o.required(name).integer(..);
        })
    };
    assert_eq!(found(&format!("{{{}}}", members.join(",")), read), Vec::<String>::new());
    let faults = found(&format!("{{{},\"long_name\":1}}", members.join(",")), read);
    assert_eq!(faults.len(), 1, "{faults:?}");
}

#[test]
fn null_is_absent_unless_the_field_is_read_as_a_change() {
    let faults = found(r#"{"a":null,"b":null}"#, |o| {
        assert!(!o.optional("a").is_present());
        o.required("b").string(..);
    });
    assert_eq!(faults, ["/b is required"]);
    let value = read(r#"{"a":null,"b":"new","c":5}"#);
    let found = Violations::new();
    let o = Fields::read(value.as_object().unwrap(), JsonPointer::root(), &found);
    let change = |name| o.change(name).and_then(|item| item.string(1..=60));
    assert_eq!(change("a"), Patch::Clear);
    assert_eq!(change("b"), Patch::Set("new"));
    assert_eq!(change("absent"), Patch::Unchanged);
    assert_eq!(change("c"), Patch::Unchanged);
    o.finish();
    assert_eq!(found.into_vec(), [Violation::new("/c", "must be a string, is a number")]);
}

#[test]
fn exactly_one_of_several_fields_is_required() {
    let read = |o: &Fields<'_, '_>| {
        o.exactly_one(&["id", "link", "url"], |_, item| item.string(1..));
    };
    assert_eq!(found(r#"{"link":"x"}"#, read), Vec::<String>::new());
    assert_eq!(found("{}", read), [" needs exactly one of `id`, `link` or `url`"]);
    assert_eq!(
        found(r#"{"url":"x","id":"y"}"#, read),
        ["/url cannot be given together with `id`: exactly one of `id`, `link` or `url` is allowed"]
    );
}

#[test]
fn lengths_count_characters_and_not_bytes() {
    let check = |item: Item<'_, '_>| {
        item.string(2..=4);
    };
    assert_eq!(reason(r#""äöüß""#, check), "");
    assert_eq!(reason(r#""😀😀""#, check), "");
    assert_eq!(reason(r#""😀""#, check), "must be 2 to 4 characters, is 1");
    assert_eq!(reason(r#""äöüßa""#, check), "must be 2 to 4 characters, is 5");
    assert_eq!(
        reason(r#""abc""#, |item| {
            item.string(..=2);
        }),
        "must be at most 2 characters, is 3"
    );
    assert_eq!(
        reason(r#""abc""#, |item| {
            item.string(2..=2);
        }),
        "must be exactly 2 characters, is 3"
    );
    assert_eq!(
        reason(r#""""#, |item| {
            item.string(1..);
        }),
        "must be at least 1 character, is 0"
    );
}

#[test]
fn numbers_have_bounds_and_may_be_texts() {
    let index = |item: Item<'_, '_>| {
        item.integer_or_text(0..=9);
    };
    for good in ["0", "9", "\"9\"", "5.0"] {
        assert_eq!(reason(good, index), "", "{good}");
    }
    assert_eq!(reason("10", index), "must be from 0 to 9, is 10");
    assert_eq!(reason("\"-1\"", index), "must be from 0 to 9, is -1");
    assert_eq!(reason("0.5", index), "must be a whole number, is 0.5");
    assert_eq!(reason("\"+1\"", index), "must be a whole number, is `+1`");
    assert_eq!(reason("true", index), "must be a whole number, is a boolean");
    let latitude = |item: Item<'_, '_>| {
        item.number_or_text(-90.0..=90.0);
    };
    for good in ["90", "-90.0", "\"56.4152\"", "\"-5\""] {
        assert_eq!(reason(good, latitude), "", "{good}");
    }
    assert_eq!(reason("90.5", latitude), "must be from -90 to 90, is 90.5");
    for bad in ["nan", "inf", "+1", "", "1,5"] {
        assert_eq!(reason(&format!("{bad:?}"), latitude), format!("must be a number, is `{bad}`"));
    }
    assert_eq!(
        reason("100", |item| {
            item.integer(1..);
        }),
        ""
    );
    assert_eq!(
        reason("0", |item| {
            item.integer(1..);
        }),
        "must be at least 1, is 0"
    );
    assert_eq!(
        reason("\"yes\"", |item| {
            item.boolean_or_text();
        }),
        "must be `true` or `false`, is `yes`"
    );
    assert_eq!(
        reason("\"true\"", |item| {
            item.boolean_or_text();
        }),
        ""
    );
}

#[test]
fn the_most_similar_name_of_a_list_is_suggested() {
    let words = ["button", "list", "flow"];
    assert_eq!(reason("\"list\"", |item| assert_eq!(item.one_of(&words), Some("list"))), "");
    assert_eq!(
        reason("\"buton\"", |item| {
            item.one_of(&words);
        }),
        "must be `button`, `list` or `flow`, is `buton`; did you mean `button`?"
    );
    assert_eq!(
        reason("\"x\"", |item| {
            item.one_of(&words);
        }),
        "must be `button`, `list` or `flow`, is `x`"
    );
    assert_eq!(reason("\"FLOW\"", |item| assert_eq!(item.one_of_any_case(&words), Some("flow"))), "");
    assert_eq!(reason("\"b\"", |item| assert_eq!(item.choice(&[("a", 1), ("b", 2)]), Some(2))), "");
    assert_eq!(
        reason("\"c\"", |item| {
            item.choice(&[("ab", 1)]);
        }),
        "must be `ab`, is `c`"
    );
}

#[test]
fn the_first_elements_of_an_array_that_is_too_long_are_read() {
    let faults = reason("[1,2,3,4]", |item| {
        let items = item.array(1..=2).unwrap();
        assert_eq!(items.len(), 2);
        items.iter().for_each(|item| {
            item.string(..);
        });
    });
    assert_eq!(
        faults,
        "must have 1 to 2 elements, has 4 | must be a string, is a number | must be a string, is a number"
    );
}

#[test]
fn the_number_of_violations_is_limited() {
    let members: Vec<String> = (0..5000).map(|n| format!("\"k{n}\":{n}")).collect();
    let faults = found(&format!("{{{}}}", members.join(",")), |o| {
        o.required("key").string(..);
    });
    assert_eq!(faults.len(), Violations::MAX);
}

#[test]
fn pointers_below_a_base_begin_with_the_base() {
    let base = JsonPointer::from_pointer("/messages/3");
    let text = base.key("text");
    assert_eq!(text.index(2).text(), "/messages/3/text/2");
    assert_eq!(JsonPointer::root().text(), "");
}

#[test]
fn only_absolute_http_urls_are_accepted() {
    for good in ["https://a.example", "HTTP://a:81/b?c#d", "https://u:p@host/x", "http://[::1]/"] {
        assert!(is_http_url(good), "{good}");
    }
    for bad in [
        "",
        "http://",
        "https:///x",
        "ftp://a",
        "a.example",
        "https://a b",
        "https://a\n",
        "https://u@/x",
        "http://:80/",
        "hütps://a",
    ] {
        assert!(!is_http_url(bad), "{bad}");
    }
}

#[test]
fn similar_names_are_listed_from_the_most_similar_one() {
    let names = ["order_update", "order_updated", "spring_sale", "order_updates"];
    let similar = |word, limit| nearest_names(word, names.into_iter(), limit);
    assert_eq!(similar("order_updates", 3), ["order_updates", "order_update", "order_updated"]);
    assert_eq!(similar("Order-Update", 2), ["order_update", "order_updated"]);
    assert!(similar("", 3).is_empty());
    assert!(similar("hello_world", 3).is_empty());
    let long = "a".repeat(100_000);
    assert!(nearest_names("a", [long.as_str()].into_iter(), 3).is_empty());
}
