//! `sekimori verify`: a tegata, an entry's proof or a whole ledger, with nothing but the trust directory. No server, no network, no clock.

pub(crate) mod whole;

use std::path::{Path, PathBuf};

use channel::api::{Query, View};
use domain::Entry;
use domain::motion::AccountName;
use ledger::{SignedCheckpoint, TlogProof, leaf_hash};
use serde_json::{Value, json};
use sshwire::Presence;
use tegata::{Fault, LONGEST_TEGATA, ServersWord, Tegata, Verdict, VerifiedTegata, Voice};

use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::sheet::Sheet;
use crate::trust::TrustDir;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A tegata, or a proof made by `ledger proof`; with --replay a whole ledger made by `ledger export`
    #[arg(required_unless_present = "replay")]
    file: Option<PathBuf>,
    /// Fold the whole ledger in FILE, checking every signature and rule; without FILE the server folds its own again and compares
    #[arg(long)]
    replay: bool,
    /// A checkpoint saved earlier, or an earlier export: the ledger must begin with exactly its entries
    #[arg(long, value_name = "CHECKPOINT", requires = "replay", requires = "file")]
    extends: Option<PathBuf>,
}

pub(crate) fn run(args: Args, desk: &mut Desk<'_>) -> Outcome<()> {
    match (args.file, args.replay) {
        (None, _) => replay(desk),
        (Some(file), true) => whole::run(&file, args.extends.as_deref(), desk),
        (Some(file), false) => verify(&file, desk),
    }
}

fn replay(desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let View::Replay { entries, agrees } = caller.connection.read(Query::VerifyReplay)? else {
        return Err(Failure::AnswerUnexpected { wanted: "replay".into() });
    };
    if !agrees {
        return Err(Failure::ReplayDiffers { entries: entries.to_string() });
    }
    let answer = json!({ "entries": entries, "agrees": agrees });
    desk.answer(&answer, |desk| desk.say("say-replay-agrees", &[("entries", entries.into())]));
    Ok(())
}

fn verify(path: &Path, desk: &mut Desk<'_>) -> Outcome<()> {
    let trust = TrustDir::read(desk.settings.trust.as_deref())?;
    let bytes = files::read(path, LONGEST_TEGATA as u64)?;
    if bytes.starts_with(TLOG_PROOF) {
        verify_proof(path, &bytes, &trust, desk)
    } else {
        verify_tegata(path, &bytes, &trust, desk)
    }
}

fn verify_tegata(path: &Path, bytes: &[u8], trust: &TrustDir, desk: &mut Desk<'_>) -> Outcome<()> {
    let tegata = Tegata::parse(bytes).map_err(|fault| failure(path, fault, trust))?;
    let verified = tegata.verify(&trust.trust).map_err(|fault| failure(path, fault, trust))?;
    // The founding names the log's key; the policy may ask for more, such as witnesses.
    let note = SignedCheckpoint::parse(tegata.checkpoint.as_bytes()).and_then(|note| trust.policy.verify(note));
    note.map_err(|error| Failure::CheckpointFails { why: error.to_string() })?;
    let answer = verdict_json(&verified);
    desk.answer(&answer, |desk| show(desk, &verified));
    Ok(())
}

fn verify_proof(path: &Path, bytes: &[u8], trust: &TrustDir, desk: &mut Desk<'_>) -> Outcome<()> {
    let unreadable =
        |error: ledger::Error| Failure::ProofUnreadable { path: files::shown(path), why: error.to_string() };
    let proof = TlogProof::parse(bytes).map_err(unreadable)?;
    let text = proof.extra().to_vec();
    let note = proof
        .verify_under(leaf_hash(&text), &trust.policy)
        .map_err(|error| Failure::InclusionFails { why: error.to_string() })?;
    let place = proof.index().to_string();
    let entry = Entry::decode(&text)
        .map_err(|error| Failure::EntryUnreadable { seq: place.clone(), why: error.to_string() })?;
    if entry.seq != proof.index() {
        return Err(Failure::EntryMisplaced { place, said: entry.seq.to_string() });
    }
    let head = note.checkpoint().checkpoint().clone();
    let answer = json!({
        "proved": { "origin": head.origin.as_str(), "size": head.size, "seq": entry.seq, "kind": entry.event.kind(), "time": entry.time.to_string() },
        "rests_on_servers_word": ["times", "signatures-in-the-entry"],
    });
    desk.answer(&answer, |desk| {
        let mut sheet = desk.sheet("say-entry-proved", &[]);
        sheet.row("label-origin", head.origin.as_str());
        sheet.row("label-entry", entry.seq.to_string());
        sheet.row("label-kind", entry.event.kind());
        sheet.row("label-time", desk.moment(entry.time));
        sheet.row("label-size", head.size.to_string());
        desk.show_sheet(&sheet);
        desk.say("say-entry-not-proved", &[]);
    });
    Ok(())
}

/// Each fault is a code of its own.
fn failure(path: &Path, fault: Fault, trust: &TrustDir) -> Failure {
    match fault {
        Fault::TooLong { .. } | Fault::Unreadable(_) | Fault::OtherForm { .. } | Fault::TooMany { .. } => {
            Failure::ProofUnreadable { path: files::shown(path), why: fault.to_string() }
        }
        Fault::NoFounding => Failure::FoundingFails { why: fault.to_string() },
        Fault::Entry { place, why } => Failure::EntryUnreadable { seq: place.to_string(), why: why.to_string() },
        Fault::OtherPlace { place, said } => {
            Failure::EntryMisplaced { place: place.to_string(), said: said.to_string() }
        }
        Fault::OtherFounders { found } => {
            Failure::FoundersDiffer { found: list(found), trusted: list(trust.trust.founders.clone()) }
        }
        Fault::Checkpoint(error) => Failure::CheckpointFails { why: error.to_string() },
        Fault::Inclusion(error) => Failure::InclusionFails { why: error.to_string() },
        Fault::Signature { seq, why } => Failure::EntrySignatureFails { seq: seq.to_string(), why: why.to_string() },
        Fault::Rule { seq, why } => Failure::EntryBreaksRule { seq: seq.to_string(), why: why.to_string() },
        Fault::NoGrant { grant } => Failure::GrantNotProved { grant: grant.to_string() },
    }
}

