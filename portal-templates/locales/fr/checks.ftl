# Ce que dit la mise en service. Les clés sont celles de la version anglaise.

check-lan-link = Câble réseau
check-lan-addr = Adresse dans le réseau
check-lan-dup = Adresse du seul boîtier
check-lan-dhcp2 = Serveurs DHCP
check-lan-reserved = Adresse réservée
check-lan-stable = Adresse qui ne change pas
check-wan-gateway = Passerelle
check-lan-dns = Résolution des noms
check-lan-mdns = Trouvé par son nom
check-lan-rebind = Le nom du boîtier lui-même
check-wan-uplink = Type de ligne
check-wan-proxy = Sortie sans proxy
check-wan-captive = Pas de page de connexion
check-wan-tls = Chiffrement jusqu’au-dehors
check-out-matrix = Voies de sortie
check-wan-public = Adresse publique
check-wan-cgnat = Adresse de ce seul site
check-wan-portset = Ports de l’adresse
check-in-map = Le routeur ouvre l’accès lui-même
check-in-dialback = Accès depuis l’extérieur
check-in-hairpin = Adresse extérieure vue de l’intérieur
check-in-v6 = Accès par IPv6
check-path-mtu = Taille des paquets
check-path-rate = Débit de la ligne
check-time-ntp = Horloge
check-hw-room = Place pour les sauvegardes
check-hw-ups = Alimentation

state-pass = ok
state-warn = à voir
state-fail = échec
state-skip = passé

commission-well = Tout est en ordre.
commission-look = { $n ->
        [one] Le boîtier peut faire son travail. Un point à voir.
       *[other] Le boîtier peut faire son travail. { $n } points à voir.
    }
commission-mend-later = { $n ->
        [one] Le boîtier peut faire son travail dans ce réseau. Un point à réparer.
       *[other] Le boîtier peut faire son travail dans ce réseau. { $n } points à réparer.
    }
commission-mend-first = { $n ->
        [one] Un point à réparer avant que le boîtier puisse faire son travail.
       *[other] { $n } points à réparer avant que le boîtier puisse faire son travail.
    }

link-fast = Le port { $port } fonctionne à { $speed } Mb/s.
link-unmeasured = Le port { $port } a un signal ; il n’indique pas sa vitesse.
link-slow = Le port { $port } ne fonctionne qu’à { $speed } Mb/s ({ $duplex ->
        [half] un sens à la fois
       *[full] dans les deux sens
    }) : sauvegardes et restaurations prennent plusieurs fois le temps nécessaire.
    .remedy = Remplacez le câble par un câble de catégorie 5e ou mieux, à huit fils, et branchez-le sur un port gigabit du commutateur. Si cela ne suffit pas, essayez un autre port du commutateur.
link-down = Le port { $port } n’a pas de signal : aucune machine ne joint le boîtier.
    .remedy = Branchez le câble réseau sur le port { $port } du boîtier et sur le commutateur, jusqu’à ce que les voyants s’allument aux deux bouts. S’ils restent éteints, prenez un autre câble, puis un autre port du commutateur.
link-none = Le système ne connaît aucun port réseau sur ce boîtier.
    .remedy = Éteignez et rallumez le boîtier. Si cela ne suffit pas, sa carte réseau est en panne : faites échanger le boîtier par le revendeur.

address-one = Le boîtier a l’adresse { $address } sur le port { $port }.
address-several = Le port { $port } a plusieurs adresses ({ $addresses }). Les machines risquent d’en recevoir une qui change ou qui mène ailleurs.
    .remedy = N’en gardez qu’une : retirez les autres des réglages réseau du système pour le port { $port }.
address-without-route = Le boîtier a l’adresse { $address }, mais pas de passerelle : il joint son propre réseau, et rien au-dehors.
    .remedy = Indiquez l’adresse du routeur comme passerelle (routeur, route par défaut) dans les réglages réseau du boîtier ou dans le serveur DHCP du réseau.
