# The company's directory.

directory-title = Company directory
directory-text = With an LDAP directory people sign in with their password of the company. Their account here appears at the first sign-in; what they may do goes by their groups. Accounts of the box itself go first, and work when the directory is away. Admins need their authenticator here too.
directory-settings = How it is asked
directory-host = Server
directory-ldaps = LDAPS (usually 636)
directory-starttls = STARTTLS (usually 389)
directory-none = none (this computer only)
directory-authority = Authority of the server's certificate (PEM), if the system does not trust it
directory-base = Where people and groups are
directory-filter = Filter that finds somebody by name
directory-filter-hint = With { "{" }name{ "}" } where the typed name comes. Active Directory: (sAMAccountName={ "{" }name{ "}" })
directory-service = Service account (full name of its entry)
directory-service-hint = The box looks people up with it, and sees within 15 minutes who has left. An empty password keeps the one that is there; it is kept sealed.
directory-template = Without a service account: what people sign in as there
directory-groups = Who may come in
directory-groups-hint = Full names of groups, one a line. Who is in none of them may not come in; of several roles the first counts. Groups within groups do not count.
directory-off-title = Without the directory
directory-off-text = Its people cannot sign in any more, and what they have open ends within 15 minutes. Their accounts stay, for when it is set up again.
directory-off-do = Ask it no more
directory-ask = Ask the directory
directory-ask-hint = Asks with what is saved. Without a password it is only looked whether there is such a person.
directory-told-in = May come in, as:
directory-told-out = The directory knows them, but none of their groups may come in.
directory-told-nobody = The directory knows nobody of this name, has shut them out, or the password is wrong.
directory-told-away = The directory gave no answer.
directory-mark = from the directory
directory-person = This account is one of the company's directory: its password and its role are decided there.
err-directory = The company's directory cannot be asked at the moment. Accounts of the box itself still work.
err-directory-busy = The company's directory has not answered others yet. Try again in a few seconds.
err-of-directory = This account is one of the company's directory: its password is changed there.
err-directory-host = Write the name or address of the server, and its port.
err-directory-address = Over TLS a directory is asked by its name or its IPv4 address, not by an IPv6 address: write the name that its certificate bears.
err-directory-plain = Without TLS passwords would be read on the way: choose LDAPS or STARTTLS. None is for a server on this computer only.
err-directory-base = Write where people and groups are, such as dc=example,dc=org, in at most 500 characters.
err-directory-name = Filter and template need { "{" }name{ "}" } where the typed name comes; a filter stands in parentheses.
err-directory-way = Write a service account, or what people sign in as there.
err-directory-password = Write the password of the service account. It is asked for again when the server or the account changes.
err-directory-groups = Write at least one group and at most 50, by their full names such as cn=staff,ou=groups,dc=example,dc=org.
audit-came-by-directory = came in by the directory
audit-directory-set = directory changed
work-directory = Looking up the directory's people
