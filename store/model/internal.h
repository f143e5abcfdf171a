/* store/model/internal.h: what the files of the model share: the state itself, the command being
 * applied, small facts. Pure. */
#ifndef STORE_MODEL_INTERNAL_H
#define STORE_MODEL_INTERNAL_H

#include "proto/msg/msg_ip4.h"
#include "store/model/digest.h"
#include "store/model/lease_table.h"
#include "store/model/machine_map.h"
#include "store/model/model.h"
#include "store/model/pool_map.h"
#include "store/model/record.h"
#include "store/model/reserve_map.h"
#include "store/model/shelf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTERNAL_KINDS       128  /* kinds are ASCII letters */
#define INTERNAL_LEASE_S     3600 /* what settings of 0 mean */
#define INTERNAL_LEASE_MIN_S 60
#define INTERNAL_MCLT_S      600
#define INTERNAL_OFFER_S     60
#define INTERNAL_DECLINE_S   600

/* The digest covers every record; pools are derived. Records of leases are in `leases`, all others
 * on the shelf of their kind. */
struct model {
	struct shelf shelf[INTERNAL_KINDS];
	struct lease_table leases;
	struct pool_map pools;
	struct reserve_map reserves;
	struct machine_map machines;
	struct digest digest;
	/* What the Clock record holds. */
	uint64_t stamp_ms, revision, serial, settled_ms, settle_after_ms, unknown_until_ms;
	uint64_t merge_conflicts, kept_ms, mclt_was_ms;
	uint32_t mclt_was_s;
	/* Remembered requests: the one with `number` is at request_ring[number %
	 * MODEL_REQUESTS_MAX]. */
	const Pxe__RequestOutcome *request_ring[MODEL_REQUESTS_MAX];
	uint64_t request_next; /* number of the next one */
	uint8_t *packed;       /* scratch for packing */
	size_t packed_capacity;
};

/* One command being applied. */
struct apply {
	struct model *model;
	const struct model_sink *sink;
	const Pxe__Command *command;
	struct model_result *result;
	uint64_t now_ms;
};

/* Write result->detail and return the verdict. Text from outside may be printed only after it was
 * checked. */
