//! A client of the test's own, which can do what no `ssh` does.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use e2e::World;
use russh::client::{self, Handle};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};

/// Takes whatever the gate shows: that it is the gate is for other tests.
pub(crate) struct Trusting;

impl client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

pub(crate) fn gate(world: &World) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, world.gate.port().unwrap()))
}

/// The operator's connection to `LOGIN@db1`, and the socket under it.
pub(crate) async fn log_in(world: &World) -> (Handle<Trusting>, TcpStream) {
    let socket = TcpStream::connect(gate(world)).unwrap();
    let under = socket.try_clone().unwrap();
    socket.set_nonblocking(true).unwrap();
    let socket = tokio::net::TcpStream::from_std(socket).unwrap();
    let mut handle = client::connect_stream(Arc::default(), socket, Trusting).await.unwrap();
    let key = PrivateKey::from_openssh(std::fs::read(&world.operator.key.private).unwrap()).unwrap();
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
    assert!(handle.authenticate_publickey(world.account(), key).await.unwrap().success());
    (handle, under)
}
