# Words of the pages. Sentences that count have a form for one and a form for more.

language-name = English
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
notice-nobody = The box is ready. Add the first machine.
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
        [one] One check of the site fails.
       *[other] { $n } checks of the site fail.
    }

disk = Disk
disk-backups = Backups
disk-other = Other
disk-free = Free
disk-chart = Disk over time
disk-chart-sentence = From { $from } until { $until } what is used went from { $before } to { $now }.
chart-zoom = Drag over the picture to look closer; double-click to see everything again.
chart-table = As a table
chart-day = Day
disk-used = Used
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
work-index = Indexing names
work-proofs = Proving restores
work-hosting = Keeping data of other boxes
work-commissioning = Checking the site
mood-idle = idle
mood-working = working
mood-waiting = waiting for backups
mood-failed = failed, will try again

unavailable = The box cannot show its state now; its log says why.

skip = Skip to the content
look = Look
save = Save
copy = Copy
copied = Copied
print = Print
on = on
off = off
to-start = To the first page
sign-out = Sign out
nav-label = Pages
nav-dashboard = Overview
nav-machines = Machines
machines-more = { $n ->
        [one] One more machine
       *[other] { $n } more machines
    }
nav-site = The site
nav-people = Accounts
nav-audit = Audit log
nav-system = The box
nav-account = My account
role = Role
role-admin = admin
role-technician = technician
role-member = member
role-auditor = auditor
role-admin-text = Runs the box: accounts, machines, restore, recovery kit.
role-technician-text = Puts the box into service and looks after it. Does not see what is in backups.
role-member-text = Restores from the own machines.
role-auditor-text = Looks at states, reports and the audit log. Changes nothing.
services = Services
service-restore = Restore in the portal
service-webdav = Restore over WebDAV
service-pos = Operations on POS servers
account-invited = invited
account-active = may sign in
account-off = shut out
field-name = Name
field-password = Password
field-new-password = New password
field-code = Code
field-six-digits = The six digits that the app shows
field-machine-name = Name of the machine
login-title = Sign in
login-do = Sign in
login-hint = No account, or the password is lost? An admin of the box makes a link for you.
code-title = Second factor
code-text = Open the authenticator app and type the code for this box. Account:
code-do = Continue
code-hint = Without the app, type one of your recovery codes.
other-account = Sign in with another account
confirm-title = Your password, please
confirm-text = What you are about to do decides about access or keys. Give your password again; it counts for 15 minutes.
confirm-do = Continue
welcome-title = Welcome
welcome-text = Choose the password that you will sign in with.
welcome-admin-text = You become an admin of this box. Choose the name and the password that you will sign in with.
welcome-do = Continue
password-hint = At least 10 characters. A sentence of several words is easy to keep in mind and hard to guess.
password-do = Change the password
factor-title = Set up the second factor
factor-required = An admin can open every backup. So a stolen password must not be enough: from now on you sign in with a code of your phone too.
factor-text = From now on you sign in with a code of your phone too. You are signed out everywhere else.
factor-step-app = Install an authenticator app on your phone, any one for TOTP.
factor-step-scan = Scan this picture with the app.
factor-step-code = Type the code that it shows.
factor-picture = QR code with the key for the authenticator
factor-by-hand = Type the key by hand instead
factor-do = Check the code
factor-is-on = An authenticator is set up.
factor-is-off = The password alone lets you in. Whoever steals it comes in too.
factor-again = Set up another phone
factor-set = Set up an authenticator
second-factor = Second factor
codes-title = Your recovery codes
codes-text = Each works once in place of the phone. Print them or write them down now: they are not shown again.
codes-do = I have them on paper
codes-again = New recovery codes
local = Local
local-good = Safe
local-warn = Not all machines
local-warn-text = { $n } of { $all } machines have a recent, whole backup on this box.
local-bad = Damage
local-bad-text = Something that is stored on this box cannot be read.
local-none = Nothing yet
local-none-text = No machine backs up to this box yet.
external = External
external-none = Not set up yet
external-none-text = No other box keeps a copy of this one. If this site burns down, its backups burn with it.
external-good = Safe
external-good-text = { $n } of { $all } packs are with other boxes. They give this box back if the site burns down.
external-thin = Made again
external-thin-text = { $n ->
    [one] { $n } pack has less outside than it should; it is made again.
   *[other] { $n } packs have less outside than they should; it is made again.
}
external-homeless = No box free
external-homeless-text = { $n ->
    [one] { $n } pack has lost a part that no other box is free to take. Have a box come back, or let another one in (page Other boxes).
   *[other] { $n } packs have lost a part that no other box is free to take. Have a box come back, or let another one in (page Other boxes).
}
external-short = Not protected
external-short-text = { $n ->
    [one] { $n } pack could not be brought back by the other boxes now. See on the page Other boxes which of them do not answer.
   *[other] { $n } packs could not be brought back by the other boxes now. See on the page Other boxes which of them do not answer.
}
external-begun = Being set up
external-begun-text = This box is in a community; nothing of it can be given back from there yet.
external-behind = Catching up
external-behind-text = { $n } of { $all } packs are safe with other boxes. The rest follows by itself.
notice-no-machine = No machine is assigned to your account. Ask an admin of the box.
machines-none = No machine yet. The first one is let in with one line that you copy to it.
machine-nothing = This machine has not backed up yet. Run on it: datis backup
kind-files = files
kind-database = database
kind-image = image
profile = What it is
enrolled = Enrolled
client-version = Version of the client
enrol-start = Add a machine
enrol-title = Add a machine
enrol-text = The machine gets a line to run once. It comes in by itself then, and no port has to be opened on it.
enrol-do = Make the line
enrol-command = Run this on the machine as root, within an hour. It works once.
enrol-picture = QR code with the same address and code
enrol-hint = The client comes first: it is the program datis, one file.
enrol-done = To the machines
policy-title = What is asked of it
policy-every = Back up every
policy-local = Keep on this box
policy-external = Keep on other boxes
policy-hint = Times such as 15m, 6h or 1d. What is kept: pairs such as 24h/1h, 30d/1d, that is for 24 hours one an hour, for 30 days one a day.
retire-title = Shut the machine out
retire-text = It cannot come in any more. Its snapshots stay as long as its policy says, and can be restored.
retire-do = Shut it out
invite-title = Invite somebody
invite-text = You get a link for them, with which they set their own password.
invite-do = Make the link
own-machines = Own machines
own-machines-hint = Only for members: these, and no others, are theirs.
may-come-in = May sign in
last-sign-in = Last sign-in
person-lost-title = Lost password or phone
person-link-text = A link with which they set a new password.
person-link-do = Make a link
person-factor-text = The lost authenticator is forgotten, and they are signed out everywhere.
person-factor-do = Take it away
person-remove-title = Remove the account
person-remove-text = The account goes with its sessions and tokens. What it did stays in the audit log.
person-remove-do = Remove it
link-title = Link
link-text = Send this to the person on a way that only they read. It works once, within three days, and is not shown again.
link-done = To the accounts
token-title = Token
token-text = Put it into the program now: it is not shown again.
token-done = To my account
tokens = Tokens for programs
tokens-text = A program signs in with a token in your name, as far as its scope goes. None can change accounts or see keys.
token-name = What it is for
token-days = Days
token-until = Until
token-make = Make a token
token-revoke = Take back
scope = Scope
scope-metrics = figures only
scope-read = look
scope-manage = look and change
scope-webdav = network folder

