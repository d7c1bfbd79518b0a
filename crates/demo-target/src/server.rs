//! The SSH side: one connection from its first byte to its last.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use russh::keys::{Certificate, PrivateKey, load_secret_key};
use russh::server::{self, Auth, ChannelOpenHandle, Config, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, ChannelWriteHalf, MethodKind, MethodSet, Pty, Sig, SshId};
use sshwire::{CertificateSpec, CertificateView, Permit};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::judge::Rules;
use crate::shell::{Line, Running, Size};

/// From connecting to a certificate that is taken.
const LOGIN_GRACE: Duration = Duration::from_secs(20);
const MAX_CONNECTIONS: usize = 64;
const MAX_AUTH_ATTEMPTS: usize = 6;
/// Of one connection at a time.
const MAX_CHANNELS: usize = 64;
/// Environment variables of one channel.
const MAX_VARIABLES: usize = 64;

/// What every connection shares.
#[derive(Debug)]
pub(crate) struct House {
    config: Arc<Config>,
    dir: PathBuf,
    /// The only account: whoever runs this program.
    user: String,
    home: PathBuf,
    room: Semaphore,
}

impl House {
    pub(crate) fn open(dir: PathBuf, user: String, home: PathBuf) -> Result<Arc<Self>, String> {
        let path = dir.join("host_key");
        let key = load_secret_key(&path, None).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Arc::new(Self { config: Arc::new(config(key)), dir, user, home, room: Semaphore::new(MAX_CONNECTIONS) }))
    }

    /// Read anew for each login, as sshd does. What cannot be read lets nobody in.
    fn rules(&self) -> Rules {
        let text = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        Rules::read(&text(&self.dir.join("authorities")), &text(&self.dir.join("principals").join(&self.user)))
    }
}

fn config(key: PrivateKey) -> Config {
    Config {
        server_id: SshId::Standard("SSH-2.0-SekimoriDemoTarget".into()),
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        keys: vec![key],
        auth_rejection_time: Duration::from_millis(100),
        auth_rejection_time_initial: Some(Duration::ZERO),
        max_auth_attempts: MAX_AUTH_ATTEMPTS,
        inactivity_timeout: None,
        nodelay: true,
        ..Config::default()
    }
}

/// Serves one connection to its end.
pub(crate) async fn serve(house: Arc<House>, stream: TcpStream, peer: SocketAddr) {
    let Ok(_place) = house.room.try_acquire() else {
        eprintln!("drop connection from {peer}: too many connections");
        return;
    };
    let (entered, has_entered) = tokio::sync::oneshot::channel();
    let visitor = Visitor { house: house.clone(), peer, entered: Some(entered), pass: None, channels: HashMap::new() };
    let session = match server::run_stream(house.config.clone(), stream, visitor).await {
        Ok(session) => session,
        Err(error) => return eprintln!("Connection closed by {}: {error}", plain(&peer)),
    };
    let handle = session.handle();
    let grace = async {
        if !matches!(tokio::time::timeout(LOGIN_GRACE, has_entered).await, Ok(Ok(()))) {
            let _gone = handle.disconnect(russh::Disconnect::ByApplication, "no login in time".into(), "en".into());
            return;
        }
        std::future::pending().await
    };
    let ended = tokio::select! {
        ended = session => ended,
        () = grace => Ok(()),
    };
    match ended {
        Ok(()) => eprintln!("Disconnected from {}", plain(&peer)),
        Err(error) => eprintln!("Connection closed by {}: {error}", plain(&peer)),
    }
}

/// As sshd writes a peer.
fn plain(peer: &SocketAddr) -> String {
    format!("{} port {}", peer.ip().to_canonical(), peer.port())
}

struct Visitor {
    house: Arc<House>,
    peer: SocketAddr,
    /// Told once a certificate was taken.
    entered: Option<tokio::sync::oneshot::Sender<()>>,
    pass: Option<Arc<Pass>>,
    channels: HashMap<ChannelId, Stage>,
}

