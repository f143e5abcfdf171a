#include "proto/cred/node_conf.h"

#include "proto/cred/credfile.h"
#include "proto/cred/suggest.h"
#include "proto/cred/yaml.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum conf_type {
	CONF_NAME,
	CONF_NUMBER,
	CONF_CLUSTER_ID,
	CONF_INTERFACE,
	CONF_IP,
	CONF_ADDRESS,
	CONF_PORT,
	CONF_PATH,
	CONF_SOCKET,
	CONF_LEVEL,
	CONF_BOOL,
};

/* One key of node.yaml: how its text is read and where it goes. */
struct conf_key {
	const char *name;
	enum conf_type type;
	size_t offset;
	bool needed;
};

#define CONF_KEY(name, type, field, needed)                                                        \
	{                                                                                          \
		name, type, offsetof(struct node_conf, field), needed                              \
	}

static const struct conf_key conf_keys[] = {
	CONF_KEY("name", CONF_NAME, name, true),
	CONF_KEY("id", CONF_NUMBER, id, true),
	CONF_KEY("cluster_id", CONF_CLUSTER_ID, cluster_id, true),
	CONF_KEY("interface", CONF_INTERFACE, interface, true),
	CONF_KEY("serve_ip", CONF_IP, serve_ip, true),
	CONF_KEY("peer", CONF_ADDRESS, peer_address, false),
	CONF_KEY("api", CONF_ADDRESS, api_address, false),
	CONF_KEY("join", CONF_ADDRESS, join_address, false),
	CONF_KEY("http_port", CONF_PORT, http_port, false),
	CONF_KEY("tftp_port", CONF_PORT, tftp_port, false),
	CONF_KEY("tftp_single_port", CONF_BOOL, tftp_single_port, false),
	CONF_KEY("data", CONF_PATH, data_dir, false),
	CONF_KEY("keys", CONF_PATH, keys_dir, false),
	CONF_KEY("socket", CONF_SOCKET, socket_path, false),
	CONF_KEY("log_level", CONF_LEVEL, log_level, false),
};

#define CONF_KEY_COUNT (sizeof conf_keys / sizeof conf_keys[0])

static const struct {
	const char *name;
	int level;
} conf_levels[] = {{"error", 3}, {"warn", 4}, {"info", 6}, {"debug", 7}};

void node_conf_init(const char *directory, struct node_conf *ret_conf)
{
	assert(directory != NULL && ret_conf != NULL);
	memset(ret_conf, 0, sizeof *ret_conf);
	ret_conf->http_port = 80;
	ret_conf->tftp_port = 69;
	ret_conf->log_level = 6;
	snprintf(ret_conf->data_dir, sizeof ret_conf->data_dir, "%s", NODE_CONF_DATA);
	snprintf(ret_conf->socket_path, sizeof ret_conf->socket_path, "%s", NODE_CONF_SOCKET);
	snprintf(ret_conf->keys_dir, sizeof ret_conf->keys_dir, "%s/keys", directory);
}

static bool is_name(const char *text)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

	return text[0] != '\0' && text[0] != '-' && strspn(text, allowed) == strlen(text);
}

static bool is_address(const char *text)
{
	const char *colon = strrchr(text, ':');
	char ip_text[TEXT_IP4_BYTES];
	uint64_t port;
	uint32_t ip;

	if (colon == NULL || (size_t)(colon - text) >= sizeof ip_text) {
		return false;
	}
	snprintf(ip_text, sizeof ip_text, "%.*s", (int)(colon - text), text);
	return text_ip4_parse(ip_text, &ip) == 0 &&
	       text_u64_parse(colon + 1, UINT16_MAX, &port) == 0 && port > 0;
}

static bool set_text(void *field, size_t field_bytes, const char *text, bool fits)
{
	if (!fits || strlen(text) >= field_bytes) {
		return false;
	}
	snprintf(field, field_bytes, "%s", text);
	return true;
}

static bool set_number(uint64_t *field, const char *text, uint64_t max)
{
	return text_u64_parse(text, max, field) == 0 && *field > 0;
}

static bool set_port(uint16_t *field, const char *text)
{
	uint64_t number;

	if (!set_number(&number, text, UINT16_MAX)) {
		return false;
	}
	*field = (uint16_t)number;
	return true;
}

static bool set_level(int *field, const char *text)
{
	for (size_t i = 0; i < sizeof conf_levels / sizeof conf_levels[0]; i++) {
		if (strcmp(text, conf_levels[i].name) == 0) {
			*field = conf_levels[i].level;
			return true;
		}
	}
	return false;
}

static bool set_bool(bool *field, const char *text)
{
	bool yes = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0;

	*field = yes;
	return yes || strcmp(text, "no") == 0 || strcmp(text, "false") == 0;
}

