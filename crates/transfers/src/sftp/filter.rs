//! The filter: framing on both sides, what passes, what is refused, what ends.

use super::broken::{Broken, Fault};
use super::files::{Files, Opened, Way};
use super::limits::{Limits, WAITING_COST};
use super::pending::{Meaning, Pending, Waiting};
use super::reply::{self, Reply};
use super::request::{self, Answer, Request, WRITE_HEAD};
use super::wire;
use crate::act::FileAct;
use crate::facts::{ActFact, Direction, Fact, FileId, Outcome, Refusal, Side, Status};
use crate::flow::Room;
use crate::onward::Onward;
use crate::oversight::{Kept, Oversight, Verdict};

/// What came of one call: what goes on, and what has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "what goes on must be handed on, and a channel that stands no longer must be ended"]
pub struct Passed {
    /// How much of the input was read: all of it, unless a request waits for somebody's word. The caller gives the rest again after that.
    pub read: usize,
    pub to_target: Onward,
    pub to_client: Onward,
    pub facts: Vec<Fact>,
    pub standing: Standing,
}

/// How the channel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Running,
    /// A request waits for [`Filter::answer`]; nothing more is read from the client until then.
    Asking,
    /// Nothing goes on any more. The caller ends the channel and calls [`Filter::end`].
    Broken(Broken),
}

/// Filters one SFTP channel.
#[derive(Debug)]
pub struct Filter {
    limits: Limits,
    client: Stream,
    target: Stream,
    version: Version,
    pending: Pending,
    files: Files,
    /// The gate's own answers that wait for the target to finish a packet.
    answers: Vec<u8>,
    asking: Option<Asking>,
    broken: Option<Broken>,
}

/// What is known of the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Unsaid,
    /// The client offered this one.
    Offered(u32),
    /// It is 3.
    Agreed,
}

/// A request that waits for somebody's word, whole.
#[derive(Debug)]
struct Asking {
    packet: Vec<u8>,
    id: u32,
    ready: Ready,
}

/// One direction's framing.
#[derive(Debug, Default)]
struct Stream {
    /// Where the packet begins that is being read.
    at: u64,
    /// The first bytes of a packet that is not decided yet.
    held: Vec<u8>,
    body: Option<Body>,
}

/// The rest of a packet that is decided.
#[derive(Debug, Clone, Copy)]
struct Body {
    left: usize,
    then: Then,
    whole: usize,
}

#[derive(Debug, Clone, Copy)]
enum Then {
    Pass,
    Drop,
    Content(Content),
}

/// Content on its way.
#[derive(Debug, Clone, Copy)]
struct Content {
    file: FileId,
    way: Way,
    /// Where in the file the next byte stands.
    offset: u64,
    /// The request it answers, where it is an answer.
    answers: Option<u32>,
}

/// What is decided about a packet by its head.
enum Decision {
    Pass,
    Drop,
    /// Content begins so many bytes after the packet's start.
    Content(Content, usize),
    Ask(Ready),
    Break(Fault),
}

/// A request that lacks nothing but a verdict.
#[derive(Debug)]
struct Ready {
    meaning: Meaning,
    act: FileAct,
    also: Option<FileId>,
}

/// Length and type.
const TYPE_HEAD: usize = 5;

