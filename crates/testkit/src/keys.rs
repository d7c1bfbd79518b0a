//! Key pairs, made by `ssh-keygen` as a person would.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{self, Trouble};

/// A private key file and, beside it, its `.pub`.
#[derive(Debug, Clone)]
pub struct KeyPair {
    pub private: PathBuf,
    /// `ssh-ed25519 AAAA…`, without a comment.
    pub public: String,
}

impl KeyPair {
    /// A new Ed25519 key without a passphrase.
    ///
    /// # Errors
    /// When `ssh-keygen` is not there, or the file is.
    pub fn make(private: &Path) -> Result<Self, Trouble> {
        process::run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(private))?;
        Self::read(private)
    }

    /// One that was made before.
    ///
    /// # Errors
    /// When its `.pub` cannot be read.
    pub fn read(private: &Path) -> Result<Self, Trouble> {
        let path = private.with_extension("pub");
        let line = fs::read_to_string(&path).map_err(Trouble::at(path.display()))?;
        let public = line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        Ok(Self { private: private.to_owned(), public })
    }

    /// The `.pub` file.
    pub fn public_file(&self) -> PathBuf {
        self.private.with_extension("pub")
    }

    /// `SHA256:…`
    ///
    /// # Errors
    /// When `ssh-keygen` cannot read the key.
    pub fn fingerprint(&self) -> Result<String, Trouble> {
        let line = process::run(Command::new("ssh-keygen").arg("-lf").arg(self.public_file()))?;
        let word = line.split_whitespace().nth(1);
        word.map(str::to_owned).ok_or_else(|| Trouble(format!("ssh-keygen gave no fingerprint: {line}")))
    }

    /// Signs `subject`'s key as this certificate authority; the certificate lies beside the key, as `…-cert.pub`.
    ///
    /// # Errors
    /// When `ssh-keygen` will not.
    pub fn certify(&self, subject: &Self, principal: &str, validity: &str) -> Result<PathBuf, Trouble> {
        let mut command = Command::new("ssh-keygen");
        command.arg("-q").arg("-s").arg(&self.private).args(["-I", "testkit", "-n", principal, "-V", validity]);
        process::run(command.arg(subject.public_file()))?;
        let mut name = subject.private.file_name().unwrap_or_default().to_owned();
        name.push("-cert.pub");
        Ok(subject.private.with_file_name(name))
    }
}
