//! The processes: `serve` starts and watches `front`, `engine` and `keeper`, each this same binary.

mod config;
mod engine;
pub(crate) mod folders;
mod front;
mod keeper;
mod lockdown;
mod notice;
mod serve;
pub(crate) mod users;

use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) use config::Config;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::messages;
use crate::places::Places;
use crate::settings::{GlobalArgs, language};

/// What each process is started with.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ProcessArgs {
    /// Keep everything of the installation under this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
}

/// Which users are at the other ends: told by `serve`, and this process's own otherwise.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PeerArgs {
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
    #[arg(long, value_name = "UID")]
    pub(crate) keeper_uid: Option<u32>,
    #[arg(long, value_name = "UID")]
    pub(crate) engine_uid: Option<u32>,
    #[arg(long, value_name = "UID")]
    pub(crate) front_uid: Option<u32>,
}

/// The user ids of the three processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Peers {
    keeper: u32,
    engine: u32,
    front: u32,
}

impl PeerArgs {
    fn peers(&self) -> Peers {
        let own = rustix::process::getuid().as_raw();
        let or_own = |uid: Option<u32>| uid.unwrap_or(own);
        Peers { keeper: or_own(self.keeper_uid), engine: or_own(self.engine_uid), front: or_own(self.front_uid) }
    }
}

pub(crate) fn serve(args: &ProcessArgs, environment: &Environment) -> ExitCode {
    let served =
        prepare(args, environment).and_then(|(places, config)| serve::run(args.root.as_deref(), &places, &config));
    finish("serve", served, environment)
}

pub(crate) fn front(args: &PeerArgs, environment: &Environment) -> ExitCode {
    let ran = prepare(&args.process, environment).and_then(|(places, config)| front::run(&places, config));
    finish("front", ran, environment)
}

pub(crate) fn engine(args: &PeerArgs, environment: &Environment) -> ExitCode {
    let peers = args.peers();
    let ran = prepare(&args.process, environment).and_then(|(places, config)| engine::run(&places, &config, peers));
    finish("engine", ran, environment)
}

pub(crate) fn keeper(args: &PeerArgs, environment: &Environment) -> ExitCode {
    let peers = args.peers();
    let ran = prepare(&args.process, environment).and_then(|(places, config)| keeper::run(&places, &config, peers));
    finish("keeper", ran, environment)
}

/// Why a process could not start or go on; the operator reads it in the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("configuration: {0}")]
    Config(#[from] config::ConfigError),
    #[error("{what}: {why}")]
    Failed { what: &'static str, why: String },
    /// What whoever types the command would answer, in their language.
    #[error("{}", messages::failure(.0, messages::Lang::En).0)]
    Told(Failure),
}

impl From<Failure> for RunError {
    fn from(failure: Failure) -> Self {
        Self::Told(failure)
    }
}

impl RunError {
    fn new(what: &'static str, why: impl std::fmt::Display) -> Self {
        Self::Failed { what, why: why.to_string() }
    }
}

fn prepare(args: &ProcessArgs, environment: &Environment) -> Result<(Places, Config), RunError> {
    let places = Places::choose(args.root.as_deref(), environment);
    let config = Config::read(&places)?;
    log_to_stderr(&config);
    Ok((places, config))
}

/// One line for each event, to where the service manager keeps it.
fn log_to_stderr(config: &Config) {
    let level = config.log.parse().unwrap_or(tracing::Level::INFO);
    let _set_before =
        tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_ansi(false).try_init();
}

#[expect(clippy::print_stderr, reason = "before the log is there, the operator still reads why")]
fn finish(process: &str, outcome: Result<(), RunError>, environment: &Environment) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(RunError::Told(failure)) => {
            let (sentence, hint) = messages::failure(&failure, language(&GlobalArgs::default(), environment));
            eprintln!("sekimori {process}: error: {sentence}");
            eprintln!("hint: {hint}");
            ExitCode::from(failure.exit().code())
        }
        Err(error) => {
            eprintln!("sekimori {process}: error: {error}");
            ExitCode::from(3)
        }
    }
}
