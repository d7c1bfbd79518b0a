//! One channel of a recording as an asciicast, to be watched in a player.
//!
//! Formats: <https://docs.asciinema.org/manual/asciicast/v2/> and <https://docs.asciinema.org/manual/asciicast/v3/>.

use std::{
    io::{Read, Write},
    time::Duration,
};

use serde_json::{Value, json};

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
        if frame.channel == channel {
            cast.frame(&frame, notices)?;
        }
    }
    cast.finish()
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
        let header = match (self.version, &self.term) {
            (Version::V2, None) => json!({"version": 2, "width": columns, "height": rows, "timestamp": self.timestamp}),
            (Version::V2, Some(term)) => {
                json!({"version": 2, "width": columns, "height": rows, "timestamp": self.timestamp, "env": {"TERM": term}})
            }
            (Version::V3, None) => {
                json!({"version": 3, "term": {"cols": columns, "rows": rows}, "timestamp": self.timestamp})
            }
            (Version::V3, Some(term)) => {
                json!({"version": 3, "term": {"cols": columns, "rows": rows, "type": term}, "timestamp": self.timestamp})
            }
        };
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
