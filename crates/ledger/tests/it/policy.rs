//! Trust policies: the example of the specification, its rules one by one, and verification under them.

use ledger::{
    CosignerKey, Ed25519Cosigner, Error, InclusionProof, NoteSigner, Policy, SignedCheckpoint, TlogProof, leaf_hash,
};
use proptest::prelude::*;

use crate::{ORIGIN, leaf, log_signer, signed_head_of, tree_of, witness};

fn witnesses() -> Vec<Ed25519Cosigner> {
    (1..=6).map(|n| witness(&format!("witness.example/w{n}"), n)).collect()
}

fn log_line() -> String {
    format!("log {}\n", log_signer(ORIGIN, 1).key())
}

/// Lines for the six witnesses X1 X2 X3 Y1 Y2 Y3.
fn witness_lines() -> String {
    let names = ["X1", "X2", "X3", "Y1", "Y2", "Y3"];
    names.iter().zip(witnesses()).map(|(name, witness)| format!("witness {name} {}\n", witness.key())).collect()
}

fn policy_of(rest: &str) -> Policy {
    Policy::parse(format!("{}{}{rest}", log_line(), witness_lines()).as_bytes()).unwrap()
}

fn example() -> Policy {
    policy_of(
        "group X-witnesses 2 X1 X2 X3\n\
         group Y-witnesses any Y1 Y2 Y3\n\
         group X-and-Y all X-witnesses Y-witnesses\n\
         quorum X-and-Y\n",
    )
}

/// The head of a tree of ten, cosigned by those whose bit is set.
fn cosigned(bits: u8) -> SignedCheckpoint {
    let verified = signed_head_of(&tree_of(10)).verify(log_signer(ORIGIN, 1).key()).unwrap();
    let chosen = witnesses().into_iter().enumerate().filter(|(n, _)| bits >> n & 1 == 1);
    let lines: Vec<_> = chosen.map(|(_, witness)| witness.cosign(&verified, 1_800_000_000).unwrap()).collect();
    let mut signed = verified.into_signed();
    lines.into_iter().for_each(|line| signed.add(line).unwrap());
    signed
}

#[test]
fn the_example_asks_for_two_of_the_first_and_one_of_the_second() {
    let policy = example();
    for bits in 0..64_u8 {
        let enough = (bits & 0b111).count_ones() >= 2 && bits & 0b11_1000 != 0;
        let verdict = policy.verify(cosigned(bits));
        match verdict {
            Ok(witnessed) => {
                assert!(enough, "{bits:06b}");
                assert_eq!(witnessed.cosignatures().len() as u32, bits.count_ones());
                assert_eq!(witnessed.checkpoint().head(), tree_of(10).head());
            }
            Err(error) => {
                assert!(!enough, "{bits:06b}");
                assert_eq!(error, Error::QuorumNotMet);
            }
        }
    }
}

#[test]
fn one_witness_or_none_may_be_the_quorum() {
    let one = policy_of("quorum Y2\n");
    one.verify(cosigned(0b01_0000)).unwrap();
    assert_eq!(one.verify(cosigned(0b10_1111)), Err(Error::QuorumNotMet));
    let none = policy_of("quorum none\n");
    assert_eq!(none.verify(cosigned(0)).unwrap().cosignatures(), []);
    assert_eq!(Policy::parse(b"quorum none\n").unwrap().logs(), []);
}

#[test]
fn a_witness_in_a_quorum_and_in_a_group_counts_in_both() {
    let policy = policy_of("group g 1 X1 X2\nquorum X1\n");
    policy.verify(cosigned(1)).unwrap();
    policy.verify(cosigned(2)).unwrap_err();
}

#[test]
fn spaces_comments_urls_and_any_order_are_allowed() {
    let (log, keys) = (log_signer(ORIGIN, 1), witnesses());
    let text = format!(
        "# trust\n\n \t \n  witness\tw {}\thttps://witness.example/ \n\t# more\nquorum w\n log {} https://log.example/\n",
        keys[0].key(),
        log.key()
    );
    let policy = Policy::parse(text.as_bytes()).unwrap();
    assert_eq!(policy.logs(), [log.key().clone()]);
    assert_eq!(policy.witnesses(), [keys[0].key().clone()]);
    policy.verify(cosigned(1)).unwrap();
}

