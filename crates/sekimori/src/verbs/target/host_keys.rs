//! A target's host keys: from files somebody brought from its console, or asked of it over the network.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;

use sshwire::PublicKey;

use crate::acts;
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::gate::Gate;
use crate::sign;

#[derive(Debug, Default, clap::Args)]
pub(crate) struct HostKeyArgs {
    /// A host key's .pub file, brought from the target's console
    #[arg(long, value_name = "FILE", conflicts_with = "scan")]
    pub(crate) host_key: Vec<PathBuf>,
    /// Ask the target over the network with ssh-keyscan; compare the fingerprints by another way
    #[arg(long)]
    pub(crate) scan: bool,
}

/// Where a target is reached: host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    host: String,
    port: u16,
}

impl FromStr for Place {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let unreadable = |_| Failure::AddressUnreadable { text: text.chars().take(128).collect() };
        let gate: Gate = text.parse().map_err(unreadable)?;
        match gate.user {
            None => Ok(Self { host: gate.host, port: gate.port.unwrap_or(22) }),
            Some(user) => Err(unreadable(Failure::GateUnreadable { text: user })),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl HostKeyArgs {
    /// The keys, confirmed by the person where they came over the network. None where the person asked for none.
    pub(crate) fn collect(&self, place: &Place, desk: &mut Desk<'_>) -> Outcome<Option<BTreeSet<PublicKey>>> {
        if self.scan {
            let keys = scan(place)?;
            let mut sheet = desk.sheet("say-scanned", &[("address", place.to_string().into())]);
            for key in &keys {
                sheet.row("label-host-key", acts::key_line(key));
            }
            desk.confirm_fact(&sheet, "say-host-keys-right")?;
            return Ok(Some(keys));
        }
        let keys: BTreeSet<PublicKey> = self.host_key.iter().map(|path| of_file(path)).collect::<Outcome<_>>()?;
        Ok((!keys.is_empty()).then_some(keys))
    }
}

fn of_file(path: &Path) -> Outcome<PublicKey> {
    let text = files::read_text(path, LONGEST_FILE)?;
    let unreadable =
        |why: sshwire::KeyError| Failure::HostKeyUnreadable { path: files::shown(path), why: why.to_string() };
    PublicKey::from_openssh(&text).map_err(unreadable)
}

fn scan(place: &Place) -> Outcome<BTreeSet<PublicKey>> {
    let mut command = Command::new("ssh-keyscan");
    command.args(["-T", "10", "-p", &place.port.to_string(), "--", &place.host]).stdin(Stdio::null());
    let output = command.output().map_err(|error| sign::missing("ssh-keyscan", &error))?;
    let keys = read_scan(&String::from_utf8_lossy(&output.stdout));
    let failed = || Failure::ScanFailed { address: place.to_string(), why: sign::said(&output.stderr) };
    if keys.is_empty() { Err(failed()) } else { Ok(keys) }
}

/// Lines `host type base64`. Kinds that the gate does not take are passed over.
fn read_scan(text: &str) -> BTreeSet<PublicKey> {
    let lines = text.lines().filter(|line| !line.starts_with('#')).take(MOST_LINES);
    lines.filter_map(|line| PublicKey::from_openssh(line.split_once(' ')?.1).ok()).collect()
}

const LONGEST_FILE: u64 = 64 << 10;
/// A server has one key of each kind.
const MOST_LINES: usize = 16;

#[cfg(test)]
mod tests {
    use sshwire::SoftSigner;

    use super::*;

    #[test]
    fn a_place_has_a_port() {
        for (text, place) in
            [("db1", "db1:22"), ("db1:2222", "db1:2222"), ("[::1]:22", "[::1]:22"), ("10.0.0.1", "10.0.0.1:22")]
        {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), place);
        }
        for text in ["", "root@db1", "-oX", "db 1", "db1:0"] {
            assert_eq!(text.parse::<Place>().unwrap_err().code(), "address-unreadable", "{text:?}");
        }
    }

    #[test]
    fn a_scan_is_read_line_by_line() {
        let key = SoftSigner::from_seed(&[1; 32]).public_key().clone();
        let text = format!("# db1:22 SSH-2.0-OpenSSH_9.2\ndb1 {key}\n\ngarbage\ndb1 ssh-dss AAAA\n[db1]:2222 {key}\n");
        assert_eq!(read_scan(&text), BTreeSet::from([key]));
        assert!(read_scan("").is_empty());
    }
}
