//! Boxes that found, invite, come in, compare notes and claim, without a network between them.

use std::sync::atomic::Ordering;

use datis_engine::community::entry::{Admission, Change, Domains};
use datis_engine::community::invitation::Invitation;
use datis_engine::community::log::Refusal;
use datis_engine::community::roster::{Rights, Standing};
use datis_engine::community::spoken::{SpokenCode, SpokenError};
use datis_engine::format::encode;
use datis_engine::ids::{EntryHash, MemberName, SpkiPin};
use datis_engine::keys::{PublicKey, SigningContext, SigningKey, recovery_key};
use datis_engine::life::placement::{Candidate, independent};
use datis_engine::units::Seconds;
use datis_engine::wire::REQUEST_MAX;
use datis_engine::wire::peers::{
    AskToJoin, BeginSpoken, ClaimOwner, Condemn, ENTRIES_AT_ONCE, Exchange, KITS_SHOWN_MAX, KitShown, Wish,
    claim_message,
};

use super::super::testing::{TestBox, new_key};
use super::claims::claim;
use super::exchange::{exchange, learn, question};
use super::*;
use crate::catalog::{audit, community as catalog};
use crate::operations::accounts::{Action, Actor};
use crate::operations::{dispersal, hosting};

/// What both ends of the one connection between two boxes have in common.
const CHANNEL: [u8; 32] = [7; 32];

fn by() -> Actor {
    Actor::console()
}

fn kit(of: &TestBox) -> datis_engine::keys::VaultIdentity {
    of.site().vault.recovery_kit(&of.dir()).expect("kit").identity
}

fn device(of: &TestBox) -> datis_engine::keys::PublicKey {
    of.site().vault.device_key.public_key()
}

fn founder() -> TestBox {
    let first = TestBox::start();
    let names = ("harbour".parse().expect("name"), "cellar".parse().expect("name"));
    found(first.site(), &by(), names.0, names.1, &kit(&first)).expect("founded");
    first
}

/// Sends the request over; gives the digits on the joining box's screen.
fn ask(joining: &TestBox, inviting: &TestBox, invitation: &Invitation, name: &str) -> Result<String, CommunityError> {
    let place = "192.168.1.20:20600".parse().expect("address");
    let connection = (&place, device(inviting), CHANNEL);
    let name = name.parse().expect("name");
    let attempt = try_to_join(joining.site(), &by(), invitation, connection, name, &kit(joining))?;
    let AskToJoinParts { id, request } = AskToJoinParts::of(&attempt);
    take_request(inviting.site(), &id, &request, device(joining), CHANNEL)?;
    asked_to_join(joining.site(), &by(), &attempt)?;
    Ok(attempt.digits().to_owned())
}

struct AskToJoinParts {
    id: datis_engine::ids::InvitationId,
    request: Vec<u8>,
}

impl AskToJoinParts {
    fn of(attempt: &JoinTry<AskToJoin>) -> Self {
        Self { id: attempt.message.invitation, request: attempt.message.request.to_vec() }
    }
}

/// Comes in all the way.
fn join(joining: &TestBox, inviting: &TestBox, name: &str) {
    let invitation = invite(inviting.site(), &by(), Vec::new()).expect("invitation");
    let digits = ask(joining, inviting, &invitation, name).expect("asked");
    admit(inviting.site(), &by(), &name.parse().expect("name"), &digits).expect("admitted");
    let asked = joining_of(joining).expect("it asks");
    let answer = join_answer(inviting.site(), &device(joining)).expect("answer");
    assert!(joined(joining.site(), &asked, &answer).expect("joined"));
}

fn joining_of(of: &TestBox) -> Option<crate::catalog::community::Joining> {
    super::joining(of.site()).expect("catalog")
}

#[test]
fn a_box_comes_in_with_an_invitation_and_digits_and_stays_in_over_a_restart() {
    let (mut first, mut second) = (founder(), TestBox::start());
    join(&second, &first, "attic");
    for one in [&mut first, &mut second] {
        one.restart();
        let known = one.site().community().expect("a community");
        assert_eq!(known.roster().name().to_string(), "harbour");
        assert_eq!(known.roster().active().count(), 2);
    }
    let (here, there) = (first.site().community().expect("in"), second.site().community().expect("in"));
    assert_eq!(here.log.last_hash(), there.log.last_hash());
    assert_eq!(here.who(&device(&second)), Some(there.me));
    assert_eq!(here.rights_of(there.me, first.site().clock.now()), Rights::All);
    assert!(joining_of(&second).is_none(), "it asks no more");
    assert!(matches!(
        found(second.site(), &by(), "other".parse().expect("name"), "attic".parse().expect("name"), &kit(&second)),
        Err(CommunityError::Already)
    ));
}

#[test]
fn a_box_whose_catalog_is_made_anew_is_the_member_that_it_was() {
    let (mut first, second) = (founder(), TestBox::start());
    join(&second, &first, "attic");
    let before = first.site().community().expect("in").log.last_hash();
    first.stop();
    let rebuilt = crate::operations::rebuild(&first.dir(), first.vault(), None, &mut |_| ());
    assert!(rebuilt.is_ok(), "{rebuilt:?}");
    first.restart();
    let known = first.site().community().expect("still in");
    assert_eq!(known.log.last_hash(), before);
    assert_eq!(known.who(&device(&first)), Some(known.me));
}

#[test]
fn nobody_comes_in_twice_with_one_invitation_or_with_other_digits() {
    let (first, second, third) = (founder(), TestBox::start(), TestBox::start());
    let invitation = invite(first.site(), &by(), Vec::new()).expect("invitation");
    let digits = ask(&second, &first, &invitation, "attic").expect("asked");
    assert!(matches!(ask(&third, &first, &invitation, "barn"), Err(CommunityError::NoInvitation)));
    let name = "attic".parse().expect("name");
    let wrong = if digits.starts_with('0') { "111 111" } else { "000 000" };
    assert!(matches!(admit(first.site(), &by(), &name, wrong), Err(CommunityError::Digits)));
    assert!(matches!(
        admit(first.site(), &by(), &"barn".parse().expect("name"), &digits),
        Err(CommunityError::NoRequest)
    ));
    assert_eq!(first.site().community().expect("in").roster().active().count(), 1);
    admit(first.site(), &by(), &name, &digits.replace(' ', "")).expect("blanks do not matter");
    // A box that was not let in hears it, and asks no more.
    let asked = crate::catalog::community::Joining { asked_at: UnixMillis(0), ..joining_of(&second).expect("it asks") };
    let answer = join_answer(first.site(), &device(&third)).expect("answer");
    assert!(!joined(second.site(), &asked, &answer).expect("told"));
}

