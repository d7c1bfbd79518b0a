//! Starting front: its folders, the line, the gateway, and the tasks beside it.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use channel::front::{Anchor, FrontAsk};
use domain::SessionId;
use gateway_ssh::gate::Language;
use gateway_ssh::server::{Ciphers, Gateway, Settings};
use gateway_ssh::sessions::Sessions;
use ledger::Hash;
use recorder::Reserve;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::ends::Ends;
use crate::errands;
use crate::gate::{EngineGate, Phrases};
use crate::line::Line;
use crate::spool::Spool;
use crate::tapes::Recordings;

/// What the operator's file says to front.
#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    pub engine_socket: PathBuf,
    pub api_socket: PathBuf,
    /// Holds the host key and the spool.
    pub own: PathBuf,
    /// Where recordings are written while they live.
    pub live: PathBuf,
    pub language: Language,
    pub ciphers: Ciphers,
    /// Where the earliest end of a live session is noted for whoever watches over a front that was stopped.
    pub ends: PathBuf,
    /// Disk space kept back so that the end of every session can still be recorded, in bytes.
    pub reserve: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    #[error("`{what}` failed: {why}")]
    Io { what: String, why: std::io::Error },
    #[error("host key `{path}` cannot be used: {why}")]
    HostKey { path: PathBuf, why: String },
    #[error("reserve of disk space could not be taken: {0}")]
    Reserve(#[from] recorder::Error),
}

/// Recordings are anchored this often.
const ANCHOR_EVERY: Duration = Duration::from_secs(30);
const NOTE_EVERY: Duration = Duration::from_millis(250);
/// At a stop: for the ends to be kept, and then for engine to have them, which it otherwise hears from the next front.
const KEPT_WITHIN: Duration = Duration::from_secs(10);
const TOLD_WITHIN: Duration = Duration::from_secs(3);
/// Errands told of at once.
const LONGEST_QUEUE: usize = 256;

/// Runs until `stop` says so; then every session is ended and its end kept. `ready` is told the address listened on.
pub async fn run(
    config: Config,
    phrases: Arc<dyn Phrases>,
    mut stop: watch::Receiver<bool>,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), FrontError> {
    let io = |what: &str| {
        let what = what.to_owned();
        move |why| FrontError::Io { what, why }
    };
    std::fs::create_dir_all(&config.live).map_err(io("making the recordings folder"))?;
    let spool = Spool::open(&config.own.join("spool")).map_err(io("opening the spool"))?;
    let reserve = Arc::new(Reserve::ensure(&config.live, config.reserve)?);
    let settings = Settings { ciphers: config.ciphers, ..Settings::new(crate::host_key::load_or_make(&config.own)?) };
    let sessions = Sessions::default();
    let (errands, errands_told) = mpsc::channel(LONGEST_QUEUE);
    let ends = Ends::open(spool, reserve.clone()).map_err(io("starting the spool"))?;
    let line = Line::new(config.engine_socket.clone(), sessions.clone(), ends.clone(), errands);
    let gate = EngineGate {
        line: line.clone(),
        ends: ends.clone(),
        phrases,
        language: config.language,
        api_socket: config.api_socket.clone(),
        runtime: Handle::current(),
    };
    let tapes = Recordings { line: line.clone(), live: config.live.clone(), reserve: reserve.clone() };
    let errand_tapes = tapes.clone();
    let listener = TcpListener::bind(config.listen).map_err(io(&format!("listening on {}", config.listen)))?;
    let gateway =
        Gateway::start(listener, settings, gate, tapes, sessions.clone()).map_err(io("starting the gateway"))?;
    ready(gateway.local_addr());
    let noting = sessions.clone();
    let tasks = [
        tokio::spawn(line.clone().keep()),
        tokio::spawn(errands::run_all(line.clone(), errand_tapes, errands_told)),
        tokio::spawn(line.clone().announce()),
        tokio::spawn(ends.clone().tell_all(line.clone())),
        tokio::spawn(anchor(line.clone(), sessions.clone())),
        tokio::spawn(refill(reserve)),
        tokio::spawn(note_earliest_end(config.ends.clone(), noting)),
    ];
    let _stopped = stop.wait_for(|stop| *stop).await.is_ok();
    let closing = tokio::task::spawn_blocking(move || gateway.stop());
    let _closed = closing.await;
    if tokio::time::timeout(KEPT_WITHIN, ends.kept()).await.is_err() {
        tracing::error!("ends of sessions could not be kept on disk before the stop");
    }
    let _next_time = tokio::time::timeout(TOLD_WITHIN, ends.told()).await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(())
}

async fn anchor(line: Line, sessions: Sessions) {
    let mut tick = tokio::time::interval(ANCHOR_EVERY);
    loop {
        tick.tick().await;
        let all = sessions.anchors().into_iter();
        let recordings: BTreeMap<SessionId, Anchor> = all
            .filter_map(|(id, chunks, hash)| Some((id.parse().ok()?, Anchor { chunks, chain: Hash::from_bytes(hash) })))
            .collect();
        if !recordings.is_empty() {
            let _anchored_next_time = line.ask(FrontAsk::Anchors { recordings }).await;
        }
    }
}

/// A front that is stopped cannot end its sessions: the watcher reads here, in milliseconds since boot, from when on it must.
async fn note_earliest_end(path: PathBuf, sessions: Sessions) {
    let mut tick = tokio::time::interval(NOTE_EVERY);
    let mut noted = None;
    loop {
        tick.tick().await;
        let earliest = sessions
            .list()
            .iter()
            .filter_map(|view| view.ends_at)
            .map(|ends_at| ends_at.since_boot().as_millis())
            .min();
        if noted != Some(earliest) {
            let text = earliest.map(|ms| ms.to_string()).unwrap_or_default();
            // What could not be written is tried again at the next tick.
            noted = std::fs::write(&path, text).ok().map(|()| earliest);
        }
    }
}

/// The reserve is taken back as soon as there is room again.
async fn refill(reserve: Arc<Reserve>) {
    let mut tick = tokio::time::interval(ANCHOR_EVERY);
    loop {
        tick.tick().await;
        let reserve = reserve.clone();
        let refilled = tokio::task::spawn_blocking(move || reserve.restore()).await;
        if let Ok(Err(error)) = refilled {
            tracing::warn!(%error, "the reserve of disk space is not there");
        }
    }
}
