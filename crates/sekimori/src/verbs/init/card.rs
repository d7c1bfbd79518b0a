//! `sekimori init card`: a founder's ids, name and key, for the draft.

use std::path::PathBuf;

use domain::committed::PersonName;
use domain::{PersonId, PersonaId};

use crate::acts::key_line;
use crate::cards::FounderCard;
use crate::desk::Desk;
use crate::failure::Outcome;
use crate::files::{self, Readers};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What the founder is called
    #[arg(long)]
    name: String,
    /// The file to make
    #[arg(long, value_name = "FILE", default_value = "founder-card.json")]
    out: PathBuf,
}

pub(super) fn run(args: &Args, desk: &mut Desk<'_>) -> Outcome<()> {
    let key = desk.signer()?.public_key().clone();
    let (_, name) = desk.commit::<PersonName>(&args.name)?;
    let (person, persona) = (PersonId::from_random(desk.random()), PersonaId::from_random(desk.random()));
    let card = FounderCard::new(person, persona, name, key);
    files::create_json(&args.out, &card, Readers::Owner)?;
    let fingerprint = card.key.fingerprint();
    let written = serde_json::json!({ "file": files::shown(&args.out), "person": person, "persona": persona, "key": fingerprint });
    let (path, key) = (files::shown(&args.out), key_line(&card.key));
    desk.answer(&written, |desk| desk.say("say-founder-card", &[("path", path.into()), ("key", key.into())]));
    Ok(())
}
