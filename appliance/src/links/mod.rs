//! Connections that the box makes to others by itself.

mod back;
mod cost;
pub(crate) mod directory;
pub(crate) mod fetch;
mod https;
pub(crate) mod mail;
pub(crate) mod packs;
pub(crate) mod peers;
mod pipes;
pub(crate) mod portion;
pub(crate) mod trust;
pub(crate) mod webhook;
