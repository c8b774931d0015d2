# Ce qui est gardé d’une machine, quand elle se repose, et ce qui lui est rendu.

retention-title = Ce qui est gardé
retention-text = Essayez ce que ferait une règle avant de l’enregistrer. Regarder ne change rien.
retention-try = Essayer ce qui serait gardé
retention-preset = Règle
retention-own-hint = Choisissez-en une, ou choisissez « propre » et écrivez-la.
retention-do = Montrer
retention-present = en vigueur
retention-lists = Instantanés
retention-gone = partent maintenant
retention-soon = partent dans les { $n } jours
retention-kept = restent
retention-none = Aucun.
retention-when = Part au plus tard le
retention-why = Pourquoi il reste
retention-save = Enregistrer cette règle
retention-again = Regarder encore
retention-takes = { $n ->
    [0] Aucun instantané ne partirait maintenant.
    [one] Un instantané partirait avec le prochain nettoyage.
   *[other] { $n } instantanés partiraient avec le prochain nettoyage.
}
retention-weighing = Ce que cela libère est en cours de calcul.
retention-not-weighed = Ce que cela libère n’a pas pu être calculé ; le journal du boîtier dit pourquoi.
retention-frees-nothing = Rien ne serait donc libéré.
retention-frees = Environ { $size } seraient libérés sur le disque : ce dont aucun autre instantané n’a besoin.
retention-frees-at-least = Au moins { $size } seraient libérés sur le disque ; une partie des sauvegardes de cette machine ne peut pas être lue.
retention-brake = Le frein tiendrait : sur { $all } jours avec des sauvegardes, { $n } n’en auraient plus, ou plus d’un dixième des octets partirait. Rien n’est alors supprimé tant que personne ne le force sur la console du boîtier.
preset-lean = une semaine
preset-month = un mois
preset-quarter = trois mois
preset-years = deux ans
preset-own = propre
page-previous = Page précédente
snapshot-complete = complet
snapshot-incomplete = incomplet
snapshot-damaged = endommagé
keep-rule = un par { $period } pendant { $duration } (règle { $rule })
keep-newest = le plus récent reste toujours
keep-newest-complete = le plus récent complet reste toujours
keep-future = daté d’après maintenant, son âge ne veut donc rien dire
keep-in-use = une sauvegarde en cours s’appuie dessus
keep-no-policy = aucune règle n’est connue pour lui

calendar-title = L’année passée
calendar-table = Jour par jour
calendar-sentence = Jours avec une sauvegarde complète : { $n } sur les { $all } derniers.
day-none = pas de sauvegarde
run-failed = échouée
runs-title = Dernières exécutions
runs-none = La machine n’a pas encore parlé de ses exécutions ; un client de cette version le fait après chaque sauvegarde.
run-when = Terminée
run-reading = Lecture et envoi
run-commit = Mise à l’abri
run-took = En tout
run-new = Nouveau
run-problems = { $n ->
    [one] Un élément n’a pas pu être lu.
   *[other] { $n } éléments n’ont pas pu être lus.
}
length-seconds = { $n } s
length-minutes = { $n } min
length-hours = { $n } h
size-unique = À elle seule, libéré sans elle
size-shared = Partagé avec d’autres
size-as-of = état :
excluded = Laissé de côté

