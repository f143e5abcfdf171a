/* image list, show. */
#include "ctl/client.h"
#include "ctl/cmd.h"
#include "ctl/objects.h"
#include "ctl/show.h"

#include <inttypes.h>
#include <string.h>

static const struct table_column image_columns[] = {{"NAME", false, false},
	{"CURRENT", false, false}, {"SIZE", true, false}, {"FILES", true, false},
	{"NODES", false, false}, {"STATE", false, false}, {"PREVIOUS", false, true}};

static bool same(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
	return a->len == b->len && a->len > 0 && memcmp(a->data, b->data, a->len) == 0;
}

static const Pxe__ImageVersion *find_version(
	const Pxe__ObjectList *versions, const char *image, const ProtobufCBinaryData *digest)
{
	for (size_t i = 0; i < versions->n_image_versions; i++) {
		if (strcmp(versions->image_versions[i]->image, image) == 0 &&
			same(&versions->image_versions[i]->digest, digest)) {
			return versions->image_versions[i];
		}
	}
	return NULL;
}

static void names_of(const Pxe__ObjectList *members, const Pxe__ImageVersion *version,
	char *ret_text, size_t bytes)
{
	ret_text[0] = '\0';
	for (size_t i = 0; version != NULL && i < version->n_holders; i++) {
		for (size_t m = 0; m < members->n_members; m++) {
			size_t used = strlen(ret_text);
			if (members->members[m]->id == version->holders[i]) {
				snprintf(ret_text + used, bytes - used, "%s%s",
					used == 0 ? "" : ",", members->members[m]->name);
			}
		}
	}
}

static void image_row(struct table *table, const Pxe__Image *image, const Pxe__ObjectList *versions,
	const Pxe__ObjectList *members)
{
	const Pxe__ImageVersion *current =
		find_version(versions, image->name, &image->current_digest);
	const Pxe__ImageVersion *staged =
		find_version(versions, image->name, &image->staged_digest);
	const Pxe__ImageVersion *shown = current != NULL ? current : staged;
	char text[SHOW_BYTES], names[SHOW_BYTES];

	table_cell(table, image->name);
	table_cell(table, show_digest(&image->current_digest, text));
	table_cell(table, shown == NULL ? "" : show_size(shown->bytes, text));
	table_cellf(table, "%zu", shown == NULL ? 0 : shown->n_files);
	names_of(members, shown, names, sizeof names);
	table_cell(table, names);
	table_cell(table, staged != NULL && current != NULL ? "published, next one is copied"
			  : current != NULL                 ? "published"
							    : "being copied");
	table_cell(table, show_digest(&image->previous_digest, text));
}

static int list_all(struct ctl *ctl, const char *pattern, Pxe__ObjectList **ret_images,
	Pxe__ObjectList **ret_versions, Pxe__ObjectList **ret_members)
{
	int result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_IMAGE, pattern, ret_images);

	*ret_versions = *ret_members = NULL;
	if (result == CTL_OK) {
		result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_IMAGE_VERSION, "", ret_versions);
	}
	if (result == CTL_OK) {
		result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_MEMBER, "", ret_members);
	}
	return result;
}

static void free_all(Pxe__ObjectList *images, Pxe__ObjectList *versions, Pxe__ObjectList *members)
{
	pxe__object_list__free_unpacked(images, NULL);
	pxe__object_list__free_unpacked(versions, NULL);
	pxe__object_list__free_unpacked(members, NULL);
}

int cmd_image_list(struct ctl *ctl, const struct invocation *in)
{
	Pxe__ObjectList *images = NULL, *versions = NULL, *members = NULL;
	struct table *table;
	int result =
		list_all(ctl, in->arg_count > 0 ? in->args[0] : "", &images, &versions, &members);

	if (result == CTL_OK && ctl->format == CTL_JSON) {
		result = objects_print_json(ctl, images, PXE__OBJECT_KIND__OBJECT_IMAGE);
	} else if (result == CTL_OK && ctl->format == CTL_NAME) {
		for (size_t i = 0; i < images->n_images; i++) {
			fprintf(ctl->out, "%s\n", images->images[i]->name);
		}
	} else if (result == CTL_OK) {
		table = table_new(image_columns, sizeof image_columns / sizeof image_columns[0]);
		for (size_t i = 0; i < images->n_images; i++) {
			image_row(table, images->images[i], versions, members);
		}
		result = show_table(ctl, table);
		if (images->n_images == 0) {
			ctl_note(
				ctl, "there is no image yet; push one: pxectl image push NAME DIR");
		}
	}
	free_all(images, versions, members);
	return result;
}

static void show_version(struct ctl *ctl, const Pxe__Image *image, const Pxe__ImageVersion *version,
	const Pxe__ObjectList *members)
{
	uint64_t now_ms = client_list_now_ms(members);
	const char *role = same(&version->digest, &image->current_digest)    ? "current"
			   : same(&version->digest, &image->previous_digest) ? "previous"
			   : same(&version->digest, &image->staged_digest)   ? "being copied"
									     : "kept";
	char text[SHOW_BYTES], when[SHOW_BYTES], size[SHOW_BYTES], names[SHOW_BYTES];

	names_of(members, version, names, sizeof names);
	fprintf(ctl->out, "%s@%s  %s  pushed %s  %s in %zu files  on %s\n", image->name,
		show_digest(&version->digest, text), role,
		show_when(version->created_ms, now_ms, when), show_size(version->bytes, size),
		version->n_files, names[0] == '\0' ? "no node" : names);
	for (size_t i = 0; i < version->n_files; i++) {
		char digest[SHOW_BYTES];
		fprintf(ctl->out, "  %12" PRIu64 "  %s  %s\n", version->files[i]->bytes,
			show_digest(&version->files[i]->sha256, digest), version->files[i]->path);
	}
}

int cmd_image_show(struct ctl *ctl, const struct invocation *in)
{
	Pxe__ObjectList *images = NULL, *versions = NULL, *members = NULL;
	int result = list_all(ctl, in->args[0], &images, &versions, &members);

	if (result == CTL_OK && images->n_images != 1) {
		result = ctl_fail(ctl, CTL_NOT_FOUND, "there is no image '%s'", in->args[0]);
	}
	if (result == CTL_OK && ctl->format == CTL_JSON) {
		Pxe__ObjectList both = PXE__OBJECT_LIST__INIT;
		Pxe__ImageVersion **own = versions->image_versions;
		size_t kept = 0;
		for (size_t i = 0; i < versions->n_image_versions; i++) {
			if (strcmp(own[i]->image, images->images[0]->name) == 0) {
				Pxe__ImageVersion *swap = own[kept];
				own[kept++] = own[i];
				own[i] = swap;
			}
		}
		both.n_images = images->n_images;
		both.images = images->images;
		both.n_image_versions = kept;
		both.image_versions = own;
		both.revision = images->revision;
		both.stale = images->stale;
		both.as_of_ms = images->as_of_ms;
		result = ctl_print_json(ctl, &both.base);
	} else if (result == CTL_OK) {
		for (size_t i = 0; i < versions->n_image_versions; i++) {
			if (strcmp(versions->image_versions[i]->image, images->images[0]->name) ==
				0) {
				show_version(ctl, images->images[0], versions->image_versions[i],
					members);
			}
		}
	}
	free_all(images, versions, members);
	return result;
}
