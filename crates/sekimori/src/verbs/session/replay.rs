//! `sekimori session replay|export`: a recording as its person saw it.

use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use recorder::asciicast::Version;
use recorder::text::Notices;
use recorder::{Direction, Frame, Kind, asciicast, text};

use super::ExportArgs;
use super::fetch::{Fetched, fails, fetch};
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::files::{self, Readers};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    session: String,
    /// What you open it for
    #[arg(long)]
    purpose: String,
    /// How many times as fast
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// As fast as it can be written
    #[arg(long, conflicts_with = "speed")]
    no_wait: bool,
    /// The channel to watch; the first with output unless given
    #[arg(long)]
    channel: Option<u32>,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed: &f64| (0.01..=1_000.0).contains(speed));
    speed.ok_or_else(|| "a speed is a number from 0.01 to 1000".to_owned())
}

pub(super) fn run(args: &Args, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let fetched = fetch(&args.session, &args.purpose, &mut caller, desk)?;
    let channel = match args.channel {
        Some(channel) => channel,
        None => first_shown(&fetched)?,
    };
    let mut reader = fetched.reader()?;
    let mut shown = Duration::ZERO;
    while let Some(frame) = reader.next_frame().map_err(|error| fails(fetched.session, &error))? {
        if frame.channel != channel || !is_shown(&frame) {
            continue;
        }
        if !args.no_wait {
            desk.pause(frame.at.saturating_sub(shown).div_f64(args.speed));
        }
        shown = frame.at;
        desk.screen().bytes(frame.bytes);
    }
    desk.note("say-replay-over", &[]);
    Ok(())
}

pub(super) fn export(args: &ExportArgs, desk: &mut Desk<'_>) -> Outcome<()> {
    if args.out.exists() {
        return Err(Failure::FileExists { path: files::shown(&args.out) });
    }
    let mut caller = desk.call()?;
    let fetched = fetch(&args.session, &args.purpose, &mut caller, desk)?;
    if args.recording {
        return as_it_is(&args.out, &fetched, desk);
    }
    let channel = match args.channel {
        Some(channel) => channel,
        None => first_shown(&fetched)?,
    };
    let mut reader = fetched.reader()?;
    let mut out = BufWriter::new(Vec::new());
    let exported = if args.asciicast {
        asciicast::export(&mut reader, channel, Version::V2, Notices::Shown, &mut out)
    } else {
        text::export(&mut reader, channel, Notices::Shown, &mut out)
    };
    exported.map_err(|error| fails(fetched.session, &error))?;
    let bytes = out.into_inner().map_err(|error| fails(fetched.session, &error))?;
    files::create(&args.out, &bytes, Readers::Owner)?;
    let written =
        serde_json::json!({ "session": fetched.session, "permit": fetched.permit, "file": files::shown(&args.out) });
    desk.answer(&written, |desk| desk.say("say-exported", &[("path", files::shown(&args.out).into())]));
    Ok(())
}

/// The file and its anchors, which only together say how far the ledger binds it.
fn as_it_is(out: &Path, fetched: &Fetched, desk: &mut Desk<'_>) -> Outcome<()> {
    let beside = anchors_file(out);
    let proofs: Vec<_> = fetched.anchors.iter().map(|anchor| anchor.proof.clone()).collect();
    files::create(&beside, tegata::anchors::to_file(&fetched.session, &proofs).as_bytes(), Readers::Owner)?;
    files::copy(fetched.path(), out, Readers::Owner)?;
    let (path, anchors) = (files::shown(out), files::shown(&beside));
    let written =
        serde_json::json!({ "session": fetched.session, "permit": fetched.permit, "file": path, "anchors": anchors });
    desk.answer(&written, |desk| {
        desk.say("say-recording-exported", &[("path", path.as_str().into()), ("anchors", anchors.as_str().into())])
    });
    Ok(())
}

/// `OUT.anchors` beside `OUT`.
pub(super) fn anchors_file(recording: &Path) -> PathBuf {
    let mut name = recording.as_os_str().to_owned();
    name.push(".anchors");
    name.into()
}

/// The first channel on which the person saw something.
fn first_shown(fetched: &Fetched) -> Outcome<u32> {
    let mut reader = fetched.reader()?;
    while let Some(frame) = reader.next_frame().map_err(|error| fails(fetched.session, &error))? {
        if is_shown(&frame) {
            return Ok(frame.channel);
        }
    }
    Ok(0)
}

fn is_shown(frame: &Frame<'_>) -> bool {
    let is_output = matches!(frame.direction, Direction::Out | Direction::Err);
    is_output && matches!(frame.kind(), Some(Kind::Data | Kind::Notice))
}
