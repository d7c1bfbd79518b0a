//! Starting: the ledger is opened and folded, the line to the keeper tried, the sockets served.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::State;
use store::{Store, StoreError};
use tokio::net::UnixListener;

use crate::clock::Clock;
use crate::engine::{Config, Engine};
use crate::fold::FoldError;
use crate::front_link::FrontDesk;
use crate::keeper_link::KeeperLink;
use crate::limits::Limiter;
use crate::proofs::Proofs;
use crate::recordings::Recordings;
use crate::texts::Texts;
use crate::waking::Waking;
use crate::writer::Writer;
use crate::{api, checkpoints, fold, front_link, recordings};

/// Where things lie and who is reached where.
#[derive(Debug, Clone)]
pub struct Places {
    pub ledger: PathBuf,
    pub keeper_socket: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("ledger could not be opened: {0}")]
    Store(#[from] StoreError),
    #[error("ledger does not fold: {0}")]
    Fold(#[from] FoldError),
    #[error("engine could not start: {0}")]
    Io(#[from] std::io::Error),
    /// A damaged or restored disk: entries that were signed for are gone.
    #[error("the ledger has {found} entries, but the keeper signed a head of {signed}; entries are missing")]
    Behind { found: u64, signed: u64 },
}

/// A keeper that is started beside engine answers within this; one that is away for longer is gone on without.
const KEEPER_COMES_WITHIN: Duration = Duration::from_secs(3);
/// Between looks for a keeper that is away.
const KEEPER_AGAIN: Duration = Duration::from_millis(50);

impl Engine {
    /// Opens and folds; nothing is served yet.
    pub fn start(places: &Places, config: Config, clock: Arc<dyn Clock>) -> Result<Arc<Self>, StartError> {
        let (store, reader) = Store::open(&places.ledger)?;
        let state = fold::start(&reader, &store.snapshots())?;
        let size = state.journal.size;
        let at_start = state.clone();
        let waking = Waking::at_start(&state.journal, clock.wall());
        let writer = Writer::start(store, store::Reader::open(&places.ledger)?, state, clock.clone())?;
        let keeper = Arc::new(KeeperLink::new(&places.keeper_socket, reader.clone()));
        let recordings = Recordings::start(&config.recordings, config.local.front)?;
        let engine = Arc::new(Self {
            writer,
            texts: Arc::new(Texts::new(reader.clone(), keeper.clone(), clock.clone())),
            proofs: Arc::new(Proofs::new(reader.clone())),
            recordings,
            keeper,
            clock,
            front: FrontDesk::default(),
            certifying: tokio::sync::Mutex::default(),
            replaying: std::sync::Mutex::default(),
            waking,
            limiter: Limiter::new(config.commands_a_second, config.burst),
            config,
            reader: reader.clone(),
        });
        engine.meet_keeper()?;
        if size > 0 {
            compare_in_background(reader, at_start)?;
        }
        Ok(engine)
    }

    /// To be called before the sockets are served: waits for a keeper that is started at the same time, but not for long.
    pub async fn await_keeper(self: &Arc<Self>) -> Result<(), StartError> {
        if self.keeper_within(KEEPER_COMES_WITHIN).await {
            return self.meet_keeper();
        }
        tracing::warn!("the keeper does not answer yet; nothing can be opened until it does");
        Ok(())
    }

    /// Whether the keeper answered before `patience` was over.
    pub(crate) async fn keeper_within(self: &Arc<Self>, patience: Duration) -> bool {
        let over = tokio::time::Instant::now() + patience;
        loop {
            let engine = self.clone();
            let asked = tokio::task::spawn_blocking(move || engine.keeper.status().is_ok()).await;
            if asked.unwrap_or(false) {
                return true;
            }
            if tokio::time::Instant::now() >= over {
                return false;
            }
            tokio::time::sleep(KEEPER_AGAIN).await;
        }
    }

    /// Compares with what the keeper signed, and tells it of the founding. A keeper that is away says the first later, by refusing to sign what
    /// does not extend its last head.
    fn meet_keeper(&self) -> Result<(), StartError> {
        let Ok(status) = self.keeper.status() else { return Ok(()) };
        let size = self.state().journal.size;
        if let Some((signed, _)) = status.last.filter(|(signed, _)| *signed > size) {
            return Err(StartError::Behind { found: size, signed });
        }
        if size > 0
            && let Err(refusal) = self.tell_keeper_of_founding()
        {
            tracing::warn!(%refusal, "the keeper does not know the founding yet");
        }
        Ok(())
    }

    /// Serves the sockets for ever.
    pub async fn serve(self: &Arc<Self>, api: UnixListener, front: UnixListener) {
        // Dropped with this future, the tasks end with it.
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(front_link::react(self.clone()));
        tasks.spawn(front_link::beat(self.clone()));
        tasks.spawn(checkpoints::keep_signed(self.clone()));
        tasks.spawn(recordings::sweep(self.clone()));
        tokio::join!(api::serve(self.clone(), api), front_link::serve(self.clone(), front));
    }

    /// Lets what is queued become durable.
    pub async fn stop(&self) {
        self.writer.stop().await;
    }
}

/// The full fold runs aside; should it differ from what we began with, nothing more may be decided on it.
fn compare_in_background(reader: store::Reader, began_with: State) -> std::io::Result<()> {
    let compare = move || match fold::full(&reader, began_with.journal.size) {
        Ok(folded) if folded == began_with => {
            tracing::info!(entries = began_with.journal.size, "the full fold agrees with the state at start")
        }
        Ok(_) => stop_the_process("the state at start is not the fold of the ledger"),
        Err(error) => stop_the_process(&format!("the ledger does not fold: {error}")),
    };
    std::thread::Builder::new().name("full-fold".into()).spawn(compare).map(|_| ())
}

/// Fail closed: a state that the ledger does not confirm must decide nothing.
#[expect(clippy::exit, reason = "going on would decide on a state that the ledger does not confirm")]
pub(crate) fn stop_the_process(why: &str) -> ! {
    tracing::error!(why, "engine stops");
    std::process::exit(3);
}