Pxe__Verdict internal_refuse(struct apply *a, Pxe__Verdict verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static inline uint64_t internal_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t internal_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* a + b, at most UINT64_MAX. */
uint64_t internal_after(uint64_t a, uint64_t b);
bool internal_same_bytes(ProtobufCBinaryData a, ProtobufCBinaryData b);
void internal_subnet_range(const Pxe__Subnet *subnet, uint32_t *ret_first, uint32_t *ret_last);
/* Addresses that no client gets from a pool: network and broadcast address, gateway, the cluster's
 * and its members' own, and .0 and .255 inside a subnet larger than a /24 (FIELD 20, 45c). */
bool internal_never_leased(const struct model *model, const Pxe__Subnet *subnet, uint32_t ip);
/* Of these, the ones that a reservation cannot have either; says whose it is in static text, NULL:
 * nobody's. */
const char *internal_ip_of_cluster(
	const struct model *model, const Pxe__Subnet *subnet, uint32_t ip);
/* The record of the reservation of this address, NULL: none. */
const struct shelf_record *internal_reservation(const struct model *model, uint32_t ip);

/* The host that an index record of this kind names; NULL: none. */
const Pxe__Host *internal_host_by(
	const struct model *model, enum record_kind kind, ProtobufCBinaryData identity);
/* The addresses that a host reserves, `ip` first: how many places, and each; some may be empty. */
static inline size_t internal_host_ips(const Pxe__Host *host)
{
	return 1 + host->n_more_ip;
}

static inline ProtobufCBinaryData internal_host_ip(const Pxe__Host *host, size_t index)
{
	return index == 0 ? host->ip : host->more_ip[index - 1];
}

/* The address that the host reserves between first and last; 0: none. */
uint32_t internal_host_ip_in(const Pxe__Host *host, uint32_t first, uint32_t last);

/* levels.c. May a machine lease from the pool, as far as its groups go? */
bool internal_pool_admits(const struct model *model, const Pxe__Subnet *subnet,
	const Pxe__ClientInfo *who, const Pxe__Pool *pool);
/* The host that the machine of a lease is declared as; NULL: none. */
const Pxe__Host *internal_machine_of_lease(
	const struct model *model, const struct lease_record *record);
/* What says that the machine is never answered: "host" or "group", and its name; NULL: nothing. */
const char *internal_ignored_by(const struct model *model, const Pxe__Subnet *subnet,
	const Pxe__ClientInfo *who, const Pxe__Host *host, const char **ret_name);
bool internal_pool_excludes(const Pxe__Pool *pool, uint32_t ip);

void internal_lease_copy(const struct lease_record *record, struct lease *ret_lease);
/* The client's lease of a subnet that was granted last, declined ones left out; NULL: none. */
struct lease_record *internal_lease_of_client(
	const struct model *model, const char *subnet, const uint8_t *client, size_t client_bytes);

/* The lease is this client's, or that of the machine that the client belongs to by a host's
 * hardware addresses. */
bool internal_lease_is_of(
	const struct model *model, const struct lease_record *record, const Pxe__ClientInfo *who);
/* Whether a client may get an address, as far as its holds go: every machine that it was fixed to
 * lately is this one. */
bool internal_hold_admits(const struct model *model, uint32_t ip, const Pxe__ClientInfo *who);
/* From then on a member that was switched off before now_ms has no lease of its own running. */
uint64_t internal_off_at_ms(const struct model *model, uint64_t now_ms);
/* How long a declined address rests. */
uint64_t internal_quarantine_ms(const struct model *model);

/* The commands, by file. Each returns the verdict; on a refusal nothing has changed. */
Pxe__Verdict apply_lease_offer(struct apply *a, const Pxe__Offer *offer);
Pxe__Verdict apply_lease_bind(struct apply *a, const Pxe__Bind *bind);
Pxe__Verdict apply_lease_release(struct apply *a, const Pxe__Release *release);
Pxe__Verdict apply_lease_decline(struct apply *a, const Pxe__Decline *decline);
Pxe__Verdict apply_lease_import(struct apply *a, const Pxe__LeaseImport *import);
Pxe__Verdict apply_lease_sweep(struct apply *a, const Pxe__Sweep *sweep);
Pxe__Verdict apply_put(struct apply *a, const Pxe__Put *put);
Pxe__Verdict apply_delete(struct apply *a, const Pxe__Delete *remove);
Pxe__Verdict apply_image_stage(struct apply *a, const Pxe__ImageStage *stage);
Pxe__Verdict apply_image_held(struct apply *a, const Pxe__ImageHeld *held);
Pxe__Verdict apply_image_publish(struct apply *a, const Pxe__ImagePublish *publish);
Pxe__Verdict apply_image_tag(struct apply *a, const Pxe__ImageTag *tag);
/* A member came, left, or is leaving: drop it from the holders if it is gone, and publish what all
 * others hold. */
void apply_image_on_members(struct apply *a, uint64_t gone);
/* image_keep.c. Who names this version itself, besides the image: "profile" or "the boot of host",
 * and its name; NULL: nobody. */
const char *internal_image_user(const struct model *model, const Pxe__Image *image,
	ProtobufCBinaryData digest, const char **ret_name);
bool internal_image_is_kept(
	const struct model *model, const Pxe__Image *image, ProtobufCBinaryData digest);
/* The next boot of a host, once. */
Pxe__Verdict apply_boot_once(struct apply *a, const Pxe__BootOnce *once);
Pxe__Verdict apply_boot_cancel(struct apply *a, const Pxe__BootCancel *cancel);
/* CONFLICT: not this boot's. The one refusal that may change the record: what came back too often
 * has failed. */
Pxe__Verdict apply_boot_claim(struct apply *a, const Pxe__BootClaim *claim);
Pxe__Verdict apply_boot_end(struct apply *a, const Pxe__BootEnd *end);
/* Is the profile that of a boot that is armed or under way? */
bool apply_boot_uses(const struct model *model, const char *profile, const char **ret_host);
/* The cluster goes on from an older state: what was armed may have booted since, and does not once
 * more. */
void apply_boot_on_recover(struct apply *a);
Pxe__Verdict apply_seen(struct apply *a, const Pxe__Seen *seen);
/* machine_map.c. By hardware address or UUID. */
bool internal_machine_is_declared(const struct model *model, const Pxe__Machine *machine);
Pxe__Verdict apply_member_join(struct apply *a, const Pxe__MemberJoin *join);
Pxe__Verdict apply_member_update(struct apply *a, const Pxe__MemberUpdate *update);
Pxe__Verdict apply_member_remove(struct apply *a, const Pxe__MemberRemove *remove);
Pxe__Verdict apply_member_gone(struct apply *a, const Pxe__MemberGone *gone);
Pxe__Verdict apply_member_set(struct apply *a, const Pxe__MemberSet *set);
Pxe__Verdict apply_recover(struct apply *a, const Pxe__Recover *recover);
Pxe__Verdict apply_reserve_give(struct apply *a, const Pxe__ReserveGive *give);
Pxe__Verdict apply_reserve_return(struct apply *a, const Pxe__ReserveReturn *given);
/* Take addresses out of a block. */
void apply_reserve_clear(struct apply *a, const Pxe__Block *block, uint64_t mask);
/* The owner was removed by force: its blocks are free from free_at_ms on. */
void apply_reserve_orphan(struct apply *a, uint64_t owner, uint64_t free_at_ms);
/* Remove all blocks, whoever owns them. */
void apply_reserve_drop_all(struct apply *a);
/* Remove blocks whose time has come, at most `max`; returns how many. */
uint32_t apply_reserve_sweep(struct apply *a, uint32_t max);
bool apply_reserve_sweep_due(const struct model *model, uint64_t now_ms);
Pxe__Verdict apply_merge(struct apply *a, const Pxe__Merge *merge);
Pxe__Verdict apply_settle(struct apply *a, const Pxe__Settle *settle);
/* The address stops being fixed to the host's machine as it is declared now; NULL: to nobody. */
void apply_settle_hold(struct apply *a, ProtobufCBinaryData ip, const Pxe__Host *host);
/* Make room for one more lease if what ended long ago can go; false: the table is full. */
bool apply_lease_make_room(struct apply *a);
/* The address goes into quarantine; a promise to the client that had it stands [P1]. */
struct lease_record *apply_lease_quarantine(
	struct apply *a, uint32_t ip, const char *subnet, const struct lease_record *old);

/* dedup.c. Whether this (origin, incarnation, seq) was applied before, or can no longer be told; if
 * not, remember it. */
bool dedup_is_repeat(struct apply *a);
/* If the command's request was answered before, give that answer in a->result. */
bool dedup_answer(struct apply *a);
/* Remember the answer in a->result under the command's request_id. */
void dedup_remember(struct apply *a);

#endif
