/* The transfer machine against a modelled client and network in simulated time: every packet lost
 * in turn, doubled, reordered; rollover; silence; and ACKs that make no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/tftp/tftp_transfer.h"

#define QUEUE_MAX 8192
#define NEVER     UINT64_MAX

enum kind { TO_CLIENT_OACK, TO_CLIENT_DATA, TO_CLIENT_ERROR, TO_SERVER_ACK };

struct flight {
	uint64_t at_us;
	uint64_t order;
	enum kind kind;
	uint16_t block;
	uint64_t offset; /* DATA: what it carries */
	uint32_t bytes;
};

/* One transfer, its client and the wire between them. */
struct world {
	struct tftp_transfer transfer;
	enum tftp_transfer_end end;
	bool told_error;
	uint64_t now_us;

	struct flight queue[QUEUE_MAX];
	unsigned queued;
	uint64_t packets; /* put on the wire, both ways */
	uint64_t data_sent;

	/* faults */
	uint64_t lose_packet; /* this one, from 0 */
	bool duplicate_all;
	unsigned loss_percent, reorder_percent;
	unsigned seed;

	/* the client, as RFC 7440 §4 has it */
	uint32_t blksize, windowsize;
	uint64_t received_bytes;
	uint64_t received_blocks;
	uint32_t in_window;
	bool gap_told, finished;
	bool acks_duplicates; /* answers every old block, not only the last: what fed the Sorcerer's
				 Apprentice */
	uint64_t client_deadline_us;
	uint64_t last_ack_block; /* the last ACK it sends is this one; for "the last ACK is never
				    sent" */
};

static unsigned chance(struct world *w)
{
	w->seed = w->seed * 1103515245u + 12345u;
	return (w->seed >> 16) % 100;
}

static void put(struct world *w, struct flight flight)
{
	uint64_t number = w->packets++;
	unsigned copies = w->duplicate_all ? 2 : 1;
	if (number == w->lose_packet || (w->loss_percent > 0 && chance(w) < w->loss_percent))
		return;
	for (unsigned i = 0; i < copies; i++) {
		assert_true(w->queued < QUEUE_MAX);
		flight.at_us = w->now_us + 1000;
		if (w->reorder_percent > 0 && chance(w) < w->reorder_percent)
			flight.at_us += 1000 + 1000 * (chance(w) % 5);
		flight.order = number;
		w->queue[w->queued++] = flight;
	}
}

static void apply(struct world *w, struct tftp_transfer_effects effects)
{
	const struct tftp_transfer *t = &w->transfer;
	if (effects.send_oack)
		put(w, (struct flight){.kind = TO_CLIENT_OACK});
	if (effects.first_block > 0) {
		assert_true(effects.first_block <= effects.last_block);
		assert_true(effects.last_block <= t->block_count);
		assert_true(effects.last_block - effects.first_block < t->windowsize);
	}
	for (uint64_t block = effects.first_block; block > 0 && block <= effects.last_block;
		block++) {
		w->data_sent++;
		put(w, (struct flight){.kind = TO_CLIENT_DATA,
			       .block = (uint16_t)block,
			       .offset = tftp_transfer_block_offset(t, block),
			       .bytes = tftp_transfer_block_bytes(t, block)});
	}
	w->told_error |= effects.send_error;
	if (effects.end != TFTP_TRANSFER_RUNNING) {
		assert_int_equal(w->end, TFTP_TRANSFER_RUNNING); /* ends once */
		w->end = effects.end;
	}
}

static void client_ack(struct world *w)
{
	w->in_window = 0;
	if (w->finished && w->last_ack_block == 0)
		return;
	put(w, (struct flight){.kind = TO_SERVER_ACK, .block = (uint16_t)w->received_blocks});
}

static void client_data(struct world *w, const struct flight *flight)
{
	uint16_t ahead = (uint16_t)(flight->block - (uint16_t)w->received_blocks);
	if (ahead == 1 && !w->finished) {
		assert_true(
			flight->offset == w->received_bytes); /* the very bytes that come next */
		w->received_bytes += flight->bytes;
		w->received_blocks++;
		w->gap_told = false;
		w->finished = flight->bytes < w->blksize;
		if (++w->in_window >= w->windowsize || w->finished)
			client_ack(w);
	} else if (ahead != 0 && ahead < 0x8000) {
		if (!w->gap_told)
			client_ack(w);
		w->gap_told = true;
	} else if (ahead == 0 || w->acks_duplicates) {
		client_ack(w); /* the last block again: our ACK was lost */
	}
}

