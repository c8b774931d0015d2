//! Everything that is particular to one operating system. Nothing else in this crate asks which system it is on.

mod linux;
pub mod scan;

pub use linux::default_state_dir;
