//! What `docs/PROTOCOL.md` says of the fields of messages, and whether bytes are that.

use std::collections::BTreeMap;

use minicbor::Decoder;

use super::read;

/// The part of the protocol document between two headings.
pub(crate) fn section<'d>(document: &'d str, heading: &str) -> &'d str {
    let (_, behind) = document.split_once(&format!("\n{heading}\n")).expect(heading);
    behind.split("\n#").next().expect("a part")
}

/// What the document says of the fields of each message.
pub(crate) struct Told {
    pub(crate) fields: BTreeMap<String, Vec<String>>,
}

impl Told {
    pub(crate) fn read() -> Self {
        let document = read("../docs/PROTOCOL.md");
        let rows = section(section_of_boxes(&document), "### Fields").lines().filter_map(|line| {
            let (name, fields) = line.strip_prefix("| ")?.split_once(" | ")?;
            Some((name.to_owned(), fields.strip_suffix(" |")?.to_owned()))
        });
        let fields = rows.filter(|(name, _)| name != "message").map(|(name, fields)| (name, kinds(&fields))).collect();
        Self { fields }
    }

    fn of(&self, name: &str) -> Result<&[String], String> {
        self.fields.get(name).map(Vec::as_slice).ok_or_else(|| format!("the document has no row of {name}"))
    }

    /// Whether bytes are what the row of this name says: a record, or one of the rows of a choice.
    pub(crate) fn check(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        let mut decoder = Decoder::new(bytes);
        match name.split_once(' ') {
            None => self.record(name, &mut decoder)?,
            Some((choice, _)) => {
                let found = self.choice(choice, &mut decoder)?;
                if found != name {
                    return Err(format!("it is {found}"));
                }
            }
        }
        if decoder.position() == bytes.len() { Ok(()) } else { Err("bytes are left over".to_owned()) }
    }

    fn record(&self, name: &str, decoder: &mut Decoder<'_>) -> Result<(), String> {
        let (told, found) = (self.of(name)?, decoder.array().map_err(|e| e.to_string())?);
        if found != Some(told.len() as u64) {
            return Err(format!("{name} has {found:?} fields, and the document tells of {}", told.len()));
        }
        told.iter().enumerate().try_for_each(|(at, kind)| {
            self.field(kind, decoder).map_err(|why| format!("field {at} of {name} is no {kind}: {why}"))
        })
    }

    fn choice(&self, name: &str, decoder: &mut Decoder<'_>) -> Result<String, String> {
        let found = decoder.array().map_err(|e| e.to_string())?;
        if found != Some(2) {
            return Err(format!("a choice has a number and fields, not {found:?}"));
        }
        let begin = format!("{name} {} ", decoder.u64().map_err(|e| e.to_string())?);
        let row = self.fields.keys().find(|row| row.starts_with(&begin));
        let row = row.ok_or_else(|| format!("the document has no row that begins with {begin}"))?;
        self.record(row, decoder).map(|()| row.clone())
    }

    fn field(&self, kind: &str, decoder: &mut Decoder<'_>) -> Result<(), String> {
        let wrong = |e: minicbor::decode::Error| e.to_string();
        // Examples leave out nothing.
        let kind = kind.strip_suffix(" or null").unwrap_or(kind);
        match kind.split_once(' ') {
            None if kind == "number" => decoder.u64().map(drop).map_err(wrong),
            None if kind == "time" => decoder.i64().map(drop).map_err(wrong),
            None if kind == "bool" => decoder.bool().map(drop).map_err(wrong),
            None if kind == "text" => decoder.str().map(drop).map_err(wrong),
            None if kind == "bytes" => decoder.bytes().map(drop).map_err(wrong),
            Some(("bytes", len)) => match decoder.bytes().map_err(wrong)?.len() {
                found if Ok(found) == len.parse() => Ok(()),
                found => Err(format!("it has {found} bytes")),
            },
            Some(("list", of)) => {
                let of = of.strip_prefix("of ").ok_or("a list of what?")?;
                let many = decoder.array().map_err(wrong)?.filter(|many| *many > 0).ok_or("an example has some")?;
                (0..many).try_for_each(|_| self.field(of, decoder))
            }
            Some(("record", of)) => self.record(of, decoder),
            Some(("choice", of)) => self.choice(of, decoder).map(drop),
            _ => Err("the test knows no such kind".to_owned()),
        }
    }
}

/// The document from the messages between boxes on, as far as they go.
pub(crate) fn section_of_boxes(document: &str) -> &str {
    let (_, behind) = document.split_once("\n## Between boxes: every message\n").expect("the section");
    behind.split("\n## ").next().expect("a part")
}

/// The kinds of `0 number: … · 1 bytes 32: …`, whose numbers have to follow on one another.
fn kinds(fields: &str) -> Vec<String> {
    if fields.starts_with("no field") {
        return Vec::new();
    }
    let each = fields.split(" · ").enumerate().map(|(at, field)| {
        let (number, rest) = field.split_once(' ').expect(field);
        assert_eq!(number.parse(), Ok(at), "{fields}");
        rest.split(':').next().expect(field).to_owned()
    });
    each.collect()
}
