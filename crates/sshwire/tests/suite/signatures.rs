//! SSHSIG beside `ssh-keygen -Y`, and what is refused.

use proptest::prelude::*;
use sshwire::{
    HashAlgorithm, KeyClass, KeyError, Presence, PublicKey, SigError, Signature, SoftSigner, TextError, WireError,
    Writer, to_be_signed, verify,
};

use crate::software_token::{SoftwareToken, TOUCHED};
use crate::workshop::{SOFTWARE_KEYS, Workshop, decode};

const NAMESPACE: &str = "sekimori-approval@example.org";
const MESSAGE: &[u8] = b"sekimori-approval/v1\nrequest: req_7f3k\ndecision: approve\n";

#[test]
fn signatures_of_ssh_keygen_verify_for_each_class_and_hash() {
    let workshop = Workshop::new();
    let mut checked = 0;
    for (number, kind) in SOFTWARE_KEYS.into_iter().enumerate() {
        let name = format!("key{number}");
        let key = PublicKey::from_openssh(&workshop.generate(&name, kind)).unwrap();
        for hash in ["hashalg=sha256", "hashalg=sha512"] {
            let armored = workshop.sign(&name, NAMESPACE, MESSAGE, &["-O", hash]);
            let signature = Signature::from_armored(&armored).unwrap();
            assert_eq!(signature.to_armored(), armored, "armor is written as OpenSSH writes it");
            assert_eq!((signature.claimed_key(), signature.claimed_namespace()), (&key, NAMESPACE));

            let signed_by = verify(&signature, NAMESPACE, MESSAGE).unwrap();
            assert_eq!(signed_by.key, key);
            assert_eq!(signed_by.presence, Presence::NotAHardwareKey);
            assert_eq!(verify(&signature, NAMESPACE, b"another message"), Err(SigError::BadSignature));
            checked += 1;
        }
    }
    assert_eq!(checked, 10);
}

#[test]
fn what_we_sign_is_what_ssh_keygen_signs_and_verifies() {
    let workshop = Workshop::new();
    let signer = workshop.generate_shared("key");
    for message in [MESSAGE, b"", &[0xff; 100_000], "申請\r\n\0".as_bytes()] {
        let signature = signer.sshsig(NAMESPACE, message);
        assert_eq!(signature.to_armored(), workshop.sign("key", NAMESPACE, message, &[]));
        assert!(workshop.verifies(signer.public_key(), NAMESPACE, message, &signature));
        assert!(!workshop.verifies(signer.public_key(), "another", message, &signature));
        assert!(!workshop.verifies(signer.public_key(), NAMESPACE, b"another", &signature));
    }
}

#[test]
fn a_signature_for_another_namespace_is_blamed_for_that() {
    let signature = signer().sshsig("sekimori-request@example.org", MESSAGE);
    let wrong =
        SigError::WrongNamespace { expected: NAMESPACE.to_owned(), found: "sekimori-request@example.org".to_owned() };
    assert_eq!(verify(&signature, NAMESPACE, MESSAGE), Err(wrong));
    assert_eq!(verify(&signature, "sekimori-request@example.org", b"x"), Err(SigError::BadSignature));
}

#[test]
fn a_namespace_cannot_be_changed_afterwards() {
    let fields = Fields::of(&signer());
    let moved = Fields { namespace: b"another".to_vec(), ..fields }.signature().unwrap();
    assert_eq!(verify(&moved, "another", MESSAGE), Err(SigError::BadSignature));
}

#[test]
fn another_key_cannot_be_put_into_a_signature() {
    let stranger = SoftSigner::from_seed(&[2; 32]);
    let moved = Fields { key: stranger.public_key().wire().to_vec(), ..Fields::of(&signer()) }.signature().unwrap();
    assert_eq!(verify(&moved, NAMESPACE, MESSAGE), Err(SigError::BadSignature));
}

#[test]
fn the_hash_cannot_be_changed_afterwards() {
    let moved = Fields { hash: b"sha256".to_vec(), ..Fields::of(&signer()) }.signature().unwrap();
    assert_eq!(verify(&moved, NAMESPACE, MESSAGE), Err(SigError::BadSignature));
}

