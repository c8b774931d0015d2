# Ce qui demande quelqu’un, et comment on le dit.

nav-alerts = Alertes
severity-information = information
severity-warning = avertissement
severity-alarm = alarme
alert-damaged-packs = Des paquets stockés sur ce boîtier sont endommagés. Lancez `datisd verify` ; les prochaines sauvegardes renvoient ce que les machines ont encore.
alert-disk-full = Le disque est plein : les sauvegardes sont refusées. Faites de la place maintenant.
alert-disk-low = Le disque est presque plein. Faites de la place avant que le boîtier doive refuser des sauvegardes.
alert-certificate = Le certificat du portail expire dans moins de 30 jours et n’a pas été renouvelé. Le journal du boîtier dit pourquoi.
alert-check-fails = Un contrôle du site échoue : { $name }.
alert-check-warns = Un contrôle du site qui était en ordre est à regarder : { $name }.
alert-machine-damaged = Une sauvegarde de { $name } repose sur un paquet endommagé. Sauvegardez-la à nouveau ; voyez quelles dates peuvent encore être restaurées.
alert-machine-late = { $name } n’a pas de sauvegarde récente. Voyez si la machine est allumée et joint le boîtier.
alert-machine-incomplete = La dernière sauvegarde de { $name } n’est pas complète. Sa commande `datis backup` nomme les fichiers.
alert-proof-failed = Ce que { $name } a sauvegardé n’a pas pu être relu. Regardez sa dernière preuve et les paquets endommagés du boîtier.
alert-peer-suspect = { $name } a perdu une partie de ce qu’il gardait pour ce boîtier. Elle est refaite ailleurs ; demandez à ses responsables de vérifier son disque.
alert-drill-failed = Une récupération de ce boîtier a été essayée en vain. La page des autres boîtiers dit pourquoi ; testez le kit de nouveau une fois la cause réparée.
alert-drill-overdue = Aucune récupération de ce boîtier n’a été essayée depuis 120 jours. Testez le kit à la page des autres boîtiers, ou à la console avec le papier.
alert-kit-old = Le kit de secours sur papier ne nomme aucun boîtier à qui demander ce qui est gardé de celui-ci. Imprimez-le de nouveau et mettez-le à la place de l’ancien.
alert-peer-absent = { $name } ne répond plus depuis des jours. Ce qu’il garde est refait ailleurs ; demandez à ses responsables s’il est allumé et en ligne.
alert-deletions-frozen = { $name } demande d’effacer ici plus de ses données que d’habitude. Son boîtier est peut-être aux mains d’un intrus : rien n’est effacé pendant deux semaines. Appelez ses responsables, par téléphone ; si la demande vient d’eux, ils la débloquent avec leur kit de secours.
alert-owner-silent = Aucune nouvelle de { $name } depuis six mois. Ses données restent ; demandez à ses responsables ce qu’elles doivent devenir.
alert-books-differ = Ce boîtier et { $name } ne sont pas d’accord sur ce que l’un garde pour l’autre. Cela passe en général en un jour ou deux ; sinon, comparez les deux à la page Autres boîtiers.
alert-community-parted = Ce boîtier et { $name } ont des journaux différents de la communauté, et aucun n’apprend ce qui est décidé chez l’autre. Voyez la page Autres boîtiers.
alert-reach-lost = D’autres boîtiers atteignaient celui-ci de l’extérieur et ne l’atteignent plus. Il fonctionne quand même, par des connexions qu’il ouvre lui-même, et plus lentement. Vérifiez que le routeur redirige encore le port, au mieux par les contrôles de la page Le site.
alert-open = Ouvertes
alert-none = Rien ne demande quelqu’un.
alert-seen = Quelqu’un s’en occupe
alert-seen-by = Vu par
alert-history = Terminées
alert-history-none = Rien n’est encore allé de travers.
alert-what = Quoi
alert-severity = Gravité
alert-since = Depuis
alert-lasted = De quand à quand
alert-note = Note pour les autres
alert-acknowledge = Je m’en occupe
alert-more = Seules les 200 premières sont montrées.
alert-gone = Cette alerte est déjà terminée.
alert-settings = Comment les alertes sont dites
alert-settings-hint = Les alertes s’ouvrent et se ferment d’elles-mêmes. Chacune est dite une fois par voie, et figure dans le rapport quotidien tant qu’elle est ouverte.
alert-routes = Ce qui est dit, et par quelle voie
alert-mail-missing = Personne ne reçoit encore de courriel : dites sous Rapports à qui, et par quel serveur.
channel-mail = Courriel
channel-webhook = Appel web (webhook)
alert-quiet = Heures calmes
alert-quiet-hint = Les avertissements attendent la fin de ces heures. Les alarmes n’attendent jamais. Laissez les deux vides pour n’en avoir aucune.
alert-quiet-from = De
alert-quiet-until = À
alert-quiet-weekends = Calme aussi le samedi et le dimanche
alert-hook-hint = Un programme à vous, comme une domotique ou une supervision, qui prend du JSON par HTTPS. Chaque message est signé avec le secret (HMAC-SHA256) ; le guide d’exploitation dit comment le vérifier.
alert-hook-url = Adresse (https://…), ou vide pour aucune
alert-hook-secret = Secret, de 16 à 256 caractères
alert-hook-secret-hint = Un secret vide garde celui qui est là. Il est conservé scellé.
alert-hook-authority = Autorité du certificat du destinataire (PEM), si le système ne la connaît pas
alert-hook-queue = Messages à l’appel web
alert-hook-none = Pas encore de message.
alert-hook-event = Message envoyé
alert-try = Essayer
alert-try-hint = La réponse de l’autre côté apparaît ci-dessous, ou sous Rapports pour le courriel.
alert-try-mail = Envoyer un courriel d’essai
alert-try-webhook = Envoyer un message d’essai
post-opened = ouverte
post-closed = terminée
post-test = essai
post-waiting = en attente
post-sent = pris
post-failed = abandonné
said-alert-seen = C’est noté. L’alerte reste jusqu’à ce que le boîtier constate qu’elle est terminée.
said-posted = Le message est en route. La réponse apparaît ci-dessous.
err-hook-url = Écrivez l’adresse sous la forme https://HÔTE/CHEMIN, sans utilisateur et sans espaces.
err-hook-secret = Écrivez un secret de 16 à 256 caractères : les messages à l’appel web sont signés avec lui.
err-hook-authority = Ce n’est pas un certificat sous forme PEM (-----BEGIN CERTIFICATE-----).
err-quiet = Écrivez les deux heures des heures calmes, comme 22:00 et 07:00, ou aucune.
err-try-nobody = Il n’y a encore personne à prévenir par cette voie. Enregistrez d’abord les réglages.
audit-alert-acknowledged = alerte prise en charge
audit-alerts-set = annonce des alertes modifiée
audit-webhook-tested = message d’essai envoyé à l’appel web
work-webhook = Messages à l’appel web
alert-unseen = { $n ->
        [one] une alerte ouverte
       *[other] { $n } alertes ouvertes
    }
mail-alert-look = { $n ->
        [one] À VOIR, il y a un nouvel avertissement
       *[other] À VOIR, il y a { $n } nouveaux avertissements
    }
