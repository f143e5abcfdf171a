/* image add-loaders: the boot programs of this machine's packages as images. */
#include "ctl/cmd.h"
#include "ctl/image_push.h"
#include "ctl/loaders.h"

#include <assert.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LOADERS_PACKAGES_MAX 512

struct gathering {
	struct image_file_at *files;
	size_t count;
	char packages[LOADERS_PACKAGES_MAX]; /* that are missing, " a b" */
};

static bool has_path(const struct gathering *gathering, const char *path)
{
	for (size_t i = 0; i < gathering->count; i++) {
		if (strcmp(gathering->files[i].path, path) == 0) {
			return true;
		}
	}
	return false;
}

static bool add(struct gathering *gathering, const char *path, const char *source)
{
	struct stat st;

	if (stat(source, &st) != 0 || !S_ISREG(st.st_mode)) {
		return false;
	}
	if (!has_path(gathering, path)) {
		gathering->files = realloc(
			gathering->files, (gathering->count + 1) * sizeof *gathering->files);
		assert(gathering->files != NULL);
		gathering->files[gathering->count++] =
			(struct image_file_at){strdup(path), strdup(source), (uint64_t)st.st_size};
	}
	return true;
}

static void add_pattern(struct gathering *gathering, const char *pattern)
{
	glob_t found;

	if (glob(pattern, 0, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++) {
			add(gathering, strrchr(found.gl_pathv[i], '/') + 1, found.gl_pathv[i]);
		}
		globfree(&found);
	}
}

static void name_package(struct gathering *gathering, const char *package)
{
	size_t used = strlen(gathering->packages);

	if (strstr(gathering->packages, package) == NULL) {
		snprintf(gathering->packages + used, sizeof gathering->packages - used, " %s",
			package);
	}
}

static void gather(const struct loader_image *image, struct gathering *ret_gathering)
{
	memset(ret_gathering, 0, sizeof *ret_gathering);
	for (size_t i = 0; i < image->file_count; i++) {
		const struct loader_file *file = &image->files[i];
		if (strchr(file->source, '*') != NULL) {
			add_pattern(ret_gathering, file->source);
		} else if (!add(ret_gathering, file->path, file->source) && !file->optional) {
			name_package(ret_gathering, file->package);
		}
	}
}

static void forget(struct gathering *gathering)
{
	for (size_t i = 0; i < gathering->count; i++) {
		free(gathering->files[i].path);
		free(gathering->files[i].source);
	}
	free(gathering->files);
}

/* asked: by its name, so that it must be possible. */
static int add_image(struct ctl *ctl, const struct loader_image *image, bool asked, size_t *made)
{
	struct gathering gathering;
	struct image_files files;
	int result = CTL_OK;

	gather(image, &gathering);
	if (gathering.packages[0] != '\0' && asked) {
		result = ctl_fail(ctl, CTL_NOT_FOUND,
			"image %s needs files that are not on this machine: apt install%s",
			image->name, gathering.packages);
	} else if (gathering.packages[0] != '\0') {
		ctl_note(ctl, "left out: %s (%s): apt install%s", image->name, image->help,
			gathering.packages);
	} else {
		result = image_files_of(ctl, image->name, gathering.files, gathering.count, &files);
		if (result == CTL_OK) {
			result = image_push(ctl, &files);
			image_files_fini(&files);
			*made += result == CTL_OK;
		}
	}
	forget(&gathering);
	return result;
}

int cmd_image_add_loaders(struct ctl *ctl, const struct invocation *in)
{
	const struct loader_image *image;
	size_t made = 0;
	int result = CTL_OK;

	for (size_t i = 0; i < in->arg_count; i++) {
		if (loader_image_find(in->args[i]) == NULL) {
			return ctl_fail(ctl, CTL_USAGE,
				"there are no boot programs '%s': ipxe, grub, shim, pxelinux, "
				"memtest",
				in->args[i]);
		}
	}
	for (size_t i = 0; i < in->arg_count && result == CTL_OK; i++) {
		result = add_image(ctl, loader_image_find(in->args[i]), true, &made);
	}
	for (size_t i = 0;
		in->arg_count == 0 && result == CTL_OK && (image = loader_image_at(i)) != NULL;
		i++) {
		result = add_image(ctl, image, false, &made);
	}
	if (result == CTL_OK && made == 0) {
		result = ctl_fail(ctl, CTL_NOT_FOUND,
			"none of these packages is installed on this machine: nothing was pushed");
	}
	return result;
}
