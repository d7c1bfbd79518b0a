//! An installation of the built `sekimori` under one folder, founded and filled through its own command line, as people do it.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::Target;
use crate::clock::SetClock;
use crate::keys::KeyPair;
use crate::process::{self, Signal, Tame, Trouble, found, run, signal, until};
use crate::users::Users;

/// A socket's path has room for 108 characters; the longest of ours is `run/keeper/keeper.sock`.
const LONGEST_ROOT: usize = 108 - "/run/keeper/keeper.sock".len() - 1;

/// One installation; what `serve` started ends with it.
#[derive(Debug)]
pub struct Installation {
    binary: PathBuf,
    root: PathBuf,
    server: Option<Tame>,
    /// What is typed to end a program in a terminal does not end the server.
    stays: bool,
    /// Where the processes have users of their own.
    users: Option<Arc<Users>>,
    /// What its processes go by instead of the machine's clock.
    clock: Option<SetClock>,
}

/// Somebody with a key of their own.
#[derive(Debug, Clone)]
pub struct Person {
    /// What they are called here; a role, never a name.
    pub role: String,
    pub key: KeyPair,
    /// `per_…`
    pub person: String,
    /// `psn_…`
    pub persona: String,
}

/// The processes that `serve` starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    Keeper,
    Engine,
    Front,
}

impl Process {
    const fn name(self) -> &'static str {
        match self {
            Self::Keeper => "keeper",
            Self::Engine => "engine",
            Self::Front => "front",
        }
    }
}

impl Installation {
    /// Makes the folder; nothing is founded or started yet. `config` is `sekimori.toml` without `listen`. All three processes run as whoever
    /// runs this.
    ///
    /// # Errors
    /// When the folder cannot be made, or its path is too long for a socket.
    pub fn new(binary: &Path, root: &Path, config: &str) -> Result<Self, Trouble> {
        Self::make(binary, root, &format!("one_user = true\n{config}"))
    }

    /// As [`Self::new`], and root gives each process its own of these users.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_users(binary: &Path, root: &Path, config: &str, users: Arc<Users>) -> Result<Self, Trouble> {
        let [keeper, engine, front] = Users::NAMES;
        let named = format!("[users]\nkeeper = \"{keeper}\"\nengine = \"{engine}\"\nfront = \"{front}\"\n");
        let mut own = Self::make(binary, root, &format!("{config}\n{named}"))?;
        own.users = Some(users);
        Ok(own)
    }

    fn make(binary: &Path, root: &Path, config: &str) -> Result<Self, Trouble> {
        if root.as_os_str().len() > LONGEST_ROOT {
            return Err(Trouble(format!("`{}` is too long a path for an installation's sockets", root.display())));
        }
        for folder in ["etc", "var", "keys", "files", "home"] {
            fs::create_dir_all(root.join(folder)).map_err(Trouble::at(folder))?;
        }
        fs::write(root.join("etc/sekimori.toml"), format!("listen = \"127.0.0.1:0\"\n{config}\n"))
            .map_err(Trouble::at("sekimori.toml"))?;
        Ok(Self::of(binary, root))
    }

    /// One that is there already.
    pub fn of(binary: &Path, root: &Path) -> Self {
        Self { binary: binary.to_owned(), root: root.to_owned(), server: None, stays: false, users: None, clock: None }
    }

    /// Its server is to go on when the program that started it is interrupted.
    #[must_use]
    pub fn staying(self) -> Self {
        let mut own = self;
        own.stays = true;
        own
    }

    /// Its processes go by this clock. The commands of people do not: they run on machines of their own.
    #[must_use]
    pub fn with_clock(self, clock: SetClock) -> Self {
        let mut own = self;
        own.clock = Some(clock);
        own
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// A file that passes between people: a card, a draft, a tegata.
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join("files").join(name)
    }

    /// The folder that verifiers go by, once founded.
    pub fn trust(&self) -> PathBuf {
        self.root.join("files/trust")
    }

    /// `sekimori …` with nothing of the user's own environment.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = match &self.users {
            Some(users) => users.knowing(&self.binary),
            None => Command::new(&self.binary),
        };
        command.env_clear().env("PATH", PATH).env("HOME", self.root.join("home")).env("LANG", "C.UTF-8");
        command.arg("--root").arg(&self.root).args(words).stdin(Stdio::null());
        command
    }

    /// `sekimori …` as somebody; what is to be signed is signed without a question.
    pub fn as_person(&self, key: &KeyPair, words: &[&str]) -> Command {
        let mut command = self.command(&[]);
        command.arg("--key").arg(&key.private).arg("--yes");
        // People's own clocks go on as they are while the gate's is set.
        command.args(self.clock.is_some().then_some("--by-server-clock"));
        command.args(words);
        command
    }

    /// As [`Self::as_person`], and the answer as JSON.
    ///
    /// # Errors
    /// When the command does not end with 0; with what it said.
    pub fn json(&self, key: &KeyPair, words: &[&str]) -> Result<String, Trouble> {
        run(self.as_person(key, &["--json"]).args(words))
    }
}

