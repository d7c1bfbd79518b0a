//! Bytes that are no question, senders that stall and connections that say nothing: each ends by itself, and nobody else notices.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use channel::{Greeting, Role, VERSION, frame};
use e2e::{World, text};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use testkit::installation::Process;
use testkit::process::{Signal, now, pause, until};

use crate::caller::greeted;

/// A connection on which something unreadable was said is closed within this, on a machine that is busy with other things.
const CLOSED_WITHIN: Duration = Duration::from_secs(20);
/// Connections that say nothing.
const SILENT: usize = 1_000;
/// Files that this test program may have open: those, and some.
const FILES: u64 = 4_096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Socket {
    Api,
    Front,
    Keeper,
}

const SOCKETS: [Socket; 3] = [Socket::Api, Socket::Front, Socket::Keeper];

impl Socket {
    fn path(self, world: &World) -> PathBuf {
        let name = match self {
            Self::Api => "run/api.sock",
            Self::Front => "run/front.sock",
            Self::Keeper => "run/keeper.sock",
        };
        world.gate.root().join(name)
    }

    /// What whoever connects there must say they are.
    fn expected(self) -> Role {
        match self {
            Self::Api => Role::Cli,
            Self::Front => Role::Front,
            Self::Keeper => Role::Engine,
        }
    }

    fn connect(self, world: &World) -> UnixStream {
        let stream = UnixStream::connect(self.path(world)).unwrap();
        stream.set_read_timeout(Some(CLOSED_WITHIN)).unwrap();
        stream.set_write_timeout(Some(CLOSED_WITHIN)).unwrap();
        stream
    }
}

/// The processes as they were when the test began, and what must still work.
struct Unharmed {
    pids: Vec<u32>,
}

impl Unharmed {
    fn before(world: &World) -> Self {
        Self { pids: pids(world) }
    }

    fn check(&self, world: &World, after: &str) {
        assert_eq!(self.pids, pids(world), "a process ended after {after}: {}", world.gate.log());
        world.gate.json(&world.auditor.key, &["whoami"]).unwrap_or_else(|why| panic!("after {after}: {why}"));
    }

    /// The whole way: front is asked, engine decides, keeper signs.
    fn check_a_passage(&self, world: &World, after: &str) {
        self.check(world, after);
        // A front whose line was taken over makes a new one.
        until("a passage", || world.exec(&world.operator, "echo in").stdout == b"in\n").unwrap_or_else(|why| {
            panic!("after {after}: {why}: {}", text(&world.exec(&world.operator, "echo in").stderr))
        });
        self.check(world, after);
    }
}

fn pids(world: &World) -> Vec<u32> {
    [Process::Keeper, Process::Engine, Process::Front].iter().map(|process| world.gate.pid(*process).unwrap()).collect()
}

fn framed(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
}

/// What no side of the channel ever says.
fn unreadable() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("garbage", b"GET / HTTP/1.1\r\nHost: gate\r\n\r\n".to_vec()),
        ("a length of 4 GiB", vec![0xff; 4]),
        ("a length of 4 GiB and some bytes", [vec![0xff; 4], vec![b'['; 4096]].concat()),
        ("an empty frame", framed(b"")),
        ("no JSON", framed(b"hello")),
        ("no UTF-8", framed(b"\"\xff\xfe\"")),
        ("JSON cut short", framed(b"{\"version\":")),
        ("a frame cut short", framed(&[b' '; 100])[..50].to_vec()),
        ("another shape", framed(b"{}")),
        ("deep nesting", framed(&[b"[".repeat(60_000), b"]".repeat(60_000)].concat())),
        ("deep objects", framed(&b"{\"a\":".repeat(20_000))),
        ("a number beyond all", framed(b"{\"version\":1e999,\"role\":\"cli\"}")),
    ]
}

/// Sends what it can and reads until the other side closes.
fn until_closed(mut stream: UnixStream, bytes: &[u8], what: &str) -> Vec<u8> {
    // The other side may hang up before it has read everything.
    let _sent = stream.write_all(bytes);
    let _half_closed = stream.shutdown(Shutdown::Write);
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{what}: not closed: {error}"),
        _ => said,
    }
}

#[test]
fn bytes_that_are_no_question_close_their_own_connection_only() {
    let world = World::new();
    world.granted("30m");
    let unharmed = Unharmed::before(&world);
    for socket in SOCKETS {
        for (what, bytes) in unreadable() {
            let what = format!("{what} at {socket:?}");
            until_closed(socket.connect(&world), &bytes, &what);
            // Greeted rightly, the question is what cannot be read.
            let mut stream = socket.connect(&world);
            frame::write(&mut stream, &Greeting::of(socket.expected())).unwrap();
            until_closed(stream, &bytes, &format!("{what}, after the greeting"));
        }
        unharmed.check_a_passage(&world, &format!("what {socket:?} was told"));
    }
}

