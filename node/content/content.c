#include "node/content/content.h"

#include "node/content/content_cache.h"
#include "node/content/content_impl.h"
#include "node/content/content_path.h"
#include "proto/msg/msg_ip4.h"
#include "proto/wire/dhcp4_names.h"
#include "proto/wire/text.h"
#include "store/model/model.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int content_source_open(
	const struct content_source_config *config, struct content_source **ret_source)
{
	struct content_source *source;

	assert(config != NULL && config->kv != NULL && config->blobs != NULL && ret_source != NULL);
	source = malloc(sizeof *source);
	if (source == NULL) {
		abort();
	}
	source->config = *config;
	source->cache = content_cache_new();
	source->settings = content_config_new(config->kv);
	*ret_source = source;
	return 0;
}

void content_suspect(struct content_source *source, const uint8_t sha256[32])
{
	assert(source != NULL);
	blob_suspect(source->config.blobs, sha256);
}

void content_source_close(struct content_source *source)
{
	if (source != NULL) {
		content_cache_free(source->cache);
		content_config_free(source->settings);
		free(source);
	}
}

void content_fini(struct content *content)
{
	if (content->fd >= 0) {
		close(content->fd);
	}
	free(content->text);
	relay_close(content->relay);
	content->relay = NULL;
	content->fd = -1;
	content->text = NULL;
}

void content_source_set_time(struct content_source *source, uint64_t cluster_ms)
{
	content_config_set_time(source->settings, cluster_ms);
}

bool content_member_serves(const Pxe__Member *member)
{
	return member->role == PXE__MEMBER_ROLE__MEMBER_FULL &&
	       msg_ip4_get(member->serve_ip) != 0 && member->http_port > 0 &&
	       member->http_port <= UINT16_MAX;
}

void content_base_url(uint32_t ip, uint32_t port, char url[CONTENT_BASE_URL_BYTES])
{
	char address[TEXT_IP4_BYTES];

	snprintf(url, CONTENT_BASE_URL_BYTES, "http://%s:%u", text_ip4_format(ip, address), port);
}

/* ---- files */

struct pin_visit {
	const char *digits;
	uint8_t digest[32];
	unsigned matches;
};

static bool visit_version(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct pin_visit *visit = ctx;
	char digits[65];
	Pxe__ImageVersion *version;

	if (key_bytes < 32) {
		return true;
	}
	text_hex_format(key + key_bytes - 32, 32, digits, sizeof digits);
	if (strncmp(digits, visit->digits, strlen(visit->digits)) != 0) {
		return true;
	}
	version = pxe__image_version__unpack(NULL, value_bytes, value);
	if (version != NULL && version->published) {
		visit->matches++;
		memcpy(visit->digest, key + key_bytes - 32, 32);
	}
	if (version != NULL) {
		pxe__image_version__free_unpacked(version, NULL);
	}
	return true;
}

static bool digest_begins(const ProtobufCBinaryData *digest, const char *digits)
{
	char text[65];

	return digest->len == 32 && strncmp(text_hex_format(digest->data, 32, text, sizeof text),
					    digits, strlen(digits)) == 0;
}

/* The digest of the version that the path means, among the published ones [P7]. */
static int version_find(const struct content_source *source, struct content_kv *state,
	const struct content_path *path, uint8_t ret_digest[32])
{
	struct pin_visit visit = {path->pin, {0}, 0};
	uint8_t prefix[RECORD_KEY_MAX];
	const Pxe__Image *image;

	image = model_image(state->model, path->image);
	if (image == NULL) {
		return -ENOENT;
	}
	if (path->pin[0] == '\0') {
		if (image->current_digest.len != 32) {
			return -ENOENT;
		}
		memcpy(ret_digest, image->current_digest.data, 32);
		return 0;
	}
	/* All digits of a version that the image points to need no search. */
	if (strlen(path->pin) == 64 && digest_begins(&image->current_digest, path->pin)) {
		memcpy(ret_digest, image->current_digest.data, 32);
		return 0;
	}
	(void)kv_state_each_prefix(source->config.kv, prefix,
		record_key(RECORD_IMAGE_VERSION, path->image, strlen(path->image) + 1, prefix),
		visit_version, &visit);
	if (visit.matches != 1) {
		return -ENOENT;
	}
	memcpy(ret_digest, visit.digest, 32);
	return 0;
}

/* Other members that serve files, the version's holders first; returns how many hold it. Which
 * holder is first depends on who asks, so that a rack spreads its load. */
