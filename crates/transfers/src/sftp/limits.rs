//! How much a channel may hold.

/// Limits of one channel. The defaults let through what OpenSSH's own tools do at their largest settings short of the absurd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The length a packet may announce, bytes. OpenSSH's is 256 KiB; 1 KiB more for those that count the content alone. Longer ends the channel.
    pub packet: usize,
    /// Bytes of a path; `PATH_MAX` of Linux. Longer is refused.
    pub path: usize,
    /// Files and directories open at once. More are refused.
    pub open: usize,
    /// Requests without an answer. OpenSSH's clients keep 64. More are refused.
    pub waiting: usize,
    /// Bytes of paths held for open files and waiting requests. More are refused.
    pub text: usize,
    /// Content of one file that waits for what comes before it, bytes. 64 requests of 255 KiB, as OpenSSH's client keeps them in flight, fit. Beyond it
    /// the file has no digest.
    pub reorder_file: usize,
    /// The same for all files of the channel.
    pub reorder: usize,
    /// Answers of the gate's own that wait for the target to finish a packet, bytes. More end the channel.
    pub answers: usize,
    /// Bytes of content shown to `Oversight::keep`, for each file and direction.
    pub keep_per_file: u64,
}

/// What one open file costs beside its path: hashes, counters, entries in maps.
pub(super) const OPEN_COST: usize = 2 << 10;
/// What one waiting request costs beside its paths.
pub(super) const WAITING_COST: usize = 512;
/// How many sizes that the target told are remembered, with paths.
pub(super) const SIZES: usize = 64;
/// Longest handle a target may give out (the draft's own limit).
pub(super) const HANDLE: usize = 256;

impl Default for Limits {
    fn default() -> Self {
        Self {
            packet: 257 << 10,
            path: 4096,
            open: 1024,
            waiting: 4096,
            text: 4 << 20,
            reorder_file: 16 << 20,
            reorder: 64 << 20,
            answers: 256 << 10,
            keep_per_file: 0,
        }
    }
}

impl Limits {
    /// The most that a filter with these limits holds, bytes; what [`Filter::memory`](super::Filter::memory) never exceeds. About 77 MiB by default, of
    /// which 64 MiB only while content arrives out of order.
    #[must_use]
    pub fn memory(&self) -> usize {
        // A packet that is being gathered on each side, and one that waits for somebody's word.
        let packets = 3 * (self.packet + 4);
        packets
            + self.open * OPEN_COST
            + (self.waiting + 1) * WAITING_COST
            + self.text
            + self.reorder
            + 2 * self.answers
            + SIZES * (self.path + size_of::<u64>())
    }
}
