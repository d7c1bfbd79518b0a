//! Whether something may become a fact. The same rules judge a fresh proposal, an old ledger being replayed, and the few entries of a tegata.

mod deeds;
mod founding;
mod motions;
mod requests;
mod sessions;

pub(crate) use requests::counted_now;
pub use sessions::{
    CERTIFICATE_LEAD, LONGEST_CERTIFICATE, PROBE_REACH, Standing, errand_fits, passage_fits, still_stands,
};

use crate::entry::{Actor, Entry};
use crate::event::{DeedDone, Event, Filing, GrantMade};
use crate::id::{GrantId, PersonaId};
use crate::motion::Act;
use crate::people::{PersonaKind, Signer};
use crate::refusal::Refusal;
use crate::state::State;
use crate::statement::{Deed, LONGEST_STATEMENT_LIFE, Signed};
use crate::time::Timestamp;

/// Something proposed at the head of the ledger. Its signatures have been verified, its texts checked against their commitments.
#[derive(Debug, Clone)]
pub struct Proposal {
    pub event: Event,
    pub actor: Actor,
    /// Already `max(last entry, now)`.
    pub at: Timestamp,
    pub cause: Option<u64>,
}

/// Judges `proposal` and gives the entries that follow from it, in order; the first is the proposal's own.
/// `fresh` is the id of a grant, should this bring one about.
pub fn decide(state: &State, proposal: Proposal, fresh: GrantId) -> Result<Vec<Entry>, Refusal> {
    let at = written_at(state, &proposal);
    if state.journal.time.is_some_and(|last| at < last) {
        return Err(Refusal::TimeWentBack);
    }
    let state = state.as_of(at);
    check(&state, &proposal.event, proposal.actor, at)?;
    let first = Entry {
        seq: state.journal.size,
        time: at,
        actor: proposal.actor,
        cause: proposal.cause,
        event: proposal.event,
    };
    let Event::ApprovalGiven(given) = &first.event else { return Ok(vec![first]) };
    let made = GrantMade { grant: fresh, request: given.fields.request };
    let approved = state.approved(given, first.seq);
    if approved.is_none_or(|request| requests::may_be_granted(&state, &made, &request, at).is_err()) {
        return Ok(vec![first]);
    }
    let made = Event::GrantMade(made);
    let second =
        Entry { seq: first.seq + 1, time: first.time, actor: Actor::Engine, cause: Some(first.seq), event: made };
    Ok(vec![first, second])
}

/// A clock that jumped must not carry the ledger with it: the doubt and what is written meanwhile stand at the last time that was in none.
/// Only the second person's word on the time moves it.
fn written_at(state: &State, proposal: &Proposal) -> Timestamp {
    let stands_still = match proposal.event {
        Event::ClockDoubted(_) => true,
        Event::MotionCarried(_) => false,
        _ => state.journal.clock_doubt.is_some(),
    };
    state.journal.time.filter(|_| stands_still).unwrap_or(proposal.at)
}

/// Judges an entry of an existing ledger against the state before it: what `decide` would refuse today, a verifier names.
/// A proof need not show that somebody left a group in between, so joining it twice is nothing to name.
pub fn judge(state: &State, entry: &Entry) -> Result<(), Refusal> {
    if state.journal.time.is_some_and(|last| entry.time < last) {
        return Err(Refusal::TimeWentBack);
    }
    match check(&state.as_of(entry.time), &entry.event, entry.actor, entry.time) {
        Err(Refusal::AlreadyMember { .. }) => Ok(()),
        judged => judged,
    }
}