static size_t members_elsewhere(const struct content_source *source, struct content_kv *state,
	const Pxe__ImageVersion *version, uint32_t client_ip, struct relay_want *ret_want)
{
	const Pxe__Member *members[MODEL_MEMBERS_MAX];
	size_t count = model_members(state->model, members, MODEL_MEMBERS_MAX), holders = 0;

	ret_want->base_url_count = 0;
	for (unsigned round = 0; round < 2; round++) {
		for (size_t i = 0; i < count && ret_want->base_url_count < RELAY_SOURCES_MAX; i++) {
			const Pxe__Member *member = members[(i + client_ip) % count];
			bool holds = false;
			for (size_t k = 0; k < version->n_holders; k++) {
				holds = holds || version->holders[k] == member->id;
			}
			if (holds != (round == 0) || member->id == source->config.self ||
				!content_member_serves(member)) {
				continue;
			}
			content_base_url(msg_ip4_get(member->serve_ip), member->http_port,
				ret_want->base_urls[ret_want->base_url_count++]);
			holders += holds;
		}
	}
	return holders;
}

static int redirect(const char *base, const struct content_path *path, struct content *content)
{
	const char *slash = strrchr(path->file, '/'),
		   *name = slash != NULL ? slash + 1 : path->file;
	char digits[65];
	int bytes;

	text_hex_format(content->sha256, 32, digits, sizeof digits);
	if (name[strspn(name,
		    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")] != '\0') {
		name = "file";
	}
	bytes = snprintf(content->redirect_url, sizeof content->redirect_url, "%s/blob/%s/%s", base,
		digits, name);
	if (bytes < 0 || (size_t)bytes >= sizeof content->redirect_url) {
		return -EIO;
	}
	content->kind = CONTENT_ELSEWHERE;
	return 0;
}

/* Published, and not here: through us from a member that has it, or else the client is sent there.
 */
static int open_elsewhere(const struct content_source *source, struct content_kv *state,
	const struct content_request *request, const struct content_path *path,
	const uint8_t digest[32], struct content *content)
{
	const Pxe__ImageVersion *version = content_kv_version(state, path->image, digest);
	struct relay_want want = {.bytes = content->bytes};
	size_t holders = 0;

	if (version != NULL) {
		holders = members_elsewhere(source, state, version, request->client_ip, &want);
	}
	if (holders == 0) {
		return -EIO;
	}
	memcpy(want.sha256, content->sha256, 32);
	if (source->config.relays != NULL) {
		content->relay = relay_open(source->config.relays, &want);
	}
	if (content->relay != NULL) {
		content->kind = CONTENT_RELAY;
		return 0;
	}
	return redirect(want.base_urls[0], path, content);
}

/* Who is it that fetches, and what of its boot? For the events. CONTENT_CLAIM if a one-shot boot
 * begins with this file. */
static int name_client(struct content_source *source, struct content_kv *state,
	const struct content_request *request, const struct content_path *path,
	struct content *content)
{
	const struct content_path nothing = {.kind = CONTENT_NAME_FILE};
	struct content_boot boot;

	content_boot_init(&boot, source, state, request, &nothing);
	if (boot.client.mac_bytes == 0) {
		return 0;
	}
	boot.client.goes_on = true;
	content_boot_choose(&boot);
	content->stage = content_boot_stage(&boot, path->image, path->file);
	content_boot_name(&boot, content);
	if (content->stage != PXE__BOOT_STAGE__STAGE_LOADER ||
		!boot_once_is_open(boot.choice.once) ||
		boot_choice_has_script(&boot.choice, boot.client.arch) ||
		content_boot_is_chain(&boot)) {
		return 0;
	}
	boot.client.goes_on = false;
	content_boot_choose(&boot);
	return content_boot_claim(&boot, content);
}

static int open_file(struct content_source *source, struct content_kv *state,
	const struct content_request *request, const struct content_path *path,
	struct content *content)
{
	uint8_t digest[32];
	uint64_t expected, actual = 0;
	int found, err = version_find(source, state, path, digest);

	if (err != 0) {
		return err;
	}
	found = content_cache_find(source->cache, digest, path->file, content->sha256, &expected);
	if (found < 0) {
		const Pxe__ImageVersion *version = content_kv_version(state, path->image, digest);
		if (version == NULL) {
			return -ENOENT;
		}
		content_cache_add(source->cache, digest, version);
		found = content_cache_find(
			source->cache, digest, path->file, content->sha256, &expected);
	}
	if (found <= 0) {
		return -ENOENT;
	}
	content->media_type = content_media_type(path->file);
	err = name_client(source, state, request, path, content);
	if (err != 0 || content->kind == CONTENT_CLAIM) {
		return err;
	}
	content->fd = blob_open(source->config.blobs, content->sha256, &actual);
	if (content->fd >= 0 && actual == expected) {
		content->kind = CONTENT_FILE;
		content->bytes = actual;
		return 0;
	}
	content->bytes = expected;
	if (content->fd >= 0) { /* of another size: not what it should be */
		content_suspect(source, content->sha256);
		close(content->fd);
		content->fd = -1;
	}
	return open_elsewhere(source, state, request, path, digest, content);
}

static int open_blob(
	struct content_source *source, const struct content_path *path, struct content *content)
{
	memcpy(content->sha256, path->sha256, 32);
	content->fd = blob_open(source->config.blobs, path->sha256, &content->bytes);
	if (content->fd < 0) {
		return content->fd == -ENOENT ? -ENOENT : -EIO;
	}
	content->kind = CONTENT_FILE;
	content->blob = true;
	content->media_type = content_media_type(path->file);
	return 0;
}

/* ---- names without an image */

/* The image of what the machine that asks boots, by host, subnet or cluster, as profiles name it;
 * "" if nothing is known. */
static void image_of_machine(struct content_source *source, struct content_kv *state,
	const struct content_request *request, char *ret_image, size_t image_bytes)
{
	const struct content_path nothing = {.kind = CONTENT_NAME_FILE};
	struct content_boot boot;

	content_boot_init(&boot, source, state, request, &nothing);
	boot.client.goes_on = true;
	content_boot_choose(&boot);
	snprintf(ret_image, image_bytes, "%s",
		boot.choice.problem[0] == '\0' && boot.choice.profile != NULL ? boot.choice.image
									      : "");
}

/* A Raspberry Pi asks for "SERIAL/start4.elf", then for "start4.elf"; boot programs that were not
 * told where they lie ask for what should be beside them (FIELD 58). */
static int open_beside(struct content_source *source, struct content_kv *state,
	const struct content_request *request, struct content *content)
{
	char image[MODEL_NAME_MAX + 80], name[CONTENT_PATH_MAX], whole[2 * CONTENT_PATH_MAX];
	const char *tail = name;
	struct content_path path;
	int err = content_path_normalise(request->path, name);

	if (err != 0 || name[0] == '\0') {
		return -ENOENT;
	}
	image_of_machine(source, state, request, image, sizeof image);
	if (image[0] == '\0') {
		return -ENOENT;
	}
	if (strspn(name, "0123456789abcdefABCDEF") == 8 && name[8] == '/') {
		tail = name + 9;
	}
	snprintf(whole, sizeof whole, "%s/%s", image, tail);
	err = content_path_parse(whole, &path);
	if (err != 0 || path.kind != CONTENT_NAME_FILE) {
		return -ENOENT;
	}
	return open_file(source, state, request, &path, content);
}

static int open_named(struct content_source *source, struct content_kv *state,
	const struct content_request *request, const struct content_path *path,
	struct content *content)
{
	switch (path->kind) {
	case CONTENT_NAME_FILE: return open_file(source, state, request, path, content);
	case CONTENT_NAME_BLOB: return open_blob(source, path, content);
	case CONTENT_NAME_SCRIPT: return content_open_script(source, state, request, path, content);
	case CONTENT_NAME_PHONE_HOME:
		return content_open_phone_home(source, state, request, path, content);
	case CONTENT_NAME_TEMPLATE:
		return content_open_template(source, state, request, path, content);
	case CONTENT_NAME_GRUB:
	case CONTENT_NAME_PXELINUX:
	case CONTENT_NAME_UBOOT: return content_open_config(source, state, request, path, content);
	}
	return -ENOENT;
}

/* U-Boot puts the folder of its own program in front of every path of its configuration, so that a
 * pinned one ("FOLDER/IMAGE@DIGITS/PATH") is not at the beginning. */
static int open_pinned_below(struct content_source *source, struct content_kv *state,
	const struct content_request *request, const struct content_path *outer,
	struct content *content)
{
	struct content_path path;

	for (const char *tail = outer->file; tail != NULL; tail = strchr(tail, '/')) {
		tail += *tail == '/';
		if (content_path_parse(tail, &path) == 0 && path.kind == CONTENT_NAME_FILE &&
			path.pin[0] != '\0') {
			return open_file(source, state, request, &path, content);
		}
	}
	return -ENOENT;
}

/* What the path says; else a file that should be beside the machine's others; else what is made
 * under such a name. */
static int open_any(struct content_source *source, struct content_kv *state,
	const struct content_request *request, struct content *content)
{
	struct content_path path;
	int err = content_path_parse(request->path, &path);

	if (err == 0) {
		err = open_named(source, state, request, &path, content);
	}
	if (err == -ENOENT && path.kind == CONTENT_NAME_FILE) {
		err = open_pinned_below(source, state, request, &path, content);
	}
	if (err == -ENOENT && path.kind == CONTENT_NAME_FILE) {
		err = open_beside(source, state, request, content);
	}
	if (err == -ENOENT && content_path_parse_made(request->path, &path) == 0) {
		err = open_named(source, state, request, &path, content);
	}
	return err;
}

int content_open(struct content_source *source, const struct content_request *request,
	struct content *ret_content)
{
	struct content_kv state;
	int err;

	assert(source != NULL && request != NULL && request->path != NULL && ret_content != NULL);
	memset(ret_content, 0, sizeof *ret_content);
	ret_content->fd = -1;
	err = content_kv_init(&state, source->config.kv, source->settings);
	if (err != 0) {
		return err;
	}
	err = open_any(source, &state, request, ret_content);
	content_kv_fini(&state);
	if (err != 0) {
		content_fini(ret_content);
	}
	return err;
}
