//! Public keys: those of `ssh-keygen` are read byte for byte; a second face of a key is refused.

use proptest::prelude::*;
use sshwire::{Fingerprint, KeyClass, KeyError, PublicKey, SoftSigner, TextError, WireError, Writer};

use crate::software_token::SoftwareToken;
use crate::workshop::{SOFTWARE_KEYS, Workshop, decode};

#[test]
fn keys_of_ssh_keygen_are_read_and_written_byte_for_byte() {
    let workshop = Workshop::new();
    let mut classes = Vec::new();
    for (number, kind) in SOFTWARE_KEYS.into_iter().enumerate() {
        let name = format!("key{number}");
        let line = workshop.generate(&name, kind);
        let key = PublicKey::from_openssh(&line).unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(key.to_openssh(), words[..2].join(" "));
        assert_eq!(key.wire(), decode(words[1]));
        assert_eq!(key.fingerprint().to_string(), fingerprint_by_ssh_keygen(&workshop, &format!("{name}.pub")));
        assert_eq!(key.fingerprint().to_string().parse(), Ok(key.fingerprint()));
        classes.push(key.class());
    }
    use KeyClass::{EcdsaP256, EcdsaP384, EcdsaP521, Ed25519, Rsa};
    assert_eq!(classes, [Ed25519, EcdsaP256, EcdsaP384, EcdsaP521, Rsa]);
}

#[test]
fn hardware_keys_are_read_as_ssh_keygen_reads_them() {
    let workshop = Workshop::new();
    for token in [SoftwareToken::ed25519("ssh:"), SoftwareToken::ecdsa("ssh:sekimori")] {
        let key = token.public_key();
        workshop.write("sk.pub", format!("{key} a token\n").as_bytes());
        assert_eq!(key.fingerprint().to_string(), fingerprint_by_ssh_keygen(&workshop, "sk.pub"));
        assert_eq!(PublicKey::from_openssh(&workshop.read("sk.pub")), Ok(key));
    }
    assert_eq!(SoftwareToken::ecdsa("ssh:sekimori").public_key().application(), Some("ssh:sekimori"));
    assert_eq!(SoftSigner::from_seed(&[1; 32]).public_key().application(), None);
}

fn fingerprint_by_ssh_keygen(workshop: &Workshop, file: &str) -> String {
    workshop.keygen(&["-l", "-f", file]).split_whitespace().nth(1).unwrap().to_owned()
}

#[test]
fn old_and_short_keys_of_ssh_keygen_are_refused() {
    let workshop = Workshop::new();
    let dsa = workshop.generate("dsa", &["-t", "dsa"]);
    assert_eq!(PublicKey::from_openssh(&dsa), Err(KeyError::UnsupportedType("ssh-dss".to_owned())));
    let rsa = workshop.generate("rsa", &["-t", "rsa", "-b", "2048"]);
    assert_eq!(PublicKey::from_openssh(&rsa), Err(KeyError::RsaModulusLength { bits: 2048 }));
}

#[test]
fn a_certificate_is_not_a_key() {
    let workshop = Workshop::new();
    workshop.generate("ca", &["-t", "ed25519"]);
    workshop.generate("key", &["-t", "ecdsa"]);
    workshop.keygen(&["-q", "-s", "ca", "-I", "ses_1", "-n", "root", "key.pub"]);
    assert_eq!(PublicKey::from_openssh(&workshop.read("key-cert.pub")), Err(KeyError::Certificate));
    let in_text = "ssh-rsa-cert-v01@openssh.com AAAA";
    assert_eq!(PublicKey::from_openssh(in_text), Err(KeyError::Certificate));
}

#[test]
fn a_private_key_is_called_one() {
    let workshop = Workshop::new();
    workshop.generate("key", &["-t", "ed25519"]);
    let refused = PublicKey::from_openssh(&workshop.read("key"));
    assert_eq!(refused, Err(KeyError::Text(TextError::PrivateKey)));
    assert!(!refused.unwrap_err().to_string().contains("b3BlbnNza"));
}

