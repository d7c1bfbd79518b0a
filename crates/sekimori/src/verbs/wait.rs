//! `sekimori wait request`: until a request is decided, for scripts and for people who wait.

use std::time::Duration;

use channel::api::{GrantView, Page, Query};
use domain::{Refusal, RefusalCode, RequestId};

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
    match connection.read(Query::Request { request }) {
        Ok(_) => return Ok(Fate::AwaitingApproval),
        Err(Failure::Refused(refusal)) if refusal.code() == RefusalCode::RequestUnknown => {}
        Err(failure) => return Err(failure),
    }
    if let Some(grant) = view!(connection, Query::GrantOf { request } => Grant) {
        return ids::same(&request, &grant.request).map(|()| Fate::Granted(grant));
    }
    let (about, kind) = (Some(request.to_string()), Some("request.refused".to_owned()));
    let page = Page { after: None, limit: 1 };
    let refused = view!(connection, Query::Entries { about, kind, page } => Entries);
    Ok(if refused.rows.is_empty() { Fate::Gone } else { Fate::Refused })
}

/// How often the server is asked. A silent connection is closed after minutes, so asking also keeps it.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
