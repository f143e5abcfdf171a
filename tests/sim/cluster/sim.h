/* tests/sim/cluster/sim.h: whole clusters of real nodes and their clients, in one thread, from one
 * seed.
 *
 * The nodes run the real code: model, Raft core, replica, DHCPv4 engine and service, reserve. The
 * simulator takes the place of the edge: disks (store/kv/kv.h), the nodes' network
 * (store/transport/transport.h), clocks and chance (struct replica_env), and the client segment.
 * All that happens follows from the seed, so a failing seed replays exactly.
 *
 * Time is true time, in microseconds from the start of the run, which nobody in the cluster knows:
 * a node reads its own clocks, which drift, step and start anew. What must never happen is checked
 * in true time.
 *
 *   sim.c           one run: chance, the queue of events, failures
 *   sim_trace.c     what happened: a hash of all of it, the newest events as text
 *   sim_map.c       records in the order of their keys
 *   sim_kv.c        kv.h: a disk that loses what was not durable
 *   sim_net.c       transport.h, and the client segment: loss, repeats, delay, cuts
 *   sim_node.c      a node: process, clocks, turns, restarts
 *   sim_setup.c     a cluster comes to be: bootstrap, joins, subnets, pools, hosts
 *   sim_client.c    DHCP clients
 *   sim_operator.c  what operators do
 *   sim_boot.c      one-shot boots, and the machines that claim them
 *   sim_fault.c     the chaos
 *   sim_mode.c      which chaos in which mode; a run's phases
 *   sim_check.c     what must never happen
 *   scenario*.c     what happens in a scenario: a text of steps and expectations
 *
 * A scenario is written with the same calls as the modes use: sim_reset(), sim_setup(), then
 * sim_run_until() between calls of the "doing things" section, sim_heal(), sim_check_healed().
 */
#ifndef TESTS_SIM_CLUSTER_SIM_H
#define TESTS_SIM_CLUSTER_SIM_H

#include "node/dhcp4/dhcp4_service.h"
#include "store/kv/kv.h"
#include "store/replica/replica.h"
#include "store/transport/transport.h"
#include "tests/sim/cluster/sim_map.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_NODES_MAX             14 /* members, also former ones, of one run */
#define SIM_CLIENTS_MAX           256
#define SIM_SUBNETS_MAX           3
#define SIM_SIDES                 4 /* places of the client segment that can be cut off from nodes */
#define SIM_SUBNET_IPS            1024 /* each subnet is 10.N.0.0/22, N from 1 */
#define SIM_HOLDERS               4
#define SIM_HOST_MACS             2
#define SIM_HOST_IDS              (3 * SIM_HOST_MACS) /* each stage of a boot has its own */
#define SIM_HOST_IPS              2
#define SIM_HOSTS_TOLD            64  /* hosts of one run */
#define SIM_SECOND_POOL           400 /* pools begin at host 10 and at 10 + this */
#define SIM_FIXED_FIRST           850 /* reservations outside of the pools */
#define SIM_TRACE_KEPT            60  /* lines printed of a failure */
#define SIM_TRACE_RING            4096
#define SIM_MS                    1000u    /* microseconds */
#define SIM_S                     1000000u /* microseconds */
#define SIM_CLIENT_IDENTITY_BYTES 7

/* Which of the promises was broken. */
enum sim_failure {
	SIM_OK,
	SIM_DUPLICATE,  /* two clients hold one address [P1] */
	SIM_LOST_LEASE, /* acknowledged with the quorum, and not known any more [P2] */
	SIM_SHORTENED,  /* `promised` is below what a client was told */
	SIM_BAD_NAK,    /* without the quorum, or for an address that its client holds [P4] */
	SIM_DIFFERENCE, /* the nodes' states differ */
	SIM_CONFLICT,   /* a merge found the address to be another client's [R6] */
	SIM_NO_ANSWER,  /* a client waits although a node could answer [P3] */
	SIM_STUCK,      /* no leader, no progress, a journal that is not merged */
	SIM_TWICE,      /* an operator's request was applied twice, or its outcomes differ */
	SIM_ALARM,      /* a node raised an alarm that says that a promise is broken */
	SIM_CONTRACT,   /* a node did what its interfaces forbid, or could not start */
	SIM_UNEXPECTED, /* a scenario says what was to happen */
	SIM_FAILURES,
};

