// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "CLinux.h"

#include <ftw.h>
#include <linux/memfd.h>
#include <malloc.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

const int cloudlet_seek_data = SEEK_DATA;
const int cloudlet_seek_hole = SEEK_HOLE;
const int cloudlet_unnamed_file = O_TMPFILE;

int cloudlet_memfd_create(const char *name) { return (int)syscall(SYS_memfd_create, name, MFD_CLOEXEC); }

int cloudlet_punch_hole(int fd, off_t offset, off_t length) {
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

int cloudlet_file_system_type(const char *path, long *type) {
    struct statfs raw;
    int result = statfs(path, &raw);
    if (result == 0) *type = (long)raw.f_type;
    return result;
}

int cloudlet_is_immutable(const char *path) {
    struct statx found;
    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &found) != 0) return 0;
    return (found.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)) != 0;
}

int cloudlet_adopt_orphans(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1); }

pid_t cloudlet_ended_child(void) {
    siginfo_t info;
    int result;
    do { result = waitid(P_ALL, 0, &info, WEXITED | WNOWAIT); } while (result != 0 && errno == EINTR);
    return result == 0 ? info.si_pid : -1;
}

int cloudlet_open_process(pid_t process) { return (int)syscall(SYS_pidfd_open, process, 0); }

int cloudlet_signal_process(int fd, int signal) { return (int)syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0); }

void cloudlet_name_process(const char *name) { (void)prctl(PR_SET_NAME, name); }

int cloudlet_was_signalled(int status) { return WIFSIGNALED(status); }

int cloudlet_peer_user(int fd, unsigned *user) {
    struct ucred peer;
    socklen_t length = sizeof peer;
    int result = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
    if (result == 0) *user = peer.uid;
    return result;
}

int cloudlet_limit_heaps(int number) { return mallopt(M_ARENA_MAX, number); }

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place) {
    (void)status, (void)type, (void)place;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

int cloudlet_remove_tree(const char *path) { return nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

int cloudlet_trim_heaps(void) { return malloc_trim(0); }

void cloudlet_unblock_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

int cloudlet_ignores_signal(int number) {
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

#if defined(__x86_64__)
static long long nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

// The time and the counter at the same moment: of several readings the one with the shortest time between both.
static void read_both(long long *time, unsigned long long *count) {
    long long shortest = -1;
    for (int i = 0; i < 8; i++) {
        long long before = nanoseconds();
        unsigned long long counted = __rdtsc();
        long long after = nanoseconds();
        if (shortest >= 0 && after - before >= shortest) continue;
        shortest = after - before;
        *time = before + shortest / 2;
        *count = counted;
    }
}

long cloudlet_tsc_khz(void) {
    long long start = 0, end = 0;
    unsigned long long first = 0, last = 0;
    read_both(&start, &first);
    struct timespec pause = {0, 20000000};
    nanosleep(&pause, NULL);
    read_both(&end, &last);
    return end > start && last > first ? (long)((last - first) * 1000000ULL / (unsigned long long)(end - start)) : 0;
}
#else
long cloudlet_tsc_khz(void) { return 0; }
#endif
