package import CloudletCore

/// Checks a node from outside against every row of the tables.
///
/// Rows that can be seen on a running node come first; then it is renamed, moved, ended and started, as far as there are
/// hooks for that; what may end a faulty one comes last.
package struct Conformance: Sendable {
    private let options: ConformanceOptions

    /// A check with these options.
    package init(_ options: ConformanceOptions) { self.options = options }

    /// Makes the check.
    /// `progress` is told what is being done.
    /// - Returns: a finding for every row that was to be checked.
    /// - Throws: `CloudletError.noNetwork`, `noNode` when there is nothing to check.
    package func run(progress: @Sendable (String) -> Void = { _ in }) async throws(CloudletError) -> Report {
        let ear = try Ear()
        let stage = try Stage(Stage.interface(for: options.target), ear: ear)
        progress("searching on \(stage.own.interface)")
        let subject = try await Subject.find(on: stage, options)
        let context = CheckContext(
            stage: stage, subject: subject, options: options, hooks: HookRunner(commands: options.hooks))
        let second = try options.secondInterface.map { name throws(CloudletError) in
            try Stage(Stage.interface(for: name), ear: ear)
        }
        let quiet = try options.quietInterface.map { name throws(CloudletError) in
            try Stage(Stage.interface(for: name), ear: ear)
        }
        let outcomes = await check(context, second, quiet, progress)
        let rows = Row.all.filter { options.only.isEmpty || options.only.contains($0.id) }
        return Report(
            subject: "\(subject.description.friendlyName) at \(subject.location)",
            findings: rows.map { row in
                let outcome = outcomes[row.id] ?? .notChecked("not part of this run")
                return Finding(
                    id: row.id, rule: row.rule, level: row.level, verdict: outcome.verdict, evidence: outcome.evidence)
            })
    }

    /// Some checks in a row, for rows whose names begin so.
    private struct Part: Sendable {
        let rows: [String]
        let name: String
        let run: @Sendable () async -> CheckContext.Outcomes

        init(_ rows: String..., named name: String, _ run: @escaping @Sendable () async -> CheckContext.Outcomes) {
            (self.rows, self.name, self.run) = (rows, name, run)
        }
    }

    private func perform(
        _ parts: [Part], _ progress: @Sendable (String) -> Void
    ) async -> CheckContext.Outcomes {
        var outcomes: CheckContext.Outcomes = [:]
        for part in parts {
            let isWanted = options.only.contains { id in part.rows.contains { id.hasPrefix($0) } }
            guard options.only.isEmpty || isWanted else { continue }
            progress(part.name)
            outcomes.merge(await part.run()) { $0.followed(by: $1) }
        }
        return outcomes
    }

    private func check(
        _ context: CheckContext, _ second: Stage?, _ quiet: Stage?, _ progress: @Sendable (String) -> Void
    ) async -> CheckContext.Outcomes {
        let life = LifeChecks(context: context, second: second, quiet: quiet)
        let networks = NetworksChecks(context: context, second: second, quiet: quiet)
        let (records, conflicts) = mdns(context)
        // SSDP and HTTP on one side and mDNS on the other don't disturb each other.
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
            found.verdict == .pass ? found : .fail("no answer where unicast searches are to be heard")
        }
        return outcomes
    }

    /// The checks of mDNS: what can be asked, and what needs starts.
    private func mdns(_ context: CheckContext) -> ([Part], [Part]) {
        guard let instance = context.subject.instance, let asker = try? MDNSAsker(context) else {
            let why = Outcome.notChecked("the node has no instance of \(options.serviceType)")
            return (
                [Part("M", named: "no mDNS") { Dictionary(uniqueKeysWithValues: Row.mdns.map { ($0.id, why) }) }], []
            )
        }
        let records = MDNSRecordChecks(context: context, instance: instance, asker: asker)
        let talk = MDNSTalkChecks(context: context, instance: instance, asker: asker)
        let conflicts = ConflictChecks(context: context, instance: instance, asker: asker)
        return (
            [Part("M1", "M2", named: "mDNS records", records.run), Part("M", named: "mDNS answers", talk.run)],
            [Part("M03", "M06", "M07", "M08", named: "conflicts of names", conflicts.run)]
        )
    }
}
