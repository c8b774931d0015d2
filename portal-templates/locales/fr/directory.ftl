# L’annuaire de l’entreprise.

directory-title = Annuaire de l’entreprise
directory-text = Avec un annuaire LDAP, chacun se connecte avec son mot de passe de l’entreprise. Le compte apparaît ici à la première connexion ; les droits suivent les groupes. Les comptes du boîtier passent d’abord, et marchent quand l’annuaire est absent. Les admins ont besoin ici aussi de leur authentificateur.
directory-settings = Comment il est interrogé
directory-host = Serveur
directory-ldaps = LDAPS (en général 636)
directory-starttls = STARTTLS (en général 389)
directory-none = aucune (cet ordinateur seulement)
directory-authority = Autorité du certificat du serveur (PEM), si le système ne la connaît pas
directory-base = Où sont les personnes et les groupes
directory-filter = Filtre qui trouve quelqu’un par son nom
directory-filter-hint = Avec { "{" }name{ "}" } à la place du nom saisi. Active Directory : (sAMAccountName={ "{" }name{ "}" })
directory-service = Compte de service (nom complet de son entrée)
directory-service-hint = Le boîtier s’en sert pour chercher les personnes, et voit en 15 minutes qui est parti. Un mot de passe vide garde celui qui est là ; il est conservé scellé.
directory-template = Sans compte de service : sous quel nom on s’y connecte
directory-groups = Qui peut entrer
directory-groups-hint = Noms complets des groupes, un par ligne. Qui n’est dans aucun ne peut pas entrer ; de plusieurs rôles le premier compte. Les groupes dans des groupes ne comptent pas.
directory-off-title = Sans l’annuaire
directory-off-text = Ses personnes ne peuvent plus se connecter, et ce qu’elles ont d’ouvert se termine en 15 minutes. Leurs comptes restent, pour le jour où il est remis.
directory-off-do = Ne plus l’interroger
directory-ask = Interroger l’annuaire
directory-ask-hint = Interroge avec ce qui est enregistré. Sans mot de passe, on regarde seulement si la personne existe.
directory-told-in = Peut entrer, comme :
directory-told-out = L’annuaire connaît cette personne, mais aucun de ses groupes ne peut entrer.
directory-told-nobody = L’annuaire ne connaît personne de ce nom, l’a exclu, ou le mot de passe est faux.
directory-told-away = L’annuaire n’a pas répondu.
directory-mark = de l’annuaire
directory-person = Ce compte est celui de l’annuaire de l’entreprise : son mot de passe et son rôle s’y décident.
err-directory = L’annuaire de l’entreprise ne peut pas être interrogé en ce moment. Les comptes du boîtier marchent toujours.
err-directory-busy = L’annuaire de l’entreprise n’a pas encore répondu à d’autres. Réessayez dans quelques secondes.
err-of-directory = Ce compte est celui de l’annuaire de l’entreprise : son mot de passe s’y change.
err-directory-host = Écrivez le nom ou l’adresse du serveur, et son port.
err-directory-address = Avec TLS, l’annuaire se joint par son nom ou son adresse IPv4, pas par une adresse IPv6 : indiquez le nom que porte son certificat.
err-directory-plain = Sans TLS les mots de passe seraient lus en route : choisissez LDAPS ou STARTTLS. Aucune n’est que pour un serveur sur cet ordinateur.
err-directory-base = Écrivez où sont les personnes et les groupes, comme dc=example,dc=org, en 500 caractères au plus.
err-directory-name = Le filtre et le modèle ont besoin de { "{" }name{ "}" } à la place du nom saisi ; un filtre est entre parenthèses.
err-directory-way = Écrivez un compte de service, ou sous quel nom on s’y connecte.
err-directory-password = Écrivez le mot de passe du compte de service. Il est redemandé quand le serveur ou le compte change.
err-directory-groups = Écrivez au moins un groupe et 50 au plus, par leurs noms complets comme cn=staff,ou=groups,dc=example,dc=org.
audit-came-by-directory = entré par l’annuaire
audit-directory-set = annuaire modifié
work-directory = Suivi des personnes de l’annuaire
