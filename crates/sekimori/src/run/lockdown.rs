//! What a process gives up before it serves: other processes' files, programs, the calls that only an intruder makes, and being looked into.
//!
//! A fence holds for the thread that puts it up and for those that it starts, so this comes before any other thread.

use std::collections::BTreeMap;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope, make_bitflags, path_beneath_rules,
};
use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, set_dumpable_behavior};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use crate::places::Places;

/// What one process still reaches. What is not there when the fence is put up stays out of reach.
#[derive(Debug, Clone, Default)]
pub(super) struct Reach {
    /// Folders in which files are read, written, made and removed, and sockets made.
    own: Vec<PathBuf>,
    /// Files, and folders with all files below, that are read.
    read: Vec<PathBuf>,
    /// Folders that are listed and made durable.
    list: Vec<PathBuf>,
    /// Files that are written.
    fill: Vec<PathBuf>,
    network: Network,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Network {
    #[default]
    Nothing,
    /// Listens on this port of TCP and connects anywhere.
    Gateway(u16),
}

/// How much of the fence the kernel keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fence {
    Whole,
    Partly,
    Absent,
}

impl Reach {
    pub(super) fn of_keeper(places: &Places) -> Self {
        let own = vec![places.keeper(), places.keeper_run()];
        // To make a folder durable, the folder above is opened.
        Self { own, list: vec![places.state.clone()], read: random(), ..Self::default() }
    }

    pub(super) fn of_engine(places: &Places) -> Self {
        // A file is moved only to where no more may be done with it: `live` is as open as `closed`.
        let own = vec![places.ledger(), places.live(), places.closed(), places.engine_run(), places.front_run()];
        Self { own, list: vec![places.state.clone()], read: random(), ..Self::default() }
    }

    pub(super) fn of_front(places: &Places, port: u16) -> Self {
        let names = NAMES_OF_HOSTS.iter().map(PathBuf::from);
        Self {
            own: vec![places.front(), places.live()],
            read: names.chain(random()).collect(),
            fill: vec![places.front_ends(), places.ssh_address()],
            network: Network::Gateway(port),
            ..Self::default()
        }
    }
}

impl Reach {
    /// With what the operator adds to be read.
    pub(super) fn and_read(mut self, more: &[PathBuf]) -> Self {
        self.read.extend_from_slice(more);
        self
    }
}

/// A target's address may be a name. How names are found is told by files in `/etc` that are replaced while we run, so that the folder must be
/// open; by libraries; and by what the system's resolver leaves.
const NAMES_OF_HOSTS: [&str; 8] = [
    "/etc",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
];

fn random() -> Vec<PathBuf> {
    vec![PathBuf::from("/dev/urandom")]
}

/// Best effort: what the kernel refuses is said in the log, and `doctor` tells of the fence.
pub(super) fn lock_down(reach: &Reach) -> Fence {
    // Nobody but the owner writes to what is made, and nobody but its group reads it.
    let _before = rustix::process::umask(Mode::from_raw_mode(0o027));
    if let Err(error) = rustix::thread::set_no_new_privs(true) {
        tracing::warn!(%error, "this process could still gain privileges");
    }
    // No core dump, no ptrace by the same user: live keys stay in this process.
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "this process could be dumped");
    }
    let fence = put_up(reach).unwrap_or_else(|error| {
        tracing::warn!(%error, "no fence could be put up");
        Fence::Absent
    });
    match fence {
        Fence::Whole => tracing::info!("fenced in"),
        Fence::Partly => tracing::warn!("fenced in as far as this kernel goes; a newer one keeps more"),
        Fence::Absent => {
            tracing::warn!("this kernel keeps no fence (Landlock): only the users' rights bound this process")
        }
    }
    if let Err(error) = refuse_calls() {
        tracing::warn!(%error, "system calls are not filtered");
    }
    fence
}

/// As many open files as the system lets this process have: each session has several.
pub(super) fn raise_open_files() {
    let mut limit = rustix::process::getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = rustix::process::setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}

fn put_up(reach: &Reach) -> Result<Fence, RulesetError> {
    let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let own = read
        | make_bitflags!(AccessFs::{WriteFile | Truncate | MakeReg | MakeDir | MakeSock | RemoveFile | RemoveDir | Refer});
    let fill = make_bitflags!(AccessFs::{WriteFile | Truncate});
    let network = match reach.network {
        Network::Nothing => AccessNet::from_all(NEWEST),
        Network::Gateway(_) => AccessNet::BindTcp.into(),
    };
    let mut fence = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(network)?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rules(path_beneath_rules(&reach.own, own))?
        .add_rules(path_beneath_rules(&reach.read, read))?
        .add_rules(path_beneath_rules(&reach.list, AccessFs::ReadDir))?
        .add_rules(path_beneath_rules(&reach.fill, fill))?;
    if let Network::Gateway(port) = reach.network {
        fence = fence.add_rule(NetPort::new(port, AccessNet::BindTcp))?;
    }
    Ok(match fence.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Fence::Whole,
        RulesetStatus::PartiallyEnforced => Fence::Partly,
        RulesetStatus::NotEnforced => Fence::Absent,
    })
}

/// The newest form of the fence that this program was tried with: Linux 6.12. Older kernels keep less of it.
const NEWEST: ABI = ABI::V6;

