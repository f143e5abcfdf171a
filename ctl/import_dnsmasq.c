/* dnsmasq's directives. Lines that set tags come first, since lines further up may use them. */
#include "ctl/import_dnsmasq.h"

#include "proto/wire/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ENCAPS_MAX 64u

typedef void on_line(struct dnsmasq *dn, const struct dnsmasq_line *line);

void dnsmasq_left_out(struct dnsmasq *dn, const struct dnsmasq_line *line, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	import_remark(dn->im, IMPORT_LEFT_OUT, line->at, NULL, "%s", text);
}

/* --- options --- */

struct option_line {
	struct dnsmasq_selection selection;
	struct import_option option;
	enum import_type type;
	unsigned encap;     /* the option that collects it; 0: none */
	const char *vendor; /* vendor class that it is for */
	size_t values;      /* first word of the value */
	bool named;
};

static bool read_option_name(struct dnsmasq *dn, const struct dnsmasq_line *line, const char *word,
	struct option_line *ret)
{
	uint64_t code;

	if (strncmp(word, "option:", 7) == 0) {
		ret->option.code = import_option_code(word + 7, &ret->type);
		if (ret->option.code == 0) {
			dnsmasq_left_out(dn, line, "no option is known as '%s'", word + 7);
			return false;
		}
		return true;
	}
	if (strncmp(word, "option6:", 8) == 0) {
		dnsmasq_left_out(dn, line, "%s: DHCPv6 is not served", line->key);
		return false;
	}
	if (text_u64_parse(word, ret->option.space == IMPORT_DHCP ? 254 : 255, &code) != 0 ||
		(code == 0 && ret->option.space == IMPORT_DHCP)) {
		dnsmasq_left_out(dn, line, "%s: '%s' is no option", line->key, word);
		return false;
	}
	ret->option.code = (unsigned)code;
	ret->type = ret->option.space == IMPORT_DHCP && ret->encap == 0
			    ? import_option_type(ret->option.code)
			    : IMPORT_GUESS;
	return true;
}

/* encap:N, vi-encap:N and vendor:X in front of the option. */
static bool read_option_space(struct dnsmasq *dn, const struct dnsmasq_line *line, const char *word,
	struct option_line *ret)
{
	uint64_t number;

	if (strncmp(word, "vendor:", 7) == 0) {
		ret->vendor = word + 7;
		ret->option.space = IMPORT_VENDOR;
		return true;
	}
	if (strncmp(word, "encap:", 6) == 0 && text_u64_parse(word + 6, 254, &number) == 0) {
		ret->option.space = number == 43 ? IMPORT_VENDOR : IMPORT_DHCP;
		ret->encap = number == 43 ? 0 : (unsigned)number;
		return true;
	}
	if (strncmp(word, "vi-encap:", 9) == 0 &&
		text_u64_parse(word + 9, UINT32_MAX, &number) == 0) {
		ret->option.space = IMPORT_VIVSO;
		ret->option.enterprise = (uint32_t)number;
		return true;
	}
	dnsmasq_left_out(dn, line, "%s: '%s' is not understood", line->key, word);
	return false;
}

static bool read_option(
	struct dnsmasq *dn, const struct dnsmasq_line *line, struct option_line *ret)
{
	size_t at;

	memset(ret, 0, sizeof *ret);
	if (!dnsmasq_select_words(dn, line, &ret->selection, &at)) {
		return false;
	}
	for (; at < line->count; at++) {
		const char *word = line->words[at];

		if (strchr(word, ':') == NULL || strncmp(word, "option", 6) == 0) {
			break;
		}
		if (!read_option_space(dn, line, word, ret)) {
			return false;
		}
	}
	ret->values = at + 1;
	ret->option.always = strcmp(line->key, "dhcp-option-force") == 0;
	return read_option_name(dn, line, at < line->count ? line->words[at] : "", ret);
}

/* What the protocol itself fills: nobody configures it. */
static bool is_protocols_own(const struct option_line *line)
{
	static const unsigned char own[] = {
		1, 50, 51, 52, 53, 54, 55, 56, 57, 61, 80, 81, 82, 93, 94, 97};

	return line->option.space == IMPORT_DHCP && line->encap == 0 &&
	       memchr(own, (int)line->option.code, sizeof own) != NULL;
}

/* Sub-options follow each other in one option. */
static struct import_bytes *encap_bytes(
	struct dnsmasq *dn, struct import_node *target, unsigned code)
{
	struct dnsmasq_encap *encap = dn->encaps;

