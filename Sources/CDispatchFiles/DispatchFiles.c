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

// A file that says of a thread that it runs, as /proc/TID/stat does (proc(5)); -1 while there is none.
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

// Takes the place of the C library's function in this program and in the libraries that it has loaded.
//
// libdispatch looks every second, while work waits for its threads, which of them run, and ends the process with an illegal
// instruction where /proc/TID/stat can't be opened (src/event/workqueue.c, "registered worker exited prematurely"). That is so
// for everybody but root when the whole system has no more files (ENFILE, fs.file-max) or no memory for one (ENOMEM). It is told
// then that the thread runs, after which it does nothing: a second number for a file that is open needs no file of the system's.
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
    // The place in the file is common to all its numbers. Only one thread of libdispatch's asks.
    if (lseek(state, 0, SEEK_SET) != 0) return -1;
    return fcntl(state, F_DUPFD_CLOEXEC, 0);
}
