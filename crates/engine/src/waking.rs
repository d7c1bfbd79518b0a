//! After a stop nobody knows how long it was: the wall clock alone says. Nothing passes to a target until its own clock was seen again.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use domain::state::Journal;
use domain::{Refusal, TargetId, Timestamp};

use crate::clock::{ClockWatch, LONGEST_JUMP, Reading};

/// What a start knows of the time since the ledger's last entry.
#[derive(Debug)]
pub(crate) struct Waking {
    rest: Rest,
    seen: Mutex<BTreeSet<TargetId>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// No longer than the clock is believed for while engine runs, or two persons are asked for the time.
    Short,
    /// Longer, by the wall clock; as long as nobody else says so it may be wrong by all of it.
    Long,
}

impl Waking {
    /// `wall`: the clock at start. A clock that is in doubt anyway is for two persons to judge, whose word is worth more than a target's.
    pub(crate) fn at_start(journal: &Journal, wall: Timestamp) -> Self {
        let is_long = journal.time.is_some_and(|last| wall.since(last) > LONGEST_JUMP);
        let is_doubted = journal.clock_doubt.is_some()
            || matches!(ClockWatch::at_start(journal.time, wall), Reading::Doubted { .. });
        let rest = if is_long && !is_doubted { Rest::Long } else { Rest::Short };
        Self { rest, seen: Mutex::default() }
    }

    /// The target's clock was read; how far it is from ours stands in the ledger, where it is judged.
    pub(crate) fn saw(&self, target: TargetId) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(target);
    }

    /// Whether what the ledger knows of the target's clock is from before the stop.
    pub(crate) fn awaits(&self, target: &TargetId) -> bool {
        self.rest == Rest::Long && !self.seen.lock().unwrap_or_else(PoisonError::into_inner).contains(target)
    }

    /// # Errors
    /// [`Refusal::ClockUnseen`] until the target's clock was seen since.
    pub(crate) fn may_lead_to(&self, target: TargetId) -> Result<(), Refusal> {
        if self.awaits(&target) { Err(Refusal::ClockUnseen { target }) } else { Ok(()) }
    }
}
