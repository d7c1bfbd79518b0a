//! Disks that are full, come back, or lie about durability.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use recorder::{Direction, Ending, Error, Kind, Reader, Reserve, SessionKey, Sink, Writer};

use crate::made::{Heard, Memory, data, draft, keeper, read};

/// A disk with room for so many bytes, and a sync that can be made to fail.
#[derive(Debug)]
struct Disk {
    memory: Memory,
    room: AtomicUsize,
    broken: AtomicBool,
}

impl Sink for Disk {
    /// Like a full disk: what fits is written, then it fails.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let left = self.room.load(Ordering::SeqCst).saturating_sub(usize::try_from(offset).unwrap());
        self.memory.write_all_at(&bytes[..left.min(bytes.len())], offset)?;
        if left < bytes.len() { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        if self.broken.load(Ordering::SeqCst) { Err(io::Error::other("medium error")) } else { Ok(()) }
    }
}

fn on_disk(room_after_header: usize) -> (Arc<Disk>, Writer, SessionKey) {
    let draft = draft();
    let header = draft.header().clone();
    let disk = Arc::new(Disk {
        memory: Memory(Mutex::new(header.bytes().to_vec())),
        room: AtomicUsize::new(header.bytes().len() + room_after_header),
        broken: AtomicBool::new(false),
    });
    let key = SessionKey::open_with_keeper(&header, keeper()).unwrap();
    (disk.clone(), draft.into_writer(disk), key)
}

fn put(writer: &mut Writer, bytes: &[u8]) -> Result<(), Error> {
    writer.frame(Kind::Data, 1, Direction::Out, Duration::ZERO, bytes).map(|_| ())
}

fn seal(writer: &mut Writer) -> Result<(), Error> {
    writer.seal().map(|_| ())
}

fn heard(disk: &Disk, key: &SessionKey) -> Heard {
    read(&disk.memory.0.lock().unwrap(), key)
}

/// Whatever the room: what was written before is read, nothing false is, and after making room nothing is lost.
#[test]
fn a_disk_that_fills_at_any_byte_harms_nothing_and_loses_nothing() {
    let frames: Vec<_> = (0..4u64).map(|i| data(Direction::Out, 0, format!("frame {i}").as_bytes())).collect();
    for room in 0..400 {
        let (disk, mut writer, key) = on_disk(room);
        let mut failed = 0;
        for frame in &frames {
            if put(&mut writer, &frame.bytes).and_then(|()| seal(&mut writer)).is_err() {
                failed += 1;
                let heard = heard(&disk, &key);
                assert!(frames.starts_with(&heard.frames));
                assert!(matches!(heard.ending, Ok(Ending::Cut(_))), "room {room}: {:?}", heard.ending);
                disk.room.store(usize::MAX, Ordering::SeqCst);
                writer.retry().unwrap();
            }
        }
        let closed = match writer.close(Duration::from_secs(1)) {
            Ok(closed) => closed,
            Err(Error::NotWritten { .. }) => {
                failed += 1;
                disk.room.store(usize::MAX, Ordering::SeqCst);
                writer.close(Duration::from_secs(1)).unwrap()
            }
            Err(other) => panic!("{other}"),
        };
        let heard = heard(&disk, &key);
        assert_eq!(heard.frames, frames, "room {room}");
        assert_eq!(heard.ending.unwrap(), Ending::Closed(closed.totals));
        assert_eq!(closed.anchor.file_bytes, disk.memory.0.lock().unwrap().len() as u64);
        assert!(failed <= 1);
    }
}

#[test]
fn errors_say_whether_the_frame_was_taken() {
    let (disk, mut writer, key) = on_disk(0);
    put(&mut writer, b"taken 1").unwrap();
    assert!(matches!(seal(&mut writer), Err(Error::NotWritten { chunk: 1, .. })));
    assert!(matches!(put(&mut writer, b"refused"), Err(Error::Backlogged { chunk: 1, .. })));
    assert!(matches!(seal(&mut writer), Err(Error::Backlogged { .. })));
    assert!(matches!(writer.sync(), Err(Error::Backlogged { .. })));
    assert!(matches!(writer.close(Duration::ZERO), Err(Error::Backlogged { .. })));
    assert_eq!(writer.anchor().chunks, 0, "nothing is anchored that was not written");
    disk.room.store(usize::MAX, Ordering::SeqCst);
    put(&mut writer, b"taken 2").unwrap();
    writer.close(Duration::ZERO).unwrap();
    let bytes: Vec<_> = heard(&disk, &key).frames.into_iter().map(|frame| frame.bytes).collect();
    assert_eq!(bytes, [b"taken 1", b"taken 2"]);
}

