//! The lifecycle of a template: review, pauses, quality, and the webhooks that report them.
//!
//! **Invariant:** every change of a status is one `message_template_status_update`.

use serde_json::{Map, Value, json};

use crate::{
    clock::{HOUR, SECOND},
    hooks::Update,
    state::State,
};

/// A decision about a template.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// The new status, for example `APPROVED`, `REJECTED` or `PAUSED`.
    #[serde(default)]
    pub status: Option<String>,
    /// Reason; `INVALID_FORMAT` for a rejection without a reason.
    #[serde(default)]
    pub reason: Option<String>,
    /// A new quality: `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
    #[serde(default)]
    pub quality: Option<String>,
    /// A new category: `MARKETING`, `UTILITY` or `AUTHENTICATION`.
    #[serde(default)]
    pub category: Option<String>,
}

/// The statuses that a review can give.
const STATUSES: [&str; 9] = [
    "APPROVED",
    "REJECTED",
    "PAUSED",
    "DISABLED",
    "PENDING",
    "IN_APPEAL",
    "PENDING_DELETION",
    "LIMIT_EXCEEDED",
    "ARCHIVED",
];

impl State {
    /// The WABA of a template.
    pub(crate) fn waba_of_template(&self, template_id: &str) -> Option<String> {
        self.wabas.values().find(|waba| waba.templates.contains_key(template_id)).map(|waba| waba.id.clone())
    }

    /// Decides about a template by hand; gives back what is wrong with the request, or `None` when it is unknown.
    pub(crate) fn review(&mut self, template_id: &str, review: &Review) -> Option<Result<(), String>> {
        let waba_id = self.waba_of_template(template_id)?;
        let upper = |text: &Option<String>| text.as_ref().map(|text| text.to_uppercase());
        let (status, quality, category) =
            (upper(&review.status), upper(&review.quality), upper(&review.category));
        let refuse =
            |field: &str, words: &[&str]| Some(Err(format!("{field}: must be one of {}", words.join(", "))));
        if status.as_ref().is_some_and(|status| !STATUSES.contains(&status.as_str())) {
            return refuse("status", &STATUSES);
        }
        let qualities = ["GREEN", "YELLOW", "RED", "UNKNOWN"];
        if quality.as_ref().is_some_and(|quality| !qualities.contains(&quality.as_str())) {
            return refuse("quality", &qualities);
        }
        let categories = ["AUTHENTICATION", "MARKETING", "UTILITY"];
        if category.as_ref().is_some_and(|category| !categories.contains(&category.as_str())) {
            return refuse("category", &categories);
        }
        if status.is_none() && quality.is_none() && category.is_none() {
            return Some(Err("status: is needed, or quality, or category".to_owned()));
        }
        if let Some(quality) = quality {
            self.set_quality(&waba_id, template_id, &quality);
        }
        if let Some(category) = category {
            self.set_category(&waba_id, template_id, &category);
        }
        if let Some(status) = status {
            self.decide(&waba_id, template_id, &status, review.reason.as_deref());
        }
        Some(Ok(()))
    }

    /// Gives a template a status, with its webhook.
    pub(crate) fn decide(&mut self, waba_id: &str, id: &str, status: &str, reason: Option<&str>) {
        let now = self.env.now;
        let template = self.wabas.get_mut(waba_id).and_then(|waba| waba.templates.get_mut(id));
        let Some(template) = template else { return };
        let mut more = Map::new();
        let mut status = status.to_owned();
        let was_paused = template.status == "PAUSED";
        template.review_at = None;
        template.unpause_at = None;
        let mut why = reason.unwrap_or("NONE").to_owned();
        match status.as_str() {
            "PAUSED" => {
                template.n_pauses += 1;
                // The first pause lasts three hours, the second six, the third is for good.
                let (hours, title) = match template.n_pauses {
                    1 => (3, "FIRST_PAUSE"),
                    2 => (6, "SECOND_PAUSE"),
                    _ => {
                        "DISABLED".clone_into(&mut status);
                        (0, "DISABLED")
                    }
                };
                if hours > 0 {
                    template.unpause_at = Some(now + hours * HOUR);
                }
                more.insert("other_info".to_owned(), json!({"title": title, "description": "Low quality."}));
            }
            "REJECTED" => {
                if reason.is_none() {
                    "INVALID_FORMAT".clone_into(&mut why);
                }
                more.insert(
                    "rejection_info".to_owned(),
                    json!({"reason": "The simulated review rejected it.", "recommendation": "Change it and submit it again."}),
                );
            }
            "APPROVED" if was_paused => {
                more.insert(
                    "other_info".to_owned(),
                    json!({"title": "UNPAUSE", "description": "The pause is over."}),
                );
            }
            _ => {}
        }
        if status == "DISABLED" {
            let date = crate::clock::text(now);
            let date = date.split('T').next().unwrap_or_default();
            more.insert("disable_info".to_owned(), json!({"disable_date": date}));
        }
        template.status.clone_from(&status);
        template.rejected_reason = if status == "REJECTED" { why.clone() } else { "NONE".to_owned() };
        template.updated_at = now;
        self.is_dirty = true;
        more.insert("reason".to_owned(), json!(why));
        self.tell_status(waba_id, id, &status, more);
    }

