/* Random commands: nodes stay equal, hostile bytes do no harm, and no promise is broken.
 *
 * PXE_MODEL_SEEDS: how many seeds the promise test runs (default 3000). */
#include "tests/unit/model/model_kit.h"

/* ---- random commands, most of them sensible ---- */

/* Owns every byte it points to, by being packed and unpacked. */
static Pxe__Command *own(Pxe__Command *command)
{
	size_t bytes = pxe__command__get_packed_size(command);
	uint8_t *packed = malloc(bytes + 1);
	assert_non_null(packed);
	pxe__command__pack(command, packed);
	Pxe__Command *copy = pxe__command__unpack(NULL, bytes, packed);
	assert_non_null(copy);
	free(packed);
	return copy;
}

struct maker {
	uint64_t seed;
	uint64_t seq;
	Pxe__Command command;
	Pxe__Offer offer;
	Pxe__Bind bind;
	Pxe__Release release;
	Pxe__Decline decline;
	Pxe__Sweep sweep;
	Pxe__Put put;
	Pxe__Delete remove;
	Pxe__Subnet subnet;
	Pxe__Pool pool;
	Pxe__Host host;
	Pxe__Profile profile;
	Pxe__Token token;
	Pxe__ImageStage stage;
	Pxe__ImageVersion version;
	Pxe__ImageFile file;
	Pxe__ImageFile *files[1];
	Pxe__ImageHeld held;
	Pxe__ImagePublish publish;
	Pxe__ImageTag tag;
	Pxe__BootOnce once;
	Pxe__BootCancel cancel;
	Pxe__BootClaim claim;
	Pxe__BootEnd end;
	Pxe__Seen seen;
	Pxe__Machine machine[2], *machines[2];
	Pxe__MemberJoin join;
	Pxe__MemberRemove leave;
	Pxe__MemberGone gone;
	Pxe__MemberSet set;
	Pxe__Recover recover;
	Pxe__ReserveGive give;
	Pxe__ReserveReturn given;
	Pxe__BlockPart part, *parts[1];
	Pxe__Merge merge;
	Pxe__IsolatedLease lease, *leases[1];
	Pxe__Settle settle;
	Pxe__Member member;
	Pxe__Group group;
	Pxe__Match match;
	Pxe__AddressRange range, *ranges[1];
	Pxe__LeaseImport import;
	Pxe__Lease imported;
	ProtobufCBinaryData macs[2], client_ids[1], circuits[1], more_ip[1];
	struct kit_who who;
	uint8_t ip[4], ip2[4], mac[2][6], id[16], hash[32], secret[16], key[32];
	uint8_t ip3[4], client_id[2], circuit[2], asker_id[2], port[2];
	char name[16], name2[16], address[24], group_name[16], pattern[24], link[16];
	char *group_names[1], *patterns[1];
	char boot[8], image[32];
};

static void pick_ip(struct maker *m, uint8_t bytes[4])
{
	msg_ip4_put(0x0a000000u + (uint32_t)kit_below(&m->seed, 600), bytes);
}

static char *pick_name(struct maker *m, char *name, const char *stem, unsigned count)
{
	snprintf(name, 16, "%s%u", stem, (unsigned)kit_below(&m->seed, count));
	return name;
}

static ProtobufCBinaryData pick_identity(struct maker *m, uint8_t bytes[2], char kind)
{
	bytes[0] = (uint8_t)kind;
	bytes[1] = (uint8_t)kit_below(&m->seed, 6);
	return kit_bytes(bytes, 2);
}

static char **pick_group(struct maker *m)
{
	static const char *const names[] = {"group0", "group1", "group2", "known", "unknown"};
	snprintf(m->group_name, sizeof(m->group_name), "%s", names[kit_below(&m->seed, 5)]);
	m->group_names[0] = m->group_name;
	return m->group_names;
}

/* A lease that another server gave. */
static void make_import(struct maker *m)
{
	pxe__lease_import__init(&m->import);
	pxe__lease__init(&m->imported);
	kit_mac((unsigned)kit_below(&m->seed, 40), m->mac[0]);
	m->imported.ip = kit_bytes(m->ip, 4);
	m->imported.mac = kit_bytes(m->mac[0], 6);
	m->imported.expires_ms = KIT_START_MS + kit_below(&m->seed, 2000000);
	m->imported.hostname = m->name2;
	m->import.lease = &m->imported;
	m->command.op_case = PXE__COMMAND__OP_LEASE_IMPORT;
	m->command.lease_import = &m->import;
}

