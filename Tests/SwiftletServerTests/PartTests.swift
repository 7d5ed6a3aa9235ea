import HTTPTypes
import Logging
import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Synchronization
import Testing

@testable import SwiftletServer

@Suite struct PartTests {
    @Test func fieldsAreReadOnceAndNamed() throws {
        var fields = try RequestFields(body: Array(#"{"a": 1, "a": 2, "b": 5.0, "c": null, "d": 3}"#.utf8))
        #expect(try fields.int("a", in: 0...9) == 2)
        #expect(try fields.int("b", in: 0...9) == 5)
        #expect(try fields.string("c") == nil)
        #expect(throws: APIError.self) { try fields.finish() }
        fields.accept(["d"])
        try fields.finish()
    }

    @Test func targetsAreTakenApart() {
        #expect(RequestTarget.path("/a%20b/c?x=1") == "/a b/c")
        #expect(RequestTarget.path("/a%2") == "/a%2" && RequestTarget.path("/%zz%41") == "/%zzA")
        #expect(RequestTarget.query("/a?x=1&y=a+b%3D&z&x=2#f") == ["x": "2", "y": "a b=", "z": ""])
    }

    @Test func routesWithStars() {
        let route = Route(.get, "/v1/models/*", "") { _ throws(APIError) in throw APIError(.notFound, "") }
        #expect(route.match("/v1/models/a/b") == ["a/b"])
        #expect(route.match("/v1/models/") == nil && route.match("/v1/models") == nil)
    }

    @Test("a server at rest is noticed after every time of work, and once more later")
    func rest() async throws {
        let (rests, source) = AsyncStream.makeStream(of: Void.self)
        let watch = IdleWatch(after: .milliseconds(20), .milliseconds(60)) { source.yield() }
        var iterator = rests.makeAsyncIterator()
        for _ in 0..<2 {
            let start = ContinuousClock.now
            watch.begin()
            watch.begin()
            watch.end()
            try await Task.sleep(for: .milliseconds(60))
            watch.end()
            watch.begin()
            watch.end()
            await iterator.next()
            #expect(ContinuousClock.now - start >= .milliseconds(80))
            await iterator.next()
            #expect(ContinuousClock.now - start >= .milliseconds(140))
        }
        try await Task.sleep(for: .milliseconds(100))
        source.finish()
        #expect(await iterator.next() == nil)
    }

    @Test func keysAreReadFromFiles() throws {
        let directory = TemporaryDirectory()
        let path = directory.path + "/keys"
        try AtomicFile.write(Array("# comment\n\n one \ntwo\n".utf8), to: path)
        #expect(try APIKeys.read(path) == ["one", "two"])
        try AtomicFile.write(Array("\n# none\n".utf8), to: path)
        expectError(.invalidArgument, "holds no key") { try APIKeys.read(path) }
    }

    @Test func prometheusText() {
        var text = PrometheusText()
        text.add("a", "help", [("x", "q\"\\\n")], .counter(2))
        text.add("h", "help", [], .histogram(bounds: [0.5, 1], counts: [1, 2, 3], sum: 4.5))
        #expect(
            text.text == """
                # HELP a help
                # TYPE a counter
                a{x="q\\"\\\\\\n"} 2
                # HELP h help
                # TYPE h histogram
                h_bucket{le="0.5"} 1
                h_bucket{le="1"} 3
                h_bucket{le="+Inf"} 6
                h_sum 4.5
                h_count 6

                """)
    }

    @Test("log lines keep to one line, whatever a client sends")
    func logLines() throws {
        for format in LogFormat.allCases {
            let lines = Lines()
            var logger = Logger(label: "t") { _ in LineLogHandler(format) { lines.add($0) } }
            logger.logLevel = .info
            logger.info("request", metadata: ["path": "a\nb \"c\""])
            logger.debug("nothing")
            #expect(lines.all.count == 1)
            let line = try #require(lines.all.first)
            #expect(line.hasSuffix("\n") && line.dropLast().allSatisfy { !$0.isNewline })
            if format == .json {
                #expect(try JSON.parse(Array(line.utf8), source: "line")["path"]?.string == "a\nb \"c\"")
            }
        }
    }

    private final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        var all: [String] { lines.withLock { $0 } }
        func add(_ line: String) { lines.withLock { $0.append(line) } }
    }
}
