//! OpenSSH certificates of type `ssh-ed25519-cert-v01@openssh.com`, signed by an Ed25519 CA (PROTOCOL.certkeys).
//!
//! A certificate is said once, as a [`CertificateSpec`]; reading one back builds the spec and writes it again, so that
//! only the bytes that we would have written are taken. What OpenSSH reads as "anything goes" (no principals) cannot be
//! said at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::cidr::Cidr;
use crate::fingerprint::Fingerprint;
use crate::key::{KeyError, PublicKey};
use crate::names::{ExtensionName, Principal};
use crate::reader::{Reader, WireError};
use crate::signature_blob::SignatureBlob;
use crate::sshsig::SigError;
use crate::text::{KeyLine, TextError, decode_base64, key_line, serde_as_text, shown};
use crate::writer::Writer;

/// Longest certificate, in bytes. In base64 it still fits into one argument of a Linux program (128 KiB), which is how
/// sshd hands it to an `AuthorizedPrincipalsCommand`.
pub const MAX_CERTIFICATE: usize = 64 * 1024;

/// Longest content of one private extension, in bytes.
pub const MAX_PRIVATE_EXTENSION: usize = 48 * 1024;

/// Longest key id, in bytes.
const MAX_KEY_ID: usize = 256;

/// Most principals: OpenSSH's own limit.
const MAX_PRINCIPALS: usize = 256;

/// Most address ranges in `source-address`.
const MAX_SOURCES: usize = 64;

/// Longest forced command, in bytes.
const MAX_FORCE_COMMAND: usize = 4096;

const CERTIFICATE_TYPE: &str = "ssh-ed25519-cert-v01@openssh.com";
const SIGNATURE_TYPE: &str = "ssh-ed25519";
const FORCE_COMMAND: &str = "force-command";
const SOURCE_ADDRESS: &str = "source-address";

/// Why a certificate cannot be made, read or believed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateError {
    #[error("certificate is {len} bytes long, more than {MAX_CERTIFICATE}")]
    TooLong { len: usize },
    #[error("certificate is malformed: {0}")]
    Malformed(#[from] WireError),
    #[error("certificate text: {0}")]
    Text(#[from] TextError),
    #[error("certificates of type `{0}` are not taken, only `{CERTIFICATE_TYPE}`")]
    UnsupportedType(String),
    #[error("key in the certificate: {0}")]
    Key(#[from] KeyError),
    #[error("the certified key is not a plain Ed25519 key")]
    KeyNotEd25519,
    #[error("the CA key is not a plain Ed25519 key")]
    CaNotEd25519,
    #[error("signature in the certificate: {0}")]
    Signature(#[from] SigError),
    #[error("{0} is neither a user nor a host certificate")]
    UnknownKind(u32),
    #[error("a key id is 1 to {MAX_KEY_ID} printable ASCII characters without spaces")]
    BadKeyId,
    #[error("a certificate without principals is good for everybody")]
    NoPrincipals,
    #[error("{0} principals, more than {MAX_PRINCIPALS}")]
    TooManyPrincipals(usize),
    #[error("principal `{0}` is not of the form [a-z0-9][a-z0-9._-]{{0,62}}")]
    BadPrincipal(String),
    #[error("validity ends at {valid_before}, not after its start at {valid_after}")]
    NeverValid { valid_after: u64, valid_before: u64 },
    #[error("a list of source addresses names 1 to {MAX_SOURCES}")]
    BadSourceList,
    #[error("`{0}` is not a source address range in canonical form")]
    BadSourceAddress(String),
    #[error("a forced command is 1 to {MAX_FORCE_COMMAND} bytes without control characters")]
    BadForceCommand,
    #[error("a host certificate carries no options of users")]
    UserOptionOnHost,
    #[error("critical option `{0}` is not known")]
    UnknownCriticalOption(String),
    #[error("extension `{0}` is not known, and a private one is named `name@domain`")]
    BadExtensionName(String),
    #[error("content of extension `{0}` is longer than {MAX_PRIVATE_EXTENSION} bytes")]
    ExtensionTooLong(ExtensionName),
    #[error("the certificate is not in its one canonical form")]
    NotCanonical,
    #[error("signed by {found}, not by {expected}")]
    AnotherCa { expected: Fingerprint, found: Fingerprint },
    #[error("the CA's signature does not match the certificate")]
    BadSignature,
}

/// Everything that a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateSpec {
    pub kind: CertificateKind,
    /// The certified key: plain Ed25519.
    pub key: PublicKey,
    pub serial: u64,
    /// What sshd logs. 1 to 256 printable ASCII characters, no space: it must not look like the rest of a log line.
    pub key_id: String,
    /// At least one: OpenSSH takes none to mean everybody.
    pub principals: Vec<Principal>,
    /// First second of validity, since 1970.
    pub valid_after: u64,
    /// First second after validity, since 1970; later than `valid_after`.
    pub valid_before: u64,
    /// Where the certificate may come from; `None` is anywhere, an empty list is refused.
    pub source_address: Option<Vec<Cidr>>,
    /// The only command that sshd will run.
    pub force_command: Option<String>,
    /// What sshd allows beyond running a command.
    pub permits: BTreeSet<Permit>,
    /// Contents for readers of our own; others pass over them. The content is one SSH string inside the extension's data,
    /// as `ssh-keygen -O extension:name=content` writes it; empty content is empty data.
    pub private_extensions: BTreeMap<ExtensionName, Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CertificateKind {
    User,
    Host,
}

/// A standard extension of user certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permit {
    X11Forwarding,
    AgentForwarding,
    PortForwarding,
    Pty,
    UserRc,
}

/// A certificate that lacks only the CA's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct TbsCertificate {
    bytes: Vec<u8>,
}

/// A certificate that is well formed. Nothing is proved before [`CertificateView::verify`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Certificate {
    wire: Box<[u8]>,
}

