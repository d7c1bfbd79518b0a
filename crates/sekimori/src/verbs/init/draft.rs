//! `sekimori init draft`: the installation's long-lived keys, the recovery key as printed shares, and what both founders sign.

use std::path::{Path, PathBuf};

use domain::committed::PersonName;
use domain::event::{Founder, Founding, OriginName, RecoverySetup};
use envelope::Secret;
use envelope::shares::Share;
use keeper::recovery::RecoveryKey;
use keeper::{KEY_FILE, KeySet, Protection};

use crate::cards::{Draft, FounderCard};
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::files::{self, Readers};
use crate::places::Places;
use crate::run::users::{self, Crew};
use crate::run::{Config, folders};
use crate::settings::Form;
use crate::times;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Both founders' cards
    #[arg(num_args = 2, required = true, value_name = "CARD")]
    cards: Vec<PathBuf>,
    /// The installation's name, for ever: like a host and a path, e.g. gate.example/main
    #[arg(long)]
    origin: String,
    /// How many recovery shares are printed
    #[arg(long, default_value_t = 5)]
    shares: u8,
    /// How many of them restore the recovery key
    #[arg(long, default_value_t = 3)]
    threshold: u8,
    /// How long everybody has to object to a recovery
    #[arg(long, value_name = "LENGTH", default_value = "72h")]
    delay: String,
    /// Write each share to a file here instead of printing all of them
    #[arg(long, value_name = "DIR")]
    shares_dir: Option<PathBuf>,
    /// Seal the keys under the passphrase that is this file's first line
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The draft to make
    #[arg(long, value_name = "FILE", default_value = "founding.draft")]
    out: PathBuf,
}

pub(super) fn run(args: &Args, desk: &mut Desk<'_>) -> Outcome<()> {
    let cards: Vec<FounderCard> = args.cards.iter().map(|path| FounderCard::read(path)).collect::<Outcome<_>>()?;
    let origin: OriginName =
        args.origin.parse().map_err(|_| Failure::OriginUnreadable { text: args.origin.chars().take(120).collect() })?;
    let delay_s = u32::try_from(times::duration(&args.delay)?.as_secs()).unwrap_or(u32::MAX);
    let passphrase = args.passphrase_file.as_deref().map(read_passphrase).transpose()?;
    let crew = crew(&desk.settings.places)?;
    // Looked at first: keys without their draft or shares would have to be thrown away.
    nothing_there(args, desk)?;
    let (keys, recovery) = (KeySet::generate(), RecoveryKey::generate());
    let setup =
        RecoverySetup { key: recovery.public_key().clone(), shares: args.shares, threshold: args.threshold, delay_s };
    let shares = recovery
        .into_shares(args.threshold, args.shares)
        .map_err(|error| Failure::SharesRefused { why: error.to_string() })?;
    let draft = draft(&cards, origin, &keys, setup, desk)?;
    let protection = passphrase.as_ref().map_or(Protection::Plain, Protection::Passphrase);
    folders::make_for_keys(&desk.settings.places, &crew)?;
    keys.store(&desk.settings.places.keeper(), protection)
        .map_err(|error| Failure::KeeperFailed { why: error.to_string() })?;
    folders::hand_keys_over(&desk.settings.places, &crew)?;
    files::create_json(&args.out, &draft, Readers::Owner)?;
    hand_out(&shares, args, desk)
}

/// The users as `serve` will choose them, so that the keeper finds its keys in its own hands.
fn crew(places: &Places) -> Outcome<Crew> {
    let config = Config::read(places).map_err(|error| {
        let path = files::shown(&places.config.join("sekimori.toml"));
        Failure::SettingsUnreadable { path, why: error.to_string() }
    })?;
    users::decide(&config, rustix::process::getuid().as_raw(), &users::look_up)
}

/// One line, without its end.
fn read_passphrase(path: &Path) -> Outcome<Secret<String>> {
    let text = Secret::new(files::read_text(path, LONGEST_PASSPHRASE)?);
    Ok(Secret::new(text.expose().lines().next().unwrap_or_default().to_owned()))
}