impl Filter {
    /// A filter for a channel that has not begun.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            client: Stream::default(),
            target: Stream::default(),
            version: Version::Unsaid,
            pending: Pending::default(),
            files: Files::new(Room::new(limits.reorder_file, limits.reorder)),
            answers: Vec::new(),
            asking: None,
            broken: None,
        }
    }

    /// Bytes from the client. `input` is read to its end, unless a request must wait for somebody's word ([`Verdict::Ask`]): then what stands
    /// behind that request is not read.
    pub fn client(&mut self, input: &[u8], oversight: &mut impl Oversight) -> Passed {
        let mut passed = self.passed();
        while passed.read < input.len() && self.standing() == Standing::Running {
            passed.read = self.step(Side::Client, input, passed.read, oversight, &mut passed);
        }
        self.stands(input, passed)
    }

    /// Bytes from the target.
    pub fn target(&mut self, input: &[u8], oversight: &mut impl Oversight) -> Passed {
        let mut passed = self.passed();
        while passed.read < input.len() && self.broken.is_none() {
            passed.read = self.step(Side::Target, input, passed.read, oversight, &mut passed);
        }
        self.stands(input, passed)
    }

    /// What is behind the place where the channel broke is read and goes nowhere, so that a caller who reads on comes to an end.
    fn stands(&self, input: &[u8], mut passed: Passed) -> Passed {
        passed.standing = self.standing();
        if let Standing::Broken(_) = passed.standing {
            passed.read = input.len();
        }
        passed
    }

    /// The word that a request waited for. [`Verdict::Ask`] leaves it waiting. The ranges in what is returned are empty: all of it was held.
    pub fn answer(&mut self, verdict: Verdict) -> Passed {
        let mut passed = self.passed();
        if self.broken.is_none()
            && verdict != Verdict::Ask
            && let Some(Asking { packet, id, ready }) = self.asking.take()
        {
            match verdict {
                Verdict::Allow => {
                    self.go(id, ready);
                    passed.to_target.own(packet);
                }
                Verdict::Refuse(why) => self.refuse_act(id, ready.act, &why, &mut passed),
                Verdict::Ask => {}
            }
        }
        passed.standing = self.standing();
        passed
    }

    /// The channel has ended, on whichever side: what was never answered, and what was still open. Once; then there is nothing more.
    #[must_use]
    pub fn end(&mut self) -> Vec<Fact> {
        let mut facts = Vec::new();
        for Waiting { meaning, act, .. } in self.pending.unanswered() {
            if let Meaning::Written { file, .. } = meaning {
                self.files.never_confirmed(file);
            }
            facts.extend(act.map(|act| Fact::Act(ActFact { act, outcome: Outcome::Unanswered, file: None })));
        }
        if let Some(Asking { ready, .. }) = self.asking.take() {
            facts.push(Fact::Act(ActFact { act: ready.act, outcome: Outcome::Unanswered, file: None }));
        }
        facts.extend(self.files.end().into_iter().map(|file| Fact::File(Box::new(file))));
        facts
    }

    /// How the channel stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match (&self.broken, &self.asking) {
            (Some(broken), _) => Standing::Broken(*broken),
            (None, Some(_)) => Standing::Asking,
            (None, None) => Standing::Running,
        }
    }

    /// Bytes it holds, of everything whose size a peer decides; at most [`Limits::memory`].
    #[must_use]
    pub fn memory(&self) -> usize {
        self.client.held.capacity()
            + self.target.held.capacity()
            + self
                .asking
                .as_ref()
                .map_or(0, |asking| asking.packet.capacity() + asking.ready.act.weight() + WAITING_COST)
            + self.pending.memory()
            + self.files.memory()
            + self.answers.capacity()
    }

    fn passed(&self) -> Passed {
        Passed {
            read: 0,
            to_target: Onward::default(),
            to_client: Onward::default(),
            facts: Vec::new(),
            standing: self.standing(),
        }
    }

    fn stream(&mut self, side: Side) -> &mut Stream {
        match side {
            Side::Client => &mut self.client,
            Side::Target => &mut self.target,
        }
    }

    /// Reads on from `at`, to the end of a packet's head or body at most; returns how far.
    fn step(
        &mut self,
        side: Side,
        input: &[u8],
        at: usize,
        oversight: &mut impl Oversight,
        passed: &mut Passed,
    ) -> usize {
        match self.stream(side).body {
            Some(body) => self.step_body(side, body, input, at, oversight, passed),
            None => self.step_head(side, input, at, oversight, passed),
        }
    }

    fn step_body(
        &mut self,
        side: Side,
        body: Body,
        input: &[u8],
        at: usize,
        oversight: &mut impl Oversight,
        passed: &mut Passed,
    ) -> usize {
        let end = at + body.left.min(input.len() - at);
        let mut body = Body { left: body.left - (end - at), ..body };
        if let Then::Content(content) = &mut body.then {
            self.content(content, input.get(at..end).unwrap_or_default(), body.left, oversight);
        }
        if !matches!(body.then, Then::Drop) {
            passed.onward(side).input(at..end);
        }
        self.body_stands(side, body, passed);
        end
    }

    /// Keeps what is left of a packet, or ends it.
    fn body_stands(&mut self, side: Side, body: Body, passed: &mut Passed) {
        let stream = self.stream(side);
        if body.left > 0 {
            stream.body = Some(body);
            return;
        }
        stream.body = None;
        stream.at = stream.at.saturating_add(body.whole as u64);
        if let Then::Content(Content { answers: Some(id), .. }) = body.then {
            self.content_came(id, body.whole, passed);
        }
        self.let_answers_go(passed);
    }

    /// Gathers the head of a packet and decides by it. A head that lies in the input as a whole is read where it lies.
    fn step_head(
        &mut self,
        side: Side,
        input: &[u8],
        at: usize,
        oversight: &mut impl Oversight,
        passed: &mut Passed,
    ) -> usize {
        let rest = input.get(at..).unwrap_or_default();
        let mut held = std::mem::take(&mut self.stream(side).held);
        let seen = if held.is_empty() { rest } else { &held };
        let wanted = match self.wanted(side, seen) {
            Ok(wanted) => wanted,
            Err(fault) => return self.break_off(side, fault, input.len()),
        };
        if held.is_empty() && rest.len() >= wanted.head && wanted.total.is_some() {
            let head = rest.get(..wanted.head).unwrap_or_default();
            return self.decided(
                side,
                Head::InInput(at, head),
                &wanted,
                oversight,
                passed,
                at + wanted.head,
                input.len(),
            );
        }
        let end = at + (wanted.head - held.len()).min(rest.len());
        // All at once: a head may be the whole of a long packet, and come byte by byte.
        held.reserve_exact(wanted.head - held.len());
        held.extend_from_slice(input.get(at..end).unwrap_or_default());
        if held.len() < wanted.head || wanted.total.is_none() {
            self.stream(side).held = held;
            return end;
        }
        self.decided(side, Head::Held(held), &wanted, oversight, passed, end, input.len())
    }

    /// How much of a packet must be seen to decide it, as far as what has been seen tells.
    fn wanted(&self, side: Side, seen: &[u8]) -> Result<Wanted, Fault> {
        let Some((length, rest)) = seen.split_first_chunk::<4>() else { return Ok(Wanted::TYPE) };
        let length = u32::from_be_bytes(*length);
        let begun = match side {
            Side::Client => self.version != Version::Unsaid,
            Side::Target => self.version == Version::Agreed,
        };
        let size = usize::try_from(length).ok().filter(|size| *size <= self.limits.packet);
        let Some(size) = size else {
            let too_long = Fault::PacketTooLong { length, limit: self.limits.packet };
            return Err(if begun { too_long } else { Fault::NotSftp });
        };
        let Some(packet) = rest.first().copied() else {
            return if size == 0 { Err(Fault::PacketTooShort { packet: 0 }) } else { Ok(Wanted::TYPE) };
        };
        if size < TYPE_HEAD {
            return Err(if begun { Fault::PacketTooShort { packet } } else { Fault::NotSftp });
        }
        let total = size + 4;
        let head = match (side, packet) {
            (Side::Client, wire::WRITE) => WRITE_HEAD.min(total),
            (Side::Client, _) => total,
            (Side::Target, packet) => reply::head(packet, total),
        };
        Ok(Wanted { packet, head, total: Some(total) })
    }

    #[expect(clippy::too_many_arguments, reason = "one packet's head, and where the rest of the input is")]
    fn decided(
        &mut self,
        side: Side,
        head: Head<'_>,
        wanted: &Wanted,
        oversight: &mut impl Oversight,
        passed: &mut Passed,
        end: usize,
        input_ends: usize,
    ) -> usize {
        let total = wanted.total.unwrap_or_default();
        let bytes = head.bytes();
        let decision = match side {
            Side::Client => self.decide(wanted.packet, bytes, total, oversight, passed),
            Side::Target => self.reply(wanted.packet, bytes, total, passed),
        };
        let (then, content_from) = match decision {
            Decision::Pass => (Then::Pass, None),
            Decision::Drop => (Then::Drop, None),
            Decision::Content(content, from) => (Then::Content(content), Some(from)),
            Decision::Break(fault) => return self.break_off(side, fault, input_ends),
            Decision::Ask(ready) => {
                let id = id_of(bytes).unwrap_or_default();
                let stream = self.stream(side);
                stream.at = stream.at.saturating_add(total as u64);
                self.asking = Some(Asking { packet: head.into_vec(), id, ready });
                return end;
            }
        };
        let mut body = Body { left: total - bytes.len(), then, whole: total };
        if let (Then::Content(content), Some(from)) = (&mut body.then, content_from) {
            self.content(content, bytes.get(from..).unwrap_or_default(), body.left, oversight);
        }
        if !matches!(body.then, Then::Drop) {
            head.go(passed.onward(side));
        }
        self.body_stands(side, body, passed);
        end
    }

    fn break_off(&mut self, side: Side, fault: Fault, input_ends: usize) -> usize {
        let at = self.stream(side).at;
        self.broken = Some(Broken { by: side, at, fault });
        input_ends
    }

    fn content(&mut self, content: &mut Content, bytes: &[u8], more: usize, oversight: &mut impl Oversight) {
        let limit = self.limits.keep_per_file;
        let Some((path, file, room)) = self.files.file_and_room(content.file) else { return };
        let shown = file.keep(content.way, bytes.len(), limit);
        if let Some(flow) = file.flow(content.way) {
            flow.take(content.offset, bytes, more, room);
        }
        if shown > 0 {
            let direction = match content.way {
                Way::Up => Direction::Upload,
                Way::Down => Direction::Download,
            };
            let bytes = bytes.get(..shown).unwrap_or_default();
            oversight.keep(Kept { file: content.file, path, direction, offset: content.offset, bytes });
        }
        content.offset = content.offset.saturating_add(bytes.len() as u64);
    }

    // The client's requests.

    fn decide(
        &mut self,
        packet: u8,
        head: &[u8],
        total: usize,
        oversight: &mut impl Oversight,
        passed: &mut Passed,
    ) -> Decision {
        if packet == wire::INIT || self.version == Version::Unsaid {
            return self.begin(packet, head);
        }
        if matches!(self.version, Version::Offered(offered) if offered != 3) {
            return Decision::Break(Fault::TooEarly);
        }
        // INVARIANT: a packet is at least five bytes long, so that every one has an id.
        let Some(id) = id_of(head) else { return Decision::Break(Fault::PacketTooShort { packet }) };
        if self.pending.waits(id) {
            return Decision::Break(Fault::IdStillWaits { id });
        }
        let decided = self.pending.place(self.limits.waiting).and_then(|()| match packet {
            wire::WRITE => self.write(id, head, total),
            _ => self.request(id, packet, head, oversight, passed),
        });
        decided.unwrap_or_else(|why| {
            passed.facts.push(Fact::Refused { request: packet, why: why.clone() });
            self.say(id, &why, passed);
            Decision::Drop
        })
    }

    fn begin(&mut self, packet: u8, head: &[u8]) -> Decision {
        match (self.version, packet, id_of(head)) {
            (Version::Unsaid, wire::INIT, Some(version @ 3..)) => {
                self.version = Version::Offered(version);
                Decision::Pass
            }
            (Version::Unsaid, wire::INIT, Some(version)) => Decision::Break(Fault::OtherVersion(version)),
            (Version::Unsaid, _, _) => Decision::Break(Fault::NotSftp),
            (Version::Offered(_) | Version::Agreed, _, _) => Decision::Break(Fault::BegunTwice),
        }
    }

    fn write(&mut self, id: u32, head: &[u8], total: usize) -> Result<Decision, Refusal> {
        let write = request::write(head, total)?;
        let file = self.files.find_for(&write.handle, Way::Up)?;
        self.went(id, Meaning::Written { file, length: write.length }, None, None);
        let content = Content { file, way: Way::Up, offset: write.offset, answers: None };
        Ok(Decision::Content(content, write.head))
    }

    fn request(
        &mut self,
        id: u32,
        packet: u8,
        whole: &[u8],
        oversight: &mut impl Oversight,
        passed: &mut Passed,
    ) -> Result<Decision, Refusal> {
        let body = whole.get(TYPE_HEAD + 4..).unwrap_or_default();
        let ready = match request::request(packet, body, self.limits.path)? {
            Request::Act { act, answer } => self.act(act, answer)?,
            Request::StatOpen { handle, answer } => self.stat_open(&handle, answer)?,
            Request::SetOpen { handle, to } => {
                let file = self.files.find(&handle)?;
                let path = self.files.path(file);
                let meaning = match to.size {
                    Some(size) => Meaning::Resized { file, size },
                    None => Meaning::Plain(Answer::Status),
                };
                Ready { meaning, act: FileAct::SetAttributes { path, to }, also: None }
            }
            Request::Copy { from, to } => self.copy(&from, &to)?,
            follows @ (Request::Close { .. }
            | Request::Read { .. }
            | Request::ReadDirectory { .. }
            | Request::Sync { .. }) => return self.follow(id, follows),
        };
        self.text_fits(&ready.act)?;
        match oversight.judge(&ready.act) {
            Verdict::Allow => {
                self.go(id, ready);
                Ok(Decision::Pass)
            }
            Verdict::Refuse(why) => {
                self.refuse_act(id, ready.act, &why, passed);
                Ok(Decision::Drop)
            }
            Verdict::Ask => Ok(Decision::Ask(ready)),
        }
    }

    fn act(&mut self, act: FileAct, answer: Answer) -> Result<Ready, Refusal> {
        let meaning = match answer {
            Answer::Handle => Meaning::Opened,
            Answer::Attributes => Meaning::Size(None),
            other => Meaning::Plain(other),
        };
        let limit = self.limits.open;
        if meaning == Meaning::Opened && self.files.len() + self.pending.openings() >= limit {
            return Err(Refusal::TooManyOpen { limit });
        }
        Ok(Ready { meaning, act, also: None })
    }

    fn stat_open(&mut self, handle: &[u8], answer: Answer) -> Result<Ready, Refusal> {
        let file = self.files.find(handle)?;
        let path = self.files.path(file);
        let meaning = match answer {
            Answer::Attributes => Meaning::Size(Some(file)),
            other => Meaning::Plain(other),
        };
        Ok(Ready { meaning, act: FileAct::Stat { path }, also: None })
    }

    fn copy(&mut self, from: &[u8], to: &[u8]) -> Result<Ready, Refusal> {
        let from = self.files.find_for(from, Way::Down)?;
        let to = self.files.find_for(to, Way::Up)?;
        let act = FileAct::CopyData { from: self.files.path(from), to: self.files.path(to) };
        Ok(Ready { meaning: Meaning::Copied { file: to }, act, also: Some(from) })
    }

    /// A request that was decided with the opening of its handle.
    fn follow(&mut self, id: u32, request: Request) -> Result<Decision, Refusal> {
        let meaning = match request {
            Request::Read { handle, offset, asked } => {
                Meaning::Content { file: self.files.find_for(&handle, Way::Down)?, offset, asked }
            }
            Request::ReadDirectory { handle } => {
                self.files.find_directory(&handle)?;
                Meaning::Plain(Answer::Names)
            }
            Request::Sync { handle } => {
                self.files.find_for(&handle, Way::Up)?;
                Meaning::Plain(Answer::Status)
            }
            Request::Close { handle } => {
                let file = self.files.find(&handle)?;
                self.files.closing(&handle, file);
                Meaning::Closed { file }
            }
            Request::Act { .. } | Request::StatOpen { .. } | Request::SetOpen { .. } | Request::Copy { .. } => {
                unreachable!("these are judged by themselves")
            }
        };
        self.went(id, meaning, None, None);
        Ok(Decision::Pass)
    }

    fn text_fits(&self, act: &FileAct) -> Result<(), Refusal> {
        let limit = self.limits.text;
        let held = self.pending.text() + self.files.text();
        if held.saturating_add(act.weight()) > limit { Err(Refusal::TooMuchText { limit }) } else { Ok(()) }
    }

    fn go(&mut self, id: u32, ready: Ready) {
        self.went(id, ready.meaning, Some(ready.act), ready.also);
    }

    /// A request goes to the target, and what it is about waits for its answer.
    fn went(&mut self, id: u32, meaning: Meaning, act: Option<FileAct>, also: Option<FileId>) {
        for file in meaning.file().into_iter().chain(also) {
            self.files.asked(file);
        }
        self.pending.add(id, meaning, act, also);
    }

    fn refuse_act(&mut self, id: u32, act: FileAct, why: &str, passed: &mut Passed) {
        let why = Refusal::Judged(why.to_owned());
        self.say(id, &why, passed);
        passed.facts.push(Fact::Act(ActFact { act, outcome: Outcome::Refused(why), file: None }));
    }

    /// An answer of the gate's own.
    fn say(&mut self, id: u32, why: &Refusal, passed: &mut Passed) {
        let answer = wire::status(id, why.status(), &why.to_string());
        self.answers.extend_from_slice(&answer);
        self.let_answers_go(passed);
        if self.answers.len() > self.limits.answers {
            self.answers = Vec::new();
            let fault = Fault::AnswersPileUp { limit: self.limits.answers };
            self.broken = Some(Broken { by: Side::Target, at: self.target.at, fault });
        }
    }

    /// Own answers go where no packet of the target's is under way to the client.
    fn let_answers_go(&mut self, passed: &mut Passed) {
        if self.target.body.is_none() && self.version == Version::Agreed && !self.answers.is_empty() {
            passed.to_client.own(std::mem::take(&mut self.answers));
        }
    }

    // The target's answers.

    fn reply(&mut self, packet: u8, head: &[u8], total: usize, passed: &mut Passed) -> Decision {
        match (self.version, packet) {
            (Version::Agreed, _) => self.answered(packet, head, total, passed).unwrap_or_else(Decision::Break),
            (Version::Offered(_), wire::VERSION) => match id_of(head) {
                Some(3) => {
                    self.version = Version::Agreed;
                    Decision::Pass
                }
                Some(other) => Decision::Break(Fault::OtherVersion(other)),
                None => Decision::Break(Fault::PacketTooShort { packet }),
            },
            (Version::Unsaid | Version::Offered(_), _) => Decision::Break(Fault::NotSftp),
        }
    }

    fn answered(&mut self, packet: u8, head: &[u8], total: usize, passed: &mut Passed) -> Result<Decision, Fault> {
        let (id, reply) = reply::reply(packet, head, total)?;
        let waiting = self.pending.get(id).ok_or(Fault::NeverAsked { id })?;
        if !waiting.meaning.fits(packet) {
            return Err(Fault::AnswerDoesNotFit { id, packet });
        }
        if let (Reply::Data(length), Meaning::Content { file, offset, asked }) = (&reply, &waiting.meaning) {
            let (length, asked) = (*length, *asked);
            if length > asked {
                return Err(Fault::MoreThanAsked { id, asked, length });
            }
            let content = Content { file: *file, way: Way::Down, offset: *offset, answers: Some(id) };
            return Ok(Decision::Content(content, head.len()));
        }
        let waiting = self.pending.answered(id).ok_or(Fault::NeverAsked { id })?;
        self.settle(id, waiting, reply, passed)?;
        Ok(Decision::Pass)
    }

    /// The last byte of content for a request has passed.
    fn content_came(&mut self, id: u32, packet: usize, passed: &mut Passed) {
        let Some(waiting) = self.pending.answered(id) else { return };
        if let Meaning::Content { file, offset, asked } = waiting.meaning {
            let length = u32::try_from(packet.saturating_sub(reply::DATA_HEAD)).unwrap_or(u32::MAX);
            self.files.read_whole(file, offset, asked, length);
            self.file_answered(file, passed);
        }
    }

    /// A request has its answer: what it means, and its fact.
    fn settle(&mut self, id: u32, waiting: Waiting, reply: Reply, passed: &mut Passed) -> Result<(), Fault> {
        let Waiting { meaning, act, also, .. } = waiting;
        let status = match &reply {
            Reply::Status(status) => *status,
            Reply::Handle(_) | Reply::Data(_) | Reply::Attributes(_) | Reply::Unread => Status::OK,
        };
        let mut opened = None;
        match (&meaning, &reply, &act) {
            (Meaning::Opened, Reply::Handle(handle), Some(act)) => {
                opened = Some(self.files.opened(handle, act).ok_or(Fault::HandleOpenAlready { id })?);
            }
            (Meaning::Size(None), Reply::Attributes(Some(size)), Some(FileAct::Stat { path })) => {
                self.files.told_size(path.clone(), *size);
            }
            (Meaning::Size(Some(file)), Reply::Attributes(Some(size)), _) => {
                self.files.told_size_of_open(*file, *size);
            }
            (Meaning::Content { file, offset, .. }, _, _) => self.files.read_answered(*file, *offset, status),
            (Meaning::Written { file, length }, _, _) => self.files.write_answered(*file, *length, status),
            (Meaning::Closed { file }, _, _) => self.files.closed(*file, status),
            (Meaning::Resized { file, size }, _, _) if status == Status::OK => self.files.resized(*file, *size),
            (Meaning::Copied { file }, _, _) => self.files.copied(*file),
            (Meaning::Plain(_) | Meaning::Opened | Meaning::Size(_) | Meaning::Resized { .. }, _, _) => {}
        }
        if let Some(act) = act {
            let outcome = if status == Status::OK { Outcome::Done } else { Outcome::Failed(status) };
            let file = match opened {
                Some(Opened::File(file)) => Some(file),
                Some(Opened::Directory) | None => None,
            };
            passed.facts.push(Fact::Act(ActFact { act, outcome, file }));
        }
        for file in meaning.file().into_iter().chain(also) {
            self.file_answered(file, passed);
        }
        Ok(())
    }

    fn file_answered(&mut self, file: FileId, passed: &mut Passed) {
        passed.facts.extend(self.files.answered(file).map(|fact| Fact::File(Box::new(fact))));
    }
}

