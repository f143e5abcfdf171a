/* proto/cred/suggest.h: "did you mean": the known word nearest to a mistyped one. Pure. */
#ifndef PROTO_CRED_SUGGEST_H
#define PROTO_CRED_SUGGEST_H

#include <stddef.h>

#define SUGGEST_WORD_MAX 63

/* Edits (insert, delete, replace, swap of neighbours) from one word to the other; words longer than
 * SUGGEST_WORD_MAX are far from all. */
size_t suggest_distance(const char *a, const char *b);
/* The candidate that is near enough to be meant, or that `word` begins; the first of equals. NULL:
 * none is. */
const char *suggest_nearest(const char *word, const char *const *candidates, size_t count);

#endif
