//! Parsers under arbitrary bytes and under sound inputs that were mutated: no panic, and nothing has two forms.

use std::fmt::Display;
use std::str::FromStr;

use proptest::prelude::*;
use proptest::sample::Index;
use sshwire::{
    Certificate, CertificateView, Cidr, ExtensionName, Fingerprint, KeyMaterialId, Principal, PublicKey, Signature,
    SoftSigner, Writer, verify,
};

use crate::certificates::Certify as _;
use crate::software_token::{SoftwareToken, TOUCHED};

const NAMESPACE: &str = "sekimori-approval@example.org";
const MESSAGE: &[u8] = b"decision: approve\n";

/// One thing that an attacker or a bad disk does to bytes.
#[derive(Debug, Clone)]
enum Mutation {
    Flip(Index, u8),
    Cut(Index),
    Drop(Index),
    Insert(Index, u8),
    /// Repeats a piece behind itself.
    Repeat(Index, Index),
    /// Writes a number where a length may stand.
    Length(Index, u32),
    /// A leading zero, and the length before it one more.
    LeadingZero(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    use Mutation::{Cut, Drop, Flip, Insert, LeadingZero, Length, Repeat};
    prop_oneof![
        (any::<Index>(), 1..=u8::MAX).prop_map(|(at, mask)| Flip(at, mask)),
        any::<Index>().prop_map(Cut),
        any::<Index>().prop_map(Drop),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Insert(at, byte)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Repeat(from, to)),
        (any::<Index>(), prop_oneof![0..=64_u32, any::<u32>()]).prop_map(|(at, number)| Length(at, number)),
        any::<Index>().prop_map(LeadingZero),
    ]
}

fn mutated(sound: &[u8], mutations: &[Mutation]) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    for mutation in mutations {
        if !bytes.is_empty() {
            apply(mutation, &mut bytes);
        }
    }
    bytes
}

fn apply(mutation: &Mutation, bytes: &mut Vec<u8>) {
    let len = bytes.len();
    match mutation {
        Mutation::Flip(at, mask) => bytes[at.index(len)] ^= mask,
        Mutation::Cut(at) => bytes.truncate(at.index(len)),
        Mutation::Drop(at) => drop(bytes.remove(at.index(len))),
        Mutation::Insert(at, byte) => bytes.insert(at.index(len), *byte),
        Mutation::Repeat(from, to) => {
            let (from, to) = (from.index(len).min(to.index(len)), from.index(len).max(to.index(len)));
            let piece = bytes[from..to].to_vec();
            bytes.splice(to..to, piece);
        }
        Mutation::Length(at, number) => {
            let at = at.index(len);
            let end = (at + 4).min(len);
            bytes[at..end].copy_from_slice(&number.to_be_bytes()[..end - at]);
        }
        Mutation::LeadingZero(at) => {
            let at = at.index(len);
            bytes[at] = bytes[at].wrapping_add(1);
            bytes.insert(at + 1, 0);
        }
    }
}

fn sound_keys() -> Vec<PublicKey> {
    let rsa = Writer::new().string("ssh-rsa").string([1, 0, 1]).string([0x41; 385]).into_bytes();
    let [ed25519, ecdsa] = SoftwareToken::both();
    vec![
        ed25519.public_key(),
        ed25519.plain_twin(),
        ecdsa.public_key(),
        ecdsa.plain_twin(),
        PublicKey::from_wire(&rsa).unwrap(),
    ]
}

fn sound_signatures() -> Vec<Signature> {
    let mut signatures: Vec<_> = SoftwareToken::both().map(|token| token.sshsig(NAMESPACE, MESSAGE, TOUCHED, 3)).into();
    signatures.push(SoftSigner::from_seed(&[1; 32]).sshsig(NAMESPACE, MESSAGE));
    signatures
}

/// Gives bytes the start that a parser wants, so that it looks further.
fn behind_a_start(start: &str, bytes: &[u8]) -> Vec<u8> {
    match start {
        "SSHSIG" => Writer::new().raw(b"SSHSIG").u32(1).raw(bytes).into_bytes(),
        _ => Writer::new().string(start).raw(bytes).into_bytes(),
    }
}

const STARTS: [&str; 10] = [
    "SSHSIG",
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-ed25519-cert-v01@openssh.com",
    "",
];

