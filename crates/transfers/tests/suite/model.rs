//! A small client and a small server of SFTP that say what happened, independently of the filter.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use transfers::Side;

use super::chance::Chance;
use super::packets;
use super::talk::Say;

/// What the model server says to a request of this id, and with which status.
type Answer = Box<dyn FnOnce(u32, &mut Chance) -> (Vec<u8>, u32)>;

/// What the model says of one file that was opened.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileModel {
    pub(crate) path: String,
    pub(crate) writes: bool,
    pub(crate) reads: bool,
    /// How often each byte passed, and what it was last.
    pub(crate) up: BTreeMap<u64, (u32, u8)>,
    pub(crate) down: BTreeMap<u64, (u32, u8)>,
    pub(crate) up_bytes: u64,
    pub(crate) up_confirmed: u64,
    pub(crate) down_bytes: u64,
    pub(crate) failed: bool,
    pub(crate) close_asked: bool,
    /// Read from start to end as OpenSSH's client does: a digest must be there.
    pub(crate) read_properly: bool,
    /// What the target holds.
    pub(crate) content: Vec<u8>,
}

/// A digest where each byte below the end passed once.
pub(crate) fn digest_of(bytes: &BTreeMap<u64, (u32, u8)>) -> Option<[u8; 32]> {
    let end = bytes.keys().next_back().map_or(0, |last| last + 1);
    let whole = bytes.len() as u64 == end && bytes.values().all(|(times, _)| *times == 1);
    let content: Vec<u8> = bytes.values().map(|(_, byte)| *byte).collect();
    whole.then(|| Sha256::digest(content).into())
}

/// What was said, and what should come of it.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    pub(crate) said: Vec<Say>,
    /// Each judged act that is answered, with its status, in the order of the answers.
    pub(crate) answered: Vec<(String, u32)>,
    /// Those the gate refuses, in the order asked.
    pub(crate) refused: Vec<String>,
    /// Those never answered, in the order asked.
    pub(crate) unanswered: Vec<String>,
    /// Those that were asked to be opened.
    pub(crate) files: Vec<FileModel>,
    /// Those that were, in that order.
    pub(crate) opened: Vec<usize>,
    /// Ids of requests that went to the target and were answered by it.
    pub(crate) requests: Vec<u32>,
    /// What goes on to the target.
    pub(crate) forwarded: Vec<u8>,
}

struct Waits {
    id: u32,
    request_ends: usize,
    what: What,
}

enum What {
    Act { text: String, answer: Answer },
    Open { text: String, file: usize },
    Directory { text: String },
    Read { file: usize, offset: u64, length: u32 },
    Write { file: usize, length: u64 },
    Close { file: usize },
}

/// Makes conversations.
pub(crate) struct Model<'a> {
    chance: &'a mut Chance,
    out: Conversation,
    lengths: [usize; 2],
    waits: Vec<Waits>,
    next_id: u32,
    next_handle: u32,
    /// Open files: index, handle, and how much of the target's stream the client must have seen to know it.
    open: Vec<(usize, Vec<u8>, usize)>,
    refuses: fn(&str) -> bool,
}

const READ: u32 = 1;
const WRITE: u32 = 2;
const CREATE: u32 = 8;
const TRUNCATE: u32 = 16;

impl<'a> Model<'a> {
    pub(crate) fn run(chance: &'a mut Chance, steps: usize, refuses: fn(&str) -> bool) -> Conversation {
        let mut model = Self {
            chance,
            out: Conversation::default(),
            lengths: [0; 2],
            waits: Vec::new(),
            next_id: 0,
            next_handle: 0,
            open: Vec::new(),
            refuses,
        };
        model.client(packets::init(), 0);
        model.out.forwarded.extend(packets::init());
        let begun = model.lengths[0];
        model.target(packets::version(), begun);
        for _ in 0..steps {
            model.step();
        }
        if !model.chance.one_in(3) {
            while !model.waits.is_empty() {
                model.answer_one();
            }
        }
        model.finish()
    }

