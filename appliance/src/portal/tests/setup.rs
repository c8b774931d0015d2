//! What is checked and answered at the site, and who signs for it.

use datis_engine::format::kit::RecoveryKit;
use datis_engine::keys::{SigningKey, VaultIdentity};

use super::*;
use crate::operations::{BundleRefusal, BundleSettings, NewBundle};

#[actix_web::test]
async fn what_fails_at_the_site_is_told_with_what_to_do_and_what_waits_for_it() {
    let fixture = fixture();
    let cookie = fixture.cookie_of(Role::Technician);
    for (language, notice, remedy, waits, passed) in [
        ("en", "One check of the site fails", "Plug the network cable", "mended: Network cable", "last in order"),
        ("fr", "Un contrôle du site échoue", "Branchez le câble", "réparé : Câble réseau", "en ordre pour la"),
        (
            "ru",
            "Не проходит 1 проверка места",
            "Вставьте сетевой кабель",
            "исправлено: Сетевой кабель",
            "последний раз",
        ),
    ] {
        let first = get(&fixture, "/", &cookie, &[("accept-language", language)]).await.body;
        assert!(first.contains(notice), "{notice} in {first}");
        let page = get(&fixture, "/site", &cookie, &[("accept-language", language)]).await.body;
        for said in [remedy, waits, passed, "eth&#60;0&#62;"] {
            assert!(page.contains(said), "{said} in {page}");
        }
    }
}

#[actix_web::test]
async fn nobody_signs_for_a_box_that_is_not_in_order_and_sheets_say_so() {
    let fixture = fixture();
    let cookie = fixture.cookie_of(Role::Technician);
    let sign =
        || ask(&fixture, Asked { method: "POST", path: "/site/sign", cookie: Some(&cookie), ..Asked::default() });
    let refused = sign().await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("stand in the way"), "{}", refused.body);
    assert_eq!(get(&fixture, "/site/signed.pdf", &cookie, &[]).await.status, StatusCode::NOT_FOUND);
    for path in ["/site/certificate.pdf", "/site/firewall.pdf"] {
        for language in ["en", "fr", "ru"] {
            let sheet = get(&fixture, path, &cookie, &[("accept-language", language)]).await;
            assert!(sheet.status == StatusCode::OK && sheet.body.starts_with("%PDF-"), "{path} in {language}");
        }
    }
    all_is_in_order(&fixture);
    assert_eq!(sign().await.location, "/site?said=signed");
    let signed = get(&fixture, "/site/signed.pdf", &cookie, &[]).await;
    assert!(signed.status == StatusCode::OK && signed.body.starts_with("%PDF-"));
    let page = get(&fixture, "/site", &cookie, &[]).await.body;
    assert!(page.contains("/site/signed.pdf") && page.contains("technician"), "{page}");
    // A sheet stays what it was, whatever comes after.
    found(fixture.site(), Check::LanLink, Finding::LinkDown);
    assert_eq!(sign().await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(get(&fixture, "/site/signed.pdf", &cookie, &[]).await.body, signed.body);
}

#[actix_web::test]
async fn the_kit_is_asked_for_and_never_shown_beside_the_question() {
    let fixture = fixture();
    let cookie = fixture.cookie_of(Role::Admin);
    let kit = fixture.site().vault.recovery_kit(&fixture.portal.dir).expect("kit");
    let groups = crate::vault::kit_groups(&kit);
    let shows_kit = |page: &str| groups.iter().filter(|group| page.contains(group.as_str())).count() > 1;
    let page = get(&fixture, "/system", &cookie, &[]).await.body;
    assert!(page.contains("/system/kit/proof") && !shows_kit(&page));
    let form = "first=QQQQ&second=QQQQ";
    let prove = |form| {
        let asked =
            Asked { method: "POST", path: "/system/kit/proof", cookie: Some(&cookie), form, ..Asked::default() };
        ask(&fixture, asked)
    };
    let refused = prove(form).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("That is not what the kit says") && !shows_kit(&refused.body));
    let (first, second) = operations::kit_question(fixture.site(), &groups).expect("question");
    let group = |number: u32| groups[number as usize - 1].as_str();
    let form = format!("first={}&second={}", group(first), group(second).to_lowercase());
    assert_eq!(prove(&form).await.location, "/system?said=kit-proved");
    let page = get(&fixture, "/setup/kit", &cookie, &[]).await.body;
    assert!(page.contains("The recovery kit is in somebody"), "{page}");
    let taken = ask(&fixture, Asked { method: "POST", path: "/system/kit", cookie: Some(&cookie), ..Asked::default() });
    let taken = taken.await.body;
    assert!(taken.contains("AGE-SECRET-KEY-1") && taken.contains(&format!(" 7: {}", groups[6].as_str())), "{taken}");
    // A technician neither sees nor proves it.
    let technician = fixture.cookie_of(Role::Technician);
    assert!(!get(&fixture, "/system", &technician, &[]).await.body.contains("/system/kit/proof"));
}

