//! The key file: written once, for its owner alone, plain or under a passphrase; damage and a wrong passphrase are told apart.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use envelope::Secret;
use keeper::{KEY_FILE, KeyFile, KeyFileError, KeySet, PASSPHRASE_ROUNDS, Protection};
use tempfile::TempDir;

use crate::bench::private_dir;

fn passphrase(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn stored(protection: Protection<'_>) -> (TempDir, KeySet) {
    let dir = private_dir();
    let keys = KeySet::generate();
    keys.store(dir.path(), protection).unwrap();
    (dir, keys)
}

fn bytes(dir: &Path) -> Vec<u8> {
    fs::read(dir.join(KEY_FILE)).unwrap()
}

#[test]
fn plain_keys_read_back() {
    let (dir, keys) = stored(Protection::Plain);
    let file = KeyFile::read(dir.path()).unwrap();
    assert!(!file.is_sealed());
    assert_eq!(file.open(None).unwrap().public(), keys.public());
    let mode = fs::metadata(dir.path().join(KEY_FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn keys_under_a_passphrase_open_with_it_and_without_or_with_another_not() {
    let secret = passphrase("correct horse battery staple");
    let (dir, keys) = stored(Protection::Passphrase(&secret));
    let file = KeyFile::read(dir.path()).unwrap();
    assert!(file.is_sealed());
    assert_eq!(file.open(Some(&secret)).unwrap().public(), keys.public());
    assert!(matches!(file.open(None), Err(KeyFileError::PassphraseNeeded { .. })));
    let error = file.open(Some(&passphrase("correct horse battery stapler"))).unwrap_err();
    assert!(matches!(&error, KeyFileError::WrongPassphrase { .. }), "{error}");
    assert!(error.to_string().starts_with("the passphrase does not open"), "{error}");
}

#[test]
fn a_file_with_fewer_rounds_than_we_write_is_not_guessed_at() {
    let secret = passphrase("correct horse battery staple");
    let (dir, _) = stored(Protection::Passphrase(&secret));
    let whole = bytes(dir.path());
    assert_eq!(whole[9..13], PASSPHRASE_ROUNDS.to_be_bytes());
    for rounds in [0, 1, PASSPHRASE_ROUNDS - 1, u32::MAX] {
        let mut weak = whole[..whole.len() - 32].to_vec();
        weak[9..13].copy_from_slice(&rounds.to_be_bytes());
        weak.extend_from_slice(ledger::Hash::of(&weak).as_bytes());
        fs::write(dir.path().join(KEY_FILE), &weak).unwrap();
        assert!(matches!(KeyFile::read(dir.path()), Err(KeyFileError::Damaged { .. })), "{rounds} rounds");
    }
}

#[test]
fn keys_are_made_once_and_an_empty_passphrase_is_none() {
    let (dir, keys) = stored(Protection::Plain);
    let before = bytes(dir.path());
    assert!(matches!(KeySet::generate().store(dir.path(), Protection::Plain), Err(KeyFileError::Exists { .. })));
    assert_eq!(bytes(dir.path()), before);
    let empty = private_dir();
    assert!(matches!(
        keys.store(empty.path(), Protection::Passphrase(&passphrase(""))),
        Err(KeyFileError::EmptyPassphrase)
    ));
    assert!(matches!(KeyFile::read(empty.path()), Err(KeyFileError::Missing { .. })));
}

#[test]
fn every_changed_bit_and_every_cut_is_damage() {
    let (dir, _) = stored(Protection::Plain);
    let whole = bytes(dir.path());
    let path = dir.path().join(KEY_FILE);
    let refused = |content: &[u8]| {
        fs::write(&path, content).unwrap();
        matches!(KeyFile::read(dir.path()), Err(KeyFileError::Damaged { .. } | KeyFileError::Unknown { .. }))
    };
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 1 << (place % 8);
        assert!(refused(&changed), "byte {place}");
    }
    for end in (0..whole.len()).step_by(7) {
        assert!(refused(&whole[..end]), "cut to {end}");
    }
    assert!(refused(&[&whole[..], &[0]].concat()), "one byte more");
}

#[test]
fn a_file_or_directory_open_to_others_is_refused() {
    let (dir, _) = stored(Protection::Plain);
    let path = dir.path().join(KEY_FILE);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let error = KeyFile::read(dir.path()).unwrap_err();
    assert!(error.to_string().contains("open to others (mode 640)"), "{error}");
    let open = private_dir();
    fs::set_permissions(open.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(KeySet::generate().store(open.path(), Protection::Plain), Err(KeyFileError::File(_))));
}

#[test]
fn a_file_too_long_to_be_keys_is_not_read() {
    let (dir, _) = stored(Protection::Plain);
    fs::write(dir.path().join(KEY_FILE), vec![0; 65 * 1024]).unwrap();
    assert!(matches!(KeyFile::read(dir.path()), Err(KeyFileError::File(_))));
}

#[test]
fn no_key_is_printed() {
    let (dir, keys) = stored(Protection::Plain);
    let whole = bytes(dir.path());
    let file = KeyFile::read(dir.path()).unwrap();
    for printed in [format!("{keys:?}"), format!("{file:?}")] {
        let seed: String = whole[9..41].iter().map(|b| format!("{b:02x}")).collect();
        let as_list = format!("{}, {}, {}", whole[9], whole[10], whole[11]);
        assert!(!printed.contains(&seed) && !printed.contains(&as_list), "{printed}");
    }
}
