//! A small world on loopback: a real sshd as the target, a permissive gate, a gateway, and the system's own ssh as the client.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses its own part, and a fault here fails it"
)]

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use envelope::OpeningKey;
use gateway_ssh::authorise::{ChannelKind, Terms};
use gateway_ssh::gate::{
    Approach, ControlAsk, ControlStream, EndReason, Gate, Language, Passage, PassageAsk, RecordInput, Refusal,
    SessionEnd,
};
use gateway_ssh::login::Login;
use gateway_ssh::server::{Gateway, Settings};
use gateway_ssh::sessions::Sessions;
use gateway_ssh::tape::{Anchor, Draft, Frame, Kind, MemoryTapes, Syncing, Tape, TapeError, Tapes};
use russh::keys::PrivateKey;
use russh::keys::ssh_key::certificate::{Builder, CertType};
use russh::keys::ssh_key::private::Ed25519Keypair;
use sshwire::PublicKey;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub const PRINCIPAL: &str = "p-7f3kq2m9xa-root";
/// Enough for anything on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Polls until it is true, or fails the test.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..PATIENCE.as_millis() / 10 {
        if is_so() {
            return;
        }
        pause(10);
    }
    panic!("{what}: not so within {PATIENCE:?}");
}

pub fn pause(millis: u64) {
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    let _timed_out = never.recv_timeout(Duration::from_millis(millis));
}

pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A child that does not outlive its test.
#[derive(Debug)]
pub struct Tame(pub Child);

impl Drop for Tame {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Debian's sshd on a free port, as the user who runs the test.
#[derive(Debug)]
pub struct Sshd {
    pub addr: SocketAddr,
    pub host_key: PublicKey,
    pub child: Tame,
}

pub fn user() -> String {
    String::from_utf8(run(Command::new("id").arg("-un")).stdout).unwrap().trim().to_owned()
}

pub fn keygen(path: &Path) -> PublicKey {
    run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(path));
    public_key(&path.with_extension("pub"))
}

pub fn public_key(path: &Path) -> PublicKey {
    let text = fs::read_to_string(path).unwrap();
    PublicKey::from_openssh(text.trim_end()).unwrap()
}

impl Sshd {
    pub fn start(dir: &Path, name: &str, ca_line: &str, extra: &str) -> Self {
        let _root_only = fs::create_dir_all("/run/sshd");
        let file = |suffix: &str| dir.join(format!("{name}-{suffix}"));
        let host_key = keygen(&file("host"));
        fs::write(file("ca.pub"), ca_line).unwrap();
        fs::write(file("principals"), format!("{PRINCIPAL}\n")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {host}\nPidFile none\nTrustedUserCAKeys {ca}\n\
             AuthorizedPrincipalsFile {principals}\nAuthorizedKeysFile {keys}\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nPermitRootLogin yes\nAcceptEnv LANG LC_* SEKI_*\n\
             PrintMotd no\nPrintLastLog no\nMaxStartups 1000\nMaxSessions 200\nSubsystem sftp internal-sftp\nUseDNS no\n{extra}\n",
            host = file("host").display(),
            ca = file("ca.pub").display(),
            principals = file("principals").display(),
            keys = dir.join("person.pub").display(),
        );
        fs::write(file("config"), config).unwrap();
        let log = fs::File::create(file("log")).unwrap();
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(file("config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Debian's openssh-server is installed");
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let child = Tame(child);
        until("sshd listens", || TcpStream::connect(addr).is_ok());
        Self { addr, host_key, child }
    }
}

/// What the permissive gate answers; tests change it between connections.
#[derive(Clone)]
pub struct Answers {
    pub ends_in: Duration,
    pub terms: Terms,
    pub record_input: RecordInput,
    pub language: Language,
    pub host_keys: Vec<PublicKey>,
    pub target: SocketAddr,
    pub principal: String,
    pub approach: Option<Approach>,
    pub refusal: Option<Refusal>,
    pub known: Vec<PublicKey>,
    /// A key that takes the connection's own task down before it is known.
    pub dreaded: Option<PublicKey>,
}

#[derive(Clone)]
pub struct Permissive {
    pub answers: Arc<Mutex<Answers>>,
    pub asks: Arc<Mutex<Vec<PassageAsk>>>,
    pub ended: Arc<Mutex<Vec<SessionEnd>>>,
    /// Where it is given, each session is killed while it is asked for.
    pub kills: Arc<Mutex<Option<Sessions>>>,
    ca: Arc<PrivateKey>,
    user: String,
}

impl Gate for Permissive {
    async fn knows(&self, key: &PublicKey) -> bool {
        let answers = self.answers.lock().unwrap().clone();
        assert!(answers.dreaded.as_ref() != Some(key), "a test asked for it");
        answers.known.contains(key)
    }

    async fn approach(&self, _login: &Login, _key: &PublicKey) -> Option<Approach> {
        self.answers.lock().unwrap().approach.clone()
    }

