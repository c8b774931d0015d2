# Ce que dit le boîtier pendant sa mise en service : feuilles, questions, étapes.

# Le certificat.
cert-title = Certificat de mise en service
cert-title-open = Rapport de mise en service, non signé
cert-title-bad = Pas en ordre : ceci n’est pas un certificat
cert-verdict-good = Réussi. Ce boîtier a été vérifié et la mise en service signée.
cert-verdict-open = Rien ne s’y oppose, mais personne n’a encore signé.
cert-verdict-bad = { $n ->
        [one] NON RÉUSSI. { $n } point s’oppose à la mise en service de ce boîtier.
       *[other] NON RÉUSSI. { $n } points s’opposent à la mise en service de ce boîtier.
    }
cert-box = Boîtier
cert-serial = Numéro de série (coffre)
cert-version = Version du logiciel
cert-address = Adresse pour les postes
cert-portal = Portail DatisAdmin
cert-mac = Adresse matérielle
cert-started = Premier démarrage
cert-signed-by = Signé par
cert-signed-at = Signé le
cert-nobody = personne
cert-elapsed = Du premier démarrage à la signature
cert-minutes = { $n ->
        [one] { $n } minute
       *[other] { $n } minutes
    }
cert-days = { $n ->
        [one] { $n } jour
       *[other] { $n } jours
    }
cert-obstacles = Ce qui s’y oppose
cert-todo = Que faire
cert-never-looked = Jamais vérifié : faites vérifier le site par le boîtier.
cert-all-checks = Toutes les vérifications
cert-check = Vérification
cert-state = État
cert-found = Constat et preuves
cert-when = Quand, durée
cert-took = en { $s } s
cert-skipped = Pas examiné : attend « { $check } ».
cert-note = Chaque vérification montre son dernier résultat. Les heures sont en UTC.
cert-sign-technician = Technicien
cert-sign-customer = Client

# La feuille pour l’administrateur du pare-feu.
fw-title = Pour l’administrateur du pare-feu
fw-intro = Un boîtier de sauvegarde se trouve dans votre réseau. Les postes lui envoient leurs sauvegardes ; rien n’a besoin d’être joignable de l’extérieur, sauf ce qui est écrit ici.
fw-box = Le boîtier
fw-address = Adresse interne
fw-mac = Adresse matérielle (MAC)
fw-gateway = Passerelle
fw-unknown = pas encore connue
fw-reserve = Réservez cette adresse pour cette adresse matérielle dans le serveur DHCP, ou donnez au boîtier une adresse hors de la plage distribuée. Les règles ci-dessous la visent.
fw-out = À laisser sortir
fw-port = Protocole et port
fw-to = Vers
fw-why = Pour quoi
fw-to-resolvers = les résolveurs de ce réseau
fw-why-names = Résolution des noms.
fw-why-time = L’horloge est comparée et mise à l’heure.
fw-why-partner = Un autre boîtier répond à ce qui ne se voit que de l’extérieur : l’adresse publique, l’ouverture du chemin d’entrée. N’ouvrez pas et ne remplacez pas cette connexion chiffrée.
fw-why-mail = Rapports et alertes par courriel.
fw-in = À rediriger vers le boîtier (DNAT)
fw-rule = De l’extérieur → à l’intérieur
fw-in-why = D’autres boîtiers joignent celui-ci : chiffré de bout en bout, chaque côté montre sa clé. Sans cette règle, les sauvegardes de ce réseau fonctionnent quand même.
fw-in-never = Ne redirigez jamais DatisAdmin (TCP 443 ou 8443) : cette page est réservée à ce réseau.
fw-test = Comment voir que cela marche
fw-test-text = Ouvrez { $url } et choisissez « Contrôler maintenant » : « Voies de sortie » et « Accès depuis l’extérieur » disent en une demi-minute ce qui arrive et ce qui n’arrive pas. Le port n’est ouvert que tant que le boîtier répond : un essai de l’extérieur sur TCP { $port } doit aboutir.

