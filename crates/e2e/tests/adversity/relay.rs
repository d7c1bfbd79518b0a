//! What stands at a target's address: the target, another machine, or nobody who speaks. It can be exchanged while the gate runs.

use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use testkit::{Sshd, Target, Trouble};

/// Who answers there.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// Whoever listens on this port.
    To(u16),
    /// Accepts and never says a word.
    Mute,
}

/// A target behind an address that others may take.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) sshd: Sshd,
    address: SocketAddr,
    way: Arc<Mutex<Way>>,
    closing: Arc<AtomicBool>,
}

impl Relay {
    pub(crate) fn before(sshd: Sshd) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let way = Arc::new(Mutex::new(Way::To(sshd.port())));
        let closing = Arc::new(AtomicBool::new(false));
        std::thread::spawn({
            let (way, closing) = (way.clone(), closing.clone());
            move || receive(&listener, &way, &closing)
        });
        Self { sshd, address, way, closing }
    }

    /// From now on new connections go there.
    pub(crate) fn turn(&self, way: Way) {
        *self.way.lock().unwrap() = way;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
        let _woken = TcpStream::connect(self.address);
    }
}

impl Target for Relay {
    fn port(&self) -> u16 {
        self.address.port()
    }

    fn host_key(&self) -> &str {
        self.sshd.host_key()
    }

    fn trust(&self, authority: &str) -> Result<(), Trouble> {
        self.sshd.trust(authority)
    }

    fn admit(&self, user: &str, principals: &[&str]) -> Result<(), Trouble> {
        self.sshd.admit(user, principals)
    }

    fn log(&self) -> String {
        self.sshd.log()
    }
}

fn receive(listener: &TcpListener, way: &Mutex<Way>, closing: &AtomicBool) {
    let mut ignored = Vec::new();
    for stream in listener.incoming().map_while(Result::ok) {
        if closing.load(Ordering::Acquire) {
            return;
        }
        match *way.lock().unwrap() {
            Way::Mute => ignored.push(stream),
            Way::To(port) => pass_on(&stream, port),
        }
    }
}

/// A connection that cannot be passed on is closed.
fn pass_on(near: &TcpStream, port: u16) {
    let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return };
    let pairs = [(near.try_clone(), far.try_clone()), (far.try_clone(), near.try_clone())];
    for (from, to) in pairs.into_iter().filter_map(|(from, to)| Some((from.ok()?, to.ok()?))) {
        std::thread::spawn(move || {
            let _broken_off = std::io::copy(&mut &from, &mut &to);
            let _gone = (to.shutdown(Shutdown::Write), from.shutdown(Shutdown::Read));
        });
    }
}
