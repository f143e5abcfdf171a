/* The table of commands: what exists, how it is called, how it is explained. */
#include "ctl/cmd.h"
#include "ctl/objects.h"

#define OPTIONS(array) array, sizeof array / sizeof array[0]
#define NO_OPTIONS     NULL, 0

const struct command_option command_globals[] = {
	{"output", "FORMAT", false, "table, wide, json (proto field names, stable) or name"},
	{"node", "NAME", false, "ask this node and no other"},
	{"dir", "DIR", false, "the node's configuration (default /etc/pxecluster, or $PXECTL_DIR)"},
	{"socket", "PATH", false, "the node's unix socket (default: as its node.yaml says)"},
	{"endpoint", "IP:PORT", true, "ask from afar; with --key and --server-key"},
	{"key", "FILE", false, "your key file, for --endpoint"},
	{"server-key", "KEY", false,
		"the cluster's API key (40 characters or a file), for --endpoint"},
	{"timeout", "TIME", false, "give up after this time (default 10s)"},
	{"quiet", NULL, false, "say only what was asked for"},
	{"yes", NULL, false, "do not ask before something dangerous"},
	{"no-header", NULL, false, "tables without their first line"},
	{"color", "WHEN", false, "auto, always or never (NO_COLOR is heeded)"},
	{"help", NULL, false, "help about the command"},
};
const size_t command_global_count = sizeof command_globals / sizeof command_globals[0];

static const struct command_option init_options[] = {
	{"name", "NAME", false, "the cluster's name (needed)"},
	{"interface", "IF", false, "network interface where machines boot (needed)"},
	{"server-id", "IP", false,
		"DHCP server identifier of the cluster (default this node's address)"},
	{"address", "IP", false, "address of this node, if the interface has several"},
	{"node-name", "NAME", false, "this node's name (default pxe1)"},
	{"name-node", "NAME", false, "the same"},
	{"data", "DIR", false, "where the state is kept (default /var/lib/pxecluster)"},
	{"http-port", "PORT", false, "HTTP port (default 80)"},
	{"tftp-port", "PORT", false, "TFTP port (default 69)"},
	{"dhcp", "on|proxy|off", false,
		"do not look for other DHCP servers first (default: on unless one answers)"},
	{"no-start", NULL, false, "write the files, do not start pxed"},
};

static const struct command_option join_options[] = {
	{"name", "NAME", false, "this node's name (default: the token's, else the next pxeN)"},
	{"interface", "IF", false,
		"network interface where machines boot (default: the one towards the cluster)"},
	{"address", "IP", false, "address of this node, if the interface has several"},
	{"data", "DIR", false, "where the state is kept (default /var/lib/pxecluster)"},
	{"http-port", "PORT", false, "HTTP port (default 80)"},
	{"tftp-port", "PORT", false, "TFTP port (default 69)"},
	{"no-start", NULL, false, "write the files, do not start pxed"},
};

static const struct command_option token_options[] = {
	{"for", "NAME", false, "only a node of this name may use it"},
	{"witness", NULL, false, "for a witness: it votes and serves nothing"},
	{"valid", "TIME", false, "how long it may be used (default 1h)"},
};

static const struct command_option node_remove_options[] = {
	{"force", NULL, false, "it is off for good: do not wait for what it has to hand back"},
};

static const struct command_option restore_options[] = {
	{"interface", "IF", false, "network interface where machines boot (needed)"},
	{"address", "IP", false, "address of this node, if the interface has several"},
	{"node-name", "NAME", false, "this node's name (default pxe1)"},
	{"data", "DIR", false, "where the state is kept (default /var/lib/pxecluster)"},
	{"http-port", "PORT", false, "HTTP port (default 80)"},
	{"tftp-port", "PORT", false, "TFTP port (default 69)"},
	{"no-start", NULL, false, "restore, do not start pxed"},
};

#define SITE_FILE                                                                                  \
	{                                                                                          \
		"file", "FILE", false, "the site file (or -f FILE)"                                \
	}
#define SITE_PRUNE                                                                                 \
	{                                                                                          \
		"prune", NULL, false, "remove what this file made and does not say any more"       \
	}
static const struct command_option site_options[] = {SITE_FILE};
static const struct command_option diff_options[] = {SITE_FILE, SITE_PRUNE};
static const struct command_option apply_options[] = {
	SITE_FILE,
	SITE_PRUNE,
	{"dry-run", NULL, false, "show it, change nothing"},
	{"if-revision", "N", false, "only if nothing was changed since, as diff told it"},
};

