# The box itself: its network, its certificate, its power, and who may help.

sys-label = About the box
sys-overview = Overview
sys-network = Network

network-now = As it is now
network-port = Port
network-no-signal = no signal on the cable
network-address = Address
network-lent = lent by DHCP
network-fixed = fixed
network-gateway = Gateway
network-names = Name servers
network-manager = Managed by
network-unmanaged = Nobody that the box can tell: neither systemd-networkd nor NetworkManager manages this port. Change the address where this computer's network is set.
network-no-helper = Not known: the helper datis-hand, which changes the computer for the box, does not answer. Install datis-hand.socket and datis-hand@.service beside datisd.service.
network-no-port = This computer has no network port that can be looked at.
network-change = Another address
network-change-text = The box tries it for a moment and takes it back by itself, unless you confirm from the new address.
network-how = How the box gets its address
network-dhcp = From the DHCP server of the network
network-static = Fixed, as below
network-address-field = Address and network, such as 192.168.1.20/24
network-try = Try it
network-trying = Being tried
network-left = { $n ->
        [one] It is taken back in { $n } second unless somebody confirms it from there.
       *[other] It is taken back in { $n } seconds unless somebody confirms it from there.
    }
network-take-back = Take it back now
network-was-kept = The box has its new address: { $what }.
network-was-taken-back = { $what } was tried and taken back, since nobody confirmed it. The box has its old address.
network-has-failed = { $what } could not be tried. The box has its old address; its log says why.
network-is-down = { $what } was taken back, but the setting that the box had before does not come up. See to the cable and the network; the log of the box says why.
network-is-stuck = { $what } could not be taken back now. The box takes it back at its next start; its log says why.
network-try-title = Now confirm
network-try-text = { $n ->
        [one] In two seconds the box takes the new address, for { $n } second. Open this link and confirm there:
       *[other] In two seconds the box takes the new address, for { $n } seconds. Open this link and confirm there:
    }
network-try-warning = The browser may warn of a new certificate, since it knows the box under its old address. If the link does not open, wait: the old address comes back.
network-back = Back to the old address
network-keep-title = Keep this address?
network-keep-text = You have reached the box at its new address. Keep it, or it is taken back.
network-keep-do = Keep it

err-network-address = The address cannot be read. Write it with its network, such as 192.168.1.20/24.
err-network-ip = “{ $what }” is no IPv4 address. Write it such as 192.168.1.1.
err-network-prefix = A network of this size is not possible here. Use a prefix from /8 to /30; mostly it is /24.
err-network-unusable = { $what } cannot be the address of a computer. Choose an ordinary one of the local network.
err-network-ends = { $what } stands for the network itself or for everybody in it. Choose an address between them.
err-network-gateway = The gateway is outside of the network { $what }, and the box could not reach it.
err-network-gateway-box = Gateway and box have the same address. They are two devices.
err-network-names = At most three name servers are possible. Leave some out.
err-network-taken = This address is used already, by the device with the hardware address { $what }. Choose another one.
err-network-unprobed = Whether the address is free could not be seen, so nothing was changed. See whether datis-probe runs.
err-network-how = Choose whether the address is lent or fixed.
err-network-busy = Another address is being tried. Confirm it or take it back first.
err-network-nothing = No address is being tried, or its time is over. The box has the address that it had before.
err-network-elsewhere = You came by another address than { $what }. Open the link at the new address, so that it is sure that the box is reached there.
err-network-not-yet = The new address is not on yet. Confirm it again in a moment.
err-network-late = The time was over, and the address was taken back. Try again.
err-network-down = The address was taken back, but the setting that the box had before does not come up. See to the cable and the network; the log of the box says why.
err-network-stuck = The address could not be taken back now. The box takes it back at its next start; its log says why.
err-hand = The computer could not be changed, and is as it was. The log of the box says why.

audit-network-tried = another address tried
audit-network-kept = new address kept
audit-network-taken-back = new address taken back

sys-time = Clock
sys-storage = Storage
sys-ups = UPS
sys-services = Services
sys-components = Components
sys-power = Power
sys-checked = What the box found
sys-unchecked = The box has not looked at this yet. It does so after each start; “Site” has it look now.

