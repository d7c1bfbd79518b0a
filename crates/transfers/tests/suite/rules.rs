//! What is refused, what ends the channel, and what a fact says: one case each.

use transfers::sftp::{Broken, Fault, Filter, Limits, Passed, Standing};
use transfers::{AllowAll, Fact, FileAct, FileFact, Outcome, Oversight, Refusal, Side, Status, Undigested, Verdict};

use super::packets::{self, string};
use super::talk::By;

/// A channel that has begun, with what came of the last call.
struct Channel {
    filter: Filter,
    facts: Vec<Fact>,
}

impl Channel {
    fn new(limits: Limits) -> Self {
        let mut channel = Self { filter: Filter::new(limits), facts: Vec::new() };
        channel.says(&packets::init());
        channel.answers(&packets::version());
        channel
    }

    fn client(&mut self, bytes: &[u8]) -> Passed {
        let passed = self.filter.client(bytes, &mut AllowAll);
        self.facts.extend(passed.facts.clone());
        passed
    }

    fn target(&mut self, bytes: &[u8]) -> Passed {
        let passed = self.filter.target(bytes, &mut AllowAll);
        self.facts.extend(passed.facts.clone());
        passed
    }

    fn says(&mut self, bytes: &[u8]) {
        let _went = self.client(bytes);
    }

    fn answers(&mut self, bytes: &[u8]) {
        let _went = self.target(bytes);
    }

    /// Opens a file whose handle is its path.
    fn open(&mut self, path: &str, flags: u32) {
        self.says(&packets::open(1, path, flags));
        self.answers(&packets::handle(1, path.as_bytes()));
    }

    fn file(&mut self) -> FileFact {
        let facts = self.filter.end();
        self.facts.extend(facts);
        let file = self.facts.iter().find_map(|fact| match fact {
            Fact::File(file) => Some((**file).clone()),
            _ => None,
        });
        file.unwrap()
    }
}

fn channel() -> Channel {
    Channel::new(Limits::default())
}

fn bytes(passed: &transfers::Onward, input: &[u8]) -> Vec<u8> {
    passed.slices(input).flatten().copied().collect()
}

/// A request that is refused: not a byte goes on, the client is answered, the channel goes on.
fn refused(channel: &mut Channel, request: &[u8], why: &Refusal) {
    let passed = channel.client(request);
    assert!(passed.to_target.is_empty(), "{why}");
    let answer = bytes(&passed.to_client, request);
    let expected = packets::with_id(
        101,
        packets::id(request),
        &[&why.status().0.to_be_bytes(), &string(why.to_string().as_bytes()), &string(b"en")],
    );
    assert_eq!(answer, expected, "{why}");
    assert_eq!(passed.facts, [Fact::Refused { request: packets::kind(request), why: why.clone() }]);
    assert_eq!(passed.standing, Standing::Running);
}

#[test]
fn requests_that_do_not_read_are_answered_by_the_gate() {
    let mut it = channel();
    it.open("w", 2);
    it.open("r", 1);
    let trailing = packets::with_id(13, 7, &[&string(b"x"), b"!"]);
    refused(&mut it, &trailing, &Refusal::Malformed { field: "end" });
    refused(&mut it, &packets::with_id(13, 7, &[b"\xff\xff\xff\xff"]), &Refusal::Malformed { field: "path" });
    refused(&mut it, &packets::of_path(13, 7, "a\0b"), &Refusal::Malformed { field: "path" });
    refused(&mut it, &packets::open(7, "x", 0x40), &Refusal::UnknownFlags(0x40));
    refused(&mut it, &packets::of_path(21, 7, "x"), &Refusal::UnknownRequest(21));
    refused(&mut it, &packets::of_path(101, 7, "x"), &Refusal::UnknownRequest(101));
    refused(&mut it, &packets::close(7, b"never"), &Refusal::NotOpen);
    refused(&mut it, &packets::close(7, &[b'x'; 300]), &Refusal::NotOpen);
    refused(&mut it, &packets::write(7, b"never", 0, b"x"), &Refusal::NotOpen);
    refused(&mut it, &packets::write(7, b"r", 0, b"x"), &Refusal::NotOpenedForThis);
    refused(&mut it, &packets::read(7, b"w", 0, 1), &Refusal::NotOpenedForThis);
    refused(&mut it, &packets::with_id(12, 7, &[&string(b"r")]), &Refusal::NotOpenedForThis);
    refused(&mut it, &packets::write(7, b"w", u64::MAX, b"x"), &Refusal::Malformed { field: "offset" });
    refused(&mut it, &packets::read(7, b"r", u64::MAX, 1), &Refusal::Malformed { field: "offset" });
    let longer_inside = packets::with_id(6, 7, &[&string(b"w"), &0_u64.to_be_bytes(), &9_u32.to_be_bytes(), b"short"]);
    refused(&mut it, &longer_inside, &Refusal::Malformed { field: "data" });
    let long = "x".repeat(4097);
    refused(&mut it, &packets::of_path(13, 7, &long), &Refusal::PathTooLong { limit: 4096 });
}

