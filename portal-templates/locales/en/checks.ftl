# What commissioning says. `check-…` names a check, `fact-…` a piece of evidence, everything else is a finding: the
# message says what was found and what follows from it, `.remedy` what to do: what, where, which value, who.

check-lan-link = Network cable
check-lan-addr = Address in the network
check-lan-dup = Address is the box's alone
check-lan-dhcp2 = DHCP servers
check-lan-reserved = Address is reserved
check-lan-stable = Address stays the same
check-wan-gateway = Gateway
check-lan-dns = Names are resolved
check-lan-mdns = Found by name
check-lan-rebind = The box's own name
check-wan-uplink = Kind of line
check-wan-proxy = Way out without a proxy
check-wan-captive = No log-in page
check-wan-tls = Encryption reaches outside
check-out-matrix = Ways out
check-wan-public = Public address
check-wan-cgnat = Address is this site's alone
check-wan-portset = Ports of the address
check-in-map = Router opens the way in itself
check-in-dialback = Way in from outside
check-in-hairpin = Outside address from inside
check-in-v6 = IPv6
check-path-mtu = Size of packets
check-path-rate = Speed of the line
check-time-ntp = Clock
check-hw-room = Room for backups
check-hw-ups = Power

state-pass = ok
state-warn = look
state-fail = failed
state-skip = skipped

commission-well = All is as it should be.
commission-look = { $n ->
        [one] The box can do its work. One thing to look at.
       *[other] The box can do its work. { $n } things to look at.
    }
commission-mend-later = { $n ->
        [one] The box can do its work in this network. One thing to mend.
       *[other] The box can do its work in this network. { $n } things to mend.
    }
commission-mend-first = { $n ->
        [one] One thing to mend before the box can do its work.
       *[other] { $n } things to mend before the box can do its work.
    }

link-fast = Port { $port } runs at { $speed } Mb/s.
link-unmeasured = Port { $port } has a signal; it does not tell its speed.
link-slow = Port { $port } runs at only { $speed } Mb/s ({ $duplex ->
        [half] one direction at a time
       *[full] both directions at once
    }), so backups and restores take several times as long as they need to.
    .remedy = Change the cable for one of category 5e or better with all eight wires, and plug it into a gigabit port of the switch. If that does not help, another port of the switch.
link-down = Port { $port } has no signal: no machine reaches the box.
    .remedy = Plug the network cable into port { $port } of the box and into the switch, until the lamps at both ends are on. If they stay dark, take another cable, then another port of the switch.
link-none = The box has no network port that the system knows.
    .remedy = Switch the box off and on again. If that does not help, its network card is broken: have the reseller exchange the box.

address-one = The box has the address { $address } on port { $port }.
address-several = Port { $port } has several addresses ({ $addresses }). Machines may be told one that changes or leads elsewhere.
    .remedy = Keep one of them: take the others out of the system's network settings for port { $port }.
address-without-route = The box has the address { $address }, but no gateway: it reaches its own network and nothing outside.
    .remedy = Enter the router's address as gateway (router, default route) in the network settings of the box, or in the DHCP server of the network.
address-self-assigned = Nobody gave the box an address, so it took one (169.254.…) that no other device uses.
    .remedy = Switch on the DHCP server of the router (page LAN or DHCP), or give the box a static address in its network settings. The box's hardware address is { $mac }.
address-none = Port { $port } has no address: no machine reaches the box.
    .remedy = Switch on the DHCP server of the router (page LAN or DHCP), or give the box a static address in its network settings. The box's hardware address is { $mac }.

address-unshared = Nobody else uses the address { $address }.
address-shared = Another device uses the box's address { $address } too ({ $other-macs }): connections go now to the one, now to the other.
    .remedy = Give one of the two another address. The other device has the hardware address { $other-macs }, the box { $mac }; the router's list of devices (page DHCP or LAN) tells its name.

