# What the box says while it is put into service: sheets, questions, the steps of the setup.

# The certificate.
cert-title = Commissioning certificate
cert-title-open = Commissioning report, not signed
cert-title-bad = Not in order: this is no certificate
cert-verdict-good = Passed. This box was checked and signed for.
cert-verdict-open = Nothing stands in the way, but nobody has signed yet.
cert-verdict-bad = { $n ->
        [one] NOT PASSED. One point stands in the way of putting this box into service.
       *[other] NOT PASSED. { $n } points stand in the way of putting this box into service.
    }
cert-box = Box
cert-serial = Serial number (vault)
cert-version = Version
cert-address = Address for machines
cert-portal = DatisAdmin
cert-mac = Hardware address
cert-started = First start
cert-signed-by = Signed by
cert-signed-at = Signed
cert-nobody = nobody
cert-elapsed = From first start to signature
cert-minutes = { $n ->
        [one] one minute
       *[other] { $n } minutes
    }
cert-days = { $n ->
        [one] one day
       *[other] { $n } days
    }
cert-obstacles = What stands in the way
cert-todo = What to do
cert-never-looked = Never checked: have the box check its site.
cert-all-checks = All checks
cert-check = Check
cert-state = State
cert-found = What was found, with evidence
cert-when = When, how long
cert-took = took { $s } s
cert-skipped = Not looked at: waits for “{ $check }”.
cert-note = Each check shows what was found the last time it was made. Times are in UTC.
cert-sign-technician = Technician
cert-sign-customer = Customer

# The sheet for the firewall's admin.
fw-title = For the admin of the firewall
fw-intro = A backup box stands in your network. Workstations send it their backups; nothing of it has to be reached from outside except what is written here.
fw-box = The box
fw-address = Address inside
fw-mac = Hardware address (MAC)
fw-gateway = Gateway
fw-unknown = not known yet
fw-reserve = Reserve this address for this hardware address in the DHCP server, or give the box an address outside of the range that is lent. The rules below point at it.
fw-out = To be let out
fw-port = Protocol and port
fw-to = Where to
fw-why = What for
fw-to-resolvers = the resolvers of this network
fw-why-names = Names are resolved.
fw-why-time = The clock is compared and set.
fw-why-partner = Another box answers what can only be seen from outside: the public address, whether the way in is open. Do not open or replace this encrypted connection.
fw-why-mail = Reports and alerts by mail.
fw-in = To be forwarded to the box (DNAT)
fw-rule = From outside → inside
fw-in-why = Other boxes reach this one: encrypted from end to end, both sides show their key. Without this rule backups in this network work all the same.
fw-in-never = Never forward DatisAdmin (TCP 443 or 8443): the page is for this network alone.
fw-test = How to see that it works
fw-test-text = Open { $url } and choose “Check now”: “Ways out” and “Way in from outside” say within half a minute what arrives and what does not. The port is open only while the box answers: a test from outside against TCP { $port } must connect.

# Sheets, on the page of the site.
sheets = Sheets
sheet-firewall = For the admin of the firewall (PDF)
sheet-firewall-text = What to let out, what to forward, for which address, and how to see that it works.
sheet-now = Commissioning report of now (PDF)
sheet-now-text = Every check as it was found last. Not signed.
sheet-signed = Signed certificate (PDF)
sign = Sign for this box
sign-text = Nothing stands in the way. Your name and the time from the first start come onto the certificate.
sign-in-the-way = { $n ->
        [one] Nobody can sign for this box yet: one point stands in the way. Check the site, and do what is written at what failed.
       *[other] Nobody can sign for this box yet: { $n } points stand in the way. Check the site, and do what is written at what failed.
    }
said-signed = Signed. The certificate is kept on the box.
audit-site-answered = question about the place answered
audit-signed-off = box signed for

# Checks that look at the box's own people and parts.
check-hw-smart = Disks
check-acct-admin = The box has an owner
check-key-kit = Recovery kit
check-mail-test = Mail arrives
check-client-first = First machine
check-site-place = The place
check-site-power = Protected power
check-site-access = Access to the workstations
check-site-line = Kind of line
check-site-shared = Shared line
check-site-operator = Contract with Free
fact-disks = Disks
fact-disk = Which disk
fact-admins = Admins
fact-codes-left = Recovery codes left
fact-taken-at = Taken
fact-proved-at = Proved
fact-mail-server = Mail server
fact-answer = The server’s answer
fact-machines = Machines
fact-restored = Restored
fact-said-by = Answered by
fact-said-at = Answered on
fact-contact = Contact

