/* ISC dhcpd's configuration: blocks become subnets, pools, groups and hosts; a class or an `if` is
 * a group with a match. */
#include "ctl/import_dhcpd.h"

#include "ctl/import_boot.h"

#include "proto/wire/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void dhcpd_left_out(struct dhcpd *dd, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	import_remark(dd->im, IMPORT_LEFT_OUT, dd->statement.at, NULL, "%s", text);
}

static const char *word(const struct dhcpd *dd, size_t at)
{
	return at < dd->statement.count ? dd->statement.word[at].text : "";
}

static bool is(const struct dhcpd *dd, size_t at, const char *text)
{
	return strcmp(word(dd, at), text) == 0;
}

static struct dhcpd_scope *scope_of(struct dhcpd *dd)
{
	return &dd->scope[dd->depth];
}

/* The innermost open scope of a kind; NULL. */
static struct dhcpd_scope *around(struct dhcpd *dd, enum dhcpd_kind kind)
{
	for (size_t i = dd->depth + 1; i-- > 0;) {
		if (dd->scope[i].kind == kind) {
			return &dd->scope[i];
		}
	}
	return NULL;
}

static struct import_node *scratch(struct dhcpd *dd)
{
	struct import_node *node = import_alloc(dd->im, sizeof *node);

	node->kind = IMPORT_MAP;
	/* A parent, as all nodes have that options are put into. */
	node->parent = import_alloc(dd->im, sizeof *node->parent);
	return node;
}

static struct dhcpd_scope *open_scope(
	struct dhcpd *dd, enum dhcpd_kind kind, struct import_node *node, const char *name)
{
	if (dd->depth + 1 == DHCPD_SCOPES_MAX) {
		dhcpd_left_out(dd, "too many blocks inside each other");
		dd->lost++;
		return NULL;
	}
	struct dhcpd_scope *scope = &dd->scope[++dd->depth];
	*scope = (struct dhcpd_scope){
		.kind = kind, .at = dd->statement.at, .node = node, .name = name};
	return scope;
}

static void skip_block(struct dhcpd *dd, const char *why)
{
	dhcpd_left_out(dd, "%s: %s", word(dd, 0), why);
	open_scope(dd, DHCPD_SKIP, scratch(dd), "");
}

/* --- subnets, pools --- */

static void open_subnet(struct dhcpd *dd)
{
	uint32_t network, mask;
	unsigned prefix = 0;
	char cidr[TEXT_CIDR4_BYTES];

	if (!is(dd, 2, "netmask") || text_ip4_parse(word(dd, 1), &network) != 0 ||
		text_ip4_parse(word(dd, 3), &mask) != 0) {
		skip_block(dd, "not understood");
		return;
	}
	while (prefix < 32 && (mask & UINT32_C(1) << (31 - prefix)) != 0) {
		prefix++;
	}
	struct import_node *node = import_named(dd->im, "subnets",
		import_free_name(dd->im, "subnets", import_text(dd->im, "net-%s", word(dd, 1))));
	import_set(dd->im, node, "cidr", text_cidr4_format(network & mask, prefix, cidr));
	const struct dhcpd_scope *shared = around(dd, DHCPD_SHARED);
	if (shared != NULL) {
		import_set(dd->im, node, "shared_network", import_clean_name(dd->im, shared->name));
	}
	open_scope(dd, DHCPD_SUBNET, node, import_get(node, "name"));
}

/* "A B", "A", "dynamic-bootp A B": "A-B" */
static void on_range(struct dhcpd *dd)
{
	struct dhcpd_scope *scope = scope_of(dd);
	size_t at = is(dd, 1, "dynamic-bootp") ? 2 : 1;
	uint32_t first, last;

	if (text_ip4_parse(word(dd, at), &first) != 0 ||
		(at + 1 < dd->statement.count && text_ip4_parse(word(dd, at + 1), &last) != 0) ||
		(scope->kind != DHCPD_POOL && scope->kind != DHCPD_SUBNET)) {
		dhcpd_left_out(dd, "range: not understood");
		return;
	}
	if (scope->range_count == sizeof scope->range / sizeof scope->range[0]) {
		dhcpd_left_out(dd, "range: too many of one pool");
		return;
	}
	scope->range[scope->range_count++] = import_text(dd->im, "%s-%s", word(dd, at),
		at + 1 < dd->statement.count ? word(dd, at + 1) : word(dd, at));
}

