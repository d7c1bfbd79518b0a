//! Recordings on disk: read where they are written, and taken at their end to where front cannot write.
//!
//! `live` is front's, so nothing there is believed: no link is followed, and only a plain file of front's own is opened. What is taken ends as a
//! file of engine's own, so that a front which kept the old one open writes into nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use domain::SessionId;
use rustix::fs::{Mode, OFlags};

use crate::engine::Engine;

/// Recordings that wait to be taken; what finds no place is found by the next sweep.
const LONGEST_QUEUE: usize = 4_096;
/// What a crash or a full disk left behind is looked for this often.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Left behind and looked up in the ledger at one sweep.
const MOST_AT_A_SWEEP: usize = 1_000;

/// Where recordings lie, and the thread that takes them.
#[derive(Debug)]
pub(crate) struct Recordings {
    shelf: Arc<Shelf>,
    ended: SyncSender<SessionId>,
}

#[derive(Debug)]
struct Shelf {
    live: PathBuf,
    closed: PathBuf,
    /// Whose files in `live` are recordings.
    front: u32,
}

/// How a file gets out of front's reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Front is another user: it may have the file open, so its bytes go into a new one.
    Copied,
    /// One user runs everything, and a copy would be as much in front's reach as the file itself.
    Moved,
}

impl Recordings {
    /// `front` is the user that writes to `live`.
    pub(crate) fn start(dir: &Path, front: u32) -> io::Result<Self> {
        let shelf = Arc::new(Shelf { live: dir.join("live"), closed: dir.join("closed"), front });
        let (ended, told) = sync_channel::<SessionId>(LONGEST_QUEUE);
        let taking = shelf.clone();
        let take_all = move || {
            while let Ok(session) = told.recv() {
                if let Err(error) = taking.take(&session) {
                    tracing::warn!(%session, %error, "a closed recording could not be taken; it is tried again");
                }
            }
        };
        std::thread::Builder::new().name("recordings".into()).spawn(take_all)?;
        Ok(Self { shelf, ended })
    }

    /// Returns at once. The session's end is in the ledger.
    pub(crate) fn take(&self, session: &SessionId) {
        let _found_by_the_next_sweep = self.ended.try_send(*session);
    }

    /// A session's recording, to be read; also one that is still written, or is just being taken.
    pub(crate) fn open(&self, session: &SessionId) -> io::Result<File> {
        self.shelf.open(session)
    }

    /// One that front still has, or has left behind.
    pub(crate) fn open_live(&self, session: &SessionId) -> io::Result<File> {
        self.shelf.open_live(session)
    }
}

/// Takes what was left behind by a crash, for ever.
pub(crate) async fn sweep(engine: Arc<Engine>) {
    let mut tick = tokio::time::interval(SWEEP_EVERY);
    loop {
        tick.tick().await;
        let engine = engine.clone();
        let _next_time = tokio::task::spawn_blocking(move || {
            // Listed first: whatever was there then, its opening stood in the state before.
            let there = engine.recordings.shelf.there();
            let state = engine.state();
            let is_over = |session: &SessionId| {
                let on_an_errand = |seq| state.passage.errands.values().any(|errand| errand.seq == seq);
                !state.passage.sessions.contains_key(session)
                    && engine.session_entry(session).is_ok_and(|seq| !on_an_errand(seq))
            };
            there.iter().filter(|session| is_over(session)).for_each(|session| engine.recordings.take(session));
        })
        .await;
    }
}

impl Shelf {
    fn open(&self, session: &SessionId) -> io::Result<File> {
        let closed = || File::open(self.closed.join(name(session)));
        let absent = |opened: &io::Result<File>| opened.as_ref().is_err_and(|e| e.kind() == ErrorKind::NotFound);
        let mut opened = closed();
        if absent(&opened) {
            opened = self.open_live(session);
        }
        // Taken between the two looks.
        if absent(&opened) { closed() } else { opened }
    }

    fn open_live(&self, session: &SessionId) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(self.live.join(name(session)), flags, Mode::empty())?);
        let found = file.metadata()?;
        if found.is_file() && found.uid() == self.front {
            return Ok(file);
        }
        Err(io::Error::other(format!("it is not a file of user {}", self.front)))
    }

    /// Safe to run again from any line: the old file goes last, and what is closed is never replaced.
    fn take(&self, session: &SessionId) -> io::Result<()> {
        let (from, to) = (self.live.join(name(session)), self.closed.join(name(session)));
        if to.try_exists()? {
            return gone(&from);
        }
        let file = self.open_live(session)?;
        match self.way() {
            Way::Moved => match fs::rename(&from, &to) {
                Err(error) if error.kind() == ErrorKind::CrossesDevices => copy(&file, &to).and_then(|()| gone(&from)),
                moved => moved.and_then(|()| sync_dir(&self.closed)),
            },
            Way::Copied => copy(&file, &to).and_then(|()| gone(&from)),
        }
    }

    fn way(&self) -> Way {
        if self.front == rustix::process::getuid().as_raw() { Way::Moved } else { Way::Copied }
    }

    /// Sessions of which a file lies in `live`.
    fn there(&self) -> Vec<SessionId> {
        let Ok(listing) = fs::read_dir(&self.live) else { return vec![] };
        let names = listing.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter_map(|name| name.strip_suffix(SUFFIX)?.parse().ok()).take(MOST_AT_A_SWEEP).collect()
    }
}