#[test]
fn a_request_for_another_connection_or_from_another_box_is_refused_and_the_invitation_stays() {
    let (first, second) = (founder(), TestBox::start());
    let invitation = invite(first.site(), &by(), Vec::new()).expect("invitation");
    let place = "192.168.1.20:20600".parse().expect("address");
    let connection = (&place, device(&first), [8; 32]);
    let attempt =
        try_to_join(second.site(), &by(), &invitation, connection, "attic".parse().expect("name"), &kit(&second));
    let AskToJoinParts { id, request } = AskToJoinParts::of(&attempt.expect("made"));
    let refused = take_request(first.site(), &id, &request, device(&second), CHANNEL);
    assert!(matches!(refused, Err(CommunityError::Join(_))), "{refused:?}");
    ask(&second, &first, &invitation, "attic").expect("it is still there");
}

#[test]
fn only_the_boxs_own_kit_makes_it_a_member() {
    let (first, second) = (TestBox::start(), TestBox::start());
    let names = || ("harbour".parse().expect("name"), "cellar".parse().expect("name"));
    for other in [kit(&second), first.site().vault.identity.clone()] {
        let refused = found(first.site(), &by(), names().0, names().1, &other);
        assert!(matches!(refused, Err(CommunityError::OtherKit)), "{refused:?}");
    }
}

#[test]
fn members_that_compare_notes_know_the_same_whoever_asks() {
    let (first, second, third) = (founder(), TestBox::start(), TestBox::start());
    join(&second, &first, "attic");
    join(&third, &first, "barn");
    announce(third.site(), vec!["barn.example.org:20600".parse().expect("address")]).expect("announced");
    // The second one asks the third: it learns of it, of the entry that let it in, and of where it is.
    let told = exchange(third.site(), me(&second), &question(second.site()).expect("question")).expect("answer");
    learn(second.site(), me(&third), &told).expect("learned");
    let third_member = third.site().community().expect("in").me;
    assert_eq!(second.site().community().expect("in").roster().active().count(), 3);
    assert_eq!(places_of(second.site(), third_member).expect("places").len(), 1);
    // The first one has never heard where it is, and is told by the second.
    assert!(places_of(first.site(), third_member).expect("places").is_empty());
    exchange(first.site(), me(&second), &question(second.site()).expect("question")).expect("answer");
    assert_eq!(places_of(first.site(), third_member).expect("places").len(), 1);
    // An older record does not come back.
    let old = question(third.site()).expect("question");
    announce(third.site(), Vec::new()).expect("announced");
    exchange(first.site(), me(&third), &question(third.site()).expect("question")).expect("answer");
    exchange(first.site(), me(&third), &old).expect("answer");
    assert!(places_of(first.site(), third_member).expect("places").is_empty());
}

/// Lets a member in and puts it out again, until there are more than `bytes` of entries.
fn live_for_years(of: &TestBox, bytes: usize) {
    let (site, recovery, theirs) = (of.site(), new_key(), new_key());
    let (known, key) = (site.community().expect("in"), &site.vault.device_key);
    let label = || Some("語".repeat(64).parse().expect("label"));
    let domains = Domains { customer: label(), site: label(), reseller: label(), update_ring: label() };
    let name = name(&"語".repeat(64));
    let admission = Admission { name, recovery: recovery.public_key(), device: theirs.public_key(), domains };
    let consent = Box::new(admission.consent(known.log.community(), &theirs, &recovery));
    let (mut log, member, mut grown) = (known.log.clone(), admission.member(), 0);
    let admission = Box::new(admission);
    while grown <= bytes {
        let admit = Change::Admit { admission: admission.clone(), consent: consent.clone() };
        for change in [admit, Change::Remove { member }] {
            let mut entry = log.draft(UnixMillis(5), change);
            entry.sign(key);
            grown += entry.encode().len();
            log.append(entry).expect("it may be said");
        }
    }
    site.take_log(known.me, log, |_| Ok(())).expect("taken");
}

#[test]
fn a_member_that_is_far_behind_gets_the_log_in_parts_whoever_asks() {
    let (first, second, third) = (founder(), TestBox::start(), TestBox::start());
    join(&second, &first, "attic");
    join(&third, &first, "barn");
    live_for_years(&first, REQUEST_MAX + (256 << 10));
    for (asking, asked, behind) in [(&first, &second, &second), (&third, &first, &third)] {
        let mut questions = 0;
        let ask = |question: &Exchange| {
            questions += 1;
            let told = exchange(asked.site(), me(asking), question)?;
            assert!(encode(question).len() <= REQUEST_MAX, "it would be refused");
            assert!(encode(&told).len() <= 2 * ENTRIES_AT_ONCE, "a slow line would not bring it over in time");
            Ok::<_, CommunityError>(told)
        };
        compare_notes(asking.site(), me(asked), ask).expect("compared");
        assert_eq!(last_hash(behind), last_hash(&first));
        assert!((5..8).contains(&questions), "{questions}");
    }
    // Who does not say how much it takes gets all of it: it would not ask again.
    let asked = Exchange { sequence: 2, entries_at_most: None, ..question(second.site()).expect("question") };
    let last = first.site().community().expect("in").log.hash_at(2).expect("hash");
    let told = exchange(first.site(), me(&second), &Exchange { last, ..asked }).expect("answer");
    assert_eq!(told.entries.len() as u64, told.sequence - 2);
}

#[test]
fn who_takes_nothing_more_is_not_given_the_same_again() {
    let (first, second) = (founder(), TestBox::start());
    join(&second, &first, "attic");
    live_for_years(&first, 2 * ENTRIES_AT_ONCE);
    let (before, mut questions) = (exchange(second.site(), me(&first), &question(first.site()).expect("question")), 0);
    let before = before.expect("answer");
    let ask = |_: &Exchange| {
        questions += 1;
        Ok::<_, CommunityError>(before.clone())
    };
    assert_eq!(compare_notes(first.site(), me(&second), ask).expect("compared"), before.sequence);
    assert_eq!(questions, 2);
}

#[test]
fn a_kit_lets_a_blank_box_read_on_its_own_connection_and_another_kit_does_not() {
    let (first, second, stranger) = (founder(), TestBox::start(), TestBox::start());
    join(&second, &first, "attic");
    let known = first.site().community().expect("in");
    let (community, member) = (known.log.community(), second.site().community().expect("in").me);
    let blank = device(&stranger);
    let claim_with = |key: &SigningKey, channel: [u8; 32]| {
        let message = claim_message(community, member, &blank, &channel);
        let asked = ClaimOwner { community, member, signature: key.sign(SigningContext::Claim, &message) };
        claim(first.site(), &asked, blank, &CHANNEL)
    };
    let now = first.site().clock.now();
    for (key, channel) in [(recovery_key(&kit(&stranger)), CHANNEL), (recovery_key(&kit(&second)), [8; 32])] {
        assert!(matches!(claim_with(&key, channel), Err(CommunityError::OtherKit)));
    }
    assert_eq!(first.site().kit_claims.member(&blank, now), None);
    let claimed = claim_with(&recovery_key(&kit(&second)), CHANNEL).expect("claimed");
    assert_eq!(Log::decode(&claimed.log, community).expect("log").last_hash(), known.log.last_hash());
    assert_eq!(first.site().kit_claims.member(&blank, now), Some(member));
    let much_later = now.plus(datis_engine::units::Seconds(3_601));
    assert_eq!(first.site().kit_claims.member(&blank, much_later), None, "it has to claim again");
}