# Feuilles, sur la page du site.
sheets = Feuilles
sheet-firewall = Pour l’administrateur du pare-feu (PDF)
sheet-firewall-text = Ce qu’il faut laisser sortir, rediriger, vers quelle adresse, et comment voir que cela marche.
sheet-now = Rapport de mise en service de maintenant (PDF)
sheet-now-text = Chaque vérification avec son dernier résultat. Non signé.
sheet-signed = Certificat signé (PDF)
sign = Signer la mise en service
sign-text = Rien ne s’y oppose. Votre nom et le temps écoulé depuis le premier démarrage figureront sur le certificat.
sign-in-the-way = { $n ->
        [one] Personne ne peut encore signer : { $n } point s’y oppose. Faites contrôler le site et suivez ce qui est écrit là où cela a échoué.
       *[other] Personne ne peut encore signer : { $n } points s’y opposent. Faites contrôler le site et suivez ce qui est écrit là où cela a échoué.
    }
said-signed = Signé. Le certificat est conservé sur le boîtier.
audit-site-answered = question sur le lieu répondue
audit-signed-off = mise en service signée

# Vérifications qui regardent les gens et les pièces du boîtier.
check-hw-smart = Disques
check-acct-admin = Le boîtier a un propriétaire
check-key-kit = Kit de secours
check-mail-test = Les courriels arrivent
check-client-first = Première machine
check-site-place = L’emplacement
check-site-power = Alimentation protégée
check-site-access = Accès aux postes
check-site-line = Type de connexion
check-site-shared = Connexion partagée
check-site-operator = Contrat avec Free
fact-disks = Disques
fact-disk = Disque concerné
fact-admins = Administrateurs
fact-codes-left = Codes de secours restants
fact-taken-at = Retiré
fact-proved-at = Prouvé
fact-mail-server = Serveur de courriel
fact-answer = Réponse du serveur
fact-machines = Machines
fact-restored = Restauré
fact-said-by = Répondu par
fact-said-at = Répondu le
fact-contact = Contact

disks-good = Les disques se disent en bonne santé.
disks-mute = Les disques ne disent rien d’eux-mêmes, comme dans les machines virtuelles : c’est à l’exploitant de la machine hôte de les surveiller.
disks-unasked = Les disques n’ont pas été interrogés ({ $reason }) : un disque sur le point de lâcher lâchera sans prévenir.
    .remedy = Installez smartmontools sur le boîtier et activez sa sonde de disques : `systemctl enable --now datis-disks.socket`.
disks-worn = { $disk } a abandonné des secteurs ou a presque épuisé ce pour quoi il est fait. Il fonctionne encore, mais plus pour des années.
    .remedy = Commandez dès maintenant un disque de même taille ou plus grand et changez { $disk } à la prochaine visite. Suivez les chiffres ci-dessous : ils ne devraient pas augmenter de jour en jour.
disks-failing = { $disk } annonce sa panne. Les sauvegardes qui ne sont que là peuvent être perdues d’un jour à l’autre.
    .remedy = Changez { $disk } aujourd’hui. D’ici là, ne modifiez rien aux machines qui dépendent de ces sauvegardes.
admin-ready = Un administrateur peut se connecter, avec un second facteur et des codes de secours.
admin-few-codes = Un administrateur n’a presque plus de codes de secours : au prochain téléphone perdu, plus personne n’entre.
    .remedy = Que l’administrateur crée de nouveaux codes de secours sur la page « Mon compte », les imprime et les range.
admin-one-factor = L’administrateur entre avec un simple mot de passe : qui le découvre possède toutes les sauvegardes.
    .remedy = Que l’administrateur se connecte et configure une application d’authentification ; la page le demande.
admin-none = Personne n’est encore administrateur de ce boîtier.
    .remedy = Lancez `datisd auth admin-link` sur le boîtier et faites ouvrir le lien par le propriétaire dans un navigateur de ce réseau.
kit-proved = Le kit de secours est entre de bonnes mains : des parties en ont été recopiées du papier.
kit-stale = Il y a plus de trois mois que personne n’a montré que le kit de secours est toujours là. Sans lui, personne ne lit les sauvegardes une fois le boîtier disparu.
    .remedy = Que le propriétaire prenne le kit imprimé et réponde à la question de la page « Le boîtier », partie « Kit de secours ».
kit-taken = Le kit de secours a été retiré, mais personne n’a montré qu’il est sur papier et lisible.
    .remedy = Que le propriétaire imprime le kit, le prenne en main et réponde à la question de la page « Le boîtier », partie « Kit de secours ».
kit-none = Personne n’a retiré le kit de secours. Si ce boîtier brûle ou est volé, personne ne pourra lire ses sauvegardes placées ailleurs.
    .remedy = Que l’administrateur retire le kit sur la page « Le boîtier », l’imprime deux fois, le range en deux endroits hors de cette pièce, puis réponde à la question au même endroit.