dav-title = Backups as a network folder
dav-text = Your computer can open the backups as a folder to read from (WebDAV). Sign in there with your name and, in place of your password, a token made here; your own password is not taken.
dav-windows = Explorer, “Map network drive”:
dav-mac = Finder, “Go”, “Connect to Server”:
dav-linux = Files, “Other locations”:
dav-token-name = Which computer
dav-token-make = Make a token for a network folder
dav-sign-in-as = Password of the network folder; the name to it is
dav-folder = This is a network folder: open it in your computer’s file manager. In a browser, use the page “Restore”.
dav-sign-in = Name and token are needed: a token for a network folder, from “My account”.
dav-read-only = Backups are only read here; nothing can be changed.
dav-body = This request is too long.
language = Language
language-browser = as the browser likes best
sessions = Where you are signed in
session-where = From where
session-begun = Since
session-used = Last used
session-this = this browser
session-end = End
session-end-others = End all others
site-run = Check now
site-running = The site is being checked.
site-never = The site has not been checked yet.
site-good = Everything here is as it should be.
system-stored = What is stored
certificate = Certificate
certificate-text = Browsers do not know this box and warn. Install its authority once, and compare its fingerprint with the one on the box's console (datisd status).
certificate-names = Valid for
certificate-get = Get the authority
fingerprint = Fingerprint (SHA-256)
kit = Recovery kit
kit-text = With it, and nothing else, every backup can be opened after the box is gone. Print it and keep it away from the box. That you took it is in the audit log.
kit-get = Get the recovery kit
about = About
vault = Vault
audit-when = When
audit-who = Who
audit-what = What
audit-subject = To what
audit-older = Older entries
audit-signed-in = signed in
audit-sign-in-failed = sign-in failed
audit-signed-out = signed out
audit-sessions-ended = sessions ended
audit-password-changed = password changed
audit-second-factor-set = second factor set up
audit-second-factor-reset = second factor taken away
audit-recovery-code-used = recovery code used
audit-recovery-codes-made = recovery codes made
audit-invited = invited
audit-link-made = link made
audit-link-used = link used
audit-account-changed = account changed
audit-account-removed = account removed
audit-token-made = token made
audit-token-revoked = token taken back
audit-enrolment-code = code for a machine made
audit-policy-changed = policy changed
audit-machine-retired = machine shut out
audit-kit-shown = recovery kit taken
audit-restored = restored
audit-commissioned = site checked
said-saved = Saved.
said-removed = Removed.
said-ended = Ended.
said-retired = The machine cannot come in any more.
said-started = The checks have been started.
said-password = The password is changed. All your other sessions have ended.
err-title = That did not work
err-not-found-title = There is nothing here
err-not-found = There is no such page, or it is not for your account.
err-forbidden-title = Your account may not do this
err-forbidden = Ask an admin of the box if you need it.
err-outside = The portal answers the local network only. The box's admin can change that.
err-host = The portal does not answer to this name. Use the address of the box, or add the name to its configuration.
err-other-page = This came from a page of another site, so nothing was done. Go to the portal itself and try again.
err-wrong = That is not right. Check the name and the password, or the code.
err-link-over = This link was used already, or is over. Ask for a new one.
err-name-taken = There is an account of this name already. Choose another name.
err-bad-name = A name has 1 to 64 letters, digits, or . _ - + @
err-no-account = There is no such account.
err-last-admin = This is the last admin who can sign in. Make somebody else an admin first.
err-password-short = The password is too short: it needs at least 10 characters.
err-password-long = The password is too long: it may have 128 characters.
err-password-guessable = This password is easily guessed. Take a sentence of several words, without your name.
err-too-many = There are too many of them. Remove some first.
err-machine-name = A name of a machine has 1 to 64 letters, digits, or . _ - and spaces within.
err-machine-name-taken = There is a machine of this name already. Choose another name, or shut that machine out first.
err-no-machine = There is no active machine of this name.
err-every = Write how often as a number and a unit, such as 15m, 6h or 1d.
err-policy = Write what is kept as pairs such as 24h/1h, 30d/1d.
audit-broken = The log is not whole: entry { $n }, or one before it, was changed or taken out.
err-wait = { $n ->
        [one] Too many attempts have failed. Wait one second and try again.
       *[other] Too many attempts have failed. Wait { $n } seconds and try again.
    }
