/* ctl/import_dnsmasq.h: the parts of the dnsmasq importer.
 *
 *   import_dnsmasq_read.c  files into lines of words
 *   import_dnsmasq.c       the table of directives; two passes: who sets tags, then what tags
 * select import_dnsmasq_tag.c   tags become groups import_dnsmasq_net.c   dhcp-range and dhcp-host
 *   import_dnsmasq_boot.c  dhcp-boot and PXE menus become profiles
 */
#ifndef CTL_IMPORT_DNSMASQ_H
#define CTL_IMPORT_DNSMASQ_H

#include "ctl/import_from.h"
#include "ctl/import_option.h"

#define DNSMASQ_LINES_MAX 1000000u
#define DNSMASQ_WORDS_MAX 1024u
#define DNSMASQ_TARGETS   32u /* places that one tagged line goes to */
#define DNSMASQ_MATCHES   32u /* ways in which one tag is set */

/* One directive: `key=word,word,...`. */
struct dnsmasq_line {
	struct import_at at;
	const char *key;
	const char *value; /* as written; "" without '=' */
	const char **words;
	size_t count;
	struct dnsmasq_line *next;
};

/* A tag is a group for each way in which it is set, or the ranges that set it. */
struct dnsmasq_tag {
	const char *name;
	struct import_node *group[DNSMASQ_MATCHES];
	size_t group_count;
	struct import_node *pool[DNSMASQ_MATCHES], *subnet[DNSMASQ_MATCHES];
	size_t range_count;
	bool ipxe; /* set by what iPXE sends */
	bool set;  /* by anything */
	struct dnsmasq_tag *next;
};

struct dnsmasq_subnet {
	uint32_t network;
	unsigned prefix;
	bool guessed; /* nobody said the mask */
	unsigned pools;
	uint64_t lease_s; /* 0: not said */
	struct import_node *node;
	struct dnsmasq_subnet *next;
};

/* Sub-options that are collected into one option (encap:). */
struct dnsmasq_encap {
	struct import_node *target;
	unsigned code;
	struct import_bytes bytes;
	struct dnsmasq_encap *next;
};

/* A range that is only for machines with a tag, or ("!tag") without it. */
struct dnsmasq_guard {
	struct import_at at;
	struct import_node *pool;
	const char *tag;
	struct dnsmasq_guard *next;
};

struct dnsmasq {
	struct import *im;
	struct dnsmasq_line *first, **last;
	size_t line_count;
	struct dnsmasq_tag *tags;
	struct dnsmasq_subnet *subnets;
	struct dnsmasq_guard *guards;
	struct dnsmasq_encap *encaps;
	size_t encap_count;
	struct import_node *cluster;
	const char *tftp_root;
	struct import_at tftp_at;
	bool ipxe_boot; /* a dhcp-boot for iPXE: the first program need not be named */
	struct import_node *menu;
};

/* --- read --- */
/* All lines of the sources and of what they include. 0 or -ENOENT. */
int dnsmasq_read(struct dnsmasq *dn, const struct import_source *sources, size_t count);

/* --- remarks --- */
void dnsmasq_left_out(struct dnsmasq *dn, const struct dnsmasq_line *line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* --- tags --- */
/* "set:X", "net:X" and "tag:X": what stands behind; NULL: another word. */
const char *dnsmasq_set_of(const char *word);
const char *dnsmasq_tag_of(const char *word);
struct dnsmasq_tag *dnsmasq_tag(struct dnsmasq *dn, const char *name);
/* A group of the tag whose match has only that key, to which `value` is added; key NULL: the group
 * that hosts name. */
struct import_node *dnsmasq_tag_match(
	struct dnsmasq *dn, struct dnsmasq_tag *tag, const char *key, const char *value);
/* The tag: words that a line opens with; *ret_rest: the first word after them. */
struct dnsmasq_selection {
	const char *tag[8];
	bool not_tag[8];
	size_t count;
	struct import_node *target[DNSMASQ_TARGETS];
	size_t target_count;
};
/* false: it cannot be said here; a remark tells. */
bool dnsmasq_select(struct dnsmasq *dn, const struct dnsmasq_line *line,
	struct dnsmasq_selection *ret_selection, size_t *ret_rest);
/* The words alone, without the targets. */
bool dnsmasq_select_words(struct dnsmasq *dn, const struct dnsmasq_line *line,
	struct dnsmasq_selection *ret_selection, size_t *ret_rest);
bool dnsmasq_select_targets(
	struct dnsmasq *dn, const struct dnsmasq_line *line, struct dnsmasq_selection *selection);
void dnsmasq_on_match(struct dnsmasq *dn, const struct dnsmasq_line *line);

/* --- ranges, hosts --- */
/* "12h", "45m", "3600", "infinite". */
bool dnsmasq_lease(const char *word, uint64_t *ret_seconds);
void dnsmasq_on_range(struct dnsmasq *dn, const struct dnsmasq_line *line);
/* Once all tags are known: the groups of the ranges' tags. */
void dnsmasq_set_guards(struct dnsmasq *dn);
void dnsmasq_on_host(struct dnsmasq *dn, const struct dnsmasq_line *line);
/* "aa:bb:cc:dd:ee:ff" or with a hardware type in front, single digits allowed; '*' for a byte if
 * ret_glob is not NULL. The usual text, or NULL. */
const char *dnsmasq_mac(struct dnsmasq *dn, const char *word, bool *ret_glob);

/* --- boot --- */
void dnsmasq_on_boot(struct dnsmasq *dn, const struct dnsmasq_line *line);
void dnsmasq_on_pxe_service(struct dnsmasq *dn, const struct dnsmasq_line *line);
void dnsmasq_on_pxe_prompt(struct dnsmasq *dn, const struct dnsmasq_line *line);

#endif
