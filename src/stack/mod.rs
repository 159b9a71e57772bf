//! The deploy engine: what a deployment consists of, what a stack's status permits, what its events say.
//! Pure functions over domain types, but for the build of the functions.

pub mod bundle;
pub mod cause;
pub mod contents;
pub mod doctor;
pub mod drift;
pub mod event;
pub mod functions;
pub mod garbage;
pub mod key_policy;
pub mod parameters;
pub mod plan;
pub mod progress;
pub mod removal;
pub mod site;
pub mod status;
pub mod tree;
pub mod variables;
