//! Reading with the session key: every frame in order, every chunk verified, and how the recording ends.

use std::{
    fmt,
    fs::File,
    io::{BufReader, Read},
    ops::Range,
    path::Path,
    time::Duration,
};

use envelope::StreamOpener;
use zstd::bulk::Decompressor;

use crate::{
    Anchor, Direction, Error, Fault, Frame, Header, Result, SessionKey, Totals,
    format::{ChunkHead, Content, MAX_CHUNK, MAX_FRAME, take_varint},
    frame::{Part, Piece},
    header,
    structure::{Chunks, State, Step},
};

/// How a recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its last chunk is there, and its totals are those of the frames that were read.
    Closed(Totals),
    /// It has no last chunk.
    Cut(Cut),
}

/// A recording that was cut off, or is still being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Whole chunks, all of which were read.
    pub chunks: u64,
    /// Bytes of a chunk that is not whole.
    pub torn_bytes: u64,
    /// Whether the last frame that was given is all of that frame.
    pub last_frame: LastFrame,
}

/// What the cut did to the last frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastFrame {
    Whole,
    /// The frame went on in a chunk that is not there; what there is of it was given.
    Unfinished,
}

/// Gives a recording's frames in order. The first thing that is wrong ends it with an error that names the chunk; frames
/// given before that were verified.
pub struct Reader<R> {
    header: Header,
    chunks: Chunks<R>,
    opener: StreamOpener,
    zstd: Decompressor<'static>,
    /// Plaintext of the current chunk.
    plain: Vec<u8>,
    /// How far it has been read.
    at: usize,
    /// Time of the frame last read, in microseconds.
    now_us: u64,
    /// A frame whose pieces come from several chunks.
    long: Option<FrameHead>,
    /// The bytes of the long frame last completed.
    long_bytes: Vec<u8>,
    totals: Totals,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Reading,
    Ended(Ending),
    /// Something was wrong; nothing behind it is given out.
    Failed,
}

impl Reader<BufReader<File>> {
    /// Opens the recording at `path`.
    ///
    /// # Errors
    /// As [`Reader::new`], and [`Error::File`].
    pub fn open(path: &Path, key: &SessionKey) -> Result<Self> {
        Self::new(BufReader::new(header::open(path)?), key)
    }
}

impl<R: Read> Reader<R> {
    /// Reads the header and checks it against the key. Compare [`Reader::header`] with the ledger by [`Header::expect`].
    ///
    /// # Errors
    /// All that [`Header::read`] refuses, [`Error::WrongKey`], [`Error::WrongHeader`].
    ///
    /// # Panics
    /// When there is no memory for a decompressor.
    pub fn new(mut source: R, key: &SessionKey) -> Result<Self> {
        let header = Header::read(&mut source)?;
        header.confirm(key.stream())?;
        Ok(Self {
            opener: key.stream().opener(header.nonce_prefix()),
            chunks: Chunks::after(&header, source),
            header,
            zstd: Decompressor::new().expect("a decompressor takes nothing but memory"),
            plain: Vec::new(),
            at: 0,
            now_us: 0,
            long: None,
            long_bytes: Vec::new(),
            totals: Totals::default(),
            stage: Stage::Reading,
        })
    }

