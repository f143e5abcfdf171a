#include "store/model/check.h"

#include "proto/wire/text.h"
#include <stdlib.h>
#include <string.h>

#define INVALID PXE__VERDICT__VERDICT_INVALID

static bool check_is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool check_is_name_char(char c)
{
	return check_is_alnum(c) || c == '-' || c == '_' || c == '.';
}

bool check_is_name(const char *name)
{
	size_t bytes = strlen(name);
	if (bytes == 0 || bytes > MODEL_NAME_MAX || !check_is_alnum(name[0]))
		return false;
	for (size_t i = 0; i < bytes; i++) {
		if (!check_is_name_char(name[i]))
			return false;
	}
	return true;
}

bool check_name(struct apply *a, const char *what, const char *name)
{
	size_t bytes = strlen(name);
	if (bytes == 0) {
		internal_refuse(a, INVALID, "%s is missing", what);
		return false;
	}
	if (bytes > MODEL_NAME_MAX) {
		internal_refuse(a, INVALID, "%s has %zu bytes: use at most %d", what, bytes,
			MODEL_NAME_MAX);
		return false;
	}
	for (size_t i = 0; i < bytes; i++) {
		if (check_is_name_char(name[i]))
			continue;
		if (name[i] > ' ' && name[i] < 0x7f)
			internal_refuse(a, INVALID,
				"%s has the character '%c': use letters, digits, '-', '_' and '.'",
				what, name[i]);
		else
			internal_refuse(a, INVALID,
				"%s has the byte 0x%02x at %zu: use letters, digits, '-', '_' and "
				"'.'",
				what, (unsigned)(unsigned char)name[i], i);
		return false;
	}
	if (!check_is_alnum(name[0])) {
		internal_refuse(a, INVALID, "%s begins with '%c': begin with a letter or a digit",
			what, name[0]);
		return false;
	}
	return true;
}

bool check_text(struct apply *a, const char *what, const char *text, size_t max, bool multiline)
{
	size_t bytes = strlen(text);
	if (bytes > max) {
		internal_refuse(a, INVALID, "%s has %zu bytes: use at most %zu", what, bytes, max);
		return false;
	}
	const unsigned char *at = (const unsigned char *)text;
	while (*at != 0) {
		size_t step = text_utf8_bytes((const char *)at);
		bool is_blank = multiline && (*at == '\n' || *at == '\r' || *at == '\t');
		if (step == 0 || (text_is_control((const char *)at) && !is_blank)) {
			internal_refuse(a, INVALID,
				"%s has the byte 0x%02x at %zu: use UTF-8 text without control "
				"characters",
				what, (unsigned)*at, (size_t)(at - (const unsigned char *)text));
			return false;
		}
		at += step;
	}
	return true;
}

void check_clean(const char *text, char *ret_text, size_t text_bytes)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t used = 0;
	while (*at != 0) {
		size_t step = text_utf8_bytes((const char *)at);
		bool is_good = step != 0 && !text_is_control((const char *)at);
		size_t bytes = is_good ? step : 1;
		if (used + bytes + 1 > text_bytes)
			break;
		if (is_good)
			memcpy(ret_text + used, at, bytes);
		else
			ret_text[used] = '?';
		used += bytes;
		at += step == 0 ? 1 : step;
	}
	ret_text[used] = '\0';
}

static bool check_path_part(const char *part, size_t bytes)
{
	if (bytes == 0 || (bytes == 1 && part[0] == '.'))
		return false;
	return !(bytes == 2 && part[0] == '.' && part[1] == '.');
}

