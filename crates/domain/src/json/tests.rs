use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        // Eighths: without its feature `float_roundtrip` serde_json reads long fractions only nearly.
        (-1_000_000_i32..1_000_000).prop_map(|eighths| Value::Float(f64::from(eighths) / 8.0)),
        ".{0,6}".prop_map(Value::String),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec(("[a-d~/\"]{0,3}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn reversed(value: &Value) -> Value {
    match value {
        Value::Array(elements) => Value::Array(elements.iter().map(reversed).collect()),
        Value::Object(object) => {
            let mut members: Vec<_> =
                object.iter().map(|(name, value)| (name.to_owned(), reversed(value))).collect();
            members.reverse();
            Value::Object(members.into_iter().collect())
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => value.clone(),
    }
}

fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    let mut below = |token: &str, value: &Value| {
        let mut here = at.to_owned();
        pointer::push_token(&mut here, token);
        pointers(value, &here, all);
    };
    if let Value::Array(elements) = value {
        elements.iter().enumerate().for_each(|(index, element)| below(&index.to_string(), element));
    }
    if let Value::Object(object) = value {
        object.iter().for_each(|(name, value)| below(name, value));
    }
}

#[test]
fn an_object_keeps_the_order_of_its_keys() {
    let text = r#"{"z":1,"a":[true,null,{"y":"ü\n\"","b":-2.5}],"m":{}}"#;
    assert_eq!(read(text).to_string(), text);
    assert_eq!(serde_json::to_string(&read(text)).unwrap(), text);
}

#[test]
fn a_repeated_key_is_rejected_with_its_name() {
    let error = serde_json::from_str::<Value>(r#"{"a":{"to":"1","x":0,"to":"2"}}"#).unwrap_err();
    assert!(error.to_string().starts_with("duplicate key `to`"), "{error}");
    let members: Vec<String> = (0..40).map(|n| format!("\"k{n}\":{n}")).collect();
    assert!(serde_json::from_str::<Value>(&format!("{{{}}}", members.join(","))).is_ok());
    let twice = format!("{{{},\"k7\":0}}", members.join(","));
    let error = serde_json::from_str::<Value>(&twice).unwrap_err();
    assert!(error.to_string().starts_with("duplicate key `k7`"), "{error}");
}

#[test]
fn a_whole_number_beyond_64_bits_becomes_a_float() {
    assert_eq!(read("9223372036854775807"), Value::Int(i64::MAX));
    assert_eq!(read("9223372036854775808"), Value::Float(9_223_372_036_854_775_808.0));
}

#[test]
fn equal_json_in_another_order_or_notation_is_the_same() {
    let a = read(r#"{"n":1,"list":[1.0,2],"o":{"x":null,"y":"z"}}"#);
    let b = read(r#"{"o":{"y":"z","x":null},"list":[1,2.0],"n":1.0}"#);
    assert!(a.same_as(&b));
    assert_eq!(a.canonical(), b.canonical());
    for other in [r#"{"n":1}"#, r#"{"n":1,"list":[2,1],"o":{"x":null,"y":"z"}}"#] {
        assert!(!a.same_as(&read(other)));
    }
    assert_eq!(read("-0.0").canonical(), "0");
}

#[test]
fn the_pointer_of_the_first_nul_character_is_found() {
    let value = read(r#"{"a":"x","b":[{"c~/":"\u0000"}],"d":"\u0000"}"#);
    assert_eq!(value.find_nul(), Some(NulCharacter { pointer: "/b/0/c~0~1".to_owned(), in_key: false }));
    let value = read(r#"{"a":{"\u0000":1}}"#);
    assert_eq!(value.find_nul(), Some(NulCharacter { pointer: "/a".to_owned(), in_key: true }));
    assert_eq!(read(r#"{"a":["b",1]}"#).find_nul(), None);
}

#[test]
fn members_keep_their_positions_when_they_are_set_renamed_and_removed() {
    let mut value = read(r#"{"url":"u","caption":"c"}"#);
    let object = value.as_object_mut().unwrap();
    object.rename("url", "link");
    assert_eq!(object.insert("link", "v"), Some(Value::from("u")));
    object.insert("last", true);
    object.rename("last", "caption");
    assert_eq!(value.to_string(), r#"{"link":"v","caption":"c","last":true}"#);
    assert_eq!(value.as_object_mut().unwrap().remove("caption"), Some(Value::from("c")));
    assert_eq!(value.to_string(), r#"{"link":"v","last":true}"#);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_value_is_read_as_it_was_written(value in any_value()) {
        prop_assert_eq!(&read(&value.to_string()), &value);
        prop_assert_eq!(&read(&serde_json::to_string(&value).unwrap()), &value);
    }

    #[test]
    fn values_are_the_same_if_and_only_if_their_canonical_texts_are_equal(a in any_value(), b in any_value()) {
        prop_assert!(a.same_as(&reversed(&a)));
        prop_assert_eq!(a.canonical(), reversed(&a).canonical());
        prop_assert_eq!(a.same_as(&b), a.canonical() == b.canonical());
        prop_assert!(read(&a.canonical()).same_as(&a));
    }

    #[test]
    fn every_pointer_leads_to_its_value(value in any_value()) {
        let mut all = Vec::new();
        pointers(&value, "", &mut all);
        let mut copy = value.clone();
        for pointer in all {
            prop_assert!(value.at(&pointer).is_some(), "{}", pointer);
            prop_assert!(copy.at_mut(&pointer).is_some());
        }
        prop_assert!(value.at("nowhere").is_none());
    }
}
