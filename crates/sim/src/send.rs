//! Acceptance or refusal of a message: `POST /{phone-number-id}/messages`.
//!
//! The checks have the order of Meta's, as far as it can be observed: the phone number, the shape of the request, the
//! recipient, the template, the limits.
//!
//! **Invariant:** a message is in the journal exactly if its answer says so, or if a fault cut the answer on purpose.

use std::{collections::VecDeque, time::Duration};

use serde_json::{Map, Value, json, value::to_raw_value};

use crate::clock::{DAY, HOUR};
use crate::content::{Content, MediaKind};
use crate::error::{Checked, GraphError};
use crate::graph::{Call, Mark, Reply};
use crate::ids::Direction;
use crate::inbound::identity_hash;
use crate::journal::{Message, Planned, Pricing, Record, Status, pair};
use crate::magic::Magic;
use crate::state::{Number, State};
use crate::template::{Template, bind};
use crate::validate::{Pointed, not_one_of};
use crate::{content, ids, magic, phone};

/// Delay of the slow recipient.
const SLOW: Duration = Duration::from_secs(8);
/// Time for which a message can be reacted to.
const REACTABLE_FOR: i64 = 30 * DAY;
/// Duration of a free entry point window.
const FREE_FOR: i64 = 72 * HOUR;

const TOP_LEVEL: [&str; 24] = [
    "messaging_product",
    "recipient_type",
    "to",
    "recipient",
    "type",
    "context",
    "biz_opaque_callback_data",
    "recipient_identity_key_hash",
    "access_token",
    "appsecret_proof",
    "appsecret_time",
    "product_policy",
    "message_activity_sharing",
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "reaction",
    "interactive",
    "template",
];

/// Recipient of a message.
struct Addressee {
    /// The value of the request.
    input: String,
    /// The recipient's key.
    person: String,
    /// Digits as WhatsApp spells them, when the message is addressed by number.
    wa_id: Option<String>,
    user_id: Option<String>,
}

/// A request whose shape is right.
struct Draft {
    input: String,
    /// The recipient's key.
    person: String,
    /// Digits as WhatsApp spells them, when the message is addressed by number.
    wa_id: Option<String>,
    user_id: Option<String>,
    kind: String,
    content: Content,
    /// Category of the template; `None` for free-form messages.
    template: Option<Template>,
    reference: Option<String>,
    identity_hash: Option<String>,
    body: Value,
}

impl State {
    /// Takes or refuses a message of a number that the caller may use.
    pub(crate) fn send(&mut self, call: &Call, number_id: &str, is_marketing: bool) -> Checked<Reply> {
        let Some(number) = self.numbers.get(number_id).cloned() else {
            return Err(GraphError::no_node("post", number_id));
        };
        if !number.is_registered {
            return Err(GraphError::of(133_010).message("(#133010) Account not registered"));
        }
        product(&call.params)?;
        if call.params.get("status").is_some_and(|status| !status.is_null()) {
            return self.mark_read(call, &number);
        }
        let mut draft = self.draft(call, &number, is_marketing)?;
        self.recipient_allowed(&draft, &number)?;
        self.bind(call, &number, &mut draft, is_marketing)?;
        self.media_exist(&draft, &number)?;

        let magic = magic::of(&draft.person);
        let key = pair(number_id, &draft.person);
        match magic {
            Magic::TokenExpired => {
                return Err(GraphError::of(190)
                    .subcode(463)
                    .message("Error validating access token: the session has expired."));
            }
            Magic::PairLimit => return Err(GraphError::of(131_056)),
            Magic::RefusedTwice(code) => {
                let n = self.refusals.entry(key.clone()).or_insert(0);
                if *n < 2 {
                    *n += 1;
                    return Err(GraphError::of(code));
                }
                *n = 0;
            }
            Magic::Lost => return Ok(Reply::marked(Value::Null, Mark::Cut)),
            Magic::UpTo(_) | Magic::Fails(_) | Magic::CutAfter | Magic::Slow => {}
        }
        if !self.throttle.has_room(number_id, self.env.now_us, &self.settings) {
            return Err(GraphError::of(130_429));
        }
        if !self.throttle.pair_has_room(&key, self.env.now, &self.settings) {
            return Err(GraphError::of(131_056));
        }
        self.throttle.count(number_id, &key, self.env.now_us, &self.settings);

        let answer = self.accept(draft, &number, magic);
        Ok(match magic {
            Magic::CutAfter => Reply::marked(answer, Mark::Cut),
            Magic::Slow => Reply::marked(answer, Mark::Delay(SLOW)),
            Magic::UpTo(_)
            | Magic::Fails(_)
            | Magic::PairLimit
            | Magic::RefusedTwice(_)
            | Magic::TokenExpired
            | Magic::Lost => Reply::json(answer),
        })
    }

