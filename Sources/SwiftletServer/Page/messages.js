"use strict";

// Messages of a conversation as elements.

/** One message on the page. */
class MessageItem {
    constructor(view, message) {
        this.view = view;
        this.message = message;
        this.isUser = message.role === "user";
        this.body = make(this.isUser ? "div.text" : "div.markdown", { dir: "auto" });
        this.actions = make("div.actions");
        this.figures = make("span.figures.quiet");
        this.element = make(
            `article.${message.role}`, { "aria-label": this.isUser ? "You" : "Answer" },
            ...(this.isUser ? [] : this.makeAnswerParts()), this.body, ...(this.isUser ? [] : [this.problem]),
            make("footer", {}, this.figures, this.actions));
        this.markdown = this.isUser ? null : new MarkdownText(this.body);
        this.update();
    }

    makeAnswerParts() {
        this.thoughts = make("div.text", { dir: "auto" });
        this.reasoning = make("details.reasoning", { hidden: true }, make("summary", {}, "Thoughts"), this.thoughts);
        this.progress = make("p.progress.quiet", { hidden: true });
        this.problem = make("div.problem", { role: "alert", hidden: true });
        return [this.reasoning, this.progress];
    }

    /** Shows the message as it is now. */
    update() {
        const { message } = this;
        if (this.isUser) this.body.textContent = message.content;
        else this.updateAnswer(message);
        this.updateActions(message.state === "running");
    }

    updateAnswer(message) {
        const isRunning = message.state === "running";
        this.element.dataset.state = message.state ?? "done";
        this.element.setAttribute("aria-busy", String(isRunning));
        this.markdown.show(message.content);
        this.reasoning.hidden = !message.reasoning;
        if (message.reasoning && this.thoughts.textContent !== message.reasoning) {
            this.thoughts.textContent = message.reasoning;
        }
        this.reasoning.classList.toggle("running", isRunning && message.content === "");
        const waits = isRunning && message.content === "" && !message.reasoning;
        this.progress.hidden = !waits;
        this.progress.textContent = waits ? this.view.progressText(message) : "";
        this.showProblem(message);
        this.figures.textContent = isRunning ? this.view.rateText(message) : MessageItem.figuresText(message);
    }

    showProblem(message) {
        const error = message.error;
        this.problem.hidden = !error;
        if (!error || this.problem.dataset.text === error.message) return;
        this.problem.dataset.text = error.message;
        this.problem.replaceChildren(make("strong", {}, error.message), error.help ? ` ${error.help}` : "");
        if (error.status === 401) {
            this.problem.append(" ", panel.keyButton());
        }
    }

    /** What an answer took, in a few words. */
    static figuresText(message) {
        const parts = [];
        const { figures } = message;
        if (message.state === "stopped") parts.push("stopped");
        if (message.state === "interrupted") parts.push("interrupted");
        if (message.finish === "length") parts.push("cut at the limit of tokens");
        if (figures?.generated > 0) parts.push(counted(figures.generated, "token"));
        if (figures?.perSecond > 0) parts.push(formatRate(figures.perSecond));
        if (figures?.bytes > 0 && figures.fullBytes > 0) {
            const share = formatShare(figures.bytes / figures.fullBytes);
            parts.push(`cache ${formatBytes(figures.bytes)}, ${share} of full`);
        }
        return parts.join(" · ");
    }

    updateActions(isRunning) {
        const wanted = isRunning ? "running" : "done";
        if (this.actions.dataset.kind === wanted) return;
        this.actions.dataset.kind = wanted;
        const { message, view } = this;
        if (isRunning) return this.actions.replaceChildren(view.cacheButton(message));
        const copy = copyButton(this.isUser ? "Copy the message" : "Copy the answer", () => message.content);
        if (this.isUser) {
            this.actions.replaceChildren(copy, iconButton("edit", "Edit and send again", () => this.edit()));
        } else {
            this.actions.replaceChildren(
                copy, iconButton("redo", "Answer again", () => view.answerAgain(message)), view.cacheButton(message));
        }
    }

    // Editing

