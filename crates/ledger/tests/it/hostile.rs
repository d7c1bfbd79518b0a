//! Whatever the bytes, a parser answers; what it accepts, it writes back to the same bytes.

use std::fmt::Display;

use ledger::{
    Checkpoint, ConsistencyProof, CosignerKey, Frontier, Hash, InclusionProof, KeyName, MultiProof, Note,
    NoteSignature, NoteSigner, Origin, Policy, SignedCheckpoint, Tile, TlogProof, TreeHead, VerifierKey, decode_bundle,
    encode_bundle,
};
use proptest::prelude::*;

use crate::{ORIGIN, leaf, log_signer, signed_head_of, tree_of, witness};

/// Feeds every parser; each either refuses or gives back exactly what it read.
fn feed(bytes: &[u8]) {
    same(bytes, Note::parse(bytes));
    same(bytes, SignedCheckpoint::parse(bytes));
    same(bytes, TlogProof::parse(bytes));
    if let Ok(edge) = Frontier::from_bytes(bytes) {
        assert_eq!(edge.to_bytes(), bytes);
    }
    if let Ok(entries) = decode_bundle(bytes) {
        assert_eq!(encode_bundle(&entries).unwrap(), bytes);
    }
    answered(Policy::parse(bytes));
    answered(serde_json::from_slice::<InclusionProof>(bytes));
    answered(serde_json::from_slice::<ConsistencyProof>(bytes));
    answered(serde_json::from_slice::<MultiProof>(bytes));
    answered(serde_json::from_slice::<Frontier>(bytes));
    if let Ok(text) = str::from_utf8(bytes) {
        same(bytes, text.parse::<Hash>());
        same(bytes, text.parse::<KeyName>());
        same(bytes, text.parse::<Origin>());
        same(bytes, text.parse::<VerifierKey>());
        same(bytes, text.parse::<CosignerKey>());
        same(bytes, text.parse::<NoteSignature>());
        same(bytes, text.parse::<Checkpoint>());
        same(bytes, text.parse::<Tile>());
    }
}

/// For what has no text of its own to compare with: that it came back at all is the test.
fn answered<T, E>(_: Result<T, E>) {}

fn same<T: Display>(bytes: &[u8], parsed: ledger::Result<T>) {
    if let Ok(parsed) = parsed {
        assert_eq!(parsed.to_string().as_bytes(), bytes);
    }
}

/// Well-formed inputs, to be damaged.
fn samples() -> Vec<Vec<u8>> {
    let tree = tree_of(300);
    let log = log_signer(ORIGIN, 1);
    let verified = signed_head_of(&tree).verify(log.key()).unwrap();
    let witness = witness("witness.example/w1", 7);
    let mut signed = verified.clone().into_signed();
    signed.add(witness.cosign(&verified, 1_800_000_000).unwrap()).unwrap();
    let inclusion = InclusionProof::make(&tree, 100, 300).unwrap();
    let shared = MultiProof::make(&tree, &[3, 100, 299], 300).unwrap();
    let policy = format!("log {}\nwitness w {} url\ngroup g any w\nquorum g\n", log.key(), witness.key());
    vec![
        signed.to_string().into_bytes(),
        TlogProof::new(inclusion.clone(), signed.clone(), b"extra".to_vec()).unwrap().to_string().into_bytes(),
        signed.claimed().to_string().into_bytes(),
        signed.note().signatures()[1].to_string().into_bytes(),
        witness.key().to_string().into_bytes(),
        log.key().to_string().into_bytes(),
        policy.into_bytes(),
        tree.frontier().to_bytes(),
        encode_bundle(&[b"one".as_slice(), b"", b"three"]).unwrap(),
        b"tile/0/x001/x234/067.p/12".to_vec(),
        leaf(1).to_string().into_bytes(),
        serde_json::to_vec(&inclusion).unwrap(),
        serde_json::to_vec(&shared).unwrap(),
        serde_json::to_vec(&ConsistencyProof::make(&tree, 100, 300).unwrap()).unwrap(),
        serde_json::to_vec(tree.frontier()).unwrap(),
    ]
}

#[test]
fn every_prefix_of_a_good_input_is_answered() {
    for sample in samples() {
        (0..=sample.len()).for_each(|end| feed(&sample[..end]));
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        feed(&bytes);
    }

    #[test]
    fn arbitrary_lines_are_answered(lines in prop::collection::vec("(— |log |witness |group |quorum |index |extra |\\+|tile/|\\PC){0,12}", 0..8)) {
        feed(lines.join("\n").as_bytes());
        feed(format!("{}\n", lines.join("\n")).as_bytes());
        feed(format!("c2sp.org/tlog-proof@v1\n{}\n", lines.join("\n")).as_bytes());
    }

    #[test]
    fn a_damaged_good_input_is_answered(
        which in 0..15_usize, at: usize, cut in 0..4_usize, put in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut bytes = samples().swap_remove(which);
        let at = at % bytes.len();
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, put);
        feed(&bytes);
    }

    #[test]
    fn arbitrary_proofs_are_answered(
        a: u64, b: u64, indices in prop::collection::vec(any::<u64>(), 0..6), sorted: bool, few in 0..70_usize, small: bool,
    ) {
        let shift = if small { 58 } else { 0 };
        let (a, b) = (a >> shift, b >> shift);
        let path: Vec<Hash> = (0..few as u64).map(leaf).collect();
        let (old, new) = (TreeHead { size: a, root: leaf(1) }, TreeHead { size: b, root: leaf(2) });
        assert!(InclusionProof { index: a, size: b, path: path.clone() }.verify(leaf(0), &new).is_err());
        // All trees begin with the empty one, and that has only one root.
        assert!(ConsistencyProof { old: a, new: b, path: path.clone() }.verify(&old, &new).is_err());
        let mut indices: Vec<u64> = indices.into_iter().map(|index| index >> shift).collect();
        if sorted {
            indices.sort_unstable();
        }
        let leaves = vec![leaf(0); indices.len()];
        assert!(MultiProof { size: b, indices, nodes: path }.verify(&leaves, &new).is_err());
    }
}
