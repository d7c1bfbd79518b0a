//! The guided tour: what is refused, how a grant comes about, a recorded session, its end, and the proof.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::installation::field;
use testkit::process::{Tame, found, now, pause};
use testkit::{Installation, Person, Target, Trouble};

use super::holder;
use super::places::Places;
use super::stage::Stage;
use super::talk::Talk;
use crate::Stop;
use crate::terminal::plain;

/// How long the demo's grant lasts.
const LENGTH: Duration = Duration::from_secs(90);
/// The end closes a session within a second; a machine that is busy with other things gets some more before the demo calls it wrong.
const LATEST: Duration = Duration::from_secs(5);

pub(super) fn lead(stage: &Stage, talk: &Talk) -> Result<(), Stop> {
    let tour = Tour { stage, talk };
    tour.standing_root()?;
    tour.blank_purpose()?;
    tour.research_persona()?;
    tour.self_approval()?;
    let session = tour.session()?;
    tour.after_the_end()?;
    tour.replay(&session)?;
    tour.proof(&session)?;
    tour.changed_byte()
}

struct Tour<'a> {
    stage: &'a Stage,
    talk: &'a Talk,
}

/// What must come of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Passes,
    Fails,
}

impl Tour<'_> {
    fn standing_root(&self) -> Result<(), Stop> {
        self.talk.step(
            1,
            "Nobody is root: without a grant the gate refuses, and the target knows nobody's own key",
            "誰も root ではない: 許可が無ければ関所は通さず、対象も誰の鍵も知らない",
        );
        self.ssh(&self.stage.researcher_admin, "id -un", Expect::Fails)?;
        self.directly()
    }

    fn blank_purpose(&self) -> Result<(), Stop> {
        self.talk.step(2, "A request without a purpose is no request", "目的の無い申請は申請ではない");
        self.sekimori(
            &self.stage.researcher_admin,
            &["request", "new", &self.stage.account, "--for", "10m", "--purpose", " "],
            Expect::Fails,
        )
        .map(drop)
    }

    fn research_persona(&self) -> Result<(), Stop> {
        self.talk.step(
            3,
            "The persona that faces the internet can never ask for privilege",
            "インターネットに向く研究用ペルソナは、特権を申請できない",
        );
        self.sekimori(
            &self.stage.researcher,
            &["request", "new", &self.stage.account, "--for", "10m", "--purpose", PURPOSE.0],
            Expect::Fails,
        )
        .map(drop)
    }

    fn self_approval(&self) -> Result<(), Stop> {
        self.talk.step(
            4,
            "Nobody approves for themselves: not by another persona, and not by a second record of the same person",
            "自分の申請は承認できない: 別のペルソナでも、同じ人の二つ目の登録でも",
        );
        let request = self.request("10m")?;
        let same = [&self.stage.researcher_admin, &self.stage.researcher_other, &self.stage.sock_puppet];
        for who in same {
            self.sekimori(who, &["request", "approve", &request], Expect::Fails)?;
        }
        self.sekimori(&self.stage.researcher_admin, &["request", "withdraw", &request], Expect::Passes).map(drop)
    }

    fn session(&self) -> Result<String, Stop> {
        self.talk.step(
            5,
            "Asked for, approved by another person's own key, passed with the system's `ssh`; the grant lasts 90 seconds",
            "申請し、別の人が自分の鍵で承認し、普通の ssh で通る。許可は90秒",
        );
        let begun = now();
        let request = self.request("90s")?;
        self.sekimori_as("system-owner", &["request", "approve", &request], Expect::Passes)?;
        let mut live = self.open_terminal()?;
        self.talk.remark(
            "the session stays open; when the grant ends, the gate ends it",
            "接続は開いたまま。許可の終わりに関所が閉じる",
        );
        let closed = found_within(LENGTH + LATEST, || live.ended().is_some());
        let took = begun.elapsed();
        if !closed || took > LENGTH + LATEST {
            return Err(Stop::Failed(format!("the session was still open {took:?} after the request")));
        }
        println!("   → {} {:.1} s", self.talk.say("closed after", "閉じるまで"), took.as_secs_f64());
        let said = self.answer_as("auditor", &["session", "list", "--ended"])?;
        Ok(field(&said, "session")?)
    }

    /// A terminal on the target; a few commands, then nothing until the end.
    fn open_terminal(&self) -> Result<Tame, Stop> {
        let login = format!("{}@gate", self.stage.account);
        let mut command = self.person(&self.stage.researcher_admin.role, "ssh");
        command.args(["-tt", &login]);
        self.show(&self.stage.researcher_admin.role, &["ssh".into(), login]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map(Tame)
            .map_err(Trouble::at("ssh"))?;
        let from = child.0.stdout.take().ok_or_else(|| Trouble("ssh has no output".to_owned()))?;
        let seen = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let copy = seen.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                let line = plain(&String::from_utf8_lossy(&line));
                println!("   │ {line}");
                copy.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push_str(&line);
            }
        });
        let to = child.0.stdin.as_mut().ok_or_else(|| Trouble("ssh has no input".to_owned()))?;
        to.write_all(
            b"PS1='db1# '\nhostname; id -un\necho sekimori-$((40 + 2)) > /tmp/sekimori-demo; cat /tmp/sekimori-demo\n",
        )
        .map_err(Trouble::at("typing"))?;
        found("the target's answer", || seen.lock().is_ok_and(|seen| seen.contains("sekimori-42")).then_some(()))?;
        Ok(child)
    }

    fn after_the_end(&self) -> Result<(), Stop> {
        self.talk.step(
            6,
            "After the end: no new passage, and nothing on the target that would let anybody in",
            "終わりの後: もう通れず、対象にも入れる鍵は残っていない",
        );
        self.ssh(&self.stage.researcher_admin, "id -un", Expect::Fails)?;
        self.directly()?;
        let log = self.stage.held.target.log();
        let accepted = log.lines().rfind(|line| line.contains("Accepted publickey")).unwrap_or_default();
        println!(
            "   {}:\n   │ {accepted}",
            self.talk.say("what the target itself noted of the passage", "対象自身の記録")
        );
        self.talk.remark(
            "that certificate named one account on one target, was valid for at most 60 s, and its key existed in the gate's memory only",
            "その証明書は一つの対象の一つのアカウントだけに、最長60秒だけ有効で、鍵は関所のメモリの中にしか無かった",
        );
        Ok(())
    }

    fn replay(&self, session: &str) -> Result<(), Stop> {
        self.talk.step(
            7,
            "The auditor watches the recording; that, and why, is itself an entry first",
            "監査人が録画を見る。誰がなぜ見たかが、先に台帳に残る",
        );
        self.sekimori_as(
            "auditor",
            &["session", "replay", session, "--no-wait", "--purpose", PURPOSE.1],
            Expect::Passes,
        )
        .map(drop)
    }

    fn proof(&self, session: &str) -> Result<(), Stop> {
        self.talk.step(8, "The proof: the recording against the ledger, the ledger against its own fold, and the permit without any server", "証明: 録画を台帳と、台帳をその畳み込みと照合し、手形をサーバー無しで検証する");
        self.sekimori_as("auditor", &["session", "verify", session, "--purpose", PURPOSE.1], Expect::Passes)?;
        self.sekimori_as("auditor", &["verify", "--replay"], Expect::Passes)?;
        let sessions = self.answer_as("auditor", &["session", "list", "--ended"])?;
        let grant = field(&sessions, "grant")?;
        self.sekimori_as("auditor", &["grant", "tegata", &grant, "--out", &self.tegata()], Expect::Passes)?;
        self.sekimori_as("auditor", &["verify", &self.tegata()], Expect::Passes).map(drop)
    }

    fn changed_byte(&self) -> Result<(), Stop> {
        self.talk.step(
            9,
            "One byte changed, in a copy of the permit and in a copy of the ledger: both are found",
            "1バイトだけ変える: 手形の写しでも、台帳の写しでも、見つかる",
        );
        let permit = PathBuf::from(self.tegata());
        let copy = permit.with_extension("changed");
        std::fs::copy(&permit, &copy).map_err(Trouble::at("a copy of the permit"))?;
        self.change(&copy, "\"entries\"")?;
        self.sekimori_as("auditor", &["verify", &copy.to_string_lossy()], Expect::Fails)?;
        self.changed_ledger()
    }

    /// A copy of the whole installation, in which the founding was made a moment earlier or later.
    fn changed_ledger(&self) -> Result<(), Stop> {
        let root = self.stage.places.join("copy");
        let mut copy = Installation::new(&self.stage.binary, &root, "")?;
        std::fs::remove_dir_all(root.join("var")).map_err(Trouble::at("the copy"))?;
        testkit::process::run(Command::new("cp").arg("-a").arg(self.stage.places.join("var")).arg(root.join("var")))?;
        // Started and stopped once, so that what waits in the database's journal stands in its file.
        copy.start()?;
        copy.stop()?;
        self.change(&root.join("var/ledger/ledger.db"), "\"created\":")?;
        println!("$ sekimori --root {} engine", root.display());
        self.finish(&mut copy.command(&["engine"]), Expect::Fails).map(drop)
    }

    fn tegata(&self) -> String {
        self.stage.places.join("files/tegata").to_string_lossy().into_owned()
    }

    /// One letter or digit, some way after the mark, becomes another.
    fn change(&self, path: &Path, mark: &str) -> Result<(), Stop> {
        let mut bytes = std::fs::read(path).map_err(Trouble::at(path.display()))?;
        let marked = bytes.windows(mark.len()).position(|part| part == mark.as_bytes());
        let from = marked.ok_or_else(|| Trouble(format!("`{}` has no {mark}", path.display())))? + mark.len() + 8;
        let at = (from..bytes.len())
            .find(|at| bytes[*at].is_ascii_alphanumeric())
            .ok_or_else(|| Trouble(format!("`{}` is too short", path.display())))?;
        let before = bytes[at];
        bytes[at] = if before == b'7' { b'8' } else { b'7' };
        std::fs::write(path, &bytes).map_err(Trouble::at(path.display()))?;
        println!("   {} {at}: `{}` → `{}`", self.talk.say("byte", "バイト"), char::from(before), char::from(bytes[at]));
        Ok(())
    }

    fn request(&self, length: &str) -> Result<String, Stop> {
        let words = ["request", "new", &self.stage.account, "--for", length, "--purpose", PURPOSE.0];
        self.show(&self.stage.researcher_admin.role, &sekimori(&words));
        let said = self.answer_as(&self.stage.researcher_admin.role, &words)?;
        let request = field(&said, "request")?;
        println!("   │ {request}");
        Ok(request)
    }

    fn ssh(&self, who: &Person, script: &str, expect: Expect) -> Result<(), Stop> {
        let login = format!("{}@gate", self.stage.account);
        let mut command = self.person(&who.role, "ssh");
        self.show(&who.role, &["ssh".into(), login.clone(), script.into()]);
        self.finish(command.args(["-T", &login, script]), expect).map(drop)
    }

    /// Straight to the target, past the gate, with the person's own key.
    fn directly(&self) -> Result<(), Stop> {
        let key = &self.stage.researcher_admin.key;
        println!(
            "$ ssh {} ({})",
            self.stage.account,
            self.talk.say("straight to the target, with the own key", "関所を通らず、自分の鍵で直接")
        );
        let (refused, said) = holder::is_refused_directly(&self.stage.held, &self.stage.places, key)?;
        println!("   │ {said}");
        if refused { Ok(()) } else { Err(Stop::Failed("the target let somebody in past the gate".to_owned())) }
    }

    fn sekimori(&self, who: &Person, words: &[&str], expect: Expect) -> Result<String, Stop> {
        self.sekimori_as(&who.role, words, expect)
    }

    fn sekimori_as(&self, role: &str, words: &[&str], expect: Expect) -> Result<String, Stop> {
        self.show(role, &sekimori(words));
        self.finish(self.person(role, "sekimori").args(words), expect)
    }

    /// As JSON, not shown.
    fn answer_as(&self, role: &str, words: &[&str]) -> Result<String, Stop> {
        Ok(testkit::process::run(self.person(role, "sekimori").arg("--json").args(words))?)
    }

    fn person(&self, role: &str, program: &str) -> Command {
        let mut command = Command::new(self.stage.places.as_script());
        command.args([role, program]).stdin(Stdio::null());
        command
    }

    fn show(&self, role: &str, words: &[String]) {
        let quoted: Vec<String> = words
            .iter()
            .map(|word| if word.contains(' ') || word.is_empty() { format!("'{word}'") } else { word.clone() })
            .collect();
        println!("{role}$ {}", quoted.join(" "));
    }

    /// Shows what it says, and holds it to what is expected.
    fn finish(&self, command: &mut Command, expect: Expect) -> Result<String, Stop> {
        let output = testkit::process::output_within(command, testkit::process::PATIENCE)?;
        let said = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        for line in said.lines() {
            println!("   │ {}", plain(line).trim_end());
        }
        match (expect, output.status.success()) {
            (Expect::Passes, true) | (Expect::Fails, false) => Ok(said),
            (Expect::Passes, false) => Err(Stop::Failed("this should have passed".to_owned())),
            (Expect::Fails, true) => Err(Stop::Failed("this should have been refused".to_owned())),
        }
    }
}

