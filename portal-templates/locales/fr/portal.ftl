# Les mots des pages. Les clés sont celles de la version anglaise.

language-name = Français
unit-0 = octets
unit-1 = Kio
unit-2 = Mio
unit-3 = Gio
unit-4 = Tio
unit-5 = Pio
ago-now = à l’instant
ago-minutes = il y a { $n } min
ago-hours = il y a { $n } h
ago-days = il y a { $n } j
never = jamais

notice-well = Tout va bien : chaque machine a une sauvegarde récente.
notice-nobody = Le boîtier est prêt. Ajoutez la première machine.
notice-late = { $n ->
        [one] Une machine n’a pas de sauvegarde récente. Vérifiez qu’elle est allumée et joint le boîtier.
       *[other] { $n } machines n’ont pas de sauvegarde récente. Vérifiez qu’elles sont allumées et joignent le boîtier.
    }
notice-incomplete = { $n ->
        [one] La dernière sauvegarde d’une machine est incomplète. Sa commande `datis backup` nomme les fichiers.
       *[other] Les dernières sauvegardes de { $n } machines sont incomplètes. Leur commande `datis backup` nomme les fichiers.
    }
notice-damaged = { $n ->
        [one] Un paquet est endommagé. Lancez `datisd verify` ; les prochaines sauvegardes renvoient ce que les machines ont encore.
       *[other] { $n } paquets sont endommagés. Lancez `datisd verify` ; les prochaines sauvegardes renvoient ce que les machines ont encore.
    }
notice-disk-low = Le disque est presque plein. Libérez de la place avant que le boîtier doive refuser des sauvegardes.
notice-must-restart = Le disque n’a pas gardé ce qui lui a été confié. Le boîtier redémarre ; vérifiez le disque.
notice-site = { $n ->
        [one] Un contrôle du site échoue.
       *[other] { $n } contrôles du site échouent.
    }

disk = Disque
disk-backups = Sauvegardes
disk-other = Autre
disk-free = Libre
disk-chart = Le disque au fil du temps
disk-chart-sentence = Du { $from } au { $until }, l’espace utilisé est passé de { $before } à { $now }.
chart-zoom = Glissez sur l’image pour voir de plus près ; double-cliquez pour tout revoir.
chart-table = Sous forme de tableau
chart-day = Jour
disk-used = Utilisé
of = sur
stored = Stocké
packs = Paquets
chunks = Fragments
unchecked = Paquets à vérifier
damaged-packs = Paquets endommagés
running = Sauvegardes en cours

machines = Machines
machine = Machine
state = État
source = Source
snapshots = Instantanés
last-backup = Dernière sauvegarde
size = Taille
seen = Vue
profile-server = serveur
profile-desktop = poste fixe
profile-laptop = portable
health-current = à jour
health-late = en retard
health-empty = pas encore de sauvegarde
health-incomplete = incomplète
health-damaged = endommagée
health-retired = retirée

site = Le site
site-checked = Contrôlé
site-passed = en ordre pour la dernière fois
site-to-do = Que faire
site-waits = Attend que ceci soit réparé :

background = Travaux de fond
work-verifier = Vérification des nouveaux paquets
work-scrub = Relecture complète
work-prune = Retrait des anciens instantanés
work-compaction = Regroupement des petits paquets
work-index = Indexation des noms
work-proofs = Vérification des restaurations
work-hosting = Garde des données d’autres boîtiers
work-commissioning = Contrôle du site
mood-idle = au repos
mood-working = en cours
mood-waiting = attend les sauvegardes
mood-failed = en échec, sera retenté

unavailable = Le boîtier ne peut pas montrer son état ; son journal dit pourquoi.

skip = Aller au contenu
look = Voir
save = Enregistrer
copy = Copier
copied = Copié
print = Imprimer
on = activé
off = désactivé
to-start = Vers la première page
sign-out = Se déconnecter
nav-label = Pages
nav-dashboard = Vue d’ensemble
nav-machines = Machines
machines-more = { $n ->
        [one] Une autre machine
       *[other] { $n } autres machines
    }
