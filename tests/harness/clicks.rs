//! What people click at a portal, where more than one test needs it.

use serde_json::Value;

use crate::browser::Browser;
use crate::people::{PASSWORD, code};
use crate::repository;

/// Opens a one-time link and becomes the admin `name`, with the second factor and with recovery codes.
///
/// # Panics
/// When the portal does not do its part.
pub fn become_admin(browser: &Browser, link: &str, name: &str) {
    browser.open(link);
    browser.see("You become an admin of this box.");
    browser.fill("Name", name);
    browser.fill("New password", PASSWORD);
    browser.press("Continue");
    browser.see("Set up the second factor");
    browser.press("Type the key by hand instead");
    let secret = browser.content("#factor-secret");
    browser.fill("The six digits that the app shows", &code(&secret));
    browser.press("Check the code");
    browser.see("Your recovery codes");
    browser.press("I have them on paper");
}

/// Invites somebody, on the page of accounts: the link for them.
///
/// # Panics
/// When the portal does not do its part.
#[must_use]
pub fn invite(browser: &Browser, name: &str, role: &str) -> String {
    browser.press("Invite somebody");
    browser.fill("Name", name);
    browser.field(role).click();
    assert!(browser.field(role).is_ticked(), "{role}");
    browser.press("Make the link");
    browser.content("#link")
}

/// Types the two groups of the printed kit that the page of the box asks for.
///
/// # Panics
/// When the portal does not do its part.
pub fn prove_the_kit(browser: &Browser, kit: &str) {
    browser.see("Do you still have it?");
    let labels = "return [...document.querySelectorAll('form[action=\"/system/kit/proof\"] label')]\
                  .map((label) => label.textContent.trim())";
    let asked: Vec<String> = serde_json::from_value(browser.run(labels, &[])).expect("two labels");
    assert_eq!(asked.len(), 2, "{asked:?}");
    // The lines of words have numbers of their own.
    let groups: Vec<&str> = kit.lines().filter(|line| !line.starts_with("# Words")).collect();
    let groups = groups.join("\n");
    for label in &asked {
        let number = label.strip_prefix("Group ").expect("a group");
        let group = groups.split(&format!(" {number}: ")).nth(1).and_then(|rest| rest.get(..4)).expect("its letters");
        browser.fill(label, group);
    }
    browser.press("I have it");
    browser.see("The kit is there.");
}

/// Ticks the answers with these words.
///
/// # Panics
/// When there is none.
pub fn tick(browser: &Browser, answers: &[&str]) {
    for answer in answers {
        browser.field(answer).click();
    }
}

/// Waits until checks that run have ended; nobody presses anything meanwhile.
///
/// # Panics
/// When they do not end.
pub fn see_the_checks_end(browser: &Browser) {
    let ended = "return !document.querySelector('[data-busy]') && document.querySelectorAll('.checks > li').length";
    crate::wait_for("the end of the checks", crate::PATIENCE, || {
        (browser.run(ended, &[]).as_u64()? > 10).then_some(())
    });
}

/// With `DATIS_PICTURES` set, the guides get this page as one of their pictures.
///
/// # Panics
/// When the picture is too large, or cannot be written.
pub fn picture(browser: &Browser, name: &str) {
    if std::env::var_os("DATIS_PICTURES").is_none() {
        return;
    }
    let folder = repository().join("docs/images");
    std::fs::create_dir_all(&folder).expect("a folder");
    browser.set_width(1280);
    let _top = browser.run("window.scrollTo(0, 0)", &[Value::Null]);
    let picture = browser.picture();
    assert!(picture.len() < 160_000, "{name} has {} bytes", picture.len());
    std::fs::write(folder.join(name).with_extension("png"), picture).expect("a picture");
}
