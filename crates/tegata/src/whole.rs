//! A whole ledger in one file (`spec/ledger-export.md`): writing its lines, and checking them one by one, in bounded memory. Needs the
//! founders' fingerprints and the policy of the trust directory and nothing else: no network, no clock, no server.
//!
//! What is wrong is named by the entry at which it shows. The hash before each entry tells which entry was changed by accident or carelessly;
//! the number inside it tells what was dropped, doubled or moved; signatures and rules tell what was forged; and whatever was rewritten so
//! well that all of these agree is caught between two signed checkpoints.

use std::collections::BTreeSet;

use domain::entry::LONGEST_ENTRY;
use domain::event::{Event, Filing};
use domain::{Entry, State, Timestamp};
use ledger::{Frontier, Hash, Hasher, Policy, SignedCheckpoint, TreeHead, VerifierKey, leaf_hash};
use sshwire::Fingerprint;

use crate::permit::{ServersWord, Trust, log_verifier};
use crate::replay::{self, StepFault};
use crate::signatures::SignatureFault;

/// The first line.
pub const FORM: &str = "sekimori-ledger/v1";
/// No line is longer, its end included: a checkpoint with as many cosignatures as one may have, as JSON text.
pub const LONGEST_LINE: usize = 2 * ledger::MAX_NOTE + 64;

const ENTRY: &str = "entry ";
const CHECKPOINT: &str = "checkpoint ";
const END: &str = "end ";

/// Makes the lines of a ledger's file, each with its newline, in the order in which they are asked for.
#[derive(Debug, Default)]
pub struct Lines {
    written: Hasher,
    entries: u64,
}

impl Lines {
    /// The first line.
    pub fn form(&mut self) -> String {
        self.keep(format!("{FORM}\n"))
    }

    /// The next entry. Its bytes must be a single line, as every canonical entry is.
    pub fn entry(&mut self, entry: &str) -> String {
        self.entries += 1;
        self.keep(format!("{ENTRY}{} {entry}\n", leaf_hash(entry.as_bytes())))
    }

    /// A checkpoint over the entries so far.
    pub fn checkpoint(&mut self, note: &SignedCheckpoint) -> String {
        self.keep(checkpoint_line(note))
    }

    /// The last line.
    pub fn end(self) -> String {
        end_line(self.entries, self.written.hash())
    }

    fn keep(&mut self, line: String) -> String {
        self.written.update(line.as_bytes());
        line
    }
}

fn checkpoint_line(note: &SignedCheckpoint) -> String {
    format!("{CHECKPOINT}{}\n", serde_json::to_string(note).expect("a note is text"))
}

fn end_line(entries: u64, written: Hash) -> String {
    format!("{END}{entries} {written}\n")
}

/// The note in a checkpoint line, newline included; none where the line is something else. Nothing is verified.
pub fn note_of(line: &[u8]) -> Option<SignedCheckpoint> {
    let text = line.strip_prefix(CHECKPOINT.as_bytes())?.strip_suffix(b"\n")?;
    serde_json::from_slice(text).ok()
}

