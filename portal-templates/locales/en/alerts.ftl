# What needs somebody, and how that is told.

nav-alerts = Alerts
severity-information = information
severity-warning = warning
severity-alarm = alarm
alert-damaged-packs = Packs that are stored on this box are damaged. Run `datisd verify`; the next backups send again what machines still have.
alert-disk-full = The disk is full: backups are refused. Make room now.
alert-disk-low = The disk is almost full. Make room before the box has to refuse backups.
alert-certificate = The certificate of the portal ends within 30 days and was not made anew. The log of the box says why.
alert-check-fails = A check of the site fails: { $name }.
alert-check-warns = A check of the site that was in order should be looked at: { $name }.
alert-machine-damaged = A backup of { $name } rests on a damaged pack. Back it up again; see which dates can still be restored.
alert-machine-late = { $name } has no recent backup. See whether it is switched on and reaches the box.
alert-machine-incomplete = The last backup of { $name } is not whole. Its `datis backup` names the files.
alert-proof-failed = What { $name } has backed up could not be read back. Look at its last proof, and at the damaged packs of the box.
alert-peer-suspect = { $name } has lost something that it kept for this box. It is made again elsewhere; ask its people to look at its disk.
alert-drill-failed = A recovery of this box was tried in vain. The page of the other boxes says why; test the kit again once that is mended.
alert-drill-overdue = No recovery of this box was tried for 120 days. Test the kit on the page of the other boxes, or on the console with the paper.
alert-kit-old = The recovery kit on paper names no box that could be asked for what is kept of this one. Print it again and put it where the old one was.
alert-peer-absent = { $name } has not answered for days. What it keeps is made again elsewhere; ask its people whether it is switched on and online.
alert-deletions-frozen = { $name } wants more of its data deleted here than is usual. Its box may have been taken over: nothing is deleted for two weeks. Call its people, by telephone; if they did it themselves, they let it go on with their recovery kit.
alert-owner-silent = Nothing was heard of { $name } for half a year. Its data stays; ask its people what is to become of it.
alert-books-differ = This box and { $name } do not agree on what one keeps for the other. Mostly that passes within a day or two; else compare both on the page Other boxes.
alert-community-parted = This box and { $name } have different logs of the community, and neither hears what is decided at the other. Look at the page Other boxes.
alert-reach-lost = Other boxes have reached this one from outside and do not any more. It works all the same, by connections that it opens itself, and more slowly. Look whether the router still forwards the port, best by the checks on the page The site.
alert-open = Open
alert-none = Nothing needs anybody.
alert-seen = Somebody sees to these
alert-seen-by = Seen by
alert-history = Over
alert-history-none = Nothing has gone wrong yet.
alert-what = What
alert-severity = Severity
alert-since = Since
alert-lasted = From when until when
alert-note = Note for the others
alert-acknowledge = I see to it
alert-more = Only the first 200 are shown.
alert-gone = This alert is over already.
alert-settings = How alerts are told
alert-settings-hint = Alerts open and close by themselves. Each is told once on each way, and stands in the daily report as long as it is open.
alert-routes = What is told on which way
alert-mail-missing = Nobody gets mail yet: say under Reports to whom, and through which server.
channel-mail = Mail
channel-webhook = Webhook
alert-quiet = Quiet hours
alert-quiet-hint = Warnings wait until they are over. Alarms never wait. Leave both empty for none.
alert-quiet-from = From
alert-quiet-until = Until
alert-quiet-weekends = Quiet on Saturdays and Sundays too
alert-hook-hint = A program of yours, such as a home or building control, that takes JSON over HTTPS. Each message is signed with the secret (HMAC-SHA256); how to check it stands in the operating guide.
alert-hook-url = Address (https://…), or empty for none
alert-hook-secret = Secret, 16 to 256 characters
alert-hook-secret-hint = An empty secret keeps the one that is there. It is kept sealed.
alert-hook-authority = Authority of the receiver's certificate (PEM), if the system does not trust it
alert-hook-queue = Messages to the webhook
alert-hook-none = No message yet.
alert-hook-event = Message
alert-try = Try it
alert-try-hint = What the other side answers appears below, or under Reports for mail.
alert-try-mail = Send a test mail
alert-try-webhook = Send a test message
post-opened = opened
post-closed = over
post-test = test
post-waiting = waiting
post-sent = taken
post-failed = given up
said-alert-seen = Noted. The alert stays until the box finds that it is over.
said-posted = The message is on its way. What is answered appears below.
err-hook-url = Write the address as https://HOST/PATH, without a user and without spaces.
err-hook-secret = Write a secret of 16 to 256 characters: messages to the webhook are signed with it.
err-hook-authority = This is no certificate in the PEM form (-----BEGIN CERTIFICATE-----).
err-quiet = Write both times of the quiet hours as hours and minutes, such as 22:00 and 07:00, or neither.
err-try-nobody = There is nobody to tell on this way yet. Save the settings first.
audit-alert-acknowledged = alert seen to
audit-alerts-set = telling of alerts changed
audit-webhook-tested = test message sent to the webhook
work-webhook = Telling the webhook
alert-unseen = { $n ->
        [one] one open alert
       *[other] { $n } open alerts
    }
mail-alert-look = { $n ->
        [one] LOOK, there is one new warning
       *[other] LOOK, there are { $n } new warnings
    }
