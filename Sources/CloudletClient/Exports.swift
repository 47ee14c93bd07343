// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

// Who imports the library gets what its interface is made of.
@_exported public import CloudletCore
@_exported public import CloudletDiscovery
@_exported public import CloudletFinding
@_exported public import CloudletOverlay
