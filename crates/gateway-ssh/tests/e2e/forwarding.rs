//! Connections through the gate to what the target reaches: only where the terms name it, only while the session flows, and noted.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use gateway_ssh::authorise::Reach;
use gateway_ssh::tape::Kind;

use crate::world::{World, pause, text, until};

/// No answer here takes longer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that greets each connection, then sends back what it gets until the client has ended.
fn echo_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                stream.write_all(b"hello\n").unwrap();
                let mut to = stream.try_clone().unwrap();
                // A client that breaks off ends it too.
                let _copied = std::io::copy(&mut stream, &mut to);
                let _gone_already = to.shutdown(Shutdown::Write);
            });
        }
    });
    addr
}

fn names(world: &World, to: SocketAddr) {
    let reach = Reach { host: Some(to.ip().to_string()), port: Some(to.port()) };
    world.answers().terms.forwards = vec![reach];
}

struct Forwarder {
    ssh: Child,
    port: u16,
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone_already = self.ssh.kill();
        self.ssh.wait().unwrap();
    }
}

impl Forwarder {
    /// `ssh -N -L`, once it listens.
    fn start(world: &World, to: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut ssh = world.ssh_options("ssh");
        ssh.args(["-N", "-o", "ExitOnForwardFailure=yes", "-L", &format!("127.0.0.1:{port}:{to}")]);
        ssh.args(["-l", "root@db1", "127.0.0.1"]);
        let ssh = ssh.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until("the client listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { ssh, port }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

fn greeted(stream: &mut TcpStream) {
    let mut first = [0; 6];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"hello\n");
}

#[test]
fn a_named_destination_is_reached_whole_and_its_bytes_are_counted() {
    let (world, server) = (World::new(), echo_server());
    names(&world, server);
    let forwarder = Forwarder::start(&world, &server.to_string());
    let mut stream = forwarder.connect();
    greeted(&mut stream);
    let sent: Vec<u8> = (0..4 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut to = stream.try_clone().unwrap();
    let sending = thread::spawn({
        let sent = sent.clone();
        move || {
            to.write_all(&sent).unwrap();
            to.shutdown(Shutdown::Write).unwrap();
        }
    });
    let mut back = Vec::new();
    stream.read_to_end(&mut back).unwrap();
    sending.join().unwrap();
    assert!(back == sent, "{} of {} bytes came back", back.len(), sent.len());
    drop(stream);
    drop(forwarder);
    let place = format!("direct-tcpip {} {}", server.ip(), server.port());
    let opened: Vec<_> = world.frames().into_iter().filter(|f| f.kind == Kind::Opened).collect();
    assert!(opened.iter().all(|f| f.bytes == place.as_bytes()), "{opened:?}");
    let ended = text(&world.recorded(Kind::Forwarded));
    assert!(ended.contains(&format!("{place} {} {}", sent.len(), sent.len() + 6)), "{ended}");
    assert!(world.recorded(Kind::Output).is_empty(), "what flowed is counted, not kept");
    world.is_quiet();
}

/// What a server says first comes right behind the target's confirmation.
#[test]
fn a_server_that_speaks_first_is_heard_each_time() {
    let (world, server) = (World::new(), echo_server());
    names(&world, server);
    let forwarder = Forwarder::start(&world, &server.to_string());
    for _ in 0..100 {
        greeted(&mut forwarder.connect());
    }
}

#[test]
fn another_destination_is_refused_and_the_named_one_goes_on() {
    let (world, server, other) = (World::new(), echo_server(), echo_server());
    names(&world, server);
    let through = |to: SocketAddr| {
        let mut ssh = world.ssh_options("ssh");
        ssh.args(["-W", &to.to_string(), "-l", "root@db1", "127.0.0.1"]);
        ssh.output().unwrap()
    };
    let refused = through(other);
    assert!(!refused.status.success() && refused.stdout.is_empty(), "{}", text(&refused.stdout));
    assert_eq!(text(&world.recorded(Kind::Refused)), "forwarding-elsewhere");
    assert_eq!(text(&through(server).stdout), "hello\n");
    // Where nobody listens, it is the target that says so.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    names(&world, free);
    let failed = through(free);
    assert!(!failed.status.success(), "{}", text(&failed.stdout));
    world.is_quiet();
}

#[test]
fn a_frozen_session_forwards_nothing_until_it_is_thawed() {
    let (world, server) = (World::new(), echo_server());
    names(&world, server);
    let forwarder = Forwarder::start(&world, &server.to_string());
    let mut stream = forwarder.connect();
    greeted(&mut stream);
    let sessions = world.gateway.sessions();
    let id = sessions.list()[0].session.clone();
    sessions.freeze(&id).unwrap();
    stream.write_all(b"through").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    let mut back = [0; 7];
    assert!(stream.read(&mut back).is_err(), "a frozen session let bytes through");
    // A connection that is asked for now waits as well.
    let mut late = forwarder.connect();
    late.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    assert!(late.read(&mut [0; 6]).is_err());
    sessions.thaw(&id).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"through");
    late.set_read_timeout(Some(PATIENCE)).unwrap();
    greeted(&mut late);
}

#[test]
fn a_killed_session_ends_its_forwards() {
    let (world, server) = (World::new(), echo_server());
    names(&world, server);
    let forwarder = Forwarder::start(&world, &server.to_string());
    let mut stream = forwarder.connect();
    greeted(&mut stream);
    let id = world.gateway.sessions().list()[0].session.clone();
    world.gateway.sessions().kill(&id, "").unwrap();
    let mut rest = Vec::new();
    // Ended or broken off, as the client does it.
    let _broken = stream.read_to_end(&mut rest);
    assert!(rest.is_empty());
    drop(forwarder);
    world.is_quiet();
}

#[test]
fn a_named_unix_socket_is_reached_and_another_is_not() {
    let world = World::new();
    let path = world.dir.path().join("service");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            stream.unwrap().write_all(b"hello\n").unwrap();
        }
    });
    world.answers().terms.sockets = vec![path.display().to_string()];
    let forwarder = Forwarder::start(&world, &path.display().to_string());
    greeted(&mut forwarder.connect());
    drop(forwarder);
    let other = Forwarder::start(&world, "/run/other");
    let mut all = Vec::new();
    other.connect().read_to_end(&mut all).unwrap();
    assert!(all.is_empty());
}

/// One connection that nobody reads holds up neither its siblings nor the session.
#[test]
fn a_stalled_forward_does_not_stall_the_others() {
    let (world, server) =
        (World::with(|settings| settings.sibling_patience = Duration::from_secs(2), ""), echo_server());
    names(&world, server);
    let forwarder = Forwarder::start(&world, &server.to_string());
    let mut stalled = forwarder.connect();
    greeted(&mut stalled);
    let mut pouring = stalled.try_clone().unwrap();
    pouring.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    thread::spawn(move || while pouring.write_all(&[7; 65_536]).is_ok() {});
    pause(500);
    for _ in 0..10 {
        let mut other = forwarder.connect();
        greeted(&mut other);
        other.write_all(b"through").unwrap();
        other.read_exact(&mut [0; 7]).unwrap();
    }
}
