//! A pen with real Ed25519 keys, and the tegata of a world's grants.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses the part it needs")]

use domain::event::{Founding, OriginName};
use domain::statement::{PossessionFields, Statement};
use domain::{Entry, GrantId, Nonce, State, Timestamp};
use ledger::{Checkpoint, Ed25519Signer, Hash, MemoryTree, MultiProof, leaf_hash};
use sshwire::{HashAlgorithm, PublicKey, Signature, SoftSigner, Writer, to_be_signed};
use tegata::{Tegata, Trust, closure, signatures, statement};

use crate::world::{LOG_KEY, Pen, World};

/// Key numbers with this bit are hardware keys.
pub const HARDWARE: u32 = 1 << 20;
/// With this one too: the same key, but nobody touched it.
pub const UNTOUCHED: u32 = 1 << 21;

#[derive(Debug, Clone, Copy, Default)]
pub struct RealPen;

pub fn seed(key: u32) -> [u8; 32] {
    let number = key & !UNTOUCHED;
    *Hash::of(format!("key {number}").as_bytes()).as_bytes()
}

fn signer(key: u32) -> SoftSigner {
    SoftSigner::from_seed(&seed(key))
}

fn sshsig(key: u32, namespace: &str, bytes: &[u8]) -> Signature {
    if key & HARDWARE == 0 { signer(key).sshsig(namespace, bytes) } else { assertion(key, namespace, bytes) }
}

const APPLICATION: &str = "ssh:";

/// As an authenticator signs: the application's hash, flags, a counter, the message's hash.
fn assertion(key: u32, namespace: &str, bytes: &[u8]) -> Signature {
    let message = to_be_signed(namespace, HashAlgorithm::Sha512, bytes);
    let flags = [u8::from(key & UNTOUCHED == 0)];
    let counter = 1_u32;
    let signed = [
        Hash::of(APPLICATION.as_bytes()).as_bytes().as_slice(),
        &flags,
        &counter.to_be_bytes(),
        Hash::of(&message).as_bytes(),
    ]
    .concat();
    let raw = signer(key).sign_raw(&signed);
    let blob = Writer::new().string("sk-ssh-ed25519@openssh.com").string(raw).raw(&flags).u32(counter).into_bytes();
    Signature::assemble(&RealPen.public(key), namespace, HashAlgorithm::Sha512, &blob).expect("it has the right shape")
}

impl Pen for RealPen {
    fn public(&self, key: u32) -> PublicKey {
        let plain = signer(key).public_key().clone();
        if key & HARDWARE == 0 {
            return plain;
        }
        let point = plain.ed25519_point().expect("an Ed25519 key");
        let wire = Writer::new().string("sk-ssh-ed25519@openssh.com").string(point).string(APPLICATION).into_bytes();
        PublicKey::from_wire(&wire).expect("a hardware key")
    }

    fn sign<S: Statement>(
        &self,
        key: u32,
        origin: &OriginName,
        body: &S,
        nonce: Nonce,
        expires: Timestamp,
    ) -> (Signature, Hash) {
        let bytes = statement::bytes(origin, body, nonce, expires);
        (sshsig(key, statement::namespace::<S>(), &bytes), statement::hash(&bytes))
    }

    fn possess(&self, key: u32, origin: &OriginName, body: &PossessionFields, nonce: Nonce) -> Signature {
        sshsig(key, PossessionFields::NAME, &statement::possession_bytes(origin, body, nonce))
    }

    fn sign_founding(&self, key: u32, founding: &Founding) -> Signature {
        sshsig(key, Founding::NAME, &statement::founding_bytes(founding))
    }

    fn accepts(&self, state: &State, entry: &Entry) -> bool {
        signatures::check(state, entry).is_ok()
    }
}

pub fn trust<P: Pen>(world: &World<P>) -> Trust {
    Trust { founders: world.founders.iter().map(|f| world.pen.public(f.key).fingerprint()).collect() }
}

pub fn tree<P: Pen>(world: &World<P>) -> MemoryTree {
    world.bytes.iter().map(|bytes| leaf_hash(bytes)).collect()
}

pub fn checkpoint<P: Pen>(world: &World<P>) -> String {
    checkpoint_by(world, world.origin().as_str(), LOG_KEY)
}

pub fn checkpoint_by<P: Pen>(world: &World<P>, origin: &str, key: u32) -> String {
    let head = tree(world).head();
    let signer = Ed25519Signer::from_seed(origin.parse().expect("a key name"), &seed(key));
    let checkpoint = Checkpoint { origin: origin.parse().expect("an origin"), size: head.size, root: head.root };
    checkpoint.sign(&signer).expect("the key has the log's name").to_string()
}

pub fn indices<P: Pen>(world: &World<P>, grant: GrantId) -> Vec<u64> {
    let found = world.state.passage.grants.get(&grant).expect("a live grant");
    closure::of_grant(&world.state, found).into_iter().collect()
}

pub fn tegata<P: Pen>(world: &World<P>, grant: GrantId) -> Tegata {
    tegata_with(world, grant, &indices(world, grant))
}

/// With just these entries, whoever chose them.
pub fn tegata_with<P: Pen>(world: &World<P>, grant: GrantId, indices: &[u64]) -> Tegata {
    let tree = tree(world);
    let proof = MultiProof::make(&tree, indices, tree.size()).expect("the entries are there");
    Tegata::new(grant, checkpoint(world), proof, indices.iter().map(|place| text(world, *place)).collect())
}

pub fn text<P: Pen>(world: &World<P>, place: u64) -> String {
    String::from_utf8(world.bytes[usize::try_from(place).expect("a small ledger")].clone()).expect("entries are JSON")
}