/// What is wrong with a ledger's file.
#[derive(Debug, thiserror::Error)]
pub enum LedgerFault {
    #[error("the file is not of form `{FORM}`")]
    OtherForm,
    /// After so many entries.
    #[error("line {line} is {what}")]
    Line { line: u64, what: &'static str },
    #[error("the file is cut off after {entries} entries")]
    Cut { entries: u64 },
    #[error("the checkpoint of {size} entries stands after {entries}")]
    Missing { entries: u64, size: u64 },
    #[error("the file says that it has {said} entries and has {found}")]
    Count { said: u64, found: u64 },
    #[error("something outside the entries was changed, dropped or added: the file's own hash differs")]
    Damaged,
    #[error("entry {seq} is not the one whose hash stands before it")]
    Changed { seq: u64 },
    #[error("entry at place {place} is not readable: {why}")]
    Entry { place: u64, why: domain::entry::EntryError },
    #[error("entry says it is number {said} but stands at place {place}")]
    OtherPlace { place: u64, said: u64 },
    #[error("the first entry is not a founding")]
    NoFounding,
    #[error("the founders are not those you trust")]
    OtherFounders { found: BTreeSet<Fingerprint> },
    #[error("entry {seq} is not signed as it says: {why}")]
    Signature { seq: u64, why: SignatureFault },
    #[error("entry {seq} breaks a rule: {why}")]
    Rule { seq: u64, why: domain::Refusal },
    #[error("the checkpoint of {size} entries does not verify: {why}")]
    Checkpoint { size: u64, why: ledger::Error },
    /// The entries up to `first` are those of an earlier checkpoint; those up to and with `last` are not those of the next one.
    #[error("the entries {first} to {last} are not those that the checkpoint was signed over")]
    Replaced { first: u64, last: u64 },
    #[error("{entries} entries are there, and no checkpoint covers more than {covered}")]
    Uncovered { entries: u64, covered: u64 },
    #[error("the earlier checkpoint does not verify: {why}")]
    EarlierUntrusted { why: ledger::Error },
    #[error("the first {size} entries are not those of the earlier checkpoint")]
    EarlierDiffers { size: u64 },
    #[error("the earlier checkpoint covers {size} entries, but only {entries} are there")]
    EarlierBeyond { size: u64, entries: u64 },
}

impl From<StepFault> for LedgerFault {
    fn from(fault: StepFault) -> Self {
        match fault {
            StepFault::Signature { seq, why } => Self::Signature { seq, why },
            StepFault::Rule { seq, why } => Self::Rule { seq, why },
        }
    }
}

/// What was proved of a whole ledger, and what rests on the server's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerVerdict {
    pub origin: String,
    pub head: TreeHead,
    pub founders: BTreeSet<Fingerprint>,
    /// Persons' signatures that were checked, founders' and recovery's included.
    pub signatures: u64,
    /// Signed checkpoints that the entries agree with.
    pub checkpoints: u64,
    pub first: Timestamp,
    pub last: Timestamp,
    /// Size of the earlier checkpoint that the ledger extends, where one was given.
    pub extends: Option<u64>,
    pub words: Vec<ServersWord>,
}

/// Checks the lines of a ledger's file. After a fault nothing more is to be given to it.
#[derive(Debug)]
pub struct WholeLedger {
    trust: Trust,
    policy: Policy,
    earlier: Option<SignedCheckpoint>,
    stage: Stage,
    lines: u64,
    /// Over all lines so far.
    read: Hasher,
    frontier: Frontier,
    state: State,
    founded: Option<Founded>,
    newest: Option<SignedCheckpoint>,
    found: Found,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    AwaitingForm,
    AwaitingEnd,
    Ended,
}

#[derive(Debug)]
struct Founded {
    log: VerifierKey,
    at: Timestamp,
}

#[derive(Debug, Default)]
struct Found {
    signatures: u64,
    checkpoints: u64,
    typed: bool,
    recovered: bool,
}

impl WholeLedger {
    pub fn new(trust: Trust, policy: Policy) -> Self {
        Self {
            trust,
            policy,
            earlier: None,
            stage: Stage::AwaitingForm,
            lines: 0,
            read: Hasher::new(),
            frontier: Frontier::new(),
            state: State::default(),
            founded: None,
            newest: None,
            found: Found::default(),
        }
    }

    /// Has it shown as well that the ledger begins with the entries of an earlier checkpoint.
    #[must_use]
    pub fn extending(self, earlier: SignedCheckpoint) -> Self {
        Self { earlier: Some(earlier), ..self }
    }

    /// Entries checked so far.
    pub fn entries(&self) -> u64 {
        self.frontier.size()
    }

    /// The state that they make.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Takes the next line, its newline included, and gives the entry in it, if it is one. A line without newline is the end of a file that
    /// was cut off. That the entry stands under a signed head is known only when [`Self::finish`] says so.
    ///
    /// # Errors
    /// The first [`LedgerFault`] that shows at it.
    pub fn line(&mut self, line: &[u8]) -> Result<Option<Entry>, LedgerFault> {
        self.lines += 1;
        let Some(text) = line.strip_suffix(b"\n") else { return Err(self.cut_or_other()) };
        let entry = match self.stage {
            Stage::AwaitingForm if text == FORM.as_bytes() => {
                self.stage = Stage::AwaitingEnd;
                None
            }
            Stage::AwaitingForm => return Err(LedgerFault::OtherForm),
            Stage::AwaitingEnd => self.body(line, text)?,
            Stage::Ended => return Err(self.odd("after the end")),
        };
        self.read.update(line);
        Ok(entry)
    }

