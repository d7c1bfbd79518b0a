//! Writing: frames are gathered into chunks, chunks are compressed, sealed, chained and written, and made durable on demand.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use envelope::{StreamKey, StreamSealer};
use ledger::Hash;

use crate::{
    Anchor, Direction, Error, Header, Kind, Recipients, Result, Totals,
    format::{MAX_CHUNK, MAX_FRAME, put_varint},
    frame::{MAX_BASE, MAX_FRAME_HEAD, Part, Piece, micros},
    workbench,
};

/// How long frames may wait in memory for their chunk to fill.
pub const CHUNK_AGE: Duration = Duration::from_secs(1);

/// The most bytes of one frame that fit into an empty chunk.
const MAX_PIECE: usize = MAX_CHUNK - MAX_BASE - MAX_FRAME_HEAD;
/// A session that fills this much of a chunk will fill the rest.
const BUSY_BUFFER: usize = 32 * 1024;
/// An idle session keeps no more buffer than this.
const IDLE_BUFFER: usize = 4 * 1024;

/// Where a recording is written. A file; in tests, a disk that fills up or loses power.
pub trait Sink: fmt::Debug + Send + Sync {
    /// Writes all of `bytes` at `offset`, overwriting what a failed attempt left there.
    ///
    /// # Errors
    /// When not all of it was written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Returns when all that was written will survive a power cut.
    ///
    /// # Errors
    /// When that cannot be said.
    fn sync(&self) -> io::Result<()>;
}

impl Sink for File {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// A recording that has a key and a header but no file yet: its [`Draft::header_hash`] goes into the ledger first.
#[derive(Debug)]
pub struct Draft {
    header: Header,
    sealer: StreamSealer,
}

impl Draft {
    /// Makes the session key and seals it to the recipients; the key itself is forgotten with the writer.
    /// `started_us` is microseconds since 1970, UTC.
    ///
    /// # Errors
    /// [`Error::UnfitName`] for a session, origin or start that a header cannot carry, [`Error::BadAgeRecipient`].
    pub fn new(session: String, origin: String, started_us: i64, recipients: &Recipients) -> Result<Self> {
        let key = StreamKey::random();
        let nonce_prefix = random_prefix();
        let header = Header::draft(session, origin, started_us, nonce_prefix, recipients, &key)?;
        Ok(Self { header, sealer: key.into_sealer(nonce_prefix) })
    }

    /// SHA-256 of the header's bytes.
    #[must_use]
    pub fn header_hash(&self) -> Hash {
        self.header.hash()
    }

    /// The header, its recipients among it.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Creates `<session>.skmrec` in `dir`, which must not be there yet, readable by its owner and the directory's group: who
    /// takes it may be another user than who writes it. On return header and directory entry are durable.
    ///
    /// # Errors
    /// [`Error::File`]; what was created is removed again.
    pub fn create(self, dir: &Path) -> Result<Writer> {
        let path = dir.join(format!("{}.skmrec", self.header.session()));
        let failed = |what| {
            let path = path.clone();
            move |source| Error::File { what, path, source }
        };
        let file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&path).map_err(failed("create"))?;
        let written = FileExt::write_all_at(&file, self.header.bytes(), 0).and_then(|()| file.sync_all());
        let durable = written.and_then(|()| File::open(dir)?.sync_all());
        if let Err(source) = durable {
            // A leftover would keep the session's name from being used; that it may itself fail changes nothing.
            let _unremoved = std::fs::remove_file(&path);
            return Err(failed("write the header of")(source));
        }
        Ok(self.into_writer(Arc::new(file)))
    }

    /// Writes to a sink that already holds the header's bytes, durably.
    #[must_use]
    pub fn into_writer(self, sink: Arc<dyn Sink>) -> Writer {
        let header = self.header.hash();
        let start = Anchor::at_header(header, self.header.bytes().len() as u64);
        Writer {
            sealer: self.sealer,
            header,
            outgoing: Outgoing { sink, sealed: start, written: start, unwritten: Vec::new(), failure: None },
            plain: Vec::new(),
            chunk_began: Duration::ZERO,
            last_us: 0,
            totals: Totals::default(),
            stage: Stage::Open,
            durability: Arc::new(Durability {
                doubtful: AtomicBool::new(false),
                bytes: AtomicU64::new(start.file_bytes),
            }),
        }
    }
}