/// What a certificate says, read back from its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateView {
    spec: CertificateSpec,
    nonce: [u8; 32],
    ca: PublicKey,
    signed: Vec<u8>,
    signature: [u8; 64],
}

serde_as_text!(Certificate);

impl CertificateSpec {
    /// The bytes that the CA signs. The nonce is 32 fresh random bytes: they keep a requester from choosing what is
    /// hashed.
    ///
    /// # Errors
    /// Whatever breaks a limit or a rule named at a field of this struct, or a CA that is not plain Ed25519.
    pub fn to_be_signed(&self, nonce: [u8; 32], ca: &PublicKey) -> Result<TbsCertificate, CertificateError> {
        self.check()?;
        let point = self.key.ed25519_point().ok_or(CertificateError::KeyNotEd25519)?;
        ca.ed25519_point().ok_or(CertificateError::CaNotEd25519)?;
        let bytes = Writer::new()
            .string(CERTIFICATE_TYPE)
            .string(nonce)
            .string(point)
            .u64(self.serial)
            .u32(self.kind.number())
            .string(&self.key_id)
            .string(self.packed_principals())
            .u64(self.valid_after)
            .u64(self.valid_before)
            .string(pack_options(&self.critical_options()))
            .string(pack_options(&self.extensions()))
            .string([]) // reserved
            .string(ca.wire())
            .into_bytes();
        let len = bytes.len() + SIGNATURE_FIELD_LEN;
        if len > MAX_CERTIFICATE { Err(CertificateError::TooLong { len }) } else { Ok(TbsCertificate { bytes }) }
    }

    fn check(&self) -> Result<(), CertificateError> {
        let key_id_printable = self.key_id.bytes().all(|byte| byte.is_ascii_graphic());
        if !key_id_printable || !(1..=MAX_KEY_ID).contains(&self.key_id.len()) {
            return Err(CertificateError::BadKeyId);
        }
        match self.principals.len() {
            0 => return Err(CertificateError::NoPrincipals),
            1..=MAX_PRINCIPALS => (),
            count => return Err(CertificateError::TooManyPrincipals(count)),
        }
        if self.valid_before <= self.valid_after {
            return Err(CertificateError::NeverValid {
                valid_after: self.valid_after,
                valid_before: self.valid_before,
            });
        }
        self.check_options()
    }

