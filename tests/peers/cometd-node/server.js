'use strict';
// Second test peer: a GWS node played by the CometD project's Node server. Same HTTP surface, control API and
// command line as the Java peer in ../cometd-java; the differences are listed in ../README.md.

const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const path = require('path');
const { createRequire } = require('module');

// The package is installed in the peers' cache, not next to this file.
const load = createRequire(path.join(process.env.COMETD_NODE_MODULES || __dirname, 'x.js'));
const { createCometDServer } = load('cometd-nodejs-server');
const { AcknowledgedMessagesExtension } = load('cometd-nodejs-server/ack-extension');

const LOGIN_MODES = ['ok', '401', '403', 'other', '500', '503'];

// ---- command line -------------------------------------------------------------------------------------------

function parseArgs(args) {
    const options = { port: 0, ack: true, timeout: 20000, interval: 0, maxInterval: 10000, csrf: false, denied: [], context: '' };
    for (let i = 0; i < args.length; i += 2) {
        const value = args[i + 1];
        if (value === undefined) {
            throw new Error(`${args[i]} needs a value`);
        }
        switch (args[i]) {
            case '--port': options.port = Number(value); break;
            case '--ack': options.ack = value === 'true'; break;
            case '--timeout': options.timeout = Number(value); break;
            case '--interval': options.interval = Number(value); break;
            case '--max-interval': options.maxInterval = Number(value); break;
            case '--csrf': options.csrf = value === 'true'; break;
            case '--deny-channel': options.denied.push(value); break;
            case '--context-path': options.context = value.replace(/\/$/, ''); break;
            default: throw new Error(`unknown option ${args[i]}`);
        }
    }
    return options;
}

let options;
try {
    options = parseArgs(process.argv.slice(2));
} catch (failure) {
    fs.writeSync(2, `cometd-peer: ${failure.message}\n`);
    process.exit(2);
}

const stats = {
    meRequests: 0, logins: 0, refusedLogins: 0, foreignPosts: 0, unauthenticated: 0, csrfRefused: 0,
    handshakes: 0, connects: 0, subscribes: 0, unsubscribes: 0, disconnects: 0, clientPublishes: 0,
    deniedSubscribes: 0, sessionsAdded: 0, sessionsExpired: 0, sessionsRemoved: 0, published: 0, delivered: 0,
    acked: 0, maxHeld: 0
};

// ---- logins and HTTP sessions -------------------------------------------------------------------------------

const loginModes = new Map(); // user -> mode
const logins = new Map(); // JSESSIONID -> {user, csrf}

function loginOf(request) {
    const match = /(?:^|;\s*)JSESSIONID=([^;]*)/.exec(request.headers.cookie || '');
    return match ? logins.get(match[1].trim()) : undefined;
}

