// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCompression
import Testing

@Suite struct CRC32Tests {
    @Test("the checksum of the standard test text, in one piece and in two")
    func checkValue() {
        let text = Array("123456789".utf8)
        for split in [0, 4, 9] {
            var checksum = CRC32()
            checksum.add(text.span.extracting(0..<split))
            checksum.add(text.span.extracting(split..<9))
            #expect(checksum.value == 0xCBF4_3926)
        }
        #expect(CRC32().value == 0)
    }
}
