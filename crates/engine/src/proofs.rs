//! Proofs out of the ledger: tegata files, and the material the keeper wants before it signs.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use channel::keeper::Extension;
use domain::{GrantId, State};
use ledger::{MultiProof, TreeHead};
use sshwire::Fingerprint;
use store::{Blob, Reader, StoreError};
use tegata::{Tegata, Trust, VerifiedTegata};

use crate::writer::closure_key;

#[derive(Debug)]
pub struct Proofs {
    reader: Reader,
    verified: Mutex<HashMap<GrantId, Arc<VerifiedTegata>>>,
}

/// Verified histories kept at hand; beyond it the cache starts anew.
const MOST_VERIFIED: usize = 2_000;

#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    #[error("ledger could not be read: {0}")]
    Store(#[from] StoreError),
    #[error("nothing is known of how grant `{0}` came about")]
    NoClosure(GrantId),
    #[error("entry {0} is not text")]
    NotText(u64),
    #[error("entry {0} is not there")]
    NoEntry(u64),
    #[error("nothing is founded")]
    NotFounded,
    #[error("the proof of grant `{grant}` does not hold: {why}")]
    Fault { grant: GrantId, why: tegata::Fault },
}

impl Proofs {
    pub fn new(reader: Reader) -> Self {
        Self { reader, verified: Mutex::default() }
    }

    /// The grant's history, verified once; history does not change.
    pub fn history(&self, state: &State, grant: &GrantId) -> Result<Arc<VerifiedTegata>, ProofError> {
        if let Some(known) = self.cache().get(grant) {
            return Ok(known.clone());
        }
        let trust = trust_of(state).ok_or(ProofError::NotFounded)?;
        let head = self.reader.head()?;
        let head = TreeHead { size: head.size(), root: head.root() };
        let tegata = self.under(grant, head.size, String::new())?;
        let verified = tegata.verify_under(&head, &trust).map_err(|why| ProofError::Fault { grant: *grant, why })?;
        let verified = Arc::new(verified);
        let mut cache = self.cache();
        if cache.len() >= MOST_VERIFIED {
            cache.clear();
        }
        cache.insert(*grant, verified.clone());
        Ok(verified)
    }

    /// The tegata under the head that the keeper is about to sign, with what shows whose `key` is.
    pub fn for_keeper(
        &self,
        state: &State,
        grant: &GrantId,
        key: &Fingerprint,
        head: &Extension,
    ) -> Result<Tegata, ProofError> {
        let mut seqs: BTreeSet<u64> = self.seqs(grant)?.into_iter().collect();
        seqs.extend(tegata::closure::of_key(state, key));
        let seqs: Vec<u64> = seqs.into_iter().collect();
        let (entries, proof) = self.entries(&seqs, head.size)?;
        Ok(Tegata::new(*grant, String::new(), proof, entries))
    }

    /// The tegata with a signed checkpoint, for a person to keep. `None` until a checkpoint covers the grant.
    pub fn signed(&self, grant: &GrantId) -> Result<Option<Tegata>, ProofError> {
        let made = self.seqs(grant)?.last().copied().unwrap_or(0);
        let Some(note) = self.reader.latest_checkpoint()?.filter(|n| n.claimed().size > made) else { return Ok(None) };
        self.under(grant, note.claimed().size, note.to_string()).map(Some)
    }

    /// The tegata under a checkpoint that the caller has just had signed.
    pub fn with_checkpoint(&self, grant: &GrantId, size: u64, note: String) -> Result<Tegata, ProofError> {
        self.under(grant, size, note)
    }

    fn under(&self, grant: &GrantId, size: u64, checkpoint: String) -> Result<Tegata, ProofError> {
        let seqs = self.seqs(grant)?;
        let (entries, proof) = self.entries(&seqs, size)?;
        Ok(Tegata::new(*grant, checkpoint, proof, entries))
    }

    /// The texts of the entries and one proof for all of them under the first `size` entries.
    pub fn entries(&self, seqs: &[u64], size: u64) -> Result<(Vec<String>, MultiProof), ProofError> {
        let texts = seqs.iter().map(|seq| self.text(*seq)).collect::<Result<Vec<_>, _>>()?;
        Ok((texts, self.reader.multi_proof(seqs, size)?))
    }

    pub fn text(&self, seq: u64) -> Result<String, ProofError> {
        let entry = self.reader.entry(seq)?.ok_or(ProofError::NoEntry(seq))?;
        String::from_utf8(entry.bytes).map_err(|_| ProofError::NotText(seq))
    }

    fn seqs(&self, grant: &GrantId) -> Result<Vec<u64>, ProofError> {
        let Some(Blob::Sealed(bytes)) = self.reader.blob(&closure_key(grant))? else {
            return Err(ProofError::NoClosure(*grant));
        };
        let seqs: BTreeSet<u64> = serde_json::from_slice(&bytes).map_err(|_| ProofError::NoClosure(*grant))?;
        Ok(seqs.into_iter().collect())
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, HashMap<GrantId, Arc<VerifiedTegata>>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Engine's own trust is the founding it serves; outsiders have theirs in a file.
pub fn trust_of(state: &State) -> Option<Trust> {
    let founding = state.founding.as_ref()?;
    Some(Trust { founders: founding.founders.iter().map(|f| f.key.fingerprint()).collect() })
}
