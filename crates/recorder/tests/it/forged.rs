//! Files by somebody who has the key but not our writer: later versions, and those who mean harm.

use std::time::Duration;

use envelope::{StreamKey, StreamSealer};
use recorder::{Direction, Ending, Error, Fault, Header, Kind, MAX_CHUNK, SessionKey, Totals};

use crate::made::{Heard, Made, keeper, read};

const FRAMES: u8 = 0;
const LAST: u8 = 1;
const ZSTD: u8 = 2;

/// Puts a file together by the specification alone.
struct Forger {
    header: Header,
    sealer: StreamSealer,
    file: Vec<u8>,
}

impl Forger {
    fn new() -> Self {
        let header = Made::of(&[]).header;
        let context = recorder::sealing_context(header.origin(), header.session());
        let opened = keeper().open(&context, &header.sealed_for_keeper().unwrap()).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&header.bytes()[14..header.bytes().len() - 32]).unwrap();
        let prefix = u32::try_from(json["nonce_prefix"].as_u64().unwrap()).unwrap();
        let sealer = StreamKey::from_opened(&opened).unwrap().into_sealer(prefix.to_be_bytes());
        let file = header.bytes().to_vec();
        Self { header, sealer, file }
    }

    fn chunk(mut self, flags: u8, plain: &[u8]) -> Self {
        let number = self.sealer.next_number().to_be_bytes();
        let aad = [self.header.hash().as_bytes(), number.as_slice(), &[flags]].concat();
        let mut sealed = vec![0; plain.len() + 16];
        self.sealer.seal_next(&aad, plain, &mut sealed).unwrap();
        let len = u32::try_from(plain.len()).unwrap().to_be_bytes();
        self.file.extend([number.as_slice(), &[flags], &len, &sealed].concat());
        self
    }

    fn read(&self) -> Heard {
        read(&self.file, &SessionKey::open_with_keeper(&self.header, keeper()).unwrap())
    }
}

fn fault_of(forged: &Forger) -> Fault {
    match forged.read().ending {
        Err(Error::BadChunk { fault, .. }) => fault,
        other => panic!("nothing was named: {other:?}"),
    }
}

fn totals(ended: u64, frames: u64, out: u64) -> Vec<u8> {
    [ended, frames, 0, out, 0].into_iter().flat_map(u64::to_be_bytes).collect()
}

fn compressed(plain: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(plain, 1).unwrap()
}

#[test]
fn a_kind_of_a_later_version_is_passed_on_with_its_code_and_reading_goes_on() {
    let frames = [5, 99, 0, 7, 0, 3, b'n', b'e', b'w', 2, 2, 7, 1, 2, b'o', b'k'];
    let heard = Forger::new().chunk(FRAMES, &frames).chunk(LAST, &totals(6, 2, 2)).read();
    assert_eq!(heard.frames[0].code, 99);
    assert_eq!(Kind::from_code(99), None);
    assert_eq!((heard.frames[1].bytes.as_slice(), heard.frames[1].at), (b"ok".as_slice(), Duration::from_micros(6)));
    let ended = Duration::from_micros(6);
    let expected = Totals { ended, frames: 2, bytes_in: 0, bytes_out: 2, bytes_err: 0 };
    assert_eq!(heard.ending.unwrap(), Ending::Closed(expected));
}

#[test]
fn frames_that_are_not_exactly_frames_are_refused() {
    for (plain, why) in [
        (&[][..], "the base time is malformed"),
        (&[0x80], "the base time is malformed"),
        (&[0x80, 0], "the base time is malformed"),
        (&[0], "there is none"),
        (&[0, 2], "a frame is cut off"),
        (&[0, 2, 4, 0, 0, 0], "a direction is unknown"),
        (&[0, 0, 0, 0, 0, 0], "a kind is zero"),
        (&[0, 0x80, 0, 0, 0, 0], "a kind is zero"),
        (&[0, 2, 0, 0x81, 0, 0, 0], "a channel is malformed"),
        (&[0, 2, 0, 0xff, 0xff, 0xff, 0xff, 0x1f, 0, 0], "a channel is malformed"),
        (&[0, 2, 0, 0, 0x80, 0, 0], "a time is malformed"),
        (&[0, 2, 0, 0, 0, 0x80], "a length is malformed"),
        (&[0, 2, 0, 0, 0, 2, 1], "a frame is longer than its chunk"),
        (&[0, 0x82, 2, 0, 0, 0, 2, 2, 0, 0, 0], "a frame goes on, but others follow it in the chunk"),
        (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 0, 0, 1, 0], "a time is out of range"),
    ] {
        assert_eq!(fault_of(&Forger::new().chunk(FRAMES, plain)), Fault::BadFrames(why), "{plain:?}");
    }
}

