/* node/tftp/tftp_transfer.h: one file on its way to one client: what to send, when, and when to
 * stop.
 *
 * Pure: no sockets, clock or heap; time enters as `now_us` of any clock that does not go back. Each
 * event returns what to do, and leaves in `deadline_us` when tftp_transfer_on_timer() is due.
 *
 *                start, options agreed          ACK 0                    ACK of the last block
 *     (new) ----------------------------> OFFERED ----> SENDING ----------------------------> ENDED
 *        \______________________________________________^    \_ error, silence, port closed ____^
 *                start, no options: block 1 at once
 *
 * A file may still be arriving while it is sent: blocks that are not ready yet are not sent, and a
 * client that waits for them is not silent.
 *
 * Blocks are counted from 1 in 64 bits and cut to 16 on the wire, so the number rolls over to 0
 * (FIELD 51). A window (RFC 7440) is sent as a whole, the next one right behind whatever was
 * acknowledged. An ACK that repeats makes nothing go out twice (Sorcerer's Apprentice, RFC 1123
 * §4.2.3.1), save with windows, where it says that the window's first block was lost, as an ACK
 * inside the window says of the block behind it. Such a
 * report makes us go back, but not twice to the same blocks on one report, nor more than once in a
 * round trip: a client also answers copies, and each resent window would bring forth the next.
 *
 * The retransmission time follows the measured round trips (RFC 6298), so that a
 * loss on a LAN costs some ten milliseconds; it doubles with each silence, up to `rto_max_us`, and
 * only progress counts against giving up (FIELD 53: clients that write to flash pause for long).
 */
#ifndef NODE_TFTP_TFTP_TRANSFER_H
#define NODE_TFTP_TFTP_TRANSFER_H

#include "proto/wire/tftp.h"

#include <stdbool.h>
#include <stdint.h>

#define TFTP_TRANSFER_RTO_FIRST_US 250000u /* before any round trip is known */
#define TFTP_TRANSFER_RTO_MIN_US   20000u
#define TFTP_TRANSFER_RTO_MAX_US   5000000u
#define TFTP_TRANSFER_SILENCE_US   60000000u /* without progress */
#define TFTP_TRANSFER_OFFER_US     30000000u /* of an OACK without an answer */

#define TFTP_TRANSFER_STARVED_US 10000u /* when to look again for blocks that are not ready */

#define TFTP_TRANSFER_RESUME_BLOCKS 0x8000u

enum tftp_transfer_state { TFTP_TRANSFER_OFFERED, TFTP_TRANSFER_SENDING, TFTP_TRANSFER_ENDED };

enum tftp_transfer_end {
	TFTP_TRANSFER_RUNNING = 0,
	TFTP_TRANSFER_DONE,        /* the last block was acknowledged */
	TFTP_TRANSFER_UNCONFIRMED, /* all was sent, the last ACK never came: as good as done (FIELD
				      52) */
	TFTP_TRANSFER_PROBED, /* ended by the client before any data: it asked the size (FIELD 47)
			       */
	TFTP_TRANSFER_CLIENT_ERROR, /* ended by the client's ERROR */
	TFTP_TRANSFER_GONE,         /* the client's port is closed */
	TFTP_TRANSFER_SILENT,       /* no progress for TFTP_TRANSFER_SILENCE_US */
};

/* What the server allows: the MTU's share, and a bound on what one client makes us send at once. */
struct tftp_transfer_limits {
	uint32_t blksize_max;    /* at least 8 */
	uint32_t windowsize_max; /* at least 1 */
};

struct tftp_transfer {
	enum tftp_transfer_state state;
	struct tftp_options agreed; /* what the OACK says; `present` 0: no OACK was sent */
	uint32_t blksize;           /* bytes */
	uint32_t windowsize;        /* blocks */
	uint64_t file_bytes;
	uint64_t
		block_count; /* at least 1: the last block is shorter than blksize, perhaps empty */

