// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "CDispatchFiles.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// A file with the content of /proc/TID/stat (proc(5)) for a running thread; -1 when there is none.
static atomic_int kept = -1;

int cloudlet_keep_thread_state(void) {
    static const char state[] = "0 (thread) R 0\n";
    if (atomic_load(&kept) >= 0) return 0;
    int fd = memfd_create("thread state", MFD_CLOEXEC);
    if (fd < 0) return -1;
    if (write(fd, state, strlen(state)) != (ssize_t)strlen(state)) {
        close(fd);
        return -1;
    }
    int none = -1;
    if (!atomic_compare_exchange_strong(&kept, &none, fd)) close(fd);
    return 0;
}

static int names_thread_state(const char *path) {
    static const char parent[] = "/proc/";
    if (strncmp(path, parent, strlen(parent)) != 0) return 0;
    const char *digits = path + strlen(parent);
    const char *rest = digits;
    while (isdigit((unsigned char)*rest)) rest++;
    return rest > digits && strcmp(rest, "/stat") == 0;
}

// Replaces the C library's open(2) in this program and the libraries it has loaded.
//
// While work waits for threads, libdispatch checks every second which of its threads run, and ends the process with an
// illegal instruction when it can't open /proc/TID/stat (src/event/workqueue.c, "registered worker exited
// prematurely"). This happens to all users but root when the whole system has no more files (ENFILE, fs.file-max) or no
// memory for one (ENOMEM). In that case this function returns a file that says the thread runs, and libdispatch then
// does nothing: another descriptor of an open file needs no new file of the system.
int open(const char *path, int flags, ...) {
    mode_t mode = 0;
    if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    int fd = openat(AT_FDCWD, path, flags, mode);
    int state = atomic_load(&kept);
    if (fd >= 0 || state < 0 || (errno != ENFILE && errno != ENOMEM) || !names_thread_state(path)) return fd;
    // All descriptors of the file share one offset. Only one thread of libdispatch calls this.
    if (lseek(state, 0, SEEK_SET) != 0) return -1;
    return fcntl(state, F_DUPFD_CLOEXEC, 0);
}
