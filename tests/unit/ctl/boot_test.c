/* Hosts that words mean; boots and lines of several nodes as one. */
#include "ctl/boot_merge.h"
#include "ctl/select.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct hosts {
	Pxe__ObjectList list;
	Pxe__Host host[4];
	Pxe__Host *hosts[4];
	char *groups[1];
	struct ctl ctl;
	char *told;
	size_t told_bytes;
};

static void make_hosts(struct hosts *hosts)
{
	static char names[4][8] = {"n01", "n02", "n10", "db"}, group[] = "compute";
	memset(hosts, 0, sizeof *hosts);
	pxe__object_list__init(&hosts->list);
	hosts->groups[0] = group;
	for (size_t i = 0; i < 4; i++) {
		pxe__host__init(&hosts->host[i]);
		hosts->host[i].name = names[i];
		hosts->hosts[i] = &hosts->host[i];
	}
	hosts->host[2].groups = hosts->groups;
	hosts->host[2].n_groups = 1;
	hosts->list.hosts = hosts->hosts;
	hosts->list.n_hosts = 4;
	hosts->ctl.err = open_memstream(&hosts->told, &hosts->told_bytes);
}

static void expect(struct hosts *hosts, const char *words, const char *names)
{
	struct select_names got;
	const char *word[8];
	char copy[128], all[256] = "", *save = NULL;
	size_t count = 0;
	snprintf(copy, sizeof copy, "%s", words);
	for (char *w = strtok_r(copy, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
		word[count++] = w;
	}
	assert_int_equal(select_hosts(&hosts->ctl, &hosts->list, word, count, &got), CTL_OK);
	for (size_t i = 0; i < got.count; i++) {
		snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i > 0 ? " " : "",
			got.name[i]);
	}
	assert_string_equal(all, names);
	select_names_fini(&got);
}

static void words_mean_hosts_by_name_range_pattern_and_group(void **state)
{
	struct hosts hosts;
	(void)state;
	make_hosts(&hosts);
	expect(&hosts, "db", "db");
	expect(&hosts, "n[08-11]", "n08 n09 n10 n11");
	expect(&hosts, "n[9-11]x", "n9x n10x n11x");
	expect(&hosts, "n0*", "n01 n02");
	expect(&hosts, "n[0-1]?", "n01 n02 n10");
	expect(&hosts, "@compute n* n10", "n10 n01 n02");
	fclose(hosts.ctl.err);
	assert_string_equal(hosts.told, "");
	free(hosts.told);
}

static void words_that_mean_nobody_or_too_many_are_refused(void **state)
{
	const char *const words[] = {"x*", "@nobody", "n[5-1]", "n[1-999999]"};
	const int codes[] = {CTL_NOT_FOUND, CTL_NOT_FOUND, CTL_USAGE, CTL_USAGE};
	struct select_names got;
	struct hosts hosts;
	(void)state;
	make_hosts(&hosts);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(
			select_hosts(&hosts.ctl, &hosts.list, &words[i], 1, &got), codes[i]);
		assert_int_equal(got.count, 0);
	}
	fclose(hosts.ctl.err);
	assert_non_null(strstr(hosts.told, "no host names the group 'nobody'"));
	free(hosts.told);
}

/* ---- merging */

static void *copy_of(const ProtobufCMessage *message)
{
	size_t bytes = protobuf_c_message_get_packed_size(message);
	uint8_t *data = malloc(bytes + 1);
	void *copy;
	assert_non_null(data);
	protobuf_c_message_pack(message, data);
	copy = protobuf_c_message_unpack(message->descriptor, NULL, bytes, data);
	free(data);
	assert_non_null(copy);
	return copy;
}

