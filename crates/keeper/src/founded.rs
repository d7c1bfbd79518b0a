//! The founding that this keeper belongs to, checked once: whose ledger it is, and who stands behind it.

use std::collections::BTreeSet;

use domain::decide::judge;
use domain::event::{Event, Founding};
use domain::{Entry, State};
use ledger::{Origin, VerifierKey};
use tegata::{Trust, log_verifier, signatures};

use crate::keys::PublicKeys;

/// Why an entry does not found this keeper's installation.
#[derive(Debug, thiserror::Error)]
pub enum NotFounding {
    #[error("the entry is not readable: {0}")]
    Unreadable(#[from] domain::entry::EntryError),
    #[error("entry {seq} is no founding")]
    NoFounding { seq: u64 },
    #[error("the founding is not signed as it says: {0}")]
    Signature(#[from] signatures::SignatureFault),
    #[error("the founding breaks a rule: {0}")]
    Rule(#[from] domain::Refusal),
    #[error("the founding names another {what} than this keeper holds")]
    OtherKey { what: &'static str },
    #[error("the founding's origin or log key cannot stand in a checkpoint: {0}")]
    Checkpoint(#[from] ledger::Error),
}

/// A founding whose signatures, rules and keys were found right.
#[derive(Debug)]
pub(crate) struct Founded {
    /// The entry's exact bytes.
    pub(crate) entry: String,
    pub(crate) founding: Founding,
    pub(crate) origin: Origin,
    pub(crate) log: VerifierKey,
    pub(crate) trust: Trust,
}

impl Founded {
    pub(crate) fn check(text: &str, keys: &PublicKeys) -> Result<Self, NotFounding> {
        let entry = Entry::decode(text.as_bytes())?;
        let Event::Founded(founded) = &entry.event else { return Err(NotFounding::NoFounding { seq: entry.seq }) };
        if entry.seq != 0 {
            return Err(NotFounding::NoFounding { seq: entry.seq });
        }
        signatures::check_founding(&founded.founding, &founded.signatures)?;
        judge(&State::default(), &entry)?;
        binds(&founded.founding, keys)?;
        let founding = founded.founding.clone();
        let founders: BTreeSet<_> = founding.founders.iter().map(|founder| founder.key.fingerprint()).collect();
        Ok(Self {
            entry: text.to_owned(),
            origin: founding.origin.as_str().parse()?,
            log: log_verifier(&founding)?,
            trust: Trust { founders },
            founding,
        })
    }
}

fn binds(founding: &Founding, keys: &PublicKeys) -> Result<(), NotFounding> {
    let pairs = [
        ("log key", founding.log_key == keys.log),
        ("CA key", founding.ca_key == keys.ca),
        ("reading key", founding.reading_key == keys.reading),
    ];
    match pairs.into_iter().find(|(_, same)| !same) {
        Some((what, _)) => Err(NotFounding::OtherKey { what }),
        None => Ok(()),
    }
}
