"use strict";

// What the cache of an answer holds: the server's views as counts per layer and position.

/** One moment of a cache. */
class CacheMoment {
    /** Reads a view as the server sends it; positions beyond what can be drawn are left out. */
    constructor(view) {
        this.tokenCount = Math.max(0, Math.min(Number(view.tokens) || 0, 1 << 22));
        this.generated = Number(view.generated_tokens) || 0;
        this.bytes = Number(view.bytes) || 0;
        this.layers = view.layers.map(layer => this.layer(layer));
        for (const [index, layer] of this.layers.entries()) {
            // A layer without rows reads those of another.
            const owner = this.layers[layer.owner];
            if (layer.owner !== index && owner) { layer.counts = owner.counts; layer.headCount = owner.headCount; }
        }
        this.fullBytes = Number(view.full_bytes) || this.estimatedFullBytes();
        this.layersHolding = this.countLayers();
    }

    layer(layer) {
        const counts = new Uint16Array(this.tokenCount);
        let rows = 0;
        const merged = new Set();
        for (const head of layer.heads) {
            for (const position of head.positions) {
                if (position < this.tokenCount) counts[position] += 1;
                rows += 1;
            }
            for (const position of head.merged ?? []) merged.add(position);
        }
        return {
            owner: layer.owner, budget: layer.budget ?? null, bytes: Number(layer.bytes) || 0, counts, rows, merged,
            headCount: layer.heads.length, isOwn: layer.heads.length > 0,
        };
    }

    /** What every row would take, from what the kept ones take. */
    estimatedFullBytes() {
        return this.layers.reduce((sum, layer) =>
            sum + (layer.rows > 0 ? layer.bytes / layer.rows * layer.headCount * this.tokenCount : 0), 0);
    }

    countLayers() {
        const holding = new Uint16Array(this.tokenCount);
        for (const layer of this.layers) {
            for (let position = 0; position < this.tokenCount; position += 1) {
                if (layer.counts[position] > 0) holding[position] += 1;
            }
        }
        return holding;
    }

    /** Rows per head and layer, on average. */
    get meanRows() {
        const own = this.layers.filter(layer => layer.isOwn);
        const heads = own.reduce((sum, layer) => sum + layer.headCount, 0);
        return heads === 0 ? 0 : own.reduce((sum, layer) => sum + layer.rows, 0) / heads;
    }

    /** The layers that hold a position, as ranges: "0–3, 7". */
    holders(position) {
        const ranges = [];
        for (let layer = 0; layer < this.layers.length; layer += 1) {
            if (!(this.layers[layer].counts[position] > 0)) continue;
            const last = ranges.at(-1);
            if (last && last[1] === layer - 1) last[1] = layer;
            else ranges.push([layer, layer]);
        }
        return ranges.map(([first, last]) => first === last ? `${first}` : `${first}–${last}`).join(", ");
    }
}

/** The cache of one answer from its start to its end. */
class CacheTrace {
    constructor() {
        this.moment = null;
        /** Texts of the tokens by position; those of a prompt that cannot be told stay empty. */
        this.pieces = [];
        this.promptCount = null;
        /** Bytes over time, for the chart. */
        this.history = [];
        this.policy = "";
        this.budget = "";
        this.isRunning = true;
        this.listeners = new Set();
    }

    changed() { for (const listener of this.listeners) listener(this); }

    /** Takes a view. */
    add(view) {
        if (!Array.isArray(view?.layers)) return;
        try { this.moment = new CacheMoment(view); } catch { return; }
        if (typeof view.policy === "string") this.policy = view.policy;
        if (typeof view.budget === "string") this.budget = view.budget;
        const { tokenCount, bytes, fullBytes } = this.moment;
        if (this.history.at(-1)?.tokenCount === tokenCount) this.history.pop();
        this.history.push({ tokenCount, bytes, fullBytes });
        if (this.history.length > 600) this.history = this.history.filter((_, index) => index % 2 === 0);
        this.changed();
    }

    /** Takes the figures at the end of the answer. */
    finish(statistics) {
        const full = Number(statistics?.full_bytes);
        if (this.moment && full > 0) this.moment.fullBytes = full;
        if (this.moment && full > 0 && this.history.length > 0) this.history.at(-1).fullBytes = full;
        if (typeof statistics?.policy === "string") this.policy = statistics.policy;
        if (typeof statistics?.budget === "string") this.budget = statistics.budget;
        this.isRunning = false;
        this.changed();
    }

    /** Puts text at the positions of generated tokens: what came with the tokens from `first` to before `end`. */
    addText(text, first, end) {
        if (this.promptCount === null) return;
        for (let index = first; index < end; index += 1) {
            this.pieces[this.promptCount + index] = index === first ? text : "";
        }
    }

    /** Asks what the tokens of the prompt are. */
    async findPieces(messages, expected) {
        try {
            const { prompt } = await server.json("apply-template", { messages });
            const asked = { content: prompt, add_special: true, parse_special: true, with_pieces: true };
            let { tokens } = await server.json("tokenize", asked);
            // A start that both the template and the tokenizer write is there once.
            if (tokens.length > 1 && tokens.length === expected + 1 && tokens[0].id === tokens[1].id) {
                tokens = tokens.slice(1);
            }
            if (tokens.length !== expected) return;
            const decoder = new TextDecoder();
            tokens.forEach(({ piece }, index) => {
                this.pieces[index] = typeof piece === "string" ? piece : decoder.decode(Uint8Array.from(piece));
            });
            this.changed();
        } catch { /* tokens are then shown by their positions */ }
    }
}
