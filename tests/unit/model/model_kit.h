/* tests/unit/model/model_kit.h: a model with one cluster, one subnet and one pool, and short ways
 * to command it. */
#ifndef TESTS_UNIT_MODEL_KIT_H
#define TESTS_UNIT_MODEL_KIT_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "proto/msg/msg_ip4.h"
#include "proto/wire/text.h"
#include "store/model/model.h"
#include "store/model/record.h"
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIT_START_MS UINT64_C(1000000000000)
#define V(name)      PXE__VERDICT__VERDICT_##name
#define S(name)      PXE__LEASE_STATE__LEASE_##name

/* Not every test program uses every function. */
#define KIT static inline __attribute__((unused))

/* ---- what the sink was told: the disk ---- */

struct kit_row {
	uint8_t *key, *value;
	size_t key_bytes, value_bytes;
};

struct kit_disk {
	struct kit_row *rows;
	size_t count, capacity;
};

KIT size_t kit_disk_find(const struct kit_disk *disk, const uint8_t *key, size_t key_bytes)
{
	size_t at = 0;
	while (at < disk->count && (disk->rows[at].key_bytes != key_bytes ||
					   memcmp(disk->rows[at].key, key, key_bytes) != 0))
		at++;
	return at;
}

KIT void *kit_dup(const void *data, size_t bytes)
{
	void *copy = malloc(bytes + 1);
	assert_non_null(copy);
	if (bytes > 0)
		memcpy(copy, data, bytes);
	return copy;
}

KIT void kit_disk_put(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct kit_disk *disk = ctx;
	size_t at = kit_disk_find(disk, key, key_bytes);
	if (at == disk->count) {
		if (disk->count == disk->capacity) {
			disk->capacity = 2 * disk->capacity + 16;
			disk->rows = realloc(disk->rows, disk->capacity * sizeof(*disk->rows));
			assert_non_null(disk->rows);
		}
		disk->rows[disk->count++] =
			(struct kit_row){.key = kit_dup(key, key_bytes), .key_bytes = key_bytes};
	} else {
		free(disk->rows[at].value);
	}
	disk->rows[at].value = kit_dup(value, value_bytes);
	disk->rows[at].value_bytes = value_bytes;
}

KIT void kit_disk_remove(void *ctx, const uint8_t *key, size_t key_bytes)
{
	struct kit_disk *disk = ctx;
	size_t at = kit_disk_find(disk, key, key_bytes);
	assert_true(at < disk->count); /* only what is there is removed */
	free(disk->rows[at].key);
	free(disk->rows[at].value);
	disk->rows[at] = disk->rows[--disk->count];
}

KIT struct model_sink kit_sink(struct kit_disk *disk)
{
	return (struct model_sink){.ctx = disk, .put = kit_disk_put, .remove = kit_disk_remove};
}

KIT void kit_disk_fini(struct kit_disk *disk)
{
	for (size_t i = 0; i < disk->count; i++) {
		free(disk->rows[i].key);
		free(disk->rows[i].value);
	}
	free(disk->rows);
	*disk = (struct kit_disk){0};
}

/* Appends, for visits of records that are all different. */
KIT void kit_disk_append(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct kit_disk *disk = ctx;
	if (disk->count == disk->capacity) {
		disk->capacity = 2 * disk->capacity + 16;
		disk->rows = realloc(disk->rows, disk->capacity * sizeof(*disk->rows));
		assert_non_null(disk->rows);
	}
	disk->rows[disk->count++] = (struct kit_row){.key = kit_dup(key, key_bytes),
		.key_bytes = key_bytes,
		.value = kit_dup(value, value_bytes),
		.value_bytes = value_bytes};
}

KIT void kit_dump(const struct model *model, struct kit_disk *ret_disk)
{
	struct model_sink visitor = {.ctx = ret_disk, .put = kit_disk_append};
	model_each_record(model, &visitor);
}

KIT struct model *kit_load(const struct kit_disk *disk)
{
	struct model *model = model_new();
	for (size_t i = 0; i < disk->count; i++) {
		const struct kit_row *row = &disk->rows[i];
		assert_int_equal(
			model_load(model, row->key, row->key_bytes, row->value, row->value_bytes),
			0);
	}
	return model;
}

