//! An installation in a temporary folder with persons in their roles. Clock, ids and keys are the same in every run, but for what
//! the keeper and the engine draw themselves.

use std::io::{Cursor, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use channel::api::{ApiAnswer, ApiAsk, Challenge};
use channel::{Greeting, frame};
use domain::Timestamp;
use domain::time::TimeError;
use engine::Engine;
use jiff::tz::TimeZone;
use keeper::{Keeper, KeyFile, Memory};
use ledger::Hash;
use sshwire::SoftSigner;
use tempfile::TempDir;

use crate::cli;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::keyring::Keyring;
use crate::places::Places;
use crate::screen::{Attended, Screen};
use crate::sign::StatementSigner;
use crate::surroundings::Surroundings;

/// A clock that stands still until a test moves it.
#[derive(Debug, Clone)]
pub(crate) struct SetClock(Arc<AtomicI64>);

impl SetClock {
    fn new() -> Self {
        let at: Timestamp = "2026-11-23T01:20:30Z".parse().unwrap();
        Self(Arc::new(AtomicI64::new(at.micros())))
    }

    pub(crate) fn pass(&self, length: Duration) {
        self.0.fetch_add(i64::try_from(length.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl engine::clock::Clock for SetClock {
    fn wall(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst)).unwrap()
    }

    fn boot(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.load(Ordering::SeqCst)).unwrap())
    }
}

impl keeper::Clock for SetClock {
    fn now(&self) -> Result<Timestamp, TimeError> {
        Ok(engine::clock::Clock::wall(self))
    }
}

/// A key for each name: roles have theirs, and so has every file that is named.
pub(crate) struct SoftKeyring(String);

impl Keyring for SoftKeyring {
    fn signer(&self, named: Option<&Path>) -> Outcome<Box<dyn StatementSigner>> {
        let name =
            named.map_or_else(|| self.0.clone(), |path| path.file_stem().unwrap().to_string_lossy().into_owned());
        if name == "nobody" {
            return Err(Failure::KeyMissing);
        }
        Ok(Box::new(key_of(&name)))
    }
}

pub(crate) fn key_of(name: &str) -> SoftSigner {
    SoftSigner::from_seed(Hash::of(name.as_bytes()).as_bytes())
}

/// Something that keeps what is written to it.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Told {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Everything, for a snapshot.
    pub(crate) fn all(&self) -> String {
        format!("exit {}\n{}--\n{}", self.exit.code(), self.out, self.err)
    }
}

pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) clock: SetClock,
    /// By how many seconds the clocks of people's own machines are ahead of the server's.
    pub(crate) ahead: Arc<AtomicI64>,
    draws: Arc<AtomicU64>,
    server: Option<Server>,
}

/// Engine on a runtime of its own, ended when dropped.
struct Server {
    runtime: tokio::runtime::Runtime,
    _engine: Arc<Engine>,
}

impl World {
    /// A folder and nobody.
    pub(crate) fn empty() -> Self {
        let dir = tempfile::Builder::new().prefix("skm").tempdir().unwrap();
        let world = Self { dir, clock: SetClock::new(), ahead: Arc::default(), draws: Arc::default(), server: None };
        // The tests may run as root; here are no users to hand the keys to.
        std::fs::create_dir_all(world.places().config).unwrap();
        std::fs::write(world.places().config.join("sekimori.toml"), "one_user = true\n").unwrap();
        world
    }

    /// Founded by commander and auditor, through the commands that founders use.
    pub(crate) fn founded() -> Self {
        let mut world = Self::empty();
        let path = |name: &str| world.path(name);
        let (one, two, draft) = (path("commander.card"), path("auditor.card"), path("founding.draft"));
        world.ok("commander", &["init", "card", "--name", "the commander", "--out", &one]);
        world.ok("auditor", &["init", "card", "--name", "the auditor", "--out", &two]);
        let shares = world.path("shares");
        world.ok(
            "operator",
            &["init", "draft", &one, &two, "--origin", "gate.example/main", "--out", &draft, "--shares-dir", &shares],
        );
        let print = |name: &str| key_of(name).public_key().fingerprint().to_string();
        world.ok("commander", &["init", "sign", &draft, "--other-fingerprint", &print("auditor")]);
        world.ok("auditor", &["init", "sign", &draft, "--other-fingerprint", &print("commander")]);
        world.serve();
        let (first, second) = (format!("{draft}.1.sig"), format!("{draft}.2.sig"));
        world.ok("operator", &["init", "seal", &draft, &first, &second]);
        let trust = world.path("trust");
        world.ok("operator", &["init", "trust", &trust, &draft, &first, &second]);
        world
    }

