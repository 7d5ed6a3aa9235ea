import SwiftletTemplate
import SwiftletTensor
import Testing

/// Templates that want too much: they end in an error, soon, and never in a crash.
@Suite struct HostileTests {
    static let limits = TemplateLimits(steps: 50_000, outputBytes: 1 << 20, valueBytes: 16 << 20)

    static let greedy: [String] = [
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{{ 'a' * 1000000000000 }}", "{{ [0] * 1000000000000 }}", "{{ (1,) * 9223372036854775807 }}",
        "{% set ns = namespace(x='ab') %}{% for i in range(100) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% set ns = namespace(x=[]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x=[]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x|tojson }}",
        "{% set n = namespace(x=[], y=[]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] %}"
            + "{% endfor %}{{ n.x == n.y }}",
        "{% set n = namespace(x=()) %}{% for i in range(60) %}{% set n.x = (n.x, n.x) %}{% endfor %}{{ {n.x: 1} }}",
        "{% set n = namespace(x=[]) %}{% for i in range(5000) %}{% set n.x = [n.x] %}{% endfor %}",
        "{% set n = namespace(x={}) %}{% for i in range(5000) %}{% set n.x = {'a': n.x} %}{% endfor %}",
        "{% set n = namespace(x=1) %}{% for i in range(5000) %}{% set n.x = cycler(n.x) %}{% endfor %}",
        "{% set n = namespace(x='') %}{% for i in range(5000) %}{% set n.x = joiner(n.x) %}{% endfor %}",
        "{% set n = namespace(x=[1]) %}{% for i in range(5000) %}{% for j in [n.x] %}{% set n.x = loop %}{% endfor %}"
            + "{% endfor %}",
        "{% set n = namespace(x=[]) %}{% for i in range(5000) %}{% set n.x = [n.x]|batch(1) %}{% endfor %}{{ n.x|list }}",
        "{% set n = namespace() %}{% set n.x = n %}{{ n }}",
        "{% set n = namespace() %}{% set n.x = [n] %}{{ n.x }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f(x) %}{% call f(x) %}{{ x }}{% endcall %}{% endmacro %}{{ f(1) }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{{ 'x'.center(1000000000) }}", "{{ 'x'.zfill(1000000000) }}", "{{ 'x'|indent(1000000000, true) }}",
        "{{ '\\t'.expandtabs(1000000000) }}", "{{ '%1000000000d' % 1 }}", "{{ '%.1000000000f' % 1 }}",
        "{{ '%*d' % (1000000000, 1) }}", "{{ '{:1000000000}'.format(1) }}",
        "{{ '{:.1000000000f}'.format(1.0) }}",
        "{{ 'aaaaaaaaaaaaaaaa'.replace('', 'x' * 1000000) }}",
        "{{ 'aaaaaaaaaaaaaaaa'|replace('a', 'x' * 1000000) }}",
        "{{ ('x' * 100000).join(['a'] * 1000) }}", "{{ (['a'] * 1000)|join('x' * 100000) }}",
        "{{ [1]|batch(1000000000, 'x')|list }}", "{{ [1]|slice(1000000000)|list }}",
        "{{ [1]|tojson(indent=1000000000) }}",
        "{{ [1]|tojson(separators=('x' * 1000000, 'y')) }}{{ ([1] * 1000)|tojson(separators=('x' * 100000, '')) }}",
        "{{ range(99999999999) }}", "{{ range(0, 9223372036854775807, 1) }}",
        "{{ range(-9223372036854775807, 9223372036854775807) }}",
        "{{ 10 ** 100 }}", "{{ 9223372036854775807 + 1 }}", "{{ -9223372036854775807 - 2 }}",
        "{{ (-9223372036854775807 - 1) // -1 }}", "{{ -(-9223372036854775807 - 1) }}",
        "{{ (-9223372036854775807 - 1)|abs }}",
        "{{ 9223372036854775807 * 2 }}", "{{ 1e300|int }}", "{{ 'inf'|float|int }}",
        "{{ 9223372036854775807|round(-1) }}",
        "{% for i in range(100000) %}{{ 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' }}{% endfor %}",
        "{% for i in range(100000) %}{% macro m() %}{{ i }}{% endmacro %}{% endfor %}",
        "{% for i in range(100000) %}{% set n = namespace(a=1) %}{% endfor %}",
        "{{ ('a b ' * 10000)|wordwrap(1) ~ ('a b ' * 10000)|wordwrap(1, wrapstring='x' * 100000) }}",
        String(repeating: "(", count: 10_000), "{{ " + String(repeating: "(", count: 10_000),
        "{{ " + String(repeating: "[", count: 5_000) + String(repeating: "]", count: 5_000) + " }}",
        "{{ 1" + String(repeating: " + 1", count: 5_000) + " }}",
        "{{ x" + String(repeating: "|upper", count: 3_000) + " }}",
        "{{ x" + String(repeating: ".a", count: 5_000) + " }}",
        "{{ x" + String(repeating: "()", count: 5_000) + " }}",
        "{{ " + String(repeating: "not ", count: 5_000) + "x }}",
        "{{ " + String(repeating: "-", count: 5_000) + "1 }}",
        "{{ 1" + String(repeating: " if 1 else 1", count: 2_000) + " }}",
        "{{ x" + String(repeating: " and x", count: 3_000) + " }}",
        String(repeating: "{% if 1 %}", count: 2_000), String(repeating: "{% for x in y %}", count: 1_500),
        String(repeating: "{% macro f() %}", count: 1_500),
        "{% set " + String(repeating: "(", count: 5_000) + " = 1 %}",
        "{{ x[" + String(repeating: "x[", count: 5_000) + "1" + String(repeating: "]", count: 5_001) + " }}",
        "{{ {" + String(repeating: "1:{", count: 5_000), String(repeating: "a", count: 300_000),
    ]

    @Test(arguments: greedy) func endsInAnError(_ source: String) {
        let outcome = Fixture.outcome(source, limits: Self.limits)
        // Unmatched parentheses alone are text.
        if source.hasPrefix("(") { return #expect(outcome.text != nil) }
        #expect(outcome.error != nil, "\(source.prefix(100)) gave \(outcome.description.prefix(100))")
    }

    /// Deep but allowed nesting must fit the stack of a test's thread.
    @Test func nestsAsDeepAsTheLimits() throws {
        let deep = String(repeating: "[", count: 90) + String(repeating: "]", count: 90)
        #expect(Fixture.outcome("{{ \(deep) }}").text != nil)
        let recursion = "{% macro f(x) %}{% if x > 0 %}{{ f(x - 1) }}{% endif %}{% endmacro %}{{ f(40) }}"
        #expect(Fixture.outcome(recursion).text != nil)
        let blocks =
            String(repeating: "{% if true %}", count: 150) + "x"
            + String(repeating: "{% endif %}", count: 150)
        #expect(Fixture.outcome(blocks).text != nil)
    }

    @Test func staysLinearWithManyNames() throws {
        var source = ""
        for i in 0..<4000 { source += "{% if a\(i) %}{{ b\(i) }}{% endif %}" }
        #expect(Fixture.outcome(source).text == [])
    }

    @Test func copesWithDeepValues() throws {
        var value = TemplateValue.array([])
        for _ in 0..<500 { value = .array([value]) }
        let outcome = Fixture.outcome("{{ x|tojson|length }}{{ x == x }}{{ x|string|length }}", ["x": value])
        #expect(outcome.text != nil, "\(outcome.description)")
        for _ in 0..<200 { value = .array([value]) }
        #expect(Fixture.outcome("", ["x": value]).error?.code == .limit)
    }
}
