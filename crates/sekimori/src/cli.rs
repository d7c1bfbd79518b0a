//! The command line: nouns, verbs and their options; and how a command's end is told.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::messages::{self, Lang};
use crate::run::{self, PeerArgs, ProcessArgs};
use crate::settings::{Form, GlobalArgs, Settings, language};
use crate::surroundings::Surroundings;
use crate::verbs::{
    account, clock, doctor, grant, group, init, key, ledger, motion, person, persona, recover, request, rule, session,
    target, verify, wait, whoami,
};

/// Sekimori, the keeper of the gate: who may become root, when, why, and with whose consent
#[derive(Debug, Parser)]
#[command(name = "sekimori", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 done, 1 refused, 2 usage, 3 cannot decide, 4 proof fails, 5 unreachable")]
struct CommandLine {
    #[command(flatten)]
    globals: GlobalArgs,
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// Found an installation: two founders, each on their own machine
    #[command(subcommand)]
    Init(init::Verb),
    /// People: cards, freezing, leaving
    #[command(subcommand)]
    Person(person::Verb),
    /// Further faces of a person
    #[command(subcommand)]
    Persona(persona::Verb),
    /// Keys of personas
    #[command(subcommand)]
    Key(key::Verb),
    /// Groups that rules name
    #[command(subcommand)]
    Group(group::Verb),
    /// Servers and what is on them
    #[command(subcommand)]
    Target(target::Verb),
    /// Privileged identities on targets
    #[command(subcommand)]
    Account(account::Verb),
    /// Rules of access
    #[command(subcommand)]
    Rule(rule::Verb),
    /// Proposals that need a second person
    #[command(subcommand)]
    Motion(motion::Verb),
    /// Ask for an account, and decide on what others ask
    #[command(subcommand)]
    Request(request::Verb),
    /// What approved requests give
    #[command(subcommand)]
    Grant(grant::Verb),
    /// Passages through the gate, live and recorded
    #[command(subcommand)]
    Session(session::Verb),
    /// The ledger itself
    #[command(subcommand)]
    Ledger(ledger::Verb),
    /// Verify a tegata or an entry's proof, without any server
    Verify(verify::Args),
    /// What is missing, what is wrong
    Doctor(doctor::Args),
    /// The server's clock, when it is in doubt
    #[command(subcommand)]
    Clock(clock::Verb),
    /// A lost key, by printed shares
    #[command(subcommand)]
    Recover(recover::Verb),
    /// Who you are here
    Whoami(whoami::Args),
    /// Wait for something to happen
    #[command(subcommand)]
    Wait(wait::Verb),
    /// Run the gate on this machine
    Serve(ProcessArgs),
    #[command(hide = true)]
    Front(PeerArgs),
    #[command(hide = true)]
    Engine(PeerArgs),
    #[command(hide = true)]
    Keeper(PeerArgs),
}

/// The whole program.
pub(crate) fn main() -> ExitCode {
    let mut surroundings = Surroundings::of_process();
    let words: Vec<OsString> = std::env::args_os().collect();
    match read(&words, &mut surroundings) {
        Err(exit) => exit.into(),
        Ok(CommandLine { globals, noun }) => match noun {
            Noun::Serve(args) => run::serve(&rooted(args, globals), &surroundings.environment),
            Noun::Front(args) => run::front(&rooted_peer(args, globals), &surroundings.environment),
            Noun::Engine(args) => run::engine(&rooted_peer(args, globals), &surroundings.environment),
            Noun::Keeper(args) => run::keeper(&rooted_peer(args, globals), &surroundings.environment),
            noun => carry_out(globals, noun, &mut surroundings).into(),
        },
    }
}

/// A process takes `--root` before and after its name.
fn rooted(args: ProcessArgs, globals: GlobalArgs) -> ProcessArgs {
    ProcessArgs { root: args.root.or(globals.root) }
}

fn rooted_peer(args: PeerArgs, globals: GlobalArgs) -> PeerArgs {
    PeerArgs { process: rooted(args.process.clone(), globals), ..args }
}

