// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

// Functions and values of Linux that Swift can't import: variadic system calls, function-like macros, GNU extensions.
//
// This header defines no feature macro (feature_test_macros(7)): Swift also reads the C library's headers in its own
// module, and the compiler reports an error when the two see different definitions of a structure. Code that needs
// _GNU_SOURCE is in CLinux.c.
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
// The type of the file system that contains a path (statfs(2)).
int cloudlet_file_system_type(const char *path, long *type);
// Whether the file (in a directory: its entries) can't be replaced or removed by anybody, because it is immutable or
// append-only (statx(2), FS_IOC_SETFLAGS(2const)). 0 when the file system does not support these attributes.
int cloudlet_is_immutable(const char *path);
// The frequency of the processor's time stamp counter in kHz, measured for 20 milliseconds; 0 on other architectures.
long cloudlet_tsc_khz(void);
int cloudlet_adopt_orphans(void);
// Waits until a child has ended and returns its process number without reaping it; -1 when there are no children.
pid_t cloudlet_ended_child(void);
// A descriptor of a process; it never refers to another process that gets the same number later (Linux 5.3).
int cloudlet_open_process(pid_t process);
int cloudlet_signal_process(int fd, int signal);
// Sets the name that ps(1) and others show for this process (prctl(2), PR_SET_NAME); at most 15 bytes.
void cloudlet_name_process(const char *name);
int cloudlet_was_signalled(int status);
// The user at the other end of a Unix socket (SO_PEERCRED, unix(7)).
int cloudlet_peer_user(int fd, unsigned *user);
// Limits the number of heaps among which malloc distributes threads (mallopt(3)).
int cloudlet_limit_heaps(int number);
// Removes a file or a whole tree; removes symbolic links without following them.
int cloudlet_remove_tree(const char *path);
// Returns freed memory to the system (malloc_trim(3)).
int cloudlet_trim_heaps(void);
void cloudlet_unblock_signals(void);
int cloudlet_ignores_signal(int number);

#endif