	uint64_t ready_blocks; /* blocks 1 to ready_blocks may be sent; sent <= ready_blocks */
	uint64_t acked;        /* blocks 1 to acked have arrived */
	uint64_t sent;    /* blocks acked+1 to sent are under way; acked <= sent <= block_count */
	bool resuming;    /* the client may be further than `acked` says */
	uint64_t recover; /* blocks up to here have gone out more than once */
	bool repeat_answered; /* a repetition of `acked` has been answered by a window already */

	uint64_t window_sent_us; /* the last time that anything was sent */
	bool window_resent;      /* its round trip cannot be measured (Karn) */
	bool measured;           /* srtt8 and rttvar4 have a meaning */
	uint32_t srtt8;          /* smoothed round trip, 1/8 µs */
	uint32_t rttvar4;        /* its variation, 1/4 µs */
	uint32_t rto_us;
	uint32_t rto_max_us;
	uint64_t progress_us; /* of the last progress */
	uint64_t deadline_us;

	uint64_t resent_blocks; /* for statistics */
};

/* What an event asks for; carry out in this order. */
struct tftp_transfer_effects {
	bool send_oack;
	uint64_t first_block, last_block; /* send DATA first to last; 0: none */
	enum tftp_transfer_end end;       /* other than RUNNING: the transfer is over, close it */
	bool send_error;                  /* tell the client that we gave up */
};

/* Agree on the client's options and prepare. `asked` of an octet request; a server that sends
 * netascii passes file_bytes after conversion and asked without tsize and windowsize. Options that
 * the client did not ask for are not used, and no value grows: blksize <= asked (FIELD 49, 50),
 * windowsize <= asked, timeout as asked. */
void tftp_transfer_init(struct tftp_transfer *transfer, const struct tftp_options *asked,
	uint64_t file_bytes, const struct tftp_transfer_limits *limits);

/* Go on with a transfer that another server began: `agreed` as its OACK said, blocks up to `acked`
 * have arrived for certain, and the client is less than TFTP_TRANSFER_RESUME_BLOCKS further (or its
 * 16-bit numbers could be taken for others). tftp_transfer_start() then sends the window behind
 * `acked`, which makes the client say where it is. */
void tftp_transfer_resume(struct tftp_transfer *transfer, const struct tftp_options *agreed,
	uint64_t file_bytes, uint64_t acked);

struct tftp_transfer_effects tftp_transfer_start(struct tftp_transfer *transfer, uint64_t now_us);

/* Of the file, so many bytes from its beginning may be sent; never fewer than before. All of them,
 * unless this was called before tftp_transfer_start(). */
void tftp_transfer_set_ready(struct tftp_transfer *transfer, uint64_t bytes);
/* The same later on: what the client waits for goes out. */
struct tftp_transfer_effects tftp_transfer_on_ready(
	struct tftp_transfer *transfer, uint64_t bytes, uint64_t now_us);

/* An ACK from the client, any number. */
struct tftp_transfer_effects tftp_transfer_on_ack(
	struct tftp_transfer *transfer, uint16_t block, uint64_t now_us);

/* The client's request once more: it has not heard us. Only before the first progress; later it
 * changes nothing. */
struct tftp_transfer_effects tftp_transfer_on_request(
	struct tftp_transfer *transfer, uint64_t now_us);

/* An ERROR from the client. */
struct tftp_transfer_effects tftp_transfer_on_error(struct tftp_transfer *transfer);

/* Nobody listens at the client's port (ICMP). */
struct tftp_transfer_effects tftp_transfer_on_gone(struct tftp_transfer *transfer);

/* Call at or after deadline_us; earlier it changes nothing. */
struct tftp_transfer_effects tftp_transfer_on_timer(
	struct tftp_transfer *transfer, uint64_t now_us);

/* Where a block's bytes lie in the file. `block` is 1 to block_count (asserted). */
uint64_t tftp_transfer_block_offset(const struct tftp_transfer *transfer, uint64_t block);
uint32_t tftp_transfer_block_bytes(const struct tftp_transfer *transfer, uint64_t block);

const char *tftp_transfer_end_name(enum tftp_transfer_end end);

#endif