    fn finish(mut self) -> Conversation {
        for waits in std::mem::take(&mut self.waits) {
            match waits.what {
                What::Act { text, .. } | What::Open { text, .. } | What::Directory { text } => {
                    self.out.unanswered.push(text)
                }
                What::Write { file, .. } => self.out.files[file].failed = true,
                What::Read { file, .. } => self.out.files[file].read_properly = false,
                What::Close { .. } => {}
            }
        }
        self.out
    }

    fn client(&mut self, bytes: Vec<u8>, after: usize) {
        self.lengths[0] += bytes.len();
        self.out.said.push(Say { by: Side::Client, bytes, after });
    }

    fn target(&mut self, bytes: Vec<u8>, after: usize) {
        self.lengths[1] += bytes.len();
        self.out.said.push(Say { by: Side::Target, bytes, after });
    }

    fn step(&mut self) {
        match self.chance.below(10) {
            0..=3 if !self.waits.is_empty() => self.answer_one(),
            4 => self.open(),
            5 => self.small_act(),
            6 => self.download(),
            _ => self.on_open(),
        }
    }

    /// Sends a request that the gate lets through.
    fn ask(&mut self, make: impl FnOnce(u32) -> Vec<u8>, after: usize, what: What) {
        let id = self.next_id;
        self.next_id += 1;
        let bytes = make(id);
        self.out.forwarded.extend(&bytes);
        self.client(bytes, after);
        self.waits.push(Waits { id, request_ends: self.lengths[0], what });
    }

    /// Sends a judged request; whether it went.
    fn ask_judged(
        &mut self,
        text: String,
        after: usize,
        make: impl FnOnce(u32) -> Vec<u8>,
        what: impl FnOnce(String) -> What,
    ) -> bool {
        if (self.refuses)(&text) {
            let id = self.next_id;
            self.next_id += 1;
            self.client(make(id), after);
            self.out.refused.push(text);
            return false;
        }
        self.ask(make, after, what(text));
        true
    }

    fn open(&mut self) {
        let writes = self.chance.one_in(2);
        let path = format!("{}{}", ["yes", "no"][self.chance.below(2)], self.chance.below(50));
        if self.chance.one_in(6) {
            let make = |id| packets::of_path(11, id, &path);
            self.ask_judged(format!("list `{path}`"), 0, make, |text| What::Directory { text });
            return;
        }
        let flags = if writes { WRITE | CREATE | TRUNCATE } else { READ };
        let text = format!("{} `{path}`", if writes { "write" } else { "read" });
        let size = self.chance.below(3000);
        let content = if writes { Vec::new() } else { self.chance.bytes(size) };
        let file = FileModel { path: path.clone(), writes, reads: !writes, content, ..Default::default() };
        let index = self.out.files.len();
        if self.ask_judged(text, 0, |id| packets::open(id, &path, flags), |text| What::Open { text, file: index }) {
            self.out.files.push(file);
        }
    }

    /// Opens, reads to the end as OpenSSH's client does, waiting for each answer, and closes.
    fn download(&mut self) {
        let path = format!("yes-whole{}", self.chance.below(50));
        let size = self.chance.below(3000);
        let content = self.chance.bytes(size);
        let file = self.out.files.len();
        self.out.files.push(FileModel {
            path: path.clone(),
            reads: true,
            content,
            read_properly: true,
            ..Default::default()
        });
        let text = format!("read `{path}`");
        self.ask(|id| packets::open(id, &path, READ), 0, What::Open { text, file });
        self.answer_last();
        let Some((_, handle, known)) = self.open.pop_if(|(last, ..)| *last == file) else {
            self.out.files[file].read_properly = false;
            return;
        };
        // A window of requests in flight, answered in any order, shorter than asked at times.
        let mut wanted: Vec<(u64, u32)> = Vec::new();
        let block = 1 + self.chance.below(900) as u32;
        let mut offset = 0;
        while offset < size as u64 {
            wanted.push((offset, block));
            offset += u64::from(block);
        }
        wanted.push((size as u64, block));
        let before = self.waits.len();
        while !wanted.is_empty() || self.waits.len() > before {
            if !wanted.is_empty() && (self.waits.len() == before || self.chance.one_in(2)) {
                let (offset, length) = wanted.remove(0);
                self.ask(|id| packets::read(id, &handle, offset, length), known, What::Read { file, offset, length });
            } else {
                let at = before + self.chance.below(self.waits.len() - before);
                let waits = self.waits.remove(at);
                if let Some((offset, length)) = self.answer(waits) {
                    wanted.insert(0, (offset, length));
                }
            }
        }
        self.close(file, &handle, known);
        self.answer_last();
    }