/// What a call did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Status {
    /// It is in memory and will be written within [`CHUNK_AGE`], if [`Writer::seal_due`] is called.
    Buffered,
    /// A chunk was written; it becomes durable with the next [`Writer::sync`].
    Wrote,
}

/// What is known of a closed recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    pub anchor: Anchor,
    pub totals: Totals,
}

/// A recording being written.
///
/// After an error nothing that was written before is damaged, and the calls may be repeated: see [`Error::NotWritten`],
/// [`Error::Backlogged`] and [`Error::NotDurable`]. Dropped without [`Writer::close`], the recording reads as cut off.
pub struct Writer {
    sealer: StreamSealer,
    header: Hash,
    outgoing: Outgoing,
    /// Base time and frames of the chunk being filled; empty when there is none.
    plain: Vec<u8>,
    chunk_began: Duration,
    last_us: u64,
    totals: Totals,
    stage: Stage,
    durability: Arc<Durability>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// The last chunk is sealed.
    Ended,
}

impl Writer {
    /// Records a frame. `at` is the time since the session's start by a clock that does not go back; should it go back
    /// nevertheless, the time before is recorded.
    ///
    /// # Errors
    /// [`Error::NotWritten`]: taken, held in memory. [`Error::Backlogged`], [`Error::FrameTooLong`],
    /// [`Error::AlreadyClosed`]: not taken.
    pub fn frame(
        &mut self,
        kind: Kind,
        channel: u32,
        direction: Direction,
        at: Duration,
        bytes: &[u8],
    ) -> Result<Status> {
        self.refuse_if_ended()?;
        if bytes.len() > MAX_FRAME {
            return Err(Error::FrameTooLong { found: bytes.len(), limit: MAX_FRAME });
        }
        self.outgoing.clear_backlog()?;
        let before = self.outgoing.sealed.chunks;
        if self.is_due(at) || self.is_too_full_for(bytes.len()) {
            self.seal_chunk()?;
        }
        self.take(kind, channel, direction, at, bytes)?;
        self.totals.count(kind.code(), direction, bytes.len());
        self.outgoing.report_failure()?;
        Ok(if self.outgoing.sealed.chunks == before { Status::Buffered } else { Status::Wrote })
    }

    /// Seals the chunk being filled when its first frame is [`CHUNK_AGE`] old. To be called each second.
    ///
    /// # Errors
    /// [`Error::NotWritten`], [`Error::Backlogged`].
    pub fn seal_due(&mut self, at: Duration) -> Result<Status> {
        self.outgoing.clear_backlog()?;
        if self.is_due(at) { self.seal() } else { Ok(Status::Buffered) }
    }

    /// Seals the chunk being filled, however young it is.
    ///
    /// # Errors
    /// [`Error::NotWritten`], [`Error::Backlogged`].
    pub fn seal(&mut self) -> Result<Status> {
        self.outgoing.clear_backlog()?;
        if self.plain.is_empty() {
            return Ok(Status::Buffered);
        }
        self.seal_chunk()?;
        if self.plain.capacity() > IDLE_BUFFER {
            self.plain = Vec::new();
        }
        self.outgoing.report_failure()?;
        Ok(Status::Wrote)
    }

    /// Writes what could not be written before, after room was made.
    ///
    /// # Errors
    /// [`Error::Backlogged`] when it still cannot be written.
    pub fn retry(&mut self) -> Result<()> {
        self.outgoing.clear_backlog()
    }

    /// How far the written recording has come, durable or not.
    #[must_use]
    pub const fn anchor(&self) -> Anchor {
        self.outgoing.written
    }

    /// SHA-256 of the header's bytes.
    #[must_use]
    pub const fn header_hash(&self) -> Hash {
        self.header
    }

