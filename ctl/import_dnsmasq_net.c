/* dnsmasq's dhcp-range and dhcp-host: subnets, pools, hosts. */
#include "ctl/import_dnsmasq.h"

#include "proto/wire/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

bool dnsmasq_lease(const char *word, uint64_t *ret_seconds)
{
	static const char units[] = "smhdw";
	static const uint64_t factors[] = {1, 60, 3600, 86400, 604800};
	size_t digits = strspn(word, "0123456789");
	uint64_t factor = 1;

	if (strcmp(word, "infinite") == 0) {
		*ret_seconds = UINT32_MAX;
		return true;
	}
	if (digits == 0 || digits > 10) {
		return false;
	}
	if (word[digits] != '\0') {
		const char *unit = strchr(units, tolower((unsigned char)word[digits]));

		if (unit == NULL || word[digits + 1] != '\0') {
			return false;
		}
		factor = factors[unit - units];
	}
	*ret_seconds = strtoull(word, NULL, 10) * factor;
	return true;
}

/* --- ranges --- */

struct range {
	const char *set[8], *tag[8];
	size_t set_count, tag_count;
	uint32_t first, last, mask;
	bool has_last, has_mask, is_static, proxy, has_lease;
	uint64_t lease_s;
	unsigned ips;
};

static struct dnsmasq_subnet *subnet_of(struct dnsmasq *dn, uint32_t ip)
{
	struct dnsmasq_subnet *subnet = dn->subnets;

	while (subnet != NULL && (ip & text_ip4_mask(subnet->prefix)) != subnet->network) {
		subnet = subnet->next;
	}
	return subnet;
}

static unsigned prefix_of(uint32_t mask)
{
	unsigned prefix = 0;

	while (prefix < 32 && (mask & (UINT32_C(1) << (31 - prefix))) != 0) {
		prefix++;
	}
	return prefix;
}

/* Without a mask dnsmasq takes that of its interface: /24, or as many as the range needs. */
static struct dnsmasq_subnet *make_subnet(
	struct dnsmasq *dn, const struct dnsmasq_line *line, const struct range *range)
{
	struct dnsmasq_subnet *subnet = import_alloc(dn->im, sizeof *subnet);
	char cidr[TEXT_CIDR4_BYTES], network[TEXT_IP4_BYTES];

	subnet->prefix = range->has_mask ? prefix_of(range->mask) : 24;
	while (!range->has_mask && subnet->prefix > 8 &&
		((range->first ^ range->last) & text_ip4_mask(subnet->prefix)) != 0) {
		subnet->prefix--;
	}
	subnet->network = range->first & text_ip4_mask(subnet->prefix);
	subnet->guessed = !range->has_mask;
	subnet->next = dn->subnets;
	dn->subnets = subnet;
	text_ip4_format(subnet->network, network);
	const char *name =
		range->set_count > 0 ? range->set[0] : import_text(dn->im, "net-%s", network);
	subnet->node = import_named(dn->im, "subnets", import_free_name(dn->im, "subnets", name));
	import_set(dn->im, subnet->node, "cidr",
		text_cidr4_format(subnet->network, subnet->prefix, cidr));
	if (subnet->guessed) {
		import_remark(dn->im, IMPORT_TODO, line->at, import_child(subnet->node, "cidr"),
			"the netmask was that of the interface: is it %s?", cidr);
	}
	return subnet;
}

static bool read_mode(const char *word, struct range *range)
{
	if (strcmp(word, "static") == 0) {
		range->is_static = true;
	} else if (strcmp(word, "proxy") == 0) {
		range->proxy = true;
	} else {
		return false;
	}
	return true;
}

static bool read_range_word(
	struct dnsmasq *dn, const struct dnsmasq_line *line, const char *word, struct range *range)
{
	uint32_t ip;

