//! Signed notes, checkpoints, cosignatures and offline proofs: the examples of the specifications, and what must fail.

use ledger::{
    Checkpoint, CosignerKey, EMPTY_ROOT, Error, InclusionProof, MAX_NOTE, MAX_SIGNATURES, Note, NoteSignature,
    NoteSigner, Origin, SignedCheckpoint, TlogProof, VerifierKey,
};
use proptest::prelude::*;

use crate::{ORIGIN, checkpoint_of, leaf, log_signer, signed_head_of, tree_of, witness};

/// The example of `signed-note`.
const EXAMPLE_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const EXAMPLE: &str = "This is an example message.\n\n\
    — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

/// The example of Go's `sumdb/note`, whose secret is public.
const PETER_SEED: [u8; 32] = [
    0x81, 0x0a, 0x14, 0x02, 0xd5, 0x14, 0x6c, 0x8d, 0x84, 0xf2, 0x44, 0x33, 0x30, 0xf5, 0x40, 0x80, 0xeb, 0xf9, 0x8e,
    0xe1, 0x7d, 0x9c, 0x74, 0xf6, 0x25, 0x2f, 0xc5, 0xd5, 0xc7, 0x28, 0x31, 0x73,
];
const PETER_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETER_TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const PETER_LINE: &str =
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";

/// The example of `tlog-checkpoint`, with the cosignature of `tlog-cosignature`; their keys are not public.
const CHECKPOINT_TEXT: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
const CHECKPOINT_LINES: &str = "\
    — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
    — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

fn key(vkey: &str) -> VerifierKey {
    vkey.parse().unwrap()
}