dhcp-none = Nobody lends addresses in this network.
dhcp-one = One DHCP server lends addresses ({ $servers }).
dhcp-several = Several DHCP servers lend addresses ({ $servers }): devices get an address now from the one, now from the other, and some reach nothing.
    .remedy = Switch all but one off. Usually the second one is a router that was added for its wireless network: set it to access point or bridge mode, or switch off DHCP on its page LAN.

reserved-for-box = The router keeps the address { $address } for the box.
reserved-not-needed = The address { $address } is not lent, so nothing need be reserved.
reserved-unproved = The address { $address } is lent. Whether the router keeps it for the box cannot be told from its answers.
    .remedy = In the router, page DHCP (reservations, static leases), look whether { $address } is reserved for the hardware address { $mac }. Then run the check again.
reserved-not = The router would give the box another address than { $address } ({ $offers }): it is not reserved.
    .remedy = In the router, page DHCP (reservations, static leases), reserve the address { $address } for the hardware address { $mac }.
reserved-not-and-short = The router would give the box another address than { $address } ({ $offers }), and lends for { $lease-hours } h only: the box will lose its address when it or the router is off for that long.
    .remedy = In the router, page DHCP (reservations, static leases), reserve the address { $address } for the hardware address { $mac }; or set it as static address on the box, outside the range that the router gives away.

stable-static = The address { $address } is set on the box and stays.
stable-lent = The address { $address } is lent by a DHCP server, and is the one it was.
stable-unproved = The address { $address } has no end that the system knows of. Whether a DHCP server has lent it all the same could not be asked.
    .remedy = Switch on the helper that may ask (systemctl enable --now datis-probe.socket), and run the check again.
stable-moved = The address has changed from { $moved-from } to { $address } ({ $moved-at }): the router's DHCP server lends it. Machines that knew the old one look for this box in vain.
    .remedy = In the router, page DHCP (reservations, static leases), reserve { $moved-from } for the box and restart it; or enter { $address } at the machines (`host` in enrolment.toml) and reserve that one.

gateway-answers = The gateway answers.
gateway-not-needed = Port { $port } leads to one other end and needs no gateway.
gateway-mute = The gateway { $gateway } is there, but answers to nothing. That may be how it is set up.
    .remedy = If the other checks pass, nothing is to be done. Otherwise ask whoever runs the firewall at { $gateway } whether it lets the box's traffic through.
gateway-gone = No device has the gateway's address { $gateway }: nothing leaves this network.
    .remedy = Switch the router on, and check its cable. If the router has another address, enter that one as gateway in the network settings of the box instead of { $gateway }.

names-resolve = Names are resolved.
names-slow = The resolver { $resolver } takes more than half a second for a name, and every connection waits for that.
    .remedy = In the router, page DHCP or LAN, give the devices the router itself or the provider's resolver as DNS server instead of { $resolver }.
names-partly = One of the resolvers, { $resolver }, gives no answer ({ $resolvers }): some connections begin only after seconds.
    .remedy = Take { $resolver } out of the DNS servers that the router's DHCP server gives (page DHCP or LAN), or out of the network settings of the box.
names-lie = The resolver { $resolver } gives wrong addresses ({ $resolvers }): what the box calls by name may be somebody else.
    .remedy = Switch off name redirection (search help, parental control, guest log-in) for the box at { $resolver }, or give the box another DNS server.
names-refused = The resolver { $resolver } refuses to answer ({ $resolvers }): the box cannot find anything by its name.
    .remedy = Allow the box to ask at { $resolver }, or give it another DNS server: in the router, page DHCP or LAN, or in the network settings of the box.
names-silent = No resolver answers ({ $resolvers }): the box cannot find anything by its name.
    .remedy = Let UDP and TCP port 53 from the box through to { $resolver }, or give it another DNS server: in the router, page DHCP or LAN, or in the network settings of the box.
names-nobody = The box has been given no resolver: it cannot find anything by its name.
    .remedy = Enter the router's address as DNS server: in the router, page DHCP or LAN, or in the network settings of the box.

