/* store/kv/kv_check.c: is the file a sound LMDB file? Before LMDB itself looks at it.
 *
 * LMDB trusts its file: a page that the disk changed makes it read outside of its map, or write
 * over pages in use. So each start walks all of the trees once, as the newest head page has them,
 * with every number checked: pages in range and used once, free ones not used at all, keys in
 * order, as many as there should be. What values mean is not its business (the state has a digest
 * for that).
 *
 * Format: LMDB 0.9, data version 1, 64 bit, native byte order (lmdb's mdb.c: MDB_page, MDB_node,
 * MDB_db, MDB_meta). Another version is left to LMDB to refuse.
 */
#include "store/kv/kv_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC          0xBEEFC0DEu
#define DATA_VERSION   1
#define NO_PAGE        UINT64_MAX
#define META_PAGES     2
#define META_BYTES     152 /* of a head page: up to the end of the transaction id */
#define PAGE_HEAD      16
#define NODE_HEAD      8
#define DB_BYTES       48
#define PAGE_MIN_BYTES 256
#define PAGE_MAX_BYTES 65536
#define DEPTH_MAX      32
#define PAGES_MAX      ((uint64_t)1 << 28)
#define PAGE_BRANCH    0x01
#define PAGE_LEAF      0x02
#define PAGE_OVERFLOW  0x04
#define PAGE_KINDS     0x6f /* all that say what a page is */
#define NODE_BIG       0x01 /* the value stands in pages of its own */
#define NODE_SUB       0x02 /* the value is a tree */

struct tree {
	uint16_t flags, depth;
	uint64_t entries, root;
};

struct key {
	uint8_t byte[KV_KEY_MAX_BYTES];
	size_t bytes;
	bool known;
};

struct level {
	uint8_t *page; /* page_bytes */
	unsigned next, count;
};

struct check {
	int fd;
	uint64_t file_bytes, last_page;
	size_t page_bytes;
	uint8_t *seen; /* a bit for each page that is used, or free */
	struct level level[DEPTH_MAX];
	struct tree sub[8]; /* trees named in the main tree */
	unsigned sub_count;
	const char *wrong; /* NULL: nothing yet */
};

static uint16_t u16_at(const uint8_t *at)
{
	uint16_t value;
	memcpy(&value, at, sizeof value);
	return value;
}

static uint32_t u32_at(const uint8_t *at)
{
	uint32_t value;
	memcpy(&value, at, sizeof value);
	return value;
}

static uint64_t u64_at(const uint8_t *at)
{
	uint64_t value;
	memcpy(&value, at, sizeof value);
	return value;
}

static struct tree tree_at(const uint8_t *at)
{
	return (struct tree){.flags = u16_at(at + 4),
		.depth = u16_at(at + 6),
		.entries = u64_at(at + 32),
		.root = u64_at(at + 40)};
}

static bool wrong(struct check *check, const char *what)
{
	if (!check->wrong)
		check->wrong = what;
	return false;
}

/* Mark a page; false: it is out of range, or marked. */
static bool take(struct check *check, uint64_t page)
{
	uint8_t bit;

	if (page < META_PAGES || page > check->last_page)
		return wrong(check, "a page number is out of range");
	bit = (uint8_t)(1u << page % 8);
	if (check->seen[page / 8] & bit)
		return wrong(check, "a page is used twice");
	check->seen[page / 8] |= bit;
	return true;
}

static bool read_at(struct check *check, uint64_t offset, void *to, size_t bytes)
{
	if (offset > check->file_bytes || bytes > check->file_bytes - offset)
		return wrong(check, "the file is cut off");
	if (pread(check->fd, to, bytes, (off_t)offset) != (ssize_t)bytes)
		return wrong(check, "a page cannot be read");
	return true;
}

/* ---- values */