#[test]
fn what_waited_for_a_place_outside_is_forgotten_with_the_reason() {
    let first = founder();
    let site = first.site();
    let circle = dispersal::Circle::of(site).expect("circle").expect("in");
    site.homeless.store(3, Ordering::SeqCst);
    assert_eq!(dispersal::order_repairs(site, &circle, 10).expect("ordered"), 0);
    assert_eq!(site.homeless.load(Ordering::SeqCst), 0, "there is no group");
    site.homeless.store(3, Ordering::SeqCst);
    let name = site.community().expect("in").roster().name().clone();
    forget(site, &by(), &name).expect("forgotten");
    assert_eq!(site.homeless.load(Ordering::SeqCst), 0, "there is no community");
}

/// `second` of `hosts`, the first of which has founded; all of them know each other.
fn known_to(hosts: &[TestBox], second: &TestBox) {
    hosts[1..].iter().zip(["barn", "cellar 2"]).for_each(|(host, name)| join(host, &hosts[0], name));
    join(second, &hosts[0], "attic");
    for host in &hosts[1..] {
        let told = exchange(hosts[0].site(), me(host), &question(host.site()).expect("question"));
        learn(host.site(), me(&hosts[0]), &told.expect("answer")).expect("learned");
    }
}

/// A box with this key shows the kit of `second` to `host`.
fn show(second: &TestBox, host: &TestBox, device: PublicKey) {
    let (community, member) = (second.site().community().expect("in").log.community(), me(second));
    let signature =
        recovery_key(&kit(second)).sign(SigningContext::Claim, &claim_message(community, member, &device, &CHANNEL));
    claim(host.site(), &ClaimOwner { community, member, signature }, device, &CHANNEL).expect("claimed");
}

/// What `host` tells `second` of its kit.
fn told_of_kit(second: &TestBox, host: &TestBox) -> Vec<SpkiPin> {
    let told = exchange(host.site(), me(second), &question(second.site()).expect("question")).expect("answer");
    learn(second.site(), me(host), &told).expect("learned");
    told.kits_shown.iter().map(|shown| shown.pin).collect()
}

fn kit_used_at(site: &Site) -> Result<Option<UnixMillis>, OperationError> {
    Ok(kit_use(site)?.map(|used| used.at))
}

fn heard(of: &TestBox) -> usize {
    let (site, me) = (of.site(), me(of));
    site.catalog.reader().read(|tx| catalog::kits_shown(tx, &me)).expect("catalog").len()
}

#[test]
fn a_box_hears_who_has_shown_its_kit_unless_it_was_that_box_itself() {
    let hosts = [founder(), TestBox::start(), TestBox::start()];
    let (second, thief) = (TestBox::start(), TestBox::start());
    known_to(&hosts, &second);
    let show_and_hear = |host: &TestBox, device: PublicKey| {
        show(&second, host, device);
        assert!(told_of_kit(&second, host).contains(&device.spki_pin()));
        kit_used_at(second.site()).expect("catalog")
    };
    assert_eq!(show_and_hear(&hosts[0], device(&second)), None, "it was brought back itself");
    let drill = new_key().public_key();
    note_own_drill(second.site(), &drill.spki_pin()).expect("noted");
    assert_eq!(show_and_hear(&hosts[1], drill), None, "it has tried a recovery");
    let told = show_and_hear(&hosts[2], device(&thief)).expect("somebody has the kit");
    assert_eq!(show_and_hear(&hosts[2], device(&thief)), Some(told), "told once");
    let other = exchange(hosts[2].site(), me(&hosts[0]), &question(hosts[0].site()).expect("question"));
    assert!(other.expect("answer").kits_shown.is_empty(), "nobody else hears of it");
}

#[test]
fn what_was_heard_once_of_a_kit_is_no_news_again_whoever_tells_it() {
    let hosts = [founder(), TestBox::start()];
    let second = TestBox::start();
    known_to(&hosts, &second);
    hosts.iter().for_each(|host| show(&second, host, new_key().public_key()));
    let site = second.site();
    hosts.iter().for_each(|host| drop(told_of_kit(&second, host)));
    let first = kit_used_at(site).expect("catalog").expect("two are there");
    let seen_by = kit_use(site).expect("catalog").expect("two are there").seen_by;
    assert_eq!(seen_by.iter().map(MemberName::as_str).collect::<Vec<_>>(), ["barn", "cellar"]);
    site.clock.catch_up(first.plus(Seconds(13 * 86_400)));
    hosts.iter().for_each(|host| assert_eq!(told_of_kit(&second, host).len(), 1));
    assert_eq!((kit_used_at(site).expect("catalog"), heard(&second)), (Some(first), 2));
    site.clock.catch_up(first.plus(Seconds(14 * 86_400 + 1)));
    hosts.iter().for_each(|host| assert_eq!(told_of_kit(&second, host).len(), 1));
    assert_eq!(kit_used_at(site).expect("catalog"), None, "it comes to an end");
    // By the host's own clock.
    let clock = &hosts[0].site().clock;
    clock.catch_up(first.plus(Seconds(31 * 86_400)));
    assert_eq!(told_of_kit(&second, &hosts[0]), []);
}

#[test]
fn a_stolen_kit_is_seen_also_while_its_owner_shows_it() {
    let hosts = [founder()];
    let second = TestBox::start();
    known_to(&hosts, &second);
    let (drill, thief) = (new_key().public_key(), new_key().public_key());
    note_own_drill(second.site(), &drill.spki_pin()).expect("noted");
    [drill, thief, drill].into_iter().for_each(|device| show(&second, &hosts[0], device));
    assert_eq!(told_of_kit(&second, &hosts[0]).len(), 2);
    assert!(kit_used_at(second.site()).expect("catalog").is_some());
    let log = hosts[0].site().catalog.reader().read(|tx| audit::newest(tx, None, 100)).expect("log");
    let claimed = log.iter().filter(|entry| entry.action == Action::KitClaimed.word());
    assert_eq!(claimed.count(), 1, "the log is not filled with it");
    for _ in 0..10 {
        show(&second, &hosts[0], new_key().public_key());
    }
    assert_eq!(told_of_kit(&second, &hosts[0]).len(), KITS_SHOWN_MAX);
}

#[test]
fn of_a_kit_nobody_is_told_what_was_before_the_box_and_one_member_says_only_so_much() {
    let hosts = [founder()];
    let second = TestBox::start();
    known_to(&hosts, &second);
    let (site, teller) = (second.site(), me(&hosts[0]));
    let joined = site.catalog.reader().read(|tx| catalog::membership(tx)).expect("catalog").expect("in").joined_at;
    let shown = |at: UnixMillis| KitShown { pin: new_key().public_key().spki_pin(), at };
    kits::learn(site, teller, &[shown(joined.minus(Seconds(2 * 86_400)))]).expect("learned");
    assert_eq!(heard(&second), 0, "it was for the box that was there before");
    for _ in 0..3 {
        let many: Vec<KitShown> = (0..3).map(|_| shown(joined.minus(Seconds(3_600)))).collect();
        kits::learn(site, teller, &many).expect("learned");
    }
    assert_eq!(heard(&second), KITS_SHOWN_MAX);
}

