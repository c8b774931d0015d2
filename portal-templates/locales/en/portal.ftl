# Words of the pages. Sentences that count have a form for one and a form for more.

language-name = English
title = Backups
unit-0 = bytes
unit-1 = KiB
unit-2 = MiB
unit-3 = GiB
unit-4 = TiB
unit-5 = PiB
ago-now = just now
ago-minutes = { $n } min ago
ago-hours = { $n } h ago
ago-days = { $n } d ago
never = never

notice-well = All is well: every machine has a recent backup.
notice-nobody = The box is ready. Let the first machine in with: datisd enrol-code --machine NAME --profile server
notice-late = { $n ->
        [one] One machine has no recent backup. See whether it is switched on and reaches the box.
       *[other] { $n } machines have no recent backup. See whether they are switched on and reach the box.
    }
notice-incomplete = { $n ->
        [one] The last backup of one machine is not whole. Its `datis backup` names the files.
       *[other] The last backups of { $n } machines are not whole. Their `datis backup` names the files.
    }
notice-damaged = { $n ->
        [one] One pack is damaged. Run `datisd verify`; the next backups send again what machines still have.
       *[other] { $n } packs are damaged. Run `datisd verify`; the next backups send again what machines still have.
    }
notice-disk-low = The disk is almost full. Make room before the box has to refuse backups.
notice-must-restart = The disk did not keep what it was given. The box is starting again; check the disk.
notice-site = { $n ->
        [one] One check of the site fails. See below what to do.
       *[other] { $n } checks of the site fail. See below what to do.
    }

disk = Disk
disk-backups = Backups
disk-other = Other
disk-free = Free
disk-unknown = The size of the disk is not known.
of = of
stored = Stored
packs = Packs
chunks = Chunks
unchecked = Packs to check
damaged-packs = Damaged packs
running = Backups running

machines = Machines
machine = Machine
state = State
source = Source
snapshots = Snapshots
last-backup = Last backup
size = Size
seen = Seen
profile-server = server
profile-desktop = desktop
profile-laptop = laptop
health-current = current
health-late = late
health-empty = no backup yet
health-incomplete = incomplete
health-damaged = damaged
health-retired = retired

site = The site
site-checked = Checked
site-passed = last in order
site-to-do = What to do
site-waits = Waits for this to be mended:

background = Background work
work-verifier = Checking new packs
work-scrub = Reading everything again
work-prune = Removing old snapshots
work-compaction = Joining small packs
work-commissioning = Checking the site
mood-idle = idle
mood-working = working
mood-waiting = waiting for backups
mood-failed = failed, will try again

unavailable = The box cannot show its state now; its log says why.
foreign-host = This page is served to this computer only, under the name localhost.
