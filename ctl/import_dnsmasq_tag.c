/* dnsmasq's tags: a group for each way in which a tag is set; the ranges that set it. */
#include "ctl/import_boot.h"
#include "ctl/import_dnsmasq.h"

#include "proto/wire/text.h"

#include <stdlib.h>
#include <string.h>

const char *dnsmasq_set_of(const char *word)
{
	if (strncmp(word, "set:", 4) == 0 || strncmp(word, "net:", 4) == 0) {
		return word + 4;
	}
	return NULL;
}

const char *dnsmasq_tag_of(const char *word)
{
	return strncmp(word, "tag:", 4) == 0 || strncmp(word, "net:", 4) == 0 ? word + 4 : NULL;
}

struct dnsmasq_tag *dnsmasq_tag(struct dnsmasq *dn, const char *name)
{
	struct dnsmasq_tag *tag = dn->tags;

	while (tag != NULL && strcmp(tag->name, name) != 0) {
		tag = tag->next;
	}
	if (tag == NULL) {
		tag = import_alloc(dn->im, sizeof *tag);
		tag->name = import_text(dn->im, "%s", name);
		tag->next = dn->tags;
		dn->tags = tag;
	}
	return tag;
}

/* Is `key` all that the group matches by? NULL: that it matches by nothing. */
static bool matches_by(const struct import_node *group, const char *key)
{
	const struct import_node *match = import_child(group, "match");

	if (match == NULL || key == NULL) {
		return match == NULL && key == NULL;
	}
	return match->first == match->last && match->first != NULL &&
	       strcmp(match->first->key, key) == 0;
}

struct import_node *dnsmasq_tag_match(
	struct dnsmasq *dn, struct dnsmasq_tag *tag, const char *key, const char *value)
{
	struct import_node *group = NULL;

	tag->set = true;
	/* Hosts may name a group that matches others, too. */
	for (size_t i = 0; i < tag->group_count && group == NULL; i++) {
		if (key == NULL || matches_by(tag->group[i], key) ||
			matches_by(tag->group[i], NULL)) {
			group = tag->group[i];
		}
	}
	if (group == NULL && tag->group_count < DNSMASQ_MATCHES) {
		group = import_named(
			dn->im, "groups", import_free_name(dn->im, "groups", tag->name));
		tag->group[tag->group_count++] = group;
	}
	if (group != NULL && key != NULL) {
		import_add(dn->im, import_map(dn->im, group, "match"), key, value);
	}
	return group;
}

/* --- what a line with tag: words is for --- */

bool dnsmasq_select_words(struct dnsmasq *dn, const struct dnsmasq_line *line,
	struct dnsmasq_selection *ret_selection, size_t *ret_rest)
{
	size_t at = 0;

	memset(ret_selection, 0, sizeof *ret_selection);
	for (; at < line->count && dnsmasq_tag_of(line->words[at]) != NULL; at++) {
		const char *name = dnsmasq_tag_of(line->words[at]);
		size_t limit = sizeof ret_selection->tag / sizeof ret_selection->tag[0];

		if (ret_selection->count == limit) {
			dnsmasq_left_out(dn, line, "%s: more tags than can be combined", line->key);
			return false;
		}
		ret_selection->not_tag[ret_selection->count] = name[0] == '!';
		ret_selection->tag[ret_selection->count++] = name + (name[0] == '!' ? 1 : 0);
	}
	*ret_rest = at;
	return true;
}

static bool add_target(struct dnsmasq_selection *selection, struct import_node *node)
{
	for (size_t i = 0; i < selection->target_count; i++) {
		if (selection->target[i] == node) {
			return true;
		}
	}
	if (selection->target_count == DNSMASQ_TARGETS) {
		return false;
	}
	selection->target[selection->target_count++] = node;
	return true;
}

/* Do all pools of the tag's subnet carry it? Then it is the subnet that is meant. */
static struct import_node *range_target(const struct dnsmasq_tag *tag, size_t index)
{
	const struct import_node *pools = import_child(tag->subnet[index], "pools");
	size_t count = 0, tagged = 0;

	for (const struct import_node *pool = pools == NULL ? NULL : pools->first; pool != NULL;
		pool = pool->next) {
		count++;
		for (size_t i = 0; i < tag->range_count; i++) {
			tagged += tag->pool[i] == pool ? 1 : 0;
		}
	}
	return tag->pool[index] == NULL || tagged == count ? tag->subnet[index] : tag->pool[index];
}