KIT void kit_assert_same_digest(const struct model *a, const struct model *b)
{
	uint8_t first[32], second[32];
	model_digest(a, first);
	model_digest(b, second);
	assert_memory_equal(first, second, 32);
}

/* The disk holds exactly what the model holds, and a model loaded from either is the same. */
KIT void kit_assert_disk_is(const struct kit_disk *disk, const struct model *model)
{
	struct kit_disk dump = {0};
	kit_dump(model, &dump);
	assert_int_equal(dump.count, disk->count);
	for (size_t i = 0; i < dump.count; i++) {
		const struct kit_row *row = &dump.rows[i];
		size_t at = kit_disk_find(disk, row->key, row->key_bytes);
		assert_true(at < disk->count);
		assert_int_equal(disk->rows[at].value_bytes, row->value_bytes);
		assert_memory_equal(disk->rows[at].value, row->value, row->value_bytes);
		if (i > 0) {
			const struct kit_row *before = &dump.rows[i - 1];
			size_t common = before->key_bytes < row->key_bytes ? before->key_bytes
									   : row->key_bytes;
			int order = memcmp(before->key, row->key, common);
			assert_true(
				order < 0 || (order == 0 && before->key_bytes < row->key_bytes));
		}
	}
	struct model *loaded = kit_load(disk);
	kit_assert_same_digest(loaded, model);
	model_free(loaded);
	kit_disk_fini(&dump);
}

/* ---- the world ---- */

struct kit {
	struct model *model;
	struct kit_disk disk;
	struct model_sink sink;
	struct model_result result;
	uint64_t now_ms;
	uint64_t next_request; /* 0: commands carry no request id */
	uint64_t seq;          /* of the newest command with an origin */
};

KIT ProtobufCBinaryData kit_bytes(const void *data, size_t bytes)
{
	return (ProtobufCBinaryData){.len = bytes, .data = (uint8_t *)(uintptr_t)data};
}

KIT uint32_t kit_ip(const char *text)
{
	uint32_t ip;
	assert_int_equal(text_ip4_parse(text, &ip), 0);
	return ip;
}

KIT Pxe__Verdict kit_apply(struct kit *kit, Pxe__Command *command)
{
	model_apply(kit->model, command, &kit->sink, &kit->result);
	return kit->result.verdict;
}

/* "" as detail: whatever it says. */
KIT void kit_expect(struct kit *kit, Pxe__Verdict actual, Pxe__Verdict expected, const char *detail)
{
	if (actual != expected || strstr(kit->result.detail, detail) == NULL)
		fail_msg("verdict %d, not %d; detail '%s', not '%s'", (int)actual, (int)expected,
			kit->result.detail, detail);
	if (expected != V(OK))
		assert_true(strlen(kit->result.detail) > 0);
}

/* [R1] An address is in one block at most, and in none while a lease stands for it. */
KIT bool kit_check_block(void *ctx, const Pxe__Block *block)
{
	const struct model *model = ctx;
	uint32_t first_ip = msg_ip4_get(block->first_ip);
	struct lease lease;
	assert_true(block->mask != 0 && first_ip % MODEL_BLOCK_IPS == 0);
	for (unsigned i = 0; i < MODEL_BLOCK_IPS; i++) {
		if ((block->mask >> i & 1) == 0)
			continue;
		assert_ptr_equal(model_block_of(model, first_ip + i), block);
		assert_false(model_lease_of_ip(model, first_ip + i, &lease));
	}
	return true;
}

KIT void kit_at(struct kit *kit, uint64_t after_start_ms)
{
	kit->now_ms = KIT_START_MS + after_start_ms;
	model_begin(kit->model, kit->now_ms, &kit->sink);
}

KIT Pxe__Verdict kit_put(struct kit *kit, Pxe__Put *put)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = put;
	return kit_apply(kit, &command);
}

KIT Pxe__Verdict kit_put_subnet(struct kit *kit, Pxe__Subnet *subnet)
{
	Pxe__Put put = PXE__PUT__INIT;
	put.object_case = PXE__PUT__OBJECT_SUBNET;
	put.subnet = subnet;
	return kit_put(kit, &put);
}

