//! The verifier's trust directory: `founders` with the fingerprints they confirmed to each other, and `log.policy` as C2SP
//! `tlog-policy` has it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use domain::event::Founding;
use ledger::Policy;
use sshwire::Fingerprint;

use crate::failure::{Failure, Outcome};
use crate::files::{self, Readers};

/// What a verifier goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrustDir {
    pub(crate) trust: tegata::Trust,
    pub(crate) policy: Policy,
}

impl TrustDir {
    pub(crate) fn read(dir: Option<&Path>) -> Outcome<Self> {
        let dir = dir.ok_or(Failure::TrustMissing)?;
        let (founders, policy) = (dir.join(FOUNDERS), dir.join(LOG_POLICY));
        let trust = tegata::Trust { founders: read_founders(&founders)? };
        let parsed = Policy::parse(&files::read(&policy, LONGEST_FILE)?);
        let policy = parsed.map_err(|error| unreadable(&policy, error.to_string()))?;
        Ok(Self { trust, policy })
    }

    /// The installations whose ledgers it trusts: their names are those of the log keys.
    pub(crate) fn origins(dir: &Path) -> Outcome<Vec<String>> {
        let read = Self::read(Some(dir))?;
        Ok(read.policy.logs().iter().map(|log| log.name().to_string()).collect())
    }

    /// Writes a new directory that trusts this founding; gives the paths of its files.
    pub(crate) fn write(dir: &Path, founding: &Founding) -> Outcome<[PathBuf; 2]> {
        let unwritable =
            |error: std::io::Error| Failure::FileUnwritable { path: files::shown(dir), why: error.to_string() };
        std::fs::create_dir_all(dir).map_err(unwritable)?;
        let log = tegata::log_verifier(founding).map_err(|error| Failure::FoundingFails { why: error.to_string() })?;
        let (founders, policy) = (dir.join(FOUNDERS), dir.join(LOG_POLICY));
        let lines = founding.founders.iter().map(|founder| format!("{}\n", founder.key.fingerprint()));
        files::create(&founders, lines.collect::<String>().as_bytes(), Readers::Everybody)?;
        files::create(&policy, format!("log {log}\nquorum none\n").as_bytes(), Readers::Everybody)?;
        Ok([founders, policy])
    }
}

/// One fingerprint in a line, a comment may follow it; empty lines and lines that begin with `#` are passed over.
fn read_founders(path: &Path) -> Outcome<BTreeSet<Fingerprint>> {
    let text = files::read_text(path, LONGEST_FILE)?;
    let mut founders = BTreeSet::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let word = line.split_whitespace().next().unwrap_or_default();
        let fingerprint =
            word.parse().map_err(|_| unreadable(path, format!("`{word}` is not a fingerprint `SHA256:…`")))?;
        founders.insert(fingerprint);
    }
    if founders.is_empty() { Err(unreadable(path, "it names no founder".into())) } else { Ok(founders) }
}

fn unreadable(path: &Path, why: String) -> Failure {
    Failure::TrustUnreadable { path: files::shown(path), why }
}

const FOUNDERS: &str = "founders";
const LOG_POLICY: &str = "log.policy";
const LONGEST_FILE: u64 = 1 << 20;
