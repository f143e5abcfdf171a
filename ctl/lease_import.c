#include "ctl/lease_import.h"

#include "ctl/import_option.h"

#include "proto/wire/text.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEA_COLUMNS_MAX 32u

static struct lease_entry *add_entry(
	struct import *im, struct lease_list *list, struct import_at at)
{
	if (list->count == LEASE_IMPORT_MAX) {
		import_remark(im, IMPORT_LEFT_OUT, at, NULL, "more leases than can be taken over");
		return NULL;
	}
	if (list->count == list->capacity) {
		size_t capacity = list->capacity == 0 ? 256 : 2 * list->capacity;
		struct lease_entry *more = import_alloc(im, capacity * sizeof *more);

		if (list->count > 0) {
			memcpy(more, list->entry, list->count * sizeof *more);
		}
		list->entry = more;
		list->capacity = capacity;
	}
	list->entry[list->count] = (struct lease_entry){.hostname = "", .active = true, .at = at};
	return &list->entry[list->count++];
}

static bool set_mac(struct import *im, struct lease_entry *entry, const char *text)
{
	struct import_bytes store = {.size = 0}, *bytes = &store;
	const char *why;

	if (import_encode(im, IMPORT_HEX, &text, 1, bytes, &why) != 0 || bytes->size == 0 ||
		bytes->size > sizeof entry->mac) {
		return false;
	}
	memcpy(entry->mac, bytes->data, bytes->size);
	entry->mac_size = bytes->size;
	return true;
}

static void set_client_id(
	struct import *im, struct lease_entry *entry, enum import_type type, const char *text)
{
	struct import_bytes store = {.size = 0}, *bytes = &store;
	const char *why;

	if (import_encode(im, type, &text, 1, bytes, &why) == 0 && bytes->size > 0 &&
		bytes->size <= 255) {
		entry->client_id =
			(const uint8_t *)import_copy(im, (const char *)bytes->data, bytes->size);
		entry->client_id_size = bytes->size;
	}
}

/* What the cluster does not take as a name is left out of the lease. */
static const char *usual_name(struct import *im, const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || length > 63 || strcmp(name, "*") == 0) {
		return "";
	}
	for (const char *at = name; *at != '\0'; at++) {
		if (!isalnum((unsigned char)*at) && strchr("-_.", *at) == NULL) {
			return "";
		}
	}
	return import_text(im, "%s", name);
}

static int by_ip(const void *a, const void *b)
{
	const struct lease_entry *const *one = a, *const *other = b;

	if ((*one)->ip != (*other)->ip) {
		return (*one)->ip < (*other)->ip ? -1 : 1;
	}
	return (*one > *other) - (*one < *other);
}

static void supersede(struct lease_list *list)
{
	struct lease_entry **order = calloc(list->count + 1, sizeof(struct lease_entry *));

	assert(order != NULL);
	for (size_t i = 0; i < list->count; i++) {
		order[i] = &list->entry[i];
	}
	qsort(order, list->count, sizeof(struct lease_entry *), by_ip);
	for (size_t i = 1; i < list->count; i++) {
		order[i - 1]->superseded = order[i - 1]->ip == order[i]->ip;
	}
	free(order);
}

/* The next line without its end; NULL: no more. */
static char *next_line(struct import *im, const char **text)
{
	size_t length = strcspn(*text, "\n");

	if (**text == '\0') {
		return NULL;
	}
	char *line = import_copy(im, *text, length);
	*text += length + ((*text)[length] == '\n' ? 1 : 0);
	while (length > 0 && isspace((unsigned char)line[length - 1])) {
		line[--length] = '\0';
	}
	return line;
}

/* --- dnsmasq --- */

