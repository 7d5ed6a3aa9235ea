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
