/* replay.c - feeds files to a target, where libFuzzer is not the main program */
#include "base/file.h"
#include "fuzz/fuzz.h"

#ifndef FUZZ_ENGINE
#define INPUT_MAX (32u << 20)

/* Each input also cut at some places: what ends early is what parsers forget. */
static void
feed(struct bytes in)
{
	size_t step = in.len / 64 + 1;

	(void)LLVMFuzzerTestOneInput(in.data, in.len);
	for (size_t len = 0; len < in.len; len += step)
		(void)LLVMFuzzerTestOneInput(in.data, len);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct buf in = BUF_INIT;
		int r = file_read(argv[i], INPUT_MAX, &in, NULL);

		if (r < 0) {
			fprintf(stderr, "%s: cannot be read\n", argv[i]);
			return 1;
		}
		feed(buf_bytes(&in));
		buf_free(&in);
	}
	printf("%d inputs\n", argc - 1);
	return argc > 1 ? 0 : 1;
}
#endif
