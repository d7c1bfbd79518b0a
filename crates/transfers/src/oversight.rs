//! What the caller decides, and what it wants to keep.

use std::borrow::Cow;

use crate::act::FileAct;
use crate::facts::{Direction, FileId};
use crate::path::RawPath;

/// The caller's part: judges each request, and is shown content.
pub trait Oversight {
    /// Decides a request before a byte of it goes on. Called once for each request that has a meaning of its own; reads, writes and
    /// closes of a handle follow what was decided when it was opened.
    fn judge(&mut self, act: &FileAct) -> Verdict;

    /// Is shown content as it passes, in the order in which it passes, up to `keep_per_file` bytes for each file and direction. Content of an upload is shown
    /// before the target has confirmed it.
    fn keep(&mut self, content: Kept<'_>) {
        let _unkept = content;
    }
}

/// What is decided about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    /// The client is answered "permission denied" with this message, of which the first 256 bytes are sent.
    Refuse(Cow<'static, str>),
    /// Somebody must be asked first: the request waits, and nothing behind it is read, until `answer` is called.
    Ask,
}

/// Content that passes.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    pub file: FileId,
    pub path: &'a RawPath,
    pub direction: Direction,
    /// Where in the file the bytes stand, as the request said.
    pub offset: u64,
    pub bytes: &'a [u8],
}

/// Allows everything and keeps nothing: for a channel that is only observed.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllowAll;

impl Oversight for AllowAll {
    fn judge(&mut self, _: &FileAct) -> Verdict {
        Verdict::Allow
    }
}
