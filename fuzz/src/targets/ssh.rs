//! SSH keys, certificates and signatures: what is read has one spelling, and nothing but what our keys signed is theirs.

use sshwire::{Certificate, CertificateView, PublicKey, Signature};

use crate::seeds;

pub(super) fn key(data: &[u8]) {
    if let Ok(key) = PublicKey::from_wire(data) {
        assert_eq!(key.wire(), data);
        assert_eq!(key.to_openssh().parse::<PublicKey>().unwrap(), key);
    }
    if let Ok(key) = std::str::from_utf8(data).unwrap_or_default().parse::<PublicKey>() {
        assert_eq!(PublicKey::from_wire(key.wire()).unwrap(), key);
        let fingerprint = key.fingerprint().to_string();
        assert_eq!(fingerprint.parse::<sshwire::Fingerprint>().unwrap(), key.fingerprint());
        let _printed = (key.key_material_id().to_string(), format!("{key:?}"));
    }
}

pub(super) fn certificate(data: &[u8]) {
    if let Ok(view) = CertificateView::parse(data) {
        let certificate = Certificate::from_wire(data).unwrap();
        assert_eq!(certificate.wire(), data);
        assert_eq!(certificate.to_openssh().parse::<Certificate>().unwrap(), certificate);
        // What it says, said again, are the bytes that were signed.
        let again = view.spec().to_be_signed(*view.nonce(), view.claimed_ca()).unwrap();
        assert!(data.starts_with(again.bytes()), "a certificate has two spellings");
        if view.verify(seeds::authority().public_key()).is_ok() {
            assert!(seeds::made_certificates().contains(&certificate), "a certificate that nobody made verifies");
        }
        let _true_or_not = view.verify(view.claimed_ca());
    }
    if let Ok(certificate) = std::str::from_utf8(data).unwrap_or_default().parse::<Certificate>() {
        assert_eq!(Certificate::from_wire(certificate.wire()).unwrap(), certificate);
    }
}

pub(super) fn signature(data: &[u8]) {
    if let Ok(signature) = Signature::from_wire(data) {
        assert_eq!(signature.wire(), data);
        judged(&signature);
    }
    if let Ok(signature) = Signature::from_armored(std::str::from_utf8(data).unwrap_or_default()) {
        judged(&signature);
    }
}

fn judged(signature: &Signature) {
    assert_eq!(&Signature::from_armored(&signature.to_armored()).unwrap(), signature);
    let _printed = format!("{signature:?}");
    let made = seeds::made_signatures();
    let ours = made.iter().any(|one| one.claimed_key() == signature.claimed_key());
    let says = |message: &[u8]| sshwire::verify(signature, signature.claimed_namespace(), message).is_ok();
    if says(seeds::MESSAGE) && ours {
        assert!(made.contains(signature), "a signature that nobody made verifies");
    }
    assert!(!(says(b"another message") && ours), "a signature verifies over what was not signed");
}