mail-read = Les courriels du boîtier arrivent et sont lus.
mail-sent-only = Le serveur a accepté un courriel d’essai ; personne n’en a saisi le code. Il est peut-être dans les indésirables.
    .remedy = Cherchez le courriel, aussi parmi les indésirables, et saisissez son code sur la page « Rapports ». S’il n’y est pas, envoyez-en un autre.
mail-untried = L’envoi est configuré, et personne ne l’a essayé.
    .remedy = Choisissez « Envoyer un test » sur la page « Rapports » et saisissez-y le code reçu.
mail-unset = Personne ne reçoit de courriel de ce boîtier : si les sauvegardes échouent, personne n’est prévenu.
    .remedy = Configurez un serveur de courriel et des destinataires sur la page « Rapports ».
mail-refused = Le serveur de courriel n’accepte pas les envois du boîtier : personne n’est prévenu si les sauvegardes échouent. Il dit : { $answer }
    .remedy = Corrigez serveur, port, protection, utilisateur ou expéditeur sur la page « Rapports », d’après ce que dit le serveur, puis envoyez un courriel d’essai.
machine-restored = Une machine est sauvegardée, et quelque chose a été restauré d’une sauvegarde.
machine-saved = Une machine est sauvegardée ; rien n’en a encore été restauré.
    .remedy = Ouvrez la page « Restaurer », choisissez un fichier de cette machine, téléchargez-le et regardez-le avec le client ; ou lancez `datis restore` sur la machine.
machine-none = Aucune machine n’a encore de sauvegarde.
    .remedy = Choisissez « Ajouter une machine » sur la page « Machines », lancez la ligne affichée sur le poste et attendez sa première sauvegarde.
question-open = Personne n’a encore répondu à cette question sur le lieu.
    .remedy = Répondez-y dans la mise en service, étape « L’emplacement ».
place-good = L’emplacement est sec, à l’abri du soleil et de la poussière, avec une prise réseau et une prise électrique.
place-lacking = L’emplacement n’est pas comme il devrait être :{ $dry ->
        [no] {" "}il est humide ;
       *[yes] {""}
    }{ $shade ->
        [no] {" "}le soleil y donne ;
       *[yes] {""}
    }{ $clean ->
        [no] {" "}il y a de la poussière ;
       *[yes] {""}
    }{ $network ->
        [no] {" "}il n’y a pas de prise réseau ;
       *[yes] {""}
    }{ $socket ->
        [no] {" "}il n’y a pas de prise électrique ;
       *[yes] {""}
    } un boîtier dans un tel endroit ne vit pas longtemps, ou quelqu’un le débranche.
    .remedy = Trouvez un autre emplacement ou faites aménager celui-ci par l’électricien du client, puis répondez à nouveau.
supply-protected = L’alimentation du boîtier est protégée.
supply-found = Personne ne connaît de protection, mais un onduleur répond et il est en ordre.
supply-none = L’alimentation n’est pas protégée. Une coupure la nuit met fin à la sauvegarde de cette nuit et peut abîmer le disque.
    .remedy = Branchez un onduleur ou une prise protégée. Vérifiez si le bon de commande en prévoit un ; sinon commandez-le. Personne ne signe avant.
access-all = Les postes et serveurs sont accessibles en tant qu’administrateur.
access-some = Seule une partie des postes et serveurs est accessible en tant qu’administrateur : les autres ne seront pas sauvegardés aujourd’hui.
    .remedy = Demandez au client ou à son prestataire un compte administrateur pour les autres, et notez ceux qui restent.
access-none = Personne n’a d’accès administrateur aux postes : aucune machine ne peut être sauvegardée.
    .remedy = Demandez un compte administrateur au client ou à son prestataire informatique.
line-fixed = La connexion est en fibre ou en DSL.
line-mobile = La connexion est cellulaire (4G/5G). Ces connexions ne sont pas supportées, sauf rare exception : les autres boîtiers ne peuvent pas joindre celui-ci. Les sauvegardes de ce réseau fonctionnent.
    .remedy = Commandez la fibre ou le DSL, ou demandez à l’opérateur une adresse publique sur cette ligne. « Accès depuis l’extérieur » montre si cela aide.