time-now = The box's clock
time-servers = Compared with
time-set = Last set by the system
time-set-by-others = not by systemd-timesyncd
storage-folder = Folder of the box
storage-mount = File system
storage-capacity = Capacity
storage-scrubbed = Oldest look at a pack
ups-server = NUT server that is asked
service-portal = Portal for people
service-machines = Machine port
service-found = Found by name in its network
service-keep-open = Router asked to let others in
service-partners = Boxes outside that may be asked
service-hand = Helper for network and power
service-mail = Mail
service-missing = does not answer
components-text = { $n ->
        [one] The box's programs are made of { $n } component besides their own.
       *[other] The box's programs are made of { $n } components besides their own.
    }
components-get = Get the list (CycloneDX)
components-name = Component
components-version = Number of the version
components-licence = Licence
power-text = The box ends what it does, then the computer is told.
power-running = { $n ->
        [0] No backup is running.
        [one] { $n } backup is running; the machine goes on with it by itself afterwards.
       *[other] { $n } backups are running; the machines go on with them by themselves afterwards.
    }
power-restart = Start it again
power-off = Switch it off
power-hint = A box that is off backs nothing up, and somebody has to press its button.
power-restarting = The computer starts again. The portal is back in a few minutes.
power-going-off = The computer is switching itself off.
err-power = The computer was not told, and runs on. The log of the box says why; the helper datis-hand may be missing.
audit-restarted = computer started again
audit-switched-off = computer switched off

sys-support = Support
support-text = Somebody from outside may help for some hours, as a technician: looks after the box and sees nothing of what is in backups. The access ends by itself, and everything they do is in the audit log.
support-hours = Hours, up to 72
support-open = Open support access
support-open-until = Open until
support-close = Close it now
support-link = A link for whoever helps
support-link-text = It works once. Whoever has it sets a password for the account “support”, which ends with its time.
support-banner = { $n ->
        [one] Somebody from outside may look after the box for { $n } more minute.
       *[other] Somebody from outside may look after the box for { $n } more minutes.
    }
support-see = See or close it
err-support-hours = Say for how many hours: from 1 to 72.
audit-support-opened = support access opened
audit-support-closed = support access closed
audit-support-ended = support access ended by itself

notice-certificate-ends = { $n ->
        [one] The company's certificate for the portal ends in { $n } day. Bring a new one.
       *[other] The company's certificate for the portal ends in { $n } days. Bring a new one.
    }
notice-certificate-over = The company's certificate for the portal has ended. The box shows its own again; browsers may warn.
sys-certificate = Certificate
own-used = The company's certificate
own-issuer = Signed by
own-ends = Valid until
own-refused = The company's certificate is not used, and the portal shows the box's own.
own-set = A certificate of the company
own-text = Browsers of the company do not warn when the portal has a certificate from an authority they know. It is shown to those who come by a name that is in it; the key is kept sealed.
own-chain = Certificate and chain (PEM, the portal's own first)
own-key = Private key (PEM, without password)
own-use = Use it
own-remove = Take it back
err-own-long = This is longer than any certificate with its chain and key.
err-own-none = There is no certificate in it. It begins with -----BEGIN CERTIFICATE-----.
err-own-no-key = There is no private key in it. It begins with -----BEGIN PRIVATE KEY----- and has no password.
err-own-many = The chain has more than eight certificates.
err-own-unreadable = A certificate cannot be read. Copy it again, whole lines.
err-own-other-key = The key does not belong to the first certificate. The portal's own certificate must come first.
err-own-kind = This kind of key is not known here. Use RSA from 2048 bits, P-256, P-384 or Ed25519.
err-own-names = The certificate is for none of the names or addresses of this box. Add its name to portal.names in datisd.toml, or have one made for a name below.
err-own-early = A certificate of the chain is not valid yet. Is the box's clock right?
err-own-over = A certificate of the chain has ended. Bring a new one.
err-own-order = The certificates do not follow one another: each must be signed by the next.
audit-certificate-set = company's certificate set
audit-certificate-forgotten = company's certificate taken back

# A lost box that comes back
local-back = Coming back
local-back-text = { $done } of { $all } are on this box again. Everything can be restored already: what is not here yet comes from the other boxes.
err-away = What you asked for is still with other boxes, and too few of them answer now. Nothing is lost by that: try again later.
err-coming-back = Nothing was deleted: the box is coming back, and some packs are still with other boxes only. This waits until they are here.
