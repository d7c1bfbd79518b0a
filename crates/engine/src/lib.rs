//! The single writer, what it decides and what follows from it; one file per verb. Knows no network but two local sockets.

mod anchors;
pub mod api;
mod checkpoints;
pub mod clock;
mod data_keys;
mod engine;
mod errand;
pub mod fold;
pub mod front_link;
mod keeper_link;
mod limits;
mod lists;
mod live;
mod lobby;
mod paging;
mod passage;
pub mod proofs;
pub mod random;
mod recordings;
mod start;
mod subjects;
mod submit;
mod texts;
mod views;
mod waking;
mod writer;

pub use engine::{Config, Engine, Fence, Local, Users};
pub use keeper_link::{KeeperError, KeeperLink};
pub use live::LiveGrant;
pub use start::{Places, StartError};
pub use texts::address;