    fn cut_or_other(&self) -> LedgerFault {
        match self.stage {
            Stage::AwaitingForm => LedgerFault::OtherForm,
            Stage::AwaitingEnd | Stage::Ended => LedgerFault::Cut { entries: self.entries() },
        }
    }

    fn odd(&self, what: &'static str) -> LedgerFault {
        LedgerFault::Line { line: self.lines, what }
    }

    fn body(&mut self, line: &[u8], text: &[u8]) -> Result<Option<Entry>, LedgerFault> {
        if let Some(rest) = text.strip_prefix(ENTRY.as_bytes()) {
            return self.entry(rest).map(Some);
        }
        if text.starts_with(CHECKPOINT.as_bytes()) {
            let note = note_of(line).filter(|note| checkpoint_line(note).as_bytes() == line);
            self.checkpoint(note.ok_or_else(|| self.odd("no checkpoint as it should be written"))?)?;
            return Ok(None);
        }
        if text.starts_with(END.as_bytes()) {
            self.end(text).map(|()| None)
        } else {
            Err(self.odd("neither entry, checkpoint nor end"))
        }
    }

    fn entry(&mut self, text: &[u8]) -> Result<Entry, LedgerFault> {
        let place = self.entries();
        let (said, bytes) = text.split_at_checked(HASH_TEXT).ok_or_else(|| self.odd("too short for an entry"))?;
        let bytes = bytes.strip_prefix(b" ").ok_or_else(|| self.odd("no entry as it should be written"))?;
        let leaf = leaf_hash(bytes);
        if leaf.to_string().as_bytes() != said {
            return Err(LedgerFault::Changed { seq: place });
        }
        let entry = Entry::decode(bytes).map_err(|why| LedgerFault::Entry { place, why })?;
        if entry.seq != place {
            return Err(LedgerFault::OtherPlace { place, said: entry.seq });
        }
        if place == 0 {
            self.found(&entry)?;
        }
        let proofs = replay::step(&mut self.state, &entry)?;
        self.found.signatures += proofs.len() as u64;
        self.listen(&entry);
        self.frontier.append(leaf);
        self.compare_earlier()?;
        Ok(entry)
    }

    /// The founding must be the founders'; then it names the key of the checkpoints.
    fn found(&mut self, entry: &Entry) -> Result<(), LedgerFault> {
        let Event::Founded(founded) = &entry.event else { return Err(LedgerFault::NoFounding) };
        self.trust.is_of(&founded.founding).map_err(|found| LedgerFault::OtherFounders { found })?;
        let log = log_verifier(&founded.founding).map_err(|why| LedgerFault::Checkpoint { size: 0, why })?;
        if let Some(earlier) = self.earlier.clone() {
            let verified = earlier.clone().verify(&log).map(|_| ()).and_then(|()| self.policy.verify(earlier));
            verified.map_err(|why| LedgerFault::EarlierUntrusted { why })?;
        }
        self.founded = Some(Founded { log, at: entry.time });
        Ok(())
    }

    fn listen(&mut self, entry: &Entry) {
        match &entry.event {
            Event::RequestFiled(filed) => self.found.typed |= matches!(filed.filing, Filing::FiledThroughSsh { .. }),
            Event::RecoveryCompleted(_) => self.found.recovered = true,
            _ => {}
        }
    }

    fn compare_earlier(&self) -> Result<(), LedgerFault> {
        let Some(earlier) = &self.earlier else { return Ok(()) };
        let claimed = earlier.claimed().head();
        if claimed.size == self.entries() && claimed.root != self.frontier.root() {
            return Err(LedgerFault::EarlierDiffers { size: claimed.size });
        }
        Ok(())
    }

