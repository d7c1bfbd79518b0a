//! Certificates beside `ssh-keygen -s` and `ssh-keygen -L`, and what is refused.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sshwire::{
    Certificate, CertificateError, CertificateKind, CertificateSpec, CertificateView, ExtensionName, KeyError,
    MAX_CERTIFICATE, MAX_PRIVATE_EXTENSION, Permit, Principal, PublicKey, Reader, SoftSigner, TextError, WireError,
    Writer,
};

use crate::workshop::Workshop;

const NONCE: [u8; 32] = [0x5a; 32];

#[test]
fn ssh_keygen_reads_every_field_that_we_write() {
    let listing = listing(&spec().certificate());
    let expected = format!(
        "listed.pub:
        Type: ssh-ed25519-cert-v01@openssh.com user certificate
        Public key: ED25519-CERT {key}
        Signing CA: ED25519 {ca} (using ssh-ed25519)
        Key ID: \"ses_7f3k\"
        Serial: 18446744073709551615
        Valid: from 2026-03-01T09:00:00 to 2026-03-01T09:01:00
        Principals: 
                p-7f3k9x2mqa-root
                db1.example
        Critical Options: 
                force-command /usr/bin/id -u
                source-address 192.0.2.7/32,2001:db8::/32
        Extensions: 
                empty@sekimori.example UNKNOWN FLAG OPTION
                permit-pty
                tegata@sekimori.example UNKNOWN OPTION: 000000060070726f6f66 (len 10)
",
        key = subject().public_key().fingerprint(),
        ca = ca().public_key().fingerprint(),
    );
    assert_eq!(listing, expected);
}

#[test]
fn ssh_keygen_reads_each_permit_and_a_host_certificate() {
    let all = CertificateSpec { permits: Permit::ALL.into(), ..plain_spec() };
    let listing_of_all = listing(&all.certificate());
    for permit in Permit::ALL {
        assert!(listing_of_all.contains(&format!("                {}\n", permit.name())), "{listing_of_all}");
    }
    assert!(listing_of_all.contains("Critical Options: (none)\n"), "{listing_of_all}");

    let host = CertificateSpec { kind: CertificateKind::Host, ..plain_spec() };
    let listing_of_host = listing(&host.certificate());
    assert!(listing_of_host.contains("Type: ssh-ed25519-cert-v01@openssh.com host certificate\n"));
    assert!(listing_of_host.contains("Extensions: (none)\n"), "{listing_of_host}");
}

/// `ssh-keygen -L` checks the signature as it reads.
#[test]
fn ssh_keygen_notices_a_changed_byte_in_what_we_write() {
    let workshop = Workshop::new();
    let good = spec().certificate();
    let mut changed = good.wire().to_vec();
    changed[120] ^= 1;
    for (wire, taken) in [(good.wire().to_vec(), true), (changed, false)] {
        workshop.write("c.pub", line_of(&wire).as_bytes());
        assert_eq!(workshop.run(&["-L", "-f", "c.pub"], b"").status.success(), taken);
    }
}

#[test]
fn a_certificate_of_ssh_keygen_is_read_and_would_be_written_the_same() {
    let workshop = Workshop::new();
    let ca = workshop.generate_shared("ca");
    let subject = workshop.generate_shared("key");
    let options = [
        "-O",
        "clear",
        "-O",
        "permit-pty",
        "-O",
        "permit-X11-forwarding",
        "-O",
        "force-command=/usr/bin/id -u",
        "-O",
        "source-address=192.0.2.0/24,2001:db8::/32",
        "-O",
        "extension:tegata@sekimori.example=proof",
        "-O",
        "extension:empty@sekimori.example",
    ];
    let who = ["-q", "-s", "ca", "-I", "ses_1", "-n", "root,db1.example", "-z", "42"];
    workshop.keygen(&[&who[..], &["-V", "20260301090000Z:20260301090100Z"], &options, &["key.pub"]].concat());

    let certificate = Certificate::from_openssh(&workshop.read("key-cert.pub")).unwrap();
    let view = certificate.view();
    let expected = CertificateSpec {
        kind: CertificateKind::User,
        key: subject.public_key().clone(),
        serial: 42,
        key_id: "ses_1".to_owned(),
        principals: vec!["root".parse().unwrap(), "db1.example".parse().unwrap()],
        valid_after: 1_772_355_600,
        valid_before: 1_772_355_660,
        source_address: Some(vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()]),
        force_command: Some("/usr/bin/id -u".to_owned()),
        permits: [Permit::Pty, Permit::X11Forwarding].into(),
        private_extensions: [
            ("tegata@sekimori.example".parse().unwrap(), b"proof".to_vec()),
            ("empty@sekimori.example".parse().unwrap(), Vec::new()),
        ]
        .into(),
    };
    assert_eq!(view.verify(ca.public_key()), Ok(&expected));
    let ours = expected.to_be_signed(*view.nonce(), ca.public_key()).unwrap().sign_with(|bytes| ca.sign_raw(bytes));
    assert_eq!(ours, certificate);
}

