//! What is told of folders and files: the answer to PROPFIND (RFC 4918, 9.1 and 14.16).
//!
//! Everybody gets the same few properties, whichever they ask for: so nothing that was sent has to be read, and there is no
//! XML parser to be attacked. Programs look for what they know, and find nothing else of it wanting.

use std::io::{self, Write};

use datis_engine::units::UnixMillis;
use jiff::fmt::rfc2822::DateTimePrinter;

use super::super::answer::encoded;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:multistatus xmlns:D=\"DAV:\">";
const FOOT: &str = "</D:multistatus>\n";

/// Something in a network folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// As it is shown.
    pub(super) name: String,
    /// `None` for a folder.
    pub(super) file: Option<FileFacts>,
    pub(super) modified: Option<UnixMillis>,
}

/// What is told of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileFacts {
    pub(super) size: u64,
    /// Its version, as an entity tag.
    pub(super) tag: String,
}

impl Item {
    pub(super) fn folder(name: String, modified: Option<UnixMillis>) -> Self {
        Self { name, file: None, modified }
    }
}

/// Writes the answer, one thing after the other.
pub(super) struct Multistatus<W>(W);

impl<W: Write> Multistatus<W> {
    pub(super) fn begin(mut out: W) -> io::Result<Self> {
        out.write_all(HEAD.as_bytes())?;
        Ok(Self(out))
    }

    /// `address`: of the item itself, encoded; folders end in `/`.
    pub(super) fn add(&mut self, address: &str, item: &Item) -> io::Result<()> {
        write!(self.0, "<D:response><D:href>{address}</D:href><D:propstat><D:prop>")?;
        match &item.file {
            None => write!(self.0, "<D:resourcetype><D:collection/></D:resourcetype>")?,
            Some(FileFacts { size, tag }) => write!(
                self.0,
                "<D:resourcetype/><D:getcontentlength>{size}</D:getcontentlength>\
                 <D:getcontenttype>application/octet-stream</D:getcontenttype><D:getetag>{tag}</D:getetag>"
            )?,
        }
        if let Some(date) = item.modified.and_then(http_date) {
            write!(self.0, "<D:getlastmodified>{date}</D:getlastmodified>")?;
        }
        write!(self.0, "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>")
    }

    /// Adds what is directly in the folder at `address`.
    pub(super) fn add_below(&mut self, address: &str, item: &Item) -> io::Result<()> {
        let slash = if item.file.is_none() { "/" } else { "" };
        self.add(&format!("{address}{}{slash}", encoded(&item.name)), item)
    }

    pub(super) fn end(mut self) -> io::Result<W> {
        self.0.write_all(FOOT.as_bytes())?;
        Ok(self.0)
    }
}

/// RFC 9110, 5.6.7; `None` for a time that has no such date.
pub(super) fn http_date(at: UnixMillis) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(at.0).ok()?;
    DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_no_xml_and_odd_times_are_left_out() {
        let mut answer = Multistatus::begin(Vec::new()).expect("begin");
        let item = Item {
            name: "a&<b>\"'é".to_owned(),
            file: Some(FileFacts { size: 7, tag: "\"0\"".to_owned() }),
            modified: Some(UnixMillis(1_700_000_000_000)),
        };
        answer.add_below("/dav/x/", &item).expect("add");
        answer.add_below("/dav/x/", &Item::folder("f".to_owned(), Some(UnixMillis(i64::MAX)))).expect("add");
        let text = String::from_utf8(answer.end().expect("end")).expect("text");
        assert!(text.contains("<D:href>/dav/x/a%26%3Cb%3E%22%27%C3%A9</D:href>"), "{text}");
        assert!(text.contains("<D:getlastmodified>Tue, 14 Nov 2023 22:13:20 GMT</D:getlastmodified>"), "{text}");
        assert!(text.contains("<D:href>/dav/x/f/</D:href>") && text.ends_with("</D:multistatus>\n"), "{text}");
        assert_eq!(text.matches("getlastmodified").count(), 2, "{text}");
    }
}
