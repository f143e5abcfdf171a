#include "proto/msg/msg_json.h"

#include "proto/wire/text.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_DEPTH_MAX 32

struct writer {
	FILE *out;
	bool indented;
	unsigned depth;
};

static void put_break(struct writer *w)
{
	if (w->indented) {
		fprintf(w->out, "\n%*s", (int)(2 * w->depth), "");
	}
}

static void open_group(struct writer *w, char bracket)
{
	fputc(bracket, w->out);
	w->depth++;
}

/* empty: nothing was written since open_group. */
static void close_group(struct writer *w, char bracket, bool empty)
{
	w->depth--;
	if (!empty) {
		put_break(w);
	}
	fputc(bracket, w->out);
}

static void put_comma(struct writer *w, bool *first)
{
	if (!*first) {
		fputs(w->indented ? "," : ", ", w->out);
	}
	*first = false;
	put_break(w);
}

static void put_string(FILE *out, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	fputc('"', out);
	while (*s != '\0') {
		size_t length = text_utf8_bytes((const char *)s);
		if (length == 0) {
			fputs("\\ufffd", out);
			length = 1;
		} else if (*s == '"' || *s == '\\') {
			fprintf(out, "\\%c", *s);
		} else if (*s == '\n') {
			fputs("\\n", out);
		} else if (text_is_control((const char *)s)) {
			fprintf(out, "\\u%04x", s[length - 1]); /* U+0080-9F: c2 80-9f */
		} else {
			fwrite(s, 1, length, out);
		}
		s += length;
	}
	fputc('"', out);
}

static bool name_ends(const char *name, const char *word)
{
	size_t name_bytes = strlen(name), word_bytes = strlen(word);

	return name_bytes >= word_bytes && strcmp(name + name_bytes - word_bytes, word) == 0 &&
	       (name_bytes == word_bytes || name[name_bytes - word_bytes - 1] == '_');
}

static void put_bytes(FILE *out, const char *name, const ProtobufCBinaryData *data)
{
	char text[INET6_ADDRSTRLEN];

	if (name_ends(name, "ip") && (data->len == 4 || data->len == 16) &&
		inet_ntop(data->len == 4 ? AF_INET : AF_INET6, data->data, text, sizeof text) !=
			NULL) {
		fprintf(out, "\"%s\"", text);
		return;
	}
	if (name_ends(name, "mac") && data->len > 0 && data->len <= 16) {
		char mac[TEXT_HWADDR_BYTES];
		fprintf(out, "\"%s\"", text_hwaddr_format(data->data, data->len, mac));
		return;
	}
	fputc('"', out);
	for (size_t i = 0; i < data->len; i++) {
		fprintf(out, "%02x", data->data[i]);
	}
	fputc('"', out);
}

static void put_message(struct writer *w, const ProtobufCMessage *message);

static void put_enum(FILE *out, const ProtobufCEnumDescriptor *type, int value)
{
	const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(type, value);

	if (known != NULL) {
		fprintf(out, "\"%s\"", known->name);
	} else {
		fprintf(out, "%d", value);
	}
}

/* JSON has no infinities. */
static void put_real(FILE *out, double value)
{
	if (value - value == 0) {
		fprintf(out, "%.17g", value);
	} else {
		fputs("null", out);
	}
}

static void put_value(struct writer *w, const ProtobufCFieldDescriptor *field, const void *value)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32: fprintf(w->out, "%" PRId32, *(const int32_t *)value); break;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32: fprintf(w->out, "%" PRIu32, *(const uint32_t *)value); break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64: fprintf(w->out, "%" PRId64, *(const int64_t *)value); break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64: fprintf(w->out, "%" PRIu64, *(const uint64_t *)value); break;
	case PROTOBUF_C_TYPE_FLOAT: put_real(w->out, (double)*(const float *)value); break;
	case PROTOBUF_C_TYPE_DOUBLE: put_real(w->out, *(const double *)value); break;
	case PROTOBUF_C_TYPE_BOOL:
		fputs(*(const protobuf_c_boolean *)value ? "true" : "false", w->out);
		break;
	case PROTOBUF_C_TYPE_ENUM: put_enum(w->out, field->descriptor, *(const int *)value); break;
	case PROTOBUF_C_TYPE_STRING: {
		const char *text = *(char *const *)value;
		put_string(w->out, text == NULL ? "" : text);
		break;
	}
	case PROTOBUF_C_TYPE_BYTES: put_bytes(w->out, field->name, value); break;
	case PROTOBUF_C_TYPE_MESSAGE:
		put_message(w, *(const ProtobufCMessage *const *)value);
		break;
	}
}

