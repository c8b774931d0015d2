//! Whether other boxes reach this one, and what it relays between others, on the console.

use datis_engine::community::roster::Roster;
use datis_engine::ids::MemberId;
use datis_engine::life::reach::Reach;
use datis_engine::wire::reach::DialFound;
use serde_json::{Value, json};

use crate::channels::Relayed;
use crate::peers::{Standing, Told};

/// What is known, and what to do about it.
pub(super) fn said(standing: &Standing) -> String {
    let port = standing.port;
    let mut text = match (standing.reach, standing.said) {
        (Reach::Reachable, _) => format!("Others reach this box at port {port}.\n"),
        (Reach::NotReachable, _) => format!(
            "Others do not reach this box at port {port}. It works all the same, by connections that it opens itself, and more slowly \
             where another member has to stand in between. To be reached: let the router forward port {port} to it; \
             `datisd commission` says what is in the way.\n"
        ),
        (Reach::NotKnown, Reach::NotKnown) => {
            "Not known yet whether others reach this box: too few members could be asked to dial it, or they differ. This is tried \
             again every ten minutes.\n"
                .to_owned()
        }
        (Reach::NotKnown, Reach::Reachable) => {
            format!("Others have reached this box at port {port} once; it counts when they do again, in ten minutes.\n")
        }
        (Reach::NotKnown, Reach::NotReachable) => {
            format!("Others did not reach this box at port {port}; it counts when they do not again, in ten minutes.\n")
        }
    };
    for told in &standing.told {
        text.push_str(&format!("  {}: {}\n", told.name, found_words(told)));
    }
    text
}

fn found_words(told: &Told) -> String {
    let dialled = match &told.found {
        Err(why) => return format!("did not dial ({why})"),
        Ok(dialled) => dialled,
    };
    let found = match dialled.found {
        DialFound::Silent => "nothing came back",
        DialFound::Refused => "the connection was refused",
        DialFound::Prohibited => "the network says that there is no way",
        DialFound::NoTls => "something answers that is no box",
        DialFound::OtherKey => "another box answers",
        DialFound::NoAnswer => "this box was there and did not answer",
        DialFound::Reached { millis } => return format!("reached it at {} in {millis} ms", dialled.address),
    };
    format!("dialled {}: {found}", dialled.address)
}

pub(super) fn json(standing: &Standing) -> Value {
    let told: Vec<Value> = standing
        .told
        .iter()
        .map(|told| {
            let dialled = told.found.as_ref().ok();
            json!({
                "name": told.name.as_str(),
                "address": dialled.map(|dialled| dialled.address.as_str()),
                "reached": dialled.map(|dialled| dialled.found.is_reached()),
                "words": found_words(told),
            })
        })
        .collect();
    json!({ "state": standing.reach.word(), "last_round": standing.said.word(), "port": standing.port, "told": told })
}

/// What this box carries for others; nothing when there is nothing.
pub(super) fn relayed_text(relayed: &[Relayed], roster: &Roster) -> String {
    let line = |one: &Relayed| {
        let (megabytes, of) = (one.bytes / 1_000_000, one.of / 1_000_000);
        let (here, there) = (name(roster, one.between.0), name(roster, one.between.1));
        format!("Relayed between {here} and {there} in the last day: {megabytes} MB of at most {of} MB.\n")
    };
    relayed.iter().map(line).collect()
}

pub(super) fn relayed_json(relayed: &[Relayed], roster: &Roster) -> Value {
    let one = |one: &Relayed| {
        json!({
            "between": [name(roster, one.between.0), name(roster, one.between.1)],
            "bytes": one.bytes,
            "of": one.of,
            "open": one.open,
        })
    };
    relayed.iter().map(one).collect()
}

fn name(roster: &Roster, id: MemberId) -> String {
    roster.member(id).map_or_else(|| id.to_string(), |member| member.name.to_string())
}
