/* storekey.c - reads store.key */
#include "storekey.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

#define KEY_FILE_MAX 4096u

static char *
place_of(const char *certificates)
{
	const char *credentials = getenv("CREDENTIALS_DIRECTORY");
	char *path = xasprintf("%s/store.key", credentials ? credentials : "");

	if (credentials && file_exists(path))
		return path;
	free(path);
	return xasprintf("%s/store.key", certificates);
}

int
store_key_read(const char *certificates, struct seal **ret, char **path)
{
	unsigned char key[SEAL_KEY_LEN];
	struct buf content = BUF_INIT;
	int err;

	*path = place_of(certificates);
	err = file_read(*path, KEY_FILE_MAX, &content, NULL);
	if (err == 0)
		err = seal_key_parse(buf_bytes(&content), key);
	if (err == 0) {
		*ret = seal_new(key);
		OPENSSL_cleanse(key, sizeof(key));
		err = *ret ? 0 : -ENOTSUP;
	}
	buf_wipe(&content);
	return err;
}

const char *
store_key_words(int err)
{
	return err == -EINVAL ? "it is not one line of 64 hex digits" : strerror(-err);
}
