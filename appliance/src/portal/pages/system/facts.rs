//! Pages that show one side of the box each: its clock, its disk, its UPS, its services. What commissioning knows of it
//! stands there too.

use std::path::Path;

use actix_web::HttpResponse;
use askama::Template;
use datis_engine::units::UnixMillis;

use super::super::super::answer::{PageError, Reply};
use super::super::super::frame::{Frame, Way};
use super::super::super::visit::Visit;
use super::super::chart::Chart;
use super::super::site::{CheckRow, check_row};
use super::super::{When, exactly};
use super::{WorkerRow, ways, worker_row};
use crate::commissioning::{self, Check};
use crate::config::DataDir;
use crate::host;
use crate::locale::Locale;
use crate::operations::{self, MailState};

#[derive(Template)]
#[template(path = "system_facts.html")]
struct FactsPage<'p> {
    frame: Frame<'p>,
    ways: Vec<Way>,
    title: String,
    facts: Vec<Fact>,
    checks: Vec<CheckRow>,
    /// Shown when the box has not looked yet.
    is_unchecked: bool,
    workers: Vec<WorkerRow>,
    chart: Option<Chart>,
}

struct Fact {
    label: String,
    value: String,
    alarm: bool,
}

/// Collects facts with labels in the visitor's language.
struct Facts<'p> {
    locale: &'p Locale,
    all: Vec<Fact>,
}

impl<'p> Facts<'p> {
    fn new(locale: &'p Locale) -> Self {
        Self { locale, all: Vec::new() }
    }

    fn say(&mut self, label: &str, value: impl Into<String>) {
        self.all.push(Fact { label: self.locale.word(label), value: value.into(), alarm: false });
    }

    /// Something that should be nothing.
    fn alarm(&mut self, label: &str, count: u64) {
        self.all.push(Fact { label: self.locale.word(label), value: count.to_string(), alarm: count > 0 });
    }

    fn ago(&mut self, label: &str, at: Option<UnixMillis>, now: UnixMillis) {
        let value = at.map_or_else(|| self.locale.word("never"), |at| When::new(at, now, self.locale).ago);
        self.say(label, value);
    }
}

/// The page with these facts, and what the site's checks found about the same.
fn page(
    visit: &Visit,
    path: &str,
    title: &str,
    facts: Facts<'_>,
    checks: &[Check],
    workers: Vec<WorkerRow>,
) -> Result<Reply, PageError> {
    page_with_chart(visit, (path, title), facts, checks, workers, None)
}

fn page_with_chart(
    visit: &Visit,
    (path, title): (&str, &str),
    facts: Facts<'_>,
    checks: &[Check],
    workers: Vec<WorkerRow>,
    chart: Option<Chart>,
) -> Result<Reply, PageError> {
    let (locale, now) = (visit.locale(), visit.site().clock.now());
    let known = commissioning::remembered(visit.site())?;
    let shown = known.iter().filter(|known| checks.contains(&known.outcome.check));
    let rows: Vec<_> = shown.map(|known| check_row(known, now, locale)).collect();
    let title = locale.word(title);
    let page = FactsPage {
        frame: Frame::new(visit, &title),
        ways: ways(visit, path)?,
        title,
        facts: facts.all,
        is_unchecked: rows.is_empty() && !checks.is_empty(),
        checks: rows,
        workers,
        chart,
    };
    Ok(Reply::Page(page.render()?))
}

/// Where systemd's time service notes that it has set the clock.
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";

pub(in crate::portal) async fn time(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let (locale, now) = (visit.locale(), visit.site().clock.now());
            let mut facts = Facts::new(locale);
            facts.say("time-now", exactly(now.0));
            let servers = visit.portal.commissioning.time_servers.iter().map(ToString::to_string);
            facts.say("time-servers", servers.collect::<Vec<_>>().join(", "));
            // Another time service may set it; the check below goes by the clock itself.
            let set_at = std::fs::metadata(SYNCHRONISED).and_then(|note| note.modified()).ok();
            let set_at = set_at.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
            match set_at.and_then(|at| i64::try_from(at.as_millis()).ok()) {
                Some(at) => facts.say("time-set", When::new(UnixMillis(at), now, locale).ago),
                None => facts.say("time-set", locale.word("time-set-by-others")),
            }
            page(visit, "/system/time", "sys-time", facts, &[Check::Time], Vec::new())
        })
        .await
}

