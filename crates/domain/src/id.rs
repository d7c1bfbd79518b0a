//! Typed identifiers: 128 random bits behind a prefix that says what they name. The one registry every feature may edit.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("`{text}` is not an identifier: expected `{prefix}` and 26 characters of Crockford base32")]
    Malformed { prefix: &'static str, text: String },
    #[error("`{text}` names another kind of thing: expected an identifier that begins with `{prefix}`")]
    OtherKind { prefix: &'static str, text: String },
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name([u8; 16]);

            impl $name {
                pub const PREFIX: &'static str = $prefix;

                /// An identifier from 128 random bits, which the caller supplies.
                pub const fn from_random(bytes: [u8; 16]) -> Self {
                    Self(bytes)
                }

                pub const fn bytes(&self) -> &[u8; 16] {
                    &self.0
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str($prefix)?;
                    crockford::write(f, self.0)
                }
            }

            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    fmt::Display::fmt(self, f)
                }
            }

            impl FromStr for $name {
                type Err = IdError;

                fn from_str(text: &str) -> Result<Self, IdError> {
                    parse($prefix, text).map(Self)
                }
            }

            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                    s.collect_str(self)
                }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                    let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                    text.parse().map_err(serde::de::Error::custom)
                }
            }
        )*

        /// Every prefix in use, for completion and for telling one kind from another.
        pub const PREFIXES: &[&str] = &[$($prefix),*];
    };
}

ids! {
    /// A natural person.
    PersonId = "per_";
    /// A role-bound face of a person; owns keys.
    PersonaId = "psn_";
    /// A server, database or directory.
    TargetId = "tgt_";
    /// A privileged identity on a target.
    AccountId = "acc_";
    /// A proposal that needs a second person.
    MotionId = "mot_";
    /// What a person asks for.
    RequestId = "req_";
    /// What an approved request gives.
    GrantId = "grt_";
    /// One passage through a gateway.
    SessionId = "ses_";
    /// One act of Sekimori's own on a target.
    ErrandId = "err_";
    /// A recovery ceremony under way.
    RecoveryId = "rcv_";
}

fn parse(prefix: &'static str, text: &str) -> Result<[u8; 16], IdError> {
    let malformed = || IdError::Malformed { prefix, text: text.chars().take(64).collect() };
    let Some(rest) = text.strip_prefix(prefix) else {
        let known = PREFIXES.iter().any(|p| text.starts_with(p));
        return Err(if known {
            IdError::OtherKind { prefix, text: text.chars().take(64).collect() }
        } else {
            malformed()
        });
    };
    crockford::read(rest).ok_or_else(malformed)
}

/// 128 bits as 26 lower-case Crockford characters (2 bits of padding in front, always zero, so that each value has one spelling).
mod crockford {
    use std::fmt::{self, Write};

    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

    pub(super) fn write(f: &mut fmt::Formatter<'_>, bytes: [u8; 16]) -> fmt::Result {
        let value = u128::from_be_bytes(bytes);
        for position in (0..26).rev() {
            let digit = (value >> (position * 5)) & 31;
            let index = usize::try_from(digit).expect("five bits fit");
            f.write_char(char::from(*ALPHABET.get(index).expect("the alphabet has 32 letters")))?;
        }
        Ok(())
    }

    pub(super) fn read(text: &str) -> Option<[u8; 16]> {
        if text.len() != 26 {
            return None;
        }
        let mut value: u128 = 0;
        for (place, byte) in text.bytes().enumerate() {
            let digit = u128::try_from(ALPHABET.iter().position(|a| *a == byte)?).ok()?;
            if place == 0 && digit > 7 {
                return None;
            }
            value = (value << 5) | digit;
        }
        Some(value.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_reads_back_as_itself(bytes: [u8; 16]) {
            let id = RequestId::from_random(bytes);
            prop_assert_eq!(id.to_string().parse::<RequestId>(), Ok(id));
            prop_assert_eq!(id.to_string().len(), 30);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*") {
            drop(text.parse::<PersonId>());
        }

        #[test]
        fn a_spelling_is_unique(text in "req_[0-9a-z]{26}") {
            if let Ok(id) = text.parse::<RequestId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn an_id_of_another_kind_is_named_as_such() {
        let id = GrantId::from_random([7; 16]).to_string();
        assert!(matches!(id.parse::<RequestId>(), Err(IdError::OtherKind { .. })));
    }
}
