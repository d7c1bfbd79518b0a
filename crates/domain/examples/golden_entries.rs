//! Prints the ledger of the example script, one entry a line: where `tests/golden/entries.jsonl` came from, and where lines for a new kind come from.
//!
//! `cargo run -p domain --example golden_entries`

#[path = "../tests/world/mod.rs"]
mod world;

#[expect(clippy::print_stdout, reason = "printing is what it is for")]
fn main() {
    for bytes in world::examples::ledger().bytes {
        println!("{}", String::from_utf8(bytes).expect("entries are JSON"));
    }
}