nav-site = Le site
nav-people = Comptes
nav-audit = Journal d’audit
nav-system = Le boîtier
nav-account = Mon compte
role = Rôle
role-admin = administrateur
role-technician = technicien
role-member = membre
role-auditor = auditeur
role-admin-text = Gère le boîtier : comptes, machines, restauration, kit de secours.
role-technician-text = Met le boîtier en service et l’entretient. Ne voit pas le contenu des sauvegardes.
role-member-text = Restaure depuis ses propres machines.
role-auditor-text = Consulte les états, les rapports et le journal d’audit. Ne change rien.
services = Services
service-restore = Restauration dans le portail
service-webdav = Restauration par WebDAV
service-pos = Opérations sur les serveurs de caisse
account-invited = invité
account-active = peut se connecter
account-off = bloqué
field-name = Nom
field-password = Mot de passe
field-new-password = Nouveau mot de passe
field-code = Code
field-six-digits = Les six chiffres affichés par l’application
field-machine-name = Nom de la machine
login-title = Connexion
login-do = Se connecter
login-hint = Pas de compte, ou mot de passe perdu ? Un administrateur du boîtier crée un lien pour vous.
code-title = Second facteur
code-text = Ouvrez l’application d’authentification et saisissez le code de ce boîtier. Compte :
code-do = Continuer
code-hint = Sans l’application, saisissez l’un de vos codes de récupération.
other-account = Se connecter avec un autre compte
confirm-title = Votre mot de passe, s’il vous plaît
confirm-text = Ce que vous allez faire touche aux accès ou aux clés. Saisissez à nouveau votre mot de passe ; il vaut pour 15 minutes.
confirm-do = Continuer
welcome-title = Bienvenue
welcome-text = Choisissez le mot de passe avec lequel vous vous connecterez.
welcome-admin-text = Vous devenez administrateur de ce boîtier. Choisissez le nom et le mot de passe avec lesquels vous vous connecterez.
welcome-do = Continuer
password-hint = Au moins 10 caractères. Une phrase de plusieurs mots se retient bien et se devine mal.
password-do = Changer le mot de passe
factor-title = Configurer le second facteur
factor-required = Un administrateur peut ouvrir toutes les sauvegardes. Un mot de passe volé ne doit donc pas suffire : vous vous connecterez aussi avec un code de votre téléphone.
factor-text = Vous vous connecterez désormais aussi avec un code de votre téléphone. Vous êtes déconnecté partout ailleurs.
factor-step-app = Installez sur votre téléphone une application d’authentification, n’importe laquelle pour TOTP.
factor-step-scan = Scannez cette image avec l’application.
factor-step-code = Saisissez le code affiché.
factor-picture = Code QR avec la clé pour l’application
factor-by-hand = Saisir plutôt la clé à la main
factor-do = Vérifier le code
factor-is-on = Une application d’authentification est configurée.
factor-is-off = Le mot de passe seul suffit pour entrer. Celui qui le vole entre aussi.
factor-again = Configurer un autre téléphone
factor-set = Configurer une application
second-factor = Second facteur
codes-title = Vos codes de récupération
codes-text = Chacun remplace une fois le téléphone. Imprimez-les ou notez-les maintenant : ils ne seront plus affichés.
codes-do = Je les ai sur papier
codes-again = Nouveaux codes de récupération
local = Local
local-good = En sécurité
local-warn = Pas toutes les machines
local-warn-text = { $n } machines sur { $all } ont une sauvegarde récente et complète sur ce boîtier.
local-bad = Dommage
local-bad-text = Quelque chose de stocké sur ce boîtier ne peut pas être lu.
local-none = Rien pour l’instant
local-none-text = Aucune machine ne sauvegarde encore sur ce boîtier.
external = Externe
external-none = Pas encore configuré
external-none-text = Aucun autre boîtier ne garde de copie de celui-ci. Si ce site brûle, ses sauvegardes brûlent avec lui.
external-good = En sécurité
external-good-text = { $n } paquets sur { $all } sont chez d’autres boîtiers. Ils rendent ce boîtier si le site brûle.
external-thin = En réparation
external-thin-text = { $n ->
    [one] { $n } paquet est moins protégé à l’extérieur que prévu ; il est refait.
   *[other] { $n } paquets sont moins protégés à l’extérieur que prévu ; ils sont refaits.
}
external-homeless = Aucun boîtier libre
external-homeless-text = { $n ->
    [one] { $n } paquet a perdu une part qu’aucun autre boîtier ne peut reprendre. Faites revenir un boîtier, ou faites-en entrer un autre (page Autres boîtiers).
   *[other] { $n } paquets ont perdu une part qu’aucun autre boîtier ne peut reprendre. Faites revenir un boîtier, ou faites-en entrer un autre (page Autres boîtiers).
}
external-short = Non protégé
external-short-text = { $n ->
    [one] { $n } paquet ne pourrait pas être rendu par les autres boîtiers en ce moment. La page Autres boîtiers montre lesquels ne répondent pas.
   *[other] { $n } paquets ne pourraient pas être rendus par les autres boîtiers en ce moment. La page Autres boîtiers montre lesquels ne répondent pas.
}
external-begun = En préparation
external-begun-text = Ce boîtier est dans une communauté ; rien ne peut encore en revenir.
external-behind = En cours
external-behind-text = { $n } paquets sur { $all } sont en sécurité chez d’autres boîtiers. Le reste suit de lui-même.
notice-no-machine = Aucune machine n’est attribuée à votre compte. Demandez à un administrateur du boîtier.
machines-none = Aucune machine pour l’instant. La première entre avec une ligne que vous y copiez.
machine-nothing = Cette machine n’a pas encore sauvegardé. Lancez-y : datis backup
kind-files = fichiers
kind-database = base de données
kind-image = image
profile = Type
enrolled = Inscrite
client-version = Version du client
enrol-start = Ajouter une machine
enrol-title = Ajouter une machine
enrol-text = La machine reçoit une ligne à lancer une fois. Elle se connecte ensuite d’elle-même, sans ouvrir de port chez elle.
enrol-do = Créer la ligne
enrol-command = Lancez ceci sur la machine en root, dans l’heure. Cela fonctionne une fois.
enrol-picture = Code QR avec la même adresse et le même code
enrol-hint = Le client d’abord : c’est le programme datis, un seul fichier.
enrol-done = Vers les machines
policy-title = Ce qui lui est demandé
policy-every = Sauvegarder toutes les
policy-local = Garder sur ce boîtier
policy-external = Garder sur d’autres boîtiers
policy-hint = Des durées comme 15m, 6h ou 1d. Ce qui est gardé : des paires comme 24h/1h, 30d/1d, soit pendant 24 heures une par heure, pendant 30 jours une par jour.
retire-title = Exclure la machine
retire-text = Elle ne pourra plus se connecter. Ses sauvegardes restent aussi longtemps que prévu et peuvent être restaurées.
retire-do = L’exclure
invite-title = Inviter quelqu’un
invite-text = Vous recevez un lien pour cette personne, avec lequel elle choisit son mot de passe.
invite-do = Créer le lien
own-machines = Ses machines
own-machines-hint = Seulement pour les membres : celles-ci, et aucune autre, sont les leurs.
may-come-in = Peut se connecter
last-sign-in = Dernière connexion
person-lost-title = Mot de passe ou téléphone perdu
person-link-text = Un lien avec lequel cette personne choisit un nouveau mot de passe.
person-link-do = Créer un lien
person-factor-text = L’application perdue est oubliée, et la personne est déconnectée partout.
person-factor-do = La retirer
person-remove-title = Supprimer le compte
person-remove-text = Le compte disparaît avec ses sessions et ses jetons. Ce qu’il a fait reste dans le journal d’audit.
person-remove-do = Le supprimer
link-title = Lien
link-text = Envoyez ceci à la personne par un moyen qu’elle seule lit. Le lien fonctionne une fois, pendant trois jours, et n’est plus affiché.
link-done = Vers les comptes
token-title = Jeton
token-text = Saisissez-le maintenant dans le programme : il n’est plus affiché.
token-done = Vers mon compte
tokens = Jetons pour les programmes
tokens-text = Un programme se connecte en votre nom avec un jeton, dans la limite de sa portée. Aucun ne peut changer des comptes ni voir des clés.
token-name = À quoi il sert
token-days = Jours
token-until = Jusqu’au
token-make = Créer un jeton
token-revoke = Révoquer
scope = Portée
scope-metrics = chiffres seulement
scope-read = consulter
scope-manage = consulter et changer
scope-webdav = dossier réseau

