//! Everything that is particular to one operating system. Nothing else in this crate asks which system it is on.

pub mod attributes;
pub mod files;
pub mod fuse;
pub mod host;
mod linux;
pub mod names;
pub mod power;
pub mod process;
pub mod scan;
pub mod signals;
pub mod target;

pub use linux::default_state_dir;
