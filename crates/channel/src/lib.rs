//! The typed messages between front, engine, keeper and CLI, and the frame they travel in. Knows no policy and no storage.

pub mod api;
pub mod frame;
pub mod front;
pub mod keeper;

use serde::{Deserialize, Serialize};

/// Both ends must speak exactly this version; anything else is refused at the handshake.
pub const VERSION: u32 = 3;

/// The first frame each side sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Greeting {
    pub version: u32,
    pub role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Front,
    Engine,
    Keeper,
    Cli,
}

#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    #[error("the other side speaks version {found} of the channel, this program version {VERSION}")]
    OtherVersion { found: u32 },
    #[error("expected to reach {expected:?}, reached {found:?}")]
    OtherRole { expected: Role, found: Role },
    #[error("frame is {length} bytes long, more than is accepted here")]
    TooLong { length: usize },
    #[error("frame is not readable: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("the other side closed the channel")]
    Closed,
    #[error("channel failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("no answer within {seconds} s")]
    TimedOut { seconds: u64 },
}

impl Greeting {
    pub const fn of(role: Role) -> Self {
        Self { version: VERSION, role }
    }

    pub fn expect(&self, role: Role) -> Result<(), ChannelError> {
        if self.version != VERSION {
            return Err(ChannelError::OtherVersion { found: self.version });
        }
        if self.role == role { Ok(()) } else { Err(ChannelError::OtherRole { expected: role, found: self.role }) }
    }
}