static void deliver(struct world *w, const struct flight *flight)
{
	w->client_deadline_us = w->now_us + 1000 * 1000;
	switch (flight->kind) {
	case TO_CLIENT_OACK: client_ack(w); break;
	case TO_CLIENT_DATA: client_data(w, flight); break;
	case TO_CLIENT_ERROR: break;
	case TO_SERVER_ACK:
		apply(w, tftp_transfer_on_ack(&w->transfer, flight->block, w->now_us));
		break;
	default: fail();
	}
}

/* The earliest in flight; in order of sending among those of one instant. */
static int earliest(const struct world *w)
{
	int found = -1;
	for (unsigned i = 0; i < w->queued; i++) {
		if (found < 0 || w->queue[i].at_us < w->queue[found].at_us ||
			(w->queue[i].at_us == w->queue[found].at_us &&
				w->queue[i].order < w->queue[found].order))
			found = (int)i;
	}
	return found;
}

/* Run until the transfer ended and nothing is in flight. */
static void run(struct world *w)
{
	apply(w, tftp_transfer_start(&w->transfer, w->now_us));
	w->client_deadline_us = w->now_us + 1000 * 1000;
	for (;;) {
		int i = earliest(w);
		uint64_t timer_us =
			w->end == TFTP_TRANSFER_RUNNING ? w->transfer.deadline_us : NEVER;
		uint64_t client_us = w->finished || w->end != TFTP_TRANSFER_RUNNING
					     ? NEVER
					     : w->client_deadline_us;
		if (i < 0 && timer_us == NEVER)
			return;
		uint64_t next_us = timer_us < client_us ? timer_us : client_us;
		if (i >= 0 && w->queue[i].at_us <= next_us) {
			struct flight flight = w->queue[i];
			w->queue[i] = w->queue[--w->queued];
			w->now_us = flight.at_us;
			deliver(w, &flight);
		} else if (client_us < timer_us) {
			w->now_us = client_us;
			w->client_deadline_us += 1000 * 1000;
			if (w->received_blocks > 0)
				client_ack(w);
		} else {
			assert_true(timer_us >= w->now_us);
			w->now_us = timer_us;
			apply(w, tftp_transfer_on_timer(&w->transfer, timer_us));
		}
		assert_true(w->now_us < 10000ull * 1000 * 1000);
	}
}

static struct world *new_world(uint64_t file_bytes, uint32_t blksize, uint32_t windowsize)
{
	struct world *w = calloc(1, sizeof *w);
	assert_non_null(w);
	struct tftp_options asked = {0};
	static const struct tftp_transfer_limits limits = {1468, 64};
	if (blksize != 512)
		asked.present |= TFTP_HAS_BLKSIZE, asked.blksize = blksize;
	if (windowsize != 1)
		asked.present |= TFTP_HAS_WINDOWSIZE, asked.windowsize = windowsize;
	tftp_transfer_init(&w->transfer, &asked, file_bytes, &limits);
	w->blksize = blksize;
	w->windowsize = windowsize;
	w->lose_packet = NEVER;
	w->last_ack_block = 1;
	w->now_us = 5000 * 1000;
	return w;
}

static void expect_complete(const struct world *w, uint64_t file_bytes)
{
	assert_int_equal(w->end, TFTP_TRANSFER_DONE);
	assert_true(w->finished);
	assert_true(w->received_bytes == file_bytes);
	assert_true(w->received_blocks == file_bytes / w->blksize + 1);
	assert_false(w->told_error);
}

static const uint64_t sizes[] = {0, 1, 511, 512, 513, 1024, 2047, 2048, 2049, 12345};
static const uint32_t windows[] = {1, 2, 4, 16};

