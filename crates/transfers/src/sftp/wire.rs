//! The bytes of the protocol: numbers of packets, a reader that leaves nothing over, the one packet the gate writes itself.

use crate::facts::Status;

pub(super) const INIT: u8 = 1;
pub(super) const VERSION: u8 = 2;
pub(super) const OPEN: u8 = 3;
pub(super) const CLOSE: u8 = 4;
pub(super) const READ: u8 = 5;
pub(super) const WRITE: u8 = 6;
pub(super) const LSTAT: u8 = 7;
pub(super) const FSTAT: u8 = 8;
pub(super) const SETSTAT: u8 = 9;
pub(super) const FSETSTAT: u8 = 10;
pub(super) const OPENDIR: u8 = 11;
pub(super) const READDIR: u8 = 12;
pub(super) const REMOVE: u8 = 13;
pub(super) const MKDIR: u8 = 14;
pub(super) const RMDIR: u8 = 15;
pub(super) const REALPATH: u8 = 16;
pub(super) const STAT: u8 = 17;
pub(super) const RENAME: u8 = 18;
pub(super) const READLINK: u8 = 19;
pub(super) const SYMLINK: u8 = 20;
pub(super) const STATUS: u8 = 101;
pub(super) const HANDLE: u8 = 102;
pub(super) const DATA: u8 = 103;
pub(super) const NAME: u8 = 104;
pub(super) const ATTRS: u8 = 105;
pub(super) const EXTENDED: u8 = 200;
pub(super) const EXTENDED_REPLY: u8 = 201;

/// Flags of an OPEN.
pub(super) const FOR_READING: u32 = 1;
pub(super) const FOR_WRITING: u32 = 2;
pub(super) const APPEND: u32 = 4;
pub(super) const CREATE: u32 = 8;
pub(super) const TRUNCATE: u32 = 16;
pub(super) const EXCLUSIVE: u32 = 32;

/// Longest sentence in an answer of the gate's own, bytes.
const SENTENCE: usize = 256;

/// Which field of a packet does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) &'static str);

/// A cursor over the body of one packet. Each method names the field it reads.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Unreadable> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Unreadable(field))?;
        self.rest = rest;
        Ok(*head)
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, Unreadable> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self, field: &'static str) -> Result<u64, Unreadable> {
        self.array(field).map(u64::from_be_bytes)
    }

    pub(super) fn string(&mut self, field: &'static str) -> Result<&'a [u8], Unreadable> {
        let length = usize::try_from(self.u32(field)?).map_err(|_| Unreadable(field))?;
        let (head, rest) = self.rest.split_at_checked(length).ok_or(Unreadable(field))?;
        self.rest = rest;
        Ok(head)
    }

    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn finish(self) -> Result<(), Unreadable> {
        if self.rest.is_empty() { Ok(()) } else { Err(Unreadable("end")) }
    }
}

/// The gate's own answer to a request: a whole STATUS packet.
pub(super) fn status(id: u32, status: Status, sentence: &str) -> Vec<u8> {
    let sentence = sentence.get(..sentence.floor_char_boundary(SENTENCE)).unwrap_or_default();
    let mut body = vec![STATUS];
    body.extend_from_slice(&id.to_be_bytes());
    body.extend_from_slice(&status.0.to_be_bytes());
    for text in [sentence.as_bytes(), b"en"] {
        body.extend_from_slice(&length_of(text));
        body.extend_from_slice(text);
    }
    let mut packet = length_of(&body).to_vec();
    packet.extend_from_slice(&body);
    packet
}

fn length_of(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).expect("a sentence is at most 256 bytes").to_be_bytes()
}
