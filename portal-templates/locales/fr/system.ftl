# Le boîtier lui-même : son réseau, son certificat, son alimentation, et qui peut aider.

sys-label = À propos du boîtier
sys-overview = Vue d’ensemble
sys-network = Réseau

network-now = Situation actuelle
network-port = Port
network-no-signal = aucun signal sur le câble
network-address = Adresse
network-lent = prêtée par DHCP
network-fixed = fixe
network-gateway = Passerelle
network-names = Serveurs de noms
network-manager = Géré par
network-unmanaged = Personne à qui le boîtier puisse parler : ni systemd-networkd ni NetworkManager ne gère ce port. Changez l’adresse là où le réseau de cet ordinateur est réglé.
network-no-helper = Inconnu : l’auxiliaire datis-hand, qui modifie l’ordinateur pour le boîtier, ne répond pas. Installez datis-hand.socket et datis-hand@.service à côté de datisd.service.
network-no-port = Cet ordinateur n’a pas de port réseau que l’on puisse examiner.
network-change = Une autre adresse
network-change-text = Le boîtier l’essaie un moment et la retire de lui-même, sauf si vous confirmez depuis la nouvelle adresse.
network-how = Comment le boîtier obtient son adresse
network-dhcp = Du serveur DHCP du réseau
network-static = Fixe, comme ci-dessous
network-address-field = Adresse et réseau, par exemple 192.168.1.20/24
network-try = Essayer
network-trying = À l’essai
network-left = { $n ->
        [one] Elle est retirée dans { $n } seconde si personne ne la confirme de là-bas.
       *[other] Elle est retirée dans { $n } secondes si personne ne la confirme de là-bas.
    }
network-take-back = Retirer maintenant
network-was-kept = Le boîtier a sa nouvelle adresse : { $what }.
network-was-taken-back = L’essai de { $what } a été annulé, car personne ne l’a confirmé. Le boîtier a son ancienne adresse.
network-has-failed = L’essai de { $what } n’a pas pu se faire. Le boîtier a son ancienne adresse ; son journal dit pourquoi.
network-is-down = L’essai de { $what } a été annulé, mais le réglage précédent du boîtier ne se remet pas en place. Vérifiez le câble et le réseau ; le journal du boîtier dit pourquoi.
network-is-stuck = L’essai de { $what } n’a pas pu être annulé pour l’instant. Le boîtier l’annulera à son prochain démarrage ; son journal dit pourquoi.
network-try-title = Maintenant, confirmez
network-try-text = { $n ->
        [one] Dans deux secondes, le boîtier prend la nouvelle adresse, pour { $n } seconde. Ouvrez ce lien et confirmez là :
       *[other] Dans deux secondes, le boîtier prend la nouvelle adresse, pour { $n } secondes. Ouvrez ce lien et confirmez là :
    }
network-try-warning = Le navigateur peut signaler un nouveau certificat, car il connaît le boîtier sous son ancienne adresse. Si le lien ne s’ouvre pas, attendez : l’ancienne adresse revient.
network-back = Retour à l’ancienne adresse
network-keep-title = Garder cette adresse ?
network-keep-text = Vous avez atteint le boîtier à sa nouvelle adresse. Gardez-la, sinon elle est retirée.
network-keep-do = La garder