#[test]
fn limits_refuse_before_anything_is_held() {
    let mut it = Channel::new(Limits { open: 1, waiting: 3, text: 10, ..Limits::default() });
    it.open("a", 1);
    refused(&mut it, &packets::open(2, "b", 1), &Refusal::TooManyOpen { limit: 1 });
    refused(&mut it, &packets::of_path(13, 2, "0123456789"), &Refusal::TooMuchText { limit: 10 });
    for id in 10..13 {
        it.says(&packets::read(id, b"a", 0, 1));
    }
    refused(&mut it, &packets::read(13, b"a", 0, 1), &Refusal::TooManyWaiting { limit: 3 });
}

fn breaks(mut it: Channel, side: Side, packet: &[u8], fault: Fault) {
    let passed = if side == Side::Client { it.client(packet) } else { it.target(packet) };
    let Standing::Broken(Broken { by, fault: found, .. }) = passed.standing else { panic!("{fault} does not end it") };
    assert_eq!((by, found), (side, fault));
    assert!(passed.to_target.is_empty() && passed.to_client.is_empty());
    assert!(!fault.hint().is_empty());
    assert!(it.client(&packets::of_path(13, 99, "x")).to_target.is_empty());
}

#[test]
fn streams_that_are_not_sftp_version_3_end_the_channel() {
    let fresh = || Channel { filter: Filter::new(Limits::default()), facts: Vec::new() };
    let offered = |version: u32| {
        let mut it = fresh();
        it.says(&packets::packet(1, &version.to_be_bytes()));
        it
    };
    breaks(fresh(), Side::Client, b"GET / HTTP/1.0\r\n", Fault::NotSftp);
    breaks(fresh(), Side::Client, &packets::of_path(13, 0, "x"), Fault::NotSftp);
    breaks(fresh(), Side::Client, &packets::packet(1, &2_u32.to_be_bytes()), Fault::OtherVersion(2));
    breaks(fresh(), Side::Target, &packets::version(), Fault::NotSftp);
    breaks(offered(3), Side::Target, b"Welcome to db1\n", Fault::NotSftp);
    breaks(offered(6), Side::Target, &packets::packet(2, &6_u32.to_be_bytes()), Fault::OtherVersion(6));
    breaks(offered(6), Side::Client, &packets::of_path(13, 0, "x"), Fault::TooEarly);
    breaks(channel(), Side::Client, &packets::init(), Fault::BegunTwice);
    breaks(channel(), Side::Target, &packets::version(), Fault::Malformed { packet: 2 });
    let limit = Limits::default().packet;
    let length = limit as u32 + 1;
    breaks(
        channel(),
        Side::Client,
        &[&length.to_be_bytes()[..], b"\x06"].concat(),
        Fault::PacketTooLong { length, limit },
    );
    breaks(channel(), Side::Client, &packets::packet(13, b"abc"), Fault::PacketTooShort { packet: 13 });
}

#[test]
fn a_request_may_come_before_the_version_where_only_3_was_offered() {
    let mut filter = Filter::new(Limits::default());
    let both = [packets::init(), packets::of_path(13, 0, "x")].concat();
    let passed = filter.client(&both, &mut AllowAll);
    assert_eq!(bytes(&passed.to_target, &both), both);
}