address-self-assigned = Personne n’a donné d’adresse au boîtier ; il en a pris une (169.254.…) que les autres appareils n’utilisent pas.
    .remedy = Activez le serveur DHCP du routeur (page LAN ou DHCP), ou donnez au boîtier une adresse fixe dans ses réglages réseau. L’adresse matérielle du boîtier est { $mac }.
address-none = Le port { $port } n’a pas d’adresse : aucune machine ne joint le boîtier.
    .remedy = Activez le serveur DHCP du routeur (page LAN ou DHCP), ou donnez au boîtier une adresse fixe dans ses réglages réseau. L’adresse matérielle du boîtier est { $mac }.

address-unshared = Personne d’autre n’utilise l’adresse { $address }.
address-shared = Un autre appareil utilise aussi l’adresse du boîtier { $address } ({ $other-macs }) : les connexions vont tantôt à l’un, tantôt à l’autre.
    .remedy = Donnez une autre adresse à l’un des deux. L’autre appareil a l’adresse matérielle { $other-macs }, le boîtier { $mac } ; la liste des appareils du routeur (page DHCP ou LAN) indique son nom.

dhcp-none = Personne ne prête d’adresses dans ce réseau.
dhcp-one = Un seul serveur DHCP prête des adresses ({ $servers }).
dhcp-several = Plusieurs serveurs DHCP prêtent des adresses ({ $servers }) : les appareils en reçoivent tantôt de l’un, tantôt de l’autre, et certains ne joignent plus rien.
    .remedy = Éteignez-les tous sauf un. Le second est le plus souvent un routeur ajouté pour son réseau sans fil : passez-le en mode point d’accès ou pont, ou désactivez DHCP dans sa page LAN.

reserved-for-box = Le routeur garde l’adresse { $address } pour le boîtier.
reserved-not-needed = L’adresse { $address } n’est pas prêtée ; il n’y a rien à réserver.
reserved-unproved = L’adresse { $address } est prêtée. Les réponses du routeur ne permettent pas de savoir s’il la garde pour le boîtier.
    .remedy = Dans le routeur, page DHCP (réservations, baux statiques), voyez si { $address } est réservée à l’adresse matérielle { $mac }. Relancez ensuite le contrôle.
reserved-not = Le routeur donnerait au boîtier une autre adresse que { $address } ({ $offers }) : elle n’est pas réservée.
    .remedy = Dans le routeur, page DHCP (réservations, baux statiques), réservez l’adresse { $address } à l’adresse matérielle { $mac }.
reserved-not-and-short = Le routeur donnerait au boîtier une autre adresse que { $address } ({ $offers }), et ne prête que pour { $lease-hours } h : le boîtier perdra son adresse si lui ou le routeur reste éteint aussi longtemps.
    .remedy = Dans le routeur, page DHCP (réservations, baux statiques), réservez l’adresse { $address } à l’adresse matérielle { $mac } ; ou réglez-la comme adresse fixe sur le boîtier, hors de la plage que le routeur distribue.

stable-static = L’adresse { $address } est réglée sur le boîtier et ne change pas.
stable-lent = L’adresse { $address } est prêtée par un serveur DHCP, et n’a pas changé.
stable-unproved = Le système ne connaît pas de fin à l’adresse { $address }. On n’a pas pu demander si un serveur DHCP l’a tout de même prêtée.
    .remedy = Activez le programme qui peut le demander (systemctl enable --now datis-probe.socket), puis relancez le contrôle.
stable-moved = L’adresse est passée de { $moved-from } à { $address } ({ $moved-at }) : elle est prêtée par le serveur DHCP du routeur. Les machines qui connaissaient l’ancienne cherchent ce boîtier en vain.
    .remedy = Dans le routeur, page DHCP (réservations, baux statiques), réservez { $moved-from } pour le boîtier et redémarrez-le ; ou indiquez { $address } sur les machines (`host` dans enrolment.toml) et réservez celle-ci.

