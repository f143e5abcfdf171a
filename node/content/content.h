/* node/content/content.h: what a path means: the one name space that TFTP and HTTP serve.
 *
 *   IMAGE/PATH            a file of the image's current version          debian12/vmlinuz
 *   IMAGE@DIGEST/PATH     of that version (digest: a unique prefix of at least 12 hex digits)
 *   boot.ipxe             the iPXE script for the machine that asks (by query or by its address)
 *   boot/MAC.ipxe         the iPXE script for that machine
 *   autoexec.ipxe         as boot.ipxe
 *   blob/SHA256[/NAME]    a file by its hash (nodes fetch from each other); NAME tells its type
 *   phone-home/MAC        HTTP: the booted system reports; answered with "ok"
 *   PATH, SERIAL/PATH     a file of the image that the asking machine boots by its host, subnet or
 *                         the cluster (FIELD 58), when there is nothing of that name else; SERIAL
 *                         are the 8 digits of a Raspberry Pi
 *
 * Called on the HTTP and TFTP threads: reads the durable state through its own LMDB read
 * transactions (kv_state_get), never the loop's model. Only published versions are visible [P7].
 * Paths are normalised first (FIELD 56): '\\' to '/', leading and double '/' dropped, "." dropped,
 * ".." refused. In an image, a name that differs in case from one file only means that file.
 */
#ifndef NODE_CONTENT_CONTENT_H
#define NODE_CONTENT_CONTENT_H

#include "node/images/relay.h"
#include "store/blob/blob.h"
#include "store/kv/kv.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct content_source;

struct content_source_config {
	struct kv *kv;
	const struct blob_store *blobs;
	struct relays *relays; /* for files that this node lacks; NULL: clients are redirected */
	uint64_t self;         /* member id */
};

/* Who asks; ip in host byte order, 0 unknown. local_ip: our address that was asked. */
struct content_request {
	const char *path;  /* as received, percent-decoded; without the query */
	const char *query; /* "mac=...&arch=...&uuid=..." or NULL */
	uint32_t client_ip, local_ip;
	uint16_t local_port; /* HTTP port that URLs in scripts name; 0: this member's */
};

enum content_kind {
	CONTENT_FILE,      /* fd, bytes, sha256 */
	CONTENT_TEXT,      /* text, bytes: made for this request */
	CONTENT_RELAY,     /* published, not here yet, on its way from another node: relay, bytes,
			      sha256 */
	CONTENT_ELSEWHERE, /* published, but this node does not hold it (yet): redirect_url of a
			      member that does */
};

struct content {
	enum content_kind kind;
	int fd;
	uint64_t bytes;
	uint8_t sha256[32];
	char *text;          /* heap */
	struct relay *relay; /* content_fini() closes it */
	char redirect_url[512];
	const char *media_type; /* static string: "application/efi", "application/octet-stream",
				   "text/plain" */
	uint8_t mac[16];        /* the machine, if known from path or query */
	uint8_t mac_bytes;
	char host[64]; /* its name, "" unknown */
	bool script, phone_home;
	bool blob; /* asked for by hash: a node's fetch, not a machine's boot */
};

int content_source_open(
	const struct content_source_config *config, struct content_source **ret_source);
void content_source_close(struct content_source *source);
/* 0; -ENOENT: no such thing; -EINVAL: a path that tries to leave the tree or is malformed; -EIO:
 * published, but nobody that we know of can give it now. Any thread. On failure there is nothing to
 * fini. */
int content_open(struct content_source *source, const struct content_request *request,
	struct content *ret_content);
void content_fini(struct content *content);

#endif
