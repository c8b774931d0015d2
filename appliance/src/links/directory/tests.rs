//! Against a real slapd (Debian's), which each test starts for itself.

use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::*;
use crate::operations::Site;
use crate::operations::accounts::{
    self, AccountError, Actor, NewPerson, Origin, Role, ServiceAccount, SignedIn, Stage, TokenScope, Visitor,
};
use crate::operations::testing::TestBox;

const BASE: &str = "dc=example,dc=org";
const ROOT: &str = "cn=box,dc=example,dc=org";
const ROOT_PASSWORD: &str = "service secret";
const PASSWORD: &str = "les trois cafés du port";

/// People, and groups of both kinds: those that name entries, and those that name names. `twin` is there twice.
const ENTRIES: &str = "\
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: uid=claire,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: claire
uid: claire.martin
cn: Claire
sn: Martin
userPassword: les trois cafés du port

dn: uid=paul,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: paul
cn: Paul
sn: Petit
userPassword: les trois cafés du port

dn: uid=odile,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: odile
cn: Odile
sn: Nobody
userPassword: quatre barques dans le port

dn: cn=twin 1,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: twin
cn: twin 1
sn: Twin
userPassword: les trois cafés du port

dn: cn=twin 2,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: twin
cn: twin 2
sn: Twin
userPassword: les trois cafés du port

dn: cn=admins,dc=example,dc=org
objectClass: groupOfNames
cn: admins
member: uid=claire,ou=people,dc=example,dc=org

dn: cn=staff,dc=example,dc=org
objectClass: posixGroup
cn: staff
gidNumber: 1000
memberUid: paul
memberUid: claire
";

struct Slapd {
    process: Child,
    ldaps: u16,
    ldap: u16,
    /// Its certificate, PEM.
    authority: String,
    _folder: tempfile::TempDir,
}