/* The subnet that an address is of. */
static struct import_node *subnet_of(struct dhcpd *dd, const char *range)
{
	const struct import_node *list = import_child(import_root(dd->im), "subnets");
	const char *first = import_copy(dd->im, range, strcspn(range, "-"));
	uint32_t ip, network;
	unsigned prefix;

	for (struct import_node *node = list->first; node != NULL; node = node->next) {
		if (text_ip4_parse(first, &ip) == 0 &&
			text_cidr4_parse(import_get(node, "cidr"), &network, &prefix) == 0 &&
			(ip & text_ip4_mask(prefix)) == network) {
			return node;
		}
	}
	return NULL;
}

static void close_pool(struct dhcpd *dd, const struct dhcpd_scope *scope)
{
	for (size_t i = 0; i < scope->range_count; i++) {
		struct import_node *subnet = subnet_of(dd, scope->range[i]);

		if (subnet == NULL) {
			import_remark(dd->im, IMPORT_LEFT_OUT, scope->at, NULL,
				"range %s is of no subnet", scope->range[i]);
			continue;
		}
		struct import_node *pools = import_list(dd->im, subnet, "pools");
		struct import_node *pool = import_entry(dd->im, pools);
		unsigned number = 0;

		for (const struct import_node *at = pools->first; at != NULL; at = at->next) {
			number++;
		}
		import_set(dd->im, pool, "name",
			import_text(dd->im, "%.56s-%u", import_get(subnet, "name"), number));
		import_set(dd->im, pool, "range", scope->range[i]);
		if (scope->kind == DHCPD_POOL) {
			import_inherit(dd->im, pool, scope->node);
		}
	}
	if (scope->range_count == 0 && scope->kind == DHCPD_POOL) {
		import_remark(dd->im, IMPORT_LEFT_OUT, scope->at, NULL, "a pool without a range");
	}
}

/* --- boot files --- */

static void close_boot(struct dhcpd *dd, const struct dhcpd_scope *scope)
{
	const struct import_node *match = import_child(scope->node, "match");

	if (scope->filename == NULL) {
		return;
	}
	if (import_boot_is_ipxe(scope->filename)) {
		import_remark(dd->im, IMPORT_NOTE, scope->filename_at, NULL,
			"%s is not needed: machines get the iPXE of this project first",
			scope->filename);
		return;
	}
	if (scope->kind == DHCPD_POOL) {
		import_remark(dd->im, IMPORT_LEFT_OUT, scope->filename_at, NULL,
			"filename for one pool of a subnet");
		return;
	}
	struct import_node *profile = import_boot_profile(dd->im, scope->filename_at, NULL,
		scope->filename, match == NULL ? NULL : import_child(match, "arch"));
	const char *other = import_get(scope->node, "boot");
	import_set(dd->im, scope->node, "boot", import_get(profile, "name"));
	if (other != NULL && scope->understood_if) {
		import_remark(dd->im, IMPORT_TODO, scope->filename_at,
			import_child(scope->node, "boot"), "or %s, by a condition?", other);
	}
}

static void on_filename(struct dhcpd *dd)
{
	struct dhcpd_scope *scope = scope_of(dd);

	if (dd->statement.count != 2 || word(dd, 1)[0] == '\0') {
		dhcpd_left_out(dd, "filename: an expression");
		return;
	}
	scope->filename = word(dd, 1);
	scope->filename_at = dd->statement.at;
}

static void on_next_server(struct dhcpd *dd)
{
	import_remark(dd->im, IMPORT_NOTE, dd->statement.at, NULL,
		"next-server %s: machines load from the cluster; push the files as an image",
		word(dd, 1));
}

/* --- groups, hosts, classes --- */