gateway-answers = La passerelle répond.
gateway-not-needed = Le port { $port } mène à un seul autre bout et n’a pas besoin de passerelle.
gateway-mute = La passerelle { $gateway } est là, mais ne répond à rien. C’est peut-être voulu.
    .remedy = Si les autres contrôles passent, il n’y a rien à faire. Sinon, demandez à la personne qui gère le pare-feu { $gateway } s’il laisse passer le trafic du boîtier.
gateway-gone = Aucun appareil n’a l’adresse de la passerelle { $gateway } : rien ne sort de ce réseau.
    .remedy = Allumez le routeur et vérifiez son câble. Si le routeur a une autre adresse, indiquez celle-ci comme passerelle dans les réglages réseau du boîtier au lieu de { $gateway }.

names-resolve = Les noms sont résolus.
names-slow = Le résolveur { $resolver } met plus d’une demi-seconde pour un nom, et chaque connexion l’attend.
    .remedy = Dans le routeur, page DHCP ou LAN, donnez aux appareils le routeur lui-même ou le résolveur du fournisseur d’accès comme serveur DNS, au lieu de { $resolver }.
names-partly = Un des résolveurs, { $resolver }, ne donne pas de réponse ({ $resolvers }) : certaines connexions ne commencent qu’après plusieurs secondes.
    .remedy = Retirez { $resolver } des serveurs DNS que donne le serveur DHCP du routeur (page DHCP ou LAN), ou des réglages réseau du boîtier.
names-lie = Le résolveur { $resolver } donne de fausses adresses ({ $resolvers }) : ce que le boîtier appelle par son nom est peut-être quelqu’un d’autre.
    .remedy = Désactivez la redirection des noms (aide à la recherche, contrôle parental, portail d’invités) pour le boîtier sur { $resolver }, ou donnez au boîtier un autre serveur DNS.
names-refused = Le résolveur { $resolver } refuse de répondre ({ $resolvers }) : le boîtier ne trouve rien par son nom.
    .remedy = Autorisez le boîtier à interroger { $resolver }, ou donnez-lui un autre serveur DNS : dans le routeur, page DHCP ou LAN, ou dans les réglages réseau du boîtier.
names-silent = Aucun résolveur ne répond ({ $resolvers }) : le boîtier ne trouve rien par son nom.
    .remedy = Laissez passer les ports UDP et TCP 53 du boîtier vers { $resolver }, ou donnez-lui un autre serveur DNS : dans le routeur, page DHCP ou LAN, ou dans les réglages réseau du boîtier.
names-nobody = Le boîtier n’a reçu aucun résolveur : il ne trouve rien par son nom.
    .remedy = Indiquez l’adresse du routeur comme serveur DNS : dans le routeur, page DHCP ou LAN, ou dans les réglages réseau du boîtier.

mdns-found = Les machines de ce réseau trouvent le boîtier sous { $name }.
mdns-off = Le boîtier ne s’annonce pas ; il est réglé ainsi.
mdns-taken = Un autre appareil porte déjà le nom du boîtier : les machines trouvent celui-ci sous { $name }.
    .remedy = Éteignez l’autre, ou utilisez { $name }. L’adresse fonctionne dans tous les cas.
mdns-silent = Le boîtier n’est pas trouvé par son nom { $name } dans ce réseau. Les machines peuvent être inscrites par son adresse malgré tout.
    .remedy = Laissez passer le DNS multicast (port UDP 5353, 224.0.0.251) entre le boîtier et le commutateur : cherchez-y l’IGMP snooping ou des filtres multicast, et un pare-feu sur le boîtier.
mdns-dead = Le boîtier ne peut pas être annoncé par son nom dans le réseau ({ $error }). Les machines peuvent être inscrites par son adresse malgré tout.
    .remedy = Cherchez sur le boîtier un autre programme qui garde le port UDP 5353 pour lui (ss -lunp), et arrêtez-le.

rebind-kept = Le nom { $name } mène au boîtier.
rebind-not-needed = Les machines reçoivent l’adresse du boîtier et non un nom ; aucun résolveur n’a à le connaître.
rebind-elsewhere = Le nom { $name } mène ailleurs ({ $resolvers }) : les machines de ce réseau font un détour, ou n’arrivent pas.
    .remedy = Dans le routeur ou le serveur DNS de l’entreprise, faites mener { $name } à l’adresse du boîtier dans ce réseau.
