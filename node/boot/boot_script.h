/* node/boot/boot_script.h: what the writers of scripts and configurations share. Private to
 * node/boot. Pure.
 */
#ifndef NODE_BOOT_BOOT_SCRIPT_H
#define NODE_BOOT_BOOT_SCRIPT_H

#include "node/boot/boot_choice.h"
#include "node/boot/boot_vars.h"

#include <stdio.h>

/* A script that is being written. */
struct boot_script_work {
	const struct boot_source *source;
	const struct boot_client *client;
	const char *const *base_urls; /* this node's first */
	size_t base_url_count;
	unsigned retry; /* how often the claim was tried already */
	struct boot_choice choice;
	struct boot_vars vars;
};

/* Text for an echo or a comment: one line, no control bytes, nothing that iPXE would expand or end
 * the command at. */
void boot_script_plain(FILE *out, const char *text);
/* A path as part of a URL: everything but unreserved characters and '/' is percent-encoded (RFC
 * 3986 §2.3). */
void boot_script_path(FILE *out, const char *path);
/* Say what is wrong where the operator stands, and leave the way to the next boot device. */
void boot_script_problem(FILE *out, const char *text);
/* ":start", and the nodes as ${node0}, ${node1}...; then ":tryN" of each; then ":failed" and what
 * follows it. */
void boot_script_rounds_begin(const struct boot_script_work *script, FILE *out);
void boot_script_next(const struct boot_script_work *script, size_t index, FILE *out);
void boot_script_rounds_end(const struct boot_script_work *script, FILE *out);

/* Has the image the profile's kernel and initrds? False, with a line in ret_error, if not. */
bool boot_script_kernel_check(const struct boot_image *image, const Pxe__Profile *profile,
	char *ret_error, size_t error_bytes);

/* ---- boot_menu_script.c: bodies of scripts that ask again; at least one node */
/* The profile's own menu. */
void boot_menu_script_items(const struct boot_script_work *script, FILE *out);
/* The built-in menu of all profiles. */
void boot_menu_script_all(const struct boot_script_work *script, FILE *out);
/* The built-in "wait". */
void boot_menu_script_wait(const struct boot_script_work *script, FILE *out);
/* The one-shot boot could not be claimed: ask again. */
void boot_menu_script_unclaimed(const struct boot_script_work *script, FILE *out);

#endif
