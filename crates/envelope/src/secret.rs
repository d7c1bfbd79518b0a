//! Bytes that must not be printed, serialised, copied by accident or left behind in memory.

use std::fmt;

use zeroize::Zeroize;

/// A value that is only reached through [`Secret::expose`] and is overwritten when dropped.
///
/// The value lives in its own heap cell, so that moving a `Secret` leaves no copy on the stack.
pub struct Secret<T: Zeroize>(Box<T>);

impl<T: Zeroize> Secret<T> {
    /// Takes a value over. Prefer [`Secret::filled`] for arrays: the array handed in here was on the caller's stack.
    pub fn new(value: T) -> Self {
        Self(Box::new(value))
    }

    /// The only way in. Every call site stands in a golden file.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize + Default> Secret<T> {
    /// Makes the value in place, so that it never exists outside its cell.
    pub fn filled(fill: impl FnOnce(&mut T)) -> Self {
        let mut cell = Box::<T>::default();
        fill(&mut cell);
        Self(cell)
    }
}

impl<T: Zeroize + Clone> Secret<T> {
    /// A second copy, where one is truly needed. Not `Clone`, so that it is seen in review.
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    static WIPED: AtomicUsize = AtomicUsize::new(0);

    struct Witness;

    impl Zeroize for Witness {
        fn zeroize(&mut self) {
            WIPED.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn debug_shows_nothing_of_the_value() {
        assert_eq!(format!("{:?}", Secret::new(String::from("hunter2"))), "Secret(***)");
        assert_eq!(format!("{:#?}", Secret::new([7u8; 32])), "Secret(***)");
    }

    #[test]
    fn dropping_wipes_the_value_once() {
        let secret = Secret::new(Witness);
        assert_eq!(WIPED.load(Ordering::SeqCst), 0);
        drop(secret);
        assert_eq!(WIPED.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_duplicate_outlives_the_original() {
        let original = Secret::<[u8; 32]>::filled(|bytes| bytes.fill(9));
        let copy = original.duplicate();
        drop(original);
        assert_eq!(copy.expose(), &[9; 32]);
    }
}
