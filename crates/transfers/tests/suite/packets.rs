//! Writes and splits SFTP packets, by the draft and not by the code under test.

pub(crate) fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

pub(crate) fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut whole = vec![kind];
    whole.extend_from_slice(body);
    string(&whole)
}

pub(crate) fn with_id(kind: u8, id: u32, fields: &[&[u8]]) -> Vec<u8> {
    packet(kind, &[&id.to_be_bytes()[..], &fields.concat()].concat())
}

pub(crate) fn init() -> Vec<u8> {
    packet(1, &3_u32.to_be_bytes())
}

pub(crate) fn version() -> Vec<u8> {
    packet(2, &[&3_u32.to_be_bytes()[..], &string(b"limits@openssh.com"), &string(b"1")].concat())
}

pub(crate) fn open(id: u32, path: &str, flags: u32) -> Vec<u8> {
    with_id(3, id, &[&string(path.as_bytes()), &flags.to_be_bytes(), &0_u32.to_be_bytes()])
}

pub(crate) fn close(id: u32, handle: &[u8]) -> Vec<u8> {
    with_id(4, id, &[&string(handle)])
}

pub(crate) fn read(id: u32, handle: &[u8], offset: u64, length: u32) -> Vec<u8> {
    with_id(5, id, &[&string(handle), &offset.to_be_bytes(), &length.to_be_bytes()])
}

pub(crate) fn write(id: u32, handle: &[u8], offset: u64, bytes: &[u8]) -> Vec<u8> {
    with_id(6, id, &[&string(handle), &offset.to_be_bytes(), &string(bytes)])
}

/// A request of one path (and nothing, or empty attributes, behind it).
pub(crate) fn of_path(kind: u8, id: u32, path: &str) -> Vec<u8> {
    let attributes = 0_u32.to_be_bytes();
    let tail: &[u8] = if matches!(kind, 9 | 14) { &attributes } else { &[] };
    with_id(kind, id, &[&string(path.as_bytes()), tail])
}

pub(crate) fn of_paths(kind: u8, id: u32, one: &str, other: &str) -> Vec<u8> {
    with_id(kind, id, &[&string(one.as_bytes()), &string(other.as_bytes())])
}

pub(crate) fn extended(id: u32, name: &str, fields: &[u8]) -> Vec<u8> {
    with_id(200, id, &[&string(name.as_bytes()), fields])
}

pub(crate) fn status(id: u32, code: u32) -> Vec<u8> {
    with_id(101, id, &[&code.to_be_bytes(), &string(b"words"), &string(b"en")])
}

pub(crate) fn handle(id: u32, handle: &[u8]) -> Vec<u8> {
    with_id(102, id, &[&string(handle)])
}

pub(crate) fn data(id: u32, bytes: &[u8]) -> Vec<u8> {
    with_id(103, id, &[&string(bytes)])
}

pub(crate) fn name(id: u32, names: &[&str]) -> Vec<u8> {
    let mut fields = (names.len() as u32).to_be_bytes().to_vec();
    for name in names {
        fields.extend(string(name.as_bytes()));
        fields.extend(string(name.as_bytes()));
        fields.extend(0_u32.to_be_bytes());
    }
    with_id(104, id, &[&fields])
}

pub(crate) fn attrs(id: u32, size: u64) -> Vec<u8> {
    with_id(105, id, &[&1_u32.to_be_bytes(), &size.to_be_bytes()])
}

/// Splits a stream into packets by their lengths; the last one may be cut short.
pub(crate) fn split(stream: &[u8]) -> Vec<&[u8]> {
    let mut packets = Vec::new();
    let mut rest = stream;
    while let Some(length) = rest.first_chunk::<4>() {
        let whole = 4_usize.saturating_add(u32::from_be_bytes(*length) as usize).min(rest.len());
        packets.push(&rest[..whole]);
        rest = &rest[whole..];
    }
    if !rest.is_empty() {
        packets.push(rest);
    }
    packets
}

pub(crate) fn kind(packet: &[u8]) -> u8 {
    packet.get(4).copied().unwrap_or_default()
}

pub(crate) fn id(packet: &[u8]) -> u32 {
    packet.get(5..9).map_or(0, |id| u32::from_be_bytes(id.try_into().unwrap()))
}
