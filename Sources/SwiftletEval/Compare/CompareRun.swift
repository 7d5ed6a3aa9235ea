import SwiftletCache
public import SwiftletEngine
import SwiftletFormats
public import SwiftletTensor
import SwiftletText

/// Measures a plan, and goes on where an earlier run was ended.
///
/// ```swift
/// let run = try CompareRun(ComparePlan(lengths: [256, 512]), model, Session.Options(), directory: "report")
/// try run.measure { done, total in !isCancelled }
/// try run.report().write(to: "report")
/// ```
public final class CompareRun {
    /// What is measured.
    public let plan: ComparePlan
    /// The model.
    public let model: Model
    /// How cases are put to it.
    public let style: PromptStyle
    let options: Session.Options
    let documents: [CompareDocument]
    let lanes: [Lane]
    private let log: CompareLog
    private var known: Set<Unit> = []
    private var costed: Set<CompareCandidate> = []

    /// One policy with the bounds under which it is measured.
    struct Lane {
        let policy: KVPolicy
        let budgets: [KVBudget?]

        var candidates: [CompareCandidate] {
            budgets.map { CompareCandidate(policy: policy.specification, budget: $0.map { "\($0)" }) }
        }
    }

    /// What is measured at once and never again.
    private struct Unit: Hashable {
        let candidate: CompareCandidate
        let mode: QuestionMode
        let document: String
    }

    /// Checks the plan and opens the log of a directory.
    ///
    /// - Parameters:
    ///   - options: of every session; the policy does not matter.
    ///   - directory: is made if it is missing.
    ///   - startsAnew: forgets what an earlier run measured.
    /// - Throws: `.invalidArgument` for a policy that does not exist, `.limit` for lengths that do not fit tasks or
    ///   context, `.unwritable` for the directory, `.mismatch` if it holds results of something else.
    public init(
        _ plan: ComparePlan, _ model: Model, _ options: Session.Options, style: PromptStyle? = nil,
        directory: String, startsAnew: Bool = false
    ) throws(SwiftletError) {
        self.plan = plan
        self.model = model
        self.options = options
        var lanes: [Lane] = []
        for specification in plan.allPolicies {
            var policy = try model.policy(specification)
            policy.specification = specification
            let ownPlan: [KVBudget?] = policy.statedBudget == nil ? [nil] : []
            lanes.append(Lane(policy: policy, budgets: ownPlan + (policy.evicts ? plan.budgets : [])))
        }
        self.lanes = lanes
        let runner = try TaskRunner(model, options, style: style)
        self.style = runner.style
        documents = try plan.documents(runner.generator(haystack: plan.haystack, seed: plan.seed))
        for document in documents { for found in document.cases { _ = try runner.prompt(found) } }
        guard !documents.isEmpty else {
            throw SwiftletError(
                .invalidArgument, "there is no case to compare policies by; name a task or a file")
        }
        if startsAnew { CompareLog.remove(in: directory) }
        log = try CompareLog(
            directory: directory,
            plan: Self.identity(plan, model, options, style: runner.style))
        for record in log.records { note(record) }
    }

