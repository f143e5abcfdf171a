/* store/model/model.h: the state that all nodes agree on, and the only way it changes.
 *
 * Pure: no clock, I/O or randomness. Time enters as the stamp of the batch being applied (cluster
 * time, milliseconds since 1970), so that every node that applies the same log holds byte-identical
 * records. model_apply() is total: each command, however wrong, has a verdict, the same on every
 * node. The model owns its heap memory; running out of it ends the process.
 *
 * The state is a set of records: key bytes -> value bytes. Keys begin with a byte of enum
 * record_kind (record.h), values are the protobuf messages of proto/msg/records.proto. Each change
 * of a record is given to the sink, in order, so the host writes to disk exactly what the model
 * holds; model_load() reads it back; the digest covers exactly these bytes.
 */
#ifndef STORE_MODEL_MODEL_H
#define STORE_MODEL_MODEL_H

#include "proto/msg/command.pb-c.h"
#include "proto/msg/records.pb-c.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_CLIENT_MAX                                                                           \
	32 /* bytes of a client identity: hardware type, then the hardware address */
#define MODEL_NAME_MAX            63 /* bytes of an object's name: letters, digits, '-', '_', '.' */
#define MODEL_LEASES_MAX          200000
#define MODEL_HOSTS_MAX           100000
#define MODEL_MEMBERS_MAX         15
#define MODEL_IMAGE_FILES_MAX     4096
#define MODEL_WINDOW              1024 /* proposals of one node that may be outstanding (ProposerWindow) */
#define MODEL_REQUESTS_MAX        4096 /* operator requests remembered */
#define MODEL_SUBNETS_MAX         1024
#define MODEL_POOLS_MAX           4096
#define MODEL_POOL_ADDRESSES_MAX  (1u << 20) /* addresses of one pool */
#define MODEL_POOLS_ADDRESSES_MAX (1u << 22) /* addresses of all pools together */
#define MODEL_PROFILES_MAX        4096
#define MODEL_IMAGES_MAX          1024
#define MODEL_OPERATORS_MAX       256
#define MODEL_TOKENS_MAX          256
#define MODEL_MACHINES_MAX        10000 /* seen */
/* A boot whose number is not known is the one that claimed so long ago at most. */
#define MODEL_ONCE_SAME_MS 120000
#define MODEL_MAX_SKEW_MS  2000 /* by how much members' clocks may differ [P1] */
#define MODEL_BLOCK_IPS    64   /* addresses of a block's window: a bit of its mask each */
#define MODEL_ROUND_MS     1000 /* a lease's end, as its client was told it, may be so much later */
/* A RELEASE that took longer from its arrival to the log is refused. */
#define MODEL_RELEASE_MS 1000
/* A node remembers for so long what it acknowledged without the log, unless its process ends [R9].
 */
#define MODEL_LIFE_MS 4000
/* An address that was bound rests so long after its last promise [R9]. */
#define MODEL_REST_MS (MODEL_MAX_SKEW_MS + 1000)

struct model;

/* The facts of one lease that the engines need, copied out. ip in host byte order. */
struct lease {
	uint32_t ip;
	Pxe__LeaseState state; /* as stored; ask lease_state_at() for what it is now */
	uint64_t expires_ms, promised_ms, started_ms, since_ms;
	uint64_t released_ms; /* Lease.released_ms: who knows of it extends the lease no more */
	uint8_t client[MODEL_CLIENT_MAX];
	uint8_t client_len;
	char subnet[MODEL_NAME_MAX + 1];
	char hostname[MODEL_NAME_MAX + 1];
};

/* The state at `now_ms`: an OFFER that ran out is FREE, a lease that ran out is in GRACE until
 * promised_ms + MODEL_MAX_SKEW_MS, then FREE [R4]. An OFFER to a client whose lease of the address
 * was in GRACE falls back to that GRACE (since_ms is not 0). */
Pxe__LeaseState lease_state_at(const struct lease *lease, uint64_t now_ms);

/* Receives every record that changes. Bytes are borrowed for the call. */
struct model_sink {
	void *ctx;
	void (*put)(void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value,
		size_t value_bytes);
	void (*remove)(void *ctx, const uint8_t *key, size_t key_bytes);
};

