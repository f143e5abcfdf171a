/* ctl/import_dhcpd.h: the parts of the ISC dhcpd importer.
 *
 *   import_dhcpd_token.c  files into statements of words
 *   import_dhcpd.c        statements and blocks
 *   import_dhcpd_match.c  conditions into what groups match by
 *   import_dhcpd_option.c option values and definitions
 */
#ifndef CTL_IMPORT_DHCPD_H
#define CTL_IMPORT_DHCPD_H

#include "ctl/import_from.h"
#include "ctl/import_option.h"

#define DHCPD_WORDS_MAX  256u
#define DHCPD_SCOPES_MAX 32u

struct dhcpd_word {
	const char *text;
	bool quoted;
};

/* Words up to ';', '{' or '}'. */
struct dhcpd_statement {
	struct import_at at;
	struct dhcpd_word word[DHCPD_WORDS_MAX];
	size_t count;
	char end;      /* ';', '{', '}'; '\0': the end of all files */
	bool too_long; /* words were dropped */
};

struct dhcpd_file {
	const char *path, *at;
	unsigned line;
	struct dhcpd_file *below;
};

struct dhcpd_definition {
	const char *name;
	unsigned code;
	enum import_type type;
	bool usable; /* false: a value of that form is left out */
	struct dhcpd_definition *next;
};

/* A class, and what its subclasses say values of. */
struct dhcpd_class {
	const char *name, *key; /* key of the match; NULL: no subclasses */
	bool prefix;            /* values are beginnings */
	struct import_node *group;
	struct dhcpd_class *next;
};

enum dhcpd_kind {
	DHCPD_ROOT,
	DHCPD_SHARED,
	DHCPD_SUBNET,
	DHCPD_POOL,
	DHCPD_GROUP,
	DHCPD_HOST,
	DHCPD_CLASS,
	DHCPD_SKIP, /* nothing in it is taken; told once */
};

struct dhcpd_scope {
	enum dhcpd_kind kind;
	struct import_at at;
	struct import_node *node; /* where options go */
	const char *name;
	const char *filename, *next_server;
	struct import_at filename_at;
	const char *range[64]; /* DHCPD_POOL */
	size_t range_count;
	bool understood_if; /* DHCPD_CLASS of an if, whose else may follow */
};

struct dhcpd {
	struct import *im;
	struct dhcpd_file *top;
	size_t files;
	bool failed;
	struct dhcpd_definition *definitions;
	struct dhcpd_class *classes;
	struct dhcpd_scope scope[DHCPD_SCOPES_MAX];
	size_t depth; /* of the scope that is open; 0: the root */
	size_t lost;  /* blocks deeper than that */
	unsigned groups, ifs;
	bool after_if, after_if_known; /* an else may follow; its if was understood */
	struct dhcpd_statement statement;
};

/* Opens a file above the one that is being read. */
void dhcpd_push(struct dhcpd *dd, const char *path, struct import_at at);
/* Reads the next statement of all files into dd->statement; false: the end. */
bool dhcpd_next(struct dhcpd *dd);

/* false: the condition cannot be said with a match. */
bool dhcpd_match(struct dhcpd *dd, size_t from, size_t to, struct import_node *match);
/* `match EXPRESSION;` of a class with subclasses. */
bool dhcpd_match_key(struct dhcpd *dd, size_t from, const char **ret_key, bool *ret_prefix);
/* The value of a subclass, as text of that key. */
const char *dhcpd_match_value(
	struct dhcpd *dd, const char *key, bool prefix, const struct dhcpd_word *word);

void dhcpd_on_option(struct dhcpd *dd, struct import_node *node);
unsigned dhcpd_option_code(struct dhcpd *dd, const char *name, enum import_type *ret_type);
/* "0:c:29:1:2:3" as the usual text; NULL. */
const char *dhcpd_mac(struct dhcpd *dd, const char *text);
void dhcpd_left_out(struct dhcpd *dd, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
