/* image push. */
#include "ctl/cmd.h"
#include "ctl/edit.h"
#include "ctl/image_push.h"

size_t cmd_push_patterns(const struct invocation *in, const char *ret_patterns[COMMAND_GIVEN_MAX])
{
	const char *pattern;
	size_t count = 0, iterator = 0;

	while ((pattern = command_next(in, "only", &iterator)) != NULL) {
		ret_patterns[count++] = pattern;
	}
	return count;
}

int cmd_image_push(struct ctl *ctl, const struct invocation *in)
{
	const char *patterns[COMMAND_GIVEN_MAX];
	size_t pattern_count = cmd_push_patterns(in, patterns);
	struct image_source source;
	int result = edit_check_name(ctl, "image", in->args[0]);

	if (result == CTL_OK) {
		result = image_source_open(ctl, in->args[1], command_flag(in, "as-file"), &source);
	}
	if (result == CTL_OK) {
		result = image_push_path(ctl, in->args[0], source.path, patterns, pattern_count);
		image_source_close(&source);
	}
	return result;
}