static void open_group(struct dhcpd *dd)
{
	const char *name = dd->statement.count > 1 ? word(dd, 1)
						   : import_text(dd->im, "group-%u", ++dd->groups);
	struct import_node *node =
		import_named(dd->im, "groups", import_free_name(dd->im, "groups", name));

	open_scope(dd, DHCPD_GROUP, node, import_get(node, "name"));
}

static void open_host(struct dhcpd *dd)
{
	if (dd->statement.count != 2) {
		skip_block(dd, "not understood");
		return;
	}
	struct import_node *node =
		import_named(dd->im, "hosts", import_free_name(dd->im, "hosts", word(dd, 1)));
	for (size_t i = 0; i <= dd->depth; i++) {
		if (dd->scope[i].kind == DHCPD_GROUP) {
			import_add(dd->im, node, "groups", dd->scope[i].name);
		}
	}
	open_scope(dd, DHCPD_HOST, node, import_get(node, "name"));
}

static struct dhcpd_class *class_of(struct dhcpd *dd, const char *name)
{
	struct dhcpd_class *found = dd->classes;

	while (found != NULL && strcmp(found->name, name) != 0) {
		found = found->next;
	}
	if (found == NULL) {
		found = import_alloc(dd->im, sizeof *found);
		found->name = name;
		found->group = import_named(dd->im, "groups", name);
		found->next = dd->classes;
		dd->classes = found;
	}
	return found;
}

static void open_class(struct dhcpd *dd)
{
	if (dd->statement.count != 2) {
		skip_block(dd, "not understood");
		return;
	}
	open_scope(dd, DHCPD_CLASS, class_of(dd, word(dd, 1))->group, word(dd, 1));
}

/* subclass "NAME" VALUE, alone or with a block of its own. */
static void on_subclass(struct dhcpd *dd)
{
	bool block = dd->statement.end == '{';
	struct dhcpd_class *class = dd->statement.count == 3 ? class_of(dd, word(dd, 1)) : NULL;
	const char *value =
		class == NULL || class->key == NULL
			? NULL
			: dhcpd_match_value(dd, class->key, class->prefix, &dd->statement.word[2]);

	if (value == NULL) {
		if (block) {
			skip_block(dd, "not understood");
		} else {
			dhcpd_left_out(dd, "subclass: not understood");
		}
		return;
	}
	import_add(dd->im, import_map(dd->im, class->group, "match"), class->key, value);
	if (block) {
		struct import_node *own = import_named(dd->im, "groups",
			import_free_name(dd->im, "groups",
				import_text(dd->im, "%.30s-%s", class->name, value)));

		import_add(dd->im, import_map(dd->im, own, "match"), class->key, value);
		open_scope(dd, DHCPD_CLASS, own, import_get(own, "name"));
	}
}

/* match if CONDITION; match EXPRESSION; */
static void on_match(struct dhcpd *dd)
{
	struct dhcpd_scope *scope = scope_of(dd);
	struct import_node *found = scratch(dd);

	if (scope->kind != DHCPD_CLASS) {
		dhcpd_left_out(dd, "match outside of a class");
	} else if (is(dd, 1, "if")) {
		if (dhcpd_match(dd, 2, dd->statement.count, found)) {
			import_inherit(dd->im, import_map(dd->im, scope->node, "match"), found);
		} else {
			import_remark(dd->im, IMPORT_TODO, dd->statement.at, scope->node,
				"who belongs to the group? This condition is not understood");
		}
	} else {
		struct dhcpd_class *class = class_of(dd, scope->name);

		if (!dhcpd_match_key(dd, 1, &class->key, &class->prefix)) {
			class->key = NULL;
			import_remark(dd->im, IMPORT_TODO, dd->statement.at, scope->node,
				"who belongs to the group? This expression is not understood");
		}
	}
}

/* if CONDITION { }: a group of its own, or the scope around it when it only tells iPXE from ROMs.
 */