rebind-filtered = Un résolveur ne donne pas d’adresse pour le nom { $name } ({ $resolvers }) : ou bien personne ne l’a inscrit, ou bien les noms qui mènent à des adresses privées sont supprimés (protection contre le DNS rebinding). Les machines qui connaissent le boîtier par ce nom ne trouvent rien.
    .remedy = Dans le routeur, page DNS ou sécurité, ajoutez { $name } aux exceptions de la protection contre le DNS rebinding ; ou indiquez l’adresse du boîtier au lieu du nom : [machine_port] address dans datisd.toml.

uplink-fixed = Le boîtier sort par un port qui n’est pas une ligne mobile.
uplink-mobile = Le boîtier sort par une ligne mobile ({ $port }) : ces lignes changent d’adresse, ne laissent rien entrer et peuvent coûter au volume.
    .remedy = Reliez le boîtier à une ligne fixe s’il y en a une. Sinon, attendez-vous à ce que d’autres ne le joignent pas, et regardez le volume du contrat.

proxy-none = Le boîtier sort sans proxy.
proxy-only = Seul le proxy { $proxy } permet de sortir, et le boîtier n’utilise pas de proxy.
    .remedy = Dans le pare-feu (règles de sortie), laissez le boîtier sortir directement vers les boîtiers extérieurs, en TCP et en UDP. Le proxy peut rester pour tous les autres.

captive-free = Personne ne répond au nom d’un autre.
captive-portal = Quelqu’un d’autre répond au nom d’un boîtier extérieur (code { $status }, { $location }) : ce réseau exige une connexion sur une page avant de laisser sortir quoi que ce soit.
    .remedy = Faites autoriser le boîtier à sortir sans connexion par la personne qui gère ce réseau (liste des appareils autorisés), ou branchez le boîtier sur un autre réseau que celui des invités.

tls-untouched = Les connexions chiffrées arrivent telles qu’elles sont parties.
tls-opened = Les connexions chiffrées sont ouvertes en chemin : au lieu de { $partner }, c’est { $issuer } qui répond. Le boîtier n’envoie rien par cette voie.
    .remedy = Dans le pare-feu ou l’antivirus du réseau (page inspection TLS, analyse HTTPS ou filtre web), ajoutez { $partner } aux exceptions, ou excluez le boîtier de l’inspection.
tls-foreign = À l’adresse { $partner } répond quelque chose qui n’est pas un boîtier ({ $error }).
    .remedy = Vérifiez l’adresse et le port de { $partner } avec la personne qui gère ce boîtier. S’ils sont justes, quelque chose dans ce réseau répond à sa place : faites laisser passer le TCP vers lui sans modification par l’administrateur du pare-feu.

out-open = Tout ce qui a été essayé sort.
out-partly = { $blocked } ne sort pas ({ $how ->
        [rejected-near] refusé tout près, par le routeur ou un pare-feu
        [refused] refusé plus loin
        [prohibited] le réseau répond que c’est interdit
       *[dropped] disparaît sans réponse
    }). Les boîtiers extérieurs sont joints malgré tout.
    .remedy = Dans le pare-feu (règles de sortie), laissez sortir { $blocked } depuis le boîtier. Si un boîtier partenaire est éteint en ce moment, relancez le contrôle plus tard.
out-blocked = { $blocked } ne sort pas ({ $how ->
        [rejected-near] refusé tout près, par le routeur ou un pare-feu
        [refused] refusé plus loin
        [prohibited] le réseau répond que c’est interdit
       *[dropped] disparaît sans réponse
    }) : aucun boîtier extérieur n’est joint.
    .remedy = Dans le pare-feu (règles de sortie), laissez sortir { $blocked } depuis le boîtier. Si c’est déjà permis, le boîtier partenaire est peut-être éteint : demandez à la personne qui le gère.

