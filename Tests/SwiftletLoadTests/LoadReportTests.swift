import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletLoad

@Suite("LoadReportTests")
struct LoadReportTests {
    @Test("a percentile is the smallest value that enough others do not exceed", arguments: 1..<40)
    func percentiles(count: Int) {
        let values = (1...count).map(Double.init)
        let spread = LoadReport.Spread(values.shuffled())
        for percent in 1...100 {
            let expected = values.first { value in
                values.filter { $0 <= value }.count * 100 >= percent * count
            }
            #expect(spread.percentile(Double(percent)) == expected)
        }
        #expect(spread.largest == Double(count))
        #expect(spread.mean == Double(count + 1) / 2)
    }

    @Test("nothing measured is zero")
    func empty() {
        let report = LoadReport(outcomes: [], seconds: 0)
        #expect(report.totalRate == 0 && report.gaps.percentile(95) == 0 && report.gaps.mean == 0)
    }

    @Test("tokens and times of answered requests count, failures are listed")
    func outcomes() throws {
        var answered = LoadOutcome(start: 0)
        answered.pieces = [0.5, 0.7, 1.1]
        answered.promptTokens = 10
        answered.answerTokens = 3
        answered.duration = 1.2
        var failed = LoadOutcome(start: 1)
        failed.failure = "HTTP 503: full"
        failed.promptTokens = 99
        let report = LoadReport(outcomes: [answered, failed, failed], seconds: 2)
        #expect(report.answeredCount == 1)
        #expect(report.totalRate == 6.5 && report.answerRate == 1.5)
        #expect(report.firstToken.mean == 0.5)
        #expect(abs(report.gaps.percentile(50) - 0.2) < 1e-12 && abs(report.gaps.largest - 0.4) < 1e-12)
        #expect(abs(report.perToken.mean - 0.3) < 1e-12)
        #expect(report.failures.map(\.count) == [2])
        var writer = JSONWriter()
        report.write(to: &writer)
        let json = try JSON.parse(writer.bytes, source: "report")
        #expect(json["answered"]?.int == 1 && json["requests"]?.int == 3)
        #expect(json["inter_token"]?["p95"]?.double.map { abs($0 - 0.4) < 1e-12 } == true)
    }
}

@Suite("LoadOptionsTests")
struct LoadOptionsTests {
    @Test("lengths", arguments: [("7", 7...7), ("128-512", 128...512), ("3-3", 3...3)])
    func lengths(text: String, range: ClosedRange<Int>) throws {
        #expect(try LoadOptions.Length(parsing: text, flag: "--x").range == range)
    }

    @Test(
        "lengths that are none",
        arguments: ["", "0", "-5", "5-", "9-3", "1-2-3", "x", "1.5", "99999999999999999999"])
    func badLengths(text: String) {
        expectError(.invalidArgument, "--x", "'\(text)'") {
            _ = try LoadOptions.Length(parsing: text, flag: "--x")
            return nil
        }
    }

    @Test("options out of range are refused by their flags")
    func ranges() {
        func refuse(_ flag: String, _ change: (inout LoadOptions) -> Void) {
            var options = LoadOptions(url: "http://localhost")
            change(&options)
            expectError(.invalidArgument, flag) {
                _ = try LoadGenerator(options)
                return nil
            }
        }
        refuse("--concurrency") { $0.arrival = .closed(clients: 0) }
        refuse("--rate") { $0.arrival = .open(perSecond: 0) }
        refuse("--rate") { $0.arrival = .open(perSecond: .nan) }
        refuse("--requests") { $0.requestCount = 0 }
        refuse("--timeout") { $0.timeoutSeconds = 0 }
        refuse("--url") { $0.url = "localhost:80" }
    }

    @Test("a seed gives the same requests, another one others", arguments: 1..<6 as Range<UInt64>)
    func requests(seed: UInt64) {
        var options = LoadOptions(url: "http://localhost")
        options.seed = seed
        options.requestCount = 20
        options.sharedPrefix = 5
        options.promptLength.range = 3...9
        options.arrival = .open(perSecond: 10)
        let all = LoadRequest.all(options, vocabularySize: 1_000)
        #expect(all == LoadRequest.all(options, vocabularySize: 1_000))
        #expect(all.allSatisfy { (3...9).contains($0.prompt.count) && $0.prompt.allSatisfy { $0 < 1_000 } })
        #expect(Set(all.map { $0.prompt.prefix(3) }).count == 1)
        #expect(zip(all, all.dropFirst()).allSatisfy { $0.arrival < $1.arrival })
        options.seed += 100
        #expect(all != LoadRequest.all(options, vocabularySize: 1_000))
    }

    @Test("tiny vocabularies have tokens, too", arguments: 1..<5)
    func vocabulary(size: Int) {
        var options = LoadOptions(url: "http://localhost")
        options.requestCount = 3
        #expect(
            LoadRequest.all(options, vocabularySize: size).allSatisfy { $0.prompt.allSatisfy { $0 < size } })
    }
}
