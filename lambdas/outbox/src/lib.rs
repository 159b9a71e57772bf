//! The outbox itself, without any I/O: the message and its limits, the item that carries it, the
//! status changes as data, the classes of error, the retry policy, the input of an execution and the
//! names of the resources. The command and the three functions share it, so that each rule exists once.
//!
//! Times are milliseconds since the Unix epoch, as `i64`, and always come in as arguments.

pub mod change;
pub mod error;
pub mod execution;
pub mod hold;
pub mod item;
pub mod message;
pub mod names;
pub mod policy;

/// Milliseconds since the Unix epoch.
pub type EpochMs = i64;
