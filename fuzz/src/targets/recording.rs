//! Recordings: the file as anybody finds it, and chunks by somebody who has the key.

use std::io::Write;
use std::sync::OnceLock;
use std::time::Duration;

use envelope::{OpeningKey, StreamKey};
use recorder::asciicast::{self, Version};
use recorder::text::{self, Notices};
use recorder::{Draft, Header, Kind, Point, Reader, Recipients, SessionKey, State, Structure, structure};

use crate::seeds;

/// Most frames looked at in one input; the golden has six.
const MOST_FRAMES: usize = 4_096;

/// Whoever finds the file can change it as he likes: what is read with the key is still only what was recorded, and what agrees with the
/// ledger's anchor is the file that was anchored.
pub(super) fn file(data: &[u8]) {
    if let Ok(header) = Header::read(&mut &data[..]) {
        assert!(data.starts_with(header.bytes()), "a header is not what stands in the file");
        let _read = (header.session().len(), header.origin().len(), header.recipients().len(), header.hash());
    }
    if let Ok(found) = structure(data, &[]) {
        whole_bytes_are_counted(&found, data.len());
    }
    let golden = seeds::RECORDING;
    if let Ok(found) = structure(data, &[golden_end()]) {
        let kept = usize::try_from(found.file_bytes).unwrap();
        assert!(data.starts_with(golden) && kept == golden.len(), "another file than the anchored one passes");
    }
    let Ok(mut reader) = Reader::new(data, golden_key()) else { return };
    assert_eq!(reader.header().hash(), Header::read(&mut &golden[..]).unwrap().hash(), "a changed header is taken");
    let mut recorded = golden_frames().iter();
    while let Ok(Some(frame)) = reader.next_frame() {
        let (code, channel, at, bytes) = recorded.next().expect("there are more frames than were recorded");
        assert_eq!((frame.code, frame.channel, frame.at), (*code, *channel, *at));
        assert!(bytes.starts_with(frame.bytes), "a frame is not what was recorded");
    }
    exports(data, golden_key());
}

fn whole_bytes_are_counted(found: &Structure, length: usize) {
    let torn = match found.state {
        State::Closed => 0,
        State::Cut { torn_bytes } => torn_bytes,
    };
    assert_eq!(found.file_bytes + torn, length as u64, "bytes of the file are unaccounted for");
}

/// `flags`, plaintext: sealed as chunks behind a header of our own, twice the same, so that what goes on from one to the next is read too.
pub(super) fn chunk(data: &[u8]) {
    let Some((flags, plain)) = data.split_first() else { return };
    let header = own_header();
    let context = recorder::sealing_context(header.origin(), header.session());
    let opened = own_keeper().open(&context, &header.sealed_for_keeper().unwrap()).unwrap();
    let json = &header.bytes()[14..header.bytes().len() - 32];
    let json: serde_json::Value = serde_json::from_slice(json).unwrap();
    let prefix = u32::try_from(json["nonce_prefix"].as_u64().unwrap()).unwrap();
    let mut sealer = StreamKey::from_opened(&opened).unwrap().into_sealer(prefix.to_be_bytes());
    let mut file = header.bytes().to_vec();
    for _ in 0..2 {
        let number = sealer.next_number().to_be_bytes();
        let aad = [header.hash().as_bytes(), number.as_slice(), &[flags % 4]].concat();
        let mut sealed = vec![0; plain.len() + 16];
        sealer.seal_next(&aad, plain, &mut sealed).unwrap();
        let length = u32::try_from(plain.len()).unwrap().to_be_bytes();
        file.extend([number.as_slice(), &[flags % 4], &length, &sealed].concat());
    }
    read_all(&file, own_session_key());
}

fn read_all(file: &[u8], key: &SessionKey) {
    let mut reader = Reader::new(file, key).unwrap();
    let mut last = Duration::ZERO;
    for _ in 0..MOST_FRAMES {
        let Ok(Some(frame)) = reader.next_frame() else { break };
        assert!(frame.at >= last, "time goes back");
        assert!(frame.bytes.len() <= recorder::MAX_FRAME, "a frame is longer than any may be");
        assert!(frame.kind().is_none_or(|kind| Kind::from_code(frame.code) == Some(kind)));
        last = frame.at;
        bodies(frame.bytes);
    }
    exports(file, key);
}