function credentialsOf(request) {
    const match = /^basic (.*)$/i.exec(request.headers.authorization || '');
    if (!match) {
        return undefined;
    }
    const text = Buffer.from(match[1], 'base64').toString('utf8');
    const colon = text.indexOf(':');
    return colon < 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

function login(request, response, user) {
    const current = loginOf(request);
    if (current && current.user === user) {
        return current;
    }
    for (const [id, entry] of logins) {
        if (entry === current) {
            logins.delete(id);
        }
    }
    const entry = { user, csrf: crypto.randomUUID() };
    const id = crypto.randomBytes(16).toString('hex');
    logins.set(id, entry);
    stats.logins++;
    response.setHeader('Set-Cookie', `JSESSIONID=${id}; Path=${options.context || '/'}`);
    return entry;
}

// ---- REST side ----------------------------------------------------------------------------------------------

function answer(response, status, body) {
    const text = JSON.stringify(body);
    response.writeHead(status, {
        'Content-Type': 'application/json;charset=utf-8',
        'Content-Length': Buffer.byteLength(text)
    });
    response.end(text);
}

const denied = response => answer(response, 403, { statusCode: 20, statusMessage: 'Access denied' });

function refuse(response, mode) {
    stats.refusedLogins++;
    switch (mode) {
        case '403': return denied(response);
        case '500': return answer(response, 500, { statusCode: 1, statusMessage: 'Internal error' });
        case '503': return answer(response, 503, { statusCode: 11, statusMessage: 'Service unavailable' });
        default:
            response.setHeader('WWW-Authenticate', 'Basic realm="peer"');
            return answer(response, 401, { statusCode: 20, statusMessage: 'Not authenticated' });
    }
}

function me(request, response) {
    stats.meRequests++;
    const credentials = credentialsOf(request);
    let entry = loginOf(request);
    if (credentials) {
        const { user, password } = credentials;
        const mode = password === `pw-${user}` ? loginModes.get(user) || 'ok' : '401';
        if (mode !== 'ok' && mode !== 'other') {
            return refuse(response, mode);
        }
        entry = login(request, response, mode === 'other' ? `other-${user}` : user);
    } else if (!entry) {
        return refuse(response, '403');
    }
    if (options.csrf) {
        response.setHeader('X-CSRF-HEADER', 'X-CSRF-TOKEN');
        response.setHeader('X-CSRF-TOKEN', entry.csrf);
    }
    answer(response, 200, {
        statusCode: 0,
        user: {
            id: crypto.createHash('md5').update(entry.user).digest('hex'),
            userName: entry.user,
            contactCenterId: 'c0ffee00-0000-4000-8000-000000000001'
        }
    });
}

// ---- CometD side --------------------------------------------------------------------------------------------

const sessions = new Map(); // user -> Set of live CometD sessions
const held = new Set();
const ackedTags = [];

// One message for one session: the data as the text it was given in, and the tag of the publisher.
class Tagged {
    constructor(json, tag) {
        this.json = json;
        this.tag = tag;
    }
}

const cometd = createCometDServer({
    timeout: options.timeout,
    interval: options.interval,
    maxInterval: options.maxInterval,
    browserCookiePath: '/'
});
cometd.policy = {
    canSubscribe: (session, message, channel, callback) => {
        const allowed = !options.denied.includes(channel.name);
        stats.deniedSubscribes += allowed ? 0 : 1;
        callback(undefined, allowed);
    },
    canPublish: (session, message, channel, callback) => callback(undefined, false)
};
if (options.ack) {
    cometd.addExtension(new AcknowledgedMessagesExtension());
}

const COUNTED = {
    '/meta/handshake': 'handshakes',
    '/meta/connect': 'connects',
    '/meta/subscribe': 'subscribes',
    '/meta/unsubscribe': 'unsubscribes',
    '/meta/disconnect': 'disconnects'
};
cometd.addExtension({
    incoming: (server, session, message, callback) => {
        stats[COUNTED[message.channel] || 'clientPublishes']++;
        callback(undefined, true);
    }
});

cometd.addListener('sessionAdded', session => {
    const { user } = loginOf(cometd.context.request);
    stats.sessionsAdded++;
    if (!sessions.has(user)) {
        sessions.set(user, new Set());
    }
    sessions.get(user).add(session);
    session.addListener('removed', (_session, timeout) => {
        stats[timeout ? 'sessionsExpired' : 'sessionsRemoved']++;
        sessions.get(user).delete(session);
        held.delete(session);
    });
    session.addListener('suspended', () => {
        held.add(session);
        stats.maxHeld = Math.max(stats.maxHeld, held.size);
    });
    session.addListener('resumed', () => held.delete(session));
    watchAcks(session);
});

// A message is acknowledged when its session sends a connect whose ext.ack reaches the first batch in which the
// message was written. The acknowledgement extension registered itself for queueDrain before us, so the queue
// seen here is the one that goes out.
function watchAcks(session) {
    const exported = new Map(); // message -> batch
    session.addListener('queueDrain', (_session, queue, replies) => {
        const reply = replies.find(r => r.channel === '/meta/connect' && r.ext && typeof r.ext.ack === 'number');
        if (reply) {
            for (const message of queue) {
                if (message.data instanceof Tagged && !exported.has(message)) {
                    exported.set(message, reply.ext.ack);
                }
            }
        }
    });
    session.addExtension({
        incoming: (_session, message, callback) => {
            const ack = message.channel === '/meta/connect' && message.ext && message.ext.ack;
            if (typeof ack === 'number') {
                for (const [sent, batch] of exported) {
                    if (batch <= ack) {
                        exported.delete(sent);
                        ackedTags.push(sent.data.tag);
                        stats.acked++;
                    }
                }
            }
            callback(undefined, true);
        },
        outgoing: (sender, _session, message, callback) => {
            if (message.data instanceof Tagged) {
                // The server keeps a message's text in this property and writes that.
                const json = `{"channel":${JSON.stringify(message.channel)},"data":${message.data.json}}`;
                Object.defineProperty(message, '_json', { value: json });
            }
            callback(undefined, message);
        }
    });
}

function matches(subscription, channel) {
    if (subscription.endsWith('/**')) {
        return channel.startsWith(subscription.slice(0, -2));
    }
    if (subscription.endsWith('/*')) {
        const prefix = subscription.slice(0, -1);
        return channel.startsWith(prefix) && !channel.slice(prefix.length).includes('/');
    }
    return subscription === channel;
}

// ---- control API --------------------------------------------------------------------------------------------

// For each object of a valid JSON array of objects: the text of its member "data" as it stands there.
function rawData(text) {
    let at = 0;
    const space = () => { while (/\s/.test(text[at])) at++; };
    const string = () => {
        for (at++; text[at] !== '"'; at++) {
            if (text[at] === '\\') at++;
        }
        at++;
    };
    const value = () => {
        const start = at;
        let depth = 0;
        do {
            if (text[at] === '"') {
                string();
            } else if ('{['.includes(text[at])) {
                depth++;
                at++;
            } else if ('}]'.includes(text[at])) {
                depth--;
                at++;
            } else if (depth > 0) {
                at++;
            } else {
                while (at < text.length && !/[\s,}\]]/.test(text[at])) at++;
            }
        } while (depth > 0);
        return text.slice(start, at);
    };
    const result = [];
    at = text.indexOf('[') + 1;
    for (space(); text[at] === '{'; space()) {
        let data = '{}';
        at++;
        for (space(); text[at] === '"'; space()) {
            const name = JSON.parse(value());
            space();
            at++; // the colon
            space();
            const raw = value();
            data = name === 'data' ? raw : data;
            space();
            if (text[at] === ',') at++;
        }
        at++;
        space();
        result.push(data);
        if (text[at] === ',') at++;
    }
    return result;
}

