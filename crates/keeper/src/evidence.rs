//! What the keeper believes of a ledger it never sees whole: heads that extend the last, entries that stand under them, and
//! the state that those few entries make when every signature and rule is checked.

use std::collections::HashMap;

use channel::keeper::{Extension, KeeperRefusal};
use domain::{Entry, State};
use ledger::{Hash, InclusionProof, MultiProof, TreeHead, leaf_hash};
use tegata::{Tegata, VerifiedTegata, replay};

use crate::founded::Founded;

/// An order's proof is a few dozen entries; more than this are not looked at.
const MOST_ENTRIES: usize = 2_000;

/// The head that is asked for, if `last` is its beginning.
pub(crate) fn extends(last: &TreeHead, asked: &Extension) -> Result<TreeHead, KeeperRefusal> {
    let head = TreeHead { size: asked.size, root: asked.root };
    let refused = |why: String| KeeperRefusal::DoesNotExtend { last: last.size, why };
    if head.size < last.size {
        return Err(refused(format!("size {} is smaller", head.size)));
    }
    if head.size == last.size && head.root != last.root {
        return Err(refused("the size is the same and the root is another".to_owned()));
    }
    match &asked.consistency {
        Some(proof) => proof.verify(last, &head).map_err(|error| refused(error.to_string()))?,
        None if head == *last => {}
        None => return Err(refused("there is no proof of it".to_owned())),
    }
    Ok(head)
}

/// An entry that stands where `inclusion` says.
pub(crate) fn included(text: &str, inclusion: &InclusionProof, head: &TreeHead) -> Result<Entry, KeeperRefusal> {
    let not_included = |error: ledger::Error| KeeperRefusal::NoProof { why: error.to_string() };
    inclusion.verify(leaf_hash(text.as_bytes()), head).map_err(not_included)?;
    decoded(text, inclusion.index)
}

/// Entries that stand where `proof` says, this keeper's founding first.
pub(crate) fn entries_under(
    head: &TreeHead,
    texts: &[String],
    proof: &MultiProof,
    founded: &Founded,
) -> Result<Vec<Entry>, KeeperRefusal> {
    if texts.len() > MOST_ENTRIES {
        return Err(KeeperRefusal::Malformed { why: format!("more than {MOST_ENTRIES} entries") });
    }
    founded_by(texts, founded)?;
    let leaves: Vec<_> = texts.iter().map(|text| leaf_hash(text.as_bytes())).collect();
    proof.verify(&leaves, head).map_err(|error| KeeperRefusal::NoProof { why: error.to_string() })?;
    texts.iter().zip(&proof.indices).map(|(text, place)| decoded(text, *place)).collect()
}

/// The state that some entries make alone. Each signature and each rule is checked as when it was written.
pub(crate) fn replayed<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Result<State, KeeperRefusal> {
    let mut state = State::default();
    for entry in entries {
        replay::step(&mut state, entry).map_err(|fault| KeeperRefusal::NoProof { why: fault.to_string() })?;
    }
    Ok(state)
}

/// Histories that were verified before: many passages rest on one grant, and its history does not change. Where it stands in
/// the ledger is verified each time.
#[derive(Debug, Default)]
pub(crate) struct Proofs {
    known: HashMap<Hash, Known>,
    /// Counts what was asked, so that the history unused for longest can go first.
    asked: u64,
}

#[derive(Debug)]
struct Known {
    verified: VerifiedTegata,
    used: u64,
}

/// Verified histories kept; one is some dozen kilobytes.
const MOST_KNOWN: usize = 256;

impl Proofs {
    /// The tegata of a passage, verified under `head`.
    pub(crate) fn verified(
        &mut self,
        tegata: &Tegata,
        head: &TreeHead,
        founded: &Founded,
    ) -> Result<&VerifiedTegata, KeeperRefusal> {
        well_formed(tegata)?;
        founded_by(&tegata.entries, founded)?;
        let leaves: Vec<Hash> = tegata.entries.iter().map(|entry| leaf_hash(entry.as_bytes())).collect();
        tegata.proof.verify(&leaves, head).map_err(|error| KeeperRefusal::NoProof { why: error.to_string() })?;
        let history = history_of(tegata, &leaves);
        if !self.known.contains_key(&history) {
            let verified = tegata.verify_under(head, &founded.trust);
            self.keep(history, verified.map_err(|fault| KeeperRefusal::NoProof { why: fault.to_string() })?);
        }
        self.asked += 1;
        let known = self.known.get_mut(&history).expect("it was known or has just been kept");
        known.used = self.asked;
        Ok(&known.verified)
    }

    fn keep(&mut self, history: Hash, verified: VerifiedTegata) {
        if self.known.len() >= MOST_KNOWN {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.used).map(|(history, _)| *history);
            oldest.and_then(|oldest| self.known.remove(&oldest));
        }
        self.known.insert(history, Known { verified, used: self.asked });
    }
}

/// INVARIANT: names everything that replaying a tegata depends on: the grant, and each entry with its place.
fn history_of(tegata: &Tegata, leaves: &[Hash]) -> Hash {
    let mut named = tegata.grant.bytes().to_vec();
    for (leaf, place) in leaves.iter().zip(&tegata.proof.indices) {
        named.extend_from_slice(&place.to_be_bytes());
        named.extend_from_slice(leaf.as_bytes());
    }
    Hash::of(&named)
}

/// The limits of the file hold for the order as well, and there is nothing in it that nobody looks at.
fn well_formed(tegata: &Tegata) -> Result<(), KeeperRefusal> {
    let malformed = |why: String| KeeperRefusal::Malformed { why };
    if !tegata.checkpoint.is_empty() {
        return Err(malformed("the tegata has a checkpoint already".to_owned()));
    }
    Tegata::parse(&tegata.to_bytes()).map(|_| ()).map_err(|fault| malformed(fault.to_string()))
}

/// The founders may have founded another installation too: theirs is not ours.
fn founded_by(texts: &[String], founded: &Founded) -> Result<(), KeeperRefusal> {
    if texts.first().is_some_and(|first| *first == founded.entry) {
        return Ok(());
    }
    Err(KeeperRefusal::NoProof { why: "it begins with another founding than the remembered one".to_owned() })
}

fn decoded(text: &str, place: u64) -> Result<Entry, KeeperRefusal> {
    let entry = Entry::decode(text.as_bytes())
        .map_err(|why| KeeperRefusal::Malformed { why: format!("entry at place {place}: {why}") })?;
    if entry.seq == place {
        return Ok(entry);
    }
    Err(KeeperRefusal::EntryDiffers { why: format!("entry at place {place} says it is number {}", entry.seq) })
}
