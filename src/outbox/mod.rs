//! The operating engine: what an operator sees and chooses. Pure functions over domain types.

pub mod backlog;
pub mod input;
pub mod view;
