// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletNetwork

/// The multicast groups of SSDP (UDA 2.0 §1.1, annex A.4); port 1900.
package enum SSDPGroup {
    /// 239.255.255.250.
    package static let v4 = IPAddress.v4(0xEFFF_FFFA)
    /// ff02::c.
    package static let linkLocal = IPAddress.v6(high: 0xFF02_0000_0000_0000, low: 0xC)
    /// ff05::c.
    package static let siteLocal = IPAddress.v6(high: 0xFF05_0000_0000_0000, low: 0xC)
}