line-unknown = Personne ici ne connaît le type de cette connexion.
    .remedy = Regardez le contrat de l’opérateur ou l’étiquette du routeur, puis répondez à nouveau.
line-own = Personne d’autre n’utilise la connexion.
line-shared-contact = D’autres utilisent aussi la connexion. Ce qui doit être ouvert au pare-feu, c’est son administrateur qui doit le faire.
    .remedy = Donnez à cet administrateur la feuille pour le pare-feu (page « Le site ») avant la visite et convenez d’une heure.
line-shared-alone = D’autres utilisent aussi la connexion, et personne ne sait qui la gère : ce qui doit y être ouvert ne le sera pas.
    .remedy = Trouvez qui gère le réseau de l’immeuble, notez nom et téléphone dans la réponse et envoyez-lui la feuille pour le pare-feu.
operator-fine = Le contrat n’a rien de connu qui gêne.
operator-dedicated = C’est un contrat Free, avec une adresse dédiée.
operator-free = C’est un contrat Free dont l’adresse est partagée avec d’autres abonnés : le port dont les autres boîtiers ont besoin n’est sans doute pas à ce site.
    .remedy = Que le client demande une adresse dédiée (« IP fixe V4 full-stack ») dans son espace abonné Free ; elle arrive sous un jour, après redémarrage du routeur. « Accès depuis l’extérieur » en est la preuve.
audit-kit-proved = kit de secours prouvé
audit-kit-missed = kit de secours non prouvé
audit-mail-proved = courriel d’essai lu

# Preuves du kit et du courriel.
kit-proof = L’avez-vous toujours ?
kit-proof-text = Prenez le kit imprimé en main et saisissez les deux groupes de lettres demandés. Le boîtier redemande tous les trois mois.
kit-group = Groupe { $n }
kit-prove = Je l’ai
kit-off-box = La clé du kit a été retirée de ce boîtier, qui ne peut donc plus en demander des parties. Tapez le kit, ou deux de ses trois feuilles, pour voir qu’il ouvre toujours ce boîtier et pour l’imprimer de nouveau avec les autres boîtiers tels qu’ils sont maintenant.
err-kit = Ce n’est pas ce que dit le kit. D’autres groupes sont maintenant demandés ; regardez leurs numéros.
said-kit-proved = Le kit est bien là.
mail-code-text = Le code de ce courriel est { $code }. Saisissez-le sur la page « Rapports », pour que le boîtier sache que ses courriels sont lus.
mail-code-title = Le courriel d’essai est-il arrivé ?
mail-code-hint = Il apporte un code de six chiffres. Saisissez-le ici, pour que le boîtier sache que ses courriels sont lus.
mail-code-field = Code du courriel
mail-code-check = Vérifier le code reçu
err-mail-code = Ce n’est pas le code du dernier courriel d’essai, ou il a expiré. Envoyez-en un autre.
said-mail-proved = Le courriel est arrivé et a été lu.