static void open_if(struct dhcpd *dd, size_t from)
{
	struct dhcpd_scope *outer = scope_of(dd);
	struct import_node *match = scratch(dd);
	const struct import_node *outer_match = import_child(outer->node, "match");

	dd->after_if_known = false;
	if ((outer->kind != DHCPD_ROOT && outer->kind != DHCPD_SUBNET &&
		    outer->kind != DHCPD_CLASS) ||
		!dhcpd_match(dd, from, dd->statement.count, match)) {
		skip_block(dd, "this condition here");
		return;
	}
	dd->after_if_known = true;
	if (match->first == match->last && strcmp(match->first->key, "user_class") == 0 &&
		import_has(match, "user_class", "iPXE")) {
		struct dhcpd_scope *same = open_scope(dd, outer->kind, outer->node, outer->name);

		if (same != NULL) {
			same->understood_if = true;
		}
		return;
	}
	if (outer->kind == DHCPD_SUBNET) {
		import_add(dd->im, match, "subnet", outer->name);
	} else if (outer_match != NULL) {
		import_inherit(dd->im, match, outer_match);
	}
	struct import_node *node = import_named(dd->im, "groups",
		import_free_name(dd->im, "groups", import_text(dd->im, "if-%u", ++dd->ifs)));
	import_inherit(dd->im, import_map(dd->im, node, "match"), match);
	struct dhcpd_scope *scope = open_scope(dd, DHCPD_CLASS, node, import_get(node, "name"));
	if (scope != NULL) {
		scope->understood_if = true;
	}
}

/* else { }: what the scope around it says, since the groups of the conditions come after it. */
static void open_else(struct dhcpd *dd)
{
	struct dhcpd_scope *outer = scope_of(dd);

	if (!dd->after_if_known) {
		skip_block(dd, "its condition is not understood");
		return;
	}
	struct dhcpd_scope *same = open_scope(dd, outer->kind, outer->node, outer->name);
	if (same != NULL) {
		same->understood_if = true;
	}
}

static void on_hardware(struct dhcpd *dd)
{
	const char *mac = dhcpd_mac(dd, word(dd, 2));

	if (scope_of(dd)->kind != DHCPD_HOST || mac == NULL) {
		dhcpd_left_out(dd, "hardware: not understood");
		return;
	}
	import_add(dd->im, scope_of(dd)->node, "mac", mac);
}

static void on_fixed_address(struct dhcpd *dd)
{
	uint32_t ip;

	if (scope_of(dd)->kind != DHCPD_HOST) {
		dhcpd_left_out(dd, "fixed-address outside of a host");
		return;
	}
	for (size_t i = 1; i < dd->statement.count; i++) {
		if (text_ip4_parse(word(dd, i), &ip) == 0) {
			import_add(dd->im, scope_of(dd)->node, "ip", word(dd, i));
		} else if (!is(dd, i, ",")) {
			import_remark(dd->im, IMPORT_TODO, dd->statement.at, scope_of(dd)->node,
				"which address has %s?", word(dd, i));
		}
	}
}

/* host-identifier option agent.circuit-id "x"; and option dhcp-client-identifier of a host. */
static bool host_identity(struct dhcpd *dd, size_t at)
{
	const struct dhcpd_word *value = &dd->statement.word[at + 1];
	struct import_bytes store = {.size = 0}, *bytes = &store;
	const char *key = is(dd, at, "agent.circuit-id")         ? "circuit_id"
			  : is(dd, at, "dhcp-client-identifier") ? "client_id"
								 : NULL;
	const char *why;

	if (scope_of(dd)->kind != DHCPD_HOST || key == NULL || dd->statement.count != at + 2 ||
		import_encode(dd->im, value->quoted ? IMPORT_STRING : IMPORT_HEX, &value->text, 1,
			bytes, &why) != 0) {
		return false;
	}
	char *hex = import_alloc(dd->im, 2 * bytes->size + 1);
	import_add(dd->im, scope_of(dd)->node, key,
		text_hex_format(bytes->data, bytes->size, hex, 2 * bytes->size + 1));
	return true;
}

