/* start.yaml: records as base64, so that whatever a newer version adds to them goes through
 * unharmed. */
#include "proto/cred/credfile.h"
#include "proto/cred/node_conf.h"
#include "proto/cred/yaml.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_MEMBERS_MAX 64
#define START_RECORD_MAX  65536
#define START_TEXT_MAX    (1024 * 1024)

/* Decode base64 of a packed message; NULL: it is not one. */
static ProtobufCMessage *unpack_text(const ProtobufCMessageDescriptor *type, const char *text)
{
	size_t capacity = strlen(text), size = 0;
	uint8_t *data = capacity > START_RECORD_MAX ? NULL : malloc(capacity + 1);
	ProtobufCMessage *message = NULL;

	if (data == NULL) {
		return NULL;
	}
	if (sodium_base642bin(data, capacity + 1, text, capacity, " \n", &size, NULL,
		    sodium_base64_VARIANT_ORIGINAL) == 0) {
		message = protobuf_c_message_unpack(type, NULL, size, data);
	}
	free(data);
	return message;
}

static void *read_record(struct yaml *yaml, struct fy_node *node, struct fy_node *place,
	const ProtobufCMessageDescriptor *type)
{
	char *text = yaml_scalar_dup(node);
	ProtobufCMessage *message = text == NULL ? NULL : unpack_text(type, text);

	free(text);
	if (message == NULL) {
		yaml_complain(yaml, place, "this is not a record as pxectl writes it");
	}
	return message;
}

static void read_members(struct yaml *yaml, const struct yaml_pair *pair, struct node_start *start)
{
	struct fy_node *item;
	void *iterator = NULL;

	start->members = calloc(START_MEMBERS_MAX, sizeof *start->members);
	if (start->members == NULL || !yaml_is_list(pair->value)) {
		yaml_complain(yaml, pair->key_node, "'members' needs a list");
		return;
	}
	while ((item = yaml_next_item(pair->value, &iterator)) != NULL) {
		Pxe__Member *member;
		if (start->member_count == START_MEMBERS_MAX) {
			yaml_complain(
				yaml, pair->key_node, "more than %d members", START_MEMBERS_MAX);
			return;
		}
		member = read_record(yaml, item, item, &pxe__member__descriptor);
		if (member != NULL) {
			start->members[start->member_count++] = member;
		}
	}
}

static void read_key(struct yaml *yaml, const struct yaml_pair *pair, struct node_start *start)
{
	char value[32];

	if (strcmp(pair->key, "start") == 0) {
		if (!yaml_scalar(pair->value, value, sizeof value)) {
			value[0] = '\0';
		}
		start->kind = strcmp(value, "bootstrap") == 0 ? NODE_START_BOOTSTRAP
			      : strcmp(value, "join") == 0    ? NODE_START_JOIN
			      : strcmp(value, "restore") == 0 ? NODE_START_RESTORE
							      : NODE_START_NONE;
		if (start->kind == NODE_START_NONE) {
			yaml_complain(yaml, pair->value, "write 'bootstrap', 'join' or 'restore'");
		}
	} else if (strcmp(pair->key, "settings") == 0) {
		start->settings =
			read_record(yaml, pair->value, pair->key_node, &pxe__settings__descriptor);
	} else if (strcmp(pair->key, "self") == 0) {
		start->self =
			read_record(yaml, pair->value, pair->key_node, &pxe__member__descriptor);
	} else if (strcmp(pair->key, "members") == 0) {
		read_members(yaml, pair, start);
	} else {
		yaml_complain(yaml, pair->key_node, "unknown key '%s'", pair->key);
	}
}

static void check_whole(struct yaml *yaml, const struct node_start *start)
{
	if (yaml_errors(yaml) > 0) {
		return;
	}
	if (start->kind == NODE_START_NONE) {
		yaml_complain(yaml, NULL, "'start' is missing");
	} else if (start->self == NULL) {
		yaml_complain(yaml, NULL, "'self' is missing");
	} else if (start->kind != NODE_START_JOIN && start->settings == NULL) {
		yaml_complain(yaml, NULL, "'settings' is missing");
	} else if (start->kind == NODE_START_JOIN && start->member_count == 0) {
		yaml_complain(yaml, NULL, "'members' is missing");
	}
}

