//! What is open on the target, by its handle.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::limits::{OPEN_COST, SIZES};
use crate::act::{FileAct, Writing};
use crate::facts::{Detail, FileFact, FileId, Outcome, Refusal, SftpFile, Status, Undigested};
use crate::flow::{Flow, Room};
use crate::path::RawPath;

/// Something open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) path: RawPath,
    kind: Kind,
    /// Requests on it that wait for their answer, its closing included.
    waiting: u32,
    closing: Closing,
}

#[derive(Debug)]
enum Kind {
    Directory,
    File(Box<File>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Closing {
    NotAsked,
    Asked,
    Answered(Status),
}

#[derive(Debug)]
pub(super) struct File {
    reading: Option<Reading>,
    writing: Option<(Writing, Flow)>,
    resized: Option<u64>,
    first_failure: Option<Status>,
    kept: [u64; 2],
}

/// A file that is read, and where the target says that it ends.
#[derive(Debug)]
struct Reading {
    flow: Flow,
    /// Where the target answered a read with the end of the file.
    end_of_file: Option<u64>,
    /// The size the target told.
    told: Option<u64>,
    /// The last answer that was shorter than asked: where it ended, and where the request ended.
    short: Option<(u64, u64)>,
}

impl Reading {
    fn new(told: Option<u64>) -> Self {
        Self { flow: Flow::new(), end_of_file: None, told, short: None }
    }

    /// Did what passed reach the end that the target told? Where an answer was shorter than asked, the end of the file may also have been told
    /// anywhere in what was asked and did not come.
    fn reached_end(&self) -> bool {
        let end = self.flow.end();
        let asked = match self.short {
            Some((ended, asked)) if ended == end => asked,
            _ => end,
        };
        self.end_of_file.is_some_and(|at| end <= at && at <= asked) || self.told == Some(end)
    }

    /// The target told the end of the file. Of several ends the lowest that is not below what passed counts: a file may have grown.
    fn ended_at(&mut self, offset: u64) {
        let before = self.end_of_file.filter(|before| *before >= self.flow.end());
        self.end_of_file = Some(before.map_or(offset, |before| before.min(offset)));
    }
}

impl File {
    fn of(act: &FileAct, told: Option<u64>) -> Option<Self> {
        let (reading, writing) = match act {
            FileAct::Read { .. } => (Some(Reading::new(told)), None),
            FileAct::Write { how, .. } => (None, Some(*how)),
            FileAct::ReadWrite { how, .. } => (Some(Reading::new(told)), Some(*how)),
            FileAct::List { .. }
            | FileAct::Stat { .. }
            | FileAct::Resolve { .. }
            | FileAct::SetAttributes { .. }
            | FileAct::Remove { .. }
            | FileAct::Rename { .. }
            | FileAct::MakeDirectory { .. }
            | FileAct::RemoveDirectory { .. }
            | FileAct::Symlink { .. }
            | FileAct::Hardlink { .. }
            | FileAct::CopyData { .. }
            | FileAct::Inquire { .. }
            | FileAct::Other { .. } => return None,
        };
        let written = |how: Writing| {
            let flow = if how.append { Flow::without_digest(Undigested::Appended) } else { Flow::new() };
            (how, flow)
        };
        Some(Self { reading, writing: writing.map(written), resized: None, first_failure: None, kept: [0; 2] })
    }

    fn failed(&mut self, status: Status) {
        self.first_failure.get_or_insert(status);
    }

    /// Counts content as shown; tells how much of it is still within the limit.
    pub(super) fn keep(&mut self, side: Way, bytes: usize, limit: u64) -> usize {
        let [up, down] = &mut self.kept;
        let kept = match side {
            Way::Up => up,
            Way::Down => down,
        };
        let some = limit.saturating_sub(*kept).min(bytes as u64);
        *kept += some;
        usize::try_from(some).unwrap_or(bytes)
    }

    pub(super) fn flow(&mut self, way: Way) -> Option<&mut Flow> {
        match way {
            Way::Up => self.writing.as_mut().map(|(_, flow)| flow),
            Way::Down => self.reading.as_mut().map(|reading| &mut reading.flow),
        }
    }
}

/// Which of a file's flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
}

/// The table of what is open.
#[derive(Debug)]
pub(super) struct Files {
    open: BTreeMap<FileId, Open>,
    /// Handles that may still be used; one that is being closed is no longer here, and the target may give it out again.
    by_handle: HashMap<Vec<u8>, FileId>,
    next: u64,
    text: usize,
    pub(super) room: Room,
    /// Sizes the target told of paths, newest last.
    sizes: VecDeque<(RawPath, u64)>,
}

impl Files {
    pub(super) fn new(room: Room) -> Self {
        Self { open: BTreeMap::new(), by_handle: HashMap::new(), next: 0, text: 0, room, sizes: VecDeque::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn text(&self) -> usize {
        self.text
    }

    pub(super) fn memory(&self) -> usize {
        let sizes: usize = self.sizes.iter().map(|(path, _)| path.len() + size_of::<u64>()).sum();
        self.open.len() * OPEN_COST + self.text + self.room.used() + sizes
    }

    pub(super) fn find(&self, handle: &[u8]) -> Result<FileId, Refusal> {
        self.by_handle.get(handle).copied().ok_or(Refusal::NotOpen)
    }

    pub(super) fn path(&self, file: FileId) -> RawPath {
        self.open.get(&file).map(|open| open.path.clone()).unwrap_or_default()
    }

    /// Finds a handle of a file that was opened for going this way.
    pub(super) fn find_for(&mut self, handle: &[u8], way: Way) -> Result<FileId, Refusal> {
        let file = self.find(handle)?;
        let flows = self.file(file).is_some_and(|file| file.flow(way).is_some());
        if flows { Ok(file) } else { Err(Refusal::NotOpenedForThis) }
    }

    pub(super) fn find_directory(&self, handle: &[u8]) -> Result<FileId, Refusal> {
        let file = self.find(handle)?;
        match self.open.get(&file).map(|open| &open.kind) {
            Some(Kind::Directory) => Ok(file),
            Some(Kind::File(_)) | None => Err(Refusal::NotOpenedForThis),
        }
    }

    pub(super) fn file(&mut self, file: FileId) -> Option<&mut File> {
        match &mut self.open.get_mut(&file)?.kind {
            Kind::File(file) => Some(file),
            Kind::Directory => None,
        }
    }

    /// Both borrowed at once, for showing content with its path.
    pub(super) fn file_and_room(&mut self, file: FileId) -> Option<(&RawPath, &mut File, &mut Room)> {
        let Open { path, kind, .. } = self.open.get_mut(&file)?;
        match kind {
            Kind::File(file) => Some((path, file, &mut self.room)),
            Kind::Directory => None,
        }
    }

    /// The target has opened what was asked for. `None` where its handle is open already.
    pub(super) fn opened(&mut self, handle: &[u8], act: &FileAct) -> Option<Opened> {
        if self.by_handle.contains_key(handle) {
            return None;
        }
        let path = act.paths().first().copied().cloned().unwrap_or_default();
        let id = FileId(self.next);
        self.next += 1;
        self.by_handle.insert(handle.to_vec(), id);
        self.text += path.len();
        if act.changes() {
            self.sizes.retain(|(known, _)| *known != path);
        }
        let told = self.sizes.iter().find(|(known, _)| *known == path).map(|(_, size)| *size);
        let (kind, opened) = match File::of(act, told) {
            Some(file) => (Kind::File(Box::new(file)), Opened::File(id)),
            None => (Kind::Directory, Opened::Directory),
        };
        self.open.insert(id, Open { path, kind, waiting: 0, closing: Closing::NotAsked });
        Some(opened)
    }

    pub(super) fn told_size(&mut self, path: RawPath, size: u64) {
        self.sizes.retain(|(known, _)| *known != path);
        if self.sizes.len() >= SIZES {
            self.sizes.pop_front();
        }
        self.sizes.push_back((path, size));
    }

    pub(super) fn told_size_of_open(&mut self, file: FileId, size: u64) {
        if let Some(reading) = self.file(file).and_then(|file| file.reading.as_mut()) {
            reading.told = Some(size);
        }
    }

    /// A request on it went to the target.
    pub(super) fn asked(&mut self, file: FileId) {
        if let Some(open) = self.open.get_mut(&file) {
            open.waiting = open.waiting.saturating_add(1);
        }
    }

    /// Its closing went to the target: the handle is no longer to be used.
    pub(super) fn closing(&mut self, handle: &[u8], file: FileId) {
        self.by_handle.remove(handle);
        if let Some(open) = self.open.get_mut(&file) {
            open.closing = Closing::Asked;
        }
    }

    pub(super) fn closed(&mut self, file: FileId, status: Status) {
        if let Some(open) = self.open.get_mut(&file) {
            open.closing = Closing::Answered(status);
        }
    }

    pub(super) fn read_answered(&mut self, file: FileId, offset: u64, status: Status) {
        let Some(file) = self.file(file) else { return };
        match (status, &mut file.reading) {
            (Status::EOF, Some(reading)) => {
                reading.ended_at(offset);
            }
            (Status::OK, _) => {}
            _ => file.failed(status),
        }
    }

    /// A packet of content came to its end.
    pub(super) fn read_whole(&mut self, file: FileId, offset: u64, asked: u32, length: u32) {
        let Some(reading) = self.file(file).and_then(|file| file.reading.as_mut()) else { return };
        reading.flow.confirm(u64::from(length));
        let ended = offset.saturating_add(u64::from(length));
        if length < asked && reading.flow.end() == ended {
            reading.short = Some((ended, offset.saturating_add(u64::from(asked))));
        }
    }

    pub(super) fn write_answered(&mut self, file: FileId, length: u32, status: Status) {
        let Some((_, file, room)) = self.file_and_room(file) else { return };
        if status != Status::OK {
            file.failed(status);
        }
        let Some(flow) = file.flow(Way::Up) else { return };
        match status {
            Status::OK => flow.confirm(u64::from(length)),
            _ => flow.give_up(Undigested::Unconfirmed, room),
        }
    }

    pub(super) fn resized(&mut self, file: FileId, size: u64) {
        let Some((_, file, room)) = self.file_and_room(file) else { return };
        file.resized = Some(size);
        if let Some(flow) = file.flow(Way::Up).filter(|flow| flow.end() > size) {
            flow.give_up(Undigested::Cut, room);
        }
    }

    /// The target was told to copy into it; also where that failed, a part may be there.
    pub(super) fn copied(&mut self, file: FileId) {
        let Some((_, file, room)) = self.file_and_room(file) else { return };
        if let Some(flow) = file.flow(Way::Up) {
            flow.give_up(Undigested::Copied, room);
        }
    }

    /// An answer came; where it was the last one of something closed, that has ended.
    pub(super) fn answered(&mut self, file: FileId) -> Option<FileFact> {
        let open = self.open.get_mut(&file)?;
        open.waiting = open.waiting.saturating_sub(1);
        if open.waiting > 0 || !matches!(open.closing, Closing::Answered(_)) {
            return None;
        }
        self.ended(file)
    }

    /// The channel has ended, and with it all that is open.
    pub(super) fn end(&mut self) -> Vec<FileFact> {
        self.by_handle.clear();
        let all: Vec<_> = self.open.keys().copied().collect();
        all.into_iter().filter_map(|file| self.ended(file)).collect()
    }

    /// A write was never answered.
    pub(super) fn never_confirmed(&mut self, file: FileId) {
        let Some((_, file, room)) = self.file_and_room(file) else { return };
        if let Some(flow) = file.flow(Way::Up) {
            flow.give_up(Undigested::Unconfirmed, room);
        }
    }

    fn ended(&mut self, id: FileId) -> Option<FileFact> {
        let open = self.open.remove(&id)?;
        self.text -= open.path.len();
        let Kind::File(file) = open.kind else { return None };
        Some(file.ended(id, open.path, open.waiting, open.closing, &mut self.room))
    }
}

/// What a handle turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opened {
    File(FileId),
    Directory,
}

impl File {
    fn ended(self, id: FileId, path: RawPath, waiting: u32, closing: Closing, room: &mut Room) -> FileFact {
        let unanswered = waiting.saturating_sub(u32::from(closing == Closing::Asked));
        let closing = match closing {
            Closing::NotAsked => None,
            Closing::Asked => Some(Outcome::Unanswered),
            Closing::Answered(Status::OK) => Some(Outcome::Done),
            Closing::Answered(status) => Some(Outcome::Failed(status)),
        };
        let outcome = match (self.first_failure, &closing, unanswered) {
            (Some(status), _, _) => Outcome::Failed(status),
            (None, Some(closing), 0) => closing.clone(),
            (None, _, _) => Outcome::Unanswered,
        };
        let uploaded = self.writing.map(|(how, flow)| {
            let ends = match (self.resized.is_some_and(|size| size > flow.end()), &closing) {
                (true, _) => Err(Undigested::Gaps),
                (false, None) => Err(Undigested::NotToTheEnd),
                (false, Some(_)) => Ok(()),
            };
            (how, flow.finish(ends, room))
        });
        let downloaded = self.reading.map(|reading| {
            let ends = if reading.reached_end() { Ok(()) } else { Err(Undigested::NotToTheEnd) };
            reading.flow.finish(ends, room)
        });
        let detail = SftpFile {
            writing: uploaded.as_ref().map(|(how, _)| *how),
            resized: self.resized,
            first_failure: self.first_failure,
            unanswered,
            closing,
        };
        FileFact {
            file: id,
            path,
            uploaded: uploaded.map(|(_, flow)| flow),
            downloaded,
            outcome,
            detail: Detail::Sftp(detail),
        }
    }
}
