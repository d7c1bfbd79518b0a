//! What an entry is about, for looking it up: the ids in its actor and body.

use std::collections::BTreeSet;

use domain::{Actor, Entry};
use store::SubjectKey;

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
