//! How the box tells what is wrong: mail, alerts, webhook.

use super::*;

#[actix_web::test]
async fn mail_is_set_up_with_a_password_that_is_never_shown_again() {
    let fixture = fixture();
    let cookie = fixture.cookie_of(Role::Technician);
    let form = |recipients: &str, at: &str| {
        format!(
            "host=mail.example.org&port=587&security=starttls&user=box&password=secret+phrase&sender=box%40example.org\
             &recipients={recipients}&language=fr&at={at}&weekends=yes"
        )
    };
    let wrong = [
        ("nobody", "07%3A30", "1 to 20 addresses"),
        ("a%40b.example%0D%0ABcc%3A+x", "07%3A30", "1 to 20 addresses"),
        ("", "07%3A30", "1 to 20 addresses"),
        ("claire%40example.org", "25%3A00", "hours and minutes"),
    ]
    .map(|(recipients, at, told)| (form(recipients, at), told));
    let right = form("claire%40example.org%0D%0Apaul%40example.org", "07%3A30");
    let post = |path, form| Asked { method: "POST", path, cookie: Some(&cookie), form, ..Asked::default() };
    for (form, told) in &wrong {
        let refused = ask(&fixture, post("/reports", form)).await;
        assert!(refused.status == StatusCode::UNPROCESSABLE_ENTITY && refused.body.contains(told), "{}", refused.body);
        assert!(!refused.body.contains("secret phrase"));
    }
    let done = ask(&fixture, post("/reports", &right)).await;
    assert_eq!(done.location, "/reports?said=saved");
    let setting = operations::mail_setting(fixture.site()).expect("setting").expect("set");
    assert_eq!((setting.recipients.len(), setting.report_minute, setting.weekends), (2, 450, true));
    assert_eq!(ask(&fixture, post("/reports/test", "")).await.location, "/reports?said=queued");
    let page = get(&fixture, "/reports", &cookie, &[]).await.body;
    assert!(page.contains("cellar&#60;b&#62;: Ceci est un test") && page.contains("value=\"07:30\""), "{page}");
    assert!(!page.contains("secret phrase"));
    let sheet = get(&fixture, "/reports/report.pdf", &cookie, &[]).await;
    assert!(sheet.status == StatusCode::OK && sheet.body.starts_with("%PDF-"), "{}", sheet.status);
    let mail = operations::due_mail(fixture.site()).expect("due").expect("a mail");
    assert!(mail.html.contains("cellar&#60;b&#62;") && mail.text.contains("cellar<b>"), "{mail:?}");
}

#[actix_web::test]
async fn alerts_are_shown_and_seen_to_and_their_number_is_on_every_page() {
    let fixture = fixture();
    let site = fixture.site();
    let (cookie, auditor) = (fixture.cookie_of(Role::Technician), fixture.cookie_of(Role::Auditor));
    let member = fixture.cookie_of(Role::Member);
    let mut standing = Standing::look(site).expect("look");
    // How full the disk under the tests is would be an alert of its own.
    standing.status.disk_free_bytes = standing.status.disk_total_bytes;
    operations::judge_alerts(site, &standing.judge(None)).expect("judge");
    let row = operations::open_alerts(site).expect("open")[0].row.0;
    let page = get(&fixture, "/alerts", &cookie, &[]).await.body;
    assert!(page.contains("A check of the site fails: Network cable. ") && page.contains("Plug the network"), "{page}");
    assert!(get(&fixture, "/machines", &cookie, &[]).await.body.contains("one open alert"));
    assert!(!get(&fixture, "/machines", &member, &[]).await.body.contains("one open alert"));
    assert!(!get(&fixture, "/alerts", &auditor, &[]).await.body.contains("/acknowledge"));
    let metrics = get(&fixture, "/metrics", &cookie, &[]).await.body;
    assert!(metrics.contains("datis_alerts{severity=\"alarm\"} 1") && metrics.contains("{severity=\"warning\"} 0"));

    let post = |path, form| Asked { method: "POST", path, cookie: Some(&cookie), form, ..Asked::default() };
    let path = format!("/alerts/{row}/acknowledge");
    let seen = ask(&fixture, post(&path, "note=cable+%3Cb%3Eordered")).await;
    assert_eq!(seen.location, "/alerts?said=alert-seen");
    let page = get(&fixture, "/alerts", &cookie, &[]).await.body;
    assert!(page.contains("somebody-technician") && page.contains("cable &#60;b&#62;ordered"), "{page}");
    assert!(!page.contains("one open alert"), "nobody needs to look any more");
    for (path, expected) in [("/alerts/999/acknowledge", "/alerts?said=alert-gone"), ("/alerts/x/acknowledge", "")] {
        assert_eq!(ask(&fixture, post(path, "note=x")).await.location, expected);
    }
    operations::judge_alerts(site, &operations::Judgement::default()).expect("judge");
    let page = get(&fixture, "/alerts", &cookie, &[]).await.body;
    assert!(
        page.contains("Nothing needs anybody") && page.contains("cable &#60;b&#62;ordered"),
        "it is in the history"
    );
}

#[actix_web::test]
async fn the_webhook_is_set_up_with_a_secret_that_is_never_shown_again() {
    let fixture = fixture();
    let cookie = fixture.cookie_of(Role::Technician);
    let post = |path, form| Asked { method: "POST", path, cookie: Some(&cookie), form, ..Asked::default() };
    let settings = "/alerts/settings";
    for (form, told) in [
        ("url=http%3A%2F%2Fha.local%2F&secret=0123456789abcdef", "https://HOST/PATH"),
        ("url=https%3A%2F%2Fha.local%2Fx&secret=short", "16 to 256 characters: messages"),
        ("url=https%3A%2F%2Fha.local%2Fx", "16 to 256 characters: messages"),
        ("url=https%3A%2F%2Fha.local%2Fx&secret=0123456789abcdef&authority=x", "no certificate in the PEM form"),
        ("quiet_from=22%3A00", "or neither"),
        ("quiet_from=22%3A00&quiet_until=25%3A00", "or neither"),
    ] {
        let refused = ask(&fixture, post(settings, form)).await;
        assert!(refused.status == StatusCode::UNPROCESSABLE_ENTITY && refused.body.contains(told), "{}", refused.body);
        assert!(!refused.body.contains("0123456789abcdef"));
    }
    let nobody = ask(&fixture, post("/alerts/settings/test", "channel=webhook")).await;
    assert!(nobody.status == StatusCode::UNPROCESSABLE_ENTITY && nobody.body.contains("nobody to tell"));
    let form = "mail=alarm&webhook=alarm&webhook=warning&webhook=nonsense&quiet_from=22%3A00&quiet_until=07%3A00\
                &quiet_weekends=yes&url=https%3A%2F%2Fha.local%3A8123%2Fapi%2Fwebhook%2Fabc&secret=0123456789abcdef";
    assert_eq!(ask(&fixture, post(settings, form)).await.location, "/alerts/settings?said=saved");
    let setting = operations::alert_setting(fixture.site()).expect("setting");
    assert_eq!((setting.routes.len(), setting.quiet.hours, setting.quiet.weekends), (3, Some((1_320, 420)), true));
    let tried = ask(&fixture, post("/alerts/settings/test", "channel=webhook")).await;
    assert_eq!(tried.location, "/alerts/settings?said=posted");
    let page = get(&fixture, settings, &cookie, &[]).await.body;
    assert!(page.contains("value=\"22:00\"") && page.contains("https://ha.local:8123/api/webhook/abc"), "{page}");
    assert!(!page.contains("0123456789abcdef"));
}