static void make_lease_op(struct maker *m)
{
	Pxe__ClientInfo *who = kit_who((unsigned)kit_below(&m->seed, 40), &m->who);
	who->hostname = pick_name(m, m->name2, "h", 5);
	if (kit_below(&m->seed, 3) == 0)
		who->client_id = pick_identity(m, m->asker_id, 'i');
	if (kit_below(&m->seed, 3) == 0)
		who->circuit_id = pick_identity(m, m->port, 'p');
	pick_ip(m, m->ip);
	switch (kit_below(&m->seed, 7)) {
	case 6: make_import(m); break;
	case 0:
	case 1:
		pxe__offer__init(&m->offer);
		m->offer.who = who;
		m->offer.subnet = pick_name(m, m->name, "net", 3);
		m->offer.wanted_ip = kit_bytes(m->ip, kit_below(&m->seed, 2) * 4);
		m->command.op_case = PXE__COMMAND__OP_OFFER;
		m->command.offer = &m->offer;
		break;
	case 2:
	case 3:
		pxe__bind__init(&m->bind);
		m->bind.who = who;
		m->bind.subnet = pick_name(m, m->name, "net", 3);
		m->bind.ip = kit_bytes(m->ip, 4);
		m->bind.create = kit_below(&m->seed, 4) != 0;
		m->bind.lease_s = (uint32_t)kit_below(&m->seed, 200);
		m->bind.bootp = kit_below(&m->seed, 10) == 0;
		m->command.op_case = PXE__COMMAND__OP_BIND;
		m->command.bind = &m->bind;
		break;
	case 4:
		pxe__release__init(&m->release);
		m->release.client = who->client;
		m->release.ip = kit_bytes(m->ip, 4);
		m->release.by_operator = kit_below(&m->seed, 2) != 0;
		m->command.op_case = PXE__COMMAND__OP_RELEASE;
		m->command.release = &m->release;
		break;
	default:
		pxe__decline__init(&m->decline);
		m->decline.client = who->client;
		m->decline.ip = kit_bytes(m->ip, 4);
		m->decline.by_probe = kit_below(&m->seed, 2) != 0;
		m->command.op_case = PXE__COMMAND__OP_DECLINE;
		m->command.decline = &m->decline;
		break;
	}
}

static void make_put_net(struct maker *m)
{
	if (kit_below(&m->seed, 2) == 0) {
		unsigned n = (unsigned)kit_below(&m->seed, 3);
		pxe__subnet__init(&m->subnet);
		snprintf(m->name, sizeof(m->name), "net%u", n);
		m->subnet.name = m->name;
		msg_ip4_put(0x0a000000u + n * 256, m->ip);
		m->subnet.network_ip = kit_bytes(m->ip, 4);
		m->subnet.prefix_len = 23 + (uint32_t)kit_below(&m->seed, 4);
		if (kit_below(&m->seed, 2) == 0)
			m->subnet.shared_network = pick_name(m, m->link, "wire", 2);
		if (kit_below(&m->seed, 8) == 0)
			m->subnet.dhcp = (Pxe__SubnetDhcp)kit_below(&m->seed, 5);
		m->put.object_case = PXE__PUT__OBJECT_SUBNET;
		m->put.subnet = &m->subnet;
		return;
	}
	uint32_t first = 0x0a000000u + (uint32_t)kit_below(&m->seed, 600);
	pxe__pool__init(&m->pool);
	m->pool.name = pick_name(m, m->name, "pool", 5);
	m->pool.subnet = pick_name(m, m->name2, "net", 3);
	msg_ip4_put(first, m->ip);
	msg_ip4_put(first + (uint32_t)kit_below(&m->seed, 50), m->ip2);
	m->pool.first_ip = kit_bytes(m->ip, 4);
	m->pool.last_ip = kit_bytes(m->ip2, 4);
	if (kit_below(&m->seed, 3) == 0) {
		pxe__address_range__init(&m->range);
		m->range.first_ip = m->pool.first_ip;
		msg_ip4_put(first + (uint32_t)kit_below(&m->seed, 10), m->ip3);
		m->range.last_ip = kit_bytes(m->ip3, 4);
		m->ranges[0] = &m->range;
		m->pool.exclude = m->ranges;
		m->pool.n_exclude = 1;
	}
	m->pool.only = m->pool.except = pick_group(m);
	uint64_t guard = kit_below(&m->seed, 4);
	m->pool.n_only = guard == 1;
	m->pool.n_except = guard == 2;
	m->put.object_case = PXE__PUT__OBJECT_POOL;
	m->put.pool = &m->pool;
}

static void make_put_host(struct maker *m)
{
	pxe__host__init(&m->host);
	m->host.name = pick_name(m, m->name, "host", 12);
	for (unsigned i = 0; i < 2; i++) {
		kit_mac((unsigned)kit_below(&m->seed, 40), m->mac[i]);
		m->macs[i] = kit_bytes(m->mac[i], 6);
	}
	m->host.mac = m->macs;
	m->host.n_mac = kit_below(&m->seed, 3);
	m->client_ids[0] = pick_identity(m, m->client_id, 'i');
	m->host.client_id = m->client_ids;
	m->host.n_client_id = kit_below(&m->seed, 3) == 0;
	m->circuits[0] = pick_identity(m, m->circuit, 'p');
	m->host.circuit_id = m->circuits;
	m->host.n_circuit_id = kit_below(&m->seed, 4) == 0;
	pick_ip(m, m->ip2);
	m->more_ip[0] = kit_bytes(m->ip2, 4);
	m->host.more_ip = m->more_ip;
	m->host.n_more_ip = kit_below(&m->seed, 3) == 0;
	m->host.groups = pick_group(m);
	m->host.n_groups = kit_below(&m->seed, 3) == 0;
	pick_ip(m, m->ip);
	m->host.ip = kit_bytes(m->ip, kit_below(&m->seed, 2) * 4);
	m->id[0] = (uint8_t)(1 + kit_below(&m->seed, 9));
	m->host.uuid = kit_bytes(m->id, kit_below(&m->seed, 2) * 16);
	m->host.ignore = kit_below(&m->seed, 10) == 0;
	m->host.profile =
		kit_below(&m->seed, 3) == 0 ? pick_name(m, m->name2, "prof", 3) : m->name + 15;
	m->put.object_case = PXE__PUT__OBJECT_HOST;
	m->put.host = &m->host;
}

