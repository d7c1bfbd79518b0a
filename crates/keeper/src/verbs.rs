//! What may be asked of the keeper, one file per verb: first everything is judged, then remembered, then signed or opened.

mod data_key;
mod errand;
mod found;
mod head;
mod passage;
mod replay;
mod status;

pub use replay::replay_context;

use channel::keeper::KeeperRefusal;

/// Each serial is used once, and they rise.
fn unused(serial: u64, last: Option<u64>) -> Result<(), KeeperRefusal> {
    match last {
        Some(last) if serial <= last => Err(KeeperRefusal::SerialUsed { asked: serial, last }),
        Some(_) | None => Ok(()),
    }
}

fn differs(why: impl Into<String>) -> KeeperRefusal {
    KeeperRefusal::EntryDiffers { why: why.into() }
}