#[test]
fn a_host_certificate_of_ssh_keygen_is_read() {
    let workshop = Workshop::new();
    let ca = workshop.generate_shared("ca");
    workshop.generate("host", &["-t", "ed25519"]);
    workshop.keygen(&["-q", "-s", "ca", "-h", "-I", "db1", "-n", "db1.example", "-V", "always:forever", "host.pub"]);
    let view = Certificate::from_openssh(&workshop.read("host-cert.pub")).unwrap().view();
    let spec = view.verify(ca.public_key()).unwrap();
    assert_eq!((spec.kind, spec.valid_after, spec.valid_before), (CertificateKind::Host, 0, u64::MAX));
}

#[test]
fn certificates_of_ssh_keygen_that_we_would_not_write_are_refused() {
    let workshop = Workshop::new();
    workshop.generate("ca", &["-t", "ed25519"]);
    workshop.generate("old", &["-t", "ecdsa"]);
    let issue = |ca: &str, key: &str, options: &[&str]| {
        workshop.generate(&format!("{key}-of-{ca}-{}", options.len()), &["-t", key]);
        let name = format!("{key}-of-{ca}-{}", options.len());
        workshop.keygen(&[&["-q", "-s", ca, "-I", "id"], options, &[&format!("{name}.pub")]].concat());
        Certificate::from_openssh(&workshop.read(&format!("{name}-cert.pub")))
    };
    assert!(issue("ca", "ed25519", &["-n", "root"]).is_ok(), "the test asks for what it says");
    assert_eq!(issue("ca", "ed25519", &[]), Err(CertificateError::NoPrincipals));
    assert_eq!(issue("old", "ed25519", &["-n", "root"]), Err(CertificateError::CaNotEd25519));
    let ecdsa = CertificateError::UnsupportedType("ecdsa-sha2-nistp256-cert-v01@openssh.com".to_owned());
    assert_eq!(issue("ca", "ecdsa", &["-n", "root"]), Err(ecdsa));
    let unknown = issue("ca", "ed25519", &["-n", "root", "-O", "critical:new@example.org=x"]);
    assert_eq!(unknown, Err(CertificateError::UnknownCriticalOption("new@example.org".to_owned())));
    let verify_required = issue("ca", "ed25519", &["-n", "root", "-z", "1", "-O", "verify-required"]);
    assert_eq!(verify_required, Err(CertificateError::UnknownCriticalOption("verify-required".to_owned())));
}

#[test]
fn a_principal_is_a_plain_name() {
    let longest = format!("a{}", "z".repeat(62));
    for taken in ["a", "0", "root", "p-7f3k9x2mqa-root", "db1.example_2", &longest] {
        assert_eq!(taken.parse::<Principal>().unwrap().as_str(), taken);
    }
    let too_long = format!("{longest}z");
    for refused in ["", "a,b", "root,", "Root", "-a", ".a", "_a", "a b", "a\0", "a\n", "a*", "申請", "a@b", &too_long]
    {
        let parsed = refused.parse::<Principal>();
        assert!(matches!(parsed, Err(CertificateError::BadPrincipal(_))), "{refused:?}");
        let json = serde_json::to_string(refused).unwrap();
        assert!(serde_json::from_str::<Principal>(&json).is_err());
    }
}

