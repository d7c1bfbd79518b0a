//! What a request's packet says, read strictly.

use super::wire::{self, Reader, Unreadable};
use crate::act::{Attributes, FileAct, Writing};
use crate::facts::Refusal;
use crate::path::RawPath;

/// A request of the client, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// Judged by itself.
    Act {
        act: FileAct,
        answer: Answer,
    },
    /// Judged by the path that its handle was opened with.
    StatOpen {
        handle: Vec<u8>,
        answer: Answer,
    },
    SetOpen {
        handle: Vec<u8>,
        to: Attributes,
    },
    Copy {
        from: Vec<u8>,
        to: Vec<u8>,
    },
    /// Follow what was decided at the opening.
    Close {
        handle: Vec<u8>,
    },
    Read {
        handle: Vec<u8>,
        offset: u64,
        asked: u32,
    },
    ReadDirectory {
        handle: Vec<u8>,
    },
    Sync {
        handle: Vec<u8>,
    },
}

/// What answers fit a request, beside a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Status,
    Handle,
    Names,
    Attributes,
    Extended,
    Anything,
}

/// The head of a WRITE, after which the content comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) handle: Vec<u8>,
    pub(super) offset: u64,
    pub(super) length: u32,
    /// Bytes of the packet before the content, its length field included.
    pub(super) head: usize,
}

/// As much of a WRITE as must be there to decide it: length, type, id, handle, offset, length of the content.
pub(super) const WRITE_HEAD: usize = 4 + 1 + 4 + (4 + super::limits::HANDLE) + 8 + 4;

type Parsed<T> = Result<T, Refusal>;

impl From<Unreadable> for Refusal {
    fn from(unreadable: Unreadable) -> Self {
        Self::Malformed { field: unreadable.0 }
    }
}

/// Reads the body of a request other than WRITE: what stands after type and id.
pub(super) fn request(packet: u8, body: &[u8], path_limit: usize) -> Parsed<Request> {
    let mut fields = Fields { reader: Reader::new(body), path_limit };
    let request = match packet {
        wire::OPEN => fields.open()?,
        wire::CLOSE => Request::Close { handle: fields.handle()? },
        wire::READ => fields.read()?,
        wire::LSTAT | wire::STAT => Request::act(FileAct::Stat { path: fields.path()? }, Answer::Attributes),
        wire::FSTAT => Request::StatOpen { handle: fields.handle()?, answer: Answer::Attributes },
        wire::SETSTAT => fields.set_attributes()?,
        wire::FSETSTAT => Request::SetOpen { handle: fields.handle()?, to: fields.attributes()? },
        wire::OPENDIR => Request::act(FileAct::List { path: fields.path()? }, Answer::Handle),
        wire::READDIR => Request::ReadDirectory { handle: fields.handle()? },
        wire::REMOVE => Request::act(FileAct::Remove { path: fields.path()? }, Answer::Status),
        wire::MKDIR => {
            let (path, permissions) = (fields.path()?, fields.attributes()?.permissions);
            Request::act(FileAct::MakeDirectory { path, permissions }, Answer::Status)
        }
        wire::RMDIR => Request::act(FileAct::RemoveDirectory { path: fields.path()? }, Answer::Status),
        wire::REALPATH | wire::READLINK => Request::act(FileAct::Resolve { path: fields.path()? }, Answer::Names),
        wire::RENAME => fields.rename()?,
        wire::SYMLINK => {
            let (leads_to, link) = (fields.path()?, fields.path()?);
            Request::act(FileAct::Symlink { leads_to, link }, Answer::Status)
        }
        wire::EXTENDED => return fields.extended(),
        other => return Err(Refusal::UnknownRequest(other)),
    };
    fields.reader.finish()?;
    Ok(request)
}

/// Reads the head of a WRITE. `packet` holds its first bytes, length included; `total` is the length of the whole.
pub(super) fn write(packet: &[u8], total: usize) -> Parsed<Write> {
    let mut fields = Fields { reader: Reader::new(packet.get(9..).unwrap_or_default()), path_limit: 0 };
    let handle = fields.handle()?;
    let offset = fields.reader.u64("offset")?;
    let length = fields.reader.u32("data")?;
    let head = packet.len() - fields.reader.left();
    if Some(total) != usize::try_from(length).ok().and_then(|length| length.checked_add(head)) {
        return Err(Refusal::Malformed { field: "data" });
    }
    offset.checked_add(u64::from(length)).ok_or(Refusal::Malformed { field: "offset" })?;
    Ok(Write { handle, offset, length, head })
}

impl Request {
    fn act(act: FileAct, answer: Answer) -> Self {
        Self::Act { act, answer }
    }
}

struct Fields<'a> {
    reader: Reader<'a>,
    path_limit: usize,
}

