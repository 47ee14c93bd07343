// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

// Linux socket functions that Swift can't import: netlink, options with structures, function-like macros.
#ifndef CLOUDLET_CNETWORK_H
#define CLOUDLET_CNETWORK_H

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

// Options that the C library defines only as macros that Swift does not import.
static const int cloudlet_level_ip = IPPROTO_IP;
static const int cloudlet_level_ipv6 = IPPROTO_IPV6;
static const int cloudlet_ip_multicast_all = 49;
static const int cloudlet_ipv6_multicast_all = 29;

// Opens a routing netlink socket; it receives changes of links and addresses when `watch` is set.
static inline int cloudlet_netlink_open(int watch) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (watch ? SOCK_NONBLOCK : 0), NETLINK_ROUTE);
    if (fd < 0) return -1;
    struct sockaddr_nl local;
    memset(&local, 0, sizeof local);
    local.nl_family = AF_NETLINK;
    if (watch) local.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
    int room = 1 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (bind(fd, (struct sockaddr *)&local, sizeof local) != 0) {
        int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

// Requests all links (RTM_GETLINK) or all addresses (RTM_GETADDR).
static inline int cloudlet_netlink_dump(int fd, int type) {
    struct { struct nlmsghdr header; struct rtgenmsg body; } request;
    memset(&request, 0, sizeof request);
    request.header.nlmsg_len = NLMSG_LENGTH(sizeof request.body);
    request.header.nlmsg_type = (unsigned short)type;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.header.nlmsg_seq = (unsigned)type;
    request.body.rtgen_family = AF_UNSPEC;
    return send(fd, &request, request.header.nlmsg_len, 0) < 0 ? -1 : 0;
}

// Returns the kernel's NUD_ state of a host on a link (RTM_GETNEIGH); -1 and errno when it reports none, ENOENT for a
// host that nothing was sent to. `fd` is a routing netlink socket that nobody else uses meanwhile.
static inline int cloudlet_neighbour_state(int fd, int interface, int family, const uint8_t *bytes, unsigned number) {
    unsigned size = family == AF_INET ? 4 : 16;
    struct { struct nlmsghdr header; struct ndmsg body; struct rtattr attribute; uint8_t address[16]; } request;
    memset(&request, 0, sizeof request);
    request.header.nlmsg_len = (unsigned)(NLMSG_LENGTH(sizeof request.body) + RTA_LENGTH(size));
    request.header.nlmsg_type = RTM_GETNEIGH;
    request.header.nlmsg_flags = NLM_F_REQUEST;
    request.header.nlmsg_seq = number;
    request.body.ndm_family = (uint8_t)family;
    request.body.ndm_ifindex = interface;
    request.attribute.rta_type = NDA_DST;
    request.attribute.rta_len = (unsigned short)RTA_LENGTH(size);
    memcpy(request.address, bytes, size);
    if (send(fd, &request, request.header.nlmsg_len, 0) < 0) return -1;
    // The kernel answers before send(2) returns; skip messages that remain from earlier questions.
    for (;;) {
        union { struct nlmsghdr header; uint8_t room[1024]; } answer;
        ptrdiff_t count = recv(fd, &answer, sizeof answer, MSG_DONTWAIT);
        if (count < 0) return -1;
        if (count < (ptrdiff_t)sizeof answer.header || answer.header.nlmsg_seq != number) continue;
        if (answer.header.nlmsg_type == NLMSG_ERROR) {
            struct nlmsgerr *error = (struct nlmsgerr *)NLMSG_DATA(&answer.header);
            errno = count >= (ptrdiff_t)NLMSG_LENGTH(sizeof *error) && error->error != 0 ? -error->error : EPROTO;
            return -1;
        }
        if (answer.header.nlmsg_type == RTM_NEWNEIGH && count >= (ptrdiff_t)NLMSG_LENGTH(sizeof(struct ndmsg)))
            return ((struct ndmsg *)NLMSG_DATA(&answer.header))->ndm_state;
        errno = EPROTO;
        return -1;
    }
}

static inline int cloudlet_udp_socket(int family) {
    return socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static inline int cloudlet_tcp_socket(int family) {
    return socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static inline int cloudlet_set_option(int fd, int level, int name, int value) {
    return setsockopt(fd, level, name, &value, sizeof value);
}

static inline int cloudlet_bind_device(int fd, const char *name) {
    return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name) + 1);
}

// `address` is in network byte order, here and below.
static inline int cloudlet_bind4(int fd, uint32_t address, uint16_t port) {
    struct sockaddr_in local;
    memset(&local, 0, sizeof local);
    local.sin_family = AF_INET;
    local.sin_addr.s_addr = address;
    local.sin_port = htons(port);
    return bind(fd, (struct sockaddr *)&local, sizeof local);
}

static inline int cloudlet_bind6(int fd, const uint8_t *address, uint16_t port, uint32_t scope) {
    struct sockaddr_in6 local;
    memset(&local, 0, sizeof local);
    local.sin6_family = AF_INET6;
    memcpy(&local.sin6_addr, address, 16);
    local.sin6_port = htons(port);
    local.sin6_scope_id = scope;
    return bind(fd, (struct sockaddr *)&local, sizeof local);
}

static inline int cloudlet_join4(int fd, uint32_t group, int interface) {
    struct ip_mreqn request;
    memset(&request, 0, sizeof request);
    request.imr_multiaddr.s_addr = group;
    request.imr_ifindex = interface;
    return setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request);
}

