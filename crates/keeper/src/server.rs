//! One Unix socket, one engine at a time, one question after the other. What does not read as a question ends the connection. Greetings are
//! waited for aside, and the engine that greeted last is the one that is answered: neither silent connections nor an engine that hangs keep
//! out one that was started anew.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
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
/// In bytes; a greeting is some fifty.
const LONGEST_GREETING: usize = 1 << 10;
/// Connections whose greeting is waited for at the same time; the longest silent makes room for a new one.
const MOST_GREETING: usize = 64;
/// Engines that greeted and wait for their turn.
const MOST_WAITING: usize = 8;
/// How long an engine that says nothing is listened to before the next look for one that came after it.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// After the system had no descriptor or memory for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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

/// Answers engines that run as user `engine`, one at a time and the latest first, for as long as the socket stands.
///
/// # Errors
/// When no thread can be had for the socket.
pub fn serve<C: Clock>(listener: &UnixListener, keeper: &mut Keeper<C>, engine: u32) -> io::Result<Infallible> {
    let (greeted, engines) = sync_channel(MOST_WAITING);
    let listener = listener.try_clone()?;
    thread::Builder::new().name("greet".into()).spawn(move || accept(&listener, engine, &greeted))?;
    let mut next = None;
    loop {
        let Some(stream) = next.take().or_else(|| engines.recv().ok()) else {
            return Err(io::Error::other("the thread that accepts has ended"));
        };
        let mut newer = || {
            next = latest(&engines);
            next.is_some()
        };
        match answer_until(&stream, keeper, &mut newer) {
            Ok(()) => tracing::info!("engine left"),
            Err(error) => tracing::warn!(%error, "connection ended"),
        }
    }
}

/// For ever: what one connection does, or that none can be taken for a moment, ends no other.
fn accept(listener: &UnixListener, engine: u32, greeted: &SyncSender<UnixStream>) {
    let greeting = Waiting::default();
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if is_passing(&error) => continue,
            Err(error) => {
                tracing::warn!(%error, "no connection can be taken");
                #[expect(
                    clippy::disallowed_methods,
                    reason = "there is nothing to wait on until the system has room again"
                )]
                thread::sleep(ACCEPT_PAUSE);
                continue;
            }
        };
        if let Err(error) = check_peer(&stream, engine) {
            tracing::warn!(%error, "connection refused");
            continue;
        }
        let place = match greeting.take(&stream) {
            Ok(place) => place,
            Err(error) => {
                tracing::warn!(%error, "no place for a connection");
                continue;
            }
        };
        let greeted = greeted.clone();
        let aside = thread::Builder::new().name("greeting".into()).spawn(move || {
            let outcome = greet(&stream);
            drop(place);
            match outcome {
                // A keeper that is gone takes nobody any more; one whose queue is full is asked again.
                Ok(()) => drop(greeted.try_send(stream)),
                Err(error) => tracing::warn!(%error, "connection ended"),
            }
        });
        if let Err(error) = aside {
            tracing::warn!(%error, "no thread for a greeting");
        }
    }
}

/// The connections whose greeting is waited for, the longest silent first.
#[derive(Clone, Default)]
struct Waiting(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    next: u64,
    streams: VecDeque<(u64, UnixStream)>,
}

/// One of them; it leaves on drop.
struct Place {
    all: Waiting,
    number: u64,
}

impl Waiting {
    fn take(&self, stream: &UnixStream) -> io::Result<Place> {
        let own = stream.try_clone()?;
        let mut queue = self.hold();
        if queue.streams.len() >= MOST_GREETING
            && let Some((_, longest)) = queue.streams.pop_front()
        {
            // Its thread reads the end.
            let _gone_already = longest.shutdown(Shutdown::Both);
        }
        let number = queue.next;
        queue.next += 1;
        queue.streams.push_back((number, own));
        Ok(Place { all: self.clone(), number })
    }

    fn hold(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.hold().streams.retain(|(number, _)| *number != self.number);
    }
}

fn latest(engines: &Receiver<UnixStream>) -> Option<UnixStream> {
    engines.try_iter().last()
}

fn greet(stream: &UnixStream) -> Result<(), ChannelError> {
    send(stream, &Greeting::of(Role::Keeper))?;
    let greeting: Greeting = receive(Patient::already(stream), LONGEST_GREETING)?;
    greeting.expect(Role::Engine)
}

/// Answers one engine until it leaves.
///
/// # Errors
/// [`ChannelError`] when what came was no greeting or no question, came too slowly, or no answer could be given.
pub fn serve_connection<C: Clock>(stream: &UnixStream, keeper: &mut Keeper<C>) -> Result<(), ChannelError> {
    greet(stream)?;
    answer_until(stream, keeper, &mut || false)
}

/// Answers an engine that has greeted until it leaves, or until there is another between two of its questions.
fn answer_until<C: Clock>(
    stream: &UnixStream,
    keeper: &mut Keeper<C>,
    is_replaced: &mut dyn FnMut() -> bool,
) -> Result<(), ChannelError> {
    loop {
        let ask: Ask = match receive(Patient::from_first_byte(stream, is_replaced), frame::LONGEST_FRAME) {
            Err(ChannelError::Closed) => return Ok(()),
            received => received?,
        };
        send(stream, &keeper.answer(ask))?;
    }
}

fn receive<T: DeserializeOwned>(mut from: Patient<'_>, longest: usize) -> Result<T, ChannelError> {
    frame::read_short(&mut from, longest).map_err(|error| match error {
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
    began: Began<'a>,
}

enum Began<'a> {
    /// To be whole by then.
    Until(Instant),
    /// Not yet: waited for, unless somebody else is to be answered.
    Unless(&'a mut dyn FnMut() -> bool),
}

impl<'a> Patient<'a> {
    fn already(stream: &'a UnixStream) -> Self {
        Self { stream, began: Began::Until(deadline()) }
    }

    fn from_first_byte(stream: &'a UnixStream, is_replaced: &'a mut dyn FnMut() -> bool) -> Self {
        Self { stream, began: Began::Unless(is_replaced) }
    }
}

impl Read for Patient<'_> {
    /// An engine that is replaced reads as one that has left.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.began {
            Began::Until(until) => {
                let left = until.saturating_duration_since(now());
                if left == Duration::ZERO {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                self.stream.set_read_timeout(Some(left))?;
                (&mut &*self.stream).read(buffer)
            }
            Began::Unless(is_replaced) => {
                self.stream.set_read_timeout(Some(LOOK_EVERY))?;
                let read = loop {
                    if is_replaced() {
                        return Ok(0);
                    }
                    match (&mut &*self.stream).read(buffer) {
                        Err(error) if is_silence(&error) => {}
                        read => break read?,
                    }
                };
                self.began = Began::Until(deadline());
                Ok(read)
            }
        }
    }
}

fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
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