	if (range->ips == 0 && dnsmasq_set_of(word) != NULL && word[0] != 'n') {
		if (range->set_count == sizeof range->set / sizeof range->set[0]) {
			return false;
		}
		range->set[range->set_count++] = dnsmasq_set_of(word);
	} else if (range->ips == 0 && dnsmasq_tag_of(word) != NULL) {
		if (range->tag_count == sizeof range->tag / sizeof range->tag[0]) {
			return false;
		}
		range->tag[range->tag_count++] = dnsmasq_tag_of(word);
	} else if (text_ip4_parse(word, &ip) == 0) {
		bool mask = range->ips > 0 && (ip == text_ip4_mask(prefix_of(ip))) &&
			    (ip >> 31) != 0 && ip >> 24 == 255;

		if (range->ips == 0) {
			range->first = range->last = ip;
		} else if (mask) {
			range->mask = ip;
			range->has_mask = true;
		} else if (range->ips == 1) {
			range->last = ip;
			range->has_last = true;
		} else if (!range->has_mask) { /* after the mask: the broadcast address */
			return false;
		}
		range->ips++;
	} else if (range->ips > 0 && read_mode(word, range)) {
		return true;
	} else if (range->ips > 0 && dnsmasq_lease(word, &range->lease_s)) {
		range->has_lease = true;
	} else if (range->ips == 0 && range->set_count == 0 && strchr(word, ':') == NULL &&
		   isalpha((unsigned char)word[0])) {
		range->set[range->set_count++] = word; /* an old way to set a tag */
	} else {
		dnsmasq_left_out(dn, line,
			strchr(word, ':') != NULL ? "dhcp-range: DHCPv6 is not served ('%s')"
						  : "dhcp-range: '%s' is not understood",
			word);
		return false;
	}
	return true;
}

static void set_range_tags(struct dnsmasq *dn, const struct range *range,
	const struct dnsmasq_subnet *subnet, struct import_node *pool)
{
	for (size_t i = 0; i < range->set_count; i++) {
		struct dnsmasq_tag *tag = dnsmasq_tag(dn, range->set[i]);

		if (tag->range_count < DNSMASQ_MATCHES) {
			tag->pool[tag->range_count] = pool;
			tag->subnet[tag->range_count++] = subnet->node;
			tag->set = true;
		}
	}
}

static struct import_node *add_pool(struct dnsmasq *dn, const struct dnsmasq_line *line,
	const struct range *range, struct dnsmasq_subnet *subnet)
{
	struct import_node *pool = import_entry(dn->im, import_list(dn->im, subnet->node, "pools"));
	char first[TEXT_IP4_BYTES], last[TEXT_IP4_BYTES];

	import_set(dn->im, pool, "name",
		import_text(dn->im, "%.58s-%u", import_get(subnet->node, "name"), ++subnet->pools));
	import_set(dn->im, pool, "range",
		import_text(dn->im, "%s-%s", text_ip4_format(range->first, first),
			text_ip4_format(range->last, last)));
	for (size_t i = 0; i < range->tag_count; i++) {
		struct dnsmasq_guard *guard = import_alloc(dn->im, sizeof *guard);

		*guard = (struct dnsmasq_guard){line->at, pool, range->tag[i], dn->guards};
		dn->guards = guard;
	}
	return pool;
}

void dnsmasq_set_guards(struct dnsmasq *dn)
{
	for (const struct dnsmasq_guard *guard = dn->guards; guard != NULL; guard = guard->next) {
		bool except = guard->tag[0] == '!';
		const char *name = guard->tag + (except ? 1 : 0);
		struct dnsmasq_tag *tag = dnsmasq_tag(dn, name);
		const char *list = except ? "except" : "only";

		if (strcmp(name, "known") == 0) {
			import_add(dn->im, guard->pool, list, name);
			continue;
		}
		if (tag->group_count == 0) {
			import_remark(dn->im, IMPORT_TODO, guard->at,
				dnsmasq_tag_match(dn, tag, NULL, NULL),
				"nothing here sets the tag '%s': who belongs to the group?", name);
		}
		for (size_t i = 0; i < tag->group_count; i++) {
			import_add(dn->im, guard->pool, list, import_get(tag->group[i], "name"));
		}
	}
}

static bool check_range(
	struct dnsmasq *dn, const struct dnsmasq_line *line, const struct range *range)
{
	size_t only = 0;

	for (size_t i = 0; i < range->tag_count; i++) {
		only += range->tag[i][0] != '!' ? 1 : 0;
	}
	if (range->ips == 0) {
		dnsmasq_left_out(dn, line, "dhcp-range without an address");
	} else if (range->last < range->first) {
		dnsmasq_left_out(dn, line, "dhcp-range ends before it begins");
	} else if (only > 1) {
		dnsmasq_left_out(dn, line, "dhcp-range for these tags together");
	} else {
		return true;
	}
	return false;
}

