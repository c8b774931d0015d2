# What is kept of a machine, when it rests, and what it is given back.

retention-title = What is kept
retention-text = Try what a policy would do before you save it. Nothing is changed by looking.
retention-try = Try what would be kept
retention-preset = Policy
retention-own-hint = Choose one, or choose “own” and write it.
retention-do = Show
retention-present = in force
retention-lists = Snapshots
retention-gone = go now
retention-soon = go within { $n } days
retention-kept = stay
retention-none = None.
retention-when = Goes on, at the latest
retention-why = Why it stays
retention-save = Save this policy
retention-again = Look again
retention-takes = { $n ->
    [0] No snapshot would go now.
    [one] One snapshot would go with the next collection.
   *[other] { $n } snapshots would go with the next collection.
}
retention-weighing = What that gives back is being worked out.
retention-not-weighed = What that gives back could not be worked out; the log of the box says why.
retention-frees-nothing = So nothing would be freed.
retention-frees = About { $size } on the disk would be freed: what no other snapshot needs.
retention-frees-at-least = At least { $size } on the disk would be freed; a part of this machine’s backups cannot be read.
retention-brake = The brake would hold: of { $all } days with backups { $n } would have none any more, or more than a tenth of all bytes would go. Nothing is deleted then until somebody forces it on the box’s console.
preset-lean = a week
preset-month = a month
preset-quarter = three months
preset-years = two years
preset-own = own
page-previous = Previous page
snapshot-complete = complete
snapshot-incomplete = incomplete
snapshot-damaged = damaged
keep-rule = one per { $period } for { $duration } (rule { $rule })
keep-newest = the newest one always stays
keep-newest-complete = the newest complete one always stays
keep-future = dated after now, so its age means nothing
keep-in-use = a backup that is running rests on it
keep-no-policy = no policy is known for it

calendar-title = The last year
calendar-table = Day by day
calendar-sentence = Days with a complete backup: { $n } of the last { $all }.
day-none = no backup
run-failed = failed
runs-title = Last runs
runs-none = The machine has not told of its runs yet; a client of this version does after each backup.
run-when = Ended
run-reading = Reading and sending
run-commit = Making it durable
run-took = In all
run-new = New
run-problems = { $n ->
    [one] One entry could not be read.
   *[other] { $n } entries could not be read.
}
length-seconds = { $n } s
length-minutes = { $n } min
length-hours = { $n } h
size-unique = Its own, free without it
size-shared = Shared with others
size-as-of = as of
excluded = Left out

health-paused = paused
notice-paused = { $n ->
    [one] One machine is paused and is not backed up.
   *[other] { $n } machines are paused and are not backed up.
}
local-paused = Paused in part
local-paused-text = { $n ->
    [one] One machine is paused; all others have a recent, whole backup on this box.
   *[other] { $n } machines are paused; all others have a recent, whole backup on this box.
}
pause-title = Pause
pause-text = A paused machine is not backed up and raises no alarm. It goes on by itself afterwards; what is stored stays.
pause-day = Pause for a day
pause-week = Pause for a week
pause-until = Until
pause-do = Pause
pause-end = Resume now
paused-until = Paused until
said-paused = The machine is paused. It hears so within minutes.
said-resumed = The machine is not paused any more.
err-pause = Choose a time within the next 366 days.
audit-machine-paused = paused a machine
audit-machine-resumed = resumed a machine
forecast-early = When it will be full cannot be said yet: { $n } of { $needed } days are recorded.
forecast-not-growing = At the pace of the last 30 days it does not fill up.
forecast-full = { $n ->
    [0] At the pace of the last 30 days it is full within a week.
    [one] At the pace of the last 30 days it is full in about one week.
   *[other] At the pace of the last 30 days it is full in about { $n } weeks.
}

put-back-title = Put back
put-back-list = Put back on this machine
put-back-do = Put back on the machine
put-back-text = The files go back to where they were. This is only a request: somebody at the machine has to agree, unless it was set there to agree by itself.
put-back-what = What, as it was on
put-back-how = How
put-back-beside = Beside what is there
put-back-beside-text = What has a name already stays; what is put back gets the date of its backup, such as name (2026-11-12).
put-back-overwrite = In place of what is there
put-back-overwrite-text = Files at exactly these paths, and below these folders, are replaced. Files that the backup does not have stay.
put-back-ask = Ask the machine
put-back-consent = Somebody at the machine sees what is asked, and how to agree or refuse, with
put-back-until = The request waits until
put-back-asked = Asked by
put-back-answered = Answered by
put-back-ended = Ended
put-back-files = Files put back and checked
put-back-cancel = Cancel the request
put-back-waiting = waits for the machine
put-back-running = under way
put-back-done = done
put-back-incomplete = done in part
put-back-failed = failed
put-back-refused = refused at the machine
put-back-cancelled = cancelled
put-back-expired = expired
put-back-problems = { $n ->
    [one] One entry was not put back.
   *[other] { $n } entries were not put back.
}
said-asked = The machine hears of it within minutes.
said-cancelled = The request is cancelled. What was put back by then stays.
err-put-back-choice = Choose between one and 200 files and folders.
err-put-back-retired = The machine is retired and never comes to fetch it. Download the files instead.
err-put-back-snapshot = The backup is none of this machine’s.
err-put-back-stream = The backup is of a stream, which has no place on the machine to go back to. Download it instead.
err-put-back-many = Too many requests of this machine are open. Cancel some, or wait until they are done.
err-put-back-over = The request is over already.
audit-put-back-asked = asked a machine to put something back
audit-put-back-agreed = agreed to put something back
audit-put-back-refused = refused to put something back
audit-put-back-cancelled = cancelled a request to put something back
audit-put-back-ended = a request to put something back has ended

snapshot-outside = outside only
keep-not-yet-outside = only the external retention wants it, and it is not fully protected outside yet
keep-outside-only = only the external retention wants it: it is kept outside only
