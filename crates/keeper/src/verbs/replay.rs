//! `replay`: a recording's session key, opened and sealed again to the reader whom an entry permits. Of the recording itself
//! only the header is read, and only if it is the one that the session's entry names.

use channel::keeper::{Answer, KeeperRefusal, ReplayOrder};
use domain::event::Event;
use domain::statement::Deed;
use domain::{Entry, SessionId, SuiteKey};
use envelope::{Sealed, SealingKey};
use ledger::Hash;
use recorder::{Header, sealing_context};

use super::differs;
use crate::evidence::{entries_under, extends, replayed};
use crate::{Keeper, Last};

const SESSION_KEY_LEN: usize = 32;

impl<C: crate::Clock> Keeper<C> {
    pub(crate) fn replay(&mut self, order: &ReplayOrder) -> Result<Answer, KeeperRefusal> {
        let last = self.last()?;
        let head = extends(&last.head, &order.head)?;
        let founded = self.founded()?;
        let entries = entries_under(&head, &order.entries, &order.proof, founded)?;
        let (session, rest) = parted(&entries)?;
        let (permit, reader) = permit_of(&rest, session)?;
        replayed(rest)?;
        let header = header_of(session, &order.header)?;
        if header.origin() != founded.founding.origin.as_str() {
            return Err(differs("the recording is another installation's"));
        }
        let reader = SealingKey::from_bytes(reader.bytes()).map_err(malformed)?;
        let resealed = self.resealed(&header, session.session, permit, &reader)?;
        self.remember(Last { head, ..last })?;
        Ok(Answer::Resealed { sealed: resealed })
    }

    fn resealed(
        &self,
        header: &Header,
        session: SessionId,
        permit: u64,
        to: &SealingKey,
    ) -> Result<Sealed, KeeperRefusal> {
        let context = sealing_context(header.origin(), header.session());
        let sealed = header.sealed_for_keeper().map_err(malformed)?;
        let opened = self.keys.reading().open(&context, &sealed).map_err(malformed)?;
        if opened.expose().len() != SESSION_KEY_LEN {
            return Err(malformed("what the header seals is no session key"));
        }
        to.seal(&replay_context(session, permit), opened.expose()).map_err(malformed)
    }
}

/// What a session key is bound to on its way to the reader: the session and the entry that permits the reading.
/// `sekimori/replay/v1` ‖ u8 length ‖ session ‖ u64be number of the entry.
#[must_use]
pub fn replay_context(session: SessionId, permit: u64) -> Vec<u8> {
    let session = session.to_string();
    let length = u8::try_from(session.len()).expect("an id has 30 characters");
    [b"sekimori/replay/v1", &[length][..], session.as_bytes(), &permit.to_be_bytes()].concat()
}

/// What is recorded: the name and the header's hash, from the entry that opened a session or an errand.
#[derive(Clone, Copy)]
struct Opened {
    session: SessionId,
    header: Hash,
}

/// The opening's entry, which says what happened and is judged by nobody here, and the others.
fn parted(entries: &[Entry]) -> Result<(Opened, Vec<&Entry>), KeeperRefusal> {
    let mut sessions = Vec::new();
    let mut rest = Vec::new();
    for entry in entries {
        match &entry.event {
            Event::SessionOpened(opened) => {
                sessions.push(Opened { session: opened.session, header: opened.recording });
            }
            Event::ErrandOpened(opened) => {
                let recorded = opened.recorded.ok_or_else(|| differs("the errand was not recorded"))?;
                sessions.push(Opened { session: recorded.session, header: recorded.header });
            }
            _ => rest.push(entry),
        }
    }
    match sessions[..] {
        [session] => Ok((session, rest)),
        _ => Err(differs(format!(
            "{} entries are `session.opened` or `errand.opened`; exactly one must be",
            sessions.len()
        ))),
    }
}

/// The number of the entry that permits the reading of this session, and the key it permits to read.
fn permit_of<'a>(entries: &[&'a Entry], session: Opened) -> Result<(u64, &'a SuiteKey), KeeperRefusal> {
    let last = entries.last().ok_or_else(|| differs("there is no entry"))?;
    let Event::Deed(done) = &last.event else { return Err(differs("the last entry is not `replay.permitted`")) };
    match &done.fields.deed {
        Deed::ReplayPermit { session: permitted, reader, .. } if *permitted == session.session => {
            Ok((last.seq, reader))
        }
        Deed::ReplayPermit { session: permitted, .. } => {
            Err(differs(format!("the permit is for `{permitted}`, the entry for `{}`", session.session)))
        }
        _ => Err(differs(format!("the last entry is `{}`, not `replay.permitted`", last.event.kind()))),
    }
}

/// Compared before it is read: what the ledger does not name is not parsed.
fn header_of(session: Opened, bytes: &[u8]) -> Result<Header, KeeperRefusal> {
    if Hash::of(bytes) != session.header {
        return Err(differs("the header is not the one that the session's entry names"));
    }
    let mut rest = bytes;
    let header = Header::read(&mut rest).map_err(malformed)?;
    if !rest.is_empty() {
        return Err(malformed("something follows the header"));
    }
    if header.session() != session.session.to_string() {
        return Err(differs("the header is another session's"));
    }
    Ok(header)
}

fn malformed(why: impl ToString) -> KeeperRefusal {
    KeeperRefusal::Malformed { why: why.to_string() }
}