/* The pages of a value too large for a leaf; ret_value (bytes) may be NULL. */
static bool check_overflow(struct check *check, uint64_t page, size_t bytes, uint8_t *ret_value)
{
	uint64_t count = (PAGE_HEAD - 1 + (uint64_t)bytes) / check->page_bytes + 1;
	uint64_t offset = page * check->page_bytes;
	uint8_t head[PAGE_HEAD];

	for (uint64_t i = 0; i < count; i++) {
		if (!take(check, page + i))
			return false;
	}
	if (!read_at(check, offset, head, sizeof head))
		return false;
	if (u64_at(head) != page || !(u16_at(head + 10) & PAGE_OVERFLOW) ||
		u32_at(head + 12) < count)
		return wrong(check, "a page is not what it should be");
	if (ret_value)
		return read_at(check, offset + PAGE_HEAD, ret_value, bytes);
	return offset + PAGE_HEAD + bytes <= check->file_bytes ||
	       wrong(check, "the file is cut off");
}

/* A list of free pages: their count, then their numbers, falling. */
static bool check_free(struct check *check, const uint8_t *value, size_t bytes)
{
	uint64_t count, above = NO_PAGE;

	if (bytes < 8 || (count = u64_at(value)) > bytes / 8 - 1)
		return wrong(check, "the list of free pages is damaged");
	for (uint64_t i = 1; i <= count; i++) {
		uint64_t page = u64_at(value + 8 * i);

		if (page >= above)
			return wrong(check, "the list of free pages is damaged");
		if (!take(check, page))
			return false;
		above = page;
	}
	return true;
}

enum purpose { PURPOSE_FREE, PURPOSE_MAIN, PURPOSE_DATA };

static bool check_value(struct check *check, enum purpose purpose, const uint8_t *value,
	size_t bytes, unsigned flags, size_t room_bytes)
{
	uint8_t *copy = NULL;
	bool sound;

	if ((flags & ~(unsigned)(NODE_BIG | NODE_SUB)) != 0)
		return wrong(check, "a record is not what it should be");
	if (flags & NODE_SUB) {
		if (purpose != PURPOSE_MAIN || bytes != DB_BYTES || bytes > room_bytes ||
			check->sub_count == sizeof check->sub / sizeof check->sub[0])
			return wrong(check, "the list of databases is damaged");
		check->sub[check->sub_count++] = tree_at(value);
		return true;
	}
	if (!(flags & NODE_BIG)) {
		if (bytes > room_bytes)
			return wrong(check, "a record reaches out of its page");
		return purpose != PURPOSE_FREE || check_free(check, value, bytes);
	}
	if (room_bytes < 8)
		return wrong(check, "a record reaches out of its page");
	if (bytes > check->file_bytes)
		return wrong(check, "a record is larger than the file");
	if (purpose == PURPOSE_FREE && !(copy = malloc(bytes)))
		return wrong(check, "there is no memory to check it");
	sound = check_overflow(check, u64_at(value), bytes, copy) &&
		(!copy || check_free(check, copy, bytes));
	free(copy);
	return sound;
}

/* ---- trees */

/* Integer keys have 8 bytes, which the callers make sure of. */
static int compare(
	const struct tree *tree, const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes)
{
	size_t common = a_bytes < b_bytes ? a_bytes : b_bytes;
	int order;

	if (tree->flags & MDB_INTEGERKEY)
		return u64_at(a) < u64_at(b) ? -1 : u64_at(a) > u64_at(b);
	order = memcmp(a, b, common);
	return order ? order : a_bytes < b_bytes ? -1 : a_bytes > b_bytes;
}

/* Keys come in order; `at_least` the last one, or beyond it. */
static bool check_key(struct check *check, const struct tree *tree, struct key *last,
	const uint8_t *key, size_t bytes, bool at_least)
{
	int order;

	if (bytes == 0 || bytes > KV_KEY_MAX_BYTES || (tree->flags & MDB_INTEGERKEY && bytes != 8))
		return wrong(check, "a key is not what it should be");
	order = last->known ? compare(tree, last->byte, last->bytes, key, bytes) : -1;
	if (order > 0 || (order == 0 && !at_least))
		return wrong(check, "keys are out of order");
	memcpy(last->byte, key, bytes);
	last->bytes = bytes;
	last->known = true;
	return true;
}