    fn checkpoint(&mut self, note: SignedCheckpoint) -> Result<(), LedgerFault> {
        let entries = self.entries();
        let claimed = note.claimed().head();
        let Some(founded) = &self.founded else { return Err(self.odd("a checkpoint before the founding")) };
        note.clone().verify(&founded.log).map_err(|why| LedgerFault::Checkpoint { size: claimed.size, why })?;
        let covered = self.covered();
        if claimed.size > entries {
            return Err(LedgerFault::Missing { entries, size: claimed.size });
        }
        if claimed.size != entries || claimed.size <= covered {
            return Err(self.odd("a checkpoint at another place than its size says"));
        }
        if claimed.root != self.frontier.root() {
            return Err(LedgerFault::Replaced { first: covered, last: entries.saturating_sub(1) });
        }
        self.found.checkpoints += 1;
        self.newest = Some(note);
        Ok(())
    }

    fn covered(&self) -> u64 {
        self.newest.as_ref().map_or(0, |note| note.claimed().size)
    }

    fn end(&mut self, text: &[u8]) -> Result<(), LedgerFault> {
        let rest = std::str::from_utf8(text).ok().and_then(|text| text.strip_prefix(END));
        let numbers = rest.and_then(|rest| rest.split_once(' '));
        let malformed = || LedgerFault::Line { line: self.lines, what: "no end as it should be written" };
        let (said, hash) = numbers.ok_or_else(malformed)?;
        let said: u64 = said.parse().ok().filter(|n: &u64| n.to_string() == said).ok_or_else(malformed)?;
        let hash: Hash = hash.parse().map_err(|_| malformed())?;
        if said != self.entries() {
            return Err(LedgerFault::Count { said, found: self.entries() });
        }
        if hash != self.read.hash() {
            return Err(LedgerFault::Damaged);
        }
        self.stage = Stage::Ended;
        Ok(())
    }

    /// After the last line.
    ///
    /// # Errors
    /// [`LedgerFault::Cut`], [`LedgerFault::Uncovered`], [`LedgerFault::Checkpoint`] if the policy asks for more than the log's own
    /// signature, [`LedgerFault::EarlierBeyond`].
    pub fn finish(self) -> Result<LedgerVerdict, LedgerFault> {
        let entries = self.entries();
        if self.stage != Stage::Ended {
            return Err(self.cut_or_other());
        }
        let covered = self.covered();
        let (Some(founded), Some(newest)) = (&self.founded, self.newest.clone().filter(|_| covered == entries)) else {
            return Err(LedgerFault::Uncovered { entries, covered });
        };
        let head = newest.claimed().head();
        self.policy.verify(newest).map_err(|why| LedgerFault::Checkpoint { size: head.size, why })?;
        let extends = self.earlier.as_ref().map(|earlier| earlier.claimed().size);
        if let Some(size) = extends.filter(|size| *size > entries) {
            return Err(LedgerFault::EarlierBeyond { size, entries });
        }
        Ok(LedgerVerdict {
            origin: founded.log.name().as_str().to_owned(),
            head,
            founders: self.trust.founders.clone(),
            signatures: self.found.signatures,
            checkpoints: self.found.checkpoints,
            first: founded.at,
            last: self.state.journal.time.unwrap_or(founded.at),
            extends,
            words: self.words(),
        })
    }

    fn words(&self) -> Vec<ServersWord> {
        let unwitnessed = self.policy.quorum_met([]).then_some(ServersWord::OneLedger);
        let typed = self.found.typed.then_some(ServersWord::RequestFiledThroughSsh);
        let recovered = self.found.recovered.then_some(ServersWord::KeyRecovered);
        let always = [ServersWord::NothingLeftOut, ServersWord::OwnEntries, ServersWord::Times];
        always.into_iter().chain(unwitnessed).chain(typed).chain(recovered).collect()
    }
}

/// Hexadecimal digits of a hash.
const HASH_TEXT: usize = 2 * Hash::SIZE;
const _: () = assert!(LONGEST_LINE > LONGEST_ENTRY + HASH_TEXT + 16, "every entry fits a line");
