/* A lease that was acknowledged from the state, and given up by a RELEASE that was on its way: it
 * is bound again, and nothing settles before [R9]. */
#include "dhcp4_rig.h"

#include "node/dhcp4/dhcp4_acked.h"

static int setup(void **state)
{
	struct rig *rig = malloc(sizeof *rig);
	assert_non_null(rig);
	rig_init(rig);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	rig_fini(*state);
	free(*state);
	return 0;
}

static const uint8_t CLIENT[] = {1, 2, 0, 0, 0, 0, 1};

static struct dhcp4_view view_at(const struct rig *rig, uint64_t boot_ms)
{
	struct dhcp4_view view = rig->view;
	view.boot_ms = boot_ms;
	view.has_quorum = view.fresh = true;
	return view;
}

static void an_empty_ring_holds_nothing_back(void **state)
{
	struct rig *rig = *state;
	struct dhcp4_acked *acked = calloc(1, sizeof *acked);
	struct dhcp4_view view = view_at(rig, 1000);
	struct dhcp4_acked_lease lease;
	bool more;
	assert_true(dhcp4_acked_oldest_ms(acked) == UINT64_MAX);
	assert_false(dhcp4_acked_next_lost(acked, &view, &lease, &more));
	assert_false(more);
	free(acked);
}

static void what_was_acknowledged_holds_settling_back_for_its_time(void **state)
{
	struct rig *rig = *state;
	struct dhcp4_acked *acked = calloc(1, sizeof *acked);
	uint32_t ip = rig_lease(rig, 1);
	struct dhcp4_view view = view_at(rig, 1000);
	struct dhcp4_acked_lease lease;
	bool more;
	assert_true(dhcp4_acked_add(acked, &view, ip, CLIENT, sizeof CLIENT));
	assert_int_equal(dhcp4_acked_oldest_ms(acked), model_stamp_ms(rig->model));
	view.boot_ms = 1000 + DHCP4_ACKED_MS - 1;
	assert_false(dhcp4_acked_next_lost(acked, &view, &lease, &more));
	assert_false(more);
	/* A state that lags cannot tell what became of the lease. */
	view.boot_ms = 1000 + DHCP4_ACKED_MS;
	view.fresh = false;
	assert_false(dhcp4_acked_next_lost(acked, &view, &lease, &more));
	assert_false(more);
	/* Nor one that ends with what was before: a RELEASE may be in the log, and not committed
	 * yet. */
	view.fresh = true;
	assert_false(dhcp4_acked_next_lost(acked, &view, &lease, &more));
	assert_false(more);
	model_begin(rig->model, view.now_ms + DHCP4_ACKED_STAMP_MS, NULL);
	assert_false(dhcp4_acked_next_lost(acked, &view, &lease, &more));
	assert_false(more);
	model_begin(rig->model, view.now_ms + DHCP4_ACKED_STAMP_MS + 1, NULL);
	assert_false(dhcp4_acked_next_lost(acked, &view, &lease, &more));
	assert_true(more);
	assert_true(dhcp4_acked_oldest_ms(acked) == UINT64_MAX);
	free(acked);
}

static void a_full_ring_takes_nothing(void **state)
{
	struct rig *rig = *state;
	struct dhcp4_acked *acked = calloc(1, sizeof *acked);
	struct dhcp4_view view = view_at(rig, 1000);
	for (unsigned i = 0; i < DHCP4_ACKED_MAX; i++)
		assert_true(dhcp4_acked_add(acked, &view, 1 + i, CLIENT, sizeof CLIENT));
	assert_false(dhcp4_acked_add(acked, &view, 1, CLIENT, sizeof CLIENT));
	free(acked);
}

