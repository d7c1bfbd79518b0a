//! `bench ssh`: plain OpenSSH, OpenSSH through a jump host, and Sekimori with recording on, to one target with one key exchange, in turn.

use std::path::PathBuf;
use std::time::Duration;

use testkit::installation::{At, Process};
use testkit::process::{Tame, pause, user};
use testkit::{Installation, KeyPair, Scratch, Settings, Sshd, Target};

use super::figures::{Goal, Report, median, quantile};
use super::paths::{Ports, Way, Ways, random_file, zero_file};
use super::procs::{cpu_seconds, memory_kib, tree_memory_kib};
use crate::packages::{self, Consent, SSH, SSH_KEYGEN, SSHD};
use crate::{Stop, terminal};

const MIB: u64 = 1 << 20;
/// The size of a transfer.
const LARGE: u64 = 256 * MIB;
const SET_UPS: usize = 21;
const ECHO_ROUNDS: usize = 3;
const ECHOES: usize = 1_500;
const TRANSFER_ROUNDS: usize = 3;
const IDLE_SESSIONS: usize = 500;
/// A jump host takes several processes for each session; a fifth of them shows what one takes.
const IDLE_SESSIONS_OF_JUMP: usize = 100;
const DOWNLOADS: usize = 100;
const STALLED: u64 = 1024 * MIB;
/// What is queued on the way has come to rest by then.
const TO_STALL: Duration = Duration::from_secs(10);

/// In the order in which it is taken down: clients before servers, the folder last.
struct Field {
    ways: Ways,
    gate: Installation,
    jump: Sshd,
    _target: Sshd,
    random: PathBuf,
    zeros: PathBuf,
    _dir: Scratch,
}

/// What can be measured alone, while something is being made faster; a result to be kept is that of a whole run.
type Part = fn(&Field, &mut Report) -> Result<(), Stop>;
const PARTS: [(&str, Part); 6] = [
    ("setup", Field::set_up),
    ("echo", Field::echo),
    ("transfers", Field::transfers),
    ("whole", Field::whole),
    ("stalled", Field::stalled),
    ("idle", Field::idle),
];

pub(super) fn run(wanted: &[String]) -> Result<(), Stop> {
    let known = |name: &String| PARTS.iter().any(|(part, _)| part == name);
    if !wanted.iter().all(known) {
        return Err(Stop::Usage);
    }
    packages::ensure(&[SSH, SSH_KEYGEN, SSHD], Consent::Ask)?;
    let binary = super::release("sekimori", "sekimori")?;
    terminal::heading("a target, a jump host and a gate");
    let field = Field::build(&binary)?;
    let mut report = Report::new("ssh");
    for (_, part) in PARTS.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|one| one == name)) {
        part(&field, &mut report)?;
    }
    report.print();
    Ok(())
}

impl Field {
    fn build(binary: &std::path::Path) -> Result<Self, Stop> {
        let dir = Scratch::new("bench")?;
        let user = user()?;
        let mut gate = Installation::new(binary, &dir.join("gate"), "log = \"warn\"\n")?;
        let (one, two) = gate.found("gate.example/bench", "founder-one", "founder-two")?;
        let by = (&one, &two);
        let operator = gate.add_person(by, "operator", &["operators"])?;
        let owner = gate.add_person(by, "system-owner", &["system-owners"])?;
        let key =
            std::fs::read_to_string(operator.key.public_file()).map_err(testkit::Trouble::at("the operator's key"))?;
        let settings = Settings { authorized_keys: key, ..Settings::default() };
        let (target, jump) = (Sshd::start(&settings)?, Sshd::start(&settings)?);
        let at = At { label: "db1", zone: "bench", login: &user, owner: &owner };
        gate.add_target(by, &at, &target)?;
        gate.set_rules(by, RULES)?;
        let account = format!("{user}@db1");
        let request = gate.request(&operator, &account, "4h", "measure the gate beside plain OpenSSH")?;
        gate.approve(&owner, &request)?;
        let ways = ways(&dir, &gate, (&target, &jump), &operator.key, &user)?;
        let (random, zeros) = (dir.join("random"), dir.join("zeros"));
        random_file(&random, LARGE)?;
        zero_file(&zeros, LARGE)?;
        Ok(Self { ways, gate, jump, _target: target, random, zeros, _dir: dir })
    }

