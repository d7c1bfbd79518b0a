//! Ends of sessions on disk, until engine has them in the ledger. What is kept here outlives front and engine; what a killed front had not
//! kept yet is lost, and engine then writes the session down as lost by the gateway.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use channel::front::EndFact;
use domain::SessionId;

#[derive(Debug, Clone)]
pub(crate) struct Spool {
    dir: PathBuf,
}

impl Spool {
    pub(crate) fn open(dir: &Path) -> std::io::Result<Self> {
        fs::create_dir_all(dir)?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// Durable on return.
    pub(crate) fn keep(&self, fact: &EndFact) -> std::io::Result<()> {
        let path = self.path(&fact.session);
        let incoming = path.with_extension("new");
        let bytes = serde_json::to_vec(fact).map_err(std::io::Error::other)?;
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&incoming)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&incoming, &path)?;
        File::open(&self.dir)?.sync_all()
    }

    /// Everything kept; what cannot be read is set aside and said.
    pub(crate) fn all(&self) -> Vec<EndFact> {
        let Ok(listing) = fs::read_dir(&self.dir) else { return vec![] };
        let paths = listing
            .filter_map(|entry| entry.ok().map(|e| e.path()))
            .filter(|p| p.extension().is_some_and(|e| e == "end"));
        paths.filter_map(|path| self.read(&path)).collect()
    }

    pub(crate) fn drop_one(&self, session: &SessionId) {
        // Left over, it is said again and found to be known.
        let _left = fs::remove_file(self.path(session));
    }

    fn read(&self, path: &Path) -> Option<EndFact> {
        let read = fs::read(path)
            .map_err(|e| e.to_string())
            .and_then(|bytes| serde_json::from_slice(&bytes).map_err(|e| e.to_string()));
        match read {
            Ok(fact) => Some(fact),
            Err(error) => {
                tracing::error!(path = %path.display(), error, "a kept end of a session cannot be read");
                let _aside = fs::rename(path, path.with_extension("unreadable"));
                None
            }
        }
    }

    fn path(&self, session: &SessionId) -> PathBuf {
        self.dir.join(format!("{session}.end"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use channel::front::Anchor;
    use domain::event::SessionEnding;

    fn fact(n: u8) -> EndFact {
        let anchor = Anchor { chunks: 3, chain: ledger::Hash::of(b"x") };
        let ended = "2026-11-23T10:00:00Z".parse().unwrap();
        EndFact {
            session: SessionId::from_random([n; 16]),
            ending: SessionEnding::ClientLeft,
            ended,
            anchor,
            complete: true,
            bytes: 7,
        }
    }

    #[test]
    fn what_is_kept_is_there_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        spool.keep(&fact(1)).unwrap();
        spool.keep(&fact(2)).unwrap();
        spool.keep(&fact(2)).unwrap();
        assert_eq!(Spool::open(dir.path()).unwrap().all().len(), 2);
        spool.drop_one(&fact(1).session);
        assert_eq!(spool.all(), vec![fact(2)]);
    }

    #[test]
    fn a_damaged_one_is_set_aside_and_the_others_come() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        spool.keep(&fact(1)).unwrap();
        fs::write(dir.path().join("ses_x.end"), b"{").unwrap();
        assert_eq!(spool.all(), vec![fact(1)]);
        assert_eq!(spool.all(), vec![fact(1)]);
    }
}
