/* dnsmasq's files: lines of KEY=WORD,WORD; quotes, comments, includes. */
#include "ctl/import_dnsmasq.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A file that is being read; the one that includes it waits below. */
struct open_file {
	const char *path;
	const char *rest;
	const char *as; /* what its lines are values of ("dhcp-host"); NULL: directives */
	unsigned line;
	struct open_file *below;
};

struct reader {
	struct dnsmasq *dn;
	struct open_file *top;
	size_t depth;
	bool failed;
};

/* The line as dnsmasq reads it: comments go; in quotes '\' escapes, and everything but '"' stands
 * for itself. Commas that separate become NUL, so that quoted ones stay. Returns the length. */
static size_t clean_line(const char *line, size_t length, char *ret_clean)
{
	static const char codes[] = "t\tn\nb\br\re\033";
	size_t used = 0;
	bool quoted = false, white = true;

	for (size_t i = 0; i < length; i++) {
		char c = line[i];

		if (c == '"') {
			quoted = !quoted;
		} else if (quoted && c == '\\' && i + 1 < length) {
			const char *code = strchr(codes, line[++i]);
			ret_clean[used++] =
				code != NULL && line[i] != '\0' && (code - codes) % 2 == 0
					? code[1]
					: line[i];
		} else if (!quoted && c == '#' && white) {
			break;
		} else {
			ret_clean[used++] = !quoted && c == ',' ? '\0' : c;
		}
		white = c == ' ' || c == '\t';
	}
	while (used > 0 && (ret_clean[used - 1] == ' ' || ret_clean[used - 1] == '\t' ||
				   ret_clean[used - 1] == '\r')) {
		used--;
	}
	ret_clean[used] = '\0';
	return used;
}

static const char *trim(struct import *im, const char *text, size_t length)
{
	while (length > 0 && (*text == ' ' || *text == '\t')) {
		text++;
		length--;
	}
	while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t')) {
		length--;
	}
	return import_copy(im, text, length);
}

/* Words are separated by NUL in `text`. */
static void split_words(
	struct dnsmasq *dn, const char *text, size_t size, struct dnsmasq_line *line)
{
	size_t count = 1;

	for (size_t i = 0; i < size; i++) {
		count += text[i] == '\0' ? 1 : 0;
	}
	line->words = import_alloc(dn->im, count * sizeof *line->words);
	for (const char *end = text + size; line->count < count;) {
		size_t length = strnlen(text, (size_t)(end - text));

		line->words[line->count++] = trim(dn->im, text, length);
		text += length + (text + length < end ? 1 : 0);
	}
}

static void add_line(struct reader *reader, const char *clean, size_t size)
{
	struct dnsmasq *dn = reader->dn;
	const struct open_file *file = reader->top;
	struct dnsmasq_line *line = import_alloc(dn->im, sizeof *line);
	const char *equals = memchr(clean, '=', size);

	line->at = (struct import_at){file->path, file->line};
	line->value = "";
	if (file->as != NULL) {
		line->key = file->as;
		split_words(dn, clean, size, line);
	} else {
		/* A key has no comma: what stands in front of one is what a person can look for. */
		line->key = trim(dn->im, clean, equals != NULL ? (size_t)(equals - clean) : size);
		line->key += strncmp(line->key, "--", 2) == 0 ? 2 : 0;
		if (equals != NULL) {
			line->value = trim(dn->im, equals + 1, size - (size_t)(equals + 1 - clean));
			split_words(dn, equals + 1, size - (size_t)(equals + 1 - clean), line);
		}
	}
	if (line->count > DNSMASQ_WORDS_MAX || ++dn->line_count > DNSMASQ_LINES_MAX) {
		dnsmasq_left_out(dn, line, "%s: too long", line->key);
		return;
	}
	*dn->last = line;
	dn->last = &line->next;
}

/* `must`: that it is not there is an error, not a remark alone. */
static void push_file(struct reader *reader, const char *path, const char *as, struct import_at at)
{
	struct import *im = reader->dn->im;
	struct open_file *file;
	size_t bytes = 0;
	const char *text;

	if (reader->depth >= IMPORT_DEPTH_MAX) {
		import_remark(im, IMPORT_LEFT_OUT, at, NULL, "%s: too many files inside each other",
			path);
		return;
	}
	text = import_open(im, path, at, &bytes);
	if (text == NULL) {
		reader->failed |= at.file == NULL;
		return;
	}
	file = import_alloc(im, sizeof *file);
	*file = (struct open_file){import_text(im, "%s", path), text, as, 0, reader->top};
	reader->top = file;
	reader->depth++;
}

static int by_name_down(const void *a, const void *b)
{
	return strcmp(*(const char *const *)b, *(const char *const *)a);
}