struct model_result {
	Pxe__Verdict verdict;
	struct lease lease; /* OFFER, BIND: the lease as it is now, on VERDICT_OK */
	uint64_t revision;  /* configuration revision after the command */
	uint64_t id;        /* MEMBER_JOIN: the member id given */
	unsigned conflicts; /* MERGE: entries whose address is another client's [R6]: a bug. The
			     * verdict is OK all the same; VERDICT_STALE if every entry was stale */
	char detail[240];   /* for a person: what was wrong and what to do; "" on success, but for
			     * OFFER and BIND that gave less than was due (reservation taken by
			     * another, lease not renewed) */
};

struct model *model_new(void);
void model_free(struct model *model);

/* Load one stored record (any order); -EBADMSG if it is not one of ours. */
int model_load(struct model *model, const uint8_t *key, size_t key_bytes, const uint8_t *value,
	size_t value_bytes);
/* Drop everything (before a snapshot is loaded). */
void model_clear(struct model *model);
/* The records of a new cluster: settings and its first member (id 1). */
void model_bootstrap(struct model *model, const Pxe__Settings *settings, const Pxe__Member *first,
	uint64_t stamp_ms, const struct model_sink *sink);

/* Begin a batch: moves the model's time to stamp_ms (kept as it is if that is lower). */
void model_begin(struct model *model, uint64_t stamp_ms, const struct model_sink *sink);
void model_apply(struct model *model, const Pxe__Command *command, const struct model_sink *sink,
	struct model_result *ret_result);

/* Can the command be packed and read again? What came in a form that only looks like a message (a
 * field whose number is 0) cannot, and must not get into a batch with others. Commands about
 * leases, which nodes make themselves, are taken to be sound. */
bool model_command_is_sound(const Pxe__Command *command);

/* Digest of all records: 32 bytes; equal records, equal digest, whatever their history. Constant
 * time. */
void model_digest(const struct model *model, uint8_t ret_digest[32]);
/* Visit every record as stored, in key order. */
void model_each_record(const struct model *model, const struct model_sink *visitor);

/* Whether a Sweep would find something at now_ms; O(1) but for the few tokens. */
bool model_sweep_due(const struct model *model, uint64_t now_ms);

uint64_t model_stamp_ms(const struct model *model);
uint64_t model_revision(const struct model *model);
size_t model_lease_count(const struct model *model);

/* Lookups. Pointers are borrowed and valid until the next model_apply(), model_begin(),
 * model_load() or model_clear(). NULL or false: none. */
const Pxe__Settings *model_settings(const struct model *model);
const Pxe__Member *model_member(const struct model *model, uint64_t id);
const Pxe__Member *model_member_named(const struct model *model, const char *name);
size_t model_members(
	const struct model *model, const Pxe__Member **ret_members, size_t max); /* ascending id */
const Pxe__Subnet *model_subnet(const struct model *model, const char *name);
/* The subnet that holds this address (giaddr, or our interface's address). */
const Pxe__Subnet *model_subnet_of(const struct model *model, uint32_t ip);
const Pxe__Pool *model_pool(const struct model *model, const char *name);
const Pxe__Host *model_host(const struct model *model, const char *name);
const Pxe__Host *model_host_of_mac(const struct model *model, const uint8_t *mac, size_t mac_bytes);
const Pxe__Host *model_host_of_uuid(const struct model *model, const uint8_t uuid[16]);
const Pxe__Host *model_host_of_ip(const struct model *model, uint32_t ip);
const Pxe__Profile *model_profile(const struct model *model, const char *name);
/* The next boot of a host, armed, claimed or ended; NULL: never armed. */
const Pxe__Once *model_once(const struct model *model, const char *host);
/* Is the claim that of this boot? Without a number ("") of the boot, or of the claim: if it was
 * made a short while ago. */
bool model_once_is_of(const Pxe__Once *once, const char *boot, uint64_t now_ms);
/* Must the boot be claimed before anything is given to it: also one that will not get it any more,
 * for the claim is what makes the record say so. once: NULL is none. */
bool model_once_wants_claim(const Pxe__Once *once, const char *boot, uint64_t now_ms);
/* Does the boot get it: armed, claimed by this boot, or another try? once: NULL is none. */
bool model_once_applies(const Pxe__Once *once, const char *boot, uint64_t now_ms);
/* What was seen of the machine with this hardware address. */
const Pxe__Machine *model_machine_seen(
	const struct model *model, const uint8_t *mac, size_t mac_bytes);