/* Through the engine: the client asks twice, its RELEASE comes in between by another node. */
static void a_lease_given_up_meanwhile_is_bound_again(void **state)
{
	struct rig *rig = *state;
	uint32_t ip = rig_lease(rig, 1);
	uint64_t before_ms = model_stamp_ms(rig->model);
	struct ask ask = {.type = DHCP4_REQUEST,
		.client = 1,
		.requested = ip,
		.server = RIG_SERVER_IP,
		.unicast = true};
	assert_true(rig_ask(rig, &ask));
	assert_int_equal(rig_count(rig, DHCP4_COUNT_FROM_STATE), 1);
	assert_int_equal(dhcp4_engine_oldest_state_ms(rig->engine), before_ms);
	rig_pass(rig, 1);

	struct ask release = {.type = DHCP4_RELEASE, .client = 1, .ciaddr = ip, .unicast = true};
	rig_send(rig, &release);
	rig_commit(rig);
	struct lease lease;
	assert_true(model_lease_of_ip(rig->model, ip, &lease));
	assert_int_not_equal(lease.released_ms, 0);

	rig_pass(rig, DHCP4_ACKED_MS);
	model_begin(rig->model, rig->view.now_ms, NULL);
	assert_true(dhcp4_engine_tick(rig->engine, &rig->view, &rig->effects));
	rig_note_effects(rig);
	assert_true(rig->effects.has_proposal);
	assert_int_equal(rig->effects.proposal.command.op_case, PXE__COMMAND__OP_BIND);
	assert_int_equal(dhcp4_engine_oldest_state_ms(rig->engine), before_ms);
	rig_commit(rig);
	assert_true(model_lease_of_ip(rig->model, ip, &lease));
	assert_int_equal(lease.released_ms, 0);
	assert_int_equal(lease_state_at(&lease, rig->view.now_ms), PXE__LEASE_STATE__LEASE_BOUND);
}

/* Nothing was written for long, so the ring still holds it: but the RELEASE is from after. */
static void a_lease_given_up_much_later_stays_so(void **state)
{
	struct rig *rig = *state;
	uint32_t ip = rig_lease(rig, 1);
	struct ask ask = {.type = DHCP4_REQUEST,
		.client = 1,
		.requested = ip,
		.server = RIG_SERVER_IP,
		.unicast = true};
	assert_true(rig_ask(rig, &ask));
	assert_int_equal(rig_count(rig, DHCP4_COUNT_FROM_STATE), 1);
	rig_pass(rig, DHCP4_ACKED_STAMP_MS + 1);
	struct ask release = {.type = DHCP4_RELEASE, .client = 1, .ciaddr = ip, .unicast = true};
	rig_send(rig, &release);
	rig_commit(rig);
	rig_pass(rig, DHCP4_ACKED_MS);
	assert_false(dhcp4_engine_tick(rig->engine, &rig->view, &rig->effects));
	assert_true(dhcp4_engine_oldest_state_ms(rig->engine) == UINT64_MAX);
}

/* The client asks by two nodes, gives the lease up by the other, and asks again while our command
 * is still on its way: what that command did is from before the RELEASE. */
static void what_a_merged_request_was_told_is_remembered(void **state)
{
	struct rig *rig = *state;
	uint32_t ip = rig_lease(rig, 1);
	struct ask ask = {.type = DHCP4_REQUEST,
		.client = 1,
		.xid = 7,
		.requested = ip,
		.server = RIG_SERVER_IP,
		.unicast = true};
	rig_pass(rig, RIG_LEASE_S * 1000 / 2); /* too late for an answer from the state */
	rig_send(rig, &ask);
	assert_true(rig->effects.has_proposal);
	uint8_t command[sizeof rig->command];
	size_t command_bytes = rig->command_bytes;
	uint64_t ticket = rig->ticket;
	memcpy(command, rig->command, command_bytes);
	ask.xid = 8;
	rig_send(rig, &ask);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_MERGED), 1);
	memcpy(rig->command, command, command_bytes);
	rig->command_bytes = command_bytes;
	rig->ticket = ticket;
	assert_true(dhcp4_engine_oldest_state_ms(rig->engine) == UINT64_MAX);
	assert_int_equal(rig_commit(rig), PXE__VERDICT__VERDICT_OK);
	assert_int_equal(rig->reply.header.xid, 8);
	assert_int_equal(dhcp4_engine_oldest_state_ms(rig->engine), model_stamp_ms(rig->model));
}