	while (encap != NULL && (encap->target != target || encap->code != code)) {
		encap = encap->next;
	}
	if (encap == NULL && dn->encap_count < ENCAPS_MAX) {
		dn->encap_count++;
		encap = import_alloc(dn->im, sizeof *encap);
		encap->target = target;
		encap->code = code;
		encap->next = dn->encaps;
		dn->encaps = encap;
	}
	return encap == NULL ? NULL : &encap->bytes;
}

static bool put_encap(struct dnsmasq *dn, struct import_node *target,
	const struct option_line *option, const struct import_bytes *bytes)
{
	struct import_bytes *all = encap_bytes(dn, target, option->encap);
	struct import_option whole = {.code = option->encap, .always = option->option.always};

	if (all == NULL || bytes->size > 255 || all->size + 2 + bytes->size > sizeof all->data) {
		return false;
	}
	all->data[all->size++] = (uint8_t)option->option.code;
	all->data[all->size++] = (uint8_t)bytes->size;
	memcpy(all->data + all->size, bytes->data, bytes->size);
	all->size += bytes->size;
	import_put_option(dn->im, target, &whole, all);
	return true;
}

/* For machines of a vendor: a group that knows them. */
static bool select_vendor(
	struct dnsmasq *dn, const struct dnsmasq_line *line, struct option_line *option)
{
	if (option->vendor == NULL) {
		return dnsmasq_select_targets(dn, line, &option->selection);
	}
	if (option->selection.count > 0) {
		dnsmasq_left_out(dn, line, "%s for a vendor class and tags together", line->key);
		return false;
	}
	struct import_node *group =
		import_named(dn->im, "groups", import_text(dn->im, "vendor-%s", option->vendor));
	import_add(dn->im, import_map(dn->im, group, "match"), "vendor_class",
		import_text(dn->im, "*%s*", option->vendor));
	option->selection.target[option->selection.target_count++] = group;
	return true;
}

static bool has_own_address(const struct dnsmasq_line *line, const struct option_line *option)
{
	bool ips = option->type == IMPORT_IP ||
		   (option->type == IMPORT_GUESS && option->option.space == IMPORT_DHCP &&
			   option->encap == 0);

	for (size_t i = option->values; i < line->count && ips; i++) {
		if (strcmp(line->words[i], "0.0.0.0") == 0) {
			return true;
		}
	}
	return false;
}

/* Times of options 58 and 59 are written as lease times. */
static void read_times(
	struct dnsmasq *dn, const struct dnsmasq_line *line, struct option_line *option)
{
	uint64_t seconds;

	if (option->option.space == IMPORT_DHCP && option->encap == 0 &&
		option->type == IMPORT_U32 && line->count == option->values + 1 &&
		dnsmasq_lease(line->words[option->values], &seconds)) {
		line->words[option->values] =
			import_text(dn->im, "%llu", (unsigned long long)seconds);
	}
	/* "30i" is a number of any option. */
	if (line->count == option->values + 1 && option->type >= IMPORT_U8 &&
		option->type <= IMPORT_U32) {
		const char *word = line->words[option->values];
		size_t digits = strspn(word, "0123456789");

		if (digits > 0 && strchr("isb", word[digits]) != NULL && word[digits] != '\0') {
			option->type = IMPORT_GUESS;
		}
	}
	/* Bytes where the table says otherwise: dnsmasq takes them. */
	if (line->count == option->values + 1 && option->type == IMPORT_U32 &&
		strchr(line->words[option->values], ':') != NULL) {
		option->type = IMPORT_HEX;
	}
}

static void note_replaced(
	struct dnsmasq *dn, const struct dnsmasq_line *line, const struct import_node *node)
{
	if (node->replaced) {
		import_remark(dn->im, IMPORT_NOTE, line->at, NULL,
			"%.60s is given twice: the last one counts", node->key);
	}
}

