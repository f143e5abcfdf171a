/* node/content/content_path.h: taking a requested path apart. Pure; the bytes come from strangers.
 */
#ifndef NODE_CONTENT_CONTENT_PATH_H
#define NODE_CONTENT_CONTENT_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTENT_PATH_MAX 512

enum content_name {
	CONTENT_NAME_FILE,
	CONTENT_NAME_SCRIPT,
	CONTENT_NAME_BLOB,
	CONTENT_NAME_PHONE_HOME,
	CONTENT_NAME_TEMPLATE,
	CONTENT_NAME_GRUB,     /* a configuration that is made for a machine */
	CONTENT_NAME_PXELINUX, /* the same */
	CONTENT_NAME_UBOOT     /* the same */
};

struct content_path {
	enum content_name kind;
	char image[64];              /* FILE */
	char pin[65];                /* FILE: digits of the version's digest, "" the current one */
	char file[CONTENT_PATH_MAX]; /* FILE: path in the image; BLOB: the name behind the hash, or
					""; TEMPLATE: its name */
	uint8_t sha256[32];          /* BLOB */
	/* Of the machine, all but FILE and BLOB; 0 bytes, false, 0: not in the path. */
	uint8_t mac[16];
	uint8_t mac_bytes;
	bool has_uuid;
	uint8_t uuid[16];
	uint32_t ip;
	bool by_name; /* PXELINUX: its loader asks for other names, too, if this one is not there */
};

/* '\\' to '/', empty and "." parts dropped, leading '/' too. 0; -EINVAL: a ".." part, a control
 * byte, or too long. */
int content_path_normalise(const char *path, char ret_path[CONTENT_PATH_MAX]);
/* Names of scripts, blobs, files... 0; -EINVAL as above; -ENOENT: nothing that could be a name. */
int content_path_parse(const char *path, struct content_path *ret_path);

/* GRUB, PXELINUX, UBOOT: names that are made unless a file has them. 0; -EINVAL; -ENOENT: it is
 * none. */
int content_path_parse_made(const char *path, struct content_path *ret_path);

/* Percent-decode `bytes` of text into a string. 0; -EINVAL: a bad escape, a zero byte, or no room.
 */
int content_decode(const char *text, size_t bytes, char *ret_text, size_t text_bytes);
/* The value of "name=" in "a=b&name=value", decoded. 0; -ENOENT; -EINVAL: as
 * content_decode(), and the value is "". */
int content_query(const char *query, const char *name, char *ret_value, size_t value_bytes);

/* By extension; never NULL. */
const char *content_media_type(const char *path);

#endif
