import ArgumentParser

/// How a list is printed.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table
    case json
}
