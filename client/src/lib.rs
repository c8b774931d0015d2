//! The workstation client: pushes backups to a box, and gets them back.
//!
//! The arrows: `main` → `cli` → `service`, `backup`, `restore`, `browse`, `mount`, `status`, `enrol` → `reader`, `walk`,
//! `ledger` → `link`, `state` → the engine. Whatever is particular to an operating system is in `platform` alone.

pub mod backup;
pub mod durable;
pub mod enrol;
pub mod exclude;
pub mod exit;
pub mod ledger;
pub mod link;
pub mod platform;
pub mod progress;
pub mod snapshots;
pub mod state;
pub mod walk;
