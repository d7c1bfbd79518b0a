//! Merkle tree, signed checkpoints and proofs over opaque entry bytes; knows nothing of what an entry means.
//!
//! Hashing and proofs are those of RFC 6962 and RFC 9162; notes, checkpoints, cosignatures, tiles, policies and offline
//! proofs are those of C2SP (`signed-note`, `tlog-checkpoint`, `tlog-cosignature`, `tlog-tiles`, `tlog-policy`,
//! `tlog-proof`), so that outside tools verify what is written here. No I/O, no clock, no randomness: keys, times and
//! stored nodes come as arguments. What has a text form has the same form in serde.
//!
//! The way of an entry: [`leaf_hash`] its bytes, [`Frontier::append`] the leaf, [`Checkpoint::sign`] the head. The way
//! back: [`SignedCheckpoint::verify`] with a key one trusts, then [`InclusionProof::verify`] or [`MultiProof::verify`]
//! under its head, or [`TlogProof::verify`] for both in one file.

mod checkpoint;
mod cosignature;
mod encoding;
mod error;
mod hash;
mod key;
mod multiproof;
mod note;
mod policy;
mod proof;
mod tiles;
mod tlogproof;
mod tree;

pub use checkpoint::{Checkpoint, MAX_ORIGIN, Origin, SignedCheckpoint, VerifiedCheckpoint};
pub use cosignature::{CosignerKey, Ed25519Cosigner, VerifiedCosignature};
pub use error::Error;
pub use hash::{EMPTY_ROOT, Hash, Hasher, leaf_hash, node_hash};
pub use key::{KeyId, KeyName};
pub use multiproof::{MAX_PROVED, MultiProof};
pub use note::{Ed25519Signer, MAX_NOTE, MAX_SIGNATURES, Note, NoteSignature, NoteSigner, VerifierKey};
pub use policy::{MAX_POLICY, MAX_POLICY_NAMES, Policy, WitnessedCheckpoint};
pub use proof::{ConsistencyProof, InclusionProof, MAX_PATH};
pub use tiles::{MAX_ENTRY, TILE_WIDTH, Tile, TileKind, decode_bundle, encode_bundle, tiles_grown};
pub use tlogproof::{MAX_EXTRA, TlogProof};
pub use tree::{Frontier, MAX_SIZE, MemoryTree, Nodes, TreeHead, nodes_completed_by, root_of};

/// What the operations of this crate return.
pub type Result<T> = std::result::Result<T, Error>;
