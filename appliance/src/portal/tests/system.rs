//! What lets people in: the company's directory, its certificate, support.

use super::*;

#[actix_web::test]
async fn the_directory_is_set_up_with_a_password_that_is_never_shown_again() {
    let fixture = fixture();
    let cookie = fixture.cookie_of(Role::Admin);
    fn post<'a>(cookie: &'a str, path: &'a str, form: &'a str) -> Asked<'a> {
        Asked { method: "POST", path, cookie: Some(cookie), form, ..Asked::default() }
    }
    let settings = "/people/directory";
    let form = |change: (&str, &str)| {
        let fields = [
            ("host", "127.0.0.1"),
            ("port", "9"),
            ("security", "ldaps"),
            ("authority", ""),
            ("base", "dc%3Dexample"),
            ("filter", "(uid%3D{name})"),
            ("service", "cn%3Dbox"),
            ("password", "service+secret"),
            ("template", ""),
            ("groups-member", "cn%3Dstaff"),
        ];
        let field = |(name, value)| format!("{name}={}", if name == change.0 { change.1 } else { value });
        fields.map(field).join("&")
    };
    for (change, told) in [
        (("host", "a%2Fb"), "name or address of the server"),
        (("host", "fd00%3A%3A7"), "not by an IPv6 address"),
        (("port", "0"), "name or address of the server"),
        (("authority", "x"), "no certificate in the PEM form"),
        (("base", ""), "where people and groups are, such as"),
        (("filter", "(uid%3Dclaire)"), "need {name} where"),
        (("filter", "uid%3D{name}"), "need {name} where"),
        (("template", "uid%3Dclaire"), "need {name} where"),
        (("service", ""), "a service account, or what"),
        (("password", ""), "the password of the service account"),
        (("groups-member", ""), "at least one group"),
        (("groups-member", "staff"), "at least one group"),
    ] {
        let form = form(change);
        let refused = ask(&fixture, post(&cookie, settings, &form)).await;
        let shown = refused.body.replace("&#123;", "{").replace("&#125;", "}");
        assert!(refused.status == StatusCode::UNPROCESSABLE_ENTITY && shown.contains(told), "{change:?}: {shown}");
        assert!(!refused.body.contains("service secret"));
    }
    let plain = form(("security", "none")).replace("127.0.0.1", "192.168.1.2");
    let refused = ask(&fixture, post(&cookie, settings, &plain)).await;
    assert!(refused.body.contains("passwords would be read on the way"), "{}", refused.body);
    assert_eq!(ask(&fixture, post(&cookie, settings, &form(("", "")))).await.location, "/people/directory?said=saved");
    let page = get(&fixture, settings, &cookie, &[]).await.body;
    assert!(page.contains("value=\"(uid={name})\"") && page.contains("cn=staff"), "{page}");
    assert!(!page.contains("service secret"));
    let told = ask(&fixture, post(&cookie, "/people/directory/test", "name=paul&password=x")).await;
    assert!(told.status == StatusCode::OK && told.body.contains("nothing answers there"), "{}", told.body);
    let login = ask(&fixture, Asked { cookie: None, ..post(&cookie, "/login", "name=paul&password=x") }).await;
    assert!(login.status == StatusCode::UNPROCESSABLE_ENTITY, "{}", login.status);
    assert!(login.body.contains("Accounts of the box itself still work"), "{}", login.body);
    assert_eq!(
        ask(&fixture, post(&cookie, "/people/directory/remove", "")).await.location,
        "/people/directory?said=removed"
    );
}

#[actix_web::test]
async fn a_certificate_of_the_company_is_used_at_once_until_it_is_taken_back() {
    let fixture = fixture();
    let cookie = fixture.cookie_of(Role::Admin);
    let hosts = fixture.portal.tls.found_under().hosts;
    let host = hosts.iter().find(|host| host.as_str() != "localhost").expect("this computer has a name").as_str();
    let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).expect("a certificate");
    let send = async |chain: &str, key: &str| {
        let form = format!("chain={}&key={}", answer::encoded(chain), answer::encoded(key));
        let path = "/system/certificate";
        ask(&fixture, Asked { method: "POST", path, cookie: Some(&cookie), form: &form, ..Asked::default() }).await
    };
    let refused = send(&made.cert.pem(), "no key").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.body);
    assert!(matches!(fixture.portal.tls.shows(), tls::Shows::BoxsOwn));
    let key = made.signing_key.serialize_pem();
    let set = send(&made.cert.pem(), &key).await;
    assert_eq!(set.location, "/system/certificate?said=saved", "{}", set.body);
    let tls::Shows::Companys(facts) = fixture.portal.tls.shows() else { panic!("it is not used") };
    assert_eq!(facts.names, [host]);
    let page = get(&fixture, "/system/certificate", &cookie, &[]).await.body;
    assert!(page.contains(&facts.fingerprint) && page.contains(&fixture.portal.tls.fingerprint()), "{page}");
    assert!(!page.contains("PRIVATE KEY-----\n"), "the key is never shown again");
    let path = "/system/certificate/remove";
    let gone = ask(&fixture, Asked { method: "POST", path, cookie: Some(&cookie), ..Asked::default() }).await;
    assert_eq!(gone.location, "/system/certificate?said=removed", "{}", gone.body);
    assert!(matches!(fixture.portal.tls.shows(), tls::Shows::BoxsOwn));
}

#[actix_web::test]
async fn every_page_of_an_admin_says_that_support_may_come_in() {
    let fixture = fixture();
    let (admin, technician) = (fixture.cookie_of(Role::Admin), fixture.cookie_of(Role::Technician));
    let form = "hours=2";
    let path = "/system/support";
    let opened = ask(&fixture, Asked { method: "POST", path, cookie: Some(&admin), form, ..Asked::default() }).await;
    assert!(opened.status == StatusCode::OK && opened.body.contains("/welcome/"), "{}", opened.body);
    for path in ["/", "/machines", "/system"] {
        assert!(get(&fixture, path, &admin, &[]).await.body.contains("120 more minutes"), "{path}");
        assert!(!get(&fixture, path, &technician, &[]).await.body.contains("more minutes"), "{path}");
    }
    let path = "/system/support/close";
    let closed = ask(&fixture, Asked { method: "POST", path, cookie: Some(&admin), ..Asked::default() }).await;
    assert_eq!(closed.location, "/system/support?said=ended", "{}", closed.body);
    assert!(!get(&fixture, "/", &admin, &[]).await.body.contains("more minutes"));
}

#[actix_web::test]
async fn a_way_to_an_address_that_is_none_is_refused_in_words() {
    let fixture = fixture();
    let cookie = fixture.cookie_of(Role::Admin);
    for form in ["how=", "how=static&address=192.168.1.20%2F24", "how=DHCP"] {
        let asked = Asked { method: "POST", path: "/system/network", cookie: Some(&cookie), form, ..Asked::default() };
        let refused = ask(&fixture, asked).await;
        let says_so = refused.body.contains("Choose whether the address is lent or fixed");
        assert!(refused.status == StatusCode::UNPROCESSABLE_ENTITY && says_so, "{form}: {}", refused.body);
    }
}
