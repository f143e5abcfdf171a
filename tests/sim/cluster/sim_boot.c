/* tests/sim/cluster/sim_boot.c: one-shot boots, and the machines that claim them.
 *
 * Operators arm the next boot of a host for one try; every machine that then boots has a number
 * of its own and asks one node, often a second one too, which does not know of the first. However
 * the nodes die and part, no arming is granted to two boots.
 */
#include "tests/sim/cluster/sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define CLAIMS_MAX 256
#define TIMEOUT_MS 4000

/* One boot of one machine. */
struct sim_claim {
	struct sim *sim;
	unsigned host;
	bool used, granted;
	char boot[16];
};

struct sim_boots {
	struct sim_claim claim[CLAIMS_MAX];
	unsigned claims;
	unsigned arms[SIM_HOSTS_TOLD];   /* that were proposed */
	unsigned grants[SIM_HOSTS_TOLD]; /* different boots that were told that they have it */
};

/* Those of a failed run may still be referred to by what it left behind. */
void sim_boot_reset(struct sim *sim)
{
	if (sim->boots == NULL || sim->failure == SIM_OK)
		free(sim->boots);
	sim->boots = calloc(1, sizeof *sim->boots);
	if (sim->boots == NULL)
		abort();
}

static void on_claimed(void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct sim_claim *claim = ctx;
	struct sim *sim = claim->sim;
	struct sim_boots *boots = sim->boots;

	if (outcome != REPLICA_APPLIED || result->verdict != PXE__VERDICT__VERDICT_OK ||
		claim->granted)
		return;
	claim->granted = true;
	boots->grants[claim->host]++;
	sim->counts.boots++;
	sim_trace(sim, SIM_TRACE_OUTCOME, -1, -1, 0, boots->grants[claim->host], claim->boot);
	if (boots->grants[claim->host] > boots->arms[claim->host])
		sim_fail(sim, SIM_TWICE,
			"%s: host%u was armed %u times for one boot each, and %u boots have it",
			claim->boot, claim->host, boots->arms[claim->host],
			boots->grants[claim->host]);
}

static void ignore_outcome(
	void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	(void)ctx;
	(void)outcome;
	(void)result;
}

static void propose(
	struct sim *sim, Pxe__Command *command, replica_done_cb *done, struct sim_claim *claim)
{
	struct sim_node *node = sim_operator_pick(sim);

	if (node == NULL)
		return;
	if (replica_propose(node->replica, command, TIMEOUT_MS, done, claim) == REPLICA_APPLIED)
		sim_node_turn(node);
}

static void claim(struct sim *sim, unsigned host, char *name)
{
	struct sim_boots *boots = sim->boots;
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__BootClaim message = PXE__BOOT_CLAIM__INIT;
	struct sim_claim *one;

	if (boots->claims == CLAIMS_MAX)
		return;
	one = &boots->claim[boots->claims++];
	*one = (struct sim_claim){.sim = sim, .host = host, .used = true};
	snprintf(one->boot, sizeof one->boot, "b%u", boots->claims);
	message.host = name;
	message.boot = one->boot;
	command.op_case = PXE__COMMAND__OP_BOOT_CLAIM;
	command.boot_claim = &message;
	propose(sim, &command, on_claimed, one);
	if (sim_chance(sim, 600)) /* its next file is of another node */
		propose(sim, &command, on_claimed, one);
}

static void arm(struct sim *sim, unsigned host, char *name)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__BootOnce once = PXE__BOOT_ONCE__INIT;
	char profile[] = "local";

	sim->boots->arms[host]++;
	once.host = name;
	once.profile = profile;
	once.tries = 1;
	command.op_case = PXE__COMMAND__OP_BOOT_ONCE;
	command.boot_once = &once;
	sim_operator_command(sim, &command, "boot once");
}

static void end(struct sim *sim, char *name)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__BootEnd message = PXE__BOOT_END__INIT;

	message.host = name;
	message.kind = PXE__BOOT_END_KIND__BOOT_END_OK;
	command.op_case = PXE__COMMAND__OP_BOOT_END;
	command.boot_end = &message;
	propose(sim, &command, ignore_outcome, NULL);
}

/* Some node heard a machine. */
static void see(struct sim *sim)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Seen seen = PXE__SEEN__INIT;
	Pxe__Machine machine = PXE__MACHINE__INIT, *machines[1] = {&machine};
	struct sim_client *client = &sim->client[sim_random(sim, sim->client_count)];

	machine.mac = (ProtobufCBinaryData){.data = client->mac, .len = sizeof client->mac};
	machine.has_arch = sim_chance(sim, 500);
	machine.arch = sim_random(sim, 20);
	seen.machines = machines;
	seen.n_machines = 1;
	command.op_case = PXE__COMMAND__OP_SEEN;
	command.seen = &seen;
	propose(sim, &command, ignore_outcome, NULL);
}

/* An operator arms a host, or its system is up; machines ask for the boot, here and there. */
static void act_on_host(struct sim *sim, unsigned host)
{
	char name[16];
	unsigned claims = 1 + sim_random(sim, 4);

	snprintf(name, sizeof name, "host%u", host);
	if (sim_chance(sim, 600))
		arm(sim, host, name);
	for (unsigned i = 0; i < claims; i++)
		claim(sim, host, name);
	if (sim_chance(sim, 300))
		end(sim, name);
}

void sim_boot_act(struct sim *sim)
{
	see(sim);
	if (sim->host_serial > 0)
		act_on_host(sim, sim_random(sim, sim->host_serial));
}