disks-good = The disks say that they are well.
disks-mute = The disks tell nothing about themselves, as in virtual machines: whoever runs the computer below has to watch them.
disks-unasked = The disks were not asked how they are ({ $reason }), so a disk that is about to fail fails without a warning.
    .remedy = Install smartmontools on the box and switch its disk probe on: `systemctl enable --now datis-disks.socket`.
disks-worn = { $disk } has given up places or has used up nearly all that it is made for. It still works; it will not for years.
    .remedy = Order a disk of the same size or larger now, and change { $disk } at the next visit. Look at the figures of each disk below: they should not grow from day to day.
disks-failing = { $disk } says that it is failing. Backups that are on it alone may be lost any day.
    .remedy = Change { $disk } today. Until then make no changes to the machines that depend on these backups.
admin-ready = An admin can come in, with a second factor and recovery codes.
admin-few-codes = An admin has hardly any recovery codes left: with the next lost telephone nobody comes in.
    .remedy = Let the admin make new recovery codes on page “My account”, print them and put them away.
admin-one-factor = The admin comes in with a password alone: who finds it out owns all backups.
    .remedy = Let the admin sign in and set up an authenticator; the page asks for it.
admin-none = Nobody has become the admin of this box yet.
    .remedy = Run `datisd auth admin-link` on the box, and let the owner open the link in a browser of this network.
kit-proved = The recovery kit is in somebody’s hands: parts of it were typed from paper.
kit-stale = It is more than three months since somebody has shown that the recovery kit is still there. Without it, nobody reads the backups once the box is gone.
    .remedy = Let the owner take the printed kit and answer the question on page “The box”, section “Recovery kit”.
kit-taken = The recovery kit was taken, but nobody has shown that it is on paper and readable.
    .remedy = Let the owner print the kit, take it to hand, and answer the question on page “The box”, section “Recovery kit”.
kit-none = Nobody has taken the recovery kit. When this box burns or is stolen, its backups elsewhere cannot be read by anybody.
    .remedy = Let the admin take the kit on page “The box”, print it twice, put it away in two places outside of this room, and then answer the question there.
mail-read = Mail from the box arrives and is read.
mail-sent-only = The mail server has taken a test mail; nobody has typed its code. It may lie in a spam folder.
    .remedy = Look for the mail, also among spam, and type its code on page “Reports”. If it is not there, send another one.
mail-untried = Mail is set up, and nobody has tried it.
    .remedy = Choose “Send a test” on page “Reports”, and type the code of the mail there.
mail-unset = Nobody gets mail from this box: when backups fail, nobody is told.
    .remedy = Set up a mail server and recipients on page “Reports”.
mail-refused = The mail server does not take mail from the box, so nobody is told when backups fail. It says: { $answer }
    .remedy = Correct server, port, protection, user or sender on page “Reports”, with what the server says in hand, and send a test mail.
machine-restored = A machine is backed up, and something was restored from a backup.
machine-saved = A machine is backed up; nothing was restored from it yet.
    .remedy = Open page “Restore”, choose a file of that machine, download it, and look at it with the customer; or run `datis restore` on the machine.
machine-none = No machine has a backup yet.
    .remedy = Choose “Add a machine” on page “Machines”, run the line that is shown on the workstation, and wait for its first backup.
question-open = Nobody has answered this question about the place yet.
    .remedy = Answer it in the setup, step “The place”.
place-good = The place is dry, out of the sun, free of dust, and has a network and a power socket.
place-lacking = The place is not as it should be:{ $dry ->
        [no] {" "}it is not dry;
       *[yes] {""}
    }{ $shade ->
        [no] {" "}the sun gets to it;
       *[yes] {""}
    }{ $clean ->
        [no] {" "}there is dust;
       *[yes] {""}
    }{ $network ->
        [no] {" "}there is no network socket;
       *[yes] {""}
    }{ $socket ->
        [no] {" "}there is no power socket;
       *[yes] {""}
    } a box in such a place does not live long, or is unplugged by somebody.
    .remedy = Find another place, or have the customer’s electrician mend this one. Then answer the question again.
supply-protected = The power of the box is protected.
supply-found = Nobody knows of a protection, but a UPS answers and is in order.
supply-none = The power is not protected. A short cut in the night ends the backup of that night, and may damage the disk.
    .remedy = Connect a UPS or a protected socket. Look at the order whether it contains one; else order one. Nobody signs for the box before that.