#[test]
fn whoever_speaks_another_version_or_is_somebody_else_is_told_ours_and_left() {
    let world = World::new();
    let unharmed = Unharmed::before(&world);
    for socket in SOCKETS {
        let others =
            [Role::Cli, Role::Front, Role::Engine, Role::Keeper].into_iter().filter(|r| *r != socket.expected());
        let wrong = others.map(Greeting::of).chain([Greeting { version: VERSION + 1, role: socket.expected() }]);
        for greeting in wrong {
            let said =
                until_closed(socket.connect(&world), &frame::encode(&greeting).unwrap(), &format!("{greeting:?}"));
            let ours: Greeting = frame::read(&mut said.as_slice()).unwrap();
            assert_eq!(ours.version, VERSION, "our version is what tells the other side");
            assert_eq!(said.len(), frame::encode(&ours).unwrap().len(), "{greeting:?} at {socket:?} was told more");
        }
    }
    unharmed.check(&world, "greetings of others");
}

/// The answer says that it was not readable, where somebody is there to read it.
#[test]
fn an_unreadable_question_at_the_command_socket_is_answered_so() {
    let world = World::new();
    for bytes in
        [framed(b"{\"nothing\":1}"), vec![0xff; 4], framed(&[b"[".repeat(60_000), b"]".repeat(60_000)].concat())]
    {
        let (stream, _) = greeted(&Socket::Api.path(&world)).unwrap();
        let said = until_closed(stream, &bytes, "an unreadable question");
        assert!(text(&said).contains("unreadable"), "{}", text(&said));
    }
}

#[test]
fn a_thousand_silent_connections_and_slow_senders_hold_nobody_up() {
    let world = World::new();
    world.granted("30m");
    // After the server was started, which has the usual limit.
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(most.map_or(FILES, |most| most.min(FILES))), maximum: most })
        .unwrap();
    let unharmed = Unharmed::before(&world);
    for socket in SOCKETS {
        let mut silent: Vec<_> = (0..SILENT).map(|_| held(socket, &world)).collect();
        for stream in silent.iter_mut().flatten().step_by(3) {
            // A frame that never comes to its end.
            let _closed_already = stream.write_all(&framed(b"{\"version\":1}")[..9]);
        }
        unharmed.check_a_passage(&world, &format!("{SILENT} silent connections at {socket:?}"));
        drop(silent);
        unharmed.check_a_passage(&world, &format!("{SILENT} silent connections at {socket:?} have gone"));
    }
}

/// `None`: not taken, as the queue of those to be taken is full.
fn held(socket: Socket, world: &World) -> Option<UnixStream> {
    UnixStream::connect(socket.path(world)).ok()
}

/// Engine finds its keeper although others wait in front of it, silent ones and some that greet as an engine does.
#[test]
fn an_engine_that_starts_anew_reaches_its_keeper_past_those_that_wait() {
    let world = World::new();
    world.granted("30m");
    let _silent: Vec<_> = (0..100).map(|_| held(Socket::Keeper, &world)).collect();
    let mut greeted: Vec<_> = (0..20).filter_map(|_| held(Socket::Keeper, &world)).collect();
    for stream in &mut greeted {
        let _left_already = stream.write_all(&frame::encode(&Greeting::of(Role::Engine)).unwrap());
    }
    world.gate.signal(Process::Engine, Signal::Kill).unwrap();
    until("engine is back", || world.gate.json(&world.auditor.key, &["whoami"]).is_ok()).unwrap();
    Unharmed::before(&world).check_a_passage(&world, "a new engine");
}

/// A front that was told nothing more would open nothing for ever.
#[test]
fn a_front_whose_line_somebody_else_took_over_makes_a_new_one() {
    let world = World::new();
    world.granted("30m");
    let unharmed = Unharmed::before(&world);
    let mut other = Socket::Front.connect(&world);
    frame::write(&mut other, &Greeting::of(Role::Front)).unwrap();
    // It has the line once engine speaks to it.
    let _greeting: Greeting = frame::read(&mut other).unwrap();
    let _setup: channel::front::ToFront = frame::read(&mut other).unwrap();
    drop(other);
    // Longer than front's view stays fresh without a word from engine.
    pause(Duration::from_secs(6));
    unharmed.check_a_passage(&world, "another front came and went");
}

#[test]
fn whoever_drips_is_left_by_the_inner_sockets() {
    let world = World::new();
    let unharmed = Unharmed::before(&world);
    for socket in [Socket::Front, Socket::Keeper] {
        drips(&world, socket);
    }
    unharmed.check(&world, "slow greetings");
}

fn drips(world: &World, socket: Socket) {
    let mut stream = socket.connect(world);
    let greeting = frame::encode(&Greeting::of(socket.expected())).unwrap();
    let begun = now();
    for byte in &greeting[..greeting.len() - 1] {
        if stream.write_all(&[*byte]).is_err() {
            break;
        }
        pause(Duration::from_millis(500));
    }
    let took = begun.elapsed();
    until_closed(stream, b"", &format!("a greeting that drips at {socket:?}"));
    assert!(
        took < Duration::from_millis(500) * u32::try_from(greeting.len() - 1).unwrap(),
        "{socket:?} heard it all: {took:?}"
    );
}