static void on_option(struct dhcpd *dd)
{
	struct dhcpd_scope *scope = scope_of(dd);

	if (scope->kind == DHCPD_HOST && is(dd, 1, "host-name") && dd->statement.count == 3) {
		import_set(dd->im, scope->node, "hostname", word(dd, 2));
	} else if (dd->statement.count >= 3 && !host_identity(dd, 1)) {
		dhcpd_on_option(dd, scope->node);
	} else if (dd->statement.count < 3) {
		dhcpd_left_out(dd, "option: not understood");
	}
}

static void on_host_identifier(struct dhcpd *dd)
{
	if (!is(dd, 1, "option") || dd->statement.count < 4 || !host_identity(dd, 2)) {
		dhcpd_left_out(dd, "host-identifier: not understood");
	}
}

/* --- who may --- */

static void permit(struct dhcpd *dd, bool allow, size_t at)
{
	struct dhcpd_scope *scope = scope_of(dd);
	const char *list = allow ? "only" : "except";

	if (is(dd, at, "members") && is(dd, at + 1, "of") && scope->kind == DHCPD_POOL) {
		import_add(dd->im, scope->node, list,
			import_get(class_of(dd, word(dd, at + 2))->group, "name"));
	} else if ((is(dd, at, "known-clients") || is(dd, at, "known")) &&
		   scope->kind == DHCPD_POOL) {
		import_add(dd->im, scope->node, list, "known");
	} else if ((is(dd, at, "unknown-clients") || is(dd, at, "unknown")) &&
		   scope->kind == DHCPD_POOL) {
		import_add(dd->im, scope->node, list, "unknown");
	} else if (is(dd, at, "unknown-clients") && !allow && scope->kind == DHCPD_ROOT) {
		import_set_plain(
			dd->im, import_named(dd->im, "groups", "unknown"), "ignore", "true");
	} else if (is(dd, at, "booting") && !allow && scope->kind != DHCPD_POOL &&
		   scope->kind != DHCPD_ROOT && scope->kind != DHCPD_SUBNET &&
		   scope->kind != DHCPD_SHARED) {
		import_set_plain(dd->im, scope->node, "ignore", "true");
	} else if (allow && (is(dd, at, "booting") || is(dd, at, "bootp") ||
				    is(dd, at, "unknown-clients") || is(dd, at, "all"))) {
		import_remark(dd->im, IMPORT_NOTE, dd->statement.at, NULL, "%s: it is so anyway",
			word(dd, at));
	} else {
		dhcpd_left_out(dd, "%s %s", word(dd, 0), word(dd, at));
	}
}

static void on_permit(struct dhcpd *dd)
{
	permit(dd, is(dd, 0, "allow"), 1);
}

/* --- other statements --- */

static void on_lease_time(struct dhcpd *dd)
{
	const char *key = is(dd, 0, "default-lease-time") ? "lease"
			  : is(dd, 0, "max-lease-time")   ? "lease_max"
							  : "lease_min";
	uint64_t seconds;

	if (is(dd, 1, "infinite") || is(dd, 1, "-1")) {
		seconds = UINT32_MAX;
	} else if (text_u64_parse(word(dd, 1), UINT32_MAX, &seconds) != 0) {
		dhcpd_left_out(dd, "%s: not understood", word(dd, 0));
		return;
	}
	import_set_lease(dd->im, scope_of(dd)->node, key, seconds, dd->statement.at);
}

static bool is_yes(const char *text)
{
	return strcmp(text, "on") == 0 || strcmp(text, "true") == 0;
}

static void on_always_broadcast(struct dhcpd *dd)
{
	if (scope_of(dd)->kind == DHCPD_POOL) {
		dhcpd_left_out(dd, "always-broadcast for one pool");
		return;
	}
	import_set_plain(dd->im, import_map(dd->im, scope_of(dd)->node, "quirks"), "broadcast",
		is_yes(word(dd, 1)) ? "true" : "false");
}

static void on_ping_check(struct dhcpd *dd)
{
	if (scope_of(dd)->kind != DHCPD_ROOT) {
		dhcpd_left_out(dd, "ping-check here: it holds for the cluster");
		return;
	}
	import_set_plain(
		dd->im, scope_of(dd)->node, "probe", is_yes(word(dd, 1)) ? "true" : "false");
}