    /// Makes every chunk written so far durable, waiting for the disk.
    ///
    /// # Errors
    /// [`Error::Backlogged`], [`Error::NotDurable`].
    pub fn sync(&mut self) -> Result<Anchor> {
        match self.sync_later()? {
            Some(pending) => pending.wait(),
            None => Ok(self.outgoing.written),
        }
    }

    /// The same for another thread to wait for, while frames go on being recorded here. None when all is durable already.
    ///
    /// # Errors
    /// [`Error::Backlogged`], [`Error::NotDurable`] after a sync that failed.
    pub fn sync_later(&mut self) -> Result<Option<PendingSync>> {
        self.outgoing.clear_backlog()?;
        self.durability.refuse_if_doubtful()?;
        if self.durability.bytes.load(Ordering::Acquire) >= self.outgoing.written.file_bytes {
            return Ok(None);
        }
        let (sink, durability) = (Arc::clone(&self.outgoing.sink), Arc::clone(&self.durability));
        Ok(Some(PendingSync { sink, durability, anchor: self.outgoing.written }))
    }

    /// Ends the recording: what waits is sealed, the last chunk written, all made durable. After an error it may be called
    /// again, which is why the writer is not consumed; no frame is taken any more.
    ///
    /// # Errors
    /// [`Error::NotWritten`], [`Error::Backlogged`], [`Error::NotDurable`].
    pub fn close(&mut self, at: Duration) -> Result<Closed> {
        self.outgoing.clear_backlog()?;
        if self.stage == Stage::Open {
            self.seal_chunk()?;
            self.seal_last_chunk(at)?;
            self.outgoing.report_failure()?;
        }
        let anchor = self.sync()?;
        Ok(Closed { anchor, totals: self.totals })
    }

    fn refuse_if_ended(&self) -> Result<()> {
        match self.stage {
            Stage::Open => Ok(()),
            Stage::Ended => Err(Error::AlreadyClosed),
        }
    }

    fn is_due(&self, at: Duration) -> bool {
        !self.plain.is_empty() && at.saturating_sub(self.chunk_began) >= CHUNK_AGE
    }

    fn is_too_full_for(&self, len: usize) -> bool {
        !self.plain.is_empty() && self.plain.len() + MAX_FRAME_HEAD + len > MAX_CHUNK
    }

    /// Puts the frame into the empty or roomy chunk; one that fits no chunk goes in pieces, each the last of its chunk.
    fn take(&mut self, kind: Kind, channel: u32, direction: Direction, at: Duration, mut bytes: &[u8]) -> Result<()> {
        let at_us = micros(at).max(self.last_us);
        while let Some(piece) = (bytes.len() > MAX_PIECE).then(|| bytes.split_off(..MAX_PIECE)).flatten() {
            self.put(at_us, kind, Part::Continues, direction, channel, piece);
            self.seal_chunk()?;
        }
        self.put(at_us, kind, Part::Ends, direction, channel, bytes);
        Ok(())
    }

    /// Grows like any buffer while little flows, and to one chunk at once, no further, when much does.
    fn make_room(&mut self, len: usize) {
        let needed = self.plain.len() + MAX_BASE + MAX_FRAME_HEAD + len;
        if needed > self.plain.capacity() && needed > BUSY_BUFFER {
            self.plain.reserve_exact(MAX_CHUNK - self.plain.len());
        }
    }

    fn put(&mut self, at_us: u64, kind: Kind, part: Part, direction: Direction, channel: u32, bytes: &[u8]) {
        self.make_room(bytes.len());
        if self.plain.is_empty() {
            put_varint(&mut self.plain, at_us);
            self.chunk_began = Duration::from_micros(at_us);
            self.last_us = at_us;
        }
        let piece = Piece { code: kind.code(), part, direction, channel, dt: at_us - self.last_us, bytes };
        piece.put(&mut self.plain);
        self.last_us = at_us;
    }

