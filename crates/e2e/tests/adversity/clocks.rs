//! The gate's own clock is set back and forward: nothing opens, nothing expires by it, and what lives ends when it should.

use std::time::{Duration, Instant};

use e2e::{LIMIT, PURPOSE, World, text};
use testkit::installation::field;
use testkit::process::{now, output_within, pause, run, until, user};
use testkit::{Installation, Person, Scratch, SetClock, Settings, Sshd};

use crate::ledger::{about, live, only, replays};

/// Long enough for what is done meanwhile on a busy machine, short enough to wait for.
const GRANT: Duration = Duration::from_secs(30);
/// The promise is one second; a machine that is busy with other tests may be late in telling us.
const LATE: Duration = Duration::from_secs(4);
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// A gate that goes by a clock of its own, with the people of [`World`] and one more owner.
struct Scene {
    world: World,
    clock: SetClock,
    second_owner: Person,
    /// Of the owner's own, for half an hour.
    standing: String,
    /// Of the owner's own, not decided yet.
    pending: String,
}

fn scene() -> Scene {
    let dir = Scratch::new("clock").unwrap();
    let time = dir.join("time");
    std::fs::create_dir(&time).unwrap();
    let clock = SetClock::new(&time.join("clock")).unwrap();
    // Each process is fenced in and reads its time from there.
    let config = format!("also_read = [\"{}\"]\n", time.display());
    let gate = Installation::new(&e2e::binary(), &dir.join("gate"), &config).unwrap().with_clock(clock.clone());
    let world = World::at(gate, dir, Sshd::start(&Settings::default()).unwrap(), &user().unwrap());
    let by = (&world.founders.0, &world.founders.1);
    let second_owner = world.gate.add_person(by, "second-owner", &["system-owners"]).unwrap();
    let standing = world.gate.request(&world.owner, &world.account(), "30m", PURPOSE).unwrap();
    let standing = world.gate.approve(&second_owner, &standing).unwrap().unwrap();
    let pending = world.gate.request(&world.owner, &world.account(), "20m", PURPOSE).unwrap();
    Scene { world, clock, second_owner, standing, pending }
}

impl Scene {
    #[track_caller]
    fn opens_nothing(&self) {
        let output = self.world.exec(&self.world.owner, "echo in");
        assert!(!output.status.success() && output.stdout.is_empty(), "{}", text(&output.stdout));
        assert!(text(&output.stderr).contains("clock-doubted"), "{}", text(&output.stderr));
        let words = ["request", "new", &self.world.account(), "--for", "10m", "--purpose", PURPOSE];
        let (code, said) = self.world.refused(&self.world.operator, &words);
        assert!(code == 3 && said.contains("clock confirm"), "{code}: {said}");
    }

    #[track_caller]
    fn nothing_expired(&self) {
        let said = self.world.gate.json(&self.world.auditor.key, &["request", "list"]).unwrap();
        assert!(said.contains(&self.pending), "{said}");
        for id in [&self.standing, &self.pending] {
            let kinds: Vec<String> = about(&self.world, id).into_iter().map(|entry| entry.kind).collect();
            assert!(!kinds.iter().any(|kind| kind.contains("expired") || kind.contains("ended")), "{id}: {kinds:?}");
        }
    }

    /// One person's word is not enough, and another's makes it two.
    fn two_persons_confirm(&self) {
        let said = self.world.gate.json(&self.world.founders.0.key, &["clock", "confirm", &true_time()]).unwrap();
        self.opens_nothing();
        let motion = field(&said, "motion").unwrap();
        let (code, _) = self.world.refused(&self.world.founders.0, &["motion", "second", &motion]);
        assert_eq!(code, 1, "one person spoke twice");
        self.opens_nothing();
        self.world.gate.json(&self.world.founders.1.key, &["motion", "second", &motion]).unwrap();
    }

    /// What was granted, asked and agreed to before goes on as if nothing had been.
    fn all_is_as_before(&self) {
        self.nothing_expired();
        let output = self.world.exec(&self.world.owner, "echo in");
        assert_eq!(text(&output.stdout), "in\n", "{}", text(&output.stderr));
        self.world.gate.json(&self.world.owner.key, &["grant", "return", &self.standing]).unwrap();
        assert!(self.world.gate.approve(&self.second_owner, &self.pending).unwrap().is_some());
        assert!(self.world.exec(&self.world.owner, "true").status.success());
        replays(&self.world);
    }
}

