import SwiftletFormats
import SwiftletTemplate
import SwiftletTensor
import Testing

/// Templates in the style of the model families, on conversations with all that templates meet.
///
/// `Fixtures/make_families.py` writes the expected texts with Python's jinja2. `SWIFTLET_TEMPLATES` names a file that
/// the same script has made of other templates, to compare those, too.
@Suite struct FamilyTests {
    private static let names = [
        "chatml-tools", "command", "deepseek", "falcon", "functions", "gemma", "granite", "llama2",
        "llama3-tools",
        "mistral-tools", "modes", "olmo", "phi", "thinking", "zephyr",
    ]

    @Test(arguments: names) func writesConversationsAsPythonDoes(_ name: String) throws {
        let fixture = try Fixture.json("families.json")
        let expected = try #require(fixture["templates"]).elements.first {
            $0["name"]?.string == "\(name).jinja"
        }
        let source = try Fixture.text("Families/\(name).jinja")
        #expect(try Self.compare(source, name, try #require(expected), fixture) > 80)
    }

    @Test(.enabled(if: Fixture.moreTemplates != nil)) func writesOtherTemplatesAsPythonDoes() throws {
        let fixture = try JSON.parse(contentsOf: try #require(Fixture.moreTemplates))
        for item in try #require(fixture["templates"]).elements {
            _ = try Self.compare(item["source"]?.string ?? "", item["name"]?.string ?? "", item, fixture)
        }
    }

    private static func compare(
        _ source: String, _ name: String, _ expected: JSON, _ fixture: JSON
    ) throws -> Int {
        let template = try Template(source, name: name)
        let results = Array(try #require(expected["results"]).elements)
        var place = 0
        for (title, messages) in try #require(fixture["conversations"]).members {
            let messages = TemplateValue(messages)
            for (number, variant) in try #require(fixture["variants"]).elements.enumerated() {
                guard var values = TemplateValue(variant).object else { continue }
                values["messages"] = messages
                let text = try? template.render(values, date: Fixture.date)
                let wanted = results[place].string
                #expect(
                    text.map { Array($0.utf8) } == wanted.map { Array($0.utf8) },
                    "\(name), \(title.string ?? ""), variant \(number)")
                place += 1
            }
        }
        return place
    }
}
