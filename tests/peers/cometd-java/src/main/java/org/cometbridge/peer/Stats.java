package org.cometbridge.peer;

import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/** Named counters; every name shows up in the answer of /control/stats, from zero on. */
final class Stats {
    private static final String[] NAMES = {
        "meRequests", "logins", "refusedLogins", "foreignPosts", "unauthenticated", "csrfRefused",
        "handshakes", "connects", "subscribes", "unsubscribes", "disconnects", "clientPublishes",
        "deniedSubscribes", "sessionsAdded", "sessionsExpired", "sessionsRemoved", "published", "delivered", "acked",
        "maxHeld"
    };

    private final Map<String, AtomicLong> counters = new ConcurrentHashMap<>();

    Stats() {
        for (String name : NAMES) {
            counters.put(name, new AtomicLong());
        }
    }

    void add(String name) {
        counters.get(name).incrementAndGet();
    }

    void max(String name, long value) {
        counters.get(name).accumulateAndGet(value, Math::max);
    }

    Map<String, Object> snapshot() {
        Map<String, Object> result = new TreeMap<>();
        counters.forEach((name, value) -> result.put(name, value.get()));
        return result;
    }
}
