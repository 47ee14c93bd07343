// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLibvirt

/// A text that libvirt allocated. It is freed with the object.
@safe struct LibvirtText: ~Copyable {
    private let pointer: UnsafeMutablePointer<CChar>

    /// Takes ownership of a text; `nil` for `nil`.
    init?(_ pointer: UnsafeMutablePointer<CChar>?) {
        guard let pointer = unsafe pointer else { return nil }
        unsafe self.pointer = pointer
    }

    deinit { unsafe free(pointer) }

    var string: String { unsafe String(cString: pointer) }
}
