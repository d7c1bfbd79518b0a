//! `sekimori verify --replay FILE`: a whole ledger, line by line, with nothing but the trust directory.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use domain::Entry;
use ledger::SignedCheckpoint;
use tegata::whole::{FORM, LONGEST_LINE, LedgerFault, LedgerVerdict, WholeLedger, note_of};

use super::{list, say_words, servers_word};
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::trust::TrustDir;

pub(super) fn run(path: &Path, extends: Option<&Path>, desk: &mut Desk<'_>) -> Outcome<()> {
    let trust = TrustDir::read(desk.settings.trust.as_deref())?;
    let earlier = extends.map(earlier_checkpoint).transpose()?;
    let verdict = check(path, earlier, &trust, desk, &mut |_| ())?;
    desk.answer(&json(&verdict), |desk| show(desk, &verdict));
    Ok(())
}

/// Checks the whole file; `see` gets each entry on the way, of which nothing is proved before all is.
pub(crate) fn check(
    path: &Path,
    earlier: Option<SignedCheckpoint>,
    trust: &TrustDir,
    desk: &mut Desk<'_>,
    see: &mut dyn FnMut(Entry),
) -> Outcome<LedgerVerdict> {
    let mut whole = WholeLedger::new(trust.trust.clone(), trust.policy.clone());
    if let Some(earlier) = earlier {
        whole = whole.extending(earlier);
    }
    let failed = |fault| failure(path, fault, trust);
    each_line(path, |line| {
        let Some(entry) = whole.line(line).map_err(failed)? else { return Ok(()) };
        see(entry);
        let entries = whole.entries();
        if entries.is_multiple_of(SHOW_EVERY) {
            desk.note("say-ledger-checked", &[("entries", entries.into())]);
        }
        Ok(())
    })?;
    whole.finish().map_err(failed)
}

/// Lines with their ends, none longer than a ledger's may be.
fn each_line(path: &Path, mut take: impl FnMut(&[u8]) -> Outcome<()>) -> Outcome<()> {
    let unreadable =
        |error: std::io::Error| Failure::FileUnreadable { path: files::shown(path), why: error.to_string() };
    let mut from = BufReader::with_capacity(1 << 16, File::open(path).map_err(unreadable)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = from.by_ref().take(LONGEST_LINE as u64).read_until(b'\n', &mut line).map_err(unreadable)?;
        if read == 0 {
            return Ok(());
        }
        take(&line)?;
    }
}

/// A note as `ledger checkpoint` prints it, or the newest one of an earlier export.
fn earlier_checkpoint(path: &Path) -> Outcome<SignedCheckpoint> {
    let mut first = Vec::new();
    let unreadable =
        |error: std::io::Error| Failure::FileUnreadable { path: files::shown(path), why: error.to_string() };
    File::open(path).and_then(|file| file.take(FORM.len() as u64).read_to_end(&mut first)).map_err(unreadable)?;
    if first == FORM.as_bytes() {
        return newest_of(path);
    }
    let bytes = files::read(path, ledger::MAX_NOTE as u64)?;
    SignedCheckpoint::parse(&bytes).map_err(|error| Failure::CheckpointFails { why: error.to_string() })
}

fn newest_of(path: &Path) -> Outcome<SignedCheckpoint> {
    let mut newest = None;
    each_line(path, |line| {
        newest = note_of(line).or_else(|| newest.take());
        Ok(())
    })?;
    let why = "the earlier ledger holds no checkpoint".to_owned();
    newest.ok_or(Failure::LedgerUnreadable { path: files::shown(path), why })
}

/// Each fault is a code of its own, and names the entry at which it shows.
fn failure(path: &Path, fault: LedgerFault, trust: &TrustDir) -> Failure {
    let why = fault.to_string();
    match fault {
        LedgerFault::OtherForm | LedgerFault::Line { .. } | LedgerFault::Count { .. } => {
            Failure::LedgerUnreadable { path: files::shown(path), why }
        }
        LedgerFault::Cut { entries } => Failure::LedgerCut { entries: entries.to_string() },
        LedgerFault::Missing { entries, size } => {
            Failure::EntriesMissing { entries: entries.to_string(), size: size.to_string() }
        }
        LedgerFault::Damaged => Failure::LedgerDamaged { path: files::shown(path) },
        LedgerFault::Changed { seq } => Failure::EntryChanged { seq: seq.to_string() },
        LedgerFault::Entry { place, why } => Failure::EntryUnreadable { seq: place.to_string(), why: why.to_string() },
        LedgerFault::OtherPlace { place, said } => {
            Failure::EntryMisplaced { place: place.to_string(), said: said.to_string() }
        }
        LedgerFault::NoFounding => Failure::FoundingFails { why },
        LedgerFault::OtherFounders { found } => {
            Failure::FoundersDiffer { found: list(found), trusted: list(trust.trust.founders.clone()) }
        }
        LedgerFault::Signature { seq, why } => {
            Failure::EntrySignatureFails { seq: seq.to_string(), why: why.to_string() }
        }
        LedgerFault::Rule { seq, why } => Failure::EntryBreaksRule { seq: seq.to_string(), why: why.to_string() },
        LedgerFault::Checkpoint { .. } | LedgerFault::EarlierUntrusted { .. } => Failure::CheckpointFails { why },
        LedgerFault::Replaced { first, last } => {
            Failure::EntriesReplaced { first: first.to_string(), last: last.to_string() }
        }
        LedgerFault::Uncovered { entries, covered } => {
            Failure::EntriesUncovered { entries: entries.to_string(), covered: covered.to_string() }
        }
        LedgerFault::EarlierDiffers { size } => Failure::HistoryRewritten { size: size.to_string() },
        LedgerFault::EarlierBeyond { size, entries } => {
            Failure::HistoryCut { size: size.to_string(), entries: entries.to_string() }
        }
    }
}

fn show(desk: &mut Desk<'_>, verdict: &LedgerVerdict) {
    let mut sheet = desk.sheet("say-ledger-proved", &[]);
    sheet.row("label-origin", verdict.origin.clone());
    sheet.row("label-founders", list(verdict.founders.clone()).replace(", ", "\n"));
    sheet.row("label-size", verdict.head.size.to_string());
    sheet.row("label-root", verdict.head.root.to_string());
    sheet.row("label-signatures", verdict.signatures.to_string());
    sheet.row("label-checkpoints", verdict.checkpoints.to_string());
    sheet.row("label-first-entry", desk.moment(verdict.first));
    sheet.row("label-last-entry", desk.moment(verdict.last));
    if let Some(size) = verdict.extends {
        sheet.row("label-extends", size.to_string());
    }
    desk.show_sheet(&sheet);
    say_words(desk, &verdict.words);
}

fn json(verdict: &LedgerVerdict) -> serde_json::Value {
    let LedgerVerdict { origin, head, founders, signatures, checkpoints, first, last, extends, words } = verdict;
    serde_json::json!({
        "proved": {
            "origin": origin, "size": head.size, "root": head.root, "founders": founders, "signatures": signatures,
            "checkpoints": checkpoints, "first": first.to_string(), "last": last.to_string(), "extends": extends,
        },
        "rests_on_servers_word": words.iter().map(|word| servers_word(*word).0).collect::<Vec<_>>(),
    })
}

/// Entries between two words on how far it has come.
const SHOW_EVERY: u64 = 100_000;
