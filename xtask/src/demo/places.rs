//! Where the demo keeps its things, and which of its processes run.

use std::fs;
use std::path::{Path, PathBuf};

use testkit::Trouble;
use testkit::process::{Signal, signal, until};

use super::talk::Pace;
use crate::building;

/// The verb by which this program holds the target in the background; the folder follows it.
pub(crate) const HOLD: &str = "demo-hold";
/// A socket's path has room for 108 characters; the longest one is in the copy whose ledger is changed.
const LONGEST: usize = 108 - "/copy/run/keeper.sock".len() - 1;

/// A folder in the build folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places(PathBuf);

/// What a folder's files and processes say of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Nothing,
    /// Being set up, or being left.
    UnderWay,
    /// Gate and target are there.
    Up,
    /// Its servers were killed, or the machine was started anew.
    Ended,
}

impl Places {
    /// Beside the folder of the program that was built. What `--auto` makes and ends is not what another run left up.
    pub(super) fn beside(binary: &Path, pace: Pace) -> Result<Self, Trouble> {
        let built = binary.ancestors().nth(2).ok_or_else(|| Trouble("the build folder is not found".to_owned()))?;
        Ok(Self(built.join(folder(pace))))
    }

    /// All that there may be, without building anything.
    #[expect(clippy::disallowed_methods, reason = "cargo's own variable says where it builds")]
    pub(super) fn of_last() -> [Self; 2] {
        let set = std::env::var_os("CARGO_TARGET_DIR").map(|dir| building::root().join(dir));
        let built = set.unwrap_or_else(|| building::root().join("target"));
        [Pace::Still, Pace::Auto].map(|pace| Self(built.join(folder(pace))))
    }

    pub(super) fn at(root: &Path) -> Self {
        Self(root.to_owned())
    }

    pub(super) fn is_too_long(&self) -> bool {
        self.0.as_os_str().len() > LONGEST
    }

    pub(super) fn root(&self) -> &Path {
        &self.0
    }

    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The script that runs something as one of the people.
    pub(super) fn as_script(&self) -> PathBuf {
        self.join("as")
    }

    /// Written when the stage stands; holds the account's name.
    pub(super) fn stage_file(&self) -> PathBuf {
        self.join("stage")
    }

    /// Tells whoever holds the target to let it go.
    pub(super) fn stop_file(&self) -> PathBuf {
        self.join("stop")
    }

    pub(super) fn state(&self) -> State {
        let ours = self.processes();
        let has = |role| ours.iter().any(|(_, own)| *own == role);
        match (self.0.exists(), has(Role::Holder), has(Role::Server)) {
            (false, false, _) => State::Nothing,
            (_, true, true) if self.stage_file().exists() => State::Up,
            (_, true, _) if !self.stage_file().exists() => State::UnderWay,
            _ => State::Ended,
        }
    }

    /// Ends what runs; the files stay.
    pub(super) fn end(&self) -> Result<(), Trouble> {
        if self.0.exists() {
            let _was_up = fs::remove_file(self.stage_file());
            fs::write(self.stop_file(), "").map_err(Trouble::at("stop"))?;
        }
        self.tell(Role::Server, Signal::Terminate)?;
        // The holder ends by itself, and takes the target's namespaces and files with it.
        let _still_there = until("the target's holder to end", || !self.has(Role::Holder));
        for role in [Role::Holder, Role::Server, Role::Target] {
            self.tell(role, Signal::Kill)?;
        }
        Ok(())
    }

    /// Ends what runs, and removes everything.
    pub(super) fn clear(&self) -> Result<(), Trouble> {
        self.end()?;
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Trouble(format!("{}: {error}", self.0.display())))
            }
            _ => Ok(()),
        }
    }

    fn has(&self, role: Role) -> bool {
        self.processes().iter().any(|(_, own)| *own == role)
    }

    /// Signals all of them, and waits until they are gone.
    fn tell(&self, role: Role, what: Signal) -> Result<(), Trouble> {
        for (pid, _) in self.processes().into_iter().filter(|(_, own)| *own == role) {
            let _ended_meanwhile = signal(pid, what);
        }
        until("the demo's processes to end", || !self.has(role))
    }

    /// By what stands on their command lines, so that a number that was written down and has since been given to another is nobody's.
    fn processes(&self) -> Vec<(u32, Role)> {
        let own = std::process::id();
        let Ok(all) = fs::read_dir("/proc") else { return vec![] };
        let numbers = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        numbers
            .filter(|pid| *pid != own)
            .filter_map(|pid| {
                let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
                Some((pid, Role::of(&self.0, &line)?))
            })
            .collect()
    }
}

const fn folder(pace: Pace) -> &'static str {
    match pace {
        Pace::Auto => "demo-auto",
        Pace::Enter | Pace::Still => "demo",
    }
}

/// What a process is to the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Holder,
    /// `sekimori serve` and what it started.
    Server,
    /// A sshd or its stand-in.
    Target,
}

