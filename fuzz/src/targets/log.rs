//! Notes, checkpoints, proofs, tiles, trust policies and anchors: one spelling each, and nothing verifies but what the keys signed and the tree holds.

use ledger::{
    Checkpoint, ConsistencyProof, CosignerKey, Frontier, Hash, InclusionProof, MultiProof, Note, NoteSigner, Policy,
    SignedCheckpoint, Tile, TlogProof, TreeHead, VerifierKey, decode_bundle, encode_bundle, leaf_hash,
};

use crate::seeds;

pub(super) fn note(data: &[u8]) {
    if let Ok(note) = Note::parse(data) {
        assert_eq!(note.to_string().as_bytes(), data, "a note has two spellings");
    }
    if let Ok(signed) = SignedCheckpoint::parse(data) {
        assert_eq!(SignedCheckpoint::parse(signed.to_string().as_bytes()).unwrap(), signed);
        checkpoint_is_ours(signed);
    }
    let text = std::str::from_utf8(data).unwrap_or_default();
    if let Ok(checkpoint) = text.parse::<Checkpoint>() {
        assert_eq!(checkpoint.to_string(), text);
    }
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(key) = text.parse::<CosignerKey>() {
        assert_eq!(key.to_string(), text);
    }
}

/// What verifies under the log's key is the one checkpoint it signed, and what a witness's key vouches for is what that witness saw.
fn checkpoint_is_ours(signed: SignedCheckpoint) {
    let Ok(verified) = signed.verify(seeds::log().key()) else { return };
    assert_eq!(verified.checkpoint(), seeds::cosigned().claimed(), "a checkpoint that the log never signed verifies");
    let witnesses = seeds::witness_keys();
    if let Ok(cosigned) = verified.cosignatures(&witnesses) {
        assert!(cosigned.iter().all(|one| one.time() == seeds::WITNESSED && witnesses.contains(one.witness())));
    }
}

pub(super) fn proof(data: &[u8]) {
    if let Ok(proof) = TlogProof::parse(data) {
        assert_eq!(TlogProof::parse(proof.to_string().as_bytes()).unwrap(), proof);
        for (place, leaf) in (0..).zip(seeds::leaves()) {
            if proof.verify(leaf, seeds::log().key()).is_ok() {
                assert_eq!(proof.index(), place, "a leaf is proved at a place where it is not");
            }
        }
        assert!(proof.verify(leaf_hash(b"foreign"), seeds::log().key()).is_err(), "a foreign leaf is proved");
    }
    if let Ok(entries) = decode_bundle(data) {
        assert_eq!(encode_bundle(&entries).unwrap(), data);
    }
    let text = std::str::from_utf8(data).unwrap_or_default();
    if let Ok(tile) = text.parse::<Tile>() {
        assert_eq!(tile.to_string(), text);
    }
}

