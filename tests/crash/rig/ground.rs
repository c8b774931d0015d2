//! What a box stands on, and the three ways in which its power goes.

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::Random;

use super::disk::{Disk, Format, tool};
use super::medium::Medium;

/// How the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    /// The file system is shut down under the running box: what was not synced is lost.
    Shutdown(Format),
    /// The image is cloned at one instant while the box goes on; the clone is what is left. ext4 on a reflink of XFS.
    Clone,
    /// What came after the last flush is on the disk in part, torn and out of order. ext4 on a disk in user space.
    Torn,
}

enum Below {
    Nothing,
    Host { host: Disk, clones: u32 },
    Medium(Option<Medium>),
}

/// A mounted disk that can lose its power.
pub(crate) struct Ground {
    /// `None` only while it is exchanged.
    disk: Option<Disk>,
    // Dropped after the disk on it.
    below: Below,
    folder: PathBuf,
    name: String,
    left: Vec<u8>,
}

const TORN_MIB: u64 = 96;

impl Ground {
    /// A disk mounted at `folder/name`.
    pub(crate) fn make(blow: Blow, folder: &Path, name: &str) -> Self {
        let (disk, below) = match blow {
            Blow::Shutdown(Format::Ext4) => (Disk::make(folder, name, Format::Ext4, 256), Below::Nothing),
            Blow::Shutdown(Format::Xfs) => (Disk::make(folder, name, Format::Xfs, 512), Below::Nothing),
            Blow::Clone => {
                let host = Disk::make(folder, "host", Format::Xfs, 1024);
                let image = host.path().join("0.img");
                sparse(&image, 192);
                (Disk::open(folder, name, Format::Ext4, image), Below::Host { host, clones: 0 })
            }
            Blow::Torn => {
                let image = folder.join("torn.img");
                sparse(&image, TORN_MIB);
                let bytes = std::fs::read(&image).expect("the image can be read");
                let medium = serve(folder, bytes);
                (Disk::open(folder, name, Format::Ext4, medium.file().to_owned()), Below::Medium(Some(medium)))
            }
        };
        Self { disk: Some(disk), below, folder: folder.to_owned(), name: name.to_owned(), left: Vec::new() }
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// The power goes now. Whatever the box does from now on is in vain.
    pub(crate) fn cut(&mut self, random: &mut Random) {
        let disk = self.disk.as_ref().expect("a disk is mounted");
        match &mut self.below {
            Below::Nothing => disk.cut(),
            Below::Host { host, clones } => {
                *clones += 1;
                disk.clone_image(&host.path().join(format!("{clones}.img")));
            }
            Below::Medium(medium) => self.left = medium.as_ref().expect("a medium is served").after_a_cut(random),
        }
    }

    /// The power is back; the box must not run.
    pub(crate) fn power_on(&mut self) {
        let disk = self.disk.as_mut().expect("a disk is mounted");
        if let Below::Nothing = self.below {
            return disk.power_on();
        }
        let old = disk.image().to_owned();
        disk.unmount();
        self.disk = None;
        let image = match &mut self.below {
            Below::Nothing => unreachable!("handled above"),
            Below::Host { host, clones } => {
                std::fs::remove_file(old).expect("an image can be removed");
                host.path().join(format!("{clones}.img"))
            }
            Below::Medium(medium) => {
                *medium = None;
                let fresh = serve(&self.folder, std::mem::take(&mut self.left));
                medium.insert(fresh).file().to_owned()
            }
        };
        self.disk = Some(Disk::open(&self.folder, &self.name, Format::Ext4, image));
    }
}

fn sparse(image: &Path, mib: u64) {
    let file = std::fs::File::create(image).expect("an image can be made");
    file.set_len(mib << 20).expect("an image can be sized");
    tool(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(image));
}

fn serve(folder: &Path, bytes: Vec<u8>) -> Medium {
    let mountpoint = folder.join("medium");
    std::fs::create_dir_all(&mountpoint).expect("a mountpoint can be made");
    Medium::serve(&mountpoint, bytes)
}
