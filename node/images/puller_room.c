/* An image that this node has no room for: told once, until it is here or gone. */
#include "node/images/puller_impl.h"
#include "proto/wire/text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void tell(const struct image_puller *puller, const char *format_image, const char *rest)
{
	const struct image_cluster *cluster = &puller->config.cluster;
	const Pxe__Member *self = model_member(cluster->model(cluster->ctx), cluster->self);
	struct event event = {.kind = PXE__EVENT_KIND__EVENT_ALARM};

	snprintf(event.text, sizeof event.text, "%s %.63s on %.40s%s", format_image,
		puller->full_image, self != NULL ? self->name : "this node", rest);
	if (cluster->on_event != NULL) {
		cluster->on_event(cluster->ctx, &event);
	}
}

void puller_room_on_full(struct image_puller *puller, const struct puller_version *version)
{
	char need[TEXT_SIZE_BYTES], room[TEXT_SIZE_BYTES], rest[160];
	struct image_puller_stats *stats = &puller->stats;
	bool known = stats->need_bytes > 0;

	if (known && (memcmp(puller->full_digest, version->digest, 32) != 0 ||
			     strcmp(puller->full_image, version->image) != 0)) {
		return; /* one at a time */
	}
	stats->need_bytes = 0;
	for (size_t i = 0; i < version->missing.count; i++) {
		stats->need_bytes += version->missing.at[i].bytes;
	}
	if (blob_room(puller->config.blobs, &stats->room_bytes) != 0) {
		stats->room_bytes = 0;
	}
	if (known || stats->need_bytes == 0) {
		return;
	}
	memcpy(puller->full_digest, version->digest, 32);
	memcpy(puller->full_image, version->image, sizeof puller->full_image);
	snprintf(rest, sizeof rest,
		": %s needed, %s free for images; free space there, or remove versions: pxectl "
		"image gc",
		text_size_format(stats->need_bytes, need),
		text_size_format(stats->room_bytes, room));
	tell(puller, "no room for image", rest);
}

void puller_room_step(struct image_puller *puller)
{
	bool over = true;

	if (puller->stats.need_bytes == 0) {
		return;
	}
	for (size_t i = 0; i < puller->version_count; i++) {
		const struct puller_version *version = puller->versions[i];
		if (memcmp(version->digest, puller->full_digest, 32) == 0 &&
			strcmp(version->image, puller->full_image) == 0) {
			over = version->state == PULLER_COMPLETE;
		}
	}
	if (over) {
		puller->stats.need_bytes = puller->stats.room_bytes = 0;
		tell(puller, "there is no lack of room any more for image", "");
	}
}