static inline int cloudlet_join6(int fd, const uint8_t *group, unsigned interface) {
    struct ipv6_mreq request;
    memset(&request, 0, sizeof request);
    memcpy(&request.ipv6mr_multiaddr, group, 16);
    request.ipv6mr_interface = interface;
    return setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &request, sizeof request);
}

static inline int cloudlet_send_from4(int fd, int interface) {
    struct ip_mreqn request;
    memset(&request, 0, sizeof request);
    request.imr_ifindex = interface;
    return setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request);
}

// Socket addresses by value, so that Swift need not know which module defines the structures.
static inline struct sockaddr_in cloudlet_address4(uint32_t address, uint16_t port) {
    struct sockaddr_in result;
    memset(&result, 0, sizeof result);
    result.sin_family = AF_INET;
    result.sin_addr.s_addr = address;
    result.sin_port = htons(port);
    return result;
}

static inline struct sockaddr_in6 cloudlet_address6(uint64_t high, uint64_t low, uint16_t port, uint32_t scope) {
    struct sockaddr_in6 result;
    memset(&result, 0, sizeof result);
    result.sin6_family = AF_INET6;
    memcpy(&result.sin6_addr, &high, 8);
    memcpy((char *)&result.sin6_addr + 8, &low, 8);
    result.sin6_port = htons(port);
    result.sin6_scope_id = scope;
    return result;
}

static inline uint32_t cloudlet_bytes4(struct sockaddr_in address) { return address.sin_addr.s_addr; }

static inline uint64_t cloudlet_bytes6(struct sockaddr_in6 address, int half) {
    uint64_t result;
    memcpy(&result, (char *)&address.sin6_addr + 8 * half, 8);
    return result;
}

static inline uint32_t cloudlet_scope6(struct sockaddr_in6 address) { return address.sin6_scope_id; }

// A socket address as plain numbers: 4 address bytes in `low`, or 16 in `high` and `low`.
struct cloudlet_peer {
    int is_v6;
    uint16_t port;
    uint32_t scope;
    uint64_t high, low;
};

static inline socklen_t cloudlet_peer_to_socket(struct cloudlet_peer peer, struct sockaddr_storage *out) {
    memset(out, 0, sizeof *out);
    if (peer.is_v6) {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
        *six = cloudlet_address6(htobe64(peer.high), htobe64(peer.low), peer.port, peer.scope);
        return sizeof *six;
    }
    struct sockaddr_in *four = (struct sockaddr_in *)out;
    *four = cloudlet_address4(htonl((uint32_t)peer.low), peer.port);
    return sizeof *four;
}

// The reverse conversion; leaves `out` unchanged for families other than IPv4 and IPv6.
static inline void cloudlet_peer_from_socket(const struct sockaddr *address, struct cloudlet_peer *out) {
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 six = *(const struct sockaddr_in6 *)address;
        out->is_v6 = 1;
        out->port = ntohs(six.sin6_port);
        out->scope = six.sin6_scope_id;
        out->high = be64toh(cloudlet_bytes6(six, 0));
        out->low = be64toh(cloudlet_bytes6(six, 1));
    } else if (address->sa_family == AF_INET) {
        out->port = ntohs(((const struct sockaddr_in *)address)->sin_port);
        out->low = ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr);
    }
}

