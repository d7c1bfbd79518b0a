//! Recordings on disk: created once, private, durable before the first frame, read back by path.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use recorder::{Direction, Ending, Error, Header, Kind, Reader, SessionKey, State};

use crate::made::{draft, keeper};

#[test]
fn a_recording_is_created_once_private_and_with_its_header() {
    let dir = tempfile::tempdir().unwrap();
    let draft = draft();
    let (hash, header) = (draft.header_hash(), draft.header().clone());
    let writer = draft.create(dir.path()).unwrap();
    let path = dir.path().join("ses_test.skmrec");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(fs::read(&path).unwrap(), header.bytes());
    assert_eq!((writer.header_hash(), Header::of(&path).unwrap().hash()), (hash, hash));
    assert_eq!(recorder::header_bytes(&path).unwrap(), header.bytes());
    drop(writer);
    let again = crate::made::draft().create(dir.path());
    assert!(matches!(again, Err(Error::File { what: "create", .. })), "{again:?}");
    assert_eq!(fs::read(&path).unwrap(), header.bytes(), "the one that was there is untouched");
}

#[test]
fn a_link_that_waits_under_the_name_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = dir.path().join("elsewhere");
    std::os::unix::fs::symlink(&elsewhere, dir.path().join("ses_test.skmrec")).unwrap();
    assert!(matches!(draft().create(dir.path()), Err(Error::File { what: "create", .. })));
    assert!(!elsewhere.exists());
}

#[test]
fn a_directory_that_is_not_there_is_told() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(draft().create(&dir.path().join("absent")), Err(Error::File { .. })));
    assert!(matches!(Header::of(&dir.path().join("absent")), Err(Error::File { what: "open", .. })));
}

#[test]
fn a_live_recording_reads_as_cut_and_a_closed_one_as_closed() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = draft().create(dir.path()).unwrap();
    let path = dir.path().join("ses_test.skmrec");
    let key = SessionKey::open_with_keeper(&Header::of(&path).unwrap(), keeper()).unwrap();
    let read = || {
        let mut reader = Reader::open(&path, &key).unwrap();
        let mut bytes = Vec::new();
        while let Some(frame) = reader.next_frame().unwrap() {
            bytes.extend_from_slice(frame.bytes);
        }
        (bytes, reader.ending().unwrap())
    };
    assert_eq!(writer.sync().unwrap().chunks, 0);
    let _status = writer.frame(Kind::Data, 1, Direction::Out, Duration::from_millis(10), b"hello ").unwrap();
    let _status = writer.seal_due(Duration::from_millis(1010)).unwrap();
    let anchor = writer.sync().unwrap();
    assert_eq!((anchor.chunks, anchor.file_bytes), (1, fs::metadata(&path).unwrap().len()));
    let (bytes, ending) = read();
    assert!(bytes == b"hello " && matches!(ending, Ending::Cut(cut) if cut.chunks == 1 && cut.torn_bytes == 0));

    let _status = writer.frame(Kind::Data, 1, Direction::Out, Duration::from_millis(1020), b"world").unwrap();
    let closed = writer.close(Duration::from_millis(1500)).unwrap();
    let (bytes, ending) = read();
    assert_eq!((bytes.as_slice(), ending), (b"hello world".as_slice(), Ending::Closed(closed.totals)));
    let points = [anchor, closed.anchor].map(recorder::Point::from);
    let structure = recorder::structure_of(&path, &points).unwrap();
    assert_eq!((structure.state, structure.chunks), (State::Closed, 3));
    assert_eq!(structure.file_bytes, closed.anchor.file_bytes);
}

#[test]
fn nothing_to_sync_is_not_asked_of_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = draft().create(dir.path()).unwrap();
    assert!(writer.sync_later().unwrap().is_none(), "the header was made durable on creation");
    let _status = writer.frame(Kind::Data, 1, Direction::Out, Duration::ZERO, b"x").unwrap();
    let _status = writer.seal().unwrap();
    let pending = writer.sync_later().unwrap().expect("a chunk was written");
    let _status = writer.frame(Kind::Data, 1, Direction::Out, Duration::ZERO, b"meanwhile").unwrap();
    let synced = std::thread::spawn(move || pending.wait()).join().unwrap().unwrap();
    assert_eq!(synced, writer.anchor());
    assert!(writer.sync_later().unwrap().is_none());
}

#[test]
fn an_idle_session_keeps_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = draft().create(dir.path()).unwrap();
    let _status = writer.frame(Kind::Data, 1, Direction::Out, Duration::ZERO, &[b'x'; 200_000]).unwrap();
    let _status = writer.seal_due(Duration::from_secs(1)).unwrap();
    assert!(format!("{writer:?}").contains("buffered: 0"));
    assert!(size_of_val(&writer) < 2048, "{}", size_of_val(&writer));
}

/// A session's recorder moves between threads, and its syncs are waited for on others.
#[test]
fn writers_and_syncs_may_be_sent() {
    fn sent<T: Send>() {}
    sent::<recorder::Draft>();
    sent::<recorder::Writer>();
    sent::<recorder::PendingSync>();
    sent::<Reader<std::fs::File>>();
}
