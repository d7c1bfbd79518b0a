//! The gateway's side of the line to engine, as much of it as commands about targets and sessions need.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use channel::front::{
    Anchor, EndFact, ErrandTerms, FromFront, FrontAnswer, FrontAsk, OpenAsk, Recorded, SessionTerms, Setup, ToFront,
};
use channel::{Greeting, Role, frame};
use domain::SessionId;
use domain::event::{ErrandOutcome, SessionEnding};
use envelope::SealingKey;
use recorder::{Direction, Draft, Kind, Recipients, Writer, body};

use super::world::{World, key_of};

pub(crate) struct Gateway {
    line: UnixStream,
    next: u64,
    setup: Setup,
    live: PathBuf,
}

/// A session whose recording is still being written.
pub(crate) struct Passage {
    pub(crate) session: SessionId,
    pub(crate) terms: SessionTerms,
    pub(crate) recording: Writer,
}

impl Gateway {
    pub(crate) fn connect(world: &World) -> Self {
        let mut line = UnixStream::connect(world.places().front_socket()).unwrap();
        line.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        frame::write(&mut line, &Greeting::of(Role::Front)).unwrap();
        frame::read::<Greeting>(&mut line).unwrap().expect(Role::Engine).unwrap();
        let setup = loop {
            if let ToFront::Setup(setup) = frame::read(&mut line).unwrap() {
                break setup;
            }
        };
        Self { line, next: 1, setup, live: world.places().recordings().join("live") }
    }

    pub(crate) fn ask(&mut self, body: FrontAsk) -> FrontAnswer {
        self.next += 1;
        let asked = self.next;
        frame::write(&mut self.line, &FromFront { id: asked, body }).unwrap();
        loop {
            match frame::read(&mut self.line).unwrap() {
                ToFront::Answer { id, body } if id == asked => return body,
                _ => {}
            }
        }
    }

    /// Does the one errand that engine tells of: the target's clock is 7 ms ahead.
    pub(crate) fn run_errand(&mut self) {
        let terms: Box<ErrandTerms> = loop {
            if let ToFront::Errand(terms) = frame::read(&mut self.line).unwrap() {
                break terms;
            }
        };
        let subject = key_of("errand").public_key().clone();
        let draft = self.draft(terms.session);
        let (errand, recording) = (terms.errand, draft.header_hash());
        let certified = self.ask(FrontAsk::ErrandReady { errand, subject, recording });
        assert!(matches!(certified, FrontAnswer::ErrandCertified(Ok(_))), "{certified:?}");
        let mut writer = draft.create(&self.live).unwrap();
        let at = Duration::from_millis(40);
        let _status = writer.frame(Kind::Exec, 1, Direction::In, at, b"date -u +%s.%N").unwrap();
        let _status = writer.frame(Kind::Data, 1, Direction::Out, at, b"1763860830.007\n").unwrap();
        let anchor = writer.close(at).unwrap().anchor;
        let anchor = Anchor { chunks: anchor.chunks, chain: anchor.chain };
        let recorded = Some(Recorded { anchor, complete: true, bytes: 29 });
        self.ask(FrontAsk::ErrandEnded { errand, outcome: ErrandOutcome::Clock { offset_ms: 7 }, recorded });
    }

    fn draft(&self, session: SessionId) -> Draft {
        let reading = SealingKey::from_bytes(self.setup.reading_key.bytes()).unwrap();
        let (origin, recipients) = (self.setup.origin.clone(), Recipients::new(reading));
        Draft::new(session.to_string(), origin, 1_763_860_000_000_000, &recipients).unwrap()
    }

    /// Opens a passage for the holder of `role`'s key and begins its recording.
    pub(crate) fn open(&mut self, role: &str) -> Passage {
        let session =
            SessionId::from_random(*ledger::Hash::of(&self.next.to_be_bytes()).as_bytes().first_chunk().unwrap());
        let draft = self.draft(session);
        let opened = self.ask(FrontAsk::Open(Box::new(OpenAsk {
            session,
            account: "root".into(),
            target: "db1".into(),
            key: key_of(role).public_key().clone(),
            source: "127.0.0.1".parse().unwrap(),
            subject: key_of("connection").public_key().clone(),
            recording: draft.header_hash(),
            grant: None,
        })));
        let FrontAnswer::Opened(Ok(terms)) = opened else { panic!("{opened:?}") };
        Passage { session, terms: *terms, recording: draft.create(&self.live).unwrap() }
    }

