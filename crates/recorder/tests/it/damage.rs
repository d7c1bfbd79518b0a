//! Every changed, dropped, exchanged, inserted or cut byte is named, or is cleanly a cut.

use proptest::prelude::*;
use recorder::{Cut, Direction, Ending, Error, Fault, Header, LastFrame, Point, SessionKey, State};

use crate::made::{Heard, Made, Owned, data, keeper, read};

/// Three chunks of frames and the last chunk.
fn frames() -> [Vec<Owned>; 3] {
    [
        vec![data(Direction::Out, 1, b"$ "), data(Direction::In, 2, b"id\r")],
        vec![data(Direction::Out, 3, &b"uid=0(root) gid=0(root) ".repeat(8))],
        vec![data(Direction::Err, 4, b"warning"), data(Direction::Out, 5, b"$ ")],
    ]
}

fn made() -> Made {
    let frames = frames();
    Made::of(&frames.each_ref().map(Vec::as_slice))
}

fn fault(heard: &Heard) -> (u64, Fault) {
    match &heard.ending {
        Err(Error::BadChunk { chunk, fault }) => (*chunk, *fault),
        other => panic!("no bad chunk was named: {other:?}"),
    }
}

fn assert_prefix(heard: &Heard) {
    assert!(frames().concat().starts_with(&heard.frames), "a frame was given that was never recorded");
}

#[test]
fn every_changed_bit_is_named_or_a_cut() {
    let made = made();
    let (key, hash, header_len) = (made.key(), made.header.hash(), made.header.bytes().len());
    for at in 0..made.bytes.len() {
        for bit in 0..8 {
            let mut changed = made.bytes.clone();
            changed[at] ^= 1 << bit;
            let heard = read(&changed, &key);
            assert_prefix(&heard);
            match &heard.ending {
                Err(Error::Unreadable(_)) => panic!("byte {at} bit {bit} is told as a disk failure"),
                Err(_) => {}
                Ok(Ending::Cut(_)) => assert!(at >= header_len, "byte {at} bit {bit} of the header goes untold"),
                Ok(Ending::Closed(_)) => panic!("byte {at} bit {bit} goes untold"),
            }
            assert!(
                recorder::structure(changed.as_slice(), &made.points()).is_err(),
                "byte {at} bit {bit} fits the anchors"
            );
            let header = Header::read(&mut changed.as_slice());
            let known = header.is_ok_and(|header| header.expect(&hash).is_ok());
            assert_eq!(known, at >= header_len, "byte {at} bit {bit}");
        }
    }
}

#[test]
fn a_changed_ciphertext_names_its_chunk() {
    let made = made();
    for number in 1..=4u64 {
        let at = made.chunk(usize::try_from(number).unwrap()).end - 1;
        let mut changed = made.bytes.clone();
        changed[at] ^= 0x80;
        let heard = read(&changed, &made.key());
        assert_eq!(fault(&heard), (number, Fault::DoesNotOpen));
        let without_key = recorder::structure(changed.as_slice(), &made.points());
        assert!(matches!(without_key, Err(Error::AnchorDiffers { chunk }) if chunk == number), "{without_key:?}");
    }
}

/// What a crash leaves: every whole chunk before the cut is read, and the cut is told with what is torn.
#[test]
fn a_file_cut_at_any_length_gives_every_whole_chunk() {
    let made = made();
    let key = made.key();
    let header_len = made.header.bytes().len();
    for len in 0..made.bytes.len() {
        let cut = &made.bytes[..len];
        let heard = read(cut, &key);
        if len < header_len {
            assert!(matches!(heard.ending, Err(Error::TruncatedHeader | Error::NotARecording)), "cut to {len}");
            continue;
        }
        let whole = made.anchors.iter().rposition(|anchor| anchor.file_bytes <= len as u64).unwrap();
        let torn_bytes = len as u64 - made.anchors[whole].file_bytes;
        let expected = Cut { chunks: whole as u64, torn_bytes, last_frame: LastFrame::Whole };
        assert_eq!(heard.ending.unwrap(), Ending::Cut(expected), "cut to {len}");
        assert_eq!(heard.frames, frames()[..whole].concat(), "cut to {len}");

        let structure = recorder::structure(cut, &made.points()[..=whole]).unwrap();
        assert_eq!((structure.chunks, structure.state), (whole as u64, State::Cut { torn_bytes }));
        assert_eq!(structure.chain, made.anchors[whole].chain);
        let anchored = recorder::structure(cut, &made.points()).unwrap_err();
        assert!(matches!(anchored, Error::TruncatedAt { chunk } if chunk == whole as u64 + 1), "{anchored:?}");
    }
}