#[test]
fn the_example_of_the_specification_verifies() {
    let note = Note::parse(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(note.text(), "This is an example message.\n");
    assert_eq!(note.to_string(), EXAMPLE);
    assert_eq!(note.verify(&[key(EXAMPLE_KEY)]), Ok(vec![&key(EXAMPLE_KEY)]));
}

#[test]
fn the_example_of_the_first_implementation_is_signed_to_the_byte() {
    let signer = ledger::Ed25519Signer::from_seed("PeterNeumann".parse().unwrap(), &PETER_SEED);
    assert_eq!(signer.key().to_string(), PETER_KEY);
    let note = Note::sign(PETER_TEXT, &signer).unwrap();
    assert_eq!(note.to_string(), format!("{PETER_TEXT}\n{PETER_LINE}\n"));
    assert_eq!(note.verify(&[key(EXAMPLE_KEY), key(PETER_KEY)]), Ok(vec![&key(PETER_KEY)]));
}

#[test]
fn a_text_may_hold_empty_lines_and_ends_at_the_last_one() {
    for text in ["\n", "\n\n", "a\n\nb\n", "a\n\n\n", "関守\n— not a signature\n\n"] {
        let note = Note::sign(text, &log_signer("a", 1)).unwrap();
        let back = Note::parse(note.to_string().as_bytes()).unwrap();
        assert_eq!((back.text(), &back), (text, &note));
    }
    for text in ["", "a", "a\n\nb", "a\r\n", "a\tb\n", "a\0\n"] {
        Note::sign(text, &log_signer("a", 1)).unwrap_err();
    }
}

#[test]
fn unknown_signatures_are_ignored_and_false_ones_of_known_keys_are_not() {
    let (ours, other) = (log_signer("ours.example", 1), log_signer("other.example", 2));
    let by_other = Note::sign("text\n", &other).unwrap().signatures()[0].clone();
    let mut note = Note::sign("text\n", &ours).unwrap();
    note.add(by_other.clone()).unwrap();
    assert_eq!(note.verify(std::slice::from_ref(ours.key())), Ok(vec![ours.key()]));
    assert_eq!(note.verify(&[other.key().clone(), ours.key().clone()]), Ok(vec![other.key(), ours.key()]));
    assert_eq!(note.verify(&[]), Err(Error::NoTrustedSignature));

    // The same name with another id, and the same id with another name, are other keys.
    let twin = log_signer("ours.example", 3);
    assert_eq!(note.verify(std::slice::from_ref(twin.key())), Err(Error::NoTrustedSignature));

    let by_other_elsewhere = Note::sign("another text\n", &other).unwrap().signatures()[0].clone();
    let mut forged = Note::sign("text\n", &ours).unwrap();
    forged.add(by_other_elsewhere).unwrap();
    forged.verify(std::slice::from_ref(ours.key())).unwrap();
    let error = Error::BadSignature { key: "other.example".parse().unwrap() };
    assert_eq!(forged.verify(&[ours.key().clone(), other.key().clone()]), Err(error.clone()));
    // A true line does not make up for a false one in the same name.
    forged.add(by_other).unwrap();
    assert_eq!(forged.verify(&[other.key().clone(), ours.key().clone()]), Err(error));
}

#[test]
fn notes_that_are_not_well_formed_are_refused() {
    let line = PETER_LINE;
    for (wrong, why) in [
        (String::new(), "empty"),
        (format!("text\n{line}\n"), "no empty line"),
        ("text\n\n".into(), "no signature"),
        ("\n".into(), "no text"),
        (format!("text\n\n{line}"), "no newline at the end"),
        (format!("text\n\n{line}\n\n"), "an empty line at the end"),
        (format!("text\n\n{line}\n\n{line}"), "signatures in the text, and no newline at the end"),
        (format!("text\r\n\n{line}\n"), "a carriage return"),
        (format!("te\txt\n\n{line}\n"), "a tab"),
        (format!("text\n\n{}\n", line.replace('—', "-")), "a hyphen for the dash"),
        (format!("text\n\n{}\n", line.replace("— ", "—")), "no space behind the dash"),
        (format!("text\n\n{}\n", line.replace("— ", "—  ")), "two spaces behind the dash"),
        (format!("text\n\n{}\n", line.replace("PeterNeumann", "Peter+Neumann")), "a plus in the name"),
        (format!("text\n\n{}\n", line.replace("PeterNeumann", "Peter\u{2003}Neumann")), "a wide space in the name"),
        (format!("text\n\n{}\n", line.replace("PeterNeumann ", "")), "no name"),
        (format!("text\n\n{}\n", line.replace("nAM=", "nAM")), "no padding"),
        (format!("text\n\n{}\n", line.replace("nAM=", "nAN=")), "unused bits that are not zero"),
        (format!("text\n\n{line} \n"), "a space behind"),
        ("text\n\n— a AAAAAA==\n".into(), "an id and no signature"),
        (format!("text\n\n{line}\nmore\n"), "a line that is not a signature"),
    ] {
        let error = Note::parse(wrong.as_bytes()).expect_err(why);
        assert!(matches!(error, Error::Malformed { .. }), "{why}: {error}");
    }
    Note::parse(b"text\xff\n\n").unwrap_err();
    // The smallest signature there can be: one byte.
    Note::parse("text\n\n— a AAAAAAA=\n".as_bytes()).unwrap();
}

#[test]
fn a_note_has_limits_to_its_size_and_to_its_signatures() {
    let lines = |count: usize| (0..count).map(|n| format!("— key{n} AAAAAAA=\n")).collect::<String>();
    let mut full = Note::parse(format!("text\n\n{}", lines(MAX_SIGNATURES)).as_bytes()).unwrap();
    assert_eq!(full.signatures().len(), 100);
    let error = Error::TooLarge { what: "number of signatures", limit: 100 };
    assert_eq!(Note::parse(format!("text\n\n{}", lines(MAX_SIGNATURES + 1)).as_bytes()), Err(error.clone()));
    assert_eq!(full.add(PETER_LINE.parse().unwrap()), Err(error));

    let mut nearly_full = Note::parse(format!("text\n\n{}", lines(MAX_SIGNATURES - 1)).as_bytes()).unwrap();
    nearly_full.add(PETER_LINE.parse().unwrap()).unwrap();
    assert_eq!(nearly_full.signatures().len(), 100);

    let rest = "\n\n— a AAAAAAA=\n".len();
    let of_size = |size: usize| format!("{}\n\n— a AAAAAAA=\n", "x".repeat(size - rest));
    let mut largest = Note::parse(of_size(MAX_NOTE).as_bytes()).unwrap();
    let error = Error::TooLarge { what: "note in bytes", limit: 1_000_000 };
    assert_eq!(Note::parse(of_size(MAX_NOTE + 1).as_bytes()), Err(error.clone()));
    assert_eq!(largest.add(PETER_LINE.parse().unwrap()), Err(error.clone()));
    let room = PETER_LINE.len() + 1;
    let mut with_room = Note::parse(of_size(MAX_NOTE - room).as_bytes()).unwrap();
    with_room.add(PETER_LINE.parse().unwrap()).unwrap();
    assert_eq!(with_room.to_string().len(), MAX_NOTE);
    let mut one_byte_short = Note::parse(of_size(MAX_NOTE - room + 1).as_bytes()).unwrap();
    assert_eq!(one_byte_short.add(PETER_LINE.parse().unwrap()), Err(error.clone()));
    assert_eq!(Note::sign(format!("{}\n", "x".repeat(MAX_NOTE - 10)), &log_signer("a", 1)), Err(error));
}

#[test]
fn a_signature_that_is_there_already_is_not_added_again() {
    let mut note = Note::sign("text\n", &log_signer("a", 1)).unwrap();
    let before = note.clone();
    note.add(before.signatures()[0].clone()).unwrap();
    assert_eq!(note, before);
}

#[test]
fn secrets_are_not_printed() {
    let printed = format!("{:?} {:?}", log_signer("a", 0x5a), witness("b", 0x5a));
    assert!(printed.contains("a+") && printed.contains("b+"));
    assert!(!printed.contains("90, 90") && !printed.contains("5a5a"), "{printed}");
}

#[test]
fn the_example_checkpoint_reads_and_prints() {
    let text = format!("{CHECKPOINT_TEXT}\n{CHECKPOINT_LINES}");
    let signed = SignedCheckpoint::parse(text.as_bytes()).unwrap();
    assert_eq!(signed.claimed().origin.as_str(), "example.com/behind-the-sofa");
    assert_eq!(signed.claimed().size, 20_852_163);
    assert_eq!(signed.claimed().to_string(), CHECKPOINT_TEXT);
    assert_eq!(signed.to_string(), text);
    let cosignature = &signed.note().signatures()[1];
    assert_eq!((cosignature.id().to_string().as_str(), cosignature.bytes().len()), ("8d66cf3f", 8 + 64));
    assert_eq!(cosignature.bytes()[..8], 1_679_315_147_u64.to_be_bytes());
}

#[test]
fn a_checkpoint_is_verified_only_by_the_key_of_its_log() {
    let tree = tree_of(10);
    let signed = signed_head_of(&tree);
    let log = log_signer(ORIGIN, 1);
    let verified = signed.clone().verify(log.key()).unwrap();
    assert_eq!((verified.checkpoint(), verified.head()), (&checkpoint_of(&tree), tree.head()));

    let same_name = log_signer(ORIGIN, 2);
    assert_eq!(signed.clone().verify(same_name.key()), Err(Error::NoTrustedSignature));
    let other_log = log_signer("log.example/osaka", 1);
    assert!(matches!(signed.clone().verify(other_log.key()), Err(Error::OtherLog { .. })));
    assert!(matches!(checkpoint_of(&tree).sign(&other_log), Err(Error::OtherLog { .. })));

    let forged = signed.to_string().replace("\n10\n", "\n11\n");
    let forged = SignedCheckpoint::parse(forged.as_bytes()).unwrap();
    assert_eq!(forged.verify(log.key()), Err(Error::BadSignature { key: ORIGIN.parse().unwrap() }));
}

#[test]
fn a_checkpoint_has_one_spelling() {
    let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
    for wrong in [
        String::new(),
        "\n".into(),
        format!("a\n1\n{root}"),
        format!("a\n1\n{root}\n\n"),
        format!("a\n1\n{root}\nextension\n"),
        format!("a\n{root}\n"),
        format!("\n1\n{root}\n"),
        format!("a b\n1\n{root}\n"),
        format!("a+b\n1\n{root}\n"),
        format!("https://a\n1\n{root}\n"),
        format!("a\u{7f}\n1\n{root}\n"),
        format!("{}\n1\n{root}\n", "a".repeat(256)),
        format!("a\n01\n{root}\n"),
        format!("a\n+1\n{root}\n"),
        format!("a\n1 \n{root}\n"),
        format!("a\n-1\n{root}\n"),
        format!("a\n\n{root}\n"),
        format!("a\n0\n{root}\n"),
        format!("a\n9223372036854775809\n{root}\n"),
        format!("a\n18446744073709551616\n{root}\n"),
        "a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n".into(),
        "a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n".into(),
        "a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw==\n".into(),
    ] {
        wrong.parse::<Checkpoint>().expect_err(&wrong);
    }
    let empty = Checkpoint { origin: "a".parse().unwrap(), size: 0, root: EMPTY_ROOT };
    assert_eq!(empty.to_string().parse(), Ok(empty));
    format!("{}\n9223372036854775808\n{root}\n", "a".repeat(255)).parse::<Checkpoint>().unwrap();
}

#[test]
fn what_is_text_is_the_same_text_in_json_and_is_parsed_when_read() {
    fn check<T: serde::Serialize + serde::de::DeserializeOwned + std::fmt::Display + PartialEq + std::fmt::Debug>(
        value: &T,
    ) {
        let json = serde_json::to_string(value).unwrap();
        assert_eq!(json, serde_json::to_string(&value.to_string()).unwrap());
        assert_eq!(&serde_json::from_str::<T>(&json).unwrap(), value);
        serde_json::from_str::<T>(&format!("\" {}", &json[1..])).unwrap_err();
    }
    let log = log_signer(ORIGIN, 1);
    check(log.key());
    check(log.key().name());
    check(witness("witness.example/w1", 7).key());
    check(&ORIGIN.parse::<Origin>().unwrap());
    check(&signed_head_of(&tree_of(3)));
    check(&offline_proof(5, 2, b"data"));
    check(&tree_of(3).root());
}

#[test]
fn a_cosignature_binds_witness_time_and_checkpoint() {
    let tree = tree_of(10);
    let log = log_signer(ORIGIN, 1);
    let (w1, w2) = (witness("witness.example/w1", 7), witness("witness.example/w2", 8));
    let verified = signed_head_of(&tree).verify(log.key()).unwrap();
    let line = w1.cosign(&verified, 1_800_000_000).unwrap();

    let mut signed = verified.into_signed();
    signed.add(line.clone()).unwrap();
    let reread = SignedCheckpoint::parse(signed.to_string().as_bytes()).unwrap().verify(log.key()).unwrap();
    let seen = reread.cosignatures(&[w2.key().clone(), w1.key().clone()]).unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].witness(), seen[0].time()), (w1.key(), 1_800_000_000));

    // Another time in the line.
    let mut bytes = line.bytes().to_vec();
    bytes[7] ^= 1;
    assert_false_line(&tree, &w1, &bytes);
    // A plain signature where a time and a signature must be; a time after the end of time; nothing after the time.
    assert_false_line(&tree, &w1, &bytes[8..]);
    assert_false_line(&tree, &w1, &[&u64::MAX.to_be_bytes(), &bytes[8..]].concat());
    assert_false_line(&tree, &w1, &bytes[..8]);
    assert_false_line(&tree, &w1, &bytes[..3]);
    // The line of another checkpoint.
    let elsewhere = signed_head_of(&tree_of(9)).verify(log.key()).unwrap();
    assert_false_line(&tree, &w1, w1.cosign(&elsewhere, 1_800_000_000).unwrap().bytes());
}