#[test]
fn only_one_line_with_one_key_is_taken() {
    let key = SoftSigner::from_seed(&[1; 32]).public_key().clone();
    let line = key.to_openssh();
    for taken in [line.clone(), format!("{line}\n"), format!("{line}\r\n"), format!("{line} any comment\twhatever\n")] {
        assert_eq!(PublicKey::from_openssh(&taken), Ok(key.clone()), "{taken:?}");
    }
    for prefixed in [
        format!("restrict {line}"),
        format!("from=\"10.0.0.0/8\",no-pty {line}"),
        format!("command=\"rm -rf /\" {line}"),
        format!("cert-authority {line} comment"),
    ] {
        assert_eq!(PublicKey::from_openssh(&prefixed), Err(KeyError::OptionsBeforeKey), "{prefixed:?}");
    }
    for not_one_line in
        [format!("{line}\n{line}\n"), format!("# a comment\n{line}"), format!("{line}\0"), String::new()]
    {
        let refused = PublicKey::from_openssh(&not_one_line);
        assert_eq!(refused, Err(KeyError::Text(TextError::NotOneLine)), "{not_one_line:?}");
    }
    for not_base64 in [format!("{line}="), line.replace("AAAA", "AAA-"), line[..line.len() - 1].to_owned()] {
        let refused = PublicKey::from_openssh(&not_base64);
        assert_eq!(refused, Err(KeyError::Text(TextError::NotBase64)), "{not_base64:?}");
    }
}

#[test]
fn the_text_and_the_blob_must_name_one_type() {
    let line = SoftSigner::from_seed(&[1; 32]).public_key().to_openssh();
    let refused = PublicKey::from_openssh(&line.replace("ssh-ed25519", "ssh-rsa"));
    assert_eq!(refused, Err(KeyError::TypeMismatch { text: KeyClass::Rsa, blob: KeyClass::Ed25519 }));
}

#[test]
fn an_unknown_type_is_shown_safely() {
    let refused = PublicKey::from_wire(&Writer::new().string("\x1b[2Jssh-new").string([0; 32]).into_bytes());
    assert_eq!(refused, Err(KeyError::UnsupportedType("\\x1b[2Jssh-new".to_owned())));
    let long = PublicKey::from_wire(&Writer::new().string([b'x'; 9000]).into_bytes()).unwrap_err();
    assert!(long.to_string().len() < 120, "{long}");
}

#[test]
fn lengths_are_limited_before_anything_is_read() {
    assert_eq!(PublicKey::from_wire(&vec![0; 16 * 1024 + 1]), Err(KeyError::TooLong { len: 16 * 1024 + 1 }));
    let text = format!("ssh-rsa {}", "A".repeat(100_000));
    assert!(matches!(PublicKey::from_openssh(&text), Err(KeyError::Text(TextError::TooLong { .. }))));
    let text = format!("ssh-rsa {}", "A".repeat(10_000_000));
    assert!(matches!(PublicKey::from_openssh(&text), Err(KeyError::Text(TextError::TooLong { .. }))));
}

#[test]
fn nothing_follows_a_key() {
    let tokens = SoftwareToken::both();
    let mut keys: Vec<_> = tokens.iter().flat_map(|token| [token.public_key(), token.plain_twin()]).collect();
    keys.push(rsa(&[3], &modulus(3072)).unwrap());
    for key in keys {
        for tail in [&[0][..], b"\0\0\0\0", key.wire()] {
            let trailing = WireError::TrailingBytes { field: "public key", count: tail.len() };
            assert_eq!(PublicKey::from_wire(&[key.wire(), tail].concat()), Err(KeyError::Malformed(trailing)));
        }
    }
}

#[test]
fn ed25519_points_have_32_bytes() {
    for len in [0, 31, 33, 64] {
        let wire = Writer::new().string("ssh-ed25519").string(vec![9; len]).into_bytes();
        let wrong_length = WireError::WrongLength { field: "Ed25519 point", expected: 32 };
        assert_eq!(PublicKey::from_wire(&wire), Err(KeyError::Malformed(wrong_length)));
    }
}

