//! One thing that happened in a session: its kind, where, which way, when, and its bytes.

use std::time::Duration;

use crate::format::{put_varint, take_byte, take_varint};

/// What happened. The codes are fixed for ever; new kinds take new codes, and readers pass over codes they do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A channel was opened; its type.
    Open = 1,
    /// Bytes that flowed through a channel.
    Data = 2,
    /// The window changed; [`crate::body::Window`].
    Resize = 3,
    /// A command was asked for; its bytes.
    Exec = 4,
    /// A variable was set; [`crate::body::Env`].
    Env = 5,
    /// A signal was sent; its name without `SIG`.
    Signal = 6,
    /// One side will send no more; no bytes.
    Eof = 7,
    /// The program ended; [`crate::body::ExitStatus`].
    ExitStatus = 8,
    /// The program was killed; [`crate::body::ExitSignal`].
    ExitSignal = 9,
    /// A channel was closed; no bytes.
    Close = 10,
    /// Bytes that the gateway itself injected: they did not come from the target.
    Notice = 11,
    /// The session was frozen; why, as text.
    Frozen = 12,
    /// The session goes on; why, as text.
    Thawed = 13,
    /// Bytes passed unrecorded; [`crate::body::Count`].
    Gap = 14,
    /// Input was recorded as a count only; [`crate::body::Count`].
    InputMasked = 15,
    /// Anything else the gateway has to say; JSON.
    Event = 16,
    /// A terminal was asked for; [`crate::body::Pty`].
    Pty = 17,
    /// A login shell was asked for; no bytes.
    Shell = 18,
    /// A subsystem was asked for; its name.
    Subsystem = 19,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 19] = [
        Self::Open,
        Self::Data,
        Self::Resize,
        Self::Exec,
        Self::Env,
        Self::Signal,
        Self::Eof,
        Self::ExitStatus,
        Self::ExitSignal,
        Self::Close,
        Self::Notice,
        Self::Frozen,
        Self::Thawed,
        Self::Gap,
        Self::InputMasked,
        Self::Event,
        Self::Pty,
        Self::Shell,
        Self::Subsystem,
    ];

    /// The code in the file, 1 to 127.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind with this code, if this version knows it.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// Which way bytes flowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Neither: a fact about the session or channel.
    None,
    /// From the person to the target.
    In,
    /// From the target to the person: standard output.
    Out,
    /// From the target to the person: standard error.
    Err,
}

impl Direction {
    const ALL: [Self; 4] = [Self::None, Self::In, Self::Out, Self::Err];

    const fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::In => 1,
            Self::Out => 2,
            Self::Err => 3,
        }
    }
}

/// A frame as it is read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The kind's code; [`Frame::kind`] gives its meaning.
    pub code: u8,
    /// The channel's number within the session.
    pub channel: u32,
    pub direction: Direction,
    /// Since the session's start, by a clock that does not go back; whole microseconds.
    pub at: Duration,
    pub bytes: &'a [u8],
}

impl Frame<'_> {
    /// None when a later version wrote a kind that this one does not know: pass over it, but say so.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        Kind::from_code(self.code)
    }
}

/// Set on a frame's kind when its bytes go on in the first frame of the next chunk.
pub(crate) const CONTINUES: u8 = 0x80;
/// Kind, direction, channel (5), time (10), length (3).
pub(crate) const MAX_FRAME_HEAD: usize = 20;
/// The base time in front of a chunk's frames.
pub(crate) const MAX_BASE: usize = 10;

/// A frame or a piece of one as it stands in a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) code: u8,
    pub(crate) part: Part,
    pub(crate) direction: Direction,
    pub(crate) channel: u32,
    /// Microseconds since the frame before, or since the chunk's base time.
    pub(crate) dt: u64,
    pub(crate) bytes: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// More of the frame follows in the next chunk.
    Continues,
    Ends,
}

