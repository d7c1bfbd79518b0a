//! A keeper with its world, its directory and a clock that tests set; and what a refusal must leave untouched.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use channel::keeper::{Answer, Ask, KeeperRefusal, Status};
use domain::time::TimeError;
use domain::{Actor, GrantId, Timestamp};
use keeper::{Clock, Config, Keeper, KeySet, MEMORY_FILE, Memory};
use ledger::{Hash, SignedCheckpoint, TreeHead};
use sshwire::{Certificate, CertificateView};
use tempfile::TempDir;

use crate::world::World;

#[derive(Debug, Clone)]
pub(crate) struct TestClock(Arc<AtomicI64>);

impl TestClock {
    fn at(time: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(time.micros())))
    }
}

impl Clock for TestClock {
    fn now(&self) -> Result<Timestamp, TimeError> {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) keeper: Keeper<TestClock>,
    pub(crate) clock: TestClock,
    pub(crate) dir: TempDir,
}

impl Bench {
    /// A keeper that knows its founding, and a world ready for requests.
    pub(crate) fn ready() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        let keys = KeySet::generate();
        let world = World::ready(&keys.public());
        let mut bench = Self::unfounded(keys, world, config);
        let entry = bench.world.text(0);
        assert!(matches!(bench.keeper.answer(Ask::Found { entry }), Answer::Founded));
        bench
    }

    pub(crate) fn unfounded(keys: KeySet, world: World, config: Config) -> Self {
        let dir = private_dir();
        let clock = TestClock::at(world.now);
        let memory = Memory::open(dir.path()).unwrap();
        let keeper = Keeper::new(keys, memory, config, clock.clone()).unwrap();
        Self { world, keeper, clock, dir }
    }

    /// Both the world's and the keeper's clock.
    pub(crate) fn tick(&mut self, seconds: u64) {
        self.world.tick(crate::world::seconds(seconds));
        self.set_clock(self.world.now);
    }

    /// The keeper's alone.
    pub(crate) fn set_clock(&self, to: Timestamp) {
        self.clock.0.store(to.micros(), Ordering::SeqCst);
    }

    pub(crate) fn last(&mut self) -> TreeHead {
        let (size, root) = self.status().last.unwrap();
        TreeHead { size, root }
    }

    pub(crate) fn status(&mut self) -> Status {
        match self.keeper.answer(Ask::Status) {
            Answer::Status(status) => status,
            other => panic!("{other:?}"),
        }
    }

    /// Opens a session on the grant and gives the entry's number.
    pub(crate) fn open(&mut self, grant: &GrantId) -> u64 {
        let opened = self.world.session(grant);
        self.world.record(domain::Event::SessionOpened(opened), self.world.operator.actor())
    }

    /// As `open`, with an entry that no honest engine writes.
    pub(crate) fn open_forged(
        &mut self,
        grant: &GrantId,
        forge: impl FnOnce(&mut domain::event::SessionOpened),
    ) -> u64 {
        let actor = self.world.operator.actor();
        self.open_forged_by(grant, actor, forge)
    }

    pub(crate) fn open_forged_by(
        &mut self,
        grant: &GrantId,
        actor: Actor,
        forge: impl FnOnce(&mut domain::event::SessionOpened),
    ) -> u64 {
        let mut opened = self.world.session(grant);
        forge(&mut opened);
        self.world.force(domain::Event::SessionOpened(opened), actor)
    }

    pub(crate) fn passage(&mut self, grant: &GrantId, opened: u64) -> Ask {
        let last = self.last();
        Ask::Passage(self.world.passage(grant, opened, last))
    }

    /// The note and the certificate, both verified.
    pub(crate) fn certified(&mut self, ask: Ask) -> (String, CertificateView) {
        let ca = self.status().ca_key;
        match self.keeper.answer(ask) {
            Answer::Certified { note, certificate } => {
                self.check_note(&note);
                let view = Certificate::from_openssh(&certificate).unwrap().view();
                view.verify(&ca).unwrap();
                (note, view)
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn check_note(&self, note: &str) {
        let founding = self.world.state.founding.as_ref().unwrap();
        let log = tegata::log_verifier(founding).unwrap();
        let verified = SignedCheckpoint::parse(note.as_bytes()).unwrap().verify(&log).unwrap();
        assert_eq!(verified.head(), self.world.head());
    }

    /// The refusal, once it is seen that nothing was remembered and nothing signed.
    pub(crate) fn refused(&mut self, ask: Ask) -> KeeperRefusal {
        let before = (self.status(), self.remembered());
        let answer = self.keeper.answer(ask);
        let after = (self.status(), self.remembered());
        assert!(after == before, "a trace was left by {answer:?}");
        match answer {
            Answer::Refused(refusal) => refusal,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// The memory's bytes on the disk.
    pub(crate) fn remembered(&self) -> Option<Vec<u8>> {
        fs::read(self.memory_file()).ok()
    }

    pub(crate) fn memory_file(&self) -> PathBuf {
        self.dir.path().join(MEMORY_FILE)
    }
}

/// A directory for its owner alone, as the keeper wants one.
pub(crate) fn private_dir() -> TempDir {
    tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap()
}

/// What the system's own `ssh-keygen -L` reads in a certificate.
pub(crate) fn listed(certificate: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("passage-cert.pub");
    fs::write(&file, format!("{certificate}\n")).unwrap();
    let listed = Command::new("ssh-keygen").env("TZ", "UTC").arg("-L").arg("-f").arg(&file).output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    String::from_utf8(listed.stdout).unwrap()
}

pub(crate) fn fork_of(head: TreeHead) -> Hash {
    Hash::of(head.root.as_bytes())
}

impl Bench {
    /// As an engine that thinks that nothing was signed yet.
    pub(crate) fn passage_from_scratch(&self, grant: &GrantId, opened: u64) -> Ask {
        let nothing = TreeHead { size: 0, root: ledger::EMPTY_ROOT };
        Ask::Passage(self.world.passage(grant, opened, nothing))
    }
}
