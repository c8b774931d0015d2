//! What the fault scenarios are made of.

pub(crate) mod disk;
pub(crate) mod finding;
pub(crate) mod fleet;
pub(crate) mod ground;
pub(crate) mod medium;
pub(crate) mod seed;
pub(crate) mod writer;
