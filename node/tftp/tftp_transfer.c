#include "node/tftp/tftp_transfer.h"

#include <assert.h>

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Take over what was agreed; everything else starts from zero. */
static void prepare(
	struct tftp_transfer *transfer, const struct tftp_options *agreed, uint64_t file_bytes)
{
	unsigned present = agreed->present;
	*transfer = (struct tftp_transfer){
		.state = TFTP_TRANSFER_SENDING,
		.agreed = *agreed,
		.blksize = present & TFTP_HAS_BLKSIZE ? agreed->blksize : TFTP_BLKSIZE_DEFAULT,
		.windowsize = present & TFTP_HAS_WINDOWSIZE ? agreed->windowsize : 1,
		.file_bytes = file_bytes,
		.rto_us = TFTP_TRANSFER_RTO_FIRST_US,
		.rto_max_us = TFTP_TRANSFER_RTO_MAX_US,
	};
	if (present & TFTP_HAS_TIMEOUT && agreed->timeout * 1000000 < TFTP_TRANSFER_RTO_MAX_US)
		transfer->rto_max_us = agreed->timeout * 1000000;
	assert(transfer->blksize >= TFTP_BLKSIZE_MIN && transfer->windowsize >= 1);
	transfer->block_count = transfer->ready_blocks = file_bytes / transfer->blksize + 1;
}

void tftp_transfer_init(struct tftp_transfer *transfer, const struct tftp_options *asked,
	uint64_t file_bytes, const struct tftp_transfer_limits *limits)
{
	assert(limits->blksize_max >= TFTP_BLKSIZE_MIN && limits->windowsize_max >= 1);
	struct tftp_options agreed = *asked;
	agreed.blksize = (uint32_t)min_u64(asked->blksize, limits->blksize_max);
	agreed.windowsize = (uint32_t)min_u64(asked->windowsize, limits->windowsize_max);
	agreed.tsize = file_bytes;
	prepare(transfer, &agreed, file_bytes);
	if (agreed.present != 0)
		transfer->state = TFTP_TRANSFER_OFFERED;
}

void tftp_transfer_resume(struct tftp_transfer *transfer, const struct tftp_options *agreed,
	uint64_t file_bytes, uint64_t acked)
{
	prepare(transfer, agreed, file_bytes);
	assert(acked < transfer->block_count);
	transfer->acked = transfer->sent = acked;
	transfer->resuming = true;
}

/* Wait for an answer to what leaves now. */
static void arm(struct tftp_transfer *transfer, uint64_t now_us)
{
	transfer->window_sent_us = now_us;
	transfer->deadline_us = now_us + transfer->rto_us;
}

/* The client waits for blocks that are not ready. */
static bool is_starved(const struct tftp_transfer *transfer)
{
	return transfer->state == TFTP_TRANSFER_SENDING &&
	       transfer->sent == transfer->ready_blocks &&
	       transfer->sent < transfer->acked + transfer->windowsize &&
	       transfer->sent < transfer->block_count;
}

/* Blocks from `first` to the end of the window behind `acked`; perhaps none. */
static struct tftp_transfer_effects send_from(
	struct tftp_transfer *transfer, uint64_t first, uint64_t now_us)
{
	uint64_t last = min_u64(transfer->acked + transfer->windowsize, transfer->ready_blocks);
	if (first > last) {
		transfer->deadline_us = now_us + (is_starved(transfer) ? TFTP_TRANSFER_STARVED_US
								       : transfer->rto_us);
		return (struct tftp_transfer_effects){.end = TFTP_TRANSFER_RUNNING};
	}
	transfer->window_resent = transfer->sent >= first;
	if (transfer->window_resent) {
		transfer->recover = min_u64(last, transfer->sent);
		transfer->resent_blocks += transfer->recover - first + 1;
	}
	if (last > transfer->sent)
		transfer->sent = last;
	arm(transfer, now_us);
	return (struct tftp_transfer_effects){.first_block = first, .last_block = last};
}