    async fn open(&self, ask: PassageAsk) -> Result<Passage, Refusal> {
        let answers = self.answers.lock().unwrap().clone();
        self.asks.lock().unwrap().push(ask.clone());
        if let Some(sessions) = &*self.kills.lock().unwrap() {
            sessions.kill(&ask.session, "").unwrap();
        }
        if ask.login.account() == "panic" {
            panic!("a test asked for it");
        }
        if let Some(refusal) = answers.refusal {
            return Err(refusal);
        }
        Ok(Passage {
            target_label: ask.login.target().to_owned(),
            target_addr: answers.target,
            target_host_keys: answers.host_keys,
            target_user: self.user.clone(),
            certificate: self.certify(&ask.ephemeral, &answers.principal),
            ends_in: answers.ends_in,
            terms: answers.terms,
            notice: vec!["this session is recorded".into()],
            record_input: answers.record_input,
            language: answers.language,
        })
    }

    async fn control(&self, ask: ControlAsk) -> Result<Box<dyn ControlStream>, Refusal> {
        let (near, mut far) = tokio::io::duplex(4096);
        tokio::spawn(async move {
            far.write_all(format!("{}\n", ask.command).as_bytes()).await?;
            let mut all = Vec::new();
            far.read_to_end(&mut all).await?;
            all.reverse();
            far.write_all(&all).await
        });
        Ok(Box::new(near))
    }

    fn ended(&self, end: SessionEnd) {
        self.ended.lock().unwrap().push(end);
    }
}

impl Permissive {
    #[expect(
        clippy::disallowed_methods,
        reason = "the fake authority's own clock: the real sshd checks the certificate by the real time"
    )]
    fn certify(&self, key: &PublicKey, principal: &str) -> Vec<u8> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let subject = russh::keys::PublicKey::from_bytes(key.wire()).unwrap();
        let mut builder = Builder::new(vec![7; 16], subject.key_data().clone(), now - 60, now + 60).unwrap();
        builder.serial(1).unwrap();
        builder.key_id("ses_test").unwrap();
        builder.cert_type(CertType::User).unwrap();
        builder.valid_principal(principal).unwrap();
        builder.extension("permit-pty", "").unwrap();
        builder.extension("permit-port-forwarding", "").unwrap();
        builder.sign(&*self.ca).unwrap().to_bytes().unwrap()
    }

    pub fn reasons(&self) -> Vec<EndReason> {
        self.ended.lock().unwrap().iter().map(|end| end.reason.clone()).collect()
    }
}

pub struct World {
    pub dir: TempDir,
    pub sshd: Sshd,
    pub gate: Permissive,
    pub gateway: Gateway,
    pub tapes: MemoryTapes,
    pub person: PathBuf,
}

pub fn seeded_key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

/// Recordings as encrypted files, for measuring: as in the product, but for the names of what is in a frame.
struct Files {
    dir: PathBuf,
    recipients: recorder::Recipients,
}

struct FileDraft(recorder::Draft, PathBuf);

struct File(recorder::Writer);

fn fault(error: recorder::Error) -> TapeError {
    TapeError(error.to_string())
}

fn anchor(anchor: recorder::Anchor) -> Anchor {
    Anchor { chunks: anchor.chunks, hash: *anchor.chain.as_bytes() }
}

impl Tapes for Files {
    fn draft(&self, session: &str) -> Result<Box<dyn Draft>, TapeError> {
        let draft = recorder::Draft::new(session.to_owned(), "gate.test".into(), 0, &self.recipients).map_err(fault)?;
        Ok(Box::new(FileDraft(draft, self.dir.clone())))
    }
}

impl Draft for FileDraft {
    fn header_hash(&self) -> [u8; 32] {
        *self.0.header_hash().as_bytes()
    }

    fn begin(self: Box<Self>) -> Result<Box<dyn Tape>, TapeError> {
        Ok(Box::new(File(self.0.create(&self.1).map_err(fault)?)))
    }
}

impl Tape for File {
    fn frame(&mut self, frame: &Frame) -> Result<(), TapeError> {
        let out = recorder::Direction::Out;
        self.0.frame(recorder::Kind::Data, frame.channel, out, frame.at, &frame.bytes).map(|_| ()).map_err(fault)
    }

    fn sync(&mut self) -> Result<Syncing, TapeError> {
        let _sealed = self.0.seal().map_err(fault)?;
        let (so_far, pending) = (self.0.anchor(), self.0.sync_later().map_err(fault)?);
        Ok(Box::new(move || pending.map_or(Ok(so_far), recorder::PendingSync::wait).map(anchor).map_err(fault)))
    }

    fn close(&mut self) -> Result<Anchor, TapeError> {
        self.0.close(Duration::ZERO).map(|closed| anchor(closed.anchor)).map_err(fault)
    }
}