/* NULL when the value fits, else what to write. */
static const char *set_value(const struct conf_key *key, const char *text, struct node_conf *conf)
{
	void *field = (char *)conf + key->offset;
	size_t size;

	switch (key->type) {
	case CONF_NAME:
		return set_text(field, sizeof conf->name, text, is_name(text))
			       ? NULL
			       : "a name of letters, digits, '-', '_' and '.'";
	case CONF_NUMBER: return set_number(field, text, UINT64_MAX) ? NULL : "a number from 1";
	case CONF_CLUSTER_ID:
		return text_hex_parse(text, field, sizeof conf->cluster_id, &size) == 0 &&
				       size == sizeof conf->cluster_id
			       ? NULL
			       : "32 hexadecimal digits";
	case CONF_INTERFACE:
		return set_text(field, sizeof conf->interface, text,
			       text[0] != '\0' && strchr(text, '/') == NULL)
			       ? NULL
			       : "the name of a network interface, such as eth1";
	case CONF_IP:
		return text_ip4_parse(text, field) == 0 ? NULL
							: "an IPv4 address, such as 10.20.0.11";
	case CONF_ADDRESS:
		return set_text(field, NODE_CONF_ADDRESS_BYTES, text, is_address(text))
			       ? NULL
			       : "an address and a port, such as 10.20.0.11:7440";
	case CONF_PORT: return set_port(field, text) ? NULL : "a port, 1 to 65535";
	case CONF_PATH:
		return set_text(field, NODE_CONF_PATH_BYTES, text, text[0] == '/')
			       ? NULL
			       : "an absolute path of at most 255 bytes";
	case CONF_SOCKET:
		return set_text(field, sizeof conf->socket_path, text, text[0] == '/')
			       ? NULL
			       : "an absolute path of at most 107 bytes";
	case CONF_LEVEL: return set_level(field, text) ? NULL : "error, warn, info or debug";
	case CONF_BOOL: return set_bool(field, text) ? NULL : "yes or no";
	}
	return "nothing";
}

static const struct conf_key *find_key(const char *name)
{
	for (size_t i = 0; i < CONF_KEY_COUNT; i++) {
		if (strcmp(conf_keys[i].name, name) == 0) {
			return &conf_keys[i];
		}
	}
	return NULL;
}

static void complain_unknown(struct yaml *yaml, const struct yaml_pair *pair)
{
	const char *names[CONF_KEY_COUNT], *nearest;

	for (size_t i = 0; i < CONF_KEY_COUNT; i++) {
		names[i] = conf_keys[i].name;
	}
	nearest = suggest_nearest(pair->key, names, CONF_KEY_COUNT);
	if (nearest != NULL) {
		yaml_complain(yaml, pair->key_node, "unknown key '%s'; did you mean '%s'?",
			pair->key, nearest);
	} else {
		yaml_complain(yaml, pair->key_node, "unknown key '%s'", pair->key);
	}
}

static void read_pair(struct yaml *yaml, const struct yaml_pair *pair, struct node_conf *conf,
	bool seen[CONF_KEY_COUNT])
{
	const struct conf_key *key = find_key(pair->key);
	char value[NODE_CONF_PATH_BYTES];
	const char *wanted;

	if (key == NULL) {
		complain_unknown(yaml, pair);
		return;
	}
	seen[key - conf_keys] = true;
	if (!yaml_scalar(pair->value, value, sizeof value)) {
		yaml_complain(yaml, pair->key_node, "'%s' needs one short value", pair->key);
		return;
	}
	wanted = set_value(key, value, conf);
	if (wanted != NULL) {
		yaml_complain(yaml, pair->value, "'%s' is not a value for '%s': write %s", value,
			pair->key, wanted);
	}
}

static void default_address(char address[NODE_CONF_ADDRESS_BYTES], uint32_t ip, unsigned port)
{
	char text[TEXT_IP4_BYTES];

	if (address[0] == '\0') {
		snprintf(
			address, NODE_CONF_ADDRESS_BYTES, "%s:%u", text_ip4_format(ip, text), port);
	}
}

static void directory_of(const char *filename, char *ret_directory, size_t bytes)
{
	const char *slash = strrchr(filename, '/');

	snprintf(ret_directory, bytes, "%.*s", slash == NULL ? 1 : (int)(slash - filename),
		slash == NULL ? "." : filename);
}

int node_conf_parse(const char *text, const char *filename, struct node_conf *ret_conf,
	char *ret_error, size_t error_bytes)
{
	char directory[NODE_CONF_PATH_BYTES - 8];
	bool seen[CONF_KEY_COUNT] = {false};
	struct node_conf conf;
	struct yaml_pair pair;
	struct yaml *yaml;
	void *iterator = NULL;
	unsigned errors;
	int result;

	assert(text != NULL && filename != NULL && ret_conf != NULL);
	result = yaml_open(text, filename, ret_error, error_bytes, &yaml);
	if (result != 0) {
		return result;
	}
	directory_of(filename, directory, sizeof directory);
	node_conf_init(directory, &conf);
	while (yaml_next_pair(yaml, &iterator, &pair)) {
		read_pair(yaml, &pair, &conf, seen);
	}
	for (size_t i = 0; i < CONF_KEY_COUNT; i++) {
		if (conf_keys[i].needed && !seen[i]) {
			yaml_complain(yaml, NULL, "'%s' is missing", conf_keys[i].name);
		}
	}
	errors = yaml_errors(yaml);
	yaml_close(yaml);
	if (errors > 0) {
		return -EINVAL;
	}
	default_address(conf.peer_address, conf.serve_ip, NODE_CONF_PEER_PORT);
	default_address(conf.api_address, conf.serve_ip, NODE_CONF_API_PORT);
	default_address(conf.join_address, conf.serve_ip, NODE_CONF_JOIN_PORT);
	*ret_conf = conf;
	return 0;
}

