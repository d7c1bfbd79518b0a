//! What the end of a command means to a script. The table for people is `docs/exit-codes.md`.

/// The codes are fixed for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    /// Somebody who may decide said no: the server by a rule, or the person at the keyboard.
    Refused = 1,
    /// What was typed, or a file that was named, cannot be used.
    Usage = 2,
    /// Neither yes nor no: something that is needed for an answer is missing or broken.
    CannotDecide = 3,
    /// Something is not what it says it is.
    ProofFails = 4,
    /// The server does not answer.
    Unreachable = 5,
}

impl Exit {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 6] =
        [Self::Done, Self::Refused, Self::Usage, Self::CannotDecide, Self::ProofFails, Self::Unreachable];

    pub(crate) const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_table_names_every_code() {
        let table = include_str!("../../../docs/exit-codes.md");
        for exit in Exit::ALL {
            assert!(table.contains(&format!("| {} |", exit.code())), "{exit:?} is not in docs/exit-codes.md");
        }
    }
}