static void make_put_other(struct maker *m)
{
	if (kit_below(&m->seed, 2) == 0) {
		pxe__profile__init(&m->profile);
		m->profile.name = pick_name(m, m->name, "prof", 3);
		m->profile.image = pick_name(m, m->name2, "img", 2);
		m->profile.kernel = m->name2;
		m->put.object_case = PXE__PUT__OBJECT_PROFILE;
		m->put.profile = &m->profile;
		return;
	}
	pxe__token__init(&m->token);
	m->id[0] = (uint8_t)kit_below(&m->seed, 4);
	m->secret[0] = m->id[0];
	crypto_generichash(m->hash, 32, m->secret, 16, NULL, 0);
	m->token.id = kit_bytes(m->id, 8);
	m->token.secret_hash = kit_bytes(m->hash, 32);
	m->token.expires_ms = KIT_START_MS + kit_below(&m->seed, 400000);
	m->put.object_case = PXE__PUT__OBJECT_TOKEN;
	m->put.token = &m->token;
}

static void make_put_group(struct maker *m)
{
	pxe__group__init(&m->group);
	pxe__match__init(&m->match);
	m->group.name = pick_name(m, m->group_name, "group", 3);
	snprintf(m->pattern, sizeof(m->pattern), "*%x", (unsigned)kit_below(&m->seed, 16));
	m->patterns[0] = m->pattern;
	m->match.mac = m->patterns;
	m->match.n_mac = 1;
	m->match.known = (Pxe__Known)kit_below(&m->seed, 4);
	m->group.match = &m->match;
	m->group.order = (uint32_t)kit_below(&m->seed, 3);
	m->group.lease_s = (uint32_t)kit_below(&m->seed, 2) * 50;
	m->group.ignore = kit_below(&m->seed, 10) == 0;
	m->put.object_case = PXE__PUT__OBJECT_GROUP;
	m->put.group = &m->group;
}

static void make_put(struct maker *m)
{
	pxe__put__init(&m->put);
	m->put.precondition = (Pxe__Precondition)kit_below(&m->seed, 3);
	uint64_t what = kit_below(&m->seed, 4);
	if (what == 3)
		make_put_group(m);
	else if (what == 0)
		make_put_net(m);
	else if (what == 1)
		make_put_host(m);
	else
		make_put_other(m);
	m->command.op_case = PXE__COMMAND__OP_PUT;
	m->command.put = &m->put;
}

static void make_delete(struct maker *m)
{
	static const char *const stems[] = {"net", "net", "pool", "host", "prof", "img"};
	pxe__delete__init(&m->remove);
	m->remove.kind = (Pxe__ObjectKind)kit_below(&m->seed, 6);
	m->remove.name = pick_name(m, m->name, stems[m->remove.kind], 4);
	if (kit_below(&m->seed, 8) == 0) {
		m->remove.kind = PXE__OBJECT_KIND__OBJECT_GROUP;
		pick_name(m, m->name, "group", 3);
	}
	if (kit_below(&m->seed, 8) == 0) {
		m->remove.kind = PXE__OBJECT_KIND__OBJECT_MACHINE;
		snprintf(m->address, sizeof(m->address), "02:00:00:00:00:%02x",
			(unsigned)kit_below(&m->seed, 40));
		m->remove.name = m->address;
	}
	m->remove.even_if_used = kit_below(&m->seed, 3) == 0;
	m->command.op_case = PXE__COMMAND__OP_REMOVE;
	m->command.remove = &m->remove;
}

static void make_image_op(struct maker *m)
{
	m->hash[0] = (uint8_t)kit_below(&m->seed, 5);
	pick_name(m, m->name, "img", 2);
	switch (kit_below(&m->seed, 4)) {
	case 3:
		pxe__image_tag__init(&m->tag);
		m->tag.image = m->name;
		m->tag.name = pick_name(m, m->name2, "img", 3);
		m->tag.digest = kit_bytes(m->hash, 32);
		m->command.op_case = PXE__COMMAND__OP_IMAGE_TAG;
		m->command.image_tag = &m->tag;
		break;
	case 0:
		pxe__image_stage__init(&m->stage);
		pxe__image_version__init(&m->version);
		pxe__image_file__init(&m->file);
		m->file.path = m->name;
		m->file.sha256 = kit_bytes(m->key, 32);
		m->files[0] = &m->file;
		m->version.image = m->name;
		m->version.digest = kit_bytes(m->hash, 32);
		m->version.files = m->files;
		m->version.n_files = 1;
		m->stage.version = &m->version;
		m->command.op_case = PXE__COMMAND__OP_IMAGE_STAGE;
		m->command.image_stage = &m->stage;
		break;
	case 1:
		pxe__image_held__init(&m->held);
		m->held.image = m->name;
		m->held.digest = kit_bytes(m->hash, 32);
		m->held.member = 1 + kit_below(&m->seed, 5);
		m->command.op_case = PXE__COMMAND__OP_IMAGE_HELD;
		m->command.image_held = &m->held;
		break;
	default:
		pxe__image_publish__init(&m->publish);
		m->publish.image = m->name;
		m->publish.digest = kit_bytes(m->hash, 32);
		m->command.op_case = PXE__COMMAND__OP_IMAGE_PUBLISH;
		m->command.image_publish = &m->publish;
		break;
	}
}

static void make_claim(struct maker *m)
{
	char digits[65];
	pxe__boot_claim__init(&m->claim);
	m->claim.host = m->name;
	snprintf(m->boot, sizeof(m->boot), "%s", "");
	if (kit_below(&m->seed, 4) != 0)
		snprintf(m->boot, sizeof(m->boot), "b%u", (unsigned)kit_below(&m->seed, 5));
	m->claim.boot = m->boot;
	m->hash[0] = (uint8_t)kit_below(&m->seed, 5);
	text_hex_format(m->hash, 32, digits, sizeof(digits));
	snprintf(m->image, sizeof(m->image), "img%u@%.16s", (unsigned)kit_below(&m->seed, 2),
		digits);
	m->claim.image = m->image;
	m->command.op_case = PXE__COMMAND__OP_BOOT_CLAIM;
	m->command.boot_claim = &m->claim;
}

