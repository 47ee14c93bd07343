// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

// Programs that import the library get the types of its interface: errors, digests, port forwards.
@_exported public import CloudletCore
