//! The socket under one leg, with a valve: reading slows or stops while too much waits for the other leg, and can be cut at any moment.
//!
//! russh gives a peer new window as data *arrives*, so the window alone bounds nothing. Two means bound it here:
//! - on the client's leg russh lets the handler shrink the window it re-opens to; above [`MARK`] the handler leaves the client next to nothing
//!   ([`crate::connection`]), and this valve slows down reading those crumbs. Reading never stops, so a client's WINDOW_ADJUST, its keystrokes on
//!   other channels and its answers to keepalives get through, and two full directions cannot wait for each other for ever;
//! - on the target's leg russh has no such means; above [`MARK`] this valve stops reading until the client has taken what waits for it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// Bytes waiting for the other leg above which this leg is held back.
pub(crate) const MARK: usize = 1 << 20;
/// A held leg is read again below this.
const LOW: usize = MARK / 2;
/// A read that brings less than this is a crumb.
const CRUMB: usize = 1024;
const FIRST_NAP: Duration = Duration::from_millis(2);
const LONGEST_NAP: Duration = Duration::from_millis(50);
/// Read buffer of a quiet leg, and of a busy one.
const QUIET_BUFFER: usize = 4 << 10;
const BUSY_BUFFER: usize = 64 << 10;
/// Small reads in a row after which a leg counts as quiet again.
const QUIET_AFTER: u32 = 64;

/// What a leg does while too much waits for the other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenFull {
    Hold,
    Trickle,
}

/// The state of one leg's socket, shared by whoever feeds, drains or cuts it.
#[derive(Debug)]
pub(crate) struct Valve {
    when_full: WhenFull,
    waiting: AtomicUsize,
    held: AtomicBool,
    cut: AtomicBool,
    limit_broken: AtomicBool,
    heard: AtomicBool,
    reader: Mutex<Option<Waker>>,
}

impl Valve {
    pub(crate) fn new(when_full: WhenFull) -> Arc<Self> {
        Arc::new(Self {
            when_full,
            waiting: AtomicUsize::new(0),
            held: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            limit_broken: AtomicBool::new(false),
            heard: AtomicBool::new(false),
            reader: Mutex::new(None),
        })
    }

    /// Bytes read here now wait for the other leg.
    pub(crate) fn add(&self, bytes: usize) {
        self.waiting.fetch_add(bytes, Ordering::AcqRel);
    }

    /// The other leg took them.
    pub(crate) fn take(&self, bytes: usize) {
        let before = self.waiting.fetch_sub(bytes, Ordering::AcqRel);
        if before >= LOW && before - bytes < LOW {
            self.wake();
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting() >= MARK
    }

    /// Is reading stopped because of what waits? Then silence says nothing about the peer.
    pub(crate) fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    /// Has anything been read since the last call?
    pub(crate) fn heard(&self) -> bool {
        self.heard.swap(false, Ordering::AcqRel)
    }

    /// Cuts the connection: every read and write fails from now on.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.wake();
    }

    /// Cuts the connection of a peer that broke a limit.
    pub(crate) fn forbid(&self) {
        self.limit_broken.store(true, Ordering::Release);
        self.cut();
    }

    pub(crate) fn limit_was_broken(&self) -> bool {
        self.limit_broken.load(Ordering::Acquire)
    }

    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    fn may_read(&self) -> bool {
        let waiting = self.waiting();
        let full = match self.when_full {
            WhenFull::Hold if self.is_held() => waiting >= LOW,
            WhenFull::Hold => waiting >= MARK,
            WhenFull::Trickle => false,
        };
        self.held.store(full, Ordering::Release);
        !full
    }

    fn wake(&self) {
        if let Some(waker) = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take() {
            waker.wake();
        }
    }

    fn remember(&self, waker: &Waker) {
        let mut slot = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        match &*slot {
            Some(known) if known.will_wake(waker) => {}
            _ => *slot = Some(waker.clone()),
        }
    }
}

/// A TCP stream read and written through its valve.
#[derive(Debug)]
pub(crate) struct Paced {
    inner: TcpStream,
    valve: Arc<Valve>,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
    small_reads: u32,
    /// What is written next has been sent before.
    said: Vec<u8>,
    nap: Option<Pin<Box<Sleep>>>,
    next_nap: Duration,
}

impl Paced {
    pub(crate) fn new(inner: TcpStream, valve: Arc<Valve>) -> Self {
        let (buffer, said) = (Vec::new(), Vec::new());
        Self { inner, valve, buffer, from: 0, to: 0, small_reads: 0, said, nap: None, next_nap: FIRST_NAP }
    }

    /// `bytes`, read from here, are read once more, before what is still to be read.
    pub(crate) fn put_back(&mut self, bytes: &[u8]) {
        let mut buffer = bytes.to_vec();
        buffer.extend_from_slice(self.buffer.get(self.from..self.to).unwrap_or_default());
        (self.from, self.to) = (0, buffer.len());
        buffer.resize(buffer.len().max(QUIET_BUFFER), 0);
        self.buffer = buffer;
    }

    /// `bytes` are not sent when they are written next; a write that begins otherwise fails.
    pub(crate) fn already_said(&mut self, bytes: Vec<u8>) {
        self.said = bytes;
    }

