//! Writes the golden vaults: `cargo run -p datis-engine --example make_golden -- tests/golden`.
//!
//! Done once for each version of the format, and committed: what was written then has to be read for ever. Refuses to
//! replace a vault that is there.

use std::path::PathBuf;

#[path = "../tests/golden_vault/mod.rs"]
mod golden_vault;

use golden_vault::{Outcome, Vault, hostile, tree};

fn main() -> Outcome<()> {
    let dir = PathBuf::from(std::env::args().nth(1).ok_or("the folder to write to is missing, such as tests/golden")?);
    let (golden, lying) = (dir.join("v1"), dir.join("hostile-v1"));
    for place in [&golden, &lying] {
        if place.exists() {
            return Err(format!("{} is there already: golden vaults are never replaced", place.display()).into());
        }
    }

    let (table, example) = tree::write_vault(&mut Vault::create(&golden)?)?;
    std::fs::write(golden.join("expected.txt"), table)?;
    hostile::write_vault(&mut Vault::create(&lying)?)?;
    print!("{}", hex_lines(&example));
    Ok(())
}

/// The pack of the worked example as `docs/FORMAT.md` shows it.
fn hex_lines(bytes: &[u8]) -> String {
    let line = |(number, sixteen): (usize, &[u8])| {
        let hex: Vec<String> = sixteen.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{:04x}  {}\n", number * 16, hex.join(" "))
    };
    bytes.chunks(16).enumerate().map(line).collect()
}