    /// Reads `to` or `recipient`.
    fn addressee(&self, call: &Call, number: &Number) -> Checked<Addressee> {
        let params = &call.params;
        let text = |key: &str| text_param(params, key);
        let to = match params.get("to").and_then(Value::as_u64) {
            Some(number) => Some(number.to_string()),
            None => text("to")?.filter(|to| !to.is_empty()).map(str::to_owned),
        };
        let (input, person, wa_id, user_id) = match (to, text("recipient")?) {
            (Some(to), _) => {
                let Some(digits) = phone::digits(&to) else {
                    return Err(GraphError::of(100).details("Param to is not a phone number"));
                };
                let wa_id = self.wa_id(&digits);
                let user_id = phone::user_id(self.business_of(&number.id), &wa_id);
                (to, wa_id.clone(), Some(wa_id), self.settings.user_ids.then_some(user_id))
            }
            (None, Some(user_id)) if phone::is_user_id(user_id) => {
                let person =
                    self.journal.user_ids.get(user_id).cloned().unwrap_or_else(|| user_id.to_owned());
                (user_id.to_owned(), person, None, Some(user_id.to_owned()))
            }
            (None, Some(_)) => {
                return Err(GraphError::of(100).details("Param recipient is not a business-scoped user id"));
            }
            (None, None) => return Err(GraphError::schema("The parameter to is required.")),
        };
        Ok(Addressee { input, person, wa_id, user_id })
    }

    fn draft(&self, call: &Call, number: &Number, is_marketing: bool) -> Checked<Draft> {
        let params = &call.params;
        if self.settings.strict_top_level
            && let Some(key) = params.keys().find(|key| !TOP_LEVEL.contains(&key.as_str()))
        {
            return Err(GraphError::schema(format!("Unexpected key \"{key}\" on the request.")));
        }
        let text = |key: &str| text_param(params, key);
        match text("recipient_type")?.unwrap_or("individual") {
            "individual" => {}
            "group" => {
                return Err(GraphError::schema(
                    "Groups are not simulated; recipient_type must be individual.",
                ));
            }
            other => return Err(not_one_of("recipient_type", &["individual", "group"], other)),
        }
        let Addressee { input, person, wa_id, user_id } = self.addressee(call, number)?;
        let kind = match text("type")? {
            Some(kind) => kind.to_lowercase(),
            None if params.contains_key("text") => "text".to_owned(),
            None => return Err(GraphError::schema("The parameter type is required.")),
        };
        if !content::TYPES.contains(&kind.as_str()) || (is_marketing && kind != "template") {
            return Err(
                GraphError::of(131_051).details(format!("Messages of type \"{kind}\" cannot be sent here"))
            );
        }
        let Some(object) = params.get(&kind).filter(|value| !value.is_null()) else {
            return Err(GraphError::missing(&kind));
        };
        if let Some(context) = params.get("context").filter(|value| !value.is_null()) {
            if kind == "reaction" {
                return Err(GraphError::schema("Param context cannot be used with type reaction."));
            }
            let context = Pointed::root("context", context).object(&["message_id"])?;
            context.need("message_id")?.text_of("Message id", 1, 512)?;
        }
        let reference = text("biz_opaque_callback_data")?;
        if let Some(reference) = reference {
            crate::validate::length("biz_opaque_callback_data", reference.chars().count(), 0, 512)?;
        }
        let content = if kind == "template" {
            Content::default()
        } else {
            content::check(&kind, &Pointed::root(&kind, object))?
        };
        Ok(Draft {
            input,
            person,
            wa_id,
            user_id,
            content,
            template: None,
            reference: reference.map(str::to_owned),
            identity_hash: text("recipient_identity_key_hash")?.map(str::to_owned),
            body: call.body.clone(),
            kind,
        })
    }

    fn recipient_allowed(&self, draft: &Draft, number: &Number) -> Checked<()> {
        if draft.wa_id.as_deref().is_some_and(|wa_id| wa_id == self.wa_id(&number.digits)) {
            return Err(GraphError::of(131_021));
        }
        if number.blocked.contains(&draft.person) {
            return Err(GraphError::of(130_403));
        }
        if let Some(allowed) = &self.settings.allowed_recipients
            && !allowed.iter().any(|allowed| self.wa_id(&phone::only_digits(allowed)) == draft.person)
        {
            return Err(GraphError::of(131_030));
        }
        Ok(())
    }