static void every_size_and_window_arrives_with_nothing_sent_twice(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		for (size_t j = 0; j < sizeof windows / sizeof windows[0]; j++) {
			struct world *w = new_world(sizes[i], 512, windows[j]);
			run(w);
			expect_complete(w, sizes[i]);
			assert_true(w->data_sent == w->received_blocks);
			assert_true(w->transfer.resent_blocks == 0);
			free(w);
		}
	}
}

/* Whichever one packet is lost, of either side: the file arrives, within a quarter of a second of
 * simulated time more at worst (the first time-out), and within some ten milliseconds once a round
 * trip is known. */
static void any_one_lost_packet_is_repaired_soon(void **state)
{
	(void)state;
	for (size_t j = 0; j < sizeof windows / sizeof windows[0]; j++) {
		struct world *clean = new_world(12345, 512, windows[j]);
		run(clean);
		for (uint64_t lost = 0; lost < clean->packets; lost++) {
			struct world *w = new_world(12345, 512, windows[j]);
			w->lose_packet = lost;
			run(w);
			expect_complete(w, 12345);
			uint64_t more_us = w->now_us - clean->now_us;
			assert_in_range(more_us, 0, lost < 2 ? 255000 : 40000);
			free(w);
		}
		free(clean);
	}
}

/* FIELD 55: the Sorcerer's Apprentice */
static void without_windows_doubled_packets_double_nothing(void **state)
{
	(void)state;
	for (int apprentice = 0; apprentice < 2; apprentice++) {
		struct world *w = new_world(50000, 512, 1);
		w->duplicate_all = true;
		w->acks_duplicates = apprentice != 0;
		run(w);
		expect_complete(w, 50000);
		assert_true(w->data_sent == w->received_blocks);
		free(w);
	}
}

/* FIELD 55 */
static void with_windows_doubled_packets_do_not_grow_to_a_storm(void **state)
{
	(void)state;
	for (int apprentice = 0; apprentice < 2; apprentice++) {
		struct world *w = new_world(200000, 512, 8);
		w->duplicate_all = true;
		w->acks_duplicates = apprentice != 0;
		run(w);
		expect_complete(w, 200000);
		assert_true(w->data_sent <= 2 * w->received_blocks);
		free(w);
	}
}

static void heavy_faults_delay_and_never_corrupt(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 200; seed++) {
		struct world *w = new_world(30000 + seed, 512, windows[seed % 4]);
		w->seed = seed;
		w->loss_percent = seed % 3 * 10;
		w->reorder_percent = 20;
		w->duplicate_all = seed % 5 == 0;
		w->acks_duplicates = seed % 7 == 0;
		run(w);
		assert_true(w->finished);
		assert_true(w->received_bytes == 30000 + seed);
		assert_true(w->end == TFTP_TRANSFER_DONE || w->end == TFTP_TRANSFER_UNCONFIRMED);
		free(w);
	}
}

/* FIELD 51 */
static void block_numbers_roll_over_to_zero(void **state)
{
	(void)state;
	for (uint32_t windowsize = 1; windowsize <= 16; windowsize += 15) {
		struct world *w = new_world(8 * 140000 + 3, 8, windowsize); /* past 65535 twice */
		w->loss_percent = 1;
		w->seed = 7;
		run(w);
		expect_complete(w, 8 * 140000 + 3);
		free(w);
	}
}

static void a_transfer_is_resumed_at_any_block(void **state)
{
	(void)state;
	static const uint64_t acked[] = {0, 1, 5, 65535, 65536, 70000};
	for (size_t i = 0; i < sizeof acked / sizeof acked[0]; i++) {
		struct world *w = new_world(0, 8, 4);
		struct tftp_options agreed = {TFTP_HAS_BLKSIZE | TFTP_HAS_WINDOWSIZE, 8, 0, 0, 4};
		tftp_transfer_resume(&w->transfer, &agreed, 8 * 70001, acked[i]);
		/* The client is further than the first server had told. */
		w->received_blocks =
			acked[i] < 70000 ? acked[i] + 1 + (70000 - acked[i]) / 3 : 70000;
		w->received_bytes = w->received_blocks * 8;
		run(w);
		expect_complete(w, 8 * 70001);
		free(w);
	}
}

