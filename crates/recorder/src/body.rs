//! The bytes of those frames that carry more than bytes. Integers are big-endian; what is not exactly of this form is not read.

/// Window size of [`crate::Kind::Resize`]: columns ‖ rows ‖ width ‖ height in pixels, each u32be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub columns: u32,
    pub rows: u32,
    /// Zero when the client does not say.
    pub width_px: u32,
    pub height_px: u32,
}

impl Window {
    const LEN: usize = 16;

    #[must_use]
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        for (place, field) in bytes.chunks_exact_mut(4).zip([self.columns, self.rows, self.width_px, self.height_px]) {
            place.copy_from_slice(&field.to_be_bytes());
        }
        bytes
    }

    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().ok()?;
        let (fields, _) = bytes.as_chunks::<4>();
        let [columns, rows, width_px, height_px] = [0, 1, 2, 3].map(|at: usize| u32::from_be_bytes(fields[at]));
        Some(Self { columns, rows, width_px, height_px })
    }
}

/// Body of [`crate::Kind::Pty`]: a [`Window`] ‖ the terminal's type to the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pty<'a> {
    pub window: Window,
    pub term: &'a [u8],
}

impl<'a> Pty<'a> {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [&self.window.encode(), self.term].concat()
    }

    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (window, term) = bytes.split_at_checked(Window::LEN)?;
        Some(Self { window: Window::decode(window)?, term })
    }
}

/// Body of [`crate::Kind::Env`]: u32be length of the name ‖ name ‖ value to the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Env<'a> {
    pub name: &'a [u8],
    pub value: &'a [u8],
}

impl<'a> Env<'a> {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        with_length(self.name, self.value)
    }

    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (name, value) = split_with_length(bytes)?;
        Some(Self { name, value })
    }
}

/// Body of [`crate::Kind::ExitStatus`]: the status as u32be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitStatus(pub u32);

impl ExitStatus {
    #[must_use]
    pub const fn encode(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }

    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self(u32::from_be_bytes(bytes.try_into().ok()?)))
    }
}

/// Whether the killed program left its memory behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Core {
    NotDumped,
    Dumped,
}

/// Body of [`crate::Kind::ExitSignal`]: 0 or 1 for a core dump ‖ u32be length of the signal's name ‖ name without `SIG` ‖
/// the target's message to the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitSignal<'a> {
    pub core: Core,
    pub signal: &'a [u8],
    pub message: &'a [u8],
}

impl<'a> ExitSignal<'a> {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let core = u8::from(self.core == Core::Dumped);
        [&[core], with_length(self.signal, self.message).as_slice()].concat()
    }

    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (core, rest) = bytes.split_first()?;
        let core = match core {
            0 => Core::NotDumped,
            1 => Core::Dumped,
            _ => return None,
        };
        let (signal, message) = split_with_length(rest)?;
        Some(Self { core, signal, message })
    }
}

/// Body of [`crate::Kind::Gap`] and [`crate::Kind::InputMasked`]: how many bytes are not here, as u64be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(pub u64);

impl Count {
    #[must_use]
    pub const fn encode(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self(u64::from_be_bytes(bytes.try_into().ok()?)))
    }
}

fn with_length(first: &[u8], rest: &[u8]) -> Vec<u8> {
    let len = u32::try_from(first.len()).expect("names come from one SSH packet");
    [&len.to_be_bytes(), first, rest].concat()
}

fn split_with_length(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bodies_come_back(numbers: [u32; 4], count: u64, one: Vec<u8>, two: Vec<u8>) {
            let [columns, rows, width_px, height_px] = numbers;
            let window = Window { columns, rows, width_px, height_px };
            prop_assert_eq!(Window::decode(&window.encode()), Some(window));
            let pty = Pty { window, term: &one };
            prop_assert!(Pty::decode(&pty.encode()).as_ref() == Some(&pty));
            let env = Env { name: &one, value: &two };
            prop_assert!(Env::decode(&env.encode()).as_ref() == Some(&env));
            prop_assert_eq!(ExitStatus::decode(&ExitStatus(rows).encode()), Some(ExitStatus(rows)));
            for core in [Core::Dumped, Core::NotDumped] {
                let exit = ExitSignal { core, signal: &one, message: &two };
                prop_assert!(ExitSignal::decode(&exit.encode()).as_ref() == Some(&exit));
            }
            prop_assert_eq!(Count::decode(&Count(count).encode()), Some(Count(count)));
        }

        #[test]
        fn what_is_read_is_written_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(Window::decode(&bytes).is_none_or(|body| body.encode().as_slice() == bytes));
            prop_assert!(Pty::decode(&bytes).is_none_or(|body| body.encode() == bytes));
            prop_assert!(Env::decode(&bytes).is_none_or(|body| body.encode() == bytes));
            prop_assert!(ExitStatus::decode(&bytes).is_none_or(|body| body.encode().as_slice() == bytes));
            prop_assert!(ExitSignal::decode(&bytes).is_none_or(|body| body.encode() == bytes));
            prop_assert!(Count::decode(&bytes).is_none_or(|body| body.encode().as_slice() == bytes));
        }
    }

    #[test]
    fn lengths_that_reach_past_the_end_are_refused() {
        assert_eq!(Env::decode(&[0, 0, 0, 2, b'x']), None);
        assert_eq!(Env::decode(&[0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(ExitSignal::decode(&[2, 0, 0, 0, 0]), None);
        assert_eq!(ExitSignal::decode(&[]), None);
    }
}
