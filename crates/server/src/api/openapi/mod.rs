//! Building blocks of the OpenAPI document: schemas, descriptions of operations, errors.
//!
//! The function `operations` beside the handlers describes operations, and the function `schemas` beside the serializers
//! describes responses. Requests need no schema of their own: `RequestSchema` describes their readers.
//! `crate::api::document` collects all descriptions. A new route needs an [`operation::Operation`] with the name of its
//! handler:
//!
//! ```text
//! Operation::new("get_contact", "Get a contact", "")
//!     .id("ID of the contact.", CONTACT)
//!     .responds(200, "The contact.", Schema::reference("Contact"), CONTACT_EXAMPLE)
//!     .errors([Code::ContactNotFound])
//! ```
//!
//! **Invariant:** no module here imports a subject of the API.

pub(crate) mod components;
pub(crate) mod errors;
pub(crate) mod example;
pub(crate) mod names;
pub(crate) mod operation;
pub(crate) mod operation_object;
pub(crate) mod print;
pub(crate) mod schema;
