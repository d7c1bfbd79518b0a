//! Where an installation keeps its files, from `--root DIR` or the usual places.

use std::path::{Path, PathBuf};

use crate::environment::Environment;

/// The folders of one installation. Nothing is created here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    /// Holds `sekimori.toml`.
    pub(crate) config: PathBuf,
    /// Holds `ledger`, `keeper`, `blobs` and `recordings`.
    pub(crate) state: PathBuf,
    /// Holds the sockets.
    pub(crate) run: PathBuf,
}

impl Places {
    /// Everything under one folder.
    pub(crate) fn under(root: &Path) -> Self {
        Self { config: root.join("etc"), state: root.join("var"), run: root.join("run") }
    }

    /// As a system service.
    pub(crate) fn of_system() -> Self {
        let path = PathBuf::from;
        Self { config: path("/etc/sekimori"), state: path("/var/lib/sekimori"), run: path("/run/sekimori") }
    }

    /// `root` if one is given; else the system's, where it is installed; else the person's own.
    pub(crate) fn choose(root: Option<&Path>, environment: &Environment) -> Self {
        let system = Self::of_system();
        match (root, environment.state_dir()) {
            (Some(root), _) => Self::under(root),
            (None, Some(own)) if !system.run.exists() && !system.config.exists() => Self::under(&own),
            (None, _) => system,
        }
    }

    /// The socket that the CLI speaks to.
    pub(crate) fn api_socket(&self) -> PathBuf {
        self.run.join("api.sock")
    }

    /// Where engine makes that socket. Each process makes sockets in a folder of its own only; `run` itself is nobody's but `serve`'s.
    pub(crate) fn api_listener(&self) -> PathBuf {
        self.engine_run().join("api.sock")
    }

    /// Engine's line to front.
    pub(crate) fn front_socket(&self) -> PathBuf {
        self.front_run().join("front.sock")
    }

    /// Keeper's line to engine.
    pub(crate) fn keeper_socket(&self) -> PathBuf {
        self.keeper_run().join("keeper.sock")
    }

    /// Engine makes its socket for everybody here.
    pub(crate) fn engine_run(&self) -> PathBuf {
        self.run.join("engine")
    }

    /// Engine makes its socket for front here.
    pub(crate) fn front_run(&self) -> PathBuf {
        self.run.join("front")
    }

    /// The keeper makes its socket for engine here.
    pub(crate) fn keeper_run(&self) -> PathBuf {
        self.run.join("keeper")
    }

    /// Where the gateway listens, noted by front for people.
    pub(crate) fn ssh_address(&self) -> PathBuf {
        self.run.join("ssh.address")
    }

    /// When the earliest live session ends, noted by front for the watcher.
    pub(crate) fn front_ends(&self) -> PathBuf {
        self.run.join("front.ends")
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.state.join("ledger")
    }

    /// Holds `live` and `closed`.
    pub(crate) fn recordings(&self) -> PathBuf {
        self.state.join("recordings")
    }

    /// Recordings that front writes.
    pub(crate) fn live(&self) -> PathBuf {
        self.recordings().join("live")
    }

    /// Recordings that engine took.
    pub(crate) fn closed(&self) -> PathBuf {
        self.recordings().join("closed")
    }

    /// Front's host key and spool.
    pub(crate) fn front(&self) -> PathBuf {
        self.state.join("front")
    }

    /// The keeper's own folder.
    pub(crate) fn keeper(&self) -> PathBuf {
        self.state.join("keeper")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_holds_everything() {
        let places = Places::choose(Some(Path::new("/srv/gate")), &Environment::default());
        assert_eq!(places, Places::under(Path::new("/srv/gate")));
        assert_eq!(places.api_socket(), Path::new("/srv/gate/run/api.sock"));
        assert_eq!(places.keeper(), Path::new("/srv/gate/var/keeper"));
    }

    #[test]
    fn an_installation_of_ones_own_lies_in_the_state_folder() {
        let environment = Environment { state_home: Some("/home/one/state".into()), ..Environment::default() };
        let places = Places::choose(None, &environment);
        let expected = [Places::of_system(), Places::under(Path::new("/home/one/state/sekimori"))];
        assert!(expected.contains(&places), "{places:?}");
    }
}
