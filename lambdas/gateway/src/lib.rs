//! What the functions and the command both need of AWS: the client configuration, one description of
//! service errors, the message table, and the start of executions.

mod alarm;
mod config;
mod error;
mod executions;
pub mod function;
#[cfg(feature = "replay")]
pub mod replay;
mod table;

pub use alarm::{Alarm, Reading};
pub use config::{behavior, http_client};
pub use error::{ServiceError, describe};
pub use executions::{Started, StateMachine};
pub use table::{Applied, Page, Range, Table};
