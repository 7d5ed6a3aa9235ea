import Testing

@testable import SwiftletLoad

@Suite("EventStreamTests")
struct EventStreamTests {
    private static let text =
        ": ping\n\ndata: {\"a\": 1}\n\nevent: x\ndata:two\r\ndata:  lines\r\n\r\ndata\n\nid: 7\rdata: ü\r\rdata: unfinished\n"
    private static let events = ["{\"a\": 1}", "two\n lines", "ü"]

    @Test("events are the same wherever the bytes are cut")
    func cuts() {
        let bytes = Array(Self.text.utf8)
        for first in 0...bytes.count {
            for second in first...bytes.count {
                var stream = EventStream()
                let found = [bytes[..<first], bytes[first..<second], bytes[second...]].flatMap {
                    stream.add($0)
                }
                #expect(found.map { String(decoding: $0, as: UTF8.self) } == Self.events)
            }
        }
    }

    @Test("no bytes are no event")
    func empty() {
        var stream = EventStream()
        #expect(stream.add([]).isEmpty)
        #expect(stream.add(Array("\n\n\n".utf8)).isEmpty)
    }
}
