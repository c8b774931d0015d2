# Les mots des pages. Les clés sont celles de la version anglaise.

language-name = Français
title = Sauvegardes
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
notice-nobody = Le boîtier est prêt. Accueillez la première machine : datisd enrol-code --machine NOM --profile server
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
        [one] Un contrôle du site échoue. Voyez plus bas ce qu’il faut faire.
       *[other] { $n } contrôles du site échouent. Voyez plus bas ce qu’il faut faire.
    }

disk = Disque
disk-backups = Sauvegardes
disk-other = Autre
disk-free = Libre
disk-unknown = La taille du disque n’est pas connue.
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
work-commissioning = Contrôle du site
mood-idle = au repos
mood-working = en cours
mood-waiting = attend les sauvegardes
mood-failed = en échec, sera retenté

unavailable = Le boîtier ne peut pas montrer son état ; son journal dit pourquoi.
foreign-host = Cette page n’est servie qu’à cet ordinateur, sous le nom localhost.