    /// The status webhook of a template; `more` holds the reason and what else there is to say.
    pub(crate) fn tell_status(&mut self, waba_id: &str, id: &str, event: &str, more: Map<String, Value>) {
        let template = self.wabas.get(waba_id).and_then(|waba| waba.templates.get(id));
        let Some(template) = template else { return };
        let mut value = json!({
            "event": event,
            "message_template_id": template.id.parse::<u64>().unwrap_or(0),
            "message_template_name": template.name,
            "message_template_language": template.language,
            "message_template_category": template.category,
            "reason": null,
        });
        if let Some(value) = value.as_object_mut() {
            value.extend(more);
        }
        self.tell(waba_id, "message_template_status_update", value);
    }

    fn set_quality(&mut self, waba_id: &str, id: &str, quality: &str) {
        let template = self.wabas.get_mut(waba_id).and_then(|waba| waba.templates.get_mut(id));
        let Some(template) = template else { return };
        let previous = std::mem::replace(&mut template.quality, quality.to_owned());
        let value = json!({
            "previous_quality_score": previous,
            "new_quality_score": quality,
            "message_template_id": id.parse::<u64>().unwrap_or(0),
            "message_template_name": template.name,
            "message_template_language": template.language,
        });
        self.is_dirty = true;
        self.tell(waba_id, "message_template_quality_update", value);
    }

    fn set_category(&mut self, waba_id: &str, id: &str, category: &str) {
        let template = self.wabas.get_mut(waba_id).and_then(|waba| waba.templates.get_mut(id));
        let Some(template) = template else { return };
        let previous = std::mem::replace(&mut template.category, category.to_owned());
        template.previous_category = Some(previous.clone());
        let value = json!({
            "message_template_id": id.parse::<u64>().unwrap_or(0),
            "message_template_name": template.name,
            "message_template_language": template.language,
            "previous_category": previous,
            "new_category": category,
        });
        self.is_dirty = true;
        self.tell(waba_id, "template_category_update", value);
    }

    fn tell(&mut self, waba_id: &str, field: &str, value: Value) {
        self.emit(&[Update {
            waba_id: waba_id.to_owned(),
            number_id: None,
            field: field.to_owned(),
            value,
            conversation: None,
        }]);
    }

    /// Returns the time of the automatic review of a template that is created or edited now.
    pub(crate) fn review_due(&self) -> Option<i64> {
        self.settings.review_seconds.map(|seconds| self.env.now + i64::from(seconds) * SECOND)
    }

    /// The time of the next review or end of a pause.
    pub(crate) fn next_decision(&self) -> Option<i64> {
        let templates = self.wabas.values().flat_map(|waba| waba.templates.values());
        templates.filter_map(|template| template.review_at.or(template.unpause_at)).min()
    }

    /// Reviews and pauses whose time has come; gives back how many.
    pub(crate) fn step_templates(&mut self) -> usize {
        let now = self.env.now;
        let due: Vec<(String, String)> = self
            .wabas
            .values()
            .flat_map(|waba| waba.templates.values().map(|template| (waba.id.clone(), template)))
            .filter(|(_, template)| template.review_at.or(template.unpause_at).is_some_and(|at| at <= now))
            .map(|(waba_id, template)| (waba_id, template.id.clone()))
            .collect();
        for (waba_id, id) in &due {
            self.decide(waba_id, id, "APPROVED", None);
        }
        due.len()
    }
}
