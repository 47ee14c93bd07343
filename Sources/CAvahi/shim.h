// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

// avahi-client, with which the node has the machine's mDNS responder publish it.
#ifndef CLOUDLET_CAVAHI_H
#define CLOUDLET_CAVAHI_H

#include <stddef.h>
#include <stdint.h>
#include <avahi-client/client.h>
#include <avahi-client/lookup.h>
#include <avahi-client/publish.h>
#include <avahi-common/alternative.h>
#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <avahi-common/simple-watch.h>
#include <avahi-common/strlst.h>

static const int cloudlet_avahi_collision = AVAHI_ERR_COLLISION;
static const int cloudlet_avahi_protocol_ipv4 = AVAHI_PROTO_INET;
static const int cloudlet_avahi_protocol_any = AVAHI_PROTO_UNSPEC;

#endif
