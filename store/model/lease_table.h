/* store/model/lease_table.h: all leases, compact, found by address, by (subnet, client), and by
 * when they become free.
 *
 * Pure, but for the heap memory it owns. A lease is replaced as a whole: take a view (a Pxe__Lease
 * that borrows from the record), change it, and set it.
 */
#ifndef STORE_MODEL_LEASE_TABLE_H
#define STORE_MODEL_LEASE_TABLE_H

#include "proto/msg/records.pb-c.h"
#include "store/model/heap.h"
#include "store/model/table.h"
#include <stddef.h>
#include <stdint.h>

/* One lease as kept. `bytes` holds client, mac, client_id, uuid, hostname and NUL, subnet and NUL,
 * one after the other. */
struct lease_record {
	uint64_t expires_ms, promised_ms, started_ms, since_ms;
	uint64_t released_ms; /* not 0: given up then, but promised_ms stands until that is settled
			       */
	uint64_t free_at_ms;  /* from then on another client may get the address [R4] [R9] */
	uint32_t ip;          /* host order */
	uint32_t node;
	struct heap_node freeing;  /* in the table's `freeing`, by free_at_ms */
	struct heap_node released; /* in `released` while released_ms is not 0 */
	uint8_t state;             /* Pxe__LeaseState */
	uint8_t client_bytes, mac_bytes, client_id_bytes, uuid_bytes, hostname_bytes, subnet_bytes;
	uint8_t bytes[];
};

/* All zero is an empty table. */
struct lease_table {
	struct table by_ip, by_client;
	struct heap freeing;  /* all, by when they become free */
	struct heap released; /* those that were given up early, by when */
	size_t count;
};

void lease_table_fini(struct lease_table *leases);
struct lease_record *lease_table_find(const struct lease_table *leases, uint32_t ip);
/* Set the lease of an address. lease->ip has 4 bytes; client, mac, client_id, uuid, hostname and
 * subnet at most 255 bytes each (asserted). The lease may borrow from the record that it replaces.
 */
struct lease_record *lease_table_set(struct lease_table *leases, const Pxe__Lease *lease);
void lease_table_remove(struct lease_table *leases, struct lease_record *record);
/* The next lease of a client in a subnet, in no defined order; NULL at the end. *cursor is 0 at
 * first. */
struct lease_record *lease_table_next_of_client(const struct lease_table *leases,
	const char *subnet, const uint8_t *client, size_t client_bytes, size_t *cursor);
/* Each record once, in no defined order: `at` counts up to leases->count. Holds until the next
 * change of the table. */
struct lease_record *lease_table_at(const struct lease_table *leases, size_t at);
/* The record that becomes free first; NULL: none. */
struct lease_record *lease_table_first(const struct lease_table *leases);
/* The record that was given up first, of those that wait to be settled; NULL: none. */
struct lease_record *lease_table_first_released(const struct lease_table *leases);
/* All records by ascending address, heap memory of leases->count pointers; NULL if there are none.
 */
struct lease_record **lease_table_sorted(const struct lease_table *leases);

/* The lease as a message that borrows from the record; ip_bytes is the caller's. */
Pxe__Lease lease_record_view(struct lease_record *record, uint8_t ip_bytes[4]);
const uint8_t *lease_record_client(const struct lease_record *record);
const uint8_t *lease_record_mac(const struct lease_record *record);
const uint8_t *lease_record_client_id(const struct lease_record *record);
const uint8_t *lease_record_uuid(const struct lease_record *record);
const char *lease_record_hostname(const struct lease_record *record);
const char *lease_record_subnet(const struct lease_record *record);

#endif