/* Everything about a run but its chaos. Chosen by sim_mode_options(), or by a scenario. */
struct sim_options {
	uint64_t seed;
	unsigned mode;
	bool verbose;
	unsigned nodes, witnesses; /* witnesses besides the nodes */
	unsigned clients, subnets, hosts;
	bool shared_link;   /* all subnets are on one link */
	unsigned pool_size; /* addresses of each subnet's pool */
	uint32_t lease_s, mclt_s, offer_s, decline_s, reserve_percent;
	uint64_t chaos_us;
	uint64_t heal_us;   /* within which all must be well after the end of the chaos */
	bool check_answers; /* the chaos leaves the conditions of [P3] clear */
};

/* How often what happens: weights of one draw of the chaos, and permille. */
struct sim_chaos {
	unsigned gap_ms; /* mean time between two draws */
	bool is_slow;    /* so long that leases run out while nodes are apart */
	unsigned crash, power, blackout, pause, stop; /* of nodes; blackout: all of them */
	unsigned partition, oneway, segment, heal;    /* of links; segment: of the clients' side */
	unsigned flap;    /* links heal, and one node is cut off again while it settles */
	unsigned recover; /* all but one node are destroyed, and that one goes on alone */
	unsigned clock_step, clock_back, drift_ppm, reboot_permille;
	unsigned disk_slow, disk_fail, disk_short;
	unsigned wipe, remove, demote, drain, step_down;
	unsigned host, pool, free_lease, settings;
	unsigned client_move, client_off, crowd, release, decline, reboot_client;
	unsigned peer_loss_permille, peer_repeat_permille, peer_delay_ms;
	unsigned segment_loss_permille, segment_repeat_permille, segment_delay_ms;
};

/* ---- disk and network of a node */

struct kv;
struct transport;

/* What survives. */
struct sim_disk {
	struct sim_map state, meta, journal;
	struct sim_log_entry {
		uint64_t index, term;
		uint32_t type;
		uint8_t *payload;
		size_t payload_bytes;
	} * log; /* without holes */
	size_t log_count, log_capacity;
};

/* ---- nodes */

struct sim_node {
	struct sim *sim;
	unsigned at;
	uint64_t id;            /* member id; 0: the slot was never used */
	bool up, witness, gone; /* gone: off for ever */
	unsigned ticks;
	bool leaving;      /* an operator has removed it */
	bool power_cycled; /* CLOCK_BOOTTIME starts anew at the next start */
	uint32_t life;     /* of the process: what was meant for an earlier one is dropped */
	bool turn_due;
	uint64_t paused_until_us;
	char name[16];
	uint8_t key[32], serve_ip[4];
	int64_t boot_zero_us; /* when CLOCK_BOOTTIME was 0 */
	int64_t drift_ppm;
	int64_t wall_offset_ms;
	bool wall_synchronised;
	unsigned disk_us; /* typical time of a sync */
	bool disk_short;  /* nearly full */
	bool disk_fail;   /* the next write ends the process */
	uint64_t up_since_us;
	uint64_t answerable_us; /* since when it could answer any client; 0: not */
	struct sim_disk disk;
	struct kv *kv;
	struct transport *transport;
	struct replica *replica;
	struct dhcp4_service *service; /* NULL: a witness */
	struct replica_env env;
	Pxe__Member *seed[SIM_NODES_MAX]; /* what the join reply named */
	unsigned seed_count;
	uint64_t seed_epoch;
};

/* ---- clients */

enum sim_client_state {
	SIM_CLIENT_OFF,
	SIM_CLIENT_WAIT, /* before it asks (again) */
	SIM_CLIENT_DISCOVER,
	SIM_CLIENT_REQUEST,
	SIM_CLIENT_REBOOT, /* asks for the address that it remembers */
	SIM_CLIENT_BOUND,
	SIM_CLIENT_RENEW,
	SIM_CLIENT_REBIND,
};

struct sim_client {
	unsigned at, subnet, side, machine; /* machine: clients of one machine have one number */
	enum sim_client_state state;
	uint8_t mac[6];
	bool relayed, fresh_xid; /* fresh_xid: a new one for each transmission */
	bool strays;             /* ignores servers, declines, goes without release: now and then */
	bool prompt;             /* what it sends is not very late */
	bool scripted;           /* does what a scenario says, and nothing else */
	uint32_t deaf_nodes;     /* bits: these do not hear it */
	uint32_t xid;
	uint32_t timer; /* number of the one that counts */
	uint32_t ip, offered_ip;
	uint64_t asked_us; /* when what the xid stands for was first sent */
	uint64_t began_us; /* since when it has been asking; 0: it does not */
	uint64_t heard_us; /* since when a node that could answer hears it; 0: none does */
	uint64_t expires_us, t1_us, t2_us;
	unsigned tries, boots; /* boots: further DISCOVERs of the same machine */
};

