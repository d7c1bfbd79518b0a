//! The whole product as people drive it: an installation of the built `sekimori`, a real target, the system's own `ssh`.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "support for tests: what fails here fails the test"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use testkit::installation::{At, field};
use testkit::process::{output_within, until, user};
use testkit::{Installation, Person, Scratch, Settings, SshClient, Sshd, Target};

/// Enough for one command on a machine that is busy with other things.
pub const LIMIT: Duration = Duration::from_secs(90);

/// A gate, `login@db1` behind it, and the people of the story.
#[derive(Debug)]
pub struct World<T: Target = Sshd> {
    pub client: SshClient,
    pub gate: Installation,
    pub target: T,
    /// The account's name on the target.
    pub login: String,
    pub founders: (Person, Person),
    /// May ask.
    pub operator: Person,
    /// May ask and approve.
    pub owner: Person,
    pub auditor: Person,
    pub dir: Scratch,
}

/// The program under test: named by the runner, else beside this test program.
///
/// # Panics
/// When it was not built.
#[expect(clippy::disallowed_methods, reason = "the one place where the end-to-end tests read their environment")]
pub fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("SEKIMORI_BINARY") {
        return named.into();
    }
    let own = std::env::current_exe().unwrap();
    let built = own.ancestors().nth(2).map(|folder| folder.join("sekimori")).filter(|path| path.is_file());
    built.expect("`sekimori` is not built yet: cargo build --workspace --bins, or let `cargo xtask test` do all of it")
}

/// A small file system made for one test, where this program was started again on one.
#[expect(clippy::disallowed_methods, reason = "the one place where the end-to-end tests read their environment")]
pub fn small_disk() -> Option<PathBuf> {
    std::env::var_os(SMALL_DISK).map(PathBuf::from)
}

/// Says where it is.
pub const SMALL_DISK: &str = "SEKIMORI_SMALL_DISK";

impl World<Sshd> {
    /// With a target that runs as whoever runs the test.
    pub fn new() -> Self {
        let login = user().unwrap();
        Self::around(Sshd::start(&Settings::default()).unwrap(), &login)
    }
}

impl Default for World<Sshd> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Target> World<T> {
    pub fn around(target: T, login: &str) -> Self {
        let dir = Scratch::new("e2e").unwrap();
        let gate = Installation::new(&binary(), &dir.join("gate"), "").unwrap();
        Self::at(gate, dir, target, login)
    }

    /// With an installation that was made in `dir` but not founded yet.
    pub fn at(mut gate: Installation, dir: Scratch, target: T, login: &str) -> Self {
        let founders = gate.found("gate.example/e2e", "founder-one", "founder-two").unwrap();
        let by = (&founders.0, &founders.1);
        let operator = gate.add_person(by, "operator", &["operators"]).unwrap();
        let owner = gate.add_person(by, "system-owner", &["operators", "system-owners"]).unwrap();
        let auditor = gate.add_person(by, "auditor", &["auditors"]).unwrap();
        gate.add_target(by, &At { label: "db1", zone: "server", login, owner: &owner }, &target).unwrap();
        gate.set_rules(by, RULES).unwrap();
        let client = SshClient::new(dir.path(), "").unwrap();
        client.know(gate.port().unwrap(), &gate.host_key().unwrap()).unwrap();
        Self { client, gate, target, login: login.to_owned(), founders, operator, owner, auditor, dir }
    }

    /// `login@db1`
    pub fn account(&self) -> String {
        format!("{}@db1", self.login)
    }

    /// Asked for by the operator, approved by the owner; gives the grant's id.
    pub fn granted(&self, length: &str) -> String {
        let request = self.gate.request(&self.operator, &self.account(), length, PURPOSE).unwrap();
        self.gate.approve(&self.owner, &request).unwrap().expect("one approval completes a request here")
    }

    /// `ssh LOGIN@db1@gate` as somebody.
    pub fn ssh(&self, who: &Person) -> Command {
        self.client.to(&self.account(), self.gate.port().unwrap(), &who.key.private)
    }

    /// Runs a script on the target through the gate.
    pub fn exec(&self, who: &Person, script: &str) -> Output {
        output_within(self.ssh(who).arg("-T").arg(script), LIMIT).unwrap()
    }

    /// Runs a command that must not succeed; gives its exit code and what it said.
    pub fn refused(&self, who: &Person, words: &[&str]) -> (i32, String) {
        let output = output_within(&mut self.gate.as_person(&who.key, words), LIMIT).unwrap();
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(!output.status.success(), "{words:?} passed: {said}");
        (output.status.code().unwrap_or(-1), said)
    }

    /// The ids of sessions, the newest first, those that ended included.
    pub fn sessions(&self) -> Vec<String> {
        let said = self.gate.json(&self.auditor.key, &["session", "list", "--ended"]).unwrap();
        let ids =
            said.split("\"session\":").skip(1).map(|part| field(&format!("\"session\":{part}"), "session").unwrap());
        ids.collect()
    }

    /// Waits until a session stands as ended in the ledger.
    pub fn ended(&self, session: &str) {
        until("the session's end in the ledger", || self.ledger_about(session).contains("session.ended")).unwrap();
    }

    /// The entries that name an id.
    pub fn ledger_about(&self, id: &str) -> String {
        self.gate.json(&self.auditor.key, &["ledger", "list", "--about", id]).unwrap()
    }
}

pub const PURPOSE: &str = "rotate the WAL archive, CHG-142";

/// One approval by a system owner, at most an hour.
pub const RULES: &str = "\
pending-limit = \"1h\"

[[rule]]
name = \"servers\"
requesters = \"operators\"
approvers = \"system-owners\"
approvals = 1
longest = \"1h\"
channels = [\"shell\", \"exec\"]
zone = \"server\"
";

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A file's bytes with one bit changed, beside it.
pub fn damaged(path: &Path, at: usize) -> PathBuf {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    let copy = path.with_extension("damaged");
    std::fs::write(&copy, bytes).unwrap();
    copy
}
