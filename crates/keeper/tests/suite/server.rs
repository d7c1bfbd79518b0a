//! The socket: greetings, one engine after the other, and what ends a connection without ending the keeper.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use channel::keeper::{Answer, Ask, Owner};
use channel::{ChannelError, Greeting, Role, frame};
use keeper::{PeerError, check_peer, serve, serve_connection};
use tempfile::TempDir;

use crate::bench::Bench;

/// Longer than the keeper's own patience.
const PATIENCE: Duration = Duration::from_secs(30);

struct Served {
    dir: TempDir,
}

impl Served {
    fn start() -> Self {
        Self::start_for(rustix::process::getuid().as_raw())
    }

    fn start_for(user: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("keeper.sock")).unwrap();
        let mut bench = Bench::ready();
        // Ends with the test's process.
        std::thread::spawn(move || serve(&listener, &mut bench.keeper, user).map(drop));
        Self { dir }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.dir.path().join("keeper.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn greeted(&self) -> UnixStream {
        let mut stream = self.connect();
        frame::write(&mut stream, &Greeting::of(Role::Engine)).unwrap();
        frame::read::<Greeting>(&mut stream).unwrap().expect(Role::Keeper).unwrap();
        stream
    }

    fn assert_alive(&self) {
        let mut stream = self.greeted();
        assert!(matches!(asked(&mut stream, &Ask::Status), Answer::Status(status) if status.founded));
    }
}

fn asked(stream: &mut UnixStream, ask: &Ask) -> Answer {
    frame::write(stream, ask).unwrap();
    frame::read(stream).unwrap()
}

fn assert_ended(mut stream: UnixStream) {
    let mut rest = Vec::new();
    // Bytes that the keeper never read make the kernel reset the connection; either way it is over.
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
}

#[test]
fn an_engine_asks_as_often_as_it_likes_and_the_next_one_is_served() {
    let served = Served::start();
    let mut stream = served.greeted();
    for _ in 0..3 {
        assert!(matches!(asked(&mut stream, &Ask::Status), Answer::Status(_)));
        assert!(matches!(asked(&mut stream, &Ask::NewDataKey { owner: Owner::Installation }), Answer::DataKey(_)));
        let refused = asked(&mut stream, &Ask::UnwrapDataKey { owner: Owner::Installation, wrapped: "AA".into() });
        assert!(matches!(refused, Answer::Refused(_)));
    }
    drop(stream);
    served.assert_alive();
}

#[test]
fn silent_connections_and_an_engine_that_hangs_do_not_keep_a_new_one_out() {
    let served = Served::start();
    let _silent: Vec<_> = (0..100).map(|_| served.connect()).collect();
    let mut hangs = served.greeted();
    assert!(matches!(asked(&mut hangs, &Ask::Status), Answer::Status(_)));
    let mut new = served.greeted();
    new.set_read_timeout(Some(keeper::FRAME_TIME / 2)).unwrap();
    assert!(matches!(asked(&mut new, &Ask::Status), Answer::Status(_)));
    assert_ended(hangs);
    assert!(matches!(asked(&mut new, &Ask::Status), Answer::Status(_)), "the new one stays");
}

#[test]
fn what_does_not_read_ends_the_connection_and_not_the_keeper() {
    let served = Served::start();
    let frames: [&[u8]; 6] = [
        b"\0\0\0\x05hello",
        b"\0\0\0\x02{}",
        b"\xff\xff\xff\xff",
        b"\0\0\0\x08\"status\"trailing",
        b"\0\0\0\x0b{\"nothing\":1",
        b"\0\0\0\0",
    ];
    for bytes in frames {
        let mut stream = served.greeted();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_ended(stream);
        served.assert_alive();
    }
    let nested = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    let mut stream = served.greeted();
    stream.write_all(&u32::try_from(nested.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(&nested).unwrap();
    assert_ended(stream);
    served.assert_alive();
}

#[test]
fn only_an_engine_of_this_version_is_greeted() {
    let served = Served::start();
    for greeting in [
        Greeting::of(Role::Front),
        Greeting::of(Role::Cli),
        Greeting::of(Role::Keeper),
        Greeting { version: channel::VERSION + 1, role: Role::Engine },
    ] {
        let mut stream = served.connect();
        frame::write(&mut stream, &greeting).unwrap();
        // May find the keeper gone already.
        let _sent = frame::write(&mut stream, &Ask::Status);
        let ours: Greeting = frame::read(&mut stream).unwrap();
        ours.expect(Role::Keeper).unwrap();
        assert!(frame::read::<Answer>(&mut stream).is_err(), "{greeting:?} was answered");
        served.assert_alive();
    }
}

#[test]
fn a_peer_that_stalls_within_a_frame_is_left_after_a_while() {
    let mut bench = Bench::ready();
    for sent in [&b""[..], &b"\0\0"[..]] {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(sent).unwrap();
        let outcome = serve_connection(&ours, &mut bench.keeper);
        assert!(matches!(outcome, Err(ChannelError::TimedOut { .. })), "{outcome:?}");
    }
}

#[test]
fn a_silent_engine_is_waited_for_but_a_slow_frame_is_not() {
    let mut bench = Bench::ready();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    frame::write(&mut theirs, &Greeting::of(Role::Engine)).unwrap();
    let teller = std::thread::spawn(move || {
        #[expect(clippy::disallowed_methods, reason = "an engine that is silent for longer than a frame may take")]
        std::thread::sleep(keeper::FRAME_TIME + Duration::from_secs(1));
        assert!(matches!(
            {
                frame::read::<Greeting>(&mut theirs).unwrap();
                asked(&mut theirs, &Ask::Status)
            },
            Answer::Status(_)
        ));
        // One byte a second keeps each single read short and the frame for ever.
        let mut dripped = 0;
        while theirs.write_all(b"\0").is_ok() && dripped < 60 {
            dripped += 1;
            #[expect(clippy::disallowed_methods, reason = "a peer that drips")]
            std::thread::sleep(Duration::from_millis(700));
        }
        dripped
    });
    let outcome = serve_connection(&ours, &mut bench.keeper);
    drop(ours);
    assert!(matches!(outcome, Err(ChannelError::TimedOut { .. } | ChannelError::Unreadable(_))), "{outcome:?}");
    assert!(teller.join().unwrap() < 60);
}

#[test]
fn another_users_process_is_told_from_the_engine() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let me = rustix::process::getuid().as_raw();
    check_peer(&ours, me).unwrap();
    assert!(
        matches!(check_peer(&ours, me + 1), Err(PeerError::OtherUser { expected, found }) if (expected, found) == (me + 1, me))
    );
}

#[test]
fn another_users_process_is_not_even_greeted() {
    let served = Served::start_for(rustix::process::getuid().as_raw() + 1);
    for _ in 0..3 {
        let mut stream = served.connect();
        assert!(matches!(frame::read::<Greeting>(&mut stream), Err(ChannelError::Closed)));
    }
}
