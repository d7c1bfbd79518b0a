//! SSH public keys, SSHSIG signatures and OpenSSH certificates as bytes; knows no sockets, no files, no clock.
//!
//! Everything is parsed strictly: what OpenSSH writes is read byte for byte, and what has two encodings has one here.
//! A value of these types has been checked; a signature has not been verified until [`verify`] or
//! [`CertificateView::verify`] said so.
#![warn(clippy::indexing_slicing)]

mod certificate;
mod cidr;
mod fingerprint;
mod key;
mod names;
mod reader;
mod sign;
mod signature_blob;
mod sshsig;
mod text;
mod writer;

pub use certificate::{
    Certificate, CertificateError, CertificateKind, CertificateSpec, CertificateView, MAX_CERTIFICATE,
    MAX_PRIVATE_EXTENSION, Permit, TbsCertificate,
};
pub use cidr::Cidr;
pub use fingerprint::{Fingerprint, KeyMaterialId};
pub use key::{KeyClass, KeyError, MAX_KEY, PublicKey};
pub use names::{ExtensionName, Principal};
pub use reader::{Reader, WireError};
pub use sign::SoftSigner;
pub use signature_blob::Presence;
pub use sshsig::{HashAlgorithm, MAX_NAMESPACE, MAX_SIGNATURE, SigError, Signature, SignedBy, to_be_signed, verify};
pub use text::TextError;
pub use writer::Writer;
