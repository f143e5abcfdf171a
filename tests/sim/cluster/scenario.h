/* tests/sim/cluster/scenario.h: a scenario: what is done to a cluster at which time, and what is to
 * come of it, as text. README.md has the language.
 *
 *   scenario_text.c    the text into struct scenario; errors name file:line
 *   scenario.c         the run: time, lines one after another
 *   scenario_do.c      what a line does
 *   scenario_expect.c  what is to come of it, now or within a time
 *
 * While a scenario runs, the checks of sim_check.c are on.
 */
#ifndef TESTS_SIM_CLUSTER_SCENARIO_H
#define TESTS_SIM_CLUSTER_SCENARIO_H

#include "tests/sim/cluster/sim.h"

#define SCENARIO_LINES_MAX  256
#define SCENARIO_WORDS_MAX  48
#define SCENARIO_TEXT_MAX   160
#define SCENARIO_ALIASES    8
#define SCENARIO_CONDITIONS 4

/* A node, named by what it is when the line is done. */
enum scenario_node_kind {
	SCENARIO_NODE_NUMBER,
	SCENARIO_NODE_LEADER,
	SCENARIO_NODE_FOLLOWER, /* the first that serves, is up and does not lead */
	SCENARIO_NODE_OTHER,    /* the first that serves, is up and has no alias */
	SCENARIO_NODE_ANSWERED, /* that client's last answer */
	SCENARIO_NODE_ALIAS,
};
struct scenario_node {
	enum scenario_node_kind kind;
	unsigned at; /* node, client or alias, from 0 */
};

/* An address: itself, or that of a client. */
struct scenario_ip {
	bool of_client;
	unsigned client;
	uint32_t ip; /* 0: none is meant */
};

enum scenario_verb {
	SCENARIO_NOTHING,
	SCENARIO_SAY,
	SCENARIO_PARTITION,
	SCENARIO_HEAL,
	SCENARIO_KILL,  /* and power, stop: node, or all */
	SCENARIO_POWER, /* with the machine */
	SCENARIO_STOP,
	SCENARIO_START,
	SCENARIO_DESTROY,
	SCENARIO_PAUSE,
	SCENARIO_CLOCK,
	SCENARIO_DISK,  /* how long a sync takes */
	SCENARIO_DRIFT, /* of CLOCK_BOOTTIME, ppm */
	SCENARIO_CALL,
	SCENARIO_MARK_LOG,
	SCENARIO_STEP_DOWN,
	SCENARIO_JOIN,
	SCENARIO_RECOVER,
	SCENARIO_PROPOSE, /* an operator's command */
};

enum scenario_command {
	SCENARIO_PUT_HOST,
	SCENARIO_DELETE_HOST,
	SCENARIO_REMOVE,
	SCENARIO_RELEASE,
	SCENARIO_MODE,
};

enum scenario_message {
	SCENARIO_DISCOVER,
	SCENARIO_REQUEST,
	SCENARIO_REBOOT,
	SCENARIO_RENEW,
	SCENARIO_REBIND,
	SCENARIO_CLIENT_RELEASE,
	SCENARIO_DECLINE,
	SCENARIO_LEASE, /* DISCOVER, and REQUEST of what is offered */
};

/* What an answer has to be besides its type. */
enum scenario_condition_kind {
	SCENARIO_IS_IP,
	SCENARIO_IS_NOT_IP,
	SCENARIO_IN_RESERVE,
	SCENARIO_IN_NO_RESERVE,
	SCENARIO_FROM,
	SCENARIO_LEASE_IS,
	SCENARIO_LEASE_AT_MOST,
	SCENARIO_LEASE_AT_LEAST,
	SCENARIO_WITHIN_PROMISE, /* ends no later than the promise that the cluster knows */
};
struct scenario_condition {
	enum scenario_condition_kind kind;
	struct scenario_ip ip;
	struct scenario_node node;
	uint64_t lease_s;
};

