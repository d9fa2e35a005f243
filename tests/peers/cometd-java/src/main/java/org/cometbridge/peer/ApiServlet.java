package org.cometbridge.peer;

import com.fasterxml.jackson.databind.ObjectMapper;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/** The REST side of the node: GET /api/v2/me, and 404 for everything else. */
final class ApiServlet extends HttpServlet {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Set<String> READING = Set.of("GET", "HEAD", "OPTIONS");

    private final Options options;
    private final Logins logins;
    private final Stats stats;

    ApiServlet(Options options, Logins logins, Stats stats) {
        this.options = options;
        this.logins = logins;
        this.stats = stats;
    }

    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
        if (!READING.contains(request.getMethod())) {
            stats.add("foreignPosts");
        }
        if ("GET".equals(request.getMethod()) && "/me".equals(request.getPathInfo())) {
            me(request, response);
        } else {
            status(response, 404, 6, "Resource not found");
        }
    }

    private void me(HttpServletRequest request, HttpServletResponse response) throws IOException {
        stats.add("meRequests");
        Logins.Credentials credentials = Logins.credentials(request);
        String user;
        if (credentials == null) {
            user = Logins.user(request);
            if (user == null) {
                stats.add("refusedLogins");
                denied(response);
                return;
            }
        } else {
            String mode = credentials.valid() ? logins.mode(credentials.user()) : "401";
            if (!"ok".equals(mode) && !"other".equals(mode)) {
                stats.add("refusedLogins");
                refuse(response, mode);
                return;
            }
            user = "other".equals(mode) ? "other-" + credentials.user() : credentials.user();
            if (logins.login(request, user)) {
                stats.add("logins");
            }
        }
        if (options.csrf()) {
            response.setHeader("X-CSRF-HEADER", "X-CSRF-TOKEN");
            response.setHeader("X-CSRF-TOKEN", Logins.csrfToken(request));
        }
        write(response, 200, Map.of("statusCode", 0, "user", Map.of(
            "id", UUID.nameUUIDFromBytes(user.getBytes(StandardCharsets.UTF_8)).toString().replace("-", ""),
            "userName", user,
            "contactCenterId", "c0ffee00-0000-4000-8000-000000000001")));
    }

    private static void refuse(HttpServletResponse response, String mode) throws IOException {
        switch (mode) {
            case "403" -> denied(response);
            case "500" -> status(response, 500, 1, "Internal error");
            case "503" -> status(response, 503, 11, "Service unavailable");
            default -> {
                response.setHeader("WWW-Authenticate", "Basic realm=\"peer\"");
                status(response, 401, 20, "Not authenticated");
            }
        }
    }

    static void denied(HttpServletResponse response) throws IOException {
        status(response, 403, 20, "Access denied");
    }

    private static void status(HttpServletResponse response, int http, int code, String text) throws IOException {
        write(response, http, Map.of("statusCode", code, "statusMessage", text));
    }

    static void write(HttpServletResponse response, int http, Object body) throws IOException {
        byte[] bytes = JSON.writeValueAsBytes(body);
        response.setStatus(http);
        response.setContentType("application/json;charset=UTF-8");
        response.setContentLength(bytes.length);
        response.getOutputStream().write(bytes);
    }
}
