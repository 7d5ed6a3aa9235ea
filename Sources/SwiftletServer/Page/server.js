"use strict";

// The server: requests, streams and errors.

/** What went wrong, in words for a person. */
class ServerError extends Error {
    constructor(message, status = 0, help = "") {
        super(message);
        this.status = status;
        this.help = help;
    }

    /** The error that an answer carries. */
    static async of(response) {
        const text = await response.text().catch(() => "");
        let message = "";
        try { message = JSON.parse(text).error?.message ?? ""; } catch { /* no JSON */ }
        if (typeof message !== "string" || message === "") message = `The server answered ${response.status}.`;
        const wait = Number(response.headers.get("Retry-After")) || 0;
        const help = {
            401: "Enter the server's API key in the settings.",
            503: wait > 0 ? `Try again in ${counted(wait, "second")}.` : "Try again in a moment.",
        }[response.status] ?? "";
        return new ServerError(message, response.status, help);
    }
}

const server = {
    headers() {
        const key = passing.read("swiftlet.key");
        const headers = { "Content-Type": "application/json" };
        if (key) headers.Authorization = `Bearer ${key}`;
        return headers;
    },

    /** Asks and takes the answer's head; throws a ServerError if it is none. */
    async open(path, body, signal) {
        let response;
        try {
            response = await fetch(path, {
                method: body === undefined ? "GET" : "POST", headers: server.headers(), signal, cache: "no-store",
                body: body === undefined ? undefined : JSON.stringify(body),
            });
        } catch (error) {
            if (error.name === "AbortError") throw error;
            throw new ServerError("The server does not answer.", 0, "Is it still running?");
        }
        if (!response.ok) throw await ServerError.of(response);
        return response;
    },

    async json(path, body, signal) {
        const response = await server.open(path, body, signal);
        try {
            return await response.json();
        } catch (error) {
            if (error.name === "AbortError") throw error;
            throw new ServerError("The server's answer cannot be read.");
        }
    },

    /** The data of server-sent events, until `[DONE]` or the end. */
    async *events(path, body, signal) {
        const response = await server.open(path, body, signal);
        const reader = response.body.getReader();
        const decoder = new TextDecoder();
        const lines = new EventLines();
        try {
            for (;;) {
                const { done, value } = await reader.read();
                for (const data of lines.add(done ? "\n\n" : decoder.decode(value, { stream: true }))) {
                    if (data === "[DONE]") return;
                    yield JSON.parse(data);
                }
                if (done) throw new ServerError("The connection ended before the answer did.");
            }
        } catch (error) {
            if (error instanceof ServerError || error.name === "AbortError") throw error;
            throw new ServerError(
                error instanceof SyntaxError ? "The server's answer cannot be read." : "The connection was lost.");
        } finally {
            reader.cancel().catch(() => {});
        }
    },
};

/** Cuts a stream of server-sent events into their data. */
class EventLines {
    constructor() {
        this.rest = "";
        this.data = [];
    }

    /** Takes more of the stream, and returns the events that are complete. */
    add(text) {
        const events = [];
        const lines = (this.rest + text).split("\n");
        this.rest = lines.pop();
        for (const raw of lines) {
            const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
            if (line.startsWith("data:")) {
                this.data.push(line.slice(line[5] === " " ? 6 : 5));
            } else if (line === "" && this.data.length > 0) {
                events.push(this.data.join("\n"));
                this.data = [];
            }
        }
        return events;
    }
}
