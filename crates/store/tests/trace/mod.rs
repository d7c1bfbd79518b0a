//! Reads what `strace` saw of a process, as steps on the disk. A call that could write past this reader makes it fail.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::disk::Step;

/// Every call by which bytes or names can reach a file, for `strace -f -xx -s 200000 -e`.
pub(crate) const TRACED: &str = "trace=open,openat,openat2,creat,close,mkdir,mkdirat,rename,renameat,renameat2,unlink,\
unlinkat,rmdir,link,linkat,symlink,symlinkat,write,writev,pwrite64,pwritev,pwritev2,lseek,ftruncate,truncate,fallocate,\
fsync,fdatasync,sync_file_range,sync,syncfs,msync,mmap,dup,dup2,dup3,sendfile,splice,copy_file_range,io_uring_setup";

pub(crate) struct Trace<'a> {
    root: &'a Path,
    steps: Vec<Step>,
    names: BTreeMap<PathBuf, usize>,
    files: usize,
    handles: BTreeMap<i64, Handle>,
    said: String,
}

#[derive(Debug)]
enum Handle {
    File {
        file: usize,
        at: u64,
    },
    Dir(PathBuf),
    /// SQLite's shared memory: made anew after a crash, whatever it holds.
    SharedMemory,
}

impl<'a> Trace<'a> {
    /// Of what happens under `root`, which is empty at first.
    pub(crate) fn new(root: &'a Path) -> Trace<'a> {
        let (steps, names, handles) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Trace { root, steps, names, files: 0, handles, said: String::new() }
    }

    /// Adds what one process did. Its handles end with it; what it did not sync is as unsynced as before.
    pub(crate) fn read(&mut self, trace: &str) {
        self.handles.clear();
        let mut only = None;
        for line in trace.lines() {
            let (process, call) = line.split_once(' ').unwrap();
            assert_eq!(*only.get_or_insert(process), process, "the traced process is one thread");
            if !call.trim_start().starts_with(['+', '-']) {
                self.call(call.trim_start());
            }
        }
    }

    pub(crate) fn steps(self) -> Vec<Step> {
        assert_eq!(self.said, "", "the last line was said whole");
        self.steps
    }

    fn call(&mut self, line: &str) {
        let (call, result) = line.rsplit_once(" = ").unwrap_or_else(|| panic!("unfinished call: {line:.100}"));
        let (name, arguments) = call.trim_end().split_once('(').unwrap();
        let arguments: Vec<&str> = arguments.strip_suffix(')').unwrap().split(", ").collect();
        let result = result.split(' ').next().unwrap();
        if !result.starts_with(['-', '?']) {
            self.done(name, &arguments, result);
        }
    }

    fn done(&mut self, name: &str, arguments: &[&str], result: &str) {
        match (name, arguments) {
            ("openat", [_, path, flags, ..]) => self.open(text(path).into(), flags, number(result)),
            ("close", [handle]) => {
                self.handles.remove(&number(handle));
            }
            ("mkdir", [path, _]) => self.name_step(text(path).into(), Step::MakeDir),
            ("unlink", [path]) => self.unlink(text(path).into()),
            ("rename", [from, to]) => self.rename(text(from).into(), text(to).into()),
            ("write", ["1", bytes, _]) => self.say(&text(bytes)),
            ("write", [handle, bytes, _]) => self.write(number(handle), data(bytes), None),
            ("pwrite64", [handle, bytes, _, at]) => self.write(number(handle), data(bytes), Some(number(at))),
            ("lseek", [handle, ..]) => self.seek(number(handle), number(result)),
            ("ftruncate", [handle, len]) => self.truncate(number(handle), number(len) as u64),
            ("fsync" | "fdatasync", [handle]) => self.sync(number(handle)),
            ("mmap", [_, _, protection, flags, handle, _]) => {
                let writes = protection.contains("PROT_WRITE") && flags.contains("MAP_SHARED");
                let is_file = matches!(self.handles.get(&number(handle)), Some(Handle::File { .. }));
                assert!(!writes || !is_file, "a file written through memory");
            }
            (other, _) => panic!("a call this reader does not know: {other}"),
        }
        // Partial writes would need their own care.
        if matches!(name, "write" | "pwrite64") {
            assert_eq!(result, arguments[2], "a write that stopped half way");
        }
    }

    fn open(&mut self, path: PathBuf, flags: &str, handle: i64) {
        if !path.starts_with(self.root) {
            let is_above = self.root.starts_with(&path);
            self.handles.extend(is_above.then_some((handle, Handle::Dir(path))));
            return;
        }
        for unknown in ["O_APPEND", "O_TMPFILE", "O_DIRECT", "O_SYNC", "O_DSYNC"] {
            assert!(!flags.split('|').any(|flag| flag == unknown), "{flags}");
        }
        let opened = match self.names.get(&path).copied() {
            _ if is_shared_memory(&path) => Handle::SharedMemory,
            Some(file) => {
                self.steps.extend(flags.contains("O_TRUNC").then_some(Step::Truncate { file, len: 0 }));
                Handle::File { file, at: 0 }
            }
            None if flags.contains("O_CREAT") => Handle::File { file: self.create(path), at: 0 },
            None => Handle::Dir(path),
        };
        self.handles.insert(handle, opened);
    }

    fn create(&mut self, path: PathBuf) -> usize {
        let file = self.files;
        self.files += 1;
        self.names.insert(path.clone(), file);
        self.steps.push(Step::Create { path, file });
        file
    }

    fn write(&mut self, handle: i64, bytes: Vec<u8>, place: Option<i64>) {
        match self.handles.get_mut(&handle) {
            Some(Handle::File { file, at }) => {
                let start = place.map_or(*at, |place| place as u64);
                if place.is_none() {
                    *at += bytes.len() as u64;
                }
                self.steps.push(Step::Write { file: *file, at: start, bytes });
            }
            Some(Handle::SharedMemory) => {}
            other => panic!("write to {other:?}"),
        }
    }

    fn seek(&mut self, handle: i64, to: i64) {
        if let Some(Handle::File { at, .. }) = self.handles.get_mut(&handle) {
            *at = to as u64;
        }
    }

    fn truncate(&mut self, handle: i64, len: u64) {
        match self.handles.get(&handle) {
            Some(Handle::File { file, .. }) => self.steps.push(Step::Truncate { file: *file, len }),
            Some(Handle::SharedMemory) => {}
            other => panic!("truncation of {other:?}"),
        }
    }

    fn sync(&mut self, handle: i64) {
        match self.handles.get(&handle) {
            Some(Handle::File { file, .. }) => self.steps.push(Step::Sync(*file)),
            Some(Handle::Dir(path)) if path.starts_with(self.root) => self.steps.push(Step::SyncDir(path.clone())),
            Some(Handle::Dir(_) | Handle::SharedMemory) => {}
            None => panic!("sync of an unknown handle"),
        }
    }

    fn unlink(&mut self, path: PathBuf) {
        self.names.remove(&path);
        self.name_step(path, Step::Unlink);
    }

    fn rename(&mut self, from: PathBuf, to: PathBuf) {
        let file = self.names.remove(&from).expect("only files are renamed");
        self.names.insert(to.clone(), file);
        self.steps.push(Step::Rename { from, to });
    }

    fn name_step(&mut self, path: PathBuf, step: impl FnOnce(PathBuf) -> Step) {
        if path.starts_with(self.root) && !is_shared_memory(&path) {
            self.steps.push(step(path));
        }
    }

    fn say(&mut self, text: &str) {
        self.said.push_str(text);
        while let Some((line, rest)) = self.said.split_once('\n') {
            self.steps.push(Step::Say(line.to_owned()));
            self.said = rest.to_owned();
        }
    }
}

fn is_shared_memory(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"-shm")
}

fn number(argument: &str) -> i64 {
    argument.parse().unwrap_or_else(|_| panic!("`{argument:.40}` is no number"))
}

fn text(argument: &str) -> String {
    String::from_utf8(data(argument)).unwrap()
}

/// A string as `-xx` prints it, whole.
fn data(argument: &str) -> Vec<u8> {
    let hex = argument.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let hex = hex.unwrap_or_else(|| panic!("a string that strace cut short: {argument:.40}"));
    hex.split("\\x").skip(1).map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}
