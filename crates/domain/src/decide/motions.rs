//! What two persons decide together, neither of them the subject.

use sshwire::PublicKey;

use super::{administrator, signer};
use crate::entry::Actor;
use crate::event::{MotionCarried, MotionFiled};
use crate::id::{PersonId, PersonaId, TargetId};
use crate::motion::{AccountName, Act, CLOCK_TOLERANCE, MOTION_LIFE};
use crate::people::Signer;
use crate::refusal::Refusal;
use crate::rule::Policy;
use crate::state::State;
use crate::statement::Signed;
use crate::time::Timestamp;

pub(super) fn check_filed(state: &State, filed: &MotionFiled, actor: Actor, at: Timestamp) -> Result<(), Refusal> {
    let fields = &filed.fields;
    let proposer = administrators_hand(state, &filed.signed, &fields.proposer, actor, at)?;
    if state.motions.contains_key(&fields.motion) {
        return Err(Refusal::MotionExists { motion: fields.motion });
    }
    not_a_subject(state, &fields.act, &proposer)?;
    match fields.act {
        // The ledger's time stands still meanwhile: whether the time is right is judged when the second person signs.
        Act::ClockConfirm { .. } if state.journal.clock_doubt.is_some() => Ok(()),
        _ => act_may_be(state, &fields.act, at),
    }
}

pub(super) fn check_carried(
    state: &State,
    carried: &MotionCarried,
    actor: Actor,
    at: Timestamp,
) -> Result<(), Refusal> {
    let fields = &carried.fields;
    let motion = state.motions.get(&fields.motion).ok_or(Refusal::MotionUnknown { motion: fields.motion })?;
    let act = &motion.fields.act;
    let seconder = administrators_hand(state, &carried.signed, &fields.seconder, actor, at)?;
    let confirms_time = matches!(act, Act::ClockConfirm { .. });
    if !confirms_time && at >= motion.filed_at.plus(MOTION_LIFE) {
        return Err(Refusal::MotionOver { motion: fields.motion });
    }
    if fields.statement != motion.statement {
        return Err(Refusal::StatementDiffers);
    }
    if state.people.natural(&seconder.person) == state.people.natural(&motion.proposer) {
        return Err(Refusal::SeconderIsProposer);
    }
    not_a_subject(state, act, &seconder)?;
    proposer_still_may(state, motion)?;
    act_may_be(state, act, at)
}

fn administrators_hand<'a>(
    state: &'a State,
    signed: &Signed,
    persona: &PersonaId,
    actor: Actor,
    at: Timestamp,
) -> Result<Signer<'a>, Refusal> {
    let found = signer(state, signed, persona, actor, at)?;
    administrator(state, &found)?;
    Ok(found)
}

fn not_a_subject(state: &State, act: &Act, signer: &Signer<'_>) -> Result<(), Refusal> {
    let owner_of = |persona: &PersonaId| state.people.personas.get(persona).map(|p| p.person);
    let me = state.people.natural(&signer.person);
    let is_subject = act.subjects(owner_of).iter().any(|subject| state.people.natural(subject) == me);
    if is_subject { Err(Refusal::SignerIsSubject) } else { Ok(()) }
}

/// Who proposed must still be someone who may, at the moment it takes effect; and, since identities may have been linked, still not the subject.
fn proposer_still_may(state: &State, motion: &crate::motion::Motion) -> Result<(), Refusal> {
    let proposer = state.people.active(&motion.key).ok_or(Refusal::PersonNotActive { person: motion.proposer })?;
    administrator(state, &proposer)?;
    not_a_subject(state, &motion.fields.act, &proposer)
}

