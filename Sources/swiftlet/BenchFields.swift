import SwiftletCache
import SwiftletEngine
import SwiftletFormats
import SwiftletTensor

/// A named value of a benchmark, as JSON and CSV show it; names that llama-bench has are used as it uses them.
struct BenchField {
    enum Value {
        case text(String)
        case integer(Int)
        case number(Double)
        case numbers([Double])
        case none
    }

    let name: String
    let value: Value

    init(_ name: String, _ value: Value) {
        self.name = name
        self.value = value
    }

    /// The value in a line of CSV, always quoted; several numbers are separated by semicolons.
    var csv: String {
        switch value {
        case .text(let text):
            return "\""
                + text.split(separator: "\"", omittingEmptySubsequences: false)
                .joined(separator: "\"\"") + "\""
        case .integer(let integer): return "\"\(integer)\""
        case .number(let number): return "\"\(number)\""
        case .numbers(let numbers): return "\"\(numbers.map { "\($0)" }.joined(separator: ";"))\""
        case .none: return "\"\""
        }
    }

    func write(to writer: inout JSONWriter) {
        writer.key(name)
        switch value {
        case .text(let text): writer.value(text)
        case .integer(let integer): writer.value(integer)
        case .number(let number): writer.value(number)
        case .numbers(let numbers): writer.array { writer in for number in numbers { writer.value(number) } }
        case .none: writer.null()
        }
    }
}

extension BenchField {
    /// The fields of a test, or of the ceiling alone; always the same names in the same order.
    static func fields(_ result: BenchmarkResult?, _ ceiling: Ceiling?) -> [BenchField] {
        model(result, ceiling) + test(result) + cost(result, ceiling) + policy(result) + limits(ceiling)
    }

    private static func model(_ result: BenchmarkResult?, _ ceiling: Ceiling?) -> [BenchField] {
        [
            .init("model_filename", text(result?.model)),
            .init("model_type", text(result?.modelDescription)),
            .init("model_size", integer(result?.weightBytes)),
            .init("model_n_params", integer(result?.parameterCount)),
            .init("isa", text(result?.instructionSet ?? ceiling?.instructionSet)),
            .init("n_batch", integer(result?.batchSize)),
            .init("n_threads", integer(result?.threadCount ?? ceiling?.threadCount)),
            .init("type_k", text(result?.cacheFormat.key.rawValue)),
            .init("type_v", text(result?.cacheFormat.value.rawValue)),
        ]
    }

    private static func test(_ result: BenchmarkResult?) -> [BenchField] {
        let nanoseconds = result?.seconds.map { ($0 * 1e9).rounded() }
        return [
            .init("n_prompt", integer(result?.test.promptTokens)),
            .init("n_gen", integer(result?.test.generatedTokens)),
            .init("n_depth", integer(result?.test.depth)),
            .init("test", .text(result?.test.name ?? "ceiling")),
            .init("fill", text(result?.fill.rawValue)),
            .init("avg_ns", integer(result.map { Int($0.meanSeconds * 1e9) })),
            .init("stddev_ns", integer(result.map { Int($0.secondsDeviation * 1e9) })),
            .init("avg_ts", number(result?.meanRate)),
            .init("stddev_ts", number(result?.rateDeviation)),
            .init("median_ts", number(result?.medianRate)),
            .init("samples_ns", nanoseconds.map(Value.numbers) ?? .none),
            .init("samples_ts", (result?.rates).map(Value.numbers) ?? .none),
        ]
    }

    private static func cost(_ result: BenchmarkResult?, _ ceiling: Ceiling?) -> [BenchField] {
        let (result, shares) = (result, result.flatMap { result in ceiling.map { (result, $0) } })
        return [
            .init("cache_bytes", integer(result?.cache.bytes)),
            .init("peak_resident_bytes", integer(result?.peakResidentBytes)),
            .init("bytes_per_token", number(result?.bytesReadPerToken)),
            .init("bytes_per_second", number(result?.bandwidth)),
            .init("operations_per_second", number(result?.operationRate)),
            .init("bandwidth_share", number(shares.map { $0.bandwidthShare(of: $1) })),
            .init("arithmetic_share", number(shares.map { $0.operationShare(of: $1) })),
        ]
    }

    private static func policy(_ result: BenchmarkResult?) -> [BenchField] {
        let policy = result?.policy
        return [
            .init("kv_policy", text(policy?.specification)),
            .init("kv_budget", text(policy?.statedBudget.map { "\($0)" })),
            .init("mean_rows", number(result?.cache.meanRows)),
            .init("peak_cache_bytes", integer(result?.cache.peakBytes)),
            .init("resident_cache_bytes", integer(result?.cache.residentBytes)),
            .init("cache_bytes_per_token", number(result?.cacheBytesReadPerToken)),
            .init("cache_share", number(result?.comparison?.heldShare)),
            .init("speedup", number(result?.comparison?.speedup)),
            .init("bound", number(result?.comparison?.bound)),
            .init("bound_share", number(result?.comparison?.boundShare)),
        ]
    }

    private static func limits(_ ceiling: Ceiling?) -> [BenchField] {
        [
            .init("ceiling_read_bytes_per_second_one_thread", number(ceiling?.readBandwidthOfOneThread)),
            .init("ceiling_read_bytes_per_second", number(ceiling?.readBandwidth)),
            .init("ceiling_f32_operations_per_second", number(ceiling?.floatProductRate)),
            .init("ceiling_q8_0_operations_per_second", number(ceiling?.blockProductRate)),
        ]
    }

    private static func text(_ value: String?) -> Value { value.map(Value.text) ?? .none }
    private static func integer(_ value: Int?) -> Value { value.map(Value.integer) ?? .none }
    private static func number(_ value: Double?) -> Value { value.map(Value.number) ?? .none }
}