mdns-found = Machines of this network find the box as { $name }.
mdns-off = The box does not announce itself; that is how it is set.
mdns-taken = Another device has the box's name already: machines find this box as { $name }.
    .remedy = Switch the other one off, or use { $name }. The address works in any case.
mdns-silent = The box is not found by its name { $name } in this network. Machines can be enrolled by its address all the same.
    .remedy = Let multicast DNS (UDP port 5353, 224.0.0.251) through between the box and the switch: look for IGMP snooping or multicast filters there, and for a firewall on the box.
mdns-dead = The box cannot be announced in the network by name ({ $error }). Machines can be enrolled by its address all the same.
    .remedy = Look on the box for another program that keeps UDP port 5353 for itself (ss -lunp), and stop that.

rebind-kept = The name { $name } leads to the box.
rebind-not-needed = Machines are told the box's address and no name, so no resolver need know it.
rebind-elsewhere = The name { $name } leads elsewhere ({ $resolvers }): machines of this network come by a detour, or not at all.
    .remedy = In the router or the company's DNS server, let { $name } lead to the box's address in this network.
rebind-filtered = A resolver gives no address for the name { $name } ({ $resolvers }): either nobody has entered it, or names that lead to private addresses are suppressed (DNS rebinding protection). Machines that know the box by that name find nothing.
    .remedy = In the router, page DNS or security, add { $name } to the exceptions of the DNS rebinding protection; or enter the box's address instead of the name: [machine_port] address in datisd.toml.

uplink-fixed = The box goes out by a port that is no mobile line.
uplink-mobile = The box goes out by a mobile line ({ $port }): such lines change their address, let nothing in, and may cost by volume.
    .remedy = Connect the box to a fixed line if there is one. If not, expect others not to reach it, and look at the volume of the contract.

proxy-none = The box gets out without a proxy.
proxy-only = Only the proxy { $proxy } gets out, and the box does not use proxies.
    .remedy = In the firewall (outgoing rules), let the box out directly to the boxes outside, TCP and UDP. The proxy may stay for everybody else.

captive-free = Nobody answers in the name of others.
captive-portal = Somebody else answers in the name of a box outside (status { $status }, { $location }): this network wants a log-in before it lets anything out.
    .remedy = Have whoever runs this network let the box out without a log-in (list of allowed devices), or plug the box into another network, not the one for guests.

tls-untouched = Encrypted connections arrive as they were sent.
tls-opened = Encrypted connections are opened on their way: instead of { $partner }, { $issuer } answers. The box does not send anything that way.
    .remedy = In the firewall or virus scanner of the network (page TLS inspection, HTTPS scanning or web filter), add { $partner } to the exceptions, or take the box out of the inspection.
tls-foreign = At { $partner } something answers that is no box ({ $error }).
    .remedy = Check address and port of { $partner } with whoever runs that box. If they are right, something in this network answers instead: have the firewall's admin let TCP to it through unchanged.

out-open = Everything that was tried gets out.
out-partly = { $blocked } does not get out ({ $how ->
        [rejected-near] refused nearby, by the router or a firewall
        [refused] refused further away
        [prohibited] the network says that it is not allowed
       *[dropped] it vanishes
    }). Boxes outside are reached all the same.
    .remedy = In the firewall (outgoing rules), let { $blocked } from the box out. If a partner box is switched off just now, run the check again later.
out-blocked = { $blocked } does not get out ({ $how ->
        [rejected-near] refused nearby, by the router or a firewall
        [refused] refused further away
        [prohibited] the network says that it is not allowed
       *[dropped] it vanishes
    }): no box outside is reached.
    .remedy = In the firewall (outgoing rules), let { $blocked } from the box out. If that is allowed already, the partner box may be switched off: ask whoever runs it.

public-one = Others see this network at { $public }.
public-several = Others see this network at several addresses ({ $publics }): connections leave by different ways, and what comes in may find only one of them.
    .remedy = In the router (page WAN, load balancing), let all connections of the box leave by the same line.

