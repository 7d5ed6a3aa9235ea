"use strict";

// What the browser keeps. Where it keeps nothing (private windows, blocked storage), everything works until the page
// is closed.

/** Text by key, in the browser or, failing that, in memory. */
class Store {
    constructor(find) {
        this.memory = new Map();
        this.isLasting = true;
        try {
            this.place = find();
            this.place.setItem("swiftlet.probe", "1");
            this.place.removeItem("swiftlet.probe");
        } catch {
            this.place = null;
            this.isLasting = false;
        }
    }

    read(key) {
        if (this.memory.has(key)) return this.memory.get(key);
        try { return this.place?.getItem(key) ?? null; } catch { return null; }
    }

    /** Keeps a text; returns false if the browser has no room for it, which then lasts as long as the page. */
    write(key, text) {
        if (this.place) {
            try {
                this.place.setItem(key, text);
                this.memory.delete(key);
                return true;
            } catch { /* full */ }
        }
        this.memory.set(key, text);
        return this.place === null;
    }

    remove(key) {
        this.memory.delete(key);
        try { this.place?.removeItem(key); } catch { /* it was not there */ }
    }

    keys(prefix) {
        const names = new Set(this.memory.keys());
        try {
            for (let index = 0; index < (this.place?.length ?? 0); index += 1) names.add(this.place.key(index));
        } catch { /* only those in memory */ }
        return [...names].filter(name => name.startsWith(prefix));
    }

    readObject(key) {
        try {
            const value = JSON.parse(this.read(key));
            return value !== null && typeof value === "object" ? value : null;
        } catch { return null; }
    }
}

const lasting = new Store(() => window.localStorage);
/** Forgotten with the tab: the key of the server. */
const passing = new Store(() => window.sessionStorage);

const conversationPrefix = "swiftlet.conversation.";

/** Conversations, each under a key of its own, so that several windows do not overwrite each other's. */
const archive = {
    create() {
        const number = crypto.getRandomValues(new Uint32Array(2));
        const id = Date.now().toString(36) + [...number].map(part => part.toString(36)).join("");
        return { id, title: "", created: Date.now(), updated: Date.now(), messages: [] };
    },

    /** Reads a conversation and keeps of it what has the right form. */
    load(id) {
        const value = lasting.readObject(conversationPrefix + id);
        if (!value || !Array.isArray(value.messages)) return null;
        const messages = value.messages.filter(message =>
            message && ["user", "assistant"].includes(message.role) && typeof message.content === "string");
        for (const message of messages) {
            if (message.state === "running") message.state = "interrupted";
            if (typeof message.reasoning !== "string") delete message.reasoning;
        }
        return {
            id, title: String(value.title ?? ""), created: Number(value.created) || 0,
            updated: Number(value.updated) || 0, messages,
        };
    },

    /** Keeps a conversation; false if there is no room. */
    save(conversation) {
        return lasting.write(conversationPrefix + conversation.id, JSON.stringify(conversation));
    },

    remove(id) { lasting.remove(conversationPrefix + id); },

    /** All conversations, the newest first. */
    all() {
        return lasting.keys(conversationPrefix)
            .map(key => archive.load(key.slice(conversationPrefix.length)))
            .filter(conversation => conversation !== null)
            .sort((a, b) => b.updated - a.updated);
    },
};
