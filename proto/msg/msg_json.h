/* proto/msg/msg_json.h: any message as JSON (RFC 8259), by reflection. Pure.
 *
 * Field names are those of the .proto files. Every scalar is present, also when it is zero; a
 * message or oneof member that is not set is left out; lists are always there. Bytes by the field's
 * name: ip and *_ip as an address (IPv4 or IPv6), mac as "52:54:00:aa:00:01", all else as
 * lower-case hexadecimal; no bytes are "". Enums as the names of their values, unknown values as
 * numbers. 64-bit numbers are written in full (readers that keep numbers as doubles must take
 * care). Strings that are not UTF-8 get U+FFFD for each byte that is not.
 *
 * The writer is our own: jansson's integers are signed, and a counter or UINT64_MAX must come out
 * as it is.
 */
#ifndef PROTO_MSG_MSG_JSON_H
#define PROTO_MSG_MSG_JSON_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

/* Heap text (free()) without a final newline; NULL: no memory. indented: two blanks per level, else
 * one line. Messages nested deeper than 32 levels end in null. */
char *msg_json(const ProtobufCMessage *message, bool indented);
/* A JSON list of messages of one type. */
char *msg_json_list(const ProtobufCMessage *const *messages, size_t count, bool indented);
/* One string in quotes, escaped; heap. */
char *msg_json_string(const char *text);

#endif
