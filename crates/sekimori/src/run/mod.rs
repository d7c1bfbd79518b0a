//! The processes: `serve` starts and watches `front`, `engine` and `keeper`, each this same binary.

mod config;
mod engine;
mod front;
mod keeper;
mod lockdown;
mod notice;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) use config::Config;

use crate::environment::Environment;
use crate::places::Places;

/// What each process is started with.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ProcessArgs {
    /// Keep everything of the installation under this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
}

pub(crate) fn serve(args: &ProcessArgs, environment: &Environment) -> ExitCode {
    finish(
        "serve",
        prepare(args, environment).and_then(|(places, config)| serve::run(args.root.as_deref(), &places, &config)),
    )
}

pub(crate) fn front(args: &ProcessArgs, environment: &Environment) -> ExitCode {
    finish("front", prepare(args, environment).and_then(|(places, config)| front::run(&places, config)))
}

pub(crate) fn engine(args: &ProcessArgs, environment: &Environment) -> ExitCode {
    finish("engine", prepare(args, environment).and_then(|(places, config)| engine::run(&places, &config)))
}

pub(crate) fn keeper(args: &ProcessArgs, environment: &Environment) -> ExitCode {
    finish("keeper", prepare(args, environment).and_then(|(places, config)| keeper::run(&places, &config)))
}

/// Why a process could not start or go on; the operator reads it in the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("configuration: {0}")]
    Config(#[from] config::ConfigError),
    #[error("{what}: {why}")]
    Failed { what: &'static str, why: String },
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
fn finish(process: &str, outcome: Result<(), RunError>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sekimori {process}: error: {error}");
            ExitCode::from(3)
        }
    }
}