    fn set_up(&self, report: &mut Report) -> Result<(), Stop> {
        terminal::heading(&format!("session set-up, {SET_UPS} of each in turn"));
        let mut all = [const { Vec::new() }; 4];
        for round in 0..=SET_UPS {
            for (way, samples) in Way::ALL.into_iter().zip(&mut all) {
                let took = self.ways.set_up(way)?;
                if round > 0 {
                    samples.push(took);
                }
            }
        }
        let [direct, jump, _, gate] = all.map(|samples| median(&samples));
        report.row(
            "setup_vs_jump",
            gate / jump,
            Goal::AtMost(0.7),
            format!("ms: direct {direct:.0}, jump {jump:.0}, gate {gate:.0}"),
        );
        Ok(())
    }

    fn echo(&self, report: &mut Report) -> Result<(), Stop> {
        terminal::heading(&format!("one byte there and back on a terminal, {} of each", ECHO_ROUNDS * ECHOES));
        let (mut p50, mut p99) = ([const { Vec::new() }; 4], [const { Vec::new() }; 4]);
        for _ in 0..ECHO_ROUNDS {
            for (at, way) in Way::ALL.into_iter().enumerate() {
                let echoes = self.ways.echoes(way, ECHOES)?;
                p50[at].push(quantile(&echoes, 0.5));
                p99[at].push(quantile(&echoes, 0.99));
            }
        }
        for (name, samples) in [("p50", p50), ("p99", p99)] {
            let [direct, jump, _, gate] = samples.map(|samples| median(&samples));
            report.row(
                format!("echo_{name}_vs_jump"),
                gate / jump,
                Goal::AtMost(1.0),
                format!("us: direct {direct:.0}, jump {jump:.0}, gate {gate:.0}"),
            );
        }
        Ok(())
    }

