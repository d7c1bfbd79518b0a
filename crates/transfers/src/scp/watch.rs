//! Follows both streams of an scp.

use std::collections::VecDeque;

use super::command::Command;
use super::line::{self, Line};
use super::lost::{Lost, WhyLost};
use super::{MAX_AHEAD, MAX_DEPTH, MAX_LINE, MAX_PATH};
use crate::facts::{
    Detail, Direction, DirectoryFact, Fact, FileFact, FileId, Oddity, Outcome, Place, ScpFile, Side, Undigested,
};
use crate::flow::{Flow, Room};
use crate::oversight::{Kept, Oversight};
use crate::path::RawPath;

/// Follows one scp, whose bytes pass as they are.
#[derive(Debug)]
pub struct Watch {
    command: Command,
    keep_per_file: u64,
    sender: Sender,
    receiver: Receiver,
    /// What waits for the receiver's answer, in order.
    awaited: VecDeque<Awaited>,
    /// Directories entered, each with the length of the path before it.
    path: RawPath,
    depth: Vec<RawPath>,
    times: Option<(u64, u64)>,
    next: u64,
    /// The file that is being sent.
    current: Option<Box<Current>>,
    lost: Option<Lost>,
    unfollowed: [u64; 2],
    ended: bool,
}

/// The side that sends files.
#[derive(Debug)]
struct Sender {
    at: u64,
    state: Sending,
}

#[derive(Debug)]
enum Sending {
    /// A line, of which these bytes are there.
    Line(Vec<u8>),
    /// A file was announced; no byte after its line has come.
    BeforeContent,
    /// Content, so many bytes still to come.
    Content(u64),
    /// The byte after the content.
    Closing,
    /// The sentence after a closing byte that is not zero.
    ClosingWords(Vec<u8>),
    /// It said farewell.
    Gone,
}

/// The side that receives files.
#[derive(Debug)]
struct Receiver {
    at: u64,
    /// The sentence of an answer that is not zero, from its first byte.
    words: Option<Vec<u8>>,
}

/// What an answer is to.
#[derive(Debug)]
enum Awaited {
    /// The receiver's readiness.
    Start,
    Times,
    Directory(Box<DirectoryFact>),
    Up,
    /// The announcement of a file.
    Announced,
    /// Its content; the file waits here once the sender has gone on.
    Whole(Option<Box<Current>>),
}

/// A file under way.
#[derive(Debug)]
struct Current {
    file: FileId,
    direction: Direction,
    path: RawPath,
    scp: ScpFile,
    flow: Flow,
    kept: u64,
    /// The first "no" about it.
    failed: Option<Outcome>,
    /// The receiver has already answered the content.
    answered: bool,
}

impl Watch {
    /// A watch over what `command` starts. Up to `keep_per_file` bytes of each file are shown to [`Oversight::keep`]; nothing is judged.
    #[must_use]
    pub fn new(command: Command, keep_per_file: u64) -> Self {
        Self {
            command,
            keep_per_file,
            sender: Sender { at: 0, state: Sending::Line(Vec::new()) },
            receiver: Receiver { at: 0, words: None },
            awaited: VecDeque::from([Awaited::Start]),
            path: RawPath::default(),
            depth: Vec::new(),
            times: None,
            next: 0,
            current: None,
            lost: None,
            unfollowed: [0; 2],
            ended: false,
        }
    }

    /// Bytes from the client. They pass as they are; the caller has handed them on, or will.
    pub fn client(&mut self, bytes: &[u8], oversight: &mut impl Oversight) -> Vec<Fact> {
        self.take(Side::Client, bytes, oversight)
    }

    /// Bytes from the target's output (not of its errors).
    pub fn target(&mut self, bytes: &[u8], oversight: &mut impl Oversight) -> Vec<Fact> {
        self.take(Side::Target, bytes, oversight)
    }

    /// Where track was lost, if it was.
    #[must_use]
    pub fn lost(&self) -> Option<Lost> {
        self.lost
    }

    /// The channel has ended: what was never answered. Once; then there is nothing more.
    #[must_use]
    pub fn end(&mut self) -> Vec<Fact> {
        let mut facts = Vec::new();
        if std::mem::replace(&mut self.ended, true) {
            return facts;
        }
        self.give_up_all(&mut facts);
        if self.lost.is_some() {
            let [from_client, from_target] = self.unfollowed;
            facts.push(Fact::Unfollowed { from_client, from_target });
        }
        facts
    }