/// Says `code` to the inviting box, all the way to the request; the digits on the joining box's screen. `channels`: what each end
/// takes the connection for, the inviting one first.
fn speak(
    joining: &TestBox,
    inviting: &TestBox,
    code: &str,
    channels: ([u8; 32], [u8; 32]),
) -> Result<String, CommunityError> {
    let code: SpokenCode = code.parse()?;
    let key = device(joining);
    let ends = (device(inviting), channels.1);
    let beginning = begin_aloud(joining.site(), &by(), code, &kit(joining), ends)?;
    let begun = spoken::begin(inviting.site(), &beginning.message, key, channels.0)?;
    let answering = answer_aloud(beginning, &begun)?;
    let told = spoken::confirm(inviting.site(), key, channels.0, &answering.message)?;
    let place = "192.168.1.20:20600".parse().expect("address");
    let name = "attic".parse().expect("name");
    let attempt = request_aloud(joining.site(), &by(), (answering, &told), &place, name, &kit(joining))?;
    spoken::take_request(inviting.site(), key, channels.0, &attempt.message.request)?;
    asked_to_join(joining.site(), &by(), &attempt)?;
    Ok(attempt.digits().to_owned())
}

/// What somebody sends who begins and does not go on.
fn beginning(number: u16) -> BeginSpoken {
    BeginSpoken { number, commitment: [0; 32].into() }
}

/// The same code with another last word.
fn misheard(code: &str) -> String {
    let (rest, last) = code.rsplit_once('-').expect("words");
    let other = if last == "zeppelin" { "crossover" } else { "zeppelin" };
    format!("{rest}-{other}")
}

#[test]
fn a_code_that_is_read_out_lets_one_box_ask_and_both_screens_show_the_same_digits() {
    let (first, second, third) = (founder(), TestBox::start(), TestBox::start());
    let made = invite_aloud(first.site(), &by(), &[]).expect("a code");
    let digits = speak(&second, &first, &made, (CHANNEL, CHANNEL)).expect("asked");
    let waiting = applicants(first.site()).expect("catalog");
    assert_eq!((waiting.len(), waiting[0].digits.as_str()), (1, digits.as_str()));
    let again = speak(&third, &first, &made, (CHANNEL, CHANNEL));
    assert!(matches!(again, Err(CommunityError::NoInvitation)), "it was for one box: {again:?}");
    admit(first.site(), &by(), &"attic".parse().expect("name"), &digits).expect("admitted");
    let answer = join_answer(first.site(), &device(&second)).expect("answer");
    assert!(joined(second.site(), &joining_of(&second).expect("it asks"), &answer).expect("joined"));
}

#[test]
fn after_three_wrong_words_a_code_is_gone_and_others_are_not() {
    let (first, second) = (founder(), TestBox::start());
    let made = invite_aloud(first.site(), &by(), &[]).expect("a code");
    let other = invite_aloud(first.site(), &by(), &[]).expect("another code");
    for _ in 0..spoken::TRIES {
        let refused = speak(&second, &first, &misheard(&made), (CHANNEL, CHANNEL));
        assert!(matches!(refused, Err(CommunityError::Spoken(SpokenError::Wrong))), "{refused:?}");
    }
    let refused = speak(&second, &first, &made, (CHANNEL, CHANNEL));
    assert!(matches!(refused, Err(CommunityError::NoInvitation)), "{refused:?}");
    assert!(applicants(first.site()).expect("catalog").is_empty());
    speak(&second, &first, &other, (CHANNEL, CHANNEL)).expect("the other one is still good");
}

#[test]
fn two_wrong_words_leave_a_code_and_somebody_in_between_gets_nothing() {
    let (first, second) = (founder(), TestBox::start());
    let made = invite_aloud(first.site(), &by(), &[]).expect("a code");
    for channels in [(CHANNEL, [8; 32]), ([8; 32], CHANNEL)] {
        let refused = speak(&second, &first, &made, channels);
        assert!(matches!(refused, Err(CommunityError::Spoken(SpokenError::Wrong))), "{refused:?}");
    }
    // Beginning is no guess: who only begins uses nothing up.
    for _ in 0..spoken::TRIES + 1 {
        spoken::begin(first.site(), &beginning(1), device(&second), CHANNEL).expect("begun");
    }
    speak(&second, &first, &made, (CHANNEL, CHANNEL)).expect("the third one is right");
}

#[test]
fn who_chooses_its_message_after_the_other_one_s_has_tried_a_code_in_vain() {
    let (first, second) = (founder(), TestBox::start());
    let made = invite_aloud(first.site(), &by(), &[]).expect("a code");
    let (key, ends) = (device(&second), (device(&first), CHANNEL));
    let begin = || {
        let code: SpokenCode = made.parse().expect("code");
        begin_aloud(second.site(), &by(), code, &kit(&second), ends).expect("begun")
    };
    let begun = spoken::begin(first.site(), &begin().message, key, CHANNEL).expect("begun");
    // The right code and another message than was promised.
    let answering = answer_aloud(begin(), &begun).expect("answer");
    let refused = spoken::confirm(first.site(), key, CHANNEL, &answering.message);
    assert!(matches!(refused, Err(CommunityError::Spoken(SpokenError::Message))), "{refused:?}");
    // Nor can it begin until what would come of it suits it.
    for _ in 1..spoken::BEGINNINGS {
        spoken::begin(first.site(), &beginning(1), key, CHANNEL).expect("begun");
    }
    let refused = spoken::begin(first.site(), &beginning(1), key, CHANNEL);
    assert!(matches!(refused, Err(CommunityError::NoInvitation)), "{refused:?}");
}

#[test]
fn a_wrong_kit_leaves_the_code_as_it_is_and_what_was_begun_ends_with_its_code() {
    let (first, second, third) = (founder(), TestBox::start(), TestBox::start());
    let made = invite_aloud(first.site(), &by(), &[]).expect("a code");
    let code = || made.parse::<SpokenCode>().expect("code");
    let wrong = begin_aloud(second.site(), &by(), code(), &kit(&third), (device(&first), CHANNEL));
    assert!(matches!(wrong, Err(CommunityError::OtherKit)));
    // The third one has begun when the second one uses the code up; the next code gets the same number.
    let beginning = begin_aloud(third.site(), &by(), code(), &kit(&third), (device(&first), CHANNEL)).expect("begun");
    let begun = spoken::begin(first.site(), &beginning.message, device(&third), CHANNEL).expect("begun");
    speak(&second, &first, &made, (CHANNEL, CHANNEL)).expect("asked");
    let next = invite_aloud(first.site(), &by(), &[]).expect("another code");
    assert!(next.starts_with("1-"), "{}", next.as_str());
    let answering = answer_aloud(beginning, &begun).expect("answer");
    let late = spoken::confirm(first.site(), device(&third), CHANNEL, &answering.message);
    assert!(matches!(late, Err(CommunityError::NoInvitation)), "{late:?}");
    for _ in 1..spoken::TRIES {
        assert!(speak(&third, &first, &misheard(&next), (CHANNEL, CHANNEL)).is_err());
    }
    speak(&third, &first, &next, (CHANNEL, CHANNEL)).expect("no try was lost by that");
}

