//! What engine asks of keeper. The keeper signs or opens only what an entry it is shown allows, under a head that extends the last it signed.

use domain::{PersonId, SuiteKey};
use envelope::Sealed;
use ledger::{ConsistencyProof, Hash, InclusionProof, MultiProof};
use serde::{Deserialize, Serialize};
use sshwire::PublicKey;
use tegata::Tegata;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// Which head was signed last, and the public keys.
    Status,
    /// Remember the founding, once and for ever: it must bind the keeper's own keys and carry both founders' signatures.
    Found {
        entry: String,
    },
    /// Sign the head of the ledger.
    Head(Extension),
    /// Sign a head and a certificate for a person's passage in one call.
    Passage(PassageOrder),
    /// Sign a head and a certificate for Sekimori's own errand.
    Errand(ErrandOrder),
    /// A new data key for a person's texts, with its wrapped form.
    NewDataKey {
        owner: Owner,
    },
    UnwrapDataKey {
        owner: Owner,
        wrapped: String,
    },
    /// Re-seal a recording's session key to the reader whom an entry permits.
    Replay(ReplayOrder),
}

/// A head, and the proof that it extends the last one that the keeper remembers: the last signed, or shown with a replay. The founding
/// entry alone counts as the first, of size 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    pub size: u64,
    pub root: Hash,
    /// None only when the head is the remembered one.
    pub consistency: Option<ConsistencyProof>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassageOrder {
    pub head: Extension,
    /// Its proof is under `head`; its checkpoint is left empty, for the keeper is about to make it.
    pub tegata: Tegata,
    /// The `session.opened` entry's exact bytes.
    pub opened: String,
    pub inclusion: InclusionProof,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrandOrder {
    pub head: Extension,
    /// Entries by which the target is what it is, founding first; the last one is `errand.opened`.
    pub entries: Vec<String>,
    pub proof: MultiProof,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayOrder {
    pub head: Extension,
    /// Entries by which the reader may read: founding, keys, membership, `session.opened` and last `replay.permitted`.
    pub entries: Vec<String>,
    pub proof: MultiProof,
    /// The whole header of the recording: its hash stands in `session.opened`.
    #[serde(with = "hex_bytes")]
    pub header: Vec<u8>,
}

/// Whose texts a data key seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// Names of targets and the like: nobody's personal data.
    Installation,
    Person(PersonId),
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Installation => f.write_str("installation"),
            Self::Person(person) => write!(f, "{person}"),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    Status(Status),
    Founded,
    /// A signed note.
    Checkpoint {
        note: String,
    },
    Certified {
        note: String,
        certificate: String,
    },
    DataKey(DataKeyAnswer),
    Resealed {
        sealed: Sealed,
    },
    Refused(KeeperRefusal),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Size and root of the last head remembered; none before the founding.
    pub last: Option<(u64, Hash)>,
    pub last_serial: Option<u64>,
    pub founded: bool,
    pub log_key: PublicKey,
    pub ca_key: PublicKey,
    pub reading_key: SuiteKey,
}

/// A data key on its way to engine. Not printed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataKeyAnswer {
    /// 32 bytes, hex.
    pub key: String,
    pub wrapped: String,
}

impl std::fmt::Debug for DataKeyAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKeyAnswer(***)")
    }
}

impl Drop for DataKeyAnswer {
    fn drop(&mut self) {
        // Best effort: the text is overwritten before it is given back.
        let length = self.key.len();
        self.key.replace_range(.., &"0".repeat(length));
    }
}

/// Why the keeper would not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum KeeperRefusal {
    #[error("the head does not extend the last one signed (size {last}): {why}")]
    DoesNotExtend { last: u64, why: String },
    #[error("the proof does not hold: {why}")]
    NoProof { why: String },
    #[error("the entry does not say what is asked: {why}")]
    EntryDiffers { why: String },
    #[error("the grant does not stand by the keeper's own clock: {why}")]
    NotStanding { why: String },
    #[error("serial {asked} was used; the last was {last}")]
    SerialUsed { asked: u64, last: u64 },
    #[error("the keeper remembers another founding")]
    FoundedAlready,
    #[error("the keeper is not founded yet")]
    NotFounded,
    #[error("the keeper could not remember the head: {why}")]
    CannotRemember { why: String },
    #[error("what was asked is malformed: {why}")]
    Malformed { why: String },
}

mod hex_bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        let text: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        s.serialize_str(&text)
    }

    /// One spelling: an even number of lower-case digits.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(d)?;
        let digits: Option<Vec<u8>> = text.bytes().map(digit).collect();
        let digits = digits.filter(|digits| digits.len().is_multiple_of(2));
        let digits = digits.ok_or_else(|| serde::de::Error::custom("not hexadecimal"))?;
        Ok(digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect())
    }

    const fn digit(byte: u8) -> Option<u8> {
        match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Bytes(#[serde(with = "hex_bytes")] Vec<u8>);

    #[test]
    fn a_recordings_header_travels_in_one_spelling() {
        let written = serde_json::to_string(&Bytes(vec![0, 0x0f, 0xa7])).unwrap();
        assert_eq!(written, "\"000fa7\"");
        assert_eq!(serde_json::from_str::<Bytes>(&written).unwrap(), Bytes(vec![0, 0x0f, 0xa7]));
        for other in ["\"00+fa7\"", "\"000FA7\"", "\"000fa\"", "\"0x0fa7\"", "\"000fé\""] {
            assert!(serde_json::from_str::<Bytes>(other).is_err(), "{other} is read");
        }
    }
}