fn sekimori(words: &[&str]) -> Vec<String> {
    std::iter::once("sekimori").chain(words.iter().copied()).map(str::to_owned).collect()
}

fn found_within(limit: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let begun = now();
    while begun.elapsed() < limit {
        if is_so() {
            return true;
        }
        pause(Duration::from_millis(50));
    }
    false
}

/// What the request is for, and what the recording is opened for.
const PURPOSE: (&str, &str) = ("rotate the WAL archive, CHG-142", "quarterly sample of privileged sessions");

/// After the tour, and when a second run finds the first.
pub(super) fn how_to_go_on(places: &Places, talk: &Talk) {
    let script: PathBuf = places.as_script();
    let script = script.display();
    let account = super::read(&places.stage_file()).unwrap_or_default();
    let account = account.trim();
    println!("\n{}", talk.say("The gate and the target are up. Try:", "関所と対象は動いています。試してみてください:"));
    println!("  {script} researcher-admin sekimori request new {account} --for 10m --purpose 'look around, CHG-7'");
    println!("  {script} system-owner sekimori request list");
    println!("  {script} system-owner sekimori request approve req_…");
    println!("  {script} researcher-admin ssh {account}@gate");
    println!("  {script} auditor sekimori ledger list");
    println!(
        "{}",
        talk.say(
            "cargo xtask demo --stop ends it and removes its files; --fresh begins anew",
            "cargo xtask demo --stop で終了して消去、--fresh で作り直し"
        )
    );
}
