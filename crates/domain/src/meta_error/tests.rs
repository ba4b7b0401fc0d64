use std::collections::BTreeSet;

use super::*;

#[test]
fn each_code_is_listed_once() {
    let codes: BTreeSet<_> = TABLE.iter().map(|entry| entry.code).collect();
    assert_eq!(codes.len(), TABLE.len());
}

#[test]
fn an_unknown_code_is_permanent() {
    assert_eq!(lookup(999_999).class, MetaErrorClass::Permanent);
}

#[test]
fn codes_from_200_to_299_are_permission_errors() {
    assert_eq!(lookup(294).title, "API Permission");
}

#[test]
fn a_missing_object_suspends_the_account_only_in_the_response_to_a_send() {
    let missing = MetaError { code: 100, subcode: Some(33), ..MetaError::default() };
    assert_eq!(missing.class(), MetaErrorClass::SuspendAccount);
    assert!(missing.send_entry().advice.contains("phone_number_id"));
    assert_eq!(missing.call_class(), MetaErrorClass::Permanent);
    let invalid = MetaError { code: 100, subcode: Some(2_494_010), ..MetaError::default() };
    assert_eq!(invalid.class(), MetaErrorClass::Permanent);
}

#[test]
fn a_refused_permission_suspends_the_account_only_in_the_response_to_a_send() {
    for code in [3, 10, 33, 200, 294, 803, 131_005] {
        let error = MetaError { code, ..MetaError::default() };
        assert_eq!(error.class(), MetaErrorClass::SuspendAccount, "{code}");
        assert_eq!(error.call_class(), MetaErrorClass::Permanent, "{code}");
    }
    for code in [190, 368, 131_031, 131_042] {
        let error = MetaError { code, ..MetaError::default() };
        assert_eq!(error.call_class(), MetaErrorClass::SuspendAccount, "{code}");
    }
}

#[test]
fn only_codes_1_and_2_with_a_server_error_are_ambiguous() {
    let error =
        |code, http_status| MetaError { code, http_status: Some(http_status), ..MetaError::default() };
    assert!(error(1, 500).is_ambiguous());
    assert!(error(2, 503).is_ambiguous());
    assert!(!error(1, 400).is_ambiguous());
    assert!(!error(131_000, 500).is_ambiguous());
}
