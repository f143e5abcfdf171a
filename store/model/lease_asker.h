/* store/model/lease_asker.h: a client that asks for an address, and what is its own. Pure.
 *
 * Within one command: borrowed from the model and the command, valid until the model changes.
 */
#ifndef STORE_MODEL_LEASE_ASKER_H
#define STORE_MODEL_LEASE_ASKER_H

#include "store/model/internal.h"

/* A client that asks, and what is known of it. */
struct lease_asker {
	const Pxe__ClientInfo *who;
	const Pxe__Subnet *link;   /* where it is; others may share the link */
	const Pxe__Subnet *subnet; /* of that link: the one that is looked at */
	const Pxe__Host *host;     /* NULL: unknown machine */
	const Pxe__Host *machine;  /* the host, unless it is known by the relay's circuit only */
	uint32_t first, last;      /* of the subnet */
};

enum lease_right {
	LEASE_RIGHT_NONE,     /* outside the pools, or the cluster's own */
	LEASE_RIGHT_OTHERS,   /* reserved for another host */
	LEASE_RIGHT_POOL,     /* may be given to anybody */
	LEASE_RIGHT_RESERVED, /* reserved for the asker */
};

/* Judge what the client says of itself and where it is; on a refusal *ret_asker is untouched. */
Pxe__Verdict lease_asker_init(struct apply *a, const Pxe__ClientInfo *who, const char *subnet,
	struct lease_asker *ret_asker);
/* From now on, this subnet of its link. */
void lease_asker_look_at(struct lease_asker *asker, const Pxe__Subnet *subnet);
/* Held by the asker's machine, by whichever of its declared hardware addresses. */
bool lease_asker_is_mine(
	const struct apply *a, const struct lease_asker *asker, const struct lease_record *record);
/* Another client's, or in quarantine, at the stamp of this command; record may be NULL. */
bool lease_asker_is_taken(
	const struct apply *a, const struct lease_asker *asker, const struct lease_record *record);
/* A node's reserve, or the machine that had it reserved before: not the asker's for now. Who has it
 * already may go on: its record stood through the change of the reservation. */
bool lease_asker_is_kept(const struct apply *a, const struct lease_asker *asker, uint32_t ip);
enum lease_right lease_asker_right_to(
	const struct apply *a, const struct lease_asker *asker, uint32_t ip);
/* The lease of the asker's machine in the subnet that was granted last; NULL: none. */
struct lease_record *lease_asker_own(const struct apply *a, const struct lease_asker *asker);

bool lease_is_client(const struct lease_record *record, ProtobufCBinaryData client);
/* In this state, and not over. */
bool lease_is_live(const struct apply *a, const struct lease_record *record, uint8_t state);
/* Since a recovery, leases that this state does not know may run. */
bool lease_is_unknown_time(const struct apply *a);
/* No client was ever told that it may use the address, or none whose promise still stands. */
bool lease_binds_nobody(const struct lease_record *record);
/* After a recovery: what was free for others, or only offered, may be another client's by the word
 * of those who are gone. */
bool lease_is_passed_on(const struct apply *a, const struct lease_record *record);

#endif
