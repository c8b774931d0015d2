//! The checks of pages find what is planted for them, and the browser trusts nobody whom it was not told.

use harness::browser::{Browser, eventually};
use serde_json::json;

use crate::{inspect, scene};

#[test]
fn a_planted_defect_of_each_kind_is_found() {
    scene::apart(|place| {
        let the_box = place.start_box();
        let browser = scene::browser(&the_box);
        browser.open(&the_box.url("/login"));
        browser.set_width(320);
        assert_eq!(inspect::barriers(&browser), [""; 0]);
        assert_eq!(inspect::overflow(&browser), [""; 0]);
        assert_eq!(browser.complaints(), [""; 0]);

        let plant =
            |html: &str| browser.run("document.body.insertAdjacentHTML('beforeend', arguments[0])", &[json!(html)]);
        for (html, rule) in [
            ("<input name='planted'>", "label"),
            ("<p id='pale'>These words are pale.</p>", "color-contrast"),
            ("<button></button>", "button-name"),
            ("<p><a href='/a' id='one'>i</a><a href='/b' id='two'>j</a></p>", "target-size"),
        ] {
            let _planted = plant(html);
            // Styles of script are not styles of the page: the policy lets them be.
            let _styled = browser.run(
                "const at = (id) => document.getElementById(id);\
                 if (at('pale')) { at('pale').style.color = '#eee'; at('pale').style.background = '#fff'; }\
                 for (const id of ['one', 'two']) if (at(id)) { at(id).style.display = 'inline-block'; \
                 at(id).style.width = '9px'; at(id).style.height = '9px'; at(id).style.lineHeight = '9px'; }",
                &[],
            );
            let found = inspect::barriers(&browser);
            assert!(found.iter().any(|told| told.starts_with(&format!("{rule} at"))), "{rule}: {found:?}");
        }
        let _planted = plant("<p id='wide'>wide</p>");
        let _wide = browser.run("document.getElementById('wide').style.width = '400px'", &[]);
        assert!(
            inspect::overflow(&browser).iter().any(|told| told.contains("400 wide")),
            "{:?}",
            inspect::overflow(&browser)
        );
        let _planted = plant("<p class='skip' id='lost'>lost</p>");
        let _left = browser.run(
            "const lost = document.getElementById('lost').style; lost.position = 'absolute'; lost.left = '-99rem'",
            &[],
        );
        assert!(
            inspect::overflow(&browser).iter().any(|told| told.contains("P.skip")),
            "{:?}",
            inspect::overflow(&browser)
        );
        assert_eq!(browser.complaints(), [""; 0]);

        let _planted = plant("<img src='https://elsewhere.example/a.png' alt=''><p style='color: red'>red</p>");
        let told = eventually("reports of the policy", || {
            let told = browser.complaints();
            told.iter().any(|each| each.starts_with("img-src refused")).then_some(told)
        });
        assert!(told.iter().any(|each| each.contains("style-src")), "{told:?}");
        let _said = browser.run("console.error('planted')", &[]);
        let told = browser.complaints();
        assert!(told.iter().any(|each| each.contains("planted")), "{told:?}");

        let english = inspect::texts(&browser);
        assert!(!inspect::untranslated(&english, &english).is_empty(), "{english:?}");
        let _planted = plant("<p title='nav-people'>err-policy</p>");
        let told = inspect::raw_messages(&inspect::texts(&browser));
        assert_eq!(told.len(), 2, "{told:?}");
    });
}

#[test]
fn a_browser_that_was_not_told_of_the_authority_does_not_come_in() {
    scene::apart(|place| {
        let the_box = place.start_box();
        let other = place.start_box();
        for authority in [None, Some(other.authority())] {
            let browser = Browser::start(authority.as_deref(), "en");
            let told = browser.try_open(&the_box.url("/login")).expect_err("it does not know this box");
            assert!(told.contains("ERR_CERT_AUTHORITY_INVALID"), "{told}");
        }
        scene::browser(&the_box).open(&the_box.url("/login"));
    });
}
