//! The installation's folders: whose each is, and who else may reach into it. Where each process has its own user, root prepares them and then
//! leaves what lies in them alone.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Dir, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::users::{Account, Crew, Three};
use crate::failure::{Failure, Outcome};
use crate::files::shown;
use crate::places::Places;

/// A user and a group, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owner {
    uid: u32,
    gid: u32,
}

const ROOT: Owner = Owner { uid: 0, gid: 0 };

/// What a file in a folder must allow besides what its maker gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    /// Nothing.
    Private,
    /// Its group reads it: engine takes front's recordings.
    GroupReads,
}

/// Whose what is handed over becomes.
#[derive(Debug, Clone, Copy)]
struct To {
    owner: Owner,
    within: Within,
}

/// The processes' own folders are two deep.
const DEEPEST: usize = 8;

/// Everything that the processes need, before any is started. What is there already is put right.
///
/// # Errors
/// When something cannot be made, or stands where others than root could exchange it.
pub(super) fn make(places: &Places, crew: &Crew) -> Outcome<()> {
    match crew {
        Crew::OneUser => make_for_one(places)?,
        Crew::Apart(three) => make_apart(places, three)?,
    }
    let front = match crew {
        Crew::OneUser => None,
        Crew::Apart(three) => Some(Owner::of(&three.front)),
    };
    for path in [places.front_ends(), places.ssh_address()] {
        empty_file(&path, front)?;
    }
    for (name, at) in
        [("api.sock", "engine/api.sock"), ("front.sock", "front/front.sock"), ("keeper.sock", "keeper/keeper.sock")]
    {
        link(&places.run.join(name), at)?;
    }
    Ok(())
}

/// Before the keeper's keys are written, by whoever makes them.
pub(crate) fn make_for_keys(places: &Places, crew: &Crew) -> Outcome<()> {
    match crew {
        Crew::OneUser => make_dir(&places.state, 0o700),
        Crew::Apart(_) => prepare(&places.state, ROOT, 0o755),
    }
}

/// After the keeper's keys are written: they become the keeper's.
pub(crate) fn hand_keys_over(places: &Places, crew: &Crew) -> Outcome<()> {
    match crew {
        Crew::OneUser => Ok(()),
        Crew::Apart(three) => give(&places.keeper(), Owner::of(&three.keeper), 0o700, Within::Private),
    }
}

/// Sockets are reached through `run`; everything else is its owner's alone.
fn make_for_one(places: &Places) -> Outcome<()> {
    make_dir(&places.run, 0o755)?;
    make_dir(&places.engine_run(), 0o755)?;
    let private = [places.front_run(), places.keeper_run(), places.ledger(), places.keeper(), places.front()];
    private.iter().chain(&[places.live(), places.closed()]).try_for_each(|path| make_dir(path, 0o700))
}

/// The table in docs/operating.md.
fn make_apart(places: &Places, three: &Three) -> Outcome<()> {
    let [keeper, engine, front] = [&three.keeper, &three.engine, &three.front].map(Owner::of);
    for path in [&places.run, &places.state, &places.recordings()] {
        prepare(path, ROOT, 0o755)?;
    }
    // The group passes through to the socket, and nobody else does.
    prepare(&places.keeper_run(), keeper.with_group(engine), 0o710)?;
    prepare(&places.front_run(), engine.with_group(front), 0o710)?;
    prepare(&places.engine_run(), engine, 0o755)?;
    give(&places.keeper(), keeper, 0o700, Within::Private)?;
    give(&places.ledger(), engine, 0o700, Within::Private)?;
    give(&places.closed(), engine, 0o700, Within::Private)?;
    give(&places.front(), front, 0o700, Within::Private)?;
    // What front makes here gets engine's group, which may also remove it.
    give(&places.live(), front.with_group(engine), 0o2770, Within::GroupReads)
}

impl Owner {
    const fn of(account: &Account) -> Self {
        Self { uid: account.uid, gid: account.gid }
    }

    const fn with_group(self, other: Self) -> Self {
        Self { uid: self.uid, gid: other.gid }
    }
}

fn make_dir(path: &Path, mode: u32) -> Outcome<()> {
    fs::DirBuilder::new().recursive(true).mode(mode).create(path).map_err(failed(path))
}

/// A folder with this owner and mode. What lies in it is left alone.
fn prepare(path: &Path, owner: Owner, mode: u32) -> Outcome<()> {
    own_folder(path, owner, mode).map(drop)
}

/// A folder with this owner and mode, and everything in it the owner's: what root made there, or one user for all did.
fn give(path: &Path, owner: Owner, mode: u32, within: Within) -> Outcome<()> {
    let folder = own_folder(path, owner, mode)?;
    hand_over(&folder, path, 0, To { owner, within })
}

fn own_folder(path: &Path, owner: Owner, mode: u32) -> Outcome<OwnedFd> {
    make_dir(path, 0o755)?;
    let real = path.canonicalize().map_err(failed(path))?;
    check_way(real.parent().unwrap_or(&real))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::open(&real, flags, Mode::empty()).map_err(|e| failed(path)(e.into()))?;
    set_owner(&folder, owner, path)?;
    // After the owner: that takes the bit for the group away.
    rustix::fs::fchmod(&folder, Mode::from_raw_mode(mode)).map_err(|e| failed(path)(e.into()))?;
    Ok(folder)
}