#[test]
fn a_request_without_the_code_is_none() {
    let (first, second) = (founder(), TestBox::start());
    let made = invite_aloud(first.site(), &by(), &[]).expect("a code");
    let key = device(&second);
    spoken::begin(first.site(), &beginning(1), key, CHANNEL).expect("begun");
    let early = spoken::take_request(first.site(), key, CHANNEL, &[]);
    assert!(matches!(early, Err(CommunityError::NoInvitation)), "{early:?}");
    let unknown = spoken::begin(first.site(), &beginning(2), key, CHANNEL);
    assert!(matches!(unknown, Err(CommunityError::NoInvitation)), "{unknown:?}");
    assert!(made.starts_with("1-"), "a short number");
}

/// Both boxes tell each other all they know.
fn gossip(one: &TestBox, other: &TestBox) {
    let (asking, asked) = (me(one), me(other));
    for _ in 0..2 {
        let ask = |question: &Exchange| exchange(other.site(), asking, question);
        compare_notes(one.site(), asked, ask).expect("compared");
    }
}

fn me(of: &TestBox) -> MemberId {
    of.site().community().expect("in").me
}

fn name(name: &str) -> datis_engine::ids::MemberName {
    name.parse().expect("name")
}

/// Three boxes that are admins: cellar, attic and barn.
fn three_admins() -> [TestBox; 3] {
    let boxes = [founder(), TestBox::start(), TestBox::start()];
    join(&boxes[1], &boxes[0], "attic");
    join(&boxes[2], &boxes[0], "barn");
    for of in ["attic", "barn"] {
        assert_eq!(appoint(boxes[0].site(), &by(), &name(of)).expect("appointed"), Decided::Done);
    }
    gossip(&boxes[1], &boxes[0]);
    gossip(&boxes[2], &boxes[0]);
    boxes
}

fn is_out(on: &TestBox, which: &str) -> bool {
    on.site().community().expect("in").roster().active().all(|member| member.name != name(which))
}

#[test]
fn where_a_member_was_that_is_out_is_forgotten_and_told_to_nobody() {
    let (first, second, third) = (founder(), TestBox::start(), TestBox::start());
    join(&second, &first, "attic");
    join(&third, &first, "barn");
    for (of, place) in [(&second, "attic.example.org:20600"), (&third, "barn.example.org:20600")] {
        announce(of.site(), vec![place.parse().expect("address")]).expect("announced");
        gossip(of, &first);
    }
    let told = || question(first.site()).expect("question").records.len();
    announce(first.site(), Vec::new()).expect("announced");
    assert_eq!(told(), 3);
    assert_eq!(remove(first.site(), &by(), &name("barn")).expect("removed"), Decided::Done);
    announce(first.site(), Vec::new()).expect("announced");
    assert_eq!(told(), 2);
    assert_eq!(places_of(first.site(), me(&second)).expect("places").len(), 1);
    // Who has not heard of the removal yet brings it along, and it is not taken again.
    gossip(&third, &first);
    assert_eq!(told(), 2);
}

#[test]
fn with_three_admins_two_have_to_agree_each_at_their_own_box() {
    let [mut first, second, third] = three_admins();
    assert_eq!(first.site().community().expect("in").roster().removal_threshold(), 2);
    let waiting = remove(first.site(), &by(), &name("barn")).expect("proposed");
    assert_eq!(waiting, Decided::Waiting { agreed: 1, needed: 2 });
    let again = remove(first.site(), &by(), &name("barn")).expect("proposed");
    assert_eq!(again, waiting, "one admin counts once");
    first.restart();
    assert!(!is_out(&first, "barn"), "nothing has happened yet");
    // It reaches the other admin over the one whom it is about, who cannot agree to it nor stop it.
    gossip(&third, &first);
    let seen = proposals(third.site()).expect("proposals");
    assert_eq!((seen.len(), seen[0].waits_for_this_box), (1, false));
    let refused = agree(third.site(), &by(), &seen[0].hash);
    assert!(matches!(refused, Err(CommunityError::Log(LogError::Refused { .. }))), "{refused:?}");
    gossip(&second, &third);
    let seen = proposals(second.site()).expect("proposals");
    assert_eq!(seen[0].what, Proposed::Remove(name("barn")));
    assert_eq!((seen[0].agreed.clone(), seen[0].needed, seen[0].waits_for_this_box), (vec![name("cellar")], 2, true));
    assert_eq!(agree(second.site(), &by(), &seen[0].hash).expect("agreed"), Decided::Done);
    gossip(&first, &second);
    assert!(is_out(&first, "barn") && is_out(&second, "barn"));
    assert!(proposals(first.site()).expect("proposals").is_empty());
    let (known, now) = (first.site().community().expect("in"), first.site().clock.now());
    let put_out = third.site().community().expect("it has not heard of it").me;
    assert_eq!(known.rights_of(put_out, now), Rights::None);
    assert!(crate::operations::hosting::peer_by_key(first.site(), &device(&third)).is_err(), "it is refused");
}

#[test]
fn what_is_proposed_ends_when_the_log_goes_on_otherwise() {
    let [first, second, _third] = three_admins();
    let _waiting = remove(first.site(), &by(), &name("barn")).expect("proposed");
    let hash = proposals(first.site()).expect("proposals")[0].hash;
    assert_eq!(rename(second.site(), &by(), &name("attic"), &name("loft")).expect("renamed"), Decided::Done);
    gossip(&first, &second);
    assert!(proposals(first.site()).expect("proposals").is_empty());
    assert!(matches!(agree(first.site(), &by(), &hash), Err(CommunityError::NoProposal)));
    assert!(!is_out(&first, "barn") && !is_out(&first, "loft"));
}

#[test]
fn signatures_of_others_than_admins_are_passed_over() {
    let (first, second, third) = (founder(), TestBox::start(), TestBox::start());
    join(&second, &first, "attic");
    join(&third, &first, "barn");
    gossip(&second, &first);
    let known = second.site().community().expect("in");
    let member = known.roster().active().find(|member| member.name == name("barn")).expect("in").id;
    let mut forged = known.log.draft(UnixMillis(1), Change::Remove { member });
    forged.sign(&second.site().vault.device_key);
    let mut asked = question(second.site()).expect("question");
    asked.proposals = vec![forged.encode().into()];
    exchange(first.site(), me(&second), &asked).expect("answer");
    assert!(proposals(first.site()).expect("proposals").is_empty());
    assert!(!is_out(&first, "barn"));
    let refused = remove(second.site(), &by(), &name("barn"));
    assert!(matches!(refused, Err(CommunityError::NotAdmin)), "{refused:?}");
}

