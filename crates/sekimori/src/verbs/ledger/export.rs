//! `sekimori ledger export`: every entry byte for byte, with the signed heads, in one file (`spec/ledger-export.md`).

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use channel::api::{Query, View};
use domain::Refusal;
use ledger::{Frontier, SignedCheckpoint, leaf_hash};
use tegata::whole::Lines;

use crate::connection::Connection;
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::files;

pub(super) fn run(out: &Path, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let View::Checkpoint { note } = caller.connection.read(Query::Checkpoint)? else {
        return Err(Failure::AnswerUnexpected { wanted: "checkpoint".into() });
    };
    let head = parse(&note)?;
    let size = head.claimed().size;
    let path = place(out, size);
    if path.exists() {
        return Err(Failure::FileExists { path: files::shown(&path) });
    }
    desk.note("say-ledger-exporting", &[("size", size.into())]);
    let mut export = Export::begin(&path, head)?;
    while export.frontier.size() < size {
        let query = Query::LedgerPage { from: export.frontier.size(), below: size };
        let View::LedgerPage { entries, checkpoints } = read_in_time(&mut caller.connection, query, desk)? else {
            return Err(Failure::AnswerUnexpected { wanted: "ledger page".into() });
        };
        let before = export.frontier.size();
        export.page(&entries, &checkpoints)?;
        if before / SHOW_EVERY != export.frontier.size() / SHOW_EVERY {
            let entries = export.frontier.size();
            desk.note("say-ledger-passed", &[("entries", entries.into()), ("size", size.into())]);
        }
    }
    export.finish()?;
    let written = serde_json::json!({ "entries": size, "file": files::shown(&path) });
    desk.answer(&written, |desk| {
        desk.say("say-ledger-written", &[("entries", size.into()), ("path", files::shown(&path).into())])
    });
    Ok(())
}

/// In a folder the size names the file: a later export of the same ledger stands beside the earlier one.
fn place(out: &Path, size: u64) -> PathBuf {
    if out.is_dir() { out.join(format!("ledger-{size}.skmledger")) } else { out.to_owned() }
}

/// A file being made. It gets its name when all of it is on the disk.
struct Export {
    path: PathBuf,
    file: BufWriter<tempfile::NamedTempFile>,
    lines: Lines,
    frontier: Frontier,
    head: SignedCheckpoint,
    /// Size of the checkpoint last written.
    covered: u64,
}

impl Export {
    fn begin(path: &Path, head: SignedCheckpoint) -> Outcome<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::Builder::new().prefix(".sekimori-export-").tempfile_in(folder);
        let file = BufWriter::new(file.map_err(|error| unwritable(path, &error))?);
        let mut export =
            Self { path: path.to_owned(), file, lines: Lines::default(), frontier: Frontier::new(), head, covered: 0 };
        let form = export.lines.form();
        export.write(&form)?;
        Ok(export)
    }

    fn page(&mut self, entries: &[String], checkpoints: &[String]) -> Outcome<()> {
        let size = self.head.claimed().size;
        // An empty page before the end would be asked for again and again.
        if entries.is_empty() || self.frontier.size().saturating_add(entries.len() as u64) > size {
            return Err(Failure::AnswerUnexpected { wanted: "entries".into() });
        }
        let notes = checkpoints.iter().map(|note| parse(note)).collect::<Outcome<Vec<_>>>()?;
        let mut notes = notes.into_iter().peekable();
        for entry in entries {
            if entry.contains('\n') {
                let (seq, why) = (self.frontier.size().to_string(), "it is more than one line".into());
                return Err(Failure::EntryUnreadable { seq, why });
            }
            self.frontier.append(leaf_hash(entry.as_bytes()));
            let line = self.lines.entry(entry);
            self.write(&line)?;
            let here = self.frontier.size();
            while let Some(note) = notes.next_if(|note| note.claimed().size <= here) {
                if here < size && note.claimed().size == here {
                    self.checkpoint(&note)?;
                }
            }
        }
        Ok(())
    }

    /// What the server says it signed must be over what it just gave.
    fn checkpoint(&mut self, note: &SignedCheckpoint) -> Outcome<()> {
        if note.claimed().head() != self.frontier.head() {
            let (first, last) = (self.covered.to_string(), self.frontier.size().saturating_sub(1).to_string());
            return Err(Failure::EntriesReplaced { first, last });
        }
        self.covered = self.frontier.size();
        let line = self.lines.checkpoint(note);
        self.write(&line)
    }

    fn finish(mut self) -> Outcome<()> {
        let head = self.head.clone();
        self.checkpoint(&head)?;
        let end = std::mem::take(&mut self.lines).end();
        self.write(&end)?;
        let Self { path, file, .. } = self;
        let file = file.into_inner().map_err(|error| unwritable(&path, error.error()))?;
        file.as_file().sync_all().map_err(|error| unwritable(&path, &error))?;
        file.persist_noclobber(&path).map_err(|error| unwritable(&path, &error.error))?;
        Ok(())
    }

    fn write(&mut self, line: &str) -> Outcome<()> {
        self.file.write_all(line.as_bytes()).map_err(|error| unwritable(&self.path, &error))
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::FileExists { path: files::shown(path) },
        _ => Failure::FileUnwritable { path: files::shown(path), why: error.to_string() },
    }
}

fn parse(note: &str) -> Outcome<SignedCheckpoint> {
    SignedCheckpoint::parse(note.as_bytes()).map_err(|error| Failure::CheckpointFails { why: error.to_string() })
}

/// A long export asks more often than the server lets one person ask: then it waits as it is told to.
fn read_in_time(connection: &mut Connection, query: Query, desk: &mut Desk<'_>) -> Outcome<View> {
    for _ in 0..MOST_WAITS {
        match connection.read(query.clone()) {
            Err(Failure::Refused(refusal)) => match *refusal {
                Refusal::TooFast { wait_s } => desk.pause(Duration::from_secs(wait_s)),
                other => return Err(other.into()),
            },
            read => return read,
        }
    }
    connection.read(query)
}

/// Waits for one page; a server that never has time for it is not waited for without end.
const MOST_WAITS: u32 = 60;
/// Entries between two words on how far it has come.
const SHOW_EVERY: u64 = 100_000;
