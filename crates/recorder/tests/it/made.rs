//! Recordings in memory, with everything the tests compare them to.

use std::{
    io,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use envelope::OpeningKey;
use recorder::{
    Anchor, Direction, Draft, Ending, Error, Frame, Header, Kind, Reader, Recipients, SessionKey, Sink, Writer,
};

/// A frame that owns its bytes, to compare by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) code: u8,
    pub(crate) channel: u32,
    pub(crate) direction: Direction,
    pub(crate) at: Duration,
    pub(crate) bytes: Vec<u8>,
}

impl From<Frame<'_>> for Owned {
    fn from(frame: Frame<'_>) -> Self {
        let Frame { code, channel, direction, at, bytes } = frame;
        Self { code, channel, direction, at, bytes: bytes.to_vec() }
    }
}

pub(crate) fn data(direction: Direction, at_ms: u64, bytes: &[u8]) -> Owned {
    Owned { code: Kind::Data.code(), channel: 1, direction, at: Duration::from_millis(at_ms), bytes: bytes.to_vec() }
}

/// The reading key of all tests; making one takes a moment.
pub(crate) fn keeper() -> &'static OpeningKey {
    static KEY: OnceLock<OpeningKey> = OnceLock::new();
    KEY.get_or_init(OpeningKey::generate)
}

pub(crate) fn draft() -> Draft {
    let recipients = Recipients::new(keeper().sealing_key().clone());
    Draft::new("ses_test".into(), "gate.example".into(), 1_700_000_000_123_456, &recipients).unwrap()
}

/// Bytes in memory that a recording is written to.
#[derive(Debug, Default)]
pub(crate) struct Memory(pub(crate) Mutex<Vec<u8>>);

impl Sink for Memory {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut file = self.0.lock().unwrap();
        let offset = usize::try_from(offset).unwrap();
        let end = offset + bytes.len();
        let len = file.len().max(end);
        file.resize(len, 0);
        file[offset..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A recording, the points after each of its chunks, and its key.
pub(crate) struct Made {
    pub(crate) bytes: Vec<u8>,
    pub(crate) header: Header,
    /// After the header, after chunk 1, …
    pub(crate) anchors: Vec<Anchor>,
}

impl Made {
    /// Starts a recording, lets `write` do as it likes, and closes it.
    pub(crate) fn with(mut write: impl FnMut(&mut Writer)) -> Self {
        let draft = draft();
        let header = draft.header().clone();
        let memory = Arc::new(Memory(Mutex::new(header.bytes().to_vec())));
        let mut writer = draft.into_writer(memory.clone());
        write(&mut writer);
        writer.close(Duration::from_secs(3600)).unwrap();
        let bytes = memory.0.lock().unwrap().clone();
        let anchors = anchors(&header, &bytes);
        assert_eq!(*anchors.last().unwrap(), Anchor { plain_bytes: 0, ..writer.anchor() });
        Self { bytes, header, anchors }
    }

    /// One chunk for each list of frames, and the last chunk.
    pub(crate) fn of(chunks: &[&[Owned]]) -> Self {
        Self::with(|writer| {
            for frames in chunks {
                for frame in *frames {
                    record(writer, frame);
                }
                let _wrote = writer.seal().unwrap();
            }
        })
    }

    pub(crate) fn key(&self) -> SessionKey {
        SessionKey::open_with_keeper(&self.header, keeper()).unwrap()
    }

    /// Where chunk `number` stands in the file; the last of `anchors` is the last chunk's end.
    pub(crate) fn chunk(&self, number: usize) -> std::ops::Range<usize> {
        let end = |at: usize| usize::try_from(self.anchors[at].file_bytes).unwrap();
        end(number - 1)..end(number)
    }

    pub(crate) fn points(&self) -> Vec<recorder::Point> {
        self.anchors.iter().copied().map(recorder::Point::from).collect()
    }
}

pub(crate) fn record(writer: &mut Writer, frame: &Owned) {
    let kind = Kind::from_code(frame.code).unwrap();
    let _status = writer.frame(kind, frame.channel, frame.direction, frame.at, &frame.bytes).unwrap();
}

/// What a reader gave before it ended, and how it ended.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) frames: Vec<Owned>,
    pub(crate) ending: Result<Ending, Error>,
}

pub(crate) fn read(bytes: &[u8], key: &SessionKey) -> Heard {
    let mut frames = Vec::new();
    let ending = Reader::new(bytes, key).and_then(|mut reader| {
        while let Some(frame) = reader.next_frame()? {
            frames.push(frame.into());
        }
        Ok(reader.ending().expect("the reader gave its last frame"))
    });
    Heard { frames, ending }
}

/// Walks the file as the specification says, by nothing but lengths, and chains it by hand.
fn anchors(header: &Header, bytes: &[u8]) -> Vec<Anchor> {
    let mut at = header.bytes().len();
    let mut anchor = Anchor { chunks: 0, chain: header.hash(), plain_bytes: 0, file_bytes: at as u64 };
    let mut anchors = vec![anchor];
    while at < bytes.len() {
        let len = u32::from_be_bytes(bytes[at + 9..at + 13].try_into().unwrap()) as usize;
        let end = at + 13 + len + 16;
        let link = [b"sekimori/recording/chain/v1".as_slice(), anchor.chain.as_bytes(), &bytes[at..end]].concat();
        let chain = ledger::Hash::of(&link);
        anchor = Anchor { chunks: anchor.chunks + 1, chain, plain_bytes: 0, file_bytes: end as u64 };
        anchors.push(anchor);
        at = end;
    }
    anchors
}
