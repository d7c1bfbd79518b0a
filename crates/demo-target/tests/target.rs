//! The stand-in opens to the system's own `ssh` as sshd would, and to nothing else.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::process::{output_within, run, until, user};
use testkit::{KeyPair, Scratch, Server, Settings, SshClient, Sshd, Tame, Target};

const LIMIT: Duration = Duration::from_secs(60);
const PRINCIPAL: &str = "p-7f3kq2m9xa";

/// A target, an authority it trusts, and a person whom that authority may certify.
struct World {
    dir: Scratch,
    client: SshClient,
    authority: KeyPair,
    person: KeyPair,
    target: Sshd,
}

impl World {
    fn new() -> Self {
        let dir = Scratch::new("stand-in").unwrap();
        let client = SshClient::new(dir.path(), "").unwrap();
        let authority = KeyPair::make(&dir.join("authority")).unwrap();
        let person = KeyPair::make(&dir.join("person")).unwrap();
        let server = Server::StandIn(env!("CARGO_BIN_EXE_demo-target").into());
        let target = Sshd::start(&Settings { server, ..Settings::default() }).unwrap();
        client.know(target.port(), target.host_key()).unwrap();
        target.trust(&authority.public).unwrap();
        target.admit(&user().unwrap(), &[PRINCIPAL]).unwrap();
        Self { dir, client, authority, person, target }
    }

    /// A certificate for five minutes either way, and what else `ssh-keygen` is told.
    fn certified(self, options: &[&str]) -> Self {
        self.certify(&["-n", PRINCIPAL, "-V", "-5m:+5m"], options);
        self
    }

    fn certify(&self, whom: &[&str], options: &[&str]) {
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-I", "test"]).arg("-s").arg(&self.authority.private).args(whom).args(options);
        run(command.arg(self.person.public_file())).unwrap();
    }

    fn ssh(&self, options: &[&str]) -> Command {
        let mut command = self.client.options("ssh", &self.person.private);
        // Of two, `ssh` takes the first.
        let usual = ["-p", &self.target.port().to_string(), "-l", &user().unwrap()].map(str::to_owned);
        command.args(options).args(usual).arg("127.0.0.1");
        command
    }

    /// What a script says on both streams, and its exit code.
    fn exec(&self, options: &[&str], script: &str) -> (i32, String) {
        let output = output_within(self.ssh(options).arg(script), LIMIT).unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).replace('\r', "").trim().to_owned())
    }

    #[track_caller]
    fn refuses(&self, why: &str) {
        assert_eq!(self.exec(&[], "echo in").0, 255, "it opened: {why}");
        until("the reason in the log", || self.target.log().contains(why)).unwrap();
    }
}

#[test]
fn a_certificate_opens_and_a_bare_key_does_not() {
    let world = World::new();
    world.refuses("a key without a certificate");
    let world = world.certified(&[]);
    assert_eq!(world.exec(&[], "echo hello; echo beside >&2; exit 7"), (7, "hello\nbeside".to_owned()));
    assert!(world.target.log().contains("Accepted publickey for"), "{}", world.target.log());
}

#[test]
fn what_is_not_for_here_and_now_opens_nothing() {
    let world = World::new();
    world.certify(&["-n", "p-of-another", "-V", "-5m:+5m"], &[]);
    world.refuses("name is not a listed principal");
    world.certify(&["-n", PRINCIPAL, "-V", "-5m:-1s"], &[]);
    world.refuses("expired");
    world.certify(&["-n", PRINCIPAL, "-V", "-5m:+5m"], &["-O", "source-address=192.0.2.0/24"]);
    world.refuses("not from a permitted source address");
    world.certify(&["-n", PRINCIPAL, "-V", "-5m:+5m"], &["-O", "source-address=127.0.0.1/32"]);
    assert_eq!(world.exec(&[], "echo in"), (0, "in".to_owned()));
    world.target.trust(&world.person.public).unwrap();
    world.refuses("signed by an authority that is not trusted");
}

#[test]
fn another_account_is_not_there() {
    let world = World::new().certified(&[]);
    assert_eq!(world.exec(&["-l", "somebody-else"], "id").0, 255);
}

#[test]
fn a_shell_on_a_terminal_is_one() {
    let world = World::new().certified(&[]);
    let (code, said) = world.exec(&["-tt"], "tty; stty size; ps -o stat= -p $$; exit 3");
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("/dev/pts/") && said.contains('s'), "no session leader on a terminal: {said}");
    assert_eq!(
        world.exec(&["-T"], "tty; echo $HOME").1,
        format!("not a tty\n{}", world.target.dir().join("home").display())
    );
}

#[test]
fn what_a_certificate_does_not_permit_is_not_given() {
    let world = World::new().certified(&["-O", "no-pty"]);
    let (_, said) = world.exec(&["-tt"], "tty");
    assert!(said.contains("PTY allocation request failed"), "{said}");
    let world = World::new().certified(&["-O", "force-command=echo forced"]);
    assert_eq!(world.exec(&[], "echo asked"), (0, "forced".to_owned()));
    let (code, _) = world.exec(&["-s"], "sftp");
    assert_ne!(code, 0, "there is no subsystem");
}

#[test]
fn a_session_can_show_how_it_was_let_in() {
    let world = World::new().certified(&[]);
    let (_, said) = world.exec(&[], "cat $SSH_USER_AUTH; stat -c %a $SSH_USER_AUTH");
    let certificate = std::fs::read_to_string(world.dir.join("person-cert.pub")).unwrap();
    let words: Vec<_> = certificate.split_whitespace().take(2).collect();
    assert_eq!(said, format!("publickey {}\n600", words.join(" ")));
}

#[test]
fn much_goes_both_ways_and_comes_back_whole() {
    let world = World::new().certified(&[]);
    let line = "head -c 20M /dev/zero | tr '\\0' x | \"$@\" cat | wc -c";
    let mut ssh = world.ssh(&[]);
    let words: Vec<_> =
        std::iter::once(ssh.get_program().to_owned()).chain(ssh.get_args().map(ToOwned::to_owned)).collect();
    ssh = Command::new("sh");
    let said = run(ssh.args(["-c", line, "sh"]).args(words)).unwrap();
    assert_eq!(said.trim(), (20 << 20).to_string());
}

#[test]
fn what_ran_on_a_terminal_is_hung_up_with_its_connection() {
    let world = World::new().certified(&[]);
    let mark = format!("3600.{}", std::process::id());
    let ssh = world.ssh(&["-tt"]).arg(format!("sleep {mark}")).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let ssh = Tame(ssh.unwrap());
    let runs = || {
        let all = run(Command::new("sh").args(["-c", "cat /proc/*/cmdline 2>/dev/null | tr '\\0' ' '"]));
        // The name that `ssh` and the shell were given has it too; the program itself has it alone.
        all.unwrap_or_default().contains(&format!(" sleep {mark} ")) && all_has_program(&mark)
    };
    until("the program", runs).unwrap();
    drop(ssh);
    until("its end", || !all_has_program(&mark)).unwrap();
}

fn all_has_program(mark: &str) -> bool {
    let line = format!(
        "for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $f 2>/dev/null; echo; done | grep -qx 'sleep {mark} '"
    );
    run(Command::new("sh").args(["-c", &line])).is_ok()
}
