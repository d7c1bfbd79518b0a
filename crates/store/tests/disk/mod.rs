//! A disk that may lose power: what was written and synced, and what could be left of it.
//!
//! Synced writes stay. Of each 512-byte sector of a file, what is left is the sector as it was after some of the writes
//! to it, not necessarily the last. A name is there once its directory was synced; before that it may be or not.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// One step of a process that writes.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    MakeDir(PathBuf),
    Create {
        path: PathBuf,
        file: usize,
    },
    Write {
        file: usize,
        at: u64,
        bytes: Vec<u8>,
    },
    Truncate {
        file: usize,
        len: u64,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Unlink(PathBuf),
    Sync(usize),
    SyncDir(PathBuf),
    /// The process wrote this line to its standard output.
    Say(String),
}

/// What becomes of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Lost,
    Kept,
    /// Each file and directory is as after some of its steps.
    CutOff,
    /// Each sector of a file on its own is.
    Torn,
}

#[derive(Debug)]
pub(crate) struct Disk {
    files: Vec<File>,
    dirs: BTreeMap<PathBuf, Dir>,
}

#[derive(Debug, Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate(usize),
}

#[derive(Debug, Default)]
struct Dir {
    durable: Names,
    pending: Vec<NameChange>,
}

type Names = BTreeMap<PathBuf, Node>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    File(usize),
    Dir,
}

#[derive(Debug)]
enum NameChange {
    Add(PathBuf, Node),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

impl Disk {
    /// A disk with one empty directory on it, which is durable.
    pub(crate) fn new(root: &Path) -> Disk {
        Disk { files: Vec::new(), dirs: BTreeMap::from([(root.to_path_buf(), Dir::default())]) }
    }

    pub(crate) fn apply(&mut self, step: &Step) {
        match step {
            Step::MakeDir(path) => {
                self.dir_of(path).pending.push(NameChange::Add(path.clone(), Node::Dir));
                self.dirs.insert(path.clone(), Dir::default());
            }
            Step::Create { path, file } => {
                self.files.resize_with(self.files.len().max(file + 1), File::default);
                self.dir_of(path).pending.push(NameChange::Add(path.clone(), Node::File(*file)));
            }
            Step::Write { file, at, bytes } => {
                self.files[*file].pending.push(Change::Write { at: *at as usize, bytes: bytes.clone() });
            }
            Step::Truncate { file, len } => self.files[*file].pending.push(Change::Truncate(*len as usize)),
            Step::Rename { from, to } => {
                assert_eq!(from.parent(), to.parent(), "renames stay in their directory");
                self.dir_of(from).pending.push(NameChange::Rename(from.clone(), to.clone()));
            }
            Step::Unlink(path) => self.dir_of(path).pending.push(NameChange::Remove(path.clone())),
            Step::Sync(file) => self.files[*file].sync(),
            Step::SyncDir(path) => self.dirs.get_mut(path).unwrap().sync(),
            Step::Say(_) => {}
        }
    }

    /// Writes into `place`, which stands for `root`, what is left after the power was cut.
    pub(crate) fn cut(&self, fate: Fate, dice: &mut Dice, root: &Path, place: &Path) {
        for (path, node) in self.dirs[root].left(fate, dice) {
            let target = place.join(path.strip_prefix(root).unwrap());
            match node {
                Node::File(file) => std::fs::write(target, self.files[file].left(fate, dice)).unwrap(),
                Node::Dir => {
                    std::fs::DirBuilder::new().mode(0o700).create(&target).unwrap();
                    self.cut(fate, dice, &path, &target);
                }
            }
        }
    }