/* A boot of which `node` heard the steps that `numbers` names; step n is at 1000 n. */
static Pxe__Boot *boot_of(const char *node, uint8_t mac, const char *numbers, Pxe__BootState state)
{
	Pxe__Boot boot = PXE__BOOT__INIT;
	Pxe__BootStep step[16], *steps[16];
	uint8_t address[6] = {2, 0, 0, 0, 0, mac};
	char name[16], *nodes[1] = {name}, host[] = "n01";
	snprintf(name, sizeof name, "%s", node);
	boot.mac = (ProtobufCBinaryData){6, address};
	boot.host = host;
	boot.state = state;
	boot.nodes = nodes;
	boot.n_nodes = 1;
	for (; numbers[boot.n_steps] != '\0'; boot.n_steps++) {
		Pxe__BootStep *at = &step[boot.n_steps];
		pxe__boot_step__init(at);
		at->number = (uint64_t)(numbers[boot.n_steps] - '0');
		at->at_ms = at->number * 1000;
		at->node = name;
		steps[boot.n_steps] = at;
	}
	boot.steps = steps;
	boot.started_ms = step[0].at_ms;
	boot.newest_ms = step[boot.n_steps - 1].at_ms;
	return copy_of(&boot.base);
}

static Pxe__BootHistory *history_of(Pxe__Boot *boot)
{
	Pxe__BootHistory *history = calloc(1, sizeof *history);
	assert_non_null(history);
	pxe__boot_history__init(history);
	if (boot != NULL) {
		history->boots = malloc(sizeof *history->boots);
		assert_non_null(history->boots);
		history->boots[0] = boot;
		history->n_boots = 1;
	}
	return history;
}

static void merge(Pxe__BootHistory *all, Pxe__Boot *boot)
{
	Pxe__BootHistory *from = history_of(boot);
	boot_merge(all, from);
	pxe__boot_history__free_unpacked(from, NULL);
}

static void what_two_nodes_heard_of_a_boot_is_one_boot(void **state)
{
	Pxe__BootHistory *all = history_of(NULL);
	(void)state;
	merge(all, boot_of("pxe1", 1, "1236", PXE__BOOT_STATE__BOOT_UP));
	merge(all, boot_of("pxe1", 1, "124", PXE__BOOT_STATE__BOOT_STALLED));
	merge(all, boot_of("pxe2", 1, "5", PXE__BOOT_STATE__BOOT_RUNNING));
	assert_int_equal(all->n_boots, 1);
	assert_int_equal(all->boots[0]->state, PXE__BOOT_STATE__BOOT_UP);
	assert_int_equal(all->boots[0]->n_steps, 6);
	assert_int_equal(all->boots[0]->n_nodes, 2);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(all->boots[0]->steps[i]->number, i + 1);
	}
	assert_string_equal(all->boots[0]->steps[4]->node, "pxe2");
	merge(all, boot_of("pxe1", 1, "99", PXE__BOOT_STATE__BOOT_RUNNING));
	merge(all, boot_of("pxe1", 2, "12", PXE__BOOT_STATE__BOOT_RUNNING));
	assert_int_equal(all->n_boots, 3); /* a later boot, and another machine */
	assert_int_equal(all->boots[0]->started_ms, 9000);
	pxe__boot_history__free_unpacked(all, NULL);
}

static void lines_of_several_nodes_come_once_in_order_of_time(void **state)
{
	const struct {
		const char *node;
		uint64_t at_ms, number;
	} heard[] = {
		{"pxe1", 5, 1}, {"pxe2", 3, 9}, {"pxe1", 5, 1}, {"pxe1", 4, 2}, {"pxe2", 5, 1}};
	const uint64_t order[] = {3, 4, 5, 5};
	struct boot_merge_events all = {0};
	(void)state;
	boot_merge_sort(&all);
	for (size_t i = 0; i < 5; i++) {
		Pxe__Event event = PXE__EVENT__INIT;
		char node[8];
		snprintf(node, sizeof node, "%s", heard[i].node);
		event.node = node;
		event.at_ms = heard[i].at_ms;
		event.number = heard[i].number;
		boot_merge_add(&all, copy_of(&event.base));
	}
	boot_merge_sort(&all);
	assert_int_equal(all.count, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(all.event[i]->at_ms, order[i]);
	}
	boot_merge_events_fini(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_mean_hosts_by_name_range_pattern_and_group),
		cmocka_unit_test(words_that_mean_nobody_or_too_many_are_refused),
		cmocka_unit_test(what_two_nodes_heard_of_a_boot_is_one_boot),
		cmocka_unit_test(lines_of_several_nodes_come_once_in_order_of_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