    /// Bytes it holds, of everything whose size a peer decides; at most [`Watch::most_memory`].
    #[must_use]
    pub fn memory(&self) -> usize {
        let line = match &self.sender.state {
            Sending::Line(line) | Sending::ClosingWords(line) => line.capacity(),
            Sending::BeforeContent | Sending::Content(_) | Sending::Closing | Sending::Gone => 0,
        };
        let awaited: usize = self.awaited.iter().map(Awaited::memory).sum();
        line + self.receiver.words.as_ref().map_or(0, Vec::capacity)
            + awaited
            + self.path.len()
            + self.depth.iter().map(|path| path.len() + size_of::<RawPath>()).sum::<usize>()
            + self.current.as_ref().map_or(0, |current| current.memory())
    }

    /// The most it holds, bytes, whatever the peers say.
    #[must_use]
    pub const fn most_memory() -> usize {
        // Names and paths of what waits: the ring refuses more text than this.
        4 * MAX_LINE + AHEAD_TEXT + MAX_AHEAD * CURRENT_COST + (MAX_DEPTH + 2) * (MAX_PATH + CURRENT_COST)
    }

    fn take(&mut self, side: Side, bytes: &[u8], oversight: &mut impl Oversight) -> Vec<Fact> {
        let mut facts = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() && self.lost.is_none() {
            let read = if side == self.sending() {
                self.send(rest, oversight, &mut facts)
            } else {
                self.receive(rest, &mut facts)
            };
            match read {
                Ok(read) => {
                    rest = rest.get(read..).unwrap_or_default();
                    let at = if side == self.sending() { &mut self.sender.at } else { &mut self.receiver.at };
                    *at = at.saturating_add(read as u64);
                }
                Err(why) => self.lose(side, why, &mut facts),
            }
        }
        let [from_client, from_target] = &mut self.unfollowed;
        let unfollowed = if side == Side::Client { from_client } else { from_target };
        *unfollowed = unfollowed.saturating_add(rest.len() as u64);
        facts
    }

    fn sending(&self) -> Side {
        match self.command.direction {
            Direction::Upload => Side::Client,
            Direction::Download | Direction::Both | Direction::Neither => Side::Target,
        }
    }

    fn receiving(&self) -> Side {
        if self.sending() == Side::Client { Side::Target } else { Side::Client }
    }

    fn lose(&mut self, by: Side, why: WhyLost, facts: &mut Vec<Fact>) {
        let at = if by == self.sending() { self.sender.at } else { self.receiver.at };
        let lost = Lost { by, at, why };
        self.lost = Some(lost);
        self.give_up_all(facts);
        facts.push(Fact::LostTrack(lost));
    }

    /// What waits for an answer will have none.
    fn give_up_all(&mut self, facts: &mut Vec<Fact>) {
        let under_way = self.current.take();
        for awaited in std::mem::take(&mut self.awaited) {
            match awaited {
                Awaited::Directory(mut fact) => {
                    fact.outcome = Outcome::Unanswered;
                    facts.push(Fact::Directory(*fact));
                }
                Awaited::Whole(Some(current)) => facts.push(current.ended(Outcome::Unanswered, Ok(()))),
                Awaited::Start | Awaited::Times | Awaited::Up | Awaited::Announced | Awaited::Whole(None) => {}
            }
        }
        let ends = match self.sender.state {
            Sending::Closing | Sending::ClosingWords(_) => Ok(()),
            Sending::Line(_) | Sending::BeforeContent | Sending::Content(_) | Sending::Gone => {
                Err(Undigested::NotToTheEnd)
            }
        };
        facts.extend(under_way.map(|current| current.ended(Outcome::Unanswered, ends)));
        self.sender.state = Sending::Gone;
    }

    // The side that sends.

