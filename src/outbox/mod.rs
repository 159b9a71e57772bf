//! The operating engine: what an operator sees and chooses. Pure functions over domain types.

pub mod alarm;
pub mod backlog;
pub mod feed;
pub mod filter;
pub mod history;
pub mod input;
pub mod line;
pub mod log;
pub mod moment;
pub mod order;
pub mod pace;
pub mod stats;
pub mod tally;
pub mod timeline;
pub mod view;
