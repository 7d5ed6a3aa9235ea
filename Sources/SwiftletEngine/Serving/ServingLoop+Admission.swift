import Dispatch
import SwiftletCache
import SwiftletModels
import SwiftletTensor
import SwiftletText

/// Who may run: the first that waits, when slots are free and its cache fits beside what the others may still need. Only
/// a request that wants a busy slot lets others go before.
extension ServingLoop {
    /// Bytes of all caches, kept ones included; shared pages count once.
    var heldBytes: Int {
        let sequences = reading.compactMap { $0.session?.sequence } + runningChoices.map(\.session.sequence)
        return sequences.reduce(setup.pool.heldBytes + kept.bytesBesidePages) { $0 + $1.bytesBesidePages }
    }

    private var runningChoices: [ServingChoice] { writing.flatMap { $0.choices.filter { !$0.isFinished } } }

    /// Bytes that running requests may still take.
    var promisedBytes: Int {
        let restoring = restoring.reduce(fileBytes) { $0 + $1.need.all + $1.sharedBytes }
        let reading = reading.reduce(restoring) {
            $0 + max($1.need.all - ($1.session?.cacheBytes ?? 0), 0) + $1.sharedBytes
        }
        return writing.reduce(reading) { sum, job in
            job.choices.filter { !$0.isFinished }.reduce(sum) {
                $0 + max(job.need.each - $1.session.cacheBytes, 0) + $1.sharedBytes
            }
        }
    }

    /// Admits requests as long as the next one fits.
    func admit() {
        var next = 0
        while next < waiting.count {
            let job = waiting[next]
            let free = freeSlots
            if let slot = job.request.slot, !free.contains(slot) {
                next += 1
                continue
            }
            let slots = job.request.slot.map { [$0] } ?? Array(free.prefix(job.request.choiceCount))
            guard slots.count == job.request.choiceCount, begin(job, at: next, slots) else { break }
        }
        for (index, job) in waiting.enumerated() where job.toldAhead != index {
            job.toldAhead = index
            job.tell(.queued(ahead: index))
        }
    }

    /// Starts a request that waits.
    ///
    /// - Returns: false if it has to wait for memory.
    private func begin(_ job: ServingJob, at place: Int, _ slots: [Int]) -> Bool {
        do {
            guard let session = try makeRoom(for: job) else { return false }
            waiting.remove(at: place)
            setup.mailbox.leaveQueue(freeSlots: freeSlots.count - slots.count)
            job.slots = slots
            job.begin = clock.now
            for index in slots { occupy(index, job) }
            if let restoring = restoring(job, session) {
                start(restoring, for: job)
            } else {
                read(job, session)
            }
        } catch {
            fail(job, error)
        }
        return true
    }

    /// Lets a request read what is left of its prompt.
    private func read(_ job: ServingJob, _ session: Session) {
        job.session = session
        reading.append(job)
        do { try beginPrompt(of: job, session) } catch { fail(job, error) }
    }

    private func occupy(_ index: Int, _ job: ServingJob) {
        slots[index].job = job
        slots[index].kept = nil
        slots[index].state = SlotState(index: index)
        slots[index].state.request = job.request.id
        slots[index].state.policy = job.request.policy.specification
        slots[index].state.promptTokens = job.request.prompt.count
        slots[index].state.maxTokens = job.request.options.maxTokens
        slots[index].state.activity = .prompt
    }

    // MARK: Memory

    /// A cache for a request, with what is known of its prompt, once there is room for what it will need.
    ///
    /// Kept caches give way, that of the same beginning last.
    private func makeRoom(for job: ServingJob) throws(SwiftletError) -> Session? {
        let others = runningBytes
        guard others + job.need.all <= setup.memoryBytes else { return nil }
        let empty = try Session.sequence(
            setup.model, sessionOptions(job), setup.kernels, setup.pool)
        while true {
            let (session, shared) = try session(for: job, empty)
            let need = job.need.all - session.cacheBytes + shared
            let isFitting =
                heldBytes + session.sequence.bytesBesidePages + promisedBytes + need <= setup.memoryBytes
            if isFitting {
                job.sharedBytes = shared
                if usesKept(job) { counters.prefixLookups += 1 }
                if session.tokens.count > 0 { counters.prefixHits += 1 }
                job.reusedTokens = session.tokens.count
                counters.reusedTokens += job.reusedTokens
                return session
            }
            guard kept.removeOldest() else { return nil }
        }
    }

