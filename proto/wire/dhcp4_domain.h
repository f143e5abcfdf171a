/* proto/wire/dhcp4_domain.h: domain names as options carry them: labels behind their lengths (RFC
 * 1035 §3.1), and compressed (§4.1.4, as RFC 3397 has it: offsets count from the start of the
 * option's value, over all its pieces).
 *
 * Pure. Names are of letters, digits, '-' and '_', in at least one label; the root alone is
 * refused.
 */
#ifndef PROTO_WIRE_DHCP4_DOMAIN_H
#define PROTO_WIRE_DHCP4_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire/cursor.h"

#define DHCP4_DOMAIN_BYTES 254 /* the longest name as text, and NUL */

/* Is it a name? One dot at the end is allowed. */
bool dhcp4_domain_is_valid(const char *name);

/* Append a valid name (asserted) as labels. No room: the writer's sticky error. */
void dhcp4_domain_put(struct cursor_writer *writer, const char *name);

/* Append a valid name (asserted), its longest suffix that the writer already holds as a pointer.
 * The writer must have been filled by this function alone. */
void dhcp4_domain_put_compressed(struct cursor_writer *writer, const char *name);

/* Read the name that starts at *at, following pointers, which may point only before what was read
 * so far, so that no input makes it loop; *at moves past the name. false, outputs untouched:
 * truncated, a bad pointer, too long, or not a name as above. The text has no dot at its end. */
bool dhcp4_domain_take(
	const uint8_t *data, size_t size, size_t *at, char ret_name[DHCP4_DOMAIN_BYTES]);

#endif
