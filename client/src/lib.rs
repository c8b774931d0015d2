//! The workstation client: pushes backups to a box, and gets them back.
//!
//! The arrows: `main` → `cli` → `service`, `backup`, `restore`, `browse`, `mount`, `status`, `enrol` → `reader`, `walk`,
//! `ledger` → `link`, `state` → the engine. Whatever is particular to an operating system is in `platform` alone.

pub mod backup;
pub mod browse;
pub mod cli;
pub mod durable;
pub mod enrol;
pub mod errors;
pub mod exclude;
pub mod exit;
pub mod ledger;
pub mod link;
pub mod mount;
pub mod platform;
pub mod progress;
pub mod reader;
pub mod requests;
pub mod restore;
pub mod runs;
pub mod service;
pub mod snapshots;
pub mod state;
pub mod status;
pub mod walk;
