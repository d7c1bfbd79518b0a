//! `sekimori ledger`: the entries themselves, the signed head, and proofs that outside tools verify.

mod export;

use std::path::{Path, PathBuf};

use channel::api::{EntryView, Query, View};
use domain::{Actor, Entry};
use ledger::{SignedCheckpoint, TlogProof};

use crate::acts::named;
use crate::connection::view;
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::files::{self, Readers};
use crate::pages::{PageArgs, part};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Entries, the newest first
    List {
        /// Only those that name this id
        #[arg(long, value_name = "ID")]
        about: Option<String>,
        /// Only those of this kind, such as session.ended
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// The exact bytes of one entry
    Show { seq: u64 },
    /// The signed head of the ledger, as a C2SP checkpoint
    Checkpoint,
    /// The whole ledger in one file, which `sekimori verify --replay FILE` proves without any server
    Export {
        /// The file to make, or a folder in which to make one
        #[arg(value_name = "FILE|DIR")]
        out: PathBuf,
    },
    /// Proof that an entry stands in the ledger, as a C2SP tlog-proof; `sekimori verify` reads it
    Proof {
        seq: u64,
        /// The file to make; standard output unless given
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

pub(crate) fn run(verb: Verb, desk: &mut Desk<'_>) -> Outcome<()> {
    match verb {
        Verb::List { about, kind, page } => list(about.as_deref(), kind, &page, desk),
        Verb::Show { seq } => show(seq, desk),
        Verb::Checkpoint => checkpoint(desk),
        Verb::Export { out } => export::run(&out, desk),
        Verb::Proof { seq, out } => proof(seq, out.as_deref(), desk),
    }
}

fn list(about: Option<&str>, kind: Option<String>, args: &PageArgs, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let about = about.map(|text| whole_id(&mut caller.connection, text)).transpose()?;
    let page = args.by("0, 1, 2, …")?;
    let entries = part!(args, caller.connection, Query::Entries { about, kind, page } => Entries);
    let mut table = desk.table(&["column-number", "column-time", "column-kind", "column-actor"]);
    for view in &entries.rows {
        match Entry::decode(view.bytes.as_bytes()) {
            Ok(entry) => {
                let (kind, actor) = (entry.event.kind().to_owned(), actor_text(desk, &entry.actor, view));
                table.row([view.seq.to_string(), desk.local(entry.time), kind, actor]);
            }
            // A newer server writes kinds that this program does not know; they are there all the same.
            Err(error) => table.row([view.seq.to_string(), String::new(), error.to_string(), String::new()]),
        }
    }
    desk.answer_part(&entries, &table, "say-no-entries");
    Ok(())
}

/// Any id, or the beginning of one, whatever it names.
fn whole_id(connection: &mut crate::connection::Connection, text: &str) -> Outcome<String> {
    if crate::ids::is_whole(text) {
        return Ok(text.to_owned());
    }
    let found = view!(connection, Query::Resolve { prefix: text.to_owned() } => Ids);
    match found.as_slice() {
        [] => Err(Failure::NothingNamed { text: text.to_owned() }),
        [only] => Ok(only.clone()),
        several => Err(Failure::IdNamesSeveral { text: text.to_owned(), ids: several.join(", ") }),
    }
}

fn actor_text(desk: &Desk<'_>, actor: &Actor, view: &EntryView) -> String {
    match actor {
        Actor::Person { person, .. } => named(person, view.names.get(person).map(String::as_str)),
        Actor::Founders => desk.word("word-founders"),
        Actor::Engine => desk.word("word-engine"),
        Actor::Front => desk.word("word-front"),
        Actor::Recovery => desk.word("word-recovery"),
        Actor::Unproved => desk.word("word-unproved"),
    }
}

/// Exactly the bytes that are hashed, then what vouches for them.
fn show(seq: u64, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let View::Entry { bytes, proof, checkpoint } = caller.connection.read(Query::Entry { seq })? else {
        return Err(Failure::AnswerUnexpected { wanted: "entry".into() });
    };
    let json = serde_json::json!({ "seq": seq, "bytes": bytes, "proof": proof, "checkpoint": checkpoint });
    desk.answer(&json, |desk| desk.screen().line(&bytes));
    Ok(())
}

fn checkpoint(desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let View::Checkpoint { note } = caller.connection.read(Query::Checkpoint)? else {
        return Err(Failure::AnswerUnexpected { wanted: "checkpoint".into() });
    };
    desk.answer(&serde_json::json!({ "checkpoint": note }), |desk| desk.screen().bytes(note.as_bytes()));
    Ok(())
}

/// The entry's bytes travel as the proof's extra data; `verify` holds them against the leaf.
fn proof(seq: u64, out: Option<&Path>, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let View::Entry { bytes, proof, checkpoint } = caller.connection.read(Query::Entry { seq })? else {
        return Err(Failure::AnswerUnexpected { wanted: "entry".into() });
    };
    let fails = |error: ledger::Error| Failure::CheckpointFails { why: error.to_string() };
    let note = SignedCheckpoint::parse(checkpoint.as_bytes()).map_err(fails)?;
    let file = TlogProof::new(proof, note, bytes.into_bytes()).map_err(fails)?.to_string();
    let Some(path) = out else {
        desk.screen().bytes(file.as_bytes());
        return Ok(());
    };
    files::create(path, file.as_bytes(), Readers::Everybody)?;
    let written = serde_json::json!({ "seq": seq, "file": files::shown(path) });
    desk.answer(&written, |desk| desk.say("say-proof-written", &[("path", files::shown(path).into())]));
    Ok(())
}
