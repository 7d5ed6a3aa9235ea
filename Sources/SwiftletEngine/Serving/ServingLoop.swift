import Dispatch
import SwiftletCache
import SwiftletModels
import SwiftletTensor

/// The thread of a ``Scheduler``: takes requests, admits them, and sends them through the model step by step.
///
/// Used by one thread only; others post orders to its ``Mailbox``.
final class ServingLoop {
    /// What the loop is given.
    struct Setup: Sendable {
        let model: Model
        let options: Scheduler.Options
        let kernels: Kernels
        let pool: KVPagePool
        let contextLength: Int
        let memoryBytes: Int
        let mailbox: Mailbox
        let board: SnapshotBoard
    }

    /// A place for one answer.
    struct Slot {
        var job: ServingJob?
        var state: SlotState
        /// What its last request left, as long as that is kept.
        var kept: PrefixCache.Entry?
    }

    let setup: Setup
    let runner: Runner
    let clock = ContinuousClock()
    /// Requests that wait, in the order in which they came.
    var waiting: [ServingJob] = []
    /// Requests whose prompt is looked for on the disk, which another thread does.
    var restoring: [ServingJob] = []
    /// Requests whose prompt is being read; the first one is served first.
    var reading: [ServingJob] = []
    /// Requests whose answers are being written.
    var writing: [ServingJob] = []
    var kept = PrefixCache()
    var slots: [Slot]
    var counters = SchedulerSnapshot()
    /// Writes prompts to the disk beside the steps.
    let saver = DispatchQueue(label: "swiftlet.prompts")
    /// Reads prompts from the disk beside the steps.
    let restorer = DispatchQueue(label: "swiftlet.restored")
    /// Bytes of pages that may be copied because a prompt is being written, or filled because a slot is being read.
    var fileBytes = 0
    /// Files that are being written, and those of slots that are being read.
    var filesAtWork = 0
    /// What files of prompts are named after, by what they depend on.
    var fileKeys: [PrefixCache.Key: String] = [:]
    /// Bytes of one page of every KV head of the full cache.
    let fullPageBytes: Int
    private var lastPublished: ContinuousClock.Instant?

    init(_ setup: Setup) {
        self.setup = setup
        let threads = setup.options.threadCount ?? ThreadPool.defaultThreadCount
        runner = Runner(
            model: setup.model.network,
            compute: Compute(
                kernels: setup.kernels, threadCount: threads, activations: setup.options.activations))
        slots = (0..<setup.options.slotCount).map { Slot(state: SlotState(index: $0)) }
        fullPageBytes = setup.fullPageBytes
    }

    /// Works until no more requests can come and all have ended.
    func run() {
        while true {
            // Where requests wait for memory that the disk's threads hold, an order says when these are done.
            let isBlocked = !restoring.isEmpty || !waiting.isEmpty && filesAtWork > 0
            let isIdle = running.isEmpty && (waiting.isEmpty || isBlocked)
            if isIdle { publish(always: true) }
            let (orders, isDraining) = setup.mailbox.take(
                waits: !isIdle ? .not : isBlocked ? .forOrders : .forOrdersOrEnd)
            for order in orders { order(self) }
            if isIdle, !isBlocked, isDraining, orders.isEmpty { break }
            removeCancelled()
            admit()
            if !reading.isEmpty || !writing.isEmpty { step() }
            publish(always: false)
        }
        for order in setup.mailbox.end() { order(self) }
        cancelAll()
        saver.sync {}
        forgetPrompts()
        publish(always: true)
        setup.mailbox.tellEnd()
    }

    /// Requests whose prompt is being read or whose answers are being written.
    var running: [ServingJob] { reading + writing }

    // MARK: Coming and going

    /// Lets a request wait.
    func take(_ job: ServingJob) {
        counters.submittedRequests += 1
        waiting.append(job)
    }

    /// Ends some requests before the next step.
    func cancel(_ isMeant: (ServingJob) -> Bool) {
        for job in waiting + restoring + running where isMeant(job) { job.isCancelled = true }
    }

    /// Ends all requests.
    func cancelAll() {
        cancel { _ in true }
        removeCancelled()
    }

    private func removeCancelled() {
        for job in waiting where job.isCancelled { fail(job, nil) }
        for job in reading where job.isCancelled {
            if let session = job.session { keep(session, of: job, slot: job.slots.first) }
            fail(job, nil)
        }
        for job in writing where job.isCancelled {
            for choice in job.choices where !choice.isFinished {
                choice.state.cancel()
                finish(choice, of: job, text: choice.state.flush()?.text ?? "")
            }
        }
    }

    /// Ends a request that cannot go on.
    ///
    /// - Parameter error: `nil` if its reader went away.
    func fail(_ job: ServingJob, _ error: SwiftletError?) {
        if error == nil { counters.cancelledRequests += 1 } else { counters.failedRequests += 1 }
        job.events.yield(
            .failed(error ?? SwiftletError(.busy, "the request was cancelled before its answer had begun")))
        remove(job)
    }