dav-title = Les sauvegardes comme dossier réseau
dav-text = Votre ordinateur peut ouvrir les sauvegardes comme un dossier en lecture seule (WebDAV). Connectez-vous-y avec votre nom et, à la place du mot de passe, un jeton créé ici ; votre propre mot de passe n’est pas accepté.
dav-windows = Explorateur, « Connecter un lecteur réseau » :
dav-mac = Finder, « Aller », « Se connecter au serveur » :
dav-linux = Fichiers, « Autres emplacements » :
dav-token-name = Quel ordinateur
dav-token-make = Créer un jeton pour un dossier réseau
dav-sign-in-as = Mot de passe du dossier réseau ; le nom qui va avec est
dav-folder = Ceci est un dossier réseau : ouvrez-le dans le gestionnaire de fichiers de votre ordinateur. Dans un navigateur, utilisez la page « Restaurer ».
dav-sign-in = Un nom et un jeton sont nécessaires : un jeton pour un dossier réseau, depuis « Mon compte ».
dav-read-only = Ici, les sauvegardes se lisent seulement ; rien ne peut être changé.
dav-body = Cette requête est trop longue.
language = Langue
language-browser = celle du navigateur
sessions = Où vous êtes connecté
session-where = D’où
session-begun = Depuis
session-used = Dernière utilisation
session-this = ce navigateur
session-end = Terminer
session-end-others = Terminer toutes les autres
site-run = Contrôler maintenant
site-running = Le site est en cours de contrôle.
site-never = Le site n’a pas encore été contrôlé.
site-good = Tout est ici comme il se doit.
system-stored = Ce qui est stocké
certificate = Certificat
certificate-text = Les navigateurs ne connaissent pas ce boîtier et avertissent. Installez son autorité une fois, et comparez son empreinte avec celle de la console (datisd status).
certificate-names = Valable pour
certificate-get = Télécharger l’autorité
fingerprint = Empreinte (SHA-256)
kit = Kit de secours
kit-text = Avec lui, et rien d’autre, toutes les sauvegardes s’ouvrent quand le boîtier n’est plus là. Imprimez-le et gardez-le loin du boîtier. Le journal d’audit note que vous l’avez pris.
kit-get = Télécharger le kit
about = À propos
vault = Coffre
audit-when = Quand
audit-who = Qui
audit-what = Quoi
audit-subject = Sur quoi
audit-older = Entrées plus anciennes
audit-signed-in = s’est connecté
audit-sign-in-failed = échec de connexion
audit-signed-out = s’est déconnecté
audit-sessions-ended = sessions terminées
audit-password-changed = mot de passe changé
audit-second-factor-set = second facteur configuré
audit-second-factor-reset = second facteur retiré
audit-recovery-code-used = code de récupération utilisé
audit-recovery-codes-made = codes de récupération créés
audit-invited = a invité
audit-link-made = lien créé
audit-link-used = lien utilisé
audit-account-changed = compte changé
audit-account-removed = compte supprimé
audit-token-made = jeton créé
audit-token-revoked = jeton révoqué
audit-enrolment-code = code pour une machine créé
audit-policy-changed = politique changée
audit-machine-retired = machine exclue
audit-kit-shown = kit de secours pris
audit-restored = a restauré
audit-commissioned = site contrôlé
said-saved = Enregistré.
said-removed = Supprimé.
said-ended = Terminé.
said-retired = La machine ne peut plus se connecter.
said-started = Les contrôles sont lancés.
said-password = Le mot de passe est changé. Toutes vos autres sessions sont terminées.
err-title = Cela n’a pas fonctionné
err-not-found-title = Il n’y a rien ici
err-not-found = Cette page n’existe pas, ou n’est pas pour votre compte.
err-forbidden-title = Votre compte n’en a pas le droit
err-forbidden = Demandez à un administrateur du boîtier si vous en avez besoin.
err-outside = Le portail ne répond qu’au réseau local. L’administrateur du boîtier peut changer cela.
err-host = Le portail ne répond pas à ce nom. Utilisez l’adresse du boîtier, ou ajoutez le nom à sa configuration.
err-other-page = Cela venait d’une page d’un autre site, donc rien n’a été fait. Allez sur le portail et réessayez.
err-wrong = Ce n’est pas juste. Vérifiez le nom et le mot de passe, ou le code.
err-link-over = Ce lien a déjà servi, ou n’est plus valable. Demandez-en un nouveau.
err-name-taken = Un compte de ce nom existe déjà. Choisissez un autre nom.
err-bad-name = Un nom a 1 à 64 lettres, chiffres, ou . _ - + @
err-no-account = Ce compte n’existe pas.
err-last-admin = C’est le dernier administrateur qui peut se connecter. Nommez d’abord un autre administrateur.
err-password-short = Le mot de passe est trop court : il faut au moins 10 caractères.
err-password-long = Le mot de passe est trop long : 128 caractères au plus.
err-password-guessable = Ce mot de passe se devine facilement. Prenez une phrase de plusieurs mots, sans votre nom.
err-too-many = Il y en a trop. Supprimez-en d’abord.
err-machine-name = Un nom de machine a 1 à 64 lettres, chiffres, ou . _ - et des espaces à l’intérieur.
err-machine-name-taken = Une machine de ce nom existe déjà. Choisissez un autre nom, ou excluez d’abord cette machine.
err-no-machine = Aucune machine active de ce nom.
err-every = Écrivez la fréquence comme un nombre et une unité, par exemple 15m, 6h ou 1d.
err-policy = Écrivez ce qui est gardé comme des paires, par exemple 24h/1h, 30d/1d.
audit-broken = Le journal n’est pas intact : l’entrée { $n }, ou une autre avant elle, a été changée ou retirée.
err-wait = { $n ->
        [one] Trop de tentatives ont échoué. Attendez une seconde et réessayez.
       *[other] Trop de tentatives ont échoué. Attendez { $n } secondes et réessayez.
    }