#[test]
fn a_long_frame_on_a_full_disk_is_taken_whole() {
    let long = noise(1_000_000);
    let (disk, mut writer, key) = on_disk(300_000);
    assert!(matches!(put(&mut writer, &long), Err(Error::NotWritten { chunk: 2, .. })));
    assert_eq!(writer.anchor().chunks, 1);
    disk.room.store(usize::MAX, Ordering::SeqCst);
    writer.close(Duration::ZERO).unwrap();
    let heard = heard(&disk, &key);
    assert!(heard.frames.len() == 1 && heard.frames[0].bytes == long);
    assert!(matches!(heard.ending, Ok(Ending::Closed(_))));
}

/// After a failed sync the system may have dropped the pages: a later success would be no proof.
#[test]
fn a_failed_sync_is_never_forgiven() {
    let (disk, mut writer, key) = on_disk(1 << 20);
    put(&mut writer, b"x").unwrap();
    seal(&mut writer).unwrap();
    let in_flight = writer.sync_later().unwrap().expect("a chunk waits");
    disk.broken.store(true, Ordering::SeqCst);
    assert!(matches!(writer.sync(), Err(Error::NotDurable { .. })));
    disk.broken.store(false, Ordering::SeqCst);
    assert!(matches!(writer.sync(), Err(Error::NotDurable { .. })));
    assert!(matches!(in_flight.wait(), Err(Error::NotDurable { .. })));
    assert!(matches!(writer.close(Duration::ZERO), Err(Error::NotDurable { .. })));
    assert!(
        matches!(heard(&disk, &key).ending, Ok(Ending::Closed(_))),
        "it is written all the same, for what it is worth"
    );
}

/// A small file system of its own where that may be mounted, which takes root.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn mount(on: &Path, size: &str) -> Option<Self> {
        let option = format!("size={size},mode=700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &option, "tmpfs"]).arg(on).output().ok()?;
        mounted.status.success().then(|| Self(on.to_owned()))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "a test's tmpfs stays mounted");
    }
}

/// On a real full file system, released space is enough to record how the session ends. Without the right to mount, the
/// same is played on a disk in memory, which has no reserve to release but the room it is given.
#[test]
fn a_released_reserve_lets_the_end_be_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_tmpfs) = Tmpfs::mount(dir.path(), "1m") else {
        eprintln!("no right to mount: played on a disk in memory");
        return play_in_memory();
    };
    let reserve = Reserve::ensure(dir.path(), 128 * 1024).unwrap();
    let mut writer = draft().create(dir.path()).unwrap();
    let mut taken = 0;
    let refused = loop {
        match put(&mut writer, &noise(20_000)).and_then(|()| seal(&mut writer)) {
            Ok(()) => taken += 1,
            Err(refused) => break refused,
        }
        assert!(taken < 100, "the disk never fills");
    };
    assert!(
        matches!(&refused, Error::NotWritten { source, .. } if source.kind() == io::ErrorKind::StorageFull),
        "{refused}"
    );
    assert!(matches!(writer.retry(), Err(Error::Backlogged { .. })));
    reserve.release().unwrap();
    writer.retry().unwrap();
    let _status = writer.frame(Kind::Frozen, 0, Direction::None, Duration::ZERO, b"disk full").unwrap();
    let closed = writer.close(Duration::ZERO).unwrap();
    assert!(matches!(reserve.restore(), Err(Error::File { .. })), "the recording has taken of its room");

    let path = dir.path().join("ses_test.skmrec");
    let key = SessionKey::open_with_keeper(&recorder::Header::of(&path).unwrap(), keeper()).unwrap();
    let mut reader = Reader::open(&path, &key).unwrap();
    let mut frames = 0;
    while reader.next_frame().unwrap().is_some() {
        frames += 1;
    }
    assert_eq!(frames, taken + 2, "all that was taken, the one that had to wait, and the end");
    assert_eq!(reader.ending(), Some(Ending::Closed(closed.totals)));
}

fn play_in_memory() {
    let (disk, mut writer, key) = on_disk(1 << 16);
    while put(&mut writer, &noise(20_000)).and_then(|()| seal(&mut writer)).is_ok() {}
    disk.room.fetch_add(1 << 17, Ordering::SeqCst);
    writer.retry().unwrap();
    let closed = writer.close(Duration::ZERO).unwrap();
    assert_eq!(heard(&disk, &key).ending.unwrap(), Ending::Closed(closed.totals));
}

fn noise(len: usize) -> Vec<u8> {
    let mut noise = vec![0; len];
    aws_lc_rs::rand::fill(&mut noise).unwrap();
    noise
}