impl<'a> Piece<'a> {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let continues = if self.part == Part::Continues { CONTINUES } else { 0 };
        out.extend_from_slice(&[self.code | continues, self.direction.code()]);
        put_varint(out, u64::from(self.channel));
        put_varint(out, self.dt);
        put_varint(out, self.bytes.len() as u64);
        out.extend_from_slice(self.bytes);
    }

    /// Takes a piece off the front, or says what is wrong with it.
    pub(crate) fn take(from: &mut &'a [u8]) -> Result<Self, &'static str> {
        let kind = take_byte(from).ok_or("a frame is cut off")?;
        let direction = take_byte(from).ok_or("a frame is cut off")?;
        let direction = Direction::ALL.into_iter().find(|known| known.code() == direction);
        let direction = direction.ok_or("a direction is unknown")?;
        let channel = take_varint(from).and_then(|channel| channel.try_into().ok()).ok_or("a channel is malformed")?;
        let dt = take_varint(from).ok_or("a time is malformed")?;
        let len = take_varint(from).and_then(|len| usize::try_from(len).ok()).ok_or("a length is malformed")?;
        let bytes = from.split_off(..len).ok_or("a frame is longer than its chunk")?;
        let (code, part) = (kind & !CONTINUES, if kind & CONTINUES == 0 { Part::Ends } else { Part::Continues });
        if code == 0 {
            return Err("a kind is zero");
        }
        Ok(Self { code, part, direction, channel, dt, bytes })
    }
}

/// What the last chunk says about the whole, so that a reader can compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// When the recording was closed, since its start.
    pub ended: Duration,
    /// Frames of any kind.
    pub frames: u64,
    /// Bytes of [`Kind::Data`] frames by direction.
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub bytes_err: u64,
}

impl Totals {
    pub(crate) const LEN: usize = 40;

    pub(crate) fn count(&mut self, code: u8, direction: Direction, len: usize) {
        self.frames += 1;
        if code != Kind::Data.code() {
            return;
        }
        match direction {
            Direction::In => self.bytes_in += len as u64,
            Direction::Out => self.bytes_out += len as u64,
            Direction::Err => self.bytes_err += len as u64,
            Direction::None => {}
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let fields = [micros(self.ended), self.frames, self.bytes_in, self.bytes_out, self.bytes_err];
        let mut bytes = [0; Self::LEN];
        for (place, field) in bytes.chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_be_bytes());
        }
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().ok()?;
        let (fields, _) = bytes.as_chunks::<8>();
        let field = |at: usize| u64::from_be_bytes(fields[at]);
        let ended = Duration::from_micros(field(0));
        Some(Self { ended, frames: field(1), bytes_in: field(2), bytes_out: field(3), bytes_err: field(4) })
    }
}

/// Whole microseconds; saturates after half a million years.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_kind_has_its_own_code_that_leads_back() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_code(kind.code()), Some(kind));
        }
        let codes: BTreeSet<u8> = Kind::ALL.into_iter().map(Kind::code).collect();
        assert!(codes.into_iter().eq(1..=19), "the codes are the documented ones");
        assert_eq!(Kind::from_code(0), None);
        assert_eq!(Kind::from_code(127), None);
    }

    proptest! {
        #[test]
        fn pieces_come_back_and_are_never_longer_than_reserved(
            code in 1..128u8, way in 0..4usize, channel: u32, dt: u64, bytes: Vec<u8>, continues: bool,
        ) {
            let part = if continues { Part::Continues } else { Part::Ends };
            let piece = Piece { code, part, direction: Direction::ALL[way], channel, dt, bytes: &bytes };
            let mut out = Vec::new();
            piece.put(&mut out);
            prop_assert!(out.len() <= MAX_FRAME_HEAD + bytes.len());
            let mut rest = out.as_slice();
            prop_assert_eq!((Piece::take(&mut rest), rest.len()), (Ok(piece), 0));
        }

        #[test]
        fn arbitrary_bytes_are_read_or_refused_without_a_panic(bytes: Vec<u8>) {
            let mut rest = bytes.as_slice();
            if let Ok(piece) = Piece::take(&mut rest) {
                let mut again = Vec::new();
                piece.put(&mut again);
                prop_assert_eq!(again, &bytes[..bytes.len() - rest.len()]);
            }
        }

        #[test]
        fn totals_come_back(fields: [u32; 5]) {
            let [ended, frames, bytes_in, bytes_out, bytes_err] = fields.map(u64::from);
            let totals = Totals { ended: Duration::from_micros(ended), frames, bytes_in, bytes_out, bytes_err };
            prop_assert_eq!(Totals::from_bytes(&totals.to_bytes()), Some(totals));
        }
    }

    #[test]
    fn totals_of_another_length_are_refused() {
        assert_eq!(Totals::from_bytes(&[0; 39]), None);
        assert_eq!(Totals::from_bytes(&[0; 41]), None);
    }
}
