/* proto/cred/yaml_tree.h: a whole YAML document as a tree of maps, lists and texts, each with its
 * place, for files of any depth that people write.
 *
 * Pure. With yaml.h the only place that knows libfyaml. All values are texts: no numbers, booleans
 * or dates are guessed. Input is untrusted: depth and number of nodes are limited, aliases (*name)
 * and merge keys (<<) are refused, so that nothing expands. What is read belongs to the struct
 * yaml_tree. Memory that is not there ends the program.
 */
#ifndef PROTO_CRED_YAML_TREE_H
#define PROTO_CRED_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>

#define YAML_TREE_DEPTH_MAX 24
#define YAML_TREE_NODES_MAX 2000000u
#define YAML_TREE_KEYS_MAX  4096u /* of one map */

enum yaml_kind { YAML_TEXT, YAML_LIST, YAML_MAP };

struct yaml_node {
	enum yaml_kind kind;
	bool quoted;           /* YAML_TEXT: in quotes or a block; "" without quotes says nothing */
	const char *file;      /* borrowed, as all below */
	unsigned line, column; /* from 1 */
	unsigned width;        /* for a caret: bytes on that line */
	const char *text;      /* YAML_TEXT, else NULL */
	const struct yaml_node *key; /* in a map: its key; else NULL */
	struct yaml_node *parent, *next, *first, *last;
	size_t count; /* of children */
};

struct yaml_tree_error {
	unsigned line, column;
	char text[256];
};

struct yaml_tree;

struct yaml_tree *yaml_tree_new(void);
void yaml_tree_free(struct yaml_tree *tree);

/* One document; `file` is kept as it is given. NULL with the first error. An empty document is an
 * empty map. */
struct yaml_node *yaml_tree_read(struct yaml_tree *tree, const char *file, const char *text,
	struct yaml_tree_error *ret_error);

/* By hand: a node at the end of parent (NULL: a root), at the same place; a copy of a text. */
struct yaml_node *yaml_tree_add(
	struct yaml_tree *tree, struct yaml_node *parent, enum yaml_kind kind);
char *yaml_tree_copy(struct yaml_tree *tree, const char *text, size_t bytes);
/* Zeroed memory that lives as long as the tree. */
void *yaml_tree_alloc(struct yaml_tree *tree, size_t bytes);

/* The value by that key of a map; NULL: none (or no map). */
const struct yaml_node *yaml_tree_get(const struct yaml_node *map, const char *key);
/* Nothing was said: an empty text without quotes. */
bool yaml_tree_is_empty(const struct yaml_node *node);

#endif
