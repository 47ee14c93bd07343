// What Linux offers and Swift can't import: variadic system calls, function-like macros, GNU extensions.
#ifndef CLOUDLET_CLINUX_H
#define CLOUDLET_CLINUX_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/memfd.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

static const int cloudlet_seek_data = SEEK_DATA;
static const int cloudlet_seek_hole = SEEK_HOLE;
static const int cloudlet_unnamed_file = O_TMPFILE;

static inline int cloudlet_open(const char *path, int flags, unsigned mode) { return open(path, flags | O_CLOEXEC, mode); }
static inline int cloudlet_memfd_create(const char *name) { return (int)syscall(SYS_memfd_create, name, MFD_CLOEXEC); }
static inline int cloudlet_punch_hole(int fd, off_t offset, off_t length) {
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}
// The kind of the file system that holds a path (statfs(2)).
static inline int cloudlet_file_system_type(const char *path, long *type) {
    struct statfs raw;
    int result = statfs(path, &raw);
    if (result == 0) *type = (long)raw.f_type;
    return result;
}
static inline int cloudlet_adopt_orphans(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1); }
// The number of a child that has ended, which is left as it is; waits for one. -1 when there are no children.
static inline pid_t cloudlet_ended_child(void) {
    siginfo_t info;
    int result;
    do { result = waitid(P_ALL, 0, &info, WEXITED | WNOWAIT); } while (result != 0 && errno == EINTR);
    return result == 0 ? info.si_pid : -1;
}
// A descriptor of a process: a number that is given to another process meanwhile does not lead to that one (Linux 5.3).
static inline int cloudlet_open_process(pid_t process) { return (int)syscall(SYS_pidfd_open, process, 0); }
static inline int cloudlet_signal_process(int fd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0);
}
static inline int cloudlet_was_signalled(int status) { return WIFSIGNALED(status); }
// Bounds the number of heaps that malloc spreads threads over (mallopt(3)).
static inline int cloudlet_limit_heaps(int number) { return mallopt(M_ARENA_MAX, number); }
static inline int cloudlet_remove_entry(const char *path, const struct stat *status, int type, struct FTW *place) {
    (void)status, (void)type, (void)place;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}
// Removes a file or a whole tree; links are removed, not followed.
static inline int cloudlet_remove_tree(const char *path) { return nftw(path, cloudlet_remove_entry, 16, FTW_DEPTH | FTW_PHYS); }
// Gives freed memory back to the system (malloc_trim(3)).
static inline int cloudlet_trim_heaps(void) { return malloc_trim(0); }
static inline void cloudlet_unblock_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}
static inline int cloudlet_ignores_signal(int number) {
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

#endif