codes-left = { $n ->
        [one] One recovery code is left.
       *[other] { $n } recovery codes are left.
    }
audit-whole = { $n ->
        [one] The log is whole: one entry. Digest of the last one:
       *[other] The log is whole: { $n } entries. Digest of the last one:
    }
local-good-text = { $n ->
        [one] The machine has a recent, whole backup on this box.
       *[other] All { $n } machines have a recent, whole backup on this box.
    }
site-warned = { $n ->
        [one] Nothing fails here. One check should be looked at.
       *[other] Nothing fails here. { $n } checks should be looked at.
    }
site-failed = { $n ->
        [one] One check fails. What to do stands beside it.
       *[other] { $n } checks fail. What to do stands beside them.
    }

nav-reports = Reports
said-queued = The mail is on its way. What the server says appears below.
mail-not-set = Nobody is told when something goes wrong. Say below to whom the box writes, and through which server.
mail-try = Send a test
mail-queue = Mails
report-title = Daily report
report-now = The present report as PDF
mail-none = No mail yet. The daily report comes at the time that is set below.
mail-subject = Subject
mail-settings = To whom, and through which server
mail-recipients = Addresses, one a line
mail-at = Daily report at
mail-weekends = Also on Saturdays and Sundays
mail-host = Mail server (SMTP)
mail-port = Port
mail-security = Protection
mail-sender = Sender's address
mail-user = User, if the server wants one
mail-hint = An empty password keeps the one that is there. It is kept sealed, and goes to this server only.
security-tls = TLS (usually 465)
security-starttls = STARTTLS (usually 587)
security-none = none (own network only)
mail-kind-report = daily report
mail-kind-alert = alert
mail-kind-test = test
mail-waiting = waiting
mail-sent = taken by the server
mail-failed = given up
mail-test = This is a test: mail from this box arrives.
mail-verdict-good = OK, { $n } of { $all } machines are current
mail-verdict-plain = ready, { $n } of { $all } machines are current
mail-verdict-warn = LOOK, { $n } of { $all } machines are current
mail-verdict-bad = ACT, { $n } of { $all } machines are current
err-mail-host = Write the name or address of the mail server, and its port.
err-mail-address = Write a sender and 1 to 20 addresses, such as claire@example.org.
err-mail-time = Write the time as hours and minutes, such as 07:30.
audit-mail-set = mail set up
audit-mail-tested = test mail sent
work-reports = Making reports
work-mail = Sending mail
mail-alert = { $n ->
        [one] ACT, one thing has just gone wrong
       *[other] ACT, { $n } things have just gone wrong
    }
