//! `sekimori request`: asking for an account, and deciding on what others ask.

mod decide;
mod new;

use channel::api::{Query, RequestView};
use domain::statement::Deed;

use crate::acts::named;
use crate::connection::view;
use crate::desk::{Caller, Desk};
use crate::failure::{Failure, Outcome};
use crate::ids;
use crate::pages::{PageArgs, part};
use crate::proof;
use crate::sheet::Sheet;
use crate::verbs::account;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Ask for an account: when, and for what
    New(new::Args),
    /// Requests that are not decided
    List(PageArgs),
    /// One request, checked
    Show { request: String },
    /// Agree to another person's request
    Approve {
        request: String,
        #[arg(long)]
        reason: Option<String>,
    },
    /// Refuse another person's request
    Refuse {
        request: String,
        #[arg(long)]
        reason: String,
    },
    /// Take back your own
    Withdraw { request: String },
}

pub(crate) fn run(verb: Verb, desk: &mut Desk<'_>) -> Outcome<()> {
    match verb {
        Verb::New(args) => new::run(&args, desk),
        Verb::List(page) => list(&page, desk),
        Verb::Show { request } => show(&request, desk),
        Verb::Approve { request, reason } => decide::approve(&request, reason.as_deref(), desk),
        Verb::Refuse { request, reason } => decide::refuse(&request, &reason, desk),
        Verb::Withdraw { request } => withdraw(&request, desk),
    }
}

fn list(args: &PageArgs, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let page = args.by_id(&mut caller.connection)?;
    let requests = part!(args, caller.connection, Query::Requests { page } => Requests);
    let columns = [
        "column-request",
        "column-account",
        "column-requester",
        "column-from",
        "column-length",
        "column-purpose",
        "column-you",
    ];
    let mut table = desk.table(&columns);
    for request in &requests.rows {
        let purpose =
            request.openings.iter().find(|opening| opening.kind == proof::PURPOSE).map(|opening| opening.value.clone());
        let (window, who) = (request.fields.window, named(request.requester, request.requester_name.as_deref()));
        let you = desk.word(if request.may_decide.is_ok() { "word-may-decide" } else { "word-may-not" });
        let (from, length) = (desk.local(window.from()), desk.span(window.length()));
        table.row([
            request.request.to_string(),
            request.account.clone(),
            who,
            from,
            length,
            purpose.unwrap_or_default(),
            you,
        ]);
    }
    desk.answer_part(&requests, &table, "say-no-requests");
    Ok(())
}

/// Whoever may not read the purpose sees the rest, and that it is missing.
fn show(request: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let view = fetch(request, &mut caller)?;
    let mut sheet = sheet(desk, "say-request", &view);
    match proof::request(&caller.origin, &view) {
        Ok(checked) => sheet.row("label-purpose", checked.purpose),
        Err(Failure::TextMissing { .. }) => sheet.word("label-purpose", "word-not-shown"),
        Err(failure) => return Err(failure),
    }
    sheet.row("label-filed", desk.moment(view.filed_at));
    sheet.row("label-dies", desk.moment(view.dies));
    sheet.row_if("label-needs", view.needs.as_ref().map(|needs| account::obligations(desk, needs)));
    let approvals: Vec<String> = view.approvals.iter().map(ToString::to_string).collect();
    sheet.row("label-approvals", if approvals.is_empty() { desk.word("word-none") } else { approvals.join(", ") });
    if let Err(refusal) = &view.may_decide {
        sheet.row("label-you", crate::messages::refusal(refusal, desk.lang()).0);
    }
    desk.answer(&view, |desk| desk.show_sheet(&sheet));
    Ok(())
}

fn withdraw(request: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let view = fetch(request, &mut caller)?;
    let sheet = sheet(desk, "deed-request-withdraw", &view);
    desk.act_and_say(&mut caller, Deed::RequestWithdraw { request: view.request }, vec![], sheet)
}

fn fetch(request: &str, caller: &mut Caller) -> Outcome<RequestView> {
    let request = ids::resolve(&mut caller.connection, request)?;
    let found = view!(caller.connection, Query::Request { request } => Request);
    ids::same(&request, &found.request).map(|()| *found)
}

/// What the request's statement says, and the server's names for it.
fn sheet(desk: &Desk<'_>, title: &str, view: &RequestView) -> Sheet {
    let fields = &view.fields;
    let channels: Vec<String> = fields.channels.iter().map(ToString::to_string).collect();
    let mut sheet = desk.sheet(title, &[]);
    sheet.row("label-request", fields.request.to_string());
    sheet.row("label-account", named(fields.account, Some(&view.account)));
    sheet.row(
        "label-requester",
        format!("{} / {}", named(view.requester, view.requester_name.as_deref()), fields.requester),
    );
    if fields.beneficiary != fields.requester {
        let beneficiary = named(view.beneficiary, view.beneficiary_name.as_deref());
        sheet.row("label-beneficiary", format!("{beneficiary} / {}", fields.beneficiary));
    }
    sheet.row("label-from", desk.moment(fields.window.from()));
    sheet.row("label-until", desk.moment(fields.window.until()));
    sheet.row("label-length", desk.span(fields.window.length()));
    sheet.row("label-channels", channels.join(", "));
    sheet.row("label-policy", fields.policy.to_string());
    sheet
}