#[test]
fn names_are_octets() {
    let keys = witnesses();
    let kelvin = "\u{212a}";
    let text = format!("witness K {}\nwitness {kelvin} {}\nquorum {kelvin}\n", keys[0].key(), keys[1].key());
    let policy = Policy::parse(text.as_bytes()).unwrap();
    assert!(!policy.quorum_met([keys[0].key()]));
    assert!(policy.quorum_met([keys[1].key()]));
    let not_utf8 = [b"witness \xff ".as_slice(), keys[0].key().to_string().as_bytes(), b"\nquorum \xff\n"].concat();
    assert!(Policy::parse(&not_utf8).unwrap().quorum_met([keys[0].key()]));
}

#[test]
fn each_fault_is_named_with_its_line() {
    let keys: Vec<CosignerKey> = witnesses().iter().map(|witness| witness.key().clone()).collect();
    let (w1, w2) = (&keys[0], &keys[1]);
    let log = log_signer(ORIGIN, 1).key().clone();
    let same_log = log_signer("log.example/alias", 1).key().clone();
    let same_witness = witness("witness.example/alias", 1).key().clone();
    for (text, line, word) in [
        (String::new(), 0, "no quorum"),
        ("# nothing\n".into(), 1, "no quorum"),
        ("quorum none".into(), 1, "newline"),
        ("quorum none\r\n".into(), 1, "0x0d"),
        ("quorum none\0\n".into(), 1, "0x00"),
        ("quorum none\x7f\n".into(), 1, "0x7f"),
        ("quorum none\n\nquorum none\n".into(), 3, "second quorum"),
        ("quorum nobody\n".into(), 1, "not defined"),
        ("quorum\n".into(), 1, "none of"),
        ("quorum a b\n".into(), 1, "none of"),
        ("Quorum none\n".into(), 1, "none of"),
        (format!("log {log} url more\n"), 1, "none of"),
        ("log\n".into(), 1, "none of"),
        (format!("log {log}\nlog {same_log}\n"), 2, "public key"),
        (format!("log {w1}\n"), 1, "signature type"),
        (format!("witness w {log}\n"), 1, "signature type"),
        (format!("witness {w1}\n"), 1, "none of"),
        (format!("witness w {w1}\nwitness v {same_witness}\n"), 2, "public key"),
        (format!("witness w {w1}\nwitness w {w2}\n"), 2, "twice"),
        (format!("witness w {w1}\ngroup w any w\n"), 2, "twice"),
        (format!("witness none {w1}\n"), 1, "`none`"),
        (format!("witness w {w1}\ngroup none any w\n"), 2, "`none`"),
        (format!("witness w {w1}\ngroup g any none\n"), 2, "not defined"),
        (format!("witness w {w1}\ngroup g any g\n"), 2, "not defined"),
        (format!("group g any w\nwitness w {w1}\n"), 1, "not defined"),
        (format!("quorum w\nwitness w {w1}\n"), 1, "not defined"),
        (format!("witness w {w1}\ngroup g any w w\n"), 2, "already"),
        (format!("witness w {w1}\ngroup g any w\ngroup h any w\n"), 3, "already"),
        (format!("witness w {w1}\ngroup g any\n"), 2, "threshold"),
        (format!("witness w {w1}\ngroup g all\n"), 2, "threshold"),
        (format!("witness w {w1}\ngroup g 0 w\n"), 2, "threshold"),
        (format!("witness w {w1}\ngroup g 2 w\n"), 2, "threshold"),
        (format!("witness w {w1}\ngroup g 01 w\n"), 2, "plain decimal"),
        (format!("witness w {w1}\ngroup g +1 w\n"), 2, "plain decimal"),
        (format!("witness w {w1}\ngroup g most w\n"), 2, "plain decimal"),
        ("log \u{ff}\n".into(), 1, "three parts"),
    ] {
        match Policy::parse(text.as_bytes()) {
            Err(Error::MalformedPolicy { line: found, why }) => {
                assert_eq!(found, line, "{text:?}: {why}");
                assert!(why.contains(word), "{text:?}: {why}");
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
    assert_eq!(
        Policy::parse(b"\nwho knows\n").unwrap_err().to_string(),
        "trust policy line 2: `who` with 1 more words is none of `log VKEY [URL]`, `witness NAME VKEY [URL]`, \
         `group NAME all|any|K NAME...`, `quorum NAME`"
    );
}

#[test]
fn a_policy_has_limits() {
    let key = |n: u32| {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&n.to_be_bytes());
        Ed25519Cosigner::from_seed("w".parse().unwrap(), &seed).key().clone()
    };
    let lines: String = (0..1025).map(|n| format!("witness w{n} {}\n", key(n))).collect();
    match Policy::parse(lines.as_bytes()) {
        Err(Error::MalformedPolicy { line: 1025, why }) => assert!(why.contains("1024"), "{why}"),
        other => panic!("{other:?}"),
    }
    let largest = [b"quorum none\n".as_slice(), &vec![b'\n'; ledger::MAX_POLICY - 12]].concat();
    Policy::parse(&largest).unwrap();
    let huge = [largest, b"\n".to_vec()].concat();
    assert_eq!(Policy::parse(&huge), Err(Error::TooLarge { what: "trust policy in bytes", limit: 1_048_576 }));
}

#[test]
fn a_log_may_have_two_keys_and_a_checkpoint_one_of_them() {
    let old = log_signer(ORIGIN, 9);
    let policy = Policy::parse(format!("log {}\n{}quorum none\n", old.key(), log_line()).as_bytes()).unwrap();
    policy.verify(signed_head_of(&tree_of(10))).unwrap();
    let by_old = crate::checkpoint_of(&tree_of(10)).sign(&old).unwrap();
    policy.verify(by_old.clone()).unwrap();

    // A false line of one key is not made good by the true line of the other.
    let elsewhere = crate::checkpoint_of(&tree_of(9)).sign(&log_signer(ORIGIN, 1)).unwrap();
    let mut forged = by_old;
    forged.add(elsewhere.note().signatures()[0].clone()).unwrap();
    assert_eq!(policy.verify(forged), Err(Error::BadSignature { key: ORIGIN.parse().unwrap() }));
}

#[test]
fn a_log_the_policy_does_not_name_is_not_trusted() {
    let stranger = log_signer("log.example/osaka", 1);
    let mut checkpoint = crate::checkpoint_of(&tree_of(10));
    checkpoint.origin = "log.example/osaka".parse().unwrap();
    let signed = checkpoint.sign(&stranger).unwrap();
    assert_eq!(policy_of("quorum none\n").verify(signed.clone()), Err(Error::NoTrustedSignature));
    assert_eq!(Policy::parse(b"quorum none\n").unwrap().verify(signed), Err(Error::NoTrustedSignature));
}

#[test]
fn a_false_cosignature_is_found_even_where_the_quorum_does_not_need_it() {
    let mut signed = cosigned(1);
    let elsewhere = signed_head_of(&tree_of(9)).verify(log_signer(ORIGIN, 1).key()).unwrap();
    signed.add(witnesses()[3].cosign(&elsewhere, 1).unwrap()).unwrap();
    let error = Error::BadSignature { key: "witness.example/w4".parse().unwrap() };
    assert_eq!(policy_of("quorum X1\n").verify(signed), Err(error));
}

#[test]
fn an_offline_proof_is_verified_under_a_policy() {
    let proof = InclusionProof::make(&tree_of(10), 4, 10).unwrap();
    let offline = |bits| TlogProof::new(proof.clone(), cosigned(bits), Vec::new()).unwrap();
    let witnessed = offline(0b001_011).verify_under(leaf(4), &example()).unwrap();
    assert_eq!(witnessed.cosignatures().iter().map(|one| one.time()).collect::<Vec<_>>(), [1_800_000_000; 3]);
    assert_eq!(offline(0b000_011).verify_under(leaf(4), &example()), Err(Error::QuorumNotMet));
    let error = offline(0b001_011).verify_under(leaf_hash(b"other"), &example());
    assert!(matches!(error, Err(Error::ProofFails { .. })));
}

proptest! {
    #[test]
    fn more_cosignatures_never_break_a_quorum(few in 0..64_u8, more in 0..64_u8, k in 1..=3_usize) {
        let policy = policy_of(&format!("group a {k} X1 X2 X3\ngroup b 2 a Y1 Y2\nquorum b\n"));
        let keys: Vec<CosignerKey> = witnesses().iter().map(|witness| witness.key().clone()).collect();
        let chosen = |bits: u8| keys.iter().enumerate().filter(move |(n, _)| bits >> n & 1 == 1).map(|(_, key)| key);
        let met = policy.quorum_met(chosen(few));
        let a = usize::from((few & 0b111).count_ones() as usize >= k);
        assert_eq!(met, a + (few >> 3 & 0b11).count_ones() as usize >= 2);
        assert!(!met || policy.quorum_met(chosen(few | more)));
    }
}