#[test]
fn a_comma_cannot_be_smuggled_into_a_principal() {
    let packed = Writer::new().string("root,admin").into_bytes();
    let wire = Fields { principals: packed, ..Fields::of(&plain_spec()) }.signed();
    assert_eq!(CertificateView::parse(&wire), Err(CertificateError::BadPrincipal("root,admin".to_owned())));
}

#[test]
fn a_private_extension_is_named_after_its_owner() {
    for taken in ["tegata@sekimori.example", "a@b", "x-1@y-2.z"] {
        assert_eq!(taken.parse::<ExtensionName>().unwrap().as_str(), taken);
    }
    let too_long = format!("{}@example.org", "a".repeat(60));
    for refused in ["permit-pty", "@a", "a@", "a@b@c", "A@b", "a b@c", "a,b@c", "", &too_long] {
        let parsed = refused.parse::<ExtensionName>();
        assert!(matches!(parsed, Err(CertificateError::BadExtensionName(_))), "{refused:?}");
    }
}

#[test]
fn a_spec_that_says_too_much_or_nothing_is_refused() {
    let nowhere = CertificateSpec { source_address: Some(Vec::new()), ..plain_spec() };
    let everywhere = vec!["192.0.2.0/24".parse().unwrap(); 65];
    let backwards = CertificateSpec { valid_after: 5, valid_before: 4, ..plain_spec() };
    let (name, long) = ("a@b".parse::<ExtensionName>().unwrap(), vec![0; MAX_PRIVATE_EXTENSION + 1]);
    let principals = vec!["root".parse().unwrap(); 257];
    for (spec, refusal) in [
        (CertificateSpec { principals: Vec::new(), ..plain_spec() }, CertificateError::NoPrincipals),
        (CertificateSpec { principals, ..plain_spec() }, CertificateError::TooManyPrincipals(257)),
        (backwards, CertificateError::NeverValid { valid_after: 5, valid_before: 4 }),
        (
            CertificateSpec { valid_after: 5, valid_before: 5, ..plain_spec() },
            CertificateError::NeverValid { valid_after: 5, valid_before: 5 },
        ),
        (nowhere, CertificateError::BadSourceList),
        (CertificateSpec { source_address: Some(everywhere), ..plain_spec() }, CertificateError::BadSourceList),
        (
            CertificateSpec { private_extensions: [(name.clone(), long)].into(), ..plain_spec() },
            CertificateError::ExtensionTooLong(name),
        ),
        (CertificateSpec { key: ecdsa_key(), ..plain_spec() }, CertificateError::KeyNotEd25519),
    ] {
        assert_eq!(spec.to_be_signed(NONCE, ca().public_key()), Err(refusal));
    }
    for key_id in ["", "two words", "a\nb", "\u{7f}", "申請", &"x".repeat(257)] {
        let spec = CertificateSpec { key_id: key_id.to_owned(), ..plain_spec() };
        assert_eq!(spec.to_be_signed(NONCE, ca().public_key()), Err(CertificateError::BadKeyId), "{key_id:?}");
    }
    for command in ["", "a\nb", "a\0b", "\u{9b}", &"x".repeat(4097)] {
        let spec = CertificateSpec { force_command: Some(command.to_owned()), ..plain_spec() };
        assert_eq!(spec.to_be_signed(NONCE, ca().public_key()), Err(CertificateError::BadForceCommand), "{command:?}");
    }
    assert_eq!(plain_spec().to_be_signed(NONCE, &ecdsa_key()), Err(CertificateError::CaNotEd25519));
}