/// What a thief signs who has the kit of `of`: a rebinding to a box of its own, and its confirmation.
fn stolen(of: &TestBox) -> (Log, [SignedEntry; 2]) {
    let (recovery, thief) = (recovery_key(&kit(of)), SigningKey::from_seed(&[9; 32]));
    let known = of.site().community().expect("in");
    let (mut log, member) = (known.log.clone(), known.me);
    let mut rebind = log.draft(UnixMillis(1), Change::Rebind { member, device: thief.public_key() });
    rebind.sign(&recovery);
    rebind.sign(&thief);
    log.append(rebind.clone()).expect("it has the kit");
    let mut confirm = log.draft(UnixMillis(2), Change::Confirm { member });
    confirm.sign(&recovery);
    log.append(confirm.clone()).expect("it has the kit");
    (log, [rebind, confirm])
}

fn is_rebound(on: &TestBox, member: MemberId) -> bool {
    let known = on.site().community().expect("in");
    matches!(known.roster().member(member).expect("in").standing, Standing::Rebound { .. })
}

#[test]
fn a_kit_alone_confirms_nobody_by_way_of_a_proposal() {
    let (first, second) = (founder(), TestBox::start());
    join(&second, &first, "attic");
    let (_, [rebind, confirm]) = stolen(&second);
    let mut asked = question(second.site()).expect("question");
    (asked.entries, asked.proposals) = (vec![rebind.encode().into()], vec![confirm.encode().into()]);
    exchange(first.site(), me(&second), &asked).expect("answer");
    assert!(is_rebound(&first, second.site().community().expect("in").me));
    assert!(proposals(first.site()).expect("proposals").is_empty());
}

#[test]
fn a_rebinding_and_its_confirmation_in_one_message_are_held_back_a_day_as_well() {
    let (first, second) = (founder(), TestBox::start());
    join(&second, &first, "attic");
    let (log, both) = stolen(&second);
    let thief = second.site().community().expect("in").me;
    let mut asked = question(second.site()).expect("question");
    (asked.sequence, asked.last) = (log.roster().sequence(), log.last_hash());
    asked.entries = both.iter().map(|entry| entry.encode().into()).collect();
    for (after, is_held) in [(0, true), (86_340, true), (60, false)] {
        let known = first.site().community().expect("in");
        let seen = known.seen.iter().map(|(sequence, at)| (*sequence, at.minus(Seconds(after)))).collect();
        first.site().community.set(Some(Community { seen, ..Community::clone(&known) }));
        exchange(first.site(), me(&second), &asked).expect("answer");
        assert_eq!(is_rebound(&first, thief), is_held, "{after} s later");
        let (known, now) = (first.site().community().expect("in"), first.site().clock.now());
        assert_eq!(known.rights_of(thief, now) == Rights::All, !is_held);
    }
}

#[test]
fn who_leaves_is_read_from_for_30_days_and_gets_nothing_new() {
    let (first, second) = (founder(), TestBox::start());
    join(&second, &first, "attic");
    let last = leave(first.site(), &by());
    let is_last = |error: &CommunityError| {
        matches!(error, CommunityError::Log(LogError::Refused { refusal: Refusal::LastAdmin(_), .. }))
    };
    assert!(last.as_ref().is_err_and(is_last), "nobody would be left to let others in: {last:?}");
    assert_eq!(leave(second.site(), &by()).expect("left"), Decided::Done);
    gossip(&first, &second);
    let (known, now) = (first.site().community().expect("in"), first.site().clock.now());
    let gone = second.site().community().expect("in").me;
    assert!(matches!(known.rights_of(gone, now), Rights::Leaving { .. }));
    let circle = crate::operations::dispersal::Circle::of(first.site()).expect("circle").expect("in");
    let fellow = circle.fellow(&gone).expect("it is still read from");
    assert_eq!((fellow.leaves, fellow.room_bytes), (true, 0));
    let presences = crate::operations::dispersal::presences(first.site(), &circle).expect("presences");
    assert!(!presences[&gone].counts, "what it holds has to be elsewhere");
    let later = now.plus(datis_engine::units::Seconds(31 * 86_400));
    assert_eq!(known.rights_of(gone, later), Rights::None);
    assert_eq!((known.partners(now), known.partners(later)), (vec![gone], Vec::new()));
}

#[test]
fn who_leaves_may_go_at_once_when_nobody_needs_any_more_what_it_holds() {
    let (first, second) = (founder(), TestBox::start());
    join(&second, &first, "attic");
    gossip(&first, &second);
    assert_eq!(going(second.site()).expect("look"), None, "it stays");
    let owner = hosting::peer_by_key(second.site(), &device(&first)).expect("a member");
    let shards: Vec<_> = (0..4).map(|seed| hosting::testing::shard(9_000, seed)).collect();
    for (id, bytes) in &shards {
        hosting::testing::keep(second.site(), &owner, *id, bytes);
    }
    leave(second.site(), &by()).expect("left");
    assert_eq!(going(second.site()).expect("look"), Some(vec![name("cellar")]));
    // Nothing was here for long, so that the brake of a host that stays would hold all of it.
    let ids: Vec<_> = shards.iter().map(|(id, _)| *id).collect();
    let told = Condemn { shards: ids, wish: Wish::DeleteWithinBrake };
    let answer = hosting::condemn(second.site(), &owner, &told).expect("told");
    assert_eq!((answer.noted, answer.taken, answer.frozen_until), (4, 4, None));
    assert_eq!(going(second.site()).expect("look"), Some(Vec::new()), "it may be switched off");
    let (id, bytes) = &shards[0];
    assert_eq!(hosting::read_shard(second.site(), &owner, *id, 0..9_000).expect("still read"), *bytes);
}

#[test]
fn an_admin_vouches_for_a_new_member_and_all_hear_it() {
    let (first, second) = (founder(), TestBox::start());
    join(&second, &first, "attic");
    gossip(&second, &first);
    let refused = vouch(second.site(), &by(), &name("attic"));
    assert!(matches!(refused, Err(CommunityError::NotAdmin)), "{refused:?}");
    assert_eq!(vouch(first.site(), &by(), &name("attic")).expect("vouched"), Decided::Done);
    gossip(&second, &first);
    let known = second.site().community().expect("in");
    assert!(known.roster().member(known.me).expect("in").vouched);
}

#[test]
fn a_box_that_was_put_out_forgets_its_community_and_joins_another() {
    let (first, mut second, third) = (founder(), TestBox::start(), TestBox::start());
    join(&second, &first, "attic");
    remove(first.site(), &by(), &name("attic")).expect("put out");
    let wrong = forget(second.site(), &by(), &"hospital".parse().expect("name"));
    assert!(matches!(wrong, Err(CommunityError::OtherCommunity)), "{wrong:?}");
    forget(second.site(), &by(), &"harbour".parse().expect("name")).expect("forgotten");
    second.restart();
    assert!(second.site().community().is_none());
    let names = ("station".parse().expect("name"), name("tower"));
    found(third.site(), &by(), names.0, names.1, &kit(&third)).expect("founded");
    join(&second, &third, "attic");
    let circle = crate::operations::dispersal::Circle::of(second.site()).expect("circle").expect("in");
    assert_eq!(circle.fellows.len(), 1);
}