err-network-address = L’adresse est illisible. Écrivez-la avec son réseau, par exemple 192.168.1.20/24.
err-network-ip = « { $what } » n’est pas une adresse IPv4. Écrivez par exemple 192.168.1.1.
err-network-prefix = Un réseau de cette taille n’est pas possible ici. Prenez un préfixe de /8 à /30 ; le plus souvent c’est /24.
err-network-unusable = { $what } ne peut pas être l’adresse d’un ordinateur. Choisissez-en une ordinaire du réseau local.
err-network-ends = { $what } désigne le réseau lui-même ou tous ses membres. Choisissez une adresse entre les deux.
err-network-gateway = La passerelle est hors du réseau { $what }, et le boîtier ne pourrait pas l’atteindre.
err-network-gateway-box = La passerelle et le boîtier ont la même adresse. Ce sont deux appareils.
err-network-names = Trois serveurs de noms au plus sont possibles. Retirez-en.
err-network-taken = Cette adresse est déjà utilisée, par l’appareil dont l’adresse matérielle est { $what }. Choisissez-en une autre.
err-network-unprobed = On n’a pas pu voir si l’adresse est libre, donc rien n’a été changé. Voyez si datis-probe fonctionne.
err-network-how = Choisissez si l’adresse est attribuée par DHCP ou fixe.
err-network-busy = Une autre adresse est à l’essai. Confirmez-la ou retirez-la d’abord.
err-network-nothing = Aucune adresse n’est à l’essai, ou son temps est écoulé. Le boîtier a l’adresse qu’il avait avant.
err-network-elsewhere = Vous êtes venu par une autre adresse que { $what }. Ouvrez le lien à la nouvelle adresse, pour qu’il soit sûr que le boîtier y est joignable.
err-network-not-yet = La nouvelle adresse n’est pas encore en place. Confirmez-la de nouveau dans un instant.
err-network-late = Le temps était écoulé et l’adresse a été retirée. Réessayez.
err-network-down = L’adresse a été retirée, mais le réglage précédent du boîtier ne se remet pas en place. Vérifiez le câble et le réseau ; le journal du boîtier dit pourquoi.
err-network-stuck = L’adresse n’a pas pu être retirée pour l’instant. Le boîtier la retirera à son prochain démarrage ; son journal dit pourquoi.
err-hand = L’ordinateur n’a pas pu être modifié et reste comme il était. Le journal du boîtier dit pourquoi.

audit-network-tried = autre adresse essayée
audit-network-kept = nouvelle adresse gardée
audit-network-taken-back = nouvelle adresse retirée

sys-time = Horloge
sys-storage = Stockage
sys-ups = Onduleur
sys-services = Fonctions
sys-components = Composants
sys-power = Alimentation
sys-checked = Ce que le boîtier a constaté
sys-unchecked = Le boîtier ne l’a pas encore examiné. Il le fait après chaque démarrage ; « Site » le fait faire tout de suite.

time-now = Horloge du boîtier
time-servers = Comparée à
time-set = Réglée par le système
time-set-by-others = pas par systemd-timesyncd
storage-folder = Dossier du boîtier
storage-mount = Système de fichiers
storage-capacity = Capacité
storage-scrubbed = Plus ancienne relecture d’un paquet
ups-server = Serveur NUT interrogé
service-portal = Portail pour les personnes
service-machines = Port des machines
service-found = Trouvé par son nom dans le réseau
service-keep-open = Routeur prié de laisser entrer
service-partners = Boîtiers extérieurs consultables
service-hand = Auxiliaire pour réseau et alimentation
service-mail = Courrier
service-missing = ne répond pas
components-text = { $n ->
        [one] Outre le leur, les programmes du boîtier contiennent { $n } composant.
       *[other] Outre les leurs, les programmes du boîtier contiennent { $n } composants.
    }
components-get = Obtenir la liste (CycloneDX)
components-name = Composant
components-version = Numéro de version
components-licence = Licence d’utilisation
power-text = Le boîtier termine ce qu’il fait, puis l’ordinateur reçoit l’ordre.
power-running = { $n ->
        [0] Aucune sauvegarde n’est en cours.
        [one] { $n } sauvegarde est en cours ; la machine la poursuit d’elle-même ensuite.
       *[other] { $n } sauvegardes sont en cours ; les machines les poursuivent d’elles-mêmes ensuite.
    }
power-restart = Redémarrer
power-off = Éteindre
power-hint = Un boîtier éteint ne sauvegarde rien, et quelqu’un doit appuyer sur son bouton.
power-restarting = L’ordinateur redémarre. Le portail revient dans quelques minutes.
power-going-off = L’ordinateur s’éteint.
err-power = L’ordre n’est pas passé et l’ordinateur continue. Le journal du boîtier dit pourquoi ; l’auxiliaire datis-hand manque peut-être.
audit-restarted = ordinateur redémarré
audit-switched-off = ordinateur éteint