cgnat-none = The router has the public address itself.
cgnat-forwarded = The router has no public address of its own ({ $router-address }), and boxes outside reach this one all the same: what is before it forwards.
cgnat-untold = The router does not tell its address, so it is not known whether others share the public one, { $public }.
    .remedy = If in.dialback passes, nothing is to be done. Otherwise compare the address on the router's page WAN or Internet with { $public }: they must be the same.
cgnat-second = The router's address { $router-address } is not the one that the world sees: there is another router before it, which must forward too.
    .remedy = Set the provider's router before it to bridge mode; or forward the box's port in both, in the first one to { $router-address }.
cgnat-shared = The provider gives the router no public address of its own (router: { $router-address }): several customers share one (CGNAT), and nobody outside can reach the box.
    .remedy = Ask the Internet provider for a public IPv4 address of your own (often called full-stack, dedicated or static IPv4). If there is a second router in front of this one, set that to bridge mode first, and run the check again.

ports-all = All ports of the public address lead here.
ports-fit = Only the ports { $ports-from } to { $ports-to } of the public address lead here; the box's port { $outside-port } is one of them.
ports-part = Only the ports { $ports-from } to { $ports-to } of the public address lead here, the others to other customers of the provider. The box's port is none of them.
    .remedy = Choose a port from { $ports-from } to { $ports-to } and enter it in datisd.toml: [machine_port] outside_port = PORT; forward it in the router to the box. Or ask the provider for an address of your own.

map-opened = The router opens port { $outside-port } for the box when it is asked to ({ $method }).
map-unproved = The router says that it opens port { $outside-port } ({ $method }), but does not know of it when it is asked again.
    .remedy = See what in.dialback says. If that fails, restart the router, or forward the port by hand on its page NAT or port forwarding.
map-nobody = The router does not open ports when it is asked to.
    .remedy = If in.dialback passes, nothing is to be done. Otherwise switch on UPnP IGD, NAT-PMP or PCP in the router (page NAT or UPnP), or forward the box's port by hand there.
map-refused = The router refuses to open the port ({ $router-says }).
    .remedy = In the router, page UPnP or NAT, allow the box to open ports of 1024 and higher, or choose another outside port if this one is taken: [machine_port] outside_port = PORT in datisd.toml. Or forward the port by hand.

dialback-reached = Boxes outside reach this box at port { $outside-port }.
dialback-partly = Only one of several boxes outside reaches this box at port { $outside-port } ({ $votes }).
    .remedy = In the router, look whether the forwarding of TCP port { $outside-port } is limited to certain addresses or countries. Then run the check again.
dialback-refused = The router answers outside, but forwards nothing: port { $outside-port } is refused ({ $votes }).
    .remedy = In the router, page NAT or port forwarding, forward TCP port { $outside-port } to the box's address and machine port. Then run the check again.
dialback-silent = Nothing comes back from port { $outside-port } ({ $votes }), and nothing has come to the box: it is dropped on the way, or forwarded to an address that is no longer there.
    .remedy = In the router, page NAT or port forwarding, forward TCP port { $outside-port } to the box's present address and machine port, and allow it in the firewall (incoming).
dialback-halfway = Connections to port { $outside-port } come to the box, but its answers do not get back ({ $votes }).
    .remedy = See to it that answers leave by the router that the connection came through: one gateway only, and no firewall rule for outgoing traffic that stops them.
dialback-other = At port { $outside-port } somebody else answers ({ $votes }): it is forwarded to another device.
    .remedy = In the router, page NAT or port forwarding, change the target of TCP port { $outside-port } to the box's address and machine port.
dialback-prohibited = The network outside says that there is no way to port { $outside-port } ({ $votes }).
    .remedy = Ask the Internet provider whether this line may be reached from outside, and at which ports. Enter one of them in datisd.toml: [machine_port] outside_port = PORT

hairpin-works = From inside, the public address leads to the box too.
hairpin-none = From inside, the public address does not lead to the box. Many routers are like that, and the box does not need it; machines in this network use its own address.

