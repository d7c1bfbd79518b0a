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

/// Who runs the tests. Each repeats what a failed test printed, and a test may print what another runner's summary looks like: nextest runs each
/// test with Rust's own runner, and shows its `test result:` below the failure, once for every try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runner {
    Nextest,
    /// Rust's own, begun by cargo or directly.
    Own,
}

/// What a line says of tests, if it is a summary of this runner's: nextest indents its own by five and what a test printed by four more, the other indents
/// nothing of its own.
pub(crate) fn read_line(line: &str, runner: Runner) -> Option<Tally> {
    let line = plain(line);
    let counts = match runner {
        Runner::Nextest => line.strip_prefix("     Summary [").and_then(|rest| rest.split_once("run: ")),
        Runner::Own => line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")),
    };
    let counts = counts?.1.trim();
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

    fn of(printed: &str, runner: Runner) -> Tally {
        let mut all = Tally::default();
        printed.lines().filter_map(|line| read_line(line, runner)).for_each(|tally| all.add(tally));
        all
    }

    #[track_caller]
    fn check(runner: Runner, line: &str, passed: u64, failed: u64) {
        assert_eq!(read_line(line, runner), Some(Tally { passed, failed }), "{line}");
    }

    #[test]
    fn summaries_of_both_runners_are_read() {
        let nextest = |line, passed, failed| check(Runner::Nextest, line, passed, failed);
        nextest("     Summary [   4.621s] 7 tests run: 7 passed, 0 skipped", 7, 0);
        nextest("     Summary [   1.886s] 3/15 tests run: 1 passed (1 slow), 2 failed, 4 skipped", 1, 2);
        nextest("     Summary [  61.0s] 12 tests run: 9 passed (2 slow), 1 failed, 2 timed out, 0 skipped", 9, 3);
        nextest(
            "\u{1b}[32;1m     Summary\u{1b}[0m [   0.3s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m skipped",
            2,
            0,
        );
        let own = |line, passed, failed| check(Runner::Own, line, passed, failed);
        own("test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.12s", 5, 0);
        own("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.12s", 3, 2);
    }

    #[test]
    fn other_lines_say_nothing() {
        for line in
            ["", "test a ... ok", "        PASS [   0.026s] (1/7) testkit a", "running 3 tests", "7 passed, 0 failed"]
        {
            for runner in [Runner::Nextest, Runner::Own] {
                assert_eq!(read_line(line, runner), None, "{line}");
            }
        }
    }

    /// As nextest 0.9 prints it: below the failure, and again for each further try, stands what Rust's own runner said of that one test.
    #[test]
    fn a_test_that_failed_and_was_tried_again_counts_once() {
        let printed = concat!(
            "    Starting 2 tests across 1 binary (68 tests skipped)\n",
            "  TRY 1 FAIL [   0.211s] domain::rules a\n",
            "  stdout ───\n\n    running 1 test\n    test a ... FAILED\n\n",
            "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 69 filtered out; finished in 0.20s\n\n",
            "  TRY 2 FAIL [   0.209s] domain::rules a\n",
            "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 69 filtered out; finished in 0.20s\n\n",
            "────────────\n",
            "     Summary [   0.266s] 2 tests run: 1 passed, 1 failed, 68 skipped\n",
            "  TRY 2 FAIL [   0.209s] domain::rules a\n",
            "error: test run failed\n",
        );
        assert_eq!(of(printed, Runner::Nextest), Tally { passed: 1, failed: 1 });
    }

    #[test]
    fn what_a_test_printed_is_no_summary() {
        let printed = concat!(
            "  stdout ───\n\n",
            "         Summary [   0.1s] 9 tests run: 9 passed, 0 skipped\n",
            "    test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s\n",
            "     Summary [   0.266s] 1 test run: 0 passed, 1 failed, 0 skipped\n",
        );
        assert_eq!(of(printed, Runner::Nextest), Tally { passed: 0, failed: 1 });
        let printed = concat!(
            "running 1 test\ntest a ... FAILED\n\n---- a stdout ----\n",
            "     Summary [   0.1s] 9 tests run: 9 passed, 0 skipped\n",
            "    test result: ok. 9 passed; 0 failed; 0 ignored\n",
            "test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.12s\n",
        );
        assert_eq!(of(printed, Runner::Own), Tally { passed: 0, failed: 1 });
    }
}
