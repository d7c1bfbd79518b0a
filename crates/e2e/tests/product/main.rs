//! End to end through the built program.

mod story;