v6-in = Boxes outside reach this box over IPv6.
v6-out = IPv6 leads out, but not in ({ $votes }).
    .remedy = If in.dialback passes, nothing is to be done. Otherwise let the machine port in for { $public } in the router's IPv6 firewall.
v6-dead = The box has an IPv6 address ({ $address }), but reaches no box outside with it.
    .remedy = If the other checks pass, nothing is to be done. Otherwise see in the router, page IPv6, whether the provider gives a prefix, and whether its firewall lets IPv6 out.
v6-none = This network has no IPv6.
    .remedy = Nothing, as long as in.dialback passes. Otherwise ask the Internet provider for IPv6: it leads in where IPv4 addresses are shared.

mtu-full = Packets of up to { $mtu } bytes get through.
mtu-small = Packets of only { $mtu } bytes get through: transfers are a little slower.
    .remedy = If there is a VPN or a tunnel on the way, nothing is to be done. Otherwise set the MTU on the router's page WAN to what the provider says (1492 for PPPoE, 1500 else).
mtu-tiny = Packets of only { $mtu } bytes get through: IPv6 and many services do not work that way.
    .remedy = Set the MTU on the router's page WAN to what the provider says (1492 for PPPoE, 1500 else), and look for tunnels within tunnels.
mtu-hole = Packets of more than { $mtu } bytes vanish, and no router says so: large transfers stop in the middle.
    .remedy = In the firewall, let ICMP type 3 code 4 (fragmentation needed) through in both directions. Until then set the MTU of the box to { $mtu }.
mtu-untold = No datagram to { $partner } is answered, so the size of packets cannot be told.
    .remedy = Let UDP from the box out to { $partner }; see out.matrix.

rate-good = { $rate-up } Mb/s up, { $rate-down } Mb/s down.
rate-slow = Only { $rate-up } Mb/s up ({ $rate-down } Mb/s down): a first copy of 100 GiB to other sites takes about { $copy-hours } hours.
    .remedy = Let the first copy run over a weekend. If the contract promises more, measure again when nobody else uses the line, and ask the provider.
rate-poor = Only { $rate-up } Mb/s up ({ $rate-down } Mb/s down): a first copy of 100 GiB to other sites takes about { $copy-hours } hours, and others will feel it.
    .remedy = Look for what else uses the line (page traffic or QoS in the router), and for a contract with more upload. Until then back up outside only what cannot be replaced.

partner-none = There is nobody outside to ask yet, so this cannot be told.
    .remedy = Name one or more other boxes in datisd.toml: [commissioning] coordinators = ["HOST:PORT#PIN"]. Who runs such a box switches [coordinator] on; datisd status prints its line there.
partner-silent = None of the boxes outside answers ({ $partners }), so this cannot be told.
    .remedy = See what the checks wan.gateway and out.matrix say. If both pass, the other boxes are switched off or have moved: ask whoever runs them.

clock-right = The clock is right ({ $offset } s off).
clock-off = The clock is { $offset } s { $direction ->
        [slow] slow
       *[fast] fast
    }.
    .remedy = Switch on time synchronisation on the box: timedatectl set-ntp true
clock-wrong = The clock is { $offset } s { $direction ->
        [slow] slow
       *[fast] fast
    }: the dates of backups are wrong, and certificates may be refused.
    .remedy = Switch on time synchronisation on the box (timedatectl set-ntp true) and let UDP port 123 out of the network. If the clock is wrong again after each start, the battery of its clock is empty.
clock-unchecked = No time server answers ({ $sources }), so the clock cannot be checked, and will drift.
    .remedy = Let UDP port 123 from the box out of the network (firewall, outgoing), or name a time server of your own in datisd.toml: [commissioning] time_servers = ["ADDRESS"]

room-enough = { $free-gib } GiB of { $total-gib } GiB are free.
room-short = The disk is { $percent } % full: { $free-gib } GiB of { $total-gib } GiB are free.
    .remedy = Plan a larger disk, or shorten how long snapshots are kept: datisd policy --machine NAME --local POLICY
