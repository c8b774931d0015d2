//! The whole product, as its users meet it: the real daemon and the real client, each test with a box of its own.
//!
//! Root is needed: trees have owners and devices, and restores set them.

mod box_commands;
mod browsing;
mod bundle;
mod community;
mod damage;
mod enrolment;
mod excludes;
mod harness_itself;
mod hosts;
mod interrupted;
mod kills;
mod laggards;
mod leaving;
mod metadata;
mod mounting;
mod network_folder;
mod older;
mod put_back;
mod reaching;
mod readers;
mod refusals;
mod restoring;
mod retention;
mod round_trip;
mod saved;
mod service;
mod sharing;
mod streams;
mod table;
