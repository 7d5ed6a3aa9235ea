import SwiftletFormats
import SwiftletTemplate
import SwiftletTensor
import Testing

/// The surface of the module: values, errors, dates.
@Suite struct TemplateTests {
    @Test func rendersTheExampleOfTheDocumentation() throws {
        let source = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
        let template = try Template(source, name: "chat")
        #expect(try template.render(["messages": [["role": "user", "content": "Hello"]]]) == "<user>Hello")
    }

    @Test(arguments: [
        ("a\n\n{{ 1 + }}", "test: line 3: found '}}', expected an expression"),
        (
            "{% if x %}\n",
            "test: line 1: the template ends inside the 'if' of line 1; expected 'elif' or 'else' or 'endif'"
        ),
        ("\n{{ x.y }}", "test: line 2: 'x' is undefined"),
        ("{% for i in [1] %}\n{{ raise_exception('no ' ~ i) }}{% endfor %}", "test: line 2: no 1"),
        ("\n{% include 'x' %}", "test: line 2: the tag 'include' is not supported in chat templates"),
        ("{{ 1|zz }}", "test: line 1: found no filter named 'zz'"),
        ("{{ d.a.b }}", "test: line 1: 'dict object' has no attribute 'a'"),
        ("{{ [].append(1) }}", "test: line 1: access to the attribute 'append' of a 'list' object is unsafe"),
        ("{{ 1 + 'a' }}", "test: line 1: '+' cannot take 'int' and 'str'"),
        ("{{ 'x", "test: line 1: a string without a closing quote"),
        ("{% endif %}", "test: line 1: found the unknown tag 'endif'"),
        ("a\n{{ $ }}", "test: line 2: found '$', which means nothing in a tag"),
        (
            "{% macro f(a) %}{{ a.b }}{% endmacro %}\n{{ f() }}",
            "test: line 1: the parameter 'a' was not given"
        ),
    ]) func namesTheLineOfErrors(_ source: String, _ message: String) {
        #expect(Fixture.outcome(source, ["d": [:]]).error?.message == message)
    }

    @Test func keepsTheOrderAndTypesOfJSON() throws {
        let json = #"{"z": 1, "a": [true, null, 1.0, 1e2, 12345678901234567890], "z": "é\u0000"}"#
        let value = try TemplateValue(json: json)
        let text = try Template("{{ x }}", name: "test").render(["x": value])
        #expect(text == #"{'z': 'é\x00', 'a': [True, None, 1.0, 100.0, 1.2345678901234567e+19]}"#)
    }

    @Test func tellsCanonicallyEquivalentTextsApart() throws {
        let values: TemplateObject = ["é": "one", "e\u{301}": "two"]
        #expect(values.keys.count == 2)
        #expect(try Template("{{ x['é'] }}{{ x['e\u{301}'] }}").render(["x": .object(values)]) == "onetwo")
    }

    @Test(arguments: [
        (TemplateDate(year: 2000, month: 2, day: 29), "Tue 29 Feb 2000 060"),
        (TemplateDate(year: 1999, month: 12, day: 31), "Fri 31 Dec 1999 365"),
        (TemplateDate(year: 2024, month: 12, day: 31), "Tue 31 Dec 2024 366"),
        (TemplateDate(year: 1900, month: 3, day: 1), "Thu 01 Mar 1900 060"),
        (TemplateDate(year: 2026, month: 1, day: 4), "Sun 04 Jan 2026 004"),
    ]) func writesDates(_ date: TemplateDate, _ text: String) {
        #expect(date.formatted("%a %d %b %Y %j") == text)
    }

    @Test func keepsUnknownConversionsOfDates() {
        #expect(Fixture.date.formatted("%Q %-m/%-d %I:%M %p 100%") == "%Q 7/26 03:04 PM 100%")
    }

    @Test func letsTasksShareATemplate() async throws {
        let template = try Template("{% for i in range(n) %}{{ i }}{% endfor %}")
        let texts = await withTaskGroup(of: String?.self) { group in
            for n in 0..<8 { group.addTask { try? template.render(["n": .int(n)]) } }
            return await group.reduce(into: Set<String>()) { $0.insert($1 ?? "failed") }
        }
        #expect(texts.count == 8 && texts.contains("0123456"))
    }
}
