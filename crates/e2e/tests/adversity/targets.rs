//! Targets that die, say nothing, are somebody else, or live at another time.

use std::process::Stdio;

use e2e::{LIMIT, PURPOSE, World, text};
use testkit::installation::{At, field};
use testkit::process::{Signal, output_within, run, signal, until, user};
use testkit::{KeyPair, Person, Scratch, SetClock, Settings, Sshd, Tame, Target};

use crate::ledger::{about, live, only, replays};
use crate::relay::{Relay, Way};

/// A world whose `db1` can be exchanged, and a second target beside it that is as it should be.
fn with_neighbour() -> (World<Relay>, Sshd) {
    let login = user().unwrap();
    let world = World::around(Relay::before(Sshd::start(&Settings::default()).unwrap()), &login);
    let other = Sshd::start(&Settings::default()).unwrap();
    let by = (&world.founders.0, &world.founders.1);
    world
        .gate
        .add_target(by, &At { label: "db2", zone: "server", login: &login, owner: &world.owner }, &other)
        .unwrap();
    world.granted("10m");
    let request = world.gate.request(&world.operator, &format!("{login}@db2"), "10m", PURPOSE).unwrap();
    world.gate.approve(&world.owner, &request).unwrap().unwrap();
    (world, other)
}

/// The other target's users are unharmed.
#[track_caller]
fn neighbour_passes(world: &World<Relay>) {
    let login = format!("{}@db2", world.login);
    let mut command = world.client.to(&login, world.gate.port().unwrap(), &world.operator.key.private);
    let output = output_within(command.args(["-T", "echo in"]), LIMIT).unwrap();
    assert_eq!(text(&output.stdout), "in\n", "{}", text(&output.stderr));
}

/// Everything that the operator is told when nothing opens.
#[track_caller]
fn refused_with<T: Target>(world: &World<T>, who: &Person) -> String {
    let output = world.exec(who, "echo in");
    assert!(!output.status.success() && output.stdout.is_empty(), "{}", text(&output.stdout));
    text(&output.stderr)
}

#[test]
fn a_target_killed_in_mid_session_ends_that_session_alone_and_is_named() {
    let (world, _other) = with_neighbour();
    let mut command = world.ssh(&world.operator);
    let mut session = command.args(["-T", "echo $PPID; exec sleep 300"]);
    session = session.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut session = Tame::start(session).unwrap();
    let mut said = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(session.0.stdout.take().unwrap()), &mut said).unwrap();
    let id = live(&world).remove(0);
    signal(world.target.sshd.pid(), Signal::Kill).unwrap();
    // The one who serves this connection; what it had started goes on, as on any machine whose sshd is killed.
    signal(said.trim().parse().unwrap(), Signal::Kill).unwrap();
    until("the client is let go", || session.ended().is_some()).unwrap();
    assert!(!session.ended().unwrap().success());
    let mut told = String::new();
    std::io::Read::read_to_string(&mut session.0.stderr.take().unwrap(), &mut told).unwrap();
    assert!(told.contains("the target closed the connection"), "{told}");
    world.ended(&id);
    let entries = about(&world, &id);
    let ended = only(&entries, "session.ended");
    assert_eq!((ended.text("ending").as_str(), &ended.body["complete"]), ("target_left", &true.into()), "{ended:?}");
    let words = ["session", "verify", &id, "--purpose", "what the machine said before it went down"];
    world.gate.json(&world.auditor.key, &words).unwrap();
    neighbour_passes(&world);
    let told = refused_with(&world, &world.operator);
    assert!(told.contains("target-unreachable"), "{told}");
    replays(&world);
}

#[test]
fn a_target_that_accepts_and_never_speaks_is_given_up_and_holds_up_nobody() {
    let (world, _other) = with_neighbour();
    world.target.turn(Way::Mute);
    let waiting = std::thread::scope(|all| {
        let waiting = all.spawn(|| refused_with(&world, &world.operator));
        neighbour_passes(&world);
        waiting.join().unwrap()
    });
    assert!(waiting.contains("no answer in time"), "{waiting}");
    // Its clock is looked at in vain as well.
    let said = run(&mut world.gate.as_person(&world.founders.0.key, &["target", "probe", "db1"]));
    assert!(said.is_ok() || said.unwrap_err().0.contains("error"));
    until("nothing is left of it", || live(&world).is_empty()).unwrap();
    world.target.turn(Way::To(world.target.sshd.port()));
    assert!(world.exec(&world.operator, "true").status.success(), "and once it speaks again it is used again");
}

#[test]
fn a_target_whose_host_key_changed_is_refused_with_both_fingerprints() {
    let (world, _other) = with_neighbour();
    let stranger = Sshd::start(&Settings::default()).unwrap();
    // Even one that would let us in: it trusts the same authority, and lets the same principals in.
    let said = world
        .gate
        .json(&world.founders.0.key, &["--trust", &world.gate.trust().to_string_lossy(), "target", "enrol", "db1"]);
    stranger.trust(&field(&said.unwrap(), "ca_key").unwrap()).unwrap();
    let principals = std::fs::read_to_string(world.target.sshd.dir().join("principals").join(&world.login)).unwrap();
    stranger.admit(&world.login, &principals.lines().collect::<Vec<_>>()).unwrap();
    world.target.turn(Way::To(stranger.port()));
    let told = refused_with(&world, &world.operator);
    let print = |key: &str| {
        let path = world.dir.join("host-key.pub");
        std::fs::write(&path, key).unwrap();
        KeyPair { private: world.dir.join("host-key"), public: key.to_owned() }.fingerprint().unwrap()
    };
    for value in [print(world.target.host_key()), print(stranger.host_key())] {
        assert!(told.contains(&value), "{value} is not shown: {told}");
    }
    assert!(!stranger.log().contains("Accepted publickey"), "it was logged in to: {}", stranger.log());
    let session = world.sessions().remove(0);
    world.ended(&session);
    assert_eq!(only(&about(&world, &session), "session.ended").text("ending"), "target_refused");
    neighbour_passes(&world);
}

#[test]
fn a_target_with_a_far_clock_is_refused_with_both_times_until_it_is_set_right() {
    let dir = Scratch::new("far-clock").unwrap();
    let clock = SetClock::new(&dir.join("clock")).unwrap();
    clock.set(600).unwrap();
    let settings = Settings { clock: Some(clock.clone()), ..Settings::default() };
    let world = World::around(Sshd::start(&settings).unwrap(), &user().unwrap());
    world.granted("10m");
    let told = refused_with(&world, &world.operator);
    assert!(told.contains("clock-far"), "{told}");
    let times = times_in(&told);
    assert_eq!(times.len(), 2, "the target's time and the gate's: {told}");
    let ahead = (times[0] - times[1]).rem_euclid(24 * 3600);
    assert!((598..=602).contains(&ahead), "ten minutes ahead, not {ahead} s: {told}");
    clock.set(0).unwrap();
    world.gate.probe(&world.founders.0, "db1").unwrap();
    until("the clock is seen to be right", || world.exec(&world.operator, "true").status.success()).unwrap();
}

/// Seconds since midnight of each RFC 3339 time in a text.
fn times_in(text: &str) -> Vec<i64> {
    let times = text.split_whitespace().filter_map(|word| word.split_once('T')).filter_map(|(_, time)| {
        let parts: Vec<i64> = time.get(..8)?.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
        <[i64; 3]>::try_from(parts).ok()
    });
    times.map(|[hours, minutes, seconds]| (hours * 60 + minutes) * 60 + seconds).collect()
}
