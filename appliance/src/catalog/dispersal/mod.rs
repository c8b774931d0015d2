//! Where the vault's packs are outside: members and groups, stripes and shards, the map of them, the head.

pub mod holders;
pub mod kept_outside;
pub mod outside;
pub mod stripes;
