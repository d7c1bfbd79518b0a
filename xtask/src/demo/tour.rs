//! The guided tour: what is refused, how a grant comes about, a recorded session, its end, and the proof.

use std::cell::RefCell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::installation::field;
use testkit::process::{PATIENCE, found, now, output_within, pause, run};
use testkit::{Installation, Person, Target, Trouble};

use super::places::Places;
use super::screen::{Live, Sheets, command_line};
use super::stage::{DIRECTLY, Stage};
use super::talk::{Pace, Talk};
use super::words;
use crate::Stop;
use crate::lang::Words;
use crate::terminal::plain;

/// How long the demo's grant lasts.
const LENGTH: Duration = Duration::from_secs(90);
/// The end closes a session within a second; a machine that is busy with other things gets some more before the demo calls it wrong.
const LATEST: Duration = Duration::from_secs(5);
/// The grant's time runs from the request's signature, a little before its answer is here.
const EARLIEST: Duration = Duration::from_secs(5);
/// While nothing else is to be seen, how long the session still has is said this often.
const SAY_EVERY: Duration = Duration::from_secs(20);

pub(super) fn lead(stage: &Stage, talk: &Talk) -> Result<(), Stop> {
    let tour = Tour { stage, talk, sheets: RefCell::default() };
    if talk.pace == Pace::Enter {
        println!();
        talk.remark(words::HOW_TO_FOLLOW);
    }
    tour.nobody_is_root()?;
    tour.blank_purpose()?;
    tour.research_persona()?;
    tour.self_approval()?;
    let passage = tour.passage()?;
    tour.after_the_end(&passage)?;
    tour.replay(&passage)?;
    tour.proof(&passage)?;
    tour.changed_byte(&passage)
}

struct Tour<'a> {
    stage: &'a Stage,
    talk: &'a Talk,
    sheets: RefCell<Sheets>,
}

/// What came of step 5.
struct Passage {
    request: String,
    session: String,
    grant: String,
    /// A copy of a certificate that opened db1.
    certificate: String,
}

/// What must come of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Passes,
    /// With this exit code.
    Fails(i32),
}

/// `sekimori` was refused; what it was given to verify is not what it says; `ssh` was not let in.
const REFUSED: Expect = Expect::Fails(1);
const PROOF_FAILS: Expect = Expect::Fails(4);
const NOT_LET_IN: Expect = Expect::Fails(255);

