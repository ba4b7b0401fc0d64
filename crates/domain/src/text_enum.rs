//! Enums whose values are texts in the API and the database.
//!
//! **Invariant:** the text of a value is written once, in its declaration with [`text_enum!`](macro@crate::text_enum).

/// A text that no value of the enum has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one of the known values")]
pub struct UnknownVariant;

/// Declares an enum whose values have a text: the one mechanism for such enums in the workspace.
///
/// The enum gets `ALL`, `as_str`, `Display` and `FromStr` (with [`UnknownVariant`] as the error), besides `Clone`,
/// `Copy`, `Debug`, `PartialEq`, `Eq`, `PartialOrd`, `Ord` and `Hash`. The order is the order of the declaration.
///
/// ```
/// domain::text_enum! {
///     /// Direction of a message.
///     pub enum Direction {
///         /// From the customer.
///         Inbound = "inbound",
///         /// To the customer.
///         Outbound = "outbound",
///     }
/// }
/// assert_eq!(Direction::Inbound.as_str(), "inbound");
/// assert_eq!("outbound".parse(), Ok(Direction::Outbound));
/// assert_eq!(Direction::ALL.len(), 2);
/// ```
#[macro_export]
macro_rules! text_enum {
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$variant_meta:meta])* $variant:ident = $text:literal),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// Every value, in the order of the declaration.
            $vis const ALL: [Self; [$($text),+].len()] = [$(Self::$variant),+];

            /// Returns the text of the value in the API and the database.
            #[must_use]
            $vis const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::text_enum::UnknownVariant;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL
                    .into_iter()
                    .find(|value| value.as_str() == text)
                    .ok_or($crate::text_enum::UnknownVariant)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use crate::text_enum::UnknownVariant;

    crate::text_enum! {
        /// An example.
        enum Color {
            /// The first.
            Red = "red",
            /// The second.
            DarkBlue = "dark_blue",
        }
    }

    #[test]
    fn every_value_is_parsed_from_its_text() {
        for color in Color::ALL {
            assert_eq!(color.as_str().parse(), Ok(color));
            assert_eq!(color.to_string(), color.as_str());
        }
        assert_eq!("green".parse::<Color>(), Err(UnknownVariant));
    }
}
