//! What this box and the others keep for one another, on the console.

use serde_json::json;

use super::command::{Answer, Failed, Outcome};
use super::execute::Desk;
use crate::figures;
use crate::operations::community::{self, CommunityError, Stated, Sum};

pub(super) fn shown(desk: &Desk) -> Result<Answer, Failed> {
    let ledger = community::ledger(&desk.site)?.ok_or(CommunityError::None)?;
    let (gives, here, there) = (ledger.gives_bytes, ledger.kept_here, ledger.kept_there);
    let mut text = format!(
        "This box gives the others {}, of which {} is used. They keep {} for it.\n",
        figures::bytes(gives),
        figures::bytes(here),
        figures::bytes(there)
    );
    let mut pairs = Vec::new();
    for pair in &ledger.pairs {
        let most = pair.may_keep.map(|most| format!(" of at most {}", figures::bytes(most))).unwrap_or_default();
        text.push_str(&format!("{}\n", pair.name));
        text.push_str(&format!(
            "  keeps for this box: {}; {}\n",
            figures::bytes(pair.kept_there),
            books_words(pair.there)
        ));
        text.push_str(&format!("  keeps here: {}{most}; {}\n", figures::bytes(pair.kept_here), books_words(pair.here)));
        pairs.push(json!({
            "name": pair.name,
            "may_keep": pair.may_keep,
            "kept_here": pair.kept_here,
            "kept_there": pair.kept_there,
            "here": books_json(pair.here),
            "there": books_json(pair.there),
        }));
    }
    let json = json!({ "gives": gives, "kept_here": here, "kept_there": there, "pairs": pairs });
    Ok(Answer { text, json, outcome: Outcome::Done })
}

fn books_words(stated: Option<Stated>) -> String {
    let sum = |sum: Sum| format!("{} in {} shards", figures::bytes(sum.bytes), sum.count);
    match stated {
        None => "the books were not compared yet".to_owned(),
        Some(Stated { day, ours, theirs: None }) => format!("{}, signed by both on {}", sum(ours), figures::day(day)),
        Some(Stated { day, ours, theirs: Some(theirs) }) => {
            format!("on {} {} by the books of this box, {} by the other's", figures::day(day), sum(ours), sum(theirs))
        }
    }
}

fn books_json(stated: Option<Stated>) -> serde_json::Value {
    let sum = |sum: Sum| json!({ "bytes": sum.bytes, "shards": sum.count });
    stated.map_or(
        serde_json::Value::Null,
        |stated| json!({ "day": stated.day.0, "ours": sum(stated.ours), "theirs": stated.theirs.map(sum) }),
    )
}
