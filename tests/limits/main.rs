//! Limits of the machine port: whatever comes in, however much and however slowly, the box goes on serving others, and
//! its memory stays what it is.

mod bodies;
mod connections;
mod hostile_packs;
mod slow;
mod stage;