/* Bytes of the node at `at`, of which the head lies inside of the page. */
static size_t node_bytes(const uint8_t *page, unsigned at, bool leaf)
{
	size_t bytes = NODE_HEAD + (size_t)u16_at(page + at + 6);

	if (leaf)
		bytes += u16_at(page + at + 4) & NODE_BIG ? 8 : u32_at(page + at);
	return bytes + bytes % 2;
}

/* The nodes of a page fill it from `upper` to its end, side by side: LMDB moves them as one block.
 */
static bool tiles(struct check *check, const struct level *level, unsigned upper, bool leaf)
{
	uint8_t starts[PAGE_MAX_BYTES / 2 / 8] = {0};
	unsigned nodes = 0;
	size_t at;

	for (unsigned i = 0; i < level->count; i++) {
		at = u16_at(level->page + PAGE_HEAD + 2 * i);
		if (at % 2 || at < upper || at + NODE_HEAD > check->page_bytes)
			return false;
		starts[at / 2 / 8] |= (uint8_t)(1u << at / 2 % 8);
	}
	for (at = upper; at < check->page_bytes; nodes++) {
		if (at % 2 || !(starts[at / 2 / 8] & 1u << at / 2 % 8))
			return false;
		at += node_bytes(level->page, (unsigned)at, leaf);
	}
	return at == check->page_bytes && nodes == level->count;
}

/* Read the page of a tree at this depth, and see that its nodes' places are inside of it. */
static bool enter(struct check *check, const struct tree *tree, unsigned depth, uint64_t page)
{
	struct level *level = &check->level[depth];
	unsigned kind = depth + 1 == tree->depth ? PAGE_LEAF : PAGE_BRANCH, lower, upper;

	if (!level->page && !(level->page = malloc(PAGE_MAX_BYTES)))
		return wrong(check, "there is no memory to check it");
	if (!take(check, page) ||
		!read_at(check, page * check->page_bytes, level->page, check->page_bytes))
		return false;
	lower = u16_at(level->page + 12);
	upper = u16_at(level->page + 14);
	if (u64_at(level->page) != page || (u16_at(level->page + 10) & PAGE_KINDS) != kind ||
		lower <= PAGE_HEAD || lower % 2 || upper < lower || upper > check->page_bytes)
		return wrong(check, "a page is not what it should be");
	level->next = 0;
	level->count = (lower - PAGE_HEAD) / 2;
	return tiles(check, level, upper, kind == PAGE_LEAF) ||
	       wrong(check, "the records of a page do not fit together");
}

static bool check_leaf(struct check *check, const struct tree *tree, enum purpose purpose,
	struct level *level, struct key *last, bool *below, uint64_t *count)
{
	for (; level->next < level->count; level->next++) {
		const uint8_t *node =
			level->page + u16_at(level->page + PAGE_HEAD + 2 * level->next);
		size_t key_bytes = u16_at(node + 6);
		const uint8_t *value = node + NODE_HEAD + key_bytes;

		if (!check_key(check, tree, last, node + NODE_HEAD, key_bytes, *below) ||
			!check_value(check, purpose, value, u32_at(node), u16_at(node + 4),
				(size_t)(level->page + check->page_bytes - value)))
			return false;
		*below = false;
		(*count)++;
	}
	return true;
}

