//! `sekimori wait request`: until a request is decided, for scripts and for people who wait.

use std::time::Duration;

use channel::api::{GrantView, Query};
use domain::event::Event;
use domain::{Entry, Refusal, RequestId};

use crate::connection::{Connection, view};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::ids;
use crate::times;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Ends with 0 when granted, 1 when refused or dead, 3 when the limit passes first
    Request {
        request: String,
        #[arg(long, value_name = "LENGTH", default_value = "15m")]
        limit: String,
    },
}

/// How a request came out.
enum Fate {
    AwaitingApproval,
    Granted(Box<GrantView>),
    Refused,
    /// Withdrawn, dead or long over.
    Gone,
}

pub(crate) fn run(verb: Verb, desk: &mut Desk<'_>) -> Outcome<Exit> {
    let Verb::Request { request, limit } = verb;
    let limit = times::duration(&limit)?;
    let mut caller = desk.call()?;
    let request: RequestId = ids::resolve(&mut caller.connection, &request)?;
    let mut waited = Duration::ZERO;
    loop {
        match fate(&mut caller.connection, request)? {
            Fate::Granted(grant) => {
                desk.answer(&grant, |desk| {
                    let arguments =
                        [("grant", grant.grant.to_string().into()), ("account", grant.account.as_str().into())];
                    desk.say("say-granted", &arguments);
                });
                return Ok(Exit::Done);
            }
            Fate::Refused => {
                desk.answer(&serde_json::json!({ "request": request, "refused": true }), |desk| {
                    desk.say("say-was-refused", &[])
                });
                return Ok(Exit::Refused);
            }
            Fate::Gone => return Err(Refusal::RequestDead { request }.into()),
            Fate::AwaitingApproval if waited >= limit => {
                return Err(Failure::WaitedTooLong { about: request.to_string() });
            }
            Fate::AwaitingApproval => {
                desk.pause(BETWEEN_LOOKS);
                waited += BETWEEN_LOOKS;
            }
        }
    }
}

fn fate(connection: &mut Connection, request: RequestId) -> Outcome<Fate> {
    let pending = view!(connection, Query::Requests => Requests);
    if pending.iter().any(|view| view.request == request) {
        return Ok(Fate::AwaitingApproval);
    }
    let grants = view!(connection, Query::Grants => Grants);
    if let Some(grant) = grants.into_iter().find(|grant| grant.request == request) {
        return Ok(Fate::Granted(Box::new(grant)));
    }
    let entries =
        view!(connection, Query::Entries { about: Some(request.to_string()), before: None, limit: FEW } => Entries);
    let events = entries.iter().filter_map(|view| Entry::decode(view.bytes.as_bytes()).ok());
    let was_refused = events.map(|entry| entry.event).any(|event| matches!(event, Event::RequestRefused(_)));
    Ok(if was_refused { Fate::Refused } else { Fate::Gone })
}

/// How often the server is asked. A silent connection is closed after minutes, so asking also keeps it.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// A request has one decision for each approver and then an end.
const FEW: u32 = 50;