KIT Pxe__Verdict kit_subnet(struct kit *kit, const char *name, const char *network, uint32_t prefix,
	const char *gateway)
{
	uint8_t network_bytes[4], gateway_bytes[4];
	Pxe__Subnet subnet = PXE__SUBNET__INIT;
	subnet.name = (char *)(uintptr_t)name;
	msg_ip4_put(kit_ip(network), network_bytes);
	subnet.network_ip = kit_bytes(network_bytes, 4);
	subnet.prefix_len = prefix;
	if (gateway != NULL) {
		msg_ip4_put(kit_ip(gateway), gateway_bytes);
		subnet.gateway_ip = kit_bytes(gateway_bytes, 4);
	}
	return kit_put_subnet(kit, &subnet);
}

KIT Pxe__Verdict kit_pool(
	struct kit *kit, const char *name, const char *subnet, const char *first, const char *last)
{
	uint8_t first_bytes[4], last_bytes[4];
	Pxe__Pool pool = PXE__POOL__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	pool.name = (char *)(uintptr_t)name;
	pool.subnet = (char *)(uintptr_t)subnet;
	msg_ip4_put(kit_ip(first), first_bytes);
	msg_ip4_put(kit_ip(last), last_bytes);
	pool.first_ip = kit_bytes(first_bytes, 4);
	pool.last_ip = kit_bytes(last_bytes, 4);
	put.object_case = PXE__PUT__OBJECT_POOL;
	put.pool = &pool;
	return kit_put(kit, &put);
}

KIT Pxe__Verdict kit_put_host(struct kit *kit, Pxe__Host *host)
{
	Pxe__Put put = PXE__PUT__INIT;
	put.object_case = PXE__PUT__OBJECT_HOST;
	put.host = host;
	return kit_put(kit, &put);
}

/* The hardware address of client n: 02:00:00:00:hi:lo. */
KIT void kit_mac(unsigned n, uint8_t mac[6])
{
	uint8_t bytes[6] = {
		2, 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
	memcpy(mac, bytes, sizeof(bytes));
}

/* A host whose macs are those of clients n and n2 (0: only one). ip may be NULL. */
KIT Pxe__Verdict kit_host(
	struct kit *kit, const char *name, unsigned n, unsigned n2, const char *ip)
{
	uint8_t mac[2][6], ip_bytes[4];
	Pxe__Host host = PXE__HOST__INIT;
	ProtobufCBinaryData macs[2];
	kit_mac(n, mac[0]);
	kit_mac(n2, mac[1]);
	macs[0] = kit_bytes(mac[0], 6);
	macs[1] = kit_bytes(mac[1], 6);
	host.name = (char *)(uintptr_t)name;
	host.mac = macs;
	host.n_mac = n2 == 0 ? 1 : 2;
	if (ip != NULL) {
		msg_ip4_put(kit_ip(ip), ip_bytes);
		host.ip = kit_bytes(ip_bytes, 4);
	}
	return kit_put_host(kit, &host);
}

KIT Pxe__Verdict kit_delete(
	struct kit *kit, Pxe__ObjectKind kind, const char *name, bool even_if_used)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Delete remove = PXE__DELETE__INIT;
	remove.kind = kind;
	remove.name = (char *)(uintptr_t)name;
	remove.even_if_used = even_if_used;
	command.op_case = PXE__COMMAND__OP_REMOVE;
	command.remove = &remove;
	return kit_apply(kit, &command);
}

struct kit_who {
	Pxe__ClientInfo info;
	uint8_t client[7];
};

KIT Pxe__ClientInfo *kit_who(unsigned n, struct kit_who *who)
{
	pxe__client_info__init(&who->info);
	who->client[0] = 1;
	kit_mac(n, who->client + 1);
	who->info.client = kit_bytes(who->client, 7);
	who->info.mac = kit_bytes(who->client + 1, 6);
	return &who->info;
}

