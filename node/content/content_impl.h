/* node/content/content_impl.h: what the files of the content share. Private to node/content. */
#ifndef NODE_CONTENT_CONTENT_IMPL_H
#define NODE_CONTENT_CONTENT_IMPL_H

#include "node/boot/boot.h"
#include "node/boot/boot_choice.h"
#include "node/content/content.h"
#include "node/content/content_kv.h"
#include "node/content/content_path.h"

#define CONTENT_BASE_URL_BYTES 48

struct content_source {
	struct content_source_config config;
	struct content_cache *cache;
	struct content_config *settings;
};

bool content_member_serves(const Pxe__Member *member);
void content_base_url(uint32_t ip, uint32_t port, char url[CONTENT_BASE_URL_BYTES]);

/* ---- content_boot.c: the machine that asks, and what it boots */
struct content_boot {
	struct content_kv *state;
	const struct content_request *request;
	struct boot_source source;
	struct boot_client client;
	struct boot_choice choice; /* of content_boot_choose() */
	unsigned retry;            /* how often its claim was tried already */
};

/* By the path, the query, or the address that asks; and what was seen of the machine. */
void content_boot_init(struct content_boot *boot, struct content_source *source,
	struct content_kv *state, const struct content_request *request,
	const struct content_path *path);
void content_boot_choose(struct content_boot *boot);
/* Machine, host and profile into the content. */
void content_boot_name(const struct content_boot *boot, struct content *content);
/* What a file of an image is to the boot. */
Pxe__BootStage content_boot_stage(
	const struct content_boot *boot, const char *image, const char *file);
/* Is the machine's program the first of a chain that asks for a configuration? */
bool content_boot_is_chain(const struct content_boot *boot);
/* The boot begins with what is asked for. 0: go on, or `content` says CONTENT_CLAIM. -EIO: it was
 * tried, and could not be claimed. */
int content_boot_claim(struct content_boot *boot, struct content *content);
/* Its own decision: give up to claim it, and choose what else applies. */
void content_boot_without_once(struct content_boot *boot);

/* ---- content_made.c: what is made for a machine. As content_open(). */
int content_open_script(struct content_source *source, struct content_kv *state,
	const struct content_request *request, const struct content_path *path,
	struct content *content);
int content_open_template(struct content_source *source, struct content_kv *state,
	const struct content_request *request, const struct content_path *path,
	struct content *content);
int content_open_config(struct content_source *source, struct content_kv *state,
	const struct content_request *request, const struct content_path *path,
	struct content *content);
int content_open_phone_home(struct content_source *source, struct content_kv *state,
	const struct content_request *request, const struct content_path *path,
	struct content *content);

#endif
