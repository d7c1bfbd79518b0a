//! Whom a verifier trusts: logs, witnesses, and how many of them must have cosigned (C2SP `tlog-policy`).

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    CosignerKey, Error, Result, SignedCheckpoint, VerifiedCheckpoint, VerifiedCosignature, VerifierKey, encoding,
};

/// Most bytes of a policy file.
pub const MAX_POLICY: usize = 1_048_576;

/// Most logs, and most witnesses and groups together, in one policy.
pub const MAX_POLICY_NAMES: usize = 1_024;

/// A parsed policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<VerifierKey>,
    witnesses: Vec<CosignerKey>,
    /// INVARIANT: a group's members stand before it.
    voters: Vec<Voter>,
    quorum: Quorum,
}

/// Something with a name that can be part of a quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Voter {
    /// Place in the list of witnesses.
    Witness(usize),
    /// At least `threshold` of the voters at these places.
    Group { threshold: usize, members: Vec<usize> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quorum {
    None,
    Voter(usize),
}

/// A checkpoint of a trusted log that a quorum of trusted witnesses cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessedCheckpoint {
    checkpoint: VerifiedCheckpoint,
    cosignatures: Vec<VerifiedCosignature>,
}

impl WitnessedCheckpoint {
    /// The checkpoint itself.
    #[must_use]
    pub fn checkpoint(&self) -> &VerifiedCheckpoint {
        &self.checkpoint
    }

    /// All cosignatures of witnesses the policy names, also beyond the quorum.
    #[must_use]
    pub fn cosignatures(&self) -> &[VerifiedCosignature] {
        &self.cosignatures
    }
}

impl Policy {
    /// Reads a policy file. URLs in it are passed over.
    ///
    /// # Errors
    /// [`Error::MalformedPolicy`] with the line, [`Error::TooLarge`] over [`MAX_POLICY`].
    pub fn parse(bytes: &[u8]) -> Result<Policy> {
        if bytes.len() > MAX_POLICY {
            return Err(Error::TooLarge { what: "trust policy in bytes", limit: MAX_POLICY as u64 });
        }
        let mut draft = Draft::default();
        let mut last_line = 0;
        for (at, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
            last_line = at + 1;
            draft.take(line).map_err(|why| Error::MalformedPolicy { line: last_line, why })?;
        }
        draft.finish().map_err(|why| Error::MalformedPolicy { line: last_line, why })
    }

    /// Verifies a checkpoint: signed by a log of this policy, cosigned by its quorum.
    ///
    /// # Errors
    /// [`Error::NoTrustedSignature`] if its log is none of these or did not sign, [`Error::BadSignature`] if any line in
    /// the name of a known log or witness is false, [`Error::QuorumNotMet`].
    pub fn verify(&self, checkpoint: SignedCheckpoint) -> Result<WitnessedCheckpoint> {
        let origin = checkpoint.claimed().origin.key_name();
        let keys: Vec<VerifierKey> = self.logs.iter().filter(|log| log.name() == origin).cloned().collect();
        let checkpoint = checkpoint.verify_any(&keys)?;
        let cosignatures = checkpoint.cosignatures(&self.witnesses)?;
        if !self.quorum_met(cosignatures.iter().map(VerifiedCosignature::witness)) {
            return Err(Error::QuorumNotMet);
        }
        Ok(WitnessedCheckpoint { checkpoint, cosignatures })
    }

    /// Whether cosignatures of these witnesses, all verified on one checkpoint, reach the quorum.
    #[must_use]
    pub fn quorum_met<'w>(&self, cosigned: impl IntoIterator<Item = &'w CosignerKey>) -> bool {
        let Quorum::Voter(quorum) = self.quorum else { return true };
        let cosigned: BTreeSet<&CosignerKey> = cosigned.into_iter().collect();
        let mut met: Vec<bool> = Vec::with_capacity(self.voters.len());
        for voter in &self.voters {
            met.push(match voter {
                Voter::Witness(place) => self.witnesses.get(*place).is_some_and(|witness| cosigned.contains(witness)),
                Voter::Group { threshold, members } => {
                    members.iter().filter(|&&member| met.get(member) == Some(&true)).count() >= *threshold
                }
            });
        }
        met.get(quorum) == Some(&true)
    }

    /// The logs that are accepted.
    #[must_use]
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// The witnesses that are known.
    #[must_use]
    pub fn witnesses(&self) -> &[CosignerKey] {
        &self.witnesses
    }
}

/// A policy while it is read. Names are octets: their meaning must not hang on a Unicode version.
#[derive(Default)]
struct Draft<'a> {
    logs: Vec<VerifierKey>,
    witnesses: Vec<CosignerKey>,
    voters: Vec<Voter>,
    names: BTreeMap<&'a [u8], usize>,
    grouped: BTreeSet<usize>,
    quorum: Option<Quorum>,
}

/// What is wrong with a line, in words for whoever wrote it.
type Fault = String;