static void make_boot_op(struct maker *m)
{
	pick_name(m, m->name, "host", 12);
	switch (kit_below(&m->seed, 8)) {
	case 0:
	case 1:
	case 2:
		pxe__boot_once__init(&m->once);
		m->once.host = m->name;
		m->once.profile = pick_name(m, m->name2, "prof", 3);
		m->once.tries = (uint32_t)kit_below(&m->seed, 4);
		m->once.serial = (uint32_t)kit_below(&m->seed, 6);
		m->command.op_case = PXE__COMMAND__OP_BOOT_ONCE;
		m->command.boot_once = &m->once;
		break;
	case 3:
		pxe__boot_cancel__init(&m->cancel);
		m->cancel.host = m->name;
		m->command.op_case = PXE__COMMAND__OP_BOOT_CANCEL;
		m->command.boot_cancel = &m->cancel;
		break;
	case 4:
		pxe__boot_end__init(&m->end);
		m->end.host = m->name;
		m->end.kind = (Pxe__BootEndKind)kit_below(&m->seed, 3);
		m->end.text = m->name;
		m->end.arrived_ms = KIT_START_MS + kit_below(&m->seed, 2000000);
		m->command.op_case = PXE__COMMAND__OP_BOOT_END;
		m->command.boot_end = &m->end;
		break;
	default: make_claim(m); break;
	}
}

static void make_seen(struct maker *m)
{
	pxe__seen__init(&m->seen);
	for (unsigned i = 0; i < 2; i++) {
		pxe__machine__init(&m->machine[i]);
		kit_mac((unsigned)kit_below(&m->seed, 40), m->mac[i]);
		m->machine[i].mac = kit_bytes(m->mac[i], 6);
		m->machine[i].last_ms = KIT_START_MS + kit_below(&m->seed, 2000000);
		m->machine[i].boot_ms = kit_below(&m->seed, 3) * m->machine[i].last_ms;
		m->machine[i].has_arch = kit_below(&m->seed, 2) == 0;
		m->machine[i].arch = (uint32_t)kit_below(&m->seed, 20);
		m->machine[i].hostname = m->machine[i].profile = m->name2;
		m->machines[i] = &m->machine[i];
	}
	pick_name(m, m->name2, "h", 5);
	m->seen.machines = m->machines;
	m->seen.n_machines = 1 + kit_below(&m->seed, 2);
	m->command.op_case = PXE__COMMAND__OP_SEEN;
	m->command.seen = &m->seen;
}

static void make_member_op(struct maker *m)
{
	uint8_t n = (uint8_t)kit_below(&m->seed, 4);
	switch (kit_below(&m->seed, 8)) {
	case 0:
	case 5:
	case 6:
		pxe__member_join__init(&m->join);
		pxe__member__init(&m->member);
		m->id[0] = m->secret[0] = n;
		m->key[0] = (uint8_t)(0x80 + n);
		snprintf(m->name, sizeof(m->name), "node%u", n);
		snprintf(m->address, sizeof(m->address), "10.0.2.%u:7440", n + 100u);
		msg_ip4_put(0x0a000200u + n + 100u, m->ip);
		m->member.name = m->name;
		m->member.peer_address = m->member.api_address = m->address;
		m->member.serve_ip = kit_bytes(m->ip, 4);
		m->member.public_key = kit_bytes(m->key, 32);
		m->join.member = &m->member;
		m->join.token_id = kit_bytes(m->id, 8);
		m->join.token_secret = kit_bytes(m->secret, 16);
		m->command.op_case = PXE__COMMAND__OP_MEMBER_JOIN;
		m->command.member_join = &m->join;
		break;
	case 1:
		pxe__member_remove__init(&m->leave);
		m->leave.name = pick_name(m, m->name, "node", 4);
		m->leave.force = kit_below(&m->seed, 3) == 0;
		m->command.op_case = PXE__COMMAND__OP_MEMBER_REMOVE;
		m->command.member_remove = &m->leave;
		break;
	case 2:
		pxe__member_set__init(&m->set);
		m->set.name = pick_name(m, m->name, "node", 4);
		m->set.mode = (Pxe__MemberMode)kit_below(&m->seed, 6);
		m->command.op_case = PXE__COMMAND__OP_MEMBER_SET;
		m->command.member_set = &m->set;
		break;
	case 3:
		pxe__recover__init(&m->recover);
		m->recover.survivor = 1 + kit_below(&m->seed, 12);
		m->recover.epoch = kit_below(&m->seed, 6);
		m->recover.drop_blocks = kit_below(&m->seed, 2) == 0;
		m->recover.unknown_s = (uint32_t)kit_below(&m->seed, 60);
		m->command.op_case = PXE__COMMAND__OP_RECOVER;
		m->command.recover = &m->recover;
		break;
	default:
		pxe__member_gone__init(&m->gone);
		m->gone.id = 1 + kit_below(&m->seed, 9);
		m->command.op_case = PXE__COMMAND__OP_MEMBER_GONE;
		m->command.member_gone = &m->gone;
		break;
	}
}

