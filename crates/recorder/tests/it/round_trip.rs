//! What is recorded comes back byte for byte, whatever its size, kind and time.

use std::time::Duration;

use proptest::prelude::*;
use recorder::{CHUNK_AGE, Direction, Ending, Error, Kind, MAX_CHUNK, MAX_FRAME, Reader, Status, Totals};

use crate::made::{Made, Owned, data, read, record};

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::None), Just(Direction::In), Just(Direction::Out), Just(Direction::Err)]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let noise = |len: usize, seed: u8| {
        let mut state = u64::from(seed) + 1;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..len).map(|_| next()).collect()
    };
    prop_oneof![
        8 => proptest::collection::vec(any::<u8>(), 0..200),
        3 => (0..70_000usize, any::<u8>()).prop_map(move |(len, seed)| noise(len, seed)),
        1 => (MAX_CHUNK - 60..MAX_CHUNK + 60, any::<u8>()).prop_map(move |(len, seed)| noise(len, seed)),
        1 => (0..1_200_000usize, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ]
}

fn frames() -> impl Strategy<Value = Vec<Owned>> {
    let kind = (0..Kind::ALL.len()).prop_map(|at| Kind::ALL[at]);
    let frame = (kind, any::<u32>(), direction(), 0..2_000_000u64, bytes());
    proptest::collection::vec(frame, 0..24).prop_map(|frames| {
        let mut at = Duration::ZERO;
        let owned = |(kind, channel, direction, dt, bytes): (Kind, _, _, _, _)| {
            at += Duration::from_micros(dt);
            Owned { code: kind.code(), channel, direction, at, bytes }
        };
        frames.into_iter().map(owned).collect()
    })
}

fn totals(frames: &[Owned], ended: Duration) -> Totals {
    let of = |direction| {
        let data = frames.iter().filter(|f| f.code == Kind::Data.code() && f.direction == direction);
        data.map(|f| f.bytes.len() as u64).sum()
    };
    let (bytes_in, bytes_out, bytes_err) = (of(Direction::In), of(Direction::Out), of(Direction::Err));
    Totals { ended, frames: frames.len() as u64, bytes_in, bytes_out, bytes_err }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_frames_come_back_as_they_were(frames in frames()) {
        let made = Made::with(|writer| frames.iter().for_each(|frame| record(writer, frame)));
        let heard = read(&made.bytes, &made.key());
        prop_assert_eq!(heard.ending.unwrap(), Ending::Closed(totals(&frames, Duration::from_secs(3600))));
        prop_assert!(heard.frames == frames, "frames differ");
        let structure = recorder::structure(made.bytes.as_slice(), &made.points()).unwrap();
        prop_assert_eq!(structure.state, recorder::State::Closed);
    }

    #[test]
    fn arbitrary_bytes_after_a_header_are_refused_without_a_panic(tail: Vec<u8>) {
        let made = Made::of(&[]);
        let file = [made.header.bytes(), &tail].concat();
        let heard = read(&file, &made.key());
        prop_assert!(heard.frames.is_empty());
        prop_assert!(!matches!(heard.ending, Ok(Ending::Closed(_))));
        let _judged = recorder::structure(file.as_slice(), &[]);
    }
}

#[test]
fn an_empty_session_is_a_header_and_a_last_chunk() {
    let made = Made::of(&[]);
    assert_eq!(made.anchors.len(), 2);
    let heard = read(&made.bytes, &made.key());
    assert_eq!(heard.ending.unwrap(), Ending::Closed(totals(&[], Duration::from_secs(3600))));
}

#[test]
fn a_frame_longer_than_a_chunk_comes_back_in_one_piece() {
    let long = |len: usize| data(Direction::Out, 5, &vec![7; len]);
    for len in [MAX_CHUNK - 31, MAX_CHUNK - 30, MAX_CHUNK - 29, MAX_CHUNK, MAX_CHUNK + 1, 3 * MAX_CHUNK, MAX_FRAME] {
        let frames = [data(Direction::Out, 5, b"before"), long(len), data(Direction::Out, 6, b"after")];
        let made = Made::of(&[&frames]);
        let heard = read(&made.bytes, &made.key());
        assert!(heard.frames == frames, "a frame of {len} bytes differs");
        assert!(matches!(heard.ending, Ok(Ending::Closed(_))));
    }
}