# La mise en service.
setup = Mise en service
setup-steps = Étapes de la mise en service
setup-go-on = La mise en service de ce boîtier n’est pas encore signée. La page montre ce qui reste à faire.
setup-all-steps = Toutes les étapes de la mise en service
setup-done = fait
setup-look = fait, avec un point à regarder
setup-open = à faire
setup-failed = à corriger
setup-before = Retour
setup-after = Suite
setup-seen = Ce que voit le boîtier
setup-made = Ce que le boîtier a fait de lui-même
setup-made-keys = Identité et clés
setup-made-vault = Création du coffre
setup-made-certificate = Certificat de DatisAdmin
setup-signed = La mise en service est signée.
setup-step-start = Premier démarrage
setup-step-place = L’emplacement
setup-step-network = Le réseau
setup-step-outside = Vers l’extérieur
setup-step-account = Le propriétaire
setup-step-kit = Kit de secours
setup-step-mail = Courriel
setup-step-first-machine = Première machine
setup-step-sign-off = La signature
setup-text-start = Le boîtier se configure seul à l’allumage : clés, coffre, stockage, certificat. Il prend une adresse du réseau, répond à son nom et compare son horloge.
setup-text-place = Ce que seuls les gens peuvent dire du lieu. Chaque réponse figure sur le certificat, avec le nom de qui l’a donnée.
setup-text-network = Si l’adresse du boîtier est bien à lui et le restera, et si le réseau autour fait ce qu’il doit.
setup-text-outside = Ce qui sort et ce qui entre. Les sauvegardes de ce réseau s’en passent ; les autres boîtiers en ont besoin.
setup-text-account = Il faut au boîtier un propriétaire qui puisse entrer, avec un second facteur et des codes de secours sur papier.
setup-text-kit = Le kit ouvre les sauvegardes quand le boîtier a disparu. Imprimez-le, rangez-le en deux endroits hors de cette pièce et prouvez qu’il est là.
setup-text-mail = Le boîtier écrit chaque jour, et aussitôt que quelque chose ne va pas. Configurez le serveur de courriel, envoyez un test et recopiez le code reçu.
setup-text-first-machine = Faites entrer un poste, attendez sa première sauvegarde, puis restaurez-en un fichier avec le client.
setup-text-sign-off = Quand plus rien ne s’y oppose, un technicien ou un administrateur signe. Le certificat est conservé sur le boîtier.
setup-do-network = Toutes les vérifications et la feuille pour le pare-feu
setup-do-outside = Toutes les vérifications et la feuille pour le pare-feu
setup-do-sign-off = Toutes les vérifications et les feuilles
setup-do-account = Vers les comptes
setup-do-kit = Vers le kit de secours
setup-do-mail = Vers le courriel et les rapports
setup-do-first-machine = Ajouter la première machine
ask-contact = Qui gère ce réseau : nom et téléphone
ask-place = Qu’est-ce qui est vrai de l’emplacement du boîtier ?
ask-place-why = Humidité, soleil et poussière abrègent la vie des disques ; un boîtier sans prises à lui finit débranché.
answer-place-dry = Il est sec
answer-place-shade = Il est à l’abri du soleil
answer-place-clean = Il est sans poussière
answer-place-network = Il a une prise réseau
answer-place-socket = Il a une prise électrique
ask-power = Comment l’alimentation du boîtier est-elle protégée ?
ask-power-why = Elle doit l’être : par un onduleur ou une prise protégée. Sans l’un ni l’autre, personne ne signe, sauf si le boîtier trouve lui-même un onduleur.
answer-power-ups = Par un onduleur
answer-power-socket = Par une prise protégée
answer-power-none = Pas du tout
ask-access = Peut-on travailler sur les postes et serveurs en administrateur ?
ask-access-why = Le programme qui les sauvegarde doit y être installé.
answer-access-all = Sur tous
answer-access-some = Sur une partie
answer-access-none = Sur aucun
ask-line = Quel type de connexion mène à Internet ?
ask-line-why = Les connexions cellulaires ne sont pas supportées : rien n’entre de l’extérieur.
answer-line-fibre = La fibre
answer-line-dsl = Le DSL
answer-line-mobile = Une connexion cellulaire (4G, 5G)
answer-line-unknown = Personne ici ne le sait
ask-shared = D’autres utilisent-ils aussi cette connexion ?
ask-shared-why = Comme dans un hôtel d’entreprises. Alors l’administrateur de ce réseau doit ouvrir ce qu’il faut, et être prévenu avant.
answer-shared-alone = Non, elle est à ce site seul
answer-shared-shared = Oui, d’autres l’utilisent aussi
ask-operator = Est-ce un contrat Free dont l’adresse est partagée ?
ask-operator-why = Alors le client doit demander à Free une adresse dédiée, sinon les autres boîtiers ne peuvent pas joindre celui-ci.
answer-operator-other = Non
answer-operator-free-dedicated = Oui, et une adresse dédiée est en place
answer-operator-free = Oui, sans adresse dédiée