#[actix_web::test]
async fn what_is_answered_about_the_place_is_shown_with_its_consequence() {
    let fixture = fixture();
    let cookie = fixture.cookie_of(Role::Technician);
    let answer = |form| {
        ask(&fixture, Asked { method: "POST", path: "/setup/place", cookie: Some(&cookie), form, ..Asked::default() })
    };
    assert_eq!(answer("power=nuclear").await.status, StatusCode::NOT_FOUND);
    assert_eq!(operations::site_answers(fixture.site()).expect("read"), [], "nothing of it is kept");
    let form = "place_dry=yes&place_shade=yes&power=none&line=mobile&shared=shared&contact=%3Cb%3EPaul";
    assert_eq!(answer(form).await.location, "/setup/place?said=saved");
    let page = get(&fixture, "/setup/place", &cookie, &[]).await.body;
    for told in ["there is dust", "The power is not protected", "not supported", "&#60;b&#62;Paul", "technician"] {
        assert!(page.contains(told), "{told} is not in {page}");
    }
    for untold in ["it is not dry", "<b>Paul", "Nobody uses"] {
        assert!(!page.contains(untold), "{untold}");
    }
    let page = get(&fixture, "/setup/sign-off", &cookie, &[]).await.body;
    assert!(page.contains("Protected power") && !page.contains("action=\"/site/sign\""), "{page}");
    // An auditor reads, and answers nothing.
    let auditor = fixture.cookie_of(Role::Auditor);
    let page = get(&fixture, "/setup/place", &auditor, &[]).await;
    assert!(page.status == StatusCode::OK && !page.body.contains("action=\"/setup/place\""));
    assert_eq!(get(&fixture, "/setup/nowhere", &cookie, &[]).await.status, StatusCode::NOT_FOUND);
}

/// As if every check that blocks had just passed, and people had done what is theirs to do.
fn all_is_in_order(fixture: &Fixture) {
    let (site, by) = (fixture.site(), Actor::console());
    for check in Check::ALL.into_iter().filter(|check| check.blocks_activation() && !check.is_at_hand()) {
        found(site, check, Finding::AddressUnshared);
    }
    let _owner = fixture.cookie_of(Role::Admin);
    accounts::log_use(site, &by, accounts::Right::SeeKit, accounts::Action::KitShown, "", "").expect("taken");
    for (question, word) in [
        (Question::Place, "dry"),
        (Question::Power, "socket"),
        (Question::Access, "some"),
        (Question::Line, "mobile"),
        (Question::Shared, "alone"),
        (Question::Operator, "free"),
    ] {
        operations::answer_question(site, &by, question, &[word], "").expect("answered");
    }
}

fn found(site: &Site, check: Check, finding: Finding) {
    let outcome = CheckOutcome {
        check: check.word().to_owned(),
        state: finding.state(),
        finding: Some(finding.word().to_owned()),
        because: None,
        facts: "[]".to_owned(),
        started_at: site.clock.now(),
        took_ms: 1,
    };
    operations::keep_outcomes(site, &[outcome]).expect("keep");
}

