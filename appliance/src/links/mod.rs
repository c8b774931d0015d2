//! Connections that the box makes to others by itself.

pub(crate) mod mail;
