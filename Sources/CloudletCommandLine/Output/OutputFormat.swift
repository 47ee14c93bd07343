import ArgumentParser

/// How a list is printed.
package enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table
    case json
}