room-none = The disk is { $percent } % full: { $free-gib } GiB of { $total-gib } GiB are free. Soon the box has to refuse backups.
    .remedy = Put in a larger disk, take away what is not the box's, or shorten how long snapshots are kept: datisd policy --machine NAME --local POLICY

power-protected = The UPS { $ups } protects the box.
power-short = The UPS { $ups } lasts for { $ups-minutes } minutes only: a longer cut stops the box.
    .remedy = Take off the UPS what need not run on it, or take a larger one. Five minutes outlive the usual cuts.
power-charging = The battery of the UPS { $ups } is still being charged: until then a power cut stops the box soon.
    .remedy = Nothing, if the power was off a short time ago. If it says so a day later, the battery is worn out.
power-unprotected = The system knows of no UPS: a power cut stops the box, and whatever backs up at that moment.
    .remedy = Put the box and the router behind a UPS. Connect its USB cable to the box, and set it up in NUT (packages nut-server and nut-client; nut-scanner -U prints what /etc/nut/ups.conf needs).
power-unknown = The UPS { $ups } does not tell how it is.
    .remedy = Check its USB cable, and restart NUT on the box: systemctl restart nut-server. upsc { $ups } shows what it tells.
power-on-battery = The power has failed: the box runs on the battery of the UPS { $ups }.
    .remedy = See to the mains: fuse, plug, the UPS's own switch. If the lamps in the room are on, it is the socket or the plug of the UPS.
power-battery-worn = The battery of the UPS { $ups } is worn out: it may last for no more than seconds.
    .remedy = Replace the battery of the UPS; its type is on its label. Then run the self-test of the UPS.

probe-missing = The program that may send ARP and DHCP questions does not run ({ $reason }), so this cannot be told.
    .remedy = Install datis-probe beside datisd, and switch it on: systemctl enable --now datis-probe.socket. Then run the check again.
untold = The system did not tell what this check has to know ({ $reason }). That need not mean that anything is wrong.
    .remedy = Run the check again. If it says the same, tell support these words.

fact-port = Port
fact-mac = Hardware address
fact-speed = Mb/s
fact-address = Address
fact-addresses = Addresses
fact-gateway = Gateway
fact-metric = Metric
fact-server = DHCP server
fact-lease-minutes = Lease, minutes left
fact-other-macs = The other device
fact-servers = DHCP servers
fact-offers = Offered to others
fact-lease-hours = Lease, hours
fact-moved-from = Address before
fact-moved-at = Changed
fact-gateway-mac = Gateway's hardware address
fact-answered-to = Answered to
fact-answer-ms = Answer, ms
fact-resolvers = Resolvers
fact-resolver = Resolver
fact-sources = Time servers
fact-offset = Seconds off
fact-percent = Full, %
fact-free-gib = Free, GiB
fact-total-gib = In all, GiB
fact-ups = UPS
fact-ups-status = UPS says
fact-ups-charge = Battery, %
fact-ups-minutes = Battery, minutes
fact-nut-server = NUT server
fact-asked = Asked for
fact-tried = Tried
fact-partners = Boxes outside
fact-partner = Box outside
fact-status = Status
fact-location = Leads to
fact-issuer = Certificate signed by
fact-error = Error
fact-ports = Ports
fact-blocked = Does not get out
fact-public = Public address
fact-publics = Public addresses
fact-outside-port = Port outside
fact-votes = Dialled back
fact-arrivals = Seen by the box
fact-router-address = Router's address
fact-router-says = Router
fact-method = By
fact-mapping-minutes = Opened for, minutes
fact-ports-seen = Ports as seen outside
fact-ports-kept = Ports unchanged
fact-ports-from = First port
fact-ports-to = Last port
fact-inside = From inside
fact-mtu = Largest packet, bytes
fact-mtu-own = Largest packet of the port, bytes
fact-rate-up = Up, Mb/s
fact-rate-down = Down, Mb/s
fact-copy-hours = 100 GiB, hours
fact-name = Name
fact-proxy = Proxy
fact-reason = Reason
