//! What an entry is about, for looking it up: the ids in its actor and body.

use std::collections::BTreeSet;
use std::fmt::Display;

use domain::event::Event;
use domain::{Actor, Entry, Refusal};
use store::{Order, SubjectKey};

use crate::engine::{Engine, unavailable};

impl Engine {
    /// The first entry of one of these kinds that names `about` and is the one meant, whatever stands before and after it.
    pub(crate) fn first_about(
        &self,
        about: &impl Display,
        kinds: &[&str],
        is_meant: impl Fn(&Event) -> bool,
    ) -> Result<Option<Entry>, Refusal> {
        let subject = SubjectKey::new(about.to_string()).map_err(|e| unavailable("an id", &e))?;
        for kind in kinds {
            let found = self.reader.by_subject_and_kind((&subject, kind), 0..u64::MAX, Order::OldestFirst, FEW);
            let found = found.map_err(|e| unavailable("reading the ledger", &e))?;
            let mut entries = found.iter().filter_map(|stored| Entry::decode(&stored.bytes).ok());
            if let Some(entry) = entries.find(|entry| is_meant(&entry.event)) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}

/// A thing is opened once and ends once.
const FEW: usize = 16;

/// Every id that the entry names, each once. An index only: `verify` rebuilds it.
pub(crate) fn of(entry: &Entry, bytes: &[u8]) -> Vec<SubjectKey> {
    let mut found: BTreeSet<&str> = BTreeSet::new();
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    for word in text.split('"') {
        let is_id = word.len() == LENGTH && domain::id::PREFIXES.iter().any(|prefix| word.starts_with(prefix));
        if is_id {
            found.insert(word);
        }
    }
    let person = match entry.actor {
        Actor::Person { person, .. } => Some(person.to_string()),
        Actor::Founders | Actor::Engine | Actor::Front | Actor::Recovery | Actor::Unproved => None,
    };
    let named = found.into_iter().map(str::to_owned).chain(person).collect::<BTreeSet<_>>();
    named.iter().take(store::MAX_SUBJECTS).filter_map(|id| SubjectKey::new(id).ok()).collect()
}

/// Prefix and 26 characters.
const LENGTH: usize = 30;
