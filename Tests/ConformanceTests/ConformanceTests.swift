import Foundation
import SwiftletFormats
import SwiftletTensor
import Testing

@testable import swiftlet_conformance

@Suite struct ConformanceTests {
    @Test("every case of a fixture passes", arguments: try OracleFixture.all())
    func fixture(_ fixture: OracleFixture) throws {
        let report = OracleRunner.run(try OracleFile(path: fixture.path))
        #expect(report.failures == [])
        #expect(report.passedCount > 0)
    }

    @Test("a case fails once any of its answers is changed", arguments: try OracleFixture.all())
    func mutatedExpectation(_ fixture: OracleFixture) throws {
        let file = try OracleFile(path: fixture.path)
        let method = try #require(OracleRunner.methods[file.method])
        for oracle in file.cases {
            for (key, value) in oracle.expected.members {
                let name = try #require(key.string)
                if method.information.contains(name) { continue }
                var changed = oracle
                let text = #"{"\#(name)": \#(try Self.changed(value))}"#
                changed.expected = try JSON.parse(Array(text.utf8), source: "changed")
                let report = OracleRunner.run(OracleFile(method: file.method, cases: [changed]))
                #expect(report.summary == "0 passed, 1 failed", "\(oracle.name): \(name)")
            }
        }
    }

    /// The text of a value that differs from `json` by one element, or by far more than a tolerance.
    private static func changed(_ json: JSON) throws -> String {
        switch json.kind {
        case .array: "[\(Array(repeating: "0", count: json.count + 1).joined(separator: ", "))]"
        case .number: "\(try #require(json.double) + 1000)"
        case .bool: json.bool == true ? "false" : "true"
        case .object, .null: "12345"
        case .string: "null"
        }
    }
}

/// An oracle file beside these tests.
struct OracleFixture: CustomTestStringConvertible {
    let path: String

    var testDescription: String { URL(filePath: path).lastPathComponent }

    static func all() throws -> [OracleFixture] {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")
        return try FileManager.default.contentsOfDirectory(atPath: folder.path)
            .filter { $0.hasSuffix(".json") }.sorted()
            .map { OracleFixture(path: folder.appending(path: $0).path) }
    }
}
