//! What the CA key signs, and nothing else: a short certificate for one key, one principal, one window; and the log key's notes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use channel::keeper::KeeperRefusal;
use domain::motion::Principal;
use domain::{Timestamp, Window};
use ledger::{NoteSigner, VerifierKey};
use sshwire::{Certificate, CertificateKind, CertificateSpec, ExtensionName, Permit, PublicKey, SoftSigner};

use crate::{Config, keys};

/// What a proof allows to be certified. There is no forwarding in it, and nothing that could ask for any.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) subject: PublicKey,
    pub(crate) serial: u64,
    pub(crate) key_id: String,
    pub(crate) principal: Principal,
    pub(crate) valid: Seconds,
    pub(crate) force_command: Option<&'static str>,
    pub(crate) permits: BTreeSet<Permit>,
    pub(crate) extensions: BTreeMap<ExtensionName, Vec<u8>>,
}

/// A window in whole seconds, as certificates have it: the end is the first second after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seconds {
    pub(crate) after: u64,
    pub(crate) before: u64,
}

impl Seconds {
    /// `window` without its last fraction of a second, if it holds `now` even so and ends at most `longest` after.
    pub(crate) fn within(window: &Window, longest: Duration, now: Timestamp) -> Result<Self, KeeperRefusal> {
        let (after, before) = (window.from().seconds(), window.until().seconds());
        if !(after..before).contains(&now.seconds()) || window.until() > now.plus(longest) {
            let why =
                format!("the certificate would be valid from {} until {}, it is {now}", window.from(), window.until());
            return Err(KeeperRefusal::NotStanding { why });
        }
        let unsigned = |seconds| u64::try_from(seconds).expect("timestamps are later than 1970");
        Ok(Self { after: unsigned(after), before: unsigned(before) })
    }
}

impl Order {
    /// The certificate as a line of OpenSSH's.
    pub(crate) fn sign(self, config: &Config, ca: &SoftSigner) -> Result<String, KeeperRefusal> {
        let unfit = |error: sshwire::CertificateError| KeeperRefusal::Malformed { why: error.to_string() };
        let mut nonce = [0; 32];
        keys::fill(&mut nonce);
        let to_sign = self.spec(config).map_err(unfit)?.to_be_signed(nonce, ca.public_key()).map_err(unfit)?;
        let certificate: Certificate = to_sign.sign_with(|bytes| ca.sign_raw(bytes));
        Ok(certificate.to_openssh())
    }

    fn spec(self, config: &Config) -> Result<CertificateSpec, sshwire::CertificateError> {
        Ok(CertificateSpec {
            kind: CertificateKind::User,
            key: self.subject,
            serial: self.serial,
            key_id: self.key_id,
            principals: vec![self.principal.as_str().parse()?],
            valid_after: self.valid.after,
            valid_before: self.valid.before,
            source_address: (!config.sources.is_empty()).then(|| config.sources.clone()),
            force_command: self.force_command.map(str::to_owned),
            permits: self.permits,
            private_extensions: self.extensions,
        })
    }
}

/// The log key under the name that the founding gives it.
pub(crate) struct LogSigner<'a> {
    pub(crate) key: &'a VerifierKey,
    pub(crate) signer: &'a SoftSigner,
}

impl NoteSigner for LogSigner<'_> {
    fn key(&self) -> &VerifierKey {
        self.key
    }

    fn sign(&self, text: &[u8]) -> ledger::Result<[u8; 64]> {
        Ok(self.signer.sign_raw(text))
    }
}
