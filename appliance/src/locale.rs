//! Sentences in the languages of the product: Fluent tables in `portal-templates/locales`, one folder a language.
//!
//! A sentence is asked for by its key and given its variables. Which keys there must be, the tests of those who ask for
//! them know; a key that is missing all the same is shown as it is, so that nobody stands before an empty page.

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::types::FluentValue;
use fluent_bundle::{FluentArgs, FluentError, FluentResource};

use crate::figures::{Ago, Scaled};

/// A language of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Language {
    /// The one for everybody else.
    #[serde(rename = "en")]
    English,
    /// French.
    #[serde(rename = "fr")]
    French,
    /// Russian.
    #[serde(rename = "ru")]
    Russian,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::English, Self::French, Self::Russian];

    /// BCP 47.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
            Self::Russian => "ru",
        }
    }

    /// The language with this code.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }

    pub(crate) const fn tables(self) -> [&'static str; 7] {
        match self {
            Self::English => [
                include_str!("../../portal-templates/locales/en/alerts.ftl"),
                include_str!("../../portal-templates/locales/en/checks.ftl"),
                include_str!("../../portal-templates/locales/en/machines.ftl"),
                include_str!("../../portal-templates/locales/en/directory.ftl"),
                include_str!("../../portal-templates/locales/en/portal.ftl"),
                include_str!("../../portal-templates/locales/en/setup.ftl"),
                include_str!("../../portal-templates/locales/en/system.ftl"),
            ],
            Self::French => [
                include_str!("../../portal-templates/locales/fr/alerts.ftl"),
                include_str!("../../portal-templates/locales/fr/checks.ftl"),
                include_str!("../../portal-templates/locales/fr/machines.ftl"),
                include_str!("../../portal-templates/locales/fr/directory.ftl"),
                include_str!("../../portal-templates/locales/fr/portal.ftl"),
                include_str!("../../portal-templates/locales/fr/setup.ftl"),
                include_str!("../../portal-templates/locales/fr/system.ftl"),
            ],
            Self::Russian => [
                include_str!("../../portal-templates/locales/ru/alerts.ftl"),
                include_str!("../../portal-templates/locales/ru/checks.ftl"),
                include_str!("../../portal-templates/locales/ru/machines.ftl"),
                include_str!("../../portal-templates/locales/ru/directory.ftl"),
                include_str!("../../portal-templates/locales/ru/portal.ftl"),
                include_str!("../../portal-templates/locales/ru/setup.ftl"),
                include_str!("../../portal-templates/locales/ru/system.ftl"),
            ],
        }
    }

    /// Before the digits after the point.
    const fn decimal_point(self) -> &'static str {
        match self {
            Self::English => ".",
            Self::French | Self::Russian => ",",
        }
    }
}

/// A table that cannot be used: an error of the build, found by the tests.
#[derive(Debug, thiserror::Error)]
#[error("the sentences in `{language}` are not whole: {reason}")]
pub struct LocaleError {
    language: &'static str,
    reason: String,
}

/// The sentences of one language.
pub struct Locale {
    /// Which one.
    pub language: Language,
    bundle: FluentBundle<FluentResource>,
}

impl Locale {
    /// Reads the tables of a language.
    ///
    /// # Errors
    /// One is not whole.
    pub fn open(language: Language) -> Result<Self, LocaleError> {
        let broken = |reason: String| LocaleError { language: language.code(), reason };
        let code = language.code().parse().map_err(|e| broken(format!("{e:?}")))?;
        let mut bundle = FluentBundle::new_concurrent(vec![code]);
        // Marks around variables are for mixed directions of writing; none of these languages has them.
        bundle.set_use_isolating(false);
        if language.decimal_point() == "," {
            bundle.set_formatter(Some(|value, _| match value {
                FluentValue::Number(number) => Some(number.as_string().replace('.', ",")),
                _ => None,
            }));
        }
        for table in language.tables() {
            let resource =
                FluentResource::try_new(table.to_owned()).map_err(|(_, errors)| broken(format!("{errors:?}")))?;
            bundle.add_resource(resource).map_err(|errors| broken(format!("{errors:?}")))?;
        }
        Ok(Self { language, bundle })
    }

    /// The sentence `key`, or its key when there is none.
    #[must_use]
    pub fn say(&self, key: &str, args: &FluentArgs<'_>) -> String {
        let pattern = self.bundle.get_message(key).and_then(|message| message.value());
        pattern.map_or_else(|| key.to_owned(), |pattern| self.write(key, pattern, args))
    }

