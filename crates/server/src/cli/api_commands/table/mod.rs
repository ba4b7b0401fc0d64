//! Table of the commands that call the API.

mod contacts;
mod events;
mod messages;
mod shared;
mod templates;
mod webhooks;

use super::definition::CommandGroup;

/// All commands, by resource.
pub(super) const GROUPS: &[CommandGroup] = &[
    CommandGroup {
        name: "templates",
        about: "Message templates: list, show, sync",
        commands: templates::TEMPLATES,
    },
    CommandGroup {
        name: "messages",
        about: "Messages: list, show, cancel, reschedule, resolve, mark as read",
        commands: messages::MESSAGES,
    },
    CommandGroup { name: "events", about: "Events: list, follow", commands: events::EVENTS },
    CommandGroup {
        name: "webhooks",
        about: "Webhook endpoints: list, add, update, test; deliveries: list, redeliver, replay, skip",
        commands: webhooks::WEBHOOKS,
    },
    CommandGroup {
        name: "contacts",
        about: "Contacts: list, show, add, update, remove, import, export",
        commands: contacts::CONTACTS,
    },
];
