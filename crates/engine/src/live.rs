//! The grant that stands: made per decision, from a verified tegata and the state at the head. Only here; it cannot be stored or sent.

use domain::decide::{Standing, still_stands};
use domain::event::SessionOpened;
use domain::{Refusal, State, Timestamp, Window};
use tegata::VerifiedTegata;

/// INVARIANT: whoever issues, lends or opens takes one of these. Its only constructor checks history *and* the head.
#[derive(Debug)]
#[must_use]
pub struct LiveGrant {
    standing: Standing,
}

impl LiveGrant {
    /// `history`: the verified proof. `head`: the state that decides whether it still stands at `at`.
    pub fn decide(history: &VerifiedTegata, head: &State, at: Timestamp) -> Result<Self, Refusal> {
        let standing = still_stands(head, &history.grant_id(), at)?;
        let proved = &history.grant().request;
        let same = head
            .passage
            .grants
            .get(&standing.grant)
            .is_some_and(|g| g.request.statement == proved.statement && g.request.filed == proved.filed);
        if same { Ok(Self { standing }) } else { Err(Refusal::StatementDiffers) }
    }

    pub fn standing(&self) -> &Standing {
        &self.standing
    }
}

/// What the gateway brings of its own to a passage.
#[derive(Debug)]
pub(crate) struct Bearer {
    pub session: domain::SessionId,
    pub key: sshwire::Fingerprint,
    pub subject: sshwire::PublicKey,
    pub recording: ledger::Hash,
    pub source: domain::Committed<domain::committed::Source>,
}

/// The fact of a passage: no wider than the grant that stands, its certificate no longer than a minute.
pub(crate) fn session_opened(
    live: &LiveGrant,
    bearer: Bearer,
    serial: u64,
    at: Timestamp,
) -> Result<SessionOpened, Refusal> {
    let standing = live.standing();
    let until = at.plus(domain::decide::LONGEST_CERTIFICATE).min(standing.window.until());
    let valid =
        Window::new(at.minus(domain::decide::CERTIFICATE_LEAD), until).map_err(|_| Refusal::GrantOver { until })?;
    Ok(SessionOpened {
        session: bearer.session,
        grant: standing.grant,
        key: bearer.key,
        subject: bearer.subject,
        account: standing.account,
        principal: standing.principal.clone(),
        serial,
        valid,
        recording: bearer.recording,
        source: bearer.source,
        channels: standing.channels.clone(),
        record_input: standing.record_input,
    })
}
