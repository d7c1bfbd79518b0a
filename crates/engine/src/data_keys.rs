//! Data keys that the keeper has unwrapped, for as long as they are likely to be needed again: few, and not for long.
//!
//! A key that leaves is overwritten as soon as whoever is using it just then is done. By boot time, so that setting the clock keeps nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use channel::keeper::Owner;
use envelope::DataKey;

/// Keys held at the same time; beyond it the one unused for longest goes.
const MOST_KEYS: usize = 64;
/// From its unwrapping on a key is held no longer than this, however often it is used.
pub(crate) const LONGEST_HELD: Duration = Duration::from_secs(300);

/// A data key, and the form in which it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) key: Arc<DataKey>,
    pub(crate) wrapped: String,
}

#[derive(Debug, Default)]
pub(crate) struct DataKeys {
    held: HashMap<Owner, Held>,
}

#[derive(Debug)]
struct Held {
    known: Known,
    since: Duration,
    used: Duration,
}

impl DataKeys {
    /// The owner's key, if it is held and may still be.
    pub(crate) fn get(&mut self, owner: &Owner, boot: Duration) -> Option<Known> {
        self.forget_old(boot);
        let held = self.held.get_mut(owner)?;
        held.used = boot;
        Some(held.known.clone())
    }

    pub(crate) fn put(&mut self, owner: Owner, known: Known, boot: Duration) {
        self.forget_old(boot);
        if self.held.len() >= MOST_KEYS
            && let Some(oldest) = self.held.iter().min_by_key(|(_, held)| held.used).map(|(owner, _)| *owner)
        {
            self.held.remove(&oldest);
        }
        self.held.insert(owner, Held { known, since: boot, used: boot });
    }

    /// Lets go of what was held for long enough. Dropping a key overwrites it.
    pub(crate) fn forget_old(&mut self, boot: Duration) {
        self.held.retain(|_, held| boot.saturating_sub(held.since) < LONGEST_HELD);
    }
}

#[cfg(test)]
mod tests {
    use domain::PersonId;
    use envelope::Secret;

    use super::*;

    fn known() -> Known {
        Known {
            key: Arc::new(DataKey::from_secret(Secret::filled(|key: &mut [u8; 32]| key.fill(7)))),
            wrapped: String::new(),
        }
    }

    fn owner(n: u8) -> Owner {
        Owner::Person(PersonId::from_random([n; 16]))
    }

    #[test]
    fn a_key_is_let_go_of_after_its_time_however_often_it_is_used() {
        let (mut keys, kept) = (DataKeys::default(), known());
        let alive = Arc::downgrade(&kept.key);
        keys.put(owner(1), kept, Duration::ZERO);
        for second in (0..LONGEST_HELD.as_secs()).step_by(10) {
            assert!(keys.get(&owner(1), Duration::from_secs(second)).is_some());
        }
        assert!(alive.upgrade().is_some());
        keys.forget_old(LONGEST_HELD);
        assert!(alive.upgrade().is_none(), "nobody holds it, so it was dropped and overwritten");
        assert!(keys.get(&owner(1), LONGEST_HELD).is_none());
    }

    #[test]
    fn few_are_held_and_the_one_unused_for_longest_goes() {
        let mut keys = DataKeys::default();
        for n in 0..MOST_KEYS {
            keys.put(owner(n as u8), known(), Duration::from_secs(n as u64));
        }
        assert!(keys.get(&owner(0), Duration::from_secs(100)).is_some());
        keys.put(owner(200), known(), Duration::from_secs(101));
        assert_eq!(keys.held.len(), MOST_KEYS);
        assert!(keys.get(&owner(1), Duration::from_secs(102)).is_none(), "it was unused for longest");
        assert!(keys.get(&owner(0), Duration::from_secs(102)).is_some());
    }
}
