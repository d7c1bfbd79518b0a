//! The listener: accepts connections within limits, spreads them over threads, and keeps the unauthenticated from hurting the others.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use russh::keys::{Algorithm, Certificate, EcdsaCurve, PrivateKey};
use russh::server::Config;
use russh::{Limits as RekeyLimits, MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex};
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, watch};

use crate::connection;
use crate::first_words::Client;
use crate::gate::Gate;
use crate::greeting::IDENTIFICATION;
use crate::sessions::Sessions;
use crate::tape::{Deck, Tapes};

/// First window of a channel, both legs. While new keys are agreed upon at our wish, russh takes no more than twice this from a peer and then
/// hangs up, so it is not small, and [`Settings::rekey_bytes`] is large.
pub(crate) const WINDOW: u32 = 2 << 20;
/// Largest channel packet, both legs; russh refuses more.
pub(crate) const MAX_PACKET: u32 = 65_535;
/// Commands between a session's tasks and russh's loop; each may hold a packet.
const EVENT_QUEUE: usize = 16;
/// Pause after the listener itself failed (out of descriptors), so that the failure does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// For every session to end and report at a stop: longer than the wait for a recording's last chunk.
const STOPPED_WITHIN: Duration = Duration::from_secs(8);

/// How the gateway is set up.
pub struct Settings {
    pub host_keys: Vec<PrivateKey>,
    pub host_certificates: Vec<Certificate>,
    pub ciphers: Ciphers,
    /// From connecting to a verified signature.
    pub login_grace: Duration,
    pub max_auth_attempts: usize,
    /// A refused key is answered after this, whatever the reason.
    pub rejection_time: Duration,
    /// Connections without authentication, in all and from one address (IPv6: from one /64). Beyond it the oldest gives way.
    pub max_unauthenticated: usize,
    pub max_unauthenticated_per_source: usize,
    /// Channels at a time in one connection.
    pub max_channels: usize,
    /// Silence after which a keepalive is sent, and how many may go unanswered.
    pub keepalive: Duration,
    pub keepalive_max: u32,
    /// How long a channel that is not read may hold up the others of its connection.
    pub sibling_patience: Duration,
    /// At our wish keys are exchanged anew after so many bytes or this time. Peers wish it earlier (OpenSSH by bytes and packets). Three and
    /// more full streams of one connection at that very moment exceed what russh then takes, and end the connection; hence rarely. No packet
    /// counts less than ten bytes, so that far fewer than 2^32 packets pass under one key.
    pub rekey_bytes: usize,
    pub rekey_after: Duration,
    /// Threads that carry connections, and threads that write recordings.
    pub threads: usize,
    pub tape_threads: usize,
}

impl Settings {
    /// The defaults, with a host key.
    pub fn new(host_key: PrivateKey) -> Self {
        Self {
            host_keys: vec![host_key],
            host_certificates: Vec::new(),
            ciphers: Ciphers::Fast,
            login_grace: Duration::from_secs(20),
            max_auth_attempts: 6,
            rejection_time: Duration::from_millis(100),
            max_unauthenticated: 512,
            max_unauthenticated_per_source: 64,
            max_channels: 64,
            keepalive: Duration::from_secs(15),
            keepalive_max: 3,
            sibling_patience: Duration::from_secs(30),
            rekey_bytes: 16 << 30,
            rekey_after: Duration::from_secs(24 * 3600),
            threads: thread::available_parallelism().map_or(2, usize::from).min(16),
            tape_threads: 2,
        }
    }

    pub(crate) fn silence_allowed(&self) -> Duration {
        self.keepalive * self.keepalive_max
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("threads", &self.threads).field("host_keys", &"***").finish_non_exhaustive()
    }
}

/// Which ciphers clients are offered. OpenSSH prefers ChaCha20 where it is offered, at about half the speed of AES-GCM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ciphers {
    /// AES-GCM alone to clients that know it; to others ChaCha20 and AES-CTR, too.
    Fast,
    /// AES-GCM alone.
    OnlyAesGcm,
}

