/* Hosts from a table: a header of keys, then a line for each (RFC 4180). Becomes the maps that YAML
 * would have given, so one reader takes both. */
#include "ctl/site_impl.h"

#include <string.h>

#define COLUMNS_MAX 64

struct csv {
	struct site *site;
	const char *file, *at, *line_start;
	unsigned line;
	struct yaml_node *columns[COLUMNS_MAX];
	size_t column_count;
};

static struct yaml_node place(struct csv *csv, const char *at)
{
	struct yaml_node node = {.file = csv->file,
		.line = csv->line,
		.column = (unsigned)(at - csv->line_start) + 1,
		.width = 1};

	return node;
}

/* A cell's text with its quotes resolved; csv->at is behind it: at ',', the line's end, or NUL. */
static char *read_cell(struct csv *csv, struct yaml_node *ret_place)
{
	const char *from = csv->at;
	char *text, *end;

	*ret_place = place(csv, csv->at);
	if (*from != '"') {
		size_t length = strcspn(from, ",\r\n");
		csv->at = from + length;
		while (length > 0 && strchr(" \t", *from) != NULL) {
			from++;
			length--;
		}
		while (length > 0 && strchr(" \t", from[length - 1]) != NULL) {
			length--;
		}
		ret_place->width = length > 0 ? (unsigned)length : 1;
		return yaml_tree_copy(csv->site->tree, from, length);
	}
	text = yaml_tree_alloc(csv->site->tree, strcspn(from, "\n") + 1);
	end = text;
	for (from++; *from != '\0' && *from != '\n'; from++) {
		if (*from == '"' && from[1] != '"') {
			break;
		}
		from += *from == '"' ? 1 : 0;
		*end++ = *from;
	}
	if (*from != '"') {
		site_error(csv->site, ret_place, "the quotes are not closed on this line");
	} else {
		from++;
	}
	csv->at = from + strcspn(from, ",\r\n");
	if (csv->at != from) {
		site_error(csv->site, ret_place, "something stands behind the closing quotes");
	}
	return text;
}

/* "groups" of "group": what people call it. */
static const char *key_of(const char *column)
{
	return strcmp(column, "group") == 0     ? "groups"
	       : strcmp(column, "profile") == 0 ? "boot"
						: column;
}

static struct yaml_node *child_map(
	struct csv *csv, struct yaml_node *row, const char *key, const struct yaml_node *column)
{
	for (struct yaml_node *node = row->first; node != NULL; node = node->next) {
		if (strcmp(node->key->text, key) == 0) {
			return node;
		}
	}
	struct yaml_node *map = yaml_tree_add(csv->site->tree, row, YAML_MAP);
	struct yaml_node *name = yaml_tree_add(csv->site->tree, NULL, YAML_TEXT);
	*name = *column;
	name->text = key;
	map->key = name;
	return map;
}

/* A cell into its row: "vars.disk" goes into the map vars. */
static void put_cell(struct csv *csv, struct yaml_node *row, const struct yaml_node *column,
	const struct yaml_node *at, const char *text)
{
	const char *key = key_of(column->text), *dot = strchr(key, '.');
	struct yaml_node *into = row, *name, *cell;
	bool is_list =
		strcmp(key, "groups") == 0 || strcmp(key, "mac") == 0 || strcmp(key, "ip") == 0;

	if (dot != NULL && (strncmp(key, "vars.", 5) == 0 || strncmp(key, "options.", 8) == 0)) {
		into = child_map(csv, row,
			yaml_tree_copy(csv->site->tree, key, (size_t)(dot - key)), column);
		key = dot + 1;
	}
	name = yaml_tree_add(csv->site->tree, NULL, YAML_TEXT);
	*name = *column;
	name->text = key;
	cell = yaml_tree_add(csv->site->tree, into, is_list ? YAML_LIST : YAML_TEXT);
	cell->key = name;
	cell->line = at->line;
	cell->column = at->column;
	cell->width = at->width;
	cell->quoted = true;
	cell->text = is_list ? NULL : text;
	for (const char *word = text; is_list && *word != '\0';) {
		size_t length = strcspn(word, " ;");
		if (length > 0) {
			struct yaml_node *item = yaml_tree_add(csv->site->tree, cell, YAML_TEXT);
			item->text = yaml_tree_copy(csv->site->tree, word, length);
			item->width = (unsigned)length;
			item->quoted = true;
		}
		word += length + (word[length] != '\0');
	}
}

static void end_line(struct csv *csv)
{
	csv->at += *csv->at == '\r' ? 1 : 0;
	csv->at += *csv->at == '\n' ? 1 : 0;
	csv->line++;
	csv->line_start = csv->at;
}

static bool read_header(struct csv *csv)
{
	bool more = true;

	while (more) {
		struct yaml_node at;
		char *text = read_cell(csv, &at);

		if (csv->column_count == COLUMNS_MAX || text[0] == '\0') {
			site_error(csv->site, &at,
				text[0] == '\0'
					? "a column without a name: the first line names all, "
					  "such as name,mac,ip,profile,groups"
					: "more than 64 columns");
			return false;
		}
		if (strcmp(text, "vars") == 0 || strcmp(text, "options") == 0) {
			site_error(csv->site, &at, "name what the column sets: %s.NAME", text);
			return false;
		}
		struct yaml_node *column = yaml_tree_add(csv->site->tree, NULL, YAML_TEXT);
		*column = at;
		column->text = text;
		for (size_t i = 0; i < csv->column_count; i++) {
			if (strcmp(key_of(csv->columns[i]->text), key_of(text)) == 0) {
				site_error(csv->site, &at, "column %s is there twice", text);
				return false;
			}
		}
		csv->columns[csv->column_count++] = column;
		more = *csv->at == ',';
		csv->at += more ? 1 : 0;
	}
	end_line(csv);
	return true;
}

static void read_row(struct csv *csv, struct yaml_node *list)
{
	struct yaml_node *row = yaml_tree_add(csv->site->tree, list, YAML_MAP);
	bool more = true;

	row->line = csv->line;
	row->column = 1;
	for (size_t i = 0; more; i++) {
		struct yaml_node at;
		char *text = read_cell(csv, &at);

		if (i >= csv->column_count) {
			site_error(csv->site, &at,
				"the line has more than the %zu columns of the "
				"first one",
				csv->column_count);
			csv->at += strcspn(csv->at, "\r\n");
			break;
		}
		if (text[0] != '\0') {
			put_cell(csv, row, csv->columns[i], &at, text);
		}
		more = *csv->at == ',';
		csv->at += more ? 1 : 0;
	}
	end_line(csv);
}

struct yaml_node *site_read_csv(struct site *site, const char *file, const char *text)
{
	struct csv csv = {.site = site, .file = file, .at = text, .line_start = text, .line = 1};
	struct yaml_node *list = yaml_tree_add(site->tree, NULL, YAML_LIST);

	list->file = file;
	if (strncmp(text, "\xef\xbb\xbf", 3) == 0) {
		csv.at += 3; /* as some spreadsheets write it */
		csv.line_start = csv.at;
	}
	if (!read_header(&csv)) {
		return NULL;
	}
	while (*csv.at != '\0') {
		if (*csv.at == '#' || csv.at[strspn(csv.at, ", \t\r")] == '\n' ||
			csv.at[strspn(csv.at, ", \t\r")] == '\0') {
			csv.at += strcspn(csv.at, "\n");
			end_line(&csv);
		} else {
			read_row(&csv, list);
		}
	}
	return list;
}
