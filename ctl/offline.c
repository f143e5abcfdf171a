#include "ctl/offline.h"

#include "proto/wire/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OFFLINE_PATH_BYTES 512
#define OFFLINE_OUTPUT_MAX (64u << 10)
#define OFFLINE_WORDS_MAX  6
#define OFFLINE_NOT_DONE   75 /* EX_TEMPFAIL of pxed: another process has the state open */

extern char **environ;

/* ---- what pxed says */

static size_t split(char *line, char *ret_words[OFFLINE_WORDS_MAX])
{
	size_t count = 0;
	char *save = NULL;

	for (char *word = strtok_r(line, " ", &save); word != NULL && count < OFFLINE_WORDS_MAX;
		word = strtok_r(NULL, " ", &save)) {
		ret_words[count++] = word;
	}
	return count;
}

static int read_member(char *const *words, size_t count, struct offline_info *info)
{
	struct offline_member *member = &info->member[info->member_count];

	if (count != 5 || info->member_count == OFFLINE_MEMBERS_MAX ||
		text_u64_parse(words[1], UINT64_MAX, &member->id) != 0) {
		return -EINVAL;
	}
	snprintf(member->name, sizeof member->name, "%s", words[2]);
	snprintf(member->role, sizeof member->role, "%s", words[3]);
	snprintf(member->address, sizeof member->address, "%s", words[4]);
	info->member_count++;
	return 0;
}

static int read_words(char *const *words, size_t count, struct offline_info *info)
{
	const struct {
		const char *key;
		uint64_t *number;
	} numbers[] = {{"self", &info->self}, {"epoch", &info->epoch}, {"applied", &info->applied},
		{"last", &info->last}, {"stamp_ms", &info->stamp_ms}, {"leases", &info->leases},
		{"unknown_s", &info->unknown_s}};
	const struct {
		const char *key;
		char *text;
		size_t bytes;
	} texts[] = {{"cluster", info->cluster, sizeof info->cluster},
		{"node", info->node, sizeof info->node}};

	if (strcmp(words[0], "member") == 0) {
		return read_member(words, count, info);
	}
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		if (strcmp(words[0], numbers[i].key) == 0) {
			return count == 2 ? text_u64_parse(words[1], UINT64_MAX, numbers[i].number)
					  : -EINVAL;
		}
	}
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		if (strcmp(words[0], texts[i].key) == 0 && count == 2) {
			snprintf(texts[i].text, texts[i].bytes, "%s", words[1]);
		}
	}
	return 0;
}

int offline_parse(const char *text, struct offline_info *ret_info)
{
	struct offline_info info = {.self = 0};
	char *copy = strdup(text), *save = NULL, *words[OFFLINE_WORDS_MAX];
	int result = copy == NULL ? -ENOMEM : 0;

	for (char *line = result == 0 ? strtok_r(copy, "\n", &save) : NULL;
		line != NULL && result == 0; line = strtok_r(NULL, "\n", &save)) {
		size_t count = split(line, words);
		if (count > 0 && read_words(words, count, &info) != 0) {
			result = -EINVAL;
		}
	}
	free(copy);
	if (result == 0 && info.cluster[0] == '\0') {
		result = -EINVAL;
	}
	if (result == 0) {
		*ret_info = info;
	}
	return result;
}

/* ---- running it */

/* Beside pxectl, where it is installed, where it is built; else by PATH. */
static void find_program(char ret_path[OFFLINE_PATH_BYTES])
{
	static const char *const places[] = {"pxed", "../sbin/pxed", "../node/pxed"};
	char own[OFFLINE_PATH_BYTES - 32];
	ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
	char *slash;

	own[length > 0 ? length : 0] = '\0';
	slash = strrchr(own, '/');
	for (size_t i = 0; slash != NULL && i < sizeof places / sizeof places[0]; i++) {
		snprintf(ret_path, OFFLINE_PATH_BYTES, "%.*s/%s", (int)(slash - own), own,
			places[i]);
		if (access(ret_path, X_OK) == 0) {
			return;
		}
	}
	snprintf(ret_path, OFFLINE_PATH_BYTES, "pxed");
}

static char *read_all(int fd)
{
	char *text = calloc(1, OFFLINE_OUTPUT_MAX + 1);
	size_t used = 0;
	ssize_t got;

	while (text != NULL && used < OFFLINE_OUTPUT_MAX &&
		((got = read(fd, text + used, OFFLINE_OUTPUT_MAX - used)) > 0 ||
			(got < 0 && errno == EINTR))) {
		used += got > 0 ? (size_t)got : 0;
	}
	return text;
}

static int spawn(const char *program, char *const *argv, int input, int output, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	int result;

	posix_spawn_file_actions_init(&actions);
	if (input >= 0) {
		posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	} else {
		posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	}
	posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	result = posix_spawnp(ret_pid, program, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return result;
}

static int finish(const struct ctl *ctl, const char *program, const char *mode, pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		return CTL_OK;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == OFFLINE_NOT_DONE) {
		return ctl_fail(ctl, CTL_CONFLICT,
			"the daemon of this node still runs; stop it first: systemctl stop "
			"pxecluster");
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		return ctl_fail(ctl, CTL_REFUSED,
			"cannot run %s: pxed is needed for this; it is in the package of the node",
			program);
	}
	return ctl_fail(ctl, CTL_REFUSED, "pxed %s did not succeed; nothing else was done", mode);
}

/* Its stdout as heap text. */
static int run(
	const struct ctl *ctl, const char *mode, const char *argument, int input, char **ret_output)
{
	char program[OFFLINE_PATH_BYTES], dir[] = "--dir", directory[300], word[64], more[300];
	char *argv[] = {program, dir, directory, word, argument != NULL ? more : NULL, NULL};
	int ends[2], result;
	pid_t pid;

	find_program(program);
	snprintf(directory, sizeof directory, "%s", ctl->directory);
	snprintf(word, sizeof word, "%s", mode);
	snprintf(more, sizeof more, "%s", argument != NULL ? argument : "");
	*ret_output = NULL;
	if (pipe2(ends, O_CLOEXEC) != 0) {
		return ctl_fail(ctl, CTL_REFUSED, "cannot make a pipe: %s", strerror(errno));
	}
	result = spawn(program, argv, input, ends[1], &pid);
	close(ends[1]);
	if (result != 0) {
		close(ends[0]);
		return ctl_fail(ctl, CTL_REFUSED, "cannot run %s: %s; pxed is needed for this",
			program, strerror(result));
	}
	*ret_output = read_all(ends[0]);
	close(ends[0]);
	result = finish(ctl, program, mode, pid);
	if (result == CTL_OK && *ret_output == NULL) {
		result = ctl_fail(ctl, CTL_REFUSED, "no memory");
	}
	if (result != CTL_OK) {
		free(*ret_output);
		*ret_output = NULL;
	}
	return result;
}

int offline_ask(const struct ctl *ctl, const char *mode, const char *argument, int input,
	struct offline_info *ret_info)
{
	char *text;
	int result = run(ctl, mode, argument, input, &text);

	if (result == CTL_OK && offline_parse(text, ret_info) != 0) {
		result = ctl_fail(ctl, CTL_REFUSED,
			"pxed's answer is not understood; is it of another version?");
	}
	free(text);
	return result;
}
