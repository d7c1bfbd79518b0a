//! `sekimori init seal`: the founding becomes entry 0.

use channel::api::ApiAsk;
use domain::event::Founded;

use super::{SealedArgs, read_sealed};
use crate::desk::Desk;
use crate::failure::Outcome;

pub(super) fn run(args: &SealedArgs, desk: &mut Desk<'_>) -> Outcome<()> {
    let (draft, signatures) = read_sealed(args)?;
    let mut connection = desk.connect_soon()?;
    let origin = draft.founding.origin.to_string();
    let founded = Founded { founding: draft.founding, signatures };
    let receipt = connection.receipt(&ApiAsk::InitSeal { founded, openings: draft.openings })?;
    desk.answer(&serde_json::json!({ "origin": origin, "receipt": receipt }), |desk| {
        desk.say_recorded(&receipt);
        desk.say("say-founded", &[("origin", origin.as_str().into())]);
    });
    Ok(())
}
