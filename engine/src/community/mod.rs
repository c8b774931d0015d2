//! Who belongs together, and how that is proved: pure types and their verification.
//!
//! A member has two Ed25519 keys. The *device key* is that of its box: it makes the box's certificate and signs what
//! the box says from day to day. The *recovery key* comes out of the recovery kit, names the member, and replaces a
//! lost device key. Everything else follows from a hash-chained log of signed entries that every member holds.
//!
//! Nothing here asks for the time, dials or stores. The bytes are in `docs/PROTOCOL.md`, "Communities"; the reasons are
//! in mutual-backup 4.7 to 4.11.

pub mod accused;
pub mod address;
pub mod check;
pub mod dial;
pub mod entry;
pub mod head;
pub mod hearing;
pub mod invitation;
pub mod known;
pub mod ledger;
pub mod log;
pub mod parting;
pub mod proposals;
pub mod roster;
mod rules;
pub mod signed;
pub mod spoken;

#[cfg(test)]
mod testing;
