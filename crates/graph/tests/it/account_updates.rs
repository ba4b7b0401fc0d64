//! Updates about accounts, users and templates.

use expect_test::expect;

use crate::samples::{decode, envelope, reads};

fn changes(changes: &[&str]) -> String {
    format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"2","time":1767262300,"changes":[{}]}}]}}"#,
        changes.join(",")
    )
}

fn account_update(members: &str) -> String {
    format!(r#"{{"field":"account_update","value":{{{members}}}}}"#)
}

#[test]
fn every_account_update_suspends_or_resumes_the_account() {
    let all = [
        r#""event":"ACCOUNT_DELETED""#,
        r#""event":"ACCOUNT_VIOLATION","violation_info":{"violation_type":"ADULT"}"#,
        r#""event":"ACCOUNT_RESTRICTION","restriction_info":[{"restriction_type":"RESTRICTED_BIZ_INITIATED_MESSAGING","expiration":1641330498}]"#,
        r#""event":"DISABLED_UPDATE","ban_info":{"waba_ban_state":"SCHEDULE_FOR_DISABLE","waba_ban_date":"April 17, 2025"}"#,
        r#""event":"DISABLED_UPDATE","ban_info":{"waba_ban_state":"DISABLE"}"#,
        r#""event":"DISABLED_UPDATE","ban_info":{"waba_ban_state":"REINSTATE"}"#,
        r#""event":"DISABLED_UPDATE""#,
        r#""event":"PARTNER_ADDED","waba_info":{"waba_id":"9"}"#,
        r#""event":"PARTNER_REMOVED","phone_number":"+44 20 7946 0018","disconnection_info":{"reason":"PRIMARY_INACTIVITY","initiated_by":"SYSTEM"}"#,
        r#""event":"PARTNER_APP_INSTALLED""#,
        r#""event":"PARTNER_APP_UNINSTALLED""#,
        r#""event":"ACCOUNT_OFFBOARDED""#,
        r#""event":"ACCOUNT_RECONNECTED""#,
        r#""event":"VOLUME_BASED_PRICING_TIER_UPDATE","volume_tier_info":{"tier":"25000001:50000000"}"#,
        r#""event":["odd"]"#,
    ]
    .map(account_update);
    reads(
        &changes(&all.iter().map(String::as_str).collect::<Vec<_>>()),
        expect![[r#"
            account Status | Suspend(Disabled, "The WhatsApp Business Account was deleted at Meta.")
            account Notice
            account Notice
            account Notice
            account Status | Suspend(Disabled, "Meta has disabled the WhatsApp Business Account. Appeal in the WhatsApp Manager.")
            account Status | Resume(Disabled)
            account Notice
            account Status | Resume(AppRemoved)
            account Status | Suspend(AppRemoved, "The app was taken off the WhatsApp Business Account. Connect it again at Meta.") | number 442079460018
            account Status | Resume(AppRemoved)
            account Status | Suspend(AppRemoved, "The app was taken off the WhatsApp Business Account. Connect it again at Meta.")
            account Status | Suspend(AppRemoved, "The app was taken off the WhatsApp Business Account. Connect it again at Meta.")
            account Status | Resume(AppRemoved)
            account Notice
            account Notice
        "#]],
    );
}

#[test]
fn an_update_of_a_partner_concerns_the_account_in_its_value() {
    let body = changes(&[
        &account_update(
            r#""event":"PARTNER_REMOVED","waba_info":{"waba_id":"980198427658004","owner_business_id":"23"}"#,
        ),
        &account_update(r#""event":"ACCOUNT_DELETED""#),
        r#"{"field":"flows","value":{"waba_info":{"waba_id":"7"}}}"#,
    ]);
    let named: Vec<_> = decode(&body).into_iter().map(|change| change.waba_id.unwrap()).collect();
    assert_eq!(named, ["980198427658004", "2", "2"]);
}

#[test]
fn the_time_of_an_entry_is_decoded_and_an_invalid_time_is_ignored() {
    let time = |time: &str| {
        let body = format!(
            r#"{{"entry":[{{"id":"2","time":{time},"changes":[{{"field":"flows","value":{{}}}}]}}]}}"#
        );
        decode(&body)[0].time.map(|time| time.to_string())
    };
    assert_eq!(time("1767262300").as_deref(), Some("2026-01-01T10:11:40Z"));
    assert_eq!(time("\"1767262300\"").as_deref(), Some("2026-01-01T10:11:40Z"));
    for strange in ["1767262300000", "-1", "0", "1.5", "null", "{}", "\"soon\""] {
        assert_eq!(time(strange), None, "{strange}");
    }
}

#[test]
fn limits_quality_and_names_of_numbers() {
    let value = |field: &str, members: &str| format!(r#"{{"field":"{field}","value":{{{members}}}}}"#);
    let quality = |members: &str| {
        value(
            "phone_number_quality_update",
            &format!(r#""display_phone_number":"+44 20-7946 0018",{members}"#),
        )
    };
    let all = [
        quality(r#""event":"FLAGGED","current_limit":"TIER_1K""#),
        quality(r#""event":"UNFLAGGED","current_limit":"TIER_NOT_SET""#),
        quality(r#""event":"UPGRADE","current_limit":"TIER_10K","old_limit":"TIER_1K""#),
        quality(
            r#""event":"DOWNGRADE","current_limit":"tier_250","max_daily_conversations_per_business":"TIER_100K""#,
        ),
        quality(r#""event":"ONBOARDING","current_limit":"NOT_SET""#),
        quality(r#""event":"SOMETHING_NEW""#),
        value(
            "phone_number_name_update",
            r#""display_phone_number":"442079460018","decision":"APPROVED","requested_verified_name":"Harbour""#,
        ),
        value(
            "phone_number_name_update",
            r#""display_phone_number":"442079460018","decision":"DEFERRED","requested_verified_name":"Harbour""#,
        ),
        value("business_capability_update", r#""max_daily_conversations_per_business":100000"#),
        value("business_capability_update", r#""max_daily_conversation_per_phone":-1"#),
        value("business_capability_update", r#""max_daily_conversation_per_phone":50"#),
        value("business_capability_update", r#""max_daily_conversations_per_business":0.5"#),
        value(
            "phone_number_username_update",
            r#""display_phone_number":"442079460018","username":"harbour""#,
        ),
        value("group_lifecycle_update", r#""groups":[]"#),
    ];
    reads(
        &changes(&all.iter().map(String::as_str).collect::<Vec<_>>()),
        expect![[r#"
        account Quality | number 442079460018 | quality RED | tier TIER_1K
        account Quality | number 442079460018 | quality UNKNOWN
        account MessagingLimit | number 442079460018 | tier TIER_10K
        account MessagingLimit | number 442079460018 | tier TIER_100K
        account MessagingLimit | number 442079460018
        account Notice | number 442079460018
        account Name | number 442079460018 | name Harbour
        account Name | number 442079460018
        account MessagingLimit | tier TIER_100K
        account MessagingLimit | tier TIER_UNLIMITED
        account MessagingLimit | tier TIER_50
        account MessagingLimit
        account Notice | number 442079460018
        other group_lifecycle_update
    "#]],
    );
}

#[test]
fn content_of_a_template_and_reasons_of_its_status() {
    let all = [
        r#"{"field":"message_template_components_update","value":{"message_template_id":7,"message_template_name":"a","message_template_language":"en-US","message_template_title":"Hi","message_template_element":"Body {{1}}","message_template_footer":"Bye","message_template_buttons":[{"message_template_button_type":"URL","message_template_button_text":"Go","message_template_button_url":"https://a.example/{{1}}"},{"message_template_button_type":"PHONE_NUMBER","message_template_button_text":"Call","message_template_button_phone_number":"+442079460018"},{"message_template_button_type":"QUICK_REPLY","message_template_button_text":"Stop"},7]}}"#,
        r#"{"field":"message_template_status_update","value":{"event":"REJECTED","message_template_name":"a","message_template_language":"en","reason":"INVALID_FORMAT","rejection_info":{"reason":"Adjacent.","recommendation":"Put words between."}}}"#,
        r#"{"field":"message_template_status_update","value":{"event":"LOCKED","message_template_name":"a","message_template_language":"en","reason":null,"other_info":{"title":"RATE_LIMITING_PAUSE"}}}"#,
        r#"{"field":"message_template_status_update","value":{"event":"DISABLED","message_template_name":"a","message_template_language":"en","reason":"SCAM","disable_info":{"disable_date":1767348700}}}"#,
        r#"{"field":"message_template_status_update","value":{"event":"APPROVED","message_template_name":"a","message_template_language":"en","reason":"NONE","other_info":[],"disable_info":7,"rejection_info":"x"}}"#,
    ];
    reads(
        &changes(&all),
        expect![[r#"
            template a en_US | TemplateTextUpdate { header: Some("Hi"), body: Some("Body {{1}}"), footer: Some("Bye"), buttons: [("Go", Some("https://a.example/{{1}}")), ("Call", Some("+442079460018")), ("Stop", None), ("", None)] }
            template a en | status REJECTED | reason INVALID_FORMAT: Adjacent. Put words between.
            template a en | status LOCKED | reason RATE_LIMITING_PAUSE
            template a en | status DISABLED | reason SCAM: disabled on 1767348700
            template a en | status APPROVED
        "#]],
    );
}

#[test]
fn marketing_preferences() {
    let signal =
        |members: &str| format!(r#"{{"wa_id":"447700900123","category":"marketing_messages",{members}}}"#);
    let all = [
        signal(r#""value":"stop","timestamp":1767262400"#),
        signal(r#""value":"RESUME","timestamp":"1767262400""#),
        signal(r#""value":"signup","signup_id":"7","timestamp":1767262400"#),
        signal(r#""value":"ponder","timestamp":1767262400"#),
        signal(r#""value":"stop""#),
        signal(r#""timestamp":1767262400"#),
        r#"{"user_id":"GB.7","value":"stop","timestamp":1767262400}"#.to_owned(),
        r#"{"value":"stop","timestamp":1767262400,"category":"marketing_messages"}"#.to_owned(),
        r#"{"wa_id":"447700900123","value":"stop","timestamp":1767262400,"category":"newsletters"}"#
            .to_owned(),
        "7".to_owned(),
    ];
    let body = envelope(&format!(r#""user_preferences":[{}]"#, all.join(",")))
        .replace(r#""field":"messages""#, r#""field":"user_preferences""#);
    reads(
        &body,
        expect![[r#"
        447700900123 - - takes no marketing | 2026-01-01T10:13:20Z
        447700900123 - - takes marketing | 2026-01-01T10:13:20Z
        447700900123 - - takes marketing | 2026-01-01T10:13:20Z
        other user_preferences
        other user_preferences ! it has no `timestamp`
        other user_preferences ! it has no `value`
        - GB.7 - takes no marketing | 2026-01-01T10:13:20Z
        other user_preferences ! it has neither `wa_id` nor `user_id`
        other user_preferences
        other user_preferences ! an element is a number, not an object
    "#]],
    );
}

#[test]
fn changes_of_number_and_user_id() {
    let system = |members: &str, system: &str| {
        format!(
            r#"{{{members},"id":"wamid.1","timestamp":"1767262192","type":"system","system":{{{system}}}}}"#
        )
    };
    let all = [
        system(r#""from":"447700900123""#, r#""wa_id":"447700900999","type":"user_changed_number""#),
        system(
            r#""from":"447700900123""#,
            r#""wa_id":"447700900999","user_id":"MX.2","previous_user_id":"CO.1","type":"user_changed_number""#,
        ),
        system(
            r#""x":1"#,
            r#""customer":"447700900123","new_wa_id":"447700900999","type":"customer_changed_number""#,
        ),
        system(r#""x":1"#, r#""user_id":"MX.2","previous_user_id":"CO.1","type":"user_changed_user_id""#),
        system(r#""from_user_id":"CO.1""#, r#""user_id":"MX.2","type":"user_changed_user_id""#),
        system(r#""from":"447700900123""#, r#""wa_id":"447700900123","type":"user_changed_number""#),
        system(
            r#""from":"447700900123""#,
            r#""body":"User identity changed","type":"customer_identity_changed""#,
        ),
        system(r#""x":1"#, r#""type":"user_changed_number","wa_id":"447700900999""#),
    ];
    reads(
        &envelope(&format!(r#""messages":[{}]"#, all.join(","))),
        expect![[r#"
        system wamid.1 | 447700900123 - - | 2026-01-01T10:09:52Z | {"wa_id":"447700900999","type":"user_changed_number"} | is by now 447700900999 - -
        system wamid.1 | 447700900123 CO.1 - | 2026-01-01T10:09:52Z | {"wa_id":"447700900999","user_id":"MX.2","previous_user_id":"CO.1","type":"user_changed_number"} | is by now 447700900999 MX.2 -
        system wamid.1 | 447700900123 - - | 2026-01-01T10:09:52Z | {"customer":"447700900123","new_wa_id":"447700900999","type":"customer_changed_number"} | is by now 447700900999 - -
        system wamid.1 | - CO.1 - | 2026-01-01T10:09:52Z | {"user_id":"MX.2","previous_user_id":"CO.1","type":"user_changed_user_id"} | is by now - MX.2 -
        system wamid.1 | - CO.1 - | 2026-01-01T10:09:52Z | {"user_id":"MX.2","type":"user_changed_user_id"} | is by now - MX.2 -
        system wamid.1 | 447700900123 - - | 2026-01-01T10:09:52Z | {"wa_id":"447700900123","type":"user_changed_number"}
        system wamid.1 | 447700900123 - - | 2026-01-01T10:09:52Z | "User identity changed" | {"body":"User identity changed","type":"customer_identity_changed"}
        other messages ! it has neither `from` nor `from_user_id`
    "#]],
    );
    let updates = [
        r#"{"wa_id":"447700900123","user_id":{"previous":"CO.1","current":"MX.2"},"timestamp":1767262192}"#,
        r#"{"user_id":{"previous":"CO.1","current":"MX.2"},"timestamp":"1767262192"}"#,
        r#"{"user_id":{"current":"MX.2"},"timestamp":1767262192}"#,
        r#"{"wa_id":"447700900123","user_id":"MX.2","timestamp":1767262192}"#,
    ];
    let body = envelope(&format!(r#""user_id_update":[{}]"#, updates.join(",")))
        .replace(r#""field":"messages""#, r#""field":"user_id_update""#);
    reads(
        &body,
        expect![[r#"
        447700900123 CO.1 - is - MX.2 - | 2026-01-01T10:09:52Z
        - CO.1 - is - MX.2 - | 2026-01-01T10:09:52Z
        other user_id_update ! it has neither `wa_id` nor `previous`
        other user_id_update ! it has no `user_id` with two ids
    "#]],
    );
}

#[test]
fn echoes_to_groups_are_ignored() {
    let all = [
        r#"{"from":"442079460018","to":"447700900123","to_user_id":"GB.7","id":"wamid.1","timestamp":"1767261700","type":"image","image":{"id":"7"}}"#,
        r#"{"from":"442079460018","to_user_id":"GB.7","id":"wamid.2","timestamp":"1767261700","type":"hologram"}"#,
        r#"{"from":"442079460018","to":"Y2FwaV9ncm91cDox","id":"wamid.3","timestamp":"1767261700","type":"text"}"#,
        r#"{"from":"442079460018","id":"wamid.4","timestamp":"1767261700","type":"text"}"#,
        r#"{"from":"442079460018","to":"447700900123","timestamp":"1767261700","type":"text"}"#,
    ];
    let body = envelope(&format!(r#""message_echoes":[{}]"#, all.join(",")))
        .replace(r#""field":"messages""#, r#""field":"smb_message_echoes""#);
    reads(
        &body,
        expect![[r#"
            echo of image wamid.1 | - | to 447700900123 GB.7 - | 2026-01-01T10:01:40Z
            echo of unsupported wamid.2 | - | to - GB.7 - | 2026-01-01T10:01:40Z
            other smb_message_echoes
            other smb_message_echoes ! it has neither `to` nor `to_user_id`
            other smb_message_echoes ! it has no `id`
        "#]],
    );
}