/* What every level of the configuration may say. */
#define TERMS                                                                                      \
	{"lease", "TIME", false, "lease time; default"},                                           \
		{"lease-min", "TIME", false,                                                       \
			"the least that a machine gets when it asks for less; default"},           \
		{"lease-max", "TIME", false,                                                       \
			"the most that a machine gets when it asks for more; default"},            \
	{                                                                                          \
		"option", "NAME=VALUE", true,                                                      \
			"DHCP option, by name or number (see: option list); NAME=none removes it;" \
			" !NAME=VALUE is sent unasked, too"                                        \
	}
#define QUIRKS                                                                                     \
	{                                                                                          \
		"quirk", "NAME=VALUE", true,                                                       \
			"overload, broadcast, echo-client-id, rapid-commit =yes, no or default; "  \
			"reply-delay=TIME"                                                         \
	}
#define BOOT_TERMS                                                                                 \
	{"boot", "ARCH=PROFILE", true,                                                             \
		"what machines of an architecture boot instead of --profile; ARCH=none"},          \
	{                                                                                          \
		"var", "NAME=VALUE", true,                                                         \
			"variable for scripts and templates: {{vars.NAME}}; NAME= removes it"      \
	}
#define SUBNET_TERMS                                                                               \
	{"gateway", "IP", false, "router that machines are told; none"},                           \
		{"dns", "IP,IP", true, "name servers, replaces the list; none"},                   \
		{"domain", "NAME", false, "domain name; none"},                                    \
		{"profile", "NAME", false,                                                         \
			"what machines boot that have no profile of their own; none"},             \
		{"ntp", "IP,IP", true, "time servers, replaces the list; none"},                   \
		{"mtu", "BYTES", false, "interface MTU that machines are told; none"},             \
		{"shared-network", "NAME", false,                                                  \
			"subnets that name the same one are on one link; none"},                   \
		{"dhcp", "on|proxy|off|default", false,                                            \
			"proxy: another server gives the addresses; default: as the cluster"},     \
		TERMS, QUIRKS, BOOT_TERMS

static const struct command_option subnet_add_options[] = {SUBNET_TERMS};

static const struct command_option subnet_set_options[] = {
	{"cidr", "CIDR", false, "the network"},
	SUBNET_TERMS,
};

static const struct command_option pool_options[] = {
	{"subnet", "NAME", false, "the subnet that it is of"},
	{"range", "FIRST-LAST", false, "its addresses"},
	{"exclude", "FIRST-LAST", true,
		"addresses of it, or one address, that are never leased; replaces the list; none"},
	{"only", "GROUP,GROUP", true,
		"only for machines of these groups, also known and unknown; none"},
	{"except", "GROUP,GROUP", true, "not for machines of these groups; none"},
	TERMS,
};

static const struct command_option group_options[] = {
	{"match", "KEY=VALUE", true,
		"machines that belong to it: known=yes|no, or a pattern for mac, arch, uuid, "
		"vendor-class, user-class, client-id, subnet, circuit, remote; KEY=none; none"},
	{"order", "N", false, "groups of higher numbers override those of lower ones (default 0)"},
	{"ignore", "yes|no", false, "never answer its machines"},
	{"profile", "NAME", false,
		"what its machines boot: a profile, or built in: local (the disk), none (nothing), "
		"menu (of all profiles), wait (until somebody declares the machine)"},
	TERMS,
	QUIRKS,
	BOOT_TERMS,
};

static const struct command_option host_options[] = {
	{"mac", "MAC", true, "hardware address; several: they are one machine"},
	{"uuid", "UUID", false, "SMBIOS UUID, as dmidecode shows it"},
	{"client-id", "TEXT|BYTES", true,
		"client identifier (option 61), if it is not known by its hardware address; none"},
	{"circuit", "TEXT|BYTES", true, "whoever is at this port of a relay (option 82); none"},
	{"ip", "IP,IP", true,
		"reserved address, one in each subnet; auto: its lease, or a free one; none"},
	{"profile", "NAME", false, "what it boots; none: as its groups or the subnet say"},
	{"hostname", "NAME", false, "host name that it is told (default: its name)"},
	{"ignore", "yes|no", false, "never answer this machine"},
	{"group", "GROUP,GROUP", true, "groups that it belongs to besides those that match; none"},
	TERMS,
	QUIRKS,
	BOOT_TERMS,
};