int node_start_parse(const char *text, const char *filename, struct node_start *ret_start,
	char *ret_error, size_t error_bytes)
{
	struct node_start start;
	struct yaml_pair pair;
	struct yaml *yaml;
	void *iterator = NULL;
	unsigned errors;
	int result;

	assert(text != NULL && filename != NULL && ret_start != NULL);
	memset(&start, 0, sizeof start);
	result = yaml_open(text, filename, ret_error, error_bytes, &yaml);
	if (result != 0) {
		return result;
	}
	while (yaml_next_pair(yaml, &iterator, &pair)) {
		read_key(yaml, &pair, &start);
	}
	check_whole(yaml, &start);
	errors = yaml_errors(yaml);
	yaml_close(yaml);
	if (errors > 0) {
		node_start_fini(&start);
		return -EINVAL;
	}
	*ret_start = start;
	return 0;
}

static void print_record(FILE *out, const char *before, const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	size_t text_bytes = sodium_base64_ENCODED_LEN(size, sodium_base64_VARIANT_ORIGINAL);
	uint8_t *data = malloc(size + 1);
	char *text = malloc(text_bytes);

	if (data != NULL && text != NULL) {
		protobuf_c_message_pack(message, data);
		sodium_bin2base64(text, text_bytes, data, size, sodium_base64_VARIANT_ORIGINAL);
		fprintf(out, "%s\"%s\"\n", before, text);
	}
	free(data);
	free(text);
}

char *node_start_format(const struct node_start *start)
{
	char *text = NULL;
	size_t size;
	FILE *out;

	assert(start != NULL && start->kind != NODE_START_NONE && start->self != NULL);
	out = open_memstream(&text, &size);
	if (out == NULL) {
		return NULL;
	}
	fprintf(out,
		"# Followed once, at the first start of pxed; then renamed to %s.done.\nstart: "
		"%s\n",
		NODE_START_FILE,
		start->kind == NODE_START_BOOTSTRAP ? "bootstrap"
		: start->kind == NODE_START_RESTORE ? "restore"
						    : "join");
	fprintf(out, "# member %llu, %s\n", (unsigned long long)start->self->id, start->self->name);
	print_record(out, "self: ", &start->self->base);
	if (start->settings != NULL) {
		fprintf(out, "# cluster %s\n", start->settings->cluster);
		print_record(out, "settings: ", &start->settings->base);
	}
	if (start->member_count > 0) {
		fprintf(out, "members:\n");
	}
	for (size_t i = 0; i < start->member_count; i++) {
		fprintf(out, "# %s, %s\n", start->members[i]->name,
			start->members[i]->peer_address);
		print_record(out, "- ", &start->members[i]->base);
	}
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static int start_path(const char *directory, char ret_path[NODE_CONF_PATH_BYTES])
{
	return snprintf(ret_path, NODE_CONF_PATH_BYTES, "%s/%s", directory, NODE_START_FILE) >=
			       NODE_CONF_PATH_BYTES
		       ? -ENAMETOOLONG
		       : 0;
}

int node_start_load(
	const char *directory, struct node_start *ret_start, char *ret_error, size_t error_bytes)
{
	char path[NODE_CONF_PATH_BYTES];
	char *text;
	int result = start_path(directory, path);

	if (result != 0) {
		snprintf(ret_error, error_bytes, "%s: the path is too long", directory);
		return result;
	}
	result = credfile_read(path, START_TEXT_MAX, &text, ret_error, error_bytes);
	if (result == -ENOENT) {
		memset(ret_start, 0, sizeof *ret_start);
		return 0;
	}
	if (result == 0) {
		result = node_start_parse(text, path, ret_start, ret_error, error_bytes);
		free(text);
	}
	return result;
}

int node_start_save(
	const char *directory, const struct node_start *start, char *ret_error, size_t error_bytes)
{
	char path[NODE_CONF_PATH_BYTES];
	char *text = node_start_format(start);
	int result = text == NULL ? -ENOMEM : start_path(directory, path);

	if (result != 0) {
		snprintf(ret_error, error_bytes, "%s: %s", directory, strerror(-result));
	} else {
		result = credfile_replace(path, 0640, text, ret_error, error_bytes);
	}
	free(text);
	return result;
}

int node_start_done(const char *directory)
{
	char from[NODE_CONF_PATH_BYTES], to[NODE_CONF_PATH_BYTES + 8];
	int result = start_path(directory, from);

	if (result != 0) {
		return result;
	}
	snprintf(to, sizeof to, "%s.done", from);
	return rename(from, to) == 0 || errno == ENOENT ? 0 : -errno;
}

void node_start_fini(struct node_start *start)
{
	assert(start != NULL);
	if (start->settings != NULL) {
		pxe__settings__free_unpacked(start->settings, NULL);
	}
	if (start->self != NULL) {
		pxe__member__free_unpacked(start->self, NULL);
	}
	for (size_t i = 0; i < start->member_count; i++) {
		pxe__member__free_unpacked(start->members[i], NULL);
	}
	free(start->members);
	memset(start, 0, sizeof *start);
}