nav-restore = Restore
said-proving = The proof has begun. Its result comes here.
said-nothing-chosen = Nothing was chosen. Tick files or folders first.
err-busy = Too many downloads are running. Wait for one to end and try again.
err-unreadable = A part of this backup is damaged. Try another date; the rest can still be restored.
audit-proved = proof of restoring asked for
search-label = Name of a file or folder
search-do = Search
search-hint = A part of the name is enough. All dates are searched, so deleted files are found too.
search-title = Search
search-empty = Type a part of the name to search for.
search-none = Nothing has this name. Try a shorter part of it; what was backed up in the last minutes may not be searchable yet.
search-cut = There are more hits than are shown. Type more of the name, or a folder before it such as invoices/2026.
restore-machines = Look into a machine
restore-utc = All dates are in UTC.
restore-damaged = A part of this backup is damaged. What does not need it can still be restored.
last-seen = Last seen
in-folder = In folder
deleted = Deleted
modified = Changed
download = Download
choose = Choose
date = Date of the backup
date-show = Show
date-older = Older
date-newer = Newer
entry-folder = folder
entry-file = file
entry-link = link
entry-device = device
entry-pipe = pipe
folder-contents = What is in the folder
folder-empty = Nothing is in this folder at this date.
folder-damaged = A part of this list cannot be read, so something is missing here. Try another date.
folder-absent = At this date there is no such file or folder. Choose another date above.
page-first = First page
page-next = Next page
take-chosen = Download what is ticked
take-folder = Download the whole folder
take-hint = Several files come as one ZIP file. What you download is written into the audit log.
versions-title = Versions
versions-look = Show all its versions
versions-none = None of its versions can be read.
versions-cut = Only the newest 5000 backups were looked into.
version-dates = In the backups of
leads-to = leads to
proof-title = Proof of restoring
proof-text = Files of the newest backups are read back and every byte is checked. The box does this by itself once a week.
proof-do = Prove it now
proof-running = The proof is under way.
proof-none = No restore has been proved yet.
proof-good = { $n ->
        [one] One file was read back whole ({ $ago }).
       *[other] { $n } files were read back, all of them whole ({ $ago }).
    }
proof-bad = { $n ->
        [one] One file could not be read back ({ $ago }). Look at the damaged packs of the box.
       *[other] { $n } files could not be read back ({ $ago }). Look at the damaged packs of the box.
    }
proofs-good = { $n ->
        [one] Restoring is proved for one machine, the last time { $ago }; files read back: { $files }, all whole.
       *[other] Restoring is proved for { $n } machines, the last time { $ago }; files read back: { $files }, all whole.
    }
proofs-bad = { $n ->
        [one] The last proof of restoring failed for one machine ({ $ago }).
       *[other] The last proof of restoring failed for { $n } machines ({ $ago }).
    }
restore-incomplete = { $n ->
        [one] One file could not be read on the machine when this backup was made.
       *[other] { $n } files could not be read on the machine when this backup was made.
    }
