//! Getting at a recording: the entry that permits it, the key sealed to a key made for this one reading, the bytes.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use channel::api::{AnchorView, Page, Query, View};
use domain::event::Event;
use domain::statement::Deed;
use domain::{Entry, ErrandId, SessionId, SuiteKey};
use envelope::{OpeningKey, Sealed};
use ledger::Hash;
use recorder::{Header, Reader, SessionKey};
use tegata::anchors::{AnchorProof, MOST_ANCHORS};

use super::bound::{Ended, end_in, header_in};
use crate::connection::{Connection, view};
use crate::desk::{Caller, Desk};
use crate::failure::{Failure, Outcome};
use crate::ids;

/// A recording on this machine, in a file that is gone when this is dropped, with what the ledger says of it.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) session: SessionId,
    /// The entry that permitted it.
    pub(super) permit: u64,
    /// Hash of the header, as the opening's entry has it.
    pub(super) opened: Facts<Hash>,
    pub(super) ended: Option<Facts<Ended>>,
    pub(super) anchors: Vec<Anchor>,
    file: tempfile::NamedTempFile,
    key: SessionKey,
}

/// A point of the recording that an entry binds, as the server gives both.
#[derive(Debug)]
pub(super) struct Anchor {
    pub(super) proof: AnchorProof,
    pub(super) bytes: String,
}

/// A fact and the number of its entry.
#[derive(Debug)]
pub(super) struct Facts<T> {
    pub(super) seq: u64,
    pub(super) fact: T,
}

impl Fetched {
    /// Where the recording lies as long as this lives.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// A reader from the beginning.
    pub(super) fn reader(&self) -> Outcome<Reader<BufReader<File>>> {
        Reader::open(self.file.path(), &self.key).map_err(|error| fails(self.session, &error))
    }
}

pub(super) fn fails(session: SessionId, why: &dyn std::fmt::Display) -> Failure {
    Failure::RecordingFails { session: session.to_string(), why: why.to_string() }
}

/// Has the entry written, then gets key and bytes.
pub(super) fn fetch(session: &str, purpose: &str, caller: &mut Caller, desk: &mut Desk<'_>) -> Outcome<Fetched> {
    let (committed, opening) = desk.commit_purpose(purpose)?;
    let session = named(session, &mut caller.connection)?;
    let (opened, ended) = facts(&mut caller.connection, session)?;
    let reading = OpeningKey::generate();
    let reader = SuiteKey::new(&reading.sealing_key().to_bytes()).expect("a sealing key is about 1,200 bytes");
    let mut sheet = desk.sheet("deed-replay-permit", &[]);
    sheet.row("label-session", session.to_string());
    sheet.row("label-purpose", opening.value.clone());
    sheet.row("label-reader", reading.sealing_key().fingerprint());
    let receipt = desk.act(caller, Deed::ReplayPermit { session, purpose: committed, reader }, vec![opening], sheet)?;
    let (sealed, size) = sealed_key(&mut caller.connection, session, receipt.seq)?;
    desk.note("say-fetching", &[("size", size.div_ceil(1024).to_string().into())]);
    let file = bytes(&mut caller.connection, session, receipt.seq)?;
    let anchors = anchors(&mut caller.connection, session, receipt.seq)?;
    let header = Header::of(file.path()).and_then(|header| header.expect(&opened.fact).map(|()| header));
    let header = header.map_err(|error| fails(session, &error))?;
    let unsealed =
        reading.open(&keeper::replay_context(session, receipt.seq), &sealed).map_err(|error| fails(session, &error))?;
    let key = SessionKey::from_opened(&header, &unsealed).map_err(|error| fails(session, &error))?;
    Ok(Fetched { session, permit: receipt.seq, opened, ended, anchors, file, key })
}

/// A session by the beginning of its id, or an errand by the whole of its: each errand is recorded under a session's name of its own.
fn named(text: &str, connection: &mut Connection) -> Outcome<SessionId> {
    if !text.starts_with(ErrandId::PREFIX) {
        return ids::resolve(connection, text);
    }
    let errand: ErrandId = ids::resolve(connection, text)?;
    let of = |event: &Event| match event {
        Event::ErrandOpened(opened) if opened.errand == errand => opened.recorded,
        _ => None,
    };
    let recorded = fact_about(connection, &errand, &["errand.opened"], of)?.map(|found| found.fact);
    recorded.map(|recorded| recorded.session).ok_or_else(|| Failure::NothingNamed { text: text.to_owned() })
}

