//! Founding by two persons together, and the recovery ceremony for a lost key.

use std::collections::BTreeSet;

use sshwire::KeyClass;

use super::{check_expiry, check_nonce, own};
use crate::entry::Actor;
use crate::event::{Founded, Founding, RecoveryCompleted, RecoveryStarted};
use crate::id::PersonaId;
use crate::refusal::Refusal;
use crate::state::State;
use crate::time::Timestamp;

/// Exactly two persons found an installation together.
pub(super) const FOUNDERS: usize = 2;
/// A recovery that nobody finishes so long after its delay is over.
pub(super) const RECOVERY_LIFE: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);
/// A delay shorter than this leaves nobody time to object.
const SHORTEST_DELAY_S: u32 = 60;
const LONGEST_DELAY_S: u32 = 30 * 24 * 3600;

pub(super) fn check(state: &State, founded: &Founded, actor: Actor) -> Result<(), Refusal> {
    if state.founding.is_some() || state.journal.size != 0 {
        return Err(Refusal::AlreadyFounded);
    }
    if actor != Actor::Founders {
        return Err(Refusal::NotAllowed);
    }
    if well_formed(&founded.founding) && founded.signatures.len() == FOUNDERS {
        Ok(())
    } else {
        Err(Refusal::FoundingMalformed)
    }
}

fn well_formed(founding: &Founding) -> bool {
    let recovery = &founding.recovery;
    let own_keys = [&founding.log_key, &founding.ca_key, &recovery.key];
    let all = own_keys.into_iter().chain(founding.founders.iter().map(|f| &f.key));
    let distinct: BTreeSet<_> = all.map(|key| key.key_material_id()).collect();
    let persons: BTreeSet<_> = founding.founders.iter().map(|f| f.person).collect();
    let personas: BTreeSet<_> = founding.founders.iter().map(|f| f.persona).collect();
    founding.founders.len() == FOUNDERS
        && persons.len() == FOUNDERS
        && personas.len() == FOUNDERS
        && distinct.len() == own_keys.len() + FOUNDERS
        && own_keys.iter().all(|key| key.class() == KeyClass::Ed25519)
        && (2..=recovery.shares).contains(&recovery.threshold)
        && (SHORTEST_DELAY_S..=LONGEST_DELAY_S).contains(&recovery.delay_s)
}

/// The signature by the recovery key is verified before; here: whom it gives a key, and that nothing else is under way for that persona.
pub(super) fn check_recovery(
    state: &State,
    started: &RecoveryStarted,
    actor: Actor,
    at: Timestamp,
) -> Result<(), Refusal> {
    if actor != Actor::Recovery {
        return Err(Refusal::NotAllowed);
    }
    check_nonce(state, started.nonce)?;
    check_expiry(started.expires, at)?;
    let fields = &started.fields;
    owner_stands(state, &fields.persona)?;
    super::motions::key_is_free(state, &fields.key)?;
    let busy = state.recoveries.contains_key(&fields.recovery)
        || state
            .recoveries
            .values()
            .any(|r| r.started.fields.persona == fields.persona && at < r.after.plus(RECOVERY_LIFE));
    if busy { Err(Refusal::RecoveryExists) } else { Ok(()) }
}

fn owner_stands(state: &State, persona: &PersonaId) -> Result<(), Refusal> {
    let person = state.people.personas.get(persona).ok_or(Refusal::PersonaUnknown { persona: *persona })?.person;
    if state.people.is_active(&person) { Ok(()) } else { Err(Refusal::PersonNotActive { person }) }
}

pub(super) fn check_recovered(
    state: &State,
    completed: &RecoveryCompleted,
    actor: Actor,
    at: Timestamp,
) -> Result<(), Refusal> {
    own(actor)?;
    let Some(recovery) = state.recoveries.get(&completed.recovery) else {
        return Err(Refusal::RecoveryUnknown { recovery: completed.recovery });
    };
    if at >= recovery.after.plus(RECOVERY_LIFE) {
        return Err(Refusal::RecoveryUnknown { recovery: completed.recovery });
    }
    if at < recovery.after {
        return Err(Refusal::RecoveryTooEarly { after: recovery.after });
    }
    owner_stands(state, &recovery.started.fields.persona)?;
    super::motions::key_is_free(state, &recovery.started.fields.key)
}