static void make_merge(struct maker *m)
{
	pxe__merge__init(&m->merge);
	pxe__isolated_lease__init(&m->lease);
	pick_ip(m, m->ip);
	m->lease.ip = kit_bytes(m->ip, 4);
	m->lease.who = kit_who((unsigned)kit_below(&m->seed, 40), &m->who);
	m->lease.subnet = pick_name(m, m->name, "net", 3);
	m->lease.serial = kit_below(&m->seed, 30);
	m->lease.expires_ms = KIT_START_MS + kit_below(&m->seed, 2000000);
	if (kit_below(&m->seed, 4) == 0)
		m->lease.expires_ms = 0;
	m->lease.declined = kit_below(&m->seed, 5) == 0;
	m->leases[0] = &m->lease;
	m->merge.lease = m->leases;
	m->merge.n_lease = 1;
	m->command.op_case = PXE__COMMAND__OP_MERGE;
	m->command.merge = &m->merge;
}

static void make_reserve_op(struct maker *m)
{
	switch (kit_below(&m->seed, 5)) {
	case 0:
	case 1:
		pxe__reserve_give__init(&m->give);
		m->give.owner = 1 + kit_below(&m->seed, 4);
		m->give.subnet = pick_name(m, m->name, "net", 3);
		m->give.count = (uint32_t)kit_below(&m->seed, 40);
		m->command.op_case = PXE__COMMAND__OP_RESERVE_GIVE;
		m->command.reserve_give = &m->give;
		break;
	case 2:
		pxe__reserve_return__init(&m->given);
		pxe__block_part__init(&m->part);
		m->part.serial = kit_below(&m->seed, 30);
		m->part.mask = kit_random(&m->seed) & kit_random(&m->seed);
		m->parts[0] = &m->part;
		m->given.part = m->parts;
		m->given.n_part = 1;
		m->command.op_case = PXE__COMMAND__OP_RESERVE_RETURN;
		m->command.reserve_return = &m->given;
		break;
	case 3:
		pxe__settle__init(&m->settle);
		m->settle.settled_ms = KIT_START_MS + kit_below(&m->seed, 1000000);
		m->command.op_case = PXE__COMMAND__OP_SETTLE;
		m->command.settle = &m->settle;
		break;
	default: make_merge(m); break;
	}
}

/* A command of its own, to be freed. */
static Pxe__Command *make(struct maker *m)
{
	pxe__command__init(&m->command);
	memset(m->id, 0, sizeof(m->id));
	memset(m->secret, 0, sizeof(m->secret));
	memset(m->hash, 0, sizeof(m->hash));
	memset(m->key, 0, sizeof(m->key));
	memset(m->name, 0, sizeof(m->name));
	uint64_t what = kit_below(&m->seed, 28);
	if (what >= 25)
		make_boot_op(m);
	else if (what >= 23)
		make_seen(m);
	else if (what >= 20)
		make_reserve_op(m);
	else if (what < 11)
		make_lease_op(m);
	else if (what < 15)
		make_put(m);
	else if (what < 16)
		make_delete(m);
	else if (what < 18)
		make_image_op(m);
	else if (what < 19)
		make_member_op(m);
	else {
		pxe__sweep__init(&m->sweep);
		m->sweep.max = (uint32_t)kit_below(&m->seed, 4);
		m->command.op_case = PXE__COMMAND__OP_SWEEP;
		m->command.sweep = &m->sweep;
	}
	m->command.origin = kit_below(&m->seed, 4);
	m->command.incarnation = 1 + m->seq / 500;
	m->command.seq = kit_below(&m->seed, 5) == 0 ? m->seq - kit_below(&m->seed, 10) : ++m->seq;
	uint8_t request[16] = {(uint8_t)kit_below(&m->seed, 40), 1};
	if (kit_below(&m->seed, 8) == 0)
		m->command.request_id = kit_bytes(request, 16);
	return own(&m->command);
}

/* ---- equality ---- */

static void assert_same_result(const struct model_result *a, const struct model_result *b)
{
	assert_int_equal(a->verdict, b->verdict);
	assert_int_equal(a->revision, b->revision);
	assert_int_equal(a->id, b->id);
	assert_string_equal(a->detail, b->detail);
	assert_int_equal(a->lease.ip, b->lease.ip);
	assert_int_equal(a->lease.expires_ms, b->lease.expires_ms);
}

static bool check_block(void *ctx, const Pxe__Block *block)
{
	assert_true(block->free_at_ms != 0 || model_member(ctx, block->owner) != NULL);
	return kit_check_block(ctx, block);
}

/* One model lives from the start, the other is loaded anew from the first one's disk time and
 * again. */
static void run_twins(uint64_t seed, unsigned commands, unsigned *verdicts)
{
	struct kit kit;
	struct maker maker = {.seed = seed, .seq = 20};
	kit_init_bare(&kit);
	struct model *twin = kit_load(&kit.disk);
	for (unsigned i = 0; i < commands; i++) {
		if (kit_below(&maker.seed, 5) == 0) {
			uint64_t step = kit_below(&maker.seed, 3) == 0 ? 20000 : 700;
			kit_at(&kit, kit.now_ms - KIT_START_MS + kit_below(&maker.seed, step));
			model_begin(twin, kit.now_ms, NULL);
		}
		struct model_result result;
		Pxe__Command *command = make(&maker);
		kit_apply(&kit, command);
		model_apply(twin, command, NULL, &result);
		assert_same_result(&kit.result, &result);
		assert_int_equal(model_unsettled_ms(kit.model), model_unsettled_ms(twin));
		model_each_block(kit.model, 0, check_block, kit.model);
		kit_assert_same_digest(kit.model, twin);
		verdicts[result.verdict]++;
		pxe__command__free_unpacked(command, NULL);
		if (kit_below(&maker.seed, 150) == 0) {
			model_free(twin);
			kit_assert_disk_is(&kit.disk, kit.model);
			twin = kit_load(&kit.disk);
		}
	}
	model_free(twin);
	kit_fini(&kit);
}

