//! Random histories of a box: whatever happens in whatever order, what is listed comes back, and nothing stays for ever.

use std::collections::HashMap;

use datis_engine::ids::SnapshotId;
use datis_engine::store::ObjectKind;
use datis_engine::units::Seconds;
use datis_engine::wire::ListSnapshots;
use proptest::prelude::*;

use super::super::accounts::Actor;
use super::super::testing::{Client, TestBox, files, owned, pack_of};
use super::super::{Pace, PolicyChange, compact, list_snapshots, rebuild, set_policy, verify};
use super::{PruneOptions, prune};
use crate::catalog::testing::age;

/// Something that happens to a box with two machines.
#[derive(Debug, Clone)]
enum Event {
    /// A machine backs up some files out of a few contents, so that much is shared.
    BackUp {
        machine: usize,
        count: usize,
        content: u64,
    },
    /// A machine sends a part of a backup and dies.
    Die {
        machine: usize,
        content: u64,
    },
    Verify,
    Prune {
        grace_hours: u64,
    },
    Compact,
    Pass {
        hours: u64,
    },
    Restart,
    Rebuild,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0..2_usize, 1..7_usize, 0..4_u64)
            .prop_map(|(machine, count, content)| Event::BackUp { machine, count, content }),
        1 => (0..2_usize, 0..4_u64).prop_map(|(machine, content)| Event::Die { machine, content }),
        2 => Just(Event::Verify),
        4 => prop_oneof![Just(0), Just(24_u64)].prop_map(|grace_hours| Event::Prune { grace_hours }),
        2 => Just(Event::Compact),
        3 => (1..40_u64).prop_map(|hours| Event::Pass { hours }),
        1 => Just(Event::Restart),
        1 => Just(Event::Rebuild),
    ]
}

struct History {
    test: TestBox,
    clients: Vec<Client>,
    made: HashMap<SnapshotId, Vec<(String, Vec<u8>)>>,
}

impl History {
    fn begin() -> Self {
        let test = TestBox::start();
        let clients: Vec<_> = ["alice", "bob"].map(|name| Client::enrol(test.site(), name)).into();
        for client in &clients {
            let change = PolicyChange { local: Some("3d/1h".parse().expect("policy")), ..PolicyChange::default() };
            set_policy(test.site(), &Actor::console(), &client.machine.name, &change).expect("policy");
        }
        Self { test, clients, made: HashMap::new() }
    }

    fn happen(&mut self, event: &Event) {
        let site = self.test.site();
        match *event {
            Event::BackUp { machine, count, content } => {
                let files = files(count, content);
                let (receipt, _) = self.clients[machine].back_up(site, &files);
                self.made.insert(receipt.snapshot, owned(&files));
            }
            Event::Die { machine, content } => {
                let client = &self.clients[machine];
                let made = client.make(&site.vault.keys, &files(3, 50 + content));
                let session = client.begin(site, None).session;
                client.put(site, session, &pack_of(site, &made.chunks[1..])).expect("put");
                site.sessions.find(client.machine.row, session).expect("open").wait_for_packs().expect("entered");
                site.sessions.close_all();
            }
            Event::Verify => assert!(verify(site, None, &mut |_| {}).expect("verify").is_sound()),
            Event::Prune { grace_hours } => {
                let options =
                    PruneOptions { force: true, grace: Seconds(grace_hours * 3_600), ..PruneOptions::default() };
                let report = prune(site, &options).expect("prune");
                assert!(report.held_back.is_empty(), "{report:?}");
            }
            Event::Compact => {
                compact(site, Pace::Steady).expect("compact");
            }
            Event::Pass { hours } => {
                site.catalog.writer().write(|tx| age(tx, Seconds(hours * 3_600))).expect("age");
            }
            Event::Restart => self.test.restart(),
            Event::Rebuild => {
                self.test.stop();
                let report = rebuild(&self.test.dir(), self.test.vault(), None, &mut |_| {}).expect("rebuild");
                assert!(report.is_sound(), "{report:?}");
                self.test.restart();
                for client in &mut self.clients {
                    let key = client.key.public_key();
                    client.machine = super::super::machine_by_key(self.test.site(), &key).expect("known");
                }
            }
        }
    }

    fn listed(&self, client: &Client) -> Vec<SnapshotId> {
        let message = ListSnapshots { source: None, after: None };
        let page = list_snapshots(self.test.site(), &client.machine, &message).expect("list");
        page.snapshots.iter().map(|s| s.signed.id()).collect()
    }

    fn all_comes_back(&self) {
        for client in &self.clients {
            for id in self.listed(client) {
                let restored = client.restore(self.test.site(), &id).expect("restore");
                assert!(self.made.get(&id) == Some(&restored), "snapshot {id} is not what was backed up");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 60, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_what_is_listed_comes_back(events in proptest::collection::vec(event(), 4..28)) {
        let mut history = History::begin();
        for event in &events {
            history.happen(event);
            if matches!(event, Event::Prune { .. } | Event::Compact | Event::Restart | Event::Rebuild) {
                history.all_comes_back();
            }
        }
        history.all_comes_back();
        history.happen(&Event::Verify);

        // With one small snapshot each and enough time, that is all that stays.
        for machine in 0..2 {
            history.happen(&Event::BackUp { machine, count: 1, content: 90 + machine as u64 });
        }
        history.happen(&Event::Verify);
        for _ in 0..3 {
            history.happen(&Event::Pass { hours: 24 * 5 });
            for machine in 0..2 {
                history.happen(&Event::BackUp { machine, count: 1, content: 90 + machine as u64 });
            }
            history.happen(&Event::Prune { grace_hours: 24 });
        }
        history.all_comes_back();
        let site = history.test.site();
        let packs = site.store.list(ObjectKind::Pack).expect("list");
        let bytes: u64 = packs.iter().map(|name| site.store.size(*name).expect("size")).sum();
        prop_assert!(bytes < 60_000, "{} packs of {bytes} bytes are left", packs.len());
    }
}