static bool dnsmasq_line(struct import *im, char *line, struct lease_entry *entry)
{
	char *save = NULL, *words[5] = {NULL};
	size_t count = 0;

	for (char *word = strtok_r(line, " \t", &save); word != NULL && count < 5;
		word = strtok_r(NULL, " \t", &save)) {
		words[count++] = word;
	}
	uint64_t expires_s;
	/* "06-aa:bb..": a hardware type other than Ethernet. */
	const char *mac = count > 1 ? strchr(words[1], '-') : NULL;
	mac = mac != NULL ? mac + 1 : count > 1 ? words[1] : "";
	if (count < 4 || text_u64_parse(words[0], UINT64_MAX / 1000 - 1, &expires_s) != 0 ||
		text_ip4_parse(words[2], &entry->ip) != 0 || !set_mac(im, entry, mac)) {
		return false;
	}
	entry->expires_s = expires_s == 0 ? LEASE_IMPORT_ENDLESS : expires_s;
	entry->hostname = usual_name(im, words[3]);
	if (count == 5 && strcmp(words[4], "*") != 0) {
		set_client_id(im, entry, IMPORT_HEX, words[4]);
	}
	return true;
}

void lease_import_dnsmasq(
	struct import *im, const char *path, const char *text, struct lease_list *ret_list)
{
	struct import_at at = {path, 0};
	bool v6 = false;
	char *line;

	memset(ret_list, 0, sizeof *ret_list);
	while ((line = next_line(im, &text)) != NULL) {
		at.line++;
		/* From the DUID on, they are leases of DHCPv6. */
		v6 |= strncmp(line, "duid ", 5) == 0;
		if (line[0] == '\0' || v6) {
			continue;
		}
		struct lease_entry *entry = add_entry(im, ret_list, at);
		if (entry == NULL) {
			break;
		}
		if (!dnsmasq_line(im, line, entry)) {
			import_remark(im, IMPORT_LEFT_OUT, at, NULL, "no lease of dnsmasq");
			ret_list->count--;
		}
	}
	supersede(ret_list);
}

/* --- Kea --- */

enum kea_column {
	KEA_ADDRESS,
	KEA_HWADDR,
	KEA_CLIENT_ID,
	KEA_LIFETIME,
	KEA_EXPIRE,
	KEA_HOSTNAME,
	KEA_STATE,
	KEA_USED
};

/* Columns are found by the names in the first line. */
static size_t kea_columns(char *line, size_t ret_column[KEA_USED])
{
	static const char *const names[KEA_USED] = {
		"address", "hwaddr", "client_id", "valid_lifetime", "expire", "hostname", "state"};
	size_t found = 0, index = 0;

	for (char *at = line; at != NULL; index++) {
		char *name = strsep(&at, ",");

		for (size_t i = 0; i < KEA_USED; i++) {
			if (strcmp(name, names[i]) == 0) {
				ret_column[i] = index;
				found |= (size_t)1 << i;
			}
		}
	}
	return found;
}

static bool kea_line(
	struct import *im, char *line, const size_t column[KEA_USED], struct lease_entry *entry)
{
	const char *words[KEA_COLUMNS_MAX] = {NULL}, *cell[KEA_USED];
	size_t count = 0;
	uint64_t state = 0;

	for (char *at = line; at != NULL && count < KEA_COLUMNS_MAX;) {
		words[count++] = strsep(&at, ",");
	}
	for (size_t i = 0; i < KEA_USED; i++) {
		if (column[i] >= count) {
			return false;
		}
		cell[i] = words[column[i]];
	}
	if (text_ip4_parse(cell[KEA_ADDRESS], &entry->ip) != 0 ||
		text_u64_parse(cell[KEA_EXPIRE], UINT64_MAX / 1000 - 1, &entry->expires_s) != 0 ||
		text_u64_parse(cell[KEA_STATE], 255, &state) != 0) {
		return false;
	}
	/* A lease for ever is written as one of 2^32 - 1 s. */
	if (strcmp(cell[KEA_LIFETIME], "4294967295") == 0) {
		entry->expires_s = LEASE_IMPORT_ENDLESS;
	}
	/* 0: leased; 1: declined, 2: reclaimed. Their hardware address may be gone. */
	entry->active = state == 0;
	if (!set_mac(im, entry, cell[KEA_HWADDR]) && entry->active) {
		return false;
	}
	size_t length = strlen(cell[KEA_HOSTNAME]);
	length -= length > 0 && cell[KEA_HOSTNAME][length - 1] == '.' ? 1 : 0;
	entry->hostname = usual_name(im, import_copy(im, cell[KEA_HOSTNAME], length));
	if (cell[KEA_CLIENT_ID][0] != '\0') {
		set_client_id(im, entry, IMPORT_HEX, cell[KEA_CLIENT_ID]);
	}
	return true;
}

