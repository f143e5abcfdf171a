/* node/tftp/tftp_job.h: a transfer with its socket and timer, and the table of all that run.
 * Private to node/tftp.
 *
 * Edge file; everything here belongs to the server's thread. A job frees itself at the end of the
 * loop turn in which it ended; whoever holds a pointer to one must not keep it past the call.
 */
#ifndef NODE_TFTP_TFTP_JOB_H
#define NODE_TFTP_TFTP_JOB_H

#include "node/tftp/tftp_file.h"
#include "node/tftp/tftp_server.h"
#include "node/tftp/tftp_transfer.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

#define TFTP_JOB_BUCKETS 1024

/* A transfer that its client has not answered for so long gives way when there is no room for a new
 * one: requests under made-up addresses cost nothing, and honest clients answer at once. */
#define TFTP_JOB_UNANSWERED_MS 1000

/* So long after the start of a transfer its request may come once more from the network. */
#define TFTP_JOB_LATE_COPY_MS 1000

/* Written by the server's thread alone, read by any. */
enum tftp_count {
	TFTP_COUNT_REQUESTS,
	TFTP_COUNT_STARTED,
	TFTP_COUNT_DONE,
	TFTP_COUNT_PROBED,
	TFTP_COUNT_FAILED,
	TFTP_COUNT_NOT_FOUND,
	TFTP_COUNT_REFUSED,
	TFTP_COUNT_LIMITED,
	TFTP_COUNT_ADOPTED,
	TFTP_COUNT_ELSEWHERE,
	TFTP_COUNT_STRAYS,
	TFTP_COUNT_SENT_BYTES,
	TFTP_COUNT_SENT_BLOCKS,
	TFTP_COUNT_RESENT_BLOCKS,
	TFTP_COUNT_ACTIVE,
	TFTP_COUNT_MALFORMED, /* and one more for each reason */
	TFTP_COUNTS = TFTP_COUNT_MALFORMED + TFTP_REASON_COUNT,
};

struct tftp_counts {
	_Atomic uint64_t value[TFTP_COUNTS];
};

static inline void tftp_count_add(struct tftp_counts *counts, unsigned which, uint64_t more)
{
	atomic_fetch_add_explicit(&counts->value[which], more, memory_order_relaxed);
}

/* In single-port mode a transfer's socket also receives its client's next requests; they are the
 * server's. The transfer may be ended meanwhile. */
struct tftp_job_request;
typedef void tftp_job_on_request_cb(
	void *ctx, const struct tftp_job_request *from, const uint8_t *bytes, size_t size);

struct tftp_job_table {
	uv_loop_t *loop;
	struct tftp_counts *counts;
	struct tftp_files files;
	void *ctx;
	void (*on_event)(void *ctx, const struct event *event);
	void (*on_progress)(void *ctx, const struct tftp_handover *handover);
	void *source;                                            /* for the next */
	void (*suspect)(void *source, const uint8_t sha256[32]); /* may be NULL */
	uint16_t single_port; /* transfers run at this port, the server's own; 0: each at its own */
	void *server;         /* for the next */
	tftp_job_on_request_cb *on_request;                  /* unless single_port is 0 */
	struct tftp_job *bucket[TFTP_JOB_BUCKETS];           /* by client address, newest first */
	struct tftp_job *first_unanswered, *last_unanswered; /* by age; answered ones are taken out
								when they come to the front */
	unsigned active;
};

/* Who asked for what, and what it is. Addresses and ports in host order. */
struct tftp_job_request {
	uint32_t client_ip;
	uint16_t client_port;
	uint32_t local_ip;
	uint64_t digest;  /* of the request's bytes: tells a repeated request from a new one */
	const char *path; /* copied */
	struct tftp_options asked; /* already without what the mode forbids */
	struct tftp_file *file;    /* one user passes to the job, also on failure */
	uint8_t mac[16];
	uint8_t mac_bytes;
	const char *host, *profile; /* for events, copied; NULL: not known */
	Pxe__BootStage stage;
};

/* Begin: opens the socket and sends the OACK or the first block. 0 or negative errno. */
int tftp_job_start(struct tftp_job_table *table, const struct tftp_job_request *request);

/* Go on with a transfer of another node. `file` as above. 0 or negative errno. */
int tftp_job_adopt(
	struct tftp_job_table *table, const struct tftp_handover *handover, struct tftp_file *file);

enum tftp_job_again {
	TFTP_JOB_NEW,      /* begin a transfer */
	TFTP_JOB_ANSWERED, /* a running one has not been heard and has answered again */
	TFTP_JOB_LIMITED,  /* the client has too many already, or the server */
};

/* A request has come. If it repeats one whose transfer has not got anywhere, that answers again.
 * Another request from the same port ends such a transfer: the client has moved on (FIELD 47). A
 * transfer that has made progress stays in either case, as the request may be a late copy; the
 * client ends whichever it does not want by an ERROR. In single-port mode there can be only one: a
 * request ends the transfer that its port had, unless it is the same again within
 * TFTP_JOB_LATE_COPY_MS. */
enum tftp_job_again tftp_job_meets_request(
	struct tftp_job_table *table, uint32_t client_ip, uint16_t client_port, uint64_t digest);

/* End all without a word. */
void tftp_job_end_all(struct tftp_job_table *table);

#endif
