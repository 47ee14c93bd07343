// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

// libupnp (pupnp) 1.8 to 17, and the functions that confine it.
#ifndef CLOUDLET_CUPNP_H
#define CLOUDLET_CUPNP_H

#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <upnp/upnp.h>
#include <upnp/upnptools.h>

static const int cloudlet_upnp_success = UPNP_E_SUCCESS;

// Starts libupnp on the loopback interface, which it finds by its address only. Versions without UpnpInit() never use it.
static inline int cloudlet_upnp_start_on_loopback(const char *address, uint16_t port) {
#if UPNP_VERSION_MAJOR == 1 && UPNP_VERSION_MINOR < 14
    return UpnpInit(address, port);
#else
    (void)address;
    (void)port;
    return UPNP_E_INVALID_INTERFACE;
#endif
}

// Creates a request for an action without arguments.
static inline IXML_Document *cloudlet_make_action(const char *action, const char *service) {
    return UpnpMakeAction(action, service, 0, NULL, NULL);
}

// Returns a document as text; NULL when there is not enough memory.
static inline DOMString cloudlet_print_document(IXML_Document *document) { return ixmlPrintNode((IXML_Node *)document); }

// Whether a call of setsockopt(2) sets the multicast interface with a wrong size.
static inline int cloudlet_is_wrong_multicast_interface(int level, int name, uint32_t length) {
    return level == IPPROTO_IP && name == IP_MULTICAST_IF && length == 8;
}

// The system call setsockopt(2), for the function of the same name that replaces the C library's.
static inline int cloudlet_raw_setsockopt(int fd, int level, int name, const void *value, uint32_t length) {
    return (int)syscall(SYS_setsockopt, fd, level, name, value, length);
}

// Binds a socket to an interface, so that it receives the unicast packets that arrive there; otherwise the kernel gives
// them to any of the sockets on the same port. Needs no privileges since Linux 5.7.
static inline int cloudlet_bind_to_device(int fd, const char *interface) {
    return cloudlet_raw_setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (uint32_t)strlen(interface));
}

// The system call recvfrom(2), for the function of the same name that replaces the C library's.
static inline ptrdiff_t cloudlet_raw_recvfrom(int fd, void *buffer, size_t capacity, int flags, void *from, void *length) {
    return (ptrdiff_t)syscall(SYS_recvfrom, fd, buffer, capacity, flags, from, length);
}

// The IPv4 address of a sender, in host byte order; 0 when it has none.
static inline uint32_t cloudlet_sender4(const void *from) {
    const struct sockaddr_in *sender = (const struct sockaddr_in *)from;
    return sender && sender->sin_family == AF_INET ? ntohl(sender->sin_addr.s_addr) : 0;
}

static inline void cloudlet_set_again(void) { errno = EAGAIN; }

// Whether `fd` is a socket that accepts connections.
static inline int cloudlet_is_listening(int fd) {
    int value = 0;
    socklen_t length = sizeof value;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0 && value != 0;
}

// The family of a UDP socket bound to `port`, or 0.
static inline int cloudlet_udp_family(int fd, uint16_t port) {
    int type = 0;
    socklen_t length = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_DGRAM) return 0;
    struct sockaddr_storage local;
    length = sizeof local;
    if (getsockname(fd, (struct sockaddr *)&local, &length) != 0) return 0;
    if (local.ss_family == AF_INET && ((struct sockaddr_in *)&local)->sin_port == htons(port)) return AF_INET;
    if (local.ss_family == AF_INET6 && ((struct sockaddr_in6 *)&local)->sin6_port == htons(port)) return AF_INET6;
    return 0;
}

// Replaces `fd` with a socket that nobody can reach.
static inline int cloudlet_bury(int fd) {
    int dead = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (dead < 0) return -1;
    int result = dup2(dead, fd);
    close(dead);
    return result < 0 ? -1 : 0;
}

// Accepts only IPv4 packets that arrived on `interface` from the network `network`/`mask` (host byte order).
static inline int cloudlet_filter_lan(int fd, uint32_t interface, uint32_t network, uint32_t mask) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_IFINDEX)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, interface, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_NET_OFF + 12)),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, network & mask, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xFFFF),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

// Rejects all packets.
static inline int cloudlet_filter_all(int fd) {
    struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    struct sock_fprog program = {1, code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

// IP_MULTICAST_ALL = 0: receive only the groups that this socket joined itself.
static inline int cloudlet_only_joined(int fd) {
    int off = 0;
    return setsockopt(fd, IPPROTO_IP, 49, &off, sizeof off);
}

// Gives up root privileges permanently.
static inline int cloudlet_drop_privileges(void) {
    struct rlimit none = {0, 0}, files = {64, 64};
    setrlimit(RLIMIT_CORE, &none);
    setrlimit(RLIMIT_FSIZE, &none);
    setrlimit(RLIMIT_NOFILE, &files);
    if (geteuid() == 0) {
        if (setgroups(0, NULL) != 0 || setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) return -1;
        if (setuid(0) == 0) return -1;
    }
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

#endif
