pub mod cli;
pub mod config;
pub mod exit;
pub mod logging;
pub mod plan;
pub mod replicate;
pub mod restore;
