/* ctl/edit_field.h: the fields of an object as protobuf-c unpacks it, each heap memory of its own,
 * and the values that several kinds of objects take. Pure but for messages on ctl->err.
 *
 * What reads an option leaves the field alone when the option is not given, and returns CTL_OK, or
 * CTL_USAGE after telling what is wrong. Lists are replaced as a whole; "none" empties them. */
#ifndef CTL_EDIT_FIELD_H
#define CTL_EDIT_FIELD_H

#include "ctl/command.h"

void edit_set_text(char **field, const char *value);
void edit_set_bytes(ProtobufCBinaryData *field, const void *data, size_t bytes);
void edit_set_ip(ProtobufCBinaryData *field, uint32_t ip);
void edit_clear_bytes(ProtobufCBinaryData **list, size_t *count);
void edit_append_bytes(ProtobufCBinaryData **list, size_t *count, const void *data, size_t bytes);
void edit_append_ip(ProtobufCBinaryData **list, size_t *count, uint32_t ip);
void edit_clear_texts(char ***list, size_t *count);
void edit_append_text(char ***list, size_t *count, const char *text, size_t bytes);
/* Room for one more pointer at the end of a list of messages. */
void edit_append_message(void *list, size_t *count, void *message);
/* An empty message of the type, to be freed with the object that it goes into. */
void *edit_new(const ProtobufCMessageDescriptor *type);

/* "" or "none". */
bool edit_is_none(const char *text);
/* A name as the cluster takes it: letters, digits, '-', '_', '.', at most 63. */
int edit_check_name(const struct ctl *ctl, const char *noun, const char *name);
void edit_text(const struct invocation *in, const char *option, char **field);
int edit_ip(
	const struct ctl *ctl, const char *option, const char *text, ProtobufCBinaryData *field);
/* "10.20.0.2,10.20.0.3", or the option repeated. */
int edit_ips(const struct ctl *ctl, const struct invocation *in, const char *option,
	ProtobufCBinaryData **list, size_t *count);
/* "a,b", or the option repeated: names of `noun`s. */
int edit_names(const struct ctl *ctl, const struct invocation *in, const char *option,
	const char *noun, char ***list, size_t *count);
int edit_seconds(
	const struct ctl *ctl, const struct invocation *in, const char *option, uint32_t *field);
int edit_yes_no(const struct ctl *ctl, const struct invocation *in, const char *option,
	protobuf_c_boolean *field);
/* "52:54:00:aa:00:01" of 6, 8 or 16 bytes. */
int edit_mac(const char *text, uint8_t ret_mac[16], size_t *ret_bytes);
/* An identity that is text or bytes: "text:..", "hex:..", 0xaabb and aa:bb:cc are what they say,
 * all else is text. 0 or -EINVAL. */
int edit_identity(const char *text, uint8_t *ret, size_t capacity, size_t *ret_bytes);
/* "FIRST-LAST", or one address. 0; -EINVAL: not of the form; -ERANGE: the last is below the first.
 */
int edit_range(const char *text, uint32_t *ret_first, uint32_t *ret_last);

#endif
