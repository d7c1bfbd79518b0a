//! Carries one channel between client and target: what is asked, what is typed, what is shown, how it ends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use russh::server::{Handle, Msg};
use russh::{ChannelId, ChannelWriteHalf, Pty, Sig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use crate::authorise::{Ask, Verdict, Why, authorise};
use crate::clock::BootTime;
use crate::connection::{Session, Stage};
use crate::files::{self, Files};
use crate::gate::{ControlAsk, EndReason, Gate, RecordInput, Refusal};
use crate::inbox::{Event, Inbox, join_small};
use crate::masking::{MASK, Masker};
use crate::notice::{self, Screen};
use crate::seam::Seam;
use crate::server::Shared;
use crate::sessions::ChannelCount;
use crate::tape::{Direction, Kind};
use crate::target::{Down, FarEnd, signal_name};

/// For words of ours, and for closing, towards somebody who may not read.
const WORDS_WITHIN: Duration = Duration::from_millis(250);
/// Between the two sizes a terminal is told so that programs draw their screen again.
const REDRAW_PAUSE: Duration = Duration::from_millis(100);
/// How long the end of the output waits for the exit status. OpenSSH closes a channel whose both directions have ended, russh answers at once,
/// and a status that comes later has nowhere to go.
const STATUS_WAIT: Duration = Duration::from_millis(500);
/// Read from engine's API at a time.
const CONTROL_PIECE: usize = 16 << 10;

/// The client's side of a channel.
pub(crate) struct ClientEnd {
    pub(crate) id: ChannelId,
    /// The gateway's own number for it, from 1.
    pub(crate) number: u32,
    pub(crate) write: ChannelWriteHalf<Msg>,
    pub(crate) handle: Handle,
    pub(crate) up: Arc<Inbox<Up>>,
    pub(crate) wishes: Arc<Inbox<Wish>>,
    /// Rung once, when the client has closed the channel.
    pub(crate) gone: Arc<Notify>,
}

/// What a client sends on a channel.
#[derive(Debug)]
pub(crate) enum Up {
    Data(Vec<u8>),
    Eof,
}

impl Event for Up {
    fn bytes(&self) -> usize {
        match self {
            Self::Data(data) => data.len(),
            Self::Eof => 0,
        }
    }

    fn join(&mut self, next: &Self) -> bool {
        match (self, next) {
            (Self::Data(before), Self::Data(next)) => join_small(before, next),
            _ => false,
        }
    }
}

/// What a client asks for on a channel.
#[derive(Debug)]
pub(crate) enum Wish {
    Terminal {
        term: String,
        size: Size,
        modes: Vec<(Pty, u32)>,
    },
    Env {
        name: String,
        value: String,
    },
    Start(Start),
    Resize(Size),
    Signal(Sig),
    /// Our own: have the programs on the target draw their screen again.
    Redraw,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    Shell,
    Exec(Vec<u8>),
    Subsystem(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: u32,
    pub(crate) rows: u32,
    pub(crate) pixel_width: u32,
    pub(crate) pixel_height: u32,
}

impl Size {
    fn recorded(self) -> Bytes {
        [self.columns.to_be_bytes(), self.rows.to_be_bytes()].concat().into()
    }
}

impl Event for Wish {
    fn bytes(&self) -> usize {
        match self {
            Self::Terminal { term, modes, .. } => term.len() + modes.len() * size_of::<(Pty, u32)>(),
            Self::Env { name, value } => name.len() + value.len(),
            Self::Start(Start::Exec(command)) => command.len(),
            Self::Start(Start::Subsystem(name)) => name.len(),
            Self::Start(Start::Shell) | Self::Resize(_) | Self::Signal(_) | Self::Redraw => 0,
        }
    }

    /// Only the last size matters.
    fn join(&mut self, next: &Self) -> bool {
        match (self, next) {
            (Self::Resize(size), Self::Resize(next)) => {
                *size = *next;
                true
            }
            _ => false,
        }
    }
}

/// Carries a channel from its opening to its close.
pub(crate) async fn carry<G: Gate>(end: ClientEnd, mut stage: watch::Receiver<Stage>, shared: Arc<Shared<G>>) {
    let stage = tokio::select! {
        () = end.gone.notified() => return,
        stage = stage.wait_for(|stage| !matches!(stage, Stage::AwaitingPassage)) => match stage {
            Ok(stage) => stage.clone(),
            Err(_) => return,
        },
    };
    match stage {
        Stage::AwaitingPassage => {}
        Stage::Refused(refusal) => tokio::select! {
            () = end.gone.notified() => {}
            () = refuse(&end, &refusal) => {}
        },
        Stage::Control { key, source } => tokio::select! {
            () = end.gone.notified() => {}
            () = control(&end, |command| ControlAsk { key, source, command }, &shared.gate) => {}
        },
        Stage::Open(session) => Passing::new(end, session).pass().await,
    }
}

/// Waits for what the client wants to start; tells whether it has a terminal.
async fn wanted(end: &ClientEnd) -> (Start, Screen) {
    let mut screen = Screen::Pipe;
    loop {
        match end.wishes.pop().await.event {
            Wish::Terminal { .. } => screen = Screen::Terminal,
            Wish::Start(start) => return (start, screen),
            Wish::Env { .. } | Wish::Resize(_) | Wish::Signal(_) | Wish::Redraw => {}
        }
    }
}

/// Shows a refusal where the output would have been.
async fn refuse(end: &ClientEnd, refusal: &Refusal) {
    let (_start, screen) = wanted(end).await;
    end.answer(Answer::Success).await;
    end.say(screen, notice::refusal(screen, refusal)).await;
    end.exit(refusal.exit).await;
}

/// Connects a `sekimori …` command to engine's API.
async fn control<G: Gate>(end: &ClientEnd, ask: impl FnOnce(String) -> ControlAsk, gate: &G) {
    let (start, screen) = wanted(end).await;
    let command = match start {
        Start::Exec(command) => String::from_utf8(command).ok().filter(|c| c.split(' ').next() == Some("sekimori")),
        Start::Shell | Start::Subsystem(_) => None,
    };
    let Some(command) = command else {
        end.answer(Answer::Success).await;
        end.say(screen, notice::lines(screen, [notice::control_only()])).await;
        return end.exit(1).await;
    };
    let stream = gate.control(ask(command)).await;
    end.answer(Answer::Success).await;
    match stream {
        Err(refusal) => {
            end.say(screen, notice::refusal(screen, &refusal)).await;
            end.exit(refusal.exit).await;
        }
        Ok(stream) => {
            pipe(end, stream).await;
            end.exit(0).await;
        }
    }
}

async fn pipe(end: &ClientEnd, stream: Box<dyn crate::gate::ControlStream>) {
    let (mut from_engine, mut to_engine) = tokio::io::split(stream);
    let up = async {
        loop {
            let sent = match end.up.pop().await.event {
                Up::Data(data) => to_engine.write_all(&data).await,
                Up::Eof => to_engine.shutdown().await,
            };
            if sent.is_err() {
                break std::future::pending::<()>().await;
            }
        }
    };
    let down = async {
        let mut piece = vec![0; CONTROL_PIECE];
        while let Ok(some @ 1..) = from_engine.read(&mut piece).await {
            let bytes = Bytes::copy_from_slice(piece.get(..some).expect("a read fills no more than its buffer"));
            if end.write.data_bytes(bytes).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

/// An answer to a channel request.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Success,
    Failure,
}

impl ClientEnd {
    /// russh sends it only where the client asked for an answer. An error means that the client is gone, which ends this by other ways.
    async fn answer(&self, answer: Answer) {
        let _sent = match answer {
            Answer::Success => self.handle.channel_success(self.id).await,
            Answer::Failure => self.handle.channel_failure(self.id).await,
        };
    }

    /// Words of our own: on a terminal where the output is, else with the errors, so that nothing that reads the output stumbles.
    async fn say(&self, screen: Screen, words: Vec<u8>) {
        let _in_time = match screen {
            Screen::Terminal => timeout(WORDS_WITHIN, self.write.data_bytes(words)).await,
            Screen::Pipe => timeout(WORDS_WITHIN, self.write.extended_data_bytes(1, words)).await,
        };
    }

    async fn exit(&self, status: u32) {
        let exit = async {
            self.write.eof().await?;
            self.write.exit_status(status).await?;
            self.write.close().await
        };
        let _in_time = timeout(WORDS_WITHIN, exit).await;
    }

    async fn close(&self) {
        let _in_time = timeout(WORDS_WITHIN, self.write.close()).await;
    }
}

/// How the carrying came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    ClientClosed,
    TargetClosed,
    TargetDeparted,
    TargetDeclined,
    SessionOver,
    Refused(Why),
    HeldOthersUp,
}

/// Why a pump cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The recording or the session is over; who watches the session ends it.
    AwaitEnd,
    HeldOthersUp,
}

/// A channel with a passage open for it.
struct Passing {
    end: ClientEnd,
    session: Arc<Session>,
    /// The terminal's size, where there is one.
    screen: Mutex<Option<Size>>,
    /// Has the client said that it will send no more?
    client_ended: AtomicBool,
    files: Mutex<Files>,
    /// The gate's own answers to a file transfer's requests, for whoever carries down what the target says.
    answers: Mutex<VecDeque<Bytes>>,
    answered: Notify,
    /// Why a file transfer cannot go on.
    unreadable: Mutex<Option<String>>,
}

impl Passing {
    fn new(end: ClientEnd, session: Arc<Session>) -> Self {
        Self {
            end,
            session,
            screen: Mutex::new(None),
            client_ended: AtomicBool::new(false),
            files: Mutex::new(Files::Unknown),
            answers: Mutex::default(),
            answered: Notify::new(),
            unreadable: Mutex::default(),
        }
    }

    async fn pass(self) {
        let live = self.session.live.clone();
        let _count = ChannelCount::of(live.clone());
        let far = tokio::select! {
            biased;
            () = live.over() => return self.conclude(Outcome::SessionOver).await,
            () = self.end.gone.notified() => return,
            far = self.session.target.open_channel() => far,
        };
        let Ok(far) = far else {
            let outcome =
                if self.session.target.is_departed() { Outcome::TargetDeparted } else { Outcome::TargetDeclined };
            return self.conclude(outcome).await;
        };
        self.note(Kind::Opened, Direction::FromClient, Bytes::from_static(b"session")).await;
        let outcome = tokio::select! {
            biased;
            () = live.over() => Outcome::SessionOver,
            () = self.end.gone.notified() => Outcome::ClientClosed,
            outcome = self.converse(&far) => outcome,
        };
        let _in_time = timeout(WORDS_WITHIN, self.note_open_files()).await;
        self.conclude(outcome).await;
        far.close(WORDS_WITHIN).await;
        let _in_time = timeout(WORDS_WITHIN, self.note(Kind::Closed, Direction::Gateway, Bytes::new())).await;
    }

    /// Files that were still open, and requests that will not be answered any more, however the channel came to its end.
    async fn note_open_files(&self) {
        let open = hold(&self.files).end();
        for fact in open {
            self.note(Kind::File, Direction::Gateway, fact).await;
        }
    }

    async fn conclude(&self, outcome: Outcome) {
        let language = self.session.language;
        let words = match outcome {
            Outcome::ClientClosed => return,
            Outcome::TargetClosed => None,
            Outcome::TargetDeparted => notice::end(&EndReason::TargetLeft, language),
            Outcome::TargetDeclined => Some(notice::target_declined(language).to_owned()),
            Outcome::SessionOver => self.session.ending.get().and_then(|reason| notice::end(reason, language)),
            Outcome::Refused(why) => Some(notice::why(why, language).to_owned()),
            Outcome::HeldOthersUp => Some(notice::held_others_up(language).to_owned()),
        };
        if matches!(outcome, Outcome::Refused(_)) {
            // OpenSSH leaves without showing the words when it reads a failure; so the start succeeds, and fails.
            self.end.answer(Answer::Success).await;
        }
        if let Some(words) = words {
            let screen = self.screen();
            let mut bytes = notice::lines(screen, [words.as_str()]);
            if screen == Screen::Terminal {
                bytes.splice(..0, notice::LEAVE_SCREEN.iter().copied());
            }
            let note = self.note(Kind::Notice, Direction::Gateway, bytes.clone().into());
            let _in_time = timeout(WORDS_WITHIN, note).await;
            self.end.say(screen, bytes).await;
        }
        match outcome {
            Outcome::Refused(_) => self.end.exit(1).await,
            Outcome::TargetDeclined => {
                self.end.answer(Answer::Failure).await;
                self.end.close().await;
            }
            Outcome::ClientClosed
            | Outcome::TargetClosed
            | Outcome::TargetDeparted
            | Outcome::SessionOver
            | Outcome::HeldOthersUp => self.end.close().await,
        }
    }

    /// Everything between opening and close.
    async fn converse(&self, far: &FarEnd) -> Outcome {
        let started = match self.start(far).await {
            Ok(answers) => answers,
            Err(outcome) => return outcome,
        };
        let masker = Mutex::new(Masker::default());
        let ahead = async {
            let (_up, _wishes) = tokio::join!(self.carry_up(far, &masker), self.carry_wishes(far));
        };
        let down = self.carry_down(far, started, &masker);
        tokio::pin!(down);
        let outcome = tokio::select! {
            outcome = &mut down => outcome,
            // Nothing more comes from the client; the target may still have much to say.
            () = ahead => down.await,
        };
        let rest = masker.lock().unwrap_or_else(PoisonError::into_inner).rest();
        if !rest.is_empty() {
            self.note(Kind::Input, Direction::FromClient, rest.into()).await;
        }
        outcome
    }

    /// Carries out what comes before and with the start; returns which answers the target owes.
    async fn start(&self, far: &FarEnd) -> Result<VecDeque<Owed>, Outcome> {
        let mut owed = VecDeque::new();
        loop {
            let wish = self.end.wishes.pop().await.event;
            self.session.live.may_flow().await.map_err(|_| Outcome::SessionOver)?;
            match wish {
                Wish::Terminal { term, size, modes } => {
                    self.judge(Ask::Terminal).await.map_err(Outcome::Refused)?;
                    self.note(Kind::Terminal, Direction::FromClient, term.clone().into()).await;
                    self.note(Kind::Resize, Direction::FromClient, size.recorded()).await;
                    *self.screen.lock().unwrap_or_else(PoisonError::into_inner) = Some(size);
                    let Size { columns, rows, pixel_width, pixel_height } = size;
                    let asked = far.write.request_pty(true, &term, columns, rows, pixel_width, pixel_height, &modes);
                    asked.await.map_err(|_| Outcome::TargetDeparted)?;
                    owed.push_back(Owed::Terminal);
                }
                Wish::Env { name, value } => {
                    if self.judge(Ask::Env(&name)).await.is_ok() {
                        self.note(Kind::Env, Direction::FromClient, format!("{name}={value}").into()).await;
                        // Without an answer: a late one would be taken for the start's.
                        far.write.set_env(false, name, value).await.map_err(|_| Outcome::TargetDeparted)?;
                    }
                }
                Wish::Start(start) => {
                    self.begin(far, start).await?;
                    owed.push_back(Owed::Start);
                    return Ok(owed);
                }
                Wish::Resize(size) => self.resize(far, size).await,
                Wish::Signal(_) | Wish::Redraw => {}
            }
        }
    }

    async fn begin(&self, far: &FarEnd, start: Start) -> Result<(), Outcome> {
        let ask = match &start {
            Start::Shell => Ask::Shell,
            Start::Exec(command) => files::asked_by(command),
            Start::Subsystem(name) => Ask::Subsystem(name),
        };
        self.judge(ask).await.map_err(Outcome::Refused)?;
        let asked = match start {
            Start::Shell => {
                self.note_before_doing(Kind::Shell, Bytes::new()).await?;
                far.write.request_shell(true).await
            }
            Start::Exec(command) => {
                self.note_before_doing(Kind::Exec, command.clone().into()).await?;
                *hold(&self.files) = Files::of_command(&command);
                far.write.exec(true, command).await
            }
            // The only one that anything allows.
            Start::Subsystem(name) => {
                self.note_before_doing(Kind::Subsystem, name.clone().into()).await?;
                *hold(&self.files) = Files::sftp();
                far.write.request_subsystem(true, name).await
            }
        };
        asked.map_err(|_| Outcome::TargetDeparted)
    }

    async fn judge(&self, ask: Ask<'_>) -> Result<(), Why> {
        match authorise(&self.session.terms, ask) {
            Verdict::Allow => Ok(()),
            Verdict::Refuse(why) => {
                self.session.note_refusal(self.end.number, why).await;
                Err(why)
            }
        }
    }

    /// What is typed or piped in.
    async fn carry_up(&self, far: &FarEnd, masker: &Mutex<Masker>) -> Option<()> {
        loop {
            let taken = self.end.up.pop().await;
            self.session.live.may_flow().await.ok()?;
            match taken.event {
                Up::Data(data) => {
                    self.record_input(&data, masker).await?;
                    // Waiting for the recorder may have taken long enough for an order to come.
                    self.session.live.may_flow().await.ok()?;
                    self.session.live.bytes_in.fetch_add(data.len() as u64, Ordering::AcqRel);
                    let passed = hold(&self.files).client(data.into(), &self.session.terms);
                    for bytes in self.note_files(passed, Towards::Target).await {
                        far.write.data_bytes(bytes).await.ok()?;
                    }
                }
                Up::Eof => {
                    self.client_ended.store(true, Ordering::Release);
                    self.note(Kind::Eof, Direction::FromClient, Bytes::new()).await;
                    far.write.eof().await.ok()?;
                }
            }
        }
    }

    async fn record_input(&self, data: &[u8], masker: &Mutex<Masker>) -> Option<()> {
        let bytes = match (self.session.record_input, self.screen()) {
            (RecordInput::No, _) => return Some(()),
            // Nothing is echoed to a pipe: all of it might be a secret, and its length says enough.
            (RecordInput::Masked, Screen::Pipe) => vec![MASK; data.len()],
            (RecordInput::Masked, Screen::Terminal) => {
                masker.lock().unwrap_or_else(PoisonError::into_inner).typed(data, BootTime::now())
            }
        };
        if bytes.is_empty() {
            return Some(());
        }
        let reel = &self.session.live.reel;
        reel.record(Kind::Input, self.end.number, Direction::FromClient, bytes.into()).await.ok()
    }

    /// Sizes and signals do not wait behind data that the target does not take.
    async fn carry_wishes(&self, far: &FarEnd) -> Option<()> {
        loop {
            let wish = self.end.wishes.pop().await.event;
            self.session.live.may_flow().await.ok()?;
            match wish {
                Wish::Resize(size) => self.resize(far, size).await,
                Wish::Signal(signal) => {
                    self.note(Kind::Signal, Direction::FromClient, signal_name(&signal).into()).await;
                    far.write.signal(signal).await.ok()?;
                }
                Wish::Redraw => self.redraw(far).await,
                Wish::Start(_) => self.end.answer(Answer::Failure).await,
                Wish::Terminal { .. } | Wish::Env { .. } => {}
            }
        }
    }

    async fn resize(&self, far: &FarEnd, size: Size) {
        let had_terminal = {
            let mut screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
            let had = screen.is_some();
            *screen = had.then_some(size);
            had
        };
        if had_terminal {
            self.note(Kind::Resize, Direction::FromClient, size.recorded()).await;
            tell_size(far, size).await;
        }
    }

    /// Full-screen programs draw anew when the size changes, so it changes for a moment.
    async fn redraw(&self, far: &FarEnd) {
        let Some(size) = self.size().filter(|size| size.rows > 1) else {
            return;
        };
        tell_size(far, Size { rows: size.rows - 1, ..size }).await;
        sleep(REDRAW_PAUSE).await;
        tell_size(far, self.size().unwrap_or(size)).await;
    }

    /// What the target says.
    async fn carry_down(&self, far: &FarEnd, mut owed: VecDeque<Owed>, masker: &Mutex<Masker>) -> Outcome {
        let mut warnings = self.session.warnings.subscribe();
        warnings.mark_unchanged();
        let (mut seam, mut to_say) = (Seam::default(), None);
        let mut ending = Ending::Open;
        loop {
            let taken = tokio::select! {
                biased;
                taken = far.inbox.pop() => taken,
                () = sleep(STATUS_WAIT), if ending == Ending::EofHeld && !self.client_ended.load(Ordering::Acquire) => {
                    ending = Ending::EofSent;
                    if self.end.write.eof().await.is_err() {
                        return self.await_end().await;
                    }
                    continue;
                }
                () = self.answered.notified() => {
                    match self.answer_files().await {
                        Ok(()) => continue,
                        Err(outcome) => return outcome,
                    }
                }
                changed = warnings.changed(), if self.screen() == Screen::Terminal => {
                    to_say = changed.ok().and_then(|()| *warnings.borrow_and_update());
                    self.warn(seam, &mut to_say).await;
                    continue;
                }
            };
            if self.session.live.may_flow().await.is_err() {
                return Outcome::SessionOver;
            }
            let carried = match taken.event {
                Down::Data(data) => {
                    if self.screen() == Screen::Terminal {
                        seam.follow(&data);
                    }
                    // Before the next bytes: what the filter wanted said between two packets is no longer between them later.
                    if let Err(outcome) = self.answer_files().await {
                        return outcome;
                    }
                    let passed = hold(&self.files).target(data.into(), &self.session.terms);
                    let mut carried = Ok(());
                    for bytes in self.note_files(passed, Towards::Client).await {
                        carried = carried.and(self.show(Kind::Output, bytes, masker).await);
                    }
                    self.warn(seam, &mut to_say).await;
                    carried
                }
                Down::Errors(data) => self.show(Kind::ErrorOutput, data.into(), masker).await,
                Down::Success => {
                    self.target_agreed(owed.pop_front()).await;
                    Ok(())
                }
                Down::Failure => return Outcome::TargetDeclined,
                Down::Eof => {
                    self.note(Kind::Eof, Direction::FromTarget, Bytes::new()).await;
                    self.send_eof(&mut ending).await
                }
                Down::ExitStatus(status) => {
                    let recorded = Bytes::copy_from_slice(&status.to_be_bytes());
                    self.note(Kind::ExitStatus, Direction::FromTarget, recorded).await;
                    let flushed = self.status_comes(&mut ending).await;
                    flushed.and(self.end.write.exit_status(status).await.map_err(|_| Stop::AwaitEnd))
                }
                Down::ExitSignal { name, core_dumped, message } => {
                    self.note(Kind::ExitSignal, Direction::FromTarget, name.clone().into()).await;
                    let flushed = self.status_comes(&mut ending).await;
                    let handle = &self.end.handle;
                    let sent = handle.exit_signal_request(self.end.id, sig(name), core_dumped, message, String::new());
                    flushed.and(sent.await.map_err(|()| Stop::AwaitEnd))
                }
                Down::Closed => {
                    let _last = self.status_comes(&mut ending).await;
                    return Outcome::TargetClosed;
                }
                Down::Departed => return Outcome::TargetDeparted,
            };
            match carried {
                Ok(()) => {}
                Err(Stop::HeldOthersUp) => return Outcome::HeldOthersUp,
                Err(Stop::AwaitEnd) => return self.await_end().await,
            }
        }
    }

    /// Sends the end of the output, or keeps it until the status has come.
    async fn send_eof(&self, ending: &mut Ending) -> Result<(), Stop> {
        if *ending != Ending::StatusSent {
            *ending = Ending::EofHeld;
            return Ok(());
        }
        self.end.write.eof().await.map_err(|_| Stop::AwaitEnd)
    }

    /// Sends a held end of the output, right before the status or the close.
    async fn status_comes(&self, ending: &mut Ending) -> Result<(), Stop> {
        match std::mem::replace(ending, Ending::StatusSent) {
            Ending::EofHeld => self.end.write.eof().await.map_err(|_| Stop::AwaitEnd),
            Ending::Open | Ending::EofSent | Ending::StatusSent => Ok(()),
        }
    }

    async fn target_agreed(&self, owed: Option<Owed>) {
        if owed == Some(Owed::Start) {
            self.end.answer(Answer::Success).await;
            let screen = self.screen();
            let bytes = notice::lines(screen, self.session.notice.iter().map(String::as_str));
            self.note(Kind::Notice, Direction::Gateway, bytes.clone().into()).await;
            self.end.say(screen, bytes).await;
        }
    }

    async fn show(&self, kind: Kind, bytes: Bytes, masker: &Mutex<Masker>) -> Result<(), Stop> {
        let live = &self.session.live;
        // What SFTP carries is noted file by file, with its digest.
        if kind != Kind::Output || !hold(&self.files).is_sftp() {
            let recorded = live.reel.record(kind, self.end.number, Direction::FromTarget, bytes.clone());
            recorded.await.map_err(|_| Stop::AwaitEnd)?;
        }
        if self.session.record_input == RecordInput::Masked {
            self.record_echoed(&bytes, masker).await;
        }
        live.bytes_out.fetch_add(bytes.len() as u64, Ordering::AcqRel);
        match kind {
            Kind::ErrorOutput => unless_holding_up(&self.session, self.end.write.extended_data_bytes(1, bytes)).await,
            _ => unless_holding_up(&self.session, self.end.write.data_bytes(bytes)).await,
        }
    }

    /// Notes what was learnt about files; returns what goes on where it is to go. Answers to the client wait for whoever carries down.
    async fn note_files(&self, passed: files::Passed, towards: Towards) -> Vec<Bytes> {
        for fact in passed.facts {
            self.note(Kind::File, Direction::Gateway, fact).await;
        }
        let (onward, back) = match towards {
            Towards::Target => (passed.to_target, passed.to_client),
            Towards::Client => (passed.to_client, passed.to_target),
        };
        let speaks = !back.is_empty() || passed.broken.is_some();
        hold(&self.answers).extend(back);
        if passed.broken.is_some() {
            *hold(&self.unreadable) = passed.broken;
        }
        if speaks {
            self.answered.notify_one();
        }
        onward
    }

    /// What the gate itself has to say to a file transfer.
    async fn answer_files(&self) -> Result<(), Outcome> {
        loop {
            let next = hold(&self.answers).pop_front();
            let Some(bytes) = next else { break };
            match unless_holding_up(&self.session, self.end.write.data_bytes(bytes)).await {
                Ok(()) => {}
                Err(Stop::HeldOthersUp) => return Err(Outcome::HeldOthersUp),
                Err(Stop::AwaitEnd) => return Err(self.await_end().await),
            }
        }
        let unreadable = hold(&self.unreadable).take();
        match unreadable {
            Some(why) => {
                tracing::info!(session = %self.session.live.session, %why, "a file transfer does not read");
                self.session.note_refusal(self.end.number, Why::NotSftp).await;
                Err(Outcome::Refused(Why::NotSftp))
            }
            None => Ok(()),
        }
    }

    async fn record_echoed(&self, shown: &[u8], masker: &Mutex<Masker>) {
        let ready = masker.lock().unwrap_or_else(PoisonError::into_inner).shown(shown, BootTime::now());
        if !ready.is_empty() {
            self.note(Kind::Input, Direction::FromClient, ready.into()).await;
        }
    }

    /// Puts a warning in where it breaks nothing, and has the screen drawn again.
    async fn warn(&self, seam: Seam, to_say: &mut Option<Duration>) {
        if !seam.is_clean() {
            return;
        }
        if let Some(left) = to_say.take() {
            let bytes = notice::warning(left, self.session.language);
            self.note(Kind::Notice, Direction::Gateway, bytes.clone().into()).await;
            self.end.say(Screen::Terminal, bytes).await;
            self.end.wishes.push(Wish::Redraw);
        }
    }

    async fn await_end(&self) -> Outcome {
        self.session.live.over().await;
        Outcome::SessionOver
    }

    /// A lost recording freezes and ends the session by itself, so nobody here has to hear of it.
    async fn note(&self, kind: Kind, direction: Direction, bytes: Bytes) {
        let _lost = self.session.live.reel.record(kind, self.end.number, direction, bytes).await;
    }

    /// What starts on the target starts only once it is on its way into the recording, and nothing was ordered against it meanwhile.
    async fn note_before_doing(&self, kind: Kind, bytes: Bytes) -> Result<(), Outcome> {
        let live = &self.session.live;
        if live.reel.record(kind, self.end.number, Direction::FromClient, bytes).await.is_err() {
            return Err(self.await_end().await);
        }
        live.may_flow().await.map_err(|_| Outcome::SessionOver)
    }

    fn size(&self) -> Option<Size> {
        *self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn screen(&self) -> Screen {
        if self.size().is_some() { Screen::Terminal } else { Screen::Pipe }
    }
}

/// Sends, unless the client leaves this channel unread for so long that the other channels of its connection, which have to wait for it
/// (see [`crate::valve`]), have waited long enough.
pub(crate) async fn unless_holding_up(
    session: &Session,
    sending: impl Future<Output = Result<(), russh::Error>>,
) -> Result<(), Stop> {
    tokio::pin!(sending);
    let look = session.sibling_patience / 8;
    let mut held = Duration::ZERO;
    loop {
        tokio::select! {
            biased;
            sent = &mut sending => return sent.map_err(|_| Stop::AwaitEnd),
            () = sleep(look) => {}
        }
        let holds_up = session.target.valve.is_held() && session.live.channels.load(Ordering::Acquire) > 1;
        held = if holds_up { held + look } else { Duration::ZERO };
        if held >= session.sibling_patience {
            return Err(Stop::HeldOthersUp);
        }
    }
}

/// Which way some bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Towards {
    Target,
    Client,
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How far the target's side of a channel has ended, as the client has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Open,
    EofHeld,
    EofSent,
    StatusSent,
}

/// Which answer the target owes, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owed {
    Terminal,
    Start,
}

async fn tell_size(far: &FarEnd, size: Size) {
    let Size { columns, rows, pixel_width, pixel_height } = size;
    // A target that is gone is heard of by other ways.
    let _sent = far.write.window_change(columns, rows, pixel_width, pixel_height).await;
}

fn sig(name: String) -> Sig {
    match name.as_str() {
        "ABRT" => Sig::ABRT,
        "ALRM" => Sig::ALRM,
        "FPE" => Sig::FPE,
        "HUP" => Sig::HUP,
        "ILL" => Sig::ILL,
        "INT" => Sig::INT,
        "KILL" => Sig::KILL,
        "PIPE" => Sig::PIPE,
        "QUIT" => Sig::QUIT,
        "SEGV" => Sig::SEGV,
        "TERM" => Sig::TERM,
        "USR1" => Sig::USR1,
        _ => Sig::Custom(name),
    }
}