impl Drop for Slapd {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Slapd {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let at = folder.path();
        let key = rcgen::KeyPair::generate().expect("key");
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let certificate = rcgen::CertificateParams::new(names).expect("names").self_signed(&key).expect("certificate");
        let write = |name: &str, text: &str| std::fs::write(at.join(name), text).expect(name);
        write("cert.pem", &certificate.pem());
        write("key.pem", &key.serialize_pem());
        write("entries.ldif", ENTRIES);
        write("slapd.conf", &configuration(at));
        std::fs::DirBuilder::new().mode(0o700).create(at.join("db")).expect("folder");
        let loaded = Command::new("/usr/sbin/slapadd")
            .arg("-f")
            .arg(at.join("slapd.conf"))
            .arg("-l")
            .arg(at.join("entries.ldif"))
            .output()
            .expect("the Debian package slapd is installed");
        assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
        let (ldaps, ldap) = (free_port(), free_port());
        let process = Command::new("/usr/sbin/slapd")
            .arg("-f")
            .arg(at.join("slapd.conf"))
            .args(["-d", "0", "-h", &format!("ldaps://127.0.0.1:{ldaps} ldap://127.0.0.1:{ldap}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("slapd");
        let slapd = Self { process, ldaps, ldap, authority: certificate.pem(), _folder: folder };
        let began = Instant::now();
        while [ldaps, ldap].iter().any(|port| TcpStream::connect(("127.0.0.1", *port)).is_err()) {
            assert!(began.elapsed() < Duration::from_secs(20), "slapd does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        slapd
    }

    /// As an admin would enter it, over LDAPS with a service account.
    fn setting(&self) -> DirectorySetting {
        DirectorySetting {
            host: "127.0.0.1".to_owned(),
            port: self.ldaps,
            security: DirectorySecurity::Ldaps,
            authority: Some(self.authority.clone()),
            template: None,
            service: Some(ServiceAccount { name: ROOT.to_owned(), password: Vec::new() }),
            base: BASE.to_owned(),
            filter: "(uid={name})".to_owned(),
            groups: vec![
                ("CN=Admins, DC=example, DC=org".to_owned(), Role::Admin),
                ("cn=staff,dc=example,dc=org".to_owned(), Role::Member),
            ],
        }
    }

    fn remove(&self, entry: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async {
            let url = format!("ldap://127.0.0.1:{}", self.ldap);
            let (connection, mut ldap) = LdapConnAsync::new(&url).await.expect("connect");
            tokio::spawn(connection.drive());
            ldap.simple_bind(ROOT, ROOT_PASSWORD).await.expect("bind").success().expect("bound");
            ldap.delete(entry).await.expect("delete").success().expect("deleted");
        });
    }
}

/// It takes binds with a name and without a password, as many directories do: whoever asks it must not.
fn configuration(at: &Path) -> String {
    let at = at.display();
    format!(
        "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
         include /etc/ldap/schema/nis.schema\ninclude /etc/ldap/schema/inetorgperson.schema\n\
         modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {at}/pid\nargsfile {at}/args\n\
         TLSCertificateFile {at}/cert.pem\nTLSCertificateKeyFile {at}/key.pem\nallow bind_anon_cred\n\
         database mdb\nmaxsize 10485760\nsuffix \"{BASE}\"\nrootdn \"{ROOT}\"\nrootpw \"{ROOT_PASSWORD}\"\n\
         directory {at}/db\n"
    )
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).expect("listen").local_addr().expect("address").port()
}

fn ask(setting: &DirectorySetting, name: &str, password: Option<&str>) -> Result<Known, DirectoryError> {
    OverLdap.ask(setting, Some(ROOT_PASSWORD), &name.parse().expect("name"), password)
}

fn entry_of(known: Result<Known, DirectoryError>) -> Option<String> {
    match known.expect("an answer") {
        Known::Entry { entry, .. } => Some(entry),
        Known::Nobody => None,
    }
}

#[test]
fn a_real_directory_tells_who_somebody_is_on_every_way_to_it() {
    let slapd = Slapd::start();
    let template = Some("uid={name},ou=people,dc=example,dc=org".to_owned());
    let ldaps = slapd.setting();
    let starttls = DirectorySetting { port: slapd.ldap, security: DirectorySecurity::StartTls, ..ldaps.clone() };
    let plain =
        DirectorySetting { port: slapd.ldap, security: DirectorySecurity::None, authority: None, ..ldaps.clone() };
    let as_themselves = DirectorySetting { template, service: None, ..ldaps.clone() };
    let claire = Some("uid=claire,ou=people,dc=example,dc=org".to_owned());
    for setting in [&ldaps, &starttls, &plain, &as_themselves] {
        assert_eq!(entry_of(ask(setting, "claire", Some(PASSWORD))), claire);
        assert_eq!(entry_of(ask(setting, "Claire", Some(PASSWORD))), claire, "names are folded");
        assert_eq!(entry_of(ask(setting, "claire", Some("wrong"))), None);
        assert_eq!(entry_of(ask(setting, "claire", Some(""))), None, "the server itself would say yes");
        assert_eq!(entry_of(ask(setting, "nobody", Some(PASSWORD))), None);
    }
    // Whoever binds as one person must not come in as another one, whom the filter finds.
    let crossed = DirectorySetting {
        template: Some("uid=odile,ou=people,dc=example,dc=org".to_owned()),
        filter: "(uid={name})".to_owned(),
        ..as_themselves
    };
    assert_eq!(entry_of(ask(&crossed, "claire", Some("quatre barques dans le port"))), None);
    assert_eq!(entry_of(ask(&ldaps, "claire", None)), claire, "whether there is such a person");
    assert_eq!(entry_of(ask(&ldaps, "nobody", None)), None);
    let Known::Entry { mut groups, .. } = ask(&ldaps, "claire", None).expect("claire") else { panic!("nobody") };
    groups.sort();
    assert_eq!(groups, ["cn=admins,dc=example,dc=org", "cn=staff,dc=example,dc=org"]);
}

#[test]
fn what_is_wrong_with_the_directory_is_said_and_lets_nobody_in() {
    let slapd = Slapd::start();
    let right = slapd.setting();
    let other = {
        let key = rcgen::KeyPair::generate().expect("key");
        let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("names");
        params.self_signed(&key).expect("certificate").pem()
    };
    let closed = free_port();
    for (setting, told) in [
        (DirectorySetting { authority: Some(other.clone()), ..right.clone() }, "failed"),
        (DirectorySetting { authority: None, ..right.clone() }, ""),
        (
            DirectorySetting {
                authority: Some(other),
                port: slapd.ldap,
                security: DirectorySecurity::StartTls,
                ..right.clone()
            },
            "failed",
        ),
        (DirectorySetting { port: slapd.ldap, ..right.clone() }, ""),
        (DirectorySetting { port: closed, ..right.clone() }, "leads to no address, or nothing answers"),
        (DirectorySetting { host: "no-such-host.invalid".to_owned(), ..right.clone() }, "leads to no address"),
        (
            DirectorySetting { host: "192.0.2.1".to_owned(), security: DirectorySecurity::None, ..right.clone() },
            "on this computer only",
        ),
        (DirectorySetting { base: "dc=nowhere".to_owned(), ..right.clone() }, "there is no such entry (32"),
        (DirectorySetting { filter: "(uid={name}".to_owned(), ..right.clone() }, "failed"),
        (DirectorySetting { service: None, ..right.clone() }, "there is none"),
    ] {
        let error = ask(&setting, "claire", Some(PASSWORD)).expect_err("no answer");
        assert!(error.0.contains(told), "{told} in {}", error.0);
    }
    let name: AccountName = "claire".parse().expect("name");
    for service in [Some("wrong"), Some(""), None] {
        let refused = OverLdap.ask(&right, service, &name, Some(PASSWORD)).expect_err("no service account");
        assert!(refused.0.contains("refuses the service account"), "{}", refused.0);
    }
    let several = ask(&right, "twin", Some(PASSWORD)).expect_err("two of them");
    assert!(several.0.contains("several people"), "{}", several.0);
}

#[test]
fn no_name_changes_the_question() {
    let name: AccountName = "o+brien@example.org".parse().expect("name");
    assert_eq!(
        filled_filter("(&(uid={name})(x={name}))", &name),
        "(&(uid=o+brien@example.org)(x=o+brien@example.org))"
    );
    assert_eq!(filled_name("uid={name},ou=people", &name), "uid=o\\2bbrien@example.org,ou=people");
    for hostile in ["*", "claire)(uid=*", "claire,ou=people", "a\\2a", "a\0b", "claire*"] {
        assert!(hostile.parse::<AccountName>().is_err(), "{hostile:?}");
    }
}

fn origin() -> Origin {
    Origin { address: "192.0.2.7".parse().expect("address"), agent: String::new() }
}

fn sign_in(site: &Site, name: &str, password: &str) -> Result<SignedIn, AccountError> {
    accounts::sign_in(site, &origin(), name, password, &OverLdap)
}

#[test]
fn people_of_the_directory_come_in_by_their_groups_and_are_gone_when_they_leave_it() {
    let (slapd, test) = (Slapd::start(), TestBox::start());
    let (site, by) = (test.site(), Actor::console());
    accounts::set_directory(site, &by, Some(&slapd.setting()), Some(ROOT_PASSWORD)).expect("set");

    let claire = sign_in(site, "CLAIRE", PASSWORD).expect("claire");
    assert_eq!(claire.stage, Stage::Setup, "an admin needs an authenticator of the box");
    let paul = sign_in(site, "paul", PASSWORD).expect("paul");
    assert_eq!(paul.stage, Stage::Full);
    let people = accounts::list_people(site, &by).expect("people");
    let shown: Vec<_> = people.iter().map(|p| (p.account.name.as_str(), p.account.role, p.entry.is_some())).collect();
    assert_eq!(shown, [("claire", Role::Admin, true), ("paul", Role::Member, true)]);
    for (name, password) in [("odile", PASSWORD), ("paul", "wrong"), ("*", PASSWORD), ("paul)(uid=*", PASSWORD)] {
        let refused = sign_in(site, name, password).expect_err(name);
        assert!(matches!(refused, AccountError::Wrong), "{name}: {refused}");
    }
    let alias = accounts::sign_in(site, &elsewhere(), "claire.martin", PASSWORD, &OverLdap).expect_err("an alias");
    assert!(matches!(alias, AccountError::Wrong), "one account a person: {alias}");
    // The delay grows as it does for accounts of the box.
    assert!(matches!(sign_in(site, "paul", ""), Err(AccountError::Wrong | AccountError::Wait { .. })));
    assert!(matches!(sign_in(site, "paul", PASSWORD), Err(AccountError::Wait { .. })));
    assert_eq!(accounts::list_people(site, &by).expect("people").len(), 2, "nobody else has an account");

    let visitor = || accounts::authenticate(site, &origin(), paul.cookie.expose()).expect("visitor");
    let Visitor::Known(actor) = visitor() else { panic!("not signed in") };
    accounts::confirm_password(site, &elsewhere(), &actor, PASSWORD, &OverLdap).expect("confirmed by the directory");
    let name: AccountName = "paul".parse().expect("name");
    let no_link = accounts::link_for(site, &by, &name).expect_err("no link");
    assert!(matches!(no_link, AccountError::OfDirectory), "{no_link}");
    let no_password = accounts::change_password(site, &actor, "un autre mot de passe").expect_err("not here");
    assert!(matches!(no_password, AccountError::OfDirectory), "{no_password}");
    let life = datis_engine::units::Seconds::DAY;
    let token = accounts::make_token(site, &actor, "t", TokenScope::Read, life).expect("token");

    accounts::check_directory(site, &OverLdap).expect("check");
    assert!(matches!(visitor(), Visitor::Known(_)), "still there");
    slapd.remove("uid=paul,ou=people,dc=example,dc=org");
    assert!(matches!(visitor(), Visitor::Known(_)), "until the next check");
    accounts::check_directory(site, &OverLdap).expect("check");
    assert!(matches!(visitor(), Visitor::Stranger));
    assert!(accounts::authenticate_token(site, &origin(), token.expose()).expect("token").is_none());
}

fn elsewhere() -> Origin {
    Origin { address: "192.0.2.99".parse().expect("address"), agent: String::new() }
}

#[test]
fn accounts_of_the_box_go_first_and_work_when_the_directory_is_away() {
    let (slapd, test) = (Slapd::start(), TestBox::start());
    let (site, by) = (test.site(), Actor::console());
    let own = "un mot de passe du boîtier";
    let name: AccountName = "claire".parse().expect("name");
    let person = NewPerson { name, role: Role::Member, services: Vec::new(), machines: [].into() };
    let link = accounts::invite(site, &by, &person).expect("invite");
    accounts::accept_invitation(site, &origin(), link.expose(), "", own).expect("accept");
    accounts::set_directory(site, &by, Some(&slapd.setting()), Some(ROOT_PASSWORD)).expect("set");
    assert!(matches!(sign_in(site, "claire", PASSWORD), Err(AccountError::Wrong)), "not the directory's claire");
    sign_in(site, "claire", own).expect("the box's claire");
    let paul = sign_in(site, "paul", PASSWORD).expect("paul");

    let wider = DirectorySetting { filter: "(|(uid={name})(mail={name}))".to_owned(), ..slapd.setting() };
    accounts::set_directory(site, &by, Some(&wider), None).expect("the password is kept for the same server");
    let away = DirectorySetting { port: free_port(), ..slapd.setting() };
    accounts::set_directory(site, &by, Some(&away), Some(ROOT_PASSWORD)).expect("set");
    let refused = sign_in(site, "paul", PASSWORD).expect_err("away");
    assert!(matches!(refused, AccountError::Directory(_)), "{refused}");
    sign_in(site, "claire", own).expect("the box's claire");
    accounts::check_directory(site, &OverLdap).expect_err("away");
    let visitor = |cookie: &str| accounts::authenticate(site, &origin(), cookie).expect("visitor");
    assert!(matches!(visitor(paul.cookie.expose()), Visitor::Known(_)), "nothing ends while it is away");
    accounts::set_directory(site, &by, None, None).expect("off");
    assert!(matches!(sign_in(site, "paul", PASSWORD), Err(AccountError::Wrong)), "and no password of the box");
    accounts::check_directory(site, &OverLdap).expect("check");
    assert!(matches!(visitor(paul.cookie.expose()), Visitor::Stranger));

    accounts::set_directory(site, &by, Some(&slapd.setting()), Some(ROOT_PASSWORD)).expect("set");
    let right = slapd.setting();
    for other in [
        DirectorySetting { host: "evil.example".to_owned(), ..right.clone() },
        DirectorySetting { port: 6_360, ..right.clone() },
        DirectorySetting { security: DirectorySecurity::StartTls, ..right.clone() },
        DirectorySetting { authority: None, ..right },
    ] {
        let refused = accounts::set_directory(site, &by, Some(&other), None).expect_err("its password");
        assert!(matches!(refused, AccountError::PasswordShort), "another server must not get it: {refused}");
    }
}