/// None of the three processes starts a program, looks into another, or changes the machine.
fn refuse_calls() -> Result<(), seccompiler::Error> {
    let rules: BTreeMap<i64, _> = REFUSED.iter().map(|number| (*number, vec![])).collect();
    let refusal = SeccompAction::Errno(rustix::io::Errno::PERM.raw_os_error().unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refusal, std::env::consts::ARCH.try_into()?)?;
    let program: BpfProgram = filter.try_into()?;
    seccompiler::apply_filter(&program)
}

/// A list of what is refused, not of what is allowed: a library's next version may make calls that nobody thought of, and a gate that dies of
/// them at night is no safer. The fence and the users are what keeps the processes apart; this makes an intruder's next step harder.
const REFUSED: [i64; 48] = [
    // Other programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Other views of the file system.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_quotactl,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    // The kernel, and what has often been a way into it.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_personality,
    // The machine's clock and name.
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::process::{Command, Stdio};

    use super::*;

    /// Runs one of the tests below in a process of its own, which it locks down.
    fn in_a_child(name: &str) {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "--ignored", "--nocapture", &format!("run::lockdown::tests::{name}")]);
        let output = child.stdin(Stdio::null()).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }

    fn installation() -> (tempfile::TempDir, Places) {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::under(dir.path());
        super::super::folders::make(&places, &super::super::users::Crew::OneUser).unwrap();
        for folder in [places.keeper(), places.ledger(), places.front(), places.live(), places.closed()] {
            fs::write(folder.join("file"), "here").unwrap();
        }
        (dir, places)
    }

    fn is_denied<T>(outcome: std::io::Result<T>) -> bool {
        outcome.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    }

    #[test]
    fn a_locked_down_front_reaches_its_own_files_only() {
        in_a_child("front_itself");
    }

    #[test]
    #[ignore = "locks its process down; run in a child by the test above"]
    fn front_itself() {
        let (dir, places) = installation();
        let foreign = dir.path().join("foreign");
        fs::write(&foreign, "somebody else's").unwrap();
        assert!(fs::read(&foreign).is_ok(), "before");
        assert_ne!(lock_down(&Reach::of_front(&places, 0)), Fence::Absent, "these tests need a kernel with Landlock");
        for path in
            [foreign.clone(), places.keeper().join("file"), places.ledger().join("file"), places.closed().join("file")]
        {
            assert!(is_denied(fs::read(&path)), "read {}", path.display());
            assert!(is_denied(fs::write(&path, "x")), "written {}", path.display());
            assert!(is_denied(fs::remove_file(&path)), "removed {}", path.display());
        }
        assert!(is_denied(fs::read_dir(places.keeper())) && is_denied(fs::write(places.run.join("front.pid"), "1")));
        assert!(is_denied(std::os::unix::fs::symlink("/", places.front().join("link"))));
        fs::write(places.front().join("file"), "own").unwrap();
        fs::write(places.live().join("new"), "own").unwrap();
        fs::rename(places.live().join("new"), places.live().join("newer")).unwrap();
        fs::write(places.front_ends(), "17").unwrap();
        assert!(fs::read("/etc/hosts").is_ok() && std::net::ToSocketAddrs::to_socket_addrs("localhost:22").is_ok());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(std::net::TcpStream::connect(listener.local_addr().unwrap()).is_ok());
        // Threads started since are inside, too.
        let thread = std::thread::spawn(move || is_denied(fs::read(&foreign)));
        assert!(thread.join().unwrap());
    }

    #[test]
    fn a_locked_down_keeper_has_no_network_and_starts_no_program() {
        in_a_child("keeper_itself");
    }

    #[test]
    #[ignore = "locks its process down; run in a child by the test above"]
    fn keeper_itself() {
        let (_dir, places) = installation();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        // Opened before, for `/proc` is out of reach then; what it says is made up when it is read.
        let status = fs::File::open("/proc/thread-self/status").unwrap();
        let fence = lock_down(&Reach::of_keeper(&places));
        let status = std::io::read_to_string(status).unwrap();
        assert!(status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"), "{status}");
        // An older kernel keeps the files, but not the network.
        if fence == Fence::Whole {
            assert!(is_denied(std::net::TcpStream::connect(listener.local_addr().unwrap())));
            assert!(is_denied(std::net::TcpListener::bind("127.0.0.1:0")));
        }
        assert!(is_denied(Command::new("/bin/true").status()));
        assert!(is_denied(fs::read(places.ledger().join("file"))) && is_denied(fs::read("/etc/hosts")));
        assert!(fs::read(places.keeper().join("file")).is_ok());
        fs::File::open(&places.state).unwrap().sync_all().unwrap();
        std::os::unix::net::UnixListener::bind(places.keeper_socket()).unwrap();
    }

    #[test]
    fn a_locked_down_engine_takes_recordings_and_reaches_no_key() {
        in_a_child("engine_itself");
    }

    #[test]
    #[ignore = "locks its process down; run in a child by the test above"]
    fn engine_itself() {
        let (_dir, places) = installation();
        lock_down(&Reach::of_engine(&places));
        fs::rename(places.live().join("file"), places.closed().join("taken")).unwrap();
        assert!(is_denied(fs::read(places.keeper().join("file"))) && is_denied(fs::read(places.front().join("file"))));
        assert!(is_denied(Command::new("/bin/true").status()));
        for path in [places.api_listener(), places.front_socket()] {
            std::os::unix::net::UnixListener::bind(path).unwrap();
        }
        fs::write(places.ledger().join("file"), "own").unwrap();
    }
}
