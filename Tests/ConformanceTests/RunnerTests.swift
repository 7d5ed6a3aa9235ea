import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import swiftlet_conformance

@Suite struct RunnerTests {
    private func file(_ text: String) throws(SwiftletError) -> OracleFile {
        try OracleFile(try JSON.parse(Array(text.utf8), source: "test.json"))
    }

    private func differences(
        _ found: [String: any OracleResult], _ expected: String, scale: OracleTolerance.Scale = .absolute,
        information: Set<String> = []
    ) throws -> [String] {
        var comparison = OracleComparison(
            tolerance: OracleTolerance(bound: 0.5, scale: scale), information: information)
        comparison.compare(
            found.mapValues(\.oracleValue), with: try JSON.parse(Array(expected.utf8), source: "expected"))
        return comparison.differences
    }

    @Test("names the field, both values and the tolerance")
    func difference() throws {
        #expect(
            try differences(["kept": [[1, 2], [3, 5]]], #"{"kept": [[1, 2], [3, 4]]}"#)
                == ["kept[1][1] is 5, expected 4"])
        #expect(
            try differences(["score": [1.0, 2.75]], #"{"score": [1.5, 2]}"#)
                == ["score[1] is 2.75, expected 2, tolerance 0.5 absolute"])
        #expect(
            try differences(
                ["trace": [["action": "skip"] as [String: any OracleResult]]],
                #"{"trace": [{"action": "accept", "note": 1}]}"#, information: ["note"])
                == ["trace[0].action is 'skip', expected 'accept'"])
    }

    @Test("compares integers exactly, whatever the tolerance, and lengths first")
    func exact() throws {
        #expect(try differences(["count": 4], #"{"count": 4.0}"#) == [])
        #expect(try differences(["count": 4], #"{"count": 4.25}"#).count == 1)
        #expect(
            try differences(["kept": [1, 2]], #"{"kept": [1]}"#)
                == ["kept is a list of 2, expected a list of 1"])
        #expect(try differences(["flag": true], #"{"flag": 1}"#).count == 1)
    }

    @Test("null stands for nothing, in both directions")
    func null() throws {
        #expect(try differences(["tau": [Double?.none, 1]], #"{"tau": [null, 1]}"#) == [])
        #expect(try differences(["tau": [1.0]], #"{"tau": [null]}"#) == ["tau[0] is 1.0, expected null"])
        #expect(
            try differences(["tau": [Double?.none]], #"{"tau": [1]}"#) == ["tau[0] is null, expected 1"])
    }

    @Test("measures tolerances absolutely, relatively, or by whichever is larger")
    func scales() {
        for (scale, accepted) in [
            (OracleTolerance.Scale.absolute, [true, false]), (.relative, [false, true]),
            (.mixed, [true, true]),
        ] {
            let tolerance = OracleTolerance(bound: 0.5, scale: scale)
            #expect([tolerance.accepts(0.25, 0.6), tolerance.accepts(9, 6)] == accepted)
            #expect(!tolerance.accepts(.nan, 0) && tolerance.accepts(.nan, .nan))
            #expect(tolerance.accepts(.infinity, .infinity) && !tolerance.accepts(.infinity, 1))
        }
    }

    @Test("reports what was not computed and ignores what nobody expects")
    func missing() throws {
        #expect(
            try differences(["b": 1], #"{"a": [1, 2]}"#) == ["a was not computed, expected a list of 2"])
    }

    @Test("counts methods and kinds without handler as failures, by name")
    func withoutHandler() throws {
        let cases = #""cases": [{"name": "x", "kind": "y", "expected": {"a": 1}}]"#
        let method = OracleRunner.run(try file(#"{"method": "Nothing", \#(cases)}"#))
        #expect(method.summary == "0 passed, 1 failed")
        #expect(method.failures.first?.contains("no handler for method 'nothing'") == true)
        let kind = OracleRunner.run(try file(#"{"method": "d2o", \#(cases)}"#))
        #expect(kind.failures == ["'x' (y): no handler for kind 'y' of method 'd2o'"])
    }

    @Test(
        "refuses what is no oracle",
        arguments: [
            #"{}"#, #"[]"#, #"{"method": "d2o"}"#, #"{"method": "d2o", "cases": 3}"#,
            #"{"method": "d2o", "cases": [{"expected": {}}]}"#,
            #"{"method": "d2o", "cases": [{"kind": "x"}]}"#,
            #"{"method": "d2o", "cases": [{"kind": "x", "expected": {}, "tolerance": "much"}]}"#,
        ])
    func malformed(_ text: String) {
        #expect { try file(text) } throws: { ($0 as? SwiftletError)?.code == .malformed }
    }

    @Test("reads lists of any depth and names the field that has another type")
    func fields() throws {
        let json = try JSON.parse(
            Array(#"{"k": [[[1, 2.5]]], "n": 3.0, "t": [null, 1], "layers": [{"q": 1}]}"#.utf8), source: "t")
        let fields = OracleFields(json, path: "inputs")
        #expect(try fields.read("k") as [[[Double]]] == [[[1, 2.5]]])
        #expect(try fields.read("n") as Int == 3)
        #expect(try fields.read("t") as [Int?] == [nil, 1])
        #expect(try fields.read("absent", default: 7) == 7)
        let layers: [OracleFields] = try fields.read("layers")
        #expect(try layers[0].read("q") as Int == 1)
        let error = #expect(throws: SwiftletError.self) { try fields.read("k", as: [Int].self) }
        #expect(error?.message == "inputs.k is not what was expected, a list (integer)")
        let nested = #expect(throws: SwiftletError.self) { try layers[0].read("v", as: Bool.self) }
        #expect(nested?.message == "inputs.layers.v is missing, expected a boolean")
    }
}
