//! `sekimori request approve|refuse`: another person's word, over bytes rebuilt here from what is shown.

use channel::api::Submission;
use domain::committed::Reason;
use domain::statement::{Decision, DecisionFields};

use super::{fetch, sheet};
use crate::desk::Desk;
use crate::failure::Outcome;
use crate::proof;

pub(super) fn approve(request: &str, reason: Option<&str>, desk: &mut Desk<'_>) -> Outcome<()> {
    decide(request, Decision::Approve, reason, desk)
}

pub(super) fn refuse(request: &str, reason: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    decide(request, Decision::Refuse, Some(reason), desk)
}

fn decide(request: &str, decision: Decision, reason: Option<&str>, desk: &mut Desk<'_>) -> Outcome<()> {
    let committed = reason.map(|reason| desk.commit::<Reason>(reason)).transpose()?;
    let mut caller = desk.call()?;
    let view = fetch(request, &mut caller)?;
    let checked = proof::request(&caller.origin, &view)?;
    let title = match decision {
        Decision::Approve => "say-you-approve",
        Decision::Refuse => "say-you-refuse",
    };
    let mut sheet = sheet(desk, title, &view);
    sheet.row("label-purpose", checked.purpose);
    sheet.row_if("label-reason", reason);
    sheet.row("label-request-statement", checked.statement.to_string());
    let fields = DecisionFields {
        request: view.request,
        statement: checked.statement,
        approver: caller.who.persona,
        decision,
        reason: committed.as_ref().map(|(committed, _)| *committed),
        policy: caller.connection.challenge.policy,
    };
    let signed = desk.sign(&caller, &fields, sheet)?;
    let openings = committed.into_iter().map(|(_, opening)| opening).collect();
    let receipt = caller.connection.submit(Submission::Decision { fields, signed }, openings)?;
    desk.answer(&serde_json::json!({ "request": view.request, "receipt": receipt }), |desk| {
        desk.say_recorded(&receipt);
        match receipt.grant {
            Some(grant) => desk
                .say("say-granted", &[("grant", grant.to_string().into()), ("account", view.account.as_str().into())]),
            None if decision == Decision::Approve => desk.say("say-more-approvals", &[]),
            None => {}
        }
    });
    Ok(())
}
