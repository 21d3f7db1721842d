/* apns_kit.c - certificates and servers for test_apns */
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apns_kit.h"

/* The harness itself failed: no test can go on. */
#define MUST(what)                                                                        \
	do {                                                                              \
		if (!(what)) {                                                            \
			fprintf(stderr, "%s:%d: %s failed\n", __FILE__, __LINE__, #what); \
			abort();                                                          \
		}                                                                         \
	} while (0)

static void
add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	MUST(ext && X509_add_ext(cert, ext, -1));
	X509_EXTENSION_free(ext);
}

static void
add_name(X509_NAME *name, const char *field, const char *text)
{
	if (text)
		MUST(X509_NAME_add_entry_by_txt(
			name, field, MBSTRING_UTF8, (const unsigned char *)text, -1, -1, 0));
}

struct pair
pair_new(const struct pair_options *o)
{
	static long serial = 0x1000;
	struct pair p = { X509_new(), EVP_EC_gen("P-256") };
	X509_NAME *name;

	MUST(p.cert && p.key);
	name = X509_get_subject_name(p.cert);
	X509_set_version(p.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(p.cert), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(p.cert), -86400);
	X509_gmtime_adj(X509_getm_notAfter(p.cert), o->expired ? -3600 : 86400);
	add_name(name, "UID", o->uid);
	add_name(name, "CN", o->cn);
	X509_set_issuer_name(p.cert, o->ca ? X509_get_subject_name(o->ca->cert) : name);
	X509_set_pubkey(p.cert, p.key);
	add_extension(p.cert, NID_basic_constraints, o->is_ca ? "critical,CA:TRUE" : "CA:FALSE");
	if (o->san)
		add_extension(p.cert, NID_subject_alt_name, o->san);
	MUST(X509_sign(p.cert, o->ca ? o->ca->key : p.key, EVP_sha256()) > 0);
	return p;
}

void
pair_free(struct pair *p)
{
	X509_free(p->cert);
	EVP_PKEY_free(p->key);
	memset(p, 0, sizeof(*p));
}

void
pair_write(const struct pair *p, const char *cert_path, const char *key_path)
{
	FILE *f = fopen(cert_path, "w");

	MUST(f && PEM_write_X509(f, p->cert));
	fclose(f);
	if (!key_path)
		return;
	f = fopen(key_path, "w");
	MUST(f && PEM_write_PrivateKey(f, p->key, NULL, NULL, 0, NULL, NULL));
	fclose(f);
}

char *
pair_serial(const struct pair *p)
{
	BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(p->cert), NULL);
	char *hex = BN_bn2hex(n);

	BN_free(n);
	MUST(hex);
	return hex;
}

static pid_t
spawn(const char *const *argv, int out)
{
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid > 0)
		return pid;
	/* A test that dies takes its servers with it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out, STDOUT_FILENO);
	if (out != STDERR_FILENO)
		close(out);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	perror(argv[0]);
	_exit(127);
}

static unsigned
read_port(int fd)
{
	char line[64] = "";
	unsigned port = 0;
	size_t len = 0;

	while (len + 1 < sizeof(line) && read(fd, line + len, 1) == 1 && line[len] != '\n')
		len++;
	MUST(sscanf(line, "listening on %u", &port) == 1);
	return port;
}

struct server
fake_start(const char *dir, const char *cert, const char *key, unsigned port, ...)
{
	const char *build = getenv("CORDON_BUILD"), *argv[24], *arg;
	static unsigned count;
	struct server s = { 0 };
	char program[512], port_text[16];
	int fd[2], n = 0;
	va_list ap;

	MUST(build);
	snprintf(program, sizeof(program), "%s/tests/apns/fake-apns", build);
	snprintf(s.control, sizeof(s.control), "%s/c%u", dir, ++count);
	snprintf(s.log, sizeof(s.log), "%s/l%u", dir, count);
	snprintf(port_text, sizeof(port_text), "%u", port);
	const char *const fixed[] = { program, "--cert", cert, "--key", key, "--control", s.control,
		"--log", s.log, "--port", port_text };

	for (; n < (int)(sizeof(fixed) / sizeof(fixed[0])); n++)
		argv[n] = fixed[n];
	va_start(ap, port);
	while (n < 23 && (arg = va_arg(ap, const char *)))
		argv[n++] = arg;
	va_end(ap);
	argv[n] = NULL;

	MUST(pipe2(fd, O_CLOEXEC) == 0);
	s.pid = spawn(argv, fd[1]);
	close(fd[1]);
	s.port = read_port(fd[0]);
	close(fd[0]);
	return s;
}

const char *
fake_ask(const struct server *s, const char *command)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	static char line[1024];
	size_t len = 0;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(to.sun_path, s->control, sizeof(to.sun_path));
	MUST(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	MUST(dprintf(fd, "%s\n", command) > 0);
	while (len + 1 < sizeof(line) && read(fd, line + len, 1) == 1 && line[len] != '\n')
		len++;
	line[len] = '\0';
	close(fd);
	MUST(len > 0);
	return line;
}

long
fake_stat(const struct server *s, const char *name)
{
	json_t *root = json_loads(fake_ask(s, "stats"), 0, NULL);
	long value;

	MUST(json_is_integer(json_object_get(root, name)));
	value = (long)json_integer_value(json_object_get(root, name));
	json_decref(root);
	return value;
}

json_t *
fake_log(const struct server *s)
{
	json_t *lines = json_array(), *line;
	FILE *f = fopen(s->log, "r");

	MUST(f);
	while ((line = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL)))
		json_array_append_new(lines, line);
	fclose(f);
	return lines;
}

struct server
program_start(const char *const *argv, unsigned port)
{
	struct server s = { .port = port };
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	s.pid = spawn(argv, null);
	close(null);
	return s;
}

int
server_stop(struct server *s)
{
	int status = 0;

	if (s->pid <= 0)
		return 0;
	kill(s->pid, SIGTERM);
	MUST(waitpid(s->pid, &status, 0) == s->pid);
	s->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

unsigned
free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	MUST(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	MUST(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
	close(fd);
	return ntohs(a.sin_port);
}
