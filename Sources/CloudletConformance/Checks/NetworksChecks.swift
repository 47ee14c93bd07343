import CloudletCore

/// Rows A19, A20, B23, M31: what is said and answered on each of several networks.
struct NetworksChecks: Sendable {
    let context: CheckContext
    let second: Stage?
    let quiet: Stage?

    private static let needsSecond = Outcome.notChecked(
        "needs --second: an interface of this host to a second network of the node")

    private func isRight(_ location: String?, on stage: Stage) -> Bool {
        guard let address = location.flatMap({ WebAddress($0) }) else { return false }
        return stage.own.place.shares(stage.own.prefix, with: address.place)
    }

    /// Rows that a record of a start shows.
    func heard(since start: ContinuousClock.Instant) -> CheckContext.Outcomes {
        var outcomes: CheckContext.Outcomes = [:]
        if let second {
            let both = [context.stage, second].map { stage in
                stage.announcements(since: start).filter {
                    $0.message.udn == context.subject.udn && $0.message.kind == "ssdp:alive"
                }.map { isRight($0.message["LOCATION"], on: stage) }
            }
            outcomes["A19"] = .all(
                both.enumerated().flatMap { index, rights in
                    [
                        (!rights.isEmpty, "nothing was announced on network \(index + 1)"),
                        (rights.allSatisfy { $0 }, "a LOCATION on network \(index + 1) belongs elsewhere"),
                    ]
                }, "\(both[0].count) and \(both[1].count) announcements")
        } else {
            outcomes["A19"] = Self.needsSecond
        }
        if let quiet {
            let count = quiet.announcements(since: start).filter { $0.message.udn == context.subject.udn }.count
            outcomes["A20"] = .of(count == 0, "\(count) announcements on \(quiet.own.interface)")
        }
        return outcomes
    }

    /// Rows that are asked.
    func ask() async -> CheckContext.Outcomes {
        var outcomes: CheckContext.Outcomes = [:]
        if let second {
            let search = SearchText(context.options.deviceType)
            var conditions: [(Bool, String)] = []
            for stage in [context.stage, second] {
                guard let asker = try? stage.asker() else { continue }
                asker.send(search.text, to: .ssdpV4)
                await pause(1.3)
                let answers = asker.packets().compactMap(Heard.init).filter { $0.message.udn == context.subject.udn }
                conditions.append((answers.count == 1, "\(answers.count) answers on \(stage.own.interface)"))
                conditions.append(
                    (
                        answers.allSatisfy { isRight($0.message["LOCATION"], on: stage) },
                        "a LOCATION on \(stage.own.interface) belongs elsewhere"
                    ))
            }
            outcomes["B23"] = .all(conditions, "each network with its own LOCATION")
            outcomes["M31"] = await addresses(on: second)
        } else {
            (outcomes["B23"], outcomes["M31"]) = (Self.needsSecond, Self.needsSecond)
        }
        if let quiet, let asker = try? quiet.asker() {
            asker.send(SearchText(context.options.deviceType).text, to: .ssdpV4)
            await pause(1.3)
            let count = asker.packets().count
            outcomes["A20"] = .of(count == 0, "\(count) answers on \(quiet.own.interface)")
        } else {
            outcomes["A20"] = .notChecked("needs --quiet: an interface to a network that should not hear of the node")
        }
        return outcomes
    }

    private func addresses(on second: Stage) async -> Outcome {
        guard let instance = context.subject.instance else { return .notChecked("the node has no DNS-SD instance") }
        var conditions: [(Bool, String)] = []
        for stage in [context.stage, second] {
            guard let asker = try? stage.asker(hops: 255) else { continue }
            asker.send(DNSPacket.query(instance.host, DNSKind.a).bytes, to: .mdnsV4)
            await pause(0.6)
            let records = asker.packets().compactMap(HeardDNS.init).flatMap(\.packet.records).filter {
                $0.type == DNSKind.a && $0.name == instance.host
            }
            let places = records.compactMap { Place(ipv4: $0.data) }
            conditions.append((!places.isEmpty, "no address on \(stage.own.interface)"))
            conditions.append(
                (
                    places.allSatisfy { stage.own.place.shares(stage.own.prefix, with: $0) },
                    "\(places) on \(stage.own.interface)"
                ))
        }
        return .all(conditions, "each network with its own address")
    }
}

extension Place {
    /// The address in the data of an A record.
    init?(ipv4 data: [UInt8]) {
        guard data.count == 4 else { return nil }
        self.init(data.map(String.init).joined(separator: "."))
    }
}
