//! A warning comes while a full-screen program is open: it is read, and then the screen is as it was.

use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use e2e::{World, text};
use russh::ChannelMsg;
use russh::client::{Handle, Msg};
use testkit::process::{PATIENCE, now};

use crate::client::{Trusting, log_in};

/// The warning of the last minute comes so long after the grant began that every program is up by then.
const GRANT: &str = "80s";
const ROWS: NonZero<u16> = NonZero::new(24).unwrap();
const COLUMNS: NonZero<u16> = NonZero::new(80).unwrap();
/// So long nothing has come: the program has drawn what it wanted to.
const STILL: Duration = Duration::from_secs(2);
const WARNING: &str = "this session ends in 1 min";

/// What one channel showed.
#[derive(Default)]
struct Shown {
    output: Vec<u8>,
    errors: Vec<u8>,
    last: Option<std::time::Instant>,
}

struct Seat {
    program: &'static str,
    shown: Arc<Mutex<Shown>>,
    keys: russh::ChannelWriteHalf<Msg>,
}

/// What a person sees: text and colours, where the cursor is and whether it is hidden.
fn screen(output: &[u8]) -> vt100::Screen {
    let mut terminal = vt100::Parser::new(ROWS, COLUMNS, 0);
    terminal.process(output);
    terminal.screen().clone()
}

fn looks(screen: &vt100::Screen) -> (Vec<String>, (u16, u16), bool, bool) {
    (
        screen.rows_formatted(0, COLUMNS.get()).collect(),
        screen.cursor_position(),
        screen.hide_cursor(),
        screen.alternate_screen(),
    )
}

impl Seat {
    async fn start(handle: &Handle<Trusting>, program: &'static str, command: String) -> Self {
        let channel = handle.channel_open_session().await.unwrap();
        channel.request_pty(true, "xterm-256color", COLUMNS.get().into(), ROWS.get().into(), 0, 0, &[]).await.unwrap();
        Self::follow(channel, program, command).await
    }

    async fn follow(channel: russh::Channel<Msg>, program: &'static str, command: String) -> Self {
        channel.exec(true, command).await.unwrap();
        let (mut from, keys) = channel.split();
        let shown = Arc::new(Mutex::new(Shown::default()));
        let kept = shown.clone();
        tokio::spawn(async move {
            while let Some(message) = from.wait().await {
                let mut kept = kept.lock().unwrap();
                kept.last = Some(now());
                match message {
                    ChannelMsg::Data { data } => kept.output.extend_from_slice(&data),
                    ChannelMsg::ExtendedData { data, .. } => kept.errors.extend_from_slice(&data),
                    _ => {}
                }
            }
        });
        Self { program, shown, keys }
    }

    async fn types(&self, keys: &str) {
        self.keys.data_bytes(keys.as_bytes().to_vec()).await.unwrap();
    }

    fn output(&self) -> Vec<u8> {
        self.shown.lock().unwrap().output.clone()
    }

    fn was_warned(&self) -> bool {
        text(&self.output()).contains(WARNING)
    }

    /// The screen once it shows `what` and has come to rest.
    async fn rests(&self, what: &str) -> vt100::Screen {
        let begun = now();
        loop {
            let still = self.shown.lock().unwrap().last.is_some_and(|last| last.elapsed() > STILL);
            let screen = screen(&self.output());
            if still && screen.contents().contains(what) {
                return screen;
            }
            assert!(begun.elapsed() < PATIENCE, "{}: no `{what}` at rest:\n{}", self.program, screen.contents());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn is_warned(&self) {
        let begun = now();
        while !self.was_warned() {
            assert!(begun.elapsed() < PATIENCE, "{}: no warning", self.program);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_warning_vim_less_and_tmux_look_as_before_and_a_pipe_gets_none() {
    let world = World::new();
    let file = world.dir.join("notes");
    let lines: String = (1..=200).map(|n| format!("line {n} of the notes\n")).collect();
    std::fs::write(&file, lines).unwrap();
    let tmux_conf = world.dir.join("tmux.conf");
    // Without the clock in its status line, which changes by itself.
    std::fs::write(&tmux_conf, "set -g status-right ''\nset -g status-left 'gate '\n").unwrap();
    world.granted(GRANT);
    let (handle, _under) = log_in(&world).await;
    let file = file.display();
    let vim = Seat::start(&handle, "vim", format!("exec vim -N -u NONE -i NONE -n --cmd 'syntax off' '{file}'")).await;
    let less = Seat::start(&handle, "less", format!("exec less '{file}'")).await;
    let socket = world.dir.join("tmux.socket");
    let tmux =
        format!("exec tmux -S '{}' -f '{}' new-session \"less '{file}'\"", socket.display(), tmux_conf.display());
    let tmux = Seat::start(&handle, "tmux", tmux).await;
    let pipe = handle.channel_open_session().await.unwrap();
    let pipe = Seat::follow(pipe, "pipe", "for n in $(seq 1 600); do echo $n; sleep 0.1; done".to_owned()).await;
    for seat in [&vim, &less, &tmux] {
        seat.rests("line 1 of the notes").await;
    }
    // Somewhere in the middle, vim in the middle of a word that is not saved.
    vim.types("100Gzz3wiunsaved ").await;
    less.types("100g").await;
    tmux.types("100g").await;
    let before = [
        vim.rests("line 100 of unsaved the notes").await,
        less.rests("line 100 of the notes").await,
        tmux.rests("line 100 of the notes").await,
    ];
    for seat in [&vim, &less, &tmux] {
        assert!(!seat.was_warned(), "{} came up too late to see the warning come", seat.program);
    }
    for (seat, before) in [&vim, &less, &tmux].into_iter().zip(&before) {
        seat.is_warned().await;
        let after = seat.rests("line 101 of the notes").await;
        assert!(!after.contents().contains(WARNING), "{}: the warning stays:\n{}", seat.program, after.contents());
        assert_eq!(after.contents(), before.contents(), "{}", seat.program);
        assert_eq!(looks(&after), looks(before), "{}", seat.program);
    }
    let piped = pipe.shown.lock().unwrap();
    let numbers: String = (1..=text(&piped.output).lines().count()).map(|n| format!("{n}\n")).collect();
    assert_eq!(text(&piped.output), numbers, "bytes that the program did not write");
    assert!(!text(&piped.errors).contains("ends in"), "{}", text(&piped.errors));
    assert!(text(&piped.errors).contains("recorded"), "the notice at the beginning: {}", text(&piped.errors));
}
