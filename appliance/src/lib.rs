//! The daemon `datisd`: takes backups in, keeps them, gives them back.
//!
//! The arrows go one way and `tests/tidy` holds them: `app` builds everything and starts the edges (`portal`, `intake`,
//! `peering`, `control`, `coordinator`, `workers`), which never import one another. Every change is one verb in `operations`,
//! in one transaction; every look goes through `catalog`'s readers. `commissioning` looks at the box and at the network around it; what
//! needs a privilege for that, the program `datis-probe` does (`probe`). What changes the computer itself, `host` decides and
//! the program `datis-hand` does (`hand`). `vault`, `certs`, `config`, `files` and `meters` stand below all of them.

mod app;
mod bundle;
pub mod catalog;
pub mod certs;
mod channels;
pub mod cli;
pub mod commissioning;
pub mod config;
mod control;
mod coordinator;
mod discovery;
mod doorway;
mod figures;
mod files;
pub mod hand;
mod helpers;
mod host;
mod intake;
mod links;
pub mod locale;
mod mapping;
mod meters;
pub mod operations;
pub mod paper;
mod partner;
mod peering;
mod peers;
mod plain;
mod portal;
pub mod probe;
mod rates;
mod recovery;
mod reports;
mod sheets;
pub mod vault;
pub mod workers;
