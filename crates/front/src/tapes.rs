//! The gateway's tapes, written as encrypted recordings under a key that front forgets at the end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use envelope::SealingKey;
use gateway_ssh::tape::{Anchor, Direction, Draft, Frame, Kind, Syncing, Tape, TapeError, Tapes};
use recorder::body;
use recorder::{Draft as RecordingDraft, PendingSync, Recipients, Reserve, Writer};

use crate::clock::wall;
use crate::line::Line;

/// Makes recordings in `live`, sealed to whom engine's setup names.
#[derive(Debug, Clone)]
pub(crate) struct Recordings {
    pub(crate) line: Line,
    pub(crate) live: PathBuf,
    pub(crate) reserve: Arc<Reserve>,
}

impl Tapes for Recordings {
    fn draft(&self, session: &str) -> Result<Box<dyn Draft>, TapeError> {
        let setup =
            self.line.setup().ok_or_else(|| TapeError("engine has not said to whom recordings are sealed".into()))?;
        let key = SealingKey::from_bytes(setup.reading_key.bytes()).map_err(fault)?;
        let mut recipients = Recipients::new(key);
        for (n, recipient) in setup.age_recipients.iter().enumerate() {
            recipients = recipients.with_age(&format!("auditor-{}", n + 1), recipient).map_err(fault)?;
        }
        let draft = RecordingDraft::new(session.to_owned(), setup.origin.clone(), wall().micros(), &recipients)
            .map_err(fault)?;
        Ok(Box::new(Prepared { draft, live: self.live.clone(), reserve: self.reserve.clone() }))
    }
}

fn fault(error: impl std::fmt::Display) -> TapeError {
    TapeError(error.to_string())
}

struct Prepared {
    draft: RecordingDraft,
    live: PathBuf,
    reserve: Arc<Reserve>,
}

impl Draft for Prepared {
    fn header_hash(&self) -> [u8; 32] {
        *self.draft.header_hash().as_bytes()
    }

    fn begin(self: Box<Self>) -> Result<Box<dyn Tape>, TapeError> {
        let writer = self.draft.create(&self.live).map_err(fault)?;
        Ok(Box::new(Written { writer, at: Duration::ZERO, reserve: self.reserve }))
    }
}

struct Written {
    writer: Writer,
    at: Duration,
    reserve: Arc<Reserve>,
}

impl Tape for Written {
    fn frame(&mut self, frame: &Frame) -> Result<(), TapeError> {
        self.at = frame.at;
        let (kind, direction, bytes) = translate(frame);
        self.writer.frame(kind, frame.channel, direction, frame.at, &bytes).map(|_| ()).map_err(fault)
    }

    /// What came since is sealed now, so that a synced second can be read back after a crash; the disk is waited for elsewhere.
    fn sync(&mut self) -> Result<Syncing, TapeError> {
        let _wrote_or_nothing_new = self.writer.seal().map_err(fault)?;
        let anchor = self.writer.anchor();
        let pending = self.writer.sync_later().map_err(fault)?;
        Ok(Box::new(move || pending.map_or(Ok(anchor), PendingSync::wait).map(told).map_err(fault)))
    }

    fn close(&mut self) -> Result<Anchor, TapeError> {
        // A full disk must not keep a recording from being ended: that is what the reserve is for.
        let closed = self
            .writer
            .close(self.at)
            .or_else(|_| self.reserve.release().and_then(|()| self.writer.close(self.at)))
            .map_err(fault)?;
        Ok(told(closed.anchor))
    }
}

fn told(anchor: recorder::Anchor) -> Anchor {
    Anchor { chunks: anchor.chunks, hash: *anchor.chain.as_bytes() }
}

/// The gateway's words in the recording's.
fn translate(frame: &Frame) -> (recorder::Kind, recorder::Direction, std::borrow::Cow<'_, [u8]>) {
    use recorder::Kind as To;
    let as_is = std::borrow::Cow::Borrowed(frame.bytes.as_ref());
    let direction = match (frame.kind, frame.direction) {
        (Kind::ErrorOutput, _) => recorder::Direction::Err,
        (_, Direction::FromClient) => recorder::Direction::In,
        (_, Direction::FromTarget | Direction::Gateway) => recorder::Direction::Out,
    };
    let kind = match frame.kind {
        Kind::Output | Kind::ErrorOutput | Kind::Input => To::Data,
        Kind::Resize => return (To::Resize, direction, window(&frame.bytes).into()),
        Kind::Terminal => return (To::Pty, direction, pty(&frame.bytes).into()),
        Kind::Shell => To::Shell,
        Kind::Exec => To::Exec,
        Kind::Env => return (To::Env, direction, env(&frame.bytes).into()),
        Kind::Signal => To::Signal,
        Kind::ExitStatus => To::ExitStatus,
        Kind::ExitSignal => return (To::ExitSignal, direction, exit_signal(&frame.bytes).into()),
        Kind::Eof => To::Eof,
        Kind::Opened => To::Open,
        Kind::Closed => To::Close,
        Kind::Notice => To::Notice,
        Kind::Frozen => To::Frozen,
        Kind::Thawed => To::Thawed,
        Kind::Subsystem => To::Subsystem,
        Kind::File => To::Event,
        Kind::Forwarded => return (To::Event, direction, forwarded(&frame.bytes).into()),
        Kind::Refused => return (To::Event, direction, event("refused", &frame.bytes).into()),
        Kind::End => return (To::Event, direction, event("end", &frame.bytes).into()),
    };
    (kind, direction, as_is)
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes)
}

fn window(bytes: &[u8]) -> Vec<u8> {
    body::Window { columns: number(bytes, 0), rows: number(bytes, 4), width_px: 0, height_px: 0 }.encode().to_vec()
}

fn pty(bytes: &[u8]) -> Vec<u8> {
    let window = body::Window { columns: 0, rows: 0, width_px: 0, height_px: 0 };
    body::Pty { window, term: bytes }.encode()
}

fn env(bytes: &[u8]) -> Vec<u8> {
    let split = bytes.iter().position(|b| *b == b'=').unwrap_or(bytes.len());
    let (name, value) = bytes.split_at(split);
    body::Env { name, value: value.get(1..).unwrap_or_default() }.encode()
}

fn exit_signal(bytes: &[u8]) -> Vec<u8> {
    body::ExitSignal { core: body::Core::NotDumped, signal: bytes, message: &[] }.encode()
}

fn forwarded(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let mut words = text.rsplitn(3, ' ');
    let (from_target, to_target) = (words.next().map(str::parse::<u64>), words.next().map(str::parse::<u64>));
    let (from_target, to_target) = (from_target.and_then(Result::ok), to_target.and_then(Result::ok));
    let event = serde_json::json!({
        "event": "forwarded", "to": words.next(), "bytes_to_target": to_target, "bytes_from_target": from_target,
    });
    event.to_string().into_bytes()
}

fn event(what: &str, bytes: &[u8]) -> Vec<u8> {
    let event = serde_json::json!({ "event": what, "code": String::from_utf8_lossy(bytes) });
    event.to_string().into_bytes()
}
