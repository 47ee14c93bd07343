// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

// libvirt, with the macros and conversions that Swift can't import.
#ifndef CLOUDLET_CLIBVIRT_H
#define CLOUDLET_CLIBVIRT_H

#include <stddef.h>
#include <stdlib.h>
#include <libvirt/libvirt.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>

static inline int cloudlet_vir_register_lifecycle(virConnectPtr connection, virConnectDomainEventCallback callback,
                                                  void *context, virFreeCallback release) {
    return virConnectDomainEventRegisterAny(connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                            VIR_DOMAIN_EVENT_CALLBACK(callback), context, release);
}

static inline void cloudlet_vir_silence(void *context, virErrorPtr error) {
    (void)context;
    (void)error;
}

// The callers read errors with virGetLastError; without this function, libvirt also prints each one on stderr.
static inline void cloudlet_vir_be_quiet(void) { virSetErrorFunc(NULL, cloudlet_vir_silence); }

#endif
