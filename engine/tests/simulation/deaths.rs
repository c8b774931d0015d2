//! For each number of boxes: any m may die, and when more die the lost packs are named.

use std::collections::{BTreeMap, BTreeSet};

use datis_engine::ids::PackId;
use datis_engine::life::peer::{Presence, Standing};
use datis_engine::life::placement::{Candidate, Domains, Group, independent};
use datis_engine::life::stripe::{StripeMap, StripeState};
use datis_engine::units::Seconds;

use crate::host::member;
use crate::owner::scheme;
use crate::rng::Rng;

const HERE: Presence = Presence { standing: Standing::Ok, counts: true, silent: Seconds(0) };
const GONE: Presence = Presence { standing: Standing::Gone, counts: false, silent: Seconds(31 * 86_400) };

/// The owner's box is burnt, and so are `dead` of its `sites` peers: which packs are named, and which are truly lost.
fn burn(sites: usize, dead: usize, rng: &mut Rng) -> (Vec<PackId>, Vec<PackId>) {
    let candidates: Vec<Candidate> = (0..sites)
        .map(|number| Candidate { member: member(number), domains: Domains::default(), room_bytes: 1 << 40 })
        .collect();
    let redundancy = scheme(independent(&candidates)).expect("a scheme for each number");
    let group = Group::found(&candidates, redundancy).expect("enough members");
    let mut map = StripeMap::new();
    let packs: Vec<PackId> = (0..40).map(|_| PackId::from_bytes(std::array::from_fn(|_| rng.next() as u8))).collect();
    for pack in &packs {
        map.place(*pack, &group).expect("new");
        for index in 0..redundancy.width() {
            map.receipt(*pack, index, group.member_for(pack, index)).expect("meant");
        }
        map.set_local(*pack, false).expect("in the map");
    }
    let mut killed = BTreeSet::new();
    while killed.len() < dead {
        killed.insert(member(usize::try_from(rng.range(0, sites as u64)).expect("small")));
    }
    let presences: BTreeMap<_, _> =
        (0..sites).map(member).map(|member| (member, if killed.contains(&member) { GONE } else { HERE })).collect();
    let left = |pack: &PackId| {
        (0..redundancy.width()).filter(|index| !killed.contains(&group.member_for(pack, *index))).count()
    };
    let mut lost: Vec<PackId> = packs.iter().copied().filter(|pack| left(pack) < redundancy.data()).collect();
    lost.sort();
    let view = map.view(&presences);
    let named = map.unreadable(&view);
    assert_eq!(map.plan_repairs(&presences, &[], usize::MAX).unreadable, named);
    assert!(named.iter().all(|pack| map.state(pack, &view) == Some(StripeState::Unreadable)));
    (named, lost)
}

#[test]
fn any_m_deaths_lose_nothing_and_more_are_named_for_each_number_of_boxes() {
    let mut rng = Rng::new(4_18);
    let mut lost_some = 0;
    for sites in 1..=48 {
        let parity = scheme(sites).expect("a scheme").parity();
        for _ in 0..8 {
            let (named, _) = burn(sites, parity, &mut rng);
            assert_eq!(named, [], "{parity} of {sites} boxes died");
            let (named, lost) = burn(sites, (parity + 1).min(sites), &mut rng);
            assert_eq!(named, lost, "{} of {sites} boxes died", parity + 1);
            lost_some += usize::from(!lost.is_empty());
        }
    }
    assert!(lost_some > 20, "{lost_some}");
}
