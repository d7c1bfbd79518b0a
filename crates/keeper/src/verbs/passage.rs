//! `passage`: a certificate for a person, for what the proof of a grant and the entry of the session say, and no more.
//!
//! What no proof can show is the engine's word: that nothing was taken back after the entries in the tegata.

use std::collections::BTreeMap;

use channel::keeper::{Answer, KeeperRefusal, PassageOrder};
use domain::decide::{LONGEST_CERTIFICATE, Standing, passage_fits};
use domain::event::{Event, SessionOpened};
use domain::rule::Channel;
use domain::{Entry, Refusal};
use ledger::Hash;
use sshwire::{ExtensionName, Permit};
use tegata::{Tegata, VerifiedTegata};

use super::{differs, unused};
use crate::certificate::{Order, Seconds};
use crate::evidence::{extends, included};
use crate::{Keeper, Last};

/// Which tegata a certificate rests on: SHA-256, in hexadecimal, of the file with the checkpoint that was signed beside the certificate.
/// Some SSH implementations read extensions as text, so nothing else may stand there.
const TEGATA_HASH: &str = "tegata-hash@sekimori";

impl<C: crate::Clock> Keeper<C> {
    pub(crate) fn passage(&mut self, order: &PassageOrder) -> Result<Answer, KeeperRefusal> {
        let now = self.now()?;
        let last = self.last()?;
        let head = extends(&last.head, &order.head)?;
        let entry = included(&order.opened, &order.inclusion, &head)?;
        let opened = session_of(&entry)?;
        unused(opened.serial, last.serial)?;
        let founded = self.founded.as_ref().ok_or(KeeperRefusal::NotFounded)?;
        let verified = self.proofs.verified(&order.tegata, &head, founded)?;
        fits(verified, &entry, opened)?;
        let standing = verified.would_stand(now).map_err(not_standing)?;
        let valid = Seconds::within(&opened.valid, LONGEST_CERTIFICATE, now)?;

        self.remember(Last { head, serial: Some(opened.serial) })?;
        let note = self.sign_head(head)?;
        let order = certified(opened, &standing, valid, tegata_hash(&order.tegata, &note));
        let certificate = order.sign(&self.config, self.keys.ca())?;
        Ok(Answer::Certified { note, certificate })
    }
}

fn session_of(entry: &Entry) -> Result<&SessionOpened, KeeperRefusal> {
    match &entry.event {
        Event::SessionOpened(opened) => Ok(opened),
        other => Err(differs(format!("it is `{}`, not `session.opened`", other.kind()))),
    }
}

fn not_standing(refusal: Refusal) -> KeeperRefusal {
    KeeperRefusal::NotStanding { why: refusal.to_string() }
}

/// Judged at the entry's own time, as when it was written: by the keeper's clock a moment has passed since. That the moment
/// was short is seen from the window, which must hold the keeper's own time.
fn fits(verified: &VerifiedTegata, entry: &Entry, opened: &SessionOpened) -> Result<(), KeeperRefusal> {
    if !opened.principal.is_for_persons() {
        return Err(differs("its principal is not one for persons"));
    }
    if entry.seq <= verified.grant().made {
        return Err(differs("the session was opened before its grant was made"));
    }
    let standing = verified.would_stand(entry.time).map_err(not_standing)?;
    let refused = |refusal: Refusal| differs(refusal.to_string());
    passage_fits(verified.state(), opened, &standing, entry.actor, entry.time).map_err(refused)
}

fn certified(opened: &SessionOpened, standing: &Standing, valid: Seconds, tegata: Hash) -> Order {
    let hash_name: ExtensionName = TEGATA_HASH.parse().expect("the constant is a private extension's name");
    Order {
        subject: opened.subject.clone(),
        serial: opened.serial,
        key_id: format!("sekimori,ses={},grt={},per={}", opened.session, opened.grant, standing.person),
        principal: opened.principal.clone(),
        valid,
        force_command: None,
        permits: opened.channels.iter().filter_map(permit).collect(),
        extensions: BTreeMap::from([(hash_name, tegata.to_string().into_bytes())]),
    }
}

/// What the target's sshd must let the certificate do for the channel.
fn permit(channel: &Channel) -> Option<Permit> {
    match channel {
        Channel::Shell => Some(Permit::Pty),
        Channel::Exec | Channel::Download | Channel::Upload => None,
        Channel::Forward(_) | Channel::Listen(_) | Channel::Socket(_) | Channel::ListenSocket(_) => {
            Some(Permit::PortForwarding)
        }
        Channel::Agent => Some(Permit::AgentForwarding),
        Channel::X11 => Some(Permit::X11Forwarding),
    }
}

fn tegata_hash(tegata: &Tegata, note: &str) -> Hash {
    let mut whole = tegata.clone();
    note.clone_into(&mut whole.checkpoint);
    Hash::of(&whole.to_bytes())
}
