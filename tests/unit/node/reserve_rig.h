/* tests/unit/node/reserve_rig.h: a node's reserve over a real model, with a journal in memory.
 *
 * Member 1 is the node, member 2 another one. What is written is durable when the test says so.
 */
#ifndef TESTS_UNIT_NODE_RESERVE_RIG_H
#define TESTS_UNIT_NODE_RESERVE_RIG_H

#include "node/reserve/reserve.h"
#include "tests/unit/node/dhcp4_rig.h"

#define RIG_MCLT_S  600u
#define JOURNAL_MAX 2048

struct journal_line {
	uint8_t key[4];
	uint8_t value[640];
	size_t value_bytes;
};

struct node {
	struct rig rig;
	struct reserve *reserve;
	uint64_t incarnation;
	uint64_t number; /* of the last write */
	struct journal_line line[JOURNAL_MAX];
	size_t lines;
	struct reserve_grant grant;
	struct reserve_write write;
	uint8_t client[7]; /* of the last who_is() */
};

static inline struct reserve_view node_view(const struct node *node)
{
	return (struct reserve_view){.model = node->rig.model,
		.self = node->rig.view.self,
		.incarnation = node->incarnation,
		.now_ms = node->rig.view.now_ms,
		.time_known = true,
		.boot_ms = node->rig.view.boot_ms};
}

static inline const Pxe__Subnet *node_subnet(const struct node *node)
{
	return model_subnet(node->rig.model, "lab");
}

/* Gives a member addresses of subnet lab, as the leader does. */
static inline Pxe__Verdict node_try_give(
	struct node *node, uint64_t owner, uint32_t count, struct model_result *ret_result)
{
	char lab[] = "lab";
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__ReserveGive give = PXE__RESERVE_GIVE__INIT;
	give.owner = owner;
	give.subnet = lab;
	give.count = count;
	command.op_case = PXE__COMMAND__OP_RESERVE_GIVE;
	command.reserve_give = &give;
	return rig_apply(&node->rig, &command, ret_result);
}

static inline void node_give(struct node *node, uint64_t owner, uint32_t count)
{
	struct model_result result;
	if (node_try_give(node, owner, count, &result) != PXE__VERDICT__VERDICT_OK)
		fail_msg("give: %s", result.detail);
}

static inline void node_init(struct node *node)
{
	memset(node, 0, sizeof *node);
	rig_init(&node->rig);
	rig_join(&node->rig, 2);
	node->incarnation = 1;
	node->reserve = reserve_new(node->rig.view.boot_ms);
	assert_non_null(node->reserve);
}

static inline void node_fini(struct node *node)
{
	reserve_free(node->reserve);
	rig_fini(&node->rig);
}

/* cmocka: a node for each test. */
static inline int node_setup(void **state)
{
	struct node *node = malloc(sizeof *node);
	assert_non_null(node);
	node_init(node);
	*state = node;
	return 0;
}

static inline int node_teardown(void **state)
{
	node_fini(*state);
	free(*state);
	return 0;
}

static inline struct journal_line *node_line(struct node *node, const uint8_t key[4])
{
	for (size_t i = 0; i < node->lines; i++)
		if (memcmp(node->line[i].key, key, 4) == 0)
			return &node->line[i];
	return NULL;
}

/* Into the journal; durable, as far as a crash goes, but not yet told to be. */
static inline void node_write(struct node *node, const struct reserve_write *write)
{
	struct journal_line *line = node_line(node, write->key);
	reserve_on_written(node->reserve, ++node->number);
	if (write->value_bytes == 0) {
		assert_non_null(line);
		*line = node->line[--node->lines];
		return;
	}
	if (line == NULL) {
		assert_true(node->lines < JOURNAL_MAX);
		line = &node->line[node->lines++];
	}
	memcpy(line->key, write->key, 4);
	memcpy(line->value, write->value, write->value_bytes);
	line->value_bytes = write->value_bytes;
}

static inline void node_sync(struct node *node)
{
	reserve_on_durable(node->reserve, node->number);
}