static void on_option(struct dnsmasq *dn, const struct dnsmasq_line *line)
{
	struct option_line option;
	struct import_bytes *bytes;
	const char *why = "";

	if (!read_option(dn, line, &option)) {
		return;
	}
	if (is_protocols_own(&option)) {
		dnsmasq_left_out(dn, line, "option %u is the protocol's own", option.option.code);
	} else if (line->count <= option.values && option.encap == 0 &&
		   option.option.space == IMPORT_DHCP &&
		   memchr("\3\6\14\34", (int)option.option.code, 4) != NULL) {
		import_remark(dn->im, IMPORT_NOTE, line->at, NULL,
			"option %u is not sent unless it is given", option.option.code);
	} else if (has_own_address(line, &option)) {
		dnsmasq_left_out(dn, line,
			"0.0.0.0 stood for dnsmasq's own address: write the one that is meant");
	} else {
		read_times(dn, line, &option);
		bytes = import_alloc(dn->im, sizeof *bytes);
		if (import_encode(dn->im, option.type, line->words + option.values,
			    line->count > option.values ? line->count - option.values : 0, bytes,
			    &why) != 0) {
			dnsmasq_left_out(dn, line, "%s: %s", line->key, why);
		} else if (select_vendor(dn, line, &option)) {
			for (size_t i = 0; i < option.selection.target_count; i++) {
				struct import_node *target = option.selection.target[i];

				if (option.encap == 0) {
					note_replaced(dn, line,
						import_put_option(
							dn->im, target, &option.option, bytes));
				} else if (!put_encap(dn, target, &option, bytes)) {
					dnsmasq_left_out(dn, line, "too many sub-options");
				}
			}
		}
	}
}

/* --- the rest --- */

static void on_ignore(struct dnsmasq *dn, const struct dnsmasq_line *line)
{
	struct dnsmasq_selection selection;
	size_t rest;

	if (line->count == 0 || line->words[0][0] == '\0') {
		dnsmasq_left_out(dn, line, "dhcp-ignore for all machines");
		return;
	}
	if (!dnsmasq_select(dn, line, &selection, &rest)) {
		return;
	}
	if (rest < line->count || selection.count == 0) {
		dnsmasq_left_out(dn, line, "dhcp-ignore: not understood");
		return;
	}
	for (size_t i = 0; i < selection.target_count; i++) {
		const struct import_node *list = selection.target[i]->parent;

		if (list->key != NULL && strcmp(list->key, "groups") == 0) {
			import_set_plain(dn->im, selection.target[i], "ignore", "true");
		} else {
			dnsmasq_left_out(dn, line, "dhcp-ignore for the machines of a range");
		}
	}
}

/* A quirk of the machines with these tags, or of all. */
static void put_quirk(
	struct dnsmasq *dn, const struct dnsmasq_line *line, const char *quirk, const char *value)
{
	struct dnsmasq_selection selection;
	size_t rest;

	if (!dnsmasq_select(dn, line, &selection, &rest)) {
		return;
	}
	for (size_t i = 0; i < selection.target_count; i++) {
		struct import_node *target = selection.target[i];

		if (target->parent->key != NULL && strcmp(target->parent->key, "pools") == 0) {
			dnsmasq_left_out(
				dn, line, "%s for one of several ranges of a subnet", line->key);
			continue;
		}
		import_set_plain(dn->im, import_map(dn->im, target, "quirks"), quirk, value);
	}
}

static void on_broadcast(struct dnsmasq *dn, const struct dnsmasq_line *line)
{
	put_quirk(dn, line, "broadcast", "true");
}

static void on_rapid_commit(struct dnsmasq *dn, const struct dnsmasq_line *line)
{
	put_quirk(dn, line, "rapid_commit", "true");
}

static void on_no_override(struct dnsmasq *dn, const struct dnsmasq_line *line)
{
	put_quirk(dn, line, "overload", "false");
}

static void on_reply_delay(struct dnsmasq *dn, const struct dnsmasq_line *line)
{
	uint64_t seconds;

	if (line->count == 0 || text_u64_parse(line->words[line->count - 1], 3600, &seconds) != 0) {
		dnsmasq_left_out(dn, line, "dhcp-reply-delay: not understood");
		return;
	}
	put_quirk(dn, line, "reply_delay_ms", import_text(dn->im, "%u", (unsigned)seconds * 1000));
}

static void on_no_ping(struct dnsmasq *dn, const struct dnsmasq_line *line)
{
	(void)line;
	import_set_plain(dn->im, dn->cluster, "probe", "false");
}

