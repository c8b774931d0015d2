//! The daemon `datisd`: takes backups in, keeps them, gives them back.
//!
//! The arrows go one way and `tests/tidy` holds them: `app` builds everything and starts the edges (`portal`, `intake`,
//! `control`, `workers`), which never import one another. Every change is one verb in `operations`, in one transaction;
//! every look goes through `catalog`'s readers. `vault`, `certs`, `config`, `files` and `meters` stand below all of them.

mod app;
pub mod catalog;
pub mod certs;
pub mod cli;
pub mod config;
mod control;
mod figures;
mod files;
mod intake;
mod meters;
pub mod operations;
mod portal;
pub mod vault;
pub mod workers;