/// Proofs as they travel between the processes: whatever is proved of the example tree is true, and no other root is ever reached.
pub(super) fn tree_proof(data: &[u8]) {
    let (tree, leaves) = (seeds::tree(), seeds::leaves());
    let foreign = TreeHead { size: tree.size(), root: Hash::of(b"another root") };
    if let Ok(proof) = serde_json::from_slice::<InclusionProof>(data) {
        for (place, leaf) in (0..).zip(&leaves) {
            let holds = proof.verify(*leaf, &tree.head()).is_ok();
            assert!(!holds || proof == InclusionProof::make(tree, place, tree.size()).unwrap());
            assert!(proof.verify(*leaf, &foreign).is_err());
            for path in if holds { longer_and_shorter(&proof.path) } else { vec![] } {
                assert!(
                    InclusionProof { path, ..proof.clone() }.verify(*leaf, &tree.head()).is_err(),
                    "{OF_ANOTHER_LENGTH}"
                );
            }
        }
    }
    if let Ok(proof) = serde_json::from_slice::<ConsistencyProof>(data)
        && let (Ok(old), Ok(new)) = (tree.head_at(proof.old), tree.head_at(proof.new))
    {
        let holds = proof.verify(&old, &new).is_ok();
        assert!(!holds || proof == ConsistencyProof::make(tree, proof.old, proof.new).unwrap());
        for path in if holds { longer_and_shorter(&proof.path) } else { vec![] } {
            assert!(ConsistencyProof { path, ..proof.clone() }.verify(&old, &new).is_err(), "{OF_ANOTHER_LENGTH}");
        }
        let other = TreeHead { root: Hash::of(b"another root"), ..old };
        assert!(proof.verify(&other, &new).is_err() || (old.size == 0 && new.size == 0), "two beginnings of one tree");
    }
    if let Ok(proof) = serde_json::from_slice::<MultiProof>(data) {
        let known = |place: &u64| usize::try_from(*place).ok().and_then(|place| leaves.get(place)).copied();
        let said: Vec<Hash> = proof.indices.iter().map(|place| known(place).unwrap_or(foreign.root)).collect();
        let holds = proof.verify(&said, &tree.head()).is_ok();
        assert!(!holds || proof == MultiProof::make(tree, &proof.indices, tree.size()).unwrap());
        for nodes in if holds { longer_and_shorter(&proof.nodes) } else { vec![] } {
            assert!(MultiProof { nodes, ..proof.clone() }.verify(&said, &tree.head()).is_err(), "{OF_ANOTHER_LENGTH}");
        }
        let others: Vec<Hash> = said.iter().map(|leaf| Hash::of(leaf.as_bytes())).collect();
        assert!(proof.verify(&others, &tree.head()).is_err(), "other leaves are proved");
    }
    if let Ok(mut frontier) = Frontier::from_bytes(data) {
        assert_eq!(frontier.to_bytes(), data);
        if frontier.size() < ledger::MAX_SIZE {
            frontier.append(leaf_hash(b"next"));
            assert_eq!(Frontier::from_bytes(&frontier.to_bytes()).unwrap().head(), frontier.head());
        }
    }
}

const OF_ANOTHER_LENGTH: &str = "a proof holds with a hash more or less";

/// With a hash more at either end, and with one less: what a fuzzer would take long to write.
fn longer_and_shorter(hashes: &[Hash]) -> Vec<Vec<Hash>> {
    let more = [Hash::of(b"one more")];
    let mut all = vec![[hashes, &more].concat(), [&more, hashes].concat()];
    all.extend(hashes.split_last().map(|(_, fewer)| fewer.to_vec()));
    all
}

pub(super) fn policy(data: &[u8]) {
    let Ok(policy) = Policy::parse(data) else { return };
    let nobody = policy.quorum_met([]);
    let everybody = policy.quorum_met(policy.witnesses());
    assert!(everybody || !nobody, "fewer cosignatures reach what all do not");
    if let Ok(witnessed) = policy.verify(seeds::cosigned().clone()) {
        let seen: Vec<&CosignerKey> =
            witnessed.cosignatures().iter().map(ledger::VerifiedCosignature::witness).collect();
        assert!(policy.quorum_met(seen), "a checkpoint is taken without its witnesses");
        assert!(policy.logs().contains(seeds::log().key()), "the checkpoint of a log that is not named is taken");
    }
}

pub(super) fn anchors(data: &[u8]) {
    let Ok(file) = std::str::from_utf8(data) else { return };
    let session = seeds::session();
    if let Ok(anchors) = tegata::anchors::of_file(&session, file) {
        assert_eq!(tegata::anchors::to_file(&session, &anchors), file, "anchors have two spellings");
        let (entry, original) = seeds::anchored();
        for anchor in anchors {
            if anchor.check(&session, entry).is_ok() {
                assert_eq!(&anchor, original, "a point that was not anchored is proved");
            }
        }
    }
}
