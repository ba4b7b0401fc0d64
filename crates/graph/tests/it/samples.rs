//! Sample payloads of the webhook fields, and their decoded changes (Meta: Cloud API, Webhooks Notification Payload
//! Examples, <https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/payload-examples>).

use std::fmt::Write as _;

use bytes::Bytes;
use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::messages::inbound::InboundMessage;
use domain::messages::status_report::StatusReport;
use domain::webhooks_in::update::{AccountUpdate, TemplateUpdate, WebhookUpdate};
use engine::ports::WebhookChange;
use expect_test::{Expect, expect};
use graph::decode_webhook;

/// Returns the `value` of a change of the field `messages` with these members, as Meta's samples show it.
pub(crate) fn envelope(members: &str) -> String {
    format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"210987650001234","changes":[{{"field":"messages","value":{{"messaging_product":"whatsapp","metadata":{{"display_phone_number":"442079460018","phone_number_id":"330011220099887"}},{members}}}}}]}}]}}"#
    )
}

const CONTACTS: &str = r#""contacts":[{"profile":{"name":"Maya Osei"},"wa_id":"447700900123","user_id":"GB.77120394857261034"}]"#;

pub(crate) fn decode(body: &str) -> Vec<WebhookChange> {
    decode_webhook(&Bytes::copy_from_slice(body.as_bytes())).expect("JSON")
}

/// Returns the bytes of a change.
pub(crate) fn bytes_of<'a>(body: &'a str, decoded: &WebhookChange) -> &'a str {
    let start = usize::try_from(decoded.span.0).unwrap();
    let end = start + usize::try_from(decoded.span.1).unwrap();
    body.get(start..end).expect("a span inside the body")
}

fn user(user: &WhatsAppUser) -> String {
    let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    format!("{} {} {}", or_dash(&user.wa_id), or_dash(&user.user_id), or_dash(&user.name))
}

/// Formats the changes of a template update.
fn template(update: &TemplateUpdate) -> String {
    let TemplateUpdate { name, language, status, category, quality, reason, text } = update;
    let mut line = format!("template {name} {language}");
    for (what, value) in
        [("status", status), ("category", category), ("quality", quality), ("reason", reason)]
    {
        if let Some(value) = value {
            write!(line, " | {what} {value}").unwrap();
        }
    }
    if let Some(text) = text {
        write!(line, " | {text:?}").unwrap();
    }
    line
}

fn account(update: &AccountUpdate) -> String {
    let AccountUpdate { number, change, hold, quality, tier, name, details } = update;
    let mut line = format!("account {change:?}");
    if let Some(hold) = hold {
        write!(line, " | {hold:?}").unwrap();
    }
    for (what, value) in [("number", number), ("quality", quality), ("tier", tier), ("name", name)] {
        if let Some(value) = value {
            write!(line, " | {what} {value}").unwrap();
        }
    }
    if details.is_none() {
        line.push_str(" | without details");
    }
    line
}

/// Returns the end of an id of Meta.
fn tail(id: &str) -> &str {
    id.get(id.len().saturating_sub(8)..).unwrap_or(id)
}

fn format_message(message: &InboundMessage) -> String {
    let mut line =
        format!("{} {} | {} | {}", message.kind, tail(&message.wamid), user(&message.from), message.at);
    if let Some(text) = &message.text {
        write!(line, " | {text:?}").unwrap();
    }
    if let Some(context) = &message.context_wamid {
        write!(line, " | to {}", tail(context)).unwrap();
    }
    if let Some(object) = &message.object {
        write!(line, " | {object}").unwrap();
    }
    let metadata = &message.metadata;
    for (name, value) in [
        ("referred_product", &metadata.referred_product),
        ("referral", &metadata.referral),
        ("errors", &metadata.errors),
    ] {
        if let Some(value) = value {
            write!(line, " | {name} {value}").unwrap();
        }
    }
    for (is_set, value) in
        [(metadata.is_forwarded, "forwarded"), (metadata.is_frequently_forwarded, "frequently forwarded")]
    {
        if is_set {
            write!(line, " | {value}").unwrap();
        }
    }
    if let Some(to) = &metadata.new_identity {
        write!(line, " | is by now {}", user(to)).unwrap();
    }
    if let Some(group_id) = &metadata.group_id {
        write!(line, " | in group {group_id}").unwrap();
    }
    line
}