    /// Founded, with a researcher who may ask for `root@db1` and a commander who may approve.
    pub(crate) fn ready() -> Self {
        let world = Self::founded();
        world.join("researcher", "the researcher");
        let (researcher, commander) = (world.person("researcher"), world.person("commander"));
        world.carry("commander", "auditor", &["group", "join", "operators", &researcher]);
        world.carry("auditor", "founder-three", &["group", "join", "owners", &commander]);
        world.add_db1();
        let rules = world.path("rules.toml");
        std::fs::write(&rules, RULES).unwrap();
        world.carry("commander", "auditor", &["rule", "set", &rules]);
        world
    }

    /// A new person, who made a card on their own machine.
    pub(crate) fn join(&self, role: &str, name: &str) {
        let card = self.path(&format!("{role}.card"));
        self.ok(role, &["person", "card", "--name", name, "--out", &card]);
        self.carry("commander", "auditor", &["person", "add", &card]);
    }

    fn add_db1(&self) {
        let host_key = self.path("host.pub");
        std::fs::write(&host_key, format!("{}\n", key_of("db1").public_key())).unwrap();
        let add = [
            "target",
            "add",
            "db1",
            "--address",
            "127.0.0.1:2200",
            "--zone",
            "server",
            "--tier",
            "0",
            "--host-key",
            &host_key,
        ];
        self.carry("commander", "auditor", &add);
        let owner = self.person("auditor");
        self.carry(
            "commander",
            "auditor",
            &["account", "add", "root@db1", "--class", "os-superuser", "--owner", &owner],
        );
    }

    /// Proposed by one; seconded by the other. Only the subject of an act may not be among them, so a third founds nothing here.
    pub(crate) fn carry(&self, proposer: &str, seconder: &str, words: &[&str]) {
        let (proposer, seconder): (String, &str) = match seconder {
            "founder-three" => (self.third(), "auditor"),
            other => (proposer.to_owned(), other),
        };
        let words: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
        let filed = self.run(&proposer, &words);
        assert_eq!(filed.exit, Exit::Done, "{}", filed.all());
        let motion = filed.json()["motion"].as_str().unwrap().to_owned();
        self.ok(seconder, &["motion", "second", &motion]);
    }

    /// A further administrator, for acts about one of the founders.
    fn third(&self) -> String {
        let role = "marshal".to_owned();
        if !Path::new(&self.path("marshal.card")).exists() {
            self.join(&role, "the marshal");
            let person = self.person(&role);
            self.carry("commander", "auditor", &["group", "join", "administrators", &person]);
        }
        role
    }

