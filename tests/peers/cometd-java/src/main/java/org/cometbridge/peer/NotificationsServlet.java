package org.cometbridge.peer;

import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.cometd.server.http.jakarta.CometDServlet;

/** The CometD endpoint; lets only requests of a logged-in HTTP session (and with its CSRF token) reach CometD. */
final class NotificationsServlet extends CometDServlet {
    /** Request attribute under which {@link Notifier} finds the user. */
    static final String USER = "peer.request.user";

    private final Options options;
    private final Notifier notifier;
    private final Stats stats;

    NotificationsServlet(Options options, Notifier notifier, Stats stats) {
        this.options = options;
        this.notifier = notifier;
        this.stats = stats;
    }

    @Override
    public void init() throws ServletException {
        super.init();
        notifier.attach(getBayeuxServer());
    }

    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response)
            throws ServletException, IOException {
        String user = Logins.user(request);
        if (user == null) {
            stats.add("unauthenticated");
            ApiServlet.denied(response);
            return;
        }
        boolean post = "POST".equals(request.getMethod());
        if (post && options.csrf() && !Logins.csrfToken(request).equals(request.getHeader("X-CSRF-TOKEN"))) {
            stats.add("csrfRefused");
            response.setStatus(403);
            response.setContentType("text/plain;charset=UTF-8");
            response.getOutputStream().write(
                "CSRF token is missing or invalid: send header X-CSRF-TOKEN".getBytes(StandardCharsets.UTF_8));
            return;
        }
        request.setAttribute(USER, user);
        super.service(request, response);
    }
}
