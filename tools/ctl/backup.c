/* backup.c - cordonctl backup: the store as one file, while the daemon works */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/mem.h"
#include "ctl/client.h"
#include "ctl/verbs.h"

#include <openssl/evp.h>

#define EXIT_OUTPUT_FAULT 73

static int
write_all(int fd, struct bytes b)
{
	while (b.len) {
		ssize_t n = write(fd, b.data, b.len);

		if (n < 0 && errno != EINTR)
			return -errno;
		b.data += n > 0 ? n : 0;
		b.len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Every piece into the file.  0; -errno; 1 after the daemon's own words. */
static int
fetch(const json_t *made, int fd, EVP_MD_CTX *md)
{
	int64_t size = member_int(made, "bytes"), have = 0;
	int r = 0;

	while (r == 0 && have < size) {
		struct buf path = BUF_INIT, piece = BUF_INIT;
		int status;

		buf_printf(&path, "/v1/backup?id=%s&offset=%" PRId64, member(made, "id"), have);
		status = client_get_bytes(buf_str(&path), &piece);
		if (status != 200 || piece.len == 0) {
			fprintf(stderr, "cordonctl: the daemon gave up the backup: make it anew\n");
			r = 1;
		} else {
			EVP_DigestUpdate(md, piece.data, piece.len);
			r = write_all(fd, buf_bytes(&piece));
			have += (int64_t)piece.len;
		}
		buf_free(&path);
		buf_free(&piece);
	}
	return r == 0 && fsync(fd) < 0 ? -errno : r;
}

static bool
sum_fits(const json_t *made, EVP_MD_CTX *md)
{
	unsigned char sum[SHA256_LEN];
	struct buf text = BUF_INIT;
	bool fits;

	EVP_DigestFinal_ex(md, sum, NULL);
	encode_hex(&text, bytes_of(sum, sizeof(sum)));
	fits = strcmp(buf_str(&text), member(made, "sha256")) == 0;
	buf_free(&text);
	return fits;
}

/* Into a file beside the wanted one, which takes its name when it is whole. */
static int
save(const json_t *made, const char *file)
{
	char *part = xasprintf("%s.part", file);
	int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	int r = fd < 0 ? -errno : 0;

	EVP_DigestInit_ex(md, EVP_sha256(), NULL);
	if (r == 0)
		r = fetch(made, fd, md);
	if (fd >= 0)
		close(fd);
	if (r == 0 && !sum_fits(made, md))
		r = -EBADMSG;
	if (r == 0 && rename(part, file) < 0)
		r = -errno;
	if (r < 0)
		fprintf(stderr, "cordonctl: %s: %s\n", file, strerror(-r));
	if (r != 0 && fd >= 0)
		unlink(part);
	EVP_MD_CTX_free(md);
	free(part);
	return r == 0 ? EXIT_FINE : EXIT_OUTPUT_FAULT;
}

int
verb_backup(int argc, char **argv)
{
	json_t *made = NULL, *gone = NULL;
	int code;

	if (argc != 2 || argv[1][0] == '-')
		return fprintf(stderr, "cordonctl backup: say which file it shall be\n"),
		       EXIT_USAGE_FAULT;
	code = verdict(client_send_json("POST", "/v1/backup", json_object(), &made), &made);
	if (code == EXIT_FINE)
		code = save(made, argv[1]);
	if (code == EXIT_FINE && verbs_json)
		print_json(made);
	else if (code == EXIT_FINE)
		printf("%s: %" PRId64 " bytes.  It holds no key: keep store.key apart from it, and "
		       "restore with cordond --restore.\n",
			argv[1], member_int(made, "bytes"));
	if (made)
		client_request("DELETE", "/v1/backup", NULL, bytes_of(NULL, 0), &gone);
	json_decref(gone);
	json_decref(made);
	return code;
}
