//! `sekimori init sign`: one founder's word on the draft, after the other's fingerprint was read out by another way.

use std::path::PathBuf;

use domain::event::{Founder, Founding};
use domain::statement::Statement;
use tegata::statement;

use crate::acts::{key_line, named};
use crate::cards::Draft;
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::files::{self, Readers};
use crate::screen::Attended;
use crate::sheet::Sheet;
use crate::sign;
use crate::verbs::key::read_fingerprint;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    draft: PathBuf,
    /// The other founder's fingerprint, as they read it out to you by telephone or face to face
    #[arg(long, value_name = "SHA256:…")]
    other_fingerprint: Option<String>,
    /// The signature file to make; DRAFT.1.sig or DRAFT.2.sig unless given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &Args, desk: &mut Desk<'_>) -> Outcome<()> {
    let draft = Draft::read(&args.draft)?;
    let signer = desk.signer()?;
    let fingerprint = signer.public_key().fingerprint();
    let place = draft.founding.founders.iter().position(|founder| founder.key == *signer.public_key());
    let place = place.ok_or_else(|| Failure::NotAFounder { key: fingerprint.to_string() })?;
    let sheet = sheet(desk, &draft)?;
    desk.screen().note(&sheet.to_string());
    for other in draft.founding.founders.iter().enumerate().filter(|(at, _)| *at != place).map(|(_, founder)| founder) {
        confirm_other(args, other, desk)?;
    }
    let mut question = desk.sheet("say-you-found", &[("origin", draft.founding.origin.to_string().into())]);
    question.row("label-signer", fingerprint.to_string());
    desk.confirm(&question, "say-sign")?;
    let signature = sign::sign(&*signer, Founding::NAME, &statement::founding_bytes(&draft.founding))?;
    let out = args.out.clone().unwrap_or_else(|| default_out(&args.draft, place + 1));
    files::create(&out, signature.to_armored().as_bytes(), Readers::Everybody)?;
    let written = serde_json::json!({ "file": files::shown(&out), "key": fingerprint });
    desk.answer(&written, |desk| desk.say("say-founding-signed", &[("path", files::shown(&out).into())]));
    Ok(())
}

/// Typed or given: the draft itself must not be believed about whose key it names.
fn confirm_other(args: &Args, other: &Founder, desk: &mut Desk<'_>) -> Outcome<()> {
    let given = match &args.other_fingerprint {
        Some(given) => given.clone(),
        None if desk.screen().attended == Attended::ByNobody => {
            return Err(Failure::NobodyToAsk { option: "--other-fingerprint".into() });
        }
        None => {
            let question = desk.word("say-type-other-fingerprint");
            desk.screen().ask(&question)?
        }
    };
    let (given, found) = (read_fingerprint(&given)?, other.key.fingerprint());
    let differs = || Failure::OtherFingerprintDiffers { given: given.to_string(), found: found.to_string() };
    if given == found { Ok(()) } else { Err(differs()) }
}

/// Everything that the founding binds for ever.
fn sheet(desk: &Desk<'_>, draft: &Draft) -> Outcome<Sheet> {
    let founding = &draft.founding;
    let reading = envelope::SealingKey::from_bytes(founding.reading_key.bytes());
    let reading = reading.map_err(|error| Failure::FoundingFails { why: error.to_string() })?;
    let mut sheet = desk.sheet("say-founding", &[]);
    sheet.row("label-origin", founding.origin.to_string());
    sheet.row("label-created", desk.moment(founding.created));
    for (founder, name) in founding.founders.iter().zip(draft.names()?) {
        sheet.row("label-founder", format!("{} {}", named(founder.person, Some(&name)), key_line(&founder.key)));
    }
    sheet.row("label-log-key", key_line(&founding.log_key));
    sheet.row("label-ca-key", key_line(&founding.ca_key));
    sheet.row("label-reading-key", reading.fingerprint());
    sheet.row("label-recovery-key", key_line(&founding.recovery.key));
    let delay = desk.span(std::time::Duration::from_secs(founding.recovery.delay_s.into()));
    let (threshold, shares) = (founding.recovery.threshold.to_string(), founding.recovery.shares.to_string());
    let recovery = desk.text(
        "say-recovery-setup",
        &[("threshold", threshold.into()), ("shares", shares.into()), ("delay", delay.into())],
    );
    sheet.row("label-recovery", recovery);
    Ok(sheet)
}

fn default_out(draft: &std::path::Path, place: usize) -> PathBuf {
    let mut name = draft.as_os_str().to_owned();
    name.push(format!(".{place}.sig"));
    name.into()
}
