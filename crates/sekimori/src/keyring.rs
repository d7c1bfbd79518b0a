//! Which key speaks for the person: the one named, else the agent's, else the one in `~/.ssh`.
//!
//! The order is documented in `docs/cli.md`. Where two keys could be meant neither is taken.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sshwire::PublicKey;

use crate::environment::Environment;
use crate::failure::{Failure, Outcome};
use crate::files::{self, Readers};
use crate::screen::Attended;
use crate::sign::{self, SshKeygen, StatementSigner};

/// Finds keys that can sign.
pub(crate) trait Keyring {
    /// The key in this file; without one, the person's usual key.
    fn signer(&self, named: Option<&Path>) -> Outcome<Box<dyn StatementSigner>>;
}

/// The agent and the files of this machine.
#[derive(Debug, Clone)]
pub(crate) struct SystemKeyring {
    pub(crate) agent: Option<PathBuf>,
    pub(crate) home: Option<PathBuf>,
    pub(crate) attended: Attended,
}

/// Names that `ssh-keygen` gives to keys unless told otherwise, and that are worth having.
const USUAL_NAMES: [&str; 2] = ["id_ed25519", "id_ed25519_sk"];

impl SystemKeyring {
    pub(crate) fn of(environment: &Environment, attended: Attended) -> Self {
        Self { agent: environment.agent.clone(), home: environment.home.clone(), attended }
    }

    fn of_file(&self, path: &Path) -> Outcome<SshKeygen> {
        let public = self.public_of(path)?;
        Ok(SshKeygen {
            key_file: path.to_owned(),
            public,
            attended: self.attended,
            agent: self.agent.clone(),
            _scratch: None,
        })
    }

    /// From the file itself if it is a public key, else from the `.pub` beside it, else asked of `ssh-keygen`.
    fn public_of(&self, path: &Path) -> Outcome<PublicKey> {
        let beside = with_pub(path);
        if path.extension().is_some_and(|extension| extension == "pub") {
            read_public(path)
        } else if beside.exists() {
            read_public(&beside)
        } else {
            self.derive_public(path)
        }
    }

    fn derive_public(&self, path: &Path) -> Outcome<PublicKey> {
        // Opened first, so that a name that is mistyped is told as such.
        files::read(path, LONGEST_KEY_FILE)?;
        let mut command = Command::new("ssh-keygen");
        command.arg("-y").arg("-f").arg(path);
        match self.attended {
            Attended::ByAPerson => command.stderr(Stdio::inherit()),
            Attended::ByNobody => command.stdin(Stdio::null()).stderr(Stdio::piped()),
        };
        let output = command.stdout(Stdio::piped()).spawn().and_then(std::process::Child::wait_with_output);
        let output = output.map_err(|error| sign::missing("ssh-keygen", &error))?;
        if !output.status.success() {
            return Err(Failure::KeyUnreadable { path: files::shown(path), why: sign::said(&output.stderr) });
        }
        parse_public(path, &String::from_utf8_lossy(&output.stdout))
    }

    /// The agent's only key; of several, the one whose usual file lies in `~/.ssh`.
    fn of_agent(&self) -> Outcome<Option<SshKeygen>> {
        let held = self.agent_keys()?;
        let usual: Vec<PublicKey> = self.usual_files().iter().filter_map(|path| self.known_public(path)).collect();
        let known: Vec<&PublicKey> = held.iter().filter(|key| usual.contains(key)).collect();
        match (held.as_slice(), known.as_slice()) {
            ([], _) => Ok(None),
            ([only], _) => self.agent_signer(only).map(Some),
            (_, [only]) => self.agent_signer(only).map(Some),
            (several, _) => Err(ambiguous(several)),
        }
    }