KIT Pxe__Verdict kit_offer_in(struct kit *kit, const char *subnet, unsigned n, uint32_t wanted)
{
	struct kit_who who;
	uint8_t wanted_bytes[4];
	Pxe__Offer offer = PXE__OFFER__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	offer.who = kit_who(n, &who);
	offer.subnet = (char *)(uintptr_t)subnet;
	msg_ip4_put(wanted, wanted_bytes);
	if (wanted != 0)
		offer.wanted_ip = kit_bytes(wanted_bytes, 4);
	command.op_case = PXE__COMMAND__OP_OFFER;
	command.offer = &offer;
	return kit_apply(kit, &command);
}

KIT Pxe__Verdict kit_offer(struct kit *kit, unsigned n, uint32_t wanted)
{
	return kit_offer_in(kit, "lab", n, wanted);
}

KIT Pxe__Verdict kit_bind(struct kit *kit, unsigned n, uint32_t ip, uint32_t lease_s, bool create)
{
	struct kit_who who;
	uint8_t bytes[4];
	Pxe__Bind bind = PXE__BIND__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	bind.who = kit_who(n, &who);
	bind.subnet = (char *)(uintptr_t) "lab";
	msg_ip4_put(ip, bytes);
	bind.ip = kit_bytes(bytes, 4);
	bind.lease_s = lease_s;
	bind.create = create;
	command.op_case = PXE__COMMAND__OP_BIND;
	command.bind = &bind;
	return kit_apply(kit, &command);
}

KIT Pxe__Verdict kit_release(struct kit *kit, unsigned n, uint32_t ip, bool by_operator)
{
	struct kit_who who;
	uint8_t bytes[4];
	Pxe__Release release = PXE__RELEASE__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	release.client = kit_who(n, &who)->client;
	msg_ip4_put(ip, bytes);
	release.ip = kit_bytes(bytes, 4);
	release.by_operator = by_operator;
	command.op_case = PXE__COMMAND__OP_RELEASE;
	command.release = &release;
	return kit_apply(kit, &command);
}

KIT Pxe__Verdict kit_decline(struct kit *kit, unsigned n, uint32_t ip, bool by_probe)
{
	struct kit_who who;
	uint8_t bytes[4];
	Pxe__Decline decline = PXE__DECLINE__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	decline.client = kit_who(n, &who)->client;
	msg_ip4_put(ip, bytes);
	decline.ip = kit_bytes(bytes, 4);
	decline.by_probe = by_probe;
	command.op_case = PXE__COMMAND__OP_DECLINE;
	command.decline = &decline;
	return kit_apply(kit, &command);
}

KIT Pxe__Verdict kit_sweep(struct kit *kit, uint32_t max)
{
	Pxe__Sweep sweep = PXE__SWEEP__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	sweep.max = max;
	command.op_case = PXE__COMMAND__OP_SWEEP;
	command.sweep = &sweep;
	return kit_apply(kit, &command);
}

/* Every member knows all that was stamped before settled_ms after the start. */
KIT Pxe__Verdict kit_settle(struct kit *kit, uint64_t settled_ms)
{
	Pxe__Settle settle = PXE__SETTLE__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	settle.settled_ms = KIT_START_MS + settled_ms;
	command.op_case = PXE__COMMAND__OP_SETTLE;
	command.settle = &settle;
	return kit_apply(kit, &command);
}

KIT Pxe__Verdict kit_give_in(struct kit *kit, uint64_t owner, const char *subnet, uint32_t count)
{
	Pxe__ReserveGive give = PXE__RESERVE_GIVE__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	give.owner = owner;
	give.subnet = (char *)(uintptr_t)subnet;
	give.count = count;
	command.op_case = PXE__COMMAND__OP_RESERVE_GIVE;
	command.reserve_give = &give;
	return kit_apply(kit, &command);
}

KIT Pxe__Verdict kit_give(struct kit *kit, uint64_t owner, uint32_t count)
{
	return kit_give_in(kit, owner, "lab", count);
}

KIT Pxe__Verdict kit_return(struct kit *kit, uint64_t owner, uint64_t serial, uint64_t mask)
{
	Pxe__BlockPart part = PXE__BLOCK_PART__INIT, *parts[1] = {&part};
	Pxe__ReserveReturn given = PXE__RESERVE_RETURN__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	part.serial = serial;
	part.mask = mask;
	given.part = parts;
	given.n_part = 1;
	command.origin = owner;
	command.seq = ++kit->seq;
	command.op_case = PXE__COMMAND__OP_RESERVE_RETURN;
	command.reserve_return = &given;
	return kit_apply(kit, &command);
}