codes-left = { $n ->
        [one] Il reste { $n } code de récupération.
       *[other] Il reste { $n } codes de récupération.
    }
audit-whole = { $n ->
        [one] Le journal est intact : { $n } entrée. Empreinte de la dernière :
       *[other] Le journal est intact : { $n } entrées. Empreinte de la dernière :
    }
local-good-text = { $n ->
        [one] La machine a une sauvegarde récente et complète sur ce boîtier.
       *[other] Les { $n } machines ont une sauvegarde récente et complète sur ce boîtier.
    }
site-warned = { $n ->
        [one] Rien n’échoue ici. Un contrôle mérite un regard.
       *[other] Rien n’échoue ici. { $n } contrôles méritent un regard.
    }
site-failed = { $n ->
        [one] Un contrôle échoue. Ce qu’il faut faire est écrit à côté.
       *[other] { $n } contrôles échouent. Ce qu’il faut faire est écrit à côté.
    }

nav-reports = Rapports
said-queued = Le message est en route. La réponse du serveur apparaît ci-dessous.
mail-not-set = Personne n’est prévenu quand quelque chose ne va pas. Indiquez ci-dessous à qui le boîtier écrit, et par quel serveur.
mail-try = Envoyer un test
mail-queue = Messages
report-title = Rapport quotidien
report-now = Le rapport actuel en PDF
mail-none = Pas encore de message. Le rapport quotidien arrive à l’heure réglée ci-dessous.
mail-subject = Objet
mail-settings = À qui, et par quel serveur
mail-recipients = Adresses, une par ligne
mail-at = Rapport quotidien à
mail-weekends = Aussi le samedi et le dimanche
mail-host = Serveur de messagerie (SMTP)
mail-port = Port
mail-security = Protection
mail-sender = Adresse de l’expéditeur
mail-user = Utilisateur, si le serveur en demande un
mail-hint = Un mot de passe vide garde celui qui est enregistré. Il est conservé chiffré et ne va qu’à ce serveur.
security-tls = TLS (en général 465)
security-starttls = STARTTLS (en général 587)
security-none = aucune (réseau interne seulement)
mail-kind-report = rapport quotidien
mail-kind-alert = alerte
mail-kind-test = test
mail-waiting = en attente
mail-sent = accepté par le serveur
mail-failed = abandonné
mail-test = Ceci est un test : les messages de ce boîtier arrivent.
mail-verdict-good = OK, { $n } machines sur { $all } à jour
mail-verdict-plain = prêt, { $n } machines sur { $all } à jour
mail-verdict-warn = À VOIR, { $n } machines sur { $all } à jour
mail-verdict-bad = AGIR, { $n } machines sur { $all } à jour
err-mail-host = Écrivez le nom ou l’adresse du serveur de messagerie, et son port.
err-mail-address = Écrivez un expéditeur et 1 à 20 adresses, comme claire@example.org.
err-mail-time = Écrivez l’heure comme heures et minutes, par exemple 07:30.
audit-mail-set = messagerie configurée
audit-mail-tested = message de test envoyé
work-reports = Préparation des rapports
work-mail = Envoi des messages
mail-alert = { $n ->
        [one] AGIR, une chose vient de mal tourner
       *[other] AGIR, { $n } choses viennent de mal tourner
    }