#[test]
fn the_time_of_a_cosignature_ends_before_2_to_the_63() {
    let log = log_signer(ORIGIN, 1);
    let witness = witness("witness.example/w1", 7);
    let verified = signed_head_of(&tree_of(10)).verify(log.key()).unwrap();
    assert!(matches!(witness.cosign(&verified, 1 << 63), Err(Error::TooLarge { .. })));
    let last = (1 << 63) - 1;
    let mut signed = verified.clone().into_signed();
    signed.add(witness.cosign(&verified, last).unwrap()).unwrap();
    let seen = signed.verify(log.key()).unwrap().cosignatures(std::slice::from_ref(witness.key())).unwrap();
    assert_eq!(seen[0].time(), last);
}

/// A line in the name of the witness with these bytes is found out, and is nobody's concern who does not know it.
fn assert_false_line(tree: &ledger::MemoryTree, witness: &ledger::Ed25519Cosigner, bytes: &[u8]) {
    use base64::Engine as _;
    let id = u32::from_str_radix(&witness.key().id().to_string(), 16).unwrap().to_be_bytes();
    let base64 = base64::engine::general_purpose::STANDARD.encode([&id[..], bytes].concat());
    let line: NoteSignature = format!("— {} {base64}", witness.key().name()).parse().unwrap();
    let mut signed = signed_head_of(tree);
    signed.add(line).unwrap();
    let verified = signed.verify(log_signer(ORIGIN, 1).key()).unwrap();
    let error = Error::BadSignature { key: witness.key().name().clone() };
    assert_eq!(verified.cosignatures(std::slice::from_ref(witness.key())), Err(error));
    assert_eq!(verified.cosignatures(&[]), Ok(vec![]));
}

