#include "ctl/endpoints.h"

#include "proto/cred/credfile.h"
#include "proto/cred/keyfile.h"
#include "proto/cred/node_conf.h"
#include "proto/wire/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CACHE_FILE  "endpoints"
#define CACHE_BYTES 8192

static void add(struct endpoints *endpoints, const char *scheme, const char *address,
	const char *name, bool local)
{
	struct endpoint *endpoint = &endpoints->list[endpoints->count];

	if (endpoints->count == ENDPOINTS_MAX) {
		return;
	}
	if (snprintf(endpoint->url, sizeof endpoint->url, "%s://%s", scheme, address) >=
		(int)sizeof endpoint->url) {
		return;
	}
	snprintf(endpoint->name, sizeof endpoint->name, "%s", name);
	endpoint->local = local;
	for (size_t i = 0; i < endpoints->count; i++) {
		if (strcmp(endpoints->list[i].url, endpoint->url) == 0) {
			snprintf(endpoints->list[i].name, sizeof endpoints->list[i].name, "%s",
				name);
			return;
		}
	}
	endpoints->count++;
}

/* ---- from afar: --endpoint, --key, --server-key */

static bool is_endpoint(const char *text)
{
	const char *colon = strrchr(text, ':');
	uint64_t port;

	return colon != NULL && colon != text && strpbrk(text, "/ ") == NULL &&
	       text_u64_parse(colon + 1, UINT16_MAX, &port) == 0 && port > 0;
}

/* A key itself, in Z85 or, as JSON output has it, in hex; or a file that holds one. */
static int load_server_key(const struct ctl *ctl, struct endpoints *endpoints)
{
	struct keyfile key;
	char error[400];
	size_t bytes;

	if (keyfile_z85_decode(ctl->server_key, endpoints->keys.server_key) == 0 ||
		(text_hex_parse(ctl->server_key, endpoints->keys.server_key, 32, &bytes) == 0 &&
			bytes == 32)) {
		return CTL_OK;
	}
	if (keyfile_load(ctl->server_key, &key, error, sizeof error) != 0) {
		return ctl_fail(ctl, CTL_USAGE,
			"--server-key: write the cluster's API key (40 characters, see: pxectl "
			"cluster info) "
			"or a file that holds it\n  %s",
			error);
	}
	memcpy(endpoints->keys.server_key, key.public_key, 32);
	keyfile_wipe(&key);
	return CTL_OK;
}

static int load_own_key(const struct ctl *ctl, struct endpoints *endpoints)
{
	struct keyfile key;
	char error[400], ignored[400];

	if (keyfile_load(ctl->key, &key, error, sizeof error) != 0) {
		return ctl_fail(ctl, CTL_USAGE, "--key: %s", error);
	}
	if (!key.has_secret && keyfile_load_secret(ctl->key, &key, ignored, sizeof ignored) != 0) {
		return ctl_fail(ctl, CTL_USAGE, "--key: %s holds only the public key, and %s",
			ctl->key, ignored);
	}
	memcpy(endpoints->keys.public_key, key.public_key, 32);
	memcpy(endpoints->keys.secret_key, key.secret_key, 32);
	keyfile_wipe(&key);
	endpoints->have_keys = true;
	return CTL_OK;
}

static int find_remote(const struct ctl *ctl, struct endpoints *endpoints)
{
	int result;

	if (ctl->key == NULL || ctl->server_key == NULL) {
		return ctl_fail(ctl, CTL_USAGE,
			"--endpoint needs --key FILE (yours) and --server-key (the "
			"cluster's, see: pxectl cluster info)");
	}
	for (size_t i = 0; i < ctl->endpoint_count; i++) {
		if (!is_endpoint(ctl->endpoints[i])) {
			return ctl_fail(ctl, CTL_USAGE,
				"--endpoint '%s': write ADDRESS:PORT, such as 10.20.0.11:%d",
				ctl->endpoints[i], NODE_CONF_API_PORT);
		}
		add(endpoints, "tcp", ctl->endpoints[i], "", false);
	}
	result = load_server_key(ctl, endpoints);
	return result != CTL_OK ? result : load_own_key(ctl, endpoints);
}

/* ---- on a node */

/* "NAME ADDRESS" lines. */
static void load_cache(struct endpoints *endpoints)
{
	char *text, *save = NULL, error[400];

	if (credfile_read(endpoints->cache_path, CACHE_BYTES, &text, error, sizeof error) != 0) {
		return;
	}
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
		line = strtok_r(NULL, "\n", &save)) {
		char name[64], address[64];
		if (line[0] != '#' && sscanf(line, "%63s %63s", name, address) == 2 &&
			is_endpoint(address) && strcmp(name, endpoints->self) != 0) {
			add(endpoints, "tcp", address, name, false);
		}
	}
	free(text);
}