    fn close(&mut self, file: usize, handle: &[u8], known: usize) {
        self.out.files[file].close_asked = true;
        self.ask(|id| packets::close(id, handle), known, What::Close { file });
    }

    fn small_act(&mut self) {
        let path = format!("{}{}", ["yes", "no"][self.chance.below(2)], self.chance.below(50));
        let other = format!("to{}", self.chance.below(50));
        let plain = |code: u32| -> Answer { Box::new(move |id, _| (packets::status(id, code), code)) };
        let code = [0, 2, 3, 4][self.chance.below(4)];
        let (text, make): (String, Box<dyn FnOnce(u32) -> Vec<u8>>) = match self.chance.below(9) {
            0 => (format!("remove `{path}`"), Box::new(move |id| packets::of_path(13, id, &path))),
            1 => (format!("make directory `{path}`"), Box::new(move |id| packets::of_path(14, id, &path))),
            2 => (format!("remove directory `{path}`"), Box::new(move |id| packets::of_path(15, id, &path))),
            3 => (format!("rename `{path}` `{other}`"), Box::new(move |id| packets::of_paths(18, id, &path, &other))),
            4 => (format!("symlink `{path}` `{other}`"), Box::new(move |id| packets::of_paths(20, id, &path, &other))),
            5 => {
                let fields = [packets::string(path.as_bytes()), packets::string(other.as_bytes())].concat();
                (
                    format!("hardlink `{path}` `{other}`"),
                    Box::new(move |id| packets::extended(id, "hardlink@openssh.com", &fields)),
                )
            }
            6 => {
                let name = format!("x-{path}");
                (format!("unknown request `{name}`"), Box::new(move |id| packets::extended(id, &name, b"anything")))
            }
            7 => {
                let text = format!("stat `{path}`");
                let make = move |id| packets::of_path(17, id, &path);
                self.ask_judged(text, 0, make, |text| What::Act {
                    text,
                    answer: Box::new(|id, _| (packets::attrs(id, 77), 0)),
                });
                return;
            }
            _ => {
                let text = format!("resolve `{path}`");
                let make = move |id| packets::of_path(16, id, &path);
                self.ask_judged(text, 0, make, |text| What::Act {
                    text,
                    answer: Box::new(|id, _| (packets::name(id, &["/a", "/b"]), 0)),
                });
                return;
            }
        };
        self.ask_judged(text, 0, make, |text| What::Act { text, answer: plain(code) });
    }

    /// Something on a file that is open.
    fn on_open(&mut self) {
        if self.open.is_empty() {
            return self.open();
        }
        let at = self.chance.below(self.open.len());
        let (file, handle, known) = self.open[at].clone();
        if self.chance.one_in(12) {
            self.open.remove(at);
            return self.close(file, &handle, known);
        }
        let model = &self.out.files[file];
        if model.writes {
            let count = 1 + self.chance.below(700);
            let bytes = self.chance.bytes(count);
            let end = model.up.keys().next_back().map_or(0, |last| last + 1);
            let offset = match self.chance.below(40) {
                0 => end + 10,
                1 => end.saturating_sub(10),
                _ => end,
            };
            for (place, byte) in (offset..).zip(&bytes) {
                let passed = self.out.files[file].up.entry(place).or_default();
                *passed = (passed.0 + 1, *byte);
            }
            self.out.files[file].up_bytes += bytes.len() as u64;
            let length = bytes.len() as u64;
            self.ask(move |id| packets::write(id, &handle, offset, &bytes), known, What::Write { file, length });
        } else {
            let offset = self.chance.below(3500) as u64;
            let length = self.chance.below(900) as u32;
            self.ask(|id| packets::read(id, &handle, offset, length), known, What::Read { file, offset, length });
        }
    }

