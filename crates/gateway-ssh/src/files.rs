//! Files that pass through a channel: what the terms allow of them, and what is noted of each.

use bytes::Bytes;
use serde_json::{Value, json};
use transfers::scp::{self, Watch};
use transfers::sftp::{Filter, Limits, Standing};
use transfers::{
    ActFact, AllowAll, Direction, Fact, FileAct, FileFact, Flow, Onward, Outcome, Oversight, Piece, RawPath, Verdict,
};

use crate::authorise::{self, Ask, Terms, authorise};

/// What of a channel's bytes is about files.
#[derive(Debug)]
pub(crate) enum Files {
    /// Nothing that is known: a terminal, a command.
    Unknown,
    Sftp(Box<Filter>),
    Scp(Box<Watch>),
}

/// What came of some bytes.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    pub(crate) to_target: Vec<Bytes>,
    pub(crate) to_client: Vec<Bytes>,
    /// As JSON, for the recording.
    pub(crate) facts: Vec<Bytes>,
    /// The stream does not read, so nothing more passes.
    pub(crate) broken: Option<String>,
}

impl Files {
    pub(crate) fn sftp() -> Self {
        Self::Sftp(Box::new(Filter::new(Limits::default())))
    }

    pub(crate) fn of_command(command: &[u8]) -> Self {
        match scp::Command::parse(command) {
            Some(command) => Self::Scp(Box::new(Watch::new(command, 0))),
            None => Self::Unknown,
        }
    }

    /// Whether what flows is nothing but files and talk about them, noted one by one; else the output itself is recorded.
    pub(crate) fn is_sftp(&self) -> bool {
        matches!(self, Self::Sftp(_))
    }

    pub(crate) fn client(&mut self, data: Bytes, terms: &Terms) -> Passed {
        match self {
            Self::Unknown => Passed { to_target: vec![data], ..Passed::default() },
            Self::Scp(watch) => {
                let facts = noted(watch.client(&data, &mut AllowAll));
                Passed { to_target: vec![data], facts, ..Passed::default() }
            }
            Self::Sftp(filter) => sorted(&data, filter.client(&data, &mut Judge(terms))),
        }
    }

    pub(crate) fn target(&mut self, data: Bytes, terms: &Terms) -> Passed {
        match self {
            Self::Unknown => Passed { to_client: vec![data], ..Passed::default() },
            Self::Scp(watch) => {
                let facts = noted(watch.target(&data, &mut AllowAll));
                Passed { to_client: vec![data], facts, ..Passed::default() }
            }
            Self::Sftp(filter) => sorted(&data, filter.target(&data, &mut Judge(terms))),
        }
    }

    /// The channel has ended: what was open or unanswered.
    pub(crate) fn end(&mut self) -> Vec<Bytes> {
        match self {
            Self::Unknown => Vec::new(),
            Self::Scp(watch) => noted(watch.end()),
            Self::Sftp(filter) => noted(filter.end()),
        }
    }
}

/// What an exec line asks for: to copy files by scp alone needs less than to run any command.
pub(crate) fn asked_by(command: &[u8]) -> Ask<'static> {
    match scp::Command::parse(command).map(|command| command.direction) {
        Some(Direction::Upload) => Ask::Upload,
        Some(Direction::Download) => Ask::Download,
        Some(Direction::Both | Direction::Neither) | None => Ask::Exec,
    }
}

fn sorted(input: &Bytes, passed: transfers::sftp::Passed) -> Passed {
    let broken = match passed.standing {
        Standing::Running => None,
        Standing::Broken(broken) => Some(broken.to_string()),
        // The judge here never asks.
        Standing::Asking => Some("a request waits for nobody's word".to_owned()),
    };
    Passed {
        to_target: pieces(input, passed.to_target),
        to_client: pieces(input, passed.to_client),
        facts: noted(passed.facts),
        broken,
    }
}

fn pieces(input: &Bytes, onward: Onward) -> Vec<Bytes> {
    onward
        .pieces()
        .iter()
        .map(|piece| match piece {
            Piece::Input(range) => input.slice(range.clone()),
            Piece::Own(bytes) => Bytes::copy_from_slice(bytes),
        })
        .collect()
}

/// Reading needs the one direction, everything that changes something the other. Looking needs either, which whoever has the channel has.
struct Judge<'a>(&'a Terms);

impl Oversight for Judge<'_> {
    fn judge(&mut self, act: &FileAct) -> Verdict {
        let reads = matches!(act, FileAct::Read { .. } | FileAct::ReadWrite { .. } | FileAct::CopyData { .. });
        match act {
            // It may do anything.
            FileAct::Other { .. } => Verdict::Refuse("the gate does not know this request".into()),
            _ if reads && !self.allows(Ask::Download) => Verdict::Refuse("the grant allows no download".into()),
            _ if act.changes() && !self.allows(Ask::Upload) => Verdict::Refuse("the grant allows no upload".into()),
            _ => Verdict::Allow,
        }
    }
}

