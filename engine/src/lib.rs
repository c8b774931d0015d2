//! What Datis bytes mean: everything a second implementation would have to reproduce.
//!
//! The arrows go one way and `tests/tidy` holds them: `pack`, `wire`, `store` and `retention` build on `format`, which
//! builds on `chunk`, which builds on `keys`, `ids` and `units`; `erasure` takes packs as bytes and `community` says who belongs
//! together, both on top of `format`; `life` holds the states that boxes keep of one another, `outside` what a blank box finds its
//! way back by. This crate never does HTTP, SQL or async work, and never looks at a clock: time and randomness that matter come
//! in as arguments.
//!
//! The byte-level description of all of it, for people without this source, is `docs/FORMAT.md` and `docs/PROTOCOL.md`.

pub mod chunk;
pub mod community;
pub mod enrolment;
pub mod erasure;
pub mod format;
pub mod ids;
pub mod keys;
pub mod life;
pub mod outside;
pub mod pack;
#[cfg(feature = "plant")]
mod plant;
pub mod retention;
pub mod store;
pub mod units;
pub mod wire;
