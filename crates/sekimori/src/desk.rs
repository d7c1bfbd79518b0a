//! Where a command is carried out: what it says, what it asks, what it has signed and filed.

use std::time::Duration;

use channel::api::{Opening, Receipt, Rows, Submission, WhoView};
use domain::committed::Text;
use domain::event::OriginName;
use domain::motion::Act;
use domain::purpose::{PurposeText, check_text};
use domain::statement::{Deed, DeedFields, MotionFields, Signed, Statement};
use domain::{Committed, MotionId, Nonce, Timestamp};
use envelope::Salt;
use jiff::tz::TimeZone;
use ledger::Hash;
use serde::Serialize;
use tegata::statement;

use crate::connection::Connection;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::messages::{self, Argument, Lang};
use crate::pages;
use crate::screen::{Attended, Screen};
use crate::settings::{Asking, Form, ServerClock, Settings};
use crate::sheet::Sheet;
use crate::sign::{self, StatementSigner};
use crate::surroundings::Surroundings;
use crate::table::Table;
use crate::times::{self, Here};

pub(crate) struct Desk<'a> {
    pub(crate) settings: Settings,
    around: &'a mut Surroundings,
}

/// Somebody whom the server knows by their key.
pub(crate) struct Caller {
    pub(crate) connection: Connection,
    pub(crate) signer: Box<dyn StatementSigner>,
    pub(crate) who: WhoView,
    pub(crate) origin: OriginName,
}

/// Speaking.
impl<'a> Desk<'a> {
    pub(crate) const fn new(settings: Settings, around: &'a mut Surroundings) -> Self {
        Self { settings, around }
    }

    pub(crate) const fn lang(&self) -> Lang {
        self.settings.lang
    }

    pub(crate) const fn zone(&self) -> &TimeZone {
        &self.around.zone
    }

    pub(crate) const fn screen(&mut self) -> &mut Screen {
        &mut self.around.screen
    }

