/* node/content/content.h: what a path means: the one name space that TFTP and HTTP serve.
 *
 *   IMAGE/PATH            a file of the image's current version          debian12/vmlinuz
 *   IMAGE@DIGEST/PATH     of that version (digest: a unique prefix of at least 12 hex digits)
 *   boot.ipxe             the iPXE script for the machine that asks (by query or by its address)
 *   boot/MAC.ipxe         the iPXE script for that machine
 *   autoexec.ipxe         as boot.ipxe
 *   t/NAME, t/MAC/NAME    a template of the machine's profile, filled in for it
 *   .../grub.cfg          GRUB's configuration for the machine that asks; grub.cfg-01-MAC,
 *                         grub.cfg-HEXIP: for that machine
 *   .../pxelinux.cfg/NAME PXELINUX's and U-Boot's: 01-MAC, a UUID, HEXIP, or "default"
 *   .../extlinux.conf     U-Boot's
 *   blob/SHA256[/NAME]    a file by its hash (nodes fetch from each other); NAME tells its type
 *   phone-home/MAC        HTTP: the booted system reports; answered with "ok"
 *   PATH, SERIAL/PATH     a file of the image that the asking machine boots by its host, subnet or
 *                         the cluster (FIELD 58), when there is nothing of that name else; SERIAL
 *                         are the 8 digits of a Raspberry Pi
 *   .../IMAGE@DIGEST/PATH as without the folders in front, which U-Boot puts there
 *
 * A file of an image comes before what is made under its name. What a one-shot boot begins with
 * (script, configuration, own program) must be claimed first: CONTENT_CLAIM.
 *
 * Called on the HTTP and TFTP threads: reads the durable state through its own LMDB read
 * transactions, and a configuration loaded from it (content_config.h), never the loop's model. Only
 * published versions are visible [P7]. Paths are normalised first (FIELD 56): '\\' to '/', leading
 * and double '/' dropped, "." dropped,
 * ".." refused. In an image, a name that differs in case from one file only means that file.
 */
#ifndef NODE_CONTENT_CONTENT_H
#define NODE_CONTENT_CONTENT_H

#include "node/content/content_claim.h"
#include "node/images/relay.h"
#include "proto/msg/event.pb-c.h"
#include "store/blob/blob.h"
#include "store/kv/kv.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct content_source;

struct content_source_config {
	struct kv *kv;
	struct blob_store *blobs;
	struct relays *relays; /* for files that this node lacks; NULL: clients are redirected */
	uint64_t self;         /* member id */
};

/* Who asks; ip in host byte order, 0 unknown. local_ip: our address that was asked. */
struct content_request {
	const char *path;  /* as received, percent-decoded; without the query */
	const char *query; /* "mac=...&arch=...&uuid=..." or NULL */
	uint32_t client_ip, local_ip;
	uint16_t local_port; /* HTTP port that URLs in scripts name; 0: this member's */
	bool claim_tried;    /* a CONTENT_CLAIM was dealt with: there is no second one */
	const char *body;    /* of a POST to phone-home, a string; else NULL */
	bool body_is_form;   /* "a=b&c=d" */
};

enum content_kind {
	CONTENT_FILE,      /* fd, bytes, sha256 */
	CONTENT_TEXT,      /* text, bytes: made for this request */
	CONTENT_RELAY,     /* published, not here yet, on its way from another node: relay, bytes,
			      sha256 */
	CONTENT_CLAIM,     /* claim: to be made first; then open again */
	CONTENT_UNSOUND,   /* text, bytes: why a template cannot be filled in, for a person */
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
	struct content_claim claim;
	Pxe__BootStage stage;
	char profile[64]; /* that the machine boots; "": not known */
	bool has_sha256;  /* TEXT: sha256 is that of the text, which is the same when asked again */
	bool script, phone_home;
	char report[200]; /* phone_home: what the system says, printable */
	bool failed;      /* phone_home: it says that it failed */
	bool blob;        /* asked for by hash: a node's fetch, not a machine's boot */
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
/* A CONTENT_FILE could not be sent to its end: it is read soon, and fetched anew if it is damaged.
 * Any thread. */
void content_suspect(struct content_source *source, const uint8_t sha256[32]);
/* The loop tells the cluster time, about once a second. Any thread. */
void content_source_set_time(struct content_source *source, uint64_t cluster_ms);

#endif
