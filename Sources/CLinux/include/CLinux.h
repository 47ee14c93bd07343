// What Linux offers and Swift can't import: variadic system calls, function-like macros, GNU extensions.
//
// Defines no feature macro (feature_test_macros(7)): Swift reads these headers of the C library in its own module too, and two
// readings of one structure that differ are an error of the compiler. What needs _GNU_SOURCE is in CLinux.c.
#ifndef CLOUDLET_CLINUX_H
#define CLOUDLET_CLINUX_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

// Values of lseek(2) and open(2) that are GNU extensions.
extern const int cloudlet_seek_data;
extern const int cloudlet_seek_hole;
extern const int cloudlet_unnamed_file;

int cloudlet_memfd_create(const char *name);
int cloudlet_punch_hole(int fd, off_t offset, off_t length);
// The kind of the file system that holds a path (statfs(2)).
int cloudlet_file_system_type(const char *path, long *type);
// Whether nobody may exchange or remove what a path leads to (in a directory: what is in it): immutable or append-only
// (statx(2), FS_IOC_SETFLAGS(2const)). 0 where the file system knows no such attributes.
int cloudlet_is_immutable(const char *path);
int cloudlet_adopt_orphans(void);
// The number of a child that has ended, which is left as it is; waits for one. -1 when there are no children.
pid_t cloudlet_ended_child(void);
// A descriptor of a process: a number that is given to another process meanwhile does not lead to that one (Linux 5.3).
int cloudlet_open_process(pid_t process);
int cloudlet_signal_process(int fd, int signal);
int cloudlet_was_signalled(int status);
// The user at the other end of a Unix socket (SO_PEERCRED, unix(7)).
int cloudlet_peer_user(int fd, unsigned *user);
// Bounds the number of heaps that malloc spreads threads over (mallopt(3)).
int cloudlet_limit_heaps(int number);
// Removes a file or a whole tree; links are removed, not followed.
int cloudlet_remove_tree(const char *path);
// Gives freed memory back to the system (malloc_trim(3)).
int cloudlet_trim_heaps(void);
void cloudlet_unblock_signals(void);
int cloudlet_ignores_signal(int number);

#endif
