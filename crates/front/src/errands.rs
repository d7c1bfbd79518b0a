//! Sekimori's own errands, run for engine: log in with a certificate for one command, read the answer, tell it.

use std::sync::Arc;
use std::time::Duration;

use channel::front::{Anchor, ErrandTerms, FrontAnswer, FrontAsk, Recorded};
use domain::event::ErrandOutcome;
use domain::motion::ErrandKind;
use gateway_ssh::errand::{self, ErrandError, Log, Login};
use gateway_ssh::tape::{TapeError, Tapes};
use ledger::Hash;
use sshwire::SoftSigner;
use tokio::sync::{Semaphore, mpsc};

use crate::clock::wall;
use crate::gate::resolve;
use crate::line::Line;
use crate::tapes::Recordings;
use crate::target_clock::read_clock;

/// Errands run at the same time.
const MOST_ERRANDS: usize = 8;
/// From dialling to the answer.
const LONGEST_ERRAND: Duration = Duration::from_secs(12);

pub(crate) async fn run_all(line: Line, tapes: Recordings, mut errands: mpsc::Receiver<ErrandTerms>) {
    let (places, tapes) = (Arc::new(Semaphore::new(MOST_ERRANDS)), Arc::new(tapes));
    while let Some(terms) = errands.recv().await {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let (line, tapes) = (line.clone(), tapes.clone());
        tokio::spawn(async move {
            let (errand, session) = (terms.errand, terms.session);
            // Engine takes what nobody writes any more; while it is here, it is announced as living.
            line.begin_errand(session);
            if let Some((outcome, recorded)) = run(&line, &tapes, terms).await {
                let _engine_asks_again = line.ask(FrontAsk::ErrandEnded { errand, outcome, recorded }).await;
            }
            line.end_errand(&session);
            drop(place);
        });
    }
}

/// How it ended, and its recording. `None`: engine did not certify it, so that nothing was opened.
async fn run(line: &Line, tapes: &Recordings, terms: ErrandTerms) -> Option<(ErrandOutcome, Option<Recorded>)> {
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed).ok()?;
    let subject = SoftSigner::from_seed(&seed).public_key().clone();
    // What cannot be recorded is not done: engine is told, so that it does not wait.
    let Ok(draft) = tapes.draft(&terms.session.to_string()) else {
        return Some((ErrandOutcome::RecordingFailed, None));
    };
    let recording = Hash::from_bytes(draft.header_hash());
    let answer = line.ask(FrontAsk::ErrandReady { errand: terms.errand, subject, recording }).await.ok()?;
    let FrontAnswer::ErrandCertified(Ok(certificate)) = answer else { return None };
    let Ok(tape) = draft.begin() else { return Some((ErrandOutcome::RecordingFailed, None)) };
    let mut log = Log::new(tape);
    let done = tokio::time::timeout(LONGEST_ERRAND, carry_out(&terms, seed, &certificate, &mut log)).await;
    let outcome = match done {
        Ok(Ok(outcome)) | Ok(Err(outcome)) => outcome,
        Err(_) => ErrandOutcome::Unreachable,
    };
    Some(match closed(log) {
        Ok(recorded) => (outcome, Some(recorded)),
        Err(error) => {
            tracing::error!(%error, errand = %terms.errand, "an errand's recording could not be ended");
            (ErrandOutcome::RecordingFailed, None)
        }
    })
}

fn closed(log: Log) -> Result<Recorded, TapeError> {
    let bytes = log.bytes();
    let anchor = log.close()?;
    Ok(Recorded {
        anchor: Anchor { chunks: anchor.chunks, chain: Hash::from_bytes(anchor.hash) },
        complete: true,
        bytes,
    })
}

async fn carry_out(
    terms: &ErrandTerms,
    seed: [u8; 32],
    certificate: &str,
    log: &mut Log,
) -> Result<ErrandOutcome, ErrandOutcome> {
    let unreachable = ErrandOutcome::Unreachable;
    let addr = resolve(&terms.address).await.map_err(|_| unreachable.clone())?;
    let host_keys = terms.host_keys.iter().cloned().collect();
    let certificate = sshwire::Certificate::from_openssh(certificate).map_err(|_| ErrandOutcome::Refused)?;
    let login = Login { addr, host_keys, user: terms.login.clone(), seed, certificate: certificate.wire().to_vec() };
    match terms.kind {
        ErrandKind::Probe => probe(login, log).await,
    }
}

/// The clock's offset: the target's answer against the middle of our waiting for it.
async fn probe(login: Login, log: &mut Log) -> Result<ErrandOutcome, ErrandOutcome> {
    let session = errand::connect(login).await.map_err(|error| outcome_of(&error))?;
    let before = wall();
    let output = session.run(PROBE, log).await.map_err(|error| outcome_of(&error))?;
    let after = wall();
    let theirs = read_clock(&output).ok_or(ErrandOutcome::Unreadable)?;
    let middle = before.micros() + (after.micros() - before.micros()) / 2;
    Ok(ErrandOutcome::Clock { offset_ms: (theirs - middle) / 1000 })
}

/// Certificates for errands force exactly this.
const PROBE: &str = "date -u +%s.%N";

fn outcome_of(error: &ErrandError) -> ErrandOutcome {
    match error {
        ErrandError::Unreachable(_) => ErrandOutcome::Unreachable,
        ErrandError::HostKeyChanged { .. } => ErrandOutcome::NotPinned,
        ErrandError::Refused => ErrandOutcome::Refused,
        ErrandError::NoAnswer => ErrandOutcome::Unreadable,
        ErrandError::NotRecorded(_) => ErrandOutcome::RecordingFailed,
    }
}