static void test_equal_logs_make_equal_models(void **state)
{
	(void)state;
	unsigned verdicts[32] = {0};
	for (uint64_t seed = 1; seed <= 40; seed++)
		run_twins(seed, 1000, verdicts);
	/* The commands are worth something: of each kind of outcome there are some. */
	static const Pxe__Verdict seen[] = {V(OK), V(DUPLICATE), V(NO_SUBNET), V(POOL_FULL),
		V(IN_USE), V(NOT_AVAILABLE), V(NOT_FOUND), V(EXISTS), V(INVALID), V(CONFLICT),
		V(IGNORED), V(DENIED), V(RESERVE), V(STALE)};
	for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
		if (verdicts[seen[i]] == 0)
			fail_msg("verdict %d never came", (int)seen[i]);
	}
}

/* ---- hostile bytes ---- */

static void apply_bytes(struct kit *kit, const uint8_t *bytes, size_t count, unsigned *applied)
{
	Pxe__Command *command = pxe__command__unpack(NULL, count, bytes);
	if (command == NULL)
		return;
	kit_apply(kit, command);
	assert_in_range(kit->result.verdict, 0, V(STALE));
	/* A detail is for a person's terminal. */
	for (const char *at = kit->result.detail; *at != '\0'; at++)
		assert_true((unsigned char)*at >= 0x20 && *at != 0x7f);
	pxe__command__free_unpacked(command, NULL);
	*applied += 1;
}

static void test_hostile_commands_do_no_harm(void **state)
{
	(void)state;
	unsigned applied = 0;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct kit kit;
		struct maker maker = {.seed = seed, .seq = 20};
		kit_init(&kit);
		for (unsigned i = 0; i < 600; i++) {
			uint8_t bytes[2048];
			Pxe__Command *command = make(&maker);
			size_t count = pxe__command__get_packed_size(command);
			assert_true(count <= sizeof(bytes));
			pxe__command__pack(command, bytes);
			pxe__command__free_unpacked(command, NULL);
			for (uint64_t flips = 1 + kit_below(&maker.seed, 4); flips > 0; flips--)
				bytes[kit_below(&maker.seed, count)] =
					(uint8_t)kit_random(&maker.seed);
			if (kit_below(&maker.seed, 4) == 0)
				count = kit_below(&maker.seed, count + 1);
			apply_bytes(&kit, bytes, count, &applied);
		}
		kit_fini(&kit);
	}
	assert_true(applied > 1000);
}

static void test_commands_without_content(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	Pxe__Command command = PXE__COMMAND__INIT;
	assert_int_equal(kit_apply(&kit, &command), V(UNSUPPORTED));
	for (unsigned op = 1; op < 60; op++) {
		command.op_case = (Pxe__Command__OpCase)op;
		command.offer = NULL;
		assert_int_equal(kit_apply(&kit, &command), V(INVALID));
	}
	/* Every submessage there is, but empty. */
	static const uint8_t ops[] = {10, 11, 12, 13, 15, 20, 21, 30, 31, 32, 33, 34, 35, 36, 37,
		40, 41, 42, 43, 44, 45, 50, 51, 52, 53};
	for (size_t i = 0; i < sizeof(ops); i++) {
		uint8_t bytes[3] = {(uint8_t)((ops[i] << 3 | 2) & 0x7f), 0, 0};
		size_t count = 2;
		if (ops[i] >= 16) {
			bytes[0] = (uint8_t)((ops[i] << 3 | 2) | 0x80);
			bytes[1] = (uint8_t)((ops[i] << 3 | 2) >> 7);
			count = 3;
		}
		Pxe__Command *empty = pxe__command__unpack(NULL, count, bytes);
		assert_non_null(empty);
		assert_int_equal(empty->op_case, ops[i]);
		kit_apply(&kit, empty);
		assert_int_not_equal(kit.result.verdict, V(OK));
		assert_true(strlen(kit.result.detail) > 0);
		pxe__command__free_unpacked(empty, NULL);
	}
	kit_fini(&kit);
}

/* ---- promises ---- */

#define IPS     24
#define CLIENTS 14

/* What the clients were told, by address. */
struct claim {
	unsigned client; /* 0: nobody's */
	bool bound;      /* an ACK was given at some time */
	uint64_t expires_ms, promised_ms;
	uint64_t released_ms;        /* not 0: given up then */
	uint64_t not_before_ms;      /* given up: nobody else before this */
	uint64_t promised_before_ms; /* declined: nor before this, unless settled */
};

struct history {
	struct claim claim[IPS];
	uint64_t seed;
	unsigned grants, handovers;
};

static struct claim *claim_of(struct history *history, uint32_t ip)
{
	assert_in_range(ip, 0x0a000000u, 0x0a000000u + IPS - 1);
	return &history->claim[ip - 0x0a000000u];
}