    /// A sentence or word of ours.
    pub(crate) fn text(&self, key: &str, arguments: &[Argument<'_>]) -> String {
        messages::text(self.lang(), key, arguments)
    }

    pub(crate) fn word(&self, key: &str) -> String {
        self.text(key, &[])
    }

    /// A line of the answer.
    pub(crate) fn say(&mut self, key: &str, arguments: &[Argument<'_>]) {
        let text = self.text(key, arguments);
        self.around.screen.line(&text);
    }

    /// A line beside the answer.
    pub(crate) fn note(&mut self, key: &str, arguments: &[Argument<'_>]) {
        let text = self.text(key, arguments);
        self.around.screen.note(&text);
    }

    pub(crate) fn sheet(&self, title: &str, arguments: &[Argument<'_>]) -> Sheet {
        Sheet::new(self.lang(), title, arguments)
    }

    pub(crate) fn table(&self, columns: &[&str]) -> Table {
        Table::new(columns.iter().map(|key| self.word(key)))
    }

    /// An empty table says so in words.
    pub(crate) fn show_table(&mut self, table: &Table, empty: &str) {
        let text = if table.is_empty() { self.word(empty) } else { table.render(self.around.screen.width) };
        self.around.screen.line(&text);
    }

    pub(crate) fn show_sheet(&mut self, sheet: &Sheet) {
        self.around.screen.line(&sheet.to_string());
    }

    /// The answer as one JSON document, or as `text` says it.
    pub(crate) fn answer<T: Serialize>(&mut self, value: &T, text: impl FnOnce(&mut Self)) {
        match self.settings.form {
            Form::Json => {
                let json = serde_json::to_string_pretty(value).expect("answers are text, numbers and lists");
                // Control characters are escaped in JSON already.
                self.around.screen.bytes(format!("{json}\n").as_bytes());
            }
            Form::Text => text(self),
        }
    }

    /// A part of a list: with `--json` as it is, else as a table and, where there is more, the command that shows it.
    pub(crate) fn answer_part<R: Serialize, C: Serialize + std::fmt::Display>(
        &mut self,
        part: &Rows<R, C>,
        table: &Table,
        empty: &str,
    ) {
        self.answer(part, |desk| {
            if !table.is_empty() || part.next.is_none() {
                desk.show_table(table, empty);
            }
            if let Some(next) = &part.next {
                let command = pages::command_after(&desk.around.words, &next.to_string());
                desk.say("say-more", &[("command", command.into())]);
            }
        });
    }

    pub(crate) fn moment(&self, at: Timestamp) -> String {
        times::moment(at, self.zone())
    }

    pub(crate) fn local(&self, at: Timestamp) -> String {
        times::local(at, self.zone())
    }

    pub(crate) fn span(&self, length: Duration) -> String {
        messages::span(length, self.lang())
    }
}

/// Asking and drawing.
impl Desk<'_> {
    pub(crate) fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.around.random)(&mut bytes);
        bytes
    }

    /// This machine's clock.
    pub(crate) fn now(&self) -> Timestamp {
        (self.around.clock)()
    }

    pub(crate) fn pause(&mut self, length: Duration) {
        (self.around.pause)(length);
    }

    /// Shows what is to be signed or done and asks; without a person at the terminal, or with `--yes`, it is only shown.
    pub(crate) fn confirm(&mut self, sheet: &Sheet, question: &str) -> Outcome<()> {
        self.around.screen.note(&sheet.to_string());
        if self.settings.asking == Asking::Never || self.around.screen.attended == Attended::ByNobody {
            return Ok(());
        }
        let question = self.text(question, &[]);
        let answer = self.around.screen.ask(&question)?;
        let is_yes = ["y", "yes", "はい"].iter().any(|yes| answer.eq_ignore_ascii_case(yes));
        if is_yes { Ok(()) } else { Err(Failure::NotConfirmed) }
    }

    /// As [`Desk::confirm`], for what only a person can know: without one at the terminal it takes `--yes`.
    pub(crate) fn confirm_fact(&mut self, sheet: &Sheet, question: &str) -> Outcome<()> {
        if self.settings.asking == Asking::BeforeSigning && self.around.screen.attended == Attended::ByNobody {
            self.around.screen.note(&sheet.to_string());
            return Err(Failure::NobodyToAsk { option: "--yes".into() });
        }
        self.confirm(sheet, question)
    }

    /// A text, with the commitment that stands for it in what is signed.
    pub(crate) fn commit<T: Text>(&mut self, value: &str) -> Outcome<(Committed<T>, Opening)> {
        check_text::<T>(value)?;
        Ok(self.commit_checked(value))
    }

    /// As [`Desk::commit`], for a purpose, which must say something.
    pub(crate) fn commit_purpose(&mut self, value: &str) -> Outcome<(Committed<domain::committed::Purpose>, Opening)> {
        let purpose = PurposeText::parse(value)?;
        Ok(self.commit_checked(purpose.as_str()))
    }

    fn commit_checked<T: Text>(&mut self, value: &str) -> (Committed<T>, Opening) {
        let salt = Salt::from_bytes(self.random());
        let hash = Hash::from_bytes(envelope::commit(T::KIND, &salt, value.as_bytes()));
        (Committed::from_hash(hash), Opening { kind: T::KIND.into(), salt, value: value.into() })
    }
}

/// Going to the server.
impl Desk<'_> {
    /// Without saying who asks. Recoveries under way are told to everybody who connects.
    pub(crate) fn connect(&mut self) -> Outcome<Connection> {
        let connection = Connection::open(&self.settings.reach, self.settings.trust.as_deref())?;
        for recovery in &connection.challenge.recoveries {
            let (id, persona, key) =
                (recovery.recovery.to_string(), recovery.persona.to_string(), recovery.key.to_string());
            let after = self.moment(recovery.after);
            let arguments =
                [("recovery", id.into()), ("persona", persona.into()), ("key", key.into()), ("after", after.into())];
            self.note("say-recovery-under-way", &arguments);
        }
        Ok(connection)
    }

    /// As [`Self::connect`], to a server that may only just have been started.
    pub(crate) fn connect_soon(&mut self) -> Outcome<Connection> {
        for _ in 0..LOOKS_FOR_SERVER {
            match self.connect() {
                Err(Failure::SocketUnreachable { .. }) => self.pause(BETWEEN_LOOKS),
                other => return other,
            }
        }
        self.connect()
    }

    pub(crate) fn signer(&self) -> Outcome<Box<dyn StatementSigner>> {
        self.around.keyring.signer(self.settings.key.as_deref())
    }

    /// The signer of a key that is named for this one purpose.
    pub(crate) fn signer_of(&self, key: &std::path::Path) -> Outcome<Box<dyn StatementSigner>> {
        self.around.keyring.signer(Some(key))
    }

    pub(crate) fn call(&mut self) -> Outcome<Caller> {
        let signer = self.signer()?;
        let mut connection = self.connect()?;
        let origin = connection.origin()?;
        let who = connection.hello(&*signer)?;
        Ok(Caller { connection, signer, who, origin })
    }

    /// The moment as the server sees it, in the person's zone.
    pub(crate) fn here(&self, connection: &Connection) -> Here {
        Here { now: connection.challenge.now, zone: self.zone().clone() }
    }
}

