//! The memory across kills, power cuts, damage and a second keeper.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use keeper::{Last, MEMORY_FILE, Memory, MemoryError};
use ledger::{Hash, TreeHead};

use crate::bench::private_dir;

fn last(size: u64) -> Last {
    let head = TreeHead { size, root: Hash::of(&size.to_be_bytes()) };
    Last { head, serial: size.is_multiple_of(2).then_some(size) }
}

fn founded(dir: &Path) -> Memory {
    let mut memory = Memory::open(dir).unwrap();
    memory.found("the founding").unwrap();
    memory
}

#[test]
fn what_was_remembered_is_there_after_a_restart() {
    let dir = private_dir();
    let mut memory = Memory::open(dir.path()).unwrap();
    assert_eq!((memory.last(), memory.founding()), (None, None));
    memory.found("the founding").unwrap();
    let leaf = ledger::leaf_hash(b"the founding");
    assert_eq!(memory.last(), Some(Last { head: TreeHead { size: 1, root: leaf }, serial: None }));
    assert!(matches!(memory.found("another"), Err(MemoryError::FoundedAlready)));
    for size in 2..40 {
        memory.remember(last(size)).unwrap();
        drop(memory);
        memory = Memory::open(dir.path()).unwrap();
        assert_eq!((memory.last(), memory.founding()), (Some(last(size)), Some("the founding")));
    }
}

#[test]
fn nothing_is_remembered_before_the_founding() {
    let dir = private_dir();
    let mut memory = Memory::open(dir.path()).unwrap();
    assert!(matches!(memory.remember(last(2)), Err(MemoryError::NotFounded)));
    assert!(!dir.path().join(MEMORY_FILE).exists());
}

#[test]
fn two_keepers_do_not_share_a_directory() {
    let dir = private_dir();
    let first = founded(dir.path());
    assert!(matches!(Memory::open(dir.path()), Err(MemoryError::InUse { .. })));
    drop(first);
    Memory::open(dir.path()).unwrap();
}

#[test]
fn a_write_torn_by_a_power_cut_is_forgotten_and_the_next_one_counts() {
    let dir = private_dir();
    let path = dir.path().join(MEMORY_FILE);
    let mut memory = founded(dir.path());
    memory.remember(last(2)).unwrap();
    let before = fs::read(&path).unwrap();
    memory.remember(last(3)).unwrap();
    let after = fs::read(&path).unwrap();
    drop(memory);
    for cut in before.len()..=after.len() {
        let mut zeroed = after[..cut].to_vec();
        zeroed.resize(after.len(), 0);
        for torn in [after[..cut].to_vec(), zeroed] {
            fs::write(&path, &torn).unwrap();
            let mut memory = Memory::open(dir.path()).unwrap();
            let expected = if torn == after { last(3) } else { last(2) };
            assert_eq!(memory.last(), Some(expected), "{cut} bytes were written");
            memory.remember(last(7)).unwrap();
            drop(memory);
            assert_eq!(Memory::open(dir.path()).unwrap().last(), Some(last(7)), "after a cut at {cut}");
        }
    }
}

#[test]
fn a_power_cut_while_the_file_is_written_anew_leaves_the_old_one() {
    let dir = private_dir();
    drop(founded(dir.path()));
    fs::write(dir.path().join(MEMORY_FILE).with_extension("new"), b"half of a fi").unwrap();
    let mut memory = Memory::open(dir.path()).unwrap();
    memory.remember(last(2)).unwrap();
    drop(memory);
    assert_eq!(Memory::open(dir.path()).unwrap().last(), Some(last(2)));
}

#[test]
fn any_other_damage_keeps_the_keeper_from_starting() {
    let dir = private_dir();
    let path = dir.path().join(MEMORY_FILE);
    let mut memory = founded(dir.path());
    (2..5).for_each(|size| memory.remember(last(size)).unwrap());
    drop(memory);
    let whole = fs::read(&path).unwrap();
    for place in (0..whole.len() - 1).step_by(3) {
        let mut changed = whole.clone();
        changed[place] ^= 0x10;
        fs::write(&path, &changed).unwrap();
        let error = Memory::open(dir.path()).unwrap_err();
        assert!(matches!(&error, MemoryError::Damaged { .. }), "byte {place}: {error}");
        assert!(error.to_string().contains("could sign a fork"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), changed, "what is damaged is left for the operator to look at");
    }
}

#[test]
fn a_memory_open_to_others_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = private_dir();
    drop(founded(dir.path()));
    fs::set_permissions(dir.path().join(MEMORY_FILE), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(Memory::open(dir.path()), Err(MemoryError::File(_))));
}

/// Set for the process that is to be killed: where it remembers.
const VICTIM: &str = "SEKIMORI_TEST_MEMORY_OF_VICTIM";
const KILLS: u64 = 12;
/// A victim whose parent went away ends by itself.
const MOST_STEPS: u64 = 20_000;

#[test]
fn a_keeper_killed_at_any_moment_has_forgotten_nothing_that_it_said() {
    #[expect(clippy::disallowed_methods, reason = "the test runs itself as the process that is killed")]
    if let Ok(dir) = std::env::var(VICTIM) {
        return remember_until_killed(Path::new(&dir));
    }
    let dir = private_dir();
    drop(founded(dir.path()));
    let mut said = 1;
    for round in 0..KILLS {
        let mut victim = start_victim(dir.path());
        let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let patience = Duration::from_micros(500 + 2_711 * round);
        said = listen_and_kill(&mut victim, lines, patience).unwrap_or(said);
        let memory = Memory::open(dir.path()).unwrap();
        let remembered = memory.last().unwrap().head.size;
        assert!(remembered >= said, "it had said {said} and remembers {remembered}");
        assert!(remembered == 1 || memory.last() == Some(last(remembered)));
        said = remembered;
    }
    assert!(said > KILLS, "only {said} were remembered in all rounds");
}

/// Waits for the first word, then a moment more, kills, and gives the last number that was said.
fn listen_and_kill(
    victim: &mut Child,
    mut lines: impl Iterator<Item = std::io::Result<String>>,
    patience: Duration,
) -> Option<u64> {
    let number = |line: std::io::Result<String>| line.ok()?.strip_prefix("remembered ")?.parse::<u64>().ok();
    let first = lines.by_ref().find_map(number);
    #[expect(clippy::disallowed_methods, reason = "the moment of the kill is what is varied")]
    std::thread::sleep(patience);
    victim.kill().unwrap();
    victim.wait().unwrap();
    lines.filter_map(number).last().or(first)
}

fn start_victim(dir: &Path) -> Child {
    let mut itself = Command::new(std::env::current_exe().unwrap());
    itself.args(["--exact", "memory::a_keeper_killed_at_any_moment_has_forgotten_nothing_that_it_said", "--nocapture"]);
    itself.env(VICTIM, dir).stdout(Stdio::piped()).stderr(Stdio::null()).stdin(Stdio::null()).spawn().unwrap()
}

fn remember_until_killed(dir: &Path) {
    let mut memory = Memory::open(dir).unwrap();
    let begin = memory.last().unwrap().head.size;
    let mut out = std::io::stdout();
    writeln!(out).unwrap();
    for size in begin + 1..begin + MOST_STEPS {
        memory.remember(last(size)).unwrap();
        writeln!(out, "remembered {size}").unwrap();
    }
}