/* The subnet has the lease time of its first range; each range that differs has its own. */
static void put_range_lease(struct dnsmasq *dn, const struct dnsmasq_line *line,
	const struct range *range, struct dnsmasq_subnet *subnet, struct import_node *pool)
{
	const uint64_t usual_s = 3600; /* dnsmasq's default */
	uint64_t lease_s = range->has_lease ? range->lease_s : usual_s;

	if (subnet->lease_s == 0) {
		subnet->lease_s = lease_s;
		if (range->has_lease) {
			import_set_lease(dn->im, subnet->node, "lease", lease_s, line->at);
		}
	} else if (pool != NULL && lease_s != subnet->lease_s) {
		import_set_lease(dn->im, pool, "lease", lease_s, line->at);
	}
}

static void check_overlap(struct dnsmasq *dn, const struct dnsmasq_line *line,
	const struct range *range, struct import_node *pool)
{
	struct import_node *other = pool->parent->first;

	for (; other != pool; other = other->next) {
		char text[2 * TEXT_IP4_BYTES], *dash;
		uint32_t first, last;

		snprintf(text, sizeof text, "%s", import_get(other, "range"));
		dash = strchr(text, '-');
		*dash = '\0';
		if (text_ip4_parse(text, &first) == 0 && text_ip4_parse(dash + 1, &last) == 0 &&
			first <= range->last && range->first <= last) {
			import_remark(dn->im, IMPORT_TODO, line->at, pool,
				"the range overlaps with that of %s", import_get(other, "name"));
			return;
		}
	}
}

void dnsmasq_on_range(struct dnsmasq *dn, const struct dnsmasq_line *line)
{
	struct range range = {.ips = 0};
	struct import_node *pool = NULL;

	for (size_t i = 0; i < line->count; i++) {
		size_t before = import_remark_count(dn->im);

		if (!read_range_word(dn, line, line->words[i], &range)) {
			if (import_remark_count(dn->im) == before) {
				dnsmasq_left_out(dn, line, "dhcp-range: '%s' is not understood",
					line->words[i]);
			}
			return;
		}
	}
	if (!check_range(dn, line, &range)) {
		return;
	}
	struct dnsmasq_subnet *subnet = subnet_of(dn, range.first);
	if (subnet != NULL && range.is_static) {
		import_remark(dn->im, IMPORT_NOTE, line->at, NULL,
			"static: reserved addresses need no range");
	}
	if (subnet == NULL || (range.last & text_ip4_mask(subnet->prefix)) != subnet->network) {
		subnet = make_subnet(dn, line, &range);
	}
	if (range.proxy) {
		import_set(dn->im, subnet->node, "dhcp", "proxy");
	} else if (!range.is_static && range.has_last) {
		pool = add_pool(dn, line, &range, subnet);
		check_overlap(dn, line, &range, pool);
	} else if (!range.is_static) {
		dnsmasq_left_out(dn, line, "dhcp-range without an end");
	}
	put_range_lease(dn, line, &range, subnet, pool);
	set_range_tags(dn, &range, subnet, pool);
}

/* --- hosts --- */

struct host {
	const char *mac[16], *client_id[8], *set[8], *name;
	size_t mac_count, client_id_count, set_count;
	const char *glob; /* a hardware address with '*' */
	const char *tag;  /* only with this tag */
	bool has_ip, ignore, has_lease, v6, any_id;
	uint32_t ip;
	uint64_t lease_s;
};

const char *dnsmasq_mac(struct dnsmasq *dn, const char *word, bool *ret_glob)
{
	/* "1-aa:bb:..": a hardware type in front. */
	const char *dash = strchr(word, '-'), *colon = strchr(word, ':');
	const char *at =
		dash != NULL && (colon == NULL || dash < colon) &&
				strspn(word, "0123456789abcdefABCDEF") == (size_t)(dash - word)
			? dash + 1
			: word;
	char *text = import_alloc(dn->im, 3 * 20 + 1);
	bool glob = false;
	size_t count = 0;

	for (;; at++) {
		size_t digits = strspn(at, "0123456789abcdefABCDEF");
		bool star = *at == '*';

		if ((!star && (digits < 1 || digits > 2)) || (star && ret_glob == NULL) ||
			count == 16) {
			return NULL;
		}
		glob |= star;
		if (star) {
			memcpy(text + strlen(text), "*:", 2);
		} else {
			sprintf(text + strlen(text), "%02lx:", strtoul(at, NULL, 16));
		}
		count++;
		at += star ? 1 : digits;
		if (*at != ':') {
			break;
		}
	}
	if (*at != '\0' || count < 2) {
		return NULL;
	}
	text[strlen(text) - 1] = '\0';
	if (ret_glob != NULL) {
		*ret_glob = glob;
	}
	return text;
}