    fn transfers(&self, report: &mut Report) -> Result<(), Stop> {
        terminal::heading(&format!("256 MiB down and up, random and zeros, {TRANSFER_ROUNDS} of each in turn"));
        let mut cpu = [0.0; 2];
        for (bytes, file) in [("random", &self.random), ("zeros", &self.zeros)] {
            let script = format!("cat {}", file.display());
            let (mut down, mut up) = ([const { Vec::new() }; 4], [const { Vec::new() }; 4]);
            for _ in 0..TRANSFER_ROUNDS {
                for (at, way) in Way::ALL.into_iter().enumerate() {
                    let before = self.middle_cpu(way)?;
                    down[at].push(self.ways.download(way, &script, LARGE)?);
                    up[at].push(self.ways.upload(way, file, LARGE)?);
                    // A jump host's processes are counted when they have ended.
                    pause(Duration::from_millis(300));
                    let used = self.middle_cpu(way)? - before;
                    match way {
                        Way::Jump => cpu[0] += used,
                        Way::Gate => cpu[1] += used,
                        Way::Direct | Way::JumpGcm => {}
                    }
                }
            }
            for (name, samples) in [("download", down), ("upload", up)] {
                let [direct, jump, gcm, gate] = samples.map(|samples| median(&samples));
                let note =
                    format!("MiB/s: direct {direct:.0}, jump {jump:.0}, jump with AES-GCM {gcm:.0}, gate {gate:.0}");
                report.row(format!("{name}_{bytes}_vs_jump"), gate / jump, Goal::AtLeast(1.2), note.clone());
                report.row(format!("{name}_{bytes}_vs_jump_gcm"), gate / gcm, Goal::AtLeast(1.0), note);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a handful of gigabytes")]
        let gigabytes = 2.0 * 2.0 * TRANSFER_ROUNDS as f64 * (LARGE as f64 / 1e9);
        let [jump, gate] = cpu.map(|seconds| seconds / gigabytes);
        report.row(
            "cpu_seconds_per_gb_vs_jump",
            gate / jump,
            Goal::Shown,
            format!("s/GB: jump host {jump:.2}, gate {gate:.2} with recording; target and client not counted"),
        );
        Ok(())
    }

    /// Of what stands between client and target.
    fn middle_cpu(&self, way: Way) -> Result<f64, Stop> {
        Ok(match way {
            Way::Direct => 0.0,
            Way::Jump | Way::JumpGcm => cpu_seconds(self.jump.pid()),
            Way::Gate => {
                let of = |process| Ok::<_, Stop>(cpu_seconds(self.gate.pid(process)?));
                of(Process::Front)? + of(Process::Engine)? + of(Process::Keeper)?
            }
        })
    }

    fn whole(&self, report: &mut Report) -> Result<(), Stop> {
        terminal::heading("256 MiB through `cat` and back at once; 100 downloads of 64 MiB");
        let whole = self.ways.comes_back_whole(Way::Gate, &self.random)?;
        report.row("full_duplex_whole", if whole { 1.0 } else { 0.0 }, Goal::AtLeast(1.0), "256 MiB of random bytes");
        let script = format!("head -c 67108864 {}", self.random.display());
        let mut ended = 0.0;
        for number in 0..DOWNLOADS {
            match self.ways.download(Way::Gate, &script, 64 * MIB) {
                Ok(_) => ended += 1.0,
                Err(trouble) => println!("   download {number}: {trouble}"),
            }
        }
        report.row("downloads_ended", ended, Goal::AtLeast(100.0), "of 100, 64 MiB each");
        Ok(())
    }

    fn stalled(&self, report: &mut Report) -> Result<(), Stop> {
        terminal::heading("1 GiB sent to a target that does not read");
        let front = self.gate.pid(Process::Front)?;
        let before = memory_kib(front);
        let upload = self.ways.stalled_upload(Way::Gate, STALLED)?;
        let mut most = before;
        for _ in 0..20 {
            pause(TO_STALL / 20);
            most = most.max(memory_kib(front));
        }
        drop(upload);
        let (grown, before) = ((most - before) / 1024.0, before / 1024.0);
        report.row("stalled_upload_growth_mib", grown, Goal::AtMost(8.0), format!("front had {before:.0} MiB before"));
        Ok(())
    }

    fn idle(&self, report: &mut Report) -> Result<(), Stop> {
        terminal::heading(&format!(
            "{IDLE_SESSIONS} idle terminals through the gate, {IDLE_SESSIONS_OF_JUMP} through the jump host"
        ));
        let gate = self.memory_of_one(Way::Gate, IDLE_SESSIONS)?;
        let jump = self.memory_of_one(Way::Jump, IDLE_SESSIONS_OF_JUMP)?;
        report.row("idle_session_kib", gate, Goal::AtMost(200.0), format!("jump host {jump:.0} KiB"));
        report.row("idle_session_vs_jump", gate / jump, Goal::Shown, "");
        Ok(())
    }

    fn memory_of_one(&self, way: Way, sessions: usize) -> Result<f64, Stop> {
        let middle = || -> Result<f64, Stop> {
            Ok(match way {
                Way::Gate => memory_kib(self.gate.pid(Process::Front)?),
                Way::Direct | Way::Jump | Way::JumpGcm => tree_memory_kib(self.jump.pid()),
            })
        };
        let before = middle()?;
        let mut open: Vec<Tame> = Vec::with_capacity(sessions);
        for _ in 0..sessions {
            open.push(self.ways.idle(way)?);
        }
        pause(Duration::from_secs(2));
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let one = (middle()? - before) / sessions as f64;
        drop(open);
        Ok(one)
    }
}

fn ways(
    dir: &Scratch,
    gate: &Installation,
    (target, jump): (&Sshd, &Sshd),
    key: &KeyPair,
    user: &str,
) -> Result<Ways, Stop> {
    let port = gate.port()?;
    let gate_login = format!("{user}@db1");
    let ports = Ports {
        target: target.port(),
        jump: jump.port(),
        gate: port,
        user,
        gate_login: &gate_login,
        identity: &key.private,
    };
    let ways = Ways::new(dir.path(), &ports)?;
    ways.know(target.port(), target.host_key())?;
    ways.know(jump.port(), jump.host_key())?;
    ways.know(port, &gate.host_key()?)?;
    Ok(ways)
}

const RULES: &str = "\
pending-limit = \"1h\"

[[rule]]
name = \"bench\"
requesters = \"operators\"
approvers = \"system-owners\"
approvals = 1
longest = \"8h\"
channels = [\"shell\", \"exec\"]
zone = \"bench\"
";
