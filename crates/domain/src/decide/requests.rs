//! Asking, agreeing, and what comes of it. The hard rules of separation of duties are here and cannot be configured away.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{admin_face, check_expiry, check_nonce, own, signer};
use crate::channel::{self, MOST_CHANNELS};
use crate::entry::Actor;
use crate::event::{Decided, Filing, GrantMade, RequestFiled};
use crate::id::{PersonId, PersonaId, RequestId};
use crate::label::Label;
use crate::people::{Natural, PersonaKind};
use crate::refusal::Refusal;
use crate::rule::{Obligations, Stage};
use crate::state::{Grant, Request, State};
use crate::statement::{Decision, RequestFields};
use crate::time::Timestamp;

/// A start may lie this far back when the request arrives: reading and signing take a moment.
const LATE_START: Duration = Duration::from_secs(5 * 60);
/// Work is not planned further ahead than this.
const EARLIEST_START: Duration = Duration::from_secs(90 * 24 * 3600);
/// Requests of one natural person that wait at the same time.
const MOST_PENDING: usize = 200;

pub(super) fn check_filed(state: &State, filed: &RequestFiled, actor: Actor, at: Timestamp) -> Result<(), Refusal> {
    let fields = &filed.fields;
    let requester = requester(state, filed, actor, at)?;
    let beneficiary = holder(state, &fields.beneficiary)?;
    request_is_new(state, fields)?;
    current_policy(state, fields.policy)?;
    if !state.estate.accounts.contains_key(&fields.account) {
        return Err(Refusal::AccountUnknown { account: fields.account });
    }
    let obligations = state
        .obligations(&fields.account, &requester, &beneficiary)
        .ok_or(Refusal::NoRule { account: fields.account })?;
    window_fits(fields, &obligations, at)?;
    channels_fit(fields, &obligations)?;
    let pending: usize = state.people.same_natural(&requester).map(|record| pending_of(state, record)).sum();
    if pending >= MOST_PENDING { Err(Refusal::TooManyPending { most: MOST_PENDING as u64 }) } else { Ok(()) }
}

fn pending_of(state: &State, person: PersonId) -> usize {
    let first = (person, RequestId::from_random([0; 16]));
    let last = (person, RequestId::from_random([u8::MAX; 16]));
    state.passage.asked.range(first..=last).take(MOST_PENDING).count()
}

fn requester(state: &State, filed: &RequestFiled, actor: Actor, at: Timestamp) -> Result<PersonId, Refusal> {
    match &filed.filing {
        Filing::Signed(signed) => {
            let signer = signer(state, signed, &filed.fields.requester, actor, at)?;
            admin_face(&signer)?;
            Ok(signer.person)
        }
        Filing::FiledThroughSsh { key, nonce, expires, .. } => {
            check_nonce(state, *nonce)?;
            check_expiry(*expires, at)?;
            let signer = state.people.active(key).ok_or(Refusal::KeyUnknown { key: *key })?;
            admin_face(&signer)?;
            let named = Actor::Person { person: signer.person, persona: signer.persona };
            if signer.persona == filed.fields.requester && actor == named {
                Ok(signer.person)
            } else {
                Err(Refusal::NotYourPersona { persona: filed.fields.requester })
            }
        }
    }
}

/// Who will hold the privilege: an admin face of an active person.
fn holder(state: &State, persona: &PersonaId) -> Result<PersonId, Refusal> {
    let found = state.people.personas.get(persona).ok_or(Refusal::PersonaUnknown { persona: *persona })?;
    if found.kind == PersonaKind::Research {
        return Err(Refusal::ResearchPersona { persona: *persona });
    }
    if state.people.is_active(&found.person) {
        Ok(found.person)
    } else {
        Err(Refusal::PersonNotActive { person: found.person })
    }
}

/// Nobody alters a filed request: its id is taken, also by what it became.
fn request_is_new(state: &State, fields: &RequestFields) -> Result<(), Refusal> {
    let taken =
        state.passage.requests.contains_key(&fields.request) || state.passage.granted.contains_key(&fields.request);
    if taken { Err(Refusal::RequestExists { request: fields.request }) } else { Ok(()) }
}

fn current_policy(state: &State, shown: u64) -> Result<(), Refusal> {
    let current = state.policy.as_ref().ok_or(Refusal::NoPolicy)?.policy.version;
    if shown == current { Ok(()) } else { Err(Refusal::PolicyMoved { shown, current }) }
}

fn window_fits(fields: &RequestFields, obligations: &Obligations, at: Timestamp) -> Result<(), Refusal> {
    let window = fields.window;
    if window.until() <= at {
        return Err(Refusal::WindowInPast { until: window.until() });
    }
    if window.from() < at.minus(LATE_START) {
        return Err(Refusal::StartInPast { from: window.from() });
    }
    if window.from() > at.plus(EARLIEST_START) {
        return Err(Refusal::StartTooFar { from: window.from() });
    }
    if window.length() > obligations.longest {
        Err(Refusal::WindowTooLong { longest_s: obligations.longest.as_secs() })
    } else {
        Ok(())
    }
}

fn channels_fit(fields: &RequestFields, obligations: &Obligations) -> Result<(), Refusal> {
    if fields.channels.is_empty() {
        return Err(Refusal::NoChannel);
    }
    if fields.channels.len() > MOST_CHANNELS {
        return Err(Refusal::TooManyChannels { most: MOST_CHANNELS as u64 });
    }
    match channel::first_beyond(&fields.channels, &obligations.channels) {
        Some(channel) => Err(Refusal::ChannelNotAllowed { channel: channel.clone() }),
        None => Ok(()),
    }
}