nav-restore = Restaurer
said-proving = La preuve a commencé. Son résultat paraîtra ici.
said-nothing-chosen = Rien n’était choisi. Cochez d’abord des fichiers ou des dossiers.
err-busy = Trop de téléchargements sont en cours. Attendez que l’un se termine et réessayez.
err-unreadable = Une partie de cette sauvegarde est endommagée. Essayez une autre date ; le reste peut encore être restauré.
audit-proved = preuve de restauration demandée
search-label = Nom d’un fichier ou d’un dossier
search-do = Chercher
search-hint = Une partie du nom suffit. La recherche porte sur toutes les dates, donc aussi sur les fichiers supprimés.
search-title = Recherche
search-empty = Écrivez une partie du nom à chercher.
search-none = Rien ne porte ce nom. Essayez-en une partie plus courte ; ce qui a été sauvegardé il y a quelques minutes ne se trouve peut-être pas encore.
search-cut = Il y a plus de résultats que ceux affichés. Écrivez une plus grande partie du nom, ou un dossier devant, comme factures/2026.
restore-machines = Regarder dans une machine
restore-utc = Toutes les dates sont en UTC.
restore-damaged = Une partie de cette sauvegarde est endommagée. Ce qui n’en dépend pas peut encore être restauré.
last-seen = Vu pour la dernière fois
in-folder = Dans le dossier
deleted = Supprimé
modified = Modifié
download = Télécharger
choose = Choisir
date = Date de la sauvegarde
date-show = Afficher
date-older = Plus ancienne
date-newer = Plus récente
entry-folder = dossier
entry-file = fichier
entry-link = lien
entry-device = périphérique
entry-pipe = tube
folder-contents = Contenu du dossier
folder-empty = Ce dossier est vide à cette date.
folder-damaged = Une partie de cette liste est illisible, il manque donc quelque chose ici. Essayez une autre date.
folder-absent = À cette date, ce fichier ou ce dossier n’existe pas. Choisissez une autre date ci-dessus.
page-first = Première page
page-next = Page suivante
take-chosen = Télécharger la sélection
take-folder = Télécharger tout le dossier
take-hint = Plusieurs fichiers arrivent en un seul fichier ZIP. Ce que vous téléchargez est inscrit au journal d’audit.
versions-title = Versions
versions-look = Afficher toutes ses versions
versions-none = Aucune de ses versions n’est lisible.
versions-cut = Seules les 5000 sauvegardes les plus récentes ont été examinées.
version-dates = Dans les sauvegardes du
leads-to = mène à
proof-title = Preuve de restauration
proof-text = Des fichiers des dernières sauvegardes sont relus et chaque octet est vérifié. Le boîtier le fait de lui-même une fois par semaine.
proof-do = Prouver maintenant
proof-running = La preuve est en cours.
proof-none = Aucune restauration n’a encore été prouvée.
proof-good = { $n ->
        [one] { $n } fichier a été relu, intact ({ $ago }).
       *[other] { $n } fichiers ont été relus, tous intacts ({ $ago }).
    }
proof-bad = { $n ->
        [one] { $n } fichier n’a pas pu être relu ({ $ago }). Voyez les paquets endommagés du boîtier.
       *[other] { $n } fichiers n’ont pas pu être relus ({ $ago }). Voyez les paquets endommagés du boîtier.
    }
proofs-good = { $n ->
        [one] La restauration est prouvée pour { $n } machine, la dernière fois { $ago } ; fichiers relus : { $files }, tous intacts.
       *[other] La restauration est prouvée pour { $n } machines, la dernière fois { $ago } ; fichiers relus : { $files }, tous intacts.
    }
proofs-bad = { $n ->
        [one] La dernière preuve de restauration a échoué pour { $n } machine ({ $ago }).
       *[other] La dernière preuve de restauration a échoué pour { $n } machines ({ $ago }).
    }
restore-incomplete = { $n ->
        [one] { $n } fichier n’a pas pu être lu sur la machine lors de cette sauvegarde.
       *[other] { $n } fichiers n’ont pas pu être lus sur la machine lors de cette sauvegarde.
    }
versions-unreadable = { $n ->
        [one] { $n } sauvegarde y est endommagée et n’a pas pu être examinée.
       *[other] { $n } sauvegardes y sont endommagées et n’ont pas pu être examinées.
    }
versions-same = { $n ->
        [one] dans { $n } sauvegarde
       *[other] identique dans { $n } sauvegardes
    }
