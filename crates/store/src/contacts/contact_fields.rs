//! Fields of a contact that an application writes, before and after a change.

use domain::check::Patch;
use domain::contacts::contact::{ContactChange, CustomFields, custom_text};
use domain::contacts::opt_out::{OptOut, OptOutReason, OptOutSignal};
use domain::id::{ContactId, WorkspaceId};
use domain::json::Object;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::contacts::opt_out;
use crate::error::SqlResult;
use crate::row::{SelectRow as _, json, micros, row};
use crate::sqlite::execute::Execute as _;

/// Fields of a contact.
#[derive(Clone, PartialEq)]
pub(crate) struct ContactFields {
    pub(crate) wa_id: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) stage: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) custom_fields: Object,
    pub(crate) opt_out: OptOut,
}

row! {
    struct FieldsRow {
        wa_id: Option<String> = get "wa_id",
        user_id: Option<String> = get "bsuid",
        name: Option<String> = get "name",
        tags: Vec<String> = json "tags",
        stage: Option<String> = get "stage",
        email: Option<String> = get "email",
        custom_fields: Object = json "custom_fields",
        preference_at: Option<Timestamp> = opt_at "marketing_preference_at",
        opted_out: Option<(Timestamp, OptOutReason)> = opt_at_and_parsed "opted_out_at, opted_out_reason",
        profile_name: Option<String> = get "profile_name",
    } from "contacts where workspace_id = ?1 and id = ?2"
}

impl ContactFields {
    pub(crate) fn empty() -> Self {
        Self {
            wa_id: None,
            user_id: None,
            name: None,
            tags: Vec::new(),
            stage: None,
            email: None,
            custom_fields: Object::new(),
            opt_out: OptOut::default(),
        }
    }

    /// Reads the fields and the profile name of a contact.
    pub(crate) fn read(
        connection: &Connection,
        workspace: WorkspaceId,
        contact: ContactId,
    ) -> SqlResult<Option<(Self, Option<String>)>> {
        let key = (workspace.as_bytes(), contact.as_bytes());
        let Some(row) = FieldsRow::find(connection, key)? else { return Ok(None) };
        let fields = Self {
            wa_id: row.wa_id,
            user_id: row.user_id,
            name: row.name,
            tags: row.tags,
            stage: row.stage,
            email: row.email,
            custom_fields: row.custom_fields,
            opt_out: OptOut { preference_at: row.preference_at, opted_out: row.opted_out },
        };
        Ok(Some((fields, row.profile_name)))
    }

    /// Returns the fields after a change. A name that equals the profile name is not stored.
    pub(crate) fn after(
        &self,
        change: &ContactChange,
        profile_name: Option<&str>,
        reason: OptOutReason,
        now: Timestamp,
    ) -> Self {
        let mut after = self.clone();
        set(&mut after.wa_id, change.phone_number.clone(), |number| number.digits().to_owned());
        set(&mut after.user_id, change.user_id.clone(), |user| user.as_str().to_owned());
        set(&mut after.stage, change.stage.clone(), |stage| stage);
        set(&mut after.email, change.email.clone(), |email| email);
        let is_profile_name = matches!(&change.name, Patch::Set(name) if profile_name == Some(name));
        if self.name.is_some() || !is_profile_name {
            set(&mut after.name, change.name.clone(), |name| name);
        }
        match &change.tags {
            Patch::Unchanged => {}
            Patch::Clear => after.tags.clear(),
            Patch::Set(tags) => after.tags.clone_from(tags),
        }
        match &change.custom_fields {
            Patch::Unchanged => {}
            Patch::Clear => after.custom_fields = Object::new(),
            Patch::Set(CustomFields::All(fields)) => after.custom_fields.clone_from(fields),
            Patch::Set(CustomFields::Some(texts)) => {
                for (key, value) in texts {
                    if after.custom_fields.get(key).map(custom_text).as_deref() != Some(value) {
                        after.custom_fields.insert(key, value.as_str());
                    }
                }
            }
        }
        match change.opted_out {
            Patch::Unchanged => {}
            Patch::Set(true) => after.opt_out = self.opt_out_after(OptOutSignal::Stop, reason, now),
            Patch::Set(false) | Patch::Clear => {
                after.opt_out = self.opt_out_after(OptOutSignal::Start, reason, now);
            }
        }
        after
    }

    /// Returns the opt-out after a signal of the application. A signal that changes nothing keeps the time and the
    /// reason of the earlier signal.
    fn opt_out_after(&self, signal: OptOutSignal, reason: OptOutReason, now: Timestamp) -> OptOut {
        if self.opt_out.opted_out.is_some() == (signal == OptOutSignal::Stop) {
            return self.opt_out;
        }
        let at = self.opt_out.preference_at.map_or(now, |before| before.max(now));
        match signal {
            OptOutSignal::Stop => self.opt_out.after(signal, at, reason),
            // The application's opt-in overrides an opt-out of the same moment.
            OptOutSignal::Start => OptOut { preference_at: Some(at), opted_out: None },
        }
    }

    pub(crate) fn changes(&self, after: &Self) -> Vec<&'static str> {
        [
            (self.wa_id != after.wa_id, "phone_number"),
            (self.user_id != after.user_id, "user_id"),
            (self.name != after.name, "name"),
            (self.tags != after.tags, "tags"),
            (self.stage != after.stage, "stage"),
            (self.email != after.email, "email"),
            (!self.custom_fields.same_as(&after.custom_fields), "custom_fields"),
            (self.opt_out.opted_out.is_some() != after.opt_out.opted_out.is_some(), "opted_out"),
        ]
        .into_iter()
        .filter_map(|(has_changed, name)| has_changed.then_some(name))
        .collect()
    }

    pub(crate) fn write(
        &self,
        connection: &Connection,
        workspace: WorkspaceId,
        contact: ContactId,
        now: Timestamp,
    ) -> SqlResult<()> {
        connection
            .prepare_cached(
                "update contacts
                 set wa_id = ?3, bsuid = ?4, name = ?5, tags = ?6, stage = ?7, email = ?8, custom_fields = ?9,
                     updated_at = ?10
                 where workspace_id = ?1 and id = ?2",
            )?
            .execute_one(params![
                workspace.as_bytes(),
                contact.as_bytes(),
                self.wa_id,
                self.user_id,
                self.name,
                json(&self.tags)?,
                self.stage,
                self.email,
                json(&self.custom_fields)?,
                micros(now),
            ])?;
        opt_out::update_opt_out(connection, workspace, contact, self.opt_out)
    }
}

fn set<T>(target: &mut Option<String>, change: Patch<T>, text: impl FnOnce(T) -> String) {
    match change {
        Patch::Unchanged => {}
        Patch::Clear => *target = None,
        Patch::Set(value) => *target = Some(text(value)),
    }
}
