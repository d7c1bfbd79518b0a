//! Carries a forwarded connection: from a port or socket of the person's machine to what the target reaches. Who, to where and how much is recorded, the bytes are not.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use russh::server::{ChannelOpenHandle, Msg};
use russh::{ChannelOpenFailure, ChannelWriteHalf};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::authorise::{Ask, Verdict, authorise};
use crate::bridge::{Stop, Up, unless_holding_up};
use crate::connection::{Session, Stage};
use crate::inbox::Inbox;
use crate::sessions::ChannelCount;
use crate::tape::{Direction, Kind};
use crate::target::{Down, FarEnd};

/// For closing, towards somebody who may not read.
const CLOSED_WITHIN: Duration = Duration::from_millis(250);

/// Where a connection is to lead, as the client says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum To {
    Tcp {
        host: String,
        port: u32,
    },
    /// A Unix socket.
    Socket(String),
}

/// A connection that a client asks for.
pub(crate) struct Asked {
    pub(crate) to: To,
    /// Where the connection came from on the person's machine, as their client says.
    pub(crate) originator: (String, u32),
    pub(crate) reply: ChannelOpenHandle,
    /// The gateway's own number for it, from 1.
    pub(crate) number: u32,
    pub(crate) write: ChannelWriteHalf<Msg>,
    pub(crate) up: Arc<Inbox<Up>>,
    /// Rung once, when the client has closed the channel.
    pub(crate) gone: Arc<Notify>,
}

impl To {
    pub(crate) fn ask(&self) -> Ask<'_> {
        match self {
            Self::Tcp { host, port } => Ask::OpenDirectTcp { host, port: *port },
            Self::Socket(path) => Ask::OpenStreamLocal(path),
        }
    }

    /// As it stands in the recording: the channel's type, a space, where to.
    fn recorded(&self) -> Bytes {
        match self {
            Self::Tcp { host, port } => format!("direct-tcpip {host} {port}"),
            Self::Socket(path) => format!("direct-streamlocal@openssh.com {path}"),
        }
        .into()
    }
}

/// Carries one from its being asked for to its close. Nothing is dialled and no byte passes before the passage is open and its terms name the destination.
pub(crate) async fn carry(asked: Asked, mut stage: watch::Receiver<Stage>) {
    if let Some(opened) = open(asked, &mut stage).await {
        opened.pass().await;
    }
}

async fn open(asked: Asked, stage: &mut watch::Receiver<Stage>) -> Option<Opened> {
    let stage = stage.wait_for(|stage| !matches!(stage, Stage::AwaitingPassage)).await.ok()?.clone();
    let Stage::Open(session) = stage else {
        asked.reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
        return None;
    };
    if let Verdict::Refuse(why) = authorise(&session.terms, asked.to.ask()) {
        session.note_refusal(asked.number, why).await;
        asked.reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
        return None;
    }
    // Counted from here: a sibling that holds up the target's answers must give way to one that is being opened, too.
    let count = ChannelCount::of(session.live.clone());
    let far = tokio::select! {
        biased;
        () = session.live.over() => None,
        far = reach(&session, &asked) => far,
    };
    let Some(far) = far else {
        asked.reply.reject(ChannelOpenFailure::ConnectFailed).await;
        return None;
    };
    asked.reply.accept().await;
    let Asked { to, number, write, up, gone, .. } = asked;
    Some(Opened { session, far, to, number, write, up, gone, _count: count })
}

/// Recorded before it is dialled, as a command is before it runs.
async fn reach(session: &Session, asked: &Asked) -> Option<FarEnd> {
    session.live.may_flow().await.ok()?;
    let opened = session.live.reel.record(Kind::Opened, asked.number, Direction::FromClient, asked.to.recorded());
    opened.await.ok()?;
    session.live.may_flow().await.ok()?;
    session.target.open_forward(&asked.to, &asked.originator).await.ok()
}

/// A connection that leads through.
struct Opened {
    session: Arc<Session>,
    far: FarEnd,
    to: To,
    number: u32,
    write: ChannelWriteHalf<Msg>,
    up: Arc<Inbox<Up>>,
    gone: Arc<Notify>,
    _count: ChannelCount,
}

/// What went through, in bytes.
#[derive(Debug, Default)]
struct Carried {
    to_target: u64,
    from_target: u64,
}

impl Opened {
    async fn pass(self) {
        let (mut to_target, mut from_target) = (0, 0);
        let both = async {
            // Nothing more from the client is no end: the other side may still have much to say.
            let up = async {
                let _ended = self.carry_up(&mut to_target).await;
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = up => {}
                () = self.carry_down(&mut from_target) => {}
            }
        };
        tokio::select! {
            biased;
            () = self.session.live.over() => {}
            () = self.gone.notified() => {}
            () = both => {}
        }
        let carried = Carried { to_target, from_target };
        let _in_time = timeout(CLOSED_WITHIN, self.write.close()).await;
        self.far.close(CLOSED_WITHIN).await;
        let _in_time = timeout(CLOSED_WITHIN, self.note_end(&carried)).await;
    }

    async fn carry_up(&self, count: &mut u64) -> Option<()> {
        loop {
            let taken = self.up.pop().await;
            self.session.live.may_flow().await.ok()?;
            match taken.event {
                Up::Data(data) => {
                    *count += data.len() as u64;
                    self.session.live.bytes_in.fetch_add(data.len() as u64, Ordering::AcqRel);
                    self.far.write.data_bytes(data).await.ok()?;
                }
                Up::Eof => self.far.write.eof().await.ok()?,
            }
        }
    }

    async fn carry_down(&self, count: &mut u64) {
        loop {
            let taken = self.far.inbox.pop().await;
            if self.session.live.may_flow().await.is_err() {
                return;
            }
            let sent = match taken.event {
                Down::Data(data) => {
                    *count += data.len() as u64;
                    self.session.live.bytes_out.fetch_add(data.len() as u64, Ordering::AcqRel);
                    unless_holding_up(&self.session, self.write.data_bytes(data)).await
                }
                Down::Eof => self.write.eof().await.map_err(|_| Stop::AwaitEnd),
                Down::Closed | Down::Departed => return,
                // A forwarded connection has none of these.
                Down::Errors(_) | Down::ExitStatus(_) | Down::ExitSignal { .. } | Down::Success | Down::Failure => {
                    Ok(())
                }
            };
            if sent.is_err() {
                return;
            }
        }
    }

    async fn note_end(&self, carried: &Carried) {
        let Carried { to_target, from_target } = carried;
        let text = format!("{} {to_target} {from_target}", String::from_utf8_lossy(&self.to.recorded()));
        let reel = &self.session.live.reel;
        // A lost recording ends the session by itself.
        let _lost = reel.record(Kind::Forwarded, self.number, Direction::Gateway, text.into()).await;
        let _lost = reel.record(Kind::Closed, self.number, Direction::Gateway, Bytes::new()).await;
    }
}