    /// Finds the template of a template message and matches the parameters against it.
    fn bind(&self, call: &Call, number: &Number, draft: &mut Draft, is_marketing: bool) -> Checked<()> {
        if draft.kind != "template" {
            return Ok(());
        }
        let null = Value::Null;
        let object = call.params.get("template").unwrap_or(&null);
        let given = bind::read(&Pointed::root("template", object))?;
        let waba = self.wabas.get(&number.waba_id);
        let template = waba.and_then(|waba| {
            waba.templates.values().find(|t| t.name == given.name && t.language == given.language)
        });
        let unknown = || {
            GraphError::of(132_001)
                .details(format!("template name ({}) does not exist in {}", given.name, given.language))
        };
        let Some(template) = template else { return Err(unknown()) };
        match template.status.as_str() {
            "APPROVED" => {}
            "PAUSED" => return Err(GraphError::of(132_015)),
            "DISABLED" => return Err(GraphError::of(132_016)),
            _ => return Err(unknown()),
        }
        if is_marketing && template.category != "MARKETING" {
            return Err(GraphError::of(if call.version >= 23 { 134_100 } else { 131_055 }));
        }
        if template.category == "AUTHENTICATION" && draft.wa_id.is_none() {
            return Err(GraphError::of(131_062));
        }
        let switches = waba.map(|waba| &waba.switches);
        let is_off = switches
            .and_then(|switches| switches.get("disable_marketing_messages_on_cloud_api"))
            .and_then(Value::as_bool);
        if template.category == "MARKETING" && !is_marketing && is_off == Some(true) {
            return Err(GraphError::of(131_063));
        }
        bind::bind(template, &given, call.version, &mut draft.content)?;
        draft.template = Some(template.clone());
        Ok(())
    }

    /// Media ids must be known, alive, and uploaded by a number of the same account.
    fn media_exist(&self, draft: &Draft, number: &Number) -> Checked<()> {
        for used in &draft.content.media {
            let is_there = self.media.get(&used.id).is_some_and(|media| {
                media.expires_at > self.env.now
                    && self.numbers.get(&media.number_id).is_some_and(|owner| owner.waba_id == number.waba_id)
            });
            if !is_there {
                return Err(GraphError::of(100)
                    .details(format!("Media with the id {} does not exist or has expired", used.id)));
            }
        }
        Ok(())
    }

    fn accept(&mut self, draft: Draft, number: &Number, magic: Magic) -> Value {
        let now = self.env.now;
        let key = pair(&number.id, &draft.person);
        let mut window = self.journal.windows.get(&key).copied().unwrap_or_default();
        let is_open = window.is_open(now);
        // An answer within 24 hours to somebody who came through an ad opens the free entry point window.
        if window.came_at.is_some_and(|at| now < at + DAY) {
            window.free_until = Some(now + FREE_FOR);
            window.came_at = None;
            self.journal.put(Record::Window(key, window), self.env.is_kept);
        }
        let category = draft.template.as_ref().map(|template| template.category.clone());
        let pricing = pricing(category.as_deref(), is_open, window.free_until.filter(|until| now < *until));
        let plan = self.plan(&draft, number, magic, is_open);
        let id = ids::wamid(Direction::Out, &draft.person, &self.mint("outbound"));
        if let (Some(user_id), Some(wa_id)) = (&draft.user_id, &draft.wa_id) {
            self.learn_user_id(user_id, wa_id);
        }
        let mut contact = Map::new();
        contact.insert("input".to_owned(), json!(draft.input));
        match (&draft.wa_id, &draft.user_id) {
            (Some(wa_id), _) => contact.insert("wa_id".to_owned(), json!(wa_id)),
            (None, user_id) => contact.insert("user_id".to_owned(), json!(user_id)),
        };
        let mut sent = json!({"id": id});
        if draft.template.is_some()
            && let Some(sent) = sent.as_object_mut()
        {
            sent.insert("message_status".to_owned(), json!("accepted"));
        }
        self.next += 1;
        let message = Message {
            seq: self.next,
            id,
            number_id: number.id.clone(),
            input: draft.input,
            person: draft.person,
            wa_id: draft.wa_id,
            user_id: draft.user_id,
            kind: draft.kind,
            body: to_raw_value(&draft.body).unwrap_or_default(),
            accepted_at: now,
            status: Status::Accepted,
            plan,
            reference: draft.reference,
            pricing,
            errors: None,
        };
        self.journal.put(Record::Message(Box::new(message)), self.env.is_kept);
        json!({"messaging_product": "whatsapp", "contacts": [contact], "messages": [sent]})
    }