#[test]
fn fields_that_nobody_should_send_are_refused_by_name() {
    let good = || Fields::of(&signer());
    assert!(good().signature().is_ok(), "the test builds a sound signature");
    let refusals = [
        (Fields { magic: *b"SSHSIg", ..good() }, SigError::NotSshsig),
        (Fields { version: 0, ..good() }, SigError::UnsupportedVersion(0)),
        (Fields { version: 2, ..good() }, SigError::UnsupportedVersion(2)),
        (Fields { reserved: vec![0], ..good() }, SigError::ReservedInUse),
        (Fields { namespace: Vec::new(), ..good() }, SigError::BadNamespace),
        (Fields { namespace: vec![b'n'; 257], ..good() }, SigError::BadNamespace),
        (Fields { namespace: b"a\nb".to_vec(), ..good() }, WireError::NotText { field: "namespace" }.into()),
        (Fields { namespace: b"\xff".to_vec(), ..good() }, WireError::NotText { field: "namespace" }.into()),
        (Fields { hash: b"sha1".to_vec(), ..good() }, SigError::UnsupportedHash("sha1".to_owned())),
        (Fields { hash: b"SHA512".to_vec(), ..good() }, SigError::UnsupportedHash("SHA512".to_owned())),
        (Fields { tail: vec![0], ..good() }, WireError::TrailingBytes { field: "signature", count: 1 }.into()),
        (Fields { key: vec![0; 4], ..good() }, KeyError::UnsupportedType(String::new()).into()),
    ];
    for (fields, refusal) in refusals {
        assert_eq!(fields.signature(), Err(refusal));
    }
}

#[test]
fn sha1_and_unknown_algorithms_are_refused() {
    for name in ["ssh-rsa", "ssh-dss", "webauthn-sk-ecdsa-sha2-nistp256@openssh.com", "rsa-sha2-256@openssh.com", ""] {
        let blob = Writer::new().string(name).string([0; 64]).into_bytes();
        let refused = Fields { blob, ..Fields::of(&signer()) }.signature();
        assert_eq!(refused, Err(SigError::UnsupportedAlgorithm(name.to_owned())));
    }
}

#[test]
fn the_algorithm_must_be_the_keys_own() {
    let signer = signer();
    let blob = Writer::new().string("rsa-sha2-512").string([0; 384]).into_bytes();
    let refused = Fields { blob, ..Fields::of(&signer) }.signature();
    let blame = SigError::AlgorithmNotOfKey { algorithm: "rsa-sha2-512", key: KeyClass::Ed25519 };
    assert_eq!(refused, Err(blame));

    for token in SoftwareToken::both() {
        let hardware = token.sshsig(NAMESPACE, MESSAGE, TOUCHED, 1);
        let twin = token.plain_twin();
        let as_plain = Fields { key: twin.wire().to_vec(), ..Fields::read(&hardware) }.signature();
        let algorithm = token.public_key().class().name();
        assert_eq!(as_plain, Err(SigError::AlgorithmNotOfKey { algorithm, key: twin.class() }));
    }
}

#[test]
fn a_signature_blob_has_one_form() {
    let good = Fields::of(&signer());
    let longer = Fields { blob: [&good.blob[..], &[0]].concat(), ..good.clone() };
    assert_eq!(longer.signature(), Err(WireError::TrailingBytes { field: "signature blob", count: 1 }.into()));
    for len in [0, 63, 65] {
        let blob = Writer::new().string("ssh-ed25519").string(vec![0; len]).into_bytes();
        let wrong_length = WireError::WrongLength { field: "Ed25519 signature", expected: 64 };
        assert_eq!(Fields { blob, ..good.clone() }.signature(), Err(wrong_length.into()));
    }
}