/* The model told `client` that it has the lease. */
static void told(struct history *history, struct kit *kit, unsigned client)
{
	const struct lease *lease = &kit->result.lease;
	struct claim *claim = claim_of(history, lease->ip);
	history->grants++;
	assert_true(lease->promised_ms >= lease->expires_ms);
	assert_true(lease->expires_ms > kit->now_ms);
	if (claim->client != 0 && claim->client != client) {
		/* [R4] [R9]: not before the promise, the skew, and the rest. */
		uint64_t free_ms = claim->promised_ms + (claim->bound ? 3000 : 0);
		assert_true(kit->now_ms >= free_ms);
		history->handovers++;
		*claim = (struct claim){0};
	}
	if (kit->now_ms >= claim->promised_ms + 3000)
		claim->bound = false; /* what was ended long ago */
	assert_true(kit->now_ms >= claim->not_before_ms || claim->client == client);
	assert_true(kit->now_ms >= claim->promised_before_ms || claim->client == client);
	assert_true(lease->promised_ms >= claim->promised_ms); /* never shortened */
	if (lease->state == S(BOUND))
		claim->released_ms = 0;
	claim->client = client;
	claim->bound |= lease->state == S(BOUND);
	claim->expires_ms = lease->expires_ms;
	claim->promised_ms = lease->promised_ms;
	/* One offer of one client at a time [P6]: the others are void. */
	for (unsigned i = 0; i < IPS; i++) {
		struct claim *other = &history->claim[i];
		if (other != claim && other->client == client && !other->bound)
			*other = (struct claim){0};
	}
}

/* Every address has one holder at most in the model, and it is who we think. */
static void check_model(struct history *history, const struct kit *kit)
{
	unsigned offers[CLIENTS + 1] = {0};
	for (uint32_t i = 0; i < IPS; i++) {
		struct lease lease;
		const struct claim *claim = &history->claim[i];
		if (!model_lease_of_ip(kit->model, 0x0a000000u + i, &lease)) {
			/* Nothing is forgotten that is still promised. */
			assert_false(claim->client != 0 && claim->bound &&
				     kit->now_ms < claim->promised_ms + 3000);
			continue;
		}
		if (lease.state == S(DECLINED))
			continue;
		if (lease_state_at(&lease, kit->now_ms) != S(FREE))
			assert_int_equal(lease.client[6], claim->client);
		if (lease_state_at(&lease, kit->now_ms) == S(OFFERED))
			offers[lease.client[6]]++;
	}
	for (unsigned i = 1; i <= CLIENTS; i++)
		assert_true(offers[i] <= 1);
}

static void history_give_up(struct history *history, struct kit *kit, uint32_t ip)
{
	struct claim *claim = claim_of(history, ip);
	if (!claim->bound) {
		*claim = (struct claim){0};
		return;
	}
	/* The promise stands until every member knows. */
	if (claim->expires_ms > kit->now_ms)
		claim->expires_ms = kit->now_ms;
	if (claim->released_ms == 0)
		claim->released_ms = kit->now_ms;
}

/* In quarantine; and what a node may have told the client that had it stands. */
static void history_decline(struct claim *claim, const struct kit *kit)
{
	struct claim next = {.not_before_ms = kit->now_ms + 60000};
	if (claim->bound && kit->now_ms < claim->promised_ms + 3000) {
		next.promised_before_ms = claim->promised_ms + 3000;
		next.released_ms = kit->now_ms;
	}
	*claim = next;
}

/* Everybody knows what was stamped before some moment. */
static void step_settle(struct history *history, struct kit *kit)
{
	uint64_t settled_ms = kit->now_ms - kit_below(&history->seed, 2000);
	if (settled_ms < KIT_START_MS || kit_settle(kit, settled_ms - KIT_START_MS) != V(OK))
		return;
	for (unsigned i = 0; i < IPS; i++) {
		struct claim *claim = &history->claim[i];
		if (claim->released_ms == 0 || claim->released_ms >= settled_ms)
			continue;
		/* An offer that was made since, and not withdrawn, stands. */
		struct lease lease;
		uint64_t end_ms = claim->released_ms;
		if (model_lease_of_ip(kit->model, 0x0a000000u + i, &lease) &&
			lease.state == S(OFFERED) && lease.expires_ms > end_ms)
			end_ms = lease.expires_ms;
		if (claim->promised_ms > end_ms)
			claim->promised_ms = end_ms;
		claim->promised_before_ms = claim->released_ms = 0;
	}
	assert_true(model_unsettled_ms(kit->model) == 0 ||
		    model_unsettled_ms(kit->model) >= settled_ms);
}

static void step_time(struct history *history, struct kit *kit)
{
	/* Often to the very edge of some promise. */
	const struct claim *claim = &history->claim[kit_below(&history->seed, IPS)];
	static const uint64_t after[] = {0, 1, 1999, 2000, 2999, 3000};
	uint64_t at = kit->now_ms + kit_below(&history->seed, 3000);
	uint64_t edge = claim->promised_ms + after[kit_below(&history->seed, 6)];
	uint64_t what = kit_below(&history->seed, 4);
	if (what == 0 && claim->client != 0 && edge > kit->now_ms)
		at = edge - kit_below(&history->seed, 2);
	else if (what == 1 && claim->expires_ms > kit->now_ms)
		at = claim->expires_ms - kit_below(&history->seed, 2);
	if (at > kit->now_ms)
		kit_at(kit, at - KIT_START_MS);
}

