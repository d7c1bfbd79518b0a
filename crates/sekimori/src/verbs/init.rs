//! `sekimori init`: founding an installation. Two founders, each with their own key on their own machine, confirm each other by
//! another way than this program.

mod card;
mod draft;
mod seal;
mod sign;
mod trust;

use std::path::{Path, PathBuf};

use sshwire::Signature;

use crate::cards::Draft;
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::files;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// 1. Each founder, on their own machine: a card with name and key
    Card(card::Args),
    /// 2. On the server: make the long-lived keys and the draft from both cards
    Draft(draft::Args),
    /// 3. Each founder, on their own machine: compare the fingerprints and sign the draft
    Sign(sign::Args),
    /// 4. On the server, running: hand in both signatures
    Seal(SealedArgs),
    /// 5. On any machine that verifies: write the directory that says whom to trust
    Trust {
        /// The directory to make
        dir: PathBuf,
        #[command(flatten)]
        sealed: SealedArgs,
    },
}

/// A draft with both founders' signatures.
#[derive(Debug, clap::Args)]
pub(crate) struct SealedArgs {
    draft: PathBuf,
    /// Both founders' signature files
    #[arg(num_args = 2, required = true, value_name = "SIGNATURE")]
    signatures: Vec<PathBuf>,
}

pub(crate) fn run(verb: Verb, desk: &mut Desk<'_>) -> Outcome<()> {
    match verb {
        Verb::Card(args) => card::run(&args, desk),
        Verb::Draft(args) => draft::run(&args, desk),
        Verb::Sign(args) => sign::run(&args, desk),
        Verb::Seal(args) => seal::run(&args, desk),
        Verb::Trust { dir, sealed } => trust::run(&dir, &sealed, desk),
    }
}

/// The draft and its signatures in the founders' order, each verified.
fn read_sealed(args: &SealedArgs) -> Outcome<(Draft, Vec<Signature>)> {
    let draft = Draft::read(&args.draft)?;
    let given: Vec<Signature> = args.signatures.iter().map(|path| read_signature(path)).collect::<Outcome<_>>()?;
    let of_founder = |founder: &domain::event::Founder| {
        given.iter().find(|signature| *signature.claimed_key() == founder.key).cloned()
    };
    let signatures: Vec<Signature> = draft.founding.founders.iter().filter_map(of_founder).collect();
    let fails = |error: tegata::signatures::SignatureFault| Failure::FoundingFails { why: error.to_string() };
    if signatures.len() != draft.founding.founders.len() {
        return Err(Failure::FoundingFails { why: "the signatures are not one of each founder".into() });
    }
    tegata::signatures::check_founding(&draft.founding, &signatures).map_err(fails)?;
    Ok((draft, signatures))
}

fn read_signature(path: &Path) -> Outcome<Signature> {
    let armored = files::read_text(path, LONGEST_SIGNATURE)?;
    let unreadable =
        |why: sshwire::SigError| Failure::CardUnreadable { path: files::shown(path), why: why.to_string() };
    Signature::from_armored(&armored).map_err(unreadable)
}

const LONGEST_SIGNATURE: u64 = 32 << 10;