/* What was decided, and undone in the same turn. */
static void a_lease_that_is_given_up_by_now_is_not_acknowledged(void **state)
{
	struct rig *rig = *state;
	uint32_t ip = rig_lease(rig, 1);
	struct ask ask = {.type = DHCP4_REQUEST,
		.client = 1,
		.requested = ip,
		.server = RIG_SERVER_IP,
		.unicast = true};
	rig_pass(rig, RIG_LEASE_S * 1000 / 2);
	rig_send(rig, &ask);
	assert_true(rig->effects.has_proposal);
	uint64_t ticket = rig->ticket;
	Pxe__Command *bind = pxe__command__unpack(NULL, rig->command_bytes, rig->command);
	struct model_result bound, result;
	assert_int_equal(rig_apply(rig, bind, &bound), PXE__VERDICT__VERDICT_OK);
	rig_pass(rig, 5);
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Release release = PXE__RELEASE__INIT;
	uint8_t ip_bytes[4];
	msg_ip4_put(ip, ip_bytes);
	release.ip = (ProtobufCBinaryData){4, ip_bytes};
	release.client = bind->bind->who->client;
	command.op_case = PXE__COMMAND__OP_RELEASE;
	command.release = &release;
	assert_int_equal(rig_apply(rig, &command, &result), PXE__VERDICT__VERDICT_OK);
	dhcp4_engine_on_outcome(
		rig->engine, &rig->view, ticket, DHCP4_OUTCOME_APPLIED, &bound, &rig->effects);
	assert_false(rig->effects.has_reply);
	assert_int_equal(rig_count(rig, DHCP4_COUNT_DROP_LATE), 1);
	pxe__command__free_unpacked(bind, NULL);
}

/* Stamps may stand for a while: the RELEASE names the lease that it means. */
static void a_release_ends_no_lease_of_the_same_stamp(void **state)
{
	struct rig *rig = *state;
	uint32_t ip = rig_lease(rig, 1);
	rig_pass(rig, RIG_LEASE_S * 1000 / 2);
	model_begin(rig->model, rig->view.now_ms, NULL);
	struct ask ask = {.type = DHCP4_RELEASE, .client = 1, .ciaddr = ip, .unicast = true};
	rig_send(rig, &ask);
	Pxe__Command *release = pxe__command__unpack(NULL, rig->command_bytes, rig->command);
	ask = (struct ask){.type = DHCP4_REQUEST,
		.client = 1,
		.requested = ip,
		.server = RIG_SERVER_IP,
		.unicast = true};
	rig_send(rig, &ask);
	assert_int_equal(rig_commit(rig), PXE__VERDICT__VERDICT_OK);
	struct model_result result;
	struct lease lease;
	assert_int_equal(rig_apply(rig, release, &result), PXE__VERDICT__VERDICT_CONFLICT);
	assert_true(model_lease_of_ip(rig->model, ip, &lease));
	assert_int_equal(lease.released_ms, 0);
	pxe__command__free_unpacked(release, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_empty_ring_holds_nothing_back),
		TEST(what_was_acknowledged_holds_settling_back_for_its_time),
		TEST(a_full_ring_takes_nothing),
		TEST(a_lease_given_up_meanwhile_is_bound_again),
		TEST(a_lease_given_up_much_later_stays_so),
		TEST(what_a_merged_request_was_told_is_remembered),
		TEST(a_lease_that_is_given_up_by_now_is_not_acknowledged),
		TEST(a_release_ends_no_lease_of_the_same_stamp),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
