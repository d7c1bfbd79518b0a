//! Clients that flood, stall or never come to the point: a limit for them, and everybody else is served meanwhile.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use e2e::{World, text};
use russh::client::{Handle, Msg};
use russh::{Channel, Sig};
use testkit::installation::Process;
use testkit::process::{Signal, now, pause, signal, until};
use testkit::{Tame, Target};

use crate::client::{Trusting, gate, log_in};
use crate::ledger::{live, replays};

/// What front may need on top while it is misused, whatever is done to it.
const MOST_GROWTH_KIB: u64 = 64 << 10;
/// Requests of one flood; a gate without a limit would take all of them.
const FLOOD: usize = 100_000;
/// From connecting to a proved key; see the gateway's `Settings::login_grace`.
const LOGIN_GRACE: Duration = Duration::from_secs(20);

/// Front as the system sees it.
struct Front {
    pid: u32,
    port: u16,
    began_with_kib: u64,
}

impl Front {
    /// Warm: what is made once has been made.
    fn of(world: &World) -> Self {
        unharmed(world);
        let (pid, port) = (world.gate.pid(Process::Front).unwrap(), world.gate.port().unwrap());
        Self { pid, port, began_with_kib: status_kib(pid, "VmHWM") }
    }

    /// Bounded memory, nobody connected, no session left, and the same process as before.
    #[track_caller]
    fn is_quiet(&self, world: &World) {
        until("nobody is connected to the gate", || connections(self.port) == 0).unwrap();
        until("no session is left", || live(world).is_empty()).unwrap();
        assert_eq!(world.gate.pid(Process::Front).unwrap(), self.pid, "front did not survive: {}", world.gate.log());
        let growth = status_kib(self.pid, "VmHWM").saturating_sub(self.began_with_kib);
        assert!(growth <= MOST_GROWTH_KIB, "front grew by {growth} KiB");
    }
}

/// A line of `/proc/PID/status`.
fn status_kib(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Established connections whose own end is this port of loopback.
fn connections(port: u16) -> usize {
    const ESTABLISHED: &str = "01";
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let own = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.get(1).is_some_and(|own| own.ends_with(&format!(":{port:04X}"))) && words.get(3) == Some(&ESTABLISHED)
    };
    table.lines().filter(own).count()
}

/// Somebody who does nothing wrong is served.
#[track_caller]
fn unharmed(world: &World) {
    let output = world.exec(&world.operator, "echo in");
    assert_eq!(text(&output.stdout), "in\n", "{}", text(&output.stderr));
}

