//! `sekimori recover`: a lost key is replaced by those who hold enough printed shares, after a delay in which anybody may object.

use std::path::{Path, PathBuf};

use channel::api::ApiAsk;
use domain::event::RecoveryStarted;
use domain::statement::{Deed, RecoveryFields};
use domain::{Nonce, RecoveryId};
use envelope::Secret;
use envelope::shares::{self, Share};
use keeper::recovery::{RecoveryError, signer_from_shares};
use sshwire::SoftSigner;
use tegata::statement;

use crate::acts::key_line;
use crate::cards::{Adds, Card, Draft};
use crate::connection::Connection;
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::ids;
use crate::sign;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Recoveries under way
    List,
    /// Begin to give a persona a new key, from a card made with `person card --persona`, by printed shares
    Start(StartArgs),
    /// Stop a recovery that you know nothing of
    Object { recovery: String },
    /// Bring a recovery into force after its delay
    Finish {
        /// The whole id
        recovery: String,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct StartArgs {
    card: PathBuf,
    /// A file that holds one share; `-` reads all of them from standard input, an empty line between two
    #[arg(long = "share", value_name = "FILE", required = true)]
    shares: Vec<PathBuf>,
    /// The founding draft, to see before anything is sent that the shares are of this installation
    #[arg(long, value_name = "FILE")]
    draft: Option<PathBuf>,
}

pub(crate) fn run(verb: Verb, desk: &mut Desk<'_>) -> Outcome<()> {
    match verb {
        Verb::List => list(desk),
        Verb::Start(args) => start(&args, desk),
        Verb::Object { recovery } => object(&recovery, desk),
        Verb::Finish { recovery } => finish(&recovery, desk),
    }
}

/// They are told to everybody who connects, so nobody has to say who asks.
fn list(desk: &mut Desk<'_>) -> Outcome<()> {
    let recoveries = Connection::open(&desk.settings.reach, None)?.challenge.recoveries;
    let mut table = desk.table(&["column-recovery", "column-persona", "column-key", "column-not-before"]);
    for recovery in &recoveries {
        let after = desk.local(recovery.after);
        table.row([recovery.recovery.to_string(), recovery.persona.to_string(), recovery.key.to_string(), after]);
    }
    desk.answer(&recoveries, |desk| desk.show_table(&table, "say-no-recoveries"));
    Ok(())
}

fn start(args: &StartArgs, desk: &mut Desk<'_>) -> Outcome<()> {
    let shares = read_shares(&args.shares, desk)?;
    let signer = recovery_signer(&shares, args.draft.as_deref())?;
    let mut connection = desk.connect()?;
    let origin = connection.origin()?;
    let card = Card::read(&args.card, Adds::Key, &origin)?;
    let recovery = RecoveryId::from_random(desk.random());
    let fields = RecoveryFields { recovery, persona: card.persona, key: card.key, possession: card.possession };
    let (nonce, expires) = (Nonce::from_random(desk.random()), desk.expiry(&connection)?);
    let mut sheet = desk.sheet("say-you-recover", &[]);
    sheet.row("label-origin", desk.origin_text(&origin));
    sheet.row("label-persona", fields.persona.to_string());
    sheet.row("label-key", key_line(&fields.key));
    sheet.row("label-recovery-key", key_line(signer.public_key()));
    desk.confirm(&sheet, "say-sign")?;
    let bytes = statement::bytes(&origin, &fields, nonce, expires);
    let signature = sign::sign(&signer, statement::namespace::<RecoveryFields>(), &bytes)?;
    let started = RecoveryStarted { fields, nonce, expires, signature };
    let receipt = connection.receipt(&ApiAsk::Recover { started })?;
    desk.answer(&serde_json::json!({ "recovery": recovery, "receipt": receipt }), |desk| {
        desk.say_recorded(&receipt);
        desk.say("say-recovery-started", &[("recovery", recovery.to_string().into())]);
    });
    Ok(())
}

/// The shares themselves; what was typed is wiped when it was read.
fn read_shares(paths: &[PathBuf], desk: &mut Desk<'_>) -> Outcome<Vec<Share>> {
    let mut shares = Vec::new();
    for path in paths {
        let is_typed = path.as_os_str() == "-";
        let read =
            if is_typed { desk.screen().read_all(LONGEST_SHARES)? } else { files::read_text(path, LONGEST_SHARES)? };
        let read = Secret::new(read);
        let text = Secret::new(read.expose().replace("\r\n", "\n"));
        let parts = text.expose().split("\n\n").filter(|part| !part.trim().is_empty());
        for part in parts {
            shares.push(
                Share::parse(part)
                    .map_err(|error| Failure::SharesRefused { why: format!("{}: {error}", files::shown(path)) })?,
            );
        }
    }
    Ok(shares)
}

/// Without the draft only the server can tell whether it is the right key.
fn recovery_signer(shares: &[Share], draft: Option<&Path>) -> Outcome<SoftSigner> {
    let refused = |error: shares::ShareError| Failure::SharesRefused { why: error.to_string() };
    let Some(path) = draft else {
        return Ok(SoftSigner::from_seed(shares::combine(shares).map_err(refused)?.expose()));
    };
    let expected = Draft::read(path)?.founding.recovery.key;
    signer_from_shares(shares, &expected).map_err(|error| match error {
        RecoveryError::Shares(error) => refused(error),
        RecoveryError::OtherKey { expected, found } => {
            Failure::RecoveryKeyDiffers { found: found.to_string(), founded: expected.to_string() }
        }
    })
}

fn object(recovery: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let recovery: RecoveryId = ids::resolve(&mut caller.connection, recovery)?;
    let mut sheet = desk.sheet("deed-recovery-object", &[]);
    sheet.row("label-recovery", recovery.to_string());
    let known = caller.connection.challenge.recoveries.iter().find(|view| view.recovery == recovery);
    sheet.row_if("label-persona", known.map(|view| view.persona.to_string()));
    sheet.row_if("label-key", known.map(|view| view.key.to_string()));
    desk.act_and_say(&mut caller, Deed::RecoveryObject { recovery }, vec![], sheet)
}

/// Nobody has to say who asks: the shares and the delay have spoken.
fn finish(recovery: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let unreadable =
        |_| Failure::IdUnreadable { text: recovery.chars().take(64).collect(), prefix: RecoveryId::PREFIX.into() };
    let recovery: RecoveryId = recovery.parse().map_err(unreadable)?;
    let receipt = desk.connect()?.receipt(&ApiAsk::RecoverFinish { recovery })?;
    desk.answer(&serde_json::json!({ "receipt": receipt }), |desk| desk.say_recorded(&receipt));
    Ok(())
}

/// Sixteen shares of 130 characters, however spaced.
const LONGEST_SHARES: u64 = 16 << 10;