#[test]
fn an_ecdsa_point_has_one_encoding() {
    let workshop = Workshop::new();
    for (bits, class, len) in
        [("256", KeyClass::EcdsaP256, 32), ("384", KeyClass::EcdsaP384, 48), ("521", KeyClass::EcdsaP521, 66)]
    {
        let key = PublicKey::from_openssh(&workshop.generate(bits, &["-t", "ecdsa", "-b", bits])).unwrap();
        let point = &key.wire()[key.wire().len() - (1 + 2 * len)..];
        let with_point = |point: &[u8]| {
            let curve = format!("nistp{bits}");
            PublicKey::from_wire(&Writer::new().string(class.name()).string(curve).string(point).into_bytes())
        };
        assert_eq!(with_point(point), Ok(key.clone()), "the test builds what ssh-keygen builds");

        let parity = point[2 * len] & 1;
        let compressed = [&[2 + parity], &point[1..=len]].concat();
        let hybrid = [&[6 + parity], &point[1..]].concat();
        let mut off_curve = point.to_vec();
        off_curve[2 * len] ^= 1;
        let beyond_the_field = [&[4], &vec![0xff; 2 * len][..]].concat();
        let zeros = [&[4], &vec![0; 2 * len][..]].concat();
        let too_long = [point, &[0]].concat();
        let spaced = [&[4, 0], &point[1..]].concat();
        let infinity = vec![0];
        for refused in [compressed, hybrid, off_curve, beyond_the_field, zeros, too_long, spaced, infinity, Vec::new()]
        {
            assert_eq!(with_point(&refused), Err(KeyError::BadPoint(class)), "{refused:02x?}");
        }
    }
}

#[test]
fn a_curve_and_its_type_must_agree() {
    let token = SoftwareToken::ecdsa("ssh:");
    let point = token.plain_twin().wire()[39..].to_vec();
    for (class, curve) in [
        (KeyClass::EcdsaP256, "nistp384"),
        (KeyClass::EcdsaP384, "nistp256"),
        (KeyClass::SkEcdsaP256, "nistp521"),
        (KeyClass::EcdsaP256, "NISTP256"),
    ] {
        let wire = Writer::new().string(class.name()).string(curve).raw(&point).string("ssh:").into_bytes();
        assert_eq!(PublicKey::from_wire(&wire), Err(KeyError::WrongCurve(class)));
    }
}

/// A blob of an RSA key with raw bytes for its numbers.
fn rsa(exponent: &[u8], modulus: &[u8]) -> Result<PublicKey, KeyError> {
    PublicKey::from_wire(&Writer::new().string("ssh-rsa").string(exponent).string(modulus).into_bytes())
}

/// An odd modulus of so many bits, with the sign byte where one is needed.
fn modulus(bits: usize) -> Vec<u8> {
    let mut magnitude = vec![0x55; bits.div_ceil(8)];
    magnitude[0] = 1 << ((bits - 1) % 8);
    if magnitude[0] == 0x80 { [&[0], &magnitude[..]].concat() } else { magnitude }
}

#[test]
fn rsa_numbers_have_limits() {
    const F4: &[u8] = &[1, 0, 1];
    for bits in [3072, 3073, 4096, 8192] {
        assert_eq!(rsa(F4, &modulus(bits)).map(|key| key.class()), Ok(KeyClass::Rsa), "{bits}");
    }
    for bits in [1024, 2048, 3071, 8193, 16384, 16385] {
        assert_eq!(rsa(F4, &modulus(bits)), Err(KeyError::RsaModulusLength { bits }));
    }
    let mut even = modulus(3072);
    *even.last_mut().unwrap() = 0x54;
    assert_eq!(rsa(F4, &even), Err(KeyError::RsaModulusEven));
    for exponent in [&[3][..], &[5], &[35], &[1, 0xff, 0xff, 0xff, 0xff]] {
        assert!(rsa(exponent, &modulus(3072)).is_ok(), "{exponent:?}");
    }
    for exponent in [&[1][..], &[2], &[4], &[1, 0, 0], &[2, 0, 0, 0, 1], &[1, 0, 0, 0, 0, 1]] {
        assert_eq!(rsa(exponent, &modulus(3072)), Err(KeyError::BadRsaExponent), "{exponent:?}");
    }
}

#[test]
fn rsa_numbers_have_one_encoding() {
    let field = "RSA exponent";
    for exponent in [&[][..], &[0], &[0, 3], &[0, 1, 0, 1], &[0x83], &[0xff, 3]] {
        let malformed = KeyError::Malformed(WireError::NotCanonicalMpint { field });
        assert_eq!(rsa(exponent, &modulus(3072)), Err(malformed), "{exponent:?}");
    }
    let field = "RSA modulus";
    let signed = modulus(3072);
    for refused in [[&[0], &signed[..]].concat(), signed[1..].to_vec(), [&[0], &modulus(3073)[..]].concat()] {
        assert_eq!(rsa(&[3], &refused), Err(KeyError::Malformed(WireError::NotCanonicalMpint { field })));
    }
}

