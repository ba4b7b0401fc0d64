//! Ids in examples. A test replaces them by real ids and sends the examples.

/// Id of a request.
pub(crate) const REQUEST: &str = "01a2b3c4-0000-7000-8000-0000000000ff";
/// Id of a message.
pub(crate) const MESSAGE: &str = "01a2b3c4-0000-7000-8000-000000000001";
/// Id of an account.
pub(crate) const ACCOUNT: &str = "01a2b3c4-0000-7000-8000-000000000002";
/// Id of a contact.
pub(crate) const CONTACT: &str = "01a2b3c4-0000-7000-8000-000000000003";
/// Id of a template.
pub(crate) const TEMPLATE: &str = "01a2b3c4-0000-7000-8000-000000000004";
/// Id of an API key.
pub(crate) const KEY: &str = "01a2b3c4-0000-7000-8000-000000000005";
/// Id of a user.
pub(crate) const USER: &str = "01a2b3c4-0000-7000-8000-000000000006";
/// Id of a webhook.
pub(crate) const WEBHOOK: &str = "01a2b3c4-0000-7000-8000-000000000007";
/// Id of a delivery.
pub(crate) const DELIVERY: &str = "01a2b3c4-0000-7000-8000-000000000008";
/// Id of a file.
pub(crate) const MEDIA: &str = "01a2b3c4-0000-7000-8000-00000000000a";
/// Meta's id of an inbound message.
pub(crate) const WAMID: &str = "wamid.HBgLMTU1NTAxMDAwMDEVAgASGBQzQTYwOTU1MkZCMTlDMkQzMDlCQQA=";