static const struct command_option profile_options[] = {
	{"image", "NAME", false, "image that holds the files: NAME or NAME@DIGEST"},
	{"kernel", "PATH", false, "kernel, in the image"},
	{"initrd", "PATH", true, "initial RAM disk, in the image"},
	{"args", "TEXT", false,
		"kernel command line; {{mac}}, {{ip}}, {{name}}, {{base_url}} and others are "
		"filled in"},
	{"chain", "LOADER", false,
		"what starts the kernel: ipxe (default), grub, shim (Secure Boot), pxelinux"},
	{"template", "NAME=FILE", true,
		"file made for each machine, at http://NODE/t/MAC/NAME; NAME=none removes it"},
	{"var", "NAME=VALUE", true,
		"variable for scripts and templates: {{vars.NAME}}; NAME= removes it"},
	{"loader", "ARCH=PATH", true, "own boot program for an architecture, in the image"},
	{"script", "FILE", false, "a whole iPXE script instead of kernel and initrd; none"},
	{"grub-script", "FILE", false, "a whole grub.cfg instead of the generated one; none"},
	{"pxelinux-script", "FILE", false,
		"a whole PXELINUX configuration instead of the generated one; none"},
	{"local", NULL, false, "continue with the local disk"},
	{"own-ipxe", "yes|no", false,
		"BIOS machines whose ROM is an iPXE load undionly.kpxe first, too"},
	{"menu-item", "TEXT=PROFILE", true,
		"a line of the menu that PXE firmware shows; local: the disk; "
		"PROFILE,type=N,server=IP for other boot servers"},
	{"menu-prompt", "TEXT", false, "shown first, F8 opens the menu; none: the menu at once"},
	{"menu-timeout", "TIME", false, "then the first item; 0: at once; none: wait for ever"},
	{"menu-broadcast", "yes|no", false, "boot servers may be looked for by broadcast"},
	{"menu-multicast", "IP", false, "... and by multicast to this address; none"},
	{"menu", "none", false, "remove the menu"},
};

static const struct command_option profile_show_options[] = {
	{"template", "NAME", false, "print this template, as it is kept"},
};

static const struct command_option push_options[] = {
	{"only", "PATTERN", true, "only files that match (\"*.efi\")"},
	{"as-file", NULL, false, "an ISO image or archive as it is, not what it holds"},
};

static const struct command_option add_os_options[] = {
	{"image", "NAME", false,
		"image that holds the installer (default: of the profile's or the system's name)"},
	{"preseed", "FILE", false,
		"your answers (preseed, kickstart, autoinstall) in place of the ones that are "
		"made"},
	{"args", "TEXT", false, "more kernel arguments"},
	{"var", "NAME=VALUE", true, "variable of the answers; see: profile show NAME"},
	{"chain", "ipxe|grub|shim|pxelinux", false, "what starts the kernel"},
};

static const struct command_option gc_options[] = {
	{"dry-run", NULL, false, "say what would be removed"},
};

static const struct command_option image_add_options[] = {
	{"sha256", "HEX", false, "the file must have this SHA-256"},
	{"only", "PATTERN", true, "only files that match (\"*.efi\")"},
	{"as-file", NULL, false, "an ISO image or archive as it is, not what it holds"},
};

static const struct command_option explain_options[] = {
	{"arch", "ARCH", false,
		"its architecture, a name as below or a number (default: as it said last, else "
		"uefi-x64)"},
	{"class", "TEXT", false, "as if it had sent this vendor class (default: as it said last)"},
	{"user-class", "TEXT", false, "as if it had sent this user class"},
	{"render", "NAME", false,
		"only this file, as it would get it: a template of its profile, boot.ipxe, "
		"grub.cfg, pxelinux.cfg or extlinux.conf"},
	{"uuid", "UUID", false, "the machine's UUID"},
	{"script", NULL, false, "show the iPXE script too"},
};

static const struct command_option machine_list_options[] = {
	{"unknown", NULL, false, "only those that no host declares"},
};

static const struct command_option boot_once_options[] = {
	{"tries", "N", false,
		"boots that may begin with it, 1 to 20 (default 3, or 1 for what never reports)"},
};

static const struct command_option boot_history_options[] = {
	{"limit", "N", false, "at most so many (default 100)"},
};

static const struct command_option boot_log_options[] = {
	{"limit", "N", false, "the newest so many lines (default 1000, at most 1900)"},
	{"follow", NULL, false, "go on with new ones until Ctrl-C; asks one node"},
};

static const struct command_option adopt_options[] = {
	{"next", NULL, false, "the next unknown machine that asks; --timeout ends the waiting"},
	{"mac", "MAC", false, "that machine"},
	{"ip", "IP,IP", true, "reserved address; auto: its lease, or a free one"},
	{"profile", "NAME", false, "what it boots"},
	{"group", "GROUP,GROUP", true, "groups that it belongs to"},
};

