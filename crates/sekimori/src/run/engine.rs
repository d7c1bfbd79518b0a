//! The engine process: the ledger, and the sockets for front and CLI.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use engine::clock::SystemClock;
use engine::{Engine, Local, Users};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};

use super::lockdown::{Fence, Reach, lock_down};
use super::{Config, Peers, RunError};
use crate::places::Places;

pub(super) fn run(places: &Places, config: &Config, peers: Peers) -> Result<(), RunError> {
    let local = Local {
        front: peers.front,
        users: users(peers),
        fence: fence(lock_down(&Reach::of_engine(places).and_read(&config.also_read))),
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| RunError::new("runtime", e))?;
    runtime.block_on(serve(places, config, local))
}

async fn serve(places: &Places, config: &Config, local: Local) -> Result<(), RunError> {
    let paths = engine::Places { ledger: places.ledger(), keeper_socket: places.keeper_socket() };
    let settings = engine::Config {
        recordings: places.recordings(),
        age_recipients: config.age_recipients.clone(),
        commands_a_second: config.commands_a_second,
        burst: config.burst,
        local,
    };
    let engine = Engine::start(&paths, settings, Arc::new(SystemClock)).map_err(|e| RunError::new("engine", e))?;
    engine.await_keeper().await.map_err(|e| RunError::new("engine", e))?;
    // Front may be another user. Only it passes the folder, and only it is spoken to.
    let front = listen(&places.front_socket())?;
    // Whoever asks is their key; the socket is open to every local user, as the gateway's port is.
    let api = listen(&places.api_listener())?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| RunError::new("signals", e))?;
    tokio::select! {
        () = engine.serve(api, front) => {}
        _ = terminate.recv() => {}
    }
    engine.stop().await;
    Ok(())
}

fn users(peers: Peers) -> Users {
    let Peers { keeper, engine, front } = peers;
    if keeper == engine || engine == front || front == keeper { Users::One } else { Users::Apart }
}

fn fence(fence: Fence) -> engine::Fence {
    match fence {
        Fence::Whole => engine::Fence::Whole,
        Fence::Partly => engine::Fence::Partly,
        Fence::Absent => engine::Fence::Absent,
    }
}

fn listen(path: &Path) -> Result<UnixListener, RunError> {
    super::serve::clear_socket(path)?;
    let listener = UnixListener::bind(path).map_err(|e| RunError::new("engine's socket", e))?;
    let permissions = std::fs::Permissions::from_mode(0o666);
    std::fs::set_permissions(path, permissions).map_err(|e| RunError::new("engine's socket", e))?;
    Ok(listener)
}
