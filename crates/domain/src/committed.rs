//! What a person typed, or what names a person, stands in the ledger only as a salted commitment; the opening is sealed beside it.

use std::fmt;
use std::marker::PhantomData;

use ledger::Hash;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A kind of text that may stand in an entry only as a commitment. The kind is hashed with the text, so that one cannot pass for another.
pub trait Text {
    const KIND: &'static str;
    /// Longest text in bytes.
    const LONGEST: usize;
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $kind:literal, $longest:literal;)*) => {
        $( $(#[$doc])* #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)] pub struct $name; impl Text for $name {
            const KIND: &'static str = $kind; const LONGEST: usize = $longest;
        } )*
    };
}

texts! {
    /// What a privilege is wanted for.
    Purpose = "purpose", 2_000;
    /// Why something is refused, revoked, frozen or killed.
    Reason = "reason", 2_000;
    /// What a person is called.
    PersonName = "person-name", 200;
    /// Where a target is reached: host and port.
    Address = "address", 300;
    /// An account name that names a person.
    LoginName = "login-name", 64;
    /// Where a connection came from.
    Source = "source", 64;
}

/// HMAC-SHA256 over kind and text under a random salt (formats: `sekimori/commit/v1`).
pub struct Committed<T>(Hash, PhantomData<fn() -> T>);

impl<T: Text> Committed<T> {
    pub const fn from_hash(hash: Hash) -> Self {
        Self(hash, PhantomData)
    }

    pub const fn hash(&self) -> Hash {
        self.0
    }
}

impl<T> Clone for Committed<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Committed<T> {}

impl<T> PartialEq for Committed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Committed<T> {}

impl<T> fmt::Debug for Committed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Committed({})", self.0)
    }
}

impl<T> Serialize for Committed<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(s)
    }
}

impl<'de, T> Deserialize<'de> for Committed<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Hash::deserialize(d).map(|hash| Self(hash, PhantomData))
    }
}