public-one = De l’extérieur, ce réseau est vu à l’adresse { $public }.
public-several = De l’extérieur, ce réseau est vu à plusieurs adresses ({ $publics }) : les connexions sortent par des voies différentes, et ce qui entre n’en trouve peut-être qu’une.
    .remedy = Dans le routeur (page WAN, répartition de charge), faites sortir toutes les connexions du boîtier par la même ligne.

cgnat-none = Le routeur a lui-même l’adresse publique.
cgnat-forwarded = Le routeur n’a pas d’adresse publique à lui ({ $router-address }), et des boîtiers extérieurs joignent celui-ci malgré tout : ce qui le précède redirige.
cgnat-untold = Le routeur ne dit pas son adresse ; on ne sait donc pas si d’autres partagent l’adresse publique { $public }.
    .remedy = Si in.dialback passe, il n’y a rien à faire. Sinon, comparez l’adresse de la page WAN ou Internet du routeur avec { $public } : elles doivent être identiques.
cgnat-second = L’adresse du routeur { $router-address } n’est pas celle que voit le monde : un autre routeur le précède, et doit rediriger lui aussi.
    .remedy = Mettez le routeur du fournisseur, devant lui, en mode bridge ; ou redirigez le port du boîtier dans les deux, dans le premier vers { $router-address }.
cgnat-shared = Le fournisseur ne donne pas d’adresse publique propre au routeur (routeur : { $router-address }) : plusieurs clients en partagent une (CGNAT), et personne à l’extérieur ne peut joindre le boîtier.
    .remedy = Demandez au fournisseur d’accès une adresse IPv4 publique à vous (souvent appelée full-stack, dédiée ou fixe). S’il y a un second routeur devant celui-ci, mettez d’abord celui-là en mode bridge et relancez le contrôle.

ports-all = Tous les ports de l’adresse publique mènent ici.
ports-fit = Seuls les ports { $ports-from } à { $ports-to } de l’adresse publique mènent ici ; le port du boîtier { $outside-port } en fait partie.
ports-part = Seuls les ports { $ports-from } à { $ports-to } de l’adresse publique mènent ici, les autres à d’autres clients du fournisseur. Le port du boîtier n’en fait pas partie.
    .remedy = Choisissez un port de { $ports-from } à { $ports-to } et indiquez-le dans datisd.toml : [machine_port] outside_port = PORT ; redirigez-le dans le routeur vers le boîtier. Ou demandez au fournisseur une adresse à vous.

map-opened = Le routeur ouvre le port { $outside-port } pour le boîtier quand on le lui demande ({ $method }).
map-unproved = Le routeur dit ouvrir le port { $outside-port } ({ $method }), mais n’en sait rien quand on le redemande.
    .remedy = Voyez ce que dit in.dialback. S’il échoue, redémarrez le routeur, ou redirigez le port à la main dans sa page NAT ou redirection de ports.
map-nobody = Le routeur n’ouvre pas de ports quand on le lui demande.
    .remedy = Si in.dialback passe, il n’y a rien à faire. Sinon, activez UPnP IGD, NAT-PMP ou PCP dans le routeur (page NAT ou UPnP), ou redirigez-y le port du boîtier à la main.
map-refused = Le routeur refuse d’ouvrir le port ({ $router-says }).
    .remedy = Dans le routeur, page UPnP ou NAT, autorisez le boîtier à ouvrir des ports à partir de 1024, ou choisissez un autre port extérieur si celui-ci est pris : [machine_port] outside_port = PORT dans datisd.toml. Ou redirigez le port à la main.

dialback-reached = Des boîtiers extérieurs joignent ce boîtier sur le port { $outside-port }.
dialback-partly = Un seul de plusieurs boîtiers extérieurs joint ce boîtier sur le port { $outside-port } ({ $votes }).
    .remedy = Dans le routeur, regardez si la redirection du port TCP { $outside-port } est limitée à certaines adresses ou à certains pays. Puis relancez le contrôle.