impl Judge<'_> {
    /// Whoever may run commands may copy by them, too; but SFTP is offered where the terms name a direction, and then that direction holds.
    fn allows(&self, ask: Ask<'_>) -> bool {
        authorise(
            &Terms {
                channels: self.0.channels.iter().copied().filter(|kind| kind.is_of_files()).collect(),
                ..Terms::default()
            },
            ask,
        ) == authorise::Verdict::Allow
    }
}

/// As JSON, without what happens at every step and changes nothing: asking for attributes, for what a path means.
fn noted(facts: Vec<Fact>) -> Vec<Bytes> {
    facts.iter().filter_map(described).map(|value| value.to_string().into()).collect()
}

fn described(fact: &Fact) -> Option<Value> {
    Some(match fact {
        Fact::Act(act) => return act_of(act),
        Fact::File(file) => file_of(file),
        Fact::Refused { request, why } => {
            json!({"event": "file-request-refused", "request": request, "why": why.to_string()})
        }
        Fact::Directory(directory) => json!({
            "event": "directory", "direction": way(directory.direction), "path": shown(&directory.path), "name": shown(&directory.name),
            "outcome": outcome(&directory.outcome), "odd": !directory.oddities.is_empty(),
        }),
        Fact::Complaint { by, message } => {
            json!({"event": "file-complaint", "by": by.to_string(), "message": shown(message)})
        }
        Fact::LostTrack(lost) => json!({"event": "files-lost-track", "why": lost.to_string()}),
        Fact::Unfollowed { from_client, from_target } => {
            json!({"event": "files-unfollowed", "bytes_from_client": from_client, "bytes_from_target": from_target})
        }
    })
}

fn act_of(fact: &ActFact) -> Option<Value> {
    let is_talk = matches!(fact.act, FileAct::Stat { .. } | FileAct::Resolve { .. } | FileAct::Inquire { .. });
    let is_told_by_the_file = fact.file.is_some();
    let is_refused = matches!(fact.outcome, Outcome::Refused(_));
    if (is_talk || is_told_by_the_file) && !is_refused {
        return None;
    }
    let paths: Vec<String> = fact.act.paths().into_iter().map(shown).collect();
    Some(json!({"event": "file-act", "act": verb(&fact.act), "paths": paths, "outcome": outcome(&fact.outcome)}))
}

fn file_of(file: &FileFact) -> Value {
    json!({
        "event": "file", "direction": way(file.direction()), "path": shown(&file.path), "outcome": outcome(&file.outcome),
        "whole": file.is_whole(), "uploaded": file.uploaded.as_ref().map(flow), "downloaded": file.downloaded.as_ref().map(flow),
    })
}

fn flow(flow: &Flow) -> Value {
    let (digest, why) = match &flow.digest {
        Ok(digest) => (Some(digest.to_string()), None),
        Err(why) => (None, Some(why.to_string())),
    };
    json!({"bytes": flow.bytes, "size": flow.end, "sha256": digest, "no_digest": why})
}

fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Upload => "upload",
        Direction::Download => "download",
        Direction::Both => "both",
        Direction::Neither => "neither",
    }
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::Failed(status) => format!("failed: {status}"),
        Outcome::Complained { by, message } => format!("failed: {by}: {}", shown(message)),
        Outcome::Refused(why) => format!("refused: {why}"),
        Outcome::Unanswered => "unanswered".to_owned(),
    }
}

const fn verb(act: &FileAct) -> &'static str {
    match act {
        FileAct::Read { .. } => "read",
        FileAct::Write { .. } => "write",
        FileAct::ReadWrite { .. } => "read-write",
        FileAct::List { .. } => "list",
        FileAct::Stat { .. } => "stat",
        FileAct::Resolve { .. } => "resolve",
        FileAct::SetAttributes { .. } => "set-attributes",
        FileAct::Remove { .. } => "remove",
        FileAct::Rename { .. } => "rename",
        FileAct::MakeDirectory { .. } => "make-directory",
        FileAct::RemoveDirectory { .. } => "remove-directory",
        FileAct::Symlink { .. } => "symlink",
        FileAct::Hardlink { .. } => "hardlink",
        FileAct::CopyData { .. } => "copy",
        FileAct::Inquire { .. } => "inquire",
        FileAct::Other { .. } => "unknown",
    }
}

/// As text where it is text that a terminal takes for nothing else, otherwise with escapes.
fn shown(path: &RawPath) -> String {
    match std::str::from_utf8(path.as_bytes()) {
        Ok(text) if !text.chars().any(char::is_control) && !text.contains('\\') => text.to_owned(),
        _ => path.to_string(),
    }
}