impl<'a> Draft<'a> {
    fn take(&mut self, line: &'a [u8]) -> std::result::Result<(), Fault> {
        let line = line.strip_suffix(b"\n").ok_or("it does not end in a newline")?;
        if let Some(byte) = line.iter().find(|&&byte| byte != b'\t' && byte.is_ascii_control()) {
            return Err(format!("it has the control character 0x{byte:02x}"));
        }
        let words: Vec<&[u8]> =
            line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", vkey] | [b"log", vkey, _] => self.log(vkey),
            [b"witness", name, vkey] | [b"witness", name, vkey, _] => self.witness(name, vkey),
            [b"group", name, threshold, members @ ..] => self.group(name, threshold, members),
            [b"quorum", name] => self.quorum(name),
            [first, ..] => Err(format!(
                "`{}` with {} more words is none of `log VKEY [URL]`, `witness NAME VKEY [URL]`, `group NAME all|any|K NAME...`, `quorum NAME`",
                first.escape_ascii(),
                words.len() - 1
            )),
        }
    }

    fn log(&mut self, vkey: &[u8]) -> std::result::Result<(), Fault> {
        let log: VerifierKey = parse_vkey(vkey)?;
        if self.logs.iter().any(|other| other.public_key() == log.public_key()) {
            return Err(format!("another log has the public key of `{}`", log.name()));
        }
        if self.logs.len() == MAX_POLICY_NAMES {
            return Err(format!("there are more than {MAX_POLICY_NAMES} logs"));
        }
        self.logs.push(log);
        Ok(())
    }

    fn witness(&mut self, name: &'a [u8], vkey: &[u8]) -> std::result::Result<(), Fault> {
        let witness: CosignerKey = parse_vkey(vkey)?;
        if self.witnesses.iter().any(|other| other.public_key() == witness.public_key()) {
            return Err(format!("another witness has the public key of `{}`", witness.name()));
        }
        self.define(name, Voter::Witness(self.witnesses.len()))?;
        self.witnesses.push(witness);
        Ok(())
    }

    fn group(&mut self, name: &'a [u8], threshold: &[u8], members: &[&[u8]]) -> std::result::Result<(), Fault> {
        let members = members.iter().map(|member| self.member(member)).collect::<std::result::Result<Vec<_>, _>>()?;
        let threshold = match threshold {
            b"all" => members.len(),
            b"any" => 1,
            number => parse_threshold(number)?,
        };
        if !(1..=members.len()).contains(&threshold) {
            return Err(format!("a group of {} members has no threshold {threshold}", members.len()));
        }
        self.define(name, Voter::Group { threshold, members })
    }

    /// The place of a name, which from now on belongs to a group: each witness counts in one way only.
    fn member(&mut self, name: &[u8]) -> std::result::Result<usize, Fault> {
        let place = self.place(name)?;
        if self.grouped.insert(place) {
            Ok(place)
        } else {
            Err(format!("`{}` is in a group already", name.escape_ascii()))
        }
    }

    fn quorum(&mut self, name: &[u8]) -> std::result::Result<(), Fault> {
        if self.quorum.is_some() {
            return Err("there is a second quorum".into());
        }
        self.quorum = Some(if name == NOBODY { Quorum::None } else { Quorum::Voter(self.place(name)?) });
        Ok(())
    }

    fn place(&self, name: &[u8]) -> std::result::Result<usize, Fault> {
        self.names.get(name).copied().ok_or_else(|| format!("`{}` is not defined above", name.escape_ascii()))
    }

    fn define(&mut self, name: &'a [u8], voter: Voter) -> std::result::Result<(), Fault> {
        if name == NOBODY {
            return Err("`none` cannot be the name of a witness or group".into());
        }
        if self.voters.len() == MAX_POLICY_NAMES {
            return Err(format!("there are more than {MAX_POLICY_NAMES} witnesses and groups"));
        }
        if self.names.insert(name, self.voters.len()).is_some() {
            return Err(format!("`{}` is defined twice", name.escape_ascii()));
        }
        self.voters.push(voter);
        Ok(())
    }

    fn finish(self) -> std::result::Result<Policy, Fault> {
        let quorum = self.quorum.ok_or("there is no quorum in the whole file")?;
        Ok(Policy { logs: self.logs, witnesses: self.witnesses, voters: self.voters, quorum })
    }
}

fn parse_vkey<K: std::str::FromStr<Err = Error>>(word: &[u8]) -> std::result::Result<K, Fault> {
    let vkey = str::from_utf8(word).map_err(|_| "a verifier key is not UTF-8")?;
    vkey.parse().map_err(|error: Error| error.to_string())
}

fn parse_threshold(word: &[u8]) -> std::result::Result<usize, Fault> {
    let number = str::from_utf8(word).ok().and_then(encoding::decimal).and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| format!("`{}` is none of `all`, `any` and a plain decimal", word.escape_ascii()))
}

/// The quorum that asks for no cosignature.
const NOBODY: &[u8] = b"none";
