//! `sekimori session verify`: a recording, byte for byte, against what stands in the ledger.

use ledger::{SignedCheckpoint, leaf_hash};
use recorder::Ending;
use serde::Serialize;

use super::fetch::{Fetched, fails, fetch};
use crate::connection::Connection;
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::trust::TrustDir;

/// What was checked.
#[derive(Debug, Serialize)]
struct Verdict {
    session: domain::SessionId,
    permit: u64,
    chunks: u64,
    frames: u64,
    bytes: u64,
    /// Whether the recording has its last chunk.
    complete: bool,
    /// Whether its chain is the one that the session's end wrote down; nothing to compare with while it lives.
    end_in_ledger: bool,
    /// Whether those entries were proved to stand in the log of the trust directory.
    entries_proved: bool,
}

pub(super) fn run(session: &str, purpose: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let trust = desk.settings.trust.clone().map(|dir| TrustDir::read(Some(&dir))).transpose()?;
    let mut caller = desk.call()?;
    let fetched = fetch(session, purpose, &mut caller, desk)?;
    let verdict = check(&fetched)?;
    let entries_proved = match &trust {
        Some(trust) => prove_entries(&mut caller.connection, &fetched, trust)?,
        None => false,
    };
    let verdict = Verdict { entries_proved, ..verdict };
    desk.answer(&verdict, |desk| show(desk, &verdict));
    Ok(())
}

fn check(fetched: &Fetched) -> Outcome<Verdict> {
    let wrong = |error: &dyn std::fmt::Display| fails(fetched.session, error);
    let mut reader = fetched.reader()?;
    let (mut frames, mut bytes) = (0, 0);
    while let Some(frame) = reader.next_frame().map_err(|error| wrong(&error))? {
        frames += 1;
        bytes += frame.bytes.len() as u64;
    }
    let anchor = reader.anchor();
    if let Some(ended) = &fetched.ended {
        let fact = &ended.fact;
        if fact.chain != anchor.chain || fact.chunks != anchor.chunks {
            return Err(wrong(&format!(
                "the ledger has chain {} of {} chunks, the file {} of {}",
                fact.chain, fact.chunks, anchor.chain, anchor.chunks
            )));
        }
    }
    Ok(Verdict {
        session: fetched.session,
        permit: fetched.permit,
        chunks: anchor.chunks,
        frames,
        bytes,
        complete: matches!(reader.ending(), Some(Ending::Closed(_))),
        end_in_ledger: fetched.ended.is_some(),
        entries_proved: false,
    })
}

/// The entries that the recording was compared with, under a checkpoint of a log that is trusted.
fn prove_entries(connection: &mut Connection, fetched: &Fetched, trust: &TrustDir) -> Outcome<bool> {
    let ended = fetched.ended.as_ref().map(|ended| ended.seq);
    for seq in [Some(fetched.opened.seq), ended].into_iter().flatten() {
        let channel::api::View::Entry { bytes, proof, checkpoint } =
            connection.read(channel::api::Query::Entry { seq })?
        else {
            return Err(Failure::AnswerUnexpected { wanted: "entry".into() });
        };
        let fails = |error: ledger::Error| Failure::CheckpointFails { why: error.to_string() };
        let note =
            SignedCheckpoint::parse(checkpoint.as_bytes()).and_then(|note| trust.policy.verify(note)).map_err(fails)?;
        let included = proof.verify(leaf_hash(bytes.as_bytes()), &note.checkpoint().head());
        included.map_err(|error| Failure::InclusionFails { why: error.to_string() })?;
        said_the_same(&bytes, seq, fetched)?;
    }
    Ok(true)
}

/// The proved entry must be the one that was compared, not another true one.
fn said_the_same(bytes: &str, seq: u64, fetched: &Fetched) -> Outcome<()> {
    let unreadable =
        |error: domain::entry::EntryError| Failure::EntryUnreadable { seq: seq.to_string(), why: error.to_string() };
    let entry = domain::Entry::decode(bytes.as_bytes()).map_err(unreadable)?;
    let same = match &entry.event {
        domain::Event::SessionOpened(fact) => *fact == fetched.opened.fact,
        domain::Event::SessionEnded(fact) => fetched.ended.as_ref().is_some_and(|ended| ended.fact == *fact),
        _ => false,
    };
    let misplaced = || Failure::EntryMisplaced { place: seq.to_string(), said: entry.seq.to_string() };
    if same && entry.seq == seq { Ok(()) } else { Err(misplaced()) }
}

fn show(desk: &mut Desk<'_>, verdict: &Verdict) {
    let word = |yes: bool| if yes { "word-yes" } else { "word-no" };
    let mut sheet = desk.sheet("say-recording-verified", &[]);
    sheet.row("label-session", verdict.session.to_string());
    sheet.row("label-chunks", verdict.chunks.to_string());
    sheet.row("label-frames", verdict.frames.to_string());
    sheet.row("label-bytes", verdict.bytes.to_string());
    sheet.word("label-complete", word(verdict.complete));
    sheet.word("label-end-in-ledger", word(verdict.end_in_ledger));
    sheet.word("label-entries-proved", word(verdict.entries_proved));
    desk.show_sheet(&sheet);
}
