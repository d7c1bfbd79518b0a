//! One example of every kind of entry.