#[test]
fn a_witness_that_cosigned_twice_counts_once_with_its_latest_time() {
    let log = log_signer(ORIGIN, 1);
    let witness = witness("witness.example/w1", 7);
    let verified = signed_head_of(&tree_of(10)).verify(log.key()).unwrap();
    let lines = [30, 50, 40].map(|time| witness.cosign(&verified, time).unwrap());
    let mut signed = verified.into_signed();
    lines.into_iter().for_each(|line| signed.add(line).unwrap());
    let seen = signed.verify(log.key()).unwrap().cosignatures(std::slice::from_ref(witness.key())).unwrap();
    assert_eq!(seen.iter().map(|one| one.time()).collect::<Vec<_>>(), [50]);
}

#[test]
fn a_key_of_a_log_is_no_key_of_a_witness() {
    EXAMPLE_KEY.parse::<CosignerKey>().unwrap_err();
    let cosigner = witness("witness.example/w1", 7);
    assert_eq!(cosigner.key().to_string().parse().as_ref(), Ok(cosigner.key()));
    cosigner.key().to_string().parse::<VerifierKey>().unwrap_err();
}

fn offline_proof(size: u64, index: u64, extra: &[u8]) -> TlogProof {
    let tree = tree_of(size);
    let proof = InclusionProof::make(&tree, index, size).unwrap();
    TlogProof::new(proof, signed_head_of(&tree), extra.to_vec()).unwrap()
}