/// What a certificate that was taken allows.
#[derive(Debug)]
struct Pass {
    house: Arc<House>,
    peer: SocketAddr,
    spec: CertificateSpec,
    /// For the session to read, as sshd's `ExposeAuthInfo` has it; gone with the connection.
    shown: PathBuf,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let _gone_already = fs::remove_file(&self.shown);
    }
}

impl Visitor {
    fn refuse(&self, user: &str, why: &str, what: &str) -> Auth {
        eprintln!("error: {why}");
        eprintln!("Failed publickey for {} from {} ssh2: {what}", user.escape_debug(), plain(&self.peer));
        Auth::reject()
    }

    fn show(&self, certificate: &Certificate) -> std::io::Result<PathBuf> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("auth-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = self.house.dir.join(name);
        let text = certificate.to_openssh().map_err(std::io::Error::other)?;
        let mut file = fs::File::options().write(true).create_new(true).mode(0o600).open(&path)?;
        std::io::Write::write_all(&mut file, format!("publickey {text}\n").as_bytes())?;
        Ok(path)
    }
}

impl server::Handler for Visitor {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        let what = key.public_key.fingerprint(russh::keys::HashAlg::Sha256).to_string();
        Ok(self.refuse(user, "a key without a certificate opens nothing here", &what))
    }

    async fn auth_openssh_certificate(&mut self, user: &str, given: &Certificate) -> Result<Auth, russh::Error> {
        let read = given.to_bytes().map_err(|error| error.to_string());
        let certificate = match read.and_then(|bytes| CertificateView::parse(&bytes).map_err(|e| e.to_string())) {
            Ok(certificate) => certificate,
            Err(why) => return Ok(self.refuse(user, &why, "an unreadable certificate")),
        };
        let spec = certificate.spec();
        let what = format!(
            "ED25519-CERT {} ID {} (serial {}) CA ED25519 {}",
            spec.key.fingerprint(),
            spec.key_id,
            spec.serial,
            certificate.claimed_ca().fingerprint()
        );
        if user != self.house.user {
            return Ok(self.refuse(user, "there is one account here, and this is not its name", &what));
        }
        let from = self.peer.ip().to_canonical();
        let spec = match self.house.rules().judge(&certificate, now(), from) {
            Ok(spec) => spec.clone(),
            Err(why) => return Ok(self.refuse(user, &why.to_string(), &what)),
        };
        let shown = match self.show(given) {
            Ok(shown) => shown,
            Err(error) => return Ok(self.refuse(user, &error.to_string(), &what)),
        };
        eprintln!("Accepted publickey for {user} from {} ssh2: {what}", plain(&self.peer));
        self.pass = Some(Arc::new(Pass { house: self.house.clone(), peer: self.peer, spec, shown }));
        let _nobody_waits = self.entered.take().map(|entered| entered.send(()));
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        if self.pass.is_none() {
            reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
        } else if self.channels.len() >= MAX_CHANNELS {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
        } else {
            // What comes is handed to the methods below; a kept receiver would block the whole connection when full.
            let (_receiver, to) = channel.split();
            self.channels.insert(to.id(), Stage::Asking(Wishes::default(), to));
            reply.accept().await;
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), russh::Error> {
        self.channels.remove(&channel);
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        term: &str,
        columns: u32,
        rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let may = self.pass.as_ref().is_some_and(|pass| pass.spec.permits.contains(&Permit::Pty));
        match self.channels.get_mut(&channel) {
            Some(Stage::Asking(wishes, _)) if may => {
                wishes.terminal = Some((term.to_owned(), Size { columns, rows }));
                session.channel_success(channel)
            }
            _ => session.channel_failure(channel),
        }
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let taken = match self.channels.get_mut(&channel) {
            Some(Stage::Asking(wishes, _)) => wishes.take(name, value),
            Some(Stage::Running(_)) | None => false,
        };
        if taken { session.channel_success(channel) } else { session.channel_failure(channel) }
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        self.start(channel, None, session)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        self.start(channel, Some(command.to_owned()), session)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_failure(channel)
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<(), russh::Error> {
        let Some(Stage::Running(running)) = self.channels.get(&channel) else { return Ok(()) };
        if running.give(data).is_ok() {
            return Ok(());
        }
        eprintln!("error: a program on this target does not read what it is sent; its channel is closed");
        self.channels.remove(&channel);
        session.close(channel)
    }

    async fn channel_eof(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), russh::Error> {
        if let Some(Stage::Running(running)) = self.channels.get_mut(&channel) {
            running.give_no_more();
        }
        Ok(())
    }

    async fn window_change_request(
        &mut self,
        channel: ChannelId,
        columns: u32,
        rows: u32,
        _width: u32,
        _height: u32,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        if let Some(Stage::Running(running)) = self.channels.get(&channel) {
            running.resize(Size { columns, rows });
        }
        Ok(())
    }

    async fn signal(&mut self, channel: ChannelId, signal: Sig, _session: &mut Session) -> Result<(), russh::Error> {
        if let Some(Stage::Running(running)) = self.channels.get(&channel) {
            running.signal(&signal);
        }
        Ok(())
    }
}

impl Visitor {
    /// Answers before the first output: each answer goes out in the order of the requests.
    fn start(
        &mut self,
        channel: ChannelId,
        command: Option<Vec<u8>>,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let stage = self.channels.remove(&channel);
        let (Some(pass), Some(Stage::Asking(wishes, to))) = (&self.pass, stage) else {
            // Each channel has one program; a second wish ends it.
            return session.channel_failure(channel);
        };
        session.channel_success(channel)?;
        match Running::start(pass.line(command, wishes), to) {
            Ok(running) => {
                self.channels.insert(channel, Stage::Running(running));
                Ok(())
            }
            Err(error) => {
                eprintln!("error: {error}");
                session.close(channel)
            }
        }
    }
}

/// How far a channel has come. What runs on one is hung up when it is gone.
#[derive(Debug)]
enum Stage {
    Asking(Wishes, ChannelWriteHalf<Msg>),
    Running(Running),
}

/// What a channel asked for before its shell.
#[derive(Debug, Default)]
struct Wishes {
    terminal: Option<(String, Size)>,
    variables: BTreeMap<String, String>,
}

impl Wishes {
    /// Language alone, as in Debian's `AcceptEnv`.
    fn take(&mut self, name: &str, value: &str) -> bool {
        let is_language = name == "LANG" || name.starts_with("LC_");
        let fits = is_language && self.variables.len() < MAX_VARIABLES && !value.contains('\0');
        if fits {
            self.variables.insert(name.to_owned(), value.to_owned());
        }
        fits
    }
}

impl Pass {
    /// A command that the certificate forces is run whatever was asked for.
    fn line(&self, asked: Option<Vec<u8>>, wishes: Wishes) -> Line {
        let forced = self.spec.force_command.clone().map(String::into_bytes);
        let mut variables = wishes.variables;
        let peer = self.peer.ip().to_canonical();
        variables.extend([
            ("USER".to_owned(), self.house.user.clone()),
            ("LOGNAME".to_owned(), self.house.user.clone()),
            ("SHELL".to_owned(), "/bin/sh".to_owned()),
            ("PATH".to_owned(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
            ("SSH_CLIENT".to_owned(), format!("{peer} {}", self.peer.port())),
            ("SSH_USER_AUTH".to_owned(), self.shown.display().to_string()),
        ]);
        let terminal = wishes.terminal.map(|(term, size)| {
            variables.insert("TERM".to_owned(), term.replace('\0', ""));
            size
        });
        Line { command: forced.or(asked), home: self.house.home.clone(), variables, terminal }
    }
}

/// Seconds since 1970; a clock before that lets nobody in.
#[expect(clippy::disallowed_methods, reason = "the target's own clock; it is no part of the product")]
fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