    /// What results have to agree in to belong together; documents are told apart by their names.
    private static func identity(
        _ plan: ComparePlan, _ model: Model, _ options: Session.Options, style: PromptStyle
    ) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("kind", "plan")
            writer.member("format", 1)
            writer.member("model", model.fingerprint)
            writer.member("seed", plan.seed)
            writer.member("style", style.rawValue)
            writer.member("haystack", plan.haystack.fingerprint)
            writer.member("cache", options.cacheFormat.name)
            writer.member("context", options.contextLength ?? 0)
        }
        return writer.text
    }

    private func note(_ record: CompareRecord) {
        switch record {
        case .score(let score):
            known.insert(Unit(candidate: score.candidate, mode: score.mode, document: score.document))
        case .cost(let cost): costed.insert(cost.candidate)
        case .refusal(let refusal):
            if let mode = refusal.mode, let document = refusal.document {
                known.insert(Unit(candidate: refusal.candidate, mode: mode, document: document))
            } else {
                costed.insert(refusal.candidate)
            }
        }
    }

    private func append(_ records: [CompareRecord]) throws(SwiftletError) {
        try log.append(records)
        for record in records { note(record) }
    }

    // MARK: Measuring

    /// Parts of the work: costs, and documents under every policy, bound and mode.
    public var total: Int {
        lanes.reduce(0) { $0 + $1.budgets.count } * (1 + documents.count * plan.modes.count)
    }

    /// Those that are done.
    public var done: Int {
        var done = 0
        for candidate in lanes.flatMap(\.candidates) {
            if costed.contains(candidate) { done += 1 }
            for mode in plan.modes {
                for document in documents
                where known.contains(Unit(candidate: candidate, mode: mode, document: document.id)) {
                    done += 1
                }
            }
        }
        return done
    }

    /// Measures what is missing; every result is on disk before the next is measured.
    ///
    /// - Parameter progress: called with parts done in this run and parts to do; return false to stop.
    /// - Returns: whether everything is done.
    /// - Throws: `.unwritable` if the log cannot be written, `.limit` without memory.
    @discardableResult
    public func measure(progress: (_ done: Int, _ total: Int) -> Bool = { _, _ in true })
        throws(SwiftletError) -> Bool
    {
        let start = done
        let work = total - start
        var finished = 0
        func isCancelled() -> Bool { !progress(finished, work) }
        for lane in lanes {
            guard try measureCosts(lane, isCancelled) else { return false }
            finished = done - start
        }
        var runners: [TaskRunner] = []
        for lane in lanes {
            var options = options
            options.policy = lane.policy
            runners.append(try TaskRunner(model, options, style: style))
        }
        for document in documents {
            for (lane, runner) in zip(lanes, runners) {
                for mode in plan.modes {
                    guard let count = try measure(document, lane, runner, mode, isCancelled) else {
                        return false
                    }
                    finished += count
                }
            }
        }
        _ = progress(work, work)
        return true
    }

    private func measureCosts(_ lane: Lane, _ isCancelled: () -> Bool) throws(SwiftletError) -> Bool {
        let runner = try TaskRunner(model, options, style: style)
        guard let longest = documents.flatMap(\.cases).max(by: { ($0.length ?? 0) < ($1.length ?? 0) })
        else { return true }
        let prompt = try runner.prompt(longest)
        for (candidate, budget) in zip(lane.candidates, lane.budgets) {
            guard !costed.contains(candidate) else { continue }
            var options = options
            options.policy = lane.policy
            options.policy.budget = budget
            do throws(SwiftletError) {
                guard
                    let cost = try CompareCost.measure(
                        candidate, model, options, prompt: prompt.tokens, isCancelled: isCancelled)
                else { return false }
                try append([.cost(cost)])
            } catch {
                guard error.code == .invalidArgument else { throw error }
                try append([
                    .refusal(.init(candidate: candidate, mode: nil, document: nil, reason: error.message))
                ])
            }
        }
        return true
    }

    /// - Returns: parts done; `nil` if it was cancelled.
    private func measure(
        _ document: CompareDocument, _ lane: Lane, _ runner: TaskRunner, _ mode: QuestionMode,
        _ isCancelled: () -> Bool
    ) throws(SwiftletError) -> Int? {
        let missing = zip(lane.candidates, lane.budgets).filter { candidate, _ in
            !known.contains(Unit(candidate: candidate, mode: mode, document: document.id))
        }
        guard !missing.isEmpty else { return isCancelled() ? nil : 0 }
        guard
            let results = try runner.run(
                document.cases, mode, budgets: missing.map(\.1), isCancelled: isCancelled)
        else { return nil }
        try append(
            zip(missing, results).map { missing, result in
                switch result {
                case .success(let outcomes):
                    .score(
                        .init(
                            candidate: missing.0, mode: mode, document: document.id,
                            scores: outcomes.map(\.score)))
                case .failure(let error):
                    .refusal(
                        .init(
                            candidate: missing.0, mode: mode, document: document.id, reason: error.message))
                }
            })
        return missing.count
    }

    /// What is known now.
    public func results() -> CompareResults { CompareResults(self, log.records) }
}
