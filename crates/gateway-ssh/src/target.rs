//! The leg to the target: dials it, proves its host key, logs in with the certificate, and hears what its channels say. The target is hostile.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use russh::client::{self, AuthResult, Msg, Session};
use russh::keys::{Certificate, PrivateKey, PublicKeyOrCertificate};
use russh::{Channel, ChannelId, ChannelWriteHalf, Disconnect, Sig, SshId};
use sshwire::PublicKey;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::authorise::{Ask, Terms, Verdict, authorise};
use crate::forward::To;
use crate::gate::Approach;
use crate::inbox::{Event, Inbox, join_small};
use crate::key;
use crate::server::{MAX_PACKET, Settings, TaskGuard, WINDOW, preferred, rekey_limits, socket_options};
use crate::valve::{Paced, Valve, WhenFull};

/// Dialling and key exchange together may take this long; logging in the same again.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// A channel must be confirmed within this.
const CHANNEL_WITHIN: Duration = Duration::from_secs(10);
/// Banners a target may send before it is given up.
const MAX_BANNERS: u32 = 16;

/// Why a target cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("no connection to the target: {0}")]
    Unreachable(String),
    #[error("the target's host key is {presented}, pinned is {pinned}")]
    HostKeyChanged { presented: String, pinned: String },
    #[error("the target did not accept the certificate")]
    CertificateRefused,
    #[error("the certificate for this session cannot be read")]
    CertificateUnreadable,
    #[error("the target opened no channel: {0}")]
    NoChannel(String),
}

/// What a target says on a channel.
#[derive(Debug)]
pub(crate) enum Down {
    Data(Vec<u8>),
    Errors(Vec<u8>),
    Eof,
    ExitStatus(u32),
    ExitSignal {
        name: String,
        core_dumped: bool,
        message: String,
    },
    Success,
    Failure,
    Closed,
    /// The whole connection is gone.
    Departed,
}

impl Event for Down {
    fn bytes(&self) -> usize {
        match self {
            Self::Data(data) | Self::Errors(data) => data.len(),
            Self::ExitSignal { name, message, .. } => name.len() + message.len(),
            Self::Eof | Self::ExitStatus(_) | Self::Success | Self::Failure | Self::Closed | Self::Departed => 0,
        }
    }

    fn join(&mut self, next: &Self) -> bool {
        match (self, next) {
            (Self::Data(before), Self::Data(next)) | (Self::Errors(before), Self::Errors(next)) => {
                join_small(before, next)
            }
            _ => false,
        }
    }
}

/// A target that was reached and has proved a host key, before anybody has logged in.
pub(crate) struct Dialled {
    handle: client::Handle<Listener>,
    links: Arc<Links>,
    valve: Arc<Valve>,
    presented: PublicKey,
    unless_in: CutOnDrop,
}

/// A target somebody is logged in to.
pub(crate) struct Target {
    handle: client::Handle<Listener>,
    links: Arc<Links>,
    pub(crate) valve: Arc<Valve>,
}

/// One channel on the target; `write` sends, `inbox` holds what arrived.
pub(crate) struct FarEnd {
    pub(crate) write: ChannelWriteHalf<Msg>,
    pub(crate) inbox: Arc<Inbox<Down>>,
    links: Arc<Links>,
}

impl Dialled {
    /// Connects and exchanges keys; the host key must be one of the pinned.
    pub(crate) async fn dial(approach: &Approach, settings: &Settings, guard: TaskGuard) -> Result<Self, TargetError> {
        let unreachable = |why: String| TargetError::Unreachable(why);
        timeout(CONNECT_WITHIN, Self::dial_unbounded(approach, settings, guard))
            .await
            .map_err(|_| unreachable("no answer in time".into()))?
    }