static bool check_tree(struct check *check, const struct tree *tree, enum purpose purpose)
{
	struct key last = {.known = false};
	uint64_t count = 0;
	unsigned depth = 0;
	bool below = false; /* a branch's key went before: the next leaf's is not below it */

	if (tree->root == NO_PAGE)
		return tree->entries == 0 || wrong(check, "a tree is missing");
	if (tree->depth == 0 || tree->depth > DEPTH_MAX)
		return wrong(check, "a tree is not what it should be");
	if (!enter(check, tree, 0, tree->root))
		return false;
	for (;;) {
		struct level *level = &check->level[depth];

		if (depth + 1 == tree->depth &&
			!check_leaf(check, tree, purpose, level, &last, &below, &count))
			return false;
		if (level->next == level->count) {
			if (depth == 0)
				break;
			depth--;
			continue;
		}
		const uint8_t *node =
			level->page + u16_at(level->page + PAGE_HEAD + 2 * level->next);
		uint64_t child = u32_at(node) | (uint64_t)u16_at(node + 4) << 32;
		/* The first key of a branch says nothing. */
		if (level->next++ > 0) {
			if (!check_key(
				    check, tree, &last, node + NODE_HEAD, u16_at(node + 6), false))
				return false;
			below = true;
		}
		if (!enter(check, tree, ++depth, child))
			return false;
	}
	return count == tree->entries || wrong(check, "records are missing");
}

/* ---- the file */

/* False: not a file that this code knows; LMDB says why. */
static bool read_heads(struct check *check, uint8_t ret_head[META_BYTES])
{
	uint8_t first[META_BYTES], second[META_BYTES];
	uint32_t page_bytes;

	if (pread(check->fd, first, sizeof first, 0) != (ssize_t)sizeof first ||
		u32_at(first + 16) != MAGIC || u32_at(first + 20) != DATA_VERSION)
		return false;
	page_bytes = u32_at(first + 40);
	if (page_bytes < PAGE_MIN_BYTES || page_bytes > PAGE_MAX_BYTES / 2 ||
		(page_bytes & (page_bytes - 1)))
		return wrong(check, "its page size is impossible");
	if (pread(check->fd, second, sizeof second, (off_t)page_bytes) != (ssize_t)sizeof second ||
		u32_at(second + 16) != MAGIC || u32_at(second + 20) != DATA_VERSION)
		return false;
	check->page_bytes = page_bytes;
	if (u32_at(second + 40) != page_bytes)
		return wrong(check, "its head pages differ in page size");
	memcpy(ret_head, u64_at(first + 144) < u64_at(second + 144) ? second : first, META_BYTES);
	check->last_page = u64_at(ret_head + 136);
	if (check->last_page < META_PAGES - 1 || check->last_page > PAGES_MAX)
		return wrong(check, "its number of pages is impossible");
	return true;
}

static void check_all(struct check *check)
{
	uint8_t head[META_BYTES];
	struct tree free_pages, names;

	if (!read_heads(check, head))
		return;
	check->seen = calloc(1, check->last_page / 8 + 1);
	if (!check->seen) {
		wrong(check, "there is no memory to check it");
		return;
	}
	free_pages = tree_at(head + 40);
	names = tree_at(head + 88);
	free_pages.flags |= MDB_INTEGERKEY;
	if (!check_tree(check, &free_pages, PURPOSE_FREE) ||
		!check_tree(check, &names, PURPOSE_MAIN))
		return;
	for (unsigned i = 0; i < check->sub_count; i++) {
		if (!check_tree(check, &check->sub[i], PURPOSE_DATA))
			return;
	}
}

int kv_check_file(const struct kv *kv, char *ret_error, size_t error_bytes)
{
	struct check check = {.fd = open(kv->file, O_RDONLY | O_CLOEXEC)};
	struct stat file;

	if (check.fd < 0)
		return 0; /* new, or LMDB says why it cannot be opened */
	if (fstat(check.fd, &file) == 0) {
		check.file_bytes = (uint64_t)file.st_size;
		check_all(&check);
	}
	for (unsigned i = 0; i < DEPTH_MAX; i++)
		free(check.level[i].page);
	free(check.seen);
	close(check.fd);
	if (!check.wrong)
		return 0;
	snprintf(ret_error, error_bytes,
		"cannot use %s: the file is damaged (%s): move %s away and let the node join the "
		"cluster anew",
		kv->file, check.wrong, kv->directory);
	return -EBADMSG;
}
