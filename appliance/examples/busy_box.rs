//! Fills a box that has been started once and stopped: many machines have backed up to it every night, for measuring its
//! portal. The nights are generated rows; nothing that they describe is stored.
//!
//! `cargo run --release -p datis-appliance --features bench --example busy_box FOLDER [MACHINES [NIGHTS]]`

use std::error::Error;
use std::path::PathBuf;

use datis_appliance::catalog::generated::GeneratedHistory;
use datis_appliance::config::DataDir;
use datis_appliance::operations::accounts::Actor;
use datis_appliance::operations::{Limits, Site, create_enrolment_code, redeem_enrolment_code};
use datis_appliance::vault::Vault;
use datis_engine::ids::Profile;
use datis_engine::keys::SigningKey;
use datis_engine::units::UnixMillis;
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map(PathBuf::from).ok_or("name the folder of a box")?;
    let machines: u32 = arguments.next().map_or(Ok(500), |text| text.parse())?;
    let nights: u32 = arguments.next().map_or(Ok(100), |text| text.parse())?;
    let dir = DataDir::new(&folder);
    let vault = Vault::open_or_make(&dir, None, &mut |_| ())?;
    let site = Site::open(&dir, vault, Limits { disk_reserve: Some(0), ..Limits::default() })?;
    let box_key = new_key()?;
    for number in 0..machines {
        let (name, key) = (format!("machine-{number:03}").parse()?, new_key()?);
        let profile = [Profile::Server, Profile::Desktop, Profile::Laptop][number as usize % 3];
        let code = create_enrolment_code(&site, &Actor::console(), &name, profile)?;
        let machine = redeem_enrolment_code(&site, &code, key.public_key())?;
        let history = GeneratedHistory {
            machine: machine.row,
            id: machine.id,
            name: &machine.name,
            key: &key,
            box_key: &box_key,
            source: "system".parse()?,
            // Some were here this night, some have been away for a while.
            last: UnixMillis(site.clock.now().0 - 1_000 - i64::from(number % 17) * 6 * 3_600_000),
            nights,
        };
        history.write(&site.catalog)?;
    }
    site.catalog.writer().checkpoint()?;
    println!(
        "{machines} machines with {nights} nights each, {} MiB",
        std::fs::metadata(dir.catalog_file())?.len() >> 20
    );
    Ok(())
}

fn new_key() -> Result<SigningKey, Box<dyn Error>> {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| "no random numbers")?;
    Ok(SigningKey::from_pkcs8(document.as_ref())?)
}
