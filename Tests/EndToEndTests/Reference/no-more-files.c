// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

// A system that has no more files for one program, as fs.file-max makes it for all programs but root's: while the byte in the
// file NO_MORE_FILES is 1, whatever wants a new file fails with ENFILE. Meanwhile more work waits for the threads that all
// share than there are, as under load: only then does libdispatch look at its threads.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// libdispatch's (dispatch/queue.h), which the program has loaded.
extern void *dispatch_get_global_queue(long identifier, unsigned long flags);
extern void dispatch_async_f(void *queue, void *context, void (*work)(void *));

static const volatile unsigned char *wish;

static int is_over(void) { return wish && *wish == 1; }

static void work(void *context) {
    (void)context;
    while (is_over()) usleep(1000);
}

static void *load(void *context) {
    (void)context;
    while (1) {
        while (!is_over()) usleep(1000);
        void *queue = dispatch_get_global_queue(0, 0);
        for (int number = 0; number < 64; number++) dispatch_async_f(queue, NULL, work);
        while (is_over()) usleep(1000);
    }
    return NULL;
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("NO_MORE_FILES");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0) : -1;
    if (fd < 0) return;
    void *page = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (page == MAP_FAILED) return;
    wish = page;
    // Programs that it starts are left alone.
    unsetenv("LD_PRELOAD");
    pthread_t thread;
    pthread_create(&thread, NULL, load, NULL);
}

#define REFUSE if (is_over()) { errno = ENFILE; return -1; }
#define MODE(flags, mode) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }

int openat(int directory, const char *path, int flags, ...) {
    MODE(flags, mode) REFUSE
    return (int)syscall(SYS_openat, directory, path, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...) {
    MODE(flags, mode) REFUSE
    return (int)syscall(SYS_openat, directory, path, flags, mode);
}

int open(const char *path, int flags, ...) {
    MODE(flags, mode) REFUSE
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags, mode) REFUSE
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int socket(int domain, int type, int protocol) { REFUSE return (int)syscall(SYS_socket, domain, type, protocol); }

int socketpair(int domain, int type, int protocol, int pair[2]) {
    REFUSE return (int)syscall(SYS_socketpair, domain, type, protocol, pair);
}

int accept4(int listener, struct sockaddr *address, socklen_t *size, int flags) {
    REFUSE return (int)syscall(SYS_accept4, listener, address, size, flags);
}

int accept(int listener, struct sockaddr *address, socklen_t *size) { return accept4(listener, address, size, 0); }

int eventfd(unsigned count, int flags) { REFUSE return (int)syscall(SYS_eventfd2, count, flags); }

int timerfd_create(int clock, int flags) { REFUSE return (int)syscall(SYS_timerfd_create, clock, flags); }

int epoll_create1(int flags) { REFUSE return (int)syscall(SYS_epoll_create1, flags); }

int pipe2(int pair[2], int flags) { REFUSE return (int)syscall(SYS_pipe2, pair, flags); }

int pipe(int pair[2]) { return pipe2(pair, 0); }

int memfd_create(const char *name, unsigned flags) { REFUSE return (int)syscall(SYS_memfd_create, name, flags); }
