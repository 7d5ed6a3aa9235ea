import SwiftletCache
import SwiftletTensor
import SwiftletText

@testable import SwiftletEngine

/// Schedulers and requests for the tiny model, and what a session of its own makes of a request.
enum ServingFixture {
    static func scheduler(
        _ model: Model, _ change: (inout Scheduler.Options) -> Void = { _ in }
    ) throws -> Scheduler {
        var options = Scheduler.Options()
        options.threadCount = 1
        options.batchSize = 16
        options.chunkSize = 8
        options.slotCount = 8
        change(&options)
        return try Scheduler(model, options)
    }

    static func request(
        _ id: String, _ prompt: [TokenID], _ maxTokens: Int? = 8,
        _ change: (inout GenerationRequest) throws -> Void = { _ in }
    ) throws -> GenerationRequest {
        var request = GenerationRequest(id: id, prompt: prompt, options: .test(maxTokens))
        try change(&request)
        return request
    }

    /// What a session writes that has the model for itself.
    static func alone(_ model: Model, _ request: GenerationRequest, choice: UInt64 = 0) throws -> Written {
        var own = request.options
        own.sampling.seed = own.sampling.seed.map { $0 + choice }
        let session = try EngineFixture.session(
            {
                $0.policy = request.policy
                $0.batchSize = 16
                if let format = request.cacheFormat { $0.cacheFormat = format }
            }, model: model)
        return try Written(session, request.prompt, own)
    }
}

extension Written {
    init(_ choice: Completion.Choice) {
        text = choice.text
        tokens = choice.tokens.map(\.id)
        reason = choice.end.reason
    }
}
