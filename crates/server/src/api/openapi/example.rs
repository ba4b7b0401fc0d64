//! Ids that the examples share. A test puts real ones in their place and makes the calls.

/// A request.
pub(crate) const REQUEST: &str = "01a2b3c4-0000-7000-8000-0000000000ff";
/// A message of ours.
pub(crate) const MESSAGE: &str = "01a2b3c4-0000-7000-8000-000000000001";
/// An account.
pub(crate) const ACCOUNT: &str = "01a2b3c4-0000-7000-8000-000000000002";
/// A contact.
pub(crate) const CONTACT: &str = "01a2b3c4-0000-7000-8000-000000000003";
/// A template.
pub(crate) const TEMPLATE: &str = "01a2b3c4-0000-7000-8000-000000000004";
/// A key.
pub(crate) const KEY: &str = "01a2b3c4-0000-7000-8000-000000000005";
/// A user.
pub(crate) const USER: &str = "01a2b3c4-0000-7000-8000-000000000006";
/// A webhook.
pub(crate) const WEBHOOK: &str = "01a2b3c4-0000-7000-8000-000000000007";
/// A delivery.
pub(crate) const DELIVERY: &str = "01a2b3c4-0000-7000-8000-000000000008";
/// A file.
pub(crate) const MEDIA: &str = "01a2b3c4-0000-7000-8000-00000000000a";
/// Meta's id of a customer's message.
pub(crate) const WAMID: &str = "wamid.HBgLMTU1NTAxMDAwMDEVAgASGBQzQTYwOTU1MkZCMTlDMkQzMDlCQQA=";
