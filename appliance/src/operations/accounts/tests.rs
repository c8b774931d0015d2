//! Signing in and out, and what others may do about it.

use std::collections::BTreeSet;

use datis_engine::units::Seconds;

use super::super::testing::{Client, TestBox};
use super::super::{OperationError, Site, retire_machine};
use super::second_factor::code_for_tests;
use super::*;
use crate::catalog::support;

/// There is no directory.
struct NoDirectory;

impl Directory for NoDirectory {
    fn ask(
        &self,
        _: &DirectorySetting,
        _: Option<&str>,
        _: &AccountName,
        _: Option<&str>,
    ) -> Result<Known, DirectoryError> {
        Err(DirectoryError("there is none".to_owned()))
    }
}

fn sign_in(site: &Site, from: &Origin, name: &str, password: &str) -> Result<SignedIn, AccountError> {
    super::sign_in(site, from, name, password, &NoDirectory)
}

const PASSWORD: &str = "les trois cafés du port";

fn origin() -> Origin {
    Origin { address: "192.0.2.7".parse().expect("address"), agent: "Browser/1".to_owned() }
}

fn name(text: &str) -> AccountName {
    text.parse().expect("name")
}

fn visitor(site: &Site, signed_in: &SignedIn) -> Visitor {
    authenticate(site, &origin(), signed_in.cookie.expose()).expect("authenticate")
}

fn actor(site: &Site, signed_in: &SignedIn) -> Actor {
    match visitor(site, signed_in) {
        Visitor::Known(actor) => actor,
        other => panic!("not signed in: {other:?}"),
    }
}

struct Admin {
    signed_in: SignedIn,
    secret: String,
    /// The code that set the authenticator up.
    used: String,
    codes: Vec<String>,
}

/// The first admin, who came in by the link of the console and has set an authenticator up.
fn admin(site: &Site, who: &str) -> Admin {
    let link = admin_link(site, &Actor::console()).expect("link");
    let half = accept_invitation(site, &origin(), link.expose(), who, PASSWORD).expect("accept");
    assert_eq!(half.stage, Stage::Setup, "an admin needs a second factor before anything else");
    let pending = visitor(site, &half);
    let secret = begin_second_factor(site, &pending).expect("begin").secret.to_string();
    let code = code_for_tests(&secret, site.clock.now());
    let (signed_in, codes) = finish_second_factor(site, &origin(), &pending, &secret, &code).expect("finish");
    assert!(matches!(visitor(site, &half), Visitor::Stranger), "the half session is over");
    Admin { signed_in, secret, used: code, codes }
}

fn invited_person(site: &Site, by: &Actor, who: &str, role: Role) -> SignedIn {
    let person = NewPerson {
        name: name(who),
        role,
        services: vec![Service::Restore, Service::Webdav],
        machines: BTreeSet::new(),
    };
    let link = invite(site, by, &person).expect("invite");
    assert_eq!(invited(site, link.expose()).expect("link"), Some(name(who)));
    accept_invitation(site, &origin(), link.expose(), "somebody-else", PASSWORD).expect("accept")
}

#[test]
fn the_first_admin_comes_in_by_a_link_that_works_once_and_with_a_second_factor() {
    let test = TestBox::start();
    let site = test.site();
    let link = admin_link(site, &Actor::console()).expect("link");
    for weak in ["short", "passwordpassword", "Claire-12345"] {
        assert!(accept_invitation(site, &origin(), link.expose(), "claire", weak).is_err(), "{weak}");
    }
    assert_eq!(invited(site, link.expose()).expect("a refused password leaves the link"), None);
    accept_invitation(site, &origin(), link.expose(), "Claire", PASSWORD).expect("accept");
    for over in [link.expose(), "", "x"] {
        let again = accept_invitation(site, &origin(), over, "paul", PASSWORD);
        assert!(matches!(again, Err(AccountError::LinkOver)), "{again:?}");
    }
    let half = sign_in(site, &origin(), " CLAIRE ", PASSWORD).expect("sign in");
    assert_eq!(half.stage, Stage::Setup);
    let Visitor::Pending(pending) = visitor(site, &half) else { panic!("half signed in") };
    assert!(matches!(give_code(site, &origin(), &pending, "123456"), Err(AccountError::Wrong)));
}

