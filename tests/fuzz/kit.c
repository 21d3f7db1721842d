/* kit.c - a directory and a silent log for the targets */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "fuzz/fuzz.h"

static char dir[64];

static void
quiet(const struct log_record *record)
{
	(void)record;
}

void
fuzz_clean(void)
{
	DIR *d = opendir(dir);
	const struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.' || (e->d_name[1] && e->d_name[1] != '.'))
			(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
}

static void
end(void)
{
	fuzz_clean();
	rmdir(dir);
}

const char *
fuzz_dir(void)
{
	if (dir[0])
		return dir;
	log_set_sink(quiet);
	snprintf(dir, sizeof(dir), "%s/cordon-fuzz-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	MUST(mkdtemp(dir));
	atexit(end);
	return dir;
}

const char *
fuzz_write(const char *name, struct bytes content)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", fuzz_dir(), name);

	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	MUST(fd >= 0);
	MUST(write(fd, content.data, content.len) == (ssize_t)content.len);
	close(fd);
	return path;
}