    fn send(&mut self, bytes: &[u8], oversight: &mut impl Oversight, facts: &mut Vec<Fact>) -> Result<usize, WhyLost> {
        match std::mem::replace(&mut self.sender.state, Sending::Gone) {
            Sending::Line(line) => match gather(line, bytes)? {
                Gathered::More(line, read) => {
                    self.sender.state = Sending::Line(line);
                    Ok(read)
                }
                Gathered::Whole(line, read) => {
                    self.sender.state = Sending::Line(Vec::new());
                    self.line(&line, facts)?;
                    Ok(read)
                }
            },
            Sending::BeforeContent => {
                let size = self.current.as_ref().map_or(0, |current| current.scp.size);
                self.sender.state = if size == 0 { Sending::Closing } else { Sending::Content(size) };
                Ok(0)
            }
            Sending::Content(left) => {
                let some = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                self.content(bytes.get(..some).unwrap_or_default(), oversight);
                let left = left - some as u64;
                self.sender.state = if left == 0 { Sending::Closing } else { Sending::Content(left) };
                Ok(some)
            }
            Sending::Closing => {
                match bytes.first() {
                    Some(0) => self.content_sent(None, facts),
                    Some(1 | 2) => self.sender.state = Sending::ClosingWords(Vec::new()),
                    _ => return Err(WhyLost::NoSuchAnswer),
                }
                Ok(usize::from(bytes.first() == Some(&0)))
            }
            Sending::ClosingWords(line) => match gather(line, bytes)? {
                Gathered::More(line, read) => {
                    self.sender.state = Sending::ClosingWords(line);
                    Ok(read)
                }
                Gathered::Whole(line, read) => {
                    self.closing_words(&line, facts)?;
                    Ok(read)
                }
            },
            Sending::Gone => Err(WhyLost::AfterTheEnd),
        }
    }

    fn line(&mut self, line: &[u8], facts: &mut Vec<Fact>) -> Result<(), WhyLost> {
        match line::read(line)? {
            Line::Complaint(message) => facts.push(Fact::Complaint { by: self.sending(), message }),
            Line::Farewell(message) => {
                facts.push(Fact::Complaint { by: self.sending(), message });
                self.sender.state = Sending::Gone;
            }
            Line::Times { changed, read } => {
                self.times = Some((changed, read));
                self.wait_for(Awaited::Times)?;
            }
            Line::Up => self.up()?,
            Line::Directory { mode, name } => self.enter(mode, name)?,
            Line::File { mode, size, name } => self.announce(mode, size, name)?,
        }
        Ok(())
    }

    fn wait_for(&mut self, awaited: Awaited) -> Result<(), WhyLost> {
        let text: usize = if self.awaited.len() < 8 { 0 } else { self.awaited.iter().map(Awaited::memory).sum() };
        if self.awaited.len() >= MAX_AHEAD || text + awaited.memory() > AHEAD_TEXT {
            return Err(WhyLost::TooFarAhead);
        }
        self.awaited.push_back(awaited);
        Ok(())
    }

    fn up(&mut self) -> Result<(), WhyLost> {
        self.path = self.depth.pop().ok_or(WhyLost::NotInDirectory)?;
        self.times = None;
        self.wait_for(Awaited::Up)
    }

    /// A directory is entered as if the answer were "yes"; a "no" leads back out of it.
    fn enter(&mut self, mode: u32, name: RawPath) -> Result<(), WhyLost> {
        let oddities = self.oddities(&name);
        let (name, path, place) = self.place(&name)?;
        if self.depth.len() >= MAX_DEPTH {
            return Err(WhyLost::TooDeep);
        }
        let fact = DirectoryFact {
            direction: self.command.direction,
            path,
            name: name.clone(),
            place,
            mode,
            times: self.times.take(),
            outcome: Outcome::Unanswered,
            oddities,
        };
        self.depth.push(std::mem::replace(&mut self.path, name));
        self.wait_for(Awaited::Directory(Box::new(fact)))
    }

    fn announce(&mut self, mode: u32, size: u64, name: RawPath) -> Result<(), WhyLost> {
        let oddities = self.oddities(&name);
        let (name, path, place) = self.place(&name)?;
        self.wait_for(Awaited::Announced)?;
        self.wait_for(Awaited::Whole(None))?;
        let file = FileId(self.next);
        self.next += 1;
        let scp = ScpFile { name, place, mode, size, times: self.times.take(), oddities };
        let (direction, flow) = (self.command.direction, Flow::new());
        self.current =
            Some(Box::new(Current { file, direction, path, scp, flow, kept: 0, failed: None, answered: false }));
        self.sender.state = Sending::BeforeContent;
        Ok(())
    }