    /// How many of `bytes` were sent before; `None` where they are not what was said.
    fn skip_said(&mut self, bytes: &[u8]) -> Option<usize> {
        let some = self.said.len().min(bytes.len());
        let agrees = self.said.get(..some) == bytes.get(..some);
        agrees.then(|| self.said.drain(..some).count())
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.buffer.is_empty() {
            self.buffer = vec![0; QUIET_BUFFER];
        }
        let mut space = ReadBuf::new(&mut self.buffer);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut space))?;
        let filled = space.filled().len();
        (self.from, self.to) = (0, filled);
        self.valve.heard.store(true, Ordering::Release);
        self.fit_buffer(filled);
        self.nap_after(filled);
        Poll::Ready(Ok(()))
    }

    /// An idle terminal must not hold a bulk transfer's buffer.
    fn fit_buffer(&mut self, filled: usize) {
        if filled == self.buffer.len() && filled < BUSY_BUFFER {
            self.buffer.resize(BUSY_BUFFER, 0);
        }
        self.small_reads = if filled < QUIET_BUFFER { self.small_reads.saturating_add(1) } else { 0 };
        if self.small_reads == QUIET_AFTER && self.buffer.len() > QUIET_BUFFER {
            self.buffer.truncate(QUIET_BUFFER);
            self.buffer.shrink_to_fit();
        }
    }

    /// A client without credit sends crumbs, each answered with the next; napping between them keeps that from being a busy loop.
    fn nap_after(&mut self, filled: usize) {
        if self.valve.when_full == WhenFull::Trickle && filled < CRUMB && self.valve.is_full() {
            self.nap = Some(Box::pin(tokio::time::sleep(self.next_nap)));
            self.next_nap = (self.next_nap * 2).min(LONGEST_NAP);
        } else {
            self.next_nap = FIRST_NAP;
        }
    }

    fn poll_nap(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(nap) = &mut self.nap
            && self.valve.is_full()
        {
            ready!(nap.as_mut().poll(cx));
        }
        self.nap = None;
        Poll::Ready(())
    }
}

impl AsyncRead for Paced {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Before any check: who cuts or drains after the check must find the waker.
        this.valve.remember(cx.waker());
        if this.valve.is_cut() {
            return Poll::Ready(Err(cut_off()));
        }
        if this.from == this.to {
            if !this.valve.may_read() {
                return Poll::Pending;
            }
            ready!(this.poll_nap(cx));
            ready!(this.poll_fill(cx))?;
        }
        let some = out.remaining().min(this.to - this.from);
        out.put_slice(this.buffer.get(this.from..this.from + some).expect("the filled part lies in the buffer"));
        this.from += some;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Paced {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.valve.remember(cx.waker());
        if this.valve.is_cut() {
            return Poll::Ready(Err(cut_off()));
        }
        if !this.said.is_empty() && !bytes.is_empty() {
            return Poll::Ready(this.skip_said(bytes).ok_or_else(cut_off));
        }
        Pin::new(&mut this.inner).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the gateway cut the connection")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn pair(when_full: WhenFull) -> (Paced, Arc<Valve>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let valve = Valve::new(when_full);
        (Paced::new(listener.accept().await.unwrap().0, valve.clone()), valve, peer)
    }

    async fn reads_nothing(paced: &mut Paced) -> bool {
        tokio::time::timeout(Duration::from_millis(100), paced.read_u8()).await.is_err()
    }

    #[tokio::test]
    async fn a_full_leg_is_held_until_half_was_taken() {
        let (mut paced, valve, mut peer) = pair(WhenFull::Hold).await;
        peer.write_all(b"x").await.unwrap();
        valve.add(MARK);
        assert!(reads_nothing(&mut paced).await && valve.is_held());
        valve.take(MARK / 2 - 1);
        assert!(reads_nothing(&mut paced).await, "half is not taken yet");
        let taker = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            valve.take(MARK / 2);
        });
        assert_eq!(paced.read_u8().await.unwrap(), b'x');
        taker.await.unwrap();
    }

    #[tokio::test]
    async fn a_trickling_leg_reads_on_slowly_however_much_waits() {
        let (mut paced, valve, mut peer) = pair(WhenFull::Trickle).await;
        valve.add(MARK + 5);
        for _ in 0..5 {
            peer.write_all(b"x").await.unwrap();
            assert_eq!(paced.read_u8().await.unwrap(), b'x');
        }
        assert!(paced.next_nap > FIRST_NAP, "crumbs are read slowly");
        assert!(!valve.is_held());
    }

    #[tokio::test]
    async fn a_cut_ends_a_read_that_waits() {
        let (mut paced, valve, _peer) = pair(WhenFull::Hold).await;
        let reader = tokio::spawn(async move { paced.read_u8().await });
        tokio::time::sleep(Duration::from_millis(20)).await;
        valve.cut();
        assert_eq!(reader.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn a_cut_ends_a_write_that_waits() {
        let (mut paced, valve, _peer) = pair(WhenFull::Hold).await;
        let writer = tokio::spawn(async move { paced.write_all(&vec![0; 64 << 20]).await });
        tokio::time::sleep(Duration::from_millis(50)).await;
        valve.cut();
        assert_eq!(writer.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn bytes_come_out_in_order_whatever_the_buffer() {
        let (mut paced, _valve, mut peer) = pair(WhenFull::Hold).await;
        let sent: Vec<u8> = (0..3_000_000u32).flat_map(u32::to_le_bytes).collect();
        let expected = sent.clone();
        let writer = tokio::spawn(async move { peer.write_all(&sent).await });
        let mut got = vec![0; expected.len()];
        let mut at = 0;
        while at < got.len() {
            let piece = if at % 3 == 0 { 16 } else { 33_000 };
            let until = (at + piece).min(got.len());
            paced.read_exact(&mut got[at..until]).await.unwrap();
            at = until;
        }
        writer.await.unwrap().unwrap();
        assert!(got == expected);
    }
}
