//! The daemon `datisd`: takes backups in, keeps them, gives them back.
//!
//! The arrows go one way and `tests/tidy` holds them: `app` builds everything and starts the edges (`portal`, `intake`,
//! `control`, `workers`), which never import one another. Every change is one verb in `operations`, in one transaction;
//! every look goes through `catalog`'s readers. `vault`, `certs`, `config`, `files` and `meters` stand below all of them.

pub mod catalog;
pub mod certs;
pub mod config;
mod files;
pub mod vault;
