/* proto/template/template.h: {{names}} in scripts, kernel arguments and files that are made for
 * each machine: the part of Mustache that needs no lists of objects.
 *
 * Pure. {{x}} and {{{x}}} and {{&x}}: the value, never escaped; {{#x}}...{{/x}}: once if x is
 * neither undefined, "", "false" nor "no"; {{^x}}...{{/x}}: if it is; {{! comment}}; {{=<% %>=}}:
 * other delimiters. Names may have dots ("vars.disk"). A tag that stands alone on its line takes
 * the line with it, but for values. An undefined value is an error, an undefined name of a section
 * is none. ${...} is left alone: it belongs to iPXE and GRUB.
 */
#ifndef PROTO_TEMPLATE_TEMPLATE_H
#define PROTO_TEMPLATE_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#define TEMPLATE_BYTES_MAX  65536 /* of one text */
#define TEMPLATE_OUTPUT_MAX (1u << 20)
#define TEMPLATE_DEPTH_MAX  16 /* sections in sections */

/* Where values come from. value(): NULL: there is none of this name. */
struct template_values {
	void *ctx;
	const char *(*value)(void *ctx, const char *name);
};

/* 1-based place of an error in the text. */
struct template_place {
	unsigned line, column;
};

/* Is the text sound: tags closed, sections matched? 0, or -EINVAL with what is wrong, without the
 * place, in ret_error. */
int template_check(
	const char *text, struct template_place *ret_place, char *ret_error, size_t error_bytes);

/* Every name that the text uses, in order; `section`: only asked whether it is set. False stops.
 * The text must be sound. */
void template_each_name(const char *text,
	bool (*visit)(void *ctx, const char *name, struct template_place place, bool section),
	void *ctx);

/* Fill in. 0 and the text (heap, NUL-terminated), or -EINVAL (unsound), -ENOENT (a value is not
 * defined), -E2BIG (more than TEMPLATE_OUTPUT_MAX), with place and reason; then *ret_text is NULL.
 */
int template_render(const char *text, const struct template_values *values, char **ret_text,
	size_t *ret_bytes, struct template_place *ret_place, char *ret_error, size_t error_bytes);

#endif
