/* machine.c - MachineInfo: signed by a device of Apple's, and what it says */
#include "mdm/machine.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/proplist.h"
#include "pki/cert.h"
#include "pki/cms.h"
#include "store/enrollment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CA_FILE_MAX (1u << 20)

static int
refuse(const char **why, const char *sentence)
{
	*why = sentence;
	return -EACCES;
}

static int
issued_by_file(X509 *signer, const char *path, bool *ret)
{
	struct buf file = BUF_INIT;
	STACK_OF(X509) *cas = NULL;
	int i;

	*ret = false;
	if (file_read(path, CA_FILE_MAX, &file, NULL) == 0)
		cas = cert_parse(buf_bytes(&file), NULL);
	buf_free(&file);
	if (!cas)
		return -ENOENT;
	for (i = 0; i < sk_X509_num(cas); i++)
		*ret = *ret || cert_issued_by(signer, sk_X509_value(cas, i));
	sk_X509_pop_free(cas, X509_free);
	return 0;
}

static int
take_facts(struct bytes content, struct machine *ret, const char **why)
{
	const char *serial, *udid;
	plist_t root = NULL;

	if (proplist_parse(content, &root) < 0)
		return refuse(why, "The MachineInfo is not a property list.");
	serial = proplist_str(root, "SERIAL");
	udid = proplist_str(root, "UDID");
	if (enrollment_id_valid(serial))
		ret->serial = xstrdup(serial);
	if (enrollment_id_valid(udid))
		ret->udid = xstrdup(udid);
	plist_free(root);
	return ret->serial ? 0 : refuse(why, "The MachineInfo has no serial number.");
}

int
machine_read(struct bytes body, const char *ca_file, struct machine *ret, const char **why)
{
	struct buf content = BUF_INIT;
	X509 *signer = NULL;
	bool apple = false;
	int rc;

	memset(ret, 0, sizeof(*ret));
	if (!ca_file)
		return -ENOENT;
	if (cms_open_signed(body, &signer, &content) != CMS_OK) {
		buf_free(&content);
		return refuse(why, "The MachineInfo is not signed as it should be.");
	}
	rc = issued_by_file(signer, ca_file, &apple);
	if (rc == 0 && !apple)
		rc = refuse(why, "The MachineInfo was not signed by a device of Apple's.");
	if (rc == 0)
		rc = take_facts(buf_bytes(&content), ret, why);
	X509_free(signer);
	buf_free(&content);
	return rc;
}

void
machine_free(struct machine *m)
{
	free(m->serial);
	free(m->udid);
	memset(m, 0, sizeof(*m));
}