const FAST: &[cipher::Name] = &[cipher::AES_256_GCM, cipher::AES_128_GCM];
const COMPATIBLE: &[cipher::Name] = &[
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

impl Ciphers {
    fn for_client(self, client: Client) -> &'static [cipher::Name] {
        match (self, client) {
            (Self::Fast, Client::Other) => COMPATIBLE,
            (Self::Fast, Client::KnowsAesGcm) | (Self::OnlyAesGcm, _) => FAST,
        }
    }

    /// Towards a target our first choice wins, so a long list costs no speed.
    pub(crate) const fn for_targets(self) -> &'static [cipher::Name] {
        match self {
            Self::Fast => COMPATIBLE,
            Self::OnlyAesGcm => FAST,
        }
    }
}

const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];

const KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::SkEd25519,
    Algorithm::SkEcdsaSha2NistP256,
];

pub(crate) fn preferred(ciphers: &'static [cipher::Name]) -> Preferred {
    Preferred {
        kex: Cow::Borrowed(KEX),
        key: Cow::Borrowed(KEYS),
        cipher: Cow::Borrowed(ciphers),
        // Compressed input grows after it was counted.
        compression: Cow::Borrowed(&[compression::NONE]),
        ..Preferred::DEFAULT
    }
}

pub(crate) fn rekey_limits(settings: &Settings) -> RekeyLimits {
    RekeyLimits {
        rekey_write_limit: settings.rekey_bytes,
        rekey_read_limit: settings.rekey_bytes,
        rekey_time_limit: settings.rekey_after,
    }
}

fn server_config(settings: &Settings, client: Client) -> Config {
    Config {
        server_id: SshId::Standard(IDENTIFICATION.into()),
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        auth_rejection_time: settings.rejection_time,
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: settings.host_keys.clone(),
        certificates: settings.host_certificates.clone(),
        limits: rekey_limits(settings),
        window_size: WINDOW,
        maximum_packet_size: MAX_PACKET,
        channel_buffer_size: 1,
        event_buffer_size: EVENT_QUEUE,
        preferred: preferred(settings.ciphers.for_client(client)),
        max_auth_attempts: settings.max_auth_attempts,
        inactivity_timeout: None,
        keepalive_interval: Some(settings.keepalive),
        // Silence is judged in `connection`, where it is known whether we listen.
        keepalive_max: 0,
        nodelay: true,
    }
}

/// What every connection shares.
pub(crate) struct Shared<G> {
    pub(crate) gate: G,
    pub(crate) settings: Settings,
    for_aes_gcm: Arc<Config>,
    for_others: Arc<Config>,
    pub(crate) sessions: Sessions,
    pub(crate) tapes: Box<dyn Tapes>,
    pub(crate) deck: Deck,
    pub(crate) tasks: Tasks,
    pub(crate) stopping: watch::Sender<bool>,
    doors: Arc<Doors>,
}

impl<G> Shared<G> {
    pub(crate) fn config_for(&self, client: Client) -> Arc<Config> {
        match client {
            Client::KnowsAesGcm => self.for_aes_gcm.clone(),
            Client::Other => self.for_others.clone(),
        }
    }
}

/// A running gateway. Dropping it stops it as [`Gateway::stop`] does, without waiting.
#[derive(Debug)]
pub struct Gateway {
    sessions: Sessions,
    tasks: Tasks,
    stopping: watch::Sender<bool>,
    local: SocketAddr,
    threads: Vec<JoinHandle<()>>,
}

