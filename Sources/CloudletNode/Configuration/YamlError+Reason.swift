// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Yams

extension YamlError {
    /// The reason in one line that names the place in the file, without the file's text, which
    /// `YamlError.description` contains.
    var reason: (text: String, advice: String?) {
        switch self {
        case .reader(let problem, let offset, _, let yaml):
            let line = offset.map { 1 + yaml.prefix($0).count(where: \.isNewline) }
            return (line.map { "line \($0): \(problem)" } ?? problem, "write the file in UTF-8")
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return ("line \(mark.line), column \(mark.column): \(problem)", nil)
        case .duplicatedKeysInMapping(let duplicates, let context):
            let keys = duplicates.map { "'\($0.displayable(limit: 60))'" }.joined(separator: ", ")
            return (
                "line \(context.mark.line): the file contains more than once: \(keys)",
                "write each setting once, and all settings of a group below one line 'GROUP:'"
            )
        case .memory: return ("memory is exhausted", nil)
        case .no, .writer, .emitter, .representer, .dataCouldNotBeDecoded: return ("it can't be read", nil)
        }
    }
}
