//! The front process: the gateway and its line to engine.

use std::sync::Arc;

use channel::front::SessionTerms;
use domain::Refusal;
use front::Phrases;
use gateway_ssh::gate::Language;
use gateway_ssh::server::Ciphers;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::config::{CipherChoice, Tongue};
use super::lockdown::{Reach, lock_down, raise_open_files};
use super::{Config, RunError};
use crate::messages::{self, Lang};
use crate::places::Places;

pub(super) fn run(places: &Places, config: Config) -> Result<(), RunError> {
    raise_open_files();
    lock_down(&Reach::of_front(places, config.listen.port()).and_read(&config.also_read));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| RunError::new("runtime", e))?;
    runtime.block_on(serve(places, config))
}

async fn serve(places: &Places, config: Config) -> Result<(), RunError> {
    let settings = front::Config {
        listen: config.listen,
        engine_socket: places.front_socket(),
        api_socket: places.api_socket(),
        own: places.front(),
        live: places.live(),
        language: match config.language {
            Tongue::En => Language::English,
            Tongue::Ja => Language::Japanese,
        },
        ciphers: match config.ciphers {
            CipherChoice::Fast => Ciphers::Fast,
            CipherChoice::OnlyAesGcm => Ciphers::OnlyAesGcm,
        },
        ends: places.front_ends(),
        reserve: config.reserve_mib << 20,
    };
    let (stop, stopped) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| RunError::new("signals", e))?;
    tokio::spawn(async move {
        terminate.recv().await;
        stop.send_replace(true);
    });
    let address = places.ssh_address();
    let ready = move |listening: std::net::SocketAddr| {
        tracing::info!(%listening, "the SSH gateway listens");
        let _for_people = std::fs::write(&address, format!("{listening}\n"));
    };
    front::run(settings, Arc::new(Catalogue), stopped, ready).await.map_err(|e| RunError::new("front", e))
}

/// The message catalogue, as the gateway sees it.
struct Catalogue;

fn lang(language: Language) -> Lang {
    match language {
        Language::English => Lang::En,
        Language::Japanese => Lang::Ja,
    }
}

impl Phrases for Catalogue {
    fn refusal(&self, refusal: &Refusal, language: Language) -> (String, Option<String>) {
        let (sentence, hint) = messages::refusal(refusal, lang(language));
        (sentence, (!hint.is_empty()).then_some(hint))
    }

    fn notice(&self, terms: &SessionTerms, language: Language) -> Vec<String> {
        super::notice::recorded(terms, lang(language))
    }
}
