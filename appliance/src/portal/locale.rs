//! The languages of the portal: one table of words for each, in `portal-templates/locales`.
//!
//! A table that lacks a word, or has one too many, is an error of the build and is found by the test below.

use serde::Deserialize;

use crate::figures::{Ago, Scaled};

/// All words of the portal in one language.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    pub language: String,
    pub language_name: String,
    pub title: String,
    pub decimal_point: String,
    pub units: [String; 6],
    pub now: String,
    pub minutes_ago: String,
    pub hours_ago: String,
    pub days_ago: String,
    pub never: String,
    pub all_well: String,
    pub nobody: String,
    pub some_late: String,
    pub some_incomplete: String,
    pub some_damaged: String,
    pub disk_low: String,
    pub must_restart: String,
    pub disk: String,
    pub disk_backups: String,
    pub disk_other: String,
    pub disk_free: String,
    pub disk_unknown: String,
    pub of: String,
    pub stored: String,
    pub packs: String,
    pub chunks: String,
    pub unchecked: String,
    pub damaged_packs: String,
    pub running: String,
    pub machines: String,
    pub machine: String,
    pub state: String,
    pub source: String,
    pub snapshots: String,
    pub last_backup: String,
    pub size: String,
    pub seen: String,
    pub profile_server: String,
    pub profile_desktop: String,
    pub profile_laptop: String,
    pub health_current: String,
    pub health_late: String,
    pub health_empty: String,
    pub health_incomplete: String,
    pub health_damaged: String,
    pub health_retired: String,
    pub background: String,
    pub work_verifier: String,
    pub work_scrub: String,
    pub work_prune: String,
    pub work_compaction: String,
    pub mood_idle: String,
    pub mood_working: String,
    pub mood_waiting: String,
    pub mood_failed: String,
    pub unavailable: String,
    pub foreign_host: String,
}

impl Words {
    /// A number of bytes.
    pub(super) fn bytes(&self, bytes: u64) -> String {
        let scaled = Scaled::of(bytes);
        let unit = self.units.get(scaled.power).map_or("", String::as_str);
        format!("{}\u{a0}{unit}", scaled.digits().replace('.', &self.decimal_point))
    }

    /// How long ago something was.
    pub(super) fn ago(&self, ago: Ago) -> String {
        let (pattern, n) = match ago {
            Ago::Now => return self.now.clone(),
            Ago::Minutes(n) => (&self.minutes_ago, n),
            Ago::Hours(n) => (&self.hours_ago, n),
            Ago::Days(n) => (&self.days_ago, n),
        };
        with_number(pattern, n)
    }
}

/// `{n}` in `pattern` replaced.
pub(super) fn with_number(pattern: &str, n: u64) -> String {
    pattern.replace("{n}", &n.to_string())
}

/// The tables of all languages; the first is the one for everybody else.
pub(super) struct Languages(Vec<Words>);

impl Languages {
    /// Reads the tables.
    ///
    /// # Errors
    /// A table is not whole.
    pub(super) fn read() -> Result<Self, toml::de::Error> {
        let tables = [
            include_str!("../../../portal-templates/locales/en.toml"),
            include_str!("../../../portal-templates/locales/fr.toml"),
            include_str!("../../../portal-templates/locales/ru.toml"),
        ];
        tables.into_iter().map(toml::from_str).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn all(&self) -> &[Words] {
        &self.0
    }

    /// The language that was asked for in the address, else the one that the browser likes best (RFC 9110, 12.5.4).
    pub(super) fn choose(&self, asked: Option<&str>, accepted: Option<&str>) -> Option<&Words> {
        let known = |code: &str| self.0.iter().find(|words| words.language == code);
        if let Some(words) = asked.and_then(known) {
            return Some(words);
        }
        let mut best: Option<(&Words, f32)> = None;
        for part in accepted.unwrap_or_default().split(',') {
            let (tag, parameters) = part.split_once(';').unwrap_or((part, ""));
            let primary = tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
            let weight = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.trim().parse::<f32>().ok());
            if let (Some(words), Some(weight)) = (known(&primary), weight)
                && weight > best.map_or(0.0, |(_, w)| w)
            {
                best = Some((words, weight));
            }
        }
        best.map(|(words, _)| words).or(self.0.first())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_every_word() {
        let languages = Languages::read().expect("tables");
        let codes: Vec<&str> = languages.all().iter().map(|w| w.language.as_str()).collect();
        assert_eq!(codes, ["en", "fr", "ru"]);
        for words in languages.all() {
            for pattern in [&words.minutes_ago, &words.hours_ago, &words.days_ago, &words.some_late] {
                assert!(pattern.contains("{n}"), "{pattern}");
            }
        }
    }

    #[test]
    fn the_best_liked_language_is_chosen() {
        let languages = Languages::read().expect("tables");
        let choose = |asked, accepted| languages.choose(asked, accepted).map_or("", |w| w.language.as_str());
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
    fn numbers_are_written_as_in_the_language() {
        let languages = Languages::read().expect("tables");
        let shown: Vec<_> = languages.all().iter().map(|w| w.bytes(3 << 29)).collect();
        assert_eq!(shown, ["1.5\u{a0}GiB", "1,5\u{a0}Gio", "1,5\u{a0}ГиБ"]);
    }
}