dialback-refused = Le routeur répond à l’extérieur, mais ne redirige rien : le port { $outside-port } est refusé ({ $votes }).
    .remedy = Dans le routeur, page NAT ou redirection de ports, redirigez le port TCP { $outside-port } vers l’adresse du boîtier et son port des machines. Puis relancez le contrôle.
dialback-silent = Rien ne revient du port { $outside-port } ({ $votes }), et rien n’est arrivé au boîtier : c’est jeté en chemin, ou redirigé vers une adresse qui n’existe plus.
    .remedy = Dans le routeur, page NAT ou redirection de ports, redirigez le port TCP { $outside-port } vers l’adresse actuelle du boîtier et son port des machines, et autorisez-le dans le pare-feu (entrée).
dialback-halfway = Les connexions vers le port { $outside-port } arrivent au boîtier, mais ses réponses ne reviennent pas ({ $votes }).
    .remedy = Veillez à ce que les réponses sortent par le routeur par lequel la connexion est entrée : une seule passerelle, et aucune règle de sortie du pare-feu qui les arrête.
dialback-other = Sur le port { $outside-port }, quelqu’un d’autre répond ({ $votes }) : il est redirigé vers un autre appareil.
    .remedy = Dans le routeur, page NAT ou redirection de ports, changez la cible du port TCP { $outside-port } : l’adresse du boîtier et son port des machines.
dialback-prohibited = Le réseau extérieur répond qu’aucune voie ne mène au port { $outside-port } ({ $votes }).
    .remedy = Demandez au fournisseur d’accès si cette ligne peut être jointe de l’extérieur, et sur quels ports. Indiquez-en un dans datisd.toml : [machine_port] outside_port = PORT

hairpin-works = De l’intérieur, l’adresse publique mène aussi au boîtier.
hairpin-none = De l’intérieur, l’adresse publique ne mène pas au boîtier. Beaucoup de routeurs sont ainsi, et le boîtier n’en a pas besoin ; les machines de ce réseau utilisent son adresse propre.

v6-in = Des boîtiers extérieurs joignent ce boîtier par IPv6.
v6-out = IPv6 mène dehors, mais pas dedans ({ $votes }).
    .remedy = Si in.dialback passe, il n’y a rien à faire. Sinon, laissez entrer le port des machines vers { $public } dans le pare-feu IPv6 du routeur.
v6-dead = Le boîtier a une adresse IPv6 ({ $address }), mais ne joint aucun boîtier extérieur avec elle.
    .remedy = Si les autres contrôles passent, il n’y a rien à faire. Sinon, regardez dans le routeur, page IPv6, si le fournisseur donne un préfixe et si le pare-feu laisse sortir IPv6.
v6-none = Ce réseau n’a pas IPv6.
    .remedy = Rien, tant que in.dialback passe. Sinon, demandez IPv6 au fournisseur d’accès : il mène au boîtier là où les adresses IPv4 sont partagées.

mtu-full = Les paquets jusqu’à { $mtu } octets passent.
mtu-small = Seuls les paquets jusqu’à { $mtu } octets passent : les transferts sont un peu plus lents.
    .remedy = S’il y a un VPN ou un tunnel en chemin, il n’y a rien à faire. Sinon, réglez le MTU de la page WAN du routeur sur ce que dit le fournisseur (1492 en PPPoE, 1500 sinon).
mtu-tiny = Seuls les paquets jusqu’à { $mtu } octets passent : IPv6 et bien des services ne fonctionnent pas ainsi.
    .remedy = Réglez le MTU de la page WAN du routeur sur ce que dit le fournisseur (1492 en PPPoE, 1500 sinon), et cherchez des tunnels dans des tunnels.
mtu-hole = Les paquets de plus de { $mtu } octets disparaissent, et aucun routeur ne le dit : les gros transferts s’arrêtent en chemin.
    .remedy = Dans le pare-feu, laissez passer ICMP type 3 code 4 (fragmentation needed) dans les deux sens. En attendant, réglez le MTU du boîtier sur { $mtu }.
mtu-untold = Aucun datagramme vers { $partner } ne reçoit de réponse ; la taille des paquets ne peut donc pas être dite.
    .remedy = Laissez sortir l’UDP du boîtier vers { $partner } ; voyez out.matrix.