#[test]
fn what_a_lying_target_answers_ends_the_channel() {
    let asked = || {
        let mut it = channel();
        it.open("f", 3);
        it.says(&packets::read(5, b"f", 0, 10));
        it.says(&packets::write(6, b"f", 0, b"x"));
        it
    };
    breaks(asked(), Side::Target, &packets::status(77, 0), Fault::NeverAsked { id: 77 });
    breaks(
        asked(),
        Side::Target,
        &packets::data(5, b"elevenbytes"),
        Fault::MoreThanAsked { id: 5, asked: 10, length: 11 },
    );
    breaks(asked(), Side::Target, &packets::data(6, b"x"), Fault::AnswerDoesNotFit { id: 6, packet: 103 });
    breaks(asked(), Side::Target, &packets::handle(5, b"x"), Fault::AnswerDoesNotFit { id: 5, packet: 102 });
    breaks(
        asked(),
        Side::Target,
        &packets::with_id(103, 5, &[&9_u32.to_be_bytes(), b"short"]),
        Fault::Malformed { packet: 103 },
    );
    breaks(asked(), Side::Target, &packets::packet(99, b"12345"), Fault::Malformed { packet: 99 });
    let mut twice = asked();
    twice.answers(&packets::status(6, 0));
    breaks(twice, Side::Target, &packets::status(6, 0), Fault::NeverAsked { id: 6 });
    let mut opening = asked();
    opening.says(&packets::open(9, "g", 1));
    breaks(opening, Side::Target, &packets::handle(9, b"f"), Fault::HandleOpenAlready { id: 9 });
    let mut opening = asked();
    opening.says(&packets::open(9, "g", 1));
    breaks(opening, Side::Target, &packets::handle(9, &[1; 257]), Fault::HandleTooLong { id: 9 });
    breaks(asked(), Side::Client, &packets::of_path(13, 5, "x"), Fault::IdStillWaits { id: 5 });
}

#[test]
fn a_long_write_goes_on_before_its_end_has_come() {
    let mut it = channel();
    it.open("f", 2);
    let packet = packets::write(5, b"f", 0, &[7; 100_000]);
    let first = &packet[..1000];
    let passed = it.client(first);
    assert_eq!(bytes(&passed.to_target, first), first);
    assert_eq!(passed.to_target.pieces(), [transfers::Piece::Input(0..1000)], "nothing is copied");
}

#[test]
fn a_refused_write_is_swallowed_to_its_last_byte() {
    let mut it = channel();
    it.open("f", 1);
    let whole = [packets::write(5, b"f", 0, &[7; 100_000]), packets::of_path(13, 6, "x")].concat();
    let mut went = Vec::new();
    for piece in whole.chunks(777) {
        went.extend(bytes(&it.client(piece).to_target, piece));
    }
    assert_eq!(went, packets::of_path(13, 6, "x"));
}

#[test]
fn an_answer_of_the_gate_waits_for_the_end_of_the_packet_under_way() {
    let mut it = channel();
    it.open("f", 1);
    it.says(&packets::read(5, b"f", 0, 1000));
    let data = packets::data(5, &[7; 1000]);
    let (first, second) = data.split_at(500);
    it.answers(first);
    assert!(it.client(&packets::close(6, b"none")).to_client.is_empty());
    let passed = it.target(second);
    let got = bytes(&passed.to_client, second);
    let (rest, answer) = got.split_at(second.len());
    assert_eq!(rest, second);
    assert_eq!((packets::kind(answer), packets::id(answer)), (101, 6));
}

#[test]
fn answers_that_pile_up_end_the_channel() {
    let mut it = Channel::new(Limits { answers: 200, ..Limits::default() });
    it.open("f", 1);
    it.says(&packets::read(5, b"f", 0, 1000));
    it.answers(&packets::data(5, &[7; 1000])[..500]);
    let standing = (0..10).map(|id| it.client(&packets::close(100 + id, b"none")).standing).last();
    let fault = Fault::AnswersPileUp { limit: 200 };
    assert!(matches!(standing, Some(Standing::Broken(broken)) if broken.fault == fault), "{standing:?}");
}

