#include "compute/host/library_prelude.h"

namespace adyton::compute::host {

const std::string_view kLibraryPrelude = R"js((function (host) {
'use strict';
const hide = (name, value) =>
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
const text = String;
const encode = host._encode_text, decode = host._decode_text, parse = host._parse_url;
const escape = host._percent_encode, unescape = host._percent_decode;

hide('TextEncoder', class TextEncoder {
    get encoding() { return 'utf-8'; }
    encode(input = '') { return encode(input); }
});

hide('TextDecoder', class TextDecoder {
    #fatal; #mark;
    constructor(label = 'utf-8', options = {}) {
        const name = text(label).trim().toLowerCase();
        if (name !== 'utf-8' && name !== 'utf8' && name !== 'unicode-1-1-utf-8') throw new RangeError('only utf-8 is supported');
        this.#fatal = Boolean(options.fatal);
        this.#mark = Boolean(options.ignoreBOM);
    }
    get encoding() { return 'utf-8'; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#mark; }
    decode(input) {
        if (input === undefined) return '';
        if (!ArrayBuffer.isView(input) && !(input instanceof ArrayBuffer)) throw new TypeError('not a buffer');
        const value = decode(input, this.#fatal ? 1 : 0, this.#mark ? 1 : 0);
        if (value === undefined) throw new TypeError('the bytes are not valid UTF-8');
        return value;
    }
});

class URLSearchParams {
    #pairs = []; #changed = null;
    constructor(init = '', changed = null) {
        if (typeof init === 'object' && init !== null) {
            const pairs = typeof init[Symbol.iterator] === 'function' ? init : Object.entries(init);
            for (const [name, value] of pairs) this.#pairs.push([text(name), text(value)]);
        } else {
            let query = text(init);
            if (query[0] === '?') query = query.slice(1);
            for (const part of query.split('&')) {
                if (part === '') continue;
                const at = part.indexOf('=');
                this.#pairs.push(at < 0 ? [unescape(part), ''] : [unescape(part.slice(0, at)), unescape(part.slice(at + 1))]);
            }
        }
        this.#changed = changed;
    }
    get size() { return this.#pairs.length; }
    #done() { if (this.#changed !== null) this.#changed(this.toString()); }
    append(name, value) { this.#pairs.push([text(name), text(value)]); this.#done(); }
    delete(name) { name = text(name); this.#pairs = this.#pairs.filter((pair) => pair[0] !== name); this.#done(); }
    get(name) { name = text(name); const found = this.#pairs.find((pair) => pair[0] === name); return found === undefined ? null : found[1]; }
    getAll(name) { name = text(name); return this.#pairs.filter((pair) => pair[0] === name).map((pair) => pair[1]); }
    has(name) { name = text(name); return this.#pairs.some((pair) => pair[0] === name); }
    set(name, value) {
        name = text(name);
        const at = this.#pairs.findIndex((pair) => pair[0] === name);
        if (at < 0) { this.append(name, value); return; }
        this.#pairs = this.#pairs.filter((pair, index) => index <= at || pair[0] !== name);
        this.#pairs[at] = [name, text(value)];
        this.#done();
    }
    sort() { this.#pairs.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0)); this.#done(); }
    forEach(callback, self) { for (const [name, value] of this.#pairs) callback.call(self, value, name, this); }
    *entries() { for (const pair of this.#pairs) yield [pair[0], pair[1]]; }
    *keys() { for (const pair of this.#pairs) yield pair[0]; }
    *values() { for (const pair of this.#pairs) yield pair[1]; }
    [Symbol.iterator]() { return this.entries(); }
    toString() { return this.#pairs.map(([name, value]) => escape(name) + '=' + escape(value)).join('&'); }
}
hide('URLSearchParams', URLSearchParams);

hide('URL', class URL {
    #parts; #params = null;
    constructor(url, base) { this.#parts = parse(url, base === undefined ? undefined : text(base)); }
    static canParse(url, base) { try { parse(url, base); return true; } catch { return false; } }
    get href() { return this.#parts.href; }
    get origin() { return this.#parts.origin; }
    get protocol() { return this.#parts.protocol; }
    get username() { return this.#parts.username; }
    get password() { return this.#parts.password; }
    get host() { return this.#parts.host; }
    get hostname() { return this.#parts.hostname; }
    get port() { return this.#parts.port; }
    get pathname() { return this.#parts.pathname; }
    get search() { return this.#parts.search; }
    get hash() { return this.#parts.hash; }
    set search(value) {
        value = text(value);
        const bare = this.#parts.href.split('#')[0].split('?')[0];
        this.#parts = parse(bare + (value === '' || value === '?' ? '' : (value[0] === '?' ? '' : '?') + value) + this.#parts.hash);
        this.#params = null;
    }
    get searchParams() {
        if (this.#params === null) {
            this.#params = new URLSearchParams(this.search, (query) => {
                const params = this.#params;
                this.search = query;
                this.#params = params;
            });
        }
        return this.#params;
    }
    toString() { return this.href; }
    toJSON() { return this.href; }
});
return {};
}))js";

}  // namespace adyton::compute::host