versions-unreadable = { $n ->
        [one] One backup is damaged there and could not be looked into.
       *[other] { $n } backups are damaged there and could not be looked into.
    }
versions-same = { $n ->
        [one] in one backup
       *[other] the same in { $n } backups
    }
nav-peers = Other boxes
peer-admin = admin
peer-member = member
peer-here = this box
peer-ok = answers
peer-away = has not answered for hours
peer-absent = has not answered for days
peer-suspect = has lost something
peer-gone = has not answered for a month
peer-leaving = leaving
peer-left = has left
peer-rebound = on a new box, not confirmed yet
peer-kept = Kept here for it
peer-own = What of this box is with others
peer-scheme = Spread as (data + spare)
peer-packs = Packs in place / needed
peer-safe = Newest backup that is off-site safe
peer-full = Newest backup that is fully protected
peer-own-hint = Off-site safe: enough is with others to give it back, also when some of them are lost. Fully protected: all of it is in place.
peer-own-none = Nothing of this box is with others yet. It begins by itself once another box is in.
peer-none = This box is in no community. Nobody keeps a copy of it elsewhere.
peer-applicant = Wants to come in
peer-applicant-text = Ask the admin of that box to read out the six digits on its screen. Let it in only if they are these.
peer-asked = Asked
peer-admit = The digits are the same: let it in
peer-refuse = Send it away
peer-heard = Last heard
peer-kept-there = Parts of this box there
peer-joining = This box has asked to be let in
peer-joining-text = Read these six digits to the admin of the other box. Once that box has let it in, this page changes by itself.
peer-ask-no-more = Do not ask any more
peer-invitations = Invitations
peer-invite-text = An invitation is a line of text for one other box. It can be used once, within a week.
peer-invite = Invite a box
peer-invitation-until = Good until
peer-revoke = Take it back
peer-join = Join a community
peer-join-text = Paste the invitation that the admin of another box has sent. Both screens then show six digits, which have to be the same.
peer-invitation = Invitation or code
peer-own-name = What the others call this box
peer-kit = Key line of the recovery kit
peer-join-do = Ask to be let in
peer-found = Found a community
peer-found-text = On the first box only: it becomes the first member and admin, and invites the others.
peer-community-name = Name of the community
peer-found-do = Found it
peer-line-text = Send this line to the admin of the other box. It is shown only this once.
peer-picture = The invitation as a QR code
peer-line-hint = Whoever has the line can ask to be let in. Send it on a way that only the other admin reads, and compare the six digits all the same.
peer-line-done = To the other boxes
peer-site = Place
peer-confirm = Back on a new box
peer-confirm-text = This member was brought back out of its recovery kit. Until it is confirmed it only reads what others keep for it. Ask its admin whether it is so, best by telephone.
peer-confirm-own-text = This box was brought back out of its recovery kit. It confirms itself with the kit; the others accept that a day after they have seen the new box.
peer-confirm-do = Confirm it
peer-appoint = Admin of the community
peer-appoint-text = An admin lets other boxes in. There should be two, so that one can be lost.
peer-appoint-do = Make it an admin
peer-err-already = This box is in a community already; a box is in one only.
peer-err-not-admin = This box is no admin of its community. Ask the admin of another box.
peer-err-kit = This is no recovery kit of this box. Type the line that starts with AGE-SECRET-KEY-1 from the kit that was printed from it.
peer-err-no-request = That box does not wait to be let in any more.
peer-err-no-member = No member of the community has this name any more.
peer-err-digits = The digits are not the same. Do not let that box in, and make a new invitation.
peer-err-no-invitation = This invitation was used already or is over. Ask for another one.
peer-err-too-many = As many invitations or requests are open as there may be at a time. Take one back, or wait until one is over.
peer-err-log = The community does not take this at present. Look at its members again: something has changed meanwhile.
peer-err-name-taken = Another member has this name. Take another one.
peer-err-last-admin = This is the last admin of the community. Make another member an admin first.
peer-err-signers = This needs the word of more admins than have given it.
peer-err-full = The community has as many members as there may be.
peer-err-renames = This member was named and described as often as there is room for. Leave it as it is.
peer-err-member = This box is a member already.
peer-err-device-key = The key of this box belonged to a member that has another box since, so it lets nobody in. Set the box up anew, then ask again.
peer-err-too-early = With the kit alone this is possible a day after the box came back. Until then the admin of another box can confirm it.
peer-err-accused = Other admins are asked whether this box stays in the community. Until they have decided, three days at most, nobody takes what it alone signs. What several admins sign together goes on.
peer-confirm-own-later = This box was brought back out of its recovery kit. The admin of another box can confirm it now; with the kit alone it is possible from here on:
peer-parted-text = Since { $since } UTC this box and { $name } have different logs of the community: { $ours } entries stand only here, { $theirs } only there. Until one log stays, neither hears what is decided at the other. Agree with its admin; then have each box whose log goes take the other one, at its console: datisd community take-log NAME
peer-parted = The community has parted
peer-err-line = This is no whole invitation. Copy the line again, from its first character to its last.
peer-err-refused = The other box refuses: { $why }
peer-err-dial = The other box does not answer. Look whether it is on and can be reached from outside, then try again.
peer-invite-aloud = Read out a code
peer-code = Code
peer-code-text = Read the code and the address to the admin of the other box, who types both there. The code is shown only this once.
peer-own-address = Address of this box
peer-code-hint = The code is good for a quarter of an hour. After three wrong tries, from anywhere, the code is gone. Compare the six digits all the same.
peer-address = Address of the other box
peer-address-hint = Only with a code that was read out
peer-err-code = This is no code. A code is a number and two words, such as 7-crossover-clockwork: listen again.
peer-err-code-wrong = The other box has another code. Listen again, or ask for a new one: after three wrong tries it is gone.
peer-err-address = A code needs the address of the other box, such as box.example.org:20600, as it is read out with the code.
peer-proposals = Waits for more admins
peer-proposed-remove = Put out { $what }
peer-proposed-appoint = Make { $what } an admin
peer-proposed-dismiss = { $what } is no admin any more
peer-proposed-threshold = Admins who have to agree from then on: { $what }
peer-proposed-window = Days for which nothing is deleted: { $what }
peer-agreed = { $agreed } of { $needed } agree: { $names }
peer-agree = Agree
peer-describe = Name and labels
peer-describe-text = Parts of one pack are spread so that boxes with a label in common are not needed together. Leave empty what does not apply.
peer-customer = Customer
peer-reseller = Looked after by
peer-ring = Updated together with
peer-remove = Put it out
peer-remove-text = Its box is refused from then on. What it holds is made again elsewhere, and what is kept for it stays until its time is over. With three admins or more, more than half of them have to agree, each at their own box.
peer-remove-do = Put it out of the community
peer-leave = Leave the community
peer-leave-text = The others read from this box for 30 days more and make again elsewhere what it holds: keep it running until then. What they keep of this box stays until its time is over, and nothing new comes to it.
peer-leave-do = Leave
peer-err-no-proposal = This is not proposed any more: it is done, or the community has gone on meanwhile. Propose it again if it is still wanted.
said-proposed = More admins have to agree. They find it on this page of their own boxes.
peer-dismiss-text = This member lets other boxes in, and is asked when others are to be put out.
peer-dismiss-do = Make it a plain member
peer-forget = Forget the community
peer-forget-text = For a box that was put out, or has left: it can found or join another community then. Nothing of this box counts as safe outside from that moment on. What others keep of it stays until its time is over, and the recovery kit that was printed still leads there.
peer-forget-do = Forget it
peer-err-other-community = The community of this box has another name. Type the name of the one that it is to forget.

