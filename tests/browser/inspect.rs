//! What every page is held to.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::OnceLock;

use harness::browser::Browser;
use harness::{TestBox, repository};
use serde_json::json;

/// The rules of axe-core that a page has to keep (WCAG 2.2, A and AA).
const RULES: [&str; 5] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/// Every text of the page and of its attributes that people get to see or hear, without what comes from elsewhere: codes,
/// commands, addresses.
const TEXTS: &str = "const found = [document.title];\
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);\
    while (walker.nextNode()) {\
      const holder = walker.currentNode.parentElement;\
      if (!holder.closest('script, style, code, pre, .languages')) found.push(walker.currentNode.textContent);\
    }\
    for (const e of document.querySelectorAll('[aria-label], [title], [placeholder], [alt]'))\
      for (const name of ['aria-label', 'title', 'placeholder', 'alt']) found.push(e.getAttribute(name) || '');\
    return found.map((text) => text.replace(/\\s+/g, ' ').trim()).filter((text) => text)";

/// The page that is shown keeps what every page is held to, in every language, at both widths, and in the dark.
#[track_caller]
pub(crate) fn is_whole(browser: &Browser, the_box: &TestBox, path: &str) {
    let (mut told, mut english) = (Vec::new(), BTreeSet::new());
    let in_language = |language| {
        let joint = if path.contains('?') { '&' } else { '?' };
        the_box.url(&format!("{path}{joint}lang={language}"))
    };
    for language in ["en", "fr", "ru"] {
        browser.open(&in_language(language));
        for width in [320, 1280] {
            browser.set_width(width);
            let at_width = barriers(browser).into_iter().chain(overflow(browser));
            told.extend(at_width.map(|each| format!("{language} at {width} px: {each}")));
        }
        browser.set_dark(true);
        told.extend(barriers(browser).into_iter().map(|each| format!("{language} in the dark: {each}")));
        browser.set_dark(false);
        let texts = texts(browser);
        told.extend(raw_messages(&texts));
        if language == "en" {
            english = texts;
        } else {
            told.extend(untranslated(&english, &texts));
        }
    }
    // A refused form is an answer of 422, and the browser says so.
    told.extend(browser.complaints().into_iter().filter(|line| !line.contains("status of 422")));
    browser.open(&in_language("en"));
    assert!(told.is_empty(), "{path}: {told:#?}");
}

/// What keeps people out of the page as it is now, by axe-core.
pub(crate) fn barriers(browser: &Browser) -> Vec<String> {
    let is_there = browser.run("return typeof axe", &[]) == "object";
    if !is_there {
        // As the tests and not as the page: its policy would have nothing of it.
        let _loaded = browser.run(&format!("{}; return null", axe()), &[]);
    }
    let script = "return axe.run(document, {\
          runOnly: { type: 'tag', values: arguments[0] }, rules: { 'target-size': { enabled: true } },\
          resultTypes: ['violations'] })\
        .then((result) => result.violations.flatMap((rule) => rule.nodes.map((node) =>\
          `${rule.id} at ${node.target.join(' ')}: ${node.failureSummary.replace(/\\s+/g, ' ')}`)))";
    strings(&browser.run(script, &[json!(RULES)]))
}

/// What sticks out of the page, when the page can be pushed sideways, and what nobody can see since it stands left of it.
pub(crate) fn overflow(browser: &Browser) -> Vec<String> {
    let script = "const page = document.scrollingElement;\
        const lost = [...document.querySelectorAll('body *:not(a.skip)')].filter((e) => {\
          const box = e.getBoundingClientRect(); return box.width > 0 && box.right <= 0; });\
        if (lost.length > 0) return ['left of the page: ' + lost.map((e) => e.tagName + '.' + e.className).join(' ')];\
        if (page.scrollWidth <= page.clientWidth) return [];\
        const wide = [...document.body.querySelectorAll('*')].filter((e) =>\
          e.getBoundingClientRect().right > page.clientWidth &&\
          (!e.closest('.scroll, .ways') || getComputedStyle(e).position === 'absolute'));\
        return [`the page is ${page.scrollWidth} wide and ${page.clientWidth} are seen; sticking out: ` +\
          wide.map((e) => e.tagName + '.' + e.className).join(' ')]";
    strings(&browser.run(script, &[]))
}

/// What people read on the page.
pub(crate) fn texts(browser: &Browser) -> BTreeSet<String> {
    strings(&browser.run(TEXTS, &[])).into_iter().collect()
}

/// Sentences of `other` that are there word for word in `english` too.
pub(crate) fn untranslated(english: &BTreeSet<String>, other: &BTreeSet<String>) -> Vec<String> {
    // A box's name is none, whichever of its digits are letters.
    let is_name = |word: &str| word.contains(char::is_numeric) || word.starts_with("datis-");
    let is_word = |word: &&str| word.contains(char::is_alphabetic) && !is_name(word);
    let is_sentence = |text: &&String| text.split(' ').filter(is_word).count() >= 4;
    english.intersection(other).filter(is_sentence).map(|text| format!("not translated: {text}")).collect()
}

/// Keys of messages, or marks of their variables, in place of words.
pub(crate) fn raw_messages(texts: &BTreeSet<String>) -> Vec<String> {
    let is_raw = |text: &&String| {
        let of_message = text.split(' ').any(|word| keys().contains(word.trim_matches(|c: char| !c.is_alphanumeric())));
        of_message || text.contains("{ $") || text.contains("{$")
    };
    texts.iter().filter(is_raw).map(|text| format!("a key and not a sentence: {text}")).collect()
}

/// Keys that cannot be taken for words.
fn keys() -> &'static BTreeSet<String> {
    static KEYS: OnceLock<BTreeSet<String>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let mut keys = BTreeSet::new();
        for table in ["alerts", "directory", "portal", "checks"] {
            let path = repository().join(format!("portal-templates/locales/en/{table}.ftl"));
            let text = std::fs::read_to_string(path).expect("a table");
            let all = text.lines().filter_map(|line| line.split_once(" =")).map(|(key, _)| key);
            keys.extend(all.filter(|key| key.contains('-') && !key.contains(' ')).map(str::to_owned));
        }
        assert!(keys.len() > 200, "{} keys", keys.len());
        keys
    })
}

fn axe() -> &'static str {
    static AXE: OnceLock<String> = OnceLock::new();
    AXE.get_or_init(|| {
        let path =
            std::env::var_os("DATIS_AXE").map_or_else(|| repository().join("target/tools/axe.min.js"), PathBuf::from);
        std::fs::read_to_string(&path)
            .unwrap_or_else(|e| panic!("{}: {e}; tests/tools/install-axe.sh FOLDER puts it there", path.display()))
    })
}

fn strings(value: &serde_json::Value) -> Vec<String> {
    let all = value.as_array().unwrap_or_else(|| panic!("a list was asked for: {value}"));
    all.iter().filter_map(|each| each.as_str().map(str::to_owned)).collect()
}