    async fn dial_unbounded(approach: &Approach, settings: &Settings, guard: TaskGuard) -> Result<Self, TargetError> {
        let socket =
            TcpStream::connect(approach.addr).await.map_err(|error| TargetError::Unreachable(error.to_string()))?;
        socket_options(&socket, settings);
        let valve = Valve::new(WhenFull::Hold);
        let links = Arc::new(Links::default());
        let presented = Arc::new(Mutex::new(None));
        let listener = Listener {
            pinned: approach.host_keys.clone(),
            presented: presented.clone(),
            links: links.clone(),
            valve: valve.clone(),
            banners: 0,
            _guard: guard,
        };
        let config = Arc::new(client_config(approach, settings));
        let connected = client::connect_stream(config, Paced::new(socket, valve.clone()), listener).await;
        let presented = presented.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (connected, presented) {
            (Ok(handle), Some(presented)) => {
                let unless_in = CutOnDrop(Some(valve.clone()));
                Ok(Self { handle, links, valve, presented, unless_in })
            }
            (Err(russh::Error::UnknownKey), Some(presented)) => Err(host_key_changed(&presented, &approach.host_keys)),
            (Err(error), _) => Err(TargetError::Unreachable(error.to_string())),
            (Ok(_), None) => Err(TargetError::Unreachable("no host key was shown".into())),
        }
    }

    /// Checks the host key once more, against what the passage pins.
    pub(crate) fn check_host_key(&self, pinned: &[PublicKey]) -> Result<(), TargetError> {
        if pinned.contains(&self.presented) { Ok(()) } else { Err(host_key_changed(&self.presented, pinned)) }
    }

    pub(crate) async fn log_in(
        mut self,
        user: &str,
        key: Arc<PrivateKey>,
        certificate: &[u8],
    ) -> Result<Target, TargetError> {
        let certificate = Certificate::from_bytes(certificate).map_err(|_| TargetError::CertificateUnreadable)?;
        let asked = self.handle.authenticate_openssh_cert(user, key, certificate);
        match timeout(CONNECT_WITHIN, asked).await {
            Ok(Ok(AuthResult::Success)) => {
                self.unless_in.0 = None;
                let Self { handle, links, valve, .. } = self;
                Ok(Target { handle, links, valve })
            }
            Ok(Ok(AuthResult::Failure { .. })) => Err(TargetError::CertificateRefused),
            Ok(Err(error)) => Err(TargetError::Unreachable(error.to_string())),
            Err(_) => Err(TargetError::Unreachable("no answer to the login in time".into())),
        }
    }
}

/// What was dialled and is not used, and a login that fails or is given up, leave no connection.
struct CutOnDrop(Option<Arc<Valve>>);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        if let Some(valve) = &self.0 {
            valve.cut();
        }
    }
}

impl Target {
    pub(crate) async fn open_channel(&self) -> Result<FarEnd, TargetError> {
        self.far_end(self.handle.channel_open_session()).await
    }

    /// A connection from the target to where the client wants to get.
    pub(crate) async fn open_forward(&self, to: &To, originator: &(String, u32)) -> Result<FarEnd, TargetError> {
        match to {
            To::Tcp { host, port } => {
                let (from, from_port) = originator;
                let asked = self.handle.channel_open_direct_tcpip(host.as_str(), *port, from.as_str(), *from_port);
                self.far_end(asked).await
            }
            To::Socket(path) => self.far_end(self.handle.channel_open_direct_streamlocal(path.as_str())).await,
        }
    }

    async fn far_end(
        &self,
        opening: impl Future<Output = Result<Channel<Msg>, russh::Error>>,
    ) -> Result<FarEnd, TargetError> {
        let channel = timeout(CHANNEL_WITHIN, opening)
            .await
            .map_err(|_| TargetError::NoChannel("no answer in time".into()))?
            .map_err(|error| TargetError::NoChannel(error.to_string()))?;
        // What arrives comes through the listener, which never blocks; a kept receiver would block the whole connection when full.
        let (_receiver, write) = channel.split();
        let inbox = self.links.register(write.id(), &self.valve);
        Ok(FarEnd { write, inbox, links: self.links.clone() })
    }

