//! Sekimori's own errands (用務): looking at a target's clock. Claimed by an entry, signed by the keeper, run by front.

use std::sync::Arc;
use std::time::Duration;

use channel::front::{ErrandTerms, Recorded};
use channel::keeper::{Ask, ErrandOrder};
use domain::decide::PROBE_REACH;
use domain::event::{Attempt, ErrandEnded, ErrandOpened, ErrandOutcome, ErrandRecorded, ErrandRecording, Event};
use domain::motion::{ErrandKind, Principal};
use domain::{Actor, ErrandId, Refusal, SessionId, State, TargetId, Timestamp, Window};
use ledger::Hash;
use sshwire::PublicKey;

use crate::engine::{Engine, unavailable};
use crate::keeper_link::KeeperError;
use crate::random;
use crate::writer::Draft;

/// A clock is looked at this often.
const PROBE_EVERY: Duration = Duration::from_secs(3600);
/// After a failure it is tried again so much later.
const PROBE_AGAIN: Duration = Duration::from_secs(30);

impl Engine {
    /// Sends front to every target whose clock is unseen or was seen long ago. Takes no input: looks and acts.
    pub(crate) fn probe_when_due(&self) {
        let state = self.state();
        if state.founding.is_none() || state.journal.clock_doubt.is_some() || !self.front.is_connected() {
            return;
        }
        let boot = self.clock.boot();
        for (id, target) in &state.estate.targets {
            let is_known = target.clock_offset_ms.is_some() && !self.waking.awaits(id);
            let wait = if is_known { PROBE_EVERY } else { PROBE_AGAIN };
            if target.errands.kinds.contains(&ErrandKind::Probe) && self.front.claim_probe(*id, boot, wait) {
                self.send_probe(&state, *id);
            }
        }
    }

    /// Looks at one target's clock now.
    pub(crate) fn probe_now(&self, target: TargetId) -> Result<(), Refusal> {
        let state = self.state();
        let found = state.estate.targets.get(&target).ok_or(Refusal::TargetUnknown { target })?;
        if !found.errands.kinds.contains(&ErrandKind::Probe) {
            return Err(Refusal::ErrandNotAllowed { target });
        }
        if !self.front.is_connected() {
            return Err(Refusal::Unavailable);
        }
        self.front.claim_probe(target, self.clock.boot(), Duration::ZERO);
        self.send_probe(&state, target);
        Ok(())
    }

    fn send_probe(&self, state: &State, id: TargetId) {
        let Some(target) = state.estate.targets.get(&id) else { return };
        let Some(address) = self.texts.text(&target.address) else { return };
        let errand = ErrandId::from_random(random::bytes());
        let terms = ErrandTerms {
            errand,
            session: SessionId::from_random(random::bytes()),
            kind: ErrandKind::Probe,
            address,
            host_keys: target.host_keys.clone(),
            login: target.errands.login.to_string(),
        };
        self.front.send_errand(id, terms);
    }

    /// Front made a key for an errand that it was told of.
    pub(crate) async fn errand_ready(
        self: &Arc<Self>,
        errand: ErrandId,
        subject: PublicKey,
        header: Hash,
    ) -> Result<String, Refusal> {
        let (target, session) = self.front.sent(&errand).ok_or(Refusal::OutOfOrder)?;
        let recorded = ErrandRecording { session, header };
        let make = Box::new(move |state: &State, at: Timestamp| {
            Ok(Draft {
                event: opened(state, errand, target, subject, recorded, at)?,
                actor: Actor::Engine,
                cause: None,
                beside: vec![],
            })
        });
        let _turn = self.certifying.lock().await;
        let outcome = async {
            let written = self.writer.propose(Attempt::Errand, Actor::Engine, make).await?;
            self.aside(move |engine| engine.certify_errand(target, written.seq)).await
        };
        outcome.await.inspect_err(|_| self.front.errand_over(&errand))
    }

    fn certify_errand(&self, target: TargetId, seq: u64) -> Result<String, Refusal> {
        let state = self.state();
        let order = |head: channel::keeper::Extension| {
            let mut seqs = tegata::closure::of_target(&state, &target);
            seqs.insert(seq);
            let seqs: Vec<u64> = seqs.into_iter().collect();
            let (entries, proof) =
                self.proofs.entries(&seqs, head.size).map_err(|e| KeeperError::Malformed(e.to_string()))?;
            Ok(Ask::Errand(ErrandOrder { head, entries, proof }))
        };
        let (note, certificate) =
            self.keeper.certify(order).map_err(|e| unavailable("a certificate for an errand", &e))?;
        self.writer.checkpoint(note);
        Ok(certificate)
    }

    pub(crate) async fn errand_ended(
        self: &Arc<Self>,
        errand: ErrandId,
        outcome: ErrandOutcome,
        told: Option<Recorded>,
    ) -> Result<(), Refusal> {
        let sent = self.front.sent(&errand);
        self.front.errand_over(&errand);
        // Under which name it is recorded the errand's own entry says, not front.
        let recording = self.errand_recording(&errand)?;
        let recorded = told.zip(recording).map(|(told, recording)| ErrandRecorded {
            session: recording.session,
            chunks: told.anchor.chunks,
            chain: told.anchor.chain,
            complete: told.complete,
            bytes: told.bytes,
        });
        let is_seen = matches!(outcome, ErrandOutcome::Clock { .. });
        let event = Event::ErrandEnded(ErrandEnded { errand, outcome, recorded });
        let make = Box::new(move |_: &State, _: Timestamp| {
            Ok(Draft { event, actor: Actor::Engine, cause: None, beside: vec![] })
        });
        self.writer.propose(Attempt::Errand, Actor::Engine, make).await?;
        // One that was sent before the stop says nothing of the time since.
        if let Some((target, _)) = sent.filter(|_| is_seen) {
            self.waking.saw(target);
        }
        if let Some(recording) = recording {
            self.recordings.take(&recording.session);
        }
        Ok(())
    }

    fn errand_recording(&self, errand: &ErrandId) -> Result<Option<ErrandRecording>, Refusal> {
        let is_opening = |event: &Event| matches!(event, Event::ErrandOpened(opened) if opened.errand == *errand);
        let opened = self.first_about(errand, &["errand.opened"], is_opening)?;
        let recording = opened.and_then(|entry| match entry.event {
            Event::ErrandOpened(opened) => opened.recorded,
            _ => None,
        });
        Ok(recording)
    }
}

fn opened(
    state: &State,
    errand: ErrandId,
    target: TargetId,
    subject: PublicKey,
    recorded: ErrandRecording,
    at: Timestamp,
) -> Result<Event, Refusal> {
    let valid = Window::new(at.minus(PROBE_REACH), at.plus(PROBE_REACH)).map_err(|_| Refusal::SessionMalformed)?;
    let serial = state.passage.next_serial;
    Ok(Event::ErrandOpened(ErrandOpened {
        errand,
        target,
        kind: ErrandKind::Probe,
        subject,
        principal: Principal::of_errands(&target),
        serial,
        valid,
        recorded: Some(recorded),
    }))
}