    /// Whether there is a sentence `key`.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.bundle.has_message(key)
    }

    /// The attribute `.name` of the sentence `key`.
    #[must_use]
    pub fn say_attribute(&self, key: &str, name: &str, args: &FluentArgs<'_>) -> Option<String> {
        let attribute = self.bundle.get_message(key)?.get_attribute(name)?;
        Some(self.write(key, attribute.value(), args))
    }

    /// A word without variables.
    #[must_use]
    pub fn word(&self, key: &str) -> String {
        self.say(key, &FluentArgs::new())
    }

    /// A sentence that counts `n` things.
    #[must_use]
    pub fn count(&self, key: &str, n: u64) -> String {
        let mut args = FluentArgs::new();
        args.set("n", n);
        self.say(key, &args)
    }

    /// A sentence that names one thing.
    #[must_use]
    pub fn naming(&self, key: &str, what: &str) -> String {
        let mut args = FluentArgs::new();
        args.set("what", what.to_owned());
        self.say(key, &args)
    }

    /// A number of bytes.
    pub(crate) fn bytes(&self, bytes: u64) -> String {
        let scaled = Scaled::of(bytes);
        let digits = scaled.digits().replace('.', self.language.decimal_point());
        format!("{digits}\u{a0}{}", self.word(&format!("unit-{}", scaled.power)))
    }

    /// How long ago something was.
    pub(crate) fn ago(&self, ago: Ago) -> String {
        match ago {
            Ago::Now => self.word("ago-now"),
            Ago::Minutes(n) => self.count("ago-minutes", n),
            Ago::Hours(n) => self.count("ago-hours", n),
            Ago::Days(n) => self.count("ago-days", n),
        }
    }

    fn write(&self, key: &str, pattern: &fluent_syntax::ast::Pattern<&str>, args: &FluentArgs<'_>) -> String {
        let mut errors: Vec<FluentError> = Vec::new();
        let text = self.bundle.format_pattern(pattern, Some(args), &mut errors).into_owned();
        if !errors.is_empty() {
            tracing::error!(key, ?errors, "A sentence lacks what it speaks of");
        }
        text
    }
}

/// All languages; the first is the one for everybody else.
pub struct Locales([Locale; 3]);

impl Locales {
    /// Reads the tables of all languages.
    ///
    /// # Errors
    /// One is not whole.
    pub fn open() -> Result<Self, LocaleError> {
        let [english, french, russian] = Language::ALL.map(Locale::open);
        Ok(Self([english?, french?, russian?]))
    }

    /// The sentences of a language.
    #[must_use]
    pub fn of(&self, language: Language) -> &Locale {
        let [english, french, russian] = &self.0;
        match language {
            Language::English => english,
            Language::French => french,
            Language::Russian => russian,
        }
    }

    /// Each of them.
    pub fn all(&self) -> impl Iterator<Item = &Locale> {
        self.0.iter()
    }

    /// The language that was asked for in the address, else the one that the browser likes best (RFC 9110, 12.5.4).
    #[must_use]
    pub fn choose(&self, asked: Option<&str>, accepted: Option<&str>) -> &Locale {
        let [fallback, ..] = &self.0;
        let known = |code: &str| self.0.iter().find(|locale| locale.language.code() == code);
        if let Some(locale) = asked.and_then(known) {
            return locale;
        }
        let mut best = (fallback, 0.0);
        for part in accepted.unwrap_or_default().split(',') {
            let (tag, parameters) = part.split_once(';').unwrap_or((part, ""));
            let primary = tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
            let weight = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.trim().parse::<f32>().ok());
            if let (Some(locale), Some(weight)) = (known(&primary), weight)
                && weight > best.1
            {
                best = (locale, weight);
            }
        }
        best.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_liked_language_is_chosen() {
        let locales = Locales::open().expect("tables");
        let choose = |asked, accepted| locales.choose(asked, accepted).language.code();
        for (accepted, expected) in [
            ("fr-FR,fr;q=0.9,en;q=0.8", "fr"),
            ("de, ru;q=0.5, en;q=0.4", "ru"),
            ("de", "en"),
            ("", "en"),
            ("fr;q=0, ru;q=x,, ;q=1", "en"),
            ("FR;q=0.1", "fr"),
        ] {
            assert_eq!(choose(None, Some(accepted)), expected, "{accepted}");
        }
        assert_eq!(choose(Some("ru"), Some("fr")), "ru");
        assert_eq!(choose(Some("../x"), None), "en");
    }

    #[test]
    fn things_are_counted_by_the_rules_of_each_language() {
        let russian = Locale::open(Language::Russian).expect("tables");
        for (n, said) in
            [(1, "Повреждён 1 пак."), (3, "Повреждены 3 пака."), (5, "Повреждено 5 паков."), (21, "Повреждён 21 пак.")]
        {
            assert!(russian.count("notice-damaged", n).starts_with(said), "{}", russian.count("notice-damaged", n));
        }
        let english = Locale::open(Language::English).expect("tables");
        assert!(english.count("notice-damaged", 1).starts_with("One pack is"));
        assert!(english.count("notice-damaged", 0).starts_with("0 packs are"));
    }

    #[test]
    fn sizes_are_written_as_in_the_language() {
        let shown = Language::ALL.map(|language| Locale::open(language).expect("tables").bytes(3 << 29));
        assert_eq!(shown, ["1.5\u{a0}GiB", "1,5\u{a0}Gio", "1,5\u{a0}ГиБ"]);
    }

    #[test]
    fn every_language_opens_and_an_unknown_key_stays_visible() {
        for language in Language::ALL {
            let locale = Locale::open(language).expect("tables");
            assert_eq!(locale.word("no-such-key"), "no-such-key");
        }
    }

    #[test]
    fn numbers_are_written_as_in_the_language() {
        let mut args = FluentArgs::new();
        args.set("offset", 1.5);
        let said = Language::ALL.map(|language| Locale::open(language).expect("locale").say("clock-right", &args));
        assert!(said[0].contains("1.5") && said[1].contains("1,5") && said[2].contains("1,5"), "{said:?}");
    }
}