    fn check_options(&self) -> Result<(), CertificateError> {
        let restricts = self.source_address.is_some() || self.force_command.is_some();
        if self.kind == CertificateKind::Host && (restricts || !self.permits.is_empty()) {
            return Err(CertificateError::UserOptionOnHost);
        }
        if self.source_address.as_ref().is_some_and(|list| !(1..=MAX_SOURCES).contains(&list.len())) {
            return Err(CertificateError::BadSourceList);
        }
        if self.force_command.as_deref().is_some_and(|command| !is_command(command)) {
            return Err(CertificateError::BadForceCommand);
        }
        match self.private_extensions.iter().find(|(_, content)| content.len() > MAX_PRIVATE_EXTENSION) {
            Some((name, _)) => Err(CertificateError::ExtensionTooLong(name.clone())),
            None => Ok(()),
        }
    }

    fn packed_principals(&self) -> Vec<u8> {
        self.principals.iter().fold(Writer::new(), |packed, principal| packed.string(principal.as_str())).into_bytes()
    }

    fn critical_options(&self) -> Options<'_> {
        let command = self.force_command.as_ref().map(|command| (FORCE_COMMAND, nested(command.as_bytes())));
        let sources = self.source_address.as_ref().map(|list| {
            let list: Vec<_> = list.iter().map(Cidr::to_string).collect();
            (SOURCE_ADDRESS, nested(list.join(",").as_bytes()))
        });
        command.into_iter().chain(sources).collect()
    }

    fn extensions(&self) -> Options<'_> {
        let permits = self.permits.iter().map(|permit| (permit.name(), Vec::new()));
        let private = self.private_extensions.iter().map(|(name, content)| (name.as_str(), nested(content)));
        permits.chain(private).collect()
    }
}

impl TbsCertificate {
    /// The bytes to sign.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Completes the certificate with the CA's Ed25519 signature over [`bytes`](Self::bytes).
    pub fn sign_with(self, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Certificate {
        let signature = sign(&self.bytes);
        Certificate { wire: with_signature(self.bytes, &signature).into() }
    }
}

impl Certificate {
    /// Takes a wire blob.
    ///
    /// # Errors
    /// As [`CertificateView::parse`].
    pub fn from_wire(wire: &[u8]) -> Result<Self, CertificateError> {
        CertificateView::parse(wire).map(|_| Self { wire: wire.into() })
    }

    /// Takes a line `type base64 [comment]`, as in a `-cert.pub` file. The comment is dropped.
    ///
    /// # Errors
    /// As [`CertificateView::parse`], and for more than one line.
    pub fn from_openssh(line: &str) -> Result<Self, CertificateError> {
        let line = KeyLine::read(line)?;
        if line.type_name != CERTIFICATE_TYPE {
            return Err(CertificateError::UnsupportedType(shown(line.type_name.as_bytes())));
        }
        Self::from_wire(&decode_base64(line.base64, MAX_CERTIFICATE)?)
    }

    /// `type base64`, without a comment.
    #[must_use]
    pub fn to_openssh(&self) -> String {
        key_line(CERTIFICATE_TYPE, &self.wire)
    }

    #[must_use]
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// What the certificate says.
    #[must_use]
    pub fn view(&self) -> CertificateView {
        CertificateView::parse(&self.wire).expect("the certificate was read or written by this module")
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_openssh())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let view = self.view();
        f.debug_struct("Certificate").field("serial", &view.spec.serial).field("key_id", &view.spec.key_id).finish()
    }
}

/// Reads exactly what `Display` writes.
impl FromStr for Certificate {
    type Err = CertificateError;

    fn from_str(text: &str) -> Result<Self, CertificateError> {
        let certificate = Self::from_openssh(text)?;
        if certificate.to_openssh() == text { Ok(certificate) } else { Err(TextError::NotOneLine.into()) }
    }
}

