// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc

extension DefaultStringInterpolation {
    /// Interpolates an error of any type as `Error.readableDescription`, so that no message can show the raw form
    /// by mistake.
    package mutating func appendInterpolation(_ error: any Error) { appendLiteral(error.readableDescription) }
}

extension Error {
    /// What the error says, for people, without a final period. Foundation and the standard library describe their errors
    /// for programmers: with Swift types, error domains, codes and nested errors.
    package var readableDescription: String {
        switch self {
        case let error as CloudletError: error.description
        case let error as DecodingError: error.sentence
        case let error as EncodingError: error.sentence
        case is CancellationError: "interrupted"
        default: foundationReason ?? (isDescribed ? String(describing: self).asClause : nameInWords)
        }
    }

    private var isDescribed: Bool {
        let value: Any = self
        return value is any CustomStringConvertible || value is any CustomDebugStringConvertible
    }

    /// The reason in the innermost of Foundation's nested errors: the system's, where there is one. `nil` for an error of
    /// another library.
    private var foundationReason: String? {
        if let error = self as? POSIXError { return unsafe String(cString: strerror(error.code.rawValue)) }
        if let inner = (self as? CocoaError)?.underlying { return inner.readableDescription }
        // FoundationEssentials has no NSError, but the description of one can be parsed.
        let text = String(describing: self)
        guard text.hasPrefix("Error Domain="),
            var sentence = text.matches(of: /Error Domain=\S+ Code=-?\d+ "(.*?)"/).last?.1
        else { return nil }
        if sentence == "(null)", let own = text.firstMatch(of: /NSLocalizedDescription=(.*?)(?:, NS\w+=|}$)/)?.1 {
            sentence = own
        }
        let reason = sentence.wholeMatch(of: /The operation could not be completed\. (.+)/)?.1 ?? sentence
        return String(reason.wholeMatch(of: /\((.+)\)/)?.1 ?? reason).asClause
    }

    /// The name of an error without a description in words: `connectTimeout` becomes `connect timeout`.
    private var nameInWords: String {
        let text = String(describing: self)
        let name = text.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
        guard !name.isEmpty else { return text }
        return String(name).replacing(/([a-z0-9])([A-Z])/) { "\($0.1) \($0.2.lowercased())" }
    }
}

extension DecodingError {
    fileprivate var sentence: String {
        switch self {
        case .keyNotFound(let key, let context): "\(context.codingPath.location(of: key)) is missing"
        case .valueNotFound(_, let context): "\(context.codingPath.location()) has no value"
        case .typeMismatch(_, let context): "\(context.codingPath.location()) has the wrong type"
        case .dataCorrupted(let context):
            if context.codingPath.isEmpty {
                context.debugDescription.asClause.displayable()
            } else {
                "\(context.codingPath.location()): \(context.debugDescription.asClause.displayable())"
            }
        @unknown default: "the data can't be read"
        }
    }
}

extension EncodingError {
    fileprivate var sentence: String {
        switch self {
        case .invalidValue(_, let context): "\(context.codingPath.location()) can't be written"
        @unknown default: "the data can't be written"
        }
    }
}

extension [any CodingKey] {
    /// A location in data, such as `'memory.slots.2'`. Its names come from the data, so they are made harmless.
    fileprivate func location(of last: (any CodingKey)? = nil) -> String {
        let keys = self + (last.map { [$0] } ?? [])
        guard !keys.isEmpty else { return "the top level" }
        let path = keys.map { key in key.intValue.map { String($0) } ?? key.stringValue }.joined(separator: ".")
        return "'\(path.displayable(limit: 100))'"
    }
}

extension String {
    /// A sentence as a clause of another one: without its capital and its period. Other texts are returned unchanged.
    fileprivate var asClause: String {
        guard hasSuffix("."), !hasSuffix("..") else { return self }
        let isName = dropFirst().first?.isLowercase != true
        return (isName ? String(prefix(1)) : prefix(1).lowercased()) + dropFirst().dropLast()
    }
}