/// INVARIANT: what a parser takes, it would write in the same bytes.
fn one_form_or_refused(bytes: &[u8]) {
    if let Ok(key) = PublicKey::from_wire(bytes) {
        assert_eq!(key.wire(), bytes);
        assert_eq!(key.to_openssh().parse::<PublicKey>().unwrap(), key);
        drop((key.key_material_id(), key.fingerprint(), key.application().map(str::len), format!("{key:?}")));
    }
    if let Ok(signature) = Signature::from_wire(bytes) {
        assert_eq!(signature.wire(), bytes);
        assert_eq!(Signature::from_armored(&signature.to_armored()).unwrap(), signature);
        drop((format!("{signature:?}"), verify(&signature, signature.claimed_namespace(), MESSAGE).is_ok()));
    }
    if let Ok(certificate) = Certificate::from_wire(bytes) {
        let view = CertificateView::parse(bytes).unwrap();
        let again = view.spec().to_be_signed(*view.nonce(), view.claimed_ca()).unwrap();
        assert_eq!(again.sign_with(|_| *view.signature()).wire(), bytes);
        drop((format!("{certificate:?}"), view.verify(view.claimed_ca()).is_ok()));
    }
}

/// INVARIANT: what is read from text is written as the same text.
fn one_text_or_refused<T: FromStr + Display>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes_never_panic(
        start in prop::sample::select(&STARTS[..]),
        bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        one_form_or_refused(&bytes);
        one_form_or_refused(&behind_a_start(start, &bytes));
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>(), words in "[ -~\t\n]{0,200}") {
        for text in [&text, &words] {
            one_text_or_refused::<PublicKey>(text);
            one_text_or_refused::<Certificate>(text);
            one_text_or_refused::<Signature>(text);
            one_text_or_refused::<Fingerprint>(text);
            one_text_or_refused::<KeyMaterialId>(text);
            one_text_or_refused::<Cidr>(text);
            one_text_or_refused::<Principal>(text);
            one_text_or_refused::<ExtensionName>(text);
            drop(PublicKey::from_openssh(text));
            drop(Certificate::from_openssh(text));
            drop(Signature::from_armored(text));
            drop(Signature::from_armored(&format!("-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----")));
        }
    }

    #[test]
    fn a_mutated_key_is_another_key_or_none(
        which: Index,
        mutations in prop::collection::vec(mutation(), 1..4),
    ) {
        let key = which.get(&sound_keys()).clone();
        let bytes = mutated(key.wire(), &mutations);
        one_form_or_refused(&bytes);
        if bytes != key.wire() {
            prop_assert_ne!(PublicKey::from_wire(&bytes).ok(), Some(key));
        }
    }

    #[test]
    fn a_mutated_signature_does_not_verify(
        which: Index,
        mutations in prop::collection::vec(mutation(), 1..4),
    ) {
        let signature = which.get(&sound_signatures()).clone();
        let bytes = mutated(signature.wire(), &mutations);
        one_form_or_refused(&bytes);
        if bytes != signature.wire() {
            let verified = Signature::from_wire(&bytes).and_then(|other| verify(&other, NAMESPACE, MESSAGE));
            prop_assert!(verified.is_err());
        }
    }

    #[test]
    fn a_mutated_armor_gives_the_same_signature_or_none(mutations in prop::collection::vec(mutation(), 1..3)) {
        let signature = SoftSigner::from_seed(&[1; 32]).sshsig(NAMESPACE, MESSAGE);
        let bytes = mutated(signature.to_armored().as_bytes(), &mutations);
        if let Ok(other) = Signature::from_armored(&String::from_utf8_lossy(&bytes)) {
            prop_assert!(other == signature || verify(&other, NAMESPACE, MESSAGE).is_err());
        }
    }

    #[test]
    fn a_mutated_certificate_is_not_the_cas(mutations in prop::collection::vec(mutation(), 1..4)) {
        let certificate = crate::certificates::spec().certificate();
        let bytes = mutated(certificate.wire(), &mutations);
        one_form_or_refused(&bytes);
        if bytes != certificate.wire() {
            let ca = certificate.view().claimed_ca().clone();
            let believed = CertificateView::parse(&bytes).is_ok_and(|view| view.verify(&ca).is_ok());
            prop_assert!(!believed);
        }
    }
}
