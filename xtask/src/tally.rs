//! Counting what passed and failed, out of what the test runners print.

use crate::terminal::plain;

/// How many tests passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// What a line says of tests, if it is a summary of nextest's or of Rust's own runner.
pub(crate) fn read_line(line: &str) -> Option<Tally> {
    let line = plain(line);
    let line = line.trim();
    let counts =
        line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")).map(|(_, counts)| counts).or_else(
            || line.strip_prefix("Summary [").and_then(|rest| rest.split_once("run: ")).map(|(_, counts)| counts),
        )?;
    let mut tally = Tally::default();
    for part in counts.split([',', ';']) {
        let mut words = part.split_whitespace();
        let (Some(Ok(count)), Some(what)) = (words.next().map(str::parse::<u64>), words.next()) else { continue };
        match what {
            "passed" => tally.passed += count,
            // `timed out`, `exec failed`
            "failed" | "timed" | "exec" => tally.failed += count,
            _ => {}
        }
    }
    Some(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, passed: u64, failed: u64) {
        assert_eq!(read_line(line), Some(Tally { passed, failed }), "{line}");
    }

    #[test]
    fn summaries_of_both_runners_are_read() {
        check("     Summary [   4.621s] 7 tests run: 7 passed, 0 skipped", 7, 0);
        check("     Summary [   1.886s] 3/15 tests run: 1 passed (1 slow), 2 failed, 4 skipped", 1, 2);
        check("     Summary [  61.0s] 12 tests run: 9 passed (2 slow), 1 failed, 2 timed out, 0 skipped", 9, 3);
        check(
            "\u{1b}[32;1m     Summary\u{1b}[0m [   0.3s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m skipped",
            2,
            0,
        );
        check("test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.12s", 5, 0);
        check(
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.12s",
            3,
            2,
        );
    }

    #[test]
    fn other_lines_say_nothing() {
        for line in
            ["", "test a ... ok", "        PASS [   0.026s] (1/7) testkit a", "running 3 tests", "7 passed, 0 failed"]
        {
            assert_eq!(read_line(line), None, "{line}");
        }
    }
}
