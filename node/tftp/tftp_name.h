/* node/tftp/tftp_name.h: what a client may have meant by the file name of its request.
 *
 * Pure. Turning the name into a path inside the tree (backslashes, leading '/', "..") is the
 * content's work (node/content/content.h); here only what TFTP clients do to names is undone.
 */
#ifndef NODE_TFTP_TFTP_NAME_H
#define NODE_TFTP_TFTP_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define TFTP_NAME_MAX     1024 /* with the NUL; longer names are not found */
#define TFTP_NAME_GUESSES 3

/* The guess number `attempt` (0 to 2), each to be tried when the one before was not found: the name
 * as sent; without the 0xff and other non-printing bytes that ROMs read past the end of option 67;
 * and without the one printable byte before these, as in "pxelinux.0M\xff" (FIELD 3). false: no
 * such guess, or it is the same as the one before. */
bool tftp_name_guess(
	const char *name, size_t bytes, unsigned attempt, char ret_name[TFTP_NAME_MAX]);

/* GRUB takes a missing "*.lst" for a failure; an empty one is what it wants (FIELD 57). */
bool tftp_name_is_empty_if_missing(const char *name);

/* For logs and events: non-printing bytes as '?', cut to the capacity. */
void tftp_name_printable(const char *name, char *ret_text, size_t capacity);

#endif
