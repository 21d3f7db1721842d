/* hook.c - what requests to servers of the administrator's share */
#include "net/hook.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/mem.h"

#define KEY_FILE_MAX 4096

void
hook_key_read(const char *file, struct buf *key, char **fault)
{
	struct buf read = BUF_INIT;
	int err = file ? file_read(file, KEY_FILE_MAX, &read, NULL) : 0;

	while (read.len && (read.data[read.len - 1] == '\n' || read.data[read.len - 1] == '\r'))
		read.len--;
	free(*fault);
	*fault = NULL;
	if (err < 0 || (file && read.len == 0))
		*fault = xasprintf("%s: %s", file, err < 0 ? strerror(-err) : "it is empty");
	buf_wipe(key);
	*key = read;
}

void
hook_sign(struct bytes key, struct bytes body, struct buf *out)
{
	unsigned char mac[SHA256_LEN];

	digest_hmac_sha256(key, body, mac);
	buf_add_str(out, "X-Hmac-Signature: ");
	encode_base64(out, bytes_of(mac, sizeof(mac)), 0);
}

char *
hook_shown(const char *url)
{
	const char *host = strstr(url, "://") + 3; /* conf/syntax.c */
	size_t end = strcspn(host, "/?#");

	return xasprintf("%.*s%s", (int)((size_t)(host - url) + end), url,
		host[end] && host[end + 1] ? "/..." : host + end);
}
