//! What the head of an answer says. Names and the like pass without being read.

use super::broken::Fault;
use super::limits::HANDLE as HANDLE_LIMIT;
use super::wire::{self, Reader};
use crate::facts::Status;

/// The head of an answer of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    Status(Status),
    Handle(Vec<u8>),
    /// Content follows, this many bytes.
    Data(u32),
    /// The size of a file that is one, where it is told.
    Attributes(Option<u64>),
    /// Passes unread.
    Unread,
}

/// Length of the packet, type and id.
const ID_HEAD: usize = 4 + 1 + 4;
/// What stands before the content of a DATA packet.
pub(super) const DATA_HEAD: usize = ID_HEAD + 4;
/// Attributes up to the permissions: flags, size, owner.
const ATTRIBUTES: usize = 4 + 8 + 8 + 4;
const REGULAR: u32 = 0o100_000;
const KIND: u32 = 0o170_000;

/// As much of a packet as must be there to read its head, its length field included. `total` is the length of the whole.
pub(super) fn head(packet: u8, total: usize) -> usize {
    let wanted = match packet {
        wire::STATUS | wire::DATA => ID_HEAD + 4,
        // One more than allowed, so that a longer one is seen to be longer.
        wire::HANDLE => ID_HEAD + 4 + HANDLE_LIMIT + 1,
        wire::ATTRS => ID_HEAD + ATTRIBUTES,
        _ => ID_HEAD,
    };
    wanted.min(total)
}

/// Reads the head of an answer.
pub(super) fn reply(packet: u8, head: &[u8], total: usize) -> Result<(u32, Reply), Fault> {
    let unreadable = |_| Fault::Malformed { packet };
    let mut reader = Reader::new(head.get(5..).unwrap_or_default());
    let id = reader.u32("id").map_err(|_| Fault::PacketTooShort { packet })?;
    let reply = match packet {
        wire::STATUS => Reply::Status(Status(reader.u32("status").map_err(unreadable)?)),
        wire::DATA => data(&mut reader, total).ok_or(Fault::Malformed { packet })?,
        wire::HANDLE => handle(&mut reader, total, id)?,
        wire::ATTRS => attributes(&mut reader).ok_or(Fault::Malformed { packet })?,
        wire::NAME | wire::EXTENDED_REPLY => Reply::Unread,
        _ => return Err(Fault::Malformed { packet }),
    };
    Ok((id, reply))
}

fn data(reader: &mut Reader<'_>, total: usize) -> Option<Reply> {
    let length = reader.u32("data").ok()?;
    let whole = usize::try_from(length).ok()?.checked_add(ID_HEAD + 4)?;
    (whole == total).then_some(Reply::Data(length))
}

fn handle(reader: &mut Reader<'_>, total: usize, id: u32) -> Result<Reply, Fault> {
    let malformed = Fault::Malformed { packet: wire::HANDLE };
    let length = usize::try_from(reader.clone().u32("handle").map_err(|_| malformed)?).map_err(|_| malformed)?;
    if length.checked_add(ID_HEAD + 4) != Some(total) {
        return Err(malformed);
    }
    if length > HANDLE_LIMIT {
        return Err(Fault::HandleTooLong { id });
    }
    reader.string("handle").map(|handle| Reply::Handle(handle.to_vec())).map_err(|_| malformed)
}

fn attributes(reader: &mut Reader<'_>) -> Option<Reply> {
    let flags = reader.u32("attributes").ok()?;
    let size = if flags & 1 != 0 { Some(reader.u64("size").ok()?) } else { None };
    if flags & 2 != 0 {
        reader.u64("owner").ok()?;
    }
    let regular = flags & 4 == 0 || reader.u32("permissions").ok()? & KIND == REGULAR;
    Some(Reply::Attributes(size.filter(|_| regular)))
}
