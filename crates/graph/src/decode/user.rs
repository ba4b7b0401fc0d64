//! The user of an update: the ids in the element, and the name from `contacts` beside it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use domain::contacts::whatsapp_user::WhatsAppUser;

use super::fields::owned;
use crate::json_reader::Json;

struct Contact<'a> {
    wa_id: Option<Cow<'a, str>>,
    user_id: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    username: Option<Cow<'a, str>>,
}

/// Contacts beside the updates of one change.
///
/// They are matched by their ids and never by their position: Meta lists each user once, however many messages the
/// user sent.
#[derive(Default)]
pub(super) struct ContactIndex<'a> {
    contacts: Vec<Contact<'a>>,
    /// Positions in `contacts`.
    by_wa_id: BTreeMap<String, usize>,
    by_user_id: BTreeMap<String, usize>,
}

impl<'a> ContactIndex<'a> {
    /// Reads `contacts` of a change's value.
    pub(super) fn read(value: Json<'a>) -> Self {
        let mut contacts = Self::default();
        let lists = value.members().filter(|(name, _)| name == "contacts");
        for contact in lists.flat_map(|(_, contacts)| contacts.elements()) {
            let field = |name| contact.get(name).and_then(Json::scalar);
            let profile = |name: &str| contact.get("profile")?.get(name)?.string();
            let is_not_blank = |text: &Cow<'_, str>| !text.trim().is_empty();
            let contact = Contact {
                wa_id: field("wa_id"),
                user_id: field("user_id"),
                name: profile("name").filter(is_not_blank),
                username: profile("username").filter(is_not_blank),
            };
            let position = contacts.contacts.len();
            if let Some(wa_id) = &contact.wa_id {
                contacts.by_wa_id.insert(wa_id.clone().into_owned(), position);
            }
            if let Some(user_id) = &contact.user_id {
                contacts.by_user_id.insert(user_id.clone().into_owned(), position);
            }
            contacts.contacts.push(contact);
        }
        contacts
    }

    /// Returns the user with these ids, completed from the contacts.
    pub(super) fn user(&self, wa_id: Option<Cow<'a, str>>, user_id: Option<Cow<'a, str>>) -> WhatsAppUser {
        let position = user_id
            .as_deref()
            .and_then(|user_id| self.by_user_id.get(user_id))
            .or_else(|| wa_id.as_deref().and_then(|wa_id| self.by_wa_id.get(wa_id)));
        let contact = match (position, self.contacts.as_slice()) {
            (Some(position), contacts) => contacts.get(*position),
            // If the element has no ids, a single contact is its user. If it has ids that differ from the contact's,
            // the contact is another user: two users must not become one.
            (None, [only]) => {
                let has_ids = only.wa_id.is_some() || only.user_id.is_some();
                let is_asked_by_id = wa_id.is_some() || user_id.is_some();
                (!has_ids || !is_asked_by_id).then_some(only)
            }
            (None, _) => None,
        };
        WhatsAppUser {
            wa_id: owned(wa_id.or_else(|| contact?.wa_id.clone())),
            user_id: owned(user_id.or_else(|| contact?.user_id.clone())),
            name: owned(contact.and_then(|contact| contact.name.clone())),
            username: owned(contact.and_then(|contact| contact.username.clone())),
        }
    }
}