rate-good = { $rate-up } Mb/s en émission, { $rate-down } Mb/s en réception.
rate-slow = Seulement { $rate-up } Mb/s en émission ({ $rate-down } Mb/s en réception) : une première copie de 100 Gio vers d’autres sites prend environ { $copy-hours } heures.
    .remedy = Laissez la première copie se faire pendant un week-end. Si le contrat promet davantage, mesurez de nouveau quand personne d’autre n’utilise la ligne, et interrogez le fournisseur.
rate-poor = Seulement { $rate-up } Mb/s en émission ({ $rate-down } Mb/s en réception) : une première copie de 100 Gio vers d’autres sites prend environ { $copy-hours } heures, et les autres le sentiront.
    .remedy = Cherchez ce qui utilise la ligne (page trafic ou QoS du routeur), et un contrat avec plus d’émission. En attendant, ne sauvegardez au-dehors que l’irremplaçable.

partner-none = Il n’y a encore personne à interroger à l’extérieur ; cela ne peut donc pas être dit.
    .remedy = Nommez un ou plusieurs autres boîtiers dans datisd.toml : [commissioning] coordinators = ["HÔTE:PORT#EMPREINTE"]. La personne qui gère un tel boîtier y active [coordinator] ; datisd status y affiche la ligne à copier.
partner-silent = Aucun des boîtiers extérieurs ne répond ({ $partners }) ; cela ne peut donc pas être dit.
    .remedy = Voyez ce que disent les contrôles wan.gateway et out.matrix. S’ils passent tous deux, les autres boîtiers sont éteints ou ont déménagé : demandez aux personnes qui les gèrent.

clock-right = L’horloge est à l’heure (écart { $offset } s).
clock-off = L’horloge { $direction ->
        [slow] retarde
       *[fast] avance
    } de { $offset } s.
    .remedy = Activez la synchronisation de l’heure sur le boîtier : timedatectl set-ntp true
clock-wrong = L’horloge { $direction ->
        [slow] retarde
       *[fast] avance
    } de { $offset } s : les dates des sauvegardes sont fausses et des certificats peuvent être refusés.
    .remedy = Activez la synchronisation de l’heure sur le boîtier (timedatectl set-ntp true) et laissez sortir le port UDP 123 du réseau. Si l’horloge est de nouveau fausse après chaque démarrage, sa pile est vide.
clock-unchecked = Aucun serveur de temps ne répond ({ $sources }) : l’horloge ne peut pas être contrôlée et va dériver.
    .remedy = Laissez sortir le port UDP 123 du boîtier (pare-feu, trafic sortant), ou nommez votre propre serveur de temps dans datisd.toml : [commissioning] time_servers = ["ADRESSE"]

room-enough = { $free-gib } Gio sur { $total-gib } Gio sont libres.
room-short = Le disque est plein à { $percent } % : { $free-gib } Gio sur { $total-gib } Gio sont libres.
    .remedy = Prévoyez un disque plus grand, ou raccourcissez la durée de conservation : datisd policy --machine NOM --local RÈGLE
room-none = Le disque est plein à { $percent } % : { $free-gib } Gio sur { $total-gib } Gio sont libres. Le boîtier devra bientôt refuser des sauvegardes.
    .remedy = Installez un disque plus grand, retirez ce qui n’est pas au boîtier, ou raccourcissez la durée de conservation : datisd policy --machine NOM --local RÈGLE

power-protected = L’onduleur { $ups } protège le boîtier.
power-short = L’onduleur { $ups } ne tient que { $ups-minutes } minutes : une coupure plus longue arrête le boîtier.
    .remedy = Débranchez de l’onduleur ce qui peut s’en passer, ou prenez-en un plus grand. Cinq minutes suffisent aux coupures habituelles.
power-charging = La batterie de l’onduleur { $ups } est encore en charge : d’ici là, une coupure arrête vite le boîtier.
    .remedy = Rien, si le courant vient de revenir. Si c’est encore le cas le lendemain, la batterie est usée.