static size_t element_bytes(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32: return sizeof(uint32_t);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64: return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_FLOAT: return sizeof(float);
	case PROTOBUF_C_TYPE_DOUBLE: return sizeof(double);
	case PROTOBUF_C_TYPE_BOOL: return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_ENUM: return sizeof(int);
	case PROTOBUF_C_TYPE_STRING: return sizeof(char *);
	case PROTOBUF_C_TYPE_BYTES: return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_MESSAGE: return sizeof(ProtobufCMessage *);
	}
	return 0;
}

/* A member of a message by its offset; protobuf-c lays messages out as structs, so it is aligned.
 */
static const void *at(const ProtobufCMessage *message, unsigned offset)
{
	return (const char *)message + offset;
}

static void put_list(
	struct writer *w, const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message)
{
	size_t count = *(const size_t *)at(message, field->quantifier_offset);
	const char *elements = *(char *const *)at(message, field->offset);
	bool first = true;

	open_group(w, '[');
	for (size_t i = 0; i < count; i++) {
		put_comma(w, &first);
		put_value(w, field, elements + i * element_bytes(field));
	}
	close_group(w, ']', first);
}

static bool is_set(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message)
{
	if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
		return *(const uint32_t *)at(message, field->quantifier_offset) == field->id;
	}
	if (field->type == PROTOBUF_C_TYPE_MESSAGE && field->label != PROTOBUF_C_LABEL_REPEATED) {
		return *(ProtobufCMessage *const *)at(message, field->offset) != NULL;
	}
	return true;
}

static void put_message(struct writer *w, const ProtobufCMessage *message)
{
	bool first = true;

	if (message == NULL || w->depth > JSON_DEPTH_MAX) {
		fputs("null", w->out);
		return;
	}
	open_group(w, '{');
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		if (!is_set(field, message)) {
			continue;
		}
		put_comma(w, &first);
		fprintf(w->out, "\"%s\": ", field->name);
		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			put_list(w, field, message);
		} else {
			put_value(w, field, (const char *)message + field->offset);
		}
	}
	close_group(w, '}', first);
}

static char *finish(FILE *out, char **text)
{
	if (fclose(out) != 0) {
		free(*text);
		return NULL;
	}
	return *text;
}

char *msg_json(const ProtobufCMessage *message, bool indented)
{
	char *text = NULL;
	size_t size;
	struct writer w = {open_memstream(&text, &size), indented, 0};

	assert(message != NULL);
	if (w.out == NULL) {
		return NULL;
	}
	put_message(&w, message);
	return finish(w.out, &text);
}

char *msg_json_list(const ProtobufCMessage *const *messages, size_t count, bool indented)
{
	char *text = NULL;
	size_t size;
	struct writer w = {open_memstream(&text, &size), indented, 0};
	bool first = true;

	assert(messages != NULL || count == 0);
	if (w.out == NULL) {
		return NULL;
	}
	open_group(&w, '[');
	for (size_t i = 0; i < count; i++) {
		put_comma(&w, &first);
		put_message(&w, messages[i]);
	}
	close_group(&w, ']', first);
	return finish(w.out, &text);
}

char *msg_json_string(const char *text)
{
	char *quoted = NULL;
	size_t size;
	FILE *out = open_memstream(&quoted, &size);

	assert(text != NULL);
	if (out == NULL) {
		return NULL;
	}
	put_string(out, text);
	return finish(out, &quoted);
}
