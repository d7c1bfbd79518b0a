//! The engine process: the ledger, and the sockets for front and CLI.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use engine::Engine;
use engine::clock::SystemClock;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};

use super::{Config, RunError, lockdown};
use crate::places::Places;

pub(super) fn run(places: &Places, config: &Config) -> Result<(), RunError> {
    lockdown::give_up_privileges();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| RunError::new("runtime", e))?;
    runtime.block_on(serve(places, config))
}

async fn serve(places: &Places, config: &Config) -> Result<(), RunError> {
    let paths = engine::Places { ledger: places.ledger(), keeper_socket: places.keeper_socket() };
    let settings = engine::Config {
        recordings: places.recordings(),
        age_recipients: config.age_recipients.clone(),
        commands_a_second: config.commands_a_second,
        burst: config.burst,
    };
    let engine = Engine::start(&paths, settings, Arc::new(SystemClock)).map_err(|e| RunError::new("engine", e))?;
    let front = listen(&places.front_socket(), 0o600)?;
    // Whoever asks is their key; the socket is open to every local user, as the gateway's port is.
    let api = listen(&places.api_socket(), 0o666)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| RunError::new("signals", e))?;
    let outcome = tokio::select! {
        ended = engine.serve(api, front) => ended.map_err(|e| RunError::new("engine's sockets", e)),
        _ = terminate.recv() => Ok(()),
    };
    engine.stop().await;
    outcome
}

fn listen(path: &Path, mode: u32) -> Result<UnixListener, RunError> {
    super::serve::clear_socket(path)?;
    let listener = UnixListener::bind(path).map_err(|e| RunError::new("engine's socket", e))?;
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, permissions).map_err(|e| RunError::new("engine's socket", e))?;
    Ok(listener)
}