/* "*.conf": only these; ".bak": not these. The words behind the directory. */
static bool is_wanted(const char *name, const char *const *rules, size_t count)
{
	bool only = false, found = false;
	size_t length = strlen(name);

	if (length == 0 || name[length - 1] == '~' || name[0] == '.' ||
		(name[0] == '#' && name[length - 1] == '#')) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		size_t rule = strlen(rules[i]);

		if (strchr(rules[i], '*') != NULL) {
			only = true;
			found |= fnmatch(rules[i], name, 0) == 0;
		} else if (rule > 0 && rule < length &&
			   strcmp(name + length - rule, rules[i]) == 0) {
			return false;
		}
	}
	return !only || found;
}

/* All files of a directory; they are read in the order of their names. */
static void push_directory(struct reader *reader, const char *path, const char *as,
	const char *const *rules, size_t rule_count, struct import_at at)
{
	struct import *im = reader->dn->im;
	const char *names[IMPORT_FILES_MAX];
	size_t count = 0;
	DIR *directory = opendir(path);
	struct dirent *entry;

	if (directory == NULL) {
		struct import_at whole = {import_text(im, "%s", path), 0};

		import_remark(im, IMPORT_LEFT_OUT, at.file != NULL ? at : whole, NULL,
			"%s cannot be read: %s", path, strerror(errno));
		reader->failed |= at.file == NULL;
		return;
	}
	while (count < IMPORT_FILES_MAX && (entry = readdir(directory)) != NULL) {
		if (is_wanted(entry->d_name, rules, rule_count)) {
			names[count++] = import_text(im, "%s/%s", path, entry->d_name);
		}
	}
	closedir(directory);
	qsort(names, count, sizeof names[0], by_name_down);
	size_t depth = reader->depth;
	for (size_t i = 0; i < count; i++) {
		struct stat status;

		if (stat(names[i], &status) == 0 && S_ISREG(status.st_mode)) {
			push_file(reader, names[i], as, at);
			/* They follow each other: not inside each other. */
			reader->depth = depth;
		}
	}
	reader->depth = depth + 1;
}

static bool is_directory(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* Does the line name another file? Then that is read at once. */
static bool include(struct reader *reader, const struct dnsmasq_line *line)
{
	static const struct {
		const char *key, *as;
	} includes[] = {{"conf-file", NULL}, {"conf-dir", NULL}, {"dhcp-hostsfile", "dhcp-host"},
		{"dhcp-hostsdir", "dhcp-host"}, {"dhcp-optsfile", "dhcp-option"},
		{"dhcp-optsdir", "dhcp-option"}};

	for (size_t i = 0; i < sizeof includes / sizeof includes[0]; i++) {
		if (strcmp(line->key, includes[i].key) != 0 || line->count == 0 ||
			line->words[0][0] == '\0') {
			continue;
		}
		if (reader->dn->im != NULL && is_directory(line->words[0])) {
			push_directory(reader, line->words[0], includes[i].as, line->words + 1,
				line->count - 1, line->at);
		} else {
			push_file(reader, line->words[0], includes[i].as, line->at);
		}
		return true;
	}
	if (strcmp(line->key, "read-ethers") == 0) {
		push_file(reader, "/etc/ethers", "ethers", line->at);
		return true;
	}
	return false;
}

/* The next line of the file on top. */
static void read_line(struct reader *reader)
{
	struct open_file *file = reader->top;
	struct dnsmasq *dn = reader->dn;
	size_t length = strcspn(file->rest, "\n");
	char *clean = malloc(length + 1);
	struct dnsmasq_line **before = dn->last;

	if (clean == NULL) {
		abort();
	}
	file->line++;
	size_t size = clean_line(file->rest, length, clean);
	file->rest += length + (file->rest[length] == '\n' ? 1 : 0);
	size_t blank = strspn(clean, " \t");
	if (size > blank) {
		add_line(reader, clean + blank, size - blank);
	}
	free(clean);
	if (dn->last != before && (*before)->key != file->as && include(reader, *before)) {
		*before = NULL;
		dn->last = before;
	}
}

int dnsmasq_read(struct dnsmasq *dn, const struct import_source *sources, size_t count)
{
	struct reader reader = {.dn = dn};
	const struct import_at nowhere = {NULL, 0};

	for (size_t i = 0; i < count; i++) {
		if (sources[i].text != NULL) {
			struct open_file *file = import_alloc(dn->im, sizeof *file);

			*file = (struct open_file){sources[i].path, sources[i].text, NULL, 0, NULL};
			reader.top = file;
			reader.depth = 1;
		} else if (is_directory(sources[i].path)) {
			push_directory(&reader, sources[i].path, NULL, NULL, 0, nowhere);
		} else {
			push_file(&reader, sources[i].path, NULL, nowhere);
		}
		while (reader.top != NULL) {
			if (*reader.top->rest == '\0') {
				reader.top = reader.top->below;
				reader.depth -= reader.depth > 0 ? 1 : 0;
			} else {
				read_line(&reader);
			}
		}
	}
	return reader.failed ? -ENOENT : 0;
}
