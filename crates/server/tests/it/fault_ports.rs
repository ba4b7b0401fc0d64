//! Ports whose calls pass a fault injector, and a Graph API client that fails for some calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use domain::messages::outcome::SendOutcome;
use engine::deps::Ports;
use engine::media::MediaPorts;
use engine::ports::{
    AccountCredentials, FaultInjector, FaultPort, OutgoingMessage, PhoneNumberInfo, TemplatePage,
    TemplateQuery, TokenInfo, Upstream, UpstreamError,
};

/// Puts a [`FaultPort`] in front of the store, the Graph API, the media storage and the webhook sender. The other ports
/// have no effect that a fault could lose.
#[expect(clippy::needless_pass_by_value, reason = "callers hand over their injector")]
pub(crate) fn with_faults(ports: Ports, injector: Arc<dyn FaultInjector>) -> Ports {
    fn wrap<P: ?Sized>(port: Arc<P>, injector: &Arc<dyn FaultInjector>) -> FaultPort<P> {
        FaultPort { port, injector: injector.clone() }
    }
    macro_rules! wrap {
        ($type:ident { $($port:ident),* } = $ports:expr) => {
            $type { $( $port: Arc::new(wrap($ports.$port, &injector)), )* ..$ports }
        };
    }
    let media = wrap!(MediaPorts { records, blobs, upstream } = ports.media);
    let ports = Ports { media, ..ports };
    wrap!(
        Ports {
            accounts,
            template_records,
            messages,
            message_queue,
            search_index,
            contacts,
            webhook_payloads,
            events,
            webhook_endpoints,
            deliveries,
            api_keys,
            idempotent_requests,
            users,
            audit_log,
            erasures,
            workers,
            maintenance,
            upstream,
            upstream_admin,
            webhook_sender
        } = ports
    )
}

/// Two clients of the Graph API: the working one, and one that is used for the next `n_broken` calls instead.
pub(crate) struct SwitchedUpstream {
    pub(crate) working: Arc<dyn Upstream>,
    pub(crate) broken: Arc<dyn Upstream>,
    pub(crate) n_broken: AtomicU32,
}

impl SwitchedUpstream {
    fn next(&self) -> &Arc<dyn Upstream> {
        let less = |n: u32| n.checked_sub(1);
        match self.n_broken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
            Ok(_) => &self.broken,
            Err(_) => &self.working,
        }
    }
}

#[async_trait]
impl Upstream for SwitchedUpstream {
    async fn send_message(&self, credentials: &AccountCredentials, body: Bytes) -> SendOutcome {
        self.next().send_message(credentials, body).await
    }

    fn message_body(&self, message: &OutgoingMessage<'_>) -> Bytes {
        self.working.message_body(message)
    }

    async fn mark_message_read(
        &self,
        credentials: &AccountCredentials,
        wamid: &str,
        is_typing: bool,
    ) -> Result<(), UpstreamError> {
        self.next().mark_message_read(credentials, wamid, is_typing).await
    }

    async fn fetch_templates(
        &self,
        credentials: &AccountCredentials,
        query: &TemplateQuery,
    ) -> Result<TemplatePage, UpstreamError> {
        self.next().fetch_templates(credentials, query).await
    }

    async fn get_phone_number(
        &self,
        credentials: &AccountCredentials,
    ) -> Result<PhoneNumberInfo, UpstreamError> {
        self.next().get_phone_number(credentials).await
    }

    async fn has_phone_number(&self, credentials: &AccountCredentials) -> Result<bool, UpstreamError> {
        self.next().has_phone_number(credentials).await
    }

    async fn get_token_info(&self, credentials: &AccountCredentials) -> Result<TokenInfo, UpstreamError> {
        self.next().get_token_info(credentials).await
    }

    async fn list_subscribed_apps(
        &self,
        credentials: &AccountCredentials,
    ) -> Result<Vec<String>, UpstreamError> {
        self.next().list_subscribed_apps(credentials).await
    }
}
