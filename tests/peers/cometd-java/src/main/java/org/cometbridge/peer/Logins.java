package org.cometbridge.peer;

import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpSession;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;

/** Who may log in, in which way a login goes wrong, and which HTTP sessions belong to whom. */
final class Logins {
    private static final String USER = "peer.user";
    private static final String CSRF_TOKEN = "peer.csrf";

    private final Map<String, String> modes = new ConcurrentHashMap<>();
    private final Map<String, Set<HttpSession>> sessions = new ConcurrentHashMap<>();

    record Credentials(String user, String password) {
        boolean valid() {
            return password.equals("pw-" + user);
        }
    }

    void setMode(String user, String mode) {
        modes.put(user, mode);
    }

    String mode(String user) {
        return modes.getOrDefault(user, "ok");
    }

    /** The Basic credentials of a request, or null. */
    static Credentials credentials(HttpServletRequest request) {
        String header = request.getHeader("Authorization");
        if (header == null || !header.regionMatches(true, 0, "Basic ", 0, 6)) {
            return null;
        }
        try {
            byte[] bytes = Base64.getDecoder().decode(header.substring(6).trim());
            String text = new String(bytes, StandardCharsets.UTF_8);
            int colon = text.indexOf(':');
            return colon < 0 ? null : new Credentials(text.substring(0, colon), text.substring(colon + 1));
        } catch (IllegalArgumentException x) {
            return null;
        }
    }

    /** The user of the request's HTTP session, or null when it has no valid one. */
    static String user(HttpServletRequest request) {
        HttpSession session = request.getSession(false);
        return session == null ? null : (String)session.getAttribute(USER);
    }

    static String csrfToken(HttpServletRequest request) {
        HttpSession session = request.getSession(false);
        return session == null ? null : (String)session.getAttribute(CSRF_TOKEN);
    }

    /** Starts a session for the user, unless the request already has one of that user. True when it is new. */
    boolean login(HttpServletRequest request, String user) {
        if (user.equals(user(request))) {
            return false;
        }
        HttpSession old = request.getSession(false);
        if (old != null) {
            old.invalidate();
        }
        HttpSession session = request.getSession(true);
        session.setAttribute(USER, user);
        session.setAttribute(CSRF_TOKEN, UUID.randomUUID().toString());
        sessions.computeIfAbsent(user, u -> ConcurrentHashMap.newKeySet()).add(session);
        return true;
    }

    /** Ends all HTTP sessions of the user and tells how many there were. */
    int expire(String user) {
        int count = 0;
        Set<HttpSession> ended = sessions.remove(user);
        if (ended != null) {
            for (HttpSession session : ended) {
                try {
                    session.invalidate();
                    count++;
                } catch (IllegalStateException x) {
                    // It was over already.
                }
            }
        }
        return count;
    }
}