/* The window behind `acked`, new or again. */
static struct tftp_transfer_effects send_window(struct tftp_transfer *transfer, uint64_t now_us)
{
	return send_from(transfer, transfer->acked + 1, now_us);
}

/* Can what arrives now be an answer to what was sent last? */
static bool is_answer(const struct tftp_transfer *transfer, uint64_t now_us)
{
	return !transfer->measured || now_us - transfer->window_sent_us >= transfer->srtt8 / 16;
}

static struct tftp_transfer_effects finish(
	struct tftp_transfer *transfer, enum tftp_transfer_end end)
{
	assert(transfer->state != TFTP_TRANSFER_ENDED);
	transfer->state = TFTP_TRANSFER_ENDED;
	return (struct tftp_transfer_effects){.end = end};
}

static struct tftp_transfer_effects nothing(void)
{
	return (struct tftp_transfer_effects){.end = TFTP_TRANSFER_RUNNING};
}

/* What the measurements make of the retransmission time (RFC 6298 §2). */
static uint32_t rto_measured(const struct tftp_transfer *transfer)
{
	uint32_t rto = transfer->srtt8 / 8 + transfer->rttvar4;
	if (rto < TFTP_TRANSFER_RTO_MIN_US)
		rto = TFTP_TRANSFER_RTO_MIN_US;
	return rto < transfer->rto_max_us ? rto : transfer->rto_max_us;
}

/* Karn's rule: what was sent twice is not measured. */
static void measure(struct tftp_transfer *transfer, uint64_t now_us)
{
	if (transfer->window_resent)
		return;
	uint32_t sample =
		(uint32_t)min_u64(now_us - transfer->window_sent_us, TFTP_TRANSFER_RTO_MAX_US);
	if (!transfer->measured) {
		transfer->measured = true;
		transfer->srtt8 = sample * 8;
		transfer->rttvar4 = sample * 2;
	} else {
		uint32_t srtt = transfer->srtt8 / 8;
		uint32_t deviation = sample > srtt ? sample - srtt : srtt - sample;
		transfer->rttvar4 = transfer->rttvar4 - transfer->rttvar4 / 4 + deviation;
		transfer->srtt8 = transfer->srtt8 - srtt + sample;
	}
	transfer->rto_us = rto_measured(transfer);
}

/* Progress that cannot be measured halves the time that silence has doubled: on a lossy wire hardly
 * anything can be measured, and it must not wait ever longer; of a client that became slow, one
 * block in two goes out twice. */
static void relax(struct tftp_transfer *transfer)
{
	if (!transfer->measured)
		return;
	uint32_t floor_us = rto_measured(transfer);
	transfer->rto_us = transfer->rto_us / 2 > floor_us ? transfer->rto_us / 2 : floor_us;
}

void tftp_transfer_set_ready(struct tftp_transfer *transfer, uint64_t bytes)
{
	assert(bytes <= transfer->file_bytes);
	transfer->ready_blocks =
		bytes == transfer->file_bytes ? transfer->block_count : bytes / transfer->blksize;
	assert(transfer->sent <= transfer->ready_blocks);
}

struct tftp_transfer_effects tftp_transfer_on_ready(
	struct tftp_transfer *transfer, uint64_t bytes, uint64_t now_us)
{
	bool starved = is_starved(transfer);
	if (transfer->state == TFTP_TRANSFER_ENDED)
		return nothing();
	tftp_transfer_set_ready(transfer, bytes);
	if (!starved || transfer->sent == transfer->ready_blocks)
		return nothing();
	transfer->progress_us = now_us;
	return send_from(transfer, transfer->sent + 1, now_us);
}

struct tftp_transfer_effects tftp_transfer_start(struct tftp_transfer *transfer, uint64_t now_us)
{
	assert(transfer->state != TFTP_TRANSFER_ENDED);
	transfer->progress_us = now_us;
	if (transfer->state == TFTP_TRANSFER_SENDING)
		return send_window(transfer, now_us);
	arm(transfer, now_us);
	return (struct tftp_transfer_effects){.send_oack = true};
}

