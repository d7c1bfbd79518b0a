//! The conversation with the server: greetings, its challenge, who we are, then one question after another.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use channel::api::{ApiAnswer, ApiAsk, Challenge, Opening, Query, Receipt, Submission, View, WhoView};
use channel::{ChannelError, Greeting, Role, frame};
use domain::event::OriginName;
use domain::statement::HelloFields;
use domain::{Refusal, Timestamp};
use tegata::statement;

use crate::failure::{Failure, Outcome};
use crate::files;
use crate::gate::Gate;
use crate::settings::{GateWay, Reach};
use crate::sign::{self, StatementSigner};
use crate::trust::TrustDir;

/// A server that has greeted and sent its challenge.
pub(crate) struct Connection {
    transport: Transport,
    /// The trust directory, which says for whom statements are made.
    trust: Option<PathBuf>,
    pub(crate) challenge: Challenge,
}

impl Connection {
    /// Reaches the server and reads its challenge.
    pub(crate) fn open(reach: &Reach, trust: Option<&Path>) -> Outcome<Self> {
        let mut transport = match reach {
            Reach::Socket(path) => Transport::socket(path)?,
            Reach::Gate(way) => Transport::gate(way)?,
        };
        let challenge = transport.greet().map_err(|error| transport.blame(error))?;
        Ok(Self { transport, trust: trust.map(Path::to_owned), challenge })
    }

    /// The installation that statements are made for: the one that the server says it is, and where there is a trust directory no other
    /// than that one. Everything that is signed for a server asks here first.
    pub(crate) fn origin(&self) -> Outcome<OriginName> {
        let found = self.challenge.origin.as_deref().ok_or(Refusal::NotFounded)?;
        if let Some(dir) = &self.trust {
            let trusted = TrustDir::origins(dir)?;
            if !trusted.iter().any(|origin| origin == found) {
                let found = found.chars().take(120).collect();
                return Err(Failure::OriginDiffers { found, trusted: trusted.join(", "), path: files::shown(dir) });
            }
        }
        found.parse().map_err(|_| Failure::OriginUnreadable { text: found.chars().take(120).collect() })
    }

    /// Until when what is signed now may be filed, by the server's clock. [`Desk::expiry`](crate::desk::Desk::expiry) looks at that clock first.
    pub(crate) fn expiry(&self) -> Timestamp {
        self.challenge.now.plus(STATEMENT_LIFE)
    }

    /// Proves the key to the server; it says whose it is.
    pub(crate) fn hello(&mut self, signer: &dyn StatementSigner) -> Outcome<WhoView> {
        let key = signer.public_key().clone();
        let fields = HelloFields { challenge: self.challenge.nonce, key: key.clone() };
        let expires = self.expiry();
        let bytes = statement::bytes(&self.origin()?, &fields, self.challenge.nonce, expires);
        let signature = sign::sign(signer, statement::namespace::<HelloFields>(), &bytes)?;
        match self.ask(&ApiAsk::Hello { key, expires, signature })? {
            ApiAnswer::Welcome(who) => Ok(who),
            other => Err(unexpected(other, "welcome")),
        }
    }

    /// One question, one answer; a refusal is a failure of the command.
    pub(crate) fn ask(&mut self, ask: &ApiAsk) -> Outcome<ApiAnswer> {
        self.transport.wait_at_most(patience(ask));
        let answered = frame::write(&mut self.transport.to, ask).and_then(|()| frame::read(&mut self.transport.from));
        match answered.map_err(|error| self.transport.blame(error))? {
            ApiAnswer::Refused(refusal) => Err(refusal.into()),
            answer => Ok(answer),
        }
    }

    pub(crate) fn read(&mut self, query: Query) -> Outcome<View> {
        match self.ask(&ApiAsk::Read(query))? {
            ApiAnswer::View(view) => Ok(view),
            other => Err(unexpected(other, "view")),
        }
    }

    pub(crate) fn submit(&mut self, what: Submission, openings: Vec<Opening>) -> Outcome<Receipt> {
        self.receipt(&ApiAsk::Submit { what, openings })
    }

    /// An ask that is answered by what stands in the ledger.
    pub(crate) fn receipt(&mut self, ask: &ApiAsk) -> Outcome<Receipt> {
        match self.ask(ask)? {
            ApiAnswer::Receipt(receipt) => Ok(receipt),
            other => Err(unexpected(other, "receipt")),
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("challenge", &self.challenge).finish_non_exhaustive()
    }
}

/// Reads a view and takes it out of its variant: `view!(connection, Query::People => People)`.
macro_rules! view {
    ($connection:expr, $query:expr => $variant:ident) => {
        match $connection.read($query)? {
            channel::api::View::$variant(view) => view,
            _ => return Err($crate::failure::Failure::AnswerUnexpected { wanted: stringify!($variant).to_lowercase() }),
        }
    };
}
pub(crate) use view;

fn unexpected(answer: ApiAnswer, wanted: &str) -> Failure {
    match answer {
        ApiAnswer::Refused(refusal) => refusal.into(),
        ApiAnswer::Welcome(_) | ApiAnswer::Receipt(_) | ApiAnswer::View(_) => {
            Failure::AnswerUnexpected { wanted: wanted.into() }
        }
    }
}

/// Two ends of bytes, and the `ssh` that carries them where the server is elsewhere.
struct Transport {
    from: Box<dyn Read>,
    to: Box<dyn Write>,
    /// For setting how long an answer is waited for.
    socket: Option<UnixStream>,
    ssh: Option<Ssh>,
}

impl Transport {
    fn socket(path: &Path) -> Outcome<Self> {
        let unreachable =
            |error: std::io::Error| Failure::SocketUnreachable { path: files::shown(path), why: error.to_string() };
        let stream = UnixStream::connect(path).map_err(unreachable)?;
        let (to, socket) = (stream.try_clone().map_err(unreachable)?, stream.try_clone().map_err(unreachable)?);
        let transport = Self { from: Box::new(stream), to: Box::new(to), socket: Some(socket), ssh: None };
        transport.wait_at_most(LONGEST_ANSWER);
        Ok(transport)
    }