fn check(state: &State, event: &Event, actor: Actor, at: Timestamp) -> Result<(), Refusal> {
    if let Event::Founded(founded) = event {
        return founding::check(state, founded, actor);
    }
    if state.founding.is_none() {
        return Err(Refusal::NotFounded);
    }
    clock_allows(state, event)?;
    match event {
        Event::Founded(_) => Err(Refusal::AlreadyFounded),
        Event::MotionFiled(filed) => motions::check_filed(state, filed, actor, at),
        Event::MotionCarried(carried) => motions::check_carried(state, carried, actor, at),
        Event::RequestFiled(filed) => requests::check_filed(state, filed, actor, at),
        Event::ApprovalGiven(decided) => {
            requests::check_decided(state, decided, actor, at, crate::statement::Decision::Approve)
        }
        Event::RequestRefused(decided) => {
            requests::check_decided(state, decided, actor, at, crate::statement::Decision::Refuse)
        }
        Event::GrantMade(made) => requests::check_made(state, made, actor, at),
        Event::Deed(done) => deeds::check(state, done, actor, at),
        Event::SessionOpened(opened) => sessions::check_opened(state, opened, actor, at),
        Event::SessionEnded(ended) => sessions::check_ended(state, ended, actor),
        Event::ErrandOpened(opened) => sessions::check_errand(state, opened, actor, at),
        Event::ErrandEnded(ended) => sessions::check_errand_ended(state, ended, actor),
        Event::RefusalRecorded(_) => room_for_refusal(state, at),
        Event::RecoveryStarted(started) => founding::check_recovery(state, started, actor, at),
        Event::RecoveryCompleted(completed) => founding::check_recovered(state, completed, actor, at),
        Event::ClockDoubted(_) => clock_doubted(state, actor, at),
        Event::RecordingAnchored(_)
        | Event::RefusalsOverflowed(_)
        | Event::EngineStarted(_)
        | Event::SnapshotTaken(_) => own(actor),
    }
}

fn clock_doubted(state: &State, actor: Actor, at: Timestamp) -> Result<(), Refusal> {
    own(actor)?;
    if state.journal.time == Some(at) { Ok(()) } else { Err(Refusal::OutOfOrder) }
}

/// While the clock is in doubt only two persons' word on the time is written.
fn clock_allows(state: &State, event: &Event) -> Result<(), Refusal> {
    if state.journal.clock_doubt.is_none() {
        return Ok(());
    }
    let confirms = match event {
        Event::MotionFiled(filed) => matches!(filed.fields.act, Act::ClockConfirm { .. }),
        // Taking away needs no time: a stolen privilege is stopped whatever the clock says.
        Event::Deed(done) => takes_away(&done.fields.deed),
        Event::MotionCarried(carried) => {
            state.motions.get(&carried.fields.motion).is_some_and(|m| matches!(m.fields.act, Act::ClockConfirm { .. }))
        }
        _ => false,
    };
    if confirms { Ok(()) } else { Err(Refusal::ClockDoubted) }
}

fn takes_away(deed: &Deed) -> bool {
    match deed {
        Deed::RequestWithdraw { .. }
        | Deed::GrantReturn { .. }
        | Deed::GrantRevoke { .. }
        | Deed::MotionWithdraw { .. }
        | Deed::PersonFreeze { .. }
        | Deed::PersonLeave { .. }
        | Deed::GroupLeave { .. }
        | Deed::KeyRetire { .. }
        | Deed::SessionFreeze { .. }
        | Deed::SessionKill { .. }
        | Deed::RecoveryObject { .. } => true,
        Deed::KeyAdd { .. } | Deed::SessionThaw { .. } | Deed::ReplayPermit { .. } => false,
    }
}

fn own(actor: Actor) -> Result<(), Refusal> {
    if matches!(actor, Actor::Engine | Actor::Front) { Ok(()) } else { Err(Refusal::NotAllowed) }
}

fn room_for_refusal(state: &State, at: Timestamp) -> Result<(), Refusal> {
    if state.journal.refusals.has_room(at) { Ok(()) } else { Err(Refusal::TooFast { wait_s: 60 }) }
}

/// The person behind a signed statement: an enrolled key, not retired, of the persona that the statement names, of an active person.
fn signer<'a>(
    state: &'a State,
    signed: &Signed,
    persona: &PersonaId,
    actor: Actor,
    at: Timestamp,
) -> Result<Signer<'a>, Refusal> {
    check_life(state, signed, at)?;
    let signer = known_signer(state, signed, persona)?;
    let named = Actor::Person { person: signer.person, persona: signer.persona };
    if actor == named { Ok(signer) } else { Err(Refusal::NotYourPersona { persona: *persona }) }
}

