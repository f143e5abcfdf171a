/* The admin server: backups, leadership, members' modes and removal, and what the status tells of
 * them. */
#include "tests/unit/node/admin_rig.h"

#include "proto/msg/journal.pb-c.h"

#include "node/daemon/daemon_offline.h"
#include "proto/msg/backup.h"

struct seen {
	unsigned records, hosts;
	bool has_settings;
	uint64_t epoch, revision;
	char node[64];
};

static bool on_header(void *ctx, const Pxe__BackupHeader *header)
{
	struct seen *seen = ctx;

	seen->epoch = header->epoch;
	seen->revision = header->revision;
	snprintf(seen->node, sizeof seen->node, "%s", header->node);
	return true;
}

static bool on_record(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct seen *seen = ctx;

	(void)value;
	(void)value_bytes;
	seen->records++;
	seen->hosts += key[0] == 'H';
	seen->has_settings = seen->has_settings || (key[0] == 's' && key_bytes == 1);
	return true;
}

static void add_hosts(struct node *node, void *socket, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint8_t id[16] = {0x40, (uint8_t)i};
		char name[24];
		Pxe__AdminReply *reply;
		snprintf(name, sizeof name, "saved-%u", i);
		reply = put_host(node, socket, name, (uint8_t)(0x80 + i), id);
		assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_OK);
		pxe__admin_reply__free_unpacked(reply, NULL);
	}
}

static void test_a_backup_is_whole_and_of_one_moment(void **state)
{
	struct node *node = *state;
	void *socket = dial_ipc(node);
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__BackupQuery query = PXE__BACKUP_QUERY__INIT;
	struct seen seen = {0};
	struct backup_reader reader = {
		.ctx = &seen, .on_header = on_header, .on_record = on_record};
	bool more = true;

	add_hosts(node, socket, 12);
	request.body_case = PXE__ADMIN_REQUEST__BODY_BACKUP;
	request.backup = &query;
	backup_read_begin(&reader);
	send_request(node, socket, &request);
	while (more) {
		Pxe__AdminReply *reply = read_reply(node, socket);
		assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_OK);
		assert_int_equal(reply->body_case, PXE__ADMIN_REPLY__BODY_BACKUP_PART);
		assert_true(reply->backup_part->data.len <= 256u * 1024);
		assert_int_equal(backup_read(&reader, reply->backup_part->data.data,
					 reply->backup_part->data.len),
			0);
		more = reply->more;
		pxe__admin_reply__free_unpacked(reply, NULL);
	}
	assert_int_equal(backup_read_end(&reader), 0);
	assert_int_equal(seen.hosts, 12);
	assert_true(seen.has_settings);
	assert_true(seen.records > 12);
	assert_int_equal(seen.revision, model_revision(replica_model(node->replica)));
	assert_string_equal(seen.node, "pxe1");
	zmq_close(socket);
}

static Pxe__AdminReply *step_down(struct node *node, void *socket)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__StepDown body = PXE__STEP_DOWN__INIT;

	request.body_case = PXE__ADMIN_REQUEST__BODY_STEP_DOWN;
	request.step_down = &body;
	return ask(node, socket, &request);
}

static void test_the_only_voter_does_not_step_down(void **state)
{
	struct node *node = *state;
	void *socket = dial_ipc(node);
	Pxe__AdminReply *reply = step_down(node, socket);
	struct replica_view view;

	assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_NO);
	assert_non_null(strstr(reply->message, "no other voter"));
	pxe__admin_reply__free_unpacked(reply, NULL);
	replica_get_view(node->replica, &view);
	assert_true(view.is_leader);
	zmq_close(socket);
}

static Pxe__AdminReply *change(struct node *node, void *socket, Pxe__Command *command)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__Change body = PXE__CHANGE__INIT;

	body.command = command;
	request.body_case = PXE__ADMIN_REQUEST__BODY_CHANGE;
	request.change = &body;
	return ask(node, socket, &request);
}

