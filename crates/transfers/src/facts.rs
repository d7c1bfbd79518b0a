//! What comes out when something has ended.

use std::fmt;

use thiserror::Error;

use crate::act::{FileAct, Writing};
use crate::path::RawPath;
use crate::scp::Lost;

/// Something that has ended, or could not be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A judged request, when the target has answered it or never will. A file that was opened has one of these and, later, a [`Fact::File`].
    Act(ActFact),
    /// A file's content has passed, or will pass no more.
    File(Box<FileFact>),
    /// A request that was refused before it could be judged: it was not readable, or beyond a limit, or on a handle that is not open.
    Refused { request: u8, why: Refusal },
    /// A directory that scp entered.
    Directory(DirectoryFact),
    /// scp's own words about a file it cannot read or a step it cannot take.
    Complaint { by: Side, message: RawPath },
    /// From here on the scp streams do not read as scp. What came before stands; the rest passes unread.
    LostTrack(Lost),
    /// At the end: how many bytes passed after track was lost.
    Unfollowed { from_client: u64, from_target: u64 },
}

/// Whose words or bytes they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    Client,
    Target,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", if *self == Self::Client { "client" } else { "target" })
    }
}

/// A request and its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActFact {
    pub act: FileAct,
    pub outcome: Outcome,
    /// The file that was opened, where one was.
    pub file: Option<FileId>,
}

/// A file that was opened, counted from 0 within its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u64);

/// Which way content went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the client to the target.
    Upload,
    /// From the target to the client.
    Download,
    Both,
    /// No byte passed.
    Neither,
}

/// How something came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The target said that it is done.
    Done,
    /// The target said that it is not.
    Failed(Status),
    /// scp said in words that it is not. `by` is whose words they are.
    Complained { by: Side, message: RawPath },
    /// The gate refused it; the target never saw it.
    Refused(Refusal),
    /// The channel ended, or track was lost, before there was an answer.
    Unanswered,
}

/// A status code of the protocol (`SSH_FX_…`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(pub u32);

impl Status {
    pub const OK: Self = Self(0);
    pub const EOF: Self = Self(1);
    pub const NO_SUCH_FILE: Self = Self(2);
    pub const PERMISSION_DENIED: Self = Self(3);
    pub const FAILURE: Self = Self(4);
    pub const BAD_MESSAGE: Self = Self(5);
    pub const OP_UNSUPPORTED: Self = Self(8);
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => write!(f, "ok"),
            1 => write!(f, "end of file"),
            2 => write!(f, "no such file"),
            3 => write!(f, "permission denied"),
            4 => write!(f, "failure"),
            5 => write!(f, "bad message"),
            6 => write!(f, "no connection"),
            7 => write!(f, "connection lost"),
            8 => write!(f, "operation unsupported"),
            other => write!(f, "status {other}"),
        }
    }
}

/// Why the gate did not let a request through.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The judge's word.
    #[error("{0}")]
    Judged(String),
    #[error("the request's `{field}` does not read as SFTP version 3")]
    Malformed { field: &'static str },
    #[error("there is no request of type {0} in SFTP version 3")]
    UnknownRequest(u8),
    #[error("flags {0:#x} of the request have no meaning in SFTP version 3")]
    UnknownFlags(u32),
    #[error("the handle is not open")]
    NotOpen,
    #[error("the handle was not opened for this")]
    NotOpenedForThis,
    #[error("a path is longer than {limit} bytes")]
    PathTooLong { limit: usize },
    #[error("{limit} files are open; close some first")]
    TooManyOpen { limit: usize },
    #[error("{limit} requests wait for an answer; wait for some first")]
    TooManyWaiting { limit: usize },
    #[error("the paths of what is open and waiting are longer than {limit} bytes together")]
    TooMuchText { limit: usize },
}

impl Refusal {
    /// The code the client is answered with.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Judged(_) | Self::NotOpenedForThis => Status::PERMISSION_DENIED,
            Self::Malformed { .. } => Status::BAD_MESSAGE,
            Self::UnknownRequest(_) | Self::UnknownFlags(_) => Status::OP_UNSUPPORTED,
            Self::NotOpen
            | Self::PathTooLong { .. }
            | Self::TooManyOpen { .. }
            | Self::TooManyWaiting { .. }
            | Self::TooMuchText { .. } => Status::FAILURE,
        }
    }
}

/// A file whose content passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFact {
    pub file: FileId,
    /// Where it lies on the target, as far as the streams say; with scp see [`ScpFile::place`].
    pub path: RawPath,
    /// What came from the client; there where the file was opened for writing.
    pub uploaded: Option<Flow>,
    /// What went to the client; there where the file was opened for reading.
    pub downloaded: Option<Flow>,
    /// How it ended: `Done` where no part failed and the closing was confirmed.
    pub outcome: Outcome,
    pub detail: Detail,
}

