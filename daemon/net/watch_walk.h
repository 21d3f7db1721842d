/* watch_walk.h - the directories whose changes can change what a path means, hop by hop */
#ifndef CORDON_NET_WATCH_WALK_H
#define CORDON_NET_WATCH_WALK_H

#include <stddef.h>

/*
 * Walks `path` as the kernel would and calls `dir` for each directory on the way with the name that
 * is looked up in it, also of symlinks' targets; with name NULL for a directory that the path ends
 * at: everything in it matters, and links in it are followed too.  Stops where nothing is yet.
 */
void watch_walk(
	const char *path, void (*dir)(void *arg, const char *dir, const char *name), void *arg);

#endif
