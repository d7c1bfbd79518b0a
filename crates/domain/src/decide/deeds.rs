//! What one person may do alone: take away, stop, look with a purpose, add an own key.

use super::motions::key_is_free;
use super::{admin_face, administrator, signer};
use crate::entry::{Actor, Entry};
use crate::event::{DeedDone, Event};
use crate::id::{GrantId, PersonId, SessionId};
use crate::label::Label;
use crate::people::{AUDITORS, Signer};
use crate::refusal::Refusal;
use crate::state::{Grant, GrantStanding, Order, Session, State};
use crate::statement::Deed;
use crate::time::Timestamp;

pub(super) fn check(state: &State, done: &DeedDone, actor: Actor, at: Timestamp) -> Result<(), Refusal> {
    let me = signer(state, &done.signed, &done.fields.by, actor, at)?;
    may(state, &me, &done.fields.deed)?;
    leaves_administrators(state, done, actor, at)
}

/// What needs two persons must stay possible: one person alone never leaves fewer than two administrators with a key.
fn leaves_administrators(state: &State, done: &DeedDone, actor: Actor, at: Timestamp) -> Result<(), Refusal> {
    let takes = matches!(
        done.fields.deed,
        Deed::PersonFreeze { .. } | Deed::PersonLeave { .. } | Deed::GroupLeave { .. } | Deed::KeyRetire { .. }
    );
    if !takes || state.people.able_administrators() < FEWEST_ADMINISTRATORS {
        return Ok(());
    }
    let mut after = state.clone();
    after.apply(&Entry { seq: state.journal.size, time: at, actor, cause: None, event: Event::Deed(done.clone()) });
    if after.people.able_administrators() < FEWEST_ADMINISTRATORS { Err(Refusal::LastAdministrators) } else { Ok(()) }
}

const FEWEST_ADMINISTRATORS: usize = 2;

fn may(state: &State, me: &Signer<'_>, deed: &Deed) -> Result<(), Refusal> {
    let me = *me;
    match deed {
        Deed::RequestWithdraw { request } => {
            let found = state.passage.requests.get(request).ok_or(Refusal::RequestUnknown { request: *request })?;
            mine(state, &me, &[found.requester, found.beneficiary])
        }
        Deed::GrantReturn { grant } => {
            let found = open_grant(state, grant)?;
            mine(state, &me, &[found.request.requester, found.request.beneficiary])
        }
        Deed::GrantRevoke { grant, .. } => {
            let found = open_grant(state, grant)?;
            administrator(state, &me).or_else(|_| concerned(state, &me, found))
        }
        Deed::MotionWithdraw { motion } => {
            let found = state.motions.get(motion).ok_or(Refusal::MotionUnknown { motion: *motion })?;
            mine(state, &me, &[found.proposer]).or_else(|_| administrator(state, &me))
        }
        Deed::PersonFreeze { person, .. } | Deed::PersonLeave { person } => {
            administrator(state, &me)?;
            if state.people.persons.contains_key(person) {
                Ok(())
            } else {
                Err(Refusal::PersonUnknown { person: *person })
            }
        }
        Deed::GroupLeave { group, person } => {
            admin_face(&me)?;
            if !state.people.is_member(group, person) {
                return Err(Refusal::NotMember { group: group.clone() });
            }
            mine(state, &me, &[*person]).or_else(|_| administrator(state, &me))
        }
        Deed::KeyAdd { key, .. } => key_is_free(state, key),
        Deed::KeyRetire { key } => {
            let found = state.people.keys.get(key).filter(|k| !k.retired).ok_or(Refusal::KeyUnknown { key: *key })?;
            if found.persona == me.persona { Ok(()) } else { administrator(state, &me) }
        }
        Deed::SessionFreeze { session, .. } | Deed::SessionKill { session, .. } => {
            let found = live(state, session)?;
            administrator(state, &me).or_else(|_| concerned_with(state, &me, found))
        }
        Deed::SessionThaw { session } => thaw(state, &me, session),
        Deed::ReplayPermit { .. } => reader(state, &me),
        Deed::RecoveryObject { recovery } => {
            admin_face(&me)?;
            if state.recoveries.contains_key(recovery) {
                Ok(())
            } else {
                Err(Refusal::RecoveryUnknown { recovery: *recovery })
            }
        }
    }
}

fn mine(state: &State, me: &Signer<'_>, owners: &[PersonId]) -> Result<(), Refusal> {
    let natural = state.people.natural(&me.person);
    if owners.iter().any(|owner| state.people.natural(owner) == natural) { Ok(()) } else { Err(Refusal::NotAllowed) }
}

fn open_grant<'a>(state: &'a State, grant: &GrantId) -> Result<&'a Grant, Refusal> {
    let found = state.passage.grants.get(grant).ok_or(Refusal::GrantUnknown { grant: *grant })?;
    match found.standing {
        GrantStanding::Standing => Ok(found),
        GrantStanding::Returned => Err(Refusal::GrantReturned { grant: *grant }),
        GrantStanding::Revoked => Err(Refusal::GrantRevoked { grant: *grant }),
    }
}

/// Who asked, who holds, who agreed, who owns the account: each may take it back.
fn concerned(state: &State, me: &Signer<'_>, grant: &Grant) -> Result<(), Refusal> {
    admin_face(me)?;
    let request = &grant.request;
    let owner = state.estate.accounts.get(&request.fields.account).map(|a| a.owner);
    let mut persons: Vec<PersonId> = request.approvals.iter().map(|a| a.person).collect();
    persons.extend([request.requester, request.beneficiary]);
    persons.extend(owner);
    mine(state, me, &persons)
}

fn live<'a>(state: &'a State, session: &SessionId) -> Result<&'a Session, Refusal> {
    let found = state.passage.sessions.get(session).ok_or(Refusal::SessionUnknown { session: *session })?;
    if found.order == Order::Kill { Err(Refusal::SessionOver { session: *session }) } else { Ok(found) }
}

fn concerned_with(state: &State, me: &Signer<'_>, session: &Session) -> Result<(), Refusal> {
    let grant = state.passage.grants.get(&session.grant).ok_or(Refusal::NotAllowed)?;
    concerned(state, me, grant)
}

/// Whoever was frozen does not thaw themself.
fn thaw(state: &State, me: &Signer<'_>, session: &SessionId) -> Result<(), Refusal> {
    let found = live(state, session)?;
    administrator(state, me)?;
    if mine(state, me, &[found.person]).is_ok() { Err(Refusal::SignerIsSubject) } else { Ok(()) }
}

/// Auditors and administrators look into recordings, each time with a purpose.
fn reader(state: &State, me: &Signer<'_>) -> Result<(), Refusal> {
    admin_face(me)?;
    let auditors: Label = AUDITORS.parse().expect("the constant is a label");
    if state.people.is_member(&auditors, &me.person) {
        Ok(())
    } else {
        administrator(state, me).map_err(|_| Refusal::NotAllowed)
    }
}