fn format_status(report: &StatusReport) -> String {
    let mut line = format!(
        "{} {} | {:?} {:?} | {}",
        report.status,
        tail(&report.wamid),
        report.recipient,
        report.user_id,
        report.at
    );
    if let Some(reference) = &report.reference {
        write!(line, " | {reference}").unwrap();
    }
    if let Some(pricing) = &report.pricing {
        write!(line, " | {}", serde_json::to_string(pricing).unwrap()).unwrap();
    }
    if let Some(error) = &report.error {
        write!(line, " | {}", serde_json::to_string(error).unwrap()).unwrap();
    }
    line
}

/// Formats one change on one line; ids of Meta are shortened to their end.
pub(crate) fn format_change(decoded: &WebhookChange) -> String {
    let mut line = match &decoded.update {
        WebhookUpdate::Message(message) => format_message(message),
        WebhookUpdate::Status(report) => format_status(report),
        WebhookUpdate::Call(call) => format!("call | {} | {}", user(&call.from), call.at),
        WebhookUpdate::MessageEcho(echo) => {
            let text = echo.text.as_deref().unwrap_or("-");
            format!(
                "echo of {} {} | {text} | to {} | {}",
                echo.kind,
                tail(&echo.wamid),
                user(&echo.to),
                echo.at
            )
        }
        WebhookUpdate::MarketingPreference(preference) => {
            let text = if preference.takes_marketing { "takes marketing" } else { "takes no marketing" };
            format!("{} {text} | {}", user(&preference.from), preference.at)
        }
        WebhookUpdate::NumberChange(update) => {
            format!("{} is {} | {}", user(&update.from), user(&update.to), update.at)
        }
        WebhookUpdate::Template(update) => template(update),
        WebhookUpdate::Account(update) => account(update),
        WebhookUpdate::Other => format!("other {}", decoded.field),
    };
    if let Some(reason) = &decoded.undecodable {
        write!(line, " ! {reason}").unwrap();
    }
    line
}

#[expect(clippy::needless_pass_by_value, reason = "the literal stands at the call")]
pub(crate) fn reads(body: &str, expected: Expect) {
    let lines: Vec<String> =
        decode(body).iter().map(|decoded| format!("{}\n", format_change(decoded))).collect();
    expected.assert_eq(&lines.concat());
}

