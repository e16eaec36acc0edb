#include "script/internal/prelude.h"

namespace adyton::script::internal {

const std::string_view kPrelude = R"js((function (host) {
'use strict';
const { stringify, parse } = JSON;
const { defineProperty, keys, create } = Object;
const { apply } = Reflect;
const text = String;
const join = Array.prototype.join;
const push = Array.prototype.push;
const hide = (object, name, value) =>
    defineProperty(object, name, { value, writable: true, configurable: true, enumerable: false });

// The library: "crypto.sha256" becomes crypto.sha256, "btoa" a global; "_x" is for preludes.
for (const path of keys(host)) {
    if (path[0] === '_') continue;
    const [space, name] = path.includes('.') ? path.split('.') : [null, path];
    defineProperty(host[path], 'name', { value: name, configurable: true });
    if (space !== null && globalThis[space] === undefined) hide(globalThis, space, {});
    hide(space === null ? globalThis : globalThis[space], name, host[path]);
}

defineProperty(host._random, 'name', { value: 'random', configurable: true });
hide(Math, 'random', host._random);

hide(globalThis, 'performance', performance);
// One SharedArrayBuffer needs two threads, and there is one.
delete globalThis.SharedArrayBuffer;
delete globalThis.Atomics;

const show = (value) => {
    switch (typeof value) {
        case 'string': return value;
        case 'function': return '[function ' + (text(value.name) || 'anonymous') + ']';
        case 'bigint': return text(value) + 'n';
        case 'object': break;
        default: return text(value);
    }
    if (value === null) return 'null';
    try {
        if (value instanceof Error) return text(value.name) + ': ' + text(value.message);
        const json = stringify(value);
        return json === undefined ? text(value) : json;
    } catch {
        return '[object]';
    }
};
const line = (values) => {
    const shown = [];
    for (let i = 0; i < values.length; i++) shown[i] = show(values[i]);
    return apply(join, shown, [' ']);
};
const console = {};
const level = (name, number) => hide(console, name, { [name](...values) { host._log(number, line(values)); } }[name]);
level('log', 0);
level('debug', 0);
level('info', 1);
level('warn', 2);
level('error', 3);
hide(globalThis, 'console', console);

const waiting = create(null);
const settle = (sequence, ok, reply) => {
    const { resolve, reject } = waiting[sequence];
    delete waiting[sequence];
    if (!ok) return reject(new TypeError(reply));
    const answer = parse(reply);
    const headers = create(null);
    for (const name of keys(answer.headers || {})) headers[name.toLowerCase()] = answer.headers[name];
    const response = create(responsePrototype);
    content.set(response, { answer, headers });
    resolve(response);
};
const content = new WeakMap();
const responsePrototype = {
    get status() { return content.get(this).answer.status; },
    get ok() { const { status } = content.get(this).answer; return status >= 200 && status < 300; },
    get headers() {
        const { headers } = content.get(this);
        return {
            get: (name) => { const value = headers[text(name).toLowerCase()]; return value === undefined ? null : value; },
            has: (name) => headers[text(name).toLowerCase()] !== undefined,
            keys: () => keys(headers),
        };
    },
    async text() {
        const { answer } = content.get(this);
        return answer.body_base64 === undefined ? answer.body || '' : host._decode_text(host._decode_base64(answer.body_base64));
    },
    async json() { return parse(await this.text()); },
    async bytes() {
        const { answer } = content.get(this);
        return answer.body_base64 === undefined ? host._encode_text(answer.body || '') : host._decode_base64(answer.body_base64);
    },
    async arrayBuffer() { return (await this.bytes()).buffer; },
};
const enableFetch = () => hide(globalThis, 'fetch', function fetch(resource, options) {
    return new Promise((resolve, reject) => {
        const { method = 'GET', headers = {}, body } = options === undefined || options === null ? {} : options;
        const request = create(null);
        request.url = text(resource);
        request.method = text(method).toUpperCase();
        request.headers = create(null);
        for (const name of keys(headers)) request.headers[name.toLowerCase()] = text(headers[name]);
        if (ArrayBuffer.isView(body) || body instanceof ArrayBuffer) request.body_base64 = host._encode_base64(body);
        else request.body = body === undefined || body === null ? null : text(body);
        const sequence = host._request('fetch', stringify(request));
        waiting[sequence] = { resolve, reject };
    });
});
return { settle, enableFetch };
}))js";

}  // namespace adyton::script::internal
