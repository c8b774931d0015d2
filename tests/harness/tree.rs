//! Trees of files: making them, changing them, and telling in words how two of them differ.

mod change;
mod make;
mod state;

pub use change::change;
pub use make::{every_kind, large_sparse_file, many_files};
pub use state::{TreeState, assert_same, differences};