/// By a clock that nobody set.
fn true_time() -> String {
    run(std::process::Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"])).unwrap().trim().to_owned()
}

/// The operator's session of [`GRANT`], which is to end with it whatever the wall clock says.
struct Session {
    id: String,
    began: Instant,
    running: std::thread::JoinHandle<(std::process::Output, Instant)>,
}

impl Session {
    fn start(world: &World) -> Self {
        world.granted(&format!("{}s", GRANT.as_secs()));
        let began = now();
        let mut command = world.ssh(&world.operator);
        command.args(["-T", "echo begun; exec sleep 300"]);
        let running = std::thread::spawn(move || (output_within(&mut command, LIMIT).unwrap(), now()));
        until("the session is live", || !live(world).is_empty()).unwrap();
        Self { id: live(world).remove(0), began, running }
    }

    fn lives(&self, world: &World) {
        assert!(live(world).contains(&self.id), "ended by a clock that was set");
    }

    /// By boot time. Gives its id: the end is handed over once the time is known again.
    fn ends_with_its_grant(self) -> String {
        let (output, ended) = self.running.join().unwrap();
        assert!(!output.status.success() && text(&output.stdout) == "begun\n", "{}", text(&output.stderr));
        let lasted = ended.duration_since(self.began);
        assert!(lasted <= GRANT + LATE, "a grant of {GRANT:?} lasted {lasted:?}");
        // The grant began a little before the client did.
        assert!(lasted >= GRANT - LATE * 2, "a grant of {GRANT:?} lasted {lasted:?}");
        self.id
    }
}

fn ended_with_its_grant(world: &World, session: &str) {
    world.ended(session);
    assert_eq!(only(&about(world, session), "session.ended").text("ending"), "grant_over");
}

#[test]
fn a_clock_set_forward_opens_nothing_and_expires_nothing_until_two_persons_confirm() {
    let scene = scene();
    let session = Session::start(&scene.world);
    scene.clock.set(2 * DAY).unwrap();
    until("the jump is noticed", || !scene.world.exec(&scene.world.owner, "true").status.success()).unwrap();
    scene.opens_nothing();
    scene.nothing_expired();
    session.lives(&scene.world);
    let said = scene.world.gate.json(&scene.world.founders.0.key, &["clock", "confirm", &true_time()]).unwrap();
    let motion = field(&said, "motion").unwrap();
    let (code, said) = scene.world.refused(&scene.world.founders.1, &["motion", "second", &motion]);
    assert!(code == 1 && said.contains("far from the server's clock"), "it is wrong still: {code} {said}");
    let session = session.ends_with_its_grant();
    scene.clock.set(0).unwrap();
    scene.opens_nothing();
    scene.two_persons_confirm();
    ended_with_its_grant(&scene.world, &session);
    scene.all_is_as_before();
}

#[test]
fn a_clock_set_back_while_it_runs_opens_nothing_and_lengthens_nothing_until_two_persons_confirm_long() {
    let scene = scene();
    let session = Session::start(&scene.world);
    scene.clock.set(-HOUR).unwrap();
    until("the jump is noticed", || !scene.world.exec(&scene.world.owner, "true").status.success()).unwrap();
    scene.opens_nothing();
    session.lives(&scene.world);
    let session = session.ends_with_its_grant();
    scene.nothing_expired();
    scene.clock.set(0).unwrap();
    scene.two_persons_confirm();
    ended_with_its_grant(&scene.world, &session);
    scene.all_is_as_before();
}

#[test]
fn a_gate_started_at_another_time_opens_nothing_until_two_persons_confirm() {
    let mut scene = scene();
    for ahead in [-HOUR, 8 * DAY] {
        scene.world.gate.stop().unwrap();
        scene.clock.set(ahead).unwrap();
        scene.world.gate.start().unwrap();
        // It listens elsewhere now.
        scene.world.client.know(scene.world.gate.port().unwrap(), &scene.world.gate.host_key().unwrap()).unwrap();
        // Front's line to engine is up a moment later.
        until("the doubt is told", || {
            text(&scene.world.exec(&scene.world.owner, "true").stderr).contains("clock-doubted")
        })
        .unwrap();
        scene.opens_nothing();
        scene.nothing_expired();
    }
    scene.clock.set(0).unwrap();
    pause(Duration::from_secs(1));
    scene.two_persons_confirm();
    scene.all_is_as_before();
}
