//! `sekimori target enrol`: what to put on a target so that it takes the gate's certificates and nothing else of the gate's.

use std::collections::{BTreeMap, BTreeSet};

use channel::api::{AccountView, Query, TargetView};
use domain::event::{Event, Founding};
use domain::motion::{Act, Errands, Principal};
use domain::{Entry, TargetId};
use serde::Serialize;
use sshwire::{Fingerprint, PublicKey};

use super::host_keys::HostKeyArgs;
use super::place_of;
use crate::acts::{self, Known};
use crate::connection::{Connection, view};
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::ids;
use crate::pages;
use crate::proof::Texts;
use crate::trust::TrustDir;

/// One file for the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct File {
    path: String,
    content: String,
}

#[derive(Debug, Serialize)]
struct Enrolment {
    target: TargetId,
    ca_key: PublicKey,
    files: Vec<File>,
    host_keys: Vec<Fingerprint>,
}

pub(super) fn run(target: &str, keys: &HostKeyArgs, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let target = ids::target(&mut caller.connection, target)?;
    let founding = founding(&mut caller.connection, desk)?;
    let errands = errands(&mut caller.connection, &target.target, desk)?;
    let mut accounts = Vec::new();
    let on = Some(target.target);
    let ask = |page| Ok(view!(caller.connection, Query::Accounts { target: on, page } => Accounts));
    pages::every(desk, ask, |account| accounts.push(account))?;
    let files = files(&founding.ca_key, &target.target, &accounts, &errands);
    let enrolment =
        Enrolment { target: target.target, ca_key: founding.ca_key, files, host_keys: target.host_keys.clone() };
    // What is found is shown before the answer, which must be the only document with `--json`.
    let found = if keys.scan || !keys.host_key.is_empty() { keys.collect(&place_of(&target)?, desk)? } else { None };
    match found {
        Some(found) if !is_pinned(&target, &found) => {
            for file in &enrolment.files {
                desk.screen().note(&printed(file));
            }
            let act = Act::TargetPin { target: target.target, host_keys: found };
            let sheet = acts::sheet(desk, &act, &Texts::new(), &Known::of(&[], vec![target]));
            desk.propose(&mut caller, act, vec![], sheet)
        }
        _ => {
            desk.answer(&enrolment, |desk| show(desk, &target, &enrolment));
            Ok(())
        }
    }
}

fn is_pinned(target: &TargetView, found: &BTreeSet<PublicKey>) -> bool {
    let found: BTreeSet<Fingerprint> = found.iter().map(PublicKey::fingerprint).collect();
    found == target.host_keys.iter().copied().collect()
}

fn show(desk: &mut Desk<'_>, target: &TargetView, enrolment: &Enrolment) {
    desk.say("say-enrol", &[("target", target.label.to_string().into())]);
    for file in &enrolment.files {
        desk.screen().line(&printed(file));
    }
    desk.say("say-enrol-reload", &[]);
    for key in &enrolment.host_keys {
        desk.say("say-enrol-pinned", &[("key", key.to_string().into())]);
    }
    desk.say("say-enrol-read-back", &[("target", target.label.to_string().into())]);
}

fn printed(file: &File) -> String {
    format!("\n# {}\n{}", file.path, file.content.trim_end())
}

/// The certificate authority's key stands in the founding, which its founders signed; where a trust directory is there they must be those.
fn founding(connection: &mut Connection, desk: &mut Desk<'_>) -> Outcome<Founding> {
    let unreadable = |why: String| Failure::EntryUnreadable { seq: "0".into(), why };
    let bytes = match connection.read(Query::Entry { seq: 0 })? {
        channel::api::View::Entry { bytes, .. } => bytes,
        _ => return Err(Failure::AnswerUnexpected { wanted: "entry".into() }),
    };
    let entry = Entry::decode(bytes.as_bytes()).map_err(|error| unreadable(error.to_string()))?;
    let Event::Founded(founded) = entry.event else { return Err(unreadable("it is not a founding".into())) };
    let fails = |error: tegata::signatures::SignatureFault| Failure::FoundingFails { why: error.to_string() };
    tegata::signatures::check_founding(&founded.founding, &founded.signatures).map_err(fails)?;
    let found: BTreeSet<Fingerprint> =
        founded.founding.founders.iter().map(|founder| founder.key.fingerprint()).collect();
    match desk.settings.trust.clone() {
        None => desk.note("say-founders-untrusted", &[("founders", list(&found).into())]),
        Some(dir) => {
            let trusted = TrustDir::read(Some(&dir))?.trust.founders;
            if found != trusted {
                return Err(Failure::FoundersDiffer { found: list(&found), trusted: list(&trusted) });
            }
        }
    }
    Ok(founded.founding)
}

fn list(fingerprints: &BTreeSet<Fingerprint>) -> String {
    fingerprints.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What two persons agreed that Sekimori itself may do there, from the entry that added the target.
fn errands(connection: &mut Connection, target: &TargetId, desk: &mut Desk<'_>) -> Outcome<Errands> {
    let (about, kind) = (Some(target.to_string()), Some("motion.filed".to_owned()));
    let mut found = None;
    let ask =
        |page| Ok(view!(connection, Query::Entries { about: about.clone(), kind: kind.clone(), page } => Entries));
    pages::every(desk, ask, |view| found = added(view.bytes.as_bytes(), target).or(found.take()))?;
    found.ok_or_else(|| Failure::NothingNamed { text: target.to_string() })
}

fn added(bytes: &[u8], wanted: &TargetId) -> Option<Errands> {
    match Entry::decode(bytes).ok()?.event {
        Event::MotionFiled(filed) => match filed.fields.act {
            Act::TargetAdd { target, errands, .. } if target == *wanted => Some(errands),
            _ => None,
        },
        _ => None,
    }
}

/// One principals file for each login name; the gate's own errands have theirs beside the persons'.
fn files(ca_key: &PublicKey, target: &TargetId, accounts: &[AccountView], errands: &Errands) -> Vec<File> {
    let mut principals: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for account in accounts.iter().filter(|account| account.target == *target) {
        if let Some(name) = &account.name {
            principals.entry(name.clone()).or_default().insert(account.principal.clone());
        }
    }
    if !errands.kinds.is_empty() {
        let errand = Principal::of_errands(target).as_str().to_owned();
        principals.entry(errands.login.to_string()).or_default().insert(errand);
    }
    let ca = File { path: CA_FILE.into(), content: format!("{ca_key}\n") };
    let config = File { path: CONFIG_FILE.into(), content: config() };
    let of_login = principals.into_iter().map(|(login, lines)| File {
        path: format!("{PRINCIPALS_DIR}/{login}"),
        content: lines.into_iter().map(|line| line + "\n").collect(),
    });
    [ca, config].into_iter().chain(of_login).collect()
}

fn config() -> String {
    format!("TrustedUserCAKeys {CA_FILE}\nAuthorizedPrincipalsFile {PRINCIPALS_DIR}/%u\n")
}

const CA_FILE: &str = "/etc/ssh/sekimori_ca.pub";
const CONFIG_FILE: &str = "/etc/ssh/sshd_config.d/sekimori.conf";
const PRINCIPALS_DIR: &str = "/etc/ssh/sekimori_principals";