void lease_import_kea(
	struct import *im, const char *path, const char *text, struct lease_list *ret_list)
{
	struct import_at at = {path, 1};
	size_t column[KEA_USED] = {0};
	char *line = next_line(im, &text);

	memset(ret_list, 0, sizeof *ret_list);
	if (line == NULL || kea_columns(line, column) != ((size_t)1 << KEA_USED) - 1) {
		import_remark(im, IMPORT_LEFT_OUT, at, NULL,
			"the first line does not name the columns of Kea's leases");
		return;
	}
	while ((line = next_line(im, &text)) != NULL) {
		at.line++;
		/* A file of which several parts were put together has several first lines. */
		if (line[0] == '\0' || strncmp(line, "address,", 8) == 0) {
			continue;
		}
		struct lease_entry *entry = add_entry(im, ret_list, at);
		if (entry == NULL) {
			break;
		}
		if (!kea_line(im, line, column, entry)) {
			import_remark(im, IMPORT_LEFT_OUT, at, NULL, "no lease of Kea");
			ret_list->count--;
		}
	}
	supersede(ret_list);
}

/* --- dhcpd --- */

/* "4 2026/11/22 14:03:22;", "epoch 1763820202;", "never;" behind `ends`. */
static bool dhcpd_time(const char *text, uint64_t *ret_seconds)
{
	struct tm tm = {.tm_isdst = 0};
	unsigned long long epoch;
	int weekday;

	if (strncmp(text, "never", 5) == 0) {
		*ret_seconds = LEASE_IMPORT_ENDLESS;
		return true;
	}
	if (sscanf(text, "epoch %19llu", &epoch) == 1 && epoch < UINT64_MAX / 1000) {
		*ret_seconds = epoch;
		return true;
	}
	if (sscanf(text, "%1d %4d/%2d/%2d %2d:%2d:%2d", &weekday, &tm.tm_year, &tm.tm_mon,
		    &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 7 ||
		tm.tm_year < 1970) {
		return false;
	}
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	time_t seconds = timegm(&tm);
	*ret_seconds = seconds < 0 ? 0 : (uint64_t)seconds;
	return true;
}

/* What stands in quotes; octal numbers escape bytes. NULL: no quotes. */
static uint8_t *dhcpd_quoted(struct import *im, const char *text, size_t *ret_size)
{
	const char *at = strchr(text, '"');
	size_t used = 0;

	if (at == NULL) {
		return NULL;
	}
	uint8_t *data = import_alloc(im, strlen(text) + 1);
	for (at++; *at != '\0' && *at != '"'; at++) {
		if (at[0] != '\\' || at[1] == '\0') {
			data[used++] = (uint8_t)*at;
			continue;
		}
		at++;
		if (*at < '0' || *at > '7') {
			data[used++] = (uint8_t)*at;
			continue;
		}
		unsigned value = 0;
		for (unsigned digits = 0; digits < 3 && *at >= '0' && *at <= '7'; digits++) {
			value = value * 8 + (unsigned)(*at++ - '0');
		}
		at--;
		data[used++] = (uint8_t)value;
	}
	*ret_size = used;
	return data;
}

/* One statement of a lease block. */
static void dhcpd_statement(struct import *im, const char *line, struct lease_entry *entry)
{
	char word[64];
	size_t size = 0;
	uint8_t *data;

	if (sscanf(line, "hardware %*63s %63[^;]", word) == 1) {
		set_mac(im, entry, word);
	} else if (strncmp(line, "ends ", 5) == 0) {
		if (!dhcpd_time(line + 5, &entry->expires_s)) {
			entry->active = false;
		}
	} else if (strncmp(line, "binding state ", 14) == 0) {
		entry->active = strncmp(line + 14, "active", 6) == 0;
	} else if (strncmp(line, "abandoned", 9) == 0) {
		entry->active = false;
	} else if (strncmp(line, "client-hostname ", 16) == 0) {
		data = dhcpd_quoted(im, line, &size);
		if (data != NULL) {
			entry->hostname = usual_name(im, import_copy(im, (char *)data, size));
		}
	} else if (strncmp(line, "uid ", 4) == 0) {
		data = dhcpd_quoted(im, line, &size);
		if (data != NULL && size > 0 && size <= 255) {
			entry->client_id = data;
			entry->client_id_size = size;
		} else if (data == NULL) {
			set_client_id(im, entry, IMPORT_HEX,
				import_copy(im, line + 4, strcspn(line + 4, ";")));
		}
	}
}

/* The next statement: all up to `;`, `{` or `}`, with one blank for white space and without
 * remarks. NULL: no more. *line goes on to the statement's first line, *ret_end to its last. */
static char *dhcpd_next(struct import *im, const char **text, unsigned *line, unsigned *ret_end)
{
	const char *at = *text;
	size_t used = 0;
	bool quoted = false;

	*line = *ret_end;
	while (isspace((unsigned char)*at) || *at == '#') {
		at += *at == '#' ? strcspn(at, "\n") : 0;
		*line += *at == '\n' ? 1 : 0;
		at += *at != '\0' ? 1 : 0;
	}
	*ret_end = *line;
	if (*at == '\0') {
		return NULL;
	}
	const char *start = at;
	for (bool ends = false; *at != '\0' && !ends; at++) {
		ends = !quoted && strchr(";{}", *at) != NULL;
		quoted ^= *at == '"';
		at += quoted && at[0] == '\\' && at[1] != '\0' ? 1 : 0;
	}
	char *statement = import_copy(im, start, (size_t)(at - start));
	for (size_t i = 0; statement[i] != '\0'; i++) {
		bool blank = isspace((unsigned char)statement[i]);

		*ret_end += statement[i] == '\n' ? 1 : 0;
		if (!blank || statement[used - 1] != ' ') {
			statement[used++] = blank ? ' ' : statement[i];
		}
	}
	statement[used] = '\0';
	*text = at;
	return statement;
}

static bool begins_with_any(const char *text, const char *const *words)
{
	for (size_t i = 0; words[i] != NULL; i++) {
		if (strncmp(text, words[i], strlen(words[i])) == 0) {
			return true;
		}
	}
	return false;
}

/* A block begins outside of others. NULL: it is no lease. */
static struct lease_entry *dhcpd_block(
	struct import *im, const char *statement, struct import_at at, struct lease_list *list)
{
	static const char *const quiet[] = {"failover ", "ia-na ", "ia-ta ", "ia-pd ", NULL};
	char ip[TEXT_IP4_BYTES];
	struct lease_entry *entry;
	uint32_t address;

	if (sscanf(statement, "lease %15[0-9.] {", ip) == 1 && text_ip4_parse(ip, &address) == 0) {
		entry = add_entry(im, list, at);
		if (entry != NULL) {
			entry->ip = address;
		}
		return entry;
	}
	if (!begins_with_any(statement, quiet)) {
		import_remark(im, IMPORT_LEFT_OUT, at, NULL, "no lease of dhcpd");
	}
	return NULL;
}

void lease_import_dhcpd(
	struct import *im, const char *path, const char *text, struct lease_list *ret_list)
{
	static const char *const quiet[] = {"authoring-byte-order ", "server-duid ", NULL};
	struct import_at at = {path, 0};
	struct lease_entry *entry = NULL;
	unsigned depth = 0, end = 1;
	char *statement;

	memset(ret_list, 0, sizeof *ret_list);
	while ((statement = dhcpd_next(im, &text, &at.line, &end)) != NULL) {
		char last = statement[strlen(statement) - 1];

		if (last == '{') {
			entry = depth++ == 0 ? dhcpd_block(im, statement, at, ret_list) : entry;
		} else if (last == '}' && depth > 0) {
			entry = --depth == 0 ? NULL : entry;
		} else if (depth == 1 && entry != NULL) {
			dhcpd_statement(im, statement, entry);
		} else if (depth == 0 && !begins_with_any(statement, quiet)) {
			import_remark(im, IMPORT_LEFT_OUT, at, NULL, "no lease of dhcpd");
		}
	}
	if (entry != NULL) { /* the server was stopped while it wrote: dhcpd, too, forgets it */
		import_remark(
			im, IMPORT_LEFT_OUT, entry->at, NULL, "the file ends within this lease");
		ret_list->count--;
	}
	for (size_t i = 0; i < ret_list->count; i++) {
		ret_list->entry[i].active &= ret_list->entry[i].mac_size > 0;
	}
	supersede(ret_list);
}
