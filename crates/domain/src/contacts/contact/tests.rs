use super::*;
use crate::check::{JsonPointer, Violations};

fn read(json: &str) -> Result<ContactChange, Vec<String>> {
    let value: Value = serde_json::from_str(json).expect("JSON");
    let found = Violations::new();
    let fields = Fields::read(value.as_object().expect("an object"), JsonPointer::root(), &found);
    let change = ContactChange::read(&fields);
    change.check_new(&fields);
    fields.finish();
    found.result(change).map_err(|list| {
        list.into_iter().map(|violation| format!("{} {}", violation.pointer, violation.reason)).collect()
    })
}

#[test]
fn every_violation_is_reported_with_its_pointer() {
    let long = "x".repeat(201);
    let json = format!(
        r#"{{"phone_number":"12","name":"{long}","tags":["a","","b|c",5],"stage":"","email":"a@b",
           "custom_fields":{{"ok":1,"deep":{{}},"":"x"}},"opted_out":"yes","id":"x","colour":1}}"#
    );
    let violations = read(&json).expect_err("violations");
    let pointers: Vec<_> =
        violations.iter().map(|violation| violation.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(
        pointers,
        [
            "/phone_number",
            "/name",
            "/tags/1",
            "/tags/2",
            "/tags/3",
            "/stage",
            "/email",
            "/custom_fields/deep",
            "/custom_fields/",
            "/opted_out",
            "/id",
            "/colour"
        ],
        "{violations:#?}"
    );
}

#[test]
fn values_at_the_limits_are_accepted() {
    let tags = |n: usize| (0..n).map(|i| format!("\"t{i}\"")).collect::<Vec<_>>().join(",");
    let custom = |n: usize| (0..n).map(|i| format!("\"k{i}\":true")).collect::<Vec<_>>().join(",");
    for (good, bad) in [
        (format!(r#""tags":[{}]"#, tags(50)), format!(r#""tags":[{}]"#, tags(51))),
        (format!(r#""custom_fields":{{{}}}"#, custom(50)), format!(r#""custom_fields":{{{}}}"#, custom(51))),
        (
            format!(r#""custom_fields":{{"a":"{}"}}"#, "é".repeat(1_000)),
            format!(r#""custom_fields":{{"a":"{}"}}"#, "é".repeat(1_001)),
        ),
        (format!(r#""stage":"{}""#, "é".repeat(50)), format!(r#""stage":"{}""#, "é".repeat(51))),
    ] {
        let with = |part: &str| read(&format!(r#"{{"phone_number":"+447700900123",{part}}}"#));
        assert!(with(&good).is_ok(), "{good}");
        assert_eq!(with(&bad).expect_err("a violation").len(), 1, "{bad}");
    }
    assert_eq!(read("{}").expect_err("a violation"), ["/phone_number is required"]);
    assert!(read(r#"{"user_id":"GB.77120394857261034"}"#).is_ok());
}

#[test]
fn an_e_mail_address_has_a_local_part_and_a_host() {
    for good in ["maya@example.com", "maya.osei+shop@mail.example.co.uk", "\u{fc}@b\u{fc}cher.example"] {
        assert_eq!(check_email(good), Ok(()), "{good}");
    }
    for bad in ["", "maya", "@example.com", "maya@", "maya@host", "a b@x.y", "a@b@x.y", "a@x..y", "<a@x.y>"] {
        assert!(check_email(bad).is_err(), "{bad}");
    }
}

#[test]
fn tags_are_parsed_from_their_cell() {
    let check = |tags: &[&str]| {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        assert_eq!(split_tags(&join_tags(&tags)), Ok(tags));
    };
    check(&["vip"]);
    check(&["vip", "a,b"]);
    check(&["a,b"]);
    assert_eq!(split_tags("vip, vip ,berlin"), Ok(vec!["vip".to_owned(), "berlin".to_owned()]));
}

#[test]
fn a_column_is_found_by_its_name() {
    for (name, column) in COLUMNS {
        assert_eq!(ImportColumn::parse(name), Ok(column.clone()));
        assert_eq!(column.name(), name);
    }
    assert_eq!(ImportColumn::parse("custom.city"), Ok(ImportColumn::Custom("city".to_owned())));
    let error = ImportColumn::parse("phone_nubmer").expect_err("unknown");
    assert!(error.contains("`phone_number`"), "{error}");
    assert!(ImportColumn::parse("custom.").is_err());
}
