/* node/tftp/tftp_server.h: the TFTP server: reads of everything that the content names.
 *
 * Edge file. One thread of its own with its own loop; content is opened on that thread. A request
 * arrives at the server's port; the transfer then has a connected socket of its own (its TID),
 * bound to the address that was asked, so a reply never leaves from another address of this host. A
 * window leaves by one system call, straight from the mapped file.
 *
 * Packets that belong to no transfer: at the server's port they get ERROR 5; at a transfer's port
 * the kernel answers "port unreachable" to anybody but its client, and the transfer goes on (FIELD
 * 54). Answers to requests that cannot be served leave from the server's port.
 */
#ifndef NODE_TFTP_TFTP_SERVER_H
#define NODE_TFTP_TFTP_SERVER_H

#include "node/content/content.h"
#include "node/events/events.h"
#include "proto/wire/tftp.h"

#include <stddef.h>
#include <stdint.h>

#define TFTP_SERVER_TRANSFERS_MAX      4096
#define TFTP_SERVER_CLIENT_MAX         64 /* transfers of one client address at a time */
#define TFTP_SERVER_WINDOW_MAX         64 /* blocks; more are not granted */
#define TFTP_SERVER_NETASCII_MAX_BYTES (4u << 20)

struct tftp_server;

/* Where files come from: content_open() and content_fini() of a content source, see tftp_content.h.
 */
struct tftp_content {
	void *source; /* borrowed until tftp_server_close() */
	int (*open)(
		void *source, const struct content_request *request, struct content *ret_content);
	void (*fini)(struct content *content);
	/* A file of this hash could not be read to its end. May be NULL. */
	void (*suspect)(void *source, const uint8_t sha256[32]);
};

/* Enough about a transfer for another node to go on with it: same client, same addresses and ports,
 * same bytes. */
struct tftp_handover {
	uint32_t client_ip, local_ip;
	uint16_t client_port, local_port;
	uint8_t sha256[32];
	uint64_t file_bytes;
	uint64_t acked;      /* blocks that have arrived for certain */
	uint32_t blksize;    /* bytes */
	uint32_t windowsize; /* blocks */
	bool ended;          /* nothing to go on with any more */
};

struct tftp_server_config {
	struct tftp_content content;
	const uint32_t
		*addresses; /* host order; NULL: every address. An address need not be ours yet. */
	size_t address_count; /* at most 16 */
	uint16_t port; /* 0: any free one, the same for all addresses; see tftp_server_port() */
	/* Transfers run at the server's port instead of a port each: for clients behind a NAT or a
	 * container's network that loses answers from another port (FIELD 61). Against RFC 1350
	 * §4, which every client bears that does not insist on a new port. */
	bool single_port;
	void *ctx;
	/* A transfer starts, ends or fails. From the server's thread; must not block. May be NULL.
	 */
	void (*on_event)(void *ctx, const struct event *event);
	/* One-shot boots are claimed by it; the request is dropped meanwhile, as the client asks
	 * again. NULL: none can be. */
	void *claim_ctx;
	content_claim_cb *claim;
	/* A transfer of a blob starts, gets on (every 500 ms, and every 16384 blocks) or ends. As
	 * on_event. */
	void (*on_progress)(void *ctx, const struct tftp_handover *handover);
};

struct tftp_server_stats {
	uint64_t requests;  /* well-formed RRQs, repeated ones included */
	uint64_t started;   /* transfers */
	uint64_t done;      /* whole file acknowledged, or all but the last ACK seen */
	uint64_t probed;    /* ended by the client before any data: only the size was asked */
	uint64_t failed;    /* client's ERROR, silence, closed port, unreadable file */
	uint64_t not_found; /* ERROR 1 */
	uint64_t refused;   /* WRQ, or a path out of the tree */
	uint64_t limited;   /* dropped: too many transfers */
	uint64_t adopted;   /* gone on with, for another node */
	uint64_t elsewhere; /* published, but not on this node yet */
	uint64_t strays;    /* packets of no transfer */
	uint64_t malformed[TFTP_REASON_COUNT]; /* by reason */
	uint64_t sent_bytes;                   /* of files, repeated blocks included */
	uint64_t sent_blocks;
	uint64_t resent_blocks;
	uint64_t active; /* transfers now */
};

/* Bind and start the thread. 0, or negative errno with a line for people in ret_error. */
int tftp_server_open(const struct tftp_server_config *config, struct tftp_server **ret_server,
	char *ret_error, size_t error_bytes);

uint16_t tftp_server_port(const struct tftp_server *server);

/* Any thread. The numbers are each right, not all of one instant. */
void tftp_server_get_stats(const struct tftp_server *server, struct tftp_server_stats *ret_stats);

/* Go on with transfers of another node, whose address is ours by now. The content must know
 * "blob/SHA256". Any thread; does not block: the work is done on the server's thread. What cannot
 * be adopted (no such blob here, port taken) is dropped. 0 or -ENOMEM. */
int tftp_server_adopt(
	struct tftp_server *server, const struct tftp_handover *handovers, size_t count);

/* Ends all transfers without a word, joins the thread, frees the server. */
void tftp_server_close(struct tftp_server *server);

#endif
