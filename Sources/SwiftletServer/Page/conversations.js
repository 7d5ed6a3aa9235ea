"use strict";

// The list of conversations.

const conversations = {
    list: [],
    hasWarned: false,

    build() {
        byId("new").addEventListener("click", () => conversations.start());
        byId("export-all").addEventListener("click", () =>
            conversations.export(conversations.list, "swiftlet-conversations"));
        window.addEventListener("storage", event => {
            if (event.key === null || event.key.startsWith(conversationPrefix)) conversations.reload();
        });
        window.addEventListener("pagehide", () => { for (const run of runs.values()) run.save(); });
        conversations.list = archive.all();
        const last = conversations.list.find(conversation => conversation.id === lasting.read("swiftlet.current"));
        if (last) conversations.open(last);
        else conversations.start();
    },

    /** Calls a conversation by its first line. */
    entitle(conversation) {
        const [line] = conversation.messages[0].content.trim().split("\n");
        conversation.title = line.length > 60 ? `${line.slice(0, 59).trimEnd()}…` : line;
    },

    /** Begins a conversation; it is kept from its first message on. */
    start() {
        conversations.open(archive.create());
        drawers.close();
        byId("input").focus();
    },

    open(conversation) {
        lasting.write("swiftlet.current", conversation.id);
        messagesView.show(conversation);
        conversations.render();
    },

    save(conversation) {
        if (!conversations.list.includes(conversation)) {
            if (conversations.removed.has(conversation.id)) return;
            conversations.list.push(conversation);
        }
        conversations.list.sort((a, b) => b.updated - a.updated);
        if (!archive.save(conversation) && lasting.isLasting && !conversations.hasWarned) {
            conversations.hasWarned = true;
            toast("The browser has no more room: this conversation ends with the page. Export or delete some.");
        }
    },

    /** Takes up what another window has changed. */
    reload() {
        const known = new Map(conversations.list.map(conversation => [conversation.id, conversation]));
        const shown = messagesView.conversation;
        conversations.list = archive.all().map(stored =>
            runs.has(stored.id) || stored.id === shown.id ? known.get(stored.id) ?? shown : stored);
        conversations.render();
    },

    removed: new Set(),

    remove(conversation) {
        runs.get(conversation.id)?.stop();
        conversations.removed.add(conversation.id);
        archive.remove(conversation.id);
        conversations.list = conversations.list.filter(other => other !== conversation);
        const isShown = messagesView.conversation === conversation;
        if (isShown) conversations.open(conversations.list[0] ?? archive.create());
        else conversations.render();
        toast(`“${conversation.title || "Conversation"}” is deleted.`, "Undo", () => {
            conversations.removed.delete(conversation.id);
            conversations.save(conversation);
            conversations.open(conversation);
        });
    },

    export(list, name) {
        const plain = list.map(({ title, created, updated, messages }) => ({ title, created, updated, messages }));
        const text = JSON.stringify({ format: "swiftlet-conversations", conversations: plain }, null, 2);
        download(`${name}.json`, text, "application/json");
    },

    render() {
        byId("export-all").hidden = conversations.list.length === 0;
        byId("conversations").replaceChildren(...conversations.list.map(conversations.row));
    },

    row(conversation) {
        const title = conversation.title || "Conversation";
        const open = make("button.name", {
            type: "button", title,
            onclick: () => { conversations.open(conversation); drawers.close(); byId("input").focus(); },
        }, title);
        if (conversation === messagesView.conversation) open.setAttribute("aria-current", "true");
        const fileName = `swiftlet-${title.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 40)}`;
        return make(
            "li", {}, open,
            iconButton("download", `Export “${title}”`, () => conversations.export([conversation], fileName)),
            iconButton("trash", `Delete “${title}”`, () => conversations.remove(conversation)));
    },
};
