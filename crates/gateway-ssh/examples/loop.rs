//! A gateway with a permissive gate between this machine's ssh and a real sshd, to be measured by hand: prints how to reach it, then waits.

#[path = "../tests/e2e/world.rs"]
mod world;

use std::io::{Read, Write};

fn main() {
    let (world, _recordings) = world::World::with_files();
    let (gateway, target) = (world.gateway.local_addr().port(), world.sshd.addr.port());
    let told =
        format!("gateway {gateway} target {target} dir {} pid {}\n", world.dir.path().display(), std::process::id());
    std::io::stdout().write_all(told.as_bytes()).expect("standard output takes a line");
    let mut end = Vec::new();
    std::io::stdin().read_to_end(&mut end).expect("standard input can be read");
}