    /// The person's id.
    pub(crate) fn person(&self, role: &str) -> String {
        self.run(role, &["whoami", "--json"]).json()["person"].as_str().unwrap().to_owned()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    pub(crate) fn run(&self, role: &str, words: &[&str]) -> Told {
        self.run_with(role, words, "", Attended::ByNobody)
    }

    /// As [`World::run`], where all must go well; gives standard output.
    pub(crate) fn ok(&self, role: &str, words: &[&str]) -> String {
        let told = self.run(role, words);
        assert_eq!(told.exit, Exit::Done, "{role} {words:?}: {}", told.all());
        told.out
    }

    /// With a person at the terminal who types `input`.
    pub(crate) fn attended(&self, role: &str, words: &[&str], input: &str) -> Told {
        self.run_with(role, words, input, Attended::ByAPerson)
    }

    fn run_with(&self, role: &str, words: &[&str], input: &str, attended: Attended) -> Told {
        let root = self.path("root");
        let words: Vec<&str> = ["sekimori", "--root", &root].into_iter().chain(words.iter().copied()).collect();
        let (out, err) = (Paper::default(), Paper::default());
        let input = Cursor::new(input.as_bytes().to_vec());
        let screen = Screen::new(Box::new(out.clone()), Box::new(err.clone()), Box::new(input), attended, None);
        let exit = cli::command(&words, &mut self.surroundings(role, screen));
        Told { exit, out: self.redacted(&out.text()), err: self.redacted(&err.text()) }
    }

    fn surroundings(&self, role: &str, screen: Screen) -> Surroundings {
        let (draws, clock, ahead) = (self.draws.clone(), self.clock.clone(), self.ahead.clone());
        Surroundings {
            words: Vec::new(),
            environment: Environment {
                language: Some("en_US.UTF-8".into()),
                home: Some(self.dir.path().join("home")),
                ..Environment::default()
            },
            screen,
            keyring: Box::new(SoftKeyring(role.to_owned())),
            zone: TimeZone::posix("JST-9").unwrap(),
            random: Box::new(move |bytes| draw(&draws, bytes)),
            clock: Box::new(move || {
                let here = engine::clock::Clock::wall(&clock).micros() + ahead.load(Ordering::SeqCst) * 1_000_000;
                Timestamp::from_micros(here).unwrap()
            }),
            pause: Box::new({
                let clock = self.clock.clone();
                move |length| clock.pass(length)
            }),
        }
    }

    /// Places of this run alone are not for snapshots.
    fn redacted(&self, text: &str) -> String {
        text.replace(&self.dir.path().display().to_string(), "DIR")
    }

    pub(crate) fn places(&self) -> Places {
        Places::under(Path::new(&self.path("root")))
    }

    /// Starts keeper and engine on the keys that `init draft` made.
    pub(crate) fn serve(&mut self) {
        let places = self.places();
        ["keeper", "engine", "front"].iter().for_each(|one| std::fs::create_dir_all(places.run.join(one)).unwrap());
        std::fs::create_dir_all(places.recordings().join("closed")).unwrap();
        std::fs::create_dir_all(places.recordings().join("live")).unwrap();
        self.serve_keeper(&places);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let config = engine::Config {
            recordings: places.recordings(),
            age_recipients: vec![],
            commands_a_second: 1000.0,
            burst: 1000.0,
            local: engine::Local::one_user(),
        };
        let paths = engine::Places { ledger: places.ledger(), keeper_socket: places.keeper_socket() };
        let _inside = runtime.enter();
        let engine = Engine::start(&paths, config, Arc::new(self.clock.clone())).unwrap();
        let listen = |path: PathBuf| tokio::net::UnixListener::bind(path).unwrap();
        let (api, front) = (listen(places.api_socket()), listen(places.front_socket()));
        let serving = engine.clone();
        runtime.spawn(async move { serving.serve(api, front).await });
        drop(_inside);
        self.server = Some(Server { runtime, _engine: engine });
    }

    /// Nobody answers any more.
    pub(crate) fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.runtime.shutdown_background();
        }
        std::fs::remove_file(self.places().api_socket()).unwrap();
    }

    fn serve_keeper(&self, places: &Places) {
        let keys = KeyFile::read(&places.keeper()).unwrap().open(None).unwrap();
        let memory = Memory::open(&places.keeper()).unwrap();
        let mut keeper = Keeper::new(keys, memory, keeper::Config::default(), self.clock.clone()).unwrap();
        let listener = UnixListener::bind(places.keeper_socket()).unwrap();
        let user = rustix::process::getuid().as_raw();
        std::thread::spawn(move || keeper::serve(&listener, &mut keeper, user));
    }

    /// A socket behind which every answer passes through `change`.
    pub(crate) fn liar(&self, change: impl Fn(&mut ApiAnswer) + Send + 'static) -> String {
        self.between(|_| (), change)
    }

    /// A socket behind which the server's first word passes through `change`.
    pub(crate) fn impostor(&self, change: impl Fn(&mut Challenge) + Send + 'static) -> String {
        self.between(change, |_| ())
    }

    fn between(
        &self,
        change_first: impl Fn(&mut Challenge) + Send + 'static,
        change: impl Fn(&mut ApiAnswer) + Send + 'static,
    ) -> String {
        let path = self.path(&format!("liar-{}.sock", self.draws.fetch_add(1, Ordering::SeqCst)));
        let listener = UnixListener::bind(&path).unwrap();
        let upstream = self.places().api_socket();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // The client leaving ends one conversation, not the proxy.
                let _over = pass_on(stream, &upstream, &change_first, &change);
            }
        });
        path
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.runtime.shutdown_background();
        }
    }
}

fn pass_on(
    mut client: UnixStream,
    upstream: &Path,
    change_first: &dyn Fn(&mut Challenge),
    change: &dyn Fn(&mut ApiAnswer),
) -> Result<(), channel::ChannelError> {
    let mut server = UnixStream::connect(upstream)?;
    frame::write(&mut client, &frame::read::<Greeting>(&mut server)?)?;
    frame::write(&mut server, &frame::read::<Greeting>(&mut client)?)?;
    let mut challenge = frame::read::<Challenge>(&mut server)?;
    change_first(&mut challenge);
    frame::write(&mut client, &challenge)?;
    loop {
        frame::write(&mut server, &frame::read::<ApiAsk>(&mut client)?)?;
        let mut answer: ApiAnswer = frame::read(&mut server)?;
        change(&mut answer);
        frame::write(&mut client, &answer)?;
    }
}

/// The same bytes in every run, and never the same twice in one.
fn draw(draws: &AtomicU64, bytes: &mut [u8]) {
    for chunk in bytes.chunks_mut(32) {
        let number = draws.fetch_add(1, Ordering::SeqCst);
        let drawn = Hash::of(&number.to_be_bytes());
        let drawn = drawn.as_bytes().get(..chunk.len()).unwrap();
        chunk.copy_from_slice(drawn);
    }
}

/// Ids that the engine draws itself, taken out of a text.
pub(crate) fn without(text: &str, prefix: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(prefix) {
        let (before, from) = rest.split_at(at);
        let tail = from.strip_prefix(prefix).unwrap();
        out.push_str(before);
        out.push_str(prefix);
        out.push('…');
        rest = tail.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/');
    }
    out + rest
}

const RULES: &str = r#"
pending-limit = "1h"

[[rule]]
name = "db-root"
requesters = "operators"
approvers = "owners"
approvals = 1
longest = "4h"
channels = ["shell", "exec"]
accounts = ["root@db1"]
"#;
