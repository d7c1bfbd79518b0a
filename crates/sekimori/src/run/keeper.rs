//! The keeper process: its keys, its memory, one socket for engine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use envelope::Secret;
use keeper::{Keeper, KeyFile, Memory, WallClock};

use super::lockdown::{Reach, lock_down};
use super::{Config, Peers, RunError};
use crate::places::Places;

pub(super) fn run(places: &Places, config: &Config, peers: Peers) -> Result<(), RunError> {
    let failed = |what: &'static str| move |why: String| RunError::new(what, why);
    // It may lie anywhere, and is read once.
    let passphrase = config.passphrase_file.as_deref().map(first_line).transpose()?;
    lock_down(&Reach::of_keeper(places).and_read(&config.also_read));
    let dir = places.keeper();
    let file = KeyFile::read(&dir).map_err(|e| failed("keeper's keys")(e.to_string()))?;
    let keys = file.open(passphrase.as_ref()).map_err(|e| failed("keeper's keys")(e.to_string()))?;
    let memory = Memory::open(&dir).map_err(|e| failed("keeper's memory")(e.to_string()))?;
    let sources = config.source_addresses.iter().map(|cidr| cidr.parse()).collect::<Result<Vec<_>, _>>();
    let sources = sources.map_err(|e| RunError::new("source_addresses", e))?;
    let settings = keeper::Config::new(sources).map_err(|e| RunError::new("source_addresses", e))?;
    let mut keeper = Keeper::new(keys, memory, settings, WallClock).map_err(|e| failed("keeper")(e.to_string()))?;
    let listener = listen(&places.keeper_socket())?;
    match keeper::serve(&listener, &mut keeper, peers.engine) {
        Err(error) => Err(RunError::new("keeper's socket", error)),
        Ok(never) => match never {},
    }
}

fn first_line(path: &Path) -> Result<Secret<String>, RunError> {
    let text = fs::read_to_string(path).map_err(|e| RunError::new("passphrase file", e))?;
    Ok(Secret::new(text.lines().next().unwrap_or_default().to_owned()))
}

fn listen(path: &Path) -> Result<UnixListener, RunError> {
    super::serve::clear_socket(path)?;
    let failed = |e| RunError::new("keeper's socket", e);
    let listener = UnixListener::bind(path).map_err(failed)?;
    // Engine may be another user. Only it passes the folder, and only it is spoken to.
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).map_err(failed)?;
    Ok(listener)
}
