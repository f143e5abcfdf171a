/* node/boot/boot_template.h: {{name}} in scripts and kernel arguments. Pure.
 *
 * The names are mac, ip, name and base_url; ${...} belongs to iPXE and is left alone.
 */
#ifndef NODE_BOOT_BOOT_TEMPLATE_H
#define NODE_BOOT_BOOT_TEMPLATE_H

#include <stddef.h>
#include <stdio.h>

struct boot_vars {
	char mac[48];
	char ip[16 + 8]; /* or iPXE's own "${ip}" when we do not know */
	char name[64];
	char base_url[128];
};

/* Write `text` to `out` with the variables in place. 0, or -EINVAL with what is wrong in ret_error
 * (names a line): an unknown name, or "{{" without "}}"; part of the text may have been written. */
int boot_template_write(const char *text, const struct boot_vars *vars, FILE *out, char *ret_error,
	size_t error_bytes);

#endif