/* FIELD 49, FIELD 50, FIELD 55 */
static void options_never_grow(void **state)
{
	(void)state;
	struct tftp_transfer t;
	struct tftp_options asked = {
		TFTP_HAS_BLKSIZE | TFTP_HAS_WINDOWSIZE | TFTP_HAS_TSIZE, 65464, 0, 0, 5000};
	struct tftp_transfer_limits limits = {1468, 64};
	tftp_transfer_init(&t, &asked, 100000, &limits);
	assert_int_equal(t.agreed.present, asked.present);
	assert_int_equal(t.agreed.blksize, 1468);
	assert_int_equal(t.agreed.windowsize, 64);
	assert_true(t.agreed.tsize == 100000);
	assert_true(t.block_count == 100000 / 1468 + 1);
	asked = (struct tftp_options){TFTP_HAS_BLKSIZE, 500, 0, 0, 0};
	tftp_transfer_init(&t, &asked, 100000, &limits);
	assert_int_equal(t.blksize, 500);
	assert_int_equal(t.windowsize, 1);
	assert_int_equal(t.agreed.present, TFTP_HAS_BLKSIZE); /* nothing that was not asked */
	asked.present = 0;
	tftp_transfer_init(&t, &asked, 100000, &limits);
	assert_int_equal(t.blksize, 512);
	assert_int_equal(t.state, TFTP_TRANSFER_SENDING);
}

static void silence_backs_off_and_ends(void **state)
{
	(void)state;
	struct world *w = new_world(50000, 512, 4);
	w->loss_percent = 100;
	run(w);
	assert_int_equal(w->end, TFTP_TRANSFER_PROBED); /* the OACK was never answered */
	assert_in_range(
		w->now_us - 5000000, TFTP_TRANSFER_OFFER_US, TFTP_TRANSFER_OFFER_US + 5000000);
	assert_false(w->told_error);
	free(w);

	w = new_world(50000, 512, 1); /* no options: block 1 at once */
	w->loss_percent = 100;
	run(w);
	assert_int_equal(w->end, TFTP_TRANSFER_SILENT);
	assert_true(w->told_error);
	assert_in_range(
		w->now_us - 5000000, TFTP_TRANSFER_SILENCE_US, TFTP_TRANSFER_SILENCE_US + 5000000);
	assert_in_range(w->data_sent, 10, 25); /* doubling, not hammering */
	free(w);
}

/* FIELD 52 */
static void a_last_ack_that_never_comes_is_no_failure(void **state)
{
	(void)state;
	struct world *w = new_world(5000, 512, 1);
	w->last_ack_block = 0;
	run(w);
	assert_true(w->finished);
	assert_int_equal(w->end, TFTP_TRANSFER_UNCONFIRMED);
	assert_false(w->told_error);
	free(w);
}

static void client_errors_end_it_and_a_probe_is_none(void **state)
{
	(void)state;
	struct world *w = new_world(5000, 1024, 1);
	tftp_transfer_start(&w->transfer, 0);
	assert_int_equal(
		tftp_transfer_on_error(&w->transfer).end, TFTP_TRANSFER_PROBED); /* FIELD 47 */
	assert_int_equal(
		tftp_transfer_on_error(&w->transfer).end, TFTP_TRANSFER_RUNNING); /* over already */
	assert_int_equal(tftp_transfer_on_timer(&w->transfer, 1000000000).first_block, 0);
	assert_int_equal(tftp_transfer_on_ack(&w->transfer, 0, 1).first_block, 0);
	free(w);

	w = new_world(5000, 1024, 1);
	tftp_transfer_start(&w->transfer, 0);
	assert_int_equal(tftp_transfer_on_ack(&w->transfer, 0, 1).first_block, 1);
	assert_int_equal(tftp_transfer_on_error(&w->transfer).end, TFTP_TRANSFER_CLIENT_ERROR);
	free(w);

	w = new_world(5000, 1024, 1);
	tftp_transfer_start(&w->transfer, 0);
	tftp_transfer_on_ack(&w->transfer, 0, 1);
	assert_int_equal(tftp_transfer_on_gone(&w->transfer).end, TFTP_TRANSFER_GONE);
	free(w);

	w = new_world(100, 1024, 1); /* the only block is out: a closed port means it arrived */
	tftp_transfer_start(&w->transfer, 0);
	tftp_transfer_on_ack(&w->transfer, 0, 1);
	assert_int_equal(tftp_transfer_on_gone(&w->transfer).end, TFTP_TRANSFER_UNCONFIRMED);
	free(w);
}

