#include "node/content/content_path.h"

#include "proto/wire/text.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

int content_path_normalise(const char *path, char ret_path[CONTENT_PATH_MAX])
{
	size_t used = 0;

	assert(path != NULL && ret_path != NULL);
	if (strnlen(path, 2 * CONTENT_PATH_MAX) == 2 * CONTENT_PATH_MAX) {
		return -EINVAL;
	}
	while (*path != '\0') {
		size_t bytes = strcspn(path, "/\\");
		for (size_t i = 0; i < bytes; i++) {
			if ((unsigned char)path[i] < ' ' || path[i] == 0x7f) {
				return -EINVAL;
			}
		}
		if (bytes == 2 && memcmp(path, "..", 2) == 0) {
			return -EINVAL;
		}
		if (bytes > 0 && !(bytes == 1 && path[0] == '.')) {
			if (used + 1 + bytes >= CONTENT_PATH_MAX) {
				return -EINVAL;
			}
			if (used > 0) {
				ret_path[used++] = '/';
			}
			memcpy(ret_path + used, path, bytes);
			used += bytes;
		}
		path += bytes;
		path += *path != '\0';
	}
	ret_path[used] = '\0';
	return 0;
}

static bool parse_mac(const char *text, size_t bytes, struct content_path *path)
{
	char copy[64];
	size_t size;

	if (bytes == 0 || bytes >= sizeof copy) {
		return false;
	}
	memcpy(copy, text, bytes);
	copy[bytes] = '\0';
	if (text_hwaddr_parse(copy, path->mac, &size) != 0 || size == 0) {
		return false;
	}
	path->mac_bytes = (uint8_t)size;
	return true;
}

/* "boot/MAC.ipxe" */
static bool parse_script(const char *text, struct content_path *path)
{
	size_t bytes = strlen(text);

	path->kind = CONTENT_NAME_SCRIPT;
	if (strcasecmp(text, "boot.ipxe") == 0 || strcasecmp(text, "autoexec.ipxe") == 0) {
		return true;
	}
	return bytes > 10 && strncasecmp(text, "boot/", 5) == 0 &&
	       strcasecmp(text + bytes - 5, ".ipxe") == 0 && parse_mac(text + 5, bytes - 10, path);
}

static bool parse_phone_home(const char *text, struct content_path *path)
{
	path->kind = CONTENT_NAME_PHONE_HOME;
	return strncasecmp(text, "phone-home/", 11) == 0 &&
	       parse_mac(text + 11, strlen(text + 11), path);
}

/* "t/NAME", "t/MAC/NAME" */
static bool parse_template(const char *text, struct content_path *path)
{
	const char *name = text + 2, *slash;

	path->kind = CONTENT_NAME_TEMPLATE;
	if (strncmp(text, "t/", 2) != 0) {
		return false;
	}
	slash = strchr(name, '/');
	if (slash != NULL) {
		if (!parse_mac(name, (size_t)(slash - name), path)) {
			return false;
		}
		name = slash + 1;
	}
	if (name[0] == '\0' || strchr(name, '/') != NULL) {
		return false;
	}
	strcpy(path->file, name);
	return true;
}

/* "blob/SHA256" or "blob/SHA256/NAME" */
static bool parse_blob(const char *text, struct content_path *path)
{
	const char *digits = text + 5;
	char copy[65];
	size_t size;

	path->kind = CONTENT_NAME_BLOB;
	if (strncmp(text, "blob/", 5) != 0 || strcspn(digits, "/") != 64) {
		return false;
	}
	memcpy(copy, digits, 64);
	copy[64] = '\0';
	if (text_hex_parse(copy, path->sha256, sizeof path->sha256, &size) != 0 || size != 32) {
		return false;
	}
	strcpy(path->file, digits[64] == '/' ? digits + 65 : "");
	return true;
}

/* "IMAGE/PATH", "IMAGE@DIGEST/PATH", "IMAGE@sha256:DIGEST/PATH" */
static bool parse_file(const char *text, struct content_path *path)
{
	size_t reference = strcspn(text, "/"), name = strcspn(text, "@/"), digits;
	const char *pin = text + name + 1;

	path->kind = CONTENT_NAME_FILE;
	if (text[reference] == '\0' || name == 0 || name >= sizeof path->image) {
		return false;
	}
	if (name < reference) {
		pin += strncmp(pin, "sha256:", 7) == 0 ? 7 : 0;
		digits = (size_t)(text + reference - pin);
		if (digits < 12 || digits > 64 || strspn(pin, "0123456789abcdef") != digits) {
			return false;
		}
		memcpy(path->pin, pin, digits);
		path->pin[digits] = '\0';
	}
	memcpy(path->image, text, name);
	path->image[name] = '\0';
	strcpy(path->file, text + reference + 1);
	return true;
}

int content_path_parse(const char *path, struct content_path *ret_path)
{
	bool (*const parsers[])(const char *text, struct content_path *path) = {
		parse_script, parse_phone_home, parse_template, parse_blob, parse_file};
	char text[CONTENT_PATH_MAX];
	int err = content_path_normalise(path, text);

	if (err != 0) {
		return err;
	}
	for (size_t i = 0; i < sizeof parsers / sizeof parsers[0]; i++) {
		memset(ret_path, 0, sizeof *ret_path);
		if (parsers[i](text, ret_path)) {
			return 0;
		}
	}
	return -ENOENT;
}