access-all = The workstations and servers can be worked at as their admin.
access-some = Only some of the workstations and servers can be worked at as their admin: the others will not be backed up today.
    .remedy = Ask the customer, or who looks after the computers, for an admin account of the others, and make a list of those that are left.
access-none = Nobody can work at the workstations as their admin, so no machine can be backed up.
    .remedy = Ask the customer, or who looks after the computers, for an admin account.
line-fixed = The line is fibre or DSL.
line-mobile = The line is a mobile one (4G/5G). These are not supported, with rare exceptions: other boxes cannot reach this one. Backups in this network work.
    .remedy = Order fibre or DSL, or ask the provider for a public address on this line. Check “Way in from outside” shows whether it helps.
line-unknown = Nobody here knows what kind of line this is.
    .remedy = Look at the provider’s contract or at the router’s label, and answer the question again.
line-own = Nobody else uses the line.
line-shared-contact = Others use the line too. What has to be opened at the firewall, its admin has to do.
    .remedy = Give that admin the sheet for the firewall (page “The site”) before the visit, and agree on a time.
line-shared-alone = Others use the line too, and nobody knows who runs it: what has to be opened there will not be.
    .remedy = Find out who runs the network of this building, write name and telephone number into the answer, and send them the sheet for the firewall.
operator-fine = The contract has nothing that is known to stand in the way.
operator-dedicated = The contract is one of Free’s, with an address of its own.
operator-free = The contract is one of Free’s whose address is shared with other customers: the port that other boxes need is likely not this site’s.
    .remedy = Let the customer ask for a dedicated address (“IP fixe V4 full-stack”) on the subscriber’s page of Free; it comes within a day, after a restart of the router. Check “Way in from outside” is the proof.
audit-kit-proved = recovery kit proved
audit-kit-missed = recovery kit not proved
audit-mail-proved = test mail read

# The kit's and the mail's proofs.
kit-proof = Do you still have it?
kit-proof-text = Take the printed kit to hand and type the two groups of letters that are asked for. The box asks again every three months.
kit-group = Group { $n }
kit-prove = I have it
kit-off-box = The kit’s key was taken off this box, so the box cannot ask for parts of it. Type the kit, or two of its three sheets, to see that it still opens this box, and to print it again with the other boxes as they are now.
err-kit = That is not what the kit says. Other groups are asked for now; look at their numbers.
said-kit-proved = The kit is there.
mail-code-text = The code of this mail is { $code }. Type it on page “Reports”, so that the box knows that its mail is read.
mail-code-title = Has the test mail arrived?
mail-code-hint = It brings a code of six digits. Type it here, so that the box knows that its mail is read.
mail-code-field = Code of the mail
mail-code-check = Check the code
err-mail-code = That is not the code of the last test mail, or it is over. Send another one.
said-mail-proved = The mail has arrived and was read.