pub(super) fn check_decided(
    state: &State,
    decided: &Decided,
    actor: Actor,
    at: Timestamp,
    expected: Decision,
) -> Result<(), Refusal> {
    let fields = &decided.fields;
    if fields.decision != expected {
        return Err(Refusal::Unreadable);
    }
    let approver = signer(state, &decided.signed, &fields.approver, actor, at)?;
    admin_face(&approver)?;
    let request =
        state.passage.requests.get(&fields.request).ok_or(Refusal::RequestUnknown { request: fields.request })?;
    if at >= request.dies {
        return Err(Refusal::RequestDead { request: fields.request });
    }
    if fields.statement != request.statement {
        return Err(Refusal::StatementDiffers);
    }
    current_policy(state, fields.policy)?;
    another_person(state, request, &approver.person)?;
    let obligations = state.obligations(&request.fields.account, &request.requester, &request.beneficiary);
    let obligations = obligations.ok_or(Refusal::NoRule { account: request.fields.account })?;
    if !obligations.stages.iter().any(|stage| state.people.is_member(&stage.approvers, &approver.person)) {
        return Err(Refusal::ApproverNotEligible);
    }
    let me = state.people.natural(&approver.person);
    let again = expected == Decision::Approve
        && request.approvals.iter().any(|a| state.people.natural(&a.person) == me && !state.people.is_retired(&a.key));
    if again { Err(Refusal::ApprovedAlready) } else { Ok(()) }
}

/// INVARIANT: the person who agrees is neither the one who asked nor the one who benefits, by natural person. Nothing configures this away.
fn another_person(state: &State, request: &Request, approver: &PersonId) -> Result<(), Refusal> {
    let me = state.people.natural(approver);
    if me == state.people.natural(&request.requester) {
        return Err(Refusal::ApproverIsRequester);
    }
    if me == state.people.natural(&request.beneficiary) { Err(Refusal::ApproverIsBeneficiary) } else { Ok(()) }
}

/// A grant follows when every stage has its approvals, counted afresh: by natural persons who still stand and still belong to the group.
pub(super) fn check_made(state: &State, made: &GrantMade, actor: Actor, at: Timestamp) -> Result<(), Refusal> {
    own(actor)?;
    let request = state.passage.requests.get(&made.request).ok_or(Refusal::RequestUnknown { request: made.request })?;
    may_be_granted(state, made, request, at)
}

/// As `request` stands, its last approval included, though the state may not hold that yet.
pub(super) fn may_be_granted(state: &State, made: &GrantMade, request: &Request, at: Timestamp) -> Result<(), Refusal> {
    if state.passage.grants.contains_key(&made.grant) {
        return Err(Refusal::GrantExists { grant: made.grant });
    }
    if at >= request.dies {
        return Err(Refusal::RequestDead { request: made.request });
    }
    holder(state, &request.fields.requester)?;
    holder(state, &request.fields.beneficiary)?;
    let obligations = state.obligations(&request.fields.account, &request.requester, &request.beneficiary);
    let obligations = obligations.ok_or(Refusal::NoRule { account: request.fields.account })?;
    if request.fields.window.length() > obligations.longest {
        return Err(Refusal::WindowTooLong { longest_s: obligations.longest.as_secs() });
    }
    let met = obligations.stages.iter().all(|stage| {
        let counted = counting(state, request).filter(|person| state.people.is_member(&stage.approvers, person));
        naturals(state, counted) >= usize::from(stage.approvals.max(1))
    });
    if met && !obligations.stages.is_empty() { Ok(()) } else { Err(Refusal::ApprovalsMissing) }
}

fn naturals(state: &State, persons: impl Iterator<Item = PersonId>) -> usize {
    persons.map(|person| state.people.natural(&person)).collect::<BTreeSet<Natural>>().len()
}

/// Whose approvals count at this state for each approvers' group that the rules ask for.
pub(crate) fn counted_now(state: &State, request: &Request) -> BTreeMap<Label, BTreeSet<PersonId>> {
    let obligations = state.obligations(&request.fields.account, &request.requester, &request.beneficiary);
    let groups = obligations.into_iter().flat_map(|o| o.stages).map(|stage| stage.approvers);
    groups
        .map(|group| {
            (group.clone(), counting(state, request).filter(|person| state.people.is_member(&group, person)).collect())
        })
        .collect()
}

/// Approvers whose word counts now: another person than requester and beneficiary, standing active, by a key that was not retired since: it may
/// have been somebody else's hand.
fn counting<'a>(state: &'a State, request: &'a Request) -> impl Iterator<Item = PersonId> + 'a {
    request
        .approvals
        .iter()
        .filter(|a| !state.people.is_retired(&a.key))
        .map(|a| a.person)
        .filter(|p| another_person(state, request, p).is_ok() && state.people.is_active(p))
}

/// For [`super::still_stands`]: no approver is frozen, nor turned out to be who asked or holds.
pub(super) fn is_untainted(state: &State, request: &Request) -> bool {
    let tainted =
        |person: &PersonId| another_person(state, request, person).is_err() || state.people.is_suspect(person);
    !request.approvals.is_empty() && !request.approvals.iter().any(|a| tainted(&a.person))
}

/// For [`super::still_stands`]: the natural persons whose approvals meet what the rules ask today. Those who counted when the grant was made
/// go on counting for their group, though they have moved on since; another group's word needs its own members'.
pub(super) fn still_meets(state: &State, grant: &Grant, stage: &Stage) -> bool {
    let then = grant.counted.get(&stage.approvers).into_iter().flatten().copied();
    let now = counting(state, &grant.request).filter(|person| state.people.is_member(&stage.approvers, person));
    naturals(state, then.chain(now)) >= usize::from(stage.approvals.max(1))
}