impl CertificateView {
    /// Reads a certificate.
    ///
    /// # Errors
    /// Everything that [`CertificateSpec::to_be_signed`] and [`TbsCertificate::sign_with`] would not have written, byte for
    /// byte: other types of key or CA, options out of order, doubled or unknown, a nonce that is not 32 bytes.
    pub fn parse(wire: &[u8]) -> Result<Self, CertificateError> {
        if wire.len() > MAX_CERTIFICATE {
            return Err(CertificateError::TooLong { len: wire.len() });
        }
        let view = read_certificate(wire)?;
        let written = with_signature(view.signed.clone(), &view.signature);
        if written == wire { Ok(view) } else { Err(CertificateError::NotCanonical) }
    }

    /// Asks whether `ca` signed this; only then may the spec be believed. Whether it is valid *now* is the caller's to
    /// judge: this crate has no clock.
    ///
    /// # Errors
    /// `AnotherCa`, `BadSignature`.
    pub fn verify(&self, ca: &PublicKey) -> Result<&CertificateSpec, CertificateError> {
        if self.ca != *ca {
            return Err(CertificateError::AnotherCa { expected: ca.fingerprint(), found: self.ca.fingerprint() });
        }
        let signature = SignatureBlob::Ed25519(&self.signature);
        signature.verify(ca, &self.signed).map_err(|_| CertificateError::BadSignature)?;
        Ok(&self.spec)
    }

    /// What the certificate says. Not proved before [`verify`](Self::verify).
    #[must_use]
    pub fn spec(&self) -> &CertificateSpec {
        &self.spec
    }

    #[must_use]
    pub fn nonce(&self) -> &[u8; 32] {
        &self.nonce
    }

    /// The CA that the certificate names. Not proved.
    #[must_use]
    pub fn claimed_ca(&self) -> &PublicKey {
        &self.ca
    }

    /// The Ed25519 signature of the CA.
    #[must_use]
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }
}

/// Reads the fields and writes again what the CA must have signed.
fn read_certificate(wire: &[u8]) -> Result<CertificateView, CertificateError> {
    let mut reader = Reader::new(wire);
    let type_name = reader.string("certificate type")?;
    if type_name != CERTIFICATE_TYPE.as_bytes() {
        return Err(CertificateError::UnsupportedType(shown(type_name)));
    }
    let nonce = *reader.string_of::<32>("nonce")?;
    let spec = read_spec(&mut reader)?;
    reader.string("reserved")?; // written empty, so anything in it makes the bytes differ
    let ca = PublicKey::from_wire(reader.string("CA key")?)?;
    let signature = read_signature(reader.string("CA signature")?)?;
    reader.finish("certificate")?;
    let signed = spec.to_be_signed(nonce, &ca)?.bytes;
    Ok(CertificateView { spec, nonce, ca, signed, signature })
}

fn read_spec(reader: &mut Reader<'_>) -> Result<CertificateSpec, CertificateError> {
    let mut spec = CertificateSpec {
        key: PublicKey::ed25519(*reader.string_of("certified key")?)?,
        serial: reader.u64("serial")?,
        kind: CertificateKind::from_number(reader.u32("certificate kind")?)?,
        key_id: reader.text("key id")?.to_owned(),
        principals: read_principals(reader.string("principals")?)?,
        valid_after: reader.u64("valid after")?,
        valid_before: reader.u64("valid before")?,
        source_address: None,
        force_command: None,
        permits: BTreeSet::new(),
        private_extensions: BTreeMap::new(),
    };
    for_each_option(reader.string("critical options")?, |name, data| spec.take_critical_option(name, data))?;
    for_each_option(reader.string("extensions")?, |name, data| spec.take_extension(name, data))?;
    Ok(spec)
}

fn read_principals(packed: &[u8]) -> Result<Vec<Principal>, CertificateError> {
    let mut reader = Reader::new(packed);
    let mut principals = Vec::new();
    while !reader.is_at_end() {
        principals.push(Principal::from_bytes(reader.string("principal")?)?);
    }
    Ok(principals)
}

