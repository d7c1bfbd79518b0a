//! Reading and writing the small files that commands take and make. Nothing is read without a limit, nothing written over.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;

use crate::failure::{Failure, Outcome};

/// Who may read a file that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Nothing in it is secret.
    Everybody,
    Owner,
}

/// The whole file, if it is no longer than `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Outcome<Vec<u8>> {
    let unreadable = |error: std::io::Error| Failure::FileUnreadable { path: shown(path), why: error.to_string() };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    let too_long = u64::try_from(bytes.len()).is_ok_and(|length| length > limit);
    if too_long { Err(Failure::FileTooLong { path: shown(path), limit: limit.to_string() }) } else { Ok(bytes) }
}

/// As [`read`], of UTF-8 text.
pub(crate) fn read_text(path: &Path, limit: u64) -> Outcome<String> {
    let not_text = |_| Failure::FileUnreadable { path: shown(path), why: "it is not UTF-8 text".into() };
    String::from_utf8(read(path, limit)?).map_err(not_text)
}

/// A new file, on the disk when this returns.
pub(crate) fn create(path: &Path, bytes: &[u8], readers: Readers) -> Outcome<()> {
    let mut file = open_new(path, readers)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| unwritable(path, &error))
}

/// A new file with what stands in another, however long, on the disk when this returns.
pub(crate) fn copy(from: &Path, to: &Path, readers: Readers) -> Outcome<()> {
    let unreadable = |error: std::io::Error| Failure::FileUnreadable { path: shown(from), why: error.to_string() };
    let mut source = File::open(from).map_err(unreadable)?;
    let mut file = open_new(to, readers)?;
    let copied = std::io::copy(&mut source, &mut file).and_then(|_| file.sync_all());
    copied.map_err(|error| unwritable(to, &error))
}

fn open_new(path: &Path, readers: Readers) -> Outcome<File> {
    let mode = match readers {
        Readers::Everybody => 0o644,
        Readers::Owner => 0o600,
    };
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    opened.map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::FileExists { path: shown(path) },
        _ => Failure::FileUnwritable { path: shown(path), why: error.to_string() },
    }
}

/// A new file of readable JSON.
pub(crate) fn create_json<T: Serialize>(path: &Path, value: &T, readers: Readers) -> Outcome<()> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("our files are text, numbers and lists");
    bytes.push(b'\n');
    create(path, &bytes, readers)
}

/// A path as it is shown in messages.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn nothing_is_written_over_and_nothing_read_beyond_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card");
        create(&path, b"12345", Readers::Owner).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(create(&path, b"other", Readers::Owner).unwrap_err().code(), "file-exists");
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(read(&path, 4).unwrap_err().code(), "file-too-long");
        assert_eq!(read(&folder.path().join("none"), 4).unwrap_err().code(), "file-unreadable");
    }
}