/* What member `owner` told client n. expires_ms: of cluster time, 0: not known any more. */
KIT Pxe__Verdict kit_merge(struct kit *kit, uint64_t owner, unsigned n, uint32_t ip,
	uint64_t serial, uint64_t expires_ms, bool declined)
{
	struct kit_who who;
	uint8_t bytes[4];
	Pxe__IsolatedLease lease = PXE__ISOLATED_LEASE__INIT, *leases[1] = {&lease};
	Pxe__Merge merge = PXE__MERGE__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	msg_ip4_put(ip, bytes);
	lease.ip = kit_bytes(bytes, 4);
	lease.who = kit_who(n, &who);
	lease.subnet = (char *)(uintptr_t) "lab";
	lease.serial = serial;
	lease.expires_ms = expires_ms;
	lease.declined = declined;
	merge.lease = leases;
	merge.n_lease = 1;
	command.origin = owner;
	command.seq = ++kit->seq;
	command.op_case = PXE__COMMAND__OP_MERGE;
	command.merge = &merge;
	return kit_apply(kit, &command);
}

/* Member "pxe<n>" at 10.0.0.200 + n joins by a token of its own; its id. */
KIT uint64_t kit_join(struct kit *kit, uint8_t n, Pxe__MemberRole role)
{
	uint8_t id[8] = {0xee, n}, secret[16] = {0xee, n}, hash[32], key[32] = {0xee, n};
	uint8_t ip[4] = {10, 0, 0, (uint8_t)(200 + n)};
	char name[16], address[32];
	Pxe__Token token = PXE__TOKEN__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	Pxe__Member member = PXE__MEMBER__INIT;
	Pxe__MemberJoin join = PXE__MEMBER_JOIN__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	crypto_generichash(hash, sizeof(hash), secret, sizeof(secret), NULL, 0);
	token.id = kit_bytes(id, sizeof(id));
	token.secret_hash = kit_bytes(hash, sizeof(hash));
	token.expires_ms = kit->now_ms + 3600000;
	if (role == PXE__MEMBER_ROLE__MEMBER_WITNESS)
		token.kind = PXE__TOKEN_KIND__TOKEN_WITNESS;
	put.object_case = PXE__PUT__OBJECT_TOKEN;
	put.token = &token;
	assert_int_equal(kit_put(kit, &put), V(OK));
	snprintf(name, sizeof(name), "pxe%u", n);
	snprintf(address, sizeof(address), "10.0.0.%u:7440", 200u + n);
	member.name = name;
	member.role = role;
	member.peer_address = member.api_address = address;
	member.serve_ip = kit_bytes(ip, sizeof(ip));
	member.public_key = kit_bytes(key, sizeof(key));
	join.token_id = kit_bytes(id, sizeof(id));
	join.token_secret = kit_bytes(secret, sizeof(secret));
	join.member = &member;
	command.op_case = PXE__COMMAND__OP_MEMBER_JOIN;
	command.member_join = &join;
	assert_int_equal(kit_apply(kit, &command), V(OK));
	return kit->result.id;
}

KIT Pxe__Verdict kit_leave(struct kit *kit, const char *name, bool force)
{
	Pxe__MemberRemove leave = PXE__MEMBER_REMOVE__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	leave.name = (char *)(uintptr_t)name;
	leave.force = force;
	command.op_case = PXE__COMMAND__OP_MEMBER_REMOVE;
	command.member_remove = &leave;
	return kit_apply(kit, &command);
}

KIT Pxe__Verdict kit_gone(struct kit *kit, uint64_t id)
{
	Pxe__MemberGone gone = PXE__MEMBER_GONE__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	gone.id = id;
	command.op_case = PXE__COMMAND__OP_MEMBER_GONE;
	command.member_gone = &gone;
	return kit_apply(kit, &command);
}

