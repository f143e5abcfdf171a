/* The status as Prometheus reads it. */
#include "node/admin/admin_metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char node_name[] = "pxe1", leader[] = "leader", ok[] = "ok", healthy[] = "healthy";

static char *format_one_node(const char *health, char *pool_name, Pxe__ForeignServer *foreign)
{
	char counter_name[] = "dhcp_ack_sent", active_name[] = "tftp_active", subnet[] = "lab";
	char health_text[16];
	Pxe__NodeStatus node = PXE__NODE_STATUS__INIT, *nodes[] = {&node};
	Pxe__PoolStatus pool = PXE__POOL_STATUS__INIT, *pools[] = {&pool};
	Pxe__Counter sent = PXE__COUNTER__INIT, active = PXE__COUNTER__INIT,
		     *counters[] = {&sent, &active};
	Pxe__Status status = PXE__STATUS__INIT;
	strcpy(health_text, health);
	node.name = node_name;
	node.raft_role = leader;
	node.state = ok;
	pool.name = pool_name;
	pool.subnet = subnet;
	pool.size = 100;
	pool.used = 40;
	sent.name = counter_name;
	sent.value = 7;
	active.name = active_name;
	active.value = 3;
	status.health = health_text;
	status.node = node_name;
	status.nodes = nodes;
	status.n_nodes = 1;
	status.pools = pools;
	status.n_pools = 1;
	status.counters = counters;
	status.n_counters = 2;
	status.foreign = &foreign;
	status.n_foreign = foreign != NULL;
	status.cluster_ms = 1234005;
	char *text = admin_metrics_format(&status);
	assert_non_null(text);
	return text;
}

static void counters_grow_and_gauges_do_not(void **state)
{
	char pool[] = "lab";
	(void)state;
	char *text = format_one_node(healthy, pool, NULL);
	assert_non_null(strstr(text, "\n# TYPE pxecluster_dhcp_ack_sent_total counter\n"
				     "pxecluster_dhcp_ack_sent_total 7\n"));
	assert_non_null(
		strstr(text, "\n# TYPE pxecluster_tftp_active gauge\npxecluster_tftp_active 3\n"));
	assert_non_null(
		strstr(text, "\npxecluster_pool_used_addresses{pool=\"lab\",subnet=\"lab\"} 40\n"));
	assert_non_null(strstr(text, "\npxecluster_raft_role{role=\"leader\"} 1\n"));
	assert_non_null(strstr(text, "\npxecluster_raft_role{role=\"voter\"} 0\n"));
	assert_non_null(strstr(text, "\npxecluster_as_of_seconds 1234.005\n"));
	assert_int_equal(text[strlen(text) - 1], '\n');
	free(text);
}

static void the_quorum_is_told(void **state)
{
	char pool[] = "lab";
	(void)state;
	char *with = format_one_node(healthy, pool, NULL);
	char *without = format_one_node("no quorum", pool, NULL);
	assert_non_null(strstr(with, "\npxecluster_quorum 1\n"));
	assert_non_null(strstr(without, "\npxecluster_quorum 0\n"));
	free(with);
	free(without);
}

static void a_label_cannot_end_its_quotes(void **state)
{
	char pool[] = "a\"b\\c\nd";
	(void)state;
	char *text = format_one_node(healthy, pool, NULL);
	assert_non_null(strstr(text, "{pool=\"a\\\"b\\\\c\\nd\",subnet=\"lab\"} 100\n"));
	free(text);
}

static void servers_that_are_expected_do_not_count(void **state)
{
	char pool[] = "lab";
	Pxe__ForeignServer server = PXE__FOREIGN_SERVER__INIT;
	(void)state;
	char *text = format_one_node(healthy, pool, &server);
	assert_non_null(strstr(text, "\npxecluster_foreign_dhcp_servers 1\n"));
	free(text);
	server.expected = true;
	text = format_one_node(healthy, pool, &server);
	assert_non_null(strstr(text, "\npxecluster_foreign_dhcp_servers 0\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_grow_and_gauges_do_not),
		cmocka_unit_test(the_quorum_is_told),
		cmocka_unit_test(a_label_cannot_end_its_quotes),
		cmocka_unit_test(servers_that_are_expected_do_not_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