static struct tftp_transfer_effects accepted(
	struct tftp_transfer *transfer, uint16_t block, uint64_t now_us)
{
	if (block != 0)
		return nothing();
	measure(transfer, now_us);
	transfer->state = TFTP_TRANSFER_SENDING;
	transfer->progress_us = now_us;
	/* An ACK 0 that comes twice tells nothing about block 1. */
	transfer->repeat_answered = true;
	return send_window(transfer, now_us);
}

/* `acked` once more. Without windows it means nothing; with them, that the first block of the
 * window was lost. */
static struct tftp_transfer_effects repeated(struct tftp_transfer *transfer, uint64_t now_us)
{
	if (transfer->windowsize == 1 || transfer->repeat_answered || !is_answer(transfer, now_us))
		return nothing();
	transfer->repeat_answered = true;
	return send_window(transfer, now_us);
}

/* The first word of a client that was taken over: its place, ahead of ours or the same. */
static struct tftp_transfer_effects resumed(
	struct tftp_transfer *transfer, uint64_t ahead, uint64_t now_us)
{
	if (ahead >= TFTP_TRANSFER_RESUME_BLOCKS || ahead > transfer->block_count - transfer->acked)
		return nothing();
	transfer->resuming = false;
	transfer->acked += ahead;
	if (transfer->sent < transfer->acked)
		transfer->sent = transfer->acked;
	transfer->progress_us = now_us;
	transfer->repeat_answered =
		true; /* each old block that it got brings forth one more of the same */
	if (transfer->acked == transfer->block_count)
		return finish(transfer, TFTP_TRANSFER_DONE);
	return send_window(transfer, now_us);
}

/* `acked` has moved, and not to the end of what is under way: the block behind it was lost, or
 * overtaken. */
static struct tftp_transfer_effects advanced_inside(struct tftp_transfer *transfer, uint64_t now_us)
{
	bool stale = transfer->acked < transfer->recover || !is_answer(transfer, now_us);
	/* Blocks behind the gap bring forth more of the same ACK; none of them is news once it was
	 * heeded. */
	transfer->repeat_answered = !stale;
	return send_from(transfer, stale ? transfer->sent + 1 : transfer->acked + 1, now_us);
}

struct tftp_transfer_effects tftp_transfer_on_ack(
	struct tftp_transfer *transfer, uint16_t block, uint64_t now_us)
{
	if (transfer->state == TFTP_TRANSFER_ENDED)
		return nothing();
	if (transfer->state == TFTP_TRANSFER_OFFERED)
		return accepted(transfer, block, now_us);

	uint64_t under_way = transfer->sent - transfer->acked;
	uint64_t ahead = (uint16_t)(block - (uint16_t)transfer->acked);
	if (transfer->resuming)
		return resumed(transfer, ahead, now_us);
	if (ahead == 0)
		return repeated(transfer, now_us);
	if (ahead > under_way) /* an old ACK that came late, or nonsense */
		return nothing();
	bool whole = ahead == under_way;
	if (whole && !transfer->window_resent)
		measure(transfer, now_us);
	else
		relax(transfer);
	transfer->acked += ahead;
	transfer->progress_us = now_us;
	if (transfer->acked == transfer->block_count)
		return finish(transfer, TFTP_TRANSFER_DONE);
	if (!whole)
		return advanced_inside(transfer, now_us);
	/* The ACK of a window that went out twice may come twice: to answer both would send every
	 * later window twice. */
	transfer->repeat_answered = transfer->window_resent;
	return send_window(transfer, now_us);
}

/* What was sent last, once more. */
static struct tftp_transfer_effects send_again(struct tftp_transfer *transfer, uint64_t now_us)
{
	if (transfer->state == TFTP_TRANSFER_SENDING)
		return send_window(transfer, now_us);
	transfer->window_resent = true;
	arm(transfer, now_us);
	return (struct tftp_transfer_effects){.send_oack = true};
}

