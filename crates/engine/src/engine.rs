//! What every verb of the engine has at hand.

use std::path::PathBuf;
use std::sync::Arc;

use domain::{Actor, Refusal, State};
use sshwire::Fingerprint;
use store::Reader;

use crate::clock::Clock;
use crate::front_link::FrontDesk;
use crate::keeper_link::KeeperLink;
use crate::limits::Limiter;
use crate::proofs::Proofs;
use crate::recordings::Recordings;
use crate::texts::Texts;
use crate::waking::Waking;
use crate::writer::Writer;

#[derive(Debug)]
pub struct Engine {
    pub(crate) writer: Writer,
    pub(crate) texts: Arc<Texts>,
    pub(crate) proofs: Arc<Proofs>,
    pub(crate) recordings: Recordings,
    pub(crate) keeper: Arc<KeeperLink>,
    pub(crate) reader: Reader,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) front: FrontDesk,
    pub(crate) limiter: Limiter,
    pub(crate) waking: Waking,
    /// Held from a certificate's serial being given to its being signed.
    pub(crate) certifying: tokio::sync::Mutex<()>,
    /// One full replay at a time.
    pub(crate) replaying: std::sync::Mutex<()>,
    pub(crate) config: Config,
}

/// What the operator's file says to the engine.
#[derive(Debug, Clone)]
pub struct Config {
    /// Holds `live`, which front writes to, and `closed`, where it cannot.
    pub recordings: PathBuf,
    /// `age1…` recipients of an outside auditor.
    pub age_recipients: Vec<String>,
    /// Commands of one person in a second, and how many may come at once.
    pub commands_a_second: f64,
    pub burst: f64,
    pub local: Local,
}

/// How the processes stand to each other on this machine; `doctor` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// The user that front runs as: who may speak on its line, and whose recordings are taken.
    pub front: u32,
    pub users: Users,
    pub fence: Fence,
}

impl Local {
    /// Everything as the user of this process, and no fence.
    pub fn one_user() -> Self {
        Self { front: rustix::process::getuid().as_raw(), users: Users::One, fence: Fence::Absent }
    }
}

/// Whether whoever breaks into one process has the files of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Users {
    Apart,
    One,
}

/// How much of the fence round each process (Landlock) the kernel keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    Whole,
    /// An older kernel: some of it.
    Partly,
    Absent,
}

impl Engine {
    pub fn state(&self) -> Arc<State> {
        self.writer.state()
    }

    /// Told of every new size of the ledger.
    pub fn sizes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.writer.sizes()
    }

    /// Who a key is, for naming them in a refusal.
    pub(crate) fn who(&self, key: &Fingerprint) -> Actor {
        let state = self.state();
        let person = state
            .people
            .keys
            .get(key)
            .and_then(|k| state.people.personas.get(&k.persona).map(|p| (p.person, k.persona)));
        person.map_or(Actor::Unproved, |(person, persona)| Actor::Person { person, persona })
    }

    /// Runs what may wait for the keeper or the disk aside from the sockets' tasks.
    pub(crate) async fn aside<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let engine = self.clone();
        tokio::task::spawn_blocking(move || work(&engine)).await.unwrap_or(Err(Refusal::Unavailable))
    }
}

/// Logs what went wrong inside; the caller is told only that nothing can be decided now.
pub(crate) fn unavailable(what: &str, error: &dyn std::fmt::Display) -> Refusal {
    tracing::error!(what, %error, "engine could not do its part");
    Refusal::Unavailable
}
