/* proto/cred/yaml.h: a flat YAML file: a mapping of scalars and lists of scalars, with places for
 * errors. Deeper files: yaml_tree.h; nothing else knows libfyaml.
 *
 * Pure. All values are texts: no numbers, booleans or dates are guessed. Aliases are not followed.
 */
#ifndef PROTO_CRED_YAML_H
#define PROTO_CRED_YAML_H

#include <stdbool.h>
#include <stddef.h>

struct yaml;
struct fy_node;

struct yaml_pair {
	char key[64];
	struct fy_node *key_node, *value; /* borrowed from the document */
};

/* The document's root must be a mapping. 0, or -EINVAL and the lines of all errors in ret_error.
 * text and filename are borrowed until yaml_close(); errors go to ret_error for as long. */
int yaml_open(const char *text, const char *filename, char *ret_error, size_t error_bytes,
	struct yaml **ret_yaml);
void yaml_close(struct yaml *yaml);
/* The next pair; *iterator starts as NULL. False: no more. */
bool yaml_next_pair(struct yaml *yaml, void **iterator, struct yaml_pair *ret_pair);
/* Copy a scalar; false when it is none or does not fit. */
bool yaml_scalar(struct fy_node *node, char *ret_text, size_t text_bytes);
/* The same on the heap (free()); NULL: not a scalar, or no memory. */
char *yaml_scalar_dup(struct fy_node *node);
/* The next item of a list; *iterator starts as NULL. NULL: no more, or no list. */
struct fy_node *yaml_next_item(struct fy_node *list, void **iterator);
bool yaml_is_list(struct fy_node *node);
/* Add "file:line:column: error: ..." with the source line and a caret; NULL node: the file as a
 * whole. */
void yaml_complain(struct yaml *yaml, struct fy_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Errors told so far. */
unsigned yaml_errors(const struct yaml *yaml);

#endif