    /// Makes what is recorded so far durable and has it anchored.
    pub(crate) fn anchor(&mut self, passage: &mut Passage) {
        let _status = passage.recording.seal().unwrap();
        let anchor = passage.recording.sync().unwrap();
        let point = Anchor { chunks: anchor.chunks, chain: anchor.chain };
        let asked = FrontAsk::Anchors { recordings: [(passage.session, point)].into() };
        assert!(matches!(self.ask(asked), FrontAnswer::Noted));
    }

    /// A gateway that was killed and came back knows of no session.
    pub(crate) fn come_back(world: &World) -> Self {
        let mut gateway = Self::connect(world);
        assert!(matches!(gateway.ask(FrontAsk::Live { sessions: [].into() }), FrontAnswer::Noted));
        gateway
    }

    pub(crate) fn end(&mut self, mut passage: Passage) {
        let closed = passage.recording.close(Duration::from_secs(5)).unwrap();
        let anchor = Anchor { chunks: closed.anchor.chunks, chain: closed.anchor.chain };
        let fact = EndFact {
            session: passage.session,
            ending: SessionEnding::ClientLeft,
            ended: "2026-11-23T01:25:00Z".parse().unwrap(),
            anchor,
            complete: true,
            bytes: closed.anchor.file_bytes,
        };
        assert!(matches!(self.ask(FrontAsk::Ended(fact)), FrontAnswer::Noted));
    }
}

impl Passage {
    /// Something shown at a second of the session, in chunks of its own.
    pub(crate) fn say(&mut self, second: u64, bytes: &[u8]) {
        let at = Duration::from_secs(second);
        let _status = self.recording.frame(Kind::Data, 0, Direction::Out, at, bytes).unwrap();
    }

    /// What a short session with a terminal looks like.
    pub(crate) fn play(&mut self) {
        let window = body::Window { columns: 80, rows: 24, width_px: 0, height_px: 0 };
        let pty = body::Pty { window, term: b"xterm" }.encode();
        let frames: [(Kind, u32, Direction, u64, &[u8]); 7] = [
            (Kind::Open, 0, Direction::None, 0, b"session"),
            (Kind::Pty, 0, Direction::None, 1, &pty),
            (Kind::Notice, 0, Direction::Out, 2, b"sekimori: this session is recorded\r\n"),
            (Kind::Data, 0, Direction::Out, 1_000, b"root@db1:~# "),
            (Kind::Data, 0, Direction::In, 2_000, b"whoami\r"),
            (Kind::Data, 0, Direction::Out, 2_500, b"whoami\r\nroot\r\n"),
            (Kind::Close, 0, Direction::None, 4_000, b""),
        ];
        for (kind, channel, direction, at, bytes) in frames {
            let _status = self.recording.frame(kind, channel, direction, Duration::from_millis(at), bytes).unwrap();
        }
    }
}

/// Grants `root@db1` to the researcher and looks at the target's clock, so that a passage may open.
pub(crate) fn granted(world: &World) -> Gateway {
    let mut gateway = Gateway::connect(world);
    std::thread::scope(|scope| {
        let probe = scope.spawn(|| world.run("commander", &["target", "probe", "db1", "--json"]));
        gateway.run_errand();
        let probed = probe.join().unwrap();
        assert_eq!(probed.json()["clock_offset_ms"], 7, "{}", probed.all());
    });
    let ask = ["request", "new", "root@db1", "--for", "1h", "--purpose", "rotate WAL archive, CHG-142", "--json"];
    let request = world.run("researcher", &ask).json()["request"].as_str().unwrap().to_owned();
    world.ok("commander", &["request", "approve", &request]);
    gateway
}
