//! Signing statements: with the system's `ssh-keygen`, so that agent, passphrase and hardware keys work as they do for SSH.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sshwire::{PublicKey, Signature, SoftSigner};
use tegata::signatures;

use crate::failure::{Failure, Outcome};
use crate::files::{self, Readers};
use crate::screen::Attended;

/// One key that can sign.
pub(crate) trait StatementSigner {
    fn public_key(&self) -> &PublicKey;

    /// The bare signature; use [`sign`], which checks what comes back.
    fn sign_unchecked(&self, namespace: &str, statement: &[u8]) -> Outcome<Signature>;
}

/// Signs, and believes the signature only when it verifies here: by this key, over these bytes, touched if in hardware.
pub(crate) fn sign(signer: &dyn StatementSigner, namespace: &str, statement: &[u8]) -> Outcome<Signature> {
    let signature = signer.sign_unchecked(namespace, statement)?;
    let key = signer.public_key();
    let wrong = |why: signatures::SignatureFault| Failure::SignatureWrong {
        key: key.fingerprint().to_string(),
        why: why.to_string(),
    };
    signatures::check_by(key, namespace, statement, &signature).map_err(wrong)?;
    Ok(signature)
}

impl StatementSigner for SoftSigner {
    fn public_key(&self) -> &PublicKey {
        self.public_key()
    }

    fn sign_unchecked(&self, namespace: &str, statement: &[u8]) -> Outcome<Signature> {
        Ok(self.sshsig(namespace, statement))
    }
}

/// A key that `ssh-keygen` can use: a private key file, or the public half of a key in the agent.
#[derive(Debug)]
pub(crate) struct SshKeygen {
    pub(crate) key_file: PathBuf,
    pub(crate) public: PublicKey,
    pub(crate) attended: Attended,
    /// The agent's socket.
    pub(crate) agent: Option<PathBuf>,
    /// Keeps a public key file that was written for an agent's key.
    pub(crate) _scratch: Option<tempfile::TempDir>,
}

impl StatementSigner for SshKeygen {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign_unchecked(&self, namespace: &str, statement: &[u8]) -> Outcome<Signature> {
        let scratch = scratch()?;
        let message = scratch.path().join("statement");
        files::create(&message, statement, Readers::Owner)?;
        self.run(namespace, &message)?;
        let armored = files::read_text(&message.with_extension("sig"), LONGEST_ARMORED)?;
        Signature::from_armored(&armored).map_err(|why| self.failed(why.to_string()))
    }
}

impl SshKeygen {
    /// The statement is a file, not standard input: the terminal must stay free for passphrase, PIN and touch.
    fn run(&self, namespace: &str, message: &Path) -> Outcome<()> {
        let mut command = Command::new("ssh-keygen");
        command
            .args(["-q", "-Y", "sign", "-n", namespace, "-f"])
            .arg(&self.key_file)
            .arg(message)
            .stdout(Stdio::null());
        if let Some(agent) = &self.agent {
            command.env("SSH_AUTH_SOCK", agent);
        }
        match self.attended {
            Attended::ByAPerson => command.stderr(Stdio::inherit()),
            Attended::ByNobody => command.stdin(Stdio::null()).stderr(Stdio::piped()),
        };
        let finished = command.spawn().and_then(std::process::Child::wait_with_output);
        let finished = finished.map_err(|error| missing("ssh-keygen", &error))?;
        if finished.status.success() { Ok(()) } else { Err(self.failed(said(&finished.stderr))) }
    }

    fn failed(&self, why: String) -> Failure {
        Failure::SigningFailed { key: self.public.fingerprint().to_string(), why }
    }
}

/// A folder that nobody else may look into, gone when dropped.
pub(crate) fn scratch() -> Outcome<tempfile::TempDir> {
    let unwritable =
        |error: std::io::Error| Failure::FileUnwritable { path: "a temporary folder".into(), why: error.to_string() };
    tempfile::Builder::new().prefix("sekimori-").tempdir().map_err(unwritable)
}

/// A program of the system that could not be started.
pub(crate) fn missing(program: &str, error: &std::io::Error) -> Failure {
    Failure::ProgramMissing { program: program.into(), why: error.to_string() }
}

/// The end of what a program wrote to standard error, in one line.
pub(crate) fn said(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(MOST_LINES)..).unwrap_or_default();
    if last.is_empty() { "it said nothing more".into() } else { last.join("; ") }
}

/// As OpenSSH armours it, with room to spare.
const LONGEST_ARMORED: u64 = 32 << 10;
/// Lines of a program's last words that are worth showing.
const MOST_LINES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::tests::{SystemAgent, key_file};

    const STATEMENT: &[u8] = b"sekimori-hello/v1\norigin: gate.example\n";

    fn keygen(key_file: &Path, public: &PublicKey) -> SshKeygen {
        SshKeygen {
            key_file: key_file.to_owned(),
            public: public.clone(),
            attended: Attended::ByNobody,
            agent: None,
            _scratch: None,
        }
    }

    #[test]
    fn a_key_file_signs_through_ssh_keygen() {
        let folder = tempfile::tempdir().unwrap();
        let (path, public) = key_file(folder.path(), "id", "");
        let signature = sign(&keygen(&path, &public), "sekimori-hello", STATEMENT).unwrap();
        assert!(sshwire::verify(&signature, "sekimori-hello", STATEMENT).is_ok());
        assert!(sshwire::verify(&signature, "sekimori-approval", STATEMENT).is_err());
    }

    #[test]
    fn a_key_in_an_agent_signs_by_its_public_half() {
        let folder = tempfile::tempdir().unwrap();
        let (path, public) = key_file(folder.path(), "id", "");
        let agent = SystemAgent::start(folder.path());
        agent.add(&path);
        std::fs::remove_file(&path).unwrap();
        let signer = SshKeygen { agent: Some(agent.socket.clone()), ..keygen(&path.with_extension("pub"), &public) };
        let signature = sign(&signer, "sekimori-hello", STATEMENT).unwrap();
        assert!(sshwire::verify(&signature, "sekimori-hello", STATEMENT).is_ok());
        drop(agent);
        assert_eq!(sign(&signer, "sekimori-hello", STATEMENT).unwrap_err().code(), "signing-failed");
    }

    #[test]
    fn a_key_behind_a_passphrase_that_nobody_types_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let (path, public) = key_file(folder.path(), "id", "a passphrase");
        let failure = sign(&keygen(&path, &public), "sekimori-hello", STATEMENT).unwrap_err();
        assert_eq!(failure.code(), "signing-failed");
    }

    #[test]
    fn a_signature_by_another_key_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = key_file(folder.path(), "id", "");
        let (_, other) = key_file(folder.path(), "other", "");
        assert_eq!(sign(&keygen(&path, &other), "sekimori-hello", STATEMENT).unwrap_err().code(), "signature-wrong");
    }

    #[test]
    fn the_last_words_of_a_program_are_kept_short() {
        assert_eq!(said(b""), "it said nothing more");
        assert_eq!(said(b"a\n\nb\nc\nd\ne\n"), "b; c; d; e");
    }
}