    /// Returns once the connection is gone, however it went.
    pub(crate) async fn departed(&self) {
        let mut departed = self.links.departed.subscribe();
        // The sender lives in `self.links`.
        let _gone = departed.wait_for(|departed| *departed).await.map(|_| ());
    }

    pub(crate) fn is_departed(&self) -> bool {
        *self.links.departed.borrow()
    }

    /// Says goodbye where the target listens, then cuts.
    pub(crate) async fn leave(&self, within: Duration) {
        let bye = async {
            let _sent = self.handle.disconnect(Disconnect::ByApplication, "", "").await;
            self.departed().await;
        };
        let _in_time = timeout(within, bye).await;
        self.valve.cut();
    }
}

impl FarEnd {
    /// Closes the channel; gives up where the target does not take even that.
    pub(crate) async fn close(&self, within: Duration) {
        let _in_time = timeout(within, self.write.close()).await;
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        self.links.forget(self.write.id());
    }
}

#[derive(Debug, Default)]
struct Links {
    channels: Mutex<HashMap<ChannelId, Arc<Inbox<Down>>>>,
    departed: watch::Sender<bool>,
}

impl Links {
    /// Called when the target confirms the channel, before it can say anything on it, and again by who asked for it.
    fn register(&self, id: ChannelId, valve: &Arc<Valve>) -> Arc<Inbox<Down>> {
        let inbox = self.channels().entry(id).or_insert_with(|| Inbox::new(valve.clone())).clone();
        if *self.departed.borrow() {
            inbox.push(Down::Departed);
        }
        inbox
    }

    fn forget(&self, id: ChannelId) {
        self.channels().remove(&id);
    }

    fn push(&self, id: ChannelId, event: Down) {
        if let Some(inbox) = self.channels().get(&id) {
            inbox.push(event);
        }
    }

    fn depart(&self) {
        self.departed.send_replace(true);
        self.channels().values().for_each(|inbox| inbox.push(Down::Departed));
    }

    fn channels(&self) -> MutexGuard<'_, HashMap<ChannelId, Arc<Inbox<Down>>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// russh's view of the target's connection. Every callback only notes what came.
struct Listener {
    pinned: Vec<PublicKey>,
    presented: Arc<Mutex<Option<PublicKey>>>,
    links: Arc<Links>,
    valve: Arc<Valve>,
    banners: u32,
    _guard: TaskGuard,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.links.depart();
    }
}

impl Listener {
    fn refuse(&self, reply: client::ChannelOpenHandle) {
        match authorise(&Terms::default(), Ask::OpenFromTarget) {
            // No terms allow it, and dropping the reply refuses it.
            Verdict::Allow | Verdict::Refuse(_) => drop(reply),
        }
        tracing::info!("a channel opened by the target was refused");
    }
}

impl client::Handler for Listener {
    type Error = russh::Error;

    async fn auth_banner(&mut self, _banner: &str, _session: &mut Session) -> Result<(), Self::Error> {
        self.banners += 1;
        if self.banners > MAX_BANNERS { Err(russh::Error::Inconsistent) } else { Ok(()) }
    }

    async fn check_server_key(&mut self, presented: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = presented else {
            return Ok(false);
        };
        let Some(key) = key::ours(key) else {
            return Ok(false);
        };
        let known = self.pinned.contains(&key);
        *self.presented.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
        Ok(known)
    }

