// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork

/// Requirements B11 to B14, B21, B22: the times, receivers and number of answers.
struct SearchLoadChecks: Sendable {
    let context: CheckContext

    func run() async -> Outcomes {
        async let moderate = delays(mx: "2", asks: 10, wait: 2.6)
        async let huge = delays(mx: "120", asks: 6, wait: 6)
        async let spread = context.ask(SearchText("ssdp:all") { $0.mx = "3" }, wait: 3.4)
        let times = await spread.map(\.time).sorted()
        var outcomes: Outcomes = [:]
        outcomes["B11"] = randomness(await moderate)
        let late = await huge
        outcomes["B12"] = .of(late.count == 6, "\(late.count) of 6 answers to MX 120 within 6 s")
        if let first = times.first, let last = times.last, times.count > 1 {
            outcomes["B13"] = .of(
                last - first > .milliseconds(5),
                "\(times.count) answers over \((last - first).milliseconds) ms at MX 3")
        } else {
            outcomes["B13"] = .notChecked("\(times.count) answers")
        }
        outcomes["B21"] = await offLink()
        outcomes.merge(await flood()) { $1 }
        return outcomes
    }

    /// Searches from several query ports at once and returns the milliseconds until each gets its answer.
    private func delays(mx: String, asks: Int, wait seconds: Double) async -> [Double] {
        await withTaskGroup(of: Double?.self) { group in
            for _ in 0..<asks {
                group.addTask {
                    guard let queryPort = try? context.link.queryPort() else { return nil }
                    let start = ContinuousClock.now
                    queryPort.send(SearchText("upnp:rootdevice") { $0.mx = mx }.text, to: .ssdpV4)
                    await pause(seconds)
                    return context.answers(at: queryPort).first.map { ($0.time - start).seconds * 1000 }
                }
            }
            var result: [Double] = []
            for await delay in group { if let delay { result.append(delay) } }
            return result.sorted()
        }
    }

    /// Judges whether waits are random: answers at whole seconds, or all at once, are not.
    private func randomness(_ delays: [Double]) -> Outcome {
        guard let first = delays.first, let last = delays.last, delays.count >= 8 else {
            return .fail("\(delays.count) of 10 searches were answered in time")
        }
        let fractions = delays.map { $0.truncatingRemainder(dividingBy: 1000) }.sorted()
        return .all(
            [
                (last <= 2100, "an answer came after \(Int(last)) ms at MX 2"),
                ((fractions.last ?? 0) - (fractions.first ?? 0) > 20, "all answers came at the same time of a second"),
            ], "10 answers to MX 2 after \(Int(first)) to \(Int(last)) ms")
    }

    private func offLink() async -> Outcome {
        let (source, queryPort): (IPAddress, RecordingSocket)
        do {
            source = try await context.offLinkSource()
            queryPort = try context.link.queryPort(from: source, hops: 2)
        } catch {
            return .notChecked(error.message)
        }
        let node = context.device.address
        queryPort.send(SearchText("upnp:rootdevice").text, to: .ssdpV4)
        queryPort.send(
            SearchText("upnp:rootdevice") { $0.host = "\(node.urlHost):1900" }.text, to: Endpoint(node, 1900))
        await pause(1.5)
        let count = context.answers(at: queryPort).count
        return .of(count == 0, "\(count) answers to \(source)")
    }

    private func memory() async -> Int? {
        guard context.hooks.has(.memory), let text = try? await context.hooks.run(.memory) else { return nil }
        return Int(text.trimmed)
    }

    /// Sends many searches with a huge MX, which a node must neither store nor answer without limit.
    private func flood() async -> Outcomes {
        guard let queryPort = try? context.link.queryPort() else { return [:] }
        let before = await memory()
        let count = 3000
        let search = SearchText("upnp:rootdevice") { $0.mx = "2000000" }.text
        let modest = SearchText("upnp:rootdevice").text
        for number in 0..<count {
            queryPort.send(number % 2 == 0 ? search : modest, to: .ssdpV4)
            if number % 10 == 0 { await pause(0.01) }
        }
        await pause(1.2)
        let after = await memory()
        let answers = context.answers(at: queryPort).count
        // The node may refuse this host for a while.
        await pause(2.5)
        let isThere = await context.isThere()
        var outcomes: Outcomes = [
            "B22": .all(
                [(answers < count / 4, "\(answers) answers"), (isThere, "no answer 2.5 s later")],
                "\(answers) answers to \(count) searches")
        ]
        if let before, let after {
            outcomes["B14"] = .of(
                after - before < 4096 && isThere, "\(after - before) KiB more memory after \(count) searches")
        } else {
            outcomes["B14"] = .notChecked("needs the hook 'memory'")
        }
        return outcomes
    }
}