    /// Through a gate `ssh` itself notices a server that is gone.
    fn wait_at_most(&self, length: Duration) {
        if let Some(socket) = &self.socket {
            // A socket that takes no time limit fails at the next read or write, which says why.
            let _set = socket.set_read_timeout(Some(length)).and_then(|()| socket.set_write_timeout(Some(length)));
        }
    }

    fn gate(way: &GateWay) -> Outcome<Self> {
        let mut process = ssh_command(way).spawn().map_err(|error| sign::missing("ssh", &error))?;
        let (from, to, err) = (process.stdout.take(), process.stdin.take(), process.stderr.take());
        let (from, to, err) = (from.expect("it was piped"), to.expect("it was piped"), err.expect("it was piped"));
        let said = std::thread::spawn(move || last_words(err));
        Ok(Self {
            from: Box::new(from),
            to: Box::new(to),
            socket: None,
            ssh: Some(Ssh { gate: way.gate.clone(), process, said: Some(said) }),
        })
    }

    fn greet(&mut self) -> Result<Challenge, ChannelError> {
        // A server of another version may have closed already; what it said first tells more than that.
        let wrote = frame::write(&mut self.to, &Greeting::of(Role::Cli));
        frame::read::<Greeting>(&mut self.from)?.expect(Role::Engine)?;
        wrote?;
        frame::read(&mut self.from)
    }

    /// Says who failed: where `ssh` gave up, its own words tell more than a closed channel.
    fn blame(&mut self, error: ChannelError) -> Failure {
        let is_version = matches!(error, ChannelError::OtherVersion { .. });
        match self.ssh.as_mut().filter(|_| !is_version).map(|ssh| (ssh.gate.to_string(), ssh.end())) {
            Some((gate, said)) => Failure::GateUnreachable { gate, why: format!("{error}; ssh: {said}") },
            None => self.in_words(error).into(),
        }
    }

    /// The operating system calls a time limit that passed something else.
    fn in_words(&self, error: ChannelError) -> ChannelError {
        let limit = self.socket.as_ref().and_then(|socket| socket.read_timeout().ok()?);
        match (&error, limit) {
            (ChannelError::Io(why), Some(limit))
                if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
            {
                ChannelError::TimedOut { seconds: limit.as_secs() }
            }
            _ => error,
        }
    }
}

/// Folding a long ledger again takes minutes; anything else is far quicker.
fn patience(ask: &ApiAsk) -> Duration {
    match ask {
        ApiAsk::Read(Query::VerifyReplay) => LONGEST_REPLAY,
        _ => LONGEST_ANSWER,
    }
}

/// The `ssh` process; it ends with the connection.
struct Ssh {
    gate: Gate,
    process: Child,
    said: Option<JoinHandle<Vec<u8>>>,
}

impl Ssh {
    /// Ends it and gives what it said on standard error.
    fn end(&mut self) -> String {
        // It may have ended by itself; both calls are safe then.
        let _ended = self.process.kill();
        let _status = self.process.wait();
        let said = self.said.take().and_then(|reader| reader.join().ok());
        sign::said(&said.unwrap_or_default())
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        self.end();
    }
}

/// Asks for the gate's control channel. `--` and a checked gate: no part of it is read as an option.
fn ssh_command(way: &GateWay) -> Command {
    let mut command = Command::new("ssh");
    if let Some(config) = &way.ssh_config {
        command.arg("-F").arg(config);
    }
    if let Some(key) = &way.key {
        command.arg("-i").arg(key).args(["-o", "IdentitiesOnly=yes"]);
    }
    if let Some(port) = way.gate.port {
        command.args(["-p", &port.to_string()]);
    }
    if let Some(user) = &way.gate.user {
        command.args(["-l", user]);
    }
    // This process is ended when the command is done, so it must not become the master of other connections.
    command.args([
        "-T",
        "-o",
        "ServerAliveInterval=15",
        "-o",
        "ControlMaster=no",
        "--",
        &way.gate.host,
        "sekimori",
        "api",
    ]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Reads to the end so that `ssh` never waits for us, and keeps the last of it.
fn last_words(mut from: ChildStderr) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let surplus = kept.len().saturating_sub(MOST_WORDS);
        kept.drain(..surplus);
    }
    kept
}

/// How long a signed statement may wait to be filed; the server allows a little more.
const STATEMENT_LIFE: Duration = Duration::from_secs(10 * 60);
/// An engine that is stopped or overwhelmed must not hold a command for ever.
const LONGEST_ANSWER: Duration = Duration::from_secs(60);
const LONGEST_REPLAY: Duration = Duration::from_secs(60 * 60);
/// Bytes of `ssh`'s words that are kept.
const MOST_WORDS: usize = 4_096;
