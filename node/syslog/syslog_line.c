#include "node/syslog/syslog_line.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define PRIORITY_MAX   191
#define STAMP_BYTES    15 /* "Nov 23 04:05:06" */
#define FACILITY_USUAL 1
#define RFC5424_FIELDS 5 /* time, host, application, process, message id */

struct cursor {
	const char *at;
	size_t left;
};

static void skip(struct cursor *cursor, size_t bytes)
{
	assert(bytes <= cursor->left);
	cursor->at += bytes;
	cursor->left -= bytes;
}

static void skip_blanks(struct cursor *cursor)
{
	while (cursor->left > 0 && cursor->at[0] == ' ') {
		skip(cursor, 1);
	}
}

/* Bytes up to the next blank. */
static size_t word_bytes(const struct cursor *cursor)
{
	size_t bytes = 0;

	while (bytes < cursor->left && cursor->at[bytes] != ' ') {
		bytes++;
	}
	return bytes;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "<134>"; nothing is skipped if it is not one. */
static void parse_priority(struct cursor *cursor, struct syslog_line *line)
{
	unsigned value = 0;
	size_t i = 1;

	if (cursor->left < 3 || cursor->at[0] != '<') {
		return;
	}
	for (; i < cursor->left && i < 4 && is_digit(cursor->at[i]); i++) {
		value = value * 10 + (unsigned)(cursor->at[i] - '0');
	}
	if (i == 1 || i == cursor->left || cursor->at[i] != '>' || value > PRIORITY_MAX) {
		return;
	}
	line->facility = value / 8;
	line->severity = value % 8;
	skip(cursor, i + 1);
}

static void put(struct syslog_line *line, size_t *used, const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes && *used + 1 < sizeof line->text; i++) {
		unsigned char c = (unsigned char)text[i];
		line->text[(*used)++] = c < ' ' || c == 0x7f ? '?' : text[i];
	}
	line->text[*used] = '\0';
}

/* ---- RFC 5424 */

/* "-", or elements in brackets, in which "\]" is no end. */
static void skip_structured(struct cursor *cursor)
{
	bool quoted = false;

	if (cursor->left == 0 || cursor->at[0] != '[') {
		skip(cursor, word_bytes(cursor));
		return;
	}
	while (cursor->left > 0) {
		char c = cursor->at[0];
		if (c == '\\' && quoted && cursor->left > 1) {
			skip(cursor, 1);
		} else if (c == '"') {
			quoted = !quoted;
		} else if (c == ']' && !quoted && (cursor->left == 1 || cursor->at[1] != '[')) {
			skip(cursor, 1);
			return;
		}
		skip(cursor, 1);
	}
}

static bool is_nil(const struct cursor *field)
{
	return field->left == 0 || (field->left == 1 && field->at[0] == '-');
}

/* false: it is not RFC 5424; nothing was changed. */
static bool parse_5424(struct cursor *cursor, struct syslog_line *line)
{
	struct cursor at = *cursor, field[RFC5424_FIELDS];
	size_t used = 0;

	if (at.left < 2 || at.at[0] != '1' || at.at[1] != ' ') {
		return false;
	}
	skip(&at, 2);
	for (size_t i = 0; i < RFC5424_FIELDS; i++) {
		size_t bytes = word_bytes(&at);
		if (bytes == 0 || bytes == at.left) {
			return false;
		}
		field[i] = (struct cursor){at.at, bytes};
		skip(&at, bytes + 1);
	}
	skip_structured(&at);
	skip_blanks(&at);
	if (at.left >= 3 && memcmp(at.at, "\xef\xbb\xbf", 3) == 0) {
		skip(&at, 3);
	}
	if (!is_nil(&field[2])) {
		put(line, &used, field[2].at, field[2].left);
		if (!is_nil(&field[3])) {
			put(line, &used, "[", 1);
			put(line, &used, field[3].at, field[3].left);
			put(line, &used, "]", 1);
		}
		put(line, &used, ": ", 2);
	}
	put(line, &used, at.at, at.left);
	*cursor = at;
	return true;
}

