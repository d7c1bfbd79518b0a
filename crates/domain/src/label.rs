//! Labels: slugs that administrators choose for groups, targets, zones and rules. They never name a person.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `[a-z0-9][a-z0-9._-]{0,62}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(std::sync::Arc<str>);

pub const LONGEST_LABEL: usize = 63;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    #[error("a label may not be empty")]
    Empty,
    #[error("label is {length} characters long; at most {LONGEST_LABEL} are allowed")]
    TooLong { length: usize },
    #[error(
        "label `{text}` has `{found}` at character {place}; allowed are a-z, 0-9 and, after the first, `.` `_` `-`"
    )]
    BadCharacter { text: String, found: char, place: usize },
}

impl Label {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A label sorts as its text does, so a map of labels is asked by text.
impl std::borrow::Borrow<str> for Label {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        if text.is_empty() {
            return Err(LabelError::Empty);
        }
        if text.len() > LONGEST_LABEL {
            return Err(LabelError::TooLong { length: text.chars().count() });
        }
        match text.chars().enumerate().find(|(place, c)| !allowed(*place, *c)) {
            Some((place, found)) => Err(LabelError::BadCharacter { text: text.to_owned(), found, place: place + 1 }),
            None => Ok(Self(text.into())),
        }
    }
}

fn allowed(place: usize, c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || (place > 0 && matches!(c, '.' | '_' | '-'))
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_follow_the_grammar() {
        for good in ["db1", "a", "0", "zone-a.tier_0", &"x".repeat(63)] {
            assert!(good.parse::<Label>().is_ok(), "{good}");
        }
        for bad in ["", "Db1", "-x", ".x", "a b", "a/b", "a,b", "データ", &"x".repeat(64)] {
            assert!(bad.parse::<Label>().is_err(), "{bad}");
        }
    }
}
