//! A gateway with a permissive gate between this machine's ssh and a real sshd, to be measured by hand: prints how to reach it, then waits.

#[path = "../tests/e2e/world.rs"]
mod world;

use std::io::Read;

fn main() {
    let keep_in_memory = std::env::args().nth(1).is_some_and(|arg| arg == "--memory-tapes");
    let world = if keep_in_memory { world::World::new() } else { world::World::measured() };
    println!("gateway {} target {} dir {} pid {}", world.gateway.local_addr().port(), world.sshd.addr.port(), world.dir.path().display(), std::process::id());
    let mut end = Vec::new();
    std::io::stdin().read_to_end(&mut end).expect("standard input can be read");
}