    async fn channel_open_confirmation(
        &mut self,
        channel: ChannelId,
        _max_packet_size: u32,
        _window_size: u32,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.links.register(channel, &self.valve);
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], _session: &mut Session) -> Result<(), Self::Error> {
        self.links.push(channel, Down::Data(data.to_vec()));
        Ok(())
    }

    async fn extended_data(
        &mut self,
        channel: ChannelId,
        code: u32,
        data: &[u8],
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        // SSH_EXTENDED_DATA_STDERR is the only kind there is (RFC 4254, section 5.2).
        if code == 1 {
            self.links.push(channel, Down::Errors(data.to_vec()));
        }
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        self.links.push(channel, Down::Eof);
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        self.links.push(channel, Down::Closed);
        Ok(())
    }

    async fn channel_success(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        self.links.push(channel, Down::Success);
        Ok(())
    }

    async fn channel_failure(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        self.links.push(channel, Down::Failure);
        Ok(())
    }

    async fn exit_status(
        &mut self,
        channel: ChannelId,
        exit_status: u32,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.links.push(channel, Down::ExitStatus(exit_status));
        Ok(())
    }

    async fn exit_signal(
        &mut self,
        channel: ChannelId,
        name: Sig,
        core_dumped: bool,
        message: &str,
        _language: &str,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        let name = signal_name(&name);
        self.links.push(channel, Down::ExitSignal { name, core_dumped, message: message.to_owned() });
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _address: &str,
        _port: u32,
        _originator: &str,
        _originator_port: u32,
        reply: client::ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.refuse(reply);
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _path: &str,
        reply: client::ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.refuse(reply);
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _channel: Channel<Msg>,
        reply: client::ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.refuse(reply);
        Ok(())
    }

    async fn server_channel_open_unknown(
        &mut self,
        _channel: Channel<Msg>,
        reply: client::ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.refuse(reply);
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: client::ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.refuse(reply);
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _host: &str,
        _port: u32,
        _originator: &str,
        _originator_port: u32,
        reply: client::ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.refuse(reply);
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _path: &str,
        reply: client::ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.refuse(reply);
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _channel: Channel<Msg>,
        _originator: &str,
        _originator_port: u32,
        reply: client::ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.refuse(reply);
        Ok(())
    }

    async fn disconnected(&mut self, reason: client::DisconnectReason<Self::Error>) -> Result<(), Self::Error> {
        tracing::debug!(?reason, "target left");
        self.valve.cut();
        Ok(())
    }
}

/// The signal's name as the wire has it, without `SIG`.
pub(crate) fn signal_name(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.clone(),
        Sig::ABRT
        | Sig::ALRM
        | Sig::FPE
        | Sig::HUP
        | Sig::ILL
        | Sig::INT
        | Sig::KILL
        | Sig::PIPE
        | Sig::QUIT
        | Sig::SEGV
        | Sig::TERM
        | Sig::USR1 => format!("{signal:?}"),
    }
}

fn host_key_changed(presented: &PublicKey, pinned: &[PublicKey]) -> TargetError {
    let pinned: Vec<String> = pinned.iter().map(|key| key.fingerprint().to_string()).collect();
    TargetError::HostKeyChanged { presented: presented.fingerprint().to_string(), pinned: pinned.join(" or ") }
}

fn client_config(approach: &Approach, settings: &Settings) -> client::Config {
    let mut preferred = preferred(settings.ciphers.for_targets());
    // Ask for the kinds of key that are pinned, so that a target with several shows one we can check.
    let mut kinds: Vec<_> = approach.host_keys.iter().filter_map(key::algorithm).collect();
    kinds.dedup();
    if !kinds.is_empty() {
        preferred.key = Cow::Owned(kinds);
    }
    client::Config {
        client_id: SshId::Standard("SSH-2.0-Sekimori".into()),
        limits: rekey_limits(settings),
        window_size: WINDOW,
        maximum_packet_size: MAX_PACKET,
        channel_buffer_size: 1,
        preferred,
        keepalive_interval: Some(settings.keepalive),
        // russh would give up a target that we do not listen to while its client is slow; we judge silence ourselves.
        keepalive_max: 0,
        nodelay: true,
        ..client::Config::default()
    }
}
