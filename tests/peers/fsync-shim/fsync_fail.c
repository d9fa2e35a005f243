/*
 * A disk whose fsync fails on demand: preload it (LD_PRELOAD) into the program under test.
 *
 * FSYNC_FAIL_FILE  as long as this file exists, fsync and fdatasync answer -1 with EIO ...
 * FSYNC_FAIL_DIR   ... for files below this directory, and for the directory itself; others are let through.
 *
 * Both must be absolute, the directory without links in its path. Without either of them nothing fails. The data of a
 * failing call may or may not reach the disk, as with a real one: the true call is not made.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whether the open file lies in the directory that the test names. */
static int watched(int fd)
{
	const char *dir = getenv("FSYNC_FAIL_DIR");
	char link[64], path[4096];
	size_t length;
	ssize_t got;

	if (dir == NULL || *dir == '\0')
		return 0;
	length = strlen(dir);
	while (length > 1 && dir[length - 1] == '/')
		length--;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	got = readlink(link, path, sizeof path - 1);
	if (got < 0)
		return 0;
	path[got] = '\0';
	return strncmp(path, dir, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static int fails(int fd)
{
	const char *file = getenv("FSYNC_FAIL_FILE");
	int before = errno;
	int fail = file != NULL && *file != '\0' && access(file, F_OK) == 0 && watched(fd);

	errno = fail ? EIO : before;
	return fail;
}

static int pass_on(const char *name, int fd)
{
	int (*real)(int);

	*(void **)&real = dlsym(RTLD_NEXT, name);
	if (real == NULL) {
		errno = ENOSYS;
		return -1;
	}
	return real(fd);
}

int fsync(int fd)
{
	return fails(fd) ? -1 : pass_on("fsync", fd);
}

int fdatasync(int fd)
{
	return fails(fd) ? -1 : pass_on("fdatasync", fd);
}