impl Role {
    /// `line` has a zero after each word.
    fn of(root: &Path, line: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(line);
        let words: Vec<&str> = text.split('\0').collect();
        let follows = |option: &str| {
            words.windows(2).filter(|pair| pair[0] == option).any(|pair| Path::new(pair[1]).starts_with(root))
        };
        let lies_in = |word: &&str| Path::new(word).starts_with(root.join(TARGETS));
        if follows(HOLD) {
            Some(Self::Holder)
        } else if follows("--root") {
            Some(Self::Server)
        } else {
            words.iter().skip(1).any(lies_in).then_some(Self::Target)
        }
    }
}

/// Where the holder keeps the target's own files.
pub(super) const TARGETS: &str = "targets";

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use testkit::process::found;
    use testkit::{Scratch, Tame};

    use super::*;

    #[track_caller]
    fn check(line: &str, role: Option<Role>) {
        assert_eq!(Role::of(Path::new("/x/target/demo"), line.replace(' ', "\0").as_bytes()), role, "{line}");
    }

    #[test]
    fn only_the_demos_own_processes_are_its_own() {
        check("/x/target/debug/xtask demo-hold /x/target/demo sshd", Some(Role::Holder));
        check("/x/target/debug/sekimori --root /x/target/demo serve", Some(Role::Server));
        check("/x/target/debug/sekimori front --root /x/target/demo", Some(Role::Server));
        check("/x/target/debug/sekimori --root /x/target/demo/copy serve", Some(Role::Server));
        check("/usr/sbin/sshd -D -f /x/target/demo/targets/a/sshd_config", Some(Role::Target));
        check("/x/target/debug/demo-target listen /x/target/demo/targets/a user home 1", Some(Role::Target));
        for line in [
            "less /x/target/demo/serve.log",
            "/x/target/debug/sekimori --root /x/target/demo-auto serve",
            "/x/target/debug/sekimori --root /x/target serve",
            "/x/target/debug/xtask demo-hold /y/target/demo",
            "/x/target/demo/targets/program",
            "",
        ] {
            check(line, None);
        }
    }

    #[test]
    fn a_run_that_was_killed_has_ended_and_is_cleared() {
        let dir = Scratch::new("places").unwrap();
        let places = Places::at(&dir.join("demo"));
        assert_eq!(places.state(), State::Nothing);
        places.clear().unwrap();
        fs::create_dir(places.root()).unwrap();
        fs::write(places.stage_file(), "root@db1\n").unwrap();
        assert_eq!(places.state(), State::Ended, "files alone");
        places.clear().unwrap();
        assert!(!places.root().exists());
    }

    /// A shell whose command line looks like the demo's own.
    fn stand_in(words: &[&str]) -> Tame {
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do sleep 0.1; done", "sh"]).args(words).stdout(Stdio::null());
        Tame::start(&mut command).unwrap()
    }

    #[test]
    fn a_run_is_known_by_its_processes_and_ends_with_them() {
        let dir = Scratch::new("places").unwrap();
        let places = Places::at(&dir.join("demo"));
        let root = places.root().display().to_string();
        fs::create_dir(places.root()).unwrap();
        let mut server = stand_in(&["--root", &root]);
        assert_eq!(places.state(), State::Ended, "a server without its target");
        let mut holder = stand_in(&[HOLD, &root]);
        found("the stand-ins", || (places.state() == State::UnderWay).then_some(())).unwrap();
        fs::write(places.stage_file(), "root@db1\n").unwrap();
        assert_eq!(places.state(), State::Up);
        let mut bystander = stand_in(&["--root", &format!("{root}-auto")]);
        // The holder of this test does not look for the file; its own end is waited for, as `end` does.
        std::thread::spawn({
            let stop = places.stop_file();
            move || {
                until("the word to stop", || stop.exists()).unwrap();
                drop(holder.0.kill());
                drop(holder.0.wait());
            }
        });
        let ending = std::thread::spawn({
            let places = places.clone();
            move || places.clear()
        });
        until("the server's end", || server.ended().is_some()).unwrap();
        ending.join().unwrap().unwrap();
        assert!(!places.root().exists());
        assert!(bystander.ended().is_none(), "another demo's server was ended");
    }

    #[test]
    fn what_auto_makes_is_not_what_another_run_left_up() {
        let binary = Path::new("/x/target/debug/sekimori");
        let beside = |pace| Places::beside(binary, pace).unwrap().root().to_owned();
        assert_eq!(beside(Pace::Enter), Path::new("/x/target/demo"));
        assert_eq!(beside(Pace::Still), beside(Pace::Enter));
        assert_eq!(beside(Pace::Auto), Path::new("/x/target/demo-auto"));
    }

    #[test]
    fn a_path_that_leaves_no_room_for_sockets_is_too_long() {
        assert!(!Places::at(Path::new("/x/target/demo")).is_too_long());
        assert!(Places::at(Path::new(&format!("/{}", "x".repeat(LONGEST)))).is_too_long());
    }
}
