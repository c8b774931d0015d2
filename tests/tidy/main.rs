//! Rules about the tree that taste alone does not hold, as tests. Each message says what to do.

mod arrows;
mod catalog;
mod components;
mod documents;
mod sources;
mod words;