struct tftp_transfer_effects tftp_transfer_on_request(
	struct tftp_transfer *transfer, uint64_t now_us)
{
	bool answered = transfer->state == TFTP_TRANSFER_SENDING &&
			(transfer->acked > 0 || transfer->agreed.present != 0);
	if (transfer->state == TFTP_TRANSFER_ENDED || answered)
		return nothing();
	return send_again(transfer, now_us);
}

struct tftp_transfer_effects tftp_transfer_on_error(struct tftp_transfer *transfer)
{
	if (transfer->state == TFTP_TRANSFER_ENDED)
		return nothing();
	if (transfer->state == TFTP_TRANSFER_OFFERED)
		return finish(transfer, TFTP_TRANSFER_PROBED);
	return finish(transfer, TFTP_TRANSFER_CLIENT_ERROR);
}

struct tftp_transfer_effects tftp_transfer_on_gone(struct tftp_transfer *transfer)
{
	if (transfer->state == TFTP_TRANSFER_ENDED)
		return nothing();
	if (transfer->state == TFTP_TRANSFER_OFFERED)
		return finish(transfer, TFTP_TRANSFER_PROBED);
	/* A client may close its port as soon as it has the last block. */
	if (transfer->sent == transfer->block_count)
		return finish(transfer, TFTP_TRANSFER_UNCONFIRMED);
	return finish(transfer, TFTP_TRANSFER_GONE);
}

static struct tftp_transfer_effects give_up(struct tftp_transfer *transfer)
{
	if (transfer->state == TFTP_TRANSFER_OFFERED)
		return finish(transfer, TFTP_TRANSFER_PROBED);
	if (transfer->sent == transfer->block_count)
		return finish(transfer, TFTP_TRANSFER_UNCONFIRMED);
	struct tftp_transfer_effects effects = finish(transfer, TFTP_TRANSFER_SILENT);
	effects.send_error = true;
	return effects;
}

struct tftp_transfer_effects tftp_transfer_on_timer(struct tftp_transfer *transfer, uint64_t now_us)
{
	if (transfer->state == TFTP_TRANSFER_ENDED || now_us < transfer->deadline_us)
		return nothing();
	if (is_starved(transfer)) {
		transfer->progress_us = now_us;
		transfer->deadline_us = now_us + TFTP_TRANSFER_STARVED_US;
		return nothing();
	}
	uint32_t patience_us = transfer->state == TFTP_TRANSFER_OFFERED ? TFTP_TRANSFER_OFFER_US
									: TFTP_TRANSFER_SILENCE_US;
	if (now_us - transfer->progress_us >= patience_us)
		return give_up(transfer);
	transfer->rto_us = (uint32_t)min_u64((uint64_t)transfer->rto_us * 2, transfer->rto_max_us);
	/* After a silence a repeated ACK is news again: it may be the only thing that comes back.
	 */
	transfer->repeat_answered = false;
	return send_again(transfer, now_us);
}

uint64_t tftp_transfer_block_offset(const struct tftp_transfer *transfer, uint64_t block)
{
	assert(block >= 1 && block <= transfer->block_count);
	return (block - 1) * transfer->blksize;
}

uint32_t tftp_transfer_block_bytes(const struct tftp_transfer *transfer, uint64_t block)
{
	uint64_t left = transfer->file_bytes - tftp_transfer_block_offset(transfer, block);
	return (uint32_t)min_u64(left, transfer->blksize);
}

const char *tftp_transfer_end_name(enum tftp_transfer_end end)
{
	static const char *const names[] = {
		[TFTP_TRANSFER_RUNNING] = "running",
		[TFTP_TRANSFER_DONE] = "done",
		[TFTP_TRANSFER_UNCONFIRMED] = "done, last acknowledgement missing",
		[TFTP_TRANSFER_PROBED] = "size asked",
		[TFTP_TRANSFER_CLIENT_ERROR] = "stopped by the client",
		[TFTP_TRANSFER_GONE] = "client gone",
		[TFTP_TRANSFER_SILENT] = "client silent",
	};
	assert((unsigned)end < sizeof names / sizeof names[0]);
	return names[end];
}