const Pxe__Image *model_image(const struct model *model, const char *name);
const Pxe__ImageVersion *model_image_version(
	const struct model *model, const char *image, const uint8_t digest[32]);
const Pxe__Operator *model_operator_of_key(const struct model *model, const uint8_t key[32]);
const Pxe__RequestOutcome *model_request(const struct model *model, const uint8_t request_id[16]);
bool model_lease_of_ip(const struct model *model, uint32_t ip, struct lease *ret_lease);
/* The client's lease in a subnet, in any stored state; of several (a client that moved) the one
 * granted last. */
bool model_lease_of_client(const struct model *model, const char *subnet, const uint8_t *client,
	size_t client_bytes, struct lease *ret_lease);
/* The address that a reservation gives this client in this subnet; 0: none. */
uint32_t model_reserved_ip(
	const struct model *model, const Pxe__Subnet *subnet, const Pxe__ClientInfo *who);
/* Addresses of a pool that may be given out at all, and how many of them are not free at now_ms
 * (leased, offered, in grace, declined, or reserved for a host; not: in a node's reserve). */
void model_pool_usage(const struct model *model, const Pxe__Pool *pool, uint64_t now_ms,
	uint64_t *ret_size, uint64_t *ret_used);

/* ---- reserves, and what a node may do without the quorum [R1] [R3] [R5] */

/* Visit the blocks of an owner (0: of everybody), by serial; false stops. */
void model_each_block(const struct model *model, uint64_t owner,
	bool (*visit)(void *ctx, const Pxe__Block *block), void *ctx);
/* Has the member a block? One that is free at some time, as its owner was removed by force, is
 * nobody's. */
bool model_has_block(const struct model *model, uint64_t owner);
/* The block of this serial; NULL: none. */
const Pxe__Block *model_block(const struct model *model, uint64_t serial);
/* The block that holds the address; NULL: none. */
const Pxe__Block *model_block_of(const struct model *model, uint32_t ip);
/* Addresses of a subnet that are free and in no block, and those in a member's blocks (owner 0: in
 * all blocks of members). O(blocks and pools of the subnet). */
void model_reserve_usage(const struct model *model, const Pxe__Subnet *subnet, uint64_t owner,
	uint64_t *ret_free, uint64_t *ret_held);
/* How many addresses of the subnet this member should hold: its equal share of the percentage of
 * what is free or held. 0 for a witness, a member that is leaving, and when it is the only member.
 */
uint64_t model_reserve_target(
	const struct model *model, const Pxe__Subnet *subnet, uint64_t member);
/* May this client lease the address, as far as reservations and holds go: fixed to it now, and in
 * every state that some member may still act on [R5]; in no block, and with no record of another
 * machine's lease, ended or not. */
bool model_is_fixed_to(const struct model *model, const Pxe__Subnet *subnet,
	const Pxe__ClientInfo *who, uint32_t ip);
/* Something waits for every member to know it (a hold, a lease given up early): the oldest such
 * stamp; 0: nothing. A Settle above it is due. */
uint64_t model_unsettled_ms(const struct model *model);
uint64_t model_settled_ms(const struct model *model);
uint64_t model_settle_after_ms(const struct model *model);
uint64_t model_unknown_until_ms(const struct model *model);
uint64_t model_merge_conflicts(const struct model *model);
/* MCLT of the cluster, ms. */
uint64_t model_mclt_ms(const struct model *model);
/* The longest lease that some member may have given without the quorum and that is not merged yet:
 * MCLT, or the longer one that it was until lately. */
uint64_t model_mclt_bound_ms(const struct model *model);
uint64_t model_epoch(const struct model *model);

/* Lease time granted when the client asks for asked_s (0: nothing) and gets `ip` (0: not known
 * yet): by the levels of levels.h. */
uint32_t model_lease_time_s(const struct model *model, const Pxe__Subnet *subnet,
	const Pxe__ClientInfo *who, uint32_t ip, uint32_t asked_s);

/* Visit all objects of a kind in name (address) order; stop early when visit returns false.
 * `object` is the Pxe__X of the kind. */
void model_each(const struct model *model, Pxe__ObjectKind kind,
	bool (*visit)(void *ctx, const void *object), void *ctx);

#endif