/* kill -9, and up again at once. */
static inline void node_restart(struct node *node)
{
	reserve_free(node->reserve);
	node->incarnation++;
	node->reserve = reserve_new(node->rig.view.boot_ms);
	assert_non_null(node->reserve);
	for (size_t i = 0; i < node->lines; i++)
		assert_int_equal(
			reserve_load(node->reserve, node->line[i].value, node->line[i].value_bytes),
			0);
}

static inline Pxe__ClientInfo who_is(struct node *node, unsigned client)
{
	Pxe__ClientInfo who = PXE__CLIENT_INFO__INIT;
	node->client[0] = 1;
	rig_mac(client, node->client + 1);
	who.client = (ProtobufCBinaryData){7, node->client};
	who.mac = (ProtobufCBinaryData){6, node->client + 1};
	return who;
}

static inline bool node_offer(struct node *node, unsigned client, uint32_t wanted_ip)
{
	struct reserve_view view = node_view(node);
	Pxe__ClientInfo who = who_is(node, client);
	return reserve_offer(
		node->reserve, &view, &who, node_subnet(node), wanted_ip, 0, &node->grant);
}

static inline bool node_grant(struct node *node, unsigned client, uint32_t ip)
{
	struct reserve_view view = node_view(node);
	Pxe__ClientInfo who = who_is(node, client);
	if (!reserve_grant(node->reserve, &view, &who, node_subnet(node), ip, 0, &node->grant,
		    &node->write))
		return false;
	node_write(node, &node->write);
	return true;
}

/* Offered and granted. */
static inline uint32_t node_lease(struct node *node, unsigned client)
{
	assert_true(node_offer(node, client, 0));
	uint32_t ip = node->grant.ip;
	assert_true(node_grant(node, client, ip));
	assert_int_equal(node->grant.ip, ip);
	return ip;
}

static inline bool node_knows(struct node *node, unsigned client, uint32_t ip)
{
	struct reserve_view view = node_view(node);
	Pxe__ClientInfo who = who_is(node, client);
	return reserve_knows(node->reserve, &view, &who, ip);
}

static inline enum reserve_duty node_task(struct node *node, struct reserve_task *ret_task)
{
	struct reserve_view view = node_view(node);
	reserve_next_task(node->reserve, &view, ret_task);
	return ret_task->duty;
}

/* All that is to be written, until there is something else or nothing. Returns how many. */
static inline size_t node_writes(struct node *node, struct reserve_task *ret_task)
{
	size_t count = 0;
	while (node_task(node, ret_task) == RESERVE_DUTY_WRITE) {
		node_write(node, &ret_task->write);
		count++;
	}
	return count;
}

/* Through the log; the reserve is told. */
static inline void node_apply(struct node *node, Pxe__Command *borrowed)
{
	uint8_t packed[65536];
	struct model_result result;
	assert_true(pxe__command__get_packed_size(borrowed) <= sizeof packed);
	size_t bytes = pxe__command__pack(borrowed, packed);
	Pxe__Command *command = pxe__command__unpack(NULL, bytes, packed);
	assert_non_null(command);
	rig_apply(&node->rig, command, &result);
	assert_int_equal(result.conflicts, 0);
	pxe__command__free_unpacked(command, NULL);
	struct reserve_view view = node_view(node);
	reserve_on_applied(node->reserve, &view, &result);
}

/* The quorum is back: everything that is to be told is told. Returns how many proposals it took. */
static inline unsigned node_settle(struct node *node)
{
	struct reserve_task task;
	unsigned proposals = 0;
	for (unsigned idle = 0; idle < 3;) {
		size_t writes = node_writes(node, &task);
		node_sync(node);
		if (task.duty == RESERVE_DUTY_PROPOSE) {
			proposals++;
			assert_true(proposals < 1000);
			node_apply(node, task.command);
		}
		idle = writes > 0 || task.duty != RESERVE_DUTY_NONE ? 0 : idle + 1;
		if (idle > 0) /* the next look at what is too much */
			rig_pass(&node->rig, 1000);
	}
	return proposals;
}

static inline unsigned node_journal(const struct node *node, uint64_t *ret_oldest_ms)
{
	unsigned count;
	uint64_t oldest_ms;
	reserve_state(node->reserve, &count, &oldest_ms);
	if (ret_oldest_ms != NULL)
		*ret_oldest_ms = oldest_ms;
	return count;
}

#endif
