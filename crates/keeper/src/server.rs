//! One Unix socket, one engine at a time, one question after the other. What does not read as a question ends the connection.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use channel::keeper::Ask;
use channel::{ChannelError, Greeting, Role, frame};
use rustix::net::sockopt::socket_peercred;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroize;

use crate::{Clock, Keeper};

/// A greeting, a question or an answer passes within this time once its first byte did. Between questions an engine may be
/// silent as long as it likes.
pub const FRAME_TIME: Duration = Duration::from_secs(5);

/// Why a peer was not spoken to.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    #[error("who is at the other end cannot be told: {0}")]
    Unknown(#[source] io::Error),
    #[error("user {found} asked; only user {expected} may")]
    OtherUser { expected: u32, found: u32 },
}

/// Whether the process at the other end runs as the engine's user.
///
/// # Errors
/// [`PeerError::OtherUser`], [`PeerError::Unknown`].
pub fn check_peer(stream: &UnixStream, expected: u32) -> Result<(), PeerError> {
    let found = socket_peercred(stream).map_err(|error| PeerError::Unknown(error.into()))?.uid.as_raw();
    if found == expected { Ok(()) } else { Err(PeerError::OtherUser { expected, found }) }
}

/// Answers engines that run as user `engine`, one after the other, for as long as the socket stands.
///
/// # Errors
/// When the socket gives no more connections.
pub fn serve<C: Clock>(listener: &UnixListener, keeper: &mut Keeper<C>, engine: u32) -> io::Result<Infallible> {
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if is_passing(&error) => continue,
            Err(error) => return Err(error),
        };
        if let Err(error) = check_peer(&stream, engine) {
            tracing::warn!(%error, "connection refused");
            continue;
        }
        match serve_connection(&stream, keeper) {
            Ok(()) => tracing::info!("engine left"),
            Err(error) => tracing::warn!(%error, "connection ended"),
        }
    }
}

/// Answers one engine until it leaves.
///
/// # Errors
/// [`ChannelError`] when what came was no greeting or no question, came too slowly, or no answer could be given.
pub fn serve_connection<C: Clock>(stream: &UnixStream, keeper: &mut Keeper<C>) -> Result<(), ChannelError> {
    send(stream, &Greeting::of(Role::Keeper))?;
    let greeting: Greeting = receive(Patient::already(stream))?;
    greeting.expect(Role::Engine)?;
    loop {
        let ask: Ask = match receive(Patient::from_first_byte(stream)) {
            Err(ChannelError::Closed) => return Ok(()),
            received => received?,
        };
        send(stream, &keeper.answer(ask))?;
    }
}

fn receive<T: DeserializeOwned>(mut from: Patient<'_>) -> Result<T, ChannelError> {
    frame::read(&mut from).map_err(|error| match error {
        ChannelError::Io(error) => too_slow(error),
        other => other,
    })
}

/// An answer may hold a key, so its bytes are overwritten once they are sent.
fn send<T: Serialize>(stream: &UnixStream, message: &T) -> Result<(), ChannelError> {
    let mut bytes = frame::encode(message)?;
    let sent = stream.set_write_timeout(Some(FRAME_TIME)).and_then(|()| (&mut &*stream).write_all(&bytes));
    bytes.zeroize();
    sent.map_err(too_slow)
}

/// Reads a frame that must be whole within [`FRAME_TIME`].
struct Patient<'a> {
    stream: &'a UnixStream,
    until: Option<Instant>,
}

impl<'a> Patient<'a> {
    fn already(stream: &'a UnixStream) -> Self {
        Self { stream, until: Some(deadline()) }
    }

    fn from_first_byte(stream: &'a UnixStream) -> Self {
        Self { stream, until: None }
    }
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.until.map(|until| until.saturating_duration_since(now()));
        if left == Some(Duration::ZERO) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(left)?;
        let read = (&mut &*self.stream).read(buffer)?;
        self.until.get_or_insert_with(deadline);
        Ok(read)
    }
}

fn deadline() -> Instant {
    now() + FRAME_TIME
}

fn now() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a frame may take is measured here and decides nothing else"
    )]
    Instant::now()
}

fn too_slow(error: io::Error) -> ChannelError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ChannelError::TimedOut { seconds: FRAME_TIME.as_secs() },
        _ => ChannelError::Io(error),
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted)
}
