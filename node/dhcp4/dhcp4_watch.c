#include "node/dhcp4/dhcp4_watch.h"

#include "node/dhcp4/dhcp4_packet.h"
#include "proto/wire/dhcp4.h"
#include <assert.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WATCH_BODY_MAX 2048
#define WATCH_TURN_MAX 64 /* frames read in one turn of the loop */

/* ---- the table */

static bool is_ip(const ProtobufCBinaryData *field, uint32_t ip)
{
	const uint8_t *b = field->data;
	return field->len == 4 && ip == ((uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
						(uint32_t)b[2] << 8 | (uint32_t)b[3]);
}

bool dhcp4_watch_is_ours(const struct model *model, uint32_t ip)
{
	const Pxe__Member *members[MODEL_MEMBERS_MAX];
	const Pxe__Settings *settings = model_settings(model);
	size_t count = model_members(model, members, MODEL_MEMBERS_MAX);
	if (settings != NULL && is_ip(&settings->server_ip, ip))
		return true;
	for (size_t i = 0; i < count && i < MODEL_MEMBERS_MAX; i++)
		if (is_ip(&members[i]->serve_ip, ip))
			return true;
	return false;
}

bool dhcp4_watch_read_answer(
	const struct udp4_datagram *datagram, const uint8_t mac[6], struct dhcp4_foreign *ret_heard)
{
	struct dhcp4_message message;
	if (dhcp4_decode(datagram->payload, datagram->payload_bytes, &message) != DHCP4_OK ||
		message.header.op != DHCP4_BOOTREPLY)
		return false;
	*ret_heard = (struct dhcp4_foreign){
		.ip = datagram->flow.source, .has_mac = true, .offered_ip = message.header.yiaddr};
	(void)dhcp4_ip4(&message, DHCP4_SERVER_ID, &ret_heard->ip);
	memcpy(ret_heard->mac, mac, sizeof ret_heard->mac);
	return ret_heard->ip != 0;
}

bool dhcp4_watch_read_request(const uint8_t *packet, size_t bytes, struct dhcp4_foreign *ret_heard)
{
	struct dhcp4_message message;
	if (dhcp4_decode(packet, bytes, &message) != DHCP4_OK ||
		message.header.op != DHCP4_BOOTREQUEST || message.type != DHCP4_REQUEST ||
		message.header.giaddr != 0)
		return false;
	*ret_heard = (struct dhcp4_foreign){.ip = 0};
	(void)dhcp4_ip4(&message, DHCP4_SERVER_ID, &ret_heard->ip);
	(void)dhcp4_ip4(&message, DHCP4_REQUESTED_ADDRESS, &ret_heard->offered_ip);
	return ret_heard->ip != 0;
}

static struct dhcp4_foreign *find_or_add(struct dhcp4_watch_table *table, uint32_t ip)
{
	struct dhcp4_foreign *oldest = &table->server[0];
	for (size_t i = 0; i < table->count; i++) {
		if (table->server[i].ip == ip)
			return &table->server[i];
		if (table->server[i].heard_ms < oldest->heard_ms)
			oldest = &table->server[i];
	}
	struct dhcp4_foreign *slot =
		table->count < DHCP4_WATCH_SERVERS ? &table->server[table->count++] : oldest;
	*slot = (struct dhcp4_foreign){.ip = ip};
	return slot;
}

const struct dhcp4_foreign *dhcp4_watch_table_heard(
	struct dhcp4_watch_table *table, const struct dhcp4_foreign *heard, uint64_t boot_ms)
{
	struct dhcp4_foreign *server = find_or_add(table, heard->ip);
	bool due = server->answers == 0 || boot_ms - server->told_ms >= DHCP4_WATCH_TELL_MS;
	server->answers++;
	server->heard_ms = boot_ms;
	if (heard->offered_ip != 0)
		server->offered_ip = heard->offered_ip;
	if (heard->has_mac) {
		server->has_mac = true;
		memcpy(server->mac, heard->mac, sizeof server->mac);
	}
	if (!due)
		return NULL;
	server->told_ms = boot_ms;
	return server;
}

void dhcp4_watch_table_age(struct dhcp4_watch_table *table, uint64_t boot_ms)
{
	size_t kept = 0;
	for (size_t i = 0; i < table->count; i++)
		if (boot_ms - table->server[i].heard_ms < DHCP4_WATCH_AGE_MS)
			table->server[kept++] = table->server[i];
	table->count = kept;
}

/* ---- the edge */

struct dhcp4_watch {
	struct dhcp4_watch_config config;
	int fd;
	uv_poll_t poll;
	struct dhcp4_watch_table table;
};

static void note(struct dhcp4_watch *watch, const struct dhcp4_foreign *heard)
{
	const struct dhcp4_watch_config *config = &watch->config;
	if (config->is_ours(config->ctx, heard->ip))
		return;
	uint64_t boot_ms = config->now_boot_ms(config->ctx);
	dhcp4_watch_table_age(&watch->table, boot_ms);
	const struct dhcp4_foreign *server = dhcp4_watch_table_heard(&watch->table, heard, boot_ms);
	if (server != NULL)
		config->on_foreign(config->ctx, server);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct dhcp4_watch *watch = poll->data;
	uint8_t body[WATCH_BODY_MAX];
	struct dhcp4_frame frame;
	bool more = status >= 0;
	(void)events;
	for (unsigned i = 0; i < WATCH_TURN_MAX && more; i++) {
		struct udp4_datagram datagram;
		struct dhcp4_foreign heard;
		int result = dhcp4_packet_receive(watch->fd, body, sizeof body, &frame, &more);
		if (result > 0 &&
			udp4_decode(body, frame.bytes, frame.has_checksum, &datagram) == UDP4_OK &&
			dhcp4_watch_read_answer(&datagram, frame.mac, &heard))
			note(watch, &heard);
	}
}

void dhcp4_watch_on_request(struct dhcp4_watch *watch, const struct dhcp4_input *input)
{
	struct dhcp4_foreign heard;
	if (!input->unicast && dhcp4_watch_read_request(input->packet, input->packet_bytes, &heard))
		note(watch, &heard);
}

size_t dhcp4_watch_list(
	struct dhcp4_watch *watch, struct dhcp4_foreign *ret_servers, size_t capacity)
{
	dhcp4_watch_table_age(&watch->table, watch->config.now_boot_ms(watch->config.ctx));
	size_t count = watch->table.count < capacity ? watch->table.count : capacity;
	memcpy(ret_servers, watch->table.server, count * sizeof *ret_servers);
	return count;
}

int dhcp4_watch_open(const struct dhcp4_watch_config *config, struct dhcp4_watch **ret_watch)
{
	static const uint16_t client_port = DHCP4_CLIENT_PORT;
	struct dhcp4_packet_filter filter;
	assert(config->loop != NULL && config->interface != NULL && config->is_ours != NULL);
	unsigned index = if_nametoindex(config->interface);
	if (index == 0)
		return -ENODEV;
	struct dhcp4_watch *watch = calloc(1, sizeof *watch);
	if (watch == NULL)
		return -ENOMEM;
	watch->config = *config;
	watch->config.interface = NULL; /* not ours, and not needed any more */
	dhcp4_packet_filter_udp(DHCP4_SERVER_PORT, &client_port, 1, &filter);
	watch->fd = dhcp4_packet_open((int)index, ETHERTYPE_IP, &filter);
	int result =
		watch->fd < 0 ? watch->fd : uv_poll_init(config->loop, &watch->poll, watch->fd);
	if (result < 0) {
		if (watch->fd >= 0)
			close(watch->fd);
		free(watch);
		return result;
	}
	watch->poll.data = watch;
	uv_poll_start(&watch->poll, UV_READABLE, on_readable);
	*ret_watch = watch;
	return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void dhcp4_watch_close(struct dhcp4_watch *watch)
{
	if (watch == NULL)
		return;
	uv_poll_stop(&watch->poll);
	uv_close((uv_handle_t *)&watch->poll, on_handle_closed);
	close(watch->fd);
}