static bool select_one(struct dnsmasq *dn, const struct dnsmasq_line *line, const char *name,
	bool not_tag, struct dnsmasq_selection *selection)
{
	struct dnsmasq_tag *tag;

	if (strcmp(name, "known") == 0) {
		return add_target(
			selection, import_named(dn->im, "groups", not_tag ? "unknown" : "known"));
	}
	if (not_tag) {
		dnsmasq_left_out(dn, line, "%s for machines without the tag '%s'", line->key, name);
		return false;
	}
	tag = dnsmasq_tag(dn, name);
	if (!tag->set) {
		struct import_node *group = dnsmasq_tag_match(dn, tag, NULL, NULL);

		import_remark(dn->im, IMPORT_TODO, line->at, group,
			"nothing here sets the tag '%s' (an interface?): who belongs to the group?",
			name);
	}
	for (size_t i = 0; i < tag->group_count; i++) {
		add_target(selection, tag->group[i]);
	}
	for (size_t i = 0; i < tag->range_count; i++) {
		add_target(selection, range_target(tag, i));
	}
	return selection->target_count > 0;
}

/* What one of several tags asks, into the match that they have in common. */
static bool join_match(struct dnsmasq *dn, const struct dnsmasq_tag *tag, struct import_node *match)
{
	if (tag->group_count == 0 && tag->range_count > 0) {
		if (import_child(match, "subnet") != NULL) {
			return false;
		}
		for (size_t i = 0; i < tag->range_count; i++) {
			import_add(dn->im, match, "subnet", import_get(tag->subnet[i], "name"));
		}
		return true;
	}
	const struct import_node *own =
		tag->group_count == 1 ? import_child(tag->group[0], "match") : NULL;
	if (own == NULL || tag->range_count > 0) {
		return false;
	}
	for (const struct import_node *key = own->first; key != NULL; key = key->next) {
		if (import_child(match, key->key) != NULL) {
			return false;
		}
	}
	import_inherit(dn->im, match, own);
	return true;
}

/* All of several tags: a group whose match asks for all of it. */
static bool select_all(
	struct dnsmasq *dn, const struct dnsmasq_line *line, struct dnsmasq_selection *selection)
{
	struct import *im = dn->im;
	const char *name = import_text(im, "%s", selection->tag[0]);
	struct import_node scratch = {.kind = IMPORT_MAP};
	bool possible = true;

	for (size_t i = 0; i < selection->count && possible; i++) {
		if (i > 0) {
			name = import_text(im, "%s-%s", name, selection->tag[i]);
		}
		possible = !selection->not_tag[i];
		if (possible && strcmp(selection->tag[i], "known") == 0) {
			import_set_plain(im, &scratch, "known", "true");
		} else if (possible) {
			possible = join_match(dn, dnsmasq_tag(dn, selection->tag[i]), &scratch);
		}
	}
	if (!possible) {
		dnsmasq_left_out(dn, line, "%s for these tags together", line->key);
		return false;
	}
	struct import_node *group = import_named(im, "groups", name);
	import_inherit(im, import_map(im, group, "match"), &scratch);
	return add_target(selection, group);
}

bool dnsmasq_select_targets(
	struct dnsmasq *dn, const struct dnsmasq_line *line, struct dnsmasq_selection *selection)
{
	if (selection->count == 0) {
		return add_target(selection, dn->cluster);
	}
	if (selection->count == 1) {
		return select_one(dn, line, selection->tag[0], selection->not_tag[0], selection);
	}
	return select_all(dn, line, selection);
}

bool dnsmasq_select(struct dnsmasq *dn, const struct dnsmasq_line *line,
	struct dnsmasq_selection *ret_selection, size_t *ret_rest)
{
	return dnsmasq_select_words(dn, line, ret_selection, ret_rest) &&
	       dnsmasq_select_targets(dn, line, ret_selection);
}

/* --- lines that set tags by what machines send --- */