/// Founding and filling.
impl Installation {
    /// Two founders make, sign and seal; the server is started on the way and runs afterwards.
    ///
    /// # Errors
    /// When any step fails.
    pub fn found(&mut self, origin: &str, one: &str, two: &str) -> Result<(Person, Person), Trouble> {
        let founders = [self.founder(one)?, self.founder(two)?];
        let [one, two] = &founders;
        let draft = self.file("founding.draft");
        let shares = self.file("shares");
        let cards = [self.file(&format!("{}.card", one.role)), self.file(&format!("{}.card", two.role))];
        let mut command = self.command(&["--yes", "init", "draft", "--origin", origin]);
        run(command.arg("--shares-dir").arg(shares).arg("--out").arg(&draft).args(&cards))?;
        let signatures = [self.file("founding.1.sig"), self.file("founding.2.sig")];
        for ((own, other), out) in [(one, two), (two, one)].into_iter().zip(&signatures) {
            let mut command =
                self.as_person(&own.key, &["init", "sign", "--other-fingerprint", &other.key.fingerprint()?]);
            run(command.arg("--out").arg(out).arg(&draft))?;
        }
        self.start()?;
        run(self.command(&["--yes", "init", "seal"]).arg(&draft).args(&signatures))?;
        run(self.command(&["--yes", "init", "trust"]).arg(self.trust()).arg(&draft).args(&signatures))?;
        let [one, two] = founders;
        Ok((one, two))
    }

    fn founder(&self, role: &str) -> Result<Person, Trouble> {
        let key = self.key(role)?;
        let card = self.file(&format!("{role}.card"));
        let said = run(self.as_person(&key, &["--json", "init", "card", "--name", role]).arg("--out").arg(card))?;
        person_of(role, key, &said)
    }

    /// A new key of somebody's.
    ///
    /// # Errors
    /// When there is one of that name.
    pub fn key(&self, name: &str) -> Result<KeyPair, Trouble> {
        KeyPair::make(&self.root.join("keys").join(name))
    }

    /// Proposed by one, seconded by the other. Gives the motion's id.
    ///
    /// # Errors
    /// When either is refused.
    pub fn carry(&self, (one, two): (&Person, &Person), words: &[&str]) -> Result<String, Trouble> {
        let said = self.json(&one.key, words)?;
        let motion = field(&said, "motion")?;
        self.json(&two.key, &["motion", "second", &motion])?;
        Ok(motion)
    }

    /// A new person from their own card, in these groups.
    ///
    /// # Errors
    /// When any step is refused.
    pub fn add_person(&self, by: (&Person, &Person), role: &str, groups: &[&str]) -> Result<Person, Trouble> {
        let key = self.key(role)?;
        let card = self.file(&format!("{role}.card"));
        let said = run(self.as_person(&key, &["--json", "person", "card", "--name", role]).arg("--out").arg(&card))?;
        let person = person_of(role, key, &said)?;
        self.carry(by, &["person", "add", &card.to_string_lossy()])?;
        for group in groups {
            self.carry(by, &["group", "join", group, &person.person])?;
        }
        Ok(person)
    }

    /// A further face of somebody who is there, with a key of its own. `kind` is `admin` or `research`.
    ///
    /// # Errors
    /// When any step is refused.
    pub fn add_persona(&self, by: (&Person, &Person), of: &Person, role: &str, kind: &str) -> Result<Person, Trouble> {
        let key = self.key(role)?;
        let card = self.file(&format!("{role}.card"));
        let said = run(self
            .as_person(&key, &["--json", "person", "card", "--person", &of.person, "--kind", kind])
            .arg("--out")
            .arg(&card))?;
        self.carry(by, &["persona", "add", &card.to_string_lossy()])?;
        person_of(role, key, &said)
    }

    /// A target, an account on it that `owner` answers for, and on the target itself what `target enrol` prints.
    ///
    /// # Errors
    /// When any step is refused, or the target's files cannot be written.
    pub fn add_target(&self, by: (&Person, &Person), at: &At<'_>, target: &impl Target) -> Result<(), Trouble> {
        let host_key = self.file(&format!("{}-host-key.pub", at.label));
        fs::write(&host_key, format!("{}\n", target.host_key())).map_err(Trouble::at("the target's host key"))?;
        let address = format!("127.0.0.1:{}", target.port());
        let host_key = host_key.to_string_lossy().into_owned();
        let add = [
            "target",
            "add",
            at.label,
            "--address",
            &address,
            "--zone",
            at.zone,
            "--tier",
            "0",
            "--errand-login",
            at.login,
            "--host-key",
            &host_key,
        ];
        self.carry(by, &add)?;
        let account = format!("{}@{}", at.login, at.label);
        self.carry(by, &["account", "add", &account, "--class", "os-superuser", "--owner", &at.owner.person])?;
        self.enrol(by.0, at.label, target)?;
        self.probe(by.0, at.label)
    }