/// OpenSSH's server obeys `TRUNC`, `CREAT` and `APPEND` without `WRITE`, and reads where nothing is asked for.
#[test]
fn flags_are_judged_by_what_the_target_makes_of_them() {
    for (flags, reads, changes) in [
        (0, true, false),
        (1, true, false),
        (2, false, true),
        (3, true, true),
        (16, true, true),
        (8, true, true),
        (4, true, true),
        (1 | 16, true, true),
        (2 | 8 | 16, false, true),
    ] {
        let mut seen = None;
        let mut judge = By {
            judge: |act: &FileAct| {
                seen = Some(act.clone());
                Verdict::Allow
            },
            kept: vec![],
        };
        let mut it = channel();
        let _passed = it.filter.client(&packets::open(1, "f", flags), &mut judge);
        let act = seen.unwrap();
        let found = (matches!(act, FileAct::Read { .. } | FileAct::ReadWrite { .. }), act.changes());
        assert_eq!(found, (reads, changes), "{flags}");
    }
}

#[test]
fn a_request_that_somebody_is_asked_about_holds_up_what_is_behind_it_and_nothing_else() {
    struct Ask;
    impl Oversight for Ask {
        fn judge(&mut self, act: &FileAct) -> Verdict {
            if matches!(act, FileAct::Remove { .. }) { Verdict::Ask } else { Verdict::Allow }
        }
    }
    for allow in [true, false] {
        let mut filter = channel().filter;
        let (remove, stat) = (packets::of_path(13, 1, "x"), packets::of_path(17, 2, "y"));
        let both = [remove.clone(), stat.clone()].concat();
        let passed = filter.client(&both, &mut Ask);
        assert_eq!((passed.read, passed.standing), (remove.len(), Standing::Asking));
        assert!(passed.to_target.is_empty());
        assert_eq!(filter.client(&both[passed.read..], &mut Ask).read, 0);
        let word = if allow { Verdict::Allow } else { Verdict::Refuse("no".into()) };
        let passed = filter.answer(word);
        assert_eq!(bytes(&passed.to_target, &[]), if allow { remove.clone() } else { vec![] });
        assert_eq!(passed.to_client.is_empty(), allow);
        assert!(!filter.client(&stat, &mut Ask).to_target.is_empty());
    }
}

fn uploaded(it: &mut Channel) -> Result<transfers::Digest, Undigested> {
    it.file().uploaded.unwrap().digest
}

#[test]
fn why_there_is_no_digest() {
    let with = |flags, steps: &[(&[u8], &[u8])]| {
        let mut it = channel();
        it.open("f", flags);
        for (asked, answered) in steps {
            it.says(asked);
            it.answers(answered);
        }
        it
    };
    let (w0, w1) = (packets::write(5, b"f", 0, b"aa"), packets::write(6, b"f", 4, b"aa"));
    let (ok5, ok6, ok9) = (packets::status(5, 0), packets::status(6, 0), packets::status(9, 0));
    let close = packets::close(9, b"f");
    let cut = packets::with_id(10, 6, &[&string(b"f"), &1_u32.to_be_bytes(), &1_u64.to_be_bytes()]);
    assert!(uploaded(&mut with(18, &[(&w0, &ok5), (&close, &ok9)])).is_ok());
    assert_eq!(uploaded(&mut with(18, &[(&w0, &ok5), (&w1, &ok6), (&close, &ok9)])), Err(Undigested::Gaps));
    assert_eq!(uploaded(&mut with(18, &[(&w0, &ok5), (&w0, &ok5), (&close, &ok9)])), Err(Undigested::Overlapping));
    assert_eq!(uploaded(&mut with(18, &[(&w0, &packets::status(5, 4)), (&close, &ok9)])), Err(Undigested::Unconfirmed));
    assert_eq!(uploaded(&mut with(18, &[(&w0, &[]), (&close, &ok9)])), Err(Undigested::Unconfirmed));
    assert_eq!(uploaded(&mut with(18, &[(&w0, &ok5)])), Err(Undigested::NotToTheEnd));
    assert_eq!(uploaded(&mut with(6, &[(&w0, &ok5), (&close, &ok9)])), Err(Undigested::Appended));
    assert_eq!(uploaded(&mut with(18, &[(&w0, &ok5), (&cut, &ok6), (&close, &ok9)])), Err(Undigested::Cut));
    let mut far = Channel::new(Limits { reorder_file: 1000, ..Limits::default() });
    far.open("f", 18);
    far.says(&packets::write(5, b"f", 1, &[1; 2000]));
    far.says(&close);
    assert_eq!(uploaded(&mut far), Err(Undigested::TooFarOutOfOrder));
}