# How much of the line goes to the other boxes.
bandwidth = Bandwidth
bandwidth-hint = What goes out to the other boxes, hour by hour. Nothing here holds up backups of machines, what this box restores, or what is urgent because hardly enough of a pack is left outside. What other boxes restore always gets a fifth of the line, at most 20 Mbit/s.
bandwidth-week = Week
bandwidth-week-hint = The hours are those of the box's own clock. In paused hours new backups wait.
bandwidth-day = Day
bandwidth-brush = Paint with
bandwidth-full = Full
bandwidth-reduced = Reduced
bandwidth-pause = Pause
bandwidth-full-rate = Full hours, Mbit/s
bandwidth-full-hint = Empty: as much as the line takes
bandwidth-reduced-rate = Reduced hours, Mbit/s
bandwidth-reduced-hint = So that people can work
bandwidth-line = as much as the line takes
bandwidth-several = Several hours at once
bandwidth-first = First day
bandwidth-last = Last day
bandwidth-from = From
bandwidth-until = Until
bandwidth-class = Becomes
bandwidth-set-hours = Set these hours
bandwidth-paused = Sending to the other boxes is paused. No hour of the week is another one: change that under Bandwidth.
bandwidth-paused-until = Sending to the other boxes is paused until { $what }.
bandwidth-err-rate = A rate is a whole number from 1 to 100000, in Mbit/s.
bandwidth-err-hours = The week was not sent whole. Load the page again and paint it once more.
bandwidth-err-stroke = The last day is not before the first one, and the hours end after they begin. For what goes over midnight, set two of them.
day-mon = Monday
day-tue = Tuesday
day-wed = Wednesday
day-thu = Thursday
day-fri = Friday
day-sat = Saturday
day-sun = Sunday

