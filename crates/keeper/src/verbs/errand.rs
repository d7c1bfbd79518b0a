//! `errand`: a certificate for what Sekimori itself does on a target, under what two persons agreed for that target.
//!
//! The proof shows the target, not every person: a key that somebody else owns may be certified here, for the forced command.

use std::collections::{BTreeMap, BTreeSet};

use channel::keeper::{Answer, ErrandOrder, KeeperRefusal};
use domain::decide::{PROBE_REACH, errand_fits};
use domain::event::{ErrandOpened, Event};
use domain::motion::ErrandKind;
use domain::{Actor, Entry};

use super::{differs, unused};
use crate::certificate::{Order, Seconds};
use crate::evidence::{entries_under, extends, replayed};
use crate::{Keeper, Last};

/// What a probe runs: seconds and nanoseconds since 1970 by the target's clock.
const PROBE_COMMAND: &str = "date -u +%s.%N";

impl<C: crate::Clock> Keeper<C> {
    pub(crate) fn errand(&mut self, order: &ErrandOrder) -> Result<Answer, KeeperRefusal> {
        let now = self.now()?;
        let last = self.last()?;
        let head = extends(&last.head, &order.head)?;
        let entries = entries_under(&head, &order.entries, &order.proof, self.founded()?)?;
        let (entry, before) = entries.split_last().ok_or_else(|| differs("there is no entry"))?;
        let opened = errand_of(entry)?;
        if opened.recorded.is_none() {
            return Err(differs("an errand that is not recorded is not certified"));
        }
        unused(opened.serial, last.serial)?;
        let state = replayed(before)?;
        // At the entry's own time, as for a passage; the window is then held against the keeper's clock.
        errand_fits(&state, opened, entry.time).map_err(|refusal| differs(refusal.to_string()))?;
        let valid = Seconds::within(&opened.valid, PROBE_REACH, now)?;

        self.remember(Last { head, serial: Some(opened.serial) })?;
        let note = self.sign_head(head)?;
        let certificate = certified(opened, valid).sign(&self.config, self.keys.ca())?;
        Ok(Answer::Certified { note, certificate })
    }
}

/// An errand is the engine's act, not a person's.
fn errand_of(entry: &Entry) -> Result<&ErrandOpened, KeeperRefusal> {
    match (&entry.event, entry.actor) {
        (Event::ErrandOpened(opened), Actor::Engine) => Ok(opened),
        (Event::ErrandOpened(_), _) => Err(differs("an errand is not opened by anybody but the engine")),
        (other, _) => Err(differs(format!("the last entry is `{}`, not `errand.opened`", other.kind()))),
    }
}

fn certified(opened: &ErrandOpened, valid: Seconds) -> Order {
    Order {
        subject: opened.subject.clone(),
        serial: opened.serial,
        key_id: format!("sekimori,err={},tgt={}", opened.errand, opened.target),
        principal: opened.principal.clone(),
        valid,
        force_command: Some(command_of(opened.kind)),
        permits: BTreeSet::new(),
        extensions: BTreeMap::new(),
    }
}

const fn command_of(kind: ErrandKind) -> &'static str {
    match kind {
        ErrandKind::Probe => PROBE_COMMAND,
    }
}
