//! Whether a grant still stands, whether a passage may open, and Sekimori's own errands.

use std::collections::BTreeSet;
use std::time::Duration;

use sshwire::{KeyClass, PublicKey};

use super::motions::key_is_free;
use super::own;
use super::requests::{is_untainted, still_meets};
use crate::channel::{self, Channel};
use crate::entry::Actor;
use crate::estate::{FARTHEST_CLOCK_MS, Target};
use crate::event::{ErrandEnded, ErrandOpened, SessionEnded, SessionOpened};
use crate::id::{AccountId, GrantId, PersonId, PersonaId, SessionId, TargetId};
use crate::motion::{ErrandKind, Principal};
use crate::refusal::Refusal;
use crate::rule::RecordInput;
use crate::state::{Grant, GrantStanding, State};
use crate::time::{Timestamp, Window};

/// A certificate lives at most this long; the session it opens ends with the grant.
pub const LONGEST_CERTIFICATE: Duration = Duration::from_secs(60);
/// Certificates are valid from a little before, for targets whose clock is a little behind.
pub const CERTIFICATE_LEAD: Duration = Duration::from_secs(30);
/// A probe's certificate is valid so long on either side: one of a minute would be refused by the very clocks that the probe is to find. It opens
/// nothing but the forced command that reads the clock, with a key that is forgotten at once.
pub const PROBE_REACH: Duration = Duration::from_secs(24 * 3600);
/// Live sessions of one person.
const MOST_SESSIONS: usize = 1_000;

/// A grant that stands at this state and moment, with what it allows now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Standing {
    pub grant: GrantId,
    pub account: AccountId,
    pub target: TargetId,
    pub principal: Principal,
    pub persona: PersonaId,
    pub person: PersonId,
    pub window: Window,
    /// What was asked for and the rules still allow.
    pub channels: BTreeSet<Channel>,
    pub record_input: RecordInput,
}

/// Decides the grant's eligibility again at `state`: history (a valid tegata) is not enough.
pub fn still_stands(state: &State, id: &GrantId, at: Timestamp) -> Result<Standing, Refusal> {
    let grant = state.passage.grants.get(id).ok_or(Refusal::GrantUnknown { grant: *id })?;
    not_taken_back(grant, id)?;
    let request = &grant.request;
    for person in [&request.requester, &request.beneficiary] {
        if !state.people.is_active(person) {
            return Err(Refusal::PersonNotActive { person: *person });
        }
    }
    if !is_untainted(state, request) {
        return Err(Refusal::ApprovalTainted { grant: *id });
    }
    let account = state
        .estate
        .accounts
        .get(&request.fields.account)
        .ok_or(Refusal::AccountUnknown { account: request.fields.account })?;
    let obligations = state.obligations(&request.fields.account, &request.requester, &request.beneficiary);
    let obligations = obligations.ok_or(Refusal::NoRule { account: request.fields.account })?;
    if !obligations.stages.iter().all(|stage| still_meets(state, grant, stage)) {
        return Err(Refusal::ApprovalsMissing);
    }
    if request.fields.window.length() > obligations.longest {
        return Err(Refusal::WindowTooLong { longest_s: obligations.longest.as_secs() });
    }
    let channels = channel::meet(&request.fields.channels, &obligations.channels);
    if channels.is_empty() {
        return Err(Refusal::NoChannel);
    }
    // Last: what was taken back is taken back, whatever time it is.
    if state.journal.clock_doubt.is_some() {
        return Err(Refusal::ClockDoubted);
    }
    inside_window(grant, at)?;
    Ok(Standing {
        grant: *id,
        account: request.fields.account,
        target: account.target,
        principal: account.principal.clone(),
        persona: request.fields.beneficiary,
        person: request.beneficiary,
        window: request.fields.window,
        channels,
        record_input: obligations.record_input,
    })
}

fn not_taken_back(grant: &Grant, id: &GrantId) -> Result<(), Refusal> {
    match grant.standing {
        GrantStanding::Standing => Ok(()),
        GrantStanding::Returned => Err(Refusal::GrantReturned { grant: *id }),
        GrantStanding::Revoked => Err(Refusal::GrantRevoked { grant: *id }),
    }
}

fn inside_window(grant: &Grant, at: Timestamp) -> Result<(), Refusal> {
    let window = grant.request.fields.window;
    if at >= window.until() {
        return Err(Refusal::GrantOver { until: window.until() });
    }
    if at < window.from() { Err(Refusal::GrantNotYet { from: window.from() }) } else { Ok(()) }
}

pub(super) fn check_opened(state: &State, opened: &SessionOpened, actor: Actor, at: Timestamp) -> Result<(), Refusal> {
    let standing = still_stands(state, &opened.grant, at)?;
    if !state.missing().is_empty() {
        return Err(Refusal::NotReady);
    }
    if state.passage.sessions.contains_key(&opened.session) {
        return Err(Refusal::SessionExists { session: opened.session });
    }
    if connected(state, standing.person) >= MOST_SESSIONS {
        return Err(Refusal::TooManySessions { most: MOST_SESSIONS as u64 });
    }
    target_is_fit(state, &standing.target, at)?;
    let exact = opened.channels == standing.channels && opened.record_input == standing.record_input;
    if opened.serial != state.passage.next_serial || !exact {
        return Err(Refusal::SessionMalformed);
    }
    passage_fits(state, opened, &standing, actor, at)
}