static void on_include(struct dhcpd *dd)
{
	dhcpd_push(dd, word(dd, 1), dd->statement.at);
}

static void on_process(struct dhcpd *dd)
{
	(void)dd;
	import_ignore(dd->im, "statements about dhcpd's own process and DNS updates ignored");
}

static void on_anyway(struct dhcpd *dd)
{
	import_remark(
		dd->im, IMPORT_NOTE, dd->statement.at, NULL, "%s: it is so anyway", word(dd, 0));
}

static void on_failover(struct dhcpd *dd)
{
	import_remark(dd->im, IMPORT_NOTE, dd->statement.at, NULL,
		"failover: the nodes of the cluster do that");
}

static const struct {
	const char *word;
	void (*run)(struct dhcpd *dd);
} statements[] = {{"option", on_option}, {"range", on_range}, {"filename", on_filename},
	{"next-server", on_next_server}, {"hardware", on_hardware},
	{"fixed-address", on_fixed_address}, {"host-identifier", on_host_identifier},
	{"match", on_match}, {"subclass", on_subclass}, {"allow", on_permit}, {"deny", on_permit},
	{"ignore", on_permit}, {"default-lease-time", on_lease_time},
	{"max-lease-time", on_lease_time}, {"min-lease-time", on_lease_time},
	{"always-broadcast", on_always_broadcast}, {"ping-check", on_ping_check},
	{"include", on_include}, {"failover", on_failover}, {"authoritative", on_anyway},
	{"use-host-decl-names", on_anyway}, {"one-lease-per-client", on_anyway},
	{"ddns-update-style", on_process}, {"ddns-updates", on_process},
	{"ddns-domainname", on_process}, {"ddns-rev-domainname", on_process},
	{"ddns-hostname", on_process}, {"ddns-ttl", on_process},
	{"update-static-leases", on_process}, {"update-conflict-detection", on_process},
	{"update-optimization", on_process}, {"do-forward-updates", on_process},
	{"log-facility", on_process}, {"lease-file-name", on_process},
	{"pid-file-name", on_process}, {"omapi-port", on_process}, {"omapi-key", on_process},
	{"local-port", on_process}, {"local-address", on_process}, {"db-time-format", on_process},
	{"get-lease-hostnames", on_process}, {"dhcp-cache-threshold", on_process},
	{"delayed-ack", on_process}, {"max-ack-delay", on_process}, {"ping-timeout", on_process}};

static void on_statement(struct dhcpd *dd)
{
	if (dd->statement.too_long) {
		dhcpd_left_out(dd, "%s: too long", word(dd, 0));
		return;
	}
	if (is(dd, 0, "not") || is(dd, 0, "authoritative")) {
		on_anyway(dd);
		return;
	}
	/* "known clients" of a pool is old for "allow known-clients". */
	for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
		if (is(dd, 0, statements[i].word)) {
			statements[i].run(dd);
			return;
		}
	}
	dhcpd_left_out(dd, "%.80s has no counterpart", word(dd, 0));
}