    /// The header, unchanged since the key's maker wrote it.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The next frame; none after the last, and then [`Reader::ending`] says how the recording ended.
    ///
    /// # Errors
    /// [`Error::BadChunk`], [`Error::TrailingBytes`], [`Error::Unreadable`]. After an error there is no frame and no ending.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>> {
        let found = match self.stage {
            Stage::Reading => self.find_frame().inspect_err(|_| self.stage = Stage::Failed)?,
            Stage::Ended(_) | Stage::Failed => None,
        };
        Ok(found.map(|found| match found {
            Found::InChunk(head, bytes) => head.with(&self.plain[bytes]),
            Found::Joined(head) => head.with(&self.long_bytes),
        }))
    }

    /// How the recording ended; none before [`Reader::next_frame`] has given none.
    #[must_use]
    pub const fn ending(&self) -> Option<Ending> {
        match self.stage {
            Stage::Ended(ending) => Some(ending),
            Stage::Reading | Stage::Failed => None,
        }
    }

    /// How far the recording has been read, in whole chunks.
    #[must_use]
    pub const fn anchor(&self) -> Anchor {
        self.chunks.anchor
    }

    fn find_frame(&mut self) -> Result<Option<Found>> {
        loop {
            if self.at == self.plain.len() {
                match self.chunks.next()? {
                    Step::Chunk(head) if head.content == Content::Totals => {
                        return self.read_totals(head).map(|()| None);
                    }
                    Step::Chunk(head) => self.read_frames(head)?,
                    Step::End(State::Cut { torn_bytes }) => return Ok(self.cut(torn_bytes).map(Found::Joined)),
                    // Only after the last chunk, with which reading has ended.
                    Step::End(State::Closed) => return Ok(None),
                }
            }
            if let Some(found) = self.next_piece()? {
                return Ok(Some(found));
            }
        }
    }

    fn read_frames(&mut self, head: ChunkHead) -> Result<()> {
        let plain = open(&self.opener, &self.header, head, self.chunks.sealed())?;
        match head.content {
            Content::CompressedFrames => {
                self.plain.resize(MAX_CHUNK, 0);
                let unpacked = self.zstd.decompress_to_buffer(plain, self.plain.as_mut_slice());
                let len = unpacked.map_err(|_| bad(head.number, Fault::DoesNotDecompress))?;
                self.plain.truncate(len);
            }
            Content::Frames | Content::Totals => {
                self.plain.clear();
                self.plain.extend_from_slice(plain);
            }
        }
        self.chunks.anchor.plain_bytes += self.plain.len() as u64;
        self.start_chunk()
    }

    /// A chunk starts with the time of its first frame, so that it can be read without those before it.
    fn start_chunk(&mut self) -> Result<()> {
        let mut rest = self.plain.as_slice();
        let base = take_varint(&mut rest).ok_or_else(|| self.bad_frames("the base time is malformed"))?;
        if rest.is_empty() {
            return Err(self.bad_frames("there is none"));
        }
        if base < self.now_us {
            return Err(self.bad_frames("time goes back"));
        }
        self.now_us = base;
        self.at = self.plain.len() - rest.len();
        Ok(())
    }

    fn read_totals(&mut self, head: ChunkHead) -> Result<()> {
        let plain = open(&self.opener, &self.header, head, self.chunks.sealed())?;
        let totals = Totals::from_bytes(plain).ok_or_else(|| bad(head.number, Fault::TotalsDiffer))?;
        let read = Totals { ended: totals.ended, ..self.totals };
        if totals != read || totals.ended < Duration::from_micros(self.now_us) || self.long.is_some() {
            return Err(bad(head.number, Fault::TotalsDiffer));
        }
        // Whatever follows is found here, before anything is called closed.
        self.chunks.next()?;
        self.stage = Stage::Ended(Ending::Closed(totals));
        Ok(())
    }

    /// Without a last chunk; a long frame that the cut leaves unfinished is still handed out.
    fn cut(&mut self, torn_bytes: u64) -> Option<FrameHead> {
        let long = self.long.take();
        let last_frame = if long.is_some() { LastFrame::Unfinished } else { LastFrame::Whole };
        self.stage = Stage::Ended(Ending::Cut(Cut { chunks: self.chunks.anchor.chunks, torn_bytes, last_frame }));
        long
    }

    fn next_piece(&mut self) -> Result<Option<Found>> {
        let mut rest = &self.plain[self.at..];
        let piece = Piece::take(&mut rest).map_err(|why| self.bad_frames(why))?;
        let at_us = self.now_us.checked_add(piece.dt).ok_or_else(|| self.bad_frames("a time is out of range"))?;
        let (end, len) = (self.plain.len() - rest.len(), piece.bytes.len());
        let this = FrameHead { code: piece.code, channel: piece.channel, direction: piece.direction, at_us };
        if piece.part == Part::Continues && !rest.is_empty() {
            return Err(self.bad_frames("a frame goes on, but others follow it in the chunk"));
        }
        if self.long.is_some_and(|long| long != this) {
            return Err(self.bad_frames("a frame goes on as another"));
        }
        let whole = self.long.is_none() && piece.part == Part::Ends;
        let (part, bytes) = (piece.part, end - len..end);
        (self.now_us, self.at) = (at_us, end);
        if !whole {
            return self.join(this, part, bytes);
        }
        self.totals.count(this.code, this.direction, len);
        Ok(Some(Found::InChunk(this, bytes)))
    }

    /// Adds a piece to the frame that comes from several chunks.
    fn join(&mut self, this: FrameHead, part: Part, bytes: Range<usize>) -> Result<Option<Found>> {
        if self.long.is_none() {
            self.long_bytes.clear();
        }
        if self.long_bytes.len() + bytes.len() > MAX_FRAME {
            return Err(self.bad_frames("a frame is longer than a frame can be"));
        }
        self.long_bytes.extend_from_slice(&self.plain[bytes]);
        if part == Part::Continues {
            self.long = Some(this);
            return Ok(None);
        }
        self.long = None;
        self.totals.count(this.code, this.direction, self.long_bytes.len());
        Ok(Some(Found::Joined(this)))
    }

    fn bad_frames(&self, why: &'static str) -> Error {
        bad(self.chunks.anchor.chunks, Fault::BadFrames(why))
    }
}

impl<R> fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("session", &self.header.session())
            .field("anchor", &self.chunks.anchor)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

/// A frame but for its bytes; the pieces of a long frame have it in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FrameHead {
    code: u8,
    channel: u32,
    direction: Direction,
    at_us: u64,
}

impl FrameHead {
    const fn with(self, bytes: &[u8]) -> Frame<'_> {
        let Self { code, channel, direction, at_us } = self;
        Frame { code, channel, direction, at: Duration::from_micros(at_us), bytes }
    }
}

/// A whole frame, and where its bytes are.
enum Found {
    InChunk(FrameHead, Range<usize>),
    /// Joined from several chunks.
    Joined(FrameHead),
}

fn open<'a>(opener: &StreamOpener, header: &Header, head: ChunkHead, sealed: &'a mut [u8]) -> Result<&'a [u8]> {
    let opened = opener.open_in_place(head.number, &head.associated_data(&header.hash()), sealed);
    opened.map(|plain| &*plain).map_err(|_| bad(head.number, Fault::DoesNotOpen))
}

const fn bad(chunk: u64, fault: Fault) -> Error {
    Error::BadChunk { chunk, fault }
}
