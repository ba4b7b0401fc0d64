//! Context of a command.

use crate::config::{Environment, Loaded};
use crate::observability::traces::Exporter;

/// Context of a command: everything but its own arguments.
pub(super) struct CommandContext {
    /// Configuration.
    pub(super) loaded: Loaded,
    /// Environment variables.
    pub(super) environment: Environment,
    /// Exporter of spans, for commands that serve.
    pub(super) exporter: Option<Exporter>,
}