/* domain=NAME[,SUBNET]: its addresses' names are DNS, the name itself is told to machines. */
static void on_domain(struct dnsmasq *dn, const struct dnsmasq_line *line)
{
	uint32_t ip;
	unsigned prefix;

	if (line->count == 0 || line->words[0][0] == '\0' || line->words[0][0] == '#') {
		dnsmasq_left_out(dn, line, "domain: not understood");
	} else if (line->count == 1) {
		import_set(dn->im, dn->cluster, "domain", line->words[0]);
	} else if (text_cidr4_parse(line->words[1], &ip, &prefix) == 0 ||
		   text_ip4_parse(line->words[1], &ip) == 0) {
		struct dnsmasq_subnet *subnet = dn->subnets;

		while (subnet != NULL && (ip & text_ip4_mask(subnet->prefix)) != subnet->network) {
			subnet = subnet->next;
		}
		if (subnet != NULL) {
			import_set(dn->im, subnet->node, "domain", line->words[0]);
		} else {
			dnsmasq_left_out(dn, line, "domain of addresses that no dhcp-range has");
		}
	} else {
		dnsmasq_left_out(dn, line, "domain: '%s' is not understood", line->words[1]);
	}
}

static void on_tftp_root(struct dnsmasq *dn, const struct dnsmasq_line *line)
{
	if (line->count != 1 || line->words[0][0] == '\0') {
		dnsmasq_left_out(dn, line, "tftp-root of one interface");
		return;
	}
	dn->tftp_root = line->words[0];
	dn->tftp_at = line->at;
}

/* "aa:bb:cc:dd:ee:ff 10.0.0.1" of /etc/ethers. */
static void on_ethers(struct dnsmasq *dn, const struct dnsmasq_line *line)
{
	const char *text = line->count > 0 ? line->words[0] : "";
	size_t length = strcspn(text, " \t");
	const char *mac = dnsmasq_mac(dn, import_copy(dn->im, text, length), NULL);
	const char *rest = text + length + strspn(text + length, " \t");
	const char *words[2] = {mac, rest};

	if (mac == NULL || *rest == '\0') {
		dnsmasq_left_out(dn, line, "ethers: not understood");
		return;
	}
	struct dnsmasq_line host = {line->at, "dhcp-host", "", words, 2, NULL};
	dnsmasq_on_host(dn, &host);
}

static void on_server(struct dnsmasq *dn, const struct dnsmasq_line *line)
{
	(void)line;
	import_ignore(dn->im, "directives about dnsmasq's own process and interfaces ignored");
}

static void on_dns(struct dnsmasq *dn, const struct dnsmasq_line *line)
{
	(void)line;
	import_ignore(dn->im, "DNS options ignored");
}

static void on_always(struct dnsmasq *dn, const struct dnsmasq_line *line)
{
	import_remark(dn->im, IMPORT_NOTE, line->at, NULL, "%s: it is always so", line->key);
}

static void on_leases(struct dnsmasq *dn, const struct dnsmasq_line *line)
{
	import_remark(dn->im, IMPORT_NOTE, line->at, NULL,
		"take its leases over with: pxectl lease import --from dnsmasq %s",
		line->count > 0 ? line->words[0] : "FILE");
}

static void on_other(struct dnsmasq *dn, const struct dnsmasq_line *line)
{
	dnsmasq_left_out(dn, line, "%.80s has no counterpart", line->key);
}

struct directive {
	const char *key;
	on_line *run;
	unsigned pass;
};

static const struct directive directives[] = {
	{"dhcp-match", dnsmasq_on_match, 0},
	{"dhcp-mac", dnsmasq_on_match, 0},
	{"dhcp-vendorclass", dnsmasq_on_match, 0},
	{"dhcp-userclass", dnsmasq_on_match, 0},
	{"dhcp-circuitid", dnsmasq_on_match, 0},
	{"dhcp-remoteid", dnsmasq_on_match, 0},
	{"dhcp-subscrid", dnsmasq_on_match, 0},
	{"dhcp-range", dnsmasq_on_range, 0},
	{"dhcp-host", dnsmasq_on_host, 0},
	{"ethers", on_ethers, 0},
	{"tftp-root", on_tftp_root, 0},
	{"tftp-prefix", on_tftp_root, 0},
	{"dhcp-option", on_option, 1},
	{"dhcp-option-force", on_option, 1},
	{"dhcp-option-pxe", on_option, 1},
	{"dhcp-boot", dnsmasq_on_boot, 1},
	{"pxe-service", dnsmasq_on_pxe_service, 1},
	{"pxe-prompt", dnsmasq_on_pxe_prompt, 1},
	{"dhcp-ignore", on_ignore, 1},
	{"dhcp-broadcast", on_broadcast, 1},
	{"dhcp-rapid-commit", on_rapid_commit, 1},
	{"dhcp-no-override", on_no_override, 1},
	{"dhcp-reply-delay", on_reply_delay, 1},
	{"no-ping", on_no_ping, 1},
	{"domain", on_domain, 1},
	{"dhcp-leasefile", on_leases, 1},
	{"dhcp-authoritative", on_always, 1},
	{"dhcp-fqdn", on_dns, 1},
	{"enable-tftp", on_always, 1},
	{"tftp-no-fail", on_always, 1},
};