/* Who may lease from the pool changes with every word of it. */
static void step_guard(struct history *history, struct kit *kit, uint32_t first, uint32_t last)
{
	uint8_t bytes[3][4];
	char pattern[8], name[8];
	char *patterns[1] = {pattern}, *names[1] = {name};
	Pxe__Match match = PXE__MATCH__INIT;
	Pxe__Group group = PXE__GROUP__INIT;
	Pxe__AddressRange range = PXE__ADDRESS_RANGE__INIT, *ranges[1] = {&range};
	Pxe__Pool pool = PXE__POOL__INIT;
	Pxe__Put put = PXE__PUT__INIT, put_pool = PXE__PUT__INIT;
	snprintf(pattern, sizeof(pattern), "*%x", (unsigned)kit_below(&history->seed, 16));
	snprintf(name, sizeof(name), "some");
	group.name = name;
	group.match = &match;
	match.mac = patterns;
	match.n_mac = 1;
	put.object_case = PXE__PUT__OBJECT_GROUP;
	put.group = &group;
	assert_int_equal(kit_put(kit, &put), V(OK));
	msg_ip4_put(first, bytes[0]);
	msg_ip4_put(last, bytes[1]);
	msg_ip4_put(first + (last - first) / 3, bytes[2]);
	pool.name = (char *)(uintptr_t) "lab-1";
	pool.subnet = (char *)(uintptr_t) "lab";
	pool.first_ip = range.first_ip = kit_bytes(bytes[0], 4);
	pool.last_ip = kit_bytes(bytes[1], 4);
	range.last_ip = kit_bytes(bytes[2], 4);
	pool.exclude = ranges;
	pool.n_exclude = kit_below(&history->seed, 2);
	pool.only = pool.except = names;
	pool.n_only = kit_below(&history->seed, 2);
	pool.n_except = pool.n_only == 0;
	put_pool.object_case = PXE__PUT__OBJECT_POOL;
	put_pool.pool = &pool;
	assert_int_equal(kit_put(kit, &put_pool), V(OK));
}

static void step_config(struct history *history, struct kit *kit)
{
	char ip[TEXT_IP4_BYTES], last[TEXT_IP4_BYTES], name[16];
	uint32_t first = 0x0a000004u + (uint32_t)kit_below(&history->seed, IPS - 6);
	unsigned client = 1 + (unsigned)kit_below(&history->seed, CLIENTS);
	snprintf(name, sizeof(name), "host%u", client);
	text_ip4_format(first, ip);
	switch (kit_below(&history->seed, 5)) {
	case 0: kit_host(kit, name, client, 0, ip); break;
	case 4:
		step_guard(history, kit, first,
			first + (uint32_t)kit_below(&history->seed, 0x0a000000u + IPS - first));
		break;
	case 1: kit_delete(kit, PXE__OBJECT_KIND__OBJECT_HOST, name, false); break;
	default:
		text_ip4_format(
			first + (uint32_t)kit_below(&history->seed, 0x0a000000u + IPS - first),
			last);
		kit_pool(kit, "lab-1", "lab", ip, last);
		break;
	}
}

static void step_lease(struct history *history, struct kit *kit)
{
	unsigned client = 1 + (unsigned)kit_below(&history->seed, CLIENTS);
	uint32_t ip = 0x0a000000u + (uint32_t)kit_below(&history->seed, IPS);
	struct claim *claim = claim_of(history, ip);
	if (kit_below(&history->seed, 2) == 0 && claim->client != 0)
		client = claim->client; /* who has something to say about it */
	switch (kit_below(&history->seed, 10)) {
	case 0:
	case 1:
	case 2:
		if (kit_offer(kit, client, kit_below(&history->seed, 2) == 0 ? ip : 0) == V(OK))
			told(history, kit, client);
		break;
	case 3:
	case 4:
	case 5:
	case 6:
		if (kit_bind(kit, client, ip, (uint32_t)kit_below(&history->seed, 120),
			    kit_below(&history->seed, 2) == 0) == V(OK))
			told(history, kit, client);
		break;
	case 7:
		if (kit_release(kit, client, ip, false) == V(OK)) {
			assert_int_equal(claim->client, client);
			history_give_up(history, kit, ip);
		}
		break;
	case 8: {
		bool by_probe = kit_below(&history->seed, 2) == 0;
		if (kit_decline(kit, client, ip, by_probe) == V(OK)) {
			if (by_probe) /* no promise is broken by a probe */
				assert_true(
					!claim->bound || kit->now_ms >= claim->promised_ms + 3000);
			else
				assert_int_equal(claim->client, client);
			history_decline(claim, kit);
		}
		break;
	}
	default: kit_sweep(kit, (uint32_t)kit_below(&history->seed, 5)); break;
	}
}

static void test_no_promise_is_broken(void **state)
{
	(void)state;
	const char *setting = getenv("PXE_MODEL_SEEDS");
	uint64_t seeds = setting != NULL ? strtoull(setting, NULL, 10) : 3000;
	unsigned grants = 0, handovers = 0;
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		struct kit kit;
		struct history history = {.seed = seed};
		kit_init_bare(&kit);
		kit.sink = (struct model_sink){0};
		assert_int_equal(kit_subnet(&kit, "lab", "10.0.0.0", 27, NULL), V(OK));
		assert_int_equal(kit_pool(&kit, "lab-1", "lab", "10.0.0.8", "10.0.0.15"), V(OK));
		for (unsigned i = 0; i < 150; i++) {
			uint64_t what = kit_below(&history.seed, 12);
			if (what < 3)
				step_time(&history, &kit);
			else if (what == 3 && kit_below(&history.seed, 2) == 0)
				step_settle(&history, &kit);
			else if (what == 3)
				step_config(&history, &kit);
			else
				step_lease(&history, &kit);
			check_model(&history, &kit);
		}
		grants += history.grants;
		handovers += history.handovers;
		model_free(kit.model);
		kit_disk_fini(&kit.disk);
	}
	/* The test saw what it is about. */
	assert_true(grants > 10 * seeds);
	assert_true(handovers > seeds / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_logs_make_equal_models),
		cmocka_unit_test(test_hostile_commands_do_no_harm),
		cmocka_unit_test(test_commands_without_content),
		cmocka_unit_test(test_no_promise_is_broken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