#[test]
fn signing_in_takes_password_and_a_code_that_is_used_once() {
    let test = TestBox::start();
    let site = test.site();
    let Admin { signed_in, secret, used, codes } = admin(site, "claire");
    let by = actor(site, &signed_in);
    assert_eq!((by.name(), by.role()), ("claire", Role::Admin));
    assert!(by.may(Right::ManageAccounts).is_ok());

    let half = sign_in(site, &origin(), "claire", PASSWORD).expect("sign in");
    assert_eq!(half.stage, Stage::Code);
    let Visitor::Pending(pending) = visitor(site, &half) else { panic!("half signed in") };
    // The code that set the authenticator up has been used.
    assert!(matches!(give_code(site, &origin(), &pending, &used), Err(AccountError::Wrong)));
    let typed = codes[0].to_uppercase().replace('-', " ");
    let full = give_code(site, &origin(), &pending, &typed).expect("a recovery code works");
    assert_eq!(full.stage, Stage::Full);
    assert!(matches!(visitor(site, &half), Visitor::Stranger), "the half session is over");
    let half = sign_in(site, &origin(), "claire", PASSWORD).expect("sign in");
    let Visitor::Pending(pending) = visitor(site, &half) else { panic!("half signed in") };
    assert!(matches!(give_code(site, &origin(), &pending, &codes[0]), Err(AccountError::Wrong)), "once");
    let later = code_for_tests(&secret, site.clock.now().plus(Seconds(30)));
    give_code(site, &origin(), &pending, &later).expect("the next code works");

    sign_out(site, &Visitor::Known(actor(site, &full))).expect("sign out");
    assert!(matches!(visitor(site, &full), Visitor::Stranger));
}

#[test]
fn nothing_tells_who_has_an_account_and_guessing_gets_slower() {
    let test = TestBox::start();
    let site = test.site();
    admin(site, "claire");
    for who in ["claire", "nobody", "a b", ""] {
        let refused = sign_in(site, &origin(), who, "wrong password").expect_err(who);
        assert!(matches!(refused, AccountError::Wrong), "{who}: {refused}");
    }
    let refused = sign_in(site, &origin(), "claire", PASSWORD).expect_err("the address has failed four times");
    assert!(matches!(refused, AccountError::Wait { .. }), "{refused}");
    let elsewhere = Origin { address: "2001:db8::1".parse().expect("address"), agent: String::new() };
    sign_in(site, &elsewhere, "claire", PASSWORD).expect("the owner comes in from elsewhere");
    let log = audit_log(site, &Actor::console(), None, 100).expect("log");
    let failed: Vec<_> = log.iter().filter(|e| e.action == "sign-in-failed").map(|e| e.subject.as_str()).collect();
    assert_eq!(failed, ["", "a b", "nobody", "claire"]);
    assert!(log.iter().all(|entry| !format!("{entry:?}").contains("wrong password")));
}