/// Whoever may write on the way could put something else in the place of what root is about to trust.
fn check_way(dir: &Path) -> Outcome<()> {
    for folder in dir.ancestors() {
        let found = fs::symlink_metadata(folder).map_err(failed(folder))?;
        let mode = found.mode();
        let written_by_others = mode & 0o002 != 0 || (mode & 0o020 != 0 && found.gid() != ROOT.gid);
        let why = if found.uid() != ROOT.uid {
            Some(format!("it belongs to user {}", found.uid()))
        } else {
            // In a sticky folder nobody moves what is root's.
            (written_by_others && mode & 0o1000 == 0).then(|| format!("its mode is {:03o}", mode & 0o7777))
        };
        if let Some(why) = why {
            return Err(Failure::FolderNotRoots { path: shown(folder), why });
        }
        if mode & 0o001 == 0 {
            return Err(Failure::FolderClosed { path: shown(folder) });
        }
    }
    Ok(())
}

/// By open files, never by path: whoever owns the folder could exchange what a path leads to. What is no plain file or folder is left alone and
/// said: a process that was broken into may have planted it, and must not keep the others from starting.
fn hand_over(folder: impl AsFd, path: &Path, depth: usize, to: To) -> Outcome<()> {
    let io = |error: Errno| failed(path)(error.into());
    if depth > DEEPEST {
        tracing::warn!(path = %path.display(), "folders lie too deep in each other; these are not looked into");
        return Ok(());
    }
    for entry in Dir::read_from(&folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let path = path.join(&*name.to_string_lossy());
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::openat(&folder, name, flags, Mode::empty()) {
            Ok(file) => hand_over_one(&file, &path, depth, to)?,
            // A link or a socket.
            Err(Errno::LOOP | Errno::NXIO) => leave_alone(&path),
            Err(error) => return Err(failed(&path)(error.into())),
        }
    }
    Ok(())
}

fn hand_over_one(file: &OwnedFd, path: &Path, depth: usize, to: To) -> Outcome<()> {
    let io = |error: Errno| failed(path)(error.into());
    let found = rustix::fs::fstat(file).map_err(io)?;
    let is_owners = (found.st_uid, found.st_gid) == (to.owner.uid, to.owner.gid);
    match FileType::from_raw_mode(found.st_mode) {
        FileType::Directory => hand_over(file, path, depth + 1, to)?,
        // A second name may be somewhere that is not the owner's to have.
        FileType::RegularFile if is_owners || found.st_nlink == 1 => {}
        _ => {
            leave_alone(path);
            return Ok(());
        }
    }
    if is_owners {
        return Ok(());
    }
    tracing::info!(path = %path.display(), uid = to.owner.uid, "handed over");
    set_owner(file, to.owner, path)?;
    match to.within {
        Within::GroupReads => {
            let mode = Mode::from_raw_mode(found.st_mode & 0o7777) | Mode::RGRP;
            rustix::fs::fchmod(file, mode).map_err(io)
        }
        Within::Private => Ok(()),
    }
}

fn leave_alone(path: &Path) {
    tracing::warn!(path = %path.display(), "this is no plain file of one name and is not handed over");
}

fn set_owner(file: impl AsFd, owner: Owner, path: &Path) -> Outcome<()> {
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    rustix::fs::fchown(file, Some(uid), Some(gid)).map_err(|error| failed(path)(error.into()))
}

/// One file in `run` that front may fill; the folder stays `serve`'s, so front can neither remove it nor put something else in its place.
fn empty_file(path: &Path, owner: Option<Owner>) -> Outcome<()> {
    gone(path)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path).map_err(failed(path))?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(0o644)).map_err(|error| failed(path)(error.into()))?;
    owner.map_or(Ok(()), |owner| set_owner(&file, owner, path))
}

/// A name for people in `run`.
fn link(path: &Path, at: &str) -> Outcome<()> {
    gone(path)?;
    std::os::unix::fs::symlink(at, path).map_err(failed(path))
}

/// Writes a new file in place of what is there; a link is not followed.
pub(super) fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?.write_all(text.as_bytes())
}

/// A short text that another user wrote: no link is followed, no pipe waited for, and no more than `limit` bytes are read.
pub(super) fn read_hint(path: &Path, limit: u64) -> Option<String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    file.take(limit).read_to_string(&mut text).ok()?;
    Some(text)
}