# The setup.
setup = Setup
setup-steps = Steps of the setup
setup-go-on = This box is not signed for yet. The setup shows what is left to do.
setup-all-steps = All steps of the setup
setup-done = done
setup-look = done, with something to look at
setup-open = to do
setup-failed = to be mended
setup-before = Back
setup-after = Next
setup-seen = What the box sees
setup-made = What the box has made by itself
setup-made-keys = Identity and keys
setup-made-vault = Vault
setup-made-certificate = Certificate of DatisAdmin
setup-signed = This box is signed for.
setup-step-start = First start
setup-step-place = The place
setup-step-network = The network
setup-step-outside = The way outside
setup-step-account = The owner
setup-step-kit = Recovery kit
setup-step-mail = Mail
setup-step-first-machine = First machine
setup-step-sign-off = Signature
setup-text-start = The box sets itself up when it is switched on: keys, vault, storage, certificate. It takes an address from the network, answers to its name, and compares its clock.
setup-text-place = What only people can tell about the place. Each answer is on the certificate, with the name of whoever gave it.
setup-text-network = Whether the address of the box is its own and will stay, and whether the network around it does what it should.
setup-text-outside = What gets out and what comes in. Backups in this network work without it; other boxes need it.
setup-text-account = The box needs an owner who can come in, with a second factor and recovery codes on paper.
setup-text-kit = The kit opens the backups when the box is gone. Print it, put it away in two places outside of this room, and prove that it is there.
setup-text-mail = The box reports by mail every day, and at once when something is wrong. Set up the mail server, send a test, and type the code of the mail back.
setup-text-first-machine = Let one workstation in, wait for its first backup, then restore one file of it together with the customer.
setup-text-sign-off = When nothing stands in the way any more, a technician or an admin signs. The certificate is kept on the box.
setup-do-network = All checks and the sheet for the firewall
setup-do-outside = All checks and the sheet for the firewall
setup-do-sign-off = All checks and the sheets
setup-do-account = To the accounts
setup-do-kit = To the recovery kit
setup-do-mail = To mail and reports
setup-do-first-machine = Add the first machine
ask-contact = Who runs that network: name and telephone number
ask-place = What is true of the place where the box stands?
ask-place-why = Damp, sun and dust shorten the life of disks; a box without sockets of its own is unplugged by somebody.
answer-place-dry = It is dry
answer-place-shade = The sun does not get to it
answer-place-clean = It is free of dust
answer-place-network = It has a network socket
answer-place-socket = It has a power socket
ask-power = How is the power of the box protected?
ask-power-why = It must be: by a UPS or a protected socket. Without either, nobody signs, unless the box finds a UPS by itself.
answer-power-ups = By a UPS
answer-power-socket = By a protected socket
answer-power-none = Not at all
ask-access = Can the workstations and servers be worked at as their admin?
ask-access-why = The program that backs them up has to be installed there.
answer-access-all = All of them
answer-access-some = Some of them
answer-access-none = None of them
ask-line = What kind of line leads to the Internet?
ask-line-why = Mobile lines are not supported: nobody comes in from outside.
answer-line-fibre = Fibre
answer-line-dsl = DSL
answer-line-mobile = A mobile line (4G, 5G)
answer-line-unknown = Nobody here knows
ask-shared = Do others use that line too?
ask-shared-why = As in a business centre. Then its network’s admin has to open what is needed, and has to be asked before.
answer-shared-alone = No, it is this site’s alone
answer-shared-shared = Yes, others use it too
ask-operator = Is the contract one of Free’s that shares an address with others?
ask-operator-why = Then the customer has to ask Free for a dedicated address, or other boxes cannot reach this one.
answer-operator-other = No
answer-operator-free-dedicated = Yes, and a dedicated address is in place
answer-operator-free = Yes, without a dedicated address

# What a reseller has prepared.
setup-bundle = Prepared by { $name } ({ $contact }) with bundle number { $serial }. Everything it has set can be changed.
setup-bundle-unreachable = A bundle of defaults could not be read or fetched. The defaults of the program stand; “datisd bundle show” on the console says why.
setup-bundle-malformed = A bundle of defaults was not understood, and nothing of it was set. “datisd bundle show” on the console says what is wrong.
setup-bundle-signature = A bundle of defaults is not as it was signed, and nothing of it was set. Get the file again from whoever made it.
setup-bundle-untrusted = A bundle of defaults was there, but nobody has vouched for its key, so nothing of it was set.
setup-bundle-other-key = A bundle of defaults is signed with another key than the one this box believes, so nothing of it was set.
setup-bundle-expired = A bundle of defaults was too old to be taken: its last day is over by the clock of this box.
setup-bundle-older = A bundle of defaults was not taken: it is older than one that was applied, has its number and says other things, or was replaced by another one. “datisd bundle show” on the console says which.
audit-bundle-applied = defaults of a bundle set
cert-reseller = Prepared by
audit-community-founded = community of boxes founded
audit-community-asked = asked to be let into a community
audit-community-joined = let into a community
audit-member-invited = box invited
audit-invitation-revoked = invitation of a box taken back
audit-member-admitted = box let in
audit-member-removed = member of the community put out
audit-member-renamed = member of the community renamed
audit-member-labelled = labels of a member of the community set
audit-community-left = left the community
audit-proposal-agreed = agreed to a proposal in the community
audit-threshold-set = more admins of the community have to agree
audit-member-dismissed = admin of the community made a plain member
audit-community-forgotten = community forgotten
audit-log-taken = log of another member taken
audit-member-refused = box sent away
audit-kit-claimed = recovery kit of a member shown by a blank box
audit-bandwidth-set = changed how much of the line goes to the other boxes
audit-brake-lifted = deletions go on for a member, by its recovery kit
audit-member-confirmed = member on a new box confirmed
audit-member-appointed = member made an admin of the community
audit-member-vouched = vouched for a new member of the community