impl Gateway {
    /// Starts accepting on `listener` on threads of its own.
    ///
    /// # Errors
    /// Where threads or their event loops cannot be started.
    pub fn start<G: Gate>(
        listener: StdListener,
        settings: Settings,
        gate: G,
        tapes: impl Tapes,
        sessions: Sessions,
    ) -> std::io::Result<Self> {
        let local = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let (tasks, stopping) = (Tasks::default(), watch::Sender::new(false));
        let shared = Arc::new(Shared {
            gate,
            for_aes_gcm: Arc::new(server_config(&settings, Client::KnowsAesGcm)),
            for_others: Arc::new(server_config(&settings, Client::Other)),
            sessions: sessions.clone(),
            tapes: Box::new(tapes),
            deck: Deck::start(settings.tape_threads)?,
            tasks: tasks.clone(),
            stopping: stopping.clone(),
            doors: Arc::default(),
            settings,
        });
        let mut threads = Vec::new();
        let mut carriers = Vec::new();
        for number in 0..shared.settings.threads.max(1) {
            let (carrier, thread) = Carrier::start(number, shared.clone())?;
            carriers.push(carrier);
            threads.push(thread);
        }
        threads.push(spawn_acceptor(listener, shared, carriers)?);
        Ok(Self { sessions, tasks, stopping, local, threads })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Tasks at work for connections, their channels and their targets: zero when nobody is connected.
    pub fn tasks(&self) -> usize {
        self.tasks.0.load(Ordering::Acquire)
    }

    /// Stops accepting, ends every session and waits for the threads.
    pub fn stop(mut self) {
        self.stopping.send_replace(true);
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing left to wait for.
            let _joined = thread.join();
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stopping.send_replace(true);
    }
}

fn spawn_acceptor<G: Gate>(
    listener: StdListener,
    shared: Arc<Shared<G>>,
    carriers: Vec<Carrier>,
) -> std::io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("ssh-accept".into()).spawn(move || {
        runtime.block_on(async {
            let mut stopping = shared.stopping.subscribe();
            tokio::select! {
                () = accept(listener, &shared.doors, &shared.settings, &carriers) => {}
                // An error means the sender is gone, which stops just as well.
                _ = stopping.wait_for(|stop| *stop) => {}
            }
        });
    })
}

/// Never returns; nothing a connection does is awaited here.
async fn accept(listener: StdListener, doors: &Arc<Doors>, settings: &Settings, carriers: &[Carrier]) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    loop {
        let Ok((socket, peer)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Some(pass) = doors.enter(peer.ip(), settings) else {
            continue;
        };
        let idlest = carriers.iter().min_by_key(|carrier| carrier.load.load(Ordering::Relaxed));
        if let (Some(carrier), Ok(socket)) = (idlest, socket.into_std()) {
            carrier.give(Arrival { socket, peer, pass });
        }
    }
}

/// A connection on its way to the thread that carries it.
struct Arrival {
    socket: StdStream,
    peer: SocketAddr,
    pass: DoorPass,
}

/// One thread with its own event loop: both legs of a connection and what lies between run on the same core.
struct Carrier {
    arrivals: mpsc::UnboundedSender<Arrival>,
    load: Arc<AtomicUsize>,
}

impl Carrier {
    fn start<G: Gate>(number: usize, shared: Arc<Shared<G>>) -> std::io::Result<(Self, JoinHandle<()>)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (arrivals, inbox) = mpsc::unbounded_channel();
        let load = Arc::new(AtomicUsize::new(0));
        let own_load = load.clone();
        let thread = thread::Builder::new().name(format!("ssh-{number}")).spawn(move || {
            runtime.block_on(carry(inbox, shared, own_load));
        })?;
        Ok((Self { arrivals, load }, thread))
    }

    fn give(&self, arrival: Arrival) {
        self.load.fetch_add(1, Ordering::Relaxed);
        // The thread lives until the acceptor has stopped.
        let _sent = self.arrivals.send(arrival);
    }
}