nav-peers = Autres boîtiers
peer-admin = administrateur
peer-member = membre
peer-here = ce boîtier
peer-ok = répond
peer-away = ne répond plus depuis des heures
peer-absent = ne répond plus depuis des jours
peer-suspect = a perdu quelque chose
peer-gone = ne répond plus depuis un mois
peer-leaving = s’en va
peer-left = est parti
peer-rebound = sur un nouveau boîtier, pas encore confirmé
peer-kept = Gardé ici pour lui
peer-own = Ce que d’autres gardent de ce boîtier
peer-scheme = Réparti en (données + réserve)
peer-packs = Paquets en place / nécessaires
peer-safe = Dernière sauvegarde en sécurité hors site
peer-full = Dernière sauvegarde entièrement protégée
peer-own-hint = En sécurité hors site : les autres en ont assez pour la rendre, même si certains sont perdus. Entièrement protégée : tout est en place.
peer-own-none = Rien de ce boîtier n’est encore chez d’autres. Cela commence de soi-même dès qu’un autre boîtier est entré.
peer-none = Ce boîtier n’est dans aucune communauté. Personne n’en garde une copie ailleurs.
peer-applicant = Demande à entrer
peer-applicant-text = Faites lire à l’administrateur de ce boîtier les six chiffres de son écran. Ne l’admettez que si ce sont ceux-ci.
peer-asked = Demandé
peer-admit = Les chiffres sont les mêmes : l’admettre
peer-refuse = Le renvoyer
peer-heard = Dernier signe de vie
peer-kept-there = Parts de ce boîtier chez lui
peer-joining = Ce boîtier a demandé à entrer
peer-joining-text = Lisez ces six chiffres à l’administrateur de l’autre boîtier. Dès que celui-ci l’aura admis, cette page changera d’elle-même.
peer-ask-no-more = Ne plus demander
peer-invitations = Invitations en cours
peer-invite-text = Une invitation est une ligne de texte pour un seul autre boîtier. Elle sert une fois, pendant une semaine.
peer-invite = Inviter un boîtier
peer-invitation-until = Valable jusqu’au
peer-revoke = La retirer
peer-join = Rejoindre une communauté
peer-join-text = Collez l’invitation envoyée par l’administrateur d’un autre boîtier. Les deux écrans montrent ensuite six chiffres, qui doivent être les mêmes.
peer-invitation = Invitation ou code
peer-own-name = Nom de ce boîtier pour les autres
peer-kit = Ligne de la clé du kit de secours
peer-join-do = Demander à entrer
peer-found = Fonder une communauté
peer-found-text = Sur le premier boîtier seulement : il devient le premier membre et administrateur, et invite les autres.
peer-community-name = Nom de la communauté
peer-found-do = La fonder
peer-line-text = Envoyez cette ligne à l’administrateur de l’autre boîtier. Elle n’est montrée que cette fois.
peer-picture = L’invitation en code QR
peer-line-hint = Qui a la ligne peut demander à entrer. Envoyez-la par une voie que seul l’autre administrateur lit, et comparez quand même les six chiffres.
peer-line-done = Vers les autres boîtiers
peer-site = Lieu
peer-confirm = De retour sur un nouveau boîtier
peer-confirm-text = Ce membre est revenu grâce à son kit de secours. Tant qu’il n’est pas confirmé, il ne fait que lire ce que d’autres gardent pour lui. Demandez à son administrateur si c’est bien lui, de préférence par téléphone.
peer-confirm-own-text = Ce boîtier est revenu grâce à son kit de secours. Il se confirme lui-même avec le kit ; les autres l’acceptent un jour après avoir vu le nouveau boîtier.
peer-confirm-do = Le confirmer
peer-appoint = Administrateur de la communauté
peer-appoint-text = Un administrateur admet d’autres boîtiers. Il en faudrait deux, pour pouvoir en perdre un.
peer-appoint-do = Le nommer administrateur
peer-err-already = Ce boîtier est déjà dans une communauté ; un boîtier n’est que dans une seule.
peer-err-not-admin = Ce boîtier n’est pas administrateur de sa communauté. Adressez-vous à l’administrateur d’un autre boîtier.
peer-err-kit = Ce n’est pas un kit de secours de ce boîtier. Tapez la ligne qui commence par AGE-SECRET-KEY-1 du kit qui en a été imprimé.
peer-err-no-request = Ce boîtier n’attend plus d’être admis.
peer-err-no-member = Plus aucun membre de la communauté ne porte ce nom.
peer-err-digits = Les chiffres ne sont pas les mêmes. N’admettez pas ce boîtier et faites une nouvelle invitation.
peer-err-no-invitation = Cette invitation a déjà servi ou est échue. Demandez-en une autre.
peer-err-too-many = Il y a autant d’invitations ou de demandes ouvertes qu’il peut y en avoir. Retirez-en une, ou attendez que l’une soit échue.
peer-err-log = La communauté ne l’accepte pas en ce moment. Regardez encore une fois ses membres : quelque chose a changé entre-temps.
peer-err-name-taken = Un autre membre porte ce nom. Prenez-en un autre.
peer-err-last-admin = C’est le dernier administrateur de la communauté. Nommez d’abord un autre membre.
peer-err-signers = Il faut pour cela l’accord de plus d’administrateurs.
peer-err-full = La communauté a autant de membres qu’elle peut en avoir.
peer-err-renames = Ce membre a été nommé et décrit autant de fois qu’il y a de place. Laissez-le tel quel.
peer-err-member = Ce boîtier est déjà membre.
peer-err-device-key = La clé de ce boîtier appartenait à un membre qui a depuis un autre boîtier ; elle ne fait donc entrer personne. Réinstallez le boîtier, puis demandez de nouveau.
peer-err-too-early = Avec le kit seul, c’est possible un jour après le retour du boîtier. D’ici là, l’administrateur d’un autre boîtier peut le confirmer.
peer-err-accused = On demande aux autres administrateurs si ce boîtier reste dans la communauté. Jusqu’à leur décision, trois jours au plus, personne n’accepte ce qu’il signe seul. Ce que plusieurs administrateurs signent ensemble passe.
peer-confirm-own-later = Ce boîtier est revenu grâce à son kit de secours. L’administrateur d’un autre boîtier peut le confirmer dès maintenant ; avec le kit seul, c’est possible à partir de :
peer-parted-text = Depuis le { $since } UTC, ce boîtier et { $name } ont des journaux différents de la communauté : { $ours } entrées ne sont qu’ici, { $theirs } ne sont que là-bas. Tant qu’il en reste deux, aucun n’apprend ce qui est décidé chez l’autre. Mettez-vous d’accord avec son administrateur ; puis faites prendre l’autre journal à chaque boîtier dont le journal disparaît, à sa console : datisd community take-log NOM
peer-parted = La communauté s’est divisée
peer-err-line = Ce n’est pas une invitation entière. Copiez la ligne de nouveau, du premier au dernier caractère.
peer-err-refused = L’autre boîtier refuse : { $why }
peer-err-dial = L’autre boîtier ne répond pas. Vérifiez qu’il est allumé et joignable de l’extérieur, puis réessayez.
peer-invite-aloud = Dicter un code
peer-code = Le code
peer-code-text = Lisez le code et l’adresse à l’administrateur de l’autre boîtier, qui y tape les deux. Le code n’est montré que cette fois.
peer-own-address = Adresse de ce boîtier
peer-code-hint = Le code vaut un quart d’heure. Après trois essais faux, d’où qu’ils viennent, le code n’existe plus. Comparez quand même les six chiffres.
peer-address = Adresse de l’autre boîtier
peer-address-hint = Seulement avec un code dicté
peer-err-code = Ce n’est pas un code. Un code est un nombre et deux mots, par exemple 7-crossover-clockwork : faites-le répéter.
peer-err-code-wrong = L’autre boîtier a un autre code. Faites-le répéter ou demandez-en un nouveau : après trois essais faux il n’existe plus.
peer-err-address = Un code demande l’adresse de l’autre boîtier, par exemple box.example.org:20600, dictée avec le code.
peer-proposals = Attend d’autres administrateurs
peer-proposed-remove = Exclure { $what }
peer-proposed-appoint = Nommer { $what } administrateur
peer-proposed-dismiss = { $what } n’est plus administrateur
peer-proposed-threshold = Administrateurs dont l’accord est nécessaire ensuite : { $what }
peer-proposed-window = Jours pendant lesquels rien n’est effacé : { $what }
peer-agreed = { $agreed } sur { $needed } sont d’accord : { $names }
peer-agree = Donner son accord
peer-describe = Nom et étiquettes
peer-describe-text = Les parts d’un paquet sont réparties de sorte que des boîtiers ayant une étiquette en commun ne soient pas nécessaires ensemble. Laissez vide ce qui ne s’applique pas.
peer-customer = Client
peer-reseller = Suivi par
peer-ring = Mis à jour avec
peer-remove = L’exclure
peer-remove-text = Son boîtier est refusé dès lors. Ce qu’il garde est refait ailleurs, et ce qui est gardé pour lui reste jusqu’à son terme. À partir de trois administrateurs, plus de la moitié doivent être d’accord, chacun sur son boîtier.
peer-remove-do = L’exclure de la communauté
peer-leave = Quitter la communauté
peer-leave-text = Les autres lisent encore ce boîtier pendant 30 jours et refont ailleurs ce qu’il garde : laissez-le allumé jusque-là. Ce qu’ils gardent de ce boîtier reste jusqu’à son terme, et rien de nouveau ne s’y ajoute.
peer-leave-do = Quitter
peer-err-no-proposal = Ce n’est plus proposé : c’est fait, ou la communauté a changé entre-temps. Proposez-le de nouveau si c’est encore voulu.
said-proposed = D’autres administrateurs doivent donner leur accord. Ils trouvent la proposition sur cette page de leur propre boîtier.
peer-dismiss-text = Ce membre admet d’autres boîtiers, et son accord compte quand d’autres doivent être exclus.
peer-dismiss-do = En faire un simple membre
peer-forget = Oublier la communauté
peer-forget-text = Pour un boîtier qui a été exclu ou qui est parti : il peut alors fonder ou rejoindre une autre communauté. Rien de ce boîtier ne compte plus comme en sécurité hors site dès cet instant. Ce que d’autres en gardent reste jusqu’à son terme, et le kit de secours imprimé y mène toujours.
peer-forget-do = L’oublier
peer-err-other-community = La communauté de ce boîtier a un autre nom. Tapez le nom de celle qu’il doit oublier.