#[test]
fn a_frame_beyond_the_limit_is_refused_and_nothing_of_it_recorded() {
    let made = Made::with(|writer| {
        let too_long = vec![0; MAX_FRAME + 1];
        let refused = writer.frame(Kind::Data, 1, Direction::Out, Duration::ZERO, &too_long);
        assert!(matches!(refused, Err(Error::FrameTooLong { limit: MAX_FRAME, .. })));
    });
    assert!(read(&made.bytes, &made.key()).frames.is_empty());
}

#[test]
fn time_that_goes_back_is_recorded_as_standing_still() {
    let frames = [data(Direction::Out, 900, b"a"), data(Direction::Out, 100, b"b"), data(Direction::Out, 950, b"c")];
    let made = Made::with(|writer| frames.iter().for_each(|frame| record(writer, frame)));
    let times: Vec<u128> = read(&made.bytes, &made.key()).frames.iter().map(|frame| frame.at.as_millis()).collect();
    assert_eq!(times, [900, 900, 950]);
}

#[test]
fn a_chunk_is_sealed_when_it_is_a_second_old_and_not_before() {
    Made::with(|writer| {
        let mut at = |ms, bytes| writer.frame(Kind::Data, 1, Direction::Out, Duration::from_millis(ms), bytes).unwrap();
        assert_eq!(at(0, b"a"), Status::Buffered);
        assert_eq!(at(999, b"b"), Status::Buffered);
        assert_eq!(at(1000, b"c"), Status::Wrote);
        let due = |writer: &mut recorder::Writer, ms| writer.seal_due(Duration::from_millis(ms)).unwrap();
        assert_eq!(due(writer, 1999), Status::Buffered);
        assert_eq!(due(writer, 2000), Status::Wrote);
        assert_eq!(due(writer, 9000), Status::Buffered, "nothing waits");
        assert_eq!(writer.anchor().chunks, 2);
        assert_eq!(CHUNK_AGE, Duration::from_secs(1));
    });
}

#[test]
fn what_does_not_compress_is_kept_as_it_is() {
    let mut noise = vec![0; 100_000];
    aws_lc_rs::rand::fill(&mut noise).unwrap();
    let (flat, noisy) = ([data(Direction::Out, 0, &vec![b'x'; 100_000])], [data(Direction::Out, 0, &noise)]);
    let made = Made::of(&[&flat, &noisy]);
    assert!(made.chunk(1).len() < 1000);
    assert!((100_000..100_100).contains(&made.chunk(2).len()));
    assert_eq!(read(&made.bytes, &made.key()).frames, [flat, noisy].concat());
}

#[test]
fn a_closed_recording_takes_no_more_and_closing_again_says_the_same() {
    Made::with(|writer| {
        let closed = writer.close(Duration::from_secs(3600)).unwrap();
        let late = writer.frame(Kind::Data, 1, Direction::Out, Duration::ZERO, b"late");
        assert!(matches!(late, Err(Error::AlreadyClosed)));
        assert_eq!(writer.close(Duration::from_secs(9999)).unwrap(), closed);
    });
}

#[test]
fn a_reader_tells_how_far_it_is_and_goes_on_giving_nothing_at_the_end() {
    let made = Made::of(&[&[data(Direction::Out, 0, b"a")], &[data(Direction::Out, 1, b"b")]]);
    let key = made.key();
    let mut reader = Reader::new(made.bytes.as_slice(), &key).unwrap();
    assert_eq!((reader.anchor().chunks, reader.ending()), (0, None));
    assert_eq!(reader.next_frame().unwrap().unwrap().bytes, b"a");
    assert_eq!(reader.anchor().chain, made.anchors[1].chain);
    assert_eq!(reader.next_frame().unwrap().unwrap().bytes, b"b");
    for _ in 0..3 {
        assert_eq!(reader.next_frame().unwrap(), None);
    }
    assert_eq!(reader.anchor().chain, made.anchors[3].chain);
    assert!(reader.anchor().plain_bytes > 0);
}