sys-support = Assistance
support-text = Quelqu’un de l’extérieur peut aider pendant quelques heures, comme technicien : il s’occupe du boîtier et ne voit rien du contenu des sauvegardes. L’accès prend fin de lui-même et tout ce qui est fait figure au journal d’audit.
support-hours = Nombre d’heures, 72 au plus
support-open = Ouvrir l’accès d’assistance
support-open-until = Ouvert jusqu’à
support-close = Fermer maintenant
support-link = Un lien pour la personne qui aide
support-link-text = Il sert une fois. La personne choisit un mot de passe pour le compte « support », qui prend fin avec son temps.
support-banner = { $n ->
        [one] Quelqu’un de l’extérieur peut s’occuper du boîtier pendant encore { $n } minute.
       *[other] Quelqu’un de l’extérieur peut s’occuper du boîtier pendant encore { $n } minutes.
    }
support-see = Voir ou fermer
err-support-hours = Dites pour combien d’heures : de 1 à 72.
audit-support-opened = accès d’assistance ouvert
audit-support-closed = accès d’assistance fermé
audit-support-ended = accès d’assistance terminé de lui-même

notice-certificate-ends = { $n ->
        [one] Le certificat de l’entreprise pour le portail expire dans { $n } jour. Apportez-en un nouveau.
       *[other] Le certificat de l’entreprise pour le portail expire dans { $n } jours. Apportez-en un nouveau.
    }
notice-certificate-over = Le certificat de l’entreprise pour le portail a expiré. Le boîtier montre de nouveau le sien ; les navigateurs peuvent avertir.
sys-certificate = Certificat
own-used = Le certificat de l’entreprise
own-issuer = Signé par
own-ends = Valable jusqu’à
own-refused = Le certificat de l’entreprise n’est pas utilisé et le portail montre celui du boîtier.
own-set = Un certificat de l’entreprise
own-text = Les navigateurs de l’entreprise n’avertissent pas quand le portail a un certificat d’une autorité qu’ils connaissent. Il est montré à ceux qui viennent par un nom qui y figure ; la clé est gardée scellée.
own-chain = Certificat et chaîne (PEM, celui du portail d’abord)
own-key = Clé privée (PEM, sans mot de passe)
own-use = L’utiliser
own-remove = Le retirer
err-own-long = C’est plus long que tout certificat avec sa chaîne et sa clé.
err-own-none = Il n’y a pas de certificat. Il commence par -----BEGIN CERTIFICATE-----.
err-own-no-key = Il n’y a pas de clé privée. Elle commence par -----BEGIN PRIVATE KEY----- et n’a pas de mot de passe.
err-own-many = La chaîne compte plus de huit certificats.
err-own-unreadable = Un certificat est illisible. Copiez-le de nouveau, en lignes entières.
err-own-other-key = La clé n’est pas celle du premier certificat. Le certificat du portail doit venir en premier.
err-own-kind = Ce genre de clé n’est pas connu ici. Prenez RSA à partir de 2048 bits, P-256, P-384 ou Ed25519.
err-own-names = Le certificat n’est pour aucun des noms ou adresses de ce boîtier. Ajoutez son nom à portal.names dans datisd.toml, ou faites-en faire un pour un nom du boîtier.
err-own-early = Un certificat de la chaîne n’est pas encore valable. L’horloge du boîtier est-elle juste ?
err-own-over = Un certificat de la chaîne a expiré. Apportez-en un nouveau.
err-own-order = Les certificats ne se suivent pas : chacun doit être signé par le suivant.
audit-certificate-set = certificat de l’entreprise installé
audit-certificate-forgotten = certificat de l’entreprise retiré

# Un boîtier perdu qui revient
local-back = En cours de retour
local-back-text = { $done } sur { $all } sont de nouveau sur ce boîtier. Tout peut déjà être restauré : ce qui n’est pas encore ici vient des autres boîtiers.
err-away = Ce que vous avez demandé se trouve encore chez d’autres boîtiers, et trop peu d’entre eux répondent en ce moment. Rien n’est perdu pour autant : réessayez plus tard.
err-coming-back = Rien n’a été supprimé : le boîtier est en cours de retour, et une partie des paquets n’est encore que chez d’autres boîtiers. Cela attend qu’ils soient ici.