impl Fields<'_> {
    fn path(&mut self) -> Parsed<RawPath> {
        let bytes = self.reader.string("path")?;
        if bytes.len() > self.path_limit {
            return Err(Refusal::PathTooLong { limit: self.path_limit });
        }
        // OpenSSH's server ends at a zero byte; others would cut the path there and act on another than was judged.
        if bytes.contains(&0) {
            return Err(Refusal::Malformed { field: "path" });
        }
        Ok(bytes.into())
    }

    fn handle(&mut self) -> Parsed<Vec<u8>> {
        let bytes = self.reader.string("handle")?;
        if bytes.len() > super::limits::HANDLE { Err(Refusal::NotOpen) } else { Ok(bytes.to_vec()) }
    }

    fn open(&mut self) -> Parsed<Request> {
        let path = self.path()?;
        let flags = self.reader.u32("flags")?;
        let permissions = self.attributes()?.permissions;
        let unknown = flags & !(FOR_BOTH | wire::APPEND | wire::CREATE | wire::TRUNCATE | wire::EXCLUSIVE);
        if unknown != 0 {
            return Err(Refusal::UnknownFlags(unknown));
        }
        let set = |flag| flags & flag != 0;
        let how = Writing {
            append: set(wire::APPEND),
            create: set(wire::CREATE),
            truncate: set(wire::TRUNCATE),
            exclusive: set(wire::EXCLUSIVE),
            permissions,
        };
        // OpenSSH's server opens for reading where neither is asked for, and obeys the other flags all the same.
        let act = match (set(wire::FOR_READING) || !set(wire::FOR_WRITING), flags & !wire::FOR_READING != 0) {
            (true, true) => FileAct::ReadWrite { path, how },
            (true, false) => FileAct::Read { path },
            (false, _) => FileAct::Write { path, how },
        };
        Ok(Request::act(act, Answer::Handle))
    }

    fn read(&mut self) -> Parsed<Request> {
        let handle = self.handle()?;
        let offset = self.reader.u64("offset")?;
        let asked = self.reader.u32("length")?;
        offset.checked_add(u64::from(asked)).ok_or(Refusal::Malformed { field: "offset" })?;
        Ok(Request::Read { handle, offset, asked })
    }

    fn set_attributes(&mut self) -> Parsed<Request> {
        let (path, to) = (self.path()?, self.attributes()?);
        Ok(Request::act(FileAct::SetAttributes { path, to }, Answer::Status))
    }

    fn rename(&mut self) -> Parsed<Request> {
        let (from, to) = (self.path()?, self.path()?);
        Ok(Request::act(FileAct::Rename { from, to }, Answer::Status))
    }

    /// ATTRS (section 5 of the draft).
    fn attributes(&mut self) -> Parsed<Attributes> {
        let reader = &mut self.reader;
        let flags = reader.u32("attributes")?;
        let mut read = Attributes::default();
        if flags & 1 != 0 {
            read.size = Some(reader.u64("size")?);
        }
        if flags & 2 != 0 {
            read.owner = Some((reader.u32("uid")?, reader.u32("gid")?));
        }
        if flags & 4 != 0 {
            read.permissions = Some(reader.u32("permissions")?);
        }
        if flags & 8 != 0 {
            read.times = Some((reader.u32("atime")?, reader.u32("mtime")?));
        }
        if flags & EXTENDED_ATTRIBUTES != 0 {
            for _ in 0..reader.u32("extended attributes")? {
                reader.string("extended attribute")?;
                reader.string("extended attribute")?;
            }
        }
        match flags & !(1 | 2 | 4 | 8 | EXTENDED_ATTRIBUTES) {
            0 => Ok(read),
            unknown => Err(Refusal::UnknownFlags(unknown)),
        }
    }

    fn extended(mut self) -> Parsed<Request> {
        let name = self.reader.string("extension")?;
        if name.len() > MAX_EXTENSION || name.contains(&0) {
            return Err(Refusal::Malformed { field: "extension" });
        }
        let request = match name {
            b"posix-rename@openssh.com" => self.rename()?,
            b"hardlink@openssh.com" => {
                let (existing, link) = (self.path()?, self.path()?);
                Request::act(FileAct::Hardlink { existing, link }, Answer::Status)
            }
            b"lsetstat@openssh.com" => self.set_attributes()?,
            b"statvfs@openssh.com" => Request::act(FileAct::Stat { path: self.path()? }, Answer::Extended),
            b"fstatvfs@openssh.com" => Request::StatOpen { handle: self.handle()?, answer: Answer::Extended },
            b"fsync@openssh.com" => Request::Sync { handle: self.handle()? },
            b"expand-path@openssh.com" => Request::act(FileAct::Resolve { path: self.path()? }, Answer::Names),
            b"copy-data" => self.copy()?,
            b"limits@openssh.com" => Request::act(FileAct::Inquire { extension: name.into() }, Answer::Extended),
            b"home-directory" => {
                self.path()?;
                Request::act(FileAct::Inquire { extension: name.into() }, Answer::Names)
            }
            b"users-groups-by-id@openssh.com" => {
                self.reader.string("uids")?;
                self.reader.string("gids")?;
                Request::act(FileAct::Inquire { extension: name.into() }, Answer::Extended)
            }
            other => return Ok(Request::act(FileAct::Other { extension: other.into() }, Answer::Anything)),
        };
        self.reader.finish()?;
        Ok(request)
    }

    fn copy(&mut self) -> Parsed<Request> {
        let from = self.handle()?;
        self.reader.u64("offset")?;
        self.reader.u64("length")?;
        let to = self.handle()?;
        self.reader.u64("offset")?;
        Ok(Request::Copy { from, to })
    }
}

const FOR_BOTH: u32 = wire::FOR_READING | wire::FOR_WRITING;
const EXTENDED_ATTRIBUTES: u32 = 0x8000_0000;
/// Longest name of an extension, bytes.
const MAX_EXTENSION: usize = 256;
