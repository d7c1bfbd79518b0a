//! Whether the signatures that an entry carries are those of the keys it names, over the statements its fields make.

use domain::event::{Event, Filing, Founding, OriginName};
use domain::motion::Act;
use domain::statement::{Deed, Possession, PossessionFields, Signed, Statement};
use domain::{Entry, PersonId, PersonaId, State};
use ledger::Hash;
use sshwire::{Presence, PublicKey, SigError, Signature};

use crate::statement;

/// What a signature check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    pub key: PublicKey,
    pub presence: Presence,
}

#[derive(Debug, thiserror::Error)]
pub enum SignatureFault {
    #[error("nothing is founded yet")]
    NotFounded,
    #[error("key `{key}` is not enrolled")]
    UnknownKey { key: sshwire::Fingerprint },
    #[error("the signature is by `{found}`, the entry names `{named}`")]
    OtherKey { named: sshwire::Fingerprint, found: sshwire::Fingerprint },
    #[error("the entry's statement hash is not that of its fields")]
    StatementHash,
    #[error("hardware key `{key}` signed without its owner's touch")]
    NoPresence { key: sshwire::Fingerprint },
    #[error(transparent)]
    Signature(#[from] SigError),
}

/// Checks every signature in `entry` against the keys that `state` knows before it. Entries of the server's own carry none.
pub fn check(state: &State, entry: &Entry) -> Result<Vec<Proof>, SignatureFault> {
    if let Event::Founded(founded) = &entry.event {
        return check_founding(&founded.founding, &founded.signatures);
    }
    let founding = state.founding.as_ref().ok_or(SignatureFault::NotFounded)?;
    let origin = &founding.origin;
    match &entry.event {
        Event::MotionFiled(filed) => {
            let (proof, hash) = check_signed(state, origin, &filed.fields, &filed.signed)?;
            if hash != filed.statement {
                return Err(SignatureFault::StatementHash);
            }
            check_act(state, origin, &filed.fields.act)?;
            Ok(vec![proof])
        }
        Event::MotionCarried(carried) => Ok(vec![check_signed(state, origin, &carried.fields, &carried.signed)?.0]),
        Event::RequestFiled(filed) => match &filed.filing {
            Filing::Signed(signed) => {
                let (proof, hash) = check_signed(state, origin, &filed.fields, signed)?;
                if hash == filed.statement { Ok(vec![proof]) } else { Err(SignatureFault::StatementHash) }
            }
            Filing::FiledThroughSsh { nonce, expires, .. } => {
                let hash = statement::hash(&statement::bytes(origin, &filed.fields, *nonce, *expires));
                if hash == filed.statement { Ok(vec![]) } else { Err(SignatureFault::StatementHash) }
            }
        },
        Event::ApprovalGiven(decided) | Event::RequestRefused(decided) => {
            Ok(vec![check_signed(state, origin, &decided.fields, &decided.signed)?.0])
        }
        Event::Deed(done) => {
            let (proof, _) = check_signed(state, origin, &done.fields, &done.signed)?;
            if let Deed::KeyAdd { key, possession } = &done.fields.deed {
                let person = state.people.personas.get(&done.fields.by).map(|p| p.person);
                let person = person.ok_or(SignatureFault::UnknownKey { key: done.signed.key })?;
                check_possession(origin, person, done.fields.by, key, possession)?;
            }
            Ok(vec![proof])
        }
        Event::RecoveryStarted(started) => {
            let bytes = statement::bytes(origin, &started.fields, started.nonce, started.expires);
            let proof = check_by(
                &founding.recovery.key,
                statement::namespace::<domain::statement::RecoveryFields>(),
                &bytes,
                &started.signature,
            )?;
            let persona = started.fields.persona;
            let person = state.people.personas.get(&persona).map(|p| p.person);
            let person = person.ok_or(SignatureFault::UnknownKey { key: started.fields.key.fingerprint() })?;
            check_possession(origin, person, persona, &started.fields.key, &started.fields.possession)?;
            Ok(vec![proof])
        }
        Event::Founded(_)
        | Event::GrantMade(_)
        | Event::SessionOpened(_)
        | Event::SessionEnded(_)
        | Event::RecordingAnchored(_)
        | Event::ErrandOpened(_)
        | Event::ErrandEnded(_)
        | Event::RefusalRecorded(_)
        | Event::RefusalsOverflowed(_)
        | Event::RecoveryCompleted(_)
        | Event::ClockDoubted(_)
        | Event::SnapshotTaken(_)
        | Event::EngineStarted(_) => Ok(vec![]),
    }
}

/// Both founders signed the same founding, each with the key it names for them.
pub fn check_founding(founding: &Founding, signatures: &[Signature]) -> Result<Vec<Proof>, SignatureFault> {
    let bytes = statement::founding_bytes(founding);
    if founding.founders.len() != signatures.len() {
        return Err(SignatureFault::NotFounded);
    }
    let pairs = founding.founders.iter().zip(signatures);
    pairs.map(|(founder, signature)| check_by(&founder.key, Founding::NAME, &bytes, signature)).collect()
}

/// One signature over one statement; gives the statement's hash as well.
fn check_signed<S: Statement>(
    state: &State,
    origin: &OriginName,
    body: &S,
    signed: &Signed,
) -> Result<(Proof, Hash), SignatureFault> {
    let key = state.people.keys.get(&signed.key).ok_or(SignatureFault::UnknownKey { key: signed.key })?;
    let bytes = statement::signed_bytes(origin, body, signed);
    let proof = check_by(&key.key, S::NAME, &bytes, &signed.signature)?;
    Ok((proof, statement::hash(&bytes)))
}

/// A signature by exactly `key`; a hardware key must have been touched.
pub fn check_by(
    key: &PublicKey,
    namespace: &str,
    bytes: &[u8],
    signature: &Signature,
) -> Result<Proof, SignatureFault> {
    let signed = sshwire::verify(signature, namespace, bytes)?;
    if signed.key != *key {
        return Err(SignatureFault::OtherKey { named: key.fingerprint(), found: signed.key.fingerprint() });
    }
    if let Presence::HardwareKey { user_present: false, .. } = signed.presence {
        return Err(SignatureFault::NoPresence { key: key.fingerprint() });
    }
    Ok(Proof { key: signed.key, presence: signed.presence })
}

/// Whoever enrols a key shows that they hold it.
fn check_act(state: &State, origin: &OriginName, act: &Act) -> Result<(), SignatureFault> {
    match act {
        Act::PersonAdd { person, persona, key, possession, .. }
        | Act::PersonaAdd { person, persona, key, possession, .. } => {
            check_possession(origin, *person, *persona, key, possession)
        }
        Act::KeyEnrol { persona, key, possession } => {
            let person = state.people.personas.get(persona).map(|p| p.person);
            let person = person.ok_or(SignatureFault::UnknownKey { key: key.fingerprint() })?;
            check_possession(origin, person, *persona, key, possession)
        }
        Act::GroupJoin { .. }
        | Act::IdentityLink { .. }
        | Act::PersonThaw { .. }
        | Act::TargetAdd { .. }
        | Act::TargetPin { .. }
        | Act::AccountAdd { .. }
        | Act::PolicySet { .. }
        | Act::ClockConfirm { .. } => Ok(()),
    }
}

fn check_possession(
    origin: &OriginName,
    person: PersonId,
    persona: PersonaId,
    key: &PublicKey,
    possession: &Possession,
) -> Result<(), SignatureFault> {
    let fields = PossessionFields { person, persona, key: key.clone() };
    let bytes = statement::possession_of(origin, &fields, possession);
    check_by(key, PossessionFields::NAME, &bytes, &possession.signature).map(|_| ())
}
