import ArgumentParser
import SwiftletEngine
import SwiftletGrammar
import SwiftletTensor

/// What the text has to look like.
struct GrammarFlags: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Write only what this GBNF grammar allows.", valueName: "grammar"))
    var grammar: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Read the GBNF grammar from a file; - is standard input.", valueName: "file"),
        completion: .file())
    var grammarFile: String?

    @Option(
        name: [.customShort("j"), .customLong("json-schema")], parsing: .unconditional,
        help: ArgumentHelp("Write JSON that satisfies this JSON Schema; {} is any JSON.", valueName: "schema")
    )
    var jsonSchema: String?

    @Option(
        name: [.customLong("jf", withSingleDash: true), .customLong("json-schema-file")],
        parsing: .unconditional,
        help: ArgumentHelp("Read the JSON Schema from a file; - is standard input.", valueName: "file"),
        completion: .file())
    var jsonSchemaFile: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Write text that this regular expression matches as a whole.", valueName: "expression"))
    var regex: String?

    func validate() throws {
        let given = [grammar, grammarFile, jsonSchema, jsonSchemaFile, regex].compactMap { $0 }
        guard given.count <= 1 else {
            throw ValidationError(
                "There is more than one grammar, expected one of --grammar, --grammar-file, --json-schema, "
                    + "--json-schema-file and --regex.")
        }
    }

    /// The grammar that was asked for.
    func compiled() throws(SwiftletError) -> Grammar? {
        if let grammar { return try Grammar(gbnf: grammar, source: "--grammar") }
        if let jsonSchema { return try Grammar(jsonSchema: jsonSchema, source: "--json-schema") }
        if let regex { return try Grammar(regex: regex, source: "--regex") }
        if let grammarFile {
            return try Grammar(gbnf: try text(of: grammarFile, "--grammar-file"), source: grammarFile)
        }
        guard let jsonSchemaFile else { return nil }
        return try Grammar(
            jsonSchema: try text(of: jsonSchemaFile, "--json-schema-file"), source: jsonSchemaFile)
    }

    private func text(of path: String, _ flag: String) throws(SwiftletError) -> String {
        guard let text = String(validating: try InputFile.read(path, flag: flag), as: UTF8.self) else {
            throw SwiftletError(.malformed, "\(path): not UTF-8; \(flag) expects text")
        }
        return text
    }
}
