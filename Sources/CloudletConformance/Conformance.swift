// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletNetwork

/// Checks a node from outside against every requirement of the tables.
///
/// It first checks the requirements that can be seen on a running node; then it renames, moves, stops and starts the
/// node, as far as the hooks allow; checks that may end a faulty node come last.
package struct Conformance: Sendable {
    private let options: ConformanceOptions

    /// Creates a check with these options.
    package init(_ options: ConformanceOptions) { self.options = options }

    /// Runs the check. `progress` receives a description of each step.
    /// - Returns: a finding for every requirement that was to be checked.
    /// - Throws: `CloudletError.noNetwork`, `noNode` when there is nothing to check.
    package func run(progress: @Sendable (String) -> Void = { _ in }) async throws(CloudletError) -> ConformanceReport {
        let listener = try PacketListener()
        let link = try TestLink(to: options.target, listener: listener)
        progress("searching on \(link.interface.name)")
        let device = try await DeviceUnderTest.find(on: link, options)
        let context = CheckContext(
            link: link, device: device, options: options, hooks: HookRunner(commands: options.hooks))
        let second = try options.secondInterface.map { name throws(CloudletError) in
            try TestLink(to: name, listener: listener)
        }
        let quiet = try options.quietInterface.map { name throws(CloudletError) in
            try TestLink(to: name, listener: listener)
        }
        let outcomes = await check(context, second, quiet, progress)
        let requirements = Requirement.all.filter { options.only.isEmpty || options.only.contains($0.id) }
        return ConformanceReport(
            subject: "\(device.description.friendlyName) at \(device.location)",
            findings: requirements.map { requirement in
                let outcome = outcomes[requirement.id] ?? .notChecked("not part of this run")
                return RequirementResult(
                    id: requirement.id, rule: requirement.rule, level: requirement.level, verdict: outcome.verdict,
                    evidence: outcome.evidence)
            })
    }

    /// A group of checks, with the beginnings of the names of their requirements.
    private struct Part: Sendable {
        let requirements: [String]
        let name: String
        let run: @Sendable () async -> Outcomes

        init(
            _ requirements: String..., named name: String, _ run: @escaping @Sendable () async -> Outcomes
        ) {
            (self.requirements, self.name, self.run) = (requirements, name, run)
        }
    }

    private func perform(
        _ parts: [Part], _ progress: @Sendable (String) -> Void
    ) async -> Outcomes {
        var outcomes: Outcomes = [:]
        for part in parts {
            let isWanted = options.only.contains { id in part.requirements.contains { id.hasPrefix($0) } }
            guard options.only.isEmpty || isWanted else { continue }
            progress(part.name)
            outcomes.merge(await part.run()) { $0.followed(by: $1) }
        }
        return outcomes
    }

    private func check(
        _ context: CheckContext, _ second: TestLink?, _ quiet: TestLink?, _ progress: @Sendable (String) -> Void
    ) async -> Outcomes {
        let life = LifeChecks(context: context, second: second, quiet: quiet)
        let networks = NetworksChecks(context: context, second: second, quiet: quiet)
        let (records, conflicts) = mdns(context)
        // The checks of SSDP and HTTP and those of mDNS don't disturb each other.
        async let quietOnes = perform(
            [
                Part("C", named: "documents", DescriptionChecks(context: context).run),
                Part("C1", named: "control", ControlChecks(context: context).run),
                Part("C1", named: "events", EventChecks(context: context).run),
                Part("B", "A16", named: "searches", SearchChecks(context: context).run),
                Part("B1", "B2", named: "floods", SearchLoadChecks(context: context).run),
            ], progress)
        async let names = perform(records, progress)
        var outcomes = await quietOnes.merging(await names) { $1 }
        let rest = await perform(
            [
                Part("X", "A07", named: "finders", AcrossChecks(context: context).run),
                Part("S", named: "other stacks", StackChecks(context: context).run),
            ] + conflicts + [
                Part("A", "C03", "M0", "M10", "X03", named: "end and start", life.run),
                Part("A19", "A20", "B23", "M31", named: "networks", networks.ask),
                Part(
                    "A08", "A15", "B25", "C09", "M29", "M30", "X02", "X04", named: "changes",
                    ChangeChecks(context: context).run),
                Part("A18", "B24", "M27", "M32", "M35", named: "the node's host", HostChecks(context: context).run),
                Part("C17", "C18", named: "harmful requests", ControlChecks(context: context).runHarmful),
            ], progress)
        outcomes.merge(rest) { $0.followed(by: $1) }
        outcomes["A16"] = outcomes["B15"].map { found in
            found.verdict == .pass ? found : .fail("no answer where unicast searches are to be received")
        }
        return outcomes
    }

    /// The checks of mDNS: first those that only query, then those that restart the node.
    private func mdns(_ context: CheckContext) -> ([Part], [Part]) {
        guard let instance = context.device.instance, let querier = try? MDNSQuerier(context) else {
            let why = Outcome.notChecked("the node has no instance of \(options.serviceType)")
            return (
                [
                    Part("M", named: "no mDNS") {
                        Dictionary(uniqueKeysWithValues: Requirement.mdns.map { ($0.id, why) })
                    }
                ], []
            )
        }
        let records = MDNSRecordChecks(context: context, instance: instance, querier: querier)
        let talk = MDNSTalkChecks(context: context, instance: instance, querier: querier)
        let conflicts = ConflictChecks(context: context, instance: instance, querier: querier)
        return (
            [Part("M1", "M2", named: "mDNS records", records.run), Part("M", named: "mDNS answers", talk.run)],
            [Part("M03", "M06", "M07", "M08", named: "conflicts of names", conflicts.run)]
        )
    }
}