# Bringing a lost box back from the first page of a blank one
back-offer-title = Was another box lost?
back-offer = With its recovery kit this box can take its place.
back-offer-do = Bring back a lost box
back-title = Bring back a lost box
back-text = This box is blank. Out of the recovery kit and what the other boxes keep, the lost box is made again here, and this one takes its place. The lost box, should it turn up again, is no longer believed.
back-kit = The recovery kit
back-kit-hint = Type or paste the whole page, from “DATIS RECOVERY KIT” to the line that starts with AGE-SECRET-KEY-1. Where the kit is on three sheets: two of them, one after the other, each from “DATIS RECOVERY SHEET” on.
back-one = All these boxes are lost: one box is enough
back-do = Bring it back
back-not = No, set up a new box
back-find = Ask the other boxes what they keep
back-catalog = Make the list of all backups
back-place = Tell the other boxes that this is the box now
back-waits = not yet
back-runs = under way
back-done = done
back-wait = This page shows every few seconds how far it is. A large box takes some minutes.
back-look = Look now
back-ready = Everything that the other boxes keep is known. The box now starts again as the lost one. After that you become its admin, and can restore files at once; the rest comes in the background.
back-start = Start as the lost box
back-starting = The box is starting again; that takes some seconds.
back-go-on = Go on
err-back-kit = Something in the kit is mistyped. Compare this line with the paper:
err-back-no-community = This kit was printed before the box was in a community: it names no other boxes. Take a later one, or restore from the disks of the lost box.
err-back-nobody = None of the boxes that the kit names answers. Check that this box is on the network and that one of them is running, then try again.
err-back-nothing = The boxes that answer keep nothing for this kit. Start more of them, then try again.
err-back-one = Only one box has told what there was last. These do not answer: { $what }. What they know may be newer, and all of that would be given up. Start one of them, then try again. If all of them are lost, type the kit once more and tick below that one box is enough.
err-back-few = Too few of the boxes that keep the backups answer. Nothing is lost by that: start more of them, then try again; it goes on where it was.
err-back-other = The box was not brought back. What was fetched is kept; try again. The box says:
err-back-first = A lost box is being brought back in this one. Let it finish and start as the lost box, or restart this box first; then it is not brought back.

# Trying a recovery
audit-drill-passed = recovery tried, in so many seconds
audit-drill-failed = recovery tried in vain

# The recovery kit on three sheets.
kit-three = On three sheets
kit-three-text = So that nobody opens the backups alone: any two of the three sheets are as good as the kit, and one alone opens nothing. Give each to another person, in another place, none of them at the box. Each time another set is printed; sheets of two sets do not go together, while those printed before stay good among themselves.
kit-three-print = Print three sheets
kit-three-get = Get the three sheets as text
kit-part = Recovery kit, sheet { $sheet } of 3
kit-part-of-set = Recovery kit, sheet { $sheet } of 3, set { $set }
kit-part-what = Any two of these three sheets bring the box back and open every backup. This one alone opens nothing.
kit-part-set = Set
kit-part-printed = Printed on
kit-part-keep = Keep each of the three sheets in another place, with another person, and none of them at the box. When the box is lost, bring two of them together, of the same set: a blank box offers “Bring back a lost box” on its first page.
kit-part-code = What is secret on this sheet, as a QR code
kit-part-code-text = It holds the line that begins with DATIS-KIT-SHEET-1, and nothing else.
kit-part-whole = The whole sheet
kit-part-whole-text = A lost box is brought back with all of the lines below, and those of another sheet of this set below them. In place of the last line, the numbered lines in words can be typed; the last word of each checks it, and four letters of a word are enough.
kit-paper = The kit, or two of its sheets
kit-paper-hint = Type or paste the whole page, or two sheets one after the other. It is looked at, and not kept.
kit-paper-check = Check it
kit-paper-sheets = Type the whole kit instead, or two of its three sheets
err-kit-none = This is no recovery kit. Type it from its first line on, “# DATIS RECOVERY KIT 1” or “# DATIS RECOVERY SHEET 1”.
err-kit-one-more = This is sheet { $sheet } of 3. Alone it opens nothing, one more is needed: type another sheet of set { $set } below it.
err-kit-same-sheet = Sheet { $sheet } is there twice, and alone it opens nothing. Take another sheet of set { $set } with it.
err-kit-two-sets = These are sheets of two sets, { $one } and { $other }. Take two on which the same set is named.
err-kit-two-boxes = These are sheets of two boxes. Take two that name the same box and the same set.
err-kit-altered = The two sheets name the same set and do not fit together: one of them was altered. Take the third one in its place.
err-kit-other = This is the kit of another box. Take the one that was printed from this box.
audit-kit-sheets-shown = recovery kit taken, on three sheets
