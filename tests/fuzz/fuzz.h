/*
 * fuzz.h - one parser fed with bytes: libFuzzer is the main program (--enable-fuzzing), or
 * replay.c, which feeds files
 */
#ifndef CORDON_TESTS_FUZZ_H
#define CORDON_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that must hold for every input: ends the process, which is a finding. */
#define MUST(x)                                                                         \
	do {                                                                            \
		if (!(x)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #x); \
			abort();                                                        \
		}                                                                       \
	} while (0)

/* A directory of this process, made at the first call, removed at exit; log records go nowhere. */
const char *fuzz_dir(void);
/* Writes a file there; its path, good until the next call with this name. */
const char *fuzz_write(const char *name, struct bytes content);
/* Removes what is in the directory. */
void fuzz_clean(void);

#endif
