//! Disks whose power can be cut: a file system in an image file, on a loop device, mounted in a temporary folder.
//!
//! A cut is the file system's own shutdown call without a flush of its log: whatever was not synced is gone, and every
//! later call fails until the file system is mounted anew. A copy is a reflink clone of the image while it is written
//! to: what a disk would hold if the power went at that instant. Nothing here repairs a file system: mounting does.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// What a disk is formatted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Ext4,
    Xfs,
}

impl Format {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }
}

/// How long a device or mount may stay busy after the processes on it have ended.
const BUSY_MAX: Duration = Duration::from_secs(20);

/// Where images go: memory where there is plenty of it, since what is tested is the order of writes and not the disk.
pub(crate) fn scratch() -> tempfile::TempDir {
    let roomy = rustix::fs::statvfs("/dev/shm").is_ok_and(|stat| stat.f_bavail * stat.f_frsize >= 4 << 30);
    let mut builder = tempfile::Builder::new();
    builder.prefix("datis-crash-");
    let made = if roomy { builder.tempdir_in("/dev/shm") } else { builder.tempdir() };
    made.expect("make a temporary folder")
}

/// Runs a tool of the system and returns its standard output; a failure ends the test with the tool's own words.
pub(crate) fn tool(command: &mut Command) -> String {
    let output = try_tool(command);
    assert!(
        output.status.success(),
        "{command:?} failed ({}): {}\nThese tests need root, loop devices and the packages that `make test` installs.",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn try_tool(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"))
}

/// Tries until it works or [`BUSY_MAX`] has gone by: the kernel lets go of devices a little after the last close.
fn patiently(mut attempt: impl FnMut() -> Result<(), String>) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        match attempt() {
            Err(_) if begun.elapsed() < BUSY_MAX => std::thread::sleep(Duration::from_millis(20)),
            done => return done,
        }
    }
}

fn succeeds(command: &mut Command) -> Result<(), String> {
    let output = try_tool(command);
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

/// A file as a block device; given back on drop.
#[derive(Debug)]
pub(crate) struct LoopDevice(PathBuf);

impl LoopDevice {
    pub(crate) fn attach(image: &Path) -> Self {
        Self(tool(Command::new("losetup").args(["--find", "--show"]).arg(image)).into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        if let Err(error) = patiently(|| succeeds(Command::new("losetup").arg("--detach").arg(&self.0))) {
            eprintln!("a loop device stays behind: {error}");
        }
    }
}

/// A file system mounted somewhere; unmounted on drop, before its device goes.
#[derive(Debug)]
pub(crate) struct Disk {
    format: Format,
    image: PathBuf,
    mountpoint: PathBuf,
    mounted: bool,
    device: LoopDevice,
}

impl Disk {
    /// Makes a sparse image of `mib` MiB in `folder`, formats it and mounts it.
    pub(crate) fn make(folder: &Path, name: &str, format: Format, mib: u64) -> Self {
        let image = folder.join(format!("{name}.img"));
        let file = std::fs::File::create(&image).expect("make the image");
        file.set_len(mib << 20).expect("size the image");
        match format {
            Format::Ext4 => tool(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&image)),
            Format::Xfs => tool(Command::new("mkfs.xfs").args(["-q", "-m", "reflink=1"]).arg(&image)),
        };
        Self::open(folder, name, format, image)
    }

    /// Mounts an image that has a file system already.
    pub(crate) fn open(folder: &Path, name: &str, format: Format, image: PathBuf) -> Self {
        let mountpoint = folder.join(name);
        std::fs::create_dir_all(&mountpoint).expect("make the mountpoint");
        let device = LoopDevice::attach(&image);
        let mut disk = Self { format, image, mountpoint, mounted: false, device };
        disk.mount();
        disk
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.mountpoint
    }

    /// The file behind it.
    pub(crate) fn image(&self) -> &Path {
        &self.image
    }

    /// Cuts the power. What was not synced is lost; processes on it get errors.
    pub(crate) fn cut(&self) {
        tool(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(&self.mountpoint));
    }

    /// Makes an ext4 disk read-only under whoever writes to it, as the kernel does after an error of the disk.
    pub(crate) fn freeze_read_only(&self) {
        tool(Command::new("mount").args(["-o", "remount,abort"]).arg(&self.mountpoint));
    }

    /// The power is back. The processes on it must have ended.
    pub(crate) fn power_on(&mut self) {
        self.unmount();
        self.mount();
    }

    /// As [`Self::power_on`], after the check of ext4 that comes at every start of a system whose disk had errors.
    pub(crate) fn repair(&mut self) {
        self.unmount();
        let mut check = Command::new("e2fsck");
        let output = try_tool(check.args(["-f", "-y"]).arg(self.device.path()));
        let is_sound = output.status.code().is_some_and(|code| code & !3 == 0);
        assert!(is_sound, "e2fsck ends with {}: {}", output.status, String::from_utf8_lossy(&output.stdout));
        self.mount();
    }

    pub(crate) fn unmount(&mut self) {
        let unmounted = patiently(|| succeeds(Command::new("umount").arg(&self.mountpoint)));
        unmounted.unwrap_or_else(|error| panic!("the disk stays busy: {error}"));
        self.mounted = false;
    }

    pub(crate) fn mount(&mut self) {
        // A mount namespace that somebody else made meanwhile can hold the dead file system: then wait for it to end.
        patiently(|| {
            succeeds(Command::new("mount").arg(self.device.path()).arg(&self.mountpoint))?;
            self.mounted = true;
            let probe = self.mountpoint.join(".probe");
            match std::fs::write(&probe, b"alive").and_then(|()| std::fs::remove_file(&probe)) {
                Ok(()) => Ok(()),
                Err(error) => {
                    self.unmount();
                    Err(format!("the file system came back dead ({error}); another mount namespace pins it"))
                }
            }
        })
        .unwrap_or_else(|error| panic!("{} does not mount again: {error}", self.format.name()));
    }

    /// Copies the image as it is at this instant; only where the image lies on a file system with reflinks.
    pub(crate) fn clone_image(&self, to: &Path) {
        tool(Command::new("cp").arg("--reflink=always").arg(&self.image).arg(to));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if !self.mounted {
            return;
        }
        let lazily = || succeeds(Command::new("umount").arg("--lazy").arg(&self.mountpoint));
        if let Err(error) = succeeds(Command::new("umount").arg(&self.mountpoint)).or_else(|_| patiently(lazily)) {
            eprintln!("a mount stays behind: {error}");
        }
    }
}