/* ---- RFC 3164 */

static bool is_stamp(const struct cursor *cursor)
{
	static const char form[] = "Aaa _9 99:99:99";

	if (cursor->left <= STAMP_BYTES || cursor->at[STAMP_BYTES] != ' ') {
		return false;
	}
	for (size_t i = 0; i < STAMP_BYTES; i++) {
		char c = cursor->at[i];
		bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		if (form[i] == 'A' || form[i] == 'a' ? !letter
			: form[i] == '9'             ? !is_digit(c)
			: form[i] == '_'             ? !is_digit(c) && c != ' '
						     : c != form[i]) {
			return false;
		}
	}
	return true;
}

/* Behind the time stands the host, unless the tag does, which ends in ':' or has a process. */
static void parse_3164(struct cursor *cursor, struct syslog_line *line)
{
	size_t used = 0, bytes;

	if (is_stamp(cursor)) {
		skip(cursor, STAMP_BYTES);
		skip_blanks(cursor);
		bytes = word_bytes(cursor);
		if (bytes > 0 && bytes < cursor->left && cursor->at[bytes - 1] != ':' &&
			memchr(cursor->at, '[', bytes) == NULL) {
			skip(cursor, bytes);
			skip_blanks(cursor);
		}
	}
	put(line, &used, cursor->at, cursor->left);
}

bool syslog_line_parse(const uint8_t *data, size_t bytes, struct syslog_line *ret_line)
{
	struct cursor cursor = {(const char *)data, bytes};

	assert((data != NULL || bytes == 0) && ret_line != NULL);
	*ret_line =
		(struct syslog_line){.facility = FACILITY_USUAL, .severity = SYSLOG_SEVERITY_NONE};
	while (cursor.left > 0 &&
		(cursor.at[cursor.left - 1] == '\n' || cursor.at[cursor.left - 1] == '\r' ||
			cursor.at[cursor.left - 1] == '\0' || cursor.at[cursor.left - 1] == ' ')) {
		cursor.left--;
	}
	parse_priority(&cursor, ret_line);
	if (!parse_5424(&cursor, ret_line)) {
		parse_3164(&cursor, ret_line);
	}
	return ret_line->text[0] != '\0';
}

const char *syslog_line_severity(unsigned severity)
{
	static const char *const words[] = {
		"emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"};

	return severity < sizeof words / sizeof words[0] ? words[severity] : "";
}

/* ---- how many */

bool syslog_rate_allows(struct syslog_rate *rate, uint32_t ip, uint64_t now_ms)
{
	struct syslog_sender *sender = &rate->sender[(ip * 2654435761u >> 16) % SYSLOG_SENDERS];
	bool shared = sender->ip != ip && sender->second == now_ms / 1000 && sender->lines > 0;

	if (shared || (sender->ip == ip && sender->second == now_ms / 1000)) {
		sender->lines++; /* those who share a place share what it may have */
	} else {
		unsigned left_out = sender->ip == ip ? sender->left_out : 0;
		*sender = (struct syslog_sender){
			.ip = ip, .second = now_ms / 1000, .left_out = left_out, .lines = 1};
	}
	if (sender->lines > SYSLOG_LINES_PER_S) {
		sender->left_out++;
		return false;
	}
	return true;
}

unsigned syslog_rate_left_out(struct syslog_rate *rate, uint64_t now_ms, uint32_t *ret_ip)
{
	for (size_t i = 0; i < SYSLOG_SENDERS; i++) {
		struct syslog_sender *sender = &rate->sender[i];
		unsigned left_out = sender->left_out;
		if (left_out > 0 && sender->second != now_ms / 1000) {
			*ret_ip = sender->ip;
			sender->left_out = 0;
			return left_out;
		}
	}
	return 0;
}
