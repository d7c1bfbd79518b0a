//! What is fuzzed. A target takes any bytes; it panics where something is not as it should be.

mod between;
mod facts;
mod gate;
mod log;
mod recording;
mod sealed;
mod ssh;
mod words;

pub(crate) use sealed::data_key;

use crate::seeds;

pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&[u8]),
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// Most bytes of memory that an input may cost, besides [`crate::memory::PER_BYTE`] for each of its own.
    pub(crate) memory: usize,
}

const fn target(name: &'static str, run: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { name, run, seeds, memory: LITTLE }
}

/// For parsers that make no more than what they read.
const LITTLE: usize = 256 << 10;
/// A frame is believed to be as long as it says, up to its limit, and is then read.
const ONE_FRAME: usize = channel::frame::LONGEST_FRAME + LITTLE;
/// A state with all that follows from it: the example ledger's.
const A_STATE: usize = 4 << 20;
/// Chunks, what they unpack to, the longest frame twice, and what an export makes of it.
const A_RECORDING: usize = 6 * recorder::MAX_FRAME;

impl Target {
    const fn needing(self, memory: usize) -> Self {
        Self { memory, ..self }
    }
}

pub(crate) const TARGETS: &[Target] = &[
    target("ssh-key", ssh::key, seeds::keys),
    target("ssh-certificate", ssh::certificate, seeds::certificates),
    target("sshsig", ssh::signature, seeds::signatures),
    target("entry", facts::entry, seeds::entries).needing(A_STATE),
    target("statement", facts::statement, seeds::statements),
    target("tegata", facts::tegata, seeds::tegata).needing(A_STATE),
    target("ledger-export", facts::whole_ledger, seeds::ledgers).needing(A_STATE),
    target("note", log::note, seeds::notes),
    target("tree-proof", log::tree_proof, seeds::tree_proofs),
    target("tlog-proof", log::proof, seeds::proofs),
    target("log-policy", log::policy, seeds::policies),
    target("anchors", log::anchors, seeds::anchors),
    target("recording", recording::file, seeds::recordings).needing(A_RECORDING),
    target("recording-chunk", recording::chunk, seeds::chunks).needing(A_RECORDING),
    target("sealed", sealed::sealed, seeds::sealed),
    target("channel", between::frames, seeds::frames).needing(ONE_FRAME),
    target("first-words", gate::first_words, seeds::first_words),
    target("login", gate::login, seeds::logins),
    target("terminal", gate::terminal, seeds::terminals),
    target("words", words::words, seeds::words),
];