impl Tour<'_> {
    fn nobody_is_root(&self) -> Result<(), Stop> {
        self.talk.step(1, words::NOBODY_IS_ROOT);
        let who = &self.stage.researcher_admin;
        self.perform(&who.role, &["ssh", &self.at_gate(), "id -un"], REFUSED)?;
        let said = self.perform(&who.role, &["ssh", &self.directly(), "id -un"], NOT_LET_IN)?;
        self.must(said.contains("Permission denied"), words::LET_IN)
    }

    fn blank_purpose(&self) -> Result<(), Stop> {
        self.talk.step(2, words::BLANK_PURPOSE);
        self.ask_for(&self.stage.researcher_admin, "10m", " ", REFUSED).map(drop)
    }

    fn research_persona(&self) -> Result<(), Stop> {
        self.talk.step(3, words::RESEARCH_PERSONA);
        self.ask_for(&self.stage.researcher, "10m", self.purpose(), REFUSED).map(drop)
    }

    fn self_approval(&self) -> Result<(), Stop> {
        self.talk.step(4, words::SELF_APPROVAL);
        let own = &self.stage.researcher_admin;
        let request = id_in(&self.ask_for(own, "10m", self.purpose(), Expect::Passes)?, "req_")?;
        for who in [own, &self.stage.researcher_other, &self.stage.sock_puppet] {
            self.perform(&who.role, &["sekimori", "request", "approve", &request], REFUSED)?;
        }
        self.talk.remark(words::ALL_APPROVERS);
        self.perform(&own.role, &["sekimori", "request", "withdraw", &request], Expect::Passes).map(drop)
    }

    /// From the request to the end, and what root on the target can do with the certificate meanwhile.
    fn passage(&self) -> Result<Passage, Stop> {
        self.talk.step(5, words::PASSAGE);
        if self.talk.pace == Pace::Enter {
            self.talk.remark(words::IN_A_ROW);
        }
        *self.sheets.borrow_mut() = Sheets::default();
        let who = &self.stage.researcher_admin;
        let request = id_in(&self.ask_for(who, "90s", self.purpose(), Expect::Passes)?, "req_")?;
        let begun = now();
        self.at_once("system-owner", &["sekimori", "request", "approve", &request], Expect::Passes)?;
        let mut live = self.open_terminal()?;
        let session = id_in(&live.seen(), "ses_")?;
        let certificate = self.stolen()?;
        println!();
        self.talk.remark(words::STAYS_OPEN);
        self.wait_for_the_end(&mut live, begun)?;
        let grant = self.grant_of(&session)?;
        Ok(Passage { request, session, grant, certificate })
    }

    /// A terminal on the target; a few commands, then nothing until the end.
    fn open_terminal(&self) -> Result<Live, Stop> {
        let who = &self.stage.researcher_admin.role;
        self.show(&["ssh", &self.at_gate()], who);
        // `-tt`: a terminal also where this program has none.
        let mut live = Live::open(&mut self.person(who, &["ssh", "-tt", &self.at_gate()]))?;
        live.prompt()?;
        for line in ["hostname; id -un", "date -u"] {
            live.type_line(line)?;
        }
        Ok(live)
    }

    /// What sshd shows a session of how it was let in holds the certificate; whoever is root there can keep it.
    fn stolen(&self) -> Result<String, Stop> {
        self.talk.step(6, words::STOLEN);
        let who = &self.stage.researcher_admin.role;
        let file = self.path("files/kept-cert.pub");
        let words = ["ssh", "-T", &self.at_gate(), r#"cut -d" " -f2- "$SSH_USER_AUTH""#];
        println!("$ {} > {file}", self.line(&words, who));
        let output = output_within(&mut self.person(who, &words), PATIENCE)?;
        std::fs::write(&file, &output.stdout).map_err(Trouble::at(&file))?;
        println!("$ ssh-keygen -L -f {file}");
        self.finish(Command::new("ssh-keygen").args(["-L", "-f", &file]), Expect::Passes)?;
        let said = self.offer(&file, "")?;
        let is_taken = |line: &str| line.contains("Server accepts key") && line.contains("-CERT");
        self.must(said.lines().any(is_taken), words::SHOULD_PASS)?;
        self.talk.remark(words::NO_KEY);
        Ok(file)
    }

    /// The kept certificate, straight to the target; shows what both sides say of it. `log` is what the target must note.
    fn offer(&self, certificate: &str, log: &str) -> Result<String, Stop> {
        let before = self.stage.held.target.log().len();
        let who = &self.stage.researcher_admin.role;
        let option = format!("CertificateFile={certificate}");
        let words = ["ssh", "-v", "-o", &option, &self.directly(), "id -un"];
        self.show(&words, who);
        let output = output_within(&mut self.person(who, &words), PATIENCE)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        for line in said.lines().filter(|line| is_about_a_certificate_offered(line)) {
            println!("   │ {}", plain(line.trim_start_matches("debug1: ").trim_end_matches(" explicit")));
        }
        self.must(output.status.code() == Some(255), words::LET_IN)?;
        let noted = || {
            let log = self.stage.held.target.log();
            let new = log.get(before..).unwrap_or_default().lines();
            new.filter(|line| is_about_certificates(line)).map(plain).collect::<Vec<_>>()
        };
        let seen = found("the target's log", || Some(noted()).filter(|lines| lines.iter().any(|l| l.contains(log))));
        let lines = if log.is_empty() { noted() } else { seen.map_err(|_| self.not_seen(log))? };
        if !lines.is_empty() {
            println!("   {}", words::SEEN_BY_TARGET.of(self.talk.lang));
            lines.iter().for_each(|line| println!("   │ {line}"));
        }
        Ok(said)
    }

    fn not_seen(&self, log: &str) -> Stop {
        Stop::Failed(words::NOT_SEEN.with(self.talk.lang, &[&log]))
    }

    fn wait_for_the_end(&self, live: &mut Live, begun: std::time::Instant) -> Result<(), Stop> {
        let mut said = now();
        while live.is_open() && begun.elapsed() < LENGTH + LATEST {
            if said.elapsed() >= SAY_EVERY {
                said = now();
                let left = LENGTH.saturating_sub(begun.elapsed()).as_secs();
                println!("   {}", words::LEFT.with(self.talk.lang, &[&left]));
            }
            pause(Duration::from_millis(50));
        }
        let took = format!("{:.1}", begun.elapsed().as_secs_f64());
        if live.is_open() {
            return Err(Stop::Failed(words::STILL_OPEN.with(self.talk.lang, &[&took])));
        }
        if begun.elapsed() < LENGTH - EARLIEST {
            return Err(Stop::Failed(words::CLOSED_EARLY.with(self.talk.lang, &[&took])));
        }
        self.talk.remark_with(words::CLOSED, &[&took]);
        Ok(())
    }

    /// Of a session that ended with its grant, by the ledger's own word.
    fn grant_of(&self, session: &str) -> Result<String, Stop> {
        let listed = run(self.person("auditor", &["sekimori", "--json"]).args(["session", "list", "--ended"]))?;
        let (_, rest) = listed.split_once(session).ok_or_else(|| Trouble(format!("`{session}` is not listed")))?;
        // Up to the next session's own fields.
        let own = rest.split("\"session\"").next().unwrap_or_default();
        self.must(own.contains("\"grant_over\""), words::ENDED_OTHERWISE)?;
        Ok(field(own, "grant")?)
    }

    fn after_the_end(&self, passage: &Passage) -> Result<(), Stop> {
        self.talk.step(7, words::AFTER_THE_END);
        self.perform(&self.stage.researcher_admin.role, &["ssh", &self.at_gate(), "id -un"], REFUSED)?;
        self.offer(&passage.certificate, "expired")?;
        self.talk.remark(words::CERTIFICATE_OVER);
        Ok(())
    }

    fn replay(&self, passage: &Passage) -> Result<(), Stop> {
        self.talk.step(8, words::REPLAY);
        let words = [
            "sekimori",
            "session",
            "replay",
            &passage.session,
            "--no-wait",
            "--purpose",
            words::REVIEW.of(self.talk.lang),
        ];
        self.perform("auditor", &words, Expect::Passes)?;
        self.perform("auditor", &["sekimori", "ledger", "list", "--about", &passage.session], Expect::Passes).map(drop)
    }

    fn proof(&self, passage: &Passage) -> Result<(), Stop> {
        self.talk.step(9, words::PROOF);
        let words = ["sekimori", "session", "verify", &passage.session, "--purpose", words::REVIEW.of(self.talk.lang)];
        self.perform("auditor", &words, Expect::Passes)?;
        self.perform("auditor", &["sekimori", "verify", "--replay"], Expect::Passes)?;
        let file = self.tegata();
        // It may lie there from an attempt of the newcomer's own.
        let _absent = std::fs::remove_file(&file);
        let words = ["sekimori", "grant", "tegata", &passage.grant, "--out", &file];
        self.perform("auditor", &words, Expect::Passes)?;
        self.perform("auditor", &["sekimori", "--root", "/nowhere", "verify", &file], Expect::Passes)?;
        self.talk.remark(words::OFFLINE);
        Ok(())
    }

    fn changed_byte(&self, passage: &Passage) -> Result<(), Stop> {
        self.talk.step(10, words::CHANGED_BYTE);
        let copy = format!("{}.changed", self.tegata());
        std::fs::copy(self.tegata(), &copy).map_err(Trouble::at(&copy))?;
        self.change(Path::new(&copy), &passage.request)?;
        let words = ["sekimori", "--root", "/nowhere", "verify", &copy];
        self.perform("auditor", &words, PROOF_FAILS)?;
        self.changed_ledger(passage)
    }

    /// A copy of the whole installation, in which somebody else approved.
    fn changed_ledger(&self, passage: &Passage) -> Result<(), Stop> {
        let root = self.stage.places.join("copy");
        let mut copy = Installation::new(&self.stage.binary, &root, "")?;
        std::fs::remove_dir_all(root.join("var")).map_err(Trouble::at("the copy"))?;
        run(Command::new("cp").arg("-a").arg(self.stage.places.join("var")).arg(root.join("var")))?;
        // Started and stopped once, so that what waits in the database's journal stands in its file.
        copy.start()?;
        copy.stop()?;
        println!();
        self.change(&root.join("var/ledger/ledger.db"), &passage.request)?;
        self.talk.remark(words::WITHIN_COPY);
        let binary = self.path_of(&self.stage.binary);
        println!("$ {}", command_line(&[&binary, "--root", &self.path("copy"), "engine"]));
        self.talk.wait();
        let output = output_within(&mut copy.command(&["engine"]), PATIENCE)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        said.lines().for_each(|line| println!("   │ {}", plain(line)));
        if output.status.success() {
            return Err(Stop::Failed(words::CHANGE_MISSED.of(self.talk.lang).to_owned()));
        }
        Ok(())
    }

    fn tegata(&self) -> String {
        self.path("files/tegata")
    }

    /// Another approver: one character of the id that stands in the approval of this request.
    fn change(&self, path: &Path, request: &str) -> Result<(), Stop> {
        let mut bytes = std::fs::read(path).map_err(Trouble::at(path.display()))?;
        let at = approver_in(&bytes, request)
            .ok_or_else(|| Trouble(format!("`{}` holds no approval of {request}", path.display())))?;
        let before = bytes[at];
        bytes[at] = if before == b'7' { b'6' } else { b'7' };
        std::fs::write(path, &bytes).map_err(Trouble::at(path.display()))?;
        let (before, after) = (char::from(before), char::from(bytes[at]));
        self.talk.remark_with(words::CHANGED, &[&self.path_of(path), &before, &after]);
        Ok(())
    }
}