/// A server that is being started waits for its keeper; so often it is looked for, in all a quarter of a minute.
const LOOKS_FOR_SERVER: u32 = 60;
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// A server's clock that is farther from this machine's is not signed by without a word.
pub(crate) const FARTHEST_SERVER_CLOCK: Duration = Duration::from_secs(5 * 60);

/// Signing and filing.
impl Desk<'_> {
    /// Shows the sheet, asks, and signs exactly these fields.
    pub(crate) fn sign<S: Statement>(&mut self, caller: &Caller, fields: &S, mut sheet: Sheet) -> Outcome<Signed> {
        let (nonce, expires) = (Nonce::from_random(self.random()), self.expiry(&caller.connection)?);
        let bytes = statement::bytes(&caller.origin, fields, nonce, expires);
        let key = caller.signer.public_key().fingerprint();
        sheet.row("label-origin", self.origin_text(&caller.origin));
        sheet.row("label-signer", format!("{key} ({})", caller.who.persona));
        sheet.row("label-to-be-filed-by", self.moment(expires));
        sheet.row("label-statement", statement::hash(&bytes).to_string());
        self.confirm(&sheet, "say-sign")?;
        let signature = sign::sign(&*caller.signer, statement::namespace::<S>(), &bytes)?;
        Ok(Signed { key, nonce, expires, signature })
    }

    /// Until when what is signed now may be filed. Windows and expiries are made by the server's clock, so it must be near this machine's, unless
    /// the person says otherwise.
    pub(crate) fn expiry(&self, connection: &Connection) -> Outcome<Timestamp> {
        let (server, here) = (connection.challenge.now, self.now());
        let apart = server.since(here).max(here.since(server));
        if apart > FARTHEST_SERVER_CLOCK && self.settings.server_clock == ServerClock::NearOurs {
            return Err(Failure::ServerClockFar {
                server: self.moment(server),
                here: self.moment(here),
                limit: self.span(FARTHEST_SERVER_CLOCK),
            });
        }
        Ok(connection.expiry())
    }

    /// The installation, and whose word that is.
    pub(crate) fn origin_text(&self, origin: &OriginName) -> String {
        match &self.settings.trust {
            Some(dir) => {
                let dir = files::shown(dir);
                self.text("say-origin-pinned", &[("origin", origin.to_string().into()), ("path", dir.into())])
            }
            None => self.text("say-origin-of-server", &[("origin", origin.to_string().into())]),
        }
    }

    /// Files an act that a second person must sign as well.
    pub(crate) fn propose(
        &mut self,
        caller: &mut Caller,
        act: Act,
        openings: Vec<Opening>,
        sheet: Sheet,
    ) -> Outcome<()> {
        let fields = MotionFields { motion: MotionId::from_random(self.random()), proposer: caller.who.persona, act };
        let signed = self.sign(caller, &fields, sheet)?;
        let motion = fields.motion.to_string();
        let receipt = caller.connection.submit(Submission::Motion { fields, signed }, openings)?;
        self.answer(&serde_json::json!({ "motion": motion, "receipt": receipt }), |desk| {
            desk.say_recorded(&receipt);
            desk.say("say-second-needed", &[("motion", motion.as_str().into())]);
        });
        Ok(())
    }

    /// Files what one person may do alone.
    pub(crate) fn act(
        &mut self,
        caller: &mut Caller,
        deed: Deed,
        openings: Vec<Opening>,
        sheet: Sheet,
    ) -> Outcome<Receipt> {
        let fields = DeedFields { by: caller.who.persona, deed };
        let signed = self.sign(caller, &fields, sheet)?;
        caller.connection.submit(Submission::Deed { fields, signed }, openings)
    }

    /// As [`Desk::act`], where nothing more is to be said than that it stands in the ledger.
    pub(crate) fn act_and_say(
        &mut self,
        caller: &mut Caller,
        deed: Deed,
        openings: Vec<Opening>,
        sheet: Sheet,
    ) -> Outcome<()> {
        let receipt = self.act(caller, deed, openings, sheet)?;
        self.answer(&serde_json::json!({ "receipt": receipt }), |desk| desk.say_recorded(&receipt));
        Ok(())
    }

    pub(crate) fn say_recorded(&mut self, receipt: &Receipt) {
        let time = self.moment(receipt.time);
        self.say("say-recorded", &[("seq", receipt.seq.to_string().into()), ("time", time.into())]);
        if let Some(note) = &receipt.note {
            self.around.screen.line(note);
        }
    }
}

impl std::fmt::Debug for Desk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller").field("who", &self.who).finish_non_exhaustive()
    }
}
