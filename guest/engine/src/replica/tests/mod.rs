//! The sidecar's protocol against an app that is SQLite itself, on files in memory.

mod bed;
mod checkpoints;
mod expiry;
mod faults;
mod following;
mod levels;
mod moments;
mod overtaken;
mod proving;
mod restarts;
mod shipping;
mod stood_still;
mod upkeep;
