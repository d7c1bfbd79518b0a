//! The ledger's leaf: one fact with its place, time and author, as JSON, kept byte for byte.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::event::Event;
use crate::id::{PersonId, PersonaId};
use crate::time::Timestamp;

/// The longest entry in bytes (C2SP `tlog-tiles`: a 16-bit length).
pub const LONGEST_ENTRY: usize = 65_535;

/// The newest version of entry bodies this code knows. Each kind has its own: most have only ever had the first.
pub const ENTRY_VERSION: u8 = 2;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub seq: u64,
    pub time: Timestamp,
    pub actor: Actor,
    /// The entry that brought this one about, if one did.
    pub cause: Option<u64>,
    pub event: Event,
}

/// Whose act it was: a natural person through a persona's key, or a process of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Actor {
    Person {
        person: PersonId,
        persona: PersonaId,
    },
    Founders,
    Engine,
    Front,
    /// Holders of printed shares.
    Recovery,
    /// A refused peer of whom nothing was proved.
    Unproved,
}

#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    #[error("entry is {length} bytes long; at most {LONGEST_ENTRY} fit")]
    TooLong { length: usize },
    #[error("entry is not readable: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("entry has version {found}, which this program does not know for its kind and fields")]
    UnknownVersion { found: u8 },
    #[error("entry is of kind `{kind}`, which this program does not know")]
    UnknownKind { kind: String },
    #[error("entry says kind `{said}` but its body is `{found}`")]
    KindMismatch { said: String, found: &'static str },
    #[error("entry is not in its canonical form: its fields are written otherwise than this program writes them")]
    NotCanonical,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw<'a> {
    v: u8,
    seq: u64,
    time: Timestamp,
    actor: Actor,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    cause: Option<u64>,
    kind: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    body: std::borrow::Cow<'a, RawValue>,
}

impl Entry {
    /// The exact bytes that are hashed and stored.
    pub fn encode(&self) -> Result<Vec<u8>, EntryError> {
        let raw = Raw {
            v: self.event.version(),
            seq: self.seq,
            time: self.time,
            actor: self.actor,
            cause: self.cause,
            kind: self.event.kind().into(),
            body: std::borrow::Cow::Owned(self.event.body()?),
        };
        let bytes = serde_json::to_vec(&raw)?;
        if bytes.len() > LONGEST_ENTRY { Err(EntryError::TooLong { length: bytes.len() }) } else { Ok(bytes) }
    }

    /// Reads strictly: unknown fields, versions and kinds are refused, and so is every spelling but [`Entry::encode`]'s.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > LONGEST_ENTRY {
            return Err(EntryError::TooLong { length: bytes.len() });
        }
        let raw: Raw<'_> = serde_json::from_slice(bytes)?;
        if !(1..=ENTRY_VERSION).contains(&raw.v) {
            return Err(EntryError::UnknownVersion { found: raw.v });
        }
        let event = Event::read(&raw.kind, raw.body.get())
            .ok_or_else(|| EntryError::UnknownKind { kind: raw.kind.chars().take(64).collect() })??;
        if event.kind() != raw.kind {
            return Err(EntryError::KindMismatch { said: raw.kind.chars().take(64).collect(), found: event.kind() });
        }
        if raw.v != event.version() {
            return Err(EntryError::UnknownVersion { found: raw.v });
        }
        let entry = Self { seq: raw.seq, time: raw.time, actor: raw.actor, cause: raw.cause, event };
        // White space, escapes and doubled members would be a place for free text, and a second spelling of the same fact.
        if entry.encode()? == bytes { Ok(entry) } else { Err(EntryError::NotCanonical) }
    }
}