static const char *level_name(int level)
{
	for (size_t i = 0; i < sizeof conf_levels / sizeof conf_levels[0]; i++) {
		if (conf_levels[i].level == level) {
			return conf_levels[i].name;
		}
	}
	return "info";
}

static void format_value(
	const struct conf_key *key, const struct node_conf *conf, char *ret_text, size_t text_bytes)
{
	const void *field = (const char *)conf + key->offset;
	char ip[TEXT_IP4_BYTES];

	switch (key->type) {
	case CONF_NUMBER:
		snprintf(
			ret_text, text_bytes, "%llu", (unsigned long long)*(const uint64_t *)field);
		return;
	case CONF_CLUSTER_ID:
		text_hex_format(conf->cluster_id, sizeof conf->cluster_id, ret_text, text_bytes);
		return;
	case CONF_IP:
		snprintf(ret_text, text_bytes, "%s", text_ip4_format(*(const uint32_t *)field, ip));
		return;
	case CONF_PORT:
		snprintf(ret_text, text_bytes, "%u", (unsigned)*(const uint16_t *)field);
		return;
	case CONF_LEVEL: snprintf(ret_text, text_bytes, "%s", level_name(conf->log_level)); return;
	case CONF_BOOL:
		snprintf(ret_text, text_bytes, "%s", *(const bool *)field ? "yes" : "no");
		return;
	case CONF_NAME:
	case CONF_INTERFACE:
	case CONF_ADDRESS:
	case CONF_PATH:
	case CONF_SOCKET: snprintf(ret_text, text_bytes, "%s", (const char *)field); return;
	}
}

int node_conf_format(const struct node_conf *conf, char *ret_text, size_t text_bytes)
{
	static const char head[] =
		"# What is particular to this node; all else is kept by the cluster: "
		"pxectl help.\n# pxed reads it when it starts.\n";
	char value[NODE_CONF_PATH_BYTES];
	int used = snprintf(ret_text, text_bytes, "%s", head);

	assert(conf != NULL && ret_text != NULL);
	for (size_t i = 0; i < CONF_KEY_COUNT; i++) {
		bool quote;
		if (used < 0 || (size_t)used >= text_bytes) {
			return -ENOSPC;
		}
		format_value(&conf_keys[i], conf, value, sizeof value);
		if (value[0] == '\0') {
			continue;
		}
		quote = strpbrk(value, " \t#:'\"{}[],&*?|<>=!%@`") != NULL;
		used += snprintf(ret_text + used, text_bytes - (size_t)used,
			quote ? "%s: \"%s\"\n" : "%s: %s\n", conf_keys[i].name, value);
	}
	return used < 0 || (size_t)used >= text_bytes ? -ENOSPC : used;
}

static int path_in(const char *directory, const char *file, char ret_path[NODE_CONF_PATH_BYTES],
	char *ret_error, size_t error_bytes)
{
	if (snprintf(ret_path, NODE_CONF_PATH_BYTES, "%s/%s", directory, file) >=
		NODE_CONF_PATH_BYTES) {
		snprintf(ret_error, error_bytes, "%s: the path is too long", directory);
		return -ENAMETOOLONG;
	}
	return 0;
}

int node_conf_load(
	const char *directory, struct node_conf *ret_conf, char *ret_error, size_t error_bytes)
{
	char path[NODE_CONF_PATH_BYTES];
	char *text;
	int result = path_in(directory, NODE_CONF_FILE, path, ret_error, error_bytes);

	if (result == 0) {
		result = credfile_read(path, NODE_CONF_TEXT_MAX, &text, ret_error, error_bytes);
	}
	if (result == 0) {
		result = node_conf_parse(text, path, ret_conf, ret_error, error_bytes);
		free(text);
	}
	return result;
}

int node_conf_save(
	const char *directory, const struct node_conf *conf, char *ret_error, size_t error_bytes)
{
	char path[NODE_CONF_PATH_BYTES], text[NODE_CONF_TEXT_MAX];
	int result = path_in(directory, NODE_CONF_FILE, path, ret_error, error_bytes);

	if (result == 0 && node_conf_format(conf, text, sizeof text) < 0) {
		snprintf(ret_error, error_bytes, "%s: the values are too long", path);
		result = -ENOSPC;
	}
	return result != 0 ? result : credfile_replace(path, 0640, text, ret_error, error_bytes);
}