static const struct command_option option_list_options[] = {
	{"arch", NULL, false, "the architectures instead, for --arch, --loader and --match arch="},
};

static const struct command_option remove_options[] = {
	{"force", NULL, false, "even if something uses it, without asking"},
};

static const struct command_option lease_import_options[] = {
	{"from", "SERVER", false, "dnsmasq, dhcpd or kea (needed)"},
	{"dry-run", NULL, false, "say what would be taken over, ask no node"},
};

#define LIST(noun)                                                                                 \
	{                                                                                          \
		noun, "list", "[PATTERN]", 0, 1, "list", NULL, NULL, NO_OPTIONS, objects_list      \
	}
#define SHOW(noun)                                                                                 \
	{                                                                                          \
		noun, "show", "NAME", 1, 1, "show one", NULL, NULL, NO_OPTIONS, objects_show       \
	}
#define REMOVE(noun)                                                                               \
	{                                                                                          \
		noun, "remove", "NAME ...", 1, COMMAND_ARGS_MAX,                                   \
			"remove; asks if something uses it", NULL, NULL, OPTIONS(remove_options),  \
			objects_remove                                                             \
	}

const struct command command_table[] = {
	{"status", NULL, "", 0, 0, "quorum, nodes, pools and what to look after", NULL,
		"  pxectl status\n  pxectl -o json status | jq .nodes", NO_OPTIONS, cmd_status},
	{"watch", NULL, "[HOST|MAC]", 0, 1, "boot events of all nodes as they happen",
		"A line each; a pattern such as 'n0*' selects hosts. Ends with Ctrl-C.",
		"  pxectl watch 52:54:00:aa:00:02", NO_OPTIONS, cmd_watch},
	{"doctor", NULL, "", 0, 0, "what is wrong here or in the cluster, and what to do",
		"On a node, as root, also this machine: interface, ports, disk, clock. Exit code 1 "
		"if "
		"anything is bad.",
		"  sudo pxectl doctor", NO_OPTIONS, cmd_doctor},
	{"cluster", "init", "", 0, 0, "make a new cluster; this machine is its first node",
		"Writes node.yaml and keys below --dir and starts pxed. Run it as root. If another "
		"DHCP server answers\non the segment, the cluster stays silent until it is told "
		"what to do about it.",
		"  sudo pxectl cluster init --name lab --interface eth1", OPTIONS(init_options),
		cmd_cluster_init},
	{"cluster", "token create", "", 0, 0, "make a token with which one machine may join",
		"The token works once. Whoever holds it may become a member: hand it over with "
		"care.",
		"  sudo pxectl cluster token create --for pxe2", OPTIONS(token_options),
		cmd_cluster_token_create},
	{"cluster", "join", "TOKEN", 1, 1, "make this machine a node of a cluster",
		"Writes node.yaml and keys below --dir and starts pxed. Run it as root.",
		"  sudo pxectl cluster join pxe1.MFRGGZDF...", OPTIONS(join_options),
		cmd_cluster_join},
	{"cluster", "info", "", 0, 0, "identity, keys and settings of the cluster", NULL, NULL,
		NO_OPTIONS, cmd_cluster_info},
	{"cluster", "set", "KEY=VALUE ...", 1, COMMAND_ARGS_MAX, "change settings of the cluster",
		"mclt     how far a node without the quorum may go: what it leases alone ends by "
		"then\n"
		"lease    lease time of subnets that have none of their own\n"
		"offer    how long an offered address is held\n"
		"decline  how long an address rests that a machine found in use\n"
		"reserve  per cent of the free addresses that the nodes hold for times without "
		"quorum\n"
		"dhcp     on, off, or proxy: another server gives the addresses, we say what to "
		"boot\n"
		"profile  what machines boot that have no other; or none\n"
		"probe    ask by ARP whether an address is in use before it is first offered: yes "
		"or no\n"
		"lease-min, lease-max  the least and the most that a machine gets; or default\n"
		"known-percent  of a subnet's pool addresses, kept for declared hosts that have "
		"none "
		"yet\n"
		"unknown-per-s  first offers a second to machines that no host declares, by one "
		"node\n"
		"option.NAME    DHCP option for everybody, or none; quirk.NAME  yes, no or "
		"default\n"
		"dns, domain    name servers and domain of subnets that have none of their own, or "
		"none\n"
		"boot.ARCH      profile for machines of an architecture, or none; var.NAME  "
		"variable for\n"
		"               scripts and templates, {{vars.NAME}}\n"
		"syslog  take log lines of machines at UDP port 514: yes or no\n"
		"server-id  DHCP server identifier of the cluster",
		"  pxectl cluster set mclt=5m reserve=30%\n  pxectl cluster set dhcp=off\n"
		"  pxectl cluster set option.ntp-servers=10.20.0.2 quirk.rapid-commit=yes",
		NO_OPTIONS, cmd_cluster_set},
	{"cluster", "recover", "", 0, 0,
		"on the last survivor, offline: go on alone when the quorum is lost for good",
		"Stop pxed first. All other nodes are given up: they must be off, and join anew. "
		"What "
		"they agreed on\nand this copy does not hold is lost. A copy of the database is "
		"kept.",
		"  sudo systemctl stop pxecluster && sudo pxectl cluster recover", NO_OPTIONS,
		cmd_cluster_recover},
	{"node", "list", "", 0, 0, "the nodes and how they are", NULL, NULL, NO_OPTIONS,
		cmd_node_list},
	{"node", "remove", "NAME", 1, 1, "take a node out of the cluster",
		"It hands its own addresses back first, so it must run; ends when it is gone. It "
		"must "
		"join again with\na token to come back. Its leases stay known to the others. "
		"--force "
		"is for a node that is off for good:\nits addresses are free after MCLT.",
		"  pxectl node remove pxe3\n  pxectl node remove pxe3 --force",
		OPTIONS(node_remove_options), cmd_node_remove},
	{"node", "drain", "NAME", 1, 1, "before maintenance: machines and leadership go elsewhere",
		"Ends when none of its transfers run any more and it is safe to stop. It keeps its "
		"vote.",
		"  pxectl node drain pxe1", NO_OPTIONS, cmd_node_drain},
	{"node", "undrain", "NAME", 1, 1, "the end of drain", NULL, NULL, NO_OPTIONS,
		cmd_node_undrain},
	{"node", "step-down", "NAME", 1, 1, "the leader hands over to another node", NULL, NULL,
		NO_OPTIONS, cmd_node_step_down},
	{"node", "promote", "NAME", 1, 1, "give a demoted node its vote back", NULL, NULL,
		NO_OPTIONS, cmd_node_promote},
	{"node", "demote", "NAME", 1, 1, "take a node's vote; it goes on to serve machines",
		"For a node behind a bad line: it cannot hold up the others' decisions any more.",
		NULL, NO_OPTIONS, cmd_node_demote},
	LIST("subnet"),
	SHOW("subnet"),
	{"subnet", "add", "NAME CIDR", 2, 2, "add a subnet", NULL,
		"  pxectl subnet add lab 10.20.0.0/22 --gateway 10.20.0.1 --dns 10.20.0.2 --lease "
		"1h",
		OPTIONS(subnet_add_options), objects_add},
	{"subnet", "set", "NAME", 1, 1, "change what is named, nothing else", NULL,
		"  pxectl subnet set lab --lease 2h --option root-path=/srv/nfs --quirk "
		"broadcast=yes",
		OPTIONS(subnet_set_options), objects_set},
	REMOVE("subnet"),
	LIST("pool"),
	SHOW("pool"),
	{"pool", "add", "NAME", 1, 1, "add addresses for machines without a reservation", NULL,
		"  pxectl pool add lab --subnet lab --range 10.20.2.0-10.20.3.199 --exclude "
		"10.20.2.7\n"
		"  pxectl pool add guests --subnet lab --range 10.20.3.200-10.20.3.254 --only "
		"unknown",
		OPTIONS(pool_options), objects_add},
	{"pool", "set", "NAME", 1, 1, "change what is named, nothing else", NULL, NULL,
		OPTIONS(pool_options), objects_set},
	REMOVE("pool"),
	LIST("group"),
	SHOW("group"),
	{"group", "add", "NAME", 1, 1, "add a group of machines that are served in their own way",
		"All that --match gives must hold, of several values of one KEY any. Patterns have "
		"* "
		"and ?. Without --match\nonly hosts that name the group belong to it. Of what "
		"several levels say, the last counts: cluster, subnet,\npool, groups in their "
		"order, host. The groups known and unknown exist by themselves.",
		"  pxectl group add unknown --match known=no --profile discover --lease 5m\n"
		"  pxectl group add dell --match 'mac=d4:be:d9:*' --match arch=uefi-x64 --option "
		"mtu=9000\n"
		"  pxectl group add phones --match 'vendor-class=Cisco*' --option "
		"150=ip:10.20.0.11",
		OPTIONS(group_options), objects_add},
	{"group", "set", "NAME", 1, 1, "change what is named, nothing else",
		"The values of a KEY replace those that it had; other keys stay.",
		"  pxectl group set dell --match arch=none --order 20", OPTIONS(group_options),
		objects_set},
	REMOVE("group"),
	LIST("host"),
	SHOW("host"),
	{"host", "add", "NAME", 1, 1, "add a machine", NULL,
		"  pxectl host add n20 --mac 52:54:00:aa:00:20 --ip auto --profile debian12",
		OPTIONS(host_options), objects_add},
	{"host", "adopt", "NAME", 1, 1, "declare the machine that asks next, or one that was seen",
		"A host of this name that exists gets this hardware address in place of its own.",
		"  pxectl host adopt n21 --next --ip auto --group compute", OPTIONS(adopt_options),
		cmd_host_adopt},
	{"host", "set", "NAME", 1, 1, "change what is named, nothing else", NULL,
		"  pxectl host set n07 --ip 10.20.0.117", OPTIONS(host_options), objects_set},
	REMOVE("host"),
	LIST("profile"),
	{"profile", "show", "NAME", 1, 1, "show one, or one of its templates", NULL, NULL,
		OPTIONS(profile_show_options), objects_show},
	{"profile", "add", "NAME", 1, 1, "add something to boot", NULL,
		"  pxectl profile add debian12 --image debian12 --kernel vmlinuz --initrd "
		"initrd.img \\\n"
		"      --args 'console=ttyS0 url={{base_url}}/preseed.cfg'",
		OPTIONS(profile_options), objects_add},
	{"profile", "set", "NAME", 1, 1, "change what is named, nothing else", NULL, NULL,
		OPTIONS(profile_options), objects_set},
	{"profile", "add-os", "OS NAME", 2, 2,
		"a profile that installs an operating system by itself, from an image with its "
		"installer",
		"Known: debian-11, debian-12, debian-13, ubuntu, fedora, rhel, opensuse, alpine, "
		"arch, memtest; try it on one "
		"machine first.\nVariables of debian-*: disk (default: the "
		"first), mirror, mirror_directory, suite, proxy, locale,\nkeyboard, timezone, "
		"tasks, "
		"packages, root_password_hash, ssh_key; on any level of the configuration.",
		"  pxectl image push debian-12 /usr/lib/debian-installer/images/12/amd64/text\n"
		"  pxectl profile add-os debian-12 install --var disk=/dev/sda --var "
		"ssh_key=\"$(cat "
		"key.pub)\"\n"
		"  pxectl boot once n07 install",
		OPTIONS(add_os_options), cmd_profile_add_os},
	REMOVE("profile"),
	{"lease", "list", "[IP|MAC|HOST]", 0, 1, "who holds which address", NULL, NULL, NO_OPTIONS,
		cmd_lease_list},
	{"lease", "show", "IP|MAC|HOST", 1, 1, "one lease, all of it", NULL, NULL, NO_OPTIONS,
		cmd_lease_show},
	{"lease", "release", "IP", 1, 1, "end a lease; asks if it is live",
		"The machine is not told: it goes on with the address until it renews.", NULL,
		NO_OPTIONS, cmd_lease_release},
	{"lease", "import", "FILE", 1, 1, "take over the leases of another server",
		"Stop the other server first. Add the subnets first, their pools afterwards. What "
		"is refused is told with\nits line; run it again, it is safe.",
		"  pxectl lease import --from dnsmasq /var/lib/misc/dnsmasq.leases",
		OPTIONS(lease_import_options), cmd_lease_import},
	{"validate", NULL, "[FILE]", 0, 1, "is a site file in order? asks no cluster",
		"Errors are told with file, line and column. Included files, scripts and templates "
		"are read, too.",
		"  pxectl validate -f site.yaml", OPTIONS(site_options), cmd_validate},
	{"diff", NULL, "[FILE]", 0, 1, "what apply of a site file would change",
		"Ends with 0: nothing, 1: something.", "  pxectl diff -f site.yaml",
		OPTIONS(diff_options), cmd_diff},
	{"apply", NULL, "[FILE]", 0, 1, "make the cluster as a site file says",
		"Objects that are not in the file stay. Run again, it changes nothing more; broken "
		"off, it is run again.",
		"  pxectl apply -f site.yaml --dry-run\n  pxectl apply -f site.yaml "
		"--if-revision 18342",
		OPTIONS(apply_options), cmd_apply},
	{"export", NULL, "", 0, 0, "print what the cluster has as a site file",
		"Everything but members, keys, leases and the files of images.",
		"  pxectl export > site.yaml", NO_OPTIONS, cmd_export},
	{"import", "dnsmasq", "PATH ...", 1, COMMAND_ARGS_MAX,
		"print dnsmasq's configuration as a site file; changes nothing",
		"A file, or a directory of them; included files are read, too. What is not "
		"understood is told with\nfile and line. Ends with 1 if a person must look.",
		"  pxectl import dnsmasq /etc/dnsmasq.conf /etc/dnsmasq.d > site.yaml", NO_OPTIONS,
		cmd_import_dnsmasq},
	{"import", "dhcpd", "PATH ...", 1, COMMAND_ARGS_MAX,
		"print ISC dhcpd's configuration as a site file; changes nothing",
		"What is not understood is told with file and line. Ends with 1 if a person must "
		"look.",
		"  pxectl import dhcpd /etc/dhcp/dhcpd.conf > site.yaml", NO_OPTIONS,
		cmd_import_dhcpd},
	{"import", "kea", "PATH ...", 1, COMMAND_ARGS_MAX,
		"print Kea's DHCPv4 configuration as a site file; changes nothing",
		"What is not understood is told with file and line. Ends with 1 if a person must "
		"look.",
		"  pxectl import kea /etc/kea/kea-dhcp4.conf > site.yaml", NO_OPTIONS,
		cmd_import_kea},
	{"image", "push", "NAME DIR|FILE|ISO|TAR", 2, 2,
		"make files available to machines, on all nodes at once",
		"ISO images, tar (also .gz .xz .zst .bz2) and zip archives are unpacked first, in "
		"$TMPDIR or /var/tmp.\nOnly what the cluster does not hold yet is sent. Ends when "
		"every living node holds the image.",
		"  pxectl image push debian12 ./images/debian12\n"
		"  pxectl image push rescue systemrescue.iso",
		OPTIONS(push_options), cmd_image_push},
	{"image", "add", "NAME URL", 2, 2, "the same with a file of an HTTP server",
		"A download that breaks off is continued by the next run; its part is kept in "
		"~/.cache/pxectl.",
		"  pxectl image add netboot https://deb.debian.org/debian/dists/bookworm/main/"
		"installer-amd64/current/images/netboot/netboot.tar.gz",
		OPTIONS(image_add_options), cmd_image_add},
	{"image", "list", "[PATTERN]", 0, 1, "images, and where they are", NULL, NULL, NO_OPTIONS,
		cmd_image_list},
	{"image", "show", "NAME", 1, 1, "versions and files of an image", NULL, NULL, NO_OPTIONS,
		cmd_image_show},
	{"image", "tag", "NAME[@DIGEST|@prev] [NEWNAME]", 1, 2,
		"point an image's name to a version that is there, on all nodes at once", NULL,
		"  pxectl image tag debian12@prev          back to what it was before\n"
		"  pxectl image tag debian12 debian12-stable",
		NO_OPTIONS, cmd_image_tag},
	{"image", "diff", "A B", 2, 2, "which files differ; exit code 1 if any do",
		"A, B: NAME, NAME@prev, NAME@DIGEST, or a directory or archive (a path with a '/', "
		"or one that exists).",
		"  pxectl image diff debian12@prev debian12\n"
		"  pxectl image diff debian12 ./images/debian12",
		NO_OPTIONS, cmd_image_diff},
	{"image", "pull", "NAME[@DIGEST|@prev] DIR", 2, 2,
		"the files of a version, from whichever node has them",
		"Each file is checked against its hash before it gets its name; what is there "
		"already is not fetched.",
		"  pxectl image pull debian12 ./debian12", NO_OPTIONS, cmd_image_pull},
	{"image", "verify", "[NAME]", 0, 1, "have every node read its copies again",
		"What is damaged is set aside and fetched anew. Exit code 1 if anything was "
		"damaged or missing, or a\nnode could not be asked.",
		"  pxectl image verify debian12", NO_OPTIONS, cmd_image_verify},
	{"image", "gc", "", 0, 0, "remove versions that nothing names any more; asks",
		"Kept are current, previous and staged versions, those that a profile names and "
		"those that a one-shot boot\nis to go on with.",
		"  pxectl image gc --dry-run", OPTIONS(gc_options), cmd_image_gc},
	{"image", "add-loaders", "[ipxe|grub|shim|pxelinux|memtest ...]", 0, COMMAND_ARGS_MAX,
		"images of the boot programs that this machine's packages bring",
		"Of Debian's ipxe, grub-efi-amd64-signed, shim-signed, pxelinux, syslinux-common "
		"and memtest86+. Without\nnames: of all that are installed.",
		"  pxectl image add-loaders ipxe", NO_OPTIONS, cmd_image_add_loaders},
	{"image", "remove", "NAME[@DIGEST] ...", 1, COMMAND_ARGS_MAX,
		"remove an image or one of its versions; asks if a profile names it", NULL, NULL,
		OPTIONS(remove_options), cmd_image_remove},
	{"machine", "list", "[MAC|IP|HOST]", 0, 1, "machines that were seen, declared or not", NULL,
		"  pxectl machine list --unknown", OPTIONS(machine_list_options), cmd_machine_list},
	{"machine", "show", "MAC|HOST", 1, 1, "all that was seen of one", NULL, NULL, NO_OPTIONS,
		cmd_machine_show},
	{"machine", "remove", "MAC ...", 1, COMMAND_ARGS_MAX,
		"forget machines; one that asks again is seen again", NULL, NULL,
		OPTIONS(remove_options), cmd_machine_remove},
	{"boot", "once", "HOST ... PROFILE", 2, COMMAND_ARGS_MAX,
		"what hosts boot next, once; then they boot as before",
		"Hosts by name, range (n[01-16]), pattern (n0*) or group that they name "
		"(@compute). "
		"A boot is over when its\nsystem asks for an address or reports by its phone home "
		"URL; one that comes back before gets it again, a few times.",
		"  pxectl boot once n[01-04] debian12-install", OPTIONS(boot_once_options),
		cmd_boot_once},
	{"boot", "cancel", "HOST ...", 1, COMMAND_ARGS_MAX, "what was armed is not to be any more",
		NULL, NULL, NO_OPTIONS, cmd_boot_cancel},
	{"boot", "show", "HOST", 1, 1, "the boot that was armed for a host, and how it went", NULL,
		NULL, NO_OPTIONS, cmd_boot_show},
	{"boot", "history", "[HOST|MAC]", 0, 1, "boots as they went, newest first",
		"All nodes are asked. With -o json every step of each.",
		"  pxectl boot history 'n0*' --limit 20", OPTIONS(boot_history_options),
		cmd_boot_history},
	{"boot", "log", "HOST|MAC", 1, 1, "steps of a machine's boots, and what its system logged",
		"Lines that machines send by syslog are taken if: pxectl cluster set syslog=yes",
		"  pxectl boot log n07 --follow", OPTIONS(boot_log_options), cmd_boot_log},
	{"boot", "explain", "MAC", 1, 1, "what a machine would boot, and why",
		"Each value comes from the last level that gives it: cluster, subnet, pool, groups "
		"in their order, host.\nArchitectures: bios, uefi-x86, uefi-x64, uefi-arm32, "
		"uefi-arm64, uefi-riscv64, uefi-x64-http, uefi-arm64-http\nand the others of "
		"option 93; all of them: pxectl option list --arch",
		"  pxectl boot explain 52:54:00:aa:00:02 --arch bios", OPTIONS(explain_options),
		cmd_boot_explain},
	{"backup", "create", "[FILE|-]", 0, 1, "all that the cluster holds, as a file",
		"In it: settings, subnets, pools, hosts, profiles, leases, lists of images, public "
		"keys. "
		"Not in it: the\nbytes of images, secret keys, node.yaml. Profiles and variables "
		"may hold "
		"passwords: keep it safe.\nWithout FILE: CLUSTER-DATE.pxb here.",
		"  pxectl backup create lab.pxb\n  pxectl backup create - | ssh vault 'cat > "
		"lab.pxb'",
		NO_OPTIONS, cmd_backup_create},
	{"backup", "inspect", "FILE", 1, 1, "what a backup holds, and whether it is whole", NULL,
		NULL, NO_OPTIONS, cmd_backup_inspect},
	{"backup", "restore", "FILE", 1, 1,
		"make a new first node of a backup, when all nodes are lost",
		"Makes this machine, which must be no node, the only node of the cluster, offline. "
		"Leases given since the\nbackup are not known: machines that it does not know wait "
		"until "
		"those have run out. Run it as root.",
		"  sudo pxectl backup restore lab.pxb --interface eth1", OPTIONS(restore_options),
		cmd_backup_restore},
	{"option", "list", "[PATTERN]", 0, 1,
		"DHCP options by name, and how their values are written",
		"For --option NAME=VALUE. For options that are not here, and for vendor.N (in 43) "
		"and\n125.ENTERPRISE.N: hex:, text:, ip:, u8:, u16:, u32: or flag: before the "
		"value.",
		"  pxectl option list '*server*'", OPTIONS(option_list_options), cmd_option_list},
	{"version", NULL, "", 0, 0, "version of pxectl", NULL, NULL, NO_OPTIONS, cmd_version},
	{"help", NULL, "[NOUN [VERB]]", 0, 2, "this help", NULL, NULL, NO_OPTIONS, cmd_help},
};
const size_t command_count = sizeof command_table / sizeof command_table[0];