/* "id:01:02" in hexadecimal, or text: dnsmasq takes it with or without a type 0 in front. */
static void read_client_id(struct dnsmasq *dn, const char *word, struct host *host)
{
	struct import_bytes store = {.size = 0}, *bytes = &store;
	size_t limit = sizeof host->client_id / sizeof host->client_id[0];
	const char *why;
	bool hex = strchr(word, ':') != NULL &&
		   import_encode(dn->im, IMPORT_HEX, &word, 1, bytes, &why) == 0;

	if (!hex && import_encode(dn->im, IMPORT_STRING, &word, 1, bytes, &why) != 0) {
		return;
	}
	char *text = import_alloc(dn->im, 2 * bytes->size + 3);
	memcpy(text, "00", 2);
	text_hex_format(bytes->data, bytes->size, text + 2, 2 * bytes->size + 1);
	if (host->client_id_count + 2 <= limit) {
		host->client_id[host->client_id_count++] = text + 2;
		if (!hex) {
			host->client_id[host->client_id_count++] = text;
		}
	}
}

static bool read_host_word(struct dnsmasq *dn, const char *word, struct host *host)
{
	bool glob = false;
	const char *mac;

	if (word[0] == '[' || strncmp(word, "id:*", 4) == 0) {
		host->v6 |= word[0] == '[';
		host->any_id |= word[0] != '[';
	} else if (strncmp(word, "id:", 3) == 0) {
		read_client_id(dn, word + 3, host);
	} else if (dnsmasq_set_of(word) != NULL) {
		if (host->set_count == sizeof host->set / sizeof host->set[0]) {
			return false;
		}
		host->set[host->set_count++] = dnsmasq_set_of(word);
	} else if (dnsmasq_tag_of(word) != NULL) {
		host->tag = dnsmasq_tag_of(word);
	} else if (text_ip4_parse(word, &host->ip) == 0) {
		host->has_ip = true;
	} else if (strchr(word, ':') != NULL || strchr(word, '*') != NULL) {
		mac = dnsmasq_mac(dn, word, &glob);
		if (mac == NULL || host->mac_count == sizeof host->mac / sizeof host->mac[0]) {
			return false;
		}
		if (glob) {
			host->glob = mac;
		} else {
			host->mac[host->mac_count++] = mac;
		}
	} else if (strcmp(word, "ignore") == 0) {
		host->ignore = true;
	} else if (dnsmasq_lease(word, &host->lease_s)) {
		host->has_lease = true;
	} else if (word[0] != '\0') {
		host->name = word;
	}
	return true;
}

/* All machines of a pattern: a group, not a host. */
static void put_glob(struct dnsmasq *dn, const struct dnsmasq_line *line, const struct host *host)
{
	if (host->has_ip || host->name != NULL || host->mac_count > 0 ||
		host->client_id_count > 0) {
		dnsmasq_left_out(dn, line,
			"an address or a name for all machines of a pattern, '%s'", host->glob);
		return;
	}
	if (host->set_count == 0) {
		size_t fixed = strcspn(host->glob, "*"); /* a ':' ends it */
		struct import_node *group = import_named(dn->im, "groups",
			import_free_name(dn->im, "groups",
				import_text(dn->im, "mac-%.*s", (int)(fixed > 0 ? fixed - 1 : 0),
					host->glob)));

		import_add(dn->im, import_map(dn->im, group, "match"), "mac", host->glob);
		if (host->ignore) {
			import_set_plain(dn->im, group, "ignore", "true");
		}
		if (host->has_lease) {
			import_set_lease(dn->im, group, "lease", host->lease_s, line->at);
		}
	}
	for (size_t i = 0; i < host->set_count; i++) {
		struct import_node *group =
			dnsmasq_tag_match(dn, dnsmasq_tag(dn, host->set[i]), "mac", host->glob);

		if (group != NULL && host->ignore) {
			import_set_plain(dn->im, group, "ignore", "true");
		}
		if (group != NULL && host->has_lease) {
			import_set_lease(dn->im, group, "lease", host->lease_s, line->at);
		}
	}
}

static struct import_node *make_host(struct dnsmasq *dn, const struct host *host)
{
	const char *name = host->name;

