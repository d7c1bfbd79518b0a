//! What can be checked without any key: that the chunks are there, in order, and are those that were anchored.

use std::{
    io::{BufReader, Read},
    path::Path,
};

use ledger::Hash;

use crate::{
    Anchor, Error, Header, Result,
    format::{CHUNK_HEAD_LEN, ChunkHead, Content},
    header,
};

/// A point of a recording that the ledger has anchored: after `chunks` chunks the chain was `chain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    pub chunks: u64,
    pub chain: Hash,
}

impl From<Anchor> for Point {
    fn from(anchor: Anchor) -> Self {
        Self { chunks: anchor.chunks, chain: anchor.chain }
    }
}

/// What the chunks of a recording amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Structure {
    pub header_hash: Hash,
    /// Whole chunks.
    pub chunks: u64,
    /// The chain over them.
    pub chain: Hash,
    /// Bytes of header and whole chunks.
    pub file_bytes: u64,
    pub state: State,
}

/// How a recording ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// With its last chunk.
    Closed,
    /// Without one: it is still being written, or was cut off. So many bytes of a chunk that is not whole follow.
    Cut { torn_bytes: u64 },
}

/// Checks the recording at `path`; see [`structure`].
///
/// # Errors
/// As [`structure`], and [`Error::File`].
pub fn structure_of(path: &Path, anchored: &[Point]) -> Result<Structure> {
    structure(BufReader::new(header::open(path)?), anchored)
}

/// Checks framing and order of a recording's chunks, and compares with what the ledger anchored. Without anchors, changed
/// ciphertext is not told: the chain that is returned must be compared with the ledger's.
///
/// # Errors
/// All that [`Header::read`] refuses; [`Error::WrongHeader`] when a point of 0 chunks differs; [`Error::BadChunk`],
/// [`Error::TrailingBytes`]; [`Error::AnchorDiffers`] for the first point that differs and [`Error::TruncatedAt`] for the
/// first that is not reached.
pub fn structure(mut source: impl Read, anchored: &[Point]) -> Result<Structure> {
    let header = Header::read(&mut source)?;
    let header_hash = header.hash();
    let mut anchored = anchored.to_vec();
    anchored.sort_by_key(|point| point.chunks);
    let mut chunks = Chunks::after(&header, source);
    loop {
        compare(&header, &chunks.anchor, &anchored)?;
        if let Step::End(state) = chunks.next()? {
            refuse_missing(&chunks.anchor, &anchored)?;
            let Anchor { chunks, chain, file_bytes, .. } = chunks.anchor;
            return Ok(Structure { header_hash, chunks, chain, file_bytes, state });
        }
    }
}

fn compare(header: &Header, reached: &Anchor, anchored: &[Point]) -> Result<()> {
    let here = anchored.partition_point(|point| point.chunks < reached.chunks);
    for point in anchored[here..].iter().take_while(|point| point.chunks == reached.chunks) {
        if point.chain != reached.chain && point.chunks == 0 {
            header.expect(&point.chain)?;
        }
        if point.chain != reached.chain {
            return Err(Error::AnchorDiffers { chunk: point.chunks });
        }
    }
    Ok(())
}

fn refuse_missing(reached: &Anchor, anchored: &[Point]) -> Result<()> {
    match anchored.iter().any(|point| point.chunks > reached.chunks) {
        true => Err(Error::TruncatedAt { chunk: reached.chunks + 1 }),
        false => Ok(()),
    }
}

/// Takes the chunks off a source one by one, in order, and chains them.
#[derive(Debug)]
pub(crate) struct Chunks<R> {
    source: R,
    pub(crate) anchor: Anchor,
    /// The chunk last read, head and tag included.
    chunk: Vec<u8>,
    seen_last: bool,
}

/// What [`Chunks::next`] found.
#[derive(Debug)]
pub(crate) enum Step {
    Chunk(ChunkHead),
    End(State),
}

impl<R: Read> Chunks<R> {
    pub(crate) fn after(header: &Header, source: R) -> Self {
        let anchor = Anchor::at_header(header.hash(), header.bytes().len() as u64);
        Self { source, anchor, chunk: Vec::new(), seen_last: false }
    }

    pub(crate) fn next(&mut self) -> Result<Step> {
        self.chunk.resize(CHUNK_HEAD_LEN, 0);
        let got = header::fill(&mut self.source, &mut self.chunk)?;
        if self.seen_last {
            return self.end_after_last(got);
        }
        let number = self.anchor.chunks + 1;
        if got < CHUNK_HEAD_LEN {
            return Ok(Step::End(State::Cut { torn_bytes: got as u64 }));
        }
        let head = *self.chunk.first_chunk().expect("the head was read");
        if head == [0; CHUNK_HEAD_LEN]
            && let Some(torn_bytes) = self.zeros_to_the_end()?
        {
            return Ok(Step::End(State::Cut { torn_bytes }));
        }
        let head = ChunkHead::parse(&head, number).map_err(|fault| Error::BadChunk { chunk: number, fault })?;
        self.chunk.resize(CHUNK_HEAD_LEN + head.sealed_len(), 0);
        let got = header::fill(&mut self.source, &mut self.chunk[CHUNK_HEAD_LEN..])?;
        if got < head.sealed_len() {
            return Ok(Step::End(State::Cut { torn_bytes: (CHUNK_HEAD_LEN + got) as u64 }));
        }
        self.seen_last = head.content == Content::Totals;
        self.anchor.extend(&self.chunk, 0);
        Ok(Step::Chunk(head))
    }

    /// Ciphertext ‖ tag of the chunk last read.
    pub(crate) fn sealed(&mut self) -> &mut [u8] {
        &mut self.chunk[CHUNK_HEAD_LEN..]
    }

    /// After a power cut some file systems show zeros where bytes were on their way: that is a cut like any other.
    fn zeros_to_the_end(&mut self) -> Result<Option<u64>> {
        let mut zeros = CHUNK_HEAD_LEN as u64;
        let mut page = [0; 4096];
        loop {
            match header::fill(&mut self.source, &mut page)? {
                0 => return Ok(Some(zeros)),
                got if page[..got].iter().any(|&byte| byte != 0) => return Ok(None),
                got => zeros += got as u64,
            }
        }
    }

    const fn end_after_last(&self, got: usize) -> Result<Step> {
        match got {
            0 => Ok(Step::End(State::Closed)),
            _ => Err(Error::TrailingBytes { after: self.anchor.chunks }),
        }
    }
}
