/* node/reserve/reserve_impl.h: what the files of this folder share: the tables, and the rules by
 * which an address may be leased.
 *
 *   reserve_table.c  entries of the journal and offers, found by address and by client
 *   reserve_entry.c  an entry and its bytes
 *   reserve_rule.c   may this client have this address [R1] [R3] [R5]; which of our own is to be
 *                    offered
 *   reserve.c        offers, grants, declines; numbers of writes
 *   reserve_task.c   what the cluster is told: merges, and addresses given back
 *
 * Pure. Times that end in boot_ms are CLOCK_BOOTTIME.
 */
#ifndef NODE_RESERVE_RESERVE_IMPL_H
#define NODE_RESERVE_RESERVE_IMPL_H

#include "node/reserve/reserve.h"

#define RESERVE_SLOTS      16384 /* of the larger table; a power of two */
#define RESERVE_SLOT_NONE  UINT16_MAX
#define RESERVE_MAC_MAX    16
#define RESERVE_ID_MAX     255 /* bytes of option 61 */
#define RESERVE_RETURN_MAX 512 /* addresses of one ReserveReturn */

struct reserve_client {
	uint8_t count;
	uint8_t bytes[MODEL_CLIENT_MAX];
};

/* One entry of the journal, or on its way into or out of it. */
struct reserve_entry {
	uint32_t ip;
	bool is_used, is_removing;
	bool is_old;    /* of an earlier life of this node: its end is not known */
	bool is_marked; /* JournalEntry.merging */
	bool is_sent;   /* in the proposal that is under way */
	Pxe__JournalKind kind;
	uint64_t serial, state_ms, expires_ms, incarnation;
	uint32_t lease_s;      /* the longest that was granted at once */
	uint64_t end_boot_ms;  /* what the client was told */
	uint64_t over_boot_ms; /* from then on another client may have the address */
	uint64_t number;       /* of its last write; UINT64_MAX: not numbered yet */
	uint64_t version;      /* grows with every change of what it says */
	struct reserve_client client;
	uint8_t mac_bytes, uuid_bytes, client_id_bytes;
	uint8_t mac[RESERVE_MAC_MAX], uuid[16], client_id[RESERVE_ID_MAX];
	char hostname[MODEL_NAME_MAX + 1], subnet[MODEL_NAME_MAX + 1];
};

/* An address that a client was offered. */
struct reserve_offered {
	uint32_t ip;
	bool is_used;
	uint64_t until_boot_ms;
	struct reserve_client client;
};

/* Chains of slots by a hash. */
struct reserve_index {
	uint16_t bucket[RESERVE_SLOTS];
	uint16_t next[RESERVE_SLOTS];
};

struct reserve_table {
	struct reserve_entry entry[RESERVE_ENTRIES_MAX];
	struct reserve_offered offered[RESERVE_OFFERS_MAX];
	struct reserve_index entry_by_ip, entry_by_client, offered_by_ip, offered_by_client;
	uint16_t entry_free[RESERVE_ENTRIES_MAX], offered_free[RESERVE_OFFERS_MAX];
	size_t entry_count, offered_count;
	size_t entry_end;       /* no slot from here on was ever used */
	uint64_t swept_boot_ms; /* offers that ran out were last looked for then */
};

/* One thing at a time goes to the cluster:
 *   NONE -> MARK -> SEND -> FLIGHT -> REMOVE -> DRAIN -> NONE
 *             `-------------^ refused |    ^
 *   NONE -------------(over)---------------'
 * MARK writes what must be durable before the proposal, REMOVE writes what is done with, DRAIN
 * waits for that to be durable. */
enum reserve_stage {
	RESERVE_STAGE_NONE,
	RESERVE_STAGE_MARK,
	RESERVE_STAGE_SEND,
	RESERVE_STAGE_FLIGHT,
	RESERVE_STAGE_REMOVE,
	RESERVE_STAGE_DRAIN,
};
enum reserve_kind { RESERVE_KIND_NONE, RESERVE_KIND_MERGE, RESERVE_KIND_RETURN, RESERVE_KIND_DROP };

struct reserve_job {
	enum reserve_stage stage;
	enum reserve_kind kind;
	size_t count, at;
	uint16_t slot[RESERVE_RETURN_MAX];
	uint64_t version[RESERVE_RETURN_MAX]; /* as proposed */
	uint64_t sent_boot_ms;
	uint64_t retry_boot_ms;
};

/* The command that is proposed, and what it points to. */
struct reserve_message {
	Pxe__Command command;
	Pxe__Merge merge;
	Pxe__IsolatedLease lease[RESERVE_MERGE_MAX], *leases[RESERVE_MERGE_MAX];
	Pxe__ClientInfo who[RESERVE_MERGE_MAX];
	uint8_t ip[RESERVE_MERGE_MAX][4];
	Pxe__ReserveReturn give_back;
	Pxe__BlockPart part[RESERVE_RETURN_MAX], *parts[RESERVE_RETURN_MAX];
};