#[test]
fn a_host_certificate_carries_no_options_of_users() {
    let host = || CertificateSpec { kind: CertificateKind::Host, ..plain_spec() };
    for spec in [
        CertificateSpec { permits: [Permit::Pty].into(), ..host() },
        CertificateSpec { force_command: Some("id".to_owned()), ..host() },
        CertificateSpec { source_address: Some(vec!["::/0".parse().unwrap()]), ..host() },
    ] {
        assert_eq!(spec.to_be_signed(NONCE, ca().public_key()), Err(CertificateError::UserOptionOnHost));
    }
}

#[test]
fn a_large_tegata_fits_and_a_larger_one_does_not() {
    let (tegata, more) = ("tegata@sekimori.example".parse::<ExtensionName>().unwrap(), "more@x".parse().unwrap());
    let large = (tegata, vec![0xab; MAX_PRIVATE_EXTENSION]);
    let fits = CertificateSpec { private_extensions: [large.clone()].into(), ..plain_spec() };
    let certificate = fits.certificate();
    assert_eq!(Certificate::from_wire(certificate.wire()), Ok(certificate.clone()));
    assert!(listing(&certificate).contains(&format!("(len {})\n", MAX_PRIVATE_EXTENSION + 4)));

    let larger = CertificateSpec { private_extensions: [large, (more, vec![0; 20_000])].into(), ..plain_spec() };
    let refused = larger.to_be_signed(NONCE, ca().public_key());
    assert!(matches!(refused, Err(CertificateError::TooLong { len }) if len > MAX_CERTIFICATE));
    assert!(matches!(CertificateView::parse(&vec![0; MAX_CERTIFICATE + 1]), Err(CertificateError::TooLong { .. })));
}

#[test]
fn the_longest_certificate_is_as_long_as_the_limit() {
    let name = |text: &str| text.parse::<ExtensionName>().unwrap();
    let of_len = |len| CertificateSpec {
        private_extensions: [(name("a@b"), vec![1; MAX_PRIVATE_EXTENSION]), (name("b@b"), vec![1; len])].into(),
        ..plain_spec()
    };
    let room = MAX_CERTIFICATE - of_len(1).certificate().wire().len();
    assert_eq!(of_len(1 + room).certificate().wire().len(), MAX_CERTIFICATE);
    let refused = of_len(2 + room).to_be_signed(NONCE, ca().public_key());
    assert_eq!(refused, Err(CertificateError::TooLong { len: MAX_CERTIFICATE + 1 }));
}

#[test]
fn only_the_ca_that_signed_verifies() {
    let stranger = SoftSigner::from_seed(&[9; 32]);
    let view = spec().certificate().view();
    assert_eq!(view.verify(ca().public_key()), Ok(&spec()));
    let blame = CertificateError::AnotherCa {
        expected: stranger.public_key().fingerprint(),
        found: ca().public_key().fingerprint(),
    };
    assert_eq!(view.verify(stranger.public_key()), Err(blame));

    let forged = spec().to_be_signed(NONCE, ca().public_key()).unwrap().sign_with(|bytes| stranger.sign_raw(bytes));
    assert_eq!(forged.view().verify(ca().public_key()), Err(CertificateError::BadSignature));
}

#[test]
fn every_changed_byte_of_a_certificate_is_noticed() {
    let certificate = spec().certificate();
    for position in 0..certificate.wire().len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut wire = certificate.wire().to_vec();
            wire[position] ^= mask;
            let verified = CertificateView::parse(&wire).map(|view| view.verify(ca().public_key()).cloned());
            assert!(!matches!(verified, Ok(Ok(_))), "byte {position} ^ {mask:#x}");
        }
    }
}