#[test]
fn sessions_end_with_the_password_the_role_and_the_account() {
    let test = TestBox::start();
    let site = test.site();
    let by = actor(site, &admin(site, "claire").signed_in);
    let change = |role, may_come_in| PersonChange {
        role,
        may_come_in,
        services: vec![Service::Restore],
        machines: BTreeSet::new(),
    };
    let paul = invited_person(site, &by, "paul", Role::Technician);
    assert_eq!(paul.stage, Stage::Full);
    let is_over = |signed_in: &SignedIn| matches!(visitor(site, signed_in), Visitor::Stranger);

    let second = sign_in(site, &origin(), "paul", PASSWORD).expect("sign in");
    change_password(site, &actor(site, &paul), "quatre bateaux au large").expect("change");
    assert!(is_over(&second) && !is_over(&paul), "the session that changed it goes on");
    assert!(matches!(sign_in(site, &origin(), "paul", PASSWORD), Err(AccountError::Wrong)));

    change_person(site, &by, &name("paul"), &change(Role::Auditor, None)).expect("change");
    assert!(is_over(&paul));
    let paul = sign_in(site, &origin(), "paul", "quatre bateaux au large").expect("sign in");
    change_person(site, &by, &name("paul"), &change(Role::Auditor, Some(false))).expect("change");
    assert!(is_over(&paul));
    assert!(matches!(sign_in(site, &origin(), "paul", "quatre bateaux au large"), Err(AccountError::Wrong)));
    change_person(site, &by, &name("paul"), &change(Role::Member, Some(true))).expect("change");
    let paul = sign_in(site, &origin(), "paul", "quatre bateaux au large").expect("sign in");
    let token = make_token(site, &actor(site, &paul), "till", TokenScope::Read, Seconds::DAY).expect("token");
    assert!(authenticate_token(site, &origin(), token.expose()).expect("token").is_some());
    remove_person(site, &by, &name("paul")).expect("remove");
    assert!(is_over(&paul));
    assert!(authenticate_token(site, &origin(), token.expose()).expect("token").is_none());
}

#[test]
fn tokens_for_network_folders_end_with_the_password_the_second_factor_and_the_role() {
    let test = TestBox::start();
    let site = test.site();
    let by = actor(site, &admin(site, "claire").signed_in);
    let _invited = invited_person(site, &by, "paul", Role::Member);
    let change = |role, may_come_in| PersonChange {
        role,
        may_come_in,
        services: vec![Service::Restore, Service::Webdav],
        machines: BTreeSet::new(),
    };
    let accept = || {
        let link = link_for(site, &by, &name("paul")).expect("link");
        accept_invitation(site, &origin(), link.expose(), "", PASSWORD).expect("accept")
    };
    let own = |what: &str, act: &dyn Fn(&SignedIn)| {
        change_person(site, &by, &name("paul"), &change(Role::Member, Some(true))).expect("change");
        let paul = accept();
        let token = |scope| make_token(site, &actor(site, &paul), "t", scope, Seconds::DAY).expect("token");
        let (folders, other) = (token(TokenScope::Webdav), token(TokenScope::Read));
        let opens = || authenticate_folders(site, &origin(), "paul", folders.expose()).is_ok();
        change_person(site, &by, &name("paul"), &change(Role::Member, None)).expect("nothing new");
        assert!(opens(), "{what}");
        act(&paul);
        // Whoever was shut out comes in again.
        change_person(site, &by, &name("paul"), &change(Role::Member, Some(true))).expect("change");
        assert!(!opens(), "{what}");
        assert!(authenticate_token(site, &origin(), other.expose()).expect("token").is_some(), "{what}");
    };
    own("password", &|paul| change_password(site, &actor(site, paul), "quatre bateaux au large").expect("password"));
    own("link", &|_| drop(accept()));
    own("reset", &|_| reset_second_factor(site, &by, &name("paul")).expect("reset"));
    own("shut out", &|_| change_person(site, &by, &name("paul"), &change(Role::Member, Some(false))).expect("out"));
    own("role", &|_| change_person(site, &by, &name("paul"), &change(Role::Auditor, None)).expect("role"));
    own("second factor", &|paul| {
        let now = visitor(site, paul);
        let secret = begin_second_factor(site, &now).expect("begin").secret.to_string();
        let code = code_for_tests(&secret, site.clock.now());
        finish_second_factor(site, &origin(), &now, &secret, &code).expect("finish");
    });
}