#[test]
fn labels_are_said_by_the_box_itself_or_by_an_admin_and_reach_the_choice_of_places() {
    let (first, second, third) = (founder(), TestBox::start(), TestBox::start());
    join(&second, &first, "attic");
    join(&third, &first, "barn");
    gossip(&second, &first);
    let domains = Domains {
        customer: Some("Müller".parse().expect("label")),
        site: Some("Gare".parse().expect("label")),
        reseller: Some("Backup and Co".parse().expect("label")),
        update_ring: Some("early".parse().expect("label")),
    };
    let refused = label(second.site(), &by(), &name("barn"), domains.clone());
    assert!(refused.is_err(), "it is no admin and another one: {refused:?}");
    label(second.site(), &by(), &name("attic"), domains.clone()).expect("of itself");
    gossip(&first, &second);
    label(first.site(), &by(), &name("barn"), domains).expect("as an admin");
    let circle = crate::operations::dispersal::Circle::of(first.site()).expect("circle").expect("in");
    for fellow in &circle.fellows {
        assert_eq!(fellow.domains.customer.as_deref(), Some("Müller"));
        assert_eq!(fellow.domains.ring.as_deref(), Some("early"));
    }
    let candidates: Vec<_> = circle
        .fellows
        .iter()
        .map(|fellow| Candidate { member: fellow.member, domains: fellow.domains.clone(), room_bytes: 1 })
        .collect();
    assert_eq!(independent(&candidates), 1, "two boxes of one customer count as one");
}

#[test]
fn who_comes_in_knows_where_the_box_is_that_invited_although_it_has_not_spoken_yet() {
    let (first, second) = (founder(), TestBox::start());
    let place: datis_engine::community::address::Address = "81.2.69.142:20600".parse().expect("address");
    let invitation = invite(first.site(), &by(), vec![place.clone()]).expect("invitation");
    let digits = ask(&second, &first, &invitation, "attic").expect("asked");
    admit(first.site(), &by(), &name("attic"), &digits).expect("admitted");
    let answer = join_answer(first.site(), &device(&second)).expect("answer");
    assert!(joined(second.site(), &joining_of(&second).expect("it asks"), &answer).expect("joined"));
    let inviter = first.site().community().expect("in").me;
    assert_eq!(places_of(second.site(), inviter).expect("places"), [place]);
}

#[test]
fn boxes_behind_one_line_count_as_one_without_anybody_saying_so() {
    let (first, second, third) = (founder(), TestBox::start(), TestBox::start());
    join(&second, &first, "attic");
    join(&third, &first, "barn");
    let candidates = |second_place: &str, third_place: &str| {
        for (of, place) in [(&second, second_place), (&third, third_place)] {
            announce(of.site(), vec![place.parse().expect("address")]).expect("announced");
            gossip(&first, of);
        }
        let circle = crate::operations::dispersal::Circle::of(first.site()).expect("circle").expect("in");
        let fellows = circle.fellows.iter();
        let all = fellows.map(|f| Candidate { member: f.member, domains: f.domains.clone(), room_bytes: 1 });
        independent(&all.collect::<Vec<_>>())
    };
    assert_eq!(candidates("81.2.69.142:20600", "81.2.69.7:443"), 1);
    assert_eq!(candidates("81.2.69.142:20600", "81.2.70.7:443"), 2);
}

#[test]
fn an_invitation_that_was_taken_back_lets_nobody_in() {
    let (first, second) = (founder(), TestBox::start());
    let invitation = invite(first.site(), &by(), Vec::new()).expect("invitation");
    assert_eq!(invitations(first.site()).expect("list")[0].id, invitation.id());
    revoke(first.site(), &by(), &invitation.id()).expect("taken back");
    assert!(invitations(first.site()).expect("list").is_empty());
    let refused = ask(&second, &first, &invitation, "attic");
    assert!(matches!(refused, Err(CommunityError::NoInvitation)), "{refused:?}");
    assert!(matches!(revoke(first.site(), &by(), &invitation.id()), Err(CommunityError::NoInvitation)));
}

fn last_hash(of: &TestBox) -> EntryHash {
    of.site().community().expect("in").log.last_hash()
}

fn called(on: &TestBox, member: MemberId) -> String {
    on.site().community().expect("in").roster().member(member).expect("in").name.to_string()
}

#[test]
fn a_log_that_parts_by_a_member_s_word_about_itself_is_one_again_without_people() {
    let (mut first, mut second, third) = (founder(), TestBox::start(), TestBox::start());
    join(&second, &first, "attic");
    gossip(&second, &first);
    // While the line of the second one is down, it is called otherwise twice, and the first one lets another box in.
    for new in ["loft", "roof"] {
        let old = name(&called(&second, me(&second)));
        rename(second.site(), &by(), &old, &name(new)).expect("of itself");
    }
    join(&third, &first, "barn");
    assert_ne!(last_hash(&first), last_hash(&second));
    gossip(&second, &first);
    let renamed = me(&second);
    for one in [&mut first, &mut second] {
        one.restart();
        assert_eq!(called(one, renamed), "roof", "it says so again");
        assert_eq!(one.site().community().expect("in").roster().active().count(), 3);
        assert!(partings(one.site()).is_empty());
    }
    assert_eq!(last_hash(&first), last_hash(&second));
}

#[test]
fn the_side_that_is_asked_gives_way_as_well() {
    let (first, second, third) = (founder(), TestBox::start(), TestBox::start());
    join(&second, &first, "attic");
    gossip(&second, &first);
    rename(second.site(), &by(), &name("attic"), &name("loft")).expect("of itself");
    join(&third, &first, "barn");
    gossip(&first, &second);
    assert_eq!(last_hash(&first), last_hash(&second));
    assert_eq!((called(&first, me(&second)).as_str(), is_out(&second, "barn")), ("loft", false));
}

#[test]
fn between_what_two_admins_have_decided_people_choose_and_one_takes_the_log_of_the_other() {
    let (first, mut second, third, fourth) = (founder(), TestBox::start(), TestBox::start(), TestBox::start());
    join(&second, &first, "attic");
    appoint(first.site(), &by(), &name("attic")).expect("appointed");
    gossip(&second, &first);
    join(&third, &first, "barn");
    join(&fourth, &second, "tower");
    rename(second.site(), &by(), &name("attic"), &name("loft")).expect("of itself");
    for _ in 0..2 {
        gossip(&second, &first);
        let (here, there) = (partings(first.site()), partings(second.site()));
        assert_eq!((here.len(), here[0].member, here[0].ours.len(), here[0].theirs.len()), (1, me(&second), 1, 2));
        assert_eq!((there.len(), there[0].member, there[0].ours.len(), there[0].theirs.len()), (1, me(&first), 2, 1));
        assert!(!is_out(&first, "barn") && is_out(&first, "tower"), "nothing is given up by itself");
    }
    let worried = worries(second.site()).expect("worries");
    assert!(worried.iter().any(|worry| worry.what == Wrong::Parted && worry.member == me(&first)), "{worried:?}");
    let nobody = take_log_of(second.site(), &by(), &name("loft"));
    assert!(matches!(nobody, Err(CommunityError::NotParted)), "{nobody:?}");
    let lost = take_log_of(second.site(), &by(), &name("cellar")).expect("taken");
    assert!(matches!(lost.as_slice(), [Change::Admit { .. }]), "{lost:?}");
    second.restart();
    gossip(&second, &first);
    assert_eq!(last_hash(&first), last_hash(&second));
    assert_eq!(called(&first, me(&second)), "loft", "what it had said of itself is said again");
    assert!(is_out(&second, "tower") && !is_out(&second, "barn"));
    assert!(partings(first.site()).is_empty() && partings(second.site()).is_empty());
}

