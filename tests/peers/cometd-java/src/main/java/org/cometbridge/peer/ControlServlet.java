package org.cometbridge.peer;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The test harness's side of the peer, under /control/; see the table in tests/peers/README.md. */
final class ControlServlet extends HttpServlet {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Set<String> MODES = Set.of("ok", "401", "403", "other", "500", "503");

    private final Logins logins;
    private final Notifier notifier;

    ControlServlet(Logins logins, Notifier notifier) {
        this.logins = logins;
        this.notifier = notifier;
    }

    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
        Object answer;
        try {
            answer = answer(request.getMethod() + " " + request.getPathInfo(),
                new String(request.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
        } catch (IllegalArgumentException | IOException x) {
            ApiServlet.write(response, 400, Map.of("error", String.valueOf(x.getMessage())));
            return;
        }
        if (answer == null) {
            ApiServlet.write(response, 404, Map.of("error", "no such control"));
        } else {
            ApiServlet.write(response, 200, answer);
        }
    }

    private Object answer(String what, String body) throws IOException {
        switch (what) {
            case "POST /publish":
                return Map.of("delivered", publish(body));
            case "POST /welcome":
                return Map.of("waiting", welcome(body));
            case "GET /sessions":
                return notifier.describeSessions();
            case "GET /stats":
                return notifier.describeStats();
            case "GET /acked":
                return Map.of("tags", notifier.acked());
            case "POST /drop":
                return Map.of("dropped", notifier.drop(user(body)));
            case "POST /expire": {
                String user = user(body);
                int expired = logins.expire(user);
                return Map.of("expired", expired, "dropped", notifier.drop(user));
            }
            case "POST /login": {
                String mode = JSON.readTree(body).path("mode").asText();
                if (!MODES.contains(mode)) {
                    throw new IllegalArgumentException("mode must be one of " + MODES);
                }
                logins.setMode(user(body), mode);
                return Map.of("mode", mode);
            }
            default:
                return null;
        }
    }

    private static String user(String body) throws IOException {
        JsonNode user = JSON.readTree(body).path("user");
        if (!user.isTextual()) {
            throw new IllegalArgumentException("user is missing");
        }
        return user.asText();
    }

    /** As /publish, but for the user's next session, which has the messages when its handshake is answered. */
    private int welcome(String body) throws IOException {
        List<Item> items = items(body);
        for (Item item : items) {
            notifier.welcome(item.user(), item.channel(), item.data(), item.tag());
        }
        return items.size();
    }

    private record Item(String user, String channel, String data, String tag) {
    }

    private List<Integer> publish(String body) throws IOException {
        List<Integer> delivered = new ArrayList<>();
        for (Item item : items(body)) {
            delivered.add(notifier.publish(item.user(), item.channel(), item.data(), item.tag()));
        }
        return delivered;
    }

    /** All of a body before any of it is sent, so that a bad body sends nothing. */
    private static List<Item> items(String body) throws IOException {
        List<Item> items = new ArrayList<>();
        try (JsonParser parser = JSON.getFactory().createParser(body)) {
            if (parser.nextToken() != JsonToken.START_ARRAY) {
                throw new IllegalArgumentException("body must be an array");
            }
            while (parser.nextToken() == JsonToken.START_OBJECT) {
                items.add(item(parser, body));
            }
        }
        return items;
    }

    private static Item item(JsonParser parser, String body) throws IOException {
        String user = null;
        String channel = null;
        String data = "{}";
        String tag = "";
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.currentName();
            parser.nextToken();
            switch (name) {
                case "user" -> user = parser.getText();
                case "channel" -> channel = parser.getText();
                case "tag" -> tag = parser.getText();
                case "data" -> data = raw(parser, body);
                default -> parser.skipChildren();
            }
        }
        if (user == null || channel == null) {
            throw new IllegalArgumentException("user and channel are needed");
        }
        return new Item(user, channel, data, tag);
    }

    /** The current value as the very text it has in the body, so that no number or string is rewritten. */
    private static String raw(JsonParser parser, String body) throws IOException {
        int start = (int)parser.currentTokenLocation().getCharOffset();
        parser.skipChildren();
        parser.finishToken();
        return body.substring(start, (int)parser.currentLocation().getCharOffset()).strip();
    }
}
