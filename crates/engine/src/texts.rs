//! The directory: texts that entries commit to, sealed beside the ledger under a key per person, opened when somebody may read them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use channel::api::Opening;
use channel::keeper::Owner;
use domain::committed::{Address, Committed, LoginName, PersonName, Purpose, Reason, Source, Text};
use domain::purpose::{PurposeText, check_text};
use domain::{PersonId, Refusal};
use envelope::{DataKey, Salt};
use ledger::Hash;
use store::{Blob, BlobKey, Reader};

use crate::clock::Clock;
use crate::data_keys::{DataKeys, Known};
use crate::keeper_link::KeeperLink;
use crate::writer::{Repeat, Sealed};

#[derive(Debug)]
pub(crate) struct Texts {
    reader: Reader,
    keeper: Arc<KeeperLink>,
    clock: Arc<dyn Clock>,
    keys: Mutex<DataKeys>,
    opened: Mutex<BTreeMap<Hash, Option<Opening>>>,
}

/// Opened texts kept at hand; beyond it the cache starts anew.
const MOST_OPENED: usize = 20_000;
/// Texts that one submission may bring.
pub(crate) const MOST_OPENINGS: usize = 8;

/// A commitment in an event, with whose text it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub kind: &'static str,
    pub hash: Hash,
    pub owner: Owner,
}

impl Wanted {
    pub(crate) fn new<T: Text>(committed: &Committed<T>, owner: Owner) -> Self {
        Self { kind: T::KIND, hash: committed.hash(), owner }
    }
}

impl Texts {
    pub(crate) fn new(reader: Reader, keeper: Arc<KeeperLink>, clock: Arc<dyn Clock>) -> Self {
        Self { reader, keeper, clock, keys: Mutex::default(), opened: Mutex::default() }
    }

