/* store/model/check.h: is a value given by an operator or a node acceptable? Pure.
 *
 * Each function answers true, or false with a detail for a person in a->result: what is wrong, and
 * what to do. `what` names the field in that text ("host name"). Bytes are hostile: nothing is
 * printed before it was found printable.
 */
#ifndef STORE_MODEL_CHECK_H
#define STORE_MODEL_CHECK_H

#include "store/model/internal.h"

#define CHECK_LEASE_MAX_S 31536000u /* a year */

/* Letters, digits, '-', '_' and '.', beginning with a letter or digit; 1 to MODEL_NAME_MAX bytes.
 */
bool check_name(struct apply *a, const char *what, const char *name);
bool check_is_name(const char *name);
/* UTF-8 without control characters, but line ends and tabs if multiline; at most max bytes; may be
 * empty. */
bool check_text(struct apply *a, const char *what, const char *text, size_t max, bool multiline);
/* Text of a machine: what check_text() would refuse is '?', and it ends where no whole character
 * fits any more. */
void check_clean(const char *text, char *ret_text, size_t text_bytes);
/* A relative path of a file: no empty part, no "." or "..", no backslash; 1 to 255 bytes. */
bool check_path(struct apply *a, const char *what, const char *path);
/* Four bytes, an address that one machine can have. */
bool check_ip(struct apply *a, const char *what, ProtobufCBinaryData ip);
/* At most `max` addresses, each as check_ip(). */
bool check_ips(struct apply *a, const char *what, const ProtobufCBinaryData *ips, size_t count,
	size_t max);
/* 0 (not set), or min to max. */
bool check_seconds(struct apply *a, const char *what, uint32_t value, uint32_t min, uint32_t max);
/* "host:port". */
bool check_endpoint(struct apply *a, const char *what, const char *endpoint);
/* 32 bytes, not all zero. */
bool check_public_key(struct apply *a, const char *what, ProtobufCBinaryData key);
/* Empty, a built-in profile, or one that exists. */
bool check_profile_ref(struct apply *a, const char *what, const char *profile);
bool check_is_builtin_profile(const char *name);
/* Program paths by architecture, none twice. */
bool check_loaders(struct apply *a, const char *what, Pxe__Loader *const *loaders, size_t count);

/* check_terms.c; `what` is whose they are ("subnet lab"). */
bool check_options(struct apply *a, const char *what, Pxe__Option *const *options, size_t count);
/* Seconds; 0: not said. */
bool check_lease_times(
	struct apply *a, const char *what, uint32_t usual, uint32_t min, uint32_t max);
bool check_quirks(struct apply *a, const char *what, const Pxe__Quirks *quirks);
/* Names of groups that exist, or are built in. */
bool check_groups(struct apply *a, const char *what, char *const *names, size_t count);

/* check_boot.c */
/* Whose it is: a site file's name, or empty. */
bool check_owner(struct apply *a, const char *owner);
/* May be empty. */
bool check_domain(struct apply *a, const char *what, const char *domain);
bool check_arch_profiles(
	struct apply *a, const char *what, Pxe__ArchProfile *const *profiles, size_t count);
bool check_vars(struct apply *a, const char *what, Pxe__Variable *const *vars, size_t count);
/* Sound, and with names that there are (template_names.h). The text was checked by check_text(). */
bool check_template(struct apply *a, const char *what, const char *text);
/* Kernel arguments, scripts and templates of a profile. */
bool check_profile_texts(struct apply *a, const Pxe__Profile *profile);
/* "NAME", "NAME@prev", or "NAME@DIGITS" with 12 to 64 hexadecimal digits. The image may come
 * later. */
bool check_image_ref(struct apply *a, const char *what, const char *image);

#endif