/// Commands, as they can be typed.
impl Tour<'_> {
    /// What the request is for.
    fn purpose(&self) -> &'static str {
        words::PURPOSE.of(self.talk.lang)
    }

    fn ask_for(&self, who: &Person, length: &str, purpose: &str, expect: Expect) -> Result<String, Stop> {
        let words = ["sekimori", "request", "new", &self.stage.account, "--for", length, "--purpose", purpose];
        self.perform(&who.role, &words, expect)
    }

    /// Shows the command, waits for Enter where somebody follows, runs it.
    fn perform(&self, role: &str, words: &[&str], expect: Expect) -> Result<String, Stop> {
        self.show(words, role);
        self.talk.wait();
        self.finish(&mut self.person(role, words), expect)
    }

    /// Where a clock runs.
    fn at_once(&self, role: &str, words: &[&str], expect: Expect) -> Result<String, Stop> {
        self.show(words, role);
        self.finish(&mut self.person(role, words), expect)
    }

    fn show(&self, words: &[&str], role: &str) {
        println!("$ {}", self.line(words, role));
    }

    fn line(&self, words: &[&str], role: &str) -> String {
        let script = self.path_of(&self.stage.places.as_script());
        let line: Vec<&str> = [&*script, role].into_iter().chain(words.iter().copied()).collect();
        command_line(&line)
    }

    fn person(&self, role: &str, words: &[&str]) -> Command {
        let mut command = Command::new(self.stage.places.as_script());
        command.arg(role).args(words).stdin(Stdio::null());
        command
    }

    /// Shows what it says, and holds it to what is expected.
    fn finish(&self, command: &mut Command, expect: Expect) -> Result<String, Stop> {
        let output = output_within(command, PATIENCE)?;
        let said = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        for line in self.sheets.borrow_mut().shorten(&said, words::AS_ABOVE.of(self.talk.lang)) {
            println!("   │ {line}");
        }
        let _closed = std::io::stdout().flush();
        let code = output.status.code();
        let wrong = match expect {
            Expect::Passes if output.status.success() => return Ok(said),
            Expect::Fails(expected) if code == Some(expected) => return Ok(said),
            Expect::Passes => words::SHOULD_PASS.of(self.talk.lang).to_owned(),
            Expect::Fails(_) => words::SHOULD_REFUSE.with(self.talk.lang, &[&output.status]),
        };
        if self.talk.pace != Pace::Enter {
            return Err(Stop::Failed(wrong));
        }
        // Somebody who types along may have done it already.
        self.talk.remark(words::NOT_AS_EXPECTED);
        Ok(said)
    }

    fn must(&self, is_so: bool, wrong: Words) -> Result<(), Stop> {
        if is_so { Ok(()) } else { Err(Stop::Failed(wrong.with(self.talk.lang, &[&""]))) }
    }

    fn at_gate(&self) -> String {
        format!("{}@gate", self.stage.account)
    }

    fn directly(&self) -> String {
        format!("{}@{DIRECTLY}", self.stage.held.login)
    }

    /// Of something in the demo's folder, as it is typed.
    fn path(&self, name: &str) -> String {
        self.path_of(&self.stage.places.join(name))
    }

    fn path_of(&self, path: &Path) -> String {
        from_here(path).to_string_lossy().into_owned()
    }
}