	if (name == NULL) {
		char *made = import_text(
			dn->im, "h-%s", host->mac_count > 0 ? host->mac[0] : host->client_id[0]);
		size_t used = 0;

		for (const char *at = made; *at != '\0'; at++) {
			if (*at != ':') {
				made[used++] = *at;
			}
		}
		made[used] = '\0';
		name = made;
	}
	return import_named(dn->im, "hosts", import_free_name(dn->im, "hosts", name));
}

/* The host that one of the addresses was given to by a line before; NULL: none. */
static struct import_node *known_host(const struct dnsmasq *dn, const struct host *host)
{
	struct import_node *node = NULL;

	for (size_t i = 0; i < host->mac_count && node == NULL; i++) {
		node = import_find(dn->im, "mac", host->mac[i]);
	}
	for (size_t i = 0; i < host->client_id_count && node == NULL; i++) {
		node = import_find(dn->im, "client_id", host->client_id[i]);
	}
	return node;
}

static void put_identities(struct dnsmasq *dn, const struct host *host, struct import_node *node)
{
	for (size_t i = 0; i < host->mac_count; i++) {
		import_add(dn->im, node, "mac", host->mac[i]);
		import_index(dn->im, "mac", host->mac[i], node);
	}
	for (size_t i = 0; i < host->client_id_count; i++) {
		import_add(dn->im, node, "client_id", host->client_id[i]);
		import_index(dn->im, "client_id", host->client_id[i], node);
	}
}

static void put_address(
	struct dnsmasq *dn, const struct dnsmasq_line *line, uint32_t ip, struct import_node *node)
{
	char text[TEXT_IP4_BYTES];

	text_ip4_format(ip, text);
	import_add(dn->im, node, "ip", text);
	if (import_find(dn->im, "ip", text) == NULL) {
		import_index(dn->im, "ip", text, node);
	} else if (import_find(dn->im, "ip", text) != node) {
		import_remark(dn->im, IMPORT_TODO, line->at, node,
			"%s is the address of %s, too: one machine with several hardware "
			"addresses?",
			text, import_get(import_find(dn->im, "ip", text), "name"));
	}
}

static void put_host(struct dnsmasq *dn, const struct dnsmasq_line *line, const struct host *host)
{
	struct import_node *node = known_host(dn, host);

	if (host->any_id) {
		import_remark(dn->im, IMPORT_NOTE, line->at, NULL,
			"id:*: the hardware address counts anyway");
	}
	if (node == NULL) {
		node = make_host(dn, host);
	} else if (host->name != NULL && strcmp(host->name, import_get(node, "name")) != 0) {
		import_set(dn->im, node, "hostname", host->name);
		import_remark(dn->im, IMPORT_TODO, line->at, node,
			"two names for one machine, the other one is %s", host->name);
	}
	put_identities(dn, host, node);
	if (host->has_ip) {
		put_address(dn, line, host->ip, node);
	}
	for (size_t i = 0; i < host->set_count; i++) {
		struct import_node *group =
			dnsmasq_tag_match(dn, dnsmasq_tag(dn, host->set[i]), NULL, NULL);

		if (group != NULL) {
			import_add(dn->im, node, "groups", import_get(group, "name"));
		}
	}
	if (host->has_lease) {
		import_set_lease(dn->im, node, "lease", host->lease_s, line->at);
	}
	if (host->ignore) {
		import_set_plain(dn->im, node, "ignore", "true");
	}
}

void dnsmasq_on_host(struct dnsmasq *dn, const struct dnsmasq_line *line)
{
	struct host host = {.name = NULL};

	for (size_t i = 0; i < line->count; i++) {
		if (!read_host_word(dn, line->words[i], &host)) {
			dnsmasq_left_out(
				dn, line, "dhcp-host: '%s' is not understood", line->words[i]);
			return;
		}
	}
	if (host.tag != NULL) {
		dnsmasq_left_out(dn, line, "dhcp-host only with the tag '%s'", host.tag);
	} else if (host.v6 && !host.has_ip) {
		dnsmasq_left_out(dn, line, "dhcp-host: DHCPv6 is not served");
	} else if (host.glob != NULL) {
		put_glob(dn, line, &host);
	} else if (host.mac_count == 0 && host.client_id_count == 0) {
		dnsmasq_left_out(dn, line,
			"dhcp-host: machines are not known by the name that they send: write the "
			"hardware address");
	} else {
		put_host(dn, line, &host);
		if (host.v6) {
			dnsmasq_left_out(dn, line, "dhcp-host: DHCPv6 is not served");
		}
	}
}