/* The members as the join reply named them: known even before the first answer. */
static void load_start(const struct ctl *ctl, struct endpoints *endpoints)
{
	struct node_start start;
	char error[NODE_CONF_ERROR_BYTES];

	if (node_start_load(ctl->directory, &start, error, sizeof error) == 0) {
		for (size_t i = 0; i < start.member_count; i++) {
			if (strcmp(start.members[i]->name, endpoints->self) != 0) {
				add(endpoints, "tcp", start.members[i]->api_address,
					start.members[i]->name, false);
			}
		}
		node_start_fini(&start);
	}
}

static void load_node_keys(struct endpoints *endpoints, const struct node_conf *conf)
{
	struct keyfile own, api;
	char path[NODE_CONF_PATH_BYTES + 16];

	snprintf(path, sizeof path, "%s/node.key", conf->keys_dir);
	if (keyfile_load_secret(
		    path, &own, endpoints->no_keys_why, sizeof endpoints->no_keys_why) != 0) {
		return;
	}
	snprintf(path, sizeof path, "%s/api.key", conf->keys_dir);
	if (keyfile_load(path, &api, endpoints->no_keys_why, sizeof endpoints->no_keys_why) != 0 &&
		keyfile_load_secret(
			path, &api, endpoints->no_keys_why, sizeof endpoints->no_keys_why) != 0) {
		keyfile_wipe(&own);
		return;
	}
	memcpy(endpoints->keys.public_key, own.public_key, 32);
	memcpy(endpoints->keys.secret_key, own.secret_key, 32);
	memcpy(endpoints->keys.server_key, api.public_key, 32);
	endpoints->have_keys = true;
	keyfile_wipe(&own);
	keyfile_wipe(&api);
}

static int no_node(const struct ctl *ctl, int error, const char *text)
{
	if (error == -ENOENT) {
		return ctl_fail(ctl, CTL_UNREACHABLE,
			"there is no node here: no %s/%s.\n"
			"  Run pxectl on a node, name one with --endpoint ADDRESS:%d --key FILE "
			"--server-key KEY,\n"
			"  or make this machine one: pxectl cluster init, pxectl cluster join",
			ctl->directory, NODE_CONF_FILE, NODE_CONF_API_PORT);
	}
	return ctl_fail(ctl, error == -EACCES ? CTL_NOT_ALLOWED : CTL_USAGE, "%s", text);
}

static int find_local(const struct ctl *ctl, struct endpoints *endpoints)
{
	struct node_conf conf;
	char error[NODE_CONF_ERROR_BYTES];
	int result = node_conf_load(ctl->directory, &conf, error, sizeof error);

	if (result != 0 && ctl->socket == NULL) {
		return no_node(ctl, result, error);
	}
	if (result != 0) {
		add(endpoints, "ipc", ctl->socket, "", true);
		snprintf(endpoints->no_keys_why, sizeof endpoints->no_keys_why, "%.399s", error);
		return CTL_OK;
	}
	snprintf(endpoints->self, sizeof endpoints->self, "%s", conf.name);
	snprintf(endpoints->cache_path, sizeof endpoints->cache_path, "%.255s/" CACHE_FILE,
		ctl->directory);
	add(endpoints, "ipc", ctl->socket != NULL ? ctl->socket : conf.socket_path, conf.name,
		true);
	load_node_keys(endpoints, &conf);
	load_cache(endpoints);
	load_start(ctl, endpoints);
	return CTL_OK;
}

int endpoints_find(const struct ctl *ctl, struct endpoints *ret_endpoints)
{
	memset(ret_endpoints, 0, sizeof *ret_endpoints);
	return ctl->endpoint_count > 0 ? find_remote(ctl, ret_endpoints)
				       : find_local(ctl, ret_endpoints);
}

void endpoints_learn(struct endpoints *endpoints, Pxe__Member *const *members, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (is_endpoint(members[i]->api_address) &&
			strcmp(members[i]->name, endpoints->self) != 0) {
			add(endpoints, "tcp", members[i]->api_address, members[i]->name, false);
		}
	}
}

void endpoints_keep(const struct endpoints *endpoints, Pxe__Member *const *members, size_t count)
{
	char text[CACHE_BYTES] = "# Where the other nodes answer; kept by pxectl.\n", *old = NULL;
	char error[400];
	size_t used = strlen(text);

	if (endpoints->cache_path[0] == '\0' || count == 0) {
		return;
	}
	for (size_t i = 0; i < count && used < sizeof text - 200; i++) {
		if (is_endpoint(members[i]->api_address)) {
			used += (size_t)snprintf(text + used, sizeof text - used, "%.63s %.63s\n",
				members[i]->name, members[i]->api_address);
		}
	}
	if (credfile_read(endpoints->cache_path, CACHE_BYTES, &old, error, sizeof error) == 0) {
		bool same = strcmp(old, text) == 0;
		free(old);
		if (same) {
			return;
		}
	}
	if (credfile_replace(endpoints->cache_path, 0644, text, error, sizeof error) != 0) {
		return; /* an operator who may not write there learns the members again next time */
	}
}
