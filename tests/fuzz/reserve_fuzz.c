/* A node's reserve next to the cluster's log: grants, merges, returns, crashes, and time that
 * passes.
 *
 * Input: one byte, the length of a journal entry that is loaded first (its bytes follow); then
 * steps of two bytes. Whoever grants it, an address is never told to two clients at a time [P1],
 * and no merge finds a conflict [R6]. */
#include "tests/unit/node/reserve_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct told {
	unsigned client;
	uint64_t until_boot_ms;
};

struct fuzz {
	struct node node;
	struct told told[256];
};

static void tell(struct fuzz *fuzz, unsigned client, uint32_t ip, uint32_t lease_s)
{
	struct told *told = &fuzz->told[ip & 255];
	uint64_t now_ms = fuzz->node.rig.view.boot_ms;

	assert_true(told->client == client || told->until_boot_ms <= now_ms);
	if (told->client != client || told->until_boot_ms < now_ms + lease_s * UINT64_C(1000)) {
		*told = (struct told){client, now_ms + lease_s * UINT64_C(1000)};
	}
}

static void grant(struct fuzz *fuzz, unsigned client, uint32_t ip)
{
	if (node_grant(&fuzz->node, client, ip)) {
		tell(fuzz, client, ip, fuzz->node.grant.lease_s);
	}
}

/* With the quorum. */
static void lease(struct fuzz *fuzz, unsigned client)
{
	struct rig *rig = &fuzz->node.rig;
	struct ask ask = {.type = DHCP4_DISCOVER, .client = client, .xid = client + 1};

	if (!rig_ask(rig, &ask) || rig->reply.type != DHCP4_OFFER) {
		return;
	}
	ask.type = DHCP4_REQUEST;
	ask.requested = rig->reply.header.yiaddr;
	ask.server = RIG_SERVER_IP;
	if (rig_ask(rig, &ask) && rig->reply.type == DHCP4_ACK) {
		tell(fuzz, client, ask.requested, rig_u32(rig, DHCP4_LEASE_SECONDS));
	}
}

/* The log took the proposal; the node dies before it hears of it. */
static void crash(struct fuzz *fuzz, bool after_proposal)
{
	struct node *node = &fuzz->node;
	struct reserve_task task;
	uint8_t packed[65536];

	if (after_proposal) {
		node_writes(node, &task);
		node_sync(node);
		if (node_task(node, &task) == RESERVE_DUTY_PROPOSE) {
			struct model_result result;
			size_t bytes = pxe__command__pack(task.command, packed);
			Pxe__Command *command = pxe__command__unpack(NULL, bytes, packed);

			rig_apply(&node->rig, command, &result);
			assert_int_equal(result.conflicts, 0);
			pxe__command__free_unpacked(command, NULL);
		}
	}
	node_restart(node);
}

static void decline(struct fuzz *fuzz, unsigned client, uint32_t ip)
{
	struct node *node = &fuzz->node;
	struct reserve_view view = node_view(node);
	Pxe__ClientInfo who = who_is(node, client);

	if (reserve_decline(node->reserve, &view, &who, ip, &node->write)) {
		node_write(node, &node->write);
		fuzz->told[ip & 255].until_boot_ms = 0; /* it uses it no more */
	}
}

static void step(struct fuzz *fuzz, uint8_t what, uint8_t how)
{
	struct node *node = &fuzz->node;
	unsigned client = what >> 3;
	uint32_t ip = IP(10, 0, 0, 100) + how % 100;
	struct model_result result;

	switch (what & 7) {
	case 0:
		if (node_offer(node, client, how < 100 ? ip : 0)) {
			grant(fuzz, client, node->grant.ip);
		}
		break;
	case 1: grant(fuzz, client, ip); break;
	case 2: rig_pass(&node->rig, (uint64_t)how * how * (client + 1)); break;
	case 3: crash(fuzz, how & 1); break;
	case 4: node_settle(node); break;
	case 5: lease(fuzz, client); break;
	case 6: decline(fuzz, client, ip); break;
	default: (void)node_try_give(node, 1 + (how & 1), 1 + client, &result); break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz fuzz;
	size_t entry_bytes = size > 0 ? data[0] : 0;

	memset(&fuzz, 0, sizeof fuzz);
	node_init(&fuzz.node);
	rig_host(&fuzz.node.rig, "n07", 7, IP(10, 0, 0, 150), false);
	if (size > entry_bytes) {
		if (entry_bytes > 0) {
			(void)reserve_load(fuzz.node.reserve, data + 1, entry_bytes);
			node_restart(&fuzz.node); /* without it */
		}
		data += 1 + entry_bytes;
		size -= 1 + entry_bytes;
	}
	for (; size >= 2 && fuzz.node.lines < JOURNAL_MAX - 600; size -= 2, data += 2) {
		step(&fuzz, data[0], data[1]);
	}
	node_fini(&fuzz.node);
	return 0;
}