    fn oddities(&self, name: &RawPath) -> Vec<Oddity> {
        let mut oddities = line::oddities(name);
        let asked_plainly = self.depth.is_empty() && self.command.paths.iter().all(|word| !word.expands);
        // What `.` and `..` are called by their sender is its own affair.
        let named = |path: &RawPath| matches!(path.last().as_bytes(), b"." | b".." | b"") || path.last() == *name;
        if self.sending() == Side::Target && asked_plainly && !self.command.paths.iter().any(|word| named(&word.path)) {
            oddities.push(Oddity::NotAsked);
        }
        oddities
    }

    /// The name with the directories before it; where it lies on the target; how sure that is.
    fn place(&self, name: &RawPath) -> Result<(RawPath, RawPath, Place), WhyLost> {
        let joined = self.path.join(name);
        let one = match &self.command.paths[..] {
            [word] if !word.expands => Some(&word.path),
            _ => None,
        };
        let (path, place) = match (one, self.sending()) {
            (None, _) => (joined.clone(), Place::NameOnly),
            (Some(folder), Side::Client) if self.command.into_directory => (folder.join(&joined), Place::Sure),
            (Some(folder), Side::Client) => (folder.join(&joined), Place::FolderOrFile),
            (Some(asked), Side::Target) => (asked.folder().join(&joined), Place::Sure),
        };
        if path.len() > MAX_PATH { Err(WhyLost::TooDeep) } else { Ok((joined, path, place)) }
    }

    fn content(&mut self, bytes: &[u8], oversight: &mut impl Oversight) {
        let Some(current) = &mut self.current else { return };
        let offset = current.flow.end();
        // In order by its nature, so that nothing waits.
        current.flow.take(offset, bytes, 0, &mut Room::new(0, 0));
        let shown =
            usize::try_from(self.keep_per_file.saturating_sub(current.kept)).unwrap_or(usize::MAX).min(bytes.len());
        if shown > 0 {
            current.kept += shown as u64;
            let bytes = bytes.get(..shown).unwrap_or_default();
            let Current { file, path, .. } = &**current;
            oversight.keep(Kept { file: *file, path, direction: self.command.direction, offset, bytes });
        }
    }

    /// The sender's word about a content that it could not read wholly: what passed is not what the file holds.
    fn closing_words(&mut self, line: &[u8], facts: &mut Vec<Fact>) -> Result<(), WhyLost> {
        match line.split_first() {
            Some((1 | 2, message)) => {
                let failed = Outcome::Complained { by: self.sending(), message: message.into() };
                self.content_sent(Some(failed), facts);
                if line.first() == Some(&2) {
                    self.sender.state = Sending::Gone;
                }
                Ok(())
            }
            _ => Err(WhyLost::NoSuchAnswer),
        }
    }

    /// All of a file has been sent: it waits for its answer, or has had it.
    fn content_sent(&mut self, failed: Option<Outcome>, facts: &mut Vec<Fact>) {
        self.sender.state = Sending::Line(Vec::new());
        let Some(mut current) = self.current.take() else { return };
        current.failed = current.failed.or(failed);
        if current.answered {
            facts.push(current.ended(Outcome::Unanswered, Ok(())));
            return;
        }
        let place = self.awaited.iter_mut().rev().find(|awaited| matches!(awaited, Awaited::Whole(None)));
        if let Some(place) = place {
            *place = Awaited::Whole(Some(current));
        }
    }

    // The side that receives.

    fn receive(&mut self, bytes: &[u8], facts: &mut Vec<Fact>) -> Result<usize, WhyLost> {
        let Some(words) = self.receiver.words.take() else {
            return match bytes.first() {
                Some(0) => self.answered(None, facts).map(|()| 1),
                Some(1 | 2) => {
                    self.receiver.words = Some(Vec::new());
                    Ok(0)
                }
                _ => Err(WhyLost::NoSuchAnswer),
            };
        };
        match gather(words, bytes)? {
            Gathered::More(words, read) => {
                self.receiver.words = Some(words);
                Ok(read)
            }
            Gathered::Whole(words, read) => {
                let message = words.get(1..).unwrap_or_default().into();
                self.answered(Some(message), facts)?;
                Ok(read)
            }
        }
    }

