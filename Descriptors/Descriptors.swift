// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// The UPnP documents by which a node describes itself, embedded in the binary. `{name}` stands for a value that the
/// caller fills in.
package enum Descriptors {
    /// The UPnP device description (UDA 2.0 §2.3), with values for `configId`, `deviceType`, `friendlyName`, `udn`,
    /// `originalServiceType` and `synthesisServiceType` to fill in.
    package static var device: String { text(PackageResources.device_xml) }
    /// The service description of the original (2013), with a value for `configId` to fill in.
    package static var originalService: String { text(PackageResources.original_xml) }
    /// The description of the current service (UDA 2.0 §2.5), with a value for `configId` to fill in.
    package static var synthesisService: String { text(PackageResources.synthesis_xml) }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
