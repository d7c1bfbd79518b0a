//! A recording that the first version wrote is read for ever. A reader in another language, written from
//! `spec/recording.md` alone, gave the same frames, totals and chain for this file.

use std::time::Duration;

use envelope::{OpeningKey, Secret};
use recorder::{Ending, Header, Kind, Point, SessionKey, State, Totals, body::ExitStatus};

use crate::made::read;

const RECORDING: &[u8] = include_bytes!("../golden/v1.skmrec");
const READING_KEY: &str = include_str!("../golden/v1.reading-key.hex");
const CHAIN: &str = "04aee76ed96c21f888b851121753711ffe11be02903019f77eea1e7aeda9f90a";

fn reading_key() -> OpeningKey {
    let digits = READING_KEY.trim().as_bytes().chunks(2);
    let bytes = digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
    OpeningKey::from_secret(&Secret::new(bytes)).unwrap()
}

#[test]
fn the_first_version_is_still_read() {
    let header = Header::read(&mut &RECORDING[..]).unwrap();
    assert_eq!((header.session(), header.origin()), ("ses_golden", "gate.example/log"));
    assert_eq!(header.started_us(), 1_763_856_000_000_001);
    let key = SessionKey::open_with_keeper(&header, &reading_key()).unwrap();
    let heard = read(RECORDING, &key);
    let kinds: Vec<Option<Kind>> = heard.frames.iter().map(|frame| Kind::from_code(frame.code)).collect();
    let expected = [Kind::Open, Kind::Pty, Kind::Data, Kind::Data, Kind::Data, Kind::ExitStatus];
    assert_eq!(kinds, expected.map(Some));
    assert!(heard.frames[3].bytes.iter().enumerate().all(|(i, byte)| usize::from(*byte) == i % 251));
    assert_eq!((heard.frames[3].bytes.len(), heard.frames[3].at), (300_000, Duration::from_millis(1500)));
    assert_eq!((heard.frames[4].channel, heard.frames[4].bytes.as_slice()), (4_000_000_000, "関守".as_bytes()));
    assert_eq!(ExitStatus::decode(&heard.frames[5].bytes), Some(ExitStatus(0)));
    let ended = Duration::from_millis(1700);
    let totals = Totals { ended, frames: 6, bytes_in: 0, bytes_out: 300_002, bytes_err: 6 };
    assert_eq!(heard.ending.unwrap(), Ending::Closed(totals));
}

#[test]
fn the_first_versions_chain_is_still_the_same() {
    let point = Point { chunks: 5, chain: CHAIN.parse().unwrap() };
    let structure = recorder::structure(RECORDING, &[point]).unwrap();
    assert_eq!((structure.state, structure.chunks, structure.chain), (State::Closed, 5, point.chain));
}
