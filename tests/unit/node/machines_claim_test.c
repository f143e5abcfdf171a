/* One-shot boots over a real one-node cluster: armed by an operator, claimed, seen by other threads
 * when the claimer is told, ended by the system; and machines that become records. */
#include "node/machines/machines.h"
#include "store/model/record.h"
#include "tests/unit/node/admin_rig.h"

struct told {
	unsigned count;
	struct node *node;
	Pxe__OnceState durable; /* what another thread would have read when it was told */
};

static Pxe__OnceState durable_state(struct node *node)
{
	uint8_t key[RECORD_KEY_MAX], *value = NULL;
	size_t key_bytes = record_key(RECORD_ONCE, "n07", 3, key), value_bytes = 0;
	Pxe__OnceState state = PXE__ONCE_STATE__ONCE_NONE;
	Pxe__Once *once;
	if (kv_state_get(node->kv, key, key_bytes, &value, &value_bytes) == 0) {
		once = pxe__once__unpack(NULL, value_bytes, value);
		assert_non_null(once);
		state = once->state;
		pxe__once__free_unpacked(once, NULL);
		free(value);
	}
	return state;
}

static void on_told(void *ctx)
{
	struct told *told = ctx;
	told->count++;
	told->durable = durable_state(told->node);
}

static struct machines *open_machines(struct node *node)
{
	struct machines_config config = {.loop = &node->loop,
		.replica = node->replica,
		.kv = node->kv,
		.events = node->events,
		.self = 1};
	struct machines *machines;
	assert_int_equal(machines_open(&config, &machines), 0);
	return machines;
}

/* Host n07 (52:54:00:00:00:07) boots "local" once. */
static void arm(struct node *node, void *socket)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__Change change = PXE__CHANGE__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__BootOnce once = PXE__BOOT_ONCE__INIT;
	char host[] = "n07", profile[] = "local";
	uint8_t id[16] = {7}, other[16] = {8};
	Pxe__AdminReply *reply = put_host(node, socket, "n07", 7, id);
	assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_OK);
	pxe__admin_reply__free_unpacked(reply, NULL);
	once.host = host;
	once.profile = profile;
	once.tries = 3;
	command.op_case = PXE__COMMAND__OP_BOOT_ONCE;
	command.boot_once = &once;
	change.command = &command;
	request.body_case = PXE__ADMIN_REQUEST__BODY_CHANGE;
	request.change = &change;
	request.request_id = (ProtobufCBinaryData){16, other};
	reply = ask(node, socket, &request);
	assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_OK);
	pxe__admin_reply__free_unpacked(reply, NULL);
}

static void a_claim_is_told_when_other_threads_can_see_it(void **state)
{
	struct node *node = *state;
	void *socket = dial_ipc(node);
	struct machines *machines = open_machines(node);
	struct content_claim claim = {.host = "n07", .boot = "abcd0001"};
	struct told told = {.node = node}, again = {.node = node};
	const Pxe__Once *once;
	arm(node, socket);
	machines_claim(machines, &claim, on_told, &told);
	assert_int_equal(told.count, 0);
	machines_claim(machines, &claim, on_told, &again); /* its client has repeated itself */
	for (unsigned i = 0; again.count == 0 && i < WAIT_MS; i++) {
		turn(node);
	}
	assert_int_equal(told.count, 1);
	assert_int_equal(told.durable, PXE__ONCE_STATE__ONCE_CLAIMED);
	once = model_once(replica_model(node->replica), "n07");
	assert_non_null(once);
	assert_string_equal(once->boot, "abcd0001");
	assert_int_equal(once->tries, 1);
	machines_close(machines);
	zmq_close(socket);
}

static void the_systems_first_request_ends_the_boot(void **state)
{
	struct node *node = *state;
	void *socket = dial_ipc(node);
	struct machines *machines = open_machines(node);
	struct content_claim claim = {.host = "n07", .boot = "abcd0001"};
	struct told told = {.node = node};
	struct event event = {.kind = PXE__EVENT_KIND__EVENT_SYSTEM_UP, .mac_bytes = 6};
	const Pxe__Once *once;
	arm(node, socket);
	once = model_once(replica_model(node->replica), "n07");
	assert_non_null(once);
	memcpy(event.mac, model_host(replica_model(node->replica), "n07")->mac[0].data, 6);
	machines_on_event(machines, &event); /* of the system that ran before: nothing */
	machines_claim(machines, &claim, on_told, &told);
	for (unsigned i = 0; told.count == 0 && i < WAIT_MS; i++) {
		turn(node);
	}
	machines_on_event(machines, &event);
	for (unsigned i = 0; durable_state(node) != PXE__ONCE_STATE__ONCE_DONE && i < WAIT_MS;
		i++) {
		turn(node);
	}
	once = model_once(replica_model(node->replica), "n07");
	assert_int_equal(once->state, PXE__ONCE_STATE__ONCE_DONE);
	assert_string_equal(once->text, "the system asked for an address");
	machines_close(machines);
	zmq_close(socket);
}

static void what_is_under_way_is_told_when_the_service_closes(void **state)
{
	struct node *node = *state;
	void *socket = dial_ipc(node);
	struct machines *machines = open_machines(node);
	struct content_claim claim = {.host = "n07", .boot = "abcd0001"};
	struct told told[3] = {{.node = node}, {.node = node}, {.node = node}};
	arm(node, socket);
	for (unsigned i = 0; i < 3; i++) {
		machines_claim(machines, &claim, on_told, &told[i]);
		uv_run(&node->loop, UV_RUN_NOWAIT);
	}
	machines_close(machines);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(told[i].count, 1);
	}
	zmq_close(socket);
}

static void machines_that_are_heard_become_records(void **state)
{
	struct node *node = *state;
	struct machines *machines = open_machines(node);
	struct event event = {.kind = PXE__EVENT_KIND__EVENT_DHCP_DISCOVER,
		.mac = {2, 0, 0, 0, 0, 9},
		.mac_bytes = 6,
		.arch = 8};
	const Pxe__Machine *machine = NULL;
	machines_on_event(machines, &event);
	for (unsigned i = 0; machine == NULL && i < WAIT_MS; i++) {
		turn(node);
		machine = model_machine_seen(replica_model(node->replica), event.mac, 6);
	}
	assert_non_null(machine);
	assert_true(machine->has_arch);
	assert_int_equal(machine->arch, 7);
	machines_close(machines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_claim_is_told_when_other_threads_can_see_it, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_systems_first_request_ends_the_boot, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_under_way_is_told_when_the_service_closes, setup, teardown),
		cmocka_unit_test_setup_teardown(
			machines_that_are_heard_become_records, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