async fn shell(handle: &Handle<Trusting>) -> Channel<Msg> {
    let channel = handle.channel_open_session().await.unwrap();
    channel.request_pty(true, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
    channel.exec(true, "exec sleep 300").await.unwrap();
    channel
}

#[derive(Debug, Clone, Copy)]
enum Flood {
    Environment,
    WindowChanges,
    Signals,
    Channels,
    GlobalRequests,
    Keystrokes,
}

impl Flood {
    /// Until the gate hangs up or all is sent.
    async fn pour(self, handle: &Handle<Trusting>) {
        let channel = shell(handle).await;
        for n in 0..FLOOD {
            let number = u32::try_from(n).unwrap();
            let sent = match self {
                Self::Environment => channel.set_env(false, "LANG", number.to_string()).await,
                Self::WindowChanges => channel.window_change(20 + number % 200, 24, 0, 0).await,
                Self::Signals => channel.signal(Sig::USR1).await,
                Self::GlobalRequests => handle.send_keepalive(false).await,
                Self::Keystrokes => channel.data_bytes(&b"x"[..]).await,
                // Each waits for its answer; a hundredth is enough.
                Self::Channels if n > FLOOD / 100 => break,
                Self::Channels => match handle.channel_open_session().await {
                    Ok(more) => more.exec(false, "sleep 300").await,
                    Err(russh::Error::ChannelOpenFailure(_)) => Ok(()),
                    Err(error) => Err(error),
                },
            };
            if sent.is_err() {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_inside_a_session_harms_nobody_else() {
    let world = World::new();
    world.granted("10m");
    let front = Front::of(&world);
    for flood in [
        Flood::Environment,
        Flood::WindowChanges,
        Flood::Signals,
        Flood::Channels,
        Flood::GlobalRequests,
        Flood::Keystrokes,
    ] {
        let (handle, _under) = log_in(&world).await;
        let pouring = tokio::spawn(async move {
            let _ended = tokio::time::timeout(Duration::from_secs(5), flood.pour(&handle)).await;
            drop(handle);
        });
        println!("{flood:?}");
        unharmed(&world);
        pouring.await.unwrap();
        front.is_quiet(&world);
    }
    replays(&world);
}

/// Not a byte of it is SSH, at each stage of a connection.
#[tokio::test(flavor = "multi_thread")]
async fn garbage_ends_its_own_connection_alone() {
    let world = World::new();
    world.granted("10m");
    let front = Front::of(&world);
    let noise: Vec<u8> = (0..1_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for before in ["", "SSH-2.0-Noise\r\n"] {
        let mut socket = TcpStream::connect(gate(&world)).unwrap();
        // A gate that hangs up in the middle of it is what is meant.
        let _cut_off = socket.write_all(before.as_bytes()).and_then(|()| socket.write_all(&noise));
        assert_closed(socket);
    }
    // A packet of 4 GB is announced.
    let mut socket = TcpStream::connect(gate(&world)).unwrap();
    socket.write_all(b"SSH-2.0-Liar\r\n\xff\xff\xff\xff\x10").unwrap();
    unharmed(&world);
    assert_closed(socket);
    let (handle, mut under) = log_in(&world).await;
    let _channel = shell(&handle).await;
    under.set_nonblocking(false).unwrap();
    let _cut_off = under.write_all(&noise);
    until("the session in which it came is over", || live(&world).is_empty()).unwrap();
    unharmed(&world);
    drop((handle, under));
    front.is_quiet(&world);
}

#[track_caller]
fn assert_closed(mut socket: TcpStream) {
    socket.set_read_timeout(Some(LOGIN_GRACE + Duration::from_secs(10))).unwrap();
    let closed = match socket.read_to_end(&mut Vec::new()) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    };
    assert!(closed, "the gate still listens to it");
}

/// Never an end of the handshake, by silence or by one byte a second, and a client that reads nothing of what it asked for.
#[test]
fn a_client_that_stalls_is_let_go_and_others_do_not_wait_for_it() {
    let world = World::new();
    world.granted("10m");
    let front = Front::of(&world);
    let silent = TcpStream::connect(gate(&world)).unwrap();
    let mut halfway = TcpStream::connect(gate(&world)).unwrap();
    halfway.write_all(b"SSH-2.0-Halfway\r\n").unwrap();
    let slow = std::thread::spawn({
        let mut slow = TcpStream::connect(gate(&world)).unwrap();
        move || {
            let begun = now();
            let mut words = b"SSH-2.0-Slow\r\n".iter().chain(std::iter::repeat(&b'\0'));
            while slow.write_all(&[*words.next().unwrap()]).is_ok() {
                assert!(begun.elapsed() < LOGIN_GRACE * 2, "a byte a second keeps a place for ever");
                pause(Duration::from_secs(1));
            }
        }
    });
    let mut flood = world.ssh(&world.operator);
    let mut flood = Tame::start(flood.args(["-T", "exec cat /dev/zero"]).stdout(std::process::Stdio::piped())).unwrap();
    until("it is let in", || !live(&world).is_empty()).unwrap();
    pause(Duration::from_millis(500));
    // `ssh` itself reads until its own output is full, and then no more.
    unharmed(&world);
    signal(flood.id(), Signal::Stop).unwrap();
    unharmed(&world);
    for waiting in [silent, halfway] {
        assert_closed(waiting);
    }
    slow.join().unwrap();
    unharmed(&world);
    flood.0.kill().unwrap();
    drop(flood);
    front.is_quiet(&world);
    assert!(!world.target.log().is_empty());
}

/// From many addresses, as many at once as the test's own limits allow, which is more than the gate has places for.
#[test]
fn ten_thousand_connections_without_authentication_keep_nobody_out() {
    let world = World::new();
    world.granted("10m");
    let front = Front::of(&world);
    const IN_ALL: u32 = 10_000;
    const AT_ONCE: usize = 640;
    const ADDRESSES: u32 = 100;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut held, mut times_full) = (Vec::new(), 0);
    for n in 0..IN_ALL {
        let [.., last] = (n % ADDRESSES).to_be_bytes();
        held.extend(runtime.block_on(connect_from([127, 77, 0, last + 1], gate(&world))));
        if held.len() == AT_ONCE {
            // While they all sit there.
            unharmed(&world);
            times_full += 1;
            held.drain(..AT_ONCE / 2);
        }
    }
    assert!(times_full > 20, "all places were taken {times_full} times only");
    drop(held);
    drop(runtime);
    front.is_quiet(&world);
}

/// `None` where the gate's system has no place in its queue.
async fn connect_from(source: [u8; 4], to: SocketAddr) -> Option<tokio::net::TcpStream> {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((source, 0))).unwrap();
    tokio::time::timeout(Duration::from_secs(5), socket.connect(to)).await.ok()?.ok()
}
