#include "proto/cred/suggest.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Optimal string alignment: Levenshtein with swaps, three rows at a time. */
size_t suggest_distance(const char *a, const char *b)
{
	size_t rows[3][SUGGEST_WORD_MAX + 1];
	size_t a_length, b_length;

	assert(a != NULL && b != NULL);
	a_length = strlen(a);
	b_length = strlen(b);
	if (a_length > SUGGEST_WORD_MAX || b_length > SUGGEST_WORD_MAX) {
		return SIZE_MAX;
	}
	for (size_t j = 0; j <= b_length; j++) {
		rows[0][j] = j;
	}
	for (size_t i = 1; i <= a_length; i++) {
		size_t *now = rows[i % 3], *before = rows[(i + 2) % 3],
		       *earlier = rows[(i + 1) % 3];
		now[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t cost = a[i - 1] != b[j - 1];
			now[j] = least(least(before[j] + 1, now[j - 1] + 1), before[j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
				now[j] = least(now[j], earlier[j - 2] + 1);
			}
		}
	}
	return rows[a_length % 3][b_length];
}

const char *suggest_nearest(const char *word, const char *const *candidates, size_t count)
{
	const char *best = NULL;
	size_t length, best_distance;

	assert(word != NULL && (candidates != NULL || count == 0));
	length = strlen(word);
	best_distance = length <= 3 ? 2 : length / 3 + 2; /* exclusive */
	for (size_t i = 0; i < count; i++) {
		size_t distance = suggest_distance(word, candidates[i]);
		if (length >= 2 && strncmp(word, candidates[i], length) == 0) {
			distance = 1;
		}
		if (distance < best_distance && distance < strlen(candidates[i])) {
			best = candidates[i];
			best_distance = distance;
		}
	}
	return best;
}