#[test]
fn every_inbound_type_is_decoded() {
    let elements = include_str!("fixtures/messages.jsonl").trim_end().lines().collect::<Vec<_>>();
    let body = envelope(&format!(r#"{CONTACTS},"messages":[{}]"#, elements.join(",\n")));
    for (decoded, element) in decode(&body).iter().zip(&elements) {
        assert_eq!(bytes_of(&body, decoded), *element);
        assert_eq!(decoded.waba_id.as_deref(), Some("210987650001234"));
        assert_eq!(decoded.phone_number_id.as_deref(), Some("330011220099887"));
        assert_eq!(decoded.field, "messages");
    }
    reads(
        &body,
        expect![[r#"
        image NjI1RjcA | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:00:37Z | "Scratched hull" | {"id":"77001","mime_type":"image/jpeg","sha256":"n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=","caption":"Scratched hull","url":"https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=77001&source=webhook&ext=1767262000&hash=ATx"}
        video NjQ0RTYA | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:01:14Z | {"id":"77002","mime_type":"video/mp4","sha256":"n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=","url":"https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=77001&source=webhook&ext=1767262000&hash=ATx"}
        audio NjYzRDUA | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:01:51Z | {"id":"77003","mime_type":"audio/ogg; codecs=opus","sha256":"n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=","voice":true,"url":"https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=77001&source=webhook&ext=1767262000&hash=ATx"}
        document NjgyQzQA | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:02:28Z | "signed" | {"id":"77004","mime_type":"application/pdf","sha256":"n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=","filename":"claim.pdf","caption":"signed","url":"https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=77001&source=webhook&ext=1767262000&hash=ATx"}
        sticker NkExQjMA | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:03:05Z | {"id":"77005","mime_type":"image/webp","sha256":"n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=","animated":false,"url":"https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=77001&source=webhook&ext=1767262000&hash=ATx"}
        location NkMwQTIA | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:03:42Z | {"latitude":56.4152,"longitude":-5.471,"name":"Ferry terminal","address":"Oban PA34"}
        contacts NkRGOTEA | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:04:19Z | [{"name":{"formatted_name":"Tom Reid","first_name":"Tom","last_name":"Reid"},"phones":[{"phone":"+44 7700 900456","wa_id":"447700900456","type":"CELL"}]}]
        interactive NkZFODAA | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:04:56Z | "Confirm" | to RThGAA== | {"type":"button_reply","button_reply":{"id":"dlv:yes:88121","title":"Confirm"}}
        button NzFENkYA | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:05:33Z | "Stop alerts" | to RThGAA== | {"payload":"stop-delay-alerts","text":"Stop alerts"}
        reaction NzNDNUUA | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:06:10Z | {"message_id":"wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSMEQxRTJGM0E0QjVDNkQ3RThGAA==","emoji":"👍"}
        reaction NzVCNEQA | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:06:47Z | {"message_id":"wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSMEQxRTJGM0E0QjVDNkQ3RThGAA=="}
        text NzdBM0MA | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:07:24Z | "In blue?" | to RThGAA== | {"body":"In blue?"} | referred_product {"catalog_id":"880011223344","product_retailer_id":"MUG-RED"}
        text Nzk5MkIA | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:08:01Z | "fyi" | {"body":"fyi"} | frequently forwarded
        text N0I4MUEA | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:08:38Z | "Hi!" | {"body":"Hi!"} | referral {"source_url":"https://fb.me/abc","source_id":"120200001","source_type":"ad","headline":"Winter sailings","body":"Book now","media_type":"image","image_url":"https://cdn.example/i.jpg","ctwa_clid":"ARAk","welcome_message":{"text":"How can we help?"}}
        unsupported N0Q3MDkA | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:09:15Z | {"type":"poll"} | errors [{"code":131051,"title":"Message type unknown","message":"Message type unknown","error_data":{"details":"Message type is currently not supported."}}]
        system N0Y1RjgA | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:09:52Z | "User Maya Osei changed from 447700900123 to 447700900999" | {"body":"User Maya Osei changed from 447700900123 to 447700900999","wa_id":"447700900999","type":"user_changed_number"} | is by now 447700900999 - -
        edit ODMzRDYA | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:10:29Z | "10:30 instead" | {"original_message_id":"wamid.HBgMNDQ3NzAwOTAwMTIzFQIAEhgUM0EwMDAxMDIwMzA0MDUwODE0RTcA","message":{"type":"text","text":{"body":"10:30 instead"}}}
        revoke ODcxQjQA | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:11:06Z | {"original_message_id":"wamid.HBgMNDQ3NzAwOTAwMTIzFQIAEhgUM0EwMDAxMDIwMzA0MDUwODUyQzUA"}
        text ODkwQTMA | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:11:56Z | "hello" | {"body":"hello"}
    "#]],
    );
}

#[test]
fn every_status_is_decoded() {
    let elements = include_str!("fixtures/statuses.jsonl").trim_end().lines().collect::<Vec<_>>();
    let body = envelope(&format!(r#""statuses":[{}]"#, elements.join(", ")));
    for (decoded, element) in decode(&body).iter().zip(&elements) {
        assert_eq!(bytes_of(&body, decoded), *element);
    }
    reads(
        &body,
        expect![[r#"
        delivered RThGAA== | Some("447700900123") None | 2026-01-01T10:00:12Z | {"billable":true,"pricing_model":"PMP","type":"regular","category":"marketing"}
        read RThGAA== | Some("447700900123") None | 2026-01-01T10:01:40Z
        delivered RThGAA== | Some("447700900123") None | 2026-01-01T10:00:12Z | {"billable":false,"pricing_model":"PMP","type":"free_customer_service","category":"service"}
        played RThGAA== | Some("447700900123") None | 2026-01-01T10:03:20Z
        read RThGAA== | Some("447700900123") None | 2026-01-01T10:03:21Z
        other messages
    "#]],
    );
}

#[test]
fn every_management_field_is_decoded_or_stored() {
    let changes = include_str!("fixtures/changes.jsonl").trim_end().lines().collect::<Vec<_>>();
    let body = format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"210987650001234","time":1767262300,"changes":[{}]}}]}}"#,
        changes.join(",")
    );
    for (decoded, change) in decode(&body).iter().zip(&changes) {
        if decoded.field != "user_preferences" {
            assert_eq!(bytes_of(&body, decoded), *change);
        }
    }
    reads(
        &body,
        expect![[r#"
            template spring_deal en_GB | status REJECTED | reason INVALID_FORMAT: Two placeholders are adjacent. Put words between them.
            template ferry_delay en_GB | quality YELLOW
            template ferry_delay en_GB
            template ferry_delay en_GB | category MARKETING
            template ferry_delay en_GB | TemplateTextUpdate { header: None, body: Some("Sailing from {{port}} leaves {{minutes}} minutes late today."), footer: None, buttons: [("Track ferry", Some("https://ferry.example/t/{{1}}"))] }
            account Notice
            account Notice
            account Notice
            account Notice
            account Throughput | number 442079460018 | tier TIER_UNLIMITED
            account Name | number 442079460018
            account MessagingLimit | tier TIER_2K
            account Notice | number 442079460018
            account Notice
            447700900123 - Maya Osei takes no marketing | 2026-01-01T10:13:20Z
        "#]],
    );
}

#[test]
fn samples_of_replies() {
    let body = envelope(&format!(
        r#"{CONTACTS},"messages":[
{{"from":"447700900123","from_user_id":"GB.77120394857261034","id":"wamid.C3","timestamp":"1767261605","type":"text","text":{{"body":"Is the 09:00 slot free?"}}}},
{{ "from":"447700900123","id":"wamid.HBg1","timestamp":"1767261777","type":"interactive",
  "context":{{"from":"442079460018","id":"wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSMEQxRTJGM0E0QjVDNkQ3RThGAA=="}},
  "interactive":{{"type":"list_reply","list_reply":{{"id":"slot-1400","title":"14:00","description":"Dr Lindqvist"}}}} }},
{{ "from":"447700900123","id":"wamid.HBg2","timestamp":"1767261900","type":"order",
  "order":{{"catalog_id":"880011223344","text":"leave at reception",
           "product_items":[{{"product_retailer_id":"MUG-RED","quantity":2,"item_price":12.5,"currency":"GBP"}}]}} }},
{{ "from":"447700900123","id":"wamid.HBg3","timestamp":"1767262011","type":"interactive",
  "context":{{"from":"442079460018","id":"wamid.HBg"}},
  "interactive":{{"type":"nfm_reply","nfm_reply":{{"name":"flow","body":"Sent","response_json":"{{\"flow_token\":\"bk-7\",\"day\":\"thu\"}}"}}}} }},
{{"from":"447700900123","id":"wamid.HBg4","timestamp":1767262012,"type":"request_welcome"}},
{{"from":"447700900123","id":"wamid.HBg5","timestamp":"1767262013","type":"hologram","hologram":{{"depth":3}}}},
{{"from":"447700900123","id":"wamid.HBg6","timestamp":"1767262014","type":"unknown","errors":[{{"code":131051}}]}}]"#
    ));
    reads(
        &body,
        expect![[r#"
        text wamid.C3 | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:00:05Z | "Is the 09:00 slot free?" | {"body":"Is the 09:00 slot free?"}
        interactive mid.HBg1 | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:02:57Z | "14:00" | to RThGAA== | {"type":"list_reply","list_reply":{"id":"slot-1400","title":"14:00","description":"Dr Lindqvist"}}
        order mid.HBg2 | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:05:00Z | "leave at reception" | {"catalog_id":"880011223344","text":"leave at reception","product_items":[{"product_retailer_id":"MUG-RED","quantity":2,"item_price":12.5,"currency":"GBP"}]}
        interactive mid.HBg3 | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:06:51Z | "Sent" | to amid.HBg | {"type":"nfm_reply","nfm_reply":{"name":"flow","body":"Sent","response_json":"{\"flow_token\":\"bk-7\",\"day\":\"thu\"}"}}
        request_welcome mid.HBg4 | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:06:52Z
        unsupported mid.HBg5 | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:06:53Z | {"depth":3}
        unsupported mid.HBg6 | 447700900123 GB.77120394857261034 Maya Osei | 2026-01-01T10:06:54Z | errors [{"code":131051}]
    "#]],
    );
}

#[test]
fn samples_of_statuses() {
    let reference = "019b76da-a800-7000-8000-000000000001";
    let body = envelope(&format!(
        r#""statuses":[
{{ "id":"wamid.sent","status":"sent","timestamp":"1767261610",
  "recipient_id":"447700900123","biz_opaque_callback_data":"job=4417;row=9",
  "conversation":{{"id":"5b1f0c9d2e7a4433","expiration_timestamp":"1767348000","origin":{{"type":"utility"}}}},
  "pricing":{{"billable":true,"pricing_model":"PMP","type":"regular","category":"utility"}} }},
{{ "id":"wamid.failed","status":"failed","timestamp":"1767261612","recipient_id":"447700900123","biz_opaque_callback_data":"{reference}",
  "errors":[{{"code":131047,"title":"Re-engagement message","message":"Re-engagement message",
             "error_data":{{"details":"Message failed to send because more than 24 hours have passed since the customer last replied to this number."}},
             "href":"https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes"}}] }},
{{"id":"wamid.bsuid","status":"delivered","timestamp":1767261613,"recipient_id":"","recipient_user_id":"GB.77120394857261034","parent_recipient_user_id":"GB.ENT.1","biz_opaque_callback_data":"{reference}:2"}},
{{"id":"wamid.parent","status":"read","timestamp":"1767261614","recipient_user_id":"GB.77120394857261034","recipient_parent_user_id":"GB.ENT.1"}},
{{"id":"wamid.call","type":"call","status":"RINGING","timestamp":"1767261615","recipient_id":"447700900123"}},
{{"id":"wamid.deleted","status":"deleted","timestamp":"1767261616","recipient_id":"447700900123"}},
{{"id":"wamid.legacy","type":"message","status":"failed","timestamp":"1767261617","recipient_id":447700900123,"errors":[{{"code":"1026","title":"Receiver Incapable"}}]}}],
"errors":[{{"code":130429,"title":"Rate limit hit"}}]"#
    ));
    reads(
        &body,
        expect![[r#"
        sent mid.sent | Some("447700900123") None | 2026-01-01T10:00:10Z | {"billable":true,"pricing_model":"PMP","type":"regular","category":"utility"}
        failed d.failed | Some("447700900123") None | 2026-01-01T10:00:12Z | 019b76da-a800-7000-8000-000000000001 | {"code":131047,"title":"Re-engagement message","details":"Message failed to send because more than 24 hours have passed since the customer last replied to this number."}
        delivered id.bsuid | None Some("GB.77120394857261034") | 2026-01-01T10:00:13Z | 019b76da-a800-7000-8000-000000000001:2
        read d.parent | None Some("GB.77120394857261034") | 2026-01-01T10:00:14Z
        other messages
        other messages
        failed d.legacy | Some("447700900123") None | 2026-01-01T10:00:17Z | {"code":1026,"title":"Receiver Incapable"}
        account Notice
    "#]],
    );
}

#[test]
fn a_template_is_paused_and_unpaused() {
    let change = |members: &str| {
        format!(
            r#"{{"field":"message_template_status_update","value":{{{members},"message_template_id":707001122334455,"message_template_name":"ferry_delay","message_template_language":"en-GB","message_template_category":"UTILITY","reason":null}}}}"#
        )
    };
    let changes = [
        r#""event":"PAUSED","other_info":{"title":"FIRST_PAUSE","description":"paused for quality"}"#,
        r#""event":"PAUSED","other_info":{"title":"UNPAUSE","description":"again"}"#,
        r#""event":"reinstated""#,
        r#""event":"UNARCHIVED""#,
        r#""event":"FLAGGED""#,
        r#""event":"DISABLED","disable_info":{"disable_date":"1767348700"}"#,
        r#""event":"SOMETHING_NEW""#,
        r#""previous_quality_score":"GREEN","new_quality_score":"RED""#,
    ];
    let changes = changes.map(change).join(",");
    reads(
        &format!(r#"{{"entry":[{{"id":"2","time":1,"changes":[{changes}]}}]}}"#),
        expect![[r#"
        template ferry_delay en_GB | status PAUSED | reason FIRST_PAUSE: paused for quality
        template ferry_delay en_GB | status APPROVED | reason UNPAUSE: again
        template ferry_delay en_GB | status APPROVED
        template ferry_delay en_GB | status APPROVED
        template ferry_delay en_GB | status FLAGGED
        template ferry_delay en_GB | status DISABLED | reason disabled on 1767348700
        template ferry_delay en_GB
        template ferry_delay en_GB | quality RED
    "#]],
    );
}

#[test]
fn calls_of_customers_and_of_the_business() {
    let body = r#"{"object":"whatsapp_business_account","entry":[{"id":"2","changes":[{"field":"calls","value":{
        "metadata":{"phone_number_id":"33"},"contacts":[{"profile":{"name":"Maya"},"wa_id":"447700900123"}],"calls":[
        {"id":"wacid.1","from":"447700900123","to":"442079460018","event":"connect","direction":"USER_INITIATED","timestamp":"1767261700","session":{"sdp":"v=0","sdp_type":"offer"}},
        {"id":"wacid.1","from":"447700900123","to":"442079460018","event":"terminate","direction":"USER_INITIATED","timestamp":"1767261799","start_time":"1767261701","end_time":"1767261798","duration":97},
        {"id":"wacid.2","from":"442079460018","to":"447700900123","event":"connect","direction":"BUSINESS_INITIATED","timestamp":"1767261800"},
        {"id":"wacid.3","direction":"USER_INITIATED","timestamp":"1767261800"}],
        "statuses":[{"id":"wacid.2","type":"call","status":"ACCEPTED","timestamp":"1767261801","recipient_id":"447700900123"}]}}]}]}"#;
    reads(
        body,
        expect![[r#"
        call | 447700900123 - Maya | 2026-01-01T10:01:40Z
        call | 447700900123 - Maya | 2026-01-01T10:01:41Z
        other calls
        call | 447700900123 - Maya | 2026-01-01T10:03:20Z
        other calls
    "#]],
    );
}

#[test]
fn echoes_are_not_inbound_messages() {
    let body = r#"{"entry":[{"id":"2","changes":[
        {"field":"smb_message_echoes","value":{"metadata":{"phone_number_id":"33"},"message_echoes":[{"from":"442079460018","to":"447700900123","id":"wamid.e","timestamp":"1767261700","type":"text","text":{"body":"ours"}}]}},
        {"field":"message_echoes","value":{"messages":[{"from":"442079460018","to":"447700900123","id":"wamid.f","timestamp":"1767261700","type":"text","text":{"body":"ours"}}]}},
        {"field":"history","value":{"history":[{"threads":[{"messages":[{"from":"447700900123","id":"wamid.g","timestamp":"1767261700","type":"text","text":{"body":"old"}}]}]}]}}]}]}"#;
    reads(
        body,
        expect![[r#"
            echo of text wamid.e | ours | to 447700900123 - - | 2026-01-01T10:01:40Z
            other message_echoes
            other history
        "#]],
    );
}