/// Durable under its name on return; before that it has another.
fn copy(from: &File, to: &Path) -> io::Result<()> {
    let incoming = to.with_extension("incoming");
    let copied = write_copy(from, &incoming).and_then(|()| fs::rename(&incoming, to));
    if copied.is_err() {
        // The next try would write over it; until then it only takes room.
        let _left = fs::remove_file(&incoming);
    }
    copied.and_then(|()| sync_dir(to.parent().unwrap_or(to)))
}

fn write_copy(from: &File, incoming: &Path) -> io::Result<()> {
    let mut new = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(incoming)?;
    // A front that goes on writing is not followed.
    let length = from.metadata()?.len();
    io::copy(&mut from.take(length), &mut new)?;
    new.sync_all()
}

fn gone(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn name(session: &SessionId) -> String {
    format!("{session}{SUFFIX}")
}

const SUFFIX: &str = ".skmrec";

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn shelf(dir: &Path) -> Shelf {
        let shelf =
            Shelf { live: dir.join("live"), closed: dir.join("closed"), front: rustix::process::getuid().as_raw() };
        fs::create_dir(&shelf.live).unwrap();
        fs::create_dir(&shelf.closed).unwrap();
        shelf
    }

    fn session(n: u8) -> SessionId {
        SessionId::from_random([n; 16])
    }

    fn text(mut file: File) -> String {
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_copy_is_out_of_reach_of_whoever_kept_the_recording_open() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = shelf(dir.path());
        let path = shelf.live.join(name(&session(1)));
        let mut kept = File::create(&path).unwrap();
        kept.write_all(b"as it was").unwrap();
        copy(&shelf.open_live(&session(1)).unwrap(), &shelf.closed.join(name(&session(1)))).unwrap();
        kept.write_all(b", and more").unwrap();
        kept.set_len(3).unwrap();
        assert_eq!(text(shelf.open(&session(1)).unwrap()), "as it was");
        assert_eq!(fs::read_dir(&shelf.closed).unwrap().count(), 1, "nothing half done is left");
    }

    #[test]
    fn taking_goes_on_wherever_it_was_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = shelf(dir.path());
        let (from, to) = (shelf.live.join(name(&session(2))), shelf.closed.join(name(&session(2))));
        // Cut off while copying.
        fs::write(&from, "whole").unwrap();
        fs::write(to.with_extension("incoming"), "who").unwrap();
        copy(&shelf.open_live(&session(2)).unwrap(), &to).unwrap();
        assert_eq!((text(shelf.open(&session(2)).unwrap()).as_str(), from.exists()), ("whole", true));
        // Cut off before the old file went; whatever stands there by now does not replace what is closed.
        fs::write(&from, "something else").unwrap();
        shelf.take(&session(2)).unwrap();
        assert_eq!((text(shelf.open(&session(2)).unwrap()).as_str(), from.exists()), ("whole", false));
        shelf.take(&session(2)).unwrap();
    }

    #[test]
    fn one_user_s_recording_is_moved() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = shelf(dir.path());
        fs::write(shelf.live.join(name(&session(3))), "here").unwrap();
        assert_eq!(text(shelf.open(&session(3)).unwrap()), "here");
        assert_eq!(shelf.there(), [session(3)]);
        shelf.take(&session(3)).unwrap();
        assert_eq!((text(shelf.open(&session(3)).unwrap()).as_str(), shelf.there().len()), ("here", 0));
        assert_eq!(shelf.take(&session(4)).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn links_pipes_and_files_of_others_are_no_recordings() {
        let dir = tempfile::tempdir().unwrap();
        let mut shelf = shelf(dir.path());
        let ledger = dir.path().join("ledger");
        fs::write(&ledger, "engine's own").unwrap();
        std::os::unix::fs::symlink(&ledger, shelf.live.join(name(&session(5)))).unwrap();
        fs::create_dir(shelf.live.join(name(&session(6)))).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, shelf.live.join(name(&session(7))), Mode::RUSR | Mode::WUSR).unwrap();
        for n in 5..=7 {
            assert!(shelf.take(&session(n)).is_err(), "{n}");
        }
        fs::write(shelf.live.join(name(&session(8))), "somebody else's").unwrap();
        shelf.front += 1;
        assert!(shelf.take(&session(8)).is_err());
        assert_eq!(fs::read_dir(&shelf.closed).unwrap().count(), 0);
    }
}
