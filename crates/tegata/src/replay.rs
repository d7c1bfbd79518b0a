//! One entry after another, from nothing: every signature and every rule checked at the state before it, then folded in.
//!
//! INVARIANT: this is the only such step. A tegata, a whole ledger, engine's own replay and keeper's evidence all take it, so that none of them
//! accepts what another would name.

use domain::decide::judge;
use domain::{Entry, State};

use crate::signatures::{self, Proof, SignatureFault};

/// Why an entry does not follow from the state before it.
#[derive(Debug, thiserror::Error)]
pub enum StepFault {
    #[error("entry {seq} is not signed as it says: {why}")]
    Signature { seq: u64, why: SignatureFault },
    #[error("entry {seq} breaks a rule: {why}")]
    Rule { seq: u64, why: domain::Refusal },
}

/// Checks `entry` against `state`, folds it in, and gives who signed it. At a fault the state stays as it was.
///
/// # Errors
/// [`StepFault`]. That the entry stands where it says is for the caller to see.
pub fn step(state: &mut State, entry: &Entry) -> Result<Vec<Proof>, StepFault> {
    let seq = entry.seq;
    let proofs = signatures::check(state, entry).map_err(|why| StepFault::Signature { seq, why })?;
    judge(state, entry).map_err(|why| StepFault::Rule { seq, why })?;
    state.apply(entry);
    Ok(proofs)
}