fn known_signer<'a>(state: &'a State, signed: &Signed, persona: &PersonaId) -> Result<Signer<'a>, Refusal> {
    let Some(key) = state.people.keys.get(&signed.key).filter(|key| !key.retired) else {
        return Err(Refusal::KeyUnknown { key: signed.key });
    };
    if key.persona != *persona {
        return Err(Refusal::NotYourPersona { persona: *persona });
    }
    let person =
        state.people.personas.get(persona).map(|p| p.person).ok_or(Refusal::PersonaUnknown { persona: *persona })?;
    state.people.active(&signed.key).ok_or(Refusal::PersonNotActive { person })
}

fn check_life(state: &State, signed: &Signed, at: Timestamp) -> Result<(), Refusal> {
    check_nonce(state, signed.nonce)?;
    match check_expiry(signed.expires, at) {
        // While the clock is in doubt the ledger's time stands still, and may be far behind the signer's. It never allows a statement that
        // was over before: its nonce is forgotten, and it would be good a second time.
        Err(Refusal::StatementLivesTooLong { .. }) if state.journal.clock_doubt.is_some() => Ok(()),
        judged => judged,
    }
}

fn check_nonce(state: &State, nonce: crate::bytes::Nonce) -> Result<(), Refusal> {
    if state.journal.nonces.contains(&nonce) { Err(Refusal::NonceUsed) } else { Ok(()) }
}

fn check_expiry(expires: Timestamp, at: Timestamp) -> Result<(), Refusal> {
    if expires <= at {
        return Err(Refusal::StatementExpired { expires });
    }
    if expires > at.plus(LONGEST_STATEMENT_LIFE) { Err(Refusal::StatementLivesTooLong { expires }) } else { Ok(()) }
}

/// Research faces the internet: it never asks for, approves, proposes or holds privilege.
fn admin_face(signer: &Signer<'_>) -> Result<(), Refusal> {
    match signer.kind {
        PersonaKind::Admin => Ok(()),
        PersonaKind::Research => Err(Refusal::ResearchPersona { persona: signer.persona }),
    }
}

fn administrator(state: &State, signer: &Signer<'_>) -> Result<(), Refusal> {
    admin_face(signer)?;
    if state.people.is_administrator(&signer.person) { Ok(()) } else { Err(Refusal::NotAdministrator) }
}

/// Who acts, as the entry's actor must say: read from the key in a proposal, before it is judged.
pub fn actor_of(state: &State, event: &Event) -> Option<Actor> {
    let key = match event {
        Event::MotionFiled(filed) => &filed.signed.key,
        Event::MotionCarried(carried) => &carried.signed.key,
        Event::RequestFiled(filed) => match &filed.filing {
            Filing::Signed(signed) => &signed.key,
            Filing::FiledThroughSsh { key, .. } => key,
        },
        Event::ApprovalGiven(decided) | Event::RequestRefused(decided) => &decided.signed.key,
        Event::Deed(DeedDone { signed, .. }) => &signed.key,
        Event::SessionOpened(opened) => &opened.key,
        Event::Founded(_) => return Some(Actor::Founders),
        Event::RecoveryStarted(_) => return Some(Actor::Recovery),
        Event::GrantMade(_)
        | Event::SessionEnded(_)
        | Event::RecordingAnchored(_)
        | Event::ErrandOpened(_)
        | Event::ErrandEnded(_)
        | Event::RefusalRecorded(_)
        | Event::RefusalsOverflowed(_)
        | Event::RecoveryCompleted(_)
        | Event::ClockDoubted(_)
        | Event::SnapshotTaken(_)
        | Event::EngineStarted(_) => return Some(Actor::Engine),
    };
    let key = state.people.keys.get(key)?;
    let persona = state.people.personas.get(&key.persona)?;
    Some(Actor::Person { person: persona.person, persona: key.persona })
}