# Whether this box would come back.
external-fragments = Fragments in place: { $n } of { $all }.
external-oldest = Oldest change that is not outside yet: { $what }.
peer-fragments = Fragments in place / needed
peer-oldest = Oldest change that is not outside yet
drill = Recovery
drill-never = Recovery has not been tried yet.
drill-went-well = Recovery was tried { $what }, and it went well.
drill-went-wrong = Recovery was tried { $what } in vain.
drill-hint = With the recovery kit and nothing else, the box fetches what a lost box would need from the others and restores three files to nowhere. It tries this by itself every 90 days.
drill-running = Recovery is being tried
drill-needs-kit = The key of the kit was taken off the box, so only whoever has the paper can try it, on the console:
drill-now = Test the kit now

# The recovery kit on paper.
kit-get-sheet = Print the recovery kit
kit-sheet = Recovery kit
kit-sheet-secret = Whoever holds this sheet can read every backup of this box. Keep it away from the box, in two places.
kit-sheet-code = The key as a QR code
kit-sheet-code-text = It holds the line that begins with AGE-SECRET-KEY-1, and nothing else.
kit-sheet-whole = The whole kit
kit-sheet-whole-text = A lost box is brought back with all of the lines below. In place of the last line, the numbered lines in words can be typed; the last word of each checks it.

# How another box is reached.
peer-way = Reached
peer-way-none = not reached since this box was started
peer-way-direct = dialled
peer-way-reverse = on a connection that it opens itself
peer-way-relay = through another member
peer-way-relay-by = through { $what }
peer-reached = others reach it from outside
peer-not-reached = others do not reach it from outside; it opens the connections itself
ledger = Give and take
ledger-gives = This box gives the others
ledger-used = Of that in use
ledger-there = The others keep for this box
ledger-for-here = Kept there for this box
ledger-for-it = Kept here for it
ledger-may-keep = of at most { $what }
ledger-not-compared = not compared yet
ledger-agreed = both have signed it, { $day }
ledger-differs = { $day }: by the books of this box { $ours }, by the other’s { $theirs }
ledger-sum = { $n ->
    [one] { $bytes } in one part
   *[other] { $bytes } in { $n } parts
}
ledger-hint = Who gives room may have as much of its own kept. A box that is new has a quarter of that for three weeks. Once a day both sides compare what one keeps for the other and sign it; what differs is mostly still under way.

restore-outside = This backup is kept outside only: what you open comes from the other boxes, and takes longer.
peer-err-only-outside = { $n ->
    [one] One backup is kept outside only and would be lost. Keep it longer here and wait until it is back, or shorten the external retention; then try again.
   *[other] { $n } backups are kept outside only and would be lost. Keep them longer here and wait until they are back, or shorten the external retention; then try again.
}
peer-kit-used = Somebody has shown the recovery kit of this box
peer-kit-used-text = It was shown to { $what }: whoever did that reads what is kept for this box there. If it was none of you, the kit is in the wrong hands: set up a new box with a new kit, and put this one out of the community.
peer-refused-by = The other boxes refuse this one
peer-refused-by-text = Refused by { $what }: this box was put out of the community, or another box was brought back in its place with its recovery kit. Nothing of it goes to the others any more, and what they keep is safe. If nobody has done that on purpose, call an admin of the community; else switch this box off, or set it up anew.

external-checked = Being checked
external-checked-text = { $n ->
    [one] { $n } fragment is known from before this box came back, or its catalog was made anew. The box that keeps it is asked whether it is still there, as soon as this one may write to the others.
   *[other] { $n } fragments are known from before this box came back, or its catalog was made anew. The boxes that keep them are asked whether they are still there, as soon as this one may write to the others.
}
