//! `sekimori account`: privileged identities on targets.

use channel::api::{AccountView, Opening, Query};
use domain::committed::LoginName;
use domain::motion::{AccountClass, AccountName, Act, Principal};
use domain::rule::Obligations;
use domain::{AccountId, Label};

use crate::acts::{self, Known};
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::ids;
use crate::pages::{PageArgs, part};
use crate::proof::{LOGIN, Texts};
use crate::words;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Propose an account; a second person must agree
    Add(AddArgs),
    /// All accounts, and what you would have to meet
    List(PageArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct AddArgs {
    /// NAME@TARGET
    account: String,
    #[arg(long, value_enum)]
    class: Class,
    /// The person who answers for it
    #[arg(long, value_name = "PERSON")]
    owner: String,
    /// The name is a person's: only a commitment to it stands in the ledger
    #[arg(long)]
    personal: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Class {
    OsSuperuser,
    DatabaseAdmin,
    ApplicationMaster,
    NetworkDevice,
    CloudAdmin,
}

pub(crate) fn run(verb: Verb, desk: &mut Desk<'_>) -> Outcome<()> {
    match verb {
        Verb::Add(args) => add(&args, desk),
        Verb::List(page) => list(&page, desk),
    }
}

fn add(args: &AddArgs, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let unreadable = || Failure::AccountUnreadable { text: args.account.chars().take(128).collect() };
    let (name, target) = args.account.rsplit_once('@').ok_or_else(unreadable)?;
    let target = ids::target(&mut caller.connection, target)?;
    let owner = ids::person(&mut caller.connection, &args.owner)?;
    let (account_name, texts, openings) = account_name(name, args, desk)?;
    // Of 2^50 principals one that is taken is not drawn; if it were, the server would say so.
    let principal = Principal::from_random(desk.random());
    let account = AccountId::from_random(desk.random());
    let act = Act::AccountAdd {
        account,
        target: target.target,
        name: account_name,
        class: args.class.into(),
        owner: owner.person,
        principal,
    };
    let sheet = acts::sheet(desk, &act, &texts, &Known::of(&[owner], vec![target]));
    if !args.personal {
        desk.note("say-label-names-nobody", &[]);
    }
    desk.propose(&mut caller, act, openings, sheet)
}

/// A name outside the grammar of labels, or one of a person, is only committed to.
fn account_name(name: &str, args: &AddArgs, desk: &mut Desk<'_>) -> Outcome<(AccountName, Texts, Vec<Opening>)> {
    if args.personal {
        let (committed, opening) = desk.commit::<LoginName>(name)?;
        let texts = Texts::from([(LOGIN, name.to_owned())]);
        return Ok((AccountName::Personal(committed), texts, vec![opening]));
    }
    let unreadable = |_| Failure::AccountUnreadable { text: args.account.chars().take(128).collect() };
    let label: Label = name.parse().map_err(unreadable)?;
    Ok((AccountName::Shared(label), Texts::new(), vec![]))
}

fn list(args: &PageArgs, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let page = args.by_id(&mut caller.connection)?;
    let accounts = part!(args, caller.connection, Query::Accounts { target: None, page } => Accounts);
    let mut table = desk.table(&["column-account", "column-id", "column-class", "column-you-may-ask"]);
    for account in &accounts.rows {
        let class = desk.word(words::class(account.class));
        table.row([ids::account_name(account), account.account.to_string(), class, terms_text(desk, account)]);
    }
    desk.answer_part(&accounts, &table, "say-no-accounts");
    Ok(())
}

fn terms_text(desk: &Desk<'_>, account: &AccountView) -> String {
    account.terms.as_ref().map_or_else(|| desk.word("word-no"), |terms| obligations(desk, terms))
}

/// What a request would have to meet, in one line.
pub(crate) fn obligations(desk: &Desk<'_>, terms: &Obligations) -> String {
    let channels: Vec<String> = terms.channels.iter().map(ToString::to_string).collect();
    let stages: Vec<String> =
        terms.stages.iter().map(|stage| format!("{} × {}", stage.approvals, stage.approvers)).collect();
    let arguments = [
        ("longest", desk.span(terms.longest).into()),
        ("channels", channels.join(", ").into()),
        ("approvals", stages.join(" + ").into()),
    ];
    desk.text("say-terms", &arguments)
}

impl From<Class> for AccountClass {
    fn from(class: Class) -> Self {
        match class {
            Class::OsSuperuser => Self::OsSuperuser,
            Class::DatabaseAdmin => Self::DatabaseAdmin,
            Class::ApplicationMaster => Self::ApplicationMaster,
            Class::NetworkDevice => Self::NetworkDevice,
            Class::CloudAdmin => Self::CloudAdmin,
        }
    }
}
