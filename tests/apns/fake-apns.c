/* fake-apns.c - a stand-in for Apple's push service: options, listener, start and stop */
#include <arpa/inet.h>
#include <event2/listener.h>
#include <getopt.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

static const char usage[] =
	"Usage: fake-apns --cert FILE --key FILE [OPTION]...\n"
	"Answers pushes of an MDM server as Apple's push service does.\n\n"
	"  --port N          listen on this port; 0 (default) takes any, told on stdout\n"
	"  --address ADDR    listen on this address (127.0.0.1)\n"
	"  --cert, --key     PEM files of the server's own certificate chain and key\n"
	"  --client-ca FILE  client certificates must chain to these; without it any is taken,\n"
	"                    and none gets 403 MissingProviderToken\n"
	"  --control WHERE   commands: a Unix socket's path, or a port on 127.0.0.1\n"
	"  --log FILE        appends a JSON line for each push\n"
	"  --wake PATH       sends the datagram \"TOKENHEX MAGIC\" to this Unix socket for each\n"
	"                    accepted push\n\n"
	"Commands, a line each:\n"
	"  reason TOKENHEX|* STATUS REASON [TIMESTAMP_MS]   answer these pushes so\n"
	"  refuse STATUS REASON [CERTIFICATE_SERIAL_HEX]    answer all pushes so\n"
	"  default                                          forget all that was ordered\n"
	"  max-streams N | delay MS | silent on|off | refuse-streams N\n"
	"  goaway [REASON [AFTER_PUSHES]] | reset [AFTER_PUSHES] | garbage | deaf | ping\n"
	"  stats | quit\n";

struct options {
	const char *address, *cert, *key, *client_ca, *control, *log;
	unsigned port;
};

static int
choose_h2(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
	unsigned in_len, void *arg)
{
	static const unsigned char ours[] = { 2, 'h', '2' };

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_len, ours, sizeof(ours), in,
		    in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return SSL_TLSEXT_ERR_OK;
}

static int
take_any(int ok, X509_STORE_CTX *store)
{
	(void)ok;
	(void)store;
	return 1;
}

static SSL_CTX *
tls_new(const struct options *o)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx || SSL_CTX_use_certificate_chain_file(ctx, o->cert) != 1 ||
		SSL_CTX_use_PrivateKey_file(ctx, o->key, SSL_FILETYPE_PEM) != 1)
		goto err;
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"fake", 4);
	SSL_CTX_set_alpn_select_cb(ctx, choose_h2, NULL);
	if (!o->client_ca) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, take_any);
		return ctx;
	}
	if (SSL_CTX_load_verify_locations(ctx, o->client_ca, NULL) != 1)
		goto err;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return ctx;

err:
	ERR_print_errors_fp(stderr);
	SSL_CTX_free(ctx);
	return NULL;
}

static void
on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from, int len, void *arg)
{
	(void)l;
	(void)from;
	(void)len;
	conn_accept(arg, fd);
}

static struct evconnlistener *
listen_at(struct fake *f, const struct options *o)
{
	struct sockaddr_storage to = { 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)&to;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&to;
	struct evconnlistener *l;
	socklen_t size = sizeof(*in);

	if (inet_pton(AF_INET, o->address, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)o->port);
	} else if (inet_pton(AF_INET6, o->address, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)o->port);
		size = sizeof(*in6);
	} else {
		return NULL;
	}
	l = evconnlistener_new_bind(f->base, on_accept, f,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, 512,
		(struct sockaddr *)&to, (int)size);
	if (!l)
		return NULL;
	getsockname(evconnlistener_get_fd(l), (struct sockaddr *)&to, &size);
	printf("listening on %u\n", (unsigned)ntohs(in->sin_port)); /* same place in sockaddr_in6 */
	fflush(stdout);
	return l;
}

static void
on_term(evutil_socket_t signo, short what, void *arg)
{
	(void)signo;
	(void)what;
	event_base_loopbreak(arg);
}

static int
run(struct fake *f, const struct options *o)
{
	struct event *term = evsignal_new(f->base, SIGTERM, on_term, f->base);
	struct evconnlistener *l = NULL;
	int status = EXIT_FAILURE;

	evsignal_add(term, NULL);
	f->reaper = event_new(f->base, -1, 0, conn_reap, f);
	if (f->wake && note_wake_start(f) != 0) {
		perror("fake-apns: --wake");
		goto out;
	}
	if (o->control && control_start(f, o->control) != 0) {
		fprintf(stderr, "fake-apns: cannot listen for commands at %s\n", o->control);
		goto out;
	}
	l = listen_at(f, o);
	if (!l) {
		fprintf(stderr, "fake-apns: cannot listen on %s port %u\n", o->address, o->port);
		goto out;
	}
	event_base_dispatch(f->base);
	status = EXIT_SUCCESS;
out:
	if (l)
		evconnlistener_free(l);
	conns_free(f);
	control_stop();
	note_stop();
	event_free(f->reaper);
	event_free(term);
	return status;
}

static int
parse_options(int argc, char **argv, struct options *o, struct fake *f)
{
	static const struct option longs[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "address", required_argument, NULL, 'a' },
		{ "cert", required_argument, NULL, 'c' },
		{ "key", required_argument, NULL, 'k' },
		{ "client-ca", required_argument, NULL, 'C' },
		{ "control", required_argument, NULL, 's' },
		{ "log", required_argument, NULL, 'l' },
		{ "wake", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'p':
			o->port = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'a':
			o->address = optarg;
			break;
		case 'c':
			o->cert = optarg;
			break;
		case 'k':
			o->key = optarg;
			break;
		case 'C':
			o->client_ca = optarg;
			break;
		case 's':
			o->control = optarg;
			break;
		case 'l':
			o->log = optarg;
			break;
		case 'w':
			f->wake = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		default:
			return -1;
		}
	}
	return o->cert && o->key && optind == argc && o->port <= 65535 ? 0 : -1;
}

int
main(int argc, char **argv)
{
	struct options o = { .address = "127.0.0.1" };
	struct fake f = { .max_streams = 1000, .goaway_in = -1, .reset_in = -1 };
	struct rule *r;
	int status = EXIT_FAILURE;

	if (parse_options(argc, argv, &o, &f) != 0) {
		fputs(usage, stderr);
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	TAILQ_INIT(&f.conns);
	TAILQ_INIT(&f.rules);
	if (o.log && !(f.log = fopen(o.log, "ae"))) {
		perror(o.log);
		return EXIT_FAILURE;
	}
	f.ctx = tls_new(&o);
	f.base = event_base_new();
	if (f.ctx && f.base)
		status = run(&f, &o);
	while ((r = TAILQ_FIRST(&f.rules))) {
		TAILQ_REMOVE(&f.rules, r, link);
		free(r);
	}
	if (f.base)
		event_base_free(f.base);
	SSL_CTX_free(f.ctx);
	if (f.log)
		fclose(f.log);
	return status;
}
