//! Management calls: templates, subscription, registration, profile; and the test of the callback URL.

use std::error::Error as _;

use async_trait::async_trait;
use bytes::Bytes;
use domain::json::Object;
use engine::ports::{
    AccountCredentials, CallbackVerification, CreatedTemplate, UpstreamAdmin, UpstreamError,
};
use http::header::USER_AGENT;
use http::{Request, StatusCode, Uri};
use secrecy::{ExposeSecret as _, SecretString};
use url::form_urlencoded::byte_serialize;

use super::gate::GatedBody;
use super::{ApiCall, Exchange, GraphClient, SMALL, chain, id};
use crate::wire::{node, request_body, template};

#[async_trait]
impl UpstreamAdmin for GraphClient {
    async fn subscribe_app(&self, credentials: &AccountCredentials) -> Result<(), UpstreamError> {
        let uri = id(&credentials.account.waba_id)
            .and_then(|waba| self.uri(credentials, &["/", waba, "/subscribed_apps"]));
        self.call(ApiCall::post(credentials, uri, Bytes::from_static(b"{}")), node::success).await
    }

    async fn register_phone_number(
        &self,
        credentials: &AccountCredentials,
        pin: &SecretString,
    ) -> Result<(), UpstreamError> {
        let mut body = Object::new();
        body.insert("pin", pin.expose_secret());
        let uri = id(&credentials.account.phone_number_id)
            .and_then(|number| self.uri(credentials, &["/", number, "/register"]));
        self.call(ApiCall::post(credentials, uri, request_body::product(&body)), node::success).await
    }

    async fn get_business_profile(&self, credentials: &AccountCredentials) -> Result<Object, UpstreamError> {
        let fields = domain::accounts::profile::FIELDS.join(",");
        let uri = id(&credentials.account.phone_number_id).and_then(|number| {
            self.uri(credentials, &["/", number, "/whatsapp_business_profile?fields=", &fields])
        });
        self.call(ApiCall::get(credentials, uri), node::profile).await
    }

    async fn update_business_profile(
        &self,
        credentials: &AccountCredentials,
        change: &Object,
    ) -> Result<(), UpstreamError> {
        let uri = id(&credentials.account.phone_number_id)
            .and_then(|number| self.uri(credentials, &["/", number, "/whatsapp_business_profile"]));
        self.call(ApiCall::post(credentials, uri, request_body::product(change)), node::success).await
    }

    async fn create_template(
        &self,
        credentials: &AccountCredentials,
        body: String,
    ) -> Result<CreatedTemplate, UpstreamError> {
        let uri = id(&credentials.account.waba_id)
            .and_then(|waba| self.uri(credentials, &["/", waba, "/message_templates"]));
        self.call(ApiCall::post(credentials, uri, body.into()), template::submitted).await
    }

    async fn edit_template(
        &self,
        credentials: &AccountCredentials,
        meta_id: &str,
        body: String,
    ) -> Result<(), UpstreamError> {
        let uri = id(meta_id).and_then(|template| self.uri(credentials, &["/", template]));
        self.call(ApiCall::post(credentials, uri, body.into()), node::success).await
    }

    async fn delete_template(
        &self,
        credentials: &AccountCredentials,
        name: &str,
        meta_id: Option<&str>,
    ) -> Result<(), UpstreamError> {
        let mut parameters = "/message_templates?name=".to_owned();
        parameters.extend(byte_serialize(name.as_bytes()));
        if let Some(meta_id) = meta_id {
            parameters.push_str("&hsm_id=");
            parameters.extend(byte_serialize(meta_id.as_bytes()));
        }
        let uri = id(&credentials.account.waba_id)
            .and_then(|waba| self.uri(credentials, &["/", waba, &parameters]));
        self.call(ApiCall::delete(credentials, uri), node::success).await
    }

    async fn verify_callback(&self, callback: &CallbackVerification) -> Result<(), String> {
        let CallbackVerification { url, verify_token, challenge } = callback;
        let encoded = |text: &str| -> String { byte_serialize(text.as_bytes()).collect() };
        let url_with_query = format!(
            "{url}?hub.mode=subscribe&hub.challenge={}&hub.verify_token={}",
            encoded(challenge),
            encoded(verify_token)
        );
        let uri: Uri = url_with_query.parse().map_err(|_| "the value is not a URL".to_owned())?;
        let mut request = Request::new(GatedBody::new(Bytes::new(), std::sync::Arc::default()));
        *request.uri_mut() = uri;
        request.headers_mut().insert(USER_AGENT, self.user_agent.clone());
        match self.exchange(request, SMALL).await {
            Exchange::Complete { status: StatusCode::OK, body, .. } if body == challenge.as_bytes() => Ok(()),
            Exchange::Complete { status: StatusCode::OK, .. } => {
                Err("HTTP 200 without the challenge: another server responds at this URL".to_owned())
            }
            Exchange::Complete { status, .. } => Err(format!(
                "HTTP {}: another server responds at this URL, or another waypost gateway",
                status.as_u16()
            )),
            Exchange::HeadOnly { error, .. } | Exchange::NoResponse(error) => {
                // The error text of this crate names Meta, which is not called here.
                Err(error.source().map_or_else(|| error.to_string(), chain))
            }
        }
    }
}