    /// Has the target's clock looked at, and waits until that is done.
    ///
    /// # Errors
    /// When the errand is refused, or comes to nothing.
    pub fn probe(&self, by: &Person, label: &str) -> Result<(), Trouble> {
        self.json(&by.key, &["target", "probe", label])?;
        until("the target's clock", || {
            self.json(&by.key, &["target", "list"]).is_ok_and(|said| field(&said, "clock_offset_ms").is_ok())
        })
    }

    /// Puts on the target what `target enrol` prints for it.
    ///
    /// # Errors
    /// When the target's files cannot be written.
    pub fn enrol(&self, by: &Person, label: &str, target: &impl Target) -> Result<(), Trouble> {
        let said = self.json(&by.key, &["--trust", &self.trust().to_string_lossy(), "target", "enrol", label])?;
        target.trust(&field(&said, "ca_key")?)?;
        for (path, content) in files_in(&said) {
            if let Some((_, user)) = path.split_once("principals/") {
                target.admit(user, &content.lines().collect::<Vec<_>>())?;
            }
        }
        Ok(())
    }

    /// The rules in force from now on.
    ///
    /// # Errors
    /// When they cannot be read, or are refused.
    pub fn set_rules(&self, by: (&Person, &Person), toml: &str) -> Result<(), Trouble> {
        let path = self.file("rules.toml");
        fs::write(&path, toml).map_err(Trouble::at("rules.toml"))?;
        self.carry(by, &["rule", "set", &path.to_string_lossy()]).map(drop)
    }

    /// Files a request from now on; gives its id.
    ///
    /// # Errors
    /// When it is refused.
    pub fn request(&self, by: &Person, account: &str, length: &str, purpose: &str) -> Result<String, Trouble> {
        let said = self.json(&by.key, &["request", "new", account, "--for", length, "--purpose", purpose])?;
        field(&said, "request")
    }

    /// Approves a request; gives the grant's id, if that completed it.
    ///
    /// # Errors
    /// When it is refused.
    pub fn approve(&self, by: &Person, request: &str) -> Result<Option<String>, Trouble> {
        let said = self.json(&by.key, &["request", "approve", request])?;
        Ok(field(&said, "grant").ok())
    }
}

/// Running.
impl Installation {
    /// Starts `serve`, and waits for the engine's socket and the gateway's address.
    ///
    /// # Errors
    /// When it does not come up; with the end of its log.
    pub fn start(&mut self) -> Result<(), Trouble> {
        for stale in ["run/ssh.address", "run/engine/api.sock"] {
            let _absent = fs::remove_file(self.root.join(stale));
        }
        let log =
            fs::File::options().append(true).create(true).open(self.log_file()).map_err(Trouble::at("serve.log"))?;
        let again = log.try_clone().map_err(Trouble::at("serve.log"))?;
        let mut command = self.command(&["serve"]);
        command.envs(self.clock.iter().flat_map(SetClock::environment));
        if self.stays {
            command.process_group(0);
        }
        let mut server = Tame::start(command.stdout(log).stderr(again))?;
        let ready = found("the installation to serve", || {
            let up = self.root.join("run/api.sock").exists() && self.port().is_ok();
            (up || server.ended().is_some()).then_some(up)
        });
        let log =
            || self.log().lines().rev().take(20).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n");
        match ready {
            Ok(true) => {
                self.server = Some(server);
                Ok(())
            }
            Ok(false) => Err(Trouble(format!("`sekimori serve` ended: {}", log()))),
            Err(trouble) => Err(Trouble(format!("{trouble}; its log ends with:\n{}", log()))),
        }
    }