static void open_block(struct dhcpd *dd)
{
	enum dhcpd_kind kind = scope_of(dd)->kind;
	bool outside = kind == DHCPD_ROOT || kind == DHCPD_SHARED || kind == DHCPD_GROUP;

	if (is(dd, 0, "else")) {
		if (is(dd, 1, "if")) {
			open_if(dd, 2);
		} else {
			open_else(dd);
		}
	} else if (is(dd, 0, "if") || is(dd, 0, "elsif")) {
		open_if(dd, 1);
	} else if (is(dd, 0, "subnet") && outside) {
		open_subnet(dd);
	} else if (is(dd, 0, "shared-network") && (kind == DHCPD_ROOT || kind == DHCPD_GROUP)) {
		open_scope(dd, DHCPD_SHARED, scratch(dd), word(dd, 1));
	} else if (is(dd, 0, "pool") && (kind == DHCPD_SUBNET || kind == DHCPD_SHARED)) {
		open_scope(dd, DHCPD_POOL, scratch(dd), "");
	} else if (is(dd, 0, "group")) {
		open_group(dd);
	} else if (is(dd, 0, "host")) {
		open_host(dd);
	} else if (is(dd, 0, "class")) {
		open_class(dd);
	} else if (is(dd, 0, "subclass")) {
		on_subclass(dd);
	} else if (is(dd, 0, "failover") || is(dd, 0, "key") || is(dd, 0, "zone")) {
		import_ignore(dd->im, "blocks about failover, keys and DNS zones of dhcpd ignored");
		open_scope(dd, DHCPD_SKIP, scratch(dd), "");
	} else if (is(dd, 0, "subnet6")) {
		skip_block(dd, "DHCPv6 is not served");
	} else {
		skip_block(dd, "has no counterpart here");
	}
}

/* What the blocks around a subnet say holds for it, unless it says otherwise itself. */
static void inherit_around(struct dhcpd *dd, struct import_node *node)
{
	for (size_t i = dd->depth; i-- > 1;) {
		const struct dhcpd_scope *outer = &dd->scope[i];

		if (outer->kind == DHCPD_SHARED || outer->kind == DHCPD_GROUP) {
			struct import_node *own = scratch(dd);

			import_inherit(dd->im, own, outer->node);
			if (import_child(own, "name") != NULL) {
				import_drop(import_child(own, "name"));
			}
			import_inherit(dd->im, node, own);
		}
	}
}

static void close_scope(struct dhcpd *dd)
{
	struct dhcpd_scope *scope = scope_of(dd);

	if (dd->lost > 0) {
		dd->lost--;
		return;
	}
	if (dd->depth == 0) {
		dhcpd_left_out(dd, "a '}' without its '{'");
		return;
	}
	close_boot(dd, scope);
	if (scope->kind == DHCPD_POOL || (scope->kind == DHCPD_SUBNET && scope->range_count > 0)) {
		close_pool(dd, scope);
	}
	if (scope->kind == DHCPD_SUBNET && !scope->understood_if) {
		inherit_around(dd, scope->node);
	}
	dd->after_if = scope->understood_if;
	dd->depth--;
}

int import_dhcpd(struct import *im, const struct import_source *sources, size_t count)
{
	struct dhcpd *dd = import_alloc(im, sizeof *dd);
	const struct import_at nowhere = {NULL, 0};

	dd->im = im;
	dd->scope[0] = (struct dhcpd_scope){
		.kind = DHCPD_ROOT, .node = import_map(im, import_root(im), "cluster")};
	import_list(im, import_root(im), "subnets");
	import_list(im, import_root(im), "groups");
	import_list(im, import_root(im), "hosts");
	for (size_t i = 0; i < count; i++) {
		if (sources[i].text != NULL) {
			struct dhcpd_file *file = import_alloc(im, sizeof *file);

			*file = (struct dhcpd_file){sources[i].path, sources[i].text, 1, NULL};
			dd->top = file;
			dd->files = 1;
		} else {
			dhcpd_push(dd, sources[i].path, nowhere);
		}
		while (dhcpd_next(dd)) {
			if (dd->statement.end == '}') {
				close_scope(dd);
			} else if (dd->lost > 0 || scope_of(dd)->kind == DHCPD_SKIP) {
				if (dd->statement.end == '{' && dd->lost > 0) {
					dd->lost++;
				} else if (dd->statement.end == '{') {
					open_scope(dd, DHCPD_SKIP, scratch(dd), "");
				}
			} else if (dd->statement.end == '{') {
				open_block(dd);
			} else {
				on_statement(dd);
			}
		}
		while (dd->depth > 0) {
			import_remark(im, IMPORT_LEFT_OUT, scope_of(dd)->at, NULL,
				"a '{' without its '}'");
			close_scope(dd);
		}
		dd->lost = 0;
	}
	close_boot(dd, &dd->scope[0]);
	return dd->failed ? -ENOENT : 0;
}
