//! More accounts than the seeded ones, for tests with several numbers, apps and secrets.

use serde::Deserialize;

use crate::{
    ids, phone,
    seed::{SimAccount, VERIFY_TOKEN, new_number, new_waba, plant_templates},
    state::{App, State, Token},
};

/// The account to make; what is missing is made up.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewAccount {
    /// A name for people.
    pub name: Option<String>,
    /// The number as people write it.
    pub display_phone_number: Option<String>,
    /// The business phone number's id.
    pub phone_number_id: Option<String>,
    /// The WhatsApp Business Account; an existing one is joined.
    pub waba_id: Option<String>,
    /// The app; an existing one is used.
    pub app_id: Option<String>,
    /// The secret of a new app.
    pub app_secret: Option<String>,
    /// A token of the app for the account.
    pub access_token: Option<String>,
    /// The verify token of a new app.
    pub verify_token: Option<String>,
    /// A callback of the app's own, taken without a handshake.
    pub callback_url: Option<String>,
    /// `true` if the app requires an `appsecret_proof` on every call.
    pub requires_proof: bool,
}

impl State {
    /// Makes an account; gives back what is wrong with the request otherwise.
    pub(crate) fn add_account(&mut self, given: NewAccount) -> Result<SimAccount, String> {
        let now = self.env.now;
        for (field, id) in [
            ("phone_number_id", &given.phone_number_id),
            ("waba_id", &given.waba_id),
            ("app_id", &given.app_id),
        ] {
            let is_id = |id: &String| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
            if id.as_ref().is_some_and(|id| !is_id(id)) {
                return Err(format!("{field}: must be digits"));
            }
        }
        if given.phone_number_id.as_ref().is_some_and(|id| self.is_taken(id)) {
            return Err("phone_number_id: is taken".to_owned());
        }
        let display = given.display_phone_number.unwrap_or_else(|| self.free_display());
        let digits = phone::only_digits(&display);
        if !(7..=15).contains(&digits.len()) || self.numbers.values().any(|number| number.digits == digits) {
            return Err("display_phone_number: is no phone number, or is taken".to_owned());
        }
        let app_id = given.app_id.unwrap_or_else(|| self.mint_id("app"));
        let waba_id = given.waba_id.unwrap_or_else(|| self.mint_id("waba"));
        let number_id = given.phone_number_id.unwrap_or_else(|| self.mint_id("number"));
        let name = given.name.unwrap_or_else(|| format!("Sandbox {}", self.order.len() + 1));

        if !self.apps.contains_key(&app_id) {
            let secret = ids::hex(&self.mint("secret")).chars().take(32).collect();
            let app = App {
                id: app_id.clone(),
                name: format!("{name} app"),
                secret: given.app_secret.unwrap_or(secret),
                verify_token: given.verify_token.unwrap_or_else(|| VERIFY_TOKEN.to_owned()),
                callback_url: None,
                fields: None,
                version: None,
                requires_proof: given.requires_proof,
            };
            self.apps.insert(app_id.clone(), app);
        }
        if let Some(app) = self.apps.get_mut(&app_id)
            && given.callback_url.is_some()
        {
            app.callback_url = given.callback_url;
        }
        if !self.wabas.contains_key(&waba_id) {
            let business_id = self.mint_id("business");
            let waba = new_waba(&waba_id, &name, &business_id, now);
            self.wabas.insert(waba_id.clone(), waba);
            plant_templates(self, &waba_id);
        }
        if let Some(waba) = self.wabas.get_mut(&waba_id) {
            waba.subscriptions.entry(app_id.clone()).or_insert(None);
        }
        let minted =
            format!("EAAsandbox{}", ids::hex(&self.mint("token")).chars().take(40).collect::<String>());
        let existing =
            self.tokens.iter().find(|(_, token)| token.app_id == app_id).map(|(text, _)| text.clone());
        let token = given.access_token.or(existing).unwrap_or(minted);
        let entry = self.tokens.entry(token.clone()).or_insert_with(|| Token {
            app_id: app_id.clone(),
            wabas: std::collections::BTreeSet::new(),
            is_valid: true,
            issued_at: now,
            expires_at: None,
        });
        if entry.app_id != app_id {
            return Err("access_token: belongs to another app".to_owned());
        }
        entry.wabas.insert(waba_id.clone());
        let number = new_number(&number_id, &waba_id, &display, &name, now);
        self.order.push(number_id.clone());
        self.numbers.insert(number_id.clone(), number);
        self.is_dirty = true;
        let mut account = self.account(&number_id).ok_or("the account has no token")?;
        account.access_token = token;
        Ok(account)
    }

    /// A number in the region of the seeded ones, where no recipient is magic.
    fn free_display(&self) -> String {
        let is_free = |display: &String| {
            let digits = phone::only_digits(display);
            !self.numbers.values().any(|number| number.digits == digits)
        };
        (9000..9998).rev().map(|n| format!("+1 555-010-{n}")).find(is_free).unwrap_or_default()
    }
}