    /// Asks `serve` to end, in order.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn stop(&mut self) -> Result<(), Trouble> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        signal(server.id(), Signal::Terminate)?;
        until("`sekimori serve` to end", || server.ended().is_some())
    }

    /// The process id of `serve`, which starts again what ends.
    ///
    /// # Errors
    /// When it was not started from here.
    pub fn watcher(&self) -> Result<u32, Trouble> {
        self.server.as_ref().map(Tame::id).ok_or_else(|| Trouble("`sekimori serve` was not started from here".into()))
    }

    /// Lets the server go on after this program; gives the process id of `serve`.
    pub fn leave_running(&mut self) -> Option<u32> {
        let server = self.server.take()?;
        let pid = server.id();
        server.let_go();
        Some(pid)
    }

    /// Where the gateway listens, on 127.0.0.1.
    ///
    /// # Errors
    /// When it does not.
    pub fn port(&self) -> Result<u16, Trouble> {
        let path = self.root.join("run/ssh.address");
        let text = fs::read_to_string(&path).map_err(Trouble::at(path.display()))?;
        let port = text.trim().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        port.ok_or_else(|| Trouble(format!("`{}` holds no address: {text}", path.display())))
    }

    /// The gateway's own host key.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn host_key(&self) -> Result<String, Trouble> {
        let port = self.port()?.to_string();
        let said = run(Command::new("ssh-keyscan").args(["-T", "20", "-t", "ed25519", "-p", &port, "127.0.0.1"]))?;
        let line = said.lines().find(|line| !line.starts_with('#')).unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().skip(1).take(2).collect();
        if words.len() == 2 { Ok(words.join(" ")) } else { Err(Trouble("the gateway shows no host key".to_owned())) }
    }

    /// A process of `serve`'s, by the file where its number is kept.
    ///
    /// # Errors
    /// When it never started.
    pub fn pid(&self, process: Process) -> Result<u32, Trouble> {
        let path = self.root.join(format!("run/{}.pid", process.name()));
        let text = fs::read_to_string(&path).map_err(Trouble::at(path.display()))?;
        text.trim().parse().map_err(Trouble::at(path.display()))
    }

    /// Kills, stops or wakes one process.
    ///
    /// # Errors
    /// When it is not there.
    pub fn signal(&self, process: Process, what: Signal) -> Result<(), Trouble> {
        process::signal(self.pid(process)?, what)
    }

    pub fn log_file(&self) -> PathBuf {
        self.root.join("serve.log")
    }

    /// What `serve` and its processes wrote so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }
}

impl Drop for Installation {
    /// `serve` ends its processes when it is asked to, and takes them with it when it is killed.
    fn drop(&mut self) {
        let _ended_already = self.stop();
    }
}

/// Where a target stands and who answers for the account on it.
#[derive(Debug)]
pub struct At<'a> {
    pub label: &'a str,
    pub zone: &'a str,
    pub login: &'a str,
    pub owner: &'a Person,
}

/// As a login shell of the system has it; `ssh` and `ssh-keygen` lie there.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn person_of(role: &str, key: KeyPair, said: &str) -> Result<Person, Trouble> {
    Ok(Person { role: role.to_owned(), key, person: field(said, "person")?, persona: field(said, "persona")? })
}

/// The first text or number of that name in a JSON answer.
///
/// # Errors
/// When there is none.
pub fn field(json: &str, name: &str) -> Result<String, Trouble> {
    let missing = || Trouble(format!("no `{name}` in the answer {json}"));
    let rest = json.split(&format!("\"{name}\":")).nth(1).ok_or_else(missing)?.trim_start();
    match rest.strip_prefix('"') {
        Some(text) => Ok(unescaped(text)),
        None => {
            let word: String =
                rest.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect();
            if word.is_empty() || word == "null" { Err(missing()) } else { Ok(word) }
        }
    }
}

/// A JSON text up to its closing quote. Our answers escape quotes, backslashes, line ends and control characters only.
fn unescaped(text: &str) -> String {
    let mut found = String::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => break,
            '\\' => match characters.next() {
                Some('n') => found.push('\n'),
                Some('t') => found.push('\t'),
                Some('u') => found.extend(characters.by_ref().take(4).collect::<String>().parse::<char>().ok()),
                Some(other) => found.push(other),
                None => break,
            },
            c => found.push(c),
        }
    }
    found
}

/// `path` and `content` of each file in the answer of `target enrol`.
fn files_in(json: &str) -> Vec<(String, String)> {
    let parts = json.split("\"path\":").skip(1);
    parts
        .filter_map(|part| Some((field(&format!("\"path\":{part}"), "path").ok()?, field(part, "content").ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_in_json() {
        let json = r#"{ "request": "req_1", "receipt": { "seq": 42, "note": null, "text": "a \"b\"\nc" } }"#;
        assert_eq!(field(json, "request").unwrap(), "req_1");
        assert_eq!(field(json, "seq").unwrap(), "42");
        assert_eq!(field(json, "text").unwrap(), "a \"b\"\nc");
        assert!(field(json, "note").is_err());
        assert!(field(json, "grant").is_err());
    }

    #[test]
    fn the_files_of_an_enrolment_are_found() {
        let json = r#"{"files":[{"path":"/etc/ssh/a","content":"x\ny\n"},{ "path": "/etc/ssh/b", "content": "z\n" }]}"#;
        assert_eq!(
            files_in(json),
            [("/etc/ssh/a".to_owned(), "x\ny\n".to_owned()), ("/etc/ssh/b".to_owned(), "z\n".to_owned())]
        );
    }
}
