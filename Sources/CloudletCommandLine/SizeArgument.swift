import ArgumentParser

/// A number of bytes on the command line: `4M`, `512K`, `1G` or plain bytes, in powers of 1024.
package struct SizeArgument: ExpressibleByArgument {
    package let bytes: Int

    package init?(argument: String) {
        let units: [Character: Int] = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30]
        let unit = argument.last.flatMap { units[Character($0.uppercased())] }
        guard let number = Int(unit == nil ? argument : String(argument.dropLast())), number > 0 else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit ?? 1)
        guard !overflow else { return nil }
        self.bytes = bytes
    }
}
