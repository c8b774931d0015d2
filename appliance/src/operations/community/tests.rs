//! Boxes that found, invite, come in, compare notes and claim, without a network between them.

use datis_engine::community::invitation::Invitation;
use datis_engine::community::roster::Rights;
use datis_engine::keys::{SigningContext, SigningKey, recovery_key};
use datis_engine::wire::peers::{ClaimOwner, claim_message};

use super::super::testing::TestBox;
use super::claims::claim;
use super::exchange::exchange;
use super::*;
use crate::operations::accounts::Actor;

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
    fn of(attempt: &JoinTry) -> Self {
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
    let told = exchange(third.site(), &question(second.site(), None).expect("question")).expect("answer");
    learn(second.site(), &told).expect("learned");
    let third_member = third.site().community().expect("in").me;
    assert_eq!(second.site().community().expect("in").roster().active().count(), 3);
    assert_eq!(places_of(second.site(), third_member).expect("places").len(), 1);
    // The first one has never heard where it is, and is told by the second.
    assert!(places_of(first.site(), third_member).expect("places").is_empty());
    exchange(first.site(), &question(second.site(), None).expect("question")).expect("answer");
    assert_eq!(places_of(first.site(), third_member).expect("places").len(), 1);
    // An older record does not come back.
    let old = question(third.site(), None).expect("question");
    announce(third.site(), Vec::new()).expect("announced");
    exchange(first.site(), &question(third.site(), None).expect("question")).expect("answer");
    exchange(first.site(), &old).expect("answer");
    assert!(places_of(first.site(), third_member).expect("places").is_empty());
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