impl Passed {
    fn onward(&mut self, from: Side) -> &mut Onward {
        match from {
            Side::Client => &mut self.to_target,
            Side::Target => &mut self.to_client,
        }
    }
}

/// How much of a packet is wanted before it is decided.
struct Wanted {
    packet: u8,
    head: usize,
    /// The length of the whole, once it is known.
    total: Option<usize>,
}

impl Wanted {
    /// Length and type first.
    const TYPE: Self = Self { packet: 0, head: TYPE_HEAD, total: None };
}

/// The head of a packet, where it lies.
enum Head<'a> {
    /// In the input, from there.
    InInput(usize, &'a [u8]),
    Held(Vec<u8>),
}

impl Head<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::InInput(_, bytes) => bytes,
            Self::Held(bytes) => bytes,
        }
    }

    fn go(self, onward: &mut Onward) {
        match self {
            Self::InInput(at, bytes) => onward.input(at..at + bytes.len()),
            Self::Held(bytes) => onward.own(bytes),
        }
    }

    fn into_vec(self) -> Vec<u8> {
        match self {
            Self::InInput(_, bytes) => bytes.to_vec(),
            Self::Held(bytes) => bytes,
        }
    }
}

/// The four bytes after the type: the id, or the version.
fn id_of(head: &[u8]) -> Option<u32> {
    head.get(TYPE_HEAD..)?.first_chunk::<4>().map(|id| u32::from_be_bytes(*id))
}