fn act_may_be(state: &State, act: &Act, at: Timestamp) -> Result<(), Refusal> {
    match act {
        Act::PersonAdd { person, persona, key, .. } => {
            if state.people.persons.contains_key(person) {
                return Err(Refusal::PersonExists { person: *person });
            }
            persona_is_free(state, persona)?;
            key_is_free(state, key)
        }
        Act::PersonaAdd { person, persona, key, .. } => {
            active_person(state, person)?;
            persona_is_free(state, persona)?;
            key_is_free(state, key)
        }
        Act::KeyEnrol { persona, key, .. } => {
            let owner = state.people.personas.get(persona).ok_or(Refusal::PersonaUnknown { persona: *persona })?;
            active_person(state, &owner.person)?;
            key_is_free(state, key)
        }
        Act::GroupJoin { group, person } => {
            active_person(state, person)?;
            if state.people.is_member(group, person) {
                Err(Refusal::AlreadyMember { group: group.clone() })
            } else {
                Ok(())
            }
        }
        Act::IdentityLink { one, other } => linkable(state, one, other),
        Act::PersonThaw { person } => match state.people.persons.get(person) {
            None => Err(Refusal::PersonUnknown { person: *person }),
            Some(found) if found.standing.is_frozen() => Ok(()),
            Some(_) => Err(Refusal::PersonNotFrozen { person: *person }),
        },
        Act::TargetAdd { target, label, host_keys, .. } => {
            if state.estate.targets.contains_key(target) {
                return Err(Refusal::TargetExists { target: *target });
            }
            if state.estate.by_label.contains_key(label) {
                return Err(Refusal::LabelTaken { label: label.clone() });
            }
            if host_keys.is_empty() || host_keys.len() > MOST_HOST_KEYS { Err(Refusal::NoHostKey) } else { Ok(()) }
        }
        Act::TargetPin { target, host_keys } => {
            known_target(state, target)?;
            if host_keys.is_empty() || host_keys.len() > MOST_HOST_KEYS { Err(Refusal::NoHostKey) } else { Ok(()) }
        }
        Act::AccountAdd { account, target, name, owner, principal, .. } => {
            known_target(state, target)?;
            active_person(state, owner)?;
            if state.estate.accounts.contains_key(account) {
                return Err(Refusal::AccountExists { account: *account });
            }
            if !principal.is_for_persons() || state.estate.principals.contains_key(principal) {
                return Err(Refusal::PrincipalTaken);
            }
            match name {
                AccountName::Shared(label) if state.estate.shared_account(target, label).is_some() => {
                    Err(Refusal::LabelTaken { label: label.clone() })
                }
                AccountName::Shared(_) | AccountName::Personal(_) => Ok(()),
            }
        }
        Act::PolicySet { policy } => policy_follows(state, policy),
        Act::ClockConfirm { time } => clock_near(state, *time, at),
    }
}

/// Entries hold integers up to 2^53.
const HIGHEST_VERSION: u64 = 1 << 53;
const MOST_HOST_KEYS: usize = 16;

fn active_person(state: &State, person: &PersonId) -> Result<(), Refusal> {
    if !state.people.persons.contains_key(person) {
        return Err(Refusal::PersonUnknown { person: *person });
    }
    if state.people.is_active(person) { Ok(()) } else { Err(Refusal::PersonNotActive { person: *person }) }
}

fn persona_is_free(state: &State, persona: &PersonaId) -> Result<(), Refusal> {
    if state.people.personas.contains_key(persona) { Err(Refusal::PersonaExists { persona: *persona }) } else { Ok(()) }
}

fn known_target(state: &State, target: &TargetId) -> Result<(), Refusal> {
    if state.estate.targets.contains_key(target) { Ok(()) } else { Err(Refusal::TargetUnknown { target: *target }) }
}

/// A public key belongs to one persona for ever, whatever its wrapping; nor may a person's key be one of the installation's own.
pub(super) fn key_is_free(state: &State, key: &PublicKey) -> Result<(), Refusal> {
    let material = key.key_material_id();
    let ours = state
        .founding
        .iter()
        .flat_map(|f| [&f.log_key, &f.ca_key, &f.recovery.key])
        .any(|own| own.key_material_id() == material);
    if ours || state.people.material.contains_key(&material) {
        Err(Refusal::KeyTaken { key: key.fingerprint() })
    } else {
        Ok(())
    }
}

fn linkable(state: &State, one: &PersonId, other: &PersonId) -> Result<(), Refusal> {
    for person in [one, other] {
        if !state.people.persons.contains_key(person) {
            return Err(Refusal::PersonUnknown { person: *person });
        }
    }
    if state.people.natural(one) == state.people.natural(other) { Err(Refusal::AlreadyLinked) } else { Ok(()) }
}

fn policy_follows(state: &State, policy: &Policy) -> Result<(), Refusal> {
    // Greater, not next: a tegata carries only the policy in force, and must be judged by the same rule.
    let expected = state.policy.as_ref().map_or(1, |p| p.policy.version + 1);
    if policy.version < expected || policy.version > HIGHEST_VERSION {
        return Err(Refusal::PolicyVersion { expected, found: policy.version });
    }
    policy.check().map_err(|fault| Refusal::PolicyFaulty { fault })
}

fn clock_near(state: &State, confirmed: Timestamp, at: Timestamp) -> Result<(), Refusal> {
    if state.journal.clock_doubt.is_none() {
        return Err(Refusal::ClockNotDoubted);
    }
    let off = confirmed.since(at).max(at.since(confirmed));
    if off <= CLOCK_TOLERANCE { Ok(()) } else { Err(Refusal::ClockFarFromConfirmed { confirmed, found: at }) }
}
