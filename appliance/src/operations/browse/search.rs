//! Search by name, over all dates and all machines that the one who asks may see.
//!
//! The index finds names that have all the three letters of what is searched for, and here is looked whether they stand
//! there as asked. Only sources that may be seen are asked, and how much is looked at is bounded for them alone: so nobody
//! learns from how long it takes, or from what is cut off, what others have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datis_engine::format::path::EntryPath;
use datis_engine::ids::{MachineId, SnapshotId, SourceName};
use datis_engine::units::UnixMillis;

use super::scope::{BrowseError, Scope};
use crate::catalog::names::{self, Candidate, EntryKind, NameSource};
use crate::catalog::{MachineRow, history};
use crate::operations::Site;

/// The most that one search gives.
pub const HITS_MAX: usize = 500;

/// Words beyond this many, and letters of a word beyond so many, are not looked at.
const WORDS_MAX: usize = 8;
const WORD_LETTERS_MAX: usize = 64;

/// Groups of three letters that the index is asked for; whether all is there is looked at afterwards.
const THREES_MAX: usize = 64;

/// Names that one search looks at, shared out evenly between the sources that it may see. A search for one or two
/// letters, which the index does not help with, sees no more than this: about half a second's worth.
const LOOKED_AT_MAX: usize = 200_000;

/// Each source gets at least this many.
const LOOKED_AT_MIN: usize = 500;

/// Matches of one source that are put into order; beyond that the first found are good enough.
const MATCHES_MAX: usize = 5_000;

/// A path that was found, over all the time that it was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Whose.
    pub machine: MachineId,
    /// Of which source.
    pub source: SourceName,
    /// Where.
    pub path: EntryPath,
    /// What it was the last time.
    pub kind: EntryKind,
    /// How long it was the last time, in bytes.
    pub size: u64,
    /// When the first snapshot that had it was received.
    pub first_seen: UnixMillis,
    /// When the last one was.
    pub last_seen: UnixMillis,
    /// Whether the newest snapshot has it; else it was deleted or moved.
    pub is_present: bool,
    /// The newest snapshot that has it: where to read it.
    pub snapshot: SnapshotId,
}

/// What a search has found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// What is there before what is gone, names that are or begin with what was asked before others, newest first.
    pub found: Vec<Found>,
    /// Whether there is, or may be, more.
    pub is_cut: bool,
}

/// Searches names that contain all of `words`, which blanks separate; capitals count for nothing. Of a word with
/// `/`, what is behind the last one is looked for in the name, and all of it in the path. `limit`: 1 to [`HITS_MAX`].
///
/// Nothing that a person types is an error: without a letter nothing is found.
///
/// # Errors
/// [`BrowseError`].
pub fn search(site: &Arc<Site>, scope: &Scope, words: &str, limit: usize) -> Result<Search, BrowseError> {
    let limit = limit.clamp(1, HITS_MAX);
    let Some(question) = Question::of(words) else { return Ok(Search::default()) };
    let seen = site.catalog.reader().read(|tx| {
        let machines: BTreeMap<MachineRow, MachineId> = history::machines(tx)?.into_iter().collect();
        let sources = names::sources(tx)?.into_iter();
        let seen = sources.filter_map(|source| Some((machines.get(&source.machine).copied()?, source)));
        Ok::<_, BrowseError>(seen.filter(|(machine, _)| scope.holds(machine)).collect::<Vec<_>>())
    })?;
    let seen = match (&question.index, scope) {
        (Some(index), Scope::All) => with_matches(site, seen, index)?,
        // Whoever sees a part must not learn from how long it takes what the rest holds.
        (None, Scope::All) | (_, Scope::Only(_)) => seen,
    };
    let share = LOOKED_AT_MAX.checked_div(seen.len()).unwrap_or(0).max(LOOKED_AT_MIN);
    let mut hits = Vec::new();
    let mut is_cut = false;
    for (machine, source) in &seen {
        // A transaction for each source: no long one keeps the write-ahead log from being copied back.
        let (found, more) = of_source(site, source, *machine, &question, share)?;
        hits.extend(found);
        is_cut |= more;
        if hits.len() > MATCHES_MAX {
            is_cut |= keep_best(&mut hits, limit);
        }
    }
    is_cut |= keep_best(&mut hits, limit);
    Ok(Search { found: hits.into_iter().map(|hit| hit.found).collect(), is_cut })
}

/// Those of the sources that have a match at all: on a large box most have none, and asking each costs more than the rest.
fn with_matches(
    site: &Site,
    seen: Vec<(MachineId, NameSource)>,
    index: &str,
) -> Result<Vec<(MachineId, NameSource)>, BrowseError> {
    let holding = site.catalog.reader().read(|tx| {
        let (mut holding, mut from) = (BTreeSet::new(), 0);
        while let Some(row) = names::next_with_match(tx, index, from)? {
            holding.insert(row);
            from = row + 1;
        }
        Ok::<_, BrowseError>(holding)
    })?;
    Ok(seen.into_iter().filter(|(_, source)| holding.contains(&source.row)).collect())
}

