//! One machine cannot read, write, delete or detect the data of another: the machine port is asked for everything, by
//! everybody, with ids of their own, of others, of nothing, and of no form at all.

mod matrix;
mod scene;
mod sharing;
