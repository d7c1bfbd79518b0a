//! `sk-` keys, signed with by an authenticator made of software (OpenSSH's PROTOCOL.u2f).

use sshwire::{HashAlgorithm, Presence, PublicKey, SigError, Signature, SoftSigner, Writer, to_be_signed, verify};

use crate::software_token::{PIN_GIVEN, SoftwareToken, TOUCHED};
use crate::workshop::Workshop;

const NAMESPACE: &str = "sekimori-approval@example.org";
const MESSAGE: &[u8] = b"decision: approve\n";

#[test]
fn signatures_of_a_token_verify_here_and_in_ssh_keygen() {
    let workshop = Workshop::new();
    for token in SoftwareToken::both() {
        let signature = token.sshsig(NAMESPACE, MESSAGE, TOUCHED | PIN_GIVEN, 41);
        let signed_by = verify(&signature, NAMESPACE, MESSAGE).unwrap();
        assert_eq!(signed_by.key, token.public_key());
        let presence = Presence::HardwareKey { user_present: true, user_verified: true, counter: 41 };
        assert_eq!(signed_by.presence, presence);
        assert!(workshop.verifies(&token.public_key(), NAMESPACE, MESSAGE, &signature), "OpenSSH agrees");
        assert!(!workshop.verifies(&token.public_key(), NAMESPACE, b"another", &signature), "and looks");
    }
}

#[test]
fn flags_and_counter_are_told_as_they_were_signed() {
    let workshop = Workshop::new();
    for token in SoftwareToken::both() {
        for (flags, user_present, user_verified) in [
            (0, false, false),
            (TOUCHED, true, false),
            (PIN_GIVEN, false, true),
            (TOUCHED | PIN_GIVEN, true, true),
            (0x18, false, false), // backup eligible, backed up
        ] {
            for counter in [0, 1, u32::MAX] {
                let signature = token.sshsig(NAMESPACE, MESSAGE, flags, counter);
                let presence = verify(&signature, NAMESPACE, MESSAGE).unwrap().presence;
                assert_eq!(presence, Presence::HardwareKey { user_present, user_verified, counter });
            }
        }
        let untouched = token.sshsig(NAMESPACE, MESSAGE, 0, 1);
        assert!(workshop.verifies(&token.public_key(), NAMESPACE, MESSAGE, &untouched), "the same bytes in OpenSSH");
    }
}

#[test]
fn a_touch_cannot_be_added_afterwards() {
    for token in SoftwareToken::both() {
        let data = to_be_signed(NAMESPACE, HashAlgorithm::Sha512, MESSAGE);
        let mut blob = token.sign(&data, 0, 5);
        let flags = blob.len() - 5;
        assert_eq!(blob[flags], 0);
        blob[flags] = TOUCHED;
        assert_eq!(verified(&token, &blob), Err(SigError::BadSignature));
        let mut recounted = token.sign(&data, TOUCHED, 5);
        assert_eq!(recounted.pop(), Some(5));
        recounted.push(6);
        assert_eq!(verified(&token, &recounted), Err(SigError::BadSignature));
    }
}

#[test]
fn the_application_is_part_of_what_is_signed() {
    for token in SoftwareToken::both() {
        let key = under_another_application(&token);
        assert_ne!(key, token.public_key());
        let blob = token.sign(&to_be_signed(NAMESPACE, HashAlgorithm::Sha512, MESSAGE), TOUCHED, 5);
        let moved = Signature::assemble(&key, NAMESPACE, HashAlgorithm::Sha512, &blob).unwrap();
        assert_eq!(verify(&moved, NAMESPACE, MESSAGE), Err(SigError::BadSignature));
    }
}

#[test]
fn a_plain_signature_does_not_pass_for_a_hardware_one() {
    let signer = SoftSigner::from_seed(&[1; 32]);
    let data = to_be_signed(NAMESPACE, HashAlgorithm::Sha512, MESSAGE);
    let point = signer.public_key().ed25519_point().unwrap();
    let wire = Writer::new().string("sk-ssh-ed25519@openssh.com").string(point).string("ssh:").into_bytes();
    let key = PublicKey::from_wire(&wire).unwrap();
    let pretended = Writer::new()
        .string("sk-ssh-ed25519@openssh.com")
        .string(signer.sign_raw(&data))
        .byte(TOUCHED)
        .u32(1)
        .into_bytes();
    let signature = Signature::assemble(&key, NAMESPACE, HashAlgorithm::Sha512, &pretended).unwrap();
    assert_eq!(verify(&signature, NAMESPACE, MESSAGE), Err(SigError::BadSignature));
}

#[test]
fn flags_and_counter_must_both_be_there_and_nothing_else() {
    for token in SoftwareToken::both() {
        let good = token.sign(&to_be_signed(NAMESPACE, HashAlgorithm::Sha512, MESSAGE), TOUCHED, 5);
        assert!(verified(&token, &good).is_ok());
        for missing in 1..=5 {
            assert!(matches!(verified(&token, &good[..good.len() - missing]), Err(SigError::Malformed(_))));
        }
        assert!(matches!(verified(&token, &[&good[..], &[0]].concat()), Err(SigError::Malformed(_))));
    }
}

/// One number in 256 is shorter than the curve's length: the verifier must fill it up.
#[test]
fn short_ecdsa_numbers_verify() {
    let token = SoftwareToken::ecdsa("ssh:");
    let data = to_be_signed(NAMESPACE, HashAlgorithm::Sha512, MESSAGE);
    let (mut short, mut tried) = (0, 0);
    while short < 3 && tried < 20_000 {
        let blob = token.sign(&data, TOUCHED, 1);
        // Type name and length; the length of r and s together; each of them has 32 or 33 bytes in most cases.
        let numbers = u32::from_be_bytes(*blob[38..].first_chunk().unwrap());
        if numbers < 4 + 32 + 4 + 32 {
            assert!(verified(&token, &blob).is_ok());
            short += 1;
        }
        tried += 1;
    }
    assert_eq!(short, 3, "{tried} signatures held too few short numbers");
}

fn verified(token: &SoftwareToken, blob: &[u8]) -> Result<Presence, SigError> {
    let signature = Signature::assemble(&token.public_key(), NAMESPACE, HashAlgorithm::Sha512, blob)?;
    verify(&signature, NAMESPACE, MESSAGE).map(|signed_by| signed_by.presence)
}

/// The token's point in a key for `ssh:elsewhere`.
fn under_another_application(token: &SoftwareToken) -> PublicKey {
    let key = token.public_key();
    let application = Writer::new().string("ssh:").into_bytes();
    let point = key.wire().strip_suffix(&application[..]).unwrap();
    PublicKey::from_wire(&Writer::new().raw(point).string("ssh:elsewhere").into_bytes()).unwrap()
}
