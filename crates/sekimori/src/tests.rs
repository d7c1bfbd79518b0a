//! Commands from the first word to the last line, against a real engine and keeper on sockets of their own.

mod founding;
mod gateway;
mod help;
mod ledgers;
mod lies;
mod pages;
mod passages;
mod people;
mod requests;
mod sessions;
mod trusting;
mod unreachable;
mod world;
