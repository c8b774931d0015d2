//! The pages about one machine.

use actix_web::http::StatusCode;

use super::{Asked, ask, fixture, get};
use crate::catalog::testing::age;
use crate::operations;
use crate::operations::accounts::Role;
use crate::operations::testing::{Client, files};
use datis_engine::units::Seconds;

/// The page once nothing on it is being worked out any more.
async fn settled(fixture: &super::Fixture, path: &str, cookie: &str) -> String {
    for _ in 0..600 {
        let told = get(fixture, path, cookie, &[]).await;
        assert_eq!(told.status, StatusCode::OK, "{}", told.body);
        if !told.body.contains("data-busy") {
            return told.body;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{path} never settles");
}

#[actix_web::test]
async fn a_policy_is_tried_before_it_is_saved() {
    let fixture = fixture();
    let cookie = fixture.cookie_of(Role::Admin);
    let client = Client::enrol(fixture.site(), "till");
    for day in 0..6 {
        client.back_up(fixture.site(), &files(2, day));
        fixture.site().catalog.writer().write(|tx| age(tx, Seconds::DAY)).expect("age");
    }
    let path = format!("/machines/{}/retention", client.machine.id);
    let present = settled(&fixture, &path, &cookie).await;
    assert!(present.contains("No snapshot would go now") && present.contains("in force"), "{present}");
    assert!(!present.contains("Save this policy"), "there is nothing to save");

    let tried = settled(&fixture, &format!("{path}?local=2d%2F1d"), &cookie).await;
    assert!(tried.contains("would go with the next collection"), "{tried}");
    assert!(tried.contains("The brake would hold") && tried.contains("would be freed"), "{tried}");
    let gone = tried.matches("<tr class=\"pass\">").count();
    assert!(tried.contains(&format!("go now <b>{gone}</b>")), "{tried}");
    let kept = settled(&fixture, &format!("{path}?preset=lean&list=kept"), &cookie).await;
    assert!(kept.contains("one per 1d for 7d (rule 7d/1d)"), "{kept}");
    assert_eq!(operations::policy(fixture.site(), &client.machine.name).expect("policy"), client.machine.policy);

    let odd = get(&fixture, &format!("{path}?local=%3Cb%3E"), &cookie, &[]).await;
    assert!(odd.body.contains("Write what is kept as pairs") && odd.body.contains("&#60;b&#62;"), "{}", odd.body);
    let save = Asked {
        method: "POST",
        path: &format!("/machines/{}/policy", client.machine.id),
        cookie: Some(&cookie),
        form: "every=1h&local=2d%2F1d&external=90d%2F1d",
        ..Asked::default()
    };
    assert!(ask(&fixture, save).await.location.ends_with("said=saved"));
    let machine = operations::policy(fixture.site(), &client.machine.name).expect("policy");
    assert_eq!(machine.local.to_string(), "2d/1d");
}

#[actix_web::test]
async fn a_machine_is_paused_for_a_week_or_until_a_date_and_the_first_page_says_so() {
    let fixture = fixture();
    let cookie = fixture.cookie_of(Role::Technician);
    let client = Client::enrol(fixture.site(), "till");
    client.back_up(fixture.site(), &files(2, 1));
    let path = format!("/machines/{}", client.machine.id);
    let green = get(&fixture, "/", &cookie, &[]).await.body;
    assert!(green.contains("tile good"), "{green}");
    let post = |what: &str, form: &'static str| (format!("{path}/{what}"), form);
    for (what, form, good) in [
        ("pause", "length=&until=2001-01-01", false),
        ("pause", "length=forever", false),
        ("pause", "length=&until=tomorrow", false),
        ("pause", "length=7d", true),
    ] {
        let (path, form) = post(what, form);
        let told =
            ask(&fixture, Asked { method: "POST", path: &path, cookie: Some(&cookie), form, ..Asked::default() }).await;
        assert_eq!(told.location.ends_with("said=paused"), good, "{form}: {}", told.body);
        assert!(good || told.body.contains("next 366 days"), "{}", told.body);
    }
    let page = get(&fixture, &path, &cookie, &[]).await.body;
    assert!(page.contains("Paused until") && page.contains("Resume now"), "{page}");
    let first = get(&fixture, "/", &cookie, &[]).await.body;
    assert!(!first.contains("tile good") && first.contains("One machine is paused"), "{first}");
    let (path, form) = post("resume", "");
    let told =
        ask(&fixture, Asked { method: "POST", path: &path, cookie: Some(&cookie), form, ..Asked::default() }).await;
    assert!(told.location.ends_with("said=resumed"), "{}", told.body);
    assert!(get(&fixture, "/", &cookie, &[]).await.body.contains("tile good"));
}

#[actix_web::test]
async fn the_first_page_of_a_large_box_shows_the_machines_that_are_worst_off() {
    let fixture = fixture();
    let cookie = fixture.cookie_of(Role::Admin);
    let mut clients: Vec<Client> =
        (0..52).map(|number| Client::enrol(fixture.site(), &format!("till-{number:02}"))).collect();
    // All wait for their first backup but the last one, which had one and is late now.
    clients.remove(51).back_up(fixture.site(), &files(1, 1));
    fixture.site().catalog.writer().write(|tx| age(tx, Seconds(30 * 86_400))).expect("age");
    for client in clients.drain(..40) {
        client.back_up(fixture.site(), &files(1, 2));
    }
    let page = get(&fixture, "/", &cookie, &[]).await.body;
    assert!(page.contains("till-51") && page.contains("2 more machines"), "{page}");
    assert!(!page.contains("till-38") && !page.contains("till-39") && page.contains("till-37"), "{page}");
    let all = get(&fixture, "/machines", &cookie, &[]).await.body;
    assert!(all.contains("till-51") && !all.contains("more machines"), "{all}");
}
