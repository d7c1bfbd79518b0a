//! What sealing a chunk needs and no session should hold for itself: one zstd context and two buffers per thread.

use std::cell::RefCell;

use envelope::{StreamSealer, TAG_LEN};
use ledger::Hash;
use zstd::bulk::Compressor;

use crate::format::{CHUNK_HEAD_LEN, ChunkHead, Content, MAX_CHUNK};

/// Level 1: the recorder shares a core with the session it records.
const LEVEL: i32 = 1;
/// Less than this is not worth a compressor's header.
const MIN_COMPRESSED: usize = 64;

thread_local! {
    static WORKBENCH: RefCell<Workbench> = RefCell::new(Workbench::new());
}

struct Workbench {
    zstd: Compressor<'static>,
    packed: Vec<u8>,
    chunk: Vec<u8>,
}

/// Compresses where that helps, seals, and hands the whole chunk as it stands in the file to `write`.
pub(crate) fn seal_frames<T>(
    sealer: &mut StreamSealer,
    header: &Hash,
    plain: &[u8],
    write: impl FnOnce(&[u8]) -> T,
) -> Result<T, envelope::Error> {
    WORKBENCH.with_borrow_mut(|bench| {
        let (content, payload) = pack(&mut bench.zstd, &mut bench.packed, plain);
        Ok(write(seal(sealer, header, content, payload, &mut bench.chunk)?))
    })
}

/// Seals the last chunk.
pub(crate) fn seal_totals<T>(
    sealer: &mut StreamSealer,
    header: &Hash,
    totals: &[u8],
    write: impl FnOnce(&[u8]) -> T,
) -> Result<T, envelope::Error> {
    WORKBENCH.with_borrow_mut(|bench| Ok(write(seal(sealer, header, Content::Totals, totals, &mut bench.chunk)?)))
}

impl Workbench {
    fn new() -> Self {
        let zstd = Compressor::new(LEVEL).expect("level 1 is a level zstd has");
        Self { zstd, packed: vec![0; MAX_CHUNK], chunk: vec![0; CHUNK_HEAD_LEN + MAX_CHUNK + TAG_LEN] }
    }
}

/// The packed form when it is shorter, else the frames as they are.
fn pack<'a>(zstd: &mut Compressor<'_>, packed: &'a mut [u8], plain: &'a [u8]) -> (Content, &'a [u8]) {
    if plain.len() < MIN_COMPRESSED {
        return (Content::Frames, plain);
    }
    // Room for less than the plaintext: when zstd needs more, it gives up, and that is the answer.
    match zstd.compress_to_buffer(plain, &mut packed[..plain.len() - 1]) {
        Ok(len) => (Content::CompressedFrames, &packed[..len]),
        Err(_) => (Content::Frames, plain),
    }
}

fn seal<'a>(
    sealer: &mut StreamSealer,
    header: &Hash,
    content: Content,
    payload: &[u8],
    room: &'a mut [u8],
) -> Result<&'a [u8], envelope::Error> {
    let len = u32::try_from(payload.len()).expect("a chunk is at most 256 KiB");
    let head = ChunkHead { number: sealer.next_number(), content, len };
    let chunk = &mut room[..CHUNK_HEAD_LEN + head.sealed_len()];
    let (head_room, sealed_room) = chunk.split_at_mut(CHUNK_HEAD_LEN);
    head_room.copy_from_slice(&head.to_bytes());
    sealer.seal_next(&head.associated_data(header), payload, sealed_room)?;
    Ok(chunk)
}