/// A match, and how well it fits: the lower, the better.
struct Hit {
    rank: u8,
    found: Found,
}

/// Puts the best first and drops the rest; whether there was a rest.
fn keep_best(hits: &mut Vec<Hit>, limit: usize) -> bool {
    hits.sort_by(|a, b| {
        let key = |hit: &Hit| (!hit.found.is_present, hit.rank, -hit.found.last_seen.0);
        key(a).cmp(&key(b)).then_with(|| a.found.path.cmp(&b.found.path))
    });
    let more = hits.len() > limit;
    hits.truncate(limit);
    more
}

/// The matches of a source, and whether there may be more.
fn of_source(
    site: &Site,
    source: &NameSource,
    machine: MachineId,
    question: &Question,
    looked_at_max: usize,
) -> Result<(Vec<Hit>, bool), BrowseError> {
    site.catalog.reader().read(|tx| {
        let (mut looked_at, mut is_cut) = (0, false);
        let mut merged: BTreeMap<EntryPath, Candidate> = BTreeMap::new();
        names::for_each_candidate(tx, source, question.index.as_deref(), &mut |candidate| {
            looked_at += 1;
            if question.matches(&candidate.path) {
                merge(&mut merged, candidate);
            }
            is_cut = looked_at >= looked_at_max || merged.len() >= MATCHES_MAX;
            !is_cut
        })?;
        let mut hits = Vec::with_capacity(merged.len());
        for (path, candidate) in merged {
            let indexed_at = source.indexed_at.unwrap_or(UnixMillis(0));
            let last = candidate.last.unwrap_or(indexed_at);
            // Only the last stretch of time counts: between two of them it was not there.
            let stretch = candidate.first;
            let Some(snapshot) = names::newest_between(tx, source, stretch, last)? else { continue };
            let rank = question.rank(&path);
            let found = Found {
                machine,
                source: source.source.clone(),
                path,
                kind: candidate.kind,
                size: candidate.bytes,
                first_seen: candidate.first,
                last_seen: last,
                is_present: candidate.last.is_none(),
                snapshot,
            };
            hits.push(Hit { rank, found });
        }
        Ok((hits, is_cut))
    })
}

/// Of several stretches of time of one path the last one is shown.
fn merge(merged: &mut BTreeMap<EntryPath, Candidate>, candidate: Candidate) {
    let is_later = match merged.get(&candidate.path) {
        Some(known) => candidate.first > known.first,
        None => true,
    };
    if is_later {
        merged.insert(candidate.path.clone(), candidate);
    }
}

/// What is searched for.
struct Question {
    /// In small letters; those with `/` are looked for in the path.
    words: Vec<String>,
    /// The question to the index; `None` when all words are too short for it.
    index: Option<String>,
}

impl Question {
    /// `None` when there is nothing to search for.
    fn of(raw: &str) -> Option<Self> {
        let cut = |word: &str| word.chars().take(WORD_LETTERS_MAX).collect::<String>().to_lowercase();
        // Control characters are in no name as people see it, and a zero would end the question to the index.
        let words = raw.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
        let words: Vec<String> = words.take(WORDS_MAX).map(cut).collect();
        let words: Vec<String> = words.into_iter().filter(|word| word.chars().any(|c| c != '/')).collect();
        if words.is_empty() {
            return None;
        }
        // Only names are in the index: of a path, what stands behind its last slash.
        let in_name = words.iter().filter_map(|word| word.rsplit('/').next());
        let mut threes: Vec<String> = Vec::new();
        for word in in_name {
            let letters: Vec<char> = word.chars().collect();
            threes.extend(letters.windows(3).map(|three| three.iter().collect::<String>()));
        }
        threes.sort();
        threes.dedup();
        threes.truncate(THREES_MAX);
        // Within quotes nothing but a quote means anything to the index, and that is doubled.
        let quoted = |three: &String| format!("\"{}\"", three.replace('"', "\"\""));
        let index = threes.iter().map(quoted).collect::<Vec<_>>().join(" AND ");
        Some(Self { words, index: (!index.is_empty()).then_some(index) })
    }

    fn matches(&self, path: &EntryPath) -> bool {
        let name = names::shown_name(path).to_lowercase();
        let whole = std::cell::OnceCell::new();
        self.words.iter().all(|word| match word.contains('/') {
            true => {
                let last = word.rsplit('/').next().unwrap_or_default();
                name.contains(last) && whole.get_or_init(|| format!("/{path}").to_lowercase()).contains(word.as_str())
            }
            false => name.contains(word.as_str()),
        })
    }

    /// 0: it is the name; 1: the name begins with it; 2: it is within.
    fn rank(&self, path: &EntryPath) -> u8 {
        let name = names::shown_name(path).to_lowercase();
        let first = self.words.first().map_or("", |word| word.rsplit('/').next().unwrap_or_default());
        if name == first { 0 } else { 2 - u8::from(name.starts_with(first)) }
    }
}
