/* ctl/site.h: a site file: everything that the cluster should do, as objects with their places.
 *
 *   site_open()   YAML and CSV files -> maps (proto/cred/yaml_tree.h) -> objects of the records
 *   site_check()  what is undefined, given twice, outside of its subnet ...
 *   site_plan.h   against what the cluster has: what is added, changed, removed
 *   site_write.h  objects -> site file
 *
 * What a file says of an object is all that is said of it: what it leaves out is as by default. Of
 * the cluster's settings only those that it names are its own. Everything belongs to the struct
 * site. Pure but for site_open(), which reads files; input is untrusted: sizes and depth are
 * limited. Memory that is not there ends the program.
 */
#ifndef CTL_SITE_H
#define CTL_SITE_H

#include "ctl/ctl.h"
#include "proto/cred/yaml_tree.h"

#define SITE_ERRORS_MAX     20 /* told in one run */
#define SITE_FILES_MAX      1024u
#define SITE_FILE_BYTES_MAX ((size_t)64 << 20)
#define SITE_TEXT_MAX       65536 /* of a script or template */
#define SITE_REF_BYTES      64

enum site_kind {
	SITE_CLUSTER, /* the settings; never more than one */
	SITE_PROFILE,
	SITE_GROUP,
	SITE_SUBNET,
	SITE_POOL,
	SITE_HOST,
	SITE_IMAGE,
	SITE_KINDS,
};

struct site_object {
	enum site_kind kind;
	const char *name;
	const struct yaml_node *node; /* the map that it was read from */
	ProtobufCMessage *message;    /* Pxe__Subnet, Pxe__Pool ...; as protobuf-c unpacks it */
	bool broken;              /* an error was told: what is missing in it is not told, too */
	bool ip_auto;             /* host: an address is to be chosen */
	const char *once_profile; /* host: next boot; NULL: none */
	uint32_t once_serial;
	const char *from;   /* image: its files, as a path from here; NULL: not told */
	const char *digest; /* image: digits that its current version begins with; NULL */
};

/* A text that is made for each machine, and where it stands. */
struct site_text {
	const struct site_object *profile;
	const char *what; /* "args", "script", "template preseed.cfg" */
	const char *text;
	const struct yaml_node *node;
	const char *file; /* that it was read from; NULL: it stands in the site file itself */
};

struct site;

/* Read a file and all that it includes; `no_files`: it names none that is opened. `text` NULL: from
 * the file. Never NULL; whether it is sound tells site_errors(). */
struct site *site_open(const char *path, const char *text, bool no_files);
void site_close(struct site *site);

/* Who the objects are marked with: its key `name`, else the file's name without path and ending. */
const char *site_owner(const struct site *site);
size_t site_count(const struct site *site);
const struct site_object *site_at(const struct site *site, size_t index);
/* NULL: it is not in the file. */
const struct site_object *site_find(const struct site *site, enum site_kind kind, const char *name);
/* "subnet". */
const char *site_kind_noun(enum site_kind kind);
/* Put the settings that the file names into `settings`. */
void site_put_settings(const struct site *site, Pxe__Settings *settings);
bool site_has_settings(const struct site *site);

/* What exists besides the file: names of objects. */
typedef bool site_exists(void *ctx, enum site_kind kind, const char *name);
/* Everything that can be judged without the cluster; `exists` (may be NULL) knows what the cluster
 * has. Errors and warnings as site_report() tells them. */
void site_check(struct site *site, site_exists *exists, void *ctx);

/* An error or warning at a place; counted, the first SITE_ERRORS_MAX are kept. node NULL: the first
 * file as a whole. */
void site_error(struct site *site, const struct yaml_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void site_warn(struct site *site, const struct yaml_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* In a text of its own. */
void site_error_at(struct site *site, const char *file, unsigned line, unsigned column,
	const char *format, ...) __attribute__((format(printf, 5, 6)));
size_t site_errors(const struct site *site);
size_t site_warnings(const struct site *site);
/* "file:line:column: error: ..." with the source line and a caret, in the order of places. */
void site_report(struct site *site, FILE *out);

/* The texts of profiles. */
size_t site_texts(const struct site *site, const struct site_text **ret_texts);

#endif