static Pxe__AdminStatus set_mode(struct node *node, void *socket, char *name, Pxe__MemberMode mode)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__MemberSet set = PXE__MEMBER_SET__INIT;
	Pxe__AdminReply *reply;
	Pxe__AdminStatus status;

	set.name = name;
	set.mode = mode;
	command.op_case = PXE__COMMAND__OP_MEMBER_SET;
	command.member_set = &set;
	reply = change(node, socket, &command);
	status = reply->status;
	pxe__admin_reply__free_unpacked(reply, NULL);
	return status;
}

static bool has_warning(const Pxe__Status *status, const char *text)
{
	for (size_t i = 0; i < status->n_warnings; i++) {
		if (strstr(status->warnings[i], text) != NULL) {
			return true;
		}
	}
	return false;
}

static void test_modes_that_would_leave_nobody_are_refused(void **state)
{
	struct node *node = *state;
	void *socket = dial_ipc(node);
	char self[] = "pxe1", none[] = "pxe9";
	Pxe__AdminReply *reply;

	assert_int_equal(set_mode(node, socket, none, PXE__MEMBER_MODE__MEMBER_MODE_DRAIN),
		PXE__ADMIN_STATUS__ADMIN_NOT_FOUND);
	assert_int_equal(set_mode(node, socket, self, PXE__MEMBER_MODE__MEMBER_MODE_DEMOTE),
		PXE__ADMIN_STATUS__ADMIN_CONFLICT);
	assert_int_equal(set_mode(node, socket, self, PXE__MEMBER_MODE__MEMBER_MODE_DRAIN),
		PXE__ADMIN_STATUS__ADMIN_CONFLICT);
	assert_int_equal(set_mode(node, socket, self, PXE__MEMBER_MODE__MEMBER_MODE_PROMOTE),
		PXE__ADMIN_STATUS__ADMIN_OK);
	reply = get_status(node, socket);
	assert_false(reply->state->nodes[0]->draining);
	assert_false(reply->state->nodes[0]->standby);
	assert_false(has_warning(reply->state, "undrain"));
	pxe__admin_reply__free_unpacked(reply, NULL);
	zmq_close(socket);
}

static void on_staged(void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	assert_int_equal(outcome, REPLICA_APPLIED);
	assert_int_equal(result->verdict, PXE__VERDICT__VERDICT_OK);
	*(bool *)ctx = true;
}

/* Nobody holds it. */
static void stage_image(struct node *node)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__ImageStage stage = PXE__IMAGE_STAGE__INIT;
	Pxe__ImageVersion version = PXE__IMAGE_VERSION__INIT;
	Pxe__ImageFile file = PXE__IMAGE_FILE__INIT, *files = &file;
	uint8_t bytes[32] = {7};
	char name[] = "debian12", path[] = "vmlinuz";
	bool done = false;

	version.image = name;
	version.digest.data = file.sha256.data = bytes;
	version.digest.len = file.sha256.len = 32;
	file.path = path;
	file.bytes = version.bytes = 5000000000;
	version.files = &files;
	version.n_files = 1;
	stage.version = &version;
	command.op_case = PXE__COMMAND__OP_IMAGE_STAGE;
	command.image_stage = &stage;
	assert_int_equal(
		replica_propose(node->replica, &command, 0, on_staged, &done), REPLICA_APPLIED);
	while (!done) {
		turn(node);
	}
}

static void test_the_status_says_which_image_has_no_room_where(void **state)
{
	struct node *node = *state;
	void *socket = dial_ipc(node);
	Pxe__PeerStatus status = PXE__PEER_STATUS__INIT;
	Pxe__AdminReply *reply;

	stage_image(node);
	reply = get_status(node, socket);
	assert_true(has_warning(reply->state, "image debian12 is not on pxe1 yet"));
	assert_false(has_warning(reply->state, "no room"));
	pxe__admin_reply__free_unpacked(reply, NULL);
	status.images_need = 5000000000;
	status.images_room = 2000000000;
	replica_set_status(node->replica, &status);
	reply = get_status(node, socket);
	assert_true(has_warning(reply->state,
		"image debian12 is not on pxe1: no room, 5 GB needed, 2 GB free for images; "
		"free space there, or remove versions: pxectl image gc"));
	assert_false(has_warning(reply->state, "yet"));
	pxe__admin_reply__free_unpacked(reply, NULL);
	zmq_close(socket);
}