struct reserve {
	struct reserve_table table;
	struct reserve_job job;
	struct reserve_message message;
	uint64_t start_boot_ms; /* of this life */
	uint64_t durable;
	uint64_t oldest_ms;            /* state_ms of the entries, the lowest; UINT64_MAX: none */
	struct reserve_entry *written; /* the write that was given last, until it has its number */
	size_t return_subnet;          /* the next one to be looked at for what is too much */
	uint64_t return_boot_ms;       /* and when */
};

/* ---- reserve_table.c; NULL: none */
void reserve_table_init(struct reserve_table *table);
struct reserve_entry *reserve_table_entry(const struct reserve_table *table, uint32_t ip);
/* The client's entries, one after the other; `before` NULL at first. */
struct reserve_entry *reserve_table_entry_of(const struct reserve_table *table,
	const struct reserve_client *client, const struct reserve_entry *before);
/* A new one, with nothing but its address and client; NULL: the table is full. The address must
 * have none. */
struct reserve_entry *reserve_table_add(
	struct reserve_table *table, uint32_t ip, const struct reserve_client *client);
void reserve_table_set_client(struct reserve_table *table, struct reserve_entry *entry,
	const struct reserve_client *client);
void reserve_table_remove(struct reserve_table *table, struct reserve_entry *entry);
uint16_t reserve_table_slot(const struct reserve_table *table, const struct reserve_entry *entry);

struct reserve_offered *reserve_table_offered(
	const struct reserve_table *table, uint32_t ip, uint64_t boot_ms);
struct reserve_offered *reserve_table_offered_to(
	const struct reserve_table *table, const struct reserve_client *client, uint64_t boot_ms);
/* The client is offered the address from now on, and no other. false: the table is full. */
bool reserve_table_offer(struct reserve_table *table, uint32_t ip,
	const struct reserve_client *client, uint64_t boot_ms);
void reserve_table_withdraw(struct reserve_table *table, struct reserve_offered *offered);

uint64_t reserve_hash(const uint8_t *bytes, size_t count);
bool reserve_same_client(const struct reserve_client *a, const struct reserve_client *b);
/* false: no identity, or one that is too long. */
bool reserve_client_of(const Pxe__ClientInfo *who, struct reserve_client *ret_client);

/* ---- reserve_entry.c */
/* 0 or -EBADMSG; *ret_entry has all but what the table and this life say. */
int reserve_entry_decode(const uint8_t *value, size_t value_bytes, struct reserve_entry *ret_entry);
void reserve_entry_encode(const struct reserve_entry *entry, struct reserve_write *ret_write);
/* Borrows. */
void reserve_entry_who(const struct reserve_entry *entry, Pxe__ClientInfo *ret_who);
/* Take over what the client says about itself. */
void reserve_entry_set_who(struct reserve_entry *entry, const Pxe__ClientInfo *who);

/* ---- reserve_rule.c */
struct reserve_ask {
	const struct reserve_view *view;
	const Pxe__ClientInfo *who;
	const Pxe__Subnet *subnet;
	struct reserve_client client;
};

/* May this node lease anything at all? */
bool reserve_rule_serves(const struct reserve_view *view);
/* When the entry's lease is over for certain. */
uint64_t reserve_rule_over_ms(const struct reserve *reserve, const struct reserve_view *view,
	const struct reserve_entry *entry);
/* For how long the client may be told that it has the address, ms; 0: not at all. */
uint64_t reserve_rule_binding_ms(
	const struct reserve *reserve, const struct reserve_ask *ask, uint32_t ip);
uint64_t reserve_rule_fixed_ms(
	const struct reserve *reserve, const struct reserve_ask *ask, uint32_t ip);
uint64_t reserve_rule_own_ms(
	const struct reserve *reserve, const struct reserve_ask *ask, uint32_t ip);
/* Of a usable address of our own blocks: is it free for this client? */
bool reserve_rule_is_free(
	const struct reserve *reserve, const struct reserve_ask *ask, uint32_t ip);
/* Our own address for this client; 0: none. */
uint32_t reserve_rule_pick(
	const struct reserve *reserve, const struct reserve_ask *ask, uint32_t wanted_ip);
/* The addresses of the block that the configuration, as it is now, would give to any client. */
uint64_t reserve_rule_usable(const struct reserve_view *view, const Pxe__Block *block);
/* The block of ours that holds the address; NULL: none. */
const Pxe__Block *reserve_rule_block(const struct reserve_view *view, uint32_t ip);

/* ---- reserve.c */
/* Entries went, or tell of a newer state: find reserve->oldest_ms anew. */
void reserve_find_oldest(struct reserve *reserve);
/* The entry as a write that is to be numbered next. */
void reserve_give_write(
	struct reserve *reserve, struct reserve_entry *entry, struct reserve_write *ret_write);

#endif
