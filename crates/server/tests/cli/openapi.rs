//! `waypost openapi`.

use crate::support::empty_shell;

#[test]
fn the_openapi_document_is_printed_with_an_invalid_configuration() {
    let shell = empty_shell();
    shell.write("waypost.toml", "this is no configuration");
    let printed = shell.waypost("openapi").ok();
    let described: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(described["openapi"], "3.1.0");
    assert!(described["paths"]["/api/messages/send"]["post"].is_object());
    assert_eq!(printed.trim(), include_str!("../../../../docs/openapi.json").trim());
}