# Ce qu’un revendeur a préparé.
setup-bundle = Préparé par { $name } ({ $contact }) avec le lot de réglages numéro { $serial }. Tout ce qu’il a réglé peut être modifié.
setup-bundle-unreachable = Un lot de réglages n’a pas pu être lu ou récupéré. Les réglages d’origine restent ; « datisd bundle show » sur la console dit pourquoi.
setup-bundle-malformed = Un lot de réglages n’a pas été compris, et rien n’en a été repris. « datisd bundle show » sur la console dit ce qui ne va pas.
setup-bundle-signature = Un lot de réglages n’est pas tel qu’il a été signé, et rien n’en a été repris. Redemandez le fichier à son auteur.
setup-bundle-untrusted = Un lot de réglages était là, mais personne ne s’est porté garant de sa clé : rien n’en a été repris.
setup-bundle-other-key = Un lot de réglages est signé avec une autre clé que celle que ce boîtier accepte : rien n’en a été repris.
setup-bundle-expired = Un lot de réglages était trop ancien pour être repris : son dernier jour est passé, d’après l’horloge du boîtier.
setup-bundle-older = Un lot de réglages n’a pas été repris : il est plus ancien qu’un lot déjà repris, porte le même numéro avec un autre contenu, ou a été remplacé par un autre. « datisd bundle show » sur la console dit lequel de ces cas.
audit-bundle-applied = réglages d’un lot appliqués
cert-reseller = Préparé par
audit-community-founded = communauté de boîtiers fondée
audit-community-asked = entrée dans une communauté demandée
audit-community-joined = entré dans une communauté
audit-member-invited = boîtier invité
audit-invitation-revoked = invitation d’un boîtier retirée
audit-member-admitted = boîtier admis
audit-member-removed = membre exclu de la communauté
audit-member-renamed = membre de la communauté renommé
audit-member-labelled = étiquettes d’un membre de la communauté fixées
audit-community-left = communauté quittée
audit-proposal-agreed = accord donné à une proposition dans la communauté
audit-threshold-set = plus d’administrateurs de la communauté doivent être d’accord
audit-member-dismissed = administrateur de la communauté redevenu simple membre
audit-community-forgotten = communauté oubliée
audit-log-taken = journal d’un autre membre repris
audit-member-refused = boîtier refusé
audit-kit-claimed = kit de secours d’un membre présenté par un boîtier vierge
audit-bandwidth-set = a changé ce qui, de la ligne, va aux autres boîtiers
audit-brake-lifted = les suppressions reprennent pour un membre, avec son kit de secours
audit-member-confirmed = membre confirmé sur un nouveau boîtier
audit-member-appointed = membre nommé administrateur de la communauté
audit-member-vouched = s’est porté garant d’un nouveau membre de la communauté

# Ramener un boîtier perdu depuis la première page d’un boîtier vierge
back-offer-title = Un autre boîtier a été perdu ?
back-offer = Avec son kit de secours, ce boîtier peut prendre sa place.
back-offer-do = Ramener un boîtier perdu
back-title = Ramener un boîtier perdu
back-text = Ce boîtier est vierge. À partir du kit de secours et de ce que les autres boîtiers conservent, le boîtier perdu est refait ici, et celui-ci prend sa place. S’il réapparaît un jour, le boîtier perdu n’est plus cru.
back-kit = Le kit de secours
back-kit-hint = Tapez ou collez toute la page, de « DATIS RECOVERY KIT » jusqu’à la ligne qui commence par AGE-SECRET-KEY-1. Si le kit est en trois feuilles : deux d’entre elles, l’une après l’autre, chacune depuis « DATIS RECOVERY SHEET ».
back-one = Tous ces boîtiers sont perdus : un seul suffit
back-do = Le ramener
back-not = Non, installer un nouveau boîtier
back-find = Demander aux autres boîtiers ce qu’ils conservent
back-catalog = Dresser la liste de toutes les sauvegardes
back-place = Dire aux autres boîtiers que le boîtier est désormais celui-ci
back-waits = pas encore
back-runs = en cours
back-done = terminé
back-wait = Cette page montre toutes les quelques secondes où cela en est. Un grand boîtier demande quelques minutes.
back-look = Regarder maintenant
back-ready = Tout ce que les autres boîtiers conservent est connu. Le boîtier redémarre maintenant en tant que boîtier perdu. Ensuite vous en devenez l’administrateur et pouvez restaurer des fichiers aussitôt ; le reste arrive en arrière-plan.
back-start = Démarrer en tant que boîtier perdu
back-starting = Le boîtier redémarre ; cela prend quelques secondes.
back-go-on = Continuer
err-back-kit = Il y a une faute de frappe dans le kit. Comparez cette ligne avec le papier :
err-back-no-community = Ce kit a été imprimé avant que le boîtier ne soit dans une communauté : il ne nomme aucun autre boîtier. Prenez-en un plus récent, ou restaurez depuis les disques du boîtier perdu.
err-back-nobody = Aucun des boîtiers que nomme le kit ne répond. Vérifiez que ce boîtier est sur le réseau et que l’un d’eux fonctionne, puis réessayez.
err-back-nothing = Les boîtiers qui répondent ne conservent rien pour ce kit. Démarrez-en d’autres, puis réessayez.
err-back-one = Un seul boîtier a dit ce qu’il y avait en dernier. Ne répondent pas : { $what }. Ce qu’ils savent est peut-être plus récent, et tout cela serait abandonné. Démarrez l’un d’eux, puis réessayez. S’ils sont tous perdus, tapez le kit encore une fois et cochez ci-dessous qu’un seul boîtier suffit.
err-back-few = Trop peu des boîtiers qui conservent les sauvegardes répondent. Rien n’est perdu pour autant : démarrez-en d’autres, puis réessayez ; cela continue là où c’était.
err-back-other = Le boîtier n’a pas été ramené. Ce qui a été reçu est conservé ; réessayez. Le boîtier dit :
err-back-first = Un boîtier perdu est en train de revenir dans celui-ci. Laissez-le finir et démarrer comme le boîtier perdu, ou redémarrez d’abord ce boîtier ; il ne revient alors pas.