# Ce qui, de la ligne, va aux autres boîtiers.
bandwidth = Bande passante
bandwidth-hint = Ce qui part vers les autres boîtiers, heure par heure. Rien ici ne retarde les sauvegardes des machines, ce que ce boîtier restaure, ni ce qui est urgent parce qu’il reste à peine assez d’un paquet à l’extérieur. Ce que les autres boîtiers restaurent obtient toujours un cinquième de la ligne, 20 Mbit/s au plus.
bandwidth-week = Semaine
bandwidth-week-hint = Les heures sont celles de l’horloge du boîtier. Pendant les heures de pause, les nouvelles sauvegardes attendent.
bandwidth-day = Jour
bandwidth-brush = Peindre avec
bandwidth-full = Plein
bandwidth-reduced = Réduit
bandwidth-pause = Pause
bandwidth-full-rate = Heures pleines, Mbit/s
bandwidth-full-hint = Vide : autant que la ligne le permet
bandwidth-reduced-rate = Heures réduites, Mbit/s
bandwidth-reduced-hint = Pour que l’on puisse travailler
bandwidth-line = autant que la ligne le permet
bandwidth-several = Plusieurs heures à la fois
bandwidth-first = Premier jour
bandwidth-last = Dernier jour
bandwidth-from = De
bandwidth-until = À
bandwidth-class = Devient
bandwidth-set-hours = Régler ces heures
bandwidth-paused = L’envoi aux autres boîtiers est en pause. Aucune heure de la semaine n’en sort : changez cela sous Bande passante.
bandwidth-paused-until = L’envoi aux autres boîtiers est en pause jusqu’à { $what }.
bandwidth-err-rate = Un débit est un nombre entier de 1 à 100000, en Mbit/s.
bandwidth-err-hours = La semaine n’est pas arrivée entière. Rechargez la page et peignez-la de nouveau.
bandwidth-err-stroke = Le dernier jour ne précède pas le premier, et les heures finissent après avoir commencé. Pour ce qui passe minuit, réglez-en deux.
day-mon = lundi
day-tue = mardi
day-wed = mercredi
day-thu = jeudi
day-fri = vendredi
day-sat = samedi
day-sun = dimanche