impl FileFact {
    /// Which way content passed.
    #[must_use]
    pub fn direction(&self) -> Direction {
        let some = |flow: &Option<Flow>| flow.as_ref().is_some_and(|flow| flow.bytes > 0);
        match (some(&self.uploaded), some(&self.downloaded)) {
            (true, true) => Direction::Both,
            (true, false) => Direction::Upload,
            (false, true) => Direction::Download,
            (false, false) => Direction::Neither,
        }
    }

    /// Is the digest that of the whole file as it then lay on the target? For an upload only where the file was emptied or made anew before, or set to
    /// this size after; else older content may follow what passed. Without a digest never.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let digested = |flow: &Flow| flow.digest.is_ok();
        match (&self.uploaded, &self.downloaded, &self.detail) {
            (None, Some(down), _) => digested(down),
            (Some(up), None, Detail::Sftp(sftp)) => {
                let emptied = sftp.writing.is_some_and(|how| how.truncate || (how.create && how.exclusive));
                digested(up) && (emptied || sftp.resized == Some(up.end))
            }
            (Some(up), None, Detail::Scp(_)) => digested(up),
            (Some(_), Some(_), _) | (None, None, _) => false,
        }
    }
}

/// What a protocol says of a file beyond its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    Sftp(SftpFile),
    Scp(ScpFile),
}

/// What SFTP says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SftpFile {
    /// How it was opened for writing, where it was.
    pub writing: Option<Writing>,
    /// The size it was last set to while open, where the target confirmed that.
    pub resized: Option<u64>,
    /// The first status other than ok (and, for reads, end of file).
    pub first_failure: Option<Status>,
    /// Requests on the handle that were never answered, its closing not counted.
    pub unanswered: u32,
    /// What became of the request to close it; `None` where there was none.
    pub closing: Option<Outcome>,
}

/// What scp says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScpFile {
    /// The name as sent, with the directories entered before it.
    pub name: RawPath,
    pub place: Place,
    /// Permission bits as sent.
    pub mode: u32,
    /// The size as announced, bytes.
    pub size: u64,
    /// Last change and last access, seconds since 1970, where they were sent.
    pub times: Option<(u64, u64)>,
    pub oddities: Vec<Oddity>,
}

/// How sure a path of scp is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// As far as the streams say, the file lies at the path.
    Sure,
    /// The command's path is the folder, or (where it is no folder) the file itself; the target knows which.
    FolderOrFile,
    /// The shell expands the command's paths, or there are several: the path is the name alone.
    NameOnly,
}

/// What is wrong with a name that scp sent. The name is reported as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Oddity {
    Empty,
    Slash,
    Dot,
    DotDot,
    /// A byte below 32, or 127.
    Control,
    /// Not the last component of a path that was asked for.
    NotAsked,
}

/// A directory that scp entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryFact {
    pub direction: Direction,
    pub path: RawPath,
    /// The name as sent, with the directories entered before it.
    pub name: RawPath,
    pub place: Place,
    pub mode: u32,
    pub times: Option<(u64, u64)>,
    pub outcome: Outcome,
    pub oddities: Vec<Oddity>,
}

/// Content that went one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Bytes of content that passed, each time they passed.
    pub bytes: u64,
    /// Of these, how many the target confirmed (uploads) or sent in packets that were whole (downloads).
    pub confirmed: u64,
    /// One beyond the highest offset that passed.
    pub end: u64,
    /// SHA-256 of `0..end`, or why there is none.
    pub digest: Result<Digest, Undigested>,
}

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Why there is no digest of a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Undigested {
    /// Some bytes below the end never passed (also: the transfer began in the middle).
    #[error("there are gaps")]
    Gaps,
    #[error("some bytes passed more than once")]
    Overlapping,
    /// More had passed ahead of a gap than the window holds.
    #[error("too far out of order")]
    TooFarOutOfOrder,
    /// What passed stops before the end of the file, or where that is was never told.
    #[error("not to the end")]
    NotToTheEnd,
    /// The file was opened for appending: where the bytes went is known to the target alone.
    #[error("appended")]
    Appended,
    /// The target did not confirm a write.
    #[error("a write was not confirmed")]
    Unconfirmed,
    /// The file was cut below what had passed.
    #[error("cut after it passed")]
    Cut,
    /// The target copied into the file by itself.
    #[error("copied into on the target")]
    Copied,
}
