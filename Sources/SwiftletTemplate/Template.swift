public import SwiftletTensor

/// A chat template: Jinja2 as model files use it.
///
/// The language is that of Jinja2 3.1 in the sandbox of the transformers library: blocks are trimmed,
/// `break`, `continue`, `generation`, `raise_exception` and `strftime_now` are there, `tojson` keeps characters
/// beyond ASCII, and lists and dictionaries cannot be changed. Templates cannot read files, so `include`,
/// `import`, `extends` and `block` are refused by name. Whole numbers have 64 bits.
///
/// ```swift
/// let template = try Template("{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}", name: "chat")
/// let text = try template.render(["messages": [["role": "user", "content": "Hello"]]])
/// ```
public struct Template: Sendable {
    /// Names the template in errors.
    public let name: String
    private let program: Program

    /// Compiles a template.
    ///
    /// - Throws: `.malformed` with the line if the source is no template, `.unsupported` for tags that chat
    ///   templates do not have, `.limit` for more than 256 KiB or nesting deeper than 200.
    public init(_ source: String, name: String = "template") throws(SwiftletError) {
        self.name = name
        var parser = try Parser(source, name: name)
        var resolver = Resolver(try parser.parse(), name: name)
        program = try resolver.program()
    }

    /// The text that the template makes of some values.
    ///
    /// - Parameters:
    ///   - values: what the names of the template mean.
    ///   - date: what `strftime_now` writes.
    ///   - limits: what the template may use; beyond, `.limit` is thrown.
    /// - Throws: `.invalidArgument` with the line where the template failed, or refused the values with
    ///   `raise_exception`.
    public func render(
        _ values: TemplateObject, date: TemplateDate = TemplateDate(year: 1970, month: 1, day: 1),
        limits: TemplateLimits = TemplateLimits()
    ) throws(SwiftletError) -> String {
        guard case .dict(let mapping) = Value(.object(values)) else { return "" }
        guard mapping.depth <= TemplateLimits.valueDepth else {
            throw SwiftletError(
                .limit,
                "\(name): found values nested \(mapping.depth) deep, expected at most \(TemplateLimits.valueDepth)"
            )
        }
        let interpreter = Interpreter(program, name: name, values: mapping, limits: limits, now: date)
        return try interpreter.run()
    }
}

extension Value {
    /// A copy of plain data.
    init(_ value: TemplateValue) {
        switch value {
        case .null: self = .none
        case .bool(let value): self = .bool(value)
        case .int(let value): self = .int(value)
        case .double(let value): self = .float(value)
        case .string(let text): self = .string(text)
        case .array(let values): self = .list(Items(values.map(Value.init)))
        case .object(let object):
            var builder = Mapping.Builder()
            for (key, value) in zip(object.keys, object.values) { builder.set(key, Value(value)) }
            self = .dict(builder.mapping)
        }
    }
}
