//! End to end through the built program: the main job, what is refused, what is recorded and proved.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod another_machine;
mod bad_input;
mod channels;
mod durability;
mod persons;
mod proof;
mod story;
mod ways_in;
