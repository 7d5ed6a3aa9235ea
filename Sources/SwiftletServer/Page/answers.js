"use strict";

// Answers while they are written.

/** Answers in progress, by the conversation's id. */
const runs = new Map();
/** What is known of the caches of the answers of this visit, by message. */
const traces = new WeakMap();

/** One answer: asks for it, follows the stream and the cache, and writes both into the message. */
class Run {
    constructor(conversation, message) {
        this.conversation = conversation;
        this.message = message;
        this.abort = new AbortController();
        this.trace = new CacheTrace();
        this.progress = null;
        this.timings = null;
        this.usage = null;
        this.spoken = 0;
        this.timer = 0;
        this.pause = 66;
        this.lastSave = performance.now();
        traces.set(message, this.trace);
    }

    stop() { this.abort.abort(); }

    /** The messages as the server gets them: a question that was never answered is left out with its answer. */
    static messages(conversation) {
        const { messages } = conversation;
        const isEmpty = message => message?.role === "assistant" && message.content === "";
        const last = messages.length - 2;  // the question; behind it is the answer to come
        const list = messages
            .filter((message, index) => !isEmpty(message) && (index === last || !isEmpty(messages[index + 1])))
            .map(({ role, content }) => ({ role, content }));
        const system = settings.text("system");
        return system.trim() === "" ? list : [{ role: "system", content: system }, ...list];
    }

    async start() {
        const { message, trace } = this;
        this.messages = Run.messages(this.conversation);
        const fields = settings.request();
        trace.policy = fields.kv_policy ?? settings.properties?.kv_policy ?? "";
        const body = {
            model: serverState.model, messages: this.messages, stream: true, stream_options: { include_usage: true },
            timings_per_token: true, return_progress: true, return_kv_stats: true, return_kv_view: true, ...fields,
        };
        message.state = "running";
        try {
            for await (const data of server.events("v1/chat/completions", body, this.abort.signal)) this.take(data);
            message.state = "done";
        } catch (error) {
            message.state = this.abort.signal.aborted ? "stopped" : "failed";
            if (message.state === "failed") {
                message.error = { message: error.message, help: error.help ?? "", status: error.status ?? 0 };
            }
        }
        this.finish();
    }

    /** Takes one event of the stream. */
    take(data) {
        if (data.error) throw new ServerError(String(data.error.message ?? "The server gave up."));
        if (data.prompt_progress) this.takeProgress(data.prompt_progress, data.id);
        if (data.usage) this.usage = data.usage;
        const choice = data.choices?.[0];
        if (!choice) return;
        const { content, reasoning_content: reasoning } = choice.delta ?? {};
        if (typeof reasoning === "string") this.message.reasoning = (this.message.reasoning ?? "") + reasoning;
        if (typeof content === "string") this.message.content += content;
        this.takeTimings(data.timings, `${reasoning ?? ""}${content ?? ""}`);
        if (choice.finish_reason) this.message.finish = choice.finish_reason;
        if (choice.kv_view ?? data.kv_view) this.trace.add(choice.kv_view ?? data.kv_view);
        if (choice.kv_stats ?? data.kv_stats) this.statistics = choice.kv_stats ?? data.kv_stats;
        this.show();
    }

    takeProgress(progress, id) {
        this.progress = progress;
        if (this.trace.promptCount === null && progress.total > 0) {
            this.trace.promptCount = progress.total;
            this.trace.findPieces(this.messages, progress.total);
            this.follow(id);
        }
        this.show();
    }

    takeTimings(timings, text) {
        const { trace } = this;
        if (timings) {
            const before = this.timings?.predicted_n ?? 0;
            this.timings = timings;
            if (timings.predicted_n > before) return trace.addText(text, before, timings.predicted_n);
        }
        const last = (trace.promptCount ?? NaN) + (this.timings?.predicted_n ?? 0) - 1;
        if (text !== "" && trace.pieces[last] !== undefined) trace.pieces[last] += text;
    }

    /** Asks for the cache while the answer is written and the panel shows it. */
    async follow(id) {
        const path = `v1/cache/${encodeURIComponent(id)}?if_running=1`;
        let pause = 0;
        while (runs.get(this.conversation.id) === this) {
            await new Promise(resolve => setTimeout(resolve, pause));
            pause = 250;
            if (document.hidden || cacheView.trace !== this.trace || !panel.shows("cache")) continue;
            const start = performance.now();
            try {
                const response = await server.open(path, undefined, this.abort.signal);
                const view = await response.json();
                if (view && this.message.state === "running") this.trace.add(view);
            } catch (error) {
                if (error.status !== 404) return;
            }
            pause = Math.max(pause, 3 * (performance.now() - start));
        }
    }

    // What becomes visible

    /** Shows the message, at most fifteen times a second, and less often where that takes long. */
    show() {
        if (this.timer) return;
        this.timer = setTimeout(() => {
            this.timer = 0;
            const start = performance.now();
            messagesView.update(this.message);
            this.pause = Math.max(66, 4 * (performance.now() - start));
            this.speak(false);
            if (performance.now() - this.lastSave > 2000) this.save();
        }, this.pause);
    }

    save() {
        this.lastSave = performance.now();
        conversations.save(this.conversation);
    }

    /** Has whole sentences read out. */
    speak(isEnd) {
        if (messagesView.conversation !== this.conversation) return;
        const rest = this.message.content.slice(this.spoken);
        const end = isEnd ? rest.length : rest.search(/[.!?:;][^.!?:;]*$/) + 1;
        if (end <= 0 || (!isEnd && end < 40)) return;
        speak(rest.slice(0, end));
        this.spoken += end;
    }

    finish() {
        clearTimeout(this.timer);
        runs.delete(this.conversation.id);
        const { message, timings, usage, statistics } = this;
        message.figures = {
            prompt: usage?.prompt_tokens ?? this.progress?.total ?? 0,
            generated: usage?.completion_tokens ?? timings?.predicted_n ?? 0,
            perSecond: timings?.predicted_per_second ?? 0, policy: statistics?.policy ?? "",
            bytes: statistics?.bytes ?? 0, fullBytes: statistics?.full_bytes ?? 0,
        };
        this.trace.finish(statistics);
        this.save();
        this.speak(true);
        if (messagesView.conversation !== this.conversation) return;
        speak({ done: "The answer is complete.", stopped: "Stopped." }[message.state] ?? "The answer failed.");
        messagesView.update(message);
        messagesView.showState();
    }
}

/** Answers the last message of a conversation. */
function answer(conversation) {
    const problem = settings.firstProblem();
    if (problem) {
        panel.open("settings", problem.id);
        problem.reportValidity();
    }
    const message = { role: "assistant", content: "", state: problem ? "failed" : "running" };
    if (problem) {
        message.error = { message: "A setting has a value that cannot be sent.", help: problem.validationMessage };
    }
    conversation.messages.push(message);
    conversation.updated = Date.now();
    const run = problem ? null : new Run(conversation, message);
    if (run) runs.set(conversation.id, run);
    messagesView.isAtEnd = true;
    messagesView.render();
    if (run) cacheView.show(run.trace);
    conversations.save(conversation);
    conversations.render();
    run?.start();
}
