/* ctl/lease_import.h: the leases in the files of other servers. Pure; input is untrusted.
 *
 *   dnsmasq  dnsmasq.leases: EXPIRES MAC IP NAME CLIENT-ID, times in seconds since 1970, 0: endless
 *   dhcpd    dhcpd.leases: blocks, a journal; times in UTC
 *   kea      kea-leases4.csv: a journal; its .1, .2 files are older parts of it
 */
#ifndef CTL_LEASE_IMPORT_H
#define CTL_LEASE_IMPORT_H

#include "ctl/import.h"

#define LEASE_IMPORT_MAX     1000000u
#define LEASE_IMPORT_ENDLESS UINT64_MAX

struct lease_entry {
	uint32_t ip;
	uint8_t mac[16];
	size_t mac_size;
	uint64_t expires_s;   /* since 1970; LEASE_IMPORT_ENDLESS */
	const char *hostname; /* "" */
	const uint8_t *client_id;
	size_t client_id_size;
	bool active;     /* false: given up, declined, backup ... */
	bool superseded; /* a later entry of the address counts */
	struct import_at at;
};

struct lease_list {
	struct lease_entry *entry; /* import's memory */
	size_t count, capacity;
};

/* Read all entries of a file; lines that are none become remarks (IMPORT_LEFT_OUT). Of several
 * entries for one address, all but the last are marked superseded. */
void lease_import_dnsmasq(
	struct import *im, const char *path, const char *text, struct lease_list *ret_list);
void lease_import_dhcpd(
	struct import *im, const char *path, const char *text, struct lease_list *ret_list);
void lease_import_kea(
	struct import *im, const char *path, const char *text, struct lease_list *ret_list);

#endif