#[test]
fn an_offline_proof_reads_back_and_verifies() {
    for (size, index, extra) in [(1, 0, &b""[..]), (2, 1, b"x"), (1000, 777, b"\0\xff\n")] {
        let proof = offline_proof(size, index, extra);
        let text = proof.to_string();
        assert!(text.starts_with("c2sp.org/tlog-proof@v1\n"));
        assert_eq!(text.contains("\nextra "), !extra.is_empty());
        let back = TlogProof::parse(text.as_bytes()).unwrap();
        assert_eq!(back, proof);
        assert_eq!((back.index(), back.extra()), (index, extra));

        let log = log_signer(ORIGIN, 1);
        assert_eq!(back.verify(leaf(index), log.key()).unwrap().head(), tree_of(size).head());
        back.verify(leaf(index + 1), log.key()).unwrap_err();
        back.verify(leaf(index), log_signer(ORIGIN, 2).key()).unwrap_err();
    }
}

/// Another implementation, in another language, makes the same bytes of the same seven entries, keys and time.
const FILE: &str = "\
    c2sp.org/tlog-proof@v1\n\
    extra YmVzaWRl\n\
    index 4\n\
    2u7z+fKfUDBc6ypsrEFFKnbbBGOJ/58eJ4EDJY3pC7g=\n\
    Bje24eorWsiEY4qjO/YaWRkQjUY+TPN4hTU0muCsjxM=\n\
    sV0rGwetramxO1VcCAYrGueK0bC36Z2X2ULJNqYkRDk=\n\
    \n\
    log.example/tokyo\n\
    7\n\
    Rc6n7cqVQ+5VdaV3TQ2PqTIai+CEs/tlf6T20HGjyUw=\n\
    \n\
    — log.example/tokyo qfTCxynm+3v8qNJ4c0/0HsrCdUslYiOdcXe2bH+Thv7884s0Lw9hXz/v+7p8nWoCmRFByHXtsAP4TgGAccyTsqXYjQE=\n\
    — witness.example/w1 qkoJ0QAAAABrSdIAKovJKGrvmr/dAkuy56pfgl0vUnHlne/5I2YfnGBHZrFVO3lLpH2IGbKyL/R90rgSyGYVm+Ur65Fqp0SEjPOlAA==\n";

#[test]
fn an_offline_proof_has_the_bytes_another_implementation_gives_it() {
    let tree = tree_of(7);
    let (log, witness) = (log_signer(ORIGIN, 1), witness("witness.example/w1", 7));
    assert_eq!(log.key().to_string(), "log.example/tokyo+a9f4c2c7+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c");
    assert_eq!(witness.key().to_string(), "witness.example/w1+aa4a09d1+BOpKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs");
    let verified = signed_head_of(&tree).verify(log.key()).unwrap();
    let cosignature = witness.cosign(&verified, 1_800_000_000).unwrap();
    let mut signed = verified.into_signed();
    signed.add(cosignature).unwrap();
    let proof = TlogProof::new(InclusionProof::make(&tree, 4, 7).unwrap(), signed, b"beside".to_vec()).unwrap();
    assert_eq!(proof.to_string(), FILE);
    assert_eq!(TlogProof::parse(FILE.as_bytes()), Ok(proof));
}