    edit() {
        if (this.view.isRunning) return toast("Stop the answer first.");
        const field = make("textarea", { value: this.message.content, dir: "auto", "aria-label": "Message" });
        const close = () => { form.replaceWith(this.body); this.element.classList.remove("editing"); };
        const send = () => {
            if (field.value.trim() === "") return;
            close();
            this.view.sendAgain(this.message, field.value);
        };
        const cancel = () => { close(); this.actions.querySelector("button:last-child")?.focus(); };
        const form = make(
            "form.edit", { onsubmit: event => { event.preventDefault(); send(); } }, field,
            make("div", {}, make("button.main", { type: "submit" }, "Send again"),
                make("button", { type: "button", onclick: cancel }, "Cancel")));
        field.addEventListener("keydown", event => {
            if (event.key === "Escape") { event.stopPropagation(); cancel(); }
            if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(); }
        });
        this.element.classList.add("editing");
        this.body.replaceWith(form);
        field.style.height = `${Math.min(field.scrollHeight + 4, 400)}px`;
        field.focus();
    }
}

/** The conversation in the middle of the page. */
const messagesView = {
    conversation: null,
    items: new Map(),
    isAtEnd: true,

    build() {
        const box = byId("messages");
        box.addEventListener("scroll", () => {
            messagesView.isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
            byId("newest").hidden = messagesView.isAtEnd;
        });
        byId("newest").addEventListener("click", () => {
            messagesView.isAtEnd = true;
            messagesView.follow();
            byId("input").focus();
        });
        new ResizeObserver(() => messagesView.follow()).observe(box);
    },

    get run() { return runs.get(messagesView.conversation?.id); },
    get isRunning() { return Boolean(messagesView.run); },

    show(conversation) {
        messagesView.conversation = conversation;
        messagesView.isAtEnd = true;
        messagesView.render();
        const last = conversation.messages.findLast(message => traces.has(message));
        cacheView.show(last ? traces.get(last) : null);
    },

    /** Makes all messages anew. */
    render() {
        const { conversation } = messagesView;
        messagesView.items.clear();
        for (const message of conversation.messages) {
            messagesView.items.set(message, new MessageItem(messagesView, message));
        }
        const nodes = [...messagesView.items.values()].map(item => item.element);
        byId("messages").replaceChildren(...(nodes.length > 0 ? nodes : [messagesView.welcome()]));
        byId("title").textContent = conversation.title || "New conversation";
        document.title = conversation.title ? `${conversation.title} – Swiftlet` : "Swiftlet";
        messagesView.showState();
        messagesView.follow();
    },

    /** Shows what a message has become, if it is on the page. */
    update(message) {
        messagesView.items.get(message)?.update();
        messagesView.follow();
    },

    follow() {
        const box = byId("messages");
        if (messagesView.isAtEnd) box.scrollTop = box.scrollHeight;
    },

    /** The buttons below the messages. */
    showState() {
        const { isRunning } = messagesView;
        const hadFocus = document.activeElement === byId("stop");
        byId("stop").hidden = !isRunning;
        byId("send").hidden = isRunning;
        if (hadFocus && !isRunning) byId("input").focus();
    },

    welcome() {
        const ideas = [
            "Once upon a time there was a little bird",
            "Write a short story about a lighthouse in a storm.",
            "Explain what a key-value cache is, in three sentences.",
        ];
        const write = text => { byId("input").value = text; composer.resize(); byId("input").focus(); };
        return make(
            "div.welcome", {}, make("h2", {}, "What shall we write?"),
            make("p.quiet", {},
                "Choose a cache policy and a budget in the settings, ",
                "and watch in the cache panel which tokens stay."),
            make("div.ideas", {}, ...ideas.map(text =>
                make("button", { type: "button", onclick: () => write(text) }, text))));
    },

    progressText() {
        const progress = messagesView.run?.progress;
        if (!progress || !(progress.total > 0)) return "Waiting for the server…";
        return `Reading the prompt: ${formatCount(progress.processed)} of ${counted(progress.total, "token")}…`;
    },

    rateText() {
        const timings = messagesView.run?.timings;
        if (!(timings?.predicted_n > 0)) return "";
        return `${counted(timings.predicted_n, "token")} · ${formatRate(timings.predicted_per_second)}`;
    },

    cacheButton(message) {
        return iconButton("grid", "Show the cache of this answer", () => {
            const trace = traces.get(message);
            if (!trace) return toast("The cache of this answer is no longer known. Answer again to see it.");
            cacheView.show(trace);
            panel.open("cache");
        });
    },

    answerAgain(message) {
        if (messagesView.isRunning) return toast("Stop the answer first.");
        const { messages } = messagesView.conversation;
        messages.length = messages.indexOf(message);
        answer(messagesView.conversation);
    },

    sendAgain(message, text) {
        const { messages } = messagesView.conversation;
        message.content = text;
        messages.length = messages.indexOf(message) + 1;
        conversations.entitle(messagesView.conversation);
        answer(messagesView.conversation);
    },
};
