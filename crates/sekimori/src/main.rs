//! The gate's one binary: commands for people, and the processes that `serve` starts.

mod acts;
mod cards;
mod cli;
mod connection;
mod desk;
mod environment;
mod exit;
mod failure;
mod files;
mod gate;
mod ids;
mod keyring;
mod messages;
mod pages;
mod places;
mod policy_file;
mod proof;
mod run;
mod screen;
mod settings;
mod sheet;
mod sign;
mod surroundings;
mod table;
#[cfg(test)]
mod tests;
mod times;
mod trust;
mod verbs;
mod words;
mod zone;

fn main() -> std::process::ExitCode {
    cli::main()
}