static void a_repeated_request_is_answered_only_at_first(void **state)
{
	(void)state;
	struct world *w = new_world(5000, 1024, 1);
	tftp_transfer_start(&w->transfer, 0);
	assert_true(tftp_transfer_on_request(&w->transfer, 1).send_oack);
	tftp_transfer_on_ack(&w->transfer, 0, 2);
	struct tftp_transfer_effects effects = tftp_transfer_on_request(&w->transfer, 3);
	assert_false(effects.send_oack);
	assert_true(effects.first_block == 0);
	free(w);

	w = new_world(5000, 512, 1);
	tftp_transfer_start(&w->transfer, 0);
	assert_true(tftp_transfer_on_request(&w->transfer, 1).first_block == 1);
	tftp_transfer_on_ack(&w->transfer, 1, 2);
	assert_true(tftp_transfer_on_request(&w->transfer, 3).first_block == 0);
	free(w);
}

/* The timer follows the round trip, so a slow client is not sent everything twice, and a time-out
 * keeps its doubled time until a clean measurement (Karn). */
/* FIELD 53 */
static void slow_clients_are_waited_for(void **state)
{
	(void)state;
	struct world *w = new_world(100 * 512, 512, 1);
	struct tftp_transfer *t = &w->transfer;
	uint64_t now_us = 0, resent = 0;
	tftp_transfer_start(t, now_us);
	for (uint16_t block = 1; block <= 50; block++) {
		uint64_t answer_us = now_us + 400000; /* beyond the first time-out */
		while (t->deadline_us < answer_us) {
			resent += block > 10;
			tftp_transfer_on_timer(t, t->deadline_us);
		}
		now_us = answer_us;
		tftp_transfer_on_ack(t, block, now_us);
	}
	assert_true(resent == 0);
	free(w);
}

static void senseless_acks_change_nothing(void **state)
{
	(void)state;
	struct world *w = new_world(100 * 512, 512, 4);
	struct tftp_transfer *t = &w->transfer;
	tftp_transfer_start(t, 0);
	assert_true(tftp_transfer_on_ack(t, 1, 1).first_block == 0); /* only 0 answers an OACK */
	assert_true(tftp_transfer_on_ack(t, 0, 1).last_block == 4);
	for (unsigned ack = 5; ack < 65536; ack++)
		assert_true(tftp_transfer_on_ack(t, (uint16_t)ack, 1).first_block == 0);
	assert_true(t->acked == 0);
	assert_true(tftp_transfer_on_ack(t, 2, 2).first_block ==
		    3); /* RFC 7440: resume behind what was acked */
	assert_true(t->sent == 6);
	assert_true(tftp_transfer_on_ack(t, 1, 2).first_block == 0); /* old */
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_and_window_arrives_with_nothing_sent_twice),
		cmocka_unit_test(any_one_lost_packet_is_repaired_soon),
		cmocka_unit_test(without_windows_doubled_packets_double_nothing),
		cmocka_unit_test(with_windows_doubled_packets_do_not_grow_to_a_storm),
		cmocka_unit_test(heavy_faults_delay_and_never_corrupt),
		cmocka_unit_test(block_numbers_roll_over_to_zero),
		cmocka_unit_test(a_transfer_is_resumed_at_any_block),
		cmocka_unit_test(options_never_grow),
		cmocka_unit_test(silence_backs_off_and_ends),
		cmocka_unit_test(a_last_ack_that_never_comes_is_no_failure),
		cmocka_unit_test(client_errors_end_it_and_a_probe_is_none),
		cmocka_unit_test(a_repeated_request_is_answered_only_at_first),
		cmocka_unit_test(slow_clients_are_waited_for),
		cmocka_unit_test(senseless_acks_change_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