    fn agent_keys(&self) -> Outcome<Vec<PublicKey>> {
        let Some(agent) = &self.agent else { return Ok(Vec::new()) };
        let output = Command::new("ssh-add").arg("-L").env("SSH_AUTH_SOCK", agent).stdin(Stdio::null()).output();
        let output = output.map_err(|error| sign::missing("ssh-add", &error))?;
        // Certificates, and kinds of keys that we do not take, are passed over. An agent that is gone holds nothing.
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.lines().take(MOST_AGENT_KEYS).filter_map(|line| PublicKey::from_openssh(line).ok()).collect())
    }

    fn agent_signer(&self, key: &PublicKey) -> Outcome<SshKeygen> {
        let scratch = sign::scratch()?;
        let key_file = scratch.path().join("key.pub");
        files::create(&key_file, format!("{key}\n").as_bytes(), Readers::Owner)?;
        Ok(SshKeygen {
            key_file,
            public: key.clone(),
            attended: self.attended,
            agent: self.agent.clone(),
            _scratch: Some(scratch),
        })
    }

    fn of_usual_file(&self) -> Outcome<SshKeygen> {
        let found = self.usual_files();
        match found.as_slice() {
            [] => Err(Failure::KeyMissing),
            [only] => self.of_file(only),
            several => Err(Failure::KeyAmbiguous {
                keys: several.iter().map(|path| files::shown(path)).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    fn usual_files(&self) -> Vec<PathBuf> {
        let folder = self.home.as_ref().map(|home| home.join(".ssh"));
        let all = folder.iter().flat_map(|folder| USUAL_NAMES.map(|name| folder.join(name)));
        all.filter(|path| path.exists() || with_pub(path).exists()).collect()
    }

    fn known_public(&self, path: &Path) -> Option<PublicKey> {
        read_public(&with_pub(path)).ok()
    }
}

impl Keyring for SystemKeyring {
    fn signer(&self, named: Option<&Path>) -> Outcome<Box<dyn StatementSigner>> {
        if let Some(path) = named {
            return Ok(Box::new(self.of_file(path)?));
        }
        match self.of_agent()? {
            Some(signer) => Ok(Box::new(signer)),
            None => Ok(Box::new(self.of_usual_file()?)),
        }
    }
}

/// A `.pub` file's key.
pub(crate) fn read_public(path: &Path) -> Outcome<PublicKey> {
    parse_public(path, &files::read_text(path, LONGEST_KEY_FILE)?)
}

fn parse_public(path: &Path, text: &str) -> Outcome<PublicKey> {
    let unreadable = |why: sshwire::KeyError| Failure::KeyUnreadable { path: files::shown(path), why: why.to_string() };
    PublicKey::from_openssh(text).map_err(unreadable)
}

fn with_pub(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

fn ambiguous(keys: &[PublicKey]) -> Failure {
    Failure::KeyAmbiguous { keys: keys.iter().map(|key| key.fingerprint().to_string()).collect::<Vec<_>>().join(", ") }
}

/// An RSA key of 8,192 bits in PEM takes about 7 KiB.
const LONGEST_KEY_FILE: u64 = 64 << 10;
/// More than any agent should hold.
const MOST_AGENT_KEYS: usize = 256;

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Read;
    use std::process::Child;

    use super::*;

    /// A new Ed25519 key, made by the system's `ssh-keygen`.
    pub(crate) fn key_file(folder: &Path, name: &str, passphrase: &str) -> (PathBuf, PublicKey) {
        let path = folder.join(name);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", passphrase, "-C", "", "-f"])
            .arg(&path)
            .status();
        assert!(made.unwrap().success());
        let public = read_public(&with_pub(&path)).unwrap();
        (path, public)
    }

    /// A real `ssh-agent` in the foreground, ended when dropped.
    pub(crate) struct SystemAgent {
        process: Child,
        pub(crate) socket: PathBuf,
    }

    impl SystemAgent {
        pub(crate) fn start(folder: &Path) -> Self {
            let socket = folder.join("agent.sock");
            let mut process =
                Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::piped()).spawn().unwrap();
            // It announces its socket when the socket is there.
            let mut first = [0];
            process.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
            Self { process, socket }
        }

        pub(crate) fn add(&self, key: &Path) {
            let added = Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket).status();
            assert!(added.unwrap().success());
        }
    }

    impl Drop for SystemAgent {
        fn drop(&mut self) {
            self.process.kill().unwrap();
            self.process.wait().unwrap();
        }
    }

    fn keyring(home: &Path, agent: Option<&SystemAgent>) -> SystemKeyring {
        SystemKeyring {
            agent: agent.map(|agent| agent.socket.clone()),
            home: Some(home.to_owned()),
            attended: Attended::ByNobody,
        }
    }

    fn fails(keyring: &SystemKeyring, named: Option<&Path>) -> &'static str {
        keyring.signer(named).err().map(|failure| failure.code()).unwrap_or("none")
    }

    fn home() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".ssh")).unwrap();
        home
    }

    #[test]
    fn a_named_file_counts_before_everything() {
        let home = home();
        let agent = SystemAgent::start(home.path());
        let (other, _) = key_file(home.path(), "other", "");
        agent.add(&other);
        let (named, public) = key_file(home.path(), "named", "");
        let keyring = keyring(home.path(), Some(&agent));
        assert_eq!(keyring.signer(Some(&named)).unwrap().public_key(), &public);
        assert_eq!(keyring.signer(Some(&with_pub(&named))).unwrap().public_key(), &public);
        std::fs::remove_file(with_pub(&named)).unwrap();
        assert_eq!(keyring.signer(Some(&named)).unwrap().public_key(), &public, "ssh-keygen is asked");
    }

    #[test]
    fn the_only_key_of_the_agent_is_taken() {
        let home = home();
        let agent = SystemAgent::start(home.path());
        assert_eq!(fails(&keyring(home.path(), Some(&agent)), None), "key-missing", "an empty agent holds no key");
        let (path, public) = key_file(home.path(), "id", "");
        agent.add(&path);
        assert_eq!(keyring(home.path(), Some(&agent)).signer(None).unwrap().public_key(), &public);
    }

    #[test]
    fn of_several_in_the_agent_the_usual_one_is_taken_or_none() {
        let home = home();
        let agent = SystemAgent::start(home.path());
        let (first, _) = key_file(home.path(), "first", "");
        let (usual, public) = key_file(&home.path().join(".ssh"), "id_ed25519", "");
        agent.add(&first);
        agent.add(&usual);
        assert_eq!(keyring(home.path(), Some(&agent)).signer(None).unwrap().public_key(), &public);
        std::fs::remove_file(&usual).unwrap();
        std::fs::remove_file(with_pub(&usual)).unwrap();
        assert_eq!(fails(&keyring(home.path(), Some(&agent)), None), "key-ambiguous");
    }

    #[test]
    fn without_an_agent_the_usual_file_is_taken() {
        let home = home();
        assert_eq!(fails(&keyring(home.path(), None), None), "key-missing");
        let (path, public) = key_file(&home.path().join(".ssh"), "id_ed25519", "");
        assert_eq!(keyring(home.path(), None).signer(None).unwrap().public_key(), &public);
        std::fs::copy(&path, home.path().join(".ssh/id_ed25519_sk")).unwrap();
        assert_eq!(fails(&keyring(home.path(), None), None), "key-ambiguous");
    }

    #[test]
    fn files_that_are_no_keys_are_named() {
        let home = home();
        let text = home.path().join("notes");
        std::fs::write(&text, "not a key").unwrap();
        assert_eq!(fails(&keyring(home.path(), None), Some(&text)), "key-unreadable");
        assert_eq!(fails(&keyring(home.path(), None), Some(&home.path().join("nothing"))), "file-unreadable");
    }
}
