//! Management calls: templates, subscription, registration, profile; and the test of the callback URL.

use std::error::Error as _;

use async_trait::async_trait;
use bytes::Bytes;
use domain::json::Object;
use engine::ports::{
    AccountCredentials, CallbackVerification, CreatedTemplate, UpstreamAdmin, UpstreamError,
};
use http::header::USER_AGENT;
use http::{Method, Request, StatusCode, Uri};
use secrecy::{ExposeSecret as _, SecretString};
use url::form_urlencoded::byte_serialize;

use super::gate::GatedBody;
use super::{Exchange, GraphClient, SMALL, chain, id};
use crate::wire::{envelope, node, template};

#[async_trait]
impl UpstreamAdmin for GraphClient {
    async fn subscribe_app(&self, line: &AccountCredentials) -> Result<(), UpstreamError> {
        let uri = id(&line.account.waba_id).and_then(|waba| self.uri(line, &["/", waba, "/subscribed_apps"]));
        self.call(ApiCall::post(line, uri, Bytes::from_static(b"{}")), node::success).await
    }

    async fn register_phone_number(
        &self,
        line: &AccountCredentials,
        pin: &SecretString,
    ) -> Result<(), UpstreamError> {
        let mut body = Object::new();
        body.insert("pin", pin.expose_secret());
        let uri =
            id(&line.account.phone_number_id).and_then(|number| self.uri(line, &["/", number, "/register"]));
        self.call(ApiCall::post(line, uri, envelope::product(&body)), node::success).await
    }

    async fn get_business_profile(&self, line: &AccountCredentials) -> Result<Object, UpstreamError> {
        let fields = domain::accounts::profile::FIELDS.join(",");
        let uri = id(&line.account.phone_number_id)
            .and_then(|number| self.uri(line, &["/", number, "/whatsapp_business_profile?fields=", &fields]));
        self.call(ApiCall::get(line, uri), node::profile).await
    }

    async fn update_business_profile(
        &self,
        line: &AccountCredentials,
        change: &Object,
    ) -> Result<(), UpstreamError> {
        let uri = id(&line.account.phone_number_id)
            .and_then(|number| self.uri(line, &["/", number, "/whatsapp_business_profile"]));
        self.call(ApiCall::post(line, uri, envelope::product(change)), node::success).await
    }

    async fn create_template(
        &self,
        line: &AccountCredentials,
        body: String,
    ) -> Result<CreatedTemplate, UpstreamError> {
        let uri =
            id(&line.account.waba_id).and_then(|waba| self.uri(line, &["/", waba, "/message_templates"]));
        self.call(ApiCall::post(line, uri, body.into()), template::submitted).await
    }

    async fn edit_template(
        &self,
        line: &AccountCredentials,
        meta_id: &str,
        body: String,
    ) -> Result<(), UpstreamError> {
        let uri = id(meta_id).and_then(|template| self.uri(line, &["/", template]));
        self.call(ApiCall::post(line, uri, body.into()), node::success).await
    }

    async fn delete_template(
        &self,
        line: &AccountCredentials,
        name: &str,
        meta_id: Option<&str>,
    ) -> Result<(), UpstreamError> {
        let mut parameters = "/message_templates?name=".to_owned();
        parameters.extend(byte_serialize(name.as_bytes()));
        if let Some(meta_id) = meta_id {
            parameters.push_str("&hsm_id=");
            parameters.extend(byte_serialize(meta_id.as_bytes()));
        }
        let uri = id(&line.account.waba_id).and_then(|waba| self.uri(line, &["/", waba, &parameters]));
        self.call(ApiCall::delete(line, uri), node::success).await
    }

    async fn verify_callback(&self, callback: &CallbackVerification) -> Result<(), String> {
        let CallbackVerification { url, verify_token, challenge } = callback;
        let encoded = |text: &str| -> String { byte_serialize(text.as_bytes()).collect() };
        let whole = format!(
            "{url}?hub.mode=subscribe&hub.challenge={}&hub.verify_token={}",
            encoded(challenge),
            encoded(verify_token)
        );
        let uri: Uri = whole.parse().map_err(|_| "it is no URL".to_owned())?;
        let mut request = Request::new(GatedBody::new(Bytes::new(), std::sync::Arc::default()));
        *request.uri_mut() = uri;
        request.headers_mut().insert(USER_AGENT, self.user_agent.clone());
        match self.exchange(request, SMALL).await {
            Exchange::Answered { status: StatusCode::OK, body, .. } if body == challenge.as_bytes() => Ok(()),
            Exchange::Answered { status: StatusCode::OK, .. } => {
                Err("HTTP 200 without the challenge: something else answers there".to_owned())
            }
            Exchange::Answered { status, .. } => {
                Err(format!("HTTP {}: something else answers there, or another waypost", status.as_u16()))
            }
            Exchange::Cut { why, .. } | Exchange::Silent(why) => {
                // The error text of this crate names Meta, which is not called here.
                Err(why.source().map_or_else(|| why.to_string(), chain))
            }
        }
    }
}
