//! What a person sees of a recording: asciicasts, plain text, exact bytes.

use std::time::Duration;

use expect_test::{Expect, expect};
use recorder::{
    Direction, Kind, Reader, asciicast,
    asciicast::Version,
    body::{ExitStatus, Pty, Window},
    text,
    text::Notices,
};

use crate::made::{Made, Owned};

fn frame(kind: Kind, channel: u32, direction: Direction, at_us: u64, bytes: &[u8]) -> Owned {
    Owned { code: kind.code(), channel, direction, at: Duration::from_micros(at_us), bytes: bytes.to_vec() }
}

fn window(columns: u32, rows: u32) -> Window {
    Window { columns, rows, width_px: 0, height_px: 0 }
}

fn session() -> Made {
    let pty = Pty { window: window(100, 30), term: b"xterm-256color" }.encode();
    Made::of(&[&[
        frame(Kind::Open, 1, Direction::None, 0, b"session"),
        frame(Kind::Pty, 1, Direction::None, 10, &pty),
        frame(Kind::Shell, 1, Direction::None, 20, b""),
        frame(Kind::Notice, 1, Direction::Out, 30, b"this session is recorded\r\n"),
        frame(Kind::Data, 1, Direction::Out, 1_000_001, b"\x1b[1m# \x1b[0m\xe9\x96"),
        frame(Kind::Data, 2, Direction::Out, 1_000_002, b"another channel"),
        frame(Kind::Data, 1, Direction::In, 1_500_000, b"id\r"),
        frame(Kind::Data, 1, Direction::Out, 1_600_000, b"\xa2 uid=0\r\n\xff"),
        frame(Kind::Resize, 1, Direction::In, 2_000_000, &window(80, 25).encode()),
        frame(Kind::Frozen, 1, Direction::None, 2_500_000, b"ordered"),
        frame(Kind::Thawed, 1, Direction::None, 3_000_000, b"ordered"),
        frame(Kind::Data, 1, Direction::Err, 61_000_000, b"\"bye\"\\\n"),
        frame(Kind::ExitStatus, 1, Direction::Out, 61_000_005, &ExitStatus(7).encode()),
    ]])
}

fn cast(made: &Made, channel: u32, version: Version, notices: Notices) -> String {
    let key = made.key();
    let mut reader = Reader::new(made.bytes.as_slice(), &key).unwrap();
    let mut out = Vec::new();
    asciicast::export(&mut reader, channel, version, notices, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn check(made: &Made, version: Version, notices: Notices, expected: Expect) {
    let cast = cast(made, 1, version, notices);
    for line in cast.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    expected.assert_eq(&cast);
}

#[test]
fn version_2_tells_times_since_the_start() {
    check(
        &session(),
        Version::V2,
        Notices::Shown,
        expect![[r#"
            {"version":2,"width":100,"height":30,"timestamp":1700000000,"env":{"TERM":"xterm-256color"}}
            [0.000030, "o", "this session is recorded\r\n"]
            [1.000001, "o", "\u001b[1m# \u001b[0m"]
            [1.500000, "i", "id\r"]
            [1.600000, "o", "関 uid=0\r\n�"]
            [2.000000, "r", "80x25"]
            [2.500000, "m", "frozen"]
            [3.000000, "m", "thawed"]
            [61.000000, "o", "\"bye\"\\\n"]
        "#]],
    );
}

#[test]
fn version_3_tells_times_since_the_event_before_and_the_exit_status() {
    check(
        &session(),
        Version::V3,
        Notices::LeftOut,
        expect![[r#"
            {"version":3,"term":{"cols":100,"rows":30,"type":"xterm-256color"},"timestamp":1700000000}
            [1.000001, "o", "\u001b[1m# \u001b[0m"]
            [0.499999, "i", "id\r"]
            [0.100000, "o", "関 uid=0\r\n�"]
            [0.400000, "r", "80x25"]
            [0.500000, "m", "frozen"]
            [0.500000, "m", "thawed"]
            [58.000000, "o", "\"bye\"\\\n"]
            [0.000005, "x", "7"]
        "#]],
    );
}

#[test]
fn a_channel_without_terminal_or_output_is_still_a_cast() {
    expect![[r#"
        {"version":2,"width":80,"height":24,"timestamp":1700000000}
        [1.000002, "o", "another channel"]
        [2.500000, "m", "frozen"]
        [3.000000, "m", "thawed"]
    "#]]
    .assert_eq(&cast(&session(), 2, Version::V2, Notices::Shown));
    expect![[r#"
        {"version":3,"term":{"cols":80,"rows":24},"timestamp":1700000000}
        [2.500000, "m", "frozen"]
        [0.500000, "m", "thawed"]
    "#]]
    .assert_eq(&cast(&session(), 9, Version::V3, Notices::Shown));
}

/// The times between events are written exactly, so that adding them up gives the times since the start.
#[test]
fn version_3_does_not_drift() {
    let tick = |i: u64| frame(Kind::Data, 1, Direction::Out, i * 333_333, b"x");
    let frames: Vec<Owned> = (0..1000).map(tick).collect();
    let cast = cast(&Made::of(&[&frames]), 1, Version::V3, Notices::Shown);
    let micros = |line: &str| {
        let (seconds, micros) = line[1..line.find(',').unwrap()].split_once('.').unwrap();
        seconds.parse::<u64>().unwrap() * 1_000_000 + micros.parse::<u64>().unwrap()
    };
    assert_eq!(cast.lines().skip(1).map(micros).sum::<u64>(), 999 * 333_333);
}

#[test]
fn plain_text_is_one_channels_output_without_control() {
    let made = session();
    let key = made.key();
    let plain = |notices| {
        let mut out = Vec::new();
        text::export(&mut Reader::new(made.bytes.as_slice(), &key).unwrap(), 1, notices, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    expect![[r#"
        this session is recorded
        # 関 uid=0
        �"bye"\
    "#]]
    .assert_eq(&plain(Notices::Shown));
    expect![[r##"
        # 関 uid=0
        �"bye"\
    "##]]
    .assert_eq(&plain(Notices::LeftOut));
}

#[test]
fn raw_bytes_are_exactly_those_that_flowed() {
    let made = session();
    let key = made.key();
    let raw = |direction| {
        let mut out = Vec::new();
        text::raw(&mut Reader::new(made.bytes.as_slice(), &key).unwrap(), 1, direction, &mut out).unwrap();
        out
    };
    assert_eq!(raw(Direction::In), b"id\r");
    assert_eq!(raw(Direction::Out), b"\x1b[1m# \x1b[0m\xe9\x96\xa2 uid=0\r\n\xff");
    assert_eq!(raw(Direction::Err), b"\"bye\"\\\n");
}

#[test]
fn an_export_of_a_damaged_recording_stops_with_the_chunk_named() {
    let mut made = session();
    let at = made.chunk(1).end - 1;
    made.bytes[at] ^= 1;
    let key = made.key();
    let mut reader = Reader::new(made.bytes.as_slice(), &key).unwrap();
    let refused = asciicast::export(&mut reader, 1, Version::V2, Notices::Shown, &mut Vec::new());
    assert!(matches!(refused, Err(recorder::Error::BadChunk { chunk: 1, .. })));
}