static const char *const dns_keys[] = {"addn-hosts", "address", "alias", "all-servers", "auth-peer",
	"auth-sec-servers", "auth-server", "auth-soa", "auth-ttl", "auth-zone", "bogus-nxdomain",
	"bogus-priv", "cache-rr", "cache-size", "caa-record", "clear-on-reload", "cname",
	"connmark-allowlist", "connmark-allowlist-enable", "dhcp-generate-names",
	"dhcp-ignore-names", "dhcp-client-update", "dhcp-name-match", "dhcp-ttl", "dns-forward-max",
	"dns-loop-detect", "dns-rr", "dnssec", "dnssec-check-unsigned", "dnssec-debug",
	"dnssec-no-timecheck", "dnssec-timestamp", "domain-needed", "dumpfile", "dumpmask",
	"dynamic-host", "edns-packet-max", "expand-hosts", "fast-dns-retry", "filter-A",
	"filter-AAAA", "filter-rr", "filterwin2k", "host-record", "hostsdir", "ignore-address",
	"interface-name", "ipset", "local", "local-service", "local-ttl", "localise-queries",
	"localmx", "log-queries", "max-cache-ttl", "max-port", "max-tcp-connections", "max-ttl",
	"min-cache-ttl", "min-port", "mx-host", "mx-target", "naptr-record", "neg-ttl", "nftset",
	"no-0x20-encode", "no-hosts", "no-ident", "no-negcache", "no-poll", "no-resolv",
	"no-round-robin", "port-limit", "proxy-dnssec", "ptr-record", "query-port",
	"rebind-domain-ok", "rebind-localhost-ok", "resolv-file", "rev-server", "selfmx", "server",
	"servers-file", "srv-host", "stop-dns-rebind", "strict-order", "strip-mac", "strip-subnet",
	"synth-domain", "trust-anchor", "txt-record", "umbrella", "use-stale-cache", "add-cpe-id",
	"add-mac", "add-subnet"};

static const char *const server_keys[] = {"bind-dynamic", "bind-interfaces", "conntrack",
	"enable-dbus", "enable-ubus", "except-interface", "group", "interface",
	"keep-in-foreground", "leasequery", "listen-address", "log-async", "log-debug", "log-dhcp",
	"log-facility", "no-daemon", "no-dhcp-interface", "no-dhcpv4-interface",
	"no-dhcpv6-interface", "pid-file", "port", "quiet-dhcp", "quiet-dhcp6", "quiet-ra",
	"quiet-tftp", "script-arp", "script-on-renewal", "user"};

static bool is_among(const char *key, const char *const *keys, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(keys[i], key) == 0) {
			return true;
		}
	}
	return false;
}

static struct directive directive_of(const char *key)
{
	for (size_t i = 0; i < sizeof directives / sizeof directives[0]; i++) {
		if (strcmp(directives[i].key, key) == 0) {
			return directives[i];
		}
	}
	if (is_among(key, dns_keys, sizeof dns_keys / sizeof dns_keys[0])) {
		return (struct directive){key, on_dns, 1};
	}
	if (is_among(key, server_keys, sizeof server_keys / sizeof server_keys[0])) {
		return (struct directive){key, on_server, 1};
	}
	return (struct directive){key, on_other, 1};
}

int import_dnsmasq(struct import *im, const struct import_source *sources, size_t count)
{
	struct import_node *root = import_root(im);
	struct dnsmasq dn = {.im = im, .cluster = import_map(im, root, "cluster")};

	dn.last = &dn.first;
	import_list(im, root, "subnets");
	import_list(im, root, "groups");
	import_list(im, root, "hosts");
	int result = dnsmasq_read(&dn, sources, count);
	import_set(im, dn.cluster, "lease", "1h"); /* dnsmasq's own default */
	for (unsigned pass = 0; pass < 2; pass++) {
		if (pass == 1) {
			dnsmasq_set_guards(&dn);
		}
		for (struct dnsmasq_line *line = dn.first; line != NULL; line = line->next) {
			struct directive directive = directive_of(line->key);

			if (directive.pass == pass) {
				directive.run(&dn, line);
			}
		}
	}
	return result;
}
