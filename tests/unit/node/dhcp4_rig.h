/* tests/unit/node/dhcp4_rig.h: the DHCPv4 engine over a real model: packets in, packets out.
 *
 * A rig is one node. Several rigs may share one model, as the nodes of a cluster do: what one of
 * them proposes, any may apply. Proposals travel as bytes, as they do in a log.
 */
#ifndef TESTS_UNIT_NODE_DHCP4_RIG_H
#define TESTS_UNIT_NODE_DHCP4_RIG_H

#include "node/dhcp4/dhcp4_engine.h"
#include "proto/msg/msg_ip4.h"
#include "proto/wire/dhcp4_build.h"
#include "proto/wire/dhcp4_sub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#define IP(a, b, c, d)                                                                             \
	((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

#define RIG_SERVER_IP IP(10, 0, 0, 2) /* the cluster's identifier */
#define RIG_START_MS  1700000000000u
#define RIG_LEASE_S   3600u
#define RIG_OFFER_S   60u
#define RIG_OPTIONS   600

struct rig {
	struct model *model;
	bool owns_model;
	struct dhcp4_engine *engine;
	struct dhcp4_view view;
	struct dhcp4_effects effects;
	/* The proposal of the last effects, packed. */
	uint8_t command[2048];
	size_t command_bytes;
	uint64_t ticket;
	bool keeps_probes; /* else each probe is answered at once: nobody has the address */
	/* The last answer. */
	struct dhcp4_message reply;
};

/* One request to send. Options are added in the order: type, server, requested address, `options`.
 */
struct ask {
	enum dhcp4_type type;
	unsigned client; /* hardware address 52:54:00:00:hi:lo */
	uint32_t xid;
	uint16_t secs, flags;
	uint32_t ciaddr, giaddr;
	uint32_t requested, server;
	bool unicast;
	uint32_t to, from;
	uint16_t port, source_port; /* of ours and the client's; 0: 67, and not known */
	uint8_t hlen;               /* 0: 6 */
	uint8_t chaddr[16];
	uint8_t options[RIG_OPTIONS]; /* code, length, value... */
	size_t options_bytes;
};

static inline void rig_mac(unsigned client, uint8_t ret_mac[6])
{
	const uint8_t mac[6] = {0x52, 0x54, 0, 0, (uint8_t)(client >> 8), (uint8_t)client};
	memcpy(ret_mac, mac, sizeof mac);
}

static inline void ask_option(struct ask *ask, uint8_t code, const void *data, size_t size)
{
	assert_true(ask->options_bytes + 2 + size <= sizeof ask->options && size <= 255);
	ask->options[ask->options_bytes++] = code;
	ask->options[ask->options_bytes++] = (uint8_t)size;
	memcpy(ask->options + ask->options_bytes, data, size);
	ask->options_bytes += size;
}

static inline void ask_text(struct ask *ask, uint8_t code, const char *text)
{
	ask_option(ask, code, text, strlen(text));
}

/* ---- the model */

static inline Pxe__Verdict rig_apply(
	struct rig *rig, Pxe__Command *command, struct model_result *ret_result)
{
	static uint64_t seq;
	command->origin = rig->view.self != 0 ? rig->view.self : 1;
	command->incarnation = 1;
	command->seq = ++seq;
	model_begin(rig->model, rig->view.now_ms, NULL);
	model_apply(rig->model, command, NULL, ret_result);
	return ret_result->verdict;
}

static inline void rig_put(struct rig *rig, Pxe__Put *put)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	struct model_result result;
	command.op_case = PXE__COMMAND__OP_PUT;
	command.put = put;
	Pxe__Verdict verdict = rig_apply(rig, &command, &result);
	if (verdict != PXE__VERDICT__VERDICT_OK)
		fail_msg("put: verdict %d: %s", (int)verdict, result.detail);
}

static inline void rig_pool(
	struct rig *rig, const char *name, const char *subnet, uint32_t first, uint32_t last)
{
	uint8_t first_ip[4], last_ip[4];
	Pxe__Put put = PXE__PUT__INIT;
	Pxe__Pool pool = PXE__POOL__INIT;
	msg_ip4_put(first, first_ip);
	msg_ip4_put(last, last_ip);
	pool.name = (char *)(uintptr_t)name;
	pool.subnet = (char *)(uintptr_t)subnet;
	pool.first_ip = (ProtobufCBinaryData){4, first_ip};
	pool.last_ip = (ProtobufCBinaryData){4, last_ip};
	put.object_case = PXE__PUT__OBJECT_POOL;
	put.pool = &pool;
	rig_put(rig, &put);
}

static inline void rig_subnet(
	struct rig *rig, const char *name, uint32_t network, const char *profile)
{
	uint8_t network_ip[4], gateway_ip[4], dns_ip[4], ntp_ip[4], log_ip[4];
	char domain[] = "lab.example.org";
	ProtobufCBinaryData dns = {4, dns_ip}, ntp = {4, ntp_ip};
	Pxe__Option log_option = PXE__OPTION__INIT;
	Pxe__Option *options[] = {&log_option};
	Pxe__Put put = PXE__PUT__INIT;
	Pxe__Subnet subnet = PXE__SUBNET__INIT;
	msg_ip4_put(network, network_ip);
	msg_ip4_put(network + 1, gateway_ip);
	msg_ip4_put(network + 3, dns_ip);
	msg_ip4_put(network + 4, ntp_ip);
	msg_ip4_put(network + 5, log_ip);
	log_option.code = DHCP4_LOG_SERVERS;
	log_option.data = (ProtobufCBinaryData){4, log_ip};
	subnet.name = (char *)(uintptr_t)name;
	subnet.network_ip = (ProtobufCBinaryData){4, network_ip};
	subnet.prefix_len = 24;
	subnet.gateway_ip = (ProtobufCBinaryData){4, gateway_ip};
	subnet.n_dns_ip = 1;
	subnet.dns_ip = &dns;
	subnet.n_ntp_ip = 1;
	subnet.ntp_ip = &ntp;
	subnet.domain = domain;
	subnet.mtu = 9000;
	subnet.profile = (char *)(uintptr_t)profile;
	subnet.n_options = 1;
	subnet.options = options;
	put.object_case = PXE__PUT__OBJECT_SUBNET;
	put.subnet = &subnet;
	rig_put(rig, &put);
}

static inline void rig_host(
	struct rig *rig, const char *name, unsigned client, uint32_t ip, bool ignore)
{
	uint8_t mac[6], ip_bytes[4];
	ProtobufCBinaryData macs[1] = {{6, mac}};
	Pxe__Put put = PXE__PUT__INIT;
	Pxe__Host host = PXE__HOST__INIT;
	rig_mac(client, mac);
	msg_ip4_put(ip, ip_bytes);
	host.name = (char *)(uintptr_t)name;
	host.n_mac = 1;
	host.mac = macs;
	if (ip != 0)
		host.ip = (ProtobufCBinaryData){4, ip_bytes};
	host.ignore = ignore;
	put.object_case = PXE__PUT__OBJECT_HOST;
	put.host = &host;
	rig_put(rig, &put);
}

static inline void rig_profile(struct rig *rig, const char *name)
{
	char kernel[] = "vmlinuz", image[] = "debian12";
	Pxe__Put put = PXE__PUT__INIT;
	Pxe__Profile profile = PXE__PROFILE__INIT;
	profile.name = (char *)(uintptr_t)name;
	profile.image = image;
	profile.kernel = kernel;
	put.object_case = PXE__PUT__OBJECT_PROFILE;
	put.profile = &profile;
	rig_put(rig, &put);
}

/* An image of the files named, held by `holders`; it is current afterwards. */
static inline void rig_image(struct rig *rig, const char *name, const char *const *paths,
	size_t path_count, const uint64_t *holders, size_t holder_count)
{
	Pxe__ImageFile file[8], *files[8];
	uint8_t sha256[32] = {7}, digest[32] = {0};
	Pxe__ImageVersion version = PXE__IMAGE_VERSION__INIT;
	struct model_result result;
	for (size_t i = 0; i < path_count; i++) {
		pxe__image_file__init(&file[i]);
		file[i].path = (char *)(uintptr_t)paths[i];
		file[i].bytes = 1;
		file[i].sha256 = (ProtobufCBinaryData){32, sha256};
		files[i] = &file[i];
		version.bytes += 1;
	}
	for (size_t i = 0; name[i] != '\0' && i < 32; i++)
		digest[i] = (uint8_t)name[i];
	version.image = (char *)(uintptr_t)name;
	version.digest = (ProtobufCBinaryData){32, digest};
	version.n_files = path_count;
	version.files = files;
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__ImageStage stage = PXE__IMAGE_STAGE__INIT;
	stage.version = &version;
	command.op_case = PXE__COMMAND__OP_IMAGE_STAGE;
	command.image_stage = &stage;
	if (rig_apply(rig, &command, &result) != PXE__VERDICT__VERDICT_OK)
		fail_msg("stage %s: %s", name, result.detail);
	for (size_t i = 0; i < holder_count; i++) {
		Pxe__ImageHeld held = PXE__IMAGE_HELD__INIT;
		held.image = version.image;
		held.digest = version.digest;
		held.member = holders[i];
		pxe__command__init(&command);
		command.op_case = PXE__COMMAND__OP_IMAGE_HELD;
		command.image_held = &held;
		if (rig_apply(rig, &command, &result) != PXE__VERDICT__VERDICT_OK)
			fail_msg("held %s: %s", name, result.detail);
	}
	const Pxe__Image *image = model_image(rig->model, name);
	if (image != NULL && image->current_digest.len == 32)
		return;
	Pxe__ImagePublish publish = PXE__IMAGE_PUBLISH__INIT;
	publish.image = version.image;
	publish.digest = version.digest;
	pxe__command__init(&command);
	command.op_case = PXE__COMMAND__OP_IMAGE_PUBLISH;
	command.image_publish = &publish;
	if (rig_apply(rig, &command, &result) != PXE__VERDICT__VERDICT_OK)
		fail_msg("publish %s: %s", name, result.detail);
}

static inline void rig_settings_fill(
	Pxe__Settings *settings, Pxe__DhcpMode mode, uint8_t server_ip[4])
{
	static char cluster[] = "lab";
	static uint8_t cluster_id[16] = {1}, key[32] = {2};
	pxe__settings__init(settings);
	msg_ip4_put(RIG_SERVER_IP, server_ip);
	settings->cluster = cluster;
	settings->cluster_id = (ProtobufCBinaryData){16, cluster_id};
	settings->server_ip = (ProtobufCBinaryData){4, server_ip};
	settings->dhcp = mode;
	settings->lease_s = RIG_LEASE_S;
	settings->offer_s = RIG_OFFER_S;
	settings->mclt_s = 600;
	settings->decline_s = 600;
	settings->api_public_key = (ProtobufCBinaryData){32, key};
	settings->next_member_id = 2;
}

/* Member `id` as a record: 10.0.0.(10 + id), HTTP port 8080 + id. */
struct rig_member {
	Pxe__Member member;
	char name[16], peer[32], api[32], join[32];
	uint8_t serve_ip[4], key[32];
};

static inline void rig_member_fill(struct rig_member *m, uint64_t id)
{
	pxe__member__init(&m->member);
	snprintf(m->name, sizeof m->name, "pxe%u", (unsigned)id);
	snprintf(m->peer, sizeof m->peer, "10.0.0.%u:7440", 10 + (unsigned)id);
	snprintf(m->api, sizeof m->api, "10.0.0.%u:7441", 10 + (unsigned)id);
	snprintf(m->join, sizeof m->join, "10.0.0.%u:7442", 10 + (unsigned)id);
	msg_ip4_put(IP(10, 0, 0, 10) + (uint32_t)id, m->serve_ip);
	memset(m->key, (int)id, sizeof m->key);
	m->member.id = id;
	m->member.name = m->name;
	m->member.peer_address = m->peer;
	m->member.api_address = m->api;
	m->member.join_address = m->join;
	m->member.serve_ip = (ProtobufCBinaryData){4, m->serve_ip};
	m->member.http_port = 8080 + (uint32_t)id;
	m->member.public_key = (ProtobufCBinaryData){32, m->key};
}

static inline void rig_view_of(struct rig *rig, uint64_t self)
{
	rig->view = (struct dhcp4_view){
		.model = rig->model,
		.now_ms = RIG_START_MS,
		.boot_ms = 1000000,
		.has_quorum = true,
		.fresh = true,
		.self = self,
		.serve_ip = IP(10, 0, 0, 10) + (uint32_t)self,
		.http_port = (uint16_t)(8080 + self),
		.live_count = 1,
		.live = {self},
	};
}

/* Member `id`, the next one, joins. */
static inline void rig_join(struct rig *rig, uint64_t id)
{
	struct rig_member joining;
	struct model_result result;
	uint8_t token_id[8] = {(uint8_t)id}, secret[16] = {7}, hash[32];
	Pxe__Put put = PXE__PUT__INIT;
	Pxe__Token token = PXE__TOKEN__INIT;
	Pxe__MemberJoin join = PXE__MEMBER_JOIN__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	crypto_generichash(hash, sizeof hash, secret, sizeof secret, NULL, 0);
	token.id = (ProtobufCBinaryData){sizeof token_id, token_id};
	token.secret_hash = (ProtobufCBinaryData){sizeof hash, hash};
	token.expires_ms = rig->view.now_ms + 3600000;
	put.object_case = PXE__PUT__OBJECT_TOKEN;
	put.token = &token;
	rig_put(rig, &put);
	rig_member_fill(&joining, id);
	join.token_id = token.id;
	join.token_secret = (ProtobufCBinaryData){sizeof secret, secret};
	join.member = &joining.member;
	command.op_case = PXE__COMMAND__OP_MEMBER_JOIN;
	command.member_join = &join;
	if (rig_apply(rig, &command, &result) != PXE__VERDICT__VERDICT_OK)
		fail_msg("join: %s", result.detail);
	assert_int_equal(result.id, id);
}

/* A cluster of one node with subnet "lab" 10.0.0.0/24 and pool .100 - .199. */
static inline void rig_init(struct rig *rig)
{
	struct rig_member first;
	Pxe__Settings settings;
	uint8_t server_ip[4];
	memset(rig, 0, sizeof *rig);
	rig->model = model_new();
	rig->owns_model = true;
	rig->engine = dhcp4_engine_new();
	assert_non_null(rig->engine);
	rig_view_of(rig, 1);
	rig_settings_fill(&settings, PXE__DHCP_MODE__DHCP_ON, server_ip);
	rig_member_fill(&first, 1);
	model_bootstrap(rig->model, &settings, &first.member, RIG_START_MS, NULL);
	rig_subnet(rig, "lab", IP(10, 0, 0, 0), "");
	rig_pool(rig, "lab", "lab", IP(10, 0, 0, 100), IP(10, 0, 0, 199));
}

static inline void rig_mode(struct rig *rig, Pxe__DhcpMode mode)
{
	Pxe__Settings settings;
	uint8_t server_ip[4];
	Pxe__Put put = PXE__PUT__INIT;
	rig_settings_fill(&settings, mode, server_ip);
	put.object_case = PXE__PUT__OBJECT_SETTINGS;
	put.settings = &settings;
	rig_put(rig, &put);
}

/* Another node of the same cluster. */
static inline void rig_init_peer(struct rig *rig, const struct rig *of, uint64_t self)
{
	memset(rig, 0, sizeof *rig);
	rig->model = of->model;
	rig->engine = dhcp4_engine_new();
	assert_non_null(rig->engine);
	rig_view_of(rig, self);
}

static inline void rig_fini(struct rig *rig)
{
	dhcp4_engine_free(rig->engine);
	if (rig->owns_model)
		model_free(rig->model);
}

static inline void rig_pass(struct rig *rig, uint64_t ms)
{
	rig->view.now_ms += ms;
	rig->view.boot_ms += ms;
}

/* ---- packets */

static inline size_t rig_packet(const struct ask *ask, uint8_t *packet, size_t capacity)
{
	struct dhcp4_builder builder;
	struct dhcp4_header header = {
		.op = DHCP4_BOOTREQUEST,
		.htype = 1,
		.hlen = ask->hlen != 0 ? ask->hlen : 6,
		.xid = ask->xid,
		.secs = ask->secs,
		.flags = ask->flags,
		.ciaddr = ask->ciaddr,
		.giaddr = ask->giaddr,
	};
	if (ask->hlen != 0)
		memcpy(header.chaddr, ask->chaddr, ask->hlen);
	else
		rig_mac(ask->client, header.chaddr);
	dhcp4_build_init(&builder, packet, capacity, capacity);
	dhcp4_build_header(&builder, &header);
	if (ask->type != DHCP4_BOOTP)
		dhcp4_build_u8(&builder, DHCP4_MESSAGE_TYPE, (uint8_t)ask->type);
	if (ask->server != 0)
		dhcp4_build_ip4(&builder, DHCP4_SERVER_ID, ask->server);
	if (ask->requested != 0)
		dhcp4_build_ip4(&builder, DHCP4_REQUESTED_ADDRESS, ask->requested);
	for (size_t at = 0; at < ask->options_bytes; at += 2u + ask->options[at + 1])
		dhcp4_build_option(
			&builder, ask->options[at], ask->options + at + 2, ask->options[at + 1]);
	size_t size = dhcp4_build_finish(&builder);
	assert_int_not_equal(size, 0);
	return size;
}

/* Keep what the effects borrow. */
static inline void rig_note_effects(struct rig *rig)
{
	if (rig->effects.has_probe && !rig->keeps_probes)
		dhcp4_engine_on_probe(
			rig->engine, &rig->view, rig->effects.probe_ticket, false, &rig->effects);
	rig->ticket = 0;
	rig->command_bytes = 0;
	if (rig->effects.has_proposal) {
		const Pxe__Command *command = &rig->effects.proposal.command;
		assert_true(pxe__command__get_packed_size(command) <= sizeof rig->command);
		rig->command_bytes = pxe__command__pack(command, rig->command);
		rig->ticket = rig->effects.proposal.ticket;
	}
	if (rig->effects.has_reply)
		assert_int_equal(
			dhcp4_decode(rig->effects.reply.data, rig->effects.reply.size, &rig->reply),
			DHCP4_OK);
}

static inline void rig_send_bytes(
	struct rig *rig, const struct ask *ask, const uint8_t *packet, size_t packet_bytes)
{
	/* A block of exactly that size: the sanitizer then sees a read past the end. */
	uint8_t *exact = malloc(packet_bytes > 0 ? packet_bytes : 1);
	memcpy(exact, packet, packet_bytes);
	struct dhcp4_input input = {
		.packet = exact,
		.packet_bytes = packet_bytes,
		.link_ip = rig->view.serve_ip,
		.source_ip = ask->from,
		.port = ask->port,
		.source_port = ask->source_port,
		.destination_ip = ask->unicast ? ask->to : UINT32_MAX,
		.unicast = ask->unicast,
		.received_ms = rig->view.boot_ms,
	};
	dhcp4_engine_on_packet(rig->engine, &rig->view, &input, &rig->effects);
	rig_note_effects(rig);
	free(exact);
}

static inline void rig_send(struct rig *rig, const struct ask *ask)
{
	uint8_t packet[1500];
	size_t size = rig_packet(ask, packet, sizeof packet);
	rig_send_bytes(rig, ask, packet, size);
}

/* Put the proposal through the model, and give the engine its outcome. */
static inline Pxe__Verdict rig_commit(struct rig *rig)
{
	struct model_result result;
	assert_int_not_equal(rig->command_bytes, 0);
	uint64_t ticket = rig->ticket;
	Pxe__Command *command = pxe__command__unpack(NULL, rig->command_bytes, rig->command);
	assert_non_null(command);
	Pxe__Verdict verdict = rig_apply(rig, command, &result);
	pxe__command__free_unpacked(command, NULL);
	rig->effects.has_reply = false;
	rig->command_bytes = 0;
	if (ticket != 0) {
		dhcp4_engine_on_outcome(rig->engine, &rig->view, ticket, DHCP4_OUTCOME_APPLIED,
			&result, &rig->effects);
		rig_note_effects(rig);
	}
	return verdict;
}

/* Send; if the engine proposes, commit at once. true: there is an answer in rig->reply. */
static inline bool rig_ask(struct rig *rig, const struct ask *ask)
{
	rig_send(rig, ask);
	if (rig->effects.has_proposal)
		rig_commit(rig);
	return rig->effects.has_reply;
}

static inline void rig_expect_reply(const struct rig *rig, enum dhcp4_type type)
{
	assert_true(rig->effects.has_reply);
	assert_int_equal(rig->reply.type, type);
	assert_int_equal(rig->effects.reply.type, type);
}

static inline void rig_expect_silence(const struct rig *rig)
{
	assert_false(rig->effects.has_reply);
	assert_false(rig->effects.has_proposal);
}

static inline uint64_t rig_count(const struct rig *rig, enum dhcp4_count count)
{
	return dhcp4_engine_counter(rig->engine, count);
}

static inline uint32_t rig_ip4(const struct rig *rig, uint8_t code)
{
	uint32_t ip = 0;
	assert_true(dhcp4_ip4(&rig->reply, code, &ip));
	return ip;
}

static inline uint32_t rig_u32(const struct rig *rig, uint8_t code)
{
	uint32_t value = 0;
	assert_true(dhcp4_u32(&rig->reply, code, &value));
	return value;
}

static inline bool rig_event(const struct rig *rig, Pxe__EventKind kind, const char **ret_text)
{
	for (size_t i = 0; i < rig->effects.event_count; i++) {
		if (rig->effects.event[i].kind != kind)
			continue;
		if (ret_text != NULL)
			*ret_text = rig->effects.event[i].text;
		return true;
	}
	return false;
}

/* DISCOVER, OFFER, REQUEST, ACK. Returns the address. */
static inline uint32_t rig_lease(struct rig *rig, unsigned client)
{
	struct ask ask = {.type = DHCP4_DISCOVER, .client = client, .xid = client + 1};
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_OFFER);
	ask.type = DHCP4_REQUEST;
	ask.requested = rig->reply.header.yiaddr;
	ask.server = RIG_SERVER_IP;
	assert_true(rig_ask(rig, &ask));
	rig_expect_reply(rig, DHCP4_ACK);
	assert_int_equal(rig->reply.header.yiaddr, ask.requested);
	return ask.requested;
}

#endif