#[test]
fn a_cut_within_a_long_frame_gives_what_there_is_of_it() {
    let long: Vec<u8> = (0..600_000u32).map(|i| (i / 7) as u8).collect();
    let made = Made::of(&[&[data(Direction::Out, 1, &long)]]);
    for whole in 1..=2 {
        let heard = read(&made.bytes[..made.chunk(whole).end + 5], &made.key());
        let Ok(Ending::Cut(cut)) = heard.ending else { panic!("{heard:?}") };
        assert_eq!(cut, Cut { chunks: whole as u64, torn_bytes: 5, last_frame: LastFrame::Unfinished });
        let [given] = heard.frames.as_slice() else { panic!("not one frame") };
        assert!(long.starts_with(&given.bytes) && given.bytes.len() > 200_000 * whole);
    }
}

#[test]
fn zeros_that_a_power_cut_left_are_a_cut() {
    let made = made();
    let whole = &made.bytes[..made.chunk(2).end];
    for zeros in [13, 14, 4096 + 13, 20_000] {
        let heard = read(&[whole, &vec![0; zeros]].concat(), &made.key());
        let expected = Cut { chunks: 2, torn_bytes: zeros as u64, last_frame: LastFrame::Whole };
        assert_eq!(heard.ending.unwrap(), Ending::Cut(expected));
        let heard = read(&[whole, &vec![0; zeros], b"x"].concat(), &made.key());
        assert_eq!(fault(&heard), (3, Fault::OutOfOrder { found: 0 }));
    }
}

#[test]
fn a_dropped_chunk_is_named() {
    let made = made();
    for number in 1..=3u64 {
        let mut bytes = made.bytes.clone();
        bytes.drain(made.chunk(usize::try_from(number).unwrap()));
        let expected = (number, Fault::OutOfOrder { found: number + 1 });
        assert_eq!(fault(&read(&bytes, &made.key())), expected);
        let without_key = recorder::structure(bytes.as_slice(), &[]);
        assert!(matches!(without_key, Err(Error::BadChunk { chunk, .. }) if chunk == number));
    }
}

#[test]
fn exchanged_chunks_are_named_even_when_their_numbers_are_put_right() {
    let made = made();
    let (two, three) = (&made.bytes[made.chunk(2)], &made.bytes[made.chunk(3)]);
    let (head, tail) = (&made.bytes[..made.chunk(1).end], &made.bytes[made.chunk(4)]);
    let exchanged = [head, three, two, tail].concat();
    assert_eq!(fault(&read(&exchanged, &made.key())), (2, Fault::OutOfOrder { found: 3 }));

    let number = |chunk: &[u8], number: u64| [&number.to_be_bytes(), &chunk[8..]].concat();
    let renumbered = [head, &number(three, 2), &number(two, 3), tail].concat();
    assert_eq!(fault(&read(&renumbered, &made.key())), (2, Fault::DoesNotOpen));
    assert!(recorder::structure(renumbered.as_slice(), &[]).is_ok(), "without key and anchors it cannot be seen");
    let anchored = recorder::structure(renumbered.as_slice(), &made.points());
    assert!(matches!(anchored, Err(Error::AnchorDiffers { chunk: 2 })));
}

#[test]
fn a_repeated_chunk_is_named() {
    let made = made();
    let bytes =
        [&made.bytes[..made.chunk(2).end], &made.bytes[made.chunk(2)], &made.bytes[made.chunk(3).start..]].concat();
    assert_eq!(fault(&read(&bytes, &made.key())), (3, Fault::OutOfOrder { found: 2 }));
}

#[test]
fn whatever_follows_the_last_chunk_is_named() {
    let made = made();
    for tail in [b"\0".as_slice(), &[0; 9000], &made.bytes[made.chunk(4)], &made.bytes[made.chunk(1)], &made.bytes] {
        let longer = [&made.bytes, tail].concat();
        let heard = read(&longer, &made.key());
        assert!(matches!(heard.ending, Err(Error::TrailingBytes { after: 4 })), "{:?}", heard.ending);
        assert_eq!(heard.frames, frames().concat(), "what comes before it is read");
        let without_key = recorder::structure(longer.as_slice(), &[]);
        assert!(matches!(without_key, Err(Error::TrailingBytes { after: 4 })));
    }
}

#[test]
fn a_chunk_of_another_recording_is_named() {
    let (one, other) = (made(), made());
    for number in 1..=4usize {
        let (before, after) = (&one.bytes[..one.chunk(number).start], &one.bytes[one.chunk(number).end..]);
        let spliced = [before, &other.bytes[other.chunk(number)], after].concat();
        assert_eq!(fault(&read(&spliced, &one.key())), (number as u64, Fault::DoesNotOpen));
        let anchored = recorder::structure(spliced.as_slice(), &one.points());
        assert!(matches!(anchored, Err(Error::AnchorDiffers { chunk }) if chunk == number as u64));
    }
}