/// Each of these is signed by the CA, so only the reading can refuse it.
#[test]
fn what_the_ca_signed_in_another_form_is_refused() {
    let good = || Fields::of(&plain_spec());
    assert!(CertificateView::parse(&good().signed()).is_ok(), "the test builds a sound certificate");
    let flag = |name: &str| Writer::new().string(name).string([]).into_bytes();
    let option = |name: &str, data: &[u8]| Writer::new().string(name).string(data).into_bytes();
    let value = |value: &str| Writer::new().string(value).into_bytes();
    let not_canonical = CertificateError::NotCanonical;
    let cases = [
        (Fields { extensions: [flag("permit-user-rc"), flag("permit-pty")].concat(), ..good() }, not_canonical.clone()),
        (Fields { extensions: [flag("permit-pty"), flag("permit-pty")].concat(), ..good() }, not_canonical.clone()),
        (Fields { extensions: [flag("a@b"), flag("a@b")].concat(), ..good() }, not_canonical.clone()),
        (Fields { extensions: option("permit-pty", &value("x")), ..good() }, not_canonical.clone()),
        (Fields { extensions: option("a@b", &value("")), ..good() }, not_canonical.clone()),
        (Fields { extensions: option("a@b", b"\0\0\0\x01xy"), ..good() }, not_canonical.clone()),
        (
            Fields { extensions: option("a@b", b"raw bytes"), ..good() },
            WireError::CutShort { field: "extension content" }.into(),
        ),
        (
            Fields { extensions: flag("no-touch-required"), ..good() },
            CertificateError::BadExtensionName("no-touch-required".to_owned()),
        ),
        (
            Fields {
                critical: [option("source-address", &value("::/0")), option("force-command", &value("id"))].concat(),
                ..good()
            },
            not_canonical.clone(),
        ),
        (
            Fields { critical: option("source-address", &value("10.0.0.1/8")), ..good() },
            CertificateError::BadSourceAddress("10.0.0.1/8".to_owned()),
        ),
        (
            Fields { critical: option("source-address", &value("")), ..good() },
            CertificateError::BadSourceAddress(String::new()),
        ),
        (
            Fields { critical: option("force-command", &[]), ..good() },
            WireError::CutShort { field: "force-command" }.into(),
        ),
        (Fields { critical: option("force-command", &value("")), ..good() }, CertificateError::BadForceCommand),
        (Fields { critical: option("force-command", b"\0\0\0\x02idx"), ..good() }, not_canonical.clone()),
        (Fields { reserved: vec![1], ..good() }, not_canonical),
        (Fields { kind: 0, ..good() }, CertificateError::UnknownKind(0)),
        (Fields { kind: 3, ..good() }, CertificateError::UnknownKind(3)),
        (Fields { nonce: vec![1; 16], ..good() }, WireError::WrongLength { field: "nonce", expected: 32 }.into()),
        (Fields { principals: Vec::new(), ..good() }, CertificateError::NoPrincipals),
        (Fields { key_id: b"id ID x (serial 1)".to_vec(), ..good() }, CertificateError::BadKeyId),
        (Fields { key: [0; 32], ..good() }, KeyError::SmallOrderPoint.into()),
        (Fields { valid_before: 0, ..good() }, CertificateError::NeverValid { valid_after: 1_000, valid_before: 0 }),
        (Fields { tail: vec![0], ..good() }, WireError::TrailingBytes { field: "certificate", count: 1 }.into()),
    ];
    for (fields, refusal) in cases {
        assert_eq!(CertificateView::parse(&fields.signed()), Err(refusal));
    }
}

#[test]
fn in_json_a_certificate_is_its_line_and_nothing_more() {
    let certificate = spec().certificate();
    let json = serde_json::to_string(&certificate).unwrap();
    assert_eq!(json, format!("\"{}\"", certificate.to_openssh()));
    assert_eq!(serde_json::from_str::<Certificate>(&json).unwrap(), certificate);
    for refused in [format!("{certificate} comment"), format!("{certificate}\\n"), format!(" {certificate}")] {
        assert!(serde_json::from_str::<Certificate>(&format!("\"{refused}\"")).is_err(), "{refused}");
    }
    let key = Certificate::from_openssh(&subject().public_key().to_openssh());
    assert_eq!(key, Err(CertificateError::UnsupportedType("ssh-ed25519".to_owned())));
    let two_lines = format!("{certificate}\n{certificate}");
    assert_eq!(Certificate::from_openssh(&two_lines), Err(TextError::NotOneLine.into()));
}