#[test]
fn a_hardware_key_serves_ssh_alone() {
    let point = SoftSigner::from_seed(&[1; 32]).public_key().ed25519_point().copied().unwrap();
    let with_application = |application: &[u8]| {
        let class = KeyClass::SkEd25519.name();
        PublicKey::from_wire(&Writer::new().string(class).string(point).string(application).into_bytes())
    };
    assert!(with_application(b"ssh:").is_ok());
    assert!(with_application(b"ssh:sekimori.example").is_ok());
    for refused in [&b""[..], b"ssh", b"SSH:", b" ssh:", b"https://example.org", b"webauthn:x", b"ssh: two words"] {
        assert_eq!(with_application(refused), Err(KeyError::BadApplication), "{refused:?}");
    }
    assert_eq!(with_application(&[b"ssh:", &[b'x'; 252][..]].concat()), Err(KeyError::BadApplication));
    for refused in [&b"ssh:\0"[..], b"ssh:\x1b[2J", b"ssh:\xff"] {
        let not_text = WireError::NotText { field: "application" };
        assert_eq!(with_application(refused), Err(KeyError::Malformed(not_text)), "{refused:?}");
    }
    let mut weak = [0; 32];
    weak[0] = 1;
    let wire = Writer::new().string(KeyClass::SkEd25519.name()).string(weak).string("ssh:").into_bytes();
    assert_eq!(PublicKey::from_wire(&wire), Err(KeyError::SmallOrderPoint));
}

#[test]
fn one_secret_has_one_material_id_whatever_blob_it_hides_in() {
    for token in SoftwareToken::both() {
        let (hardware, plain) = (token.public_key(), token.plain_twin());
        assert_ne!(hardware, plain);
        assert_ne!(hardware.fingerprint(), plain.fingerprint());
        assert_eq!(hardware.key_material_id(), plain.key_material_id());
        assert_ne!(hardware.key_material_id(), SoftwareToken::ed25519("ssh:").public_key().key_material_id());
    }
    let [small, usual] = [&[3][..], &[1, 0, 1]].map(|exponent| rsa(exponent, &modulus(3072)).unwrap());
    assert_ne!(small, usual);
    assert_eq!(small.key_material_id(), usual.key_material_id());
    assert_ne!(small.key_material_id(), rsa(&[3], &modulus(4096)).unwrap().key_material_id());
}

/// State rests on it: it must never drift. Both were computed by other means, from RFC 8032 and the docs.
#[test]
fn material_ids_are_what_they_were() {
    let key = SoftSigner::from_seed(&[7; 32]).public_key().clone();
    assert_eq!(key.key_material_id().to_string(), GOLDEN_MATERIAL);
    assert_eq!(key.fingerprint().to_string(), GOLDEN_FINGERPRINT);
}
const GOLDEN_MATERIAL: &str = "MATERIAL:I3EcQCzjSTo93sV2k5irxbH4wlMxe3nTHJo450AQwg8";
const GOLDEN_FINGERPRINT: &str = "SHA256:z/fSv0Z0RZS+Lccbc6ZoOWwt/fbj1VFJGSBKQbo4icE";

#[test]
fn in_json_a_key_is_its_line_and_nothing_more() {
    let key = SoftSigner::from_seed(&[1; 32]).public_key().clone();
    let json = serde_json::to_string(&key).unwrap();
    assert_eq!(json, format!("\"{}\"", key.to_openssh()));
    assert_eq!(serde_json::from_str::<PublicKey>(&json).unwrap(), key);
    for refused in
        [format!("{key} comment"), format!("{key}\\n"), format!(" {key}"), key.to_openssh().replace(' ', "  ")]
    {
        assert!(serde_json::from_str::<PublicKey>(&format!("\"{refused}\"")).is_err(), "{refused}");
    }
    let fingerprint = serde_json::to_string(&key.fingerprint()).unwrap();
    assert_eq!(serde_json::from_str::<Fingerprint>(&fingerprint).unwrap(), key.fingerprint());
}

proptest! {
    #[test]
    fn every_seed_gives_a_key_that_reads_back(seed: [u8; 32]) {
        let key = SoftSigner::from_seed(&seed).public_key().clone();
        prop_assert_eq!(&PublicKey::from_wire(key.wire()).unwrap(), &key);
        prop_assert_eq!(&PublicKey::from_openssh(&key.to_openssh()).unwrap(), &key);
        prop_assert_eq!(&PublicKey::ed25519(*key.ed25519_point().unwrap()).unwrap(), &key);
    }
}