#[test]
fn the_chunks_of_one_recording_under_the_header_of_another_are_told() {
    let (one, other) = (made(), made());
    let chunks = &other.bytes[other.header.bytes().len()..];
    let spliced = [one.header.bytes(), chunks].concat();
    assert_eq!(fault(&read(&spliced, &one.key())), (1, Fault::DoesNotOpen));
    assert!(matches!(read(&spliced, &other.key()).ending, Err(Error::WrongKey)));
    let anchored = recorder::structure(spliced.as_slice(), &other.points());
    assert!(matches!(anchored, Err(Error::WrongHeader { .. })), "{anchored:?}");
}

#[test]
fn a_last_chunk_cannot_be_made_of_another_nor_taken_away() {
    let made = made();
    for (number, flags) in [(1, 1), (1, 2), (4, 0), (4, 2)] {
        let mut changed = made.bytes.clone();
        changed[made.chunk(number).start + 8] = flags;
        assert_eq!(fault(&read(&changed, &made.key())).0, number as u64);
    }
}

#[test]
fn a_key_of_another_session_or_recipient_opens_nothing() {
    let (one, other) = (made(), made());
    assert!(matches!(read(&one.bytes, &other.key()).ending, Err(Error::WrongKey)));
    let stranger = envelope::OpeningKey::generate();
    let refused = SessionKey::open_with_keeper(&one.header, &stranger);
    assert!(matches!(refused, Err(Error::Envelope(envelope::Error::DoesNotOpen { .. }))));
    let opened = envelope::Secret::new(vec![7; 32]);
    assert!(matches!(SessionKey::from_opened(&one.header, &opened), Err(Error::WrongKey)));
    let short = envelope::Secret::new(vec![7; 31]);
    assert!(matches!(SessionKey::from_opened(&one.header, &short), Err(Error::Envelope(_))));
}

/// The keeper opens for a session's name: another session's sealed key under that name must not open.
#[test]
fn a_sealed_key_cannot_be_passed_off_as_another_sessions() {
    let made = made();
    let sealed = made.header.sealed_for_keeper().unwrap();
    let context = |session| recorder::sealing_context(made.header.origin(), session);
    assert!(keeper().open(&context("ses_test"), &sealed).is_ok());
    assert!(keeper().open(&context("ses_other"), &sealed).is_err());
}

#[test]
fn anchors_that_the_file_does_not_reach_or_that_differ_are_named() {
    let made = made();
    let points = made.points();
    let beyond = Point { chunks: 9, ..points[4] };
    assert!(matches!(
        recorder::structure(made.bytes.as_slice(), &[beyond, points[1]]),
        Err(Error::TruncatedAt { chunk: 5 })
    ));
    let wrong = Point { chain: points[3].chain, ..points[2] };
    assert!(matches!(
        recorder::structure(made.bytes.as_slice(), &[points[1], wrong]),
        Err(Error::AnchorDiffers { chunk: 2 })
    ));
    let wrong_header = Point { chain: points[3].chain, ..points[0] };
    assert!(matches!(recorder::structure(made.bytes.as_slice(), &[wrong_header]), Err(Error::WrongHeader { .. })));
    let structure = recorder::structure(made.bytes.as_slice(), &points).unwrap();
    assert_eq!((structure.state, structure.chunks), (State::Closed, 4));
    assert_eq!((structure.header_hash, structure.chain), (made.header.hash(), points[4].chain));
    assert_eq!(structure.file_bytes, made.bytes.len() as u64);
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_no_recording(bytes: Vec<u8>) {
        prop_assert!(recorder::structure(bytes.as_slice(), &[]).is_err());
        prop_assert!(recorder::structure([b"SKMREC1\n\x01\x01\0\0".as_slice(), &bytes].concat().as_slice(), &[]).is_err());
    }

    #[test]
    fn any_mangling_gives_a_prefix_and_then_an_error_or_a_cut(
        at in 0..4096usize, remove in 0..600usize, insert in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let made = made();
        let at = at % made.bytes.len();
        let end = (at + remove).min(made.bytes.len());
        let mut mangled = made.bytes.clone();
        mangled.splice(at..end, insert.iter().copied());
        prop_assume!(mangled != made.bytes);
        let heard = read(&mangled, &made.key());
        assert_prefix(&heard);
        prop_assert!(!matches!(heard.ending, Ok(Ending::Closed(_))));
    }
}