#[test]
fn guessing_for_network_folders_gets_slower_whoever_has_a_token_between() {
    let test = TestBox::start();
    let site = test.site();
    let by = actor(site, &admin(site, "claire").signed_in);
    let paul = invited_person(site, &by, "paul", Role::Member);
    let token = make_token(site, &actor(site, &paul), "t", TokenScope::Webdav, Seconds::DAY).expect("token");
    let mut tried = 0;
    for n in 0..40 {
        authenticate_folders(site, &origin(), "paul", token.expose()).expect("the right one never waits");
        let who = if n % 2 == 0 { "claire" } else { "paul" };
        match authenticate_folders(site, &origin(), who, "guessed") {
            Err(AccountError::Wrong) => tried += 1,
            Err(AccountError::Wait { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!((4..8).contains(&tried), "three cost nothing, the fourth makes wait: {tried}");
    let log = audit_log(site, &by, None, 50).expect("log");
    assert_eq!(log.iter().filter(|entry| entry.action == Action::SignInFailed.word()).count(), tried);
}

#[test]
fn the_last_admin_stays() {
    let test = TestBox::start();
    let site = test.site();
    let by = actor(site, &admin(site, "claire").signed_in);
    let demoted =
        PersonChange { role: Role::Member, may_come_in: None, services: Vec::new(), machines: BTreeSet::new() };
    let claire = name("claire");
    let off = PersonChange { role: Role::Admin, may_come_in: Some(false), ..demoted.clone() };
    assert!(matches!(change_person(site, &by, &claire, &demoted), Err(AccountError::LastAdmin)));
    assert!(matches!(change_person(site, &by, &claire, &off), Err(AccountError::LastAdmin)));
    assert!(matches!(remove_person(site, &by, &claire), Err(AccountError::LastAdmin)));
    assert_eq!(actor(site, &sign_in_again(site)).role(), Role::Admin, "nothing of it was done");
    let other = admin(site, "dora");
    remove_person(site, &actor(site, &other.signed_in), &claire).expect("now there is another one");
}

fn sign_in_again(site: &Site) -> SignedIn {
    reset_second_factor(site, &Actor::console(), &name("claire")).expect("reset");
    let half = sign_in(site, &origin(), "claire", PASSWORD).expect("sign in");
    assert_eq!(half.stage, Stage::Setup, "whoever lost the authenticator sets another one up");
    let pending = visitor(site, &half);
    let secret = begin_second_factor(site, &pending).expect("begin").secret.to_string();
    let code = code_for_tests(&secret, site.clock.now());
    finish_second_factor(site, &origin(), &pending, &secret, &code).expect("finish").0
}

/// What each role may do at all.
#[test]
fn every_role_has_the_rights_that_the_table_gives_it_and_no_other() {
    let table = |right| match right {
        Right::LookAtBox => "admin technician auditor",
        Right::EnrolMachines | Right::ChangeMachines | Right::Commission | Right::ChangeBox | Right::RunBox => {
            "admin technician"
        }
        Right::Restore | Right::OpenFolders => "admin member",
        Right::ReadAudit => "admin auditor",
        Right::RetireMachines | Right::ManageAccounts | Right::SeeKit | Right::ManageCommunity => "admin",
    };
    let test = TestBox::start();
    let site = test.site();
    let by = actor(site, &admin(site, "claire").signed_in);
    for role in [Role::Technician, Role::Member, Role::Auditor] {
        let somebody = actor(site, &invited_person(site, &by, role.word(), role));
        for right in Right::ALL {
            let expected = table(right).split(' ').any(|word| word == role.word());
            assert_eq!(somebody.may(right).is_ok(), expected, "{role:?} {right:?}");
        }
        let machine = Client::enrol(site, &format!("of-{}", role.word())).machine;
        assert!(matches!(retire_machine(site, &somebody, &machine.name), Err(OperationError::Forbidden)));
        assert!(matches!(admin_link(site, &somebody), Err(AccountError::Operation(OperationError::Forbidden))));
        assert!(list_people(site, &somebody).is_err());
        assert_eq!(somebody.sees(&machine.id), role != Role::Member, "a member sees own machines only");
    }
    for right in Right::ALL {
        assert!(by.may(right).is_ok(), "{right:?}");
    }
}

#[test]
fn a_token_never_does_what_takes_a_fresh_password() {
    let test = TestBox::start();
    let site = test.site();
    let by = actor(site, &admin(site, "claire").signed_in);
    let of = |scope| {
        let token = make_token(site, &by, "script", scope, Seconds::DAY).expect("token");
        authenticate_token(site, &origin(), token.expose()).expect("token").expect("known").0
    };
    let (read, manage) = (of(TokenScope::Read), of(TokenScope::Manage));
    assert!(read.may(Right::LookAtBox).is_ok() && read.may(Right::Commission).is_err());
    assert!(manage.may(Right::Commission).is_ok());
    for right in [Right::ManageAccounts, Right::SeeKit, Right::ManageCommunity, Right::RetireMachines] {
        assert!(matches!(manage.may(right), Err(OperationError::ConfirmFirst)), "{right:?}");
        assert!(matches!(read.may(right), Err(OperationError::Forbidden)), "{right:?}");
    }
    assert!(change_password(site, &manage, "quatre bateaux au large").is_err());
    assert!(end_other_sessions(site, &manage).is_err(), "a stolen token must not sign its owner out");
    let own = own_account(site, &by).expect("account");
    assert!(revoke_token(site, &manage, own.tokens[0].row).is_err());
    assert!(end_session(site, &manage, &own.sessions[0].digest).is_err());
    let over = make_token(site, &by, "over", TokenScope::Read, Seconds(0)).expect("token");
    assert!(authenticate_token(site, &origin(), over.expose()).expect("token").is_none());
}

#[test]
fn a_change_of_the_log_shows() {
    let test = TestBox::start();
    let site = test.site();
    admin(site, "claire");
    let console = Actor::console();
    let LogVerdict::Whole { entries, head } = verify_audit_log(site, &console).expect("verify") else {
        panic!("the log is whole")
    };
    let log = audit_log(site, &console, None, 100).expect("log");
    assert_eq!((entries, head), (log.len() as u64, log[0].digest));
    assert!(entries >= 4, "{log:?}");
    for change in [
        "UPDATE audit_entry SET actor = 'paul' WHERE seq = 2",
        "UPDATE audit_entry SET at = at + 1 WHERE seq = 2",
        "UPDATE audit_entry SET action = actor, actor = action WHERE seq = 2",
        "DELETE FROM audit_entry WHERE seq = 2",
        "DELETE FROM audit_entry WHERE seq = 1",
        "UPDATE audit_entry SET digest = zeroblob(32) WHERE seq = 2",
    ] {
        let judged = site.catalog.writer().write(|tx| {
            tx.execute_batch("SAVEPOINT tampering").expect("savepoint");
            tx.execute_batch(change).expect(change);
            Ok::<_, OperationError>(())
        });
        judged.expect("change");
        assert!(matches!(verify_audit_log(site, &console), Ok(LogVerdict::Broken { .. })), "{change}");
        // Back to the log as it was.
        site.catalog
            .writer()
            .write(|tx| {
                tx.execute_batch("DELETE FROM audit_entry").expect("delete");
                log.iter().rev().try_for_each(|entry| crate::catalog::audit::append(tx, entry))
            })
            .expect("put back");
        assert!(matches!(verify_audit_log(site, &console), Ok(LogVerdict::Whole { .. })));
    }
}

#[test]
fn people_and_log_outlive_a_rebuilt_catalog() {
    let mut test = TestBox::start();
    let Admin { secret, codes, .. } = admin(test.site(), "claire");
    let by = Actor::console();
    invited_person(test.site(), &by, "paul", Role::Member);
    let before = audit_log(test.site(), &by, None, 100).expect("log");
    test.stop();
    super::super::rebuild(&test.dir(), test.vault(), None, &mut |_| {}).expect("rebuild");
    test.restart();
    let site = test.site();
    assert_eq!(audit_log(site, &by, None, 100).expect("log"), before);
    let people = list_people(site, &by).expect("people");
    assert_eq!(people.iter().map(|p| p.account.role).collect::<Vec<_>>(), [Role::Admin, Role::Member]);
    assert_eq!(people[1].services, [Service::Restore, Service::Webdav]);
    let half = sign_in(site, &origin(), "claire", PASSWORD).expect("sign in");
    let Visitor::Pending(pending) = visitor(site, &half) else { panic!("half signed in") };
    let later = code_for_tests(&secret, site.clock.now().plus(Seconds(30)));
    give_code(site, &origin(), &pending, &later).expect("the authenticator still works");
    let half = sign_in(site, &origin(), "claire", PASSWORD).expect("sign in");
    let Visitor::Pending(pending) = visitor(site, &half) else { panic!("half signed in") };
    give_code(site, &origin(), &pending, &codes[3]).expect("recovery codes too");
}

#[test]
fn nothing_that_lets_in_is_kept_as_it_is() {
    let test = TestBox::start();
    let site = test.site();
    let Admin { signed_in, secret, codes, .. } = admin(site, "claire");
    let by = actor(site, &signed_in);
    let token = make_token(site, &by, "script", TokenScope::Read, Seconds::DAY).expect("token");
    let link = admin_link(site, &Actor::console()).expect("link");
    site.catalog.writer().checkpoint().expect("checkpoint");
    let raw_secret = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).expect("base 32");
    let mut bytes = std::fs::read(test.dir().catalog_file()).expect("read");
    bytes.extend(std::fs::read(test.dir().catalog_file().with_extension("db-wal")).unwrap_or_default());
    let known: [&[u8]; 7] = [
        PASSWORD.as_bytes(),
        signed_in.cookie.expose().as_bytes(),
        token.expose().as_bytes(),
        link.expose().as_bytes(),
        secret.as_bytes(),
        &raw_secret,
        codes[0].as_bytes(),
    ];
    for canary in known {
        assert!(!bytes.windows(canary.len()).any(|window| window == canary), "{}", String::from_utf8_lossy(canary));
    }
}

#[test]
fn support_comes_in_for_its_hours_and_not_a_minute_longer() {
    let test = TestBox::start();
    let site = test.site();
    let by = actor(site, &admin(site, "claire").signed_in);
    let hours = |hours: u8| SupportHours::try_from(hours).expect("hours");
    for bad in [0, 73] {
        assert!(SupportHours::try_from(bad).is_err(), "{bad}");
    }
    let (link, until) = open_support(site, &by, hours(2)).expect("open");
    assert_eq!(support_access(site, &by).expect("look").expect("open").expires_at, until);
    let support = accept_invitation(site, &origin(), link.expose(), "", PASSWORD).expect("accept");
    let somebody = actor(site, &support);
    assert_eq!((somebody.role(), somebody.name()), (Role::Technician, "support"));
    assert!(open_support(site, &somebody, hours(2)).is_err() && support_access(site, &somebody).is_err());
    assert!(accept_invitation(site, &origin(), link.expose(), "", PASSWORD).is_err(), "the link works once");
    // Its time is over, whether or not anybody has removed it.
    let end_now = |site: &Site| {
        let ended = site.catalog.writer().write(|tx| {
            let open = support::access(tx)?.expect("it is open");
            support::open(tx, open.account, site.clock.now())
        });
        ended.expect("end");
    };
    end_now(site);
    let visitor = authenticate(site, &origin(), support.cookie.expose()).expect("visitor");
    assert!(matches!(visitor, Visitor::Stranger), "{visitor:?}");
    assert!(matches!(sign_in(site, &origin(), "support", PASSWORD), Err(AccountError::Wrong)));
    assert!(support_access(site, &by).expect("look").is_none());
    assert!(end_support_in_time(site).expect("end") && !end_support_in_time(site).expect("end"));
    assert!(!list_people(site, &by).expect("people").iter().any(|person| person.account.name.as_str() == "support"));
    // Closed by hand, and opened in place of another one.
    let (_, _) = open_support(site, &by, hours(1)).expect("open");
    let (link, _) = open_support(site, &by, hours(72)).expect("open again");
    let support = accept_invitation(site, &origin(), link.expose(), "", PASSWORD).expect("accept");
    assert!(close_support(site, &by).expect("close") && !close_support(site, &by).expect("close"));
    let visitor = authenticate(site, &origin(), support.cookie.expose()).expect("visitor");
    assert!(matches!(visitor, Visitor::Stranger), "{visitor:?}");
    let log = audit_log(site, &by, None, 50).expect("log");
    let count = |action: Action| log.iter().filter(|entry| entry.action == action.word()).count();
    assert_eq!(
        [Action::SupportOpened, Action::SupportClosed, Action::SupportEnded].map(count),
        [3, 2, 1],
        "opened three times, replaced and closed, ended by itself"
    );
}

/// A directory that says what the test wants.
struct Says<F>(F);

impl<F: Fn(&AccountName) -> Result<Known, DirectoryError>> Directory for Says<F> {
    fn ask(
        &self,
        _: &DirectorySetting,
        _: Option<&str>,
        name: &AccountName,
        _: Option<&str>,
    ) -> Result<Known, DirectoryError> {
        (self.0)(name)
    }
}

const STAFF: &str = "cn=staff,dc=example,dc=org";

fn with_directory(site: &Site) {
    let setting = DirectorySetting {
        host: "ldap.example.org".to_owned(),
        port: 636,
        security: DirectorySecurity::Ldaps,
        authority: None,
        template: None,
        service: Some(ServiceAccount { name: "cn=box".to_owned(), password: Vec::new() }),
        base: "dc=example,dc=org".to_owned(),
        filter: "(uid={name})".to_owned(),
        groups: vec![(STAFF.to_owned(), Role::Member)],
    };
    set_directory(site, &Actor::console(), Some(&setting), Some("secret")).expect("directory");
}

#[expect(clippy::unnecessary_wraps, reason = "it is what a directory answers")]
fn staff(entry: &str) -> Result<Known, DirectoryError> {
    Ok(Known::Entry { entry: entry.to_owned(), groups: vec![STAFF.to_owned()] })
}

fn away() -> Result<Known, DirectoryError> {
    Err(DirectoryError("away".to_owned()))
}

#[test]
fn a_name_that_is_given_again_inherits_nothing_but_its_second_factor() {
    let test = TestBox::start();
    let (site, by) = (test.site(), Actor::console());
    with_directory(site);
    let machine = Client::enrol(site, "till").machine;
    let first = super::sign_in(site, &origin(), "paul", PASSWORD, &Says(|_: &AccountName| staff("uid=paul,ou=a")))
        .expect("the first paul");
    let token = make_token(site, &actor(site, &first), "t", TokenScope::Read, Seconds::DAY).expect("token");
    let services = vec![Service::Restore, Service::Pos];
    let change = PersonChange { role: Role::Member, may_come_in: None, services, machines: [machine.id].into() };
    change_person(site, &by, &name("paul"), &change).expect("change");
    check_directory(site, &Says(|_: &AccountName| staff("UID=paul, ou=a"))).expect("the same entry");
    assert!(matches!(visitor(site, &first), Visitor::Known(_)));

    let second = Says(|_: &AccountName| staff("uid=paul,ou=b"));
    let signed_in = super::sign_in(site, &origin(), "paul", PASSWORD, &second).expect("the second paul");
    assert!(matches!(visitor(site, &first), Visitor::Stranger));
    assert!(authenticate_token(site, &origin(), token.expose()).expect("token").is_none());
    let now = actor(site, &signed_in);
    assert!(now.machines.is_empty() && now.services == [Service::Restore], "{now:?}");
    check_directory(site, &Says(|_: &AccountName| staff("uid=paul,ou=c"))).expect("a third one");
    assert!(matches!(visitor(site, &signed_in), Visitor::Stranger));

    // A name that leads to somebody who has come in by another one is no second way in for them.
    let anne = Says(|_: &AccountName| staff("uid=anne,ou=a"));
    super::sign_in(site, &origin(), "anne", PASSWORD, &anne).expect("anne");
    let alias = super::sign_in(site, &origin(), "paul", PASSWORD, &anne).expect_err("anne under another name");
    assert!(matches!(alias, AccountError::Wrong), "{alias}");
}

#[test]
fn one_person_whom_the_directory_cannot_tell_of_keeps_no_other_in() {
    let test = TestBox::start();
    let site = test.site();
    with_directory(site);
    let by_name = |who: &AccountName| staff(&format!("uid={who},ou=a"));
    let people = ["anna", "boris", "claire", "denis", "elena"];
    let sessions = people.map(|who| super::sign_in(site, &origin(), who, PASSWORD, &Says(by_name)).expect(who));
    let told = Says(|who: &AccountName| match who.as_str() {
        "anna" => away(),
        "boris" => Ok(Known::Nobody),
        _ => by_name(who),
    });
    assert!(matches!(check_directory(site, &told), Err(AccountError::Directory(_))), "it is still said");
    let are_in = sessions.each_ref().map(|session| matches!(visitor(site, session), Visitor::Known(_)));
    assert_eq!(are_in, [true, false, true, true, true]);
    let asked = std::cell::Cell::new(0);
    let silent = Says(|_: &AccountName| {
        asked.set(asked.get() + 1);
        away()
    });
    check_directory(site, &silent).expect_err("away");
    assert_eq!(asked.get(), 3, "a directory that is away is not asked for everybody");
    // Three about whom it will never tell: those behind them are looked up all the same, if not at once.
    let stuck = Says(|who: &AccountName| match who.as_str() {
        "anna" | "claire" | "denis" => away(),
        _ => Ok(Known::Nobody),
    });
    for _ in 0..people.len() {
        check_directory(site, &stuck).expect_err("some of them");
    }
    assert!(matches!(visitor(site, &sessions[4]), Visitor::Stranger), "elena is gone");
}

#[test]
fn a_directory_that_does_not_answer_holds_no_more_than_a_few_and_counts_as_a_failure() {
    let test = TestBox::start();
    let site = test.site();
    with_directory(site);
    let silent = Says(|_: &AccountName| away());
    let tries: Vec<_> = (0..5)
        .map(|_| super::sign_in(site, &origin(), "paul", PASSWORD, &silent).expect_err("away"))
        .map(|error| matches!(error, AccountError::Wait { .. }))
        .collect();
    assert_eq!(tries, [false, false, false, false, true]);

    let (waiting, asked) = (std::sync::Barrier::new(4), std::sync::Barrier::new(4));
    let fourth = std::thread::scope(|scope| {
        for from in 1..=3_u8 {
            let (waiting, asked) = (&waiting, &asked);
            scope.spawn(move || {
                let slow = Says(|_: &AccountName| {
                    waiting.wait();
                    asked.wait();
                    away()
                });
                let origin = Origin { address: [192, 0, 3, from].into(), agent: String::new() };
                super::sign_in(site, &origin, &format!("slow{from}"), PASSWORD, &slow).expect_err("away");
            });
        }
        waiting.wait();
        let elsewhere = Origin { address: [192, 0, 4, 1].into(), agent: String::new() };
        let never = Says(|_: &AccountName| panic!("a fourth question at a time"));
        let fourth = super::sign_in(site, &elsewhere, "claire", PASSWORD, &never);
        asked.wait();
        fourth
    });
    let busy = fourth.expect_err("busy");
    assert!(matches!(busy, AccountError::DirectoryBusy), "{busy}");
}
