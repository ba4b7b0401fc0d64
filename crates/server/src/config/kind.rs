//! What the value of a setting can be.

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `ip:port`.
    Address,
    /// Where the data is.
    Database,
    /// A folder.
    Folder,
    /// 32 bytes as base64.
    Secret,
    /// A secret that somebody else made.
    Password,
    /// A name, as somebody else gave it.
    Name,
    /// A path of names, which may be empty.
    Prefix,
    /// A word that others have to show.
    Token,
    /// `https://…` or `http://…`.
    Url,
    /// A version of the Graph API.
    Version,
    /// A whole number.
    Number(u32, u32),
    /// Whole numbers of seconds, parted by commas.
    Waits,
    /// Words that people write, parted by commas.
    Words,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Directives of a log filter.
    Filter,
    /// Addresses and networks.
    Networks,
}

impl Kind {
    /// What a value has to be, to be read after "must be".
    pub(crate) fn text(self) -> String {
        match self {
            Self::Address => "an address with a port, such as `127.0.0.1:8080`".to_owned(),
            Self::Database => "`sqlite:` and the path of a file, such as `sqlite:waypost.db`".to_owned(),
            Self::Folder => "the path of a folder".to_owned(),
            Self::Secret => "32 bytes as base64".to_owned(),
            Self::Password => "a secret without blanks".to_owned(),
            Self::Name => "a name without blanks".to_owned(),
            Self::Prefix => "names with slashes between them, such as `waypost/media`, or nothing".to_owned(),
            Self::Token => "16 or more visible ASCII characters without a space".to_owned(),
            Self::Url => "a URL that begins with `https://` or `http://`".to_owned(),
            Self::Version => "a version of the Graph API, such as `v24.0`".to_owned(),
            Self::Networks => {
                "addresses or networks, such as `10.0.0.0/8, ::1`; in the file also a list of them".to_owned()
            }
            Self::Number(least, most) => format!("a whole number from {least} to {most}"),
            Self::Waits => {
                "whole numbers of seconds from 1 to 2592000, parted by commas, such as `10,60,300`".to_owned()
            }
            Self::Words => {
                "words parted by commas, such as `STOP,UNSUBSCRIBE`; each has a letter or a digit, and an empty text \
                 is no word at all"
                    .to_owned()
            }
            Self::Choice(words) => {
                words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ")
            }
            Self::Filter => {
                "a level (`error`, `warn`, `info`, `debug`, `trace`, `off`) or directives such as \
                 `info,engine=debug`"
                    .to_owned()
            }
        }
    }
}