fn exports(file: &[u8], key: &SessionKey) {
    for version in [Version::V2, Version::V3] {
        let mut shown = Vec::new();
        if let Ok(mut reader) = Reader::new(file, key) {
            let _whole_or_not = asciicast::export(&mut reader, 1, version, Notices::Shown, &mut shown);
        }
        for line in shown.split_inclusive(|byte| *byte == b'\n') {
            let _value: serde_json::Value = serde_json::from_slice(line).expect("a line of asciicast is not JSON");
        }
    }
    if let Ok(mut reader) = Reader::new(file, key) {
        let mut tame = Tame;
        let _whole_or_not = text::export(&mut reader, 1, Notices::Shown, &mut tame);
    }
}

/// Takes text that no terminal would obey.
struct Tame;

impl Write for Tame {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = std::str::from_utf8(bytes).expect("text is not UTF-8");
        let wild = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
        assert_eq!(wild, None, "a control character is shown");
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A body is read by the frame's kind; each is tried with every frame.
fn bodies(bytes: &[u8]) {
    use recorder::body::{Env, ExitSignal, ExitStatus, Pty, Window};
    if let Some(window) = Window::decode(bytes) {
        assert_eq!(window.encode().as_slice(), bytes);
    }
    if let Some(pty) = Pty::decode(bytes) {
        assert_eq!(pty.encode(), bytes);
    }
    if let Some(env) = Env::decode(bytes) {
        assert_eq!(env.encode(), bytes);
    }
    if let Some(status) = ExitStatus::decode(bytes) {
        assert_eq!(status.encode().as_slice(), bytes);
    }
    if let Some(signal) = ExitSignal::decode(bytes) {
        assert_eq!(signal.encode(), bytes);
    }
}

fn golden_key() -> &'static SessionKey {
    static KEY: OnceLock<SessionKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let header = Header::read(&mut &seeds::RECORDING[..]).unwrap();
        SessionKey::open_with_keeper(&header, seeds::reading_key()).unwrap()
    })
}

type Seen = (u8, u32, Duration, Vec<u8>);

fn golden_frames() -> &'static [Seen] {
    static FRAMES: OnceLock<Vec<Seen>> = OnceLock::new();
    FRAMES.get_or_init(|| {
        let mut reader = Reader::new(seeds::RECORDING, golden_key()).unwrap();
        let mut frames = Vec::new();
        while let Some(frame) = reader.next_frame().unwrap() {
            frames.push((frame.code, frame.channel, frame.at, frame.bytes.to_vec()));
        }
        frames
    })
}

fn golden_end() -> Point {
    static END: OnceLock<Point> = OnceLock::new();
    *END.get_or_init(|| {
        let found = structure(seeds::RECORDING, &[]).unwrap();
        Point { chunks: found.chunks, chain: found.chain }
    })
}

/// Made anew by each process: what a chunk holds does not depend on its key.
fn own_keeper() -> &'static OpeningKey {
    static KEY: OnceLock<OpeningKey> = OnceLock::new();
    KEY.get_or_init(OpeningKey::generate)
}

fn own_session_key() -> &'static SessionKey {
    static KEY: OnceLock<SessionKey> = OnceLock::new();
    KEY.get_or_init(|| SessionKey::open_with_keeper(own_header(), own_keeper()).unwrap())
}

fn own_header() -> &'static Header {
    static HEADER: OnceLock<Header> = OnceLock::new();
    HEADER.get_or_init(|| {
        let recipients = Recipients::new(own_keeper().sealing_key().clone());
        let draft = Draft::new("ses_fuzz".into(), "gate.example".into(), 1_700_000_000_123_456, &recipients).unwrap();
        draft.header().clone()
    })
}
