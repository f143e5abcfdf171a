/* node/tftp/tftp_file.h: the bytes that transfers send: one mapping for each file that is being
 * sent, however many clients take it.
 *
 * Edge file; for one thread. The bytes are only ever handed to the kernel (as iovecs), never read
 * here: blobs are immutable, and should the disk fail or a file be cut short all the same, the send
 * reports EFAULT where a read would raise SIGBUS.
 */
#ifndef NODE_TFTP_TFTP_FILE_H
#define NODE_TFTP_TFTP_FILE_H

#include "node/images/relay.h"

#include <stddef.h>
#include <stdint.h>

#define TFTP_FILE_BUCKETS 64

struct tftp_file {
	uint8_t *data; /* NULL if bytes is 0 */
	uint64_t bytes;
	unsigned users;
	uint8_t sha256[32];     /* of a mapped file */
	int mapped;             /* else of one transfer alone: on the heap, or */
	struct relay *relay;    /* on its way from another node, mapped when there is something */
	struct tftp_file *next; /* in its bucket */
};

/* Zero-initialise. */
struct tftp_files {
	struct tftp_file *bucket[TFTP_FILE_BUCKETS];
};

/* The file with this hash, mapped from `fd` unless it is mapped already; the descriptor may be
 * closed at once. 0 with one more user in *ret_file, or negative errno. Release with
 * tftp_file_release(). */
int tftp_file_map(struct tftp_files *files, int fd, uint64_t bytes, const uint8_t sha256[32],
	struct tftp_file **ret_file);

/* A file of its own, from a copy of `bytes` at `data`. NULL: no memory. */
struct tftp_file *tftp_file_of_text(const void *data, size_t bytes);

/* A file of its own that is still arriving; takes a share of the relay. NULL: no memory. */
struct tftp_file *tftp_file_of_relay(struct relay *relay);
/* How much of the file can be sent now. 0, or negative errno: no more will come. */
int tftp_file_ready(struct tftp_file *file, uint64_t *ret_bytes);

/* The same in netascii (RFC 764): LF as CR LF, CR as CR NUL. Reads `bytes` from `fd`. 0 or negative
 * errno. */
int tftp_file_netascii_fd(int fd, uint64_t bytes, struct tftp_file **ret_file);
struct tftp_file *tftp_file_netascii(const void *data, size_t bytes);

void tftp_file_release(struct tftp_files *files, struct tftp_file *file);

#endif