power-unprotected = Le système ne connaît pas d’onduleur : une coupure de courant arrête le boîtier et la sauvegarde en cours.
    .remedy = Placez le boîtier et le routeur derrière un onduleur. Reliez son câble USB au boîtier et déclarez-le dans NUT (paquets nut-server et nut-client ; nut-scanner -U affiche ce que demande /etc/nut/ups.conf).
power-unknown = L’onduleur { $ups } ne dit pas comment il va.
    .remedy = Vérifiez son câble USB et relancez NUT sur le boîtier : systemctl restart nut-server. upsc { $ups } montre ce qu’il dit.
power-on-battery = Le courant est coupé : le boîtier tourne sur la batterie de l’onduleur { $ups }.
    .remedy = Voyez le secteur : disjoncteur, prise, interrupteur de l’onduleur. Si la pièce est éclairée, c’est la prise ou la fiche de l’onduleur.
power-battery-worn = La batterie de l’onduleur { $ups } est usée : elle ne tient peut-être que quelques secondes.
    .remedy = Remplacez la batterie de l’onduleur ; son type est sur l’étiquette. Lancez ensuite l’autotest de l’onduleur.

probe-missing = Le programme qui peut poser des questions ARP et DHCP ne tourne pas ({ $reason }) ; on ne peut donc pas le savoir.
    .remedy = Installez datis-probe à côté de datisd et activez-le : systemctl enable --now datis-probe.socket. Relancez ensuite le contrôle.
untold = Le système n’a pas dit ce que ce contrôle doit savoir ({ $reason }). Cela ne veut pas dire que quelque chose ne va pas.
    .remedy = Relancez le contrôle. S’il dit la même chose, transmettez ces mots au support.

fact-port = Port
fact-mac = Adresse matérielle
fact-speed = Mb/s
fact-address = Adresse
fact-addresses = Adresses
fact-gateway = Passerelle
fact-metric = Métrique
fact-server = Serveur DHCP
fact-lease-minutes = Bail, minutes restantes
fact-other-macs = L’autre appareil
fact-servers = Serveurs DHCP
fact-offers = Offert à d’autres
fact-lease-hours = Bail, heures
fact-moved-from = Adresse précédente
fact-moved-at = Changée
fact-gateway-mac = Adresse matérielle de la passerelle
fact-answered-to = A répondu à
fact-answer-ms = Réponse, ms
fact-resolvers = Résolveurs
fact-resolver = Résolveur
fact-sources = Serveurs de temps
fact-offset = Écart en secondes
fact-percent = Plein, %
fact-free-gib = Libre, Gio
fact-total-gib = En tout, Gio
fact-ups = Onduleur
fact-ups-status = L’onduleur indique
fact-ups-charge = Batterie, %
fact-ups-minutes = Batterie, minutes
fact-nut-server = Serveur NUT
fact-asked = Demandé
fact-tried = Essayé
fact-partners = Boîtiers extérieurs
fact-partner = Boîtier extérieur
fact-status = Code
fact-location = Mène à
fact-issuer = Certificat signé par
fact-error = Erreur
fact-ports = Ports
fact-blocked = Ne sort pas
fact-public = Adresse publique
fact-publics = Adresses publiques
fact-outside-port = Port extérieur
fact-votes = Rappels
fact-arrivals = Vus par le boîtier
fact-router-address = Adresse du routeur
fact-router-says = Routeur
fact-method = Par
fact-mapping-minutes = Ouvert pour, minutes
fact-ports-seen = Ports vus de l’extérieur
fact-ports-kept = Ports inchangés
fact-ports-from = Premier port
fact-ports-to = Dernier port
fact-inside = De l’intérieur
fact-mtu = Plus gros paquet, octets
fact-mtu-own = Plus gros paquet du port, octets
fact-rate-up = Émission, Mb/s
fact-rate-down = Réception, Mb/s
fact-copy-hours = 100 Gio, heures
fact-name = Nom
fact-proxy = Proxy
fact-reason = Raison