bool check_path(struct apply *a, const char *what, const char *path)
{
	if (path[0] == '\0') {
		internal_refuse(a, INVALID, "%s is missing", what);
		return false;
	}
	if (!check_text(a, what, path, 255, false))
		return false;
	if (strchr(path, '\\') != NULL) {
		internal_refuse(a, INVALID, "%s has a backslash: use '/'", what);
		return false;
	}
	const char *part = path;
	for (;;) {
		size_t bytes = strcspn(part, "/");
		if (!check_path_part(part, bytes)) {
			internal_refuse(a, INVALID,
				"%s '%.120s' is not relative to the image: no leading, double or "
				"trailing "
				"'/', no '.' or '..'",
				what, path);
			return false;
		}
		if (part[bytes] == '\0')
			return true;
		part += bytes + 1;
	}
}

bool check_ip(struct apply *a, const char *what, ProtobufCBinaryData bytes)
{
	if (bytes.len != 4) {
		internal_refuse(
			a, INVALID, "%s has %zu bytes: give an IPv4 address", what, bytes.len);
		return false;
	}
	uint32_t ip = msg_ip4_get(bytes);
	uint32_t top = ip >> 24;
	if (top == 0 || top == 127 || top >= 224) {
		char text[TEXT_IP4_BYTES];
		internal_refuse(a, INVALID, "%s %s is not an address that a machine can have", what,
			text_ip4_format(ip, text));
		return false;
	}
	return true;
}

bool check_ips(
	struct apply *a, const char *what, const ProtobufCBinaryData *ips, size_t count, size_t max)
{
	if (count > max) {
		internal_refuse(
			a, INVALID, "%zu addresses as %s: use at most %zu", count, what, max);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (!check_ip(a, what, ips[i]))
			return false;
	}
	return true;
}

bool check_seconds(struct apply *a, const char *what, uint32_t value, uint32_t min, uint32_t max)
{
	if (value == 0 || (value >= min && value <= max))
		return true;
	internal_refuse(a, INVALID, "%s is %u s: use %u to %u s", what, value, min, max);
	return false;
}

bool check_endpoint(struct apply *a, const char *what, const char *endpoint)
{
	const char *colon = strrchr(endpoint, ':');
	uint64_t port = 0;
	bool is_good = colon != NULL && colon != endpoint && strlen(endpoint) <= 255 &&
		       text_u64_parse(colon + 1, 65535, &port) == 0 && port > 0;
	for (const char *at = endpoint; is_good && at < colon; at++)
		is_good = check_is_name_char(*at) || *at == ':' || *at == '[' || *at == ']';
	if (!is_good)
		internal_refuse(a, INVALID, "%s is not of the form ADDRESS:PORT", what);
	return is_good;
}

bool check_public_key(struct apply *a, const char *what, ProtobufCBinaryData key)
{
	static const uint8_t zero[32];
	if (key.len == 32 && memcmp(key.data, zero, 32) != 0)
		return true;
	internal_refuse(a, INVALID, "%s is not a public key of 32 bytes", what);
	return false;
}

bool check_is_builtin_profile(const char *name)
{
	static const char *const names[] = {"local", "none", "menu", "wait"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

bool check_profile_ref(struct apply *a, const char *what, const char *profile)
{
	if (profile[0] == '\0')
		return true;
	if (!check_name(a, what, profile))
		return false;
	if (check_is_builtin_profile(profile) || model_profile(a->model, profile) != NULL)
		return true;
	internal_refuse(a, INVALID,
		"%s ('%s') does not exist: add it first, or see: pxectl profile list", what,
		profile);
	return false;
}

bool check_loaders(struct apply *a, const char *what, Pxe__Loader *const *loaders, size_t count)
{
	if (count > 16) {
		internal_refuse(a, INVALID, "%zu %ss: use at most 16", count, what);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (!check_name(a, "architecture of a loader", loaders[i]->arch) ||
			!check_path(a, what, loaders[i]->path))
			return false;
		for (size_t j = 0; j < i; j++) {
			if (strcmp(loaders[i]->arch, loaders[j]->arch) != 0)
				continue;
			internal_refuse(a, INVALID, "architecture %s has two %ss: keep one",
				loaders[i]->arch, what);
			return false;
		}
	}
	return true;
}