/* Who holds an address, by the ACKs that clients received. */
struct sim_holding {
	uint16_t client; /* + 1; 0: none */
	uint64_t until_us;
};

/* What was told about an address, by the ACKs that left. */
struct sim_told {
	uint16_t client; /* + 1 */
	uint8_t node;    /* that told it */
	bool quorum;     /* the state holds it */
	uint64_t at_us;
	uint64_t until_us;
};

struct sim_address {
	struct sim_holding holding[SIM_HOLDERS];
	struct sim_told told;
	uint64_t hosts; /* bits: these had it as a reservation */
	bool touched;   /* an operator took it out of a pool, or gave it to another machine; or a
			   client declined it: its client may be refused it */
};

struct sim_counts {
	uint64_t events, turns, messages, packets, replies, offers, acks, isolated_acks, naks;
	uint64_t crashes, restarts, partitions, operations, boots, merges, elections;
	uint64_t wait_us_sum, wait_us_max, waits;
	uint64_t heal_us_sum, heal_us_max;
};

struct sim_event;

struct sim {
	struct sim_options options;
	struct sim_chaos chaos;
	struct sim_counts counts;
	uint64_t random_state[4];
	uint64_t now_us;
	struct sim_event *event; /* a heap */
	size_t event_count, event_capacity;
	uint64_t event_number;
	uint64_t epoch_ms; /* wall time of the start of the run */
	bool chaotic;      /* the chaos goes on */
	bool calm_links;   /* no loss, short delays: while the cluster is made */

	struct sim_node node[SIM_NODES_MAX];
	unsigned node_count;
	bool cut[SIM_NODES_MAX][SIM_NODES_MAX];  /* from, to */
	bool up_cut[SIM_SIDES][SIM_NODES_MAX];   /* clients of a side are not heard by a node */
	bool down_cut[SIM_SIDES][SIM_NODES_MAX]; /* and do not hear it */

	struct sim_client client[SIM_CLIENTS_MAX];
	unsigned client_count;
	struct sim_address *address; /* SIM_SUBNETS_MAX * SIM_SUBNET_IPS */
	struct sim_operation *operation;
	struct sim_boots *boots;
	unsigned operations_open, operation_number;
	unsigned host_serial, pool_serial, token_serial;
	unsigned joins_due;   /* members that were lost and are to be replaced */
	bool pools_changed;   /* so nobody knows whether there is room for all */
	bool recovered;       /* one node went on alone */
	uint32_t lease_max_s; /* the longest lease time of the run */
	uint64_t healed_us;   /* when the chaos ended */

	uint64_t trace_hash;
	struct sim_trace *trace; /* a ring of SIM_TRACE_RING */
	uint64_t trace_count;
	void *arena; /* for unpacked messages */
	size_t arena_used;

	struct scenario *scenario; /* that the scripted clients belong to */

	void *in_hand; /* data of the event being handled */
	jmp_buf on_failure;
	bool can_fail;      /* on_failure is set */
	uint32_t failed_ip; /* what the failure is about; 0: no address */
	int failed_client;  /* -1: none */
	enum sim_failure failure;
	char message[512];
};

/* ---- sim.c: a run */
struct sim *sim_new(void);
void sim_free(struct sim *sim);
/* One seed of one mode, from nothing to the end. The message of a failure is in sim->message. */
enum sim_failure sim_run(struct sim *sim, unsigned mode, uint64_t seed, bool verbose);
const char *sim_failure_name(enum sim_failure failure);
/* Forget the run before; chance begins at options->seed. */
void sim_reset(struct sim *sim, const struct sim_options *options);
/* Everything that is due up to this time happens. */
void sim_run_until(struct sim *sim, uint64_t until_us);
/* The same, until the condition holds: false if the time came first. Looked at every few ms. */
bool sim_run_while(
	struct sim *sim, uint64_t until_us, bool (*goes_on)(struct sim *sim, void *ctx), void *ctx);
