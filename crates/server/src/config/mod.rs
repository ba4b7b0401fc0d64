//! Configuration.
//!
//! One table lists all settings, [`SETTINGS`]. The configuration file, the environment, the flags, `waypost config check`
//! and the documentation are made from the table.
//!
//! **Invariant:** the value of a setting comes from its default, then the file, then the environment, then the flags; the
//! last one wins.
//!
//! **Invariant:** a name that is not in the table is an error, except the variables of client commands and of Kubernetes.
//! Every setting in the table has an effect.
//!
//! **Invariant:** the value of a secret is never part of an error message or of printed output.

#[cfg(test)]
mod deployed;
mod document;
mod entry;
mod environment;
mod error;
mod file;
mod load;
mod media;
mod model;
mod origin;
mod parse;
mod retention;
mod service_links;
mod setting;
mod settings;

pub(crate) use document::{effective, effective_json, reference};
pub(crate) use entry::secret_file;
pub(crate) use environment::Environment;
pub(crate) use error::{ConfigError, MissingSecretKey};
pub(crate) use load::{Loaded, Override, Sources, load};
pub(crate) use media::MediaStore;
pub(crate) use model::{Config, LogFormat, LogSettings, secret_key_from_text};
pub(crate) use origin::Origin;
pub(crate) use setting::Setting;
pub(crate) use settings::SETTINGS;
