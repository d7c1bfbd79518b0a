//! Replays: a session key re-sealed to whom an entry permits, for the recording that the ledger names.

use channel::keeper::{Answer, Ask, KeeperRefusal, ReplayOrder};
use domain::event::Event;
use domain::rule::Channel;
use domain::{SessionId, SuiteKey};
use envelope::OpeningKey;
use keeper::replay_context;
use recorder::{Header, SessionKey};

use crate::bench::Bench;
use crate::world::Face;

/// A recorded session and what is needed to ask for its replay.
struct Recorded {
    bench: Bench,
    session: SessionId,
    opened: u64,
    header: Vec<u8>,
    reader: OpeningKey,
}

impl Recorded {
    fn new() -> Self {
        let mut bench = Bench::ready();
        let grant = bench.world.grant(&[Channel::Shell]);
        let (session, opened, header) = record(&mut bench, &grant);
        Self { bench, session, opened, header, reader: OpeningKey::generate() }
    }

    fn reader_key(&self) -> SuiteKey {
        SuiteKey::new(&self.reader.sealing_key().to_bytes()).unwrap()
    }

    /// An honest permit by `face`.
    fn permit(&mut self, face: &Face) -> u64 {
        let event = self.bench.world.permit(face, self.session, self.reader_key());
        self.bench.world.record(event, face.actor())
    }

    fn order(&mut self, face: &Face, permit: u64) -> ReplayOrder {
        let last = self.bench.last();
        self.bench.world.replay_order(face, self.opened, permit, &self.header, last)
    }

    fn refused(&mut self, order: ReplayOrder) -> KeeperRefusal {
        self.bench.refused(Ask::Replay(order))
    }
}

fn record(bench: &mut Bench, grant: &domain::GrantId) -> (SessionId, u64, Vec<u8>) {
    let mut opened = bench.world.session(grant);
    let draft = bench.world.recording(opened.session);
    opened.recording = draft.header_hash();
    let session = opened.session;
    let actor = bench.world.operator.actor();
    let seq = bench.world.record(Event::SessionOpened(opened), actor);
    (session, seq, draft.header().bytes().to_vec())
}

fn auditor() -> Face {
    let bench = Bench::ready();
    bench.world.auditor
}

#[test]
fn a_permitted_reader_gets_the_session_key_bound_to_session_and_permit() {
    let mut recorded = Recorded::new();
    for face in [auditor(), Bench::ready().world.commander] {
        let permit = recorded.permit(&face);
        let order = recorded.order(&face, permit);
        let Answer::Resealed { sealed } = recorded.bench.keeper.answer(Ask::Replay(order)) else {
            panic!("not resealed")
        };
        let opened = recorded.reader.open(&replay_context(recorded.session, permit), &sealed).unwrap();
        let header = Header::read(&mut recorded.header.as_slice()).unwrap();
        SessionKey::from_opened(&header, &opened).unwrap();
        assert!(recorded.reader.open(&replay_context(recorded.session, permit + 1), &sealed).is_err());
        let other = SessionId::from_random([9; 16]);
        assert!(recorded.reader.open(&replay_context(other, permit), &sealed).is_err());
        assert_eq!(recorded.bench.last(), recorded.bench.world.head(), "the permit can no longer be forked away");
    }
}

#[test]
fn a_permit_by_somebody_who_is_no_auditor_opens_nothing() {
    let mut recorded = Recorded::new();
    let operator = Face { ..recorded.bench.world.operator.second(3) };
    let event = recorded.bench.world.permit(&operator, recorded.session, recorded.reader_key());
    let permit = recorded.bench.world.force(event, operator.actor());
    let order = recorded.order(&operator, permit);
    let refusal = recorded.refused(order);
    assert!(matches!(&refusal, KeeperRefusal::NoProof { why } if why.contains("not-allowed")), "{refusal:?}");
}

#[test]
fn a_permit_that_the_auditor_did_not_sign_opens_nothing() {
    let mut recorded = Recorded::new();
    let auditor = auditor();
    let thief = OpeningKey::generate();
    let mut event = recorded.bench.world.permit(&auditor, recorded.session, recorded.reader_key());
    let Event::Deed(done) = &mut event else { panic!() };
    let domain::statement::Deed::ReplayPermit { reader, .. } = &mut done.fields.deed else { panic!() };
    *reader = SuiteKey::new(&thief.sealing_key().to_bytes()).unwrap();
    let permit = recorded.bench.world.force(event, auditor.actor());
    let order = recorded.order(&auditor, permit);
    assert!(matches!(recorded.refused(order), KeeperRefusal::NoProof { .. }));
}

