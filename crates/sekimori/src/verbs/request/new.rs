//! `sekimori request new`: who, which account, from when to when, what for.

use std::collections::BTreeSet;

use channel::api::{AccountView, Submission};
use domain::RequestId;
use domain::rule::Channel;
use domain::statement::RequestFields;

use crate::acts::named;
use crate::desk::{Caller, Desk};
use crate::failure::Outcome;
use crate::ids;
use crate::sheet::Sheet;
use crate::times::WindowArgs;
use crate::verbs::account::obligations;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// NAME@TARGET, or the account's id
    account: String,
    #[command(flatten)]
    window: WindowArgs,
    /// What the work is, so that another person can judge it
    #[arg(long, default_value = "", hide_default_value = true)]
    purpose: String,
    /// What the passage may carry: shell, exec, download, upload, forward:HOST:PORT, listen:HOST:PORT, socket:PATH, listen-socket:PATH, agent, x11;
    /// of the first four what the rules allow, unless given
    #[arg(long, value_delimiter = ',', value_name = "CHANNEL,…")]
    channels: Vec<Channel>,
    /// The persona who will hold the grant, if it is not you
    #[arg(long, value_name = "PERSONA")]
    beneficiary: Option<String>,
}

pub(super) fn run(args: &Args, desk: &mut Desk<'_>) -> Outcome<()> {
    let (purpose, opening) = desk.commit_purpose(&args.purpose)?;
    let mut caller = desk.call()?;
    let window = args.window.window(&desk.here(&caller.connection))?;
    let account = ids::account(&mut caller.connection, &args.account)?;
    let beneficiary = match &args.beneficiary {
        Some(text) => ids::resolve(&mut caller.connection, text)?,
        None => caller.who.persona,
    };
    let fields = RequestFields {
        request: RequestId::from_random(desk.random()),
        requester: caller.who.persona,
        beneficiary,
        account: account.account,
        window,
        channels: channels(args, &account),
        purpose,
        policy: caller.connection.challenge.policy,
    };
    let sheet = sheet(desk, &caller, &fields, &account, &opening.value);
    let signed = desk.sign(&caller, &fields, sheet)?;
    let request = fields.request;
    let receipt = caller.connection.submit(Submission::Request { fields, signed }, vec![opening])?;
    desk.answer(&serde_json::json!({ "request": request, "receipt": receipt }), |desk| {
        desk.say_recorded(&receipt);
        desk.say("say-request-filed", &[("request", request.to_string().into())]);
    });
    Ok(())
}

/// Without a wish, what the rules allow of work on the target itself: whoever needs a way through it, or to their own machine, says where to. Without a rule
/// the server says so itself.
fn channels(args: &Args, account: &AccountView) -> BTreeSet<Channel> {
    let usual = [Channel::Shell, Channel::Exec, Channel::Download, Channel::Upload];
    match (args.channels.as_slice(), &account.terms) {
        ([], Some(terms)) => usual.into_iter().filter(|channel| terms.channels.contains(channel)).collect(),
        ([], None) => BTreeSet::from([Channel::Shell, Channel::Exec]),
        (wanted, _) => wanted.iter().cloned().collect(),
    }
}

fn sheet(desk: &Desk<'_>, caller: &Caller, fields: &RequestFields, account: &AccountView, purpose: &str) -> Sheet {
    let channels: Vec<String> = fields.channels.iter().map(ToString::to_string).collect();
    let mut sheet = desk.sheet("say-you-ask", &[]);
    sheet.row("label-request", fields.request.to_string());
    sheet.row("label-account", named(fields.account, Some(&ids::account_name(account))));
    sheet.row(
        "label-requester",
        format!("{} / {}", named(caller.who.person, caller.who.name.as_deref()), fields.requester),
    );
    if fields.beneficiary != fields.requester {
        sheet.row("label-beneficiary", fields.beneficiary.to_string());
    }
    sheet.row("label-from", desk.moment(fields.window.from()));
    sheet.row("label-until", desk.moment(fields.window.until()));
    sheet.row("label-length", desk.span(fields.window.length()));
    sheet.row("label-channels", channels.join(", "));
    sheet.row("label-purpose", purpose);
    sheet.row("label-policy", fields.policy.to_string());
    sheet.row_if("label-needs", account.terms.as_ref().map(|terms| obligations(desk, terms)));
    sheet
}
