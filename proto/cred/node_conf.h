/* proto/cred/node_conf.h: the node's own file, node.yaml, and start.yaml, the one-shot instruction
 * for its first start.
 *
 * node.yaml says what differs between nodes and must be known before the cluster can be reached;
 * everything else is replicated. Written by `pxectl cluster init` and `cluster join`, read by pxed
 * and pxectl. Parsing and formatting are pure (libfyaml on memory); the load and save helpers block
 * on the disk. Every error has file:line:column and says what to write.
 *
 *   name: pxe1                        peer: 10.20.0.11:7440          data: /var/lib/pxecluster
 *   id: 1                             api: 10.20.0.11:7441           keys: /etc/pxecluster/keys
 *   cluster_id: 32 hex digits         join: 10.20.0.11:7442          socket:
 * /run/pxecluster/api.sock interface: eth1                   http_port: 80 log_level: info
 *   serve_ip: 10.20.0.11              tftp_port: 69                  tftp_single_port: no
 *
 * keys holds node.key, node.key_secret and api.key_secret (keyfile.h).
 */
#ifndef PROTO_CRED_NODE_CONF_H
#define PROTO_CRED_NODE_CONF_H

#include "proto/msg/records.pb-c.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NODE_CONF_DIRECTORY "/etc/pxecluster"
#define NODE_CONF_FILE      "node.yaml"
#define NODE_START_FILE     "start.yaml"
#define NODE_CONF_DATA      "/var/lib/pxecluster"
#define NODE_CONF_SOCKET    "/run/pxecluster/api.sock"
#define NODE_CONF_PEER_PORT 7440
#define NODE_CONF_API_PORT  7441
#define NODE_CONF_JOIN_PORT 7442

#define NODE_CONF_PATH_BYTES    256
#define NODE_CONF_ADDRESS_BYTES 64
#define NODE_CONF_TEXT_MAX      8192
#define NODE_CONF_ERROR_BYTES   1024
#define NODE_CONF_CHECK         __attribute__((warn_unused_result))

struct node_conf {
	char name[64];
	uint64_t id; /* member id; given by the cluster, 1 for its first node */
	uint8_t cluster_id[16];
	char interface[16]; /* "eth1": where DHCP is heard and answered */
	uint32_t serve_ip;  /* host byte order; what clients use for TFTP and HTTP */
	char peer_address[NODE_CONF_ADDRESS_BYTES]; /* "ip:port"; default serve_ip:7440 */
	char api_address[NODE_CONF_ADDRESS_BYTES];  /* default serve_ip:7441 */
	char join_address[NODE_CONF_ADDRESS_BYTES]; /* default serve_ip:7442 */
	uint16_t http_port;                         /* default 80 */
	uint16_t tftp_port;                         /* default 69 */
	bool tftp_single_port; /* transfers at that port, too, for clients behind a NAT; default no
				*/
	char data_dir[NODE_CONF_PATH_BYTES];
	char keys_dir[NODE_CONF_PATH_BYTES];
	char socket_path[108]; /* fits a sockaddr_un */
	int log_level; /* syslog priority as in node/log: 3 error, 4 warn, 6 info, 7 debug */
};

/* Everything that has a default gets it; keys_dir is `directory`/keys. The rest is empty. */
void node_conf_init(const char *directory, struct node_conf *ret_conf);
/* Parse the text of `filename` (its directory is the default place of keys/). Unknown keys and
 * wrong values are errors. 0, or -EINVAL with lines for a person in ret_error; *ret_conf is then
 * untouched. */
NODE_CONF_CHECK int node_conf_parse(const char *text, const char *filename,
	struct node_conf *ret_conf, char *ret_error, size_t error_bytes);
/* The text of node.yaml, which parses back to the same. Length without NUL, or -ENOSPC. */
NODE_CONF_CHECK int node_conf_format(
	const struct node_conf *conf, char *ret_text, size_t text_bytes);
/* DIRECTORY/node.yaml. 0, -ENOENT, -EINVAL ... with a line in ret_error. Saving: beside, synced,
 * renamed, mode 0640. */
NODE_CONF_CHECK int node_conf_load(
	const char *directory, struct node_conf *ret_conf, char *ret_error, size_t error_bytes);
NODE_CONF_CHECK int node_conf_save(
	const char *directory, const struct node_conf *conf, char *ret_error, size_t error_bytes);

enum node_start_kind {
	NODE_START_NONE,      /* there is no start.yaml: state must be there */
	NODE_START_BOOTSTRAP, /* make a new cluster of settings and self */
	NODE_START_JOIN,      /* members as the join reply gave them */
	NODE_START_RESTORE,   /* a backup is to be read; settings and self as they will be */
};

/* Owns its messages. Records are kept in the file as base64 of the packed message, beside readable
 * comments. */
struct node_start {
	enum node_start_kind kind;
	Pxe__Settings *settings;
	Pxe__Member *self;
	Pxe__Member **members;
	size_t member_count; /* at most 64 */
};

NODE_CONF_CHECK int node_start_parse(const char *text, const char *filename,
	struct node_start *ret_start, char *ret_error, size_t error_bytes);
/* Heap text (free()), NULL without memory. The messages are borrowed. */
char *node_start_format(const struct node_start *start);
/* DIRECTORY/start.yaml; a missing file is NODE_START_NONE and 0. */
NODE_CONF_CHECK int node_start_load(
	const char *directory, struct node_start *ret_start, char *ret_error, size_t error_bytes);
NODE_CONF_CHECK int node_start_save(
	const char *directory, const struct node_start *start, char *ret_error, size_t error_bytes);
/* Once the state is durable: rename start.yaml to start.yaml.done, so it is never followed twice. 0
 * or negative errno; a missing file is 0. */
NODE_CONF_CHECK int node_start_done(const char *directory);
/* Frees the messages; the struct itself is the caller's. */
void node_start_fini(struct node_start *start);

#endif