async fn carry<G: Gate>(
    mut arrivals: mpsc::UnboundedReceiver<Arrival>,
    shared: Arc<Shared<G>>,
    load: Arc<AtomicUsize>,
) {
    while let Some(Arrival { socket, peer, pass }) = arrivals.recv().await {
        let (shared, load) = (shared.clone(), load.clone());
        let guard = shared.tasks.enter();
        tokio::spawn(async move {
            let _guards = (guard, LoadGuard(load));
            if let Ok(socket) = TcpStream::from_std(socket) {
                connection::serve(socket, peer, shared, pass).await;
            }
        });
    }
    // The acceptor is gone; the sessions end by the same signal.
    let emptied = async {
        while load.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let _in_time = tokio::time::timeout(STOPPED_WITHIN, emptied).await;
}

struct LoadGuard(Arc<AtomicUsize>);

impl Drop for LoadGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts live tasks, so that a leak shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks(Arc<AtomicUsize>);

/// One live task.
#[derive(Debug)]
pub(crate) struct TaskGuard(Tasks);

impl Tasks {
    pub(crate) fn enter(&self) -> TaskGuard {
        self.0.fetch_add(1, Ordering::AcqRel);
        TaskGuard(self.clone())
    }
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Who is in without having shown a key. Whoever comes finds a place: where there is none, the one that has waited longest of the source with
/// the most of them leaves, so that nobody who merely waits keeps others out.
#[derive(Debug, Default)]
pub(crate) struct Doors(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    /// Those of each source, the oldest first.
    sources: HashMap<IpAddr, VecDeque<Waiting>>,
    total: usize,
    /// Shown out, and not gone yet.
    leaving: usize,
    next: u64,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    leave: Arc<Notify>,
}

/// A place for a connection without authentication; dropped once authenticated, or with the connection.
#[derive(Debug)]
pub(crate) struct DoorPass {
    doors: Arc<Doors>,
    source: IpAddr,
    number: u64,
    leave: Arc<Notify>,
}

impl Doors {
    /// `None` while as many as there are places have been shown out and are not gone: then we cannot keep up.
    fn enter(self: &Arc<Self>, source: IpAddr, settings: &Settings) -> Option<DoorPass> {
        let source = neighbourhood(source);
        let mut inside = self.inside();
        if inside.leaving >= settings.max_unauthenticated {
            return None;
        }
        if inside.of(&source) >= settings.max_unauthenticated_per_source {
            inside.show_out(&source);
        } else if inside.total >= settings.max_unauthenticated
            && let Some(crowd) = inside.largest_crowd()
        {
            inside.show_out(&crowd);
        }
        let (number, leave) = (inside.next, Arc::new(Notify::new()));
        inside.next += 1;
        inside.total += 1;
        inside.sources.entry(source).or_default().push_back(Waiting { number, leave: leave.clone() });
        Some(DoorPass { doors: self.clone(), source, number, leave })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn of(&self, source: &IpAddr) -> usize {
        self.sources.get(source).map_or(0, VecDeque::len)
    }

    /// Of several, the one whose oldest has waited longest.
    fn largest_crowd(&self) -> Option<IpAddr> {
        let oldest = |waiting: &VecDeque<Waiting>| waiting.front().map(|first| Reverse(first.number));
        self.sources.iter().max_by_key(|(_, waiting)| (waiting.len(), oldest(waiting))).map(|(source, _)| *source)
    }

    fn show_out(&mut self, source: &IpAddr) {
        let Some(oldest) = self.sources.get_mut(source).and_then(VecDeque::pop_front) else { return };
        oldest.leave.notify_one();
        self.leaving += 1;
        self.left(source);
    }

    /// One of this source has no place any more.
    fn left(&mut self, source: &IpAddr) {
        self.total -= 1;
        if self.of(source) == 0 {
            self.sources.remove(source);
        }
    }
}

/// Whoever has one IPv6 address has the other 2^64 beside it.
fn neighbourhood(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX))),
        four @ IpAddr::V4(_) => four,
    }
}

impl DoorPass {
    /// Returns once the place is somebody else's.
    pub(crate) async fn shown_out(&self) {
        self.leave.notified().await;
    }
}