/// The log of the gateway under test, where a failing test is looked into with `GATEWAY_LOG=1`.
fn log_if_asked() {
    if option_env!("GATEWAY_LOG").is_some() {
        let _once = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_test_writer().try_init();
    }
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| {}, "")
    }

    pub fn with(adjust: impl FnOnce(&mut Settings), sshd_extra: &str) -> Self {
        let tapes = MemoryTapes::default();
        Self::with_tapes(adjust, sshd_extra, tapes.clone(), tapes)
    }

    /// Recorded into encrypted files below the world's directory.
    pub fn with_files() -> (Self, TempDir) {
        let dir = TempDir::new().unwrap();
        let recipients = recorder::Recipients::new(OpeningKey::generate().sealing_key().clone());
        let files = Files { dir: dir.path().to_owned(), recipients };
        (Self::with_tapes(|_| {}, "", MemoryTapes::default(), files), dir)
    }

    pub fn with_tapes(
        adjust: impl FnOnce(&mut Settings),
        sshd_extra: &str,
        kept: MemoryTapes,
        tapes: impl Tapes,
    ) -> Self {
        log_if_asked();
        let dir = TempDir::new().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let ca = seeded_key(2);
        let person = dir.path().join("person");
        let known = keygen(&person);
        let sshd = Sshd::start(dir.path(), "target", &ca.public_key().to_openssh().unwrap(), sshd_extra);
        let answers = Answers {
            ends_in: Duration::from_secs(3600),
            terms: Terms {
                channels: [ChannelKind::Shell, ChannelKind::Exec, ChannelKind::Terminal].into(),
                env_allow: vec!["LANG".into(), "LC_*".into(), "SEKI_A".into()],
                ..Terms::default()
            },
            record_input: RecordInput::No,
            language: Language::English,
            host_keys: vec![sshd.host_key.clone()],
            target: sshd.addr,
            principal: PRINCIPAL.into(),
            approach: None,
            refusal: None,
            known: vec![known],
            dreaded: None,
        };
        let gate = Permissive {
            answers: Arc::new(Mutex::new(answers)),
            asks: Arc::default(),
            ended: Arc::default(),
            kills: Arc::default(),
            ca: Arc::new(ca),
            user: user(),
        };
        let mut settings = Settings::new(seeded_key(1));
        adjust(&mut settings);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let gateway = Gateway::start(listener, settings, gate.clone(), tapes, Sessions::default()).unwrap();
        let known_hosts = format!(
            "[127.0.0.1]:{} {}\n",
            gateway.local_addr().port(),
            seeded_key(1).public_key().to_openssh().unwrap()
        );
        fs::write(dir.path().join("known_hosts"), known_hosts).unwrap();
        Self { dir, sshd, gate, gateway, tapes: kept, person }
    }

    pub fn answers(&self) -> std::sync::MutexGuard<'_, Answers> {
        self.gate.answers.lock().unwrap()
    }

    /// `ssh LOGIN@gateway` with nothing of the user's own configuration; arguments follow.
    pub fn ssh(&self, login: &str) -> Command {
        let mut command = self.ssh_options("ssh");
        command.arg("-l").arg(login).arg("127.0.0.1");
        command
    }

    /// Options only, for arguments that must come before the host.
    pub fn ssh_options(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "LogLevel=ERROR"]);
        command.arg("-o").arg(format!("UserKnownHostsFile={}", self.dir.path().join("known_hosts").display()));
        command.args(["-o", "StrictHostKeyChecking=yes", "-o", "PreferredAuthentications=publickey"]);
        command.arg("-o").arg(format!("Port={}", self.gateway.local_addr().port()));
        command.arg("-i").arg(&self.person);
        command.env_remove("SSH_AUTH_SOCK").env_remove("LANG").stdin(Stdio::null());
        command
    }

    /// Runs `sh -c` on the target through the gateway.
    pub fn exec(&self, script: &str) -> Output {
        self.ssh("root@db1").arg(script).output().unwrap()
    }

    /// All frames of the only session so far, once its recording has been closed.
    pub fn frames(&self) -> Vec<Frame> {
        until("the recording is closed", || !self.tapes.closed().is_empty());
        self.tapes.frames(&self.tapes.closed()[0])
    }

    pub fn recorded(&self, kind: Kind) -> Vec<u8> {
        self.frames().iter().filter(|f| f.kind == kind).flat_map(|f| f.bytes.to_vec()).collect()
    }

    /// Nothing is left of any connection: no task, no session, no process of the target's.
    pub fn is_quiet(&self) {
        until("no task is left", || self.gateway.tasks() == 0);
        assert!(self.gateway.sessions().list().is_empty());
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub const NOTICE: &str = "sekimori: this session is recorded\n";

pub fn refusal() -> Refusal {
    Refusal {
        code: "no-grant".into(),
        sentence: "nobody has approved `root@db1` for you".into(),
        hint: Some("sekimori request".into()),
        exit: 1,
    }
}

pub fn loopback() -> IpAddr {
    IpAddr::from([127, 0, 0, 1])
}