pub(in crate::portal) async fn storage(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let (locale, site) = (visit.locale(), visit.site());
            let (status, now) = (operations::status(site)?, site.clock.now());
            let mut facts = Facts::new(locale);
            facts.say("storage-folder", visit.portal.dir.root().display().to_string());
            if let Some(mounted) = Mounted::of(&visit.portal.dir) {
                facts.say("storage-mount", format!("{} · {} · {}", mounted.at, mounted.kind, mounted.source));
            }
            if let (Some(total), Some(free)) = (status.disk_total_bytes, status.disk_free_bytes) {
                facts.say("storage-capacity", locale.bytes(total));
                facts.say("disk-free", locale.bytes(free));
            }
            facts.say("disk-backups", locale.bytes(status.stored.bytes));
            facts.say("packs", status.stored.packs.to_string());
            facts.alarm("damaged-packs", status.damaged.packs);
            facts.say("unchecked", status.unverified_packs.to_string());
            if status.stored.packs > 0 {
                let oldest = operations::next_unscrubbed(site, now)?;
                facts.ago("storage-scrubbed", oldest.map(|pack| pack.scrubbed_at.unwrap_or(pack.received_at)), now);
            }
            let chart = Chart::of_disk(&operations::disk_days(site)?, locale);
            page_with_chart(visit, ("/system/storage", "sys-storage"), facts, &[Check::Room], Vec::new(), chart)
        })
        .await
}

/// The file system that a folder is on.
struct Mounted {
    at: String,
    kind: String,
    source: String,
}

impl Mounted {
    fn of(dir: &DataDir) -> Option<Self> {
        let folder = dir.root().canonicalize().ok()?;
        Self::find(&std::fs::read_to_string("/proc/self/mountinfo").ok()?, &folder)
    }

    /// The innermost mount around the folder: `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS … - KIND SOURCE OPTIONS`
    /// (proc_pid_mountinfo(5)). Later lines lie over earlier ones.
    fn find(mountinfo: &str, folder: &Path) -> Option<Self> {
        let lines = mountinfo.lines().filter_map(|line| {
            let (place, device) = line.split_once(" - ")?;
            let at = place.split(' ').nth(4)?.replace("\\040", " ");
            let mut device = device.split(' ');
            Some(Self { kind: device.next()?.to_owned(), source: device.next()?.to_owned(), at })
        });
        let around = lines.filter(|mounted| folder.starts_with(&mounted.at));
        around.max_by_key(|mounted| Path::new(&mounted.at).components().count())
    }
}

pub(in crate::portal) async fn ups(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let mut facts = Facts::new(visit.locale());
            facts.say("ups-server", visit.portal.commissioning.nut_server.to_string());
            page(visit, "/system/ups", "sys-ups", facts, &[Check::Power], Vec::new())
        })
        .await
}

pub(in crate::portal) async fn services(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let (locale, portal) = (visit.locale(), &visit.portal);
            let mut facts = Facts::new(locale);
            let yes_or_no = |is: bool| locale.word(if is { "on" } else { "off" });
            facts.say("service-portal", portal.ways.url.clone());
            facts.say("service-machines", format!("{}:{}", portal.ways.machine_host, portal.ways.door.port));
            facts.say("service-found", yes_or_no(portal.ways.door.is_announced));
            facts.say("service-keep-open", yes_or_no(portal.ways.door.keep_open));
            let partners = portal.commissioning.coordinators.len();
            facts.say("service-partners", partners.to_string());
            let hand = match host::look().map(|view| view.manager) {
                Ok(Ok(_)) => locale.word("on"),
                Ok(Err(_)) | Err(_) => locale.word("service-missing"),
            };
            facts.say("service-hand", hand);
            let mail = match operations::mail_setting(visit.site())? {
                None => locale.word("off"),
                Some(setting) => {
                    let last = operations::newest_mail(visit.site(), 1)?.pop();
                    let word = last.map(|mail| match mail.state {
                        MailState::Waiting => locale.word("mail-waiting"),
                        MailState::Sent => locale.word("mail-sent"),
                        MailState::Failed => locale.word("mail-failed"),
                    });
                    [Some(setting.host), word].into_iter().flatten().collect::<Vec<_>>().join(" · ")
                }
            };
            facts.say("service-mail", mail);
            let workers = (portal.workers)().iter().map(|worker| worker_row(worker, locale)).collect();
            page(visit, "/system/services", "sys-services", facts, &[], workers)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_around_the_folder_is_found() {
        let told = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 8:17 / /var/lib rw shared:1 - xfs /dev/sdb1 rw\n\
                    31 22 0:5 / /var/lib/datis\\040two rw - tmpfs disk rw\nnoise\n";
        let find = |folder: &str| Mounted::find(told, Path::new(folder)).map(|m| (m.at, m.kind, m.source));
        let owned = |texts: [&str; 3]| Some(texts.map(str::to_owned).into());
        assert_eq!(find("/var/lib/datis"), owned(["/var/lib", "xfs", "/dev/sdb1"]));
        assert_eq!(find("/var/lib/datis two/x"), owned(["/var/lib/datis two", "tmpfs", "disk"]));
        assert_eq!(find("/home"), owned(["/", "ext4", "/dev/sda1"]));
        assert!(Mounted::find("", Path::new("/")).is_none());
    }
}
