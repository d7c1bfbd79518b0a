//! One channel of a recording as an asciicast, to be watched in a player.
//!
//! Formats: <https://docs.asciinema.org/manual/asciicast/v2/> and <https://docs.asciinema.org/manual/asciicast/v3/>.

use std::{
    io::{Read, Write},
    time::Duration,
};

use serde::Serialize;
use serde_json::Value;

use crate::{
    Direction, Error, Frame, Kind, Reader, Result,
    body::{ExitStatus, Pty, Window},
    text::{Notices, Utf8},
};

/// Which asciicast to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Times since the start; known to every player.
    V2,
    /// Times since the event before; knows the exit status.
    V3,
}

/// A session without a terminal is shown in this size.
const WINDOW: Window = Window { columns: 80, rows: 24, width_px: 0, height_px: 0 };

/// Writes what the person at `channel` saw, and typed where that was recorded.
///
/// # Errors
/// What [`Reader::next_frame`] finds wrong, [`Error::Export`]. What was written before the error stands.
pub fn export<R: Read>(
    reader: &mut Reader<R>,
    channel: u32,
    version: Version,
    notices: Notices,
    out: &mut impl Write,
) -> Result<()> {
    let timestamp = reader.header().started_us().div_euclid(1_000_000);
    let mut cast = Cast::new(version, timestamp, out);
    while let Some(frame) = reader.next_frame()? {
        if frame.channel == channel || concerns_all_channels(&frame) {
            cast.frame(&frame, notices)?;
        }
    }
    cast.finish()
}

/// A freeze is of the session, whichever channel it was recorded on.
fn concerns_all_channels(frame: &Frame<'_>) -> bool {
    matches!(frame.kind(), Some(Kind::Frozen | Kind::Thawed))
}

struct Cast<'a, W> {
    version: Version,
    timestamp: i64,
    out: &'a mut W,
    stage: Stage,
    window: Window,
    term: Option<String>,
    /// When the event before was, as it was written.
    last: Duration,
    shown: Utf8,
    typed: Utf8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The header waits for the first event, so that it can tell the terminal's size.
    AwaitingEvent,
    Events,
}

impl<'a, W: Write> Cast<'a, W> {
    fn new(version: Version, timestamp: i64, out: &'a mut W) -> Self {
        let (shown, typed) = (Utf8::default(), Utf8::default());
        let (stage, last) = (Stage::AwaitingEvent, Duration::ZERO);
        Self { version, timestamp, out, stage, window: WINDOW, term: None, last, shown, typed }
    }

    fn frame(&mut self, frame: &Frame<'_>, notices: Notices) -> Result<()> {
        if notices.take(frame) {
            let mut text = String::new();
            self.shown.feed(frame.bytes, &mut text);
            return self.text_event(frame.at, "o", &text);
        }
        match frame.kind() {
            Some(Kind::Data) if frame.direction == Direction::In => {
                let mut text = String::new();
                self.typed.feed(frame.bytes, &mut text);
                self.text_event(frame.at, "i", &text)
            }
            Some(Kind::Pty) => Pty::decode(frame.bytes).map_or(Ok(()), |pty| self.pty(frame.at, &pty)),
            Some(Kind::Resize) => Window::decode(frame.bytes).map_or(Ok(()), |window| self.resize(frame.at, window)),
            Some(Kind::Frozen) => self.event(frame.at, "m", "frozen"),
            Some(Kind::Thawed) => self.event(frame.at, "m", "thawed"),
            Some(Kind::ExitStatus) if self.version == Version::V3 => match ExitStatus::decode(frame.bytes) {
                Some(ExitStatus(status)) => self.event(frame.at, "x", &status.to_string()),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn pty(&mut self, at: Duration, pty: &Pty<'_>) -> Result<()> {
        if self.stage == Stage::AwaitingEvent {
            self.term = Some(String::from_utf8_lossy(pty.term).into_owned());
        }
        self.resize(at, pty.window)
    }

    fn resize(&mut self, at: Duration, window: Window) -> Result<()> {
        self.window = window;
        match self.stage {
            Stage::AwaitingEvent => Ok(()),
            Stage::Events => self.event(at, "r", &format!("{}x{}", window.columns, window.rows)),
        }
    }

    fn text_event(&mut self, at: Duration, code: &str, text: &str) -> Result<()> {
        if text.is_empty() { Ok(()) } else { self.event(at, code, text) }
    }

    fn event(&mut self, at: Duration, code: &str, data: &str) -> Result<()> {
        self.header_once()?;
        let time = match self.version {
            Version::V2 => at,
            Version::V3 => at.saturating_sub(self.last),
        };
        self.last = at;
        let data = Value::from(data);
        writeln!(self.out, "[{}.{:06}, \"{code}\", {data}]", time.as_secs(), time.subsec_micros())
            .map_err(Error::Export)
    }

    fn header_once(&mut self) -> Result<()> {
        if self.stage == Stage::Events {
            return Ok(());
        }
        self.stage = Stage::Events;
        let Window { columns, rows, .. } = self.window;
        let (timestamp, term) = (self.timestamp, self.term.as_deref());
        let header = match self.version {
            Version::V2 => {
                let env = term.map(|term| Env { term });
                serde_json::to_string(&HeaderV2 { version: 2, width: columns, height: rows, timestamp, env })
            }
            Version::V3 => {
                let term = Term { cols: columns, rows, kind: term };
                serde_json::to_string(&HeaderV3 { version: 3, term, timestamp })
            }
        };
        let header = header.expect("numbers and strings always become JSON");
        writeln!(self.out, "{header}").map_err(Error::Export)
    }

    fn finish(mut self) -> Result<()> {
        let (mut shown, mut typed) = (String::new(), String::new());
        self.shown.finish(&mut shown);
        self.typed.finish(&mut typed);
        self.text_event(self.last, "o", &shown)?;
        self.text_event(self.last, "i", &typed)?;
        self.header_once()
    }
}

#[derive(Serialize)]
struct HeaderV2<'a> {
    version: u8,
    width: u32,
    height: u32,
    timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    env: Option<Env<'a>>,
}

#[derive(Serialize)]
struct Env<'a> {
    #[serde(rename = "TERM")]
    term: &'a str,
}

#[derive(Serialize)]
struct HeaderV3<'a> {
    version: u8,
    term: Term<'a>,
    timestamp: i64,
}

#[derive(Serialize)]
struct Term<'a> {
    cols: u32,
    rows: u32,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
}