    /// Returns the statuses that will be reported of a message, with their times.
    fn plan(&self, draft: &Draft, number: &Number, magic: Magic, is_open: bool) -> VecDeque<Planned> {
        let delay = i64::from(self.settings.status_delay_ms);
        let failure = match magic {
            Magic::Fails(code) => Some(code),
            Magic::UpTo(_)
            | Magic::PairLimit
            | Magic::RefusedTwice(_)
            | Magic::TokenExpired
            | Magic::CutAfter
            | Magic::Lost
            | Magic::Slow => self.failure(draft, number, is_open),
        };
        if failure.is_some() {
            let at = self.env.now + delay;
            return VecDeque::from([Planned { at, status: Status::Failed, code: failure }]);
        }
        let last = if draft.kind == "reaction" {
            Status::Sent
        } else if let Magic::UpTo(last) = magic {
            last
        } else {
            Status::Read
        };
        let mut statuses = vec![Status::Sent, Status::Delivered, Status::Read];
        statuses.retain(|status| *status <= last);
        if draft.content.is_voice && last == Status::Read {
            statuses.push(Status::Played);
        }
        let mut at = self.env.now;
        statuses
            .into_iter()
            .map(|status| {
                at += delay;
                Planned { at, status, code: None }
            })
            .collect()
    }

    /// The code with which an accepted message will fail.
    fn failure(&self, draft: &Draft, number: &Number, is_open: bool) -> Option<i64> {
        let person = &draft.person;
        if draft.wa_id.as_ref().is_some_and(|digits| !(7..=15).contains(&digits.len())) {
            return Some(131_026);
        }
        if draft.identity_hash.as_ref().is_some_and(|hash| *hash != identity_hash(person)) {
            return Some(137_000);
        }
        if draft.template.is_none() && !is_open {
            return Some(131_047);
        }
        let is_marketing = draft.template.as_ref().is_some_and(|template| template.category == "MARKETING");
        if is_marketing
            && self.settings.us_marketing_rule
            && draft.wa_id.as_ref().is_some_and(|digits| digits.starts_with('1'))
            && !person.starts_with(magic::PREFIX)
        {
            return Some(131_049);
        }
        if let Some(target) = &draft.content.reacts_to {
            return (!self.can_react(&number.id, person, target)).then_some(131_009);
        }
        let fits = |kind: MediaKind, id: &str| self.media.get(id).is_none_or(|media| kind.takes(&media.mime));
        draft.content.media.iter().any(|used| !fits(used.kind, &used.id)).then_some(131_053)
    }

    fn can_react(&self, number_id: &str, person: &str, target: &str) -> bool {
        let since = self.env.now - REACTABLE_FOR;
        let received = self.journal.inbound.get(target).is_some_and(|inbound| {
            inbound.number_id == number_id
                && inbound.person == person
                && inbound.kind != "reaction"
                && inbound.at >= since
        });
        received
            || self.journal.message(target).is_some_and(|message| {
                message.number_id == number_id
                    && message.person == person
                    && message.kind != "reaction"
                    && message.accepted_at >= since
            })
    }

    /// `status: read`, with or without a typing indicator.
    fn mark_read(&mut self, call: &Call, number: &Number) -> Checked<Reply> {
        let member = |key: &str| call.params.get(key).map(|value| Pointed::root(key, value));
        member("status").map(|at| at.one_of(&["read"])).transpose()?;
        let Some(id) = member("message_id").map(|at| at.text()).transpose()? else {
            return Err(GraphError::schema("The parameter message_id is required."));
        };
        if let Some(typing) = member("typing_indicator") {
            let typing = typing.object(&["type"])?;
            typing.need("type")?.one_of(&["text"])?;
        }
        let known = self.journal.inbound.get(id).filter(|inbound| inbound.number_id == number.id).cloned();
        let Some(mut inbound) = known else {
            return Err(GraphError::invalid(
                "message_id is not the id of a message that this number received",
            ));
        };
        if !inbound.is_read {
            inbound.is_read = true;
            self.journal.put(Record::Inbound(inbound), self.env.is_kept);
        }
        Ok(Reply::success())
    }
}

/// `messaging_product` must be there and be `whatsapp`.
pub(crate) fn product(params: &Map<String, Value>) -> Checked<()> {
    match params.get("messaging_product").and_then(Value::as_str) {
        Some("whatsapp") => Ok(()),
        Some(other) => Err(not_one_of("messaging_product", &["whatsapp"], other)),
        None => Err(GraphError::schema("The parameter messaging_product is required.")),
    }
}

fn pricing(category: Option<&str>, is_open: bool, free_until: Option<i64>) -> Pricing {
    let own = category.map_or_else(|| "service".to_owned(), str::to_lowercase);
    let (kind, category) = match category {
        _ if free_until.is_some() => ("free_entry_point", "referral_conversion".to_owned()),
        None => ("free_customer_service", own),
        Some("UTILITY") if is_open => ("free_customer_service", own),
        Some(_) => ("regular", own),
    };
    Pricing { is_billable: kind == "regular", kind: kind.to_owned(), category, free_until }
}

/// Reads a parameter that is a text, or absent or null.
fn text_param<'a>(params: &'a Map<String, Value>, key: &str) -> Checked<Option<&'a str>> {
    let value = params.get(key).filter(|value| !value.is_null());
    value.map(|value| Pointed::root(key, value).text()).transpose()
}