static inline ptrdiff_t cloudlet_send(int fd, const uint8_t *bytes, size_t count, struct cloudlet_peer to) {
    struct sockaddr_storage address;
    socklen_t length = cloudlet_peer_to_socket(to, &address);
    return sendto(fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address, length);
}

// Reads a datagram. The sender has port 0 when it uses neither IPv4 nor IPv6. `hops` is the TTL or hop limit of the
// received datagram, -1 when the kernel does not report it.
static inline ptrdiff_t cloudlet_receive_with_hops(
    int fd, uint8_t *bytes, size_t capacity, struct cloudlet_peer *sender, int *hops) {
    struct sockaddr_storage address;
    memset(&address, 0, sizeof address);
    struct iovec part = {bytes, capacity};
    union { struct cmsghdr align; char room[256]; } control;
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_name = &address;
    message.msg_namelen = sizeof address;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.room;
    message.msg_controllen = sizeof control.room;
    ptrdiff_t count = recvmsg(fd, &message, MSG_DONTWAIT);
    memset(sender, 0, sizeof *sender);
    *hops = -1;
    if (count < 0) return count;
    for (struct cmsghdr *entry = CMSG_FIRSTHDR(&message); entry; entry = CMSG_NXTHDR(&message, entry)) {
        if ((entry->cmsg_level == IPPROTO_IP && entry->cmsg_type == IP_TTL) ||
            (entry->cmsg_level == IPPROTO_IPV6 && entry->cmsg_type == IPV6_HOPLIMIT))
            memcpy(hops, CMSG_DATA(entry), sizeof *hops);
    }
    cloudlet_peer_from_socket((struct sockaddr *)&address, sender);
    return count;
}

static inline int cloudlet_bind(int fd, struct cloudlet_peer at) {
    struct sockaddr_storage address;
    socklen_t length = cloudlet_peer_to_socket(at, &address);
    return bind(fd, (struct sockaddr *)&address, length);
}

// Accepts a waiting connection as a non-blocking socket; -1 when there is none.
static inline int cloudlet_accept(int fd) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    int client = accept(fd, (struct sockaddr *)&address, &length);
    if (client >= 0) fcntl(client, F_SETFL, O_NONBLOCK), fcntl(client, F_SETFD, FD_CLOEXEC);
    return client;
}

static inline int cloudlet_local(int fd, struct cloudlet_peer *out) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    memset(out, 0, sizeof *out);
    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0) return -1;
    cloudlet_peer_from_socket((struct sockaddr *)&address, out);
    return 0;
}

static inline int cloudlet_connect(int fd, struct cloudlet_peer to) {
    struct sockaddr_storage address;
    socklen_t length = cloudlet_peer_to_socket(to, &address);
    return connect(fd, (struct sockaddr *)&address, length);
}

static inline int cloudlet_socket_error(int fd) {
    int error = 0;
    socklen_t length = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

// poll(2) of one descriptor: whether it becomes ready within a time.
static inline int cloudlet_wait_ready(int fd, int16_t events, int milliseconds) {
    struct pollfd entry = {fd, events, 0};
    return poll(&entry, 1, milliseconds) == 1;
}

// epoll(7): the events for which a descriptor is ready, with the number it was registered under.
struct cloudlet_ready { uint64_t number; uint32_t events; };

static const uint32_t cloudlet_readable = EPOLLIN;
static const uint32_t cloudlet_writable = EPOLLOUT;

static inline int cloudlet_poll_watch(int poll, int fd, uint64_t number, uint32_t events) {
    struct epoll_event event = {events, {.u64 = number}};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) == 0) return 0;
    return errno == EEXIST ? epoll_ctl(poll, EPOLL_CTL_MOD, fd, &event) : -1;
}

static inline int cloudlet_poll_wait(int poll, struct cloudlet_ready *out, int capacity, int milliseconds) {
    struct epoll_event events[64];
    int count = epoll_wait(poll, events, capacity < 64 ? capacity : 64, milliseconds);
    for (int i = 0; i < count; i++) {
        out[i].number = events[i].data.u64;
        out[i].events = events[i].events;
    }
    return count;
}

#endif
