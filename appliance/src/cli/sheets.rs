//! Sheets that are written for whoever calls: opened as they, before the program acts as the box's owner.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;

use super::Verb;
use crate::app;
use crate::config::DataDir;
use crate::control::{Command, Failed, FailedKind, Sheet};
use crate::locale::Language;

/// A sheet that is to be written, and where.
///
/// What is there stays until the document is: a new file beside it could not be put in its place by the box's owner.
pub(super) struct SheetFile {
    sheet: Sheet,
    language: Language,
    path: PathBuf,
    file: File,
}

impl SheetFile {
    pub(super) fn of(verb: &Verb) -> Result<Vec<Self>, Failed> {
        let Verb::Commission { certificate, firewall_sheet, language, .. } = verb else { return Ok(Vec::new()) };
        let wanted = [(Sheet::Certificate, certificate), (Sheet::Firewall, firewall_sheet)];
        if certificate.is_some() && certificate == firewall_sheet {
            return Err(Self::one_place());
        }
        let open = |(sheet, path): (Sheet, &Option<PathBuf>)| {
            let path = path.clone()?;
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
            let file = file.map_err(|e| Self::cannot(&path, &e));
            Some(file.map(|file| Self { sheet, language: *language, path, file }))
        };
        let sheets: Vec<Self> = wanted.into_iter().filter_map(open).collect::<Result<_, _>>()?;
        let place = |sheet: &Self| sheet.file.metadata().ok().map(|file| (file.dev(), file.ino()));
        match &sheets[..] {
            // However its name is written.
            [one, two] if place(one) == place(two) => Err(Self::one_place()),
            _ => Ok(sheets),
        }
    }

    pub(super) fn write(self, dir: &DataDir) -> Result<(), Failed> {
        let command = Command::Sheet { sheet: self.sheet, language: self.language };
        let answer = app::command(dir, &command, &mut |_| ())?;
        let pdf = answer.json.as_str().and_then(|text| BASE64.decode(text.as_bytes()).ok());
        let pdf = pdf.ok_or_else(|| Failed {
            sentence: "the daemon answered with no document; it may be of another version".to_owned(),
            kind: FailedKind::Failed,
        })?;
        self.put(&pdf).map_err(|e| Self::cannot(&self.path, &e))
    }

    fn put(&self, pdf: &[u8]) -> std::io::Result<()> {
        // A pipe has no length.
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        (&self.file).write_all(pdf)?;
        if self.file.metadata()?.is_file() { self.file.sync_all() } else { Ok(()) }
    }

    fn one_place() -> Failed {
        Failed { sentence: "both sheets would be written into one file; name two".to_owned(), kind: FailedKind::Failed }
    }

    fn cannot(path: &Path, error: &std::io::Error) -> Failed {
        Failed { sentence: format!("{} cannot be written: {error}", path.display()), kind: FailedKind::Failed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(certificate: &Path, firewall: Option<&Path>) -> Verb {
        Verb::Commission {
            only: Vec::new(),
            certificate: Some(certificate.to_owned()),
            firewall_sheet: firewall.map(Path::to_owned),
            language: Language::English,
            form: super::super::Form { json: false },
        }
    }

    #[test]
    fn what_is_there_stays_until_the_document_is() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("certificate.pdf");
        std::fs::write(&path, "a longer certificate of last year").expect("file");
        let mut sheets = SheetFile::of(&wanted(&path, None)).unwrap_or_default();
        let sheet = sheets.pop().expect("a sheet");
        assert_eq!(std::fs::read_to_string(&path).expect("file"), "a longer certificate of last year");
        sheet.put(b"%PDF").expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("file"), "%PDF");
    }

    #[test]
    fn two_sheets_do_not_go_into_one_file() {
        let folder = tempfile::tempdir().expect("folder");
        let (one, two) = (folder.path().join("one.pdf"), folder.path().join("two.pdf"));
        std::fs::write(&one, "kept").expect("file");
        std::os::unix::fs::symlink(&one, &two).expect("link");
        for other in [&one, &two] {
            let refused = SheetFile::of(&wanted(&one, Some(other))).err().expect("one place");
            assert!(refused.sentence.contains("name two"), "{}", refused.sentence);
        }
        assert_eq!(std::fs::read_to_string(&one).expect("file"), "kept");
        std::fs::remove_file(&two).expect("link");
        assert_eq!(SheetFile::of(&wanted(&one, Some(&two))).map(|sheets| sheets.len()).ok(), Some(2));
    }
}