static void test_operators_cannot_change_the_epoch_or_recover_by_hand(void **state)
{
	struct node *node = *state;
	void *socket = dial_ipc(node);
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	Pxe__Recover recover = PXE__RECOVER__INIT;
	Pxe__Settings settings = *model_settings(replica_model(node->replica));
	Pxe__AdminReply *reply;

	settings.epoch += 1;
	put.object_case = PXE__PUT__OBJECT_SETTINGS;
	put.settings = &settings;
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = &put;
	reply = change(node, socket, &command);
	assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_INVALID);
	assert_non_null(strstr(reply->message, "identity"));
	pxe__admin_reply__free_unpacked(reply, NULL);
	recover.survivor = 1;
	command.op_case = PXE__COMMAND__OP_RECOVER;
	command.recover = &recover;
	reply = change(node, socket, &command);
	assert_int_equal(reply->status, PXE__ADMIN_STATUS__ADMIN_INVALID);
	pxe__admin_reply__free_unpacked(reply, NULL);
	zmq_close(socket);
}

/* The node's own word, as the daemon would give it. */
static void alone(void *ctx, struct dhcp4_isolation *ret_isolation)
{
	(void)ctx;
	*ret_isolation = (struct dhcp4_isolation){.isolated = true,
		.since_ms = 252000,
		.extends_bindings = true,
		.reserve_total = 41,
		.reserve_free = 40,
		.journal = 3,
		.leased = 1};
}

static bool is_removed(void *ctx)
{
	(void)ctx;
	return true;
}

static int setup_with(void **state, bool (*removed)(void *ctx))
{
	struct node *node;
	char error[256];
	struct admin_config config = {.self = 1, .isolation = alone, .removed = removed};

	if (setup(state) != 0) {
		return -1;
	}
	node = *state;
	admin_close(node->admin);
	turn(node);
	config.loop = &node->loop;
	config.zmq_context = node->zmq;
	config.zap = node->zap;
	config.replica = node->replica;
	config.events = node->events;
	config.socket_path = node->socket_path;
	return admin_open(&config, &node->admin, error, sizeof error);
}

static int setup_alone(void **state)
{
	return setup_with(state, NULL);
}

static int setup_removed(void **state)
{
	return setup_with(state, is_removed);
}

static void test_a_removed_node_does_not_claim_to_serve_alone(void **state)
{
	struct node *node = *state;
	void *socket = dial_ipc(node);
	Pxe__AdminReply *reply = get_status(node, socket);

	assert_string_equal(reply->state->health, "removed");
	assert_string_equal(reply->state->nodes[0]->state, "removed");
	assert_true(has_warning(reply->state, "was removed from the cluster"));
	assert_false(has_warning(reply->state, "goes on alone"));
	pxe__admin_reply__free_unpacked(reply, NULL);
	zmq_close(socket);
}