function publish(body) {
    const items = JSON.parse(body);
    if (!Array.isArray(items) || items.some(i => !i || typeof i.user !== 'string' || typeof i.channel !== 'string')) {
        throw new Error('body must be an array of objects with user and channel');
    }
    const data = rawData(body);
    const delivered = items.map((item, index) => {
        stats.published++;
        let count = 0;
        for (const session of sessions.get(item.user) || []) {
            if (session.subscriptions.some(s => matches(s.name, item.channel))) {
                session.deliver(null, item.channel, new Tagged(data[index], String(item.tag ?? '')));
                stats.delivered++;
                count++;
            }
        }
        return count;
    });
    return { delivered };
}

// Removes the user's CometD sessions the way the server's own sweep does.
function drop(user) {
    const gone = [...(sessions.get(user) || [])];
    for (const session of gone) {
        if (session._scheduler) {
            session._scheduler.cancel();
        }
        cometd._removeServerSession(session, true);
    }
    return gone.length;
}

function userOf(body) {
    const { user } = JSON.parse(body);
    if (typeof user !== 'string') {
        throw new Error('user is missing');
    }
    return user;
}

const CONTROLS = {
    'POST /publish': publish,
    'GET /sessions': () => {
        const users = {};
        for (const [user, set] of [...sessions].filter(([, s]) => s.size > 0).sort()) {
            const channels = new Set([...set].flatMap(s => s.subscriptions.map(c => c.name)));
            const waiting = [...set].filter(s => held.has(s)).length;
            users[user] = { sessions: set.size, channels: [...channels].sort(), held: waiting };
        }
        return { users };
    },
    'GET /stats': () => ({
        ...stats,
        liveSessions: [...sessions.values()].reduce((n, set) => n + set.size, 0),
        held: held.size
    }),
    'GET /acked': () => ({ tags: ackedTags }),
    'POST /drop': body => ({ dropped: drop(userOf(body)) }),
    'POST /expire': body => {
        const user = userOf(body);
        let expired = 0;
        for (const [id, entry] of logins) {
            if (entry.user === user) {
                logins.delete(id);
                expired++;
            }
        }
        return { expired, dropped: drop(user) };
    },
    'POST /login': body => {
        const { mode } = JSON.parse(body);
        if (!LOGIN_MODES.includes(mode)) {
            throw new Error(`mode must be one of ${LOGIN_MODES}`);
        }
        loginModes.set(userOf(body), mode);
        return { mode };
    }
};

function control(request, response, name) {
    let body = '';
    request.on('data', chunk => { body += chunk; });
    request.on('end', () => {
        const run = CONTROLS[`${request.method} ${name}`];
        if (!run) {
            return answer(response, 404, { error: 'no such control' });
        }
        let result;
        try {
            result = run(body);
        } catch (failure) {
            return answer(response, 400, { error: failure.message });
        }
        answer(response, 200, result);
    });
}

// ---- the server ---------------------------------------------------------------------------------------------

function notifications(request, response) {
    const entry = loginOf(request);
    if (!entry) {
        stats.unauthenticated++;
        return denied(response);
    }
    if (options.csrf && request.method === 'POST' && request.headers['x-csrf-token'] !== entry.csrf) {
        stats.csrfRefused++;
        response.writeHead(403, { 'Content-Type': 'text/plain;charset=utf-8' });
        return response.end('CSRF token is missing or invalid: send header X-CSRF-TOKEN');
    }
    cometd.handle(request, response);
}

const server = http.createServer((request, response) => {
    request.setEncoding('utf8');
    const where = request.url.split('?')[0];
    const api = `${options.context}/api/v2/`;
    if (where.startsWith('/control/')) {
        return control(request, response, where.slice('/control'.length));
    }
    const resource = where.startsWith(api) ? where.slice(api.length) : '';
    if (resource === 'notifications' || resource.startsWith('notifications/')) {
        return notifications(request, response);
    }
    if (!['GET', 'HEAD', 'OPTIONS'].includes(request.method)) {
        stats.foreignPosts++;
    }
    if (resource === 'me' && request.method === 'GET') {
        return me(request, response);
    }
    request.resume();
    answer(response, 404, { statusCode: 6, statusMessage: 'Resource not found' });
});
server.keepAliveTimeout = 65000;
server.listen({ port: options.port, host: '127.0.0.1', backlog: 1024 }, () => {
    fs.writeSync(1, `READY http://127.0.0.1:${server.address().port}\n`);
});

// The parent holds our stdin; when it is gone, so are we.
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
process.stdin.on('error', () => process.exit(0));
process.on('SIGTERM', () => process.exit(143));