health-paused = en pause
notice-paused = { $n ->
    [one] Une machine est en pause et n’est pas sauvegardée.
   *[other] { $n } machines sont en pause et ne sont pas sauvegardées.
}
local-paused = En partie en pause
local-paused-text = { $n ->
    [one] Une machine est en pause ; toutes les autres ont une sauvegarde récente et complète sur ce boîtier.
   *[other] { $n } machines sont en pause ; toutes les autres ont une sauvegarde récente et complète sur ce boîtier.
}
pause-title = Pause
pause-text = Une machine en pause n’est pas sauvegardée et ne déclenche pas d’alarme. Elle reprend d’elle-même ensuite ; ce qui est stocké reste.
pause-day = Pause d’un jour
pause-week = Pause d’une semaine
pause-until = Jusqu’au
pause-do = Mettre en pause
pause-end = Reprendre maintenant
paused-until = En pause jusqu’au
said-paused = La machine est en pause. Elle l’apprend en quelques minutes.
said-resumed = La machine n’est plus en pause.
err-pause = Choisissez un moment dans les 366 prochains jours.
audit-machine-paused = a mis une machine en pause
audit-machine-resumed = a repris une machine
forecast-early = On ne peut pas encore dire quand il sera plein : { $n } jours sur { $needed } sont relevés.
forecast-not-growing = Au rythme des 30 derniers jours, il ne se remplit pas.
forecast-full = { $n ->
    [0] Au rythme des 30 derniers jours, il est plein d’ici une semaine.
    [one] Au rythme des 30 derniers jours, il est plein dans environ une semaine.
   *[other] Au rythme des 30 derniers jours, il est plein dans environ { $n } semaines.
}

put-back-title = Remettre
put-back-list = Remis sur cette machine
put-back-do = Remettre sur la machine
put-back-text = Les fichiers retournent où ils étaient. Ce n’est qu’une demande : quelqu’un sur la machine doit accepter, sauf si elle est réglée pour accepter d’elle-même.
put-back-what = Quoi, tel que le
put-back-how = Comment
put-back-beside = À côté de ce qui est là
put-back-beside-text = Ce qui porte déjà le nom reste ; ce qui est remis reçoit la date de sa sauvegarde, comme nom (2026-11-12).
put-back-overwrite = À la place de ce qui est là
put-back-overwrite-text = Les fichiers à ces chemins exactement, et sous ces dossiers, sont remplacés. Les fichiers que la sauvegarde n’a pas restent.
put-back-ask = Demander à la machine
put-back-consent = Quelqu’un sur la machine voit ce qui est demandé, et comment accepter ou refuser, avec
put-back-until = La demande attend jusqu’au
put-back-asked = Demandé par
put-back-answered = Réponse de
put-back-ended = Terminé
put-back-files = Fichiers remis et vérifiés
put-back-cancel = Annuler la demande
put-back-waiting = attend la machine
put-back-running = en cours
put-back-done = fait
put-back-incomplete = fait en partie
put-back-failed = échoué
put-back-refused = refusé sur la machine
put-back-cancelled = annulé
put-back-expired = expiré
put-back-problems = { $n ->
    [one] Un élément n’a pas été remis.
   *[other] { $n } éléments n’ont pas été remis.
}
said-asked = La machine l’apprend en quelques minutes.
said-cancelled = La demande est annulée. Ce qui a été remis jusque-là reste.
err-put-back-choice = Choisissez entre un et 200 fichiers et dossiers.
err-put-back-retired = La machine est retirée et ne viendra jamais le chercher. Téléchargez plutôt les fichiers.
err-put-back-snapshot = Cette sauvegarde n’est pas de cette machine.
err-put-back-stream = La sauvegarde est celle d’un flux, qui n’a pas d’endroit sur la machine où retourner. Téléchargez-la plutôt.
err-put-back-many = Trop de demandes de cette machine sont ouvertes. Annulez-en, ou attendez qu’elles soient finies.
err-put-back-over = La demande est déjà terminée.
audit-put-back-asked = a demandé à une machine de remettre quelque chose
audit-put-back-agreed = a accepté de remettre quelque chose
audit-put-back-refused = a refusé de remettre quelque chose
audit-put-back-cancelled = a annulé une demande de remise
audit-put-back-ended = une demande de remise est terminée

snapshot-outside = à l’extérieur seulement
keep-not-yet-outside = seule la rétention externe le demande, et il n’est pas encore entièrement protégé à l’extérieur
keep-outside-only = seule la rétention externe le demande : il est gardé à l’extérieur seulement
