//! Signed heads: after every batch, at most one each 50 ms; a passage has its own signed at once.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::Engine;

/// Shortest time between two heads that nobody waits for.
const PACE: Duration = Duration::from_millis(50);
/// After the keeper was away, it is tried again.
const AGAIN: Duration = Duration::from_secs(1);

pub(crate) async fn keep_signed(engine: Arc<Engine>) {
    let mut sizes = engine.writer.sizes();
    loop {
        let size = *sizes.borrow_and_update();
        if size > 0 {
            let pause = if sign(&engine, size).await { PACE } else { AGAIN };
            tokio::time::sleep(pause).await;
        }
        if sizes.has_changed().unwrap_or(false) {
            continue;
        }
        if sizes.changed().await.is_err() {
            return;
        }
    }
}

async fn sign(engine: &Arc<Engine>, size: u64) -> bool {
    let signing = engine.clone();
    let signed = tokio::task::spawn_blocking(move || {
        let covered = signing.reader.latest_checkpoint().ok().flatten().is_some_and(|note| note.claimed().size >= size);
        if covered { Ok(()) } else { signing.keeper.sign_head().map(|note| signing.writer.checkpoint(note)) }
    });
    match signed.await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(%error, "the head could not be signed");
            false
        }
        Err(_) => false,
    }
}