    fn dir_of(&mut self, path: &Path) -> &mut Dir {
        self.dirs.get_mut(path.parent().unwrap()).unwrap_or_else(|| panic!("{path:?} is in no known directory"))
    }
}

impl File {
    fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            change.apply(&mut self.durable);
        }
    }

    fn left(&self, fate: Fate, dice: &mut Dice) -> Vec<u8> {
        match fate {
            Fate::Lost => self.after(0),
            Fate::Kept => self.after(self.pending.len()),
            Fate::CutOff => self.after(dice.up_to(self.pending.len())),
            Fate::Torn => self.torn(dice),
        }
    }

    fn after(&self, steps: usize) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        self.pending[..steps].iter().for_each(|change| change.apply(&mut bytes));
        bytes
    }

    /// The length of a file goes its own way too.
    fn torn(&self, dice: &mut Dice) -> Vec<u8> {
        let longest = (0..=self.pending.len()).map(|steps| self.len_after(steps)).max().unwrap_or_default();
        let mut left = self.durable.clone();
        left.resize(longest, 0);
        for sector in self.touched(longest) {
            let range = sector * SECTOR..((sector + 1) * SECTOR).min(longest);
            let sector = &mut left[range.clone()];
            for change in &self.pending[..dice.up_to(self.pending.len())] {
                change.apply_within(&range, sector);
            }
        }
        left.truncate(self.len_after(dice.up_to(self.pending.len())));
        left
    }

    fn len_after(&self, steps: usize) -> usize {
        self.pending[..steps].iter().fold(self.durable.len(), |len, change| match change {
            Change::Write { at, bytes } => len.max(at + bytes.len()),
            Change::Truncate(len) => *len,
        })
    }

    fn touched(&self, longest: usize) -> BTreeSet<usize> {
        let ranges = self.pending.iter().map(|change| match change {
            Change::Write { at, bytes } => *at..at + bytes.len(),
            Change::Truncate(len) => *len..longest,
        });
        let sectors = ranges.filter(|range| !range.is_empty()).flat_map(|range| {
            let Range { start, end } = range;
            start / SECTOR..end.div_ceil(SECTOR)
        });
        sectors.collect()
    }
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Change::Truncate(len) => file.resize(*len, 0),
            Change::Write { at, bytes } => {
                file.resize(file.len().max(at + bytes.len()), 0);
                file[*at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
    }

    /// The part of the change that falls into `range`, whose content `sector` is.
    fn apply_within(&self, range: &Range<usize>, sector: &mut [u8]) {
        match self {
            Change::Truncate(len) => sector[*len.clamp(&range.start, &range.end) - range.start..].fill(0),
            Change::Write { at, bytes } => {
                let (start, end) = (range.start.max(*at), range.end.min(at + bytes.len()));
                if start < end {
                    sector[start - range.start..end - range.start].copy_from_slice(&bytes[start - at..end - at]);
                }
            }
        }
    }
}

impl Dir {
    fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            change.apply(&mut self.durable);
        }
    }

    fn left(&self, fate: Fate, dice: &mut Dice) -> Names {
        let steps = match fate {
            Fate::Lost => 0,
            Fate::Kept => self.pending.len(),
            Fate::CutOff | Fate::Torn => dice.up_to(self.pending.len()),
        };
        let mut names = self.durable.clone();
        self.pending[..steps].iter().for_each(|change| change.apply(&mut names));
        names
    }
}

impl NameChange {
    fn apply(&self, names: &mut Names) {
        match self {
            NameChange::Add(path, node) => {
                names.insert(path.clone(), *node);
            }
            NameChange::Remove(path) => {
                names.remove(path);
            }
            NameChange::Rename(from, to) => {
                let node = names.remove(from).unwrap();
                names.insert(to.clone(), node);
            }
        }
    }
}

/// Chance with a seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number from 0 to `most`; the ends come up more often.
    fn up_to(&mut self, most: usize) -> usize {
        match self.roll() % 4 {
            0 => 0,
            1 => most,
            _ => (self.roll() % (most as u64 + 1)) as usize,
        }
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        crate::plan::mix(self.0)
    }
}

const SECTOR: usize = 512;

#[test]
fn synced_bytes_stay_and_unsynced_sectors_go_their_own_way() {
    let (root, path) = (PathBuf::from("/r"), PathBuf::from("/r/f"));
    let mut disk = Disk::new(&root);
    let write = |byte, at, len| Step::Write { file: 0, at, bytes: vec![byte; len] };
    for step in [Step::Create { path, file: 0 }, write(1, 0, 1024), Step::Sync(0), write(2, 500, 24), write(3, 510, 4)]
    {
        disk.apply(&step);
    }
    let sectors = |dice| disk.files[0].torn(&mut Dice(dice));
    let seen: BTreeSet<(u8, u8, u8)> = (0..500).map(sectors).map(|left| (left[500], left[511], left[512])).collect();
    // The first sector after none, one or both writes, and the second, in any combination.
    let expected = [(1, 1), (2, 2), (2, 3)].into_iter().flat_map(|(a, b)| [1, 2, 3].map(|c| (a, b, c)));
    assert_eq!(seen, expected.collect());
    assert_eq!(disk.files[0].left(Fate::Lost, &mut Dice(0)), [1; 1024]);

    disk.apply(&Step::Truncate { file: 0, len: 600 });
    let lens: BTreeSet<usize> = (0..100).map(|dice| disk.files[0].torn(&mut Dice(dice)).len()).collect();
    assert_eq!(lens, BTreeSet::from([600, 1024]));
}

#[test]
fn a_name_is_there_for_sure_only_after_its_directory_was_synced() {
    let (root, path) = (PathBuf::from("/r"), PathBuf::from("/r/f"));
    let mut disk = Disk::new(&root);
    disk.apply(&Step::Create { path: path.clone(), file: 0 });
    disk.apply(&Step::Sync(0));
    assert!(disk.dirs[&root].left(Fate::Lost, &mut Dice(0)).is_empty());
    disk.apply(&Step::SyncDir(root.clone()));
    disk.apply(&Step::Unlink(path.clone()));
    assert!(disk.dirs[&root].left(Fate::Lost, &mut Dice(0)).contains_key(&path));
    assert!(disk.dirs[&root].left(Fate::Kept, &mut Dice(0)).is_empty());
}