proptest! {
    #[test]
    fn every_spec_reads_back(spec in any_spec(), nonce: [u8; 32]) {
        let certificate = spec.to_be_signed(nonce, ca().public_key()).unwrap().sign_with(|bytes| ca().sign_raw(bytes));
        let view = CertificateView::parse(certificate.wire()).unwrap();
        prop_assert_eq!(view.verify(ca().public_key()).unwrap(), &spec);
        prop_assert_eq!(view.nonce(), &nonce);
        prop_assert_eq!(&certificate.to_openssh().parse::<Certificate>().unwrap(), &certificate);
    }
}

fn any_spec() -> impl Strategy<Value = CertificateSpec> {
    let principals = prop::collection::vec("[a-z0-9][a-z0-9._-]{0,62}", 1..5);
    let sources = prop::collection::vec(any::<std::net::IpAddr>(), 1..5);
    let command = prop::option::of("[ -~]{1,80}|[ぁ-ん]{1,20}");
    let permits = prop::sample::subsequence(Permit::ALL.to_vec(), 0..=5);
    let content = prop::collection::vec(any::<u8>(), 0..300);
    let private = prop::collection::btree_map("[a-z0-9-]{1,20}@[a-z0-9.-]{1,20}", content, 0..4);
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<[u8; 32]>(), any::<bool>());
    (numbers, "[!-~]{1,256}", principals, prop::option::of(sources), command, permits, private).prop_map(
        |((serial, from, length, seed, host), key_id, principals, sources, command, permits, private)| {
            let valid_after = from.min(u64::MAX - 1);
            let user = CertificateSpec {
                kind: CertificateKind::User,
                key: SoftSigner::from_seed(&seed).public_key().clone(),
                serial,
                key_id,
                principals: principals.iter().map(|text| text.parse().unwrap()).collect(),
                valid_after,
                valid_before: valid_after.saturating_add(length.max(1)),
                source_address: sources.map(|list| list.into_iter().map(sshwire::Cidr::single).collect()),
                force_command: command,
                permits: permits.into_iter().collect(),
                private_extensions: private.into_iter().map(|(name, data)| (name.parse().unwrap(), data)).collect(),
            };
            if host { as_host(user) } else { user }
        },
    )
}

fn as_host(user: CertificateSpec) -> CertificateSpec {
    CertificateSpec {
        kind: CertificateKind::Host,
        source_address: None,
        force_command: None,
        permits: BTreeSet::new(),
        ..user
    }
}

fn ca() -> SoftSigner {
    SoftSigner::from_seed(&[1; 32])
}

fn subject() -> SoftSigner {
    SoftSigner::from_seed(&[2; 32])
}

fn ecdsa_key() -> PublicKey {
    crate::software_token::SoftwareToken::ecdsa("ssh:").plain_twin()
}

/// A spec that uses every field; the minute begins at 2026-03-01 09:00:00 UTC.
pub(crate) fn spec() -> CertificateSpec {
    CertificateSpec {
        serial: u64::MAX,
        principals: vec!["p-7f3k9x2mqa-root".parse().unwrap(), "db1.example".parse().unwrap()],
        valid_after: 1_772_355_600,
        valid_before: 1_772_355_660,
        source_address: Some(vec!["192.0.2.7/32".parse().unwrap(), "2001:db8::/32".parse().unwrap()]),
        force_command: Some("/usr/bin/id -u".to_owned()),
        permits: [Permit::Pty].into(),
        private_extensions: [
            ("tegata@sekimori.example".parse().unwrap(), b"\0proof".to_vec()),
            ("empty@sekimori.example".parse().unwrap(), Vec::new()),
        ]
        .into(),
        ..plain_spec()
    }
}

fn plain_spec() -> CertificateSpec {
    CertificateSpec {
        kind: CertificateKind::User,
        key: subject().public_key().clone(),
        serial: 7,
        key_id: "ses_7f3k".to_owned(),
        principals: vec!["root".parse().unwrap()],
        valid_after: 1_000,
        valid_before: 1_060,
        source_address: None,
        force_command: None,
        permits: BTreeSet::new(),
        private_extensions: BTreeMap::new(),
    }
}

pub(crate) trait Certify {
    fn certificate(&self) -> Certificate;
}

