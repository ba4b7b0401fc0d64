//! What a message of the queue waits for.

/// What a message of the queue waits for beside its time and its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitingFor {
    /// Its template would reach one person more than Meta lets the account reach in 24 hours.
    MessagingLimit,
}

impl WaitingFor {
    /// The word used in the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MessagingLimit => "messaging_limit",
        }
    }
}

impl std::str::FromStr for WaitingFor {
    type Err = domain::text_enum::UnknownVariant;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "messaging_limit" => Ok(Self::MessagingLimit),
            _ => Err(domain::text_enum::UnknownVariant),
        }
    }
}