#[test]
fn nothing_follows_the_numbers_of_ecdsa() {
    let token = SoftwareToken::ecdsa("ssh:");
    let fields = Fields::read(&token.sshsig(NAMESPACE, MESSAGE, TOUCHED, 1));
    let mut reader = sshwire::Reader::new(&fields.blob);
    let (name, numbers) = (reader.string("name").unwrap(), reader.string("numbers").unwrap());
    let with_numbers = |numbers: &[u8]| {
        let blob = Writer::new().string(name).string(numbers).byte(TOUCHED).u32(1).into_bytes();
        Fields { blob, ..fields.clone() }.signature()
    };
    assert!(with_numbers(numbers).is_ok());
    let trailing = WireError::TrailingBytes { field: "ECDSA signature", count: 1 };
    assert_eq!(with_numbers(&[numbers, &[0]].concat()), Err(trailing.into()));
    let zero = Writer::new().mpint(&[]).mpint(&[1]).into_bytes();
    assert_eq!(with_numbers(&zero), Err(WireError::NotCanonicalMpint { field: "ECDSA r" }.into()));
    let beyond_the_order = Writer::new().mpint(&[0xff; 32]).mpint(&[0xff; 33]).into_bytes();
    assert_eq!(verify(&with_numbers(&beyond_the_order).unwrap(), NAMESPACE, MESSAGE), Err(SigError::BadSignature));
}

#[test]
fn an_rsa_signature_is_as_long_as_its_key() {
    let workshop = Workshop::new();
    workshop.generate("key", &["-t", "rsa", "-b", "3072"]);
    let signature = Signature::from_armored(&workshop.sign("key", NAMESPACE, MESSAGE, &[])).unwrap();
    let fields = Fields::read(&signature);
    let (head, number) = fields.blob.split_at(fields.blob.len() - 384);
    assert_eq!(head, Writer::new().string("rsa-sha2-512").u32(384).into_bytes());
    for altered in [[&[0], number].concat(), number[1..].to_vec(), [number, &[0]].concat(), Vec::new()] {
        let blob = Writer::new().string("rsa-sha2-512").string(altered).into_bytes();
        let altered = Fields { blob, ..fields.clone() }.signature().unwrap();
        assert_eq!(verify(&altered, NAMESPACE, MESSAGE), Err(SigError::BadSignature));
    }
    let blob = Writer::new().string("rsa-sha2-256").string(number).into_bytes();
    let other_hash = Fields { blob, ..fields }.signature().unwrap();
    assert_eq!(verify(&other_hash, NAMESPACE, MESSAGE), Err(SigError::BadSignature));
}

#[test]
fn sizes_are_limited_before_anything_is_read() {
    assert_eq!(Signature::from_wire(&[0; 8193]), Err(SigError::TooLong { len: 8193 }));
    assert_eq!(Signature::from_armored(&"A".repeat(20_000)), Err(SigError::TooLong { len: 20_000 }));
    assert!(matches!("A".repeat(20_000).parse::<Signature>(), Err(SigError::Text(TextError::TooLong { .. }))));
}

#[test]
fn armor_is_one_block_and_nothing_else() {
    let signature = signer().sshsig(NAMESPACE, MESSAGE);
    let armored = signature.to_armored();
    for taken in [armored.clone(), armored.trim_end().to_owned(), armored.replace('\n', "\r\n")] {
        assert_eq!(Signature::from_armored(&taken), Ok(signature.clone()), "{taken}");
    }
    for refused in [
        format!("\n{armored}"),
        format!("{armored}\n"),
        format!("{armored}{armored}"),
        armored.replace("BEGIN SSH SIGNATURE", "BEGIN PGP SIGNATURE"),
        armored.replace("-----END SSH SIGNATURE-----", ""),
        armored.replace('\n', ""),
        armored.replacen('U', " U", 1),
        "-----BEGIN SSH SIGNATURE----------END SSH SIGNATURE-----".to_owned(),
        "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----".to_owned(),
        String::new(),
    ] {
        assert!(Signature::from_armored(&refused).is_err(), "{refused}");
    }
}

#[test]
fn in_json_a_signature_is_base64() {
    let signature = signer().sshsig(NAMESPACE, MESSAGE);
    let json = serde_json::to_string(&signature).unwrap();
    assert_eq!(decode(json.trim_matches('"')), signature.wire());
    assert_eq!(serde_json::from_str::<Signature>(&json).unwrap(), signature);
    assert!(serde_json::from_str::<Signature>("\"U1NIU0lH\"").is_err());
}