#[actix_web::test]
async fn the_setup_says_whose_bundle_it_is_or_why_there_is_none() {
    let fixture = fixture();
    let site = fixture.site();
    operations::note_refused_bundle(site, BundleRefusal::OtherKey, "no").expect("note");
    let cookie = fixture.cookie_of(Role::Technician);
    for (language, said) in [("en", "another key"), ("fr", "une autre clé"), ("ru", "не тем ключом")] {
        let page = get(&fixture, "/setup", &cookie, &[("accept-language", language)]).await.body;
        assert!(page.contains(said), "{said} in {page}");
    }
    let fixture = super::fixture();
    let content =
        r#"{"format":1,"reseller":{"name":"Tills & <b>","contact":"555"},"serial":9,"not_after":"2099-12-31"}"#;
    let key = SigningKey::from_pkcs8(&SigningKey::generate_pkcs8().expect("key")).expect("its own").public_key();
    let new = NewBundle {
        key,
        serial: 9,
        content,
        reseller: "Tills",
        settings: &BundleSettings::default(),
        may_be_older: false,
    };
    assert!(operations::apply_bundle(fixture.site(), &Actor::console(), &new).expect("applied"));
    let cookie = fixture.cookie_of(Role::Technician);
    for (language, said) in [("en", "bundle number 9"), ("fr", "numéro 9"), ("ru", "№ 9")] {
        let page = get(&fixture, "/setup", &cookie, &[("accept-language", language)]).await.body;
        assert!(page.contains(said) && page.contains("Tills &#38; &#60;b&#62;") && page.contains("555"), "{page}");
    }
    let sheet = get(&fixture, "/site/certificate.pdf", &cookie, &[]).await;
    assert!(sheet.status == StatusCode::OK && sheet.body.starts_with("%PDF-"));
}