#[test]
fn an_offline_proof_and_its_checkpoint_are_of_one_size() {
    let proof = InclusionProof::make(&tree_of(10), 3, 9).unwrap();
    TlogProof::new(proof, signed_head_of(&tree_of(10)), Vec::new()).unwrap_err();
}

#[test]
fn offline_proofs_that_are_not_well_formed_are_refused() {
    let good = offline_proof(5, 2, b"data").to_string();
    TlogProof::parse(good.as_bytes()).unwrap();
    let hash = good.lines().nth(3).unwrap();
    let sixty_four = format!("{hash}\n").repeat(64);
    for wrong in [
        good.replace("@v1", "@v2"),
        good.replace("c2sp.org", " c2sp.org"),
        good.replace("extra ZGF0YQ==", "extra "),
        good.replace("extra ZGF0YQ==", "extra"),
        good.replace("extra ZGF0YQ==", "extra ZGF0YQ"),
        good.replace("extra ZGF0YQ==", "extra ZGF0YQ==\nextra ZGF0YQ=="),
        good.replace("extra ZGF0YQ==", ""),
        good.replace("index 2", "index 02"),
        good.replace("index 2", "index +2"),
        good.replace("index 2", "index  2"),
        good.replace("index 2", "index"),
        good.replace("index 2\n", ""),
        good.replace("index 2", "index 2\nindex 2"),
        good.replacen(hash, &hash[1..], 1),
        good.replacen(hash, &format!("{hash} "), 1),
        good.replacen(&format!("{hash}\n"), &format!("{hash}\r\n"), 1),
        good.replacen(&format!("{hash}\n"), &sixty_four, 1),
        good.replacen("\n\n", "\n", 1),
        good.replacen("\n\n", "\n\n\n", 1),
        good.trim_end().into(),
        format!("{good}\n"),
    ] {
        assert_ne!(wrong, good);
        TlogProof::parse(wrong.as_bytes()).expect_err(&wrong);
    }
    let huge = offline_proof(5, 2, &[7; ledger::MAX_EXTRA]);
    assert_eq!(TlogProof::parse(huge.to_string().as_bytes()), Ok(huge));
    let proof = InclusionProof::make(&tree_of(5), 2, 5).unwrap();
    TlogProof::new(proof.clone(), signed_head_of(&tree_of(5)), vec![7; ledger::MAX_EXTRA + 1]).unwrap_err();

    let with_path = |length| {
        let proof = InclusionProof { path: vec![leaf(0); length], ..proof.clone() };
        TlogProof::new(proof, signed_head_of(&tree_of(5)), Vec::new())
    };
    assert_eq!(with_path(64), Err(Error::TooLarge { what: "inclusion proof", limit: 63 }));
    let longest = with_path(63).unwrap();
    assert_eq!(TlogProof::parse(longest.to_string().as_bytes()), Ok(longest));
}

#[test]
fn any_changed_bit_of_an_offline_proof_is_found() {
    let good = offline_proof(11, 6, b"").to_string().into_bytes();
    let log = log_signer(ORIGIN, 1);
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            let verdict = TlogProof::parse(&bytes).and_then(|proof| proof.verify(leaf(6), log.key()));
            assert!(verdict.is_err(), "{}", String::from_utf8_lossy(&bytes));
        }
    }
}

proptest! {
    #[test]
    fn any_text_that_can_be_signed_reads_back_and_verifies(text in "(\\PC|\n){0,80}\n", name in "[^\\s+\\p{C}]{1,20}", seed: u8) {
        let signer = log_signer(&name, seed);
        let note = Note::sign(text, &signer).unwrap();
        let back = Note::parse(note.to_string().as_bytes()).unwrap();
        assert_eq!(&back, &note);
        assert_eq!(back.verify(std::slice::from_ref(signer.key())), Ok(vec![signer.key()]));
        assert_eq!(&key(&signer.key().to_string()), signer.key());
    }

    #[test]
    fn any_checkpoint_reads_back(origin in "[a-z0-9./-]{1,60}", size in 1..=ledger::MAX_SIZE, n: u64) {
        let Ok(origin) = origin.parse::<Origin>() else { return Ok(()) };
        let checkpoint = Checkpoint { origin, size, root: leaf(n) };
        assert_eq!(checkpoint.to_string().parse(), Ok(checkpoint));
    }
}