fn gone(path: &Path) -> Outcome<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(path)(error)),
        _ => Ok(()),
    }
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> Failure + use<> {
    let path = shown(path);
    move |error| Failure::FolderFailed { path, why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn owner(path: &Path) -> (u32, u32) {
        let found = fs::symlink_metadata(path).unwrap();
        (found.uid(), found.gid())
    }

    #[test]
    fn one_user_has_everything_and_others_reach_one_socket() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::under(dir.path());
        for _ in 0..2 {
            make(&places, &Crew::OneUser).unwrap();
        }
        assert_eq!(
            (mode(&places.engine_run()), mode(&places.keeper_run()), mode(&places.front_run())),
            (0o755, 0o700, 0o700)
        );
        assert_eq!((mode(&places.ledger()), mode(&places.keeper()), mode(&places.live())), (0o700, 0o700, 0o700));
        assert_eq!(fs::read_link(places.api_socket()).unwrap(), Path::new("engine/api.sock"));
        assert_eq!(fs::read(places.front_ends()).unwrap(), b"");
    }

    fn three() -> Three {
        let account = |name: &str, uid| Account { name: name.into(), uid, gid: uid + 100 };
        Three { keeper: account("keeper", 63_101), engine: account("engine", 63_102), front: account("front", 63_103) }
    }

    #[test]
    fn each_user_has_its_own_and_what_root_left_is_handed_over_as_root() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let places = Places::under(dir.path());
        make(&places, &Crew::OneUser).unwrap();
        let (key, snapshot) = (places.keeper().join("keys"), places.ledger().join("snapshots/one"));
        fs::create_dir(places.ledger().join("snapshots")).unwrap();
        [&key, &snapshot, &places.live().join("a.skmrec")].iter().for_each(|path| fs::write(path, "x").unwrap());
        fs::set_permissions(places.live().join("a.skmrec"), fs::Permissions::from_mode(0o600)).unwrap();
        for _ in 0..2 {
            make(&places, &Crew::Apart(three())).unwrap();
        }
        let (keeper, engine, front) = ((63_101, 63_201), (63_102, 63_202), (63_103, 63_203));
        for (path, whose, bits) in [
            (places.run.clone(), (0, 0), 0o755),
            (places.state.clone(), (0, 0), 0o755),
            (places.keeper_run(), (keeper.0, engine.1), 0o710),
            (places.front_run(), (engine.0, front.1), 0o710),
            (places.engine_run(), engine, 0o755),
            (places.keeper(), keeper, 0o700),
            (places.ledger(), engine, 0o700),
            (places.closed(), engine, 0o700),
            (places.front(), front, 0o700),
            (places.live(), (front.0, engine.1), 0o2770),
            (places.front_ends(), front, 0o644),
        ] {
            assert_eq!((owner(&path), mode(&path)), (whose, bits), "{}", path.display());
        }
        assert_eq!((owner(&key), owner(&snapshot)), (keeper, engine));
        let recording = places.live().join("a.skmrec");
        assert_eq!((owner(&recording), mode(&recording)), ((front.0, engine.1), 0o640));
    }

    #[test]
    fn what_has_another_name_elsewhere_is_not_handed_over_as_root() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let places = Places::under(dir.path());
        make(&places, &Crew::Apart(three())).unwrap();
        let secret = dir.path().join("secret");
        fs::write(&secret, "root's").unwrap();
        let bits = mode(&secret);
        let planted = places.front().join("mine");
        for plant in [|a: &Path, b: &Path| symlink(a, b), |a: &Path, b: &Path| fs::hard_link(a, b)] {
            plant(&secret, &planted).unwrap();
            make(&places, &Crew::Apart(three())).unwrap();
            assert_eq!((owner(&secret), mode(&secret)), ((0, 0), bits));
            fs::remove_file(&planted).unwrap();
        }
    }

    #[test]
    fn a_way_that_others_could_change_or_nobody_can_pass_is_refused_as_root() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::under(&dir.path().join("gate"));
        let refused = |bits| {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(bits)).unwrap();
            make(&places, &Crew::Apart(three())).map_err(|failure| failure.code())
        };
        assert_eq!(refused(0o700), Err("folder-closed"));
        assert_eq!(refused(0o777), Err("folder-not-roots"));
        assert_eq!(refused(0o1777), Ok(()));
        std::os::unix::fs::chown(dir.path(), Some(63_109), None).unwrap();
        assert_eq!(refused(0o755), Err("folder-not-roots"));
    }

    #[test]
    fn a_hint_is_a_plain_file_and_no_more_of_it_is_read_than_needed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("plain"), "12345").unwrap();
        assert_eq!(read_hint(&at("plain"), 3).as_deref(), Some("123"));
        symlink(at("plain"), at("link")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
        for name in ["link", "pipe", "absent"] {
            assert_eq!(read_hint(&at(name), 3), None, "{name}");
        }
    }

    #[test]
    fn what_is_replaced_is_the_link_and_not_what_it_leads_to() {
        let dir = tempfile::tempdir().unwrap();
        let (precious, path) = (dir.path().join("precious"), dir.path().join("front.pid"));
        fs::write(&precious, "as it was").unwrap();
        symlink(&precious, &path).unwrap();
        replace(&path, "7\n").unwrap();
        assert_eq!(
            (fs::read_to_string(&precious).unwrap().as_str(), fs::read_to_string(&path).unwrap().as_str()),
            ("as it was", "7\n")
        );
    }
}