impl Certify for CertificateSpec {
    fn certificate(&self) -> Certificate {
        self.to_be_signed(NONCE, ca().public_key()).unwrap().sign_with(|bytes| ca().sign_raw(bytes))
    }
}

/// What `ssh-keygen -L` shows, times in UTC.
fn listing(certificate: &Certificate) -> String {
    let workshop = Workshop::new();
    workshop.write("listed.pub", certificate.to_openssh().as_bytes());
    workshop.keygen(&["-L", "-f", "listed.pub"])
}

fn line_of(wire: &[u8]) -> String {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD.encode(wire);
    format!("ssh-ed25519-cert-v01@openssh.com {base64}\n")
}

/// The fields of a certificate, to be bent one by one and then signed by the CA.
struct Fields {
    nonce: Vec<u8>,
    key: [u8; 32],
    kind: u32,
    key_id: Vec<u8>,
    principals: Vec<u8>,
    valid_before: u64,
    critical: Vec<u8>,
    extensions: Vec<u8>,
    reserved: Vec<u8>,
    tail: Vec<u8>,
}

impl Fields {
    fn of(spec: &CertificateSpec) -> Self {
        Self {
            nonce: NONCE.to_vec(),
            key: *spec.key.ed25519_point().unwrap(),
            kind: 1,
            key_id: spec.key_id.clone().into_bytes(),
            principals: Writer::new().string("root").into_bytes(),
            valid_before: spec.valid_before,
            critical: Vec::new(),
            extensions: Vec::new(),
            reserved: Vec::new(),
            tail: Vec::new(),
        }
    }

    fn signed(&self) -> Vec<u8> {
        let fields = Writer::new()
            .string("ssh-ed25519-cert-v01@openssh.com")
            .string(&self.nonce)
            .string(self.key)
            .u64(7)
            .u32(self.kind)
            .string(&self.key_id)
            .string(&self.principals)
            .u64(1_000)
            .u64(self.valid_before)
            .string(&self.critical)
            .string(&self.extensions)
            .string(&self.reserved)
            .string(ca().public_key().wire());
        let signature = ca().sign_raw(&fields.clone().into_bytes());
        let blob = Writer::new().string("ssh-ed25519").string(signature).into_bytes();
        fields.string(blob).raw(&self.tail).into_bytes()
    }
}

/// A certificate that the crate wrote has exactly the fields of PROTOCOL.certkeys, in their order.
#[test]
fn the_fields_stand_in_the_order_of_the_protocol() {
    let certificate = spec().certificate();
    let mut reader = Reader::new(certificate.wire());
    assert_eq!(reader.string("type"), Ok(&b"ssh-ed25519-cert-v01@openssh.com"[..]));
    assert_eq!(reader.string("nonce"), Ok(&NONCE[..]));
    assert_eq!(reader.string("pk"), Ok(&subject().public_key().ed25519_point().unwrap()[..]));
    assert_eq!(reader.u64("serial"), Ok(u64::MAX));
    assert_eq!(reader.u32("type"), Ok(1));
    assert_eq!(reader.string("key id"), Ok(&b"ses_7f3k"[..]));
    let principals = Writer::new().string("p-7f3k9x2mqa-root").string("db1.example").into_bytes();
    assert_eq!(reader.string("valid principals"), Ok(&principals[..]));
    assert_eq!((reader.u64("valid after"), reader.u64("valid before")), (Ok(1_772_355_600), Ok(1_772_355_660)));
    for field in ["critical options", "extensions"] {
        assert!(!reader.string(field).unwrap().is_empty());
    }
    assert_eq!(reader.string("reserved"), Ok(&[][..]));
    assert_eq!(reader.string("signature key"), Ok(ca().public_key().wire()));
    let mut signature = Reader::new(reader.string("signature").unwrap());
    assert_eq!(signature.string("algorithm"), Ok(&b"ssh-ed25519"[..]));
    assert!(signature.string_of::<64>("signature").is_ok() && signature.is_at_end() && reader.is_at_end());
}