fn list(items: impl IntoIterator<Item = impl ToString>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

fn show(desk: &mut Desk<'_>, verified: &VerifiedTegata) {
    let verdict = verified.verdict();
    let window = verdict.request.window;
    let mut sheet = desk.sheet("say-proved", &[]);
    sheet.row("label-origin", verdict.origin.clone());
    sheet.row("label-founders", list(verdict.founders.clone()).replace(", ", "\n"));
    sheet.row("label-grant", verdict.grant.to_string());
    sheet.row("label-account", account_text(verified));
    sheet.row("label-principal", verdict.principal.as_str());
    sheet.row("label-from", desk.moment(window.from()));
    sheet.row("label-until", desk.moment(window.until()));
    sheet.row("label-channels", list(&verdict.request.channels));
    voice(desk, &mut sheet, "label-requested-by", &verdict.requester);
    for approver in &verdict.approvers {
        voice(desk, &mut sheet, "label-approved-by", approver);
    }
    sheet.row("label-granted", desk.moment(verdict.granted));
    sheet.row("label-size", verdict.size.to_string());
    desk.show_sheet(&sheet);
    say_words(desk, &verdict.words);
}

fn say_words(desk: &mut Desk<'_>, words: &[ServersWord]) {
    desk.say("say-on-servers-word", &[]);
    for word in words {
        let (_, key) = servers_word(*word);
        let line = format!("  - {}", desk.word(key));
        desk.screen().line(&line);
    }
}

fn voice(desk: &Desk<'_>, sheet: &mut Sheet, label: &str, voice: &Voice) {
    let presence = desk.word(presence(voice.presence).1);
    let at = desk.moment(voice.at);
    sheet.row(label, format!("{}\n{} ({}, {presence})\n{at}", voice.person, voice.key, voice.class.name()));
}

/// `root@db1 (acc_…)`: the names that the proof's own entries give.
fn account_text(verified: &VerifiedTegata) -> String {
    let id = verified.verdict().request.account;
    let estate = &verified.state().estate;
    let named = estate.accounts.get(&id).and_then(|account| Some((account, estate.targets.get(&account.target)?)));
    match named {
        Some((account, target)) => match &account.name {
            AccountName::Shared(label) => format!("{label}@{} ({id})", target.label),
            AccountName::Personal(_) => format!("?@{} ({id})", target.label),
        },
        None => id.to_string(),
    }
}

fn verdict_json(verified: &VerifiedTegata) -> Value {
    let Verdict { origin, size, founders, grant, request, principal, requester, approvers, granted, words } =
        verified.verdict();
    let voice = |voice: &Voice| json!({ "person": voice.person, "key": voice.key, "class": voice.class.name(), "presence": presence(voice.presence).0, "at": voice.at.to_string() });
    json!({
        "proved": {
            "origin": origin, "size": size, "founders": founders, "grant": grant, "account": account_text(verified),
            "principal": principal.as_str(), "request": request.request, "from": request.window.from().to_string(),
            "until": request.window.until().to_string(), "channels": request.channels,
            "requester": voice(requester), "approvers": approvers.iter().map(voice).collect::<Vec<_>>(), "granted": granted.to_string(),
        },
        "rests_on_servers_word": words.iter().map(|word| servers_word(*word).0).collect::<Vec<_>>(),
    })
}

/// The stable word and the message's key.
const fn presence(presence: Presence) -> (&'static str, &'static str) {
    match presence {
        Presence::NotAHardwareKey => ("software", "word-software-key"),
        Presence::HardwareKey { user_verified: true, .. } => ("verified", "word-hardware-verified"),
        Presence::HardwareKey { user_present: true, user_verified: false, .. } => ("touched", "word-hardware-touched"),
        Presence::HardwareKey { user_present: false, user_verified: false, .. } => {
            ("untouched", "word-hardware-untouched")
        }
    }
}

/// The stable word and the message's key.
const fn servers_word(word: ServersWord) -> (&'static str, &'static str) {
    match word {
        ServersWord::NothingTakenBackSince => ("nothing-taken-back-since", "servers-word-nothing-taken-back"),
        ServersWord::NoLinkLeftOut => ("no-link-left-out", "servers-word-no-link"),
        ServersWord::MembershipsThen => ("memberships-then", "servers-word-memberships"),
        ServersWord::RulesThen => ("rules-then", "servers-word-rules"),
        ServersWord::Times => ("times", "servers-word-times"),
        ServersWord::RequestFiledThroughSsh => ("request-filed-through-ssh", "servers-word-filed-through-ssh"),
        ServersWord::KeyRecovered => ("key-recovered", "servers-word-key-recovered"),
        ServersWord::OwnEntries => ("own-entries", "servers-word-own-entries"),
        ServersWord::NothingLeftOut => ("nothing-left-out", "servers-word-nothing-left-out"),
        ServersWord::OneLedger => ("one-ledger", "servers-word-one-ledger"),
    }
}

/// How a C2SP tlog-proof begins.
const TLOG_PROOF: &[u8] = b"c2sp.org/tlog-proof@";
