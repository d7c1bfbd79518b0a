//! Writes a long ledger's file and the trust directory that it verifies under, to see that checking takes bounded memory.
//!
//! `cargo run -p tegata --example long_ledger -- ENTRIES FOLDER`, then `sekimori --trust FOLDER/trust verify --replay FOLDER/long.skmledger`.
//! What it makes: a founded shop, then by turns requests with their approvals and grants (three signed or made entries each) and
//! anchors of recordings, a minute apart. No sessions, errands or refusals.

#[path = "../../domain/tests/world/mod.rs"]
mod world;

#[path = "../tests/real/mod.rs"]
mod real;

use std::io::Write;
use std::path::Path;

use domain::Actor;
use domain::event::{Event, RecordingAnchored};
use ledger::{Checkpoint, Ed25519Signer, Frontier, NoteSigner, leaf_hash};
use real::{RealPen, seed, trust};
use tegata::whole::Lines;
use world::{LOG_KEY, Shop, World, seconds};

/// Anchors after each grant.
const ANCHORS: usize = 50;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let entries: u64 = arguments.next().and_then(|n| n.parse().ok()).expect("a number of entries");
    let folder = arguments.next().expect("a folder");
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder.join("trust"))?;
    let (mut world, shop) = World::shop(RealPen, 7);
    let origin = world.origin();
    let log = Ed25519Signer::from_seed(origin.as_str().parse().expect("a key name"), &seed(LOG_KEY));
    std::fs::write(folder.join("trust/log.policy"), format!("log {}\nquorum none\n", log.key()))?;
    let founders: String = trust(&world).founders.iter().map(|founder| format!("{founder}\n")).collect();
    std::fs::write(folder.join("trust/founders"), founders)?;
    let mut file = std::io::BufWriter::new(std::fs::File::create(folder.join("long.skmledger"))?);
    let (mut lines, mut frontier) = (Lines::default(), Frontier::new());
    file.write_all(lines.form().as_bytes())?;
    while frontier.size() < entries {
        for bytes in std::mem::take(&mut world.bytes) {
            frontier.append(leaf_hash(&bytes));
            file.write_all(lines.entry(std::str::from_utf8(&bytes).expect("JSON")).as_bytes())?;
        }
        let (size, root) = (frontier.size(), frontier.root());
        let checkpoint = Checkpoint { origin: origin.as_str().parse().expect("an origin"), size, root };
        let note = checkpoint.sign(&log).expect("the key has the log's name");
        file.write_all(lines.checkpoint(&note).as_bytes())?;
        world.entries.clear();
        go_on(&mut world, &shop);
    }
    file.write_all(lines.end().as_bytes())?;
    file.flush()
}

fn go_on(world: &mut World<RealPen>, shop: &Shop) {
    world.grant(shop);
    for _ in 0..ANCHORS {
        world.tick(seconds(60));
        let root = world.dice.hash();
        let event = Event::RecordingAnchored(RecordingAnchored { root, recordings: 1 });
        world.offer_as(event, Actor::Engine).expect("the server's own");
    }
}