    /// Forgets a request that has ended.
    func remove(_ job: ServingJob) {
        job.events.finish()
        if let index = waiting.firstIndex(where: { $0 === job }) {
            waiting.remove(at: index)
            setup.mailbox.leaveQueue(freeSlots: freeSlots.count)
            return
        }
        restoring.removeAll { $0 === job }
        reading.removeAll { $0 === job }
        writing.removeAll { $0 === job }
        counters.policies[name(of: job.request.policy), default: .init()].finishedRequests += 1
        for index in slots.indices where slots[index].job === job { release(slot: index) }
        setup.mailbox.note(freeSlots: freeSlots.count)
    }

    var freeSlots: [Int] { slots.indices.filter { slots[$0].job == nil } }

    func release(slot index: Int) {
        slots[index].job = nil
        slots[index].state.activity = .idle
    }

    // MARK: Reports

    /// Bytes that the full cache of some tokens holds.
    func fullBytes(_ tokens: Int) -> Int {
        (tokens + Kernels.pageRows - 1) / Kernels.pageRows * fullPageBytes
    }

    /// What the cache of a running answer holds.
    func view(of requestID: String, choice: Int) -> CacheTrace.Moment? {
        guard let job = running.first(where: { $0.request.id == requestID }) else { return nil }
        guard let found = job.choices.first(where: { $0.index == choice }) else {
            return job.session.map { CacheTrace.Moment($0, job.merges, generatedTokens: 0) }
        }
        return found.isFinished ? nil : found.view
    }

    /// A policy in counters: its parts without their options, and `other` once there are many.
    private func name(of policy: KVPolicy) -> String {
        let parts = policy.specification.split(separator: "+").map { $0.prefix { $0 != ":" } }
        let name = parts.joined(separator: "+")
        return counters.policies[name] != nil || counters.policies.count < Self.mostPolicies ? name : "other"
    }

    /// Policies that are counted apart: those who ask can write any number of combinations.
    private static let mostPolicies = 64
    private static let publishingInterval = Duration.milliseconds(50)

    /// Shows other threads what is going on; not after every step, if these are short.
    private func publish(always: Bool) {
        let now = clock.now
        if !always, let lastPublished, now - lastPublished < Self.publishingInterval { return }
        lastPublished = now
        var snapshot = counters
        snapshot.runningRequests = restoring.count + running.count
        snapshot.memoryBytes = setup.memoryBytes
        snapshot.promisedBytes = promisedBytes
        snapshot.keptPrompts = kept.count
        snapshot.keptBytes = kept.byteCount
        snapshot.heldBytes = setup.pool.heldBytes + kept.bytesBesidePages
        for job in reading {
            guard let session = job.session else { continue }
            let use = session.sequence.use
            snapshot.heldBytes += use.bytes - use.pages
            snapshot.policies[name(of: job.request.policy), default: .init()].add(
                use.bytes, full: fullBytes(session.tokens.count))
            for slot in job.slots { show(job, session, slot, use.bytes) }
        }
        for job in writing {
            for choice in job.choices where !choice.isFinished {
                let use = choice.session.sequence.use
                snapshot.heldBytes += use.bytes - use.pages
                snapshot.generatingChoices += 1
                snapshot.policies[name(of: job.request.policy), default: .init()].add(
                    use.bytes, full: fullBytes(choice.session.tokens.count))
                show(job, choice.session, choice.slot, use.bytes)
                slots[choice.slot].state.generatedTokens = choice.state.tokens.count
                slots[choice.slot].state.choice = choice.index
            }
        }
        for index in slots.indices {
            if let entry = slots[index].kept, !kept.contains(entry) { slots[index].kept = nil }
            slots[index].state.keptTokens = slots[index].kept?.tokens.count ?? 0
        }
        snapshot.slots = slots.map(\.state)
        setup.board.snapshot = snapshot
    }

    private func show(_ job: ServingJob, _ session: Session, _ index: Int, _ bytes: Int) {
        slots[index].state.activity = job.choices.isEmpty ? .prompt : .generating
        slots[index].state.processedTokens = min(session.tokens.count, job.request.prompt.count)
        slots[index].state.reusedTokens = job.reusedTokens + job.restoredTokens
        slots[index].state.heldBytes = bytes
    }
}

extension ServingLoop.Setup {
    /// Bytes of one page of every KV head of the full cache in the scheduler's format.
    fileprivate var fullPageBytes: Int {
        var session = Session.Options()
        session.cacheFormat = options.cacheFormat
        return (try? Session.sequence(model, session, kernels, pool))?.pageBytes ?? 0
    }
}

extension SchedulerSnapshot.PolicyUse {
    fileprivate mutating func add(_ bytes: Int, full: Int) {
        running += 1
        heldBytes += bytes
        fullBytes += full
    }
}
