//! Roots and proofs of the tree over the eight entries that Certificate Transparency has always been tested with.

use ledger::{ConsistencyProof, Hash, InclusionProof, MemoryTree, leaf_hash};

const ENTRIES: [&[u8]; 8] = [
    b"",
    &[0x00],
    &[0x10],
    &[0x20, 0x21],
    &[0x30, 0x31],
    &[0x40, 0x41, 0x42, 0x43],
    &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
    &[0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
];

const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

const LEAF_0: &str = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
const LEAF_1: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const LEAF_4: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const NODE_0_1: &str = ROOTS[2];
const NODE_2_3: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const NODE_4_5: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const NODE_6_7: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
const NODE_0_3: &str = ROOTS[4];
const NODE_4_7: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";

const INCLUSIONS: [(u64, u64, &[&str]); 7] = [
    (0, 1, &[]),
    (0, 2, &[LEAF_1]),
    (1, 2, &[LEAF_0]),
    (2, 3, &[NODE_0_1]),
    (1, 5, &[LEAF_0, NODE_2_3, LEAF_4]),
    (0, 8, &[LEAF_1, NODE_2_3, NODE_4_7]),
    (5, 8, &[LEAF_4, NODE_6_7, NODE_0_3]),
];

const CONSISTENCIES: [(u64, u64, &[&str]); 4] = [
    (1, 1, &[]),
    (1, 8, &[LEAF_1, NODE_2_3, NODE_4_7]),
    (2, 5, &[NODE_2_3, LEAF_4]),
    (6, 8, &[NODE_4_5, NODE_6_7, NODE_0_3]),
];

fn tree() -> MemoryTree {
    ENTRIES.into_iter().map(leaf_hash).collect()
}

fn hashes(path: &[&str]) -> Vec<Hash> {
    path.iter().map(|hash| hash.parse().unwrap()).collect()
}

#[test]
fn roots_are_the_known_ones() {
    for (size, root) in ROOTS.into_iter().enumerate() {
        assert_eq!(tree().head_at(size as u64).unwrap().root.to_string(), root, "size {size}");
    }
}

#[test]
fn inclusion_proofs_are_the_known_ones_and_verify() {
    let tree = tree();
    for (index, size, path) in INCLUSIONS {
        let proof = InclusionProof::make(&tree, index, size).unwrap();
        assert_eq!(proof, InclusionProof { index, size, path: hashes(path) });
        assert_eq!(proof.verify(leaf_hash(ENTRIES[index as usize]), &tree.head_at(size).unwrap()), Ok(()));
    }
}

#[test]
fn consistency_proofs_are_the_known_ones_and_verify() {
    let tree = tree();
    for (old, new, path) in CONSISTENCIES {
        let proof = ConsistencyProof::make(&tree, old, new).unwrap();
        assert_eq!(proof, ConsistencyProof { old, new, path: hashes(path) });
        assert_eq!(proof.verify(&tree.head_at(old).unwrap(), &tree.head_at(new).unwrap()), Ok(()));
    }
}