#[test]
fn a_download_has_a_digest_when_the_target_told_its_end() {
    let read = packets::read(5, b"f", 0, 10);
    let data = packets::data(5, b"abc");
    let run = |more: &[(Vec<u8>, Vec<u8>)]| {
        let mut it = channel();
        it.open("f", 1);
        it.says(&read);
        it.answers(&data);
        for (asked, answered) in more {
            it.says(asked);
            it.answers(answered);
        }
        it.file()
    };
    let end_at = |offset| vec![(packets::read(6, b"f", offset, 10), packets::status(6, 1))];
    assert!(run(&end_at(3)).is_whole());
    assert!(run(&end_at(10)).is_whole(), "the rest of what was asked did not come, and behind it is the end");
    assert!(!run(&end_at(11)).is_whole());
    assert!(!run(&[]).is_whole());
    let told = |size| vec![(packets::with_id(8, 6, &[&string(b"f")]), packets::attrs(6, size))];
    assert!(run(&told(3)).is_whole());
    assert!(!run(&told(4)).is_whole());
}

#[test]
fn an_upload_is_whole_only_where_nothing_older_can_follow() {
    let run = |flags, resize: Option<u64>| {
        let mut it = channel();
        it.open("f", flags);
        it.says(&packets::write(5, b"f", 0, b"abc"));
        it.answers(&packets::status(5, 0));
        if let Some(size) = resize {
            it.says(&packets::with_id(10, 6, &[&string(b"f"), &1_u32.to_be_bytes(), &size.to_be_bytes()]));
            it.answers(&packets::status(6, 0));
        }
        it.says(&packets::close(9, b"f"));
        it.answers(&packets::status(9, 0));
        it.file()
    };
    assert!(run(2 | 8 | 16, None).is_whole());
    assert!(run(2 | 8 | 32, None).is_whole());
    assert!(!run(2 | 8, None).is_whole());
    assert!(run(2 | 8, Some(3)).is_whole());
    assert!(!run(2 | 8, Some(4)).is_whole());
    assert_eq!(run(2 | 8, None).outcome, Outcome::Done);
}

#[test]
fn a_copy_on_the_target_is_judged_with_both_paths_and_takes_the_digest() {
    let mut it = channel();
    it.open("from", 1);
    it.open("to", 18);
    let zero = 0_u64.to_be_bytes();
    let fields = [&string(b"from")[..], &zero, &zero, &string(b"to"), &zero].concat();
    it.says(&packets::extended(5, "copy-data", &fields));
    it.answers(&packets::status(5, 0));
    for (id, handle) in [(6, "from"), (7, "to")] {
        it.says(&packets::close(id, handle.as_bytes()));
        it.answers(&packets::status(id, 0));
    }
    let copied = Fact::Act(transfers::ActFact {
        act: FileAct::CopyData { from: "from".into(), to: "to".into() },
        outcome: Outcome::Done,
        file: None,
    });
    assert!(it.facts.contains(&copied));
    let to = it.facts.iter().find_map(|fact| match fact {
        Fact::File(file) => file.uploaded.clone(),
        _ => None,
    });
    assert_eq!(to.unwrap().digest, Err(Undigested::Copied));
}

#[test]
fn a_file_fact_waits_for_answers_that_come_after_the_closing() {
    let mut it = channel();
    it.open("f", 18);
    it.says(&packets::write(5, b"f", 0, b"abc"));
    it.says(&packets::close(6, b"f"));
    assert!(it.target(&packets::status(6, 0)).facts.is_empty());
    let facts = it.target(&packets::status(5, 0)).facts;
    assert!(
        matches!(&facts[..], [Fact::File(file)] if file.uploaded.as_ref().is_some_and(|flow| flow.digest.is_ok())),
        "{facts:?}"
    );
}

#[test]
fn a_failed_opening_is_a_fact_with_its_status() {
    let mut it = channel();
    it.says(&packets::open(1, "/etc/shadow", 1));
    let facts = it.target(&packets::status(1, 3)).facts;
    let act = FileAct::Read { path: "/etc/shadow".into() };
    assert_eq!(
        facts,
        [Fact::Act(transfers::ActFact { act, outcome: Outcome::Failed(Status::PERMISSION_DENIED), file: None })]
    );
}