/// Of what `ssh -v` says. It offers the person's own key after the certificate; that one is no news.
fn is_about_a_certificate_offered(line: &str) -> bool {
    let offered = line.contains("Offering public key") || line.contains("Server accepts key");
    (offered && line.contains("-CERT"))
        || line.contains("no separate private key")
        || line.contains("Permission denied")
}

/// Of a target's log. That sshd does not know our extension says nothing of whether it let somebody in.
fn is_about_certificates(line: &str) -> bool {
    (line.contains("ertificate") || line.contains("-CERT")) && !line.contains("is not supported")
}

/// The first id of a kind that an answer names; `prefix` is `req_`, `ses_` …
fn id_in(said: &str, prefix: &str) -> Result<String, Trouble> {
    let from = said.find(prefix).ok_or_else(|| Trouble(format!("no {prefix}… in: {said}")))?;
    let rest = said.get(from + prefix.len()..).unwrap_or_default();
    let random: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    Ok(format!("{prefix}{random}"))
}

/// Where the random part of the approver's id begins in the entry that holds the approval of a request: as it is in the ledger, or as a text
/// within a tegata.
fn approver_in(bytes: &[u8], request: &str) -> Option<usize> {
    let find = |from: usize, mark: &str| {
        let rest = bytes.get(from..)?;
        rest.windows(mark.len()).position(|part| part == mark.as_bytes()).map(|at| from + at + mark.len())
    };
    let marks = [format!(r#"{{"request":"{request}","statement":"#), r#""approver":"psn_"#.to_owned()];
    let within = |[approval, approver]: [String; 2]| find(find(0, &approval)?, &approver);
    within(marks.clone()).or_else(|| within(marks.map(|mark| mark.replace('"', r#"\""#))))
}

/// Shorter where it lies below the folder that commands are typed in.
fn from_here(path: &Path) -> PathBuf {
    let here = std::env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path).to_owned()
}

/// After the tour, and when a second run finds the first.
pub(super) fn how_to_go_on(places: &Places, talk: &Talk) {
    let script = from_here(&places.as_script()).to_string_lossy().into_owned();
    let account = super::read(&places.stage_file()).unwrap_or_default();
    let account = account.trim();
    let gate = format!("{account}@gate");
    let show = |words: &[&str]| {
        let line: Vec<&str> = [&*script].into_iter().chain(words.iter().copied()).collect();
        println!("   $ {}", command_line(&line));
    };
    println!();
    talk.say(words::UP);
    talk.remark(words::TO_PASS);
    show(&[
        "researcher-admin",
        "sekimori",
        "request",
        "new",
        account,
        "--for",
        "90s",
        "--purpose",
        words::LOOK_AROUND.of(talk.lang),
    ]);
    show(&["system-owner", "sekimori", "request", "approve", "req_…"]);
    show(&["researcher-admin", "ssh", &gate]);
    talk.remark(words::TO_LOOK);
    show(&["system-owner", "sekimori", "request", "list"]);
    show(&["auditor", "sekimori", "session", "list"]);
    show(&["auditor", "sekimori", "session", "replay", "ses_…", "--purpose", words::LOOK_AROUND.of(talk.lang)]);
    show(&["auditor", "sekimori", "ledger", "list"]);
    let keys = from_here(&places.join("keys"));
    talk.remark_with(words::TO_KNOW_MORE, &[&script, &keys.display()]);
    talk.remark(words::TO_END);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_in_what_was_said() {
        let said = "recorded\n  request  req_5yvjtny1ew9m46tde9jk5ft98d (yours)\n";
        assert_eq!(id_in(said, "req_").unwrap(), "req_5yvjtny1ew9m46tde9jk5ft98d");
        assert!(id_in(said, "ses_").is_err());
    }

    #[test]
    fn the_approver_of_this_request_is_changed_and_no_other() {
        let entry =
            |request: &str| format!(r#"{{"fields":{{"request":"{request}","statement":"00","approver":"psn_4sj7"}}}}"#);
        let ledger = [entry("req_1"), entry("req_2")].concat();
        for text in [ledger.clone(), ledger.replace('"', r#"\""#)] {
            let at = approver_in(text.as_bytes(), "req_2").unwrap();
            assert!(at > text.len() / 2);
            assert_eq!(&text[at..at + 4], "4sj7");
        }
        assert_eq!(approver_in(ledger.as_bytes(), "req_3"), None);
    }

    #[test]
    fn a_path_below_the_current_folder_is_short() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(from_here(&here.join("target/demo/as")), Path::new("target/demo/as"));
        assert_eq!(from_here(Path::new("/elsewhere/demo/as")), Path::new("/elsewhere/demo/as"));
    }
}
