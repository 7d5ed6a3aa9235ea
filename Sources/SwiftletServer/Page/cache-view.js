"use strict";

// The panel that shows a cache: how much of it is held, the map of layers and positions, and the tokens.

/** Most tokens shown from the start and from the end. */
const shownTokens = 3000;

const cacheView = {
    trace: null,
    spans: new Map(),
    current: 0,
    cursor: null,

    build() {
        const map = byId("cache-map");
        map.addEventListener("pointermove", event => cacheView.pointAt(event));
        map.addEventListener("pointerdown", event => cacheView.pointAt(event));
        map.addEventListener("pointerleave", () => cacheView.moveCursor(null));
        map.addEventListener("keydown", event => cacheView.walkMap(event));
        map.addEventListener("blur", () => cacheView.moveCursor(null));
        const tokens = byId("cache-tokens");
        tokens.addEventListener("keydown", event => cacheView.walkTokens(event));
        tokens.addEventListener("pointerover", event => cacheView.describeSpan(event.target));
        tokens.addEventListener("pointerdown", event => cacheView.describeSpan(event.target));
        tokens.addEventListener("focusin", event => cacheView.describeSpan(event.target));
        new ResizeObserver(() => cacheView.draw()).observe(byId("cache"));
        matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => cacheView.draw());
    },

    /** Shows the cache of an answer, and follows it. */
    show(trace) {
        cacheView.trace?.listeners.delete(cacheView.update);
        cacheView.trace = trace;
        trace?.listeners.add(cacheView.update);
        cacheView.spans.clear();
        byId("cache-tokens").replaceChildren();
        byId("cache-detail").textContent = "Point at the map or at a token, or go through them with the arrow keys.";
        cacheView.current = 0;
        cacheView.cursor = null;
        cacheView.update();
    },

    pending: false,

    /** Draws once per frame, however often something changes. */
    update() {
        if (cacheView.pending) return;
        cacheView.pending = true;
        requestAnimationFrame(() => {
            cacheView.pending = false;
            cacheView.draw();
        });
    },

    draw() {
        const moment = cacheView.trace?.moment;
        byId("cache-empty").hidden = Boolean(moment);
        byId("cache-body").hidden = !moment;
        if (!moment || byId("cache").hidden || byId("panel").hidden) return;
        cacheView.writeFigures(moment);
        cacheView.drawHistory();
        cacheView.drawMap(moment);
        cacheView.writeTokens(moment);
    },

    // Figures

    writeFigures(moment) {
        const { trace } = cacheView;
        const share = moment.fullBytes > 0 ? Math.min(moment.bytes / moment.fullBytes, 1) : 0;
        byId("cache-policy").replaceChildren(
            make(`span.chip${trace.isRunning ? ".live" : ""}`, {}, trace.isRunning ? "live" : "at the end"),
            make("span.chip", {}, trace.policy || "full"),
            trace.budget ? make("span.chip", {}, `budget ${trace.budget}`) : "");
        byId("cache-held").textContent = `${formatBytes(moment.bytes)} held`;
        byId("cache-full").textContent = `of ${formatBytes(moment.fullBytes)} in full, ${formatShare(share)}`;
        byId("cache-share").style.width = `${share * 100}%`;
        const end = Math.min(trace.promptCount ?? moment.tokenCount, moment.tokenCount);
        const prompt = moment.layersHolding.subarray(0, end);
        const some = prompt.reduce((sum, layers) => sum + (layers > 0 ? 1 : 0), 0);
        const all = prompt.reduce((sum, layers) => sum + (layers === moment.layers.length ? 1 : 0), 0);
        byId("cache-summary").textContent =
            `${counted(moment.tokenCount, "token")} read, ${formatCount(moment.meanRows)} rows per head on average. `
            + `Of ${counted(end, "prompt token")}, ${formatCount(all)} are in every layer, `
            + `${formatCount(some - all)} in some and ${formatCount(end - some)} in none.`;
    },

    // Drawing

    /** A colour of the style sheet, as the theme has it. */
    color(name) {
        const probe = byId("cache");
        const before = probe.style.color;
        probe.style.color = `var(--${name})`;
        const color = getComputedStyle(probe).color;
        probe.style.color = before;
        return color;
    },

    /** A canvas at the screen's resolution, cleared. */
    prepare(canvas, height) {
        const scale = window.devicePixelRatio || 1;
        const width = canvas.clientWidth;
        canvas.style.height = `${height}px`;
        canvas.width = Math.max(1, Math.round(width * scale));
        canvas.height = Math.max(1, Math.round(height * scale));
        const context = canvas.getContext("2d");
        context.setTransform(scale, 0, 0, scale, 0, 0);
        return { context, width, height };
    },

    /** Bytes held, below what a full cache would hold. */
    drawHistory() {
        const canvas = byId("cache-history");
        const { history } = cacheView.trace;
        canvas.hidden = history.length < 2;
        if (canvas.hidden) return;
        const { context, width, height } = cacheView.prepare(canvas, 44);
        const first = history[0].tokenCount, last = history.at(-1).tokenCount;
        const top = Math.max(...history.map(point => Math.max(point.bytes, point.fullBytes)));
        const x = point => (point.tokenCount - first) / Math.max(last - first, 1) * (width - 2) + 1;
        const y = bytes => height - 2 - bytes / Math.max(top, 1) * (height - 4);
        const line = (key, color, dashes) => {
            context.beginPath();
            history.forEach((point, index) => context[index ? "lineTo" : "moveTo"](x(point), y(point[key])));
            context.strokeStyle = color;
            context.lineWidth = 1.5;
            context.setLineDash(dashes);
            context.stroke();
        };
        line("fullBytes", cacheView.color("muted"), [3, 3]);
        line("bytes", cacheView.color("accent"), []);
    },

    /** Where things are on the map, in pixels. */
    mapFrame(moment, width) {
        const left = 30, top = 2, rows = moment.layers.length;
        const row = Math.max(3, Math.min(14, Math.floor(260 / Math.max(rows, 1))));
        const plot = Math.max(width - left - 2, 1);
        return { left, top, row, plot, height: rows * row, scale: plot / Math.max(moment.tokenCount, 1) };
    },

    drawMap(moment) {
        const canvas = byId("cache-map");
        const frame = cacheView.mapFrame(moment, canvas.clientWidth);
        const { context } = cacheView.prepare(canvas, frame.top + frame.height + 20);
        const accent = cacheView.color("accent");
        context.fillStyle = cacheView.color("raised");
        context.fillRect(frame.left, frame.top, frame.plot, frame.height);
        context.fillStyle = accent;
        const columns = Math.min(moment.tokenCount, Math.ceil(frame.plot));
        moment.layers.forEach((layer, index) => {
            const y = frame.top + index * frame.row;
            const gap = frame.row > 4 ? 1 : 0;
            cacheView.drawRow(context, layer, moment.tokenCount, columns, (x, width) => context.fillRect(
                frame.left + x * frame.plot, y, Math.max(width * frame.plot, 0.75), frame.row - gap));
        });
        context.globalAlpha = 1;
        cacheView.drawAxes(context, frame, moment);
        cacheView.drawCursor(context, frame);
    },

    /** One layer: runs of equal shade, so that a full cache is a single rectangle. */
    drawRow(context, layer, tokenCount, columns, fill) {
        let start = 0, shade = 0;
        for (let column = 0; column <= columns; column += 1) {
            const now = column === columns ? -1 : cacheView.shade(layer, tokenCount, columns, column);
            if (now === shade) continue;
            if (shade > 0) {
                context.globalAlpha = (0.15 + 0.85 * shade) * (layer.isOwn ? 1 : 0.5);
                fill(start / columns, (column - start) / columns);
            }
            [start, shade] = [column, now];
        }
    },

    /** The share of heads that hold what falls into a column. */
    shade(layer, tokenCount, columns, column) {
        const from = Math.floor(column * tokenCount / columns);
        const to = Math.max(Math.floor((column + 1) * tokenCount / columns), from + 1);
        let sum = 0;
        for (let position = from; position < to; position += 1) sum += layer.counts[position];
        return layer.headCount > 0 ? sum / ((to - from) * layer.headCount) : 0;
    },

    drawAxes(context, frame, moment) {
        const { promptCount } = cacheView.trace;
        const bottom = frame.top + frame.height;
        context.fillStyle = cacheView.color("muted");
        context.font = "11px system-ui, sans-serif";
        context.textAlign = "right";
        context.textBaseline = "top";
        context.fillText("0", frame.left - 5, frame.top);
        context.textBaseline = "bottom";
        if (moment.layers.length > 1) context.fillText(String(moment.layers.length - 1), frame.left - 5, bottom);
        context.textBaseline = "top";
        context.textAlign = "left";
        context.fillText("0", frame.left, bottom + 5);
        context.textAlign = "right";
        const last = formatCount(Math.max(moment.tokenCount - 1, 0));
        context.fillText(last, frame.left + frame.plot, bottom + 5);
        if (promptCount === null || promptCount >= moment.tokenCount) return;
        const x = frame.left + promptCount * frame.scale;
        context.strokeStyle = cacheView.color("text");
        context.setLineDash([2, 2]);
        context.beginPath();
        context.moveTo(x, frame.top);
        context.lineTo(x, bottom + 4);
        context.stroke();
        context.setLineDash([]);
        const room = context.measureText("answer").width;
        const isRight = x + room < frame.left + frame.plot - context.measureText(last).width - 8;
        context.textAlign = isRight ? "left" : "right";
        context.fillText(isRight ? "answer" : "prompt", x + (isRight ? 3 : -3), bottom + 5);
    },

    drawCursor(context, frame) {
        const { cursor } = cacheView;
        if (!cursor) return;
        context.strokeStyle = cacheView.color("text");
        context.lineWidth = 1;
        context.strokeRect(
            frame.left + cursor.position * frame.scale - 1, frame.top + cursor.layer * frame.row - 0.5,
            Math.max(frame.scale, 1) + 2, frame.row + 1);
    },

    // The cursor on the map

    pointAt(event) {
        const moment = cacheView.trace?.moment;
        if (!moment || moment.layers.length === 0) return;
        const frame = cacheView.mapFrame(moment, event.currentTarget.clientWidth);
        const layer = Math.floor((event.offsetY - frame.top) / frame.row);
        const position = Math.floor((event.offsetX - frame.left) / frame.scale);
        const isInside = layer >= 0 && layer < moment.layers.length && position >= 0 && position < moment.tokenCount;
        cacheView.moveCursor(isInside ? { layer, position } : null);
    },

    walkMap(event) {
        const moment = cacheView.trace?.moment;
        const step = {
            ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0],
            PageUp: [0, -16], PageDown: [0, 16], Home: [0, -Infinity], End: [0, Infinity],
        }[event.key];
        if (!moment || !step || event.ctrlKey || event.altKey || event.metaKey) return;
        event.preventDefault();
        const clamp = (value, end) => Math.max(0, Math.min(value, end - 1));
        const { layer, position } = cacheView.cursor ?? { layer: 0, position: 0 };
        const isFirst = cacheView.cursor === null;
        cacheView.moveCursor({
            layer: clamp(layer + (isFirst ? 0 : step[0]), moment.layers.length),
            position: clamp(position + (isFirst ? 0 : step[1]), moment.tokenCount),
        });
    },

    moveCursor(cursor) {
        cacheView.cursor = cursor;
        const moment = cacheView.trace?.moment;
        if (!moment) return;
        cacheView.drawMap(moment);
        if (!cursor) return;
        const layer = moment.layers[cursor.layer];
        const heads = layer.counts[cursor.position] ?? 0;
        const shared = layer.isOwn ? "" : `, which reads layer ${layer.owner}`;
        const merged = layer.merged.has(cursor.position) ? ", merged with others" : "";
        const budget = layer.budget === null ? "" : `; ${counted(layer.budget, "row")} per head allowed here`;
        cacheView.describe(
            cursor.position,
            `layer ${cursor.layer}${shared}: ${heads} of ${counted(layer.headCount, "head")}${merged}${budget}`);
    },

    describe(position, text) {
        const piece = cacheView.trace.pieces[position];
        byId("cache-detail").replaceChildren(
            piece ? make("code", {}, cacheView.visible(piece)) : "", piece ? " " : "",
            make("span", {}, `position ${formatCount(position)}, ${text}`));
    },

    // Tokens

    /** A token's text with its white space visible. */
    visible(piece) {
        return piece.replaceAll("\n", "⏎").replaceAll("\t", "⇥").replace(/^ | $/g, "␣") || " ";
    },

    writeTokens(moment) {
        const { trace } = cacheView;
        const box = byId("cache-tokens");
        const first = Math.min(shownTokens, moment.tokenCount);
        const rest = Math.max(first, moment.tokenCount - shownTokens);
        for (const [position, span] of cacheView.spans) {
            if (position >= moment.tokenCount || (position >= first && position < rest)) {
                span.remove();
                cacheView.spans.delete(position);
            }
        }
        for (let position = 0; position < first; position += 1) cacheView.writeToken(box, position, moment);
        cacheView.writeGap(cacheView.spans.get(first - 1), rest - first);
        for (let position = rest; position < moment.tokenCount; position += 1) {
            cacheView.writeToken(box, position, moment);
        }
        byId("tokens-title").textContent =
            trace.promptCount === null ? "Tokens" : "Tokens of the prompt and the answer";
        if (!cacheView.spans.has(cacheView.current)) cacheView.current = 0;
        cacheView.spans.get(cacheView.current)?.setAttribute("tabindex", "0");
    },

    writeGap(before, count) {
        const gap = byId("cache-tokens").querySelector(".gap");
        if (count <= 0) return gap?.remove();
        const text = ` … ${counted(count, "token")} … `;
        if (gap) gap.textContent = text;
        else before.after(make("span.gap.quiet", { role: "presentation" }, text));
    },

    writeToken(box, position, moment) {
        let span = cacheView.spans.get(position);
        if (!span) {
            span = make("span", { role: "option", tabIndex: -1, data: { position } });
            span.setAttribute("aria-selected", "false");
            cacheView.spans.set(position, span);
            box.append(span);
        }
        const piece = cacheView.trace.pieces[position];
        const text = piece === undefined ? String(position) : piece === "" ? "·" : piece.replaceAll("\n", "⏎\n");
        if (span.textContent !== text) span.textContent = text;
        const holding = moment.layersHolding[position];
        if (span.dataset.holding === String(holding)) return;
        span.dataset.holding = holding;
        span.style.setProperty("--held", String(holding / Math.max(moment.layers.length, 1)));
        span.classList.toggle("gone", holding === 0);
        const { promptCount } = cacheView.trace;
        span.classList.toggle("answer", promptCount !== null && position >= promptCount);
    },

    walkTokens(event) {
        const order = [...cacheView.spans.keys()].sort((a, b) => a - b);
        const index = order.indexOf(cacheView.current);
        const next = {
            ArrowLeft: index - 1, ArrowRight: index + 1, ArrowUp: index - 10, ArrowDown: index + 10,
            Home: 0, End: order.length - 1,
        }[event.key];
        if (next === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
        event.preventDefault();
        cacheView.spans.get(order[Math.max(0, Math.min(next, order.length - 1))])?.focus();
    },

    describeSpan(span) {
        const moment = cacheView.trace?.moment;
        const position = Number(span.dataset?.position ?? NaN);
        if (!moment || !(position < moment.tokenCount)) return;
        cacheView.spans.get(cacheView.current)?.setAttribute("tabindex", "-1");
        cacheView.current = position;
        span.setAttribute("tabindex", "0");
        const holding = moment.layersHolding[position];
        const heads = moment.layers.reduce((sum, layer) => sum + layer.counts[position], 0);
        const ofHeads = moment.layers.reduce((sum, layer) => sum + layer.headCount, 0);
        const layers = counted(moment.layers.length, "layer");
        const text = holding === 0
            ? `in none of ${layers}`
            : `in ${holding} of ${layers} (${moment.holders(position)}), ${heads} of ${counted(ofHeads, "head")}`;
        span.setAttribute("aria-label", `${cacheView.visible(cacheView.trace.pieces[position] ?? "")}: ${text}`);
        cacheView.describe(position, text);
    },
};
