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
		.rto_ms = TFTP_TRANSFER_RTO_FIRST_MS,
		.rto_max_ms = TFTP_TRANSFER_RTO_MAX_MS,
	};
	if (present & TFTP_HAS_TIMEOUT && agreed->timeout * 1000 < TFTP_TRANSFER_RTO_MAX_MS)
		transfer->rto_max_ms = agreed->timeout * 1000;
	assert(transfer->blksize >= TFTP_BLKSIZE_MIN && transfer->windowsize >= 1);
	transfer->block_count = file_bytes / transfer->blksize + 1;
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
}

/* Wait for an answer to what leaves now. */
static void arm(struct tftp_transfer *transfer, uint64_t now_ms)
{
	transfer->window_sent_ms = now_ms;
	transfer->deadline_ms = now_ms + transfer->rto_ms;
}

/* The window behind `acked`, new or again. */
static struct tftp_transfer_effects send_window(struct tftp_transfer *transfer, uint64_t now_ms)
{
	uint64_t first = transfer->acked + 1;
	uint64_t last = min_u64(transfer->acked + transfer->windowsize, transfer->block_count);
	transfer->window_resent = transfer->sent >= first;
	if (transfer->window_resent)
		transfer->resent_blocks += min_u64(last, transfer->sent) - first + 1;
	if (last > transfer->sent)
		transfer->sent = last;
	arm(transfer, now_ms);
	return (struct tftp_transfer_effects){.first_block = first, .last_block = last};
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

/* RFC 6298 §2, in milliseconds. Karn's rule: what was sent twice is not measured, and keeps the
 * doubled time. */
static void measure(struct tftp_transfer *transfer, uint64_t now_ms)
{
	if (transfer->window_resent)
		return;
	uint32_t sample =
		(uint32_t)min_u64(now_ms - transfer->window_sent_ms, TFTP_TRANSFER_RTO_MAX_MS);
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
	uint32_t rto = transfer->srtt8 / 8 + transfer->rttvar4;
	if (rto < TFTP_TRANSFER_RTO_MIN_MS)
		rto = TFTP_TRANSFER_RTO_MIN_MS;
	transfer->rto_ms = rto < transfer->rto_max_ms ? rto : transfer->rto_max_ms;
}

struct tftp_transfer_effects tftp_transfer_start(struct tftp_transfer *transfer, uint64_t now_ms)
{
	assert(transfer->state != TFTP_TRANSFER_ENDED);
	transfer->progress_ms = now_ms;
	if (transfer->state == TFTP_TRANSFER_SENDING)
		return send_window(transfer, now_ms);
	arm(transfer, now_ms);
	return (struct tftp_transfer_effects){.send_oack = true};
}

static struct tftp_transfer_effects accepted(
	struct tftp_transfer *transfer, uint16_t block, uint64_t now_ms)
{
	if (block != 0)
		return nothing();
	measure(transfer, now_ms);
	transfer->state = TFTP_TRANSFER_SENDING;
	transfer->progress_ms = now_ms;
	/* An ACK 0 that comes twice tells nothing about block 1. */
	transfer->repeat_answered = true;
	return send_window(transfer, now_ms);
}

/* `acked` once more. Without windows it means nothing; with them, that the first block of the
 * window was lost. */
static struct tftp_transfer_effects repeated(struct tftp_transfer *transfer, uint64_t now_ms)
{
	if (transfer->windowsize == 1 || transfer->repeat_answered)
		return nothing();
	transfer->repeat_answered = true;
	return send_window(transfer, now_ms);
}

struct tftp_transfer_effects tftp_transfer_on_ack(
	struct tftp_transfer *transfer, uint16_t block, uint64_t now_ms)
{
	if (transfer->state == TFTP_TRANSFER_ENDED)
		return nothing();
	if (transfer->state == TFTP_TRANSFER_OFFERED)
		return accepted(transfer, block, now_ms);

	uint64_t under_way = transfer->sent - transfer->acked;
	uint64_t ahead = (uint16_t)(block - (uint16_t)transfer->acked);
	if (ahead == 0)
		return repeated(transfer, now_ms);
	if (ahead > under_way) /* an old ACK that came late, or nonsense */
		return nothing();
	bool whole = ahead == under_way;
	if (whole)
		measure(transfer, now_ms);
	transfer->acked += ahead;
	transfer->progress_ms = now_ms;
	/* An ACK inside the window reports a loss, and more of them are on their way for the blocks
	 * behind the gap. The ACK of a window that went out twice may come twice: to answer both
	 * would send every later window twice. */
	transfer->repeat_answered = !whole || transfer->window_resent;
	if (transfer->acked == transfer->block_count)
		return finish(transfer, TFTP_TRANSFER_DONE);
	return send_window(transfer, now_ms);
}

/* What was sent last, once more. */
static struct tftp_transfer_effects send_again(struct tftp_transfer *transfer, uint64_t now_ms)
{
	if (transfer->state == TFTP_TRANSFER_SENDING)
		return send_window(transfer, now_ms);
	transfer->window_resent = true;
	arm(transfer, now_ms);
	return (struct tftp_transfer_effects){.send_oack = true};
}

struct tftp_transfer_effects tftp_transfer_on_request(
	struct tftp_transfer *transfer, uint64_t now_ms)
{
	bool answered = transfer->state == TFTP_TRANSFER_SENDING &&
			(transfer->acked > 0 || transfer->agreed.present != 0);
	if (transfer->state == TFTP_TRANSFER_ENDED || answered)
		return nothing();
	return send_again(transfer, now_ms);
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

struct tftp_transfer_effects tftp_transfer_on_timer(struct tftp_transfer *transfer, uint64_t now_ms)
{
	if (transfer->state == TFTP_TRANSFER_ENDED || now_ms < transfer->deadline_ms)
		return nothing();
	uint32_t patience_ms = transfer->state == TFTP_TRANSFER_OFFERED ? TFTP_TRANSFER_OFFER_MS
									: TFTP_TRANSFER_SILENCE_MS;
	if (now_ms - transfer->progress_ms >= patience_ms)
		return give_up(transfer);
	transfer->rto_ms = (uint32_t)min_u64(transfer->rto_ms * 2, transfer->rto_max_ms);
	/* After a silence a repeated ACK is news again: it may be the only thing that comes back.
	 */
	transfer->repeat_answered = false;
	return send_again(transfer, now_ms);
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
