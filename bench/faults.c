/* Makes the n-th file operation below a folder fail: LD_PRELOAD this, then call
 *   attest_fault(folder, kind, n)   kind: enospc | eio | short | fsync; n is 1-based, 0 counts only
 *   attest_fault_count()            the operations seen since
 * `short` lets half of a write through, then says the disk is full; `fsync` counts flushes alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_int seen;
static char under[PATH_MAX], kind[16];
static int at;

__attribute__((constructor)) static void start(void) {
    unsetenv("LD_PRELOAD"); /* children, the sandboxed parsers, are not the subject */
}

void attest_fault(const char *folder, const char *name, int n) {
    snprintf(under, sizeof under, "%s", folder);
    snprintf(kind, sizeof kind, "%s", name);
    at = n;
    atomic_store(&seen, 0);
}

int attest_fault_count(void) { return atomic_load(&seen); }

static int counted_path(const char *path) {
    return *under && path && strncmp(path, under, strlen(under)) == 0;
}

static int counted_fd(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return counted_path(path);
}

/* 1 where this operation is the one that fails */
static int fails(int flush) {
    if (!strcmp(kind, "fsync") && !flush) return 0;
    if (atomic_fetch_add(&seen, 1) + 1 != at) return 0;
    errno = !strcmp(kind, "enospc") || !strcmp(kind, "short") ? ENOSPC : EIO;
    return 1;
}

#define REAL(name, type) static type real; if (!real) real = (type)dlsym(RTLD_NEXT, name)
#define HALVED(call) do { if (!strcmp(kind, "short") && size > 1) { (void)!(call); errno = ENOSPC; } } while (0)

typedef ssize_t (*write_t)(int, const void *, size_t);
ssize_t write(int fd, const void *data, size_t size) {
    REAL("write", write_t);
    if (counted_fd(fd) && fails(0)) { HALVED(real(fd, data, size / 2)); return -1; }
    return real(fd, data, size);
}

typedef ssize_t (*pwrite_t)(int, const void *, size_t, off_t);
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    REAL("pwrite", pwrite_t);
    if (counted_fd(fd) && fails(0)) { HALVED(real(fd, data, size / 2, offset)); return -1; }
    return real(fd, data, size, offset);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) {
    REAL("pwrite64", pwrite_t);
    if (counted_fd(fd) && fails(0)) { HALVED(real(fd, data, size / 2, offset)); return -1; }
    return real(fd, data, size, offset);
}

typedef int (*fd_t)(int);
int fsync(int fd) { REAL("fsync", fd_t); return counted_fd(fd) && fails(1) ? -1 : real(fd); }
int fdatasync(int fd) { REAL("fdatasync", fd_t); return counted_fd(fd) && fails(1) ? -1 : real(fd); }

typedef int (*two_t)(const char *, const char *);
int rename(const char *from, const char *to) {
    REAL("rename", two_t);
    return counted_path(to) && fails(0) ? -1 : real(from, to);
}
int link(const char *from, const char *to) {
    REAL("link", two_t);
    return counted_path(to) && fails(0) ? -1 : real(from, to);
}

typedef int (*mkdir_t)(const char *, mode_t);
int mkdir(const char *path, mode_t mode) {
    REAL("mkdir", mkdir_t);
    return counted_path(path) && fails(0) ? -1 : real(path, mode);
}

typedef int (*ftruncate_t)(int, off_t);
int ftruncate(int fd, off_t length) {
    REAL("ftruncate", ftruncate_t);
    return counted_fd(fd) && fails(0) ? -1 : real(fd, length);
}
int ftruncate64(int fd, off_t length) {
    REAL("ftruncate64", ftruncate_t);
    return counted_fd(fd) && fails(0) ? -1 : real(fd, length);
}

typedef int (*open_t)(const char *, int, ...);
#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(#name, open_t); \
        mode_t mode = 0; \
        if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); } \
        if (counted_path(path) && (flags & (O_WRONLY | O_RDWR | O_CREAT)) && fails(0)) return -1; \
        return real(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)
