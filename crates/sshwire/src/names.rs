//! The names that stand in certificates: of principals, and of extensions of our own.

use std::fmt;
use std::str::FromStr;

use crate::certificate::CertificateError;
use crate::text::{serde_as_text, shown};

/// Longest name, in bytes.
const MAX_NAME: usize = 63;

/// A name a certificate is good for: `[a-z0-9][a-z0-9._-]{0,62}`. No comma: sshd once split principals there
/// (CVE-2026-35414).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal(String);

/// The name of a private extension, `name@domain`, in lower case, at most 63 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtensionName(String);

serde_as_text!(Principal, ExtensionName);

impl Principal {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, CertificateError> {
        let refused = || CertificateError::BadPrincipal(shown(bytes));
        std::str::from_utf8(bytes).map_err(|_| refused())?.parse()
    }
}

impl FromStr for Principal {
    type Err = CertificateError;

    fn from_str(text: &str) -> Result<Self, CertificateError> {
        let grammar = text.bytes().all(|byte| is_name_byte(byte) || matches!(byte, b'.' | b'_'));
        let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if grammar && begins_well && text.len() <= MAX_NAME {
            Ok(Self(text.to_owned()))
        } else {
            Err(CertificateError::BadPrincipal(shown(text.as_bytes())))
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ExtensionName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, CertificateError> {
        let refused = || CertificateError::BadExtensionName(shown(bytes));
        std::str::from_utf8(bytes).map_err(|_| refused())?.parse()
    }
}

impl FromStr for ExtensionName {
    type Err = CertificateError;

    fn from_str(text: &str) -> Result<Self, CertificateError> {
        let sound = text.split_once('@').is_some_and(|(name, domain)| {
            let name_sound = !name.is_empty() && name.bytes().all(is_name_byte);
            name_sound && !domain.is_empty() && domain.bytes().all(|byte| is_name_byte(byte) || byte == b'.')
        });
        if sound && text.len() <= MAX_NAME {
            Ok(Self(text.to_owned()))
        } else {
            Err(CertificateError::BadExtensionName(shown(text.as_bytes())))
        }
    }
}

impl fmt::Display for ExtensionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}
