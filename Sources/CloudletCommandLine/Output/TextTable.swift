// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// Rows of text in aligned columns with a header and two spaces between columns.
package struct TextTable {
    package let header: [String]
    private(set) var rows: [[String]] = []

    package init(_ header: String...) { self.header = header }

    package mutating func add(_ row: String...) { rows.append(row) }

    /// The lines of the table, without trailing spaces.
    package var text: String {
        let all = [header] + rows
        let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            let cells = row.enumerated().map { column, cell in
                cell + String(repeating: " ", count: widths[column] - cell.count)
            }
            let line = cells.joined(separator: "  ")
            return line.reversed().drop { $0 == " " }.reversed().map(String.init).joined()
        }.joined(separator: "\n")
    }
}