#[test]
fn an_admin_whom_others_want_to_put_out_does_not_end_that_by_a_word_of_its_own() {
    let [first, second, third] = three_admins();
    let waiting = remove(first.site(), &by(), &name("barn")).expect("proposed");
    assert_eq!(waiting, Decided::Waiting { agreed: 1, needed: 2 });
    gossip(&second, &first);
    rename(third.site(), &by(), &name("barn"), &name("shed")).expect("of itself");
    gossip(&first, &third);
    gossip(&second, &third);
    let seen = proposals(second.site()).expect("proposals");
    assert_eq!(seen.len(), 1, "it still stands");
    assert_eq!(agree(second.site(), &by(), &seen[0].hash).expect("agreed"), Decided::Done);
    gossip(&first, &second);
    assert!(is_out(&first, "barn") && is_out(&first, "shed"));
    // Who took the word before goes over to the removal.
    gossip(&third, &first);
    assert!(is_out(&third, "shed"));
}

#[test]
fn who_accuses_an_honest_admin_in_turn_holds_up_its_own_removal_by_nothing() {
    let [first, second, third] = three_admins();
    let thief = name("barn");
    // The stolen box knows a word of an honest one, and accuses it where the others have not heard that word yet.
    rename(first.site(), &by(), &name("cellar"), &name("vault")).expect("of itself");
    let _waiting = remove(third.site(), &by(), &name("cellar")).expect("proposed");
    gossip(&second, &third);
    gossip(&second, &first);
    assert_eq!(called(&second, me(&first)), "cellar", "held back");
    let _waiting = remove(first.site(), &by(), &thief).expect("proposed");
    let _waiting = remove(second.site(), &by(), &thief).expect("proposed");
    gossip(&second, &first);
    assert_eq!(called(&second, me(&first)), "vault", "its own admin does not believe the stolen box");
    let seen = proposals(second.site()).expect("proposals");
    let seen = seen.iter().find(|one| one.what == Proposed::Remove(thief.clone())).expect("of the first one");
    assert_eq!(agree(second.site(), &by(), &seen.hash).expect("agreed"), Decided::Done);
    gossip(&first, &second);
    assert!(is_out(&first, "barn") && is_out(&second, "barn"));
}

#[test]
fn a_box_that_others_are_asked_to_put_out_says_nothing_alone_and_agrees_with_others_at_once() {
    let [first, second, third] = three_admins();
    let _waiting = remove(third.site(), &by(), &name("cellar")).expect("proposed");
    gossip(&first, &third);
    let refused = rename(first.site(), &by(), &name("cellar"), &name("vault"));
    assert!(matches!(refused, Err(CommunityError::Accused)), "{refused:?}");
    let waiting = remove(first.site(), &by(), &name("barn")).expect("proposed");
    assert_eq!(waiting, Decided::Waiting { agreed: 1, needed: 2 });
    let refused = rename(first.site(), &by(), &name("cellar"), &name("vault"));
    assert!(matches!(refused, Err(CommunityError::Accused)), "whatever it thinks of the other one: {refused:?}");
    gossip(&second, &first);
    let seen = proposals(second.site()).expect("proposals");
    let seen = seen.iter().find(|one| one.what == Proposed::Remove(name("barn"))).expect("of the first one");
    assert_eq!(agree(second.site(), &by(), &seen.hash).expect("agreed"), Decided::Done);
    gossip(&first, &second);
    rename(first.site(), &by(), &name("cellar"), &name("vault")).expect("it is over");
}

#[test]
fn nobody_fills_the_places_of_what_others_propose() {
    let [first, second, third] = three_admins();
    let known = third.site().community().expect("in");
    let mut asked = question(third.site()).expect("question");
    for days in 100..120 {
        let mut entry = known.log.draft(UnixMillis(1), Change::SetWindow { days });
        entry.sign(&third.site().vault.device_key);
        asked.proposals.push(entry.encode().into());
    }
    exchange(first.site(), me(&third), &asked).expect("answer");
    assert_eq!(proposals(first.site()).expect("proposals").len(), 2);
    let _waiting = remove(second.site(), &by(), &name("barn")).expect("proposed");
    gossip(&first, &second);
    let open = proposals(first.site()).expect("proposals");
    assert!(open.iter().any(|one| one.what == Proposed::Remove(name("barn"))), "{open:?}");
}

#[test]
fn a_box_that_came_back_confirms_itself_only_when_the_others_take_it() {
    let first = founder();
    let known = first.site().community().expect("in");
    let own = first.site().vault.device_key.public_key();
    // It came back: its member had another box before.
    let (recovery, lost) = (recovery_key(&kit(&first)), SigningKey::from_seed(&[9; 32]));
    let founder = Admission {
        name: name("cellar"),
        recovery: recovery.public_key(),
        device: lost.public_key(),
        domains: Domains::default(),
    };
    let called = known.roster().name().clone();
    let change = Change::Found { name: called, founder: Box::new(founder), removal_threshold: 1, window_days: 90 };
    let mut begun = Log::founding(UnixMillis(1), change);
    begun.sign(&lost);
    begun.sign(&recovery);
    let mut log = Log::begin(begun).expect("founded");
    let mut rebind = log.draft(UnixMillis(2), Change::Rebind { member: known.me, device: own });
    rebind.sign(&recovery);
    rebind.sign(&first.site().vault.device_key);
    log.append(rebind).expect("rebinding");
    enter_for_tests(first.site(), &log, known.me);
    let refused = confirm(first.site(), &by(), &name("cellar"), Some(&kit(&first)));
    let now = first.site().clock.now();
    let Err(CommunityError::TooEarly { until }) = refused else { panic!("{refused:?}") };
    assert!(until > now.plus(Seconds(86_000)) && until <= now.plus(Seconds::DAY));
    let known = first.site().community().expect("in");
    assert_eq!(known.confirms_itself_from(known.me), Some(until));
}

#[test]
fn the_sentence_counts_the_snapshots_that_would_be_lost() {
    let said = [1, 2].map(|many| CommunityError::OnlyOutside(many).to_string());
    assert!(said[0].starts_with("1 snapshot is kept outside only and would be lost;"), "{}", said[0]);
    assert!(said[1].starts_with("2 snapshots are kept outside only and would be lost;"), "{}", said[1]);
}
