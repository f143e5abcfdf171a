#include "tests/unit/replica/support/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct load_item {
	struct load *load;
	uint32_t number;
	unsigned node, told;
	bool ok;
};

void load_init(struct load *load, struct cluster *cluster, uint32_t first, uint32_t count,
	unsigned outstanding_max)
{
	*load = (struct load){.cluster = cluster,
		.first = first,
		.count = count,
		.outstanding_max = outstanding_max};
	load->item = calloc(count, sizeof *load->item);
	assert_non_null(load->item);
	for (uint32_t i = 0; i < count; i++)
		load->item[i] = (struct load_item){.load = load, .number = first + i};
	load->last_ok_ms = cluster_now_ms();
}

static void load_on_done(void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct load_item *item = ctx;
	struct load *load = item->load;
	assert_int_equal(item->told, 0);
	item->told++;
	load->told++;
	load->outstanding[item->node]--;
	if (outcome == REPLICA_UNKNOWN) {
		load->unknown++;
		return;
	}
	assert_int_equal(outcome, REPLICA_APPLIED);
	assert_non_null(result);
	if (result->verdict != PXE__VERDICT__VERDICT_OK) {
		load->refused++;
		return;
	}
	assert_int_equal(result->lease.ip, bind_ip(item->number));
	item->ok = true;
	load->ok++;
	uint64_t now_ms = cluster_now_ms();
	if (now_ms - load->last_ok_ms > load->longest_gap_ms)
		load->longest_gap_ms = now_ms - load->last_ok_ms;
	load->last_ok_ms = now_ms;
}

static bool load_propose(struct load *load, unsigned node)
{
	struct load_item *item = &load->item[load->next];
	struct bind_command bind;
	bind_command_init(&bind, item->number);
	item->node = node;
	load->outstanding[node]++; /* before: the outcome may come from inside */
	if (replica_propose(load->cluster->node[node].replica, &bind.command, 30000, load_on_done,
		    item) != REPLICA_APPLIED) {
		load->outstanding[node]--;
		load->busy++;
		return false;
	}
	load->next++;
	return true;
}

void load_pump(struct load *load)
{
	for (bool more = true; more;) {
		more = false;
		for (unsigned i = 0; i < load->cluster->count && load->next < load->count; i++) {
			if (load->cluster->node[i].running &&
				load->outstanding[i] < load->outstanding_max)
				more = load_propose(load, i) || more;
		}
	}
}

bool load_is_done(const struct load *load)
{
	return load->told == load->count;
}

void load_run_until(struct load *load, uint32_t told)
{
	uint64_t end = cluster_now_ms() + 2 * CLUSTER_WAIT_MS;
	while (load->told < told) {
		if (cluster_now_ms() > end)
			fail_msg("%u of %u commands have an outcome", load->told, told);
		load_pump(load);
		cluster_turn(load->cluster);
	}
}

void load_run(struct load *load)
{
	load_run_until(load, load->count);
}

void load_check(const struct load *load, const struct cluster_node *node)
{
	const struct model *model = replica_model(node->replica);
	for (uint32_t i = 0; i < load->count; i++) {
		struct bind_command bind;
		struct lease lease;
		assert_int_equal(load->item[i].told, 1);
		if (!load->item[i].ok)
			continue;
		bind_command_init(&bind, load->item[i].number);
		assert_true(model_lease_of_ip(model, bind_ip(load->item[i].number), &lease));
		assert_int_equal(lease.client_len, sizeof bind.client);
		assert_memory_equal(lease.client, bind.client, sizeof bind.client);
	}
}

void load_fini(struct load *load)
{
	free(load->item);
	load->item = NULL;
}
