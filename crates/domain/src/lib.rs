//! The words and rules of privileged access: typed ids, facts, the state they fold to, and what may become a fact. No clock, no I/O.

mod apply;
pub mod bytes;
pub mod channel;
pub mod committed;
pub mod decide;
pub mod entry;
pub mod estate;
pub mod event;
pub mod id;
pub mod label;
pub mod motion;
pub mod people;
pub mod purpose;
pub mod refusal;
pub mod rule;
pub mod state;
pub mod statement;
pub mod time;

pub use bytes::{Nonce, SuiteKey};
pub use committed::Committed;
pub use entry::{Actor, Entry};
pub use event::Event;
pub use id::{AccountId, ErrandId, GrantId, MotionId, PersonId, PersonaId, RecoveryId, RequestId, SessionId, TargetId};
pub use label::Label;
pub use refusal::{Refusal, RefusalCode};
pub use state::State;
pub use time::{Timestamp, Window};