    /// Seals and writes what has been gathered, if anything.
    fn seal_chunk(&mut self) -> Result<()> {
        if self.plain.is_empty() {
            return Ok(());
        }
        let Self { sealer, header, outgoing, plain, .. } = self;
        workbench::seal_frames(sealer, header, plain, |chunk| outgoing.deliver(chunk, plain.len()))?;
        plain.clear();
        Ok(())
    }

    fn seal_last_chunk(&mut self, at: Duration) -> Result<()> {
        self.totals.ended = Duration::from_micros(micros(at).max(self.last_us));
        let totals = self.totals.to_bytes();
        workbench::seal_totals(&mut self.sealer, &self.header, &totals, |chunk| self.outgoing.deliver(chunk, 0))?;
        self.stage = Stage::Ended;
        Ok(())
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("anchor", &self.outgoing.written)
            .field("buffered", &self.plain.len())
            .field("unwritten", &self.outgoing.unwritten.len())
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

/// Sealed chunks on their way to the sink.
struct Outgoing {
    sink: Arc<dyn Sink>,
    /// Ahead of `written` by what is in `unwritten`.
    sealed: Anchor,
    written: Anchor,
    /// Chunks that the sink did not take. They are kept as bytes: sealing again would use a nonce twice.
    unwritten: Vec<u8>,
    /// Why the first of them was not taken, until it has been reported.
    failure: Option<io::Error>,
}

impl Outgoing {
    /// Chains the chunk and writes it, or keeps it behind those that could not be written.
    fn deliver(&mut self, chunk: &[u8], plain_bytes: usize) {
        let offset = self.sealed.file_bytes;
        self.sealed.extend(chunk, plain_bytes);
        if self.unwritten.is_empty() {
            match self.sink.write_all_at(chunk, offset) {
                Ok(()) => self.written = self.sealed,
                Err(error) => self.failure = Some(error),
            }
        }
        if self.written != self.sealed {
            self.unwritten.extend_from_slice(chunk);
        }
    }

    fn report_failure(&mut self) -> Result<()> {
        let chunk = self.written.chunks + 1;
        self.failure.take().map_or(Ok(()), |source| Err(Error::NotWritten { chunk, source }))
    }

    fn clear_backlog(&mut self) -> Result<()> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let chunk = self.written.chunks + 1;
        let written = self.sink.write_all_at(&self.unwritten, self.written.file_bytes);
        written.map_err(|source| Error::Backlogged { chunk, source })?;
        self.unwritten = Vec::new();
        self.written = self.sealed;
        Ok(())
    }
}

/// A sync to wait for on a thread that may block.
#[derive(Debug)]
#[must_use]
pub struct PendingSync {
    sink: Arc<dyn Sink>,
    durability: Arc<Durability>,
    anchor: Anchor,
}

impl PendingSync {
    /// Waits for the disk; what the returned anchor covers is durable then.
    ///
    /// # Errors
    /// [`Error::NotDurable`], from then on for every sync of this recording: after a failed one the system may have
    /// dropped what it could not write, and a later success would not mean these bytes.
    pub fn wait(self) -> Result<Anchor> {
        self.durability.refuse_if_doubtful()?;
        if let Err(error) = self.sink.sync() {
            self.durability.doubtful.store(true, Ordering::Release);
            return Err(Error::NotDurable { why: error.to_string() });
        }
        self.durability.bytes.fetch_max(self.anchor.file_bytes, Ordering::AcqRel);
        Ok(self.anchor)
    }
}

/// Shared with syncs under way on other threads.
#[derive(Debug)]
struct Durability {
    doubtful: AtomicBool,
    bytes: AtomicU64,
}

impl Durability {
    fn refuse_if_doubtful(&self) -> Result<()> {
        if self.doubtful.load(Ordering::Acquire) {
            return Err(Error::NotDurable { why: "an earlier sync failed".to_owned() });
        }
        Ok(())
    }
}

fn random_prefix() -> [u8; 4] {
    let mut prefix = [0; 4];
    aws_lc_rs::rand::fill(&mut prefix).expect("the library aborts rather than return without entropy");
    prefix
}
