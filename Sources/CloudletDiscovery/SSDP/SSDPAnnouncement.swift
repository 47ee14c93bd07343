// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletNetwork
package import FoundationEssentials

/// What the node announces by SSDP from one address at one time. It makes every message that the node sends (UDA 2.0 §1.2,
/// §1.3).
package struct SSDPAnnouncement: Hashable, Sendable {
    /// The announced device.
    package var device: UPnPDevice
    /// The URL of its description, with an address on the link.
    package var location: String
    /// BOOTID.UPNP.ORG: grows whenever the node joins the network again.
    package var bootID: Int32
    /// CONFIGID.UPNP.ORG: changes with the content of the description.
    package var configID: Int32
    /// SEARCHPORT.UPNP.ORG, when the node receives unicast searches on another port than 1900.
    package var searchPort: UInt16?
    /// Seconds until an announcement expires.
    package var maximumAge: Int

    package init(
        device: UPnPDevice, location: String, bootID: Int32, configID: Int32, searchPort: UInt16? = nil,
        maximumAge: Int = 1800
    ) {
        self.device = device
        self.location = location
        self.bootID = bootID
        self.configID = configID
        self.searchPort = searchPort
        self.maximumAge = maximumAge
    }

    /// The `ssdp:alive`, `ssdp:byebye` or `ssdp:update` messages of every target, to send to `group`.
    /// `nextBootID` is the boot id that applies after an update.
    package func notifications(_ kind: Kind, to group: IPAddress, nextBootID: Int32? = nil) -> [SSDPMessage] {
        device.announcements.map { target in
            var headers: [(name: String, value: String)] = [("HOST", "\(Endpoint(group, 1900))")]
            if kind == .alive { headers.append(("CACHE-CONTROL", "max-age=\(maximumAge)")) }
            if kind != .byebye { headers.append(("LOCATION", location)) }
            headers.append(("NT", target.type))
            headers.append(("NTS", kind.rawValue))
            if kind == .alive { headers.append(("SERVER", UPnPDevice.server)) }
            headers.append(("USN", target.usn))
            headers += identity
            if let nextBootID { headers.append(("NEXTBOOTID.UPNP.ORG", String(nextBootID))) }
            return SSDPMessage(.notify, headers)
        }
    }

    /// The kinds of NOTIFY.
    package enum Kind: String, Sendable {
        case alive = "ssdp:alive"
        case byebye = "ssdp:byebye"
        case update = "ssdp:update"
    }

    /// The responses to a search; none when it does not match the device.
    package func answers(to search: SSDPSearch, at date: Date = Date()) -> [SSDPMessage] {
        device.answers(to: search.target).map { target in
            SSDPMessage(
                .response,
                [
                    ("CACHE-CONTROL", "max-age=\(maximumAge)"), ("DATE", date.httpDate), ("EXT", ""),
                    ("LOCATION", location), ("SERVER", UPnPDevice.server), ("ST", target.type), ("USN", target.usn),
                ] + identity)
        }
    }

    private var identity: [(name: String, value: String)] {
        [("BOOTID.UPNP.ORG", String(bootID)), ("CONFIGID.UPNP.ORG", String(configID))]
            + (searchPort.map { [("SEARCHPORT.UPNP.ORG", String($0))] } ?? [])
    }
}

extension Date {
    /// The date in HTTP's format (RFC 9110 §5.6.7).
    package var httpDate: String {
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        let part = calendar.dateComponents([.weekday, .day, .month, .year, .hour, .minute, .second], from: self)
        func two(_ value: Int?) -> String { String(100 + (value ?? 0)).suffix(2).description }
        return
            "\(days[(part.weekday ?? 1) - 1]), \(two(part.day)) \(months[(part.month ?? 1) - 1]) \(part.year ?? 1970) "
            + "\(two(part.hour)):\(two(part.minute)):\(two(part.second)) GMT"
    }
}