fn read_signature(blob: &[u8]) -> Result<[u8; 64], CertificateError> {
    match SignatureBlob::parse(blob)? {
        SignatureBlob::Ed25519(signature) => Ok(*signature),
        _ => Err(CertificateError::CaNotEd25519),
    }
}

/// Hands out name and data of each option. Order, doubles and bytes left over in the data need no check here: they do not
/// survive writing it again.
fn for_each_option(
    packed: &[u8],
    mut take: impl FnMut(&[u8], &[u8]) -> Result<(), CertificateError>,
) -> Result<(), CertificateError> {
    let mut reader = Reader::new(packed);
    while !reader.is_at_end() {
        take(reader.string("option name")?, reader.string("option data")?)?;
    }
    Ok(())
}

impl CertificateSpec {
    fn take_critical_option(&mut self, name: &[u8], data: &[u8]) -> Result<(), CertificateError> {
        let mut data = Reader::new(data);
        if name == FORCE_COMMAND.as_bytes() {
            self.force_command = Some(data.text("force-command")?.to_owned());
        } else if name == SOURCE_ADDRESS.as_bytes() {
            let list = data.text("source-address")?.split(',').map(str::parse);
            self.source_address = Some(list.collect::<Result<_, _>>()?);
        } else {
            return Err(CertificateError::UnknownCriticalOption(shown(name)));
        }
        Ok(())
    }

    fn take_extension(&mut self, name: &[u8], data: &[u8]) -> Result<(), CertificateError> {
        if let Some(permit) = Permit::from_name(name) {
            self.permits.insert(permit);
            return Ok(());
        }
        let name = ExtensionName::from_bytes(name)?;
        let content = if data.is_empty() { &[] } else { Reader::new(data).string("extension content")? };
        self.private_extensions.insert(name, content.to_vec());
        Ok(())
    }
}

/// Options by name. PROTOCOL.certkeys asks for lexical order and no name twice: a map has both.
type Options<'a> = BTreeMap<&'a str, Vec<u8>>;

fn pack_options(options: &Options<'_>) -> Vec<u8> {
    options.iter().fold(Writer::new(), |packed, (name, data)| packed.string(name).string(data)).into_bytes()
}

/// An option's value as its data: one SSH string, or nothing at all for a flag.
fn nested(value: &[u8]) -> Vec<u8> {
    if value.is_empty() { Vec::new() } else { Writer::new().string(value).into_bytes() }
}

fn with_signature(signed: Vec<u8>, signature: &[u8; 64]) -> Vec<u8> {
    let blob = Writer::new().string(SIGNATURE_TYPE).string(signature).into_bytes();
    [signed, Writer::new().string(blob).into_bytes()].concat()
}

/// What `with_signature` adds: three lengths, the algorithm's name and the signature.
const SIGNATURE_FIELD_LEN: usize = 4 + 4 + SIGNATURE_TYPE.len() + 4 + 64;

fn is_command(command: &str) -> bool {
    (1..=MAX_FORCE_COMMAND).contains(&command.len()) && !command.chars().any(char::is_control)
}

impl CertificateKind {
    fn number(self) -> u32 {
        match self {
            Self::User => 1,
            Self::Host => 2,
        }
    }

    fn from_number(number: u32) -> Result<Self, CertificateError> {
        match number {
            1 => Ok(Self::User),
            2 => Ok(Self::Host),
            other => Err(CertificateError::UnknownKind(other)),
        }
    }
}

impl Permit {
    pub const ALL: [Self; 5] =
        [Self::X11Forwarding, Self::AgentForwarding, Self::PortForwarding, Self::Pty, Self::UserRc];

    /// The extension's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::X11Forwarding => "permit-X11-forwarding",
            Self::AgentForwarding => "permit-agent-forwarding",
            Self::PortForwarding => "permit-port-forwarding",
            Self::Pty => "permit-pty",
            Self::UserRc => "permit-user-rc",
        }
    }

    fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|permit| permit.name().as_bytes() == name)
    }
}