/// Panics where the command line contradicts itself.
#[cfg(test)]
pub(crate) fn check() {
    <CommandLine as clap::CommandFactory>::command().debug_assert();
}

/// One command in surroundings of a test's own making.
#[cfg(test)]
pub(crate) fn command(words: &[&str], surroundings: &mut Surroundings) -> Exit {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    match read(&words, surroundings) {
        Err(exit) => exit,
        Ok(CommandLine { globals, noun }) => carry_out(globals, noun, surroundings),
    }
}

fn read(words: &[OsString], surroundings: &mut Surroundings) -> Result<CommandLine, Exit> {
    surroundings.words = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    CommandLine::try_parse_from(words).map_err(|error| {
        let wants_json = words.iter().any(|word| word == "--json");
        let lang = language(&GlobalArgs::default(), &surroundings.environment);
        match error.kind() {
            clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion => {
                surroundings.screen.line(error.to_string().trim_end());
                Exit::Done
            }
            _ if wants_json => tell(&Failure::Usage { why: error.to_string() }, Form::Json, lang, surroundings),
            _ => {
                surroundings.screen.note(error.to_string().trim_end());
                Exit::Usage
            }
        }
    })
}

fn carry_out(globals: GlobalArgs, noun: Noun, surroundings: &mut Surroundings) -> Exit {
    let form = if globals.json { Form::Json } else { Form::Text };
    let mut lang = language(&globals, &surroundings.environment);
    let done = Settings::of(globals, &surroundings.environment).and_then(|settings| {
        lang = settings.lang;
        dispatch(noun, &mut Desk::new(settings, surroundings))
    });
    let written = done.and_then(|exit| surroundings.screen.finish().map(|()| exit));
    written.unwrap_or_else(|failure| tell(&failure, form, lang, surroundings))
}

fn dispatch(noun: Noun, desk: &mut Desk<'_>) -> Outcome<Exit> {
    match noun {
        Noun::Init(verb) => init::run(verb, desk)?,
        Noun::Person(verb) => person::run(verb, desk)?,
        Noun::Persona(verb) => persona::run(verb, desk)?,
        Noun::Key(verb) => key::run(verb, desk)?,
        Noun::Group(verb) => group::run(verb, desk)?,
        Noun::Target(verb) => target::run(verb, desk)?,
        Noun::Account(verb) => account::run(verb, desk)?,
        Noun::Rule(verb) => rule::run(verb, desk)?,
        Noun::Motion(verb) => motion::run(verb, desk)?,
        Noun::Request(verb) => request::run(verb, desk)?,
        Noun::Grant(verb) => grant::run(verb, desk)?,
        Noun::Session(verb) => session::run(verb, desk)?,
        Noun::Ledger(verb) => ledger::run(verb, desk)?,
        Noun::Verify(args) => verify::run(args, desk)?,
        Noun::Doctor(args) => return doctor::run(args, desk),
        Noun::Clock(verb) => clock::run(verb, desk)?,
        Noun::Recover(verb) => recover::run(verb, desk)?,
        Noun::Whoami(args) => whoami::run(args, desk)?,
        Noun::Wait(verb) => return wait::run(verb, desk),
        Noun::Serve(_) | Noun::Front(_) | Noun::Engine(_) | Noun::Keeper(_) => {
            unreachable!("`main` starts processes before it comes here")
        }
    }
    Ok(Exit::Done)
}

/// What happened and what to do next, on standard error; with `--json` as the one document of the answer.
fn tell(failure: &Failure, form: Form, lang: Lang, surroundings: &mut Surroundings) -> Exit {
    let (message, hint) = messages::failure(failure, lang);
    match form {
        Form::Json => {
            let error = serde_json::json!({ "error": { "code": failure.code(), "message": message, "hint": hint } });
            surroundings.screen.bytes(format!("{error}\n").as_bytes());
        }
        Form::Text => {
            surroundings.screen.note(&format!("error: {message}"));
            if !hint.is_empty() {
                surroundings.screen.note(&format!("hint: {hint}"));
            }
        }
    }
    failure.exit()
}
