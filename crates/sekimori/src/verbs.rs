//! The commands: one file for each noun or large verb. Each reads its arguments, says what it will do, and does it.

pub(crate) mod account;
pub(crate) mod clock;
pub(crate) mod doctor;
pub(crate) mod grant;
pub(crate) mod group;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod ledger;
pub(crate) mod motion;
pub(crate) mod person;
pub(crate) mod persona;
pub(crate) mod recover;
pub(crate) mod request;
pub(crate) mod rule;
pub(crate) mod session;
pub(crate) mod target;
pub(crate) mod verify;
pub(crate) mod wait;
pub(crate) mod whoami;