    /// An answer: "yes", or "no" with a sentence.
    fn answered(&mut self, no: Option<RawPath>, facts: &mut Vec<Fact>) -> Result<(), WhyLost> {
        let by = self.receiving();
        let outcome = match no.clone() {
            None => Outcome::Done,
            Some(message) => Outcome::Complained { by, message },
        };
        match (self.awaited.pop_front(), no) {
            (None, None) => return Err(WhyLost::AnswerToNothing),
            // A last word before it goes.
            (None | Some(Awaited::Start | Awaited::Times | Awaited::Up), Some(message)) => {
                facts.push(Fact::Complaint { by, message });
            }
            (Some(Awaited::Start | Awaited::Times | Awaited::Up | Awaited::Announced), None) => {}
            (Some(Awaited::Directory(mut fact)), no) => {
                fact.outcome = outcome;
                facts.push(Fact::Directory(*fact));
                if no.is_some() {
                    self.not_entered()?;
                }
            }
            (Some(Awaited::Announced), Some(_)) => self.not_wanted(outcome, facts)?,
            (Some(Awaited::Whole(Some(current))), _) => facts.push(current.ended(outcome, Ok(()))),
            (Some(Awaited::Whole(None)), None) => return Err(WhyLost::ConfirmedTooEarly),
            (Some(Awaited::Whole(None)), Some(_)) => {
                // Some receivers say what went wrong while content still comes, and nothing after it.
                if let Some(current) = &mut self.current {
                    current.answered = true;
                    current.failed.get_or_insert(outcome);
                }
            }
        }
        Ok(())
    }

    /// A directory was answered with "no": the sender goes on beside it, if it has not yet gone on within.
    fn not_entered(&mut self) -> Result<(), WhyLost> {
        if !self.awaited.is_empty() || !self.at_line_start() {
            return Err(WhyLost::SentUnwanted);
        }
        self.path = self.depth.pop().unwrap_or_default();
        Ok(())
    }

    /// A file was answered with "no": its content is not to come.
    fn not_wanted(&mut self, outcome: Outcome, facts: &mut Vec<Fact>) -> Result<(), WhyLost> {
        if self.awaited.len() != 1 || !matches!(self.sender.state, Sending::BeforeContent) {
            return Err(WhyLost::SentUnwanted);
        }
        self.awaited.clear();
        self.sender.state = Sending::Line(Vec::new());
        facts.extend(self.current.take().map(|current| current.ended(outcome, Err(Undigested::NotToTheEnd))));
        Ok(())
    }

    fn at_line_start(&self) -> bool {
        matches!(&self.sender.state, Sending::Line(line) if line.is_empty())
    }
}

/// A line under way, and how much of the bytes it took.
enum Gathered {
    More(Vec<u8>, usize),
    /// Without its end.
    Whole(Vec<u8>, usize),
}

fn gather(mut line: Vec<u8>, bytes: &[u8]) -> Result<Gathered, WhyLost> {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let some = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
    if line.len() + some.len() >= MAX_LINE {
        return Err(WhyLost::LineTooLong);
    }
    line.extend_from_slice(some);
    Ok(match end {
        Some(end) => Gathered::Whole(line, end + 1),
        None => Gathered::More(line, some.len()),
    })
}

/// What one thing that waits costs beside its text.
const CURRENT_COST: usize = 1 << 10;
/// Text of what waits, bytes.
const AHEAD_TEXT: usize = 4 << 20;

impl Awaited {
    fn memory(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Directory(fact) => CURRENT_COST + fact.path.len() + fact.name.len(),
                Self::Whole(Some(current)) => current.memory(),
                Self::Start | Self::Times | Self::Up | Self::Announced | Self::Whole(None) => 0,
            }
    }
}

impl Current {
    fn memory(&self) -> usize {
        CURRENT_COST + self.path.len() + self.scp.name.len()
    }

    fn ended(mut self: Box<Self>, outcome: Outcome, ends: Result<(), Undigested>) -> Fact {
        let Self { file, direction, .. } = *self;
        let outcome = self.failed.take().unwrap_or(outcome);
        if outcome == Outcome::Done {
            let bytes = self.flow.bytes();
            self.flow.confirm(bytes);
        }
        let Self { path, scp, .. } = *self;
        let flow = Some(self.flow.finish(ends, &mut Room::new(0, 0)));
        let (uploaded, downloaded) = match direction {
            Direction::Upload => (flow, None),
            Direction::Download | Direction::Both | Direction::Neither => (None, flow),
        };
        Fact::File(Box::new(FileFact { file, path, uploaded, downloaded, outcome, detail: Detail::Scp(scp) }))
    }
}
