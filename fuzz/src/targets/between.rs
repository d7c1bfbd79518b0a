//! The frames between the processes, of every type, from any bytes.

use channel::front::{FromFront, ToFront};
use channel::{Greeting, api, frame, keeper};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(super) fn frames(data: &[u8]) {
    let Some((kind, wire)) = data.split_first() else { return };
    match kind % 8 {
        0 => reads::<Greeting>(wire),
        1 => reads::<api::Challenge>(wire),
        2 => reads::<api::ApiAsk>(wire),
        3 => reads::<api::ApiAnswer>(wire),
        4 => reads::<FromFront>(wire),
        5 => reads::<ToFront>(wire),
        6 => reads::<keeper::Ask>(wire),
        _ => reads::<keeper::Answer>(wire),
    }
}

/// What reads is written so that it reads as the same, and nothing that was cut off reads. Once with a length of the input's own, once with
/// the right one, so that more than lengths is tried.
fn reads<T: Serialize + DeserializeOwned>(body: &[u8]) {
    let _whatever = frame::read::<T>(&mut &body[..]);
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let wire = [length.as_slice(), body].concat();
    let Ok(message) = frame::read::<T>(&mut wire.as_slice()) else { return };
    let written = frame::encode(&message).unwrap();
    let again: T = frame::read(&mut written.as_slice()).unwrap();
    assert_eq!(frame::encode(&again).unwrap(), written);
    let cut = frame::read::<T>(&mut &written[..written.len() - 1]);
    assert!(matches!(cut, Err(channel::ChannelError::Closed)), "a frame that was cut off is read");
}