enum scenario_expect_kind {
	SCENARIO_EXPECT_NOTHING, /* nothing is expected */
	SCENARIO_EXPECT_REPLY,
	SCENARIO_EXPECT_SILENCE,
	SCENARIO_EXPECT_DIGEST,
	SCENARIO_EXPECT_OK, /* of the command */
	SCENARIO_EXPECT_REFUSED,
	SCENARIO_EXPECT_LEADER,
	SCENARIO_EXPECT_NO_LEADER,
	SCENARIO_EXPECT_ISOLATED,
	SCENARIO_EXPECT_QUORUM,
	SCENARIO_EXPECT_KNOWN,   /* the client's lease runs, in a node's state */
	SCENARIO_EXPECT_UNKNOWN, /* the address has no record there, or another's */
	SCENARIO_EXPECT_MEMBER,
	SCENARIO_EXPECT_NO_MEMBER,
	SCENARIO_EXPECT_JOURNAL,  /* entries */
	SCENARIO_EXPECT_RESERVE,  /* addresses of a node's blocks, at least `low`, at most `high` */
	SCENARIO_EXPECT_LOG,      /* no entry since it was marked */
	SCENARIO_EXPECT_RETURNED, /* the address is in no block, in a node's state */
	SCENARIO_EXPECT_SETTLED,  /* nothing waits for anybody to know it */
};
struct scenario_expect {
	enum scenario_expect_kind kind;
	enum dhcp4_type type;
	struct scenario_condition condition[SCENARIO_CONDITIONS];
	unsigned condition_count;
	struct scenario_node node, at;
	struct scenario_ip ip; /* RETURNED */
	bool anywhere;         /* KNOWN: at all nodes that run */
	unsigned client;
	uint64_t low, high;
	uint64_t within_us;
	char text[SCENARIO_TEXT_MAX];
};

struct scenario_line {
	unsigned number; /* in the file */
	bool after;      /* after all that was expected so far; else at a time of its own */
	uint64_t time_us;
	enum scenario_verb verb;
	struct scenario_node node, target;
	bool all;
	/* SAY, PUT_HOST */
	unsigned client, client_last;
	enum scenario_message message;
	uint32_t hearers; /* nodes by number; bits */
	struct scenario_node hearer[SIM_NODES_MAX];
	unsigned hearer_count; /* 0: all */
	struct scenario_ip ip;
	bool once;
	/* PARTITION: the group of each node */
	uint8_t group[SIM_NODES_MAX];
	struct scenario_node grouped[SIM_NODES_MAX];
	unsigned grouped_count;
	/* PROPOSE */
	enum scenario_command command;
	char name[16];
	unsigned owner[SIM_HOST_MACS], owner_count;
	bool force, witness;
	Pxe__MemberMode mode;
	/* PAUSE, CLOCK, DISK, RECOVER */
	int64_t amount_ms; /* DRIFT: ppm */
	bool unsynchronised;
	struct scenario_expect expect;
};

/* What a client's message led to. */
struct scenario_client {
	const struct scenario_line *line; /* of its last message; NULL: none */
	bool answered;
	struct sim_saying saying;
	uint64_t until_us;          /* it repeats itself no longer */
	int node;                   /* that its last answer came from; -1: none */
	uint32_t ip;                /* that it was told last */
	uint32_t reply_ip, lease_s; /* of the answer in hand */
};

/* An expectation that is open. */
struct scenario_open {
	const struct scenario_line *line;
	unsigned client;
	struct scenario_operation *operation;
	uint64_t until_us;
};

struct scenario_operation {
	bool used, sent, done;
	const struct scenario_line *line;
	struct scenario *scenario;
	unsigned node;
	uint8_t request_id[16];
	struct model_result result;
};

#define SCENARIO_OPEN_MAX       SIM_CLIENTS_MAX
#define SCENARIO_OPERATIONS_MAX 64

struct scenario {
	const char *path;
	struct sim_options options;
	struct scenario_line line[SCENARIO_LINES_MAX];
	unsigned line_count, client_count, number; /* number: of the line being read */
	char alias[SCENARIO_ALIASES][16];
	unsigned alias_count;
	char error[256];

	struct sim *sim;
	uint64_t origin_us;
	int alias_node[SCENARIO_ALIASES]; /* -1: not called yet */
	struct scenario_client client[SIM_CLIENTS_MAX];
	struct scenario_open open[SCENARIO_OPEN_MAX];
	unsigned open_count;
	struct scenario_operation operation[SCENARIO_OPERATIONS_MAX];
	uint64_t log_mark;
};

/* ---- scenario_text.c */
/* false: what is wrong is in scenario->error, as path:line: words. */
bool scenario_read(struct scenario *scenario, const char *path);

/* ---- scenario.c */
_Noreturn void scenario_fail(struct scenario *scenario, const struct scenario_line *line,
	const char *format, ...) __attribute__((format(printf, 3, 4)));
struct sim_node *scenario_node(struct scenario *scenario, const struct scenario_line *line,
	const struct scenario_node *node);
uint32_t scenario_ip(const struct scenario *scenario, const struct scenario_ip *ip);

/* ---- scenario_do.c */
void scenario_do(struct scenario *scenario, const struct scenario_line *line);
/* Commands that were not taken are proposed again. */
void scenario_retry(struct scenario *scenario);

/* ---- scenario_expect.c */
void scenario_expect(struct scenario *scenario, const struct scenario_line *line, unsigned client,
	struct scenario_operation *operation);
/* Those that came true are closed; one whose time is over fails the run. */
void scenario_look(struct scenario *scenario);
void scenario_expect_reply(struct scenario *scenario, unsigned client, enum dhcp4_type type,
	const struct sim_node *node);

#endif