#[test]
fn time_does_not_go_back_between_chunks() {
    let forged = Forger::new().chunk(FRAMES, &[9, 2, 2, 0, 1, 0]).chunk(FRAMES, &[9, 2, 2, 0, 0, 0]);
    assert_eq!(fault_of(&forged), Fault::BadFrames("time goes back"));
    assert_eq!(forged.read().frames.len(), 1, "what was before it is given");
}

#[test]
fn a_frame_that_goes_on_does_so_as_the_same() {
    let begin = [0, 0x82, 2, 1, 5, 1, b'a'];
    for other in [[5, 3, 2, 1, 0, 0], [5, 2, 3, 1, 0, 0], [5, 2, 2, 2, 0, 0], [5, 2, 2, 1, 1, 0], [6, 2, 2, 1, 0, 0]] {
        let forged = Forger::new().chunk(FRAMES, &begin).chunk(FRAMES, &other);
        assert_eq!(fault_of(&forged), Fault::BadFrames("a frame goes on as another"), "{other:?}");
    }
    let joined = Forger::new().chunk(FRAMES, &begin).chunk(FRAMES, &[5, 2, 2, 1, 0, 1, b'b']).read();
    assert_eq!(joined.frames[0].bytes, b"ab");
    let unfinished = Forger::new().chunk(FRAMES, &begin).chunk(LAST, &totals(5, 0, 0));
    assert_eq!(fault_of(&unfinished), Fault::TotalsDiffer);
}

#[test]
fn a_frame_that_never_ends_is_refused_at_the_limit() {
    let piece = [&[0, 0x82, 2, 0, 0, 0x80, 0x80, 0x0f], vec![0; 245_760].as_slice()].concat();
    let piece = compressed(&piece);
    let forged = (0..20).fold(Forger::new(), |forger, _| forger.chunk(ZSTD, &piece));
    assert_eq!(fault_of(&forged), Fault::BadFrames("a frame is longer than a frame can be"));
}

#[test]
fn a_chunk_that_grows_beyond_a_chunk_is_refused() {
    let bomb = compressed(&vec![0; 64 << 20]);
    assert!(bomb.len() < MAX_CHUNK);
    assert_eq!(fault_of(&Forger::new().chunk(ZSTD, &bomb)), Fault::DoesNotDecompress);
    assert_eq!(fault_of(&Forger::new().chunk(ZSTD, b"no zstd")), Fault::DoesNotDecompress);
}

#[test]
fn totals_that_lie_are_told() {
    let frames = [3, 2, 2, 0, 4, 1, b'x'];
    let honest = Forger::new().chunk(FRAMES, &frames).chunk(LAST, &totals(7, 1, 1)).read();
    assert!(matches!(honest.ending, Ok(Ending::Closed(_))));
    assert_eq!(honest.frames[0].direction, Direction::Out);
    for lie in [totals(6, 1, 1), totals(7, 2, 1), totals(7, 1, 0), vec![], totals(7, 1, 1)[..39].to_vec()] {
        assert_eq!(fault_of(&Forger::new().chunk(FRAMES, &frames).chunk(LAST, &lie)), Fault::TotalsDiffer);
    }
}

#[test]
fn flags_that_do_not_exist_are_named_before_anything_is_opened() {
    for flags in [3, 4, 128] {
        assert_eq!(fault_of(&Forger::new().chunk(flags, &[])), Fault::UnknownFlags { found: flags });
    }
}

#[test]
fn after_an_error_nothing_more_is_given() {
    let forged = Forger::new().chunk(FRAMES, &[0]).chunk(FRAMES, &[9, 2, 2, 0, 0, 0]);
    let key = SessionKey::open_with_keeper(&forged.header, keeper()).unwrap();
    let mut reader = recorder::Reader::new(forged.file.as_slice(), &key).unwrap();
    assert!(reader.next_frame().is_err());
    assert_eq!(reader.next_frame().unwrap(), None);
    assert_eq!(reader.ending(), None);
}