#[test]
fn debug_shows_no_secret_and_no_terminal_escape() {
    let seed = [0x42; 32];
    let shown = format!("{:?}", SoftSigner::from_seed(&seed));
    assert_eq!(shown, format!("SoftSigner({})", SoftSigner::from_seed(&seed).public_key().fingerprint()));
    let error = SigError::WrongNamespace { expected: "a".to_owned(), found: "b\u{202e}c".to_owned() };
    assert_eq!(error.to_string(), r#"signature was made for "b\u{202e}c", not for "a""#);
}

#[test]
fn every_changed_byte_of_a_signature_is_noticed() {
    let workshop = Workshop::new();
    let mut signatures: Vec<_> = SoftwareToken::both().map(|token| token.sshsig(NAMESPACE, MESSAGE, TOUCHED, 7)).into();
    for (number, kind) in SOFTWARE_KEYS.into_iter().enumerate() {
        let name = format!("key{number}");
        workshop.generate(&name, kind);
        signatures.push(Signature::from_armored(&workshop.sign(&name, NAMESPACE, MESSAGE, &[])).unwrap());
    }
    assert_eq!(signatures.len(), KeyClass::ALL.len());
    for signature in signatures {
        assert!(verify(&signature, NAMESPACE, MESSAGE).is_ok());
        for position in 0..signature.wire().len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut wire = signature.wire().to_vec();
                wire[position] ^= mask;
                let changed = Signature::from_wire(&wire);
                let verified = changed.and_then(|changed| verify(&changed, NAMESPACE, MESSAGE));
                assert!(verified.is_err(), "{signature:?}: byte {position} ^ {mask:#x}");
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_signed_verifies_and_no_changed_byte_does(
        seed: [u8; 32],
        message in prop::collection::vec(any::<u8>(), 1..2000),
        position: prop::sample::Index,
        mask in 1..=u8::MAX,
    ) {
        let signer = SoftSigner::from_seed(&seed);
        let signature = signer.sshsig(NAMESPACE, &message);
        prop_assert_eq!(&verify(&signature, NAMESPACE, &message).unwrap().key, signer.public_key());
        prop_assert_eq!(&Signature::from_wire(signature.wire()).unwrap(), &signature);
        prop_assert_eq!(&Signature::from_armored(&signature.to_armored()).unwrap(), &signature);
        prop_assert_eq!(&signature.to_string().parse::<Signature>().unwrap(), &signature);

        let mut changed = message.clone();
        changed[position.index(message.len())] ^= mask;
        prop_assert_eq!(verify(&signature, NAMESPACE, &changed), Err(SigError::BadSignature));
    }
}

fn signer() -> SoftSigner {
    SoftSigner::from_seed(&[1; 32])
}

/// The fields of an SSHSIG, to be bent one by one.
#[derive(Clone)]
struct Fields {
    magic: [u8; 6],
    version: u32,
    key: Vec<u8>,
    namespace: Vec<u8>,
    reserved: Vec<u8>,
    hash: Vec<u8>,
    blob: Vec<u8>,
    tail: Vec<u8>,
}

impl Fields {
    fn of(signer: &SoftSigner) -> Self {
        let raw = signer.sign_raw(&to_be_signed(NAMESPACE, HashAlgorithm::Sha512, MESSAGE));
        Self {
            magic: *b"SSHSIG",
            version: 1,
            key: signer.public_key().wire().to_vec(),
            namespace: NAMESPACE.into(),
            reserved: Vec::new(),
            hash: b"sha512".to_vec(),
            blob: Writer::new().string("ssh-ed25519").string(raw).into_bytes(),
            tail: Vec::new(),
        }
    }

    fn read(signature: &Signature) -> Self {
        let mut reader = sshwire::Reader::new(signature.wire());
        let fields = Self {
            magic: *reader.array("magic").unwrap(),
            version: reader.u32("version").unwrap(),
            key: reader.string("key").unwrap().to_vec(),
            namespace: reader.string("namespace").unwrap().to_vec(),
            reserved: reader.string("reserved").unwrap().to_vec(),
            hash: reader.string("hash").unwrap().to_vec(),
            blob: reader.string("blob").unwrap().to_vec(),
            tail: Vec::new(),
        };
        assert!(reader.is_at_end());
        fields
    }

    fn signature(&self) -> Result<Signature, SigError> {
        let wire = Writer::new()
            .raw(&self.magic)
            .u32(self.version)
            .string(&self.key)
            .string(&self.namespace)
            .string(&self.reserved)
            .string(&self.hash)
            .string(&self.blob)
            .raw(&self.tail);
        Signature::from_wire(&wire.into_bytes())
    }
}