impl Drop for DoorPass {
    fn drop(&mut self) {
        let mut inside = self.doors.inside();
        let own = inside.sources.get_mut(&self.source).and_then(|waiting| {
            let at = waiting.iter().position(|one| one.number == self.number)?;
            waiting.remove(at)
        });
        match own {
            Some(_) => inside.left(&self.source),
            None => inside.leaving -= 1,
        }
    }
}

/// No delay for keystrokes, and a dead host is noticed by TCP itself. A system that refuses an option loses only what it brings.
pub(crate) fn socket_options(socket: &TcpStream, settings: &Settings) {
    let silence = u32::try_from(settings.silence_allowed().as_millis()).unwrap_or(u32::MAX);
    let set = [
        socket.set_nodelay(true).is_ok(),
        sockopt::set_socket_keepalive(socket, true).is_ok(),
        sockopt::set_tcp_keepidle(socket, settings.keepalive.max(Duration::from_secs(1))).is_ok(),
        sockopt::set_tcp_keepintvl(socket, settings.keepalive.max(Duration::from_secs(1))).is_ok(),
        sockopt::set_tcp_keepcnt(socket, settings.keepalive_max.max(1)).is_ok(),
        sockopt::set_tcp_user_timeout(socket, silence).is_ok(),
    ];
    if set.contains(&false) {
        tracing::debug!(?set, "a socket option was refused");
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;
    use russh::keys::ssh_key::private::Ed25519Keypair;

    fn settings() -> Settings {
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&[1; 32]));
        Settings { max_unauthenticated: 5, max_unauthenticated_per_source: 3, ..Settings::new(key) }
    }

    const ONE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const TWO: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

    fn enter(doors: &Arc<Doors>, source: IpAddr, times: usize) -> Vec<DoorPass> {
        (0..times).map(|_| doors.enter(source, &settings()).unwrap()).collect()
    }

    /// With a place, and shown out but not gone.
    fn counts(doors: &Doors) -> (usize, usize) {
        let inside = doors.inside();
        (inside.total, inside.leaving)
    }

    /// Asked once of each: the sign is taken by whoever sees it.
    fn was_shown_out(pass: &DoorPass) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        pin!(pass.shown_out()).poll(&mut context).is_ready()
    }

    #[test]
    fn one_source_takes_so_many_places_and_its_oldest_give_way_to_its_newest() {
        let doors = Arc::new(Doors::default());
        let held = enter(&doors, ONE, 5);
        assert_eq!(held.iter().map(was_shown_out).collect::<Vec<_>>(), [true, true, false, false, false]);
        assert_eq!(counts(&doors), (3, 2));
        drop(held);
        assert_eq!(counts(&doors), (0, 0));
        assert!(doors.inside().sources.is_empty());
    }

    #[test]
    fn where_all_places_are_taken_the_largest_crowd_gives_way_and_a_single_visitor_does_not() {
        let doors = Arc::new(Doors::default());
        let crowd = enter(&doors, ONE, 3);
        let single = enter(&doors, TWO, 1);
        let others: Vec<_> = (3..6).flat_map(|last| enter(&doors, IpAddr::from([10, 0, 0, last]), 1)).collect();
        assert_eq!(crowd.iter().map(was_shown_out).collect::<Vec<_>>(), [true, true, false]);
        assert!(!single.iter().chain(&others).any(was_shown_out));
        // All have one by now: whoever has waited longest gives way.
        let _last = enter(&doors, IpAddr::from([10, 0, 0, 9]), 1);
        assert!(was_shown_out(&crowd[2]) && !was_shown_out(&single[0]));
    }

    #[test]
    fn who_cannot_be_shown_out_fast_enough_is_not_let_in() {
        let doors = Arc::new(Doors::default());
        let _held = enter(&doors, ONE, 8);
        assert_eq!(counts(&doors), (3, 5));
        assert!(doors.enter(TWO, &settings()).is_none());
    }

    #[test]
    fn one_network_of_ipv6_is_one_source() {
        let of = |text: &str| neighbourhood(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), ONE);
    }
}