#[actix_web::test]
async fn a_lost_box_comes_back_for_whoever_has_the_first_link_of_a_box_that_nobody_owns() {
    let fixture = fixture();
    let link = accounts::admin_link(fixture.site(), &Actor::console()).expect("link").expose().to_owned();
    let first = get(&fixture, &format!("/welcome/{link}"), "", &[]).await.body;
    let path = format!("/welcome/{link}/back");
    assert!(first.contains(&format!("href=\"{path}\"")), "{first}");
    let offered = get(&fixture, &path, "", &[]).await;
    assert!(offered.body.contains("name=\"kit\""), "{}", offered.body);
    let kit = crate::vault::kit_page(&fixture.kit());
    let form = kit_form("kit", &kit);
    let begin = || ask(&fixture, Asked { method: "POST", path: &path, form: &form, ..Asked::default() });
    let none = ask(&fixture, Asked { method: "POST", path: &path, form: "kit=%3Cpage%3E", ..Asked::default() }).await;
    assert_eq!(none.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(none.body.contains("This is no recovery kit") && none.body.contains("&#60;page&#62;</textarea>"));
    assert_eq!(begin().await.location, path);
    for (language, done, under_way) in
        [("en", "done", "under way"), ("fr", "terminé", "en cours"), ("ru", "готово", "выполняется")]
    {
        let page = get(&fixture, &path, "", &[("accept-language", language)]).await.body;
        assert!(page.contains(done) && page.contains(under_way), "{page}");
    }
    assert_eq!(begin().await.location, path);
    let failed = get(&fixture, &path, "", &[]).await.body;
    assert!(
        failed.contains("The box was not brought back") && failed.contains("the kit&#39;s &#60;line&#62;"),
        "{failed}"
    );
    for nobody in ["/welcome/nosuchlink/back", "/welcome/nosuchlink/back/start"] {
        let method = if nobody.ends_with("start") { "POST" } else { "GET" };
        let told = ask(&fixture, Asked { method, path: nobody, ..Asked::default() }).await;
        assert_eq!(told.status, StatusCode::UNPROCESSABLE_ENTITY, "{nobody}");
    }
}

impl Fixture {
    fn kit(&self) -> datis_engine::format::kit::RecoveryKit {
        self.site().vault.recovery_kit(&self.portal.dir).expect("kit")
    }
}

fn kit_form(field: &str, text: &str) -> String {
    let mut form = format!("{field}=");
    for byte in text.bytes() {
        form.push_str(&format!("%{byte:02X}"));
    }
    form
}

#[actix_web::test]
async fn two_sheets_are_taken_where_the_kit_is_and_every_mistake_has_its_sentence() {
    let fixture = fixture();
    let cookie = fixture.cookie_of(Role::Admin);
    let post = |path, form: String| {
        let (fixture, cookie) = (&fixture, cookie.as_str());
        async move {
            let asked = Asked { method: "POST", path, cookie: Some(cookie), form: &form, ..Asked::default() };
            ask(fixture, asked).await
        }
    };
    let taken = post("/system/kit/sheets", String::new()).await.body;
    let sheets: Vec<String> = taken.split("# DATIS").skip(1).map(|sheet| format!("# DATIS{sheet}")).collect();
    assert!(sheets.len() == 3 && !taken.contains("AGE-SECRET-KEY"), "{taken}");
    let pdf = post("/system/kit/sheets.pdf", String::new()).await;
    assert!(pdf.status == StatusCode::OK && pdf.body.starts_with("%PDF-"));
    let last = operations::last_done(fixture.site(), accounts::Action::KitSheetsShown).expect("log").expect("noted");
    assert!(!taken.contains(&last.subject), "each time another set");
    let prove = |text: String| post("/system/kit/paper", kit_form("paper", &text));
    for (language, one_more) in [("en", "one more is needed"), ("fr", "une de plus"), ("ru", "нужен ещё один")]
    {
        let form = kit_form("paper", &sheets[1]);
        let headers = [("accept-language", language)];
        let asked = Asked {
            method: "POST",
            path: "/system/kit/paper",
            cookie: Some(&cookie),
            form: &form,
            headers: &headers,
            ..Asked::default()
        };
        let told = ask(&fixture, asked).await;
        assert_eq!(told.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(told.body.contains(one_more), "{language}: {}", told.body);
        let code = sheets[1].lines().find(|line| line.starts_with("DATIS-KIT-SHEET-1")).expect("a code");
        assert!(told.body.contains(code), "nobody types a sheet twice");
    }
    let mistakes = [
        (format!("{0}{0}", sheets[0]), "is there twice"),
        (sheets[0].clone() + fixture.kit().to_sheets("2026-11-23").expect("sheets")[1].text(), "sheets of two sets"),
        (sheets[0].clone() + &sheets[1].replace("SHEET-1", "SHEET-1A"), "in the second sheet: the line that begins"),
    ];
    for (text, sentence) in mistakes {
        let told = prove(text).await;
        assert!(told.status == StatusCode::UNPROCESSABLE_ENTITY && told.body.contains(sentence), "{}", told.body);
    }
    let stranger = RecoveryKit { identity: VaultIdentity::generate(), ..fixture.kit() };
    assert!(prove(stranger.to_text().as_str().to_owned()).await.body.contains("the kit of another box"));
    assert_eq!(operations::last_done(fixture.site(), accounts::Action::KitProved).expect("log"), None);
    assert_eq!(prove(format!("{}{}", sheets[2], sheets[0])).await.location, "/system?said=kit-proved");
    assert!(operations::last_done(fixture.site(), accounts::Action::KitProved).expect("log").is_some());
}

#[actix_web::test]
async fn a_kit_whose_key_was_taken_off_the_box_is_printed_again_by_whoever_has_it() {
    let fixture = fixture();
    let cookie = fixture.cookie_of(Role::Admin);
    let kit = crate::vault::kit_page(&fixture.kit()).as_str().to_owned();
    std::fs::remove_file(fixture.portal.dir.keys_dir().join("kit.age-key")).expect("taken off");
    let page = get(&fixture, "/system", &cookie, &[]).await.body;
    assert!(page.contains("taken off this box") && page.contains("formaction=\"/system/kit/sheets.pdf\""), "{page}");
    for path in ["/system/kit.pdf", "/system/kit/sheets.pdf"] {
        let post = |form: String| {
            let (fixture, cookie) = (&fixture, cookie.as_str());
            async move {
                let asked = Asked { method: "POST", path, cookie: Some(cookie), form: &form, ..Asked::default() };
                ask(fixture, asked).await
            }
        };
        let without = post(String::new()).await;
        assert!(without.status == StatusCode::UNPROCESSABLE_ENTITY && without.body.contains("This is no recovery kit"));
        assert!(post(kit_form("paper", &kit)).await.body.starts_with("%PDF-"), "{path}");
    }
    let site = fixture.site();
    assert!(operations::last_done(site, accounts::Action::KitShown).expect("log").is_some());
    assert!(operations::last_done(site, accounts::Action::KitProved).expect("log").is_some(), "it is in their hands");
    assert!(!fixture.portal.dir.keys_dir().join("kit.age-key").exists(), "and stays off the box");
}