/* Circuit and remote identifiers: as text if it is one, else "aa:bb:cc". */
static const char *identifier_text(struct dnsmasq *dn, const char *word)
{
	struct import_bytes store = {.size = 0}, *bytes = &store;
	const char *why;
	char *text;

	if (strchr(word, ':') == NULL ||
		import_encode(dn->im, IMPORT_HEX, &word, 1, bytes, &why) != 0) {
		return word;
	}
	text = import_alloc(dn->im, 3 * bytes->size + 1);
	bool printable = bytes->size > 0;
	for (size_t i = 0; i < bytes->size; i++) {
		printable = printable && bytes->data[i] >= 0x20 && bytes->data[i] < 0x7f;
		sprintf(text + 3 * i, i + 1 < bytes->size ? "%02x:" : "%02x", bytes->data[i]);
	}
	return printable ? import_copy(dn->im, (const char *)bytes->data, bytes->size) : text;
}

/* dhcp-match=set:X,OPTION[,VALUE]. Values are found anywhere in the option. */
static void on_option_match(struct dnsmasq *dn, const struct dnsmasq_line *line,
	struct dnsmasq_tag *tag, const char *option, const char *value)
{
	enum import_type type;
	uint64_t code = 0;

	if (strncmp(option, "option:", 7) == 0) {
		code = import_option_code(option + 7, &type);
	} else if (text_u64_parse(option, 254, &code) != 0) {
		code = 0;
	}
	const char *arch = code == 93 && value != NULL ? import_boot_arch(dn->im, value) : NULL;
	if (code == 175 && value == NULL) {
		tag->ipxe = true;
		dnsmasq_tag_match(dn, tag, "user_class", "iPXE");
	} else if (code == 77 && value != NULL) {
		tag->ipxe |= strcmp(value, "iPXE") == 0;
		dnsmasq_tag_match(dn, tag, "user_class",
			tag->ipxe ? value : import_text(dn->im, "*%s*", value));
	} else if (code == 60 && value != NULL) {
		dnsmasq_tag_match(dn, tag, "vendor_class", import_text(dn->im, "*%s*", value));
	} else if (arch != NULL) {
		dnsmasq_tag_match(dn, tag, "arch", arch);
	} else {
		dnsmasq_left_out(dn, line,
			"%s: groups know architecture, vendor class, user class and iPXE, not "
			"this option",
			line->key);
	}
}

void dnsmasq_on_match(struct dnsmasq *dn, const struct dnsmasq_line *line)
{
	const char *name = line->count > 0 ? dnsmasq_set_of(line->words[0]) : NULL;
	const char *value = line->count > 1 ? line->words[1] : NULL;

	/* An old way to write it: the tag alone. */
	if (name == NULL && line->count > 0) {
		name = line->words[0];
	}
	if (name == NULL || name[0] == '\0' || value == NULL || value[0] == '\0') {
		dnsmasq_left_out(dn, line, "%s: not understood", line->key);
		return;
	}
	struct dnsmasq_tag *tag = dnsmasq_tag(dn, name);
	bool glob = true;
	if (strcmp(line->key, "dhcp-match") == 0) {
		on_option_match(dn, line, tag, value, line->count > 2 ? line->words[2] : NULL);
	} else if (strncmp(value, "enterprise:", 11) == 0 ||
		   strcmp(line->key, "dhcp-subscrid") == 0) {
		dnsmasq_left_out(dn, line, "%s: groups do not know it", line->key);
	} else if (strcmp(line->key, "dhcp-mac") == 0) {
		const char *mac = dnsmasq_mac(dn, value, &glob);

		if (mac == NULL) {
			dnsmasq_left_out(dn, line, "'%s' is no hardware address", value);
		} else {
			dnsmasq_tag_match(dn, tag, "mac", mac);
		}
	} else if (strcmp(line->key, "dhcp-vendorclass") == 0) {
		dnsmasq_tag_match(dn, tag, "vendor_class", import_text(dn->im, "*%s*", value));
	} else if (strcmp(line->key, "dhcp-userclass") == 0) {
		tag->ipxe |= strcmp(value, "iPXE") == 0;
		dnsmasq_tag_match(dn, tag, "user_class",
			tag->ipxe ? value : import_text(dn->im, "*%s*", value));
	} else {
		dnsmasq_tag_match(dn, tag,
			strcmp(line->key, "dhcp-circuitid") == 0 ? "circuit_id" : "remote_id",
			identifier_text(dn, value));
	}
}
