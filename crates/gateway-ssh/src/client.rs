//! russh's view of a client's connection: notes what comes, judges what needs no passage to be refused, and starts what carries each channel.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use russh::keys::Certificate;
use russh::server::{self, Auth, ChannelOpenHandle, Msg, PublicKeyOffer, Session as RusshSession, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, Pty, Sig};
use tokio::sync::{Notify, mpsc, watch};

use crate::authorise::{Ask, Terms, Verdict, authorise};
use crate::bridge::{self, ClientEnd, Size, Start, Up, Wish};
use crate::connection::{Session, Stage, Verified};
use crate::forward::{self, To};
use crate::gate::Gate;
use crate::inbox::Inbox;
use crate::key;
use crate::server::{Shared, TaskGuard, WINDOW};
use crate::tape::Kind;
use crate::valve::Valve;

/// Requests of one channel that may wait; more is a flood.
const MAX_WISHES: usize = 512;
/// Environment variables and terminals that one channel may ask for.
const MAX_PREPARED: u32 = 256;
/// The window a client is left with while its data waits: the least that russh can open again.
const CRUMB_WINDOW: u32 = 2;
const LEAST_WINDOW: u32 = 64 << 10;
/// What may wait besides the windows of the open channels: the mark, and what closed channels have left. More comes only from a client that
/// ignores its windows.
const MAX_WAITING: usize = 8 << 20;

/// russh's view of a client's connection. Every callback notes what came and returns at once: one that waits would stop both directions.
pub(crate) struct Client<G> {
    shared: Arc<Shared<G>>,
    source: IpAddr,
    valve: Arc<Valve>,
    stage: watch::Receiver<Stage>,
    verified: mpsc::Sender<Verified>,
    channels: Channels,
    opened: u32,
    _guard: TaskGuard,
}

/// The channels that a client has open, or asks for.
#[derive(Clone, Default)]
pub(crate) struct Channels(Arc<Mutex<HashMap<ChannelId, Open>>>);

impl Channels {
    /// To be called once nothing carries it any more: russh tells of a client's close only where it came before ours.
    pub(crate) fn forget(&self, id: ChannelId) {
        self.all().remove(&id);
    }

    fn len(&self) -> usize {
        self.all().len()
    }

    fn enter(&self, id: ChannelId, open: Open) {
        self.all().insert(id, open);
    }

    fn up(&self, id: ChannelId) -> Option<Arc<Inbox<Up>>> {
        self.all().get(&id).map(|open| open.up.clone())
    }

    fn all(&self) -> MutexGuard<'_, HashMap<ChannelId, Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A channel the client has open.
struct Open {
    up: Arc<Inbox<Up>>,
    wishes: Arc<Inbox<Wish>>,
    gone: Arc<Notify>,
    /// Environment and terminals asked for.
    prepared: u32,
}

impl<G: Gate> Client<G> {
    pub(crate) fn new(
        shared: &Arc<Shared<G>>,
        source: IpAddr,
        valve: &Arc<Valve>,
        stage: watch::Receiver<Stage>,
        verified: mpsc::Sender<Verified>,
    ) -> Self {
        Self {
            shared: shared.clone(),
            source,
            valve: valve.clone(),
            stage,
            verified,
            channels: Channels::default(),
            opened: 0,
            _guard: shared.tasks.enter(),
        }
    }

    fn wish(&mut self, channel: ChannelId, wish: Wish) {
        if let Some(open) = self.channels.all().get_mut(&channel) {
            open.prepared += u32::from(matches!(wish, Wish::Env { .. } | Wish::Terminal { .. }));
            if open.wishes.len() >= MAX_WISHES || open.prepared > MAX_PREPARED {
                tracing::warn!(source = %self.source, "a client flooded a channel with requests");
                self.valve.forbid();
            }
            open.wishes.push(wish);
        }
        self.heed_limit();
    }

    /// More waits than the windows of the open channels allow: this client ignores them, or asks for more than anybody carries out.
    fn heed_limit(&self) {
        if self.valve.waiting() > MAX_WAITING + self.channels.len() * WINDOW as usize {
            tracing::warn!(source = %self.source, "a client ignored its limits");
            self.valve.forbid();
        }
    }

    fn session(&self) -> Option<Arc<Session>> {
        match &*self.stage.borrow() {
            Stage::Open(session) => Some(session.clone()),
            Stage::AwaitingPassage | Stage::Refused(_) | Stage::Control { .. } => None,
        }
    }

