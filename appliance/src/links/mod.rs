//! Connections that the box makes to others by itself.

pub(crate) mod directory;
pub(crate) mod fetch;
mod https;
pub(crate) mod mail;
pub(crate) mod packs;
pub(crate) mod peers;
pub(crate) mod trust;
pub(crate) mod webhook;
