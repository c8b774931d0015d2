//! The snapshots as directories: which there are, and what they are called.

use std::collections::BTreeMap;
use std::sync::Arc;

use datis_engine::ids::SourceName;
use datis_engine::units::UnixMillis;

use crate::snapshots::Snapshot;

/// All snapshots, by source and then by name, which is also by time.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    sources: BTreeMap<SourceName, BTreeMap<String, Arc<Snapshot>>>,
}

impl Shelf {
    /// Names them by the time at which the box had all of them: `2026-11-21T140305Z`, in UTC and without colons, which
    /// some tools take for something else. Of several in one second all but the first have a part of their id added.
    pub(super) fn new(mut snapshots: Vec<Snapshot>) -> Self {
        snapshots.sort_by_key(|snapshot| (snapshot.received_at, snapshot.id));
        let mut shelf = Self::default();
        for snapshot in snapshots {
            let named = shelf.sources.entry(snapshot.record.source.clone()).or_default();
            let mut name = name_of(snapshot.received_at);
            if named.contains_key(&name) {
                name = format!("{name}-{}", &snapshot.id.to_string()[..16]);
            }
            named.insert(name, Arc::new(snapshot));
        }
        shelf
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = &SourceName> {
        self.sources.keys()
    }

    /// The snapshots of a source, oldest first.
    pub(super) fn of(&self, source: &SourceName) -> impl DoubleEndedIterator<Item = (&str, &Arc<Snapshot>)> {
        self.sources.get(source).into_iter().flatten().map(|(name, snapshot)| (name.as_str(), snapshot))
    }

    pub(super) fn named(&self, source: &SourceName, name: &str) -> Option<Arc<Snapshot>> {
        self.sources.get(source)?.get(name).cloned()
    }

    pub(super) fn latest(&self, source: &SourceName) -> Option<(&str, &Arc<Snapshot>)> {
        self.of(source).next_back()
    }
}

fn name_of(at: UnixMillis) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(at) => at.strftime("%Y-%m-%dT%H%M%SZ").to_string(),
        Err(_) => at.0.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::snapshot;
    use super::*;

    #[test]
    fn snapshots_are_named_by_their_time_and_no_two_alike() {
        let mut later = snapshot(3);
        later.received_at = UnixMillis(1_700_000_060_000);
        let mut same_second = snapshot(2);
        same_second.received_at = UnixMillis(1_700_000_000_900);
        let first = snapshot(1);
        let (second_id, source) = (same_second.id, first.record.source.clone());
        let shelf = Shelf::new(vec![later, same_second, first]);
        let names: Vec<_> = shelf.of(&source).map(|(name, _)| name.to_owned()).collect();
        let with_id = format!("2023-11-14T221320Z-{}", &second_id.to_string()[..16]);
        assert_eq!(names, ["2023-11-14T221320Z", with_id.as_str(), "2023-11-14T221420Z"]);
        assert_eq!(shelf.latest(&source).map(|(name, _)| name), Some("2023-11-14T221420Z"));
        assert!(shelf.named(&source, "latest").is_none());
        assert_eq!(shelf.sources().count(), 1);
    }
}