/// How the session was opened and, if it is over, how it ended.
fn facts(connection: &mut Connection, session: SessionId) -> Outcome<(Facts<Hash>, Option<Facts<Ended>>)> {
    let opened = fact_about(connection, &session, &["session.opened", "errand.opened"], |e| header_in(e, session))?;
    let ended = fact_about(connection, &session, &["session.ended", "errand.ended"], |e| end_in(e, session))?;
    Ok((opened.ok_or(domain::Refusal::SessionUnknown { session })?, ended))
}

/// What an entry of one of these kinds says of `about`, whatever its age: such entries are few, and asked for as such.
fn fact_about<T>(
    connection: &mut Connection,
    about: &impl std::fmt::Display,
    kinds: &[&str],
    fact_in: impl Fn(&Event) -> Option<T>,
) -> Outcome<Option<Facts<T>>> {
    for kind in kinds {
        let (about, kind) = (Some(about.to_string()), Some((*kind).to_owned()));
        let page = Page { after: None, limit: FEW };
        let entries = view!(connection, Query::Entries { about, kind, page } => Entries);
        for view in &entries.rows {
            let unreadable = |error: domain::entry::EntryError| Failure::EntryUnreadable {
                seq: view.seq.to_string(),
                why: error.to_string(),
            };
            let event = Entry::decode(view.bytes.as_bytes()).map_err(unreadable)?.event;
            if let Some(fact) = fact_in(&event) {
                return Ok(Some(Facts { seq: view.seq, fact }));
            }
        }
    }
    Ok(None)
}

fn sealed_key(connection: &mut Connection, session: SessionId, permit: u64) -> Outcome<(Sealed, u64)> {
    match connection.read(Query::Recording { session, permit })? {
        View::Recording { sealed, size, .. } => Ok((sealed, size)),
        _ => Err(Failure::AnswerUnexpected { wanted: "recording".into() }),
    }
}

/// The ciphertext, page by page, into a file of this person's alone.
fn bytes(connection: &mut Connection, session: SessionId, permit: u64) -> Outcome<tempfile::NamedTempFile> {
    let unwritable =
        |error: std::io::Error| Failure::FileUnwritable { path: "a temporary file".into(), why: error.to_string() };
    let mut file = tempfile::NamedTempFile::with_prefix("sekimori-").map_err(unwritable)?;
    let mut offset = 0_u64;
    loop {
        let View::Bytes { bytes, last } = connection.read(Query::RecordingBytes { session, permit, offset })? else {
            return Err(Failure::AnswerUnexpected { wanted: "bytes".into() });
        };
        let page = STANDARD.decode(bytes).map_err(|_| Failure::AnswerUnexpected { wanted: "bytes".into() })?;
        file.write_all(&page).map_err(unwritable)?;
        offset += page.len() as u64;
        // An empty page that is not the last would never end.
        if last || page.is_empty() {
            file.flush().map_err(unwritable)?;
            return Ok(file);
        }
    }
}

/// All of them, page by page.
fn anchors(connection: &mut Connection, session: SessionId, permit: u64) -> Outcome<Vec<Anchor>> {
    let (mut found, mut from) = (Vec::new(), 0);
    loop {
        let View::Anchors { anchors, next } = connection.read(Query::Anchors { session, permit, from })? else {
            return Err(Failure::AnswerUnexpected { wanted: "anchors".into() });
        };
        found.extend(anchors.into_iter().map(|view| {
            let AnchorView { seq, bytes, chunks, chain, proof } = view;
            Anchor { proof: AnchorProof { seq, chunks, chain, proof }, bytes }
        }));
        match next {
            Some(next) if next > from && found.len() < MOST_ANCHORS => from = next,
            Some(_) => return Err(Failure::AnswerUnexpected { wanted: "anchors".into() }),
            None => return Ok(found),
        }
    }
}

/// What is recorded opens once and ends once.
const FEW: u32 = 16;
