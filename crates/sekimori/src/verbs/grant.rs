//! `sekimori grant`: what approved requests give, its proof, and giving it back.

use std::path::{Path, PathBuf};

use channel::api::{GrantView, Query};
use domain::GrantId;
use domain::committed::Reason;
use domain::statement::Deed;

use crate::acts::named;
use crate::connection::{Connection, view};
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::files::{self, Readers};
use crate::ids;
use crate::messages;
use crate::pages::{PageArgs, part};
use crate::sheet::Sheet;
use crate::words;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Grants that are not over
    List(PageArgs),
    /// One grant, and whether it would open now
    Show { grant: String },
    /// The grant with its proof, in one file that verifies without the server
    Tegata {
        grant: String,
        /// The file to make; standard output unless given
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Give your own grant back before its end
    Return { grant: String },
    /// Take a grant away
    Revoke {
        grant: String,
        #[arg(long)]
        reason: String,
    },
}

pub(crate) fn run(verb: Verb, desk: &mut Desk<'_>) -> Outcome<()> {
    match verb {
        Verb::List(page) => list(&page, desk),
        Verb::Show { grant } => show(&grant, desk),
        Verb::Tegata { grant, out } => tegata(&grant, out.as_deref(), desk),
        Verb::Return { grant } => give_back(&grant, desk),
        Verb::Revoke { grant, reason } => revoke(&grant, &reason, desk),
    }
}

fn list(args: &PageArgs, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let page = args.by_id(&mut caller.connection)?;
    let grants = part!(args, caller.connection, Query::Grants { page } => Grants);
    let mut table =
        desk.table(&["column-grant", "column-account", "column-person", "column-from", "column-until", "column-opens"]);
    for grant in &grants.rows {
        let opens = desk.word(if grant.stands.is_ok() { "word-yes" } else { "word-no" });
        let who = named(grant.person, grant.person_name.as_deref());
        let (from, until) = (desk.local(grant.window.from()), desk.local(grant.window.until()));
        table.row([grant.grant.to_string(), grant.account.clone(), who, from, until, opens]);
    }
    desk.answer_part(&grants, &table, "say-no-grants");
    Ok(())
}

fn show(grant: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let view = fetch(&mut caller.connection, grant)?;
    let sheet = sheet(desk, "say-grant", &view);
    desk.answer(&view, |desk| desk.show_sheet(&sheet));
    Ok(())
}

fn tegata(grant: &str, out: Option<&Path>, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let grant: GrantId = ids::resolve(&mut caller.connection, grant)?;
    let file = match caller.connection.read(Query::Tegata { grant })? {
        channel::api::View::Tegata { file } => file,
        _ => return Err(Failure::AnswerUnexpected { wanted: "tegata".into() }),
    };
    let Some(path) = out else {
        desk.screen().bytes(format!("{file}\n").as_bytes());
        return Ok(());
    };
    files::create(path, file.as_bytes(), Readers::Everybody)?;
    let written = serde_json::json!({ "grant": grant, "file": files::shown(path) });
    desk.answer(&written, |desk| desk.say("say-tegata-written", &[("path", files::shown(path).into())]));
    Ok(())
}

fn give_back(grant: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let view = fetch(&mut caller.connection, grant)?;
    let sheet = sheet(desk, "deed-grant-return", &view);
    desk.act_and_say(&mut caller, Deed::GrantReturn { grant: view.grant }, vec![], sheet)
}

fn revoke(grant: &str, reason: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let (committed, opening) = desk.commit::<Reason>(reason)?;
    let mut caller = desk.call()?;
    let view = fetch(&mut caller.connection, grant)?;
    let mut sheet = sheet(desk, "deed-grant-revoke", &view);
    sheet.row("label-reason", reason);
    desk.act_and_say(&mut caller, Deed::GrantRevoke { grant: view.grant, reason: committed }, vec![opening], sheet)
}

fn fetch(connection: &mut Connection, grant: &str) -> Outcome<GrantView> {
    let grant: GrantId = ids::resolve(connection, grant)?;
    let found = view!(connection, Query::Grant { grant } => Grant);
    let found = found.ok_or_else(|| Failure::AnswerUnexpected { wanted: "grant".into() })?;
    ids::same(&grant, &found.grant).map(|()| *found)
}

fn sheet(desk: &Desk<'_>, title: &str, view: &GrantView) -> Sheet {
    let channels: Vec<String> = view.channels.iter().map(ToString::to_string).collect();
    let approvers: Vec<String> = view.approvers.iter().map(ToString::to_string).collect();
    let mut sheet = desk.sheet(title, &[]);
    sheet.row("label-grant", view.grant.to_string());
    sheet.row("label-request", view.request.to_string());
    sheet.row("label-account", named(view.account_id, Some(&view.account)));
    sheet.row("label-person", named(view.person, view.person_name.as_deref()));
    sheet.row("label-from", desk.moment(view.window.from()));
    sheet.row("label-until", desk.moment(view.window.until()));
    sheet.row("label-channels", channels.join(", "));
    sheet.row_if("label-purpose", view.purpose.clone());
    sheet.row("label-approvers", approvers.join(", "));
    sheet.word("label-standing", words::grant(view.standing));
    if let Err(refusal) = &view.stands {
        sheet.row("label-does-not-open", messages::refusal(refusal, desk.lang()).0);
    }
    sheet
}