fn nothing_there(args: &Args, desk: &Desk<'_>) -> Outcome<()> {
    let keys = desk.settings.places.keeper().join(KEY_FILE);
    let shares = args.shares_dir.iter().flat_map(|dir| (1..=args.shares).map(|index| share_file(dir, index)));
    let taken = [keys, args.out.clone()].into_iter().chain(shares).find(|path| path.exists());
    match taken {
        Some(path) => Err(Failure::FileExists { path: files::shown(&path) }),
        None => Ok(()),
    }
}

/// Judged by the rules before any key is stored, so that a draft that could never be sealed is not made.
fn draft(
    cards: &[FounderCard],
    origin: OriginName,
    keys: &KeySet,
    recovery: RecoverySetup,
    desk: &Desk<'_>,
) -> Outcome<Draft> {
    let public = keys.public();
    let founders = cards.iter().map(|card| Founder {
        person: card.person,
        persona: card.persona,
        name: card.commitment(),
        key: card.key.clone(),
    });
    let founding = Founding {
        origin,
        log_key: public.log,
        ca_key: public.ca,
        reading_key: public.reading,
        recovery,
        founders: founders.collect(),
        created: desk.now(),
    };
    for card in cards {
        domain::purpose::check_text::<PersonName>(&card.name.value)?;
    }
    could_be_sealed(&founding)?;
    Ok(Draft::new(founding, cards.iter().map(|card| card.name.clone()).collect()))
}

/// The rules look at a founding's shape and at how many signatures there are; these are placeholders that are thrown away.
fn could_be_sealed(founding: &Founding) -> Outcome<()> {
    let nothing = sshwire::SoftSigner::from_seed(&[0; 32]).sshsig("sekimori-nothing", b"");
    let founded = domain::event::Founded { founding: founding.clone(), signatures: vec![nothing.clone(), nothing] };
    let entry = domain::Entry {
        seq: 0,
        time: founding.created,
        actor: domain::Actor::Founders,
        cause: None,
        event: domain::Event::Founded(founded),
    };
    Ok(domain::decide::judge(&domain::State::default(), &entry)?)
}

/// Shares are printed once and kept nowhere here.
fn hand_out(shares: &[Share], args: &Args, desk: &mut Desk<'_>) -> Outcome<()> {
    let draft = files::shown(&args.out);
    let Some(dir) = &args.shares_dir else {
        print(shares, args, &draft, desk);
        return Ok(());
    };
    let unwritable =
        |error: std::io::Error| Failure::FileUnwritable { path: files::shown(dir), why: error.to_string() };
    std::fs::create_dir_all(dir).map_err(unwritable)?;
    for (index, share) in (1_u8..).zip(shares) {
        files::create(&share_file(dir, index), share.printed().expose().as_bytes(), Readers::Owner)?;
    }
    desk.answer(&serde_json::json!({ "draft": draft, "shares_dir": files::shown(dir) }), |desk| {
        desk.say("say-draft-made", &[("path", draft.as_str().into())]);
        desk.say("say-shares-in", &[("path", files::shown(dir).into())]);
    });
    Ok(())
}

/// On standard output alone, and as text only where JSON needs it.
fn print(shares: &[Share], args: &Args, draft: &str, desk: &mut Desk<'_>) {
    if desk.settings.form == Form::Json {
        let printed: Vec<String> = shares.iter().map(|share| share.printed().expose().clone()).collect();
        desk.answer(&serde_json::json!({ "draft": draft, "shares": printed }), |_| ());
        return;
    }
    desk.say("say-draft-made", &[("path", draft.into())]);
    for share in shares {
        let arguments = [("index", u64::from(share.index()).into()), ("threshold", u64::from(args.threshold).into())];
        desk.say("say-share", &arguments);
        desk.screen().line(share.printed().expose());
    }
    desk.say("say-shares-once", &[]);
}

fn share_file(dir: &Path, index: u8) -> PathBuf {
    dir.join(format!("share-{index}.txt"))
}

const LONGEST_PASSPHRASE: u64 = 4_096;