# Trying a recovery
audit-drill-passed = récupération essayée, en tant de secondes
audit-drill-failed = récupération essayée en vain

# Le kit de secours en trois feuilles.
kit-three = En trois feuilles
kit-three-text = Pour que personne n’ouvre seul les sauvegardes : deux des trois feuilles, n’importe lesquelles, valent le kit, et une seule n’ouvre rien. Confiez chacune à une autre personne, dans un autre lieu, aucune près du boîtier. Chaque impression fait un nouveau jeu ; les feuilles de deux jeux ne vont pas ensemble, celles d’avant restent valables entre elles.
kit-three-print = Imprimer trois feuilles
kit-three-get = Télécharger les trois feuilles en texte
kit-part = Kit de secours, feuille { $sheet } sur 3
kit-part-of-set = Kit de secours, feuille { $sheet } sur 3, jeu { $set }
kit-part-what = Deux de ces trois feuilles, n’importe lesquelles, font revenir le boîtier et ouvrent chaque sauvegarde. Celle-ci seule n’ouvre rien.
kit-part-set = Jeu
kit-part-printed = Imprimé le
kit-part-keep = Gardez chacune des trois feuilles dans un autre lieu, chez une autre personne, et aucune près du boîtier. Si le boîtier est perdu, réunissez-en deux du même jeu : un boîtier vierge propose « Ramener un boîtier perdu » sur sa première page.
kit-part-code = Ce que cette feuille a de secret, en code QR
kit-part-code-text = Il contient la ligne qui commence par DATIS-KIT-SHEET-1, et rien d’autre.
kit-part-whole = La feuille entière
kit-part-whole-text = Un boîtier perdu revient avec toutes les lignes ci-dessous, suivies de celles d’une autre feuille de ce jeu. À la place de la dernière, on peut taper les lignes numérotées en mots ; le dernier mot de chacune la vérifie, et quatre lettres d’un mot suffisent.
kit-paper = Le kit, ou deux de ses feuilles
kit-paper-hint = Tapez ou collez toute la page, ou deux feuilles l’une après l’autre. Le boîtier les regarde et ne les garde pas.
kit-paper-check = Vérifier
kit-paper-sheets = Taper plutôt le kit entier, ou deux de ses trois feuilles
err-kit-none = Ce n’est pas un kit de secours. Tapez-le depuis sa première ligne, « # DATIS RECOVERY KIT 1 » ou « # DATIS RECOVERY SHEET 1 ».
err-kit-one-more = C’est la feuille { $sheet } sur 3. Seule, elle n’ouvre rien, il en faut une de plus : tapez en dessous une autre feuille du jeu { $set }.
err-kit-same-sheet = La feuille { $sheet } est là deux fois, et seule elle n’ouvre rien. Prenez avec elle une autre feuille du jeu { $set }.
err-kit-two-sets = Ce sont des feuilles de deux jeux, { $one } et { $other }. Prenez-en deux qui nomment le même jeu.
err-kit-two-boxes = Ce sont des feuilles de deux boîtiers. Prenez-en deux qui nomment le même boîtier et le même jeu.
err-kit-altered = Les deux feuilles nomment le même jeu et ne vont pas ensemble : l’une d’elles a été modifiée. Prenez la troisième à sa place.
err-kit-other = C’est le kit d’un autre boîtier. Prenez celui qui a été imprimé depuis ce boîtier.
audit-kit-sheets-shown = kit de secours retiré, en trois feuilles
