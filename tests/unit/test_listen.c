/* test_listen.c - sockets that are bound as they should be, and sentences for the others */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/listen.h"

static unsigned
port_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	if (ss.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&ss)->sin6_port);
	assert_int_equal(ss.ss_family, AF_INET);
	return ntohs(((struct sockaddr_in *)&ss)->sin_port);
}

static int
can_connect(unsigned port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), r;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	r = connect(fd, (struct sockaddr *)&sin, sizeof(sin));
	close(fd);
	return r == 0;
}

static void
assert_ready(int fd)
{
	int on = 0;
	socklen_t len = sizeof(on);

	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len), 0);
	assert_int_equal(on, 1);
	assert_int_equal(accept(fd, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
}

static void
star_is_both_families_on_one_port(void **state)
{
	int fds[4], n = listen_tcp("*", 0, fds, 4, NULL), i, six = 0;

	(void)state;
	assert_in_range(n, 1, 2);
	for (i = 0; i < n; i++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		int only = 0;

		assert_ready(fds[i]);
		assert_int_equal(port_of(fds[i]), port_of(fds[0]));
		assert_int_equal(getsockname(fds[i], (struct sockaddr *)&ss, &len), 0);
		if (ss.ss_family != AF_INET6)
			continue;
		six++;
		len = sizeof(only);
		assert_int_equal(getsockopt(fds[i], IPPROTO_IPV6, IPV6_V6ONLY, &only, &len), 0);
		assert_int_equal(only, 1);
	}
	assert_int_equal(six, n - 1);
	assert_true(can_connect(port_of(fds[0])));
	for (i = 0; i < n; i++)
		close(fds[i]);
}

static void
taken_port_is_explained(void **state)
{
	int one, two;
	char *why = NULL;
	unsigned port;

	(void)state;
	assert_int_equal(listen_tcp("127.0.0.1", 0, &one, 1, NULL), 1);
	port = port_of(one);
	assert_int_equal(listen_tcp("127.0.0.1", port, &two, 1, &why), -EADDRINUSE);
	assert_non_null(strstr(why, "127.0.0.1 port"));
	assert_non_null(strstr(why, "another program"));
	free(why);
	close(one);
	/* The port can be had again at once, also where a connection is in TIME-WAIT. */
	assert_int_equal(listen_tcp("127.0.0.1", port, &two, 1, NULL), 1);
	close(two);
}

static void
bad_addresses_are_explained(void **state)
{
	int fds[2];
	char *why = NULL;

	(void)state;
	assert_int_equal(listen_tcp("mdm.example.com", 443, fds, 2, &why), -EINVAL);
	assert_non_null(strstr(why, "mdm.example.com"));
	free(why);
	why = NULL;
	assert_int_equal(listen_tcp("192.0.2.77", 0, fds, 2, &why), -EADDRNOTAVAIL);
	assert_non_null(strstr(why, "no such address"));
	free(why);
	why = NULL;
	assert_int_equal(listen_tcp("127.0.0.1", 65536, fds, 2, &why), -EINVAL);
	assert_non_null(why);
	free(why);
	assert_int_equal(listen_tcp("[127.0.0.1]", 0, fds, 2, NULL), 1);
	close(fds[0]);
}

struct dir {
	char path[64], socket[96];
};

static struct dir
make_dir(void)
{
	struct dir d;

	strcpy(d.path, "/tmp/test_listen.XXXXXX");
	assert_non_null(mkdtemp(d.path));
	snprintf(d.socket, sizeof(d.socket), "%s/s.sock", d.path);
	return d;
}

static void
unix_socket_has_its_mode(void **state)
{
	struct dir d = make_dir();
	struct stat st;
	mode_t mask = umask(0);
	int fd = listen_unix(d.socket, 0660, getgid(), NULL);

	(void)state;
	assert_int_equal(umask(mask), 0); /* as it was */
	assert_true(fd >= 0);
	assert_ready(fd);
	assert_int_equal(stat(d.socket, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_gid, getgid());
	close(fd);
	unlink(d.socket);
	rmdir(d.path);
}

static void
stale_socket_is_replaced_and_a_live_one_is_not(void **state)
{
	struct dir d = make_dir();
	char *why = NULL;
	int fd = listen_unix(d.socket, 0600, (gid_t)-1, NULL);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(listen_unix(d.socket, 0600, (gid_t)-1, &why), -EADDRINUSE);
	assert_non_null(strstr(why, d.socket));
	assert_non_null(strstr(why, "another cordond"));
	free(why);
	close(fd); /* as after a crash: the file stays */
	fd = listen_unix(d.socket, 0600, (gid_t)-1, NULL);
	assert_true(fd >= 0);
	close(fd);
	unlink(d.socket);
	rmdir(d.path);
}

static void
other_files_are_not_touched(void **state)
{
	struct dir d = make_dir();
	struct stat st;
	char *why = NULL, *long_path = xasprintf("%s/%0120d", d.path, 1);
	int fd = open(d.socket, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)state;
	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);
	assert_int_equal(listen_unix(d.socket, 0600, (gid_t)-1, &why), -EEXIST);
	assert_non_null(strstr(why, "no socket"));
	free(why);
	assert_int_equal(stat(d.socket, &st), 0);
	assert_int_equal(st.st_size, 8);
	assert_int_equal(listen_unix(long_path, 0600, (gid_t)-1, &why), -ENAMETOOLONG);
	assert_non_null(strstr(why, "107"));
	free(why);
	free(long_path);
	unlink(d.socket);
	rmdir(d.path);
}

/* In the child: two blocking sockets at 3 and 4, as the service manager leaves them. */
static int
as_passed_by_systemd(void)
{
	char pid[16], names[1][32];
	int fds[1], pair[2], n;

	if (listen_tcp("127.0.0.1", 0, &pair[0], 1, NULL) != 1 ||
		listen_tcp("127.0.0.1", 0, &pair[1], 1, NULL) != 1)
		return 1;
	/* Clear of 3 and 4 first, so that neither overwrites the other. */
	pair[0] = fcntl(pair[0], F_DUPFD, 10);
	pair[1] = fcntl(pair[1], F_DUPFD, 10);
	if (dup2(pair[0], 3) != 3 || dup2(pair[1], 4) != 4)
		return 2;
	fcntl(3, F_SETFL, 0);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "2", 1);
	setenv("LISTEN_FDNAMES", "device:control", 1);
	n = listen_systemd(fds, names, 1);
	if (n != 1 || fds[0] != 3 || strcmp(names[0], "device") != 0)
		return 3;
	if (!(fcntl(3, F_GETFL) & O_NONBLOCK) || !(fcntl(3, F_GETFD) & FD_CLOEXEC))
		return 4;
	if (fcntl(4, F_GETFD) != -1) /* more than we have room for: closed, not leaked */
		return 5;
	return getenv("LISTEN_FDS") ? 6 : 0;
}

static void
systemd_sockets_by_name(void **state)
{
	int status, fds[1];
	char names[1][32];
	pid_t child;

	(void)state;
	assert_int_equal(listen_systemd(fds, names, 1), 0);
	child = fork();
	if (child == 0)
		_exit(as_passed_by_systemd());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(star_is_both_families_on_one_port),
		cmocka_unit_test(taken_port_is_explained),
		cmocka_unit_test(bad_addresses_are_explained),
		cmocka_unit_test(unix_socket_has_its_mode),
		cmocka_unit_test(stale_socket_is_replaced_and_a_live_one_is_not),
		cmocka_unit_test(other_files_are_not_touched),
		cmocka_unit_test(systemd_sockets_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
