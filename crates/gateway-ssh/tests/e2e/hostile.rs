//! Clients that flood, stall, lie or break us.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use gateway_ssh::gate::EndReason;
use russh::client;
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{ChannelMsg, Sig};

use crate::world::{World, text, until};

fn connect_from(source: [u8; 4], to: SocketAddr) -> Option<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((source, 0))).unwrap();
        socket.connect(to).await.ok()?.into_std().ok()
    })?;
    stream.set_nonblocking(false).unwrap();
    Some(stream)
}

fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut rest = Vec::new();
    // Reset or end: either is closed; a timeout is not.
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn connections_without_authentication_do_not_keep_others_out() {
    let world = World::with(|settings| settings.max_unauthenticated_per_source = 32, "");
    let idle: Vec<_> = (0..800).filter_map(|_| connect_from([127, 0, 0, 2], world.gateway.local_addr())).collect();
    assert!(idle.len() > 700);
    until("only those allowed are kept", || world.gateway.tasks() <= 2 * 32);
    assert_eq!(text(&world.exec("echo in").stdout), "in\n");
    drop(idle);
    world.is_quiet();
}

#[test]
fn a_handshake_that_never_ends_is_ended() {
    let world = World::with(|settings| settings.login_grace = Duration::from_secs(1), "");
    let mut silent = TcpStream::connect(world.gateway.local_addr()).unwrap();
    let mut halfway = TcpStream::connect(world.gateway.local_addr()).unwrap();
    halfway.write_all(b"SSH-2.0-Slow\r\n").unwrap();
    assert!(is_closed(&mut silent) && is_closed(&mut halfway));
    world.is_quiet();
}

#[test]
fn an_oversized_packet_closes_its_own_connection_only() {
    let world = World::new();
    let mut liar = TcpStream::connect(world.gateway.local_addr()).unwrap();
    liar.write_all(b"SSH-2.0-Liar\r\n\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00").unwrap();
    assert!(is_closed(&mut liar));
    let mut garbage = TcpStream::connect(world.gateway.local_addr()).unwrap();
    garbage.write_all(&[0; 4096]).unwrap();
    assert_eq!(text(&world.exec("echo fine").stdout), "fine\n");
    drop(garbage);
    world.is_quiet();
}

/// More often than there are threads that carry connections, before a key is known and while a passage is asked for.
#[test]
fn a_panic_ends_one_connection_and_no_other() {
    let world = World::new();
    let mut other =
        world.ssh("root@db1").arg("sleep 4; echo survived").stdout(std::process::Stdio::piped()).spawn().unwrap();
    until("the other session is up", || world.gateway.sessions().list().iter().any(|s| s.channels > 0));
    for _ in 0..6 {
        assert!(!world.ssh("panic@db1").arg("true").output().unwrap().status.success());
    }
    let known = crate::world::public_key(&world.person.with_extension("pub"));
    world.answers().dreaded = Some(known);
    for _ in 0..6 {
        assert!(!world.ssh("root@db1").arg("true").output().unwrap().status.success());
    }
    world.answers().dreaded = None;
    assert_eq!(text(&world.exec("echo in").stdout), "in\n");
    let mut shown = String::new();
    other.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
    assert_eq!(shown, "survived\n");
    assert!(other.wait().unwrap().success());
    world.is_quiet();
}

pub(crate) struct Trusting;

impl client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

pub(crate) async fn log_in(world: &World) -> client::Handle<Trusting> {
    let mut handle =
        client::connect(Arc::new(client::Config::default()), world.gateway.local_addr(), Trusting).await.unwrap();
    let key = PrivateKey::from_openssh(std::fs::read(&world.person).unwrap()).unwrap();
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
    assert!(handle.authenticate_publickey("root@db1", key).await.unwrap().success());
    handle
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_channels_gets_so_many_and_no_more() {
    let world = World::new();
    let handle = log_in(&world).await;
    let mut open = Vec::new();
    let mut refused = 0;
    for _ in 0..100 {
        match handle.channel_open_session().await {
            Ok(channel) => open.push(channel),
            Err(_) => refused += 1,
        }
    }
    assert_eq!((open.len(), refused), (64, 36));
    let channel = &mut open[0];
    channel.exec(true, "echo through the storm").await.unwrap();
    let mut shown = Vec::new();
    while let Some(message) = channel.wait().await {
        if let ChannelMsg::Data { data } = message {
            shown.extend_from_slice(&data);
        }
    }
    assert_eq!(text(&shown), "through the storm\n");
    drop((open, handle));
    world.is_quiet();
}

/// sshd delivers a signal only where it separates privileges, which it does not for root; then it says so in its log.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_reaches_the_target() {
    let world = World::new();
    let handle = log_in(&world).await;
    let mut channel = handle.channel_open_session().await.unwrap();
    channel
        .exec(true, "trap 'echo caught; exit 9' USR1; echo ready; for n in $(seq 50); do sleep 0.1; done")
        .await
        .unwrap();
    let mut shown = Vec::new();
    while let Some(message) = channel.wait().await {
        if let ChannelMsg::Data { data } = message {
            shown.extend_from_slice(&data);
            if text(&shown) == "ready\n" {
                channel.signal(Sig::USR1).await.unwrap();
            }
        }
    }
    let log = std::fs::read_to_string(world.dir.path().join("target-log")).unwrap();
    assert!(
        text(&shown).contains("caught") || log.contains("session signalling requires privilege separation"),
        "{log}"
    );
    drop((channel, handle));
    assert_eq!(text(&world.recorded(gateway_ssh::tape::Kind::Signal)), "USR1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_requests_ends_its_session() {
    let world = World::new();
    let handle = log_in(&world).await;
    let channel = handle.channel_open_session().await.unwrap();
    for n in 0..100_000 {
        if channel.set_env(false, "LANG", format!("{n}")).await.is_err() {
            break;
        }
    }
    until("the end is reported", || !world.gate.reasons().is_empty());
    assert_eq!(world.gate.reasons(), [EndReason::LimitBroken]);
    drop((channel, handle));
    world.is_quiet();
}