    /// Judges what no passage has to be open for to be refused. What it allows is judged again where it is done.
    fn judge(&self, ask: Ask<'_>) -> Verdict {
        let session = self.session();
        let verdict = match &session {
            Some(session) => authorise(&session.terms, ask),
            None => authorise(&Terms::default(), ask),
        };
        if let Verdict::Refuse(why) = verdict {
            tracing::info!(source = %self.source, code = why.code(), "refused");
            if let Some(session) = session {
                session.live.reel.record_soon_with(Kind::Refused, why.code());
            }
        }
        verdict
    }
}

impl<G: Gate> server::Handler for Client<G> {
    type Error = russh::Error;

    async fn auth_publickey_offered(&mut self, _user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        let Some(key) = key::ours(offer.public_key) else {
            return Ok(Auth::reject());
        };
        Ok(if self.shared.gate.knows(&key).await { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        let Some(key) = key::ours(key.public_key) else {
            return Ok(Auth::reject());
        };
        if !self.shared.gate.knows(&key).await {
            return Ok(Auth::reject());
        }
        let verified = Verified { key, login: user.to_owned() };
        Ok(if self.verified.try_send(verified).is_ok() { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_openssh_certificate(&mut self, _user: &str, _certificate: &Certificate) -> Result<Auth, Self::Error> {
        Ok(Auth::reject())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut RusshSession,
    ) -> Result<(), Self::Error> {
        if self.channels.len() >= self.shared.settings.max_channels {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        self.opened = self.opened.wrapping_add(1);
        let (up, wishes) = (Inbox::new(self.valve.clone()), Inbox::new(self.valve.clone()));
        let gone = Arc::new(Notify::new());
        // Data comes through `data` below, which never blocks; a kept receiver would block the whole connection when full.
        let (_receiver, write) = channel.split();
        let id = write.id();
        self.channels.enter(id, Open { up: up.clone(), wishes: wishes.clone(), gone: gone.clone(), prepared: 0 });
        let end = ClientEnd { id, number: self.opened, write, handle: session.handle(), up, wishes, gone };
        let (stage, shared, guard) = (self.stage.clone(), self.shared.clone(), self.shared.tasks.enter());
        let channels = self.channels.clone();
        reply.accept().await;
        tokio::spawn(async move {
            let _guard = guard;
            bridge::carry(end, stage, shared).await;
            channels.forget(id);
        });
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        originator: &str,
        originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut RusshSession,
    ) -> Result<(), Self::Error> {
        let to = To::Tcp { host: host.to_owned(), port };
        self.forward(channel, to, (originator.to_owned(), originator_port), reply).await;
        Ok(())
    }

    async fn channel_open_forwarded_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _host: &str,
        _port: u32,
        _originator: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut RusshSession,
    ) -> Result<(), Self::Error> {
        self.refuse_channel(Ask::OpenForwarded, reply).await;
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        _session: &mut RusshSession,
    ) -> Result<(), Self::Error> {
        self.forward(channel, To::Socket(path.to_owned()), (String::new(), 0), reply).await;
        Ok(())
    }

    async fn channel_open_x11(
        &mut self,
        _channel: Channel<Msg>,
        _originator: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut RusshSession,
    ) -> Result<(), Self::Error> {
        self.refuse_channel(Ask::OpenX11, reply).await;
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], _session: &mut RusshSession) -> Result<(), Self::Error> {
        if let Some(up) = self.channels.up(channel) {
            up.push(Up::Data(data.to_vec()));
        }
        self.heed_limit();
        Ok(())
    }

    /// Called each time russh has given a client new window; what is returned is how far it will open any channel's window from now on.
    fn adjust_window(&mut self, _channel: ChannelId, _current: u32) -> u32 {
        if self.valve.is_full() {
            return CRUMB_WINDOW;
        }
        let channels = u32::try_from(self.channels.len().max(1)).unwrap_or(u32::MAX);
        (WINDOW / channels).max(LEAST_WINDOW)
    }

    async fn channel_eof(&mut self, channel: ChannelId, _session: &mut RusshSession) -> Result<(), Self::Error> {
        if let Some(up) = self.channels.up(channel) {
            up.push(Up::Eof);
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut RusshSession) -> Result<(), Self::Error> {
        let closed = self.channels.all().remove(&channel);
        if let Some(open) = closed {
            open.gone.notify_one();
        }
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        term: &str,
        columns: u32,
        rows: u32,
        pixel_width: u32,
        pixel_height: u32,
        modes: &[(Pty, u32)],
        session: &mut RusshSession,
    ) -> Result<(), Self::Error> {
        // russh can owe a channel one answer at a time, and a shell request follows without waiting for this one: it is answered here.
        // Where the passage is not open yet, what the terms say later ends the channel.
        if self.session().is_some() && self.judge(Ask::Terminal) != Verdict::Allow {
            return session.channel_failure(channel);
        }
        let size = Size { columns, rows, pixel_width, pixel_height };
        self.wish(channel, Wish::Terminal { term: term.to_owned(), size, modes: modes.to_vec() });
        session.channel_success(channel)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        value: &str,
        session: &mut RusshSession,
    ) -> Result<(), Self::Error> {
        self.wish(channel, Wish::Env { name: name.to_owned(), value: value.to_owned() });
        session.channel_success(channel)
    }

    async fn shell_request(&mut self, channel: ChannelId, _session: &mut RusshSession) -> Result<(), Self::Error> {
        self.wish(channel, Wish::Start(Start::Shell));
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        _session: &mut RusshSession,
    ) -> Result<(), Self::Error> {
        self.wish(channel, Wish::Start(Start::Exec(command.to_vec())));
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        _session: &mut RusshSession,
    ) -> Result<(), Self::Error> {
        self.wish(channel, Wish::Start(Start::Subsystem(name.to_owned())));
        Ok(())
    }

    async fn window_change_request(
        &mut self,
        channel: ChannelId,
        columns: u32,
        rows: u32,
        pixel_width: u32,
        pixel_height: u32,
        _session: &mut RusshSession,
    ) -> Result<(), Self::Error> {
        self.wish(channel, Wish::Resize(Size { columns, rows, pixel_width, pixel_height }));
        Ok(())
    }

    async fn signal(
        &mut self,
        channel: ChannelId,
        signal: Sig,
        _session: &mut RusshSession,
    ) -> Result<(), Self::Error> {
        self.wish(channel, Wish::Signal(signal));
        Ok(())
    }

    async fn agent_request(&mut self, _channel: ChannelId, _session: &mut RusshSession) -> Result<bool, Self::Error> {
        match self.judge(Ask::ForwardAgent) {
            // Nothing carries it yet, whatever the terms.
            Verdict::Allow | Verdict::Refuse(_) => Ok(false),
        }
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _single: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut RusshSession,
    ) -> Result<(), Self::Error> {
        match self.judge(Ask::ForwardX11) {
            // Nothing carries it yet, whatever the terms.
            Verdict::Allow | Verdict::Refuse(_) => session.channel_failure(channel),
        }
    }

    async fn tcpip_forward(
        &mut self,
        address: &str,
        port: &mut u32,
        _session: &mut RusshSession,
    ) -> Result<bool, Self::Error> {
        match self.judge(Ask::ListenTcp { host: address, port: *port }) {
            // Nothing carries it yet, whatever the terms.
            Verdict::Allow | Verdict::Refuse(_) => Ok(false),
        }
    }

    async fn streamlocal_forward(&mut self, path: &str, _session: &mut RusshSession) -> Result<bool, Self::Error> {
        match self.judge(Ask::ListenStreamLocal(path)) {
            // Nothing carries it yet, whatever the terms.
            Verdict::Allow | Verdict::Refuse(_) => Ok(false),
        }
    }
}

impl<G: Gate> Client<G> {
    /// Judged once the passage is open: a client may ask for it right after its login.
    async fn forward(&mut self, channel: Channel<Msg>, to: To, originator: (String, u32), reply: ChannelOpenHandle) {
        if self.channels.len() >= self.shared.settings.max_channels {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return;
        }
        self.opened = self.opened.wrapping_add(1);
        let (up, gone) = (Inbox::new(self.valve.clone()), Arc::new(Notify::new()));
        // As for sessions: a kept receiver would block the whole connection when full.
        let (_receiver, write) = channel.split();
        let (id, wishes) = (write.id(), Inbox::new(self.valve.clone()));
        self.channels.enter(id, Open { up: up.clone(), wishes, gone: gone.clone(), prepared: 0 });
        let asked = forward::Asked { to, originator, reply, number: self.opened, write, up, gone };
        let (stage, channels, guard) = (self.stage.clone(), self.channels.clone(), self.shared.tasks.enter());
        tokio::spawn(async move {
            let _guard = guard;
            forward::carry(asked, stage).await;
            channels.forget(id);
        });
    }

    async fn refuse_channel(&self, ask: Ask<'_>, reply: ChannelOpenHandle) {
        match self.judge(ask) {
            // Nothing carries it yet, whatever the terms.
            Verdict::Allow | Verdict::Refuse(_) => reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await,
        }
    }
}