#[test]
fn another_sessions_entry_or_header_is_refused() {
    let mut recorded = Recorded::new();
    let auditor = auditor();
    let grant = recorded.bench.world.grant(&[Channel::Shell]);
    let (_, other_opened, other_header) = record(&mut recorded.bench, &grant);
    let permit = recorded.permit(&auditor);

    let mut other_bytes = recorded.order(&auditor, permit);
    other_bytes.header.clone_from(&other_header);
    let refusal = recorded.refused(other_bytes);
    assert!(matches!(&refusal, KeeperRefusal::EntryDiffers { why } if why.contains("header")), "{refusal:?}");

    let last = recorded.bench.last();
    let other_entry = recorded.bench.world.replay_order(&auditor, other_opened, permit, &other_header, last);
    let refusal = recorded.refused(other_entry);
    assert!(matches!(&refusal, KeeperRefusal::EntryDiffers { why } if why.contains("permit is for")), "{refusal:?}");
}

/// An engine that writes a second entry for a session, naming another session's recording, still meets the header's own word.
#[test]
fn a_header_of_another_session_that_an_entry_falsely_names_is_refused() {
    let mut recorded = Recorded::new();
    let auditor = auditor();
    let grant = recorded.bench.world.grant(&[Channel::Shell]);
    let other = recorded.bench.world.recording(SessionId::from_random([9; 16]));
    let session = recorded.session;
    let hash = other.header_hash();
    recorded.opened = recorded.bench.open_forged(&grant, |opened| (opened.session, opened.recording) = (session, hash));
    recorded.header = other.header().bytes().to_vec();
    let permit = recorded.permit(&auditor);
    let order = recorded.order(&auditor, permit);
    let refusal = recorded.refused(order);
    assert!(
        matches!(&refusal, KeeperRefusal::EntryDiffers { why } if why.contains("another session's")),
        "{refusal:?}"
    );
}

#[test]
fn a_header_changed_cut_or_lengthened_is_refused() {
    let mut recorded = Recorded::new();
    let auditor = auditor();
    let permit = recorded.permit(&auditor);
    let genuine = recorded.order(&auditor, permit);
    for change in [
        (|header: &mut Vec<u8>| header.push(0)) as fn(&mut Vec<u8>),
        |header| header.truncate(header.len() - 1),
        |header| header[40] ^= 1,
        Vec::clear,
    ] {
        let mut changed = genuine.clone();
        change(&mut changed.header);
        assert!(matches!(recorded.refused(changed), KeeperRefusal::EntryDiffers { .. }));
    }
}

#[test]
fn bytes_after_the_header_are_refused_though_the_ledger_names_them() {
    let mut recorded = Recorded::new();
    let auditor = auditor();
    let grant = recorded.bench.world.grant(&[Channel::Shell]);
    recorded.header.extend_from_slice(b"more");
    let hash = ledger::Hash::of(&recorded.header);
    let session = recorded.session;
    recorded.opened = recorded.bench.open_forged(&grant, |opened| (opened.session, opened.recording) = (session, hash));
    let permit = recorded.permit(&auditor);
    let order = recorded.order(&auditor, permit);
    assert!(matches!(recorded.refused(order), KeeperRefusal::Malformed { .. }));
}

#[test]
fn no_entry_of_the_readers_proof_can_be_left_out() {
    let mut recorded = Recorded::new();
    let auditor = auditor();
    let permit = recorded.permit(&auditor);
    let genuine = recorded.order(&auditor, permit);
    for left_out in genuine.proof.indices.clone() {
        let seqs = genuine.proof.indices.iter().copied().filter(|seq| *seq != left_out).collect();
        let (proof, entries) = recorded.bench.world.proof_of(&seqs);
        let refusal = recorded.refused(ReplayOrder { proof, entries, ..genuine.clone() });
        let expected = matches!(refusal, KeeperRefusal::NoProof { .. } | KeeperRefusal::EntryDiffers { .. });
        assert!(expected, "without {left_out}: {refusal:?}");
    }
    let mut altered = genuine.clone();
    *altered.entries.last_mut().unwrap() = altered.entries.last().unwrap().replace("replay_permit", "replay_permiT");
    assert!(matches!(recorded.refused(altered), KeeperRefusal::NoProof { .. }));
    assert!(matches!(recorded.bench.keeper.answer(Ask::Replay(genuine)), Answer::Resealed { .. }));
}

#[test]
fn a_permit_under_a_forked_head_opens_nothing() {
    let mut recorded = Recorded::new();
    let auditor = auditor();
    let permit = recorded.permit(&auditor);
    let mut forked = recorded.order(&auditor, permit);
    forked.head.consistency = None;
    assert!(matches!(recorded.refused(forked), KeeperRefusal::DoesNotExtend { .. }));
}

#[test]
fn a_reader_that_is_no_sealing_key_is_refused() {
    let mut recorded = Recorded::new();
    let auditor = auditor();
    let event = recorded.bench.world.permit(&auditor, recorded.session, SuiteKey::new(&[1, 2, 3]).unwrap());
    let permit = recorded.bench.world.record(event, auditor.actor());
    let order = recorded.order(&auditor, permit);
    assert!(matches!(recorded.refused(order), KeeperRefusal::Malformed { .. }));
}
