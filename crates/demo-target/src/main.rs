//! The demo's target where no sshd is to be had: an SSH server that takes the gate's certificates as sshd does with `TrustedUserCAKeys` and
//! `AuthorizedPrincipalsFile`, and gives a shell. It knows nothing of Sekimori but keys and certificates, and is for the demo alone.
#![expect(clippy::print_stderr, reason = "its log is its standard error, as with `sshd -e`")]

mod judge;
mod server;
mod shell;

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use server::House;

const USAGE: &str = "\
demo-target listen DIR USER HOME PORT      serves 127.0.0.1:PORT
demo-target connection DIR USER HOME       serves one connection, which is standard input
DIR holds host_key, authorities and principals/USER, as sshd's HostKey, TrustedUserCAKeys and AuthorizedPrincipalsFile do.";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    // This program again, as the first process on a terminal of its own.
    if let [verb, line @ ..] = arguments.as_slice()
        && verb == shell::ON_TERMINAL
    {
        return say(&shell::become_shell(line).to_string());
    }
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => say(&why),
    }
}

fn say(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::FAILURE
}

fn run(arguments: &[OsString]) -> Result<(), String> {
    log::set_logger(&Library).map_err(|error| error.to_string())?;
    log::set_max_level(log::LevelFilter::Warn);
    let [verb, dir, user, home, more @ ..] = arguments else { return Err(USAGE.to_owned()) };
    let user = user.to_str().ok_or("the user's name is not text")?.to_owned();
    let house = House::open(PathBuf::from(dir), user, PathBuf::from(home))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    match (verb.to_str(), more) {
        (Some("listen"), [port]) => {
            let port = port.to_str().and_then(|port| port.parse().ok()).ok_or("that is no port")?;
            runtime.block_on(listen(house, port))
        }
        (Some("connection"), []) => {
            let outcome = runtime.block_on(connection(house));
            // A thread may still read from a program that was left behind.
            runtime.shutdown_background();
            outcome
        }
        _ => Err(USAGE.to_owned()),
    }
}

async fn listen(house: Arc<House>, port: u16) -> Result<(), String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // Rust writes "Address already in use", which whoever starts us looks for.
    let listener = tokio::net::TcpListener::bind(address).await.map_err(|error| error.to_string())?;
    eprintln!("Server listening on 127.0.0.1 port {port}.");
    loop {
        let (stream, peer) = listener.accept().await.map_err(|error| format!("accepting: {error}"))?;
        tokio::spawn(server::serve(house.clone(), stream, peer));
    }
}

/// As inetd starts it.
async fn connection(house: Arc<House>) -> Result<(), String> {
    let given = || -> std::io::Result<_> {
        let stream = std::net::TcpStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
        stream.set_nonblocking(true)?;
        let peer = stream.peer_addr()?;
        Ok((tokio::net::TcpStream::from_std(stream)?, peer))
    };
    let (stream, peer) = given().map_err(|error| format!("standard input is no connection: {error}"))?;
    server::serve(house, stream, peer).await;
    Ok(())
}

/// The SSH library refuses certificates outside their time by itself, and says so only here.
struct Library;

impl log::Log for Library {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("russh") && metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            eprintln!("error: {}", record.args());
        }
    }

    fn flush(&self) {}
}
