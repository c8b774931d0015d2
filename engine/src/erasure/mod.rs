//! Erasure coding: a pack becomes a stripe of shards, one for each peer, and any `k` of them become the pack again.
//!
//! - [`scheme`]: how many shards, and how many of them suffice.
//! - [`layout`]: how long shards are, and which bytes of a pack stand where.
//! - [`shard`]: the shard file: its sealed header, and the blocks that seal the pack once more.
//! - [`stripe`], [`restore`]: pack to shards and back; [`reading`]: a few bytes of a pack out of the shards that hold them.
//! - [`proof`], [`answer`]: how a peer shows that it still has a shard.
//!
//! Peers see random bytes of few lengths. All of it is deterministic: the same pack under the same secret and scheme gives the
//! same shards byte for byte, so that a lost shard is made again under its old name. Source: mutual-backup 4.0 to 4.6;
//! `docs/FORMAT.md`, "Stripes and shards".

pub mod answer;
mod code;
pub mod layout;
pub mod proof;
pub mod reading;
pub mod restore;
pub mod scheme;
pub mod shard;
pub mod stripe;
#[cfg(test)]
mod testing;
