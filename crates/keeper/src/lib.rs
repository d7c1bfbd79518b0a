//! The long-lived keys, and the only code that signs with them or opens the vault. Knows no network, and no policy beyond
//! what a proof shows.
//!
//! [`Keeper::answer`] is the whole of it: one [`channel::keeper::Ask`] in, one answer out. [`serve`] puts it behind a Unix
//! socket. What a proof cannot show (that nothing was taken back since) stays the engine's word.

mod certificate;
mod clock;
mod evidence;
mod files;
mod founded;
mod keys;
mod memory;
pub mod recovery;
mod server;
mod verbs;

use channel::keeper::{Answer, Ask, KeeperRefusal};
use domain::Timestamp;
use ledger::{Checkpoint, TreeHead};
use sshwire::Cidr;

pub use clock::{Clock, WallClock};
pub use files::FileError;
pub use founded::NotFounding;
pub use keys::{KEY_FILE, KeyFile, KeyFileError, KeySet, PASSPHRASE_ROUNDS, Protection, PublicKeys};
pub use memory::{Last, MEMORY_FILE, Memory, MemoryError};
pub use server::{FRAME_TIME, PeerError, check_peer, serve, serve_connection};
pub use verbs::replay_context;

use certificate::LogSigner;
use evidence::Proofs;
use founded::Founded;

/// What an installation's configuration says to its keeper.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    sources: Vec<Cidr>,
}

/// Most address ranges that a certificate can name.
const MOST_SOURCES: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{found} source address ranges; a certificate names at most {MOST_SOURCES}")]
pub struct TooManySources {
    found: usize,
}

impl Config {
    /// Where targets see our gateways come from; none means that certificates may be used from anywhere.
    pub fn new(sources: Vec<Cidr>) -> Result<Self, TooManySources> {
        if sources.len() > MOST_SOURCES { Err(TooManySources { found: sources.len() }) } else { Ok(Self { sources }) }
    }
}

/// Why a keeper cannot begin with these keys and this memory.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the remembered founding is not one of these keys: {0}")]
    OtherFounding(#[from] NotFounding),
}

/// The keys and the memory, and what is asked of them.
#[derive(Debug)]
pub struct Keeper<C> {
    keys: KeySet,
    memory: Memory,
    config: Config,
    clock: C,
    founded: Option<Founded>,
    proofs: Proofs,
}

impl<C: Clock> Keeper<C> {
    /// # Errors
    /// [`StartError::OtherFounding`] when the memory is of an installation with other keys.
    pub fn new(keys: KeySet, memory: Memory, config: Config, clock: C) -> Result<Self, StartError> {
        let founded = memory.founding().map(|entry| Founded::check(entry, &keys.public())).transpose()?;
        Ok(Self { keys, memory, config, clock, founded, proofs: Proofs::default() })
    }

    /// Does what is asked, or says why not. What was refused left no trace: nothing remembered, nothing signed, nothing
    /// opened.
    pub fn answer(&mut self, ask: Ask) -> Answer {
        let verb = name_of(&ask);
        let done = match ask {
            Ask::Status => Ok(self.status()),
            Ask::Found { entry } => self.found(&entry),
            Ask::Head(extension) => self.head(&extension),
            Ask::Passage(order) => self.passage(&order),
            Ask::Errand(order) => self.errand(&order),
            Ask::NewDataKey { owner } => self.new_data_key(owner),
            Ask::UnwrapDataKey { owner, wrapped } => self.unwrap_data_key(owner, &wrapped),
            Ask::Replay(order) => self.replay(&order),
        };
        done.unwrap_or_else(|refusal| {
            tracing::warn!(verb, %refusal, "refused");
            Answer::Refused(refusal)
        })
    }

    fn founded(&self) -> Result<&Founded, KeeperRefusal> {
        self.founded.as_ref().ok_or(KeeperRefusal::NotFounded)
    }

    /// The last head signed; the founding alone counts as the first.
    fn last(&self) -> Result<Last, KeeperRefusal> {
        self.memory.last().ok_or(KeeperRefusal::NotFounded)
    }

    fn now(&self) -> Result<Timestamp, KeeperRefusal> {
        self.clock.now().map_err(|error| KeeperRefusal::NotStanding { why: format!("the keeper's clock: {error}") })
    }

    /// INVARIANT: nothing that binds the log leaves before its head is durable here, so that no crash makes us sign a fork.
    fn remember(&mut self, last: Last) -> Result<(), KeeperRefusal> {
        self.memory.remember(last).map_err(|error| KeeperRefusal::CannotRemember { why: error.to_string() })
    }

    /// A note over a head that has been remembered.
    fn sign_head(&self, head: TreeHead) -> Result<String, KeeperRefusal> {
        let founded = self.founded()?;
        let signer = LogSigner { key: &founded.log, signer: self.keys.log() };
        let checkpoint = Checkpoint { origin: founded.origin.clone(), size: head.size, root: head.root };
        let signed = checkpoint.sign(&signer).map_err(|error| KeeperRefusal::Malformed { why: error.to_string() })?;
        Ok(signed.to_string())
    }
}

/// For logs: the verb alone, for an ask may hold what is nobody's business.
fn name_of(ask: &Ask) -> &'static str {
    match ask {
        Ask::Status => "status",
        Ask::Found { .. } => "found",
        Ask::Head(_) => "head",
        Ask::Passage(_) => "passage",
        Ask::Errand(_) => "errand",
        Ask::NewDataKey { .. } => "new_data_key",
        Ask::UnwrapDataKey { .. } => "unwrap_data_key",
        Ask::Replay(_) => "replay",
    }
}