/* ---- names that boot programs ask for by themselves */

/* "0A000101", as PXELINUX, GRUB and U-Boot write an address. */
static bool parse_hex_ip(const char *text, uint32_t *ret_ip)
{
	uint8_t bytes[4];
	size_t size;

	if (strlen(text) != 8 || text_hex_parse(text, bytes, sizeof bytes, &size) != 0 ||
		size != 4) {
		return false;
	}
	*ret_ip = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
		  bytes[3];
	return true;
}

/* "01-aa-bb-cc-dd-ee-ff": hardware type 1, then the address. */
static bool parse_type_and_mac(const char *text, struct content_path *path)
{
	return strncmp(text, "01-", 3) == 0 && parse_mac(text + 3, strlen(text + 3), path) &&
	       path->mac_bytes == 6;
}

static bool parse_grub(const char *name, struct content_path *path)
{
	path->kind = CONTENT_NAME_GRUB;
	if (strcasecmp(name, "grub.cfg") == 0) {
		return true;
	}
	return strncasecmp(name, "grub.cfg-", 9) == 0 &&
	       (parse_type_and_mac(name + 9, path) || parse_hex_ip(name + 9, &path->ip));
}

static bool parse_pxelinux(const char *name, struct content_path *path)
{
	path->kind = CONTENT_NAME_PXELINUX;
	if (strcasecmp(name, "default") == 0) {
		return true;
	}
	path->by_name = true;
	path->has_uuid = text_uuid_parse(name, path->uuid) == 0;
	return path->has_uuid || parse_type_and_mac(name, path) || parse_hex_ip(name, &path->ip);
}

int content_path_parse_made(const char *path, struct content_path *ret_path)
{
	static const char folder[] = "pxelinux.cfg/";
	char text[CONTENT_PATH_MAX];
	const char *name, *slash;
	int err = content_path_normalise(path, text);

	if (err != 0) {
		return err;
	}
	memset(ret_path, 0, sizeof *ret_path);
	slash = strrchr(text, '/');
	name = slash != NULL ? slash + 1 : text;
	if ((size_t)(name - text) >= sizeof folder - 1 &&
		strncasecmp(name - (sizeof folder - 1), folder, sizeof folder - 1) == 0 &&
		(name - (sizeof folder - 1) == text || name[-(int)sizeof folder] == '/')) {
		return parse_pxelinux(name, ret_path) ? 0 : -ENOENT;
	}
	if (strcasecmp(name, "extlinux.conf") == 0) {
		ret_path->kind = CONTENT_NAME_UBOOT;
		return 0;
	}
	return parse_grub(name, ret_path) ? 0 : -ENOENT;
}

static int hex_value(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

int content_decode(const char *text, size_t bytes, char *ret_text, size_t text_bytes)
{
	size_t used = 0;

	for (size_t i = 0; i < bytes; i++) {
		char c = text[i];
		if (c == '%') {
			int high = i + 1 < bytes ? hex_value(text[i + 1]) : -1;
			int low = i + 2 < bytes ? hex_value(text[i + 2]) : -1;
			if (high < 0 || low < 0) {
				return -EINVAL;
			}
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == '\0' || used + 1 >= text_bytes) {
			return -EINVAL;
		}
		ret_text[used++] = c;
	}
	ret_text[used] = '\0';
	return 0;
}

int content_query(const char *query, const char *name, char *ret_value, size_t value_bytes)
{
	size_t name_bytes = strlen(name);
	int err;

	while (query != NULL && *query != '\0') {
		size_t bytes = strcspn(query, "&");
		if (bytes > name_bytes && query[name_bytes] == '=' &&
			strncmp(query, name, name_bytes) == 0) {
			err = content_decode(query + name_bytes + 1, bytes - name_bytes - 1,
				ret_value, value_bytes);
			if (err != 0) {
				ret_value[0] = '\0'; /* not what was decoded so far */
			}
			return err;
		}
		query += bytes;
		query += *query == '&';
	}
	return -ENOENT;
}

/* UEFI HTTP Boot goes by these (UEFI 2.10 §24.7.3.1); the rest is for people's browsers. */
const char *content_media_type(const char *path)
{
	static const struct {
		const char *extension, *type;
	} table[] = {
		{".efi", "application/efi"},
		{".iso", "application/vnd.efi-iso"},
		{".ipxe", "text/plain"},
		{".cfg", "text/plain"},
		{".conf", "text/plain"},
		{".txt", "text/plain"},
		{".ks", "text/plain"},
		{".sh", "text/plain"},
		{".yaml", "text/plain"},
		{".yml", "text/plain"},
		{".json", "application/json"},
		{".html", "text/html"},
		{".xml", "application/xml"},
	};
	size_t bytes = strlen(path);

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		size_t tail = strlen(table[i].extension);
		if (bytes > tail && strcasecmp(path + bytes - tail, table[i].extension) == 0) {
			return table[i].type;
		}
	}
	return "application/octet-stream";
}