uint64_t sim_random64(struct sim *sim);
unsigned sim_random(struct sim *sim, unsigned bound); /* below bound; 0 for 0 */
/* Between `low` and `high`, both included. */
unsigned sim_between(struct sim *sim, unsigned low, unsigned high);
bool sim_chance(struct sim *sim, unsigned permille);
/* Breaks the run off; returns to sim_run(), or ends the process when a scenario runs by itself. */
_Noreturn void sim_fail(struct sim *sim, enum sim_failure failure, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Events, for the simulator's own files. */
enum sim_event_kind {
	SIM_EVENT_TICK,    /* of a node's replica */
	SIM_EVENT_SERVICE, /* tick of its service */
	SIM_EVENT_TURN,    /* the end of a node's turn */
	SIM_EVENT_DISK,    /* a sync of its disk ends */
	SIM_EVENT_LINGER,  /* unhurried writes have waited for long enough */
	SIM_EVENT_MESSAGE, /* from a node to a node; data: struct sim_bytes */
	SIM_EVENT_PACKET,  /* from a client to a node; data */
	/* Those above wait while the node's process is stopped. */
	SIM_EVENT_REPLY,  /* from a node to a client; data */
	SIM_EVENT_CLIENT, /* a client's timer */
	SIM_EVENT_START,  /* a node's process */
	SIM_EVENT_CHAOS,
	SIM_EVENT_CHECK,
	SIM_EVENT_CROWD, /* a client is switched on */
	SIM_EVENT_OPERATION,
	SIM_EVENT_RECUT, /* a link breaks again */
};
struct sim_event {
	uint64_t at_us, number;
	enum sim_event_kind kind;
	uint32_t life; /* of the node's process, or number of the client's timer */
	uint16_t node, client;
	void *data; /* malloc'ed, or NULL */
};
struct sim_bytes {
	uint64_t from;
	uint64_t arrives_us; /* when it comes to the node's socket */
	bool queued;         /* it waited there for a process that was stopped */
	bool unicast;
	uint32_t source_ip;
	size_t count;
	uint8_t byte[];
};
/* Data is taken over. */
void sim_post(struct sim *sim, uint64_t after_us, const struct sim_event *event);

/* ---- sim_trace.c */
enum sim_trace_kind {
	SIM_TRACE_START,
	SIM_TRACE_CRASH,
	SIM_TRACE_PAUSE,
	SIM_TRACE_CLOCK,
	SIM_TRACE_CUT,
	SIM_TRACE_HEAL,
	SIM_TRACE_DISK,
	SIM_TRACE_LEADER,
	SIM_TRACE_ALARM,
	SIM_TRACE_OPERATION,
	SIM_TRACE_OUTCOME,
	SIM_TRACE_ASK,
	SIM_TRACE_OFFER,
	SIM_TRACE_ACK,
	SIM_TRACE_NAK,
	SIM_TRACE_BOUND,
	SIM_TRACE_CLIENT,
	SIM_TRACE_PHASE,
};
struct sim_trace {
	uint64_t at_us;
	enum sim_trace_kind kind;
	int node, client; /* -1: none */
	uint32_t ip;
	uint64_t a;
	char text[120];
};
/* text: constant or short, copied. */
void sim_trace(struct sim *sim, enum sim_trace_kind kind, int node, int client, uint32_t ip,
	uint64_t a, const char *text);
void sim_trace_reset(struct sim *sim);
/* Only into the hash. */
void sim_trace_mix(struct sim *sim, uint64_t value);
/* The newest events, those that concern the address or client first named in the failure. */
void sim_trace_print(const struct sim *sim);

/* ---- sim_kv.c */
void sim_disk_clear(struct sim_disk *disk);
void sim_kv_on_sync(struct kv *kv);   /* SIM_EVENT_DISK */
void sim_kv_on_linger(struct kv *kv); /* SIM_EVENT_LINGER */
/* The process dies: what was in flight is there wholly or not at all, and nothing comes after it.
 */
void sim_kv_crash(struct kv *kv);
void sim_kv_free(struct kv *kv); /* after that */

/* ---- sim_net.c */
void sim_net_on_message(struct sim *sim, struct sim_node *node, const struct sim_bytes *bytes);
/* A client's packet, to all nodes that hear it; only: position of the one node, or -1. */
void sim_net_broadcast(struct sim *sim, const struct sim_client *client, const uint8_t *packet,
	size_t count, int only, uint32_t source_ip);
void sim_net_reply(struct sim *sim, struct sim_node *node, const struct dhcp4_reply *reply);
bool sim_net_hears(
	const struct sim *sim, const struct sim_client *client, const struct sim_node *node);
/* The longest time that a packet may be under way on the client segment, us; prompt: of a client
 * that is. */
uint64_t sim_net_segment_max_us(const struct sim *sim, bool prompt);

/* ---- sim_node.c: doing things to nodes */
/* A new slot: id and key follow. */
struct sim_node *sim_node_new(struct sim *sim, uint64_t id, bool witness);
void sim_node_fill_member(const struct sim_node *node, Pxe__Member *ret_member,
	char ret_address[3][32]); /* strings are borrowed */
/* bootstrap: at its first start only. */
void sim_node_start(struct sim_node *node, const struct replica_bootstrap *bootstrap);
/* power: the machine too, so CLOCK_BOOTTIME starts anew. restart_us 0: it stays down. */
void sim_node_crash(struct sim_node *node, bool power, uint64_t restart_us, const char *why);
/* In order, as by systemctl stop. */
void sim_node_stop(struct sim_node *node, uint64_t restart_us);
void sim_node_pause(struct sim_node *node, uint64_t for_us);
/* Its disk and member are lost for ever. */
void sim_node_destroy(struct sim_node *node);
void sim_node_on_event(struct sim_node *node, const struct sim_event *event);
/* To be called by all that gives a node something to do. */
void sim_node_turn(struct sim_node *node);
struct sim_node *sim_node_of_id(struct sim *sim, uint64_t id);
/* That the others follow; NULL: none. */
struct sim_node *sim_node_leader(struct sim *sim);
bool sim_node_runs(const struct sim_node *node); /* up and not paused */
void sim_node_set_wall(struct sim_node *node, int64_t offset_ms, bool synchronised);
/* Free everything. */
void sim_node_forget(struct sim_node *node);
/* After a failure inside a node's code: what its processes held is lost. */
void sim_node_abandon(struct sim *sim);

/* ---- links and places */
void sim_link_cut(struct sim *sim, unsigned from, unsigned to, bool cut);
/* Nodes (bits) on one side, the others on the other; `oneway`: only from the first to the second.
 */
void sim_partition(struct sim *sim, uint32_t nodes, bool peers, bool segment, bool oneway);
void sim_heal_links(struct sim *sim);

/* ---- sim_setup.c */
/* A cluster as the options say: all nodes vote, subnets, pools and hosts are there. Takes some
 * seconds of simulated time on perfect links. */
void sim_setup(struct sim *sim);
/* Propose at a node that runs and wait; fails the run if it is not taken in time. */
void sim_must(struct sim *sim, struct sim_node *node, Pxe__Command *command,
	struct model_result *ret_result);
/* A new member joins through `sponsor`, by a token. NULL: not taken within a few seconds. */
struct sim_node *sim_join(struct sim *sim, struct sim_node *sponsor, bool witness);
/* Objects to be put; the strings and bytes are their own: not to be copied. */
struct sim_pool {
	Pxe__Put put;
	Pxe__Pool pool;
	char name[16], subnet[16];
	uint8_t first_ip[4], last_ip[4];
	unsigned first, last;
};
struct sim_host {
	Pxe__Put put;
	Pxe__Host host;
	char name[16];
	ProtobufCBinaryData macs[SIM_HOST_MACS], client_ids[SIM_HOST_IDS], more_ip[1];
	uint8_t ip[SIM_HOST_IPS][4], client_id[SIM_HOST_IDS][SIM_CLIENT_IDENTITY_BYTES];
};
/* part 0: the pool; 1: a second one of half its size. */
void sim_pool_fill(
	const struct sim *sim, unsigned subnet, unsigned part, struct sim_pool *ret_pool);
/* ip 0: no reservation. */
void sim_host_fill(struct sim *sim, unsigned host, const unsigned *clients, size_t client_count,
	uint32_t ip, struct sim_host *ret_host);
/* It is recognised by the client identifiers of its clients instead of their hardware addresses. */
void sim_host_fill_ids(struct sim *sim, const unsigned *clients, struct sim_host *host);
/* One more reserved address. */
void sim_host_fill_more_ip(struct sim *sim, unsigned host, uint32_t ip, struct sim_host *ret_host);
struct sim_subnet {
	Pxe__Put put;
	Pxe__Subnet subnet;
	char name[16], link[16];
	uint8_t network[4];
};
void sim_subnet_fill(
	const struct sim *sim, unsigned at, bool shared, struct sim_subnet *ret_subnet);
uint32_t sim_ip(const struct sim *sim, unsigned subnet, unsigned host);
struct sim_address *sim_address(struct sim *sim, uint32_t ip); /* NULL: of no subnet */

/* ---- sim_client.c */
struct sim_client *sim_client_new(struct sim *sim, unsigned subnet);
void sim_client_on(struct sim *sim, struct sim_client *client, uint64_t after_us);
/* Without a word: it forgets everything, or all but its address. */
void sim_client_off(struct sim *sim, struct sim_client *client);
void sim_client_release(struct sim *sim, struct sim_client *client);
void sim_client_move(struct sim *sim, struct sim_client *client, unsigned side);
void sim_client_on_timer(struct sim *sim, struct sim_client *client, uint32_t timer);
void sim_client_on_reply(struct sim *sim, struct sim_client *client, struct sim_node *node,
	const struct sim_bytes *bytes);
/* One message of a scripted client; its xid, state and addresses are the caller's. only: unicast to
 * this node; -1: broadcast. */
struct sim_saying {
	enum dhcp4_type type;
	uint32_t requested, server, ciaddr;
	int only;
};
void sim_client_say(struct sim *sim, struct sim_client *client, const struct sim_saying *saying);
/* A node sends it an answer. */
void sim_client_on_sent(struct sim *sim, struct sim_client *client, struct sim_node *node,
	const struct dhcp4_reply *reply);
bool sim_client_is_bound(const struct sim *sim, const struct sim_client *client);

/* ---- sim_operator.c */
void sim_operator_act(struct sim *sim);      /* one draw */
void sim_operator_settings(struct sim *sim); /* other times, another part in reserve */
void sim_operator_on_event(struct sim *sim, const struct sim_event *event);
void sim_operator_reset(struct sim *sim);
void sim_operator_remove(struct sim *sim, struct sim_node *node, bool force);
void sim_operator_member(struct sim *sim, struct sim_node *node, Pxe__MemberMode mode);
/* Some node that runs; NULL: none. */
struct sim_node *sim_operator_pick(struct sim *sim);
/* The command is copied. */
void sim_operator_command(struct sim *sim, Pxe__Command *command, const char *name);

/* ---- sim_boot.c */
void sim_boot_act(struct sim *sim); /* one draw */
void sim_boot_reset(struct sim *sim);

/* ---- sim_fault.c */
void sim_fault_draw(struct sim *sim);  /* SIM_EVENT_CHAOS */
void sim_fault_recut(struct sim *sim); /* SIM_EVENT_RECUT */
/* The end of the chaos: links heal, nodes come back, clocks are set, disks have room. */
void sim_heal(struct sim *sim);

/* ---- sim_mode.c */
unsigned sim_mode_count(void);
const char *sim_mode_name(unsigned mode);
/* sim_mode_count(): none. */
unsigned sim_mode_named(const char *name);
void sim_mode_options(
	struct sim *sim, unsigned mode, uint64_t seed, struct sim_options *ret_options);
/* Which chaos; after sim_reset(). */
void sim_mode_chaos(struct sim *sim, unsigned mode);
void sim_mode_run(struct sim *sim);

/* ---- scenario.c */
struct scenario;
/* Runs a file of steps and expectations; seed 0: its own. The message of a failure is in
 * sim->message. */
enum sim_failure scenario_run(struct sim *sim, const char *path, uint64_t seed, bool verbose);
/* The client's message had no answer for a while. */
void scenario_on_timer(struct sim *sim, struct sim_client *client);
void scenario_on_reply(struct sim *sim, struct sim_client *client, struct sim_node *node,
	const struct dhcp4_message *message);

/* ---- sim_check.c */
void sim_check_reset(struct sim *sim);
/* An ACK or NAK leaves a node. awaited: it answers what the client asked last. */
void sim_check_told(struct sim *sim, struct sim_node *node, struct sim_client *client, uint32_t ip,
	uint32_t lease_s, bool awaited);
void sim_check_nak(struct sim *sim, struct sim_node *node, struct sim_client *client, uint32_t ip);
/* The client received an ACK of what it asked for at asked_us. */
void sim_check_held(struct sim *sim, struct sim_client *client, uint32_t ip, uint64_t until_us);
/* The client gives the address up. */
void sim_check_given_up(struct sim *sim, struct sim_client *client, uint32_t ip);
bool sim_check_holds(const struct sim *sim, const struct sim_client *client, uint32_t ip);
void sim_check_alarm(struct sim *sim, struct sim_node *node, const char *text);
/* Now and then: promises, answers. */
void sim_check_now(struct sim *sim);
/* After sim_heal(): runs on until all is well, or fails. */
void sim_check_healed(struct sim *sim);

#endif