KIT Pxe__Verdict kit_recover(
	struct kit *kit, uint64_t survivor, uint64_t epoch, bool drop_blocks, uint32_t unknown_s)
{
	Pxe__Recover recover = PXE__RECOVER__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	recover.survivor = survivor;
	recover.epoch = epoch;
	recover.drop_blocks = drop_blocks;
	recover.unknown_s = unknown_s;
	command.op_case = PXE__COMMAND__OP_RECOVER;
	command.recover = &recover;
	return kit_apply(kit, &command);
}

KIT Pxe__Verdict kit_mode(struct kit *kit, const char *name, Pxe__MemberMode mode)
{
	Pxe__MemberSet set = PXE__MEMBER_SET__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	set.name = (char *)(uintptr_t)name;
	set.mode = mode;
	command.op_case = PXE__COMMAND__OP_MEMBER_SET;
	command.member_set = &set;
	return kit_apply(kit, &command);
}

/* A cluster of one node (10.0.0.2, server address 10.0.0.3), nothing else: lease 100 s, MCLT 20 s,
 * offers 10 s, quarantine 60 s. */
KIT void kit_init_bare(struct kit *kit)
{
	static const uint8_t serve_ip[4] = {10, 0, 0, 2}, server_ip[4] = {10, 0, 0, 3};
	static const uint8_t key[32] = {1}, api_key[32] = {2}, cluster_id[16] = {3};
	Pxe__Settings settings = PXE__SETTINGS__INIT;
	Pxe__Member member = PXE__MEMBER__INIT;
	*kit = (struct kit){.model = model_new(), .now_ms = KIT_START_MS};
	kit->sink = kit_sink(&kit->disk);
	settings.cluster = (char *)(uintptr_t) "test";
	settings.cluster_id = kit_bytes(cluster_id, 16);
	settings.api_public_key = kit_bytes(api_key, 32);
	settings.server_ip = kit_bytes(server_ip, 4);
	settings.lease_s = 100;
	settings.mclt_s = 20;
	settings.offer_s = 10;
	settings.decline_s = 60;
	member.name = (char *)(uintptr_t) "pxe1";
	member.peer_address = (char *)(uintptr_t) "10.0.0.2:7440";
	member.api_address = (char *)(uintptr_t) "10.0.0.2:7441";
	member.serve_ip = kit_bytes(serve_ip, 4);
	member.public_key = kit_bytes(key, 32);
	model_bootstrap(kit->model, &settings, &member, KIT_START_MS, &kit->sink);
}

/* And subnet lab, 10.0.0.0/24, gateway .1, pool .10 to .19. */
KIT void kit_init(struct kit *kit)
{
	kit_init_bare(kit);
	assert_int_equal(kit_subnet(kit, "lab", "10.0.0.0", 24, "10.0.0.1"), V(OK));
	assert_int_equal(kit_pool(kit, "lab-1", "lab", "10.0.0.10", "10.0.0.19"), V(OK));
}

/* Members 1, 2 and 3, all full; subnet lab with the pool 10.0.0.10 to .19. */
KIT void kit_init_three(struct kit *kit)
{
	kit_init(kit);
	assert_int_equal(kit_join(kit, 2, PXE__MEMBER_ROLE__MEMBER_FULL), 2);
	assert_int_equal(kit_join(kit, 3, PXE__MEMBER_ROLE__MEMBER_FULL), 3);
}

/* Every test ends by comparing what the sink was told with what the model holds. */
KIT void kit_fini(struct kit *kit)
{
	kit_assert_disk_is(&kit->disk, kit->model);
	model_free(kit->model);
	kit_disk_fini(&kit->disk);
}

KIT Pxe__LeaseState kit_state(const struct kit *kit, uint32_t ip)
{
	struct lease lease;
	if (!model_lease_of_ip(kit->model, ip, &lease))
		return S(FREE);
	return lease_state_at(&lease, kit->now_ms);
}

/* ---- chance ---- */

KIT uint64_t kit_random(uint64_t *seed)
{
	*seed += UINT64_C(0x9e3779b97f4a7c15);
	uint64_t x = *seed;
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

KIT uint64_t kit_below(uint64_t *seed, uint64_t bound)
{
	return kit_random(seed) % bound;
}

#endif
