//! The machine port under those who do not keep to the rules: raw sockets against the real server.

mod fixture;
mod limits;
mod peers;
mod reach;
mod strangers;