    /// The most that running requests may come to hold, if they share nothing.
    private var runningBytes: Int {
        let restoring = restoring.reduce(0) { $0 + $1.need.all + $1.sharedBytes }
        let reading = reading.reduce(restoring) {
            $0 + max($1.need.all, $1.session?.cacheBytes ?? 0) + $1.sharedBytes
        }
        return writing.reduce(reading) { sum, job in
            job.choices.filter { !$0.isFinished }.reduce(sum) {
                $0 + max(job.need.each, $1.session.cacheBytes) + $1.sharedBytes
            }
        }
    }

    private func sessionOptions(_ job: ServingJob) -> Session.Options {
        var options = Session.Options()
        options.contextLength = setup.contextLength
        options.batchSize = setup.options.batchSize
        options.cacheFormat = job.request.cacheFormat ?? setup.options.cacheFormat
        options.policy = job.request.policy
        options.adapters = job.request.adapters ?? setup.options.adapters
        return options
    }

    private func usesKept(_ job: ServingJob) -> Bool {
        setup.options.keepsPrompts && job.request.cachesPrompt && job.request.promptLogprobs == nil
    }

    /// Whether any cache that begins like the prompt is of use.
    func reusesBeginnings(_ job: ServingJob) -> Bool {
        usesKept(job) && job.request.policy.prefixIsReusable && job.restoredTokens == 0
    }

    /// A session that goes on behind the first tokens of another one.
    func continuing(
        _ other: Session, after count: Int, for job: ServingJob
    ) throws(SwiftletError) -> Session {
        let sequence = try KVSequence(
            continuing: other.sequence, after: count, under: job.request.policy)
        let session = session(job, sequence)
        session.tokens = Array(job.request.prompt.prefix(count))
        return session
    }

    private func session(_ job: ServingJob, _ sequence: KVSequence) -> Session {
        Session(setup.model, sessionOptions(job), runner, sequence, ownsPool: false)
    }

    /// A session with as much of the prompt as another cache holds, and the bytes of it that may be copied.
    private func session(
        for job: ServingJob, _ empty: KVSequence
    ) throws(SwiftletError) -> (Session, sharedBytes: Int) {
        let (policy, prompt) = (job.request.policy, job.request.prompt)
        job.promptLogits = nil
        guard usesKept(job) else { return (session(job, empty), 0) }
        let key = PrefixCache.Key(empty)
        if !policy.prefixIsReusable, let entry = kept.exact(key, prompt) {
            let fork = session(job, KVSequence(forking: entry.session.sequence))
            fork.tokens = prompt
            job.promptLogits = entry.logits
            return (fork, entry.session.cacheBytes)
        }
        guard policy.prefixIsReusable, let (other, count) = longest(key, prompt) else {
            return (session(job, empty), 0)
        }
        return (try continuing(other, after: count, for: job), job.need.page)
    }

    /// The cache, kept or in use, that holds most of a prompt.
    func longest(_ key: PrefixCache.Key, _ prompt: [TokenID]) -> (session: Session, count: Int)? {
        var best = kept.longest(key, prompt).map { (session: $0.entry.session, count: $0.count) }
        for session in reading.compactMap(\.session) + runningChoices.map(\.session)
        where session.sequence.isFull && PrefixCache.Key(session.sequence) == key {
            let count = min(PrefixCache.common(session.tokens, prompt), prompt.count - 1)
            if count >= PrefixCache.leastTokens, count > best?.count ?? 0 { best = (session, count) }
        }
        return best
    }

    // MARK: The prompt cache on disk

    /// How more of the prompt may come from the disk; `nil` if there is no cache for it.
    private func restoring(_ job: ServingJob, _ session: Session) -> PromptRestoring? {
        guard let store = setup.options.promptCache, usesKept(job), job.promptLogits == nil,
            (try? session.sequence.checkSnapshot()) != nil
        else { return nil }
        nameFiles(of: session)
        return PromptRestoring(session, job.request.prompt, store)
    }

