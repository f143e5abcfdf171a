#include "ctl/boot_merge.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SAME_MS 2000 /* a node that did not hear the beginning has the boot begin later */

static bool is_same_boot(const Pxe__Boot *a, const Pxe__Boot *b)
{
	return a->mac.len == b->mac.len && memcmp(a->mac.data, b->mac.data, a->mac.len) == 0 &&
	       a->started_ms <= b->newest_ms + SAME_MS && b->started_ms <= a->newest_ms + SAME_MS;
}

static bool has_step(const Pxe__Boot *boot, const Pxe__BootStep *step)
{
	for (size_t i = 0; i < boot->n_steps; i++) {
		if (boot->steps[i]->number == step->number &&
			boot->steps[i]->at_ms == step->at_ms &&
			strcmp(boot->steps[i]->node, step->node) == 0) {
			return true;
		}
	}
	return false;
}

static bool has_node(const Pxe__Boot *boot, const char *node)
{
	for (size_t i = 0; i < boot->n_nodes; i++) {
		if (strcmp(boot->nodes[i], node) == 0) {
			return true;
		}
	}
	return false;
}

static void *grown(void *array, size_t count, size_t size)
{
	void *more = realloc(array, count * size);

	assert(more != NULL);
	return more;
}

static int compare_steps(const void *a, const void *b)
{
	const Pxe__BootStep *x = *(Pxe__BootStep *const *)a, *y = *(Pxe__BootStep *const *)b;

	if (x->at_ms != y->at_ms) {
		return x->at_ms < y->at_ms ? -1 : 1;
	}
	return x->number < y->number ? -1 : x->number > y->number;
}

static int compare_boots(const void *a, const void *b)
{
	const Pxe__Boot *x = *(Pxe__Boot *const *)a, *y = *(Pxe__Boot *const *)b;

	return x->started_ms > y->started_ms ? -1 : x->started_ms < y->started_ms;
}

/* Steps and nodes that are new go over; what remains is the caller's to free. */
static void join(Pxe__Boot *into, Pxe__Boot *from)
{
	size_t kept = 0;

	into->steps = grown(into->steps, into->n_steps + from->n_steps + 1, sizeof *into->steps);
	for (size_t i = 0; i < from->n_steps; i++) {
		if (has_step(into, from->steps[i])) {
			from->steps[kept++] = from->steps[i];
		} else {
			into->steps[into->n_steps++] = from->steps[i];
		}
	}
	from->n_steps = kept;
	kept = 0;
	into->nodes = grown(into->nodes, into->n_nodes + from->n_nodes + 1, sizeof *into->nodes);
	for (size_t i = 0; i < from->n_nodes; i++) {
		if (has_node(into, from->nodes[i])) {
			from->nodes[kept++] = from->nodes[i];
		} else {
			into->nodes[into->n_nodes++] = from->nodes[i];
		}
	}
	from->n_nodes = kept;
	qsort(into->steps, into->n_steps, sizeof *into->steps, compare_steps);
	into->started_ms =
		from->started_ms < into->started_ms ? from->started_ms : into->started_ms;
}

/* The one that heard the newest step knows how it stands. */
static void swap_if_newer(Pxe__Boot **into, Pxe__Boot **from)
{
	Pxe__Boot *newer = *from;

	if (newer->newest_ms > (*into)->newest_ms ||
		(newer->newest_ms == (*into)->newest_ms && newer->state > (*into)->state)) {
		*from = *into;
		*into = newer;
	}
}

void boot_merge(Pxe__BootHistory *into, Pxe__BootHistory *from)
{
	into->boots = grown(into->boots, into->n_boots + from->n_boots + 1, sizeof *into->boots);
	for (size_t i = 0; i < from->n_boots; i++) {
		Pxe__Boot *boot = from->boots[i];
		size_t at = 0;
		while (at < into->n_boots && !is_same_boot(into->boots[at], boot)) {
			at++;
		}
		if (at == into->n_boots) {
			into->boots[into->n_boots++] = boot;
			continue;
		}
		swap_if_newer(&into->boots[at], &boot);
		join(into->boots[at], boot);
		pxe__boot__free_unpacked(boot, NULL);
	}
	from->n_boots = 0;
	qsort(into->boots, into->n_boots, sizeof *into->boots, compare_boots);
}

void boot_merge_add(struct boot_merge_events *events, Pxe__Event *event)
{
	events->event = grown(events->event, events->count + 1, sizeof *events->event);
	events->event[events->count++] = event;
}

static int compare_events(const void *a, const void *b)
{
	const Pxe__Event *x = *(Pxe__Event *const *)a, *y = *(Pxe__Event *const *)b;
	int node;

	if (x->at_ms != y->at_ms) {
		return x->at_ms < y->at_ms ? -1 : 1;
	}
	node = strcmp(x->node, y->node);
	return node != 0 ? node : x->number < y->number ? -1 : x->number > y->number;
}

void boot_merge_sort(struct boot_merge_events *events)
{
	size_t kept = 0;

	if (events->count == 0) {
		return;
	}
	qsort(events->event, events->count, sizeof *events->event, compare_events);
	for (size_t i = 1; i < events->count; i++) {
		if (compare_events(&events->event[kept], &events->event[i]) == 0) {
			pxe__event__free_unpacked(events->event[i], NULL);
		} else {
			events->event[++kept] = events->event[i];
		}
	}
	events->count = kept + 1;
}

void boot_merge_events_fini(struct boot_merge_events *events)
{
	for (size_t i = 0; i < events->count; i++) {
		pxe__event__free_unpacked(events->event[i], NULL);
	}
	free(events->event);
	*events = (struct boot_merge_events){0};
}
