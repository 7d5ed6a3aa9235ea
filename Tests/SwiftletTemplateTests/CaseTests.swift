import Foundation
import SwiftletFormats
import SwiftletTemplate
import SwiftletTensor
import Testing

/// Small templates compared with what Python's jinja2 makes of them; `Fixtures/make_cases.py` writes the fixture.
@Suite struct CaseTests {
    @Test func everySmallTemplateIsAsInPython() throws {
        let fixture = try Fixture.json("cases.json")
        let values = try #require(fixture["values"].flatMap { TemplateValue($0).object })
        var count = 0
        for item in try #require(fixture["cases"]).elements {
            let source = try #require(item["template"]?.string)
            let outcome = Fixture.outcome(source, values)
            let expected = item["expected"]?.string
            #expect(
                outcome.text == expected.map { Array($0.utf8) },
                "\(source.debugDescription) gave \(outcome.description), expected \(expected ?? "an error")")
            count += 1
        }
        #expect(count > 1200)
    }
}

/// What tests share: the fixtures, and rendering without throwing.
enum Fixture {
    static let directory =
        #filePath.prefix(upTo: #filePath.lastIndex(of: "/") ?? #filePath.endIndex) + "/Fixtures/"

    static func json(_ name: String) throws -> JSON { try JSON.parse(contentsOf: directory + name) }

    static func text(_ name: String) throws -> String {
        let file = try MappedFile(path: directory + name)
        return withExtendedLifetime(file) { String(decoding: file.bytes, as: UTF8.self) }
    }

    /// A file with other templates to compare.
    static let moreTemplates = ProcessInfo.processInfo.environment["SWIFTLET_TEMPLATES"]

    static let date = TemplateDate(year: 2024, month: 7, day: 26, hour: 15, minute: 4, second: 5)

    /// What a template renders, or its error.
    struct Outcome {
        var text: [UInt8]?
        var error: SwiftletError?

        var description: String {
            text.map { String(decoding: $0, as: UTF8.self).debugDescription }
                ?? "the error: \(error?.message ?? "")"
        }
    }

    static func outcome(
        _ source: String, _ values: TemplateObject = [:], limits: TemplateLimits = TemplateLimits()
    ) -> Outcome {
        do {
            let text = try Template(source, name: "test").render(values, date: date, limits: limits)
            return Outcome(text: Array(text.utf8))
        } catch {
            return Outcome(error: error)
        }
    }
}

extension TemplateValue {
    /// The members of an object.
    var object: TemplateObject? {
        if case .object(let object) = self { object } else { nil }
    }
}
