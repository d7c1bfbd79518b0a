//! The gateway between the system's own ssh and the system's own sshd.

mod ending;
mod flow;
mod hostile;
mod passing;
mod refusing;
mod world;
