// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// The one error type that leaves a module: what went wrong, where, and what to do about it.
///
/// `message` is a sentence for people, without a final period; it names the file, address or value concerned.
/// It never repeats the text of `cause`, so that the whole chain can be printed.
public struct CloudletError: Error, Sendable {
    /// The kind of failure; decides exit status, HTTP status and whether trying again makes sense.
    public let code: Code
    /// What went wrong and where.
    public let message: String
    /// What the reader can do about it, when something can be done.
    public let advice: String?
    /// The error underneath, if any.
    public let cause: (any Error)?

    /// Creates an error from its parts.
    public init(_ code: Code, _ message: String, advice: String? = nil, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.advice = advice
        self.cause = cause
    }

    /// Any error as a `CloudletError`: itself if it is one already, else wrapped as the cause of a new one.
    package static func wrapping(_ error: any Error, _ code: Code, _ message: String) -> CloudletError {
        (error as? CloudletError) ?? CloudletError(code, message, cause: error)
    }

    /// The same error with `context`, the operation that failed, in front of its message.
    package func during(_ context: String) -> CloudletError {
        CloudletError(code, "\(context): \(message)", advice: advice, cause: cause)
    }

    /// The same error with `alternative` at the end of its advice.
    package func advising(or alternative: String) -> CloudletError {
        CloudletError(
            code, message, advice: firstAdvice.map { "\($0), or \(alternative)" } ?? alternative, cause: cause)
    }
}

extension CloudletError: CustomStringConvertible {
    /// The message and the chain of causes on one line, then the advice after a semicolon. Errors of other libraries
    /// are described in words, without type names and codes.
    public var description: String { sentence { _ in true } }

    /// The message, the chain of causes and the advice. Causes of other types are included where `isIncluded` says so.
    func sentence(_ isIncluded: (any Error) -> Bool) -> String {
        reason(isIncluded) + (firstAdvice.map { "; \($0)" } ?? "")
    }

    /// The same without the advice.
    func reason(_ isIncluded: (any Error) -> Bool) -> String {
        var text = message
        var next = cause
        while let error = next {
            if let inner = error as? CloudletError {
                text += ": \(inner.message)"
                next = inner.cause
            } else {
                if isIncluded(error) { text += ": \(error)" }
                next = nil
            }
        }
        return text
    }

    /// The advice to show: the error's own, otherwise that of the innermost cause that has one.
    public var firstAdvice: String? { advice ?? innermostAdvice }

    private var innermostAdvice: String? {
        var found: String?
        var next = cause as? CloudletError
        while let error = next {
            found = error.advice ?? found
            next = error.cause as? CloudletError
        }
        return found
    }
}