    fn answer_last(&mut self) {
        let waits = self.waits.pop().unwrap();
        self.answer(waits);
    }

    fn answer_one(&mut self) {
        let at = self.chance.below(self.waits.len().min(8));
        let waits = self.waits.remove(at);
        // OpenSSH's server answers in order. One that does not still closes a file after what came before.
        if let What::Close { file } = waits.what {
            let before: Vec<usize> = (0..self.waits.len()).filter(|at| self.waits[*at].about(file)).collect();
            for at in before.into_iter().rev() {
                let earlier = self.waits.remove(at);
                self.answer(earlier);
            }
        }
        self.answer(waits);
    }

    /// The target answers. What a shorter answer than asked left to be read.
    fn answer(&mut self, waits: Waits) -> Option<(u64, u32)> {
        let Waits { id, request_ends, what } = waits;
        self.out.requests.push(id);
        let mut left = None;
        let packet = match what {
            What::Act { text, answer } => {
                let (packet, code) = answer(id, self.chance);
                self.out.answered.push((text, code));
                packet
            }
            What::Directory { text } => {
                self.next_handle += 1;
                self.out.answered.push((text, 0));
                packets::handle(id, &self.next_handle.to_be_bytes())
            }
            What::Open { text, file } => self.answer_open(id, text, file),
            What::Read { file, offset, length } => {
                let (packet, more) = self.answer_read(id, file, offset, length);
                left = more;
                packet
            }
            What::Write { file, length } => {
                let code = if self.chance.one_in(60) { 4 } else { 0 };
                let model = &mut self.out.files[file];
                model.failed |= code != 0;
                model.up_confirmed += if code == 0 { length } else { 0 };
                packets::status(id, code)
            }
            What::Close { .. } => packets::status(id, 0),
        };
        self.target(packet, request_ends);
        left
    }

    fn answer_open(&mut self, id: u32, text: String, file: usize) -> Vec<u8> {
        if self.chance.one_in(8) {
            self.out.answered.push((text, 2));
            return packets::status(id, 2);
        }
        self.next_handle += 1;
        let handle = self.next_handle.to_be_bytes().to_vec();
        self.out.answered.push((text, 0));
        self.out.opened.push(file);
        let packet = packets::handle(id, &handle);
        self.open.push((file, handle, self.lengths[1] + packet.len()));
        packet
    }

    fn answer_read(&mut self, id: u32, file: usize, offset: u64, length: u32) -> (Vec<u8>, Option<(u64, u32)>) {
        let chance = &mut *self.chance;
        let model = &mut self.out.files[file];
        let rest = model.content.get(offset as usize..).unwrap_or_default();
        if rest.is_empty() {
            return (packets::status(id, 1), None);
        }
        let mut count = rest.len().min(length as usize);
        if count > 1 && chance.one_in(5) {
            count = 1 + chance.below(count);
        }
        let bytes = rest[..count].to_vec();
        for (place, byte) in (offset..).zip(&bytes) {
            let passed = model.down.entry(place).or_default();
            *passed = (passed.0 + 1, *byte);
        }
        model.down_bytes += count as u64;
        let end = offset + count as u64;
        let more =
            (count < length as usize && end < model.content.len() as u64).then_some((end, length - count as u32));
        (packets::data(id, &bytes), more)
    }
}

impl Waits {
    fn about(&self, which: usize) -> bool {
        match self.what {
            What::Read { file, .. } | What::Write { file, .. } | What::Close { file } => file == which,
            What::Act { .. } | What::Open { .. } | What::Directory { .. } => false,
        }
    }
}