    /// Lets go of data keys that were held for long enough; called every now and then, for nobody may ask for them again.
    pub(crate) fn forget_old_keys(&self) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).forget_old(self.clock.boot());
    }

    /// Checks that `openings` are exactly the texts that `wanted` commits to, fit to be shown, and seals them. May wait for the keeper.
    pub(crate) fn seal_all(&self, wanted: &[Wanted], openings: Vec<Opening>) -> Result<Vec<Sealed>, Refusal> {
        if openings.len() != wanted.len() || openings.len() > MOST_OPENINGS {
            return Err(Refusal::OpeningDiffers);
        }
        let mut sealed = Vec::new();
        for opening in openings {
            let found = wanted.iter().find(|w| {
                w.kind == opening.kind
                    && envelope::opens(w.hash.as_bytes(), w.kind, &opening.salt, opening.value.as_bytes())
            });
            let found = found.ok_or(Refusal::OpeningDiffers)?;
            fit(&opening)?;
            sealed.extend(self.seal(found, &opening)?);
        }
        Ok(sealed)
    }

    /// A text that the server itself learned, such as where a connection came from.
    pub(crate) fn commit<T: Text>(&self, owner: Owner, value: &str) -> Result<(Committed<T>, Vec<Sealed>), Refusal> {
        let salt = Salt::random();
        let hash = Hash::from_bytes(envelope::commit(T::KIND, &salt, value.as_bytes()));
        let committed = Committed::<T>::from_hash(hash);
        let opening = Opening { kind: T::KIND.to_owned(), salt, value: value.to_owned() };
        let sealed = self.seal(&Wanted::new(&committed, owner), &opening)?;
        Ok((committed, sealed))
    }

    /// The text and its salt; none where it was erased or never there.
    pub(crate) fn opening<T: Text>(&self, committed: &Committed<T>) -> Option<Opening> {
        let hash = committed.hash();
        if let Some(known) = self.opened().get(&hash) {
            return known.clone();
        }
        // What could not be read just now is not remembered as absent.
        let opening = self.read(&hash)?;
        let mut cache = self.opened();
        if cache.len() >= MOST_OPENED {
            cache.clear();
        }
        cache.insert(hash, opening.clone());
        opening
    }

    pub(crate) fn text<T: Text>(&self, committed: &Committed<T>) -> Option<String> {
        self.opening(committed).map(|opening| opening.value)
    }

    /// `None`: not to be read just now. `Some(None)`: erased.
    fn read(&self, hash: &Hash) -> Option<Option<Opening>> {
        let bytes = match self.reader.blob(&BlobKey::from(*hash)) {
            Ok(Some(Blob::Sealed(bytes))) => bytes,
            Ok(Some(Blob::Erased)) => return Some(None),
            Ok(None) | Err(_) => return None,
        };
        // The owner stands in clear in front, for finding the key; it is authenticated with the commitment.
        let (owner, body) = bytes.split_at_checked(OWNER_LENGTH)?;
        let owner = parse_owner(owner)?;
        let opened = self.key(owner).ok()?.0.open(&aad(hash, owner), body).ok()?;
        serde_json::from_slice(opened.expose()).ok().map(Some)
    }

    fn seal(&self, wanted: &Wanted, opening: &Opening) -> Result<Vec<Sealed>, Refusal> {
        let (key, mut sealed) = self.key(wanted.owner)?;
        let plain = serde_json::to_vec(opening).map_err(|_| Refusal::Unreadable)?;
        let body = key.seal(&aad(&wanted.hash, wanted.owner), &plain).map_err(|_| Refusal::TooLarge)?;
        let mut bytes = owner_field(wanted.owner).to_vec();
        bytes.extend(body);
        let text = Sealed {
            key: BlobKey::from(wanted.hash),
            owner: wanted.owner.to_string(),
            purpose: wanted.kind,
            bytes: Arc::new(bytes),
            repeat: Repeat::Refused,
        };
        sealed.push(text);
        self.opened().remove(&wanted.hash);
        Ok(sealed)
    }

    /// The owner's data key; its wrapped form comes along until the store has it.
    fn key(&self, owner: Owner) -> Result<(Arc<DataKey>, Vec<Sealed>), Refusal> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let blob_key = BlobKey::new(format!("key/{owner}")).expect("shorter than a key may be");
        let stored = match self.reader.blob(&blob_key).map_err(|_| Refusal::Unavailable)? {
            Some(Blob::Sealed(bytes)) => Some(String::from_utf8(bytes).map_err(|_| Refusal::Unavailable)?),
            Some(Blob::Erased) => return Err(Refusal::Unavailable),
            None => None,
        };
        let is_stored = stored.is_some();
        let known = match keys.get(&owner, self.clock.boot()) {
            Some(known) => known,
            None => {
                let known = self.fetch(owner, stored).map_err(unavailable)?;
                keys.put(owner, known.clone(), self.clock.boot());
                known
            }
        };
        let kept = Sealed {
            key: blob_key,
            owner: owner.to_string(),
            purpose: "data-key",
            bytes: Arc::new(known.wrapped.into_bytes()),
            repeat: Repeat::KeptOnce,
        };
        Ok((known.key, if is_stored { vec![] } else { vec![kept] }))
    }

    fn fetch(&self, owner: Owner, stored: Option<String>) -> Result<Known, crate::keeper_link::KeeperError> {
        match stored {
            Some(wrapped) => Ok(Known { key: Arc::new(self.keeper.unwrap_data_key(owner, wrapped.clone())?), wrapped }),
            None => {
                let (key, wrapped) = self.keeper.new_data_key(owner)?;
                Ok(Known { key: Arc::new(key), wrapped })
            }
        }
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, BTreeMap<Hash, Option<Opening>>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable(error: crate::keeper_link::KeeperError) -> Refusal {
    tracing::error!(%error, "the keeper gave no data key");
    Refusal::Unavailable
}

/// `installation` padded, or a person's id: both 30 characters.
const OWNER_LENGTH: usize = 30;
const INSTALLATION: &[u8; OWNER_LENGTH] = b"installation..................";

fn owner_field(owner: Owner) -> [u8; OWNER_LENGTH] {
    match owner {
        Owner::Installation => *INSTALLATION,
        Owner::Person(person) => person.to_string().as_bytes().try_into().expect("an id has 30 characters"),
    }
}

fn parse_owner(field: &[u8]) -> Option<Owner> {
    if field == INSTALLATION {
        return Some(Owner::Installation);
    }
    std::str::from_utf8(field).ok()?.parse::<PersonId>().ok().map(Owner::Person)
}

fn aad(hash: &Hash, owner: Owner) -> Vec<u8> {
    [b"sekimori/text/v1".as_slice(), hash.as_bytes(), &owner_field(owner)].concat()
}

/// Texts are judged here, where they are still texts; the ledger sees commitments only.
fn fit(opening: &Opening) -> Result<(), Refusal> {
    let value = &opening.value;
    match opening.kind.as_str() {
        Purpose::KIND => PurposeText::parse(value).map(|_| ()),
        Reason::KIND => check_text::<Reason>(value),
        PersonName::KIND => check_text::<PersonName>(value),
        Address::KIND => check_text::<Address>(value).and_then(|()| address(value).map(|_| ())),
        LoginName::KIND => check_text::<LoginName>(value),
        Source::KIND => check_text::<Source>(value),
        _ => Err(Refusal::OpeningDiffers),
    }
}

/// `host:port` or `[v6]:port`.
pub fn address(text: &str) -> Result<(String, u16), Refusal> {
    let (host, port) = text.rsplit_once(':').ok_or(Refusal::TextUnreadable)?;
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let port: u16 = port.parse().map_err(|_| Refusal::TextUnreadable)?;
    let named =
        !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_'));
    if named && port != 0 { Ok((host.to_owned(), port)) } else { Err(Refusal::TextUnreadable) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port() {
        for good in ["db1.example:22", "127.0.0.1:2222", "[::1]:22"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["", "db1", "db1:", "db1:0", "db1:70000", ":22", "db 1:22", "db1;rm:22"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
