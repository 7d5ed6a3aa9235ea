import SwiftletEngine
import SwiftletFormats

/// Fields that constrain what a model may write.
enum ConstraintFields {
    static func read(
        _ fields: inout RequestFields, into options: inout GenerationOptions, _ engine: Engine
    ) throws(APIError) {
        let reason = "this server does not constrain answers"
        for name in ["grammar", "json_schema", "grammar_lazy", "grammar_triggers"] {
            if let text = fields.value(name)?.string, text.isEmpty { continue }
            try fields.refuse(name, reason)
        }
        guard var format = try fields.object("response_format") else { return }
        let type = try format.choice("type", ["text", "json_object", "json_schema"])
        guard type == nil || type == "text" else { throw .refused("response_format", reason) }
        try format.finish()
    }
}