# Si ce boîtier reviendrait.
external-fragments = Fragments en place : { $n } sur { $all }.
external-oldest = Plus ancien changement pas encore à l’extérieur : { $what }.
peer-fragments = Fragments en place / nécessaires
peer-oldest = Plus ancien changement pas encore à l’extérieur
drill = Récupération
drill-never = La récupération n’a pas encore été essayée.
drill-went-well = La récupération a été essayée { $what }, avec succès.
drill-went-wrong = La récupération a été essayée { $what }, en vain.
drill-hint = Avec le kit de secours et rien d’autre, le boîtier cherche chez les autres ce qu’il faudrait à un boîtier perdu et restaure trois fichiers dans le vide. Il l’essaie de lui-même tous les 90 jours.
drill-running = La récupération est en cours d’essai
drill-needs-kit = La clé du kit a été retirée du boîtier ; seul qui a le papier peut l’essayer, à la console :
drill-now = Tester le kit maintenant

# Le kit de secours sur papier.
kit-get-sheet = Imprimer le kit de secours
kit-sheet = Kit de secours
kit-sheet-secret = Qui tient cette feuille peut lire chaque sauvegarde de ce boîtier. Gardez-la loin du boîtier, en deux endroits.
kit-sheet-code = La clé en code QR
kit-sheet-code-text = Il contient la ligne qui commence par AGE-SECRET-KEY-1, et rien d’autre.
kit-sheet-whole = Le kit entier
kit-sheet-whole-text = Un boîtier perdu revient avec toutes les lignes ci-dessous. À la place de la dernière, on peut taper les lignes numérotées en mots ; le dernier mot de chacune la vérifie.

# Comment un autre boîtier est joint.
peer-way = Joint
peer-way-none = pas joint depuis le démarrage de ce boîtier
peer-way-direct = appelé directement
peer-way-reverse = par une connexion qu’il ouvre lui-même
peer-way-relay = par un autre membre
peer-way-relay-by = par { $what }
peer-reached = les autres l’atteignent de l’extérieur
peer-not-reached = les autres ne l’atteignent pas de l’extérieur ; il ouvre lui-même les connexions
ledger = Donner et recevoir
ledger-gives = Ce boîtier donne aux autres
ledger-used = Dont utilisé
ledger-there = Les autres gardent pour ce boîtier
ledger-for-here = Gardé chez lui pour ce boîtier
ledger-for-it = Gardé ici pour lui
ledger-may-keep = sur { $what } au plus
ledger-not-compared = pas encore comparé
ledger-agreed = les deux l’ont signé, { $day }
ledger-differs = { $day } : { $ours } selon ce boîtier, { $theirs } selon l’autre
ledger-sum = { $n ->
    [one] { $bytes } en une part
   *[other] { $bytes } en { $n } parts
}
ledger-hint = Qui donne de la place peut en faire garder autant. Un boîtier nouveau en a le quart pendant trois semaines. Une fois par jour, les deux côtés comparent ce que l’un garde pour l’autre et le signent ; ce qui diffère est le plus souvent encore en route.

restore-outside = Cette sauvegarde est gardée à l’extérieur seulement : ce que vous ouvrez vient des autres boîtiers, et prend plus de temps.
peer-err-only-outside = { $n ->
    [one] { $n } sauvegarde est gardée à l’extérieur seulement et serait perdue. Gardez-la plus longtemps ici et attendez son retour, ou raccourcissez la rétention externe ; réessayez ensuite.
   *[other] { $n } sauvegardes sont gardées à l’extérieur seulement et seraient perdues. Gardez-les plus longtemps ici et attendez leur retour, ou raccourcissez la rétention externe ; réessayez ensuite.
}
peer-kit-used = Quelqu’un a montré le kit de secours de ce boîtier
peer-kit-used-text = Il a été montré à { $what } : celui qui l’a fait y lit ce qui est gardé pour ce boîtier. Si ce n’était aucun de vous, le kit est en de mauvaises mains : mettez en place un nouveau boîtier avec un nouveau kit, et excluez celui-ci de la communauté.
peer-refused-by = Les autres boîtiers refusent celui-ci
peer-refused-by-text = Refusé par { $what } : ce boîtier a été exclu de la communauté, ou un autre boîtier a été rétabli à sa place avec son kit de secours. Plus rien de ce boîtier ne part chez les autres, et ce qu’ils gardent est en sûreté. Si personne n’a fait cela exprès, appelez un administrateur de la communauté ; sinon, éteignez ce boîtier ou réinstallez-le.

external-checked = En cours de vérification
external-checked-text = { $n ->
    [one] { $n } fragment est connu d’avant le retour de ce boîtier, ou d’avant la reconstruction de son catalogue. On demande au boîtier qui le garde s’il l’a encore, dès que celui-ci a le droit d’écrire chez les autres.
   *[other] { $n } fragments sont connus d’avant le retour de ce boîtier, ou d’avant la reconstruction de son catalogue. On demande aux boîtiers qui les gardent s’ils les ont encore, dès que celui-ci a le droit d’écrire chez les autres.
}