fn connected(state: &State, person: PersonId) -> usize {
    let first = (person, SessionId::from_random([0; 16]));
    let last = (person, SessionId::from_random([u8::MAX; 16]));
    state.passage.connected.range(first..=last).take(MOST_SESSIONS).count()
}

/// Whether a passage is no more than the standing grant gives. The keeper asks it again, of the proof's own entries and by its own clock.
pub fn passage_fits(
    state: &State,
    opened: &SessionOpened,
    standing: &Standing,
    actor: Actor,
    at: Timestamp,
) -> Result<(), Refusal> {
    person_holds(state, opened, standing, actor)?;
    as_the_grant_says(state, opened, standing)?;
    let latest = at.plus(LONGEST_CERTIFICATE).min(standing.window.until());
    certificate_window(&opened.valid, at.minus(CERTIFICATE_LEAD), latest, at)
}

/// The key that the gateway saw proved belongs to the persona that holds the grant.
fn person_holds(state: &State, opened: &SessionOpened, standing: &Standing, actor: Actor) -> Result<(), Refusal> {
    let signer = state.people.active(&opened.key).ok_or(Refusal::KeyUnknown { key: opened.key })?;
    if signer.persona != standing.persona {
        return Err(Refusal::GrantNotYours { grant: opened.grant });
    }
    super::admin_face(&signer)?;
    let named = Actor::Person { person: signer.person, persona: signer.persona };
    if actor == named { Ok(()) } else { Err(Refusal::NotAllowed) }
}

fn as_the_grant_says(state: &State, opened: &SessionOpened, standing: &Standing) -> Result<(), Refusal> {
    let same = opened.account == standing.account
        && opened.principal == standing.principal
        // A policy set since the grant may have narrowed what it gives; never widened.
        && channel::first_beyond(&opened.channels, &standing.channels).is_none()
        && !opened.channels.is_empty()
        && opened.grant == standing.grant
        && is_of_one_connection(state, &opened.subject);
    if same { Ok(()) } else { Err(Refusal::SessionMalformed) }
}

/// The key of a certificate is made in memory; one that a person or the installation holds would outlive the connection.
fn is_of_one_connection(state: &State, subject: &PublicKey) -> bool {
    subject.class() == KeyClass::Ed25519 && key_is_free(state, subject).is_ok()
}

fn certificate_window(valid: &Window, earliest: Timestamp, latest: Timestamp, at: Timestamp) -> Result<(), Refusal> {
    let fits = valid.until() <= latest && valid.from() >= earliest && valid.contains(at);
    if fits { Ok(()) } else { Err(Refusal::SessionMalformed) }
}

fn target_is_fit(state: &State, id: &TargetId, at: Timestamp) -> Result<(), Refusal> {
    let target = known(state, id)?;
    if target.host_keys.is_empty() {
        return Err(Refusal::NoHostKey);
    }
    match target.clock_offset_ms {
        None => Err(Refusal::ClockUnseen { target: *id }),
        Some(offset_ms) if offset_ms.unsigned_abs() > FARTHEST_CLOCK_MS => {
            let off = Duration::from_millis(offset_ms.unsigned_abs());
            let there = if offset_ms < 0 { at.minus(off) } else { at.plus(off) };
            Err(Refusal::ClockFar { target: *id, there, here: at })
        }
        Some(_) => Ok(()),
    }
}

fn known<'a>(state: &'a State, target: &TargetId) -> Result<&'a Target, Refusal> {
    state.estate.targets.get(target).ok_or(Refusal::TargetUnknown { target: *target })
}

pub(super) fn check_ended(state: &State, ended: &SessionEnded, actor: Actor) -> Result<(), Refusal> {
    own(actor)?;
    if state.passage.sessions.contains_key(&ended.session) {
        Ok(())
    } else {
        Err(Refusal::SessionUnknown { session: ended.session })
    }
}

/// An errand stands on the policy of its kind that two persons signed with the target.
pub(super) fn check_errand(state: &State, opened: &ErrandOpened, actor: Actor, at: Timestamp) -> Result<(), Refusal> {
    own(actor)?;
    if opened.serial != state.passage.next_serial {
        return Err(Refusal::SessionMalformed);
    }
    errand_fits(state, opened, at)
}

/// Whether an errand is no more than two persons agreed for the target. The keeper asks it again.
pub fn errand_fits(state: &State, opened: &ErrandOpened, at: Timestamp) -> Result<(), Refusal> {
    let target = known(state, &opened.target)?;
    if !target.errands.kinds.contains(&opened.kind) {
        return Err(Refusal::ErrandNotAllowed { target: opened.target });
    }
    if target.host_keys.is_empty() {
        return Err(Refusal::NoHostKey);
    }
    let well_made = opened.principal == Principal::of_errands(&opened.target)
        && is_of_one_connection(state, &opened.subject)
        && !state.passage.errands.contains_key(&opened.errand)
        && opened.recorded.is_none_or(|recorded| !state.passage.sessions.contains_key(&recorded.session));
    if !well_made {
        return Err(Refusal::SessionMalformed);
    }
    let reach = match opened.kind {
        ErrandKind::Probe => PROBE_REACH,
    };
    certificate_window(&opened.valid, at.minus(reach), at.plus(reach), at)
}

pub(super) fn check_errand_ended(state: &State, ended: &ErrandEnded, actor: Actor) -> Result<(), Refusal> {
    own(actor)?;
    if state.passage.errands.contains_key(&ended.errand) { Ok(()) } else { Err(Refusal::OutOfOrder) }
}