/* What this node gave alone and the cluster does not know stands in its list of leases. */
static void test_leases_given_alone_are_listed(void **state)
{
	static uint8_t ip[4] = {10, 20, 0, 9}, late[4] = {10, 20, 0, 8},
		       client[7] = {1, 2, 3, 4, 5, 6, 7};
	struct node *node = *state;
	void *socket = dial_ipc(node);
	Pxe__JournalEntry entry = PXE__JOURNAL_ENTRY__INIT;
	Pxe__ClientInfo who = PXE__CLIENT_INFO__INIT;
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__ListQuery query = PXE__LIST_QUERY__INIT;
	Pxe__AdminReply *reply = NULL;
	uint8_t packed[256];

	who.client = (ProtobufCBinaryData){7, client};
	who.mac = (ProtobufCBinaryData){6, client + 1};
	entry.kind = PXE__JOURNAL_KIND__JOURNAL_LEASE;
	entry.who = &who;
	entry.ip = (ProtobufCBinaryData){4, ip};
	entry.expires_ms = replica_now_ms(node->replica) + 600000;
	(void)replica_journal_put(
		node->replica, ip, 4, packed, pxe__journal_entry__pack(&entry, packed));
	entry.ip.data = late;
	entry.expires_ms = replica_now_ms(node->replica) - 1; /* has run out: not shown */
	(void)replica_journal_put(
		node->replica, late, 4, packed, pxe__journal_entry__pack(&entry, packed));
	query.kind = PXE__OBJECT_KIND__OBJECT_LEASE;
	request.body_case = PXE__ADMIN_REQUEST__BODY_LIST;
	request.list = &query;
	for (unsigned i = 0; i < 200 && (reply == NULL || reply->objects->n_leases == 0); i++) {
		if (reply != NULL) {
			pxe__admin_reply__free_unpacked(reply, NULL);
		}
		turn(node);
		reply = ask(node, socket, &request);
		assert_int_equal(reply->body_case, PXE__ADMIN_REPLY__BODY_OBJECTS);
	}
	assert_int_equal(reply->objects->n_leases, 1);
	assert_int_equal(reply->objects->unmerged, 1);
	assert_memory_equal(reply->objects->leases[0]->ip.data, ip, 4);
	assert_memory_equal(reply->objects->leases[0]->mac.data, client + 1, 6);
	assert_int_equal(reply->objects->leases[0]->state, PXE__LEASE_STATE__LEASE_BOUND);
	assert_true(reply->objects->now_ms > 0);
	pxe__admin_reply__free_unpacked(reply, NULL);
	zmq_close(socket);
}

static void test_the_status_of_an_isolated_node_says_what_it_may_do(void **state)
{
	struct node *node = *state;
	void *socket = dial_ipc(node);
	Pxe__AdminReply *reply = get_status(node, socket);
	const Pxe__NodeStatus *self = reply->state->nodes[0];

	assert_string_equal(self->state, "isolated");
	assert_true(self->isolated && self->extends_leases);
	assert_int_equal(self->isolated_ms, 252000);
	assert_int_equal(self->reserve_free, 40);
	assert_int_equal(self->journal, 3);
	assert_true(has_warning(reply->state, "no quorum for 4m 12s and goes on alone"));
	assert_true(has_warning(reply->state, "40 own addresses left"));
	assert_true(has_warning(reply->state, "at most 10m each"));
	assert_true(has_warning(reply->state, "3 leases wait to be merged"));
	pxe__admin_reply__free_unpacked(reply, NULL);
	zmq_close(socket);
}

static void test_how_long_unknown_leases_may_run(void **state)
{
	const uint64_t day_ms = 86400000;

	(void)state;
	/* A fresh backup: the longest lease and MCLT. */
	assert_int_equal(daemon_offline_unknown_s(3600, 600, day_ms, day_ms), 4200);
	/* What has passed since counts, */
	assert_int_equal(daemon_offline_unknown_s(3600, 600, day_ms, day_ms + 1000000), 3200);
	/* but never down to less than MCLT, */
	assert_int_equal(daemon_offline_unknown_s(3600, 600, day_ms, 30 * day_ms), 600);
	/* and a clock that went back does not make it longer. */
	assert_int_equal(daemon_offline_unknown_s(3600, 600, day_ms, 0), 4200);
	assert_int_equal(daemon_offline_unknown_s(UINT32_MAX, 600, 0, 0), UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_the_status_says_which_image_has_no_room_where, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_backup_is_whole_and_of_one_moment, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_the_only_voter_does_not_step_down, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_modes_that_would_leave_nobody_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_operators_cannot_change_the_epoch_or_recover_by_hand, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_the_status_of_an_isolated_node_says_what_it_may_do, setup_alone,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_a_removed_node_does_not_claim_to_serve_alone, setup_removed, teardown),
		cmocka_unit_test_setup_teardown(
			test_leases_given_alone_are_listed, setup, teardown),
		cmocka_unit_test(test_how_long_unknown_leases_may_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