    /// Looks for a prompt on the disk while others go on; the request goes on when that is done.
    private func start(_ prompt: PromptRestoring, for job: ServingJob) {
        restoring.append(job)
        let serial = job.serial
        restorer.async { [mailbox = setup.mailbox] in
            prompt.run()
            mailbox.post { $0.finishRestoring(serial, prompt) }
        }
    }

    private func finishRestoring(_ serial: UInt64, _ prompt: PromptRestoring) {
        guard let index = restoring.firstIndex(where: { $0.serial == serial }),
            let (session, found) = prompt.take()
        else { return }
        let job = restoring.remove(at: index)
        job.isStored = found.isComplete
        job.storedPrefixes = found.prefixes
        job.promptLogits = found.logits
        if session.tokens.count != job.reusedTokens {
            counters.reusedTokens -= job.reusedTokens
            job.reusedTokens = 0
            job.restoredTokens = session.tokens.count
            counters.restoredTokens += job.restoredTokens
        }
        read(job, session)
    }

    /// Tells a session what its files are called; finding that out takes longer than a token.
    private func nameFiles(of session: Session) {
        let key = PrefixCache.Key(session.sequence)
        if fileKeys.count > 64 { fileKeys = [:] }
        let name = fileKeys[key] ?? session.promptCacheKey
        fileKeys[key] = name
        session.promptCacheKey = name
    }

    /// Writes a prompt that was read to the disk, while others go on if there is room for the pages that they change
    /// meanwhile.
    func save(_ job: ServingJob, _ session: Session, logits: UnsafeBufferPointer<Float>) {
        guard let store = setup.options.promptCache, !job.isStored else { return }
        let bytes = job.request.policy.prefixIsReusable ? job.need.page : session.cacheBytes
        let fork = session.fork()
        fork.promptCacheKey = session.promptCacheKey
        let writing = PromptWriting(fork, Array(logits), store, replacing: job.storedPrefixes)
        guard heldBytes + promisedBytes + bytes <= setup.memoryBytes else { return writing.run() }
        beginFile(bytes)
        saver.async { [mailbox = setup.mailbox] in
            writing.run()
            mailbox.post { $0.endFile(bytes) }
        }
    }

    /// Another thread begins to work on a file.
    ///
    /// - Parameter bytes: what caches may grow by meanwhile.
    func beginFile(_ bytes: Int) {
        filesAtWork += 1
        fileBytes += bytes
    }

    func endFile(_ bytes: Int) {
        filesAtWork -= 1
        fileBytes -= bytes
    }

    // MARK: Keeping

    /// Keeps the cache of an answer that has ended, or of a prompt that was not finished, for requests that begin
    /// alike.
    func keep(_ session: Session, of job: ServingJob, slot: Int?) {
        guard usesKept(job) || setup.options.keepsPrompts && job.request.cachesPrompt,
            session.sequence.isFull,
            session.tokens.count >= PrefixCache.leastTokens
        else { return }
        insert(PrefixCache.Entry(session, logits: nil), slot: slot)
    }

    /// Keeps what a policy has left of a prompt, for the same prompt, if there is room for it twice.
    func keep(prompt session: Session, logits: UnsafeBufferPointer<Float>, of job: ServingJob) {
        let bytes = session.cacheBytes
        guard usesKept(job), !job.request.policy.prefixIsReusable, job.reusedTokens == 0,
            heldBytes + promisedBytes + bytes <= setup.memoryBytes
        else { return }
        let fork = session.fork()
        job.sharedBytes += bytes
        insert(PrefixCache.Entry(fork, logits: Array(logits)), slot: job.slots.first)
    }

    /// Gives up everything that is kept.
    func forgetPrompts() {
        kept = PrefixCache()
        for index in slots.indices { slots[index].kept = nil }
    }

    func insert(_ entry: PrefixCache.Entry, slot: Int?) {
        let entry = kept.insert(entry)
        if let slot { slots[slot].kept = entry }
        guard let bound = setup.options.keptPromptBytes else { return }
        while kept.byteCount > bound, kept.removeOldest() {}
    }
}
