/* listen.h - bound sockets: TCP by address and port, Unix by path, and those that systemd passes */
#ifndef CORDON_NET_LISTEN_H
#define CORDON_NET_LISTEN_H

#include <stddef.h>
#include <sys/types.h>

/*
 * "*" gives one IPv4 and one IPv6 socket (IPV6_V6ONLY; a machine without IPv6 gives the one). Fills
 * fds[max], returns how many or -errno with *why (caller frees) naming address and port.
 */
int listen_tcp(const char *address, unsigned port, int *fds, size_t max, char **why);
/* Replaces a stale socket file nobody listens on; mode and group set before it can be connected to.
 */
int listen_unix(const char *path, mode_t mode, gid_t group, char **why);
/* fds passed by systemd, with their names ("device", "control", "gate", "metrics"); 0 when none. */
int listen_systemd(int *fds, char names[][32], size_t max);

#endif
