//! `sekimori session verify`: a recording, byte for byte, against what stands in the ledger: asked of the server with a key for it, or
//! offline against an exported ledger, without any key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::{Entry, SessionId};
use ledger::{Hash, SignedCheckpoint, leaf_hash};
use recorder::Header;
use serde::Serialize;
use tegata::anchors::AnchorProof;

use super::bound::{Binding, Bound, End, Ended, bind, end_in, header_in};
use super::fetch::{Fetched, fails, fetch};
use super::replay::anchors_file;
use crate::connection::Connection;
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::trust::TrustDir;
use crate::verbs::verify::whole;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A session; with --ledger the file that `session export --recording` made
    #[arg(value_name = "SESSION|FILE")]
    session: String,
    /// What you open it for; the server is asked
    #[arg(long, required_unless_present = "ledger")]
    purpose: Option<String>,
    /// A whole ledger from `ledger export`: no server and no key is needed
    #[arg(long, value_name = "FILE", conflicts_with = "purpose")]
    ledger: Option<PathBuf>,
    /// The recording's anchors; FILE.anchors unless given
    #[arg(long, value_name = "FILE", requires = "ledger")]
    anchors: Option<PathBuf>,
}

/// What was checked.
#[derive(Debug, Serialize)]
struct Verdict {
    session: SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    permit: Option<u64>,
    chunks: u64,
    /// What was read with the key; none offline.
    #[serde(flatten)]
    content: Option<Content>,
    /// Whether the recording has its last chunk and its end says that nothing was lost before.
    complete: bool,
    /// Whether its chain is the one that the session's end wrote down; nothing to compare with while it lives.
    end_in_ledger: bool,
    /// Whose word that end is.
    end: End,
    anchors: usize,
    bound_by_anchor: Option<BoundBy>,
    /// Whether those entries were proved to stand in the log of the trust directory.
    entries_proved: bool,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Content {
    frames: u64,
    bytes: u64,
}

/// Up to where the last anchor binds the recording.
#[derive(Debug, Serialize)]
struct BoundBy {
    entry: u64,
    chunks: u64,
    /// When the entry was written.
    at: String,
    /// Into the session: of the last frame bound where the key is there, else when the entry was written.
    after_start_s: f64,
}

pub(super) fn run(args: &Args, desk: &mut Desk<'_>) -> Outcome<()> {
    let verdict = match (&args.ledger, &args.purpose) {
        (Some(ledger), _) => offline(Path::new(&args.session), args.anchors.as_deref(), ledger, desk)?,
        (None, Some(purpose)) => online(&args.session, purpose, desk)?,
        (None, None) => return Err(Failure::Usage { why: "--purpose or --ledger".into() }),
    };
    desk.answer(&verdict, |desk| show(desk, &verdict));
    Ok(())
}

fn online(session: &str, purpose: &str, desk: &mut Desk<'_>) -> Outcome<Verdict> {
    let trust = desk.settings.trust.clone().map(|dir| TrustDir::read(Some(&dir))).transpose()?;
    let mut caller = desk.call()?;
    let fetched = fetch(session, purpose, &mut caller, desk)?;
    let bounds = fetched.anchors.iter().map(|anchor| {
        let entry = decoded(anchor.proof.seq, &anchor.bytes)?;
        Bound::of(fetched.session, &anchor.proof, &entry)
    });
    let bounds = bounds.collect::<Outcome<Vec<_>>>()?;
    let ended = fetched.ended.as_ref().map(|ended| ended.fact);
    let binding = bind(fetched.session, fetched.path(), &bounds, ended)?;
    let (content, after_start) = read(&fetched, binding.last.map_or(0, |last| last.chunks()))?;
    let entries_proved = match &trust {
        Some(trust) => prove_entries(&mut caller.connection, &fetched, &binding, trust)?,
        None => false,
    };
    let verdict = verdict(fetched.session, &binding, after_start);
    Ok(Verdict { permit: Some(fetched.permit), content: Some(content), entries_proved, ..verdict })
}

fn verdict(session: SessionId, binding: &Binding, after_start: Duration) -> Verdict {
    let bound_by_anchor = binding.last.map(|last| BoundBy {
        entry: last.seq,
        chunks: last.chunks(),
        at: last.at.to_string(),
        after_start_s: after_start.as_secs_f64(),
    });
    Verdict {
        session,
        permit: None,
        chunks: binding.structure.chunks,
        content: None,
        complete: binding.whole,
        end_in_ledger: binding.end != End::Silent,
        end: binding.end,
        anchors: binding.anchors,
        bound_by_anchor,
        entries_proved: true,
    }
}

/// Every frame with the key, and how far into the session those of the first `bound` chunks reach.
fn read(fetched: &Fetched, bound: u64) -> Outcome<(Content, Duration)> {
    let mut reader = fetched.reader()?;
    let (mut content, mut reached) = (Content { frames: 0, bytes: 0 }, Duration::ZERO);
    while let Some(frame) = reader.next_frame().map_err(|error| fails(fetched.session, &error))? {
        let at = frame.at;
        content.frames += 1;
        content.bytes += frame.bytes.len() as u64;
        if reader.anchor().chunks <= bound {
            reached = at;
        }
    }
    Ok((content, reached))
}

/// The entries that the recording was compared with, under a checkpoint of a log that is trusted. The last anchor's chain holds those before.
fn prove_entries(connection: &mut Connection, fetched: &Fetched, binding: &Binding, trust: &TrustDir) -> Outcome<bool> {
    let ended = fetched.ended.as_ref().map(|ended| ended.seq);
    let anchor = binding.last.map(|last| last.seq);
    for seq in [Some(fetched.opened.seq), ended, anchor].into_iter().flatten() {
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
    let entry = decoded(seq, bytes)?;
    let ended = fetched.ended.as_ref();
    let same = match header_in(&entry.event, fetched.session) {
        Some(header) => header == fetched.opened.fact,
        None if ended.is_some_and(|ended| ended.seq == seq) => {
            ended.map(|ended| ended.fact) == end_in(&entry.event, fetched.session)
        }
        None => fetched.anchors.iter().any(|anchor| anchor.proof.seq == seq && anchor.bytes == bytes),
    };
    let misplaced = || Failure::EntryMisplaced { place: seq.to_string(), said: entry.seq.to_string() };
    if same && entry.seq == seq { Ok(()) } else { Err(misplaced()) }
}

fn decoded(seq: u64, bytes: &str) -> Outcome<Entry> {
    let unreadable =
        |error: domain::entry::EntryError| Failure::EntryUnreadable { seq: seq.to_string(), why: error.to_string() };
    Entry::decode(bytes.as_bytes()).map_err(unreadable)
}

/// What an exported ledger says of one session.
#[derive(Default)]
struct Said {
    opened: Option<Hash>,
    ended: Option<Ended>,
    anchors: BTreeMap<u64, Entry>,
}

impl Said {
    fn hear(&mut self, session: SessionId, wanted: &BTreeMap<u64, &AnchorProof>, entry: Entry) {
        self.opened = header_in(&entry.event, session).or(self.opened);
        self.ended = end_in(&entry.event, session).or(self.ended);
        if wanted.contains_key(&entry.seq) {
            self.anchors.insert(entry.seq, entry);
        }
    }
}

fn offline(file: &Path, anchors: Option<&Path>, ledger: &Path, desk: &mut Desk<'_>) -> Outcome<Verdict> {
    let trust = TrustDir::read(desk.settings.trust.as_deref())?;
    let unreadable = |why: String| Failure::FileUnreadable { path: files::shown(file), why };
    let header = Header::of(file).map_err(|error| unreadable(error.to_string()))?;
    let session: SessionId = header.session().parse().map_err(|_| unreadable("it is of no session".into()))?;
    let proofs = proofs(session, &anchors.map_or_else(|| anchors_file(file), Path::to_owned))?;
    let wanted: BTreeMap<u64, &AnchorProof> = proofs.iter().map(|proof| (proof.seq, proof)).collect();
    let mut said = Said::default();
    let checked = whole::check(ledger, None, &trust, desk, &mut |entry| said.hear(session, &wanted, entry))?;
    let opened = said.opened.ok_or(domain::Refusal::SessionUnknown { session })?;
    header.expect(&opened).map_err(|error| fails(session, &error))?;
    let bounds = proofs.iter().map(|proof| {
        let beyond = || Failure::EntriesUncovered {
            entries: proof.seq.saturating_add(1).to_string(),
            covered: checked.head.size.to_string(),
        };
        Bound::of(session, proof, said.anchors.get(&proof.seq).ok_or_else(beyond)?)
    });
    let bounds = bounds.collect::<Outcome<Vec<_>>>()?;
    let binding = bind(session, file, &bounds, said.ended)?;
    let after_start = binding.last.map_or(Duration::ZERO, |last| last.after_start(header.started_us()));
    Ok(verdict(session, &binding, after_start))
}

fn proofs(session: SessionId, path: &Path) -> Outcome<Vec<AnchorProof>> {
    let text = files::read_text(path, tegata::anchors::LONGEST_FILE)?;
    let fails =
        |why: tegata::anchors::AnchorFault| Failure::AnchorFails { session: session.to_string(), why: why.to_string() };
    tegata::anchors::of_file(&session, &text).map_err(fails)
}

fn show(desk: &mut Desk<'_>, verdict: &Verdict) {
    let word = |yes: bool| if yes { "word-yes" } else { "word-no" };
    let mut sheet = desk.sheet("say-recording-verified", &[]);
    sheet.row("label-session", verdict.session.to_string());
    sheet.row("label-chunks", verdict.chunks.to_string());
    if let Some(content) = verdict.content {
        sheet.row("label-frames", content.frames.to_string());
        sheet.row("label-bytes", content.bytes.to_string());
    }
    sheet.word("label-complete", word(verdict.complete));
    sheet.word("label-end-in-ledger", word(verdict.end_in_ledger));
    sheet.word("label-end", end_word(verdict.end));
    sheet.row("label-anchors", verdict.anchors.to_string());
    sheet.row("label-bound-until", bound_text(desk, verdict.bound_by_anchor.as_ref()));
    sheet.word("label-entries-proved", word(verdict.entries_proved));
    desk.show_sheet(&sheet);
    if verdict.end != End::Gateway {
        desk.say("say-only-to-anchor", &[]);
    }
}

const fn end_word(end: End) -> &'static str {
    match end {
        End::Gateway => "word-end-gateway",
        End::FoundAfterwards => "word-end-found",
        End::Silent => "word-end-silent",
    }
}

fn bound_text(desk: &Desk<'_>, bound: Option<&BoundBy>) -> String {
    let Some(bound) = bound else { return desk.word("word-none") };
    let span = desk.span(Duration::from_secs_f64(bound.after_start_s));
    let (chunks, seq) = (bound.chunks.to_string(), bound.entry.to_string());
    desk.text("word-bound-until", &[("span", span.into()), ("chunks", chunks.into()), ("seq", seq.into())])
}
